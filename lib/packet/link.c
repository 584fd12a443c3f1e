/* Headers of the link types that capture files and devices have. */
#include "packet/packet_priv.h"

enum {
    NULL_SIZE = 4,
    SLL_SIZE = 16,
    SLL2_SIZE = 20,
    MAC_SIZE = 6,
    PFLOG_SIZE_MIN = 45, /* of the oldest form */
    NFLOG_SIZE = 4,
    NFLOG_PAYLOAD = 9, /* NFULA_PAYLOAD */
    NFLOG_ATTRIBUTES_MAX = 32,
};

/* The address families that systems wrote here: 2 is IPv4 everywhere; IPv6 is
 * 10 on Linux, 23 on Windows, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on
 * Darwin. The writer's byte order is unknown; all of them are below 2^16. */
static bool link_null(struct mt_walk *walk)
{
    if (walk->layer.bytes.size < NULL_SIZE)
        return mt_walk_reject(walk, MT_REJECT_LINK_TRUNCATED);
    uint32_t family = mt_load_le32(walk->layer.bytes.ptr);
    if (family > 0xffff)
        family = __builtin_bswap32(family);
    switch (family) {
    case 2:
        return mt_walk_next(walk, NULL_SIZE, MT_ETHERTYPE_IPV4);
    case 10:
    case 23:
    case 24:
    case 28:
    case 30:
        return mt_walk_next(walk, NULL_SIZE, MT_ETHERTYPE_IPV6);
    default:
        return mt_walk_reject(walk, MT_REJECT_NOT_IP);
    }
}

static bool link_sll(struct mt_walk *walk)
{
    const uint8_t *sll = walk->layer.bytes.ptr;
    if (walk->layer.bytes.size < SLL_SIZE)
        return mt_walk_reject(walk, MT_REJECT_LINK_TRUNCATED);
    if (mt_load_be16(sll + 4) == MAC_SIZE)
        walk->packet->mac_src = sll + 6;
    return mt_walk_next(walk, SLL_SIZE, mt_load_be16(sll + 14));
}

static bool link_sll2(struct mt_walk *walk)
{
    const uint8_t *sll = walk->layer.bytes.ptr;
    if (walk->layer.bytes.size < SLL2_SIZE)
        return mt_walk_reject(walk, MT_REJECT_LINK_TRUNCATED);
    if (sll[11] == MAC_SIZE)
        walk->packet->mac_src = sll + 12;
    return mt_walk_next(walk, SLL2_SIZE, mt_load_be16(sll));
}

/* struct pfloghdr of OpenBSD and its kin: it begins with its size, which is
 * padded to four. The rest differs between systems and is not needed. */
static bool link_pflog(struct mt_walk *walk)
{
    struct mt_span bytes = walk->layer.bytes;
    if (bytes.size == 0)
        return mt_walk_reject(walk, MT_REJECT_LINK_TRUNCATED);
    uint32_t size = bytes.ptr[0];
    if (size < PFLOG_SIZE_MIN)
        return mt_walk_reject(walk, MT_REJECT_NOT_IP);
    size = (size + 3) & ~3u;
    if (bytes.size < size)
        return mt_walk_reject(walk, MT_REJECT_LINK_TRUNCATED);
    return mt_walk_next(walk, size, MT_NEXT_IP);
}

/* Size and type of an attribute are in the byte order of the host that wrote them:
 * no attribute is larger than the frame, and no type above 255. */
static void nflog_attribute(const uint8_t *at, uint32_t *ret_size, uint32_t *ret_type)
{
    *ret_size = mt_load_le16(at);
    *ret_type = mt_load_le16(at + 2);
    if (*ret_type > 0xff) {
        *ret_size = mt_load_be16(at);
        *ret_type = mt_load_be16(at + 2);
    }
}

/* Linux netfilter log: attributes, one of which is the packet. */
static bool link_nflog(struct mt_walk *walk)
{
    if (walk->layer.bytes.size < NFLOG_SIZE)
        return mt_walk_reject(walk, MT_REJECT_LINK_TRUNCATED);
    if (walk->layer.bytes.ptr[1] != 0) /* the only version there is */
        return mt_walk_reject(walk, MT_REJECT_NOT_IP);
    walk->layer = mt_layer_from(walk->layer, NFLOG_SIZE);
    for (int count = 0; count < NFLOG_ATTRIBUTES_MAX; count++) {
        uint32_t size;
        uint32_t type;
        if (walk->layer.bytes.size < 4)
            return mt_walk_reject(walk, MT_REJECT_LINK_TRUNCATED);
        nflog_attribute(walk->layer.bytes.ptr, &size, &type);
        if (size < 4 || size > walk->layer.wire_size)
            return mt_walk_reject(walk, MT_REJECT_NOT_IP);
        if (type == NFLOG_PAYLOAD) {
            walk->layer = mt_layer_limit(walk->layer, size);
            return mt_walk_next(walk, 4, MT_NEXT_IP);
        }
        walk->layer = mt_layer_from(walk->layer, (size + 3) & ~3u);
    }
    return mt_walk_reject(walk, MT_REJECT_NOT_IP);
}

bool mt_walk_frame(struct mt_walk *walk, enum mt_link link)
{
    switch (link) {
    case MT_LINK_ETHERNET:
        return mt_walk_ethernet(walk);
    case MT_LINK_RAW:
        return mt_walk_next(walk, 0, MT_NEXT_IP);
    case MT_LINK_NULL:
    case MT_LINK_LOOP:
        return link_null(walk);
    case MT_LINK_LINUX_SLL:
        return link_sll(walk);
    case MT_LINK_LINUX_SLL2:
        return link_sll2(walk);
    case MT_LINK_PPP:
        return mt_walk_next(walk, 0, MT_NEXT_PPP);
    case MT_LINK_PPPOE:
        return mt_walk_next(walk, 0, MT_ETHERTYPE_PPPOE);
    case MT_LINK_PFLOG:
        return link_pflog(walk);
    case MT_LINK_NFLOG:
        return link_nflog(walk);
    case MT_LINK_UNKNOWN:
        break;
    }
    return mt_walk_reject(walk, MT_REJECT_LINK_UNKNOWN);
}
