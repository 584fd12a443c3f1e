/* Where documents wait in memory: chunks of frames, bounded in bytes.
 *
 * Who puts never waits for who takes: chunks change hands under a lock that is
 * held for a few instructions, or for the copy of one document.
 *
 * Ownership: a chunk belongs to who took it until it is released or given back;
 * it counts as memory of the queue until then. Thread: one puts, any take.
 * Limits: memory_max bytes. When there is no room the oldest chunk that nobody
 * has taken gives way, or the document that comes.
 */
#ifndef MT_EXPORT_QUEUE_PRIV_H
#define MT_EXPORT_QUEUE_PRIV_H

#include "export/document_priv.h"
#include "export/outputs.h"

struct mt_chunk {
    struct mt_chunk *next;
    size_t size;
    size_t cap;
    uint32_t count; /* documents */
    uint8_t bytes[];
};

struct mt_queue;

int mt_queue_create(uint64_t memory_max, enum mt_output_shed shed, struct mt_queue **ret_queue);
void mt_queue_destroy(struct mt_queue *queue);

/* How many documents were shed for it: 0 mostly. */
uint32_t mt_queue_put(struct mt_queue *queue, const struct mt_document *document);

/* The oldest chunk, or NULL. */
struct mt_chunk *mt_queue_take(struct mt_queue *queue);
void mt_queue_release(struct mt_queue *queue, struct mt_chunk *chunk);

/* Back to the front, as if it had not been taken. */
void mt_queue_give_back(struct mt_queue *queue, struct mt_chunk *chunk);

/* Returns when something has waited for nap ns, when a chunk is full, after
 * patience ns, or when it is woken; at once when closed. */
void mt_queue_wait(struct mt_queue *queue, uint64_t nap, uint64_t patience);
void mt_queue_wake(struct mt_queue *queue);
void mt_queue_close(struct mt_queue *queue);

/* Is there a full chunk, or anything at all once it is closed? */
bool mt_queue_is_ready(struct mt_queue *queue);

uint64_t mt_queue_bytes(const struct mt_queue *queue);

#endif
