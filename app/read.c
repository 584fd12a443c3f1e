/* mailtap read: captures to records, alerts and a summary. */
#include "app.h"
#include "capture/files.h"
#include "export/json.h"
#include "export/writer.h"
#include "options.h"
#include "progress.h"
#include "statistics.h"
#include "summary.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static const char help[] =
    "mailtap read [OPTION...] FILE|DIR|- ...\n"
    "\n"
    "Reads captures (pcap, pcapng, either of them gzip, zstd or lz4 compressed, and\n"
    "whatever else libpcap opens) and prints a summary of the mail sessions in them.\n"
    "\n"
    "  --json             NDJSON of sessions and alerts on standard output, no summary\n"
    "  --sessions PATH    write session records (NDJSON) to PATH; - is standard output\n"
    "  --alerts PATH      write alerts (NDJSON) to PATH; - is standard output\n"
    "  --stats PATH       write all counters (JSON) to PATH at the end\n"
    "  --site FILE        home networks, local domains, mail servers, thresholds (YAML)\n"
    "  --config FILE      options from a YAML file; the command line wins\n"
    "  --ports LIST       TCP ports that carry mail (25,465,587,2525)\n"
    "  --filter BPF       only frames that match, in tcpdump's language\n"
    "  --workers N        threads that parse (1); the results are the same for any N\n"
    "  --overlap POLICY   which bytes count where segments overlap: first (default), last\n"
    "  --observer NAME    observer.name in the records (this host's name)\n"
    "  --fail-on LEVEL    exit with 4 if an alert of this level or above was raised\n"
    "  --quiet            no progress line on a terminal\n"
    "  --help             this text\n"
    "\n"
    "Exit codes: 0 done; 1 done, but something was unreadable or could not be written;\n"
    "2 usage or configuration error; 3 could not start; 4 see --fail-on.\n";

struct run {
    struct mt_writer *sessions;
    struct mt_writer *alerts; /* may be the same as sessions */
    struct mt_stats *stats;   /* of the capture */
    struct mt_stats *written; /* of the writers, which go on after the pipeline has ended */
    struct mt_alert_notes *notes;
    uint8_t *alert_line;
};

#define ALERT_LINE_CAP ((size_t)256 << 10)

static _Atomic bool stop_wanted;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&stop_wanted, true);
}

static void on_sessions(void *ctx, struct mt_span lines, uint64_t count)
{
    struct run *run = ctx;
    mt_writer_put(run->sessions, lines, count);
}

static void on_alert(void *ctx, const struct mt_record_alert *alert, enum mt_rule rule, enum mt_level level)
{
    struct run *run = ctx;
    mt_notes_add(run->notes, alert, rule, level);
    if (!run->alerts)
        return;
    struct mt_buf line = mt_buf(run->alert_line, ALERT_LINE_CAP);
    mt_json_put_alert(&line, alert);
    if (line.overflow)
        mt_stats_add(run->written, MT_COUNTER_EXPORT_SHED, 1);
    else
        mt_writer_put(run->alerts, mt_buf_span(&line), 1);
}

/* Both on one path (--json, or the same file given twice) share a writer. */
static int open_writers(struct run *run, struct mt_options *options, char *reason, size_t reason_size)
{
    if (options->is_json) {
        options->sessions_path = options->sessions_path ? options->sessions_path : "-";
        options->alerts_path = options->alerts_path ? options->alerts_path : "-";
    }
    if (options->sessions_path) {
        int rc = mt_writer_open(options->sessions_path, run->written, reason, reason_size, &run->sessions);
        if (rc != 0)
            return rc;
    }
    if (options->alerts_path && options->sessions_path &&
        strcmp(options->alerts_path, options->sessions_path) == 0)
        run->alerts = run->sessions;
    else if (options->alerts_path)
        return mt_writer_open(options->alerts_path, run->written, reason, reason_size, &run->alerts);
    return 0;
}

/* True when everything that was given to the writer is on its way. */
static bool close_writer(struct mt_writer *writer, const char *path)
{
    mt_writer_flush(writer);
    uint64_t shed = mt_writer_shed(writer);
    bool is_whole = shed == 0 && mt_writer_error(writer)[0] == '\0';
    if (!is_whole)
        fprintf(stderr, "mailtap: %s: %s; %llu records were not written\n", path, mt_writer_error(writer),
                (unsigned long long)shed);
    int rc = mt_writer_close(writer);
    if (rc != 0 && is_whole)
        fprintf(stderr, "mailtap: %s: %s\n", path, strerror(-rc));
    return is_whole && rc == 0;
}

static bool close_writers(struct run *run, const struct mt_options *options)
{
    bool is_whole = true;
    if (run->sessions)
        is_whole &= close_writer(run->sessions, options->sessions_path);
    if (run->alerts && run->alerts != run->sessions)
        is_whole &= close_writer(run->alerts, options->alerts_path);
    run->sessions = NULL;
    run->alerts = NULL;
    return is_whole;
}

