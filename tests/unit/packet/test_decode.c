#include "frames.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* --- Ethernet and IPv4 ----------------------------------------------------- */

static void a_plain_segment_is_decoded_whole(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_ethernet(&b, 0x0800);
    put_segment_v4(&b, "EHLO a\r\n");
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
    assert_segment(&packet, "EHLO a\r\n");
    assert_ip(&packet.tuple.src, "192.0.2.1");
    assert_ip(&packet.tuple.dst, "198.51.100.2");
    assert_int_equal(packet.payload_size, 8);
    assert_int_equal(packet.wire_size, 62);
    assert_int_equal(packet.vlan, MT_VLAN_NONE);
    assert_memory_equal(packet.mac_src, "\x02\0\0\0\0\x01", 6);
    assert_memory_equal(packet.mac_dst, "\x02\0\0\0\0\x02", 6);
}

static void ip_options_and_tcp_options_are_stepped_over(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_ethernet(&b, 0x0800);
    put_ipv4(&b, 20 + 8 + 32 + 4, 0, TCP);
    b.storage[14] = 0x47;
    put_zeros(&b, 8);
    put_tcp(&b, 8);
    put_text(&b, "NOOP");
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
    assert_segment(&packet, "NOOP");
}

static void ethernet_padding_is_no_payload(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_ethernet(&b, 0x0800);
    put_segment_v4(&b, "");
    put_zeros(&b, 6);
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
    assert_segment(&packet, "");
    assert_int_equal(packet.payload_size, 0);
    assert_int_equal(packet.wire_size, 60);
    assert_non_null(packet.payload.ptr);
}

static void a_total_length_of_zero_means_the_frame(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_ethernet(&b, 0x0800);
    put_ipv4(&b, 0, 0, TCP);
    put_tcp(&b, 5);
    put_text(&b, "DATA\r\n");
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
    assert_segment(&packet, "DATA\r\n");
    assert_int_equal(packet.payload_size, 6);
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 54 + 65000, &packet), MT_PACKET_TCP);
    assert_int_equal(packet.payload_size, 65000);

    bytes_init(&b);
    put_ethernet(&b, 0x86dd);
    put_ipv6(&b, 0, TCP);
    put_tcp(&b, 5);
    put_text(&b, "DATA\r\n");
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
    assert_segment(&packet, "DATA\r\n");
}

static void a_frame_cut_by_the_snapshot_length_keeps_its_payload_size(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_ethernet(&b, 0x0800);
    put_ipv4(&b, 1500, 0, TCP);
    put_tcp(&b, 5);
    put_text(&b, "MAIL");
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 1514, &packet), MT_PACKET_TCP);
    assert_segment(&packet, "MAIL");
    assert_int_equal(packet.payload_size, 1460);
    assert_int_equal(packet.wire_size, 1514);
}

static void tcp_options_cut_off_by_the_capture_lose_only_bytes(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_ethernet(&b, 0x0800);
    put_ipv4(&b, 20 + 32 + 100, 0, TCP);
    put_tcp(&b, 8);
    b.buf.size -= 8;
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 14 + 152, &packet), MT_PACKET_TCP);
    assert_segment(&packet, "");
    assert_int_equal(packet.payload_size, 100);
}

static void tcp_offsets_that_make_no_sense_are_rejected(void **state)
{
    (void)state;
    struct bytes b;
    for (unsigned words = 0; words < 5; words++) {
        bytes_init(&b);
        put_ethernet(&b, 0x0800);
        put_ipv4(&b, 60, 0, TCP);
        put_tcp(&b, words);
        put_zeros(&b, 20);
        assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_TCP_HEADER);
    }
    bytes_init(&b);
    put_ethernet(&b, 0x0800);
    put_ipv4(&b, 40 + 4, 0, TCP); /* one word of options at most */
    put_tcp(&b, 7);
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_TCP_HEADER);
}

static void ipv4_headers_that_make_no_sense_are_rejected(void **state)
{
    (void)state;
    static const struct {
        uint8_t first;
        unsigned total;
        enum mt_reject reject;
    } cases[] = {
        {0x44, 44, MT_REJECT_IP_HEADER},    {0x55, 44, MT_REJECT_IP_HEADER},
        {0x05, 44, MT_REJECT_IP_HEADER},    {0x45, 19, MT_REJECT_IP_LENGTH},
        {0x46, 23, MT_REJECT_IP_LENGTH},    {0x45, 39, MT_REJECT_TCP_TRUNCATED},
        {0x4f, 60, MT_REJECT_IP_TRUNCATED},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct bytes b;
        bytes_init(&b);
        put_ethernet(&b, 0x0800);
        put_ipv4(&b, cases[i].total, 0, TCP);
        b.storage[14] = cases[i].first;
        put_tcp(&b, 5);
        put_text(&b, "QUIT");
        assert_rejected(&b, MT_LINK_ETHERNET, cases[i].reject);
    }
}

