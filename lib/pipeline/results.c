#include "pipeline/results_priv.h"

#include "pipeline/parcel_priv.h"

#include <stdlib.h>

/* Entries follow each other in bytes[], each a multiple of 16. */
struct mt_block {
    struct mt_block *next;
    size_t size;
    size_t cap;
    size_t read; /* the collector's place */
    bool has_feeds;
    _Alignas(16) uint8_t bytes[];
};

enum kind {
    KIND_LINE,
    KIND_OBSERVATION,
    KIND_DOCUMENT,
    KIND_MATCH,
    KIND_FEED,
};

struct entry {
    uint64_t number;
    uint32_t size; /* of what follows, without padding */
    uint32_t kind;
};
MT_STATIC_ASSERT(sizeof(struct entry) == 16, "entries keep their alignment");

static size_t entry_space(size_t size)
{
    return (sizeof(struct entry) + size + 15) & ~(size_t)15;
}

static uint32_t units_of(size_t cap)
{
    return (uint32_t)((cap + MT_BLOCK_SIZE - 1) / MT_BLOCK_SIZE);
}

void mt_results_init(struct mt_results *results, struct mt_stats *stats, const struct mt_mark *now)
{
    memset(results, 0, sizeof(*results));
    results->stats = stats;
    results->now = now;
    results->head = UINT64_MAX;
}

static void blocks_free(struct mt_ring *ring)
{
    struct mt_block *block;
    while ((block = mt_ring_pop(ring)) != NULL)
        free(block);
}

void mt_results_fini(struct mt_results *results)
{
    blocks_free(&results->full);
    blocks_free(&results->empty);
    free(results->block);
    while (results->first) {
        struct mt_block *next = results->first->next;
        free(results->first);
        results->first = next;
    }
}

/* --- worker ---------------------------------------------------------------- */

static struct mt_block *block_make(struct mt_results *results, size_t need)
{
    size_t cap = need > MT_BLOCK_SIZE ? need : MT_BLOCK_SIZE;
    uint32_t units = units_of(cap);
    uint32_t now = atomic_load_explicit(&results->units, memory_order_relaxed);
    if (results->blocks_max && now + units > results->blocks_max)
        return NULL;
    struct mt_block *block = malloc(sizeof(*block) + cap);
    if (!block) {
        if (results->has_no_memory)
            atomic_store_explicit(results->has_no_memory, true, memory_order_relaxed);
        return NULL;
    }
    *block = (struct mt_block){.cap = cap};
    atomic_fetch_add_explicit(&results->units, units, memory_order_relaxed);
    return block;
}

static struct mt_block *block_get(struct mt_results *results, size_t need)
{
    struct mt_block *block = need > MT_BLOCK_SIZE ? NULL : mt_ring_pop(&results->empty);
    if (block) {
        block->size = 0;
        block->read = 0;
        block->has_feeds = false;
        block->next = NULL;
        return block;
    }
    return block_make(results, need);
}

/* Can anybody be waited for? */
static bool may_wait(const struct mt_results *results)
{
    return results->is_patient && !atomic_load_explicit(results->sheds, memory_order_relaxed);
}

static void watermark_raise(struct mt_results *results, uint64_t watermark)
{
    if (atomic_load_explicit(&results->watermark, memory_order_relaxed) < watermark)
        atomic_store_explicit(&results->watermark, watermark, memory_order_release);
}

/* Everything before the entry with this number has been handed over. To wait
 * without saying so would be to wait for a collector that waits for that. */
static struct mt_block *block_get_wait(struct mt_results *results, size_t need, uint64_t number)
{
    struct mt_block *block = block_get(results, need);
    uint32_t spins = 0;
    while (!block && results->blocks_max && may_wait(results)) {
        watermark_raise(results, number);
        mt_ring_pause(&spins);
        block = block_get(results, need);
    }
    return block;
}

/* With blocks_max there is always room: the ring holds more than may exist. */
static void block_push(struct mt_results *results)
{
    uint32_t spins = 0;
    while (!mt_ring_push(&results->full, results->block))
        mt_ring_pause(&spins);
    results->block = NULL;
}

