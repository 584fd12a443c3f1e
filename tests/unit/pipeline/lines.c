#include "lines.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>

struct lines *lines_new(void)
{
    return calloc(1, sizeof(struct lines));
}

void lines_free(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->text[i]);
    free(lines);
}

static void add(struct lines *lines, struct mt_span text)
{
    if (lines->count == LINES_MAX) {
        lines->is_wrong = true;
        return;
    }
    lines->text[lines->count] = strndup((const char *)text.ptr, text.size);
    lines->count++;
}

static void wait_here(struct lines *lines)
{
    while (lines->is_blocked) {
        lines->is_inside = true;
        sched_yield();
    }
    lines->is_inside = false;
}

static void on_sessions(void *ctx, struct mt_span text, uint64_t count)
{
    struct lines *lines = ctx;
    uint64_t found = 0;
    wait_here(lines);
    while (text.size > 0) {
        const uint8_t *end = memchr(text.ptr, '\n', text.size);
        size_t size = end ? (size_t)(end - text.ptr) + 1 : text.size;
        add(lines, mt_span_head(text, size));
        text = mt_span_from(text, size);
        found++;
    }
    if (found != count)
        lines->is_wrong = true;
}

static void on_alert(void *ctx, const struct mt_record_alert *alert, enum mt_rule rule, enum mt_level level)
{
    struct lines *lines = ctx;
    char line[256];
    (void)rule;
    wait_here(lines);
    snprintf(line, sizeof(line), "%s %d %.*s %llu", alert->rule_name, (int)level, (int)alert->event_id.size,
             (const char *)alert->event_id.ptr, (unsigned long long)alert->timestamp);
    add(lines, mt_span_cstr(line));
    lines->alerts++;
}

struct mt_sigma *lines_rules(uint32_t workers)
{
    static const char rules[] =
        "title: found\nlogsource: {product: mailtap, service: smtp, category: finding}\n"
        "detection: {s: {mailtap.finding|exists: true}, condition: s}\n---\n"
        "title: often\ncorrelation: {type: event_count, rules: [found], group-by: [destination.ip], "
        "timespan: 10s, "
        "condition: {gte: 3}, generate: true}\n";
    const struct mt_sigma_config config = {.evaluators = workers};
    struct mt_sigma *sigma;
    if (mt_sigma_load_text(&config, "r.yml", mt_span_cstr(rules), &sigma) != 0 ||
        mt_sigma_error_count(sigma) > 0)
        abort();
    return sigma;
}

const struct mt_pipeline_sink lines_sink = {.sessions = on_sessions, .alert = on_alert};

static int line_order(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void lines_sort(struct lines *lines)
{
    qsort(lines->text, lines->count, sizeof(lines->text[0]), line_order);
}
