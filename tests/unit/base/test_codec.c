#include "base/codec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_decodes(const char *text, const char *expected, size_t size)
{
    uint8_t storage[64];
    struct mt_buf b = mt_buf(storage, sizeof(storage));

    if (!mt_base64_decode(mt_span_cstr(text), &b))
        fail_msg("refused: %s", text);
    assert_int_equal(b.size, size);
    assert_memory_equal(storage, expected, size);
}

static void the_vectors_of_rfc_4648_decode(void **state)
{
    (void)state;
    assert_decodes("", "", 0);
    assert_decodes("Zg==", "f", 1);
    assert_decodes("Zm8=", "fo", 2);
    assert_decodes("Zm9v", "foo", 3);
    assert_decodes("Zm9vYg==", "foob", 4);
    assert_decodes("Zm9vYmE=", "fooba", 5);
    assert_decodes("Zm9vYmFy", "foobar", 6);
    assert_decodes("AGEAYg==", "\0a\0b", 4);
    assert_decodes("+/8=", "\xfb\xff", 2);
}

static void missing_padding_is_forgiven(void **state)
{
    (void)state;
    assert_decodes("Zg", "f", 1);
    assert_decodes("Zg=", "f", 1);
    assert_decodes("Zm8", "fo", 2);
}

static void what_is_not_base64_leaves_the_output_alone(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "A", "Zm9vY", "Zm9v=", "Zm9v==",   "Zm8==", "Zg===",    "Z===",
        "=", "==",    "Zm 9v", "Zm9v\r\n", "Zm-_",  "Zg==Zg==", "*",
    };
    uint8_t storage[16];

    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct mt_buf b = mt_buf(storage, sizeof(storage));
        mt_buf_put_cstr(&b, "keep");
        if (mt_base64_decode(mt_span_cstr(cases[i]), &b))
            fail_msg("decoded: %s", cases[i]);
        assert_int_equal(b.size, 4);
        assert_false(b.overflow);
        assert_memory_equal(storage, "keep", 4);
    }
}

static void an_output_that_does_not_fit_is_refused_whole(void **state)
{
    (void)state;
    uint8_t storage[6] = "......";
    struct mt_buf b = mt_buf(storage, 5);

    assert_false(mt_base64_decode(mt_span_cstr("Zm9vYmFy"), &b));
    assert_int_equal(b.size, 0);
    assert_memory_equal(storage, "......", 6);
    b = mt_buf(storage, 6);
    assert_true(mt_base64_decode(mt_span_cstr("Zm9vYmFy"), &b));
}

static void every_byte_value_comes_back_from_base64(void **state)
{
    (void)state;
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (unsigned c = 0; c < 256; c++) {
        char text[5] = {alphabet[c >> 2], alphabet[(c & 3) << 4], '=', '=', 0};
        char byte = (char)c;
        assert_decodes(text, &byte, 1);
    }
}

/* RFC 3629 by the number of the character instead of by byte ranges. */
static size_t utf8_reference(const uint8_t *p, size_t size)
{
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    size_t need = p[0] < 0x80 ? 1 : p[0] >> 5 == 6 ? 2 : p[0] >> 4 == 14 ? 3 : p[0] >> 3 == 30 ? 4 : 0;
    if (need == 0 || need > size)
        return 0;
    if (need == 1)
        return 1;
    uint32_t c = p[0] & (0x7fu >> need);
    for (size_t i = 1; i < need; i++) {
        if (p[i] >> 6 != 2)
            return 0;
        c = c << 6 | (p[i] & 0x3f);
    }
    return c < least[need] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) ? 0 : need;
}

static void every_pair_and_border_of_utf8_agrees_with_the_definition(void **state)
{
    (void)state;
    static const uint8_t tails[] = {0x00, 0x41, 0x7f, 0x80, 0xbf, 0xc0, 0xff};

    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second++) {
            for (size_t i = 0; i < sizeof(tails); i++) {
                for (size_t j = 0; j < sizeof(tails); j++) {
                    uint8_t bytes[4] = {(uint8_t)first, (uint8_t)second, tails[i], tails[j]};
                    for (size_t size = 1; size <= 4; size++)
                        assert_int_equal(mt_utf8_char(mt_span(bytes, size)), utf8_reference(bytes, size));
                }
            }
        }
    }
    assert_int_equal(mt_utf8_char(mt_span_none()), 0);
}

static void every_code_point_is_written_as_it_is_read(void **state)
{
    (void)state;

    for (uint32_t c = 0; c < 0x110000; c++) {
        uint8_t storage[4];
        struct mt_buf b = mt_buf(storage, sizeof(storage));
        mt_utf8_put(&b, c);
        bool is_surrogate = c >= 0xd800 && c < 0xe000;
        assert_int_equal(mt_utf8_char(mt_buf_span(&b)), b.size);
        if (is_surrogate)
            assert_memory_equal(storage, "\xef\xbf\xbd", 3);
    }
    uint8_t storage[4];
    struct mt_buf b = mt_buf(storage, sizeof(storage));
    mt_utf8_put(&b, 0x110000);
    assert_memory_equal(storage, "\xef\xbf\xbd", 3);
    b = mt_buf(storage, 2);
    mt_utf8_put(&b, 0x20ac);
    assert_int_equal(b.size, 0);
    assert_true(b.overflow);
}

static void one_broken_byte_anywhere_makes_a_text_invalid(void **state)
{
    (void)state;
    static const char text[] =
        "plain ascii, then gr\xc3\xbc\xc3\x9f\x65 \xe2\x82\xac and \xf0\x9f\x93\xac at the end";
    size_t size = sizeof(text) - 1;

    assert_true(mt_utf8_valid(mt_span(text, size)));
    assert_true(mt_utf8_valid(mt_span_none()));
    for (size_t i = 0; i < size; i++) {
        uint8_t *exact = malloc(size);
        memcpy(exact, text, size);
        exact[i] = 0xff;
        assert_false(mt_utf8_valid(mt_span(exact, size)));
        free(exact);
    }
    for (size_t cut = 0; cut <= size; cut++) {
        bool inside = cut < size && ((uint8_t)text[cut] & 0xc0) == 0x80;
        uint8_t *exact = malloc(cut + 1);
        memcpy(exact, text, cut);
        assert_int_equal(mt_utf8_valid(mt_span(exact, cut)), !inside);
        free(exact);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_vectors_of_rfc_4648_decode),
        cmocka_unit_test(missing_padding_is_forgiven),
        cmocka_unit_test(what_is_not_base64_leaves_the_output_alone),
        cmocka_unit_test(an_output_that_does_not_fit_is_refused_whole),
        cmocka_unit_test(every_byte_value_comes_back_from_base64),
        cmocka_unit_test(every_pair_and_border_of_utf8_agrees_with_the_definition),
        cmocka_unit_test(every_code_point_is_written_as_it_is_read),
        cmocka_unit_test(one_broken_byte_anywhere_makes_a_text_invalid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
