/* How far what is counted in 4 KiB is off. */
#include "base/hash.h"
#include "sigma/sketch_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void distinct_values_are_counted_within_five_percent(void **state)
{
    (void)state;
    static const uint64_t counts[] = {0, 1, 2, 10, 100, 1000, 3000, 10000, 20000, 100000, 1000000, 5000000};
    for (uint64_t seed = 1; seed <= 3; seed++) {
        uint8_t sketch[MT_SKETCH_SIZE] = {0};
        uint64_t added = 0;
        for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
            for (; added < counts[i]; added++)
                mt_distinct_add(sketch, mt_hash_pair(seed, added, 0));
            /* three and a bit standard errors of 1.6 % */
            double found = (double)mt_distinct_count(sketch);
            double expected = (double)counts[i];
            if (found < expected * 0.95 - 1 || found > expected * 1.05 + 1)
                fail_msg("seed %u: %.0f instead of %.0f", (unsigned)seed, found, expected);
        }
    }
}

static void the_same_value_is_counted_once(void **state)
{
    (void)state;
    uint8_t sketch[MT_SKETCH_SIZE] = {0};
    for (unsigned i = 0; i < 100000; i++)
        mt_distinct_add(sketch, mt_hash_pair(1, i % 7, 0));
    assert_int_equal(mt_distinct_count(sketch), 7);
}

static void the_largest_and_the_smallest_hash_have_a_register(void **state)
{
    (void)state;
    uint8_t sketch[MT_SKETCH_SIZE] = {0};
    mt_distinct_add(sketch, 0);
    mt_distinct_add(sketch, UINT64_MAX);
    assert_int_equal(sketch[0], 53);
    assert_int_equal(sketch[MT_SKETCH_SIZE - 1], 1);
    assert_int_equal(mt_distinct_count(sketch), 2);
}

static void percentiles_are_at_most_three_percent_off(void **state)
{
    (void)state;
    static const uint32_t percentiles[] = {0, 1, 25, 50, 75, 90, 99, 100};
    for (uint64_t step = 1; step < UINT64_C(1) << 50; step *= 37) {
        uint8_t sketch[MT_SKETCH_SIZE] = {0};
        for (uint64_t i = 1; i <= 2000; i++)
            mt_spread_add(sketch, i * step);
        for (size_t i = 0; i < sizeof(percentiles) / sizeof(percentiles[0]); i++) {
            double expected = (double)(mt_percentile_rank(2000, percentiles[i]) * step);
            double found = (double)mt_spread_percentile(sketch, percentiles[i]);
            if (found < expected * 0.968 || found > expected * 1.032)
                fail_msg("step %llu: %.0f instead of %.0f", (unsigned long long)step, found, expected);
        }
    }
}

static void percentiles_of_small_values_and_of_the_largest_are_exact_enough(void **state)
{
    (void)state;
    uint8_t sketch[MT_SKETCH_SIZE] = {0};
    assert_int_equal(mt_spread_percentile(sketch, 50), 0);
    for (uint64_t i = 0; i < 32; i++)
        mt_spread_add(sketch, i);
    for (uint32_t p = 1; p <= 100; p++)
        assert_int_equal(mt_spread_percentile(sketch, p), mt_percentile_rank(32, p) - 1);
    mt_spread_add(sketch, UINT64_MAX);
    assert_true(mt_spread_percentile(sketch, 100) > UINT64_MAX / 100 * 96);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distinct_values_are_counted_within_five_percent),
        cmocka_unit_test(the_same_value_is_counted_once),
        cmocka_unit_test(the_largest_and_the_smallest_hash_have_a_register),
        cmocka_unit_test(percentiles_are_at_most_three_percent_off),
        cmocka_unit_test(percentiles_of_small_values_and_of_the_largest_are_exact_enough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
