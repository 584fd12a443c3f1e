/* The table of tests/unit/sigma/correlations.txt, and what lies beyond a table. */
#include "correlated.h"
#include "event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct correlated feeds;
static char said[65536];
static size_t said_size;

static void add_said(const char *text, size_t size)
{
    assert_true(said_size + size < sizeof(said));
    memcpy(said + said_size, text, size);
    said_size += size;
    said[said_size] = '\0';
}

static void on_alarm(void *ctx, const struct mt_sigma_alarm *alarm)
{
    char line[1024];
    (void)ctx;
    int size = snprintf(line, sizeof(line), "= %s %s %llu", alarm->rule->name, mt_level_name(alarm->level),
                        (unsigned long long)alarm->count);
    add_said(line, (size_t)size);
    for (uint32_t i = 0; i < alarm->key_count; i++) {
        const struct mt_record_groupby *key = &alarm->keys[i];
        size = snprintf(line, sizeof(line), " %.*s=%.*s", (int)key->key.size, (const char *)key->key.ptr,
                        (int)key->value.size, (const char *)key->value.ptr);
        add_said(line, (size_t)size);
    }
    add_said("\n", 1);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The table does not say in which order alerts of different rules come. */
static void sort_lines(char *text)
{
    static char copy[65536];
    char *lines[2048];
    size_t count = 0;
    char *rest = copy;
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *line; (line = strsep(&rest, "\n")) != NULL && *line;)
        lines[count++] = line;
    qsort(lines, count, sizeof(*lines), compare_lines);
    for (size_t i = 0; i < count; i++)
        text += sprintf(text, "%s\n", lines[i]);
}

static void run(const struct mt_sigma *sigma, bool is_reversed)
{
    struct mt_sigma_correlator *c;
    said_size = 0;
    said[0] = '\0';
    assert_int_equal(mt_sigma_correlator_create(sigma, 0, on_alarm, NULL, &c), 0);
    for (uint32_t i = 0; i < feeds.count; i++) {
        uint32_t k = is_reversed ? feeds.count - 1 - i : i;
        mt_sigma_correlator_feed(c, feeds.feeds[k]);
        if (!is_reversed)
            mt_sigma_correlator_advance(c, feeds.completed[k]);
    }
    mt_sigma_correlator_finish(c);
    const struct mt_sigma_correlator_counts *counts = mt_sigma_correlator_counts(c);
    assert_int_equal(counts->late, 0);
    assert_int_equal(counts->lost, 0);
    assert_int_equal(counts->groups, 0);
    mt_sigma_correlator_destroy(c);
}

static void append(char *to, size_t cap, const char *text)
{
    size_t at = strlen(to);
    size_t size = strlen(text);
    assert_true(at + size < cap);
    memcpy(to + at, text, size + 1);
}

struct table {
    char rules[16384];
    char expected[16384];
    unsigned line;
    uint32_t cases;
    uint32_t wrong;
    struct mt_sigma *sigma;
};

static struct mt_sigma *load(const char *text)
{
    const struct mt_sigma_config config = {.evaluators = 1};
    struct mt_sigma *sigma;
    assert_int_equal(mt_sigma_load_text(&config, "f.yml", mt_span_cstr(text), &sigma), 0);
    if (mt_sigma_error_count(sigma) > 0)
        fail_msg("%s\n%s", mt_sigma_error(sigma, 0), text);
    return sigma;
}

static void end_case(struct table *t)
{
    static char first[65536];
    if (!t->sigma)
        return;
    t->cases++;
    sort_lines(t->expected);
    run(t->sigma, false);
    snprintf(first, sizeof(first), "%s", said);
    run(t->sigma, true);
    if (strcmp(first, said) != 0) {
        print_error("correlations.txt:%u: in the reverse order there is\n%s, not\n%s", t->line, said, first);
        t->wrong++;
    }
    sort_lines(said);
    if (strcmp(t->expected, said) != 0) {
        print_error("correlations.txt:%u: expected\n%s, but there is\n%s", t->line, t->expected, said);
        t->wrong++;
    }
    correlated_free(&feeds);
    mt_sigma_destroy(t->sigma);
    t->sigma = NULL;
    t->rules[0] = '\0';
    t->expected[0] = '\0';
}

