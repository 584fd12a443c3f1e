#include "tap.h"

static const struct mt_stream_config defaults = {.segments_max = 0};

/* count pure ACKs of side that bring nothing new. */
static void idle(struct tap *tap, enum mt_side side, uint32_t off, uint32_t acked, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        tap_ack(tap, side, off, acked);
}

static void a_reply_waits_for_the_command_that_it_acknowledges(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, S, 0, "220\n", 0);
    tap_data(&tap, S, 4, "250\n", 5);
    tap_data(&tap, C, 5, "QUIT\n", 8);
    tap_saw(&tap, "S:220\n");
    tap_data(&tap, C, 0, "HELO\n", 4);
    tap_saw(&tap, "C:HELO\n S~250\n C~QUIT\n");
    assert_false(mt_stream_is_waiting(&tap.stream));
    tap_close(&tap);
}

static void a_fin_waits_for_the_reply_that_it_acknowledges(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_packet(&tap, C, 0, "", 4, FIN);
    tap_saw(&tap, "");
    tap_data(&tap, S, 0, "221\n", 0);
    tap_saw(&tap, "S:221\n C.");
    tap_close(&tap);
}

static void nobody_waits_for_a_side_that_is_never_seen(void **state)
{
    (void)state;
    struct tap tap;

    tap_open_midstream(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 100);
    tap_ack(&tap, C, 3, 200);
    tap_data(&tap, C, 3, "def", 300);
    tap_saw(&tap, "C:abc C:def");
    assert_false(mt_stream_is_waiting(&tap.stream));
    tap_close(&tap);
    tap_saw(&tap, "");
}

static void patience_ends_after_64_segments_of_the_connection(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, S, 0, "250", 8);
    idle(&tap, C, 8, 0, 30);
    idle(&tap, S, 3, 8, 33);
    tap_saw(&tap, "C:abc");
    tap_ack(&tap, C, 8, 0);
    tap_saw(&tap, "C-5 S~250");
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_GAPS), 1);
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_GAP_BYTES), 5);
    /* too late: but for the record it is a retransmission */
    tap_data(&tap, C, 3, "defgh", 0);
    tap_data(&tap, C, 8, "ijk", 0);
    tap_saw(&tap, "C:ijk");
    tap_close(&tap);
}

static void patience_ends_after_two_seconds(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, S, 0, "250", 8);
    tap_wait(&tap, 1998 * MT_MSEC);
    tap_ack(&tap, C, 8, 0);
    tap_saw(&tap, "");
    tap_ack(&tap, C, 8, 0);
    tap_saw(&tap, "C-8 S~250");
    tap_close(&tap);
}

static void an_ack_alone_starts_the_clock_too(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_ack(&tap, S, 0, 8);
    assert_true(mt_stream_is_waiting(&tap.stream));
    idle(&tap, S, 0, 8, 63);
    tap_saw(&tap, "");
    tap_ack(&tap, S, 0, 8);
    tap_saw(&tap, "C-8");
    assert_false(mt_stream_is_waiting(&tap.stream));
    tap_close(&tap);
}

static void an_ack_that_is_caught_up_with_leaves_no_trace(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_ack(&tap, S, 0, 6);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, C, 3, "def", 0);
    assert_false(mt_stream_is_waiting(&tap.stream));
    idle(&tap, S, 0, 6, 200);
    tap_saw(&tap, "C:abc C:def");
    tap_close(&tap);
}

static void a_loss_ends_where_the_next_bytes_begin(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, C, 6, "ghi", 0);
    tap_data(&tap, C, 12, "mno", 0);
    tap_ack(&tap, S, 0, 15);
    idle(&tap, S, 0, 15, 63);
    tap_saw(&tap, "C:abc");
    /* both holes were acknowledged at the same time, so both are over now */
    tap_ack(&tap, S, 0, 15);
    tap_saw(&tap, "C-3 C~ghi C-3 C~mno");
    tap_close(&tap);
}

static void a_part_that_is_acknowledged_is_given_up_before_the_rest(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 12, "mno", 0);
    tap_ack(&tap, S, 0, 4);
    idle(&tap, C, 15, 0, 32);
    tap_ack(&tap, S, 0, 15);
    idle(&tap, C, 15, 0, 30);
    tap_saw(&tap, "");
    tap_ack(&tap, C, 15, 0);
    tap_saw(&tap, "C-4");
    idle(&tap, C, 15, 0, 32);
    tap_saw(&tap, "");
    tap_ack(&tap, C, 15, 0);
    tap_saw(&tap, "C-8 C~mno");
    tap_close(&tap);
}

