/* Groups by key, by age, and by when their windows end. */
#include "sigma/correlate_priv.h"

#include <stdlib.h>

#define BUCKETS_LEAST 1024u
#define NO_TIMER UINT32_MAX

/* --- memory ---------------------------------------------------------------------- */

/* What malloc adds. */
static size_t cost_of(size_t size)
{
    return size ? ((size + 8 + 15) & ~(size_t)15) : 0;
}

static struct mt_sigma_group *oldest_but(const struct mt_sigma_correlator *c,
                                         const struct mt_sigma_group *keep)
{
    return c->oldest == keep && keep ? keep->newer : c->oldest;
}

void *mt_sigma_group_alloc(struct mt_sigma_correlator *c, const struct mt_sigma_group *keep, void *old,
                           size_t old_size, size_t size)
{
    size_t more = cost_of(size) - cost_of(old_size);
    while (c->counts.memory + more > c->memory_max) {
        struct mt_sigma_group *victim = oldest_but(c, keep);
        if (!victim)
            break;
        c->counts.evicted++;
        mt_sigma_group_free(c, victim);
    }
    void *memory = c->counts.memory + more > c->memory_max ? NULL : realloc(old, size);
    if (!memory) {
        c->counts.lost++;
        return NULL;
    }
    c->counts.memory += more;
    return memory;
}

void mt_sigma_group_release(struct mt_sigma_correlator *c, void *memory, size_t size)
{
    if (memory)
        c->counts.memory -= cost_of(size);
    free(memory);
}

/* --- timers ------------------------------------------------------------------------ */

static bool is_before(const struct mt_sigma_group *a, const struct mt_sigma_group *b)
{
    if (a->heap_time != b->heap_time)
        return a->heap_time < b->heap_time;
    if (a->key.word[0] != b->key.word[0])
        return a->key.word[0] < b->key.word[0];
    return a->key.word[1] < b->key.word[1];
}

static void timer_place(struct mt_sigma_correlator *c, uint32_t at, struct mt_sigma_group *group)
{
    c->timers[at] = group;
    group->heap_at = at;
}

