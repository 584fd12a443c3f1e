/* mailtap live: polling cores on ports or interfaces. This file starts a run and
 * ends it; live_loop.c is what happens in between. */
#include "app.h"

#include "live_loop.h"
#include "notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How long a target that takes nothing is waited for at the end. The writers
 * give up first, so that the collector comes out of them. */
#define WRITER_GRACE_MS 3000u
#define SINK_GRACE_MS 5000u

static const char help[] =
    "mailtap live [OPTION...] --interface NAME | --port NAME ...\n"
    "\n"
    "Takes mail traffic off the wire with polling cores (DPDK) and writes one record\n"
    "per session and one alert per finding, until SIGINT or SIGTERM.\n"
    "\n"
    "  --interface NAME   a kernel interface (eth1): by net_af_xdp, else net_af_packet,\n"
    "                     else libpcap; may be given again\n"
    "  --port NAME        a DPDK device: PCI address, name, or vdev with its arguments\n"
    "                     (net_memif0,role=server); may be given again. All ports are\n"
    "                     one tap: each direction of a link may have its own\n"
    "  --workers N        threads that parse (1)\n"
    "  --spread HOW       who spreads connections over workers: auto (the device where\n"
    "                     it can), device, software\n"
    "  --cores LIST       cores to run on (2-5,8): reader first, then workers\n"
    "  --poll HOW         busy (lowest loss), adaptive (waits when idle)\n"
    "  --queue-size N     descriptors a queue (4096)\n"
    "  --frame-max N      largest frame, to 9600 (1518)\n"
    "  --memory SIZE      for packet buffers (computed from queues)\n"
    "  --no-promiscuous   only frames that are addressed to the port\n"
    "  --driver-args ARGS further words for the driver library\n"
    "\n"
    "  --duration TIME    end after 30s, 10m, 1h\n"
    "  --count N          end after N frames\n"
    "  --json             NDJSON of sessions and alerts on standard output, no summary\n"
    "  --sessions PATH    write session records (NDJSON) to PATH; - is standard output\n"
    "  --alerts PATH      write alerts (NDJSON) to PATH; - is standard output\n"
    "  --output SPEC      FORMAT:TARGET: send records and alerts elsewhere (docs/outputs.md);\n"
    "                     may be given several times\n"
    "  --notify SPEC      FORM:TARGET: tell people of alerts, by a webhook or a program\n"
    "                     (docs/outputs.md); may be given several times\n"
    "  --require-outputs  do not start when one of them can't be reached\n"
    "  --stats PATH       write a JSON line of statistics each --interval TIME (10s)\n"
    "  --metrics ADDR:PORT  serve metrics for Prometheus, /health and /ready there (off)\n"
    "  --site FILE        home networks, local domains, mail servers, thresholds (YAML)\n"
    "  --rules PATH       Sigma rules, a file or a folder (docs/rules.md); several times\n"
    "  --no-shipped-rules  only --rules; without any mail raises no alerts\n"
    "  --strict           do not run with rules that have errors\n"
    "  --correlation-memory SIZE  what rules may count in (64M)\n"
    "  --correlate-to SPEC  as of mailtap read\n"
    "  --config FILE      options from a YAML file; the command line wins\n"
    "  --ports LIST       TCP ports that carry mail (25,465,587,2525)\n"
    "  --any-port         look for SMTP on all other TCP ports too\n"
    "  --dns              learn names of hosts from the DNS answers that pass by\n"
    "  --message LIST     headers: no parts; full (default); lines: and lengths and ends of\n"
    "                     all lines; fields: and a list of all header fields\n"
    "  --hash[=md5,sha256], --urls, --magic  of what parts hold: digests, URLs, types\n"
    "  --extract DIR      write messages and parts to files (mailtap(1))\n"
    "  --filter BPF       only frames that match, in tcpdump's language\n"
    "  --overlap POLICY   which bytes count where segments overlap: first (default), last\n"
    "  --observer NAME    observer.name in the records (this host's name)\n"
    "  --user NAME        become this user once devices are open (mailtap, if there is one)\n"
    "  --fail-on LEVEL    exit with 4 if an alert of this level or above was raised\n"
    "  --quiet            no status line on a terminal\n"
    "  --verbose          messages of the driver library too\n"
    "  --redact MODE      take addresses out of all that is written: none,\n"
    "                     local-part, hash or drop (docs/privacy.md)\n"
    "  --redact-key-file FILE  the key of the names that stand for them\n"
    "  --help             this text\n"
    "\n"
    "SIGHUP reads --site, --config and --rules again, SIGUSR1 prints statistics, SIGUSR2\n"
    "puts files of --output aside, a second SIGINT or SIGTERM ends at once. 'mailtap devices'\n"
    "lists what can be captured from here.\n"
    "\n"
    "Exit codes: 0 done; 1 done, but frames were lost or records could not be written;\n"
    "2 usage or configuration error; 3 could not start; 4 see --fail-on.\n";

