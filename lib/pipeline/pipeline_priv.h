/* What the file run and the live run share besides their lanes.
 *
 * Ownership: plain values. Thread: the caller's. Limits: those of pipeline.h.
 */
#ifndef MT_PIPELINE_PIPELINE_PRIV_H
#define MT_PIPELINE_PIPELINE_PRIV_H

#include "pipeline/collector_priv.h"

/* With every default filled in. */
struct mt_pipeline_config mt_pipeline_filled(const struct mt_pipeline_config *given);

void mt_pipeline_inferred(struct mt_pipeline_result *result, const struct mt_collector *collector);

#endif
