#include "capture/pcapng_priv.h"
#include "maker.h"
#include "reading.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define MICROS UINT64_C(1700000000123456)

static int teardown(void **state)
{
    (void)state;
    place_fini();
    return 0;
}

static void read_made(struct reading *reading, const struct made *made)
{
    reading_of(reading, place_made("made.pcapng", made));
    assert_int_equal(reading->rc, 0);
}

/* A section, an interface and count enhanced packets, a microsecond apart. */
static void made_simple_file(struct made *made, bool is_big, unsigned count)
{
    made_init(made, is_big);
    made_section(made);
    made_interface(made, 1, 65535, -1, 0);
    for (unsigned i = 0; i < count; i++)
        made_enhanced(made, 0, MICROS + i, made_pcap_size(i), made_pcap_size(i) + 10, i);
}

static void assert_simple_frames(const struct reading *reading, size_t at, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++, at++) {
        assert_true(at < reading->frame_count);
        assert_int_equal(reading->frames[at].time, (MICROS + i) * 1000);
        assert_int_equal(reading->frames[at].size, made_pcap_size(i));
        assert_int_equal(reading->frames[at].wire_size, made_pcap_size(i) + 10);
        if (made_pcap_size(i) > 0)
            assert_int_equal(reading->frames[at].first[0], made_byte(i, 0));
    }
}

/* --- the format ------------------------------------------------------------ */

static void enhanced_packets_are_read_in_both_byte_orders(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct made made;
        struct reading reading;
        made_simple_file(&made, order, 50);
        read_made(&reading, &made);
        assert_int_equal(reading.frame_count, 50);
        assert_simple_frames(&reading, 0, 0, 50);
        assert_int_equal(reading.damage_count, 0);
        assert_int_equal(reading.frames[49].number, 50);
        assert_int_equal(reading.frames[49].link, MT_LINK_ETHERNET);
        assert_int_equal(reading.frames[49].flags, MT_FRAME_PERSISTENT);
        assert_true(reading.is_persistent);
        reading_fini(&reading);
        made_fini(&made);
    }
}

static void every_interface_has_its_own_link_type_and_clock(void **state)
{
    (void)state;
    static const struct {
        uint16_t link_type;
        int resolution;
        int64_t offset;
        uint64_t units;
        uint64_t expected;
    } cases[] = {
        {1, -1, 0, 1500000, 1500000000},
        {101, 9, 0, 1600000001, 1600000001},
        {113, 3, 0, 1700, 1700000000},
        {276, 0, 0, 2, 2000000000},
        {0, 12, 0, 2100000001999, 2100000001},
        {9, 0x80 | 10, 0, 2253, 2200195312}, /* 2253 / 1024 s */
        {1, 0x80 | 0, 0, 3, 3000000000},
        {1, 0x80 | 32, 0, UINT64_C(0x380000000), 3500000000},
        {1, 6, 1000, 500000, 1000500000000},
        {1, 6, -3, UINT64_C(1004000000), 1001000000000},
        {1, 9, 1100, 7, 1100000000007},
        {105, 6, 0, UINT64_C(1200000000), 1200000000000},
        /* the clock stays: no frame is of a year so late */
        {1, 6, 0, UINT64_MAX / 1000, 1200000000000},
        {1, 6, 0, UINT64_MAX / 1000 + 1, 1200000000000},
    };
    for (int order = 0; order < 2; order++) {
        struct made made;
        struct reading reading;
        made_init(&made, order);
        made_section(&made);
        for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++)
            made_interface(&made, cases[i].link_type, 0, cases[i].resolution, cases[i].offset);
        for (uint32_t i = 0; i < MT_ARRAY_COUNT(cases); i++)
            made_enhanced(&made, i, cases[i].units, 20, 20, i);
        read_made(&reading, &made);
        assert_int_equal(reading.frame_count, MT_ARRAY_COUNT(cases));
        for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
            assert_int_equal(reading.frames[i].time, cases[i].expected);
            assert_int_equal(reading.frames[i].link_type, cases[i].link_type);
        }
        reading_fini(&reading);
        made_fini(&made);
    }
}

