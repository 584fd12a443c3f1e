#include "detect/table_priv.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>

#define NONE UINT32_MAX
#define SLOTS_FIRST 64u

int mt_table_init(struct mt_table *table, const struct mt_table_config *config)
{
    size_t entry_size = (config->entry_size + MT_CACHE_LINE - 1) / MT_CACHE_LINE * MT_CACHE_LINE;
    struct mt_table t = {
        .entry_size = entry_size,
        .large_size = config->large_size,
        .zeroed_size = config->zeroed_size,
        .count_max = config->count_max,
        .newest = NONE,
        .oldest = NONE,
    };
    size_t slot_count = SLOTS_FIRST;

    while (slot_count < 2 * (size_t)t.count_max)
        slot_count *= 2;
    t.area = calloc(2 * slot_count, sizeof(*t.area)); /* 64 + 128 + ... + slot_count */
    t.slots = t.area;
    t.slot_mask = SLOTS_FIRST - 1;
    t.links = calloc(t.count_max, sizeof(*t.links));
    t.large = t.large_size ? calloc(t.count_max, t.large_size) : NULL;
    t.entries = aligned_alloc(MT_CACHE_LINE, t.count_max * entry_size);
    if (!t.area || !t.links || !t.entries || (!t.large && t.large_size > 0)) {
        mt_table_fini(&t);
        return -ENOMEM;
    }
    *table = t;
    return 0;
}

void mt_table_fini(struct mt_table *table)
{
    free(table->entries);
    free(table->area);
    free(table->links);
    free(table->large);
    *table = (struct mt_table){.entries = NULL};
}

static struct mt_table_entry *entry_at(const struct mt_table *table, uint32_t index)
{
    return (struct mt_table_entry *)(table->entries + index * table->entry_size);
}

static uint32_t tag_of(struct mt_hash128 key)
{
    return (uint32_t)key.word[0];
}

/* Where key is, or where it would go. */
static size_t slot_of(const struct mt_table *table, struct mt_hash128 key)
{
    size_t i = key.word[0] & table->slot_mask;

    for (; table->slots[i].index != 0; i = (i + 1) & table->slot_mask) {
        if (table->slots[i].tag != tag_of(key))
            continue;
        const struct mt_hash128 *other = &entry_at(table, table->slots[i].index - 1)->key;
        if (other->word[0] == key.word[0] && other->word[1] == key.word[1])
            break;
    }
    return i;
}

static void unlink_index(struct mt_table *table, uint32_t index)
{
    struct mt_table_link link = table->links[index];

    *(link.newer != NONE ? &table->links[link.newer].older : &table->newest) = link.older;
    *(link.older != NONE ? &table->links[link.older].newer : &table->oldest) = link.newer;
}

static void link_newest(struct mt_table *table, uint32_t index)
{
    table->links[index].newer = NONE;
    entry_at(table, index)->moved = ++table->moves;
    table->links[index].older = table->newest;
    *(table->newest != NONE ? &table->links[table->newest].newer : &table->oldest) = index;
    table->newest = index;
}

/* Empties a slot of a linear probing sequence: whoever behind it may sit
 * earlier moves up, so that no tombstones are needed. */
static void clear_slot(struct mt_table *table, size_t hole)
{
    size_t mask = table->slot_mask;

    for (size_t i = (hole + 1) & mask; table->slots[i].index != 0; i = (i + 1) & mask) {
        size_t home = table->slots[i].tag & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        table->slots[hole] = table->slots[i];
        hole = i;
    }
    table->slots[hole].index = 0;
}

/* Moves all slots to twice as many. */
static void grow(struct mt_table *table)
{
    const struct mt_table_slot *old = table->slots;
    size_t old_count = table->slot_mask + 1;

    table->slots += old_count;
    table->slot_mask = 2 * old_count - 1;
    for (size_t i = 0; i < old_count; i++) {
        size_t to = old[i].tag & table->slot_mask;
        if (old[i].index == 0)
            continue;
        while (table->slots[to].index != 0)
            to = (to + 1) & table->slot_mask;
        table->slots[to] = old[i];
    }
}

/* An entry to fill: a new one, or the one used longest ago. */
static uint32_t spare_index(struct mt_table *table)
{
    if (table->count < table->count_max) {
        uint32_t index = table->count++;
        if (2 * (size_t)table->count > table->slot_mask + 1)
            grow(table);
        return index;
    }
    uint32_t index = table->oldest;
    clear_slot(table, slot_of(table, entry_at(table, index)->key));
    unlink_index(table, index);
    return index;
}

void *mt_table_find(struct mt_table *table, struct mt_hash128 key)
{
    uint32_t slot = table->slots[slot_of(table, key)].index;

    if (slot == 0)
        return NULL;
    /* who moved to the front a short while ago stays: to move costs its neighbours'
     * cache misses too */
    struct mt_table_entry *entry = entry_at(table, slot - 1);
    if (table->moves - entry->moved > table->count_max / 8) {
        unlink_index(table, slot - 1);
        link_newest(table, slot - 1);
    }
    return entry;
}

void *mt_table_take(struct mt_table *table, struct mt_hash128 key, bool *ret_evicted)
{
    void *found = mt_table_find(table, key);

    *ret_evicted = !found && table->count == table->count_max;
    if (found)
        return found;
    uint32_t index = spare_index(table);
    struct mt_table_entry *entry = entry_at(table, index);
    memset(entry, 0, table->zeroed_size);
    entry->key = key;
    entry->index = index;
    table->slots[slot_of(table, key)] = (struct mt_table_slot){.tag = tag_of(key), .index = index + 1};
    link_newest(table, index);
    return entry;
}

const void *mt_table_entry(const struct mt_table *table, uint32_t index)
{
    MT_BUG_ON(index >= table->count);
    return entry_at(table, index);
}
