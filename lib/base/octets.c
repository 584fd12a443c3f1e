#include "base/octets.h"

#include "base/scan.h"

#define CONTROL_END 9

static void count_one(uint8_t before, uint8_t byte, struct mt_octets *octets)
{
    octets->crlf += byte == '\n' && before == '\r';
    octets->bare_lf += byte == '\n' && before != '\r';
    octets->bare_cr += before == '\r' && byte != '\n';
    octets->eight_bit += byte > 0x7f;
    octets->control += byte < CONTROL_END;
}

static void count_bytes(struct mt_span s, uint8_t before, struct mt_octets *octets)
{
    for (size_t i = 0; i < s.size; i++) {
        count_one(before, s.ptr[i], octets);
        before = s.ptr[i];
    }
}

/* The octets that the scan takes before it finds something, and one more. */
static size_t scan_bytes(struct mt_span s, bool wants_dash, bool *is_odd)
{
    size_t found = wants_dash ? mt_scan_eol_mark(s) : mt_scan_eol_dot(s);
    struct mt_octets octets = {0};

    count_bytes(mt_span_head(s, found + 1), ' ', &octets);
    *is_odd |= (octets.bare_lf | octets.bare_cr | octets.eight_bit | octets.control) != 0;
    return found;
}

#if defined(__x86_64__)

#include <immintrin.h>

#define AVX2 __attribute__((target("avx2")))
#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define VECTOR 32u
#define ROUNDS_MAX 255u /* before a byte of a sum could overflow */

AVX2 ALWAYS_INLINE __m256i load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)p);
}

AVX2 ALWAYS_INLINE __m256i is_byte(const uint8_t *p, char byte)
{
    return _mm256_cmpeq_epi8(load(p), _mm256_set1_epi8(byte));
}

AVX2 static uint64_t sum_of(__m256i sums)
{
    __m256i s = _mm256_sad_epu8(sums, _mm256_setzero_si256());

    return (uint64_t)_mm256_extract_epi64(s, 0) + (uint64_t)_mm256_extract_epi64(s, 1) +
           (uint64_t)_mm256_extract_epi64(s, 2) + (uint64_t)_mm256_extract_epi64(s, 3);
}

/* Octets p[0 .. vectors * 32); p[-1] is there. As signed numbers, octets above 127
 * are below all others. */
AVX2 static void count_avx2(const uint8_t *p, size_t vectors, struct mt_octets *octets)
{
    const __m256i end = _mm256_set1_epi8(CONTROL_END), zero = _mm256_setzero_si256();

    while (vectors > 0) {
        size_t rounds = vectors < ROUNDS_MAX ? vectors : ROUNDS_MAX;
        __m256i pairs = zero, lfs = zero, crs = zero, lows = zero, highs = zero;
        for (size_t i = 0; i < rounds; i++, p += VECTOR) {
            __m256i lf = is_byte(p, '\n');
            __m256i cr = is_byte(p - 1, '\r');
            pairs = _mm256_sub_epi8(pairs, _mm256_and_si256(cr, lf));
            lfs = _mm256_sub_epi8(lfs, _mm256_andnot_si256(cr, lf));
            crs = _mm256_sub_epi8(crs, _mm256_andnot_si256(lf, cr));
            lows = _mm256_sub_epi8(lows, _mm256_cmpgt_epi8(end, load(p)));
            highs = _mm256_sub_epi8(highs, _mm256_cmpgt_epi8(zero, load(p)));
        }
        uint64_t eight_bit = sum_of(highs);
        octets->crlf += sum_of(pairs);
        octets->bare_lf += sum_of(lfs);
        octets->bare_cr += sum_of(crs);
        octets->eight_bit += eight_bit;
        octets->control += sum_of(lows) - eight_bit;
        vectors -= rounds;
    }
}

#define BLOCK (8 * VECTOR)
#define AHEAD 2u /* octets behind a vector that are looked at */

/* CR and LF that are no pair among p[0..33), or a line that begins with a dot (or
 * dash) behind an LF there. When every CR has its LF no dot can stand behind a
 * CR, so telling lines apart from others costs nothing where there is neither. */
AVX2 ALWAYS_INLINE __m256i look(const uint8_t *p, bool wants_dash, __m256i *least)
{
    __m256i lf = is_byte(p + 1, '\n');
    __m256i mark = is_byte(p + 2, '.');

    if (wants_dash)
        mark = _mm256_or_si256(mark, is_byte(p + 2, '-'));
    *least = _mm256_min_epi8(*least, load(p));
    return _mm256_or_si256(_mm256_xor_si256(is_byte(p, '\r'), lf), _mm256_and_si256(mark, lf));
}

AVX2 ALWAYS_INLINE __m256i look_at_two(const uint8_t *p, bool wants_dash, __m256i *least)
{
    return _mm256_or_si256(look(p, wants_dash, least), look(p + VECTOR, wants_dash, least));
}

/* Written out, since compilers do not unroll it where it matters. */
AVX2 ALWAYS_INLINE __m256i look_at_four(const uint8_t *p, bool wants_dash, __m256i *least)
{
    return _mm256_or_si256(look_at_two(p, wants_dash, least), look_at_two(p + 2 * VECTOR, wants_dash, least));
}

AVX2 ALWAYS_INLINE __m256i look_at_eight(const uint8_t *p, bool wants_dash, __m256i *least)
{
    return _mm256_or_si256(look_at_four(p, wants_dash, least),
                           look_at_four(p + 4 * VECTOR, wants_dash, least));
}

