/* Times of day and of waiting, in ns.
 *
 * Ownership: none. Thread: any. Limits: none.
 */
#ifndef MT_EXPORT_CLOCK_PRIV_H
#define MT_EXPORT_CLOCK_PRIV_H

#include <stdint.h>
#include <time.h>

static inline uint64_t mt_clock_ns(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static inline uint64_t mt_clock_steady(void)
{
    return mt_clock_ns(CLOCK_MONOTONIC);
}

static inline uint64_t mt_clock_wall(void)
{
    return mt_clock_ns(CLOCK_REALTIME);
}

static inline struct timespec mt_clock_spec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / UINT64_C(1000000000)),
                             .tv_nsec = (long)(ns % UINT64_C(1000000000))};
}

#endif
