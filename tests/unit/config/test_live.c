/* The members of `live:` in a configuration file, and sizes and times as people
 * write them. */
#include "config/config_priv.h"
#include "config/units.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>

static int read_text(struct mt_config *config, const char *text, char error[512])
{
    error[0] = '\0';
    return mt_config_read_text(config, MT_CONFIG_PROGRAM, "m.yaml", mt_span_cstr(text), error, 512);
}

static void every_member_of_live_is_read(void **state)
{
    (void)state;
    struct mt_config config;
    char error[512];

    mt_config_init(&config);
    int rc = read_text(&config,
                       "observer: tap-1\n"
                       "live:\n"
                       "  port: [0000:3b:00.0, \"net_memif0,role=server\"]\n"
                       "  interface: eth1\n"
                       "  spread: software\n"
                       "  cores: 2-5,8\n"
                       "  poll: adaptive\n"
                       "  queue-size: 1024\n"
                       "  frame-max: 9000\n"
                       "  memory: 256M\n"
                       "  interval: 5m\n"
                       "  user: tap\n"
                       "  metrics: '[::1]:9105'\n"
                       "  no-promiscuous: true\n"
                       "  driver-args: --log-level=8\n",
                       error);
    if (rc != 0)
        fail_msg("%s", error);
    assert_string_equal(config.observer, "tap-1");
    assert_int_equal(config.live.ports.count, 2);
    assert_string_equal(config.live.ports.items[0], "0000:3b:00.0");
    assert_string_equal(config.live.ports.items[1], "net_memif0,role=server");
    assert_int_equal(config.live.interfaces.count, 1);
    assert_string_equal(config.live.interfaces.items[0], "eth1");
    assert_int_equal(config.live.spread, MT_SPREAD_SOFTWARE);
    assert_string_equal(config.live.cores, "2-5,8");
    assert_int_equal(config.live.poll, MT_POLL_ADAPTIVE);
    assert_int_equal(config.live.queue_size, 1024);
    assert_int_equal(config.live.frame_max, 9000);
    assert_true(config.live.memory == UINT64_C(256) << 20);
    assert_true(config.live.interval == UINT64_C(300) * 1000000000);
    assert_string_equal(config.live.user, "tap");
    assert_string_equal(config.live.metrics, "[::1]:9105");
    assert_true(config.live.no_promiscuous);
    assert_string_equal(config.live.driver_args, "--log-level=8");
    mt_config_destroy(&config);
}

static void the_example_configuration_is_read(void **state)
{
    (void)state;
    struct mt_config config;
    char error[512] = "";

    mt_config_init(&config);
    if (mt_config_read(&config, MT_SOURCE_ROOT "/app/share/mailtap.example.yaml", error, sizeof(error)) != 0)
        fail_msg("%s", error);
    assert_int_equal(config.live.interfaces.count, 1);
    assert_int_equal(config.live.poll, MT_POLL_ADAPTIVE);
    assert_true(config.site.given && config.sessions_path != NULL);
    mt_config_destroy(&config);
}

static void a_later_file_replaces_what_it_names_and_keeps_the_rest(void **state)
{
    (void)state;
    struct mt_config config;
    char error[512];

    mt_config_init(&config);
    assert_int_equal(read_text(&config, "live: {port: [a, b], poll: adaptive, user: one}", error), 0);
    assert_int_equal(read_text(&config, "live: {port: c, user: two, cores: \"1\"}", error), 0);
    assert_int_equal(config.live.ports.count, 1);
    assert_string_equal(config.live.ports.items[0], "c");
    assert_int_equal(config.live.poll, MT_POLL_ADAPTIVE);
    assert_string_equal(config.live.user, "two");
    assert_string_equal(config.live.cores, "1");
    mt_config_destroy(&config);
}

