#include "flow/flow_priv.h"

#define EMBRYO_LIFE (5 * MT_SEC)

/* The hash is keyed and 64 bits wide: as good a name for the key as any. */
static inline uint64_t fingerprint_of(uint64_t hash)
{
    return hash ? hash : 1;
}

/* Two slots a key; they differ, so one crowded place is never both. */
static inline struct mt_embryo *slot_of(struct mt_flow_table *table, uint64_t hash, unsigned choice)
{
    uint32_t first = (uint32_t)hash & table->embryo_mask;
    uint32_t second = (uint32_t)(hash >> 32) & table->embryo_mask;

    if (choice == 0)
        return &table->embryos[first];
    return &table->embryos[second == first ? first ^ 1 : second];
}

void mt_embryo_prefetch(struct mt_flow_table *table, uint64_t hash)
{
    MT_PREFETCH(slot_of(table, hash, 0));
    MT_PREFETCH(slot_of(table, hash, 1));
}

static inline bool is_live(const struct mt_embryo *embryo, uint64_t now)
{
    return embryo->fingerprint != 0 && now <= embryo->time + EMBRYO_LIFE;
}

struct mt_embryo *mt_embryo_find(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash,
                                 uint64_t now)
{
    (void)key;
    for (unsigned choice = 0; choice < 2; choice++) {
        struct mt_embryo *embryo = slot_of(table, hash, choice);
        if (embryo->fingerprint != fingerprint_of(hash))
            continue;
        if (is_live(embryo, now))
            return embryo;
        mt_stats_add(table->stats, MT_COUNTER_EMBRYOS_EXPIRED, 1);
        embryo->fingerprint = 0;
    }
    return NULL;
}

/* The slot to take for a new embryo: one that holds nothing any more, else the
 * one whose embryo is older. */
static struct mt_embryo *slot_for(struct mt_flow_table *table, uint64_t hash, uint64_t now)
{
    struct mt_embryo *a = slot_of(table, hash, 0);
    struct mt_embryo *b = slot_of(table, hash, 1);
    struct mt_embryo *embryo = a;

    if (is_live(a, now) && (!is_live(b, now) || b->time < a->time))
        embryo = b;
    if (is_live(embryo, now))
        mt_stats_add(table->stats, MT_COUNTER_EMBRYOS_EVICTED, 1);
    else if (embryo->fingerprint != 0)
        mt_stats_add(table->stats, MT_COUNTER_EMBRYOS_EXPIRED, 1);
    return embryo;
}

struct mt_embryo *mt_embryo_add(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash,
                                uint64_t now, bool *ret_new)
{
    struct mt_embryo *embryo = mt_embryo_find(table, key, hash, now);

    if (embryo) {
        *ret_new = false;
        return embryo;
    }
    embryo = slot_for(table, hash, now);
    memset(embryo, 0, sizeof(*embryo));
    embryo->fingerprint = fingerprint_of(hash);
    embryo->time = now;
    *ret_new = true;
    return embryo;
}

void mt_embryo_remove(struct mt_flow_table *table, struct mt_embryo *embryo)
{
    (void)table;
    memset(embryo, 0, sizeof(*embryo));
}
