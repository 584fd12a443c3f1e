/* One builder a sample: what is wrapped first, then what it is wrapped in. */
#include "tunnel_samples.h"

#define V4 " 10.0.0.1>10.0.0.2"
#define V6 " 2001:db8:f::1>2001:db8:f::2"

/* What is wrapped. */
static void inner_ip(struct bytes *b)
{
    bytes_init(b);
    put_segment_v4(b, "EHLO a\r\n");
}

static void inner_ip6(struct bytes *b)
{
    bytes_init(b);
    put_segment_v6(b, "EHLO a\r\n");
}

static void inner_frame(struct bytes *b)
{
    bytes_init(b);
    put_ethernet(b, 0x0800);
    put_segment_v4(b, "EHLO a\r\n");
}

/* --- links and what lies between them and IP --------------------------------- */

static void one_tag(struct bytes *b)
{
    inner_ip(b);
    wrap_tag(b, 4095, 0x0800);
    wrap_ethernet(b, 0x8100);
}

static void two_tags(struct bytes *b)
{
    inner_ip(b);
    wrap_tag(b, 6, 0x0800);
    wrap_tag(b, 5, 0x8100);
    wrap_ethernet(b, 0x88a8);
}

static void backbone(struct bytes *b)
{
    inner_frame(b);
    prepend32(b, 0x10abcdef);
    wrap_ethernet(b, 0x88e7);
}

static void interface_tag(struct bytes *b)
{
    inner_ip(b);
    wrap_tag(b, 4, 0x0800);
    prepend16(b, 0x8100);
    prepend32(b, 0xc0170005);
    wrap_ethernet(b, 0x8926);
}

static void bridge_port_tag(struct bytes *b)
{
    inner_ip6(b);
    prepend16(b, 0x86dd);
    prepend32(b, 0x1abc0000);
    prepend16(b, 0x2000);
    wrap_ethernet(b, 0x893f);
}

static void snap(struct bytes *b)
{
    inner_ip(b);
    prepend(b, "\xaa\xaa\x03\0\0\0\x08\0", 8);
    wrap_ethernet(b, 56);
}

static void hdlc(struct bytes *b)
{
    inner_ip(b);
    prepend32(b, 0x0f000800);
}

static void labels_v4(struct bytes *b)
{
    inner_ip(b);
    wrap_label(b, 1048575, true);
    wrap_label(b, 24001, false);
    wrap_label(b, 3, false);
    wrap_ethernet(b, 0x8847);
}

static void labels_v6(struct bytes *b)
{
    inner_ip6(b);
    wrap_label(b, 2, true);
    wrap_ethernet(b, 0x8848);
}

static void pseudowire(struct bytes *b)
{
    inner_frame(b);
    wrap_label(b, 16, true);
    wrap_ethernet(b, 0x8847);
}

static void pseudowire_control_word(struct bytes *b)
{
    inner_frame(b);
    prepend32(b, 0x00000007);
    wrap_label(b, 16, true);
    wrap_ethernet(b, 0x8847);
}

static void pseudowire_tagged(struct bytes *b)
{
    inner_ip(b);
    wrap_tag(b, 9, 0x0800);
    wrap_ethernet(b, 0x8100);
    wrap_label(b, 16, true);
    wrap_ethernet(b, 0x8847);
}

static void pseudowire_zero_word_tagged(struct bytes *b)
{
    inner_ip(b);
    wrap_tag(b, 9, 0x0800);
    wrap_ethernet(b, 0x8100);
    prepend32(b, 0);
    wrap_label(b, 16, true);
    wrap_ethernet(b, 0x8847);
}

/* The customer's address begins as an IPv4, or an IPv6, header does. */
static void pseudowire_like_ipv4(struct bytes *b)
{
    inner_frame(b);
    b->storage[0] = 0x45;
    b->storage[2] = 0xff;
    wrap_label(b, 16, true);
    wrap_ethernet(b, 0x8847);
}

static void pseudowire_like_ipv6(struct bytes *b)
{
    inner_frame(b);
    b->storage[0] = 0x60;
    b->storage[4] = 0xff;
    wrap_label(b, 16, true);
    wrap_ethernet(b, 0x8847);
}

static void pppoe_v4(struct bytes *b)
{
    inner_ip(b);
    wrap_pppoe(b, 4711, 0x0021);
    put_zeros(b, 3); /* padding */
    wrap_ethernet(b, 0x8864);
}

static void pppoe_v6(struct bytes *b)
{
    inner_ip6(b);
    wrap_pppoe(b, 1, 0x0057);
}

static void ppp_mpls(struct bytes *b)
{
    inner_ip(b);
    wrap_label(b, 99, true);
    prepend32(b, 0xff030281);
}

