#include "random.h"

#include "sizes.def"

/* Quantile 0.92: where the tail begins. */
#define TAIL_START 942u

void mt_random_init(struct mt_random *random, uint64_t seed, uint64_t stream)
{
    uint64_t x = mt_random_mix(seed + UINT64_C(0x9e3779b97f4a7c15)) ^ stream * UINT64_C(0xd1342543de82ef95);

    for (int i = 0; i < 4; i++) {
        x += UINT64_C(0x9e3779b97f4a7c15);
        random->state[i] = mt_random_mix(x);
    }
}

static uint32_t between(uint32_t low, uint32_t high, uint32_t fraction16)
{
    return low + (uint32_t)((uint64_t)(high - low) * fraction16 >> 16);
}

uint32_t mt_random_message_size(struct mt_random *random)
{
    uint64_t u = mt_random_next(random);
    uint32_t index = u >> 54;
    uint32_t fine = u >> 48 & 63;
    uint32_t fraction = u & 0xffff;

    if (index == 1023)
        return between(size_quantiles_top[fine], size_quantiles_top[fine + 1], fraction);
    return between(size_quantiles[index], size_quantiles[index + 1], fraction);
}

uint32_t mt_random_body_size(struct mt_random *random)
{
    uint64_t u = mt_random_next(random);
    uint32_t index = (uint32_t)((u >> 32) * TAIL_START >> 32);

    return between(size_quantiles[index], size_quantiles[index + 1], u & 0xffff);
}
