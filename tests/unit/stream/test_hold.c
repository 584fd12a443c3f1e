/* Frames that are held instead of copied: when, and that every hold is dropped
 * exactly once, whatever becomes of the range. */
#include "stream/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define LARGE 600u
#define SMALL 511u

/* A frame that is freed when nobody has it any more. */
struct frame {
    int users;
    uint8_t bytes[];
};

struct rig {
    struct mt_frame_hold hold;
    struct mt_arena *arena;
    struct mt_stream_engine *engine;
    struct mt_stats stats;
    struct mt_stream stream;
    uint64_t number;
    int64_t held;
    int64_t held_max;
    uint64_t delivered;
    uint64_t missing;
    bool refuses;
};

static void frame_put(struct frame *frame)
{
    if (--frame->users == 0)
        free(frame);
}

static bool on_hold(void *ctx, void *handle)
{
    struct rig *rig = ctx;
    if (rig->held == rig->held_max)
        return false;
    rig->held++;
    ((struct frame *)handle)->users++;
    return true;
}

static void on_drop(void *ctx, void *handle)
{
    struct rig *rig = ctx;
    assert_true(rig->held > 0);
    rig->held--;
    frame_put(handle);
}

static size_t on_data(void *ctx, enum mt_side side, struct mt_span bytes, const struct mt_mark *mark,
                      unsigned flags)
{
    struct rig *rig = ctx;
    (void)mark;
    if (rig->refuses && !(flags & MT_STREAM_FORCED))
        return 0;
    for (size_t i = 0; i < bytes.size; i++)
        assert_int_equal(bytes.ptr[i], (uint8_t)(rig->delivered + rig->missing + i + side));
    rig->delivered += side == MT_CLIENT ? bytes.size : 0;
    return bytes.size;
}

static void on_gap(void *ctx, enum mt_side side, uint64_t size, const struct mt_mark *mark)
{
    struct rig *rig = ctx;
    (void)mark;
    rig->missing += side == MT_CLIENT ? size : 0;
}

static void on_anomaly(void *ctx, enum mt_side side, enum mt_anomaly anomaly, const struct mt_mark *mark)
{
    (void)ctx;
    (void)side;
    (void)anomaly;
    (void)mark;
}

static void on_fin(void *ctx, enum mt_side side, const struct mt_mark *mark)
{
    (void)ctx;
    (void)side;
    (void)mark;
}

static const struct mt_stream_sink sink = {
    .data = on_data, .gap = on_gap, .anomaly = on_anomaly, .fin = on_fin};

static void rig_open(struct rig *rig, struct mt_stream_config config)
{
    memset(rig, 0, sizeof(*rig));
    rig->held_max = INT64_MAX;
    rig->hold = (struct mt_frame_hold){.hold = on_hold, .drop = on_drop, .ctx = rig};
    config.hold = &rig->hold;
    assert_int_equal(mt_arena_create(4 << 20, &rig->arena), 0);
    assert_int_equal(mt_stream_engine_create(&config, rig->arena, &rig->stats, &rig->engine), 0);
    mt_stream_set_isn(&rig->stream, MT_CLIENT, 0);
    mt_stream_set_isn(&rig->stream, MT_SERVER, 0);
}

static void finish(struct rig *rig)
{
    struct mt_mark mark = {.time = rig->number * MT_MSEC, .number = rig->number};
    mt_stream_finish(rig->engine, &rig->stream, &sink, rig, &mark);
}

static void rig_close(struct rig *rig)
{
    finish(rig);
    assert_int_equal(rig->held, 0);
    assert_int_equal(mt_arena_used(rig->arena), 0);
    mt_stream_engine_destroy(rig->engine);
    mt_arena_destroy(rig->arena);
}

/* size bytes of the client from off on, in a frame that is released at once. */
static enum mt_stream_verdict send(struct rig *rig, uint32_t off, uint32_t size, uint8_t flags)
{
    struct frame *frame = malloc(sizeof(*frame) + size);
    frame->users = 1;
    for (uint32_t i = 0; i < size; i++)
        frame->bytes[i] = (uint8_t)(off + i);
    rig->number++;
    struct mt_packet packet = {
        .payload = mt_span(frame->bytes, size),
        .payload_size = size,
        .seq = 1 + off,
        .ack = 1,
        .tcp_flags = (uint8_t)(MT_TCP_ACK | flags),
        .mark = {.time = rig->number * MT_MSEC, .number = rig->number},
        .handle = frame,
    };
    enum mt_stream_verdict verdict =
        mt_stream_input(rig->engine, &rig->stream, MT_CLIENT, &packet, &sink, rig);
    frame_put(frame);
    return verdict;
}

static uint64_t counted(const struct rig *rig, enum mt_counter counter)
{
    return mt_stats_get(&rig->stats, counter);
}

static void early_payload_is_held_and_dropped_when_delivered(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct mt_stream_config){0});
    send(&rig, LARGE, LARGE, 0);
    send(&rig, 2 * LARGE, LARGE, 0);
    assert_int_equal(rig.held, 2);
    size_t used = mt_arena_used(rig.arena);
    assert_true(used < LARGE);
    send(&rig, 0, LARGE, 0);
    assert_int_equal(rig.held, 0);
    assert_int_equal(rig.delivered, 3 * LARGE);
    assert_int_equal(counted(&rig, MT_COUNTER_STREAM_HELD), 2);
    assert_int_equal(counted(&rig, MT_COUNTER_STREAM_HOLD_REFUSED), 0);
    rig_close(&rig);
}

