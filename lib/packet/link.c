/* Link headers: everything in front of IP. */
#include "packet/packet_priv.h"

enum {
    ETHERNET_SIZE = 14,
    VLAN_SIZE = 4,
    NULL_SIZE = 4,
    SLL_SIZE = 16,
    SLL2_SIZE = 20,
    MAC_SIZE = 6,
};

static bool reject(struct mt_packet *packet, enum mt_reject why)
{
    packet->reject = (uint8_t)why;
    return false;
}

/* Steps over VLAN tags; the outermost one is the packet's. */
static bool skip_vlans(struct mt_packet *packet, struct mt_layer *layer, uint32_t *ethertype)
{
    for (int depth = 0;; depth++) {
        bool is_tag = *ethertype == MT_ETHERTYPE_VLAN || *ethertype == MT_ETHERTYPE_QINQ ||
                      *ethertype == MT_ETHERTYPE_QINQ_OLD;
        if (!is_tag)
            return true;
        if (depth == MT_VLAN_DEPTH_MAX)
            return reject(packet, MT_REJECT_VLAN_DEPTH);
        if (layer->bytes.size < VLAN_SIZE)
            return reject(packet, MT_REJECT_LINK_TRUNCATED);
        if (depth == 0)
            packet->vlan = mt_load_be16(layer->bytes.ptr) & 0x0fff;
        *ethertype = mt_load_be16(layer->bytes.ptr + 2);
        *layer = mt_layer_from(*layer, VLAN_SIZE);
    }
}

static bool link_ethernet(struct mt_packet *packet, struct mt_layer *layer, uint32_t *ret_ethertype)
{
    if (layer->bytes.size < ETHERNET_SIZE)
        return reject(packet, MT_REJECT_LINK_TRUNCATED);
    const uint8_t *ethernet = layer->bytes.ptr;
    packet->mac_dst = ethernet;
    packet->mac_src = ethernet + MAC_SIZE;
    *ret_ethertype = mt_load_be16(ethernet + 12);
    *layer = mt_layer_from(*layer, ETHERNET_SIZE);
    return skip_vlans(packet, layer, ret_ethertype);
}

/* The address families that systems wrote here: 2 is IPv4 everywhere; IPv6 is
 * 10 on Linux, 23 on Windows, 24 on NetBSD and OpenBSD, 28 on FreeBSD, 30 on
 * Darwin. The writer's byte order is unknown; all of them are below 2^16. */
static bool link_null(struct mt_packet *packet, struct mt_layer *layer, uint32_t *ret_ethertype)
{
    if (layer->bytes.size < NULL_SIZE)
        return reject(packet, MT_REJECT_LINK_TRUNCATED);
    uint32_t family = mt_load_le32(layer->bytes.ptr);
    if (family > 0xffff)
        family = __builtin_bswap32(family);
    switch (family) {
    case 2:
        *ret_ethertype = MT_ETHERTYPE_IPV4;
        break;
    case 10:
    case 23:
    case 24:
    case 28:
    case 30:
        *ret_ethertype = MT_ETHERTYPE_IPV6;
        break;
    default:
        return reject(packet, MT_REJECT_NOT_IP);
    }
    *layer = mt_layer_from(*layer, NULL_SIZE);
    return true;
}

static bool link_sll(struct mt_packet *packet, struct mt_layer *layer, uint32_t *ret_ethertype)
{
    if (layer->bytes.size < SLL_SIZE)
        return reject(packet, MT_REJECT_LINK_TRUNCATED);
    const uint8_t *sll = layer->bytes.ptr;
    if (mt_load_be16(sll + 4) == MAC_SIZE)
        packet->mac_src = sll + 6;
    *ret_ethertype = mt_load_be16(sll + 14);
    *layer = mt_layer_from(*layer, SLL_SIZE);
    return skip_vlans(packet, layer, ret_ethertype);
}

static bool link_sll2(struct mt_packet *packet, struct mt_layer *layer, uint32_t *ret_ethertype)
{
    if (layer->bytes.size < SLL2_SIZE)
        return reject(packet, MT_REJECT_LINK_TRUNCATED);
    const uint8_t *sll = layer->bytes.ptr;
    if (sll[11] == MAC_SIZE)
        packet->mac_src = sll + 12;
    *ret_ethertype = mt_load_be16(sll);
    *layer = mt_layer_from(*layer, SLL2_SIZE);
    return skip_vlans(packet, layer, ret_ethertype);
}

/* RFC 1662 §3.1 with or without address and control field; RFC 1661 §6.5: a
 * compressed protocol field is one odd byte. */
static bool link_ppp(struct mt_packet *packet, struct mt_layer *layer, uint32_t *ret_ethertype)
{
    if (layer->bytes.size >= 2 && mt_load_be16(layer->bytes.ptr) == 0xff03)
        *layer = mt_layer_from(*layer, 2);
    if (layer->bytes.size < 2)
        return reject(packet, MT_REJECT_LINK_TRUNCATED);
    uint32_t protocol = layer->bytes.ptr[0];
    uint32_t size = 1;
    if ((protocol & 1) == 0) {
        protocol = mt_load_be16(layer->bytes.ptr);
        size = 2;
    }
    *layer = mt_layer_from(*layer, size);
    if (protocol != 0x0021 && protocol != 0x0057)
        return reject(packet, MT_REJECT_NOT_IP);
    *ret_ethertype = protocol == 0x0021 ? MT_ETHERTYPE_IPV4 : MT_ETHERTYPE_IPV6;
    return true;
}

bool mt_packet_link(const struct mt_frame *frame, struct mt_packet *packet, struct mt_layer *layer,
                    uint32_t *ret_ethertype)
{
    packet->mac_src = NULL;
    packet->mac_dst = NULL;
    *layer = (struct mt_layer){.bytes = mt_span(frame->data, frame->size), .wire_size = frame->wire_size};
    switch ((enum mt_link)frame->link) {
    case MT_LINK_ETHERNET:
        return link_ethernet(packet, layer, ret_ethertype);
    case MT_LINK_RAW:
        *ret_ethertype = MT_ETHERTYPE_ANY_IP;
        return true;
    case MT_LINK_NULL:
    case MT_LINK_LOOP:
        return link_null(packet, layer, ret_ethertype);
    case MT_LINK_LINUX_SLL:
        return link_sll(packet, layer, ret_ethertype);
    case MT_LINK_LINUX_SLL2:
        return link_sll2(packet, layer, ret_ethertype);
    case MT_LINK_PPP:
        return link_ppp(packet, layer, ret_ethertype);
    case MT_LINK_UNKNOWN:
        break;
    }
    return reject(packet, MT_REJECT_LINK_UNKNOWN);
}
