/* Frames for the tests: layers put one behind the other, and a copy that ends
 * where memory ends.
 *
 * Ownership: the caller's buffers; a guarded copy lives until the next one.
 * Thread: one. Limits: 64 KiB a frame.
 */
#ifndef MT_TESTS_PACKET_FRAMES_H
#define MT_TESTS_PACKET_FRAMES_H

#include "base/buf.h"
#include "packet/packet.h"

enum { ICMP = 1, TCP = 6, UDP = 17 };

struct bytes {
    struct mt_buf buf;
    uint8_t storage[70000];
};

void bytes_init(struct bytes *bytes);
void put16(struct bytes *bytes, unsigned value);
void put32(struct bytes *bytes, uint32_t value);
void put_text(struct bytes *bytes, const char *text);
void put_zeros(struct bytes *bytes, size_t size);

void put_ethernet(struct bytes *bytes, unsigned ethertype);

/* total: the length field; fragment: flags and offset; protocol of what follows.
 * From 192.0.2.1 to 198.51.100.2. */
void put_ipv4(struct bytes *bytes, unsigned total, unsigned fragment, unsigned protocol);

/* From 2001:db8::1 to 2001:db8::2. */
void put_ipv6(struct bytes *bytes, unsigned payload_size, unsigned next);

/* Ports 40000 to 25, seq 1000, ack 2000, PSH and ACK, window 512; words is the
 * data offset, whose options are put as well. */
void put_tcp(struct bytes *bytes, unsigned words);

/* The same bytes flush against memory that can't be read. */
const uint8_t *guarded(const void *bytes, size_t size);

/* The frame decoded from a guarded copy; wire_size 0 means its size. */
enum mt_packet_verdict decode(const struct bytes *bytes, enum mt_link link, uint32_t wire_size,
                              struct mt_packet *ret_packet);

/* IPv4 or IPv6 and TCP without options around a payload. */
void put_segment_v4(struct bytes *bytes, const char *payload);
void put_segment_v6(struct bytes *bytes, const char *payload);

/* Starts anew: Ethernet, IPv6 of payload length 0 with a jumbo payload option,
 * TCP, "BDAT". */
void put_jumbogram(struct bytes *bytes, uint32_t jumbo_size);

void assert_payload(const struct mt_packet *packet, const char *text);
void assert_ip(const struct mt_ip *ip, const char *text);
void assert_rejected(const struct bytes *bytes, enum mt_link link, enum mt_reject reject);

/* Everything that the builders put into a TCP segment. */
void assert_segment(const struct mt_packet *packet, const char *payload);

#endif
