#include "export/output_priv.h"

#include "base/log.h"
#include "export/clock_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define PATIENCE UINT64_C(1000000000) /* between two looks at the clock when nothing comes */
#define FAILED_PATIENCE UINT64_C(50000000)
#define BACKOFF_LEAST UINT64_C(100000000)
#define ASKED_MOST (UINT64_C(3600) * 1000000000) /* of Retry-After */
#define CLOSING_PAUSE UINT64_C(250000000)
#define SLICE UINT64_C(20000000)

const uint64_t mt_output_latency_bounds[MT_OUTPUT_LATENCY_COUNT - 1] = {
    1000000,
    5000000,
    10000000,
    25000000,
    50000000,
    100000000,
    250000000,
    500000000,
    UINT64_C(1000000000),
    UINT64_C(5000000000),
    UINT64_C(30000000000),
    UINT64_C(300000000000),
    UINT64_C(3600000000000),
};

static void nap(uint64_t ns)
{
    struct timespec time = mt_clock_spec(ns);

    nanosleep(&time, NULL);
}

/* Queue to spool. False: the spool could not be written. */
static bool write_queue(struct mt_output *output)
{
    struct mt_chunk *chunk;

    do {
        chunk = mt_queue_take(output->queue);
        if (chunk == NULL)
            break;
        int error = mt_spool_append(output->spool, mt_span(chunk->bytes, chunk->size), chunk->count);
        bool had_failed = atomic_exchange(&output->spool_failed, error != 0);
        if (error != 0) {
            mt_queue_give_back(output->queue, chunk);
            if (!had_failed)
                mt_log(MT_LOG_WARNING,
                       "output %s: the spool %s can't be written: %s; documents wait in memory",
                       output->config.name, output->config.spool, strerrordesc_np(-error));
            mt_spool_wake(output->spool);
            return false;
        }
        if (had_failed)
            mt_log(MT_LOG_INFO, "output %s: the spool can be written again", output->config.name);
        mt_uncount(&output->counts.queued, chunk->count);
        mt_queue_release(output->queue, chunk);
    } while (mt_queue_is_ready(output->queue));
    return true;
}

/* False: the end came first. */
static bool wait_to_begin(struct mt_output *output)
{
    while (atomic_load(&output->is_held)) {
        if (atomic_load(&output->is_closing))
            return false;
        nap(SLICE);
    }
    return true;
}

void *mt_output_write(void *ctx)
{
    struct mt_output *output = ctx;
    bool may_write = wait_to_begin(output);

    while (may_write) {
        mt_queue_wait(output->queue, output->config.flush, PATIENCE);
        bool is_last = atomic_load(&output->is_closing);
        bool is_done = write_queue(output);
        if (is_last && (is_done || mt_target_is_over(&output->hooks)))
            break;
        if (!is_done)
            nap(FAILED_PATIENCE);
    }
    atomic_store(&output->is_written, true);
    mt_spool_wake(output->spool);
    return NULL;
}

static void note_latency(struct mt_output *output, const struct mt_document *document, uint64_t now)
{
    uint64_t took = now > document->put ? now - document->put : 0;
    size_t bucket = 0;

    if (document->put < output->started)
        return;
    while (bucket < MT_OUTPUT_LATENCY_COUNT - 1 && took > mt_output_latency_bounds[bucket])
        bucket++;
    mt_count(&output->counts.latency[bucket], 1);
    mt_count(&output->counts.latency_sum, took);
}

static void note_settled(struct mt_output *output, size_t count, bool is_queued)
{
    if (is_queued)
        mt_uncount(&output->counts.queued, count);
    else
        mt_spool_settle(output->spool, count);
}

/* Counts what is settled and moves what is pending to the front. */
static void settle(struct mt_output *output, struct mt_batch *batch, bool is_queued)
{
    uint64_t now = mt_clock_wall();
    uint64_t sent = 0;
    uint64_t bytes = 0;
    size_t kept = 0;

    for (size_t i = 0; i < batch->count; i++) {
        const struct mt_document *document = &output->documents[i];
        if (batch->states[i] == MT_DOCUMENT_SENT) {
            note_latency(output, document, now);
            sent++;
            bytes += document->text.size;
        } else if (batch->states[i] == MT_DOCUMENT_PENDING) {
            output->documents[kept++] = *document;
        }
    }
    note_settled(output, batch->count - kept, is_queued);
    mt_count(&output->counts.sent, sent);
    mt_count(&output->counts.sent_bytes, bytes);
    batch->count = kept;
    memset(batch->states, MT_DOCUMENT_PENDING, kept);
}

