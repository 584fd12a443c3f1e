/* What a run amounts to, for the summary: counted from the records by each
 * worker, merged at the end.
 *
 * Ownership: plain values. Thread: one writer; merged after the writers ended.
 * Limits: MT_TALLY_HOSTS distinct clients and servers are told apart; sessions
 * of further ones are counted under `others`.
 */
#ifndef MT_PIPELINE_TALLY_H
#define MT_PIPELINE_TALLY_H

#include "base/anomaly.h"
#include "record/record.h"
#include "stats/stats.h"

#define MT_TALLY_HOSTS 8192u /* a power of two; filled to three quarters */

enum mt_outcome {
    MT_OUTCOME_DELIVERED,
    MT_OUTCOME_REJECTED,
    MT_OUTCOME_DEFERRED,
    MT_OUTCOME_ABORTED,
    MT_OUTCOME_RESET,
    MT_OUTCOME_UNFINISHED,
    MT_OUTCOME_COUNT,
};

const char *mt_outcome_name(enum mt_outcome outcome);

struct mt_tally_host {
    struct mt_ip ip;
    uint64_t sessions;
    uint64_t transactions;
};

struct mt_tally_hosts {
    uint32_t count;
    uint64_t others; /* sessions of hosts that found no place */
    struct mt_tally_host slots[MT_TALLY_HOSTS];
};

struct mt_tally {
    uint64_t sessions;
    uint64_t transactions;
    uint64_t recipients;
    uint64_t content_bytes;
    uint64_t midstream;
    uint64_t one_way;
    uint64_t with_gaps;
    uint64_t truncated;
    uint64_t anomalies[MT_ANOMALY_COUNT]; /* sessions that had it */
    struct mt_tally_hosts clients;
    struct mt_tally_hosts servers;
};

void mt_tally_add(struct mt_tally *tally, const struct mt_record_session *record);
/* For an addition that comes a little later. */
void mt_tally_prefetch(const struct mt_tally *tally, const struct mt_record_session *record);

/* Of a record what is asked for while the run goes on: transactions by outcome,
 * replies by class, STARTTLS. */
void mt_tally_count_record(struct mt_stats *stats, const struct mt_record_session *record);
enum mt_counter mt_outcome_counter(enum mt_outcome outcome);

void mt_tally_merge(struct mt_tally *into, const struct mt_tally *from);

/* The count_max hosts with most sessions, most first; returns how many. */
size_t mt_tally_top(const struct mt_tally_hosts *hosts, const struct mt_tally_host **ret_top,
                    size_t count_max);

#endif
