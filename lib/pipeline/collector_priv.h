/* The collector: everything that needs one view of all workers. Facts go to the
 * rules, records and alerts to the sink.
 *
 * Ownership: owns the detect engine. Thread: one. Limits: lines are gathered up
 * to 256 KiB before the sink is called.
 */
#ifndef MT_PIPELINE_COLLECTOR_PRIV_H
#define MT_PIPELINE_COLLECTOR_PRIV_H

#include "pipeline/worker_priv.h"

struct mt_collector {
    struct mt_stats stats;
    struct mt_detect *detect;
    const struct mt_pipeline_sink *sink;
    void *sink_ctx;
    uint8_t *lines;
    size_t lines_size;
    size_t lines_cap;
    uint64_t lines_count;
};

int mt_collector_create(const struct mt_pipeline_config *config, const struct mt_pipeline_sink *sink,
                        void *sink_ctx, struct mt_collector **ret_collector);
void mt_collector_destroy(struct mt_collector *collector);

void mt_collector_line(struct mt_collector *collector, struct mt_span line);
void mt_collector_observe(struct mt_collector *collector, const struct mt_observation *observation);

/* Hands gathered lines to the sink. */
void mt_collector_flush(struct mt_collector *collector);

#endif
