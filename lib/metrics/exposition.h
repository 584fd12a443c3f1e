/* Prometheus' text format, version 0.0.4: a family of samples is a HELP line, a
 * TYPE line, and a line a sample.
 *
 * Ownership: borrows all; a failed write shows in ferror(file). Thread: any, one a
 * file. Limits: none. Names are the caller's constants and are written as they
 * are; help texts and label values are escaped.
 */
#ifndef MT_METRICS_EXPOSITION_H
#define MT_METRICS_EXPOSITION_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MT_METRICS_TEXT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum mt_metric_type {
    MT_METRIC_COUNTER,
    MT_METRIC_GAUGE,
    MT_METRIC_HISTOGRAM,
};

struct mt_metric_label {
    const char *name;
    const char *value; /* what is no UTF-8 is the caller's fault, and Prometheus refuses all of it */
};

/* The labels of a sample; the first count of them. */
#define MT_METRIC_LABELS_MAX 4u
struct mt_metric_labels {
    struct mt_metric_label items[MT_METRIC_LABELS_MAX];
    size_t count;
};

/* What stands once ahead of a family's samples. */
void mt_metric_put_head(FILE *file, const char *name, enum mt_metric_type type, const char *help);

/* labels may be NULL. */
void mt_metric_put(FILE *file, const char *name, const struct mt_metric_labels *labels, uint64_t value);

/* A time in ns, written in seconds. */
void mt_metric_put_seconds(FILE *file, const char *name, const struct mt_metric_labels *labels,
                           uint64_t time);

/* counts[i]: values above bounds[i - 1] and at most bounds[i]; the last: above all
 * of the count - 1 bounds. Bounds and sum are times in ns. At most
 * MT_METRIC_LABELS_MAX - 1 labels. */
void mt_metric_put_histogram(FILE *file, const char *name, const struct mt_metric_labels *labels,
                             const uint64_t *bounds, const uint64_t *counts, size_t count, uint64_t sum);

#endif
