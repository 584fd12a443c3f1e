#include "memory/pool.h"

#include "base/check.h"
#include "memory/region_priv.h"
#include "memory/twin_priv.h"

#if !MT_MEMORY_TWIN

#include <errno.h>
#include <stdlib.h>

/* A free object holds the way to the next one; objects beyond `carved` have
 * never been touched and cost nothing yet. */
struct free_object {
    struct free_object *next;
};

struct mt_pool {
    struct free_object *free;
    uint8_t *region;
    size_t stride;
    size_t carved; /* objects handed out at least once */
    size_t count_max;
    size_t taken;
};

static size_t stride_of(size_t object_size)
{
    return (object_size + 15) & ~(size_t)15;
}

int mt_pool_create(size_t object_size, size_t count_max, struct mt_pool **ret_pool)
{
    size_t size;
    if (object_size == 0 || count_max == 0 || object_size > SIZE_MAX - 15)
        return -EINVAL;
    if (__builtin_mul_overflow(stride_of(object_size), count_max, &size))
        return -EINVAL;

    struct mt_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return -ENOMEM;
    pool->region = mt_region_reserve(size);
    if (!pool->region) {
        free(pool);
        return -ENOMEM;
    }
    pool->stride = stride_of(object_size);
    pool->count_max = count_max;
    *ret_pool = pool;
    return 0;
}

void mt_pool_destroy(struct mt_pool *pool)
{
    if (!pool)
        return;
    mt_region_release(pool->region, pool->stride * pool->count_max);
    free(pool);
}

void *mt_pool_get(struct mt_pool *pool)
{
    struct free_object *object = pool->free;

    if (MT_LIKELY(object)) {
        pool->free = object->next;
        MT_PREFETCH(pool->free); /* given back long ago, wanted soon */
    } else {
        if (pool->carved == pool->count_max)
            return NULL;
        object = (struct free_object *)(pool->region + pool->carved * pool->stride);
        pool->carved++;
    }
    pool->taken++;
    return object;
}

void mt_pool_put(struct mt_pool *pool, void *memory)
{
    struct free_object *object = memory;

    MT_CHECK_HOT((size_t)((uint8_t *)memory - pool->region) < pool->carved * pool->stride);
    MT_CHECK_HOT((size_t)((uint8_t *)memory - pool->region) % pool->stride == 0);
    MT_CHECK_HOT(pool->taken > 0);
    object->next = pool->free;
    pool->free = object;
    pool->taken--;
}

size_t mt_pool_taken(const struct mt_pool *pool)
{
    return pool->taken;
}

#endif
