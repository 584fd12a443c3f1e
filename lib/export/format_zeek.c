/* Zeek's logs: conn, smtp, ssl and notice, as TSV and as JSON. Columns, their order
 * and their types are those of Zeek 8; how a value is written follows its ASCII and
 * JSON writers. What the record does not hold is unset, which JSON leaves out. */
#include "export/format_zeek_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum stream {
    STREAM_CONN,
    STREAM_SMTP,
    STREAM_SSL,
    STREAM_NOTICE,
    STREAM_COUNT,
};

#define ID_FIELDS "ts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\t"
#define ID_TYPES "time\tstring\taddr\tport\taddr\tport\t"

static const struct {
    const char *path;
    const char *fields;
    const char *types;
} logs[STREAM_COUNT] = {
    [STREAM_CONN] = {"conn",
                     ID_FIELDS
                     "proto\tservice\tduration\torig_bytes\tresp_bytes\tconn_state\tlocal_orig\tlocal_resp\t"
                     "missed_bytes\thistory\torig_pkts\torig_ip_bytes\tresp_pkts\tresp_ip_bytes\t"
                     "tunnel_parents\tip_proto",
                     ID_TYPES
                     "enum\tstring\tinterval\tcount\tcount\tstring\tbool\tbool\tcount\tstring\tcount\tcount\t"
                     "count\tcount\tset[string]\tcount"},
    [STREAM_SMTP] =
        {"smtp",
         ID_FIELDS "trans_depth\thelo\tmailfrom\trcptto\tdate\tfrom\tto\tcc\treply_to\tmsg_id\tin_reply_to\t"
                   "subject\tx_originating_ip\tfirst_received\tsecond_received\tlast_reply\tpath\t"
                   "user_agent\ttls\tfuids\tis_webmail",
         ID_TYPES "count\tstring\tstring\tset[string]\tstring\tstring\tset[string]\tset[string]\tstring\t"
                  "string\tstring\tstring\taddr\tstring\tstring\tstring\tvector[addr]\tstring\tbool\t"
                  "vector[string]\tbool"},
    [STREAM_SSL] = {"ssl",
                    ID_FIELDS
                    "version\tcipher\tcurve\tserver_name\tresumed\tlast_alert\tnext_protocol\testablished\t"
                    "ssl_history\tcert_chain_fps\tclient_cert_chain_fps\tsni_matches_cert",
                    ID_TYPES
                    "string\tstring\tstring\tstring\tbool\tstring\tstring\tbool\tstring\tvector[string]\t"
                    "vector[string]\tbool"},
    [STREAM_NOTICE] = {"notice",
                       ID_FIELDS
                       "fuid\tfile_mime_type\tfile_desc\tproto\tnote\tmsg\tsub\tsrc\tdst\tp\tn\tpeer_descr\t"
                       "actions\temail_dest\tsuppress_for\tremote_location.country_code\t"
                       "remote_location.region\tremote_location.city\tremote_location.latitude\t"
                       "remote_location.longitude",
                       ID_TYPES
                       "string\tstring\tstring\tenum\tenum\tstring\tstring\taddr\taddr\tport\tcount\tstring\t"
                       "set[enum]\tset[string]\tinterval\tstring\tstring\tstring\tdouble\tdouble"},
};

/* --- what all lines begin with ------------------------------------------------ */

struct connection {
    struct mt_span event_id;
    const struct mt_ip *source;
    const struct mt_ip *destination;
    uint64_t source_port;
    uint64_t destination_port;
};

static struct connection connection_of(const struct mt_record_session *record)
{
    return (struct connection){
        .event_id = record->event_id,
        .source = &record->source_ip,
        .destination = &record->destination_ip,
        .source_port = record->source_port,
        .destination_port = record->destination_port,
    };
}

MT_PEN_INLINE void put_endpoint(struct mt_zeek_row *row, const char *host, const char *port,
                                const struct mt_ip *ip, uint64_t number)
{
    mt_zeek_ip(row, host, ip);
    if (ip->family != 0)
        mt_zeek_count(row, port, number);
    else
        mt_zeek_unset(row);
}

