#include "base/count.h"

static uint64_t base64_bytes(const uint8_t *p, size_t count)
{
    uint64_t found = 0;

    for (size_t i = 0; i < count; i++)
        found += p[i] > ' ' && p[i] < 0x80 && p[i] != '=';
    return found;
}

/* Pairs that begin in p[0..count); p[count] is there. */
static uint64_t quoted_bytes(const uint8_t *p, size_t count)
{
    uint64_t found = 0;

    for (size_t i = 0; i < count; i++) {
        if (p[i] == '=')
            found += p[i + 1] == '\r' ? 3 : 2;
    }
    return found;
}

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define ROUNDS_MAX 120u /* before a byte of a sum that grows by two could overflow */

AVX2 static uint64_t sum_of(__m256i sums)
{
    __m256i s = _mm256_sad_epu8(sums, _mm256_setzero_si256());

    return (uint64_t)_mm256_extract_epi64(s, 0) + (uint64_t)_mm256_extract_epi64(s, 1) +
           (uint64_t)_mm256_extract_epi64(s, 2) + (uint64_t)_mm256_extract_epi64(s, 3);
}

/* As signed numbers: octets above 127 are below a blank. They are in no alphabet. */
AVX2 static uint64_t base64_avx2(const uint8_t *p, size_t vectors)
{
    const __m256i blank = _mm256_set1_epi8(' '), pad = _mm256_set1_epi8('=');
    uint64_t found = 0;

    while (vectors > 0) {
        size_t rounds = vectors < ROUNDS_MAX ? vectors : ROUNDS_MAX;
        __m256i sums = _mm256_setzero_si256();
        for (size_t i = 0; i < rounds; i++, p += 32) {
            __m256i v = _mm256_loadu_si256((const __m256i *)p);
            __m256i is_one = _mm256_andnot_si256(_mm256_cmpeq_epi8(v, pad), _mm256_cmpgt_epi8(v, blank));
            sums = _mm256_sub_epi8(sums, is_one);
        }
        found += sum_of(sums);
        vectors -= rounds;
    }
    return found;
}

AVX2 static uint64_t quoted_avx2(const uint8_t *p, size_t vectors)
{
    const __m256i equals = _mm256_set1_epi8('='), cr = _mm256_set1_epi8('\r');
    uint64_t found = 0;

    while (vectors > 0) {
        size_t rounds = vectors < ROUNDS_MAX / 2 ? vectors : ROUNDS_MAX / 2;
        __m256i sums = _mm256_setzero_si256();
        for (size_t i = 0; i < rounds; i++, p += 32) {
            __m256i is_mark = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)p), equals);
            __m256i is_soft = _mm256_and_si256(
                is_mark, _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(p + 1)), cr));
            sums = _mm256_sub_epi8(sums, _mm256_add_epi8(_mm256_add_epi8(is_mark, is_mark), is_soft));
        }
        found += sum_of(sums);
        vectors -= rounds;
    }
    return found;
}

static bool use_avx2(size_t count)
{
    return count >= 64 && __builtin_cpu_supports("avx2");
}

#else

static bool use_avx2(size_t count)
{
    (void)count;
    return false;
}

static uint64_t base64_avx2(const uint8_t *p, size_t vectors)
{
    return base64_bytes(p, vectors * 32);
}

static uint64_t quoted_avx2(const uint8_t *p, size_t vectors)
{
    return quoted_bytes(p, vectors * 32);
}

#endif

uint64_t mt_count_base64(struct mt_span s)
{
    size_t vectors = use_avx2(s.size) ? s.size / 32 : 0;

    uint64_t found = vectors > 0 ? base64_avx2(s.ptr, vectors) : 0;

    return found + base64_bytes(s.ptr + vectors * 32, s.size - vectors * 32);
}

uint64_t mt_count_quoted(struct mt_span s, bool is_behind_equals)
{
    uint64_t found = is_behind_equals && s.size > 0 && s.ptr[0] == '\r' ? 1 : 0;

    if (s.size == 0)
        return 0;
    size_t pairs = s.size - 1; /* the last octet has nothing behind it here */
    size_t vectors = use_avx2(pairs) ? pairs / 32 : 0;
    if (vectors > 0)
        found += quoted_avx2(s.ptr, vectors);
    found += quoted_bytes(s.ptr + vectors * 32, pairs - vectors * 32);
    return found + (s.ptr[pairs] == '=' ? 2 : 0);
}
