/* The page that --metrics serves, from made-up views: that nothing of the lists is
 * left out, and what /health and /ready say. */
#include "live_metrics.h"
#include "statistics.h"

#include "packet/packet.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READY (MT_LIVE_OUTPUTS_OPEN | MT_LIVE_PORTS_OPEN | MT_LIVE_RULES_LOADED)
#define FIRST UINT64_C(1000000) /* of values that nothing else has */

static int make_view(void **state)
{
    struct mt_live_view *view = aligned_alloc(MT_CACHE_LINE, sizeof(*view));
    assert_non_null(view);
    memset(view, 0, sizeof(*view));
    *state = view;
    return 0;
}

static int drop_view(void **state)
{
    free(*state);
    return 0;
}

static char *page(const struct mt_live_view *view)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    mt_live_metrics_text(file, view);
    fclose(file);
    return text;
}

static unsigned count_of(const char *text, const char *wanted)
{
    unsigned count = 0;
    for (const char *at = text; (at = strstr(at, wanted)) != NULL; at++)
        count++;
    return count;
}

static void expect_number(const char *text, uint64_t value, const char *what)
{
    char wanted[64];
    snprintf(wanted, sizeof(wanted), " %" PRIu64 "\n", value);
    if (count_of(text, wanted) != 1)
        fail_msg("%s stands %u times in the page", what, count_of(text, wanted));
}

static void expect(const char *text, const char *line)
{
    assert_non_null(text);
    if (!strstr(text, line))
        fail_msg("%s is not in the page:\n%s", line, text);
}

/* --- the page ------------------------------------------------------------------- */

static void every_counter_is_shown_once(void **state)
{
    struct mt_live_view *view = *state;
    unsigned named = 0;
    for (int i = 0; i < MT_COUNTER_COUNT; i++)
        atomic_store(&view->stats.counter[i], FIRST + (uint64_t)i);
    char *text = page(view);
    for (int i = 0; i < MT_COUNTER_COUNT; i++) {
        const char *name = mt_statistics_name(i);
        if (name)
            expect_number(text, FIRST + (uint64_t)i, name);
        named += name != NULL;
    }
    assert_int_equal(named, MT_COUNTER_REJECT_FIRST + MT_REJECT_COUNT);
    free(text);
}

static void every_cause_of_a_loss_is_a_sample_of_losses(void **state)
{
    struct mt_live_view *view = *state;
    for (size_t i = 0; i < mt_live_cause_count; i++)
        atomic_store(&view->stats.counter[mt_live_causes[i].counter], 1);
    char *text = page(view);
    unsigned found = 0;
    for (const char *at = text; (at = strstr(at, "\nmailtap_lost_frames_total{cause=\"")) != NULL;) {
        at = strchr(at + 1, '}');
        found += strncmp(at, "} 1\n", 4) == 0;
    }
    assert_int_equal(found, mt_live_cause_count);
    assert_int_equal(count_of(text, "\nmailtap_lost_frames_total{"), mt_live_cause_count);
    free(text);
}

static void every_rule_is_shown_at_every_level(void **state)
{
    struct mt_live_view *view = *state;
    for (uint64_t rule = 0; rule < MT_RULE_COUNT; rule++) {
        for (uint64_t level = 0; level < MT_LEVEL_COUNT; level++)
            view->alerts[rule][level] = FIRST + rule * MT_LEVEL_COUNT + level;
    }
    char *text = page(view);
    for (uint64_t i = 0; i < (uint64_t)MT_RULE_COUNT * MT_LEVEL_COUNT; i++)
        expect_number(text, FIRST + i, mt_rule_name((enum mt_rule)(i / MT_LEVEL_COUNT)));
    expect(text, "\nmailtap_alerts_total{rule=\"capture_loss\",level=\"informational\"} 1000000\n");
    free(text);
}

static void rules_that_were_loaded_are_shown_by_their_names(void **state)
{
    struct mt_live_view *view = *state;
    struct mt_alert_notes *notes = calloc(1, sizeof(*notes));
    char name[32];
    assert_non_null(notes);
    for (unsigned i = 0; i < MT_LOADED_NOTES_MAX + 10; i++) {
        struct mt_record_alert alert = {.rule_name = name};
        snprintf(name, sizeof(name), i == 0 ? "capture_loss" : "rule \"%u\"", i);
        mt_notes_add(notes, &alert, MT_RULE_LOADED, MT_LEVEL_HIGH);
    }
    mt_live_view_alerts(view, notes);
    free(notes);
    char *text = page(view);
    expect(text, "\nmailtap_alerts_total{rule=\"capture_loss\",level=\"high\"} 0\n");
    expect(text, "\nmailtap_alerts_total{rule=\"capture_loss\",level=\"high\",source=\"loaded\"} 1\n");
    expect(text, "\nmailtap_alerts_total{rule=\"rule \\\"254\\\"\",level=\"high\",source=\"loaded\"} 1\n");
    expect(text, "\nmailtap_alerts_total{rule=\"(further rules)\",level=\"high\",source=\"loaded\"} 11\n");
    free(text);
}

