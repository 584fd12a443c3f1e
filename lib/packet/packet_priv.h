/* What the files of this module share: the layers between frame and TCP.
 *
 * Ownership: spans point into the frame or the fragment table's buffer.
 * Thread: any; no state. Limits: those of packet/packet.h.
 */
#ifndef MT_PACKET_PACKET_PRIV_H
#define MT_PACKET_PACKET_PRIV_H

#include "base/endian.h"
#include "packet/packet.h"

/* What comes next: an ethertype, or what has none. */
enum {
    MT_ETHERTYPE_IPV4 = 0x0800,
    MT_ETHERTYPE_IPV6 = 0x86dd,
    MT_ETHERTYPE_VLAN = 0x8100,     /* IEEE 802.1Q */
    MT_ETHERTYPE_QINQ = 0x88a8,     /* IEEE 802.1ad */
    MT_ETHERTYPE_QINQ_OLD = 0x9100, /* before 802.1ad */
    MT_ETHERTYPE_MPLS = 0x8847,     /* RFC 3032 */
    MT_ETHERTYPE_MPLS_MULTICAST = 0x8848,
    MT_ETHERTYPE_PPPOE = 0x8864,    /* RFC 2516, session */
    MT_ETHERTYPE_PBB = 0x88e7,      /* IEEE 802.1ah */
    MT_ETHERTYPE_VNTAG = 0x8926,    /* Cisco, before 802.1BR */
    MT_ETHERTYPE_ETAG = 0x893f,     /* IEEE 802.1BR */
    MT_ETHERTYPE_LENGTH_MAX = 1500, /* up to here: a length, and LLC follows */
    MT_NEXT_IP = 0x10000,           /* the version nibble decides */
    MT_NEXT_ETHERNET,
    MT_NEXT_PPP, /* from its address field on, which may be left out */
};

enum {
    MT_PROTOCOL_HOP_BY_HOP = 0,
    MT_PROTOCOL_IPV4 = 4,
    MT_PROTOCOL_TCP = 6,
    MT_PROTOCOL_UDP = 17,
    MT_PROTOCOL_IPV6 = 41,
    MT_PROTOCOL_ROUTING = 43,
    MT_PROTOCOL_FRAGMENT = 44,
    MT_PROTOCOL_GRE = 47,
    MT_PROTOCOL_AH = 51,
    MT_PROTOCOL_DESTINATION = 60,
    MT_PROTOCOL_L2TP = 115,
};

#define MT_VLAN_DEPTH_MAX 4
#define MT_IP_DEPTH_MAX 4
#define MT_IPV6_EXTENSIONS_MAX 8

/* Bytes of one layer: what was captured of it and how long it was on the wire;
 * bytes.size <= wire_size. */
struct mt_layer {
    struct mt_span bytes;
    uint32_t wire_size;
};

static inline struct mt_layer mt_layer_from(struct mt_layer layer, uint32_t off)
{
    layer.bytes = mt_span_from(layer.bytes, off);
    layer.wire_size -= off < layer.wire_size ? off : layer.wire_size;
    return layer;
}

/* Cut to what the length field of the layer says. */
static inline struct mt_layer mt_layer_limit(struct mt_layer layer, uint32_t wire_size)
{
    layer.bytes = mt_span_head(layer.bytes, wire_size);
    layer.wire_size = wire_size;
    return layer;
}

static inline enum mt_packet_verdict mt_packet_reject(struct mt_packet *packet, enum mt_reject reject)
{
    packet->reject = (uint8_t)reject;
    return MT_PACKET_REJECT;
}

/* 16 bytes in one store: an IPv4 address leaves the other twelve zero. */
static inline void mt_ip_set_v4(struct mt_ip *ip, const uint8_t *bytes)
{
    uint32_t address;
    memcpy(&address, bytes, sizeof(address));
    uint64_t words[2] = {address, 0};
    memcpy(ip->bytes, words, sizeof(words));
    ip->family = 4;
}

static inline void mt_ip_set_v6(struct mt_ip *ip, const uint8_t *bytes)
{
    memcpy(ip->bytes, bytes, 16);
    ip->family = 6;
}

/* The TCP header at the start of layer (RFC 9293 §3.1). Options that the
 * capture cut off do not matter: what follows them is then not captured
 * either, and its size is known from the IP length. */
