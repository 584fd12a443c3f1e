#include "export/output_priv.h"

#include "export/clock_priv.h"
#include "export/output_config_priv.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void refuse(void *ctx, struct mt_batch *batch, size_t index, const char *reason)
{
    struct mt_output *output = ctx;

    if (batch->states[index] != MT_DOCUMENT_PENDING)
        return;
    batch->states[index] = MT_DOCUMENT_REFUSED;
    mt_count(&output->counts.rejected, 1);
    mt_output_bury(output, &batch->documents[index], reason);
}

static int make_format(struct mt_output *output, char *ret_reason, size_t size)
{
    const struct mt_output_config *config = &output->config;
    struct mt_format_options options = {
        .fields = config->fields.count == 0 ? NULL : (const char *const *)config->fields.items,
        .field_count = config->fields.count,
    };

    return config->format->create(&options, ret_reason, size, &output->format);
}

static int open_spool(struct mt_output *output, char *ret_reason, size_t size)
{
    const struct mt_output_config *config = &output->config;
    struct mt_spool_config spool = {
        .folder = config->spool,
        .max = config->spool_max,
        .shed = (enum mt_output_shed)config->shed,
        .fsync = (enum mt_output_fsync)config->fsync,
        .owner_user = config->owner_user,
        .owner_group = config->owner_group,
    };

    if (config->spool == NULL)
        return 0;
    int error = mt_spool_open(&spool, ret_reason, size, &output->spool);
    if (error == 0 && config->dead_letter == NULL &&
        asprintf(&output->config.dead_letter, "%s/refused.ndjson", config->spool) < 0) {
        output->config.dead_letter = NULL;
        error = -ENOMEM;
    }
    return error;
}

static int make_room(struct mt_output *output, char *ret_reason, size_t size)
{
    output->buffer_size = output->config.batch_max + MT_FRAME_MAX;
    output->documents = calloc(MT_BATCH_MAX, sizeof(*output->documents));
    output->states = calloc(MT_BATCH_MAX, 1);
    if (output->spool != NULL)
        output->buffer = malloc(output->buffer_size);
    if (output->documents != NULL && output->states != NULL &&
        (output->buffer != NULL || output->spool == NULL) &&
        mt_queue_create(output->config.memory_max, (enum mt_output_shed)output->config.shed,
                        &output->queue) == 0)
        return 0;
    snprintf(ret_reason, size, "there is no memory for it");
    return -ENOMEM;
}

static void destroy(struct mt_output *output)
{
    if (output->target != NULL)
        output->ops->destroy(output->target);
    if (output->format != NULL)
        output->config.format->destroy(output->format);
    mt_notice_limit_destroy(output->limit);
    mt_spool_close(output->spool);
    mt_queue_destroy(output->queue);
    free(output->buffer);
    free(output->documents);
    free(output->states);
    pthread_mutex_destroy(&output->lock);
    mt_output_config_fini(&output->config);
    free(output);
}

static int open_parts(struct mt_output *output, char *ret_reason, size_t size)
{
    int error = make_format(output, ret_reason, size);

    if (error == 0)
        error = open_spool(output, ret_reason, size);
    if (error == 0)
        error = make_room(output, ret_reason, size);
    if (error != 0)
        return error;
    if (output->config.is_notice && mt_notice_limit_create(output->config.period, output->config.each_max,
                                                           output->config.all_max, &output->limit) != 0) {
        snprintf(ret_reason, size, "there is no memory for it");
        return -ENOMEM;
    }
    output->ops = mt_target_ops(output->config.target);
    output->hooks = (struct mt_target_hooks){
        .ctx = output, .refuse = refuse, .give_up = &output->give_up, .format = output->format};
    return output->ops->create(&output->config, &output->hooks, ret_reason, size, &output->target);
}

