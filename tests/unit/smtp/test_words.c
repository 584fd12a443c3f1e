/* The lists of verbs and keywords, and the arguments of MAIL and RCPT where a
 * dialogue can't show it. */
#include "smtp/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define HUGE_SIZE (1u << 20)

static void every_verb_is_found_in_any_case(void **state)
{
    (void)state;
    for (unsigned verb = 0; verb < MT_VERB_UNKNOWN; verb++) {
        struct mt_span wire = mt_span_cstr(mt_smtp_verb_wire((enum mt_smtp_verb)verb));
        uint8_t mixed[32];
        assert_true(wire.size > 0 && wire.size < sizeof(mixed));
        for (size_t i = 0; i < wire.size; i++)
            mixed[i] = i % 2 == 0 ? mt_ascii_lower(wire.ptr[i]) : wire.ptr[i];
        assert_int_equal(mt_smtp_verb_of(wire), verb);
        assert_int_equal(mt_smtp_verb_of(mt_span(mixed, wire.size)), verb);
    }
}

static void verbs_and_their_fields_are_all_different(void **state)
{
    (void)state;
    for (unsigned a = 0; a < MT_VERB_COUNT; a++) {
        for (unsigned b = 0; b < a; b++) {
            assert_string_not_equal(mt_smtp_verb_wire((enum mt_smtp_verb)a),
                                    mt_smtp_verb_wire((enum mt_smtp_verb)b));
            assert_string_not_equal(mt_smtp_verb_field((enum mt_smtp_verb)a),
                                    mt_smtp_verb_field((enum mt_smtp_verb)b));
        }
    }
    assert_string_equal(mt_smtp_verb_field(MT_VERB_UNKNOWN), "unknown");
}

static void what_is_no_verb_is_unknown(void **state)
{
    static const char *const words[] = {"",   "MAI",     "MAILS", "MAIL:", "X", "X-ANONYMOUSTLSX",
                                        "\r", "HELO\x01"};
    static const char with_nul[] = "MAIL\0";
    uint8_t word[64];

    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(words); i++)
        assert_int_equal(mt_smtp_verb_of(mt_span_cstr(words[i])), MT_VERB_UNKNOWN);
    assert_int_equal(mt_smtp_verb_of(mt_span(with_nul, 5)), MT_VERB_UNKNOWN);
    memset(word, 'A', sizeof(word));
    for (size_t size = 5; size < sizeof(word); size++)
        assert_int_equal(mt_smtp_verb_of(mt_span(word, size)), MT_VERB_UNKNOWN);
}

static void flags_are_those_of_the_list(void **state)
{
    (void)state;
    assert_int_equal(mt_smtp_verb_flags(MT_VERB_DATA), MT_VERB_ARG_NONE | MT_VERB_GROUP_END);
    assert_int_equal(mt_smtp_verb_flags(MT_VERB_MAIL), MT_VERB_ARG_NEEDED);
    assert_int_equal(mt_smtp_verb_flags(MT_VERB_WIZ), MT_VERB_OBSOLETE);
    assert_int_equal(mt_smtp_verb_flags(MT_VERB_UNKNOWN), 0);
}

static void every_keyword_is_found_in_any_case(void **state)
{
    (void)state;
    for (unsigned keyword = 1; keyword < MT_KEYWORD_COUNT; keyword++) {
        struct mt_span wire = mt_span_cstr(mt_smtp_keyword_wire((enum mt_smtp_keyword)keyword));
        uint8_t lower[32];
        assert_true(wire.size > 0 && wire.size < sizeof(lower));
        for (size_t i = 0; i < wire.size; i++)
            lower[i] = mt_ascii_lower(wire.ptr[i]);
        assert_int_equal(mt_smtp_keyword_of(wire), keyword);
        assert_int_equal(mt_smtp_keyword_of(mt_span(lower, wire.size)), keyword);
    }
    assert_string_equal(mt_smtp_keyword_wire(MT_KEYWORD_OTHER), "");
    assert_int_equal(mt_smtp_keyword_of(mt_span_cstr("")), MT_KEYWORD_OTHER);
    assert_int_equal(mt_smtp_keyword_of(mt_span_cstr("XXXXXXXA")), MT_KEYWORD_OTHER);
    assert_int_equal(mt_smtp_keyword_of(mt_span("SIZE\0", 5)), MT_KEYWORD_OTHER);
    assert_int_equal(mt_smtp_keyword_of(mt_span_cstr("ENHANCEDSTATUSCODES-AND-MORE")), MT_KEYWORD_OTHER);
}

static void an_argument_without_address_leaves_the_output_alone(void **state)
{
    struct mt_smtp_mailbox_argument argument;
    struct mt_smtp_mailbox_argument before;

    (void)state;
    memset(&argument, 0x5a, sizeof(argument));
    memcpy(&before, &argument, sizeof(before));
    assert_false(mt_smtp_parse_mailbox(mt_span_cstr("FROM:  "), true, NULL, NULL, &argument));
    assert_false(mt_smtp_parse_mailbox(mt_span_cstr(""), false, NULL, NULL, &argument));
    assert_memory_equal(&argument, &before, sizeof(before));
}

/* A megabyte of what makes a careless parser look for the same end again and
 * again: quadratic would not end within the time that a test has. */
static void hostile_arguments_cost_linear_time(void **state)
{
    static const char *const patterns[] = {"\"\\", "<", "<\"", "\"\\\"@", "\\\"@", "@", "\"", " \"<",
                                           "\"<",  "=", " =",  "[",       "@[",    ">", ",@"};
    struct mt_smtp_mailbox_argument argument;
    char *text = malloc(HUGE_SIZE);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < MT_ARRAY_COUNT(patterns); i++) {
        size_t size = strlen(patterns[i]);
        for (unsigned form = 0; form < 3; form++) {
            static const char *const starts[] = {"FROM:", "FROM:<", "FROM:<\"\\\""};
            size_t at = strlen(starts[form]);
            memcpy(text, starts[form], at);
            for (; at < HUGE_SIZE; at++)
                text[at] = patterns[i][at % size];
            mt_smtp_parse_mailbox(mt_span(text, HUGE_SIZE), true, NULL, NULL, &argument);
            mt_smtp_queue_id(mt_span(text, HUGE_SIZE));
        }
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_verb_is_found_in_any_case),
        cmocka_unit_test(verbs_and_their_fields_are_all_different),
        cmocka_unit_test(what_is_no_verb_is_unknown),
        cmocka_unit_test(flags_are_those_of_the_list),
        cmocka_unit_test(every_keyword_is_found_in_any_case),
        cmocka_unit_test(an_argument_without_address_leaves_the_output_alone),
        cmocka_unit_test(hostile_arguments_cost_linear_time),
    };
    return cmocka_run_group_tests_name("smtp words", tests, NULL, NULL);
}
