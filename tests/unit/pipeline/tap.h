/* A live source made of a wire's frames: every frame lies in memory of its own
 * that is gone as soon as nobody needs it, so that a reader who comes too late is
 * found by the sanitizers. Time stands where the last frame was, or goes on when
 * the tap is told to.
 *
 * Ownership: the wire is borrowed. Thread: as capture.h says; tap_go_on and the
 * counts from any. Limits: none.
 */
#ifndef MT_TESTS_TAP_H
#define MT_TESTS_TAP_H

#include "wire.h"

struct tap_buffer;

struct tap {
    struct mt_capture capture; /* first: what the operations get */
    struct mt_frame_hold hold;
    struct mt_stats *stats;
    const struct wire *wire;
    uint32_t part;       /* of parts: which connections come here */
    uint32_t part_count; /* 0 or 1: all */
    size_t next;
    size_t loop_count; /* how often the wire is played; each time with other clients */
    size_t loop;
    struct tap_buffer *burst[MT_BURST_MAX];
    size_t burst_count;
    uint64_t time;
    bool is_endless;       /* idles at the end */
    bool strews_fragments; /* they come to another part than the rest of their connection */
    bool is_stalled;       /* workers do not begin before tap_let_go */
    _Atomic bool is_let_go;
    _Atomic uint64_t jump; /* added to the time, when idle */
    _Atomic uint64_t frames_out;
    _Atomic int64_t buffers;     /* that somebody still has */
    _Atomic int64_t holds;       /* that were not dropped */
    _Atomic uint64_t holds_made; /* all */
    int64_t holds_max;
};

/* A source whose frames come in order, with or without keep and give_back. */
void tap_init(struct tap *tap, const struct wire *wire, bool can_keep);
void tap_fini(struct tap *tap);

/* Lets time pass on an idle tap. */
void tap_jump(struct tap *tap, uint64_t ns);
void tap_let_go(struct tap *tap);

#endif
