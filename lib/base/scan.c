#include "base/scan.h"

/* Every search is one question asked at every offset. Written once a vector
 * width as a body that is inlined with a constant question, so that the loops
 * hold no branch on it. */
enum question {
    QUESTION_BYTE,
    QUESTION_EOL_DOT,  /* asks about two bytes: one offset fewer than bytes */
    QUESTION_EOL_DASH, /* likewise */
    QUESTION_EOL_MARK, /* likewise: a dot or a dash */
    QUESTION_JSON,
};

#define ALWAYS_INLINE static inline __attribute__((always_inline))

ALWAYS_INLINE bool matches(const uint8_t *p, enum question q, uint8_t byte)
{
    switch (q) {
    case QUESTION_BYTE:
        return *p == byte;
    case QUESTION_EOL_DOT:
        return (p[0] == '\n' || p[0] == '\r') && p[1] == '.';
    case QUESTION_EOL_DASH:
        return (p[0] == '\n' || p[0] == '\r') && p[1] == '-';
    case QUESTION_EOL_MARK:
        return (p[0] == '\n' || p[0] == '\r') && (p[1] == '.' || p[1] == '-');
    case QUESTION_JSON:
    default:
        return *p < 0x20 || *p >= 0x7f || *p == '"' || *p == '\\';
    }
}

ALWAYS_INLINE size_t scan_bytes(const uint8_t *p, size_t count, enum question q, uint8_t byte)
{
    for (size_t i = 0; i < count; i++) {
        if (matches(p + i, q, byte))
            return i;
    }
    return count;
}

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

/* Loads of 16, 8 and 4 bytes into the low end of a vector. */
ALWAYS_INLINE __m128i load_low(const uint8_t *p, unsigned width)
{
    int four;

    if (width == 16)
        return _mm_loadu_si128((const __m128i *)p);
    if (width == 8)
        return _mm_loadl_epi64((const __m128i *)p);
    memcpy(&four, p, sizeof(four));
    return _mm_cvtsi32_si128(four);
}

/* JSON: as signed numbers, bytes above 127 are below 0x20 as well. */
ALWAYS_INLINE uint32_t mask_sse2(const uint8_t *p, unsigned width, enum question q, uint8_t byte)
{
    __m128i v = load_low(p, width);
    __m128i m;

    if (q == QUESTION_BYTE) {
        m = _mm_cmpeq_epi8(v, _mm_set1_epi8((char)byte));
    } else if (q != QUESTION_JSON) {
        __m128i eol =
            _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('\n')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\r')));
        __m128i next = load_low(p + 1, width);
        __m128i is_dot = _mm_cmpeq_epi8(next, _mm_set1_epi8('.'));
        __m128i is_dash = _mm_cmpeq_epi8(next, _mm_set1_epi8('-'));
        __m128i is_mark = q == QUESTION_EOL_DOT    ? is_dot
                          : q == QUESTION_EOL_DASH ? is_dash
                                                   : _mm_or_si128(is_dot, is_dash);
        m = _mm_and_si128(eol, is_mark);
    } else {
        m = _mm_or_si128(
            _mm_or_si128(_mm_cmplt_epi8(v, _mm_set1_epi8(0x20)), _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))),
            _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('"')), _mm_cmpeq_epi8(v, _mm_set1_epi8('\\'))));
    }
    return (uint32_t)_mm_movemask_epi8(m) & (width == 16 ? 0xffffu : (1u << width) - 1);
}

/* width <= count <= 2 * width, by two loads that overlap: whatever the second
 * sees again did not match before. */
ALWAYS_INLINE size_t scan_pair(const uint8_t *p, size_t count, unsigned width, enum question q, uint8_t byte)
{
    uint32_t mask = mask_sse2(p, width, q, byte);
    if (mask)
        return (size_t)__builtin_ctz(mask);
    mask = mask_sse2(p + count - width, width, q, byte);
    return mask ? count - width + (size_t)__builtin_ctz(mask) : count;
}

