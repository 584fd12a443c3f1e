/* Kafka through librdkafka: an idempotent producer; a document is sent when its
 * delivery report says so. */
#include "export/target_priv.h"

#include "export/clock_priv.h"
#include "export/output_config_priv.h"
#include "late/late.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#define POLL_MS 20
#define PURGE_MS 1000

struct calls {
#define MT_LATE(name) __typeof__(name) *name;
#include "export/rdkafka.def"
#undef MT_LATE
};

static const char *const call_names[] = {
#define MT_LATE(name) #name,
#include "export/rdkafka.def"
#undef MT_LATE
};

struct mt_target {
    struct calls lib;
    const struct mt_output_config *config;
    const struct mt_target_hooks *hooks;
    char *brokers;
    const char *topic;
    rd_kafka_t *producer;
    struct mt_batch *batch; /* while send is under way */
    size_t waiting;         /* documents without a report; of a mark: partitions */
    int partitions;         /* of the topic, where events choose theirs; 0: not known */
    bool is_mark_lost;      /* some partition has not got the mark in hand */
    char error[MT_REASON_MAX];
};

static int load(struct calls *ret_lib, char *ret_reason, size_t reason_size)
{
    return mt_late_load(MT_LATE_RDKAFKA, call_names, MT_ARRAY_COUNT(call_names), ret_lib, ret_reason,
                        reason_size);
}

bool mt_target_kafka_knows(const char *name, const char *value, char *ret_reason, size_t reason_size)
{
    struct calls lib;
    char why[256] = "";

    if (load(&lib, ret_reason, reason_size) != 0)
        return false;
    rd_kafka_conf_t *conf = lib.rd_kafka_conf_new();
    *ret_reason = '\0';
    rd_kafka_conf_res_t result = lib.rd_kafka_conf_set(conf, name, value, why, sizeof(why));
    lib.rd_kafka_conf_destroy(conf);
    if (result == RD_KAFKA_CONF_INVALID)
        snprintf(ret_reason, reason_size, "%s", why);
    return result == RD_KAFKA_CONF_OK;
}

bool mt_target_kafka_has(const char *name, char *ret_reason, size_t reason_size)
{
    struct calls lib;
    char why[256];

    if (load(&lib, ret_reason, reason_size) != 0)
        return false;
    *ret_reason = '\0';
    rd_kafka_conf_t *conf = lib.rd_kafka_conf_new();
    rd_kafka_conf_res_t result = lib.rd_kafka_conf_set(conf, name, "", why, sizeof(why));
    lib.rd_kafka_conf_destroy(conf);
    return result != RD_KAFKA_CONF_UNKNOWN;
}

void mt_target_kafka_names(void (*each)(void *ctx, const char *name), void *ctx)
{
    struct calls lib;
    char why[256];
    size_t count = 0;

    if (load(&lib, why, sizeof(why)) != 0)
        return;
    rd_kafka_conf_t *conf = lib.rd_kafka_conf_new();
    const char **pairs = lib.rd_kafka_conf_dump(conf, &count);

    for (size_t i = 0; i + 1 < count; i += 2)
        each(ctx, pairs[i]);
    lib.rd_kafka_conf_dump_free(pairs, count);
    lib.rd_kafka_conf_destroy(conf);
}

static bool is_hopeless(rd_kafka_resp_err_t error)
{
    return error == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE || error == RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE ||
           error == RD_KAFKA_RESP_ERR_INVALID_RECORD || error == RD_KAFKA_RESP_ERR_POLICY_VIOLATION;
}

/* An event without a key: how far the sender has come. */
static bool is_mark(const struct mt_target *target, size_t index)
{
    return target->config->is_events && target->batch->documents[index].key.size == 0;
}

