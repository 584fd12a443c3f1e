/* A run with several workers: the dealer (the calling thread) sends batches of
 * packets to workers by symmetric hash, workers send blocks of results to the
 * collector's thread, which merges them in packet order.
 *
 * Every batch and block carries a watermark: all packets (results) up to that
 * frame number have been dealt (handed over). The dealer sends a batch to every
 * worker in each round, also an empty one, so that no watermark stands still.
 *
 * Ownership: see threads.c. Thread: as named. Limits: MT_RING_SIZE batches of
 * MT_BATCH_PACKETS in flight per worker; blocks in flight are bounded by them.
 */
#ifndef MT_PIPELINE_THREADS_PRIV_H
#define MT_PIPELINE_THREADS_PRIV_H

#include "pipeline/collector_priv.h"
#include "pipeline/front_priv.h"

int mt_threads_run(const struct mt_pipeline_config *config, struct mt_capture *capture,
                   struct mt_front *front, struct mt_collector *collector, struct mt_pipeline_result *result);

#endif
