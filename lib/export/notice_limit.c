#include "export/notice_priv.h"

#include "base/hash.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#define SLOTS (2 * MT_NOTICE_KEYS_MAX)

struct slot {
    uint64_t hash; /* of rule and key; 0: free */
    uint64_t count;
};

struct mt_notice_limit {
    pthread_mutex_t lock;
    uint64_t period;
    uint64_t each_max;
    uint64_t all_max;
    uint64_t begin; /* of the period; 0: none runs */
    uint64_t sent;
    uint32_t used;
    struct mt_notice_sum held;
    uint64_t held_since; /* begin of the period of the first that is held */
    bool is_due;         /* that period is over, and another one runs */
    struct slot slots[SLOTS];
};

int mt_notice_limit_create(uint64_t period, uint64_t each_max, uint64_t all_max,
                           struct mt_notice_limit **ret_limit)
{
    struct mt_notice_limit *limit = calloc(1, sizeof(*limit));

    if (limit == NULL)
        return -ENOMEM;
    pthread_mutex_init(&limit->lock, NULL);
    limit->period = period;
    limit->each_max = each_max;
    limit->all_max = all_max;
    *ret_limit = limit;
    return 0;
}

void mt_notice_limit_destroy(struct mt_notice_limit *limit)
{
    if (limit == NULL)
        return;
    pthread_mutex_destroy(&limit->lock);
    free(limit);
}

static bool is_over(const struct mt_notice_limit *limit, uint64_t now)
{
    return limit->begin != 0 && now - limit->begin >= limit->period;
}

/* What is held back stays until a sum has told it, which is due now: alerts that
 * go on without a pause begin each period before anybody asks for a sum. */
static void begin_period(struct mt_notice_limit *limit, uint64_t now)
{
    limit->is_due = limit->held.total > 0;
    limit->begin = now;
    limit->sent = 0;
    limit->used = 0;
    memset(limit->slots, 0, sizeof(limit->slots));
}

/* NULL: the table is full. */
static struct slot *find_slot(struct mt_notice_limit *limit, uint64_t hash)
{
    size_t at = hash % SLOTS;

    while (limit->slots[at].hash != 0 && limit->slots[at].hash != hash)
        at = (at + 1) % SLOTS;
    if (limit->slots[at].hash == 0) {
        if (limit->used == MT_NOTICE_KEYS_MAX)
            return NULL;
        limit->used++;
        limit->slots[at].hash = hash;
    }
    return &limit->slots[at];
}

static void hold(struct mt_notice_limit *limit, struct mt_span rule, uint8_t level)
{
    struct mt_notice_sum *held = &limit->held;
    uint32_t i = 0;

    if (held->total++ == 0)
        limit->held_since = limit->begin;
    held->level = level > held->level ? level : held->level;
    while (i < held->rule_count && !mt_span_eq(mt_span_cstr(held->rules[i].name), rule))
        i++;
    if (i == held->rule_count) {
        if (i == MT_NOTICE_RULES_MAX || rule.size >= sizeof(held->rules[i].name)) {
            held->others++;
            return;
        }
        memcpy(held->rules[i].name, rule.ptr, rule.size);
        held->rules[i].name[rule.size] = '\0';
        held->rule_count++;
    }
    held->rules[i].count++;
    held->rules[i].level = level > held->rules[i].level ? level : held->rules[i].level;
}

bool mt_notice_limit_admit(struct mt_notice_limit *limit, uint64_t now, struct mt_span rule,
                           struct mt_span key, uint8_t level)
{
    uint64_t hash = mt_hash_pair(mt_hash_bytes(0, rule), mt_hash_bytes(1, key), level);

    pthread_mutex_lock(&limit->lock);
    if (limit->begin == 0 || is_over(limit, now))
        begin_period(limit, now);
    struct slot *slot = find_slot(limit, hash == 0 ? 1 : hash);
    bool is_admitted = limit->sent < limit->all_max && (slot == NULL || slot->count < limit->each_max);
    if (is_admitted) {
        limit->sent++;
        if (slot != NULL)
            slot->count++;
    } else {
        hold(limit, rule, level);
    }
    pthread_mutex_unlock(&limit->lock);
    return is_admitted;
}

bool mt_notice_limit_sum(struct mt_notice_limit *limit, uint64_t now, bool with_all,
                         struct mt_notice_sum *ret_sum)
{
    pthread_mutex_lock(&limit->lock);
    bool is_due = limit->held.total > 0 && (with_all || limit->is_due || is_over(limit, now));
    if (is_due) {
        *ret_sum = limit->held;
        ret_sum->period = now - limit->held_since;
        limit->held = (struct mt_notice_sum){.total = 0};
        limit->is_due = false;
        if (is_over(limit, now))
            limit->begin = 0;
    }
    pthread_mutex_unlock(&limit->lock);
    return is_due;
}
