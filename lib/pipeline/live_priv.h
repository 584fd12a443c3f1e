/* What the files of a live run share: live.c is the control thread's side,
 * live_threads.c the threads that it starts.
 *
 * Ownership: the run owns everything here but sources and sink. Thread: members
 * say whose. Limits: see live.h.
 */
#ifndef MT_PIPELINE_LIVE_PRIV_H
#define MT_PIPELINE_LIVE_PRIV_H

#include "pipeline/lane_priv.h"

#define MT_HEALTH_SLOTS 8u

/* A thread that polls a source: a worker, or the reader. */
struct mt_poller {
    struct mt_live *live;
    struct mt_capture *capture;
    struct mt_front front;
    struct mt_lane *lane; /* NULL: it is a reader */
    struct mt_dealer dealer;
    struct mt_mark last;   /* frame, or time that an idle source has come to */
    uint64_t said;         /* number that lanes were told last */
    _Atomic uint64_t beat; /* without a lane: turns of its loop */
    struct mt_busy busy;   /* without a lane */
    uint32_t index;
    bool has_front;
    struct mt_stray_box *strays; /* NULL: none can come */
    pthread_t thread;
    bool is_started;
};

struct mt_live {
    struct mt_pipeline_config config;
    const struct mt_pipeline_sink *sink;
    struct mt_rules_set rules;
    struct mt_poller *pollers;
    uint32_t poller_count;
    struct mt_lane **lanes;
    uint32_t lane_count;
    struct mt_strays *strays; /* NULL: one poller */
    struct mt_merge merge;
    struct mt_collector *collector;
    struct mt_rules_user collector_rules;
    pthread_t collector_thread;
    bool is_collector_started;
    bool is_collector_lost;
    bool is_stopped;
    uint64_t frames_max;
    uint64_t poller_beats[MT_WORKERS_MAX]; /* when mt_live_answers was asked last */
    uint64_t lane_beats[MT_WORKERS_MAX];
    struct mt_live_load load; /* as mt_live_load gave it last */
    uint64_t load_ticks[MT_WORKERS_MAX + 2];
    uint64_t load_time; /* CLOCK_MONOTONIC, ns */
    uint64_t load_tick;
    struct mt_busy collector_busy;
    /* control to the others */
    _Alignas(MT_CACHE_LINE) _Atomic bool is_ending; /* end when idle */
    _Atomic bool is_forced;                         /* end now */
    /* the others to control and to each other */
    _Atomic uint32_t polling; /* pollers that are not done yet */
    _Atomic uint32_t ended;   /* sources that are at their end */
    _Atomic bool is_collected;
    _Atomic uint64_t first_time; /* 0: no frame yet */
    _Atomic uint64_t last_time;
    _Atomic uint64_t last_number;
    /* --count */
    _Alignas(MT_CACHE_LINE) _Atomic uint64_t frames_left; /* that nobody has laid claim to */
    _Atomic uint64_t frames_taken;
    /* control to collector */
    _Alignas(MT_CACHE_LINE) struct mt_live_health health[MT_HEALTH_SLOTS];
    _Atomic uint32_t health_head;
    _Atomic uint32_t health_tail;
    struct mt_sigma_statistics statistics;
    _Atomic bool has_statistics;
};

void *mt_live_poller_main(void *poller);
void *mt_live_collector_main(void *live);

#endif
