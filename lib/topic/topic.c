#include "topic/topic.h"

#include "late/late.h"

#include <errno.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#define ERROR_MAX 256u
#define POLL_MS 20
#define TRIES_MAX 10u

struct calls {
#define MT_LATE(name) __typeof__(name) *name;
#include "topic/rdkafka.def"
#undef MT_LATE
};

static const char *const call_names[] = {
#define MT_LATE(name) #name,
#include "topic/rdkafka.def"
#undef MT_LATE
};

struct mt_topic {
    struct calls lib;
    struct mt_topic_config config;
    char *name;
    rd_kafka_t *consumer;
    rd_kafka_t *producer;
    rd_kafka_message_t *message; /* in the caller's hands */
    rd_kafka_resp_err_t put_error;
    int64_t put_offset;
    bool is_put;
    rd_kafka_topic_partition_list_t *pending; /* given by the group, and could not be begun yet */
    char error[ERROR_MAX];
    char told[ERROR_MAX];
};

static void fail(struct mt_topic *topic, const char *what, rd_kafka_resp_err_t error)
{
    snprintf(topic->error, sizeof(topic->error), "%s: %.180s", what, topic->lib.rd_kafka_err2str(error));
}

static void on_error(rd_kafka_t *client, int error, const char *reason, void *opaque)
{
    struct mt_topic *topic = opaque;
    (void)client;
    (void)error;
    snprintf(topic->error, sizeof(topic->error), "%s", reason);
}

static void on_report(rd_kafka_t *producer, const rd_kafka_message_t *message, void *opaque)
{
    struct mt_topic *topic = opaque;
    (void)producer;
    topic->put_error = message->err;
    topic->put_offset = message->offset;
    topic->is_put = true;
}

/* --- partitions come and go ------------------------------------------------------------ */

/* INT64_MAX: not to be had. Who has not answered once is not asked again. */
static int64_t end_of(const struct mt_topic *topic, int32_t partition, bool *has_answered)
{
    int64_t low;
    int64_t high = INT64_MAX;
    rd_kafka_resp_err_t error = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (*has_answered)
        error = topic->lib.rd_kafka_query_watermark_offsets(topic->consumer, topic->name, partition, &low,
                                                            &high, (int)topic->config.timeout_ms);
    *has_answered &= error == RD_KAFKA_RESP_ERR_NO_ERROR;
    return *has_answered ? high : INT64_MAX;
}

/* Without what is committed there is nowhere to begin: asked for until it is known, or
 * the poll that this is in has taken its time; then the next poll goes on. */
static rd_kafka_resp_err_t begin(struct mt_topic *topic, rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t error;
    unsigned tries = 0;
    bool has_answered = true;
    do
        error = topic->lib.rd_kafka_committed(topic->consumer, list, (int)topic->config.timeout_ms);
    while (error != RD_KAFKA_RESP_ERR_NO_ERROR && ++tries < TRIES_MAX);
    for (int i = 0; i < list->cnt && error == RD_KAFKA_RESP_ERR_NO_ERROR; i++) {
        rd_kafka_topic_partition_t *one = &list->elems[i];
        char note[MT_TOPIC_NOTE_MAX] = "";
        if (one->err != RD_KAFKA_RESP_ERR_NO_ERROR)
            return one->err;
        if (one->metadata_size > 0)
            snprintf(note, sizeof(note), "%.*s", (int)one->metadata_size, (const char *)one->metadata);
        int64_t committed = one->offset >= 0 ? one->offset : MT_TOPIC_OFFSET_NONE;
        int64_t end = committed >= 0 ? end_of(topic, one->partition, &has_answered) : INT64_MAX;
        one->offset = topic->config.assigned(topic->config.ctx, one->partition, committed, end, note);
    }
    return error;
}

static void drop_pending(struct mt_topic *topic)
{
    if (topic->pending)
        topic->lib.rd_kafka_topic_partition_list_destroy(topic->pending);
    topic->pending = NULL;
}

static void begin_pending(struct mt_topic *topic)
{
    rd_kafka_resp_err_t error = begin(topic, topic->pending);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR) {
        fail(topic, "what was committed can't be had", error);
        return;
    }
    topic->lib.rd_kafka_assign(topic->consumer, topic->pending);
    drop_pending(topic);
}

