/* mailtap rules: what rule files say, what is wrong with them, and what they would
 * have made of a capture. */
#include "app.h"
#include "capture/files.h"
#include "config/config.h"
#include "pipeline/pipeline.h"
#include "rule_set.h"
#include "sigma/events.h"

#include <errno.h>
#include <getopt.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char help[] =
    "mailtap rules check [OPTION...] [FILE|DIR ...]          are these rules right?\n"
    "mailtap rules list [OPTION...] [FILE|DIR ...]           a table of them\n"
    "mailtap rules explain RULE [OPTION...] [FILE|DIR ...]   one of them in words\n"
    "mailtap rules test RULE --capture FILE [OPTION...] [FILE|DIR ...]\n"
    "                                                        what it makes of a capture\n"
    "\n"
    "Rules are Sigma rules (docs/rules.md), RULE is a name, an id or a title. Where no\n"
    "files are given, these are the shipped rules; list shows the built-in ones about\n"
    "capturing then too.\n"
    "\n"
    "  --shipped         the shipped rules beside the files that are given\n"
    "  --site FILE       what %home_networks% and the like stand for, and thresholds\n"
    "  --capture FILE    the capture for test; may be given several times\n"
    "  --strict          list, explain and test: no rule counts when one has an error\n"
    "  --help            this text\n"
    "\n"
    "Exit codes: 0 done (test: whether it matched or not); 1 done, but some rules were\n"
    "left out for their errors, or a capture was damaged; 2 usage error, errors found\n"
    "by check, or --strict; 3 could not start.\n";

#define CAPTURES_MAX 64u
#define SHOWN_MAX 10u
#define PARTS_MAX 64u
#define PATHS_MAX 64u

struct rules_run {
    struct mt_config config;
    const char *captures[CAPTURES_MAX];
    size_t capture_count;
    const char *rule_name;
    bool is_strict;
    bool has_shipped; /* the shipped rules are among them */
    struct mt_sigma *sigma;
};

static int usage_error(const char *format, const char *what)
{
    fputs("mailtap: ", stderr);
    fprintf(stderr, format, what);
    fputs("; see mailtap rules --help\n", stderr);
    return MT_EXIT_USAGE;
}

/* --- check ------------------------------------------------------------------- */

static void print_errors(const struct rules_run *run)
{
    for (size_t i = 0; i < mt_sigma_error_count(run->sigma); i++)
        fprintf(stderr, "mailtap: %s\n", mt_sigma_error(run->sigma, i));
}

static int finish_output(int code)
{
    if (fflush(stdout) == 0)
        return code;
    fputs("mailtap: standard output: write error\n", stderr);
    return MT_EXIT_INCOMPLETE;
}

/* "1 rule, ", "2 rules, " */
static void print_count(size_t count, const char *what, const char *behind)
{
    printf("%zu %s%s%s", count, what, count == 1 ? "" : "s", behind);
}

static int run_check(struct rules_run *run)
{
    size_t errors = mt_sigma_error_count(run->sigma);
    size_t count = mt_sigma_rule_count(run->sigma);
    size_t kinds[3] = {0};
    size_t inactive = 0;
    for (size_t i = 0; i < count; i++) {
        const struct mt_sigma_rule *rule = mt_sigma_rule(run->sigma, i);
        kinds[rule->kind]++;
        inactive += rule->inactive != NULL;
    }
    print_count(kinds[MT_SIGMA_KIND_RULE], "rule", ", ");
    print_count(kinds[MT_SIGMA_KIND_CORRELATION], "correlation", ", ");
    print_count(kinds[MT_SIGMA_KIND_FILTER], "filter", ": ");
    printf("%zu active, %zu inactive; ", count - inactive, inactive);
    print_count(errors, "error", inactive > 0 && errors == 0 ? "; mailtap rules list says why\n" : "\n");
    return finish_output(errors > 0 ? MT_EXIT_USAGE : MT_EXIT_OK);
}

/* --- list -------------------------------------------------------------------- */

static const char *const columns[] = {"RULE", "LEVEL", "CATEGORY", "TECHNIQUES", "STATE"};

static const char *category_of(const struct mt_sigma_rule *rule)
{
    if (rule->kind == MT_SIGMA_KIND_CORRELATION)
        return "correlation";
    return rule->kind == MT_SIGMA_KIND_FILTER ? "filter" : mt_sigma_category_name(rule->category);
}

