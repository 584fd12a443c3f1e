/* Notices: an alert as a person reads it, in the forms that receivers take. */
#include "export/notice_priv.h"

#include "export/format_priv.h"
#include "export/json.h"

#include <stdio.h>

#define EVIDENCE_MAX 4u /* the last lines: those that completed the alert */
#define EVIDENCE_LINE_MAX 200u
#define MESSAGE_MAX ((size_t)1024)
#define WORD_MAX ((size_t)256)

static const char general_advice[] =
    "Look at the session in your records, by its id, and at docs/detections.md for what the rule means.";

const char *mt_notice_advice(const char *rule)
{
    static const struct {
        const char *rule;
        const char *text;
    } advice[] = {
#define MT_ADVICE(rule, text) {rule, text},
#include "export/notice_advice.def"
    };
    for (size_t i = 0; rule != NULL && i < MT_ARRAY_COUNT(advice); i++) {
        if (strcmp(advice[i].rule, rule) == 0)
            return advice[i].text;
    }
    return general_advice;
}

/* --- the lines ----------------------------------------------------------------- */

/* What strangers sent is shown without controls and cut: it must not make lines
 * of its own. */
static void put_words(struct mt_buf *b, struct mt_span text, size_t most)
{
    bool is_cut = text.size > most;
    struct mt_buf part = mt_buf(b->ptr + b->size, mt_min_u64(b->cap - b->size, most));

    mt_buf_put_escaped(&part, text);
    b->size += part.size;
    if (is_cut || part.overflow)
        mt_buf_put_cstr(b, "...");
}

/* Words of a rule, which people write. */
static void put_name(struct mt_buf *b, const char *name)
{
    put_words(b, mt_span_cstr(name), WORD_MAX);
}

static void put_upper(struct mt_buf *b, const char *word)
{
    for (; *word != '\0'; word++)
        mt_buf_put_byte(b, *word >= 'a' && *word <= 'z' ? (uint8_t)(*word - 'a' + 'A') : (uint8_t)*word);
}

/* "2026-11-22 13:38:00 UTC" */
static void put_when(struct mt_buf *b, uint64_t time)
{
    uint8_t text[MT_TEXT_TIME_MAX];
    struct mt_buf whole = mt_buf(text, sizeof(text));

    mt_buf_put_time(&whole, time);
    mt_buf_put(b, text, 10);
    mt_buf_put_byte(b, ' ');
    mt_buf_put(b, text + 11, 8);
    mt_buf_put_cstr(b, " UTC");
}

/* "90 seconds", "10 minutes", "2 hours" */
static void put_span_of_time(struct mt_buf *b, uint64_t seconds)
{
    static const struct {
        uint64_t seconds;
        const char *name;
    } units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
    size_t i = 0;

    while (i + 1 < MT_ARRAY_COUNT(units) && (seconds < units[i].seconds || seconds % units[i].seconds != 0))
        i++;
    mt_buf_put_u64(b, seconds / units[i].seconds);
    mt_buf_put_byte(b, ' ');
    mt_buf_put_cstr(b, units[i].name);
    mt_buf_put_cstr(b, seconds == units[i].seconds ? "" : "s");
}

static void put_address(struct mt_buf *b, const char *name, const struct mt_ip *ip, uint64_t port)
{
    bool is_bracketed = ip->family == 6 && port != 0;

    mt_buf_put_cstr(b, name);
    mt_buf_put_cstr(b, is_bracketed ? " [" : " ");
    mt_buf_put_ip(b, ip);
    mt_buf_put_cstr(b, is_bracketed ? "]" : "");
    if (port != 0) {
        mt_buf_put_byte(b, ':');
        mt_buf_put_u64(b, port);
    }
}

static const char *const levels[] = {"informational", "low", "medium", "high", "critical"};

static const char *level_name(const char *name)
{
    for (size_t i = 0; name != NULL && i < MT_ARRAY_COUNT(levels); i++) {
        if (strcmp(levels[i], name) == 0)
            return name;
    }
    return "alert";
}

