#include "pipeline/strays_priv.h"

#include "pipeline/whole_priv.h"

#include <stdlib.h>

/* Of all copies of a datagram: the last one to be looked at tells whether any was
 * taken. */
struct ballot {
    _Atomic uint32_t open;
    _Atomic bool is_taken;
};

struct mt_stray {
    struct mt_stray *next;
    struct mt_whole *whole;
    struct mt_dns_answer *answer; /* instead */
    struct ballot *ballot;
    uint64_t until; /* the worker's time */
};

struct mt_strays *mt_strays_create(uint32_t worker_count)
{
    size_t size = sizeof(struct mt_strays) + worker_count * sizeof(struct mt_stray_box);
    struct mt_strays *strays = aligned_alloc(MT_CACHE_LINE, size);
    if (!strays)
        return NULL;
    memset(strays, 0, size);
    strays->box_count = worker_count;
    return strays;
}

static void stray_free(struct mt_stray *stray)
{
    if (stray) {
        free(stray->whole);
        free(stray->answer);
    }
    free(stray);
}

static void ballot_close(struct ballot *ballot, struct mt_stats *stats)
{
    if (atomic_fetch_sub_explicit(&ballot->open, 1, memory_order_acq_rel) != 1)
        return;
    if (stats && !atomic_load_explicit(&ballot->is_taken, memory_order_relaxed))
        mt_stats_add(stats, MT_COUNTER_FRAGMENTS_ASTRAY, 1);
    free(ballot);
}

static void strays_drop(struct mt_stray *stray)
{
    while (stray) {
        struct mt_stray *next = stray->next;
        if (stray->ballot)
            ballot_close(stray->ballot, NULL);
        stray_free(stray);
        stray = next;
    }
}

void mt_strays_destroy(struct mt_strays *strays)
{
    for (uint32_t i = 0; strays && i < strays->box_count; i++) {
        strays_drop(atomic_load(&strays->boxes[i].first));
        strays_drop(strays->boxes[i].waiting);
    }
    free(strays);
}

static bool has_room(struct mt_stray_box *box)
{
    return atomic_load_explicit(&box->count, memory_order_relaxed) < MT_STRAYS_MAX;
}

static void box_push(struct mt_stray_box *box, struct mt_stray *stray)
{
    atomic_fetch_add_explicit(&box->count, 1, memory_order_relaxed);
    stray->next = atomic_load_explicit(&box->first, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&box->first, &stray->next, stray, memory_order_release,
                                                  memory_order_relaxed)) {
    }
}

static bool box_put(struct mt_stray_box *box, const struct mt_packet *packet, struct ballot *ballot)
{
    struct mt_stray *stray = has_room(box) ? calloc(1, sizeof(*stray)) : NULL;
    if (!stray)
        return false;
    stray->ballot = ballot;
    stray->whole = mt_whole_make(packet);
    if (!stray->whole) {
        stray_free(stray);
        return false;
    }
    atomic_fetch_add_explicit(&ballot->open, 1, memory_order_relaxed);
    box_push(box, stray);
    return true;
}

static bool box_put_answer(struct mt_stray_box *box, const struct mt_dns_answer *answer)
{
    struct mt_stray *stray = has_room(box) ? calloc(1, sizeof(*stray)) : NULL;
    if (!stray)
        return false;
    size_t size = mt_dns_answer_size(answer);
    stray->answer = malloc(size);
    if (!stray->answer) {
        stray_free(stray);
        return false;
    }
    memcpy(stray->answer, answer, size);
    box_push(box, stray);
    return true;
}

void mt_strays_send_answer(struct mt_strays *strays, uint32_t from, const struct mt_dns_answer *answer,
                           struct mt_stats *stats)
{
    for (uint32_t i = 0; i < strays->box_count; i++) {
        if (i != from && !box_put_answer(&strays->boxes[i], answer))
            mt_stats_add(stats, MT_COUNTER_DNS_SHED, 1);
    }
}

void mt_strays_send(struct mt_strays *strays, uint32_t from, const struct mt_packet *packet,
                    struct mt_stats *stats)
{
    struct ballot *ballot = calloc(1, sizeof(*ballot));
    if (!ballot) {
        mt_stats_add(stats, MT_COUNTER_FRAGMENTS_ASTRAY, 1);
        return;
    }
    atomic_store_explicit(&ballot->open, 1, memory_order_relaxed); /* ours, until all are sent */
    for (uint32_t i = 0; i < strays->box_count; i++) {
        if (i != from)
            (void)box_put(&strays->boxes[i], packet, ballot);
    }
    ballot_close(ballot, stats);
}

/* The box's owner has come further meanwhile, and its time never runs backwards. */
static void stray_take(struct mt_worker *worker, struct mt_packet *packet)
{
    packet->mark.time = mt_max_u64(packet->mark.time, worker->now.time);
    packet->mark.number = mt_max_u64(packet->mark.number, worker->now.number);
    mt_worker_burst(worker, packet, 1, packet->mark.time);
}

/* What has come since the last look, behind what waits. */
static void box_empty(struct mt_stray_box *box, uint64_t now)
{
    struct mt_stray *stray = atomic_exchange_explicit(&box->first, NULL, memory_order_acquire);
    struct mt_stray *oldest = NULL;
    while (stray) {
        struct mt_stray *next = stray->next;
        stray->until = now + MT_STRAY_PATIENCE;
        stray->next = oldest;
        oldest = stray;
        stray = next;
    }
    struct mt_stray **last = &box->waiting;
    while (*last)
        last = &(*last)->next;
    *last = oldest;
}

void mt_strays_look(struct mt_stray_box *box, struct mt_worker *worker, bool is_last)
{
    uint64_t now = worker->now.time;
    if (now < box->next_look && !is_last)
        return;
    box->next_look = now + MT_STRAY_PAUSE;
    box_empty(box, now);
    struct mt_stray **link = &box->waiting;
    while (*link) {
        struct mt_stray *stray = *link;
        if (stray->answer) {
            *link = stray->next;
            atomic_fetch_sub_explicit(&box->count, 1, memory_order_relaxed);
            mt_worker_answer(worker, stray->answer);
            stray_free(stray);
            continue;
        }
        bool is_known = mt_worker_knows(worker, &stray->whole->packet.tuple);
        if (!is_known && now < stray->until && !is_last) {
            link = &stray->next;
            continue;
        }
        *link = stray->next;
        atomic_fetch_sub_explicit(&box->count, 1, memory_order_relaxed);
        if (is_known) {
            atomic_store_explicit(&stray->ballot->is_taken, true, memory_order_relaxed);
            stray_take(worker, &stray->whole->packet);
        }
        ballot_close(stray->ballot, &worker->stats);
        stray_free(stray);
    }
}
