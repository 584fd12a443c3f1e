#include "pipeline/live_priv.h"

#include "pipeline/pipeline_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

static uint64_t clock_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static uint64_t clock_ms(void)
{
    return clock_ns() / 1000000;
}

static void nap(void)
{
    struct timespec time = {.tv_nsec = 500000};
    nanosleep(&time, NULL);
}

/* --- setting up -------------------------------------------------------------- */

static int refuse(char *ret_reason, size_t reason_size, int rc, const char *what)
{
    snprintf(ret_reason, reason_size, "%s: %s", what, strerror(-rc));
    return rc;
}

/* NULL, or what is wrong. */
static const char *check(const struct mt_pipeline_config *config, size_t source_count,
                         const struct mt_pipeline_sink *sink)
{
    if (config->workers > MT_WORKERS_MAX)
        return "too many workers";
    if (source_count != 1 && source_count != config->workers)
        return "there must be one source, or one for each worker";
    if (sink->transcript || sink->record)
        return "a live run has neither transcripts nor single records";
    return NULL;
}

static int lane_create(struct mt_live *live, uint32_t index, struct mt_capture *capture)
{
    uint32_t share = MT_LIVE_BLOCKS / live->lane_count;
    struct mt_lane_config config = {.pipeline = &live->config,
                                    .sink = live->sink,
                                    .sink_ctx = live->collector->sink_ctx,
                                    .capture = capture,
                                    .index = index,
                                    .has_batches = live->poller_count < live->lane_count};
    int rc = mt_lane_create(&config, &live->lanes[index]);
    if (rc != 0)
        return rc;
    struct mt_lane *lane = live->lanes[index];
    if (share < MT_LIVE_BLOCKS_LEAST)
        share = MT_LIVE_BLOCKS_LEAST;
    lane->results.blocks_max = share < MT_RING_SIZE ? share : MT_RING_SIZE - 1;
    lane->results.sheds = &live->collector->sheds;
    lane->rules.set = &live->rules;
    mt_rules_taken(&lane->rules, live->rules.newest);
    live->merge.results[index] = &lane->results;
    return 0;
}

static int poller_create(struct mt_live *live, uint32_t index, struct mt_capture *capture)
{
    struct mt_poller *poller = &live->pollers[index];
    *poller = (struct mt_poller){.live = live, .capture = capture, .index = index};
    int rc = mt_front_init(&poller->front, &live->config, capture->stats);
    if (rc != 0)
        return rc;
    poller->has_front = true;
    if (live->poller_count == live->lane_count) {
        poller->lane = live->lanes[index];
        poller->strays = live->strays ? &live->strays->boxes[index] : NULL;
        poller->front.strays = live->strays;
        poller->front.stray_box = index;
        return 0;
    }
    poller->dealer = (struct mt_dealer){
        .front = &poller->front, .capture = capture, .lanes = live->lanes, .lane_count = live->lane_count};
    uint64_t *seed = &poller->dealer.seed;
    return getrandom(seed, sizeof(*seed), 0) == (ssize_t)sizeof(*seed) ? 0 : -errno;
}

static int rooms_create(struct mt_live *live, struct mt_capture *const *sources,
                        const struct mt_pipeline_sink *sink, void *ctx)
{
    live->lanes = calloc(live->lane_count, sizeof(*live->lanes));
    live->pollers = calloc(live->poller_count, sizeof(*live->pollers));
    live->merge.results = calloc(live->lane_count, sizeof(*live->merge.results));
    if (!live->lanes || !live->pollers || !live->merge.results)
        return -ENOMEM;
    live->strays = live->poller_count > 1 ? mt_strays_create(live->poller_count) : NULL;
    if (live->poller_count > 1 && !live->strays)
        return -ENOMEM;
    int rc = mt_offers_board_create(live->lane_count, &live->config.offers);
    if (rc == 0)
        rc = mt_rules_publish(&live->rules, live->config.site, &live->config.detect, NULL);
    if (rc != 0)
        return rc;
    live->config.site = &live->rules.newest->site;
    live->collector_rules.set = &live->rules;
    mt_rules_taken(&live->collector_rules, live->rules.newest);
    rc = mt_collector_create(&live->config, sink, ctx, &live->collector);
    if (rc == 0)
        live->collector->may_be_lost = true;
    live->merge.collector = live->collector;
    live->merge.count = live->lane_count;
    for (uint32_t i = 0; rc == 0 && i < live->lane_count; i++)
        rc = lane_create(live, i, sources[live->poller_count == 1 ? 0 : i]);
    for (uint32_t i = 0; rc == 0 && i < live->poller_count; i++)
        rc = poller_create(live, i, sources[i]);
    return rc;
}

