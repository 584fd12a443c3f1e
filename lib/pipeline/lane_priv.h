/* A worker with a thread of its own that is dealt frames by another thread: by
 * the reader of files, which waits when a worker is behind, or by the reader of a
 * port, which never does.
 *
 * The dealer does the least there is to do: it looks at the two ends of a frame,
 * and passes the frame; the worker decodes it.
 *
 * Ownership: a batch passes from dealer to worker and back; with a source that
 * has give_back its frames go back from the worker. Thread: dealer and worker as
 * named. Limits: MT_BATCHES of MT_BATCH_FRAMES in flight per worker.
 */
#ifndef MT_PIPELINE_LANE_PRIV_H
#define MT_PIPELINE_LANE_PRIV_H

#include "pipeline/front_priv.h"
#include "pipeline/live.h"
#include "pipeline/results_priv.h"
#include "pipeline/rules_priv.h"

#include <pthread.h>

#define MT_BATCH_FRAMES 128u
#define MT_BATCHES 64u
MT_STATIC_ASSERT(MT_BATCHES <= MT_RING_SIZE, "every batch finds room in its ring");
MT_STATIC_ASSERT(MT_BATCHES *MT_BATCH_FRAMES == MT_LIVE_FRAMES_KEPT_MAX, "as live.h says");

struct mt_batch {
    uint32_t count;
    uint32_t owned_count;
    struct mt_frame frames[MT_BATCH_FRAMES];
    void *owned[MT_BATCH_FRAMES]; /* memory behind frames whose bytes would not stay */
};

/* How long a thread had something to do, in ticks of the processor's counter: a
 * look at it each turn of its loop. One writer. */
struct mt_busy {
    _Atomic uint64_t ticks;
    uint64_t turn; /* when the last turn ended */
};

/* At the end of a turn; in one that was not idle there was something to do. */
static inline void mt_busy_turn(struct mt_busy *busy, bool is_idle)
{
    uint64_t now = __builtin_ia32_rdtsc();
    if (!is_idle)
        atomic_store_explicit(&busy->ticks,
                              atomic_load_explicit(&busy->ticks, memory_order_relaxed) + (now - busy->turn),
                              memory_order_relaxed);
    busy->turn = now;
}

struct mt_lane {
    struct mt_results results;
    /* dealer and worker */
    struct mt_ring todo;                                   /* batches, dealer to worker */
    struct mt_ring free;                                   /* and back when done */
    _Alignas(MT_CACHE_LINE) _Atomic uint64_t dealt_number; /* all frames up to here are in todo or done */
    _Atomic uint64_t dealt_time;
    _Atomic uint64_t dealt_round; /* of offers: all that is older is in todo or done */
    _Atomic bool is_ending;       /* nothing will come after what is in todo */
    /* dealer */
    _Alignas(MT_CACHE_LINE) struct mt_batch *filling;
    struct mt_batch *batches;
    _Atomic uint64_t frames; /* that this worker has been given */
    pthread_t thread;
    bool is_started;
    /* worker */
    _Alignas(MT_CACHE_LINE) struct mt_worker *worker;
    struct mt_capture *capture;
    int index;
    uint64_t seen;         /* number that the worker has come to */
    _Atomic uint64_t beat; /* turns of its loop, for mt_live_answers */
    struct mt_busy busy;
    _Atomic uint64_t memory; /* bytes that its sessions keep */
    struct mt_rules_user rules;
};

struct mt_lane_config {
    const struct mt_pipeline_config *pipeline;
    const struct mt_pipeline_sink *sink;
    void *sink_ctx;
    struct mt_capture *capture;
    uint32_t index;
    bool has_batches; /* it is dealt to; else it polls itself */
};

int mt_lane_create(const struct mt_lane_config *config, struct mt_lane **ret_lane);
void mt_lane_destroy(struct mt_lane *lane);

/* The thread of a worker that is dealt to: until is_ending, and all is done. */
void *mt_lane_main(void *lane);

/* The calling thread gets on: one writer. */
static inline void mt_beat(_Atomic uint64_t *beat)
{
    atomic_store_explicit(beat, atomic_load_explicit(beat, memory_order_relaxed) + 1, memory_order_relaxed);
}

/* Between two bursts of the worker: rules that were published are taken, and it
 * is known that it gets on. */
void mt_lane_take_rules(struct mt_lane *lane);

/* At the end of a turn of the worker's loop. */
void mt_lane_turn(struct mt_lane *lane, bool is_idle);

/* Ends the worker's sessions and says the last words. */
void mt_lane_finish(struct mt_lane *lane, const struct mt_mark *now);

/* --- dealer ---------------------------------------------------------------- */

/* What a burst said of names, until it is dealt. */
struct mt_deal_answer {
    struct mt_deal_answer *next;
    size_t frame; /* its place in the burst */
    struct mt_dns_answer answer;
};

struct mt_deal_answers {
    struct mt_deal_answer *first;
    struct mt_deal_answer *last;
    size_t frame; /* that is looked at */
};

struct mt_dealer {
    struct mt_front *front;
    struct mt_capture *capture;
    struct mt_lane **lanes;
    uint32_t lane_count;
    bool may_wait;
    uint64_t seed;
    uint64_t round; /* of offers, of the last frame */
    uint64_t round_end;
    struct mt_mark last; /* frame of the burst before */
    struct mt_deal_answers answers;
};

/* Deals a burst out, and releases it (or keeps it, and gives back what nobody
 * wants). */
void mt_deal_burst(struct mt_dealer *dealer, const struct mt_frame *frames, size_t count);

/* Sends batches that are not full: to all, or to those workers that have nothing
 * to do. */
void mt_deal_send(struct mt_dealer *dealer, bool to_all);

/* Tells every worker for which nothing waits here how far the run has come, so
 * that none stands still. */
void mt_deal_say(struct mt_dealer *dealer, const struct mt_mark *now);

/* The end: the rest is sent, and workers end when they have done it. */
void mt_deal_end(struct mt_dealer *dealer, const struct mt_mark *now);

#endif
