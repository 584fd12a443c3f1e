/* How many octets encoded content decodes to, by counting them in vectors
 * instead of decoding.
 *
 * Ownership: borrowed bytes. Thread: any. Limits: none.
 */
#ifndef MT_BASE_COUNT_H
#define MT_BASE_COUNT_H

#include "base/span.h"

/* Octets that are sextets of base64: neither blanks, line ends nor padding.
 * Other ASCII octets that no alphabet has are counted too. */
uint64_t mt_count_base64(struct mt_span s);

/* Octets that decoding quoted-printable takes away: two for each "=", three for
 * one with CRLF behind it. is_behind_equals: the octet before s is '='. */
uint64_t mt_count_quoted(struct mt_span s, bool is_behind_equals);

#endif