/* Signals are the program's business: they are blocked in these threads. */
static int start_threads(struct mt_output *output)
{
    sigset_t all;
    sigset_t before;
    int error = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    if (output->spool != NULL) {
        error = pthread_create(&output->writer, NULL, mt_output_write, output);
        output->has_writer = error == 0;
    }
    if (error == 0) {
        error = pthread_create(&output->sender, NULL, mt_output_send, output);
        output->has_sender = error == 0;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return -error;
}

int mt_output_start(const struct mt_output_config *config, char *ret_reason, size_t reason_size,
                    struct mt_output **ret_output)
{
    struct mt_output *output = calloc(1, sizeof(*output));
    char why[512] = "there is no memory for it";

    if (output == NULL || mt_output_config_copy(config, &output->config) != 0) {
        free(output);
        snprintf(ret_reason, reason_size, "output %s: %s", config->name, why);
        return -ENOMEM;
    }
    pthread_mutex_init(&output->lock, NULL);
    output->started = mt_clock_wall();
    output->is_held = config->is_held;
    output->random = output->started | 1;
    int error = open_parts(output, why, sizeof(why));
    if (error == 0) {
        error = start_threads(output);
        if (error != 0)
            snprintf(why, sizeof(why), "no thread can be started: %s", strerrordesc_np(-error));
    }
    if (error == 0) {
        *ret_output = output;
        return 0;
    }
    snprintf(ret_reason, reason_size, "output %s: %s", config->name, why);
    mt_output_begin_close(output, 1);
    mt_output_end_close(output, NULL);
    return error;
}

/* "id", "id.1", "id.2": one for each text. */
static struct mt_span text_id(struct mt_span id, size_t index, char *space, size_t size)
{
    if (index == 0)
        return id;
    int n =
        snprintf(space, size, "%.*s.%zu", (int)mt_min_u64(id.size, size - 24), (const char *)id.ptr, index);
    return mt_span(space, (size_t)n);
}

static void put_texts(struct mt_output *output, const struct mt_output_item *item)
{
    char space[MT_DOCUMENT_WORD_MAX];
    struct mt_document document = {
        .time = item->time,
        .put = mt_clock_wall(),
        .key = item->key,
        .rule = item->rule,
        .kind = item->kind,
        .level = item->level,
    };

    for (size_t i = 0; i < item->text_count; i++) {
        mt_count(&output->counts.accepted, 1);
        if (item->texts[i].text.size > MT_FORMAT_TEXT_MAX) {
            mt_count(&output->counts.shed, 1);
            continue;
        }
        document.text = item->texts[i].text;
        document.stream = (uint8_t)item->texts[i].stream;
        document.id = text_id(item->id, i, space, sizeof(space));
        mt_count(&output->counts.queued, 1);
        uint32_t shed = mt_queue_put(output->queue, &document);
        if (shed > 0) {
            mt_uncount(&output->counts.queued, shed);
            mt_count(&output->counts.shed, shed);
        }
    }
}

void mt_output_put(struct mt_output *output, const struct mt_output_item *item)
{
    if (output->limit != NULL &&
        !mt_notice_limit_admit(output->limit, mt_clock_steady(), item->rule, item->key, item->level)) {
        mt_count(&output->counts.limited, 1);
        return;
    }
    put_texts(output, item);
}

struct sum {
    struct mt_output *output;
    struct mt_notice_sum held;
};

static void put_sum(void *ctx, const struct mt_format_text *text)
{
    const struct sum *sum = ctx;
    uint64_t now = mt_clock_wall();
    char id[64];
    int size = snprintf(id, sizeof(id), "sum-%016llx", (unsigned long long)now);
    const struct mt_output_item item = {
        .texts = text,
        .text_count = 1,
        .time = now,
        .id = mt_span(id, (size_t)size),
        .key = mt_span("", 0),
        .rule = mt_span_cstr("sum"),
        .kind = MT_OUTPUT_ALERT,
        .level = sum->held.level,
    };

    put_texts(sum->output, &item);
}

void mt_output_sum_up(struct mt_output *output, bool with_all)
{
    struct sum sum = {.output = output};

    if (output->limit != NULL && mt_notice_limit_sum(output->limit, mt_clock_steady(), with_all, &sum.held))
        (void)mt_notice_put_sum(output->format, output->config.format, &sum.held, put_sum, &sum);
}

void mt_output_count(struct mt_output *output, struct mt_output_stats *ret_stats)
{
    const struct mt_output_counts *counts = &output->counts;
    struct mt_spool_counts spool = {.found = 0};

    if (output->spool != NULL)
        mt_spool_count(output->spool, &spool);
    *ret_stats = (struct mt_output_stats){
        .accepted = atomic_load(&counts->accepted),
        .found = spool.found,
        .queued = atomic_load(&counts->queued),
        .queued_bytes = mt_queue_bytes(output->queue),
        .memory_max = output->config.memory_max,
        .spooled = spool.spooled,
        .spool_bytes = spool.bytes,
        .spool_max = output->spool != NULL ? output->config.spool_max : 0,
        .sent = atomic_load(&counts->sent),
        .sent_bytes = atomic_load(&counts->sent_bytes),
        .retried = atomic_load(&counts->retried),
        .rejected = atomic_load(&counts->rejected),
        .shed = atomic_load(&counts->shed) + spool.shed,
        .damaged = spool.damaged,
        .damages = spool.damages,
        .failures = atomic_load(&counts->failures),
        .forgotten = atomic_load(&counts->forgotten),
        .limited = atomic_load(&counts->limited),
        .latency_sum = atomic_load(&counts->latency_sum),
    };
    for (size_t i = 0; i < MT_OUTPUT_LATENCY_COUNT; i++)
        ret_stats->latency[i] = atomic_load(&counts->latency[i]);
    pthread_mutex_lock(&output->lock);
    ret_stats->is_up = output->is_up;
    snprintf(ret_stats->error, sizeof(ret_stats->error), "%s", output->error);
    pthread_mutex_unlock(&output->lock);
}

void mt_output_begin_close(struct mt_output *output, uint64_t give_up)
{
    atomic_store(&output->give_up, give_up);
    if (output->queue != NULL)
        mt_output_sum_up(output, true);
    atomic_store(&output->is_closing, true);
    if (output->queue != NULL)
        mt_queue_close(output->queue);
    if (output->spool != NULL)
        mt_spool_wake(output->spool);
}

/* What nobody will send any more. */
static void shed_queue(struct mt_output *output)
{
    struct mt_chunk *chunk;

    while ((chunk = mt_queue_take(output->queue)) != NULL) {
        mt_count(&output->counts.shed, chunk->count);
        mt_uncount(&output->counts.queued, chunk->count);
        mt_queue_release(output->queue, chunk);
    }
}

void mt_output_end_close(struct mt_output *output, struct mt_output_stats *ret_stats)
{
    if (output->has_writer)
        pthread_join(output->writer, NULL);
    if (output->has_sender)
        pthread_join(output->sender, NULL);
    if (output->queue != NULL)
        shed_queue(output);
    if (ret_stats != NULL)
        mt_output_count(output, ret_stats);
    destroy(output);
}
