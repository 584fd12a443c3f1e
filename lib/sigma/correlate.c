/* Feeds in the order of time, and what they mean to correlations. */
#include "sigma/correlate.h"

#include "sigma/correlate_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define BIN_MAX ((uint32_t)64 << 10)
#define STRIDE UINT64_C(20000000) /* ns; what is judged at once is judged faster */
#define TOGETHER 16u              /* feeds whose memory is asked for at once */
#define FEED_AHEAD 512            /* bytes of one */

/* --- feeds that wait ------------------------------------------------------------------ */

static struct mt_span event_id_of(const struct mt_sigma_waiting *w)
{
    struct mt_sigma_feed_head head;
    memcpy(&head, w->feed, sizeof(head));
    return mt_span(w->feed + sizeof(head), head.event_id_size);
}

/* A total order, so that it does not matter which worker was faster. */
static bool is_before(const struct mt_sigma_waiting *a, const struct mt_sigma_waiting *b)
{
    if (a->time != b->time)
        return a->time < b->time;
    struct mt_span x = event_id_of(a);
    struct mt_span y = event_id_of(b);
    int differ = memcmp(x.ptr, y.ptr, mt_min_u64(x.size, y.size));
    if (differ != 0 || x.size != y.size)
        return differ != 0 ? differ < 0 : x.size < y.size;
    return a->sequence < b->sequence;
}

static inline bool is_earlier(const struct mt_sigma_turn *a, const struct mt_sigma_turn *b)
{
    return a->order != b->order ? a->order < b->order : is_before(a->one, b->one);
}

static bool make_room(struct mt_sigma_correlator *c)
{
    if (c->waiting_count < c->waiting_cap)
        return true;
    uint32_t cap = c->waiting_cap ? c->waiting_cap * 2 : 64;
    struct mt_sigma_turn *waiting =
        mt_sigma_group_alloc(c, NULL, c->waiting, c->waiting_cap * sizeof(*waiting), cap * sizeof(*waiting));
    if (!waiting)
        return false;
    c->waiting = waiting;
    c->waiting_cap = cap;
    return true;
}

static void push(struct mt_sigma_correlator *c, struct mt_sigma_turn one)
{
    uint32_t at = c->waiting_count++;
    for (; at > 0 && is_earlier(&one, &c->waiting[(at - 1) / 2]); at = (at - 1) / 2)
        c->waiting[at] = c->waiting[(at - 1) / 2];
    c->waiting[at] = one;
}

static const struct mt_sigma_waiting *pop(struct mt_sigma_correlator *c)
{
    const struct mt_sigma_waiting *first = c->waiting[0].one;
    struct mt_sigma_turn last = c->waiting[--c->waiting_count];
    uint32_t at = 0;
    for (uint32_t kid; (kid = at * 2 + 1) < c->waiting_count; at = kid) {
        if (kid + 1 < c->waiting_count && is_earlier(&c->waiting[kid + 1], &c->waiting[kid]))
            kid++;
        if (is_earlier(&last, &c->waiting[kid]))
            break;
        c->waiting[at] = c->waiting[kid];
    }
    c->waiting[at] = last;
    return first;
}

/* --- bins ------------------------------------------------------------------------------- */

/* A small part of what may wait, and room for any feed. */
static uint32_t bin_cap(const struct mt_sigma_correlator *c)
{
    return (uint32_t)mt_min_u64(BIN_MAX, mt_max_u64(c->memory_max / 64, MT_SIGMA_FEED_MAX));
}

static void bin_free(struct mt_sigma_correlator *c, struct mt_sigma_bin *bin)
{
    if (c->bin == bin)
        c->bin = NULL;
    c->bin_size -= bin->cap;
    mt_sigma_group_release(c, bin, sizeof(*bin) + bin->cap);
}

static void bin_release(struct mt_sigma_correlator *c, struct mt_sigma_bin *bin)
{
    if (--bin->live > 0)
        return;
    if (c->bin == bin)
        bin->used = 0;
    else
        bin_free(c, bin);
}

/* NULL: out of memory. */
static void *bin_take(struct mt_sigma_correlator *c, size_t size)
{
    if (!c->bin || size > c->bin->cap - c->bin->used) {
        uint32_t cap = (uint32_t)mt_max_u64(bin_cap(c), size);
        struct mt_sigma_bin *bin = mt_sigma_group_alloc(c, NULL, NULL, 0, sizeof(*bin) + cap);
        if (!bin)
            return NULL;
        *bin = (struct mt_sigma_bin){.cap = cap};
        c->bin_size += cap;
        c->bin = bin;
    }
    uint8_t *at = c->bin->bytes + c->bin->used;
    c->bin->used += (uint32_t)size;
    c->bin->live++;
    return at;
}

/* --- judging ---------------------------------------------------------------------------- */

