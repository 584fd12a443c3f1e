/* Times in one byte, for what an open session keeps of every kind of reply.
 *
 * Ownership: plain values. Thread: any. Limits: 1 us to four hours.
 */
#ifndef MT_SESSION_LATENCY_PRIV_H
#define MT_SESSION_LATENCY_PRIV_H

#include "base/compiler.h"

/* mt_session.client.owner: packed times of the slowest reply, and of the longest silence */
enum mt_owner_byte {
    MT_OWNER_GREETING,
    MT_OWNER_HELO,
    MT_OWNER_MAIL,
    MT_OWNER_RCPT,
    MT_OWNER_SILENCE,
};

/* Times of 1 us to four hours in one byte, rounded down by at most an eighth: five
 * bits of exponent, three behind the leading one. 0 is no time. */
static inline uint8_t mt_time_pack(uint64_t us)
{
    const uint64_t longest = UINT64_C(15) << 30;

    if (us < 8)
        return us == 0 ? 1 : (uint8_t)us;
    us = us < longest ? us : longest;
    unsigned exponent = 60u - (unsigned)__builtin_clzll(us);
    return (uint8_t)((exponent + 1) << 3 | (us >> exponent & 7));
}

static inline uint64_t mt_time_unpack(uint8_t packed)
{
    return packed < 8 ? packed : (UINT64_C(8) + (packed & 7)) << ((packed >> 3) - 1);
}

#endif
