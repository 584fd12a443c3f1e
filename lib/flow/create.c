#include "flow/flow_priv.h"

#include "memory/pages.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>

#define FLOWS_DEFAULT (UINT32_C(1) << 20)
#define FLOWS_LIMIT (UINT32_C(1) << 30)
/* Ten thousand SYNs a second for the 5 s that an embryo lives load a set with three of eight. */
#define EMBRYOS_DEFAULT (UINT32_C(1) << 17)
#define EMBRYOS_LIMIT (UINT32_C(1) << 28)

/* Zeroed address space that costs memory only where it is touched. */
static void *region_reserve(size_t size, bool is_large)
{
    void *region =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (region == MAP_FAILED)
        return NULL;
    if (is_large)
        mt_pages_make_large(region, size);
    return region;
}

static void region_release(void *region, size_t size)
{
    if (region)
        munmap(region, size);
}

static uint32_t power_of_two_from(uint32_t n)
{
    uint32_t power = 1;

    while (power < n)
        power *= 2;
    return power;
}

static size_t embryos_size(const struct mt_flow_table *table)
{
    return (size_t)table->embryo_set_max * MT_EMBRYO_WAYS * sizeof(*table->embryos);
}

static size_t bits_size(uint32_t count)
{
    return ((size_t)count + 63) / 64 * sizeof(uint64_t);
}

int mt_flow_table_create(const struct mt_flow_config *config, struct mt_stats *stats,
                         struct mt_flow_table **ret_table)
{
    uint32_t flows_max = config->flows_max ? config->flows_max : FLOWS_DEFAULT;
    uint32_t embryos_max = config->embryos_max ? config->embryos_max : EMBRYOS_DEFAULT;
    uint64_t seed = config->seed;
    bool is_large = config->is_long_lived;

    if (flows_max > FLOWS_LIMIT || embryos_max > EMBRYOS_LIMIT)
        return -EINVAL;
    if (seed == 0 && getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return -errno;

    struct mt_flow_table *table = calloc(1, sizeof(*table));
    if (!table)
        return -ENOMEM;
    table->stats = stats;
    table->seed = seed;
    table->flows_max = flows_max;
    table->bucket_max = flows_max / MT_FLOW_LOAD + 1;
    table->embryo_set_max = power_of_two_from((embryos_max + MT_EMBRYO_WAYS - 1) / MT_EMBRYO_WAYS);
    table->base = MT_FLOW_NO_BASE;
    table->line_free = MT_FLOW_NONE;
    memset(table->wheel, 0xff, sizeof(table->wheel));
    mt_flow_grow_init(table, config->is_long_lived);
    table->lines = region_reserve(flows_max * sizeof(*table->lines), false);
    table->buckets = region_reserve(table->bucket_max * sizeof(*table->buckets), is_large);
    table->buckets_used = region_reserve(bits_size(table->bucket_max), false);
    table->wheel_prev = region_reserve(flows_max * sizeof(*table->wheel_prev), false);
    table->embryos = region_reserve(embryos_size(table), is_large);
    table->embryo_prints = region_reserve(table->embryo_set_max * sizeof(*table->embryo_prints), is_large);
    if (!table->lines || !table->buckets || !table->buckets_used || !table->wheel_prev || !table->embryos ||
        !table->embryo_prints) {
        mt_flow_table_destroy(table);
        return -ENOMEM;
    }
    *ret_table = table;
    return 0;
}

void mt_flow_table_destroy(struct mt_flow_table *table)
{
    if (!table)
        return;
    region_release(table->lines, table->flows_max * sizeof(*table->lines));
    region_release(table->buckets, table->bucket_max * sizeof(*table->buckets));
    region_release(table->buckets_used, bits_size(table->bucket_max));
    region_release(table->wheel_prev, table->flows_max * sizeof(*table->wheel_prev));
    region_release(table->embryos, embryos_size(table));
    region_release(table->embryo_prints, table->embryo_set_max * sizeof(*table->embryo_prints));
    free(table);
}
