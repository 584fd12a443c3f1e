/* What a live run says about itself, from made-up views: losses and their shares,
 * statistics lines, warnings. */
#include "live_report.h"
#include "live_stats.h"
#include "packet/packet.h"
#include "statistics.h"
#include "status.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct lines {
    unsigned count;
    char last[512];
};

static void keep_line(void *ctx, const char *line)
{
    struct lines *lines = ctx;
    lines->count++;
    snprintf(lines->last, sizeof(lines->last), "%s", line);
}

static int make_view(void **state)
{
    struct mt_live_view *view = aligned_alloc(MT_CACHE_LINE, 2 * sizeof(*view));
    assert_non_null(view);
    memset(view, 0, 2 * sizeof(*view));
    *state = view;
    return 0;
}

static int drop_view(void **state)
{
    free(*state);
    return 0;
}

static void set_counter(struct mt_live_view *view, enum mt_counter counter, uint64_t value)
{
    atomic_store(&view->stats.counter[counter], value);
}

static void add_port(struct mt_live_view *view, const char *name, uint64_t frames, uint64_t missed)
{
    struct mt_port_counts *port = &view->ports[view->port_count++];
    snprintf(port->name, sizeof(port->name), "%s", name);
    snprintf(port->driver, sizeof(port->driver), "net_test");
    port->frames = frames;
    port->bytes = frames * 100;
    port->missed = missed;
    port->is_up = true;
}

static void sum(struct mt_live_view *view)
{
    struct mt_stats *stats = aligned_alloc(MT_CACHE_LINE, 2 * sizeof(*stats));
    assert_non_null(stats);
    memset(stats, 0, 2 * sizeof(*stats));
    mt_stats_sum(stats, &view->stats);
    mt_live_view_sum(view, stats, stats + 1);
    free(stats);
}

typedef void print_function(FILE *file, const struct mt_live_view *view);

static void print_losses(FILE *file, const struct mt_live_view *view)
{
    (void)mt_live_report_losses(file, view);
}

static char *printed(print_function *print, const struct mt_live_view *view)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    assert_non_null(file);
    print(file, view);
    fclose(file);
    return text;
}

/* --- losses --------------------------------------------------------------------- */

static void a_run_without_traffic_lost_nothing(void **state)
{
    struct mt_live_view *view = *state;
    add_port(view, "a", 0, 0);
    sum(view);
    char *text = printed(print_losses, view);
    assert_string_equal(text, "");
    free(text);
    assert_int_equal(mt_live_view_lost(view), 0);
    text = printed(mt_live_report_statistics, view);
    assert_non_null(strstr(text, "0 frames lost (0 %), 0 sessions open"));
    free(text);
}

static void every_cause_of_a_loss_is_named_with_its_share_and_what_to_do(void **state)
{
    struct mt_live_view *view = *state;
    add_port(view, "a", 600, 100);
    add_port(view, "b", 200, 50);
    view->ports[1].no_buffer = 40;
    view->ports[1].errors = 10;
    set_counter(view, MT_COUNTER_LIVE_RING_FULL, 5);
    set_counter(view, MT_COUNTER_FLOWS_REFUSED, 20);
    set_counter(view, MT_COUNTER_PORT_TOO_LARGE, 1);
    sum(view);
    assert_int_equal(mt_live_view_known(view), 1000);
    assert_int_equal(mt_live_view_frames(view), 800);
    assert_int_equal(mt_live_view_lost(view), 226);
    char *text = printed(print_losses, view);
    assert_string_equal(
        text,
        "mailtap: 150 frames (15.0 %) were lost because the queue of a port was full; give more --workers, "
        "a larger --queue-size, or a --filter\n"
        "mailtap: 40 frames (4.0 %) were lost because no packet buffer was free; give more --memory\n"
        "mailtap: 10 frames (1.0 %) were lost because they came damaged, or larger than the port takes; "
        "look after cable and optics, or give a larger --frame-max\n"
        "mailtap: 1 frames (0.10 %) were lost because there was no room to join their buffers; give a "
        "larger --frame-max\n"
        "mailtap: 5 frames (0.50 %) were lost because a worker was behind; give more --workers, or a "
        "--filter\n"
        "mailtap: 20 frames (2.0 %) were lost because the table or the memory for sessions was full; watch "
        "less: --filter or fewer --ports\n");
    free(text);
    struct mt_live_health health = mt_live_view_health(view);
    assert_int_equal(health.frames, 800);
    assert_int_equal(health.lost, 226);
    assert_int_equal(health.lost_missed, 150);
    assert_int_equal(health.lost_no_buffer, 40);
    assert_int_equal(health.lost_errors, 10);
    assert_int_equal(health.lost_ring_full, 5);
    assert_int_equal(health.lost_table_full, 20);
}

