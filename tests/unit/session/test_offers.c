/* What is remembered of servers' offers: windows, limits, and what desks tell each
 * other. */
#include "session/offers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MONDAY UINT64_C(29000000) /* a round */
#define HALF_WINDOW 5040u

struct board {
    struct mt_offers_board *board;
    struct mt_stats stats;
    struct mt_offers *desks[MT_OFFERS_DESKS_MAX];
};

static void start(struct board *b, uint32_t desks)
{
    memset(b, 0, sizeof(*b));
    assert_int_equal(mt_offers_board_create(desks, &b->board), 0);
    for (uint32_t i = 0; i < desks; i++) {
        b->desks[i] = mt_offers_open_desk(b->board, &b->stats);
        assert_non_null(b->desks[i]);
    }
    assert_null(mt_offers_open_desk(b->board, &b->stats));
}

static struct mt_ip server(uint32_t number)
{
    return (struct mt_ip){.family = 4,
                          .bytes = {10, (uint8_t)(number >> 16), (uint8_t)(number >> 8), (uint8_t)number}};
}

static void note(struct mt_offers *desk, uint32_t number, bool is_offered, unsigned times)
{
    struct mt_ip ip = server(number);

    for (unsigned i = 0; i < times; i++)
        mt_offers_note(desk, &ip, 25, is_offered);
}

static struct mt_offers_history known(const struct mt_offers *desk, uint32_t number, uint16_t port)
{
    struct mt_offers_history history = {0};
    struct mt_ip ip = server(number);

    if (!mt_offers_find(desk, &ip, port, &history))
        assert_int_equal(history.answers, 0);
    return history;
}

#define assert_known(desk, number, wanted_answers, wanted_offered)         \
    do {                                                                   \
        assert_int_equal(known(desk, number, 25).answers, wanted_answers); \
        assert_int_equal(known(desk, number, 25).offered, wanted_offered); \
    } while (0)

static void what_is_noted_is_known_two_rounds_later(void **state)
{
    (void)state;
    struct board b;
    start(&b, 1);
    struct mt_offers *desk = b.desks[0];
    note(desk, 1, true, 3); /* before time has begun */
    mt_offers_enter(desk, MONDAY);
    note(desk, 1, true, 3);
    note(desk, 1, false, 1);
    assert_known(desk, 1, 0, 0);
    mt_offers_enter(desk, MONDAY + 1);
    assert_known(desk, 1, 0, 0);
    mt_offers_enter(desk, MONDAY + 2);
    assert_known(desk, 1, 4, 3);
    assert_int_equal(known(desk, 1, 25).last, MONDAY * MT_OFFERS_ROUND);
    assert_int_equal(known(desk, 1, 587).answers, 0);
    assert_int_equal(known(desk, 2, 25).answers, 0);
    mt_offers_enter(desk, MONDAY + 1); /* time does not go back */
    assert_known(desk, 1, 4, 3);
    mt_offers_board_destroy(b.board);
}

static void pairs_are_known_apart_from_servers_and_from_each_other(void **state)
{
    (void)state;
    struct board b;
    struct mt_offers_history history = {0};
    struct mt_ip a = server(1), c = server(2), d = server(3);
    start(&b, 2);
    for (uint32_t i = 0; i < 2; i++)
        mt_offers_enter(b.desks[i], MONDAY);
    mt_offers_note_pair(b.desks[0], &a, &c, 25, true);
    mt_offers_note_pair(b.desks[1], &a, &c, 25, true);
    mt_offers_note_pair(b.desks[1], &a, &c, 25, false);
    assert_false(mt_offers_find_pair(b.desks[0], &a, &c, 25, &history));
    for (uint64_t round = MONDAY + 1; round <= MONDAY + 3; round++) {
        for (uint32_t i = 0; i < 2; i++)
            mt_offers_enter(b.desks[i], round);
    }
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(mt_offers_find_pair(b.desks[i], &a, &c, 25, &history));
        assert_int_equal(history.answers, 3);
        assert_int_equal(history.offered, 2);
        assert_int_equal(history.last, MONDAY * MT_OFFERS_ROUND);
        assert_false(mt_offers_find_pair(b.desks[i], &c, &a, 25, &history));
        assert_false(mt_offers_find_pair(b.desks[i], &a, &c, 587, &history));
        assert_false(mt_offers_find_pair(b.desks[i], &a, &d, 25, &history));
        assert_known(b.desks[i], 2, 0, 0);
    }
    mt_offers_board_destroy(b.board);
}

