/* What a live run tells people: statistics on demand, what happened to ports and
 * workers, the part about capturing of the summary, and what was lost.
 *
 * Ownership: borrows views. Thread: control. Limits: each warning is said once.
 */
#ifndef MT_APP_LIVE_REPORT_H
#define MT_APP_LIVE_REPORT_H

#include "live_view.h"

#include <stdio.h>

/* SIGUSR1: counters that are not zero, ports, workers. */
void mt_live_report_statistics(FILE *file, const struct mt_live_view *view);

/* The summary's first part, on standard output. */
void mt_live_report_capture(const struct mt_live_view *view, const struct mt_pipeline_result *result);

/* A line for every cause of a loss, with its share and what to do; true when
 * there was any. */
bool mt_live_report_losses(FILE *file, const struct mt_live_view *view);

/* What is said when it happens. */
struct mt_live_watch {
    uint64_t judged_frames[MT_WORKERS_MAX]; /* of the workers, when shares were last looked at */
    bool is_down[MT_PORTS_OPEN_MAX];
    bool is_share_told;
};

typedef void mt_live_say(void *ctx, const char *line);

/* Each second: links that went down or came up; a worker with much more than its
 * share. */
void mt_live_watch_look(struct mt_live_watch *watch, const struct mt_live_view *view, mt_live_say *say,
                        void *ctx);

#endif