static void on_rebalance(rd_kafka_t *consumer, rd_kafka_resp_err_t what,
                         rd_kafka_topic_partition_list_t *list, void *opaque)
{
    struct mt_topic *topic = opaque;
    drop_pending(topic);
    if (what == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
        rd_kafka_resp_err_t error = begin(topic, list);
        if (error == RD_KAFKA_RESP_ERR_NO_ERROR) {
            topic->lib.rd_kafka_assign(consumer, list);
            return;
        }
        fail(topic, "what was committed can't be had", error);
        topic->lib.rd_kafka_assign(consumer, NULL);
        topic->pending = topic->lib.rd_kafka_topic_partition_list_copy(list);
        return;
    }
    bool is_lost =
        what != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS || topic->lib.rd_kafka_assignment_lost(consumer);
    for (int i = 0; i < list->cnt; i++)
        topic->config.revoked(topic->config.ctx, list->elems[i].partition, is_lost);
    topic->lib.rd_kafka_assign(consumer, NULL);
}

/* --- clients ----------------------------------------------------------------------------- */

struct property {
    const char *name;
    const char *value;
};

/* What mailtap relies on, by any name it has. */
static bool is_own(const char *name, const struct property *list, size_t count)
{
    static const char *const others[] = {"auto.commit.enable", "delivery.timeout.ms", "metadata.broker.list",
                                         "transactional.id"};
    for (size_t i = 0; i < MT_ARRAY_COUNT(others); i++) {
        if (strcmp(name, others[i]) == 0)
            return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(name, list[i].name) == 0)
            return strcmp(name, "client.id") != 0;
    }
    return false;
}

static int set_all(const struct mt_topic *topic, rd_kafka_conf_t *conf, const struct property *list,
                   size_t count, char *ret_reason, size_t size)
{
    for (size_t i = 0; i < count; i++) {
        if (topic->lib.rd_kafka_conf_set(conf, list[i].name, list[i].value, ret_reason, size) !=
            RD_KAFKA_CONF_OK)
            return -EINVAL;
    }
    for (size_t i = 0; i < topic->config.property_count; i++) {
        char name[128];
        const char *text = topic->config.properties[i];
        const char *equals = strchr(text, '=');
        if (!equals) {
            snprintf(ret_reason, size, "%s has no value; write NAME=VALUE", text);
            return -EINVAL;
        }
        snprintf(name, sizeof(name), "%.*s", (int)(equals - text), text);
        if (is_own(name, list, count)) {
            snprintf(ret_reason, size, "%s is mailtap's own to set: leave it out", name);
            return -EINVAL;
        }
        if (topic->lib.rd_kafka_conf_set(conf, name, equals + 1, ret_reason, size) != RD_KAFKA_CONF_OK)
            return -EINVAL;
    }
    return 0;
}

static int open_client(struct mt_topic *topic, rd_kafka_type_t type, const struct property *list,
                       size_t count, char *ret_reason, size_t size, rd_kafka_t **ret_client)
{
    rd_kafka_conf_t *conf = topic->lib.rd_kafka_conf_new();
    int rc = set_all(topic, conf, list, count, ret_reason, size);
    topic->lib.rd_kafka_conf_set_opaque(conf, topic);
    topic->lib.rd_kafka_conf_set_error_cb(conf, on_error);
    topic->lib.rd_kafka_conf_set_log_cb(conf, NULL); /* what matters comes as an error */
    if (type == RD_KAFKA_CONSUMER)
        topic->lib.rd_kafka_conf_set_rebalance_cb(conf, on_rebalance);
    else
        topic->lib.rd_kafka_conf_set_dr_msg_cb(conf, on_report);
    if (rc == 0) {
        *ret_client = topic->lib.rd_kafka_new(type, conf, ret_reason, size);
        if (*ret_client)
            return 0; /* it owns conf now */
        rc = -EINVAL;
    }
    topic->lib.rd_kafka_conf_destroy(conf);
    return rc;
}