ALWAYS_INLINE size_t scan_sse2(const uint8_t *p, size_t count, enum question q, uint8_t byte)
{
    size_t i = 0;

    for (; i + 32 < count; i += 16) {
        uint32_t mask = mask_sse2(p + i, 16, q, byte);
        if (mask)
            return i + (size_t)__builtin_ctz(mask);
    }
    size_t rest = count - i;
    if (rest >= 16)
        return i + scan_pair(p + i, rest, 16, q, byte);
    if (rest >= 8)
        return i + scan_pair(p + i, rest, 8, q, byte);
    if (rest >= 4)
        return i + scan_pair(p + i, rest, 4, q, byte);
    return i + scan_bytes(p + i, rest, q, byte);
}

AVX2 ALWAYS_INLINE __m256i match_avx2(const uint8_t *p, enum question q, uint8_t byte)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)p);

    if (q == QUESTION_BYTE)
        return _mm256_cmpeq_epi8(v, _mm256_set1_epi8((char)byte));
    if (q != QUESTION_JSON) {
        __m256i eol = _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('\n')),
                                      _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\r')));
        __m256i next = _mm256_loadu_si256((const __m256i *)(p + 1));
        __m256i is_dot = _mm256_cmpeq_epi8(next, _mm256_set1_epi8('.'));
        __m256i is_dash = _mm256_cmpeq_epi8(next, _mm256_set1_epi8('-'));
        __m256i is_mark = q == QUESTION_EOL_DOT    ? is_dot
                          : q == QUESTION_EOL_DASH ? is_dash
                                                   : _mm256_or_si256(is_dot, is_dash);
        return _mm256_and_si256(eol, is_mark);
    }
    return _mm256_or_si256(_mm256_or_si256(_mm256_cmpgt_epi8(_mm256_set1_epi8(0x20), v),
                                           _mm256_cmpeq_epi8(v, _mm256_set1_epi8(0x7f))),
                           _mm256_or_si256(_mm256_cmpeq_epi8(v, _mm256_set1_epi8('"')),
                                           _mm256_cmpeq_epi8(v, _mm256_set1_epi8('\\'))));
}

AVX2 ALWAYS_INLINE uint32_t mask_avx2(const uint8_t *p, enum question q, uint8_t byte)
{
    return (uint32_t)_mm256_movemask_epi8(match_avx2(p, q, byte));
}

/* Where in 128 bytes, one of which matches. */
AVX2 ALWAYS_INLINE size_t locate_avx2(__m256i m0, __m256i m1, __m256i m2, __m256i m3)
{
    uint64_t low = (uint32_t)_mm256_movemask_epi8(m0) | (uint64_t)(uint32_t)_mm256_movemask_epi8(m1) << 32;
    if (low)
        return (size_t)__builtin_ctzll(low);
    uint64_t high = (uint32_t)_mm256_movemask_epi8(m2) | (uint64_t)(uint32_t)_mm256_movemask_epi8(m3) << 32;
    return 64 + (size_t)__builtin_ctzll(high);
}

/* count >= 32. */
AVX2 ALWAYS_INLINE size_t scan_avx2(const uint8_t *p, size_t count, enum question q, uint8_t byte)
{
    size_t i = 0;

    for (; i + 128 <= count; i += 128) {
        __m256i m0 = match_avx2(p + i, q, byte);
        __m256i m1 = match_avx2(p + i + 32, q, byte);
        __m256i m2 = match_avx2(p + i + 64, q, byte);
        __m256i m3 = match_avx2(p + i + 96, q, byte);
        __m256i any = _mm256_or_si256(_mm256_or_si256(m0, m1), _mm256_or_si256(m2, m3));
        if (!_mm256_testz_si256(any, any))
            return i + locate_avx2(m0, m1, m2, m3);
    }
    for (; i + 32 <= count; i += 32) {
        uint32_t mask = mask_avx2(p + i, q, byte);
        if (mask)
            return i + (size_t)__builtin_ctz(mask);
    }
    if (i == count)
        return count;
    i = count - 32;
    uint32_t mask = mask_avx2(p + i, q, byte);
    return mask ? i + (size_t)__builtin_ctz(mask) : count;
}

