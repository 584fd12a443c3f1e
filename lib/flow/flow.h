/* Tuple to the slot of a connection: one worker's bounded table with a keyed
 * hash, an embryo table for SYNs, and a lazy timing wheel.
 *
 * The hot line of a connection is 64 bytes. The caller looks up in stages over
 * a burst: key and hash of all, prefetch of all buckets, prefetch of all
 * lines, then one by one. Both directions of a connection have one key.
 *
 * Ownership: the table owns the lines; a flow pointer lives until remove or
 * evict. Thread: one. Limits: flows_max; embryos_max; at most
 * MT_FLOW_EXPIRE_MAX flows handed out per expire call.
 */
#ifndef MT_FLOW_FLOW_H
#define MT_FLOW_FLOW_H

#include "base/hash.h"
#include "base/mark.h"
#include "stats/stats.h"

/* 16 bytes: an IPv4 tuple as it is, a keyed 128-bit digest of an IPv6 tuple. */
struct mt_flow_key {
    uint64_t word[2];
};

#define MT_FLOW_USER_SIZE 24
#define MT_FLOW_EXPIRE_MAX 64

struct mt_flow {
    struct mt_flow_key key;
    void *owner;                                 /* the caller's; NULL in a new flow */
    uint32_t last_seen;                          /* ticks of 2^20 ns since that of the table's first packet */
    uint32_t wheel_next;                         /* link in the wheel slot */
    uint16_t flags;                              /* the caller's */
    uint16_t packets[2];                         /* the caller's: packets before an owner exists */
    uint16_t timeout;                            /* ticks of 2^30 ns (about a second) */
    _Alignas(8) uint8_t user[MT_FLOW_USER_SIZE]; /* the caller's: reassembly state */
};
MT_STATIC_ASSERT(sizeof(struct mt_flow) == MT_CACHE_LINE, "a flow's hot state is one cache line");

struct mt_flow_table;

struct mt_flow_config {
    uint32_t flows_max;   /* 0: 1 Mi */
    uint32_t embryos_max; /* 0: 128 Ki; rounded up to a power of two, at least 8 */
    uint64_t seed;        /* for the hash; 0: from the kernel */
    bool is_long_lived;   /* full size and large pages at once (memory/pages.h), and no growing */
};

int mt_flow_table_create(const struct mt_flow_config *config, struct mt_stats *stats,
                         struct mt_flow_table **ret_table);
void mt_flow_table_destroy(struct mt_flow_table *table);

/* Key and hash of a tuple; ret_swapped says that src is the key's second end,
 * so that a caller can tell directions apart by one bit. */
uint64_t mt_flow_key_of(const struct mt_flow_table *table, const struct mt_tuple *tuple,
                        struct mt_flow_key *ret_key, bool *ret_swapped);

/* A look-up over a burst in three steps, so that no step waits for memory: prefetch
 * of all buckets; guess of all, which prefetches lines; settle of all. What settle
 * returns is what find returns, as long as no flow was added since the guess (how
 * many ever were: added) and this one was not removed: the caller who keeps it looks
 * at its key. */
void mt_flow_prefetch_bucket(const struct mt_flow_table *table, uint64_t hash);
struct mt_flow *mt_flow_guess(const struct mt_flow_table *table, uint64_t hash);
struct mt_flow *mt_flow_settle(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash,
                               struct mt_flow *guess);
uint32_t mt_flow_added(const struct mt_flow_table *table);

/* NULL when unknown. A flow whose timeout has passed by now is returned all
 * the same: the caller asks mt_flow_is_expired and ends it first, so that what
 * a packet does never depends on when the wheel turned. */
struct mt_flow *mt_flow_find(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash);

/* A new, zeroed flow with key set, in the wheel; NULL when the table is full
 * (or, once in a very long while before, its neighbourhood is). The key must
 * not be in the table. Counting flows is the caller's: only he knows why they
 * begin and end. */
struct mt_flow *mt_flow_add(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash,
                            uint64_t now, uint32_t timeout_seconds);

/* Of some flows in the neighbourhood of hash (a bounded sample) the one that is
 * closest to its timeout, which with equal timeouts is the least recently seen:
 * the one to give up when the table is full. NULL when there is none near. */
struct mt_flow *mt_flow_victim(struct mt_flow_table *table, uint64_t hash, uint64_t now);

/* The line stays readable (its key is then of no tuple, or of the flow that
 * took the line next), so that a caller may check a pointer it kept over a
 * burst by its key. */
void mt_flow_remove(struct mt_flow_table *table, struct mt_flow *flow);

/* Seen at now; the wheel is touched only when the timeout becomes shorter. */
void mt_flow_touch(struct mt_flow_table *table, struct mt_flow *flow, uint64_t now, uint32_t timeout_seconds);
bool mt_flow_is_expired(const struct mt_flow_table *table, const struct mt_flow *flow, uint64_t now);

/* Turns the wheel to now and hands out flows whose timeout has passed, at most
 * MT_FLOW_EXPIRE_MAX; they stay in the table until the caller removes them.
 * Call again while it returns the maximum. Bounded work per call: the caller
 * calls it once a burst. */
size_t mt_flow_expire(struct mt_flow_table *table, uint64_t now, struct mt_flow **ret_flows);

/* Walks all flows, in no particular order: for the end of a run. *cursor
 * starts at 0; NULL at the end. Removing the returned flow is allowed. */
struct mt_flow *mt_flow_next(struct mt_flow_table *table, size_t *cursor);

size_t mt_flow_count(const struct mt_flow_table *table);

/* --- embryos: SYNs without a flow ------------------------------------------
 * A SYN costs one slot of a fixed table, never a flow, so a flood
 * can't evict a session. */

struct mt_embryo {
    uint64_t fingerprint; /* 0: free; the table's, as is nothing else here */
    uint64_t time;        /* of the first packet, ns */
    uint64_t number;      /* its frame */
    uint32_t isn[2];      /* of client and server; the caller's, as all that follows */
    uint32_t bytes[2];    /* on the wire */
    uint16_t packets[2];
    uint16_t vlan;
    uint8_t swapped; /* the client is the key's second end */
    uint8_t flags;
};
MT_STATIC_ASSERT(sizeof(struct mt_embryo) == 48,
                 "a full table of 128 Ki embryos is 6 MiB, and 0.5 MiB of tags");

/* The embryo of this key, made when absent (ret_new true): zeroed but for
 * fingerprint and time. An expired one (5 s after .time) counts as absent, and
 * in EMBRYOS_EXPIRED once its slot is looked at again. Never fails: the oldest
 * (by 17 ms) of eight gives way, one that was answered only when all were; counted
 * in EMBRYOS_EVICTED. */
struct mt_embryo *mt_embryo_add(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash,
                                uint64_t now, bool *ret_new);
struct mt_embryo *mt_embryo_find(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash,
                                 uint64_t now);
/* The server has answered it: others give way first. */
void mt_embryo_answered(struct mt_flow_table *table, const struct mt_embryo *embryo);
void mt_embryo_remove(struct mt_flow_table *table, struct mt_embryo *embryo);

/* For a packet without a flow, ahead of the functions above. */
void mt_embryo_prefetch(struct mt_flow_table *table, uint64_t hash);

/* A little later, for a SYN: the slot that it will probably take. */
void mt_embryo_prefetch_slot(struct mt_flow_table *table, uint64_t hash, uint64_t now);

#endif
