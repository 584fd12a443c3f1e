/* Types by first octets, told at once and by a thread. */
#include "magic/magic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#define HEAD(text, type)             \
    {                                \
        text, sizeof(text) - 1, type \
    }

static const struct {
    const char *head;
    size_t size;
    const char *type;
} known[] = {
    HEAD("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", "application/pdf"),
    HEAD("\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0", "image/png"),
    HEAD("GIF89a\1\0\1\0\x80\0\0", "image/gif"),
    HEAD("{\\rtf1\\ansi hello}", "text/rtf"),
    HEAD("just some words\r\n", "text/plain"),
};

static struct mt_magic *create(bool is_threaded)
{
    struct mt_magic *magic = NULL;
    char reason[256] = "";
    int rc = mt_magic_create(is_threaded, reason, sizeof(reason), &magic);

    assert_string_equal(reason, "");
    assert_int_equal(rc, 0);
    return magic;
}

static void a_desk_without_a_thread_answers_at_once(void **state)
{
    (void)state;
    struct mt_magic *magic = create(false);
    struct mt_magic_desk *desk = mt_magic_open(magic);

    assert_non_null(desk);
    for (size_t i = 0; i < MT_ARRAY_COUNT(known); i++) {
        uint32_t ticket = mt_magic_ask(desk, mt_span(known[i].head, known[i].size));
        assert_int_not_equal(ticket, 0);
        assert_string_equal(mt_magic_answer(desk, ticket), known[i].type);
    }
    assert_null(mt_magic_answer(desk, 0));
    mt_magic_destroy(magic);
}

/* However long that takes. */
static const char *await(struct mt_magic_desk *desk, uint32_t ticket)
{
    const char *answer;

    while ((answer = mt_magic_answer(desk, ticket)) == NULL)
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    return answer;
}

static void a_thread_answers_the_questions_of_every_desk(void **state)
{
    (void)state;
    struct mt_magic *magic = create(true);
    struct mt_magic_desk *desks[] = {mt_magic_open(magic), mt_magic_open(magic)};
    uint32_t tickets[2][MT_ARRAY_COUNT(known)];

    for (size_t d = 0; d < 2; d++) {
        assert_non_null(desks[d]);
        for (size_t i = 0; i < MT_ARRAY_COUNT(known); i++)
            tickets[d][i] = mt_magic_ask(desks[d], mt_span(known[i].head, known[i].size));
    }
    for (size_t d = 0; d < 2; d++) {
        for (size_t i = 0; i < MT_ARRAY_COUNT(known); i++)
            assert_string_equal(await(desks[d], tickets[d][i]), known[i].type);
    }
    mt_magic_destroy(magic);
}

static void questions_beyond_the_limit_are_refused_and_the_others_answered(void **state)
{
    (void)state;
    struct mt_magic *magic = create(true);
    struct mt_magic_desk *desk = mt_magic_open(magic);
    uint32_t last = 0, refused = 0;

    assert_non_null(desk);
    for (unsigned i = 0; i < 100 * MT_MAGIC_WAITING_MAX && refused == 0; i++) {
        uint32_t ticket = mt_magic_ask(desk, mt_span(known[0].head, known[0].size));
        refused += ticket == 0;
        last = ticket != 0 ? ticket : last;
    }
    assert_int_equal(refused, 1); /* asking is a copy, answering is not */
    assert_string_equal(await(desk, last), known[0].type);
    mt_magic_destroy(magic);
}

static void there_are_only_so_many_desks(void **state)
{
    (void)state;
    struct mt_magic *magic = create(true);

    for (unsigned i = 0; i < MT_MAGIC_DESKS_MAX; i++)
        assert_non_null(mt_magic_open(magic));
    assert_null(mt_magic_open(magic));
    mt_magic_destroy(magic);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_desk_without_a_thread_answers_at_once),
        cmocka_unit_test(a_thread_answers_the_questions_of_every_desk),
        cmocka_unit_test(questions_beyond_the_limit_are_refused_and_the_others_answered),
        cmocka_unit_test(there_are_only_so_many_desks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
