/* ArcSight's Common Event Format (CEF:0) and QRadar's Log Event Extended Format
 * (LEEF:2.0): a line for each session, one for each transaction, one for each alert.
 * Both are the same values under other keys.
 *
 * CEF: keys of its dictionary only; | and \ are escaped in the header, = and \ in
 * the extension, line ends there as \n and \r. LEEF has no escapes: its separator is
 * the tab, which is declared as x09. What neither can carry, and what is no text, is
 * a blank (tabs, and line ends in LEEF) or U+FFFD.
 *
 * A value is cut at the length that CEF's dictionary gives for its key; the keys of
 * values that were cut stand in flexString1 (LEEF: cut). */
#include "export/format_priv.h"

#include <stdlib.h>

#define CUT_MAX 16u

struct line {
    struct mt_pen *pen;
    bool is_leef;
    unsigned cut_count;
    const char *cut[CUT_MAX];
};

/* --- characters ------------------------------------------------------------------- */

static uint8_t *put_escape(uint8_t *to, struct mt_span *text, char letter)
{
    *to++ = '\\';
    *to++ = (uint8_t)letter;
    *text = mt_span_from(*text, 1);
    return to;
}

static uint8_t *put_other(uint8_t *to, struct mt_span *text)
{
    uint8_t c = text->ptr[0];

    if (c != '\t' && c != '\n' && c != '\r')
        return mt_escape_utf8(to, text);
    *to++ = ' ';
    *text = mt_span_from(*text, 1);
    return to;
}

static uint8_t *put_header_escape(uint8_t *to, struct mt_span *text)
{
    uint8_t c = text->ptr[0];

    return c == '|' || c == '\\' ? put_escape(to, text, (char)c) : put_other(to, text);
}

static uint8_t *put_extension_escape(uint8_t *to, struct mt_span *text)
{
    uint8_t c = text->ptr[0];

    if (c == '=' || c == '\\')
        return put_escape(to, text, (char)c);
    if (c == '\n' || c == '\r')
        return put_escape(to, text, c == '\n' ? 'n' : 'r');
    return put_other(to, text);
}

/* Nothing can stand for a bar in LEEF's header. */
static uint8_t *put_leef_header(uint8_t *to, struct mt_span *text)
{
    if (text->ptr[0] != '|')
        return put_other(to, text);
    *to++ = '_';
    *text = mt_span_from(*text, 1);
    return to;
}

static const struct mt_escape cef_header = {{'|', '\\', '\\', '\\'}, put_header_escape};
static const struct mt_escape cef_extension = {{'=', '\\', '\\', '\\'}, put_extension_escape};
static const struct mt_escape leef_header = {{'|', '|', '|', '|'}, put_leef_header};
static const struct mt_escape leef_value = {{'\t', '\t', '\t', '\t'}, put_other};

/* --- pairs -------------------------------------------------------------------------- */

MT_PEN_INLINE void put_key(struct line *line, const char *cef, const char *leef)
{
    if (line->is_leef)
        mt_pen_literal(line->pen, leef);
    else
        mt_pen_literal(line->pen, cef);
    *line->pen->to++ = '=';
}

static void end_pair(struct line *line)
{
    mt_pen_byte(line->pen, line->is_leef ? '\t' : ' ');
}

static void put_part(struct line *line, struct mt_span text)
{
    mt_pen_escaped(line->pen, text, line->is_leef ? &leef_value : &cef_extension);
}

static void mark_cut(struct line *line, const char *cef, const char *leef)
{
    if (line->cut_count < CUT_MAX)
        line->cut[line->cut_count++] = line->is_leef ? leef : cef;
}

/* A value of several parts, of at most `room` bytes in all. Whole characters. */
struct value {
    struct line *line;
    size_t room;
    bool is_cut;
};

static void put_value_part(struct value *value, struct mt_span text)
{
    size_t size = text.size;

    if (size > value->room) {
        size = value->room;
        for (unsigned back = 0; back < 3 && size > 0 && (text.ptr[size] & 0xc0) == 0x80; back++)
            size--;
        value->is_cut = true;
        value->room = size;
    }
    value->room -= size;
    put_part(value->line, mt_span_head(text, size));
}

MT_PEN_INLINE void put_text(struct line *line, const char *cef, const char *leef, size_t max,
                            struct mt_span text)
{
    struct value value = {.line = line, .room = max};

    if (text.ptr == NULL)
        return;
    put_key(line, cef, leef);
    put_value_part(&value, text);
    end_pair(line);
    if (MT_UNLIKELY(value.is_cut))
        mark_cut(line, cef, leef);
}

