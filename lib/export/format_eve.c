/* Suricata's EVE JSON: an smtp event for each transaction, a tls event when TLS
 * began, a flow event for each session, an alert event for each alert. Keys and
 * their order are Suricata 8's; its schema allows no others. */
#include "export/format_priv.h"

#include <stdlib.h>

/* --- what all events begin with ------------------------------------------------- */

/* "2023-11-14T22:13:20.250000+0000": microseconds, always UTC. */
static void put_time_value(struct mt_pen *pen, uint64_t time)
{
    mt_pen_room(pen);
    *pen->to++ = '"';
    uint8_t *end = mt_text_time(pen->to, time, &pen->second) - 4; /* without the last three digits and Z */
    memcpy(end, "+0000\",", 7);
    pen->to = end + 7;
}

MT_PEN_INLINE void put_time(struct mt_pen *pen, const char *key, uint64_t time)
{
    mt_pen_key(pen, key);
    put_time_value(pen, time);
}

struct event {
    uint64_t time;
    struct mt_span event_id;
    struct mt_span vlan_id;
    struct mt_span community_id;
    struct mt_span host;
    const struct mt_ip *source;
    const struct mt_ip *destination;
    uint64_t source_port;
    uint64_t destination_port;
};

static struct event event_of(const struct mt_record_session *record, uint64_t time)
{
    return (struct event){
        .time = time,
        .event_id = record->event_id,
        .vlan_id = record->network_vlan_id,
        .community_id = record->network_community_id,
        .host = record->observer_name,
        .source = &record->source_ip,
        .destination = &record->destination_ip,
        .source_port = record->source_port,
        .destination_port = record->destination_port,
    };
}

/* A number in EVE; what is none is left out. */
static void put_vlan(struct mt_pen *pen, struct mt_span id)
{
    if (id.ptr == NULL || id.size == 0 || id.size > 4)
        return;
    for (size_t i = 0; i < id.size; i++) {
        if (!mt_ascii_is_digit(id.ptr[i]) || (i == 0 && id.ptr[i] == '0' && id.size > 1))
            return;
    }
    mt_pen_open(pen, "vlan", '[');
    memcpy(pen->to, id.ptr, id.size);
    pen->to += id.size;
    mt_pen_close(pen, ']');
}

static void begin_event(struct mt_pen *pen, const struct event *event, const char *type)
{
    mt_pen_begin(pen);
    mt_pen_byte(pen, '{');
    put_time(pen, "timestamp", event->time);
    mt_pen_json_u64(pen, "flow_id", mt_format_flow_id(event->event_id));
    mt_pen_json_text(pen, "host", event->host);
    mt_pen_json_name(pen, "event_type", type);
    put_vlan(pen, event->vlan_id);
    if (event->source->family != 0) {
        mt_pen_json_ip(pen, "src_ip", event->source);
        mt_pen_json_u64(pen, "src_port", event->source_port);
    }
    if (event->destination->family != 0) {
        mt_pen_json_ip(pen, "dest_ip", event->destination);
        mt_pen_json_u64(pen, "dest_port", event->destination_port);
    }
    mt_pen_literal(pen, "\"proto\":\"TCP\",");
    mt_pen_json_count(pen, "ip_v", event->source->family);
    mt_pen_json_text(pen, "community_id", event->community_id);
}

static bool end_event(struct mt_format *format, mt_format_emit *emit, void *ctx)
{
    mt_pen_close(&format->pen, '}');
    return mt_format_emit_text(format, 0, emit, ctx);
}

/* --- smtp ------------------------------------------------------------------------- */

/* "<a@b.example>", as it stands on the wire: the string is written one byte to the
 * right of where it belongs, and its quotes make place. */
static void put_path_value(struct mt_pen *pen, struct mt_span address)
{
    mt_pen_byte(pen, '"');
    uint8_t *quote = pen->to;

    mt_pen_json_value(pen, address);
    if (pen->overflow)
        return;
    *quote = '<';
    memcpy(pen->to - 2, ">\",", 3);
    pen->to++;
}