static void begin_row(struct mt_zeek_row *row, uint64_t time, const struct connection *connection)
{
    mt_pen_begin(row->pen);
    if (row->is_json)
        mt_pen_byte(row->pen, '{');
    if (time != 0)
        mt_zeek_time(row, "ts", time);
    else
        mt_zeek_unset(row);
    if (connection->event_id.ptr != NULL) {
        uint8_t uid[MT_FORMAT_UID_SIZE];
        mt_format_uid(connection->event_id, uid);
        mt_zeek_string(row, "uid", mt_span(uid, sizeof(uid)));
    } else {
        mt_zeek_unset(row);
    }
    put_endpoint(row, "id.orig_h", "id.orig_p", connection->source, connection->source_port);
    put_endpoint(row, "id.resp_h", "id.resp_p", connection->destination, connection->destination_port);
}

static bool end_row(struct mt_zeek_row *row, struct mt_format *format, enum stream stream,
                    mt_format_emit *emit, void *ctx)
{
    if (row->is_json)
        mt_pen_close(row->pen, '}');
    return mt_format_emit_text(format, stream, emit, ctx);
}

/* --- sessions ----------------------------------------------------------------- */

static bool is_name(const char *name, const char *other)
{
    return name != NULL && strcmp(name, other) == 0;
}

static bool is_tls(const struct mt_record_session *record)
{
    return is_name(record->starttls_outcome, "established");
}

/* RSTO and RSTR can't be told apart: the record does not say who sent the RST. */
static struct mt_span conn_state(const struct mt_record_session *record)
{
    if (is_name(record->pickup, "midstream"))
        return mt_span("OTH", 3);
    if (is_name(record->end, "quit") || is_name(record->end, "fin"))
        return mt_span("SF", 2);
    if (record->end == NULL || is_name(record->end, "rst"))
        return mt_span_none();
    return mt_span("S1", 2);
}

/* What Zeek calls it. */
static struct mt_span service(const struct mt_record_session *record)
{
    const char *protocol = record->network_protocol;

    if (protocol == NULL)
        return mt_span_none();
    if (is_name(protocol, "smtps") || is_name(protocol, "tls"))
        return mt_span("ssl", 3);
    if (!is_name(protocol, "smtp") && !is_name(protocol, "lmtp"))
        return mt_span_cstr(protocol);
    return is_tls(record) ? mt_span("smtp,ssl", 8) : mt_span("smtp", 4);
}

static bool put_conn(struct mt_zeek_row *row, struct mt_format *format,
                     const struct mt_record_session *record, mt_format_emit *emit, void *ctx)
{
    struct connection connection = connection_of(record);

    begin_row(row, record->timestamp, &connection);
    mt_zeek_string(row, "proto", mt_span("tcp", 3));
    mt_zeek_string(row, "service", service(record));
    mt_zeek_time(row, "duration", record->event_duration);
    mt_zeek_unset_many(row, 2); /* orig_bytes, resp_bytes: of TCP payload */
    mt_zeek_string(row, "conn_state", conn_state(record));
    mt_zeek_unset_many(row, 2); /* local_orig, local_resp */
    mt_zeek_count(row, "missed_bytes", record->missing_bytes_client + record->missing_bytes_server);
    mt_zeek_unset(row); /* history */
    mt_zeek_count(row, "orig_pkts", record->source_packets);
    mt_zeek_unset(row); /* orig_ip_bytes: the record counts whole frames */
    mt_zeek_count(row, "resp_pkts", record->destination_packets);
    mt_zeek_unset_many(row, 2); /* resp_ip_bytes, tunnel_parents */
    mt_zeek_count(row, "ip_proto", 6);
    return end_row(row, format, STREAM_CONN, emit, ctx);
}

static void put_recipients(struct mt_zeek_row *row, const struct mt_recipients *recipients)
{
    if (recipients->count == 0) {
        mt_zeek_unset(row);
        return;
    }
    mt_zeek_open(row, "rcptto");
    for (uint32_t i = 0; i < recipients->count; i++)
        mt_zeek_element(row, recipients->items[i].address);
    mt_zeek_close(row);
}

/* "250 2.0.0 Ok: queued": the code and the last line of the final reply. */
static void put_last_reply(struct mt_zeek_row *row, const struct mt_record_transaction *transaction)
{
    if (transaction->reply_code == 0) {
        mt_zeek_unset(row);
        return;
    }
    struct mt_span text = transaction->reply_text;
    for (size_t i = text.size; i > 0; i--) {
        if (text.ptr[i - 1] == '\n') {
            text = mt_span_from(text, i);
            break;
        }
    }
    mt_zeek_reply(row, "last_reply", transaction->reply_code, text);
}

