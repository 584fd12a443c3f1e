/* Windows: what one group has gathered, and whether it is enough. */
#include "sigma/correlate_priv.h"

#include <stdlib.h>

/* An event of a group. */
struct arrival {
    struct mt_sigma_judging *judging;
    struct mt_sigma_correlator *correlator;
    const struct mt_sigma_correlation *c;
    struct mt_sigma_group *group;
    const struct mt_sigma_frame *frame;
    uint32_t frame_index;
    uint32_t group_in_frame;
    uint32_t events; /* that it stands for */
    uint64_t time;
    uint64_t span; /* ns */
};

/* --- conditions ---------------------------------------------------------------------- */

/* numerator / denominator within the bounds? */
static bool is_within(const struct mt_sigma_correlation *c, uint64_t numerator, uint64_t denominator)
{
    __uint128_t value = (__uint128_t)numerator * c->scale;
    for (unsigned i = 0; i < 6; i++) {
        if (!(c->bound_bits & 1u << i))
            continue;
        __uint128_t bound = (__uint128_t)c->bounds[i] * denominator;
        const bool holds[] = {value<bound, value <= bound, value> bound, value >= bound, value == bound,
                              value != bound};
        if (!holds[i])
            return false;
    }
    return true;
}

static bool holds(const struct mt_sigma_node *node, uint64_t mask)
{
    switch (node->kind) {
    case MT_SIGMA_TEST:
        return mask >> node->test->index & 1;
    case MT_SIGMA_REF:
        return holds(node->child, mask);
    case MT_SIGMA_NOT:
        return !holds(node->child, mask);
    case MT_SIGMA_AND:
    case MT_SIGMA_OR:
        break;
    }
    bool is_all = node->kind == MT_SIGMA_AND;
    for (const struct mt_sigma_node *n = node->child; n; n = n->next) {
        if (holds(n, mask) != is_all)
            return !is_all;
    }
    return is_all;
}

static bool is_met_by(const struct mt_sigma_loaded *l, uint64_t mask)
{
    uint64_t count = (uint64_t)__builtin_popcountll(mask);
    if (l->condition)
        return holds(l->condition, mask);
    return l->correlation->bound_bits ? is_within(l->correlation, count, 1) : count == l->ref_count;
}

static int compare_values(const void *a, const void *b)
{
    const struct mt_sigma_entry *x = a;
    const struct mt_sigma_entry *y = b;
    return x->value < y->value ? -1 : x->value > y->value;
}

static uint64_t percentile_of(struct mt_sigma_group *g, uint32_t percentile)
{
    if (g->sketch)
        return mt_spread_percentile(g->sketch, percentile);
    if (g->entry_count == 0)
        return 0;
    qsort(g->entries, g->entry_count, sizeof(*g->entries), compare_values);
    return g->entries[mt_percentile_rank(g->entry_count, percentile) - 1].value;
}

/* What the condition is about, in a standing window. */
static uint64_t measure_of(struct mt_sigma_group *g)
{
    const struct mt_sigma_correlation *c = g->of->correlation;
    switch (c->type) {
    case MT_SIGMA_CORRELATE_VALUE_COUNT:
        return g->sketch ? mt_max_u64(mt_distinct_count(g->sketch), MT_SIGMA_EXACT_MAX) : g->entry_count;
    case MT_SIGMA_CORRELATE_VALUE_SUM:
        return g->sum;
    case MT_SIGMA_CORRELATE_VALUE_AVG:
        return g->value_count ? g->sum / g->value_count : 0;
    case MT_SIGMA_CORRELATE_VALUE_PERCENTILE:
    case MT_SIGMA_CORRELATE_VALUE_MEDIAN:
        return percentile_of(g, c->type == MT_SIGMA_CORRELATE_VALUE_MEDIAN ? 50 : c->percentile);
    default:
        return g->events;
    }
}

