/* Conversations made at random, captured badly at random: whatever the tap
 * does to them, what comes out is what was said, in an order in which it can
 * have been said. */
#include "stream/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEGMENTS_MAX 4000
#define BYTES_MAX 40000
#define SEEDS 400

/* What may happen between the wire and us. */
struct weather {
    unsigned reorder;   /* how many places a segment may come late */
    unsigned copies;    /* percent of segments that are sent again */
    unsigned losses;    /* percent of segments that are not captured */
    bool is_inexact;    /* the order of the two sides is not looked at */
    unsigned refusals;  /* percent of offers that a reader cuts short */
    bool one_way;       /* the server's side is not captured */
    bool is_persistent; /* bytes may be referred to */
};

struct segment {
    enum mt_side side;
    uint32_t off, size, ack;
    uint64_t place; /* where the tap puts it */
    bool is_lost;
};

struct run {
    const struct weather *weather;
    uint64_t random;
    struct mt_stats stats;
    uint32_t isn[MT_SIDE_COUNT];
    /* the truth */
    struct segment segments[SEGMENTS_MAX];
    size_t count;
    uint32_t said[MT_SIDE_COUNT];
    uint32_t needs[MT_SIDE_COUNT][BYTES_MAX]; /* what its speaker had heard of the other side */
    bool captured[MT_SIDE_COUNT][BYTES_MAX];
    /* what comes out */
    uint32_t heard[MT_SIDE_COUNT];
    uint32_t lost[MT_SIDE_COUNT];
    bool has_refused[MT_SIDE_COUNT];
    unsigned anomalies, fins;
};

static uint32_t pick(struct run *run, uint32_t below)
{
    run->random ^= run->random << 13;
    run->random ^= run->random >> 7;
    run->random ^= run->random << 17;
    return (uint32_t)((run->random * UINT64_C(0x2545F4914F6CDD1D) >> 33) % below);
}

static bool chance(struct run *run, unsigned percent)
{
    return pick(run, 100) < percent;
}

static uint8_t byte_at(enum mt_side side, uint32_t off)
{
    return (uint8_t)((off * 2654435761u >> 13) ^ (side == MT_CLIENT ? 0x00 : 0xa5));
}

static void emit(struct run *run, enum mt_side side, uint32_t off, uint32_t size, uint32_t ack)
{
    if (run->count == SEGMENTS_MAX)
        return;
    struct segment *segment = &run->segments[run->count];
    *segment = (struct segment){.side = side, .off = off, .size = size, .ack = ack};
    segment->place = run->count * UINT64_C(1000) + pick(run, run->weather->reorder * 1000 + 1);
    run->count++;
}

/* Bytes of the last few segments again, in other pieces, with what has been
 * heard by now. */
static void say_again(struct run *run, enum mt_side side)
{
    size_t i = run->count < 6 ? 0 : run->count - 6;

    while (run->segments[i].side != side)
        i++;
    uint32_t from = run->segments[i].off + pick(run, 1 + run->said[side] - run->segments[i].off);
    if (from < run->said[side])
        emit(run, side, from, 1 + pick(run, run->said[side] - from), run->said[mt_side_other(side)]);
}

static void say(struct run *run, enum mt_side side, uint32_t size)
{
    enum mt_side other = mt_side_other(side);
    uint32_t off = run->said[side];

    if (off + size > BYTES_MAX || run->count == SEGMENTS_MAX)
        return;
    for (uint32_t i = 0; i < size; i++)
        run->needs[side][off + i] = run->said[other];
    run->said[side] += size;
    emit(run, side, off, size, run->said[other]);
    if (chance(run, run->weather->copies))
        say_again(run, side);
}

static void converse(struct run *run)
{
    unsigned turns = 5 + pick(run, 60);

    while (turns-- > 0) {
        enum mt_side side = pick(run, 2) ? MT_SERVER : MT_CLIENT;
        unsigned burst = chance(run, 10) ? 1 + pick(run, 30) : 1 + pick(run, 3);
        while (burst-- > 0)
            say(run, side, chance(run, 20) ? 2 + pick(run, 1400) : 2 + pick(run, 60));
        if (chance(run, 50))
            emit(run, mt_side_other(side), run->said[mt_side_other(side)], 0, run->said[side]);
    }
    /* both have heard everything */
    for (unsigned i = 0; i < 2; i++) {
        emit(run, MT_CLIENT, run->said[MT_CLIENT], 0, run->said[MT_SERVER]);
        emit(run, MT_SERVER, run->said[MT_SERVER], 0, run->said[MT_CLIENT]);
    }
}

