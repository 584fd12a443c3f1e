#include "message/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MAILBOXES_MAX 8
#define HUGE_SIZE (1u << 20)

/* expected: the mailboxes, each followed by '\n'. */
static void assert_mailboxes(const char *value, const char *expected)
{
    struct mt_span mailboxes[MAILBOXES_MAX];
    size_t count = mt_message_split_mailboxes(mt_span_cstr(value), mailboxes, MAILBOXES_MAX);
    char got[512];
    size_t size = 0;

    assert_true(count <= MAILBOXES_MAX);
    for (size_t i = 0; i < count; i++) {
        assert_true(size + mailboxes[i].size + 1 < sizeof(got));
        memcpy(got + size, mailboxes[i].ptr, mailboxes[i].size);
        size += mailboxes[i].size;
        got[size++] = '\n';
    }
    got[size] = '\0';
    assert_string_equal(got, expected);
}

static void commas_separate_mailboxes(void **state)
{
    (void)state;
    assert_mailboxes("a@b", "a@b\n");
    assert_mailboxes("a@b,c@d", "a@b\nc@d\n");
    assert_mailboxes(" A <a@b> ,\tC <c@d>\t", "A <a@b>\nC <c@d>\n");
    assert_mailboxes("", "");
    assert_mailboxes(" , ,, a@b , ", "a@b\n");
    assert_mailboxes("no address at all", "no address at all\n");
}

static void commas_within_quotes_comments_brackets_and_literals_do_not(void **state)
{
    (void)state;
    assert_mailboxes("\"Doe, John\" <j@d>, k@d", "\"Doe, John\" <j@d>\nk@d\n");
    assert_mailboxes("\"a\\\", b\" <a@b>, \"\\\\\", c@d", "\"a\\\", b\" <a@b>\n\"\\\\\"\nc@d\n");
    assert_mailboxes("a@b (one, two (three, four), five), c@d", "a@b (one, two (three, four), five)\nc@d\n");
    assert_mailboxes("a@b (\\), ), c@d", "a@b (\\), )\nc@d\n");
    assert_mailboxes("<@a,@b:c@d>, e@f", "<@a,@b:c@d>\ne@f\n");
    assert_mailboxes("<\"x>,\"@d>, e@f", "<\"x>,\"@d>\ne@f\n");
    assert_mailboxes("a@[1,2;3], b@c", "a@[1,2;3]\nb@c\n");
}

static void groups_give_their_mailboxes_and_not_their_name(void **state)
{
    (void)state;
    assert_mailboxes("undisclosed-recipients:;", "");
    assert_mailboxes("undisclosed-recipients: ;", "");
    assert_mailboxes("Friends: a@b, C <c@d>;, e@f", "a@b\nC <c@d>\ne@f\n");
    assert_mailboxes("\"A, B\": a@b; c@d", "a@b\nc@d\n");
    assert_mailboxes("a@b; c@d", "a@b\nc@d\n");
}

static void comments_alone_are_no_mailbox(void **state)
{
    (void)state;
    assert_mailboxes("(nobody)", "");
    assert_mailboxes("(nobody), a@b (somebody)", "a@b (somebody)\n");
}

static void what_never_closes_does_not_hide_the_rest(void **state)
{
    (void)state;
    assert_mailboxes("\"Doe, John <j@d>, k@d", "\"Doe\nJohn <j@d>\nk@d\n");
    assert_mailboxes("a@b (never closed, c@d", "a@b (never closed\nc@d\n");
    assert_mailboxes("<a@b, c@d", "<a@b\nc@d\n");
    assert_mailboxes("a@[1, c@d", "a@[1\nc@d\n");
    assert_mailboxes("a@b), c@d>", "a@b)\nc@d>\n");
    assert_mailboxes("ends in \\", "ends in \\\n");
    assert_mailboxes("\"ends in \\", "\"ends in \\\n");
}

static void all_are_counted_and_only_the_first_are_stored(void **state)
{
    struct mt_span mailboxes[3] = {{0}};

    (void)state;
    assert_int_equal(mt_message_split_mailboxes(mt_span_cstr("a,b,c,d,e"), mailboxes, 2), 5);
    assert_true(mt_span_eq(mailboxes[1], mt_span_cstr("b")));
    assert_null(mailboxes[2].ptr);
    assert_int_equal(mt_message_split_mailboxes(mt_span_cstr("a,b"), NULL, 0), 2);
    assert_int_equal(mt_message_split_mailboxes(mt_span_none(), mailboxes, 3), 0);
}

/* Quadratic would not end within the time that a test has. */
static void hostile_lists_cost_linear_time(void **state)
{
    static const char *const patterns[] = {"\"",   "(",    "<",  "[",    "(\"", "<\"", "\"(<[",
                                           "\\\"", "\"\\", "()", "(a)(", "<>",  "[\\"};
    char *text = malloc(HUGE_SIZE);

    (void)state;
    assert_non_null(text);
    for (size_t i = 0; i < MT_ARRAY_COUNT(patterns); i++) {
        size_t size = strlen(patterns[i]);
        for (size_t at = 0; at < HUGE_SIZE; at++)
            text[at] = patterns[i][at % size];
        mt_message_split_mailboxes(mt_span(text, HUGE_SIZE), NULL, 0);
        mt_message_split_mailboxes(mt_span(text, HUGE_SIZE - 1), NULL, 0);
    }
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commas_separate_mailboxes),
        cmocka_unit_test(commas_within_quotes_comments_brackets_and_literals_do_not),
        cmocka_unit_test(groups_give_their_mailboxes_and_not_their_name),
        cmocka_unit_test(comments_alone_are_no_mailbox),
        cmocka_unit_test(what_never_closes_does_not_hide_the_rest),
        cmocka_unit_test(all_are_counted_and_only_the_first_are_stored),
        cmocka_unit_test(hostile_lists_cost_linear_time),
    };
    return cmocka_run_group_tests_name("message mailboxes", tests, NULL, NULL);
}