/* Of a standing window. */
static bool is_met(struct mt_sigma_group *g)
{
    const struct mt_sigma_correlation *c = g->of->correlation;
    switch (c->type) {
    case MT_SIGMA_CORRELATE_TEMPORAL:
    case MT_SIGMA_CORRELATE_TEMPORAL_ORDERED:
        return is_met_by(g->of, g->mask);
    case MT_SIGMA_CORRELATE_VALUE_AVG:
        return g->value_count > 0 && is_within(c, g->sum, g->value_count);
    case MT_SIGMA_CORRELATE_VALUE_PERCENTILE:
    case MT_SIGMA_CORRELATE_VALUE_MEDIAN:
        return g->value_count > 0 && is_within(c, measure_of(g), 1);
    default:
        return is_within(c, measure_of(g), 1);
    }
}

/* --- entries ----------------------------------------------------------------------- */

static bool is_full(const struct mt_sigma_group *g)
{
    return g->entry_count == MT_SIGMA_EXACT_MAX;
}

/* Room for one more, or for count in all; false: out of memory. */
static bool make_room(const struct arrival *a, uint32_t count)
{
    struct mt_sigma_group *g = a->group;
    if (g->entries && g->entry_cap >= count)
        return true;
    if (!g->entries && count <= MT_SIGMA_OWN_ENTRIES) {
        memset(g->own_entries, 0, sizeof(g->own_entries));
        g->entries = g->own_entries;
        g->entry_cap = MT_SIGMA_OWN_ENTRIES;
        return true;
    }
    bool is_own = g->entries == g->own_entries;
    uint32_t cap = g->entry_cap ? g->entry_cap * 2 : 2;
    cap = cap < count ? count : cap;
    size_t old_size = is_own ? 0 : g->entry_cap * sizeof(*g->entries);
    struct mt_sigma_entry *entries =
        mt_sigma_group_alloc(a->correlator, g, is_own ? NULL : g->entries, old_size, cap * sizeof(*entries));
    if (!entries)
        return false;
    if (is_own)
        memcpy(entries, g->own_entries, sizeof(g->own_entries));
    memset(entries + g->entry_cap, 0, (cap - g->entry_cap) * sizeof(*entries));
    g->entries = entries;
    g->entry_cap = cap;
    return true;
}

/* In the order of time, behind those of the same. */
static void insert(const struct arrival *a, uint64_t value)
{
    struct mt_sigma_group *g = a->group;
    if (!make_room(a, g->entry_count + 1))
        return;
    uint32_t at = g->entry_count++;
    for (; at > 0 && g->entries[at - 1].time > a->time; at--)
        g->entries[at] = g->entries[at - 1];
    g->entries[at] = (struct mt_sigma_entry){.time = a->time, .value = value};
}

static uint32_t find(const struct mt_sigma_group *g, uint64_t value)
{
    uint32_t at = 0;
    while (at < g->entry_count && g->entries[at].value != value)
        at++;
    return at;
}

static void erase(struct mt_sigma_group *g, uint32_t at, uint32_t count)
{
    g->entry_count -= count;
    memmove(g->entries + at, g->entries + at + count, (g->entry_count - at) * sizeof(*g->entries));
}

/* What is older than the window. */
static void trim(struct mt_sigma_group *g, uint64_t span)
{
    uint32_t old = 0;
    while (old < g->entry_count && g->newest - g->entries[old].time >= span)
        old++;
    if (old > 0)
        erase(g, 0, old);
}

static bool make_sketch(const struct arrival *a)
{
    struct mt_sigma_group *g = a->group;
    if (!g->sketch)
        g->sketch = mt_sigma_group_alloc(a->correlator, g, NULL, 0, MT_SKETCH_SIZE);
    if (g->sketch)
        memset(g->sketch, 0, MT_SKETCH_SIZE);
    return g->sketch != NULL;
}

/* The values of entries go into a sketch, which takes their place. */
static void entries_to_sketch(const struct arrival *a, void (*add)(uint8_t *, uint64_t))
{
    struct mt_sigma_group *g = a->group;
    if (!make_sketch(a))
        return;
    for (uint32_t i = 0; i < g->entry_count; i++)
        add(g->sketch, g->entries[i].value);
    mt_sigma_group_drop_entries(a->correlator, g);
}

/* --- values ------------------------------------------------------------------------ */

