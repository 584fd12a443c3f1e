/* SipHash-2-4: a keyed hash that does not give its key away, for names that are
 * written in place of what they stand for. Aumasson and Bernstein, "SipHash: a
 * fast short-input PRF" (2012).
 *
 * Ownership: plain values. Thread: any. Limits: 64 bits; about a nanosecond a
 * byte, so nothing for the packet path.
 */
#ifndef MT_BASE_SIPHASH_H
#define MT_BASE_SIPHASH_H

#include "base/hash.h"

#define MT_SIPHASH_KEY_SIZE 16u

struct mt_siphash_key {
    uint8_t bytes[MT_SIPHASH_KEY_SIZE];
};

uint64_t mt_siphash(const struct mt_siphash_key *key, struct mt_span bytes);

/* SipHash-1-3, 128 bits of it, for what has to be the same everywhere, so that the key
 * is known: of XXH3 whoever knows the seed writes as many texts of one hash as he
 * likes. About 200 instructions of 24 bytes. */
struct mt_hash128 mt_siphash128(const struct mt_siphash_key *key, struct mt_span bytes);

#endif
