/* What is said of capturing itself. */
#include "export/json.h"
#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define START (UINT64_C(1700000000) * MT_SEC)

static struct mt_detect_health health_at(uint64_t seconds, uint64_t frames)
{
    return (struct mt_detect_health){.time = START + seconds * MT_SEC, .frames = frames};
}

static const struct seen_alert *loss(const struct world *world)
{
    return world_last(world, WORLD_CAPTURE_LOSS);
}

static void nothing_lost_is_nothing_said(void **state)
{
    (void)state;
    static struct world world;
    world_init(&world, true);
    world_open(&world);
    for (uint64_t i = 0; i < 300; i++) {
        struct mt_detect_health health = health_at(i, i < 100 ? 0 : i * 1000);
        mt_detect_health(world.detect, &health);
    }
    assert_int_equal(world.alert_count, 0);
    world_close(&world);
}

static void losses_from_the_first_second_on_are_told_by_cause(void **state)
{
    (void)state;
    static struct world world;
    world_init(&world, true);
    world_open(&world);
    struct mt_detect_health health = health_at(1, 99000);
    health.lost_missed = 750;
    health.lost_no_buffer = 250;
    health.lost_errors = 1;
    mt_detect_health(world.detect, &health);
    assert_int_equal(world_count(&world, WORLD_CAPTURE_LOSS), 1);
    assert_int_equal(loss(&world)->level, MT_LEVEL_HIGH);
    assert_int_equal(loss(&world)->count, 1001);
    assert_int_equal(loss(&world)->window, 60);
    assert_non_null(
        strstr(loss(&world)->message, "1.0 % of the frames of the last 60 s were lost (1001 of 100001)"));
    assert_non_null(strstr(loss(&world)->message, "74.9 % because the port's queue was full"));
    assert_non_null(strstr(loss(&world)->message, "less than 0.1 % because they were damaged"));
    assert_null(strstr(loss(&world)->message, "a worker was behind"));
    assert_non_null(strstr(loss(&world)->message, "larger queue"));
    assert_string_equal(loss(&world)->group_by, "");
    world_close(&world);
}

static void all_lost_is_a_hundred_percent(void **state)
{
    (void)state;
    static struct world world;
    world_init(&world, true);
    world_open(&world);
    struct mt_detect_health health = health_at(1, 0);
    health.lost_no_buffer = 5000;
    mt_detect_health(world.detect, &health);
    assert_int_equal(loss(&world)->level, MT_LEVEL_CRITICAL);
    assert_non_null(strstr(loss(&world)->message, "100.0 % of the frames"));
    assert_non_null(strstr(loss(&world)->message, "huge pages"));
    world_close(&world);
}

static void all_but_one_lost_is_less_than_a_hundred_percent(void **state)
{
    (void)state;
    static struct world world;
    world_init(&world, true);
    world_open(&world);
    struct mt_detect_health health = health_at(1, 1);
    health.lost_missed = 99999;
    mt_detect_health(world.detect, &health);
    assert_non_null(strstr(loss(&world)->message, "99.9 % of the frames"));
    world_close(&world);
}

static void frames_lost_behind_the_port_are_part_of_those_handed_over(void **state)
{
    (void)state;
    static struct world world;
    world_init(&world, true);
    world_open(&world);
    struct mt_detect_health health = health_at(1, 1000);
    health.lost_ring_full = 400;
    health.lost_table_full = 100;
    mt_detect_health(world.detect, &health);
    assert_non_null(
        strstr(loss(&world)->message, "50.0 % of the frames of the last 60 s were lost (500 of 1000)"));
    assert_non_null(strstr(loss(&world)->message, "80.0 % because a worker was behind"));
    world_close(&world);
}

static void losses_are_said_once_until_they_double_or_get_worse(void **state)
{
    (void)state;
    static struct world world;
    world_init(&world, true);
    world_open(&world);
    struct mt_detect_health health = health_at(0, 0);
    for (uint64_t i = 1; i <= 600; i++) {
        health.time += MT_SEC;
        health.frames += 10000;
        health.lost_missed += 30;
        mt_detect_health(world.detect, &health);
    }
    /* 120 in the first four seconds, then 240, 480, 960 and up to 2030 in a window */
    uint32_t before = world_count(&world, WORLD_CAPTURE_LOSS);
    assert_in_range(before, 4, 6);
    assert_int_equal(loss(&world)->level, MT_LEVEL_MEDIUM);
    health.time += MT_SEC;
    health.lost_missed += 10000;
    mt_detect_health(world.detect, &health);
    assert_int_equal(world_count(&world, WORLD_CAPTURE_LOSS), before + 1);
    assert_int_equal(loss(&world)->level, MT_LEVEL_HIGH);
    assert_true(world_counter(&world, MT_COUNTER_ALERTS_SUPPRESSED) > 500);
    world_close(&world);
}

