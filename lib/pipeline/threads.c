#include "pipeline/threads_priv.h"

#include "pipeline/ring_priv.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#define BATCH_PACKETS 128u
#define BATCHES_PER_WORKER 32u
#define ROUND_FRAMES 2048u /* frames dealt between two looks at every worker */
#define BLOCK_SIZE ((size_t)256 << 10)

/* Dealer to worker, and back when done. */
struct batch {
    uint32_t count;
    bool is_last;
    uint64_t watermark; /* frame number */
    uint64_t now;       /* time of the newest frame of the run */
    struct mt_packet packets[BATCH_PACKETS];
    /* payloads that had to be copied because they don't persist */
    void *owned[BATCH_PACKETS];
    uint32_t owned_count;
};

/* Worker to collector, which frees it. Entries follow each other in bytes[]. */
struct block {
    struct block *next;
    uint64_t watermark;
    bool is_last;
    size_t size;
    size_t cap;
    size_t read; /* the collector's place */
    uint8_t bytes[];
};

struct entry {
    uint64_t number;
    uint32_t size; /* of what follows, without padding */
    uint32_t is_observation;
};

struct lane {
    struct mt_worker *worker;
    struct mt_ring todo;   /* batches, dealer to worker */
    struct mt_ring free;   /* batches, worker to dealer */
    struct mt_ring blocks; /* worker to collector */
    pthread_t thread;
    bool is_started;
    struct batch *filling; /* dealer */
    struct block *block;   /* worker */
    _Atomic bool *failed;  /* shared: out of memory somewhere */
    /* collector */
    struct block *pending_first;
    struct block *pending_last;
    uint64_t watermark;
    bool is_ended;
    struct batch batches[BATCHES_PER_WORKER];
};

struct threads {
    struct mt_collector *collector;
    struct lane **lanes;
    uint32_t lane_count;
    pthread_t collector_thread;
    bool is_collector_started;
    _Atomic bool failed;
    uint64_t seed;
};

void mt_ring_pause(uint32_t *spins)
{
    ++*spins;
    if (*spins < 64) {
        __builtin_ia32_pause();
    } else if (*spins < 128) {
        sched_yield();
    } else {
        struct timespec nap = {.tv_nsec = 50000};
        nanosleep(&nap, NULL);
    }
}

static void ring_push_wait(struct mt_ring *ring, void *item)
{
    uint32_t spins = 0;
    while (!mt_ring_push(ring, item))
        mt_ring_pause(&spins);
}

static void *ring_pop_wait(struct mt_ring *ring)
{
    uint32_t spins = 0;
    void *item;
    while ((item = mt_ring_pop(ring)) == NULL)
        mt_ring_pause(&spins);
    return item;
}

/* --- worker side ----------------------------------------------------------- */

static struct block *block_new(size_t cap)
{
    struct block *block = malloc(sizeof(*block) + cap);
    if (block)
        *block = (struct block){.cap = cap};
    return block;
}

/* Room for size bytes behind an entry header; NULL when memory is exhausted:
 * then the run is marked as failed and what did not fit is counted. */
static void *block_entry(struct lane *lane, uint64_t number, size_t size, bool is_observation)
{
    size_t need = (sizeof(struct entry) + size + 15) & ~(size_t)15;
    if (lane->block && need > lane->block->cap - lane->block->size) {
        lane->block->watermark = 0; /* says nothing: the batch is not done */
        ring_push_wait(&lane->blocks, lane->block);
        lane->block = NULL;
    }
    if (!lane->block)
        lane->block = block_new(need > BLOCK_SIZE ? need : BLOCK_SIZE);
    if (!lane->block) {
        mt_stats_add(&lane->worker->stats, MT_COUNTER_EXPORT_SHED, 1);
        atomic_store_explicit(lane->failed, true, memory_order_relaxed);
        return NULL;
    }
    struct entry entry = {.number = number, .size = (uint32_t)size, .is_observation = is_observation};
    uint8_t *at = lane->block->bytes + lane->block->size;
    memcpy(at, &entry, sizeof(entry));
    lane->block->size += need;
    return at + sizeof(entry);
}

