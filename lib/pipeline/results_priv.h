/* What a worker has to say, on its way to the collector: lines and observations
 * in blocks, and a watermark. Shared by the file run and the live run.
 *
 * A watermark says: everything up to this frame number has been handed over. The
 * collector merges what all workers have said up to the least of them, in the
 * order of numbers.
 *
 * Ownership: a block belongs to the worker that fills it, then to the collector,
 * which gives it back. Thread: one worker, one collector. Limits: with blocks_max
 * (live) the worker never waits: what finds no block is dropped and counted
 * (export.shed, detect.observations_shed). Without it (files) nothing is lost:
 * blocks are bounded by the batches in flight, and MT_RING_SIZE of them that a
 * sink does not take make the worker wait.
 */
#ifndef MT_PIPELINE_RESULTS_PRIV_H
#define MT_PIPELINE_RESULTS_PRIV_H

#include "pipeline/collector_priv.h"
#include "pipeline/ring_priv.h"

#define MT_BLOCK_SIZE ((size_t)128 << 10)

/* All blocks of a live run: 64 MiB; what one worker may have of them fits its rings. */
#define MT_LIVE_BLOCKS 512u
#define MT_LIVE_BLOCKS_LEAST 8u

struct mt_block;

struct mt_results {
    struct mt_ring full;  /* blocks, worker to collector */
    struct mt_ring empty; /* and back */
    _Alignas(MT_CACHE_LINE) _Atomic uint64_t watermark;
    _Atomic uint64_t time;  /* of packets, up to which the wheel has been turned and all is handed over */
    _Atomic uint32_t units; /* blocks that exist, larger ones by their multiple of MT_BLOCK_SIZE */
    /* the worker's */
    _Alignas(MT_CACHE_LINE) struct mt_stats *stats;
    const struct mt_mark *now; /* the worker's packet in hand: what an observation belongs to */
    struct mt_block *block;
    uint32_t blocks_max;         /* 0: no limit */
    bool is_patient;             /* waits for a block: polling is over */
    const _Atomic bool *sheds;   /* with is_patient: nobody is going to take anything */
    _Atomic bool *has_no_memory; /* without blocks_max: told when a block could not be had */
    /* the collector's */
    _Alignas(MT_CACHE_LINE) struct mt_block *first;
    struct mt_block *last;
    uint64_t head; /* number of the first entry that waits; UINT64_MAX: none does */
};

/* The outputs of a worker whose context is a struct mt_results. */
extern const struct mt_worker_output mt_results_output;

void mt_results_init(struct mt_results *results, struct mt_stats *stats, const struct mt_mark *now);
void mt_results_fini(struct mt_results *results);

/* Hands over what there is and says how far the worker has come; or, while the
 * collector is behind, goes on gathering. To be said again when idle. */
void mt_results_say(struct mt_results *results, uint64_t watermark);

/* The last words. */
void mt_results_end(struct mt_results *results);

/* --- the collector's side --------------------------------------------------- */

struct mt_merge {
    struct mt_collector *collector;
    struct mt_results **results;
    uint32_t count;
};

/* Takes what has come and merges what can be. False: there was nothing. */
bool mt_merge_step(struct mt_merge *merge);

/* Another thread goes on where the one before was lost in a sink. */
void mt_merge_take_over(struct mt_merge *merge);

/* All workers have said their last words, and nothing waits. */
bool mt_merge_is_done(const struct mt_merge *merge);

#endif
