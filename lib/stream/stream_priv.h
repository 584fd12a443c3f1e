/* The reassembler's insides, shared by its files: queue.c keeps ranges,
 * segment.c puts a segment's bytes in their place, order.c decides what is
 * delivered when, stream.c is the way in.
 *
 * A side's sequence space, from its next byte on:
 *
 *     next_seq        edge          beyond
 *        │ waiting run │     hole     │ more ranges …
 *
 * The run is what could be delivered but for the other side (its reader refuses,
 * or the ACK it carries is ahead); it is empty most of the time, and then edge
 * is next_seq. Ranges never overlap and are sorted.
 *
 * Ownership: see stream.h. Thread: one. Limits: see stream.h.
 */
#ifndef MT_STREAM_STREAM_PRIV_H
#define MT_STREAM_STREAM_PRIV_H

#include "stream/stream.h"

#include "base/seq.h"

/* A segment further away than the largest window there can be (RFC 7323 §2.3). */
#define MT_STREAM_FAR (INT32_C(1) << 30)

/* Fewer bytes are sooner copied than a whole frame is kept for them. */
#define MT_STREAM_HOLD_LEAST 512

/* How far past all that was seen of a side an ACK for it, or a RST of it, or
 * bytes that the other side never acknowledges are believed: more than a sender
 * has in flight as a rule, and small enough that a forged one does little harm. */
#define MT_STREAM_BELIEF (INT32_C(1) << 20)

enum { /* struct mt_stream_dir.flags */
       MT_DIR_OPEN = 1 << 0,
       MT_DIR_SYN = 1 << 1,  /* opened by its ISN, not midstream */
       MT_DIR_DATA = 1 << 2, /* payload, FIN or a gap was seen: the ISN is settled */
       MT_DIR_FIN = 1 << 3,  /* its FIN was delivered; next_seq is behind it */
       MT_DIR_FIN_ACKED = 1 << 4,
       MT_DIR_FIN_UNSEEN = 1 << 5, /* what was ACKed at next_seq is taken for a FIN that nobody captured */
};

enum mt_stream_kind {
    MT_RANGE_DATA,
    MT_RANGE_GAP, /* known to be missing: cut by the snap length, or declared while the reader refuses */
    MT_RANGE_FIN, /* one sequence number, no bytes; always the last */
};

struct mt_stream_range {
    struct mt_stream_range *next;
    const uint8_t *bytes;
    void *block; /* what bytes lie in, when they are ours, or the frame that is held */
    struct mt_mark mark;
    uint32_t seq;
    uint32_t size;    /* in sequence space */
    uint32_t ack;     /* waits until the other side got here; with has_ack */
    uint32_t arrived; /* by queue->segments */
    uint16_t block_size;
    uint8_t kind; /* enum mt_stream_kind */
    bool has_ack;
    bool is_held; /* block is a frame's handle */
};
MT_STATIC_ASSERT(sizeof(struct mt_stream_range) <= 64, "a range's bookkeeping is one block of the arena");
MT_STATIC_ASSERT(MT_ARENA_BLOCK_MAX <= UINT16_MAX, "block_size holds the size of any block");

/* When something was first known, in both of patience's units. */
struct mt_stream_clock {
    uint64_t time;
    uint32_t arrived;
};

struct mt_stream_half {
    struct mt_stream_range *head;
    struct mt_stream_range *tail;
    struct mt_stream_range *beyond; /* first range behind the hole at edge */
    uint32_t edge;
    uint32_t count;
    uint32_t bytes;
    uint32_t ack_due;             /* the oldest ACK of the other side beyond edge; with has_ack_due */
    uint32_t ack_top;             /* its highest ACK; with has_ack_top */
    uint32_t ack_last;            /* its last ACK; with has_ack_last */
    struct mt_stream_clock due;   /* when ack_due came */
    struct mt_stream_clock top;   /* when ack_top came */
    struct mt_stream_clock moved; /* when edge last moved because bytes came in their turn */
    bool has_ack_due;
    bool has_ack_top;
    bool has_ack_last;
    bool is_blocked; /* the reader refused the head and the other side has not moved since */
};

struct mt_stream_queue {
    struct mt_stream_half half[MT_SIDE_COUNT];
    uint32_t segments; /* of the connection since the queue exists */
};

struct mt_stream_engine {
    struct mt_stream_config config; /* defaults filled in */
    struct mt_arena *arena;
    struct mt_stats *stats;
};

/* What every function of the slow path needs. */
struct mt_stream_work {
    struct mt_stream_engine *engine;
    struct mt_stream *stream;
    const struct mt_stream_sink *sink;
    void *ctx;
    const struct mt_mark *mark; /* of the frame in hand */
    unsigned rooms_made;        /* how often limits made ranges leave the queue */
};