/* The receiver misses it as well, so the sender will send it again, even if a
 * whole window passes first: no loss of the capture. */
static void what_the_receiver_has_not_acknowledged_is_not_given_up(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    for (uint32_t i = 0; i < 200; i++) {
        tap_data(&tap, C, 6 + i, "x", 0);
        tap_ack(&tap, S, 0, 3);
    }
    tap_wait(&tap, 10 * MT_SEC);
    tap_ack(&tap, S, 0, 3);
    tap_saw(&tap, "C:abc");
    tap_data(&tap, C, 3, "def", 0);
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_GAPS), 0);
    assert_false(mt_stream_is_waiting(&tap.stream));
    assert_int_equal(tap.stream.dir[C].next_seq, tap.isn[C] + 1 + 206);
    tap_close(&tap);
}

static void one_way_a_hole_is_given_up_by_its_age(void **state)
{
    (void)state;
    struct tap tap;

    tap_open_midstream(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, C, 6, "ghi", 0);
    idle(&tap, C, 9, 100, 30);
    tap_data(&tap, C, 12, "mno", 0);
    idle(&tap, C, 15, 100, 32);
    tap_saw(&tap, "C:abc");
    tap_ack(&tap, C, 15, 100);
    tap_saw(&tap, "C-3 C~ghi");
    idle(&tap, C, 15, 100, 30);
    tap_saw(&tap, "");
    tap_ack(&tap, C, 15, 100);
    tap_saw(&tap, "C-3 C~mno");
    tap_close(&tap);
}

static void losses_on_both_sides_at_once_do_not_wait_for_each_other(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 10, "klm", 20);
    tap_data(&tap, S, 20, "KLM", 13);
    tap_data(&tap, C, 13, "nop", 23);
    tap_saw(&tap, "");
    idle(&tap, S, 23, 16, 61);
    tap_saw(&tap, "");
    tap_ack(&tap, S, 23, 16);
    tap_saw(&tap, "S-20");
    tap_ack(&tap, S, 23, 16);
    tap_saw(&tap, "C-10 C~klm S~KLM C~nop");
    tap_close(&tap);
}

static void an_ack_beyond_belief_is_not_waited_for(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, S, 0, "250", 1 + (1 << 20));
    tap_ack(&tap, S, 3, 2 + (1 << 20));
    tap_saw(&tap, "S:250");
    assert_false(mt_stream_is_waiting(&tap.stream));
    tap_ack(&tap, S, 3, 1 << 20);
    assert_true(mt_stream_is_waiting(&tap.stream));
    tap_close(&tap);
    tap_saw(&tap, "C-1048576");
}

/* Two taps with a skew: the ACKs of one side are always ahead of the bytes. */
static void acks_that_run_ahead_make_no_gap_while_bytes_come_in_their_turn(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    for (uint32_t i = 0; i < 300; i++) {
        tap_ack(&tap, S, 0, i + 150);
        tap_data(&tap, C, i, "x", 0);
        tap_wait(&tap, 100 * MT_MSEC);
        tap.log_size = 0;
    }
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_GAPS), 0);
    idle(&tap, S, 0, 449, 64);
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_GAPS), 1);
    tap_close(&tap);
}

/* The ACKs that follow don't bear it out. */
static void a_forged_segment_with_an_ack_ahead_is_let_through_without_a_gap(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, S, 0, "250", 5000);
    idle(&tap, S, 3, 3, 63);
    tap_saw(&tap, "C:abc");
    tap_ack(&tap, S, 3, 3);
    tap_saw(&tap, "S~250");
    assert_false(mt_stream_is_waiting(&tap.stream));
    tap_data(&tap, C, 3, "def", 3);
    tap_saw(&tap, "C:def");
    tap_close(&tap);
    tap_saw(&tap, "");
}