static void print_note(void *ctx, const char *line)
{
    (void)ctx;
    fprintf(stderr, "mailtap: %s\n", line);
}

/* What a device is to let through; none: everything. */
static uint32_t device_ports(const struct mt_pipeline_config *pipeline, uint16_t *ret_ports)
{
    static const uint16_t mail_ports[] = {25, 465, 587, 2525};
    bool has_ports = pipeline->port_count > 0;
    uint32_t count = has_ports ? pipeline->port_count : (uint32_t)MT_ARRAY_COUNT(mail_ports);

    if (pipeline->any_port)
        return 0;
    memcpy(ret_ports, has_ports ? pipeline->ports : mail_ports, count * sizeof(*ret_ports));
    if (pipeline->dns)
        ret_ports[count++] = 53;
    return count;
}

static int open_ports(struct mt_live_run *run, char *reason, size_t reason_size)
{
    const struct mt_options *options = run->options;
    const struct mt_options_live *live = &options->live;
    const struct mt_pipeline_config *pipeline = &options->pipeline;
    uint16_t ports[MT_PORTS_MAX + 1];
    uint32_t port_count = device_ports(pipeline, ports);
    const struct mt_ports_config config = {
        .ports = live->ports,
        .port_count = live->port_count,
        .interfaces = live->interfaces,
        .interface_count = live->interface_count,
        .workers = pipeline->workers ? pipeline->workers : 1,
        .mail_ports = ports,
        .mail_port_count = port_count,
        .filter = options->filter,
        .cores = live->cores,
        .eal_extra = live->driver_args,
        .memory_max = live->memory,
        .queue_size = live->queue_size,
        .frame_max = live->frame_max,
        .spread = live->spread,
        .poll = live->poll,
        .promiscuous_off = live->no_promiscuous,
        .is_verbose = live->is_verbose,
    };
    return mt_ports_open(&config, print_note, NULL, reason, reason_size, &run->ports);
}

static int start_threads(struct mt_live_run *run, const struct mt_pipeline_sink *sink, char *reason,
                         size_t reason_size)
{
    struct mt_capture *sources[MT_WORKERS_MAX];
    size_t count = mt_min_u64(mt_ports_source_count(run->ports), MT_WORKERS_MAX);
    struct mt_live_config config = {
        .pipeline = run->options->pipeline,
        .frames_max = run->options->live.count,
    };

    config.pipeline.workers = config.pipeline.workers ? config.pipeline.workers : 1;
    for (size_t i = 0; i < count; i++)
        sources[i] = mt_ports_source(run->ports, i);
    return mt_live_start(&config, sources, count, sink, run->writers, reason, reason_size, &run->live);
}

/* --- what parts hold ------------------------------------------------------------ */

/* Its thread runs where this one does, which is on no polling core. */
static int start_magic(struct mt_options *options, char *reason, size_t reason_size)
{
    char why[256];

    if (!(options->pipeline.limits.content & MT_CONTENT_MAGIC))
        return 0;
    int rc = mt_magic_create(true, why, sizeof(why), &options->pipeline.magic);
    if (rc != 0)
        snprintf(reason, reason_size, "--magic: %s", why);
    return rc;
}

