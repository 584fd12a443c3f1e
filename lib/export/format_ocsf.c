/* OCSF 1.3: Email Activity (4009) for each transaction, Network Activity (4001) for
 * each session, Detection Finding (2004) for each alert. Attributes that a class
 * requires stand in every event, whatever the record lacks. */
#include "export/format_priv.h"

enum event_class {
    CLASS_DETECTION_FINDING = 2004,
    CLASS_NETWORK_ACTIVITY = 4001,
    CLASS_EMAIL_ACTIVITY = 4009,
};

enum direction {
    DIRECTION_UNKNOWN = 0,
    DIRECTION_INBOUND = 1,
    DIRECTION_OUTBOUND = 2,
    DIRECTION_INTERNAL = 3,
};

enum severity {
    SEVERITY_UNKNOWN = 0,
    SEVERITY_INFORMATIONAL = 1,
    SEVERITY_LOW = 2,
    SEVERITY_MEDIUM = 3,
    SEVERITY_HIGH = 4,
    SEVERITY_CRITICAL = 5,
};

static bool is_name(const char *name, const char *other)
{
    return name != NULL && strcmp(name, other) == 0;
}

/* --- what all events have ---------------------------------------------------------- */

MT_PEN_INLINE void begin_event(struct mt_pen *pen, enum event_class class_uid, unsigned activity,
                               enum severity severity, uint64_t time)
{
    mt_pen_begin(pen);
    mt_pen_byte(pen, '{');
    mt_pen_json_u64(pen, "activity_id", activity);
    mt_pen_json_u64(pen, "category_uid", class_uid / 1000);
    mt_pen_json_u64(pen, "class_uid", class_uid);
    mt_pen_json_u64(pen, "type_uid", (uint64_t)class_uid * 100 + activity);
    mt_pen_json_u64(pen, "severity_id", severity);
    mt_pen_json_u64(pen, "time", time / 1000000);
}

/* The events of a session share their correlation_uid. */
static void begin_metadata(struct mt_pen *pen, struct mt_span event_id, const char *version,
                           const char *log_name)
{
    mt_pen_literal(pen, "\"metadata\":{\"version\":\"1.3.0\",\"product\":{\"name\":\"mailtap\","
                        "\"vendor_name\":\"mailtap\",");
    mt_pen_json_name(pen, "version", version);
    mt_pen_close(pen, '}');
    mt_pen_json_name(pen, "log_name", log_name);
    mt_pen_json_text(pen, "correlation_uid", event_id);
}

/* number: of a transaction within its session, from 1; 0: the session itself. */
static void put_metadata(struct mt_pen *pen, const struct mt_record_session *record, uint32_t number)
{
    begin_metadata(pen, record->event_id, record->observer_version, record->event_dataset);
    if (record->event_id.ptr != NULL) {
        mt_pen_literal(pen, "\"uid\":\"");
        mt_pen_json_part(pen, record->event_id);
        if (number > 0) {
            mt_pen_byte(pen, '-');
            mt_pen_u64(pen, number);
        }
        mt_pen_literal(pen, "\",");
    }
    mt_pen_json_text(pen, "log_provider", record->observer_name);
    mt_pen_close(pen, '}');
}

/* An endpoint must have an address or a name; "unknown" is the name of one that has
 * neither (a correlation over many servers). */
MT_PEN_INLINE void put_endpoint(struct mt_pen *pen, const char *key, const struct mt_ip *ip, uint64_t port,
                                const uint8_t *mac, struct mt_span vlan, struct mt_span hostname)
{
    mt_pen_open(pen, key, '{');
    if (ip->family != 0) {
        mt_pen_json_ip(pen, "ip", ip);
        mt_pen_json_u64(pen, "port", port);
    } else {
        mt_pen_json_name(pen, "name", "unknown");
    }
    mt_pen_json_text(pen, "hostname", hostname);
    mt_pen_json_mac(pen, "mac", mac);
    mt_pen_json_text(pen, "vlan_uid", vlan);
    mt_pen_close(pen, '}');
}

static void put_session_endpoints(struct mt_pen *pen, const struct mt_record_session *record)
{
    put_endpoint(pen, "src_endpoint", &record->source_ip, record->source_port, record->source_mac,
                 record->network_vlan_id, record->source_domain);
    put_endpoint(pen, "dst_endpoint", &record->destination_ip, record->destination_port,
                 record->destination_mac, record->network_vlan_id, record->destination_domain);
}

