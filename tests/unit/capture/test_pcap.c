#include "maker.h"
#include "reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

enum { SECOND = 1700000000 };

static int teardown(void **state)
{
    (void)state;
    place_fini();
    return 0;
}

static void read_made(struct reading *reading, const struct made *made)
{
    reading_of(reading, place_made("made.pcap", made));
    assert_int_equal(reading->rc, 0);
}

/* --- the format ------------------------------------------------------------ */

static void both_byte_orders_and_both_units_are_read(void **state)
{
    (void)state;
    for (int variant = 0; variant < 4; variant++) {
        bool is_nano = variant & 2;
        struct made made;
        struct reading reading;
        made_init(&made, variant & 1);
        made_pcap(&made, is_nano ? PCAP_NANO : PCAP_MICRO, 1);
        made_record(&made, 4294960000u, 999999, 60, 1514, 5);
        made_record(&made, 4294967295u, is_nano ? 999999999 : 999999, 0, 0, 6);
        read_made(&reading, &made);
        assert_int_equal(reading.frame_count, 2);
        assert_int_equal(reading.damage_count, 0);
        assert_int_equal(reading.frames[0].time, 4294960000 * MT_SEC + (is_nano ? 999999 : 999999000));
        assert_int_equal(reading.frames[0].size, 60);
        assert_int_equal(reading.frames[0].wire_size, 1514);
        assert_int_equal(reading.frames[0].first[3], made_byte(5, 3));
        assert_int_equal(reading.frames[0].number, 1);
        assert_int_equal(reading.frames[0].link, MT_LINK_ETHERNET);
        assert_int_equal(reading.frames[0].flags, MT_FRAME_PERSISTENT);
        assert_int_equal(reading.frames[1].time, 4294967295 * MT_SEC + (is_nano ? 999999999 : 999999000));
        assert_int_equal(reading.frames[1].size, 0);
        assert_int_equal(reading.frames[1].number, 2);
        reading_fini(&reading);
        made_fini(&made);
    }
}

static void the_link_type_is_known_whatever_the_fcs_bits_say(void **state)
{
    (void)state;
    static const struct {
        uint32_t field;
        enum mt_link link;
    } cases[] = {
        {0, MT_LINK_NULL},        {1, MT_LINK_ETHERNET},     {9, MT_LINK_PPP},
        {50, MT_LINK_PPP},        {12, MT_LINK_RAW},         {101, MT_LINK_RAW},
        {228, MT_LINK_RAW},       {229, MT_LINK_RAW},        {108, MT_LINK_LOOP},
        {113, MT_LINK_LINUX_SLL}, {276, MT_LINK_LINUX_SLL2}, {0x54000001, MT_LINK_ETHERNET},
        {105, MT_LINK_UNKNOWN},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct made made;
        struct reading reading;
        made_init(&made, i & 1);
        made_pcap(&made, PCAP_MICRO, cases[i].field);
        made_record(&made, SECOND, 0, 20, 20, 1);
        read_made(&reading, &made);
        assert_int_equal(reading.frame_count, 1);
        assert_int_equal(reading.frames[0].link, cases[i].link);
        assert_int_equal(reading.frames[0].link_type, cases[i].field & 0xffff);
        reading_fini(&reading);
        made_fini(&made);
    }
}

static void a_wire_size_that_can_not_be_is_replaced_by_the_size(void **state)
{
    (void)state;
    static const struct {
        uint32_t wire_size;
        uint32_t expected;
    } cases[] = {{100, 100}, {99, 100}, {0, 100}, {UINT32_MAX, 100}, {0x80000000, 100}, {65549, 65549}};
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_pcap(&made, PCAP_MICRO, 1);
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++)
        made_record(&made, SECOND, 0, 100, cases[i].wire_size, 1);
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, MT_ARRAY_COUNT(cases));
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++)
        assert_int_equal(reading.frames[i].wire_size, cases[i].expected);
    reading_fini(&reading);
    made_fini(&made);
}

static void a_file_without_records_is_whole(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_pcap(&made, PCAP_MICRO, 1);
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, 0);
    assert_int_equal(reading.damage_count, 0);
    reading_fini(&reading);
    made_fini(&made);
}

#define WEEK (7u * 86400)
#define FUTURE (UINT32_MAX - 10 * WEEK) /* of the year 2105 */

