/* Several files, directories, filters, link types, and what can go wrong. */
#include "maker.h"
#include "reading.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { SECOND = 1700000000 };

static int teardown(void **state)
{
    (void)state;
    place_fini();
    return 0;
}

/* A pcap of count records at this name, from second on. */
static const char *put_pcap(const char *name, uint32_t second, unsigned count)
{
    struct made made;
    made_init(&made, false);
    made_pcap_of(&made, second, count);
    const char *path = place_made(name, &made);
    made_fini(&made);
    return path;
}

static const char *put_packed(const char *name, enum mt_compression compression, uint32_t second,
                              unsigned count)
{
    struct made made;
    struct made packed;
    made_init(&made, false);
    made_init(&packed, false);
    made_pcap_of(&made, second, count);
    made_compressed(&packed, compression, made.bytes, made.size);
    const char *path = place_made(name, &packed);
    made_fini(&packed);
    made_fini(&made);
    return path;
}

static void assert_refused(const char *const *paths, size_t count, const char *filter, int rc,
                           const char *reason)
{
    struct reading reading;
    reading_of_paths(&reading, paths, count, filter, MT_BURST_MAX);
    assert_int_equal(reading.rc, rc);
    if (strstr(reading.reason, reason) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", reading.reason, reason);
    reading_fini(&reading);
}

/* --- several files --------------------------------------------------------- */

static void files_are_read_in_the_order_given_and_numbered_through(void **state)
{
    (void)state;
    const char *paths[] = {
        put_pcap("b.pcap", SECOND, 10),
        put_packed("a.gz", MT_COMPRESSION_GZIP, SECOND + 100, 10),
        put_pcap("c.pcap", SECOND + 200, 40),
    };
    struct reading reading;
    reading_of_paths(&reading, paths, 3, NULL, MT_BURST_MAX);
    assert_int_equal(reading.rc, 0);
    assert_int_equal(reading.frame_count, 60);
    assert_pcap_of(&reading, 0, SECOND, 0, 10);
    assert_pcap_of(&reading, 10, SECOND + 100, 0, 10);
    assert_pcap_of(&reading, 20, SECOND + 200, 0, 40);
    for (size_t i = 0; i < 60; i++)
        assert_int_equal(reading.frames[i].number, i + 1);
    assert_int_equal(reading.frames[0].flags, MT_FRAME_PERSISTENT);
    assert_int_equal(reading.frames[10].flags, 0);
    assert_false(reading.is_persistent); /* one stream among them */
    assert_true(reading.bytes_total > 0);
    assert_int_equal(reading.bytes_done, reading.bytes_total);
    reading_fini(&reading);
}

static void time_does_not_run_backwards_from_file_to_file(void **state)
{
    (void)state;
    const char *paths[] = {put_pcap("late.pcap", SECOND + 1000, 5), put_pcap("early.pcap", SECOND, 5)};
    struct reading reading;
    reading_of_paths(&reading, paths, 2, NULL, MT_BURST_MAX);
    assert_int_equal(reading.frame_count, 10);
    for (size_t i = 5; i < 10; i++)
        assert_int_equal(reading.frames[i].time, reading.frames[4].time);
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_TIME_BACKWARDS), 5);
    reading_fini(&reading);
}

static void a_file_of_later_years_is_believed_from_its_first_frame_on(void **state)
{
    (void)state;
    const uint32_t years = 3 * 365 * 86400;
    const char *paths[] = {put_pcap("then.pcap", SECOND, 5), put_pcap("now.pcap", SECOND + years, 5)};
    struct reading reading;
    reading_of_paths(&reading, paths, 2, NULL, MT_BURST_MAX);
    assert_int_equal(reading.frame_count, 10);
    for (size_t i = 5; i < 10; i++)
        assert_true(reading.frames[i].time >= (uint64_t)(SECOND + years) * MT_SEC);
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_TIME_AHEAD), 0);
    reading_fini(&reading);
}