static void put_device(struct mt_pen *pen, struct mt_span name)
{
    if (name.ptr == NULL)
        return;
    /* type 99: none of OCSF's kinds of device is a sensor */
    mt_pen_literal(pen, "\"device\":{\"type_id\":99,\"type\":\"Sensor\",");
    mt_pen_json_text(pen, "name", name);
    mt_pen_close(pen, '}');
}

static bool end_event(struct mt_format *format, mt_format_emit *emit, void *ctx)
{
    mt_pen_close(&format->pen, '}');
    return mt_format_emit_text(format, 0, emit, ctx);
}

/* --- Email Activity ------------------------------------------------------------------ */

/* What stands between the last < and a > at the end, or all of it. */
static struct mt_span address_of(struct mt_span mailbox)
{
    if (mailbox.size > 0 && mailbox.ptr[mailbox.size - 1] == '>') {
        for (size_t i = mailbox.size - 1; i > 0; i--) {
            if (mailbox.ptr[i - 1] == '<')
                return mt_span(mailbox.ptr + i, mailbox.size - 1 - i);
        }
    }
    return mailbox;
}

static void put_addresses(struct mt_pen *pen, const struct mt_texts *mailboxes)
{
    for (uint32_t i = 0; i < mailboxes->count; i++)
        mt_pen_json_value(pen, address_of(mailboxes->items[i]));
    mt_pen_close(pen, ']');
}

static void put_recipients(struct mt_pen *pen, const struct mt_recipients *recipients)
{
    for (uint32_t i = 0; i < recipients->count; i++) {
        struct mt_span address = recipients->items[i].address;
        mt_pen_json_value(pen, address.ptr != NULL ? address : mt_span("", 0));
    }
    mt_pen_close(pen, ']');
}

/* from and to are required: of the header, else of the envelope. */
static void put_from_and_to(struct mt_pen *pen, const struct mt_record_transaction *transaction)
{
    struct mt_span from = transaction->message_from.count > 0 ? address_of(transaction->message_from.items[0])
                                                              : transaction->from_address;

    mt_pen_json_text(pen, "from", from.ptr != NULL ? from : mt_span("", 0));
    mt_pen_open(pen, "to", '[');
    if (transaction->message_to.count > 0)
        put_addresses(pen, &transaction->message_to);
    else
        put_recipients(pen, &transaction->recipients);
}

static void put_email(struct mt_pen *pen, const struct mt_record_transaction *transaction)
{
    mt_pen_open(pen, "email", '{');
    put_from_and_to(pen, transaction);
    if (transaction->message_cc.count > 0) {
        mt_pen_open(pen, "cc", '[');
        put_addresses(pen, &transaction->message_cc);
    }
    if (transaction->message_reply_to.count > 0)
        mt_pen_json_text(pen, "reply_to", address_of(transaction->message_reply_to.items[0]));
    mt_pen_json_text(pen, "smtp_from", transaction->from_address);
    if (transaction->recipients.count > 0) {
        mt_pen_open(pen, "smtp_to", '[');
        put_recipients(pen, &transaction->recipients);
    }
    mt_pen_json_text(pen, "subject", transaction->message_subject);
    mt_pen_json_text(pen, "message_uid", transaction->message_id);
    mt_pen_json_text(pen, "uid", transaction->reply_queue_id);
    mt_pen_json_count(pen, "size", transaction->bytes);
    mt_pen_close(pen, '}');
}

/* A private client is inside, and so is a local recipient. */
static enum direction direction_of(const struct mt_record_session *record,
                                   const struct mt_record_transaction *transaction)
{
    uint8_t local =
        transaction->recipients.count > 0 ? transaction->recipients.items[0].local : MT_FLAG_ABSENT;
    bool is_inside = record->source_ip.family != 0 && mt_ip_is_private(&record->source_ip);

    for (uint32_t i = 1; i < transaction->recipients.count; i++) {
        if (transaction->recipients.items[i].local != local)
            return DIRECTION_UNKNOWN;
    }
    if (local == MT_FLAG_TRUE)
        return is_inside ? DIRECTION_INTERNAL : DIRECTION_INBOUND;
    return local == MT_FLAG_FALSE && is_inside ? DIRECTION_OUTBOUND : DIRECTION_UNKNOWN;
}