static void timer_up(struct mt_sigma_correlator *c, uint32_t at, struct mt_sigma_group *group)
{
    while (at > 0 && is_before(group, c->timers[(at - 1) / 2])) {
        timer_place(c, at, c->timers[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    timer_place(c, at, group);
}

static void timer_down(struct mt_sigma_correlator *c, uint32_t at, struct mt_sigma_group *group)
{
    for (uint32_t kid; (kid = at * 2 + 1) < c->timer_count; at = kid) {
        if (kid + 1 < c->timer_count && is_before(c->timers[kid + 1], c->timers[kid]))
            kid++;
        if (is_before(group, c->timers[kid]))
            break;
        timer_place(c, at, c->timers[kid]);
    }
    timer_place(c, at, group);
}

static bool timer_add(struct mt_sigma_correlator *c, struct mt_sigma_group *group)
{
    if (c->timer_count == c->timer_cap) {
        uint32_t cap = c->timer_cap ? c->timer_cap * 2 : 256;
        struct mt_sigma_group **timers =
            mt_sigma_group_alloc(c, NULL, c->timers, c->timer_cap * sizeof(group), cap * sizeof(group));
        if (!timers)
            return false;
        c->timers = timers;
        c->timer_cap = cap;
    }
    timer_up(c, c->timer_count++, group);
    return true;
}

static void timer_remove(struct mt_sigma_correlator *c, struct mt_sigma_group *group)
{
    uint32_t at = group->heap_at;
    if (at == NO_TIMER)
        return;
    struct mt_sigma_group *last = c->timers[--c->timer_count];
    if (last == group)
        return;
    if (at > 0 && is_before(last, c->timers[(at - 1) / 2]))
        timer_up(c, at, last);
    else
        timer_down(c, at, last);
}

void mt_sigma_timer_set(struct mt_sigma_correlator *c, struct mt_sigma_group *group, uint64_t time)
{
    group->timer = time;
    if (time >= group->heap_time)
        return;
    group->heap_time = time;
    timer_up(c, group->heap_at, group);
}

/* What moves away the heap learns of when it comes to its top. */
struct mt_sigma_group *mt_sigma_timer_first(struct mt_sigma_correlator *c, uint64_t limit)
{
    while (c->timer_count > 0 && c->timers[0]->heap_time < limit) {
        struct mt_sigma_group *group = c->timers[0];
        if (group->timer == group->heap_time)
            return group;
        group->heap_time = group->timer;
        timer_down(c, 0, group);
    }
    return NULL;
}

/* --- groups ------------------------------------------------------------------------ */

static void age_remove(struct mt_sigma_correlator *c, struct mt_sigma_group *group)
{
    *(group->newer ? &group->newer->older : &c->newest) = group->older;
    *(group->older ? &group->older->newer : &c->oldest) = group->newer;
}

static uint32_t age_now(const struct mt_sigma_correlator *c)
{
    return (uint32_t)(c->judged / MT_SIGMA_AGE_STEP);
}

static void age_add(struct mt_sigma_correlator *c, struct mt_sigma_group *group)
{
    group->aged = age_now(c);
    group->newer = NULL;
    group->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = group;
    c->newest = group;
}

static bool make_buckets(struct mt_sigma_correlator *c)
{
    size_t count = BUCKETS_LEAST;
    while (count < c->memory_max / 1024)
        count *= 2;
    c->buckets = calloc(count, sizeof(struct mt_sigma_group *));
    c->bucket_mask = (uint32_t)(count - 1);
    c->counts.memory += c->buckets ? cost_of(count * sizeof(struct mt_sigma_group *)) : 0;
    return c->buckets != NULL;
}

static struct mt_sigma_group **bucket_of(const struct mt_sigma_correlator *c, struct mt_hash128 key)
{
    return &c->buckets[mt_hash_pair(c->bucket_seed, key.word[0], key.word[1]) & c->bucket_mask];
}

static struct mt_sigma_group *group_make(struct mt_sigma_correlator *c, struct mt_sigma_loaded *of,
                                         struct mt_hash128 key)
{
    struct mt_sigma_group *group = mt_sigma_group_alloc(c, NULL, NULL, 0, sizeof(*group));
    if (!group)
        return NULL;
    /* its timer is set at once, and comes to stand where most do: behind the others */
    *group = (struct mt_sigma_group){.of = of, .key = key, .timer = UINT64_MAX, .heap_time = UINT64_MAX};
    if (!timer_add(c, group)) {
        mt_sigma_group_release(c, group, sizeof(*group));
        return NULL;
    }
    struct mt_sigma_group **bucket = bucket_of(c, key);
    group->next = *bucket;
    *bucket = group;
    age_add(c, group);
    c->counts.groups++;
    return group;
}

struct mt_sigma_group *mt_sigma_group_find(struct mt_sigma_correlator *c, const struct mt_sigma_loaded *of,
                                           struct mt_hash128 key)
{
    if (!c->buckets)
        return NULL;
    for (struct mt_sigma_group *g = *bucket_of(c, key); g; g = g->next) {
        if (g->of == of && g->key.word[0] == key.word[0] && g->key.word[1] == key.word[1])
            return g;
    }
    return NULL;
}

struct mt_sigma_group *mt_sigma_group_get(struct mt_sigma_correlator *c, struct mt_sigma_loaded *of,
                                          struct mt_hash128 key, bool *ret_is_new)
{
    *ret_is_new = false;
    if (!c->buckets && !make_buckets(c))
        return NULL;
    struct mt_sigma_group *g = mt_sigma_group_find(c, of, key);
    if (g) {
        if (g->aged != age_now(c)) {
            age_remove(c, g);
            age_add(c, g);
        }
        return g;
    }
    *ret_is_new = true;
    return group_make(c, of, key);
}

void mt_sigma_group_expect(const struct mt_sigma_correlator *c, struct mt_hash128 key)
{
    if (c->buckets)
        __builtin_prefetch(bucket_of(c, key), 1);
}

void mt_sigma_group_prefetch(const struct mt_sigma_correlator *c, struct mt_hash128 key)
{
    const struct mt_sigma_group *group = c->buckets ? *bucket_of(c, key) : NULL;
    for (size_t off = 0; group && off < sizeof(*group); off += MT_CACHE_LINE)
        __builtin_prefetch((const uint8_t *)group + off, 1);
}

void mt_sigma_group_drop_entries(struct mt_sigma_correlator *c, struct mt_sigma_group *g)
{
    if (g->entries && g->entries != g->own_entries)
        mt_sigma_group_release(c, g->entries, g->entry_cap * sizeof(*g->entries));
    g->entries = NULL;
    g->entry_count = 0;
    g->entry_cap = 0;
}

void mt_sigma_group_drop_values(struct mt_sigma_correlator *c, struct mt_sigma_group *g)
{
    if (g->values && g->values != g->own_values)
        mt_sigma_group_release(c, g->values, g->values_size);
    g->values = NULL;
    g->values_size = 0;
}

static void drop_memory(struct mt_sigma_correlator *c, struct mt_sigma_group *g)
{
    mt_sigma_group_drop_entries(c, g);
    mt_sigma_group_drop_values(c, g);
    if (g->sketch)
        mt_sigma_group_release(c, g->sketch, MT_SKETCH_SIZE);
    if (g->feed)
        mt_sigma_group_release(c, g->feed, g->feed_size);
}

void mt_sigma_group_clear(struct mt_sigma_correlator *c, struct mt_sigma_group *g)
{
    drop_memory(c, g);
    *g = (struct mt_sigma_group){.next = g->next,
                                 .newer = g->newer,
                                 .older = g->older,
                                 .of = g->of,
                                 .key = g->key,
                                 .timer = g->timer,
                                 .heap_time = g->heap_time,
                                 .heap_at = g->heap_at,
                                 .aged = g->aged};
}

void mt_sigma_group_free(struct mt_sigma_correlator *c, struct mt_sigma_group *group)
{
    struct mt_sigma_group **at = bucket_of(c, group->key);
    while (*at != group)
        at = &(*at)->next;
    *at = group->next;
    age_remove(c, group);
    timer_remove(c, group);
    drop_memory(c, group);
    mt_sigma_group_release(c, group, sizeof(*group));
    c->counts.groups--;
}

/* A window that is judged when it ends may feed others then, and ends in its turn. */
static bool has_late(const struct mt_sigma *sigma)
{
    for (uint32_t i = 0; sigma && i < sigma->correlation_count; i++) {
        if (sigma->correlations[i]->correlation->is_late)
            return true;
    }
    return false;
}

void mt_sigma_groups_drop_silent(struct mt_sigma_correlator *c)
{
    struct mt_sigma_group *newer;
    if (has_late(c->sigma))
        return;
    c->timer_count = 0;
    for (struct mt_sigma_group *g = c->oldest; g; g = newer) {
        newer = g->newer;
        g->heap_at = NO_TIMER;
        if (g->has_fired)
            timer_up(c, c->timer_count++, g);
        else
            mt_sigma_group_free(c, g);
    }
}

void mt_sigma_groups_fini(struct mt_sigma_correlator *c)
{
    struct mt_sigma_group *older;
    for (struct mt_sigma_group *g = c->newest; g; g = older) {
        older = g->older;
        mt_sigma_group_free(c, g);
    }
    free(c->buckets);
    free(c->timers);
}
