/* A topic of Kafka as a member of a consumer group reads it: messages of the
 * partitions that are this member's, offsets committed with a note, and messages
 * written to a partition. What the messages mean is not known here.
 *
 * Partitions come and go while mt_topic_poll runs, by calls to `assigned` and
 * `revoked`. Everything of a partition that is revoked can still be committed from
 * within that call; of one that is lost (is_lost: the group has given it to somebody
 * else already) nothing can.
 *
 * Ownership: a topic copies its config; messages are lent until the next poll. Thread:
 * one. Limits: MT_TOPIC_NOTE_MAX bytes a note. librdkafka is opened when a topic is
 * created.
 */
#ifndef MT_TOPIC_TOPIC_H
#define MT_TOPIC_TOPIC_H

#include "base/span.h"

#define MT_TOPIC_NOTE_MAX 256u
#define MT_TOPIC_OFFSET_NONE INT64_MIN /* nothing is committed */
#define MT_TOPIC_OFFSET_BEGINNING (-2) /* the oldest message there is */

struct mt_topic_config {
    const char *brokers; /* host:port,... */
    const char *topic;
    const char *group;
    const char *const *properties; /* NAME=VALUE of librdkafka; none that is set here */
    size_t property_count;
    uint32_t timeout_ms; /* of a commit, and of a message to be written */
    /* committed: what was committed with its note, or MT_TOPIC_OFFSET_NONE. end: the next
     * offset to be written; INT64_MAX when it can't be had. Returns where to begin. */
    int64_t (*assigned)(void *ctx, int32_t partition, int64_t committed, int64_t end, const char *note);
    void (*revoked)(void *ctx, int32_t partition, bool is_lost);
    void *ctx;
};

struct mt_topic_message {
    int32_t partition;
    int64_t offset;
    uint64_t stamp; /* ns since the epoch; 0: none */
    struct mt_span bytes;
};

struct mt_topic;

/* 0, or -errno and a sentence: an unknown property, no librdkafka. That brokers are
 * away is no failure. */
int mt_topic_create(const struct mt_topic_config *config, char *ret_reason, size_t reason_size,
                    struct mt_topic **ret_topic);

/* Gives the partitions back (revoked is called for each). */
void mt_topic_destroy(struct mt_topic *topic);

/* Is the topic there? The number of its partitions; or -errno and a sentence. */
int mt_topic_check(struct mt_topic *topic, char *ret_reason, size_t reason_size);

/* False: nothing came in time. */
bool mt_topic_poll(struct mt_topic *topic, uint32_t wait_ms, struct mt_topic_message *ret_message);

/* The messages of the partition from offset on come next. */
bool mt_topic_seek(struct mt_topic *topic, int32_t partition, int64_t offset);

/* Everything before offset is done with. Returns when the brokers have it. False:
 * they have not; why is in mt_topic_error. */
bool mt_topic_commit(struct mt_topic *topic, int32_t partition, int64_t offset, const char *note);

/* Writes a message to a partition; its offset, or -1: why is in mt_topic_error. */
int64_t mt_topic_put(struct mt_topic *topic, int32_t partition, struct mt_span bytes);

/* Of the last failure; "" when there was none since this was asked last. */
const char *mt_topic_error(struct mt_topic *topic);

#endif
