/* Ethernet and what is put between it and IP: VLAN tags, provider backbone
 * bridges, MPLS, PPPoE. */
#include "packet/packet_priv.h"

enum {
    ETHERNET_SIZE = 14,
    MAC_SIZE = 6,
    VLAN_SIZE = 4,
    PBB_SIZE = 4,
    VNTAG_SIZE = 6,
    ETAG_SIZE = 8,
    SNAP_SIZE = 8,
    HDLC_SIZE = 4,
    LABEL_SIZE = 4,
    CONTROL_WORD_SIZE = 4,
    PPPOE_SIZE = 6,
};

bool mt_walk_ethernet(struct mt_walk *walk)
{
    const uint8_t *ethernet = walk->layer.bytes.ptr;
    if (walk->layer.bytes.size < ETHERNET_SIZE)
        return mt_walk_reject(walk, MT_REJECT_LINK_TRUNCATED);
    walk->packet->mac_dst = ethernet;
    walk->packet->mac_src = ethernet + MAC_SIZE;
    return mt_walk_next(walk, ETHERNET_SIZE, mt_load_be16(ethernet + 12));
}

static bool is_tag(uint32_t ethertype)
{
    return ethertype == MT_ETHERTYPE_VLAN || ethertype == MT_ETHERTYPE_QINQ ||
           ethertype == MT_ETHERTYPE_QINQ_OLD;
}

bool mt_walk_vlan(struct mt_walk *walk)
{
    struct mt_packet *packet = walk->packet;
    for (int depth = 0; is_tag(walk->next); depth++) {
        if (depth == MT_VLAN_DEPTH_MAX)
            return mt_walk_reject(walk, MT_REJECT_VLAN_DEPTH);
        if (walk->layer.bytes.size < VLAN_SIZE)
            return mt_walk_reject(walk, MT_REJECT_LINK_TRUNCATED);
        uint16_t vlan = mt_load_be16(walk->layer.bytes.ptr) & 0x0fff;
        if (packet->vlan == MT_VLAN_NONE)
            packet->vlan = vlan;
        if (!mt_walk_link_layer(walk, MT_OUTER_VLAN, vlan))
            return false;
        mt_walk_next(walk, VLAN_SIZE, mt_load_be16(walk->layer.bytes.ptr + 2));
    }
    return true;
}

/* IEEE 802.1ah §9.7: the I-TAG, and behind it the customer's frame. */
bool mt_walk_pbb(struct mt_walk *walk)
{
    if (walk->layer.bytes.size < PBB_SIZE)
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_TRUNCATED);
    uint32_t service = mt_load_be32(walk->layer.bytes.ptr) & 0xffffff;
    return mt_walk_link_layer(walk, MT_OUTER_PBB, service) && mt_walk_next(walk, PBB_SIZE, MT_NEXT_ETHERNET);
}

/* Which port of a fabric extender: of a VN-Tag the destination's virtual interface,
 * of an E-TAG (IEEE 802.1BR §7) the E-CID. */
bool mt_walk_port_tag(struct mt_walk *walk)
{
    bool is_etag = walk->next == MT_ETHERTYPE_ETAG;
    uint32_t size = is_etag ? ETAG_SIZE : VNTAG_SIZE;
    const uint8_t *tag = walk->layer.bytes.ptr;
    if (walk->layer.bytes.size < size)
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_TRUNCATED);
    uint32_t port = is_etag ? mt_load_be16(tag + 2) & 0x0fff : mt_load_be16(tag) & 0x3fff;
    return mt_walk_link_layer(walk, is_etag ? MT_OUTER_ETAG : MT_OUTER_VNTAG, port) &&
           mt_walk_next(walk, size, mt_load_be16(tag + size - 2));
}

/* IEEE 802.2 with SNAP: an ethertype after all (RFC 1042). */
bool mt_walk_llc(struct mt_walk *walk)
{
    static const uint8_t snap[] = {0xaa, 0xaa, 0x03, 0, 0, 0};
    struct mt_span bytes = walk->layer.bytes;
    if (bytes.size < SNAP_SIZE || memcmp(bytes.ptr, snap, sizeof(snap)) != 0)
        return mt_walk_reject(walk, MT_REJECT_NOT_IP);
    uint32_t ethertype = mt_load_be16(bytes.ptr + 6);
    if (ethertype <= MT_ETHERTYPE_LENGTH_MAX)
        return mt_walk_reject(walk, MT_REJECT_NOT_IP);
    return mt_walk_next(walk, SNAP_SIZE, ethertype);
}

/* RFC 1662 §3.1 with or without address and control field; RFC 1661 §6.5: a
 * compressed protocol field is one odd byte. Cisco's HDLC, with an ethertype, is
 * told by its address and is found under the same link types. */
