/* A live run against a file run of the same frames, and against everything that
 * must not make it wait or lose count. */
#include "lines.h"
#include "pipeline/live.h"
#include "tap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define TAPS_MAX 4

struct scene {
    struct wire wire;
    struct tap taps[TAPS_MAX];
    struct mt_capture *sources[TAPS_MAX];
    size_t tap_count;
    struct lines *lines;
    struct mt_live_config config;
    struct mt_live *live;
    struct mt_pipeline_result *result;
    bool is_over;
};

static void nap(void)
{
    struct timespec time = {.tv_nsec = 1000000};
    nanosleep(&time, NULL);
}

/* True as soon as it is; false after half a minute, which no test takes. */
#define WAIT_FOR(condition)                                                 \
    do {                                                                    \
        bool is_met = false;                                                \
        for (int naps = 0; !(is_met = (condition)) && naps < 30000; naps++) \
            nap();                                                          \
        assert_true(is_met);                                                \
    } while (0)

static void scene_init(struct scene *scene, uint32_t workers, size_t taps, bool can_keep)
{
    scene->tap_count = taps;
    for (size_t i = 0; i < taps; i++) {
        tap_init(&scene->taps[i], &scene->wire, can_keep);
        scene->taps[i].part = (uint32_t)i;
        scene->taps[i].part_count = (uint32_t)taps;
        scene->sources[i] = &scene->taps[i].capture;
    }
    scene->lines = lines_new();
    scene->config = (struct mt_live_config){.pipeline = {.workers = workers}};
    mt_detect_config_init(&scene->config.pipeline.detect);
    scene->config.pipeline.observer_name = mt_span_cstr("test");
    scene->config.pipeline.observer_version = "0";
    scene->result = aligned_alloc(MT_CACHE_LINE, sizeof(*scene->result));
    scene->is_over = false;
}

static void scene_start(struct scene *scene)
{
    char reason[160];
    assert_int_equal(mt_live_start(&scene->config, scene->sources, scene->tap_count, &lines_sink,
                                   scene->lines, reason, sizeof(reason), &scene->live),
                     0);
}

static void assert_balanced(const struct mt_stats *stats)
{
    uint64_t frames;
    uint64_t known;
    mt_live_balance(stats, &frames, &known);
    assert_int_equal(frames, known);
}

static void scene_stop(struct scene *scene, uint32_t grace_ms)
{
    mt_live_stop(scene->live, grace_ms, scene->result);
    scene->is_over = true;
    assert_balanced(&scene->result->stats);
    assert_false(scene->lines->is_wrong);
    for (size_t i = 0; i < scene->tap_count; i++) {
        assert_int_equal(scene->taps[i].buffers, 0);
        assert_int_equal(scene->taps[i].holds, 0);
    }
}

static void scene_fini(struct scene *scene)
{
    mt_live_destroy(scene->live);
    for (size_t i = 0; i < scene->tap_count; i++)
        tap_fini(&scene->taps[i]);
    lines_free(scene->lines);
    free(scene->result);
}

static uint64_t counted(const struct scene *scene, enum mt_counter counter)
{
    struct mt_stats *stats = aligned_alloc(MT_CACHE_LINE, sizeof(*stats));
    if (scene->is_over)
        *stats = scene->result->stats;
    else
        mt_live_stats(scene->live, stats);
    uint64_t value = mt_stats_get(stats, counter);
    free(stats);
    return value;
}

/* What a worker could not say was counted, also when only this machine was slow. */
static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void assert_all_said(const struct scene *scene)
{
    uint64_t said = scene->lines->count + counted(scene, MT_COUNTER_EXPORT_SHED);
    assert_int_equal(counted(scene, MT_COUNTER_SESSIONS) + scene->lines->alerts, said);
}

/* --- what is on the wire ----------------------------------------------------- */

