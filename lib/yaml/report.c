#include "yaml/report.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>

struct mt_yaml_quote mt_yaml_quote(struct mt_span text)
{
    struct mt_yaml_quote quote;
    struct mt_buf b = mt_buf(quote.text + 1, MT_YAML_QUOTE_MAX);

    mt_buf_put_escaped(&b, text);
    quote.text[0] = '"';
    snprintf(quote.text + 1 + b.size, sizeof(quote.text) - 1 - b.size, "%s", b.overflow ? "...\"" : "\"");
    return quote;
}

/* The path is the user's, but may come from a script: it is escaped as well. */
static int start(const struct mt_yaml_report *report)
{
    char path[512];
    struct mt_buf b = mt_buf(path, sizeof(path) - 1);

    mt_buf_put_escaped(&b, mt_span_cstr(report->path));
    path[b.size] = '\0';
    int n = snprintf(report->text, report->size, "%s:", path);
    return (size_t)n < report->size ? n : (int)report->size - 1;
}

void mt_yaml_report_file(const struct mt_yaml_report *report, const char *format, ...)
{
    va_list arguments;
    int n = start(report);

    n += snprintf(report->text + n, report->size - (size_t)n, " ");
    if ((size_t)n >= report->size)
        return;
    va_start(arguments, format);
    vsnprintf(report->text + n, report->size - (size_t)n, format, arguments);
    va_end(arguments);
}

void mt_yaml_report_place(const struct mt_yaml_report *report, uint32_t line, uint32_t column,
                          const char *format, ...)
{
    va_list arguments;
    int n = start(report);

    n += snprintf(report->text + n, report->size - (size_t)n, "%u:%u: ", (unsigned)line, (unsigned)column);
    if ((size_t)n >= report->size)
        return;
    va_start(arguments, format);
    vsnprintf(report->text + n, report->size - (size_t)n, format, arguments);
    va_end(arguments);
}

/* Levenshtein distance, case ignored: one row of the table at a time. */
size_t mt_yaml_distance(struct mt_span a, struct mt_span b)
{
    size_t row[MT_YAML_QUOTE_MAX + 1];

    b = mt_span_head(b, MT_YAML_QUOTE_MAX);
    for (size_t k = 0; k <= b.size; k++)
        row[k] = k;
    for (size_t i = 0; i < a.size; i++) {
        size_t diagonal = row[0];
        row[0] = i + 1;
        for (size_t k = 0; k < b.size; k++) {
            size_t replaced = diagonal + (mt_ascii_lower(a.ptr[i]) != mt_ascii_lower(b.ptr[k]));
            size_t shorter = row[k] < row[k + 1] ? row[k] : row[k + 1];
            diagonal = row[k + 1];
            row[k + 1] = replaced < shorter + 1 ? replaced : shorter + 1;
        }
    }
    return row[b.size];
}

const char *mt_yaml_nearest(struct mt_span found, const char *const *keys, size_t count)
{
    const char *nearest = NULL;
    size_t least = SIZE_MAX;

    if (found.size > MT_YAML_QUOTE_MAX)
        return NULL;
    for (size_t i = 0; i < count; i++) {
        struct mt_span key = mt_span_head(mt_span_cstr(keys[i]), MT_YAML_QUOTE_MAX);
        size_t longer = key.size > found.size ? key.size : found.size;
        size_t distance = mt_yaml_distance(found, key);
        if (distance < least && distance * 2 <= longer) {
            least = distance;
            nearest = keys[i];
        }
    }
    return nearest;
}

void mt_yaml_report_unknown(const struct mt_yaml_report *report, uint32_t line, uint32_t column,
                            struct mt_span found, const char *const *keys, size_t count)
{
    const char *nearest = mt_yaml_nearest(found, keys, count);
    char known[512];
    size_t size = 0;

    if (nearest != NULL) {
        mt_yaml_report_place(report, line, column, "unknown key %s; did you mean \"%s\"?",
                             mt_yaml_quote(found).text, nearest);
        return;
    }
    known[0] = '\0';
    for (size_t i = 0; i < count && size < sizeof(known); i++)
        size += (size_t)snprintf(known + size, sizeof(known) - size, "%s\"%s\"", i > 0 ? ", " : "", keys[i]);
    mt_yaml_report_place(report, line, column, "unknown key %s; known keys are %s", mt_yaml_quote(found).text,
                         known);
}