/* The struct is its counts and a few things more, whose places are known. */
static void every_count_of_an_output_is_shown(void **state)
{
    struct mt_live_view *view = *state;
    struct mt_output_stats *stats = &view->outputs[0].stats;
    uint64_t *values = (uint64_t *)stats;
    const size_t count = offsetof(struct mt_output_stats, latency) / sizeof(*values);
    view->output_count = 1;
    snprintf(view->outputs[0].name, sizeof(view->outputs[0].name), "ecs:file:/x");
    for (size_t i = 0; i < count; i++)
        values[i] = FIRST + i;
    stats->is_up = true;
    char *text = page(view);
    for (size_t i = 0; i < count; i++)
        expect_number(text, FIRST + i, "a count of an output");
    expect(text, "\nmailtap_output_up{output=\"ecs:file:/x\",index=\"0\"} 1\n");
    free(text);
}

static void how_long_delivery_takes_is_a_histogram(void **state)
{
    struct mt_live_view *view = *state;
    struct mt_output_stats *stats = &view->outputs[0].stats;
    view->output_count = 1;
    snprintf(view->outputs[0].name, sizeof(view->outputs[0].name), "ecs:-");
    stats->latency[0] = 3;
    stats->latency[2] = 4;
    stats->latency[MT_OUTPUT_LATENCY_COUNT - 1] = 1;
    stats->latency_sum = UINT64_C(7200500000000);
    char *text = page(view);
    expect(text, "# TYPE mailtap_output_delivery_seconds histogram\n"
                 "mailtap_output_delivery_seconds_bucket{output=\"ecs:-\",index=\"0\",le=\"0.001\"} 3\n"
                 "mailtap_output_delivery_seconds_bucket{output=\"ecs:-\",index=\"0\",le=\"0.005\"} 3\n"
                 "mailtap_output_delivery_seconds_bucket{output=\"ecs:-\",index=\"0\",le=\"0.01\"} 7\n");
    expect(text, ",le=\"3600\"} 7\n");
    expect(text, ",le=\"+Inf\"} 8\n"
                 "mailtap_output_delivery_seconds_sum{output=\"ecs:-\",index=\"0\"} 7200.5\n"
                 "mailtap_output_delivery_seconds_count{output=\"ecs:-\",index=\"0\"} 8\n");
    free(text);
}

static void names_of_outputs_are_told_apart_and_hide_what_may_be_secret(void **state)
{
    struct mt_live_view *view = *state;
    static const char *const names[] = {
        "ecs:file:/a", "ecs:file:/a", "ecs:https://hooks.example.com/T0/secret",
        "ecs:elasticsearch+https://es.example.com:9200/logs", "ecs:file:/\"\\\n\xff"};
    view->output_count = MT_ARRAY_COUNT(names);
    for (size_t i = 0; i < MT_ARRAY_COUNT(names); i++)
        snprintf(view->outputs[i].name, sizeof(view->outputs[i].name), "%s", names[i]);
    char *text = page(view);
    expect(text,
           "\nmailtap_output_up{output=\"ecs:file:/a\",index=\"0\"} 0\n"
           "mailtap_output_up{output=\"ecs:file:/a\",index=\"1\"} 0\n"
           "mailtap_output_up{output=\"ecs:https://hooks.example.com\",index=\"2\"} 0\n"
           "mailtap_output_up{output=\"ecs:elasticsearch+https://es.example.com:9200/logs\",index=\"3\"} 0\n"
           "mailtap_output_up{output=\"ecs:file:/\\\"\\\\??\",index=\"4\"} 0\n");
    assert_null(strstr(text, "secret"));
    free(text);
}

static void ports_and_threads_are_shown(void **state)
{
    struct mt_live_view *view = *state;
    struct mt_port_counts *port = &view->ports[0];
    view->port_count = 1;
    snprintf(port->name, sizeof(port->name), "eth1");
    snprintf(port->driver, sizeof(port->driver), "net_af_xdp");
    port->frames = 10;
    port->missed = 3;
    port->queue_count = 2;
    port->queue_frames[1] = 6;
    port->is_up = true;
    view->worker_count = 2;
    view->worker_frames[1] = 77;
    view->load = (struct mt_live_load){.worker_busy = {1500000000}, .collector_busy = 1, .sessions_max = 9};
    view->wall_time = UINT64_C(1700000100000000000);
    view->up_time = UINT64_C(100000000000);
    char *text = page(view);
    expect(text, "\nmailtap_start_time_seconds 1700000000\n");
    expect(text, "\nmailtap_port_frames_total{port=\"eth1\",driver=\"net_af_xdp\"} 10\n");
    expect(text,
           "\nmailtap_port_lost_frames_total{port=\"eth1\",driver=\"net_af_xdp\",cause=\"missed\"} 3\n");
    expect(text, "\nmailtap_port_queue_frames_total{port=\"eth1\",driver=\"net_af_xdp\",queue=\"1\"} 6\n");
    expect(text, "\nmailtap_port_up{port=\"eth1\",driver=\"net_af_xdp\"} 1\n");
    expect(text, "\nmailtap_worker_frames_total{worker=\"1\"} 77\n");
    expect(text, "\nmailtap_thread_busy_seconds_total{thread=\"worker\",index=\"0\"} 1.5\n");
    expect(text, "\nmailtap_thread_busy_seconds_total{thread=\"collector\",index=\"0\"} 0.000000001\n");
    expect(text, "\nmailtap_sessions_max 9\n");
    assert_null(strstr(text, "thread=\"reader\""));
    free(text);
    view->load.has_reader = true;
    text = page(view);
    expect(text, "thread=\"reader\",index=\"0\"} 0\n");
    free(text);
}

