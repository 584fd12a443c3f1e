#include "capture/clock_priv.h"

/* A crystal is within 100 ppm, what is measured over a second within as much
 * again; a pair of readings that says otherwise says that the system's clock was
 * set, or that we were interrupted between the two. */
#define RATE_ERROR_MAX_PPM 500u

/* Readings closer than this measure their own noise. */
#define MEASURE_MIN (100 * MT_MSEC)

#define LEAP_MIN MT_SEC

static uint64_t advance(uint64_t time, uint64_t rate, int64_t ticks)
{
    if (ticks < 0) {
        uint64_t back = (uint64_t)(((__uint128_t)(uint64_t)(-ticks) * rate) >> 32);
        return back < time ? time - back : 0;
    }
    return time + (uint64_t)(((__uint128_t)(uint64_t)ticks * rate) >> 32);
}

static void publish(struct mt_clock *clock, uint64_t counter, uint64_t time, uint64_t rate)
{
    uint32_t sequence = atomic_load_explicit(&clock->sequence, memory_order_relaxed);
    atomic_store_explicit(&clock->sequence, sequence + 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&clock->counter, counter, memory_order_relaxed);
    atomic_store_explicit(&clock->time, time, memory_order_relaxed);
    atomic_store_explicit(&clock->rate, rate, memory_order_relaxed);
    atomic_store_explicit(&clock->sequence, sequence + 2, memory_order_release);
}

void mt_clock_init(struct mt_clock *clock, uint64_t hz, uint64_t counter, uint64_t wall)
{
    uint64_t rate = (uint64_t)(((__uint128_t)MT_SEC << 32) / (hz > 0 ? hz : MT_SEC));
    *clock = (struct mt_clock){
        .true_rate = rate,
        .nominal_rate = rate,
        .last_counter = counter,
        .last_wall = wall,
    };
    publish(clock, counter, wall, rate);
}

uint64_t mt_clock_read(const struct mt_clock *clock, uint64_t counter)
{
    for (;;) {
        uint32_t before = atomic_load_explicit(&clock->sequence, memory_order_acquire);
        uint64_t base = atomic_load_explicit(&clock->counter, memory_order_relaxed);
        uint64_t time = atomic_load_explicit(&clock->time, memory_order_relaxed);
        uint64_t rate = atomic_load_explicit(&clock->rate, memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        uint32_t after = atomic_load_explicit(&clock->sequence, memory_order_relaxed);
        if (MT_LIKELY(before == after && (before & 1) == 0))
            return advance(time, rate, (int64_t)(counter - base));
    }
}

/* What the last second says about the rate, blended with what was known. */
static void measure(struct mt_clock *clock, uint64_t counter, uint64_t wall)
{
    uint64_t ticks = counter - clock->last_counter;
    if (wall <= clock->last_wall || (int64_t)ticks <= 0 || wall - clock->last_wall < MEASURE_MIN)
        return;
    __uint128_t rate = ((__uint128_t)(wall - clock->last_wall) << 32) / ticks;
    uint64_t slack = clock->nominal_rate / (1000000 / RATE_ERROR_MAX_PPM);
    if (rate < clock->nominal_rate - slack || rate > clock->nominal_rate + slack)
        return;
    clock->true_rate = (uint64_t)((3 * (__uint128_t)clock->true_rate + rate) / 4);
}

void mt_clock_correct(struct mt_clock *clock, uint64_t counter, uint64_t wall)
{
    if ((int64_t)(counter - clock->last_counter) <= 0)
        return;
    measure(clock, counter, wall);
    clock->last_counter = counter;
    clock->last_wall = wall;

    uint64_t time = mt_clock_read(clock, counter);
    uint64_t ahead = time > wall ? time - wall : 0;
    uint64_t behind = wall > time ? wall - time : 0;
    if (behind > LEAP_MIN) {
        publish(clock, counter, wall, clock->true_rate);
        return;
    }
    /* the error is gone in a second; half the rate is the slowest */
    __uint128_t rate = clock->true_rate;
    rate += rate * behind / MT_SEC;
    rate -= clock->true_rate * (__uint128_t)mt_min_u64(ahead, MT_SEC / 2) / MT_SEC;
    publish(clock, counter, time, (uint64_t)rate);
}
