/* The first stage of the loop: frames to TCP packets on the ports that are
 * watched; IP fragments are put together here, before packets are dealt, so
 * that one worker gets a datagram's connection whole.
 *
 * Ownership: packets point into frames, or into the fragment table until the
 * next burst. Thread: one (the reader). Limits: MT_BURST_MAX.
 */
#ifndef MT_PIPELINE_FRONT_PRIV_H
#define MT_PIPELINE_FRONT_PRIV_H

#include "dns/tap.h"
#include "packet/fragment.h"
#include "pipeline/strays_priv.h"

struct mt_front {
    struct mt_stats *stats;
    struct mt_fragment_table *fragments;
    struct mt_strays *strays; /* NULL: whatever is put together here belongs here */
    uint32_t stray_box;       /* this worker's */
    struct mt_dns_tap *dns;   /* NULL: nobody wants to know names */
    struct mt_dns_sink names; /* what is told of them */
    bool is_reassembled;      /* the last packet's payload lies in the table: use it before the next call */
    uint8_t ports[65536 / 8]; /* bit set: watched */
};

int mt_front_init(struct mt_front *front, const struct mt_pipeline_config *config, struct mt_stats *stats);
void mt_front_fini(struct mt_front *front);

static inline bool mt_front_has_port(const struct mt_front *front, uint16_t port)
{
    return front->ports[port >> 3] >> (port & 7) & 1;
}

/* Decodes one frame; true when ret_packet is a TCP packet to be followed. Counts
 * what is not; the caller counts what is (packet.segments). Answers of DNS in the
 * frame go to front->names before it returns. */
bool mt_front_look(struct mt_front *front, const struct mt_frame *frame, struct mt_packet *ret_packet);

/* The same, counted, with a time that is never 0. */
bool mt_front_packet(struct mt_front *front, const struct mt_frame *frame, struct mt_packet *ret_packet);

/* Decodes a burst of at least one frame and gives its packets to the worker. */
void mt_front_burst(struct mt_front *front, struct mt_worker *worker, const struct mt_frame *frames,
                    size_t count);

#endif