static void times_out_of_range_saturate(void **state)
{
    (void)state;
    static const struct {
        uint8_t resolution;
        int64_t offset;
        uint64_t units;
        uint64_t expected;
    } cases[] = {
        {6, 0, UINT64_MAX, UINT64_MAX},
        {0, 0, UINT64_MAX, UINT64_MAX},
        {0, INT64_MAX, UINT64_MAX, UINT64_MAX},
        {0, INT64_MIN, 5, 0},
        {0, INT64_MIN, UINT64_MAX, UINT64_MAX},
        {9, 0, UINT64_MAX, UINT64_MAX},
        {28, 0, UINT64_MAX, 1},
        {29, 0, UINT64_MAX, 0},
        {127, 0, UINT64_MAX, 0},
        {0x80 | 127, 0, UINT64_MAX, 0},
        {0x80 | 64, 0, UINT64_MAX, 999999999},
        {0x80, 0, UINT64_MAX, UINT64_MAX},
        {6, -1, 999999, 0},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct mt_pcapng_interface interface = {.resolution = cases[i].resolution, .offset = cases[i].offset};
        assert_int_equal(mt_pcapng_time(&interface, cases[i].units), cases[i].expected);
    }
}

static void sections_may_change_the_byte_order_and_the_interfaces(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, false);
    for (uint32_t i = 0; i < 6; i++) {
        made.is_big = i & 1;
        made_section(&made);
        made_interface(&made, i % 3 == 0 ? 1 : 101, 0, 9, 0);
        made_enhanced(&made, 0, 1000 + i, 40, 40, i);
    }
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, 6);
    assert_int_equal(reading.damage_count, 0);
    for (uint32_t i = 0; i < 6; i++) {
        assert_int_equal(reading.frames[i].time, 1000 + i);
        assert_int_equal(reading.frames[i].link, i % 3 == 0 ? MT_LINK_ETHERNET : MT_LINK_RAW);
    }
    reading_fini(&reading);
    made_fini(&made);
}

static void simple_and_obsolete_packets_are_read(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, true);
    made_section(&made);
    made_interface(&made, 101, 64, 9, 0);
    made_interface(&made, 1, 0, 9, 0);
    made_simple(&made, 40, 40, 0); /* before any time is known */
    made_obsolete(&made, 1, 5000, 41, 50, 1);
    made_simple(&made, 64, 1500, 2); /* cut to the snapshot length of interface 0 */
    made_simple(&made, 33, 33, 3);
    made_enhanced(&made, 0, 6000, 42, 42, 4);
    made_simple(&made, 43, 43, 5);
    read_made(&reading, &made);
    static const struct {
        uint64_t time;
        uint32_t size;
        uint32_t wire_size;
        enum mt_link link;
    } expected[] = {
        {0, 40, 40, MT_LINK_RAW},    {5000, 41, 50, MT_LINK_ETHERNET}, {5000, 64, 1500, MT_LINK_RAW},
        {5000, 33, 33, MT_LINK_RAW}, {6000, 42, 42, MT_LINK_RAW},      {6000, 43, 43, MT_LINK_RAW},
    };
    assert_int_equal(reading.damage_count, 0);
    assert_int_equal(reading.frame_count, MT_ARRAY_COUNT(expected));
    for (size_t i = 0; i < MT_ARRAY_COUNT(expected); i++) {
        assert_int_equal(reading.frames[i].time, expected[i].time);
        assert_int_equal(reading.frames[i].size, expected[i].size);
        assert_int_equal(reading.frames[i].wire_size, expected[i].wire_size);
        assert_int_equal(reading.frames[i].link, expected[i].link);
        assert_int_equal(reading.frames[i].first[1], made_byte((unsigned)i, 1));
    }
    reading_fini(&reading);
    made_fini(&made);
}

static void other_blocks_are_passed_over(void **state)
{
    (void)state;
    static const uint32_t types[] = {4, 5, 7, 10, 0xbad, 0x40000bad, 0x80000001, 0x12345678, 0};
    struct made made;
    struct made large;
    struct reading reading;
    made_simple_file(&made, false, 1);
    made_init(&large, false);
    made_zeros(&large, 3 << 20);
    for (size_t i = 0; i < MT_ARRAY_COUNT(types); i++) {
        made_block(&made, types[i], "0123456789ab", 12);
        made_block(&made, types[i], "", 0);
    }
    made_block(&made, 10, large.bytes, large.size); /* larger than a window */
    made_enhanced(&made, 0, MICROS + 1, made_pcap_size(1), made_pcap_size(1) + 10, 1);
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, 2);
    assert_simple_frames(&reading, 0, 0, 2);
    assert_int_equal(reading.damage_count, 0);
    reading_fini(&reading);
    made_fini(&made);
    made_fini(&large);
}