bool mt_walk_ppp(struct mt_walk *walk)
{
    bool is_hdlc = walk->layer.bytes.size >= HDLC_SIZE && (walk->layer.bytes.ptr[0] & 0x7f) == 0x0f &&
                   walk->layer.bytes.ptr[1] == 0;
    if (is_hdlc)
        return mt_walk_next(walk, HDLC_SIZE, mt_load_be16(walk->layer.bytes.ptr + 2));
    if (walk->layer.bytes.size >= 2 && mt_load_be16(walk->layer.bytes.ptr) == 0xff03)
        walk->layer = mt_layer_from(walk->layer, 2);
    if (walk->layer.bytes.size < 2)
        return mt_walk_reject(walk, MT_REJECT_LINK_TRUNCATED);
    uint32_t protocol = walk->layer.bytes.ptr[0];
    uint32_t size = 1;
    if ((protocol & 1) == 0) {
        protocol = mt_load_be16(walk->layer.bytes.ptr);
        size = 2;
    }
    switch (protocol) {
    case 0x0021:
        return mt_walk_next(walk, size, MT_ETHERTYPE_IPV4);
    case 0x0057:
        return mt_walk_next(walk, size, MT_ETHERTYPE_IPV6);
    case 0x0281:
        return mt_walk_next(walk, size, MT_ETHERTYPE_MPLS);
    default:
        return mt_walk_reject(walk, MT_REJECT_NOT_IP);
    }
}

/* RFC 2516 §4; code 0 is a session's data. The length field leaves out what
 * Ethernet padded. */
bool mt_walk_pppoe(struct mt_walk *walk)
{
    const uint8_t *header = walk->layer.bytes.ptr;
    if (walk->layer.bytes.size < PPPOE_SIZE)
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_TRUNCATED);
    uint32_t size = mt_load_be16(header + 4);
    if (header[0] != 0x11 || header[1] != 0 || size > walk->layer.wire_size - PPPOE_SIZE)
        return mt_walk_reject(walk, MT_REJECT_TUNNEL_HEADER);
    if (!mt_walk_link_layer(walk, MT_OUTER_PPPOE, mt_load_be16(header + 2)))
        return false;
    walk->layer = mt_layer_limit(walk->layer, PPPOE_SIZE + size);
    return mt_walk_next(walk, PPPOE_SIZE, MT_NEXT_PPP);
}

/* --- MPLS -------------------------------------------------------------------- */

bool mt_is_ethernet(struct mt_span bytes)
{
    if (bytes.size <= ETHERNET_SIZE)
        return false;
    unsigned version = bytes.ptr[ETHERNET_SIZE] >> 4;
    uint32_t ethertype = mt_load_be16(bytes.ptr + 12);
    switch (ethertype) {
    case MT_ETHERTYPE_IPV4:
        return version == 4;
    case MT_ETHERTYPE_IPV6:
        return version == 6;
    case MT_ETHERTYPE_MPLS:
    case MT_ETHERTYPE_MPLS_MULTICAST:
    case MT_ETHERTYPE_PPPOE:
    case MT_ETHERTYPE_PBB:
        return true;
    default:
        return is_tag(ethertype);
    }
}

static bool is_ipv4(struct mt_layer layer)
{
    if (layer.bytes.size < 4 || layer.bytes.ptr[0] >> 4 != 4)
        return false;
    uint32_t total = mt_load_be16(layer.bytes.ptr + 2);
    return (layer.bytes.ptr[0] & 0x0f) >= 5 && (total == 0 || (total >= 20 && total <= layer.wire_size));
}

static bool is_ipv6(struct mt_layer layer)
{
    return layer.bytes.size >= 6 && layer.bytes.ptr[0] >> 4 == 6 &&
           mt_load_be16(layer.bytes.ptr + 4) + 40u <= layer.wire_size;
}

/* Nothing in a label stack says what it carries: IP, by its version, or Ethernet
 * with a control word, which begins with 0 (RFC 4385 §3), or without, when it
 * begins with any address. A MAC address that begins with 4 or 6 is taken for IP
 * only where a length fits. Without a control word is tried first, because the
 * type behind a tag looks like one that stands four bytes later; but no host has
 * an address that begins with four zeros, as a control word without numbers does. */
static bool mpls_payload(struct mt_walk *walk)
{
    struct mt_span bytes = walk->layer.bytes;
    if (is_ipv4(walk->layer))
        return mt_walk_next(walk, 0, MT_ETHERTYPE_IPV4);
    if (is_ipv6(walk->layer))
        return mt_walk_next(walk, 0, MT_ETHERTYPE_IPV6);
    bool is_zero = bytes.size >= CONTROL_WORD_SIZE && mt_load_be32(bytes.ptr) == 0;
    if (!is_zero && mt_is_ethernet(bytes))
        return mt_walk_next(walk, 0, MT_NEXT_ETHERNET);
    bool may_be_word = bytes.size >= CONTROL_WORD_SIZE && bytes.ptr[0] >> 4 == 0;
    if (may_be_word && mt_is_ethernet(mt_span_from(bytes, CONTROL_WORD_SIZE)))
        return mt_walk_next(walk, CONTROL_WORD_SIZE, MT_NEXT_ETHERNET);
    return mt_walk_reject(walk, MT_REJECT_NOT_IP);
}

bool mt_walk_mpls(struct mt_walk *walk)
{
    bool is_bottom;
    do {
        if (walk->layer.bytes.size < LABEL_SIZE)
            return mt_walk_reject(walk, MT_REJECT_TUNNEL_TRUNCATED);
        uint32_t entry = mt_load_be32(walk->layer.bytes.ptr);
        if (!mt_walk_link_layer(walk, MT_OUTER_MPLS, entry >> 12))
            return false;
        is_bottom = entry & 0x100;
        walk->layer = mt_layer_from(walk->layer, LABEL_SIZE);
    } while (!is_bottom);
    return mpls_payload(walk);
}
