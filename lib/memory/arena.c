#include "memory/arena.h"

#include "base/check.h"
#include "memory/arena_priv.h"
#include "memory/region_priv.h"
#include "memory/twin_priv.h"

size_t mt_arena_block_size(size_t size)
{
    return size > MT_ARENA_BLOCK_MAX ? size : mt_arena_class_size(mt_arena_class(size));
}

#if !MT_MEMORY_TWIN

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>

struct free_block {
    struct free_block *next;
};

/* Blocks that came back, then the untouched rest of the page being carved. */
struct class
{
    struct free_block *free;
    uint8_t *carve;
    uint8_t *carve_end;
};

struct mt_arena {
    struct class classes[MT_ARENA_CLASS_COUNT];
    uint8_t *region;
    size_t page_count;
    size_t pages_carved;
    size_t used;
};

int mt_arena_create(size_t budget, struct mt_arena **ret_arena)
{
    if (budget < MT_ARENA_PAGE_SIZE)
        return -EINVAL;

    struct mt_arena *arena = calloc(1, sizeof(*arena));
    if (!arena)
        return -ENOMEM;
    arena->page_count = budget / MT_ARENA_PAGE_SIZE;
    arena->region = mt_region_reserve(arena->page_count * MT_ARENA_PAGE_SIZE);
    if (!arena->region) {
        free(arena);
        return -ENOMEM;
    }
    *ret_arena = arena;
    return 0;
}

void mt_arena_destroy(struct mt_arena *arena)
{
    if (!arena)
        return;
    mt_region_release(arena->region, arena->page_count * MT_ARENA_PAGE_SIZE);
    free(arena);
}

static bool take_page(struct mt_arena *arena, struct class *class)
{
    if (arena->pages_carved == arena->page_count)
        return false;
    class->carve = arena->region + arena->pages_carved * MT_ARENA_PAGE_SIZE;
    class->carve_end = class->carve + MT_ARENA_PAGE_SIZE;
    arena->pages_carved++;
    return true;
}

void *mt_arena_get(struct mt_arena *arena, size_t size)
{
    if (MT_UNLIKELY(size > MT_ARENA_BLOCK_MAX))
        return NULL;

    unsigned index = mt_arena_class(size);
    size_t block_size = mt_arena_class_size(index);
    struct class *class = &arena->classes[index];
    struct free_block *block = class->free;

    if (MT_LIKELY(block)) {
        class->free = block->next;
        MT_PREFETCH(class->free); /* given back long ago, wanted soon */
    } else {
        if ((size_t)(class->carve_end - class->carve) < block_size && !take_page(arena, class))
            return NULL;
        block = (struct free_block *)class->carve;
        class->carve += block_size;
    }
    arena->used += block_size;
    return block;
}

void mt_arena_put(struct mt_arena *arena, void *memory, size_t size)
{
    MT_CHECK_HOT(size <= MT_ARENA_BLOCK_MAX);
    MT_CHECK_HOT((size_t)((uint8_t *)memory - arena->region) < arena->pages_carved * MT_ARENA_PAGE_SIZE);

    unsigned index = mt_arena_class(size);
    struct free_block *block = memory;

    block->next = arena->classes[index].free;
    arena->classes[index].free = block;
    arena->used -= mt_arena_class_size(index);
}

size_t mt_arena_used(const struct mt_arena *arena)
{
    return arena->used;
}

#endif
