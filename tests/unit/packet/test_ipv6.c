/* IPv6 with its extension headers, and the fragments of both families. */
#include "frames.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* An extension header of size bytes (a multiple of 8) that names next. */
static void put_extension(struct bytes *b, unsigned next, size_t size)
{
    put16(b, (unsigned)(next << 8 | (size / 8 - 1)));
    put_zeros(b, size - 2);
}

static void ipv6_extension_headers_are_stepped_over(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_ethernet(&b, 0x86dd);
    put_ipv6(&b, 8 + 24 + 16 + 12 + 20 + 4, 0);
    put_extension(&b, 60, 8);  /* hop-by-hop, then destination options */
    put_extension(&b, 43, 24); /* then routing */
    put_extension(&b, 51, 16); /* then AH of 12 bytes */
    put16(&b, TCP << 8 | 1);
    put_zeros(&b, 10);
    put_tcp(&b, 5);
    put_text(&b, "ETRN");
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
    assert_segment(&packet, "ETRN");
    assert_ip(&packet.tuple.src, "2001:db8::1");
    assert_ip(&packet.tuple.dst, "2001:db8::2");
}

static void an_authentication_header_is_stepped_over_in_ipv4_too(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_ethernet(&b, 0x0800);
    put_ipv4(&b, 20 + 24 + 20 + 4, 0, 51);
    put16(&b, TCP << 8 | 4);
    put_zeros(&b, 22);
    put_tcp(&b, 5);
    put_text(&b, "TURN");
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
    assert_segment(&packet, "TURN");
}

static void eight_extension_headers_are_the_limit(void **state)
{
    (void)state;
    for (unsigned count = 8; count <= 9; count++) {
        struct bytes b;
        struct mt_packet packet;
        bytes_init(&b);
        put_ethernet(&b, 0x86dd);
        put_ipv6(&b, count * 8 + 20, 60);
        for (unsigned i = 0; i < count; i++)
            put_extension(&b, i + 1 < count ? 60 : TCP, 8);
        put_tcp(&b, 5);
        if (count == 8)
            assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
        else
            assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_IP_EXTENSIONS);
    }
}

static void an_extension_header_beyond_the_datagram_is_rejected(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b);
    put_ethernet(&b, 0x86dd);
    put_ipv6(&b, 16, 60);
    put16(&b, TCP << 8 | 2); /* 24 bytes */
    put_zeros(&b, 14 + 40);
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_IP_EXTENSIONS);
}

static void no_next_header_and_esp_are_not_tcp(void **state)
{
    (void)state;
    static const unsigned protocols[] = {59, 50, 58, UDP};
    for (size_t i = 0; i < MT_ARRAY_COUNT(protocols); i++) {
        struct bytes b;
        bytes_init(&b);
        put_ethernet(&b, 0x86dd);
        put_ipv6(&b, 28, 60);
        put_extension(&b, protocols[i], 8);
        put_zeros(&b, 20);
        assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_NOT_TCP);
    }
}

static void a_routing_header_names_the_real_destination(void **state)
{
    (void)state;
    static const struct {
        uint8_t type;
        uint8_t segments_left;
        const char *destination;
    } cases[] = {
        {0, 2, "2001:db8::bb"}, {0, 0, "2001:db8::2"},  {0, 3, "2001:db8::2"},
        {4, 1, "2001:db8::aa"}, {2, 1, "2001:db8::bb"}, {77, 1, "2001:db8::2"},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct bytes b;
        struct mt_packet packet;
        bytes_init(&b);
        put_ethernet(&b, 0x86dd);
        put_ipv6(&b, 40 + 20, 43);
        put16(&b, TCP << 8 | 4);
        put16(&b, (unsigned)(cases[i].type << 8 | cases[i].segments_left));
        put32(&b, 0);
        mt_buf_put(&b.buf, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\xaa", 16);
        mt_buf_put(&b.buf, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\xbb", 16);
        put_tcp(&b, 5);
        assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
        assert_ip(&packet.tuple.dst, cases[i].destination);
    }
}

static void a_jumbogram_is_believed_up_to_its_frame(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    put_jumbogram(&b, 100000);
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 54 + 100000, &packet), MT_PACKET_TCP);
    assert_segment(&packet, "BDAT");
    assert_int_equal(packet.payload_size, 100000 - 28);
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_IP_LENGTH); /* the frame holds 32 */
    put_jumbogram(&b, 32);                                      /* RFC 2675: above 65535 or nothing */
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_IP_LENGTH);
    put_jumbogram(&b, 100000);
    b.storage[14 + 40 + 2] = 0x05; /* some other option */
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 54 + 100000, &packet), MT_PACKET_REJECT);
    assert_int_equal(packet.reject, MT_REJECT_IP_LENGTH);
}