AVX2 ALWAYS_INLINE bool any(__m256i v)
{
    return _mm256_movemask_epi8(v) != 0;
}

AVX2 static bool has_bare(const uint8_t *p, const uint8_t *end)
{
    for (; p + VECTOR < end; p += VECTOR) {
        if (any(_mm256_xor_si256(is_byte(p, '\r'), is_byte(p + 1, '\n'))))
            return true;
    }
    return false;
}

/* What the fast loop has stopped for, in the octets from p to end. */
AVX2 static MT_NOINLINE bool find_mark(const uint8_t *p, const uint8_t *end, bool wants_dash, bool *is_odd,
                                       const uint8_t **ret_found)
{
    struct mt_span block = mt_span(p, (size_t)(end - p));
    size_t off = wants_dash ? mt_scan_eol_mark(block) : mt_scan_eol_dot(block);

    *is_odd |= has_bare(p, end);
    if (off == block.size)
        return false;
    *is_odd |= p[off] == '\r';
    *ret_found = p + off;
    return true;
}

/* s.size >= 34. */
AVX2 ALWAYS_INLINE size_t scan_avx2(struct mt_span s, bool wants_dash, bool *is_odd)
{
    const uint8_t *p = s.ptr;
    const uint8_t *end = s.ptr + s.size;
    const uint8_t *found = end;
    __m256i least = _mm256_set1_epi8(CONTROL_END);

    *is_odd |= p[0] == '\n';
    if (MT_UNLIKELY(p[0] == '\n' || p[0] == '\r') && find_mark(p, p + AHEAD, wants_dash, is_odd, &found))
        return 0;
    for (size_t blocks = (s.size - AHEAD) / BLOCK; blocks > 0; blocks--, p += BLOCK) {
        __m256i seen = look_at_eight(p, wants_dash, &least);
        if (MT_UNLIKELY(any(seen)) && find_mark(p, p + BLOCK + AHEAD, wants_dash, is_odd, &found))
            goto done;
    }
    size_t rest = (size_t)(end - p) - AHEAD;
    if (rest >= 4 * VECTOR) {
        __m256i seen = look_at_four(p, wants_dash, &least);
        if (MT_UNLIKELY(any(seen)) && find_mark(p, p + 4 * VECTOR + AHEAD, wants_dash, is_odd, &found))
            goto done;
        p += 4 * VECTOR;
        rest -= 4 * VECTOR;
    }
    if (rest >= 2 * VECTOR) {
        __m256i seen = look_at_two(p, wants_dash, &least);
        if (MT_UNLIKELY(any(seen)) && find_mark(p, p + 2 * VECTOR + AHEAD, wants_dash, is_odd, &found))
            goto done;
        p += 2 * VECTOR;
        rest -= 2 * VECTOR;
    }
    if (rest >= VECTOR) {
        __m256i seen = look(p, wants_dash, &least);
        if (MT_UNLIKELY(any(seen)) && find_mark(p, p + VECTOR + AHEAD, wants_dash, is_odd, &found))
            goto done;
    }
    /* The last vector looks at some octets again, in which there is no mark. */
    p = end - AHEAD - VECTOR;
    if (MT_UNLIKELY(any(look(p, wants_dash, &least))) && find_mark(p, end, wants_dash, is_odd, &found))
        goto done;
    least = _mm256_min_epi8(least, load(end - VECTOR));
    if (MT_UNLIKELY((end[-2] == '\r') != (end[-1] == '\n'))) {
        *is_odd = true;
        find_mark(end - AHEAD, end, wants_dash, is_odd, &found);
    }
done:
    *is_odd |= any(_mm256_cmpgt_epi8(_mm256_set1_epi8(CONTROL_END), least));
    return (size_t)(found - s.ptr);
}

AVX2 static size_t scan_for_dots(struct mt_span s, bool *is_odd)
{
    return scan_avx2(s, false, is_odd);
}

AVX2 static size_t scan_for_marks(struct mt_span s, bool *is_odd)
{
    return scan_avx2(s, true, is_odd);
}

static bool use_avx2(size_t size)
{
    return size >= VECTOR + AHEAD && __builtin_cpu_supports("avx2");
}

static size_t scan(struct mt_span s, bool wants_dash, bool *is_odd)
{
    if (!use_avx2(s.size))
        return scan_bytes(s, wants_dash, is_odd);
    return wants_dash ? scan_for_marks(s, is_odd) : scan_for_dots(s, is_odd);
}

static size_t count_vectors(struct mt_span s, struct mt_octets *octets)
{
    size_t vectors = use_avx2(s.size) ? (s.size - 1) / VECTOR : 0;

    if (vectors > 0)
        count_avx2(s.ptr + 1, vectors, octets);
    return vectors * VECTOR;
}

#else

static size_t scan(struct mt_span s, bool wants_dash, bool *is_odd)
{
    return scan_bytes(s, wants_dash, is_odd);
}

static size_t count_vectors(struct mt_span s, struct mt_octets *octets)
{
    (void)s;
    (void)octets;
    return 0;
}

#endif

void mt_octets_count(struct mt_span s, uint8_t before, struct mt_octets *octets)
{
    if (s.size == 0)
        return;
    count_one(before, s.ptr[0], octets);
    size_t done = 1 + count_vectors(s, octets);
    count_bytes(mt_span_from(s, done), s.ptr[done - 1], octets);
}

size_t mt_octets_scan(struct mt_span s, bool wants_dash, bool *is_odd)
{
    return s.size == 0 ? 0 : scan(s, wants_dash, is_odd);
}