/* --- GRE ----------------------------------------------------------------------- */

static void gre_plain(struct bytes *b)
{
    inner_ip(b);
    wrap_gre(b, 0x0800);
    wrap_ipv4(b, 47);
}

static void gre_all_options(struct bytes *b)
{
    inner_ip6(b);
    prepend32(b, 1);
    prepend32(b, 4000000000);
    prepend32(b, 0xabcd0000);
    prepend32(b, 0xb00086dd);
    wrap_ipv6(b, 47);
}

static void gre_mpls(struct bytes *b)
{
    inner_ip(b);
    wrap_label(b, 77, true);
    wrap_gre(b, 0x8847);
    wrap_ipv4(b, 47);
}

static void nvgre(struct bytes *b)
{
    inner_frame(b);
    prepend32(b, 0x00123401);
    prepend32(b, 0x20006558);
    wrap_ipv4(b, 47);
}

static void pptp(struct bytes *b)
{
    inner_ip(b);
    prepend16(b, 0x0021);
    prepend32(b, 5);
    prepend32(b, 6);
    prepend32(b, (uint32_t)(b->buf.size - 8) << 16 | 123);
    prepend32(b, 0x3081880b);
    wrap_ipv4(b, 47);
}

static void erspan_1(struct bytes *b)
{
    inner_frame(b);
    wrap_gre(b, 0x88be);
    wrap_ipv4(b, 47);
}

static void erspan_2(struct bytes *b)
{
    inner_frame(b);
    wrap_erspan2(b, 1000);
    wrap_ipv4(b, 47);
}

static void put_erspan3(struct bytes *b, unsigned last)
{
    prepend16(b, last);
    prepend16(b, 0);
    prepend32(b, 0xffffffff);
    prepend32(b, 0x20050000 | 0x3ff);
    prepend32(b, 9);
    prepend32(b, 0x100022eb);
    wrap_ipv4(b, 47);
}

static void erspan_3(struct bytes *b)
{
    inner_frame(b);
    put_erspan3(b, 0x8000);
}

static void erspan_3_platform(struct bytes *b)
{
    inner_frame(b);
    prepend32(b, 1);
    prepend32(b, 2);
    put_erspan3(b, 0x0001);
}

static void erspan_3_ip(struct bytes *b)
{
    inner_ip(b);
    put_erspan3(b, 2 << 10);
}

static void wccp_2(struct bytes *b)
{
    inner_ip(b);
    prepend32(b, 0x80000000);
    wrap_gre(b, 0x883e);
    wrap_ipv4(b, 47);
}

static void gre_over_udp(struct bytes *b)
{
    inner_frame(b);
    wrap_gre(b, 0x6558);
    wrap_udp(b, 4754);
    wrap_ipv6(b, UDP);
}

/* --- IP in IP, L2TP ------------------------------------------------------------- */

static void ipip(struct bytes *b)
{
    inner_ip(b);
    wrap_ipv4(b, 4);
}

static void ip4in6(struct bytes *b)
{
    inner_ip(b);
    wrap_ipv6(b, 4);
}

static void ip6in4(struct bytes *b)
{
    inner_ip6(b);
    wrap_ipv4(b, 41);
}

static void ip6in6(struct bytes *b)
{
    inner_ip6(b);
    wrap_ipv6(b, 41);
}

static void l2tp_bare(struct bytes *b)
{
    inner_frame(b);
    prepend32(b, 0xcafe0001);
    wrap_ipv4(b, 115);
}

static void l2tp_all(struct bytes *b)
{
    inner_frame(b);
    prepend32(b, 0x40000000);
    prepend32(b, 0xdeadbeef);
    prepend32(b, 0xdeadbeef);
    prepend32(b, 5);
    wrap_ipv6(b, 115);
}

/* --- UDP -------------------------------------------------------------------------- */

static void vxlan(struct bytes *b)
{
    inner_frame(b);
    wrap_vxlan(b, 0xfffffe);
    wrap_ipv4(b, UDP);
}

static void vxlan_tagged(struct bytes *b)
{
    inner_ip(b);
    wrap_tag(b, 12, 0x0800);
    wrap_ethernet(b, 0x8100);
    wrap_vxlan(b, 1);
    wrap_ipv6(b, UDP);
}

static void put_gpe(struct bytes *b, uint32_t first)
{
    prepend32(b, 300 << 8);
    prepend32(b, first);
    wrap_udp(b, 4790);
    wrap_ipv4(b, UDP);
}

static void gpe_ip4(struct bytes *b)
{
    inner_ip(b);
    put_gpe(b, 0x0c000001);
}