static void put_smtp(struct mt_pen *pen, struct mt_span helo, const struct mt_record_transaction *transaction)
{
    mt_pen_open(pen, "smtp", '{');
    mt_pen_json_text(pen, "helo", helo);
    if (transaction != NULL && transaction->from_address.ptr != NULL) {
        mt_pen_key(pen, "mail_from");
        put_path_value(pen, transaction->from_address);
    }
    if (transaction != NULL && transaction->recipients.count > 0) {
        mt_pen_open(pen, "rcpt_to", '[');
        for (uint32_t i = 0; i < transaction->recipients.count; i++)
            put_path_value(pen, transaction->recipients.items[i].address);
        mt_pen_close(pen, ']');
    }
    mt_pen_close(pen, '}');
}

/* Names alone; of one without a name EVE says nothing. */
static void put_attachments(struct mt_pen *pen, const struct mt_parts *attachments)
{
    bool is_open = false;

    for (uint32_t i = 0; i < attachments->count; i++) {
        struct mt_texts name = {.items = &attachments->items[i].name, .count = 1};
        if (name.items->ptr == NULL)
            continue;
        if (!is_open)
            mt_pen_open(pen, "attachment", '[');
        mt_pen_json_text_values(pen, &name);
        is_open = true;
    }
    if (is_open)
        mt_pen_close(pen, ']');
}

static void put_email(struct mt_pen *pen, const struct mt_record_transaction *transaction)
{
    mt_pen_open(pen, "email", '{');
    mt_pen_json_name(pen, "status", transaction->reply_code != 0 ? "PARSE_DONE" : "BODY_STARTED");
    if (transaction->message_from.count > 0) {
        mt_pen_key(pen, "from");
        mt_pen_json_joined_value(pen, &transaction->message_from);
    }
    mt_pen_json_texts(pen, "to", &transaction->message_to);
    mt_pen_json_texts(pen, "cc", &transaction->message_cc);
    put_attachments(pen, &transaction->message_attachments);
    mt_pen_json_text(pen, "subject", transaction->message_subject);
    mt_pen_json_text(pen, "message_id", transaction->message_id);
    mt_pen_json_text(pen, "date", transaction->message_date);
    mt_pen_json_text(pen, "x_mailer", transaction->message_user_agent);
    mt_pen_json_texts(pen, "received", &transaction->message_received);
    mt_pen_close(pen, '}');
}

static bool put_smtp_event(struct mt_format *format, const struct mt_record_session *record, uint32_t number,
                           const struct mt_record_transaction *transaction, mt_format_emit *emit, void *ctx)
{
    struct mt_pen *pen = &format->pen;
    uint64_t end = transaction != NULL ? transaction->end : 0;
    struct event event = event_of(record, end != 0 ? end : record->event_end);

    begin_event(pen, &event, "smtp");
    mt_pen_json_u64(pen, "tx_id", number);
    put_smtp(pen, record->helo_name, transaction);
    if (transaction != NULL && transaction->mode != NULL)
        put_email(pen, transaction);
    return end_event(format, emit, ctx);
}

/* --- tls and flow ----------------------------------------------------------------- */

static bool is_name(const char *name, const char *other)
{
    return name != NULL && strcmp(name, other) == 0;
}

/* As Suricata spells them. */
static const char *tls_version(const char *version)
{
    static const char *const names[][2] = {{"1.3", "TLS 1.3"}, {"1.2", "TLS 1.2"}, {"1.1", "TLS 1.1"},
                                           {"1.0", "TLSv1"},   {"3.0", "SSLv3"},   {"2.0", "SSLv2"}};

    for (size_t i = 0; i < MT_ARRAY_COUNT(names); i++) {
        if (is_name(version, names[i][0]))
            return names[i][1];
    }
    return "UNDETERMINED";
}

