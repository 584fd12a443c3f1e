#include "pipeline/share.h"

#include "base/mark.h"
#include "export/community_id.h"
#include "pipeline/match_priv.h"
#include "sigma/state.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define NAME_MAX_SHOWN 48u
#define COMPLAINTS_MAX 8u /* sentences between two that were judged: the rest is counted */

/* A run of a sensor: one that begins anew is another. */
struct sensor {
    uint64_t run;
    uint64_t mark;   /* 0: none yet */
    uint64_t number; /* of the message that brought it */
    uint64_t stamp;  /* of its latest message, by whatever clock */
    uint64_t heard;  /* when that came, by the share's */
    uint8_t has_ended;
    uint8_t is_gone;
    uint8_t is_past; /* all had ended: known only so that its repetitions are */
};

struct mt_share {
    struct mt_share_config config;
    struct mt_sigma_correlator *correlator;
    struct mt_share_counts counts;
    struct mt_sigma_correlator_counts before; /* of correlators that are no more */
    struct sensor sensors[MT_SHARE_SENSORS_MAX];
    uint32_t sensor_count;
    uint64_t now; /* hear() */
    uint32_t complaints;
    bool is_over;
    uint8_t feed[MT_SIGMA_EVENT_MAX];
};

static void on_alarm(void *ctx, const struct mt_sigma_alarm *alarm)
{
    const struct mt_share *share = ctx;
    struct mt_record_alert alert;
    uint8_t community_id[MT_COMMUNITY_ID_SIZE];
    mt_match_alarm(alarm, share->config.observer_name, share->config.observer_version, &alert);
    if (alert.source_ip.family != 0) {
        struct mt_tuple tuple = {
            .src = alert.source_ip,
            .dst = alert.destination_ip,
            .src_port = (uint16_t)alert.source_port,
            .dst_port = (uint16_t)alert.destination_port,
        };
        mt_community_id(&tuple, community_id);
        alert.network_community_id = mt_span(community_id, sizeof(community_id));
    }
    share->config.alert(share->config.ctx, &alert, alarm->level);
}

static int begin(struct mt_share *share)
{
    int rc = mt_sigma_correlator_create(share->config.sigma, share->config.memory_max, on_alarm, share,
                                        &share->correlator);
    if (rc == 0)
        mt_sigma_correlator_drop_repeats(share->correlator);
    return rc;
}

int mt_share_create(const struct mt_share_config *config, struct mt_share **ret_share)
{
    struct mt_share *share = calloc(1, sizeof(*share));
    if (!share)
        return -ENOMEM;
    share->config = *config;
    if (share->config.sensors == 0)
        share->config.sensors = 1;
    int rc = begin(share);
    if (rc != 0)
        free(share);
    else
        *ret_share = share;
    return rc;
}

void mt_share_destroy(struct mt_share *share)
{
    if (!share)
        return;
    mt_sigma_correlator_destroy(share->correlator);
    free(share);
}

/* --- complaints ---------------------------------------------------------------------- */

static void complain(struct mt_share *share, const struct mt_sigma_message *message, const char *why)
{
    uint8_t sensor[NAME_MAX_SHOWN * 4 + 1];
    uint8_t name[NAME_MAX_SHOWN * 4 + 1];
    char sentence[700];
    if (share->complaints++ >= COMPLAINTS_MAX)
        return;
    struct mt_buf s = mt_buf(sensor, sizeof(sensor));
    struct mt_buf n = mt_buf(name, sizeof(name));
    mt_buf_put_escaped(&s, mt_span_head(message->sensor, NAME_MAX_SHOWN));
    mt_buf_put_escaped(&n, mt_span_head(message->name, NAME_MAX_SHOWN));
    snprintf(sentence, sizeof(sentence), "a message%s%.*s%s%.*s is left out: %s",
             s.size > 0 ? " of sensor " : "", (int)s.size, (const char *)sensor, n.size > 0 ? " for " : "",
             (int)n.size, (const char *)name, why);
    share->config.complain(share->config.ctx, sentence);
}

/* --- time ---------------------------------------------------------------------------- */