static void gpe_ip6(struct bytes *b)
{
    inner_ip6(b);
    put_gpe(b, 0x0c000002);
}

static void gpe_ethernet(struct bytes *b)
{
    inner_frame(b);
    put_gpe(b, 0x0c000003);
}

static void gpe_mpls(struct bytes *b)
{
    inner_ip(b);
    wrap_label(b, 8, true);
    put_gpe(b, 0x0c000005);
}

static void gpe_unsaid(struct bytes *b)
{
    inner_frame(b);
    put_gpe(b, 0x08000000);
}

static void geneve(struct bytes *b)
{
    inner_frame(b);
    wrap_geneve(b, 0x6558, 77, 0);
    wrap_ipv4(b, UDP);
}

static void geneve_options(struct bytes *b)
{
    inner_ip6(b);
    wrap_geneve(b, 0x86dd, 78, 63);
    wrap_ipv6(b, UDP);
}

static void gtp(struct bytes *b)
{
    inner_ip(b);
    wrap_gtp(b, 0xdeadbeef);
    wrap_ipv4(b, UDP);
}

static void gtp_extensions(struct bytes *b)
{
    inner_ip6(b);
    prepend32(b, 0x01020300);                               /* the last extension */
    prepend(b, "\x02\xff\xff\xff\xff\xff\xff\xc0", 8);      /* the first, of eight bytes */
    prepend32(b, 0x00070085);                               /* sequence, N-PDU, next */
    prepend32(b, 9);                                        /* TEID */
    prepend32(b, 0x37ff0000 | (uint32_t)(b->buf.size - 4)); /* all optional fields */
    wrap_udp(b, 2152);
    wrap_ipv4(b, UDP);
}

static void teredo(struct bytes *b)
{
    inner_ip6(b);
    wrap_udp(b, 3544);
    wrap_ipv4(b, UDP);
}

static void teredo_indications(struct bytes *b)
{
    inner_ip6(b);
    prepend(b, "\0\0\x12\x34\xff\xff\xff\xfe", 8);
    prepend(b, "\0\x01\x02\x03idmac\1\2\3\4\5\6\7\x08\0", 18);
    wrap_udp(b, 3544);
    b->storage[0] = 3544 >> 8; /* from the server's port */
    b->storage[1] = 3544 & 0xff;
    b->storage[2] = 0x99;
    wrap_ipv4(b, UDP);
}

/* --- one in the other --------------------------------------------------------------- */

static void everything(struct bytes *b)
{
    inner_frame(b);
    wrap_erspan2(b, 1);
    wrap_ipv4(b, 47);
    wrap_label(b, 100, true);
    wrap_tag(b, 5, 0x8847);
    wrap_ethernet(b, 0x8100);
}

static void cloud(struct bytes *b)
{
    inner_ip(b);
    wrap_tag(b, 7, 0x0800);
    wrap_ethernet(b, 0x8100);
    wrap_vxlan(b, 500);
    wrap_ipv4(b, UDP);
    wrap_ethernet(b, 0x0800);
    wrap_geneve(b, 0x6558, 9, 2);
    wrap_ipv6(b, UDP);
    wrap_pppoe(b, 3, 0x0057);
    wrap_ethernet(b, 0x8864);
}

static void mobile(struct bytes *b)
{
    inner_ip6(b);
    wrap_ipv4(b, 41);
    wrap_gtp(b, 1);
    wrap_ipv4(b, UDP);
}