static void what_is_not_tcp_is_rejected_as_that(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b);
    put_ethernet(&b, 0x0800);
    put_ipv4(&b, 40, 0, UDP);
    put_zeros(&b, 20);
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_NOT_TCP);
    b.storage[14 + 9] = ICMP;
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_NOT_TCP);
    /* an IPv6 extension header's number means nothing in IPv4 */
    b.storage[14 + 9] = 60;
    assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_NOT_TCP);

    static const unsigned types[] = {0x0806, 0x88cc, 0x0026, 1500, 0x8863};
    for (size_t i = 0; i < MT_ARRAY_COUNT(types); i++) {
        bytes_init(&b);
        put_ethernet(&b, types[i]);
        put_zeros(&b, 46);
        assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_NOT_IP);
    }
}

/* --- VLAN ------------------------------------------------------------------ */

static void up_to_four_vlan_tags_are_stepped_over(void **state)
{
    (void)state;
    static const unsigned types[] = {0x88a8, 0x8100, 0x9100, 0x8100, 0x8100};
    for (size_t depth = 1; depth <= MT_ARRAY_COUNT(types); depth++) {
        struct bytes b;
        struct mt_packet packet;
        bytes_init(&b);
        put_ethernet(&b, types[0]);
        for (size_t i = 0; i < depth; i++) {
            put16(&b, (unsigned)(0xe000 | (100 + i)));
            put16(&b, i + 1 < depth ? types[i + 1] : 0x0800);
        }
        put_segment_v4(&b, "RSET");
        if (depth <= 4) {
            assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
            assert_segment(&packet, "RSET");
            assert_int_equal(packet.vlan, 100);
        } else {
            assert_rejected(&b, MT_LINK_ETHERNET, MT_REJECT_VLAN_DEPTH);
        }
    }
}

/* --- other links ----------------------------------------------------------- */

static void raw_ip_goes_by_the_version_nibble(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_segment_v4(&b, "QUIT");
    assert_int_equal(decode(&b, MT_LINK_RAW, 0, &packet), MT_PACKET_TCP);
    assert_segment(&packet, "QUIT");
    assert_null(packet.mac_src);
    assert_null(packet.mac_dst);
    bytes_init(&b);
    put_segment_v6(&b, "QUIT");
    assert_int_equal(decode(&b, MT_LINK_RAW, 0, &packet), MT_PACKET_TCP);
    assert_segment(&packet, "QUIT");
    b.storage[0] = 0x50;
    assert_rejected(&b, MT_LINK_RAW, MT_REJECT_IP_HEADER);
    bytes_init(&b);
    assert_rejected(&b, MT_LINK_RAW, MT_REJECT_IP_TRUNCATED);
}

static void null_and_loop_take_the_family_in_either_byte_order(void **state)
{
    (void)state;
    static const struct {
        uint32_t family;
        bool is_v6;
    } cases[] = {{2, false}, {10, true}, {23, true}, {24, true}, {28, true}, {30, true}};
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases) * 4; i++) {
        struct bytes b;
        struct mt_packet packet;
        uint32_t family = cases[i / 4].family;
        bytes_init(&b);
        put32(&b, i & 1 ? family : __builtin_bswap32(family));
        if (cases[i / 4].is_v6)
            put_segment_v6(&b, "HELP");
        else
            put_segment_v4(&b, "HELP");
        assert_int_equal(decode(&b, i & 2 ? MT_LINK_NULL : MT_LINK_LOOP, 0, &packet), MT_PACKET_TCP);
        assert_segment(&packet, "HELP");
    }
    struct bytes b;
    bytes_init(&b);
    put32(&b, 7);
    put_segment_v4(&b, "HELP");
    assert_rejected(&b, MT_LINK_NULL, MT_REJECT_NOT_IP);
}

static void put_sll(struct bytes *b, unsigned mac_size, unsigned protocol)
{
    put16(b, 4);
    put16(b, 1);
    put16(b, mac_size);
    mt_buf_put(&b->buf, "\x02\0\0\0\0\x05\0\0", 8);
    put16(b, protocol);
}

