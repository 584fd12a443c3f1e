/* The collector: everything that needs one view of all workers. Facts go to the
 * rules, records and alerts to the sink.
 *
 * In a live run a sink may never return. Then the control thread takes the
 * collector over (mt_collector_abandon): it owns everything but the lines in the
 * sink's hands, and the thread that is stuck ends should it ever come back.
 *
 * Ownership: owns the detect engine and the correlator. Thread: one. Limits: lines are gathered up
 * to 64 KiB before the sink is called.
 */
#ifndef MT_PIPELINE_COLLECTOR_PRIV_H
#define MT_PIPELINE_COLLECTOR_PRIV_H

#include "pipeline/match_priv.h"
#include "pipeline/worker_priv.h"

/* A finding as rules see it; the texts are those of the finding in hand. */
struct mt_finding_event {
    struct mt_record_session session;
    struct mt_record_finding finding;
    const char *helo_findings[32];
    struct mt_span
        evidence[MT_FINDING_LINES_MAX + MT_SIGMA_SHOWN_MAX]; /* of an alert with values of `fields` */
    uint8_t shown[MT_SIGMA_SHOWN_MAX][MT_MATCH_LINE_MAX];
};

struct mt_collector {
    struct mt_stats stats;
    struct mt_detect *detect;
    struct mt_sigma_correlator *correlator;
    const struct mt_sigma *sigma;                 /* the rules in force */
    struct mt_sigma_sender sender;                /* with sink->event */
    uint64_t marked;                              /* time of the last mark */
    struct mt_sigma_correlator_counts correlated; /* as they are in stats */
    struct mt_sigma_eval *statistics_rules;       /* NULL: none */
    struct mt_sigma_eval *finding_rules;          /* the same */
    struct mt_finding_event finding_event;
    uint64_t completed; /* of the observation in hand: mt_match_feed */
    uint32_t finding_feeds;
    struct mt_redact *redact; /* NULL: nothing is taken out */
    const struct mt_pipeline_sink *sink;
    void *sink_ctx;
    uint8_t *lines;
    size_t lines_size;
    size_t lines_cap;
    uint64_t lines_count;
    /* a live run's */
    bool may_be_lost;            /* mt_collector_abandon may be called */
    _Atomic int sink_state;      /* enum of collector.c */
    _Atomic uint64_t sink_calls; /* begun and ended: whether anything moves */
    _Atomic bool sheds;          /* nothing goes to the sink any more; it is counted */
    uint64_t in_sink;            /* lines or alerts that the call in hand is about */
    struct mt_unpacked unpacked;
    struct mt_match_alert match; /* an alert in the sink's hands points to it */
    struct mt_span observer_name;
    const char *observer_version;
    struct mt_observation observation; /* as it is unpacked; an alert in the sink's hands points to it */
};

int mt_collector_create(const struct mt_pipeline_config *config, const struct mt_pipeline_sink *sink,
                        void *sink_ctx, struct mt_collector **ret_collector);
void mt_collector_destroy(struct mt_collector *collector);

/* A line may be written straight into the room that the collector has for it. */
struct mt_buf mt_collector_room(struct mt_collector *collector);
void mt_collector_line(struct mt_collector *collector, struct mt_span line);
void mt_collector_document(struct mt_collector *collector, struct mt_span packed);
void mt_collector_match(struct mt_collector *collector, struct mt_span packed);
void mt_collector_feed(struct mt_collector *collector, struct mt_span packed);
/* completed: when its session was over, as far as it is known by then (mt_match_feed). */
void mt_collector_observe(struct mt_collector *collector, const struct mt_observation *observation,
                          uint64_t completed);

/* To the sink, with what is left out by redaction. */
void mt_collector_alert(struct mt_collector *collector, const struct mt_record_alert *alert,
                        enum mt_rule rule, enum mt_level level);
/* Called by detect. findings.c */
void mt_collector_finding(void *ctx, const struct mt_finding *found);
/* What a match on this thread means for correlations. statistics.c */
void mt_collector_match_feed(struct mt_collector *collector, const struct mt_sigma_match *match,
                             const struct mt_match_feed *feed);
/* An event against the rules about it (eval NULL: none), counted. */
void mt_collector_judge(struct mt_collector *collector, struct mt_sigma_eval *eval,
                        enum mt_sigma_category category, const struct mt_sigma_event *event,
                        mt_sigma_match_fn *match, void *ctx);

/* Every worker has come to this time of packets: correlations are judged up to a
 * little before it. */
void mt_collector_advance(struct mt_collector *collector, uint64_t time);
/* Everything has come: what correlations have to say is said. */
void mt_collector_end(struct mt_collector *collector);
/* Correlations of other rules; NULL: none. */
void mt_collector_use_rules(struct mt_collector *collector, const struct mt_sigma *sigma);

/* What was counted in an interval, against the rules about that. statistics.c */
void mt_collector_statistics(struct mt_collector *collector, const struct mt_sigma_statistics *statistics);
/* The same of a whole run over files. sum: of all counters but the collector's, which
 * are added to it. */
void mt_collector_run_statistics(struct mt_collector *collector, const struct mt_pipeline_result *result,
                                 struct mt_stats *sum);

/* Hands gathered lines to the sink. */
void mt_collector_flush(struct mt_collector *collector);

static inline bool mt_collector_is_shedding(const struct mt_collector *collector)
{
    return atomic_load_explicit(&collector->sheds, memory_order_relaxed);
}

bool mt_collector_is_in_sink(const struct mt_collector *collector);

/* True: the collector's thread is in the sink, and has lost the collector to the
 * caller; what it was about to write is counted as shed. */
bool mt_collector_abandon(struct mt_collector *collector);

#endif
