#include "pipeline/match_priv.h"

#define VALUE_MAX 200u
#define TITLE_MAX 256u

/* Then texts, each behind its size, with a zero byte behind it: event.id, rule.name,
 * rule.id, rule.description, techniques, message, evidence. */
struct head {
    uint64_t time;
    struct mt_ip source_ip;
    struct mt_ip destination_ip;
    uint16_t source_port;
    uint16_t destination_port;
    uint8_t level;
    uint8_t category;
    uint8_t technique_count;
    uint8_t evidence_count;
};

static void put_text(struct mt_buf *b, struct mt_span text)
{
    uint16_t size = (uint16_t)mt_min_u64(text.size, 2048);
    mt_buf_put(b, &size, sizeof(size));
    mt_buf_put(b, text.ptr, size);
    mt_buf_put_byte(b, 0);
}

static void put_cstr(struct mt_buf *b, const char *text)
{
    put_text(b, text ? mt_span_cstr(text) : mt_span("", 0));
}

/* When what the rule is about was over. */
static uint64_t time_of(const struct mt_sigma_match *match)
{
    if (match->transaction && match->transaction->end)
        return match->transaction->end;
    return match->session->event_end ? match->session->event_end : match->session->timestamp;
}

/* May a text of the field be shown where addresses are taken out? Names are from
 * fixed sets. */
static bool is_open_field(const struct mt_field_group *group, const struct mt_field *field)
{
    if (!field)
        return false;
    enum mt_field_type type = (enum mt_field_type)field->type;
    if (type == MT_FIELD_TYPE_NAME || type == MT_FIELD_TYPE_NAMES)
        return true;
    return (type == MT_FIELD_TYPE_TEXT || type == MT_FIELD_TYPE_TEXTS) &&
           mt_redact_privacy(group, field) == MT_PRIVACY_KEEP;
}

static bool is_open(const struct mt_sigma_evidence *evidence)
{
    return evidence->is_harmless || is_open_field(evidence->group, evidence->field);
}

/* "2026-11-22T13:38:00.000000000Z smtp.helo.name: mail.example.org" */
void mt_match_put_evidence(const struct mt_sigma_match *match, const struct mt_sigma_evidence *evidence,
                           bool hides, struct mt_buf *line)
{
    mt_buf_put_time(line, time_of(match));
    mt_buf_put_byte(line, ' ');
    mt_buf_put_head(line, mt_span_head(mt_span_cstr(evidence->path), VALUE_MAX));
    if (!hides || is_open(evidence)) {
        mt_buf_put_cstr(line, ": ");
        mt_buf_put_escaped(line, mt_span_head(evidence->value, VALUE_MAX));
    }
}

static void pack_evidence(struct mt_buf *b, const struct mt_sigma_match *match,
                          const struct mt_sigma_evidence *evidence, bool hides)
{
    uint8_t line[MT_MATCH_LINE_MAX];
    struct mt_buf text = mt_buf(line, sizeof(line));
    mt_match_put_evidence(match, evidence, hides, &text);
    put_text(b, mt_buf_span(&text));
}

static void put_message(struct mt_buf *b, const struct mt_sigma_match *match)
{
    uint8_t line[1200];
    struct mt_buf text = mt_buf(line, sizeof(line));
    mt_buf_put_escaped(&text, mt_span_head(mt_span_cstr(match->rule->title), TITLE_MAX));
    if (match->session->source_ip.family != 0) { /* else of no session */
        mt_buf_put_cstr(&text, ": ");
        mt_buf_put_ip(&text, &match->session->source_ip);
        mt_buf_put_cstr(&text, " to ");
        mt_buf_put_ip(&text, &match->session->destination_ip);
    }
    put_text(b, mt_buf_span(&text));
}

bool mt_match_pack(const struct mt_sigma_match *match, bool hides, struct mt_buf *ret_packed)
{
    const struct mt_sigma_rule *rule = match->rule;
    const struct mt_record_session *session = match->session;
    struct mt_buf *b = ret_packed;
    struct head head = {
        .time = time_of(match),
        .source_ip = session->source_ip,
        .destination_ip = session->destination_ip,
        .source_port = (uint16_t)session->source_port,
        .destination_port = (uint16_t)session->destination_port,
        .level = (uint8_t)rule->level,
        .category = (uint8_t)rule->category,
        .technique_count = (uint8_t)mt_min_u64(rule->techniques.count, MT_MATCH_TECHNIQUES_MAX),
    };
    size_t at = b->size;
    mt_buf_put(b, &head, sizeof(head));
    put_text(b, session->event_id);
    put_cstr(b, rule->name);
    put_cstr(b, rule->id);
    put_cstr(b, rule->description ? rule->description : rule->title);
    for (uint32_t i = 0; i < head.technique_count; i++)
        put_cstr(b, rule->techniques.items[i]);
    put_message(b, match);
    if (b->overflow)
        return false;
    /* whoever sends long values is not to get out of the alert by it */
    for (uint32_t i = 0; i < match->evidence_count; i++) {
        size_t start = b->size;
        pack_evidence(b, match, &match->evidence[i], hides);
        if (b->overflow) {
            b->overflow = false;
            b->size = start;
            break;
        }
        head.evidence_count++;
    }
    memcpy(b->ptr + at, &head, sizeof(head));
    return true;
}

