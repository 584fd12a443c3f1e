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

/* Offset of the first LF that is followed by a dot within s, or s.size. The
 * pair that decides whether content ends or was stuffed (RFC 5321 §4.5.2). */
size_t mt_scan_lf_dot(struct mt_span s);

/* The same for the first LF or CR: a dot behind a CR alone ends content for
 * some servers, and whoever looks for look-alikes of the end wants both. */
size_t mt_scan_eol_dot(struct mt_span s);

/* Offset of the first byte that JSON must escape or that is not ASCII: below
 * 0x20, '"', '\\', 0x7f and above; or s.size. */
size_t mt_scan_json_special(struct mt_span s);

#endif
