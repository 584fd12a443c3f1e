/* A run of files with several workers: the dealer (the calling thread) passes
 * frames to workers by symmetric hash, workers send what they have to say to the
 * collector's thread, which merges it in packet order. Nothing is lost: the
 * dealer waits for workers, and they for a sink.
 *
 * Ownership: see lane_priv.h, results_priv.h. Thread: as named. Limits: those of
 * lanes and results.
 */
#ifndef MT_PIPELINE_THREADS_PRIV_H
#define MT_PIPELINE_THREADS_PRIV_H

#include "pipeline/collector_priv.h"
#include "pipeline/front_priv.h"

int mt_threads_run(const struct mt_pipeline_config *config, struct mt_capture *capture,
                   struct mt_front *front, struct mt_collector *collector, struct mt_pipeline_result *result);

#endif
