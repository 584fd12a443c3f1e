#include "flow/flow_priv.h"

#define EMBRYO_LIFE (5 * MT_SEC)

/* A set of embryos is reached through one line that says of each its fingerprint,
 * its age and whether it was answered: a look-up costs that line, and the embryo's
 * own when it is there; who gives way is told without touching any. Eight ways,
 * because two would forget handshakes by bad luck while the table is nearly
 * empty (one in five thousand at a load of 1.5 %, seen).
 *
 * A print is 48 bits of the hash, a bit for the answer, and 15 bits of time in
 * units of 2^24 ns (17 ms; they come round after nine minutes, when one that was
 * forgotten for so long looks young again, and only gives way later). */
#define PRINT_TAG_SHIFT 16
#define PRINT_ANSWERED (UINT64_C(1) << 15)
#define PRINT_AGE_MASK (PRINT_ANSWERED - 1)
#define PRINT_AGE_SHIFT 24
#define AGE_EXPIRED ((EMBRYO_LIFE >> PRINT_AGE_SHIFT) + 1)

/* The hash is keyed and 64 bits wide: as good a name for the key as any. */
static inline uint64_t fingerprint_of(uint64_t hash)
{
    return hash ? hash : 1;
}

static inline uint64_t print_of(uint64_t hash, uint64_t now)
{
    uint64_t tag = hash >> PRINT_TAG_SHIFT;
    return (tag ? tag : 1) << PRINT_TAG_SHIFT | (now >> PRINT_AGE_SHIFT & PRINT_AGE_MASK);
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

static uint64_t *slot_print(struct mt_flow_table *table, const struct mt_embryo *embryo)
{
    size_t slot = (size_t)(embryo - table->embryos);

    return &table->embryo_prints[slot / MT_EMBRYO_WAYS].print[slot % MT_EMBRYO_WAYS];
}

static void slot_clear(struct mt_flow_table *table, struct mt_embryo *embryo)
{
    *slot_print(table, embryo) = 0;
    embryo->fingerprint = 0;
}

struct mt_embryo *mt_embryo_find(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash,
                                 uint64_t now)
{
    size_t set = set_of(table, hash);
    const struct mt_embryo_prints *prints = &table->embryo_prints[set];
    uint64_t wanted = print_of(hash, 0);

    (void)key;
    for (size_t way = 0; way < MT_EMBRYO_WAYS; way++) {
        if (MT_LIKELY((prints->print[way] ^ wanted) >> PRINT_TAG_SHIFT != 0))
            continue;
        struct mt_embryo *embryo = &table->embryos[set * MT_EMBRYO_WAYS + way];
        if (embryo->fingerprint != fingerprint_of(hash))
            continue;
        if (is_live(embryo, now))
            return embryo;
        mt_stats_add(table->stats, MT_COUNTER_EMBRYOS_EXPIRED, 1);
        slot_clear(table, embryo);
    }
    return NULL;
}

/* Who gives way first: the oldest of those whose time is over, then of those that
 * nobody answered, so that a flood of SYNs pushes out its own; then of all. */
#define RANK_EXPIRED (UINT32_C(1) << 17)
#define RANK_UNANSWERED (UINT32_C(1) << 16)

static inline uint32_t rank_of(uint64_t print, uint64_t now)
{
    uint32_t age = (uint32_t)(((now >> PRINT_AGE_SHIFT) - print) & PRINT_AGE_MASK);

    if (age > AGE_EXPIRED)
        return age | RANK_EXPIRED;
    return (print & PRINT_ANSWERED ? age : age | RANK_UNANSWERED) + 1;
}

/* The way to take for a new embryo; *ret_rank is 0 when it is free. */
static size_t way_for(const struct mt_embryo_prints *prints, uint64_t now, uint32_t *ret_rank)
{
    uint32_t highest = 0;
    size_t victim = 0;

    for (size_t way = 0; way < MT_EMBRYO_WAYS; way++) {
        if (prints->print[way] == 0) {
            *ret_rank = 0;
            return way;
        }
        uint32_t rank = rank_of(prints->print[way], now);
        if (rank > highest) {
            highest = rank;
            victim = way;
        }
    }
    *ret_rank = highest;
    return victim;
}

static struct mt_embryo *slot_for(struct mt_flow_table *table, uint64_t hash, uint64_t now)
{
    size_t set = set_of(table, hash);
    uint32_t rank;
    size_t way = way_for(&table->embryo_prints[set], now, &rank);

    while (MT_UNLIKELY(rank > 0 && !(rank & RANK_EXPIRED)) && mt_flow_grow_embryos(table)) {
        set = set_of(table, hash);
        way = way_for(&table->embryo_prints[set], now, &rank);
    }
    if (rank > 0)
        mt_stats_add(table->stats,
                     rank & RANK_EXPIRED ? MT_COUNTER_EMBRYOS_EXPIRED : MT_COUNTER_EMBRYOS_EVICTED, 1);
    return &table->embryos[set * MT_EMBRYO_WAYS + way];
}

void mt_embryo_prefetch_slot(struct mt_flow_table *table, uint64_t hash, uint64_t now)
{
    size_t set = set_of(table, hash);
    uint32_t rank;
    const struct mt_embryo *slot =
        &table->embryos[set * MT_EMBRYO_WAYS + way_for(&table->embryo_prints[set], now, &rank)];

    MT_PREFETCH(slot);
    MT_PREFETCH((const uint8_t *)(slot + 1) - 1);
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
    *slot_print(table, embryo) = print_of(hash, now);
    *ret_new = true;
    return embryo;
}

void mt_embryo_answered(struct mt_flow_table *table, const struct mt_embryo *embryo)
{
    *slot_print(table, embryo) |= PRINT_ANSWERED;
}

void mt_embryo_remove(struct mt_flow_table *table, struct mt_embryo *embryo)
{
    slot_clear(table, embryo);
}