AVX2 static size_t byte_avx2(const uint8_t *p, size_t count, uint8_t byte)
{
    return scan_avx2(p, count, QUESTION_BYTE, byte);
}

AVX2 static size_t eol_dot_avx2(const uint8_t *p, size_t count)
{
    return scan_avx2(p, count, QUESTION_EOL_DOT, 0);
}

AVX2 static size_t eol_dash_avx2(const uint8_t *p, size_t count)
{
    return scan_avx2(p, count, QUESTION_EOL_DASH, 0);
}

AVX2 static size_t eol_mark_avx2(const uint8_t *p, size_t count)
{
    return scan_avx2(p, count, QUESTION_EOL_MARK, 0);
}

AVX2 static size_t json_avx2(const uint8_t *p, size_t count)
{
    return scan_avx2(p, count, QUESTION_JSON, 0);
}

/* Below one vector of 32 the narrow ones do, and no processor need be asked. */
static inline bool use_avx2(size_t count)
{
    return count >= 32 && __builtin_cpu_supports("avx2");
}

/* count below 16, at the low end of a vector: by loads that overlap, or meet. */
ALWAYS_INLINE __m128i load_few(const uint8_t *p, size_t count)
{
    uint64_t low = 0, high = 0;
    uint32_t first, last;

    if (count >= 8) {
        memcpy(&low, p, sizeof(low));
        memcpy(&high, p + count - 8, sizeof(high));
        high = high >> 8 >> (8 * (15 - count));
    } else if (count >= 4) {
        memcpy(&first, p, sizeof(first));
        memcpy(&last, p + count - 4, sizeof(last));
        low = first | (uint64_t)last << (8 * (count - 4));
    } else if (count > 0) {
        low =
            p[0] | (uint64_t)p[count / 2] << (8 * (count / 2)) | (uint64_t)p[count - 1] << (8 * (count - 1));
    }
    return _mm_set_epi64x((long long)high, (long long)low);
}

/* As signed numbers, bytes above 127 are below 0x20 as well. */
ALWAYS_INLINE uint32_t mask_odd(__m128i v)
{
    __m128i is_low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(is_low, _mm_cmpeq_epi8(v, _mm_set1_epi8(0x7f))));
}

/* Lines are short: most end in the first or second vector. */
static size_t search_odd(const uint8_t *p, size_t count)
{
    size_t at = 0;

    for (; at + 16 <= count; at += 16) {
        uint32_t mask = mask_odd(_mm_loadu_si128((const __m128i *)(p + at)));
        if (mask)
            return at + (size_t)__builtin_ctz(mask);
    }
    size_t few = count - at;
    uint32_t mask = mask_odd(load_few(p + at, few)) & ((1u << few) - 1);
    return mask ? at + (size_t)__builtin_ctz(mask) : count;
}

ALWAYS_INLINE uint32_t mask_letters(__m128i v, uint8_t a, uint8_t b)
{
    __m128i small = _mm_or_si128(v, _mm_set1_epi8(0x20));
    return (uint32_t)_mm_movemask_epi8(_mm_or_si128(_mm_cmpeq_epi8(small, _mm_set1_epi8((char)a)),
                                                    _mm_cmpeq_epi8(small, _mm_set1_epi8((char)b))));
}

static size_t search_letters(const uint8_t *p, size_t count, uint8_t a, uint8_t b)
{
    size_t at = 0;

    for (; at + 16 <= count; at += 16) {
        uint32_t mask = mask_letters(_mm_loadu_si128((const __m128i *)(p + at)), a, b);
        if (mask)
            return at + (size_t)__builtin_ctz(mask);
    }
    size_t few = count - at;
    uint32_t mask = mask_letters(load_few(p + at, few), a, b) & ((1u << few) - 1);
    return mask ? at + (size_t)__builtin_ctz(mask) : count;
}

