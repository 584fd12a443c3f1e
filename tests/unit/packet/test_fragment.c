#include "frames.h"
#include "packet/fragment.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct world {
    struct mt_stats stats;
    struct mt_fragment_table *table;
    uint64_t time;
    struct bytes datagram; /* TCP header and payload */
};

static void make(struct world *w, uint32_t datagrams_max, uint32_t bytes_max, size_t payload_size)
{
    memset(&w->stats, 0, sizeof(w->stats));
    w->time = 1000 * MT_SEC;
    struct mt_fragment_config config = {.datagrams_max = datagrams_max, .bytes_max = bytes_max};
    assert_int_equal(mt_fragment_table_create(&config, &w->stats, &w->table), 0);
    bytes_init(&w->datagram);
    put_tcp(&w->datagram, 5);
    for (size_t i = 0; i < payload_size; i++)
        mt_buf_put_byte(&w->datagram.buf, (uint8_t)(i * 7 + i / 256));
}

/* A fragment as packet decoding describes it. */
static struct mt_packet piece(const struct world *w, int family, uint32_t id, uint32_t off, uint32_t size,
                              bool more)
{
    struct mt_packet packet;
    memset(&packet, 0xa5, sizeof(packet));
    bool is_v4 = family == 4;
    assert_true(mt_ip_parse(mt_span_cstr(is_v4 ? "192.0.2.1" : "2001:db8::1"), &packet.tuple.src));
    assert_true(mt_ip_parse(mt_span_cstr(is_v4 ? "192.0.2.2" : "2001:db8::2"), &packet.tuple.dst));
    packet.mark = (struct mt_mark){.time = w->time, .number = 1};
    packet.vlan = MT_VLAN_NONE;
    packet.outer_count = 0;
    packet.ip_count = 1;
    packet.outer = NULL;
    packet.fragment_is_foreign = false;
    packet.wire_size = size + 34;
    packet.frame_flags = MT_FRAME_PERSISTENT;
    packet.ip_protocol = TCP;
    packet.ip_payload = mt_span(guarded(w->datagram.storage + off, size), size);
    packet.payload_size = size;
    packet.fragment_id = id;
    packet.fragment_off = off;
    packet.fragment_more = more;
    return packet;
}

static enum mt_packet_verdict input(struct world *w, struct mt_packet packet, struct mt_packet *ret_packet)
{
    enum mt_packet_verdict verdict = mt_fragment_input(w->table, &packet);
    if (ret_packet != NULL)
        *ret_packet = packet;
    return verdict;
}

static enum mt_packet_verdict feed(struct world *w, uint32_t id, uint32_t off, uint32_t size, bool more)
{
    return input(w, piece(w, 4, id, off, size, more), NULL);
}

static void assert_whole(const struct world *w, const struct mt_packet *packet)
{
    size_t size = w->datagram.buf.size - 20;
    assert_int_equal(packet->tuple.src_port, 40000);
    assert_int_equal(packet->tuple.dst_port, 25);
    assert_int_equal(packet->payload.size, size);
    assert_int_equal(packet->payload_size, size);
    assert_memory_equal(packet->payload.ptr, w->datagram.storage + 20, size);
    assert_int_equal(packet->frame_flags & MT_FRAME_PERSISTENT, 0);
}

static uint64_t dropped(const struct world *w)
{
    return mt_stats_get(&w->stats, MT_COUNTER_FRAGMENTS_DROPPED);
}

static uint64_t whole(const struct world *w)
{
    return mt_stats_get(&w->stats, MT_COUNTER_FRAGMENTS_WHOLE);
}

static void finish(struct world *w)
{
    mt_fragment_table_destroy(w->table);
}

/* --- putting together ------------------------------------------------------ */

static void fragments_in_any_order_make_the_datagram(void **state)
{
    (void)state;
    static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {1, 3, 0, 2}, {2, 0, 3, 1}};
    struct world w;
    make(&w, 0, 0, 5000);
    for (uint32_t run = 0; run < MT_ARRAY_COUNT(orders) * 2; run++) {
        int family = run & 1 ? 4 : 6;
        struct mt_packet packet;
        for (int i = 0; i < 4; i++) {
            uint32_t off = (uint32_t)orders[run / 2][i] * 1480;
            uint32_t size = off == 3 * 1480 ? 5020 - off : 1480;
            enum mt_packet_verdict verdict =
                input(&w, piece(&w, family, run, off, size, off + size < 5020), &packet);
            assert_int_equal(verdict, i < 3 ? MT_PACKET_FRAGMENT : MT_PACKET_TCP);
        }
        assert_whole(&w, &packet);
        assert_int_equal(packet.wire_size, 5020 + 4 * 34);
    }
    assert_int_equal(whole(&w), 8);
    assert_int_equal(dropped(&w), 0);
    finish(&w);
}

