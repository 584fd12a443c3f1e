#include "live_view.h"

#include <string.h>
#include <time.h>

const struct mt_live_cause mt_live_causes[] = {
    {MT_COUNTER_PORT_MISSED, "the queue of a port was full",
     "give more --workers, a larger --queue-size, or a --filter"},
    {MT_COUNTER_PORT_NO_BUFFER, "no packet buffer was free", "give more --memory"},
    {MT_COUNTER_PORT_ERRORS, "they came damaged, or larger than the port takes",
     "look after cable and optics, or give a larger --frame-max"},
    {MT_COUNTER_PORT_TOO_LARGE, "there was no room to join their buffers", "give a larger --frame-max"},
    {MT_COUNTER_LIVE_RING_FULL, "a worker was behind", "give more --workers, or a --filter"},
    {MT_COUNTER_FLOWS_REFUSED, "the table or the memory for sessions was full",
     "watch less: --filter or fewer --ports"},
};
const size_t mt_live_cause_count = MT_ARRAY_COUNT(mt_live_causes);

uint64_t mt_live_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void set(struct mt_stats *stats, enum mt_counter counter, uint64_t value)
{
    atomic_store_explicit(&stats->counter[counter], value, memory_order_relaxed);
}

void mt_live_view_sum(struct mt_live_view *view, const struct mt_stats *stats, const struct mt_stats *written)
{
    uint64_t missed = 0;
    uint64_t no_buffer = 0;
    uint64_t errors = 0;

    for (size_t i = 0; i < view->port_count; i++) {
        missed += view->ports[i].missed;
        no_buffer += view->ports[i].no_buffer;
        errors += view->ports[i].errors;
    }
    memset(&view->stats, 0, sizeof(view->stats));
    mt_stats_sum(&view->stats, stats);
    mt_stats_sum(&view->stats, written);
    set(&view->stats, MT_COUNTER_PORT_MISSED, missed);
    set(&view->stats, MT_COUNTER_PORT_NO_BUFFER, no_buffer);
    set(&view->stats, MT_COUNTER_PORT_ERRORS, errors);
}

static void copy_alerts(uint64_t alerts[MT_LEVEL_COUNT], const struct mt_alert_note *note)
{
    for (int level = 0; level < MT_LEVEL_COUNT; level++)
        alerts[level] = atomic_load_explicit(&note->count[level], memory_order_relaxed);
}

void mt_live_view_alerts(struct mt_live_view *view, const struct mt_alert_notes *notes)
{
    for (int rule = 0; rule < MT_RULE_COUNT; rule++)
        copy_alerts(view->alerts[rule], &notes->rules[rule]);
    view->loaded_count = atomic_load_explicit(&notes->loaded_count, memory_order_acquire);
    for (size_t i = 0; i < view->loaded_count; i++) {
        memcpy(view->loaded[i].name, notes->loaded[i].name, MT_LOADED_NAME_MAX);
        copy_alerts(view->loaded[i].alerts, &notes->loaded[i].note);
    }
}

uint64_t mt_live_view_frames(const struct mt_live_view *view)
{
    uint64_t frames = 0;
    for (size_t i = 0; i < view->port_count; i++)
        frames += view->ports[i].frames;
    return frames;
}

uint64_t mt_live_view_bytes(const struct mt_live_view *view)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < view->port_count; i++)
        bytes += view->ports[i].bytes;
    return bytes;
}

uint64_t mt_live_view_known(const struct mt_live_view *view)
{
    return mt_live_view_frames(view) + mt_stats_get(&view->stats, MT_COUNTER_PORT_MISSED) +
           mt_stats_get(&view->stats, MT_COUNTER_PORT_NO_BUFFER) +
           mt_stats_get(&view->stats, MT_COUNTER_PORT_ERRORS);
}

uint64_t mt_live_view_lost(const struct mt_live_view *view)
{
    uint64_t lost = 0;
    for (size_t i = 0; i < mt_live_cause_count; i++)
        lost += mt_stats_get(&view->stats, mt_live_causes[i].counter);
    return lost;
}

uint64_t mt_live_view_open(const struct mt_live_view *view)
{
    uint64_t begun = mt_stats_get(&view->stats, MT_COUNTER_FLOWS_NEW);
    uint64_t ended = mt_stats_get(&view->stats, MT_COUNTER_SESSIONS);
    /* counters of several threads: one may be read ahead of the other */
    return begun > ended ? begun - ended : 0;
}

static uint64_t since(uint64_t now, uint64_t before)
{
    return now >= before ? now - before : now; /* set back: a port that returned */
}

void mt_live_view_statistics(const struct mt_live_view *view, const struct mt_live_view *before,
                             struct mt_sigma_statistics *ret_statistics)
{
    const struct mt_sigma_interval interval = {
        .now = &view->stats,
        .before = &before->stats,
        .time = view->wall_time,
        .interval = view->up_time - before->up_time,
        .frames = since(mt_live_view_frames(view), mt_live_view_frames(before)),
        .bytes = since(mt_live_view_bytes(view), mt_live_view_bytes(before)),
        .lost = since(mt_live_view_lost(view), mt_live_view_lost(before)),
    };
    mt_sigma_statistics_fill(&interval, ret_statistics);
}

struct mt_live_health mt_live_view_health(const struct mt_live_view *view)
{
    return (struct mt_live_health){
        .time = view->wall_time,
        .frames = mt_live_view_frames(view),
        .lost = mt_live_view_lost(view),
        .lost_missed = mt_stats_get(&view->stats, MT_COUNTER_PORT_MISSED),
        .lost_no_buffer = mt_stats_get(&view->stats, MT_COUNTER_PORT_NO_BUFFER),
        .lost_errors = mt_stats_get(&view->stats, MT_COUNTER_PORT_ERRORS),
        .lost_ring_full = mt_stats_get(&view->stats, MT_COUNTER_LIVE_RING_FULL),
        .lost_table_full = mt_stats_get(&view->stats, MT_COUNTER_FLOWS_REFUSED),
    };
}
