#include "tables.h"

#define TICK (UINT64_C(1) << 20)
#define SLOT (UINT64_C(1) << 30)
#define START (UINT64_C(1700000000) * MT_SEC / SLOT * SLOT)

static struct mt_stats stats;

/* Hands out until nothing more comes; what visit says goes. */
static size_t expire_all(struct mt_flow_table *table, uint64_t now, bool remove)
{
    struct mt_flow *flows[MT_FLOW_EXPIRE_MAX];
    size_t all = 0, count;

    do {
        count = mt_flow_expire(table, now, flows);
        assert_true(count <= MT_FLOW_EXPIRE_MAX);
        for (size_t i = 0; i < count; i++) {
            assert_true(mt_flow_is_expired(table, flows[i], now));
            if (remove)
                mt_flow_remove(table, flows[i]);
        }
        all += count;
    } while (count == MT_FLOW_EXPIRE_MAX);
    return all;
}

static void a_flow_expires_one_tick_after_its_timeout(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);

    /* 300 s are 279.4 ticks of 2^30 ns, rounded up */
    struct mt_flow *flow = add_number(table, 1, START, 300);
    assert_int_equal(flow->timeout, 280);
    assert_false(mt_flow_is_expired(table, flow, START + 280 * SLOT));
    assert_false(mt_flow_is_expired(table, flow, START + 280 * SLOT + TICK - 1));
    assert_true(mt_flow_is_expired(table, flow, START + 280 * SLOT + TICK));

    mt_flow_touch(table, flow, START + 100 * SLOT, 300);
    assert_false(mt_flow_is_expired(table, flow, START + 380 * SLOT));
    assert_true(mt_flow_is_expired(table, flow, START + 380 * SLOT + TICK));
    assert_int_equal(flow->timeout, 280);
    mt_flow_table_destroy(table);
}

/* Else the number of workers, whose tables start with different packets, would
 * decide what is one connection and what are two. */
static void tables_that_start_at_different_times_agree_on_every_tick(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);
    uint64_t random = 3;

    assert_non_null(add_number(table, 0, START + 12345, 3600));
    for (unsigned i = 0; i < 200; i++) {
        struct mt_flow_table *other = table_make(16, 2, &stats);
        uint64_t seen = START + random_next(&random) % SLOT;
        struct mt_flow *a = add_number(table, 1, seen, 10);
        struct mt_flow *b = add_number(other, 1, seen, 10);
        uint64_t edge = (seen / TICK + 1) * TICK + 10 * SLOT;
        for (uint64_t now = edge - 2; now <= edge + 2; now++)
            assert_int_equal(mt_flow_is_expired(table, a, now), mt_flow_is_expired(other, b, now));
        mt_flow_remove(table, a);
        mt_flow_table_destroy(other);
    }
    mt_flow_table_destroy(table);
}

static void a_timeout_beyond_the_field_is_the_longest_there_is(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);

    struct mt_flow *flow = add_number(table, 1, START, UINT32_MAX);
    assert_int_equal(flow->timeout, UINT16_MAX);
    assert_false(mt_flow_is_expired(table, flow, START + UINT16_MAX * SLOT));
    assert_true(mt_flow_is_expired(table, flow, START + UINT16_MAX * SLOT + TICK));
    assert_int_equal(expire_all(table, START + UINT16_MAX * SLOT + 2 * SLOT, true), 1);
    mt_flow_table_destroy(table);
}

static void time_before_the_first_packet_counts_as_its_time(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);
    struct mt_flow *flows[MT_FLOW_EXPIRE_MAX];

    assert_int_equal(mt_flow_expire(table, START, flows), 0);
    struct mt_flow *flow = add_number(table, 1, START, 1);
    assert_false(mt_flow_is_expired(table, flow, 0));
    mt_flow_touch(table, flow, 0, 1);
    assert_int_equal(flow->last_seen, 0);
    assert_int_equal(mt_flow_expire(table, 0, flows), 0);
    mt_flow_table_destroy(table);
}

/* Flows with timeouts from a second to an hour, seen at random; what the wheel
 * hands out has just expired, and nothing that has expired stays behind. */
static void nothing_is_handed_out_early_or_much_late(void **state)
{
    (void)state;
    enum { FLOWS = 2000 };
    struct mt_flow_table *table = table_make(0, 0, &stats);
    uint64_t random = 7, now = START;
    size_t ended = 0;

    for (unsigned step = 0; step < 200000; step++) {
        now += random_next(&random) % (200 * MT_MSEC);
        uint32_t n = (uint32_t)(random_next(&random) % FLOWS);
        uint32_t timeout = 1 + (uint32_t)(random_next(&random) % (n % 2 ? 10 : 3600));
        struct mt_flow *flow = find_number(table, n);
        if (!flow)
            assert_non_null(add_number(table, n, now, timeout));
        else if (!mt_flow_is_expired(table, flow, now))
            mt_flow_touch(table, flow, now, timeout);
        ended += expire_all(table, now, true);
        if (step % 1000 == 0) {
            size_t cursor = 0;
            while ((flow = mt_flow_next(table, &cursor)) != NULL)
                assert_false(mt_flow_is_expired(table, flow, now - 2 * SLOT));
        }
    }
    assert_true(ended > 1000);
    mt_flow_table_destroy(table);
}