/* What is not mail, or nothing at all. */
static void wire_noise(struct wire *wire)
{
    static const uint8_t udp[28] = {0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 203, 0, 113, 9, 10, 25, 0, 1};
    static const uint8_t web[40] = {0x45, 0, 0, 40, 0, 0, 0,  0,    64, 6, 203, 0, 113, 9, 10, 25,   0,
                                    1,    0, 0, 4,  5, 0, 80, 0x12, 1,  1, 1,   1, 1,   1, 1,  0x50, 16};
    wire_raw(wire, udp, sizeof(udp));
    wire_raw(wire, web, sizeof(web));
    wire_raw(wire, "\x95 no version", 12);
}

/* Bytes of a message come later than what follows them. */
static void wire_swap_last(struct wire *wire, size_t back)
{
    struct mt_frame *a = &wire->frames[wire->count - 1];
    struct mt_frame *b = &wire->frames[wire->count - 1 - back];
    const uint8_t *data = a->data;
    uint32_t size = a->size;
    a->data = b->data;
    a->size = a->wire_size = b->size;
    b->data = data;
    b->size = b->wire_size = size;
}

static void wire_large_delivery(struct wire *wire, struct wire_connection *c)
{
    char text[1200];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    memcpy(text, "Subject: large\r\n\r\n", 18);
    wire_handshake(wire, c);
    wire_say(wire, c, MT_SERVER, "220 mx.home.example ESMTP\r\n");
    wire_say(wire, c, MT_CLIENT, "EHLO out.example.net\r\n");
    wire_say(wire, c, MT_SERVER, "250 mx.home.example\r\n");
    wire_say(wire, c, MT_CLIENT, "MAIL FROM:<a@example.net>\r\n");
    wire_say(wire, c, MT_SERVER, "250 2.1.0 Ok\r\n");
    wire_say(wire, c, MT_CLIENT, "RCPT TO:<b@home.example>\r\n");
    wire_say(wire, c, MT_SERVER, "250 2.1.5 Ok\r\n");
    wire_say(wire, c, MT_CLIENT, "DATA\r\n");
    wire_say(wire, c, MT_SERVER, "354 go on\r\n");
    for (int i = 0; i < 6; i++) {
        wire_segment(wire, c, MT_CLIENT, MT_TCP_ACK, text);
        if (i % 2)
            wire_swap_last(wire, 1);
    }
    wire_say(wire, c, MT_CLIENT, "\r\n.\r\n");
    wire_say(wire, c, MT_SERVER, "250 2.0.0 Ok\r\n");
    wire_say(wire, c, MT_CLIENT, "QUIT\r\n");
    wire_say(wire, c, MT_SERVER, "221 2.0.0 Bye\r\n");
    wire_close(wire, c);
}

static void wire_mixed(struct wire *wire, uint16_t connections)
{
    static const char *const names[] = {"anna", "bert", "carl", "dora", "emil", "root", "gina"};
    for (uint16_t i = 0; i < connections; i++) {
        struct wire_connection c;
        wire_connection(&c, (uint8_t)(i % 200), (uint16_t)(2000 + i));
        if (i % 3 == 0)
            wire_probe(wire, &c, names[i % MT_ARRAY_COUNT(names)]);
        else if (i % 3 == 1)
            wire_delivery(wire, &c);
        else
            wire_large_delivery(wire, &c);
        if (i % 50 == 0)
            wire->time += 30 * MT_SEC;
        if (i % 10 == 0)
            wire_noise(wire);
    }
    wire_number_by_time(wire);
}

/* The same frames from a file. */
static struct lines *file_lines(struct scene *scene, uint32_t workers)
{
    struct lines *lines = lines_new();
    struct mt_pipeline_config config = scene->config.pipeline;
    char reason[160];
    config.workers = workers;
    wire_rewind(&scene->wire);
    assert_int_equal(mt_pipeline_run(&config, &scene->wire.capture, &lines_sink, lines, reason,
                                     sizeof(reason), scene->result),
                     0);
    assert_false(lines->is_wrong);
    lines_sort(lines);
    return lines;
}

static void assert_same(struct lines *got, const struct lines *wanted)
{
    lines_sort(got);
    for (size_t i = 0; i < got->count && i < wanted->count; i++)
        assert_string_equal(got->text[i], wanted->text[i]);
    assert_int_equal(got->count, wanted->count);
}

