#include "flow/flow_priv.h"

#include "base/check.h"

/* Most captures hold some hundred connections at a time. In an index made for a
 * million each of these lies in a page of its own, and each page has to be cleared
 * and translated: a tenth of the time of reading ordinary mail. A worker that polls
 * can't stop to move a million entries, so its tables have their size at once. */
#define BUCKETS_FIRST UINT32_C(256) /* 16 KiB, for a thousand flows */
#define BUCKETS_STEP 2u             /* fourfold */
#define EMBRYO_SETS_FIRST UINT32_C(512)

/* bucket_max itself need not be a power of two. */
static uint32_t buckets_of(const struct mt_flow_table *table)
{
    return (table->bucket_max >> table->bucket_shift) + (table->bucket_shift > 0);
}

void mt_flow_grow_init(struct mt_flow_table *table, bool is_whole)
{
    table->bucket_shift = 0;
    while (!is_whole && buckets_of(table) > BUCKETS_FIRST)
        table->bucket_shift += BUCKETS_STEP;
    table->bucket_count = buckets_of(table);
    table->embryo_set_count =
        is_whole || table->embryo_set_max < EMBRYO_SETS_FIRST ? table->embryo_set_max : EMBRYO_SETS_FIRST;
}

bool mt_flow_grow_index(struct mt_flow_table *table)
{
    if (table->bucket_shift == 0)
        return false;
    memset(table->buckets, 0, table->bucket_count * sizeof(*table->buckets));
    memset(table->buckets_used, 0, (table->bucket_count + 63) / 64 * sizeof(*table->buckets_used));
    table->bucket_shift -= BUCKETS_STEP;
    table->bucket_count = buckets_of(table);
    for (uint32_t line = 0; line < table->line_high; line++) {
        const struct mt_flow_key *key = &table->lines[line].key;
        if (!mt_flow_is_used(&table->lines[line]))
            continue;
        bool is_in = mt_flow_index_insert(table, mt_hash_pair(table->seed, key->word[0], key->word[1]), line);
        /* one flow a bucket now, on average: 64 in eight neighbours would be a broken hash */
        MT_BUG_ON(!is_in);
    }
    return true;
}

/* What is in set n belongs there or into set n + count, by one more bit of its
 * hash; it keeps its way, which is free there. */
bool mt_flow_grow_embryos(struct mt_flow_table *table)
{
    uint32_t count = table->embryo_set_count;

    if (count == table->embryo_set_max)
        return false;
    for (uint32_t slot = 0; slot < count * MT_EMBRYO_WAYS; slot++) {
        struct mt_embryo *embryo = &table->embryos[slot];
        if ((embryo->fingerprint & count) == 0)
            continue;
        size_t way = slot % MT_EMBRYO_WAYS;
        struct mt_embryo_prints *from = &table->embryo_prints[slot / MT_EMBRYO_WAYS];
        struct mt_embryo_prints *to = from + count;
        to->tag[way] = from->tag[way];
        to->age[way] = from->age[way];
        table->embryos[slot + count * MT_EMBRYO_WAYS] = *embryo;
        from->tag[way] = 0;
        embryo->fingerprint = 0;
    }
    table->embryo_set_count = count * 2;
    return true;
}
