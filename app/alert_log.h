/* A file of alerts (NDJSON) that is gone on with: what a killed process wrote stays,
 * its last line is cut off again if it is not whole, and an alert that stands there
 * already is not written again.
 *
 * Ownership: the caller's, mt_alert_log_close. Thread: one. Limits: of a file that is
 * there the last MT_ALERT_LOG_TAIL bytes are looked at.
 */
#ifndef MT_APP_ALERT_LOG_H
#define MT_APP_ALERT_LOG_H

#include "base/span.h"

#define MT_ALERT_LOG_TAIL ((size_t)16 << 20)

struct mt_alert_log;

/* path "-": standard output. -errno and a sentence. */
int mt_alert_log_open(const char *path, char *ret_reason, size_t reason_size, struct mt_alert_log **ret_log);

/* A whole line, which is with the kernel when this returns. 1: written; 0: it stands
 * there already; -errno: it could not be written. */
int mt_alert_log_put(struct mt_alert_log *log, struct mt_span line);
void mt_alert_log_close(struct mt_alert_log *log);

#endif