/* "0A:1B" */
static void put_serial(struct mt_pen *pen, struct mt_span digits)
{
    if (digits.ptr == NULL)
        return;
    mt_pen_open(pen, "serial", '"');
    for (; digits.size > 2 && !pen->overflow; digits = mt_span_from(digits, 2)) {
        mt_pen_json_part(pen, mt_span_head(digits, 2));
        mt_pen_byte(pen, ':');
    }
    mt_pen_json_part(pen, digits);
    mt_pen_literal(pen, "\",");
}

/* "2027-01-31T12:00:00" */
static void put_date(struct mt_pen *pen, const char *key, uint64_t time)
{
    if (time == 0)
        return;
    mt_pen_key(pen, key);
    mt_pen_byte(pen, '"');
    mt_pen_time(pen, time);
    pen->to -= sizeof(".123456789Z") - 1;
    mt_pen_literal(pen, "\",");
}

static void put_print(struct mt_pen *pen, const char *key, struct mt_span hash)
{
    if (hash.ptr == NULL)
        return;
    mt_pen_open(pen, key, '{');
    mt_pen_json_text(pen, "hash", hash);
    mt_pen_close(pen, '}');
}

/* The certificate of a client that has one. */
static void put_client(struct mt_pen *pen, const struct mt_record_session *record)
{
    if (record->tls_client_subject.ptr == NULL && record->tls_client_serial_number.ptr == NULL)
        return;
    mt_pen_open(pen, "client", '{');
    mt_pen_json_text(pen, "subject", record->tls_client_subject);
    mt_pen_json_text(pen, "issuerdn", record->tls_client_issuer);
    put_serial(pen, record->tls_client_serial_number);
    put_date(pen, "notbefore", record->tls_client_not_before);
    put_date(pen, "notafter", record->tls_client_not_after);
    mt_pen_close(pen, '}');
}

static void put_tls(struct mt_pen *pen, const struct mt_record_session *record)
{
    mt_pen_open(pen, "tls", '{');
    mt_pen_json_text(pen, "subject", record->tls_subject_name);
    mt_pen_json_text(pen, "issuerdn", record->tls_issuer_name);
    put_serial(pen, record->tls_serial_number);
    mt_pen_json_texts(pen, "subjectaltname", &record->tls_alternative_names);
    if (is_name(record->starttls_outcome, "established"))
        mt_pen_literal(pen, "\"from_proto\":\"smtp\",");
    mt_pen_json_text(pen, "sni", record->tls_server_name);
    if (record->tls_resumed == MT_FLAG_TRUE)
        mt_pen_literal(pen, "\"session_resumed\":true,");
    if (record->tls_version_protocol != NULL)
        mt_pen_json_name(pen, "version", tls_version(record->tls_version));
    put_date(pen, "notbefore", record->tls_not_before);
    put_date(pen, "notafter", record->tls_not_after);
    mt_pen_json_texts(pen, "client_alpns", &record->tls_client_protocols);
    if (record->tls_next_protocol.ptr != NULL) {
        mt_pen_open(pen, "server_alpns", '[');
        mt_pen_json_value(pen, record->tls_next_protocol);
        mt_pen_close(pen, ']');
    }
    put_print(pen, "ja3", record->tls_client_ja3);
    put_print(pen, "ja3s", record->tls_server_ja3s);
    mt_pen_json_text(pen, "ja4", record->tls_client_ja4);
    put_client(pen, record);
    mt_pen_close(pen, '}');
}

static bool put_tls_event(struct mt_format *format, const struct mt_record_session *record,
                          mt_format_emit *emit, void *ctx)
{
    struct event event = event_of(record, record->event_end);

    begin_event(&format->pen, &event, "tls");
    put_tls(&format->pen, record);
    return end_event(format, emit, ctx);
}

static const char *app_proto(const char *protocol)
{
    if (is_name(protocol, "lmtp"))
        return "smtp";
    return is_name(protocol, "smtps") ? "tls" : protocol;
}

static bool is_closed(const struct mt_record_session *record)
{
    return is_name(record->end, "quit") || is_name(record->end, "fin") || is_name(record->end, "rst");
}

/* Suricata's own word for connections that ended by themselves is timeout: that of
 * the closed state. */
