#include "tables.h"

#include <string.h>

/* A table that grows, beside one that had its size at once. */
struct pair {
    struct mt_stats stats[2];
    struct mt_flow_table *table[2];
};

static void pair_make(struct pair *pair, uint32_t flows_max, uint32_t embryos_max)
{
    memset(pair, 0, sizeof(*pair));
    for (unsigned i = 0; i < 2; i++) {
        struct mt_flow_config config = {
            .flows_max = flows_max, .embryos_max = embryos_max, .seed = SEED, .is_long_lived = i == 1};
        assert_int_equal(mt_flow_table_create(&config, &pair->stats[i], &pair->table[i]), 0);
    }
}

static void pair_destroy(struct pair *pair)
{
    for (unsigned i = 0; i < 2; i++)
        mt_flow_table_destroy(pair->table[i]);
}

static void a_table_that_grows_holds_what_a_whole_one_holds(void **state)
{
    (void)state;
    enum { NUMBERS = 150000, STEPS = 600000 };
    static const uint32_t sizes[] = {1, 3, 1000, 1025, 5000, 100000};
    uint64_t random = 7;

    for (size_t s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
        struct pair pair;
        pair_make(&pair, sizes[s], 0);
        for (uint32_t step = 0; step < STEPS; step++) {
            uint32_t n = (uint32_t)(random_next(&random) % NUMBERS);
            struct mt_flow *found[2] = {find_number(pair.table[0], n), find_number(pair.table[1], n)};
            assert_int_equal(found[0] == NULL, found[1] == NULL);
            for (unsigned i = 0; i < 2; i++) {
                if (found[i])
                    mt_flow_remove(pair.table[i], found[i]);
                else
                    found[i] = add_number(pair.table[i], n, MT_SEC, 300);
            }
            assert_int_equal(found[0] == NULL, found[1] == NULL);
        }
        assert_int_equal(mt_flow_count(pair.table[0]), mt_flow_count(pair.table[1]));
        pair_destroy(&pair);
    }
}

static void a_full_table_that_grew_gives_up_a_flow(void **state)
{
    (void)state;
    enum { FLOWS = 20000 };
    struct pair pair;

    pair_make(&pair, FLOWS, 0);
    for (uint32_t n = 0; n < FLOWS; n++)
        assert_non_null(add_number(pair.table[0], n, MT_SEC, 300));
    assert_null(add_number(pair.table[0], FLOWS, MT_SEC, 300));
    struct look_up l = look_up_number(pair.table[0], FLOWS);
    struct mt_flow *victim = mt_flow_victim(pair.table[0], l.hash, 2 * MT_SEC);
    assert_non_null(victim);
    mt_flow_remove(pair.table[0], victim);
    assert_non_null(add_number(pair.table[0], FLOWS, MT_SEC, 300));
    pair_destroy(&pair);
}

static void handshakes_that_move_keep_what_is_known_of_them(void **state)
{
    (void)state;
    enum { SYNS = 30000 };
    struct pair pair;
    bool is_new;

    pair_make(&pair, 0, 0);
    for (uint32_t n = 0; n < SYNS; n++) {
        for (unsigned i = 0; i < 2; i++) {
            struct look_up l = look_up_number(pair.table[i], n);
            struct mt_embryo *embryo = mt_embryo_add(pair.table[i], &l.key, l.hash, MT_SEC + n, &is_new);
            assert_true(is_new);
            embryo->isn[0] = n;
            if (n % 3 == 0)
                mt_embryo_answered(pair.table[i], embryo);
            if (n % 5 == 0)
                mt_embryo_remove(pair.table[i], embryo);
        }
    }
    assert_int_equal(mt_stats_get(&pair.stats[0], MT_COUNTER_EMBRYOS_EVICTED), 0);
    for (uint32_t n = 0; n < SYNS; n++) {
        for (unsigned i = 0; i < 2; i++) {
            struct look_up l = look_up_number(pair.table[i], n);
            const struct mt_embryo *embryo = mt_embryo_find(pair.table[i], &l.key, l.hash, MT_SEC + n);
            assert_int_equal(embryo == NULL, n % 5 == 0);
            if (embryo) {
                assert_int_equal(embryo->isn[0], n);
                assert_true(embryo->time == MT_SEC + n);
            }
        }
    }
    pair_destroy(&pair);
}

/* Which ones differs with how they lie; how many does not much, and the answered ones stay. */
static void a_flood_pushes_out_no_more_from_a_table_that_grew(void **state)
{
    (void)state;
    enum { SYNS = 100000, ANSWERED = 500, SLOTS = 1 << 14 };
    struct pair pair;
    bool is_new;

    pair_make(&pair, 0, SLOTS);
    for (uint32_t n = 0; n < SYNS; n++) {
        for (unsigned i = 0; i < 2; i++) {
            struct look_up l = look_up_number(pair.table[i], n);
            struct mt_embryo *embryo = mt_embryo_add(pair.table[i], &l.key, l.hash, MT_SEC + n, &is_new);
            if (n < ANSWERED)
                mt_embryo_answered(pair.table[i], embryo);
        }
    }
    uint64_t grown = mt_stats_get(&pair.stats[0], MT_COUNTER_EMBRYOS_EVICTED);
    assert_int_equal(grown, mt_stats_get(&pair.stats[1], MT_COUNTER_EMBRYOS_EVICTED));
    assert_int_equal(grown, SYNS - SLOTS);
    for (uint32_t n = 0; n < ANSWERED; n++) {
        struct look_up l = look_up_number(pair.table[0], n);
        assert_non_null(mt_embryo_find(pair.table[0], &l.key, l.hash, 2 * MT_SEC));
    }
    pair_destroy(&pair);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_that_grows_holds_what_a_whole_one_holds),
        cmocka_unit_test(a_full_table_that_grew_gives_up_a_flow),
        cmocka_unit_test(handshakes_that_move_keep_what_is_known_of_them),
        cmocka_unit_test(a_flood_pushes_out_no_more_from_a_table_that_grew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
