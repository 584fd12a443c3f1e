#include "packet/packet.h"

#include "base/check.h"
#include "packet/packet_priv.h"

static const char *const reject_names[] = {
#define MT_REJECT(name, text, meaning) text,
#include "packet/rejects.def"
#undef MT_REJECT
};

static const char *const reject_meanings[] = {
#define MT_REJECT(name, text, meaning) meaning,
#include "packet/rejects.def"
#undef MT_REJECT
};

MT_STATIC_ASSERT(MT_REJECT_COUNT <= 48, "stats/stats.h keeps 48 counters for rejects");

const char *mt_reject_name(enum mt_reject reject)
{
    MT_BUG_ON((unsigned)reject >= MT_REJECT_COUNT);
    return reject_names[reject];
}

const char *mt_reject_meaning(enum mt_reject reject)
{
    MT_BUG_ON((unsigned)reject >= MT_REJECT_COUNT);
    return reject_meanings[reject];
}

enum {
    ETHERNET_SIZE = 14,
    TAG_SIZE = 4,
    IPV4_SIZE = 20,
    TCP_SIZE = 20,
};

/* Ethernet, IPv4 without options, unfragmented, TCP, and an IP length that
 * holds the headers: nine frames of ten. Each test is one load that the
 * decoding below needs anyway. */
static inline bool is_tcp4(const uint8_t *data)
{
    bool type = (mt_load_be32(data + 12) >> 8) == (MT_ETHERTYPE_IPV4 << 8 | 0x45);
    bool whole = (mt_load_be16(data + 20) & 0x3fff) == 0;
    bool tcp = data[23] == MT_PROTOCOL_TCP;
    bool length = mt_load_be16(data + 16) >= IPV4_SIZE + TCP_SIZE;
    return type & whole & tcp & length;
}

static inline bool is_plain_tcp4(const struct mt_frame *frame)
{
    return frame->link == MT_LINK_ETHERNET && frame->size >= ETHERNET_SIZE + IPV4_SIZE + TCP_SIZE &&
           is_tcp4(frame->data);
}

/* The same behind one VLAN tag, which is what most mirrors of trunks deliver. */
static inline bool is_tagged_tcp4(const struct mt_frame *frame)
{
    return frame->link == MT_LINK_ETHERNET &&
           frame->size >= ETHERNET_SIZE + TAG_SIZE + IPV4_SIZE + TCP_SIZE &&
           mt_load_be16(frame->data + 12) == MT_ETHERTYPE_VLAN && is_tcp4(frame->data + TAG_SIZE);
}

static inline enum mt_packet_verdict decode_tcp4(const struct mt_frame *frame, uint32_t link_size,
                                                 struct mt_packet *packet)
{
    const uint8_t *ip = frame->data + link_size;
    packet->mac_dst = frame->data;
    packet->mac_src = frame->data + 6;
    mt_ip_set_v4(&packet->tuple.src, ip + 12);
    mt_ip_set_v4(&packet->tuple.dst, ip + 16);
    uint32_t wire_size = mt_load_be16(ip + 2) - (uint32_t)IPV4_SIZE;
    size_t captured = frame->size - link_size - IPV4_SIZE;
    struct mt_layer tcp = {
        .bytes = mt_span_head(mt_span(ip + IPV4_SIZE, captured), wire_size),
        .wire_size = wire_size,
    };
    return mt_packet_tcp(tcp, packet);
}

static enum mt_packet_verdict decode_tagged_tcp4(const struct mt_frame *frame, struct mt_packet *packet)
{
    packet->vlan = mt_load_be16(frame->data + ETHERNET_SIZE) & 0x0fff;
    packet->outer_count = 1;
    packet->frame_bytes = mt_span(frame->data, frame->size);
    packet->frame_link = frame->link;
    packet->outer = NULL;
    return decode_tcp4(frame, ETHERNET_SIZE + TAG_SIZE, packet);
}

/* --- the way through everything else ----------------------------------------- */

void mt_walk_note(struct mt_walk *walk, enum mt_outer_type type, bool has_id, uint32_t id, bool is_in_ip)
{
    struct mt_outer_layer *layer = &walk->outer->layers[walk->outer->count++];
    *layer = (struct mt_outer_layer){.type = (uint8_t)type, .has_id = has_id, .id = id};
    if (is_in_ip) {
        layer->src = walk->packet->tuple.src;
        layer->dst = walk->packet->tuple.dst;
    }
}

static bool walk_version(struct mt_walk *walk)
{
    if (walk->layer.bytes.size == 0)
        return mt_walk_reject(walk, MT_REJECT_IP_TRUNCATED);
    unsigned version = walk->layer.bytes.ptr[0] >> 4;
    if (version == 4)
        return mt_walk_ipv4(walk);
    if (version == 6)
        return mt_walk_ipv6(walk);
    return mt_walk_reject(walk, MT_REJECT_IP_HEADER);
}