static bool set_cell(struct libscols_line *line, size_t column, const char *text)
{
    /* what a rule file says of itself must not steer a terminal */
    char escaped[600];
    struct mt_buf b = mt_buf(escaped, sizeof(escaped) - 1);
    mt_buf_put_escaped(&b, mt_span_cstr(text));
    escaped[b.size] = '\0';
    return scols_line_set_data(line, column, escaped) == 0;
}

static bool add_cells(struct libscols_table *table, const char *name, enum mt_level level,
                      const char *category, const struct mt_names *techniques, const char *state)
{
    char joined[256];
    size_t n = 0;
    struct libscols_line *line = scols_table_new_line(table, NULL);
    joined[0] = '\0';
    for (uint32_t i = 0; i < techniques->count && n < sizeof(joined); i++)
        n += (size_t)snprintf(joined + n, sizeof(joined) - n, "%s%s", i > 0 ? " " : "", techniques->items[i]);
    return line && set_cell(line, 0, name) && set_cell(line, 1, mt_level_name(level)) &&
           set_cell(line, 2, category) && set_cell(line, 3, joined) && set_cell(line, 4, state);
}

static bool add_line(struct libscols_table *table, const struct mt_sigma_rule *rule)
{
    char state[400];
    const char *more = rule->inactive ? rule->inactive : "only feeds correlations";
    snprintf(state, sizeof(state), "%s%s",
             rule->inactive    ? "inactive: "
             : rule->is_silent ? "active: "
                               : "active",
             rule->inactive || rule->is_silent ? more : "");
    return add_cells(table, rule->name, rule->level, category_of(rule), &rule->techniques, state);
}

static bool add_built_in(struct libscols_table *table)
{
    bool is_whole = true;
    for (int i = 0; i < MT_RULE_COUNT && is_whole; i++) {
        enum mt_rule rule = (enum mt_rule)i;
        is_whole = add_cells(table, mt_rule_name(rule), mt_rule_level(rule), mt_rule_category(rule),
                             mt_rule_techniques(rule), "built in");
    }
    return is_whole;
}

static struct libscols_table *make_table(const struct rules_run *run)
{
    const struct mt_sigma *sigma = run->sigma;
    scols_init_debug(0);
    struct libscols_table *table = scols_new_table();
    bool is_whole = table != NULL;
    for (size_t i = 0; i < MT_ARRAY_COUNT(columns) && is_whole; i++)
        is_whole = scols_table_new_column(table, columns[i], 0, i == 4 ? SCOLS_FL_WRAP : 0) != NULL;
    is_whole = is_whole && (!run->has_shipped || add_built_in(table));
    for (size_t i = 0; i < mt_sigma_rule_count(sigma) && is_whole; i++)
        is_whole = add_line(table, mt_sigma_rule(sigma, i));
    if (is_whole)
        return table;
    scols_unref_table(table);
    return NULL;
}

static int run_list(struct rules_run *run)
{
    struct libscols_table *table = make_table(run);
    if (!table || scols_print_table(table) != 0) {
        fputs("mailtap: out of memory\n", stderr);
        scols_unref_table(table);
        return MT_EXIT_START;
    }
    scols_unref_table(table);
    return finish_output(mt_sigma_error_count(run->sigma) > 0 ? MT_EXIT_INCOMPLETE : MT_EXIT_OK);
}

/* --- explain ----------------------------------------------------------------- */

static const struct mt_sigma_rule *find_rule(const struct rules_run *run)
{
    const struct mt_sigma_rule *rule = mt_sigma_find(run->sigma, run->rule_name);
    if (!rule)
        fprintf(stderr, "mailtap: there is no rule '%s' in these files; mailtap rules list names them\n",
                run->rule_name);
    return rule;
}

static int run_explain(struct rules_run *run)
{
    const struct mt_sigma_rule *rule = find_rule(run);
    size_t cap = (size_t)1 << 20;
    uint8_t *memory = malloc(cap);
    if (!rule || !memory) {
        free(memory);
        return rule ? MT_EXIT_START : MT_EXIT_USAGE;
    }
    struct mt_buf text = mt_buf(memory, cap);
    mt_sigma_explain(run->sigma, rule, &text);
    mt_sigma_explain_findings(rule, &run->config.detect, &text);
    fwrite(text.ptr, 1, text.size, stdout);
    if (text.overflow)
        puts("...");
    free(memory);
    return finish_output(mt_sigma_error_count(run->sigma) > 0 ? MT_EXIT_INCOMPLETE : MT_EXIT_OK);
}

/* --- test -------------------------------------------------------------------- */

