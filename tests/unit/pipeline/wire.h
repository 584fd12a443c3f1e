/* A capture source made of frames that a test writes segment by segment.
 *
 * Ownership: the wire owns its frames. Thread: one. Limits: grows by malloc.
 */
#ifndef MT_TESTS_WIRE_H
#define MT_TESTS_WIRE_H

#include "pipeline/pipeline.h"

struct wire_end {
    uint8_t ip[4];
    uint16_t port;
    uint32_t seq; /* next to send */
};

struct wire_connection {
    struct wire_end end[MT_SIDE_COUNT];
};

struct wire {
    struct mt_capture capture; /* first: what the operations get */
    struct mt_stats *stats;
    struct mt_frame *frames;
    size_t count;
    size_t cap;
    size_t next;
    uint64_t time; /* of the next frame; each adds a millisecond */
};

void wire_init(struct wire *wire);
void wire_fini(struct wire *wire);

/* So that a wire can be read again. */
void wire_rewind(struct wire *wire);

void wire_connection(struct wire_connection *c, uint8_t client_last_byte, uint16_t client_port);

/* One segment of side; SYN and FIN advance the sequence by one, payload by its size. */
void wire_segment(struct wire *wire, struct wire_connection *c, enum mt_side side, uint8_t flags,
                  const char *text);
void wire_handshake(struct wire *wire, struct wire_connection *c);
/* A line and the pure ACK of the other side. */
void wire_say(struct wire *wire, struct wire_connection *c, enum mt_side side, const char *text);
void wire_close(struct wire *wire, struct wire_connection *c);

/* A whole session with one delivered message. */
void wire_delivery(struct wire *wire, struct wire_connection *c);

/* A session that asks for one name. */
void wire_probe(struct wire *wire, struct wire_connection *c, const char *name);

/* Any bytes as a frame. */
void wire_raw(struct wire *wire, const void *bytes, size_t size);

/* The last frame, which must have more than 24 bytes behind its IP header, comes as
 * two fragments. */
void wire_break_last(struct wire *wire);

/* Frame numbers as live sources give them. */
void wire_number_by_time(struct wire *wire);

#endif
