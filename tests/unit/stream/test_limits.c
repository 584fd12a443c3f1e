#include "tap.h"

#include <stdlib.h>

static const struct mt_stream_config defaults = {.segments_max = 0};

static void a_reader_that_refuses_gets_the_rest_when_the_other_side_has_moved(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap.stop_behind[C] = '\n';
    tap_data(&tap, C, 0, "DATA\nfoo", 0);
    tap_saw(&tap, "C:DATA\n");
    assert_true(mt_stream_is_waiting(&tap.stream));
    /* nothing has moved */
    tap_ack(&tap, S, 0, 8);
    tap_saw(&tap, "");
    tap_data(&tap, S, 0, "354\n", 8);
    tap_saw(&tap, "S:354\n C~foo");
    assert_false(mt_stream_is_waiting(&tap.stream));
    tap_close(&tap);
}

static void a_reader_may_refuse_all_of_it(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap.stop_behind[C] = '\n';
    tap_data(&tap, C, 0, "DATA\n", 0);
    tap_data(&tap, C, 5, "foo\nbar", 0);
    tap_saw(&tap, "C:DATA\n");
    tap_data(&tap, S, 0, "354\n", 5);
    tap_saw(&tap, "S:354\n C~foo\n");
    tap_data(&tap, S, 4, "250\n", 9);
    tap_saw(&tap, "S:250\n C~bar");
    tap_close(&tap);
}

static void what_comes_behind_refused_bytes_queues_up_behind_them(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap.stop_behind[C] = '\n';
    tap_data(&tap, C, 0, "DATA\nab", 0);
    tap_data(&tap, C, 11, "gh", 0);
    tap_data(&tap, C, 7, "cdef", 0);
    tap_packet(&tap, C, 13, "", 0, FIN);
    tap_data(&tap, C, 5, "ab", 0);
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_OUT_OF_ORDER), 1);
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_RETRANSMIT), 1);
    tap_saw(&tap, "C:DATA\n");
    tap_data(&tap, S, 0, "354\n", 14);
    tap_saw(&tap, "S:354\n C~ab C~cdef C~gh C.");
    tap_close(&tap);
}

/* Else the two would wait for each other. */
static void a_reply_does_not_wait_for_bytes_that_were_refused(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap.stop_behind[C] = '\n';
    tap_data(&tap, C, 0, "DATA\nab", 0);
    tap_data(&tap, C, 7, "cdef", 0);
    tap_data(&tap, S, 4, "250\n", 11);
    tap_data(&tap, S, 0, "354\n", 11);
    tap_saw(&tap, "C:DATA\n S:354\n C~ab C~cdef S~250\n");
    tap_close(&tap);
}

static void a_gap_behind_refused_bytes_is_delivered_behind_them(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap.stop_behind[C] = '\n';
    tap_data(&tap, C, 0, "DATA\nab", 0);
    tap_data(&tap, C, 10, "fgh", 0);
    tap_data(&tap, S, 0, "354\n", 13);
    tap_saw(&tap, "C:DATA\n");
    for (unsigned i = 0; i < 63; i++)
        tap_ack(&tap, S, 4, 13);
    tap_saw(&tap, "");
    /* now the reply is free to go, and with it the reader */
    tap_ack(&tap, S, 4, 13);
    tap_saw(&tap, "S~354\n C~ab C-3 C~fgh");
    tap_close(&tap);
}

static void a_gap_of_the_other_side_lets_a_reader_go_on_as_well(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap.stop_behind[C] = '\n';
    tap_data(&tap, C, 0, "DATA\nab", 0);
    tap_ack(&tap, C, 7, 4);
    for (unsigned i = 0; i < 64; i++)
        tap_ack(&tap, C, 7, 4);
    tap_saw(&tap, "C:DATA\n S-4 C~ab");
    tap_close(&tap);
}

static void two_readers_that_refuse_are_served_in_turn(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap.stop_behind[C] = tap.stop_behind[S] = '\n';
    tap_data(&tap, C, 0, "a\nb\nc\n", 0);
    tap_saw(&tap, "C:a\n");
    tap_data(&tap, S, 0, "1\n2\n3\n", 2);
    tap_saw(&tap, "S:1\n C~b\n S~2\n C~c\n S~3\n");
    assert_false(mt_stream_is_waiting(&tap.stream));
    tap_close(&tap);
}