static void a_flow_that_is_handed_out_and_kept_comes_again(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);

    for (uint32_t n = 0; n < 100; n++)
        add_number(table, n, START, 1);
    assert_int_equal(expire_all(table, START + 10 * SLOT, false), 100);
    assert_int_equal(expire_all(table, START + 10 * SLOT, false), 0);
    assert_int_equal(expire_all(table, START + 12 * SLOT, false), 100);
    mt_flow_touch(table, find_number(table, 5), START + 12 * SLOT, 300);
    assert_int_equal(expire_all(table, START + 14 * SLOT, true), 99);
    assert_int_equal(mt_flow_count(table), 1);
    mt_flow_table_destroy(table);
}

/* As when a connection lingers after its FINs. */
static void a_timeout_made_shorter_is_noticed_in_time(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);

    for (uint32_t n = 0; n < 100; n++)
        add_number(table, n, START, 3600);
    for (uint32_t n = 0; n < 100; n += 2)
        mt_flow_touch(table, find_number(table, n), START + 10 * SLOT, 2);
    assert_int_equal(expire_all(table, START + 12 * SLOT, true), 0);
    assert_int_equal(expire_all(table, START + 14 * SLOT, true), 50);
    for (uint32_t n = 0; n < 100; n++)
        assert_int_equal(find_number(table, n) != NULL, n % 2);
    mt_flow_table_destroy(table);
}

static void a_call_does_bounded_work_and_the_next_ones_go_on(void **state)
{
    (void)state;
    enum { FLOWS = 10000 };
    struct mt_flow_table *table = table_make(0, 0, &stats);
    struct mt_flow *flows[MT_FLOW_EXPIRE_MAX];
    size_t calls = 0, handed_out = 0;

    /* all in one slot of the wheel; but for one in ten, seen again since */
    for (uint32_t n = 0; n < FLOWS; n++)
        add_number(table, n, START, 300);
    for (uint32_t n = 0; n < FLOWS; n++) {
        if (n % 10)
            mt_flow_touch(table, find_number(table, n), START + 200 * SLOT, 300);
    }
    while (handed_out < FLOWS / 10) {
        size_t count = mt_flow_expire(table, START + 290 * SLOT, flows);
        for (size_t i = 0; i < count; i++)
            mt_flow_remove(table, flows[i]);
        handed_out += count;
        assert_true(++calls < FLOWS);
    }
    /* 256 looked at in a call */
    assert_true(calls >= FLOWS / 256);
    assert_true(calls <= FLOWS / 256 + FLOWS / 10 / MT_FLOW_EXPIRE_MAX + 2);
    assert_int_equal(expire_all(table, START + 290 * SLOT, true), 0);
    mt_flow_table_destroy(table);
}

static void a_clock_that_jumps_by_decades_ends_everything_and_goes_on(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);
    uint64_t now = START;
    static const uint64_t days[] = {1, 20, 51, 53, 400, 30000, 60000};

    for (size_t i = 0; i < MT_ARRAY_COUNT(days); i++) {
        for (uint32_t n = 0; n < 500; n++)
            assert_non_null(add_number(table, n, now, 1 + n * 100));
        now += days[i] * 86400 * MT_SEC;
        struct mt_flow *late = add_number(table, 1000, now, 300);
        size_t ended = 0;
        while (ended < 500) {
            size_t count = expire_all(table, now, true);
            assert_true(count > 0);
            ended += count;
        }
        assert_int_equal(mt_flow_count(table), 1);
        assert_false(mt_flow_is_expired(table, late, now + 280 * SLOT));
        assert_true(mt_flow_is_expired(table, late, now + 280 * SLOT + TICK));
        mt_flow_remove(table, late);
    }
    mt_flow_table_destroy(table);
}