static void statistics_show_what_is_not_zero_and_the_share_of_losses(void **state)
{
    struct mt_live_view *view = *state;
    add_port(view, "net_a", 999, 1);
    view->worker_count = 2;
    view->worker_frames[0] = 333;
    view->worker_frames[1] = 666;
    view->up_time = UINT64_C(12345678901);
    set_counter(view, MT_COUNTER_FLOWS_NEW, 7);
    set_counter(view, MT_COUNTER_SESSIONS, 4);
    sum(view);
    char *text = printed(mt_live_report_statistics, view);
    assert_non_null(
        strstr(text, "mailtap: statistics after 12 s: 1 frames lost (0.10 %), 3 sessions open\n"));
    assert_non_null(strstr(text, "  port net_a (net_test, up): 999 frames, 1 lost (0.10 %)\n"));
    assert_non_null(strstr(text, "  worker 1: 666 frames (66.7 %)\n"));
    assert_non_null(strstr(text, "port.missed"));
    assert_null(strstr(text, "port.errors"));
    free(text);
}

/* --- warnings ------------------------------------------------------------------- */

static void a_port_that_has_gone_is_not_said_to_have_no_link(void **state)
{
    struct mt_live_view *view = *state;
    struct mt_live_watch watch = {0};
    struct lines lines = {0};
    add_port(view, "net_a", 1, 0);
    view->ports[0].is_gone = true;
    view->ports[0].is_up = false;
    mt_live_watch_look(&watch, view, keep_line, &lines);
    assert_int_equal(lines.count, 0);
    char *text = printed(mt_live_report_statistics, view);
    assert_non_null(strstr(text, "port net_a (net_test, gone)"));
    free(text);
}

static void a_link_that_goes_down_and_up_is_told_once_each(void **state)
{
    struct mt_live_view *view = *state;
    struct mt_live_watch watch = {0};
    struct lines lines = {0};
    add_port(view, "net_a", 1, 0);
    view->ports[0].is_up = false;
    mt_live_watch_look(&watch, view, keep_line, &lines);
    mt_live_watch_look(&watch, view, keep_line, &lines);
    assert_int_equal(lines.count, 1);
    assert_string_equal(lines.last, "port net_a has no link");
    view->ports[0].is_up = true;
    mt_live_watch_look(&watch, view, keep_line, &lines);
    assert_int_equal(lines.count, 2);
    assert_string_equal(lines.last, "port net_a has link");
}

static void look_at_shares(struct mt_live_watch *watch, struct mt_live_view *view, const uint64_t *frames,
                           size_t count, struct lines *lines)
{
    view->worker_count = count;
    for (size_t i = 0; i < count; i++)
        view->worker_frames[i] += frames[i];
    mt_live_watch_look(watch, view, keep_line, lines);
}

