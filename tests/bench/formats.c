/* How long each format takes for an ordinary session record and for an alert: ns of
 * CPU time a record, the median of five rounds, and the bytes made, beside a fixed
 * loop in the same round: hashing (XXH3) that many bytes. Exit code 1 when a JSON
 * format misses the limit. --show prints the texts instead. */
#include "base/hash.h"
#include "export/format.h"

#include "../unit/export/samples.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 5
#define REPEATS 50000

/* Of a JSON format: one of them is enough. */
#define NS_MOST 1500.0
#define GB_LEAST 1.0

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

static double cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* ns that hashing takes of so many bytes. */
static double yardstick(size_t size)
{
    static uint8_t bytes[64 << 10];
    uint64_t hash = 0;
    double begin = cpu_ns();

    for (unsigned i = 0; i < REPEATS; i++)
        hash = mt_hash_bytes(hash, mt_span(bytes, size < sizeof(bytes) ? size : sizeof(bytes)));
    double ns = (cpu_ns() - begin) / REPEATS;
    /* so that the loop is not left out */
    return hash == 1 ? ns + 1 : ns;
}

static bool measure(const struct mt_format_ops *ops, struct mt_format *format, bool is_alert)
{
    double ns[ROUNDS];
    double ratios[ROUNDS];
    struct sum one = {0, 0};

    encode(ops, format, is_alert, count, &one);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct sum sum = {0, 0};
        double fixed = yardstick(one.bytes);
        double begin = cpu_ns();
        for (unsigned i = 0; i < REPEATS; i++)
            encode(ops, format, is_alert, count, &sum);
        ns[round] = (cpu_ns() - begin) / REPEATS;
        ratios[round] = ns[round] / fixed;
    }
    qsort(ns, ROUNDS, sizeof(ns[0]), compare);
    qsort(ratios, ROUNDS, sizeof(ratios[0]), compare);
    double rate = (double)one.bytes / ns[ROUNDS / 2];
    bool is_met = !ops->is_json || rate >= GB_LEAST || ns[ROUNDS / 2] <= NS_MOST;
    printf("%-10s %-8s %zu texts %6zu bytes %8.1f ns a record %7.2f GB/s %6.1f x hashing%s\n", ops->name,
           is_alert ? "alert" : "session", one.texts, one.bytes, ns[ROUNDS / 2], rate, ratios[ROUNDS / 2],
           !ops->is_json ? ""
           : is_met      ? "  PASS"
                         : "  MISS");
    return is_met;
}

int main(int argc, char **argv)
{
    const struct mt_format_options options = {
        .observer_name = mt_span("probe-1.example.net", 19),
        .observer_version = "0.1.0",
    };
    bool is_show = argc > 1 && strcmp(argv[1], "--show") == 0;
    const struct mt_format_ops *ops;
    bool is_missed = false;

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
                is_missed |= !measure(ops, format, is_alert);
        }
        ops->destroy(format);
    }
    return is_missed;
}