static bool report_damage(const struct mt_capture *capture)
{
    for (size_t i = 0; i < capture->damage_count; i++) {
        const struct mt_capture_damage *damage = &capture->damage[i];
        fprintf(stderr, "mailtap: %s: at byte %llu: %s\n", damage->path, (unsigned long long)damage->off,
                damage->reason);
    }
    return capture->damage_count > 0;
}

static int exit_code(const struct mt_options *options, const struct mt_alert_notes *notes, bool is_incomplete)
{
    if (options->has_fail_on && notes->total > 0 && notes->worst >= options->fail_on)
        return MT_EXIT_ALERT;
    return is_incomplete ? MT_EXIT_INCOMPLETE : MT_EXIT_OK;
}

static int run_capture(struct run *run, struct mt_options *options, struct mt_capture *capture,
                       struct mt_pipeline_result *result)
{
    struct mt_pipeline_sink sink = {
        .sessions = run->sessions ? on_sessions : NULL,
        .alert = on_alert,
    };
    char reason[256];
    struct mt_progress progress;
    options->pipeline.stop = &stop_wanted;
    mt_progress_start(&progress, capture, !options->is_quiet);
    int rc = mt_pipeline_run(&options->pipeline, capture, &sink, run, reason, sizeof(reason), result);
    mt_progress_stop(&progress);
    if (rc != 0) {
        fprintf(stderr, "mailtap: %s\n", reason);
        return MT_EXIT_START;
    }
    bool is_incomplete = report_damage(capture);
    if (atomic_load(&stop_wanted)) {
        fputs("mailtap: stopped by a signal before the end of the capture\n", stderr);
        is_incomplete = true;
    }
    is_incomplete |= !close_writers(run, options);
    mt_stats_sum(&result->stats, run->written);
    is_incomplete |= mt_stats_get(&result->stats, MT_COUNTER_EXPORT_SHED) > 0;
    if (options->stats_path)
        is_incomplete |= !mt_statistics_write(options->stats_path, &result->stats);
    bool is_stdout_taken = options->is_json ||
                           (options->sessions_path && strcmp(options->sessions_path, "-") == 0) ||
                           (options->alerts_path && strcmp(options->alerts_path, "-") == 0);
    if (!is_stdout_taken)
        mt_summary_print(options, result, run->notes);
    if (fflush(stdout) != 0) {
        fputs("mailtap: standard output: write error\n", stderr);
        is_incomplete = true;
    }
    return exit_code(options, run->notes, is_incomplete);
}

/* Writing over a capture that is being read would destroy it. */
static bool is_output_an_input(const struct mt_options *options)
{
    const char *const outputs[] = {options->sessions_path, options->alerts_path, options->stats_path};
    for (size_t o = 0; o < MT_ARRAY_COUNT(outputs); o++) {
        struct stat output;
        if (!outputs[o] || stat(outputs[o], &output) != 0 || !S_ISREG(output.st_mode))
            continue;
        for (size_t i = 0; i < options->path_count; i++) {
            struct stat input;
            if (stat(options->paths[i], &input) != 0 || input.st_dev != output.st_dev ||
                input.st_ino != output.st_ino)
                continue;
            fprintf(stderr, "mailtap: %s is to be read and to be written; give another output\n", outputs[o]);
            return true;
        }
    }
    return false;
}

static int run_all(struct run *run, struct mt_options *options)
{
    if (is_output_an_input(options))
        return MT_EXIT_USAGE;
    char reason[512];
    struct mt_capture_files_config files = {
        .paths = options->paths, .path_count = options->path_count, .filter = options->filter};
    struct mt_capture *capture;
    int rc = mt_capture_files_open(&files, run->stats, reason, sizeof(reason), &capture);
    if (rc != 0) {
        fprintf(stderr, "mailtap: %s\n", reason);
        return rc == -EINVAL ? MT_EXIT_USAGE : MT_EXIT_START;
    }
    struct mt_pipeline_result *result = aligned_alloc(MT_CACHE_LINE, sizeof(*result));
    int code = MT_EXIT_START;
    if (!result) {
        fputs("mailtap: out of memory\n", stderr);
    } else if (open_writers(run, options, reason, sizeof(reason)) != 0) {
        fprintf(stderr, "mailtap: %s\n", reason);
    } else {
        code = run_capture(run, options, capture, result);
    }
    close_writers(run, options);
    free(result);
    capture->ops->close(capture);
    return code;
}

int mt_app_read(int argc, char **argv)
{
    struct mt_options options;
    int code = mt_options_parse(&options, argc, argv, help, false);
    if (code < 0) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        struct mt_stats *stats = aligned_alloc(MT_CACHE_LINE, 2 * sizeof(*stats));
        struct run run = {
            .stats = stats,
            .written = stats + 1,
            .notes = calloc(1, sizeof(struct mt_alert_notes)),
            .alert_line = malloc(ALERT_LINE_CAP),
        };
        if (stats && run.notes && run.alert_line) {
            memset(stats, 0, 2 * sizeof(*stats));
            code = run_all(&run, &options);
        } else {
            fputs("mailtap: out of memory\n", stderr);
            code = MT_EXIT_START;
        }
        free(run.alert_line);
        free(run.notes);
        free(stats);
    }
    mt_options_fini(&options);
    return code;
}
