#include "stream/stream_priv.h"

#include "base/check.h"

/* What may be delivered now, and how long to wait for the rest.
 *
 * A head is ready when it is next in its side's sequence, its reader has not
 * refused it since the other side last moved, and all that it acknowledges was
 * delivered. (Of a side whose reader refuses it is enough that the bytes are
 * in hand: that reader waits for the other side, so the other side must not
 * wait for it.) */

/* What an ACK may count on top of the bytes: a FIN that was not captured. */
static uint32_t unseen_fin(const struct mt_stream *stream, enum mt_side side)
{
    return stream->dir[side].flags & MT_DIR_FIN_UNSEEN ? 1 : 0;
}

bool mt_stream_is_covered(const struct mt_stream *stream, enum mt_side side, bool has_ack, uint32_t ack)
{
    enum mt_side other = mt_side_other(side);

    if (!has_ack || !(stream->dir[other].flags & MT_DIR_OPEN))
        return true;
    uint32_t limit = stream->dir[other].next_seq;
    if (stream->queue && stream->queue->half[other].is_blocked)
        limit = stream->queue->half[other].edge;
    return mt_seq_le(ack, limit + unseen_fin(stream, other));
}

/* Side's next_seq goes on by size; whoever waits for that is free again. */
static void side_moves(struct mt_stream_work *work, enum mt_side side, uint32_t size)
{
    struct mt_stream_half *other = mt_stream_half_of(work->stream, mt_side_other(side));

    work->stream->dir[side].next_seq += size;
    work->stream->dir[side].flags |= MT_DIR_DATA;
    work->stream->dir[side].flags &= (uint16_t)~MT_DIR_FIN_UNSEEN;
    if (other && size > 0)
        other->is_blocked = false;
}

static void emit_gap(struct mt_stream_work *work, enum mt_side side, uint32_t size,
                     const struct mt_mark *mark)
{
    mt_stream_count(work, MT_COUNTER_STREAM_GAPS);
    mt_stats_add(work->engine->stats, MT_COUNTER_STREAM_GAP_BYTES, size);
    work->sink->gap(work->ctx, side, size, mark);
    side_moves(work, side, size);
}

static void emit_fin(struct mt_stream_work *work, enum mt_side side, const struct mt_mark *mark)
{
    struct mt_stream_dir *dir = &work->stream->dir[side];
    const struct mt_stream_half *half = mt_stream_half_of(work->stream, side);

    work->sink->fin(work->ctx, side, mark);
    side_moves(work, side, 1);
    dir->flags |= MT_DIR_FIN;
    if (half && half->has_ack_top && half->ack_top == dir->next_seq)
        dir->flags |= MT_DIR_FIN_ACKED;
}

static uint32_t emit_data(struct mt_stream_work *work, enum mt_side side, struct mt_span bytes,
                          const struct mt_mark *mark, unsigned flags)
{
    size_t taken = work->sink->data(work->ctx, side, bytes, mark, flags);

    MT_BUG_ON(taken > bytes.size);
    MT_CHECK_HOT(taken == bytes.size || !(flags & MT_STREAM_FORCED));
    if (flags & MT_STREAM_FORCED)
        taken = bytes.size;
    side_moves(work, side, (uint32_t)taken);
    return (uint32_t)taken;
}

void mt_stream_pass(struct mt_stream_work *work, enum mt_side side, struct mt_stream_piece *piece,
                    unsigned flags)
{
    uint32_t taken = piece->size;

    if (piece->kind == MT_RANGE_DATA) {
        taken = emit_data(work, side, mt_span(piece->bytes, piece->size), work->mark, flags);
        piece->bytes += taken;
    } else if (piece->kind == MT_RANGE_GAP) {
        emit_gap(work, side, piece->size, work->mark);
    } else {
        emit_fin(work, side, work->mark);
    }
    piece->seq += taken;
    piece->size -= taken;
    mt_stream_queue_moved(work->stream, side);
}

static void head_deliver(struct mt_stream_work *work, enum mt_side side, unsigned flags)
{
    struct mt_stream_half *half = &work->stream->queue->half[side];
    struct mt_stream_range *head = half->head;

    half->is_blocked = false;
    if (head->kind == MT_RANGE_GAP) {
        emit_gap(work, side, head->size, &head->mark);
    } else if (head->kind == MT_RANGE_FIN) {
        emit_fin(work, side, &head->mark);
    } else {
        struct mt_span bytes = mt_span(head->bytes, head->size);
        uint32_t taken = emit_data(work, side, bytes, &head->mark, flags | MT_STREAM_QUEUED);
        if (taken < head->size) {
            head->bytes += taken;
            head->seq += taken;
            head->size -= taken;
            half->bytes -= taken;
            half->is_blocked = true;
            return;
        }
    }
    mt_stream_queue_pop(work, side);
}

