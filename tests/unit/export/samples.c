#include "samples.h"

#define TEXT(literal)                                   \
    {                                                   \
        (const uint8_t *)(literal), sizeof(literal) - 1 \
    }
#define LIST(array)                  \
    {                                \
        array, MT_ARRAY_COUNT(array) \
    }
#define IP4(a, b, c, d)                    \
    {                                      \
        .bytes = {a, b, c, d}, .family = 4 \
    }

static const uint8_t client_mac[6] = {0x02, 0x42, 0xac, 0x11, 0x00, 0xfe};
static const uint8_t server_mac[6] = {0x02, 0x42, 0xac, 0x11, 0x00, 0x03};

static const char *const categories[] = {"email", "network"};
static const char *const findings[] = {"not_fqdn", "dynamic"};
static const char *const anomalies[] = {"bare_lf"};

static const struct mt_span extensions[] = {
    TEXT("PIPELINING"),          TEXT("SIZE 10240000"), TEXT("VRFY"), TEXT("ETRN"),     TEXT("STARTTLS"),
    TEXT("ENHANCEDSTATUSCODES"), TEXT("8BITMIME"),      TEXT("DSN"),  TEXT("SMTPUTF8"),
};

static const struct mt_verb_count verbs[] = {
    {"ehlo", 1}, {"mail", 1}, {"rcpt", 2}, {"data", 1}, {"quit", 1},
};

static const struct mt_code_count codes[] = {{220, 1}, {221, 1}, {250, 5}, {354, 1}};

static const struct mt_record_parameter mail_parameters[] = {
    {TEXT("SIZE"), TEXT("4711")},
    {TEXT("BODY"), TEXT("8BITMIME")},
};

static const struct mt_record_recipient recipients[] = {
    {
        .address = TEXT("Alice.Example@Mail.Example.COM"),
        .domain = TEXT("mail.example.com"),
        .code = 250,
        .enhanced = TEXT("2.1.5"),
        .verdict = "accepted",
        .local = MT_FLAG_TRUE,
    },
    {
        .address = TEXT("bob@example.com"),
        .domain = TEXT("example.com"),
        .code = 250,
        .enhanced = TEXT("2.1.5"),
        .verdict = "accepted",
        .local = MT_FLAG_FALSE,
    },
};

static const struct mt_span from[] = {TEXT("Jos\xc3\xa9 Sender <jose@sender.example>")};
static const struct mt_span to[] = {TEXT("Alice <alice.example@mail.example.com>"), TEXT("bob@example.com")};

static const struct mt_record_transaction transactions[] = {
    {
        .from_address = TEXT("jose@sender.example"),
        .from_domain = TEXT("sender.example"),
        .from_params = LIST(mail_parameters),
        .from_code = 250,
        .from_enhanced = TEXT("2.1.0"),
        .recipients = LIST(recipients),
        .recipients_total = 2,
        .mode = "data",
        .bytes = 4711,
        .reply_code = 250,
        .reply_enhanced = TEXT("2.0.0"),
        .reply_text = TEXT("2.0.0 Ok: queued as 4FzKq81xJpz9sWL"),
        .reply_queue_id = TEXT("4FzKq81xJpz9sWL"),
        .outcome = "delivered",
        .start = UINT64_C(1700000000250000000),
        .end = UINT64_C(1700000000900000001),
        .message_from = LIST(from),
        .message_to = LIST(to),
        .message_subject = TEXT("Minutes of the \"quarterly\" review"),
        .message_date = TEXT("Tue, 14 Nov 2023 22:13:20 +0000"),
        .message_id = TEXT("<20231114221320.4711@sender.example>"),
    },
};

const struct mt_record_session sample_session = {
    .timestamp = UINT64_C(1700000000000000001),
    .ecs_version = MT_ECS_VERSION,
    .event_category = LIST(categories),
    .event_dataset = "mailtap.session",
    .event_duration = UINT64_C(1000000000),
    .event_end = UINT64_C(1700000001000000001),
    .event_id = TEXT("0123456789abcdef0123456789abcdef"),
    .event_kind = "event",
    .event_start = UINT64_C(1700000000000000001),
    .observer_name = TEXT("probe-1.example.net"),
    .observer_type = "sensor",
    .observer_version = "0.1.0",
    .source_bytes = 6532,
    .source_ip = IP4(198, 51, 100, 23),
    .source_mac = client_mac,
    .source_packets = 17,
    .source_port = 49152,
    .destination_bytes = 1893,
    .destination_ip = IP4(192, 0, 2, 25),
    .destination_mac = server_mac,
    .destination_packets = 15,
    .destination_port = 25,
    .network_bytes = 8425,
    .network_community_id = TEXT("1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
    .network_packets = 32,
    .network_protocol = "smtp",
    .network_transport = "tcp",
    .network_type = "ipv4",
    .network_vlan_id = TEXT("42"),
    .banner_code = 220,
    .banner_text = TEXT("mx.example.com ESMTP Postfix (Debian/GNU)"),
    .helo_verb = "EHLO",
    .helo_name = TEXT("dyn-23-100-51"),
    .helo_kind = "single_label",
    .helo_findings = LIST(findings),
    .helo_score = 4,
    .extensions = LIST(extensions),
    .starttls_offered = MT_FLAG_TRUE,
    .starttls_requested = MT_FLAG_FALSE,
    .commands = LIST(verbs),
    .replies_2xx = 7,
    .replies_3xx = 1,
    .codes = LIST(codes),
    .transactions = LIST(transactions),
    .transactions_total = 1,
    .anomalies = LIST(anomalies),
    .pickup = "syn",
    .direction = "both",
    .end = "quit",
};

static const char *const techniques[] = {"T1595.002"};

static const struct mt_span evidence[] = {
    TEXT("2023-11-14T22:13:20.250000000Z > RCPT TO:<victim@foreign.example>"),
    TEXT("2023-11-14T22:13:20.260000000Z < 250 2.1.5 Ok"),
};

static const struct mt_record_groupby group_by[] = {
    {TEXT("source.ip"), TEXT("198.51.100.23")},
    {TEXT("destination.ip"), TEXT("192.0.2.25")},
};

const struct mt_record_alert sample_alert = {
    .timestamp = UINT64_C(1700000000260000000),
    .message = TEXT("192.0.2.25 accepted the foreign recipient <victim@foreign.example> from 198.51.100.23"),
    .ecs_version = MT_ECS_VERSION,
    .event_category = LIST(categories),
    .event_dataset = "mailtap.alert",
    .event_id = TEXT("0123456789abcdef0123456789abcdef"),
    .event_kind = "alert",
    .event_severity = 47,
    .observer_name = TEXT("probe-1.example.net"),
    .observer_type = "sensor",
    .observer_version = "0.1.0",
    .rule_category = "open_relay",
    .rule_description = "A local server accepted a foreign recipient",
    .rule_id = "5b0c6c9e-7f0e-4a53-9d54-0d6f6f5a7a02",
    .rule_level = "medium",
    .rule_name = "smtp_open_relay_suspected",
    .rule_version = "1",
    .threat_technique_id = LIST(techniques),
    .source_ip = IP4(198, 51, 100, 23),
    .source_port = 49152,
    .destination_ip = {.bytes = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x25}, .family = 6},
    .destination_port = 25,
    .network_community_id = TEXT("1:LQU9qZlK+B5F3KDmev6m5PMibrg="),
    .evidence = LIST(evidence),
    .count = 1,
    .window = 3600,
    .group_by = LIST(group_by),
    .confidence = "high",
};
