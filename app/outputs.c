#include "outputs.h"

#include "export/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALERT_LINE_CAP ((size_t)256 << 10)

struct mt_outputs *mt_outputs_create(void)
{
    struct mt_outputs *outputs = aligned_alloc(MT_CACHE_LINE, sizeof(*outputs));
    if (!outputs)
        return NULL;
    memset(outputs, 0, sizeof(*outputs));
    outputs->alert_line = malloc(ALERT_LINE_CAP);
    if (outputs->alert_line)
        return outputs;
    free(outputs);
    return NULL;
}

void mt_outputs_destroy(struct mt_outputs *outputs)
{
    if (!outputs)
        return;
    mt_outputs_close(outputs);
    free(outputs->alert_line);
    free(outputs);
}

static int open_writer(struct mt_outputs *outputs, const char *path, char *ret_reason, size_t reason_size,
                       struct mt_writer **ret_writer)
{
    int rc = mt_writer_open(path, &outputs->written, ret_reason, reason_size, ret_writer);
    if (rc == 0 && outputs->is_live)
        mt_writer_set_deadline(*ret_writer, &outputs->deadline);
    return rc;
}

int mt_outputs_open(struct mt_outputs *outputs, struct mt_options *options, char *ret_reason,
                    size_t reason_size)
{
    if (options->is_json) {
        options->sessions_path = options->sessions_path ? options->sessions_path : "-";
        options->alerts_path = options->alerts_path ? options->alerts_path : "-";
    }
    outputs->is_live = options->verb == MT_VERB_BIT_LIVE;
    outputs->sessions_path = options->sessions_path;
    outputs->alerts_path = options->alerts_path;
    if (outputs->sessions_path) {
        int rc = open_writer(outputs, outputs->sessions_path, ret_reason, reason_size, &outputs->sessions);
        if (rc != 0)
            return rc;
    }
    if (!outputs->alerts_path)
        return 0;
    if (outputs->sessions_path && strcmp(outputs->alerts_path, outputs->sessions_path) == 0) {
        outputs->alerts = outputs->sessions;
        return 0;
    }
    return open_writer(outputs, outputs->alerts_path, ret_reason, reason_size, &outputs->alerts);
}

/* In a live run the collector hands over what it has gathered: a reader that
 * follows the file is to see it now, and the next call may be hours away. */
static void put(struct mt_outputs *outputs, struct mt_writer *writer, struct mt_span lines, uint64_t count)
{
    mt_writer_put(writer, lines, count);
    if (outputs->is_live)
        mt_writer_flush(writer);
}

static void on_sessions(void *ctx, struct mt_span lines, uint64_t count)
{
    struct mt_outputs *outputs = ctx;
    put(outputs, outputs->sessions, lines, count);
}

static void on_alert(void *ctx, const struct mt_record_alert *alert, enum mt_rule rule, enum mt_level level)
{
    struct mt_outputs *outputs = ctx;
    mt_notes_add(&outputs->notes, alert, rule, level);
    if (!outputs->alerts)
        return;
    struct mt_buf line = mt_buf(outputs->alert_line, ALERT_LINE_CAP);
    mt_json_put_alert(&line, alert);
    if (line.overflow)
        mt_stats_add(&outputs->written, MT_COUNTER_EXPORT_SHED, 1);
    else
        put(outputs, outputs->alerts, mt_buf_span(&line), 1);
}

struct mt_pipeline_sink mt_outputs_sink(const struct mt_outputs *outputs)
{
    return (struct mt_pipeline_sink){
        .sessions = outputs->sessions ? on_sessions : NULL,
        .alert = on_alert,
    };
}

void mt_outputs_hurry(struct mt_outputs *outputs, uint32_t grace_ms)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t time = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    atomic_store(&outputs->deadline, time + (uint64_t)grace_ms * 1000000);
}

static bool close_writer(struct mt_writer *writer, const char *path)
{
    mt_writer_flush(writer);
    uint64_t shed = mt_writer_shed(writer);
    bool is_whole = shed == 0 && mt_writer_error(writer)[0] == '\0';
    if (!is_whole)
        fprintf(stderr, "mailtap: %s: %s; %llu records were not written\n", path, mt_writer_error(writer),
                (unsigned long long)shed);
    int rc = mt_writer_close(writer);
    if (rc != 0 && is_whole)
        fprintf(stderr, "mailtap: %s: %s\n", path, strerror(-rc));
    return is_whole && rc == 0;
}

bool mt_outputs_close(struct mt_outputs *outputs)
{
    bool is_whole = true;
    if (outputs->sessions)
        is_whole &= close_writer(outputs->sessions, outputs->sessions_path);
    if (outputs->alerts && outputs->alerts != outputs->sessions)
        is_whole &= close_writer(outputs->alerts, outputs->alerts_path);
    outputs->sessions = NULL;
    outputs->alerts = NULL;
    return is_whole;
}

bool mt_outputs_has_stdout(const struct mt_outputs *outputs)
{
    return (outputs->sessions_path && strcmp(outputs->sessions_path, "-") == 0) ||
           (outputs->alerts_path && strcmp(outputs->alerts_path, "-") == 0);
}
