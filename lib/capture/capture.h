/* Where frames come from, as a table of operations: files here, ports in the
 * live rooms. The pipeline knows this header and no driver.
 *
 * Ownership: a source owns the bytes of its frames, but for those that were kept.
 * Thread: one thread calls burst, release and keep; give_back and the hold
 * operations may be called from every thread that has called attach; progress
 * may be read from any. Limits: MT_BURST_MAX frames a burst.
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
    /* The rest is NULL where it has no meaning (files). */
    /* The calling thread is going to use the source (or frames of it): gives it
     * what the driver wants a thread to have, and pins it to a core if the
     * configuration says so. role: enum mt_thread_role; index counts workers. */
    void (*attach)(struct mt_capture *capture, int role, unsigned index);
    void (*detach)(struct mt_capture *capture);
    /* In place of release: the frames of the last burst stay until each handle
     * is given back. Frames without a handle (handle NULL) can't be kept. */
    void (*keep)(struct mt_capture *capture);
    void (*give_back)(struct mt_capture *capture, void *const *handles, size_t count);
    /* How long the caller has had nothing to do, in polls without a frame: the
     * source may wait for an interrupt or a while (--poll adaptive). */
    void (*idle)(struct mt_capture *capture, uint32_t empty_polls);
    /* The present time on the scale of the frames' times, for a source that is
     * idle: no frame of a later burst has a smaller time or number. Called by the
     * thread that calls burst. */
    uint64_t (*now)(struct mt_capture *capture);
};

/* Whose thread it is, for pinning. */
enum mt_thread_role {
    MT_THREAD_READER,    /* polls and deals to workers */
    MT_THREAD_WORKER,    /* index 0 ... */
    MT_THREAD_COLLECTOR, /* never on a polling core, if there is another */
    MT_THREAD_CONTROL,   /* likewise, and the threads that it starts for outputs and the driver */
};

struct mt_capture {
    const struct mt_capture_ops *ops;
    struct mt_stats *stats;
    bool persistent;                  /* every frame's bytes stay valid until close: workers may hold them */
    bool is_live;                     /* no end of its own; burst returns 0 when idle. Frame numbers are then
                                       * times in ns, raised by 1 where two frames would have the same, and can
                                       * be compared among the sources of a run. */
    const struct mt_frame_hold *hold; /* NULL: frames can't be held */
    /* progress in bytes as stored, for a status line; total 0 when unknown (pipes) */
    _Atomic uint64_t bytes_done;
    _Atomic uint64_t bytes_total;
    /* damage found so far; the array belongs to the source, read it after the
     * end, before close */
    const struct mt_capture_damage *damage;
    size_t damage_count;
};

#endif
