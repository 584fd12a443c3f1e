#include "tap.h"

static const struct mt_stream_config defaults = {.segments_max = 0};

static void bytes_in_their_turn_go_straight_through(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, S, 0, "220\n", 0);
    tap_ack(&tap, C, 0, 4);
    tap_data(&tap, C, 0, "HELO\n", 4);
    tap_data(&tap, S, 4, "250\n", 5);
    tap_data(&tap, C, 5, "QUIT\n", 8);
    tap_saw(&tap, "S:220\n C:HELO\n S:250\n C:QUIT\n");
    assert_false(mt_stream_is_waiting(&tap.stream));
    tap_close(&tap);
    tap_saw(&tap, "");
}

static void a_segment_that_comes_early_waits_for_its_turn(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 6, "ghi", 0);
    tap_data(&tap, C, 3, "def", 0);
    assert_true(mt_stream_is_waiting(&tap.stream));
    tap_saw(&tap, "");
    tap_data(&tap, C, 0, "abc", 0);
    tap_saw(&tap, "C:abc C~def C~ghi");
    assert_int_equal(tap.last_mark, 1);
    assert_false(mt_stream_is_waiting(&tap.stream));
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_OUT_OF_ORDER), 2);
    tap_close(&tap);
}

static void what_comes_again_is_counted_and_not_delivered(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, C, 1, "b", 0);
    tap_data(&tap, C, 6, "ghi", 0);
    tap_data(&tap, C, 6, "ghi", 0);
    tap_data(&tap, C, 7, "h", 0);
    tap_saw(&tap, "C:abc");
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_RETRANSMIT), 4);
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_OVERLAP), 0);
    tap_data(&tap, C, 3, "def", 0);
    tap_saw(&tap, "C:def C~ghi");
    tap_close(&tap);
}

/* Keep-alives repeat the last byte, or any other in its place (RFC 9293 §3.8.4). */
static void a_probe_for_a_closed_window_is_nothing_new(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, C, 2, "?", 0);
    tap_ack(&tap, C, 2, 0);
    tap_data(&tap, C, 3, "def", 0);
    tap_saw(&tap, "C:abc C:def");
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_RETRANSMIT), 1);
    tap_close(&tap);
}

static void of_an_overlap_only_the_new_part_is_taken(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, C, 2, "cde", 0);
    tap_saw(&tap, "C:abc C:de");
    tap_data(&tap, C, 7, "hi", 0);
    tap_data(&tap, C, 11, "lm", 0);
    /* before, between and behind */
    tap_data(&tap, C, 6, "ghijklmno", 0);
    tap_saw(&tap, "");
    tap_data(&tap, C, 4, "ef", 0);
    tap_saw(&tap, "C:f C~g C~hi C~jk C~lm C~no");
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_OVERLAP), 3);
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_RETRANSMIT), 0);
    tap_close(&tap);
}

static void the_first_of_two_different_bytes_wins_and_the_conflict_is_told(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 3, "def", 0);
    tap_data(&tap, C, 2, "CDEFG", 0);
    tap_saw(&tap, "C<overlap_conflict>");
    tap_data(&tap, C, 0, "ab", 0);
    tap_saw(&tap, "C:ab C~C C~def C~G");
    /* delivered bytes are gone: nothing to compare with */
    tap_data(&tap, C, 0, "xyz", 0);
    tap_saw(&tap, "");
    tap_close(&tap);
}

static void the_last_wins_where_that_is_wanted_and_not_yet_too_late(void **state)
{
    (void)state;
    struct mt_stream_config config = {.last_wins = true};

    for (unsigned persistent = 0; persistent < 2; persistent++) {
        struct tap tap;
        tap_open(&tap, &config);
        tap.frame_flags = persistent ? MT_FRAME_PERSISTENT : 0;
        tap_data(&tap, C, 3, "def", 0);
        tap_data(&tap, C, 7, "hi", 0);
        tap_data(&tap, C, 5, "FGH", 0);
        tap_saw(&tap, "C<overlap_conflict>");
        tap_data(&tap, C, 0, "abc", 0);
        tap_saw(&tap, "C:abc C~deF C~G C~Hi");
        tap_data(&tap, C, 0, "xyz", 0);
        tap_saw(&tap, "");
        tap_close(&tap);
    }
}