static void a_worker_with_more_than_twice_the_mean_is_told_once(void **state)
{
    struct mt_live_view *view = *state;
    struct mt_live_watch watch = {0};
    struct lines lines = {0};
    look_at_shares(&watch, view, (const uint64_t[]){100000, 50000, 25000, 25000}, 4, &lines);
    assert_int_equal(lines.count, 0); /* twice, not more */
    look_at_shares(&watch, view, (const uint64_t[]){0, 100, 0, 0}, 4, &lines);
    assert_int_equal(lines.count, 0); /* too few to say */
    look_at_shares(&watch, view, (const uint64_t[]){25000, 110000, 25000, 25000}, 4, &lines);
    assert_int_equal(lines.count, 1);
    assert_non_null(strstr(lines.last, "worker 1 of 4 has 59.5 % of the frames"));
    look_at_shares(&watch, view, (const uint64_t[]){0, 200000, 0, 0}, 4, &lines);
    assert_int_equal(lines.count, 1);
}

static void of_two_workers_one_with_nine_tenths_is_told(void **state)
{
    struct mt_live_view *view = *state;
    struct mt_live_watch watch = {0};
    struct lines lines = {0};
    look_at_shares(&watch, view, (const uint64_t[]){90000, 10000}, 2, &lines);
    assert_int_equal(lines.count, 0);
    look_at_shares(&watch, view, (const uint64_t[]){95000, 5000}, 2, &lines);
    assert_int_equal(lines.count, 1);
}

static void a_single_worker_may_have_all_frames(void **state)
{
    struct mt_live_view *view = *state;
    struct mt_live_watch watch = {0};
    struct lines lines = {0};
    look_at_shares(&watch, view, (const uint64_t[]){1000000}, 1, &lines);
    assert_int_equal(lines.count, 0);
}

/* --- lines for machines ---------------------------------------------------------- */

static void a_line_holds_every_counter_ports_workers_and_rates(void **state)
{
    struct mt_live_view *view = *state;
    struct mt_live_view *before = view + 1;
    size_t size;
    add_port(before, "net_a", 1000, 0);
    add_port(view, "net_a", 6000, 5);
    view->ports[0].queue_count = 2;
    view->ports[0].queue_frames[0] = 2500;
    view->ports[0].queue_frames[1] = 3500;
    view->worker_count = 2;
    view->worker_frames[1] = 3500;
    view->output_count = 1;
    snprintf(view->outputs[0].name, sizeof(view->outputs[0].name), "ecs:file:/x");
    view->outputs[0].stats =
        (struct mt_output_stats){.accepted = 7, .sent = 3, .shed = 4, .error = "disk \"full\""};
    before->up_time = UINT64_C(10000000000);
    view->up_time = UINT64_C(20000000000);
    set_counter(view, MT_COUNTER_SESSIONS, 20);
    for (int i = 0; i < MT_COUNTER_COUNT; i++) {
        if (atomic_load(&view->stats.counter[i]) == 0)
            set_counter(view, (enum mt_counter)i, 100000 + (uint64_t)i);
    }
    sum(view);
    char *line = mt_live_stats_line("tap \"1\"", view, before, &size);
    assert_non_null(line);
    assert_int_equal(strlen(line), size);
    assert_ptr_equal(strchr(line, '\n'), line + size - 1);
    assert_non_null(strstr(line, "\"observer\": {\"name\": \"tap \\\"1\\\"\"}"));
    assert_non_null(strstr(line, "\"uptime_s\": 20.000, \"interval_s\": 10.000"));
    assert_non_null(strstr(line, "\"frames_per_s\": 500.000, \"bits_per_s\": 400000.000"));
    assert_non_null(strstr(line, "\"sessions_per_s\": 2.000"));
    assert_non_null(strstr(line, "\"missed\": 5"));
    assert_non_null(strstr(line, "\"queue_frames\": [2500, 3500]"));
    assert_non_null(strstr(line, "\"workers\": [{\"frames\": 0}, {\"frames\": 3500}]"));
    assert_non_null(
        strstr(line, "\"outputs\": [{\"name\": \"ecs:file:/x\", \"up\": false, \"accepted\": 7, "));
    assert_non_null(strstr(line, "\"sent\": 3, "));
    assert_non_null(strstr(line, "\"shed\": 4, "));
    assert_non_null(strstr(line, "\"error\": \"disk \\\"full\\\"\"}], \"counters\": {"));
    unsigned named = 0;
    for (int i = 0; i < MT_COUNTER_COUNT; i++) {
        char member[128];
        const char *name = mt_statistics_name(i);
        if (!name)
            continue;
        named++;
        snprintf(member, sizeof(member), "\"%s\": %llu", name,
                 (unsigned long long)mt_stats_get(&view->stats, (enum mt_counter)i));
        if (!strstr(line, member))
            fail_msg("%s is not in the line", member);
    }
    assert_int_equal(named, MT_COUNTER_REJECT_FIRST + MT_REJECT_COUNT);
    free(line);
}

