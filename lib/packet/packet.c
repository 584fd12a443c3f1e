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
    IPV4_SIZE = 20,
    TCP_SIZE = 20,
};

/* Ethernet, IPv4 without options, unfragmented, TCP, and an IP length that
 * holds the headers: nine frames of ten. Each test is one load that the
 * decoding below needs anyway. */
static inline bool is_plain_tcp4(const struct mt_frame *frame)
{
    const uint8_t *data = frame->data;
    if (frame->link != MT_LINK_ETHERNET || frame->size < ETHERNET_SIZE + IPV4_SIZE + TCP_SIZE)
        return false;
    bool type = (mt_load_be32(data + 12) >> 8) == (MT_ETHERTYPE_IPV4 << 8 | 0x45);
    bool whole = (mt_load_be16(data + 20) & 0x3fff) == 0;
    bool tcp = data[23] == MT_PROTOCOL_TCP;
    bool length = mt_load_be16(data + 16) >= IPV4_SIZE + TCP_SIZE;
    return type & whole & tcp & length;
}

static inline enum mt_packet_verdict decode_plain_tcp4(const struct mt_frame *frame, struct mt_packet *packet)
{
    const uint8_t *ip = frame->data + ETHERNET_SIZE;
    packet->mac_dst = frame->data;
    packet->mac_src = frame->data + 6;
    mt_ip_set_v4(&packet->tuple.src, ip + 12);
    mt_ip_set_v4(&packet->tuple.dst, ip + 16);
    uint32_t wire_size = mt_load_be16(ip + 2) - (uint32_t)IPV4_SIZE;
    size_t captured = frame->size - ETHERNET_SIZE - IPV4_SIZE;
    struct mt_layer tcp = {
        .bytes = mt_span_head(mt_span(ip + IPV4_SIZE, captured), wire_size),
        .wire_size = wire_size,
    };
    return mt_packet_tcp(tcp, packet);
}

static enum mt_packet_verdict decode_any(const struct mt_frame *frame, struct mt_packet *packet)
{
    struct mt_layer layer;
    uint32_t ethertype;
    if (!mt_packet_link(frame, packet, &layer, &ethertype))
        return MT_PACKET_REJECT;
    if (ethertype == MT_ETHERTYPE_ANY_IP) {
        if (layer.bytes.size == 0)
            return mt_packet_reject(packet, MT_REJECT_IP_TRUNCATED);
        unsigned version = layer.bytes.ptr[0] >> 4;
        if (version != 4 && version != 6)
            return mt_packet_reject(packet, MT_REJECT_IP_HEADER);
        ethertype = version == 4 ? MT_ETHERTYPE_IPV4 : MT_ETHERTYPE_IPV6;
    }
    if (ethertype == MT_ETHERTYPE_IPV4)
        return mt_packet_ipv4(layer, packet);
    if (ethertype == MT_ETHERTYPE_IPV6)
        return mt_packet_ipv6(layer, packet);
    return mt_packet_reject(packet, MT_REJECT_NOT_IP);
}

enum mt_packet_verdict mt_packet_decode(const struct mt_frame *frame, struct mt_packet *ret_packet)
{
    ret_packet->mark = frame->mark;
    ret_packet->wire_size = frame->wire_size;
    ret_packet->frame_flags = frame->flags;
    ret_packet->handle = frame->handle;
    ret_packet->vlan = MT_VLAN_NONE;
    if (MT_LIKELY(is_plain_tcp4(frame)))
        return decode_plain_tcp4(frame, ret_packet);
    return decode_any(frame, ret_packet);
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
