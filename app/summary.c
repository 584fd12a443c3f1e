#include "summary.h"

#include "text.h"

#include <inttypes.h>
#include <stdio.h>

#define TOP_HOSTS 5

static struct mt_alert_note *loaded_note(struct mt_alert_notes *notes, const struct mt_record_alert *alert)
{
    char name[MT_LOADED_NAME_MAX];
    struct mt_buf b = mt_buf(name, sizeof(name) - 1);
    mt_buf_put_escaped(&b, mt_span_cstr(alert->rule_name ? alert->rule_name : "?"));
    name[b.size] = '\0';
    uint32_t count = atomic_load_explicit(&notes->loaded_count, memory_order_relaxed);
    for (uint32_t i = 0; i < count; i++) {
        if (strcmp(notes->loaded[i].name, name) == 0)
            return &notes->loaded[i].note;
    }
    if (count == MT_LOADED_NOTES_MAX)
        return &notes->loaded[count - 1].note;
    struct mt_loaded_note *loaded = &notes->loaded[count];
    if (count == MT_LOADED_NOTES_MAX - 1)
        memcpy(name, "(further rules)", sizeof("(further rules)"));
    memcpy(loaded->name, name, sizeof(name));
    /* a name that can be seen does not change any more */
    atomic_store_explicit(&notes->loaded_count, count + 1, memory_order_release);
    return &loaded->note;
}

void mt_notes_add(struct mt_alert_notes *notes, const struct mt_record_alert *alert, enum mt_rule rule,
                  enum mt_level level)
{
    struct mt_alert_note *note = rule == MT_RULE_LOADED ? loaded_note(notes, alert) : &notes->rules[rule];
    note->count[level]++;
    if (notes->total++ == 0 || level > notes->worst)
        notes->worst = level;
    if (note->is_set && level <= note->level)
        return;
    note->is_set = true;
    note->level = level;
    struct mt_buf text = mt_buf(note->message, sizeof(note->message) - 1);
    mt_buf_put_escaped(&text, alert->message);
    note->message[text.size] = '\0';
}

static void print_time(uint64_t time)
{
    uint8_t text[40];
    struct mt_buf b = mt_buf(text, sizeof(text));
    mt_buf_put_time(&b, time);
    /* to the second is enough for a person */
    printf("%.19sZ", (const char *)text);
}

void mt_summary_print_times(const struct mt_pipeline_result *result)
{
    if (result->first_time == 0)
        return;
    fputs(", ", stdout);
    print_time(result->first_time);
    fputs(" to ", stdout);
    print_time(result->last_time);
}

void mt_summary_print_read(const struct mt_pipeline_result *result)
{
    char a[MT_TEXT_SIZE];
    char b[MT_TEXT_SIZE];
    printf("Read         %s frames, %s", mt_text_number(mt_stats_get(&result->stats, MT_COUNTER_FRAMES), a),
           mt_text_bytes(mt_stats_get(&result->stats, MT_COUNTER_BYTES), b));
    mt_summary_print_times(result);
    putchar('\n');
}

static void print_counts(const struct mt_pipeline_result *result)
{
    const struct mt_tally *t = &result->tally;
    char a[MT_TEXT_SIZE];
    printf("Sessions     %s", mt_text_number(t->sessions, a));
    const struct {
        uint64_t count;
        const char *what;
    } parts[] = {
        {mt_stats_get(&result->stats, MT_COUNTER_TLS_ESTABLISHED), "with TLS"},
        {t->midstream, "picked up midstream"},
        {t->one_way, "seen in one direction"},
        {t->with_gaps, "with missing bytes"},
        {t->truncated, "cut by a limit"},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(parts); i++) {
        if (parts[i].count > 0)
            printf(", %s %s", mt_text_number(parts[i].count, a), parts[i].what);
    }
    printf("\nTransactions %s", mt_text_number(t->transactions, a));
    for (int o = 0; o < MT_OUTCOME_COUNT; o++) {
        uint64_t count = mt_stats_get(&result->stats, mt_outcome_counter((enum mt_outcome)o));
        if (count > 0 || o <= MT_OUTCOME_DEFERRED)
            printf(", %s %s", mt_text_number(count, a), mt_outcome_name((enum mt_outcome)o));
    }
    printf("\nRecipients   %s\n", mt_text_number(t->recipients, a));
    printf("Content      %s\n", mt_text_bytes(t->content_bytes, a));
}

