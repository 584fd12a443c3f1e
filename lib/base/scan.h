/* Vector searches over payload bytes, with AVX2 where the processor has it and
 * SSE2 elsewhere. Never read outside the span.
 *
 * Ownership: borrowed bytes. Thread: any. Limits: none.
 */
#ifndef MT_BASE_SCAN_H
#define MT_BASE_SCAN_H

#include "base/span.h"

/* Offset of the first byte, or s.size. */
size_t mt_scan_byte(struct mt_span s, uint8_t byte);

/* Offset of the first LF, or s.size: the end of a line. ret_is_odd: before it, but
 * for a CR right before it, stands a byte that is no printable ASCII (nor a blank). */
size_t mt_scan_line(struct mt_span s, bool *ret_is_odd);

/* Offset of the first of two letters, given as small ones, of either case; or s.size. */
size_t mt_scan_letters(struct mt_span s, uint8_t a, uint8_t b);

/* Offset of the first LF or CR that is followed by a dot within s, or s.size: the
 * pair that decides whether content ends or was stuffed (RFC 5321 §4.5.2), and
 * its look-alike behind a CR alone, which ends content for some servers. */
size_t mt_scan_eol_dot(struct mt_span s);

/* The same for a dash, which may begin a boundary (RFC 2046 §5.1.1), and for either
 * in one pass. */
size_t mt_scan_eol_dash(struct mt_span s);
size_t mt_scan_eol_mark(struct mt_span s);

/* Offset of the first byte that JSON must escape or that is not ASCII: below
 * 0x20, '"', '\\', 0x7f and above; or s.size. */
size_t mt_scan_json_special(struct mt_span s);

#endif
