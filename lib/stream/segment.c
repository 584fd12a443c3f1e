#include "stream/stream_priv.h"

/* What became of a segment's payload, for the counters. */
struct account {
    bool has_new;
    bool has_old;
    bool has_conflict;
};

static void segment_skip(struct mt_stream_segment *segment, uint32_t size)
{
    segment->bytes = mt_span_from(segment->bytes, size);
    segment->seq += size;
    segment->size -= size;
}

static bool piece_is_next(const struct mt_stream *stream, enum mt_side side,
                          const struct mt_stream_piece *piece)
{
    uint32_t next_seq = stream->dir[side].next_seq;

    return piece->seq == next_seq && mt_stream_edge(stream, side) == next_seq &&
           mt_stream_is_covered(stream, side, piece->has_ack, piece->ack);
}

/* is_refused: the reader has just taken what is before the piece and no more. */
static void place(struct mt_stream_work *work, enum mt_side side, struct mt_stream_piece *piece,
                  bool is_refused)
{
    bool is_limit_told = false;
    bool has_refused = is_refused;

    while (piece->size > 0) {
        if (!is_refused && piece_is_next(work->stream, side, piece)) {
            /* refused before and no room to wait in: now it must be taken */
            mt_stream_pass(work, side, piece, has_refused ? MT_STREAM_FORCED : 0);
            is_refused = true;
            has_refused = true;
            continue;
        }
        bool is_put = mt_stream_queue_put(work, side, piece);
        if (is_refused && mt_stream_edge(work->stream, side) != work->stream->dir[side].next_seq)
            work->stream->queue->half[side].is_blocked = true;
        if (is_put)
            return;
        if (!is_limit_told) {
            mt_stream_count(work, MT_COUNTER_STREAM_LIMIT);
            mt_stream_anomaly(work, side, MT_ANOMALY_REORDER_LIMIT);
        }
        is_limit_told = true;
        is_refused = false;
        mt_stream_make_room(work, side, piece);
    }
}

void mt_stream_piece_place(struct mt_stream_work *work, enum mt_side side, struct mt_stream_piece *piece)
{
    place(work, side, piece, false);
}

void mt_stream_piece_refused(struct mt_stream_work *work, enum mt_side side, struct mt_stream_piece *piece)
{
    place(work, side, piece, true);
}

/* Bytes of the segment for which an earlier segment's are still in hand. Where
 * they were delivered already there is nothing left to compare with. */
static void covered_compare(struct mt_stream_work *work, struct mt_stream_range *range,
                            const struct mt_stream_segment *segment, uint32_t size, struct account *account)
{
    uint32_t off = segment->seq - range->seq;
    size_t captured = mt_min_u64(size, segment->bytes.size);

    account->has_old = true;
    /* A copy may acknowledge more than the original did; the least that goes
     * with the last byte counts for the range. */
    if (off + size == range->size) {
        if (!segment->has_ack)
            range->has_ack = false;
        else if (range->has_ack && mt_seq_lt(segment->ack, range->ack))
            range->ack = segment->ack;
    }
    if (range->kind != MT_RANGE_DATA || captured == 0 ||
        memcmp(range->bytes + off, segment->bytes.ptr, captured) == 0)
        return;
    account->has_conflict = true;
    if (work->engine->config.last_wins) {
        ptrdiff_t start = range->bytes - (const uint8_t *)range->block;
        memcpy((uint8_t *)range->block + start + off, segment->bytes.ptr, captured);
    }
}

/* size bytes that are in nobody's hand yet: first what was captured of them,
 * then what the snap length cut off. */
static void uncovered_place(struct mt_stream_work *work, enum mt_side side,
                            const struct mt_stream_segment *segment, uint32_t size, struct account *account)
{
    uint32_t captured = (uint32_t)mt_min_u64(size, segment->bytes.size);
    struct mt_stream_piece piece = {
        .kind = MT_RANGE_DATA,
        .seq = segment->seq,
        .size = captured,
        .bytes = segment->bytes.ptr,
        .ack = segment->ack,
        .has_ack = segment->has_ack,
        .is_persistent = segment->is_persistent,
        .handle = segment->handle,
    };

    account->has_new = true;
    mt_stream_piece_place(work, side, &piece);
    piece.kind = MT_RANGE_GAP;
    piece.seq = segment->seq + captured;
    piece.size = size - captured;
    mt_stream_piece_place(work, side, &piece);
}

/* What was delivered already, or is by now, is old. */
static void delivered_skip(const struct mt_stream_work *work, enum mt_side side,
                           struct mt_stream_segment *segment, struct account *account)
{
    uint32_t next_seq = work->stream->dir[side].next_seq;