static void a_datagram_cut_at_every_multiple_of_eight_is_the_same(void **state)
{
    (void)state;
    struct world w;
    make(&w, 0, 0, 300);
    for (uint32_t cut = 8; cut < 320; cut += 8) {
        struct mt_packet packet;
        assert_int_equal(input(&w, piece(&w, 4, cut, cut, 320 - cut, false), &packet), MT_PACKET_FRAGMENT);
        assert_int_equal(input(&w, piece(&w, 4, cut, 0, cut, true), &packet), MT_PACKET_TCP);
        assert_whole(&w, &packet);
    }
    finish(&w);
}

static void the_largest_datagram_is_put_together(void **state)
{
    (void)state;
    struct world w;
    make(&w, 0, 128 << 10, 65535 - 20);
    struct mt_packet packet;
    assert_int_equal(input(&w, piece(&w, 4, 1, 0, 32768, true), &packet), MT_PACKET_FRAGMENT);
    assert_int_equal(input(&w, piece(&w, 4, 1, 32768, 32767, false), &packet), MT_PACKET_TCP);
    assert_whole(&w, &packet);
    finish(&w);
}

static void sixty_four_fragments_are_taken_and_one_more_is_not(void **state)
{
    (void)state;
    struct world w;
    make(&w, 0, 0, 65 * 8 - 20);
    struct mt_packet packet;
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(input(&w, piece(&w, 4, 1, i * 8, 8, i < 63), &packet),
                         i < 63 ? MT_PACKET_FRAGMENT : MT_PACKET_TCP);
    for (uint32_t i = 0; i < 64; i++)
        assert_int_equal(feed(&w, 2, i * 8, 8, true), MT_PACKET_FRAGMENT);
    assert_int_equal(feed(&w, 2, 64 * 8, 8, false), MT_PACKET_REJECT);
    assert_int_equal(dropped(&w), 65);
    finish(&w);
}

static void datagrams_that_differ_in_one_key_field_are_kept_apart(void **state)
{
    (void)state;
    struct world w;
    make(&w, 0, 0, 44);
    struct mt_packet first = piece(&w, 4, 1, 0, 32, true);
    assert_int_equal(input(&w, first, NULL), MT_PACKET_FRAGMENT);
    for (int field = 0; field < 5; field++) {
        struct mt_packet packet = piece(&w, 4, 1, 32, 32, false);
        packet.tuple.src.bytes[3] ^= field == 0;
        packet.tuple.dst.bytes[0] ^= field == 1;
        packet.vlan ^= field == 2;
        packet.fragment_id ^= field == 3;
        packet.ip_protocol = field == 4 ? 51 : packet.ip_protocol;
        assert_int_equal(input(&w, packet, NULL), MT_PACKET_FRAGMENT);
    }
    assert_int_equal(feed(&w, 1, 32, 32, false), MT_PACKET_TCP);
    finish(&w);
}

static void ipv6_fragments_may_name_different_headers(void **state)
{
    (void)state; /* RFC 8200 §4.5: only that of the first fragment counts */
    struct world w;
    make(&w, 0, 0, 44);
    struct mt_packet last = piece(&w, 6, 1, 32, 32, false);
    last.ip_protocol = 60;
    assert_int_equal(input(&w, last, NULL), MT_PACKET_FRAGMENT);
    struct mt_packet packet;
    assert_int_equal(input(&w, piece(&w, 6, 1, 0, 32, true), &packet), MT_PACKET_TCP);
    assert_whole(&w, &packet);
    finish(&w);
}

static void extension_headers_behind_the_fragment_header_are_stepped_over(void **state)
{
    (void)state;
    struct world w;
    make(&w, 0, 0, 0);
    bytes_init(&w.datagram);
    put32(&w.datagram, TCP << 24);
    put_zeros(&w.datagram, 4);
    put_tcp(&w.datagram, 5);
    put_text(&w.datagram, "HELO");
    struct mt_packet packet = piece(&w, 6, 1, 0, 16, true);
    packet.ip_protocol = 60;
    assert_int_equal(input(&w, packet, NULL), MT_PACKET_FRAGMENT);
    assert_int_equal(input(&w, piece(&w, 6, 1, 16, 16, false), &packet), MT_PACKET_TCP);
    assert_int_equal(packet.payload.size, 4);
    assert_memory_equal(packet.payload.ptr, "HELO", 4);

    /* a fragment header in there is a trick, not a datagram */
    w.datagram.storage[0] = 44;
    w.datagram.storage[8] = TCP;
    w.datagram.storage[8 + 3] = 1;
    packet = piece(&w, 6, 2, 0, 16, true);
    packet.ip_protocol = 60;
    assert_int_equal(input(&w, packet, NULL), MT_PACKET_FRAGMENT);
    assert_int_equal(input(&w, piece(&w, 6, 2, 16, 16, false), &packet), MT_PACKET_REJECT);
    assert_int_equal(packet.reject, MT_REJECT_FRAGMENT_HEADER);
    finish(&w);
}

