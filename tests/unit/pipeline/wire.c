#include "wire.h"

#include <stdio.h>
#include <stdlib.h>

static size_t wire_burst(struct mt_capture *capture, struct mt_frame *ret_frames, size_t count_max,
                         bool *ret_end)
{
    struct wire *wire = (struct wire *)capture;
    size_t count = mt_min_u64(count_max, wire->count - wire->next);
    memcpy(ret_frames, wire->frames + wire->next, count * sizeof(*ret_frames));
    wire->next += count;
    *ret_end = wire->next == wire->count;
    return count;
}

static void wire_nothing(struct mt_capture *capture)
{
    (void)capture;
}

static const struct mt_capture_ops wire_ops = {
    .burst = wire_burst, .release = wire_nothing, .close = wire_nothing};

void wire_init(struct wire *wire)
{
    memset(wire, 0, sizeof(*wire));
    wire->stats = aligned_alloc(MT_CACHE_LINE, sizeof(*wire->stats));
    memset(wire->stats, 0, sizeof(*wire->stats));
    wire->capture.ops = &wire_ops;
    wire->capture.stats = wire->stats;
    wire->capture.persistent = true;
    wire->time = UINT64_C(1700000000) * MT_SEC;
}

void wire_fini(struct wire *wire)
{
    for (size_t i = 0; i < wire->count; i++)
        free((void *)(uintptr_t)wire->frames[i].data);
    free(wire->frames);
    free(wire->stats);
}

void wire_rewind(struct wire *wire)
{
    wire->next = 0;
    memset(wire->stats, 0, sizeof(*wire->stats));
}

void wire_connection(struct wire_connection *c, uint8_t client_last_byte, uint16_t client_port)
{
    *c = (struct wire_connection){
        .end = {{.ip = {203, 0, 113, client_last_byte}, .port = client_port, .seq = 1000},
                {.ip = {10, 25, 0, 1}, .port = 25, .seq = 0xfffffff0u}},
    };
}

static void put16(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
    put16(p, v >> 16);
    put16(p + 2, v);
}

static void wire_frame(struct wire *wire, uint8_t *bytes, size_t size)
{
    if (wire->count == wire->cap) {
        wire->cap = wire->cap ? wire->cap * 2 : 64;
        wire->frames = realloc(wire->frames, wire->cap * sizeof(*wire->frames));
    }
    wire->frames[wire->count] = (struct mt_frame){
        .data = bytes,
        .size = (uint32_t)size,
        .wire_size = (uint32_t)size,
        .mark = {.time = wire->time, .number = wire->count + 1},
        .link = MT_LINK_RAW,
        .flags = MT_FRAME_PERSISTENT,
    };
    wire->count++;
    wire->time += MT_MSEC;
}

void wire_segment(struct wire *wire, struct wire_connection *c, enum mt_side side, uint8_t flags,
                  const char *text)
{
    struct wire_end *from = &c->end[side];
    const struct wire_end *to = &c->end[mt_side_other(side)];
    size_t payload = text ? strlen(text) : 0;
    size_t size = 40 + payload;
    uint8_t *b = calloc(1, size);
    b[0] = 0x45;
    put16(b + 2, (uint32_t)size);
    b[8] = 64;
    b[9] = 6;
    memcpy(b + 12, from->ip, 4);
    memcpy(b + 16, to->ip, 4);
    put16(b + 20, from->port);
    put16(b + 22, to->port);
    put32(b + 24, from->seq);
    put32(b + 28, flags & MT_TCP_ACK ? to->seq : 0);
    b[32] = 0x50;
    b[33] = flags;
    put16(b + 34, 65535);
    if (payload)
        memcpy(b + 40, text, payload);
    from->seq += (uint32_t)payload + (flags & (MT_TCP_SYN | MT_TCP_FIN) ? 1 : 0);
    wire_frame(wire, b, size);
}

void wire_handshake(struct wire *wire, struct wire_connection *c)
{
    wire_segment(wire, c, MT_CLIENT, MT_TCP_SYN, NULL);
    wire_segment(wire, c, MT_SERVER, MT_TCP_SYN | MT_TCP_ACK, NULL);
    wire_segment(wire, c, MT_CLIENT, MT_TCP_ACK, NULL);
}