static bool head_is_next(const struct mt_stream *stream, enum mt_side side)
{
    const struct mt_stream_range *head = stream->queue->half[side].head;
    return head && head->seq == stream->dir[side].next_seq;
}

static bool head_is_ready(const struct mt_stream *stream, enum mt_side side)
{
    const struct mt_stream_half *half = &stream->queue->half[side];

    return head_is_next(stream, side) && !half->is_blocked &&
           mt_stream_is_covered(stream, side, half->head->has_ack, half->head->ack);
}

/* Where both sides could go on, the frame that was captured first does. */
static bool side_to_go_on(const struct mt_stream *stream, enum mt_side *ret_side)
{
    bool client = head_is_ready(stream, MT_CLIENT);
    bool server = head_is_ready(stream, MT_SERVER);

    if (!client && !server)
        return false;
    *ret_side = client ? MT_CLIENT : MT_SERVER;
    if (client && server &&
        stream->queue->half[MT_SERVER].head->mark.number < stream->queue->half[MT_CLIENT].head->mark.number)
        *ret_side = MT_SERVER;
    return true;
}

static void pump(struct mt_stream_work *work)
{
    enum mt_side side;

    while (side_to_go_on(work->stream, &side))
        head_deliver(work, side, 0);
}

/* A hole this long of which the other side, which is seen, has acknowledged
 * nothing: what lies behind it is another connection's, or nobody's. */
static bool is_beyond_belief(const struct mt_stream *stream, enum mt_side side, uint32_t hole, uint32_t end)
{
    const struct mt_stream_half *half = mt_stream_half_of(stream, side);

    return stream->dir[mt_side_other(side)].flags & MT_DIR_OPEN &&
           mt_seq_diff(end, hole) > MT_STREAM_BELIEF &&
           !(half && half->has_ack_top && mt_seq_lt(hole, half->ack_top));
}

/* Drops all from the first such hole on; false when there is none. */
static bool unbelieved_drop(struct mt_stream_work *work, enum mt_side side)
{
    const struct mt_stream_half *half = mt_stream_half_of(work->stream, side);
    struct mt_stream_range *range = half ? half->beyond : NULL;
    uint32_t end = mt_stream_edge(work->stream, side);

    for (; range; end = mt_range_end(range), range = range->next) {
        if (!is_beyond_belief(work->stream, side, end, range->seq))
            continue;
        mt_stream_queue_cut(work, side, range);
        mt_stream_count(work, MT_COUNTER_STREAM_OUT_OF_WINDOW);
        mt_stream_anomaly(work, side, MT_ANOMALY_OUT_OF_WINDOW);
        return true;
    }
    return false;
}

void mt_stream_make_room(struct mt_stream_work *work, enum mt_side side, struct mt_stream_piece *piece)
{
    struct mt_stream_half *half = mt_stream_half_of(work->stream, side);
    uint32_t *next_seq = &work->stream->dir[side].next_seq;
    uint32_t end = half && half->tail ? mt_range_end(half->tail) : *next_seq;

    work->rooms_made++;
    if (is_beyond_belief(work->stream, side, end, piece->seq)) {
        piece->size = 0;
        mt_stream_count(work, MT_COUNTER_STREAM_OUT_OF_WINDOW);
        mt_stream_anomaly(work, side, MT_ANOMALY_OUT_OF_WINDOW);
    } else if (unbelieved_drop(work, side)) {
        return;
    } else if (!half || !half->head || mt_seq_lt(piece->seq, half->head->seq)) {
        if (piece->seq != *next_seq)
            emit_gap(work, side, piece->seq - *next_seq, work->mark);
        mt_stream_pass(work, side, piece, MT_STREAM_FORCED | MT_STREAM_QUEUED);
    } else if (half->head->seq != *next_seq) {
        emit_gap(work, side, half->head->seq - *next_seq, work->mark);
        mt_stream_queue_moved(work->stream, side);
    } else {
        head_deliver(work, side, MT_STREAM_FORCED);
    }
    if (work->stream->queue)
        pump(work);
}

/* --- patience -------------------------------------------------------------- */

