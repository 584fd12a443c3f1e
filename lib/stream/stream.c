#include "stream/stream_priv.h"

#include "base/check.h"

#define TCP_UNUSUAL (MT_TCP_SYN | MT_TCP_FIN | MT_TCP_RST | MT_TCP_URG)
#define DIR_UNUSUAL (MT_DIR_FIN | MT_DIR_FIN_UNSEEN)

/* No range of this side waits: none comes before it is open, and set_isn does
 * nothing once one may have come. */
static void dir_open(struct mt_stream *stream, enum mt_side side, uint32_t next_seq, unsigned flags)
{
    struct mt_stream_dir *dir = &stream->dir[side];
    struct mt_stream_half *half = mt_stream_half_of(stream, side);

    dir->next_seq = next_seq;
    dir->flags |= (uint16_t)(MT_DIR_OPEN | flags);
    if (half) {
        half->edge = next_seq;
        half->has_ack_due = half->has_ack_top = half->has_ack_last = false;
    }
}

void mt_stream_set_isn(struct mt_stream *stream, enum mt_side side, uint32_t isn)
{
    if (!(stream->dir[side].flags & MT_DIR_DATA))
        dir_open(stream, side, isn + 1, MT_DIR_SYN);
}

void mt_stream_expect_isn(struct mt_stream *stream, enum mt_side side, uint32_t isn)
{
    if (!(stream->dir[side].flags & MT_DIR_OPEN))
        stream->dir[side].next_seq = isn + 1;
}

bool mt_stream_is_syn(const struct mt_stream *stream, enum mt_side side, uint32_t seq)
{
    return stream->dir[side].next_seq == seq + 1;
}

bool mt_stream_is_waiting(const struct mt_stream *stream)
{
    return stream->queue != NULL;
}

bool mt_stream_is_open(const struct mt_stream *stream, enum mt_side side)
{
    return (stream->dir[side].flags & MT_DIR_OPEN) != 0;
}

static enum mt_stream_verdict verdict_of(const struct mt_stream *stream)
{
    const unsigned done = MT_DIR_FIN | MT_DIR_FIN_ACKED;
    unsigned both = stream->dir[MT_CLIENT].flags & stream->dir[MT_SERVER].flags;

    return (both & done) == done ? MT_STREAM_CLOSED : MT_STREAM_OK;
}

/* RFC 5961 §3.2 has the receiver take only the exact number and ask back for
 * the rest of the window; an observer can't ask, and may lag behind both ends,
 * so the window it is. One below is the FIN's own number. Where the start of a
 * side was not seen, or the other side is not seen at all, a RST counts on both
 * sides of what we know. */
static bool rst_is_valid(const struct mt_stream *stream, enum mt_side side, const struct mt_packet *packet)
{
    const struct mt_stream_dir *dir = &stream->dir[side];
    const struct mt_stream_dir *other = &stream->dir[mt_side_other(side)];
    int32_t ahead = mt_seq_diff(packet->seq, dir->next_seq);
    bool is_sure = (dir->flags & MT_DIR_SYN) && (other->flags & MT_DIR_OPEN);

    if (dir->flags & MT_DIR_OPEN)
        return ahead >= (is_sure ? -1 : -MT_STREAM_BELIEF) && ahead <= MT_STREAM_BELIEF;
    if (!(other->flags & MT_DIR_OPEN) || !(packet->tcp_flags & MT_TCP_ACK))
        return true;
    /* RFC 9293 §3.10.7.3: a SYN is refused by a RST that acknowledges it */
    ahead = mt_seq_diff(packet->ack, other->next_seq);
    return ahead >= -MT_STREAM_BELIEF && ahead <= MT_STREAM_BELIEF;
}

/* False when the SYN belongs to no connection that we know. */
static bool syn_input(struct mt_stream_work *work, enum mt_side side, const struct mt_packet *packet)
{
    const struct mt_stream_dir *dir = &work->stream->dir[side];
    int32_t ahead = mt_seq_diff(packet->seq + 1, dir->next_seq);
    bool is_late = (dir->flags & MT_DIR_DATA) && ahead < 0 && ahead > -MT_STREAM_FAR;

    if (!(dir->flags & MT_DIR_OPEN)) {
        dir_open(work->stream, side, packet->seq + 1, MT_DIR_SYN);
    } else if (ahead != 0 && !is_late) {
        mt_stream_anomaly(work, side, MT_ANOMALY_SYN_RETRANSMIT_NEW_ISN);
        if (dir->flags & MT_DIR_DATA)
            return false;
        dir_open(work->stream, side, packet->seq + 1, MT_DIR_SYN);
    }
    if (packet->payload_size > 0)
        mt_stream_anomaly(work, side, MT_ANOMALY_DATA_ON_SYN);
    return true;
}

static bool is_far(const struct mt_stream_dir *dir, uint32_t seq)
{
    int32_t ahead = mt_seq_diff(seq, dir->next_seq);
    return (dir->flags & MT_DIR_OPEN) && (ahead > MT_STREAM_FAR || ahead < -MT_STREAM_FAR);
}