/* As Zeek does it: first is the last of the headers, the oldest hop. */
/* A column of addresses: what is none is left out. */
static void put_originating_ip(struct mt_zeek_row *row, struct mt_span text)
{
    struct mt_ip ip;

    if (text.ptr != NULL && mt_ip_parse(text, &ip))
        mt_zeek_string(row, "x_originating_ip", text);
    else
        mt_zeek_unset(row);
}

static void put_received(struct mt_zeek_row *row, const struct mt_texts *received)
{
    uint32_t count = received->count;

    mt_zeek_string(row, "first_received", count > 0 ? received->items[count - 1] : mt_span_none());
    mt_zeek_string(row, "second_received", count > 1 ? received->items[count - 2] : mt_span_none());
}

/* The hosts of this connection, then what the Received headers name. */
static void put_path(struct mt_zeek_row *row, const struct mt_record_session *record,
                     const struct mt_texts *received)
{
    struct mt_ip last = record->source_ip;

    if (record->source_ip.family == 0 || record->destination_ip.family == 0) {
        mt_zeek_unset(row);
        return;
    }
    mt_zeek_open(row, "path");
    mt_zeek_ip_element(row, &record->destination_ip);
    mt_zeek_ip_element(row, &record->source_ip);
    for (uint32_t i = 0; i < received->count; i++) {
        struct mt_ip hop;
        if (mt_zeek_find_hop(received->items[i], &hop) && !mt_ip_eq(&hop, &last)) {
            mt_zeek_ip_element(row, &hop);
            last = hop;
        }
    }
    mt_zeek_close(row);
}

static void put_mail(struct mt_zeek_row *row, const struct mt_record_session *record,
                     const struct mt_record_transaction *transaction, bool is_tls_row)
{
    mt_zeek_string(row, "helo", record->helo_name);
    mt_zeek_string(row, "mailfrom", transaction->from_address);
    put_recipients(row, &transaction->recipients);
    mt_zeek_string(row, "date", transaction->message_date);
    mt_zeek_joined(row, "from", &transaction->message_from);
    mt_zeek_set(row, "to", &transaction->message_to);
    mt_zeek_set(row, "cc", &transaction->message_cc);
    mt_zeek_joined(row, "reply_to", &transaction->message_reply_to);
    mt_zeek_string(row, "msg_id", transaction->message_id);
    mt_zeek_string(row, "in_reply_to", transaction->message_in_reply_to);
    mt_zeek_string(row, "subject", transaction->message_subject);
    put_originating_ip(row, transaction->message_originating_ip);
    put_received(row, &transaction->message_received);
    put_last_reply(row, transaction);
    put_path(row, record, &transaction->message_received);
    mt_zeek_string(row, "user_agent", transaction->message_user_agent);
    mt_zeek_bool(row, "tls", is_tls_row);
    mt_zeek_open(row, "fuids");
    mt_zeek_close(row);
    mt_zeek_unset(row); /* is_webmail */
}

/* trans_depth is one more than the messages that were answered before. Bytes
 * behind STARTTLS are not read, so it has a line of its own, behind all mail. */
static bool put_smtp(struct mt_zeek_row *row, struct mt_format *format,
                     const struct mt_record_session *record, mt_format_emit *emit, void *ctx)
{
    static const struct mt_record_transaction no_mail;
    struct connection connection = connection_of(record);
    uint32_t lines = record->transactions.count + (is_tls(record) ? 1 : 0);
    uint64_t depth = 1;
    bool is_whole = true;

    for (uint32_t i = 0; i < lines; i++) {
        bool is_mail = i < record->transactions.count;
        const struct mt_record_transaction *transaction = is_mail ? &record->transactions.items[i] : &no_mail;
        begin_row(row, transaction->start != 0 ? transaction->start : record->timestamp, &connection);
        mt_zeek_count(row, "trans_depth", depth);
        put_mail(row, record, transaction, !is_mail);
        is_whole &= end_row(row, format, STREAM_SMTP, emit, ctx);
        depth += transaction->reply_code != 0 ? 1 : 0;
    }
    return is_whole;
}

static struct mt_span name_span(const char *name)
{
    return name != NULL ? mt_span_cstr(name) : mt_span_none();
}

