/* Bytes of one frame to header offsets, tuple and payload span, or a named
 * reject. Tunnels and tags (base/outers.def) are stepped over: the tuple is that
 * of the innermost IP header, the MAC addresses are those of the innermost
 * Ethernet header.
 *
 * Ownership: spans and pointers point into the frame. Thread: any; no state.
 * Limits: MT_OUTER_MAX layers, 4 IP headers in one another, 4 VLAN tags in a row,
 * 8 IPv6 extension headers.
 *
 * RFC 791, RFC 8200, RFC 9293 §3.1; IEEE 802.1Q; those named in base/outers.def.
 * Checksums are not judged: captures taken on the sending host have none
 * (checksum offload).
 */
#ifndef MT_PACKET_PACKET_H
#define MT_PACKET_PACKET_H

#include "base/outer.h"
#include "packet/frame.h"

enum mt_reject {
#define MT_REJECT(name, text, meaning) MT_REJECT_##name,
#include "packet/rejects.def"
#undef MT_REJECT
    MT_REJECT_COUNT,
};

enum mt_packet_verdict {
    MT_PACKET_TCP,      /* everything in struct mt_packet is set */
    MT_PACKET_FRAGMENT, /* ip fields only: give it to the fragment table */
    MT_PACKET_REJECT,   /* .reject says why; NOT_TCP sets .is_dns */
};

enum {
    MT_TCP_FIN = 0x01,
    MT_TCP_SYN = 0x02,
    MT_TCP_RST = 0x04,
    MT_TCP_PSH = 0x08,
    MT_TCP_ACK = 0x10,
    MT_TCP_URG = 0x20,
};

#define MT_VLAN_NONE 0xffff

struct mt_packet {
    struct mt_span payload; /* TCP payload as captured */
    uint32_t payload_size;  /* TCP payload on the wire, by the IP length field; >= payload.size.
                             * Of a fragment: ip_payload on the wire. */
    uint32_t seq;
    uint32_t ack; /* meaningful with MT_TCP_ACK */
    uint16_t window;
    uint8_t tcp_flags;
    uint8_t reject; /* enum mt_reject */
    struct mt_tuple tuple;
    struct mt_mark mark;
    uint32_t wire_size;     /* the frame, all layers */
    uint16_t vlan;          /* outermost tag's id or MT_VLAN_NONE */
    uint8_t outer_count;    /* layers that it is wrapped in; mt_packet_outer names them */
    uint8_t ip_count;       /* IP headers stepped over where outer_count > 0 */
    uint8_t frame_flags;    /* MT_FRAME_ */
    uint8_t ip_protocol;    /* after extension headers */
    const uint8_t *mac_src; /* 6 bytes, NULL where the link has none */
    const uint8_t *mac_dst;
    void *handle; /* the frame's; NULL when the payload does not lie in a frame */
    /* a UDP datagram from or to port 53, where reject is NOT_TCP: tuple, payload and
     * payload_size are set */
    bool is_dns;
    /* fragments */
    struct mt_span ip_payload; /* bytes of this fragment behind the IP headers */
    uint32_t fragment_id;
    uint32_t fragment_off; /* bytes */
    bool fragment_more;
    bool fragment_is_foreign; /* the first one of a UDP datagram that is no tunnel's */
    /* for mt_packet_outer; of fragments, and where outer_count > 0 */
    uint8_t frame_link;
    struct mt_span frame_bytes;
    const struct mt_outer *outer; /* of a datagram put together from fragments; else NULL */
};

/* Decodes one frame. Sets every member that the verdict names; others are
 * unspecified. */
enum mt_packet_verdict mt_packet_decode(const struct mt_frame *frame, struct mt_packet *ret_packet);

/* A look at the two ends of a segment, address and port in one word each, for
 * whoever only deals frames out. True: mt_packet_decode will say MT_PACKET_TCP
 * and the same ends, over IPv4. False: decode it to know. */
bool mt_packet_peek(const struct mt_frame *frame, uint64_t *ret_src, uint64_t *ret_dst);

/* Decodes the TCP header in packet->ip_payload of a datagram that was put
 * together from fragments (or, in tests, from anywhere). */
enum mt_packet_verdict mt_packet_decode_tcp(struct mt_span datagram, uint32_t datagram_size,
                                            struct mt_packet *packet);

/* The layers that a packet was wrapped in, by a second walk over its frame: for
 * whoever opens a session, while the frame is there (of a datagram put together
 * from fragments: as long as its payload). */
void mt_packet_outer(const struct mt_packet *packet, struct mt_outer *ret_outer);

const char *mt_reject_name(enum mt_reject reject);
const char *mt_reject_meaning(enum mt_reject reject);

#endif