/* 2^32 ticks after the first packet, flows that are alive stay so, to the tick. */
static void the_end_of_the_tick_counter_changes_nothing(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);
    uint64_t edge = START + (UINT64_C(1) << 52);

    mt_flow_remove(table, add_number(table, 0, START, 1));
    for (uint32_t n = 1; n <= 600; n++)
        assert_non_null(add_number(table, n, edge - n * SLOT, 300));
    struct mt_flow *last = add_number(table, 601, edge + SLOT, 300);
    assert_false(mt_flow_is_expired(table, last, edge + 281 * SLOT));
    assert_true(mt_flow_is_expired(table, last, edge + 281 * SLOT + TICK));
    for (uint32_t n = 1; n <= 600; n++) {
        struct mt_flow *flow = find_number(table, n);
        assert_int_equal(mt_flow_is_expired(table, flow, edge), n > 280);
        if (n < 280)
            assert_false(mt_flow_is_expired(table, flow, edge + (280 - n) * SLOT));
        assert_true(mt_flow_is_expired(table, flow, edge + 281 * SLOT - n * SLOT + TICK));
    }
    size_t ended = 0;
    for (unsigned i = 0; i < 20; i++)
        ended += expire_all(table, edge + SLOT, true);
    assert_true(ended >= 600 - 281);
    for (uint32_t n = 1; n < 279; n++)
        assert_non_null(find_number(table, n));
    mt_flow_table_destroy(table);
}

struct connection {
    uint32_t number, first, last, packets;
};

static void connection_end(struct mt_flow_table *table, struct mt_flow *flow, struct connection *log,
                           size_t *count)
{
    memcpy(&log[(*count)++], flow->user, sizeof(*log));
    mt_flow_remove(table, flow);
}

static int by_number_then_first(const void *a, const void *b)
{
    const struct connection *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    return x->first < y->first ? -1 : 1;
}

/* What a pipeline does: find, end what has expired, count; rhythm is how many
 * packets pass between two calls of expire. */
static size_t run_packets(unsigned rhythm, struct connection *log)
{
    struct mt_flow_table *table = table_make(0, 0, &stats);
    struct mt_flow *flows[MT_FLOW_EXPIRE_MAX];
    struct mt_flow *flow;
    uint64_t random = 99, now = START;
    size_t count = 0, cursor = 0;

    for (uint32_t packet = 0; packet < 60000; packet++) {
        uint64_t pause = random_next(&random);
        now += pause % 5000 == 0 ? pause % (600 * MT_SEC) : pause % (40 * MT_MSEC);
        uint32_t n = (uint32_t)(random_next(&random) % 500);
        uint32_t timeout = 1 + (uint32_t)(random_next(&random) % 20);
        flow = find_number(table, n);
        if (flow && mt_flow_is_expired(table, flow, now)) {
            connection_end(table, flow, log, &count);
            flow = NULL;
        }
        struct connection c = {.number = n, .first = packet, .last = packet};
        if (flow) {
            memcpy(&c, flow->user, sizeof(c));
            c.last = packet;
            mt_flow_touch(table, flow, now, timeout);
        } else {
            flow = add_number(table, n, now, timeout);
        }
        c.packets++;
        memcpy(flow->user, &c, sizeof(c));
        if (rhythm && packet % rhythm == 0) {
            size_t ended = mt_flow_expire(table, now, flows);
            for (size_t i = 0; i < ended; i++)
                connection_end(table, flows[i], log, &count);
        }
    }
    while ((flow = mt_flow_next(table, &cursor)) != NULL)
        connection_end(table, flow, log, &count);
    mt_flow_table_destroy(table);
    qsort(log, count, sizeof(*log), by_number_then_first);
    return count;
}

static void the_rhythm_of_expire_changes_no_connection(void **state)
{
    (void)state;
    static const unsigned rhythms[] = {1, 7, 32, 1000, 50000};
    static struct connection expected[60000], log[60000];
    size_t expected_count = run_packets(0, expected);

    assert_true(expected_count > 2000 && expected_count < 60000);
    for (size_t i = 0; i < MT_ARRAY_COUNT(rhythms); i++) {
        assert_int_equal(run_packets(rhythms[i], log), expected_count);
        assert_memory_equal(log, expected, expected_count * sizeof(*log));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flow_expires_one_tick_after_its_timeout),
        cmocka_unit_test(tables_that_start_at_different_times_agree_on_every_tick),
        cmocka_unit_test(a_timeout_beyond_the_field_is_the_longest_there_is),
        cmocka_unit_test(time_before_the_first_packet_counts_as_its_time),
        cmocka_unit_test(nothing_is_handed_out_early_or_much_late),
        cmocka_unit_test(a_flow_that_is_handed_out_and_kept_comes_again),
        cmocka_unit_test(a_timeout_made_shorter_is_noticed_in_time),
        cmocka_unit_test(a_call_does_bounded_work_and_the_next_ones_go_on),
        cmocka_unit_test(a_clock_that_jumps_by_decades_ends_everything_and_goes_on),
        cmocka_unit_test(the_end_of_the_tick_counter_changes_nothing),
        cmocka_unit_test(the_rhythm_of_expire_changes_no_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