static void add_event(struct table *t, char *line)
{
    char *rest;
    if (!t->sigma)
        t->sigma = load(t->rules);
    double time = strtod(line + 1, &rest);
    struct mt_record_session *record = event_of(rest + (*rest == ' '));
    record->event_end = CORRELATED_BASE + (uint64_t)(time * 1e9);
    correlated_add(&feeds, mt_sigma_evaluator(t->sigma, 0), record);
}

static void every_case_of_the_table_comes_out_as_written(void **state)
{
    (void)state;
    static struct table t;
    char line[4096];
    FILE *file = fopen(MT_SOURCE_ROOT "/tests/unit/sigma/correlations.txt", "r");
    assert_non_null(file);
    for (unsigned number = 1; fgets(line, sizeof(line), file); number++) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '@') {
            add_event(&t, line);
        } else if (strncmp(line, "rules", 5) == 0) {
            end_case(&t);
            t.line = number;
        } else if (line[0] == ' ') {
            append(t.rules, sizeof(t.rules), line + 2);
            append(t.rules, sizeof(t.rules), "\n");
        } else if (line[0] == '=') {
            append(t.expected, sizeof(t.expected), line);
            append(t.expected, sizeof(t.expected), "\n");
        } else {
            assert_true(line[0] == '\0' || line[0] == '#');
        }
    }
    end_case(&t);
    fclose(file);
    assert_int_equal(t.wrong, 0);
    assert_true(t.cases >= 20);
}

#define FAIL                                                                      \
    "title: fail\nlogsource: {product: mailtap, service: smtp, category: auth}\n" \
    "detection: {s: {smtp.auth.outcome: failure}, condition: s}\n---\n"

static void add(struct mt_sigma *sigma, double time, const char *fields)
{
    struct mt_record_session *record = event_of(fields);
    record->event_end = CORRELATED_BASE + (uint64_t)(time * 1e9);
    correlated_add(&feeds, mt_sigma_evaluator(sigma, 0), record);
}

static void a_million_sources_stay_within_the_memory_that_is_given(void **state)
{
    (void)state;
    struct mt_sigma *sigma =
        load(FAIL "title: many\ncorrelation: {type: value_count, rules: [fail], group-by: "
                  "[source.ip], timespan: 1h, condition: {field: smtp.auth.user, gte: 5}}\n");
    const size_t memory = (size_t)8 << 20;
    struct mt_sigma_correlator *c;
    said_size = 0;
    assert_int_equal(mt_sigma_correlator_create(sigma, memory, on_alarm, NULL, &c), 0);
    const struct mt_sigma_correlator_counts *counts = mt_sigma_correlator_counts(c);
    for (uint32_t i = 0; i < 1000000; i++) {
        char fields[160];
        snprintf(fields, sizeof(fields),
                 "source.ip=10.%u.%u.%u | smtp.auth[0].outcome=failure | smtp.auth[0].user=u%u", i >> 16,
                 i >> 8 & 255, i & 255, i);
        add(sigma, i * 0.001, fields);
        mt_sigma_correlator_feed(c, feeds.feeds[0]);
        mt_sigma_correlator_advance(c, feeds.completed[0]);
        correlated_free(&feeds);
        assert_true(counts->memory <= memory);
    }
    assert_int_equal(counts->feeds, 1000000);
    assert_int_equal(counts->late + counts->lost, 0);
    assert_true(counts->groups > 10000);
    assert_true(counts->evicted + counts->groups > 900000);
    mt_sigma_correlator_finish(c);
    assert_int_equal(said_size, 0);
    mt_sigma_correlator_destroy(c);
    mt_sigma_destroy(sigma);
}