/* Room for size bytes behind an entry header; NULL when there is none. */
static void *entry_add(struct mt_results *results, uint64_t number, size_t size, enum kind kind)
{
    size_t need = entry_space(size);
    if (results->block && need > results->block->cap - results->block->size)
        block_push(results);
    if (!results->block)
        results->block = block_get_wait(results, need, number);
    if (!results->block)
        return NULL;
    struct entry entry = {.number = number, .size = (uint32_t)size, .kind = kind};
    uint8_t *at = results->block->bytes + results->block->size;
    memcpy(at, &entry, sizeof(entry));
    results->block->size += need;
    return at + sizeof(entry);
}

static void put_bytes(struct mt_results *results, struct mt_span bytes, uint64_t number, enum kind kind)
{
    void *to = entry_add(results, number, bytes.size, kind);
    if (to)
        memcpy(to, bytes.ptr, bytes.size);
    else
        mt_stats_add(results->stats, MT_COUNTER_EXPORT_SHED, 1);
}

static void put_line(void *ctx, struct mt_span line, uint64_t number)
{
    put_bytes(ctx, line, number, KIND_LINE);
}

static void put_document(void *ctx, struct mt_span packed, uint64_t number)
{
    put_bytes(ctx, packed, number, KIND_DOCUMENT);
}

static void put_match(void *ctx, struct mt_span packed, uint64_t number)
{
    struct mt_results *results = ctx;
    void *to = entry_add(results, number, packed.size, KIND_MATCH);
    if (to)
        memcpy(to, packed.ptr, packed.size);
    else
        mt_stats_add(results->stats, MT_COUNTER_ALERTS_SHED, 1);
}

static void put_feed(void *ctx, struct mt_span packed, uint64_t number)
{
    struct mt_results *results = ctx;
    void *to = entry_add(results, number, packed.size, KIND_FEED);
    if (to) {
        memcpy(to, packed.ptr, packed.size);
        results->block->has_feeds = true;
    } else {
        mt_stats_add(results->stats, MT_COUNTER_CORRELATED_SHED, 1);
    }
}

/* Behind the time that its session was completed. */
static void put_observation(void *ctx, const struct mt_observation *observation, uint64_t completed)
{
    struct mt_results *results = ctx;
    size_t size = sizeof(completed) + mt_parcel_size(observation);
    uint8_t *to = entry_add(results, results->now->number, size, KIND_OBSERVATION);
    if (to) {
        memcpy(to, &completed, sizeof(completed));
        mt_parcel_pack(observation, to + sizeof(completed));
    } else {
        mt_stats_add(results->stats, MT_COUNTER_OBSERVATIONS_SHED, 1);
    }
}

const struct mt_worker_output mt_results_output = {
    .line = put_line,
    .observation = put_observation,
    .document = put_document,
    .match = put_match,
    .feed = put_feed,
};

void mt_results_say(struct mt_results *results, uint64_t watermark)
{
    if (results->block && results->block->size > 0) {
        bool is_behind = !mt_ring_is_empty(&results->full);
        if (is_behind && results->block->size < results->block->cap / 2)
            return;
        block_push(results);
    }
    watermark_raise(results, watermark);
    atomic_store_explicit(&results->time, results->now->time, memory_order_release);
}

void mt_results_end(struct mt_results *results)
{
    if (results->block)
        block_push(results);
    atomic_store_explicit(&results->watermark, UINT64_MAX, memory_order_release);
    atomic_store_explicit(&results->time, UINT64_MAX, memory_order_release);
}

/* --- collector ------------------------------------------------------------- */

static void block_return(struct mt_results *results, struct mt_block *block)
{
    if (block->cap == MT_BLOCK_SIZE && mt_ring_push(&results->empty, block))
        return;
    atomic_fetch_sub_explicit(&results->units, units_of(block->cap), memory_order_relaxed);
    free(block);
}

/* The number of the first entry that waits; blocks that were read go back. */
static void head_find(struct mt_results *results)
{
    while (results->first) {
        struct mt_block *block = results->first;
        if (block->read < block->size) {
            struct entry entry;
            memcpy(&entry, block->bytes + block->read, sizeof(entry));
            results->head = entry.number;
            return;
        }
        results->first = block->next;
        if (!results->first)
            results->last = NULL;
        block_return(results, block);
    }
    results->head = UINT64_MAX;
}

/* Feeds are put in the order of their own time, not of frames, so they need not
 * wait for other workers; and must not, or the correlator would think that a
 * worker's time says that all of its feeds are there. */
