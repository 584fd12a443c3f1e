/* Short texts written where room for them is known to be: what mt_buf_put_*
 * are made of, and for encoders that test the room once for a whole member.
 *
 * Ownership: the caller's memory. Thread: any; no state but the caller's.
 * Limits: each function may write all of its MT_TEXT_*_MAX bytes, also behind
 * the end of the text, which it returns.
 */
#ifndef MT_BASE_TEXT_H
#define MT_BASE_TEXT_H

#include "base/compiler.h"

#define MT_TEXT_U64_MAX 20u
#define MT_TEXT_IPV4_MAX 16u
#define MT_TEXT_TIME_MAX 32u

#define MT_POWERS_OF_TEN 20u /* as many as 64 bits hold */
extern const uint64_t mt_powers_of_ten[MT_POWERS_OF_TEN];

/* Decimal digits of value. */
uint8_t *mt_text_u64(uint8_t *to, uint64_t value);

/* "192.0.2.1" */
uint8_t *mt_text_ipv4(uint8_t *to, const uint8_t bytes[4]);

/* Two hexadecimal digits (lower case) a byte: writes 2 * size bytes. */
uint8_t *mt_text_hex(uint8_t *to, const uint8_t *bytes, size_t size);

/* The second that a text of a time was last made for. Starts zeroed. Times that
 * are written together are of few seconds, and most of the work is the date. */
struct mt_text_second {
    uint64_t number; /* since the epoch, plus one; 0: none */
    char text[MT_TEXT_TIME_MAX];
};

/* RFC 3339 UTC with nine decimals: 2026-11-22T13:38:00.123456789Z. */
uint8_t *mt_text_time(uint8_t *to, uint64_t time, struct mt_text_second *second);

#endif
