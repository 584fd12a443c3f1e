#include "memory/pool.h"

#include "memory/twin_priv.h"

#if MT_MEMORY_TWIN

#include <errno.h>
#include <stdlib.h>

struct mt_pool {
    struct mt_twin_list out;
    size_t object_size;
    size_t count_max;
    size_t taken;
};

int mt_pool_create(size_t object_size, size_t count_max, struct mt_pool **ret_pool)
{
    size_t size;
    if (object_size == 0 || count_max == 0 || object_size > SIZE_MAX - 15)
        return -EINVAL;
    if (__builtin_mul_overflow((object_size + 15) & ~(size_t)15, count_max, &size))
        return -EINVAL;

    struct mt_pool *pool = calloc(1, sizeof(*pool));
    if (!pool)
        return -ENOMEM;
    pool->object_size = object_size;
    pool->count_max = count_max;
    *ret_pool = pool;
    return 0;
}

void mt_pool_destroy(struct mt_pool *pool)
{
    if (!pool)
        return;
    mt_twin_end_all(&pool->out);
    free(pool);
}

void *mt_pool_get(struct mt_pool *pool)
{
    if (pool->taken == pool->count_max)
        return NULL;
    void *object = mt_twin_get(&pool->out, pool->object_size, 0);
    if (object)
        pool->taken++;
    return object;
}

void mt_pool_put(struct mt_pool *pool, void *object)
{
    mt_twin_put(&pool->out, object);
    pool->taken--;
}

size_t mt_pool_taken(const struct mt_pool *pool)
{
    return pool->taken;
}

#endif