static void put_head(struct mt_buf *b, const struct mt_record_alert *alert)
{
    mt_buf_put_byte(b, '[');
    put_upper(b, level_name(alert->rule_level));
    mt_buf_put_cstr(b, "] ");
    if (alert->message.ptr != NULL)
        put_words(b, alert->message, MESSAGE_MAX);
    else
        put_name(b, alert->rule_description != NULL ? alert->rule_description : "alert");
    mt_buf_put_byte(b, '\n');
}

static void put_circumstances(struct mt_buf *b, const struct mt_record_alert *alert)
{
    mt_buf_put_cstr(b, "When:  ");
    put_when(b, alert->timestamp);
    if (alert->count > 1) {
        mt_buf_put_cstr(b, ", ");
        mt_buf_put_u64(b, alert->count);
        mt_buf_put_cstr(b, " events");
    }
    if (alert->count > 1 && alert->window > 0) {
        mt_buf_put_cstr(b, " in ");
        put_span_of_time(b, alert->window);
    }
    if (alert->source_ip.family != 0 || alert->destination_ip.family != 0) {
        mt_buf_put_cstr(b, "\nWho:   ");
        if (alert->source_ip.family != 0)
            put_address(b, "client", &alert->source_ip, alert->source_port);
        if (alert->source_ip.family != 0 && alert->destination_ip.family != 0)
            mt_buf_put_cstr(b, ", ");
        if (alert->destination_ip.family != 0)
            put_address(b, "server", &alert->destination_ip, alert->destination_port);
    }
    mt_buf_put_cstr(b, "\nWhat:  ");
    put_name(b, alert->rule_description != NULL ? alert->rule_description : "a rule matched");
    mt_buf_put_cstr(b, " (rule ");
    put_name(b, alert->rule_name != NULL ? alert->rule_name : "without a name");
    if (alert->confidence != NULL) {
        mt_buf_put_cstr(b, ", confidence ");
        put_name(b, alert->confidence);
    }
    mt_buf_put_cstr(b, ")\n");
}

static void put_evidence(struct mt_buf *b, const struct mt_texts *lines)
{
    uint32_t first = lines->count > EVIDENCE_MAX ? lines->count - EVIDENCE_MAX : 0;

    for (uint32_t i = first; i < lines->count; i++) {
        mt_buf_put_cstr(b, i == first ? "Seen:  " : "       ");
        put_words(b, lines->items[i], EVIDENCE_LINE_MAX);
        mt_buf_put_byte(b, '\n');
    }
}

static void put_where(struct mt_buf *b, const struct mt_record_alert *alert)
{
    if (alert->event_id.size > 0 || alert->observer_name.size > 0)
        mt_buf_put_cstr(b, "Where: ");
    if (alert->event_id.size > 0) {
        mt_buf_put_cstr(b, "session ");
        put_words(b, alert->event_id, WORD_MAX);
        mt_buf_put_cstr(b, " (event.id)");
    }
    if (alert->observer_name.size > 0) {
        mt_buf_put_cstr(b, alert->event_id.size > 0 ? ", seen by " : "seen by ");
        put_words(b, alert->observer_name, WORD_MAX);
    }
    if (alert->event_id.size > 0 || alert->observer_name.size > 0)
        mt_buf_put_byte(b, '\n');
    mt_buf_put_cstr(b, "Do:    ");
    mt_buf_put_cstr(b, mt_notice_advice(alert->rule_name));
}

static void put_lines(struct mt_buf *b, const struct mt_record_alert *alert)
{
    put_head(b, alert);
    put_circumstances(b, alert);
    put_evidence(b, &alert->evidence);
    put_where(b, alert);
}

