#include "dns/table_priv.h"
#include "dns/tap_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#define TABLE_SIZE ((size_t)8 << 20)
#define TABLE_SIZE_MIN ((size_t)64 << 10) /* some of the largest answers */

/* Reserved, touched as it is used. */
static void *map(size_t size)
{
    void *memory =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

static int seed(uint64_t *ret_seed)
{
    return getrandom(ret_seed, sizeof(*ret_seed), 0) == (ssize_t)sizeof(*ret_seed) ? 0 : -EIO;
}

int mt_dns_table_create(size_t size, struct mt_stats *stats, struct mt_dns_table **ret_table)
{
    struct mt_dns_table *table = map(sizeof(*table));

    if (table == NULL)
        return -ENOMEM;
    table->stats = stats;
    table->size = size == 0 ? TABLE_SIZE : size < TABLE_SIZE_MIN ? TABLE_SIZE_MIN : size & ~(size_t)7;
    table->ring = map(table->size);
    int rc = table->ring != NULL ? seed(&table->seed) : -ENOMEM;
    if (rc != 0) {
        mt_dns_table_destroy(table);
        return rc;
    }
    *ret_table = table;
    return 0;
}

void mt_dns_table_destroy(struct mt_dns_table *table)
{
    if (table == NULL)
        return;
    if (table->ring != NULL)
        munmap(table->ring, table->size);
    munmap(table, sizeof(*table));
}

int mt_dns_tap_create(struct mt_stats *stats, struct mt_dns_tap **ret_tap)
{
    struct mt_dns_tap *tap = map(sizeof(*tap));

    if (tap == NULL)
        return -ENOMEM;
    tap->stats = stats;
    int rc = seed(&tap->seed);
    if (rc != 0) {
        mt_dns_tap_destroy(tap);
        return rc;
    }
    *ret_tap = tap;
    return 0;
}

void mt_dns_tap_destroy(struct mt_dns_tap *tap)
{
    if (tap != NULL)
        munmap(tap, sizeof(*tap));
}