static void small_payload_is_copied(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct mt_stream_config){0});
    send(&rig, 1000, SMALL, 0);
    assert_int_equal(rig.held, 0);
    assert_true(mt_arena_used(rig.arena) > SMALL);
    send(&rig, 0, 1000, 0);
    assert_int_equal(rig.delivered, 1000 + SMALL);
    assert_int_equal(counted(&rig, MT_COUNTER_STREAM_HELD), 0);
    rig_close(&rig);
}

static void payload_in_order_is_not_held(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct mt_stream_config){0});
    for (uint32_t i = 0; i < 10; i++)
        send(&rig, i * LARGE, LARGE, 0);
    assert_int_equal(counted(&rig, MT_COUNTER_STREAM_HELD), 0);
    assert_int_equal(rig.delivered, 10 * LARGE);
    rig_close(&rig);
}

static void payload_is_copied_when_enough_is_held(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct mt_stream_config){0});
    rig.held_max = 3;
    for (uint32_t i = 1; i <= 10; i++)
        send(&rig, i * LARGE, LARGE, 0);
    assert_int_equal(rig.held, 3);
    assert_int_equal(counted(&rig, MT_COUNTER_STREAM_HELD), 3);
    assert_int_equal(counted(&rig, MT_COUNTER_STREAM_HOLD_REFUSED), 7);
    send(&rig, 0, LARGE, 0);
    assert_int_equal(rig.delivered, 11 * LARGE);
    rig_close(&rig);
}

static void nothing_is_held_when_last_bytes_win(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct mt_stream_config){.last_wins = true});
    send(&rig, LARGE, LARGE, 0);
    assert_int_equal(rig.held, 0);
    send(&rig, 0, LARGE, 0);
    assert_int_equal(rig.delivered, 2 * LARGE);
    rig_close(&rig);
}

static void a_refused_rest_is_held_too(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct mt_stream_config){0});
    rig.refuses = true;
    send(&rig, 0, LARGE, 0);
    assert_int_equal(rig.held, 1);
    rig_close(&rig);
    assert_int_equal(rig.delivered, LARGE);
}

static void the_end_drops_what_waits_behind_a_hole(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct mt_stream_config){0});
    for (uint32_t i = 1; i < 20; i += 2)
        send(&rig, i * LARGE, LARGE, 0);
    assert_int_equal(rig.held, 10);
    finish(&rig);
    assert_int_equal(rig.held, 0);
    assert_int_equal(rig.delivered, 10 * LARGE);
    assert_int_equal(rig.missing, 10 * LARGE);
    rig_close(&rig);
}

static void a_reset_leaves_it_to_the_end(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct mt_stream_config){0});
    send(&rig, LARGE, LARGE, 0);
    assert_int_equal(send(&rig, 0, 0, MT_TCP_RST), MT_STREAM_RESET);
    rig_close(&rig);
}

static void copies_and_overlaps_hold_only_what_is_new(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct mt_stream_config){0});
    send(&rig, 2000, LARGE, 0);
    send(&rig, 2000, LARGE, 0);
    assert_int_equal(rig.held, 1);
    /* around it: a part before and a part behind */
    send(&rig, 1000, 3000, 0);
    assert_int_equal(rig.held, 3);
    send(&rig, 0, 1000, 0);
    assert_int_equal(rig.held, 0);
    assert_int_equal(rig.delivered, 4000);
    rig_close(&rig);
}

static void what_nobody_can_believe_is_dropped(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct mt_stream_config){.segments_max = 4});
    for (uint32_t i = 0; i < 12; i++)
        send(&rig, (i + 2) << 21, LARGE, 0);
    assert_true(rig.held <= 4);
    assert_true(counted(&rig, MT_COUNTER_STREAM_OUT_OF_WINDOW) > 0);
    rig_close(&rig);
}

static void limits_make_room_and_drop(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct mt_stream_config){.segments_max = 4, .bytes_max = 2000});
    for (uint32_t i = 1; i < 40; i += 2)
        send(&rig, i * LARGE, LARGE, 0);
    assert_true(rig.held <= 4);
    assert_true(counted(&rig, MT_COUNTER_STREAM_LIMIT) > 0);
    rig_close(&rig);
    assert_int_equal(rig.delivered + rig.missing, 40 * LARGE);
}

static void a_frame_of_several_ranges_is_held_by_each(void **state)
{
    (void)state;
    struct rig rig;
    rig_open(&rig, (struct mt_stream_config){0});
    send(&rig, 1000, 3 * MT_ARENA_BLOCK_MAX, 0);
    assert_int_equal(rig.held, 3);
    send(&rig, 0, 1000, 0);
    assert_int_equal(rig.held, 0);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(early_payload_is_held_and_dropped_when_delivered),
        cmocka_unit_test(small_payload_is_copied),
        cmocka_unit_test(payload_in_order_is_not_held),
        cmocka_unit_test(payload_is_copied_when_enough_is_held),
        cmocka_unit_test(nothing_is_held_when_last_bytes_win),
        cmocka_unit_test(a_refused_rest_is_held_too),
        cmocka_unit_test(the_end_drops_what_waits_behind_a_hole),
        cmocka_unit_test(a_reset_leaves_it_to_the_end),
        cmocka_unit_test(copies_and_overlaps_hold_only_what_is_new),
        cmocka_unit_test(what_nobody_can_believe_is_dropped),
        cmocka_unit_test(limits_make_room_and_drop),
        cmocka_unit_test(a_frame_of_several_ranges_is_held_by_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