/* --- health and ready ------------------------------------------------------------ */

static void expect_health(uint64_t silence, unsigned stages, unsigned status, const char *says)
{
    char text[256] = "";
    FILE *file = fmemopen(text, sizeof(text), "w");
    assert_non_null(file);
    assert_int_equal(mt_live_metrics_health(file, silence, stages), status);
    fclose(file);
    assert_non_null(strstr(text, says));
}

static void a_run_is_healthy_while_its_threads_answer(void **state)
{
    (void)state;
    expect_health(0, READY, 200, "\"status\": \"ok\"");
    expect_health(MT_LIVE_SILENCE_MAX - 1, READY, 200, "\"ok\"");
    expect_health(MT_LIVE_SILENCE_MAX, READY, 503, "\"silent\"");
    expect_health(UINT64_C(12500000000), READY, 503, "\"threads_answered_s_ago\": 12.5");
    /* a device may take its time to open, and a receiver to take the rest */
    expect_health(2 * MT_LIVE_SILENCE_MAX, MT_LIVE_OUTPUTS_OPEN, 200, "\"starting\"");
    expect_health(2 * MT_LIVE_SILENCE_MAX, READY | MT_LIVE_ENDING, 200, "\"ending\"");
}

static void expect_ready(const struct mt_live_view *view, unsigned stages, unsigned status, const char *text)
{
    char got[256] = "";
    FILE *file = fmemopen(got, sizeof(got), "w");
    assert_non_null(file);
    assert_int_equal(mt_live_metrics_ready(file, view, stages), status);
    fclose(file);
    assert_string_equal(got, text);
}

static void a_run_is_ready_between_its_start_and_its_end(void **state)
{
    struct mt_live_view *view = *state;
    expect_ready(view, 0, 503,
                 "{\"status\": \"starting\", \"outputs_open\": false, \"ports_open\": false, "
                 "\"rules_loaded\": false}\n");
    expect_ready(view, MT_LIVE_OUTPUTS_OPEN | MT_LIVE_PORTS_OPEN, 503,
                 "{\"status\": \"starting\", \"outputs_open\": true, \"ports_open\": true, \"rules_loaded\": "
                 "false}\n");
    expect_ready(
        view, READY, 200,
        "{\"status\": \"ready\", \"outputs_open\": true, \"ports_open\": true, \"rules_loaded\": true}\n");
    expect_ready(
        view, READY | MT_LIVE_ENDING, 503,
        "{\"status\": \"ending\", \"outputs_open\": true, \"ports_open\": true, \"rules_loaded\": true}\n");
    view->port_count = 2;
    view->ports[1].is_gone = true;
    expect_ready(view, READY, 503,
                 "{\"status\": \"a port has gone\", \"outputs_open\": true, \"ports_open\": false, "
                 "\"rules_loaded\": true}\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_counter_is_shown_once, make_view, drop_view),
        cmocka_unit_test_setup_teardown(every_cause_of_a_loss_is_a_sample_of_losses, make_view, drop_view),
        cmocka_unit_test_setup_teardown(every_rule_is_shown_at_every_level, make_view, drop_view),
        cmocka_unit_test_setup_teardown(rules_that_were_loaded_are_shown_by_their_names, make_view,
                                        drop_view),
        cmocka_unit_test_setup_teardown(every_count_of_an_output_is_shown, make_view, drop_view),
        cmocka_unit_test_setup_teardown(how_long_delivery_takes_is_a_histogram, make_view, drop_view),
        cmocka_unit_test_setup_teardown(names_of_outputs_are_told_apart_and_hide_what_may_be_secret,
                                        make_view, drop_view),
        cmocka_unit_test_setup_teardown(ports_and_threads_are_shown, make_view, drop_view),
        cmocka_unit_test(a_run_is_healthy_while_its_threads_answer),
        cmocka_unit_test_setup_teardown(a_run_is_ready_between_its_start_and_its_end, make_view, drop_view),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
