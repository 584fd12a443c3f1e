/* Sends a trace onto net_memif, loop by loop, each with other clients.
 *
 * Ownership: borrows the trace, whose frames it changes. Thread: one; stop may be
 * set from a signal handler. Limits: MT_SEND_LANES_MAX queues of all ports.
 *
 * Checksums are not mended when addresses change: mailtap does not judge them,
 * and a sensor behind offloading hosts could not.
 */
#ifndef MT_REPLAY_SEND_H
#define MT_REPLAY_SEND_H

#include "trace.h"

#include <stdatomic.h>

#define MT_SEND_LANES_MAX 16u

struct mt_send_config {
    const char *socket; /* path of the memif socket */
    const char *role;   /* client or server */
    const char *core;   /* for the driver library; NULL: any */
    uint32_t queues;
    uint32_t ring_log2; /* frames in a queue; the client's word counts */
    bool is_tap;        /* two ports: the clients' frames on the first, the servers' on the second */
    bool is_dropping;   /* a full queue loses the frame, as a wire would; else it is tried again */
    double rate;        /* frames a second; 0: as fast as it goes */
    double speed;       /* of the capture's own times; 0: not by these */
    uint64_t loops;
    uint64_t frames_max; /* 0: no limit */
    double seconds_max;  /* 0: no limit */
    uint32_t flood;      /* SYNs of strangers behind every frame */
    uint32_t flood_sources;
    uint32_t wait_seconds;  /* for the other side */
    uint32_t stall_seconds; /* how long a queue may stay full */
};

struct mt_send_result {
    uint64_t frames, bytes; /* taken by the queues, SYNs of the flood included */
    uint64_t flood;         /* SYNs of the flood that were taken */
    uint64_t dropped;       /* not taken */
    uint64_t loops;         /* begun */
    uint64_t lane_frames[MT_SEND_LANES_MAX];
    uint32_t lane_count;
    double seconds;
    bool is_stalled; /* given up: a queue stayed full */
};

struct mt_send;

/* Starts the driver library and the ports, and waits for the other side. 0 or
 * -errno with a sentence. */
int mt_send_open(const struct mt_send_config *config, char *ret_reason, size_t reason_size,
                 struct mt_send **ret_send);
void mt_send_run(struct mt_send *send, struct mt_trace *trace, const atomic_bool *stop,
                 struct mt_send_result *ret_result);
bool mt_send_is_connected(const struct mt_send *send);
void mt_send_close(struct mt_send *send);

#endif
