/* `outputs:` of a configuration file: the same outputs as by --output, and the
 * exact sentence and place for everything that is wrong with one. */
#include "config/config_priv.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int read_text(struct mt_config *config, const char *text, char error[512])
{
    error[0] = '\0';
    return mt_config_read_text(config, MT_CONFIG_PROGRAM, "mailtap.yaml", mt_span_cstr(text), error, 512);
}

static void read_good(struct mt_config *config, const char *text)
{
    char error[512];
    mt_config_init(config);
    if (read_text(config, text, error) != 0)
        fail_msg("%s", error);
}

static void an_entry_holds_format_target_and_keys(void **state)
{
    struct mt_config config;
    (void)state;
    read_good(&config,
              "outputs:\n"
              "  - rotate: 1G\n"
              "    format: ecs\n"
              "    zstd: true\n"
              "    target: file:/var/log/mailtap.json\n"
              "    rules: [smtp_vrfy_probe, smtp_helo_forged]\n"
              "  - {format: cef, target: 'syslog+tcp://siem.example:514', level: high, flush: 50ms}\n");
    assert_int_equal(config.outputs.count, 2);
    const struct mt_output_config *file = &config.outputs.items[0];
    assert_int_equal(file->target, MT_TARGET_FILE);
    assert_string_equal(file->name, "ecs:file:/var/log/mailtap.json");
    assert_int_equal(file->rotate, UINT64_C(1) << 30);
    assert_true(file->zstd);
    assert_int_equal(file->rules.count, 2);
    assert_string_equal(file->rules.items[1], "smtp_helo_forged");
    const struct mt_output_config *syslog = &config.outputs.items[1];
    assert_int_equal(syslog->target, MT_TARGET_SYSLOG_TCP);
    assert_int_equal(syslog->level, 3);
    assert_int_equal(syslog->flush, 50000000);
    assert_int_equal(syslog->spool_max, UINT64_C(1) << 30);
    mt_config_destroy(&config);
}

static void an_entry_may_be_the_text_of_the_command_line(void **state)
{
    struct mt_config config;
    (void)state;
    read_good(&config, "outputs: ['zeek:dir:/var/log/zeek?every=1h']\n");
    assert_int_equal(config.outputs.count, 1);
    assert_int_equal(config.outputs.items[0].target, MT_TARGET_DIR);
    assert_int_equal(config.outputs.items[0].every, UINT64_C(3600000000000));
    mt_config_destroy(&config);
}

static void properties_of_kafka_are_keys_like_others(void **state)
{
    struct mt_config config;
    (void)state;
    read_good(&config, "outputs:\n"
                       "  - format: ecs\n"
                       "    target: kafka://b1:9092,b2:9092/mail\n"
                       "    compression.type: zstd\n"
                       "    sasl.password: geheim\n");
    assert_int_equal(config.outputs.items[0].properties.count, 2);
    assert_string_equal(config.outputs.items[0].properties.items[0], "compression.type=zstd");
    assert_string_equal(config.outputs.items[0].properties.items[1], "sasl.password=geheim");
    mt_config_destroy(&config);
}

static void secrets_may_stand_in_the_file_or_in_one_of_their_own(void **state)
{
    char path[] = "/tmp/mailtap-token-XXXXXX";
    char text[512];
    struct mt_config config;
    int fd = mkstemp(path);
    (void)state;
    assert_true(fd >= 0 && write(fd, "of-a-file\n", 10) == 10);
    close(fd);
    snprintf(text, sizeof(text),
             "outputs:\n"
             "  - {format: ecs, target: 'splunk+https://s:8088', token: here}\n"
             "  - {format: ecs, target: 'splunk+https://s:8088', token_file: %s}\n",
             path);
    read_good(&config, text);
    assert_string_equal(config.outputs.items[0].token, "here");
    assert_string_equal(config.outputs.items[1].token, "of-a-file");
    mt_config_destroy(&config);
    unlink(path);
}

static void a_later_file_that_has_outputs_replaces_those_of_an_earlier(void **state)
{
    char error[512];
    struct mt_config config;
    (void)state;
    read_good(&config, "outputs: ['ecs:-', 'csv:-']\n");
    assert_int_equal(read_text(&config, "workers: 2\n", error), 0);
    assert_int_equal(config.outputs.count, 2);
    assert_int_equal(read_text(&config, "outputs: ['tsv:-']\n", error), 0);
    assert_int_equal(config.outputs.count, 1);
    assert_string_equal(config.outputs.items[0].name, "tsv:-");
    assert_int_equal(read_text(&config, "outputs: []\n", error), 0);
    assert_int_equal(config.outputs.count, 0);
    mt_config_destroy(&config);
}

#define HEAD "outputs:\n  - format: ecs\n    target: file:/x\n"

