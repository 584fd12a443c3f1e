#include "detect/table_priv.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>

int mt_table_init(struct mt_table *table, size_t entry_size, size_t count_max)
{
    struct mt_table t = {.entry_size = entry_size, .count_max = count_max};
    size_t slot_count = 4;

    while (slot_count < 2 * count_max)
        slot_count *= 2;
    t.slot_mask = slot_count - 1;
    t.slots = calloc(slot_count, sizeof(struct mt_table_entry *));
    if (!t.slots)
        return -ENOMEM;
    int rc = mt_pool_create(entry_size, count_max, &t.pool);
    if (rc != 0) {
        free(t.slots);
        return rc;
    }
    *table = t;
    return 0;
}

void mt_table_fini(struct mt_table *table)
{
    mt_pool_destroy(table->pool);
    free(table->slots);
    *table = (struct mt_table){.pool = NULL};
}

/* Where key is, or where it would go. */
static size_t slot_of(const struct mt_table *table, struct mt_hash128 key)
{
    size_t i = key.word[0] & table->slot_mask;

    while (table->slots[i]) {
        const struct mt_hash128 *other = &table->slots[i]->key;
        if (other->word[0] == key.word[0] && other->word[1] == key.word[1])
            break;
        i = (i + 1) & table->slot_mask;
    }
    return i;
}

static void unlink_entry(struct mt_table *table, struct mt_table_entry *entry)
{
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        table->newest = entry->older;
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        table->oldest = entry->newer;
}

static void link_newest(struct mt_table *table, struct mt_table_entry *entry)
{
    entry->newer = NULL;
    entry->older = table->newest;
    if (table->newest)
        table->newest->newer = entry;
    else
        table->oldest = entry;
    table->newest = entry;
}

/* Empties a slot of a linear probing sequence: whoever behind it may sit
 * earlier moves up, so that no tombstones are needed. */
static void clear_slot(struct mt_table *table, size_t hole)
{
    size_t mask = table->slot_mask;

    for (size_t i = (hole + 1) & mask; table->slots[i]; i = (i + 1) & mask) {
        size_t home = table->slots[i]->key.word[0] & mask;
        if (((i - home) & mask) < ((i - hole) & mask))
            continue;
        table->slots[hole] = table->slots[i];
        hole = i;
    }
    table->slots[hole] = NULL;
}

static void evict_oldest(struct mt_table *table)
{
    struct mt_table_entry *entry = table->oldest;

    clear_slot(table, slot_of(table, entry->key));
    unlink_entry(table, entry);
    mt_pool_put(table->pool, entry);
    table->count--;
}

void *mt_table_find(struct mt_table *table, struct mt_hash128 key)
{
    struct mt_table_entry *entry = table->slots[slot_of(table, key)];

    if (entry && table->newest != entry) {
        unlink_entry(table, entry);
        link_newest(table, entry);
    }
    return entry;
}

void *mt_table_take(struct mt_table *table, struct mt_hash128 key, bool *ret_evicted)
{
    struct mt_table_entry *entry = mt_table_find(table, key);
    bool is_full = table->count == table->count_max;

    *ret_evicted = !entry && is_full;
    if (entry)
        return entry;
    if (is_full)
        evict_oldest(table);
    entry = mt_pool_get(table->pool);
    MT_BUG_ON(!entry);
    memset(entry, 0, table->entry_size);
    entry->key = key;
    table->slots[slot_of(table, key)] = entry;
    link_newest(table, entry);
    table->count++;
    return entry;
}
