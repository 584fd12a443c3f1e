/* IPv4 (RFC 791) and IPv6 with extension headers (RFC 8200). The IP length
 * rules the payload: what the link padded behind it is not payload, and what
 * the snapshot length cut off is still counted in the size on the wire. */
#include "packet/packet_priv.h"

enum {
    IPV4_SIZE = 20,
    IPV6_SIZE = 40,
    FRAGMENT_SIZE = 8,
    DATAGRAM_MAX = 65535,
};

/* What a fragment may be part of: TCP, what may carry it, or a header before it. */
static bool is_wanted(uint8_t protocol, uint8_t family);

/* Fields shared by both families; layer is this fragment's part of the payload. */
static bool fragment(struct mt_walk *walk, uint8_t protocol, uint32_t off, bool more, uint32_t id)
{
    struct mt_packet *packet = walk->packet;
    uint32_t size = walk->layer.wire_size;
    if (!is_wanted(protocol, packet->tuple.src.family))
        return mt_walk_reject(walk, MT_REJECT_NOT_TCP);
    if (size == 0 || size > DATAGRAM_MAX || off + size > DATAGRAM_MAX || (more && size % 8 != 0))
        return mt_walk_reject(walk, MT_REJECT_FRAGMENT_HEADER);
    packet->ip_protocol = protocol;
    packet->ip_payload = walk->layer.bytes;
    packet->payload_size = size;
    packet->fragment_id = id;
    packet->fragment_off = off;
    packet->fragment_more = more;
    packet->fragment_is_foreign =
        protocol == MT_PROTOCOL_UDP && off == 0 && mt_udp_is_foreign(walk->layer.bytes);
    packet->tuple.src_port = 0;
    packet->tuple.dst_port = 0;
    walk->verdict = MT_PACKET_FRAGMENT;
    return false;
}

/* One more IP header in the others. */
static bool count_ip(struct mt_walk *walk)
{
    if (walk->packet->ip_count == MT_IP_DEPTH_MAX)
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_DEPTH);
    walk->packet->ip_count++;
    return true;
}

bool mt_walk_ipv4(struct mt_walk *walk)
{
    struct mt_packet *packet = walk->packet;
    const uint8_t *ip = walk->layer.bytes.ptr;
    if (walk->layer.bytes.size < IPV4_SIZE)
        return mt_walk_reject(walk, MT_REJECT_IP_TRUNCATED);
    uint32_t header_size = (uint32_t)(ip[0] & 0x0f) * 4;
    if (ip[0] >> 4 != 4 || header_size < IPV4_SIZE)
        return mt_walk_reject(walk, MT_REJECT_IP_HEADER);
    /* 0 is what a sending host's capture shows before the card cuts a large
     * segment into packets (TSO): the frame's length is the only one there. */
    uint32_t total = mt_load_be16(ip + 2);
    if (total == 0)
        total = walk->layer.wire_size;
    if (total < header_size)
        return mt_walk_reject(walk, MT_REJECT_IP_LENGTH);
    if (walk->layer.bytes.size < header_size)
        return mt_walk_reject(walk, MT_REJECT_IP_TRUNCATED);
    if (!count_ip(walk))
        return false;
    mt_ip_set_v4(&packet->tuple.src, ip + 12);
    mt_ip_set_v4(&packet->tuple.dst, ip + 16);
    walk->layer = mt_layer_from(mt_layer_limit(walk->layer, total), header_size);

    uint32_t word = mt_load_be16(ip + 6);
    if ((word & 0x3fff) == 0)
        return mt_walk_ip_payload(walk, ip[9]);
    return fragment(walk, ip[9], (word & 0x1fff) * 8, (word & 0x2000) != 0, mt_load_be16(ip + 4));
}

/* RFC 2675: the length of a jumbogram from its hop-by-hop option; 0 when there
 * is none. */
static uint32_t jumbo_size(struct mt_span header)
{
    if (header.size < 8)
        return 0;
    struct mt_span options = mt_span_from(mt_span_head(header, ((size_t)header.ptr[1] + 1) * 8), 2);
    while (options.size > 0) {
        if (options.ptr[0] == 0) { /* Pad1 has no length */
            options = mt_span_from(options, 1);
            continue;
        }
        if (options.size < 2)
            return 0;
        if (options.ptr[0] == 0xc2 && options.ptr[1] == 4 && options.size >= 6)
            return mt_load_be32(options.ptr + 2);
        options = mt_span_from(options, 2 + (size_t)options.ptr[1]);
    }
    return 0;
}

/* The size behind the fixed header, or 0 when it makes no sense. Payload length
 * 0 is a jumbogram, or (as with IPv4) a large segment before the card cuts it.
 * A jumbogram's claim is only believed up to the frame that carries it. */
