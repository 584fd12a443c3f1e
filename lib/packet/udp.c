/* Tunnels over UDP. The port says which one it might be, its header whether it
 * is; what it isn't is UDP like any other. */
#include "packet/packet_priv.h"

enum {
    UDP_SIZE = 8,
    VXLAN_SIZE = 8,
    GENEVE_SIZE = 8,
    GTP_SIZE = 8,
    GTP_OPTIONAL_SIZE = 4,
    GTP_EXTENSIONS_MAX = 8,
    TEREDO_ORIGIN_SIZE = 8,
    TEREDO_AUTH_SIZE = 13, /* without id and authentication value */
};

enum {
    PORT_DNS = 53,
    PORT_GTP = 2152,
    PORT_TEREDO = 3544,
    PORT_GRE = 4754, /* RFC 8086 */
    PORT_VXLAN = 4789,
    PORT_VXLAN_GPE = 4790,
    PORT_GENEVE = 6081,
};

/* Is a header of this size there? Else: cut by the capture, or never was. */
static bool has(struct mt_walk *walk, size_t size)
{
    if (walk->layer.bytes.size >= size)
        return true;
    return mt_walk_reject(walk,
                          walk->layer.wire_size < size ? MT_REJECT_NOT_TCP : MT_REJECT_TUNNEL_TRUNCATED);
}

static bool other(struct mt_walk *walk)
{
    return mt_walk_reject(walk, MT_REJECT_NOT_TCP);
}

/* RFC 7348 §5; with draft-ietf-nvo3-vxlan-gpe the last byte of the first word may
 * say that it is not Ethernet. */
static bool walk_vxlan(struct mt_walk *walk, bool is_gpe)
{
    enum { HAS_VNI = 0x08, HAS_NEXT = 0x04, GPE_VERSION = 0x30, GPE_OAM = 0x01 };
    static const uint32_t nexts[] = {
        [1] = MT_ETHERTYPE_IPV4, [2] = MT_ETHERTYPE_IPV6, [3] = MT_NEXT_ETHERNET, [5] = MT_ETHERTYPE_MPLS};
    uint32_t next = MT_NEXT_ETHERNET;
    if (!has(walk, VXLAN_SIZE))
        return false;
    const uint8_t *header = walk->layer.bytes.ptr;
    if (!(header[0] & HAS_VNI))
        return other(walk);
    if (is_gpe && header[0] & (GPE_VERSION | GPE_OAM))
        return other(walk);
    if (is_gpe && header[0] & HAS_NEXT)
        next = header[3] < MT_ARRAY_COUNT(nexts) ? nexts[header[3]] : 0;
    if (next == 0)
        return other(walk);
    return mt_walk_ip_layer(walk, MT_OUTER_VXLAN, true, mt_load_be32(header + 4) >> 8) &&
           mt_walk_next(walk, VXLAN_SIZE, next);
}

/* RFC 8926 §3.4. */
static bool walk_geneve(struct mt_walk *walk)
{
    enum { VERSION = 0xc0, OPTIONS = 0x3f, CONTROL = 0x80, ETHERNET = 0x6558 };
    if (!has(walk, GENEVE_SIZE))
        return false;
    const uint8_t *header = walk->layer.bytes.ptr;
    uint32_t size = GENEVE_SIZE + (uint32_t)(header[0] & OPTIONS) * 4;
    if (header[0] & VERSION || header[1] & CONTROL)
        return other(walk);
    if (!has(walk, size))
        return false;
    uint32_t type = mt_load_be16(header + 2);
    return mt_walk_ip_layer(walk, MT_OUTER_GENEVE, true, mt_load_be32(header + 4) >> 8) &&
           mt_walk_next(walk, size, type == ETHERNET ? MT_NEXT_ETHERNET : type);
}

/* The size of all that stands before the packet, or 0 (TS 29.281 §5.2.1: an
 * extension counts itself in fours, its last byte is the type of the next). */
static uint32_t gtp_header_size(struct mt_walk *walk)
{
    enum { EXTENSION = 0x04, ANY_OPTIONAL = 0x07 };
    struct mt_span bytes = walk->layer.bytes;
    if (!(bytes.ptr[0] & ANY_OPTIONAL))
        return GTP_SIZE;
    uint32_t size = GTP_SIZE + GTP_OPTIONAL_SIZE;
    if (!has(walk, size))
        return 0;
    uint8_t next = bytes.ptr[0] & EXTENSION ? bytes.ptr[size - 1] : 0;
    for (int count = 0; next != 0; count++) {
        if (!has(walk, size + 1))
            return 0;
        uint32_t extension = (uint32_t)bytes.ptr[size] * 4;
        if (extension == 0 || count == GTP_EXTENSIONS_MAX) {
            mt_walk_reject(walk, MT_REJECT_TUNNEL_HEADER);
            return 0;
        }
        size += extension;
        if (!has(walk, size))
            return 0;
        next = bytes.ptr[size - 1];
    }
    return size;
}

