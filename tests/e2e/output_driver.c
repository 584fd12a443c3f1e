/* Feeds numbered documents to outputs, so that delivery is proven without a
 * capture. Prints what each output came to as JSON.
 *
 *   output_driver [OPTION...] SPEC...
 *
 * Document N is {"n":N,"pad":"N.N.N..."} under the id doc-N; every tenth is an
 * alert. With --mark, a mapped file says at any time how many documents were put
 * and how many of them, at least, have left the memory.
 */
#include "base/log.h"
#include "export/outputs.h"

#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAD_MAX ((size_t)2 << 20)

struct marks {
    _Atomic uint64_t put;
    _Atomic uint64_t settled;
    _Atomic uint64_t shed;
};

struct options {
    uint64_t first;
    uint64_t count;
    uint64_t rate; /* a second; 0: as fast as it goes */
    uint64_t linger_ms;
    uint64_t until_ms; /* linger at most, but only until nothing waits */
    size_t size;
    uint32_t grace_ms;
    bool check;
    const char *mark;
};

static atomic_int reopens;
static atomic_int rotations;

static void on_signal(int number)
{
    if (number == SIGHUP)
        reopens++;
    else
        rotations++;
}

static void log_line(enum mt_log_level level, const char *message)
{
    if (level != MT_LOG_DEBUG)
        fprintf(stderr, "%s\n", message);
}

static uint64_t now_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static void nap_ns(uint64_t ns)
{
    struct timespec time = {.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
    nanosleep(&time, NULL);
}

static size_t make_text(char *to, size_t size, uint64_t number)
{
    char digits[24];
    size_t n = (size_t)snprintf(to, PAD_MAX, "{\"n\":%llu,\"pad\":\"", (unsigned long long)number);
    size_t length = (size_t)snprintf(digits, sizeof(digits), "%llu.", (unsigned long long)number);

    while (n + length + 2 < size) {
        memcpy(to + n, digits, length);
        n += length;
    }
    memcpy(to + n, "\"}", 2);
    return n + 2;
}

static void put(struct mt_delivery *delivery, const struct options *options, uint64_t number, char *space)
{
    char id[32];
    char rule[16];
    struct mt_format_text text = {.text = mt_span(space, make_text(space, options->size, number))};
    struct mt_output_item item = {
        .texts = &text,
        .text_count = 1,
        .time = now_ns(CLOCK_REALTIME),
        .key = mt_span_cstr("192.0.2.1"),
        .kind = number % 10 == 0 ? MT_OUTPUT_ALERT : MT_OUTPUT_SESSION,
        .level = (uint8_t)(number / 10 % 5),
    };

    item.id = mt_span(id, (size_t)snprintf(id, sizeof(id), "doc-%llu", (unsigned long long)number));
    if (item.kind == MT_OUTPUT_ALERT)
        item.rule =
            mt_span(rule, (size_t)snprintf(rule, sizeof(rule), "rule_%u", (unsigned)(number / 10 % 3)));
    for (size_t encoding = 0; encoding < mt_delivery_encodings(delivery); encoding++)
        mt_delivery_put(delivery, encoding, &item);
}

static void heed_signals(struct mt_delivery *delivery)
{
    static int reopened;
    static int rotated;

    if (reopened != reopens)
        mt_delivery_reopen(delivery, false);
    if (rotated != rotations)
        mt_delivery_reopen(delivery, true);
    reopened = reopens;
    rotated = rotations;
}

static void note_marks(struct mt_delivery *delivery, struct marks *marks, uint64_t put_count)
{
    struct mt_output_stats stats;

    if (marks == NULL)
        return;
    atomic_store(&marks->put, put_count);
    mt_delivery_stats(delivery, 0, &stats);
    atomic_store(&marks->shed, stats.shed);
    atomic_store(&marks->settled, stats.accepted - stats.queued);
}

static bool is_idle(struct mt_delivery *delivery)
{
    for (size_t i = 0; i < mt_delivery_outputs(delivery); i++) {
        struct mt_output_stats stats;
        mt_delivery_stats(delivery, i, &stats);
        if (stats.queued > 0 || stats.spooled > 0)
            return false;
    }
    return true;
}

static void feed(struct mt_delivery *delivery, const struct options *options, struct marks *marks)
{
    char *space = malloc(PAD_MAX);
    uint64_t start = now_ns(CLOCK_MONOTONIC);

    for (uint64_t i = 0; i < options->count && space != NULL; i++) {
        heed_signals(delivery);
        put(delivery, options, options->first + i, space);
        note_marks(delivery, marks, i + 1);
        while (options->rate > 0 &&
               (now_ns(CLOCK_MONOTONIC) - start) / 1000 * options->rate < (i + 1) * 1000000)
            nap_ns(200000);
    }
    free(space);
    uint64_t end = now_ns(CLOCK_MONOTONIC);
    fprintf(stderr, "put %llu documents of %zu bytes in %llu us\n", (unsigned long long)options->count,
            options->size, (unsigned long long)((end - start) / 1000));
    uint64_t most = options->linger_ms + options->until_ms;
    while (now_ns(CLOCK_MONOTONIC) - end < most * 1000000) {
        if (options->until_ms > 0 && is_idle(delivery))
            break;
        heed_signals(delivery);
        note_marks(delivery, marks, options->count);
        nap_ns(2000000);
    }
}

static void print_text(const char *text)
{
    putchar('"');
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            putchar('\\');
        putchar((unsigned char)*text < ' ' ? ' ' : *text);
    }
    putchar('"');
}