static void put_sum_lines(struct mt_buf *b, const struct mt_notice_sum *sum)
{
    mt_buf_put_byte(b, '[');
    put_upper(b, levels[mt_min_u64(sum->level, 4)]);
    mt_buf_put_cstr(b, "] ");
    mt_buf_put_u64(b, sum->total);
    mt_buf_put_cstr(b, sum->total == 1 ? " more alert in the last " : " more alerts in the last ");
    put_span_of_time(b, mt_max_u64(1, sum->period / UINT64_C(1000000000)));
    mt_buf_put_cstr(b, sum->total == 1 ? " was not sent by itself" : " were not sent one by one");
    for (uint32_t i = 0; i < sum->rule_count; i++) {
        mt_buf_put_cstr(b, i == 0 ? "\nWhat:  " : "\n       ");
        mt_buf_put_u64(b, sum->rules[i].count);
        mt_buf_put_byte(b, ' ');
        put_words(b, mt_span_cstr(sum->rules[i].name), WORD_MAX);
        mt_buf_put_cstr(b, ", at most ");
        mt_buf_put_cstr(b, levels[mt_min_u64(sum->rules[i].level, 4)]);
    }
    if (sum->others > 0) {
        mt_buf_put_cstr(b, sum->rule_count == 0 ? "\nWhat:  " : "\n       ");
        mt_buf_put_u64(b, sum->others);
        mt_buf_put_cstr(b, " of other rules");
    }
    mt_buf_put_cstr(b, "\nWhere: all of them are in the alerts that mailtap writes\n"
                       "Do:    read them there; each_max, all_max and period of --notify say how many are "
                       "sent one by one");
}

/* --- the forms ------------------------------------------------------------------ */

static struct mt_span first_line(struct mt_span lines)
{
    const uint8_t *end = memchr(lines.ptr, '\n', lines.size);

    return end == NULL ? lines : mt_span_head(lines, (size_t)(end - lines.ptr));
}

/* alert is NULL: a sum. */
typedef void wrap_function(struct mt_buf *b, struct mt_span lines, const struct mt_record_alert *alert);

static void wrap_text(struct mt_buf *b, struct mt_span lines, const struct mt_record_alert *alert)
{
    (void)alert;
    mt_buf_put_span(b, lines);
}

static void wrap_json(struct mt_buf *b, struct mt_span lines, const struct mt_record_alert *alert)
{
    mt_buf_put_cstr(b, "{\"text\":");
    mt_json_put_string(b, lines);
    if (alert != NULL) {
        mt_buf_put_cstr(b, ",\"alert\":");
        mt_json_put_alert(b, alert);
        b->size -= !b->overflow; /* the encoder ends lines */
    }
    mt_buf_put_byte(b, '}');
}

/* In a block of code, so that nothing in it is a link, a mention or a picture.
 * A backtick could end the block; Slack reads &, < and > even there. */
static void wrap_chat(struct mt_buf *b, struct mt_span lines, bool is_slack)
{
    uint8_t space[5 * MT_NOTICE_TEXT_MAX];
    struct mt_buf text = mt_buf(space, sizeof(space));

    mt_buf_put_cstr(&text, "```\n");
    for (size_t i = 0; i < lines.size; i++) {
        uint8_t c = lines.ptr[i];
        if (c == '`')
            mt_buf_put_byte(&text, '\'');
        else if (is_slack && c == '&')
            mt_buf_put_cstr(&text, "&amp;");
        else if (is_slack && (c == '<' || c == '>'))
            mt_buf_put_cstr(&text, c == '<' ? "&lt;" : "&gt;");
        else
            mt_buf_put_byte(&text, c);
    }
    mt_buf_put_cstr(&text, "\n```");
    b->overflow |= text.overflow;
    mt_buf_put_cstr(b, "{\"text\":");
    mt_json_put_string(b, mt_buf_span(&text));
    mt_buf_put_byte(b, '}');
}

static void wrap_slack(struct mt_buf *b, struct mt_span lines, const struct mt_record_alert *alert)
{
    (void)alert;
    wrap_chat(b, lines, true);
}

static void wrap_mattermost(struct mt_buf *b, struct mt_span lines, const struct mt_record_alert *alert)
{
    (void)alert;
    wrap_chat(b, lines, false);
}

/* An adaptive card with a block for each line. RichTextBlock knows no Markdown,
 * so what a stranger sent can be no link. */