/* Behind a FIN there is nothing to acknowledge. */
static bool is_past_fin(const struct mt_stream *stream, enum mt_side side, uint32_t ack)
{
    const struct mt_stream_half *half = mt_stream_half_of(stream, side);

    if (stream->dir[side].flags & MT_DIR_FIN)
        return mt_seq_lt(stream->dir[side].next_seq, ack);
    return half && half->tail && half->tail->kind == MT_RANGE_FIN && mt_seq_lt(mt_range_end(half->tail), ack);
}

bool mt_stream_note_ack(struct mt_stream_work *work, enum mt_side side, uint32_t ack)
{
    enum mt_side other = mt_side_other(side);
    const struct mt_stream_dir *dir = &work->stream->dir[other];
    struct mt_stream_half *half = mt_stream_half_of(work->stream, other);
    uint32_t seen = half && half->tail ? mt_range_end(half->tail) : dir->next_seq;

    if (!(dir->flags & MT_DIR_OPEN) || mt_seq_diff(ack, seen) > MT_STREAM_BELIEF ||
        is_past_fin(work->stream, other, ack))
        return false;
    bool is_ahead = mt_seq_lt(dir->next_seq + unseen_fin(work->stream, other), ack);
    if (!half && is_ahead && mt_stream_queue_get(work))
        half = mt_stream_half_of(work->stream, other);
    if (!half)
        return is_ahead;
    half->ack_last = ack;
    half->has_ack_last = true;
    if (!is_ahead)
        return false;
    struct mt_stream_clock now = {.time = work->mark->time, .arrived = work->stream->queue->segments};
    if (!half->has_ack_top || mt_seq_lt(half->ack_top, ack)) {
        half->has_ack_top = true;
        half->ack_top = ack;
        half->top = now;
    }
    if (!half->has_ack_due && mt_seq_lt(half->edge, ack)) {
        half->has_ack_due = true;
        half->ack_due = ack;
        half->due = now;
    }
    return true;
}

/* An ACK that edge has reached is done with; the highest one may not be. */
static void ack_renew(struct mt_stream_half *half)
{
    if (!half->has_ack_due || mt_seq_lt(half->edge, half->ack_due))
        return;
    half->has_ack_due = mt_seq_lt(half->edge, half->ack_top);
    half->ack_due = half->ack_top;
    half->due = half->top;
}

static bool is_over(const struct mt_stream_work *work, struct mt_stream_clock since)
{
    const struct mt_stream_config *config = &work->engine->config;

    return work->stream->queue->segments - since.arrived >= config->patience_segments ||
           (work->mark->time > since.time && work->mark->time - since.time >= config->patience_time);
}

static struct mt_stream_clock clock_of(const struct mt_stream_range *range)
{
    return (struct mt_stream_clock){.time = range->mark.time, .arrived = range->arrived};
}

/* ACKs only grow. One that the sender's later ones stay behind was forged. */
static bool ack_is_disproved(const struct mt_stream *stream, enum mt_side side, uint32_t ack)
{
    const struct mt_stream_half *half = &stream->queue->half[side];
    return (half->has_ack_last && mt_seq_lt(half->ack_last, ack)) || is_past_fin(stream, side, ack);
}

/* The other side has acknowledged bytes of the hole, so it has them and we have
 * lost them: unless an ACK overtook them on its way here. As long as bytes come
 * in their turn and none behind the hole, the latter is likely. A hole that
 * ends where it begins is a wait that was for nothing. */
static bool ack_ends_hole(const struct mt_stream_work *work, enum mt_side side, bool at_end,
                          uint32_t *ret_end)
{
    struct mt_stream *stream = work->stream;
    struct mt_stream_half *half = &stream->queue->half[side];
    enum mt_side other = mt_side_other(side);
    struct mt_stream_range *waits = head_is_next(stream, other) ? stream->queue->half[other].head : NULL;
    bool is_still = at_end || half->beyond || is_over(work, half->moved);

    if (half->has_ack_due && (at_end || is_over(work, half->due))) {
        if (ack_is_disproved(stream, side, half->ack_due)) {
            half->has_ack_due = false;
            half->ack_top = half->ack_last;
            *ret_end = half->edge;
            return true;
        }
        *ret_end = half->ack_due;
        if (is_still)
            return true;
    }
    if (waits && waits->has_ack && mt_seq_lt(half->edge + unseen_fin(stream, side), waits->ack) &&
        (at_end || is_over(work, clock_of(waits)))) {
        waits->has_ack = !ack_is_disproved(stream, side, waits->ack);
        *ret_end = waits->has_ack ? waits->ack : half->edge;
        return is_still || !waits->has_ack;
    }
    return false;
}