struct mt_sigma_loaded *mt_sigma_of_identity(const struct mt_sigma *sigma, uint64_t identity)
{
    uint32_t low = 0;
    uint32_t high = sigma ? sigma->correlation_count : 0;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (sigma->correlations[middle]->correlation->identity < identity)
            low = middle + 1;
        else
            high = middle;
    }
    bool is_there = sigma && low < sigma->correlation_count &&
                    sigma->correlations[low]->correlation->identity == identity;
    return is_there ? sigma->correlations[low] : NULL;
}

/* As mt_sigma_of_identity, looked for first where it stood when the frame was made. */
static struct mt_sigma_loaded *correlation_of(const struct mt_sigma *sigma,
                                              const struct mt_sigma_frame_head *head)
{
    struct mt_sigma_loaded *here =
        sigma && head->place < sigma->correlation_count ? sigma->correlations[head->place] : NULL;
    return here && here->correlation->identity == head->identity
               ? here
               : mt_sigma_of_identity(sigma, head->identity);
}

/* Every frame that this one leads to: MT_SIGMA_ROUTE_NONE, those of the event itself. */
void mt_sigma_feed_parents(struct mt_sigma_judging *judging, uint32_t parent)
{
    for (uint32_t i = 0; i < judging->feed->head.frame_count; i++) {
        struct mt_sigma_frame frame;
        if (mt_sigma_frame_head(judging->feed, i).parent != parent)
            continue;
        mt_sigma_frame_open(judging->feed, i, &frame);
        struct mt_sigma_loaded *of = correlation_of(judging->correlator->sigma, &frame.head);
        if (!of) {
            judging->correlator->counts.stale++;
            continue;
        }
        for (uint32_t k = 0; k < frame.head.group_count; k++) {
            struct mt_span texts[MT_SIGMA_KEYS_MAX];
            struct mt_hash128 key = mt_sigma_frame_next_group(&frame.groups, frame.head.key_count, texts);
            mt_sigma_window_take(judging, of, &frame, i, k, key);
        }
    }
}

static void end_windows(struct mt_sigma_correlator *c, uint64_t limit)
{
    struct mt_sigma_group *group;
    while ((group = mt_sigma_timer_first(c, limit)) != NULL)
        mt_sigma_window_end(c, group);
}

static bool is_repeated(struct mt_sigma_correlator *c, const struct mt_sigma_waiting *w)
{
    struct mt_span id = event_id_of(w);
    bool is_same = c->last.order == w->order && c->last.time == w->time && c->last.sequence == w->sequence &&
                   mt_span_eq(id, mt_span(c->last_id, c->last_id_size));
    c->last = *w;
    c->last_id_size = mt_min_u64(id.size, sizeof(c->last_id));
    memcpy(c->last_id, id.ptr, c->last_id_size);
    return is_same;
}

/* Feeds waited for long, and groups lie anywhere: what a turn needs is asked for
 * before the turns before it are done. ask: for the bucket, then for the group. */
static void ask_ahead(const struct mt_sigma_correlator *c, const struct mt_sigma_feed *feed,
                      void (*ask)(const struct mt_sigma_correlator *c, struct mt_hash128 key))
{
    for (uint32_t i = 0; i < feed->head.frame_count; i++) {
        struct mt_sigma_frame frame;
        struct mt_hash128 key;
        mt_sigma_frame_open(feed, i, &frame);
        if (frame.head.parent != MT_SIGMA_ROUTE_NONE || frame.head.group_count == 0)
            continue;
        memcpy(&key, frame.groups.ptr, sizeof(key));
        ask(c, key);
    }
}

static void judge(struct mt_sigma_correlator *c, const struct mt_sigma_waiting *one,
                  const struct mt_sigma_feed *feed)
{
    if (c->drops_repeats && is_repeated(c, one)) {
        c->counts.repeated++;
        return;
    }
    end_windows(c, one->order);
    c->judged = one->order;
    struct mt_sigma_judging judging = {.correlator = c, .feed = feed, .order = one->order, .time = one->time};
    mt_sigma_feed_parents(&judging, MT_SIGMA_ROUTE_NONE);
}

/* The first of those that wait, before the limit; 0: there are none. */
static uint32_t judge_some(struct mt_sigma_correlator *c, uint64_t limit)
{
    const struct mt_sigma_waiting *ones[TOGETHER];
    struct mt_sigma_feed feeds[TOGETHER];
    uint32_t count = 0;
    while (count < TOGETHER && c->waiting_count > 0 && c->waiting[0].order < limit) {
        ones[count] = pop(c);
        for (uint32_t off = 0; off < FEED_AHEAD; off += MT_CACHE_LINE)
            __builtin_prefetch((const uint8_t *)ones[count] + off);
        count++;
    }
    for (uint32_t i = 0; i < count; i++) {
        mt_sigma_feed_open(mt_span(ones[i]->feed, ones[i]->size), &feeds[i]);
        ask_ahead(c, &feeds[i], mt_sigma_group_expect);
    }
    for (uint32_t i = 0; i < count; i++)
        ask_ahead(c, &feeds[i], mt_sigma_group_prefetch);
    for (uint32_t i = 0; i < count; i++) {
        judge(c, ones[i], &feeds[i]);
        bin_release(c, ones[i]->bin);
    }
    return count;
}

