/* --stats of a live run: one JSON line each interval (docs/operations.md), for
 * machines.
 *
 * Ownership: owns the file and the line that is on its way. Thread: control; it
 * never waits for a reader: a line that finds the one before it still unread is
 * left out and counted. Limits: one line is kept.
 */
#ifndef MT_APP_LIVE_STATS_H
#define MT_APP_LIVE_STATS_H

#include "live_view.h"

struct mt_live_stats_file {
    const char *path; /* NULL: none */
    int fd;
    int error;        /* errno of the first failure */
    uint64_t skipped; /* lines */
    char *line;       /* malloc; what is on its way */
    size_t size;
    size_t off;
};

/* path NULL: does nothing. -errno and a sentence. */
int mt_live_stats_open(struct mt_live_stats_file *file, const char *path, char *ret_reason,
                       size_t reason_size);

/* before: the view of the line before; its times may be 0. */
void mt_live_stats_write(struct mt_live_stats_file *file, const char *observer,
                         const struct mt_live_view *view, const struct mt_live_view *before);

/* Tries to get rid of what is on its way; to be called often. */
void mt_live_stats_push(struct mt_live_stats_file *file);

/* False when a line is missing; the reason is on standard error. */
bool mt_live_stats_close(struct mt_live_stats_file *file);

/* The line itself, for mt_live_stats_write and tests. NULL when memory is short;
 * else to be freed. */
char *mt_live_stats_line(const char *observer, const struct mt_live_view *view,
                         const struct mt_live_view *before, size_t *ret_size);

#endif