static void bytes_of_a_mapped_file_are_referred_to_and_others_copied(void **state)
{
    (void)state;
    char text[] = "defghijklmnopqrstuvwxyz0123456789";
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 3, text, 0);
    size_t copied = mt_arena_used(tap.arena);
    memset(text, 'X', strlen(text));
    tap_data(&tap, C, 0, "abc", 0);
    tap_saw(&tap, "C:abc C~defghijklmnopqrstuvwxyz0123456789");
    tap_close(&tap);

    memcpy(text, "defghijklmnopqrstuvwxyz0123456789", sizeof(text));
    tap_open(&tap, &defaults);
    tap.frame_flags = MT_FRAME_PERSISTENT;
    tap_data(&tap, C, 3, text, 0);
    assert_true(mt_arena_used(tap.arena) < copied);
    text[0] = 'D';
    tap_data(&tap, C, 0, "abc", 0);
    tap_saw(&tap, "C:abc C~Defghijklmnopqrstuvwxyz0123456789");
    tap_close(&tap);
}

static void sequence_numbers_wrap_within_a_segment_and_between(void **state)
{
    (void)state;

    for (uint32_t before = 0; before < 12; before++) {
        struct tap tap;
        tap_open_midstream(&tap, &defaults);
        tap.isn[C] = UINT32_MAX - before;
        tap.isn[S] = UINT32_MAX - 11 + before;
        mt_stream_set_isn(&tap.stream, C, tap.isn[C]);
        mt_stream_set_isn(&tap.stream, S, tap.isn[S]);
        tap_data(&tap, C, 6, "ghi", 0);
        tap_data(&tap, C, 2, "cdefg", 0);
        tap_data(&tap, C, 0, "ab", 0);
        tap_data(&tap, S, 0, "ABCDEF", 9);
        tap_data(&tap, C, 9, "jkl", 6);
        tap_data(&tap, S, 6, "GHIJKL", 12);
        tap_saw(&tap, "C:ab C~cdef C~ghi S:ABCDEF C:jkl S:GHIJKL");
        tap_close(&tap);
    }
}

static void a_segment_of_64_kib_is_kept_whole(void **state)
{
    (void)state;
    static char text[65536];
    static uint8_t copy[65536];

    for (size_t i = 0; i < sizeof(text) - 1; i++)
        text[i] = (char)('a' + i % 26);
    for (unsigned persistent = 0; persistent < 2; persistent++) {
        struct tap tap;
        tap_open(&tap, &defaults);
        tap.copy = copy;
        tap.frame_flags = persistent ? MT_FRAME_PERSISTENT : 0;
        tap_data(&tap, C, 1, text, 0);
        assert_true(persistent || mt_arena_used(tap.arena) >= sizeof(text) - 1);
        tap_data(&tap, C, 0, "!", 0);
        tap_saw(&tap, "C:! C~#16384 C~#16384 C~#16384 C~#16383");
        assert_int_equal(tap.copied, 65536);
        assert_memory_equal(copy + 1, text, 65535);
        tap_close(&tap);
    }
}

static void what_the_snap_length_cut_off_is_a_gap(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_cut(&tap, C, 0, "abc", 10, 0);
    tap_saw(&tap, "C<snaplen_cut> C:abc C-7");
    tap_cut(&tap, C, 15, "pqr", 5, 0);
    tap_cut(&tap, C, 20, "", 4, 0);
    tap_saw(&tap, "C<snaplen_cut> C<snaplen_cut>");
    tap_data(&tap, C, 10, "klmno", 0);
    tap_saw(&tap, "C:klmno C~pqr C-2 C-4");
    tap_data(&tap, C, 24, "yz", 0);
    tap_saw(&tap, "C:yz");
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_GAP_BYTES), 13);
    tap_close(&tap);
}

