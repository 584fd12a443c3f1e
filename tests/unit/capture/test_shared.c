/* Every capture of the shared collection, read by us and by libpcap: the same
 * frames, sizes, bytes and times, but for the differences that
 * differences.txt lists with their reasons. */
#include "reading.h"

#include "capture/files.h"
#include "packet/fragment.h"

#include <dirent.h>
#include <pcap/pcap.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

struct files {
    char **names; /* below the collection's root */
    size_t count;
};

struct listed {
    char name[200];
    char what[120];
    bool is_met;
};

struct world {
    char root[400];
    struct files files;
    struct listed listed[400];
    size_t listed_count;
};

struct comparison {
    size_t frames[2]; /* ours, libpcap's */
    bool is_open[2];
    bool is_error[2]; /* something was wrong on the way */
    size_t sizes;     /* frames that differ */
    size_t wire_sizes;
    size_t times;
    size_t bytes;
};

/* --- the collection -------------------------------------------------------- */

static void find_root(struct world *w)
{
    const char *shared = getenv("MAILTAP_SHARED");
    if (shared != NULL)
        snprintf(w->root, sizeof(w->root), "%s/captures", shared);
    else
        snprintf(w->root, sizeof(w->root), "%s/../shared/captures", MT_SOURCE_ROOT);
}

static void add_file(struct files *files, const char *name)
{
    files->names = realloc(files->names, (files->count + 1) * sizeof(*files->names));
    assert_non_null(files->names);
    files->names[files->count] = strdup(name);
    assert_non_null(files->names[files->count++]);
}

static bool is_expectation(const char *name)
{
    size_t size = strlen(name);
    return size > 9 && strcmp(name + size - 9, ".expected") == 0;
}

