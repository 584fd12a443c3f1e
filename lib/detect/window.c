#include "detect/window_priv.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

static bool is_within(uint64_t time, uint64_t span, uint64_t now)
{
    return time != 0 && now - time < span;
}

static void turn_halves(struct mt_window *w, uint64_t span, uint64_t now)
{
    uint64_t half = span / 2;

    if (now - w->half_start < half)
        return;
    if (now - w->half_start < 2 * half) {
        w->counts[1] = w->counts[0];
        memcpy(w->registers[1], w->registers[0], MT_WINDOW_REGISTERS);
        w->half_start += half;
    } else {
        w->counts[1] = 0;
        memset(w->registers[1], 0, MT_WINDOW_REGISTERS);
        w->half_start = now;
    }
    w->counts[0] = 0;
    memset(w->registers[0], 0, MT_WINDOW_REGISTERS);
}

/* Seven bits of the hash choose the register, the run of zeros behind them is
 * what it remembers. */
static void add_to_registers(uint8_t registers[MT_WINDOW_REGISTERS], uint64_t item)
{
    uint8_t *reg = &registers[item >> 57];
    uint8_t rank = (uint8_t)(__builtin_clzll(item << 7 | 1) + 1);

    if (*reg < rank)
        *reg = rank;
}

static void add_to_items(struct mt_window *w, uint64_t now, uint64_t item)
{
    size_t oldest = 0;

    for (size_t i = 0; i < MT_WINDOW_EXACT; i++) {
        if (w->items_seen[i] != 0 && w->items[i] == item) {
            w->items_seen[i] = now;
            return;
        }
        if (w->items_seen[i] < w->items_seen[oldest])
            oldest = i;
    }
    w->items[oldest] = item;
    w->items_seen[oldest] = now;
}

void mt_window_add(struct mt_window *w, uint64_t span, uint64_t now, uint64_t item)
{
    turn_halves(w, span, now);
    w->counts[0]++;
    add_to_registers(w->registers[0], item);
    w->times[w->next] = now;
    w->next = (w->next + 1) % MT_WINDOW_EXACT;
    add_to_items(w, now, item);
}

static uint64_t count_within(const uint64_t times[MT_WINDOW_EXACT], uint64_t span, uint64_t now)
{
    uint64_t count = 0;

    for (size_t i = 0; i < MT_WINDOW_EXACT; i++)
        count += is_within(times[i], span, now);
    return count;
}

/* Which buckets still count at now, when no event turned them. The bucket
 * before the running one holds events of up to a whole span before now. */
static bool half_counts(const struct mt_window *w, unsigned half, uint64_t span, uint64_t now)
{
    return now - w->half_start < (half == 0 ? span : span / 2);
}

uint64_t mt_window_count(const struct mt_window *w, uint64_t span, uint64_t now)
{
    uint64_t exact = count_within(w->times, span, now);
    uint64_t sum = 0;

    if (exact < MT_WINDOW_EXACT)
        return exact;
    for (unsigned half = 0; half < 2; half++)
        sum += half_counts(w, half, span, now) ? w->counts[half] : 0;
    return mt_max_u64(exact, sum);
}

/* Flajolet et al. 2007, with linear counting where registers are still empty
 * and the estimate is small. */
static uint64_t estimate(const uint8_t registers[MT_WINDOW_REGISTERS])
{
    const double m = MT_WINDOW_REGISTERS;
    const double alpha = 0.7213 / (1 + 1.079 / m);
    double sum = 0;
    unsigned empty = 0;

    for (size_t i = 0; i < MT_WINDOW_REGISTERS; i++) {
        sum += ldexp(1.0, -registers[i]);
        empty += registers[i] == 0;
    }
    double raw = alpha * m * m / sum;
    if (raw <= 2.5 * m && empty > 0)
        raw = m * log(m / empty);
    return (uint64_t)(raw + 0.5);
}

uint64_t mt_window_distinct(const struct mt_window *w, uint64_t span, uint64_t now)
{
    uint64_t exact = count_within(w->items_seen, span, now);
    uint8_t merged[MT_WINDOW_REGISTERS] = {0};

    if (exact < MT_WINDOW_EXACT)
        return exact;
    for (unsigned half = 0; half < 2; half++) {
        for (size_t i = 0; half_counts(w, half, span, now) && i < MT_WINDOW_REGISTERS; i++)
            merged[i] = w->registers[half][i] > merged[i] ? w->registers[half][i] : merged[i];
    }
    return mt_max_u64(exact, estimate(merged));
}
