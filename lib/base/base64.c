#include "base/base64.h"

#define N MT_BASE64_NONE

static const uint8_t values[256] = {
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 00 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 10 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  62, N,  N,  N,  63, /* 20 */
    52, 53, 54, 55, 56, 57, 58, 59, 60, 61, N,  N,  N,  N,  N,  N,  /* 30 */
    N,  0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, /* 40 */
    15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, N,  N,  N,  N,  N,  /* 50 */
    N,  26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, /* 60 */
    41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, N,  N,  N,  N,  N,  /* 70 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 80 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* 90 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* a0 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* b0 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* c0 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* d0 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* e0 */
    N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  N,  /* f0 */
};

uint8_t mt_base64_value(uint8_t byte)
{
    return values[byte];
}

static size_t decode_groups(struct mt_span text, uint8_t *out, size_t room)
{
    size_t at = 0;

    for (; text.size - at >= 4 && room >= 3; at += 4, out += 3, room -= 3) {
        const uint8_t *p = text.ptr + at;
        uint32_t a = values[p[0]], b = values[p[1]], c = values[p[2]], d = values[p[3]];
        if ((a | b | c | d) & MT_BASE64_NONE)
            break;
        uint32_t bits = a << 18 | b << 12 | c << 6 | d;
        out[0] = (uint8_t)(bits >> 16);
        out[1] = (uint8_t)(bits >> 8);
        out[2] = (uint8_t)bits;
    }
    return at;
}

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))

/* 32 octets to 24. What class an octet belongs to follows from its two nibbles:
 * each gives a set of bits, and those of an octet in the alphabet have none in
 * common; what has to be added to get its value depends on the high nibble, and
 * on whether it is a slash. */
AVX2 static size_t decode_vectors(struct mt_span text, uint8_t *out, size_t room)
{
    const __m256i low_bits = _mm256_setr_epi8(
        0x15, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a, 0x15,
        0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x13, 0x1a, 0x1b, 0x1b, 0x1b, 0x1a);
    const __m256i high_bits = _mm256_setr_epi8(
        0x10, 0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10,
        0x10, 0x01, 0x02, 0x04, 0x08, 0x04, 0x08, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10, 0x10);
    const __m256i shifts = _mm256_setr_epi8(0, 16, 19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0, 0, 16,
                                            19, 4, -65, -65, -71, -71, 0, 0, 0, 0, 0, 0, 0, 0);
    const __m256i order = _mm256_setr_epi8(2, 1, 0, 6, 5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1, 2, 1, 0, 6,
                                           5, 4, 10, 9, 8, 14, 13, 12, -1, -1, -1, -1);
    const __m256i slash = _mm256_set1_epi8('/'); /* 0x2f: masks a nibble for a shuffle, too */
    size_t at = 0;

    /* each store writes 32 octets */
    for (; text.size - at >= 32 && room >= 32; at += 32, out += 24, room -= 24) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(text.ptr + at));
        __m256i high = _mm256_and_si256(_mm256_srli_epi32(v, 4), slash);
        __m256i classes = _mm256_and_si256(_mm256_shuffle_epi8(low_bits, _mm256_and_si256(v, slash)),
                                           _mm256_shuffle_epi8(high_bits, high));
        if (!_mm256_testz_si256(classes, classes))
            break;
        __m256i shift = _mm256_shuffle_epi8(shifts, _mm256_add_epi8(_mm256_cmpeq_epi8(v, slash), high));
        __m256i sextets = _mm256_add_epi8(v, shift);
        __m256i pairs = _mm256_maddubs_epi16(sextets, _mm256_set1_epi32(0x01400140));
        __m256i groups = _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00011000));
        __m256i packed = _mm256_permutevar8x32_epi32(_mm256_shuffle_epi8(groups, order),
                                                     _mm256_setr_epi32(0, 1, 2, 4, 5, 6, -1, -1));
        _mm256_storeu_si256((__m256i *)out, packed);
    }
    return at;
}

static bool use_vectors(void)
{
    return __builtin_cpu_supports("avx2");
}

#else

static bool use_vectors(void)
{
    return false;
}

static size_t decode_vectors(struct mt_span text, uint8_t *out, size_t room)
{
    (void)text, (void)out, (void)room;
    return 0;
}

#endif

size_t mt_base64_decode_groups(struct mt_span text, uint8_t *ret_out, size_t room)
{
    size_t at = text.size >= 32 && use_vectors() ? decode_vectors(text, ret_out, room) : 0;
    size_t written = at / 4 * 3;

    return at + decode_groups(mt_span_from(text, at), ret_out + written, room - written);
}