/* Delivered is success, refused is failure; what did not come to an answer is other. */
static void put_status(struct mt_pen *pen, const struct mt_record_transaction *transaction)
{
    const char *outcome = transaction->outcome;

    if (is_name(outcome, "delivered")) {
        mt_pen_literal(pen, "\"status_id\":1,\"status\":\"Success\",");
    } else if (is_name(outcome, "rejected") || is_name(outcome, "deferred")) {
        mt_pen_literal(pen, "\"status_id\":2,\"status\":\"Failure\",");
    } else {
        mt_pen_literal(pen, "\"status_id\":99,");
        mt_pen_json_name(pen, "status", outcome != NULL ? outcome : "unfinished");
    }
    if (transaction->reply_code != 0) {
        mt_pen_literal(pen, "\"status_code\":\"");
        mt_pen_u64(pen, transaction->reply_code);
        mt_pen_literal(pen, "\",");
    }
    mt_pen_json_text(pen, "status_detail", transaction->reply_text);
}

/* What an observer of the wire sees is a client that sends, unless the mail comes in. */
static bool put_email_event(struct mt_format *format, const struct mt_record_session *record, uint32_t number,
                            mt_format_emit *emit, void *ctx)
{
    const struct mt_record_transaction *transaction = &record->transactions.items[number - 1];
    enum direction direction = direction_of(record, transaction);
    uint64_t time = transaction->start != 0 ? transaction->start : record->timestamp;
    struct mt_pen *pen = &format->pen;

    begin_event(pen, CLASS_EMAIL_ACTIVITY, direction == DIRECTION_INBOUND ? 2 : 1, SEVERITY_INFORMATIONAL,
                time);
    mt_pen_json_u64(pen, "direction_id", direction);
    mt_pen_json_ms(pen, "start_time", transaction->start);
    mt_pen_json_ms(pen, "end_time", transaction->end);
    put_metadata(pen, record, number);
    put_session_endpoints(pen, record);
    mt_pen_json_text(pen, "smtp_hello", record->helo_name);
    mt_pen_json_text(pen, "banner", record->banner_text);
    put_status(pen, transaction);
    put_email(pen, transaction);
    mt_pen_open(pen, "unmapped", '{');
    mt_pen_json_name(pen, "outcome", transaction->outcome);
    mt_pen_json_name(pen, "starttls_outcome", record->starttls_outcome);
    mt_pen_json_count(pen, "recipients_total", transaction->recipients_total);
    mt_pen_close(pen, '}');
    return end_event(format, emit, ctx);
}

/* --- Network Activity ------------------------------------------------------------------ */

static unsigned activity_of(const char *end)
{
    if (is_name(end, "quit") || is_name(end, "fin"))
        return 2; /* Close */
    return is_name(end, "rst") ? 3 /* Reset */ : 6 /* Traffic */;
}

static void put_connection(struct mt_pen *pen, uint8_t family, struct mt_span community_id)
{
    mt_pen_literal(pen,
                   "\"connection_info\":{\"direction_id\":0,\"protocol_name\":\"tcp\",\"protocol_num\":6,");
    mt_pen_json_count(pen, "protocol_ver_id", family);
    mt_pen_json_text(pen, "uid", community_id);
    mt_pen_close(pen, '}');
}

static void put_traffic(struct mt_pen *pen, const struct mt_record_session *record)
{
    mt_pen_open(pen, "traffic", '{');
    mt_pen_json_u64(pen, "bytes", record->network_bytes);
    mt_pen_json_u64(pen, "bytes_in", record->destination_bytes);
    mt_pen_json_u64(pen, "bytes_out", record->source_bytes);
    mt_pen_json_u64(pen, "packets", record->network_packets);
    mt_pen_json_u64(pen, "packets_in", record->destination_packets);
    mt_pen_json_u64(pen, "packets_out", record->source_packets);
    mt_pen_close(pen, '}');
}