MT_PEN_INLINE void put_name(struct line *line, const char *cef, const char *leef, size_t max,
                            const char *name)
{
    if (name != NULL)
        put_text(line, cef, leef, max, mt_span_cstr(name));
}

MT_PEN_INLINE void put_number(struct line *line, const char *cef, const char *leef, uint64_t number)
{
    put_key(line, cef, leef);
    mt_pen_u64(line->pen, number);
    end_pair(line);
}

MT_PEN_INLINE void put_ms(struct line *line, const char *cef, const char *leef, uint64_t time)
{
    if (time != 0)
        put_number(line, cef, leef, time / 1000000);
}

static void put_separated(struct value *value, uint32_t index, struct mt_span text)
{
    if (index > 0)
        put_value_part(value, mt_span(", ", 2));
    put_value_part(value, text);
}

MT_PEN_INLINE void put_texts(struct line *line, const char *cef, const char *leef, size_t max,
                             const struct mt_texts *texts)
{
    struct value value = {.line = line, .room = max};

    if (texts->count == 0)
        return;
    put_key(line, cef, leef);
    for (uint32_t i = 0; i < texts->count && !value.is_cut; i++)
        put_separated(&value, i, texts->items[i]);
    end_pair(line);
    if (value.is_cut)
        mark_cut(line, cef, leef);
}

MT_PEN_INLINE void put_names(struct line *line, const char *cef, const char *leef, size_t max,
                             const struct mt_names *names)
{
    struct value value = {.line = line, .room = max};

    if (names->count == 0)
        return;
    put_key(line, cef, leef);
    for (uint32_t i = 0; i < names->count && !value.is_cut; i++)
        put_separated(&value, i, mt_span_cstr(names->items[i]));
    end_pair(line);
    if (value.is_cut)
        mark_cut(line, cef, leef);
}

/* CEF says what a custom field holds in a pair of its own. */
MT_PEN_INLINE void put_label(struct line *line, const char *label)
{
    if (!line->is_leef)
        mt_pen_literal(line->pen, label);
}

/* --- what all lines have ------------------------------------------------------------- */

static void put_header_field(struct line *line, struct mt_span text)
{
    mt_pen_escaped(line->pen, text, line->is_leef ? &leef_header : &cef_header);
    mt_pen_byte(line->pen, '|');
}

static void begin_line(struct line *line, const char *version, const char *id, const char *name,
                       uint64_t severity)
{
    mt_pen_begin(line->pen);
    line->cut_count = 0;
    mt_pen_literal(line->pen, line->is_leef ? "LEEF:2.0|mailtap|mailtap|" : "CEF:0|mailtap|mailtap|");
    put_header_field(line, mt_span_cstr(version != NULL ? version : ""));
    put_header_field(line, mt_span_cstr(id != NULL ? id : "unnamed"));
    if (line->is_leef) {
        mt_pen_literal(line->pen, "x09|sev=");
        mt_pen_u64(line->pen, severity > 0 ? severity : 1); /* from 1 to 10 */
        end_pair(line);
        if (name != NULL)
            put_name(line, "", "name", 512, name);
    } else {
        put_header_field(line, mt_span_cstr(name != NULL ? name : "unnamed"));
        mt_pen_u64(line->pen, severity);
        mt_pen_byte(line->pen, '|');
    }
}

static bool end_line(struct line *line, struct mt_format *format, mt_format_emit *emit, void *ctx)
{
    if (line->cut_count > 0) {
        put_label(line, "flexString1Label=cut ");
        put_key(line, "flexString1", "cut");
        for (unsigned i = 0; i < line->cut_count; i++) {
            if (i > 0)
                mt_pen_literal(line->pen, ", ");
            put_part(line, mt_span_cstr(line->cut[i]));
        }
        end_pair(line);
    }
    return mt_format_emit_text(format, 0, emit, ctx);
}

/* CEF:0 keeps src and dst for IPv4; IPv6 addresses are custom fields of their own. */
static void put_endpoints(struct line *line, const struct mt_ip *source, uint64_t source_port,
                          const struct mt_ip *destination, uint64_t destination_port)
{
    if (source->family != 0) {
        if (source->family == 6)
            put_label(line, "c6a2Label=Source IPv6 Address ");
        if (source->family == 6)
            put_key(line, "c6a2", "src");
        else
            put_key(line, "src", "src");
        mt_pen_ip(line->pen, source);
        end_pair(line);
        put_number(line, "spt", "srcPort", source_port);
    }
    if (destination->family != 0) {
        if (destination->family == 6)
            put_label(line, "c6a3Label=Destination IPv6 Address ");
        if (destination->family == 6)
            put_key(line, "c6a3", "dst");
        else
            put_key(line, "dst", "dst");
        mt_pen_ip(line->pen, destination);
        end_pair(line);
        put_number(line, "dpt", "dstPort", destination_port);
    }
    mt_pen_literal(line->pen, "proto=TCP");
    end_pair(line);
}

