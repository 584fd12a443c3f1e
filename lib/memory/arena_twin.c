#include "memory/arena.h"

#include "base/check.h"
#include "memory/arena_priv.h"
#include "memory/twin_priv.h"

#if MT_MEMORY_TWIN

#include <errno.h>
#include <stdlib.h>

/* Counts pages and blocks as the arena does, so that it runs dry at the same
 * request. */
struct mt_arena {
    struct mt_twin_list out;
    size_t spare[MT_ARENA_CLASS_COUNT]; /* blocks carved and not out */
    size_t pages_left;
    size_t used;
};

int mt_arena_create(size_t budget, struct mt_arena **ret_arena)
{
    if (budget < MT_ARENA_PAGE_SIZE)
        return -EINVAL;

    struct mt_arena *arena = calloc(1, sizeof(*arena));
    if (!arena)
        return -ENOMEM;
    arena->pages_left = budget / MT_ARENA_PAGE_SIZE;
    *ret_arena = arena;
    return 0;
}

void mt_arena_destroy(struct mt_arena *arena)
{
    if (!arena)
        return;
    mt_twin_end_all(&arena->out);
    free(arena);
}

void *mt_arena_get(struct mt_arena *arena, size_t size)
{
    if (size > MT_ARENA_BLOCK_MAX)
        return NULL;

    unsigned class = mt_arena_class(size);
    if (arena->spare[class] == 0) {
        if (arena->pages_left == 0)
            return NULL;
        arena->pages_left--;
        arena->spare[class] = MT_ARENA_PAGE_SIZE / mt_arena_class_size(class);
    }
    void *block = mt_twin_get(&arena->out, size, size);
    if (!block)
        return NULL;
    arena->spare[class]--;
    arena->used += mt_arena_class_size(class);
    return block;
}

void mt_arena_put(struct mt_arena *arena, void *block, size_t size)
{
    size_t asked = mt_twin_put(&arena->out, block);
    unsigned class = mt_arena_class(asked);

    MT_BUG_ON(mt_arena_class(size) != class);
    arena->spare[class]++;
    arena->used -= mt_arena_class_size(class);
}

size_t mt_arena_used(const struct mt_arena *arena)
{
    return arena->used;
}

#endif
