/* OCSF 1.3.0 and Suricata's EVE as their published schemas say: which attributes an
 * event may have, of which type and with which values, and which it must have. Held
 * against ordinary records, full ones and empty ones. */
#include "format_run.h"
#include "json_check.h"
#include "record_full.h"
#include "samples.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* type: i whole number, s string, b boolean; behind it the values that an
 * enumeration allows. A path that ends in .* allows anything below. */
struct rule {
    const char *path;
    const char *type;
    bool is_required;
};

#define BASE(class, activities, category, type_uids)                                                       \
    {"activity_id", "i" activities, true}, {"category_uid", "i " category " ", true},                      \
        {"class_uid", "i " class " ", true}, {"type_uid", "i" type_uids, true},                            \
        {"severity_id", "i 0 1 2 3 4 5 6 99 ", true}, {"time", "i", true},                                 \
        {"metadata.version", "s \"1.3.0\" ", true}, {"metadata.product.vendor_name", "s", true},           \
        {"metadata.product.name", "s", false}, {"metadata.product.version", "s", false},                   \
        {"metadata.uid", "s", false}, {"metadata.correlation_uid", "s", false},                            \
        {"metadata.log_name", "s", false}, {"metadata.log_provider", "s", false}, {"message", "s", false}, \
        {"start_time", "i", false}, {"end_time", "i", false}, {"duration", "i", false},                    \
        {"count", "i", false}, {"status", "s", false}, {"status_id", "i 0 1 2 99 ", false},                \
        {"status_code", "s", false}, {"status_detail", "s", false},                                        \
    {                                                                                                      \
        "unmapped.*", "", false                                                                            \
    }

#define ENDPOINT(path)                                                                \
    {path ".ip", "s", false}, {path ".port", "i", false}, {path ".name", "s", false}, \
        {path ".mac", "s", false}, {path ".hostname", "s", false},                    \
    {                                                                                 \
        path ".vlan_uid", "s", false                                                  \
    }

#define CONNECTION(path)                                                            \
    {path ".protocol_name", "s", false}, {path ".protocol_num", "i", false},        \
        {path ".protocol_ver_id", "i 0 4 6 99 ", false}, {path ".uid", "s", false}, \
    {                                                                               \
        path ".direction_id", "i 0 1 2 3 99 ", true                                 \
    }

static const struct rule email_activity[] = {
    BASE("4009", " 0 1 2 3 99 ", "4", " 400900 400901 400902 400903 400999 "),
    {"direction_id", "i 0 1 2 3 99 ", true},
    {"banner", "s", false},
    {"smtp_hello", "s", false},
    ENDPOINT("src_endpoint"),
    ENDPOINT("dst_endpoint"),
    {"email.from", "s", true},
    {"email.to[]", "s", false}, /* the list is required, its items are not */
    {"email.cc[]", "s", false},
    {"email.reply_to", "s", false},
    {"email.smtp_from", "s", false},
    {"email.smtp_to[]", "s", false},
    {"email.subject", "s", false},
    {"email.message_uid", "s", false},
    {"email.uid", "s", false},
    {"email.size", "i", false},
    {NULL, NULL, false},
};

static const struct rule network_activity[] = {
    BASE("4001", " 0 1 2 3 4 5 6 99 ", "4", " 400100 400101 400102 400103 400104 400105 400106 400199 "),
    {"app_name", "s", false},
    ENDPOINT("src_endpoint"),
    ENDPOINT("dst_endpoint"),
    CONNECTION("connection_info"),
    {"traffic.bytes", "i", false},
    {"traffic.bytes_in", "i", false},
    {"traffic.bytes_out", "i", false},
    {"traffic.packets", "i", false},
    {"traffic.packets_in", "i", false},
    {"traffic.packets_out", "i", false},
    {NULL, NULL, false},
};

static const struct rule detection_finding[] = {
    BASE("2004", " 0 1 2 3 99 ", "2", " 200400 200401 200402 200403 200499 "),
    {"confidence_id", "i 0 1 2 3 99 ", false},
    {"confidence", "s", false},
    {"device.type_id", "i 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 99 ", false},
    {"device.type", "s", false},
    {"device.name", "s", false},
    {"finding_info.title", "s", true},
    {"finding_info.uid", "s", true},
    {"finding_info.desc", "s", false},
    {"finding_info.created_time", "i", false},
    {"finding_info.analytic.type_id", "i 0 1 2 3 4 5 6 7 8 9 10 11 99 ", true},
    {"finding_info.analytic.type", "s", false},
    {"finding_info.analytic.name", "s", true}, /* a name or a uid must be there */
    {"finding_info.analytic.uid", "s", false},
    {"finding_info.analytic.desc", "s", false},
    {"finding_info.analytic.category", "s", false},
    {"finding_info.analytic.version", "s", false},
    {"finding_info.attacks[].technique.uid", "s", false},
    ENDPOINT("evidences[].src_endpoint"),
    ENDPOINT("evidences[].dst_endpoint"),
    CONNECTION("evidences[].connection_info"),
    {"evidences[].data.*", "", false},
    {NULL, NULL, false},
};