static void lane_line(void *ctx, struct mt_span line, uint64_t number)
{
    void *to = block_entry(ctx, number, line.size, false);
    if (to)
        memcpy(to, line.ptr, line.size);
}

static void lane_observation(void *ctx, const struct mt_observation *observation)
{
    struct lane *lane = ctx;
    void *to = block_entry(lane, lane->worker->now.number, sizeof(*observation), true);
    if (to)
        memcpy(to, observation, sizeof(*observation));
}

static const struct mt_worker_output lane_output = {.line = lane_line, .observation = lane_observation};

/* Hands over what there is, with the news how far this worker has come. */
static void lane_hand_over(struct lane *lane, uint64_t watermark, bool is_last)
{
    struct block *block = lane->block ? lane->block : block_new(0);
    lane->block = NULL;
    if (!block) {
        atomic_store_explicit(lane->failed, true, memory_order_relaxed);
        return;
    }
    block->watermark = watermark;
    block->is_last = is_last;
    ring_push_wait(&lane->blocks, block);
}

static void *lane_main(void *arg)
{
    struct lane *lane = arg;
    for (;;) {
        struct batch *batch = ring_pop_wait(&lane->todo);
        for (uint32_t i = 0; i < batch->count || i == 0; i += MT_BURST_MAX) {
            uint32_t count = (uint32_t)mt_min_u64(MT_BURST_MAX, batch->count - i);
            uint64_t now = i + count < batch->count ? batch->packets[i + count - 1].mark.time : batch->now;
            mt_worker_burst(lane->worker, batch->packets + i, count, now);
        }
        bool is_last = batch->is_last;
        uint64_t watermark = batch->watermark;
        if (is_last)
            mt_worker_finish(lane->worker, batch->now);
        for (uint32_t i = 0; i < batch->owned_count; i++)
            free(batch->owned[i]);
        ring_push_wait(&lane->free, batch);
        lane_hand_over(lane, is_last ? UINT64_MAX : watermark, is_last);
        if (is_last)
            return NULL;
    }
}

/* --- collector side -------------------------------------------------------- */

static bool lanes_drain(struct threads *t)
{
    bool moved = false;
    for (uint32_t i = 0; i < t->lane_count; i++) {
        struct lane *lane = t->lanes[i];
        struct block *block;
        while ((block = mt_ring_pop(&lane->blocks)) != NULL) {
            moved = true;
            lane->watermark = mt_max_u64(lane->watermark, block->watermark);
            lane->is_ended |= block->is_last;
            if (lane->pending_last)
                lane->pending_last->next = block;
            else
                lane->pending_first = block;
            lane->pending_last = block;
        }
    }
    return moved;
}

/* The first entry that waits in a lane; blocks that were read are freed. */
static bool lane_peek(struct lane *lane, struct entry *ret_entry)
{
    while (lane->pending_first) {
        struct block *block = lane->pending_first;
        if (block->read < block->size) {
            memcpy(ret_entry, block->bytes + block->read, sizeof(*ret_entry));
            return true;
        }
        lane->pending_first = block->next;
        if (!lane->pending_first)
            lane->pending_last = NULL;
        free(block);
    }
    return false;
}

static void lane_take(struct lane *lane, const struct entry *entry, struct mt_collector *collector)
{
    struct block *block = lane->pending_first;
    const uint8_t *bytes = block->bytes + block->read + sizeof(*entry);
    if (entry->is_observation)
        mt_collector_observe(collector, (const struct mt_observation *)(const void *)bytes);
    else
        mt_collector_line(collector, mt_span(bytes, entry->size));
    block->read += (sizeof(*entry) + entry->size + 15) & ~(size_t)15;
}

/* Everything up to the least watermark, in the order of frame numbers; workers
 * in their order where numbers are equal (they can't be: a frame has one). */