static void thousands_of_interfaces_are_kept(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_section(&made);
    for (unsigned i = 0; i < COUNT; i++)
        made_interface(&made, 1, 0, 9, i);
    made_enhanced(&made, COUNT - 1, 1, 10, 10, 0);
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, 1);
    assert_int_equal(reading.frames[0].time, (COUNT - 1) * MT_SEC + 1);
    reading_fini(&reading);
    made_fini(&made);
}

/* --- damage ---------------------------------------------------------------- */

static void a_file_cut_at_every_byte_gives_every_whole_frame(void **state)
{
    (void)state;
    for (int order = 0; order < 2; order++) {
        struct made made;
        made_simple_file(&made, order, 0);
        size_t ends[6] = {made.size};
        for (unsigned i = 0; i < 5; i++) {
            made_enhanced(&made, 0, MICROS + i, made_pcap_size(i), made_pcap_size(i) + 10, i);
            ends[i + 1] = made.size;
        }
        for (size_t size = 0; size <= made.size; size++) {
            struct reading reading;
            reading_of(&reading, place_bytes("cut.pcapng", made.bytes, size));
            if (size < MT_PCAPNG_BLOCK_MIN) {
                assert_int_not_equal(reading.rc, 0);
                reading_fini(&reading);
                continue;
            }
            unsigned whole = 0;
            while (whole < 5 && ends[whole + 1] <= size)
                whole++;
            bool is_whole = size == ends[whole] || size == MT_PCAPNG_HEADER_SIZE;
            assert_int_equal(reading.frame_count, whole);
            assert_simple_frames(&reading, 0, 0, whole);
            assert_int_equal(reading.damage_count, is_whole ? 0 : 1);
            if (!is_whole && size > ends[0])
                assert_int_equal(reading.damage[0].off, ends[whole]);
            reading_fini(&reading);
        }
        made_fini(&made);
    }
}

static void reading_goes_on_behind_a_damaged_block(void **state)
{
    (void)state;
    static const struct {
        int at; /* from the start of the block; below 0: from its end */
        uint32_t value;
    } cases[] = {{4, 0}, {4, 3}, {4, 11}, {4, 41}, {4, 0xfffffff0}, {4, 12}, {-4, 0}, {4, 64}, {4, 100000}};
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases) * 2; i++) {
        struct made made;
        struct reading reading;
        made_simple_file(&made, i & 1, 5);
        size_t off = made.size;
        made_enhanced(&made, 0, MICROS + 5, made_pcap_size(5), 0, 5);
        size_t end = made.size;
        for (unsigned k = 6; k < 20; k++)
            made_enhanced(&made, 0, MICROS + k, made_pcap_size(k), made_pcap_size(k) + 10, k);
        int at = cases[i / 2].at;
        made_set_u32(&made, at < 0 ? end - 4 : off + 4, cases[i / 2].value);
        read_made(&reading, &made);
        assert_int_equal(reading.frame_count, 19);
        assert_simple_frames(&reading, 0, 0, 5);
        assert_simple_frames(&reading, 5, 6, 14);
        assert_int_equal(reading.damage_count, 1);
        assert_int_equal(reading.damage[0].off, off);
        char expected[160];
        snprintf(expected, sizeof(expected), "reading goes on at byte %zu, %zu bytes are lost", end,
                 end - off);
        if (strstr(reading.damage[0].reason, expected) == NULL)
            fail_msg("%s", reading.damage[0].reason);
        reading_fini(&reading);
        made_fini(&made);
    }
}

