/* Lines to standard output or to a unix socket. */
#include "export/target_priv.h"

#include "export/clock_priv.h"
#include "export/link_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct mt_target {
    const struct mt_output_config *config;
    const struct mt_target_hooks *hooks;
    struct mt_link link;
    int fd; /* standard output; -1: the unix socket */
    bool has_head;
    size_t part; /* bytes of the first line that standard output has taken already */
    uint8_t *lines;
    size_t cap;
};

static void destroy(struct mt_target *target)
{
    mt_link_fini(&target->link);
    if (target->fd >= 0)
        close(target->fd);
    free(target->lines);
    free(target);
}

static int create(const struct mt_output_config *config, const struct mt_target_hooks *hooks,
                  char *ret_reason, size_t reason_size, struct mt_target **ret_target)
{
    struct mt_target *target = calloc(1, sizeof(*target));

    if (target == NULL) {
        snprintf(ret_reason, reason_size, "there is no memory for it");
        return -ENOMEM;
    }
    target->config = config;
    target->hooks = hooks;
    target->fd = -1;
    target->link.fd = -1;
    int error = 0;
    if (config->target == MT_TARGET_UNIX) {
        error = mt_link_init(&target->link, config, hooks, ret_reason, reason_size);
    } else {
        target->fd = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        error = target->fd < 0 ? -errno : 0;
        if (error != 0)
            snprintf(ret_reason, reason_size, "standard output is not open");
    }
    if (error != 0) {
        destroy(target);
        return error;
    }
    *ret_target = target;
    return 0;
}

static bool gather(struct mt_target *target, const struct mt_batch *batch, struct mt_buf *ret_lines)
{
    size_t size = batch->count;

    for (size_t i = 0; i < batch->count; i++)
        size += batch->documents[i].text.size;
    if (size > target->cap) {
        uint8_t *grown = realloc(target->lines, size);
        if (grown == NULL)
            return false;
        target->lines = grown;
        target->cap = size;
    }
    *ret_lines = mt_buf(target->lines, target->cap);
    for (size_t i = 0; i < batch->count; i++) {
        mt_buf_put_span(ret_lines, batch->documents[i].text);
        mt_buf_put_byte(ret_lines, '\n');
    }
    return true;
}

/* At most PIPE_BUF at a time: what poll says that a pipe will take. */
static int write_out(struct mt_target *target, struct mt_span bytes, size_t *ret_done)
{
    for (*ret_done = 0; *ret_done < bytes.size;) {
        int events = mt_target_poll(target->hooks, target->fd, POLLOUT, UINT64_MAX);
        if (events <= 0)
            return events == 0 ? -ETIMEDOUT : events;
        size_t size = mt_min_u64(bytes.size - *ret_done, PIPE_BUF);
        ssize_t n = write(target->fd, bytes.ptr + *ret_done, size);
        if (n > 0)
            *ret_done += (size_t)n;
        else if (n == 0 || (errno != EAGAIN && errno != EINTR))
            return n == 0 ? -EPIPE : -errno;
    }
    return 0;
}

/* Lines that are written whole are sent; of the next one only the rest is. */
static void mark_written(struct mt_target *target, struct mt_batch *batch, size_t done)
{
    size_t i = 0;

    done += target->part;
    while (i < batch->count && done >= batch->documents[i].text.size + 1)
        done -= batch->documents[i++].text.size + 1;
    mt_batch_sent(batch, 0, i);
    target->part = done;
}

static int send_out(struct mt_target *target, struct mt_batch *batch, struct mt_span lines)
{
    size_t done = 0;
    int error = 0;

    if (!target->has_head) {
        struct mt_span head = mt_span_none();
        if (target->hooks->format != NULL && target->config->format->streams[1] == NULL)
            head = target->config->format->head(target->hooks->format, 0);
        error = write_out(target, head, &done);
        target->has_head = error == 0;
    }
    if (error == 0) {
        error = write_out(target, mt_span_from(lines, target->part), &done);
        mark_written(target, batch, done);
    }
    if (error == 0)
        return 0;
    snprintf(batch->reason, sizeof(batch->reason), "standard output can't be written: %s",
             strerrordesc_np(-error));
    batch->is_over = error == -EPIPE;
    return error;
}

static int send_batch(struct mt_target *target, struct mt_batch *batch)
{
    struct mt_buf lines;

    if (!gather(target, batch, &lines))
        return -ENOMEM;
    if (target->fd >= 0)
        return send_out(target, batch, mt_buf_span(&lines));
    int error = mt_link_open(&target->link, batch->reason, sizeof(batch->reason));
    if (error == 0)
        error = mt_link_write(&target->link, mt_buf_span(&lines), batch->reason, sizeof(batch->reason));
    if (error == 0)
        error = mt_link_confirm(&target->link, batch->reason, sizeof(batch->reason));
    if (error == 0)
        mt_batch_sent(batch, 0, batch->count);
    return error;
}

static void reopen(struct mt_target *target, bool rotate)
{
    (void)rotate;
    mt_link_close(&target->link);
}

static int check(struct mt_target *target, char *ret_reason, size_t reason_size)
{
    return target->fd >= 0 ? 0 : mt_link_open(&target->link, ret_reason, reason_size);
}

const struct mt_target_ops mt_target_stream = {
    .create = create,
    .destroy = destroy,
    .send = send_batch,
    .reopen = reopen,
    .check = check,
};