static int threads_start(struct mt_live *live)
{
    atomic_store(&live->polling, live->poller_count);
    live->is_collector_started =
        pthread_create(&live->collector_thread, NULL, mt_live_collector_main, live) == 0;
    if (!live->is_collector_started)
        return -EAGAIN;
    for (uint32_t i = 0; i < live->lane_count && live->lanes[i]->batches; i++) {
        struct mt_lane *lane = live->lanes[i];
        lane->is_started = pthread_create(&lane->thread, NULL, mt_lane_main, lane) == 0;
        if (!lane->is_started)
            return -EAGAIN;
    }
    for (uint32_t i = 0; i < live->poller_count; i++) {
        struct mt_poller *poller = &live->pollers[i];
        poller->is_started = pthread_create(&poller->thread, NULL, mt_live_poller_main, poller) == 0;
        if (!poller->is_started)
            return -EAGAIN;
    }
    return 0;
}

/* Not all threads could be started: those that were end, and what the others were
 * to say is said for them. */
static void threads_abort(struct mt_live *live)
{
    atomic_store(&live->is_forced, true);
    atomic_store(&live->is_ending, true);
    for (uint32_t i = 0; i < live->poller_count; i++)
        atomic_fetch_sub(&live->polling, !live->pollers[i].is_started);
    for (uint32_t i = 0; i < live->poller_count; i++) {
        if (live->pollers[i].is_started)
            pthread_join(live->pollers[i].thread, NULL);
    }
    for (uint32_t i = 0; i < live->lane_count; i++) {
        struct mt_lane *lane = live->lanes[i];
        atomic_store(&lane->is_ending, true);
        if (lane->is_started)
            pthread_join(lane->thread, NULL);
        mt_results_end(&lane->results);
    }
    if (live->is_collector_started)
        pthread_join(live->collector_thread, NULL);
}

int mt_live_start(const struct mt_live_config *config, struct mt_capture *const *sources, size_t source_count,
                  const struct mt_pipeline_sink *sink, void *ctx, char *ret_reason, size_t reason_size,
                  struct mt_live **ret_live)
{
    struct mt_pipeline_config filled = mt_pipeline_filled(&config->pipeline);
    filled.is_long_run = true;
    const char *fault = check(&filled, source_count, sink);
    if (fault)
        return refuse(ret_reason, reason_size, -EINVAL, fault);
    struct mt_live *live = aligned_alloc(MT_CACHE_LINE, sizeof(*live));
    if (!live)
        return refuse(ret_reason, reason_size, -ENOMEM, "can't set up the run");
    memset(live, 0, sizeof(*live));
    live->config = filled;
    live->sink = sink;
    live->lane_count = filled.workers;
    live->poller_count = (uint32_t)source_count;
    live->frames_max = config->frames_max;
    atomic_store(&live->frames_left, config->frames_max);
    live->load_time = clock_ns();
    live->load_tick = __builtin_ia32_rdtsc();
    int rc = rooms_create(live, sources, sink, ctx);
    if (rc == 0) {
        rc = threads_start(live);
        if (rc != 0)
            threads_abort(live);
    }
    if (rc != 0) {
        mt_live_destroy(live);
        return refuse(ret_reason, reason_size, rc, "the run could not be set up");
    }
    *ret_live = live;
    return 0;
}

void mt_live_destroy(struct mt_live *live)
{
    if (!live)
        return;
    for (uint32_t i = 0; live->lanes && i < live->lane_count; i++)
        mt_lane_destroy(live->lanes[i]);
    for (uint32_t i = 0; live->pollers && i < live->poller_count; i++) {
        if (live->pollers[i].has_front)
            mt_front_fini(&live->pollers[i].front);
    }
    mt_offers_board_destroy(live->config.offers);
    mt_strays_destroy(live->strays);
    mt_collector_destroy(live->collector);
    mt_rules_fini(&live->rules);
    free(live->merge.results);
    free(live->pollers);
    free(live->lanes);
    free(live);
}

/* --- while it runs ----------------------------------------------------------- */

