#include "tables.h"

static struct mt_stats stats;

static struct mt_embryo *embryo_add(struct mt_flow_table *table, uint32_t n, uint64_t now, bool *ret_new)
{
    struct look_up l = look_up_number(table, n);
    return mt_embryo_add(table, &l.key, l.hash, now, ret_new);
}

static struct mt_embryo *embryo_find(struct mt_flow_table *table, uint32_t n, uint64_t now)
{
    struct look_up l = look_up_number(table, n);
    return mt_embryo_find(table, &l.key, l.hash, now);
}

static uint64_t evicted(void)
{
    return mt_stats_get(&stats, MT_COUNTER_EMBRYOS_EVICTED);
}

static uint64_t expired(void)
{
    return mt_stats_get(&stats, MT_COUNTER_EMBRYOS_EXPIRED);
}

static int reset_stats(void **state)
{
    (void)state;
    memset(&stats, 0, sizeof(stats));
    return 0;
}

static void a_syn_is_remembered_for_five_seconds(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);
    bool is_new = false;
    uint64_t start = 1000 * MT_SEC;

    struct mt_embryo *embryo = embryo_add(table, 1, start, &is_new);
    assert_true(is_new);
    assert_true(embryo->time == start);
    embryo->isn[0] = 77;
    embryo->packets[0] = 1;

    assert_ptr_equal(embryo_add(table, 1, start + MT_SEC, &is_new), embryo);
    assert_false(is_new);
    assert_int_equal(embryo->isn[0], 77);
    assert_ptr_equal(embryo_find(table, 1, start + 5 * MT_SEC), embryo);
    assert_null(embryo_find(table, 2, start));

    assert_null(embryo_find(table, 1, start + 5 * MT_SEC + 1));
    assert_int_equal(expired(), 1);
    embryo = embryo_add(table, 1, start + 6 * MT_SEC, &is_new);
    assert_true(is_new);
    assert_int_equal(embryo->isn[0], 0);
    assert_int_equal(embryo->packets[0], 0);
    assert_int_equal(expired(), 1);
    mt_flow_table_destroy(table);
}

static void a_removed_embryo_is_absent_and_not_counted(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);
    bool is_new = false;

    mt_embryo_remove(table, embryo_add(table, 1, MT_SEC, &is_new));
    assert_null(embryo_find(table, 1, MT_SEC));
    embryo_add(table, 1, MT_SEC, &is_new);
    assert_true(is_new);
    assert_int_equal(evicted() + expired(), 0);
    mt_flow_table_destroy(table);
}

static void the_oldest_of_a_set_gives_way(void **state)
{
    (void)state;
    enum { WAYS = 8 };
    struct mt_flow_table *table = table_make(0, WAYS, &stats);
    bool is_new = false;

    for (uint32_t n = 1; n <= WAYS; n++)
        embryo_add(table, n, MT_SEC + n * 100 * MT_MSEC, &is_new);
    assert_int_equal(evicted(), 0);
    embryo_add(table, 100, 3 * MT_SEC, &is_new);
    assert_true(is_new);
    assert_int_equal(evicted(), 1);
    assert_null(embryo_find(table, 1, 3 * MT_SEC));
    for (uint32_t n = 2; n <= WAYS; n++)
        assert_non_null(embryo_find(table, n, 3 * MT_SEC));

    /* at 6.25 s the second has expired, the third has not */
    embryo_add(table, 101, 6250 * MT_MSEC, &is_new);
    assert_int_equal(evicted(), 1);
    assert_int_equal(expired(), 1);
    assert_non_null(embryo_find(table, 3, 6250 * MT_MSEC));
    mt_flow_table_destroy(table);
}

static void an_answered_handshake_outlives_a_flood_of_unanswered_ones(void **state)
{
    (void)state;
    enum { WAYS = 8, FLOOD = 1000 };
    struct mt_flow_table *table = table_make(0, WAYS, &stats);
    bool is_new = false;

    mt_embryo_answered(table, embryo_add(table, 1, MT_SEC, &is_new));
    for (uint32_t n = 0; n < FLOOD; n++)
        embryo_add(table, 100 + n, MT_SEC + n * MT_MSEC, &is_new);
    assert_int_equal(evicted(), FLOOD + 1 - WAYS);
    assert_non_null(embryo_find(table, 1, 2 * MT_SEC));

    /* its time over, it is the first to go */
    embryo_add(table, 2, 6100 * MT_MSEC, &is_new);
    assert_null(embryo_find(table, 1, 6100 * MT_MSEC));

    /* of answered ones alone the oldest goes */
    for (uint32_t n = 0; n < WAYS; n++)
        mt_embryo_answered(table, embryo_add(table, 5000 + n, (20 + n) * MT_SEC / 2, &is_new));
    embryo_add(table, 6000, 14 * MT_SEC, &is_new);
    assert_null(embryo_find(table, 5000, 14 * MT_SEC));
    assert_non_null(embryo_find(table, 5001, 14 * MT_SEC));
    mt_flow_table_destroy(table);
}

enum { SET = 8, TICK_SHIFT = 24 };

struct remembered {
    uint32_t n; /* 0: free */
    uint64_t time;
    bool is_answered;
};

/* One by one, as the rule says: a free one; those whose time is over, oldest first;
 * those that nobody answered; all. */
