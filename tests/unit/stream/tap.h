/* A tap for the tests: segments go in by side and offset, what the stream
 * delivers is written down as text.
 *
 *     C:abc   bytes of the client, straight through
 *     C~abc   bytes that had waited
 *     C!abc   bytes that the reader had to take
 *     C-5     a gap of 5 bytes
 *     C<name> an anomaly
 *     C.      FIN
 *     C~#99   99 bytes, where it is not worth writing them down
 *
 * Offsets count from the first byte after the SYN.
 */
#ifndef TESTS_UNIT_STREAM_TAP_H
#define TESTS_UNIT_STREAM_TAP_H

#include "stream/stream.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define C MT_CLIENT
#define S MT_SERVER

#define ACK MT_TCP_ACK
#define FIN (MT_TCP_FIN | MT_TCP_ACK)

struct tap {
    struct mt_arena *arena;
    struct mt_stream_engine *engine;
    struct mt_stats stats;
    struct mt_stream stream;
    uint32_t isn[MT_SIDE_COUNT];
    uint64_t time;
    uint64_t number;
    uint64_t last_mark; /* number of the last event's mark */
    uint8_t frame_flags;
    /* How many bytes each side's reader takes before it wants the other side to
     * move; SIZE_MAX: all. With stop_behind it stops behind that byte. */
    int stop_behind[MT_SIDE_COUNT];
    bool may_go_on[MT_SIDE_COUNT];
    uint8_t *copy; /* the client's bytes, when not NULL */
    size_t copied;
    char log[4096];
    size_t log_size;
};

/* Both sides open, as after a handshake. */
void tap_open(struct tap *tap, const struct mt_stream_config *config);
/* Neither side open. */
void tap_open_midstream(struct tap *tap, const struct mt_stream_config *config);
/* Checks that the arena is empty. */
void tap_close(struct tap *tap);

/* A packet 1 ms after the one before. acked: how many bytes of the other side
 * it acknowledges. */
enum mt_stream_verdict tap_packet(struct tap *tap, enum mt_side side, uint32_t off, const char *text,
                                  uint32_t acked, uint8_t tcp_flags);
enum mt_stream_verdict tap_cut(struct tap *tap, enum mt_side side, uint32_t off, const char *text,
                               uint32_t wire_size, uint32_t acked);
void tap_data(struct tap *tap, enum mt_side side, uint32_t off, const char *text, uint32_t acked);
void tap_ack(struct tap *tap, enum mt_side side, uint32_t off, uint32_t acked);
void tap_wait(struct tap *tap, uint64_t time);
void tap_finish(struct tap *tap);

/* Compares what was written down since the last call. */
void tap_saw(struct tap *tap, const char *log);
uint64_t tap_count(const struct tap *tap, enum mt_counter counter);

#endif
