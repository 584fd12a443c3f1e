/* Files: one for all documents, or in a folder one for each stream of the format. */
#include "export/target_priv.h"

#include "base/log.h"
#include "export/clock_priv.h"
#include "export/file_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define SYNC_EVERY UINT64_C(1000000000)

struct mt_target {
    const struct mt_output_config *config;
    const struct mt_target_hooks *hooks;
    struct mt_file_rules rules;
    struct mt_file files[MT_FORMAT_STREAMS_MAX];
    unsigned count;
    uint64_t synced;
    uint8_t *lines;
    size_t lines_cap;
};

static char *path_of(const struct mt_output_config *config, unsigned stream)
{
    const struct mt_format_ops *format = config->format;
    const char *name = format->streams[stream];
    char *path = NULL;
    int n;

    if (config->target == MT_TARGET_FILE)
        return strdup(config->address);
    if (name == NULL || *name == '\0')
        n = asprintf(&path, "%s/mailtap.%s", config->address, format->is_json ? "json" : format->name);
    else
        n = asprintf(&path, "%s/%s.log", config->address, name);
    return n < 0 ? NULL : path;
}

static unsigned count_streams(const struct mt_output_config *config)
{
    unsigned count = 0;

    while (config->target == MT_TARGET_DIR && count < MT_FORMAT_STREAMS_MAX &&
           config->format->streams[count] != NULL)
        count++;
    return count == 0 ? 1 : count;
}

static void destroy(struct mt_target *target)
{
    for (unsigned i = 0; i < target->count; i++) {
        if (target->config->fsync != MT_OUTPUT_FSYNC_NEVER && target->files[i].fd >= 0)
            (void)fdatasync(target->files[i].fd);
        mt_file_close(&target->files[i]);
        free(target->files[i].path);
    }
    mt_compressor_destroy(target->rules.compressor);
    free(target->lines);
    free(target);
}

static int create(const struct mt_output_config *config, const struct mt_target_hooks *hooks,
                  char *ret_reason, size_t reason_size, struct mt_target **ret_target)
{
    struct mt_target *target = calloc(1, sizeof(*target));
    int error = target == NULL ? -ENOMEM : 0;

    if (target != NULL) {
        target->config = config;
        target->hooks = hooks;
        target->rules =
            (struct mt_file_rules){.rotate = config->rotate, .every = config->every, .keep = config->keep};
        target->count = count_streams(config);
        for (unsigned i = 0; i < target->count; i++) {
            target->files[i] = (struct mt_file){.fd = -1, .path = path_of(config, i)};
            if (target->files[i].path == NULL)
                error = -ENOMEM;
        }
        if (error == 0 && config->zstd)
            error = mt_compressor_create(hooks, &target->rules.compressor);
    }
    if (error == 0) {
        *ret_target = target;
        return 0;
    }
    if (target != NULL)
        destroy(target);
    snprintf(ret_reason, reason_size, "%s", strerrordesc_np(-error));
    return error;
}

/* A file with documents of several streams has no head. */
static struct mt_span head_of(const struct mt_target *target, unsigned stream)
{
    const struct mt_format_ops *format = target->config->format;

    if (target->hooks->format == NULL || (target->count == 1 && format->streams[1] != NULL))
        return mt_span_none();
    return format->head(target->hooks->format, stream);
}

static int open_stream(struct mt_target *target, unsigned stream)
{
    if (target->config->target == MT_TARGET_DIR && target->files[stream].fd < 0 &&
        mkdir(target->config->address, 0750) != 0 && errno != EEXIST)
        return -errno;
    return mt_file_open(&target->files[stream], &target->rules, head_of(target, stream));
}

static void put_aside(struct mt_target *target, struct mt_file *file)
{
    int error = mt_file_put_aside(file, &target->rules);

    if (error != 0 && error != -ENOENT)
        mt_log(MT_LOG_WARNING, "%s can't be put aside: %s; it grows on", file->path, strerrordesc_np(-error));
}

/* Room for the lines of a batch. */
static bool reserve(struct mt_target *target, const struct mt_batch *batch)
{
    size_t size = batch->count;

    for (size_t i = 0; i < batch->count; i++)
        size += batch->documents[i].text.size;
    if (size <= target->lines_cap)
        return true;
    uint8_t *grown = realloc(target->lines, size);
    if (grown == NULL)
        return false;
    target->lines = grown;
    target->lines_cap = size;
    return true;
}

