#include "frame.h"

#include "wrap.h"

#include <string.h>

#define TCP_HEADER 20u
#define SYN_OPTIONS 12u

static uint8_t *put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    return put16(put16(at, value >> 16), value);
}

/* One's complement sum in machine order (RFC 1071 §2 (B)): the sum of words of
 * any width, folded at the end. */
static uint64_t sum(const uint8_t *bytes, size_t size)
{
    uint64_t total = 0;
    uint32_t word;
    uint16_t half;

    for (; size >= 4; size -= 4, bytes += 4) {
        memcpy(&word, bytes, 4);
        total += word;
    }
    if (size >= 2) {
        memcpy(&half, bytes, 2);
        total += half;
        bytes += 2;
        size -= 2;
    }
    if (size) {
        const uint8_t last[2] = {bytes[0], 0};

        memcpy(&half, last, 2);
        total += half;
    }
    return total;
}

static void put_checksum(uint8_t *at, uint64_t total)
{
    uint16_t folded;

    while (total >> 16)
        total = (total & 0xffff) + (total >> 16);
    folded = (uint16_t)~total;
    memcpy(at, &folded, 2);
}

static uint8_t *put_ethernet(const struct mt_plan_link *link, enum mt_plan_side side, uint8_t *at)
{
    mt_plan_mac(link, mt_plan_other(side), at);
    mt_plan_mac(link, side, at + 6);
    at += 12;
    /* 802.1ad outside when there are two, 802.1Q otherwise. */
    if (link->vlan[0])
        at = put16(put16(at, link->vlan[1] ? 0x88a8 : 0x8100), link->vlan[0]);
    if (link->vlan[1])
        at = put16(put16(at, 0x8100), link->vlan[1]);
    return put16(at, link->ip[side].family == 4 ? 0x0800 : 0x86dd);
}

/* off and size are those of the piece; id is the datagram's. */
static uint8_t *put_ip4(const struct mt_plan_link *link, enum mt_plan_side side, uint32_t size, uint32_t id,
                        uint32_t fragment, uint8_t *at)
{
    uint8_t *header = at;

    at = put16(at, 0x4500);
    at = put16(at, 20 + size);
    at = put16(at, id);
    at = put16(at, fragment);
    at = put16(at, (side ? 64u : 55u) << 8 | 6);
    at = put16(at, 0);
    memcpy(at, link->ip[side].bytes, 4);
    memcpy(at + 4, link->ip[mt_plan_other(side)].bytes, 4);
    put_checksum(header + 10, sum(header, 20));
    return at + 8;
}

static uint8_t *put_ip6(const struct mt_plan_link *link, enum mt_plan_side side, uint32_t size, uint32_t next,
                        uint8_t *at)
{
    at = put32(at, 0x60000000);
    at = put16(at, size);
    at = put16(at, next << 8 | (side ? 64 : 55));
    memcpy(at, link->ip[side].bytes, 16);
    memcpy(at + 16, link->ip[mt_plan_other(side)].bytes, 16);
    return at + 32;
}

/* Header and payload; returns the size. */
static uint32_t put_tcp(const struct mt_plan_link *link, const struct mt_plan_frame *frame,
                        mt_frame_payload *payload, void *ctx, uint8_t *segment)
{
    enum mt_plan_side side = (enum mt_plan_side)frame->side;
    enum mt_plan_side other = mt_plan_other(side);
    bool is_syn = frame->flags & MT_PLAN_SYN;
    uint32_t header = TCP_HEADER + (is_syn ? SYN_OPTIONS : 0);
    uint32_t size = header + frame->size;
    size_t address = link->ip[0].family == 4 ? 4 : 16;
    uint8_t pseudo[4];
    uint8_t *at = segment;
    uint64_t total;

    at = put16(put16(at, link->port[side]), link->port[other]);
    at = put32(at, link->isn[side] + frame->seq);
    at = put32(at, frame->flags & MT_PLAN_ACK ? link->isn[other] + frame->ack : 0);
    at = put16(at, header / 4 << 12 | frame->flags);
    at = put16(at, is_syn ? 64240 : 502);
    at = put32(at, 0);
    if (is_syn) {
        /* MSS, SACK permitted, window scale 7. */
        static const uint8_t options[SYN_OPTIONS] = {2, 4, 0x05, 0xb4, 4, 2, 1, 3, 3, 7, 1, 1};

        memcpy(at, options, sizeof(options));
    }
    if (frame->size)
        payload(ctx, frame, segment + header);
    put16(pseudo, 6);
    put16(pseudo + 2, size);
    total = sum(link->ip[0].bytes, address) + sum(link->ip[1].bytes, address) + sum(pseudo, 4);
    put_checksum(segment + 16, total + sum(segment, size));
    return size;
}

