#include "pipeline/collector_priv.h"

#include "export/community_id.h"
#include "sigma/events.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>

#define LINES_CAP ((size_t)64 << 10) /* they stay in a core's second cache */
#define ROOM_MIN ((size_t)24 << 10)
#define MARK_EVERY MT_SEC /* of packet time */

enum {
    SINK_OUT,
    SINK_IN,
    SINK_LOST,   /* the thread in the sink no longer owns the collector */
    SINK_ORPHAN, /* and whoever did has left it to that thread to free */
    SINK_BACK,   /* that thread has ended */
};

static void collector_free(struct mt_collector *collector)
{
    mt_detect_destroy(collector->detect);
    mt_sigma_correlator_destroy(collector->correlator);
    mt_redact_destroy(collector->redact);
    mt_unpacked_fini(&collector->unpacked);
    free(collector->lines);
    free(collector);
}

/* False: the count lines or alerts of the call are shed. in_hand: lines that come
 * after them, and that nobody else knows of. */
static bool sink_enter(struct mt_collector *collector, uint64_t count, uint64_t in_hand)
{
    if (atomic_load_explicit(&collector->sheds, memory_order_relaxed)) {
        mt_stats_add(&collector->stats, MT_COUNTER_EXPORT_SHED, count);
        return false;
    }
    if (!collector->may_be_lost)
        return true;
    collector->in_sink = count + in_hand;
    atomic_fetch_add_explicit(&collector->sink_calls, 1, memory_order_relaxed);
    atomic_store_explicit(&collector->sink_state, SINK_IN, memory_order_release);
    return true;
}

static MT_NOINLINE void lost_thread_end(struct mt_collector *collector)
{
    int state = atomic_exchange_explicit(&collector->sink_state, SINK_BACK, memory_order_acq_rel);
    if (state == SINK_ORPHAN)
        collector_free(collector);
    pthread_exit(NULL);
}

static void sink_leave(struct mt_collector *collector)
{
    int state = SINK_IN;
    if (!collector->may_be_lost)
        return;
    if (!atomic_compare_exchange_strong_explicit(&collector->sink_state, &state, SINK_OUT,
                                                 memory_order_acq_rel, memory_order_acquire))
        lost_thread_end(collector);
    atomic_fetch_add_explicit(&collector->sink_calls, 1, memory_order_relaxed);
}

bool mt_collector_is_in_sink(const struct mt_collector *collector)
{
    return atomic_load_explicit(&collector->sink_state, memory_order_acquire) == SINK_IN;
}

bool mt_collector_abandon(struct mt_collector *collector)
{
    int state = SINK_IN;
    atomic_store_explicit(&collector->sheds, true, memory_order_relaxed);
    if (!atomic_compare_exchange_strong_explicit(&collector->sink_state, &state, SINK_LOST,
                                                 memory_order_acq_rel, memory_order_acquire))
        return false;
    mt_stats_add(&collector->stats, MT_COUNTER_EXPORT_SHED, collector->in_sink);
    return true;
}

/* Absent addresses: an alert about capturing itself. */
void mt_collector_alert(struct mt_collector *collector, const struct mt_record_alert *alert,
                        enum mt_rule rule, enum mt_level level)
{
    struct mt_record_alert with_id = *alert;
    uint8_t community_id[MT_COMMUNITY_ID_SIZE];
    if (alert->source_ip.family != 0) {
        struct mt_tuple tuple = {
            .src = alert->source_ip,
            .dst = alert->destination_ip,
            .src_port = (uint16_t)alert->source_port,
            .dst_port = (uint16_t)alert->destination_port,
        };
        mt_community_id(&tuple, community_id);
        with_id.network_community_id = mt_span(community_id, sizeof(community_id));
    }
    if (!collector->sink->alert)
        return;
    struct mt_record_alert redacted;
    const struct mt_record_alert *shown = &with_id;
    if (collector->redact) {
        if (!mt_redact_alert(collector->redact, &with_id, &redacted)) {
            mt_stats_add(&collector->stats, MT_COUNTER_EXPORT_SHED, 1);
            return;
        }
        shown = &redacted;
    }
    if (!sink_enter(collector, 1, 0))
        return;
    collector->sink->alert(collector->sink_ctx, shown, rule, level);
    sink_leave(collector);
}

static void on_alert(void *ctx, const struct mt_record_alert *alert, enum mt_rule rule, enum mt_level level)
{
    mt_collector_alert(ctx, alert, rule, level);
}

static void on_alarm(void *ctx, const struct mt_sigma_alarm *alarm)
{
    struct mt_collector *collector = ctx;
    struct mt_record_alert alert;
    mt_match_alarm(alarm, collector->observer_name, collector->observer_version, &alert);
    mt_stats_add(&collector->stats, MT_COUNTER_ALERTS, 1);
    mt_collector_alert(collector, &alert, MT_RULE_LOADED, alarm->level);
}

