/* Events that no record is made of: commands and replies as they come, findings, and
 * the statistics of an interval. What else rules are held against is in a session's
 * record (sigma/sigma.h).
 *
 * Ownership: everything is borrowed for the call. Thread: the evaluator's. Limits:
 * none.
 */
#ifndef MT_SIGMA_EVENTS_H
#define MT_SIGMA_EVENTS_H

#include "sigma/sigma.h"
#include "stats/stats.h"

/* Is there a rule that wants events of the category? */
bool mt_sigma_wants(const struct mt_sigma *sigma, enum mt_sigma_category category);

/* Is the field of the session record known while the session is going on? Others
 * can't be asked for in rules of the categories command and reply. */
bool mt_sigma_is_early(const struct mt_field *field);

/* Is it known of the session that a finding was made in? The same for category finding,
 * whose other fields are those of struct mt_record_finding. */
bool mt_sigma_is_of_finding(const struct mt_field *field);

/* What was counted in an interval. Rates are rounded down. */
struct mt_sigma_statistics {
    uint64_t time;     /* the interval's end, ns since the epoch */
    uint64_t interval; /* ns */
    uint64_t frames_per_s;
    uint64_t bits_per_s;
    uint64_t lost_per_s;
    uint64_t lost_permille; /* of the frames that there were */
    uint64_t sessions_per_s;
    uint64_t alerts_per_s;
    uint64_t sessions_open; /* at its end */
    uint64_t counters[MT_COUNTER_REJECT_FIRST];
};

/* Their names and meanings, as `mailtap fields` lists them. */
extern const struct mt_field_group mt_sigma_group_statistics;

/* Rates and counters of the time between two sums of counters; before NULL: since
 * the start. lost: frames that were not inspected. */
struct mt_sigma_interval {
    const struct mt_stats *now;
    const struct mt_stats *before;
    uint64_t time;
    uint64_t interval;
    uint64_t frames; /* in it, without those that were lost before they were counted */
    uint64_t bytes;
    uint64_t lost;
};
void mt_sigma_statistics_fill(const struct mt_sigma_interval *interval,
                              struct mt_sigma_statistics *ret_statistics);

/* The evaluator of events of the category that no worker has, but the collector:
 * statistics and findings; NULL: no rule asks for them. One thread has both. */
struct mt_sigma_eval *mt_sigma_collector_evaluator(const struct mt_sigma *sigma,
                                                   enum mt_sigma_category category);

/* One event, of the rule's category: category says which member of it is looked
 * at. Of a command or reply the session is what is known by now, and its event_end
 * the event's time; of statistics it is one that holds their time alone, of a finding
 * one that holds what struct mt_record_finding has not. Allocates nothing. */
void mt_sigma_evaluate_event(struct mt_sigma_eval *eval, enum mt_sigma_category category,
                             const struct mt_sigma_event *event, mt_sigma_match_fn *match, void *ctx);

/* Of a rule of category finding: the findings that it is about, and the thresholds that
 * decide when they are due. Of another rule nothing. */
void mt_sigma_explain_findings(const struct mt_sigma_rule *rule, const struct mt_detect_config *config,
                               struct mt_buf *ret_text);

/* As mt_sigma_nearness (sigma.h), of one event. */
bool mt_sigma_event_nearness(struct mt_sigma_eval *eval, const struct mt_sigma_rule *rule,
                             const struct mt_sigma_event *event, uint32_t *ret_met, uint32_t *ret_parts,
                             struct mt_buf *ret_text);

#endif
