/* Compressed files, pipes and standard input: the same frames as from a file. */
#include "maker.h"
#include "reading.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { SECOND = 1700000000 };

static const enum mt_compression compressions[] = {MT_COMPRESSION_GZIP, MT_COMPRESSION_ZSTD,
                                                   MT_COMPRESSION_LZ4};

static int teardown(void **state)
{
    (void)state;
    place_fini();
    return 0;
}

/* Larger than every buffer on the way, with records of all sizes. */
static void made_large(struct made *made, bool is_pcapng)
{
    made_init(made, false);
    if (is_pcapng) {
        made_section(made);
        made_interface(made, 1, 0, 6, 0);
    } else {
        made_pcap(made, PCAP_MICRO, 1);
    }
    for (unsigned i = 0; i < 3000; i++) {
        uint32_t size = i % 500 == 499 ? MT_CAPTURE_RECORD_MAX - i : i * 7919 % 1600;
        if (is_pcapng)
            made_enhanced(made, 0, SECOND * UINT64_C(1000000) + i, size, size, i);
        else
            made_record(made, SECOND, i, size, size, i);
    }
}

/* A process that writes the bytes to fd, part by part. */
static pid_t start_writer(int fd, const uint8_t *bytes, size_t size, size_t part)
{
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    signal(SIGPIPE, SIG_IGN);
    for (size_t off = 0; off < size;) {
        ssize_t n = write(fd, bytes + off, size - off < part ? size - off : part);
        if (n <= 0)
            break;
        off += (size_t)n;
    }
    _exit(0);
}

/* Standard input becomes a pipe that holds the bytes. */
static pid_t pipe_to_stdin(const struct made *made, size_t part)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = start_writer(ends[1], made->bytes, made->size, part);
    assert_true(pid > 0);
    close(ends[1]);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    return pid;
}

static void reading_of_stdin(struct reading *reading, const struct made *made, size_t part)
{
    pid_t pid = pipe_to_stdin(made, part);
    reading_of(reading, "-");
    waitpid(pid, NULL, 0);
}

/* The reading of the same bytes, mapped. */
static void reading_of_made(struct reading *reading, const char *name, const struct made *made)
{
    reading_of(reading, place_made(name, made));
    assert_int_equal(reading->rc, 0);
}

static void assert_same(const struct reading *a, const struct reading *b)
{
    assert_int_equal(a->rc, b->rc);
    assert_same_frames(a, b);
    assert_int_equal(a->damage_count, b->damage_count);
    for (size_t i = 0; i < a->damage_count; i++) {
        assert_int_equal(a->damage[i].off, b->damage[i].off);
        assert_string_equal(a->damage[i].reason, b->damage[i].reason);
    }
}

/* --- the same from everywhere ---------------------------------------------- */

static void compressed_files_give_the_same_frames(void **state)
{
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(compressions) * 2; i++) {
        struct made made;
        struct made packed;
        struct reading expected;
        struct reading reading;
        made_large(&made, i & 1);
        made_init(&packed, false);
        made_compressed(&packed, compressions[i / 2], made.bytes, made.size);
        reading_of_made(&expected, "large.pcap", &made);
        assert_int_equal(expected.frame_count, 3000);
        reading_of_made(&reading, "large.packed", &packed);
        assert_same(&reading, &expected);
        assert_int_equal(reading.frames[0].flags, 0);
        assert_false(reading.is_persistent);
        assert_int_equal(reading.bytes_total, packed.size);
        assert_int_equal(reading.bytes_done, packed.size);
        reading_fini(&reading);
        reading_fini(&expected);
        made_fini(&packed);
        made_fini(&made);
    }
}

static void members_in_a_row_are_one_stream(void **state)
{
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(compressions); i++) {
        struct made made;
        struct made packed;
        struct reading expected;
        struct reading reading;
        made_init(&made, false);
        made_pcap_of(&made, SECOND, 100);
        made_init(&packed, false);
        for (size_t off = 0; off < made.size; off += 997) /* cut anywhere, inside records too */
            made_compressed(&packed, compressions[i], made.bytes + off,
                            made.size - off < 997 ? made.size - off : 997);
        if (compressions[i] == MT_COMPRESSION_GZIP)
            made_zeros(&packed, 512); /* as on a tape */
        reading_of_made(&expected, "members.pcap", &made);
        reading_of_made(&reading, "members.packed", &packed);
        assert_same(&reading, &expected);
        assert_int_equal(reading.frame_count, 100);
        reading_fini(&reading);
        reading_fini(&expected);
        made_fini(&packed);
        made_fini(&made);
    }
}

