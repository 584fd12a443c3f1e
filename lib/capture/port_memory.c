/* How many packet buffers a run needs, and making them. */
#include "capture/ports_priv.h"

#include <errno.h>
#include <rte_errno.h>
#include <rte_mempool.h>
#include <stdio.h>

/* Buffers that a thread keeps for itself; the library lets it have half as many again. */
#define CACHE_SIZE 256u

/* Frames on their way to a worker: what the pipeline keeps at most (8192). With
 * more of them the driver would wait for buffers, and what comes meanwhile be
 * missed. */
#define KEPT_PER_WORKER 8192u

/* A pool's share that others may hold beyond a burst: 1 / HELD_SHARE. */
#define HELD_SHARE 8u

/* One buffer with what belongs to it, but for what spreads buffers over memory
 * channels, which is known only once the library runs. */
static size_t buffer_bytes(size_t room)
{
    uint32_t size = (uint32_t)(sizeof(struct rte_mbuf) + RTE_PKTMBUF_HEADROOM + room);
    return rte_mempool_calc_obj_size(size, RTE_MEMPOOL_F_NO_SPREAD, NULL);
}

/* A pool of count buffers: also its ring and what each piece of memory wastes. */
static size_t pool_bytes(uint32_t count, size_t room)
{
    size_t bytes = count * buffer_bytes(room);
    return bytes + bytes / 64 + (size_t)rte_align32pow2(count + 1) * sizeof(void *) + (64 << 10);
}

void mt_port_plan_compute(struct mt_port_plan *plan)
{
    plan->in_bursts = (plan->queues + plan->sources) * MT_BURST_MAX;
    plan->cached = (plan->sources + plan->workers + 1) * (CACHE_SIZE + CACHE_SIZE / 2);
    plan->kept = plan->sources == 1 && plan->workers > 1 ? plan->workers * KEPT_PER_WORKER : 0;
    uint32_t used = plan->queues * plan->descriptors + plan->in_bursts + plan->cached + plan->kept;
    plan->held = used / (HELD_SHARE - 1) + 1;
    plan->frames = used + plan->held;
    plan->frame_bytes = buffer_bytes(plan->buffer_size);
    plan->bytes =
        pool_bytes(plan->frames, plan->buffer_size) + pool_bytes(MT_PORT_JOIN_COUNT, MT_PORT_JOIN_SIZE);
    if (plan->needs_large)
        plan->bytes += pool_bytes(MT_PORT_LARGE_COUNT, MT_PORT_JOIN_SIZE);
}

static unsigned mib(size_t bytes)
{
    return (unsigned)((bytes + (1 << 20) - 1) >> 20);
}

void mt_port_plan_describe(const struct mt_port_plan *plan, char *ret_text, size_t text_size)
{
    snprintf(
        ret_text, text_size,
        "%u MiB of packet buffers: %u of %zu bytes (%u queue%s x %u descriptors + %u in bursts + %u cached "
        "by "
        "threads + %u on their way to workers + %u held for reassembly), %u of 64 KiB for frames in pieces%s",
        mib(plan->bytes), plan->frames, plan->frame_bytes, plan->queues, plan->queues == 1 ? "" : "s",
        plan->descriptors, plan->in_bursts, plan->cached, plan->kept, plan->held, MT_PORT_JOIN_COUNT,
        plan->needs_large ? " and 1023 for what the kernel merges" : "");
}

int mt_port_plan_check(const struct mt_port_plan *plan, size_t limit, size_t available, const char *kind,
                       char *ret_reason, size_t reason_size)
{
    char text[512];
    mt_port_plan_describe(plan, text, sizeof(text));
    if (limit > 0 && plan->bytes > limit) {
        snprintf(ret_reason, reason_size,
                 "%s do not fit into the %u MiB allowed for them; allow %u MiB, or use fewer descriptors "
                 "(now %u a queue) or workers",
                 text, mib(limit), mib(plan->bytes), plan->descriptors);
        return -ENOMEM;
    }
    if (available > 0 && plan->bytes > available) {
        snprintf(ret_reason, reason_size,
                 "%s do not fit into the %u MiB of %s that are free; free some, or use fewer descriptors "
                 "(now %u a queue) or workers",
                 text, mib(available), kind, plan->descriptors);
        return -ENOMEM;
    }
    return 0;
}

static int create_pool(struct mt_ports *ports, int which, const char *name, uint32_t count, size_t room,
                       uint32_t cache)
{
    struct mt_port_pool *pool = &ports->pools[which];
    int socket =
        ports->port_count > 0 && ports->port[0].numa_node >= 0 ? ports->port[0].numa_node : SOCKET_ID_ANY;
    pool->pool =
        rte_pktmbuf_pool_create(name, count, cache, 0, (uint16_t)(RTE_PKTMBUF_HEADROOM + room), socket);
    pool->held_max = count / HELD_SHARE;
    return pool->pool != NULL ? 0 : -rte_errno;
}

int mt_port_pools_create(struct mt_ports *ports, const struct mt_port_plan *plan, char *ret_reason,
                         size_t reason_size)
{
    int rc =
        create_pool(ports, MT_POOL_FRAMES, "mailtap_frames", plan->frames, plan->buffer_size, CACHE_SIZE);
    if (rc == 0)
        rc = create_pool(ports, MT_POOL_JOINED, "mailtap_joined", MT_PORT_JOIN_COUNT, MT_PORT_JOIN_SIZE, 0);
    if (rc == 0 && plan->needs_large)
        rc = create_pool(ports, MT_POOL_LARGE, "mailtap_large", MT_PORT_LARGE_COUNT, MT_PORT_JOIN_SIZE, 0);
    if (rc != 0) {
        char text[512];
        mt_port_plan_describe(plan, text, sizeof(text));
        snprintf(ret_reason, reason_size, "no room for %s: %s", text, rte_strerror(-rc));
    }
    return rc;
}

void mt_port_pools_destroy(struct mt_ports *ports)
{
    for (int i = 0; i < MT_POOL_COUNT; i++) {
        rte_mempool_free(ports->pools[i].pool);
        ports->pools[i].pool = NULL;
    }
}