static void a_packet_that_its_block_does_not_hold_is_damage_of_that_block(void **state)
{
    (void)state;
    static const struct {
        size_t at;
        uint32_t value;
        const char *reason;
    } cases[] = {
        {8, 1, "packet of interface 1, which is not described"},
        {8, UINT32_MAX, "packet of interface 4294967295, which is not described"},
        {20, 113, "packet of 113 bytes in a block of 144"},
        {20, UINT32_MAX, "packet of 4294967295 bytes in a block of 144"},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct made made;
        struct reading reading;
        made_simple_file(&made, false, 2);
        size_t off = made.size;
        uint8_t body[132] = {0}; /* room for a packet of 112 */
        made_block(&made, 6, body, sizeof(body));
        made_set_u32(&made, off + cases[i].at, cases[i].value);
        made_enhanced(&made, 0, MICROS + 2, made_pcap_size(2), made_pcap_size(2) + 10, 2);
        read_made(&reading, &made);
        assert_int_equal(reading.frame_count, 3);
        assert_simple_frames(&reading, 0, 0, 3);
        assert_int_equal(reading.damage_count, 1);
        assert_int_equal(reading.damage[0].off, off);
        assert_string_equal(reading.damage[0].reason, cases[i].reason);
        reading_fini(&reading);
        made_fini(&made);
    }
}

static void packets_before_any_interface_and_short_blocks_are_damage(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_section(&made);
    made_simple(&made, 10, 10, 0);
    made_block(&made, 6, "0123456789", 10);
    made_block(&made, 3, "", 0);
    made_block(&made, 2, "", 0);
    made_block(&made, 1, "0123", 4);
    made_interface(&made, 1, 0, -1, 0);
    made_enhanced(&made, 0, MICROS, 0, 10, 0);
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, 1);
    assert_int_equal(reading.damage_count, 5);
    reading_fini(&reading);
    made_fini(&made);
}

static void an_option_beyond_its_block_is_told_and_the_interface_kept(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_section(&made);
    size_t off = made.size;
    made_interface(&made, 1, 0, 9, 0);
    made.bytes[off + 18] = 200; /* length of the first option */
    made_enhanced(&made, 0, MICROS, 0, 10, 0);
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, 1);
    assert_int_equal(reading.damage_count, 1);
    assert_non_null(strstr(reading.damage[0].reason, "option beyond its end"));
    reading_fini(&reading);
    made_fini(&made);
}

static void a_section_of_another_version_is_passed_over_and_told(void **state)
{
    (void)state;
    struct made made;
    struct made more;
    struct reading reading;
    made_simple_file(&made, false, 3);
    made.bytes[12] = 2;
    made_simple_file(&more, true, 2);
    made_raw(&made, more.bytes, more.size);
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, 2);
    assert_int_equal(reading.damage_count, 1);
    assert_non_null(strstr(reading.damage[0].reason, "version 2.0"));
    reading_fini(&reading);
    made_fini(&made);
    made_fini(&more);
}

static void a_largest_packet_is_read_and_a_larger_one_is_not(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_section(&made);
    made_interface(&made, 1, 0, -1, 0);
    for (uint32_t i = 0; i < 3; i++)
        made_enhanced(&made, 0, MICROS + i, MT_CAPTURE_RECORD_MAX + (i == 1), MT_CAPTURE_RECORD_MAX + 1, i);
    read_made(&reading, &made);
    assert_int_equal(reading.frame_count, 2);
    assert_int_equal(reading.frames[1].first[0], made_byte(2, 0));
    assert_int_equal(reading.damage_count, 1);
    reading_fini(&reading);
    made_fini(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enhanced_packets_are_read_in_both_byte_orders),
        cmocka_unit_test(every_interface_has_its_own_link_type_and_clock),
        cmocka_unit_test(times_out_of_range_saturate),
        cmocka_unit_test(sections_may_change_the_byte_order_and_the_interfaces),
        cmocka_unit_test(simple_and_obsolete_packets_are_read),
        cmocka_unit_test(other_blocks_are_passed_over),
        cmocka_unit_test(thousands_of_interfaces_are_kept),
        cmocka_unit_test(a_file_cut_at_every_byte_gives_every_whole_frame),
        cmocka_unit_test(reading_goes_on_behind_a_damaged_block),
        cmocka_unit_test(a_packet_that_its_block_does_not_hold_is_damage_of_that_block),
        cmocka_unit_test(packets_before_any_interface_and_short_blocks_are_damage),
        cmocka_unit_test(an_option_beyond_its_block_is_told_and_the_interface_kept),
        cmocka_unit_test(a_section_of_another_version_is_passed_over_and_told),
        cmocka_unit_test(a_largest_packet_is_read_and_a_larger_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
