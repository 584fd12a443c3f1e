/* How many events, and how many different items among them, one key had in a
 * sliding window of packet time.
 *
 * Exact up to MT_WINDOW_EXACT: the last that many event times are kept, and
 * the last that many items with the time they were last seen. Beyond, events
 * are counted in two half-window buckets, so that between half and all of the
 * window counts, and items by a HyperLogLog of 128 registers a bucket, whose
 * standard error is 9 %. So a threshold up to MT_WINDOW_EXACT is met exactly
 * when it is true, and a higher one never by events outside the window.
 *
 * Most keys have a handful of events. They lie in the window itself; its large
 * part comes into use with the event behind MT_WINDOW_SMALL.
 *
 * Ownership: both parts are the caller's; the window starts zeroed, the large part
 * undefined, and it is the same one in every call. Thread: one. Limits: above.
 */
#ifndef MT_DETECT_WINDOW_PRIV_H
#define MT_DETECT_WINDOW_PRIV_H

#include "base/compiler.h"

#include <stdbool.h>

#define MT_WINDOW_EXACT 32
#define MT_WINDOW_REGISTERS 128

#define MT_WINDOW_SMALL 8

struct mt_window_large {
    uint64_t half_start;
    uint64_t counts[2]; /* of the half that runs, of the one before */
    uint8_t registers[2][MT_WINDOW_REGISTERS];
    uint64_t times[MT_WINDOW_EXACT];      /* ring; 0 is "none" */
    uint32_t next;                        /* in times; the oldest is there */
    uint32_t item_count;                  /* of items in use, which are never given back */
    uint32_t items[MT_WINDOW_EXACT];      /* upper halves of their hashes */
    uint64_t items_seen[MT_WINDOW_EXACT]; /* 0 is "none" */
};

struct mt_window {
    uint64_t times[MT_WINDOW_SMALL]; /* in order */
    uint32_t items[MT_WINDOW_SMALL]; /* of these events; upper halves of their hashes */
    uint32_t count;
    bool is_large; /* what stands above is out of use */
};

/* An event at now (ns, never running backwards between calls, not 0) in a
 * window of span ns. item is a hash of good quality. */
void mt_window_add(struct mt_window *window, struct mt_window_large *large, uint64_t span, uint64_t now,
                   uint64_t item);

/* Events and different items less than span ns before now. */
uint64_t mt_window_count(const struct mt_window *window, const struct mt_window_large *large, uint64_t span,
                         uint64_t now);
uint64_t mt_window_distinct(const struct mt_window *window, const struct mt_window_large *large,
                            uint64_t span, uint64_t now);

/* mt_window_distinct() >= least, without an estimate where none is needed. */
bool mt_window_has_distinct(const struct mt_window *window, const struct mt_window_large *large,
                            uint64_t span, uint64_t now, uint64_t least);

#endif
