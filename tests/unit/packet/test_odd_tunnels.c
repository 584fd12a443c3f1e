/* Headers of encapsulations that make no sense, ports without their tunnel, and
 * how much may be in one another. */
#include "wrap.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void inner_ip(struct bytes *b)
{
    bytes_init(b);
    put_segment_v4(b, "NOOP\r\n");
}

static void inner_frame(struct bytes *b)
{
    bytes_init(b);
    put_ethernet(b, 0x0800);
    put_segment_v4(b, "NOOP\r\n");
}

/* --- headers --------------------------------------------------------------------- */

static void gre_of_an_unknown_version_or_with_routes_is_rejected(void **state)
{
    (void)state;
    static const unsigned words[] = {0x4000, 0x0001, 0x0002, 0x0007, 0x2001};
    for (size_t i = 0; i < MT_ARRAY_COUNT(words); i++) {
        struct bytes b;
        inner_ip(&b);
        prepend32(&b, 0);
        prepend16(&b, 0x0800);
        prepend16(&b, words[i]);
        wrap_ipv4(&b, 47);
        assert_rejected(&b, MT_LINK_RAW, MT_REJECT_TUNNEL_HEADER);
    }
}

static void gre_with_something_else_inside_is_not_ip(void **state)
{
    (void)state;
    static const unsigned types[] = {0x0000, 0x0806, 0x00fe, 0x8863};
    for (size_t i = 0; i < MT_ARRAY_COUNT(types); i++) {
        struct bytes b;
        inner_ip(&b);
        wrap_gre(&b, types[i]);
        wrap_ipv4(&b, 47);
        assert_rejected(&b, MT_LINK_RAW, MT_REJECT_NOT_IP);
    }
}

static void erspan_of_another_version_or_frame_type_is_rejected(void **state)
{
    (void)state;
    struct bytes b;
    for (unsigned version = 0; version < 16; version++) {
        struct mt_packet packet;
        inner_frame(&b);
        wrap_erspan2(&b, 5);
        b.storage[8] = (uint8_t)(version << 4);
        wrap_ipv4(&b, 47);
        if (version == 1)
            assert_int_equal(decode(&b, MT_LINK_RAW, 0, &packet), MT_PACKET_TCP);
        else if (version != 2)
            assert_rejected(&b, MT_LINK_RAW, MT_REJECT_TUNNEL_HEADER);
    }
    for (unsigned type = 1; type < 32; type++) {
        if (type == 2)
            continue;
        inner_frame(&b);
        prepend16(&b, type << 10);
        prepend16(&b, 0);
        prepend32(&b, 0);
        prepend32(&b, 0x20000001);
        wrap_gre(&b, 0x22eb);
        wrap_ipv4(&b, 47);
        assert_rejected(&b, MT_LINK_RAW, MT_REJECT_TUNNEL_HEADER);
    }
}

static void pppoe_of_another_version_code_or_length_is_rejected(void **state)
{
    (void)state;
    static const struct {
        size_t off;
        uint8_t value;
    } cases[] = {{0, 0x12}, {0, 0x21}, {1, 0x09}, {4, 0xff}};
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct bytes b;
        inner_ip(&b);
        wrap_pppoe(&b, 1, 0x0021);
        b.storage[cases[i].off] = cases[i].value;
        assert_rejected(&b, MT_LINK_PPPOE, MT_REJECT_TUNNEL_HEADER);
    }
    struct bytes b;
    inner_ip(&b);
    wrap_pppoe(&b, 1, 0xc021); /* LCP */
    assert_rejected(&b, MT_LINK_PPPOE, MT_REJECT_NOT_IP);
}

static void a_label_stack_without_a_bottom_or_with_something_else_is_rejected(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b);
    put_ethernet(&b, 0x8847);
    put_zeros(&b, 40);
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_TUNNEL_TRUNCATED);
    bytes_init(&b);
    put_ethernet(&b, 0x8847);
    put_zeros(&b, 400);
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_TUNNEL_DEPTH);
    inner_ip(&b);
    prepend32(&b, 0x10000021); /* associated channel: IPv4 in a pseudowire's OAM */
    wrap_label(&b, 5, true);
    wrap_ethernet(&b, 0x8847);
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_NOT_IP);
}

/* --- UDP on a tunnel's port ---------------------------------------------------------- */