static void wrap_teams(struct mt_buf *b, struct mt_span lines, const struct mt_record_alert *alert)
{
    bool is_first = true;

    (void)alert;
    mt_buf_put_cstr(b, "{\"type\":\"message\",\"summary\":");
    mt_json_put_string(b, first_line(lines));
    mt_buf_put_cstr(b, ",\"attachments\":[{\"contentType\":\"application/vnd.microsoft.card.adaptive\","
                       "\"content\":{\"$schema\":\"http://adaptivecards.io/schemas/adaptive-card.json\","
                       "\"type\":\"AdaptiveCard\",\"version\":\"1.2\",\"body\":[");
    while (lines.size > 0) {
        struct mt_span line = first_line(lines);
        mt_buf_put_cstr(b, is_first ? "" : ",");
        mt_buf_put_cstr(
            b, "{\"type\":\"RichTextBlock\",\"spacing\":\"None\",\"inlines\":[{\"type\":\"TextRun\",");
        mt_buf_put_cstr(b, is_first ? "\"weight\":\"Bolder\"," : "\"fontType\":\"Monospace\",");
        mt_buf_put_cstr(b, "\"text\":");
        mt_json_put_string(b, line);
        mt_buf_put_cstr(b, "}]}");
        lines = mt_span_from(lines, mt_min_u64(line.size + 1, lines.size));
        is_first = false;
    }
    mt_buf_put_cstr(b, "]}}]}");
}

static bool emit_wrapped(struct mt_format *format, wrap_function *wrap, struct mt_span lines,
                         const struct mt_record_alert *alert, mt_format_emit *emit, void *ctx)
{
    struct mt_buf b = mt_buf(format->pen.begin, MT_FORMAT_TEXT_MAX);

    wrap(&b, lines, alert);
    if (b.overflow)
        return false;
    const struct mt_format_text text = {.text = mt_buf_span(&b)};
    emit(ctx, &text);
    return true;
}

static bool put_notice(struct mt_format *format, wrap_function *wrap, const struct mt_record_alert *alert,
                       mt_format_emit *emit, void *ctx)
{
    uint8_t space[MT_NOTICE_TEXT_MAX];
    struct mt_buf lines = mt_buf(space, sizeof(space));

    put_lines(&lines, alert);
    return emit_wrapped(format, wrap, mt_buf_span(&lines), alert, emit, ctx);
}

#define FORM(word, json, says)                                                            \
    static bool put_##word(struct mt_format *format, const struct mt_record_alert *alert, \
                           mt_format_emit *emit, void *ctx)                               \
    {                                                                                     \
        return put_notice(format, wrap_##word, alert, emit, ctx);                         \
    }                                                                                     \
    static const struct mt_format_ops form_##word = {                                     \
        .name = #word,                                                                    \
        .meaning = says,                                                                  \
        .is_json = json,                                                                  \
        .streams = {""},                                                                  \
        .create = mt_format_create_whole,                                                 \
        .destroy = mt_format_destroy,                                                     \
        .head = mt_format_head,                                                           \
        .session = mt_format_no_session,                                                  \
        .alert = put_##word,                                                              \
    };

FORM(text, false, "lines of plain text")
FORM(json, true, "an object with the text and the whole alert")
FORM(slack, true, "what Slack's incoming webhooks take")
FORM(mattermost, true, "what Mattermost's and Rocket.Chat's incoming webhooks take")
FORM(teams, true, "an adaptive card, for the workflows of Microsoft Teams")

static const struct {
    const struct mt_format_ops *ops;
    wrap_function *wrap;
} forms[] = {
    {&form_text, wrap_text},   {&form_json, wrap_json},
    {&form_slack, wrap_slack}, {&form_mattermost, wrap_mattermost},
    {&form_teams, wrap_teams},
};

const struct mt_format_ops *mt_notice_at(size_t index)
{
    return index < MT_ARRAY_COUNT(forms) ? forms[index].ops : NULL;
}

const struct mt_format_ops *mt_notice_find(struct mt_span name)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(forms); i++) {
        if (mt_span_eq(name, mt_span_cstr(forms[i].ops->name)))
            return forms[i].ops;
    }
    return NULL;
}

bool mt_notice_put_sum(struct mt_format *format, const struct mt_format_ops *ops,
                       const struct mt_notice_sum *sum, mt_format_emit *emit, void *ctx)
{
    uint8_t space[MT_NOTICE_TEXT_MAX];
    struct mt_buf lines = mt_buf(space, sizeof(space));
    size_t i = 0;

    while (i + 1 < MT_ARRAY_COUNT(forms) && forms[i].ops != ops)
        i++;
    put_sum_lines(&lines, sum);
    return emit_wrapped(format, forms[i].wrap, mt_buf_span(&lines), NULL, emit, ctx);
}