static void pairs_have_limits_of_their_own(void **state)
{
    (void)state;
    struct board b;
    struct mt_ip to = server(1 << 20);
    start(&b, 1);
    mt_offers_enter(b.desks[0], MONDAY);
    for (uint32_t i = 0; i < MT_OFFERS_NOTES + 10; i++) {
        struct mt_ip from = server(i);
        mt_offers_note_pair(b.desks[0], &from, &to, 25, true);
    }
    assert_int_equal(mt_stats_get(&b.stats, MT_COUNTER_TLS_PAIRS_UNNOTED), 10);
    assert_int_equal(mt_stats_get(&b.stats, MT_COUNTER_OFFERS_UNNOTED), 0);
    note(b.desks[0], 1, true, 1);
    assert_int_equal(mt_stats_get(&b.stats, MT_COUNTER_OFFERS_UNNOTED), 0);
    mt_offers_board_destroy(b.board);
}

static void answers_are_forgotten_after_one_to_two_half_windows(void **state)
{
    (void)state;
    struct board b;
    start(&b, 1);
    struct mt_offers *desk = b.desks[0];
    uint64_t first = MONDAY - MONDAY % HALF_WINDOW; /* where a half window begins */
    mt_offers_enter(desk, first);
    note(desk, 1, true, 5);
    mt_offers_enter(desk, first + HALF_WINDOW);
    note(desk, 1, false, 2);
    mt_offers_enter(desk, first + HALF_WINDOW + 2);
    assert_known(desk, 1, 7, 5);
    mt_offers_enter(desk, first + 2 * HALF_WINDOW - 1);
    assert_known(desk, 1, 7, 5);
    mt_offers_enter(desk, first + 2 * HALF_WINDOW);
    assert_known(desk, 1, 2, 0);
    mt_offers_enter(desk, first + 3 * HALF_WINDOW);
    assert_known(desk, 1, 0, 0);
    mt_offers_board_destroy(b.board);
}

static void each_desk_knows_what_all_have_noted_once_they_have_closed_it(void **state)
{
    (void)state;
    struct board b;
    start(&b, 3);
    for (unsigned i = 0; i < 3; i++) {
        mt_offers_enter(b.desks[i], MONDAY);
        note(b.desks[i], 7, i != 2, i + 1);
    }
    mt_offers_enter(b.desks[0], MONDAY + 2); /* the others are still in the round */
    assert_true(mt_offers_has_entered(b.desks[0], MONDAY + 2));
    assert_false(mt_offers_has_entered(b.desks[1], MONDAY + 1));
    assert_known(b.desks[0], 7, 1, 1);
    mt_offers_enter(b.desks[1], MONDAY + 1);
    mt_offers_enter(b.desks[2], MONDAY + 2);
    assert_known(b.desks[2], 7, 6, 3);
    mt_offers_enter(b.desks[0], MONDAY + 3);
    mt_offers_enter(b.desks[1], MONDAY + 3);
    for (unsigned i = 0; i < 3; i++)
        assert_known(b.desks[i], 7, 6, 3);
    mt_offers_board_destroy(b.board);
}

static void a_desk_that_is_hours_behind_takes_what_is_left(void **state)
{
    (void)state;
    struct board b;
    start(&b, 2);
    mt_offers_enter(b.desks[1], MONDAY);
    for (uint64_t round = MONDAY; round < MONDAY + 100; round++) {
        mt_offers_enter(b.desks[0], round);
        note(b.desks[0], 9, true, 1);
    }
    mt_offers_enter(b.desks[0], MONDAY + 102);
    assert_known(b.desks[0], 9, 100, 100);
    mt_offers_enter(b.desks[1], MONDAY + 102);
    assert_known(b.desks[1], 9, 4, 4); /* pages of four rounds */
    mt_offers_board_destroy(b.board);
}