/* --- the same as from a file ------------------------------------------------- */

static void same_as_file(uint32_t workers, size_t taps, bool can_keep, bool has_fragments)
{
    struct scene scene;
    wire_init(&scene.wire);
    wire_mixed(&scene.wire, 300);
    if (has_fragments) {
        struct wire_connection c;
        wire_connection(&c, 7, 30000);
        wire_handshake(&scene.wire, &c);
        wire_segment(&scene.wire, &c, MT_SERVER, MT_TCP_ACK, "220 mx.home.example ESMTP ready\r\n");
        wire_break_last(&scene.wire);
        wire_segment(&scene.wire, &c, MT_CLIENT, MT_TCP_ACK, "EHLO out.example.net\r\n");
        wire_close(&scene.wire, &c);
        wire_number_by_time(&scene.wire);
    }
    scene_init(&scene, workers, taps, can_keep);
    struct mt_sigma *sigma = lines_rules(workers > 2 ? workers : 2);
    scene.config.pipeline.sigma = sigma;
    struct lines *one = file_lines(&scene, 1);
    struct lines *two = file_lines(&scene, 2);
    assert_same(two, one);
    assert_true(one->count > 300 && one->alerts > 0);
    scene_start(&scene);
    WAIT_FOR(mt_live_is_done(scene.live));
    scene_stop(&scene, 1000);
    assert_same(scene.lines, one);
    assert_int_equal(counted(&scene, MT_COUNTER_FRAMES), scene.wire.count);
    assert_int_equal(counted(&scene, MT_COUNTER_LIVE_RING_FULL), 0);
    assert_int_equal(counted(&scene, MT_COUNTER_FRAGMENTS_WHOLE), has_fragments);
    assert_int_equal(counted(&scene, MT_COUNTER_SESSIONS), scene.result->tally.sessions);
    assert_int_equal(counted(&scene, MT_COUNTER_STREAM_HELD) > 0, can_keep);
    lines_free(one);
    lines_free(two);
    scene_fini(&scene);
    mt_sigma_destroy(sigma);
    wire_fini(&scene.wire);
}

static void one_worker_that_polls_says_the_same_as_a_file_run(void **state)
{
    (void)state;
    same_as_file(1, 1, true, true);
    same_as_file(1, 1, false, false);
}

static void two_workers_that_poll_say_the_same_as_a_file_run(void **state)
{
    (void)state;
    same_as_file(2, 2, true, true);
    same_as_file(2, 2, false, false);
}

static void a_reader_and_two_workers_say_the_same_as_a_file_run(void **state)
{
    (void)state;
    same_as_file(2, 1, true, true);
    same_as_file(2, 1, false, false);
}

/* --- fragments --------------------------------------------------------------- */

static void a_datagram_put_together_elsewhere_finds_its_connection(void **state)
{
    (void)state;
    struct scene scene;
    struct wire_connection c;
    wire_init(&scene.wire);
    wire_connection(&c, 7, 30000);
    wire_handshake(&scene.wire, &c);
    wire_segment(&scene.wire, &c, MT_SERVER, MT_TCP_ACK, "220 mx.home.example ESMTP ready\r\n");
    wire_break_last(&scene.wire);
    wire_number_by_time(&scene.wire);
    scene_init(&scene, 2, 2, true);
    for (size_t i = 0; i < scene.tap_count; i++) {
        scene.taps[i].strews_fragments = true;
        scene.taps[i].is_endless = true;
    }
    /* whether the handshake or the datagram is faster is chance; both must do */
    scene_start(&scene);
    WAIT_FOR(counted(&scene, MT_COUNTER_FRAMES) == scene.wire.count);
    scene_stop(&scene, 1000);
    assert_int_equal(counted(&scene, MT_COUNTER_FRAGMENTS_WHOLE), 1);
    assert_int_equal(counted(&scene, MT_COUNTER_FRAGMENTS_ASTRAY), 0);
    assert_int_equal(scene.lines->count, 1);
    assert_non_null(strstr(scene.lines->text[0], "mx.home.example"));
    scene_fini(&scene);
    wire_fini(&scene.wire);
}