static void put_sll2(struct bytes *b, unsigned mac_size, unsigned protocol)
{
    put16(b, protocol);
    put16(b, 0);
    put32(b, 3);
    put16(b, 1);
    put16(b, 4 << 8 | mac_size);
    mt_buf_put(&b->buf, "\x02\0\0\0\0\x05\0\0", 8);
}

static void linux_cooked_frames_have_a_source_address_only(void **state)
{
    (void)state;
    for (int version = 1; version <= 2; version++) {
        enum mt_link link = version == 1 ? MT_LINK_LINUX_SLL : MT_LINK_LINUX_SLL2;
        void (*put)(struct bytes *, unsigned, unsigned) = version == 1 ? put_sll : put_sll2;
        struct bytes b;
        struct mt_packet packet;
        bytes_init(&b);
        put(&b, 6, 0x0800);
        put_segment_v4(&b, "VRFY a");
        assert_int_equal(decode(&b, link, 0, &packet), MT_PACKET_TCP);
        assert_segment(&packet, "VRFY a");
        assert_memory_equal(packet.mac_src, "\x02\0\0\0\0\x05", 6);
        assert_null(packet.mac_dst);

        bytes_init(&b);
        put(&b, 0, 0x8100);
        put16(&b, 55);
        put16(&b, 0x86dd);
        put_segment_v6(&b, "VRFY a");
        assert_int_equal(decode(&b, link, 0, &packet), MT_PACKET_TCP);
        assert_segment(&packet, "VRFY a");
        assert_null(packet.mac_src);
        assert_int_equal(packet.vlan, 55);

        bytes_init(&b);
        put(&b, 6, 4); /* 802.2 */
        put_zeros(&b, 30);
        assert_rejected(&b, link, MT_REJECT_NOT_IP);
    }
}

static void ppp_is_read_with_and_without_its_optional_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t size;
        bool is_v6;
    } cases[] = {
        {"\xff\x03\x00\x21", 4, false}, {"\x00\x21", 2, false},        {"\x21", 1, false},
        {"\xff\x03\x21", 3, false},     {"\xff\x03\x00\x57", 4, true}, {"\x00\x57", 2, true},
        {"\xff\x03\x57", 3, true},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct bytes b;
        struct mt_packet packet;
        bytes_init(&b);
        mt_buf_put(&b.buf, cases[i].header, cases[i].size);
        if (cases[i].is_v6)
            put_segment_v6(&b, "EXPN b");
        else
            put_segment_v4(&b, "EXPN b");
        assert_int_equal(decode(&b, MT_LINK_PPP, 0, &packet), MT_PACKET_TCP);
        assert_segment(&packet, "EXPN b");
    }
    struct bytes b;
    bytes_init(&b);
    mt_buf_put(&b.buf, "\xff\x03\xc0\x21", 4); /* LCP */
    put_zeros(&b, 10);
    assert_rejected(&b, MT_LINK_PPP, MT_REJECT_NOT_IP);
}

static void a_firewalls_log_has_the_packet_behind_a_header_that_tells_its_size(void **state)
{
    (void)state;
    static const uint8_t sizes[] = {45, 48, 61, 64, 69, 100};
    for (size_t i = 0; i < MT_ARRAY_COUNT(sizes); i++) {
        struct bytes b;
        struct mt_packet packet;
        bytes_init(&b);
        put_zeros(&b, (sizes[i] + 3u) & ~3u);
        b.storage[0] = sizes[i];
        put_segment_v6(&b, "QUIT");
        assert_int_equal(decode(&b, MT_LINK_PFLOG, 0, &packet), MT_PACKET_TCP);
        assert_segment(&packet, "QUIT");
        for (size_t size = 0; size < b.buf.size - 4; size++) {
            struct bytes less = b;
            less.buf.size = size;
            assert_int_equal(decode(&less, MT_LINK_PFLOG, (uint32_t)b.buf.size, &packet), MT_PACKET_REJECT);
        }
        b.storage[0] = 44;
        assert_rejected(&b, MT_LINK_PFLOG, MT_REJECT_NOT_IP);
    }
}

