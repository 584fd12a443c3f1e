/* The size classes that arena and twin share.
 *
 * Ownership: none. Thread: any. Limits: MT_ARENA_BLOCK_MAX.
 */
#ifndef MT_MEMORY_ARENA_PRIV_H
#define MT_MEMORY_ARENA_PRIV_H

#include "memory/arena.h"

#define MT_ARENA_PAGE_SIZE ((size_t)65536)
#define MT_ARENA_CLASS_COUNT 19
#define MT_ARENA_BLOCK_MIN ((size_t)32)

/* 32, 48, 64, 96, 128, 192 ...: powers of two and the halves between them. */
static inline size_t mt_arena_class_size(unsigned class)
{
    return class % 2 == 0 ? MT_ARENA_BLOCK_MIN << class / 2
                          : (MT_ARENA_BLOCK_MIN + MT_ARENA_BLOCK_MIN / 2) << class / 2;
}

/* size <= MT_ARENA_BLOCK_MAX */
static inline unsigned mt_arena_class(size_t size)
{
    if (size <= MT_ARENA_BLOCK_MIN)
        return 0;
    unsigned power = 63 - (unsigned)__builtin_clzll(size - 1); /* 2^power < size <= 2^(power + 1) */
    size_t middle = (size_t)3 << (power - 1);
    return 2 * (power - 5) + (size > middle ? 2 : 1);
}

MT_STATIC_ASSERT(MT_ARENA_BLOCK_MIN << MT_ARENA_CLASS_COUNT / 2 == MT_ARENA_BLOCK_MAX,
                 "classes grow from the smallest to the largest block");

#endif
