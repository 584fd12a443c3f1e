#include "base/text.h"
#include "detect/detect_priv.h"

#include <errno.h>
#include <stdlib.h>

/* rule.version of what is counted here: raised when what one of them looks for
 * changes. */
#define RULES_VERSION "1"

/* "2026-11-22T13:38:00.123456789Z C: ", every byte escaped as \xNN, " [cut]" */
#define LINE_MAX (34 + 4 * MT_EVIDENCE_TEXT_MAX + 6)

struct mt_alert_scratch {
    struct mt_text_second second;
    uint8_t client[MT_IP_TEXT_MAX];
    uint8_t server[MT_IP_TEXT_MAX];
    uint8_t event_id[MT_EVENT_ID_SIZE];
    uint8_t message[MT_ALERT_MESSAGE_MAX];
    uint8_t lines[MT_ALERT_EVIDENCE_MAX][LINE_MAX];
    struct mt_span evidence[MT_ALERT_EVIDENCE_MAX];
};

/* A rule that alerts once in a while for one key. */
struct repeat {
    struct mt_table_entry entry;
    uint64_t time; /* of the last alert */
    uint64_t held_back;
};

int mt_alert_init(struct mt_detect *detect, uint32_t count_max)
{
    detect->scratch = calloc(1, sizeof(*detect->scratch));
    if (!detect->scratch)
        return -ENOMEM;
    return mt_table_init(&detect->repeats, &(struct mt_table_config){.entry_size = sizeof(struct repeat),
                                                                     .zeroed_size = sizeof(struct repeat),
                                                                     .count_max = count_max});
}

void mt_alert_fini(struct mt_detect *detect)
{
    mt_table_fini(&detect->repeats);
    free(detect->scratch);
}

static const struct mt_history_line *history_line(const struct mt_history *history, size_t off)
{
    return (const struct mt_history_line *)(history->lines + off);
}

static size_t line_size(const struct mt_history_line *line)
{
    return sizeof(*line) + line->size;
}

static void history_forget(struct mt_history *history)
{
    history->first = (uint16_t)(history->first + line_size(history_line(history, history->first)));
    history->count--;
}

/* Room for so much behind the latest. What is kept is moved to the front rarely:
 * not each time a line goes. */
static void history_make_room(struct mt_history *history, size_t size)
{
    if (history->used + size <= MT_HISTORY_SIZE)
        return;
    while (history->used - history->first + size > MT_HISTORY_SIZE)
        history_forget(history);
    history->used = (uint16_t)(history->used - history->first);
    memmove(history->lines, history->lines + history->first, history->used);
    history->first = 0;
}

void mt_history_add(struct mt_history *history, const struct mt_observation *o)
{
    for (unsigned i = 0; i < o->evidence_count && i < MT_EVIDENCE_MAX; i++) {
        const struct mt_evidence *from = &o->evidence[i];
        size_t size = mt_min_u64(from->size, MT_HISTORY_TEXT_MAX);
        if (history->count == MT_HISTORY_MAX)
            history_forget(history);
        history_make_room(history, sizeof(struct mt_history_line) + size);
        struct mt_history_line *to = (struct mt_history_line *)(history->lines + history->used);
        to->time = from->time;
        to->side = from->side;
        to->size = (uint8_t)size;
        to->is_cut = from->is_cut || from->size > MT_HISTORY_TEXT_MAX;
        memcpy(to->text, from->text, size);
        history->used = (uint16_t)(history->used + line_size(to));
        history->count++;
    }
}

bool mt_detect_step(struct mt_detect *detect, struct mt_step *step, uint64_t window, uint64_t count,
                    enum mt_level level)
{
    bool is_new = step->time == 0 || detect->now - step->time >= window;

    if (!is_new && count < 2 * step->count && level <= step->level) {
        mt_stats_add(detect->stats, MT_COUNTER_ALERTS_SUPPRESSED, 1);
        return false;
    }
    *step = (struct mt_step){.time = detect->now, .count = count, .level = level};
    return true;
}

bool mt_detect_repeat(struct mt_detect *detect, enum mt_finding_kind kind, const struct mt_observation *o,
                      struct mt_span more, uint32_t seconds, uint64_t *ret_count)
{
    uint8_t storage[1 + MT_OBSERVED_TEXT_MAX];
    struct mt_buf tail = mt_buf(storage, sizeof(storage));
    mt_buf_put_byte(&tail, (uint8_t)kind);
    mt_buf_put_head(&tail, more);

    struct mt_hash128 key = mt_detect_key(detect, &o->tuple.src, &o->tuple.dst, mt_buf_span(&tail));
    struct repeat *repeat = mt_detect_take(detect, &detect->repeats, key);
    if (repeat->time != 0 && detect->now - repeat->time < seconds * MT_SEC) {
        repeat->held_back++;
        mt_stats_add(detect->stats, MT_COUNTER_ALERTS_SUPPRESSED, 1);
        return false;
    }
    *ret_count = repeat->held_back + 1;
    repeat->time = detect->now;
    repeat->held_back = 0;
    return true;
}

struct mt_span mt_detect_event_id(struct mt_detect *detect, const struct mt_observation *o)
{
    uint8_t *id = detect->scratch->event_id;

    if (o->tuple.src.family == 0)
        return mt_span_none();
    mt_event_id(&o->tuple, o->first, id);
    return mt_span(id, MT_EVENT_ID_SIZE);
}