static void every_mistake_in_live_is_named_with_its_place_and_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *message;
    } bad[] = {
        {"live: {prot: a}", "m.yaml:1:8: unknown key \"prot\"; did you mean \"port\"?"},
        {"live: {port: []}", "m.yaml:1:14: port: found a list, expected at least one text"},
        {"live: {port: {a: b}}", "m.yaml:1:14: port: found a mapping, expected a text or a list of texts"},
        {"live: {port: [a, [b]]}", "m.yaml:1:18: port: found a list, expected a text or a list of texts"},
        {"live: {spread: rss}", "m.yaml:1:16: spread: found \"rss\", expected auto, device or software"},
        {"live: {poll: [busy]}", "m.yaml:1:14: poll: found a list, expected busy or adaptive"},
        {"live: {queue-size: 63}",
         "m.yaml:1:20: queue-size: found \"63\", expected a whole number from 64 to 32768"},
        {"live: {frame-max: 9601}",
         "m.yaml:1:19: frame-max: found \"9601\", expected a whole number from 64 to 9600"},
        {"live: {memory: 1M}",
         "m.yaml:1:16: memory: found \"1M\", expected a size like 64M or 2G, from 4M to 1024G"},
        {"live: {interval: 10ms}",
         "m.yaml:1:18: interval: found \"10ms\", expected a time like 10s or 5m, from 1s to 24h"},
        {"live: {no-promiscuous: 1}", "m.yaml:1:24: no-promiscuous: found \"1\", expected false or true"},
        {"live: {user: tap, poll: fast}", "m.yaml:1:25: poll: found \"fast\", expected busy or adaptive"},
        {"live: {metrics: 9105}", "m.yaml:1:17: metrics: '9105' is not ADDRESS:PORT, such as 127.0.0.1:9105 "
                                  "or [::1]:9105; 0.0.0.0 and "
                                  "[::] are every address of this machine"},
        {"live: {metrics: localhost:9105}", "m.yaml:1:17: metrics: 'localhost' is not an IP address; write "
                                            "it as a number, such as 127.0.0.1:9105 or "
                                            "[::1]:9105"},
        {"live: {metrics: \"127.0.0.1:65536\"}",
         "m.yaml:1:18: metrics: '65536' in '127.0.0.1:65536' is not a port from 0 to 65535"},
        {"live: [a]", "m.yaml:1:7: live: found a list, expected a mapping"},
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(bad); i++) {
        struct mt_config config;
        struct mt_config before;
        char error[512];
        mt_config_init(&config);
        memcpy(&before, &config, sizeof(before));
        int rc = read_text(&config, bad[i].text, error);
        assert_string_equal(error, bad[i].message);
        assert_int_equal(rc, -EINVAL);
        assert_memory_equal(&config, &before, sizeof(before));
        mt_config_destroy(&config);
    }
}

static void sizes_are_bytes_or_powers_of_1024(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t size;
    } good[] = {
        {"0", 0},  {"1500", 1500}, {"64k", 65536}, {"512M", UINT64_C(512) << 20}, {"2GiB", UINT64_C(2) << 30},
        {"7B", 7},
    };
    static const char *const bad[] = {
        "", "M", "-1", "1.5G", "1T", "1 M", "9999999999999999", "999999999999G", "12x", "0x10",
    };
    uint64_t size;

    for (size_t i = 0; i < MT_ARRAY_COUNT(good); i++) {
        assert_true(mt_config_parse_size(mt_span_cstr(good[i].text), &size));
        assert_true(size == good[i].size);
    }
    for (size_t i = 0; i < MT_ARRAY_COUNT(bad); i++)
        assert_false(mt_config_parse_size(mt_span_cstr(bad[i]), &size));
}

static void times_are_seconds_or_have_a_unit(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t milliseconds;
    } good[] = {
        {"30", 30000}, {"30s", 30000}, {"250ms", 250}, {"10m", 600000}, {"1h", 3600000}, {"2d", 172800000},
    };
    static const char *const bad[] = {"", "s", "-1s", "1.5s", "1w", "1 s", "1001d", "99999999999999999s"};
    uint64_t time;

    for (size_t i = 0; i < MT_ARRAY_COUNT(good); i++) {
        assert_true(mt_config_parse_time(mt_span_cstr(good[i].text), &time));
        assert_true(time == good[i].milliseconds * 1000000);
    }
    for (size_t i = 0; i < MT_ARRAY_COUNT(bad); i++)
        assert_false(mt_config_parse_time(mt_span_cstr(bad[i]), &time));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_member_of_live_is_read),
        cmocka_unit_test(the_example_configuration_is_read),
        cmocka_unit_test(a_later_file_replaces_what_it_names_and_keeps_the_rest),
        cmocka_unit_test(every_mistake_in_live_is_named_with_its_place_and_changes_nothing),
        cmocka_unit_test(sizes_are_bytes_or_powers_of_1024),
        cmocka_unit_test(times_are_seconds_or_have_a_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
