/* Keyed hashes for tables whose keys a sender chooses, and the 128-bit digest
 * behind event ids.
 *
 * Ownership: plain values. Thread: any. Limits: not cryptographic; the seed
 * comes from the kernel at start, so that collisions can't be prepared.
 */
#ifndef MT_BASE_HASH_H
#define MT_BASE_HASH_H

#include "base/net.h"

struct mt_hash128 {
    uint64_t word[2];
};

/* One multiply-fold per 16 bytes: for table keys of two words. */
static inline uint64_t mt_hash_pair(uint64_t seed, uint64_t a, uint64_t b)
{
    __uint128_t m = (__uint128_t)(a ^ seed ^ UINT64_C(0x9E3779B97F4A7C15)) *
                    (b ^ (seed << 1) ^ UINT64_C(0xD1B54A32D192ED03));
    uint64_t h = (uint64_t)m ^ (uint64_t)(m >> 64);
    m = (__uint128_t)(h ^ seed) * UINT64_C(0xA0761D6478BD642F);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

/* XXH3 with a seed. */
uint64_t mt_hash_bytes(uint64_t seed, struct mt_span bytes);
struct mt_hash128 mt_hash_bytes128(uint64_t seed, struct mt_span bytes);

/* The same value for both directions of a connection. */
uint64_t mt_hash_tuple_symmetric(uint64_t seed, const struct mt_tuple *tuple);

#endif