static void note_result(struct mt_target *target, size_t index, rd_kafka_resp_err_t error)
{
    struct mt_batch *batch = target->batch;

    if (is_mark(target, index) && error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return; /* sent when all partitions have it */
    if (is_mark(target, index))
        target->is_mark_lost = true;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        batch->states[index] = MT_DOCUMENT_SENT;
    else if (is_hopeless(error) && !is_mark(target, index))
        target->hooks->refuse(target->hooks->ctx, batch, index, target->lib.rd_kafka_err2str(error));
    else if (target->error[0] != '\0')
        snprintf(batch->reason, sizeof(batch->reason), "%.100s (%.140s)", target->lib.rd_kafka_err2str(error),
                 target->error);
    else
        snprintf(batch->reason, sizeof(batch->reason), "%s", target->lib.rd_kafka_err2str(error));
}

static void on_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    struct mt_target *target = opaque;

    (void)producer;
    target->waiting--;
    note_result(target, (size_t)(uintptr_t)message->_private, message->err);
}

/* Kept as the reason for what fails later: reports say only that time was up. */
static void on_error(rd_kafka_t *producer, int error, const char *reason, void *opaque)
{
    struct mt_target *target = opaque;

    (void)producer;
    (void)error;
    snprintf(target->error, sizeof(target->error), "%s", reason);
}

static int set(const struct mt_target *target, rd_kafka_conf_t *conf, const char *name, const char *value,
               char *ret_reason, size_t size)
{
    return target->lib.rd_kafka_conf_set(conf, name, value, ret_reason, size) == RD_KAFKA_CONF_OK ? 0
                                                                                                  : -EINVAL;
}

static int set_own(struct mt_target *target, rd_kafka_conf_t *conf, char *ret_reason, size_t size)
{
    char timeout[24];

    snprintf(timeout, sizeof(timeout), "%llu",
             (unsigned long long)mt_max_u64(target->config->timeout / 1000000, 1000));
    int error = set(target, conf, "bootstrap.servers", target->brokers, ret_reason, size);
    if (error == 0)
        error = set(target, conf, "client.id", "mailtap", ret_reason, size);
    if (error == 0)
        error = set(target, conf, "enable.idempotence", "true", ret_reason, size);
    if (error == 0)
        error = set(target, conf, "message.timeout.ms", timeout, ret_reason, size);
    return error;
}

static int set_properties(const struct mt_target *target, rd_kafka_conf_t *conf, char *ret_reason,
                          size_t size)
{
    const struct mt_output_list *properties = &target->config->properties;
    int error = 0;

    for (uint32_t i = 0; i < properties->count && error == 0; i++) {
        char name[128];
        const char *equals = strchr(properties->items[i], '=');
        if (equals == NULL) {
            snprintf(ret_reason, size, "properties: %s has no value; write NAME=VALUE", properties->items[i]);
            return -EINVAL;
        }
        snprintf(name, sizeof(name), "%.*s", (int)(equals - properties->items[i]), properties->items[i]);
        error = set(target, conf, name, equals + 1, ret_reason, size);
    }
    return error;
}

static int open_producer(struct mt_target *target, char *ret_reason, size_t size)
{
    rd_kafka_conf_t *conf = target->lib.rd_kafka_conf_new();
    int error = set_own(target, conf, ret_reason, size);

    target->lib.rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    target->lib.rd_kafka_conf_set_error_cb(conf, on_error);
    target->lib.rd_kafka_conf_set_log_cb(conf, NULL); /* what matters comes as an error */
    target->lib.rd_kafka_conf_set_opaque(conf, target);
    if (error == 0)
        error = set_properties(target, conf, ret_reason, size);
    if (error == 0) {
        target->producer = target->lib.rd_kafka_new(RD_KAFKA_PRODUCER, conf, ret_reason, size);
        if (target->producer != NULL)
            return 0; /* it owns conf now */
        error = -EINVAL;
    }
    target->lib.rd_kafka_conf_destroy(conf);
    return error;
}

static void close_producer(struct mt_target *target)
{
    if (target->producer != NULL)
        target->lib.rd_kafka_destroy(target->producer);
    target->producer = NULL;
    target->partitions = 0;
}

