/* Answers of the driver library's telemetry: /mailtap/counters, /mailtap/workers,
 * /mailtap/ports.
 *
 * Ownership: the copy that the telemetry's thread reads is never freed, because
 * that thread ends with the process. Thread: start and show from the control
 * thread; read by the telemetry's. Limits: a second old.
 */
#ifndef MT_APP_LIVE_TELEMETRY_H
#define MT_APP_LIVE_TELEMETRY_H

#include "live_view.h"

struct mt_live_telemetry;

/* NULL when there is no telemetry, or no memory: the run does without. */
struct mt_live_telemetry *mt_live_telemetry_start(void);
void mt_live_telemetry_show(struct mt_live_telemetry *telemetry, const struct mt_live_view *view);

#endif
