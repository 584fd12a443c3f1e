/* Fragments around tunnels, in tunnels, and both. */
#include "packet/fragment.h"
#include "wrap.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define V4 " 10.0.0.1>10.0.0.2"
#define PAYLOAD 3000u

struct world {
    struct mt_stats stats;
    struct mt_fragment_table *table;
    uint64_t time;
    struct mt_packet packet; /* the last */
};

static void make(struct world *w)
{
    memset(w, 0, sizeof(*w));
    w->time = MT_SEC;
    assert_int_equal(mt_fragment_table_create(&(struct mt_fragment_config){0}, &w->stats, &w->table), 0);
}

static uint64_t count(const struct world *w, enum mt_counter counter)
{
    return mt_stats_get(&w->stats, counter);
}

static void segment(struct bytes *b)
{
    bytes_init(b);
    put_ipv4(b, 40 + PAYLOAD, 0, TCP);
    put_tcp(b, 5);
    for (uint32_t i = 0; i < PAYLOAD; i++)
        mt_buf_put_byte(&b->buf, (uint8_t)(i * 7 + i / 256));
}

static void assert_is_segment(const struct mt_packet *packet)
{
    assert_int_equal(packet->tuple.src_port, 40000);
    assert_ip(&packet->tuple.src, "192.0.2.1");
    assert_int_equal(packet->payload.size, PAYLOAD);
    for (uint32_t i = 0; i < PAYLOAD; i++)
        assert_int_equal(packet->payload.ptr[i], (uint8_t)(i * 7 + i / 256));
}

/* The piece of an IPv4 datagram that begins at off, as a datagram. */
static void cut(const struct bytes *whole, uint32_t off, uint32_t size, struct bytes *ret_piece)
{
    uint32_t all = (uint32_t)whole->buf.size - 20;
    bool more = off + size < all;
    bytes_init(ret_piece);
    mt_buf_put(&ret_piece->buf, whole->storage, 20);
    mt_buf_put(&ret_piece->buf, whole->storage + 20 + off, more ? size : all - off);
    ret_piece->storage[2] = (uint8_t)(ret_piece->buf.size >> 8);
    ret_piece->storage[3] = (uint8_t)ret_piece->buf.size;
    unsigned word = off / 8 | (more ? 0x2000 : 0);
    ret_piece->storage[6] = (uint8_t)(word >> 8);
    ret_piece->storage[7] = (uint8_t)word;
}

static enum mt_packet_verdict feed(struct world *w, const struct bytes *b, enum mt_link link)
{
    enum mt_packet_verdict verdict = decode(b, link, 0, &w->packet);
    if (verdict != MT_PACKET_FRAGMENT)
        return verdict;
    w->packet.mark.time = w->time;
    mt_stats_add(&w->stats, MT_COUNTER_FRAGMENTS, 1);
    return mt_fragment_input(w->table, &w->packet);
}

static void around_any_tunnel_they_are_put_together_first(void **state)
{
    (void)state;
    for (int kind = 0; kind < 5; kind++) {
        struct bytes b;
        struct bytes piece;
        struct world w;
        make(&w);
        segment(&b);
        if (kind == 0) {
            wrap_ethernet(&b, 0x0800);
            wrap_vxlan(&b, 9);
        } else if (kind == 1) {
            wrap_gre(&b, 0x0800);
        } else if (kind == 2) {
            wrap_gtp(&b, 9);
        }
        static const unsigned protocols[] = {UDP, 47, UDP, 4, 4};
        static const char *const paths[] = {"vlan 5, vxlan 9" V4, "vlan 5, gre" V4, "vlan 5, gtp 9" V4,
                                            "vlan 5, ipip" V4, "vlan 5, ipip" V4};
        wrap_ipv4(&b, protocols[kind]);
        uint32_t step = kind == 4 ? 8 * 180 : 8 * 100;
        for (uint32_t off = 0; off < b.buf.size - 20; off += step) {
            cut(&b, off, step, &piece);
            wrap_tag(&piece, 5, 0x0800);
            wrap_ethernet(&piece, 0x8100);
            bool is_last = off + step >= b.buf.size - 20;
            assert_int_equal(feed(&w, &piece, MT_LINK_ETHERNET),
                             is_last ? MT_PACKET_TCP : MT_PACKET_FRAGMENT);
        }
        assert_is_segment(&w.packet);
        assert_string_equal(path_of(&w.packet), paths[kind]);
        assert_int_equal(count(&w, MT_COUNTER_FRAGMENTS_WHOLE), 1);
        mt_fragment_table_destroy(w.table);
    }
}

static void within_a_tunnel_they_are_put_together_too(void **state)
{
    (void)state;
    struct bytes b;
    struct bytes piece;
    struct world w;
    make(&w);
    segment(&b);
    for (uint32_t off = 0; off < PAYLOAD + 20; off += 800) {
        cut(&b, off, 800, &piece);
        wrap_ethernet(&piece, 0x0800);
        wrap_vxlan(&piece, 9);
        wrap_ipv4(&piece, UDP);
        assert_int_equal(feed(&w, &piece, MT_LINK_RAW), off >= 2400 ? MT_PACKET_TCP : MT_PACKET_FRAGMENT);
    }
    assert_is_segment(&w.packet);
    assert_string_equal(path_of(&w.packet), "vxlan 9" V4);
    mt_fragment_table_destroy(w.table);
}

