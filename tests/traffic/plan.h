/* One connection as a tap will see it: the bytes of both directions and the
 * list of frames that carry them, with times. Profiles write into a plan;
 * disturbances edit its frame list; traffic.c turns the frames into bytes.
 *
 * Ownership: the plan owns its growing arrays and is used again for the next
 * connection. Thread: one. Limits: 1 GiB a direction; `failed` says that memory
 * ran out, and is looked at once per connection.
 */
#ifndef MT_TRAFFIC_PLAN_H
#define MT_TRAFFIC_PLAN_H

#include "corpus.h"

enum mt_plan_side {
    MT_PLAN_CLIENT = 0,
    MT_PLAN_SERVER = 1,
};

enum {
    MT_PLAN_FIN = 0x01,
    MT_PLAN_SYN = 0x02,
    MT_PLAN_RST = 0x04,
    MT_PLAN_PSH = 0x08,
    MT_PLAN_ACK = 0x10,
};

enum {
    MT_PLAN_ALTERED = 1 << 0, /* other bytes than the stream has: an overlap in conflict */
    MT_PLAN_STRAY = 1 << 1,   /* seq is not of this stream: carries nothing */
};

struct mt_plan_frame {
    uint64_t time;
    uint32_t seq;  /* from the side's ISN: SYN is 0, payload byte n is n + 1 */
    uint32_t ack;  /* the same of the other side */
    uint16_t size; /* payload */
    uint8_t side;
    uint8_t flags;  /* TCP */
    uint8_t bits;   /* MT_PLAN_ALTERED ... */
    uint8_t piece;  /* which IP fragment of pieces */
    uint8_t pieces; /* 0: not in fragments */
};

/* A stretch of a direction's bytes. */
struct mt_plan_part {
    uint32_t off;  /* in the stream */
    uint32_t from; /* in the plan's text, or in the ring */
    uint8_t ring;  /* enum mt_ring or MT_PLAN_OWN_TEXT */
};
#define MT_PLAN_OWN_TEXT 0xff

/* Bytes of a direction that may be missing with a well-defined effect: content
 * behind its header and before its end, chunks, TLS. */
struct mt_plan_range {
    uint32_t start;
    uint32_t end;
    uint8_t side;
    uint8_t transaction; /* whose content; 0xff: none */
    bool is_counted;     /* BDAT or TLS: the record does not depend on these bytes */
};
#define MT_PLAN_RANGES_MAX 64

enum mt_plan_cut {
    MT_PLAN_CUT_FULL,   /* segments of 1460 bytes */
    MT_PLAN_CUT_BYTES,  /* of one byte */
    MT_PLAN_CUT_RANDOM, /* of 1 to 40 bytes */
};

struct mt_plan_ip {
    uint8_t bytes[16];
    uint8_t family; /* 4 or 6 */
};

/* Encapsulations around a frame (wrap.h). */
#define MT_WRAP_MAX 8u

struct mt_wrap {
    uint32_t count;
    uint8_t kinds[MT_WRAP_MAX]; /* outermost first */
};

/* What does not change from frame to frame. */
struct mt_plan_link {
    struct mt_plan_ip ip[2];
    uint16_t port[2];
    uint32_t isn[2];
    uint16_t vlan[2]; /* outer, inner; 0: none */
    struct mt_wrap wrap;
    bool is_padded; /* the server's side pads short frames to 60 bytes */
};

struct mt_plan {
    struct mt_plan_link link;
    uint64_t now;
    uint64_t rtt;
    uint32_t think; /* of the server, ns */
    enum mt_plan_cut cut;
    struct mt_random *random;
    bool failed;
    bool fin_sent[2];

    struct mt_plan_frame *frames;
    uint32_t frame_count, frame_max;
    struct mt_plan_part *parts[2];
    uint32_t part_count[2], part_max[2];
    uint8_t *text;
    uint32_t text_size, text_max;

    uint32_t stream_size[2]; /* bytes written */
    uint32_t sent[2];        /* of these: in frames */
    uint32_t received[2];    /* next seq expected by this side (of the other's space) */
    uint32_t acked[2];       /* last ack that this side sent */
    struct mt_plan_range ranges[MT_PLAN_RANGES_MAX];
    uint32_t range_count;
};

static inline enum mt_plan_side mt_plan_other(enum mt_plan_side side)
{
    return side == MT_PLAN_CLIENT ? MT_PLAN_SERVER : MT_PLAN_CLIENT;
}

void mt_plan_fini(struct mt_plan *plan);

/* A new connection that starts at `start`. Everything but link is reset. */
void mt_plan_reset(struct mt_plan *plan, struct mt_random *random, uint64_t start);

/* Writes bytes; they leave with the next flush. Returns their stream offset. */
uint32_t mt_plan_put(struct mt_plan *plan, enum mt_plan_side side, const void *bytes, size_t size);
uint32_t mt_plan_put_stretch(struct mt_plan *plan, enum mt_plan_side side, struct mt_stretch stretch);
void mt_plan_may_miss(struct mt_plan *plan, enum mt_plan_side side, uint32_t start, uint32_t end,
                      unsigned transaction, bool is_counted);

/* SYN, SYN-ACK, ACK. */
void mt_plan_open(struct mt_plan *plan);

/* Sends what was written, after a pause as long as it takes the side to see
 * the other's last bytes and to think. */
void mt_plan_flush(struct mt_plan *plan, enum mt_plan_side side);

/* The same after exactly this pause. */
void mt_plan_flush_after(struct mt_plan *plan, enum mt_plan_side side, uint64_t pause);

/* A bare segment: FIN, RST, ACK. */
void mt_plan_control(struct mt_plan *plan, enum mt_plan_side side, uint8_t flags, uint64_t pause);

/* FIN of first, FIN of the other, last ACK. */
void mt_plan_close(struct mt_plan *plan, enum mt_plan_side first);

/* The side's last segment carries its FIN, too. */
void mt_plan_fin_on_last(struct mt_plan *plan, enum mt_plan_side side);

/* --- for disturbances ------------------------------------------------------ */

void mt_plan_insert(struct mt_plan *plan, uint32_t index, const struct mt_plan_frame *frame);
void mt_plan_remove(struct mt_plan *plan, uint32_t index);

/* Everything from this frame on happens later. */
void mt_plan_delay(struct mt_plan *plan, uint32_t index, uint64_t pause);

/* Exchanges two frames; the times stay where they are. */
void mt_plan_swap(struct mt_plan *plan, uint32_t a, uint32_t b);

/* --- what is in the list now ------------------------------------------------ */

/* Time of the first frame that carries this byte of a side; 0: none does. */
uint64_t mt_plan_time_of(const struct mt_plan *plan, enum mt_plan_side side, uint32_t off);

/* Bytes of a side that no frame carries although a later byte was seen or the
 * other side acknowledged them. */
uint64_t mt_plan_missing(const struct mt_plan *plan, enum mt_plan_side side);

/* Link address of a side: 02-00 and the end of its IP address. */
void mt_plan_mac(const struct mt_plan_link *link, enum mt_plan_side side, uint8_t ret_mac[6]);

/* Length of a frame on the wire. */
uint32_t mt_plan_wire_size(const struct mt_plan_link *link, const struct mt_plan_frame *frame);

#endif