static void data_on_a_syn_is_odd_but_delivered(void **state)
{
    (void)state;
    struct tap tap;

    tap_open_midstream(&tap, &defaults);
    assert_int_equal(tap_packet(&tap, C, UINT32_MAX, "abc", 0, MT_TCP_SYN), MT_STREAM_OK);
    tap_saw(&tap, "C<data_on_syn> C:abc");
    /* a server that does not know TCP Fast Open acknowledges the SYN alone */
    assert_int_equal(tap_packet(&tap, S, UINT32_MAX, "", 0, MT_TCP_SYN | ACK), MT_STREAM_OK);
    tap_data(&tap, C, 0, "abcdef", 0);
    tap_saw(&tap, "C:def");
    assert_true(mt_stream_is_open(&tap.stream, C) && mt_stream_is_open(&tap.stream, S));
    tap_close(&tap);
}

static void a_syn_with_another_isn_counts_until_data_was_seen(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_packet(&tap, C, UINT32_MAX, "", 0, MT_TCP_SYN);
    tap_saw(&tap, "");
    tap.isn[C] = 500;
    tap_packet(&tap, C, UINT32_MAX, "", 0, MT_TCP_SYN);
    tap_saw(&tap, "C<syn_new_isn>");
    tap.isn[C] = 77000;
    tap_packet(&tap, C, UINT32_MAX, "", 0, MT_TCP_SYN);
    tap_saw(&tap, "C<syn_new_isn>");
    tap_data(&tap, C, 0, "abc", 0);
    tap_saw(&tap, "C:abc");
    tap_packet(&tap, C, UINT32_MAX, "", 0, MT_TCP_SYN);
    tap_saw(&tap, "");
    tap.isn[C] = 99000;
    tap_packet(&tap, C, UINT32_MAX, "xyz", 0, MT_TCP_SYN);
    tap_saw(&tap, "C<syn_new_isn>");
    tap.isn[C] = 77000;
    tap_data(&tap, C, 3, "def", 0);
    tap_saw(&tap, "C:def");
    tap_close(&tap);
}

static void segments_from_nowhere_are_ignored(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, C, 4 + (1u << 30), "x", 0);
    tap_data(&tap, C, 2u - (1u << 30), "x", 0);
    tap_ack(&tap, C, 1u << 31, 0);
    tap_saw(&tap, "C:abc C<out_of_window> C<out_of_window> C<out_of_window>");
    assert_int_equal(tap_count(&tap, MT_COUNTER_STREAM_OUT_OF_WINDOW), 3);
    tap_data(&tap, C, 3, "def", 0);
    tap_saw(&tap, "C:def");
    tap_close(&tap);
}

static void urgent_data_is_told_and_stays_in_line(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_packet(&tap, C, 3, "d", 0, ACK | MT_TCP_URG);
    tap_data(&tap, C, 4, "ef", 0);
    tap_saw(&tap, "C:abc C<urgent_data> C:d C:ef");
    tap_close(&tap);
}

static void a_rst_counts_inside_the_window_only(void **state)
{
    (void)state;
    struct tap tap;
    static const struct {
        uint32_t off;
        bool is_valid;
    } cases[] = {
        {3, true},  {4, true},  {2, true},         {3 + (1 << 20), true}, {4 + (1 << 20), false},
        {1, false}, {0, false}, {1u << 31, false},
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        tap_open(&tap, &defaults);
        tap_data(&tap, C, 0, "abc", 0);
        tap_saw(&tap, "C:abc");
        enum mt_stream_verdict verdict = tap_packet(&tap, C, cases[i].off, "", 0, MT_TCP_RST);
        assert_int_equal(verdict, cases[i].is_valid ? MT_STREAM_RESET : MT_STREAM_OK);
        tap_saw(&tap, cases[i].is_valid ? "" : "C<bad_rst>");
        tap_data(&tap, C, 3, "def", 0);
        tap_saw(&tap, "C:def");
        tap_close(&tap);
    }
}