static void take_feeds(struct mt_collector *collector, const struct mt_block *block)
{
    for (size_t at = 0; at < block->size;) {
        struct entry entry;
        memcpy(&entry, block->bytes + at, sizeof(entry));
        if (entry.kind == KIND_FEED)
            mt_collector_feed(collector, mt_span(block->bytes + at + sizeof(entry), entry.size));
        at += entry_space(entry.size);
    }
}

static bool drain(struct mt_collector *collector, struct mt_results *results)
{
    struct mt_block *block;
    bool has_moved = false;
    while ((block = mt_ring_pop(&results->full)) != NULL) {
        block->next = NULL;
        if (results->last)
            results->last->next = block;
        else
            results->first = block;
        results->last = block;
        /* last: this thread may be lost in a sink meanwhile, and the block is not to be */
        if (block->has_feeds)
            take_feeds(collector, block);
        has_moved = true;
    }
    if (has_moved && results->head == UINT64_MAX)
        head_find(results);
    return has_moved;
}

static void take(struct mt_merge *merge, struct mt_results *results)
{
    struct mt_block *block = results->first;
    const uint8_t *bytes = block->bytes + block->read;
    struct entry entry;
    memcpy(&entry, bytes, sizeof(entry));
    bytes += sizeof(entry);
    block->read += entry_space(entry.size);
    if (entry.kind == KIND_OBSERVATION) {
        struct mt_observation *observation = &merge->collector->observation;
        uint64_t completed;
        memcpy(&completed, bytes, sizeof(completed));
        if (!mt_collector_is_shedding(merge->collector))
            mt_parcel_unpack(bytes + sizeof(completed), observation);
        mt_collector_observe(merge->collector, observation, completed);
    } else if (entry.kind == KIND_MATCH) {
        mt_collector_match(merge->collector, mt_span(bytes, entry.size));
    } else if (entry.kind == KIND_FEED) {
        /* has been taken */
    } else if (entry.kind == KIND_DOCUMENT) {
        mt_collector_document(merge->collector, mt_span(bytes, entry.size));
    } else {
        mt_collector_line(merge->collector, mt_span(bytes, entry.size));
    }
    head_find(results);
}

/* Entries of the worker that is first, as long as it is; of equal numbers (which
 * only the end of a run has) the first worker's go first. */
static bool take_first(struct mt_merge *merge, uint64_t watermark)
{
    struct mt_results *first = NULL;
    uint64_t limit = watermark; /* another worker's head, or how far everybody has come */
    for (uint32_t i = 0; i < merge->count; i++) {
        struct mt_results *results = merge->results[i];
        if (results->head > watermark || !results->first)
            continue;
        if (!first) {
            first = results;
        } else if (results->head < first->head) {
            limit = mt_min_u64(limit, first->head - 1);
            first = results;
        } else {
            limit = mt_min_u64(limit, results->head);
        }
    }
    if (!first)
        return false;
    do
        take(merge, first);
    while (first->first && first->head <= limit);
    return true;
}

bool mt_merge_step(struct mt_merge *merge)
{
    uint64_t watermark = UINT64_MAX;
    uint64_t time = UINT64_MAX;
    bool has_moved = false;
    /* first how far they are, then what they have sent: so nothing of it is missing. And
     * first the time, which is said last: findings of before it are made below, of what
     * the watermark covers, and must be with the correlator when it hears the time */
    for (uint32_t i = 0; i < merge->count; i++) {
        const struct mt_results *results = merge->results[i];
        time = mt_min_u64(time, atomic_load_explicit(&results->time, memory_order_acquire));
        watermark = mt_min_u64(watermark, atomic_load_explicit(&results->watermark, memory_order_acquire));
    }
    for (uint32_t i = 0; i < merge->count; i++)
        has_moved |= drain(merge->collector, merge->results[i]);
    while (take_first(merge, watermark))
        has_moved = true;
    if (time != UINT64_MAX)
        mt_collector_advance(merge->collector, time);
    return has_moved;
}

void mt_merge_take_over(struct mt_merge *merge)
{
    for (uint32_t i = 0; i < merge->count; i++)
        head_find(merge->results[i]);
}

bool mt_merge_is_done(const struct mt_merge *merge)
{
    for (uint32_t i = 0; i < merge->count; i++) {
        const struct mt_results *results = merge->results[i];
        if (atomic_load_explicit(&results->watermark, memory_order_acquire) != UINT64_MAX ||
            !mt_ring_is_empty(&results->full) || results->first)
            return false;
    }
    return true;
}
