/* Named counters: one list (stats/counters.def), one block per thread, one
 * reader that sums.
 *
 * Ownership: a block belongs to the thread that counts in it; whoever made the
 * thread owns the memory. Thread: one writer per block, any number of readers
 * (relaxed atomics, so a reader may see one counter ahead of another).
 * Limits: 64-bit counters do not wrap in practice.
 */
#ifndef MT_STATS_STATS_H
#define MT_STATS_STATS_H

#include "base/compiler.h"

#include <stdatomic.h>

enum mt_counter {
#define MT_COUNTER(name, text, meaning) MT_COUNTER_##name,
#include "stats/counters.def"
#undef MT_COUNTER
    /* one counter per reject reason of packet decoding follows the list */
    MT_COUNTER_REJECT_FIRST,
    MT_COUNTER_REJECT_LAST = MT_COUNTER_REJECT_FIRST + 47,
    MT_COUNTER_COUNT,
};

struct mt_stats {
    _Alignas(MT_CACHE_LINE) _Atomic uint64_t counter[MT_COUNTER_COUNT];
};

static inline void mt_stats_add(struct mt_stats *stats, enum mt_counter counter, uint64_t n)
{
    uint64_t now = atomic_load_explicit(&stats->counter[counter], memory_order_relaxed);
    atomic_store_explicit(&stats->counter[counter], now + n, memory_order_relaxed);
}

static inline uint64_t mt_stats_get(const struct mt_stats *stats, enum mt_counter counter)
{
    return atomic_load_explicit(&stats->counter[counter], memory_order_relaxed);
}

/* Adds every counter of from to into; into has one writer, the caller. */
void mt_stats_sum(struct mt_stats *into, const struct mt_stats *from);

/* Names of the listed counters; NULL for the reject range, whose names the
 * packet module knows. */
const char *mt_counter_name(enum mt_counter counter);
const char *mt_counter_meaning(enum mt_counter counter);

#endif
