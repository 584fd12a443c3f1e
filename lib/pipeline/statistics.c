/* Rules about counters: held against them on the collector's thread. */
#include "pipeline/collector_priv.h"
#include "sigma/events.h"

struct judging {
    struct mt_collector *collector;
    uint32_t sequence;
};

void mt_collector_match_feed(struct mt_collector *collector, const struct mt_sigma_match *match,
                             const struct mt_match_feed *feed)
{
    uint8_t bytes[MT_SIGMA_FEED_MAX];
    struct mt_buf packed = mt_buf(bytes, sizeof(bytes));
    if (mt_match_pack_feed(match, feed, &packed))
        mt_collector_feed(collector, mt_buf_span(&packed));
    else
        mt_stats_add(&collector->stats,
                     packed.overflow ? MT_COUNTER_CORRELATED_SHED : MT_COUNTER_CORRELATED_UNGROUPED, 1);
}

static void on_match(void *ctx, const struct mt_sigma_match *match)
{
    struct judging *judging = ctx;
    struct mt_collector *collector = judging->collector;
    if (match->feeds) {
        const struct mt_match_feed feed = {.completed = match->event->statistics->time,
                                           .sequence = judging->sequence++};
        mt_collector_match_feed(collector, match, &feed);
    }
    if (match->rule->is_silent)
        return;
    uint8_t bytes[MT_MATCH_MAX];
    struct mt_buf packed = mt_buf(bytes, sizeof(bytes));
    if (mt_match_pack(match, false, &packed))
        mt_collector_match(collector, mt_buf_span(&packed));
    else
        mt_stats_add(&collector->stats, MT_COUNTER_ALERTS_SHED, 1);
}

void mt_collector_judge(struct mt_collector *collector, struct mt_sigma_eval *eval,
                        enum mt_sigma_category category, const struct mt_sigma_event *event,
                        mt_sigma_match_fn *match, void *ctx)
{
    if (!eval)
        return;
    const struct mt_sigma_counts before = *mt_sigma_counts(eval);
    mt_sigma_evaluate_event(eval, category, event, match, ctx);
    const struct mt_sigma_counts *counts = mt_sigma_counts(eval);
    mt_stats_add(&collector->stats, MT_COUNTER_RULES_EVENTS, counts->events - before.events);
    mt_stats_add(&collector->stats, MT_COUNTER_RULES_FILTERED, counts->filtered - before.filtered);
    mt_stats_add(&collector->stats, MT_COUNTER_RULES_REGEX_CUTS, counts->regex_cuts - before.regex_cuts);
}

void mt_collector_statistics(struct mt_collector *collector, const struct mt_sigma_statistics *statistics)
{
    struct mt_sigma_eval *eval = collector->statistics_rules;
    if (!eval || mt_collector_is_shedding(collector))
        return;
    const struct mt_record_session nobody = {.timestamp = statistics->time,
                                             .event_end = statistics->time,
                                             .observer_name = collector->observer_name};
    const struct mt_sigma_event event = {.session = &nobody, .statistics = statistics};
    struct judging judging = {.collector = collector};
    mt_collector_judge(collector, eval, MT_SIGMA_STATISTICS, &event, on_match, &judging);
}

static void fill(const struct mt_stats *sum, const struct mt_pipeline_result *result,
                 struct mt_sigma_statistics *ret_statistics)
{
    const struct mt_sigma_interval interval = {
        .now = sum,
        .time = result->last_time,
        .interval = result->last_time - result->first_time,
        .frames = mt_stats_get(sum, MT_COUNTER_FRAMES),
        .bytes = mt_stats_get(sum, MT_COUNTER_BYTES),
        .lost = mt_stats_get(sum, MT_COUNTER_FLOWS_REFUSED),
    };
    mt_sigma_statistics_fill(&interval, ret_statistics);
}

void mt_pipeline_statistics(const struct mt_pipeline_result *result,
                            struct mt_sigma_statistics *ret_statistics)
{
    fill(&result->stats, result, ret_statistics);
}

void mt_collector_run_statistics(struct mt_collector *collector, const struct mt_pipeline_result *result,
                                 struct mt_stats *sum)
{
    struct mt_sigma_statistics statistics;
    if (!collector->statistics_rules)
        return;
    mt_stats_sum(sum, &collector->stats);
    fill(sum, result, &statistics);
    mt_collector_statistics(collector, &statistics);
}
