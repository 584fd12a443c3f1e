/* --stats: every counter of a run as one JSON object.
 *
 * Ownership: borrows all. Thread: main. Limits: none.
 */
#ifndef MT_APP_STATISTICS_H
#define MT_APP_STATISTICS_H

#include "stats/stats.h"

#include <stdbool.h>

/* False when it could not be written; the reason is on standard error. */
bool mt_statistics_write(const char *path, const struct mt_stats *stats);

#endif
