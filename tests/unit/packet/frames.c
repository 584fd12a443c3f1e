#include "frames.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

void bytes_init(struct bytes *bytes)
{
    bytes->buf = mt_buf(bytes->storage, sizeof(bytes->storage));
}

void put16(struct bytes *bytes, unsigned value)
{
    mt_buf_put_byte(&bytes->buf, (uint8_t)(value >> 8));
    mt_buf_put_byte(&bytes->buf, (uint8_t)value);
}

void put32(struct bytes *bytes, uint32_t value)
{
    put16(bytes, value >> 16);
    put16(bytes, value & 0xffff);
}

void put_text(struct bytes *bytes, const char *text)
{
    mt_buf_put_cstr(&bytes->buf, text);
}

void put_zeros(struct bytes *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        mt_buf_put_byte(&bytes->buf, 0);
}

void put_ethernet(struct bytes *bytes, unsigned ethertype)
{
    mt_buf_put(&bytes->buf, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01", 12);
    put16(bytes, ethertype);
}

void put_ipv4(struct bytes *bytes, unsigned total, unsigned fragment, unsigned protocol)
{
    put16(bytes, 0x4500);
    put16(bytes, total);
    put16(bytes, 0x1234);
    put16(bytes, fragment);
    put16(bytes, 64 << 8 | protocol);
    put16(bytes, 0);
    mt_buf_put(&bytes->buf, "\xc0\x00\x02\x01\xc6\x33\x64\x02", 8);
}

void put_ipv6(struct bytes *bytes, unsigned payload_size, unsigned next)
{
    put32(bytes, 0x60000000);
    put16(bytes, payload_size);
    put16(bytes, next << 8 | 64);
    mt_buf_put(&bytes->buf, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
    mt_buf_put(&bytes->buf, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 16);
}

void put_tcp(struct bytes *bytes, unsigned words)
{
    put16(bytes, 40000);
    put16(bytes, 25);
    put32(bytes, 1000);
    put32(bytes, 2000);
    put16(bytes, words << 12 | MT_TCP_PSH | MT_TCP_ACK);
    put16(bytes, 512);
    put32(bytes, 0);
    if (words > 5)
        put_zeros(bytes, (size_t)(words - 5) * 4);
}

const uint8_t *guarded(const void *bytes, size_t size)
{
    enum { ROOM = 128 << 10 };
    static uint8_t *area;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    if (area == NULL) {
        area = mmap(NULL, ROOM + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (area == MAP_FAILED || mprotect(area + ROOM, page, PROT_NONE) != 0) {
            perror("guard page");
            exit(1);
        }
    }
    uint8_t *at = area + ROOM - size;
    if (size > 0)
        memcpy(at, bytes, size);
    return at;
}

enum mt_packet_verdict decode(const struct bytes *bytes, enum mt_link link, uint32_t wire_size,
                              struct mt_packet *ret_packet)
{
    size_t size = bytes->buf.size;
    struct mt_frame frame = {
        .data = guarded(bytes->storage, size),
        .size = (uint32_t)size,
        .wire_size = wire_size != 0 ? wire_size : (uint32_t)size,
        .mark = {.time = 7, .number = 9},
        .link = (uint8_t)link,
        .flags = MT_FRAME_PERSISTENT,
    };
    memset(ret_packet, 0xa5, sizeof(*ret_packet));
    return mt_packet_decode(&frame, ret_packet);
}

void assert_payload(const struct mt_packet *packet, const char *text)
{
    assert_int_equal(packet->payload.size, strlen(text));
    assert_memory_equal(packet->payload.ptr, text, strlen(text));
}

void assert_ip(const struct mt_ip *ip, const char *text)
{
    struct mt_ip expected;
    assert_true(mt_ip_parse(mt_span_cstr(text), &expected));
    assert_int_equal(ip->family, expected.family);
    assert_memory_equal(ip->bytes, expected.bytes, sizeof(expected.bytes));
}

void assert_rejected(const struct bytes *bytes, enum mt_link link, enum mt_reject reject)
{
    struct mt_packet packet;
    assert_int_equal(decode(bytes, link, 0, &packet), MT_PACKET_REJECT);
    if (packet.reject != reject)
        fail_msg("rejected as %s, not %s", mt_reject_name(packet.reject), mt_reject_name(reject));
}

/* Everything that the builders of frames.h put into a TCP segment. */
void assert_segment(const struct mt_packet *packet, const char *payload)
{
    assert_int_equal(packet->tuple.src_port, 40000);
    assert_int_equal(packet->tuple.dst_port, 25);
    assert_int_equal(packet->seq, 1000);
    assert_int_equal(packet->ack, 2000);
    assert_int_equal(packet->tcp_flags, MT_TCP_PSH | MT_TCP_ACK);
    assert_int_equal(packet->window, 512);
    assert_int_equal(packet->ip_protocol, TCP);
    assert_int_equal(packet->mark.time, 7);
    assert_int_equal(packet->mark.number, 9);
    assert_int_equal(packet->frame_flags, MT_FRAME_PERSISTENT);
    assert_payload(packet, payload);
}

void put_segment_v4(struct bytes *b, const char *payload)
{
    put_ipv4(b, (unsigned)(40 + strlen(payload)), 0, TCP);
    put_tcp(b, 5);
    put_text(b, payload);
}

void put_segment_v6(struct bytes *b, const char *payload)
{
    put_ipv6(b, (unsigned)(20 + strlen(payload)), TCP);
    put_tcp(b, 5);
    put_text(b, payload);
}

void put_jumbogram(struct bytes *b, uint32_t jumbo_size)
{
    bytes_init(b);
    put_ethernet(b, 0x86dd);
    put_ipv6(b, 0, 0);
    put16(b, TCP << 8);
    put16(b, 0xc204);
    put32(b, jumbo_size);
    put_tcp(b, 5);
    put_text(b, "BDAT");
}
