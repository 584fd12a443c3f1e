/* What IP carries that carries IP: IP itself, GRE with ERSPAN, L2TPv3. Those over
 * UDP are in udp.c. */
#include "packet/packet_priv.h"

enum {
    GRE_SIZE = 4,
    GRE_WORD = 4, /* each of its optional fields */
    ERSPAN2_SIZE = 8,
    ERSPAN3_SIZE = 12,
    ERSPAN3_PLATFORM_SIZE = 8,
    L2TP_SIZE = 4,
    L2TP_EXTRA_MAX = 12, /* cookie of 8, sublayer of 4 */
};

enum {
    GRE_CHECKSUM = 0x8000,
    GRE_ROUTING = 0x4000,
    GRE_KEY = 0x2000,
    GRE_SEQUENCE = 0x1000,
    GRE_ACK = 0x0080, /* version 1 only */
    GRE_VERSION = 0x0007,
};

enum {
    GRE_TYPE_ETHERNET = 0x6558,
    GRE_TYPE_ERSPAN = 0x88be,
    GRE_TYPE_ERSPAN3 = 0x22eb,
    GRE_TYPE_PPP = 0x880b,
    GRE_TYPE_WCCP = 0x883e,
};

bool mt_is_tunnel(uint8_t protocol)
{
    return protocol == MT_PROTOCOL_IPV4 || protocol == MT_PROTOCOL_IPV6 || protocol == MT_PROTOCOL_UDP ||
           protocol == MT_PROTOCOL_GRE || protocol == MT_PROTOCOL_L2TP;
}

static bool walk_ip(struct mt_walk *walk, uint8_t protocol)
{
    bool is_in_v4 = walk->packet->tuple.src.family == 4;
    if (protocol == MT_PROTOCOL_IPV4)
        return mt_walk_ip_layer(walk, is_in_v4 ? MT_OUTER_IPIP : MT_OUTER_IP4IN6, false, 0) &&
               mt_walk_next(walk, 0, MT_ETHERTYPE_IPV4);
    return mt_walk_ip_layer(walk, is_in_v4 ? MT_OUTER_IP6IN4 : MT_OUTER_IP6IN6, false, 0) &&
           mt_walk_next(walk, 0, MT_ETHERTYPE_IPV6);
}

/* --- GRE --------------------------------------------------------------------- */

/* ERSPAN (draft-foschiano-erspan): type II is version 1, type III is version 2.
 * Type III may say that it has bare IP, and may have a platform's own header. */
static bool walk_erspan(struct mt_walk *walk)
{
    const uint8_t *header = walk->layer.bytes.ptr;
    if (walk->layer.bytes.size < ERSPAN2_SIZE)
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_TRUNCATED);
    unsigned version = header[0] >> 4;
    if (version != 1 && version != 2)
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_HEADER);
    if (!mt_walk_link_layer(walk, MT_OUTER_ERSPAN, mt_load_be16(header + 2) & 0x3ff))
        return false;
    if (version == 1)
        return mt_walk_next(walk, ERSPAN2_SIZE, MT_NEXT_ETHERNET);
    if (walk->layer.bytes.size < ERSPAN3_SIZE)
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_TRUNCATED);
    uint32_t word = mt_load_be16(header + 10);
    uint32_t size = ERSPAN3_SIZE + (word & 1 ? ERSPAN3_PLATFORM_SIZE : 0);
    unsigned frame_type = word >> 10 & 0x1f;
    if (walk->layer.bytes.size < size)
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_TRUNCATED);
    if (frame_type != 0 && frame_type != 2)
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_HEADER);
    return mt_walk_next(walk, size, frame_type == 0 ? MT_NEXT_ETHERNET : MT_NEXT_IP);
}

