#include "base/codec.h"
#include "message/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define HUGE_SIZE (1u << 20)

static void assert_decoded_with(mt_message_convert *convert, const char *value, const char *expected)
{
    char storage[4096];
    struct mt_buf out = mt_buf(storage, sizeof(storage) - 1);

    mt_message_decode_words(mt_span_cstr(value), convert, NULL, &out);
    assert_false(out.overflow);
    storage[out.size] = '\0';
    assert_string_equal(storage, expected);
}

static void assert_decoded(const char *value, const char *expected)
{
    assert_decoded_with(NULL, value, expected);
}

static void text_without_words_stays(void **state)
{
    (void)state;
    assert_decoded("", "");
    assert_decoded("plain text", "plain text");
    assert_decoded("  blanks  stay ", "  blanks  stay ");
    assert_decoded("a = b? c=?", "a = b? c=?");
    assert_decoded("müller", "müller");
}

/* RFC 2047 §8. */
static void the_examples_of_the_rfc_decode(void **state)
{
    (void)state;
    assert_decoded("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>");
    assert_decoded("=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>",
                   "Keld Jørn Simonsen <keld@dkuug.dk>");
    assert_decoded("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\t=?ISO-8859-1?B?"
                   "dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
                   "If you can read this you understand the example.");
    assert_decoded("(=?ISO-8859-1?Q?a?=)", "(a)");
    assert_decoded("(=?ISO-8859-1?Q?a?= b)", "(a b)");
    assert_decoded("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)");
    assert_decoded("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)");
    assert_decoded("(=?ISO-8859-1?Q?a_b?=)", "(a b)");
    assert_decoded("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a =?ISO-8859-2?Q?_b?=)");
}

static void characters_split_over_words_are_joined(void **state)
{
    (void)state;
    assert_decoded("=?utf-8?Q?=E6=98?= =?UTF-8?B?kw==?=", "易");
    assert_decoded("=?utf-8?Q?=E6?==?utf-8?Q?=98?= =?utf-8?Q?=93?=", "易");
    assert_decoded("=?utf-8?Q?=E6=98?= x =?utf-8?Q?=93?=", "\uFFFD\uFFFD x \uFFFD");
    assert_decoded("=?utf-8?Q?=E6=98?= =?us-ascii?Q?a?=", "\uFFFD\uFFFD"
                                                          "a");
}

static void charsets_known_here_need_no_callback(void **state)
{
    (void)state;
    assert_decoded("=?utf8?q?=C3=BC?=", "ü");
    assert_decoded("=?iso-8859-1?q?=FC=80?=", "ü€");
    assert_decoded("=?ISO-8859-15?q?=A4=A6=A8=B4=B8=BC=BD=BE=FC?=", "€ŠšŽžŒœŸü");
    assert_decoded("=?windows-1252?q?=93=94=81?=", "“”\uFFFD");
    assert_decoded("=?us-ascii?q?=C3=BC=FF?=", "ü\uFFFD");
}

static void the_language_of_a_word_is_not_its_charset(void **state)
{
    (void)state;
    assert_decoded("=?utf-8*de-DE?Q?=C3=BC?= =?UTF-8*EN?Q?x?=", "üx");
    assert_decoded("=?*en?Q?x?=", "=?*en?Q?x?=");
}

static void words_that_cannot_be_decoded_stay_as_they_stood(void **state)
{
    static const char *const words[] = {
        "=?utf-8?Q?=Z0?=",
        "=?utf-8?Q?=0?=",
        "=?utf-8?Q?=?=",
        "=?utf-8?B?A?=",
        "=?utf-8?B?====?=",
        "=?utf-8?X?a?=",
        "=??Q?a?=",
        "=?utf-8?Q?a b",
        "=?utf-8?Q?a?b?=",
        "=?utf-8?Q?a?",
        "=?utf-8?Q",
        "=?utf-8??a?=",
        "=?u tf?Q?a?=",
        "=?unknown?Q?a=41?=",
        "=?unknown?B?YQ==?=",
        "=?",
        "=",
        "=?=?=?=?",
    };

    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(words); i++) {
        char value[128] = "a ";
        assert_decoded(words[i], words[i]);
        strcat(value, words[i]);
        strcat(value, " b");
        assert_decoded(value, value);
    }
    assert_decoded("=?utf-8?Q?a?= =?utf-8?Q?=Z0?= =?utf-8?Q?b?=", "a =?utf-8?Q?=Z0?= b");
    assert_decoded("=?x?Q?a?=  =?y?Q?b?= =?z?Q?c?=", "=?x?Q?a?=  =?y?Q?b?= =?z?Q?c?=");
    assert_decoded("=?utf-8?Q?a?= =?unknown?Q?b?= =?utf-8?Q?c?=", "a =?unknown?Q?b?= c");
}

static void other_bytes_become_replacement_characters(void **state)
{
    (void)state;
    assert_decoded("gr\xfc\xdf", "gr\uFFFD\uFFFD");
    assert_decoded("\xc3", "\uFFFD");
    assert_decoded("=?unknown?Q?\xfc?=", "=?unknown?Q?\uFFFD?=");
    assert_decoded("\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD");
}

static void words_inside_quotes_and_text_are_decoded_too(void **state)
{
    (void)state;
    assert_decoded("\"=?utf-8?Q?J=C3=BCrgen?=\" <j@d>", "\"Jürgen\" <j@d>");
    assert_decoded("Re:=?utf-8?Q?x?=y", "Re:xy");
    assert_decoded("=?utf-8?Q?a b?=", "a b");
}

