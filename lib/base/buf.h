/* A bounded writer into storage that the caller owns: what does not fit is not
 * written and sets `overflow`, so a caller tests once after many appends.
 *
 * Ownership: the caller's. Thread: one at a time. Limits: `cap`; an append
 * either fits whole or writes nothing (mt_buf_put_head cuts instead).
 */
#ifndef MT_BASE_BUF_H
#define MT_BASE_BUF_H

#include "base/span.h"

struct mt_buf {
    uint8_t *ptr;
    size_t size;
    size_t cap;
    bool overflow;
};

static inline struct mt_buf mt_buf(void *ptr, size_t cap)
{
    return (struct mt_buf){.ptr = ptr, .size = 0, .cap = cap, .overflow = false};
}

static inline struct mt_span mt_buf_span(const struct mt_buf *b)
{
    return mt_span(b->ptr, b->size);
}

static inline void mt_buf_put(struct mt_buf *b, const void *ptr, size_t size)
{
    if (MT_UNLIKELY(size > b->cap - b->size)) {
        b->overflow = true;
        return;
    }
    if (size > 0)
        memcpy(b->ptr + b->size, ptr, size);
    b->size += size;
}

static inline void mt_buf_put_byte(struct mt_buf *b, uint8_t byte)
{
    if (MT_UNLIKELY(b->size == b->cap)) {
        b->overflow = true;
        return;
    }
    b->ptr[b->size++] = byte;
}

static inline void mt_buf_put_span(struct mt_buf *b, struct mt_span s)
{
    mt_buf_put(b, s.ptr, s.size);
}

static inline void mt_buf_put_cstr(struct mt_buf *b, const char *text)
{
    mt_buf_put(b, text, strlen(text));
}

/* As much of s as fits; sets overflow when it cuts. */
static inline void mt_buf_put_head(struct mt_buf *b, struct mt_span s)
{
    size_t room = b->cap - b->size;
    mt_buf_put_span(b, mt_span_head(s, room));
    if (s.size > room)
        b->overflow = true;
}

/* Decimal digits of value. */
void mt_buf_put_u64(struct mt_buf *b, uint64_t value);

/* Two hexadecimal digits (lower case) a byte. */
void mt_buf_put_hex(struct mt_buf *b, struct mt_span bytes);

/* RFC 3339 UTC with nine decimals: 2026-11-22T13:38:00.123456789Z. time is in
 * ns since the epoch. */
void mt_buf_put_time(struct mt_buf *b, uint64_t time);

/* bytes with everything that is not printable ASCII or valid UTF-8 above
 * U+009F written as \xNN, backslash doubled: safe on a terminal and in a log
 * (DESIGN rule 10). Stops whole characters before the buffer ends and sets
 * overflow. */
void mt_buf_put_escaped(struct mt_buf *b, struct mt_span bytes);

#endif
