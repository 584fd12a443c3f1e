/* The least that an inspector of a capture file can do, as a yardstick: map the
 * file, walk its records with prefetch, find TCP, look the connection up in a
 * table of 64-byte lines, and search every payload byte for the pair LF-dot by
 * vector. It keeps no order, parses no mail, and writes no record.
 *
 *     floor CAPTURE.pcap
 *
 * pcap of this machine's byte order, Ethernet, at most one VLAN tag. A
 * benchmark, not product code; x86-64. */
#include <errno.h>
#include <fcntl.h>
#include <immintrin.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define SLOTS (1u << 20)
#define RECORD_HEADER 16u
/* Records that the walk is ahead of the work. */
#define AHEAD 2u

struct line {
    uint64_t key[2]; /* 0, 0: free */
    uint32_t next_seq[2];
    uint32_t packets[2];
    uint64_t bytes[2];
    uint64_t lf_dots;
    uint64_t last_seen;
};
_Static_assert(sizeof(struct line) == 64, "a connection is one cache line");

struct floor_state {
    struct line *table;
    uint64_t packets, segments, payload_bytes, connections, lf_dots;
};

struct segment {
    const uint8_t *payload;
    uint32_t payload_size;
    uint32_t seq;
    uint64_t key[2];
    bool is_swapped;
};

/* How often LF is followed by a dot; reads nothing outside. */
__attribute__((target("avx2"))) static uint64_t count_lf_dots(const uint8_t *at, size_t size)
{
    const __m256i lf = _mm256_set1_epi8('\n');
    const __m256i dot = _mm256_set1_epi8('.');
    const uint8_t *end = at + size;
    uint64_t found = 0;

    for (; at + 33 <= end; at += 32) {
        __m256i here = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)at), lf);
        __m256i next = _mm256_cmpeq_epi8(_mm256_loadu_si256((const __m256i *)(at + 1)), dot);
        unsigned both = (unsigned)_mm256_movemask_epi8(_mm256_and_si256(here, next));

        if (both)
            found += (unsigned)__builtin_popcount(both);
    }
    for (; at + 1 < end; at++)
        found += at[0] == '\n' && at[1] == '.';
    return found;
}

static uint32_t get16(const uint8_t *at)
{
    return (uint32_t)at[0] << 8 | at[1];
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) << 16 | get16(at + 2);
}

/* Both directions have one key: the smaller end comes first. */
static void key_of(const uint8_t *source, const uint8_t *destination, size_t size, const uint8_t *ports,
                   struct segment *segment)
{
    uint64_t ends[2] = {0, 0};

    for (size_t i = 0; i < 2; i++) {
        const uint8_t *address = i ? destination : source;
        uint64_t high = 0, low = 0;
        uint32_t word;

        if (size == 4) {
            memcpy(&word, address, 4);
            low = word;
        } else {
            memcpy(&high, address, 8);
            memcpy(&low, address + 8, 8);
            low ^= high * UINT64_C(0x9e3779b97f4a7c15);
        }
        ends[i] = low << 16 | low >> 48;
        ends[i] ^= get16(ports + 2 * i);
    }
    segment->is_swapped = ends[0] > ends[1];
    segment->key[0] = ends[segment->is_swapped];
    segment->key[1] = ends[!segment->is_swapped];
}

static bool find_tcp(const uint8_t *frame, uint32_t size, struct segment *segment)
{
    const uint8_t *ip = frame + 14;
    uint32_t type, header, total, offset;

    if (size < 14 + 20 + 20)
        return false;
    type = get16(frame + 12);
    if (type == 0x8100) {
        type = get16(frame + 16);
        ip += 4;
        size -= 4;
    }
    size -= 14;
    if (type == 0x0800) {
        header = (ip[0] & 15u) * 4;
        total = get16(ip + 2);
        if (ip[9] != 6 || header < 20 || get16(ip + 6) & 0x3fff)
            return false;
    } else if (type == 0x86dd && size >= 60) {
        header = 40;
        total = get16(ip + 4) + 40;
        if (ip[6] != 6)
            return false;
    } else {
        return false;
    }
    if (total > size || total < header + 20)
        return false;
    offset = header + (ip[header + 12] >> 4) * 4u;
    if (offset > total)
        return false;
    segment->seq = get32(ip + header + 4);
    segment->payload = ip + offset;
    segment->payload_size = total - offset;
    if (header == 40)
        key_of(ip + 8, ip + 24, 16, ip + header, segment);
    else
        key_of(ip + 12, ip + 16, 4, ip + header, segment);
    return true;
}