static void many_values_are_counted_nearly_right_and_steps_double(void **state)
{
    (void)state;
    struct mt_sigma *sigma =
        load(FAIL "title: many\ncorrelation: {type: value_count, rules: [fail], group-by: "
                  "[source.ip], timespan: 1h, condition: {field: smtp.auth.user, gte: 1000}}\n");
    for (uint32_t i = 0; i < 18000; i++) {
        char fields[160];
        snprintf(fields, sizeof(fields),
                 "source.ip=10.0.0.1 | smtp.auth[0].outcome=failure | smtp.auth[0].user=u%u", i);
        add(sigma, i * 0.01, fields);
    }
    run(sigma, false);
    unsigned lines = 0;
    uint64_t last = 0;
    for (char *at = said; (at = strstr(at, "= many ")) != NULL; at++, lines++)
        last = strtoull(strpbrk(at, "0123456789"), NULL, 10);
    assert_int_equal(lines, 6); /* 1000, 2000, 4000, 8000, 16000, the end */
    assert_true(last > 18000 * 0.95 && last < 18000 * 1.05);
    assert_true(strncmp(said, "= many medium 1000 source.ip=10.0.0.1\n", 38) == 0);
    correlated_free(&feeds);
    mt_sigma_destroy(sigma);
}

/* All that the announced sizes can say is said at once; a sum stays at the largest number. */
static void a_sum_that_can_grow_no_more_is_said_once(void **state)
{
    (void)state;
    struct mt_sigma *sigma =
        load("title: chunked\nlogsource: {product: mailtap, service: smtp, category: transaction}\n"
             "detection: {s: {smtp.transactions.chunks.size|exists: true}, condition: s}\n---\n"
             "title: much\ncorrelation: {type: value_sum, rules: [chunked], group-by: [source.ip], "
             "timespan: 1h, condition: {field: smtp.transactions.chunks.size, gte: 1000}}\n");
    for (uint32_t i = 0; i < 50; i++)
        add(sigma, i, "source.ip=10.0.0.1 | smtp.transactions[0].chunks[0].size=18446744073709551615");
    run(sigma, false);
    assert_string_equal(said, "= much medium 1 source.ip=10.0.0.1\n");
    correlated_free(&feeds);
    mt_sigma_destroy(sigma);
}

#define COUNTERS 16

static void many_long_values_do_not_keep_an_event_from_being_counted(void **state)
{
    (void)state;
    char rules[8192] = "title: sent\nlogsource: {product: mailtap, service: smtp, category: session}\n"
                       "detection: {s: {source.ip|exists: true}, condition: s}\n";
    char fields[4096] = "source.ip=10.0.0.1";
    char text[512];
    for (unsigned i = 0; i < COUNTERS; i++) {
        snprintf(text, sizeof(text),
                 "---\ntitle: c%u\ncorrelation: {type: value_count, rules: [sent], group-by: [source.ip], "
                 "timespan: 1h, condition: {field: smtp.transactions.recipients.address, gte: 16}}\n",
                 i);
        append(rules, sizeof(rules), text);
    }
    for (unsigned i = 0; i < 16; i++) {
        snprintf(text, sizeof(text), " | smtp.transactions[%u].recipients[%u].address=%0100u@example.org",
                 i / 4, i % 4, i);
        append(fields, sizeof(fields), text);
    }
    struct mt_sigma *sigma = load(rules);
    add(sigma, 1, fields);
    assert_int_equal(feeds.count, 1);
    run(sigma, false);
    unsigned lines = 0;
    for (const char *at = said; (at = strstr(at, " medium 16 source.ip=10.0.0.1\n")) != NULL; at++)
        lines++;
    assert_int_equal(lines, COUNTERS);
    correlated_free(&feeds);
    mt_sigma_destroy(sigma);
}