/* The promise behind `persistent`: workers look at frames long after. */
static void frames_of_mapped_files_stay_readable_until_close(void **state)
{
    (void)state;
    const char *paths[] = {put_pcap("one.pcap", SECOND, 100), put_pcap("two.pcap", SECOND + 200, 100)};
    struct mt_stats *stats = aligned_alloc(MT_CACHE_LINE, sizeof(*stats));
    assert_non_null(stats);
    memset(stats, 0, sizeof(*stats));
    struct mt_capture *capture;
    char reason[200];
    struct mt_capture_files_config config = {.paths = paths, .path_count = 2};
    assert_int_equal(mt_capture_files_open(&config, stats, reason, sizeof(reason), &capture), 0);
    assert_true(capture->persistent);
    struct mt_frame frames[200 + MT_BURST_MAX];
    size_t count = 0;
    bool is_end = false;
    while (!is_end) {
        count += capture->ops->burst(capture, frames + count, MT_BURST_MAX, &is_end);
        capture->ops->release(capture);
    }
    assert_int_equal(count, 200);
    for (size_t i = 0; i < count; i++) {
        for (uint32_t k = 0; k < frames[i].size; k++)
            assert_int_equal(frames[i].data[k], made_byte((unsigned)(i % 100), k));
    }
    capture->ops->close(capture);
    free(stats);
}

/* --- files that are cut short ---------------------------------------------- */

enum {
    MANY = 40000,    /* records: some megabytes, of which a step shows one */
    KEPT = 30000,    /* of them are there in the end */
    PART_OF_ONE = 7, /* and some bytes more */
};

struct cut_run {
    struct mt_stats *stats;
    struct mt_capture *capture;
    size_t kept_size;
    size_t frame_count;
    size_t intact_count;
};

static void open_long(struct cut_run *run, const char *path, bool is_streamed)
{
    struct mt_capture_files_config config = {.paths = &path, .path_count = 1, .is_streamed = is_streamed};
    char reason[200];
    *run = (struct cut_run){.stats = aligned_alloc(MT_CACHE_LINE, sizeof(*run->stats)), .kept_size = 24};
    assert_non_null(run->stats);
    memset(run->stats, 0, sizeof(*run->stats));
    assert_int_equal(mt_capture_files_open(&config, run->stats, reason, sizeof(reason), &run->capture), 0);
    for (unsigned i = 0; i < KEPT; i++)
        run->kept_size += 16 + made_pcap_size(i);
    run->kept_size += PART_OF_ONE;
}

static bool is_intact(const struct mt_frame *frame, size_t index)
{
    bool is_same = frame->size == made_pcap_size((unsigned)index);
    for (uint32_t k = 0; is_same && k < frame->size; k++)
        is_same = frame->data[k] == made_byte((unsigned)index, k);
    return is_same;
}

static bool read_burst(struct cut_run *run)
{
    struct mt_frame frames[MT_BURST_MAX];
    bool is_end;
    size_t count = run->capture->ops->burst(run->capture, frames, MT_BURST_MAX, &is_end);
    for (size_t i = 0; i < count; i++)
        run->intact_count += is_intact(&frames[i], run->frame_count + i);
    run->frame_count += count;
    run->capture->ops->release(run->capture);
    return !is_end;
}

static void assert_told(const struct cut_run *run, uint64_t off)
{
    assert_int_equal(run->capture->damage_count, 1);
    assert_int_equal(run->capture->damage[0].off, off);
    if (strstr(run->capture->damage[0].reason, "the file was cut short while it was read (it had ") == NULL)
        fail_msg("\"%s\" does not say so", run->capture->damage[0].reason);
    assert_int_equal(mt_stats_get(run->stats, MT_COUNTER_DAMAGED), 1);
}

static void close_run(struct cut_run *run)
{
    run->capture->ops->close(run->capture);
    free(run->stats);
}

static void a_file_that_is_cut_short_before_the_reader_ends_there(void **state)
{
    (void)state;
    for (unsigned is_streamed = 0; is_streamed < 2; is_streamed++) {
        struct cut_run run;
        const char *path = put_pcap("cut.pcap", SECOND, MANY);
        open_long(&run, path, is_streamed);
        assert_true(read_burst(&run));
        assert_int_equal(truncate(path, (off_t)run.kept_size), 0);
        while (read_burst(&run))
            continue;
        mt_capture_files_settle(run.capture);
        assert_int_equal(run.frame_count, KEPT);
        assert_int_equal(run.intact_count, KEPT);
        assert_told(&run, run.kept_size);
        close_run(&run);
    }
}