static void a_datagram_that_nobody_knows_begins_no_session(void **state)
{
    (void)state;
    struct scene scene;
    struct wire_connection c;
    wire_init(&scene.wire);
    wire_connection(&c, 7, 30000);
    wire_segment(&scene.wire, &c, MT_SERVER, MT_TCP_ACK, "220 mx.home.example ESMTP ready\r\n");
    wire_break_last(&scene.wire);
    wire_number_by_time(&scene.wire);
    scene_init(&scene, 3, 3, true);
    scene_start(&scene);
    WAIT_FOR(mt_live_is_done(scene.live));
    scene_stop(&scene, 1000);
    assert_int_equal(counted(&scene, MT_COUNTER_FRAGMENTS_ASTRAY), 1);
    assert_int_equal(scene.lines->count, 0);
    scene_fini(&scene);
    wire_fini(&scene.wire);
}

/* --- what must not make it wait ---------------------------------------------- */

static void frames_for_workers_that_are_behind_are_lost_and_counted(void **state)
{
    (void)state;
    struct scene scene;
    wire_init(&scene.wire);
    wire_mixed(&scene.wire, 300);
    scene_init(&scene, 2, 1, true);
    scene.taps[0].is_stalled = true;
    scene.taps[0].loop_count = 4;
    scene.taps[0].is_endless = true;
    scene_start(&scene);
    WAIT_FOR(scene.taps[0].frames_out == 4 * scene.wire.count);
    WAIT_FOR(counted(&scene, MT_COUNTER_LIVE_RING_FULL) > 0);
    assert_true(scene.taps[0].buffers <= INT64_C(2) * MT_LIVE_FRAMES_KEPT_MAX);
    uint64_t lost = counted(&scene, MT_COUNTER_LIVE_RING_FULL);
    tap_let_go(&scene.taps[0]);
    scene_stop(&scene, 1000);
    assert_int_equal(counted(&scene, MT_COUNTER_LIVE_RING_FULL), lost);
    assert_int_equal(counted(&scene, MT_COUNTER_FRAMES), 4 * scene.wire.count);
    assert_all_said(&scene);
    scene_fini(&scene);
    wire_fini(&scene.wire);
}

/* So little room for correlations that feeds are judged as they are taken. */
static struct mt_sigma *correlate(struct scene *scene)
{
    static const char rules[] =
        "title: any\nlogsource: {product: mailtap, service: smtp, category: session}\n"
        "detection: {s: {source.ip|exists: true}, condition: s}\n---\n"
        "title: each\ncorrelation: {type: event_count, rules: [any], group-by: [source.port], timespan: 1s, "
        "condition: {gte: 1}}\n";
    const struct mt_sigma_config config = {.evaluators = scene->config.pipeline.workers};
    struct mt_sigma *sigma;
    assert_int_equal(mt_sigma_load_text(&config, "r.yml", mt_span_cstr(rules), &sigma), 0);
    assert_int_equal(mt_sigma_error_count(sigma), 0);
    scene->config.pipeline.sigma = sigma;
    scene->config.pipeline.correlation_memory = (size_t)32 << 10;
    return sigma;
}