static void an_event_that_comes_too_late_is_counted(void **state)
{
    (void)state;
    struct mt_sigma *sigma =
        load(FAIL "title: many\ncorrelation: {type: event_count, rules: [fail], timespan: 1h, "
                  "condition: {gte: 3}}\n");
    struct mt_sigma_correlator *c;
    said_size = 0;
    add(sigma, 100, "source.ip=10.0.0.1 | smtp.auth[0].outcome=failure");
    add(sigma, 101, "source.ip=10.0.0.1 | smtp.auth[0].outcome=failure");
    add(sigma, 10, "source.ip=10.0.0.1 | smtp.auth[0].outcome=failure");
    assert_int_equal(mt_sigma_correlator_create(sigma, 0, on_alarm, NULL, &c), 0);
    mt_sigma_correlator_feed(c, feeds.feeds[0]);
    mt_sigma_correlator_feed(c, feeds.feeds[1]);
    mt_sigma_correlator_advance(c, CORRELATED_BASE + UINT64_C(200) * 1000000000);
    mt_sigma_correlator_feed(c, feeds.feeds[2]);
    mt_sigma_correlator_finish(c);
    assert_int_equal(mt_sigma_correlator_counts(c)->late, 1);
    assert_string_equal(said, "= many medium 3\n"); /* its window is still there */
    mt_sigma_correlator_destroy(c);
    correlated_free(&feeds);
    mt_sigma_destroy(sigma);
}

static void a_reload_keeps_the_groups_of_correlations_that_say_the_same(void **state)
{
    (void)state;
    const char *same = FAIL "title: many\ncorrelation: {type: event_count, rules: [fail], timespan: 1h, "
                            "condition: {gte: 2}}\n";
    const char *other = FAIL "title: many\ncorrelation: {type: event_count, rules: [fail], timespan: 1h, "
                             "condition: {gte: 1}}\n";
    struct mt_sigma *sets[] = {load(same), load(same), load(other)};
    struct mt_sigma_correlator *c;
    said_size = 0;
    add(sets[0], 1, "source.ip=10.0.0.1 | smtp.auth[0].outcome=failure");
    add(sets[0], 2, "source.ip=10.0.0.1 | smtp.auth[0].outcome=failure");
    assert_int_equal(mt_sigma_correlator_create(sets[0], 0, on_alarm, NULL, &c), 0);
    mt_sigma_correlator_feed(c, feeds.feeds[0]);
    mt_sigma_correlator_advance(c, CORRELATED_BASE + UINT64_C(20) * 1000000000);
    mt_sigma_correlator_reload(c, sets[1]);
    mt_sigma_destroy(sets[0]);
    assert_int_equal(mt_sigma_correlator_counts(c)->groups, 1);
    mt_sigma_correlator_feed(c, feeds.feeds[1]);
    mt_sigma_correlator_reload(c, sets[2]);
    assert_int_equal(mt_sigma_correlator_counts(c)->groups, 0);
    mt_sigma_correlator_finish(c);
    assert_int_equal(mt_sigma_correlator_counts(c)->stale, 1);
    assert_int_equal(said_size, 0);
    mt_sigma_correlator_destroy(c);
    correlated_free(&feeds);
    mt_sigma_destroy(sets[1]);
    mt_sigma_destroy(sets[2]);
}

static struct mt_sigma_alarm alarm_seen;
static char lines_seen[2048];

static void keep_alarm(void *ctx, const struct mt_sigma_alarm *alarm)
{
    (void)ctx;
    alarm_seen = *alarm;
    lines_seen[0] = '\0';
    for (uint32_t i = 0; i < alarm->line_count; i++) {
        strncat(lines_seen, (const char *)alarm->lines[i].ptr, alarm->lines[i].size);
        append(lines_seen, sizeof(lines_seen), "\n");
    }
    strncat(lines_seen, (const char *)alarm->message.ptr, alarm->message.size);
}

