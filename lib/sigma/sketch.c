#include "sigma/sketch_priv.h"

#include <math.h>

#define REGISTER_BITS 12u
#define SUB_BITS 4u
#define BUCKETS (MT_SKETCH_SIZE / sizeof(uint32_t))

void mt_distinct_add(uint8_t sketch[MT_SKETCH_SIZE], uint64_t hash)
{
    uint64_t rest = hash << REGISTER_BITS | (UINT64_C(1) << (REGISTER_BITS - 1));
    uint8_t rank = (uint8_t)(__builtin_clzll(rest) + 1);
    uint8_t *at = &sketch[hash >> (64 - REGISTER_BITS)];
    if (*at < rank)
        *at = rank;
}

/* Ertl's estimator (2017, "New cardinality estimation algorithms for HyperLogLog
 * sketches"): right for small counts too, without tables. */
static double tau(double x)
{
    if (x <= 0 || x >= 1)
        return 0;
    double y = 1;
    double z = 1 - x;
    double before;
    do {
        x = sqrt(x);
        before = z;
        y *= 0.5;
        z -= (1 - x) * (1 - x) * y;
    } while (before != z);
    return z / 3;
}

static double sigma_of(double x)
{
    if (x >= 1)
        return INFINITY;
    double y = 1;
    double z = x;
    double before;
    do {
        x *= x;
        before = z;
        z += x * y;
        y += y;
    } while (before != z);
    return z;
}

uint64_t mt_distinct_count(const uint8_t sketch[MT_SKETCH_SIZE])
{
    const double m = MT_SKETCH_SIZE;
    const unsigned rank_max = 64 - REGISTER_BITS + 1;
    uint32_t of_rank[64] = {0};
    for (size_t i = 0; i < MT_SKETCH_SIZE; i++)
        of_rank[sketch[i] & 63]++;
    if (of_rank[0] == MT_SKETCH_SIZE)
        return 0;
    double z = m * tau(1 - of_rank[rank_max] / m);
    for (unsigned k = rank_max - 1; k >= 1; k--)
        z = 0.5 * (z + of_rank[k]);
    z += m * sigma_of(of_rank[0] / m);
    return (uint64_t)(m * m / (2 * M_LN2) / z + 0.5);
}

/* Values below 32 have a bucket each. */
static uint32_t bucket_of(uint64_t value)
{
    if (value < 2u << SUB_BITS)
        return (uint32_t)value;
    uint32_t octave = 63 - (uint32_t)__builtin_clzll(value);
    uint32_t sub = (uint32_t)(value >> (octave - SUB_BITS)) & ((1u << SUB_BITS) - 1);
    return ((octave - SUB_BITS + 1) << SUB_BITS) + sub;
}

/* The middle of its values. */
static uint64_t value_of(uint32_t bucket)
{
    if (bucket < 2u << SUB_BITS)
        return bucket;
    uint32_t shift = (bucket >> SUB_BITS) - 1;
    uint64_t low = (uint64_t)((1u << SUB_BITS) + (bucket & ((1u << SUB_BITS) - 1))) << shift;
    return low + ((UINT64_C(1) << shift) - 1) / 2;
}

static uint32_t load(const uint8_t *sketch, uint32_t bucket)
{
    uint32_t count;
    memcpy(&count, sketch + bucket * sizeof(count), sizeof(count));
    return count;
}

void mt_spread_add(uint8_t sketch[MT_SKETCH_SIZE], uint64_t value)
{
    uint32_t bucket = bucket_of(value);
    uint32_t count = load(sketch, bucket);
    count += count < UINT32_MAX;
    memcpy(sketch + bucket * sizeof(count), &count, sizeof(count));
}

uint64_t mt_percentile_rank(uint64_t count, uint32_t percentile)
{
    uint64_t rank = (uint64_t)(((__uint128_t)count * percentile + 99) / 100);
    return rank == 0 ? 1 : rank;
}

uint64_t mt_spread_percentile(const uint8_t sketch[MT_SKETCH_SIZE], uint32_t percentile)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < BUCKETS; i++)
        total += load(sketch, i);
    uint64_t rank = mt_percentile_rank(total, percentile);
    for (uint32_t i = 0; i < BUCKETS; i++) {
        uint32_t count = load(sketch, i);
        if (count >= rank)
            return value_of(i);
        rank -= count;
    }
    return 0;
}