static void a_time_of_days_to_come_is_believed_when_the_next_frame_says_the_same(void **state)
{
    (void)state;
    static const struct {
        uint32_t said;
        uint32_t expected;
    } frames[] = {
        {SECOND, SECOND},
        {SECOND + 50 * WEEK, SECOND + 50 * WEEK}, /* a pause */
        {FUTURE, SECOND + 50 * WEEK},             /* damaged */
        {SECOND + 51 * WEEK, SECOND + 51 * WEEK},
        {FUTURE + WEEK, SECOND + 51 * WEEK}, /* damaged twice, differently */
        {FUTURE + 3 * WEEK, SECOND + 51 * WEEK},
        {SECOND + 52 * WEEK, SECOND + 52 * WEEK},
        {FUTURE, SECOND + 52 * WEEK}, /* the same damage with a frame between */
        {SECOND + 52 * WEEK, SECOND + 52 * WEEK},
        {FUTURE, SECOND + 52 * WEEK},
        {FUTURE + 1, FUTURE + 1}, /* it is so late */
        {FUTURE + 2 + WEEK, FUTURE + 1},
        {FUTURE + 3 + WEEK, FUTURE + 3 + WEEK},
    };
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_pcap(&made, PCAP_MICRO, 1);
    for (size_t i = 0; i < MT_ARRAY_COUNT(frames); i++)
        made_record(&made, frames[i].said, 0, 64, 64, 1);
    read_made(&reading, &made);
    for (size_t i = 0; i < MT_ARRAY_COUNT(frames); i++)
        assert_int_equal(reading.frames[i].time, frames[i].expected * MT_SEC);
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_TIME_AHEAD), 6);
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_TIME_BACKWARDS), 0);
    reading_fini(&reading);
    made_fini(&made);
}

static void time_never_runs_backwards_and_that_is_counted(void **state)
{
    (void)state;
    static const uint32_t seconds[] = {10, 12, 11, 12, 5, 13};
    static const uint32_t expected[] = {10, 12, 12, 12, 12, 13};
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_pcap(&made, PCAP_MICRO, 1);
    for (size_t i = 0; i < MT_ARRAY_COUNT(seconds); i++)
        made_record(&made, SECOND + seconds[i], 0, 64, 64, 1);
    read_made(&reading, &made);
    for (size_t i = 0; i < MT_ARRAY_COUNT(seconds); i++)
        assert_int_equal(reading.frames[i].time, (SECOND + expected[i]) * MT_SEC);
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_TIME_BACKWARDS), 2);
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_FRAMES), 6);
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_BYTES), 6 * 64);
    reading_fini(&reading);
    made_fini(&made);
}

static void the_size_of_bursts_changes_nothing(void **state)
{
    (void)state;
    struct made made;
    made_init(&made, true);
    made_pcap_of(&made, SECOND, 200);
    const char *path = place_made("bursts.pcap", &made);
    for (size_t burst = 1; burst <= MT_BURST_MAX; burst += 3) {
        struct reading reading;
        reading_of_paths(&reading, &path, 1, NULL, burst);
        assert_int_equal(reading.frame_count, 200);
        assert_pcap_of(&reading, 0, SECOND, 0, 200);
        assert_int_equal(reading.frames[199].number, 200);
        reading_fini(&reading);
    }
    made_fini(&made);
}

/* --- damage ---------------------------------------------------------------- */

static void a_file_cut_at_every_byte_gives_every_whole_frame(void **state)
{
    (void)state;
    struct made made;
    made_init(&made, false);
    made_pcap_of(&made, SECOND, 6);
    size_t ends[7] = {24};
    for (unsigned i = 0; i < 6; i++)
        ends[i + 1] = ends[i] + 16 + made_pcap_size(i);
    for (size_t size = 0; size <= made.size; size++) {
        struct reading reading;
        reading_of(&reading, place_bytes("cut.pcap", made.bytes, size));
        if (size < 24) {
            assert_int_not_equal(reading.rc, 0);
            reading_fini(&reading);
            continue;
        }
        unsigned whole = 0;
        while (whole < 6 && ends[whole + 1] <= size)
            whole++;
        assert_int_equal(reading.rc, 0);
        assert_int_equal(reading.frame_count, whole);
        assert_pcap_of(&reading, 0, SECOND, 0, whole);
        bool is_whole = size == ends[whole];
        assert_int_equal(reading.damage_count, is_whole ? 0 : 1);
        assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_DAMAGED), is_whole ? 0 : 1);
        if (!is_whole) {
            assert_int_equal(reading.damage[0].off, ends[whole]);
            assert_memory_equal(reading.damage[0].reason, "the file ends inside a record", 29);
        }
        reading_fini(&reading);
    }
    made_fini(&made);
}

/* Damages the record header at off, or what is said of it, and reads. */
static void read_damaged(struct reading *reading, uint32_t value, size_t at, const struct made *good)
{
    struct made made;
    made_init(&made, good->is_big);
    made_raw(&made, good->bytes, good->size);
    made_set_u32(&made, at, value);
    read_made(reading, &made);
    made_fini(&made);
}

