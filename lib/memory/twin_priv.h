/* What the twins of pool and arena share: every block is a malloc block, so
 * that AddressSanitizer sees overruns and use after put, and all blocks that
 * are out hang on one list, so that destroy can end them.
 *
 * Ownership: the list owns its blocks. Thread: one. Limits: none.
 */
#ifndef MT_MEMORY_TWIN_PRIV_H
#define MT_MEMORY_TWIN_PRIV_H

#include "base/compiler.h"

#if defined(__SANITIZE_ADDRESS__)
#define MT_MEMORY_TWIN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define MT_MEMORY_TWIN 1
#endif
#endif
#ifndef MT_MEMORY_TWIN
#define MT_MEMORY_TWIN 0
#endif

struct mt_twin_block;

struct mt_twin_list {
    struct mt_twin_block *first;
};

/* A block of exactly size bytes, aligned to 64. tag comes back at put. */
void *mt_twin_get(struct mt_twin_list *list, size_t size, size_t tag);

/* Ends the block; returns its tag. */
size_t mt_twin_put(struct mt_twin_list *list, void *block);

void mt_twin_end_all(struct mt_twin_list *list);

#endif