static int open_clients(struct mt_topic *topic, char *ret_reason, size_t size)
{
    char timeout[24];
    snprintf(timeout, sizeof(timeout), "%u", topic->config.timeout_ms);
    /* messages of a transaction that was given up are nobody's */
    const struct property consumer[] = {
        {"bootstrap.servers", topic->config.brokers},
        {"client.id", "mailtap"},
        {"group.id", topic->config.group},
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
        {"auto.offset.reset", "earliest"},
        {"isolation.level", "read_committed"},
        {"partition.assignment.strategy", "range"},
    };
    const struct property producer[] = {
        {"bootstrap.servers", topic->config.brokers},
        {"client.id", "mailtap"},
        {"enable.idempotence", "true"},
        {"message.timeout.ms", timeout},
        {"linger.ms", "0"},
    };
    int rc = open_client(topic, RD_KAFKA_CONSUMER, consumer, MT_ARRAY_COUNT(consumer), ret_reason, size,
                         &topic->consumer);
    if (rc == 0)
        rc = open_client(topic, RD_KAFKA_PRODUCER, producer, MT_ARRAY_COUNT(producer), ret_reason, size,
                         &topic->producer);
    if (rc != 0)
        return rc;
    topic->lib.rd_kafka_poll_set_consumer(topic->consumer);
    rd_kafka_topic_partition_list_t *list = topic->lib.rd_kafka_topic_partition_list_new(1);
    topic->lib.rd_kafka_topic_partition_list_add(list, topic->name, RD_KAFKA_PARTITION_UA);
    rd_kafka_resp_err_t error = topic->lib.rd_kafka_subscribe(topic->consumer, list);
    topic->lib.rd_kafka_topic_partition_list_destroy(list);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    snprintf(ret_reason, size, "%s", topic->lib.rd_kafka_err2str(error));
    return -EINVAL;
}

int mt_topic_create(const struct mt_topic_config *config, char *ret_reason, size_t reason_size,
                    struct mt_topic **ret_topic)
{
    struct mt_topic *topic = calloc(1, sizeof(*topic));
    if (!topic || !(topic->name = strdup(config->topic))) {
        free(topic);
        snprintf(ret_reason, reason_size, "there is no memory for it");
        return -ENOMEM;
    }
    topic->config = *config;
    int rc = mt_late_load(MT_LATE_RDKAFKA, call_names, MT_ARRAY_COUNT(call_names), &topic->lib, ret_reason,
                          reason_size);
    if (rc == 0)
        rc = open_clients(topic, ret_reason, reason_size);
    if (rc != 0)
        mt_topic_destroy(topic);
    else
        *ret_topic = topic;
    return rc;
}

void mt_topic_destroy(struct mt_topic *topic)
{
    if (!topic)
        return;
    if (topic->message)
        topic->lib.rd_kafka_message_destroy(topic->message);
    if (topic->consumer) {
        drop_pending(topic);
        topic->lib.rd_kafka_consumer_close(topic->consumer);
        topic->lib.rd_kafka_destroy(topic->consumer);
    }
    if (topic->producer)
        topic->lib.rd_kafka_destroy(topic->producer);
    free(topic->name);
    free(topic);
}

int mt_topic_check(struct mt_topic *topic, char *ret_reason, size_t reason_size)
{
    const struct rd_kafka_metadata *metadata = NULL;
    int count = 0;
    rd_kafka_topic_t *handle = topic->lib.rd_kafka_topic_new(topic->producer, topic->name, NULL);
    rd_kafka_resp_err_t error = handle ? topic->lib.rd_kafka_metadata(topic->producer, 0, handle, &metadata,
                                                                      (int)topic->config.timeout_ms)
                                       : topic->lib.rd_kafka_last_error();
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && metadata && metadata->topic_cnt == 1) {
        error = metadata->topics[0].err;
        count = metadata->topics[0].partition_cnt;
    }
    if (metadata)
        topic->lib.rd_kafka_metadata_destroy(metadata);
    if (handle)
        topic->lib.rd_kafka_topic_destroy(handle);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR && count > 0)
        return count;
    topic->lib.rd_kafka_poll(topic->producer, 0);
    snprintf(ret_reason, reason_size, "%.100s%s%.140s", topic->lib.rd_kafka_err2str(error),
             topic->error[0] ? ": " : "", topic->error);
    return -EHOSTUNREACH;
}