static void use_evaluators(struct mt_collector *collector, const struct mt_sigma *sigma)
{
    collector->statistics_rules = mt_sigma_collector_evaluator(sigma, MT_SIGMA_STATISTICS);
    collector->finding_rules = mt_sigma_collector_evaluator(sigma, MT_SIGMA_FINDING);
}

int mt_collector_create(const struct mt_pipeline_config *config, const struct mt_pipeline_sink *sink,
                        void *sink_ctx, struct mt_collector **ret_collector)
{
    struct mt_collector *collector = aligned_alloc(MT_CACHE_LINE, sizeof(*collector));
    if (!collector)
        return -ENOMEM;
    memset(collector, 0, sizeof(*collector));
    collector->sink = sink;
    collector->sink_ctx = sink_ctx;
    collector->observer_name = config->observer_name;
    collector->observer_version = config->observer_version;
    collector->lines_cap = LINES_CAP;
    collector->sigma = config->sigma;
    collector->sender.sensor = config->observer_name;
    collector->lines = malloc(LINES_CAP);
    static const struct mt_detect_events events = {.finding = mt_collector_finding, .alert = on_alert};
    bool has_run = !sink->event || getrandom(&collector->sender.run, sizeof(collector->sender.run), 0) ==
                                       (ssize_t)sizeof(collector->sender.run);
    int rc =
        collector->lines && has_run
            ? mt_detect_create(&config->detect, config->site, config->observer_name, config->observer_version,
                               &events, collector, &collector->stats, &collector->detect)
            : -ENOMEM;
    if (rc == 0)
        rc = mt_redact_create(&config->redact, &collector->redact);
    if (rc == 0)
        rc = mt_sigma_correlator_create(config->sigma, config->correlation_memory, on_alarm, collector,
                                        &collector->correlator);
    use_evaluators(collector, config->sigma);
    if (rc != 0) {
        mt_collector_destroy(collector);
        return rc;
    }
    *ret_collector = collector;
    return 0;
}

void mt_collector_destroy(struct mt_collector *collector)
{
    if (!collector)
        return;
    int lost = SINK_LOST;
    if (!atomic_compare_exchange_strong_explicit(&collector->sink_state, &lost, SINK_ORPHAN,
                                                 memory_order_acq_rel, memory_order_acquire))
        collector_free(collector);
}

static void lines_out(struct mt_collector *collector, struct mt_span lines, uint64_t count, uint64_t in_hand)
{
    if (!sink_enter(collector, count, in_hand))
        return;
    collector->sink->sessions(collector->sink_ctx, lines, count);
    sink_leave(collector);
}

static void flush(struct mt_collector *collector, uint64_t in_hand)
{
    if (collector->lines_size == 0)
        return;
    struct mt_span lines = mt_span(collector->lines, collector->lines_size);
    uint64_t count = collector->lines_count;
    collector->lines_size = 0;
    collector->lines_count = 0;
    lines_out(collector, lines, count, in_hand);
}

void mt_collector_flush(struct mt_collector *collector)
{
    flush(collector, 0);
}

struct mt_buf mt_collector_room(struct mt_collector *collector)
{
    if (collector->lines_cap - collector->lines_size < ROOM_MIN)
        flush(collector, 1);
    return mt_buf(collector->lines + collector->lines_size, collector->lines_cap - collector->lines_size);
}

void mt_collector_line(struct mt_collector *collector, struct mt_span line)
{
    if (MT_UNLIKELY(atomic_load_explicit(&collector->sheds, memory_order_relaxed))) {
        mt_stats_add(&collector->stats, MT_COUNTER_EXPORT_SHED, 1);
        return;
    }
    if (line.size > collector->lines_cap - collector->lines_size)
        flush(collector, 1);
    if (line.size > collector->lines_cap) {
        lines_out(collector, line, 1, 0);
        return;
    }
    if (line.ptr != collector->lines + collector->lines_size)
        memcpy(collector->lines + collector->lines_size, line.ptr, line.size);
    collector->lines_size += line.size;
    collector->lines_count++;
}

void mt_collector_document(struct mt_collector *collector, struct mt_span packed)
{
    if (!mt_document_unpack(packed, &collector->unpacked)) {
        mt_stats_add(&collector->stats, MT_COUNTER_EXPORT_SHED, 1);
        return;
    }
    if (!sink_enter(collector, 1, 0))
        return;
    collector->sink->document(collector->sink_ctx, &collector->unpacked.document);
    sink_leave(collector);
}