static void print_hosts(const char *title, const struct mt_tally_hosts *hosts)
{
    const struct mt_tally_host *top[TOP_HOSTS];
    size_t count = mt_tally_top(hosts, top, TOP_HOSTS);
    if (count == 0)
        return;
    printf("\n%-42s %10s %13s\n", title, "sessions", "transactions");
    for (size_t i = 0; i < count; i++) {
        uint8_t text[48];
        char a[MT_TEXT_SIZE];
        char b[MT_TEXT_SIZE];
        struct mt_buf ip = mt_buf(text, sizeof(text));
        mt_buf_put_ip(&ip, &top[i]->ip);
        printf("  %-40.*s %10s %13s\n", (int)ip.size, (const char *)text, mt_text_number(top[i]->sessions, a),
               mt_text_number(top[i]->transactions, b));
    }
    if (hosts->count > count)
        printf("  and %" PRIu32 " more\n", hosts->count - (uint32_t)count);
}

static void print_note(const struct mt_alert_note *note, int level, const char *name)
{
    char a[MT_TEXT_SIZE];
    if (note->count[level] == 0)
        return;
    printf("  %-13s %8s  %s\n", mt_level_name((enum mt_level)level), mt_text_number(note->count[level], a),
           name);
    if (note->is_set && (int)note->level == level)
        printf("  %24s %s\n", "", note->message);
}

void mt_summary_print_alerts(const struct mt_alert_notes *notes)
{
    char a[MT_TEXT_SIZE];
    printf("\nAlerts       %s\n", mt_text_number(notes->total, a));
    for (int level = MT_LEVEL_CRITICAL; level >= 0; level--) {
        for (int rule = 0; rule < MT_RULE_COUNT; rule++)
            print_note(&notes->rules[rule], level, mt_rule_name((enum mt_rule)rule));
        for (uint32_t i = 0; i < notes->loaded_count; i++)
            print_note(&notes->loaded[i].note, level, notes->loaded[i].name);
    }
}

/* What rules did not say. */
static void print_filters(const struct mt_filter_counts *filters)
{
    for (size_t i = 0; i < filters->count; i++) {
        if (filters->items[i].count == 0)
            continue;
        char a[MT_TEXT_SIZE];
        uint8_t text[4 * MT_FILTER_NAME_MAX];
        struct mt_buf b = mt_buf(text, sizeof(text));
        mt_buf_put_escaped(&b, mt_span_cstr(filters->items[i].name));
        printf("  %-13s %8s  by %.*s\n", "", mt_text_number(filters->items[i].count, a), (int)b.size,
               (const char *)text);
    }
}

static void print_held_back(const struct mt_pipeline_result *result, const struct mt_filter_counts *filters)
{
    static const struct {
        enum mt_counter counter;
        const char *what;
    } parts[] = {
        {MT_COUNTER_RULES_FILTERED, "matches left out by filters"},
        {MT_COUNTER_ALERTS_SUPPRESSED, "held back because their key had an alert in the window"},
        {MT_COUNTER_CORRELATED_EVICTED, "groups of correlations given up because their memory was used up"},
        {MT_COUNTER_CORRELATED_SHED, "matches lost to correlations"},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(parts); i++) {
        char a[MT_TEXT_SIZE];
        uint64_t count = mt_stats_get(&result->stats, parts[i].counter);
        if (count > 0)
            printf("  %-13s %8s  %s\n", i == 0 || i == 1 ? "not raised" : "not counted",
                   mt_text_number(count, a), parts[i].what);
        if (i == 0)
            print_filters(filters);
    }
}

static void print_anomalies(const struct mt_tally *t)
{
    bool any = false;
    for (int i = 0; i < MT_ANOMALY_COUNT; i++) {
        char a[MT_TEXT_SIZE];
        if (t->anomalies[i] == 0)
            continue;
        if (!any)
            printf("\n%-42s %10s\n", "Anomalies", "sessions");
        any = true;
        printf("  %-40s %10s\n", mt_anomaly_name((enum mt_anomaly)i), mt_text_number(t->anomalies[i], a));
    }
}