static const char *reason_of(const struct mt_record_session *record)
{
    if (is_name(record->end, "evicted"))
        return "forced";
    if (is_name(record->end, "capture_end"))
        return "shutdown";
    return is_closed(record) || is_name(record->end, "timeout") ? "timeout" : "unknown";
}

static void put_flow(struct mt_pen *pen, const struct mt_record_session *record)
{
    mt_pen_open(pen, "flow", '{');
    mt_pen_json_u64(pen, "pkts_toserver", record->source_packets);
    mt_pen_json_u64(pen, "pkts_toclient", record->destination_packets);
    mt_pen_json_u64(pen, "bytes_toserver", record->source_bytes);
    mt_pen_json_u64(pen, "bytes_toclient", record->destination_bytes);
    put_time(pen, "start", record->event_start);
    put_time(pen, "end", record->event_end);
    mt_pen_json_u64(pen, "age", record->event_duration / 1000000000);
    mt_pen_json_name(pen, "state", is_closed(record) ? "closed" : "established");
    mt_pen_json_name(pen, "reason", reason_of(record));
    mt_pen_json_count(pen, "tx_cnt", record->transactions_total);
    mt_pen_close(pen, '}');
}

static bool put_flow_event(struct mt_format *format, const struct mt_record_session *record,
                           mt_format_emit *emit, void *ctx)
{
    struct mt_pen *pen = &format->pen;
    struct event event = event_of(record, record->event_end);

    begin_event(pen, &event, "flow");
    mt_pen_json_name(pen, "app_proto", app_proto(record->network_protocol));
    put_flow(pen, record);
    mt_pen_open(pen, "tcp", '{');
    mt_pen_json_name(pen, "state", is_closed(record) ? "closed" : "established");
    if (record->missing_bytes_client != 0)
        mt_pen_literal(pen, "\"ts_gap\":true,");
    if (record->missing_bytes_server != 0)
        mt_pen_literal(pen, "\"tc_gap\":true,");
    mt_pen_close(pen, '}');
    return end_event(format, emit, ctx);
}

/* A session that carried commands and no mail has one event, with the name of HELO. */
static bool put_session(struct mt_format *format, const struct mt_record_session *record,
                        mt_format_emit *emit, void *ctx)
{
    bool is_whole = true;

    for (uint32_t i = 0; i < record->transactions.count; i++)
        is_whole &= put_smtp_event(format, record, i, &record->transactions.items[i], emit, ctx);
    if (record->transactions.count == 0 && record->commands.count > 0)
        is_whole &= put_smtp_event(format, record, 0, NULL, emit, ctx);
    if (record->tls_version_protocol != NULL || is_name(record->starttls_outcome, "established"))
        is_whole &= put_tls_event(format, record, emit, ctx);
    is_whole &= put_flow_event(format, record, emit, ctx);
    return is_whole;
}

/* --- alerts ----------------------------------------------------------------------- */

/* Suricata knows 1, the worst, to 3. */
static uint64_t severity_of(const char *level)
{
    if (is_name(level, "critical") || is_name(level, "high"))
        return 1;
    return is_name(level, "medium") ? 2 : 3;
}

static uint64_t revision_of(const char *version)
{
    uint64_t revision = version != NULL ? strtoull(version, NULL, 10) : 0;

    return revision != 0 && revision <= UINT32_MAX ? revision : 1;
}

/* "mailtap NAME: DESCRIPTION", the same for every alert of a rule. */
static void put_signature(struct mt_pen *pen, const struct mt_record_alert *alert)
{
    const struct mt_span parts[] = {
        mt_span_cstr(alert->rule_name != NULL ? alert->rule_name : "unnamed"),
        mt_span_cstr(alert->rule_description != NULL ? alert->rule_description : ""),
    };

    mt_pen_literal(pen, "\"signature\":\"mailtap ");
    mt_pen_json_part(pen, parts[0]);
    if (parts[1].size > 0)
        mt_pen_literal(pen, ": ");
    mt_pen_json_part(pen, parts[1]);
    mt_pen_literal(pen, "\",");
}