void mt_collector_match(struct mt_collector *collector, struct mt_span packed)
{
    struct mt_match_alert *match = &collector->match;
    mt_match_unpack(packed, collector->observer_name, collector->observer_version, match);
    mt_stats_add(&collector->stats, MT_COUNTER_ALERTS, 1);
    mt_collector_alert(collector, &match->alert, MT_RULE_LOADED, match->level);
}

void mt_collector_observe(struct mt_collector *collector, const struct mt_observation *observation,
                          uint64_t completed)
{
    collector->completed = completed;
    if (MT_UNLIKELY(atomic_load_explicit(&collector->sheds, memory_order_relaxed)))
        mt_stats_add(&collector->stats, MT_COUNTER_OBSERVATIONS_SHED, 1);
    else
        mt_detect_observe(collector->detect, observation);
}

/* --- correlations ------------------------------------------------------------ */

static void count_correlated(struct mt_collector *collector)
{
    const struct mt_sigma_correlator_counts *now = mt_sigma_correlator_counts(collector->correlator);
    const struct mt_sigma_correlator_counts *before = &collector->correlated;
    mt_stats_add(&collector->stats, MT_COUNTER_CORRELATED, now->feeds - before->feeds);
    mt_stats_add(&collector->stats, MT_COUNTER_CORRELATED_SHED, now->lost - before->lost);
    mt_stats_add(&collector->stats, MT_COUNTER_CORRELATED_LATE, now->late - before->late);
    mt_stats_add(&collector->stats, MT_COUNTER_CORRELATED_EARLY, now->early - before->early);
    mt_stats_add(&collector->stats, MT_COUNTER_CORRELATED_STALE, now->stale - before->stale);
    mt_stats_add(&collector->stats, MT_COUNTER_CORRELATED_EVICTED, now->evicted - before->evicted);
    mt_stats_add(&collector->stats, MT_COUNTER_ALERTS_SUPPRESSED, now->held - before->held);
    collector->correlated = *now;
}

static void on_event(void *ctx, struct mt_span key, struct mt_span event)
{
    struct mt_collector *collector = ctx;
    collector->sink->event(collector->sink_ctx, key, event, false);
    mt_stats_add(&collector->stats, MT_COUNTER_CORRELATED_SENT, 1);
}

static void send(struct mt_collector *collector, struct mt_span packed)
{
    mt_stats_add(&collector->stats, MT_COUNTER_CORRELATED, 1);
    if (!collector->sigma || !sink_enter(collector, 0, 0))
        return;
    struct mt_sigma_written written =
        mt_sigma_event_write(collector->sigma, &collector->sender, packed, on_event, collector);
    mt_stats_add(&collector->stats, MT_COUNTER_CORRELATED_SHED, written.lost);
    mt_stats_add(&collector->stats, MT_COUNTER_CORRELATED_STALE, written.stale);
    sink_leave(collector);
}

static void send_mark(struct mt_collector *collector, uint64_t time)
{
    uint8_t room[512];
    struct mt_buf mark = mt_buf(room, sizeof(room));
    collector->marked = time;
    if (!collector->sigma || !sink_enter(collector, 0, 0))
        return;
    mt_sigma_mark_write(&collector->sender, time, &mark);
    collector->sink->event(collector->sink_ctx, mt_span_none(), mt_buf_span(&mark),
                           time == MT_SIGMA_MARK_END);
    sink_leave(collector);
}

/* A sink that has not come back may hold an alert that points into the correlator. */
void mt_collector_feed(struct mt_collector *collector, struct mt_span packed)
{
    if (mt_collector_is_shedding(collector))
        mt_stats_add(&collector->stats, MT_COUNTER_CORRELATED_SHED, 1);
    else if (collector->sink->event)
        send(collector, packed);
    else
        mt_sigma_correlator_feed(collector->correlator, packed);
}

void mt_collector_advance(struct mt_collector *collector, uint64_t time)
{
    if (collector->sink->event && time >= collector->marked + MARK_EVERY)
        send_mark(collector, time);
    if (mt_collector_is_shedding(collector) || !mt_sigma_correlator_has_work(collector->correlator))
        return;
    mt_sigma_correlator_advance(collector->correlator, time);
    count_correlated(collector);
}

void mt_collector_end(struct mt_collector *collector)
{
    if (collector->sink->event)
        send_mark(collector, MT_SIGMA_MARK_END);
    if (!mt_collector_is_shedding(collector))
        mt_sigma_correlator_finish(collector->correlator);
    count_correlated(collector);
}

void mt_collector_use_rules(struct mt_collector *collector, const struct mt_sigma *sigma)
{
    mt_sigma_correlator_reload(collector->correlator, sigma);
    use_evaluators(collector, sigma);
    collector->sigma = sigma;
    count_correlated(collector);
}