static void a_reader_that_is_behind_costs_lines_and_no_time(void **state)
{
    struct mt_live_view *view = *state;
    struct mt_live_stats_file file;
    char reason[256];
    int ends[2];
    int saved = dup(STDOUT_FILENO);
    assert_int_equal(pipe(ends), 0);
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    assert_int_equal(mt_live_stats_open(&file, "-", reason, sizeof(reason)), 0);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(ends[1]);
    for (unsigned i = 0; i < 200; i++)
        mt_live_stats_write(&file, "tap", view, view);
    assert_true(file.skipped > 0);
    uint64_t skipped = file.skipped;
    assert_false(mt_live_stats_close(&file));
    /* what did come are whole lines, but for the one that was on its way */
    FILE *reader = fdopen(ends[0], "r");
    assert_non_null(reader);
    static char line[1 << 16];
    unsigned whole = 0;
    while (fgets(line, sizeof(line), reader)) {
        if (line[strlen(line) - 1] == '\n' && line[strlen(line) - 2] == '}' && line[0] == '{')
            whole++;
    }
    fclose(reader);
    assert_int_equal(whole + skipped + 1, 200);
}

/* --- the status line ------------------------------------------------------------- */

static void the_status_line_says_rates_sessions_losses_and_alerts(void **state)
{
    struct mt_live_view *view = *state;
    struct mt_live_view *before = view + 1;
    char text[MT_STATUS_SIZE];
    add_port(before, "net_a", 0, 0);
    add_port(view, "net_a", 1500000, 500000);
    view->up_time = UINT64_C(1000000000);
    set_counter(view, MT_COUNTER_FLOWS_NEW, 1200);
    set_counter(view, MT_COUNTER_SESSIONS, 1000);
    set_counter(view, MT_COUNTER_ALERTS, 3);
    sum(view);
    assert_string_equal(mt_status_text(view, before, text),
                        "1.50 M packets/s, 1.200 Gbit/s; sessions 200 open of 1,200; lost 500,000 (25.0 %); "
                        "alerts 3");
}

#define VIEW_TEST(name) cmocka_unit_test_setup_teardown(name, make_view, drop_view)

int main(void)
{
    const struct CMUnitTest tests[] = {
        VIEW_TEST(a_run_without_traffic_lost_nothing),
        VIEW_TEST(every_cause_of_a_loss_is_named_with_its_share_and_what_to_do),
        VIEW_TEST(statistics_show_what_is_not_zero_and_the_share_of_losses),
        VIEW_TEST(a_port_that_has_gone_is_not_said_to_have_no_link),
        VIEW_TEST(a_link_that_goes_down_and_up_is_told_once_each),
        VIEW_TEST(a_worker_with_more_than_twice_the_mean_is_told_once),
        VIEW_TEST(of_two_workers_one_with_nine_tenths_is_told),
        VIEW_TEST(a_single_worker_may_have_all_frames),
        VIEW_TEST(a_line_holds_every_counter_ports_workers_and_rates),
        VIEW_TEST(a_reader_that_is_behind_costs_lines_and_no_time),
        VIEW_TEST(the_status_line_says_rates_sessions_losses_and_alerts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