/* What OCSF has no attribute for and an analyst of mail can't do without. */
static void put_unmapped(struct mt_pen *pen, const struct mt_record_session *record)
{
    mt_pen_open(pen, "unmapped", '{');
    mt_pen_json_text(pen, "helo_name", record->helo_name);
    mt_pen_json_names(pen, "helo_findings", &record->helo_findings);
    mt_pen_json_name(pen, "starttls_outcome", record->starttls_outcome);
    mt_pen_json_count(pen, "transactions_total", record->transactions_total);
    mt_pen_json_count(pen, "replies_4xx", record->replies_4xx);
    mt_pen_json_count(pen, "replies_5xx", record->replies_5xx);
    mt_pen_json_count(pen, "missing_bytes", record->missing_bytes_client + record->missing_bytes_server);
    mt_pen_json_names(pen, "anomalies", &record->anomalies);
    mt_pen_json_name(pen, "pickup", record->pickup);
    mt_pen_json_name(pen, "direction", record->direction);
    mt_pen_json_name(pen, "end", record->end);
    mt_pen_close(pen, '}');
}

static bool put_network_event(struct mt_format *format, const struct mt_record_session *record,
                              mt_format_emit *emit, void *ctx)
{
    struct mt_pen *pen = &format->pen;

    begin_event(pen, CLASS_NETWORK_ACTIVITY, activity_of(record->end), SEVERITY_INFORMATIONAL,
                record->timestamp);
    mt_pen_json_ms(pen, "start_time", record->event_start);
    mt_pen_json_ms(pen, "end_time", record->event_end);
    mt_pen_json_u64(pen, "duration", record->event_duration / 1000000);
    put_metadata(pen, record, 0);
    put_session_endpoints(pen, record);
    mt_pen_json_name(pen, "app_name", record->network_protocol);
    put_connection(pen, record->source_ip.family, record->network_community_id);
    put_traffic(pen, record);
    put_unmapped(pen, record);
    return end_event(format, emit, ctx);
}

static bool put_session(struct mt_format *format, const struct mt_record_session *record,
                        mt_format_emit *emit, void *ctx)
{
    bool is_whole = true;

    for (uint32_t i = 0; i < record->transactions.count; i++)
        is_whole &= put_email_event(format, record, i + 1, emit, ctx);
    is_whole &= put_network_event(format, record, emit, ctx);
    return is_whole;
}

/* --- Detection Finding ------------------------------------------------------------------ */

static enum severity severity_of(const char *level)
{
    static const char *const levels[] = {"informational", "low", "medium", "high", "critical"};

    for (unsigned i = 0; i < MT_ARRAY_COUNT(levels); i++) {
        if (is_name(level, levels[i]))
            return SEVERITY_INFORMATIONAL + i;
    }
    return SEVERITY_UNKNOWN;
}

/* The caption of an id, in its place; other words are "other" and stand as they are. */
static void put_confidence(struct mt_pen *pen, const char *confidence)
{
    if (confidence == NULL)
        mt_pen_literal(pen, "\"confidence_id\":0,\"confidence\":\"Unknown\",");
    else if (is_name(confidence, "low"))
        mt_pen_literal(pen, "\"confidence_id\":1,\"confidence\":\"Low\",");
    else if (is_name(confidence, "medium"))
        mt_pen_literal(pen, "\"confidence_id\":2,\"confidence\":\"Medium\",");
    else if (is_name(confidence, "high"))
        mt_pen_literal(pen, "\"confidence_id\":3,\"confidence\":\"High\",");
    else {
        mt_pen_literal(pen, "\"confidence_id\":99,");
        mt_pen_json_name(pen, "confidence", confidence);
    }
}

/* Of a finding: the rule, the session and the time, which no two alerts share. */
static void put_finding_uid(struct mt_pen *pen, const struct mt_record_alert *alert)
{
    mt_pen_literal(pen, "\"uid\":\"");
    mt_pen_json_part(pen, alert->event_id);
    mt_pen_byte(pen, '-');
    mt_pen_u64(pen, mt_format_signature_id(alert->rule_id));
    mt_pen_byte(pen, '-');
    mt_pen_u64(pen, alert->timestamp);
    mt_pen_literal(pen, "\",");
}

static void put_analytic(struct mt_pen *pen, const struct mt_record_alert *alert)
{
    mt_pen_literal(pen, "\"analytic\":{\"type_id\":1,\"type\":\"Rule\",");
    mt_pen_json_name(pen, "name", alert->rule_name != NULL ? alert->rule_name : "unnamed");
    mt_pen_json_name(pen, "uid", alert->rule_id);
    mt_pen_json_name(pen, "desc", alert->rule_description);
    mt_pen_json_name(pen, "category", alert->rule_category);
    mt_pen_json_name(pen, "version", alert->rule_version);
    mt_pen_close(pen, '}');
}