static inline enum mt_packet_verdict mt_packet_tcp(struct mt_layer layer, struct mt_packet *packet)
{
    const uint8_t *tcp = layer.bytes.ptr;
    if (MT_UNLIKELY(layer.bytes.size < 20))
        return mt_packet_reject(packet, MT_REJECT_TCP_TRUNCATED);
    uint32_t header_size = (uint32_t)(tcp[12] >> 4) * 4;
    if (MT_UNLIKELY(header_size < 20 || header_size > layer.wire_size))
        return mt_packet_reject(packet, MT_REJECT_TCP_HEADER);
    packet->tuple.src_port = mt_load_be16(tcp);
    packet->tuple.dst_port = mt_load_be16(tcp + 2);
    packet->seq = mt_load_be32(tcp + 4);
    packet->ack = mt_load_be32(tcp + 8);
    packet->tcp_flags = tcp[13];
    packet->window = mt_load_be16(tcp + 14);
    packet->ip_protocol = MT_PROTOCOL_TCP;
    packet->payload = mt_span_from(layer.bytes, header_size);
    packet->payload_size = layer.wire_size - header_size;
    return MT_PACKET_TCP;
}

/* The way from the frame to TCP. A step looks at one header: true when it has
 * moved layer behind it and said what comes next; false when verdict is set. Every
 * step that can be taken again is counted in packet, so the way has an end. */
struct mt_walk {
    struct mt_packet *packet;
    struct mt_outer *outer; /* gets the layers; NULL: nobody asks */
    struct mt_layer layer;  /* from the next header on */
    uint32_t next;
    enum mt_packet_verdict verdict;
};

enum mt_packet_verdict mt_walk(struct mt_walk *walk);

static inline bool mt_walk_reject(struct mt_walk *walk, enum mt_reject reject)
{
    walk->verdict = mt_packet_reject(walk->packet, reject);
    return false;
}

static inline bool mt_walk_next(struct mt_walk *walk, uint32_t header_size, uint32_t next)
{
    walk->layer = mt_layer_from(walk->layer, header_size);
    walk->next = next;
    return true;
}

/* Writes down a layer for who asks: walk->outer. */
void mt_walk_note(struct mt_walk *walk, enum mt_outer_type type, bool has_id, uint32_t id, bool is_in_ip);

static inline bool mt_walk_layer(struct mt_walk *walk, enum mt_outer_type type, bool has_id, uint32_t id,
                                 bool is_in_ip)
{
    if (MT_UNLIKELY(walk->packet->outer_count == MT_OUTER_MAX))
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_DEPTH);
    walk->packet->outer_count++;
    if (MT_UNLIKELY(walk->outer != NULL))
        mt_walk_note(walk, type, has_id, id, is_in_ip);
    return true;
}

/* One more layer. False, and rejected: that is one too many. */
static inline bool mt_walk_link_layer(struct mt_walk *walk, enum mt_outer_type type, uint32_t id)
{
    return mt_walk_layer(walk, type, true, id, false);
}

/* The same of what the last IP header carries. */
static inline bool mt_walk_ip_layer(struct mt_walk *walk, enum mt_outer_type type, bool has_id, uint32_t id)
{
    return mt_walk_layer(walk, type, has_id, id, true);
}

/* The header that the link type names. */
bool mt_walk_frame(struct mt_walk *walk, enum mt_link link);

/* A byte string that is Ethernet with something in it that we know. For headers
 * whose end nothing but a look behind it tells. */
bool mt_is_ethernet(struct mt_span bytes);

bool mt_walk_ethernet(struct mt_walk *walk);
bool mt_walk_vlan(struct mt_walk *walk);
bool mt_walk_port_tag(struct mt_walk *walk);
bool mt_walk_llc(struct mt_walk *walk);
bool mt_walk_ppp(struct mt_walk *walk);
bool mt_walk_pppoe(struct mt_walk *walk);
bool mt_walk_pbb(struct mt_walk *walk);
bool mt_walk_mpls(struct mt_walk *walk);

bool mt_walk_ipv4(struct mt_walk *walk);
bool mt_walk_ipv6(struct mt_walk *walk);

/* What follows the fixed IP header: extension headers, then TCP, a fragment, a
 * tunnel or something that is not ours. protocol names the first header. */
bool mt_walk_ip_payload(struct mt_walk *walk, uint8_t protocol);

/* Protocols that may carry IP, and what they carry. */
bool mt_is_tunnel(uint8_t protocol);
bool mt_walk_tunnel(struct mt_walk *walk, uint8_t protocol);
bool mt_walk_gre(struct mt_walk *walk);

/* Is the UDP datagram of these first bytes none of ours? */
bool mt_udp_is_foreign(struct mt_span datagram);
/* Is it from or to port 53? */
bool mt_udp_is_dns(struct mt_span datagram);
bool mt_walk_udp(struct mt_walk *walk);

#endif