static size_t on_data(void *ctx, enum mt_side side, struct mt_span bytes, const struct mt_mark *mark,
                      unsigned flags)
{
    struct run *run = ctx;
    enum mt_side other = mt_side_other(side);
    size_t take = bytes.size;

    (void)mark;
    assert_true(bytes.size > 0);
    if (!(flags & MT_STREAM_FORCED) && (run->has_refused[side] || chance(run, run->weather->refusals))) {
        /* offered again without a reason? */
        assert_false(run->has_refused[side]);
        take = pick(run, (uint32_t)bytes.size);
        run->has_refused[side] = true;
    }
    if (take > 0)
        run->has_refused[other] = false;
    if (flags & MT_STREAM_FORCED)
        run->has_refused[side] = false;
    for (size_t i = 0; i < take; i++) {
        uint32_t off = run->heard[side]++;
        assert_true(off < run->said[side]);
        assert_int_equal(bytes.ptr[i], byte_at(side, off));
        if (!run->weather->one_way && !run->weather->is_inexact)
            assert_true(run->heard[other] >= run->needs[side][off]);
    }
    return take;
}

static void on_gap(void *ctx, enum mt_side side, uint64_t size, const struct mt_mark *mark)
{
    struct run *run = ctx;

    (void)mark;
    run->has_refused[mt_side_other(side)] = false;
    assert_true(size > 0 && run->heard[side] + size <= run->said[side]);
    for (uint64_t i = 0; i < size; i++)
        assert_false(run->captured[side][run->heard[side]++]);
    run->lost[side] += (uint32_t)size;
}

static void on_anomaly(void *ctx, enum mt_side side, enum mt_anomaly anomaly, const struct mt_mark *mark)
{
    struct run *run = ctx;

    (void)side;
    (void)anomaly;
    (void)mark;
    run->anomalies++;
}

static void on_fin(void *ctx, enum mt_side side, const struct mt_mark *mark)
{
    (void)side;
    (void)mark;
    ((struct run *)ctx)->fins++;
}

static const struct mt_stream_sink sink = {
    .data = on_data,
    .gap = on_gap,
    .anomaly = on_anomaly,
    .fin = on_fin,
};

static int by_place(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;
    return x->place < y->place ? -1 : x->place > y->place;
}

/* Both sides' bytes, where what is referred to stays as long as the run. */
static const uint8_t *bytes_of(const struct segment *segment)
{
    static uint8_t bytes[MT_SIDE_COUNT][BYTES_MAX];

    for (uint32_t off = segment->off; off < segment->off + segment->size; off++)
        bytes[segment->side][off] = byte_at(segment->side, off);
    return &bytes[segment->side][segment->off];
}

static void tap(struct run *run, struct mt_arena *arena)
{
    const struct mt_stream_config config = {.segments_max = 4000, .bytes_max = 1 << 20};
    struct mt_stream_engine *engine;
    struct mt_stream stream = {.queue = NULL};
    struct mt_mark mark = {.time = MT_SEC};

    assert_int_equal(mt_stream_engine_create(&config, arena, &run->stats, &engine), 0);
    mt_stream_set_isn(&stream, MT_CLIENT, run->isn[MT_CLIENT]);
    if (!run->weather->one_way)
        mt_stream_set_isn(&stream, MT_SERVER, run->isn[MT_SERVER]);
    for (size_t i = 0; i < run->count; i++) {
        const struct segment *s = &run->segments[i];
        if (s->is_lost || (run->weather->one_way && s->side == MT_SERVER))
            continue;
        /* a frame that is gone after the call, and not a byte too long */
        uint8_t *frame = malloc(s->size + !s->size);
        memcpy(frame, bytes_of(s), s->size);
        mark.number++;
        mark.time += MT_MSEC;
        struct mt_packet packet = {
            .payload = mt_span(run->weather->is_persistent ? bytes_of(s) : frame, s->size),
            .payload_size = s->size,
            .seq = run->isn[s->side] + 1 + s->off,
            .ack = run->isn[mt_side_other(s->side)] + 1 + s->ack,
            .tcp_flags = MT_TCP_ACK,
            .frame_flags = run->weather->is_persistent ? MT_FRAME_PERSISTENT : 0,
            .mark = mark,
        };
        enum mt_stream_verdict verdict = mt_stream_input(engine, &stream, s->side, &packet, &sink, run);
        assert_int_equal(verdict, MT_STREAM_OK);
        memset(frame, 0xee, s->size);
        free(frame);
    }
    mt_stream_finish(engine, &stream, &sink, run, &mark);
    assert_false(mt_stream_is_waiting(&stream));
    assert_int_equal(mt_arena_used(arena), 0);
    mt_stream_engine_destroy(engine);
}

static void run_seed(uint64_t seed, const struct weather *weather, struct mt_arena *arena, struct run *run)
{
    memset(run, 0, sizeof(*run));
    run->weather = weather;
    run->random = seed * UINT64_C(0x9E3779B97F4A7C15) + 1;
    run->isn[MT_CLIENT] = chance(run, 50) ? UINT32_MAX - pick(run, 2000) : pick(run, UINT32_MAX);
    run->isn[MT_SERVER] = chance(run, 50) ? UINT32_MAX - pick(run, 2000) : pick(run, UINT32_MAX);
    converse(run);
    for (size_t i = 0; i < run->count; i++) {
        struct segment *s = &run->segments[i];
        if (chance(run, weather->losses))
            s->is_lost = true;
        else
            memset(&run->captured[s->side][s->off], true, s->size);
    }
    qsort(run->segments, run->count, sizeof(run->segments[0]), by_place);
    tap(run, arena);
}

