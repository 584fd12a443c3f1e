#include "dpi/other.h"

#include "dpi/other_priv.h"

enum {
    IP_SIZE = 20,
    TCP_SIZE = 20,
    CLIENT_PORT = 40000,
    SERVER_PORT = 40001,
};

static const char *name_of(uint16_t protocol)
{
    switch (protocol) {
#define MT_PROTOCOL(id, name) \
    case NDPI_PROTOCOL_##id:  \
        return name;
#include "dpi/protocols.def"
#undef MT_PROTOCOL
    default:
        return NULL;
    }
}

static void put16(uint8_t *to, unsigned value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static void put32(uint8_t *to, uint32_t value)
{
    put16(to, value >> 16);
    put16(to + 2, value & 0xffff);
}

/* IPv4 and TCP around a piece; returns the size. */
static size_t make_packet(uint8_t *packet, enum mt_side side, struct mt_span bytes, const uint32_t *seq)
{
    static const uint8_t address[MT_SIDE_COUNT][4] = {{10, 0, 0, 1}, {10, 0, 0, 2}};
    static const uint16_t port[MT_SIDE_COUNT] = {CLIENT_PORT, SERVER_PORT};
    enum { TTL = 64, TCP = 6, PSH_ACK = 0x18, WINDOW = 0xffff };
    enum mt_side other = mt_side_other(side);
    uint8_t *tcp = packet + IP_SIZE;

    memset(packet, 0, IP_SIZE + TCP_SIZE);
    packet[0] = 0x45;
    put16(packet + 2, (unsigned)(IP_SIZE + TCP_SIZE + bytes.size));
    packet[8] = TTL;
    packet[9] = TCP;
    memcpy(packet + 12, address[side], 4);
    memcpy(packet + 16, address[other], 4);
    put16(tcp, port[side]);
    put16(tcp + 2, port[other]);
    put32(tcp + 4, seq[side]);
    put32(tcp + 8, seq[other]);
    tcp[12] = 0x50;
    tcp[13] = PSH_ACK;
    put16(tcp + 14, WINDOW);
    memcpy(tcp + TCP_SIZE, bytes.ptr, bytes.size);
    return IP_SIZE + TCP_SIZE + bytes.size;
}

const char *mt_other_ask(struct mt_other_asker *asker, const struct mt_other_piece *pieces, size_t count)
{
    uint32_t seq[MT_SIDE_COUNT] = {1, 1};
    const char *name = NULL;

    memset(asker->flow, 0, asker->flow_size);
    for (size_t i = 0; i < count && i < MT_OTHER_PIECES && name == NULL; i++) {
        struct mt_span bytes = mt_span_head(pieces[i].bytes, MT_OTHER_PIECE_MAX);
        if (bytes.size == 0)
            continue;
        size_t size = make_packet(asker->packet, pieces[i].side, bytes, seq);
        seq[pieces[i].side] += (uint32_t)bytes.size;
        ndpi_protocol found = ndpi_detection_process_packet(asker->module, asker->flow, asker->packet,
                                                            (unsigned short)size, ++asker->time);
        /* of a service within a protocol (a web site) the protocol is the master */
        name = name_of(found.master_protocol);
        if (name == NULL)
            name = name_of(found.app_protocol);
    }
    ndpi_free_flow_data(asker->flow);
    return name;
}