static void a_rst_of_a_side_of_which_less_is_known_is_believed_more(void **state)
{
    (void)state;
    struct tap tap;

    /* one way, midstream: what was seen may be behind or ahead */
    tap_open_midstream(&tap, &defaults);
    tap_data(&tap, C, 5000, "abc", 0);
    assert_int_equal(tap_packet(&tap, C, 4000, "", 0, MT_TCP_RST), MT_STREAM_RESET);
    /* the other side was never seen; its RST acknowledges what the client sent */
    assert_int_equal(tap_packet(&tap, S, 123456, "", 5003, MT_TCP_RST | ACK), MT_STREAM_RESET);
    assert_int_equal(tap_packet(&tap, S, 123456, "", 1u << 30, MT_TCP_RST | ACK), MT_STREAM_OK);
    assert_int_equal(tap_packet(&tap, S, 123456, "", 0, MT_TCP_RST), MT_STREAM_RESET);
    tap_saw(&tap, "C:abc S<bad_rst>");
    tap_close(&tap);
}

static void a_connection_is_closed_when_both_fins_are_delivered_and_acknowledged(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    assert_int_equal(tap_packet(&tap, C, 3, "de", 0, FIN), MT_STREAM_OK);
    tap_saw(&tap, "C:abc C:de C.");
    tap_ack(&tap, S, 0, 6);
    tap_data(&tap, S, 0, "bye", 6);
    assert_int_equal(tap_packet(&tap, S, 3, "", 6, FIN), MT_STREAM_OK);
    assert_int_equal(tap_packet(&tap, S, 3, "", 6, FIN), MT_STREAM_OK);
    tap_saw(&tap, "S:bye S.");
    assert_int_equal(tap_packet(&tap, C, 6, "", 3, ACK), MT_STREAM_OK);
    assert_int_equal(tap_packet(&tap, C, 6, "", 4, ACK), MT_STREAM_CLOSED);
    assert_int_equal(tap_packet(&tap, C, 6, "", 4, ACK), MT_STREAM_CLOSED);
    tap_saw(&tap, "");
    tap_close(&tap);
}

static void both_sides_may_close_at_once(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    assert_int_equal(tap_packet(&tap, C, 0, "", 0, FIN), MT_STREAM_OK);
    assert_int_equal(tap_packet(&tap, S, 0, "", 0, FIN), MT_STREAM_OK);
    assert_int_equal(tap_packet(&tap, C, 1, "", 1, ACK), MT_STREAM_OK);
    assert_int_equal(tap_packet(&tap, S, 1, "", 1, ACK), MT_STREAM_CLOSED);
    tap_saw(&tap, "C. S.");
    tap_close(&tap);
}

static void a_fin_waits_for_the_bytes_before_it(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_packet(&tap, S, 0, "", 0, FIN);
    tap_packet(&tap, C, 3, "def", 1, FIN);
    tap_packet(&tap, C, 3, "def", 1, FIN);
    tap_ack(&tap, S, 1, 7);
    tap_saw(&tap, "S.");
    /* its ACK is known before it is delivered itself */
    assert_int_equal(tap_packet(&tap, C, 0, "abc", 1, ACK), MT_STREAM_CLOSED);
    tap_saw(&tap, "C:abc C~def C.");
    tap_close(&tap);
}