/* What was shown of a map can't be taken back, but it is said. */
static void a_mapped_file_that_is_cut_short_behind_the_reader_is_told(void **state)
{
    (void)state;
    struct cut_run run;
    const char *path = put_pcap("behind.pcap", SECOND, MANY);
    open_long(&run, path, false);
    for (int i = 0; i < 100; i++)
        assert_true(read_burst(&run));
    size_t before = run.frame_count;
    assert_int_equal(run.intact_count, before);
    assert_int_equal(truncate(path, 10000), 0);
    while (read_burst(&run))
        continue;
    mt_capture_files_settle(run.capture);
    assert_true(run.frame_count < KEPT);
    assert_int_equal(run.intact_count, before);
    assert_told(&run, 10000);
    close_run(&run);
}

static void a_mapped_file_that_is_cut_short_after_reading_is_told_when_it_is_settled(void **state)
{
    (void)state;
    struct cut_run run;
    const char *path = put_pcap("after.pcap", SECOND, MANY);
    open_long(&run, path, false);
    while (read_burst(&run))
        continue;
    assert_int_equal(run.intact_count, MANY);
    assert_int_equal(run.capture->damage_count, 0);
    assert_int_equal(truncate(path, 10000), 0);
    mt_capture_files_settle(run.capture);
    mt_capture_files_settle(run.capture); /* once is enough */
    assert_told(&run, 10000);
    close_run(&run);
}

static void a_compressed_file_that_is_cut_short_while_it_is_read_is_told(void **state)
{
    (void)state;
    struct cut_run run;
    const char *path = put_packed("cut.gz", MT_COMPRESSION_GZIP, SECOND, MANY);
    open_long(&run, path, false);
    assert_true(read_burst(&run));
    assert_int_equal(truncate(path, 100000), 0);
    while (read_burst(&run))
        continue;
    assert_true(run.frame_count < MANY && run.frame_count > MT_BURST_MAX);
    assert_int_equal(run.intact_count, run.frame_count);
    assert_int_equal(run.capture->damage_count, 1);
    assert_non_null(strstr(run.capture->damage[0].reason, "was cut short while it was read"));
    close_run(&run);
}

/* --- directories ----------------------------------------------------------- */

static void a_directory_gives_its_captures_in_time_order(void **state)
{
    (void)state;
    const char *directory = place_directory("dir");
    put_pcap("dir/a.pcap", SECOND + 300, 5);
    put_packed("dir/b", MT_COMPRESSION_ZSTD, SECOND + 100, 5);
    put_pcap("dir/c.cap", SECOND + 200, 5);
    put_packed("dir/d.lz4", MT_COMPRESSION_LZ4, SECOND, 5);
    put_pcap("dir/none.pcap", SECOND, 0);
    place_bytes("dir/notes.txt", "a letter\n", 9);
    place_bytes("dir/empty", "", 0);
    place_directory("dir/sub");
    put_pcap("dir/sub/e.pcap", SECOND + 50, 5);
    struct reading reading;
    reading_of(&reading, directory);
    assert_int_equal(reading.rc, 0);
    assert_int_equal(reading.damage_count, 0);
    assert_int_equal(reading.frame_count, 20);
    for (size_t i = 0; i < 4; i++)
        assert_pcap_of(&reading, i * 5, (uint32_t)(SECOND + i * 100), 0, 5);
    reading_fini(&reading);
}

static void a_directory_among_files_keeps_its_place(void **state)
{
    (void)state;
    const char *paths[] = {put_pcap("first.pcap", SECOND, 5), place_directory("mid"),
                           put_pcap("last.pcap", SECOND + 400, 5)};
    put_pcap("mid/2.pcap", SECOND + 100, 5);
    put_pcap("mid/1.pcap", SECOND + 200, 5);
    struct reading reading;
    reading_of_paths(&reading, paths, 3, NULL, MT_BURST_MAX);
    assert_int_equal(reading.frame_count, 20);
    assert_pcap_of(&reading, 0, SECOND, 0, 5);
    assert_pcap_of(&reading, 5, SECOND + 100, 0, 5);
    assert_pcap_of(&reading, 10, SECOND + 200, 0, 5);
    assert_pcap_of(&reading, 15, SECOND + 400, 0, 5);
    assert_true(reading.is_persistent);
    reading_fini(&reading);
}

