#include "member.h"

#include "base/mark.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define COMMIT_EVERY MT_SEC
#define STATE_CHUNK ((size_t)256 << 10)
#define BURST 4096u /* messages between two looks at what is due */
#define SAFE_PAUSE_NS 2000000
#define SAFE_PATIENCE (UINT64_C(120) * 1000000000) /* then others may take over */
#define SEEK_EVERY MT_SEC

enum phase {
    PHASE_STATE,  /* reading it */
    PHASE_SILENT, /* what is heard has been said by somebody */
    PHASE_LOUD,
};

struct part {
    struct part *next;
    struct mt_member *member;
    struct mt_share *share;
    int32_t partition;
    enum phase phase;
    bool has_alerted;
    bool has_changed; /* since its state was put down */
    bool is_unsafe;   /* an alert is not kept: nothing is committed any more */
    bool is_astray;   /* it could not go back: what comes is not what it wants */
    int64_t wanted;   /* if so, from where on */
    uint64_t sought_at;
    int64_t at;        /* next offset */
    int64_t committed; /* as the group knows it, or MT_TOPIC_OFFSET_NONE */
    int64_t loud_from; /* end of PHASE_SILENT */
    int64_t committed_state;
    int64_t state;      /* where its first message stands; -1: none */
    int64_t state_upto; /* next offset of who goes on from it */
    uint64_t committed_at;
    uint64_t saved_at;
    /* PHASE_STATE */
    uint64_t state_run;
    uint64_t state_number;
    uint32_t state_index;
};

struct mt_member {
    struct mt_member_config config;
    struct mt_topic *topic;
    struct part *parts;
    struct mt_stats stats; /* of partitions that are no more */
    uint64_t run;
    uint64_t states; /* written */
    bool is_stuck;   /* an output took nothing for SAFE_PATIENCE */
    /* a state on its way */
    struct part *saving;
    int64_t saved_first;
    uint32_t saved_index;
    bool is_save_failed;
    size_t chunk_size;
    uint8_t chunk[STATE_CHUNK];
};

static uint64_t steady(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * MT_SEC + (uint64_t)now.tv_nsec;
}