bool mt_live_is_done(const struct mt_live *live)
{
    if (live->frames_max != 0 &&
        atomic_load_explicit(&live->frames_taken, memory_order_relaxed) >= live->frames_max)
        return true;
    return atomic_load_explicit(&live->ended, memory_order_acquire) == live->poller_count;
}

static bool has_beaten(const _Atomic uint64_t *beat, uint64_t *before)
{
    uint64_t now = atomic_load_explicit(beat, memory_order_relaxed);
    bool is_other = now != *before;
    *before = now;
    return is_other;
}

bool mt_live_answers(struct mt_live *live)
{
    bool is_answering = true;
    for (uint32_t i = 0; i < live->poller_count; i++)
        is_answering &=
            live->pollers[i].lane != NULL || has_beaten(&live->pollers[i].beat, &live->poller_beats[i]);
    for (uint32_t i = 0; i < live->lane_count; i++)
        is_answering &= has_beaten(&live->lanes[i]->beat, &live->lane_beats[i]);
    return is_answering;
}

void mt_live_stats(const struct mt_live *live, struct mt_stats *ret_stats)
{
    memset(ret_stats, 0, sizeof(*ret_stats));
    for (uint32_t i = 0; i < live->poller_count; i++)
        mt_stats_sum(ret_stats, live->pollers[i].capture->stats);
    for (uint32_t i = 0; i < live->lane_count; i++)
        mt_stats_sum(ret_stats, &live->lanes[i]->worker->stats);
    mt_stats_sum(ret_stats, &live->collector->stats);
}

size_t mt_live_worker_frames(const struct mt_live *live, uint64_t *ret_frames, size_t count_max)
{
    for (size_t i = 0; i < live->lane_count && i < count_max; i++)
        ret_frames[i] = atomic_load_explicit(&live->lanes[i]->frames, memory_order_relaxed);
    return live->lane_count;
}

/* Ticks that have come on to a time are scaled by how long a tick was since the
 * last look, and added: so a time never goes back. */
struct load_look {
    struct mt_live *live;
    uint64_t time;
    uint64_t ticks;
};

static void add_busy(const struct load_look *look, const struct mt_busy *busy, size_t index, uint64_t *time)
{
    uint64_t *before = &look->live->load_ticks[index];
    uint64_t now = atomic_load_explicit(&busy->ticks, memory_order_relaxed);
    if (look->ticks > 0)
        *time += (uint64_t)((double)(now - *before) * (double)look->time / (double)look->ticks);
    *before = now;
}

void mt_live_load(struct mt_live *live, struct mt_live_load *ret_load)
{
    struct mt_live_load *load = &live->load;
    uint64_t time = clock_ns();
    uint64_t tick = __builtin_ia32_rdtsc();
    const struct load_look look = {live, time - live->load_time, tick - live->load_tick};

    live->load_time = time;
    live->load_tick = tick;
    load->has_reader = live->poller_count < live->lane_count;
    load->memory_max = live->config.memory_max;
    load->memory = 0;
    load->sessions_max = 0;
    for (uint32_t i = 0; i < live->lane_count; i++) {
        const struct mt_lane *lane = live->lanes[i];
        add_busy(&look, &lane->busy, i, &load->worker_busy[i]);
        load->memory += atomic_load_explicit(&lane->memory, memory_order_relaxed);
        load->sessions_max += lane->worker->flows_max;
    }
    if (load->has_reader)
        add_busy(&look, &live->pollers[0].busy, MT_WORKERS_MAX, &load->reader_busy);
    add_busy(&look, &live->collector_busy, MT_WORKERS_MAX + 1, &load->collector_busy);
    *ret_load = *load;
}

static void rules_sweep(struct mt_live *live)
{
    struct mt_rules_user *users[MT_WORKERS_MAX + 1];
    for (uint32_t i = 0; i < live->lane_count; i++)
        users[i] = &live->lanes[i]->rules;
    users[live->lane_count] = &live->collector_rules;
    mt_rules_sweep(&live->rules, users, live->lane_count + 1);
}

static bool is_reloaded(const struct mt_live *live)
{
    for (uint32_t i = 0; i < live->lane_count; i++) {
        if (!mt_rules_is_current(&live->lanes[i]->rules))
            return false;
    }
    return mt_rules_is_current(&live->collector_rules) || mt_collector_is_in_sink(live->collector);
}