static void at_the_end_a_reader_must_take_what_it_refused(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap.stop_behind[C] = tap.stop_behind[S] = '\n';
    tap_data(&tap, C, 0, "a\nb", 0);
    tap_data(&tap, C, 5, "d", 0);
    tap.may_go_on[S] = false;
    tap_data(&tap, S, 0, "1\n2", 0);
    tap_saw(&tap, "C:a\n");
    tap_finish(&tap);
    tap_saw(&tap, "C!b C-2 S~1\n C~d S~2");
    tap_close(&tap);
}

static void too_many_bytes_are_forced_on_the_reader(void **state)
{
    (void)state;
    struct mt_stream_config config = {.bytes_max = 10};
    struct tap tap;

    tap_open(&tap, &config);
    tap.stop_behind[C] = '\n';
    tap_data(&tap, C, 0, "a\nbcdef", 0);
    tap_data(&tap, C, 7, "ghijk", 0);
    tap_saw(&tap, "C:a\n");
    tap_data(&tap, C, 12, "l", 0);
    tap_saw(&tap, "C<reorder_limit> C!bcdef");
    tap_data(&tap, C, 13, "mnopqrstuvwxyz", 0);
    tap_saw(&tap, "C<reorder_limit> C!ghijk C!l C!mnopqrstuvwxyz");
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_LIMIT), 2);
    assert_false(mt_stream_is_waiting(&tap.stream));
    tap_close(&tap);
    tap_saw(&tap, "");
}

static void too_many_ranges_end_the_wait_for_what_is_before_them(void **state)
{
    (void)state;
    struct mt_stream_config config = {.segments_max = 3};
    struct tap tap;

    tap_open(&tap, &config);
    tap_data(&tap, C, 1, "b", 0);
    tap_data(&tap, C, 3, "d", 0);
    tap_data(&tap, C, 5, "f", 0);
    tap_saw(&tap, "");
    tap_data(&tap, C, 7, "h", 0);
    tap_saw(&tap, "C<reorder_limit> C-1 C~b");
    /* what is before all that waits needs no room */
    tap_data(&tap, C, 2, "c", 0);
    tap_saw(&tap, "C:c C~d");
    tap_data(&tap, C, 9, "j", 0);
    tap_data(&tap, C, 6, "g", 0);
    tap_saw(&tap, "C<reorder_limit> C-1 C~f C:g C~h");
    tap_close(&tap);
    tap_saw(&tap, "C-1 C~j");
}

/* Planted segments take no bytes of the stream with them. */
static void limits_drop_what_is_beyond_belief_first(void **state)
{
    (void)state;
    struct mt_stream_config config = {.segments_max = 3};
    struct tap tap;

    tap_open(&tap, &config);
    tap_data(&tap, C, 70000000, "x", 0);
    tap_data(&tap, C, 80000000, "x", 0);
    tap_data(&tap, C, 1, "bc", 0);
    tap_data(&tap, C, 4, "ef", 0);
    tap_saw(&tap, "C<reorder_limit> C<out_of_window>");
    tap_data(&tap, C, 7, "hi", 0);
    tap_saw(&tap, "");
    tap_data(&tap, C, 90000000, "x", 0);
    tap_saw(&tap, "C<reorder_limit> C<out_of_window>");
    tap_data(&tap, C, 0, "a", 0);
    tap_data(&tap, C, 3, "d", 0);
    tap_data(&tap, C, 6, "g", 0);
    tap_saw(&tap, "C:a C~bc C:d C~ef C:g C~hi");
    tap_close(&tap);
    tap_saw(&tap, "");
}

static void one_segment_over_the_limit_is_delivered_at_once(void **state)
{
    (void)state;
    struct mt_stream_config config = {.bytes_max = 4};
    struct tap tap;

    tap_open(&tap, &config);
    tap_data(&tap, C, 3, "defghi", 0);
    tap_saw(&tap, "C<reorder_limit> C-3 C!defghi");
    tap_data(&tap, C, 9, "jkl", 0);
    tap_saw(&tap, "C:jkl");
    tap_close(&tap);
}

