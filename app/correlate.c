/* mailtap correlate: the correlations of several sensors, judged together. */
#include "alert_log.h"
#include "app.h"
#include "base/mark.h"
#include "export/json.h"
#include "member.h"
#include "options.h"
#include "outputs.h"
#include "statistics.h"
#include "summary.h"
#include "text.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define LINE_CAP ((size_t)256 << 10)
#define GRACE_MS 5000u
#define TIMEOUT_MS 10000u
#define PATIENCE_DEFAULT (60 * MT_SEC)
#define STATE_DEFAULT (30 * MT_SEC)

static const char help[] =
    "mailtap correlate --from kafka://BROKERS/TOPIC [OPTION...]\n"
    "\n"
    "Judges the correlations of several sensors together. Sensors run mailtap live or\n"
    "mailtap read with --correlate-to and the same rules. Several of these share the work\n"
    "when they have the same --group (docs/operations.md).\n"
    "\n"
    "  --from kafka://BROKERS/TOPIC  where sensors write; properties of librdkafka may\n"
    "                     stand behind it, as with --output: ?security.protocol=ssl&...\n"
    "  --group NAME       members of one group share the partitions (mailtap)\n"
    "  --sensors N        judge nothing before so many sensors have spoken (1)\n"
    "  --sensor-timeout TIME  do not wait longer for a sensor that says nothing (60s)\n"
    "  --state-interval TIME  put down in the topic what is known, so often (30s)\n"
    "  --until-end        end when all sensors have ended\n"
    "  --json             alerts (NDJSON) on standard output, no summary\n"
    "  --alerts PATH      add alerts (NDJSON) to PATH; what stands there already is not\n"
    "                     written again; - is standard output\n"
    "  --stats PATH       write all counters (JSON) to PATH at the end\n"
    "  --output SPEC      FORMAT:TARGET: send alerts elsewhere (docs/outputs.md)\n"
    "  --notify SPEC      FORM:TARGET: tell people of alerts (docs/outputs.md)\n"
    "  --require-outputs  do not start when one of them, or the topic, can't be reached\n"
    "  --site FILE        as the sensors have it\n"
    "  --rules PATH       Sigma rules, a file or a folder (docs/rules.md); several times\n"
    "  --no-shipped-rules  only --rules\n"
    "  --strict           do not run with rules that have errors\n"
    "  --correlation-memory SIZE  what a partition may keep (64M)\n"
    "  --config FILE      options from a YAML file; the command line wins\n"
    "  --observer NAME    observer.name in the alerts (this host's name)\n"
    "  --fail-on LEVEL    exit with 4 if an alert of this level or above was raised\n"
    "  --quiet            no line when partitions come and go\n"
    "  --redact MODE      take addresses out of all that is written: none,\n"
    "                     local-part, hash or drop (docs/privacy.md)\n"
    "  --redact-key-file FILE  the key of the names that stand for them\n"
    "  --help             this text\n"
    "\n"
    "SIGTERM ends it when all is written; SIGHUP opens files of outputs anew.\n"
    "Exit codes: 0 done; 1 done, but something could not be read or written;\n"
    "2 usage or configuration error; 3 could not start; 4 see --fail-on.\n";

static _Atomic bool stop_wanted;
static _Atomic bool reopen_wanted;

static void on_stop(int number)
{
    (void)number;
    atomic_store(&stop_wanted, true);
}

static void on_hangup(int number)
{
    (void)number;
    atomic_store(&reopen_wanted, true);
}

struct run {
    struct mt_options *options;
    struct mt_output_config from;
    struct mt_topic *topic;
    struct mt_member *member;
    struct mt_alert_log *log;
    struct mt_app_outputs *outputs;
    struct mt_redact *redact;
    struct mt_stats stats;
    struct mt_alert_notes notes;
    struct mt_output_state states[MT_OUTPUTS_MAX];
    size_t state_count;
    char *brokers;
    uint32_t partitions; /* as told last */
    bool is_incomplete;
    uint8_t line[LINE_CAP];
};

static void on_complaint(void *ctx, const char *sentence)
{
    (void)ctx;
    fprintf(stderr, "mailtap: correlate: %s\n", sentence);
}

static bool lose(struct run *run, const char *why)
{
    fprintf(stderr, "mailtap: correlate: an alert can't be written: %s\n", why);
    mt_stats_add(&run->stats, MT_COUNTER_EXPORT_SHED, 1);
    atomic_store(&stop_wanted, true); /* who starts again goes on from before it */
    run->is_incomplete = true;
    return false;
}

static bool on_alert(void *ctx, const struct mt_record_alert *alert, enum mt_level level)
{
    struct run *run = ctx;
    struct mt_record_alert redacted = *alert;
    if (run->redact && !mt_redact_alert(run->redact, alert, &redacted))
        return lose(run, "there is no room to take addresses out");
    struct mt_buf line = mt_buf(run->line, sizeof(run->line));
    mt_json_put_alert(&line, &redacted);
    if (line.overflow)
        return lose(run, "it is too long");
    int rc = run->log ? mt_alert_log_put(run->log, mt_buf_span(&line)) : 1;
    if (rc < 0)
        return lose(run, strerrordesc_np(-rc));
    if (rc == 0) { /* by who was killed before it was committed */
        mt_stats_add(&run->stats, MT_COUNTER_CORRELATE_SILENT, 1);
        return true;
    }
    mt_stats_add(&run->stats, MT_COUNTER_ALERTS, 1);
    mt_notes_add(&run->notes, &redacted, MT_RULE_LOADED, level);
    if (run->outputs)
        mt_app_outputs_alert(run->outputs, &redacted, level);
    return true;
}

