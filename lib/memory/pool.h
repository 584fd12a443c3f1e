/* Fixed-size objects from one reserved region: O(1) get and put, no malloc
 * after create.
 *
 * The region is reserved as address space and becomes memory when first
 * touched. Under AddressSanitizer the same interface hands out malloc blocks,
 * so that use after put and overruns are seen.
 *
 * Ownership: the pool owns the objects; destroy ends them all. Thread: one.
 * Limits: count_max objects; get returns NULL beyond it.
 */
#ifndef MT_MEMORY_POOL_H
#define MT_MEMORY_POOL_H

#include "base/compiler.h"

struct mt_pool;

/* 0 or -ENOMEM/-EINVAL. Objects are aligned to 64 bytes when their size is a
 * multiple of 64, else to 16. */
int mt_pool_create(size_t object_size, size_t count_max, struct mt_pool **ret_pool);
void mt_pool_destroy(struct mt_pool *pool);

/* Contents are undefined. NULL when all are taken. */
void *mt_pool_get(struct mt_pool *pool);
void mt_pool_put(struct mt_pool *pool, void *object);

size_t mt_pool_taken(const struct mt_pool *pool);

#endif