static void run_all(const struct weather *weather, void (*check)(const struct run *run))
{
    struct mt_arena *arena;
    struct run *run = malloc(sizeof(*run));

    assert_int_equal(mt_arena_create(16 << 20, &arena), 0);
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run_seed(seed, weather, arena, run);
        check(run);
    }
    mt_arena_destroy(arena);
    free(run);
}

static void check_whole(const struct run *run)
{
    assert_int_equal(run->anomalies, 0);
    assert_int_equal(run->lost[MT_CLIENT] + run->lost[MT_SERVER], 0);
    assert_int_equal(run->heard[MT_CLIENT], run->said[MT_CLIENT]);
    assert_int_equal(run->heard[MT_SERVER], run->said[MT_SERVER]);
}

/* on_gap has seen to it that no byte that was captured is in a gap; here, that
 * none is missing. */
static void check_lossy(const struct run *run)
{
    assert_int_equal(run->anomalies, 0);
    for (int side = 0; side < MT_SIDE_COUNT; side++) {
        uint32_t lost = 0;
        for (uint32_t off = 0; off < run->heard[side]; off++)
            lost += !run->captured[side][off];
        assert_int_equal(run->lost[side], lost);
        for (uint32_t off = run->heard[side]; off < run->said[side]; off++)
            assert_false(run->captured[side][off]);
    }
}

static void check_client(const struct run *run)
{
    assert_int_equal(run->anomalies, 0);
    assert_int_equal(run->lost[MT_CLIENT], 0);
    assert_int_equal(run->heard[MT_CLIENT], run->said[MT_CLIENT]);
    assert_int_equal(run->heard[MT_SERVER], 0);
}

static void a_good_tap_delivers_every_byte_in_order(void **state)
{
    (void)state;
    run_all(&(struct weather){.reorder = 0}, check_whole);
}

static void a_tap_that_reorders_changes_nothing(void **state)
{
    (void)state;
    run_all(&(struct weather){.reorder = 3}, check_whole);
    run_all(&(struct weather){.reorder = 20}, check_whole);
    run_all(&(struct weather){.reorder = 20, .is_persistent = true}, check_whole);
}

static void copies_in_other_pieces_change_nothing(void **state)
{
    (void)state;
    run_all(&(struct weather){.copies = 40}, check_whole);
    /* a copy that comes before its originals acknowledges more than they did */
    run_all(&(struct weather){.copies = 40, .reorder = 10, .is_inexact = true}, check_whole);
    run_all(&(struct weather){.copies = 40, .reorder = 10, .is_inexact = true, .is_persistent = true},
            check_whole);
}

static void a_reader_that_refuses_at_random_gets_every_byte(void **state)
{
    (void)state;
    run_all(&(struct weather){.refusals = 30, .is_inexact = true}, check_whole);
    run_all(&(struct weather){.refusals = 30, .reorder = 10, .copies = 30, .is_inexact = true}, check_whole);
}

static void what_is_lost_is_a_gap_and_nothing_else_is(void **state)
{
    (void)state;
    run_all(&(struct weather){.losses = 2}, check_lossy);
    run_all(&(struct weather){.losses = 30}, check_lossy);
    run_all(&(struct weather){.losses = 5, .reorder = 8}, check_lossy);
}

static void losses_copies_and_refusals_together_lose_no_captured_byte(void **state)
{
    (void)state;
    run_all(&(struct weather){.losses = 10, .copies = 30, .reorder = 8, .refusals = 20, .is_inexact = true},
            check_lossy);
    run_all(
        &(struct weather){
            .losses = 10, .copies = 30, .refusals = 20, .is_inexact = true, .is_persistent = true},
        check_lossy);
}

static void one_way_the_client_is_heard_alone(void **state)
{
    (void)state;
    run_all(&(struct weather){.one_way = true}, check_client);
    run_all(&(struct weather){.one_way = true, .reorder = 20, .copies = 20}, check_client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_tap_delivers_every_byte_in_order),
        cmocka_unit_test(a_tap_that_reorders_changes_nothing),
        cmocka_unit_test(copies_in_other_pieces_change_nothing),
        cmocka_unit_test(a_reader_that_refuses_at_random_gets_every_byte),
        cmocka_unit_test(what_is_lost_is_a_gap_and_nothing_else_is),
        cmocka_unit_test(losses_copies_and_refusals_together_lose_no_captured_byte),
        cmocka_unit_test(one_way_the_client_is_heard_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