static void sink_that_blocks(uint32_t workers, size_t taps, bool correlates)
{
    struct scene scene;
    struct mt_sigma *sigma = NULL;
    wire_init(&scene.wire);
    wire_mixed(&scene.wire, 60);
    scene_init(&scene, workers, taps, true);
    for (size_t i = 0; i < taps; i++) {
        scene.taps[i].loop_count = 20;
        scene.taps[i].is_endless = true;
    }
    scene.lines->is_blocked = true;
    if (correlates)
        sigma = correlate(&scene);
    scene_start(&scene);
    WAIT_FOR(scene.lines->is_inside);
    WAIT_FOR(counted(&scene, MT_COUNTER_FRAMES) == 20 * scene.wire.count);
    scene_stop(&scene, 50);
    assert_true(scene.result->is_sink_stuck);
    assert_int_equal(scene.lines->count, 0);
    uint64_t alerts_shed = counted(&scene, MT_COUNTER_ALERTS);
    assert_int_equal(counted(&scene, MT_COUNTER_EXPORT_SHED),
                     counted(&scene, MT_COUNTER_SESSIONS) + alerts_shed);
    if (taps == workers)
        assert_int_equal(counted(&scene, MT_COUNTER_SESSIONS), 20 * 60);
    /* the thread that was left behind comes back, and ends by itself */
    struct lines *lines = scene.lines;
    scene.lines = lines_new();
    scene_fini(&scene);
    lines->is_blocked = false;
    WAIT_FOR(!lines->is_inside && lines->count > 0);
    nap();
    lines_free(lines);
    mt_sigma_destroy(sigma);
    wire_fini(&scene.wire);
}

static void a_sink_that_never_returns_holds_up_neither_frames_nor_the_end(void **state)
{
    (void)state;
    sink_that_blocks(1, 1, false);
    sink_that_blocks(2, 2, false);
    sink_that_blocks(2, 1, false);
}

static void a_sink_that_keeps_an_alert_of_a_correlation_leaves_every_record_counted(void **state)
{
    (void)state;
    sink_that_blocks(1, 1, true);
    sink_that_blocks(2, 2, true);
}

static void a_sink_that_was_slow_for_a_while_gets_everything(void **state)
{
    (void)state;
    struct scene scene;
    wire_init(&scene.wire);
    wire_mixed(&scene.wire, 60);
    scene_init(&scene, 2, 2, true);
    scene.taps[0].loop_count = 20;
    scene.taps[1].loop_count = 20;
    scene.lines->is_blocked = true;
    scene_start(&scene);
    WAIT_FOR(scene.lines->is_inside && mt_live_is_done(scene.live));
    scene.lines->is_blocked = false;
    scene_stop(&scene, 30000);
    assert_false(scene.result->is_sink_stuck);
    assert_int_equal(counted(&scene, MT_COUNTER_EXPORT_SHED), 0);
    assert_int_equal(counted(&scene, MT_COUNTER_SESSIONS), 20 * 60);
    assert_int_equal(scene.lines->count - scene.lines->alerts, 20 * 60);
    scene_fini(&scene);
    wire_fini(&scene.wire);
}

static void an_idle_source_ends_its_sessions_and_holds_up_no_other(void **state)
{
    (void)state;
    struct scene scene;
    wire_init(&scene.wire);
    wire_mixed(&scene.wire, 30);
    for (uint32_t mode = 0; mode < 3; mode++) {
        scene_init(&scene, 1 + (mode > 0), 1 + (mode == 1), true);
        for (size_t i = 0; i < scene.tap_count; i++)
            scene.taps[i].is_endless = true;
        scene_start(&scene);
        WAIT_FOR(counted(&scene, MT_COUNTER_FRAMES) == scene.wire.count);
        /* sessions linger for two seconds of the source's time */
        for (int naps = 0; scene.lines->count - scene.lines->alerts < 30 && naps < 30000; naps++) {
            for (size_t i = 0; i < scene.tap_count; i++)
                tap_jump(&scene.taps[i], MT_SEC);
            nap();
        }
        assert_int_equal(scene.lines->count - scene.lines->alerts, 30);
        scene_stop(&scene, 1000);
        scene_fini(&scene);
    }
    wire_fini(&scene.wire);
}

/* --- control ----------------------------------------------------------------- */

static void a_count_is_met_exactly_and_the_rest_is_counted(void **state)
{
    (void)state;
    struct scene scene;
    wire_init(&scene.wire);
    wire_mixed(&scene.wire, 60);
    for (uint32_t mode = 0; mode < 3; mode++) {
        scene_init(&scene, 1 + (mode > 0), 1 + (mode == 1), true);
        scene.config.frames_max = 1000;
        scene_start(&scene);
        WAIT_FOR(mt_live_is_done(scene.live));
        scene_stop(&scene, 1000);
        assert_int_equal(counted(&scene, MT_COUNTER_FRAMES), 1000 + counted(&scene, MT_COUNTER_LIVE_UNUSED));
        scene_fini(&scene);
    }
    wire_fini(&scene.wire);
}