static void note_up(struct mt_output *output)
{
    output->backoff = 0;
    if (output->down_since == 0 && output->is_up)
        return;
    if (output->down_since != 0)
        mt_log(MT_LOG_INFO, "output %s: it is back after %llu s", output->config.name,
               (unsigned long long)((mt_clock_steady() - output->down_since) / 1000000000));
    output->down_since = 0;
    pthread_mutex_lock(&output->lock);
    output->is_up = true;
    output->error[0] = '\0';
    pthread_mutex_unlock(&output->lock);
}

static void note_failure(struct mt_output *output, const char *reason)
{
    mt_count(&output->counts.failures, 1);
    pthread_mutex_lock(&output->lock);
    bool is_new = output->down_since == 0 || strcmp(output->error, reason) != 0;
    output->is_up = false;
    snprintf(output->error, sizeof(output->error), "%s", reason);
    pthread_mutex_unlock(&output->lock);
    if (output->down_since == 0)
        output->down_since = mt_clock_steady();
    if (is_new)
        mt_log(MT_LOG_WARNING, "output %s: %s; documents wait in %s and are sent again", output->config.name,
               reason, output->spool != NULL ? output->config.spool : "memory");
}

/* xorshift: pauses of many outputs, and of many machines, must not meet. */
static uint64_t next_random(struct mt_output *output)
{
    output->random ^= output->random << 13;
    output->random ^= output->random >> 7;
    output->random ^= output->random << 17;
    return output->random;
}

/* Half of the pause is chance. A receiver that says how long is believed. */
static uint64_t next_pause(struct mt_output *output, uint64_t asked)
{
    uint64_t least = mt_min_u64(BACKOFF_LEAST, output->config.backoff_max);

    output->backoff =
        output->backoff == 0 ? least : mt_min_u64(output->backoff * 2, output->config.backoff_max);
    uint64_t pause = output->backoff / 2 + next_random(output) % (output->backoff / 2 + 1);
    if (atomic_load(&output->is_closing))
        pause = mt_min_u64(pause, CLOSING_PAUSE);
    return mt_max_u64(pause, mt_min_u64(asked, ASKED_MOST));
}

/* Until the pause is over. When the end comes meanwhile, one more attempt is
 * made at once. */
static void pause_for(struct mt_output *output, uint64_t ns)
{
    uint64_t end = mt_clock_steady() + ns;

    for (uint64_t now = mt_clock_steady(); now < end; now = mt_clock_steady()) {
        if (mt_target_is_over(&output->hooks) || atomic_load(&output->reopen) != MT_REOPEN_NO)
            return;
        if (atomic_load(&output->is_closing) && !output->has_tried_last) {
            output->has_tried_last = true;
            return;
        }
        nap(mt_min_u64(end - now, SLICE));
    }
}

/* The receiver will never come back. */
static void lose(struct mt_output *output, struct mt_batch *batch, bool is_queued)
{
    if (output->down_since == 0) {
        output->down_since = mt_clock_steady();
        mt_log(MT_LOG_WARNING, "output %s: %s; what comes for it is lost", output->config.name,
               batch->reason);
    }
    mt_count(&output->counts.shed, batch->count);
    note_settled(output, batch->count, is_queued);
    batch->count = 0;
}

/* What somebody asked for meanwhile: also while a receiver refuses an old token. */
static void reopen_if_asked(struct mt_output *output)
{
    int reopen = atomic_exchange(&output->reopen, MT_REOPEN_NO);

    if (reopen == MT_REOPEN_NO)
        return;
    if (output->ops->reopen != NULL)
        output->ops->reopen(output->target, reopen == MT_REOPEN_ROTATED);
    if (reopen == MT_REOPEN)
        mt_output_renew(output);
}

/* True when all of it is settled; false when time was up before. */
static bool deliver(struct mt_output *output, struct mt_batch *batch, bool is_queued)
{
    for (;;) {
        size_t before = batch->count;
        batch->wait_ns = 0;
        batch->reason[0] = '\0';
        int error = output->ops->send(output->target, batch);
        bool is_over = batch->is_over;
        settle(output, batch, is_queued);
        if (is_over)
            lose(output, batch, is_queued);
        if (batch->count == 0) {
            if (is_over)
                return true;
            note_up(output);
            return true;
        }
        if (batch->count < before)
            output->backoff = 0;
        note_failure(output, batch->reason[0] != '\0' ? batch->reason : strerrordesc_np(-error));
        if (mt_target_is_over(&output->hooks))
            return false;
        pause_for(output, next_pause(output, batch->wait_ns));
        reopen_if_asked(output);
        if (mt_target_is_over(&output->hooks))
            return false;
        mt_count(&output->counts.retried, batch->count);
    }
}