static void a_forged_ack_makes_no_gap_when_later_ones_do_not_bear_it_out(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_ack(&tap, S, 0, 5000);
    for (uint32_t i = 0; i < 200; i++) {
        tap_data(&tap, C, i, "x", 0);
        tap_ack(&tap, S, 0, i + 1);
        tap_wait(&tap, MT_SEC);
        tap.log_size = 0;
    }
    assert_false(mt_stream_is_waiting(&tap.stream));
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_GAPS), 0);
    tap_close(&tap);
    tap_saw(&tap, "");
}

static void a_fin_that_was_not_captured_is_no_missing_byte(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, S, 0, "bye", 4);
    tap_packet(&tap, S, 3, "", 4, FIN);
    idle(&tap, C, 4, 4, 62);
    tap_saw(&tap, "C:abc");
    tap_ack(&tap, C, 4, 4);
    tap_saw(&tap, "S~bye S.");
    assert_false(mt_stream_is_waiting(&tap.stream));
    /* and nobody waits again */
    tap_packet(&tap, S, 3, "", 4, FIN);
    assert_false(mt_stream_is_waiting(&tap.stream));
    tap_close(&tap);
    tap_saw(&tap, "");
}

static void a_byte_that_was_taken_for_a_fin_is_missing_when_more_follows(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_ack(&tap, S, 0, 4);
    idle(&tap, S, 0, 4, 64);
    tap_data(&tap, C, 4, "efg", 0);
    tap_ack(&tap, S, 0, 7);
    idle(&tap, S, 0, 7, 63);
    tap_saw(&tap, "C:abc");
    tap_ack(&tap, S, 0, 7);
    tap_saw(&tap, "C-1 C~efg");
    tap_close(&tap);

    /* or when it does come */
    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_ack(&tap, S, 0, 4);
    idle(&tap, S, 0, 4, 64);
    tap_data(&tap, C, 3, "d", 0);
    tap_data(&tap, C, 4, "efg", 0);
    tap_saw(&tap, "C:abc C:d C:efg");
    tap_close(&tap);
}

/* The command was captured only when it was sent again, by which time its
 * sender had the reply: it acknowledges its own answer. */
static void of_two_heads_that_acknowledge_each_other_the_copy_goes_first(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, S, 0, "250", 5);
    tap_data(&tap, C, 0, "HELO\n", 3);
    idle(&tap, S, 3, 5, 63);
    tap_saw(&tap, "");
    tap_ack(&tap, S, 3, 5);
    tap_saw(&tap, "C~HELO\n S~250");
    tap_close(&tap);

    /* with the original, which was late, nothing needs guessing */
    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "HELO\n", 3);
    tap_data(&tap, S, 0, "250", 5);
    tap_data(&tap, C, 0, "HELO\n", 0);
    tap_saw(&tap, "C~HELO\n S~250");
    tap_close(&tap);
}

/* Of a copy that holds more than one segment, an original releases its own. */
static void an_original_does_not_release_the_rest_of_a_copy(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "HELO\nQUIT\n", 4);
    tap_data(&tap, C, 0, "HELO\n", 0);
    tap_saw(&tap, "");
    tap_data(&tap, S, 0, "250\n", 0);
    tap_saw(&tap, "S:250\n C~HELO\nQUIT\n");
    tap_close(&tap);
}

static void an_ack_past_the_fin_makes_no_gap_behind_it(void **state)
{
    (void)state;
    struct tap tap;

    /* when the FIN waits, was delivered, or is yet to come */
    tap_open(&tap, &defaults);
    tap_packet(&tap, C, 3, "", 0, FIN);
    tap_ack(&tap, S, 0, 100);
    tap_data(&tap, C, 0, "abc", 0);
    tap_ack(&tap, S, 0, 100);
    assert_false(mt_stream_is_waiting(&tap.stream));
    tap_close(&tap);
    tap_saw(&tap, "C:abc C.");

    tap_open(&tap, &defaults);
    tap_ack(&tap, S, 0, 100);
    tap_packet(&tap, C, 0, "abc", 0, FIN);
    tap_data(&tap, S, 0, "250", 101);
    tap_saw(&tap, "C:abc C. S:250");
    tap_finish(&tap);
    tap_close(&tap);
    tap_saw(&tap, "");
}

