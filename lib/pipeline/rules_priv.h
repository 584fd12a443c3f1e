/* The site and the thresholds of a live run, which a reload replaces while
 * threads use them.
 *
 * Every reload makes a copy of its own. A thread looks between two bursts whether
 * there is a newer one, takes it, and says so; a copy that no thread has taken or
 * could take is freed. So no thread waits, and whoever reloads needn't wait for
 * one that is held up (the collector, in a sink).
 *
 * Ownership: the set owns the copies. Thread: publish, sweep and fini by one (the
 * control thread); check and taken by each user. Limits: none.
 */
#ifndef MT_PIPELINE_RULES_PRIV_H
#define MT_PIPELINE_RULES_PRIV_H

#include "detect/detect.h"
#include "sigma/sigma.h"

#include <stdatomic.h>

struct mt_rules {
    struct mt_site site;
    struct mt_detect_config detect;
    struct mt_sigma *sigma; /* NULL: none; goes with the copy */
    struct mt_rules *older; /* in the set */
};

struct mt_rules_set {
    struct mt_rules *newest;
    _Atomic(const struct mt_rules *) wanted;
};

/* One thread's view. */
struct mt_rules_user {
    const struct mt_rules_set *set; /* NULL: nothing is ever reloaded */
    _Atomic(const struct mt_rules *) taken;
};

/* A copy, made the newest; sigma is taken over. -ENOMEM: everything stays as it is. */
int mt_rules_publish(struct mt_rules_set *set, const struct mt_site *site,
                     const struct mt_detect_config *detect, struct mt_sigma *sigma);

/* Frees copies that none of the users has; NULL among them is skipped. */
void mt_rules_sweep(struct mt_rules_set *set, struct mt_rules_user *const *users, size_t user_count);
void mt_rules_fini(struct mt_rules_set *set);

/* The rules to be taken now, or NULL: nothing new. When they are in use, and the
 * ones before are not, say mt_rules_taken. */
static inline const struct mt_rules *mt_rules_check(const struct mt_rules_user *user)
{
    if (!user->set)
        return NULL;
    const struct mt_rules *wanted = atomic_load_explicit(&user->set->wanted, memory_order_acquire);
    return wanted == atomic_load_explicit(&user->taken, memory_order_relaxed) ? NULL : wanted;
}

static inline void mt_rules_taken(struct mt_rules_user *user, const struct mt_rules *rules)
{
    atomic_store_explicit(&user->taken, rules, memory_order_release);
}

static inline bool mt_rules_is_current(const struct mt_rules_user *user)
{
    return atomic_load_explicit(&user->taken, memory_order_acquire) ==
           atomic_load_explicit(&user->set->wanted, memory_order_relaxed);
}

#endif
