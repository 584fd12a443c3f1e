/* Wall-clock time from a counter that runs on its own (the processor's, a
 * device's), kept to the system's clock.
 *
 * A reading is a line through the last correction: base + ticks x rate. A
 * correction never moves the line at the place where it happens: what is wrong by
 * then is worked off over the next second by a rate that differs, between half
 * and twice the true one. So time does not run backwards, whatever the system's
 * clock does; only a system clock that has leapt forward by more than a second is
 * followed by a leap.
 *
 * Ownership: the caller's struct. Thread: one corrects; any may read (a sequence
 * lock, whose reader waits only while three words are stored). Limits: counters
 * of 1 MHz to 20 GHz; ticks that are less than 2^62 from the last correction.
 */
#ifndef MT_CAPTURE_CLOCK_PRIV_H
#define MT_CAPTURE_CLOCK_PRIV_H

#include "base/mark.h"

#include <stdatomic.h>

struct mt_clock {
    _Atomic uint32_t sequence; /* odd: being changed */
    _Atomic uint64_t counter;  /* at the last correction */
    _Atomic uint64_t time;     /* ns, what was read there */
    _Atomic uint64_t rate;     /* ns a tick, times 2^32 */
    /* the correcting thread's */
    uint64_t true_rate; /* measured, without what is being worked off */
    uint64_t nominal_rate;
    uint64_t last_counter;
    uint64_t last_wall;
};

/* hz: ticks a second as far as known; counter was read when the system's clock
 * said wall (ns since the epoch). */
void mt_clock_init(struct mt_clock *clock, uint64_t hz, uint64_t counter, uint64_t wall);

/* To be called about once a second with another such pair. */
void mt_clock_correct(struct mt_clock *clock, uint64_t counter, uint64_t wall);

uint64_t mt_clock_read(const struct mt_clock *clock, uint64_t counter);

#endif
