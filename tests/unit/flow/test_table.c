#include "tables.h"

#include "flow/flow_priv.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

static struct mt_stats stats;

static void both_directions_of_a_connection_have_one_key(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);

    for (uint32_t n = 0; n < 1000; n++) {
        struct mt_tuple there = tuple_of(n);
        struct mt_tuple back = tuple_reversed(&there);
        struct look_up a = look_up_of(table, &there);
        struct look_up b = look_up_of(table, &back);
        assert_memory_equal(&a.key, &b.key, sizeof(a.key));
        assert_true(a.hash == b.hash);
        assert_true(a.swapped != b.swapped);
    }
    mt_flow_table_destroy(table);
}

static void ends_that_differ_in_the_port_alone_are_told_apart(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);

    for (uint8_t family = 4; family <= 6; family += 2) {
        struct mt_tuple tuple = {.src_port = 2525, .dst_port = 25};
        tuple.src.family = tuple.dst.family = family;
        struct mt_tuple back = tuple_reversed(&tuple);
        struct look_up a = look_up_of(table, &tuple);
        struct look_up b = look_up_of(table, &back);
        assert_memory_equal(&a.key, &b.key, sizeof(a.key));
        assert_true(a.swapped && !b.swapped);
        tuple.src_port = 25;
        assert_false(look_up_of(table, &tuple).swapped);
    }
    mt_flow_table_destroy(table);
}

/* Every bit of every field of the tuple changes the key, and no two changes
 * meet; with IPv4 that is exact, so it must hold whatever the seed. */
static void every_bit_of_a_tuple_is_in_its_key(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);

    for (uint8_t family = 4; family <= 6; family += 2) {
        struct mt_flow_key keys[2 * 128 + 2 * 16 + 1];
        size_t count = 0;
        unsigned bytes = family == 4 ? 4 : 16;
        struct mt_tuple base = {.src_port = 0x1234, .dst_port = 25};
        base.src.family = base.dst.family = family;
        base.src.bytes[0] = 10;
        base.dst.bytes[0] = 192;
        keys[count++] = look_up_of(table, &base).key;
        for (unsigned bit = 0; bit < 8 * bytes; bit++) {
            struct mt_tuple t = base;
            t.src.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            keys[count++] = look_up_of(table, &t).key;
            t = base;
            t.dst.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
            keys[count++] = look_up_of(table, &t).key;
        }
        for (unsigned bit = 0; bit < 16; bit++) {
            struct mt_tuple t = base;
            t.src_port ^= (uint16_t)(1 << bit);
            keys[count++] = look_up_of(table, &t).key;
            t = base;
            t.dst_port ^= (uint16_t)(1 << bit);
            keys[count++] = look_up_of(table, &t).key;
        }
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(keys[i].word[1] & 1, family == 6);
            for (size_t j = 0; j < i; j++)
                assert_memory_not_equal(&keys[i], &keys[j], sizeof(keys[i]));
        }
    }
    mt_flow_table_destroy(table);
}

static void a_flow_is_found_from_add_to_remove(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);

    assert_null(find_number(table, 1));
    struct mt_flow *flow = add_number(table, 1, MT_SEC, 300);
    assert_non_null(flow);
    assert_ptr_equal(find_number(table, 1), flow);
    assert_null(find_number(table, 2));
    assert_int_equal(mt_flow_count(table), 1);
    mt_flow_remove(table, flow);
    assert_null(find_number(table, 1));
    assert_int_equal(mt_flow_count(table), 0);
    mt_flow_table_destroy(table);
}

static void a_tuple_that_is_used_again_gets_a_flow_without_a_past(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(0, 0, &stats);
    static const uint8_t zeros[MT_FLOW_USER_SIZE];

    struct mt_flow *flow = add_number(table, 1, MT_SEC, 300);
    flow->owner = table;
    flow->flags = 0xffff;
    flow->packets[0] = flow->packets[1] = 7;
    memset(flow->user, 0xff, sizeof(flow->user));
    mt_flow_remove(table, flow);

    flow = add_number(table, 1, 100 * MT_SEC, 300);
    assert_null(flow->owner);
    assert_int_equal(flow->flags, 0);
    assert_int_equal(flow->packets[0] + flow->packets[1], 0);
    assert_memory_equal(flow->user, zeros, sizeof(zeros));
    assert_false(mt_flow_is_expired(table, flow, 400 * MT_SEC));
    mt_flow_table_destroy(table);
}