static struct line *look_up(struct floor_state *state, const struct segment *segment)
{
    uint64_t hash =
        (segment->key[0] ^ segment->key[1] * UINT64_C(0xd1342543de82ef95)) * UINT64_C(0x9e3779b97f4a7c15);
    uint32_t slot = (uint32_t)(hash >> 44);

    for (uint32_t tried = 0; tried < SLOTS; tried++) {
        struct line *line = &state->table[slot];

        if (line->key[0] == segment->key[0] && line->key[1] == segment->key[1])
            return line;
        if (!line->key[0] && !line->key[1]) {
            memcpy(line->key, segment->key, sizeof(line->key));
            state->connections++;
            return line;
        }
        slot = (slot + 1) & (SLOTS - 1);
    }
    return NULL;
}

static void work(struct floor_state *state, const uint8_t *record)
{
    struct segment segment;
    struct line *line;
    uint32_t size;

    memcpy(&size, record + 8, 4);
    state->packets++;
    if (!find_tcp(record + RECORD_HEADER, size, &segment))
        return;
    line = look_up(state, &segment);
    if (!line)
        return;
    state->segments++;
    line->packets[segment.is_swapped]++;
    line->bytes[segment.is_swapped] += segment.payload_size;
    line->next_seq[segment.is_swapped] = segment.seq + segment.payload_size;
    memcpy(&line->last_seen, record, 8);
    if (segment.payload_size) {
        uint64_t found = count_lf_dots(segment.payload, segment.payload_size);

        line->lf_dots += found;
        state->lf_dots += found;
        state->payload_bytes += segment.payload_size;
    }
}

static bool is_whole(const uint8_t *record, const uint8_t *end)
{
    uint32_t size;

    if ((size_t)(end - record) < RECORD_HEADER)
        return false;
    memcpy(&size, record + 8, 4);
    return size <= (size_t)(end - record) - RECORD_HEADER;
}

/* The place behind a whole record; what may stand there is asked for. */
static const uint8_t *behind(const uint8_t *record)
{
    uint32_t size;

    memcpy(&size, record + 8, 4);
    record += RECORD_HEADER + size;
    __builtin_prefetch(record);
    __builtin_prefetch(record + 64);
    return record;
}

/* The record headers form a chain in memory, so finding them runs ahead of the
 * work by a few records and their misses overlap with it. */
static void walk(struct floor_state *state, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *records[AHEAD] = {NULL};
    uint64_t found = 0, done = 0;

    for (;;) {
        while (found - done < AHEAD && is_whole(at, end)) {
            records[found++ % AHEAD] = at;
            at = behind(at);
        }
        if (found == done)
            return;
        work(state, records[done++ % AHEAD]);
    }
}

static int fail(const char *what)
{
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    return 3;
}

int main(int argc, char **argv)
{
    struct floor_state state = {.table = NULL};
    struct timespec start, stop;
    struct stat status;
    const uint8_t *file;
    uint32_t magic;
    int fd;

    if (argc != 2) {
        fputs("usage: floor CAPTURE.pcap\n", stderr);
        return 2;
    }
    if (!__builtin_cpu_supports("avx2")) {
        fputs("floor: this processor has no AVX2\n", stderr);
        return 3;
    }
    fd = open(argv[1], O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status))
        return fail(argv[1]);
    file = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
    if (file == MAP_FAILED)
        return fail(argv[1]);
    memcpy(&magic, file, 4);
    if (status.st_size < 24 || (magic != 0xa1b2c3d4 && magic != 0xa1b23c4d)) {
        fprintf(stderr, "floor: %s: not a pcap file of this byte order\n", argv[1]);
        return 3;
    }
    state.table =
        mmap(NULL, SLOTS * sizeof(struct line), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (state.table == MAP_FAILED)
        return fail("table");
    madvise(state.table, SLOTS * sizeof(struct line), MADV_HUGEPAGE);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &start);
    walk(&state, file + 24, file + status.st_size);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &stop);
    printf("packets %llu segments %llu connections %llu payload %llu lf-dots %llu walk-ns %lld\n",
           (unsigned long long)state.packets, (unsigned long long)state.segments,
           (unsigned long long)state.connections, (unsigned long long)state.payload_bytes,
           (unsigned long long)state.lf_dots,
           (long long)(stop.tv_sec - start.tv_sec) * 1000000000 + (stop.tv_nsec - start.tv_nsec));
    return 0;
}