static void put_finding_info(struct mt_pen *pen, const struct mt_record_alert *alert)
{
    const char *title = alert->rule_description != NULL ? alert->rule_description : alert->rule_name;

    mt_pen_open(pen, "finding_info", '{');
    mt_pen_json_name(pen, "title", title != NULL ? title : "unnamed");
    put_finding_uid(pen, alert);
    mt_pen_json_text(pen, "desc", alert->message);
    mt_pen_json_ms(pen, "created_time", alert->timestamp);
    put_analytic(pen, alert);
    if (alert->threat_technique_id.count > 0) {
        mt_pen_open(pen, "attacks", '[');
        for (uint32_t i = 0; i < alert->threat_technique_id.count; i++) {
            mt_pen_literal(pen, "{\"technique\":{");
            mt_pen_json_name(pen, "uid", alert->threat_technique_id.items[i]);
            mt_pen_close(pen, '}');
            mt_pen_close(pen, '}');
        }
        mt_pen_close(pen, ']');
    }
    mt_pen_close(pen, '}');
}

static void put_evidences(struct mt_pen *pen, const struct mt_record_alert *alert)
{
    mt_pen_literal(pen, "\"evidences\":[{");
    put_endpoint(pen, "src_endpoint", &alert->source_ip, alert->source_port, NULL, mt_span_none(),
                 mt_span_none());
    put_endpoint(pen, "dst_endpoint", &alert->destination_ip, alert->destination_port, NULL, mt_span_none(),
                 mt_span_none());
    put_connection(pen, alert->source_ip.family, alert->network_community_id);
    if (alert->evidence.count > 0) {
        mt_pen_open(pen, "data", '{');
        mt_pen_json_texts(pen, "lines", &alert->evidence);
        mt_pen_close(pen, '}');
    }
    mt_pen_close(pen, '}');
    mt_pen_close(pen, ']');
}

/* A list, for names that are counted by may be the same. */
static void put_unmapped_alert(struct mt_pen *pen, const struct mt_record_alert *alert)
{
    mt_pen_open(pen, "unmapped", '{');
    mt_pen_json_u64(pen, "event_severity", alert->event_severity);
    mt_pen_json_count(pen, "window", alert->window);
    if (alert->group_by.count > 0) {
        mt_pen_open(pen, "group_by", '[');
        for (uint32_t i = 0; i < alert->group_by.count; i++) {
            mt_pen_byte(pen, '{');
            mt_pen_json_text(pen, "name", alert->group_by.items[i].key);
            mt_pen_json_text(pen, "value", alert->group_by.items[i].value);
            mt_pen_close(pen, '}');
        }
        mt_pen_close(pen, ']');
    }
    mt_pen_close(pen, '}');
}

static bool put_alert(struct mt_format *format, const struct mt_record_alert *alert, mt_format_emit *emit,
                      void *ctx)
{
    struct mt_pen *pen = &format->pen;

    begin_event(pen, CLASS_DETECTION_FINDING, 1, severity_of(alert->rule_level), alert->timestamp);
    mt_pen_json_text(pen, "message", alert->message);
    put_confidence(pen, alert->confidence);
    mt_pen_literal(pen, "\"status_id\":1,");
    mt_pen_json_count(pen, "count", alert->count);
    begin_metadata(pen, alert->event_id, alert->observer_version, alert->event_dataset);
    put_finding_uid(pen, alert);
    mt_pen_close(pen, '}');
    put_device(pen, alert->observer_name);
    put_finding_info(pen, alert);
    put_evidences(pen, alert);
    put_unmapped_alert(pen, alert);
    return end_event(format, emit, ctx);
}

const struct mt_format_ops mt_format_ocsf = {
    .name = "ocsf",
    .meaning = "OCSF 1.3: Email Activity, Network Activity and Detection Finding",
    .is_json = true,
    .streams = {""},
    .create = mt_format_create_whole,
    .destroy = mt_format_destroy,
    .head = mt_format_head,
    .session = put_session,
    .alert = put_alert,
};
