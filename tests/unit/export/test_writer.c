/* Lines to a file, a pipe, a device: each line arrives whole or is counted. */
#include "export/writer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024u * 1024u)

struct place {
    struct mt_stats stats;
    char folder[64];
    char path[128];
};

static int make_place(void **state)
{
    struct place *place =
        aligned_alloc(MT_CACHE_LINE, (sizeof(*place) + MT_CACHE_LINE - 1) / MT_CACHE_LINE * MT_CACHE_LINE);
    assert_non_null(place);
    memset(place, 0, sizeof(*place));
    const char *tmp = getenv("TMPDIR");
    snprintf(place->folder, sizeof(place->folder), "%.40s/writer-XXXXXX", tmp ? tmp : P_tmpdir);
    assert_non_null(mkdtemp(place->folder));
    snprintf(place->path, sizeof(place->path), "%s/lines.json", place->folder);
    *state = place;
    return 0;
}

static int clear_place(void **state)
{
    struct place *place = *state;
    unlink(place->path);
    rmdir(place->folder);
    free(place);
    return 0;
}

static struct mt_writer *open_writer(struct place *place, const char *path)
{
    char reason[256] = "";
    struct mt_writer *writer = NULL;
    if (mt_writer_open(path, &place->stats, reason, sizeof(reason), &writer) != 0)
        fail_msg("%s", reason);
    return writer;
}

static char *read_file(const char *path, size_t *ret_size)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0);
    char *text = malloc((size_t)st.st_size + 1);
    assert_non_null(text);
    assert_int_equal(read(fd, text, (size_t)st.st_size), st.st_size);
    close(fd);
    text[st.st_size] = '\0';
    *ret_size = (size_t)st.st_size;
    return text;
}

/* "line 0000017 ....\n", size bytes */
static void put_line(struct mt_writer *writer, unsigned number, size_t size)
{
    char *line = malloc(size + 1);
    assert_non_null(line);
    memset(line, '.', size);
    int n = snprintf(line, size, "line %07u", number);
    line[n] = ' ';
    line[size - 1] = '\n';
    mt_writer_put(writer, mt_span(line, size), 1);
    free(line);
}

/* Whole lines, numbered from 0, nothing behind the last. */
static uint64_t assert_whole_lines(const char *text, size_t size)
{
    uint64_t lines = 0;
    const char *end = text + size;
    while (text < end) {
        char expected[32];
        int n = snprintf(expected, sizeof(expected), "line %07u", (unsigned)lines);
        assert_memory_equal(text, expected, (size_t)n);
        text = memchr(text, '\n', (size_t)(end - text));
        assert_non_null(text);
        text++;
        lines++;
    }
    return lines;
}

static void assert_file_and_shed_make(struct place *place, const struct mt_writer *writer, uint64_t lines)
{
    size_t size;
    char *text = read_file(place->path, &size);
    uint64_t kept = assert_whole_lines(text, size);
    assert_int_equal(kept + mt_writer_shed(writer), lines);
    assert_int_equal(mt_stats_get(&place->stats, MT_COUNTER_EXPORT_SHED), mt_writer_shed(writer));
    assert_int_equal(mt_stats_get(&place->stats, MT_COUNTER_EXPORT_BYTES), size);
    free(text);
}

/* --- what works ------------------------------------------------------------- */

static void lines_arrive_in_order_and_are_counted(void **state)
{
    struct place *place = *state;
    struct mt_writer *writer = open_writer(place, place->path);
    const unsigned lines = 30000; /* several buffers of them */
    for (unsigned i = 0; i < lines; i++)
        put_line(writer, i, 20 + i % 211);
    mt_writer_flush(writer);
    assert_file_and_shed_make(place, writer, lines);
    assert_int_equal(mt_writer_shed(writer), 0);
    assert_string_equal(mt_writer_error(writer), "");
    assert_int_equal(mt_writer_close(writer), 0);
}

static void nothing_is_written_before_a_flush_and_all_of_it_at_close(void **state)
{
    struct place *place = *state;
    struct mt_writer *writer = open_writer(place, place->path);
    struct stat st;
    put_line(writer, 0, 100);
    assert_int_equal(stat(place->path, &st), 0);
    assert_int_equal(st.st_size, 0);
    assert_int_equal(mt_writer_close(writer), 0);
    assert_int_equal(stat(place->path, &st), 0);
    assert_int_equal(st.st_size, 100);
}

static void lines_longer_than_the_buffer_keep_their_place(void **state)
{
    struct place *place = *state;
    struct mt_writer *writer = open_writer(place, place->path);
    const size_t sizes[] = {100, MIB, MIB + 1, 30, MIB - 1, 3 * MIB, 50};
    for (unsigned i = 0; i < MT_ARRAY_COUNT(sizes); i++)
        put_line(writer, i, sizes[i]);
    mt_writer_flush(writer);
    assert_file_and_shed_make(place, writer, MT_ARRAY_COUNT(sizes));
    assert_int_equal(mt_writer_close(writer), 0);
}