static MT_PRINTF(2, 3) void complain(const struct mt_member *member, const char *format, ...)
{
    char sentence[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    member->config.complain(member->config.ctx, sentence);
}

/* --- state ---------------------------------------------------------------------------- */

/* "mtev" 4 · version 1 · kind 1 · run 8 · number 8 · sensor: sigma/wire.h. Behind it
 * index 4 · is_last 4 · pieces, each behind its size 4. */
#define CHUNK_HEAD (22u + 1u + 8u)

static void put_le(uint8_t *to, uint64_t number, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        to[i] = (uint8_t)(number >> 8 * i);
}

static uint64_t get_le(const uint8_t *from, unsigned size)
{
    uint64_t number = 0;
    for (unsigned i = 0; i < size; i++)
        number |= (uint64_t)from[i] << 8 * i;
    return number;
}

static void chunk_out(struct mt_member *member, bool is_last)
{
    uint8_t *head = member->chunk;
    memcpy(head, "mtev", 4);
    head[4] = MT_SIGMA_EVENT_VERSION;
    head[5] = MT_SIGMA_MESSAGE_STATE;
    put_le(head + 6, member->run, 8);
    put_le(head + 14, member->states, 8);
    head[22] = 0;
    put_le(head + 23, member->saved_index++, 4);
    put_le(head + 27, is_last, 4);
    int64_t offset = member->is_save_failed ? -1
                                            : mt_topic_put(member->topic, member->saving->partition,
                                                           mt_span(member->chunk, member->chunk_size));
    member->is_save_failed |= offset < 0;
    if (member->saved_index == 1)
        member->saved_first = offset;
    member->chunk_size = CHUNK_HEAD;
}

static void on_piece(void *ctx, struct mt_span piece)
{
    struct mt_member *member = ctx;
    if (member->chunk_size + 4 + piece.size > sizeof(member->chunk))
        chunk_out(member, false);
    put_le(member->chunk + member->chunk_size, piece.size, 4);
    memcpy(member->chunk + member->chunk_size + 4, piece.ptr, piece.size);
    member->chunk_size += 4 + piece.size;
}

/* Without one the next who begins has more to read, no more. */
static void save(struct part *part)
{
    struct mt_member *member = part->member;
    part->saved_at = steady();
    if (part->phase != PHASE_LOUD || !part->has_changed)
        return;
    member->saving = part;
    member->saved_index = 0;
    member->is_save_failed = false;
    member->chunk_size = CHUNK_HEAD;
    member->states++;
    mt_share_save(part->share, on_piece, member);
    chunk_out(member, true);
    if (member->is_save_failed) {
        complain(member, "partition %d: its state can't be put down: %s", part->partition,
                 mt_topic_error(member->topic));
        return;
    }
    part->state = member->saved_first;
    part->state_upto = part->at;
    part->has_changed = false;
    mt_stats_add(&member->stats, MT_COUNTER_CORRELATE_STATES, 1);
}

/* --- committing ------------------------------------------------------------------------- */

static bool wait_until_safe(struct mt_member *member, uint64_t patience)
{
    uint64_t end = steady() + patience;
    const struct timespec pause = {.tv_nsec = SAFE_PAUSE_NS};
    while (!member->config.is_safe(member->config.ctx)) {
        member->is_stuck = steady() >= end;
        if (member->is_stuck)
            return false;
        nanosleep(&pause, NULL);
    }
    member->is_stuck = false;
    return true;
}

static void commit_within(struct part *part, uint64_t patience)
{
    struct mt_member *member = part->member;
    char note[MT_TOPIC_NOTE_MAX];
    if (part->phase != PHASE_LOUD || part->is_unsafe || part->at < 0 ||
        (part->at == part->committed && part->state == part->committed_state))
        return;
    part->committed_at = steady();
    if (!wait_until_safe(member, patience)) {
        complain(member,
                 "partition %d: an output has not taken its alerts; nothing is committed until it has",
                 part->partition);
        return;
    }
    snprintf(note, sizeof(note), "1 %" PRId64 " %" PRId64, part->state, part->state_upto);
    if (mt_topic_commit(member->topic, part->partition, part->at, note)) {
        part->committed = part->at;
        part->committed_state = part->state;
        part->has_alerted = false;
    } else {
        complain(member, "partition %d: %s; it is tried again", part->partition,
                 mt_topic_error(member->topic));
    }
}

static void commit(struct part *part)
{
    commit_within(part, SAFE_PATIENCE);
}

/* --- partitions -------------------------------------------------------------------------- */

static void on_alert(void *ctx, const struct mt_record_alert *alert, enum mt_level level)
{
    struct part *part = ctx;
    if (part->phase != PHASE_LOUD) {
        mt_stats_add(&part->member->stats, MT_COUNTER_CORRELATE_SILENT, 1);
        return;
    }
    part->has_alerted = true;
    part->is_unsafe |= !part->member->config.alert(part->member->config.ctx, alert, level);
}

static void on_complaint(void *ctx, const char *sentence)
{
    const struct part *part = ctx;
    if (part->phase == PHASE_LOUD)
        complain(part->member, "partition %d: %s", part->partition, sentence);
}

static void count(const struct part *part, struct mt_stats *into)
{
    struct mt_share_counts counts;
    mt_share_counts(part->share, &counts);
    const struct mt_sigma_correlator_counts *c = &counts.correlated;
    mt_stats_add(into, MT_COUNTER_CORRELATED, c->feeds);
    mt_stats_add(into, MT_COUNTER_CORRELATED_SHED, c->lost);
    mt_stats_add(into, MT_COUNTER_CORRELATED_LATE, c->late);
    mt_stats_add(into, MT_COUNTER_CORRELATED_EARLY, c->early);
    mt_stats_add(into, MT_COUNTER_CORRELATED_STALE, c->stale);
    mt_stats_add(into, MT_COUNTER_CORRELATED_EVICTED, c->evicted);
    mt_stats_add(into, MT_COUNTER_ALERTS_SUPPRESSED, c->held);
    mt_stats_add(into, MT_COUNTER_CORRELATE_FOREIGN, counts.foreign);
    mt_stats_add(into, MT_COUNTER_CORRELATE_OTHER_RULES, counts.unruly);
    mt_stats_add(into, MT_COUNTER_CORRELATE_REPEATED, counts.repeated + c->repeated);
    mt_stats_add(into, MT_COUNTER_CORRELATE_CROWDED, counts.crowded);
    mt_stats_add(into, MT_COUNTER_CORRELATE_GONE, counts.gone);
}

/* A share that knows nothing yet. */
static bool make_share(struct part *part)
{
    struct mt_share_config config = part->member->config.share;
    struct mt_share *share;
    config.alert = on_alert;
    config.complain = on_complaint;
    config.ctx = part;
    if (mt_share_create(&config, &share) != 0) {
        complain(part->member, "partition %d: out of memory", part->partition);
        return false;
    }
    mt_share_destroy(part->share);
    part->share = share;
    return true;
}

static void part_free(struct part *part)
{
    struct part **at = &part->member->parts;
    while (*at != part)
        at = &(*at)->next;
    *at = part->next;
    if (part->share)
        count(part, &part->member->stats);
    mt_share_destroy(part->share);
    free(part);
}

static struct part *part_of(const struct mt_member *member, int32_t partition)
{
    struct part *part = member->parts;
    while (part && part->partition != partition)
        part = part->next;
    return part;
}

/* From the oldest message on, in silence up to what is committed. */
static int64_t begin_anew(struct part *part)
{
    part->state = -1;
    part->state_upto = -1;
    part->committed_state = -1;
    part->phase = part->committed == MT_TOPIC_OFFSET_NONE ? PHASE_LOUD : PHASE_SILENT;
    part->loud_from = part->committed;
    return MT_TOPIC_OFFSET_BEGINNING;
}

int64_t mt_member_assigned(void *ctx, int32_t partition, int64_t committed, int64_t end, const char *note)
{
    struct mt_member *member = ctx;
    struct part *part = part_of(member, partition);
    if (committed != MT_TOPIC_OFFSET_NONE && committed > end) {
        complain(member,
                 "partition %d: %" PRId64 " messages are committed, and %" PRId64
                 " are there: the topic was made anew or cut, so all that is there is read and judged",
                 partition, committed, end);
        mt_stats_add(&member->stats, MT_COUNTER_CORRELATE_STATES_LOST, 1);
        committed = MT_TOPIC_OFFSET_NONE;
    }
    if (part)
        part_free(part);
    part = calloc(1, sizeof(*part));
    if (!part)
        return committed;
    *part = (struct part){.next = member->parts,
                          .member = member,
                          .partition = partition,
                          .at = -1,
                          .committed = committed,
                          .committed_at = steady(),
                          .saved_at = steady()};
    member->parts = part;
    if (!make_share(part)) {
        part_free(part);
        return committed;
    }
    bool has_state = committed != MT_TOPIC_OFFSET_NONE &&
                     sscanf(note, "1 %" SCNd64 " %" SCNd64, &part->state, &part->state_upto) == 2 &&
                     part->state >= 0 && part->state_upto >= 0 && part->state_upto <= committed;
    if (!has_state)
        return begin_anew(part);
    part->committed_state = part->state;
    part->phase = PHASE_STATE;
    part->loud_from = committed;
    return part->state;
}

void mt_member_revoked(void *ctx, int32_t partition, bool is_lost)
{
    struct mt_member *member = ctx;
    struct part *part = part_of(member, partition);
    if (!part)
        return;
    if (!is_lost) {
        save(part);
        commit_within(part, member->is_stuck ? 0 : SAFE_PATIENCE); /* once for all of them */
    }
    part_free(part);
}

/* --- messages ----------------------------------------------------------------------------- */

static void go_back(struct part *part, int64_t offset)
{
    part->wanted = offset;
    part->sought_at = steady();
    part->is_astray = !mt_topic_seek(part->member->topic, part->partition, offset);
    if (part->is_astray)
        complain(part->member, "partition %d: %s; it is tried again", part->partition,
                 mt_topic_error(part->member->topic));
}

static void give_state_up(struct part *part, const char *why)
{
    complain(part->member,
             "partition %d: its state %s, so it is made of all messages that are there; alerts of windows "
             "that began before them may be missed, or come again",
             part->partition, why);
    mt_stats_add(&part->member->stats, MT_COUNTER_CORRELATE_STATES_LOST, 1);
    if (make_share(part))
        go_back(part, begin_anew(part));
}

static bool load_pieces(struct mt_share *share, struct mt_span rest)
{
    while (rest.size > 0) {
        size_t size = rest.size < 4 ? SIZE_MAX : get_le(rest.ptr, 4);
        if (rest.size < 4 || size > rest.size - 4 ||
            !mt_share_load(share, mt_span_head(mt_span_from(rest, 4), size)))
            return false;
        rest = mt_span_from(rest, 4 + size);
    }
    return true;
}

static void read_state(struct part *part, const struct mt_topic_message *message)
{
    struct mt_sigma_message head;
    bool is_state = !mt_sigma_message_read(message->bytes, &head) && head.kind == MT_SIGMA_MESSAGE_STATE &&
                    head.rest.size >= 8;
    if (part->state_index == 0) {
        if (!is_state || message->offset != part->state) {
            give_state_up(part, "is not there any more");
            return;
        }
        part->state_run = head.run;
        part->state_number = head.number;
    }
    if (!is_state || head.run != part->state_run || head.number != part->state_number)
        return; /* of somebody else, in between */
    if (get_le(head.rest.ptr, 4) != part->state_index++ ||
        !load_pieces(part->share, mt_span_from(head.rest, 8))) {
        give_state_up(part, "is damaged, holds what can't be, or is of another version of mailtap");
        return;
    }
    if (get_le(head.rest.ptr + 4, 4) == 0)
        return;
    part->phase = part->state_upto < part->loud_from ? PHASE_SILENT : PHASE_LOUD;
    part->at = part->state_upto;
    mt_stats_add(&part->member->stats, MT_COUNTER_CORRELATE_STATES_READ, 1);
    go_back(part, part->state_upto);
}

/* Messages that should have been read are not there. */
static void note_gap(const struct part *part, int64_t offset)
{
    int64_t next = part->at >= 0 ? part->at : part->phase == PHASE_SILENT ? part->loud_from : offset;
    if (offset > next) {
        complain(part->member,
                 "partition %d: %" PRId64 " messages were gone before they were read, so alerts may be "
                 "missed; let the topic keep them longer, or add members",
                 part->partition, offset - next);
        mt_stats_add(&part->member->stats, MT_COUNTER_CORRELATE_MISSED, (uint64_t)(offset - next));
    } else if (part->phase == PHASE_SILENT && part->at < 0 && offset > 0) {
        complain(part->member,
                 "partition %d: the oldest messages are gone, so alerts of windows that began before "
                 "may be missed, or come again",
                 part->partition);
    }
}

static void take(struct mt_member *member, const struct mt_topic_message *message)
{
    struct part *part = part_of(member, message->partition);
    if (!part || part->is_astray)
        return;
    mt_stats_add(&member->stats, MT_COUNTER_CORRELATE_MESSAGES, 1);
    if (part->phase == PHASE_STATE) {
        read_state(part, message);
        return;
    }
    if (part->at >= 0 && message->offset < part->at)
        return; /* it was on its way when the place was changed */
    note_gap(part, message->offset);
    if (part->phase == PHASE_SILENT && message->offset >= part->loud_from)
        part->phase = PHASE_LOUD;
    part->has_changed |= message->bytes.size < 6 || message->bytes.ptr[5] != MT_SIGMA_MESSAGE_STATE;
    mt_share_take(part->share, message->bytes, message->stamp);
    part->at = message->offset + 1;
    if (part->phase == PHASE_SILENT && part->at >= part->loud_from) /* nothing may follow */
        part->phase = PHASE_LOUD;
    if (part->has_alerted)
        commit(part);
}

static void look_after(struct mt_member *member)
{
    uint64_t now = steady();
    for (struct part *part = member->parts; part; part = part->next) {
        if (part->is_astray && now - part->sought_at >= SEEK_EVERY)
            go_back(part, part->wanted);
        if (now - part->saved_at >= member->config.state_every) {
            save(part);
            commit(part);
        } else if (now - part->committed_at >= COMMIT_EVERY) {
            part->committed_at = now;
            commit(part);
        }
    }
}

void mt_member_run(struct mt_member *member, uint32_t wait_ms)
{
    struct mt_topic_message message;
    uint64_t end = steady() + (uint64_t)wait_ms * MT_MSEC;
    bool has_come = mt_topic_poll(member->topic, wait_ms, &message);
    for (uint32_t i = 0; has_come && i < BURST; i++) {
        take(member, &message);
        has_come = steady() < end && mt_topic_poll(member->topic, 0, &message);
    }
    if (has_come)
        take(member, &message);
    look_after(member);
}

/* --- all of it ------------------------------------------------------------------------------- */

struct mt_member *mt_member_create(const struct mt_member_config *config)
{
    struct mt_member *member = aligned_alloc(MT_CACHE_LINE, sizeof(*member));
    if (!member)
        return NULL;
    memset(member, 0, sizeof(*member));
    member->config = *config;
    if (getrandom(&member->run, sizeof(member->run), 0) == (ssize_t)sizeof(member->run))
        return member;
    free(member);
    return NULL;
}

void mt_member_use(struct mt_member *member, struct mt_topic *topic)
{
    member->topic = topic;
}

void mt_member_destroy(struct mt_member *member)
{
    struct part *next;
    for (struct part *part = member ? member->parts : NULL; part; part = next) {
        next = part->next;
        part_free(part);
    }
    free(member);
}

bool mt_member_is_over(const struct mt_member *member)
{
    bool is_over = member->parts != NULL;
    for (const struct part *part = member->parts; part; part = part->next)
        is_over &= part->phase == PHASE_LOUD && mt_share_is_over(part->share);
    return is_over;
}

uint32_t mt_member_partitions(const struct mt_member *member)
{
    uint32_t parts = 0;
    for (const struct part *part = member->parts; part; part = part->next)
        parts++;
    return parts;
}

void mt_member_count(const struct mt_member *member, struct mt_stats *into)
{
    mt_stats_sum(into, &member->stats);
    for (const struct part *part = member->parts; part; part = part->next)
        count(part, into);
}