static void find_files(const struct world *w, struct files *files, const char *below)
{
    char path[1000];
    snprintf(path, sizeof(path), "%s/%s", w->root, below);
    DIR *directory = opendir(path);
    const struct dirent *entry;
    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char name[600];
        struct stat st;
        if (entry->d_name[0] == '.' || is_expectation(entry->d_name))
            continue;
        snprintf(name, sizeof(name), "%s%s%s", below, below[0] != '\0' ? "/" : "", entry->d_name);
        snprintf(path, sizeof(path), "%s/%s", w->root, name);
        if (stat(path, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            find_files(w, files, name);
        else if (below[0] != '\0') /* not the collection's own README and index */
            add_file(files, name);
    }
    if (directory != NULL)
        closedir(directory);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void read_list(struct world *w)
{
    FILE *file = fopen(MT_SOURCE_ROOT "/tests/unit/capture/differences.txt", "r");
    char line[500];
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        struct listed *listed = &w->listed[w->listed_count];
        char reason[300];
        if (line[0] == '#' || line[0] == '\n')
            continue;
        assert_true(w->listed_count < MT_ARRAY_COUNT(w->listed));
        if (sscanf(line, "%199[^|] | %119[^|] | %299[^\n]", listed->name, listed->what, reason) != 3)
            fail_msg("differences.txt: not \"file | difference | reason\": %s", line);
        listed->name[strcspn(listed->name, " ")] = '\0';
        while (listed->what[0] != '\0' && listed->what[strlen(listed->what) - 1] == ' ')
            listed->what[strlen(listed->what) - 1] = '\0';
        w->listed_count++;
    }
    fclose(file);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    find_root(w);
    find_files(w, &w->files, "");
    if (w->files.count > 0)
        qsort(w->files.names, w->files.count, sizeof(*w->files.names), compare_names);
    read_list(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;
    for (size_t i = 0; i < w->files.count; i++)
        free(w->files.names[i]);
    free(w->files.names);
    free(w);
    return 0;
}

static void skip_without_files(const struct world *w)
{
    if (w->files.count > 0)
        return;
    print_message("skipped: no captures in %s (MAILTAP_SHARED says where they are)\n", w->root);
    skip();
}

/* --- reading side by side -------------------------------------------------- */

static void compare_frame(struct comparison *c, const struct mt_frame *frame,
                          const struct pcap_pkthdr *header, const uint8_t *data, uint64_t *clock)
{
    uint64_t said = (uint64_t)header->ts.tv_sec * MT_SEC + (uint64_t)header->ts.tv_usec;
    *clock = mt_max_u64(*clock, said);
    c->sizes += frame->size != header->caplen;
    c->wire_sizes += frame->wire_size != header->len;
    /* behind a frame of days to come the clock stays: test_pcap.c */
    bool is_to_come = *clock >= (uint64_t)time(NULL) * MT_SEC && *clock <= INT64_MAX;
    bool may_stay = is_to_come && frame->mark.time < *clock;
    c->times += frame->mark.time != *clock && !may_stay;
    c->bytes += memcmp(frame->data, data, mt_min_u64(frame->size, header->caplen)) != 0;
}

/* libpcap's next packet; false once there is none. */
static bool libpcap_next(struct comparison *c, pcap_t *pcap, struct pcap_pkthdr **ret_header,
                         const uint8_t **ret_data)
{
    if (pcap == NULL || c->is_error[1])
        return false;
    int rc = pcap_next_ex(pcap, ret_header, ret_data);
    c->is_error[1] = rc == PCAP_ERROR;
    c->frames[1] += rc == 1;
    return rc == 1;
}

static void compare_captures(struct comparison *c, struct mt_capture *ours, pcap_t *pcap)
{
    uint64_t clock = 0;
    bool is_end = ours == NULL;
    bool is_pcap_end = false;
    struct pcap_pkthdr *header;
    const uint8_t *data;
    while (!is_end) {
        struct mt_frame frames[MT_BURST_MAX];
        size_t count = ours->ops->burst(ours, frames, MT_BURST_MAX, &is_end);
        for (size_t i = 0; i < count; i++) {
            c->frames[0]++;
            is_pcap_end = is_pcap_end || !libpcap_next(c, pcap, &header, &data);
            if (!is_pcap_end)
                compare_frame(c, &frames[i], header, data, &clock);
        }
        ours->ops->release(ours);
    }
    while (!is_pcap_end && libpcap_next(c, pcap, &header, &data))
        continue;
}

static struct comparison compare_file(const char *path)
{
    static struct mt_stats stats;
    struct comparison c = {0};
    struct mt_capture *ours = NULL;
    char text[PCAP_ERRBUF_SIZE];
    char reason[512];
    memset(&stats, 0, sizeof(stats));
    struct mt_capture_files_config config = {.paths = &path, .path_count = 1};
    c.is_open[0] = mt_capture_files_open(&config, &stats, reason, sizeof(reason), &ours) == 0;
    pcap_t *pcap = pcap_open_offline_with_tstamp_precision(path, PCAP_TSTAMP_PRECISION_NANO, text);
    c.is_open[1] = pcap != NULL;
    compare_captures(&c, ours, pcap);
    c.is_error[0] = mt_stats_get(&stats, MT_COUNTER_DAMAGED) > 0;
    if (ours != NULL)
        ours->ops->close(ours);
    if (pcap != NULL)
        pcap_close(pcap);
    return c;
}

static const char *yes(bool is_so)
{
    return is_so ? "yes" : "no";
}

/* "" when both read the same. Ours first. */
static void describe(const struct comparison *c, struct mt_buf *text)
{
    char part[80];
    if (c->is_open[0] != c->is_open[1]) {
        snprintf(part, sizeof(part), "opens %s:%s, ", yes(c->is_open[0]), yes(c->is_open[1]));
        mt_buf_put_cstr(text, part);
    }
    if (c->frames[0] != c->frames[1]) {
        snprintf(part, sizeof(part), "frames %zu:%zu, ", c->frames[0], c->frames[1]);
        mt_buf_put_cstr(text, part);
    }
    if (c->is_error[0] != c->is_error[1]) {
        snprintf(part, sizeof(part), "error %s:%s, ", yes(c->is_error[0]), yes(c->is_error[1]));
        mt_buf_put_cstr(text, part);
    }
    const struct {
        const char *name;
        size_t count;
    } counts[] = {{"size", c->sizes}, {"wire size", c->wire_sizes}, {"time", c->times}, {"bytes", c->bytes}};
    for (size_t i = 0; i < MT_ARRAY_COUNT(counts); i++) {
        if (counts[i].count > 0) {
            snprintf(part, sizeof(part), "%s of %zu, ", counts[i].name, counts[i].count);
            mt_buf_put_cstr(text, part);
        }
    }
    text->size -= text->size > 0 ? 2 : 0;
    mt_buf_put_byte(text, 0);
}

static bool is_listed(struct world *w, const char *name, const char *what)
{
    for (size_t i = 0; i < w->listed_count; i++) {
        if (strcmp(w->listed[i].name, name) == 0) {
            w->listed[i].is_met = true;
            return strcmp(w->listed[i].what, what) == 0;
        }
    }
    return false;
}

static void every_shared_capture_reads_as_libpcap_reads_it(void **state)
{
    struct world *w = *state;
    skip_without_files(w);
    size_t unlisted = 0;
    size_t frames = 0;
    for (size_t i = 0; i < w->files.count; i++) {
        char path[1000];
        uint8_t text[200];
        struct mt_buf what = mt_buf(text, sizeof(text));
        snprintf(path, sizeof(path), "%s/%s", w->root, w->files.names[i]);
        struct comparison c = compare_file(path);
        frames += c.frames[0];
        describe(&c, &what);
        if (text[0] == '\0' || is_listed(w, w->files.names[i], (const char *)text))
            continue;
        print_message("%s | %s | \n", w->files.names[i], (const char *)text);
        unlisted++;
    }
    print_message("%zu files, %zu frames\n", w->files.count, frames);
    size_t unmet = 0;
    for (size_t i = 0; i < w->listed_count; i++) {
        if (!w->listed[i].is_met)
            print_message("listed, but no such difference: %s\n", w->listed[i].name);
        unmet += !w->listed[i].is_met;
    }
    assert_int_equal(unlisted, 0);
    assert_int_equal(unmet, 0);
}

/* --- what the pcapng collection says about itself -------------------------- */

/* The number of packet blocks that an expectation names. */
static size_t expected_packets(const char *path)
{
    FILE *file = fopen(path, "r");
    char line[300];
    size_t packets = 0;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        char type[8];
        size_t count;
        if (sscanf(line, "\t%7[A-Z]: %zu", type, &count) == 2 &&
            (strcmp(type, "EPB") == 0 || strcmp(type, "SPB") == 0 || strcmp(type, "PB") == 0))
            packets += count;
    }
    fclose(file);
    return packets;
}

static void the_pcapng_collection_has_the_packets_that_its_authors_say(void **state)
{
    struct world *w = *state;
    skip_without_files(w);
    size_t checked = 0;
    for (size_t i = 0; i < w->files.count; i++) {
        const char *name = w->files.names[i];
        const char *test = strstr(name, "__test");
        if (strncmp(name, "nasty/pcapng/output_", 20) != 0 || test == NULL)
            continue;
        char path[1000];
        char expectation[1100];
        snprintf(path, sizeof(path), "%s/%s", w->root, name);
        snprintf(expectation, sizeof(expectation), "%s.expected/%.7s.txt", path, test + 2);
        struct comparison c = compare_file(path);
        assert_true(c.is_open[0]);
        if (c.frames[0] != expected_packets(expectation))
            fail_msg("%s: %zu frames", name, c.frames[0]);
        checked++;
    }
    assert_int_equal(checked, 48);
}

/* --- decoding -------------------------------------------------------------- */

static void count_verdict(struct mt_fragment_table *fragments, const struct mt_frame *frame, size_t *counts)
{
    struct mt_packet packet;
    enum mt_packet_verdict verdict = mt_packet_decode(frame, &packet);
    if (verdict == MT_PACKET_FRAGMENT) {
        counts[MT_REJECT_COUNT + 1]++;
        verdict = mt_fragment_input(fragments, &packet);
    }
    if (verdict == MT_PACKET_REJECT) {
        assert_true(packet.reject < MT_REJECT_COUNT);
        counts[packet.reject]++;
    } else if (verdict == MT_PACKET_TCP) {
        assert_true(packet.payload.size <= packet.payload_size);
        counts[MT_REJECT_COUNT]++;
    }
}

static void every_shared_frame_is_decoded_or_rejected_by_name(void **state)
{
    struct world *w = *state;
    skip_without_files(w);
    static struct mt_stats stats;
    size_t counts[MT_REJECT_COUNT + 2] = {0};
    for (size_t i = 0; i < w->files.count; i++) {
        char path[1000];
        char reason[512];
        const char *paths[] = {path};
        struct mt_capture *capture;
        struct mt_fragment_table *fragments;
        snprintf(path, sizeof(path), "%s/%s", w->root, w->files.names[i]);
        struct mt_capture_files_config config = {.paths = paths, .path_count = 1};
        if (mt_capture_files_open(&config, &stats, reason, sizeof(reason), &capture) != 0)
            continue;
        assert_int_equal(mt_fragment_table_create(&(struct mt_fragment_config){0}, &stats, &fragments), 0);
        bool is_end = false;
        while (!is_end) {
            struct mt_frame frames[MT_BURST_MAX];
            size_t count = capture->ops->burst(capture, frames, MT_BURST_MAX, &is_end);
            for (size_t k = 0; k < count; k++)
                count_verdict(fragments, &frames[k], counts);
            capture->ops->release(capture);
        }
        mt_fragment_table_destroy(fragments);
        capture->ops->close(capture);
    }
    print_message("%zu TCP segments, %zu fragments\n", counts[MT_REJECT_COUNT], counts[MT_REJECT_COUNT + 1]);
    for (int i = 0; i < MT_REJECT_COUNT; i++)
        print_message("%8zu %s\n", counts[i], mt_reject_name((enum mt_reject)i));
    assert_true(counts[MT_REJECT_COUNT] > 10000);
}

static void every_shared_capture_reads_the_same_mapped_and_as_a_stream(void **state)
{
    struct world *w = *state;
    skip_without_files(w);
    for (size_t i = 0; i < w->files.count; i++) {
        char path[1000];
        struct reading reading;
        snprintf(path, sizeof(path), "%s/%s", w->root, w->files.names[i]);
        reading_of(&reading, path);
        reading_fini(&reading);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shared_capture_reads_the_same_mapped_and_as_a_stream),
        cmocka_unit_test(every_shared_capture_reads_as_libpcap_reads_it),
        cmocka_unit_test(the_pcapng_collection_has_the_packets_that_its_authors_say),
        cmocka_unit_test(every_shared_frame_is_decoded_or_rejected_by_name),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