MT_PEN_INLINE void put_mac(struct line *line, const char *cef, const char *leef, const uint8_t *mac)
{
    if (mac == NULL)
        return;
    put_key(line, cef, leef);
    mt_pen_mac(line->pen, mac, ':');
    end_pair(line);
}

/* --- sessions --------------------------------------------------------------------------- */

#define SESSION_SEVERITY 1u

static void put_auth(struct line *line, const struct mt_auths *auth)
{
    struct value value = {.line = line, .room = 4000};

    if (auth->count == 0)
        return;
    put_label(line, "cs5Label=auth ");
    put_key(line, "cs5", "auth");
    for (uint32_t i = 0; i < auth->count && !value.is_cut; i++) {
        const struct mt_record_auth *one = &auth->items[i];
        put_separated(&value, i, one->mechanism);
        put_value_part(&value, mt_span(" ", 1));
        put_value_part(&value, one->user);
        put_value_part(&value, mt_span(" ", 1));
        put_value_part(&value, mt_span_cstr(one->outcome != NULL ? one->outcome : "unanswered"));
    }
    end_pair(line);
    if (value.is_cut)
        mark_cut(line, "cs5", "auth");
}

static void put_session_facts(struct line *line, const struct mt_record_session *record)
{
    put_label(line, record->helo_name.ptr != NULL ? "cs1Label=helo " : "");
    put_text(line, "cs1", "helo", 4000, record->helo_name);
    put_label(line, record->anomalies.count > 0 ? "cs2Label=anomalies " : "");
    put_names(line, "cs2", "anomalies", 4000, &record->anomalies);
    put_label(line, record->network_community_id.ptr != NULL ? "cs3Label=community_id " : "");
    put_text(line, "cs3", "communityId", 4000, record->network_community_id);
    put_label(line, record->starttls_outcome != NULL ? "cs4Label=starttls " : "");
    put_name(line, "cs4", "starttls", 4000, record->starttls_outcome);
    put_auth(line, &record->auth);
    put_label(line, record->banner_text.ptr != NULL ? "cs6Label=banner " : "");
    put_text(line, "cs6", "banner", 4000, record->banner_text);
    put_label(line, record->helo_findings.count > 0 ? "flexString2Label=helo_findings " : "");
    put_names(line, "flexString2", "heloFindings", 1023, &record->helo_findings);
    put_label(line, "cn1Label=transactions ");
    put_number(line, "cn1", "transactions", record->transactions_total);
    put_label(line, "cn2Label=missing_bytes ");
    put_number(line, "cn2", "missingBytes", record->missing_bytes_client + record->missing_bytes_server);
    put_label(line, "cn3Label=helo_score ");
    put_number(line, "cn3", "heloScore", record->helo_score);
    put_label(line, "flexNumber1Label=replies_4xx ");
    put_number(line, "flexNumber1", "replies4xx", record->replies_4xx);
    put_label(line, "flexNumber2Label=replies_5xx ");
    put_number(line, "flexNumber2", "replies5xx", record->replies_5xx);
}

static bool put_session_line(struct line *line, struct mt_format *format,
                             const struct mt_record_session *record, mt_format_emit *emit, void *ctx)
{
    begin_line(line, record->observer_version, "smtp_session", "SMTP session", SESSION_SEVERITY);
    put_ms(line, "rt", "devTime", record->event_end);
    put_ms(line, "start", "start", record->event_start);
    put_ms(line, "end", "end", record->event_end);
    put_text(line, "externalId", "sessionId", 40, record->event_id);
    put_name(line, "cat", "cat", 1023, record->event_dataset);
    put_name(line, "app", "app", 31, record->network_protocol);
    put_endpoints(line, &record->source_ip, record->source_port, &record->destination_ip,
                  record->destination_port);
    put_text(line, "shost", "srcHostName", 1023, record->source_domain);
    put_text(line, "dhost", "dstHostName", 1023, record->destination_domain);
    put_mac(line, "smac", "srcMAC", record->source_mac);
    put_mac(line, "dmac", "dstMAC", record->destination_mac);
    put_number(line, "in", "srcBytes", record->source_bytes);
    put_number(line, "out", "dstBytes", record->destination_bytes);
    if (line->is_leef) {
        put_number(line, "", "srcPackets", record->source_packets);
        put_number(line, "", "dstPackets", record->destination_packets);
    }
    put_name(line, "outcome", "outcome", 63, record->end);
    put_text(line, "dvchost", "identHostName", 100, record->observer_name);
    put_session_facts(line, record);
    return end_line(line, format, emit, ctx);
}

