/* Shared by the encoder's two files.
 *
 * Ownership: writes to the caller's buffer. Thread: any; no state. Limits: an
 * append that does not fit sets overflow and may leave what came before it; the
 * public functions take that back.
 */
#ifndef MT_EXPORT_JSON_PRIV_H
#define MT_EXPORT_JSON_PRIV_H

#include "base/buf.h"

/* memcpy of some five to fifty bytes, which most of a record is made of, without
 * the call: moves of one size that overlap in the middle. */
static inline void mt_json_copy_short(uint8_t *to, const void *from, size_t size)
{
    const uint8_t *p = from;

    if (size >= 16) {
        for (size_t off = 0; off + 16 < size; off += 16)
            memcpy(to + off, p + off, 16);
        memcpy(to + size - 16, p + size - 16, 16);
    } else if (size >= 8) {
        memcpy(to, p, 8);
        memcpy(to + size - 8, p + size - 8, 8);
    } else if (size >= 4) {
        memcpy(to, p, 4);
        memcpy(to + size - 4, p + size - 4, 4);
    } else {
        for (size_t i = 0; i < size; i++)
            to[i] = p[i];
    }
}

/* text as a JSON string with its quotes. */
void mt_json_append_string(struct mt_buf *b, struct mt_span text);

/* Do both spans read as the same JSON string? Not the same as equal bytes:
 * whatever is not UTF-8 becomes U+FFFD. */
bool mt_json_same_string(struct mt_span a, struct mt_span b);

#endif
