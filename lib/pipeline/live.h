/* A live run: threads that poll, the collector, and a handle for the thread that
 * controls them.
 *
 * With as many sources as workers each worker polls its own source to completion.
 * With one source and several workers a reader decodes and deals by symmetric
 * hash. The collector always has a thread of its own. No thread that polls ever
 * waits for another: what a full ring or a collector that is behind can't take is
 * dropped and counted (live.ring_full, export.shed, detect.observations_shed).
 *
 * Ownership: the caller's structs are borrowed until destroy; site and
 * thresholds are copied. Thread: every function from the control thread; sink
 * functions are called from the collector's. Limits: MT_WORKERS_MAX;
 * MT_LIVE_FRAMES_KEPT_MAX; 64 MiB of what workers have said and the collector
 * has not taken yet.
 */
#ifndef MT_PIPELINE_LIVE_H
#define MT_PIPELINE_LIVE_H

#include "pipeline/pipeline.h"

/* Frames that one worker may have in flight with one source and several workers:
 * the source's buffers must cover them, besides those that streams hold. */
#define MT_LIVE_FRAMES_KEPT_MAX 8192u

struct mt_live_config {
    struct mt_pipeline_config pipeline;
    uint64_t frames_max; /* --count: 0 is no limit. The run is done after that many frames */
};

/* What the rules about capturing itself look at. */
struct mt_live_health {
    uint64_t time;        /* packet time, ns */
    uint64_t frames;      /* handed to us, all ports, since the start */
    uint64_t lost;        /* of every cause, since the start */
    uint64_t lost_missed; /* of these, by cause */
    uint64_t lost_no_buffer;
    uint64_t lost_errors;
    uint64_t lost_ring_full;
    uint64_t lost_table_full;
};

struct mt_live;

/* Threads run when it returns 0; else -errno and a sentence. source_count is 1 or
 * the number of workers. The sink's transcript and record must be NULL. */
int mt_live_start(const struct mt_live_config *config, struct mt_capture *const *sources, size_t source_count,
                  const struct mt_pipeline_sink *sink, void *ctx, char *ret_reason, size_t reason_size,
                  struct mt_live **ret_live);

/* frames_max was reached, or every source has ended. */
bool mt_live_is_done(const struct mt_live *live);

/* Sums of all threads' counters as they are now. */
void mt_live_stats(const struct mt_live *live, struct mt_stats *ret_stats);

/* Frames that the sources handed over, and frames of which it is known what became
 * of them: filtered, rejected by name, not mail, a segment, part of a datagram,
 * lost to a full ring, unused. Equal, or a counter is missing. */
void mt_live_balance(const struct mt_stats *stats, uint64_t *ret_frames, uint64_t *ret_known);

/* Frames a worker has had, for the share of each. */
size_t mt_live_worker_frames(const struct mt_live *live, uint64_t *ret_frames, size_t count_max);

/* What threads and tables carry. Times are of threads that had something to do, ns
 * since the start; the rest is of now. */
struct mt_live_load {
    uint64_t worker_busy[MT_WORKERS_MAX];
    uint64_t reader_busy;
    uint64_t collector_busy;
    uint64_t sessions_max; /* in the tables of all workers */
    uint64_t memory;       /* bytes that open sessions keep */
    uint64_t memory_max;
    bool has_reader; /* a thread that polls for all workers */
};

void mt_live_load(struct mt_live *live, struct mt_live_load *ret_load);

/* Every thread that polls or works has got on since this was asked last, with or
 * without traffic. The collector is not asked: it may be in a sink that waits. */
bool mt_live_answers(struct mt_live *live);

/* Puts another site and other thresholds in force, between two bursts of each
 * thread. Returns when every worker has taken them, and the collector too, unless
 * it is in a sink: then it will when it comes out. Sessions that are open keep
 * what they have already judged. sigma: the rules from here on, with an evaluator for each worker,
 * taken over; NULL: none. 0, or -ENOMEM: the old ones stay. */
int mt_live_reload(struct mt_live *live, const struct mt_site *site, const struct mt_detect_config *detect,
                   struct mt_sigma *sigma);

/* Judged by the collector: capture_loss, capture_one_sided. */
void mt_live_health(struct mt_live *live, const struct mt_live_health *health);

/* The rules that were given last; NULL: none. Until the next reload. */
const struct mt_sigma *mt_live_rules(const struct mt_live *live);

/* For rules of category statistics, judged by the collector. False: those before have
 * not been taken yet, since the collector is in a sink; then give it a longer
 * interval later. */
bool mt_live_statistics(struct mt_live *live, const struct mt_sigma_statistics *statistics);

/* Ends polling once the sources are idle (call mt_ports_stop before) or, when
 * they don't become so, after MT_LIVE_DRAIN_MS; ends every session, waits for the
 * collector. grace_ms: how long a sink that does not take anything is waited for
 * before the rest is shed. When a sink function has not returned by then its
 * thread is left behind in it (ret_result->is_sink_stuck): the sink must neither
 * be used nor freed any more. */
#define MT_LIVE_DRAIN_MS 2000u
void mt_live_stop(struct mt_live *live, uint32_t grace_ms, struct mt_pipeline_result *ret_result);
void mt_live_destroy(struct mt_live *live);

#endif
