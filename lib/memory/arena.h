/* Blocks of a few sizes under one budget: what sessions keep their strings,
 * queues and line buffers in. O(1), no malloc after create.
 *
 * A request is rounded up to a size class (32, 48, 64, 96, 128, 192 ... 12288,
 * 16384); put needs the size that was asked for. Pages of 64 KiB
 * are carved from a region that was reserved at create and belong to one class
 * from then on. Under AddressSanitizer every block is a malloc block.
 *
 * Ownership: the arena owns the blocks; destroy ends them all. Thread: one.
 * Limits: budget bytes in all; get returns NULL beyond it, or for sizes above
 * MT_ARENA_BLOCK_MAX.
 */
#ifndef MT_MEMORY_ARENA_H
#define MT_MEMORY_ARENA_H

#include "base/compiler.h"

#define MT_ARENA_BLOCK_MAX 16384

struct mt_arena;

int mt_arena_create(size_t budget, struct mt_arena **ret_arena);
void mt_arena_destroy(struct mt_arena *arena);

/* Contents are undefined; aligned to 16. */
void *mt_arena_get(struct mt_arena *arena, size_t size);
void mt_arena_put(struct mt_arena *arena, void *block, size_t size);

/* What a request of this size really occupies. */
size_t mt_arena_block_size(size_t size);

/* Bytes in blocks that are out. */
size_t mt_arena_used(const struct mt_arena *arena);

#endif