static void a_directory_without_captures_is_refused(void **state)
{
    (void)state;
    const char *directory = place_directory("nothing");
    place_bytes("nothing/notes.txt", "a letter\n", 9);
    assert_refused(&directory, 1, NULL, -ENOENT, "nothing: the directory holds no capture file");
    const char *paths[] = {directory, put_pcap("some.pcap", SECOND, 3)};
    struct reading reading;
    reading_of_paths(&reading, paths, 2, NULL, MT_BURST_MAX);
    assert_int_equal(reading.rc, 0);
    assert_int_equal(reading.frame_count, 3);
    assert_int_equal(reading.damage_count, 1);
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_DAMAGED), 1);
    reading_fini(&reading);
}

static void a_capture_that_is_damaged_at_its_start_is_told_in_a_directory(void **state)
{
    (void)state;
    const char *directory = place_directory("half");
    put_pcap("half/good.pcap", SECOND, 3);
    place_bytes("half/bad.pcap", "\xd4\xc3\xb2\xa1\x02\x00", 6);
    place_bytes("half/bad.gz", "\x1f\x8b\x08\x00\xff\xff", 6);
    struct reading reading;
    reading_of(&reading, directory);
    assert_int_equal(reading.frame_count, 3);
    assert_int_equal(reading.damage_count, 2);
    reading_fini(&reading);
}

/* --- what can't be read ---------------------------------------------------- */

static void what_is_no_capture_is_refused_with_a_sentence(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t size;
        int rc;
        const char *reason;
    } cases[] = {
        {"", 0, -ENODATA, "thing: the file is empty"},
        {"x", 1, -ENOMSG, "thing: not a capture file"},
        {"Received: from a by b", 21, -ENOMSG, "thing: not a capture file"},
        {"\xfd"
         "7zXZ\0",
         6, -ENOMSG, "thing: compressed with xz: unpack it first"},
        {"PK\3\4....", 8, -ENOMSG, "thing: a zip archive"},
        {"\xd4\xc3\xb2\xa1\2\0\4\0", 8, -EBADMSG, "thing: the file header is damaged"},
        {"\n\r\r\n\x1c\0\0\0", 8, -EBADMSG, "thing: the file header is damaged"},
        {"\n\r\r\n\x1c\0\0\0....................", 28, -EBADMSG, "thing: the file header is damaged"},
        {"\x1f\x8b\x08\0\0\0\0\0\0\3\xff\xff", 12, -EBADMSG, "thing: gzip data end at byte"},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        const char *path = place_bytes("thing", cases[i].bytes, cases[i].size);
        assert_refused(&path, 1, NULL, cases[i].rc, cases[i].reason);
    }
}

static void a_path_that_does_not_exist_is_refused_even_among_others(void **state)
{
    (void)state;
    const char *paths[] = {put_pcap("here.pcap", SECOND, 3), place("gone.pcap")};
    assert_refused(paths, 2, NULL, -ENOENT, "gone.pcap: No such file or directory");
}

static void a_file_that_may_not_be_read_is_damage_among_others(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        print_message("skipped: root may read everything\n");
        skip();
    }
    const char *paths[] = {put_pcap("open.pcap", SECOND, 3), put_pcap("closed.pcap", SECOND, 3)};
    chmod(paths[1], 0);
    assert_refused(paths + 1, 1, NULL, -EACCES, "closed.pcap: Permission denied");
    struct reading reading;
    reading_of_paths(&reading, paths, 2, NULL, MT_BURST_MAX);
    assert_int_equal(reading.frame_count, 3);
    assert_int_equal(reading.damage_count, 1);
    assert_string_equal(reading.damage[0].reason, "Permission denied");
    reading_fini(&reading);
}

static void what_is_no_capture_among_captures_is_damage(void **state)
{
    (void)state;
    const char *paths[] = {place_bytes("letter.txt", "Dear reader", 11), put_pcap("good.pcap", SECOND, 3),
                           place_bytes("empty.pcap", "", 0)};
    struct reading reading;
    reading_of_paths(&reading, paths, 3, NULL, MT_BURST_MAX);
    assert_int_equal(reading.rc, 0);
    assert_int_equal(reading.frame_count, 3);
    assert_int_equal(reading.damage_count, 2);
    assert_non_null(strstr(reading.damage[0].reason, "not a capture file"));
    assert_string_equal(reading.damage[1].reason, "the file is empty");
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_DAMAGED), 2);
    reading_fini(&reading);
}

