#include "sigma/rule_priv.h"

#include <stdlib.h>

#define CHUNK_SIZE ((size_t)64 << 10)

struct mt_sigma_chunk {
    struct mt_sigma_chunk *older;
    size_t used;
    size_t cap;
    _Alignas(16) uint8_t bytes[];
};

void *mt_sigma_alloc(struct mt_sigma_memory *memory, size_t size)
{
    struct mt_sigma_chunk *chunk = memory->newest;
    size_t need = (size + 15) & ~(size_t)15;
    if (!chunk || need > chunk->cap - chunk->used) {
        size_t cap = need > CHUNK_SIZE ? need : CHUNK_SIZE;
        chunk = calloc(1, sizeof(*chunk) + cap);
        if (!chunk)
            return NULL;
        chunk->cap = cap;
        chunk->older = memory->newest;
        memory->newest = chunk;
    }
    void *at = chunk->bytes + chunk->used;
    chunk->used += need;
    return at;
}

char *mt_sigma_copy(struct mt_sigma_memory *memory, struct mt_span text)
{
    char *copy = mt_sigma_alloc(memory, text.size + 1);
    if (copy && text.size > 0)
        memcpy(copy, text.ptr, text.size);
    return copy;
}

void mt_sigma_memory_free(struct mt_sigma_memory *memory)
{
    while (memory->newest) {
        struct mt_sigma_chunk *older = memory->newest->older;
        free(memory->newest);
        memory->newest = older;
    }
}