static size_t search_byte(const uint8_t *p, size_t count, uint8_t byte)
{
    return use_avx2(count) ? byte_avx2(p, count, byte) : scan_sse2(p, count, QUESTION_BYTE, byte);
}

static size_t search_eol_dot(const uint8_t *p, size_t count)
{
    return use_avx2(count) ? eol_dot_avx2(p, count) : scan_sse2(p, count, QUESTION_EOL_DOT, 0);
}

static size_t search_eol_dash(const uint8_t *p, size_t count)
{
    return use_avx2(count) ? eol_dash_avx2(p, count) : scan_sse2(p, count, QUESTION_EOL_DASH, 0);
}

static size_t search_eol_mark(const uint8_t *p, size_t count)
{
    return use_avx2(count) ? eol_mark_avx2(p, count) : scan_sse2(p, count, QUESTION_EOL_MARK, 0);
}

static size_t search_json(const uint8_t *p, size_t count)
{
    return use_avx2(count) ? json_avx2(p, count) : scan_sse2(p, count, QUESTION_JSON, 0);
}

#else

static size_t search_odd(const uint8_t *p, size_t count)
{
    size_t at = 0;

    while (at < count && p[at] >= 0x20 && p[at] < 0x7f)
        at++;
    return at;
}

static size_t search_letters(const uint8_t *p, size_t count, uint8_t a, uint8_t b)
{
    size_t at = 0;

    while (at < count && (p[at] | 0x20) != a && (p[at] | 0x20) != b)
        at++;
    return at;
}

static size_t search_byte(const uint8_t *p, size_t count, uint8_t byte)
{
    return scan_bytes(p, count, QUESTION_BYTE, byte);
}

static size_t search_eol_dot(const uint8_t *p, size_t count)
{
    return scan_bytes(p, count, QUESTION_EOL_DOT, 0);
}

static size_t search_eol_dash(const uint8_t *p, size_t count)
{
    return scan_bytes(p, count, QUESTION_EOL_DASH, 0);
}

static size_t search_eol_mark(const uint8_t *p, size_t count)
{
    return scan_bytes(p, count, QUESTION_EOL_MARK, 0);
}

static size_t search_json(const uint8_t *p, size_t count)
{
    return scan_bytes(p, count, QUESTION_JSON, 0);
}

#endif

size_t mt_scan_byte(struct mt_span s, uint8_t byte)
{
    return s.size == 0 ? 0 : search_byte(s.ptr, s.size, byte);
}

size_t mt_scan_line(struct mt_span s, bool *ret_is_odd)
{
    size_t first = s.size == 0 ? 0 : search_odd(s.ptr, s.size);
    size_t end = first < s.size && s.ptr[first] == '\r' ? first + 1 : first;

    *ret_is_odd = end < s.size && s.ptr[end] != '\n';
    return *ret_is_odd ? first + mt_scan_byte(mt_span_from(s, first), '\n') : end;
}

size_t mt_scan_letters(struct mt_span s, uint8_t a, uint8_t b)
{
    return s.size == 0 ? 0 : search_letters(s.ptr, s.size, a, b);
}

size_t mt_scan_eol_dot(struct mt_span s)
{
    if (s.size < 2)
        return s.size;

    size_t count = s.size - 1;
    size_t off = search_eol_dot(s.ptr, count);
    return off < count ? off : s.size;
}

size_t mt_scan_eol_dash(struct mt_span s)
{
    if (s.size < 2)
        return s.size;

    size_t count = s.size - 1;
    size_t off = search_eol_dash(s.ptr, count);
    return off < count ? off : s.size;
}

size_t mt_scan_eol_mark(struct mt_span s)
{
    if (s.size < 2)
        return s.size;

    size_t count = s.size - 1;
    size_t off = search_eol_mark(s.ptr, count);
    return off < count ? off : s.size;
}

size_t mt_scan_json_special(struct mt_span s)
{
    return s.size == 0 ? 0 : search_json(s.ptr, s.size);
}
