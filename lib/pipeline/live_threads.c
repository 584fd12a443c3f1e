#include "pipeline/live_priv.h"

#include <time.h>

#define SAY_EVERY MT_MSEC /* of frame numbers, which are times in a live run */

static void raise_to(_Atomic uint64_t *value, uint64_t to)
{
    uint64_t now = atomic_load_explicit(value, memory_order_relaxed);
    while (now < to && !atomic_compare_exchange_weak_explicit(value, &now, to, memory_order_relaxed,
                                                              memory_order_relaxed)) {
    }
}

/* --- --count ----------------------------------------------------------------- */

/* How many frames the next burst may have. Several pollers share what is left, so
 * each lays claim to a burst before, and gives back what did not come. */
static size_t frames_claim(struct mt_live *live)
{
    if (live->frames_max == 0)
        return MT_BURST_MAX;
    uint64_t left = atomic_load_explicit(&live->frames_left, memory_order_relaxed);
    uint64_t want;
    do {
        want = mt_min_u64(left, MT_BURST_MAX);
    } while (want > 0 && !atomic_compare_exchange_weak_explicit(&live->frames_left, &left, left - want,
                                                                memory_order_relaxed, memory_order_relaxed));
    return want;
}

static void frames_account(struct mt_live *live, size_t claimed, size_t count)
{
    if (live->frames_max == 0)
        return;
    atomic_fetch_add_explicit(&live->frames_taken, count, memory_order_relaxed);
    atomic_fetch_add_explicit(&live->frames_left, claimed - count, memory_order_relaxed);
}

static bool is_count_reached(const struct mt_live *live)
{
    return live->frames_max != 0 &&
           atomic_load_explicit(&live->frames_taken, memory_order_relaxed) >= live->frames_max;
}

/* --- polling ----------------------------------------------------------------- */

static void worker_burst(struct mt_poller *poller, const struct mt_frame *frames, size_t count)
{
    struct mt_lane *lane = poller->lane;
    mt_front_burst(&poller->front, lane->worker, frames, count);
    poller->capture->ops->release(poller->capture);
    lane->seen = frames[count - 1].mark.number;
    uint64_t total = atomic_load_explicit(&lane->frames, memory_order_relaxed) + count;
    atomic_store_explicit(&lane->frames, total, memory_order_relaxed);
    mt_results_say(&lane->results, lane->seen);
}

static void reader_say(struct mt_poller *poller)
{
    if (poller->last.number < poller->said + SAY_EVERY)
        return;
    poller->said = poller->last.number;
    mt_deal_say(&poller->dealer, &poller->last);
}

static void poller_burst(struct mt_poller *poller, const struct mt_frame *frames, size_t count)
{
    uint64_t none = 0;
    for (size_t i = 0; i < count; i++)
        MT_PREFETCH_READ(frames[i].data);
    if (MT_UNLIKELY(atomic_load_explicit(&poller->live->first_time, memory_order_relaxed) == 0))
        atomic_compare_exchange_strong(&poller->live->first_time, &none, frames[0].mark.time);
    poller->last = frames[count - 1].mark;
    if (poller->lane) {
        worker_burst(poller, frames, count);
    } else {
        mt_deal_burst(&poller->dealer, frames, count);
        mt_deal_send(&poller->dealer, false);
        reader_say(poller);
    }
}

/* Time passes on a quiet wire too: sessions time out, and this worker must not
 * hold up the others' results. */
static void poller_idle(struct mt_poller *poller, uint32_t *empty_polls)
{
    const struct mt_capture_ops *ops = poller->capture->ops;
    struct mt_lane *lane = poller->lane;
    uint64_t now = ops->now ? ops->now(poller->capture) : 0;
    if (now > poller->last.time + MT_MSEC) {
        poller->last.time = now;
        poller->last.number = mt_max_u64(poller->last.number, now - 1);
        if (lane) {
            lane->seen = poller->last.number;
            mt_worker_idle(lane->worker, &poller->last);
        }
    }
    if (lane) {
        mt_results_say(&lane->results, lane->seen);
    } else {
        mt_deal_send(&poller->dealer, false);
        reader_say(poller);
    }
    if (ops->idle)
        ops->idle(poller->capture, ++*empty_polls);
    else
        mt_ring_pause(empty_polls);
}