static void segment_input(struct mt_stream_work *work, enum mt_side side, const struct mt_packet *packet)
{
    struct mt_stream_dir *dir = &work->stream->dir[side];
    struct mt_stream_segment segment = {
        .bytes = packet->payload,
        .seq = packet->seq + (packet->tcp_flags & MT_TCP_SYN ? 1 : 0),
        .size = packet->payload_size,
        .ack = packet->ack,
        .has_fin = (packet->tcp_flags & MT_TCP_FIN) != 0,
        .is_persistent = (packet->frame_flags & MT_FRAME_PERSISTENT) != 0,
        .handle = packet->handle,
    };

    if (is_far(dir, segment.seq)) {
        mt_stream_count(work, MT_COUNTER_STREAM_OUT_OF_WINDOW);
        mt_stream_anomaly(work, side, MT_ANOMALY_OUT_OF_WINDOW);
        return;
    }
    if (packet->tcp_flags & MT_TCP_URG)
        mt_stream_anomaly(work, side, MT_ANOMALY_URGENT_DATA);
    if (packet->tcp_flags & MT_TCP_ACK)
        segment.has_ack = mt_stream_note_ack(work, side, packet->ack);
    if (segment.size == 0 && !segment.has_fin)
        return;
    if (!(dir->flags & MT_DIR_OPEN))
        dir_open(work->stream, side, segment.seq, 0);
    mt_stream_segment_take(work, side, &segment);
}

static MT_NOINLINE enum mt_stream_verdict input_slow(struct mt_stream_engine *engine,
                                                     struct mt_stream *stream, enum mt_side side,
                                                     const struct mt_packet *packet,
                                                     const struct mt_stream_sink *sink, void *ctx)
{
    struct mt_stream_work work = {
        .engine = engine, .stream = stream, .sink = sink, .ctx = ctx, .mark = &packet->mark};
    struct mt_stream_dir *other = &stream->dir[mt_side_other(side)];

    if (stream->queue)
        stream->queue->segments++;
    if (packet->tcp_flags & MT_TCP_RST) {
        if (rst_is_valid(stream, side, packet))
            return MT_STREAM_RESET;
        mt_stream_anomaly(&work, side, MT_ANOMALY_BAD_RST);
    } else if (!(packet->tcp_flags & MT_TCP_SYN) || syn_input(&work, side, packet)) {
        segment_input(&work, side, packet);
    }
    mt_stream_settle(&work, false);
    if (packet->tcp_flags & MT_TCP_ACK && other->flags & MT_DIR_FIN && packet->ack == other->next_seq)
        other->flags |= MT_DIR_FIN_ACKED;
    return verdict_of(stream);
}

/* The reader took only the first taken bytes of what came in order. */
static MT_NOINLINE enum mt_stream_verdict
input_refused(struct mt_stream_engine *engine, struct mt_stream *stream, enum mt_side side,
              const struct mt_packet *packet, const struct mt_stream_sink *sink, void *ctx, size_t taken)
{
    struct mt_stream_work work = {
        .engine = engine, .stream = stream, .sink = sink, .ctx = ctx, .mark = &packet->mark};
    struct mt_stream_piece piece = {
        .kind = MT_RANGE_DATA,
        .seq = packet->seq + (uint32_t)taken,
        .size = packet->payload_size - (uint32_t)taken,
        .bytes = packet->payload.ptr + taken,
        .is_persistent = (packet->frame_flags & MT_FRAME_PERSISTENT) != 0,
        .handle = packet->handle,
    };

    mt_stream_piece_refused(&work, side, &piece);
    return MT_STREAM_OK;
}

/* Nothing waits, the segment is next, whole and plain, and it acknowledges
 * nothing that is still to come: anything else sets a bit. One branch for all
 * of it, because almost every segment is like this. */
static inline uint64_t is_unusual(const struct mt_stream *stream, const struct mt_stream_dir *dir,
                                  const struct mt_stream_dir *other, const struct mt_packet *packet)
{
    bool is_ahead = mt_seq_lt(other->next_seq, packet->ack) & ((other->flags & MT_DIR_OPEN) != 0) &
                    ((packet->tcp_flags & MT_TCP_ACK) != 0);

    return (uintptr_t)stream->queue | (packet->seq ^ dir->next_seq) |
           (packet->payload.size ^ packet->payload_size) | (packet->tcp_flags & TCP_UNUSUAL) |
           ((dir->flags | other->flags) & DIR_UNUSUAL) | is_ahead;
}

enum mt_stream_verdict mt_stream_input(struct mt_stream_engine *engine, struct mt_stream *stream,
                                       enum mt_side side, const struct mt_packet *packet,
                                       const struct mt_stream_sink *sink, void *ctx)
{
    struct mt_stream_dir *dir = &stream->dir[side];
    const struct mt_stream_dir *other = &stream->dir[mt_side_other(side)];

    if (MT_UNLIKELY(is_unusual(stream, dir, other, packet)))
        return input_slow(engine, stream, side, packet, sink, ctx);
    if (packet->payload_size == 0)
        return MT_STREAM_OK;
    if (MT_UNLIKELY(!(dir->flags & MT_DIR_DATA)))
        return input_slow(engine, stream, side, packet, sink, ctx);

    size_t taken = sink->data(ctx, side, packet->payload, &packet->mark, 0);
    dir->next_seq += (uint32_t)taken;
    if (MT_LIKELY(taken == packet->payload_size))
        return MT_STREAM_OK;
    return input_refused(engine, stream, side, packet, sink, ctx, taken);
}

void mt_stream_finish(struct mt_stream_engine *engine, struct mt_stream *stream,
                      const struct mt_stream_sink *sink, void *ctx, const struct mt_mark *mark)
{
    struct mt_stream_work work = {.engine = engine, .stream = stream, .sink = sink, .ctx = ctx, .mark = mark};

    mt_stream_settle(&work, true);
}