/* TS 29.281 §5.1: version 1, not GTP', a user's packet. */
static bool walk_gtp(struct mt_walk *walk)
{
    enum { KIND = 0xf0, VERSION_1 = 0x30, USER_PACKET = 255 };
    if (!has(walk, GTP_SIZE))
        return false;
    const uint8_t *header = walk->layer.bytes.ptr;
    uint32_t length = mt_load_be16(header + 2);
    if ((header[0] & KIND) != VERSION_1 || header[1] != USER_PACKET ||
        length > walk->layer.wire_size - GTP_SIZE)
        return other(walk);
    walk->layer = mt_layer_limit(walk->layer, GTP_SIZE + length);
    uint32_t size = gtp_header_size(walk);
    if (size == 0 || !has(walk, size + 1))
        return false;
    unsigned version = header[size] >> 4;
    if (version != 4 && version != 6)
        return other(walk);
    return mt_walk_ip_layer(walk, MT_OUTER_GTP, true, mt_load_be32(header + 4)) &&
           mt_walk_next(walk, size, MT_NEXT_IP);
}

/* RFC 4380 §5.1.1: an authentication and an origin indication may stand before the
 * IPv6 packet, whose length has to fit. */
static bool walk_teredo(struct mt_walk *walk)
{
    enum { AUTHENTICATION = 0x0001, ORIGIN = 0x0000, IPV6_SIZE = 40 };
    if (!has(walk, TEREDO_AUTH_SIZE))
        return false;
    const uint8_t *header = walk->layer.bytes.ptr;
    uint32_t size = 0;
    if (mt_load_be16(header) == AUTHENTICATION)
        size = TEREDO_AUTH_SIZE + header[2] + header[3];
    if (!has(walk, size + TEREDO_ORIGIN_SIZE))
        return false;
    if (mt_load_be16(header + size) == ORIGIN)
        size += TEREDO_ORIGIN_SIZE;
    if (!has(walk, size + IPV6_SIZE))
        return false;
    uint32_t payload_size = mt_load_be16(header + size + 4);
    if (header[size] >> 4 != 6 || size + IPV6_SIZE + payload_size > walk->layer.wire_size)
        return other(walk);
    return mt_walk_ip_layer(walk, MT_OUTER_TEREDO, false, 0) && mt_walk_next(walk, size, MT_ETHERTYPE_IPV6);
}

static bool is_tunnel_port(uint16_t port)
{
    switch (port) {
    case PORT_GTP:
    case PORT_TEREDO:
    case PORT_GRE:
    case PORT_VXLAN:
    case PORT_VXLAN_GPE:
    case PORT_GENEVE:
        return true;
    default:
        return false;
    }
}

/* Packets go to their tunnel's port; from it where somebody answers as if it were
 * a conversation, as Teredo servers do. 0: neither. */
static uint16_t tunnel_port(const uint8_t *udp)
{
    uint16_t to = mt_load_be16(udp + 2);
    uint16_t from = mt_load_be16(udp);
    return is_tunnel_port(to) ? to : is_tunnel_port(from) ? from : 0;
}

bool mt_udp_is_foreign(struct mt_span datagram)
{
    return datagram.size >= 4 && tunnel_port(datagram.ptr) == 0;
}

static bool is_dns_port(const uint8_t *udp)
{
    return mt_load_be16(udp) == PORT_DNS || mt_load_be16(udp + 2) == PORT_DNS;
}

bool mt_udp_is_dns(struct mt_span datagram)
{
    return datagram.size >= 4 && is_dns_port(datagram.ptr);
}

/* No tunnel's, but perhaps somebody wants to know what names are. */
static bool dns(struct mt_walk *walk, struct mt_layer layer)
{
    struct mt_packet *packet = walk->packet;
    const uint8_t *udp = layer.bytes.ptr;
    uint32_t size = mt_load_be16(udp + 4);

    if (size < UDP_SIZE || size > layer.wire_size)
        return other(walk);
    layer = mt_layer_from(mt_layer_limit(layer, size), UDP_SIZE);
    packet->tuple.src_port = mt_load_be16(udp);
    packet->tuple.dst_port = mt_load_be16(udp + 2);
    packet->payload = layer.bytes;
    packet->payload_size = layer.wire_size;
    packet->is_dns = true;
    return other(walk);
}

bool mt_walk_udp(struct mt_walk *walk)
{
    struct mt_layer layer = walk->layer;
    if (layer.bytes.size < UDP_SIZE)
        return other(walk);
    uint32_t size = mt_load_be16(layer.bytes.ptr + 4);
    uint16_t port = tunnel_port(layer.bytes.ptr);
    if (port == 0)
        return is_dns_port(layer.bytes.ptr) ? dns(walk, layer) : other(walk);
    /* 0: a jumbogram (RFC 2675 §4), or before the card cuts it */
    if (size != 0 && (size < UDP_SIZE || size > layer.wire_size))
        return other(walk);
    if (size != 0)
        layer = mt_layer_limit(layer, size);
    walk->layer = mt_layer_from(layer, UDP_SIZE);
    switch (port) {
    case PORT_GTP:
        return walk_gtp(walk);
    case PORT_TEREDO:
        return walk_teredo(walk);
    case PORT_GENEVE:
        return walk_geneve(walk);
    case PORT_GRE:
        return mt_walk_gre(walk);
    default:
        return walk_vxlan(walk, port == PORT_VXLAN_GPE);
    }
}