#define EVENT(type)                                                                                     \
    {"timestamp", "s", true}, {"flow_id", "i", true}, {"event_type", "s \"" type "\" ", true},          \
        {"host", "s", false}, {"vlan[]", "i", false}, {"src_ip", "s", false}, {"src_port", "i", false}, \
        {"dest_ip", "s", false}, {"dest_port", "i", false}, {"proto", "s \"TCP\" ", true},              \
        {"ip_v", "i 4 6 ", false}, {"community_id", "s", false}, {"app_proto", "s", false},             \
    {                                                                                                   \
        "tx_id", "i", false                                                                             \
    }

static const struct rule eve_smtp[] = {
    EVENT("smtp"),
    {"smtp.helo", "s", false},
    {"smtp.mail_from", "s", false},
    {"smtp.rcpt_to[]", "s", false},
    {"email.status", "s", false},
    {"email.from", "s", false},
    {"email.to[]", "s", false},
    {"email.cc[]", "s", false},
    {"email.attachment[]", "s", false},
    {"email.subject", "s", false},
    {"email.message_id", "s", false},
    {"email.date", "s", false},
    {"email.x_mailer", "s", false},
    {"email.received[]", "s", false},
    {NULL, NULL, false},
};

static const struct rule eve_tls[] = {
    EVENT("tls"),
    {"tls.subject", "s", false},
    {"tls.issuerdn", "s", false},
    {"tls.serial", "s", false},
    {"tls.subjectaltname[]", "s", false},
    {"tls.from_proto", "s \"smtp\" ", false},
    {"tls.sni", "s", false},
    {"tls.session_resumed", "b", false},
    {"tls.version", "s", false},
    {"tls.notbefore", "s", false},
    {"tls.notafter", "s", false},
    {"tls.client_alpns[]", "s", false},
    {"tls.server_alpns[]", "s", false},
    {"tls.ja3.hash", "s", false},
    {"tls.ja3s.hash", "s", false},
    {"tls.ja4", "s", false},
    {"tls.client.subject", "s", false},
    {"tls.client.issuerdn", "s", false},
    {"tls.client.serial", "s", false},
    {"tls.client.notbefore", "s", false},
    {"tls.client.notafter", "s", false},
    {NULL, NULL, false},
};

static const struct rule eve_flow[] = {
    EVENT("flow"),
    {"flow.pkts_toserver", "i", true},
    {"flow.pkts_toclient", "i", true},
    {"flow.bytes_toserver", "i", true},
    {"flow.bytes_toclient", "i", true},
    {"flow.start", "s", true},
    {"flow.end", "s", true},
    {"flow.age", "i", true},
    {"flow.state", "s \"new\" \"established\" \"closed\" ", true},
    {"flow.reason", "s \"tcp_reuse\" \"forced\" \"shutdown\" \"timeout\" \"unknown\" ", true},
    {"flow.tx_cnt", "i", false},
    {"tcp.state", "s", true},
    {"tcp.ts_gap", "b true ", false},
    {"tcp.tc_gap", "b true ", false},
    {NULL, NULL, false},
};

static const struct rule eve_alert[] = {
    EVENT("alert"),
    {"alert.action", "s \"allowed\" \"blocked\" ", true},
    {"alert.gid", "i", true},
    {"alert.signature_id", "i", true},
    {"alert.rev", "i", true},
    {"alert.signature", "s", true},
    {"alert.category", "s", true},
    {"alert.severity", "i 1 2 3 ", true},
    {"alert.metadata.*", "", false},
    {"payload_printable", "s", false},
    {NULL, NULL, false},
};

static const struct rule *const ocsf[] = {email_activity, network_activity, detection_finding};
static const struct rule *const eve[] = {eve_smtp, eve_tls, eve_flow, eve_alert};

#define RULES_MAX 128

struct look {
    const struct rule *rules;
    bool seen[RULES_MAX];
    char wrong[256];
};

