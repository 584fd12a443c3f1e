/* Frames to send, packed one behind the other, with what sending needs to know
 * of each: which end is the client, where its address stands, and which queue a
 * symmetric hash gives its connection.
 *
 * Ownership: the trace owns the frames. Thread: one. Limits: 16 GiB of frames,
 * 2^28 frames of at most MT_TRACE_FRAME_MAX bytes; Ethernet.
 */
#ifndef MT_REPLAY_TRACE_H
#define MT_REPLAY_TRACE_H

#include "base/net.h"

/* One buffer of net_memif. */
#define MT_TRACE_FRAME_MAX 2048u

struct mt_trace_frame {
    uint64_t off;    /* in the trace's bytes */
    uint64_t time;   /* ns since the first frame */
    uint32_t spread; /* symmetric hash of its connection */
    uint16_t size;
    uint16_t client_word; /* offset of the 32 bits that another loop changes; 0: nothing */
    uint8_t side;         /* enum mt_side: who sent it */
};

struct mt_trace {
    uint8_t *bytes;
    struct mt_trace_frame *frames;
    uint64_t count, size;
    uint64_t skipped_large, skipped_link; /* frames of the input that can't be sent */
    uint64_t cut;                         /* sent as captured, shorter than on the wire */
    uint32_t client_stride;               /* what every loop adds to the clients' addresses */
    bool has_fragments;
    struct mt_ip server; /* of the first IPv4 connection, for strangers' SYNs */
};

/* 0 or -errno. */
int mt_trace_create(struct mt_trace **ret_trace);
void mt_trace_destroy(struct mt_trace *trace);

/* -ENOSPC beyond the limits. The frame is counted as skipped where it is too large. */
int mt_trace_add(struct mt_trace *trace, const uint8_t *frame, uint32_t size, uint32_t wire_size,
                 uint64_t time);

/* All frames are there: finds the clients and the hashes. 0 or -ENOMEM. */
int mt_trace_finish(struct mt_trace *trace);

/* Sources of frames. The reason is a sentence for the user. */
int mt_trace_read(struct mt_trace *trace, const char *path, char *ret_reason, size_t reason_size);
int mt_trace_generate(struct mt_trace *trace, const char *profile, uint64_t sessions, uint64_t seed,
                      char *ret_reason, size_t reason_size);
/* Mail sessions whose content comes in frames of one size, 60 to 1514 bytes. */
int mt_trace_fixed(struct mt_trace *trace, uint32_t frame_size, uint32_t sessions, uint32_t frames_each);

#endif