static void check_message(const char *correlation, const char *const bytes[2], const char *end)
{
    char text[1024];
    char line[256];
    struct mt_sigma_correlator *c;
    snprintf(text, sizeof(text),
             "title: mail\nlogsource: {product: mailtap, service: smtp, category: session}\n"
             "detection: {s: {source.ip|exists: true}, condition: s}\n---\ntitle: Sizes\n"
             "correlation: {rules: [mail], timespan: 1m, %s}\n",
             correlation);
    struct mt_sigma *sigma = load(text);
    for (unsigned i = 0; i < 2; i++) {
        snprintf(line, sizeof(line), "source.ip=10.0.0.1 | destination.ip=10.0.0.2 | source.bytes=%s",
                 bytes[i]);
        add(sigma, i + 1, line);
    }
    assert_int_equal(mt_sigma_correlator_create(sigma, 0, keep_alarm, NULL, &c), 0);
    for (uint32_t i = 0; i < feeds.count; i++)
        mt_sigma_correlator_feed(c, feeds.feeds[i]);
    lines_seen[0] = '\0';
    mt_sigma_correlator_finish(c);
    size_t size = strlen(lines_seen);
    if (size < strlen(end) || strcmp(lines_seen + size - strlen(end), end) != 0)
        fail_msg("%s: %s", correlation, lines_seen);
    mt_sigma_correlator_destroy(c);
    correlated_free(&feeds);
    mt_sigma_destroy(sigma);
}

static void an_alert_says_which_percentile_it_means_and_that_a_sum_is_larger_than_can_be_said(void **state)
{
    static const char *const small[] = {"30", "40"};
    static const char *const large[] = {"18446744073709551615", "40"};
    (void)state;
    check_message("type: value_percentile, condition: {field: source.bytes, percentile: 95, gte: 30}", small,
                  ", 40 at percentile 95 of source.bytes within 60 s");
    check_message("type: value_median, condition: {field: source.bytes, gte: 30}", small,
                  ", 30 in the median of source.bytes within 60 s");
    check_message("type: value_sum, condition: {field: source.bytes, gte: 70}", small,
                  ", 70 in all of source.bytes within 60 s");
    check_message("type: value_sum, condition: {field: source.bytes, gte: 50}", large,
                  ", at least 18446744073709551615 in all of source.bytes within 60 s");
}

static void an_alert_shows_the_first_and_the_last_event_and_the_values(void **state)
{
    (void)state;
    struct mt_sigma *sigma =
        load(FAIL "title: Spray\ncorrelation: {type: value_count, rules: [fail], group-by: "
                  "[source.ip], timespan: 10m, condition: {field: smtp.auth.user, gte: 3}}\n");
    struct mt_sigma_correlator *c;
    add(sigma, 1,
        "source.ip=10.0.0.1 | source.port=1 | destination.ip=10.0.0.2 | destination.port=25 | "
        "smtp.auth[0].outcome=failure | smtp.auth[0].user=a");
    add(sigma, 2,
        "source.ip=10.0.0.1 | source.port=2 | destination.ip=10.0.0.3 | destination.port=25 | "
        "smtp.auth[0].outcome=failure | smtp.auth[0].user=b\\x0a");
    add(sigma, 3,
        "source.ip=10.0.0.1 | source.port=3 | destination.ip=10.0.0.4 | destination.port=25 | "
        "smtp.auth[0].outcome=failure | smtp.auth[0].user=c");
    assert_int_equal(mt_sigma_correlator_create(sigma, 0, keep_alarm, NULL, &c), 0);
    for (uint32_t i = 0; i < feeds.count; i++)
        mt_sigma_correlator_feed(c, feeds.feeds[i]);
    mt_sigma_correlator_finish(c);
    assert_int_equal(alarm_seen.count, 3);
    assert_int_equal(alarm_seen.window, 600);
    assert_int_equal(alarm_seen.source_port, 3);
    assert_string_equal(lines_seen,
                        "2023-11-14T22:13:21.000000000Z first: 10.0.0.1:1 to 10.0.0.2:25, session "
                        "00000000000000000000000000000000\n"
                        "2023-11-14T22:13:23.000000000Z last: 10.0.0.1:3 to 10.0.0.4:25, session "
                        "00000000000000000000000000000002\n"
                        "a line\n"
                        "values: a, b\\x0a, c\n"
                        "Spray: 10.0.0.1 to 10.0.0.4, 3 different values of smtp.auth.user within 600 s");
    mt_sigma_correlator_destroy(c);
    correlated_free(&feeds);
    mt_sigma_destroy(sigma);
}