static void destroy(struct mt_target *target)
{
    close_producer(target);
    free(target->brokers);
    free(target);
}

static int create(const struct mt_output_config *config, const struct mt_target_hooks *hooks,
                  char *ret_reason, size_t reason_size, struct mt_target **ret_target)
{
    struct mt_target *target = calloc(1, sizeof(*target));
    const char *slash = strchr(config->address, '/');

    if (target == NULL || slash == NULL) {
        free(target);
        snprintf(ret_reason, reason_size, "there is no memory for it");
        return -ENOMEM;
    }
    target->config = config;
    target->hooks = hooks;
    target->topic = slash + 1;
    target->brokers = strndup(config->address, (size_t)(slash - config->address));
    int error = load(&target->lib, ret_reason, reason_size);
    if (error == 0)
        error = target->brokers == NULL ? -ENOMEM : open_producer(target, ret_reason, reason_size);
    if (error != 0) {
        destroy(target);
        return error;
    }
    *ret_target = target;
    return 0;
}

/* The same on every sensor, whatever partitioner it is told to use. */
static int32_t partition_of(const struct mt_target *target, const struct mt_document *document)
{
    uint64_t hash = 0;

    if (target->partitions == 0)
        return RD_KAFKA_PARTITION_UA;
    for (size_t i = 0; i < document->key.size; i++) {
        uint8_t digit = document->key.ptr[i];
        hash = hash << 4 | (digit <= '9' ? digit & 15u : (digit & 15u) + 9u);
    }
    return (int32_t)(hash % (uint64_t)target->partitions);
}

static rd_kafka_resp_err_t produce_to(struct mt_target *target, const struct mt_document *document,
                                      size_t index, int32_t partition)
{
    int64_t ms = (int64_t)(document->time / 1000000);

    return target->lib.rd_kafka_producev(
        target->producer, RD_KAFKA_V_TOPIC(target->topic), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
        RD_KAFKA_V_VALUE((void *)(uintptr_t)document->text.ptr, document->text.size),
        RD_KAFKA_V_KEY((void *)(uintptr_t)document->key.ptr, document->key.size), RD_KAFKA_V_TIMESTAMP(ms),
        RD_KAFKA_V_HEADER("id", document->id.ptr, (ssize_t)document->id.size),
        RD_KAFKA_V_OPAQUE((void *)(uintptr_t)index), RD_KAFKA_V_END);
}

static void produce(struct mt_target *target, size_t index, int32_t partition)
{
    const struct mt_document *document = &target->batch->documents[index];
    rd_kafka_resp_err_t error = produce_to(target, document, index, partition);

    while (error == RD_KAFKA_RESP_ERR__QUEUE_FULL && !mt_target_is_over(target->hooks)) {
        target->lib.rd_kafka_poll(target->producer, POLL_MS);
        error = produce_to(target, document, index, partition);
    }
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        target->waiting++;
    else
        note_result(target, index, error);
}

static void wait_for_reports(struct mt_target *target)
{
    while (target->waiting > 0 && !mt_target_is_over(target->hooks))
        target->lib.rd_kafka_poll(target->producer, POLL_MS);
    if (target->waiting == 0)
        return;
    /* time is up: reports come at once now */
    target->lib.rd_kafka_purge(target->producer, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
    uint64_t deadline = mt_clock_steady() + PURGE_MS * UINT64_C(1000000);
    while (target->waiting > 0 && mt_clock_steady() < deadline)
        target->lib.rd_kafka_poll(target->producer, POLL_MS);
}

static bool are_sent(const struct mt_batch *batch, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (batch->states[i] == MT_DOCUMENT_PENDING)
            return false;
    }
    return true;
}

/* A mark says that all before it is there: so it goes when that is true, and what is
 * behind it goes when every partition has the mark. False: not now. */
