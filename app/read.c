/* mailtap read: captures to records, alerts and a summary. */
#include "app.h"
#include "capture/files.h"
#include "options.h"
#include "progress.h"
#include "statistics.h"
#include "summary.h"
#include "writers.h"

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
    "  --output SPEC      FORMAT:TARGET: send records and alerts elsewhere (docs/outputs.md);\n"
    "                     may be given several times\n"
    "  --notify SPEC      FORM:TARGET: tell people of alerts, by a webhook or a program\n"
    "                     (docs/outputs.md); may be given several times\n"
    "  --require-outputs  do not start when one of them can't be reached\n"
    "  --site FILE        home networks, local domains, mail servers, thresholds (YAML)\n"
    "  --rules PATH       Sigma rules, a file or a folder (docs/rules.md); several times\n"
    "  --no-shipped-rules  only --rules; without any mail raises no alerts\n"
    "  --strict           do not run with rules that have errors\n"
    "  --correlation-memory SIZE  what rules may count in (64M)\n"
    "  --correlate-to kafka://BROKERS/TOPIC  leave correlations to mailtap correlate, which\n"
    "                     judges those of all sensors (docs/operations.md)\n"
    "  --config FILE      options from a YAML file; the command line wins\n"
    "  --ports LIST       TCP ports that carry mail (25,465,587,2525)\n"
    "  --any-port         look for SMTP on all other TCP ports too\n"
    "  --dns              learn names of hosts from the DNS answers that pass by\n"
    "  --message LIST     headers: of a message only its header; full (default): the tree\n"
    "                     of its parts too; lines: and the ends and lengths of all lines;\n"
    "                     fields: a list of all fields of its header, with any of these\n"
    "  --hash[=LIST]      MD5 and SHA-256 of what each part holds, decoded; LIST: md5, sha256\n"
    "  --urls             the URLs in its text\n"
    "  --magic            types of parts by their first octets (libmagic)\n"
    "  --extract DIR      write messages (.eml) and their parts to files there, with an index;\n"
    "                     --extract-file-max SIZE (100M), --extract-total-max SIZE (10G)\n"
    "  --filter BPF       only frames that match, in tcpdump's language\n"
    "  --workers N        threads that parse (1); the results are the same for any N\n"
    "  --overlap POLICY   which bytes count where segments overlap: first (default), last\n"
    "  --observer NAME    observer.name in the records (this host's name)\n"
    "  --fail-on LEVEL    exit with 4 if an alert of this level or above was raised\n"
    "  --quiet            no progress line on a terminal\n"
    "  --redact MODE      take addresses out of all that is written: none,\n"
    "                     local-part, hash or drop (docs/privacy.md)\n"
    "  --redact-key-file FILE  the key of the names that stand for them\n"
    "  --help             this text\n"
    "\n"
    "Exit codes: 0 done; 1 done, but something was unreadable or could not be written;\n"
    "2 usage or configuration error; 3 could not start; 4 see --fail-on.\n";

static _Atomic bool stop_wanted;

