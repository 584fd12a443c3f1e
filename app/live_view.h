/* A live run as it is at one moment: every counter, every port, every worker;
 * and where frames were lost, with what can be done about it.
 *
 * Ownership: plain values. Thread: taken by the control thread. Limits:
 * MT_PORTS_OPEN_MAX, MT_WORKERS_MAX.
 */
#ifndef MT_APP_LIVE_VIEW_H
#define MT_APP_LIVE_VIEW_H

#include "capture/ports.h"
#include "outputs.h"
#include "pipeline/live.h"
#include "summary.h"

struct mt_live_view {
    struct mt_stats stats; /* of all threads, ports and writers */
    struct mt_port_counts ports[MT_PORTS_OPEN_MAX];
    uint64_t worker_frames[MT_WORKERS_MAX];
    uint64_t alerts[MT_RULE_COUNT][MT_LEVEL_COUNT];
    struct {
        char name[MT_LOADED_NAME_MAX];
        uint64_t alerts[MT_LEVEL_COUNT];
    } loaded[MT_LOADED_NOTES_MAX]; /* rules of --rules that have raised any */
    size_t loaded_count;
    struct mt_filter_counts filters; /* since their rules were read */
    struct mt_output_state outputs[MT_OUTPUTS_MAX];
    struct mt_live_load load;
    size_t output_count;
    size_t port_count;
    size_t worker_count;
    uint64_t wall_time; /* ns since the epoch */
    uint64_t up_time;   /* ns since the start of the run */
};

/* Why a frame, or a segment, was lost. */
struct mt_live_cause {
    enum mt_counter counter;
    const char *what; /* "... frames were lost because" */
    const char *mend;
};

extern const struct mt_live_cause mt_live_causes[];
extern const size_t mt_live_cause_count;

/* Now, in ns of CLOCK_MONOTONIC. */
uint64_t mt_live_now(void);

/* stats of the view: as given in `stats` and by the writers, with the losses of
 * the ports. */
void mt_live_view_sum(struct mt_live_view *view, const struct mt_stats *stats,
                      const struct mt_stats *written);

/* Alerts by rule and level so far. */
void mt_live_view_alerts(struct mt_live_view *view, const struct mt_alert_notes *notes);

/* All frames that the ports know of; those that were handed to us; those lost. */
uint64_t mt_live_view_known(const struct mt_live_view *view);
uint64_t mt_live_view_frames(const struct mt_live_view *view);
uint64_t mt_live_view_bytes(const struct mt_live_view *view);
uint64_t mt_live_view_lost(const struct mt_live_view *view);

/* Sessions that have begun and not ended. */
uint64_t mt_live_view_open(const struct mt_live_view *view);

/* What was counted between two views, for rules of category statistics. */
void mt_live_view_statistics(const struct mt_live_view *view, const struct mt_live_view *before,
                             struct mt_sigma_statistics *ret_statistics);

struct mt_live_health mt_live_view_health(const struct mt_live_view *view);

#endif
