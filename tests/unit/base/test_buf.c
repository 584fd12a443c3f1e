#include "base/buf.h"
#include "base/mark.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

static uint8_t storage[512];

static void assert_holds(const struct mt_buf *b, const char *text)
{
    assert_int_equal(b->size, strlen(text));
    assert_memory_equal(b->ptr, text, b->size);
}

static void a_number_is_written_like_printf_writes_it(void **state)
{
    (void)state;
    uint64_t value = 1;

    for (int i = 0; i < 20; i++, value *= 10) {
        for (int delta = -2; delta <= 2; delta++) {
            uint64_t v = value + (uint64_t)delta;
            struct mt_buf b = mt_buf(storage, sizeof(storage));
            char expected[32];
            mt_buf_put_u64(&b, v);
            snprintf(expected, sizeof(expected), "%llu", (unsigned long long)v);
            assert_holds(&b, expected);
        }
    }
    for (unsigned bit = 0; bit < 64; bit++) {
        struct mt_buf b = mt_buf(storage, sizeof(storage));
        char expected[32];
        mt_buf_put_u64(&b, (UINT64_C(1) << bit) - 1);
        snprintf(expected, sizeof(expected), "%llu", (unsigned long long)((UINT64_C(1) << bit) - 1));
        assert_holds(&b, expected);
    }
}

static void a_number_that_does_not_fit_writes_nothing(void **state)
{
    (void)state;
    struct mt_buf b = mt_buf(storage, 4);

    mt_buf_put_u64(&b, 9999);
    assert_holds(&b, "9999");
    assert_false(b.overflow);
    b = mt_buf(storage, 4);
    mt_buf_put_u64(&b, 10000);
    assert_int_equal(b.size, 0);
    assert_true(b.overflow);
}

static void a_time_is_written_in_rfc_3339(void **state)
{
    (void)state;
    static const struct {
        uint64_t time;
        const char *text;
    } cases[] = {
        {0, "1970-01-01T00:00:00.000000000Z"},
        {1, "1970-01-01T00:00:00.000000001Z"},
        {UINT64_C(951782399999999999), "2000-02-28T23:59:59.999999999Z"},
        {UINT64_C(951782400000000000), "2000-02-29T00:00:00.000000000Z"},
        {UINT64_C(1795354680123456789), "2026-11-22T13:38:00.123456789Z"},
        {UINT64_C(4107542400000000000), "2100-03-01T00:00:00.000000000Z"},
        {UINT64_C(18446744073709551615), "2554-07-21T23:34:33.709551615Z"},
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct mt_buf b = mt_buf(storage, sizeof(storage));
        mt_buf_put_time(&b, cases[i].time);
        assert_holds(&b, cases[i].text);
    }
}

static void every_day_to_the_year_2300_agrees_with_gmtime(void **state)
{
    (void)state;

    for (uint64_t day = 0; day < 330 * 366; day++) {
        time_t seconds = (time_t)(day * 86400 + day % 86400);
        char expected[64];
        struct tm tm;
        struct mt_buf b = mt_buf(storage, sizeof(storage));
        mt_buf_put_time(&b, (uint64_t)seconds * MT_SEC + 42);
        assert_non_null(gmtime_r(&seconds, &tm));
        strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%S.000000042Z", &tm);
        assert_holds(&b, expected);
    }
}

static void a_time_that_does_not_fit_writes_nothing(void **state)
{
    (void)state;
    struct mt_buf b = mt_buf(storage, 29);

    mt_buf_put_time(&b, 0);
    assert_int_equal(b.size, 0);
    assert_true(b.overflow);
    b = mt_buf(storage, 30);
    mt_buf_put_time(&b, 0);
    assert_int_equal(b.size, 30);
    assert_false(b.overflow);
}

static void hex_is_lower_case_and_whole_or_nothing(void **state)
{
    (void)state;
    struct mt_buf b = mt_buf(storage, 6);

    mt_buf_put_hex(&b, mt_span("\x00\xab\xff", 3));
    assert_holds(&b, "00abff");
    b = mt_buf(storage, 5);
    mt_buf_put_hex(&b, mt_span("\x00\xab\xff", 3));
    assert_int_equal(b.size, 0);
    assert_true(b.overflow);
}

static void appends_fit_whole_or_not_at_all_and_overflow_stays(void **state)
{
    (void)state;
    struct mt_buf b = mt_buf(storage, 5);

    mt_buf_put_cstr(&b, "abc");
    mt_buf_put_cstr(&b, "def");
    assert_holds(&b, "abc");
    assert_true(b.overflow);
    mt_buf_put_byte(&b, 'd');
    mt_buf_put_byte(&b, 'e');
    assert_holds(&b, "abcde");
    mt_buf_put_byte(&b, 'f');
    assert_holds(&b, "abcde");
    b = mt_buf(storage, 5);
    mt_buf_put_head(&b, mt_span_cstr("abcdefgh"));
    assert_holds(&b, "abcde");
    assert_true(b.overflow);
}