/* The first few are kept as texts, for the evidence. */
static void show_value(const struct arrival *a, struct mt_span text)
{
    struct mt_sigma_group *g = a->group;
    uint32_t count = 0;
    struct mt_span rest = mt_span(g->values, g->values_size);
    while (rest.size > 0) {
        if (mt_span_ieq(mt_sigma_take_text(&rest), text))
            return;
        count++;
    }
    if (text.size == 0 || count == MT_SIGMA_SHOWN_VALUES)
        return;
    uint32_t size = g->values_size + 1 + (uint32_t)text.size;
    bool is_own = !g->values || g->values == g->own_values;
    uint8_t *values = g->own_values;
    if (!is_own || size > sizeof(g->own_values)) {
        values = mt_sigma_group_alloc(a->correlator, g, is_own ? NULL : g->values,
                                      is_own ? 0 : g->values_size, size);
        if (!values)
            return;
        if (is_own)
            memcpy(values, g->own_values, g->values_size);
    }
    values[g->values_size] = (uint8_t)text.size;
    memcpy(values + g->values_size + 1, text.ptr, text.size);
    g->values = values;
    g->values_size = size;
}

static uint64_t sum_of(struct mt_span rest, uint32_t count)
{
    struct mt_span text;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint64_t value = mt_sigma_frame_next_value(&rest, &text);
        sum = value > UINT64_MAX - sum ? UINT64_MAX : sum + value;
    }
    return sum;
}

static void add_distinct(const struct arrival *a)
{
    struct mt_sigma_group *g = a->group;
    struct mt_span rest = a->frame->values;
    struct mt_span text;
    for (uint32_t i = 0; i < a->frame->head.value_count; i++) {
        uint64_t value = mt_sigma_frame_next_value(&rest, &text);
        if (!g->sketch) {
            uint32_t at = find(g, value);
            if (at < g->entry_count && g->is_standing)
                continue;
            if (at == g->entry_count)
                show_value(a, text);
            uint64_t time = at < g->entry_count ? g->entries[at].time : 0;
            if (time > a->time)
                continue;
            if (at < g->entry_count)
                erase(g, at, 1);
            if (!is_full(g)) {
                insert(a, value);
                continue;
            }
            /* as many as are kept one by one */
            if (!g->is_standing) {
                g->is_standing = true;
                g->start = g->entries[0].time;
            }
            entries_to_sketch(a, mt_distinct_add);
        }
        if (g->sketch)
            mt_distinct_add(g->sketch, value);
    }
}

static void add_spread(const struct arrival *a)
{
    struct mt_sigma_group *g = a->group;
    struct mt_span rest = a->frame->values;
    struct mt_span text;
    for (uint32_t i = 0; i < a->frame->head.value_count; i++) {
        uint64_t value = mt_sigma_frame_next_value(&rest, &text);
        g->value_count++;
        if (is_full(g))
            entries_to_sketch(a, mt_spread_add);
        if (g->sketch)
            mt_spread_add(g->sketch, value);
        else
            insert(a, value);
    }
}

/* --- windows that stand ---------------------------------------------------------------- */

static void add_to_standing(const struct arrival *a)
{
    struct mt_sigma_group *g = a->group;
    uint64_t sum = 0;
    g->events += a->events;
    switch (a->c->type) {
    case MT_SIGMA_CORRELATE_VALUE_COUNT:
        add_distinct(a);
        break;
    case MT_SIGMA_CORRELATE_VALUE_SUM:
    case MT_SIGMA_CORRELATE_VALUE_AVG:
        sum = sum_of(a->frame->values, a->frame->head.value_count);
        g->sum = sum > UINT64_MAX - g->sum ? UINT64_MAX : g->sum + sum;
        g->value_count += a->frame->head.value_count;
        break;
    case MT_SIGMA_CORRELATE_VALUE_PERCENTILE:
    case MT_SIGMA_CORRELATE_VALUE_MEDIAN:
        add_spread(a);
        break;
    default:
        g->mask |= UINT64_C(1) << a->frame->head.ref % 64;
        break;
    }
}