#define RECIPIENTS                                                                        \
    "title: refused\nlogsource: {product: mailtap, service: smtp, category: recipient}\n" \
    "detection: {s: {smtp.transactions.recipients.code: 550}, condition: s}\n---\n"

static const char recipient_rules[] = RECIPIENTS
    "title: names\ncorrelation: {type: value_count, rules: [refused], group-by: [source.ip], timespan: 1h, "
    "condition: {field: smtp.transactions.recipients.address, gte: 3}}\n---\n"
    "title: clients\ncorrelation: {type: value_count, rules: [refused], group-by: [destination.ip], "
    "timespan: 1h, condition: {field: source.ip, gte: 2}}\n---\n"
    "title: events\ncorrelation: {type: event_count, rules: [refused], group-by: [destination.ip], "
    "timespan: 1h, condition: {gte: 4}}\n---\n"
    "title: codes\ncorrelation: {type: value_sum, rules: [refused], group-by: [source.ip], timespan: 1h, "
    "condition: {field: smtp.transactions.recipients.code, gte: 1650}}\n---\n"
    "title: both\ncorrelation: {type: temporal, rules: [names, events], generate: true, group-by: "
    "[destination.ip], timespan: 1h}\n";

static void add_recipients(struct mt_sigma *sigma)
{
    add(sigma, 1,
        "source.ip=10.0.0.1 | destination.ip=10.0.0.2 | "
        "smtp.transactions[0].recipients[0].code=550 | smtp.transactions[0].recipients[0].address=a@b.test | "
        "smtp.transactions[0].recipients[1].code=250 | smtp.transactions[0].recipients[1].address=c@b.test | "
        "smtp.transactions[0].recipients[2].code=550 | smtp.transactions[0].recipients[2].address=d@b.test | "
        "smtp.transactions[1].recipients[0].code=550 | smtp.transactions[1].recipients[0].address=e@b.test");
    add(sigma, 2,
        "source.ip=10.0.0.3 | destination.ip=10.0.0.2 | "
        "smtp.transactions[0].recipients[0].code=550 | smtp.transactions[0].recipients[0].address=a@b.test");
}

static void recipients_of_one_transaction_are_one_feed_and_count_each(void **state)
{
    (void)state;
    static char apart[65536];
    struct mt_sigma *sigma = load(recipient_rules);
    add_recipients(sigma);
    assert_int_equal(feeds.count, 4);
    run(sigma, false);
    assert_string_equal(said, "= names medium 3 source.ip=10.0.0.1\n"
                              "= codes medium 3 source.ip=10.0.0.1\n"
                              "= clients medium 2 destination.ip=10.0.0.2\n"
                              "= events medium 4 destination.ip=10.0.0.2\n"
                              "= both medium 2 destination.ip=10.0.0.2\n");
    snprintf(apart, sizeof(apart), "%s", said);
    correlated_free(&feeds);
    feeds.joins = true;
    add_recipients(sigma);
    feeds.joins = false;
    assert_int_equal(feeds.count, 3);
    run(sigma, false);
    assert_string_equal(said, apart);
    correlated_free(&feeds);
    mt_sigma_destroy(sigma);
}

