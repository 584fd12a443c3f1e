/* The lists of verbs and keywords, and the arguments of MAIL and RCPT where a
 * dialogue can't show it. */
#include "smtp/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
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

/* --- the short way ------------------------------------------------------------ */

struct judged {
    uint64_t anomalies[3];
};

static void on_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    struct judged *j = ctx;

    j->anomalies[anomaly / 64] |= UINT64_C(1) << anomaly % 64;
}

/* A path behind "TO:", read the short way if it is plain, and behind a blank, which
 * only adds an anomaly: the short way then does not apply. */
static void assert_read_alike(const char *path, bool is_mail)
{
    static const struct mt_smtp_client_events events = {.anomaly = on_anomaly};
    struct mt_smtp_mailbox_argument a, b;
    struct judged of_a = {0}, of_b = {0}, of_space = {0};
    char tight[200], wide[200];

    snprintf(tight, sizeof(tight), "%s:%s", is_mail ? "FROM" : "to", path);
    snprintf(wide, sizeof(wide), "%s: %s", is_mail ? "FROM" : "to", path);
    bool has_a = mt_smtp_parse_mailbox(mt_span_cstr(tight), is_mail, &events, &of_a, &a);
    bool has_b = mt_smtp_parse_mailbox(mt_span_cstr(wide), is_mail, &events, &of_b, &b);
    on_anomaly(&of_space, MT_ANOMALY_PATH_SPACE);
    for (size_t i = 0; i < MT_ARRAY_COUNT(of_a.anomalies); i++)
        assert_int_equal(of_a.anomalies[i] | of_space.anomalies[i], of_b.anomalies[i]);
    assert_int_equal(has_a, has_b);
    if (!has_a)
        return;
    assert_false(b.path.is_plain);
    assert_int_equal(a.path.address.ptr - (const uint8_t *)tight + 1,
                     b.path.address.ptr - (const uint8_t *)wide);
    assert_int_equal(a.path.mailbox.size, b.path.mailbox.size);
    assert_int_equal(a.path.has_route, b.path.has_route);
    assert_true(mt_span_eq(a.path.address, b.path.address));
    assert_true(mt_span_eq(a.path.local, b.path.local));
    assert_true(mt_span_eq(a.path.domain, b.path.domain));
    assert_int_equal(a.path.domain.ptr != NULL, b.path.domain.ptr != NULL);
    assert_int_equal(a.parameters_total, b.parameters_total);
    for (uint32_t i = 0; i < a.parameter_count; i++)
        assert_true(mt_span_eq(a.parameters[i].keyword, b.parameters[i].keyword));
}

static void a_plain_path_is_read_as_any_other(void **state)
{
    static const char alphabet[] = "aZ9.-@@%!\"_<>[]: =\x80{~'&#$*+/?^`|}\\,;";
    uint32_t random = 11;
    char path[64];

    (void)state;
    for (unsigned round = 0; round < 200000; round++) {
        size_t size = 0, wanted = round % 24;
        path[size++] = '<';
        while (size < wanted) {
            random = random * 1664525 + 1013904223;
            /* mostly letters, so that some are plain */
            bool is_odd = (random >> 20 & 7) == 0;
            path[size++] =
                is_odd ? alphabet[(random >> 8) % (sizeof(alphabet) - 1)] : "ab.@"[random >> 29 & 3];
        }
        memcpy(path + size, round % 3 == 0 ? "> SIZE=1" : ">", round % 3 == 0 ? 9 : 2);
        assert_read_alike(path, round % 2 == 0);
    }
}

static void what_may_relay_is_not_plain(void **state)
{
    static const struct {
        const char *argument;
        bool is_plain;
    } cases[] = {
        {"TO:<anna@example.com>", true},
        {"to:<a.b+c=d@mx-1.example> NOTIFY=NEVER", true},
        {"TO:<a%b.example@example.com>", false},
        {"TO:<b.example!a@example.com>", false},
        {"TO:<@x.example:a@example.com>", false},
        {"TO:<\"a@b.example\"@example.com>", false},
        {"TO:<a@b.example@example.com>", false},
        {"TO:<a@[192.0.2.1]>", false},
        {"TO:<anna>", false},
        {"TO:<anna@example.com", false},
        {"TO:<a@-example.com>", false},
        {"TO:<a@example-.com>", false},
        {"TO:<a@example..com>", false},
        {"TO:<.a@example.com>", false},
        {"TO:<a.@example.com>", false},
        {"TO:<a@example.com.>", false},
        {"FROM:<anna@example.com>", false},
        {"TO:<>", false},
    };
    struct mt_smtp_mailbox_argument argument;

    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        assert_true(mt_smtp_parse_mailbox(mt_span_cstr(cases[i].argument), false, NULL, NULL, &argument));
        assert_int_equal(argument.path.is_plain, cases[i].is_plain);
    }
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
        cmocka_unit_test(a_plain_path_is_read_as_any_other),
        cmocka_unit_test(what_may_relay_is_not_plain),
    };
    return cmocka_run_group_tests_name("smtp words", tests, NULL, NULL);
}