/* Nobody's ACKs are seen, so what came behind the hole is all that tells how
 * long it has been there. */
static bool age_ends_hole(const struct mt_stream_work *work, enum mt_side side, bool at_end)
{
    const struct mt_stream_half *half = &work->stream->queue->half[side];

    if (!half->beyond)
        return false;
    if (at_end)
        return true;
    if (work->stream->dir[mt_side_other(side)].flags & MT_DIR_OPEN)
        return false;
    for (const struct mt_stream_range *range = half->beyond; range; range = range->next) {
        if (is_over(work, clock_of(range)))
            return true;
    }
    return false;
}

/* The hole at side's edge, up to end, is given up: at once when it is next, else
 * as a range that is delivered in its turn. */
static void hole_close(struct mt_stream_work *work, enum mt_side side, uint32_t end)
{
    uint32_t edge = work->stream->queue->half[side].edge;
    struct mt_stream_piece gap = {.kind = MT_RANGE_GAP, .seq = edge, .size = end - edge};

    mt_stream_piece_place(work, side, &gap);
}

static bool hole_resolve(struct mt_stream_work *work, enum mt_side side, bool at_end)
{
    struct mt_stream_half *half = &work->stream->queue->half[side];
    struct mt_stream_dir *dir = &work->stream->dir[side];
    uint32_t end;

    if (!(dir->flags & MT_DIR_OPEN))
        return false;
    ack_renew(half);
    if (!ack_ends_hole(work, side, at_end, &end)) {
        if (!age_ends_hole(work, side, at_end))
            return false;
        if (unbelieved_drop(work, side))
            return true;
        end = half->beyond->seq;
    }
    if (half->beyond && mt_seq_lt(half->beyond->seq, end))
        end = half->beyond->seq;
    if (!half->beyond && end == half->edge + 1) {
        /* One number and nothing behind it: rather a FIN that was not captured
         * than a byte. Nobody waits for it any more. */
        dir->flags |= MT_DIR_FIN_UNSEEN;
        half->has_ack_due = false;
        return true;
    }
    hole_close(work, side, end);
    return true;
}

/* Two heads that acknowledge each other: one is a copy, sent again when the
 * other had been received already, and its original was not captured. It was
 * captured last, and is the one that the other side has answered. */
static bool circle_resolve(struct mt_stream_work *work, bool at_end)
{
    struct mt_stream *stream = work->stream;
    struct mt_stream_half *client = &stream->queue->half[MT_CLIENT];
    struct mt_stream_half *server = &stream->queue->half[MT_SERVER];
    struct mt_stream_range *last;

    if (!head_is_next(stream, MT_CLIENT) || !head_is_next(stream, MT_SERVER))
        return false;
    if (mt_stream_is_covered(stream, MT_CLIENT, client->head->has_ack, client->head->ack) ||
        mt_stream_is_covered(stream, MT_SERVER, server->head->has_ack, server->head->ack))
        return false;
    if (mt_seq_lt(server->edge, client->head->ack) || mt_seq_lt(client->edge, server->head->ack))
        return false;
    last = client->head->mark.number > server->head->mark.number ? client->head : server->head;
    if (!at_end && !is_over(work, clock_of(last)))
        return false;
    last->has_ack = false;
    return true;
}

/* At the end readers get what they refused; the frame that was captured first
 * goes first. */
static bool block_resolve(struct mt_stream_work *work)
{
    struct mt_stream_half *half = work->stream->queue->half;
    const struct mt_stream_range *client = half[MT_CLIENT].head;
    const struct mt_stream_range *server = half[MT_SERVER].head;

    if (!client && !server)
        return false;
    if (client && (!server || client->mark.number <= server->mark.number))
        head_deliver(work, MT_CLIENT, MT_STREAM_FORCED);
    else
        head_deliver(work, MT_SERVER, MT_STREAM_FORCED);
    return true;
}

void mt_stream_settle(struct mt_stream_work *work, bool at_end)
{
    if (!work->stream->queue)
        return;
    do {
        pump(work);
    } while (hole_resolve(work, MT_CLIENT, at_end) || hole_resolve(work, MT_SERVER, at_end) ||
             circle_resolve(work, at_end) || (at_end && block_resolve(work)));
    mt_stream_queue_drop_idle(work);
}
