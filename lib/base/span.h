/* A slice of bytes that someone else owns, passed by value in two registers.
 *
 * Ownership: borrowed; whoever hands out a span says how long it lives.
 * Thread: any. Limits: none. A span with ptr == NULL is "absent"; a span with
 * ptr != NULL and size == 0 is "empty"; records keep the two apart.
 */
#ifndef MT_BASE_SPAN_H
#define MT_BASE_SPAN_H

#include "base/compiler.h"

#include <stdbool.h>
#include <string.h>

struct mt_span {
    const uint8_t *ptr;
    size_t size;
};

static inline struct mt_span mt_span(const void *ptr, size_t size)
{
    return (struct mt_span){.ptr = ptr, .size = size};
}

static inline struct mt_span mt_span_none(void)
{
    return (struct mt_span){.ptr = NULL, .size = 0};
}

static inline struct mt_span mt_span_cstr(const char *text)
{
    return mt_span(text, strlen(text));
}

/* The bytes from off on; empty when off is past the end. */
static inline struct mt_span mt_span_from(struct mt_span s, size_t off)
{
    if (off > s.size)
        off = s.size;
    return (struct mt_span){.ptr = s.size > 0 ? s.ptr + off : s.ptr, .size = s.size - off};
}

/* The first size bytes, or all when there are fewer. */
static inline struct mt_span mt_span_head(struct mt_span s, size_t size)
{
    return (struct mt_span){.ptr = s.ptr, .size = size < s.size ? size : s.size};
}

static inline bool mt_span_eq(struct mt_span a, struct mt_span b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.ptr, b.ptr, a.size) == 0);
}

static inline uint8_t mt_ascii_lower(uint8_t c)
{
    return (uint8_t)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

static inline uint8_t mt_ascii_upper(uint8_t c)
{
    return (uint8_t)(c >= 'a' && c <= 'z' ? c & ~0x20 : c);
}

/* Of eight bytes those that are letters from `first` on get their 0x20 turned. */
static inline uint64_t mt_ascii_turn8(uint64_t bytes, uint8_t first)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low = bytes & 0x7f * ones;
    uint64_t from = low + (uint64_t)(0x80 - first) * ones;
    uint64_t behind = low + (uint64_t)(0x80 - first - 26) * ones;

    return bytes ^ ((from & ~behind & ~bytes & 0x80 * ones) >> 2);
}

/* Text with letters of one case turned, to a place of as many bytes that does not
 * overlap it. */
static inline void mt_ascii_turn(uint8_t *to, const uint8_t *text, size_t size, uint8_t first)
{
    uint64_t bytes = 0;
    size_t at = 0;

    if (size < 8) {
        for (; at < size; at++)
            to[at] = (uint8_t)(text[at] ^ ((uint8_t)(text[at] - first) < 26 ? 0x20 : 0));
        return;
    }
    for (; at + 8 < size; at += 8) {
        memcpy(&bytes, text + at, 8);
        bytes = mt_ascii_turn8(bytes, first);
        memcpy(to + at, &bytes, 8);
    }
    memcpy(&bytes, text + size - 8, 8);
    bytes = mt_ascii_turn8(bytes, first);
    memcpy(to + size - 8, &bytes, 8);
}

static inline void mt_ascii_put_lower(uint8_t *to, const uint8_t *text, size_t size)
{
    mt_ascii_turn(to, text, size, 'A');
}

static inline void mt_ascii_put_upper(uint8_t *to, const uint8_t *text, size_t size)
{
    mt_ascii_turn(to, text, size, 'a');
}

static inline bool mt_ascii_is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

static inline bool mt_ascii_is_alpha(uint8_t c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Equal but for ASCII case; bytes above 127 compare as they are. */
static inline bool mt_span_ieq(struct mt_span a, struct mt_span b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        if (mt_ascii_lower(a.ptr[i]) != mt_ascii_lower(b.ptr[i]))
            return false;
    }
    return true;
}

static inline bool mt_span_ieq_cstr(struct mt_span a, const char *text)
{
    return mt_span_ieq(a, mt_span_cstr(text));
}

static inline bool mt_span_istarts(struct mt_span a, const char *text)
{
    size_t size = strlen(text);
    return a.size >= size && mt_span_ieq(mt_span_head(a, size), mt_span(text, size));
}

/* Does a hold text, ASCII case ignored? Linear in a.size * strlen(text);
 * only for short, bounded inputs such as reply texts. */
static inline bool mt_span_icontains(struct mt_span a, const char *text)
{
    size_t size = strlen(text);
    for (size_t off = 0; off + size <= a.size; off++) {
        if (mt_span_ieq(mt_span(a.ptr + off, size), mt_span(text, size)))
            return true;
    }
    return false;
}

/* Without blanks and tabs at both ends. */
static inline struct mt_span mt_span_trim(struct mt_span s)
{
    while (s.size > 0 && (s.ptr[0] == ' ' || s.ptr[0] == '\t')) {
        s.ptr++;
        s.size--;
    }
    while (s.size > 0 && (s.ptr[s.size - 1] == ' ' || s.ptr[s.size - 1] == '\t'))
        s.size--;
    return s;
}

#endif