/* What one rule made of the sessions of a capture. */
struct trial {
    struct mt_sigma_eval *eval;
    const struct mt_sigma_rule *rule;
    const struct mt_sigma *alerting;   /* of a correlation: all rules, as they are used */
    uint64_t parts_matched[PARTS_MAX]; /* sessions, for each rule that it names */
    uint64_t sessions;
    uint64_t matches;
    uint32_t best_met;
    uint32_t parts;
    bool has_best;
    char best_session[64];
    uint8_t best[65536]; /* of the session that came nearest without matching */
    size_t best_size;
    uint8_t text[65536];
};

static void put_session(const struct mt_record_session *record, char *to, size_t size)
{
    uint8_t text[160];
    struct mt_buf b = mt_buf(text, sizeof(text));
    mt_buf_put_escaped(&b, record->event_id);
    snprintf(to, size, "%.*s", (int)b.size, (const char *)text);
}

/* Of a record, or of one event. */
static void take_nearness(struct trial *trial, const struct mt_record_session *session, bool is_match,
                          uint32_t met, uint32_t parts, const struct mt_buf *text)
{
    char name[64];
    trial->sessions++;
    put_session(session, name, sizeof(name));
    if (is_match) {
        if (trial->matches++ < SHOWN_MAX)
            printf("matched in session %s\n%.*s", name, (int)text->size, (const char *)text->ptr);
        return;
    }
    if (parts == 0 || (trial->has_best && met <= trial->best_met))
        return;
    trial->has_best = true;
    trial->best_met = met;
    trial->parts = parts;
    trial->best_size = text->size;
    memcpy(trial->best, trial->text, text->size);
    memcpy(trial->best_session, name, sizeof(name));
}

static void on_record(void *ctx, const struct mt_record_session *record)
{
    struct trial *trial = ctx;
    struct mt_buf text = mt_buf(trial->text, sizeof(trial->text));
    uint32_t met;
    uint32_t parts;
    bool is_match = mt_sigma_nearness(trial->eval, trial->rule, record, &met, &parts, &text);
    take_nearness(trial, record, is_match, met, parts, &text);
}

static void take_event(struct trial *trial, const struct mt_sigma_event *event)
{
    struct mt_buf text = mt_buf(trial->text, sizeof(trial->text));
    uint32_t met;
    uint32_t parts;
    bool is_match = mt_sigma_event_nearness(trial->eval, trial->rule, event, &met, &parts, &text);
    take_nearness(trial, event->session, is_match, met, parts, &text);
}

static void on_command(void *ctx, const struct mt_record_session *session,
                       const struct mt_record_command *command)
{
    take_event(ctx, &(struct mt_sigma_event){.session = session, .command = command});
}

static void on_reply(void *ctx, const struct mt_record_session *session, const struct mt_record_reply *reply)
{
    take_event(ctx, &(struct mt_sigma_event){.session = session, .reply = reply});
}

static void on_finding(void *ctx, const struct mt_record_session *session,
                       const struct mt_record_finding *finding)
{
    take_event(ctx, &(struct mt_sigma_event){.session = session, .finding = finding});
}

static void take_statistics(struct trial *trial, const struct mt_pipeline_result *result)
{
    struct mt_sigma_statistics statistics;
    const struct mt_record_session nobody = {.timestamp = result->last_time};
    mt_pipeline_statistics(result, &statistics);
    take_event(trial, &(struct mt_sigma_event){.session = &nobody, .statistics = &statistics});
}

/* The rules that a correlation names, each for itself. */
static void on_record_of_parts(void *ctx, const struct mt_record_session *record)
{
    struct trial *trial = ctx;
    const struct mt_sigma_rule *part;
    trial->sessions++;
    for (size_t i = 0; i < PARTS_MAX && (part = mt_sigma_named_by(trial->rule, i)) != NULL; i++) {
        struct mt_buf text = mt_buf(trial->text, sizeof(trial->text));
        uint32_t met;
        uint32_t parts;
        trial->parts_matched[i] += mt_sigma_nearness(trial->eval, part, record, &met, &parts, &text);
    }
}

static void on_finding_of_parts(void *ctx, const struct mt_record_session *session,
                                const struct mt_record_finding *finding)
{
    struct trial *trial = ctx;
    const struct mt_sigma_event event = {.session = session, .finding = finding};
    const struct mt_sigma_rule *part;
    for (size_t i = 0; i < PARTS_MAX && (part = mt_sigma_named_by(trial->rule, i)) != NULL; i++) {
        struct mt_buf text = mt_buf(trial->text, sizeof(trial->text));
        uint32_t met;
        uint32_t parts;
        if (part->kind == MT_SIGMA_KIND_RULE && part->category == MT_SIGMA_FINDING)
            trial->parts_matched[i] +=
                mt_sigma_event_nearness(trial->eval, part, &event, &met, &parts, &text);
    }
}

