/* The flow table's insides, shared by its files.
 *
 * A bucket is one cache line: eight 16-bit tags, then the eight line numbers
 * they stand for. A flow lives in its home bucket or, when that is full, in one
 * of the next few; how many flows went past a bucket is counted in it, so a
 * search goes on only where something is to be found. Buckets are sized for
 * half load: one in fifty overflows when the table is full. A bit for each bucket
 * says whether anything is in it or went past it, so that the SYNs of strangers,
 * who are everywhere in the index, leave it alone where it is empty.
 *
 * Lines are one region, reached by number. Line numbers are given out from the
 * bottom, last returned first, so memory in use follows flows in use.
 *
 * Ownership: see flow.h. Thread: one. Limits: MT_FLOW_PROBE_MAX buckets a
 * search; MT_FLOW_EXAMINE_MAX lines a turn of the wheel.
 */
#ifndef MT_FLOW_FLOW_PRIV_H
#define MT_FLOW_FLOW_PRIV_H

#include "flow/flow.h"

#define MT_FLOW_WAYS 8
#define MT_FLOW_LOAD 4 /* flows a bucket holds on average when the table is full */
#define MT_FLOW_PROBE_MAX 8
#define MT_FLOW_NONE UINT32_MAX

/* Wheel slots of 2^6 ticks, 67 ms each, cover four and a half minutes: short, so
 * that connections that have ended do not all come at once and find nothing of
 * theirs in the cache; what is due later is looked at again. */
#define MT_FLOW_SLOT_SHIFT 6
#define MT_FLOW_SLOTS 4096
#define MT_FLOW_EXAMINE_MAX 256
#define MT_FLOW_TICK_SHIFT 20
#define MT_FLOW_TIMEOUT_SHIFT 10 /* timeouts are kept in units of 2^10 ticks */
#define MT_FLOW_NO_BASE UINT64_MAX

struct mt_flow_bucket {
    _Alignas(MT_CACHE_LINE) uint64_t tags[2]; /* eight tags of 16 bits; 0: free */
    uint32_t line[MT_FLOW_WAYS];
    uint32_t passed; /* flows that wanted in here or earlier and live further on */
    uint32_t spare[3];
};
MT_STATIC_ASSERT(sizeof(struct mt_flow_bucket) == MT_CACHE_LINE, "a look-up reads one line of the index");

#define MT_EMBRYO_WAYS 8

/* What there is to know of a set of embryos (embryo.c). */
struct mt_embryo_prints {
    _Alignas(MT_CACHE_LINE / 2) uint16_t tag[MT_EMBRYO_WAYS]; /* 0: free */
    uint16_t age[MT_EMBRYO_WAYS];
};
MT_STATIC_ASSERT(sizeof(struct mt_embryo_prints) == MT_CACHE_LINE / 2, "two sets a line");

struct mt_flow_table {
    struct mt_flow *lines;
    struct mt_flow_bucket *buckets;
    uint64_t *buckets_used;    /* a bit a bucket */
    uint32_t *wheel_prev;      /* per line: the line before it in its slot, or WHEEL_HEAD | slot */
    struct mt_embryo *embryos; /* sets of MT_EMBRYO_WAYS */
    struct mt_embryo_prints *embryo_prints;
    struct mt_stats *stats;
    uint64_t seed;
    uint64_t base;       /* time of tick 0; MT_FLOW_NO_BASE until the first flow */
    uint64_t wheel_slot; /* the next one to be turned over, counted from tick 0 */
    uint32_t bucket_count;
    uint32_t bucket_max;
    uint32_t bucket_shift; /* bucket_count is about bucket_max >> bucket_shift (grow.c) */
    uint32_t flows_max;
    uint32_t line_high; /* lines ever used */
    uint32_t line_free; /* first of the returned ones, linked by key.word[0] */
    uint32_t count;
    uint32_t added;                /* flows ever; wraps */
    uint32_t embryo_set_count;     /* a power of two */
    uint32_t embryo_set_max;       /* so is this */
    uint32_t wheel[MT_FLOW_SLOTS]; /* first line of each slot */
};

/* key_of leaves no key with word[1] == 0. */
static inline bool mt_flow_is_used(const struct mt_flow *flow)
{
    return flow->key.word[1] != 0;
}

static inline uint32_t mt_flow_number(const struct mt_flow_table *table, const struct mt_flow *flow)
{
    return (uint32_t)(flow - table->lines);
}

static inline uint64_t mt_flow_tick(const struct mt_flow_table *table, uint64_t now)
{
    return now > table->base ? (now - table->base) >> MT_FLOW_TICK_SHIFT : 0;
}

/* The first tick at which the flow is expired. */
static inline uint64_t mt_flow_deadline(const struct mt_flow *flow)
{
    return (uint64_t)flow->last_seen + ((uint64_t)flow->timeout << MT_FLOW_TIMEOUT_SHIFT) + 1;
}

/* Moves tick 0 forward when now is past what 32 bits hold (52 days), so that no
 * time that is stored ever wraps. */
void mt_flow_wheel_rebase(struct mt_flow_table *table, uint64_t now);

/* The tick of now, as it is stored. */
static inline uint32_t mt_flow_clock(struct mt_flow_table *table, uint64_t now)
{
    if (MT_UNLIKELY(mt_flow_tick(table, now) > UINT32_MAX))
        mt_flow_wheel_rebase(table, now);
    return (uint32_t)mt_flow_tick(table, now);
}

/* Its home bucket or one of the next; false when all these are full. */
bool mt_flow_index_insert(struct mt_flow_table *table, uint64_t hash, uint32_t line);

/* Both tables begin small or, for a long run, at their full size. A larger one is
 * made in its place; false when it is as large as it may be. */
void mt_flow_grow_init(struct mt_flow_table *table, bool is_whole);
bool mt_flow_grow_index(struct mt_flow_table *table);
bool mt_flow_grow_embryos(struct mt_flow_table *table);

void mt_flow_wheel_insert(struct mt_flow_table *table, struct mt_flow *flow);
void mt_flow_wheel_unlink(struct mt_flow_table *table, struct mt_flow *flow);

#endif