static size_t pad(const struct mt_plan_link *link, const struct mt_plan_frame *frame, uint8_t *bytes,
                  size_t size)
{
    if (!link->is_padded || frame->side != MT_PLAN_SERVER || size >= 60)
        return size;
    memset(bytes + size, 0, 60 - size);
    return 60;
}

static size_t finish(const struct mt_plan_link *link, const struct mt_plan_frame *frame, uint8_t *bytes,
                     size_t size)
{
    return mt_wrap_frame(&link->wrap, bytes, pad(link, frame, bytes, size));
}

static size_t write_piece(const struct mt_plan_link *link, const struct mt_plan_frame *frame,
                          mt_frame_payload *payload, void *ctx, uint8_t *ret_bytes)
{
    enum mt_plan_side side = (enum mt_plan_side)frame->side;
    uint8_t segment[4096];
    uint32_t whole = put_tcp(link, frame, payload, ctx, segment);
    uint32_t step = whole / frame->pieces & ~7u;
    uint32_t off = step * frame->piece;
    bool is_last = frame->piece + 1 == frame->pieces;
    uint32_t size = is_last ? whole - off : step;
    uint32_t id = frame->seq ^ frame->seq >> 16;
    uint8_t *at = put_ethernet(link, side, ret_bytes);

    if (link->ip[0].family == 4) {
        at = put_ip4(link, side, size, id, (is_last ? 0 : 0x2000u) | off / 8, at);
    } else {
        at = put_ip6(link, side, size + 8, 44, at);
        at = put16(at, 6 << 8);
        at = put16(at, off | (is_last ? 0 : 1));
        at = put32(at, id);
    }
    memcpy(at, segment + off, size);
    return finish(link, frame, ret_bytes, (size_t)(at - ret_bytes) + size);
}

size_t mt_frame_write(const struct mt_plan_link *link, const struct mt_plan_frame *frame,
                      mt_frame_payload *payload, void *ctx, uint8_t *ret_bytes)
{
    enum mt_plan_side side = (enum mt_plan_side)frame->side;
    uint32_t size = TCP_HEADER + (frame->flags & MT_PLAN_SYN ? SYN_OPTIONS : 0) + frame->size;
    uint8_t *at;

    if (frame->pieces)
        return write_piece(link, frame, payload, ctx, ret_bytes);
    at = put_ethernet(link, side, ret_bytes);
    if (link->ip[0].family == 4)
        at = put_ip4(link, side, size, frame->seq ^ frame->seq >> 16, 0x4000, at);
    else
        at = put_ip6(link, side, size, 6, at);
    put_tcp(link, frame, payload, ctx, at);
    return finish(link, frame, ret_bytes, (size_t)(at - ret_bytes) + size);
}

size_t mt_frame_write_flood(const struct mt_plan_link *link, uint64_t chance, uint8_t *ret_bytes)
{
    static const struct mt_plan_frame syn = {.side = MT_PLAN_CLIENT, .flags = MT_PLAN_SYN};
    struct mt_plan_link stranger = *link;

    memset(&stranger.vlan, 0, sizeof(stranger.vlan));
    if (link->ip[0].family == 4) {
        /* 100.64.0.0/10 */
        const uint8_t bytes[4] = {100, (uint8_t)(64 | (chance & 63)), (uint8_t)(chance >> 8),
                                  (uint8_t)(chance >> 16)};

        memcpy(stranger.ip[0].bytes, bytes, 4);
    } else {
        memcpy(stranger.ip[0].bytes + 8, &chance, 8);
        stranger.ip[0].bytes[6] ^= 0xff;
    }
    stranger.port[0] = (uint16_t)(1024 + (chance >> 24) % 60000);
    stranger.isn[0] = (uint32_t)(chance >> 32);
    return mt_frame_write(&stranger, &syn, NULL, NULL, ret_bytes);
}
