#include "stream/stream_priv.h"

#include "base/check.h"

static void *memory_get(struct mt_stream_work *work, size_t size)
{
    void *memory = mt_arena_get(work->engine->arena, size);

    if (!memory)
        mt_stream_count(work, MT_COUNTER_MEMORY_REFUSED);
    return memory;
}

struct mt_stream_queue *mt_stream_queue_get(struct mt_stream_work *work)
{
    struct mt_stream *stream = work->stream;

    if (stream->queue)
        return stream->queue;
    struct mt_stream_queue *queue = memory_get(work, sizeof(*queue));
    if (!queue)
        return NULL;
    memset(queue, 0, sizeof(*queue));
    for (int side = 0; side < MT_SIDE_COUNT; side++) {
        queue->half[side].edge = stream->dir[side].next_seq;
        queue->half[side].moved.time = work->mark->time;
    }
    stream->queue = queue;
    return queue;
}

void mt_stream_queue_drop_idle(struct mt_stream_work *work)
{
    struct mt_stream_queue *queue = work->stream->queue;

    if (!queue)
        return;
    for (int side = 0; side < MT_SIDE_COUNT; side++) {
        if (queue->half[side].head || queue->half[side].has_ack_due)
            return;
    }
    mt_arena_put(work->engine->arena, queue, sizeof(*queue));
    work->stream->queue = NULL;
}

struct mt_stream_range *mt_stream_range_at(const struct mt_stream_half *half, uint32_t seq)
{
    struct mt_stream_range *range = half->head;

    if (!half->tail || mt_seq_le(mt_range_end(half->tail), seq))
        return NULL;
    while (mt_seq_le(mt_range_end(range), seq))
        range = range->next;
    return range;
}

/* The frame's bytes stay as long as it is held. The source says when that is
 * enough. */
static bool frame_hold(struct mt_stream_work *work, const struct mt_stream_piece *piece, uint32_t size)
{
    const struct mt_frame_hold *hold = work->engine->config.hold;

    if (!hold || !piece->handle || size < MT_STREAM_HOLD_LEAST)
        return false;
    bool is_held = hold->hold(hold->ctx, piece->handle);
    mt_stream_count(work, is_held ? MT_COUNTER_STREAM_HELD : MT_COUNTER_STREAM_HOLD_REFUSED);
    return is_held;
}

/* Bytes are referred to where they stay, and copied where they don't. With
 * last_wins they may have to be overwritten, and a frame is not ours to write. */
static bool range_own(struct mt_stream_work *work, const struct mt_stream_piece *piece,
                      struct mt_stream_range *range)
{
    bool last_wins = work->engine->config.last_wins;

    if (piece->kind != MT_RANGE_DATA || (piece->is_persistent && !last_wins))
        return true;
    if (!last_wins && frame_hold(work, piece, range->size)) {
        range->block = piece->handle;
        range->is_held = true;
        return true;
    }
    range->block_size = (uint16_t)range->size;
    range->block = memory_get(work, range->size);
    if (!range->block)
        return false;
    memcpy(range->block, piece->bytes, range->size);
    range->bytes = range->block;
    return true;
}

static struct mt_stream_range *range_new(struct mt_stream_work *work, const struct mt_stream_piece *piece,
                                         uint32_t size)
{
    struct mt_stream_range *range = memory_get(work, sizeof(*range));

    if (!range)
        return NULL;
    *range = (struct mt_stream_range){
        .bytes = piece->bytes,
        .mark = *work->mark,
        .seq = piece->seq,
        .size = size,
        .ack = piece->ack,
        .arrived = work->stream->queue->segments,
        .kind = (uint8_t)piece->kind,
        .has_ack = piece->has_ack,
    };
    if (!range_own(work, piece, range)) {
        mt_arena_put(work->engine->arena, range, sizeof(*range));
        return NULL;
    }
    return range;
}

static void edge_advance(struct mt_stream_half *half)
{
    while (half->beyond && half->beyond->seq == half->edge) {
        half->edge = mt_range_end(half->beyond);
        half->beyond = half->beyond->next;
    }
}

static void range_insert(struct mt_stream_half *half, struct mt_stream_range *range)
{
    struct mt_stream_range **link = &half->head;

    if (half->tail && mt_seq_le(mt_range_end(half->tail), range->seq))
        link = &half->tail->next;
    while (*link && mt_seq_lt((*link)->seq, range->seq))
        link = &(*link)->next;
    MT_CHECK_HOT(!*link || mt_seq_le(mt_range_end(range), (*link)->seq));
    range->next = *link;
    *link = range;
    if (!range->next)
        half->tail = range;
    if (!half->beyond || mt_seq_lt(range->seq, half->beyond->seq))
        half->beyond = range;
    half->count++;
    half->bytes += range->kind == MT_RANGE_DATA ? range->size : 0;
    edge_advance(half);
}

bool mt_stream_queue_put(struct mt_stream_work *work, enum mt_side side, struct mt_stream_piece *piece)
{
    const struct mt_stream_config *config = &work->engine->config;
    struct mt_stream_queue *queue = mt_stream_queue_get(work);

    if (!queue)
        return false;
    struct mt_stream_half *half = &queue->half[side];
    while (piece->size > 0) {
        uint32_t size = piece->size;
        bool has_bytes = piece->kind == MT_RANGE_DATA;
        if (has_bytes && size > MT_ARENA_BLOCK_MAX)
            size = MT_ARENA_BLOCK_MAX;
        if (half->count >= config->segments_max)
            return false;
        if (has_bytes && (uint64_t)half->bytes + size > config->bytes_max)
            return false;
        struct mt_stream_range *range = range_new(work, piece, size);
        if (!range)
            return false;
        range_insert(half, range);
        piece->seq += size;
        piece->size -= size;
        if (has_bytes)
            piece->bytes += size;
    }
    return true;
}

/* Everybody's bookkeeping for a range that leaves, and its memory. */
static void range_drop(struct mt_stream_work *work, struct mt_stream_half *half,
                       struct mt_stream_range *range)
{
    half->count--;
    half->bytes -= range->kind == MT_RANGE_DATA ? range->size : 0;
    if (range->is_held)
        work->engine->config.hold->drop(work->engine->config.hold->ctx, range->block);
    else if (range->block)
        mt_arena_put(work->engine->arena, range->block, range->block_size);
    mt_arena_put(work->engine->arena, range, sizeof(*range));
}

void mt_stream_queue_pop(struct mt_stream_work *work, enum mt_side side)
{
    struct mt_stream_half *half = &work->stream->queue->half[side];
    struct mt_stream_range *range = half->head;

    half->head = range->next;
    if (!half->head)
        half->tail = NULL;
    range_drop(work, half, range);
}

void mt_stream_queue_cut(struct mt_stream_work *work, enum mt_side side, struct mt_stream_range *range)
{
    struct mt_stream_half *half = &work->stream->queue->half[side];
    struct mt_stream_range **link = &half->head;

    half->tail = NULL;
    for (; *link != range; link = &(*link)->next)
        half->tail = *link;
    *link = NULL;
    if (half->beyond == range)
        half->beyond = NULL;
    while (range) {
        struct mt_stream_range *next = range->next;
        range_drop(work, half, range);
        range = next;
    }
}

void mt_stream_queue_moved(struct mt_stream *stream, enum mt_side side)
{
    struct mt_stream_half *half = mt_stream_half_of(stream, side);

    if (!half)
        return;
    MT_CHECK_HOT(mt_seq_le(half->edge, stream->dir[side].next_seq));
    half->edge = stream->dir[side].next_seq;
    edge_advance(half);
}