static void lanes_merge(struct threads *t)
{
    uint64_t watermark = UINT64_MAX;
    for (uint32_t i = 0; i < t->lane_count; i++)
        watermark = mt_min_u64(watermark, t->lanes[i]->watermark);
    for (;;) {
        struct lane *first = NULL;
        struct entry first_entry = {0};
        for (uint32_t i = 0; i < t->lane_count; i++) {
            struct entry entry;
            if (lane_peek(t->lanes[i], &entry) && entry.number <= watermark &&
                (!first || entry.number < first_entry.number)) {
                first = t->lanes[i];
                first_entry = entry;
            }
        }
        if (!first)
            return;
        lane_take(first, &first_entry, t->collector);
    }
}

static void *collector_main(void *arg)
{
    struct threads *t = arg;
    uint32_t spins = 0;
    for (;;) {
        bool all_ended = true;
        for (uint32_t i = 0; i < t->lane_count; i++)
            all_ended &= t->lanes[i]->is_ended;
        if (all_ended)
            return NULL;
        if (lanes_drain(t)) {
            spins = 0;
            lanes_merge(t);
        } else {
            mt_ring_pause(&spins);
        }
    }
}

/* --- dealer side ----------------------------------------------------------- */

static void batch_send(struct lane *lane, uint64_t watermark, uint64_t now, bool is_last)
{
    struct batch *batch = lane->filling ? lane->filling : ring_pop_wait(&lane->free);
    if (!lane->filling) {
        batch->count = 0;
        batch->owned_count = 0;
    }
    batch->watermark = watermark;
    batch->now = now;
    batch->is_last = is_last;
    lane->filling = NULL;
    ring_push_wait(&lane->todo, batch);
}

/* A reassembled datagram lies in the fragment table: the packet gets a copy. */
static bool batch_own_payload(struct batch *batch, struct mt_packet *packet)
{
    if (packet->payload.size == 0)
        return true;
    uint8_t *copy = malloc(packet->payload.size);
    if (!copy)
        return false;
    memcpy(copy, packet->payload.ptr, packet->payload.size);
    packet->payload.ptr = copy;
    batch->owned[batch->owned_count++] = copy;
    return true;
}

static void deal(struct threads *t, struct mt_front *front, const struct mt_frame *frame)
{
    struct mt_packet packet;
    if (!mt_front_packet(front, frame, &packet))
        return;
    /* the high half: the flow table's hash has another seed, and uses the low bits */
    uint64_t hash = mt_hash_tuple_symmetric(t->seed, &packet.tuple) >> 32;
    struct lane *lane = t->lanes[(hash * t->lane_count) >> 32];
    if (!lane->filling) {
        lane->filling = ring_pop_wait(&lane->free);
        lane->filling->count = 0;
        lane->filling->owned_count = 0;
    }
    struct batch *batch = lane->filling;
    if (front->is_reassembled && !batch_own_payload(batch, &packet)) {
        mt_stats_add(front->stats, MT_COUNTER_FRAGMENTS_DROPPED, 1);
        return;
    }
    batch->packets[batch->count++] = packet;
    if (batch->count == BATCH_PACKETS) {
        /* the frame's own number: everything before it has been dealt to this worker */
        batch_send(lane, frame->mark.number, frame->mark.time, false);
    }
}

static bool is_stopped(const struct mt_pipeline_config *config)
{
    return config->stop && atomic_load_explicit(config->stop, memory_order_relaxed);
}

static void deal_all(struct threads *t, const struct mt_pipeline_config *config, struct mt_capture *capture,
                     struct mt_front *front, struct mt_pipeline_result *result)
{
    struct mt_frame frames[MT_BURST_MAX];
    bool is_end = false;
    uint64_t number = 0;
    uint32_t since_round = 0;
    while (!is_end && !is_stopped(config)) {
        size_t count = capture->ops->burst(capture, frames, MT_BURST_MAX, &is_end);
        for (size_t i = 0; i < count; i++)
            deal(t, front, &frames[i]);
        capture->ops->release(capture);
        if (count == 0)
            continue;
        if (result->first_time == 0)
            result->first_time = frames[0].mark.time;
        result->last_time = frames[count - 1].mark.time;
        number = frames[count - 1].mark.number;
        since_round += (uint32_t)count;
        if (since_round >= ROUND_FRAMES) {
            since_round = 0;
            for (uint32_t i = 0; i < t->lane_count; i++)
                batch_send(t->lanes[i], number, result->last_time, false);
        }
    }
    for (uint32_t i = 0; i < t->lane_count; i++)
        batch_send(t->lanes[i], number, result->last_time, true);
}