static void recipients_that_make_groups_of_their_own_are_feeds_of_their_own(void **state)
{
    (void)state;
    struct mt_sigma *sigma =
        load(RECIPIENTS "title: one\ncorrelation: {type: event_count, rules: [refused], group-by: "
                        "[smtp.transactions.recipients.address], timespan: 1h, condition: {gte: 2}}\n");
    feeds.joins = true;
    add_recipients(sigma);
    feeds.joins = false;
    assert_int_equal(feeds.count, 4);
    run(sigma, false);
    assert_string_equal(said, "= one medium 2 smtp.transactions.recipients.address=a@b.test\n");
    correlated_free(&feeds);
    mt_sigma_destroy(sigma);
}

/* Twelve correlations whose keys alone are longer than most feeds. */
static void a_long_feed_of_joined_recipients_keeps_its_values(void **state)
{
    (void)state;
    static char rules[8192];
    char fields[640];
    struct mt_sigma_correlator *c;
    snprintf(rules, sizeof(rules), "%s", RECIPIENTS);
    for (unsigned i = 0; i < 12; i++) {
        char one[320];
        snprintf(one, sizeof(one),
                 "%stitle: names %u\ncorrelation: {type: value_count, rules: [refused], group-by: "
                 "[smtp.helo.name], timespan: 1h, condition: {field: smtp.transactions.recipients.address, "
                 "gte: %u}}\n",
                 i > 0 ? "---\n" : "", i, i == 0 ? 2 : 99);
        append(rules, sizeof(rules), one);
    }
    struct mt_sigma *sigma = load(rules);
    snprintf(
        fields, sizeof(fields),
        "source.ip=10.0.0.1 | destination.ip=10.0.0.2 | smtp.helo.name=%090u | "
        "smtp.transactions[0].recipients[0].code=550 | smtp.transactions[0].recipients[0].address=%040u@a | "
        "smtp.transactions[0].recipients[1].code=550 | smtp.transactions[0].recipients[1].address=%040u@b",
        1u, 2u, 3u);
    feeds.joins = true;
    add(sigma, 1, fields);
    feeds.joins = false;
    assert_int_equal(feeds.count, 1);
    assert_true(feeds.feeds[0].size > 2048);
    assert_int_equal(mt_sigma_correlator_create(sigma, 0, keep_alarm, NULL, &c), 0);
    mt_sigma_correlator_feed(c, feeds.feeds[0]);
    mt_sigma_correlator_finish(c);
    assert_int_equal(alarm_seen.count, 2);
    assert_non_null(strstr(lines_seen, "values: 0000000000000000000000000000000000000002@a, "
                                       "0000000000000000000000000000000000000003@b"));
    mt_sigma_correlator_destroy(c);
    correlated_free(&feeds);
    mt_sigma_destroy(sigma);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_of_the_table_comes_out_as_written),
        cmocka_unit_test(a_million_sources_stay_within_the_memory_that_is_given),
        cmocka_unit_test(many_values_are_counted_nearly_right_and_steps_double),
        cmocka_unit_test(a_sum_that_can_grow_no_more_is_said_once),
        cmocka_unit_test(many_long_values_do_not_keep_an_event_from_being_counted),
        cmocka_unit_test(an_event_that_comes_too_late_is_counted),
        cmocka_unit_test(a_reload_keeps_the_groups_of_correlations_that_say_the_same),
        cmocka_unit_test(an_alert_says_which_percentile_it_means_and_that_a_sum_is_larger_than_can_be_said),
        cmocka_unit_test(an_alert_shows_the_first_and_the_last_event_and_the_values),
        cmocka_unit_test(recipients_of_one_transaction_are_one_feed_and_count_each),
        cmocka_unit_test(recipients_that_make_groups_of_their_own_are_feeds_of_their_own),
        cmocka_unit_test(a_long_feed_of_joined_recipients_keeps_its_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