static void what_is_wrong_with_an_entry_is_told_with_its_place(void **state)
{
    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"outputs: ecs\n", "mailtap.yaml:1:10: outputs: found \"ecs\", expected a list of outputs"},
        {"outputs:\n  - []\n", "mailtap.yaml:2:5: outputs: expected a mapping with format and target"},
        {"outputs:\n  - format: ecs\n",
         "mailtap.yaml:2:5: outputs: an entry needs a target, as in target: file:/var/log/mailtap.json"},
        {"outputs:\n  - target: '-'\n",
         "mailtap.yaml:2:5: outputs: an entry needs a format, as in format: ecs"},
        {"outputs:\n  - format: esc\n    target: '-'\n",
         "mailtap.yaml:2:13: outputs: output esc:-: there is no format esc; did you mean ecs?"},
        {"outputs:\n  - format: 'ecs:file'\n    target: '-'\n",
         "mailtap.yaml:2:14: outputs: a format is a name alone; the target has its own key"},
        {"outputs:\n  - format: ecs\n    target: fil:/x\n",
         "mailtap.yaml:3:13: outputs: output ecs:fil:/x: there is no target fil:/; did you mean file:?"},
        {"outputs: ['ecs:fil:/x']\n",
         "mailtap.yaml:1:12: outputs: output ecs:fil:/x: there is no target fil:/; did you mean file:?"},
        {HEAD "    rotat: 1G\n",
         "mailtap.yaml:4:5: outputs: there is no key rotat for this target; did you mean rotate?"},
        {HEAD "    rotat: [1G]\n",
         "mailtap.yaml:4:5: outputs: there is no key rotat for this target; did you mean rotate?"},
        {HEAD "    rotate: [1G]\n", "mailtap.yaml:4:13: outputs: rotate: found a list, expected a text"},
        {HEAD "    rotate: big\n",
         "mailtap.yaml:4:13: outputs: rotate=big is not a number of bytes, or of K, "
         "M or G, that is in range"},
        {HEAD "    keep:\n", "mailtap.yaml:4:5: outputs: keep: found nothing, expected a text"},
        {HEAD "    keep: 3\n    keep: 4\n", "mailtap.yaml:5:5: \"keep\" is given twice, first in line 4"},
        {HEAD "    fields: [smtp.helo.nam]\n", "mailtap.yaml:2:5: outputs: smtp.helo.nam is no field, the "
                                               "nearest is smtp.helo.name; mailtap fields lists them"},
        {"outputs:\n  - format: ecs\n    target: kafka://b/t\n    batch.siz: 9\n",
         "mailtap.yaml:4:5: outputs: there is no key batch.siz for this target; did you mean batch.size?"},
        {"outputs:\n  - {format: ecs, target: 'splunk+https://s:8088'}\n",
         "mailtap.yaml:2:5: outputs: Splunk wants a token; write token_file=PATH or token_env=NAME"},
        {"outputs:\n  - {format: ecs, target: 'splunk+https://s:8088', token_file: /nowhere}\n",
         "mailtap.yaml:2:64: outputs: token_file=/nowhere can't be read: No such file or directory"},
    };
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(bad); i++) {
        struct mt_config config;
        char error[512];
        mt_config_init(&config);
        int rc = read_text(&config, bad[i].text, error);
        assert_string_equal(error, bad[i].message);
        assert_int_equal(rc, -EINVAL);
        assert_int_equal(config.outputs.count, 0);
        mt_config_destroy(&config);
    }
}

static void more_outputs_than_there_may_be_are_told_where(void **state)
{
    char text[1024];
    int size = snprintf(text, sizeof(text), "outputs:\n");
    char error[512];
    struct mt_config config;
    (void)state;
    for (unsigned i = 0; i <= MT_OUTPUTS_MAX; i++)
        size += snprintf(text + size, sizeof(text) - (size_t)size, "  - 'ecs:-'\n");
    mt_config_init(&config);
    assert_int_equal(read_text(&config, text, error), -EINVAL);
    assert_string_equal(error, "mailtap.yaml:34:6: outputs: more than 32 entries");
    mt_config_destroy(&config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_entry_holds_format_target_and_keys),
        cmocka_unit_test(an_entry_may_be_the_text_of_the_command_line),
        cmocka_unit_test(properties_of_kafka_are_keys_like_others),
        cmocka_unit_test(secrets_may_stand_in_the_file_or_in_one_of_their_own),
        cmocka_unit_test(a_later_file_that_has_outputs_replaces_those_of_an_earlier),
        cmocka_unit_test(what_is_wrong_with_an_entry_is_told_with_its_place),
        cmocka_unit_test(more_outputs_than_there_may_be_are_told_where),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
