#include "message/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SHORT_MAX 7
#define LOG_MAX 256

/* The events, one byte after the other: N name : value [!] and # for anomalies. */
struct seen {
    uint8_t log[LOG_MAX];
    size_t size;
    unsigned fields;
    size_t value_size; /* of the last field */
    bool is_cut;
    unsigned anomalies;
    enum mt_anomaly anomaly;
};

static void put(struct seen *s, struct mt_span bytes)
{
    bytes = mt_span_head(bytes, sizeof(s->log) - s->size);
    if (bytes.size > 0)
        memcpy(s->log + s->size, bytes.ptr, bytes.size);
    s->size += bytes.size;
}

static void on_field(void *ctx, struct mt_span name, struct mt_span value, bool is_cut)
{
    struct seen *s = ctx;

    assert_true(name.size > 0);
    put(s, mt_span_cstr("N"));
    put(s, name);
    put(s, mt_span_cstr(":"));
    put(s, value);
    put(s, mt_span_cstr(is_cut ? "!\n" : "\n"));
    s->fields++;
    s->value_size = value.size;
    s->is_cut = is_cut;
}

static void on_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    struct seen *s = ctx;

    put(s, mt_span_cstr("#"));
    s->anomalies++;
    s->anomaly = anomaly;
}

static const struct mt_message_events events = {.field = on_field, .anomaly = on_anomaly};

/* Parses bytes cut at `cut`, each piece in a block of its own size. True: the
 * header ended within them. */
static bool parse(struct mt_message_header *header, struct mt_span bytes, size_t cut, struct seen *s)
{
    struct mt_span pieces[] = {mt_span_head(bytes, cut), mt_span_from(bytes, cut)};

    for (size_t i = 0; i < MT_ARRAY_COUNT(pieces); i++) {
        if (pieces[i].size == 0)
            continue;
        uint8_t *copy = malloc(pieces[i].size);
        assert_non_null(copy);
        memcpy(copy, pieces[i].ptr, pieces[i].size);
        bool goes_on = mt_message_header_parse(header, mt_span(copy, pieces[i].size), &events, s);
        free(copy);
        if (!goes_on)
            return true;
    }
    return false;
}

static void parse_whole(struct mt_span bytes, size_t cut, struct seen *ret_seen)
{
    struct mt_message_header header;

    *ret_seen = (struct seen){0};
    mt_message_header_start(&header);
    parse(&header, bytes, cut, ret_seen);
    mt_message_header_finish(&header, &events, ret_seen);
}

static void assert_fields(const char *text, const char *expected)
{
    struct seen s;

    parse_whole(mt_span_cstr(text), SIZE_MAX, &s);
    assert_int_equal(s.size, strlen(expected));
    assert_memory_equal(s.log, expected, s.size);
}

static void fields_are_unfolded_and_trimmed(void **state)
{
    (void)state;
    assert_fields("A: b\r\n\r\nC: d\r\n", "NA:b\n");
    assert_fields("A:b\r\nB:\t c \r\n", "NA:b\nNB:c\n");
    assert_fields("A: b\r\n  c\r\n\td\r\nE: f", "NA:b  c\td\nNE:f\n");
    assert_fields("A:\r\n b\r\n \r\n\r\n", "NA:b\n");
    assert_fields("A: b\n c\n\nD: e\n", "NA:b c\n");
    assert_fields("A \t: b\r\n", "NA:b\n");
    assert_fields("A: b: c\r\n", "NA:b: c\n");
    assert_fields("A:\r\n\r\n", "NA:\n");
}

static void a_line_that_is_no_field_ends_the_header(void **state)
{
    (void)state;
    assert_fields("A: b\r\nno field\r\nC: d\r\n", "NA:b\n");
    assert_fields("A: b\r\nno field", "NA:b\n");
    assert_fields("A: b\r\nno name: c\r\nD: e\r\n", "NA:b\n");
    assert_fields("A: b\r\n: c\r\nD: e\r\n", "NA:b\n");
    assert_fields("A: b\r\nC\x80: d\r\n", "NA:b\n");
    assert_fields(" A: b\r\nC: d\r\n", "");
    assert_fields("From a@b Mon Jan  1 00:00:00 2026\r\nA: b\r\n", "");
    assert_fields("A: b\r\n\rC: d\r\n", "NA:b\n");
    assert_fields("", "");
}

static void a_nul_is_an_anomaly_and_part_of_its_value(void **state)
{
    static const char in_value[] = "A: b\0c\r\nD: e\r\n";
    static const char in_name[] = "A\0B: c\r\nD: e\r\n";
    struct seen s;

    (void)state;
    parse_whole(mt_span(in_value, sizeof(in_value) - 1), SIZE_MAX, &s);
    assert_int_equal(s.fields, 2);
    assert_int_equal(s.anomalies, 1);
    assert_int_equal(s.anomaly, MT_ANOMALY_CONTENT_NUL);
    parse_whole(mt_span(in_name, sizeof(in_name) - 1), SIZE_MAX, &s);
    assert_int_equal(s.fields, 0);
    assert_int_equal(s.anomaly, MT_ANOMALY_CONTENT_NUL);
}

