#include "memory/twin_priv.h"

#if MT_MEMORY_TWIN

#include <sanitizer/asan_interface.h>

#include <stdlib.h>

/* In front of every block, and poisoned while nobody here looks at it, so that
 * an underrun is seen too. */
struct mt_twin_block {
    _Alignas(MT_CACHE_LINE) struct mt_twin_block *next;
    struct mt_twin_block *prev;
    size_t tag;
};

static void hide(struct mt_twin_block *block)
{
    if (block)
        __asan_poison_memory_region(block, sizeof(*block));
}

static void show(struct mt_twin_block *block)
{
    if (block)
        __asan_unpoison_memory_region(block, sizeof(*block));
}

void *mt_twin_get(struct mt_twin_list *list, size_t size, size_t tag)
{
    void *memory;
    if (posix_memalign(&memory, MT_CACHE_LINE, sizeof(struct mt_twin_block) + size) != 0)
        return NULL;

    struct mt_twin_block *block = memory;
    *block = (struct mt_twin_block){.next = list->first, .tag = tag};
    if (list->first) {
        show(list->first);
        list->first->prev = block;
        hide(list->first);
    }
    list->first = block;
    hide(block);
    return block + 1;
}

size_t mt_twin_put(struct mt_twin_list *list, void *memory)
{
    struct mt_twin_block *block = (struct mt_twin_block *)memory - 1;

    show(block);
    struct mt_twin_block *next = block->next;
    struct mt_twin_block *prev = block->prev;
    size_t tag = block->tag;
    show(next);
    show(prev);
    if (next)
        next->prev = prev;
    if (prev)
        prev->next = next;
    else
        list->first = next;
    hide(next);
    hide(prev);
    free(block);
    return tag;
}

void mt_twin_end_all(struct mt_twin_list *list)
{
    while (list->first)
        mt_twin_put(list, list->first + 1);
}

#endif