/* An attribute of netfilter's log, padded, in the byte order of its host. */
static void put_attribute(struct bytes *b, bool is_big, unsigned type, const void *data, unsigned size)
{
    unsigned words[] = {size + 4, type};
    for (int i = 0; i < 2; i++)
        put16(b, is_big ? words[i] : (unsigned)__builtin_bswap16((uint16_t)words[i]));
    mt_buf_put(&b->buf, data, size);
    put_zeros(b, -size & 3);
}

static void netfilters_log_has_the_packet_in_an_attribute(void **state)
{
    (void)state;
    for (int is_big = 0; is_big < 2; is_big++) {
        struct bytes segment;
        struct bytes b;
        struct mt_packet packet;
        bytes_init(&segment);
        put_segment_v4(&segment, "QUIT\r\n");
        bytes_init(&b);
        put32(&b, 0x02000000);
        put_attribute(&b, is_big, 1, "\x08\0\1\0", 4);
        put_attribute(&b, is_big, 10, "prefix", 7);
        put_attribute(&b, is_big, 9, segment.storage, (unsigned)segment.buf.size);
        size_t end = b.buf.size - (-segment.buf.size & 3); /* of the packet, without the padding */
        assert_int_equal(decode(&b, MT_LINK_NFLOG, 0, &packet), MT_PACKET_TCP);
        assert_segment(&packet, "QUIT\r\n");
        assert_int_equal(packet.payload_size, 6);
        for (size_t size = 0; size < end - 6; size++) {
            struct bytes less = b;
            less.buf.size = size;
            assert_int_equal(decode(&less, MT_LINK_NFLOG, (uint32_t)b.buf.size, &packet), MT_PACKET_REJECT);
            assert_int_equal(decode(&less, MT_LINK_NFLOG, 0, &packet), MT_PACKET_REJECT);
        }
    }
}

static void netfilters_log_without_a_packet_or_with_sizes_that_make_no_sense_is_not_ip(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b);
    put32(&b, 0x02000000);
    for (int i = 0; i < 40; i++)
        put_attribute(&b, false, 2, "1234", 4);
    assert_rejected(&b, MT_LINK_NFLOG, MT_REJECT_NOT_IP); /* behind the limit */
    b.storage[4] = 3;
    assert_rejected(&b, MT_LINK_NFLOG, MT_REJECT_NOT_IP);
    b.storage[5] = 3;
    assert_rejected(&b, MT_LINK_NFLOG, MT_REJECT_NOT_IP);
    b.storage[1] = 1;
    assert_rejected(&b, MT_LINK_NFLOG, MT_REJECT_NOT_IP);
}

static void an_unknown_link_is_rejected_as_that(void **state)
{
    (void)state;
    struct bytes b;
    bytes_init(&b);
    put_zeros(&b, 100);
    assert_rejected(&b, MT_LINK_UNKNOWN, MT_REJECT_LINK_UNKNOWN);
}

/* --- all of them, cut ------------------------------------------------------ */

static void put_sample(struct bytes *b, int sample, enum mt_link *ret_link)
{
    bytes_init(b);
    *ret_link = MT_LINK_ETHERNET;
    switch (sample) {
    case 0:
        put_ethernet(b, 0x0800);
        put_segment_v4(b, "MAIL FROM:<a@b>\r\n");
        break;
    case 1:
        put_ethernet(b, 0x88a8);
        put32(b, 0x00018100);
        put32(b, 0x00020800);
        put_segment_v4(b, "x");
        break;
    case 2:
        put_jumbogram(b, 100000);
        break;
    case 3:
        put_ethernet(b, 0x86dd);
        put_ipv6(b, 40 + 16 + 20, 43);
        put16(b, 51 << 8 | 4);
        put16(b, 4 << 8 | 1);
        put_zeros(b, 36);
        put16(b, TCP << 8 | 2);
        put_zeros(b, 14);
        put_tcp(b, 5);
        break;
    case 4:
        *ret_link = MT_LINK_LINUX_SLL2;
        put_sll2(b, 6, 0x86dd);
        put_segment_v6(b, "y");
        break;
    case 5:
        *ret_link = MT_LINK_PPP;
        put32(b, 0xff030021);
        put_segment_v4(b, "z");
        break;
    default:
        *ret_link = MT_LINK_NULL;
        put32(b, 2);
        put_ipv4(b, 60, 0x2000, TCP);
        put_zeros(b, 40);
        break;
    }
}