/* Documents at the start of frames, up to a batch; the bytes they take. */
static size_t cut_batch(struct mt_output *output, struct mt_span frames, struct mt_batch *ret_batch)
{
    size_t used = 0;
    size_t size = 0;

    *ret_batch = (struct mt_batch){.documents = output->documents, .states = output->states};
    while (used < frames.size && ret_batch->count < MT_BATCH_MAX) {
        struct mt_document *document = &output->documents[ret_batch->count];
        if (mt_frame_read(mt_span_from(frames, used), true, document, &size) != MT_FRAME_WHOLE)
            break;
        if (ret_batch->count > 0 && used + size > output->config.batch_max)
            break;
        used += size;
        ret_batch->count++;
    }
    memset(output->states, MT_DOCUMENT_PENDING, ret_batch->count);
    return used;
}

/* Sends frames batch by batch; what is left when time is up. */
static struct mt_span send_frames(struct mt_output *output, struct mt_span frames, bool is_queued,
                                  size_t *ret_pending)
{
    struct mt_batch batch;

    *ret_pending = 0;
    while (frames.size > 0) {
        size_t used = cut_batch(output, frames, &batch);
        if (!deliver(output, &batch, is_queued)) {
            *ret_pending = batch.count;
            break;
        }
        frames = mt_span_from(frames, used);
    }
    return frames;
}

/* False: there was nothing, or time is up. */
static bool send_spooled(struct mt_output *output)
{
    size_t pending;
    size_t size = mt_spool_read(output->spool, output->config.batch_max, output->buffer, output->buffer_size);

    if (size == 0)
        return false;
    struct mt_span left = send_frames(output, mt_span(output->buffer, size), false, &pending);
    if (left.size > 0)
        mt_spool_abandon(output->spool);
    else
        mt_spool_acknowledge(output->spool);
    return left.size == 0;
}

static uint32_t count_frames(struct mt_span frames)
{
    struct mt_document document;
    uint32_t count = 0;
    size_t size = 0;

    for (; mt_frame_read(frames, true, &document, &size) == MT_FRAME_WHOLE; count++)
        frames = mt_span_from(frames, size);
    return count;
}

static bool send_queued(struct mt_output *output)
{
    size_t pending;
    struct mt_batch batch;
    struct mt_chunk *chunk = mt_queue_take(output->queue);

    if (chunk == NULL)
        return false;
    struct mt_span left = send_frames(output, mt_span(chunk->bytes, chunk->size), true, &pending);
    if (left.size > 0) {
        /* of the first batch only some are pending; the others have not been tried */
        size_t used = cut_batch(output, left, &batch);
        uint64_t lost = pending + count_frames(mt_span_from(left, used));
        mt_count(&output->counts.shed, lost);
        mt_uncount(&output->counts.queued, lost);
    }
    mt_queue_release(output->queue, chunk);
    return left.size == 0;
}

static void look_after_target(struct mt_output *output)
{
    uint64_t now = mt_clock_steady();

    mt_output_sum_up(output, false);
    reopen_if_asked(output);
    if (output->ops->tick != NULL && now - output->ticked >= PATIENCE / 4) {
        output->ops->tick(output->target);
        output->ticked = now;
    }
}

/* One round of what there is; false: there was nothing. */
static bool send_some(struct mt_output *output)
{
    if (output->spool == NULL)
        return send_queued(output);
    while (send_spooled(output))
        look_after_target(output);
    return atomic_load(&output->spool_failed) && send_queued(output);
}

/* Waits for something to send; false when nothing will come any more. */
static bool wait_for_more(struct mt_output *output, bool was_busy)
{
    bool is_closing = atomic_load(&output->is_closing);
    bool is_written = atomic_load(&output->is_written);

    if (mt_target_is_over(&output->hooks))
        return false;
    if (output->spool == NULL) {
        mt_queue_wait(output->queue, output->config.flush, PATIENCE);
        return was_busy || !is_closing || mt_queue_is_ready(output->queue);
    }
    if (is_closing && is_written)
        return was_busy;
    if (!was_busy)
        mt_spool_wait(output->spool, atomic_load(&output->spool_failed) ? FAILED_PATIENCE : PATIENCE);
    return true;
}

void *mt_output_send(void *ctx)
{
    struct mt_output *output = ctx;
    bool was_busy;

    if (!wait_to_begin(output))
        return NULL;
    do {
        look_after_target(output);
        was_busy = send_some(output);
    } while (wait_for_more(output, was_busy));
    return NULL;
}