/* What this run could not know, said once (detections D1). */
static void print_site(const struct mt_options *options, const struct mt_pipeline_result *result)
{
    if (options->config.site.given && options->config.site.local_domain_count > 0)
        return;
    if (!options->config.site.given)
        puts("\nSite         no site file: private address space counts as home");
    else
        puts("\nSite         the site file names no local_domains");
    if (result->inferred_count == 0) {
        puts("             no local domain could be inferred, so of the relay rules only probes are judged;\n"
             "             give --site FILE with local_domains for the others");
        return;
    }
    fputs("             local domains inferred from accepted mail:", stdout);
    if (options->pipeline.redact.mode >= MT_REDACT_HASH) {
        printf(" %" PRIu32 ", not named because of --redact\n", result->inferred_count);
        return;
    }
    for (size_t i = 0; i < mt_min_u64(result->inferred_count, MT_ARRAY_COUNT(result->inferred)); i++) {
        uint8_t text[300];
        struct mt_buf b = mt_buf(text, sizeof(text));
        mt_buf_put_escaped(&b, result->inferred[i]);
        printf(" %.*s", (int)b.size, (const char *)text);
    }
    if (result->inferred_count > MT_ARRAY_COUNT(result->inferred))
        printf(" and %" PRIu32 " more", result->inferred_count - (uint32_t)MT_ARRAY_COUNT(result->inferred));
    putchar('\n');
}

static void print_losses(const struct mt_pipeline_result *result)
{
    static const struct {
        enum mt_counter counter;
        const char *what;
    } losses[] = {
        {MT_COUNTER_FLOWS_EVICTED, "sessions ended early because the table was full"},
        {MT_COUNTER_FLOWS_REFUSED, "segments without a session because a table or the memory was full"},
        {MT_COUNTER_FRAGMENTS_DROPPED, "IP fragments given up"},
        {MT_COUNTER_STREAM_LIMIT, "segments beyond a reassembly limit"},
        {MT_COUNTER_EXPORT_SHED, "records or alerts that could not be written"},
        {MT_COUNTER_DETECT_EVICTED, "counts across sessions given up because a table was full"},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(losses); i++) {
        char a[MT_TEXT_SIZE];
        uint64_t count = mt_stats_get(&result->stats, losses[i].counter);
        if (count > 0)
            printf("Lost         %s %s\n", mt_text_number(count, a), losses[i].what);
    }
}

void mt_summary_print_outputs(const struct mt_output_state *outputs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct mt_output_stats *stats = &outputs[i].stats;
        const struct {
            uint64_t count;
            const char *what;
        } parts[] = {
            {stats->found, "found in the spool"},
            {stats->retried, "sent again"},
            {stats->rejected, "refused"},
            {stats->shed, "lost"},
            {stats->damaged, "damaged in the spool"},
            {stats->spooled, "wait in the spool"},
        };
        char a[MT_TEXT_SIZE];
        printf("%s%s: %s documents delivered", i == 0 ? "\nOutputs      " : "             ", outputs[i].name,
               mt_text_number(stats->sent, a));
        for (size_t p = 0; p < MT_ARRAY_COUNT(parts); p++) {
            if (parts[p].count > 0)
                printf(", %s %s", mt_text_number(parts[p].count, a), parts[p].what);
        }
        putchar('\n');
    }
}

void mt_summary_print(const struct mt_options *options, const struct mt_pipeline_result *result,
                      const struct mt_alert_notes *notes, const struct mt_filter_counts *filters)
{
    bool has_outputs = options->output_count + options->config.outputs.count > 0;
    print_counts(result);
    print_losses(result);
    print_hosts("Top clients", &result->tally.clients);
    print_hosts("Top servers", &result->tally.servers);
    mt_summary_print_alerts(notes);
    print_held_back(result, filters);
    print_anomalies(&result->tally);
    print_site(options, result);
    if (options->sessions_path)
        printf("\nSessions in  %s\n", options->sessions_path);
    if (options->alerts_path)
        printf("Alerts in    %s\n", options->alerts_path);
    if (!options->sessions_path && !options->alerts_path && !has_outputs)
        puts("\nRecords were not written: --json prints them, --sessions FILE and --alerts FILE write them.");
}