/* Frames after --count: not looked at, but taken off the port, so that they do not
 * count as missed. */
static size_t unused_burst(struct mt_poller *poller, struct mt_frame *frames, bool *ret_end)
{
    struct mt_capture *capture = poller->capture;
    size_t count = capture->ops->burst(capture, frames, MT_BURST_MAX, ret_end);
    capture->ops->release(capture);
    mt_stats_add(capture->stats, MT_COUNTER_LIVE_UNUSED, count);
    return count;
}

static size_t used_burst(struct mt_poller *poller, struct mt_frame *frames, size_t claimed, bool *ret_end)
{
    struct mt_capture *capture = poller->capture;
    size_t count = capture->ops->burst(capture, frames, claimed, ret_end);
    frames_account(poller->live, claimed, count);
    if (MT_LIKELY(count > 0))
        poller_burst(poller, frames, count);
    else
        capture->ops->release(capture);
    return count;
}

static void strays_look(struct mt_poller *poller, bool is_last)
{
    if (poller->lane && poller->strays && MT_UNLIKELY(mt_strays_has_any(poller->strays)))
        mt_strays_look(poller->strays, poller->lane->worker, is_last);
}

static void poller_turn(struct mt_poller *poller, bool is_idle)
{
    if (poller->lane)
        mt_lane_turn(poller->lane, is_idle);
    else
        mt_busy_turn(&poller->busy, is_idle);
}

/* Until the source has ended, or is idle when the run is ending. */
static void poll_frames(struct mt_poller *poller)
{
    struct mt_live *live = poller->live;
    struct mt_frame frames[MT_BURST_MAX];
    uint32_t empty_polls = 0;
    bool is_end = false;
    poller_turn(poller, true);
    while (!is_end && !atomic_load_explicit(&live->is_forced, memory_order_relaxed)) {
        bool is_ending = atomic_load_explicit(&live->is_ending, memory_order_acquire);
        size_t claimed = frames_claim(live);
        size_t count = 0;
        if (poller->lane)
            mt_lane_take_rules(poller->lane);
        else
            mt_beat(&poller->beat);
        strays_look(poller, false);
        if (MT_LIKELY(claimed > 0))
            count = used_burst(poller, frames, claimed, &is_end);
        else if (is_count_reached(live))
            count = unused_burst(poller, frames, &is_end);
        if (MT_LIKELY(count > 0)) {
            empty_polls = 0;
            poller_turn(poller, false);
            continue;
        }
        if (is_ending)
            break;
        poller_idle(poller, &empty_polls);
        poller_turn(poller, true);
    }
    if (is_end)
        atomic_fetch_add_explicit(&live->ended, 1, memory_order_release);
}

/* How far the run came decides how sessions end, so all must have come there. */
static struct mt_mark wait_for_others(struct mt_poller *poller)
{
    struct mt_live *live = poller->live;
    uint32_t spins = 0;
    raise_to(&live->last_time, poller->last.time);
    raise_to(&live->last_number, poller->last.number);
    atomic_fetch_sub_explicit(&live->polling, 1, memory_order_acq_rel);
    while (!atomic_load_explicit(&live->is_ending, memory_order_acquire) ||
           atomic_load_explicit(&live->polling, memory_order_acquire) > 0) {
        if (poller->lane) {
            mt_lane_take_rules(poller->lane);
            mt_results_say(&poller->lane->results, UINT64_MAX - 1);
        } else {
            mt_beat(&poller->beat);
            mt_deal_send(&poller->dealer, true);
            mt_deal_say(&poller->dealer, &poller->last);
        }
        strays_look(poller, false);
        mt_ring_pause(&spins);
    }
    strays_look(poller, true);
    return (struct mt_mark){.time = atomic_load_explicit(&live->last_time, memory_order_relaxed),
                            .number = atomic_load_explicit(&live->last_number, memory_order_relaxed)};
}

