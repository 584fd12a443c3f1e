/* base64 (RFC 4648 §4) in bulk: whole groups of four, in vectors where the
 * processor has AVX2.
 *
 * Ownership: borrowed input, caller's output. Thread: any. Limits: the output's
 * room.
 */
#ifndef MT_BASE_BASE64_H
#define MT_BASE_BASE64_H

#include "base/span.h"

/* 0 to 63, or MT_BASE64_NONE for what is not in the alphabet. */
#define MT_BASE64_NONE 64u
uint8_t mt_base64_value(uint8_t byte);

/* Decodes groups of four from the start of text, up to the first that holds
 * something else (a line end, padding) or for which there is no room. Returns how
 * many octets of text it took, a multiple of four; three quarters of that were
 * written. */
size_t mt_base64_decode_groups(struct mt_span text, uint8_t *ret_out, size_t room);

#endif