static struct mt_span ssl_version(const char *version)
{
    static const char *const names[][2] = {{"1.3", "TLSv13"}, {"1.2", "TLSv12"}, {"1.1", "TLSv11"},
                                           {"1.0", "TLSv10"}, {"3.0", "SSLv3"},  {"2.0", "SSLv2"}};

    for (size_t i = 0; i < MT_ARRAY_COUNT(names); i++) {
        if (is_name(version, names[i][0]))
            return mt_span_cstr(names[i][1]);
    }
    return mt_span_none();
}

/* Of a session whose handshake was not seen whole, TLS records of both sides say it. */
static bool is_established(const struct mt_record_session *record)
{
    return record->tls_established != MT_FLAG_ABSENT ? record->tls_established == MT_FLAG_TRUE
                                                     : is_tls(record);
}

#define CHAIN_MAX 4u
#define SHA256_DIGITS 64u

/* Of a side's certificate and those behind it. Zeek writes the digits small. */
static void put_fingerprints(struct mt_zeek_row *row, const char *name, struct mt_span own,
                             const struct mt_certificates *chain)
{
    uint8_t small[CHAIN_MAX][SHA256_DIGITS];
    struct mt_span items[CHAIN_MAX];
    struct mt_texts texts = {.items = items};

    for (uint32_t i = 0; own.ptr != NULL && i <= chain->count && i < CHAIN_MAX; i++) {
        struct mt_span digits = mt_span_head(i == 0 ? own : chain->items[i - 1].sha256, SHA256_DIGITS);
        mt_ascii_put_lower(small[i], digits.ptr, digits.size);
        items[texts.count++] = mt_span(small[i], digits.size);
    }
    mt_zeek_set(row, name, &texts);
}

static bool put_ssl(struct mt_zeek_row *row, struct mt_format *format, const struct mt_record_session *record,
                    mt_format_emit *emit, void *ctx)
{
    struct connection connection = connection_of(record);

    begin_row(row, record->timestamp, &connection);
    mt_zeek_string(row, "version", ssl_version(record->tls_version));
    mt_zeek_string(row, "cipher", record->tls_cipher);
    mt_zeek_unset(row); /* curve */
    mt_zeek_string(row, "server_name", record->tls_server_name);
    mt_zeek_bool(row, "resumed", record->tls_resumed == MT_FLAG_TRUE);
    mt_zeek_string(row, "last_alert", name_span(record->tls_alert_description));
    mt_zeek_string(row, "next_protocol", record->tls_next_protocol);
    mt_zeek_bool(row, "established", is_established(record));
    mt_zeek_unset(row); /* ssl_history */
    put_fingerprints(row, "cert_chain_fps", record->tls_server_sha256, &record->tls_server_chain);
    put_fingerprints(row, "client_cert_chain_fps", record->tls_client_sha256, &record->tls_client_chain);
    mt_zeek_unset(row); /* sni_matches_cert */
    return end_row(row, format, STREAM_SSL, emit, ctx);
}

static bool put_session(struct mt_zeek_row *row, struct mt_format *format,
                        const struct mt_record_session *record, mt_format_emit *emit, void *ctx)
{
    bool is_whole = put_conn(row, format, record, emit, ctx);

    is_whole &= put_smtp(row, format, record, emit, ctx);
    if (is_tls(record) || record->tls_version_protocol != NULL)
        is_whole &= put_ssl(row, format, record, emit, ctx);
    return is_whole;
}

/* --- alerts ------------------------------------------------------------------- */