static void all_have_ended(struct mt_share *share)
{
    mt_sigma_correlator_finish(share->correlator);
    mt_share_counts(share, &share->counts);
    share->before = share->counts.correlated;
    share->before.groups = 0;
    share->before.memory = 0;
    for (uint32_t i = 0; i < share->sensor_count; i++)
        share->sensors[i].is_past = 1;
    share->is_over = true;
    struct mt_sigma_correlator *old = share->correlator;
    if (begin(share) == 0) /* the time of what comes now may be any */
        mt_sigma_correlator_destroy(old);
    else
        share->correlator = old;
}

/* Stamps may be of the sensors' own clocks, which differ. So who speaks is there, however
 * late its clock; and behind one that runs ahead, time goes on by what passes for each. */
static void hear(struct mt_share *share, struct sensor *sensor, uint64_t stamp)
{
    stamp = mt_min_u64(stamp, MT_SIGMA_TIME_MAX);
    uint64_t passed = sensor->stamp > 0 && stamp > sensor->stamp ? stamp - sensor->stamp : 0;
    passed = mt_min_u64(passed, share->config.patience + 1); /* more says no more */
    share->now = mt_max_u64(share->now, mt_max_u64(stamp, sensor->heard + passed));
    sensor->stamp = stamp;
    sensor->heard = share->now;
}

/* Judges up to where all sensors are that are still there. */
static void advance(struct mt_share *share)
{
    uint64_t least = UINT64_MAX;
    uint32_t spoken = 0;
    bool is_anyone_there = false;
    for (uint32_t i = 0; i < share->sensor_count; i++) {
        struct sensor *sensor = &share->sensors[i];
        if (sensor->is_past)
            continue;
        spoken++;
        bool is_gone = share->now - sensor->heard > share->config.patience;
        share->counts.gone += is_gone && !sensor->is_gone && !sensor->has_ended;
        sensor->is_gone = is_gone;
        if (sensor->has_ended || is_gone)
            continue;
        is_anyone_there = true;
        least = mt_min_u64(least, sensor->mark);
    }
    if (spoken < share->config.sensors)
        return;
    if (!is_anyone_there)
        all_have_ended(share);
    else if (least > 0)
        mt_sigma_correlator_advance(share->correlator, least);
}

/* --- messages ------------------------------------------------------------------------- */

/* NULL: there is no room. Who has ended or is gone gives way to who comes. */
static struct sensor *sensor_of(struct mt_share *share, uint64_t run)
{
    struct sensor *place = NULL;
    for (uint32_t i = 0; i < share->sensor_count; i++) {
        struct sensor *sensor = &share->sensors[i];
        if (sensor->run == run)
            return sensor;
        bool is_past = sensor->is_past || sensor->is_gone ||
                       (sensor->has_ended && share->sensor_count > share->config.sensors);
        if (is_past && (!place || sensor->heard < place->heard))
            place = sensor;
    }
    if (share->sensor_count < MT_SHARE_SENSORS_MAX)
        place = &share->sensors[share->sensor_count++];
    if (place)
        *place = (struct sensor){.run = run};
    return place;
}

static void take_event(struct mt_share *share, const struct mt_sigma_message *message)
{
    struct mt_buf feed = mt_buf(share->feed, sizeof(share->feed));
    switch (mt_sigma_event_read(share->config.sigma, message, &feed)) {
    case MT_SIGMA_EVENT_OK:
        share->counts.events++;
        mt_sigma_correlator_feed(share->correlator, mt_buf_span(&feed));
        break;
    case MT_SIGMA_EVENT_OTHER_RULES:
        share->counts.unruly++;
        complain(share, message,
                 "the sensor's rules are not these; load the same rules on sensors and in correlate");
        break;
    case MT_SIGMA_EVENT_DAMAGED:
        share->counts.foreign++;
        complain(share, message, "it is damaged");
        break;
    }
}

static void take_mark(struct mt_share *share, struct sensor *sensor, const struct mt_sigma_message *message)
{
    share->counts.marks++;
    share->complaints = 0;
    sensor->number = message->number;
    sensor->has_ended = message->time == MT_SIGMA_MARK_END;
    if (!sensor->has_ended)
        sensor->mark = mt_max_u64(sensor->mark, message->time);
    advance(share);
}