/* The guard page behind the bytes is what would notice a read beyond them. */
static void a_frame_cut_anywhere_is_never_read_beyond_its_end(void **state)
{
    (void)state;
    /* what follows the fixed TCP header may be cut, nothing before it */
    static const size_t segments_expected[] = {18, 2, 0, 1, 2, 2, 0};
    for (int sample = 0; sample < 7; sample++) {
        struct bytes b;
        enum mt_link link;
        put_sample(&b, sample, &link);
        uint32_t whole = (uint32_t)b.buf.size;
        size_t segments = 0;
        for (uint32_t size = 0; size <= whole; size++) {
            struct mt_packet packet;
            b.buf.size = size;
            enum mt_packet_verdict verdict = decode(&b, link, whole, &packet);
            if (verdict == MT_PACKET_TCP) {
                assert_true(packet.payload.size <= packet.payload_size);
                segments++;
            }
            for (int i = 0; i <= MT_LINK_NFLOG; i++) /* under other links too */
                decode(&b, (enum mt_link)i, whole, &packet);
        }
        assert_int_equal(segments, segments_expected[sample]);
    }
}

/* No tag and one have short ways of their own, two take the long one. */
static void every_way_decodes_a_segment_alike(void **state)
{
    (void)state;
    for (unsigned words = 5; words < 16; words++) {
        struct mt_packet packets[3];
        for (unsigned tags = 0; tags < 3; tags++) {
            struct bytes b;
            struct mt_packet *packet = &packets[tags];
            bytes_init(&b);
            put_ethernet(&b, tags == 0 ? 0x0800 : 0x8100);
            for (unsigned i = 0; i < tags; i++) {
                put16(&b, 0x2000 | (i + 7));
                put16(&b, i + 1 < tags ? 0x8100 : 0x0800);
            }
            put_ipv4(&b, 20 + words * 4 + 3, 0x4000, TCP);
            put_tcp(&b, words);
            put_text(&b, "abc");
            put_zeros(&b, 9);
            assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, packet), MT_PACKET_TCP);
            assert_segment(packet, "abc"); /* before the guarded copy is overwritten */
            assert_int_equal(packet->outer_count, tags);
            assert_int_equal(packet->vlan, tags == 0 ? MT_VLAN_NONE : 7);
            assert_memory_equal(packet->mac_src, "\x02\0\0\0\0\x01", 6);
            assert_memory_equal(&packets[0].tuple, &packet->tuple, sizeof(packet->tuple));
            assert_int_equal(packets[0].payload_size, packet->payload_size);
        }
    }
}

static void every_reject_has_a_name_and_a_meaning(void **state)
{
    (void)state;
    for (int i = 0; i < MT_REJECT_COUNT; i++) {
        assert_memory_equal(mt_reject_name((enum mt_reject)i), "packet.reject.", 14);
        assert_true(strlen(mt_reject_meaning((enum mt_reject)i)) > 5);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_segment_is_decoded_whole),
        cmocka_unit_test(ip_options_and_tcp_options_are_stepped_over),
        cmocka_unit_test(ethernet_padding_is_no_payload),
        cmocka_unit_test(a_total_length_of_zero_means_the_frame),
        cmocka_unit_test(a_frame_cut_by_the_snapshot_length_keeps_its_payload_size),
        cmocka_unit_test(tcp_options_cut_off_by_the_capture_lose_only_bytes),
        cmocka_unit_test(tcp_offsets_that_make_no_sense_are_rejected),
        cmocka_unit_test(ipv4_headers_that_make_no_sense_are_rejected),
        cmocka_unit_test(what_is_not_tcp_is_rejected_as_that),
        cmocka_unit_test(up_to_four_vlan_tags_are_stepped_over),
        cmocka_unit_test(raw_ip_goes_by_the_version_nibble),
        cmocka_unit_test(null_and_loop_take_the_family_in_either_byte_order),
        cmocka_unit_test(linux_cooked_frames_have_a_source_address_only),
        cmocka_unit_test(ppp_is_read_with_and_without_its_optional_bytes),
        cmocka_unit_test(a_firewalls_log_has_the_packet_behind_a_header_that_tells_its_size),
        cmocka_unit_test(netfilters_log_has_the_packet_in_an_attribute),
        cmocka_unit_test(netfilters_log_without_a_packet_or_with_sizes_that_make_no_sense_is_not_ip),
        cmocka_unit_test(an_unknown_link_is_rejected_as_that),
        cmocka_unit_test(a_frame_cut_anywhere_is_never_read_beyond_its_end),
        cmocka_unit_test(every_way_decodes_a_segment_alike),
        cmocka_unit_test(every_reject_has_a_name_and_a_meaning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