static bool produce_mark(struct mt_target *target, size_t index)
{
    wait_for_reports(target);
    if (target->waiting > 0 || !are_sent(target->batch, index))
        return false;
    target->is_mark_lost = target->partitions == 0;
    for (int32_t i = 0; i < target->partitions; i++)
        produce(target, index, i);
    wait_for_reports(target);
    if (target->waiting > 0 || target->is_mark_lost)
        return false;
    target->batch->states[index] = MT_DOCUMENT_SENT;
    return true;
}

static void produce_all(struct mt_target *target, struct mt_batch *batch)
{
    for (size_t i = 0; i < batch->count && !mt_target_is_over(target->hooks); i++) {
        if (!is_mark(target, i))
            produce(target, i, partition_of(target, &batch->documents[i]));
        else if (!produce_mark(target, i))
            break;
    }
}

/* The topic's partitions. */
static rd_kafka_resp_err_t ask(struct mt_target *target, int *ret_partitions)
{
    const struct rd_kafka_metadata *metadata = NULL;
    rd_kafka_topic_t *topic = target->lib.rd_kafka_topic_new(target->producer, target->topic, NULL);
    rd_kafka_resp_err_t error = topic == NULL
                                    ? target->lib.rd_kafka_last_error()
                                    : target->lib.rd_kafka_metadata(target->producer, 0, topic, &metadata,
                                                                    (int)(target->config->timeout / 1000000));

    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata != NULL && metadata->topic_cnt == 1) {
        error = metadata->topics[0].err;
        *ret_partitions = metadata->topics[0].partition_cnt;
    }
    if (metadata != NULL)
        target->lib.rd_kafka_metadata_destroy(metadata);
    if (topic != NULL)
        target->lib.rd_kafka_topic_destroy(topic);
    return error;
}

/* Events can't be sent before it is known where to. */
static int find_partitions(struct mt_target *target, struct mt_batch *batch)
{
    if (!target->config->is_events || target->partitions > 0)
        return 0;
    rd_kafka_resp_err_t error = ask(target, &target->partitions);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && target->partitions > 0)
        return 0;
    target->partitions = 0;
    snprintf(batch->reason, sizeof(batch->reason), "%.100s%s%.140s", target->lib.rd_kafka_err2str(error),
             target->error[0] != '\0' ? ": " : "", target->error);
    return -EAGAIN;
}

static int send_batch(struct mt_target *target, struct mt_batch *batch)
{
    size_t pending = 0;
    char why[MT_REASON_MAX];

    if (target->producer == NULL) {
        int error = open_producer(target, batch->reason, sizeof(batch->reason));
        if (error != 0)
            return error;
    }
    if (find_partitions(target, batch) != 0)
        return -EAGAIN;
    target->batch = batch;
    target->waiting = 0;
    produce_all(target, batch);
    wait_for_reports(target);
    if (target->waiting > 0 || target->lib.rd_kafka_fatal_error(target->producer, why, sizeof(why)) != 0)
        close_producer(target); /* a producer that has failed for good says so and is followed by another */
    target->batch = NULL;
    for (size_t i = 0; i < batch->count; i++)
        pending += batch->states[i] == MT_DOCUMENT_PENDING;
    if (pending == 0) {
        target->error[0] = '\0';
        return 0;
    }
    return -EAGAIN;
}

/* Serves what librdkafka has to say between batches. */
static void tick(struct mt_target *target)
{
    if (target->producer != NULL)
        target->lib.rd_kafka_poll(target->producer, 0);
}

static int check(struct mt_target *target, char *ret_reason, size_t reason_size)
{
    int partitions;
    rd_kafka_resp_err_t error = ask(target, &partitions);

    target->lib.rd_kafka_poll(target->producer, 0);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    snprintf(ret_reason, reason_size, "%.100s%s%.140s", target->lib.rd_kafka_err2str(error),
             target->error[0] != '\0' ? ": " : "", target->error);
    return -EHOSTUNREACH;
}

const struct mt_target_ops mt_target_kafka = {
    .create = create,
    .destroy = destroy,
    .send = send_batch,
    .tick = tick,
    .check = check,
};
