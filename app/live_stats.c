#include "live_stats.h"

#include "export/json.h"
#include "statistics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the line ------------------------------------------------------------------- */

static void put_text(FILE *file, const char *text)
{
    /* the longest is the name of an output: six bytes for each at worst */
    uint8_t memory[6 * MT_OUTPUT_NAME_MAX + 2];
    struct mt_buf b = mt_buf(memory, sizeof(memory));
    mt_json_put_string(&b, mt_span_cstr(text));
    fwrite(memory, 1, b.size, file);
}

static void put_time(FILE *file, uint64_t time)
{
    uint8_t memory[40];
    struct mt_buf b = mt_buf(memory, sizeof(memory));
    mt_buf_put_time(&b, time);
    fprintf(file, "\"@timestamp\": \"%.*s\"", (int)b.size, (const char *)memory);
}

static void put_rate(FILE *file, const char *name, uint64_t now, uint64_t before, double seconds)
{
    double rate = seconds > 0 && now > before ? (double)(now - before) / seconds : 0;
    fprintf(file, "\"%s\": %.3f", name, rate);
}

static void put_rates(FILE *file, const struct mt_live_view *view, const struct mt_live_view *before,
                      double seconds)
{
    fputs(", \"rates\": {", file);
    put_rate(file, "frames_per_s", mt_live_view_frames(view), mt_live_view_frames(before), seconds);
    fputs(", ", file);
    put_rate(file, "bits_per_s", 8 * mt_live_view_bytes(view), 8 * mt_live_view_bytes(before), seconds);
    fputs(", ", file);
    put_rate(file, "lost_per_s", mt_live_view_lost(view), mt_live_view_lost(before), seconds);
    fputs(", ", file);
    put_rate(file, "sessions_per_s", mt_stats_get(&view->stats, MT_COUNTER_SESSIONS),
             mt_stats_get(&before->stats, MT_COUNTER_SESSIONS), seconds);
    fputs(", ", file);
    put_rate(file, "alerts_per_s", mt_stats_get(&view->stats, MT_COUNTER_ALERTS),
             mt_stats_get(&before->stats, MT_COUNTER_ALERTS), seconds);
    fputc('}', file);
}

static void put_port(FILE *file, const struct mt_port_counts *port)
{
    fputs("{\"name\": ", file);
    put_text(file, port->name);
    fputs(", \"driver\": ", file);
    put_text(file, port->driver);
    fprintf(file,
            ", \"up\": %s, \"gone\": %s, \"frames\": %" PRIu64 ", \"bytes\": %" PRIu64
            ", \"missed\": %" PRIu64 ", \"no_buffer\": %" PRIu64 ", \"errors\": %" PRIu64
            ", \"queue_frames\": [",
            port->is_up ? "true" : "false", port->is_gone ? "true" : "false", port->frames, port->bytes,
            port->missed, port->no_buffer, port->errors);
    for (uint32_t q = 0; q < port->queue_count && q < MT_ARRAY_COUNT(port->queue_frames); q++)
        fprintf(file, "%s%" PRIu64, q > 0 ? ", " : "", port->queue_frames[q]);
    fputs("]}", file);
}

static void put_output(FILE *file, const struct mt_output_state *output)
{
    const struct mt_output_stats *stats = &output->stats;
    const struct {
        const char *name;
        uint64_t value;
    } values[] = {
        {"accepted", stats->accepted},   {"found", stats->found},
        {"queued", stats->queued},       {"queued_bytes", stats->queued_bytes},
        {"spooled", stats->spooled},     {"spool_bytes", stats->spool_bytes},
        {"sent", stats->sent},           {"sent_bytes", stats->sent_bytes},
        {"retried", stats->retried},     {"rejected", stats->rejected},
        {"forgotten", stats->forgotten}, {"shed", stats->shed},
        {"damaged", stats->damaged},     {"limited", stats->limited},
        {"failures", stats->failures},
    };

    fputs("{\"name\": ", file);
    put_text(file, output->name);
    fprintf(file, ", \"up\": %s", stats->is_up ? "true" : "false");
    for (size_t i = 0; i < MT_ARRAY_COUNT(values); i++)
        fprintf(file, ", \"%s\": %" PRIu64, values[i].name, values[i].value);
    if (stats->error[0] != '\0') {
        fputs(", \"error\": ", file);
        put_text(file, stats->error);
    }
    fputc('}', file);
}