int mt_live_reload(struct mt_live *live, const struct mt_site *site, const struct mt_detect_config *detect,
                   struct mt_sigma *sigma)
{
    int rc = mt_rules_publish(&live->rules, site ? site : &mt_site_default, detect, sigma);
    if (rc != 0)
        return rc;
    while (!live->is_stopped && !is_reloaded(live))
        nap();
    rules_sweep(live);
    return 0;
}

const struct mt_sigma *mt_live_rules(const struct mt_live *live)
{
    return live->rules.newest->sigma ? live->rules.newest->sigma : live->config.sigma;
}

void mt_live_health(struct mt_live *live, const struct mt_live_health *health)
{
    uint32_t tail = atomic_load_explicit(&live->health_tail, memory_order_relaxed);
    /* counts are since the start, so what a collector in a sink misses is in the next */
    if (tail - atomic_load_explicit(&live->health_head, memory_order_acquire) == MT_HEALTH_SLOTS)
        return;
    live->health[tail % MT_HEALTH_SLOTS] = *health;
    atomic_store_explicit(&live->health_tail, tail + 1, memory_order_release);
}

bool mt_live_statistics(struct mt_live *live, const struct mt_sigma_statistics *statistics)
{
    if (atomic_load_explicit(&live->has_statistics, memory_order_acquire))
        return false;
    live->statistics = *statistics;
    atomic_store_explicit(&live->has_statistics, true, memory_order_release);
    return true;
}

/* --- the end ----------------------------------------------------------------- */

/* Waits until the collector has taken everything, as long as it gets on. */
static void wait_for_end(struct mt_live *live, uint32_t grace_ms)
{
    uint64_t start = clock_ms();
    uint64_t since = start;
    uint64_t calls = UINT64_MAX;
    while (!atomic_load_explicit(&live->is_collected, memory_order_acquire)) {
        nap();
        uint64_t now = clock_ms();
        if (now - start > MT_LIVE_DRAIN_MS)
            atomic_store_explicit(&live->is_forced, true, memory_order_relaxed);
        uint64_t made = atomic_load_explicit(&live->collector->sink_calls, memory_order_relaxed);
        if (made != calls || !mt_collector_is_in_sink(live->collector)) {
            calls = made;
            since = now;
        } else if (now - since >= grace_ms && mt_collector_abandon(live->collector)) {
            live->is_collector_lost = true;
            return;
        }
    }
}

static void threads_join(struct mt_live *live)
{
    for (uint32_t i = 0; i < live->poller_count; i++)
        pthread_join(live->pollers[i].thread, NULL);
    for (uint32_t i = 0; i < live->lane_count; i++) {
        if (live->lanes[i]->is_started)
            pthread_join(live->lanes[i]->thread, NULL);
    }
    if (!live->is_collector_lost) {
        pthread_join(live->collector_thread, NULL);
        return;
    }
    pthread_detach(live->collector_thread);
    /* ours now: what is left is counted */
    mt_merge_take_over(&live->merge);
    while (mt_merge_step(&live->merge)) {
    }
    mt_collector_end(live->collector);
    mt_collector_flush(live->collector);
}

void mt_live_stop(struct mt_live *live, uint32_t grace_ms, struct mt_pipeline_result *ret_result)
{
    atomic_store_explicit(&live->is_ending, true, memory_order_release);
    wait_for_end(live, grace_ms);
    /* without a collector pollers still have until they are idle, or are forced */
    uint64_t start = clock_ms();
    while (atomic_load_explicit(&live->polling, memory_order_acquire) > 0 &&
           clock_ms() - start <= MT_LIVE_DRAIN_MS)
        nap();
    atomic_store_explicit(&live->is_forced, true, memory_order_relaxed);
    threads_join(live);
    live->is_stopped = true;

    struct mt_pipeline_result *result = ret_result;
    memset(result, 0, sizeof(*result));
    result->workers = live->lane_count;
    result->is_sink_stuck = live->is_collector_lost;
    result->first_time = atomic_load(&live->first_time);
    result->last_time = atomic_load(&live->last_time);
    mt_live_stats(live, &result->stats);
    for (uint32_t i = 0; i < live->lane_count; i++)
        mt_tally_merge(&result->tally, live->lanes[i]->worker->tally);
    mt_pipeline_inferred(result, live->collector);
}