static bool to_upper(void *ctx, struct mt_span charset, struct mt_span bytes, struct mt_buf *ret_utf8)
{
    (void)ctx;
    if (!mt_span_ieq_cstr(charset, "x-upper"))
        return false;
    for (size_t i = 0; i < bytes.size; i++)
        mt_buf_put_byte(ret_utf8, mt_ascii_upper(bytes.ptr[i]));
    return !ret_utf8->overflow;
}

static bool fail_after_writing(void *ctx, struct mt_span charset, struct mt_span bytes,
                               struct mt_buf *ret_utf8)
{
    (void)ctx;
    (void)charset;
    mt_buf_put_span(ret_utf8, bytes);
    return false;
}

static bool give_raw_bytes(void *ctx, struct mt_span charset, struct mt_span bytes, struct mt_buf *ret_utf8)
{
    (void)ctx;
    (void)charset;
    mt_buf_put_span(ret_utf8, bytes);
    return true;
}

static void other_charsets_go_to_the_callback(void **state)
{
    (void)state;
    assert_decoded_with(to_upper, "=?x-upper?Q?a?= =?X-Upper?B?Yg==?= c", "AB c");
    assert_decoded_with(to_upper, "=?x-lower?Q?a?=", "=?x-lower?Q?a?=");
    assert_decoded_with(fail_after_writing, "=?x?Q?a=41?= b", "=?x?Q?a=41?= b");
    assert_decoded_with(give_raw_bytes, "=?x?Q?=FF?= b", "=?x?Q?=FF?= b");
}

static void an_output_too_small_holds_a_valid_head_of_the_text(void **state)
{
    static const char value[] =
        "\xc3\xbc\xff=?utf-8?Q?=E6=98=93?= =?iso-8859-1?Q?=FC=FC?= =?x-upper?Q?abc?= ende \xe6\x98\x93";
    char whole[256];
    struct mt_buf all = mt_buf(whole, sizeof(whole));

    (void)state;
    mt_message_decode_words(mt_span_cstr(value), to_upper, NULL, &all);
    assert_false(all.overflow);
    for (size_t cap = 0; cap < all.size; cap++) {
        uint8_t *storage = malloc(cap + 1);
        struct mt_buf out = mt_buf(storage, cap);
        assert_non_null(storage);
        mt_message_decode_words(mt_span_cstr(value), to_upper, NULL, &out);
        assert_true(out.overflow);
        assert_true(mt_utf8_valid(mt_buf_span(&out)));
        free(storage);
    }
}

static void what_stood_in_the_output_stays(void **state)
{
    char storage[64];
    struct mt_buf out = mt_buf(storage, sizeof(storage));

    (void)state;
    mt_buf_put_cstr(&out, "Subject: ");
    mt_message_decode_words(mt_span_cstr("=?utf-8?Q?a?="), NULL, NULL, &out);
    assert_true(mt_span_eq(mt_buf_span(&out), mt_span_cstr("Subject: a")));
}

/* More decoded bytes than one field can hold, so more than one run's room. */
static void runs_longer_than_a_field_are_decoded(void **state)
{
    enum { WORDS = 400 };
    char *value = malloc(WORDS * 32);
    char *storage = malloc(WORDS * 32);
    struct mt_buf out = mt_buf(storage, WORDS * 32);
    size_t size = 0;

    (void)state;
    assert_non_null(value);
    assert_non_null(storage);
    for (int i = 0; i < WORDS; i++) {
        memcpy(value + size, "=?utf-8?Q?0123456789?= ", 23);
        size += 23;
    }
    mt_message_decode_words(mt_span(value, size), NULL, NULL, &out);
    assert_false(out.overflow);
    assert_int_equal(out.size, WORDS * 10 + 1); /* the blank behind the last word */
    free(value);
    free(storage);
}

/* Quadratic would not end within the time that a test has. */
static void hostile_values_cost_linear_time(void **state)
{
    static const char *const patterns[] = {
        "=?", "=", "=?a?q?", "=?a?q?=", "=?utf-8?q?a?= ", "=?a?q?b?=", "=?utf-8?b?*?=", "=?a*b?q?c?= "};
    char *text = malloc(HUGE_SIZE);
    char *storage = malloc(4 * HUGE_SIZE);

    (void)state;
    assert_non_null(text);
    assert_non_null(storage);
    for (size_t i = 0; i < MT_ARRAY_COUNT(patterns); i++) {
        size_t size = strlen(patterns[i]);
        struct mt_buf out = mt_buf(storage, 4 * HUGE_SIZE);
        for (size_t at = 0; at < HUGE_SIZE; at++)
            text[at] = patterns[i][at % size];
        mt_message_decode_words(mt_span(text, HUGE_SIZE), NULL, NULL, &out);
        assert_true(mt_utf8_valid(mt_buf_span(&out)));
    }
    free(text);
    free(storage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_without_words_stays),
        cmocka_unit_test(the_examples_of_the_rfc_decode),
        cmocka_unit_test(characters_split_over_words_are_joined),
        cmocka_unit_test(charsets_known_here_need_no_callback),
        cmocka_unit_test(the_language_of_a_word_is_not_its_charset),
        cmocka_unit_test(words_that_cannot_be_decoded_stay_as_they_stood),
        cmocka_unit_test(other_bytes_become_replacement_characters),
        cmocka_unit_test(words_inside_quotes_and_text_are_decoded_too),
        cmocka_unit_test(other_charsets_go_to_the_callback),
        cmocka_unit_test(an_output_too_small_holds_a_valid_head_of_the_text),
        cmocka_unit_test(what_stood_in_the_output_stays),
        cmocka_unit_test(runs_longer_than_a_field_are_decoded),
        cmocka_unit_test(hostile_values_cost_linear_time),
    };
    return cmocka_run_group_tests_name("message words", tests, NULL, NULL);
}
