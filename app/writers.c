#include "writers.h"

#include "export/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ALERT_LINE_CAP ((size_t)256 << 10)

/* How long receivers have at the end to take what is left. Who stops a live run
 * waits for it; who reads a capture wants all of it delivered. */
#define LIVE_OUTPUT_GRACE_MS 5000u
#define READ_OUTPUT_GRACE_MS 30000u

struct mt_writers *mt_writers_create(void)
{
    struct mt_writers *writers = aligned_alloc(MT_CACHE_LINE, sizeof(*writers));
    if (!writers)
        return NULL;
    memset(writers, 0, sizeof(*writers));
    writers->alert_line = malloc(ALERT_LINE_CAP);
    if (writers->alert_line)
        return writers;
    free(writers);
    return NULL;
}

void mt_writers_destroy(struct mt_writers *writers)
{
    if (!writers)
        return;
    mt_writers_close(writers);
    free(writers->alert_line);
    free(writers);
}

static int open_writer(struct mt_writers *writers, const char *path, char *ret_reason, size_t reason_size,
                       struct mt_writer **ret_writer)
{
    int rc = mt_writer_open(path, &writers->written, ret_reason, reason_size, ret_writer);
    if (rc == 0 && writers->is_live)
        mt_writer_set_deadline(*ret_writer, &writers->deadline);
    return rc;
}

int mt_writers_open(struct mt_writers *writers, struct mt_options *options, char *ret_reason,
                    size_t reason_size)
{
    if (options->is_json) {
        options->sessions_path = options->sessions_path ? options->sessions_path : "-";
        options->alerts_path = options->alerts_path ? options->alerts_path : "-";
    }
    writers->is_live = options->verb == MT_VERB_BIT_LIVE;
    writers->sessions_path = options->sessions_path;
    writers->alerts_path = options->alerts_path;
    if (writers->sessions_path) {
        int rc = open_writer(writers, writers->sessions_path, ret_reason, reason_size, &writers->sessions);
        if (rc != 0)
            return rc;
    }
    int rc = mt_app_outputs_open(options, writers->is_held ? &writers->owner : NULL, ret_reason, reason_size,
                                 &writers->outputs);
    writers->is_stdout_out = writers->outputs && mt_app_outputs_has_stdout(writers->outputs);
    if (rc != 0 || !writers->alerts_path)
        return rc;
    if (writers->sessions_path && strcmp(writers->alerts_path, writers->sessions_path) == 0) {
        writers->alerts = writers->sessions;
        return 0;
    }
    return open_writer(writers, writers->alerts_path, ret_reason, reason_size, &writers->alerts);
}

void mt_writers_hold(struct mt_writers *writers, uint32_t user, uint32_t group)
{
    writers->is_held = true;
    writers->owner = (struct mt_output_owner){.user = user, .group = group};
}

void mt_writers_begin(struct mt_writers *writers)
{
    if (writers->outputs)
        mt_app_outputs_begin(writers->outputs);
}

/* In a live run the collector hands over what it has gathered: a reader that
 * follows the file is to see it now, and the next call may be hours away. */
static void put(struct mt_writers *writers, struct mt_writer *writer, struct mt_span lines, uint64_t count)
{
    mt_writer_put(writer, lines, count);
    if (writers->is_live)
        mt_writer_flush(writer);
}

static void on_sessions(void *ctx, struct mt_span lines, uint64_t count)
{
    struct mt_writers *writers = ctx;
    put(writers, writers->sessions, lines, count);
}

static void on_alert(void *ctx, const struct mt_record_alert *alert, enum mt_rule rule, enum mt_level level)
{
    struct mt_writers *writers = ctx;
    mt_notes_add(&writers->notes, alert, rule, level);
    if (writers->outputs)
        mt_app_outputs_alert(writers->outputs, alert, level);
    if (!writers->alerts)
        return;
    struct mt_buf line = mt_buf(writers->alert_line, ALERT_LINE_CAP);
    mt_json_put_alert(&line, alert);
    if (line.overflow)
        mt_stats_add(&writers->written, MT_COUNTER_EXPORT_SHED, 1);
    else
        put(writers, writers->alerts, mt_buf_span(&line), 1);
}

static void on_document(void *ctx, const struct mt_pipeline_document *document)
{
    struct mt_writers *writers = ctx;
    mt_app_outputs_document(writers->outputs, document);
}

static void on_event(void *ctx, struct mt_span key, struct mt_span event, bool is_last)
{
    struct mt_writers *writers = ctx;
    mt_app_outputs_event(writers->outputs, key, event, is_last);
}

struct mt_pipeline_sink mt_writers_sink(const struct mt_writers *writers)
{
    return (struct mt_pipeline_sink){
        .sessions = writers->sessions ? on_sessions : NULL,
        .alert = on_alert,
        .document = writers->outputs ? on_document : NULL,
        .event = writers->outputs && mt_app_outputs_has_events(writers->outputs) ? on_event : NULL,
    };
}

void mt_writers_hurry(struct mt_writers *writers, uint32_t grace_ms)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t time = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    atomic_store(&writers->deadline, time + (uint64_t)grace_ms * 1000000);
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

bool mt_writers_close(struct mt_writers *writers)
{
    bool is_whole = true;
    if (writers->sessions)
        is_whole &= close_writer(writers->sessions, writers->sessions_path);
    if (writers->alerts && writers->alerts != writers->sessions)
        is_whole &= close_writer(writers->alerts, writers->alerts_path);
    if (writers->outputs) {
        uint32_t grace_ms = writers->is_live ? LIVE_OUTPUT_GRACE_MS : READ_OUTPUT_GRACE_MS;
        writers->state_count = mt_app_outputs_states(writers->outputs, writers->states);
        is_whole &= mt_app_outputs_close(writers->outputs, grace_ms, writers->states);
    }
    writers->sessions = NULL;
    writers->alerts = NULL;
    writers->outputs = NULL;
    return is_whole;
}

bool mt_writers_has_outputs(const struct mt_writers *writers)
{
    return writers->outputs != NULL;
}

void mt_writers_reopen(struct mt_writers *writers)
{
    if (writers->outputs)
        mt_app_outputs_reopen(writers->outputs, false);
}

void mt_writers_rotate(struct mt_writers *writers)
{
    if (writers->outputs)
        mt_app_outputs_reopen(writers->outputs, true);
}

size_t mt_writers_outputs(const struct mt_writers *writers, struct mt_output_state *ret_states)
{
    if (writers->outputs)
        return mt_app_outputs_states(writers->outputs, ret_states);
    memcpy(ret_states, writers->states, writers->state_count * sizeof(*ret_states));
    return writers->state_count;
}

bool mt_writers_has_stdout(const struct mt_writers *writers)
{
    return writers->is_stdout_out || (writers->sessions_path && strcmp(writers->sessions_path, "-") == 0) ||
           (writers->alerts_path && strcmp(writers->alerts_path, "-") == 0);
}