static void standard_input_twice_and_no_path_at_all_are_refused(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(write(ends[1], "\xd4\xc3\xb2\xa1\2\0\4\0\0\0\0\0\0\0\0\0\0\0\1\0\1\0\0\0", 24), 24);
    close(ends[1]);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    const char *paths[] = {"-", "-"};
    assert_refused(paths, 2, NULL, -EINVAL, "standard input can be read only once");
    assert_refused(paths, 0, NULL, -EINVAL, "no capture file was named");
}

/* --- filters --------------------------------------------------------------- */

/* Ethernet or raw frames to TCP ports 25 and 80 in turn. */
static void put_tcp_frame(struct made *made, uint32_t link_type, unsigned i)
{
    uint8_t frame[54] = {[12] = 0x08, [14] = 0x45, [17] = 40, [23] = 6, [37] = i % 2 ? 80 : 25, [46] = 0x50};
    size_t skip = link_type == 1 ? 0 : 14;
    made_u32(made, SECOND + i);
    made_u32(made, 0);
    made_u32(made, (uint32_t)(sizeof(frame) - skip));
    made_u32(made, (uint32_t)(sizeof(frame) - skip));
    made_raw(made, frame + skip, sizeof(frame) - skip);
}

static const char *put_tcp_pcap(const char *name, uint32_t link_type, unsigned count)
{
    struct made made;
    made_init(&made, false);
    made_pcap(&made, PCAP_MICRO, link_type);
    for (unsigned i = 0; i < count; i++)
        put_tcp_frame(&made, link_type, i);
    const char *path = place_made(name, &made);
    made_fini(&made);
    return path;
}

static void a_filter_selects_frames_under_every_link_type(void **state)
{
    (void)state;
    const char *paths[] = {put_tcp_pcap("ether.pcap", 1, 100), put_tcp_pcap("raw.pcap", 101, 100)};
    struct reading reading;
    reading_of_paths(&reading, paths, 2, "tcp dst port 25", MT_BURST_MAX);
    assert_int_equal(reading.rc, 0);
    assert_int_equal(reading.frame_count, 100);
    for (size_t i = 0; i < 100; i++)
        assert_int_equal(reading.frames[i].number, i * 2 + 1); /* numbers are those of all frames */
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_FRAMES), 200);
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_FILTERED), 100);
    assert_int_equal(reading.damage_count, 0);
    reading_fini(&reading);
    reading_of_paths(&reading, paths, 2, "udp", MT_BURST_MAX);
    assert_int_equal(reading.frame_count, 0);
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_FILTERED), 200);
    reading_fini(&reading);
}

static void a_filter_that_does_not_compile_is_refused_with_the_expression(void **state)
{
    (void)state;
    const char *path = put_tcp_pcap("filter.pcap", 1, 1);
    assert_refused(&path, 1, "tcp prot 25", -EINVAL, "filter \"tcp prot 25\": ");
    /* pcapng without an interface: no link type to go by, so Ethernet's */
    struct made made;
    made_init(&made, false);
    made_section(&made);
    path = place_made("bare.pcapng", &made);
    made_fini(&made);
    assert_refused(&path, 1, "tcp prot 25", -EINVAL, "syntax error");
}

static void a_filter_that_fits_one_of_two_link_types_is_told(void **state)
{
    (void)state;
    const char *paths[] = {put_tcp_pcap("ether.pcap", 1, 10), put_tcp_pcap("raw.pcap", 101, 10)};
    const char *filter = "ether host 02:00:00:00:00:01 or tcp dst port 25";
    struct reading reading;
    reading_of_paths(&reading, paths, 2, filter, MT_BURST_MAX);
    assert_int_equal(reading.rc, 0);
    assert_int_equal(reading.frame_count, 5);
    assert_int_equal(reading.damage_count, 1);
    assert_non_null(strstr(reading.damage[0].reason, "link type 101 (RAW) can't be filtered ("));
    assert_non_null(strstr(reading.damage[0].reason, "10 frames skipped"));
    reading_fini(&reading);
    assert_refused(paths + 1, 1, filter, -EINVAL, "filter \"ether host");
}