static void a_skippable_frame_may_come_first(void **state)
{
    (void)state;
    struct made made;
    struct made packed;
    struct reading reading;
    made_init(&made, false);
    made_pcap_of(&made, SECOND, 10);
    made_init(&packed, false);
    made_u32(&packed, 0x184d2a50);
    made_u32(&packed, 4);
    made_u32(&packed, 0);
    made_compressed(&packed, MT_COMPRESSION_ZSTD, made.bytes, made.size);
    reading_of_made(&reading, "skippable.zst", &packed);
    assert_int_equal(reading.frame_count, 10);
    assert_int_equal(reading.damage_count, 0);
    reading_fini(&reading);
    made_fini(&packed);
    made_fini(&made);
}

static void standard_input_gives_the_same_frames_however_it_arrives(void **state)
{
    (void)state;
    static const size_t parts[] = {1, 7, 4096, 1 << 20};
    for (size_t i = 0; i < MT_ARRAY_COUNT(parts); i++) {
        struct made made;
        struct reading expected;
        struct reading reading;
        if (parts[i] < 100) {
            made_init(&made, true);
            made_pcap_of(&made, SECOND, 40);
        } else {
            made_large(&made, i & 1);
        }
        reading_of_made(&expected, "stdin.pcap", &made);
        reading_of_stdin(&reading, &made, parts[i]);
        assert_same(&reading, &expected);
        assert_int_equal(reading.bytes_total, 0);
        assert_int_equal(reading.bytes_done, made.size);
        assert_false(reading.is_persistent);
        reading_fini(&reading);
        reading_fini(&expected);
        made_fini(&made);
    }
}

static void standard_input_may_be_compressed(void **state)
{
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(compressions); i++) {
        struct made made;
        struct made packed;
        struct reading expected;
        struct reading reading;
        made_large(&made, true);
        made_init(&packed, false);
        made_compressed(&packed, compressions[i], made.bytes, made.size);
        reading_of_made(&expected, "stdin.pcap", &made);
        reading_of_stdin(&reading, &packed, 5000);
        assert_same(&reading, &expected);
        reading_fini(&reading);
        reading_fini(&expected);
        made_fini(&packed);
        made_fini(&made);
    }
}

static void standard_input_may_be_what_only_libpcap_reads(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_pcap(&made, 0xa1b2cd34, 1);
    for (uint32_t i = 0; i < 1000; i++) {
        made_u32(&made, SECOND);
        made_u32(&made, i);
        made_u32(&made, 600);
        made_u32(&made, 600);
        made_zeros(&made, 608);
    }
    reading_of_stdin(&reading, &made, 1000);
    assert_int_equal(reading.rc, 0);
    assert_int_equal(reading.frame_count, 1000);
    assert_int_equal(reading.damage_count, 0);
    reading_fini(&reading);
    made_fini(&made);
}

static void standard_input_may_be_non_blocking(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_pcap_of(&made, SECOND, 50);
    pid_t pid = pipe_to_stdin(&made, 100);
    assert_int_equal(fcntl(STDIN_FILENO, F_SETFL, O_NONBLOCK), 0);
    reading_of(&reading, "-");
    waitpid(pid, NULL, 0);
    assert_int_equal(reading.frame_count, 50);
    assert_int_equal(reading.damage_count, 0);
    reading_fini(&reading);
    made_fini(&made);
}

