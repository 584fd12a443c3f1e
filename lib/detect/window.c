#include "detect/window_priv.h"

#include <math.h>
#include <string.h>

static bool is_within(uint64_t time, uint64_t span, uint64_t now)
{
    return time != 0 && now - time < span;
}

/* Nothing was counted without leaving a register above zero, and the reverse. */
static void clear_half(struct mt_window_large *w, unsigned half)
{
    if (w->counts[half] != 0)
        memset(w->registers[half], 0, MT_WINDOW_REGISTERS);
    w->counts[half] = 0;
}

static void turn_halves(struct mt_window_large *w, uint64_t span, uint64_t now)
{
    uint64_t half = span / 2;

    if (now - w->half_start < half)
        return;
    if (now - w->half_start < 2 * half) {
        w->counts[1] = w->counts[0];
        memcpy(w->registers[1], w->registers[0], MT_WINDOW_REGISTERS);
        w->half_start += half;
    } else {
        clear_half(w, 1);
        w->half_start = now;
    }
    clear_half(w, 0);
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

static bool holds_item(const struct mt_window_large *w, uint32_t item)
{
    bool is_there = false;

    for (size_t i = 0; i < w->item_count; i++) /* no early end, so that it is done in vectors */
        is_there |= w->items[i] == item;
    return is_there;
}

/* The slot of this item, or a free one, or the one that was seen longest ago. */
static void add_to_items(struct mt_window_large *w, uint64_t now, uint32_t item)
{
    size_t at = 0;

    if (holds_item(w, item)) {
        while (w->items[at] != item)
            at++;
    } else if (w->item_count < MT_WINDOW_EXACT) {
        at = w->item_count++;
    } else {
        for (size_t i = 1; i < MT_WINDOW_EXACT; i++)
            at = w->items_seen[i] < w->items_seen[at] ? i : at;
    }
    w->items[at] = item;
    w->items_seen[at] = now;
}

static void large_add(struct mt_window_large *w, uint64_t span, uint64_t now, uint64_t item)
{
    turn_halves(w, span, now);
    w->counts[0]++;
    add_to_registers(w->registers[0], item);
    w->times[w->next] = now;
    w->next = (w->next + 1) % MT_WINDOW_EXACT;
    add_to_items(w, now, (uint32_t)(item >> 32));
}

/* Which buckets still count at now, when no event turned them. The bucket
 * before the running one holds events of up to a whole span before now. */
static bool half_counts(const struct mt_window_large *w, unsigned half, uint64_t span, uint64_t now)
{
    return now - w->half_start < (half == 0 ? span : span / 2);
}

static uint64_t large_count(const struct mt_window_large *w, uint64_t span, uint64_t now)
{
    uint64_t count = 0;

    if (!is_within(w->times[w->next], span, now)) {
        while (is_within(w->times[(w->next - 1 - count) % MT_WINDOW_EXACT], span, now))
            count++;
        return count;
    }
    for (unsigned half = 0; half < 2; half++)
        count += half_counts(w, half, span, now) ? w->counts[half] : 0;
    return mt_max_u64(MT_WINDOW_EXACT, count);
}

static uint64_t exact_distinct(const struct mt_window_large *w, uint64_t span, uint64_t now)
{
    uint64_t count = 0;

    for (size_t i = 0; i < w->item_count; i++)
        count += is_within(w->items_seen[i], span, now);
    return count;
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

static uint64_t estimated_distinct(const struct mt_window_large *w, uint64_t span, uint64_t now)
{
    uint8_t merged[MT_WINDOW_REGISTERS] = {0};

    for (unsigned half = 0; half < 2; half++) {
        if (!half_counts(w, half, span, now))
            continue;
        for (size_t i = 0; i < MT_WINDOW_REGISTERS; i++)
            merged[i] = w->registers[half][i] > merged[i] ? w->registers[half][i] : merged[i];
    }
    return estimate(merged);
}

/* --- small ------------------------------------------------------------------ */

static void small_add(struct mt_window *w, uint64_t now, uint64_t item)
{
    w->times[w->count] = now;
    w->items[w->count] = (uint32_t)(item >> 32);
    w->count++;
}

static uint32_t small_first(const struct mt_window *w, uint64_t span, uint64_t now)
{
    uint32_t first = 0;

    while (first < w->count && !is_within(w->times[first], span, now))
        first++;
    return first;
}

static uint64_t small_distinct(const struct mt_window *w, uint64_t span, uint64_t now)
{
    uint64_t distinct = 0;

    for (uint32_t i = small_first(w, span, now); i < w->count; i++) {
        bool comes_again = false;
        for (uint32_t j = i + 1; j < w->count; j++)
            comes_again |= w->items[j] == w->items[i];
        distinct += !comes_again;
    }
    return distinct;
}

/* Room for one more: without those that are too old, or in the large part. */
static void small_make_room(struct mt_window *w, struct mt_window_large *large, uint64_t span, uint64_t now)
{
    uint32_t first = small_first(w, span, now);

    if (first > 0) {
        w->count -= first;
        memmove(w->times, w->times + first, w->count * sizeof(w->times[0]));
        memmove(w->items, w->items + first, w->count * sizeof(w->items[0]));
        return;
    }
    memset(large, 0, sizeof(*large));
    w->is_large = true;
    for (uint32_t i = 0; i < w->count; i++)
        large_add(large, span, w->times[i], (uint64_t)w->items[i] << 32);
}

/* --- either ----------------------------------------------------------------- */

void mt_window_add(struct mt_window *w, struct mt_window_large *large, uint64_t span, uint64_t now,
                   uint64_t item)
{
    if (!w->is_large && w->count == MT_WINDOW_SMALL)
        small_make_room(w, large, span, now);
    if (w->is_large)
        large_add(large, span, now, item);
    else
        small_add(w, now, item);
}

uint64_t mt_window_count(const struct mt_window *w, const struct mt_window_large *large, uint64_t span,
                         uint64_t now)
{
    return w->is_large ? large_count(large, span, now) : w->count - small_first(w, span, now);
}

uint64_t mt_window_distinct(const struct mt_window *w, const struct mt_window_large *large, uint64_t span,
                            uint64_t now)
{
    if (!w->is_large)
        return small_distinct(w, span, now);
    uint64_t exact = exact_distinct(large, span, now);
    return exact < MT_WINDOW_EXACT ? exact : mt_max_u64(exact, estimated_distinct(large, span, now));
}

bool mt_window_has_distinct(const struct mt_window *w, const struct mt_window_large *large, uint64_t span,
                            uint64_t now, uint64_t least)
{
    if (!w->is_large)
        return small_distinct(w, span, now) >= least;
    uint64_t exact = exact_distinct(large, span, now);
    return exact >= least || (exact == MT_WINDOW_EXACT && estimated_distinct(large, span, now) >= least);
}