static void print_escaped(const char *before, struct mt_span text)
{
    uint8_t escaped[2048];
    struct mt_buf b = mt_buf(escaped, sizeof(escaped));
    mt_buf_put_escaped(&b, mt_span_head(text, sizeof(escaped) / 4));
    printf("%s%.*s\n", before, (int)b.size, (const char *)escaped);
}

static void on_alert(void *ctx, const struct mt_record_alert *alert, enum mt_rule rule, enum mt_level level)
{
    struct trial *trial = ctx;
    (void)level;
    if (rule != MT_RULE_LOADED || strcmp(alert->rule_name, trial->rule->name) != 0 ||
        trial->matches++ >= SHOWN_MAX)
        return;
    print_escaped(alert->rule_level, mt_span_cstr(""));
    print_escaped("  ", alert->message);
    for (uint32_t i = 0; i < alert->evidence.count; i++)
        print_escaped("    ", alert->evidence.items[i]);
}

static void print_correlation_trial(const struct trial *trial)
{
    const struct mt_sigma_rule *part;
    if (trial->matches > SHOWN_MAX)
        printf("and %llu more\n", (unsigned long long)(trial->matches - SHOWN_MAX));
    printf("%s%s: %llu alerts of %llu sessions\n", trial->matches > 0 ? "\n" : "", trial->rule->name,
           (unsigned long long)trial->matches, (unsigned long long)trial->sessions);
    for (size_t i = 0; i < PARTS_MAX && (part = mt_sigma_named_by(trial->rule, i)) != NULL; i++) {
        if (part->kind == MT_SIGMA_KIND_RULE)
            printf("  %s matched in %llu %s\n", part->name, (unsigned long long)trial->parts_matched[i],
                   part->category == MT_SIGMA_FINDING ? "findings" : "sessions");
        else
            printf("  %s is a correlation\n", part->name);
    }
}

/* What is tested is the rule alone. */
static void print_filters(const struct rules_run *run, const struct mt_sigma_rule *rule)
{
    for (size_t i = 0; i < mt_sigma_rule_count(run->sigma); i++) {
        const struct mt_sigma_rule *filter = mt_sigma_rule(run->sigma, i);
        if (filter->kind != MT_SIGMA_KIND_FILTER || filter->inactive)
            continue;
        const struct mt_sigma_rule *named = mt_sigma_named_by(filter, 0);
        bool applies = !named && filter->category == rule->category;
        for (size_t k = 0; named && !applies; named = mt_sigma_named_by(filter, ++k))
            applies = named == rule;
        if (applies)
            printf("The filter %s may leave some of them out, which is not looked at here.\n", filter->name);
    }
}

static void print_trial(const struct trial *trial)
{
    if (trial->alerting) {
        print_correlation_trial(trial);
        return;
    }
    enum mt_sigma_category category = trial->rule->category;
    if (trial->matches > SHOWN_MAX)
        printf("and in %llu more\n", (unsigned long long)(trial->matches - SHOWN_MAX));
    printf("%s%s: matched %llu of %llu %s\n", trial->matches > 0 ? "\n" : "", trial->rule->name,
           (unsigned long long)trial->matches, (unsigned long long)trial->sessions,
           category == MT_SIGMA_COMMAND      ? "commands"
           : category == MT_SIGMA_REPLY      ? "replies"
           : category == MT_SIGMA_STATISTICS ? "intervals"
           : category == MT_SIGMA_FINDING    ? "findings"
                                             : "sessions");
    if (trial->matches == 0 && trial->has_best)
        printf("\nnearest was session %s, %u of %u parts\n%.*s", trial->best_session, trial->best_met,
               trial->parts, (int)trial->best_size, (const char *)trial->best);
    if (trial->matches == 0 && !trial->has_best)
        printf("\nno event of category %s in it\n", mt_sigma_category_name(trial->rule->category));
}