static void what_the_snapshot_length_cut_off_is_missing_at_the_end(void **state)
{
    (void)state;
    struct world w;
    make(&w, 0, 0, 76);
    struct mt_packet packet = piece(&w, 4, 1, 0, 64, true);
    packet.ip_payload.size = 40;
    assert_int_equal(input(&w, packet, NULL), MT_PACKET_FRAGMENT);
    assert_int_equal(input(&w, piece(&w, 4, 1, 64, 32, false), &packet), MT_PACKET_TCP);
    assert_int_equal(packet.payload.size, 20);
    assert_int_equal(packet.payload_size, 76);
    assert_memory_equal(packet.payload.ptr, w.datagram.storage + 20, 20);
    finish(&w);
}

/* --- duplicates, overlaps, limits ------------------------------------------ */

static void exact_duplicates_change_nothing(void **state)
{
    (void)state;
    struct world w;
    make(&w, 0, 0, 3000);
    struct mt_packet packet;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(feed(&w, 1, 0, 1480, true), MT_PACKET_FRAGMENT);
        assert_int_equal(feed(&w, 1, 2960, 60, false), MT_PACKET_FRAGMENT);
    }
    assert_int_equal(input(&w, piece(&w, 4, 1, 1480, 1480, true), &packet), MT_PACKET_TCP);
    assert_whole(&w, &packet);
    assert_int_equal(dropped(&w), 0);
    finish(&w);
}

static void overlaps_end_the_datagram_and_late_fragments_do_not_revive_it(void **state)
{
    (void)state;
    static const struct {
        uint32_t off;
        uint32_t size;
        bool more;
        bool is_changed;
    } cases[] = {
        {0, 1488, true, false},     /* one block too long */
        {1472, 16, true, false},    /* into the first */
        {2952, 16, true, false},    /* into the last from the left */
        {2968, 8, true, false},     /* inside the last */
        {0, 1480, true, true},      /* the same place, other bytes */
        {0, 1480, false, false},    /* says it is the last */
        {2960, 60, true, false},    /* says it is not */
        {3024, 8, true, false},     /* beyond the end */
        {1480, 1480, false, false}, /* another end */
    };
    struct world w;
    make(&w, 0, 0, 3000);
    for (uint32_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        assert_int_equal(feed(&w, i, 0, 1480, true), MT_PACKET_FRAGMENT);
        assert_int_equal(feed(&w, i, 2960, 60, false), MT_PACKET_FRAGMENT);
        struct mt_packet packet = piece(&w, 4, i, cases[i].off, cases[i].size, cases[i].more);
        uint8_t copy[4096];
        memcpy(copy, packet.ip_payload.ptr, packet.ip_payload.size);
        copy[100 % cases[i].size] ^= cases[i].is_changed;
        packet.ip_payload.ptr = copy;
        assert_int_equal(input(&w, packet, &packet), MT_PACKET_REJECT);
        assert_int_equal(packet.reject, MT_REJECT_FRAGMENT_DROPPED);
        assert_int_equal(feed(&w, i, 1480, 1480, true), MT_PACKET_REJECT);
        assert_int_equal(dropped(&w), (i + 1) * 4);
    }
    assert_int_equal(whole(&w), 0);
    finish(&w);
}

static void a_last_fragment_before_others_already_here_is_an_overlap(void **state)
{
    (void)state;
    struct world w;
    make(&w, 0, 0, 3000);
    assert_int_equal(feed(&w, 1, 1480, 1480, true), MT_PACKET_FRAGMENT);
    assert_int_equal(feed(&w, 1, 0, 8, false), MT_PACKET_REJECT);
    finish(&w);
}

