#include "pipeline/threads_priv.h"

#include "pipeline/lane_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define ROUND_FRAMES 2048u /* frames dealt between two looks at every worker */

struct threads {
    struct mt_lane **lanes;
    uint32_t lane_count;
    struct mt_merge merge;
    pthread_t collector_thread;
    bool is_collector_started;
    _Atomic bool has_no_memory;
    uint64_t seed;
};

static void *collector_main(void *arg)
{
    struct mt_merge *merge = arg;
    uint32_t spins = 0;
    pthread_setname_np(pthread_self(), "collector");
    while (!mt_merge_is_done(merge)) {
        if (mt_merge_step(merge))
            spins = 0;
        else
            mt_ring_pause(&spins);
    }
    return NULL;
}

static bool is_stopped(const struct mt_pipeline_config *config)
{
    return config->stop && atomic_load_explicit(config->stop, memory_order_relaxed);
}

/* Every round tells every worker how far the run has come, so that no watermark
 * stands still. */
static void deal_all(struct threads *t, const struct mt_pipeline_config *config, struct mt_capture *capture,
                     struct mt_front *front, struct mt_pipeline_result *result)
{
    struct mt_dealer dealer = {.front = front,
                               .capture = capture,
                               .lanes = t->lanes,
                               .lane_count = t->lane_count,
                               .may_wait = true,
                               .seed = t->seed};
    struct mt_frame frames[MT_BURST_MAX];
    struct mt_mark last = {0};
    bool is_end = false;
    uint32_t since_round = 0;
    while (!is_end && !is_stopped(config)) {
        size_t count = capture->ops->burst(capture, frames, MT_BURST_MAX, &is_end);
        if (count == 0) {
            capture->ops->release(capture);
            continue;
        }
        mt_deal_burst(&dealer, frames, count);
        if (result->first_time == 0)
            result->first_time = frames[0].mark.time;
        last = frames[count - 1].mark;
        since_round += (uint32_t)count;
        if (since_round >= ROUND_FRAMES) {
            since_round = 0;
            mt_deal_send(&dealer, true);
            mt_deal_say(&dealer, &last);
        }
    }
    result->last_time = last.time;
    mt_deal_end(&dealer, &last);
}

/* --- setting up ------------------------------------------------------------ */

static int lanes_create(struct threads *t, const struct mt_pipeline_config *config,
                        struct mt_capture *capture, struct mt_collector *collector)
{
    t->lanes = calloc(t->lane_count, sizeof(struct mt_lane *));
    t->merge = (struct mt_merge){.collector = collector, .count = t->lane_count};
    t->merge.results = calloc(t->lane_count, sizeof(struct mt_results *));
    int rc = t->lanes && t->merge.results ? 0 : -ENOMEM;
    if (rc == 0 && getrandom(&t->seed, sizeof(t->seed), 0) != (ssize_t)sizeof(t->seed))
        rc = -errno;
    for (uint32_t i = 0; rc == 0 && i < t->lane_count; i++) {
        struct mt_lane_config lane_config = {.pipeline = config,
                                             .sink = collector->sink,
                                             .sink_ctx = collector->sink_ctx,
                                             .capture = capture,
                                             .index = i,
                                             .has_batches = true};
        rc = mt_lane_create(&lane_config, &t->lanes[i]);
        if (rc != 0)
            break;
        t->lanes[i]->results.has_no_memory = &t->has_no_memory;
        t->merge.results[i] = &t->lanes[i]->results;
    }
    return rc;
}

static int threads_start(struct threads *t)
{
    for (uint32_t i = 0; i < t->lane_count; i++) {
        struct mt_lane *lane = t->lanes[i];
        lane->is_started = pthread_create(&lane->thread, NULL, mt_lane_main, lane) == 0;
        if (!lane->is_started)
            return -EAGAIN;
    }
    t->is_collector_started = pthread_create(&t->collector_thread, NULL, collector_main, &t->merge) == 0;
    return t->is_collector_started ? 0 : -EAGAIN;
}

/* Waits for the threads that run. When not all could be started they have
 * nothing to do but end. */
static void threads_join(struct threads *t)
{
    for (uint32_t i = 0; i < t->lane_count; i++) {
        struct mt_lane *lane = t->lanes[i];
        atomic_store_explicit(&lane->is_ending, true, memory_order_release);
        if (lane->is_started)
            pthread_join(lane->thread, NULL);
    }
    if (t->is_collector_started)
        pthread_join(t->collector_thread, NULL);
}

static void result_add(struct mt_pipeline_result *result, const struct mt_worker *worker)
{
    mt_stats_sum(&result->stats, &worker->stats);
    mt_tally_merge(&result->tally, worker->tally);
}

static void judge_statistics(const struct threads *t, const struct mt_capture *capture,
                             struct mt_collector *collector, const struct mt_pipeline_result *result)
{
    struct mt_stats sum = {.counter = {0}};
    mt_stats_sum(&sum, capture->stats);
    for (uint32_t i = 0; i < t->lane_count; i++)
        mt_stats_sum(&sum, &t->lanes[i]->worker->stats);
    mt_collector_run_statistics(collector, result, &sum);
}

int mt_threads_run(const struct mt_pipeline_config *config, struct mt_capture *capture,
                   struct mt_front *front, struct mt_collector *collector, struct mt_pipeline_result *result)
{
    struct threads t = {.lane_count = config->workers};
    int rc = lanes_create(&t, config, capture, collector);
    if (rc == 0) {
        rc = threads_start(&t);
        if (rc == 0)
            deal_all(&t, config, capture, front, result);
        threads_join(&t);
        if (rc == 0 && collector->statistics_rules)
            judge_statistics(&t, capture, collector, result);
        mt_collector_end(collector);
        mt_collector_flush(collector);
    }
    memset(&result->tally, 0, sizeof(result->tally));
    for (uint32_t i = 0; t.lanes && i < t.lane_count; i++) {
        if (rc == 0)
            result_add(result, t.lanes[i]->worker);
        mt_lane_destroy(t.lanes[i]);
    }
    free(t.merge.results);
    free(t.lanes);
    return rc == 0 && atomic_load(&t.has_no_memory) ? -ENOMEM : rc;
}