static bool put_alert(struct mt_zeek_row *row, struct mt_format *format, const struct mt_record_alert *alert,
                      mt_format_emit *emit, void *ctx)
{
    const struct connection connection = {
        .event_id = alert->event_id,
        .source = &alert->source_ip,
        .destination = &alert->destination_ip,
        .source_port = alert->source_port,
        .destination_port = alert->destination_port,
    };

    begin_row(row, alert->timestamp, &connection);
    mt_zeek_unset_many(row, 3); /* fuid, file_mime_type, file_desc */
    mt_zeek_string(row, "proto", mt_span("tcp", 3));
    mt_zeek_note(row, "note", alert->rule_name);
    mt_zeek_string(row, "msg", alert->message);
    mt_zeek_joined(row, "sub", &alert->evidence);
    mt_zeek_ip(row, "src", &alert->source_ip);
    mt_zeek_ip(row, "dst", &alert->destination_ip);
    if (alert->destination_ip.family != 0)
        mt_zeek_count(row, "p", alert->destination_port);
    else
        mt_zeek_unset(row);
    if (alert->count != 0)
        mt_zeek_count(row, "n", alert->count);
    else
        mt_zeek_unset(row);
    mt_zeek_string(row, "peer_descr", alert->observer_name);
    mt_zeek_open(row, "actions");
    mt_zeek_element(row, mt_span("Notice::ACTION_LOG", 18));
    mt_zeek_close(row);
    mt_zeek_open(row, "email_dest");
    mt_zeek_close(row);
    mt_zeek_time(row, "suppress_for", alert->window * UINT64_C(1000000000));
    mt_zeek_unset_many(row, 5); /* remote_location */
    return end_row(row, format, STREAM_NOTICE, emit, ctx);
}

/* --- the two formats ---------------------------------------------------------- */

/* Zeek writes the time when it opened the file; ours is that of the run's start. */
static int put_heads(struct mt_format *format)
{
    char opened[32];
    time_t now = time(NULL);
    struct tm tm;

    strftime(opened, sizeof(opened), "%Y-%m-%d-%H-%M-%S", gmtime_r(&now, &tm));
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        char *head = NULL;
        int size = asprintf(&head,
                            "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n"
                            "#path\t%s\n#open\t%s\n#fields\t%s\n#types\t%s\n",
                            logs[i].path, opened, logs[i].fields, logs[i].types);
        if (size < 0)
            return -ENOMEM;
        format->heads[i] = mt_span(head, (size_t)size);
    }
    return 0;
}

static void destroy_tsv(struct mt_format *format)
{
    if (format == NULL)
        return;
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        free((void *)(uintptr_t)format->heads[i].ptr);
    mt_format_destroy(format);
}

static int create_tsv(const struct mt_format_options *options, char *ret_reason, size_t reason_size,
                      struct mt_format **ret_format)
{
    struct mt_format *format;
    int rc = mt_format_create_whole(options, ret_reason, reason_size, &format);

    if (rc != 0)
        return rc;
    rc = put_heads(format);
    if (rc != 0) {
        snprintf(ret_reason, reason_size, "there is no memory for the heads of Zeek's logs");
        destroy_tsv(format);
        return rc;
    }
    *ret_format = format;
    return 0;
}

static bool session_tsv(struct mt_format *format, const struct mt_record_session *record,
                        mt_format_emit *emit, void *ctx)
{
    struct mt_zeek_row row = {.pen = &format->pen, .is_json = false};

    return put_session(&row, format, record, emit, ctx);
}

static bool alert_tsv(struct mt_format *format, const struct mt_record_alert *alert, mt_format_emit *emit,
                      void *ctx)
{
    struct mt_zeek_row row = {.pen = &format->pen, .is_json = false};

    return put_alert(&row, format, alert, emit, ctx);
}

static bool session_json(struct mt_format *format, const struct mt_record_session *record,
                         mt_format_emit *emit, void *ctx)
{
    struct mt_zeek_row row = {.pen = &format->pen, .is_json = true};

    return put_session(&row, format, record, emit, ctx);
}

static bool alert_json(struct mt_format *format, const struct mt_record_alert *alert, mt_format_emit *emit,
                       void *ctx)
{
    struct mt_zeek_row row = {.pen = &format->pen, .is_json = true};

    return put_alert(&row, format, alert, emit, ctx);
}

const struct mt_format_ops mt_format_zeek = {
    .name = "zeek",
    .meaning = "Zeek's conn, smtp, ssl and notice logs, tab-separated",
    .is_json = false,
    .streams = {"conn", "smtp", "ssl", "notice"},
    .create = create_tsv,
    .destroy = destroy_tsv,
    .head = mt_format_head,
    .session = session_tsv,
    .alert = alert_tsv,
};

const struct mt_format_ops mt_format_zeek_json = {
    .name = "zeek-json",
    .meaning = "Zeek's conn, smtp, ssl and notice logs as JSON",
    .is_json = true,
    .streams = {"conn", "smtp", "ssl", "notice"},
    .create = mt_format_create_whole,
    .destroy = mt_format_destroy,
    .head = mt_format_head,
    .session = session_json,
    .alert = alert_json,
};