static struct mt_pipeline_sink sink_of(const struct trial *trial)
{
    if (trial->alerting)
        return (struct mt_pipeline_sink){
            .record = on_record_of_parts, .finding = on_finding_of_parts, .alert = on_alert};
    if (trial->rule->category == MT_SIGMA_COMMAND)
        return (struct mt_pipeline_sink){.command = on_command};
    if (trial->rule->category == MT_SIGMA_REPLY)
        return (struct mt_pipeline_sink){.reply = on_reply};
    if (trial->rule->category == MT_SIGMA_FINDING)
        return (struct mt_pipeline_sink){.finding = on_finding};
    return (struct mt_pipeline_sink){.record =
                                         trial->rule->category == MT_SIGMA_STATISTICS ? NULL : on_record};
}

static int read_capture(struct rules_run *run, struct mt_capture *capture, struct trial *trial)
{
    char host[] = "mailtap";
    char reason[256];
    struct mt_pipeline_config config = {
        .workers = 1,
        .detect = run->config.detect,
        .site = &run->config.site,
        .observer_name = mt_span_cstr(host),
        .observer_version = MT_VERSION_TEXT,
    };
    config.limits.helo_threshold = run->config.detect.helo_score;
    const struct mt_pipeline_sink sink = sink_of(trial);
    config.sigma = trial->alerting;
    struct mt_pipeline_result *result = aligned_alloc(MT_CACHE_LINE, sizeof(*result));
    int rc = -ENOMEM;
    snprintf(reason, sizeof(reason), "out of memory");
    if (result)
        rc = mt_pipeline_run(&config, capture, &sink, trial, reason, sizeof(reason), result);
    if (rc == 0 && !trial->alerting && trial->rule->category == MT_SIGMA_STATISTICS)
        take_statistics(trial, result);
    free(result);
    if (rc == 0)
        return MT_EXIT_OK;
    fprintf(stderr, "mailtap: %s\n", reason);
    return MT_EXIT_START;
}

static int run_trial(struct rules_run *run, struct trial *trial)
{
    char reason[512];
    const struct mt_capture_files_config files = {
        .paths = run->captures, .path_count = run->capture_count, .is_streamed = true};
    struct mt_stats *stats = aligned_alloc(MT_CACHE_LINE, sizeof(*stats));
    struct mt_capture *capture;
    if (!stats) {
        fputs("mailtap: out of memory\n", stderr);
        return MT_EXIT_START;
    }
    memset(stats, 0, sizeof(*stats));
    int rc = mt_capture_files_open(&files, stats, reason, sizeof(reason), &capture);
    if (rc != 0) {
        fprintf(stderr, "mailtap: %s\n", reason);
        free(stats);
        return rc == -EINVAL ? MT_EXIT_USAGE : MT_EXIT_START;
    }
    int code = read_capture(run, capture, trial);
    if (code == MT_EXIT_OK)
        print_trial(trial);
    if (code == MT_EXIT_OK && trial->matches > 0 && !trial->alerting)
        print_filters(run, trial->rule);
    for (size_t i = 0; i < capture->damage_count; i++) {
        fprintf(stderr, "mailtap: %s: at byte %llu: %s\n", capture->damage[i].path,
                (unsigned long long)capture->damage[i].off, capture->damage[i].reason);
        code = code == MT_EXIT_OK ? MT_EXIT_INCOMPLETE : code;
    }
    capture->ops->close(capture);
    free(stats);
    return code;
}

/* NULL: it can be tested. */
static const char *why_not(const struct mt_sigma_rule *rule)
{
    if (rule->inactive)
        return rule->inactive;
    if (rule->kind == MT_SIGMA_KIND_FILTER)
        return "it is a filter";
    bool is_inner = rule->kind == MT_SIGMA_KIND_CORRELATION && rule->is_silent;
    return is_inner ? "it only feeds correlations; test those, or let them say generate: true" : NULL;
}

static int run_test(struct rules_run *run)
{
    const struct mt_sigma_rule *rule = find_rule(run);
    if (!rule)
        return MT_EXIT_USAGE;
    const char *why = why_not(rule);
    if (why) {
        fprintf(stderr, "mailtap: the rule '%s' can't be tested: %s\n", rule->name, why);
        return MT_EXIT_USAGE;
    }
    struct trial *trial = calloc(1, sizeof(*trial));
    if (!trial) {
        fputs("mailtap: out of memory\n", stderr);
        return MT_EXIT_START;
    }
    trial->rule = rule;
    trial->alerting = rule->kind == MT_SIGMA_KIND_CORRELATION ? run->sigma : NULL;
    trial->eval = mt_sigma_evaluator(run->sigma, 0);
    int code = run_trial(run, trial);
    free(trial);
    if (code == MT_EXIT_OK && mt_sigma_error_count(run->sigma) > 0)
        code = MT_EXIT_INCOMPLETE;
    return finish_output(code);
}