static void what_was_lost_before_the_window_is_not_counted(void **state)
{
    (void)state;
    static struct world world;
    world_init(&world, true);
    world_open(&world);
    struct mt_detect_health health = health_at(1, 1000);
    health.lost_missed = 50;
    mt_detect_health(world.detect, &health);
    for (uint64_t i = 2; i < 4000; i++) {
        health.time += MT_SEC;
        health.frames += 1000;
        health.lost_missed += i % 100 == 0;
        mt_detect_health(world.detect, &health);
    }
    assert_int_equal(world.alert_count, 0);
    world_close(&world);
}

static void a_one_sided_mirror_is_told_of(void **state)
{
    (void)state;
    static struct world world;
    world_init(&world, true);
    world_open(&world);
    struct mt_detect_health health = health_at(1, 1000);
    health.sessions = 99;
    health.sessions_one_way = 99;
    mt_detect_health(world.detect, &health);
    assert_int_equal(world.alert_count, 0);
    health.time += MT_SEC;
    health.sessions = 200;
    mt_detect_health(world.detect, &health);
    assert_int_equal(world.alert_count, 0);
    health.time += MT_SEC;
    health.sessions = 300;
    health.sessions_one_way = 150;
    mt_detect_health(world.detect, &health);
    assert_int_equal(world_count(&world, WORLD_CAPTURE_ONE_SIDED), 1);
    const struct seen_alert *alert = world_last(&world, WORLD_CAPTURE_ONE_SIDED);
    assert_int_equal(alert->count, 150);
    assert_non_null(strstr(alert->message, "50.0 % of the sessions"));
    mt_detect_health(world.detect, &health);
    assert_int_equal(world_count(&world, WORLD_CAPTURE_ONE_SIDED), 1);
    world_close(&world);
}

static char written[4096];

static void write_alert(void *ctx, const struct mt_record_alert *alert, enum mt_rule rule,
                        enum mt_level level)
{
    struct mt_buf b = mt_buf((uint8_t *)written, sizeof(written) - 1);
    (void)ctx;
    (void)rule;
    (void)level;
    mt_json_put_alert(&b, alert);
    written[b.size] = 0;
}

static void an_alert_about_capturing_has_no_session(void **state)
{
    (void)state;
    static const struct mt_detect_events events = {.alert = write_alert};
    static struct mt_stats stats;
    struct mt_detect_config config;
    struct mt_detect *detect;
    struct mt_detect_health health = health_at(1, 0);
    mt_detect_config_init(&config);
    assert_int_equal(mt_detect_create(&config, &mt_site_default, mt_span_cstr("here"), "1", &events, NULL,
                                      &stats, &detect),
                     0);
    health.lost_missed = 5000;
    mt_detect_health(detect, &health);
    mt_detect_destroy(detect);
    assert_non_null(strstr(written, "\"rule\":{"));
    assert_non_null(strstr(written, "capture_loss"));
    assert_null(strstr(written, "\"source\""));
    assert_null(strstr(written, "\"destination\""));
    assert_null(strstr(written, "\"id\":\"\""));
    assert_null(strstr(written, "community_id"));
    assert_null(strstr(written, "\"group_by\""));
    assert_null(strstr(written, "\"evidence\""));
    assert_null(strstr(written, "\"technique\""));
    assert_null(strstr(written, "\\u0000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_lost_is_nothing_said),
        cmocka_unit_test(losses_from_the_first_second_on_are_told_by_cause),
        cmocka_unit_test(all_lost_is_a_hundred_percent),
        cmocka_unit_test(all_but_one_lost_is_less_than_a_hundred_percent),
        cmocka_unit_test(frames_lost_behind_the_port_are_part_of_those_handed_over),
        cmocka_unit_test(losses_are_said_once_until_they_double_or_get_worse),
        cmocka_unit_test(what_was_lost_before_the_window_is_not_counted),
        cmocka_unit_test(a_one_sided_mirror_is_told_of),
        cmocka_unit_test(an_alert_about_capturing_has_no_session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