/* A table this small overflows its buckets all the time. */
static void a_crowded_table_agrees_with_a_list(void **state)
{
    (void)state;
    enum { KEYS = 400, FLOWS = 150 };
    struct mt_flow_table *table = table_make(FLOWS, 0, &stats);
    struct mt_flow *list[KEYS] = {NULL};
    uint64_t random = 1;
    size_t count = 0, refused = 0;

    for (unsigned step = 0; step < 200000; step++) {
        uint32_t n = (uint32_t)(random_next(&random) % KEYS);
        struct mt_flow *found = find_number(table, n);
        assert_ptr_equal(found, list[n]);
        if (found) {
            mt_flow_remove(table, found);
            list[n] = NULL;
            count--;
        } else if ((list[n] = add_number(table, n, step * MT_MSEC, 300)) != NULL) {
            count++;
        } else {
            refused++;
            assert_true(count > FLOWS / 2);
        }
        assert_int_equal(mt_flow_count(table), count);
    }
    assert_true(count <= FLOWS);
    assert_true(refused > 0);
    mt_flow_table_destroy(table);
}

/* A bit that stays is a SYN that looks for nothing; one that lacks is a lost flow. */
static void the_bits_of_the_index_tell_the_buckets_that_are_used(void **state)
{
    (void)state;
    enum { KEYS = 3000, STEPS = 100000 };
    struct mt_flow_table *table = table_make(1500, 0, &stats);
    uint64_t random = 3;

    for (unsigned step = 0; step < STEPS; step++) {
        uint32_t n = (uint32_t)(random_next(&random) % KEYS);
        struct mt_flow *found = find_number(table, n);
        if (found)
            mt_flow_remove(table, found);
        else if (step < STEPS / 2)
            (void)add_number(table, n, MT_SEC, 300);
        if (step % 1000 != 0)
            continue;
        for (uint32_t at = 0; at < table->bucket_count; at++) {
            const struct mt_flow_bucket *bucket = &table->buckets[at];
            bool is_used = (bucket->tags[0] | bucket->tags[1] | bucket->passed) != 0;
            assert_int_equal(table->buckets_used[at / 64] >> at % 64 & 1, is_used);
        }
    }
    assert_int_equal(mt_flow_count(table), 0);
    for (uint32_t word = 0; word < (table->bucket_count + 63) / 64; word++)
        assert_int_equal(table->buckets_used[word], 0);
    mt_flow_table_destroy(table);
}

static void a_full_table_takes_a_new_flow_when_its_victim_is_gone(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {1, 2, 5, 64, 5000};

    for (size_t i = 0; i < MT_ARRAY_COUNT(sizes); i++) {
        struct mt_flow_table *table = table_make(sizes[i], 0, &stats);
        for (uint32_t n = 0; n < 3 * sizes[i]; n++) {
            if (add_number(table, n, n * MT_SEC, 300))
                continue;
            struct look_up l = look_up_number(table, n);
            struct mt_flow *victim = mt_flow_victim(table, l.hash, n * MT_SEC);
            assert_non_null(victim);
            mt_flow_remove(table, victim);
            assert_non_null(add_number(table, n, n * MT_SEC, 300));
        }
        assert_int_equal(mt_flow_count(table), sizes[i]);
        mt_flow_table_destroy(table);
    }
}

static void the_victim_is_the_flow_closest_to_its_timeout(void **state)
{
    (void)state;
    struct mt_flow_table *table = table_make(8, 0, &stats);
    uint64_t any_hash = 12345;

    assert_null(mt_flow_victim(table, any_hash, 0));
    /* 1, 6, 3 and so on, a second apart */
    for (uint32_t i = 0; i < 8; i++)
        assert_non_null(add_number(table, (i * 5 + 1) % 8, (100 + i) * MT_SEC, 300));
    assert_ptr_equal(mt_flow_victim(table, any_hash, 110 * MT_SEC), find_number(table, 1));
    mt_flow_touch(table, find_number(table, 1), 109 * MT_SEC, 300);
    assert_ptr_equal(mt_flow_victim(table, any_hash, 110 * MT_SEC), find_number(table, 6));
    mt_flow_touch(table, find_number(table, 3), 110 * MT_SEC, 2);
    assert_ptr_equal(mt_flow_victim(table, any_hash, 110 * MT_SEC), find_number(table, 3));
    mt_flow_table_destroy(table);
}