static void put_recipients(struct line *line, const struct mt_recipients *recipients)
{
    struct value value = {.line = line, .room = 1023};

    if (recipients->count == 0)
        return;
    put_key(line, "duser", "recipients");
    for (uint32_t i = 0; i < recipients->count && !value.is_cut; i++)
        put_separated(&value, i, recipients->items[i].address);
    end_pair(line);
    if (value.is_cut)
        mark_cut(line, "duser", "recipients");
}

static void put_mail_facts(struct line *line, const struct mt_record_session *record,
                           const struct mt_record_transaction *transaction)
{
    put_label(line, transaction->message_subject.ptr != NULL ? "cs1Label=subject " : "");
    put_text(line, "cs1", "subject", 4000, transaction->message_subject);
    put_label(line, transaction->message_id.ptr != NULL ? "cs2Label=message_id " : "");
    put_text(line, "cs2", "messageId", 4000, transaction->message_id);
    put_label(line, record->network_community_id.ptr != NULL ? "cs3Label=community_id " : "");
    put_text(line, "cs3", "communityId", 4000, record->network_community_id);
    put_label(line, transaction->reply_queue_id.ptr != NULL ? "cs4Label=queue_id " : "");
    put_text(line, "cs4", "queueId", 4000, transaction->reply_queue_id);
    put_label(line, transaction->message_from.count > 0 ? "cs5Label=header_from " : "");
    put_texts(line, "cs5", "headerFrom", 4000, &transaction->message_from);
    put_label(line, transaction->message_to.count > 0 ? "cs6Label=header_to " : "");
    put_texts(line, "cs6", "headerTo", 4000, &transaction->message_to);
    put_label(line, record->helo_name.ptr != NULL ? "flexString2Label=helo " : "");
    put_text(line, "flexString2", "helo", 1023, record->helo_name);
    put_label(line, "cn1Label=recipients ");
    put_number(line, "cn1", "recipientsTotal", transaction->recipients_total);
    put_label(line, "cn2Label=reply_code ");
    put_number(line, "cn2", "replyCode", transaction->reply_code);
}

static bool put_transaction_line(struct line *line, struct mt_format *format,
                                 const struct mt_record_session *record, uint32_t number,
                                 mt_format_emit *emit, void *ctx)
{
    const struct mt_record_transaction *transaction = &record->transactions.items[number - 1];

    begin_line(line, record->observer_version, "smtp_transaction", "SMTP transaction", SESSION_SEVERITY);
    put_ms(line, "rt", "devTime", transaction->end != 0 ? transaction->end : record->event_end);
    put_ms(line, "start", "start", transaction->start);
    put_ms(line, "end", "end", transaction->end);
    put_text(line, "externalId", "sessionId", 40, record->event_id);
    put_name(line, "cat", "cat", 1023, record->event_dataset);
    put_name(line, "app", "app", 31, record->network_protocol);
    put_endpoints(line, &record->source_ip, record->source_port, &record->destination_ip,
                  record->destination_port);
    put_text(line, "suser", "sender", 1023, transaction->from_address);
    put_recipients(line, &transaction->recipients);
    put_name(line, "act", "action", 63, transaction->outcome);
    put_text(line, "reason", "reason", 1023, transaction->reply_text);
    if (transaction->bytes != 0)
        put_number(line, "fsize", "size", transaction->bytes);
    put_text(line, "requestClientApplication", "userAgent", 1023, transaction->message_user_agent);
    put_text(line, "dvchost", "identHostName", 100, record->observer_name);
    put_mail_facts(line, record, transaction);
    put_label(line, "cn3Label=transaction ");
    put_number(line, "cn3", "transaction", number);
    return end_line(line, format, emit, ctx);
}

static bool put_session(struct line *line, struct mt_format *format, const struct mt_record_session *record,
                        mt_format_emit *emit, void *ctx)
{
    bool is_whole = true;

    for (uint32_t i = 0; i < record->transactions.count; i++)
        is_whole &= put_transaction_line(line, format, record, i + 1, emit, ctx);
    is_whole &= put_session_line(line, format, record, emit, ctx);
    return is_whole;
}

/* --- alerts ------------------------------------------------------------------------------ */

