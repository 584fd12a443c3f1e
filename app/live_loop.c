#include "live_loop.h"

#include "app.h"
#include "notify.h"
#include "rule_set.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SECOND UINT64_C(1000000000)
/* How late the end of a run is noticed at most. */
#define NAP UINT64_C(50000000)

static void say(void *ctx, const char *line)
{
    struct mt_live_run *run = ctx;
    mt_status_say(&run->status, line);
}

void mt_live_loop_look(struct mt_live_run *run, const struct mt_stats *stats)
{
    struct mt_live_view *view = &run->view;
    struct timespec wall;

    view->port_count =
        mt_min_u64(mt_ports_count(run->ports, view->ports, MT_PORTS_OPEN_MAX), MT_PORTS_OPEN_MAX);
    view->worker_count = mt_live_worker_frames(run->live, view->worker_frames, MT_WORKERS_MAX);
    mt_live_load(run->live, &view->load);
    view->output_count = mt_writers_outputs(run->writers, view->outputs);
    mt_live_view_alerts(view, &run->writers->notes);
    mt_statistics_filters(mt_live_rules(run->live), &view->filters);
    mt_live_view_sum(view, stats, &run->writers->written);
    if (run->options->pipeline.extract)
        mt_extract_count(run->options->pipeline.extract, &view->stats);
    clock_gettime(CLOCK_REALTIME, &wall);
    view->wall_time = (uint64_t)wall.tv_sec * SECOND + (uint64_t)wall.tv_nsec;
    view->up_time = mt_live_now() - run->start_time;
}

/* --- signals -------------------------------------------------------------------- */

/* Rules with an error leave those in force that were. */
static int reload_with_rules(struct mt_live_run *run, const struct mt_config *config, char *ret_error,
                             size_t error_size)
{
    const struct mt_options *options = run->options;
    struct mt_sigma *sigma;
    int rc = mt_rule_set_load(options, &config->site, options->pipeline.workers, &sigma);
    if (rc == 0 && sigma && mt_sigma_error_count(sigma) > 0) {
        mt_sigma_destroy(sigma);
        rc = -EINVAL;
    }
    snprintf(ret_error, error_size, "the rules have errors");
    if (rc != 0)
        return rc;
    rc = mt_live_reload(run->live, &config->site, &config->detect, sigma);
    if (rc != 0)
        mt_sigma_destroy(sigma);
    snprintf(ret_error, error_size, "out of memory");
    return rc;
}

static void reload(struct mt_live_run *run)
{
    const struct mt_options *options = run->options;
    struct mt_config config;
    char line[768];
    char error[512];

    mt_writers_reopen(run->writers);
    if (!options->site_path && options->config_count == 0 && options->rules_count == 0) {
        say(run,
            mt_writers_has_outputs(run->writers)
                ? "SIGHUP: outputs open their files anew and read secrets and certificates again; neither "
                  "--site nor --config was given"
                : "SIGHUP: nothing to read again, as neither --site nor --config was given");
        return;
    }
    mt_notify_reloading();
    int rc = mt_options_read_site(options, &config, error, sizeof(error));
    if (rc == 0) {
        rc = reload_with_rules(run, &config, error, sizeof(error));
        mt_config_destroy(&config);
    }
    if (rc == 0)
        snprintf(
            line, sizeof(line), "SIGHUP: site and thresholds were read again and are in force%s",
            mt_writers_has_outputs(run->writers)
                ? "; outputs stay as they are, with files opened anew, secrets and certificates read again"
                : "");
    else if (rc == -EACCES && run->user.is_wanted)
        snprintf(line, sizeof(line),
                 "SIGHUP: %s; this process has become user %s, who must be able to read it (chown or chmod); "
                 "the old site, thresholds and rules stay",
                 error, run->user.name);
    else
        snprintf(line, sizeof(line), "SIGHUP: %s; the old site, thresholds and rules stay", error);
    say(run, line);
    mt_notify_ready();
}