void wire_say(struct wire *wire, struct wire_connection *c, enum mt_side side, const char *text)
{
    wire_segment(wire, c, side, MT_TCP_ACK | MT_TCP_PSH, text);
    wire_segment(wire, c, mt_side_other(side), MT_TCP_ACK, NULL);
}

void wire_close(struct wire *wire, struct wire_connection *c)
{
    wire_segment(wire, c, MT_SERVER, MT_TCP_FIN | MT_TCP_ACK, NULL);
    wire_segment(wire, c, MT_CLIENT, MT_TCP_FIN | MT_TCP_ACK, NULL);
    wire_segment(wire, c, MT_SERVER, MT_TCP_ACK, NULL);
}

void wire_delivery(struct wire *wire, struct wire_connection *c)
{
    static const struct {
        enum mt_side side;
        const char *text;
    } lines[] = {
        {MT_SERVER, "220 mx.home.example ESMTP\r\n"},
        {MT_CLIENT, "EHLO out.example.net\r\n"},
        {MT_SERVER, "250-mx.home.example\r\n250 SIZE 1000000\r\n"},
        {MT_CLIENT, "MAIL FROM:<a@example.net>\r\n"},
        {MT_SERVER, "250 2.1.0 Ok\r\n"},
        {MT_CLIENT, "RCPT TO:<b@home.example>\r\n"},
        {MT_SERVER, "250 2.1.5 Ok\r\n"},
        {MT_CLIENT, "DATA\r\n"},
        {MT_SERVER, "354 go on\r\n"},
        {MT_CLIENT, "Subject: hello\r\n\r\nbody\r\n.\r\n"},
        {MT_SERVER, "250 2.0.0 Ok: queued as 4ABC\r\n"},
        {MT_CLIENT, "QUIT\r\n"},
        {MT_SERVER, "221 2.0.0 Bye\r\n"},
    };
    wire_handshake(wire, c);
    for (size_t i = 0; i < MT_ARRAY_COUNT(lines); i++)
        wire_say(wire, c, lines[i].side, lines[i].text);
    wire_close(wire, c);
}

void wire_probe(struct wire *wire, struct wire_connection *c, const char *name)
{
    char line[64];
    snprintf(line, sizeof(line), "VRFY %s\r\n", name);
    wire_handshake(wire, c);
    wire_say(wire, c, MT_SERVER, "220 mx.home.example ESMTP\r\n");
    wire_say(wire, c, MT_CLIENT, "HELO out.example.net\r\n");
    wire_say(wire, c, MT_SERVER, "250 mx.home.example\r\n");
    wire_say(wire, c, MT_CLIENT, line);
    wire_say(wire, c, MT_SERVER, "252 2.0.0 maybe\r\n");
    wire_close(wire, c);
}

void wire_raw(struct wire *wire, const void *bytes, size_t size)
{
    uint8_t *copy = malloc(size);
    memcpy(copy, bytes, size);
    wire_frame(wire, copy, size);
}

/* 24 bytes and the rest, of a packet with a header of 20. */
void wire_break_last(struct wire *wire)
{
    struct mt_frame *last = &wire->frames[wire->count - 1];
    uint8_t *whole = (uint8_t *)(uintptr_t)last->data;
    size_t size = last->size;
    size_t cut = 44;
    uint8_t rest[2048];
    put16(whole + 2, (uint32_t)cut);
    put16(whole + 4, (uint32_t)wire->count);
    put16(whole + 6, 0x2000);
    memcpy(rest, whole, 20);
    memcpy(rest + 20, whole + cut, size - cut);
    put16(rest + 2, (uint32_t)(20 + size - cut));
    put16(rest + 6, (uint32_t)(cut - 20) / 8);
    last->size = last->wire_size = (uint32_t)cut;
    wire_raw(wire, rest, 20 + size - cut);
}

void wire_number_by_time(struct wire *wire)
{
    for (size_t i = 0; i < wire->count; i++)
        wire->frames[i].mark.number = wire->frames[i].mark.time;
}
