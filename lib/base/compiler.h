/* Compiler vocabulary shared by every module: branch hints, prefetch, layout
 * assertions.
 *
 * Ownership: none. Thread: any. Limits: gcc 12 or clang 14 and later.
 */
#ifndef MT_BASE_COMPILER_H
#define MT_BASE_COMPILER_H

#include <stddef.h>
#include <stdint.h>

#define MT_LIKELY(x) __builtin_expect(!!(x), 1)
#define MT_UNLIKELY(x) __builtin_expect(!!(x), 0)
#define MT_PREFETCH(p) __builtin_prefetch((p), 1, 3)
#define MT_PREFETCH_READ(p) __builtin_prefetch((p), 0, 3)
#define MT_NOINLINE __attribute__((noinline))
#define MT_COLD __attribute__((noinline, cold))
#define MT_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define MT_CACHE_LINE 64
#define MT_ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define MT_STATIC_ASSERT(cond, why) _Static_assert(cond, why)

/* Frames handled between two looks at anything else; DPDK's usual burst. */
#define MT_BURST_MAX 32

static inline uint64_t mt_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t mt_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
