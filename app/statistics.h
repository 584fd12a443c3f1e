/* Every counter of a run by its name: --stats of read, statistics of live.
 *
 * Ownership: borrows all. Thread: main. Limits: none.
 */
#ifndef MT_APP_STATISTICS_H
#define MT_APP_STATISTICS_H

#include "sigma/sigma.h"
#include "stats/stats.h"

#include <stdbool.h>
#include <stdio.h>

/* The name of counter 0 to MT_COUNTER_COUNT - 1; NULL when there is none. */
const char *mt_statistics_name(int counter);

/* What filters of rules have left out, of each filter that was read, at most
 * MT_FILTERS_MAX; the last one is the sum of the others then. */
#define MT_FILTERS_MAX 64u
#define MT_FILTER_NAME_MAX 260u /* a whole one: two that begin alike are two */

struct mt_filter_counts {
    struct {
        char name[MT_FILTER_NAME_MAX];
        uint64_t count;
    } items[MT_FILTERS_MAX];
    size_t count;
};

/* sigma NULL: no rules. */
void mt_statistics_filters(const struct mt_sigma *sigma, struct mt_filter_counts *ret_counts);

/* One JSON object; is_pretty: a member a line. */
void mt_statistics_put(FILE *file, const struct mt_stats *stats, bool is_pretty);
/* An object of filters by name. */
void mt_statistics_put_filters(FILE *file, const struct mt_filter_counts *filters);

/* The counters, and in the member rules.filters what each filter left out, if there are any.
 * False when it could not be written; the reason is on standard error. */
bool mt_statistics_write(const char *path, const struct mt_stats *stats,
                         const struct mt_filter_counts *filters);

#endif