/* Lists of strings, as rules' metadata is in EVE. */
static void put_metadata(struct mt_pen *pen, const struct mt_record_alert *alert)
{
    struct mt_names confidence = {&alert->confidence, alert->confidence != NULL ? 1 : 0};
    struct mt_names level = {&alert->rule_level, alert->rule_level != NULL ? 1 : 0};
    struct mt_names id = {&alert->rule_id, alert->rule_id != NULL ? 1 : 0};

    mt_pen_open(pen, "metadata", '{');
    mt_pen_json_names(pen, "confidence", &confidence);
    mt_pen_json_names(pen, "mitre_technique_id", &alert->threat_technique_id);
    mt_pen_json_names(pen, "rule_id", &id);
    mt_pen_json_names(pen, "signature_severity", &level);
    if (alert->count != 0) {
        mt_pen_literal(pen, "\"count\":[\"");
        mt_pen_u64(pen, alert->count);
        mt_pen_literal(pen, "\"],");
    }
    if (alert->window != 0) {
        mt_pen_literal(pen, "\"window\":[\"");
        mt_pen_u64(pen, alert->window);
        mt_pen_literal(pen, "\"],");
    }
    if (alert->group_by.count > 0) {
        mt_pen_open(pen, "group_by", '[');
        for (uint32_t i = 0; i < alert->group_by.count; i++) {
            const struct mt_record_groupby *one = &alert->group_by.items[i];
            mt_pen_byte(pen, '"');
            mt_pen_json_part(pen, one->key);
            mt_pen_byte(pen, '=');
            mt_pen_json_part(pen, one->value);
            mt_pen_literal(pen, "\",");
        }
        mt_pen_close(pen, ']');
    }
    mt_pen_close(pen, '}');
}

static void put_payload(struct mt_pen *pen, const struct mt_record_alert *alert)
{
    if (alert->message.ptr == NULL && alert->evidence.count == 0)
        return;
    mt_pen_literal(pen, "\"payload_printable\":\"");
    mt_pen_json_part(pen, alert->message);
    for (uint32_t i = 0; i < alert->evidence.count && !pen->overflow; i++) {
        mt_pen_literal(pen, "\\n");
        mt_pen_json_part(pen, alert->evidence.items[i]);
    }
    mt_pen_literal(pen, "\",");
}

static bool put_alert(struct mt_format *format, const struct mt_record_alert *alert, mt_format_emit *emit,
                      void *ctx)
{
    struct mt_pen *pen = &format->pen;
    const struct event event = {
        .time = alert->timestamp,
        .event_id = alert->event_id,
        .community_id = alert->network_community_id,
        .host = alert->observer_name,
        .source = &alert->source_ip,
        .destination = &alert->destination_ip,
        .source_port = alert->source_port,
        .destination_port = alert->destination_port,
    };

    begin_event(pen, &event, "alert");
    mt_pen_open(pen, "alert", '{');
    mt_pen_literal(pen, "\"action\":\"allowed\",\"gid\":1,");
    mt_pen_json_u64(pen, "signature_id", mt_format_signature_id(alert->rule_id));
    mt_pen_json_u64(pen, "rev", revision_of(alert->rule_version));
    put_signature(pen, alert);
    mt_pen_json_name(pen, "category", alert->rule_category != NULL ? alert->rule_category : "");
    mt_pen_json_u64(pen, "severity", severity_of(alert->rule_level));
    put_metadata(pen, alert);
    mt_pen_close(pen, '}');
    mt_pen_literal(pen, "\"app_proto\":\"smtp\",");
    put_payload(pen, alert);
    return end_event(format, emit, ctx);
}

const struct mt_format_ops mt_format_eve = {
    .name = "eve",
    .meaning = "Suricata's EVE JSON: smtp, tls, flow and alert events",
    .is_json = true,
    .streams = {""},
    .create = mt_format_create_whole,
    .destroy = mt_format_destroy,
    .head = mt_format_head,
    .session = put_session,
    .alert = put_alert,
};
