#include "stats/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

static void every_listed_counter_has_a_name_of_its_own(void **state)
{
    (void)state;

    for (int a = 0; a < MT_COUNTER_REJECT_FIRST; a++) {
        const char *name = mt_counter_name((enum mt_counter)a);
        assert_non_null(name);
        assert_non_null(strchr(name, '.'));
        assert_true(strlen(mt_counter_meaning((enum mt_counter)a)) > 0);
        for (int b = 0; b < a; b++)
            assert_string_not_equal(name, mt_counter_name((enum mt_counter)b));
    }
}

static void the_reject_range_has_no_names_here(void **state)
{
    (void)state;
    assert_null(mt_counter_name(MT_COUNTER_REJECT_FIRST));
    assert_null(mt_counter_meaning(MT_COUNTER_REJECT_LAST));
    assert_int_equal(MT_COUNTER_REJECT_LAST, MT_COUNTER_COUNT - 1);
}

static void a_sum_adds_every_counter_and_leaves_the_source(void **state)
{
    (void)state;
    static struct mt_stats into;
    static struct mt_stats from;

    for (unsigned i = 0; i < MT_COUNTER_COUNT; i++) {
        mt_stats_add(&into, (enum mt_counter)i, 1000);
        mt_stats_add(&from, (enum mt_counter)i, i);
        mt_stats_add(&from, (enum mt_counter)i, i);
    }
    mt_stats_sum(&into, &from);
    for (unsigned i = 0; i < MT_COUNTER_COUNT; i++) {
        assert_int_equal(mt_stats_get(&into, (enum mt_counter)i), 1000 + 2 * i);
        assert_int_equal(mt_stats_get(&from, (enum mt_counter)i), 2 * i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_listed_counter_has_a_name_of_its_own),
        cmocka_unit_test(the_reject_range_has_no_names_here),
        cmocka_unit_test(a_sum_adds_every_counter_and_leaves_the_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
