#include "message/find.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define WIDE(charset, bytes) decoded(charset, mt_span(bytes, sizeof(bytes) - 1))

/* Whole, and in pieces of any size, into room of any size. */
static const char *decoded(const char *charset, struct mt_span bytes)
{
    static char text[512];
    char again[512];

    for (size_t step = bytes.size + 1; step > 0; step--) {
        for (size_t room = 8; room < 40; room += 7) {
            struct mt_wide wide;
            struct mt_span rest = bytes;
            size_t size = 0;
            assert_true(mt_wide_start(&wide, mt_span_cstr(charset)));
            while (rest.size > 0) {
                uint8_t storage[64];
                struct mt_buf out = mt_buf(storage, room);
                size_t taken = mt_wide_take(&wide, mt_span_head(rest, step), &out);
                assert_true(taken > 0);
                assert_false(out.overflow);
                assert_true(size + out.size < sizeof(again));
                memcpy(again + size, storage, out.size);
                size += out.size;
                rest = mt_span_from(rest, taken);
            }
            again[size] = 0;
            if (step > bytes.size && room == 8)
                memcpy(text, again, size + 1);
            assert_string_equal(text, again);
        }
    }
    return text;
}

static void both_orders_are_read(void **state)
{
    (void)state;
    assert_string_equal(WIDE("utf-16le", "h\0t\0t\0p\0"), "http");
    assert_string_equal(WIDE("UTF-16BE", "\0h\0t\0t\0p"), "http");
}

static void a_mark_tells_the_order_and_is_no_text(void **state)
{
    (void)state;
    assert_string_equal(WIDE("utf-16", "\xff\xfeh\0i\0"), "hi");
    assert_string_equal(WIDE("utf-16", "\xfe\xff\0h\0i"), "hi");
}

static void without_a_mark_the_first_letter_tells(void **state)
{
    (void)state;
    assert_string_equal(WIDE("utf-16", "h\0i\0"), "hi");
    assert_string_equal(WIDE("utf-16", "\0h\0i"), "hi");
    assert_string_equal(WIDE("utf-16", "\x4e\x2d\0i"), "\xe4\xb8\xad"
                                                       "i"); /* RFC 2781 §4.3: big-endian */
}

/* The example of RFC 2781 §5: U+12345, "=", R, a. */
static void the_example_of_the_rfc_is_read(void **state)
{
    (void)state;
    assert_string_equal(WIDE("utf-16be", "\xd8\x08\xdf\x45\0=\0R\0a"), "\xf0\x92\x8d\x85=Ra");
    assert_string_equal(WIDE("utf-16le", "\x08\xd8\x45\xdf=\0R\0a\0"), "\xf0\x92\x8d\x85=Ra");
}

static void halves_of_pairs_alone_are_replaced(void **state)
{
    (void)state;
    assert_string_equal(WIDE("utf-16be", "\xd8\x08\0a"), "\xef\xbf\xbd"
                                                         "a");
    assert_string_equal(WIDE("utf-16be", "\xdf\x45\0a"), "\xef\xbf\xbd"
                                                         "a");
    assert_string_equal(WIDE("utf-16be", "\xd8\x08\xd8\x08\xdf\x45"), "\xef\xbf\xbd\xf0\x92\x8d\x85");
    assert_string_equal(WIDE("utf-16be", "\0a\xd8"), "a");
}

static void other_charsets_are_not_wide(void **state)
{
    static const char *const names[] = {"", "utf-8", "utf-16x", "utf-1", "us-ascii", "utf-32"};
    struct mt_wide wide;
    (void)state;

    for (size_t i = 0; i < MT_ARRAY_COUNT(names); i++)
        assert_false(mt_wide_start(&wide, mt_span_cstr(names[i])));
    assert_false(mt_wide_start(&wide, mt_span_none()));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_orders_are_read),
        cmocka_unit_test(a_mark_tells_the_order_and_is_no_text),
        cmocka_unit_test(without_a_mark_the_first_letter_tells),
        cmocka_unit_test(the_example_of_the_rfc_is_read),
        cmocka_unit_test(halves_of_pairs_alone_are_replaced),
        cmocka_unit_test(other_charsets_are_not_wide),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
