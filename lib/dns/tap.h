/* What passes on port 53, over UDP and TCP, to answers that somebody asked for.
 *
 * An answer is believed when its question was seen before, from the same client
 * to the same server, with the same id, name and type (RFC 5452 §9.1): whoever can
 * send a packet past the tap could else make up names for any address.
 *
 * TCP is taken in order only: what comes ahead of its turn ends the reading of its
 * connection, until a message begins with a segment again.
 *
 * Ownership: the answer is lent for the call. Thread: one. Limits: questions wait
 * for MT_DNS_PATIENCE of packet time, MT_DNS_QUESTIONS at a time in sets of eight
 * of which the oldest gives way (dns.questions_forgotten); MT_DNS_STREAMS
 * directions of TCP connections at a time, messages of MT_DNS_STREAM_SIZE bytes.
 */
#ifndef MT_DNS_TAP_H
#define MT_DNS_TAP_H

#include "base/mark.h"
#include "base/net.h"
#include "dns/message.h"
#include "stats/stats.h"

#define MT_DNS_PATIENCE (30 * MT_SEC)
#define MT_DNS_QUESTIONS 32768u
#define MT_DNS_STREAMS 64u
#define MT_DNS_STREAM_SIZE 16384u

struct mt_dns_sink {
    void (*answer)(void *ctx, const struct mt_dns_answer *answer);
    void *ctx;
};

struct mt_dns_tap;

int mt_dns_tap_create(struct mt_stats *stats, struct mt_dns_tap **ret_tap);
void mt_dns_tap_destroy(struct mt_dns_tap *tap);

/* A datagram from or to port 53. wire_size: of its payload, before the capture
 * cut it. */
void mt_dns_tap_datagram(struct mt_dns_tap *tap, const struct mt_tuple *tuple, struct mt_span payload,
                         uint32_t wire_size, uint64_t time, const struct mt_dns_sink *sink);

/* A TCP segment from or to port 53. is_last: with FIN or RST. */
void mt_dns_tap_segment(struct mt_dns_tap *tap, const struct mt_tuple *tuple, struct mt_span payload,
                        uint32_t wire_size, uint32_t seq, bool is_last, uint64_t time,
                        const struct mt_dns_sink *sink);

#endif
