/* What an alert of a correlation says. */
#include "sigma/correlate_priv.h"

#define TITLE_MAX 200u

static void put_number(struct mt_buf *b, uint64_t number, const char *what)
{
    mt_buf_put_u64(b, number);
    mt_buf_put_cstr(b, what);
}

/* "25 events", "12 different values of smtp.auth.user". */
static void put_measure(struct mt_buf *b, const struct mt_sigma_group *g, uint64_t measure)
{
    static const char *const words[] = {
        [MT_SIGMA_CORRELATE_EVENT_COUNT] = " events",
        [MT_SIGMA_CORRELATE_VALUE_COUNT] = " different values of ",
        [MT_SIGMA_CORRELATE_TEMPORAL] = " events",
        [MT_SIGMA_CORRELATE_TEMPORAL_ORDERED] = " events",
        [MT_SIGMA_CORRELATE_VALUE_SUM] = " in all of ",
        [MT_SIGMA_CORRELATE_VALUE_AVG] = " on average of ",
        [MT_SIGMA_CORRELATE_VALUE_PERCENTILE] = " at percentile ",
        [MT_SIGMA_CORRELATE_VALUE_MEDIAN] = " in the median of ",
    };
    const struct mt_sigma_correlation *c = g->of->correlation;
    if (c->type == MT_SIGMA_CORRELATE_VALUE_COUNT && g->sketch)
        mt_buf_put_cstr(b, "about ");
    if (c->type == MT_SIGMA_CORRELATE_VALUE_SUM && measure == UINT64_MAX)
        mt_buf_put_cstr(b, "at least ");
    put_number(b, measure, words[c->type]);
    if (c->type == MT_SIGMA_CORRELATE_VALUE_PERCENTILE)
        put_number(b, c->percentile, " of ");
    for (uint32_t i = 0; i < c->fields.count; i++) {
        mt_buf_put_cstr(b, i > 0 ? " and " : "");
        mt_buf_put_escaped(b, mt_span_head(mt_span_cstr(c->fields.items[i]), 64));
    }
}

static void put_message(struct mt_sigma_correlator *c, const struct mt_sigma_group *g, uint64_t measure,
                        enum mt_sigma_occasion occasion, struct mt_sigma_alarm *alarm)
{
    struct mt_buf b = mt_buf(c->message, sizeof(c->message));
    mt_buf_put_escaped(&b, mt_span_head(mt_span_cstr(g->of->rule.title), TITLE_MAX));
    mt_buf_put_cstr(&b, ": ");
    mt_buf_put_ip(&b, &alarm->source_ip);
    mt_buf_put_cstr(&b, " to ");
    mt_buf_put_ip(&b, &alarm->destination_ip);
    mt_buf_put_cstr(&b, occasion == MT_SIGMA_OCCASION_OVER ? ", over: " : ", ");
    put_measure(&b, g, measure);
    mt_buf_put_cstr(&b, " within ");
    put_number(&b, alarm->window, " s");
    alarm->message = mt_buf_span(&b);
}

static struct mt_buf line_buf(struct mt_sigma_correlator *c, const struct mt_sigma_alarm *alarm)
{
    return mt_buf(c->lines[alarm->line_count], sizeof(c->lines[0]));
}

static void add_line(struct mt_sigma_alarm *alarm, const struct mt_buf *b)
{
    alarm->lines[alarm->line_count++] = mt_buf_span(b);
}

/* "2026-11-22T13:38:00.000000000Z first: 192.0.2.1:4711 to 192.0.2.25:25, session ..." */
static void put_session(struct mt_buf *b, const char *what, const struct mt_sigma_seen *seen)
{
    mt_buf_put_time(b, seen->time);
    mt_buf_put_cstr(b, what);
    mt_buf_put_ip(b, &seen->source_ip);
    mt_buf_put_byte(b, ':');
    put_number(b, seen->source_port, " to ");
    mt_buf_put_ip(b, &seen->destination_ip);
    mt_buf_put_byte(b, ':');
    put_number(b, seen->destination_port, ", session ");
    mt_buf_put_escaped(b, mt_span(seen->event_id, seen->event_id_size));
}