static void a_named_pipe_is_read_as_a_stream(void **state)
{
    (void)state;
    struct made made;
    struct reading reading;
    made_init(&made, false);
    made_pcap_of(&made, SECOND, 50);
    const char *path = place("pipe");
    assert_int_equal(mkfifo(path, 0600), 0);
    pid_t pid = fork();
    if (pid == 0) {
        FILE *file = fopen(path, "wb");
        bool is_written = file != NULL && fwrite(made.bytes, 1, made.size, file) == made.size;
        _exit(is_written && fclose(file) == 0 ? 0 : 1);
    }
    reading_of(&reading, path);
    waitpid(pid, NULL, 0);
    assert_int_equal(reading.rc, 0);
    assert_int_equal(reading.frame_count, 50);
    assert_pcap_of(&reading, 0, SECOND, 0, 50);
    reading_fini(&reading);
    made_fini(&made);
}

/* --- damage ---------------------------------------------------------------- */

static void make_damaged(struct made *made, int variant)
{
    bool is_pcapng = variant & 1;
    made_large(made, is_pcapng);
    size_t at = 0;
    switch (variant / 2) {
    case 0: /* the end is missing */
        made->size -= 1000;
        return;
    case 1: /* a length in the middle */
        at = is_pcapng ? 28 + 44 + 4 : 24 + 8;
        for (int i = 0; i < 700; i++) {
            uint32_t size;
            memcpy(&size, made->bytes + at, 4);
            at += is_pcapng ? size : size + 16;
        }
        made_set_u32(made, at, 0xfffffff1);
        return;
    case 2: /* a part is gone */
        memmove(made->bytes + 100000, made->bytes + 107778, made->size - 107778);
        made->size -= 7778 - (is_pcapng ? 2 : 0); /* blocks stay at multiples of four */
        if (is_pcapng)
            memmove(made->bytes + 100002, made->bytes + 100000, made->size - 100002);
        return;
    default: /* zeros in the middle, more than a window holds */
        memset(made->bytes + 500000, 0, 1500000);
        return;
    }
}

static void damage_is_the_same_in_a_file_and_in_a_stream(void **state)
{
    (void)state;
    for (int variant = 0; variant < 8; variant++) {
        struct made made;
        struct made packed;
        struct reading expected;
        struct reading reading;
        make_damaged(&made, variant);
        reading_of_made(&expected, "damaged.pcap", &made);
        assert_int_equal(expected.damage_count, 1);
        assert_in_range(expected.frame_count, 1000, 2999);

        made_init(&packed, false);
        made_compressed(&packed, compressions[variant % 3], made.bytes, made.size);
        reading_of_made(&reading, "damaged.packed", &packed);
        assert_same(&reading, &expected);
        reading_fini(&reading);

        reading_of_stdin(&reading, &made, 10000);
        assert_same(&reading, &expected);
        reading_fini(&reading);
        reading_fini(&expected);
        made_fini(&packed);
        made_fini(&made);
    }
}

static void compressed_data_that_break_off_are_told_once(void **state)
{
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(compressions); i++) {
        struct made made;
        struct made packed;
        struct reading reading;
        made_large(&made, false);
        made_init(&packed, false);
        made_compressed(&packed, compressions[i], made.bytes, made.size);
        packed.size -= packed.size / 3;
        reading_of_made(&reading, "cut.packed", &packed);
        assert_in_range(reading.frame_count, 100, 2999);
        assert_int_equal(reading.damage_count, 1);
        char expected[100];
        snprintf(expected, sizeof(expected), "%s data end at byte %zu of the file: they are cut off",
                 mt_compression_name(compressions[i]), packed.size);
        assert_string_equal(reading.damage[0].reason, expected);
        reading_fini(&reading);
        made_fini(&packed);
        made_fini(&made);
    }
}

static void compressed_data_cut_anywhere_never_give_a_wrong_frame(void **state)
{
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(compressions); i++) {
        struct made made;
        struct made packed;
        made_init(&made, false);
        made_pcap_of(&made, SECOND, 8);
        made_init(&packed, false);
        made_compressed(&packed, compressions[i], made.bytes, made.size);
        for (size_t size = 0; size < packed.size; size++) {
            struct reading reading;
            reading_of(&reading, place_bytes("cut.packed", packed.bytes, size));
            if (reading.rc == 0) {
                assert_pcap_of(&reading, 0, SECOND, 0, (unsigned)reading.frame_count);
                assert_int_equal(reading.damage_count, 1);
            }
            reading_fini(&reading);
        }
        made_fini(&packed);
        made_fini(&made);
    }
}

