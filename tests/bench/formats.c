/* How long each format takes for an ordinary session record and for an alert: ns of
 * CPU time a record, the median of nine rounds, and the bytes made. --show prints
 * the texts instead. */
#include "export/format.h"

#include "../unit/export/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 9
#define REPEATS 50000

struct sum {
    size_t bytes;
    size_t texts;
};

static void count(void *ctx, const struct mt_format_text *text)
{
    struct sum *sum = ctx;

    sum->bytes += text->text.size;
    sum->texts++;
}

static void show(void *ctx, const struct mt_format_text *text)
{
    const struct mt_format_ops *ops = ctx;

    printf("%s\t%s\t%.*s\n", ops->name, ops->streams[text->stream], (int)text->text.size,
           (const char *)text->text.ptr);
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;
    return (*x > *y) - (*x < *y);
}

static void encode(const struct mt_format_ops *ops, struct mt_format *format, bool is_alert,
                   mt_format_emit *emit, void *ctx)
{
    if (is_alert)
        ops->alert(format, &sample_alert, emit, ctx);
    else
        ops->session(format, &sample_session, emit, ctx);
}

static void measure(const struct mt_format_ops *ops, struct mt_format *format, bool is_alert)
{
    double ns[ROUNDS];
    struct sum one = {0, 0};

    encode(ops, format, is_alert, count, &one);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct sum sum = {0, 0};
        clock_t begin = clock();
        for (unsigned i = 0; i < REPEATS; i++)
            encode(ops, format, is_alert, count, &sum);
        ns[round] = (double)(clock() - begin) * 1e9 / CLOCKS_PER_SEC / REPEATS;
    }
    qsort(ns, ROUNDS, sizeof(ns[0]), compare);
    printf("%-10s %-8s %zu texts %6zu bytes %8.1f ns a record %7.2f GB/s\n", ops->name,
           is_alert ? "alert" : "session", one.texts, one.bytes, ns[ROUNDS / 2],
           (double)one.bytes / ns[ROUNDS / 2]);
}

int main(int argc, char **argv)
{
    const struct mt_format_options options = {
        .observer_name = mt_span("probe-1.example.net", 19),
        .observer_version = "0.1.0",
    };
    bool is_show = argc > 1 && strcmp(argv[1], "--show") == 0;
    const struct mt_format_ops *ops;

    for (size_t i = 0; (ops = mt_format_at(i)) != NULL; i++) {
        char reason[256];
        struct mt_format *format;
        if (ops->create(&options, reason, sizeof(reason), &format) != 0) {
            fprintf(stderr, "%s: %s\n", ops->name, reason);
            return 1;
        }
        for (unsigned is_alert = 0; is_alert < 2; is_alert++) {
            if (is_show)
                encode(ops, format, is_alert, show, (void *)(uintptr_t)ops);
            else
                measure(ops, format, is_alert);
        }
        ops->destroy(format);
    }
    return 0;
}