void mt_share_take(struct mt_share *share, struct mt_span bytes, uint64_t stamp)
{
    struct mt_sigma_message message = {.run = 0};
    const char *why = mt_sigma_message_read(bytes, &message);
    if (why) {
        share->counts.foreign++;
        complain(share, &message, why);
        return;
    }
    if (message.kind == MT_SIGMA_MESSAGE_STATE)
        return;
    struct sensor *sensor = sensor_of(share, message.run);
    if (!sensor) {
        share->counts.crowded++;
        complain(share, &message, "there are too many sensors");
        return;
    }
    hear(share, sensor, stamp);
    if (message.number <= sensor->number) { /* all before a mark were there before it */
        share->counts.repeated++;
        return;
    }
    sensor->is_past = 0;
    share->is_over = false;
    if (message.kind == MT_SIGMA_MESSAGE_EVENT)
        take_event(share, &message);
    else
        take_mark(share, sensor, &message);
}

bool mt_share_is_over(const struct mt_share *share)
{
    return share->is_over;
}

void mt_share_counts(const struct mt_share *share, struct mt_share_counts *ret_counts)
{
    const struct mt_sigma_correlator_counts *now = mt_sigma_correlator_counts(share->correlator);
    struct mt_share_counts counts = share->counts;
    struct mt_sigma_correlator_counts *sum = &counts.correlated;
    *sum = share->before;
    sum->feeds += now->feeds;
    sum->late += now->late;
    sum->early += now->early;
    sum->repeated += now->repeated;
    sum->stale += now->stale;
    sum->evicted += now->evicted;
    sum->held += now->held;
    sum->lost += now->lost;
    sum->alarms += now->alarms;
    sum->groups = now->groups;
    sum->memory = now->memory;
    *ret_counts = counts;
}

/* --- state ------------------------------------------------------------------------------ */

#define PIECE_SHARE 's'

struct share_piece {
    uint64_t now;
    uint32_t sensor_count;
    uint32_t is_over;
};

void mt_share_save(const struct mt_share *share, void (*out)(void *ctx, struct mt_span piece), void *ctx)
{
    static const uint8_t kind = PIECE_SHARE;
    uint8_t room[1 + sizeof(struct share_piece) + sizeof(share->sensors)];
    struct mt_buf b = mt_buf(room, sizeof(room));
    struct share_piece piece = {
        .now = share->now, .sensor_count = share->sensor_count, .is_over = share->is_over};
    mt_buf_put_byte(&b, kind);
    mt_buf_put(&b, &piece, sizeof(piece));
    mt_buf_put(&b, share->sensors, share->sensor_count * sizeof(struct sensor));
    out(ctx, mt_buf_span(&b));
    mt_sigma_correlator_save(share->correlator, out, ctx);
}

static bool load_share(struct mt_share *share, struct mt_span rest)
{
    struct share_piece piece;
    if (rest.size < sizeof(piece))
        return false;
    memcpy(&piece, rest.ptr, sizeof(piece));
    rest = mt_span_from(rest, sizeof(piece));
    if (piece.now > 2 * MT_SIGMA_TIME_MAX || piece.sensor_count > MT_SHARE_SENSORS_MAX ||
        rest.size != piece.sensor_count * sizeof(struct sensor))
        return false;
    if (rest.size > 0)
        memcpy(share->sensors, rest.ptr, rest.size);
    share->sensor_count = piece.sensor_count;
    share->now = piece.now;
    for (uint32_t i = 0; i < share->sensor_count; i++) {
        const struct sensor *sensor = &share->sensors[i];
        if (sensor->heard > share->now || sensor->stamp > MT_SIGMA_TIME_MAX ||
            (sensor->mark > MT_SIGMA_TIME_MAX && sensor->mark != MT_SIGMA_MARK_END))
            return false;
    }
    share->is_over = piece.is_over != 0;
    return true;
}

bool mt_share_load(struct mt_share *share, struct mt_span piece)
{
    if (piece.size > 0 && piece.ptr[0] == PIECE_SHARE)
        return load_share(share, mt_span_from(piece, 1));
    return mt_sigma_correlator_load(share->correlator, piece);
}
