#include "export/queue_priv.h"

#include "export/clock_priv.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#define CHUNK_SIZE ((size_t)256 << 10)
#define SPARE_MAX 8u /* chunks kept: their pages are there already */

struct mt_queue {
    pthread_mutex_t lock;
    pthread_cond_t something;
    struct mt_chunk *first; /* oldest */
    struct mt_chunk *last;
    struct mt_chunk *spare;
    uint32_t spares;
    uint32_t waiting; /* threads that want to be told */
    bool is_woken;
    bool is_closed;
    enum mt_output_shed shed;
    uint64_t memory_max;
    _Atomic uint64_t bytes; /* of all chunks that hold documents */
};

int mt_queue_create(uint64_t memory_max, enum mt_output_shed shed, struct mt_queue **ret_queue)
{
    struct mt_queue *queue = calloc(1, sizeof(*queue));
    pthread_condattr_t attributes;

    if (queue == NULL)
        return -ENOMEM;
    queue->memory_max = memory_max;
    queue->shed = shed;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->something, &attributes);
    pthread_condattr_destroy(&attributes);
    *ret_queue = queue;
    return 0;
}

static void free_chunks(struct mt_chunk *chunk)
{
    while (chunk != NULL) {
        struct mt_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void mt_queue_destroy(struct mt_queue *queue)
{
    if (queue == NULL)
        return;
    free_chunks(queue->first);
    free_chunks(queue->spare);
    pthread_cond_destroy(&queue->something);
    pthread_mutex_destroy(&queue->lock);
    free(queue);
}

static void count_bytes(struct mt_queue *queue, int64_t change)
{
    atomic_fetch_add_explicit(&queue->bytes, (uint64_t)change, memory_order_relaxed);
}

static void append(struct mt_queue *queue, struct mt_chunk *chunk)
{
    chunk->next = NULL;
    if (queue->last == NULL)
        queue->first = chunk;
    else
        queue->last->next = chunk;
    queue->last = chunk;
}

static struct mt_chunk *detach_first(struct mt_queue *queue)
{
    struct mt_chunk *chunk = queue->first;

    if (chunk == NULL)
        return NULL;
    queue->first = chunk->next;
    if (queue->first == NULL)
        queue->last = NULL;
    return chunk;
}

/* Locked. Keeps an ordinary chunk for later, up to a number of them. */
static struct mt_chunk *keep_spare(struct mt_queue *queue, struct mt_chunk *chunk)
{
    count_bytes(queue, -(int64_t)chunk->cap);
    if (chunk->cap != CHUNK_SIZE || queue->spares == SPARE_MAX)
        return chunk;
    chunk->next = queue->spare;
    queue->spare = chunk;
    queue->spares++;
    return NULL;
}

static struct mt_chunk *new_chunk(struct mt_queue *queue, size_t size)
{
    size_t cap = size > CHUNK_SIZE ? size : CHUNK_SIZE;
    struct mt_chunk *chunk = queue->spare;

    if (cap == CHUNK_SIZE && chunk != NULL) {
        queue->spare = chunk->next;
        queue->spares--;
    } else {
        chunk = malloc(sizeof(*chunk) + cap);
        if (chunk == NULL)
            return NULL;
    }
    chunk->size = 0;
    chunk->cap = cap;
    chunk->count = 0;
    count_bytes(queue, (int64_t)cap);
    append(queue, chunk);
    return chunk;
}

/* Locked. Makes room for a chunk of this size by the oldest; how many documents
 * that cost. */
static uint32_t make_room(struct mt_queue *queue, size_t cap)
{
    uint32_t shed = 0;

    while (mt_queue_bytes(queue) + cap > queue->memory_max && queue->shed == MT_OUTPUT_SHED_OLDEST &&
           queue->first != NULL) {
        struct mt_chunk *oldest = detach_first(queue);
        shed += oldest->count;
        free(keep_spare(queue, oldest));
    }
    return shed;
}

static struct mt_chunk *chunk_for(struct mt_queue *queue, size_t size, uint32_t *shed)
{
    size_t cap = size > CHUNK_SIZE ? size : CHUNK_SIZE;

    if (queue->last != NULL && queue->last->cap - queue->last->size >= size)
        return queue->last;
    *shed = make_room(queue, cap);
    if (mt_queue_bytes(queue) + cap > queue->memory_max)
        return NULL;
    return new_chunk(queue, size);
}

uint32_t mt_queue_put(struct mt_queue *queue, const struct mt_document *document)
{
    size_t size = mt_frame_size(document);
    uint32_t shed = 0;

    pthread_mutex_lock(&queue->lock);
    bool was_empty = queue->first == NULL;
    struct mt_chunk *before = queue->last;
    struct mt_chunk *chunk = chunk_for(queue, size, &shed);
    if (chunk != NULL) {
        mt_frame_put(document, chunk->bytes + chunk->size);
        chunk->size += size;
        chunk->count++;
    } else {
        shed++;
    }
    bool tell = queue->waiting > 0 && (was_empty || queue->last != before);
    pthread_mutex_unlock(&queue->lock);
    if (tell)
        pthread_cond_broadcast(&queue->something);
    return shed;
}

struct mt_chunk *mt_queue_take(struct mt_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    struct mt_chunk *chunk = detach_first(queue);
    pthread_mutex_unlock(&queue->lock);
    return chunk;
}

void mt_queue_release(struct mt_queue *queue, struct mt_chunk *chunk)
{
    pthread_mutex_lock(&queue->lock);
    chunk = keep_spare(queue, chunk);
    pthread_mutex_unlock(&queue->lock);
    free(chunk);
}

void mt_queue_give_back(struct mt_queue *queue, struct mt_chunk *chunk)
{
    pthread_mutex_lock(&queue->lock);
    chunk->next = queue->first;
    queue->first = chunk;
    if (queue->last == NULL)
        queue->last = chunk;
    pthread_mutex_unlock(&queue->lock);
    pthread_cond_broadcast(&queue->something);
}

/* Locked. False when the time has come. */
static bool wait_until(struct mt_queue *queue, uint64_t time)
{
    struct timespec until = mt_clock_spec(time);

    return pthread_cond_timedwait(&queue->something, &queue->lock, &until) != ETIMEDOUT;
}

void mt_queue_wait(struct mt_queue *queue, uint64_t nap, uint64_t patience)
{
    uint64_t end = mt_clock_steady() + patience;

    pthread_mutex_lock(&queue->lock);
    queue->waiting++;
    while (queue->first == NULL && !queue->is_woken && !queue->is_closed) {
        if (!wait_until(queue, end))
            break;
    }
    end = mt_clock_steady() + nap;
    while (queue->first != NULL && queue->first == queue->last && !queue->is_woken && !queue->is_closed) {
        if (!wait_until(queue, end))
            break;
    }
    queue->waiting--;
    queue->is_woken = false;
    pthread_mutex_unlock(&queue->lock);
}

void mt_queue_wake(struct mt_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->is_woken = true;
    pthread_mutex_unlock(&queue->lock);
    pthread_cond_broadcast(&queue->something);
}

void mt_queue_close(struct mt_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->is_closed = true;
    pthread_mutex_unlock(&queue->lock);
    pthread_cond_broadcast(&queue->something);
}

bool mt_queue_is_ready(struct mt_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    bool is_ready = queue->first != NULL && (queue->first != queue->last || queue->is_closed);
    pthread_mutex_unlock(&queue->lock);
    return is_ready;
}

uint64_t mt_queue_bytes(const struct mt_queue *queue)
{
    return atomic_load_explicit(&queue->bytes, memory_order_relaxed);
}