static bool is_of_type(struct mt_span value, const char *type)
{
    bool is_string = value.ptr[0] == '"';
    bool is_boolean = value.ptr[0] == 't' || value.ptr[0] == 'f';
    char one[300];

    if (type[0] == '\0')
        return true;
    if (is_string != (type[0] == 's') || is_boolean != (type[0] == 'b') || value.ptr[0] == 'n')
        return false;
    if (type[0] == 'i' && (memchr(value.ptr, '.', value.size) != NULL || value.ptr[0] == '-'))
        return false;
    if (type[1] == '\0')
        return true;
    snprintf(one, sizeof(one), " %.*s ", (int)value.size, (const char *)value.ptr);
    return strstr(type + 1, one) != NULL;
}

static bool matches(const char *path, const char *rule)
{
    size_t size = strlen(rule);

    return size > 1 && rule[size - 1] == '*' ? strncmp(path, rule, size - 1) == 0 : strcmp(path, rule) == 0;
}

static void look_at(void *ctx, const char *path, struct mt_span value)
{
    struct look *look = ctx;

    for (size_t i = 0; look->rules[i].path != NULL; i++) {
        if (!matches(path, look->rules[i].path))
            continue;
        look->seen[i] = true;
        if (!is_of_type(value, look->rules[i].type))
            snprintf(look->wrong, sizeof(look->wrong), "%s is %.*s, the schema says %s", path,
                     (int)mt_min_u64(value.size, 60), (const char *)value.ptr, look->rules[i].type);
        return;
    }
    snprintf(look->wrong, sizeof(look->wrong), "%s is no attribute", path);
}

/* The rules whose type of event this is: the one that requires that value. */
static const struct rule *rules_of(const struct rule *const *schemas, size_t count, const char *key,
                                   const char *text)
{
    struct mt_span type = json_find(mt_span_cstr(text), key);

    assert_non_null(type.ptr);
    for (size_t i = 0; i < count; i++) {
        for (const struct rule *rule = schemas[i]; rule->path != NULL; rule++) {
            if (strcmp(rule->path, key) == 0 && is_of_type(type, rule->type))
                return schemas[i];
        }
    }
    fail_msg("no schema for %.*s", (int)type.size, (const char *)type.ptr);
    return NULL;
}

static void assert_schema(const struct rule *const *schemas, size_t count, const char *key, const char *text)
{
    struct look look = {.rules = rules_of(schemas, count, key, text)};
    size_t off;

    assert_true(json_check(mt_span_cstr(text), look_at, &look, &off));
    for (size_t i = 0; look.rules[i].path != NULL && look.wrong[0] == '\0'; i++) {
        assert_true(i < RULES_MAX);
        if (look.rules[i].is_required && !look.seen[i])
            snprintf(look.wrong, sizeof(look.wrong), "%s is required", look.rules[i].path);
    }
    if (look.wrong[0] != '\0')
        fail_msg("%s in %.900s", look.wrong, text);
}

struct schemas {
    const char *format;
    const char *key;
    const struct rule *const *list;
    size_t count;
};

static const struct schemas of_ocsf = {"ocsf", "class_uid", ocsf, MT_ARRAY_COUNT(ocsf)};
static const struct schemas of_eve = {"eve", "event_type", eve, MT_ARRAY_COUNT(eve)};

static void assert_texts(const struct schemas *schemas, const struct format_run *run)
{
    assert_true(run->count > 0);
    for (unsigned i = 0; i < run->count; i++)
        assert_schema(schemas->list, schemas->count, schemas->key, run->texts[i]);
}

static void assert_records(const struct schemas *schemas)
{
    static const struct mt_record_transaction transaction;
    static const struct mt_record_session empty;
    static const struct mt_record_alert empty_alert;
    const struct mt_record_session bare = {.transactions = {&transaction, 1},
                                           .starttls_outcome = "established"};
    const struct mt_record_session *const sessions[] = {&sample_session, &empty, &bare};
    const struct mt_record_alert *const alerts[] = {&sample_alert, &empty_alert};
    struct format_run run;

    format_run_init(&run, schemas->format, NULL);
    for (size_t i = 0; i < MT_ARRAY_COUNT(sessions); i++) {
        format_run_session(&run, sessions[i]);
        assert_texts(schemas, &run);
    }
    for (size_t i = 0; i < MT_ARRAY_COUNT(alerts); i++) {
        format_run_alert(&run, alerts[i]);
        assert_texts(schemas, &run);
    }
    format_run_session(&run, record_full_session(NULL, RECORD_ABSENT));
    assert_texts(schemas, &run);
    format_run_alert(&run, record_full_alert(NULL, RECORD_ABSENT));
    assert_texts(schemas, &run);
    format_run_fini(&run);
}

static void ocsf_events_follow_their_classes(void **state)
{
    (void)state;
    assert_records(&of_ocsf);
}

static void eve_events_have_the_keys_of_suricatas_schema(void **state)
{
    (void)state;
    assert_records(&of_eve);
}