static bool gre_payload(struct mt_walk *walk, uint32_t type, bool has_sequence)
{
    switch (type) {
    case GRE_TYPE_ETHERNET:
        return mt_walk_next(walk, 0, MT_NEXT_ETHERNET);
    case GRE_TYPE_WCCP: /* version 2 has four bytes before the packet, version 1 nothing */
        if (walk->layer.bytes.size > 0 && walk->layer.bytes.ptr[0] >> 4 != 4)
            return mt_walk_next(walk, GRE_WORD, MT_ETHERTYPE_IPV4);
        return mt_walk_next(walk, 0, MT_ETHERTYPE_IPV4);
    case GRE_TYPE_PPP:
        return mt_walk_next(walk, 0, MT_NEXT_PPP);
    case GRE_TYPE_ERSPAN3:
        return walk_erspan(walk);
    case GRE_TYPE_ERSPAN: /* type I has neither a sequence number nor a header */
        return has_sequence ? walk_erspan(walk) : mt_walk_next(walk, 0, MT_NEXT_ETHERNET);
    default:
        return mt_walk_next(walk, 0, type);
    }
}

/* RFC 2784 and 2890; version 1 is PPTP's (RFC 2637 §4.1), whose key holds a length
 * and a call. RFC 1701's source routes were never much used. */
bool mt_walk_gre(struct mt_walk *walk)
{
    const uint8_t *header = walk->layer.bytes.ptr;
    if (walk->layer.bytes.size < GRE_SIZE)
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_TRUNCATED);
    uint32_t flags = mt_load_be16(header);
    uint32_t type = mt_load_be16(header + 2);
    uint32_t version = flags & GRE_VERSION;
    bool is_pptp = version == 1 && type == GRE_TYPE_PPP && flags & GRE_KEY;
    if (flags & GRE_ROUTING || (version != 0 && !is_pptp))
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_HEADER);
    uint32_t key_off = GRE_SIZE + (flags & GRE_CHECKSUM ? GRE_WORD : 0);
    uint32_t size = key_off + (flags & GRE_KEY ? GRE_WORD : 0) + (flags & GRE_SEQUENCE ? GRE_WORD : 0) +
                    (is_pptp && flags & GRE_ACK ? GRE_WORD : 0);
    if (walk->layer.bytes.size < size)
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_TRUNCATED);
    uint32_t key = flags & GRE_KEY ? mt_load_be32(header + key_off) : 0;
    if (!mt_walk_ip_layer(walk, MT_OUTER_GRE, flags & GRE_KEY, is_pptp ? key & 0xffff : key))
        return false;
    walk->layer = mt_layer_from(walk->layer, size);
    return gre_payload(walk, type, flags & GRE_SEQUENCE);
}

/* --- L2TPv3 ------------------------------------------------------------------ */

/* RFC 3931 §4.1.1: how large the cookie and the sublayer behind the session id are
 * was agreed on elsewhere. Session 0 is control. */
static bool walk_l2tp(struct mt_walk *walk)
{
    struct mt_span bytes = walk->layer.bytes;
    if (bytes.size < L2TP_SIZE)
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_TRUNCATED);
    uint32_t session = mt_load_be32(bytes.ptr);
    for (uint32_t extra = 0; session != 0 && extra <= L2TP_EXTRA_MAX; extra += 4) {
        if (mt_is_ethernet(mt_span_from(bytes, L2TP_SIZE + extra)))
            return mt_walk_ip_layer(walk, MT_OUTER_L2TP, true, session) &&
                   mt_walk_next(walk, L2TP_SIZE + extra, MT_NEXT_ETHERNET);
    }
    return mt_walk_reject(walk, MT_REJECT_NOT_TCP);
}

bool mt_walk_tunnel(struct mt_walk *walk, uint8_t protocol)
{
    switch (protocol) {
    case MT_PROTOCOL_IPV4:
    case MT_PROTOCOL_IPV6:
        return walk_ip(walk, protocol);
    case MT_PROTOCOL_UDP:
        return mt_walk_udp(walk);
    case MT_PROTOCOL_GRE:
        return mt_walk_gre(walk);
    case MT_PROTOCOL_L2TP:
        return walk_l2tp(walk);
    default:
        return mt_walk_reject(walk, MT_REJECT_NOT_TCP);
    }
}
