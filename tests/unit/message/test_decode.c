/* The decoders of parts, each against known vectors, whole and cut at every
 * octet, with little room; and what they say of broken input. */
#include "message/decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define OUT_MAX 4096

struct result {
    uint8_t bytes[OUT_MAX];
    size_t size;
    bool is_broken;
};

static void keep(struct result *result, const struct mt_buf *out)
{
    assert_false(out->overflow);
    assert_true(result->size + out->size <= OUT_MAX);
    memcpy(result->bytes + result->size, out->ptr, out->size);
    result->size += out->size;
}

/* Pieces of piece octets, each in a block of its own, into room octets. */
static void decode(enum mt_mime_encoding encoding, struct mt_span text, size_t piece, size_t room,
                   struct result *result)
{
    struct mt_decode state;
    uint8_t *storage = malloc(room);

    assert_non_null(storage);
    result->size = 0;
    mt_decode_start(&state, encoding);
    while (text.size > 0) {
        struct mt_span head = mt_span_head(text, piece);
        uint8_t *copy = malloc(head.size);
        assert_non_null(copy);
        memcpy(copy, head.ptr, head.size);
        struct mt_span rest = mt_span(copy, head.size);
        while (rest.size > 0) {
            struct mt_buf out = mt_buf(storage, room);
            size_t taken = mt_decode(&state, rest, &out);
            assert_in_range(taken, 1, rest.size);
            rest = mt_span_from(rest, taken);
            keep(result, &out);
        }
        free(copy);
        text = mt_span_from(text, head.size);
    }
    struct mt_buf out = mt_buf(storage, room);
    mt_decode_finish(&state, &out);
    keep(result, &out);
    result->is_broken = state.is_broken;
    free(storage);
}

static void expect(enum mt_mime_encoding encoding, const char *text, const char *plain, bool is_broken)
{
    static struct result result;
    size_t size = strlen(text);

    for (size_t piece = 1; piece <= size + 1; piece++) {
        for (size_t room = MT_DECODE_ROOM; room <= OUT_MAX; room += OUT_MAX - MT_DECODE_ROOM) {
            decode(encoding, mt_span(text, size), piece, room, &result);
            assert_int_equal(result.size, strlen(plain));
            assert_memory_equal(result.bytes, plain, result.size);
            assert_int_equal(result.is_broken, is_broken);
        }
    }
}

/* --- base64 ----------------------------------------------------------------- */

static void base64_decodes_the_vectors_of_rfc_4648(void **state)
{
    (void)state;
    expect(MT_MIME_BASE64, "", "", false);
    expect(MT_MIME_BASE64, "Zg==", "f", false);
    expect(MT_MIME_BASE64, "Zm8=", "fo", false);
    expect(MT_MIME_BASE64, "Zm9v", "foo", false);
    expect(MT_MIME_BASE64, "Zm9vYg==", "foob", false);
    expect(MT_MIME_BASE64, "Zm9vYmE=", "fooba", false);
    expect(MT_MIME_BASE64, "Zm9vYmFy", "foobar", false);
}

static void base64_passes_over_line_ends_and_missing_padding(void **state)
{
    (void)state;
    expect(MT_MIME_BASE64, "Zm9\r\nvYmF\r\n\t y\r\n", "foobar", false);
    expect(MT_MIME_BASE64, "Zm9vYg", "foob", true);
    expect(MT_MIME_BASE64, "Zm9vY", "foo", true);
}

static void base64_decodes_on_behind_padding_and_says_so(void **state)
{
    (void)state;
    expect(MT_MIME_BASE64, "Zg==Zm9v", "ffoo", true);
    expect(MT_MIME_BASE64, "Zm9v=", "foo", true);
    expect(MT_MIME_BASE64, "Zm*9v", "foo", true);
    expect(MT_MIME_BASE64, "Zm9v\x80", "foo", true);
}

/* Every octet at every place of a vector: what is no octet of the alphabet ends
 * the run, and nothing is taken for another. */
static void vectors_decode_as_single_octets_do(void **state)
{
    (void)state;
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    static struct result whole, single;

    for (unsigned byte = 0; byte < 256; byte++) {
        for (size_t at = 0; at < 70; at++) {
            uint8_t text[97];
            for (size_t i = 0; i < sizeof(text); i++)
                text[i] = (uint8_t)alphabet[(i * 7 + at) % 64];
            text[at] = (uint8_t)byte;
            decode(MT_MIME_BASE64, mt_span(text, sizeof(text)), sizeof(text), OUT_MAX, &whole);
            decode(MT_MIME_BASE64, mt_span(text, sizeof(text)), 1, OUT_MAX, &single);
            assert_int_equal(whole.size, single.size);
            assert_memory_equal(whole.bytes, single.bytes, whole.size);
            assert_int_equal(whole.is_broken, single.is_broken);
        }
    }
}