static int start_extract(struct mt_live_run *run, char *reason, size_t reason_size)
{
    struct mt_extract_config *config = &run->options->extract;
    char why[256];

    if (!config->folder)
        return 0;
    config->has_owner = run->user.is_wanted;
    config->uid = run->user.uid;
    config->gid = run->user.gid;
    int rc = mt_extract_create(config, why, sizeof(why), &run->options->pipeline.extract);
    if (rc != 0)
        snprintf(reason, reason_size, "--extract: %s", why);
    return rc;
}

/* Writes what is under way. */
static bool stop_extract(struct mt_options *options, struct mt_stats *stats)
{
    bool is_well = mt_extract_destroy(options->pipeline.extract, stats);

    options->pipeline.extract = NULL;
    return is_well;
}

static void stop_magic(struct mt_options *options)
{
    mt_magic_destroy(options->pipeline.magic);
    options->pipeline.magic = NULL;
}

/* --- the end -------------------------------------------------------------------- */

/* What is said when all is done; true when something is missing. */
static bool report(struct mt_live_run *run, const struct mt_pipeline_result *result, bool is_written)
{
    bool is_incomplete = !is_written;

    is_incomplete |= mt_live_report_losses(stderr, &run->view);
    is_incomplete |= mt_stats_get(&run->view.stats, MT_COUNTER_EXPORT_SHED) > 0;
    is_incomplete |= !mt_live_stats_close(&run->stats_file);
    bool is_stats_stdout = run->options->stats_path && strcmp(run->options->stats_path, "-") == 0;
    if (mt_writers_has_stdout(run->writers) || is_stats_stdout)
        return is_incomplete;
    mt_live_report_capture(&run->view, result);
    mt_summary_print(run->options, result, &run->writers->notes, &run->view.filters);
    mt_summary_print_outputs(run->view.outputs, run->view.output_count);
    if (fflush(stdout) != 0) {
        fputs("mailtap: standard output: write error\n", stderr);
        is_incomplete = true;
    }
    return is_incomplete;
}

static int end_run(struct mt_live_run *run, struct mt_pipeline_result *result)
{
    const struct mt_options *options = run->options;

    mt_notify_stopping();
    mt_live_metrics_reach(run->metrics, MT_LIVE_ENDING);
    mt_live_loop_await_second(run);
    mt_status_erase(&run->status);
    mt_ports_stop(run->ports);
    mt_writers_hurry(run->writers, WRITER_GRACE_MS);
    mt_live_stop(run->live, SINK_GRACE_MS, result);
    bool is_written = false;
    bool is_extracted = result->is_sink_stuck || stop_extract(run->options, &result->stats);
    if (result->is_sink_stuck)
        fputs("mailtap: a target of the records takes nothing; what was not yet written is lost\n", stderr);
    else
        is_written = mt_writers_close(run->writers);
    mt_live_loop_look(run, &result->stats);
    result->stats = run->view.stats;
    mt_live_telemetry_show(run->telemetry, &run->view);
    mt_live_metrics_show(run->metrics, &run->view, true);
    mt_live_stats_write(&run->stats_file, options->observer, &run->view, &run->line_before);
    bool is_incomplete = report(run, result, is_written) || !is_extracted;
    mt_live_loop_forget_second(run);
    const struct mt_alert_notes *notes = &run->writers->notes;
    if (options->has_fail_on && notes->total > 0 && notes->worst >= options->fail_on)
        return MT_EXIT_ALERT;
    return is_incomplete ? MT_EXIT_INCOMPLETE : MT_EXIT_OK;
}

/* --- the start ------------------------------------------------------------------ */

static int refuse(int rc, const char *reason)
{
    fprintf(stderr, "mailtap: %s\n", reason);
    return rc == -EINVAL ? MT_EXIT_USAGE : MT_EXIT_START;
}

