/* Numbers as people read them. */
#include "text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void numbers_are_grouped_by_three(void **state)
{
    (void)state;
    char text[MT_TEXT_SIZE];
    assert_string_equal(mt_text_number(0, text), "0");
    assert_string_equal(mt_text_number(999, text), "999");
    assert_string_equal(mt_text_number(1000, text), "1,000");
    assert_string_equal(mt_text_number(1234567, text), "1,234,567");
    assert_string_equal(mt_text_number(UINT64_MAX, text), "18,446,744,073,709,551,615");
}

static void bytes_have_a_unit(void **state)
{
    (void)state;
    char text[MT_TEXT_SIZE];
    assert_string_equal(mt_text_bytes(0, text), "0 B");
    assert_string_equal(mt_text_bytes(1500, text), "1.5 kB");
    assert_string_equal(mt_text_bytes(UINT64_C(7000000000000000), text), "7000.0 TB");
}

static void a_share_is_nothing_only_of_nothing_and_all_only_of_all(void **state)
{
    (void)state;
    char text[MT_TEXT_SIZE];
    assert_string_equal(mt_text_share(0, 0, text), "0 %");
    assert_string_equal(mt_text_share(0, 1000, text), "0 %");
    assert_string_equal(mt_text_share(1, 1000000000, text), "under 0.01 %");
    assert_string_equal(mt_text_share(1, 1000, text), "0.10 %");
    assert_string_equal(mt_text_share(125, 1000, text), "12.5 %");
    assert_string_equal(mt_text_share(999, 1000, text), "99.90 %");
    assert_string_equal(mt_text_share(999999999, 1000000000, text), "over 99.99 %");
    assert_string_equal(mt_text_share(5, 5, text), "100 %");
    assert_string_equal(mt_text_share(5, 0, text), "0 %");
}

static void a_rate_has_three_digits_and_a_unit(void **state)
{
    (void)state;
    char text[MT_TEXT_SIZE];
    assert_string_equal(mt_text_rate(0, text), "0");
    assert_string_equal(mt_text_rate(999, text), "999");
    assert_string_equal(mt_text_rate(999.7, text), "1.00 k");
    assert_string_equal(mt_text_rate(14880952, text), "14.9 M");
    assert_string_equal(mt_text_rate(250507, text), "251 k");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_grouped_by_three),
        cmocka_unit_test(bytes_have_a_unit),
        cmocka_unit_test(a_share_is_nothing_only_of_nothing_and_all_only_of_all),
        cmocka_unit_test(a_rate_has_three_digits_and_a_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