static void reading_goes_on_behind_a_damaged_record(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {UINT32_MAX, 262145, 0x40000000, 262144, 200000};
    for (size_t i = 0; i < MT_ARRAY_COUNT(lengths) * 2; i++) {
        struct made made;
        struct reading reading;
        made_init(&made, i & 1);
        made_pcap_of(&made, SECOND, 20);
        size_t off = 24;
        for (unsigned k = 0; k < 5; k++)
            off += 16 + made_pcap_size(k);
        read_damaged(&reading, lengths[i / 2], off + 8, &made);
        assert_int_equal(reading.frame_count, 19);
        assert_pcap_of(&reading, 0, SECOND, 0, 5);
        assert_pcap_of(&reading, 5, SECOND, 6, 14);
        assert_int_equal(reading.damage_count, 1);
        assert_int_equal(reading.damage[0].off, off);
        char expected[160];
        size_t next = off + 16 + made_pcap_size(5);
        snprintf(expected, sizeof(expected), "reading goes on at byte %zu, %zu bytes are lost", next,
                 next - off);
        if (strstr(reading.damage[0].reason, expected) == NULL)
            fail_msg("%s", reading.damage[0].reason);
        reading_fini(&reading);
        made_fini(&made);
    }
}

/* A length that is wrong but possible can't be told at once; the records behind
 * the next one are there all the same. */
static void a_length_wrong_by_some_bytes_costs_few_frames(void **state)
{
    (void)state;
    struct made made;
    made_init(&made, false);
    made_pcap_of(&made, SECOND, 30);
    size_t off = 24;
    for (unsigned i = 0; i < 5; i++)
        off += 16 + made_pcap_size(i);
    for (uint32_t size = 0; size < 600; size++) {
        struct reading reading;
        if (size == made_pcap_size(5))
            continue;
        read_damaged(&reading, size, off + 8, &made);
        assert_pcap_of(&reading, 0, SECOND, 0, 5);
        assert_in_range(reading.frame_count, 5 + 22, 30);
        assert_pcap_of(&reading, reading.frame_count - 22, SECOND, 8, 22);
        /* none where the length happens to lead to a later record */
        assert_in_range(reading.damage_count, 0, 1);
        reading_fini(&reading);
    }
    made_fini(&made);
}

static void damage_in_the_first_record_and_in_the_last_is_found(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_pcap_of(&made, SECOND, 10);
    read_damaged(&reading, UINT32_MAX, 24 + 8, &made);
    assert_int_equal(reading.frame_count, 9);
    assert_pcap_of(&reading, 0, SECOND, 1, 9);
    assert_int_equal(reading.damage[0].off, 24);
    reading_fini(&reading);

    size_t last = made.size - made_pcap_size(9) - 16;
    read_damaged(&reading, 0x10000000, last + 8, &made);
    assert_int_equal(reading.frame_count, 9);
    assert_pcap_of(&reading, 0, SECOND, 0, 9);
    assert_int_equal(reading.damage_count, 1);
    assert_int_equal(reading.damage[0].off, last);
    assert_non_null(strstr(reading.damage[0].reason, "nothing readable follows"));
    reading_fini(&reading);
    made_fini(&made);
}

static void several_damaged_places_are_told_one_by_one(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_pcap_of(&made, SECOND, 30);
    size_t off = 24;
    for (unsigned i = 0; i < 30; i++) {
        if (i % 10 == 5)
            made_set_u32(&made, off + 8, UINT32_MAX - i);
        off += 16 + made_pcap_size(i);
    }
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, 27);
    assert_int_equal(reading.damage_count, 3);
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_DAMAGED), 3);
    reading_fini(&reading);
    made_fini(&made);
}

static void junk_between_records_is_passed_over(void **state)
{
    (void)state;
    struct made made;
    struct made tail;
    struct reading reading;
    made_init(&made, false);
    made_init(&tail, false);
    made_pcap_of(&made, SECOND, 5);
    made_pcap_of(&tail, SECOND + 100, 5);
    size_t junk_at = made.size;
    made_raw(&made, "\xff\xff\xff\xff", 4);
    for (unsigned i = 0; i < 10000; i++)
        made_raw(&made, (uint8_t[]){(uint8_t)(0x80 | (i * i >> 3))}, 1);
    made_raw(&made, tail.bytes + 24, tail.size - 24);
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, 10);
    assert_pcap_of(&reading, 5, SECOND + 100, 0, 5);
    assert_int_equal(reading.damage_count, 1);
    assert_int_equal(reading.damage[0].off, junk_at);
    reading_fini(&reading);
    made_fini(&made);
    made_fini(&tail);
}