static void udp_on_a_tunnels_port_that_is_no_tunnel_is_not_tcp(void **state)
{
    (void)state;
    static const struct {
        unsigned port;
        uint32_t first;
    } cases[] = {
        {4789, 0x00000000}, /* no VNI */
        {4790, 0x1c000003}, /* version 1 */
        {4790, 0x0d000003}, /* OAM */
        {4790, 0x0c000004}, /* NSH */
        {4790, 0x0c0000ff}, /* no such protocol */
        {6081, 0x40006558}, /* version 1 */
        {6081, 0x00806558}, /* control */
        {2152, 0x30010000}, /* echo request */
        {2152, 0x20ff0000}, /* GTP' */
        {2152, 0x50ff0000}, /* version 2 */
        {2152, 0x30ffffff}, /* longer than the datagram */
        {2152, 0x30ff0000}, /* no packet in it */
        {2152, 0x30ff0010}, /* neither IPv4 nor IPv6 */
        {3544, 0x45000000}, /* not IPv6 */
        {3544, 0x60000000}, /* longer than the datagram */
        {53, 0x08000000},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct bytes b;
        bytes_init(&b);
        put32(&b, cases[i].first);
        put32(&b, 0xffff0000);
        put_zeros(&b, 60);
        wrap_udp(&b, cases[i].port);
        wrap_ipv4(&b, UDP);
        assert_rejected(&b, MT_LINK_RAW, MT_REJECT_NOT_TCP);
    }
    static const unsigned ports[] = {4789, 4790, 6081, 2152, 3544};
    for (size_t i = 0; i < MT_ARRAY_COUNT(ports); i++) {
        for (size_t size = 0; size < 8; size++) {
            struct bytes b;
            bytes_init(&b);
            put_zeros(&b, size);
            wrap_udp(&b, ports[i]);
            wrap_ipv4(&b, UDP);
            assert_rejected(&b, MT_LINK_RAW, MT_REJECT_NOT_TCP);
        }
    }
}

static void a_udp_length_that_makes_no_sense_is_not_tcp(void **state)
{
    (void)state;
    static const uint8_t sizes[] = {1, 7, 200};
    struct bytes b;
    struct mt_packet packet;
    for (size_t i = 0; i < MT_ARRAY_COUNT(sizes); i++) {
        inner_frame(&b);
        wrap_vxlan(&b, 1);
        b.storage[5] = sizes[i];
        wrap_ipv4(&b, UDP);
        assert_rejected(&b, MT_LINK_RAW, MT_REJECT_NOT_TCP);
    }
    inner_frame(&b);
    wrap_vxlan(&b, 1);
    b.storage[5] = 0; /* before the card cuts a large one into several */
    wrap_ipv4(&b, UDP);
    assert_int_equal(decode(&b, MT_LINK_RAW, 0, &packet), MT_PACKET_TCP);
}

static void gtp_extensions_without_a_size_or_beyond_the_limit_are_rejected(void **state)
{
    (void)state;
    for (unsigned count = 8; count <= 9; count++) {
        struct bytes b;
        struct mt_packet packet;
        inner_ip(&b);
        for (unsigned i = 0; i < count; i++)
            prepend32(&b, i == 0 ? 0x01000000 : 0x01000085);
        prepend32(&b, 0x85);
        wrap_gtp(&b, 1);
        b.storage[8] = 0x34;
        wrap_ipv4(&b, UDP);
        if (count == 8)
            assert_int_equal(decode(&b, MT_LINK_RAW, 0, &packet), MT_PACKET_TCP);
        else
            assert_rejected(&b, MT_LINK_RAW, MT_REJECT_TUNNEL_HEADER);
        b.storage[20 + 8 + 8 + 4] = 0;
        assert_rejected(&b, MT_LINK_RAW, MT_REJECT_TUNNEL_HEADER);
    }
}

static void l2tp_control_and_what_is_no_ethernet_are_not_tcp(void **state)
{
    (void)state;
    struct bytes b;
    inner_frame(&b);
    prepend32(&b, 0);
    wrap_ipv4(&b, 115);
    assert_rejected(&b, MT_LINK_RAW, MT_REJECT_NOT_TCP);
    bytes_init(&b);
    put32(&b, 7);
    put_zeros(&b, 60);
    wrap_ipv4(&b, 115);
    assert_rejected(&b, MT_LINK_RAW, MT_REJECT_NOT_TCP);
}

/* --- depth ------------------------------------------------------------------------- */

static void four_ip_headers_may_be_in_one_another_and_no_more(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    inner_ip(&b);
    for (int outer = 1; outer <= 4; outer++) {
        wrap_ipv4(&b, 4);
        if (outer <= 3)
            assert_int_equal(decode(&b, MT_LINK_RAW, 0, &packet), MT_PACKET_TCP);
        else
            assert_rejected(&b, MT_LINK_RAW, MT_REJECT_TUNNEL_DEPTH);
    }
}