static void of_a_round_so_many_servers_are_noted_and_more_are_counted(void **state)
{
    (void)state;
    struct board b;
    start(&b, 1);
    mt_offers_enter(b.desks[0], MONDAY);
    for (uint32_t i = 0; i < MT_OFFERS_NOTES + 10; i++)
        note(b.desks[0], i, true, 2);
    assert_int_equal(mt_stats_get(&b.stats, MT_COUNTER_OFFERS_UNNOTED), 20);
    mt_offers_enter(b.desks[0], MONDAY + 2);
    for (uint32_t i = 0; i < MT_OFFERS_NOTES; i++)
        assert_known(b.desks[0], i, 2, 2);
    assert_known(b.desks[0], MT_OFFERS_NOTES, 0, 0);
    mt_offers_enter(b.desks[0], MONDAY + 3); /* with empty hands again */
    note(b.desks[0], MT_OFFERS_NOTES, true, 1);
    mt_offers_enter(b.desks[0], MONDAY + 5);
    assert_known(b.desks[0], MT_OFFERS_NOTES, 1, 1);
    mt_offers_board_destroy(b.board);
}

/* Whom a hash puts together is not the same in two runs: who is forgotten may not depend on it. */
static void nobody_gives_way_while_a_third_of_the_places_is_free(void **state)
{
    (void)state;
    struct board b;
    start(&b, 1);
    uint32_t rounds = MT_OFFERS_SERVERS * 5 / 8 / MT_OFFERS_NOTES;
    for (uint32_t round = 0; round < rounds; round++) {
        mt_offers_enter(b.desks[0], MONDAY + round);
        for (uint32_t i = 0; i < MT_OFFERS_NOTES; i++)
            note(b.desks[0], round * MT_OFFERS_NOTES + i, true, 1);
    }
    mt_offers_enter(b.desks[0], MONDAY + rounds + 1);
    assert_int_equal(mt_stats_get(&b.stats, MT_COUNTER_OFFERS_FORGOTTEN), 0);
    for (uint32_t i = 0; i < rounds * MT_OFFERS_NOTES; i++)
        assert_known(b.desks[0], i, 1, 1);
    mt_offers_board_destroy(b.board);
}

/* Two sets of eight are never full all at once. */
static void servers_beyond_the_table_make_those_noted_longest_ago_give_way(void **state)
{
    (void)state;
    struct board b;
    start(&b, 1);
    uint32_t rounds = 3 * MT_OFFERS_SERVERS / MT_OFFERS_NOTES;
    uint32_t old = 0, late = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        mt_offers_enter(b.desks[0], MONDAY + round);
        for (uint32_t i = 0; i < MT_OFFERS_NOTES; i++)
            note(b.desks[0], round * MT_OFFERS_NOTES + i, true, 1);
    }
    mt_offers_enter(b.desks[0], MONDAY + rounds + 1);
    uint64_t forgotten = mt_stats_get(&b.stats, MT_COUNTER_OFFERS_FORGOTTEN);
    for (uint32_t i = 0; i < rounds * MT_OFFERS_NOTES; i++) {
        uint32_t answers = known(b.desks[0], i, 25).answers;
        assert_true(answers <= 1);
        late += answers;
        old += i < MT_OFFERS_SERVERS ? answers : 0;
    }
    assert_int_equal(late, rounds * MT_OFFERS_NOTES - forgotten);
    assert_true(late <= MT_OFFERS_SERVERS && late > MT_OFFERS_SERVERS * 9 / 10);
    assert_true(old < MT_OFFERS_SERVERS / 20);
    mt_offers_board_destroy(b.board);
}

static void more_workers_than_there_may_be_have_no_board(void **state)
{
    (void)state;
    struct mt_offers_board *board = NULL;
    assert_true(mt_offers_board_create(MT_OFFERS_DESKS_MAX + 1, &board) < 0);
    assert_null(board);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_noted_is_known_two_rounds_later),
        cmocka_unit_test(pairs_are_known_apart_from_servers_and_from_each_other),
        cmocka_unit_test(pairs_have_limits_of_their_own),
        cmocka_unit_test(answers_are_forgotten_after_one_to_two_half_windows),
        cmocka_unit_test(each_desk_knows_what_all_have_noted_once_they_have_closed_it),
        cmocka_unit_test(a_desk_that_is_hours_behind_takes_what_is_left),
        cmocka_unit_test(of_a_round_so_many_servers_are_noted_and_more_are_counted),
        cmocka_unit_test(nobody_gives_way_while_a_third_of_the_places_is_free),
        cmocka_unit_test(servers_beyond_the_table_make_those_noted_longest_ago_give_way),
        cmocka_unit_test(more_workers_than_there_may_be_have_no_board),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