static void a_walk_meets_every_flow_once_and_may_remove_it(void **state)
{
    (void)state;
    enum { FLOWS = 1000 };
    struct mt_flow_table *table = table_make(0, 0, &stats);
    uint8_t met[FLOWS] = {0};

    for (uint32_t n = 0; n < FLOWS; n++)
        add_number(table, n, 0, 300)->packets[0] = (uint16_t)n;
    for (uint32_t n = 0; n < FLOWS; n += 3)
        mt_flow_remove(table, find_number(table, n));

    size_t cursor = 0, count = 0;
    for (struct mt_flow *flow; (flow = mt_flow_next(table, &cursor)) != NULL; count++) {
        assert_int_equal(met[flow->packets[0]]++, 0);
        assert_int_not_equal(flow->packets[0] % 3, 0);
        if (flow->packets[0] % 2)
            mt_flow_remove(table, flow);
    }
    assert_int_equal(count, FLOWS - (FLOWS + 2) / 3);
    for (cursor = 0; mt_flow_next(table, &cursor);)
        count--;
    assert_int_equal(mt_flow_count(table), FLOWS - (FLOWS + 2) / 3 - count);
    mt_flow_table_destroy(table);
}

static size_t resident_bytes(void)
{
    unsigned long size = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "r");

    assert_non_null(file);
    assert_int_equal(fscanf(file, "%lu %lu", &size, &resident), 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void a_million_flows_come_and_go_and_cost_ninety_bytes_each(void **state)
{
    (void)state;
    enum { FLOWS = 1 << 20 };
    size_t before = resident_bytes();
    struct mt_flow_table *table = table_make(0, 0, &stats);
    assert_true(resident_bytes() - before < (1 << 20));

    for (uint32_t n = 0; n < FLOWS; n++) {
        struct mt_flow *flow = add_number(table, n, n * UINT64_C(1000), 300);
        assert_non_null(flow);
        memcpy(flow->user, &n, sizeof(n));
    }
    assert_int_equal(mt_flow_count(table), FLOWS);
    assert_null(add_number(table, FLOWS, 0, 300));
    assert_true(resident_bytes() - before < (size_t)FLOWS * 90);

    /* an odd factor visits all in an order that is not that of the lines */
    for (uint32_t i = 0; i < FLOWS; i++) {
        uint32_t n = i * 777767777u % FLOWS;
        struct look_up l = look_up_number(table, n);
        mt_flow_prefetch_bucket(table, l.hash);
        struct mt_flow *guess = mt_flow_guess(table, l.hash);
        struct mt_flow *flow = mt_flow_find(table, &l.key, l.hash);
        assert_non_null(flow);
        assert_ptr_equal(mt_flow_settle(table, &l.key, l.hash, guess), flow);
        assert_memory_equal(flow->user, &n, sizeof(n));
        if (n % 2)
            mt_flow_remove(table, flow);
    }
    assert_int_equal(mt_flow_count(table), FLOWS / 2);
    for (uint32_t n = 0; n < FLOWS; n++)
        assert_int_equal(find_number(table, n) != NULL, n % 2 == 0);
    for (uint32_t n = 0; n < 2 * FLOWS; n++) {
        struct look_up l = look_up_number(table, n);
        struct mt_flow *guess = mt_flow_guess(table, l.hash);
        assert_ptr_equal(mt_flow_settle(table, &l.key, l.hash, guess), mt_flow_find(table, &l.key, l.hash));
    }
    assert_int_equal(mt_flow_added(table), FLOWS);
    mt_flow_table_destroy(table);
}

static void odd_sizes_are_refused_or_rounded(void **state)
{
    (void)state;
    struct mt_flow_table *table = NULL;
    struct mt_flow_config config = {.flows_max = UINT32_MAX};

    assert_int_equal(mt_flow_table_create(&config, &stats, &table), -EINVAL);
    config = (struct mt_flow_config){.embryos_max = UINT32_MAX};
    assert_int_equal(mt_flow_table_create(&config, &stats, &table), -EINVAL);
    assert_null(table);
    config = (struct mt_flow_config){.flows_max = 1, .embryos_max = 1};
    assert_int_equal(mt_flow_table_create(&config, &stats, &table), 0);
    mt_flow_table_destroy(table);
    mt_flow_table_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_directions_of_a_connection_have_one_key),
        cmocka_unit_test(ends_that_differ_in_the_port_alone_are_told_apart),
        cmocka_unit_test(every_bit_of_a_tuple_is_in_its_key),
        cmocka_unit_test(a_flow_is_found_from_add_to_remove),
        cmocka_unit_test(a_tuple_that_is_used_again_gets_a_flow_without_a_past),
        cmocka_unit_test(a_crowded_table_agrees_with_a_list),
        cmocka_unit_test(the_bits_of_the_index_tell_the_buckets_that_are_used),
        cmocka_unit_test(a_full_table_takes_a_new_flow_when_its_victim_is_gone),
        cmocka_unit_test(the_victim_is_the_flow_closest_to_its_timeout),
        cmocka_unit_test(a_walk_meets_every_flow_once_and_may_remove_it),
        cmocka_unit_test(a_million_flows_come_and_go_and_cost_ninety_bytes_each),
        cmocka_unit_test(odd_sizes_are_refused_or_rounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