/* The sliding window stops at what it holds. */
static void stand(const struct arrival *a)
{
    struct mt_sigma_group *g = a->group;
    if (g->is_standing)
        return;
    g->is_standing = true;
    g->start = g->entry_count > 0 ? g->entries[0].time : a->time;
    g->events = g->entry_count;
    g->sum = 0;
    for (uint32_t i = 0; i < g->entry_count && a->c->type == MT_SIGMA_CORRELATE_VALUE_SUM; i++)
        g->sum = g->entries[i].value > UINT64_MAX - g->sum ? UINT64_MAX : g->sum + g->entries[i].value;
    if (a->c->type == MT_SIGMA_CORRELATE_VALUE_COUNT)
        return;
    mt_sigma_group_drop_entries(a->correlator, g);
}

/* --- windows that slide ------------------------------------------------------------------ */

/* value: of all its events together. */
static void slide_events(const struct arrival *a, uint64_t value)
{
    trim(a->group, a->span);
    if (a->group->entry_count + a->events > MT_SIGMA_EXACT_MAX) {
        stand(a);
        add_to_standing(a);
        return;
    }
    for (uint32_t i = 0; i < a->events; i++)
        insert(a, i == 0 ? value : 0);
}

/* The rules that matched within the span. */
static uint64_t temporal_mask(const struct arrival *a)
{
    const struct mt_sigma_group *g = a->group;
    uint64_t mask = 0;
    for (uint32_t i = 0; i < g->entry_count; i++) {
        if (g->entries[i].time != 0 && g->newest - g->entries[i].time < a->span)
            mask |= UINT64_C(1) << i;
    }
    return mask;
}

static bool slide_temporal(const struct arrival *a)
{
    struct mt_sigma_group *g = a->group;
    uint32_t count = g->of->ref_count;
    if (!make_room(a, count))
        return false;
    g->entry_count = count;
    struct mt_sigma_entry *entry = &g->entries[a->frame->head.ref % count];
    entry->time = mt_max_u64(entry->time, a->time);
    uint64_t mask = temporal_mask(a);
    if (!is_met_by(g->of, mask))
        return false;
    g->start = UINT64_MAX;
    for (uint32_t i = 0; i < count; i++) {
        if (mask >> i & 1)
            g->start = mt_min_u64(g->start, g->entries[i].time);
    }
    g->mask = mask;
    g->events = (uint64_t)__builtin_popcountll(mask);
    g->is_standing = true;
    return true;
}

/* How many of the rules have to have matched, in their order. */
static uint64_t chain_needed(const struct mt_sigma_loaded *l)
{
    const struct mt_sigma_correlation *c = l->correlation;
    uint64_t needed = c->bound_bits ? 1 : l->ref_count;
    if (c->bound_bits & MT_SIGMA_BOUND_GT)
        needed = mt_max_u64(needed, c->bounds[2] + 1);
    if (c->bound_bits & MT_SIGMA_BOUND_GTE)
        needed = mt_max_u64(needed, c->bounds[3]);
    return needed;
}

/* For each rule, of the chains that end with it the one that began last. */
static bool slide_chain(const struct arrival *a)
{
    struct mt_sigma_group *g = a->group;
    uint32_t count = g->of->ref_count;
    uint32_t ref = a->frame->head.ref % count;
    if (!make_room(a, count))
        return false;
    g->entry_count = count;
    const struct mt_sigma_entry *before = ref > 0 ? &g->entries[ref - 1] : NULL;
    if (before && (before->time == 0 || before->time > a->time || a->time - before->value >= a->span))
        return false;
    uint64_t start = before ? before->value : a->time;
    struct mt_sigma_entry *entry = &g->entries[ref];
    if (entry->time == 0 || start >= entry->value)
        *entry = (struct mt_sigma_entry){.time = a->time, .value = start};
    if (ref + 1 < chain_needed(g->of))
        return false;
    g->start = start;
    g->events = ref + 1;
    g->is_standing = true;
    return true;
}