/* --- command line ------------------------------------------------------------ */

static const struct {
    const char *name;
    bool takes_rule;
    int (*run)(struct rules_run *run);
} actions[] = {
    {"check", false, run_check},
    {"list", false, run_list},
    {"explain", true, run_explain},
    {"test", true, run_test},
};

static int take_option(struct rules_run *run, int found, const char *text)
{
    char error[512];
    switch (found) {
    case 's':
        if (mt_config_read_site(&run->config, optarg, error, sizeof(error)) == 0)
            return -1;
        fprintf(stderr, "mailtap: %s\n", error);
        return MT_EXIT_USAGE;
    case 'c':
        if (run->capture_count == CAPTURES_MAX)
            return usage_error("--capture: more than 64 captures: %s", optarg);
        run->captures[run->capture_count++] = optarg;
        return -1;
    case 'S':
        run->is_strict = true;
        return -1;
    case 'd':
        run->has_shipped = true;
        return -1;
    case 'h':
        fputs(help, stdout);
        return MT_EXIT_OK;
    case ':':
        return usage_error("%s needs a value", text);
    default:
        return usage_error("unknown option %s", text);
    }
}

static int read_options(struct rules_run *run, int argc, char **argv)
{
    static const struct option options[] = {
        {"site", required_argument, NULL, 's'}, {"capture", required_argument, NULL, 'c'},
        {"strict", no_argument, NULL, 'S'},     {"shipped", no_argument, NULL, 'd'},
        {"help", no_argument, NULL, 'h'},       {NULL, 0, NULL, 0},
    };
    opterr = 0;
    optind = 0;
    for (int found; (found = getopt_long(argc, argv, ":", options, NULL)) != -1;) {
        int code = take_option(run, found, argv[optind - 1]);
        if (code >= 0)
            return code;
    }
    return -1;
}

/* The files that are given, and the shipped ones where none are or --shipped says so. */
static int load(struct rules_run *run, const char *const *paths, size_t count)
{
    char shipped[MT_RULE_PATH_MAX];
    const char *all[PATHS_MAX + 1];
    size_t n = 0;

    if (count > PATHS_MAX)
        return usage_error("more than 64 files and folders: %s", paths[PATHS_MAX]);
    run->has_shipped |= count == 0;
    if (run->has_shipped && !mt_rule_set_shipped(shipped))
        return usage_error("%s; give files or folders", "the shipped rules are not there");
    if (run->has_shipped)
        all[n++] = shipped;
    for (size_t i = 0; i < count; i++)
        all[n++] = paths[i];
    const struct mt_sigma_config config = {
        .paths = all, .path_count = n, .site = &run->config.site, .evaluators = 1};
    int rc = mt_sigma_load(&config, &run->sigma);
    if (rc == -ENOMEM) {
        fputs("mailtap: out of memory\n", stderr);
        return MT_EXIT_START;
    }
    print_errors(run);
    return rc != 0 || (run->is_strict && mt_sigma_error_count(run->sigma) > 0) ? MT_EXIT_USAGE : -1;
}

static int run_action(struct rules_run *run, size_t action, int argc, char **argv)
{
    int code = read_options(run, argc, argv);
    if (code >= 0)
        return code;
    if (actions[action].takes_rule && optind < argc)
        run->rule_name = argv[optind++];
    if (actions[action].takes_rule && !run->rule_name)
        return usage_error("%s needs the name of a rule", actions[action].name);
    if (actions[action].run == run_test && run->capture_count == 0)
        return usage_error("%s needs --capture FILE", actions[action].name);
    code = load(run, (const char *const *)(argv + optind), (size_t)(argc - optind));
    if (code >= 0)
        return code;
    return actions[action].run(run);
}

int mt_app_rules(int argc, char **argv)
{
    if (argc < 2) {
        fputs(help, stderr);
        return MT_EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0) {
        fputs(help, stdout);
        return MT_EXIT_OK;
    }
    for (size_t i = 0; i < MT_ARRAY_COUNT(actions); i++) {
        struct rules_run run = {.sigma = NULL};
        if (strcmp(argv[1], actions[i].name) != 0)
            continue;
        mt_config_init(&run.config);
        int code = run_action(&run, i, argc - 1, argv + 1);
        mt_sigma_destroy(run.sigma);
        mt_config_destroy(&run.config);
        return code;
    }
    return usage_error("rules has no '%s': check, list, explain or test", argv[1]);
}
