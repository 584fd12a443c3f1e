/* Datagrams that came as fragments to a worker whose connection is another's: a
 * device spreads fragments by addresses alone, because only the first has ports.
 *
 * Whoever has put such a datagram together and does not know its connection sends
 * a copy to every other worker; the one that knows it takes it. It was overtaken
 * by what that worker has had meanwhile, as on a wire that reorders. What nobody
 * knows is counted (packet.fragments_astray) and begins no session, since it may
 * be part of one whose worker has already left it behind. Nor is a worker's own
 * queue always further than the sender's: what nobody knows yet waits for
 * MT_STRAY_PATIENCE, the connection may be among the frames still to be polled.
 *
 * Ownership: copies pass to the worker that looks at them. Thread: any worker
 * sends; each looks into its own box. Limits: MT_STRAYS_MAX in a box, waiting ones
 * included; beyond, it is as if that worker did not know the connection.
 */
#ifndef MT_PIPELINE_STRAYS_PRIV_H
#define MT_PIPELINE_STRAYS_PRIV_H

#include "pipeline/worker_priv.h"

#define MT_STRAYS_MAX 64u
#define MT_STRAY_PATIENCE MT_SEC       /* of the worker's time */
#define MT_STRAY_PAUSE (MT_SEC / 1000) /* between two looks at those that wait */

struct mt_stray;

struct mt_stray_box {
    _Alignas(MT_CACHE_LINE) _Atomic(struct mt_stray *) first; /* the latest */
    _Atomic uint32_t count;
    struct mt_stray *waiting; /* the owner's alone, oldest first */
    uint64_t next_look;
};

struct mt_strays {
    uint32_t box_count;
    struct mt_stray_box boxes[]; /* one a worker */
};

struct mt_strays *mt_strays_create(uint32_t worker_count);
void mt_strays_destroy(struct mt_strays *strays);

void mt_strays_send(struct mt_strays *strays, uint32_t from, const struct mt_packet *packet,
                    struct mt_stats *stats);

/* The same of an answer about names, which every worker takes, as it comes; it may
 * be behind others by MT_STRAY_PAUSE. What finds no room is counted (dns.shed). */
void mt_strays_send_answer(struct mt_strays *strays, uint32_t from, const struct mt_dns_answer *answer,
                           struct mt_stats *stats);

/* Gives the worker what is its own. is_last: nothing more will come, so nothing
 * waits any longer. */
void mt_strays_look(struct mt_stray_box *box, struct mt_worker *worker, bool is_last);

/* For the owner. */
static inline bool mt_strays_has_any(const struct mt_stray_box *box)
{
    return box->waiting || atomic_load_explicit(&box->first, memory_order_relaxed);
}

#endif