static void sixteen_layers_may_be_in_one_another_and_no_more(void **state)
{
    (void)state;
    for (unsigned count = 15; count <= 17; count++) {
        struct bytes b;
        struct mt_packet packet;
        inner_ip(&b);
        for (unsigned i = 0; i < count; i++)
            wrap_label(&b, 100 + i, i == 0);
        wrap_ethernet(&b, 0x8847);
        if (count > 16) {
            assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_TUNNEL_DEPTH);
            continue;
        }
        assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
        assert_int_equal(packet.outer_count, count);
    }
    struct bytes b; /* the last layer is of another kind */
    inner_frame(&b);
    wrap_vxlan(&b, 1);
    wrap_ipv4(&b, UDP);
    for (unsigned i = 0; i < 16; i++)
        wrap_label(&b, 100, i == 0);
    wrap_ethernet(&b, 0x8847);
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_TUNNEL_DEPTH);
}

static void backbones_in_backbones_have_an_end(void **state)
{
    (void)state;
    struct bytes b;
    inner_frame(&b);
    for (unsigned i = 0; i < 1000; i++) {
        prepend32(&b, i);
        wrap_ethernet(&b, 0x88e7);
    }
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_TUNNEL_DEPTH);
}

/* --- sizes --------------------------------------------------------------------------- */

static void a_jumbo_frame_in_a_tunnel_is_a_segment_like_any_other(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_ethernet(&b, 0x0800);
    put_ipv4(&b, 40 + 8960, 0, TCP);
    put_tcp(&b, 5);
    put_zeros(&b, 8960);
    wrap_vxlan(&b, 1);
    wrap_ipv4(&b, UDP);
    assert_int_equal(decode(&b, MT_LINK_RAW, 0, &packet), MT_PACKET_TCP);
    assert_int_equal(packet.payload.size, 8960);
}

/* NAT64 (RFC 6052): to us IPv6 like any other, with the prefix in the address. */
static void nat64_addresses_stay_as_they_are(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_segment_v6(&b, "NOOP\r\n");
    memcpy(b.storage + 24, "\0\x64\xff\x9b\0\0\0\0\0\0\0\0\xc6\x33\x64\x02", 16);
    assert_int_equal(decode(&b, MT_LINK_RAW, 0, &packet), MT_PACKET_TCP);
    assert_ip(&packet.tuple.dst, "64:ff9b::c633:6402");
    assert_string_equal(path_of(&packet), "");
}

static void what_the_length_of_a_tunnel_leaves_out_is_no_payload(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_ipv4(&b, 0, 0, TCP); /* the inner length is not there */
    put_tcp(&b, 5);
    put_text(&b, "NOOP\r\n");
    wrap_gtp(&b, 1);
    put_zeros(&b, 11);
    wrap_ipv4(&b, UDP);
    assert_int_equal(decode(&b, MT_LINK_RAW, 0, &packet), MT_PACKET_TCP);
    assert_payload(&packet, "NOOP\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gre_of_an_unknown_version_or_with_routes_is_rejected),
        cmocka_unit_test(gre_with_something_else_inside_is_not_ip),
        cmocka_unit_test(erspan_of_another_version_or_frame_type_is_rejected),
        cmocka_unit_test(pppoe_of_another_version_code_or_length_is_rejected),
        cmocka_unit_test(a_label_stack_without_a_bottom_or_with_something_else_is_rejected),
        cmocka_unit_test(udp_on_a_tunnels_port_that_is_no_tunnel_is_not_tcp),
        cmocka_unit_test(a_udp_length_that_makes_no_sense_is_not_tcp),
        cmocka_unit_test(gtp_extensions_without_a_size_or_beyond_the_limit_are_rejected),
        cmocka_unit_test(l2tp_control_and_what_is_no_ethernet_are_not_tcp),
        cmocka_unit_test(four_ip_headers_may_be_in_one_another_and_no_more),
        cmocka_unit_test(sixteen_layers_may_be_in_one_another_and_no_more),
        cmocka_unit_test(backbones_in_backbones_have_an_end),
        cmocka_unit_test(a_jumbo_frame_in_a_tunnel_is_a_segment_like_any_other),
        cmocka_unit_test(nat64_addresses_stay_as_they_are),
        cmocka_unit_test(what_the_length_of_a_tunnel_leaves_out_is_no_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