static void put_group_by(struct line *line, const struct mt_groupbys *group_by)
{
    struct value value = {.line = line, .room = 4000};

    if (group_by->count == 0)
        return;
    put_label(line, "cs6Label=group_by ");
    put_key(line, "cs6", "groupBy");
    for (uint32_t i = 0; i < group_by->count && !value.is_cut; i++) {
        put_separated(&value, i, group_by->items[i].key);
        put_value_part(&value, mt_span("=", 1));
        put_value_part(&value, group_by->items[i].value);
    }
    end_pair(line);
    if (value.is_cut)
        mark_cut(line, "cs6", "groupBy");
}

/* 0 to 100 becomes 0 to 10. */
static uint64_t severity_of(const struct mt_record_alert *alert)
{
    return mt_min_u64((alert->event_severity + 5) / 10, 10);
}

static void put_alert_facts(struct line *line, const struct mt_record_alert *alert)
{
    put_label(line, alert->rule_id != NULL ? "cs1Label=rule_id " : "");
    put_name(line, "cs1", "ruleId", 4000, alert->rule_id);
    put_label(line, alert->threat_technique_id.count > 0 ? "cs2Label=techniques " : "");
    put_names(line, "cs2", "techniques", 4000, &alert->threat_technique_id);
    put_label(line, alert->network_community_id.ptr != NULL ? "cs3Label=community_id " : "");
    put_text(line, "cs3", "communityId", 4000, alert->network_community_id);
    put_label(line, alert->evidence.count > 0 ? "cs4Label=evidence " : "");
    put_texts(line, "cs4", "evidence", 4000, &alert->evidence);
    put_label(line, alert->confidence != NULL ? "cs5Label=confidence " : "");
    put_name(line, "cs5", "confidence", 4000, alert->confidence);
    put_group_by(line, &alert->group_by);
    put_label(line, "cn1Label=window ");
    put_number(line, "cn1", "window", alert->window);
    put_label(line, alert->rule_level != NULL ? "flexString2Label=level " : "");
    put_name(line, "flexString2", "level", 1023, alert->rule_level);
}

static bool put_alert(struct line *line, struct mt_format *format, const struct mt_record_alert *alert,
                      mt_format_emit *emit, void *ctx)
{
    begin_line(line, alert->observer_version, alert->rule_name, alert->rule_description, severity_of(alert));
    put_ms(line, "rt", "devTime", alert->timestamp);
    put_text(line, "externalId", "sessionId", 40, alert->event_id);
    put_name(line, "cat", "cat", 1023, alert->rule_category);
    put_endpoints(line, &alert->source_ip, alert->source_port, &alert->destination_ip,
                  alert->destination_port);
    put_text(line, "msg", "msg", 1023, alert->message);
    if (alert->count != 0)
        put_number(line, "cnt", "count", alert->count);
    put_text(line, "dvchost", "identHostName", 100, alert->observer_name);
    put_alert_facts(line, alert);
    return end_line(line, format, emit, ctx);
}

/* --- the two formats ----------------------------------------------------------------------- */

static bool session_cef(struct mt_format *format, const struct mt_record_session *record,
                        mt_format_emit *emit, void *ctx)
{
    struct line line = {.pen = &format->pen, .is_leef = false};

    return put_session(&line, format, record, emit, ctx);
}

static bool alert_cef(struct mt_format *format, const struct mt_record_alert *alert, mt_format_emit *emit,
                      void *ctx)
{
    struct line line = {.pen = &format->pen, .is_leef = false};

    return put_alert(&line, format, alert, emit, ctx);
}

static bool session_leef(struct mt_format *format, const struct mt_record_session *record,
                         mt_format_emit *emit, void *ctx)
{
    struct line line = {.pen = &format->pen, .is_leef = true};

    return put_session(&line, format, record, emit, ctx);
}

static bool alert_leef(struct mt_format *format, const struct mt_record_alert *alert, mt_format_emit *emit,
                       void *ctx)
{
    struct line line = {.pen = &format->pen, .is_leef = true};

    return put_alert(&line, format, alert, emit, ctx);
}

const struct mt_format_ops mt_format_cef = {
    .name = "cef",
    .meaning = "ArcSight's CEF:0: sessions, transactions and alerts",
    .is_json = false,
    .streams = {""},
    .create = mt_format_create_whole,
    .destroy = mt_format_destroy,
    .head = mt_format_head,
    .session = session_cef,
    .alert = alert_cef,
};

const struct mt_format_ops mt_format_leef = {
    .name = "leef",
    .meaning = "QRadar's LEEF:2.0: sessions, transactions and alerts",
    .is_json = false,
    .streams = {""},
    .create = mt_format_create_whole,
    .destroy = mt_format_destroy,
    .head = mt_format_head,
    .session = session_leef,
    .alert = alert_leef,
};