static bool is_safe(void *ctx)
{
    const struct run *run = ctx;
    return !run->outputs || mt_app_outputs_are_safe(run->outputs);
}

/* --- setting up -------------------------------------------------------------------------- */

static int open_topic(struct run *run, char *ret_reason, size_t size)
{
    const struct mt_options *options = run->options;
    int rc = mt_events_config_parse(options->correlate.from, ret_reason, size, &run->from);
    if (rc != 0)
        return rc;
    const char *slash = strchr(run->from.address, '/');
    run->brokers = slash ? strndup(run->from.address, (size_t)(slash - run->from.address)) : NULL;
    if (!run->brokers)
        return -ENOMEM;
    const struct mt_topic_config config = {
        .brokers = run->brokers,
        .topic = slash + 1,
        .group = options->correlate.group ? options->correlate.group : "mailtap",
        .properties = (const char *const *)run->from.properties.items,
        .property_count = run->from.properties.count,
        .timeout_ms = TIMEOUT_MS,
        .assigned = mt_member_assigned,
        .revoked = mt_member_revoked,
        .ctx = run->member,
    };
    rc = mt_topic_create(&config, ret_reason, size, &run->topic);
    if (rc != 0)
        return rc;
    mt_member_use(run->member, run->topic);
    int partitions = options->requires_outputs ? mt_topic_check(run->topic, ret_reason, size) : 1;
    return partitions < 0 ? partitions : 0;
}

static int make_member(struct run *run)
{
    const struct mt_options *options = run->options;
    const struct mt_options_correlate *own = &options->correlate;
    const struct mt_member_config config = {
        .share = {.sigma = options->sigma,
                  .memory_max = options->pipeline.correlation_memory,
                  .sensors = own->sensors,
                  .patience = own->patience ? own->patience : PATIENCE_DEFAULT,
                  .observer_name = options->pipeline.observer_name,
                  .observer_version = options->pipeline.observer_version},
        .state_every = own->state_every ? own->state_every : STATE_DEFAULT,
        .alert = on_alert,
        .is_safe = is_safe,
        .complain = on_complaint,
        .ctx = run,
    };
    run->member = mt_member_create(&config);
    return run->member ? 0 : -ENOMEM;
}

static int open_all(struct run *run, char *ret_reason, size_t size)
{
    struct mt_options *options = run->options;
    snprintf(ret_reason, size, "out of memory");
    if (!options->sigma || !mt_sigma_has_correlations(options->sigma)) {
        snprintf(ret_reason, size, "there are no correlations among the rules");
        return -EINVAL;
    }
    int rc = mt_redact_create(&options->pipeline.redact, &run->redact);
    if (rc == 0)
        rc = make_member(run);
    if (rc == 0 && options->is_json && !options->alerts_path)
        options->alerts_path = "-";
    if (rc == 0 && options->alerts_path)
        rc = mt_alert_log_open(options->alerts_path, ret_reason, size, &run->log);
    if (rc == 0)
        rc = mt_app_outputs_open(options, NULL, ret_reason, size, &run->outputs);
    if (rc == 0)
        rc = open_topic(run, ret_reason, size);
    return rc;
}

/* --- running -------------------------------------------------------------------------------- */

static void tell_partitions(struct run *run)
{
    uint32_t partitions = mt_member_partitions(run->member);
    if (partitions == run->partitions)
        return;
    run->partitions = partitions;
    if (!run->options->is_quiet)
        fprintf(stderr, "mailtap: correlate: %u partitions are this member's\n", partitions);
}

static void tell_trouble(struct run *run, char *told, size_t size)
{
    const char *error = mt_topic_error(run->topic);
    if (error[0] == '\0' || strcmp(error, told) == 0)
        return;
    snprintf(told, size, "%s", error);
    fprintf(stderr, "mailtap: correlate: %s: %s; it goes on when it can\n", run->from.address, told);
}

static void work(struct run *run)
{
    char told[256] = "";
    while (!atomic_load(&stop_wanted)) {
        mt_member_run(run->member, 100);
        tell_partitions(run);
        tell_trouble(run, told, sizeof(told));
        if (run->options->correlate.until_end && mt_member_is_over(run->member))
            break;
        if (atomic_exchange(&reopen_wanted, false) && run->outputs)
            mt_app_outputs_reopen(run->outputs, false);
    }
}

