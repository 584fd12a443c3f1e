/* --metrics of a live run: /metrics for Prometheus, /health and /ready for who
 * starts and watches processes (docs/operations.md, "Metrics").
 *
 * Workers are not asked by a request: what is shown is what the control thread saw
 * in its last second.
 *
 * Ownership: owns the server and a copy of the last view. Thread: control, but
 * mt_live_metrics_text: any. Every function but open takes NULL: no --metrics.
 * Limits: those of metrics/server.h.
 */
#ifndef MT_APP_LIVE_METRICS_H
#define MT_APP_LIVE_METRICS_H

#include "live_view.h"

#include <stdio.h>

/* What has to be done before the run is ready, and its end. */
enum mt_live_stage {
    MT_LIVE_OUTPUTS_OPEN = 1 << 0,
    MT_LIVE_PORTS_OPEN = 1 << 1,
    MT_LIVE_RULES_LOADED = 1 << 2,
    MT_LIVE_ENDING = 1 << 3,
};

struct mt_live_metrics;

/* Listens and answers from here on. -errno and a sentence; -EINVAL when address is
 * none. */
int mt_live_metrics_open(const char *address, char *ret_reason, size_t reason_size,
                         struct mt_live_metrics **ret_metrics);
void mt_live_metrics_close(struct mt_live_metrics *metrics);

/* The address of the page, with the port that it really has. */
const char *mt_live_metrics_url(const struct mt_live_metrics *metrics);

void mt_live_metrics_reach(struct mt_live_metrics *metrics, enum mt_live_stage stage);

/* Each second. is_answering: mt_live_answers. */
void mt_live_metrics_show(struct mt_live_metrics *metrics, const struct mt_live_view *view,
                          bool is_answering);

/* The page itself. */
void mt_live_metrics_text(FILE *file, const struct mt_live_view *view);

/* The bodies of /health and /ready, one line of JSON, and their HTTP status.
 * silence: ns since all threads answered, as the control thread saw it last, or
 * since the run began. stages: those reached. */
unsigned mt_live_metrics_health(FILE *file, uint64_t silence, unsigned stages);
unsigned mt_live_metrics_ready(FILE *file, const struct mt_live_view *view, unsigned stages);

/* After so long without an answer of all threads a run is not healthy. */
#define MT_LIVE_SILENCE_MAX (UINT64_C(10) * 1000000000)

#endif