static void put_outputs(FILE *file, const struct mt_live_view *view)
{
    fputs("], \"outputs\": [", file);
    for (size_t i = 0; i < view->output_count; i++) {
        fputs(i > 0 ? ", " : "", file);
        put_output(file, &view->outputs[i]);
    }
}

char *mt_live_stats_line(const char *observer, const struct mt_live_view *view,
                         const struct mt_live_view *before, size_t *ret_size)
{
    char *text = NULL;
    size_t size = 0;
    FILE *file = open_memstream(&text, &size);
    if (!file)
        return NULL;
    double seconds = (double)(view->up_time - before->up_time) / 1e9;
    fputc('{', file);
    put_time(file, view->wall_time);
    fputs(", \"observer\": {\"name\": ", file);
    put_text(file, observer);
    fprintf(file, "}, \"uptime_s\": %.3f, \"interval_s\": %.3f, \"sessions_open\": %" PRIu64,
            (double)view->up_time / 1e9, seconds, mt_live_view_open(view));
    put_rates(file, view, before, seconds);
    fputs(", \"ports\": [", file);
    for (size_t i = 0; i < view->port_count; i++) {
        fputs(i > 0 ? ", " : "", file);
        put_port(file, &view->ports[i]);
    }
    fputs("], \"workers\": [", file);
    for (size_t i = 0; i < view->worker_count; i++)
        fprintf(file, "%s{\"frames\": %" PRIu64 "}", i > 0 ? ", " : "", view->worker_frames[i]);
    put_outputs(file, view);
    fputs("], \"counters\": ", file);
    mt_statistics_put(file, &view->stats, false);
    fputs(", \"filters\": ", file);
    mt_statistics_put_filters(file, &view->filters);
    fputs("}\n", file);
    if (fclose(file) != 0) {
        free(text);
        return NULL;
    }
    *ret_size = size;
    return text;
}

/* --- the file ------------------------------------------------------------------- */

int mt_live_stats_open(struct mt_live_stats_file *file, const char *path, char *ret_reason,
                       size_t reason_size)
{
    memset(file, 0, sizeof(*file));
    file->fd = -1;
    if (!path)
        return 0;
    file->fd = strcmp(path, "-") == 0 ? fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1)
                                      : open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0644);
    if (file->fd < 0) {
        int error = errno;
        snprintf(ret_reason, reason_size, "--stats: %s can't be written: %s", path, strerrordesc_np(error));
        return -error;
    }
    file->path = path;
    return 0;
}

void mt_live_stats_push(struct mt_live_stats_file *file)
{
    while (file->line && file->error == 0) {
        struct pollfd wait = {.fd = file->fd, .events = POLLOUT};
        if (poll(&wait, 1, 0) <= 0)
            return;
        /* a pipe that is ready takes that much without blocking */
        size_t size = mt_min_u64(file->size - file->off, PIPE_BUF);
        ssize_t n = write(file->fd, file->line + file->off, size);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            return;
        if (n < 0) {
            file->error = errno;
            return;
        }
        file->off += (size_t)n;
        if (file->off == file->size) {
            free(file->line);
            file->line = NULL;
        }
    }
}

void mt_live_stats_write(struct mt_live_stats_file *file, const char *observer,
                         const struct mt_live_view *view, const struct mt_live_view *before)
{
    if (!file->path)
        return;
    mt_live_stats_push(file);
    if (file->line) {
        file->skipped++;
        return;
    }
    file->off = 0;
    file->line = mt_live_stats_line(observer, view, before, &file->size);
    if (!file->line)
        file->skipped++;
    mt_live_stats_push(file);
}

bool mt_live_stats_close(struct mt_live_stats_file *file)
{
    if (!file->path)
        return true;
    mt_live_stats_push(file);
    bool is_whole = file->skipped == 0 && !file->line;
    if (file->error)
        fprintf(stderr, "mailtap: --stats %s: %s\n", file->path, strerrordesc_np(file->error));
    else if (!is_whole)
        fprintf(stderr, "mailtap: --stats %s: the reader was behind; %" PRIu64 " lines are missing\n",
                file->path, file->skipped + (file->line ? 1 : 0));
    free(file->line);
    is_whole &= close(file->fd) == 0;
    file->path = NULL;
    return is_whole;
}