static void assert_escaped(struct mt_span in, const char *expected)
{
    struct mt_buf b = mt_buf(storage, sizeof(storage));

    mt_buf_put_escaped(&b, in);
    assert_false(b.overflow);
    assert_holds(&b, expected);
}

static void control_bytes_are_escaped_and_text_is_not(void **state)
{
    (void)state;
    assert_escaped(mt_span_cstr("RCPT TO:<\"a b\"@example.com>"), "RCPT TO:<\"a b\"@example.com>");
    assert_escaped(mt_span("a\0b\r\n\t\x1b[2J\x7f", 11), "a\\x00b\\x0d\\x0a\\x09\\x1b[2J\\x7f");
    assert_escaped(mt_span_cstr("back\\slash"), "back\\\\slash");
    assert_escaped(mt_span_none(), "");
}

static void utf8_passes_and_c1_and_broken_bytes_do_not(void **state)
{
    (void)state;
    assert_escaped(mt_span_cstr("gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xac"),
                   "gr\xc3\xbc\xc3\x9f \xe2\x82\xac \xf0\x9f\x93\xac");
    assert_escaped(mt_span_cstr("\xc2\xa0"), "\xc2\xa0");
    assert_escaped(mt_span_cstr("\xc2\x9b"
                                "31m"),
                   "\\xc2\\x9b31m"); /* CSI */
    assert_escaped(mt_span_cstr("\xff\xfe"), "\\xff\\xfe");
    assert_escaped(mt_span_cstr("\xc0\xaf"), "\\xc0\\xaf");          /* overlong */
    assert_escaped(mt_span_cstr("\xed\xa0\x80"), "\\xed\\xa0\\x80"); /* surrogate */
    assert_escaped(mt_span_cstr("end \xe2\x82"), "end \\xe2\\x82");  /* cut */
}

static void an_escape_that_meets_the_end_stops_before_it(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *whole;
    } cases[] = {
        {"ab\x01"
         "cd",
         "ab\\x01cd"},
        {"ab\\cd", "ab\\\\cd"},
        {"ab\xe2\x82\xac"
         "cd",
         "ab\xe2\x82\xac"
         "cd"},
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        size_t full = strlen(cases[i].whole);
        size_t unit = full - 4; /* the character between "ab" and "cd" */
        for (size_t cap = 0; cap <= full; cap++) {
            uint8_t *exact = malloc(cap + 1);
            exact[cap] = 0xee;
            struct mt_buf b = mt_buf(exact, cap);
            mt_buf_put_escaped(&b, mt_span_cstr(cases[i].in));
            size_t expected = cap > 2 && cap < 2 + unit ? 2 : cap;
            assert_int_equal(b.size, expected);
            assert_memory_equal(exact, cases[i].whole, expected);
            assert_int_equal(b.overflow, cap < full);
            assert_int_equal(exact[cap], 0xee);
            free(exact);
        }
    }
}

static void what_is_escaped_is_printable_whatever_went_in(void **state)
{
    (void)state;
    uint32_t random = 1;

    for (int round = 0; round < 2000; round++) {
        uint8_t in[100];
        uint8_t out[400];
        for (size_t i = 0; i < sizeof(in); i++) {
            random = random * 1664525 + 1013904223;
            in[i] = (uint8_t)(random >> 24);
        }
        struct mt_buf b = mt_buf(out, sizeof(out));
        mt_buf_put_escaped(&b, mt_span(in, (size_t)round % sizeof(in)));
        assert_false(b.overflow);
        for (size_t i = 0; i < b.size; i++) {
            assert_true(out[i] >= 0x20 && out[i] != 0x7f);
            if (out[i] == 0xc2)
                assert_true(out[i + 1] >= 0xa0);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_is_written_like_printf_writes_it),
        cmocka_unit_test(a_number_that_does_not_fit_writes_nothing),
        cmocka_unit_test(a_time_is_written_in_rfc_3339),
        cmocka_unit_test(every_day_to_the_year_2300_agrees_with_gmtime),
        cmocka_unit_test(a_time_that_does_not_fit_writes_nothing),
        cmocka_unit_test(hex_is_lower_case_and_whole_or_nothing),
        cmocka_unit_test(appends_fit_whole_or_not_at_all_and_overflow_stays),
        cmocka_unit_test(control_bytes_are_escaped_and_text_is_not),
        cmocka_unit_test(utf8_passes_and_c1_and_broken_bytes_do_not),
        cmocka_unit_test(an_escape_that_meets_the_end_stops_before_it),
        cmocka_unit_test(what_is_escaped_is_printable_whatever_went_in),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