static void print_summary(const struct run *run)
{
    static const struct {
        enum mt_counter counter;
        const char *what;
    } lines[] = {
        {MT_COUNTER_CORRELATED, "events of sensors"},
        {MT_COUNTER_CORRELATED_LATE, "of them came behind what had been judged"},
        {MT_COUNTER_CORRELATE_REPEATED, "came twice and were left out"},
        {MT_COUNTER_CORRELATE_OTHER_RULES, "left out: made for other rules"},
        {MT_COUNTER_CORRELATE_FOREIGN, "left out: no events of mailtap, or damaged"},
        {MT_COUNTER_CORRELATE_CROWDED, "left out: too many sensors"},
        {MT_COUNTER_CORRELATE_MISSED, "messages were gone before they were read"},
        {MT_COUNTER_CORRELATE_GONE, "times a sensor was not waited for any more"},
        {MT_COUNTER_CORRELATED_EVICTED, "groups of correlations given up because their memory was used up"},
        {MT_COUNTER_CORRELATED_SHED, "events lost: no memory"},
        {MT_COUNTER_CORRELATE_STATES_LOST, "states of partitions that could not be taken up"},
    };
    char text[MT_TEXT_SIZE];
    for (size_t i = 0; i < MT_ARRAY_COUNT(lines); i++) {
        uint64_t count = mt_stats_get(&run->stats, lines[i].counter);
        if (i == 0 || count > 0)
            printf("%s%s %s\n", i == 0 ? "Events       " : "             ", mt_text_number(count, text),
                   lines[i].what);
    }
    mt_summary_print_alerts(&run->notes);
    mt_summary_print_outputs(run->states, run->state_count);
}

/* Alerts first: what is committed when partitions are given back has to be safe. */
static int finish(struct run *run)
{
    static const struct mt_filter_counts none; /* filters are the sensors' */
    struct mt_options *options = run->options;
    mt_topic_destroy(run->topic);
    run->topic = NULL;
    bool has_stdout = options->alerts_path && strcmp(options->alerts_path, "-") == 0;
    if (run->outputs) {
        has_stdout |= mt_app_outputs_has_stdout(run->outputs);
        run->state_count = mt_app_outputs_states(run->outputs, run->states);
        run->is_incomplete |= !mt_app_outputs_close(run->outputs, GRACE_MS, run->states);
        run->outputs = NULL;
    }
    mt_member_count(run->member, &run->stats);
    if (options->stats_path)
        run->is_incomplete |= !mt_statistics_write(options->stats_path, &run->stats, &none);
    if (!has_stdout && !(options->stats_path && strcmp(options->stats_path, "-") == 0))
        print_summary(run);
    static const enum mt_counter losses[] = {
        MT_COUNTER_CORRELATE_FOREIGN, MT_COUNTER_CORRELATE_OTHER_RULES, MT_COUNTER_CORRELATE_CROWDED,
        MT_COUNTER_CORRELATED_SHED,   MT_COUNTER_CORRELATE_STATES_LOST, MT_COUNTER_CORRELATE_MISSED};
    for (size_t i = 0; i < MT_ARRAY_COUNT(losses); i++)
        run->is_incomplete |= mt_stats_get(&run->stats, losses[i]) > 0;
    run->is_incomplete |= mt_sigma_error_count(options->sigma) > 0;
    if (fflush(stdout) != 0)
        run->is_incomplete = true;
    if (options->has_fail_on && run->notes.total > 0 && run->notes.worst >= options->fail_on)
        return MT_EXIT_ALERT;
    return run->is_incomplete ? MT_EXIT_INCOMPLETE : MT_EXIT_OK;
}

static void run_free(struct run *run)
{
    mt_topic_destroy(run->topic);
    if (run->outputs)
        mt_app_outputs_close(run->outputs, 0, run->states);
    mt_member_destroy(run->member);
    mt_alert_log_close(run->log);
    mt_redact_destroy(run->redact);
    mt_output_config_fini(&run->from);
    free(run->brokers);
    free(run);
}

static int run_all(struct mt_options *options)
{
    char reason[512];
    struct run *run = aligned_alloc(MT_CACHE_LINE, sizeof(*run));
    if (!run) {
        fputs("mailtap: out of memory\n", stderr);
        return MT_EXIT_START;
    }
    memset(run, 0, sizeof(*run));
    run->options = options;
    int rc = open_all(run, reason, sizeof(reason));
    int code = rc == -EINVAL ? MT_EXIT_USAGE : MT_EXIT_START;
    if (rc != 0) {
        fprintf(stderr, "mailtap: %s\n", reason);
    } else {
        work(run);
        code = finish(run);
    }
    run_free(run);
    return code;
}

int mt_app_correlate(int argc, char **argv)
{
    struct mt_options options;
    int code = mt_options_parse(&options, argc, argv, help, MT_VERB_BIT_CORRELATE);
    if (code < 0) {
        struct sigaction stop = {.sa_handler = on_stop, .sa_flags = (int)SA_RESETHAND};
        struct sigaction hangup = {.sa_handler = on_hangup};
        sigaction(SIGINT, &stop, NULL);
        sigaction(SIGTERM, &stop, NULL);
        sigaction(SIGHUP, &hangup, NULL);
        code = run_all(&options);
    }
    mt_options_fini(&options);
    return code;
}