static int run_threads(struct mt_live_run *run, struct mt_pipeline_result *result)
{
    char reason[512];
    struct mt_pipeline_sink sink = mt_writers_sink(run->writers);
    int rc = start_magic(run->options, reason, sizeof(reason));

    if (rc == 0)
        rc = start_extract(run, reason, sizeof(reason));
    if (rc != 0) {
        stop_magic(run->options);
        return refuse(-EIO, reason);
    }
    rc = start_threads(run, &sink, reason, sizeof(reason));

    if (rc != 0) {
        stop_extract(run->options, NULL);
        stop_magic(run->options);
        return refuse(rc, reason);
    }
    run->start_time = mt_live_now();
    int code = -1;
    rc = mt_live_user_become(&run->user, reason, sizeof(reason));
    if (rc != 0)
        code = refuse(-EPERM, reason);
    else if (run->user.note[0] != '\0')
        print_note(NULL, run->user.note);
    if (rc == 0)
        mt_writers_begin(run->writers);
    mt_status_init(&run->status, !run->options->is_quiet);
    run->telemetry = mt_live_telemetry_start();
    if (code < 0) {
        mt_live_metrics_reach(run->metrics, MT_LIVE_RULES_LOADED);
        mt_notify_ready();
        mt_live_loop(run);
        code = end_run(run, result);
    } else {
        mt_ports_stop(run->ports);
        mt_live_stop(run->live, 0, result);
    }
    if (!result->is_sink_stuck) {
        mt_live_destroy(run->live);
        stop_extract(run->options, NULL);
        stop_magic(run->options);
        return code;
    }
    /* a thread that never came back may still use all of this */
    fflush(stdout);
    _exit(code);
}

static int open_all(struct mt_live_run *run, struct mt_pipeline_result *result)
{
    char reason[1024];
    int rc = mt_live_user_find(run->options->live.user, &run->user, reason, sizeof(reason));

    if (rc != 0)
        return refuse(rc, reason);
    if (run->options->live.metrics) {
        rc = mt_live_metrics_open(run->options->live.metrics, reason, sizeof(reason), &run->metrics);
        if (rc != 0)
            return refuse(rc, reason);
        snprintf(reason, sizeof(reason), "metrics at %s", mt_live_metrics_url(run->metrics));
        print_note(NULL, reason);
    }
    if (run->user.is_wanted)
        mt_writers_hold(run->writers, run->user.uid, run->user.gid);
    rc = mt_writers_open(run->writers, run->options, reason, sizeof(reason));
    if (rc != 0)
        return refuse(rc == -EINVAL ? rc : -EIO, reason);
    if (mt_live_stats_open(&run->stats_file, run->options->stats_path, reason, sizeof(reason)) != 0)
        return refuse(-EIO, reason);
    mt_live_metrics_reach(run->metrics, MT_LIVE_OUTPUTS_OPEN);
    rc = open_ports(run, reason, sizeof(reason));
    if (rc != 0)
        return refuse(rc, reason);
    mt_live_metrics_reach(run->metrics, MT_LIVE_PORTS_OPEN);
    int code = run_threads(run, result);
    mt_ports_close(run->ports);
    return code;
}

/* The control thread takes signals by waiting for them; every other thread, also
 * those of the driver library, inherits that they are blocked. */
static void block_signals(sigset_t *ret_signals)
{
    sigemptyset(ret_signals);
    sigaddset(ret_signals, SIGINT);
    sigaddset(ret_signals, SIGTERM);
    sigaddset(ret_signals, SIGHUP);
    sigaddset(ret_signals, SIGUSR1);
    sigaddset(ret_signals, SIGUSR2);
    sigprocmask(SIG_BLOCK, ret_signals, NULL);
}

static int run_live(struct mt_options *options)
{
    struct mt_live_run *run = aligned_alloc(MT_CACHE_LINE, sizeof(*run));
    struct mt_pipeline_result *result = aligned_alloc(MT_CACHE_LINE, sizeof(*result));
    struct mt_writers *writers = mt_writers_create();
    int code = MT_EXIT_START;

    if (run && result && writers) {
        memset(run, 0, sizeof(*run));
        memset(result, 0, sizeof(*result));
        run->options = options;
        run->writers = writers;
        mt_live_user_confine();
        block_signals(&run->signals);
        code = open_all(run, result);
        mt_live_metrics_close(run->metrics);
    } else {
        fputs("mailtap: out of memory\n", stderr);
    }
    mt_writers_destroy(writers);
    free(result);
    free(run);
    return code;
}

int mt_app_live(int argc, char **argv)
{
    struct mt_options options;
    int code = mt_options_parse(&options, argc, argv, help, MT_VERB_BIT_LIVE);
    if (code < 0)
        code = run_live(&options);
    mt_options_fini(&options);
    return code;
}