/* --- quoted-printable ------------------------------------------------------- */

static void quoted_printable_decodes_escapes_and_soft_line_ends(void **state)
{
    (void)state;
    expect(MT_MIME_QUOTED_PRINTABLE, "caf=C3=a9 =3D", "caf\xc3\xa9 =", false);
    expect(MT_MIME_QUOTED_PRINTABLE, "one=\r\ntwo=\nthree=  \t\r\nfour", "onetwothreefour", false);
    expect(MT_MIME_QUOTED_PRINTABLE, "line\r\nline\nend=", "line\r\nline\nend", false);
}

static void quoted_printable_drops_the_blanks_at_the_end_of_lines(void **state)
{
    (void)state;
    expect(MT_MIME_QUOTED_PRINTABLE, "a  \t\r\n b \n\r\nc  ", "a\r\n b\n\r\nc", false);
    expect(MT_MIME_QUOTED_PRINTABLE, "kept=20 \r\n", "kept \r\n", false);
    expect(MT_MIME_QUOTED_PRINTABLE, "a \r b\r\r\n", "a \r b\r\r\n", false);
}

static void quoted_printable_keeps_more_blanks_than_a_line_may_have(void **state)
{
    (void)state;
    char text[MT_DECODE_HELD + 4], most[MT_DECODE_HELD + 3];

    memset(text, ' ', sizeof(text));
    memset(most, ' ', sizeof(most));
    memcpy(text + MT_DECODE_HELD + 1, "\r\n", 3);
    expect(MT_MIME_QUOTED_PRINTABLE, text, text, false);
    memcpy(most + MT_DECODE_HELD, "\r\n", 3);
    expect(MT_MIME_QUOTED_PRINTABLE, most, "\r\n", false);
}

static void an_escape_that_is_none_stands_for_itself(void **state)
{
    (void)state;
    expect(MT_MIME_QUOTED_PRINTABLE, "=ZZ =A =4\r\nx", "=ZZ =A =4\r\nx", true);
    expect(MT_MIME_QUOTED_PRINTABLE, "==41", "=A", true);
    expect(MT_MIME_QUOTED_PRINTABLE, "= a=\rb", "= a=\rb", true);
    expect(MT_MIME_QUOTED_PRINTABLE, "a=4", "a=4", true);
}

/* --- uuencode --------------------------------------------------------------- */

static void uuencode_decodes_what_stands_between_begin_and_end(void **state)
{
    (void)state;
    expect(MT_MIME_UUENCODE, "words\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\nwords #\r\n", "Cat", false);
    expect(MT_MIME_UUENCODE, "begin 644 a\n$86)C9 \n \nend\n", "abcd", false);
}

static void uuencode_takes_missing_characters_for_zeros(void **state)
{
    (void)state;
    static struct result result;
    static const char text[] = "begin 644 a\r\n$86)C\r\n`\r\nend\r\n";

    decode(MT_MIME_UUENCODE, mt_span_cstr(text), 3, OUT_MAX, &result);
    assert_int_equal(result.size, 4);
    assert_memory_equal(result.bytes, "abc\0", 4);
}

static void uuencode_without_begin_or_end_is_broken(void **state)
{
    (void)state;
    expect(MT_MIME_UUENCODE, "#0V%T\r\n", "", true);
    expect(MT_MIME_UUENCODE, "begin 644 a\r\n#0V%T\r\n", "Cat", true);
    expect(MT_MIME_UUENCODE, "begin 644 a\r\n#0V%T", "Cat", true);
}

static void anything_else_stands_for_itself(void **state)
{
    (void)state;
    expect(MT_MIME_8BIT, "as =3D it is\r\n", "as =3D it is\r\n", false);
    expect(MT_MIME_OTHER, "Zg==", "Zg==", false);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64_decodes_the_vectors_of_rfc_4648),
        cmocka_unit_test(base64_passes_over_line_ends_and_missing_padding),
        cmocka_unit_test(base64_decodes_on_behind_padding_and_says_so),
        cmocka_unit_test(vectors_decode_as_single_octets_do),
        cmocka_unit_test(quoted_printable_decodes_escapes_and_soft_line_ends),
        cmocka_unit_test(quoted_printable_drops_the_blanks_at_the_end_of_lines),
        cmocka_unit_test(quoted_printable_keeps_more_blanks_than_a_line_may_have),
        cmocka_unit_test(an_escape_that_is_none_stands_for_itself),
        cmocka_unit_test(uuencode_decodes_what_stands_between_begin_and_end),
        cmocka_unit_test(uuencode_takes_missing_characters_for_zeros),
        cmocka_unit_test(uuencode_without_begin_or_end_is_broken),
        cmocka_unit_test(anything_else_stands_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