const struct tunnel_sample tunnel_samples[] = {
    {"one tag", one_tag, MT_LINK_ETHERNET, "vlan 4095"},
    {"two tags", two_tags, MT_LINK_ETHERNET, "vlan 5, vlan 6"},
    {"backbone", backbone, MT_LINK_ETHERNET, "pbb 11259375"},
    {"VN-Tag", interface_tag, MT_LINK_ETHERNET, "vntag 23, vlan 4"},
    {"E-TAG", bridge_port_tag, MT_LINK_ETHERNET, "etag 2748"},
    {"SNAP", snap, MT_LINK_ETHERNET, ""},
    {"HDLC", hdlc, MT_LINK_PPP, ""},
    {"labels, IPv4", labels_v4, MT_LINK_ETHERNET, "mpls 3, mpls 24001, mpls 1048575"},
    {"label, IPv6", labels_v6, MT_LINK_ETHERNET, "mpls 2"},
    {"pseudowire", pseudowire, MT_LINK_ETHERNET, "mpls 16"},
    {"pseudowire, control word", pseudowire_control_word, MT_LINK_ETHERNET, "mpls 16"},
    {"pseudowire, tagged", pseudowire_tagged, MT_LINK_ETHERNET, "mpls 16, vlan 9"},
    {"pseudowire, zero word, tagged", pseudowire_zero_word_tagged, MT_LINK_ETHERNET, "mpls 16, vlan 9"},
    {"pseudowire, 45", pseudowire_like_ipv4, MT_LINK_ETHERNET, "mpls 16"},
    {"pseudowire, 60", pseudowire_like_ipv6, MT_LINK_ETHERNET, "mpls 16"},
    {"PPPoE, IPv4", pppoe_v4, MT_LINK_ETHERNET, "pppoe 4711"},
    {"PPPoE link, IPv6", pppoe_v6, MT_LINK_PPPOE, "pppoe 1"},
    {"PPP, label", ppp_mpls, MT_LINK_PPP, "mpls 99"},
    {"GRE", gre_plain, MT_LINK_RAW, "gre" V4},
    {"GRE, all options", gre_all_options, MT_LINK_RAW, "gre 4000000000" V6},
    {"GRE, label", gre_mpls, MT_LINK_RAW, "gre" V4 ", mpls 77"},
    {"NVGRE", nvgre, MT_LINK_RAW, "gre 1192961" V4},
    {"PPTP", pptp, MT_LINK_RAW, "gre 123" V4},
    {"WCCP", wccp_2, MT_LINK_RAW, "gre" V4},
    {"GRE over UDP", gre_over_udp, MT_LINK_RAW, "gre" V6},
    {"ERSPAN I", erspan_1, MT_LINK_RAW, "gre" V4},
    {"ERSPAN II", erspan_2, MT_LINK_RAW, "gre" V4 ", erspan 1000"},
    {"ERSPAN III", erspan_3, MT_LINK_RAW, "gre" V4 ", erspan 1023"},
    {"ERSPAN III, platform", erspan_3_platform, MT_LINK_RAW, "gre" V4 ", erspan 1023"},
    {"ERSPAN III, IP", erspan_3_ip, MT_LINK_RAW, "gre" V4 ", erspan 1023"},
    {"IPv4 in IPv4", ipip, MT_LINK_RAW, "ipip" V4},
    {"IPv4 in IPv6", ip4in6, MT_LINK_RAW, "4in6" V6},
    {"IPv6 in IPv4", ip6in4, MT_LINK_RAW, "6in4" V4},
    {"IPv6 in IPv6", ip6in6, MT_LINK_RAW, "6in6" V6},
    {"L2TPv3", l2tp_bare, MT_LINK_RAW, "l2tp 3405643777" V4},
    {"L2TPv3, cookie, sublayer", l2tp_all, MT_LINK_RAW, "l2tp 5" V6},
    {"VXLAN", vxlan, MT_LINK_RAW, "vxlan 16777214" V4},
    {"VXLAN, tag inside", vxlan_tagged, MT_LINK_RAW, "vxlan 1" V6 ", vlan 12"},
    {"GPE, IPv4", gpe_ip4, MT_LINK_RAW, "vxlan 300" V4},
    {"GPE, IPv6", gpe_ip6, MT_LINK_RAW, "vxlan 300" V4},
    {"GPE, Ethernet", gpe_ethernet, MT_LINK_RAW, "vxlan 300" V4},
    {"GPE, label", gpe_mpls, MT_LINK_RAW, "vxlan 300" V4 ", mpls 8"},
    {"GPE, nothing said", gpe_unsaid, MT_LINK_RAW, "vxlan 300" V4},
    {"Geneve", geneve, MT_LINK_RAW, "geneve 77" V4},
    {"Geneve, 252 bytes of options", geneve_options, MT_LINK_RAW, "geneve 78" V6},
    {"GTP", gtp, MT_LINK_RAW, "gtp 3735928559" V4},
    {"GTP, extensions", gtp_extensions, MT_LINK_RAW, "gtp 9" V4},
    {"Teredo", teredo, MT_LINK_RAW, "teredo" V4},
    {"Teredo, indications", teredo_indications, MT_LINK_RAW, "teredo" V4},
    {"ERSPAN in MPLS in a VLAN", everything, MT_LINK_ETHERNET, "vlan 5, mpls 100, gre" V4 ", erspan 1"},
    {"VXLAN in Geneve in PPPoE", cloud, MT_LINK_ETHERNET, "pppoe 3, geneve 9" V6 ", vxlan 500" V4 ", vlan 7"},
    {"6in4 in GTP", mobile, MT_LINK_RAW, "gtp 1" V4 ", 6in4" V4},
};

const size_t tunnel_sample_count = MT_ARRAY_COUNT(tunnel_samples);