static void compressed_data_that_are_damaged_are_told(void **state)
{
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(compressions); i++) {
        struct made made;
        struct made packed;
        struct reading reading;
        made_large(&made, true);
        made_init(&packed, false);
        made_compressed(&packed, compressions[i], made.bytes, made.size);
        made_raw(&packed, "this is not compressed", 22);
        reading_of_made(&reading, "tail.packed", &packed);
        assert_int_equal(reading.frame_count, 3000);
        assert_int_equal(reading.damage_count, 1);
        assert_non_null(strstr(reading.damage[0].reason, mt_compression_name(compressions[i])));
        reading_fini(&reading);
        made_fini(&packed);
        made_fini(&made);
    }
}

static void what_was_compressed_and_is_no_capture_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(compressions); i++) {
        struct made packed;
        struct reading reading;
        made_init(&packed, false);
        made_compressed(&packed, compressions[i], (const uint8_t *)"Dear reader, this is a letter.", 30);
        reading_of(&reading, place_made("letter.packed", &packed));
        assert_int_not_equal(reading.rc, 0);
        assert_non_null(strstr(reading.reason, "letter.packed: not a capture file"));
        reading_fini(&reading);
        made_fini(&packed);
    }
}

/* --- signals --------------------------------------------------------------- */

static void note_signal(int number)
{
    (void)number;
}

static void a_signal_gives_the_caller_a_turn(void **state)
{
    (void)state;
    struct made made;
    made_init(&made, false);
    made_pcap_of(&made, SECOND, 3);
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    if (pid == 0) {
        bool is_good = write(ends[1], made.bytes, 100) == 100;
        usleep(200000);
        is_good &= write(ends[1], made.bytes + 100, made.size - 100) == (ssize_t)made.size - 100;
        _exit(is_good ? 0 : 1);
    }
    close(ends[1]);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);

    struct mt_stats *stats = aligned_alloc(MT_CACHE_LINE, sizeof(*stats));
    assert_non_null(stats);
    memset(stats, 0, sizeof(*stats));
    struct mt_capture *capture;
    char reason[200];
    const char *path = "-";
    struct mt_capture_files_config config = {.paths = &path, .path_count = 1};
    assert_int_equal(mt_capture_files_open(&config, stats, reason, sizeof(reason), &capture), 0);
    struct sigaction action = {.sa_handler = note_signal}; /* without SA_RESTART */
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){.it_value.tv_usec = 50000}, NULL);
    bool is_end = false;
    size_t turns = 0;
    size_t frames = 0;
    while (!is_end) {
        struct mt_frame burst[MT_BURST_MAX];
        size_t count = capture->ops->burst(capture, burst, MT_BURST_MAX, &is_end);
        turns += count == 0 && !is_end;
        frames += count;
        capture->ops->release(capture);
    }
    assert_int_equal(turns, 1);
    assert_int_equal(frames, 3);
    capture->ops->close(capture);
    waitpid(pid, NULL, 0);
    free(stats);
    made_fini(&made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compressed_files_give_the_same_frames),
        cmocka_unit_test(members_in_a_row_are_one_stream),
        cmocka_unit_test(a_skippable_frame_may_come_first),
        cmocka_unit_test(standard_input_gives_the_same_frames_however_it_arrives),
        cmocka_unit_test(standard_input_may_be_compressed),
        cmocka_unit_test(standard_input_may_be_what_only_libpcap_reads),
        cmocka_unit_test(standard_input_may_be_non_blocking),
        cmocka_unit_test(a_named_pipe_is_read_as_a_stream),
        cmocka_unit_test(damage_is_the_same_in_a_file_and_in_a_stream),
        cmocka_unit_test(compressed_data_that_break_off_are_told_once),
        cmocka_unit_test(compressed_data_cut_anywhere_never_give_a_wrong_frame),
        cmocka_unit_test(compressed_data_that_are_damaged_are_told),
        cmocka_unit_test(what_was_compressed_and_is_no_capture_is_refused),
        cmocka_unit_test(a_signal_gives_the_caller_a_turn),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