/* Every fragment of the inner datagram comes in fragments of the outer one. */
static void within_fragments_they_are_put_together_twice(void **state)
{
    (void)state;
    struct bytes b;
    struct bytes piece;
    struct bytes small;
    struct world w;
    make(&w);
    segment(&b);
    enum mt_packet_verdict verdict = MT_PACKET_REJECT;
    uint32_t frames = 0;
    for (uint32_t off = 0; off < PAYLOAD + 20; off += 1600) {
        cut(&b, off, 1600, &piece);
        wrap_gre(&piece, 0x0800);
        wrap_ipv4(&piece, 47);
        piece.storage[5] = (uint8_t)off; /* an id of its own */
        for (uint32_t at = 0; at < piece.buf.size - 20; at += 400) {
            cut(&piece, at, 400, &small);
            verdict = feed(&w, &small, MT_LINK_RAW);
            frames++;
        }
    }
    assert_int_equal(verdict, MT_PACKET_TCP);
    assert_is_segment(&w.packet);
    assert_string_equal(path_of(&w.packet), "gre" V4);
    assert_int_equal(count(&w, MT_COUNTER_FRAGMENTS_WHOLE), 3);
    assert_int_equal(count(&w, MT_COUNTER_FRAGMENTS), frames + 2);
    mt_fragment_table_destroy(w.table);
}

static void udp_that_is_no_tunnels_leaves_nothing_behind(void **state)
{
    (void)state;
    struct bytes b;
    struct bytes piece;
    struct world w;
    make(&w);
    bytes_init(&b);
    put_zeros(&b, 4000);
    wrap_udp(&b, 53);
    wrap_ipv4(&b, UDP);
    static const uint32_t orders[2][3] = {{0, 1600, 3200}, {3200, 1600, 0}};
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++) {
            cut(&b, orders[round][i], 1600, &piece);
            assert_int_equal(feed(&w, &piece, MT_LINK_RAW), MT_PACKET_FRAGMENT);
        }
        assert_int_equal(count(&w, MT_COUNTER_FRAGMENTS_FOREIGN), 3 * (round + 1));
    }
    cut(&b, 1600, 1600, &piece); /* its first fragment never comes */
    assert_int_equal(feed(&w, &piece, MT_LINK_RAW), MT_PACKET_FRAGMENT);
    mt_fragment_flush(w.table);
    assert_int_equal(count(&w, MT_COUNTER_FRAGMENTS_FOREIGN), 7);
    assert_int_equal(count(&w, MT_COUNTER_FRAGMENTS_DROPPED), 0);
    assert_int_equal(count(&w, MT_COUNTER_FRAGMENTS_WHOLE), 0);
    mt_fragment_table_destroy(w.table);
}

static void a_tunnels_fragments_that_are_not_complete_are_given_up(void **state)
{
    (void)state;
    struct bytes b;
    struct bytes piece;
    struct world w;
    make(&w);
    segment(&b);
    wrap_ethernet(&b, 0x0800);
    wrap_vxlan(&b, 9);
    wrap_ipv4(&b, UDP);
    cut(&b, 0, 1600, &piece);
    assert_int_equal(feed(&w, &piece, MT_LINK_RAW), MT_PACKET_FRAGMENT);
    mt_fragment_flush(w.table);
    assert_int_equal(count(&w, MT_COUNTER_FRAGMENTS_DROPPED), 1);
    assert_int_equal(count(&w, MT_COUNTER_FRAGMENTS_FOREIGN), 0);
    mt_fragment_table_destroy(w.table);
}

static void the_depth_goes_on_counting_behind_fragments(void **state)
{
    (void)state;
    for (int outers = 3; outers <= 4; outers++) {
        struct bytes b;
        struct bytes piece;
        struct world w;
        make(&w);
        segment(&b);
        for (int i = 0; i < outers; i++)
            wrap_ipv4(&b, 4);
        cut(&b, 0, 1600, &piece);
        assert_int_equal(feed(&w, &piece, MT_LINK_RAW), MT_PACKET_FRAGMENT);
        cut(&b, 1600, 1600, &piece);
        if (outers == 3) {
            assert_int_equal(feed(&w, &piece, MT_LINK_RAW), MT_PACKET_TCP);
            assert_is_segment(&w.packet);
        } else {
            assert_int_equal(feed(&w, &piece, MT_LINK_RAW), MT_PACKET_REJECT);
            assert_int_equal(w.packet.reject, MT_REJECT_TUNNEL_DEPTH);
        }
        mt_fragment_table_destroy(w.table);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(around_any_tunnel_they_are_put_together_first),
        cmocka_unit_test(within_a_tunnel_they_are_put_together_too),
        cmocka_unit_test(within_fragments_they_are_put_together_twice),
        cmocka_unit_test(udp_that_is_no_tunnels_leaves_nothing_behind),
        cmocka_unit_test(a_tunnels_fragments_that_are_not_complete_are_given_up),
        cmocka_unit_test(the_depth_goes_on_counting_behind_fragments),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
