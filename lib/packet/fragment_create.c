#include "packet/fragment_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

enum {
    DATAGRAMS_DEFAULT = 1024,
    DATAGRAMS_LIMIT = 1 << 20,
    BYTES_DEFAULT = 8 << 20,
    BYTES_MIN = 128 << 10, /* a largest datagram and the one after it */
};

static uint32_t power_of_two(uint32_t at_least)
{
    uint32_t n = 1;
    while (n < at_least)
        n *= 2;
    return n;
}

static int allocate(struct mt_fragment_table *table, uint32_t datagrams, uint32_t bytes)
{
    uint32_t buckets = power_of_two(datagrams) * 2;
    table->datagram = calloc(datagrams, sizeof(*table->datagram));
    table->bucket = calloc(buckets, sizeof(*table->bucket));
    if (table->datagram == NULL || table->bucket == NULL)
        return -ENOMEM;
    table->datagram_count = datagrams;
    table->bucket_mask = buckets - 1;
    for (uint32_t i = 0; i < buckets; i++)
        table->bucket[i] = MT_FRAGMENT_NONE;
    for (uint32_t i = 0; i < datagrams; i++)
        table->datagram[i].chain = i + 1 < datagrams ? i + 1 : MT_FRAGMENT_NONE;
    table->free = 0;
    table->oldest = MT_FRAGMENT_NONE;
    table->newest = MT_FRAGMENT_NONE;
    return mt_pool_create(MT_FRAGMENT_CHUNK_SIZE, bytes / MT_FRAGMENT_CHUNK_SIZE, &table->chunks);
}

int mt_fragment_table_create(const struct mt_fragment_config *config, struct mt_stats *stats,
                             struct mt_fragment_table **ret_table)
{
    uint32_t datagrams = config->datagrams_max != 0 ? config->datagrams_max : DATAGRAMS_DEFAULT;
    uint32_t bytes = config->bytes_max != 0 ? config->bytes_max : BYTES_DEFAULT;
    if (datagrams > DATAGRAMS_LIMIT || bytes < BYTES_MIN)
        return -EINVAL;
    struct mt_fragment_table *table = calloc(1, sizeof(*table));
    if (table == NULL)
        return -ENOMEM;
    table->stats = stats;
    table->has_dns = config->has_dns;
    int error = 0;
    if (getrandom(&table->seed, sizeof(table->seed), 0) != (ssize_t)sizeof(table->seed))
        error = -EIO;
    if (error == 0)
        error = allocate(table, datagrams, bytes);
    if (error != 0) {
        mt_fragment_table_destroy(table);
        return error;
    }
    *ret_table = table;
    return 0;
}

void mt_fragment_table_destroy(struct mt_fragment_table *table)
{
    if (table == NULL)
        return;
    if (table->chunks != NULL)
        mt_pool_destroy(table->chunks);
    free(table->bucket);
    free(table->datagram);
    free(table);
}
