#include "alert_log.h"

#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct mt_alert_log {
    int fd;
    struct mt_hash128 *lines; /* that stood there, sorted */
    size_t count;
};

static struct mt_hash128 hash_of(struct mt_span line)
{
    return mt_hash_bytes128(0, line);
}

static int compare(const void *a, const void *b)
{
    const struct mt_hash128 *x = a;
    const struct mt_hash128 *y = b;
    if (x->word[0] != y->word[0])
        return x->word[0] < y->word[0] ? -1 : 1;
    return x->word[1] < y->word[1] ? -1 : x->word[1] > y->word[1];
}

/* Every whole line; the size up to the end of the last one. */
static size_t note_lines(struct mt_alert_log *log, struct mt_span bytes)
{
    size_t end = 0;
    size_t count = 0;
    for (size_t i = 0; i < bytes.size; i++)
        count += bytes.ptr[i] == '\n';
    log->lines = count > 0 ? calloc(count, sizeof(*log->lines)) : NULL;
    for (size_t i = 0; i < bytes.size; i++) {
        if (bytes.ptr[i] != '\n')
            continue;
        if (log->lines)
            log->lines[log->count++] = hash_of(mt_span(bytes.ptr + end, i + 1 - end));
        end = i + 1;
    }
    if (log->count > 0)
        qsort(log->lines, log->count, sizeof(*log->lines), compare);
    return end;
}

/* 0 or -errno. */
static int take_up(struct mt_alert_log *log)
{
    struct stat state;
    if (fstat(log->fd, &state) != 0)
        return -errno;
    if (!S_ISREG(state.st_mode) || state.st_size == 0)
        return 0;
    size_t size = mt_min_u64((uint64_t)state.st_size, MT_ALERT_LOG_TAIL);
    off_t from = state.st_size - (off_t)size;
    uint8_t *bytes = malloc(size);
    if (!bytes)
        return -ENOMEM;
    ssize_t got = pread(log->fd, bytes, size, from);
    int rc = got == (ssize_t)size ? 0 : got < 0 ? -errno : -EIO;
    if (rc == 0) {
        size_t whole = note_lines(log, mt_span(bytes, size));
        if (whole < size && (whole > 0 || from == 0) && ftruncate(log->fd, from + (off_t)whole) != 0)
            rc = -errno;
    }
    free(bytes);
    return rc;
}

int mt_alert_log_open(const char *path, char *ret_reason, size_t reason_size, struct mt_alert_log **ret_log)
{
    struct mt_alert_log *log = calloc(1, sizeof(*log));
    if (!log) {
        snprintf(ret_reason, reason_size, "out of memory");
        return -ENOMEM;
    }
    bool is_stdout = strcmp(path, "-") == 0;
    log->fd = is_stdout ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                        : open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0640);
    int rc = log->fd < 0 ? -errno : is_stdout ? 0 : take_up(log);
    if (rc == 0) {
        *ret_log = log;
        return 0;
    }
    snprintf(ret_reason, reason_size, "%s can't be written: %s", is_stdout ? "standard output" : path,
             strerrordesc_np(-rc));
    mt_alert_log_close(log);
    return rc;
}

int mt_alert_log_put(struct mt_alert_log *log, struct mt_span line)
{
    struct mt_hash128 hash = hash_of(line);
    if (log->count > 0 && bsearch(&hash, log->lines, log->count, sizeof(hash), compare))
        return 0;
    while (line.size > 0) {
        ssize_t size = write(log->fd, line.ptr, line.size);
        if (size < 0 && errno == EINTR)
            continue;
        if (size < 0)
            return -errno;
        line = mt_span_from(line, (size_t)size);
    }
    return 1;
}

void mt_alert_log_close(struct mt_alert_log *log)
{
    if (!log)
        return;
    if (log->fd >= 0)
        close(log->fd);
    free(log->lines);
    free(log);
}