static void every_short_header_cut_anywhere_gives_the_same_fields(void **state)
{
    static const char alphabet[] = "a: \r\n\0b";
    const uint32_t letters = 7;
    uint32_t count = 1;

    (void)state;
    for (size_t size = 1; size <= SHORT_MAX; size++) {
        count *= letters;
        for (uint32_t number = 0; number < count; number++) {
            char text[SHORT_MAX];
            uint32_t rest = number;
            for (size_t i = 0; i < size; i++, rest /= letters)
                text[i] = alphabet[rest % letters];
            struct seen expected;
            parse_whole(mt_span(text, size), size, &expected);
            for (size_t cut = 1; cut < size; cut++) {
                struct seen got;
                parse_whole(mt_span(text, size), cut, &got);
                assert_int_equal(got.size, expected.size);
                assert_memory_equal(got.log, expected.log, expected.size);
            }
        }
    }
}

/* "A: aaa...", size bytes without its line end. */
static size_t make_field(uint8_t *at, size_t size, const char *end)
{
    memset(at, 'a', size);
    memcpy(at, "A: ", 3);
    memcpy(at + size, end, strlen(end));
    return size + strlen(end);
}

static void a_field_over_the_limit_is_cut_the_same_way_wherever_it_stands(void **state)
{
    uint8_t text[MT_MESSAGE_FIELD_MAX + 64];

    (void)state;
    for (size_t size = MT_MESSAGE_FIELD_MAX - 2; size <= MT_MESSAGE_FIELD_MAX + 2; size++) {
        size_t all = make_field(text, size, "\r\nB: c\r\n");
        bool is_cut = size > MT_MESSAGE_FIELD_MAX;
        for (size_t cut = size - 3; cut <= all; cut++) {
            struct seen s = {0};
            struct mt_message_header header;
            mt_message_header_start(&header);
            assert_false(parse(&header, mt_span(text, all), cut, &s));
            assert_int_equal(s.fields, 1); /* of B the next line is not there yet */
            assert_int_equal(s.is_cut, is_cut);
            assert_int_equal(s.value_size, (is_cut ? MT_MESSAGE_FIELD_MAX : size) - 3);
            assert_int_equal(s.anomalies, is_cut);
            mt_message_header_finish(&header, &events, &s);
            assert_int_equal(s.fields, 2);
        }
    }
}

static void a_name_without_colon_within_the_limit_is_no_field(void **state)
{
    uint8_t text[MT_MESSAGE_FIELD_MAX + 64];
    struct seen s;

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text + MT_MESSAGE_FIELD_MAX, ": b\r\nC: d\r\n", 11);
    parse_whole(mt_span(text, MT_MESSAGE_FIELD_MAX + 11), SIZE_MAX, &s);
    assert_int_equal(s.fields, 0);
    memcpy(text + MT_MESSAGE_FIELD_MAX - 1, ": b\r\nC: d\r\n", 11);
    parse_whole(mt_span(text, MT_MESSAGE_FIELD_MAX + 10), SIZE_MAX, &s);
    assert_int_equal(s.fields, 2);
}

static void the_header_ends_at_its_limit(void **state)
{
    size_t all = MT_MESSAGE_HEADER_MAX + 4096;
    uint8_t *text = malloc(all);
    static const size_t cuts[] = {1, 4096, MT_MESSAGE_HEADER_MAX - 1, MT_MESSAGE_HEADER_MAX,
                                  MT_MESSAGE_HEADER_MAX + 1};

    (void)state;
    assert_non_null(text);
    for (size_t at = 0; at + 16 <= all; at += 16)
        memcpy(text + at, "Field: 1234567\r\n", 16);
    for (size_t i = 0; i < MT_ARRAY_COUNT(cuts); i++) {
        struct seen s = {0};
        struct mt_message_header header;
        mt_message_header_start(&header);
        assert_true(parse(&header, mt_span(text, all), cuts[i], &s));
        assert_int_equal(s.fields, MT_MESSAGE_HEADER_MAX / 16);
        assert_true(s.is_cut); /* whether the last one goes on is not known */
        assert_false(parse(&header, mt_span_none(), 0, &s));
        assert_false(mt_message_header_parse(&header, mt_span(text, 32), &events, &s));
        mt_message_header_finish(&header, &events, &s);
        assert_int_equal(s.fields, MT_MESSAGE_HEADER_MAX / 16);
    }
    free(text);
}

static void a_field_with_its_end_in_sight_is_not_copied(void **state)
{
    static const char text[] = "Subject: here\r\nB: c\r\n";
    struct mt_message_header header;
    struct seen s = {0};

    (void)state;
    memset(&header, 0xee, sizeof(header));
    mt_message_header_start(&header);
    mt_message_header_parse(&header, mt_span(text, strlen(text)), &events, &s);
    assert_int_equal(s.fields, 1);
    assert_memory_equal(header.field, "B: c\xee", 5); /* only the one that may go on */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_unfolded_and_trimmed),
        cmocka_unit_test(a_line_that_is_no_field_ends_the_header),
        cmocka_unit_test(a_nul_is_an_anomaly_and_part_of_its_value),
        cmocka_unit_test(every_short_header_cut_anywhere_gives_the_same_fields),
        cmocka_unit_test(a_field_over_the_limit_is_cut_the_same_way_wherever_it_stands),
        cmocka_unit_test(a_name_without_colon_within_the_limit_is_no_field),
        cmocka_unit_test(the_header_ends_at_its_limit),
        cmocka_unit_test(a_field_with_its_end_in_sight_is_not_copied),
    };
    return cmocka_run_group_tests_name("message header", tests, NULL, NULL);
}
