#include "flow/flow_priv.h"

#define EMBRYO_LIFE (5 * MT_SEC)

/* A set of embryos is reached through one line that holds their fingerprints:
 * a look-up costs that line, and the embryo's own when it is there. Eight ways,
 * because two would forget handshakes by bad luck while the table is nearly
 * empty (one in five thousand at a load of 1.5 %, seen). */

/* The hash is keyed and 64 bits wide: as good a name for the key as any. */
static inline uint64_t fingerprint_of(uint64_t hash)
{
    return hash ? hash : 1;
}

static inline size_t set_of(const struct mt_flow_table *table, uint64_t hash)
{
    return (size_t)(hash & (table->embryo_set_count - 1));
}

static inline bool is_live(const struct mt_embryo *embryo, uint64_t now)
{
    return embryo->fingerprint != 0 && now <= embryo->time + EMBRYO_LIFE;
}

void mt_embryo_prefetch(struct mt_flow_table *table, uint64_t hash)
{
    MT_PREFETCH(&table->embryo_prints[set_of(table, hash)]);
}

static void slot_clear(struct mt_flow_table *table, struct mt_embryo *embryo)
{
    size_t slot = (size_t)(embryo - table->embryos);

    table->embryo_prints[slot / MT_EMBRYO_WAYS].print[slot % MT_EMBRYO_WAYS] = 0;
    embryo->fingerprint = 0;
}

struct mt_embryo *mt_embryo_find(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash,
                                 uint64_t now)
{
    size_t set = set_of(table, hash);
    const struct mt_embryo_prints *prints = &table->embryo_prints[set];

    (void)key;
    for (size_t way = 0; way < MT_EMBRYO_WAYS; way++) {
        if (prints->print[way] != fingerprint_of(hash))
            continue;
        struct mt_embryo *embryo = &table->embryos[set * MT_EMBRYO_WAYS + way];
        if (is_live(embryo, now))
            return embryo;
        mt_stats_add(table->stats, MT_COUNTER_EMBRYOS_EXPIRED, 1);
        slot_clear(table, embryo);
    }
    return NULL;
}

/* The slot to take for a new embryo: a free one, else one whose time is over,
 * else the oldest. */
static struct mt_embryo *slot_for(struct mt_flow_table *table, uint64_t hash, uint64_t now)
{
    size_t set = set_of(table, hash);
    struct mt_embryo *slots = &table->embryos[set * MT_EMBRYO_WAYS];
    struct mt_embryo *oldest = slots;

    for (size_t way = 0; way < MT_EMBRYO_WAYS; way++) {
        if (table->embryo_prints[set].print[way] == 0)
            return &slots[way];
        if (slots[way].time < oldest->time)
            oldest = &slots[way];
    }
    mt_stats_add(table->stats, is_live(oldest, now) ? MT_COUNTER_EMBRYOS_EVICTED : MT_COUNTER_EMBRYOS_EXPIRED,
                 1);
    return oldest;
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
    size_t slot = (size_t)(embryo - table->embryos);
    table->embryo_prints[slot / MT_EMBRYO_WAYS].print[slot % MT_EMBRYO_WAYS] = embryo->fingerprint;
    *ret_new = true;
    return embryo;
}

void mt_embryo_remove(struct mt_flow_table *table, struct mt_embryo *embryo)
{
    slot_clear(table, embryo);
}