static bool is_of(const struct mt_target *target, const struct mt_batch *batch, size_t index, unsigned stream)
{
    return batch->states[index] == MT_DOCUMENT_PENDING &&
           (target->count == 1 || batch->documents[index].stream == stream);
}

/* The lines of documents from..to of one stream; to is moved to where a file
 * would have to be put aside first. */
static struct mt_span gather(struct mt_target *target, const struct mt_batch *batch, unsigned stream,
                             size_t from, size_t *to)
{
    size_t size = 0;

    for (size_t i = from; i < *to; i++) {
        if (!is_of(target, batch, i, stream))
            continue;
        struct mt_span text = batch->documents[i].text;
        uint64_t grown = target->files[stream].size + size + text.size + 1;
        if (size > 0 && target->rules.rotate != 0 && grown > target->rules.rotate) {
            *to = i;
            break;
        }
        memcpy(target->lines + size, text.ptr, text.size);
        size += text.size;
        target->lines[size++] = '\n';
    }
    return mt_span(target->lines, size);
}

static void mark_sent(struct mt_target *target, struct mt_batch *batch, unsigned stream, size_t from,
                      size_t to)
{
    for (size_t i = from; i < to; i++) {
        if (is_of(target, batch, i, stream))
            batch->states[i] = MT_DOCUMENT_SENT;
    }
}

static int sync_file(struct mt_target *target, struct mt_file *file)
{
    if (target->config->fsync != MT_OUTPUT_FSYNC_ALWAYS)
        return 0;
    return fdatasync(file->fd) == 0 || errno == EINVAL ? 0 : -errno;
}

static int send_stream(struct mt_target *target, struct mt_batch *batch, unsigned stream)
{
    struct mt_file *file = &target->files[stream];

    for (size_t from = 0, to; from < batch->count; from = to) {
        to = from + 1;
        struct mt_span lines = gather(target, batch, stream, from, &to);
        if (lines.size == 0)
            continue;
        if (mt_file_is_due(file, &target->rules, lines.size))
            put_aside(target, file);
        int error = open_stream(target, stream);
        if (error == 0) {
            to = batch->count;
            lines = gather(target, batch, stream, from, &to);
            error = mt_file_append(file, lines);
        }
        if (error == 0)
            error = sync_file(target, file);
        if (error != 0) {
            snprintf(batch->reason, sizeof(batch->reason), "%s can't be written: %s", file->path,
                     strerrordesc_np(-error));
            mt_file_close(file);
            return error;
        }
        mark_sent(target, batch, stream, from, to);
    }
    return 0;
}

static int send_batch(struct mt_target *target, struct mt_batch *batch)
{
    int error = reserve(target, batch) ? 0 : -ENOMEM;

    for (unsigned stream = 0; stream < target->count && error == 0; stream++)
        error = send_stream(target, batch, stream);
    return error;
}

static void tick(struct mt_target *target)
{
    uint64_t now = mt_clock_steady();
    bool is_time = target->config->fsync == MT_OUTPUT_FSYNC_INTERVAL && now - target->synced >= SYNC_EVERY;

    for (unsigned i = 0; i < target->count; i++) {
        struct mt_file *file = &target->files[i];
        if (file->fd >= 0 && is_time)
            (void)fdatasync(file->fd);
        if (mt_file_is_due(file, &target->rules, 0)) {
            put_aside(target, file);
            (void)open_stream(target, i);
        }
    }
    if (is_time)
        target->synced = now;
}

static void reopen(struct mt_target *target, bool rotate)
{
    for (unsigned i = 0; i < target->count; i++) {
        struct mt_file *file = &target->files[i];
        if (rotate && file->fd >= 0 && file->is_regular && file->size > file->head_size)
            put_aside(target, file);
        mt_file_close(file);
        (void)open_stream(target, i);
    }
}

static int check(struct mt_target *target, char *ret_reason, size_t reason_size)
{
    for (unsigned i = 0; i < target->count; i++) {
        int error = open_stream(target, i);
        if (error != 0) {
            snprintf(ret_reason, reason_size, "%s can't be written: %s", target->files[i].path,
                     strerrordesc_np(-error));
            return error;
        }
    }
    return 0;
}

const struct mt_target_ops mt_target_file = {
    .create = create,
    .destroy = destroy,
    .send = send_batch,
    .tick = tick,
    .reopen = reopen,
    .check = check,
};
