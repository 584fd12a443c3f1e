/* Segments of both directions of a TCP connection to in-order spans or
 * explicit gaps, in causal order.
 *
 * In-order payload passes straight through, untouched. What comes early waits
 * in a bounded queue of ranges; the bytes are copied, or, when the frame is
 * persistent (a mapped file) or can be held (a port's buffer, from 512 bytes on,
 * never with last_wins), only referred to. Every hold is dropped when its range
 * leaves the queue. First bytes win where segments
 * overlap (DESIGN rule 9); other bytes for the same range are the anomaly
 * overlap_conflict.
 *
 * Causal order: a segment whose ACK covers bytes of the other side that were
 * not delivered yet waits for them, so that a reply is never seen before its
 * command when a tap reorders the two directions. Patience ends after
 * patience_segments further segments of the connection or patience_time of
 * packet time, whichever is first: then what the ACK covers is a gap, unless the
 * side's later ACKs have fallen back behind it (it was forged), and an ACK far
 * beyond all bytes seen is not believed at all. Everything is counted in packets
 * and packet time, so the outcome does not depend on the number of workers.
 *
 * A hole in one direction is waited for as long as the other side, where it is
 * seen, does not acknowledge it: what its receiver misses will be sent again,
 * often later than patience would last. Only where the other side is not seen
 * does patience alone end it. Limits and the end of the connection always do;
 * what lies more than 1 MiB ahead then, and was never acknowledged, is another
 * connection's or nobody's, and ignored (out_of_window).
 * Bytes that come for a gap already delivered count as retransmitted. An
 * acknowledged number with nothing behind it is taken for a FIN that was not
 * captured, not for a missing byte.
 *
 * A reader may refuse bytes: when data() returns fewer than it was given, that
 * side is blocked and the rest waits in the queue; it is offered again whenever
 * the other side has moved. When the limits are reached or the connection ends
 * it is offered once more with MT_STREAM_FORCED, and must be taken.
 *
 * Of differing bytes only those still waiting can be told; what was delivered
 * is not kept to compare with, and last_wins changes only what still waits.
 *
 * Ownership: the engine owns the queues; struct mt_stream lies in the caller's
 * memory, zeroed at start; spans live until the call returns. Thread: one.
 * Limits: per direction segments_max ranges and bytes_max bytes; per engine the
 * arena. RFC 9293 §3.4, §3.10.
 */
#ifndef MT_STREAM_STREAM_H
#define MT_STREAM_STREAM_H

#include "base/anomaly.h"
#include "base/net.h"
#include "memory/arena.h"
#include "packet/packet.h"
#include "stats/stats.h"

enum {
    MT_STREAM_FORCED = 1 << 0, /* the bytes must be taken whole now */
    MT_STREAM_QUEUED = 1 << 1, /* they had waited: they came out of order or were refused before */
};

struct mt_stream_sink {
    /* In-order bytes of one side. mark is that of the frame that carried them.
     * Returns how many were taken. */
    size_t (*data)(void *ctx, enum mt_side side, struct mt_span bytes, const struct mt_mark *mark,
                   unsigned flags);
    /* size bytes of this side are missing here (exact, by sequence numbers). One
     * loss may come as several gaps in a row. MT_ANOMALY_GAP is the reader's to
     * raise. */
    void (*gap)(void *ctx, enum mt_side side, uint64_t size, const struct mt_mark *mark);
    void (*anomaly)(void *ctx, enum mt_side side, enum mt_anomaly anomaly, const struct mt_mark *mark);
    /* This side has sent FIN and all its bytes were delivered. Where only the
     * other side's ACK tells of a FIN there is no call. */
    void (*fin)(void *ctx, enum mt_side side, const struct mt_mark *mark);
};

/* 24 bytes: lies in struct mt_flow's user area. All members are the stream
 * module's. */
struct mt_stream_dir {
    uint32_t next_seq; /* first byte not delivered */
    uint16_t flags;
    uint16_t reserved;
};

struct mt_stream {
    struct mt_stream_dir dir[MT_SIDE_COUNT];
    struct mt_stream_queue *queue; /* both sides; NULL while nothing waits */
};
MT_STATIC_ASSERT(sizeof(struct mt_stream) <= 24, "must fit the flow's user area");

struct mt_stream_config {
    uint32_t segments_max;      /* 0: 256 ranges waiting per direction */
    uint32_t bytes_max;         /* 0: 1 MiB waiting per direction */
    uint32_t patience_segments; /* 0: 64 */
    uint64_t patience_time;     /* 0: 2 s, in ns */
    bool last_wins;             /* overlap policy (DESIGN rule 9) */
    /* Borrowed; NULL: what waits is copied. */
    const struct mt_frame_hold *hold;
};

struct mt_stream_engine;

/* The arena is borrowed and must outlive the engine. */
int mt_stream_engine_create(const struct mt_stream_config *config, struct mt_arena *arena,
                            struct mt_stats *stats, struct mt_stream_engine **ret_engine);
void mt_stream_engine_destroy(struct mt_stream_engine *engine);

/* A SYN or SYN-ACK of this side was seen: its data starts at isn + 1. Without
 * it a side starts at the first segment with payload or FIN (midstream); that
 * the other side acknowledges something opens nothing, because a side that is
 * open is waited for, and one that is never captured must not be. Nothing
 * happens once payload of the side was seen. */
void mt_stream_set_isn(struct mt_stream *stream, enum mt_side side, uint32_t isn);

/* The other side's SYN-ACK answered a SYN of this side that was not seen. Opens
 * nothing; mt_stream_is_syn knows that SYN if it comes late. */
void mt_stream_expect_isn(struct mt_stream *stream, enum mt_side side, uint32_t isn);

/* Is a SYN with this sequence number the one that this side began with? Only while
 * nothing that came after it was delivered. */
bool mt_stream_is_syn(const struct mt_stream *stream, enum mt_side side, uint32_t seq);

enum mt_stream_verdict {
    MT_STREAM_OK,
    MT_STREAM_RESET,  /* a valid RST (inside the window): end the connection */
    MT_STREAM_CLOSED, /* both sides' FINs are delivered and acknowledged */
};

/* One segment of side. Calls the sink. */
enum mt_stream_verdict mt_stream_input(struct mt_stream_engine *engine, struct mt_stream *stream,
                                       enum mt_side side, const struct mt_packet *packet,
                                       const struct mt_stream_sink *sink, void *ctx);

/* Is anything waiting, bytes or an ACK that is ahead of them? */
bool mt_stream_is_waiting(const struct mt_stream *stream);

/* Was a side's sequence space ever entered (a SYN or payload of it was seen)? */
bool mt_stream_is_open(const struct mt_stream *stream, enum mt_side side);

/* The end of the connection: what waits is delivered, with gaps where bytes are
 * missing and MT_STREAM_FORCED; then the queue is freed. */
void mt_stream_finish(struct mt_stream_engine *engine, struct mt_stream *stream,
                      const struct mt_stream_sink *sink, void *ctx, const struct mt_mark *mark);

#endif