void *mt_live_poller_main(void *arg)
{
    struct mt_poller *poller = arg;
    const struct mt_capture_ops *ops = poller->capture->ops;
    if (ops->attach)
        ops->attach(poller->capture, poller->lane ? MT_THREAD_WORKER : MT_THREAD_READER, poller->index);
    poll_frames(poller);
    struct mt_mark last = wait_for_others(poller);
    mt_fragment_flush(poller->front.fragments);
    if (poller->lane)
        mt_lane_finish(poller->lane, &last);
    else
        mt_deal_end(&poller->dealer, &last);
    if (ops->detach)
        ops->detach(poller->capture);
    return NULL;
}

/* --- collector --------------------------------------------------------------- */

static void collector_take_rules(struct mt_live *live)
{
    const struct mt_rules *rules = mt_rules_check(&live->collector_rules);
    if (!rules)
        return;
    mt_detect_reload(live->collector->detect, &rules->detect, &rules->site);
    mt_collector_use_rules(live->collector, rules->sigma);
    mt_rules_taken(&live->collector_rules, rules);
}

/* Counts of sessions are the workers' own. */
static void judge_health(struct mt_live *live, const struct mt_live_health *health)
{
    struct mt_detect_health judged = {
        .time = health->time,
        .frames = health->frames,
        .lost_missed = health->lost_missed,
        .lost_no_buffer = health->lost_no_buffer,
        .lost_errors = health->lost_errors,
        .lost_ring_full = health->lost_ring_full,
        .lost_table_full = health->lost_table_full,
    };
    for (uint32_t i = 0; i < live->lane_count; i++) {
        const struct mt_stats *stats = &live->lanes[i]->worker->stats;
        judged.sessions += mt_stats_get(stats, MT_COUNTER_SESSIONS);
        judged.sessions_one_way += mt_stats_get(stats, MT_COUNTER_SESSIONS_ONE_WAY);
    }
    mt_detect_health(live->collector->detect, &judged);
}

static void collector_take_health(struct mt_live *live)
{
    uint32_t head = atomic_load_explicit(&live->health_head, memory_order_relaxed);
    while (head != atomic_load_explicit(&live->health_tail, memory_order_acquire)) {
        struct mt_live_health health = live->health[head % MT_HEALTH_SLOTS];
        atomic_store_explicit(&live->health_head, ++head, memory_order_release);
        judge_health(live, &health);
    }
}

static void collector_take_statistics(struct mt_live *live)
{
    if (MT_LIKELY(!atomic_load_explicit(&live->has_statistics, memory_order_acquire)))
        return;
    mt_collector_statistics(live->collector, &live->statistics);
    atomic_store_explicit(&live->has_statistics, false, memory_order_release);
}

static void nap(void)
{
    struct timespec time = {.tv_nsec = 500000};
    nanosleep(&time, NULL);
}

void *mt_live_collector_main(void *arg)
{
    struct mt_live *live = arg;
    struct mt_capture *capture = live->pollers[0].capture;
    if (capture->ops->attach)
        capture->ops->attach(capture, MT_THREAD_COLLECTOR, 0);
    mt_busy_turn(&live->collector_busy, true);
    while (!mt_merge_is_done(&live->merge)) {
        collector_take_rules(live);
        collector_take_health(live);
        collector_take_statistics(live);
        if (mt_merge_step(&live->merge)) {
            mt_busy_turn(&live->collector_busy, false);
            continue;
        }
        mt_collector_flush(live->collector);
        mt_busy_turn(&live->collector_busy, false);
        nap();
        mt_busy_turn(&live->collector_busy, true);
    }
    collector_take_health(live);
    collector_take_statistics(live);
    mt_collector_end(live->collector);
    mt_collector_flush(live->collector);
    if (capture->ops->detach)
        capture->ops->detach(capture);
    atomic_store_explicit(&live->is_collected, true, memory_order_release);
    return NULL;
}