static size_t model_victim(const struct remembered set[SET], uint64_t now)
{
    uint64_t highest = 0;
    size_t victim = 0;

    for (size_t way = 0; way < SET; way++) {
        uint64_t age = (now >> TICK_SHIFT) - (set[way].time >> TICK_SHIFT);
        uint64_t rank = age + 1;
        if (set[way].n == 0)
            return way;
        if (age > (5 * MT_SEC >> TICK_SHIFT) + 1)
            rank += UINT64_C(1) << 40;
        else if (!set[way].is_answered)
            rank += UINT64_C(1) << 20;
        if (rank > highest) {
            highest = rank;
            victim = way;
        }
    }
    return victim;
}

static void who_gives_way_is_as_the_rule_says_one_by_one(void **state)
{
    (void)state;
    enum { STEPS = 200000 };
    struct mt_flow_table *table = table_make(0, SET, &stats);
    struct remembered set[SET] = {{.n = 0}};
    uint64_t random = 11;
    uint64_t now = 1000 * MT_SEC;
    bool is_new = false;

    for (uint32_t n = 1; n <= STEPS; n++) {
        uint64_t dice = random_next(&random);
        now += dice % 100 == 0 ? dice % (9 * MT_SEC) : dice % (400 * MT_MSEC);
        size_t way = model_victim(set, now);
        struct mt_embryo *embryo = embryo_add(table, n, now, &is_new);
        assert_true(is_new);
        set[way] = (struct remembered){.n = n, .time = now, .is_answered = dice >> 20 & 1};
        if (set[way].is_answered)
            mt_embryo_answered(table, embryo);
        for (size_t i = 0; i < SET; i++) {
            if (set[i].n != 0 && now <= set[i].time + 5 * MT_SEC)
                assert_non_null(embryo_find(table, set[i].n, now));
        }
        if (dice >> 30 & 1) {
            mt_embryo_remove(table, embryo);
            set[way].n = 0;
        }
    }
    mt_flow_table_destroy(table);
}

static void a_table_at_a_tenth_of_its_load_forgets_no_handshake(void **state)
{
    (void)state;
    enum { SYNS = 13000 };
    struct mt_flow_table *table = table_make(0, 0, &stats);
    bool is_new = false;

    for (uint32_t n = 0; n < SYNS; n++)
        embryo_add(table, n, MT_SEC, &is_new);
    assert_int_equal(evicted(), 0);
    for (uint32_t n = 0; n < SYNS; n++)
        assert_non_null(embryo_find(table, n, 2 * MT_SEC));
    mt_flow_table_destroy(table);
}

static void a_flood_of_syns_costs_no_flow_and_every_one_is_accounted_for(void **state)
{
    (void)state;
    enum { SYNS = 200000, SLOTS = 1 << 14 };
    struct mt_flow_table *table = table_make(16, SLOTS, &stats);
    bool is_new = false;

    for (uint32_t n = 0; n < 16; n++)
        assert_non_null(add_number(table, n, 0, 300));
    for (uint32_t n = 0; n < SYNS; n++) {
        uint64_t now = n * 50 * UINT64_C(1000);
        assert_non_null(embryo_add(table, 1000 + n, now, &is_new));
        assert_true(is_new);
        assert_non_null(embryo_find(table, 1000 + n, now));
    }
    assert_int_equal(mt_flow_count(table), 16);
    for (uint32_t n = 0; n < 16; n++)
        assert_non_null(find_number(table, n));

    uint64_t now = SYNS * 50 * UINT64_C(1000);
    uint64_t lost = evicted() + expired();
    size_t live = 0;
    for (uint32_t n = 0; n < SYNS; n++)
        live += embryo_find(table, 1000 + n, now) != NULL;
    assert_true(live <= SLOTS);
    assert_true(live > SLOTS / 2);
    /* those that expired unnoticed were found to be so by the last loop */
    assert_true(lost + live <= SYNS);
    assert_int_equal(evicted() + expired() + live, SYNS);
    mt_flow_table_destroy(table);
}

static void an_embryo_and_a_flow_of_one_tuple_live_side_by_side(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);
    bool is_new = false;

    struct mt_flow *flow = add_number(table, 1, MT_SEC, 300);
    struct mt_embryo *embryo = embryo_add(table, 1, 2 * MT_SEC, &is_new);
    assert_true(is_new);
    assert_ptr_equal(find_number(table, 1), flow);
    mt_flow_remove(table, flow);
    assert_ptr_equal(embryo_find(table, 1, 2 * MT_SEC), embryo);
    mt_embryo_remove(table, embryo);
    mt_flow_table_destroy(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_syn_is_remembered_for_five_seconds, reset_stats),
        cmocka_unit_test_setup(an_answered_handshake_outlives_a_flood_of_unanswered_ones, reset_stats),
        cmocka_unit_test_setup(a_removed_embryo_is_absent_and_not_counted, reset_stats),
        cmocka_unit_test_setup(the_oldest_of_a_set_gives_way, reset_stats),
        cmocka_unit_test_setup(who_gives_way_is_as_the_rule_says_one_by_one, reset_stats),
        cmocka_unit_test_setup(a_table_at_a_tenth_of_its_load_forgets_no_handshake, reset_stats),
        cmocka_unit_test_setup(a_flood_of_syns_costs_no_flow_and_every_one_is_accounted_for, reset_stats),
        cmocka_unit_test_setup(an_embryo_and_a_flow_of_one_tuple_live_side_by_side, reset_stats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