/* Takes the event into a sliding window. True: the condition holds. */
static bool slide(const struct arrival *a)
{
    struct mt_sigma_group *g = a->group;
    g->newest = mt_max_u64(g->newest, a->time);
    switch (a->c->type) {
    case MT_SIGMA_CORRELATE_TEMPORAL:
        return slide_temporal(a);
    case MT_SIGMA_CORRELATE_TEMPORAL_ORDERED:
        return slide_chain(a);
    case MT_SIGMA_CORRELATE_VALUE_COUNT:
        trim(g, a->span);
        add_distinct(a);
        break;
    case MT_SIGMA_CORRELATE_VALUE_SUM:
        slide_events(a, sum_of(a->frame->values, a->frame->head.value_count));
        break;
    default:
        slide_events(a, 0);
        break;
    }
    if (g->is_standing)
        return is_met(g);
    uint64_t measure = g->entry_count;
    if (a->c->type == MT_SIGMA_CORRELATE_VALUE_SUM) {
        measure = 0;
        for (uint32_t i = 0; i < g->entry_count; i++)
            measure = g->entries[i].value > UINT64_MAX - measure ? UINT64_MAX : measure + g->entries[i].value;
    }
    if (!is_within(a->c, measure, 1))
        return false;
    stand(a);
    return true;
}

/* --- alerts ------------------------------------------------------------------------------ */

static void keep_feed(const struct arrival *a)
{
    struct mt_sigma_group *g = a->group;
    struct mt_span bytes = a->judging->feed->bytes;
    uint8_t *feed = mt_sigma_group_alloc(a->correlator, g, g->feed, g->feed_size, bytes.size);
    if (!feed)
        return;
    memcpy(feed, bytes.ptr, bytes.size);
    g->feed = feed;
    g->feed_size = (uint32_t)bytes.size;
    g->frame = a->frame_index;
    g->group_in_frame = a->group_in_frame;
}

static void see_first(struct mt_sigma_group *g, const struct mt_sigma_feed *feed, uint64_t time)
{
    g->first = (struct mt_sigma_seen){
        .time = time,
        .source_ip = feed->head.source_ip,
        .destination_ip = feed->head.destination_ip,
        .source_port = feed->head.source_port,
        .destination_port = feed->head.destination_port,
        .event_id_size = (uint8_t)mt_min_u64(feed->event_id.size, sizeof(g->first.event_id))};
    memcpy(g->first.event_id, feed->event_id.ptr, g->first.event_id_size);
}

static void raise_alarm(const struct arrival *a, enum mt_sigma_occasion occasion)
{
    struct mt_sigma_group *g = a->group;
    uint64_t measure = measure_of(g);
    g->said = measure;
    keep_feed(a);
    mt_sigma_alarm_raise(a->correlator, g, a->judging->feed, a->frame_index, a->group_in_frame, measure,
                         occasion);
}

static void set_timer(const struct arrival *a)
{
    struct mt_sigma_group *g = a->group;
    uint64_t end = g->is_standing ? g->start + a->span : mt_max_u64(g->newest, g->latest) + a->span;
    mt_sigma_timer_set(a->correlator, g, mt_max_u64(end, g->latest));
}

/* --- windows ------------------------------------------------------------------------------ */

void mt_sigma_window_end(struct mt_sigma_correlator *correlator, struct mt_sigma_group *g)
{
    const struct mt_sigma_correlation *c = g->of->correlation;
    bool is_late = c->is_late && g->is_standing && g->feed && is_met(g);
    bool has_grown = g->has_fired && g->feed && measure_of(g) > g->said;
    if (!is_late && !has_grown) {
        mt_sigma_group_free(correlator, g);
        return;
    }
    struct mt_sigma_feed feed;
    struct mt_sigma_loaded *of = g->of;
    uint32_t frame = g->frame;
    uint32_t size = g->feed_size;
    mt_sigma_feed_open(mt_span(g->feed, size), &feed);
    mt_sigma_alarm_raise(correlator, g, &feed, frame, g->group_in_frame, measure_of(g),
                         is_late ? MT_SIGMA_OCCASION_MET : MT_SIGMA_OCCASION_OVER);
    uint64_t time = g->start + c->timespan * MT_SEC;
    uint8_t *bytes = g->feed; /* outlives the group, which parents may push out */
    g->feed = NULL;
    g->feed_size = 0;
    mt_sigma_group_free(correlator, g);
    struct mt_sigma_judging judging = {
        .correlator = correlator, .feed = &feed, .order = mt_max_u64(correlator->judged, time), .time = time};
    if (is_late && of->rule.inactive == NULL)
        mt_sigma_feed_parents(&judging, frame);
    mt_sigma_group_release(correlator, bytes, size);
}