static void print_stats(const char *name, const struct mt_output_stats *s)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {
        {"accepted", s->accepted},
        {"found", s->found},
        {"queued", s->queued},
        {"spooled", s->spooled},
        {"sent", s->sent},
        {"sent_bytes", s->sent_bytes},
        {"retried", s->retried},
        {"rejected", s->rejected},
        {"forgotten", s->forgotten},
        {"shed", s->shed},
        {"damaged", s->damaged},
        {"damages", s->damages},
        {"failures", s->failures},
        {"spool_bytes", s->spool_bytes},
        {"latency_sum", s->latency_sum},
    };

    printf("{\"name\":");
    print_text(name);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
        printf(",\"%s\":%llu", numbers[i].name, (unsigned long long)numbers[i].value);
    printf(",\"up\":%s,\"error\":", s->is_up ? "true" : "false");
    print_text(s->error);
    printf("}\n");
}

static struct marks *map_marks(const char *path)
{
    int fd = path == NULL ? -1 : open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    void *mapped = MAP_FAILED;

    if (fd >= 0 && ftruncate(fd, sizeof(struct marks)) == 0)
        mapped = mmap(NULL, sizeof(struct marks), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    return mapped == MAP_FAILED ? NULL : mapped;
}

static int run(struct mt_output_config *configs, size_t count, const struct options *options)
{
    struct mt_output_stats stats[MT_OUTPUTS_MAX];
    struct mt_delivery *delivery = NULL;
    char reason[512];

    if (mt_delivery_create(configs, count, reason, sizeof(reason), &delivery) != 0) {
        fprintf(stderr, "%s\n", reason);
        return 3;
    }
    feed(delivery, options, map_marks(options->mark));
    mt_delivery_close(delivery, options->grace_ms, stats);
    for (size_t i = 0; i < count; i++)
        print_stats(configs[i].name, &stats[i]);
    return 0;
}

static int check_all(const struct mt_output_config *configs, size_t count)
{
    char reason[512];

    for (size_t i = 0; i < count; i++) {
        if (mt_output_check(&configs[i], reason, sizeof(reason)) != 0) {
            fprintf(stderr, "%s\n", reason);
            return 3;
        }
    }
    return 0;
}

static bool read_options(int argc, char **argv, struct options *options)
{
    static const struct option list[] = {
        {"first", required_argument, NULL, 'f'},  {"count", required_argument, NULL, 'c'},
        {"rate", required_argument, NULL, 'r'},   {"size", required_argument, NULL, 's'},
        {"linger", required_argument, NULL, 'l'}, {"until-idle", required_argument, NULL, 'u'},
        {"grace", required_argument, NULL, 'g'},  {"mark", required_argument, NULL, 'm'},
        {"check", no_argument, NULL, 'k'},        {NULL, 0, NULL, 0},
    };

    for (int letter; (letter = getopt_long(argc, argv, "", list, NULL)) != -1;) {
        uint64_t number = optarg == NULL ? 0 : strtoull(optarg, NULL, 10);
        switch (letter) {
        case 'f':
            options->first = number;
            break;
        case 'c':
            options->count = number;
            break;
        case 'r':
            options->rate = number;
            break;
        case 's':
            options->size = number;
            break;
        case 'l':
            options->linger_ms = number;
            break;
        case 'u':
            options->until_ms = number;
            break;
        case 'g':
            options->grace_ms = (uint32_t)number;
            break;
        case 'm':
            options->mark = optarg;
            break;
        case 'k':
            options->check = true;
            break;
        default:
            return false;
        }
    }
    return options->size < PAD_MAX && optind < argc;
}

int main(int argc, char **argv)
{
    static struct mt_output_config configs[MT_OUTPUTS_MAX];
    struct options options = {.first = 1, .size = 200, .grace_ms = 5000};
    struct sigaction action = {.sa_handler = on_signal};
    size_t count = 0;
    int code = 0;
    char reason[1024];

    mt_log_set_sink(log_line);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    if (!read_options(argc, argv, &options)) {
        fprintf(stderr, "output_driver: usage\n");
        return 2;
    }
    for (; optind < argc && count < MT_OUTPUTS_MAX && code == 0; optind++) {
        if (mt_output_config_parse(argv[optind], reason, sizeof(reason), &configs[count]) == 0) {
            count++;
        } else {
            fprintf(stderr, "%s\n", reason);
            code = 2;
        }
    }
    if (code == 0)
        code = options.check ? check_all(configs, count) : run(configs, count, &options);
    for (size_t i = 0; i < count; i++)
        mt_output_config_fini(&configs[i]);
    return code;
}