static void a_flood_of_syns_leaves_mail_alone(void **state)
{
    (void)state;
    struct scene scene;
    wire_init(&scene.wire);
    for (uint32_t i = 0; i < 400; i++) {
        struct wire_connection c;
        if (i % 10 == 0) {
            wire_connection(&c, (uint8_t)(i / 10), 20000);
            wire_delivery(&scene.wire, &c);
        }
        for (uint32_t k = 0; k < 30; k++) {
            wire_connection(&c, (uint8_t)(i * 7 + k), (uint16_t)(1024 + i * 30 + k));
            c.end[MT_CLIENT].ip[0] = 198;
            wire_segment(&scene.wire, &c, MT_CLIENT, MT_TCP_SYN, NULL);
            scene.wire.time -= MT_MSEC - 1000;
        }
    }
    wire_number_by_time(&scene.wire);
    scene_init(&scene, 2, 2, true);
    scene.config.pipeline.flows_max = 64;
    scene_start(&scene);
    WAIT_FOR(mt_live_is_done(scene.live));
    scene_stop(&scene, 1000);
    assert_int_equal(mt_stats_get(&scene.result->stats, MT_COUNTER_DELIVERED), 40);
    assert_int_equal(scene.result->tally.sessions, 40);
    scene_fini(&scene);
    wire_fini(&scene.wire);
}

static void rules_are_replaced_while_frames_come(void **state)
{
    (void)state;
    static const struct mt_prefix home = {.ip = {.family = 4, .bytes = {10}}, .bits = 8};
    static const struct mt_prefix elsewhere = {.ip = {.family = 4, .bytes = {172, 16}}, .bits = 12};
    struct mt_detect_config detect;
    mt_detect_config_init(&detect);
    for (uint32_t mode = 0; mode < 3; mode++) {
        struct scene scene;
        wire_init(&scene.wire);
        wire_mixed(&scene.wire, 60);
        scene_init(&scene, 1 + (mode > 0), 1 + (mode == 1), true);
        for (size_t i = 0; i < scene.tap_count; i++) {
            scene.taps[i].loop_count = 40;
            scene.taps[i].is_endless = true;
        }
        scene_start(&scene);
        for (int i = 0; i < 200; i++) {
            /* gone as soon as the reload has returned */
            struct mt_prefix *prefix = malloc(sizeof(*prefix));
            *prefix = i % 2 ? home : elsewhere;
            struct mt_site site = {.given = true, .home_networks = prefix, .home_network_count = 1};
            /* taken over; findings are judged by them meanwhile */
            struct mt_sigma *sigma = i % 8 == 0 ? lines_rules(2) : NULL;
            assert_int_equal(mt_live_reload(scene.live, &site, &detect, sigma), 0);
            free(prefix);
        }
        WAIT_FOR(counted(&scene, MT_COUNTER_FRAMES) == 40 * scene.wire.count);
        scene_stop(&scene, 1000);
        assert_all_said(&scene);
        if (scene.tap_count == 2 || mode == 0)
            assert_int_equal(counted(&scene, MT_COUNTER_SESSIONS), 40 * 60);
        scene_fini(&scene);
        wire_fini(&scene.wire);
    }
}

static void rules_are_in_force_when_the_reload_returns(void **state)
{
    (void)state;
    static const struct mt_prefix far = {.ip = {.family = 4, .bytes = {192, 0, 2}}, .bits = 24};
    struct mt_site site = {.given = true, .home_networks = &far, .home_network_count = 1};
    struct scene scene;
    wire_init(&scene.wire);
    wire_mixed(&scene.wire, 60);
    scene_init(&scene, 2, 1, true);
    scene.config.pipeline.site = &site;
    scene.taps[0].is_endless = true;
    scene.taps[0].is_stalled = true;
    scene_start(&scene);
    tap_let_go(&scene.taps[0]);
    WAIT_FOR(counted(&scene, MT_COUNTER_SEGMENTS) > 0);
    scene.lines->is_blocked = true;
    tap_jump(&scene.taps[0], 60 * MT_SEC);
    WAIT_FOR(scene.lines->is_inside);
    /* also while the collector is in a sink */
    assert_int_equal(mt_live_reload(scene.live, NULL, &scene.config.pipeline.detect, NULL), 0);
    scene.lines->is_blocked = false;
    scene_stop(&scene, 1000);
    assert_false(scene.result->is_sink_stuck);
    scene_fini(&scene);
    wire_fini(&scene.wire);
}

