/* Every counter of a run by its name: --stats of read, statistics of live.
 *
 * Ownership: borrows all. Thread: main. Limits: none.
 */
#ifndef MT_APP_STATISTICS_H
#define MT_APP_STATISTICS_H

#include "stats/stats.h"

#include <stdbool.h>
#include <stdio.h>

/* The name of counter 0 to MT_COUNTER_COUNT - 1; NULL when there is none. */
const char *mt_statistics_name(int counter);

/* One JSON object; is_pretty: a member a line. */
void mt_statistics_put(FILE *file, const struct mt_stats *stats, bool is_pretty);

/* False when it could not be written; the reason is on standard error. */
bool mt_statistics_write(const char *path, const struct mt_stats *stats);

#endif
