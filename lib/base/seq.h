/* TCP sequence space (RFC 9293 §3.4): arithmetic modulo 2^32, comparisons by
 * signed difference, valid for distances below 2^31.
 *
 * Ownership: plain values. Thread: any. Limits: see above.
 */
#ifndef MT_BASE_SEQ_H
#define MT_BASE_SEQ_H

#include <stdbool.h>
#include <stdint.h>

static inline int32_t mt_seq_diff(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

static inline bool mt_seq_lt(uint32_t a, uint32_t b)
{
    return mt_seq_diff(a, b) < 0;
}

static inline bool mt_seq_le(uint32_t a, uint32_t b)
{
    return mt_seq_diff(a, b) <= 0;
}

#endif
