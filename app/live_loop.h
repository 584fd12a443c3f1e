/* A live run while it runs: signals, what happens each second, when it ends.
 *
 * Ownership: live.c makes and frees what the run points to. Thread: control.
 * Limits: none.
 */
#ifndef MT_APP_LIVE_LOOP_H
#define MT_APP_LIVE_LOOP_H

#include "live_metrics.h"
#include "live_report.h"
#include "live_stats.h"
#include "live_telemetry.h"
#include "live_user.h"
#include "options.h"
#include "status.h"
#include "writers.h"

#include <pthread.h>
#include <signal.h>

struct mt_live_second {
    sigset_t signals;
    pthread_t thread;
    int left; /* signals to come */
    bool is_running;
};

struct mt_live_run {
    struct mt_live_view view;        /* of the last second */
    struct mt_live_view before;      /* of the second before it */
    struct mt_live_view line_before; /* of the last line of --stats */
    struct mt_live_view judged;      /* when rules about statistics were asked last */
    struct mt_stats stats;           /* of the threads */
    struct mt_live_watch watch;
    struct mt_options *options;
    struct mt_writers *writers;
    struct mt_ports *ports;
    struct mt_live *live;
    struct mt_live_stats_file stats_file;
    struct mt_live_telemetry *telemetry; /* NULL: none */
    struct mt_live_metrics *metrics;     /* NULL: none */
    struct mt_live_user user;
    struct mt_status status;
    struct mt_live_second second;
    sigset_t signals; /* blocked in every thread */
    uint64_t start_time;
    int stop_signal; /* 0: it ended by itself */
};

/* Returns when the run is to end. */
void mt_live_loop(struct mt_live_run *run);

/* Takes a view; stats: of the threads. */
void mt_live_loop_look(struct mt_live_run *run, const struct mt_stats *stats);

/* While the run ends a further signal ends the process at once. */
void mt_live_loop_await_second(struct mt_live_run *run);
void mt_live_loop_forget_second(struct mt_live_run *run);

#endif
