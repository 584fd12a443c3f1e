/* base64 (RFC 4648) and UTF-8 (RFC 3629) on spans.
 *
 * Ownership: borrowed input, caller's output. Thread: any. Limits: the
 * output buffer's capacity.
 */
#ifndef MT_BASE_CODEC_H
#define MT_BASE_CODEC_H

#include "base/buf.h"

/* Decodes into ret_out; padding may be missing. False on a byte outside the
 * alphabet, a lone trailing sextet or an output that does not fit; ret_out
 * then keeps what it had. */
bool mt_base64_decode(struct mt_span text, struct mt_buf *ret_out);

/* Size in bytes (1-4) of the valid UTF-8 character at the start of s, or 0. */
size_t mt_utf8_char(struct mt_span s);

bool mt_utf8_valid(struct mt_span s);

/* Appends the UTF-8 form of a code point; surrogates and values past U+10FFFF
 * become U+FFFD. */
void mt_utf8_put(struct mt_buf *b, uint32_t code_point);

#endif
