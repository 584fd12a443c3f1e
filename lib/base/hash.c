#include "base/hash.h"

#include "base/endian.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t mt_hash_bytes(uint64_t seed, struct mt_span bytes)
{
    return XXH3_64bits_withSeed(bytes.ptr, bytes.size, seed);
}

struct mt_hash128 mt_hash_bytes128(uint64_t seed, struct mt_span bytes)
{
    XXH128_hash_t h = XXH3_128bits_withSeed(bytes.ptr, bytes.size, seed);
    return (struct mt_hash128){.word = {h.low64, h.high64}};
}

static uint64_t hash_endpoint(uint64_t seed, const struct mt_ip *ip, uint16_t port)
{
    uint64_t low = mt_load_le64(ip->bytes);
    uint64_t tail = (uint64_t)ip->family << 16 | port;

    if (ip->family == 6)
        low = mt_hash_pair(seed, low, mt_load_le64(ip->bytes + 8));
    return mt_hash_pair(seed, low, tail);
}

/* Sum and exclusive-or of the two ends do not know their order, and only
 * equal pairs share both. */
uint64_t mt_hash_tuple_symmetric(uint64_t seed, const struct mt_tuple *tuple)
{
    uint64_t a = hash_endpoint(seed, &tuple->src, tuple->src_port);
    uint64_t b = hash_endpoint(seed, &tuple->dst, tuple->dst_port);

    return mt_hash_pair(seed, a + b, a ^ b);
}