/* type_uid = class_uid * 100 + activity_id; of each event, whatever it holds */
static void ocsf_numbers_agree(void **state)
{
    static const char *const ends[] = {"quit", "fin", "rst", "timeout", "evicted", "capture_end"};
    static const char *const activities[] = {"2", "2", "3", "6", "6", "6"};
    struct format_run run;
    (void)state;
    format_run_init(&run, "ocsf", NULL);
    for (size_t i = 0; i < MT_ARRAY_COUNT(ends); i++) {
        struct mt_record_session session = {.end = ends[i]};
        char type[16];
        format_run_session(&run, &session);
        snprintf(type, sizeof(type), "40010%s", activities[i]);
        assert_true(mt_span_eq(json_find(mt_span_cstr(run.texts[0]), "type_uid"), mt_span_cstr(type)));
        assert_true(
            mt_span_eq(json_find(mt_span_cstr(run.texts[0]), "activity_id"), mt_span_cstr(activities[i])));
    }
    format_run_fini(&run);
}

static void the_lists_that_ocsf_requires_are_there_when_they_are_empty(void **state)
{
    static const struct mt_record_transaction transaction;
    static const struct mt_record_session session = {.transactions = {&transaction, 1}};
    struct format_run run;
    (void)state;
    format_run_init(&run, "ocsf", NULL);
    format_run_session(&run, &session);
    assert_non_null(strstr(run.texts[0], "\"email\":{\"from\":\"\",\"to\":[]}"));
    assert_non_null(strstr(run.texts[0], "\"dst_endpoint\":{\"name\":\"unknown\"}"));
    format_run_fini(&run);
}

static void severities_keep_their_order_in_every_scale(void **state)
{
    static const char *const levels[] = {"informational", "low", "medium", "high", "critical"};
    static const uint64_t severities[] = {10, 25, 50, 75, 100};
    static const char *const eve_values[] = {"3", "3", "2", "1", "1"};
    static const char *const ocsf_values[] = {"1", "2", "3", "4", "5"};
    static const char *const cef_values[] = {"|1|", "|3|", "|5|", "|8|", "|10|"};
    static const char *const leef_values[] = {"sev=1\t", "sev=3\t", "sev=5\t", "sev=8\t", "sev=10\t"};
    struct format_run runs[4];
    (void)state;
    format_run_init(&runs[0], "eve", NULL);
    format_run_init(&runs[1], "ocsf", NULL);
    format_run_init(&runs[2], "cef", NULL);
    format_run_init(&runs[3], "leef", NULL);
    for (size_t i = 0; i < MT_ARRAY_COUNT(levels); i++) {
        struct mt_record_alert alert = sample_alert;
        alert.rule_level = levels[i];
        alert.event_severity = severities[i];
        for (unsigned r = 0; r < 4; r++)
            format_run_alert(&runs[r], &alert);
        struct mt_span severity = json_find(mt_span_cstr(runs[0].texts[0]), "alert.severity");
        assert_true(mt_span_eq(severity, mt_span_cstr(eve_values[i])));
        severity = json_find(mt_span_cstr(runs[1].texts[0]), "severity_id");
        assert_true(mt_span_eq(severity, mt_span_cstr(ocsf_values[i])));
        assert_non_null(strstr(runs[2].texts[0], cef_values[i]));
        assert_non_null(strstr(runs[3].texts[0], leef_values[i]));
    }
    for (unsigned r = 0; r < 4; r++)
        format_run_fini(&runs[r]);
}

/* The check itself can fail. */
static void a_schema_refuses_what_it_does_not_know(void **state)
{
    struct look look = {.rules = eve_tls};
    (void)state;
    look_at(&look, "tls.curve", mt_span("\"a\"", 3));
    assert_string_equal(look.wrong, "tls.curve is no attribute");
    look_at(&look, "tls.from_proto", mt_span("\"http\"", 6));
    assert_non_null(strstr(look.wrong, "the schema says"));
    assert_false(is_of_type(mt_span("4", 1), "s"));
    assert_false(is_of_type(mt_span("7", 1), "i 4 6 "));
    assert_false(is_of_type(mt_span("null", 4), "s"));
    assert_true(is_of_type(mt_span("6", 1), "i 4 6 "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ocsf_events_follow_their_classes),
        cmocka_unit_test(eve_events_have_the_keys_of_suricatas_schema),
        cmocka_unit_test(ocsf_numbers_agree),
        cmocka_unit_test(the_lists_that_ocsf_requires_are_there_when_they_are_empty),
        cmocka_unit_test(severities_keep_their_order_in_every_scale),
        cmocka_unit_test(a_schema_refuses_what_it_does_not_know),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