static void on_signal(int number)
{
    (void)number;
    atomic_store(&stop_wanted, true);
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

static int run_capture(struct mt_writers *writers, struct mt_options *options, struct mt_capture *capture,
                       struct mt_pipeline_result *result)
{
    struct mt_pipeline_sink sink = mt_writers_sink(writers);
    char reason[256];
    struct mt_progress progress;
    options->pipeline.stop = &stop_wanted;
    if (options->pipeline.limits.content & MT_CONTENT_MAGIC &&
        mt_magic_create(false, reason, sizeof(reason), &options->pipeline.magic) != 0) {
        fprintf(stderr, "mailtap: --magic: %s\n", reason);
        return MT_EXIT_START;
    }
    options->extract.is_patient = true;
    if (options->extract.folder &&
        mt_extract_create(&options->extract, reason, sizeof(reason), &options->pipeline.extract) != 0) {
        fprintf(stderr, "mailtap: --extract: %s\n", reason);
        mt_magic_destroy(options->pipeline.magic);
        return MT_EXIT_START;
    }
    mt_progress_start(&progress, capture, !options->is_quiet);
    int rc = mt_pipeline_run(&options->pipeline, capture, &sink, writers, reason, sizeof(reason), result);
    mt_progress_stop(&progress);
    mt_magic_destroy(options->pipeline.magic);
    options->pipeline.magic = NULL;
    bool is_extracted = mt_extract_destroy(options->pipeline.extract, rc == 0 ? &result->stats : NULL);
    if (rc != 0) {
        fprintf(stderr, "mailtap: %s\n", reason);
        return MT_EXIT_START;
    }
    mt_capture_files_settle(capture);
    bool is_incomplete = report_damage(capture) || !is_extracted;
    is_incomplete |= options->sigma && mt_sigma_error_count(options->sigma) > 0;
    if (atomic_load(&stop_wanted)) {
        fputs("mailtap: stopped by a signal before the end of the capture\n", stderr);
        is_incomplete = true;
    }
    is_incomplete |= !mt_writers_close(writers);
    mt_stats_sum(&result->stats, &writers->written);
    is_incomplete |= mt_stats_get(&result->stats, MT_COUNTER_EXPORT_SHED) > 0;
    struct mt_filter_counts filters;
    mt_statistics_filters(options->sigma, &filters);
    if (options->stats_path)
        is_incomplete |= !mt_statistics_write(options->stats_path, &result->stats, &filters);
    if (!mt_writers_has_stdout(writers)) {
        mt_summary_print_read(result);
        mt_summary_print(options, result, &writers->notes, &filters);
        mt_summary_print_outputs(writers->states, writers->state_count);
    }
    if (fflush(stdout) != 0) {
        fputs("mailtap: standard output: write error\n", stderr);
        is_incomplete = true;
    }
    return exit_code(options, &writers->notes, is_incomplete);
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

static int run_all(struct mt_writers *writers, struct mt_stats *stats, struct mt_options *options)
{
    if (is_output_an_input(options))
        return MT_EXIT_USAGE;
    char reason[512];
    struct mt_capture_files_config files = {
        .paths = options->paths,
        .path_count = options->path_count,
        .filter = options->filter,
        .is_streamed = options->pipeline.workers <= 1,
    };
    struct mt_capture *capture;
    int rc = mt_capture_files_open(&files, stats, reason, sizeof(reason), &capture);
    if (rc != 0) {
        fprintf(stderr, "mailtap: %s\n", reason);
        return rc == -EINVAL ? MT_EXIT_USAGE : MT_EXIT_START;
    }
    struct mt_pipeline_result *result = aligned_alloc(MT_CACHE_LINE, sizeof(*result));
    int code = MT_EXIT_START;
    if (!result) {
        fputs("mailtap: out of memory\n", stderr);
    } else if ((rc = mt_writers_open(writers, options, reason, sizeof(reason))) != 0) {
        fprintf(stderr, "mailtap: %s\n", reason);
        code = rc == -EINVAL ? MT_EXIT_USAGE : MT_EXIT_START;
    } else {
        code = run_capture(writers, options, capture, result);
    }
    mt_writers_close(writers);
    free(result);
    capture->ops->close(capture);
    return code;
}

int mt_app_read(int argc, char **argv)
{
    struct mt_options options;
    int code = mt_options_parse(&options, argc, argv, help, MT_VERB_BIT_READ);
    if (code < 0) {
        struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
        struct mt_stats *stats = aligned_alloc(MT_CACHE_LINE, sizeof(*stats)); /* of the capture */
        struct mt_writers *writers = mt_writers_create();
        if (stats && writers) {
            memset(stats, 0, sizeof(*stats));
            code = run_all(writers, stats, &options);
        } else {
            fputs("mailtap: out of memory\n", stderr);
            code = MT_EXIT_START;
        }
        mt_writers_destroy(writers);
        free(stats);
    }
    mt_options_fini(&options);
    return code;
}