/* --- link types ------------------------------------------------------------ */

static void unknown_link_types_are_delivered_and_told_once_each(void **state)
{
    (void)state;
    struct made made;
    made_init(&made, false);
    made_section(&made);
    for (uint16_t i = 0; i < 3; i++)
        made_interface(&made, (uint16_t[]){105, 1, 127}[i], 0, -1, 0);
    for (uint32_t i = 0; i < 30; i++)
        made_enhanced(&made, i % 5 == 0 ? 2 : i % 2, i, 20, 20, i);
    const char *path = place_made("links.pcapng", &made);
    const char *paths[] = {path, path};
    struct reading reading;
    reading_of_paths(&reading, paths, 2, NULL, MT_BURST_MAX);
    assert_int_equal(reading.frame_count, 60);
    assert_int_equal(reading.frames[0].link, MT_LINK_UNKNOWN);
    assert_int_equal(reading.frames[0].link_type, 127);
    assert_int_equal(reading.damage_count, 2);
    assert_string_equal(reading.damage[0].reason,
                        "link type 127 (IEEE802_11_RADIO) is not supported: 12 frames skipped");
    assert_string_equal(reading.damage[1].reason,
                        "link type 105 (IEEE802_11) is not supported: 24 frames skipped");
    assert_int_equal(mt_stats_get(reading.stats, MT_COUNTER_DAMAGED), 0);
    reading_fini(&reading);
    made_fini(&made);
}

static void any_number_of_unknown_link_types_is_counted(void **state)
{
    (void)state;
    struct made made;
    made_init(&made, false);
    made_section(&made);
    for (uint16_t i = 0; i < 100; i++)
        made_interface(&made, (uint16_t)(30000 + i), 0, -1, 0);
    for (uint32_t i = 0; i < 200; i++)
        made_enhanced(&made, i % 100, i, 20, 20, i);
    struct reading reading;
    reading_of(&reading, place_made("many.pcapng", &made));
    assert_int_equal(reading.frame_count, 200);
    assert_int_equal(reading.damage_count, 65);
    assert_non_null(strstr(reading.damage[64].reason, "72 frames skipped"));
    reading_fini(&reading);
    made_fini(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_are_read_in_the_order_given_and_numbered_through),
        cmocka_unit_test(time_does_not_run_backwards_from_file_to_file),
        cmocka_unit_test(a_file_of_later_years_is_believed_from_its_first_frame_on),
        cmocka_unit_test(frames_of_mapped_files_stay_readable_until_close),
        cmocka_unit_test(a_file_that_is_cut_short_before_the_reader_ends_there),
        cmocka_unit_test(a_mapped_file_that_is_cut_short_behind_the_reader_is_told),
        cmocka_unit_test(a_mapped_file_that_is_cut_short_after_reading_is_told_when_it_is_settled),
        cmocka_unit_test(a_compressed_file_that_is_cut_short_while_it_is_read_is_told),
        cmocka_unit_test(a_directory_gives_its_captures_in_time_order),
        cmocka_unit_test(a_directory_among_files_keeps_its_place),
        cmocka_unit_test(a_directory_without_captures_is_refused),
        cmocka_unit_test(a_capture_that_is_damaged_at_its_start_is_told_in_a_directory),
        cmocka_unit_test(what_is_no_capture_is_refused_with_a_sentence),
        cmocka_unit_test(a_path_that_does_not_exist_is_refused_even_among_others),
        cmocka_unit_test(a_file_that_may_not_be_read_is_damage_among_others),
        cmocka_unit_test(what_is_no_capture_among_captures_is_damage),
        cmocka_unit_test(standard_input_twice_and_no_path_at_all_are_refused),
        cmocka_unit_test(a_filter_selects_frames_under_every_link_type),
        cmocka_unit_test(a_filter_that_does_not_compile_is_refused_with_the_expression),
        cmocka_unit_test(a_filter_that_fits_one_of_two_link_types_is_told),
        cmocka_unit_test(unknown_link_types_are_delivered_and_told_once_each),
        cmocka_unit_test(any_number_of_unknown_link_types_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