    if (segment->size == 0 || !mt_seq_lt(segment->seq, next_seq))
        return;
    account->has_old = true;
    segment_skip(segment, (uint32_t)mt_min_u64(next_seq - segment->seq, segment->size));
}

static void payload_place(struct mt_stream_work *work, enum mt_side side, struct mt_stream_segment *segment,
                          struct account *account)
{
    delivered_skip(work, side, segment, account);
    struct mt_stream_half *half = mt_stream_half_of(work->stream, side);
    struct mt_stream_range *range = half ? mt_stream_range_at(half, segment->seq) : NULL;

    while (segment->size > 0) {
        uint32_t size = segment->size;
        if (range && mt_seq_le(range->seq, segment->seq)) {
            size = (uint32_t)mt_min_u64(size, mt_range_end(range) - segment->seq);
            covered_compare(work, range, segment, size, account);
            segment_skip(segment, size);
            range = range->next;
            continue;
        }
        if (range)
            size = (uint32_t)mt_min_u64(size, range->seq - segment->seq);
        unsigned rooms_made = work->rooms_made;
        uncovered_place(work, side, segment, size, account);
        segment_skip(segment, size);
        if (work->rooms_made != rooms_made) {
            delivered_skip(work, side, segment, account);
            half = mt_stream_half_of(work->stream, side);
            range = half ? mt_stream_range_at(half, segment->seq) : NULL;
        }
    }
}

/* The FIN ends the sequence space: what lies behind it is not the stream's. */
static void behind_fin_cut(struct mt_stream_work *work, enum mt_side side, struct mt_stream_segment *segment)
{
    const struct mt_stream_dir *dir = &work->stream->dir[side];
    const struct mt_stream_half *half = mt_stream_half_of(work->stream, side);
    uint32_t end = segment->seq + segment->size;
    uint32_t fin;

    if (dir->flags & MT_DIR_FIN)
        fin = dir->next_seq - 1;
    else if (half && half->tail && half->tail->kind == MT_RANGE_FIN)
        fin = half->tail->seq;
    else
        return;
    segment->has_fin = false;
    if (mt_seq_le(end, fin))
        return;
    mt_stream_anomaly(work, side, MT_ANOMALY_DATA_AFTER_FIN);
    segment->size = mt_seq_lt(segment->seq, fin) ? fin - segment->seq : 0;
    segment->bytes = mt_span_head(segment->bytes, segment->size);
}

static void fin_place(struct mt_stream_work *work, enum mt_side side, const struct mt_stream_segment *segment)
{
    const struct mt_stream_half *half = mt_stream_half_of(work->stream, side);
    uint32_t end = half && half->tail ? mt_range_end(half->tail) : work->stream->dir[side].next_seq;
    struct mt_stream_piece piece = {
        .kind = MT_RANGE_FIN,
        .seq = segment->seq,
        .size = 1,
        .ack = segment->ack,
        .has_ack = segment->has_ack,
    };

    if (mt_seq_lt(segment->seq, end))
        mt_stream_anomaly(work, side, MT_ANOMALY_DATA_AFTER_FIN);
    else
        mt_stream_piece_place(work, side, &piece);
}

void mt_stream_segment_take(struct mt_stream_work *work, enum mt_side side, struct mt_stream_segment *segment)
{
    struct mt_stream_dir *dir = &work->stream->dir[side];
    bool has_payload = segment->size > 0;
    uint32_t edge = mt_stream_edge(work->stream, side);
    bool is_early = mt_seq_lt(edge, segment->seq);
    struct account account = {.has_new = false};

    dir->flags |= MT_DIR_DATA;
    if (is_early)
        mt_stream_count(work, MT_COUNTER_STREAM_OUT_OF_ORDER);
    if (has_payload && segment->bytes.size < segment->size)
        mt_stream_anomaly(work, side, MT_ANOMALY_SNAPLEN_CUT);
    behind_fin_cut(work, side, segment);
    payload_place(work, side, segment, &account);
    if (segment->has_fin)
        fin_place(work, side, segment);

    struct mt_stream_queue *queue = work->stream->queue;
    if (queue && !is_early && queue->half[side].edge != edge)
        queue->half[side].moved =
            (struct mt_stream_clock){.time = work->mark->time, .arrived = queue->segments};
    if (account.has_conflict)
        mt_stream_anomaly(work, side, MT_ANOMALY_OVERLAP_CONFLICT);
    if (has_payload && !account.has_new)
        mt_stream_count(work, MT_COUNTER_STREAM_RETRANSMIT);
    else if (account.has_old)
        mt_stream_count(work, MT_COUNTER_STREAM_OVERLAP);
}