/* --- fragments ------------------------------------------------------------- */

static void a_fragment_carries_what_the_table_needs(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_ethernet(&b, 0x0800);
    put_ipv4(&b, 20 + 16, 0x2000 | 10, TCP);
    put_text(&b, "0123456789abcdef");
    put_zeros(&b, 10);
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_FRAGMENT);
    assert_int_equal(packet.fragment_id, 0x1234);
    assert_int_equal(packet.fragment_off, 80);
    assert_true(packet.fragment_more);
    assert_int_equal(packet.ip_protocol, TCP);
    assert_int_equal(packet.ip_payload.size, 16);
    assert_int_equal(packet.payload_size, 16);
    assert_ip(&packet.tuple.src, "192.0.2.1");

    bytes_init(&b);
    put_ethernet(&b, 0x86dd);
    put_ipv6(&b, 8 + 5, 44);
    put16(&b, TCP << 8);
    put16(&b, 80);
    put32(&b, 0xdeadbeef);
    put_text(&b, "01234");
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_FRAGMENT);
    assert_int_equal(packet.fragment_id, 0xdeadbeef);
    assert_int_equal(packet.fragment_off, 80);
    assert_false(packet.fragment_more);
    assert_int_equal(packet.ip_payload.size, 5);
}

static void an_atomic_fragment_is_a_whole_datagram(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_ethernet(&b, 0x86dd);
    put_ipv6(&b, 8 + 20 + 4, 44);
    put16(&b, TCP << 8);
    put16(&b, 0);
    put32(&b, 1);
    put_tcp(&b, 5);
    put_text(&b, "QUIT");
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
    assert_segment(&packet, "QUIT");
}

static void fragments_of_other_protocols_are_not_tcp(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b);
    put_ethernet(&b, 0x0800);
    put_ipv4(&b, 20 + 16, 0x2000, ICMP);
    put_zeros(&b, 16);
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_NOT_TCP);
    bytes_init(&b);
    put_ethernet(&b, 0x86dd);
    put_ipv6(&b, 8 + 16, 44);
    put16(&b, 58 << 8);
    put16(&b, 1);
    put_zeros(&b, 20);
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_NOT_TCP);
}

static void fragment_offsets_and_lengths_that_make_no_sense_are_rejected(void **state)
{
    (void)state;
    static const struct {
        unsigned size;
        unsigned fragment;
    } cases[] = {
        {15, 0x2000}, /* more to come, not a multiple of eight */
        {0, 0x2000},  /* nothing */
        {0, 0x0005},  /* nothing, at the end */
        {16, 0x1fff}, /* beyond 65535 */
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct bytes b;
        bytes_init(&b);
        put_ethernet(&b, 0x0800);
        put_ipv4(&b, 20 + cases[i].size, cases[i].fragment, TCP);
        put_zeros(&b, 40);
        assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_FRAGMENT_HEADER);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipv6_extension_headers_are_stepped_over),
        cmocka_unit_test(an_authentication_header_is_stepped_over_in_ipv4_too),
        cmocka_unit_test(eight_extension_headers_are_the_limit),
        cmocka_unit_test(an_extension_header_beyond_the_datagram_is_rejected),
        cmocka_unit_test(no_next_header_and_esp_are_not_tcp),
        cmocka_unit_test(a_routing_header_names_the_real_destination),
        cmocka_unit_test(a_jumbogram_is_believed_up_to_its_frame),
        cmocka_unit_test(a_fragment_carries_what_the_table_needs),
        cmocka_unit_test(an_atomic_fragment_is_a_whole_datagram),
        cmocka_unit_test(fragments_of_other_protocols_are_not_tcp),
        cmocka_unit_test(fragment_offsets_and_lengths_that_make_no_sense_are_rejected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
