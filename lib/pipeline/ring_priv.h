/* A single-producer, single-consumer ring of pointers.
 *
 * Ownership: what the pointers point to passes with them. Thread: one pushes,
 * one pops. Limits: MT_RING_SIZE entries; push says when it is full.
 */
#ifndef MT_PIPELINE_RING_PRIV_H
#define MT_PIPELINE_RING_PRIV_H

#include "base/compiler.h"

#include <stdatomic.h>
#include <stdbool.h>

#define MT_RING_SIZE 256u /* a power of two */

struct mt_ring {
    _Alignas(MT_CACHE_LINE) _Atomic uint32_t head; /* next to pop */
    _Alignas(MT_CACHE_LINE) _Atomic uint32_t tail; /* next to push */
    _Alignas(MT_CACHE_LINE) void *slots[MT_RING_SIZE];
};

static inline bool mt_ring_push(struct mt_ring *ring, void *item)
{
    uint32_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);
    if (tail - atomic_load_explicit(&ring->head, memory_order_acquire) == MT_RING_SIZE)
        return false;
    ring->slots[tail & (MT_RING_SIZE - 1)] = item;
    atomic_store_explicit(&ring->tail, tail + 1, memory_order_release);
    return true;
}

static inline void *mt_ring_pop(struct mt_ring *ring)
{
    uint32_t head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    if (head == atomic_load_explicit(&ring->tail, memory_order_acquire))
        return NULL;
    void *item = ring->slots[head & (MT_RING_SIZE - 1)];
    atomic_store_explicit(&ring->head, head + 1, memory_order_release);
    return item;
}

/* By either side; what the other one does meanwhile may already have changed it. */
static inline bool mt_ring_is_empty(const struct mt_ring *ring)
{
    return atomic_load_explicit(&ring->head, memory_order_relaxed) ==
           atomic_load_explicit(&ring->tail, memory_order_acquire);
}

/* Waiting without a lock: spins shortly, then yields, then sleeps. */
void mt_ring_pause(uint32_t *spins);

#endif