static void thirty_seconds_of_packet_time_end_a_datagram(void **state)
{
    (void)state;
    struct world w;
    make(&w, 0, 0, 44);
    assert_int_equal(feed(&w, 1, 0, 32, true), MT_PACKET_FRAGMENT);
    w.time += 30 * MT_SEC;
    assert_int_equal(feed(&w, 2, 0, 32, true), MT_PACKET_FRAGMENT);
    assert_int_equal(dropped(&w), 0);
    assert_int_equal(feed(&w, 1, 32, 32, false), MT_PACKET_TCP);
    w.time += 30 * MT_SEC + 1;
    assert_int_equal(feed(&w, 2, 32, 32, false), MT_PACKET_FRAGMENT); /* the first half is gone */
    assert_int_equal(dropped(&w), 1);
    finish(&w);
}

static void the_oldest_datagram_gives_way_when_the_table_is_full(void **state)
{
    (void)state;
    struct world w;
    make(&w, 4, 0, 44);
    for (uint32_t id = 0; id < 5; id++)
        assert_int_equal(feed(&w, id, 0, 32, true), MT_PACKET_FRAGMENT);
    assert_int_equal(dropped(&w), 1);
    for (uint32_t id = 1; id < 5; id++)
        assert_int_equal(feed(&w, id, 32, 32, false), MT_PACKET_TCP);
    assert_int_equal(feed(&w, 0, 32, 32, false), MT_PACKET_FRAGMENT);
    finish(&w);
}

static void the_oldest_datagrams_give_way_when_memory_is_full(void **state)
{
    (void)state;
    struct world w;
    make(&w, 0, 128 << 10, 65000);
    for (uint32_t id = 0; id < 3; id++) /* 15 chunks of 2 KiB each: four of them fit into 128 KiB */
        assert_int_equal(feed(&w, id, 0, 30000, true), MT_PACKET_FRAGMENT);
    assert_int_equal(dropped(&w), 0);
    assert_int_equal(feed(&w, 3, 0, 60000, true), MT_PACKET_FRAGMENT);
    assert_int_equal(dropped(&w), 1);
    assert_int_equal(feed(&w, 2, 30000, 35020, false), MT_PACKET_TCP);
    assert_int_equal(dropped(&w), 2);
    assert_int_equal(feed(&w, 3, 60000, 5020, false), MT_PACKET_TCP);
    assert_int_equal(feed(&w, 1, 30000, 35020, false), MT_PACKET_FRAGMENT); /* its first half gave way */
    finish(&w);
}

static void a_flood_of_first_fragments_stays_within_its_bounds(void **state)
{
    (void)state;
    struct world w;
    make(&w, 64, 128 << 10, 1460);
    for (uint32_t id = 0; id < 100000; id++)
        assert_int_equal(feed(&w, id, 0, 1480, true), MT_PACKET_FRAGMENT);
    assert_int_equal(dropped(&w), 100000 - 64);
    mt_fragment_flush(w.table);
    assert_int_equal(dropped(&w), 100000);
    finish(&w);
}

static void a_config_out_of_range_is_refused(void **state)
{
    (void)state;
    struct mt_stats stats;
    struct mt_fragment_table *table = NULL;
    memset(&stats, 0, sizeof(stats));
    assert_true(mt_fragment_table_create(&(struct mt_fragment_config){.bytes_max = 1000}, &stats, &table) <
                0);
    assert_true(mt_fragment_table_create(&(struct mt_fragment_config){.datagrams_max = UINT32_MAX}, &stats,
                                         &table) < 0);
    assert_null(table);
    mt_fragment_table_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fragments_in_any_order_make_the_datagram),
        cmocka_unit_test(a_datagram_cut_at_every_multiple_of_eight_is_the_same),
        cmocka_unit_test(the_largest_datagram_is_put_together),
        cmocka_unit_test(sixty_four_fragments_are_taken_and_one_more_is_not),
        cmocka_unit_test(datagrams_that_differ_in_one_key_field_are_kept_apart),
        cmocka_unit_test(ipv6_fragments_may_name_different_headers),
        cmocka_unit_test(extension_headers_behind_the_fragment_header_are_stepped_over),
        cmocka_unit_test(what_the_snapshot_length_cut_off_is_missing_at_the_end),
        cmocka_unit_test(exact_duplicates_change_nothing),
        cmocka_unit_test(overlaps_end_the_datagram_and_late_fragments_do_not_revive_it),
        cmocka_unit_test(a_last_fragment_before_others_already_here_is_an_overlap),
        cmocka_unit_test(thirty_seconds_of_packet_time_end_a_datagram),
        cmocka_unit_test(the_oldest_datagram_gives_way_when_the_table_is_full),
        cmocka_unit_test(the_oldest_datagrams_give_way_when_memory_is_full),
        cmocka_unit_test(a_flood_of_first_fragments_stays_within_its_bounds),
        cmocka_unit_test(a_config_out_of_range_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
