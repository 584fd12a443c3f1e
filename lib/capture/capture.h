/* Where frames come from, as a table of operations: files here, ports in the
 * live rooms. The pipeline knows this header and no driver.
 *
 * Ownership: a source owns the bytes of its frames. Thread: one thread calls a
 * source; progress may be read from any. Limits: MT_BURST_MAX frames a burst.
 */
#ifndef MT_CAPTURE_CAPTURE_H
#define MT_CAPTURE_CAPTURE_H

#include "packet/frame.h"
#include "stats/stats.h"

#include <stdatomic.h>

/* A place where input could not be read: for the user, once per place. */
struct mt_capture_damage {
    const char *path;
    uint64_t off; /* bytes from the start of the (uncompressed) file */
    char reason[160];
};

struct mt_capture;

struct mt_capture_ops {
    /* Up to count_max frames; 0 at the end (files) or when idle (ports, then
     * *ret_end stays false). Times are already made non-decreasing. */
    size_t (*burst)(struct mt_capture *capture, struct mt_frame *ret_frames, size_t count_max, bool *ret_end);
    /* The frames of the last burst are no longer needed. */
    void (*release)(struct mt_capture *capture);
    void (*close)(struct mt_capture *capture);
};

struct mt_capture {
    const struct mt_capture_ops *ops;
    struct mt_stats *stats;
    bool persistent; /* every frame's bytes stay valid until close: workers may hold them */
    /* progress in bytes as stored, for a status line; total 0 when unknown (pipes) */
    _Atomic uint64_t bytes_done;
    _Atomic uint64_t bytes_total;
    /* damage found so far; the array belongs to the source, read it after the
     * end, before close */
    const struct mt_capture_damage *damage;
    size_t damage_count;
};

#endif