static bool has_line(const struct lines *lines, const char *text)
{
    for (size_t i = 0; i < lines->count; i++) {
        if (strstr(lines->text[i], text))
            return true;
    }
    return false;
}

static void losses_and_a_one_sided_mirror_become_alerts(void **state)
{
    (void)state;
    struct scene scene;
    wire_init(&scene.wire);
    for (uint16_t i = 0; i < 120; i++) {
        struct wire_connection c;
        wire_connection(&c, (uint8_t)i, (uint16_t)(2000 + i));
        wire_segment(&scene.wire, &c, MT_CLIENT, MT_TCP_ACK, "EHLO out.example.net\r\n");
        wire_segment(&scene.wire, &c, MT_CLIENT, MT_TCP_RST | MT_TCP_ACK, NULL);
    }
    wire_number_by_time(&scene.wire);
    scene_init(&scene, 2, 2, true);
    for (size_t i = 0; i < scene.tap_count; i++)
        scene.taps[i].is_endless = true;
    scene_start(&scene);
    for (int naps = 0; counted(&scene, MT_COUNTER_SESSIONS_ONE_WAY) < 120 && naps < 30000; naps++) {
        for (size_t i = 0; i < scene.tap_count; i++)
            tap_jump(&scene.taps[i], MT_SEC);
        nap();
    }
    struct mt_live_health health = {.time = scene.wire.time, .frames = 1000, .lost = 500, .lost_missed = 500};
    mt_live_health(scene.live, &health);
    WAIT_FOR(scene.lines->alerts == 2);
    /* the last word is heard too */
    health.lost_missed += 2000;
    mt_live_health(scene.live, &health);
    scene_stop(&scene, 1000);
    assert_int_equal(scene.lines->alerts, 3);
    assert_true(has_line(scene.lines, "capture_loss 4"));
    assert_true(has_line(scene.lines, "capture_one_sided 2"));
    scene_fini(&scene);
    wire_fini(&scene.wire);
}

static void shares_of_workers_add_up(void **state)
{
    (void)state;
    struct scene scene;
    wire_init(&scene.wire);
    wire_mixed(&scene.wire, 60);
    scene_init(&scene, 4, 4, true);
    scene_start(&scene);
    WAIT_FOR(mt_live_is_done(scene.live));
    uint64_t frames[4];
    assert_int_equal(mt_live_worker_frames(scene.live, frames, 4), 4);
    assert_int_equal(frames[0] + frames[1] + frames[2] + frames[3], scene.wire.count);
    scene_stop(&scene, 1000);
    scene_fini(&scene);
    wire_fini(&scene.wire);
}

static void assert_answers_until_stopped(uint32_t workers, size_t taps)
{
    struct scene scene;
    wire_init(&scene.wire);
    wire_mixed(&scene.wire, 10);
    scene_init(&scene, workers, taps, true);
    scene_start(&scene);
    for (int i = 0; i < 5; i++) {
        bool is_answered = false; /* asking has an effect, so it is asked once a turn */
        WAIT_FOR(is_answered || (is_answered = mt_live_answers(scene.live)));
    }
    scene_stop(&scene, 1000);
    (void)mt_live_answers(scene.live);
    /* nobody is left to get on */
    assert_false(mt_live_answers(scene.live));
    scene_fini(&scene);
    wire_fini(&scene.wire);
}

static void threads_answer_until_they_have_stopped(void **state)
{
    (void)state;
    assert_answers_until_stopped(1, 1);
    assert_answers_until_stopped(2, 2);
    assert_answers_until_stopped(2, 1);
}