/* --- setting up ------------------------------------------------------------ */

static void lane_destroy(struct lane *lane)
{
    if (!lane)
        return;
    mt_worker_destroy(lane->worker);
    free(lane->block);
    free(lane);
}

static int lane_create(struct threads *t, const struct mt_pipeline_config *config, struct lane **ret_lane)
{
    struct lane *lane =
        aligned_alloc(MT_CACHE_LINE, (sizeof(*lane) + MT_CACHE_LINE - 1) & ~(size_t)(MT_CACHE_LINE - 1));
    if (!lane)
        return -ENOMEM;
    memset(lane, 0, offsetof(struct lane, batches));
    lane->failed = &t->failed;
    int rc = mt_worker_create(config, t->lane_count, t->collector->sink, t->collector->sink_ctx, &lane_output,
                              lane, &lane->worker);
    if (rc != 0) {
        lane_destroy(lane);
        return rc;
    }
    for (uint32_t i = 0; i < BATCHES_PER_WORKER; i++)
        mt_ring_push(&lane->free, &lane->batches[i]);
    *ret_lane = lane;
    return 0;
}

static int threads_start(struct threads *t)
{
    for (uint32_t i = 0; i < t->lane_count; i++) {
        struct lane *lane = t->lanes[i];
        lane->is_started = pthread_create(&lane->thread, NULL, lane_main, lane) == 0;
        if (!lane->is_started)
            return -EAGAIN;
    }
    t->is_collector_started = pthread_create(&t->collector_thread, NULL, collector_main, t) == 0;
    return t->is_collector_started ? 0 : -EAGAIN;
}

/* Threads that run are told to end and joined; then what they left is merged. */
static void threads_join(struct threads *t, bool is_abort)
{
    for (uint32_t i = 0; i < t->lane_count; i++) {
        struct lane *lane = t->lanes[i];
        if (lane && lane->is_started && is_abort)
            batch_send(lane, 0, 0, true);
        if (lane && lane->is_started)
            pthread_join(lane->thread, NULL);
    }
    if (t->is_collector_started)
        pthread_join(t->collector_thread, NULL);
    lanes_drain(t);
    lanes_merge(t);
}

static void result_add(struct mt_pipeline_result *result, const struct mt_worker *worker)
{
    mt_stats_sum(&result->stats, &worker->stats);
    mt_tally_merge(&result->tally, worker->tally);
}

int mt_threads_run(const struct mt_pipeline_config *config, struct mt_capture *capture,
                   struct mt_front *front, struct mt_collector *collector, struct mt_pipeline_result *result)
{
    struct threads t = {.collector = collector, .lane_count = config->workers};
    t.lanes = calloc(config->workers, sizeof(struct lane *));
    int rc = t.lanes ? 0 : -ENOMEM;
    for (uint32_t i = 0; rc == 0 && i < t.lane_count; i++)
        rc = lane_create(&t, config, &t.lanes[i]);
    if (rc == 0) {
        rc = threads_start(&t);
        if (rc == 0)
            deal_all(&t, config, capture, front, result);
        threads_join(&t, rc != 0);
        mt_collector_flush(collector);
    }
    for (uint32_t i = 0; t.lanes && i < t.lane_count; i++) {
        if (rc == 0)
            result_add(result, t.lanes[i]->worker);
        lane_destroy(t.lanes[i]);
    }
    free(t.lanes);
    if (rc == 0 && atomic_load(&t.failed))
        rc = -ENOMEM;
    return rc;
}
