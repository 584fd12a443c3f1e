/* SipHash-2-4: a keyed hash that does not give its key away, for names that are
 * written in place of what they stand for. Aumasson and Bernstein, "SipHash: a
 * fast short-input PRF" (2012).
 *
 * Ownership: plain values. Thread: any. Limits: 64 bits; about a nanosecond a
 * byte, so nothing for the packet path.
 */
#ifndef MT_BASE_SIPHASH_H
#define MT_BASE_SIPHASH_H

#include "base/span.h"

#define MT_SIPHASH_KEY_SIZE 16u

struct mt_siphash_key {
    uint8_t bytes[MT_SIPHASH_KEY_SIZE];
};

uint64_t mt_siphash(const struct mt_siphash_key *key, struct mt_span bytes);

#endif