/* False: the event is too old to be in one window with the newest. A little before
 * the start of one that stands it still counts: it was only slow to come. */
static bool fits(const struct arrival *a)
{
    const struct mt_sigma_group *g = a->group;
    return g->newest == 0 || a->time > g->newest || g->newest - a->time < a->span;
}

static void take_late(const struct arrival *a)
{
    struct mt_sigma_group *g = a->group;
    if (!g->is_standing) {
        g->is_standing = true;
        g->start = a->time;
    }
    g->newest = mt_max_u64(g->newest, a->time);
    add_to_standing(a);
    keep_feed(a);
}

/* True: the condition has come to hold. */
static bool take_growing(const struct arrival *a)
{
    struct mt_sigma_group *g = a->group;
    if (!g->is_standing) {
        if (!slide(a))
            return false;
    } else {
        g->newest = mt_max_u64(g->newest, a->time);
        add_to_standing(a);
        if (g->has_fired) {
            if (measure_of(g) / 2 >= g->said) /* sums may be as large as a number gets */
                raise_alarm(a, MT_SIGMA_OCCASION_STEP);
            else
                a->correlator->counts.held += a->events;
            return false;
        }
        if (!is_met(g))
            return false;
    }
    g->has_fired = true;
    raise_alarm(a, MT_SIGMA_OCCASION_MET);
    return true;
}

/* A link of a chain means nothing where none has begun. */
static bool is_idle_link(const struct arrival *a)
{
    return a->c->type == MT_SIGMA_CORRELATE_TEMPORAL_ORDERED && !a->c->is_late && a->frame->head.ref > 0;
}

void mt_sigma_window_take(struct mt_sigma_judging *judging, struct mt_sigma_loaded *of,
                          const struct mt_sigma_frame *opened, uint32_t frame, uint32_t group_in_frame,
                          struct mt_hash128 key)
{
    struct mt_sigma_correlator *correlator = judging->correlator;
    bool is_first = opened->head.parent == MT_SIGMA_ROUTE_NONE; /* else one alert, however many made it */
    struct arrival a = {.judging = judging,
                        .correlator = correlator,
                        .c = of->correlation,
                        .frame = opened,
                        .frame_index = frame,
                        .group_in_frame = group_in_frame,
                        .events = is_first ? judging->feed->head.events : 1,
                        .time = judging->time,
                        .span = of->correlation->timespan * MT_SEC};
    bool is_new;
    if (is_idle_link(&a) && !mt_sigma_group_find(correlator, of, key))
        return;
    struct mt_sigma_group *g = mt_sigma_group_get(correlator, of, key, &is_new);
    if (g && g->is_standing && a.time >= g->start && a.time - g->start >= a.span) {
        mt_sigma_window_end(correlator, g);
        g = mt_sigma_group_get(correlator, of, key, &is_new);
    }
    if (!g)
        return;
    a.group = g;
    if (!fits(&a)) {
        correlator->counts.late++;
        return;
    }
    g->latest = mt_max_u64(g->latest, judging->order);
    if (is_new) {
        see_first(g, judging->feed, a.time);
    } else if (!g->is_standing && a.time > g->newest && a.time - g->newest >= a.span) {
        see_first(g, judging->feed, a.time); /* nothing of before is left */
        mt_sigma_group_drop_values(correlator, g);
    }
    bool is_met_now = false;
    if (a.c->is_late)
        take_late(&a);
    else
        is_met_now = take_growing(&a);
    set_timer(&a);
    if (is_met_now) /* last: it may push this group out */
        mt_sigma_feed_parents(judging, frame);
}
