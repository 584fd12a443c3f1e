/* Shared by the encoder's two files.
 *
 * Ownership: writes to the caller's buffer. Thread: any; no state. Limits: an
 * append that does not fit sets overflow and may leave what came before it; the
 * public functions take that back.
 */
#ifndef MT_EXPORT_JSON_PRIV_H
#define MT_EXPORT_JSON_PRIV_H

#include "base/buf.h"

/* text as a JSON string with its quotes. */
void mt_json_append_string(struct mt_buf *b, struct mt_span text);

/* Do both spans read as the same JSON string? Not the same as equal bytes:
 * whatever is not UTF-8 becomes U+FFFD. */
bool mt_json_same_string(struct mt_span a, struct mt_span b);

#endif
