/* Bounded table of equal entries under 128-bit digests: open addressing over at
 * least twice as many slots as entries, the order of last use kept well enough. A
 * table of few entries uses few slots, which stay in cache.
 *
 * The digests are keyed with a seed from the kernel, so that nobody can choose
 * colliding keys; what is evicted depends on the order of use only, never on
 * the seed, so that a run can be repeated.
 *
 * Ownership: the table owns its entries; a pointer is good until the next
 * take. Thread: one. Limits: count_max entries; then one that was not used for at
 * least as long as it takes to use seven eighths of the others gives way.
 */
#ifndef MT_DETECT_TABLE_PRIV_H
#define MT_DETECT_TABLE_PRIV_H

#include "base/compiler.h"
#include "base/hash.h"

/* First member of every entry. */
struct mt_table_entry {
    struct mt_hash128 key;
    uint32_t index;
    uint32_t moved; /* the table's moves when it last became the newest */
};

/* A search that meets other keys, or none, ends here without a look at an
 * entry: the tag is the lower half of the key's first word, and where the key
 * would like to be. */
struct mt_table_slot {
    uint32_t tag;
    uint32_t index; /* of an entry plus one, 0: empty */
};

/* Beside the entries, which are large: to keep the order of use touches no
 * entry but the one that is used. */
struct mt_table_link {
    uint32_t newer;
    uint32_t older;
};

struct mt_table {
    uint8_t *entries; /* count_max times entry_size, touched as they are used */
    size_t entry_size;
    struct mt_table_slot *area;  /* all slots there may ever be, one size behind the other */
    struct mt_table_slot *slots; /* those in use, in area */
    struct mt_table_link *links;
    uint8_t *large; /* count_max times large_size, touched where it is used; NULL: none */
    size_t large_size;
    size_t slot_mask;
    size_t zeroed_size;
    uint32_t moves;
    uint32_t count;
    uint32_t count_max;
    uint32_t newest;
    uint32_t oldest;
};

struct mt_table_config {
    size_t entry_size;
    size_t zeroed_size; /* how much of a new entry starts zeroed; the rest is undefined */
    size_t large_size;  /* of what few entries need, and then a lot of; 0: nothing */
    uint32_t count_max;
};

int mt_table_init(struct mt_table *table, const struct mt_table_config *config);
void mt_table_fini(struct mt_table *table);

/* For a find or take that comes a little later. */
static inline void mt_table_prefetch(const struct mt_table *table, struct mt_hash128 key)
{
    MT_PREFETCH(&table->slots[key.word[0] & table->slot_mask]);
}

#define MT_TABLE_FETCH_SLOTS 4u

/* Then, once that is there, the first size bytes of the entry under a key of this
 * first word, which may be another's. */
static inline void mt_table_fetch(const struct mt_table *table, uint64_t word, size_t size)
{
    for (uint64_t i = word; i - word < MT_TABLE_FETCH_SLOTS; i++) {
        struct mt_table_slot slot = table->slots[i & table->slot_mask];
        if (slot.index == 0)
            return;
        if (slot.tag != (uint32_t)word)
            continue;
        for (size_t off = 0; off < size; off += MT_CACHE_LINE)
            MT_PREFETCH(table->entries + (slot.index - 1) * table->entry_size + off);
        return;
    }
}

/* The large part of an entry: undefined in a new one. */
static inline void *mt_table_large(const struct mt_table *table, const struct mt_table_entry *entry)
{
    return table->large + entry->index * table->large_size;
}

/* NULL when there is none. */
void *mt_table_find(struct mt_table *table, struct mt_hash128 key);

/* The entry under key, made and zeroed (but for its first member) when there
 * was none. ret_evicted: another one had to go. Never NULL. */
void *mt_table_take(struct mt_table *table, struct mt_hash128 key, bool *ret_evicted);

/* The entries in no order of meaning: index below table->count. */
const void *mt_table_entry(const struct mt_table *table, uint32_t index);

#endif