/* As when one capture holds both sides of a firewall that renumbers streams. */
static void bytes_far_ahead_that_nobody_acknowledges_are_no_gap_at_the_end(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, C, 70000000, "abc", 0);
    tap_ack(&tap, S, 0, 3);
    tap_data(&tap, C, 3, "def", 0);
    tap_data(&tap, C, 70000003, "def", 0);
    tap_data(&tap, C, 8, "ij", 0);
    tap_saw(&tap, "C:abc C:def");
    tap_finish(&tap);
    tap_saw(&tap, "C<out_of_window> C-2 C~ij");
    tap_close(&tap);

    /* once they are acknowledged, they are what is left after a long loss */
    tap_open(&tap, &defaults);
    tap_data(&tap, C, 70000000, "abc", 0);
    tap_ack(&tap, S, 0, 70000003);
    tap_finish(&tap);
    tap_saw(&tap, "C-70000000 C~abc");
    tap_close(&tap);

    /* and one way there is nobody who could */
    tap_open_midstream(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, C, 70000000, "abc", 0);
    tap_finish(&tap);
    tap_saw(&tap, "C:abc C-69999997 C~abc");
    tap_close(&tap);
}

static void the_end_delivers_what_waits_with_gaps_where_bytes_are_missing(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 6, "ghi", 0);
    tap_data(&tap, C, 3, "d", 0);
    tap_packet(&tap, C, 12, "", 0, FIN);
    tap_data(&tap, S, 0, "250", 2);
    tap_ack(&tap, C, 13, 30);
    tap_saw(&tap, "");
    tap_finish(&tap);
    tap_saw(&tap, "C-2 S~250 C-1 C~d C-2 C~ghi C-3 C. S-27");
    assert_false(mt_stream_is_waiting(&tap.stream));
    tap_finish(&tap);
    tap_close(&tap);
    tap_saw(&tap, "");
}

static void bytes_keep_the_mark_of_the_frame_that_brought_them(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 3, "def", 0);
    idle(&tap, S, 0, 0, 10);
    tap_data(&tap, C, 0, "abc", 0);
    tap_saw(&tap, "C:abc C~def");
    assert_int_equal(tap.last_mark, 1);
    tap_data(&tap, C, 6, "ghi", 0);
    assert_int_equal(tap.last_mark, 13);
    tap_close(&tap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reply_waits_for_the_command_that_it_acknowledges),
        cmocka_unit_test(a_fin_waits_for_the_reply_that_it_acknowledges),
        cmocka_unit_test(nobody_waits_for_a_side_that_is_never_seen),
        cmocka_unit_test(patience_ends_after_64_segments_of_the_connection),
        cmocka_unit_test(patience_ends_after_two_seconds),
        cmocka_unit_test(an_ack_alone_starts_the_clock_too),
        cmocka_unit_test(an_ack_that_is_caught_up_with_leaves_no_trace),
        cmocka_unit_test(a_loss_ends_where_the_next_bytes_begin),
        cmocka_unit_test(a_part_that_is_acknowledged_is_given_up_before_the_rest),
        cmocka_unit_test(what_the_receiver_has_not_acknowledged_is_not_given_up),
        cmocka_unit_test(one_way_a_hole_is_given_up_by_its_age),
        cmocka_unit_test(losses_on_both_sides_at_once_do_not_wait_for_each_other),
        cmocka_unit_test(an_ack_beyond_belief_is_not_waited_for),
        cmocka_unit_test(acks_that_run_ahead_make_no_gap_while_bytes_come_in_their_turn),
        cmocka_unit_test(a_forged_segment_with_an_ack_ahead_is_let_through_without_a_gap),
        cmocka_unit_test(a_forged_ack_makes_no_gap_when_later_ones_do_not_bear_it_out),
        cmocka_unit_test(a_fin_that_was_not_captured_is_no_missing_byte),
        cmocka_unit_test(a_byte_that_was_taken_for_a_fin_is_missing_when_more_follows),
        cmocka_unit_test(of_two_heads_that_acknowledge_each_other_the_copy_goes_first),
        cmocka_unit_test(an_original_does_not_release_the_rest_of_a_copy),
        cmocka_unit_test(an_ack_past_the_fin_makes_no_gap_behind_it),
        cmocka_unit_test(bytes_far_ahead_that_nobody_acknowledges_are_no_gap_at_the_end),
        cmocka_unit_test(the_end_delivers_what_waits_with_gaps_where_bytes_are_missing),
        cmocka_unit_test(bytes_keep_the_mark_of_the_frame_that_brought_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