/* True when the run is to end. */
static bool take_signal(struct mt_live_run *run, int number)
{
    switch (number) {
    case SIGHUP:
        reload(run);
        return false;
    case SIGUSR1:
        mt_live_stats(run->live, &run->stats);
        mt_live_loop_look(run, &run->stats);
        mt_status_erase(&run->status);
        mt_live_report_statistics(stderr, &run->view);
        return false;
    case SIGUSR2:
        mt_writers_rotate(run->writers);
        say(run, mt_writers_has_outputs(run->writers)
                     ? "SIGUSR2: outputs put their files aside"
                     : "SIGUSR2: there are no outputs whose files could be put aside");
        return false;
    case SIGINT:
    case SIGTERM:
        run->stop_signal = number;
        return true;
    default: /* none came */
        return false;
    }
}

static void *wait_for_second(void *arg)
{
    static const char text[] =
        "mailtap: ended at once by a second signal; what was not yet written is lost\n";
    struct mt_live_second *second = arg;

    while (second->left > 0) {
        int number;
        if (sigwait(&second->signals, &number) == 0)
            second->left--;
    }
    ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)n;
    _exit(MT_EXIT_INCOMPLETE);
}

void mt_live_loop_await_second(struct mt_live_run *run)
{
    struct mt_live_second *second = &run->second;

    sigemptyset(&second->signals);
    sigaddset(&second->signals, SIGINT);
    sigaddset(&second->signals, SIGTERM);
    /* a run that ends by itself is left to end at the first one */
    second->left = run->stop_signal ? 1 : 2;
    second->is_running = pthread_create(&second->thread, NULL, wait_for_second, second) == 0;
}

void mt_live_loop_forget_second(struct mt_live_run *run)
{
    if (!run->second.is_running)
        return;
    pthread_cancel(run->second.thread);
    pthread_join(run->second.thread, NULL);
    run->second.is_running = false;
}

/* --- each second ---------------------------------------------------------------- */

static void judge_statistics(struct mt_live_run *run)
{
    struct mt_sigma_statistics statistics;

    if (run->view.up_time - run->judged.up_time + NAP < run->options->live.interval)
        return;
    mt_live_view_statistics(&run->view, &run->judged, &statistics);
    if (mt_live_statistics(run->live, &statistics))
        run->judged = run->view;
}

static void each_second(struct mt_live_run *run)
{
    char text[MT_STATUS_SIZE];

    run->before = run->view;
    mt_live_stats(run->live, &run->stats);
    mt_live_loop_look(run, &run->stats);
    struct mt_live_health health = mt_live_view_health(&run->view);
    mt_live_health(run->live, &health);
    mt_live_watch_look(&run->watch, &run->view, say, run);
    mt_status_text(&run->view, &run->before, text);
    mt_status_draw(&run->status, text);
    bool is_answering = mt_live_answers(run->live);
    if (is_answering)
        mt_notify_alive(text);
    mt_live_telemetry_show(run->telemetry, &run->view);
    mt_live_metrics_show(run->metrics, &run->view, is_answering);
    judge_statistics(run);
    if (run->view.up_time - run->line_before.up_time + NAP < run->options->live.interval)
        return;
    mt_live_stats_write(&run->stats_file, run->options->observer, &run->view, &run->line_before);
    run->line_before = run->view;
}

static bool is_over(const struct mt_live_run *run, uint64_t now)
{
    uint64_t duration = run->options->live.duration;
    return mt_live_is_done(run->live) || (duration != 0 && now - run->start_time >= duration);
}

void mt_live_loop(struct mt_live_run *run)
{
    uint64_t next = run->start_time + SECOND;

    for (uint64_t now = mt_live_now(); !is_over(run, now); now = mt_live_now()) {
        const struct timespec nap = {.tv_nsec = (long)NAP};
        if (now >= next) {
            each_second(run);
            next += SECOND;
            /* a stopped process does not make up for the seconds it missed */
            if (next < now)
                next = now + SECOND;
        }
        mt_live_stats_push(&run->stats_file);
        if (take_signal(run, sigtimedwait(&run->signals, NULL, &nap)))
            return;
    }
}