void mt_draft_group(struct mt_draft *draft, const char *key, struct mt_span value)
{
    if (draft->group_by_count == MT_ALERT_GROUP_MAX)
        return;
    draft->group_by[draft->group_by_count++] = (struct mt_record_groupby){
        .key = mt_span_cstr(key),
        .value = value,
    };
}

static void group_ip(struct mt_draft *draft, const char *key, uint8_t storage[MT_IP_TEXT_MAX],
                     const struct mt_ip *ip)
{
    const uint8_t *end = mt_ip_text(storage, ip);

    mt_draft_group(draft, key, mt_span(storage, (size_t)(end - storage)));
}

void mt_draft_init(struct mt_detect *detect, const struct mt_observation *o, enum mt_finding_kind kind,
                   struct mt_draft *ret_draft)
{
    *ret_draft = (struct mt_draft){
        .kind = kind,
        .level = MT_LEVEL_INFORMATIONAL,
        .confidence = "medium",
        .count = 1,
        .message = mt_buf(detect->scratch->message, sizeof(detect->scratch->message)),
    };
    group_ip(ret_draft, "source.ip", detect->scratch->client, &o->tuple.src);
}

void mt_draft_group_server(struct mt_detect *detect, const struct mt_observation *o, struct mt_draft *draft)
{
    group_ip(draft, "destination.ip", detect->scratch->server, &o->tuple.dst);
}

static void add_line(struct mt_alert_scratch *scratch, uint32_t *count, uint64_t time, uint8_t side,
                     struct mt_span text, bool is_cut)
{
    struct mt_buf line = mt_buf(scratch->lines[*count], LINE_MAX);

    line.size = (size_t)(mt_text_time(line.ptr, time, &scratch->second) - line.ptr);
    mt_buf_put(&line, side == MT_CLIENT ? " C: " : " S: ", 4);
    mt_buf_put_escaped(&line, text);
    if (is_cut)
        mt_buf_put_cstr(&line, " [cut]");
    scratch->evidence[(*count)++] = mt_buf_span(&line);
}

/* The client's earlier lines, then those of the packet that completed it. */
static struct mt_texts put_evidence(struct mt_alert_scratch *scratch, const struct mt_history *history,
                                    const struct mt_observation *o)
{
    uint32_t count = 0;

    for (size_t off = history ? history->first : 0; history && off < history->used;) {
        const struct mt_history_line *line = history_line(history, off);
        off += line_size(line);
        add_line(scratch, &count, line->time, line->side, mt_span(line->text, line->size), line->is_cut);
    }
    for (unsigned i = 0; i < o->evidence_count && i < MT_EVIDENCE_MAX; i++) {
        const struct mt_evidence *e = &o->evidence[i];
        size_t size = mt_min_u64(e->size, sizeof(e->text));
        add_line(scratch, &count, e->time, e->side, mt_span(e->text, size), e->is_cut);
    }
    return (struct mt_texts){.items = scratch->evidence, .count = count};
}

/* What an alert says whatever raises it. */
static struct mt_record_alert alert_of(const struct mt_detect *detect, const struct mt_draft *draft)
{
    static const char *const categories[] = {"email", "network"};
    return (struct mt_record_alert){
        .message = mt_buf_span(&draft->message),
        .ecs_version = MT_ECS_VERSION,
        .event_category = {.items = categories, .count = MT_ARRAY_COUNT(categories)},
        .event_dataset = "mailtap.alert",
        .event_kind = "alert",
        .observer_name = detect->observer_name,
        .observer_type = "sensor",
        .observer_version = detect->observer_version,
        .rule_version = RULES_VERSION,
        .count = draft->count,
        .window = draft->window,
        .group_by = {.items = draft->group_by, .count = draft->group_by_count},
        .confidence = draft->confidence,
    };
}

void mt_detect_raise(struct mt_detect *detect, const struct mt_observation *o, const struct mt_draft *draft)
{
    struct mt_record_alert alert = alert_of(detect, draft);
    const struct mt_finding finding = {
        .kind = draft->kind, .level = draft->level, .observation = o, .alert = &alert};

    alert.timestamp = o->mark.time;
    alert.event_id = mt_detect_event_id(detect, o);
    alert.rule_category = mt_finding_entries[draft->kind].category;
    alert.source_ip = o->tuple.src;
    alert.source_port = o->tuple.src_port;
    alert.destination_ip = o->tuple.dst;
    alert.destination_port = o->tuple.dst_port;
    alert.evidence = put_evidence(detect->scratch, draft->history, o);
    detect->events->finding(detect->ctx, &finding);
}

void mt_detect_alert(struct mt_detect *detect, enum mt_rule rule, uint64_t time, const struct mt_draft *draft)
{
    const struct mt_rule_entry *entry = &mt_rule_entries[rule];
    struct mt_record_alert alert = alert_of(detect, draft);

    alert.timestamp = time;
    alert.event_severity = mt_level_severity(draft->level);
    alert.rule_category = entry->category;
    alert.rule_description = entry->description;
    alert.rule_id = entry->id;
    alert.rule_level = mt_level_name(draft->level);
    alert.rule_name = entry->name;
    alert.threat_technique_id = entry->techniques;
    mt_stats_add(detect->stats, MT_COUNTER_ALERTS, 1);
    detect->events->alert(detect->ctx, &alert, rule, draft->level);
}
