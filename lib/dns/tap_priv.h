/* The tap's memory.
 *
 * Ownership: the tap's. Thread: its owner's. Limits: those of tap.h.
 */
#ifndef MT_DNS_TAP_PRIV_H
#define MT_DNS_TAP_PRIV_H

#include "dns/tap.h"

#define MT_DNS_SET 8u

struct mt_dns_asked {
    uint64_t hash; /* 0: nothing */
    uint64_t time;
};

/* One direction of a TCP connection. */
struct mt_dns_stream {
    uint64_t hash; /* of its ends; 0: unused */
    uint64_t time;
    uint32_t next; /* sequence number of what comes next */
    uint32_t size;
    uint8_t bytes[MT_DNS_STREAM_SIZE + 2];
};

struct mt_dns_tap {
    struct mt_stats *stats;
    uint64_t seed;
    struct mt_dns_answer answer;
    struct mt_dns_asked asked[MT_DNS_QUESTIONS];
    struct mt_dns_stream streams[MT_DNS_STREAMS];
};

#endif