static struct mt_sigma_feed_more more_of(const struct mt_sigma_match *match, const struct mt_match_feed *feed,
                                         struct mt_sigma_feed_line lines[MT_SIGMA_FEED_LINES_MAX])
{
    struct mt_sigma_feed_more more = {
        .time = time_of(match),
        .completed = feed->completed,
        .sequence = feed->sequence,
        .lines = lines,
        .may_show = feed->hides ? is_open_field : NULL,
    };
    uint32_t shown = (uint32_t)mt_min_u64(match->shown_count, MT_SIGMA_FEED_SHOWN_MAX);
    uint32_t rest = match->evidence_count - match->shown_count;
    more.line_count = shown + (uint32_t)mt_min_u64(rest, MT_SIGMA_FEED_EVIDENCE_MAX);
    for (uint32_t i = 0; i < more.line_count; i++) {
        const struct mt_sigma_evidence *evidence =
            &match->evidence[i < shown ? i : match->shown_count + (i - shown)];
        lines[i].path = mt_span_cstr(evidence->path);
        lines[i].value = !feed->hides || is_open(evidence) ? evidence->value : mt_span_none();
    }
    return more;
}

bool mt_match_pack_feed(const struct mt_sigma_match *match, const struct mt_match_feed *feed,
                        struct mt_buf *ret_packed)
{
    struct mt_sigma_feed_line lines[MT_SIGMA_FEED_LINES_MAX];
    struct mt_sigma_feed_more more = more_of(match, feed, lines);
    return mt_sigma_feed_pack(match, &more, ret_packed);
}

bool mt_match_join_feed(const struct mt_sigma_match *match, const struct mt_match_feed *feed,
                        struct mt_sigma_joiner *joiner, mt_sigma_feed_out_fn *out, void *ctx)
{
    struct mt_sigma_feed_line lines[MT_SIGMA_FEED_LINES_MAX];
    struct mt_sigma_feed_more more = more_of(match, feed, lines);
    return mt_sigma_joiner_take(joiner, match, &more, out, ctx);
}

static struct mt_span get_text(struct mt_span *packed)
{
    uint16_t size;
    memcpy(&size, packed->ptr, sizeof(size));
    struct mt_span text = mt_span_head(mt_span_from(*packed, sizeof(size)), size);
    *packed = mt_span_from(*packed, sizeof(size) + size + 1);
    return text;
}

/* NULL when there was none. */
static const char *get_cstr(struct mt_span *packed)
{
    struct mt_span text = get_text(packed);
    return text.size > 0 ? (const char *)text.ptr : NULL;
}

void mt_match_unpack(struct mt_span packed, struct mt_span observer_name, const char *observer_version,
                     struct mt_match_alert *ret_alert)
{
    static const char *const categories[] = {"email", "network"};
    struct head head;
    memcpy(&head, packed.ptr, sizeof(head));
    packed = mt_span_from(packed, sizeof(head));
    ret_alert->level = (enum mt_level)head.level;
    struct mt_record_alert *alert = &ret_alert->alert;
    *alert = (struct mt_record_alert){
        .timestamp = head.time,
        .ecs_version = MT_ECS_VERSION,
        .event_category = {.items = categories, .count = MT_ARRAY_COUNT(categories)},
        .event_dataset = "mailtap.alert",
        .event_kind = "alert",
        .event_severity = mt_level_severity(ret_alert->level),
        .observer_name = observer_name,
        .observer_type = "sensor",
        .observer_version = observer_version,
        .rule_category = mt_sigma_category_name((enum mt_sigma_category)head.category),
        .rule_level = mt_level_name(ret_alert->level),
        .source_ip = head.source_ip,
        .source_port = head.source_port,
        .destination_ip = head.destination_ip,
        .destination_port = head.destination_port,
        .count = 1,
    };
    struct mt_span event_id = get_text(&packed);
    alert->event_id = event_id.size > 0 ? event_id : mt_span_none();
    alert->rule_name = get_cstr(&packed);
    alert->rule_id = get_cstr(&packed);
    alert->rule_description = get_cstr(&packed);
    for (uint32_t i = 0; i < head.technique_count; i++)
        ret_alert->techniques[i] = get_cstr(&packed);
    alert->threat_technique_id =
        (struct mt_names){.items = ret_alert->techniques, .count = head.technique_count};
    alert->message = get_text(&packed);
    for (uint32_t i = 0; i < head.evidence_count; i++)
        ret_alert->evidence[i] = get_text(&packed);
    alert->evidence = (struct mt_texts){.items = ret_alert->evidence, .count = head.evidence_count};
}

void mt_match_alarm(const struct mt_sigma_alarm *alarm, struct mt_span observer_name,
                    const char *observer_version, struct mt_record_alert *ret_alert)
{
    static const char *const categories[] = {"email", "network"};
    const struct mt_sigma_rule *rule = alarm->rule;
    *ret_alert = (struct mt_record_alert){
        .timestamp = alarm->time,
        .ecs_version = MT_ECS_VERSION,
        .event_category = {.items = categories, .count = MT_ARRAY_COUNT(categories)},
        .event_dataset = "mailtap.alert",
        .event_kind = "alert",
        .event_id = alarm->event_id.size > 0 ? alarm->event_id : mt_span_none(),
        .event_severity = mt_level_severity(alarm->level),
        .observer_name = observer_name,
        .observer_type = "sensor",
        .observer_version = observer_version,
        .rule_category = "correlation",
        .rule_level = mt_level_name(alarm->level),
        .rule_name = rule->name,
        .rule_id = rule->id,
        .rule_description = rule->description ? rule->description : rule->title,
        .threat_technique_id = {.items = rule->techniques.items,
                                .count =
                                    (uint32_t)mt_min_u64(rule->techniques.count, MT_MATCH_TECHNIQUES_MAX)},
        .message = alarm->message,
        .source_ip = alarm->source_ip,
        .source_port = alarm->source_port,
        .destination_ip = alarm->destination_ip,
        .destination_port = alarm->destination_port,
        .count = alarm->count,
        .window = alarm->window,
        .group_by = {.items = alarm->keys, .count = alarm->key_count},
        .evidence = {.items = alarm->lines, .count = alarm->line_count},
    };
}
