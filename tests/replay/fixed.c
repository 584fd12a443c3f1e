/* Mail sessions whose content comes in frames of one size: what a rate in frames
 * of 64 or 1500 bytes is measured with. Every frame is one that mailtap must
 * parse: content of a message on port 25, in order. */
#include "trace.h"

#include "packet/packet.h"

#include <errno.h>
#include <string.h>

#define HEADERS 54u /* Ethernet, IPv4, TCP */
#define FRAME_MIN 60u
#define FRAME_MAX 1514u

struct talk {
    uint32_t number;
    uint32_t seq[MT_SIDE_COUNT]; /* next of each side */
};

static void put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

static void put32(uint8_t *at, uint32_t value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

static void put_headers(uint8_t *frame, const struct talk *talk, enum mt_side side, uint8_t flags,
                        uint32_t payload_size)
{
    uint32_t ends[MT_SIDE_COUNT] = {0xc6120000 + talk->number, 0x0a190019}; /* 198.18.0.0, 10.25.0.25 */
    uint16_t ports[MT_SIDE_COUNT] = {(uint16_t)(32768 + talk->number % 28000), 25};
    enum mt_side other = mt_side_other(side);
    memset(frame, 0, HEADERS);
    frame[0] = frame[6] = 2;
    frame[side == MT_CLIENT ? 11 : 5] = 1;
    put16(frame + 12, 0x0800);
    frame[14] = 0x45;
    put16(frame + 16, HEADERS - 14 + payload_size);
    frame[22] = 64;
    frame[23] = 6;
    put32(frame + 26, ends[side]);
    put32(frame + 30, ends[other]);
    put16(frame + 34, ports[side]);
    put16(frame + 36, ports[other]);
    put32(frame + 38, talk->seq[side]);
    put32(frame + 42, flags & MT_TCP_ACK ? talk->seq[other] : 0);
    frame[46] = 0x50;
    frame[47] = flags;
    put16(frame + 48, 65535);
}

static int say(struct mt_trace *trace, struct talk *talk, enum mt_side side, uint8_t flags, const char *text,
               uint32_t size)
{
    uint8_t frame[FRAME_MAX] = {0};
    put_headers(frame, talk, side, flags, size);
    memcpy(frame + HEADERS, text, size);
    talk->seq[side] += size + (flags & (MT_TCP_SYN | MT_TCP_FIN) ? 1 : 0);
    uint32_t frame_size = HEADERS + size < FRAME_MIN ? FRAME_MIN : HEADERS + size;
    return mt_trace_add(trace, frame, frame_size, frame_size, trace->count * 1000);
}

static int say_line(struct mt_trace *trace, struct talk *talk, enum mt_side side, const char *line)
{
    return say(trace, talk, side, MT_TCP_ACK | MT_TCP_PSH, line, (uint32_t)strlen(line));
}

static int open_talk(struct mt_trace *trace, struct talk *talk)
{
    static const struct {
        enum mt_side side;
        const char *line;
    } lines[] = {
        {MT_SERVER, "220 mx.example.org ESMTP\r\n"},
        {MT_CLIENT, "EHLO mail.example.com\r\n"},
        {MT_SERVER, "250-mx.example.org\r\n250 8BITMIME\r\n"},
        {MT_CLIENT, "MAIL FROM:<carol@example.com>\r\n"},
        {MT_SERVER, "250 Ok\r\n"},
        {MT_CLIENT, "RCPT TO:<alice@example.org>\r\n"},
        {MT_SERVER, "250 Ok\r\n"},
        {MT_CLIENT, "DATA\r\n"},
        {MT_SERVER, "354 Go ahead\r\n"},
        {MT_CLIENT, "Subject: Of one size\r\n\r\n"},
    };
    int rc = say(trace, talk, MT_CLIENT, MT_TCP_SYN, "", 0);
    if (rc == 0)
        rc = say(trace, talk, MT_SERVER, MT_TCP_SYN | MT_TCP_ACK, "", 0);
    if (rc == 0)
        rc = say(trace, talk, MT_CLIENT, MT_TCP_ACK, "", 0);
    for (size_t i = 0; rc == 0 && i < sizeof(lines) / sizeof(lines[0]); i++)
        rc = say_line(trace, talk, lines[i].side, lines[i].line);
    return rc;
}

static int close_talk(struct mt_trace *trace, struct talk *talk)
{
    int rc = say_line(trace, talk, MT_CLIENT, "\r\n.\r\n");
    if (rc == 0)
        rc = say_line(trace, talk, MT_SERVER, "250 Ok: queued as 1234567890\r\n");
    if (rc == 0)
        rc = say_line(trace, talk, MT_CLIENT, "QUIT\r\n");
    if (rc == 0)
        rc = say_line(trace, talk, MT_SERVER, "221 Bye\r\n");
    if (rc == 0)
        rc = say(trace, talk, MT_SERVER, MT_TCP_FIN | MT_TCP_ACK, "", 0);
    if (rc == 0)
        rc = say(trace, talk, MT_CLIENT, MT_TCP_FIN | MT_TCP_ACK, "", 0);
    return rc == 0 ? say(trace, talk, MT_SERVER, MT_TCP_ACK, "", 0) : rc;
}

int mt_trace_fixed(struct mt_trace *trace, uint32_t frame_size, uint32_t sessions, uint32_t frames_each)
{
    char content[FRAME_MAX];
    if (frame_size < FRAME_MIN || frame_size > FRAME_MAX || sessions == 0 || sessions > 65536)
        return -EINVAL;
    /* Every session of a group has its n-th frame before any has the next one. */
    struct talk talks[64];
    for (uint32_t i = 0; i < sizeof(content); i++)
        content[i] = (char)(i % 77 == 75 ? '\r' : i % 77 == 76 ? '\n' : 'A' + (char)(i % 26));
    for (uint32_t first = 0; first < sessions; first += 64) {
        uint32_t count = sessions - first < 64 ? sessions - first : 64;
        int rc = 0;
        for (uint32_t i = 0; rc == 0 && i < count; i++) {
            talks[i] = (struct talk){.number = first + i, .seq = {1000, 2000}};
            rc = open_talk(trace, &talks[i]);
        }
        for (uint32_t n = 0; n < frames_each; n++)
            for (uint32_t i = 0; rc == 0 && i < count; i++)
                rc = say(trace, &talks[i], MT_CLIENT, MT_TCP_ACK, content, frame_size - HEADERS);
        for (uint32_t i = 0; rc == 0 && i < count; i++)
            rc = close_talk(trace, &talks[i]);
        if (rc != 0)
            return rc;
    }
    return 0;
}
