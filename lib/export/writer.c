#include "export/writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BUFFER_SIZE (128u << 10)  /* stays in a core's second cache */
#define GATHERED_SIZE (16u << 10) /* enough to be written as it is */

struct mt_writer {
    struct mt_stats *stats;
    uint64_t shed;
    uint64_t buffered;                /* lines in the buffer */
    size_t size;                      /* bytes in the buffer */
    const _Atomic uint64_t *deadline; /* NULL: none */
    int fd;
    int error;       /* errno of the first failure */
    bool is_regular; /* known with a deadline */
    uint8_t buffer[BUFFER_SIZE];
};

/* Records name people: only owner and group may read a file that we make. */
static int open_path(const char *path)
{
    if (strcmp(path, "-") == 0)
        return fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0640);
}

int mt_writer_open(const char *path, struct mt_stats *stats, char *ret_reason, size_t reason_size,
                   struct mt_writer **ret_writer)
{
    int fd = open_path(path);
    int error = errno;
    struct mt_writer *writer = fd < 0 ? NULL : malloc(sizeof(*writer));

    if (fd >= 0 && writer == NULL) {
        error = ENOMEM;
        close(fd);
    }
    if (writer == NULL) {
        const char *name = strcmp(path, "-") == 0 ? "standard output" : path;
        snprintf(ret_reason, reason_size, "%s can't be written: %s", name, strerrordesc_np(error));
        return -error;
    }
    writer->stats = stats;
    writer->shed = 0;
    writer->buffered = 0;
    writer->size = 0;
    writer->deadline = NULL;
    writer->fd = fd;
    writer->error = 0;
    writer->is_regular = false;
    *ret_writer = writer;
    return 0;
}

static void shed(struct mt_writer *writer, uint64_t lines)
{
    writer->shed += lines;
    mt_stats_add(writer->stats, MT_COUNTER_EXPORT_SHED, lines);
}

static bool is_past(const _Atomic uint64_t *deadline)
{
    uint64_t time = atomic_load_explicit(deadline, memory_order_relaxed);
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return time != 0 && (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec >= time;
}

/* Waits until the target takes PIPE_BUF bytes without blocking; false when it
 * does not in time. */
static bool wait_for_room(struct mt_writer *writer)
{
    struct pollfd wait = {.fd = writer->fd, .events = POLLOUT};

    while (poll(&wait, 1, 100) <= 0) {
        if (!is_past(writer->deadline))
            continue;
        writer->error = ETIMEDOUT;
        return false;
    }
    return true;
}

/* Writes as much as it can; what is missing from size was refused. */
static size_t write_all(struct mt_writer *writer, struct mt_span bytes)
{
    size_t off = 0;

    while (off < bytes.size) {
        size_t size = bytes.size - off;
        if (writer->deadline != NULL) {
            if (!wait_for_room(writer))
                break;
            if (size > PIPE_BUF && !writer->is_regular)
                size = PIPE_BUF;
        }
        ssize_t n = write(writer->fd, bytes.ptr + off, size);
        if (n > 0) {
            off += (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            /* a pipe or terminal that someone else has made non-blocking */
            struct pollfd wait = {.fd = writer->fd, .events = POLLOUT};
            (void)poll(&wait, 1, -1);
        } else if (n == 0 || errno != EINTR) {
            writer->error = n == 0 ? EIO : errno;
            break;
        }
    }
    return off;
}

/* Takes the last size bytes back, where the target is a file that ends with
 * them. */
static bool cut_tail(int fd, size_t size)
{
    struct stat st;
    off_t end = lseek(fd, 0, SEEK_CUR);

    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || end != st.st_size || end < (off_t)size)
        return false;
    return ftruncate(fd, end - (off_t)size) == 0 && lseek(fd, end - (off_t)size, SEEK_SET) >= 0;
}

/* Lines that are whole within written, which is cut to their end where a part
 * of the next one can be taken back. */
static uint64_t keep_whole_lines(struct mt_writer *writer, struct mt_span *written)
{
    uint64_t lines = 0;
    size_t whole = 0;

    for (size_t off = 0; off < written->size; off++) {
        if (written->ptr[off] == '\n') {
            lines++;
            whole = off + 1;
        }
    }
    if (whole < written->size && cut_tail(writer->fd, written->size - whole))
        written->size = whole;
    return lines;
}

static void push_out(struct mt_writer *writer, struct mt_span bytes, uint64_t lines)
{
    struct mt_span written = mt_span_head(bytes, write_all(writer, bytes));

    if (written.size < bytes.size) {
        uint64_t kept = keep_whole_lines(writer, &written);
        shed(writer, lines > kept ? lines - kept : 0);
    }
    mt_stats_add(writer->stats, MT_COUNTER_EXPORT_BYTES, written.size);
}

void mt_writer_set_deadline(struct mt_writer *writer, const _Atomic uint64_t *deadline)
{
    struct stat st;

    writer->is_regular = fstat(writer->fd, &st) == 0 && S_ISREG(st.st_mode);
    writer->deadline = deadline;
}

void mt_writer_flush(struct mt_writer *writer)
{
    if (writer->size > 0)
        push_out(writer, mt_span(writer->buffer, writer->size), writer->buffered);
    writer->size = 0;
    writer->buffered = 0;
}

void mt_writer_put(struct mt_writer *writer, struct mt_span lines, uint64_t count)
{
    if (lines.size > BUFFER_SIZE - writer->size || lines.size >= GATHERED_SIZE)
        mt_writer_flush(writer);
    if (writer->error != 0) {
        shed(writer, count);
        return;
    }
    if (lines.size >= GATHERED_SIZE) {
        push_out(writer, lines, count);
        return;
    }
    memcpy(writer->buffer + writer->size, lines.ptr, lines.size);
    writer->size += lines.size;
    writer->buffered += count;
}

uint64_t mt_writer_shed(const struct mt_writer *writer)
{
    return writer->shed;
}

const char *mt_writer_error(const struct mt_writer *writer)
{
    if (writer->error == ETIMEDOUT && writer->deadline != NULL)
        return "nothing was taken from it for too long";
    return writer->error != 0 ? strerrordesc_np(writer->error) : "";
}

int mt_writer_close(struct mt_writer *writer)
{
    mt_writer_flush(writer);
    int error = writer->error;
    /* a network file system reports here what it could not keep */
    if (close(writer->fd) != 0 && errno != EINTR && error == 0)
        error = errno;
    free(writer);
    return -error;
}
