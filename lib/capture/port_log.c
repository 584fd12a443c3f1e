#include "capture/ports_priv.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <rte_log.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define LINE_SIZE 256

struct mt_port_log {
    FILE *stream;
    bool is_verbose;
    pthread_mutex_t lock;
    char error[LINE_SIZE];   /* the first one since the reset: what follows are its consequences */
    char warning[LINE_SIZE]; /* the last one of a lower level */
    char reason[LINE_SIZE];
    int saved[2]; /* standard output and error while they are captured; -1 */
    int caught;   /* what they are replaced by */
};

/* Without the blanks around it and the name of the function that said it. */
static void keep_line(char *to, const char *text, size_t size)
{
    const char *words = memmem(text, size, "(): ", 4);
    if (words != NULL) {
        size -= (size_t)(words + 4 - text);
        text = words + 4;
    }
    while (size > 0 && (*text == ' ' || *text == '\n')) {
        text++;
        size--;
    }
    while (size > 0 && (text[size - 1] == '\n' || text[size - 1] == ' '))
        size--;
    if (size > 0)
        snprintf(to, LINE_SIZE, "%.*s", (int)mt_min_u64(size, LINE_SIZE - 1), text);
}

static void take_lines(struct mt_port_log *log, const char *text, size_t size, bool is_error)
{
    while (size > 0) {
        const char *end = memchr(text, '\n', size);
        size_t line = end != NULL ? (size_t)(end - text) + 1 : size;
        if (log->is_verbose)
            mt_log(MT_LOG_DEBUG, "dpdk: %.*s", (int)(end != NULL ? line - 1 : line), text);
        if (!is_error || log->error[0] == '\0')
            keep_line(is_error ? log->error : log->warning, text, line);
        text += line;
        size -= line;
    }
}

static ssize_t log_write(void *cookie, const char *text, size_t size)
{
    struct mt_port_log *log = cookie;
    int level = rte_log_cur_msg_loglevel();
    pthread_mutex_lock(&log->lock);
    take_lines(log, text, size, level > 0 && level <= (int)RTE_LOG_ERR);
    pthread_mutex_unlock(&log->lock);
    return (ssize_t)size;
}

int mt_port_log_create(bool is_verbose, struct mt_port_log **ret_log)
{
    struct mt_port_log *log = calloc(1, sizeof(*log));
    if (log == NULL)
        return -ENOMEM;
    log->is_verbose = is_verbose;
    log->saved[0] = log->saved[1] = -1;
    log->caught = -1;
    pthread_mutex_init(&log->lock, NULL);
    log->stream = fopencookie(log, "w", (cookie_io_functions_t){.write = log_write});
    if (log->stream == NULL || rte_openlog_stream(log->stream) != 0) {
        mt_port_log_destroy(log);
        return -ENOMEM;
    }
    *ret_log = log;
    return 0;
}

void mt_port_log_destroy(struct mt_port_log *log)
{
    if (log == NULL)
        return;
    rte_openlog_stream(NULL);
    if (log->stream != NULL)
        fclose(log->stream);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

void mt_port_log_reset(struct mt_port_log *log)
{
    pthread_mutex_lock(&log->lock);
    log->error[0] = '\0';
    log->warning[0] = '\0';
    pthread_mutex_unlock(&log->lock);
}

const char *mt_port_log_reason(struct mt_port_log *log)
{
    pthread_mutex_lock(&log->lock);
    snprintf(log->reason, sizeof(log->reason), "%s", log->error[0] != '\0' ? log->error : log->warning);
    pthread_mutex_unlock(&log->lock);
    return log->reason;
}

static const int captured[2] = {STDOUT_FILENO, STDERR_FILENO};

void mt_port_log_capture(struct mt_port_log *log)
{
    if (log->is_verbose)
        return;
    fflush(NULL);
    log->caught = memfd_create("mailtap-messages", MFD_CLOEXEC);
    for (int i = 0; log->caught >= 0 && i < 2; i++) {
        log->saved[i] = fcntl(captured[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (log->saved[i] >= 0)
            dup2(log->caught, captured[i]);
    }
}

void mt_port_log_capture_end(struct mt_port_log *log)
{
    char text[4096];
    if (log->caught < 0)
        return;
    fflush(NULL);
    for (int i = 0; i < 2; i++) {
        if (log->saved[i] < 0)
            continue;
        dup2(log->saved[i], captured[i]);
        close(log->saved[i]);
        log->saved[i] = -1;
    }
    ssize_t size = pread(log->caught, text, sizeof(text), 0);
    pthread_mutex_lock(&log->lock);
    take_lines(log, text, size > 0 ? (size_t)size : 0, false);
    pthread_mutex_unlock(&log->lock);
    close(log->caught);
    log->caught = -1;
}