/* A stretch of one side's sequence space on its way into the queue. */
struct mt_stream_piece {
    enum mt_stream_kind kind;
    uint32_t seq;
    uint32_t size;
    const uint8_t *bytes; /* DATA */
    uint32_t ack;
    bool has_ack;
    bool is_persistent;
    void *handle; /* of the frame that bytes lie in; NULL: it can't be held */
};

static inline uint32_t mt_range_end(const struct mt_stream_range *range)
{
    return range->seq + range->size;
}

static inline struct mt_stream_half *mt_stream_half_of(const struct mt_stream *stream, enum mt_side side)
{
    return stream->queue ? &stream->queue->half[side] : NULL;
}

/* How far side's bytes are in hand without a hole. */
static inline uint32_t mt_stream_edge(const struct mt_stream *stream, enum mt_side side)
{
    return stream->queue ? stream->queue->half[side].edge : stream->dir[side].next_seq;
}

static inline void mt_stream_count(const struct mt_stream_work *work, enum mt_counter counter)
{
    mt_stats_add(work->engine->stats, counter, 1);
}

static inline void mt_stream_anomaly(const struct mt_stream_work *work, enum mt_side side,
                                     enum mt_anomaly anomaly)
{
    work->sink->anomaly(work->ctx, side, anomaly, work->mark);
}

/* --- queue.c --------------------------------------------------------------- */

/* The queue, made when absent; NULL when the arena is used up. */
struct mt_stream_queue *mt_stream_queue_get(struct mt_stream_work *work);

/* Gives the queue back when nothing waits in it. */
void mt_stream_queue_drop_idle(struct mt_stream_work *work);

/* The first range that ends behind seq. */
struct mt_stream_range *mt_stream_range_at(const struct mt_stream_half *half, uint32_t seq);

/* Puts as much of piece into the queue as limits allow, and takes it off piece.
 * True when all of it is in. No range may cover any of it. */
bool mt_stream_queue_put(struct mt_stream_work *work, enum mt_side side, struct mt_stream_piece *piece);

/* Takes off the head, which was delivered. */
void mt_stream_queue_pop(struct mt_stream_work *work, enum mt_side side);

/* Drops range, which lies behind a hole, and all after it. */
void mt_stream_queue_cut(struct mt_stream_work *work, enum mt_side side, struct mt_stream_range *range);

/* next_seq has moved over sequence space that no range covers. */
void mt_stream_queue_moved(struct mt_stream *stream, enum mt_side side);

/* --- order.c --------------------------------------------------------------- */

/* Does nothing of the other side have to come before a piece with this ACK? */
bool mt_stream_is_covered(const struct mt_stream *stream, enum mt_side side, bool has_ack, uint32_t ack);

/* Takes note of an ACK by side of bytes of the other side; true when it is to
 * be believed and waited for. */
bool mt_stream_note_ack(struct mt_stream_work *work, enum mt_side side, uint32_t ack);

/* Delivers the piece, which is next, or as much of it as the reader takes, and
 * takes that off piece. */
void mt_stream_pass(struct mt_stream_work *work, enum mt_side side, struct mt_stream_piece *piece,
                    unsigned flags);

/* Makes room for a piece that limits keep out of the queue: what nobody can
 * believe is dropped; what is before the piece is declared missing or forced
 * upon the reader, and, when nothing is left before it, the piece itself. */
void mt_stream_make_room(struct mt_stream_work *work, enum mt_side side, struct mt_stream_piece *piece);

/* Delivers all that can be, ends the waits whose time is up (at_end: all), and
 * gives the queue back when it is idle. */
void mt_stream_settle(struct mt_stream_work *work, bool at_end);

/* --- segment.c ------------------------------------------------------------- */

struct mt_stream_segment {
    struct mt_span bytes; /* as captured */
    uint32_t seq;
    uint32_t size; /* on the wire */
    uint32_t ack;
    bool has_ack; /* and it is to be waited for */
    bool has_fin;
    bool is_persistent;
    void *handle;
};

/* Delivers or queues what is new in a segment with payload or FIN. */
void mt_stream_segment_take(struct mt_stream_work *work, enum mt_side side,
                            struct mt_stream_segment *segment);

/* Delivers or queues a piece that no range covers. */
void mt_stream_piece_place(struct mt_stream_work *work, enum mt_side side, struct mt_stream_piece *piece);

/* Queues a piece that is next but that the reader has just refused. */
void mt_stream_piece_refused(struct mt_stream_work *work, enum mt_side side, struct mt_stream_piece *piece);

#endif
