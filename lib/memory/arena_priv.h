/* The size classes that arena and twin share.
 *
 * Ownership: none. Thread: any. Limits: MT_ARENA_BLOCK_MAX.
 */
#ifndef MT_MEMORY_ARENA_PRIV_H
#define MT_MEMORY_ARENA_PRIV_H

#include "memory/arena.h"

#define MT_ARENA_PAGE_SIZE ((size_t)65536)
#define MT_ARENA_CLASS_COUNT 10
#define MT_ARENA_BLOCK_MIN ((size_t)32)

MT_STATIC_ASSERT(MT_ARENA_BLOCK_MIN << (MT_ARENA_CLASS_COUNT - 1) == MT_ARENA_BLOCK_MAX,
                 "classes double from the smallest to the largest block");

/* size <= MT_ARENA_BLOCK_MAX */
static inline unsigned mt_arena_class(size_t size)
{
    if (size <= MT_ARENA_BLOCK_MIN)
        return 0;
    return 59 - (unsigned)__builtin_clzll(size - 1);
}

static inline size_t mt_arena_class_size(unsigned class)
{
    return MT_ARENA_BLOCK_MIN << class;
}

#endif