static bool step(struct mt_walk *walk)
{
    switch (walk->next) {
    case MT_ETHERTYPE_IPV4:
        return mt_walk_ipv4(walk);
    case MT_ETHERTYPE_IPV6:
        return mt_walk_ipv6(walk);
    case MT_NEXT_IP:
        return walk_version(walk);
    case MT_NEXT_ETHERNET:
        return mt_walk_ethernet(walk);
    case MT_ETHERTYPE_VLAN:
    case MT_ETHERTYPE_QINQ:
    case MT_ETHERTYPE_QINQ_OLD:
        return mt_walk_vlan(walk);
    case MT_ETHERTYPE_MPLS:
    case MT_ETHERTYPE_MPLS_MULTICAST:
        return mt_walk_mpls(walk);
    case MT_ETHERTYPE_PPPOE:
        return mt_walk_pppoe(walk);
    case MT_NEXT_PPP:
        return mt_walk_ppp(walk);
    case MT_ETHERTYPE_PBB:
        return mt_walk_pbb(walk);
    case MT_ETHERTYPE_VNTAG:
    case MT_ETHERTYPE_ETAG:
        return mt_walk_port_tag(walk);
    default:
        if (walk->next <= MT_ETHERTYPE_LENGTH_MAX)
            return mt_walk_llc(walk);
        return mt_walk_reject(walk, MT_REJECT_NOT_IP);
    }
}

enum mt_packet_verdict mt_walk(struct mt_walk *walk)
{
    while (step(walk)) {
    }
    return walk->verdict;
}

static enum mt_packet_verdict decode_any(const struct mt_frame *frame, struct mt_packet *packet,
                                         struct mt_outer *outer)
{
    packet->mac_src = NULL;
    packet->mac_dst = NULL;
    packet->frame_bytes = mt_span(frame->data, frame->size);
    packet->frame_link = frame->link;
    packet->outer = NULL;
    packet->is_dns = false;
    struct mt_walk walk = {
        .packet = packet,
        .outer = outer,
        .layer = {.bytes = packet->frame_bytes, .wire_size = frame->wire_size},
    };
    return mt_walk_frame(&walk, (enum mt_link)frame->link) ? mt_walk(&walk) : walk.verdict;
}

enum mt_packet_verdict mt_packet_decode(const struct mt_frame *frame, struct mt_packet *ret_packet)
{
    ret_packet->mark = frame->mark;
    ret_packet->wire_size = frame->wire_size;
    ret_packet->frame_flags = frame->flags;
    ret_packet->handle = frame->handle;
    ret_packet->vlan = MT_VLAN_NONE;
    ret_packet->outer_count = 0;
    ret_packet->ip_count = 0;
    if (MT_LIKELY(is_plain_tcp4(frame)))
        return decode_tcp4(frame, ETHERNET_SIZE, ret_packet);
    if (is_tagged_tcp4(frame))
        return decode_tagged_tcp4(frame, ret_packet);
    return decode_any(frame, ret_packet, NULL);
}

void mt_packet_outer(const struct mt_packet *packet, struct mt_outer *ret_outer)
{
    ret_outer->count = 0;
    if (packet->outer_count == 0)
        return;
    if (packet->outer) {
        *ret_outer = *packet->outer;
        return;
    }
    const struct mt_frame frame = {
        .data = packet->frame_bytes.ptr,
        .size = (uint32_t)packet->frame_bytes.size,
        .wire_size = packet->wire_size,
        .link = packet->frame_link,
    };
    struct mt_packet again = {.vlan = MT_VLAN_NONE};
    (void)decode_any(&frame, &again, ret_outer);
}

bool mt_packet_peek(const struct mt_frame *frame, uint64_t *ret_src, uint64_t *ret_dst)
{
    if (!is_plain_tcp4(frame))
        return false;
    const uint8_t *ip = frame->data + ETHERNET_SIZE;
    const uint8_t *tcp = ip + IPV4_SIZE;
    uint32_t header_size = (uint32_t)(tcp[12] >> 4) * 4;
    if (header_size < TCP_SIZE || header_size > mt_load_be16(ip + 2) - (uint32_t)IPV4_SIZE)
        return false;
    *ret_src = (uint64_t)mt_load_be32(ip + 12) << 16 | mt_load_be16(tcp);
    *ret_dst = (uint64_t)mt_load_be32(ip + 16) << 16 | mt_load_be16(tcp + 2);
    return true;
}

enum mt_packet_verdict mt_packet_decode_tcp(struct mt_span datagram, uint32_t datagram_size,
                                            struct mt_packet *packet)
{
    struct mt_layer layer = {.bytes = mt_span_head(datagram, datagram_size), .wire_size = datagram_size};
    return mt_packet_tcp(layer, packet);
}
