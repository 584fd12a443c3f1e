/* How fast the spool takes documents and gives them back, one after the other,
 * beside a plain file of the same bytes in the same folder: MB a second of CPU time
 * (user and system) and of wall time, medians of five rounds. The disk itself is
 * measured by neither, as nothing is synced.
 *
 *   bench_spool FOLDER [MEGABYTES]     the folder must not be there; exit code 1
 *                                      when a limit is missed
 */
#include "export/document_priv.h"
#include "export/spool_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 5
#define TEXT_SIZE 2263 /* an ordinary session's record */
#define CHUNK_SIZE ((size_t)256 << 10)
#define MEGABYTE 1000000.0
#define LIMIT 300.0 /* MB/s */

enum { SPOOL_WRITE, SPOOL_READ, FILE_WRITE, FILE_READ, WAY_COUNT };

static const char *const ways[WAY_COUNT] = {"spool, append", "spool, read and acknowledge", "file, write",
                                            "file, read"};

struct span {
    double cpu; /* MB/s */
    double wall;
};

struct bench {
    char folder[256];
    char file[300];
    uint64_t chunks;
    uint8_t chunk[CHUNK_SIZE];
    size_t chunk_size; /* whole frames */
    uint32_t chunk_count;
    uint8_t *buffer;
    struct span spans[WAY_COUNT][ROUNDS];
};

static double now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void fill(struct bench *bench)
{
    uint8_t text[TEXT_SIZE];
    memset(text, 'x', sizeof(text));
    struct mt_document document = {
        .time = 1, .put = 1, .text = mt_span(text, sizeof(text)), .id = mt_span("0123456789abcdef", 16)};
    size_t size = mt_frame_size(&document);
    while (bench->chunk_size + size <= CHUNK_SIZE) {
        mt_frame_put(&document, bench->chunk + bench->chunk_size);
        bench->chunk_size += size;
        bench->chunk_count++;
    }
}

static void append_all(struct bench *bench, struct mt_spool *spool)
{
    for (uint64_t i = 0; i < bench->chunks; i++) {
        if (mt_spool_append(spool, mt_span(bench->chunk, bench->chunk_size), bench->chunk_count) != 0)
            fail("spool");
    }
}

static void read_all(struct bench *bench, struct mt_spool *spool)
{
    uint64_t got = 0;
    for (size_t size; (size = mt_spool_read(spool, CHUNK_SIZE, bench->buffer, MT_FRAME_MAX)) > 0;
         got += size) {
        struct mt_span rest = mt_span(bench->buffer, size);
        size_t count = 0;
        for (size_t frame; rest.size > 0; rest = mt_span(rest.ptr + frame, rest.size - frame)) {
            struct mt_document document;
            if (mt_frame_read(rest, true, &document, &frame) != MT_FRAME_WHOLE)
                fail("frame");
            count++;
        }
        mt_spool_settle(spool, count);
        mt_spool_acknowledge(spool);
    }
    if (got != bench->chunks * bench->chunk_size) {
        fprintf(stderr, "bench_spool: %llu bytes came back\n", (unsigned long long)got);
        exit(1);
    }
}

static void write_file(struct bench *bench)
{
    int fd = open(bench->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0)
        fail(bench->file);
    for (uint64_t i = 0; i < bench->chunks; i++) {
        if (write(fd, bench->chunk, bench->chunk_size) != (ssize_t)bench->chunk_size)
            fail(bench->file);
    }
    close(fd);
}

static void read_file(struct bench *bench)
{
    int fd = open(bench->file, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        fail(bench->file);
    while (read(fd, bench->buffer, CHUNK_SIZE) > 0) {
    }
    close(fd);
}

static void note(struct bench *bench, int way, int round, double cpu, double wall)
{
    double megabytes = (double)bench->chunks * (double)bench->chunk_size / MEGABYTE;
    bench->spans[way][round] = (struct span){.cpu = megabytes / (now(CLOCK_PROCESS_CPUTIME_ID) - cpu),
                                             .wall = megabytes / (now(CLOCK_MONOTONIC) - wall)};
}

#define TIMED(way, call)                             \
    do {                                             \
        double cpu_ = now(CLOCK_PROCESS_CPUTIME_ID); \
        double wall_ = now(CLOCK_MONOTONIC);         \
        call;                                        \
        note(bench, way, round, cpu_, wall_);        \
    } while (0)

static void measure(struct bench *bench, int round)
{
    struct mt_spool_config config = {.folder = bench->folder, .max = UINT64_C(16) << 30};
    struct mt_spool *spool;
    char reason[512];

    if (mt_spool_open(&config, reason, sizeof(reason), &spool) != 0) {
        fprintf(stderr, "bench_spool: %s\n", reason);
        exit(1);
    }
    TIMED(SPOOL_WRITE, append_all(bench, spool));
    TIMED(SPOOL_READ, read_all(bench, spool));
    mt_spool_close(spool);
    TIMED(FILE_WRITE, write_file(bench));
    TIMED(FILE_READ, read_file(bench));
    unlink(bench->file);
}

static int by_cpu(const void *a, const void *b)
{
    const struct span *x = a;
    const struct span *y = b;
    return (x->cpu > y->cpu) - (x->cpu < y->cpu);
}

int main(int argc, char **argv)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    bool is_missed = false;

    if (!bench || argc < 2 || strlen(argv[1]) >= sizeof(bench->folder)) {
        fputs("bench_spool FOLDER [MEGABYTES]\n", stderr);
        free(bench);
        return 2;
    }
    snprintf(bench->folder, sizeof(bench->folder), "%s", argv[1]);
    snprintf(bench->file, sizeof(bench->file), "%s.plain", argv[1]);
    bench->buffer = malloc(MT_FRAME_MAX);
    if (!bench->buffer)
        fail("memory");
    fill(bench);
    bench->chunks = (uint64_t)(strtod(argc > 2 ? argv[2] : "256", NULL) * MEGABYTE) / bench->chunk_size + 1;
    for (int round = 0; round < ROUNDS; round++)
        measure(bench, round);
    for (int way = 0; way < WAY_COUNT; way++) {
        struct span *spans = bench->spans[way];
        qsort(spans, ROUNDS, sizeof(spans[0]), by_cpu);
        bool is_limited = way == SPOOL_WRITE || way == SPOOL_READ;
        bool is_met = spans[ROUNDS / 2].cpu >= LIMIT;
        is_missed |= is_limited && !is_met;
        printf("%-28s %8.0f MB a CPU second, %8.0f MB/s of wall time%s\n", ways[way], spans[ROUNDS / 2].cpu,
               spans[ROUNDS / 2].wall, is_limited ? (is_met ? "  PASS" : "  MISS") : "");
    }
    free(bench->buffer);
    free(bench);
    return is_missed;
}
