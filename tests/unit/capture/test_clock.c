#include "capture/clock_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>

#include <cmocka.h>

#define HZ UINT64_C(2600000000)
#define START UINT64_C(1700000000000000000)
#define COUNTER UINT64_C(123456789012)

/* Ticks of a counter of HZ, too fast by ppm, after ns. */
static uint64_t ticks(uint64_t ns, int ppm)
{
    uint64_t hz = (uint64_t)((int64_t)HZ + (int64_t)(HZ / 1000000) * ppm);
    return (uint64_t)((__uint128_t)ns * hz / MT_SEC);
}

static uint64_t away(uint64_t a, uint64_t b)
{
    return a > b ? a - b : b - a;
}

static void a_clock_says_what_the_system_said_and_goes_on_by_the_counter(void **state)
{
    (void)state;
    struct mt_clock clock;
    mt_clock_init(&clock, HZ, COUNTER, START);
    assert_int_equal(mt_clock_read(&clock, COUNTER), START);
    assert_in_range(mt_clock_read(&clock, COUNTER + HZ), START + MT_SEC - 2, START + MT_SEC + 2);
    /* an hour without a correction */
    assert_in_range(mt_clock_read(&clock, COUNTER + 3600 * HZ), START + 3600 * MT_SEC - 2000,
                    START + 3600 * MT_SEC + 2000);
}

static void a_reading_from_before_the_correction_is_understood(void **state)
{
    (void)state;
    struct mt_clock clock;
    mt_clock_init(&clock, HZ, COUNTER, START);
    assert_in_range(mt_clock_read(&clock, COUNTER - HZ / 1000), START - MT_MSEC - 2, START - MT_MSEC + 2);
}

static void a_counter_that_runs_through_its_end_goes_on(void **state)
{
    (void)state;
    struct mt_clock clock;
    uint64_t counter = UINT64_MAX - HZ / 2;
    mt_clock_init(&clock, HZ, counter, START);
    mt_clock_correct(&clock, counter + HZ, START + MT_SEC);
    assert_in_range(mt_clock_read(&clock, counter + 2 * HZ), START + 2 * MT_SEC - 100,
                    START + 2 * MT_SEC + 100);
}

/* Corrects each second for count seconds; returns how far off it is at the end. */
static uint64_t run(struct mt_clock *clock, unsigned from, unsigned count, int ppm, int64_t wall_off)
{
    uint64_t last = 0;
    uint64_t off = 0;
    for (unsigned i = from; i < from + count; i++) {
        uint64_t wall = START + i * MT_SEC + (uint64_t)wall_off;
        uint64_t counter = COUNTER + ticks(i * MT_SEC, ppm);
        off = away(mt_clock_read(clock, counter), wall);
        mt_clock_correct(clock, counter, wall);
        /* non-decreasing at the correction and between two of them */
        for (unsigned j = 0; j < 100; j++) {
            uint64_t now = mt_clock_read(clock, counter + ticks(j * MT_SEC / 100, ppm));
            assert_true(now >= last);
            last = now;
        }
    }
    return off;
}

static void a_counter_of_another_rate_than_told_is_followed_to_the_microsecond(void **state)
{
    (void)state;
    static const int ppms[] = {-200, -37, 0, 12, 200};
    for (size_t i = 0; i < sizeof(ppms) / sizeof(ppms[0]); i++) {
        struct mt_clock clock;
        mt_clock_init(&clock, HZ, COUNTER, START);
        assert_true(run(&clock, 1, 60, ppms[i], 0) < 1000);
    }
}

static void time_never_runs_backwards_when_the_system_is_set_back(void **state)
{
    (void)state;
    struct mt_clock clock;
    mt_clock_init(&clock, HZ, COUNTER, START);
    run(&clock, 1, 10, 20, 0);
    uint64_t before = mt_clock_read(&clock, COUNTER + ticks(10 * MT_SEC, 20));
    /* half a minute back: worked off at half the rate in a minute */
    assert_true(run(&clock, 11, 20, 20, -30 * (int64_t)MT_SEC) > MT_SEC);
    assert_true(mt_clock_read(&clock, COUNTER + ticks(30 * MT_SEC, 20)) > before);
    assert_true(run(&clock, 31, 60, 20, -30 * (int64_t)MT_SEC) < 100000);
}

static void a_small_leap_forward_is_worked_off_and_a_large_one_followed(void **state)
{
    (void)state;
    struct mt_clock clock;
    mt_clock_init(&clock, HZ, COUNTER, START);
    run(&clock, 1, 5, 0, 0);
    assert_true(run(&clock, 6, 10, 0, (int64_t)(MT_SEC / 2)) < 1000);
    mt_clock_correct(&clock, COUNTER + ticks(16 * MT_SEC, 0), START + 3600 * MT_SEC);
    assert_int_equal(mt_clock_read(&clock, COUNTER + ticks(16 * MT_SEC, 0)), START + 3600 * MT_SEC);
}

static void a_reading_that_is_no_later_than_the_last_changes_nothing(void **state)
{
    (void)state;
    struct mt_clock clock;
    mt_clock_init(&clock, HZ, COUNTER, START);
    run(&clock, 1, 3, 0, 0);
    uint64_t at = COUNTER + ticks(4 * MT_SEC, 0);
    uint64_t before = mt_clock_read(&clock, at);
    mt_clock_correct(&clock, COUNTER + ticks(3 * MT_SEC, 0), START);
    mt_clock_correct(&clock, COUNTER, START + 99 * MT_SEC);
    assert_int_equal(mt_clock_read(&clock, at), before);
}

static void one_interrupted_reading_does_not_spoil_the_rate(void **state)
{
    (void)state;
    struct mt_clock clock;
    mt_clock_init(&clock, HZ, COUNTER, START);
    run(&clock, 1, 30, 50, 0);
    /* the thread slept 20 ms between counter and clock */
    run(&clock, 31, 1, 50, 20 * (int64_t)MT_MSEC);
    assert_true(run(&clock, 32, 5, 50, 0) < 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clock_says_what_the_system_said_and_goes_on_by_the_counter),
        cmocka_unit_test(a_reading_from_before_the_correction_is_understood),
        cmocka_unit_test(a_counter_that_runs_through_its_end_goes_on),
        cmocka_unit_test(a_counter_of_another_rate_than_told_is_followed_to_the_microsecond),
        cmocka_unit_test(time_never_runs_backwards_when_the_system_is_set_back),
        cmocka_unit_test(a_small_leap_forward_is_worked_off_and_a_large_one_followed),
        cmocka_unit_test(a_reading_that_is_no_later_than_the_last_changes_nothing),
        cmocka_unit_test(one_interrupted_reading_does_not_spoil_the_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