/* In a bin. */
static size_t room_of(size_t feed_size)
{
    return (sizeof(struct mt_sigma_waiting) + feed_size + 7) & ~(size_t)7;
}

static bool has_room(const struct mt_sigma_correlator *c, size_t feed_size)
{
    return (c->bin && room_of(feed_size) <= c->bin->cap - c->bin->used) ||
           c->bin_size + bin_cap(c) <= c->memory_max / 4;
}

void mt_sigma_feed_wait(struct mt_sigma_correlator *c, struct mt_span bytes, uint64_t order, uint64_t time,
                        uint32_t sequence)
{
    void *room = make_room(c) ? bin_take(c, room_of(bytes.size)) : NULL;
    if (!room)
        return;
    struct mt_sigma_waiting *one = room;
    uint8_t *copy = (uint8_t *)(one + 1);
    memcpy(copy, bytes.ptr, bytes.size);
    *one = (struct mt_sigma_waiting){.order = order,
                                     .time = time,
                                     .bin = c->bin,
                                     .feed = copy,
                                     .size = (uint32_t)bytes.size,
                                     .sequence = sequence};
    push(c, (struct mt_sigma_turn){.order = order, .one = one});
}

void mt_sigma_correlator_feed(struct mt_sigma_correlator *c, struct mt_span bytes)
{
    struct mt_sigma_feed_head head;
    memcpy(&head, bytes.ptr, sizeof(head));
    c->counts.feeds++;
    while (c->waiting_count > 0 && !has_room(c, bytes.size))
        c->counts.early += judge_some(c, UINT64_MAX);
    uint64_t back = head.completed > MT_SIGMA_REORDER ? head.completed - MT_SIGMA_REORDER : 0;
    uint64_t order = mt_max_u64(head.time, back);
    if (order < c->judged) {
        c->counts.late++;
        order = c->judged;
    }
    mt_sigma_feed_wait(c, bytes, order, head.time, head.sequence);
}

void mt_sigma_correlator_drop_repeats(struct mt_sigma_correlator *c)
{
    c->drops_repeats = true;
}

void mt_sigma_correlator_advance(struct mt_sigma_correlator *c, uint64_t time)
{
    const uint64_t behind = MT_SIGMA_REORDER + MT_SIGMA_SLACK;
    if (time < c->advanced + STRIDE || time <= behind)
        return;
    c->advanced = time;
    while (judge_some(c, time - behind) > 0)
        continue;
    if (c->timer_count > 0)
        end_windows(c, time - behind);
}

bool mt_sigma_correlator_has_work(const struct mt_sigma_correlator *c)
{
    return c->waiting_count > 0 || c->timer_count > 0;
}

void mt_sigma_correlator_finish(struct mt_sigma_correlator *c)
{
    while (judge_some(c, UINT64_MAX) > 0)
        continue;
    mt_sigma_groups_drop_silent(c);
    end_windows(c, UINT64_MAX);
}

/* --- setting up ----------------------------------------------------------------------------- */

int mt_sigma_correlator_create(const struct mt_sigma *sigma, size_t memory_max, mt_sigma_alarm_fn *alarm,
                               void *ctx, struct mt_sigma_correlator **ret_correlator)
{
    struct mt_sigma_correlator *c = calloc(1, sizeof(*c));
    if (!c)
        return -ENOMEM;
    if (getrandom(&c->bucket_seed, sizeof(c->bucket_seed), 0) != (ssize_t)sizeof(c->bucket_seed)) {
        free(c);
        return -EIO;
    }
    c->sigma = sigma;
    c->alarm = alarm;
    c->ctx = ctx;
    c->memory_max = memory_max ? memory_max : MT_SIGMA_CORRELATION_MEMORY;
    *ret_correlator = c;
    return 0;
}

void mt_sigma_correlator_destroy(struct mt_sigma_correlator *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; i < c->waiting_count; i++)
        bin_release(c, c->waiting[i].one->bin);
    if (c->bin)
        bin_free(c, c->bin);
    free(c->waiting);
    mt_sigma_groups_fini(c);
    free(c);
}

void mt_sigma_correlator_reload(struct mt_sigma_correlator *c, const struct mt_sigma *sigma)
{
    struct mt_sigma_group *older;
    for (struct mt_sigma_group *g = c->newest; g; g = older) {
        older = g->older;
        struct mt_sigma_loaded *of = mt_sigma_of_identity(sigma, g->of->correlation->identity);
        if (of)
            g->of = of;
        else
            mt_sigma_group_free(c, g);
    }
    c->sigma = sigma;
}

const struct mt_sigma_correlator_counts *mt_sigma_correlator_counts(const struct mt_sigma_correlator *c)
{
    return &c->counts;
}