/* --- messages --------------------------------------------------------------------------- */

bool mt_topic_poll(struct mt_topic *topic, uint32_t wait_ms, struct mt_topic_message *ret_message)
{
    if (topic->message)
        topic->lib.rd_kafka_message_destroy(topic->message);
    topic->message = topic->lib.rd_kafka_consumer_poll(topic->consumer, (int)wait_ms);
    const rd_kafka_message_t *message = topic->message;
    if (topic->pending)
        begin_pending(topic);
    if (!message)
        return false;
    if (message->err != RD_KAFKA_RESP_ERR_NO_ERROR) {
        if (message->err != RD_KAFKA_RESP_ERR__PARTITION_EOF)
            fail(topic, "reading", message->err);
        return false;
    }
    rd_kafka_timestamp_type_t type;
    int64_t ms = topic->lib.rd_kafka_message_timestamp(message, &type);
    *ret_message = (struct mt_topic_message){
        .partition = message->partition,
        .offset = message->offset,
        .stamp = ms > 0 ? (uint64_t)ms * 1000000 : 0,
        .bytes = mt_span(message->payload, message->len),
    };
    return true;
}

static rd_kafka_topic_partition_list_t *list_of(const struct mt_topic *topic, int32_t partition,
                                                int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = topic->lib.rd_kafka_topic_partition_list_new(1);
    topic->lib.rd_kafka_topic_partition_list_add(list, topic->name, partition)->offset = offset;
    return list;
}

bool mt_topic_seek(struct mt_topic *topic, int32_t partition, int64_t offset)
{
    rd_kafka_topic_partition_list_t *list = list_of(topic, partition, offset);
    rd_kafka_error_t *error =
        topic->lib.rd_kafka_seek_partitions(topic->consumer, list, (int)topic->config.timeout_ms);
    rd_kafka_resp_err_t code = error ? topic->lib.rd_kafka_error_code(error) : list->elems[0].err;
    if (error)
        topic->lib.rd_kafka_error_destroy(error);
    topic->lib.rd_kafka_topic_partition_list_destroy(list);
    if (code != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail(topic, "going back", code);
    return code == RD_KAFKA_RESP_ERR_NO_ERROR;
}

bool mt_topic_commit(struct mt_topic *topic, int32_t partition, int64_t offset, const char *note)
{
    rd_kafka_topic_partition_list_t *list = list_of(topic, partition, offset);
    list->elems[0].metadata = strdup(note); /* the list's own */
    list->elems[0].metadata_size = list->elems[0].metadata ? strlen(note) : 0;
    rd_kafka_resp_err_t error = topic->lib.rd_kafka_commit(topic->consumer, list, 0);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = list->elems[0].err;
    topic->lib.rd_kafka_topic_partition_list_destroy(list);
    if (error != RD_KAFKA_RESP_ERR_NO_ERROR)
        fail(topic, "committing", error);
    return error == RD_KAFKA_RESP_ERR_NO_ERROR;
}

int64_t mt_topic_put(struct mt_topic *topic, int32_t partition, struct mt_span bytes)
{
    topic->is_put = false;
    rd_kafka_resp_err_t error = topic->lib.rd_kafka_producev(
        topic->producer, RD_KAFKA_V_TOPIC(topic->name), RD_KAFKA_V_PARTITION(partition),
        RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_VALUE((void *)(uintptr_t)bytes.ptr, bytes.size),
        RD_KAFKA_V_END);
    /* a report comes in message.timeout.ms, whatever happens */
    while (error == RD_KAFKA_RESP_ERR_NO_ERROR && !topic->is_put)
        topic->lib.rd_kafka_poll(topic->producer, POLL_MS);
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        error = topic->put_error;
    if (error == RD_KAFKA_RESP_ERR_NO_ERROR)
        return topic->put_offset;
    fail(topic, "writing", error);
    return -1;
}

const char *mt_topic_error(struct mt_topic *topic)
{
    memcpy(topic->told, topic->error, sizeof(topic->told));
    topic->error[0] = '\0';
    return topic->told;
}