static void an_existing_file_is_replaced(void **state)
{
    struct place *place = *state;
    struct mt_writer *writer = open_writer(place, place->path);
    put_line(writer, 0, 5000);
    assert_int_equal(mt_writer_close(writer), 0);
    place->stats.counter[MT_COUNTER_EXPORT_BYTES] = 0;
    writer = open_writer(place, place->path);
    put_line(writer, 0, 50);
    mt_writer_flush(writer);
    assert_file_and_shed_make(place, writer, 1);
    assert_int_equal(mt_writer_close(writer), 0);
}

static void a_new_file_is_not_for_everybody(void **state)
{
    struct place *place = *state;
    struct stat st;
    mode_t mask = umask(0);
    struct mt_writer *writer = open_writer(place, place->path);
    umask(mask);
    assert_int_equal(stat(place->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(mt_writer_close(writer), 0);
}

static void dev_null_takes_everything(void **state)
{
    struct place *place = *state;
    struct mt_writer *writer = open_writer(place, "/dev/null");
    for (unsigned i = 0; i < 100; i++)
        put_line(writer, i, 50000);
    mt_writer_flush(writer);
    assert_int_equal(mt_writer_shed(writer), 0);
    assert_int_equal(mt_stats_get(&place->stats, MT_COUNTER_EXPORT_BYTES), 5000000);
    assert_int_equal(mt_writer_close(writer), 0);
}

/* Standard output is a descriptor of its own: closing the writer leaves it. */
static void a_dash_is_standard_output_which_stays_open(void **state)
{
    struct place *place = *state;
    int saved = dup(STDOUT_FILENO);
    int fd = open(place->path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    fflush(stdout);
    assert_true(saved >= 0 && fd >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
    struct mt_writer *writer = open_writer(place, "-");
    put_line(writer, 0, 60);
    int rc = mt_writer_close(writer);
    bool is_open = fcntl(STDOUT_FILENO, F_GETFD) >= 0;
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(fd);
    assert_int_equal(rc, 0);
    assert_true(is_open);
    struct stat st;
    assert_int_equal(stat(place->path, &st), 0);
    assert_int_equal(st.st_size, 60);
}

/* --- what can't be opened --------------------------------------------------- */

static void assert_refused(struct place *place, const char *path, int error, const char *expected)
{
    char reason[256] = "";
    struct mt_writer *writer = (struct mt_writer *)place;
    assert_int_equal(mt_writer_open(path, &place->stats, reason, sizeof(reason), &writer), -error);
    assert_ptr_equal(writer, place);
    assert_string_equal(reason, expected);
}

static void a_target_that_cannot_be_opened_is_named_with_the_reason(void **state)
{
    struct place *place = *state;
    char expected[256];
    snprintf(expected, sizeof(expected), "%s can't be written: Is a directory", place->folder);
    assert_refused(place, place->folder, EISDIR, expected);
    snprintf(place->path, sizeof(place->path), "%s/none/lines.json", place->folder);
    snprintf(expected, sizeof(expected), "%s can't be written: No such file or directory", place->path);
    assert_refused(place, place->path, ENOENT, expected);
}

/* --- what goes wrong while writing ------------------------------------------- */

static void a_full_device_sheds_and_counts_everything(void **state)
{
    struct place *place = *state;
    struct mt_writer *writer = open_writer(place, "/dev/full");
    for (unsigned i = 0; i < 50; i++)
        put_line(writer, i, 50000);
    mt_writer_flush(writer);
    assert_int_equal(mt_writer_shed(writer), 50);
    assert_int_equal(mt_stats_get(&place->stats, MT_COUNTER_EXPORT_SHED), 50);
    assert_int_equal(mt_stats_get(&place->stats, MT_COUNTER_EXPORT_BYTES), 0);
    assert_string_equal(mt_writer_error(writer), "No space left on device");
    assert_int_equal(mt_writer_close(writer), -ENOSPC);
}

/* The limit falls within a line, at its end and at a buffer's end. */
static void a_file_that_may_not_grow_ends_with_a_whole_line(void **state)
{
    struct place *place = *state;
    const rlim_t limits[] = {1, 999, 1000, 1001, 12345, MIB - 1, MIB, MIB + 500, 2 * MIB + 17};
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (size_t i = 0; i < MT_ARRAY_COUNT(limits); i++) {
        memset(&place->stats, 0, sizeof(place->stats));
        struct rlimit limit = {.rlim_cur = limits[i], .rlim_max = before.rlim_max};
        struct mt_writer *writer = open_writer(place, place->path);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        for (unsigned k = 0; k < 3000; k++)
            put_line(writer, k, 1000);
        mt_writer_flush(writer);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(mt_writer_shed(writer), 3000 - limits[i] / 1000);
        assert_string_equal(mt_writer_error(writer), "File too large");
        assert_file_and_shed_make(place, writer, 3000);
        assert_int_equal(mt_writer_close(writer), -EFBIG);
    }
}

/* mailtap read --json >> log: what stood there before is not ours to cut. */
static void appending_to_a_file_cuts_only_what_was_appended(void **state)
{
    struct place *place = *state;
    struct rlimit before;
    int saved = dup(STDOUT_FILENO);
    int fd = open(place->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "no line end", 11), 11);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    fflush(stdout);
    assert_true(saved >= 0 && dup2(fd, STDOUT_FILENO) >= 0);
    struct mt_writer *writer = open_writer(place, "-");
    put_line(writer, 0, 100);
    struct rlimit limit = {.rlim_cur = 50, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_FSIZE, &limit);
    mt_writer_flush(writer);
    setrlimit(RLIMIT_FSIZE, &before);
    dup2(saved, STDOUT_FILENO);
    close(saved);
    close(fd);
    assert_int_equal(mt_writer_shed(writer), 1);
    assert_int_equal(mt_writer_close(writer), -EFBIG);
    size_t size;
    char *text = read_file(place->path, &size);
    assert_string_equal(text, "no line end");
    free(text);
}

static void a_file_system_that_fills_up_keeps_whole_lines(void **state)
{
    struct place *place = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (unshare(CLONE_NEWNS) != 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
            mount("writer", place->folder, "tmpfs", 0, "size=256k") != 0)
            _exit(77);
        struct mt_writer *writer = open_writer(place, place->path);
        for (unsigned i = 0; i < 1000; i++)
            put_line(writer, i, 1000);
        mt_writer_flush(writer);
        assert_true(mt_writer_shed(writer) >= 1000 - 262144 / 1000);
        assert_true(mt_writer_shed(writer) < 1000);
        assert_string_equal(mt_writer_error(writer), "No space left on device");
        assert_file_and_shed_make(place, writer, 1000);
        _exit(mt_writer_close(writer) == -ENOSPC ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77) {
        print_message("skipped: a file system can't be mounted here (needs root)\n");
        skip();
    }
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* --- pipes ------------------------------------------------------------------ */

static struct mt_writer *open_pipe(struct place *place, int *ret_read_end)
{
    int ends[2];
    char path[32];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
    struct mt_writer *writer = open_writer(place, path);
    close(ends[1]);
    *ret_read_end = ends[0];
    return writer;
}

static void a_reader_that_has_gone_is_an_error_and_no_signal(void **state)
{
    struct place *place = *state;
    int read_end;
    struct mt_writer *writer = open_pipe(place, &read_end);
    close(read_end);
    put_line(writer, 0, 100);
    mt_writer_flush(writer);
    put_line(writer, 1, 100);
    assert_int_equal(mt_writer_shed(writer), 2);
    assert_string_equal(mt_writer_error(writer), "Broken pipe");
    assert_int_equal(mt_writer_close(writer), -EPIPE);
}

/* The writer's descriptor: the other one of this pipe. */
static int write_end_of(int read_end)
{
    struct stat pipe_stat;
    assert_int_equal(fstat(read_end, &pipe_stat), 0);
    for (int fd = 3; fd < 256; fd++) {
        struct stat st;
        if (fd != read_end && fstat(fd, &st) == 0 && st.st_dev == pipe_stat.st_dev &&
            st.st_ino == pipe_stat.st_ino)
            return fd;
    }
    fail_msg("the writer has no descriptor");
    return -1;
}

/* Exits with 0 when all lines have come whole, and nothing more. */
static pid_t start_slow_reader(int read_end, size_t expected_size)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child > 0)
        return child;
    close(write_end_of(read_end));
    char *text = malloc(expected_size + 1);
    size_t size = 0;
    for (;;) {
        usleep(200);
        size_t room = expected_size + 1 - size;
        ssize_t n = read(read_end, text + size, room < 30000 ? room : 30000);
        if (n <= 0)
            break;
        size += (size_t)n;
    }
    assert_whole_lines(text, size);
    _exit(size == expected_size ? 0 : 1);
}

static void assert_arrives_through_pipe(struct place *place, bool is_nonblocking)
{
    int read_end;
    struct mt_writer *writer = open_pipe(place, &read_end);
    const unsigned lines = 4000;
    if (is_nonblocking)
        assert_int_equal(fcntl(write_end_of(read_end), F_SETFL, O_NONBLOCK), 0);
    pid_t child = start_slow_reader(read_end, (size_t)lines * 1000);
    close(read_end);
    for (unsigned i = 0; i < lines; i++)
        put_line(writer, i, 1000);
    assert_int_equal(mt_writer_close(writer), 0);
    int status;
    assert_int_equal(TEMP_FAILURE_RETRY(waitpid(child, &status, 0)), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(mt_stats_get(&place->stats, MT_COUNTER_EXPORT_BYTES), lines * 1000);
}

static void a_slow_reader_gets_every_line_also_from_a_non_blocking_pipe(void **state)
{
    assert_arrives_through_pipe(*state, false);
    memset(&((struct place *)*state)->stats, 0, sizeof(struct mt_stats));
    assert_arrives_through_pipe(*state, true);
}

static void a_target_that_takes_nothing_is_given_up_after_the_deadline(void **state)
{
    struct place *place = *state;
    int read_end;
    struct mt_writer *writer = open_pipe(place, &read_end);
    _Atomic uint64_t deadline = 1; /* long past */
    const unsigned lines = 3000;

    mt_writer_set_deadline(writer, &deadline);
    for (unsigned i = 0; i < lines; i++)
        put_line(writer, i, 1000);
    mt_writer_flush(writer);
    put_line(writer, lines, 1000);
    assert_string_equal(mt_writer_error(writer), "nothing was taken from it for too long");
    /* what the pipe has room for has gone out */
    uint64_t written = mt_stats_get(&place->stats, MT_COUNTER_EXPORT_BYTES);
    assert_true(written >= 4096 && written < lines * 1000);
    assert_int_equal(mt_writer_shed(writer), lines + 1 - written / 1000);
    assert_int_equal(mt_writer_close(writer), -ETIMEDOUT);
    close(read_end);
}

static void a_slow_reader_gets_every_line_with_a_deadline_too(void **state)
{
    struct place *place = *state;
    int read_end;
    struct mt_writer *writer = open_pipe(place, &read_end);
    _Atomic uint64_t deadline = 0; /* none yet */
    const unsigned lines = 4000;

    mt_writer_set_deadline(writer, &deadline);
    pid_t child = start_slow_reader(read_end, (size_t)lines * 1000);
    close(read_end);
    for (unsigned i = 0; i < lines; i++)
        put_line(writer, i, 1000);
    assert_int_equal(mt_writer_close(writer), 0);
    int status;
    assert_int_equal(TEMP_FAILURE_RETRY(waitpid(child, &status, 0)), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void ignore_alarm(int number)
{
    (void)number;
}

static void signals_do_not_lose_or_double_a_line(void **state)
{
    struct sigaction action = {.sa_handler = ignore_alarm}; /* no SA_RESTART: write ends with EINTR */
    struct sigaction before;
    const struct itimerval often = {.it_interval = {.tv_usec = 100}, .it_value = {.tv_usec = 100}};
    const struct itimerval never = {0};
    assert_int_equal(sigaction(SIGALRM, &action, &before), 0);
    assert_int_equal(setitimer(ITIMER_REAL, &often, NULL), 0);
    assert_arrives_through_pipe(*state, false);
    assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
    assert_int_equal(sigaction(SIGALRM, &before, NULL), 0);
}

#define WRITER_TEST(name) cmocka_unit_test_setup_teardown(name, make_place, clear_place)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WRITER_TEST(lines_arrive_in_order_and_are_counted),
        WRITER_TEST(nothing_is_written_before_a_flush_and_all_of_it_at_close),
        WRITER_TEST(lines_longer_than_the_buffer_keep_their_place),
        WRITER_TEST(an_existing_file_is_replaced),
        WRITER_TEST(a_new_file_is_not_for_everybody),
        WRITER_TEST(dev_null_takes_everything),
        WRITER_TEST(a_dash_is_standard_output_which_stays_open),
        WRITER_TEST(a_target_that_cannot_be_opened_is_named_with_the_reason),
        WRITER_TEST(a_full_device_sheds_and_counts_everything),
        WRITER_TEST(a_file_that_may_not_grow_ends_with_a_whole_line),
        WRITER_TEST(appending_to_a_file_cuts_only_what_was_appended),
        WRITER_TEST(a_file_system_that_fills_up_keeps_whole_lines),
        WRITER_TEST(a_reader_that_has_gone_is_an_error_and_no_signal),
        WRITER_TEST(a_slow_reader_gets_every_line_also_from_a_non_blocking_pipe),
        WRITER_TEST(a_target_that_takes_nothing_is_given_up_after_the_deadline),
        WRITER_TEST(a_slow_reader_gets_every_line_with_a_deadline_too),
        WRITER_TEST(signals_do_not_lose_or_double_a_line),
    };
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
