/* Pseudo-random numbers that are the same on every machine: integers only.
 *
 * Ownership: plain values. Thread: one per state. Limits: not for secrets.
 */
#ifndef MT_TRAFFIC_RANDOM_H
#define MT_TRAFFIC_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

/* xoshiro256** of Blackman and Vigna. */
struct mt_random {
    uint64_t state[4];
};

/* One independent stream of numbers for each (seed, stream). */
void mt_random_init(struct mt_random *random, uint64_t seed, uint64_t stream);

static inline uint64_t mt_random_next(struct mt_random *random)
{
    uint64_t *s = random->state;
    uint64_t x = s[1] * 5;
    uint64_t result = (x << 7 | x >> 57) * 9;
    uint64_t t = s[1] << 17;

    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = s[3] << 45 | s[3] >> 19;
    return result;
}

/* 0 .. count - 1; count > 0. The bias is below count / 2^32. */
static inline uint32_t mt_random_below(struct mt_random *random, uint32_t count)
{
    return (uint32_t)((mt_random_next(random) >> 32) * count >> 32);
}

/* low .. high */
static inline uint32_t mt_random_range(struct mt_random *random, uint32_t low, uint32_t high)
{
    return low + mt_random_below(random, high - low + 1);
}

static inline bool mt_random_permille(struct mt_random *random, uint32_t permille)
{
    return mt_random_below(random, 1000) < permille;
}

/* A message size: log-normal with a Pareto
 * tail (make_sizes.py). */
uint32_t mt_random_message_size(struct mt_random *random);

/* The same without its tail: below 42 KB. */
uint32_t mt_random_body_size(struct mt_random *random);

/* A mix of all 64 bits, for numbers that must not depend on a stream. */
static inline uint64_t mt_random_mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

#endif
