/* Shared by the encoder's files.
 *
 * Ownership: writes to the caller's buffer. Thread: any; no state. Limits: an
 * append that does not fit sets overflow and may leave what came before it; the
 * public functions take that back.
 */
#ifndef MT_EXPORT_JSON_PRIV_H
#define MT_EXPORT_JSON_PRIV_H

#include "base/buf.h"
#include "base/endian.h"

/* Above this mt_scan_json_special and memcpy are faster than one pass. */
#define MT_JSON_SHORT_MAX 256u

typedef uint8_t mt_json_vector __attribute__((vector_size(16)));
typedef int8_t mt_json_signed __attribute__((vector_size(16)));
typedef char mt_json_chars __attribute__((vector_size(16)));

/* Ones for each of sixteen bytes that may stand as it is: 0x20 to 0x7e, which
 * the sum puts at the lower end of the signed numbers, but '"' and '\\'. */
static inline mt_json_signed mt_json_plain(mt_json_vector v)
{
    mt_json_signed inside = (mt_json_signed)(v + 0x60) < (int8_t)(0x7f + 0x60 - 0x100);

    return inside ^ (mt_json_signed)(v == '"') ^ (mt_json_signed)(v == '\\');
}

static inline bool mt_json_all(mt_json_signed ones)
{
#if defined(__x86_64__)
    return __builtin_ia32_pmovmskb128((mt_json_chars)ones) == 0xffff;
#else
    uint64_t halves[2];
    memcpy(halves, &ones, sizeof(halves));
    return (halves[0] & halves[1]) == UINT64_MAX;
#endif
}

static inline bool mt_json_all_plain(uint64_t first, uint64_t last)
{
    const uint64_t halves[2] = {first, last};
    mt_json_vector v;

    memcpy(&v, halves, sizeof(v));
    return mt_json_all(mt_json_plain(v));
}

/* Less than eight bytes, as eight that hold each of them at least once. */
static inline uint64_t mt_json_copy_few(uint8_t *to, const uint8_t *p, size_t size)
{
    if (size >= 4) {
        uint32_t first = mt_load_le32(p);
        uint32_t last = mt_load_le32(p + size - 4);
        memcpy(to, &first, sizeof(first));
        memcpy(to + size - 4, &last, sizeof(last));
        return (uint64_t)last << 32 | first;
    }
    uint64_t bytes = UINT64_C(0x2020202020202020);
    for (size_t i = 0; i < size; i++) {
        to[i] = p[i];
        bytes = bytes << 8 | p[i];
    }
    return bytes;
}

/* text with its quotes, if nothing in it needs a look: it is looked at while
 * being copied, by moves that overlap in the middle. Else what stands at to is
 * of no use. */
static inline bool mt_json_copy_plain(uint8_t *to, struct mt_span text)
{
    const uint8_t *p = text.ptr;
    size_t size = text.size;

    to[0] = '"';
    to[size + 1] = '"';
    to++;
    if (size >= 16) {
        mt_json_vector v;
        memcpy(&v, p + size - 16, sizeof(v));
        memcpy(to + size - 16, &v, sizeof(v));
        mt_json_signed plain = mt_json_plain(v);
#pragma GCC unroll 1 /* unrolled, it would be most of the code of its callers */
        for (size_t off = 0; off + 16 < size; off += 16) {
            memcpy(&v, p + off, sizeof(v));
            memcpy(to + off, &v, sizeof(v));
            plain &= mt_json_plain(v);
        }
        return mt_json_all(plain);
    }
    if (size >= 8) {
        uint64_t first = mt_load_le64(p);
        uint64_t last = mt_load_le64(p + size - 8);
        memcpy(to, &first, sizeof(first));
        memcpy(to + size - 8, &last, sizeof(last));
        return mt_json_all_plain(first, last);
    }
    uint64_t bytes = mt_json_copy_few(to, p, size);
    return mt_json_all_plain(bytes, bytes);
}

/* text as a JSON string with its quotes. */
void mt_json_append_string(struct mt_buf *b, struct mt_span text);

/* Items of lists that are written as objects, seen as two texts each. */
struct mt_json_pair {
    struct mt_span key;
    struct mt_span value;
};

/* At least one pair, as an object. A key that stood before is KEY_2. */
void mt_json_append_pairs(struct mt_buf *b, const struct mt_json_pair *pairs, uint32_t count);

/* Do both spans read as the same JSON string? Not the same as equal bytes:
 * whatever is not UTF-8 becomes U+FFFD. */
bool mt_json_same_string(struct mt_span a, struct mt_span b);

#endif