static uint32_t ipv6_payload_size(const uint8_t *ip, struct mt_layer layer)
{
    uint32_t size = mt_load_be16(ip + 4);
    if (size != 0)
        return size;
    if (ip[6] != MT_PROTOCOL_HOP_BY_HOP)
        return layer.wire_size;
    size = jumbo_size(layer.bytes);
    return size > DATAGRAM_MAX && size <= layer.wire_size ? size : 0;
}

bool mt_walk_ipv6(struct mt_walk *walk)
{
    struct mt_packet *packet = walk->packet;
    const uint8_t *ip = walk->layer.bytes.ptr;
    if (walk->layer.bytes.size < IPV6_SIZE)
        return mt_walk_reject(walk, MT_REJECT_IP_TRUNCATED);
    if (ip[0] >> 4 != 6)
        return mt_walk_reject(walk, MT_REJECT_IP_HEADER);
    walk->layer = mt_layer_from(walk->layer, IPV6_SIZE);
    uint32_t size = ipv6_payload_size(ip, walk->layer);
    if (size == 0)
        return mt_walk_reject(walk, MT_REJECT_IP_LENGTH);
    if (!count_ip(walk))
        return false;
    mt_ip_set_v6(&packet->tuple.src, ip + 8);
    mt_ip_set_v6(&packet->tuple.dst, ip + 24);
    walk->layer = mt_layer_limit(walk->layer, size);
    return mt_walk_ip_payload(walk, ip[6]);
}

/* On the way to an intermediate node the IP header names that node; the
 * connection's end is the last address of the list (RFC 8200 §8.1), which a
 * segment routing header keeps first (RFC 8754 §2). */
static void take_final_destination(struct mt_span header, struct mt_packet *packet)
{
    uint8_t type = header.ptr[2];
    uint8_t segments_left = header.ptr[3];
    size_t addresses = header.ptr[1] / 2;
    if (segments_left == 0 || segments_left > addresses)
        return;
    if (type == 0 || type == 2)
        mt_ip_set_v6(&packet->tuple.dst, header.ptr + 8 + 16 * (addresses - 1));
    else if (type == 4)
        mt_ip_set_v6(&packet->tuple.dst, header.ptr + 8);
}

static size_t extension_size(uint8_t protocol, const uint8_t *header)
{
    if (protocol == MT_PROTOCOL_FRAGMENT)
        return FRAGMENT_SIZE;
    if (protocol == MT_PROTOCOL_AH) /* RFC 4302 §2.2 counts in fours, less two */
        return ((size_t)header[1] + 2) * 4;
    return ((size_t)header[1] + 1) * 8;
}

static bool is_extension(uint8_t protocol, uint8_t family)
{
    if (protocol == MT_PROTOCOL_AH)
        return true;
    return family == 6 && (protocol == MT_PROTOCOL_HOP_BY_HOP || protocol == MT_PROTOCOL_ROUTING ||
                           protocol == MT_PROTOCOL_FRAGMENT || protocol == MT_PROTOCOL_DESTINATION);
}

static bool is_wanted(uint8_t protocol, uint8_t family)
{
    return protocol == MT_PROTOCOL_TCP || is_extension(protocol, family) || mt_is_tunnel(protocol);
}

static bool fragment_v6(struct mt_walk *walk)
{
    const uint8_t *header = walk->layer.bytes.ptr;
    uint32_t word = mt_load_be16(header + 2);
    walk->layer = mt_layer_from(walk->layer, FRAGMENT_SIZE);
    return fragment(walk, header[0], word & 0xfff8, (word & 1) != 0, mt_load_be32(header + 4));
}

bool mt_walk_ip_payload(struct mt_walk *walk, uint8_t protocol)
{
    struct mt_packet *packet = walk->packet;
    for (int count = 0; protocol != MT_PROTOCOL_TCP; count++) {
        if (!is_extension(protocol, packet->tuple.src.family))
            return mt_walk_tunnel(walk, protocol);
        struct mt_span bytes = walk->layer.bytes;
        if (count == MT_IPV6_EXTENSIONS_MAX || bytes.size < FRAGMENT_SIZE)
            return mt_walk_reject(walk, MT_REJECT_IP_EXTENSIONS);
        size_t size = extension_size(protocol, bytes.ptr);
        if (bytes.size < size)
            return mt_walk_reject(walk, MT_REJECT_IP_EXTENSIONS);
        /* An offset of 0 with nothing to follow is a whole datagram (RFC 6946). */
        if (protocol == MT_PROTOCOL_FRAGMENT && (mt_load_be16(bytes.ptr + 2) & 0xfff9) != 0)
            return fragment_v6(walk);
        if (protocol == MT_PROTOCOL_ROUTING)
            take_final_destination(mt_span_head(bytes, size), packet);
        protocol = bytes.ptr[0];
        walk->layer = mt_layer_from(walk->layer, (uint32_t)size);
    }
    walk->verdict = mt_packet_tcp(walk->layer, packet);
    return false;
}
