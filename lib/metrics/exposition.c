#include "metrics/exposition.h"

#include <inttypes.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)
#define TIME_SIZE 40

static const char *const type_names[] = {
    [MT_METRIC_COUNTER] = "counter",
    [MT_METRIC_GAUGE] = "gauge",
    [MT_METRIC_HISTOGRAM] = "histogram",
};

static void put_escaped(FILE *file, const char *text, const char *escaped)
{
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            fputs("\\n", file);
        else if (strchr(escaped, *text) != NULL)
            fprintf(file, "\\%c", *text);
        else
            fputc(*text, file);
    }
}

void mt_metric_put_head(FILE *file, const char *name, enum mt_metric_type type, const char *help)
{
    fprintf(file, "# HELP %s ", name);
    put_escaped(file, help, "\\");
    fprintf(file, "\n# TYPE %s %s\n", name, type_names[type]);
}

/* suffix: of the name. */
static void put_name(FILE *file, const char *name, const char *suffix, const struct mt_metric_labels *labels)
{
    size_t count = labels ? labels->count : 0;

    fprintf(file, "%s%s", name, suffix);
    for (size_t i = 0; i < count; i++) {
        fprintf(file, "%s%s=\"", i == 0 ? "{" : ",", labels->items[i].name);
        put_escaped(file, labels->items[i].value, "\\\"");
        fputc('"', file);
    }
    fputs(count > 0 ? "} " : " ", file);
}

void mt_metric_put(FILE *file, const char *name, const struct mt_metric_labels *labels, uint64_t value)
{
    put_name(file, name, "", labels);
    fprintf(file, "%" PRIu64 "\n", value);
}

/* Without the zeros at the end: 0.005, 30. */
static const char *seconds(uint64_t time, char text[TIME_SIZE])
{
    int size = snprintf(text, TIME_SIZE, "%" PRIu64 ".%09" PRIu64, time / SECOND, time % SECOND);
    while (size > 1 && text[size - 1] == '0')
        text[--size] = '\0';
    if (text[size - 1] == '.')
        text[size - 1] = '\0';
    return text;
}

void mt_metric_put_seconds(FILE *file, const char *name, const struct mt_metric_labels *labels, uint64_t time)
{
    char text[TIME_SIZE];

    put_name(file, name, "", labels);
    fprintf(file, "%s\n", seconds(time, text));
}

void mt_metric_put_histogram(FILE *file, const char *name, const struct mt_metric_labels *labels,
                             const uint64_t *bounds, const uint64_t *counts, size_t count, uint64_t sum)
{
    struct mt_metric_labels with_bound = {.count = 0};
    char text[TIME_SIZE];
    uint64_t total = 0;

    if (labels)
        with_bound = *labels;
    struct mt_metric_label *bound = &with_bound.items[with_bound.count++];
    bound->name = "le";
    for (size_t i = 0; i < count; i++) {
        total += counts[i];
        bound->value = i + 1 < count ? seconds(bounds[i], text) : "+Inf";
        put_name(file, name, "_bucket", &with_bound);
        fprintf(file, "%" PRIu64 "\n", total);
    }
    put_name(file, name, "_sum", labels);
    fprintf(file, "%s\n", seconds(sum, text));
    put_name(file, name, "_count", labels);
    fprintf(file, "%" PRIu64 "\n", total);
}
