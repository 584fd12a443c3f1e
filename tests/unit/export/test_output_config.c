/* What an output's text says, and what is said of one that is wrong. */
#include "detect/detect.h"
#include "export/outputs.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct mt_output_config parsed(const char *spec)
{
    struct mt_output_config config;
    char reason[512] = "";

    if (mt_output_config_parse(spec, reason, sizeof(reason), &config) != 0)
        fail_msg("%s", reason);
    return config;
}

static void a_target_is_known_by_its_scheme(void **state)
{
    static const struct {
        const char *spec;
        enum mt_output_target target;
        const char *address;
    } cases[] = {
        {"ecs:-", MT_TARGET_STDOUT, "-"},
        {"ecs:file:/var/log/m.json", MT_TARGET_FILE, "/var/log/m.json"},
        {"zeek:dir:/var/log/zeek", MT_TARGET_DIR, "/var/log/zeek"},
        {"eve:unix:/run/x.sock", MT_TARGET_UNIX, "/run/x.sock"},
        {"cef:syslog://host:514", MT_TARGET_SYSLOG_UDP, "host:514"},
        {"cef:syslog+tcp://[2001:db8::1]:601", MT_TARGET_SYSLOG_TCP, "[2001:db8::1]:601"},
        {"ecs:syslog+tls://host:6514", MT_TARGET_SYSLOG_TLS, "host:6514"},
        {"ecs:kafka://b1:9092,b2/topic", MT_TARGET_KAFKA, "b1:9092,b2/topic"},
        {"ecs:elasticsearch+https://h:9200/i", MT_TARGET_ELASTICSEARCH, "https://h:9200/i"},
        {"ecs:opensearch+http://h/i", MT_TARGET_ELASTICSEARCH, "http://h/i"},
        {"ecs:clickhouse+http://h:8123/db.t", MT_TARGET_CLICKHOUSE, "http://h:8123/db.t"},
        {"ecs:https://h/hook", MT_TARGET_WEBHOOK, "https://h/hook"},
    };

    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct mt_output_config config = parsed(cases[i].spec);
        assert_int_equal(config.target, cases[i].target);
        assert_string_equal(config.address, cases[i].address);
        assert_string_equal(config.name, cases[i].spec);
        mt_output_config_fini(&config);
    }
}

static void keys_are_read_with_their_units(void **state)
{
    (void)state;
    struct mt_output_config config =
        parsed("ecs:file:/a%20b?rotate=1G&every=1d&keep=7&zstd=1&only=alerts&level=high&"
               "rules=a,b&fields=smtp.helo.name&spool=/x%26y&shed=newest&fsync=always&"
               "flush=500ms&spool_max=64M");
    assert_int_equal(config.rotate, UINT64_C(1) << 30);
    assert_int_equal(config.every, UINT64_C(86400000000000));
    assert_int_equal(config.keep, 7);
    assert_true(config.zstd);
    assert_int_equal(config.only, MT_OUTPUT_ALERTS);
    assert_int_equal(config.level, MT_LEVEL_HIGH);
    assert_int_equal(config.rules.count, 2);
    assert_string_equal(config.rules.items[1], "b");
    assert_string_equal(config.fields.items[0], "smtp.helo.name");
    assert_string_equal(config.spool, "/x&y");
    assert_int_equal(config.shed, MT_OUTPUT_SHED_NEWEST);
    assert_int_equal(config.fsync, MT_OUTPUT_FSYNC_ALWAYS);
    assert_int_equal(config.flush, 500000000);
    assert_int_equal(config.spool_max, 64 << 20);
    assert_string_equal(config.name, "ecs:file:/a%20b");
    mt_output_config_fini(&config);
}

static void levels_have_the_numbers_that_detection_gives_them(void **state)
{
    char spec[64];

    (void)state;
    for (unsigned level = MT_LEVEL_INFORMATIONAL; level <= MT_LEVEL_CRITICAL; level++) {
        snprintf(spec, sizeof(spec), "ecs:-?level=%s", mt_level_name((enum mt_level)level));
        struct mt_output_config config = parsed(spec);
        assert_int_equal(config.level, level);
        mt_output_config_fini(&config);
    }
}