static void a_largest_record_is_read_and_a_larger_one_is_not(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_pcap(&made, PCAP_MICRO, 1);
    for (uint32_t i = 0; i < 3; i++)
        made_record(&made, SECOND, i, MT_CAPTURE_RECORD_MAX + (i == 1), MT_CAPTURE_RECORD_MAX + 1, i);
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, 2);
    assert_int_equal(reading.frames[0].size, MT_CAPTURE_RECORD_MAX);
    assert_int_equal(reading.frames[1].first[0], made_byte(2, 0));
    assert_int_equal(reading.damage_count, 1);
    reading_fini(&reading);
    made_fini(&made);
}

static void more_damage_than_the_list_holds_is_counted(void **state)
{
    (void)state;
    enum { PLACES = 1200 };
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_pcap(&made, PCAP_MICRO, 1);
    for (uint32_t i = 0; i < PLACES; i++) {
        made_record(&made, SECOND, i, 60, 60, i);
        made_record(&made, SECOND, i, 61, 61, i);
        made_record(&made, SECOND, i, 62, 62, i);
        made_raw(&made, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 17);
    }
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, 3 * PLACES);
    assert_int_equal(reading.damage_count, 1000);
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_DAMAGED), PLACES);
    assert_memory_equal(reading.damage[999].reason, "201 more places", 15);
    reading_fini(&reading);
    made_fini(&made);
}

/* --- what libpcap reads ---------------------------------------------------- */

static void a_modified_pcap_is_read_by_libpcap(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_pcap(&made, 0xa1b2cd34, 101);
    for (uint32_t i = 0; i < 100; i++) {
        made_u32(&made, SECOND + i); /* a record header of 24 bytes */
        made_u32(&made, 5);
        made_u32(&made, 30);
        made_u32(&made, 40);
        made_zeros(&made, 8);
        made_raw(&made, "0123456789012345678901234567890", 30);
    }
    made_zeros(&made, 10);
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, 100);
    assert_int_equal(reading.frames[99].time, (SECOND + 99) * MT_SEC + 5000);
    assert_int_equal(reading.frames[99].size, 30);
    assert_int_equal(reading.frames[99].wire_size, 40);
    assert_int_equal(reading.frames[99].link, MT_LINK_RAW);
    assert_memory_equal(reading.frames[99].first, "01234567", 8);
    assert_int_equal(reading.frames[99].flags, 0);
    assert_false(reading.is_persistent);
    assert_int_equal(reading.damage_count, 1);
    assert_non_null(strstr(reading.damage[0].reason, "truncated"));
    reading_fini(&reading);
    made_fini(&made);
}

static void a_version_that_nobody_reads_is_refused_with_the_reason(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_pcap_of(&made, SECOND, 3);
    made.bytes[4] = 9;
    reading_of(&reading, place_made("version.pcap", &made));
    assert_int_not_equal(reading.rc, 0);
    assert_non_null(strstr(reading.reason,
                           "version.pcap: the file header is damaged: unsupported pcap savefile version"));
    reading_fini(&reading);
    made_fini(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_byte_orders_and_both_units_are_read),
        cmocka_unit_test(the_link_type_is_known_whatever_the_fcs_bits_say),
        cmocka_unit_test(a_wire_size_that_can_not_be_is_replaced_by_the_size),
        cmocka_unit_test(a_file_without_records_is_whole),
        cmocka_unit_test(time_never_runs_backwards_and_that_is_counted),
        cmocka_unit_test(a_time_of_days_to_come_is_believed_when_the_next_frame_says_the_same),
        cmocka_unit_test(the_size_of_bursts_changes_nothing),
        cmocka_unit_test(a_file_cut_at_every_byte_gives_every_whole_frame),
        cmocka_unit_test(reading_goes_on_behind_a_damaged_record),
        cmocka_unit_test(a_length_wrong_by_some_bytes_costs_few_frames),
        cmocka_unit_test(damage_in_the_first_record_and_in_the_last_is_found),
        cmocka_unit_test(several_damaged_places_are_told_one_by_one),
        cmocka_unit_test(junk_between_records_is_passed_over),
        cmocka_unit_test(a_largest_record_is_read_and_a_larger_one_is_not),
        cmocka_unit_test(more_damage_than_the_list_holds_is_counted),
        cmocka_unit_test(a_modified_pcap_is_read_by_libpcap),
        cmocka_unit_test(a_version_that_nobody_reads_is_refused_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
