/* A member of the group that judges correlations of several sensors: the partitions
 * that are its own, what is known of each, and where in the topic that stands.
 *
 * Of each partition an offset is committed, behind which nothing has been said yet,
 * with a note: where in the topic its state stands, and up to which offset that goes.
 * A partition that is begun reads the state, then what is between it and the committed
 * offset in silence, then goes on.
 *
 * Ownership: borrows options and sink. Thread: main. Limits: MT_MEMBER_PARTITIONS_MAX.
 */
#ifndef MT_APP_MEMBER_H
#define MT_APP_MEMBER_H

#include "pipeline/share.h"
#include "stats/stats.h"
#include "topic/topic.h"

#define MT_MEMBER_PARTITIONS_MAX 256u

struct mt_member_config {
    struct mt_share_config share; /* without alert, complain and ctx */
    uint64_t state_every;         /* ns between two states of a partition */
    /* of an alert that nobody has been told of; false: it could not be kept */
    bool (*alert)(void *ctx, const struct mt_record_alert *alert, enum mt_level level);
    /* All alerts so far are where they can't be lost. False: not yet. */
    bool (*is_safe)(void *ctx);
    void (*complain)(void *ctx, const char *sentence);
    void *ctx;
};

struct mt_member;

/* NULL when memory is short. topic: created with mt_member_assigned and mt_member_revoked. */
struct mt_member *mt_member_create(const struct mt_member_config *config);
void mt_member_destroy(struct mt_member *member);
void mt_member_use(struct mt_member *member, struct mt_topic *topic);

int64_t mt_member_assigned(void *member, int32_t partition, int64_t committed, int64_t end, const char *note);
void mt_member_revoked(void *member, int32_t partition, bool is_lost);

/* Takes messages for about wait_ms, and commits what is due. */
void mt_member_run(struct mt_member *member, uint32_t wait_ms);

/* It has partitions, and every one of them is over (mt_share_is_over). */
bool mt_member_is_over(const struct mt_member *member);

uint32_t mt_member_partitions(const struct mt_member *member);

/* Adds what has been counted. */
void mt_member_count(const struct mt_member *member, struct mt_stats *into);

#endif