static void what_is_wrong_is_said_with_what_would_be_right(void **state)
{
    static const char *const cases[][2] = {
        {"esc:file:/x", "there is no format esc; did you mean ecs?"},
        {"ecs:fil:x", "there is no target fil:; did you mean file:?"},
        {"ecs", "it names no target"},
        {"ecs:file:", "file: names nothing"},
        {"ecs:file:x?rotat=1G", "did you mean rotate?"},
        {"ecs:file:x?compress=gzip", "there is no key compress for this target"},
        {"ecs:file:x?rotate=many", "rotate=many is not a number of bytes"},
        {"ecs:file:x?rotate=1", "in range"},
        {"ecs:file:x?keep=0", "from 1 to 1000000"},
        {"ecs:file:x?only=some", "all|alerts|sessions"},
        {"ecs:file:x?spool", "spool has no value"},
        {"ecs:file:x?spool=%2", "two hexadecimal digits"},
        {"ecs:file:x?spool=", "spool is empty"},
        {"ecs:syslog://host", "is not host:port"},
        {"ecs:syslog://2001:db8::1:514", "brackets"},
        {"ecs:syslog://host:70000", "is not host:port"},
        {"ecs:kafka://broker", "broker[,broker]/topic"},
        {"ecs:elasticsearch+https://h:9200", "index"},
        {"ecs:elasticsearch+https://u:p@h/i", "do not belong into the URL"},
        {"ecs:clickhouse+http://h/t;drop", "table"},
        {"cef:elasticsearch+https://h/i", "takes JSON"},
        {"zeek:file:/x", "zeek:dir:PATH"},
        {"ecs:splunk+https://h:8088", "token_file=PATH"},
        {"ecs:splunk+https://h:8088?token=abc", "seen by every user"},
        {"ecs:splunk+https://h:8088?token_env=MAILTAP_NO_SUCH_VARIABLE", "no such variable"},
        {"ecs:splunk+https://h:8088?token_file=/nonexistent", "can't be read: No such file"},
        {"ecs:https://h/?cert=/c", "cert and key"},
        {"csv:file:x?fields=nonsense.field", "nonsense.field"},
    };
    char reason[512];
    struct mt_output_config config;

    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        size_t name = strcspn(cases[i][0], "?");
        assert_int_equal(mt_output_config_parse(cases[i][0], reason, sizeof(reason), &config), -EINVAL);
        if (strstr(reason, cases[i][1]) == NULL || strncmp(reason, "output ", 7) != 0 ||
            strncmp(reason + 7, cases[i][0], name) != 0 || strchr(reason, '\n') != NULL)
            fail_msg("%s: %s", cases[i][0], reason);
    }
}

static void a_secret_comes_from_a_file_or_from_the_configuration(void **state)
{
    char path[] = "/tmp/mailtap-secret-XXXXXX";
    char spec[128];
    char reason[256];
    struct mt_output_config config;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "s3cret\n", 7), 7);
    close(fd);
    snprintf(spec, sizeof(spec), "ecs:splunk+https://h:8088?token_file=%s", path);
    config = parsed(spec);
    assert_string_equal(config.token, "s3cret");
    assert_null(strstr(config.name, "s3cret"));
    mt_output_config_fini(&config);
    unlink(path);
    assert_int_equal(mt_output_config_init("ecs:splunk+https://h:8088", reason, sizeof(reason), &config), 0);
    assert_int_equal(mt_output_config_set(&config, "token", "other", reason, sizeof(reason)), 0);
    assert_int_equal(mt_output_config_check(&config, reason, sizeof(reason)), 0);
    assert_string_equal(config.token, "other");
    mt_output_config_fini(&config);
}

static void every_key_has_a_meaning(void **state)
{
    const char *meaning = NULL;
    size_t count = 0;

    (void)state;
    for (; mt_output_key_at(count, &meaning) != NULL; count++)
        assert_true(strlen(meaning) > 5);
    assert_true(count > 30);
}

static void an_alert_has_an_id_of_its_own(void **state)
{
    struct mt_record_groupby by = {.key = mt_span_cstr("source.ip"), .value = mt_span_cstr("192.0.2.1")};
    struct mt_record_alert alert = {
        .timestamp = 1, .event_id = mt_span_cstr("abc"), .rule_name = "smtp_vrfy_probe"};
    char ids[5][MT_OUTPUT_ID_SIZE];

    (void)state;
    mt_output_alert_id(&alert, ids[0]);
    alert.timestamp = 2;
    mt_output_alert_id(&alert, ids[1]);
    alert.rule_name = "smtp_vrfy_sensitive";
    mt_output_alert_id(&alert, ids[2]);
    alert.group_by = (struct mt_groupbys){&by, 1};
    mt_output_alert_id(&alert, ids[3]);
    alert.event_id = mt_span_cstr("abd");
    mt_output_alert_id(&alert, ids[4]);
    for (size_t i = 0; i < MT_ARRAY_COUNT(ids); i++) {
        char again[MT_OUTPUT_ID_SIZE];
        mt_output_alert_id(&alert, again);
        assert_memory_equal(again, ids[4], sizeof(again));
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(ids[i], ids[j], MT_OUTPUT_ID_SIZE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_target_is_known_by_its_scheme),
        cmocka_unit_test(keys_are_read_with_their_units),
        cmocka_unit_test(levels_have_the_numbers_that_detection_gives_them),
        cmocka_unit_test(what_is_wrong_is_said_with_what_would_be_right),
        cmocka_unit_test(a_secret_comes_from_a_file_or_from_the_configuration),
        cmocka_unit_test(every_key_has_a_meaning),
        cmocka_unit_test(an_alert_has_an_id_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