static void put_values(struct mt_sigma_correlator *c, const struct mt_sigma_group *g,
                       struct mt_sigma_alarm *alarm)
{
    struct mt_span rest = mt_span(g->values, g->values_size);
    struct mt_buf b = line_buf(c, alarm);
    if (rest.size == 0)
        return;
    mt_buf_put_cstr(&b, "values: ");
    for (uint32_t i = 0; rest.size > 0; i++) {
        struct mt_span text = mt_sigma_take_text(&rest);
        if (b.size + text.size * 4 + 8 > sizeof(c->lines[0])) {
            mt_buf_put_cstr(&b, ", ...");
            break;
        }
        mt_buf_put_cstr(&b, i > 0 ? ", " : "");
        mt_buf_put_escaped(&b, text);
    }
    add_line(alarm, &b);
}

static void put_lines(struct mt_sigma_correlator *c, const struct mt_sigma_group *g,
                      const struct mt_sigma_feed *feed, struct mt_sigma_alarm *alarm)
{
    struct mt_buf first = line_buf(c, alarm);
    struct mt_sigma_seen last = {.time = feed->head.time,
                                 .source_ip = feed->head.source_ip,
                                 .destination_ip = feed->head.destination_ip,
                                 .source_port = feed->head.source_port,
                                 .destination_port = feed->head.destination_port};
    last.event_id_size = (uint8_t)mt_min_u64(feed->event_id.size, sizeof(last.event_id));
    memcpy(last.event_id, feed->event_id.ptr, last.event_id_size);
    put_session(&first, " first: ", &g->first);
    add_line(alarm, &first);
    struct mt_buf latest = line_buf(c, alarm);
    put_session(&latest, " last: ", &last);
    add_line(alarm, &latest);
    struct mt_span lines = feed->lines;
    for (uint32_t i = 0; i < feed->head.line_count; i++) {
        struct mt_buf line = line_buf(c, alarm);
        mt_sigma_line_next(feed, &lines, &line);
        add_line(alarm, &line);
    }
    put_values(c, g, alarm);
}

static void put_keys(const struct mt_sigma_loaded *of, const struct mt_sigma_feed *feed, uint32_t frame_index,
                     uint32_t group_in_frame, struct mt_sigma_alarm *alarm)
{
    struct mt_sigma_frame frame;
    struct mt_span texts[MT_SIGMA_KEYS_MAX];
    mt_sigma_frame_open(feed, frame_index, &frame);
    for (uint32_t i = 0; i <= group_in_frame; i++)
        mt_sigma_frame_next_group(&frame.groups, frame.head.key_count, texts);
    alarm->key_count = frame.head.key_count;
    for (uint32_t i = 0; i < frame.head.key_count; i++)
        alarm->keys[i] = (struct mt_record_groupby){
            .key = mt_span_cstr(mt_sigma_key_path(of, frame.head.ref, i)), .value = texts[i]};
}

void mt_sigma_alarm_raise(struct mt_sigma_correlator *c, const struct mt_sigma_group *g,
                          const struct mt_sigma_feed *feed, uint32_t frame, uint32_t group_in_frame,
                          uint64_t measure, enum mt_sigma_occasion occasion)
{
    const struct mt_sigma_correlation *of = g->of->correlation;
    bool is_over = occasion == MT_SIGMA_OCCASION_OVER;
    if (g->of->rule.is_silent)
        return;
    struct mt_sigma_alarm alarm = {
        .rule = &g->of->rule,
        .level = is_over ? MT_LEVEL_INFORMATIONAL : g->of->rule.level,
        .time = is_over || of->is_late ? g->start + of->timespan * MT_SEC : feed->head.time,
        .source_ip = feed->head.source_ip,
        .destination_ip = feed->head.destination_ip,
        .source_port = feed->head.source_port,
        .destination_port = feed->head.destination_port,
        .event_id = feed->event_id,
        .count = of->type == MT_SIGMA_CORRELATE_VALUE_COUNT ? measure : g->events,
        .window = of->timespan,
    };
    put_message(c, g, measure, occasion, &alarm);
    put_keys(g->of, feed, frame, group_in_frame, &alarm);
    put_lines(c, g, feed, &alarm);
    c->counts.alarms++;
    c->alarm(c->ctx, &alarm);
}