/* Times grow and never go back, nobody is busy for longer than it took, and a
 * reader is named where there is one. */
static void assert_load_is_told(uint32_t workers, size_t taps)
{
    struct scene scene;
    struct mt_live_load before;
    struct mt_live_load load;
    uint64_t busy = 0;
    wire_init(&scene.wire);
    wire_mixed(&scene.wire, 300);
    scene_init(&scene, workers, taps, true);
    uint64_t start = now_ns();
    scene_start(&scene);
    mt_live_load(scene.live, &before);
    assert_int_equal(before.has_reader, taps < workers);
    assert_true(before.sessions_max >= 1u << 20);
    assert_true(before.memory_max > 0);
    WAIT_FOR(mt_live_is_done(scene.live));
    mt_live_load(scene.live, &load);
    scene_stop(&scene, 1000);
    mt_live_load(scene.live, &load);
    uint64_t took = now_ns() - start;
    for (uint32_t i = 0; i < workers; i++) {
        assert_true(load.worker_busy[i] >= before.worker_busy[i]);
        assert_true(load.worker_busy[i] <= took + took / 8);
        busy += load.worker_busy[i];
    }
    assert_true(busy > 0);
    assert_true(load.collector_busy > 0);
    assert_int_equal(load.reader_busy > 0, taps < workers);
    before = load;
    mt_live_load(scene.live, &load);
    assert_memory_equal(&before, &load, sizeof(load));
    scene_fini(&scene);
    wire_fini(&scene.wire);
}

static void how_busy_threads_are_is_known_while_they_run_and_after(void **state)
{
    (void)state;
    assert_load_is_told(1, 1);
    assert_load_is_told(2, 2);
    assert_load_is_told(2, 1);
}

static void a_number_of_sources_that_fits_nothing_is_refused(void **state)
{
    (void)state;
    struct scene scene;
    char reason[160] = "";
    wire_init(&scene.wire);
    scene_init(&scene, 3, 2, true);
    scene.live = NULL;
    assert_int_equal(mt_live_start(&scene.config, scene.sources, 2, &lines_sink, scene.lines, reason,
                                   sizeof(reason), &scene.live),
                     -EINVAL);
    assert_non_null(strstr(reason, "one source"));
    assert_null(scene.live);
    scene_fini(&scene);
    wire_fini(&scene.wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_worker_that_polls_says_the_same_as_a_file_run),
        cmocka_unit_test(two_workers_that_poll_say_the_same_as_a_file_run),
        cmocka_unit_test(a_reader_and_two_workers_say_the_same_as_a_file_run),
        cmocka_unit_test(a_datagram_put_together_elsewhere_finds_its_connection),
        cmocka_unit_test(a_datagram_that_nobody_knows_begins_no_session),
        cmocka_unit_test(frames_for_workers_that_are_behind_are_lost_and_counted),
        cmocka_unit_test(a_sink_that_never_returns_holds_up_neither_frames_nor_the_end),
        cmocka_unit_test(a_sink_that_keeps_an_alert_of_a_correlation_leaves_every_record_counted),
        cmocka_unit_test(a_sink_that_was_slow_for_a_while_gets_everything),
        cmocka_unit_test(an_idle_source_ends_its_sessions_and_holds_up_no_other),
        cmocka_unit_test(a_count_is_met_exactly_and_the_rest_is_counted),
        cmocka_unit_test(a_flood_of_syns_leaves_mail_alone),
        cmocka_unit_test(rules_are_replaced_while_frames_come),
        cmocka_unit_test(rules_are_in_force_when_the_reload_returns),
        cmocka_unit_test(losses_and_a_one_sided_mirror_become_alerts),
        cmocka_unit_test(shares_of_workers_add_up),
        cmocka_unit_test(threads_answer_until_they_have_stopped),
        cmocka_unit_test(how_busy_threads_are_is_known_while_they_run_and_after),
        cmocka_unit_test(a_number_of_sources_that_fits_nothing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
