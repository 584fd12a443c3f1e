/* Every encapsulation, alone and in others: what is inside, what is said to be
 * around it, and that a header cut anywhere is never read beyond its end. */
#include "tunnel_samples.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void build(const char *name, struct bytes *ret_bytes)
{
    for (size_t i = 0; i < tunnel_sample_count; i++) {
        if (strcmp(tunnel_samples[i].name, name) == 0) {
            tunnel_samples[i].build(ret_bytes);
            return;
        }
    }
    fail_msg("no sample is called %s", name);
}

static void every_encapsulation_shows_what_is_inside_and_what_is_around_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < tunnel_sample_count; i++) {
        struct bytes b;
        struct mt_packet packet;
        tunnel_samples[i].build(&b);
        enum mt_packet_verdict verdict = decode(&b, tunnel_samples[i].link, 0, &packet);
        if (verdict == MT_PACKET_REJECT)
            fail_msg("%s: %s", tunnel_samples[i].name, mt_reject_name((enum mt_reject)packet.reject));
        if (verdict != MT_PACKET_TCP || strcmp(path_of(&packet), tunnel_samples[i].path) != 0)
            fail_msg("%s: \"%s\", not \"%s\"", tunnel_samples[i].name, path_of(&packet),
                     tunnel_samples[i].path);
        assert_segment(&packet, "EHLO a\r\n");
        bool is_v4 = packet.tuple.src.family == 4;
        assert_ip(&packet.tuple.src, is_v4 ? "192.0.2.1" : "2001:db8::1");
        assert_ip(&packet.tuple.dst, is_v4 ? "198.51.100.2" : "2001:db8::2");
        assert_int_equal(packet.payload_size, 8);
        assert_int_equal(packet.wire_size, b.buf.size);
    }
}

/* The guard page behind the bytes is what would notice a read beyond them. */
static void an_encapsulation_cut_anywhere_is_no_segment_and_never_read_beyond_its_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < tunnel_sample_count; i++) {
        struct bytes b;
        tunnel_samples[i].build(&b);
        uint32_t whole = (uint32_t)b.buf.size;
        size_t segments = 0;
        for (uint32_t size = 0; size < whole; size++) {
            struct mt_packet packet;
            b.buf.size = size;
            if (decode(&b, tunnel_samples[i].link, whole, &packet) == MT_PACKET_TCP) {
                assert_string_equal(path_of(&packet), tunnel_samples[i].path);
                segments++;
            }
            decode(&b, tunnel_samples[i].link, 0, &packet); /* it was that short on the wire, too */
        }
        /* what the TCP header is followed by may be cut, and padding */
        size_t expected = strcmp(tunnel_samples[i].name, "PPPoE, IPv4") == 0 ? 11 : 8;
        if (segments != expected)
            fail_msg("%s: %zu segments, not %zu", tunnel_samples[i].name, segments, expected);
    }
}

static void mac_addresses_are_those_of_the_innermost_ethernet_header(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    build("ERSPAN in MPLS in a VLAN", &b);
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
    assert_memory_equal(packet.mac_src, "\x02\0\0\0\0\x01", 6);
    assert_memory_equal(packet.mac_dst, "\x02\0\0\0\0\x02", 6);
    build("IPv4 in IPv4", &b);
    wrap_ethernet(&b, 0x0800);
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
    assert_memory_equal(packet.mac_src, "\x02\0\0\0\0\x0a", 6);
}

static void the_vlan_is_the_outermost_tag_wherever_it_stands(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    build("VXLAN in Geneve in PPPoE", &b);
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
    assert_int_equal(packet.vlan, 7);
    build("ERSPAN in MPLS in a VLAN", &b);
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
    assert_int_equal(packet.vlan, 5);
}

static void a_plain_segment_has_nothing_around_it(void **state)
{
    (void)state;
    struct bytes b;
    struct mt_packet packet;
    bytes_init(&b);
    put_ethernet(&b, 0x0800);
    put_segment_v4(&b, "NOOP\r\n");
    assert_int_equal(decode(&b, MT_LINK_ETHERNET, 0, &packet), MT_PACKET_TCP);
    assert_string_equal(path_of(&packet), "");
    bytes_init(&b);
    put_segment_v6(&b, "NOOP\r\n");
    assert_int_equal(decode(&b, MT_LINK_RAW, 0, &packet), MT_PACKET_TCP);
    assert_string_equal(path_of(&packet), "");
}

static void every_type_of_layer_has_a_sample(void **state)
{
    (void)state;
    for (int type = 0; type < MT_OUTER_TYPE_COUNT; type++) {
        const char *name = mt_outer_name((enum mt_outer_type)type);
        bool is_there = false;
        for (size_t i = 0; i < tunnel_sample_count; i++)
            is_there |= strstr(tunnel_samples[i].path, name) != NULL;
        if (!is_there)
            fail_msg("%s has none", name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_encapsulation_shows_what_is_inside_and_what_is_around_it),
        cmocka_unit_test(an_encapsulation_cut_anywhere_is_no_segment_and_never_read_beyond_its_end),
        cmocka_unit_test(mac_addresses_are_those_of_the_innermost_ethernet_header),
        cmocka_unit_test(the_vlan_is_the_outermost_tag_wherever_it_stands),
        cmocka_unit_test(a_plain_segment_has_nothing_around_it),
        cmocka_unit_test(every_type_of_layer_has_a_sample),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