static void data_after_a_fin_is_told_and_dropped(void **state)
{
    (void)state;
    struct tap tap;

    tap_open(&tap, &defaults);
    tap_packet(&tap, C, 0, "abc", 0, FIN);
    tap_data(&tap, C, 4, "x", 0);
    tap_data(&tap, C, 3, "x", 0);
    tap_data(&tap, C, 0, "abc", 0);
    tap_packet(&tap, C, 0, "abc", 0, FIN);
    tap_saw(&tap, "C:abc C. C<data_after_fin> C<data_after_fin>");
    tap_close(&tap);

    /* the FIN waits; what goes past it is cut */
    tap_open(&tap, &defaults);
    tap_packet(&tap, C, 3, "def", 0, FIN);
    tap_data(&tap, C, 1, "bcdefghi", 0);
    tap_saw(&tap, "C<data_after_fin>");
    tap_data(&tap, C, 0, "a", 0);
    tap_saw(&tap, "C:a C~bc C~def C.");
    tap_close(&tap);

    /* a FIN in the middle of what was seen can't be one */
    tap_open(&tap, &defaults);
    tap_data(&tap, C, 0, "abc", 0);
    tap_data(&tap, C, 6, "ghi", 0);
    tap_packet(&tap, C, 2, "", 0, FIN);
    tap_packet(&tap, C, 3, "d", 0, FIN);
    tap_data(&tap, C, 4, "ef", 0);
    tap_saw(&tap, "C:abc C<data_after_fin> C:d C<data_after_fin> C:ef C~ghi");
    tap_close(&tap);
}

static void a_side_is_open_from_its_first_byte_on(void **state)
{
    (void)state;
    struct tap tap;

    tap_open_midstream(&tap, &defaults);
    tap_ack(&tap, S, 0, 100);
    assert_false(mt_stream_is_open(&tap.stream, S));
    assert_false(mt_stream_is_open(&tap.stream, C));
    tap_data(&tap, C, 100, "abc", 500);
    assert_true(mt_stream_is_open(&tap.stream, C));
    assert_false(mt_stream_is_open(&tap.stream, S));
    tap_data(&tap, S, 500, "ABC", 103);
    tap_data(&tap, C, 103, "def", 503);
    tap_saw(&tap, "C:abc S:ABC C:def");
    tap_close(&tap);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_in_their_turn_go_straight_through),
        cmocka_unit_test(a_segment_that_comes_early_waits_for_its_turn),
        cmocka_unit_test(what_comes_again_is_counted_and_not_delivered),
        cmocka_unit_test(a_probe_for_a_closed_window_is_nothing_new),
        cmocka_unit_test(of_an_overlap_only_the_new_part_is_taken),
        cmocka_unit_test(the_first_of_two_different_bytes_wins_and_the_conflict_is_told),
        cmocka_unit_test(the_last_wins_where_that_is_wanted_and_not_yet_too_late),
        cmocka_unit_test(bytes_of_a_mapped_file_are_referred_to_and_others_copied),
        cmocka_unit_test(sequence_numbers_wrap_within_a_segment_and_between),
        cmocka_unit_test(a_segment_of_64_kib_is_kept_whole),
        cmocka_unit_test(what_the_snap_length_cut_off_is_a_gap),
        cmocka_unit_test(data_on_a_syn_is_odd_but_delivered),
        cmocka_unit_test(a_syn_with_another_isn_counts_until_data_was_seen),
        cmocka_unit_test(segments_from_nowhere_are_ignored),
        cmocka_unit_test(urgent_data_is_told_and_stays_in_line),
        cmocka_unit_test(a_rst_counts_inside_the_window_only),
        cmocka_unit_test(a_rst_of_a_side_of_which_less_is_known_is_believed_more),
        cmocka_unit_test(a_connection_is_closed_when_both_fins_are_delivered_and_acknowledged),
        cmocka_unit_test(both_sides_may_close_at_once),
        cmocka_unit_test(a_fin_waits_for_the_bytes_before_it),
        cmocka_unit_test(data_after_a_fin_is_told_and_dropped),
        cmocka_unit_test(a_side_is_open_from_its_first_byte_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