/* All of the arena is somebody else's. */
static void without_memory_nothing_waits_and_nothing_is_lost(void **state)
{
    (void)state;
    struct tap tap;
    size_t size = 1, count = 0;
    void *blocks[10000];

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 3, "def", 0);
    tap_data(&tap, C, 8, "ij", 0);
    tap_data(&tap, S, 0, "250", 8);
    for (size = MT_ARENA_BLOCK_MAX; size >= 32; size /= 2) {
        while ((blocks[count] = mt_arena_get(tap.arena, size)) != NULL) {
            memcpy(blocks[count], &size, sizeof(size));
            assert_true(++count < MT_ARRAY_COUNT(blocks));
        }
    }
    tap_saw(&tap, "");
    tap_data(&tap, C, 12, "mn", 0);
    /* giving up the first hole made room enough */
    tap_saw(&tap, "C<reorder_limit> C-3 C~def");
    assert_true(tap_count(&tap, MT_COUNTER_MEMORY_REFUSED) > 0);
    tap_finish(&tap);
    tap_saw(&tap, "C-2 C~ij S~250 C-2 C~mn");
    for (size_t i = 0; i < count; i++) {
        memcpy(&size, blocks[i], sizeof(size));
        mt_arena_put(tap.arena, blocks[i], size);
    }
    tap_close(&tap);
}

/* Not even for a queue. */
static void a_refusal_without_memory_is_not_accepted(void **state)
{
    (void)state;
    struct tap tap;
    size_t count = 0;
    static void *blocks[20000];

    tap_open(&tap, &defaults);
    tap.stop_behind[C] = '\n';
    tap_data(&tap, C, 0, "HELO\n", 0);
    tap_data(&tap, S, 0, "250\n", 5);
    for (size_t size = MT_ARENA_BLOCK_MAX; size >= 32; size /= 2) {
        while (count < MT_ARRAY_COUNT(blocks) && (blocks[count] = mt_arena_get(tap.arena, size)) != NULL) {
            memcpy(blocks[count], &size, sizeof(size));
            count++;
        }
    }
    tap_saw(&tap, "C:HELO\n S:250\n");
    tap_data(&tap, C, 5, "DATA\nfoo\nbar", 4);
    tap_saw(&tap, "C:DATA\n C<reorder_limit> C!foo\nbar");
    tap_data(&tap, S, 4, "354\n", 100);
    tap_saw(&tap, "S<reorder_limit> S!354\n");
    tap_packet(&tap, C, 20, "", 8, FIN);
    tap_saw(&tap, "C<reorder_limit> C-3 C.");
    for (size_t i = 0; i < count; i++) {
        size_t size;
        memcpy(&size, blocks[i], sizeof(size));
        mt_arena_put(tap.arena, blocks[i], size);
    }
    tap_close(&tap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_that_refuses_gets_the_rest_when_the_other_side_has_moved),
        cmocka_unit_test(a_reader_may_refuse_all_of_it),
        cmocka_unit_test(what_comes_behind_refused_bytes_queues_up_behind_them),
        cmocka_unit_test(a_reply_does_not_wait_for_bytes_that_were_refused),
        cmocka_unit_test(a_gap_behind_refused_bytes_is_delivered_behind_them),
        cmocka_unit_test(a_gap_of_the_other_side_lets_a_reader_go_on_as_well),
        cmocka_unit_test(two_readers_that_refuse_are_served_in_turn),
        cmocka_unit_test(at_the_end_a_reader_must_take_what_it_refused),
        cmocka_unit_test(too_many_bytes_are_forced_on_the_reader),
        cmocka_unit_test(too_many_ranges_end_the_wait_for_what_is_before_them),
        cmocka_unit_test(limits_drop_what_is_beyond_belief_first),
        cmocka_unit_test(one_segment_over_the_limit_is_delivered_at_once),
        cmocka_unit_test(without_memory_nothing_waits_and_nothing_is_lost),
        cmocka_unit_test(a_refusal_without_memory_is_not_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
