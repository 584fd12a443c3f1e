/* Polling: frames out of the queues, in the order of their times. */
#include "capture/ports_priv.h"

#include "base/check.h"
#include "packet/frame.h"

#include <errno.h>
#include <rte_ether.h>
#include <rte_pause.h>
#include <sys/prctl.h>
#include <time.h>

/* Empty polls before an adaptive source begins to pause: some 50 us of them when
 * frames come in whole bursts, and few when they come one by one, because then a
 * pause is what lets them gather. */
#define PATIENCE_MAX 512u
#define PATIENCE_MIN 4u
#define FILTERED_BURSTS_MAX 32
#define PAUSE_MIN 20000u  /* ns; the queue of a card of 100 Gbit/s fills in ten times that */
#define PAUSE_SLACK 1000u /* ns; the system's own 50 us would be most of a pause */
#define INTERRUPT_WAIT 20 /* ms; how late a stop may be noticed */

/* A time since the epoch in us is below this until the year 5138, one in ns
 * above it since 1973. Drivers of captured files say us or ns by version. */
#define MICROSECONDS_MAX UINT64_C(100000000000000000)

static struct mt_port_source *source_of(struct mt_capture *capture)
{
    return (struct mt_port_source *)capture;
}

/* --- time ------------------------------------------------------------------ */

static uint64_t stamp_of(const struct mt_port *port, const struct rte_mbuf *mbuf, uint64_t now)
{
    const struct mt_ports *ports = port->ports;
    if (MT_LIKELY(port->stamp == MT_PORT_STAMP_NONE) || (mbuf->ol_flags & ports->stamp_flag) == 0)
        return now;
    uint64_t stamp = *RTE_MBUF_DYNFIELD(mbuf, ports->stamp_field, const rte_mbuf_timestamp_t *);
    if (port->stamp == MT_PORT_STAMP_DEVICE)
        return mt_clock_read(&port->clock, stamp);
    return stamp < MICROSECONDS_MAX ? stamp * 1000 : stamp;
}

/* --- one queue --------------------------------------------------------------- */

static bool may_poll(struct mt_port_queue *queue, bool is_stopping)
{
    uint32_t state = atomic_load_explicit(&queue->state, memory_order_acquire);
    if (MT_UNLIKELY(state != MT_QUEUE_POLLED)) {
        if (state == MT_QUEUE_WANTED)
            atomic_store_explicit(&queue->state, MT_QUEUE_IDLE, memory_order_release);
        queue->is_drained = is_stopping;
        return false;
    }
    return !queue->is_drained;
}

/* Frames are counted when they leave here, so that what waits to be merged is
 * nobody's yet. */
static void count_frames(struct mt_port_queue *queue, struct rte_mbuf *const *mbufs, uint32_t count)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += rte_pktmbuf_pkt_len(mbufs[i]);
    /* one writer: no need for atomic additions */
    uint64_t frames = atomic_load_explicit(&queue->frames, memory_order_relaxed) + count;
    bytes += atomic_load_explicit(&queue->bytes, memory_order_relaxed);
    atomic_store_explicit(&queue->frames, frames, memory_order_relaxed);
    atomic_store_explicit(&queue->bytes, bytes, memory_order_relaxed);
}

/* The queue's next frames and their times. */
static uint32_t poll_queue(struct mt_port_queue *queue, struct rte_mbuf **ret_mbufs, uint64_t *ret_times,
                           uint32_t count_max, bool is_stopping)
{
    const struct mt_port *port = queue->port;
    if (MT_UNLIKELY(!may_poll(queue, is_stopping)))
        return 0;
    uint32_t count = rte_eth_rx_burst(port->id, queue->id, ret_mbufs, (uint16_t)count_max);
    if (MT_UNLIKELY(is_stopping)) {
        queue->drain_left -= (uint32_t)mt_min_u64(queue->drain_left, count);
        queue->is_drained = count == 0 || queue->drain_left == 0;
    }
    if (count == 0)
        return 0;
    for (uint32_t i = 0; i < count; i++)
        rte_prefetch0(rte_pktmbuf_mtod(ret_mbufs[i], void *));
    uint64_t now = mt_port_now(port->ports);
    for (uint32_t i = 0; i < count; i++)
        ret_times[i] = stamp_of(port, ret_mbufs[i], now);
    return count;
}

/* --- several queues ------------------------------------------------------------ */

/* Queues whose pending frames are all handed out are asked for more. */
static void refill(struct mt_port_source *source, bool is_stopping)
{
    for (uint32_t i = 0; i < source->queue_count; i++) {
        struct mt_port_queue *queue = source->queues[i];
        if (queue->at < queue->count)
            continue;
        queue->at = 0;
        queue->count = poll_queue(queue, queue->pending, queue->time, MT_BURST_MAX, is_stopping);
    }
}

static struct mt_port_queue *earliest(struct mt_port_source *source)
{
    struct mt_port_queue *best = NULL;
    uint32_t at = source->turn;
    for (uint32_t i = 0; i < source->queue_count; i++) {
        struct mt_port_queue *queue = source->queues[at];
        at = at + 1 < source->queue_count ? at + 1 : 0;
        if (queue->at < queue->count && (best == NULL || queue->time[queue->at] < best->time[best->at]))
            best = queue;
    }
    return best;
}

/* Merges by time: what comes first goes first, whichever port it came on, and a
 * busy port cannot keep a quiet one waiting. A queue that has run empty in this
 * burst is asked again in the next, and until then others do not overtake it by
 * more than what they had pending. */
static uint32_t gather(struct mt_port_source *source, uint64_t *ret_times, uint32_t count_max,
                       bool is_stopping)
{
    uint32_t count = 0;
    refill(source, is_stopping);
    while (count < count_max) {
        struct mt_port_queue *queue = earliest(source);
        if (queue == NULL)
            break;
        source->burst[count] = queue->pending[queue->at];
        count_frames(queue, &source->burst[count], 1);
        ret_times[count++] = queue->time[queue->at++];
        if (queue->at == queue->count && count < count_max) {
            /* its next frame may be earlier than what the others have */
            queue->at = 0;
            queue->count = poll_queue(queue, queue->pending, queue->time, MT_BURST_MAX, is_stopping);
        }
    }
    source->turn = source->turn + 1 < source->queue_count ? source->turn + 1 : 0;
    return count;
}

static bool is_drained(const struct mt_port_source *source)
{
    for (uint32_t i = 0; i < source->queue_count; i++) {
        const struct mt_port_queue *queue = source->queues[i];
        if (!queue->is_drained || queue->at < queue->count)
            return false;
    }
    return true;
}

/* --- frames ----------------------------------------------------------------- */

/* One buffer with all bytes; NULL when there is none that is large enough. */
static struct rte_mbuf *join(const struct mt_ports *ports, struct rte_mbuf *chain)
{
    uint32_t size = rte_pktmbuf_pkt_len(chain);
    struct rte_mbuf *joined = NULL;
    if (size <= MT_PORT_JOIN_SIZE)
        joined = rte_pktmbuf_alloc(ports->pools[MT_POOL_JOINED].pool);
    if (joined != NULL) {
        uint8_t *to = rte_pktmbuf_mtod(joined, uint8_t *);
        uint32_t used = 0;
        for (const struct rte_mbuf *part = chain; part != NULL; part = part->next) {
            uint32_t room = (uint32_t)mt_min_u64(rte_pktmbuf_data_len(part), MT_PORT_JOIN_SIZE - used);
            memcpy(to + used, rte_pktmbuf_mtod(part, const uint8_t *), room);
            used += room;
        }
        rte_pktmbuf_data_len(joined) = (uint16_t)used;
        rte_pktmbuf_pkt_len(joined) = used;
        joined->port = chain->port;
    }
    rte_pktmbuf_free(chain);
    return joined;
}

static void fill_frame(struct rte_mbuf *mbuf, uint64_t time, struct mt_frame *frame)
{
    enum { LINKTYPE_ETHERNET = 1 };
    uint32_t size = rte_pktmbuf_data_len(mbuf);
    *frame = (struct mt_frame){
        .data = rte_pktmbuf_mtod(mbuf, const uint8_t *),
        .size = size,
        .wire_size = size,
        .mark = {.time = time},
        .link = MT_LINK_ETHERNET,
        .link_type = LINKTYPE_ETHERNET,
        .handle = mbuf,
    };
}

/* Time does not run backwards, and no two frames of a source have one number. */
static void number_frame(struct mt_port_source *source, struct mt_mark *mark)
{
    if (MT_UNLIKELY(mark->time < source->last_time)) {
        mt_stats_add(&source->stats, MT_COUNTER_TIME_BACKWARDS, 1);
        mark->time = source->last_time;
    }
    source->last_time = mark->time;
    source->last_number = mt_max_u64(source->last_number + 1, mark->time);
    mark->number = source->last_number;
}

/* Some drivers take VLAN tags out although nobody asked for it. */
static void put_tag_back(struct rte_mbuf **mbuf)
{
    if (rte_vlan_insert(mbuf) == 0)
        (*mbuf)->ol_flags &= ~RTE_MBUF_F_RX_VLAN_STRIPPED;
}

/* Turns the count mbufs of source->burst into frames, in place: those that are
 * too large or filtered are given back. */
static uint32_t accept_frames(struct mt_port_source *source, struct mt_frame *ret_frames, uint64_t *times,
                              uint32_t count)
{
    struct rte_mbuf *refused[MT_BURST_MAX];
    uint32_t refused_count = 0;
    uint32_t kept = 0;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct rte_mbuf *mbuf = source->burst[i];
        bytes += rte_pktmbuf_pkt_len(mbuf);
        if (MT_UNLIKELY(mbuf->ol_flags & RTE_MBUF_F_RX_VLAN_STRIPPED))
            put_tag_back(&mbuf);
        if (MT_UNLIKELY(mbuf->nb_segs > 1)) {
            mbuf = join(source->ports, mbuf);
            if (mbuf == NULL) {
                mt_stats_add(&source->stats, MT_COUNTER_PORT_TOO_LARGE, 1);
                continue;
            }
        }
        fill_frame(mbuf, times[i], &ret_frames[kept]);
        if (source->filter != NULL && !mt_capture_filter_match(source->filter, &ret_frames[kept])) {
            refused[refused_count++] = mbuf;
            continue;
        }
        number_frame(source, &ret_frames[kept].mark);
        source->burst[kept++] = mbuf;
    }
    if (MT_UNLIKELY(refused_count > 0)) {
        rte_pktmbuf_free_bulk(refused, refused_count);
        mt_stats_add(&source->stats, MT_COUNTER_FILTERED, refused_count);
    }
    mt_stats_add(&source->stats, MT_COUNTER_FRAMES, count);
    mt_stats_add(&source->stats, MT_COUNTER_BYTES, bytes);
    return kept;
}

/* --- operations -------------------------------------------------------------- */

static uint32_t take(struct mt_port_source *source, uint64_t *ret_times, uint32_t count_max, bool is_stopping)
{
    /* the usual case needs no merging */
    if (MT_LIKELY(source->queue_count == 1)) {
        uint32_t count = poll_queue(source->queues[0], source->burst, ret_times, count_max, is_stopping);
        count_frames(source->queues[0], source->burst, count);
        return count;
    }
    return gather(source, ret_times, count_max, is_stopping);
}

static void judge_load(struct mt_port_source *source, uint32_t count)
{
    uint32_t less = source->patience - source->patience / 4;
    source->patience = count == MT_BURST_MAX ? PATIENCE_MAX : (uint32_t)mt_max_u64(less, PATIENCE_MIN);
}

static size_t source_burst(struct mt_capture *capture, struct mt_frame *ret_frames, size_t count_max,
                           bool *ret_end)
{
    struct mt_port_source *source = source_of(capture);
    uint64_t times[MT_BURST_MAX];
    uint32_t most = (uint32_t)mt_min_u64(count_max, MT_BURST_MAX);
    MT_CHECK_HOT(source->burst_count == 0);
    bool is_stopping = atomic_load_explicit(&source->ports->is_stopping, memory_order_relaxed);
    *ret_end = false;
    /* bursts that are filtered whole are no reason to look idle, nor to stay for long */
    for (int i = 0; i < FILTERED_BURSTS_MAX; i++) {
        uint32_t count = take(source, times, most, is_stopping);
        if (count == 0) {
            *ret_end = is_stopping && is_drained(source);
            return 0;
        }
        judge_load(source, count);
        source->burst_count = accept_frames(source, ret_frames, times, count);
        if (MT_LIKELY(source->burst_count > 0))
            return source->burst_count;
    }
    return 0;
}

static void source_release(struct mt_capture *capture)
{
    struct mt_port_source *source = source_of(capture);
    if (source->burst_count > 0)
        rte_pktmbuf_free_bulk(source->burst, source->burst_count);
    source->burst_count = 0;
}

static void source_keep(struct mt_capture *capture)
{
    source_of(capture)->burst_count = 0;
}

static void source_give_back(struct mt_capture *capture, void *const *handles, size_t count)
{
    (void)capture;
    struct rte_mbuf *mbufs[MT_BURST_MAX];
    while (count > 0) {
        size_t some = mt_min_u64(count, MT_BURST_MAX);
        memcpy(mbufs, handles, some * sizeof(*handles));
        rte_pktmbuf_free_bulk(mbufs, (unsigned)some);
        handles += some;
        count -= some;
    }
}

static void source_close(struct mt_capture *capture)
{
    source_release(capture); /* the rest is the ports' */
}

static void source_attach(struct mt_capture *capture, int role, unsigned index)
{
    struct mt_port_source *source = source_of(capture);
    mt_cores_pin(&source->ports->cores, (enum mt_thread_role)role, index);
    /* gives the thread its cache of buffers; without one it only is slower */
    if (rte_lcore_id() == LCORE_ID_ANY)
        (void)rte_thread_register();
    if (source->ports->poll == MT_POLL_ADAPTIVE)
        (void)prctl(PR_SET_TIMERSLACK, PAUSE_SLACK, 0, 0, 0);
}

static void source_detach(struct mt_capture *capture)
{
    (void)capture;
    if (rte_lcore_id() != LCORE_ID_ANY && rte_eal_lcore_role(rte_lcore_id()) == ROLE_NON_EAL)
        rte_thread_unregister();
}

/* What bears a time of its own may have waited, but not for so long. */
#define STAMP_LAG MT_SEC

static uint64_t source_now(struct mt_capture *capture)
{
    struct mt_port_source *source = source_of(capture);
    uint64_t lag = 0;
    for (uint32_t i = 0; i < source->queue_count; i++) {
        const struct mt_port *port = source->queues[i]->port;
        if (port->stamp == MT_PORT_STAMP_FILE)
            return source->last_time;
        lag = port->stamp != MT_PORT_STAMP_NONE ? STAMP_LAG : lag;
    }
    uint64_t now = mt_port_now(source->ports) - lag;
    source->last_time = mt_max_u64(source->last_time, now);
    source->last_number = mt_max_u64(source->last_number, source->last_time - 1);
    return source->last_time;
}

/* --- idling ------------------------------------------------------------------- */

static bool can_interrupt(const struct mt_port_source *source)
{
    for (uint32_t i = 0; i < source->queue_count; i++) {
        if (!source->queues[i]->port->has_interrupts || source->queues[i]->is_deaf)
            return false;
    }
    return true;
}

/* Drivers take the wish for interrupts although they have none (net_memif): only
 * what they say here counts. */
static void arm(struct mt_port_queue *queue)
{
    uint16_t port = queue->port->id;
    int rc = rte_eth_dev_rx_intr_ctl_q(port, queue->id, RTE_EPOLL_PER_THREAD, RTE_INTR_EVENT_ADD, NULL);
    if (rc == 0 || rc == -EEXIST)
        rc = rte_eth_dev_rx_intr_enable(port, queue->id);
    queue->is_deaf = rc != 0;
}

/* Sleeps until a queue has something. Frames that came between the last poll and
 * the interrupt's being enabled are looked for, or they would wait. */
static void wait_for_interrupt(struct mt_port_source *source)
{
    struct rte_epoll_event events[MT_BURST_MAX];
    bool is_empty = true;
    for (uint32_t i = 0; i < source->queue_count; i++) {
        struct mt_port_queue *queue = source->queues[i];
        if (atomic_load_explicit(&queue->state, memory_order_acquire) != MT_QUEUE_POLLED)
            continue;
        arm(queue);
        is_empty &= !queue->is_deaf && rte_eth_rx_queue_count(queue->port->id, queue->id) <= 0;
    }
    if (is_empty)
        (void)rte_epoll_wait(RTE_EPOLL_PER_THREAD, events, MT_BURST_MAX, INTERRUPT_WAIT);
    for (uint32_t i = 0; i < source->queue_count; i++) {
        const struct mt_port_queue *queue = source->queues[i];
        if (atomic_load_explicit(&queue->state, memory_order_acquire) == MT_QUEUE_POLLED)
            (void)rte_eth_dev_rx_intr_disable(queue->port->id, queue->id);
    }
}

static void source_idle(struct mt_capture *capture, uint32_t empty_polls)
{
    struct mt_port_source *source = source_of(capture);
    const struct mt_ports *ports = source->ports;
    bool is_stopping = atomic_load_explicit(&ports->is_stopping, memory_order_relaxed);
    if (ports->poll == MT_POLL_BUSY || empty_polls < source->patience || is_stopping) {
        rte_pause();
        return;
    }
    if (empty_polls >= PATIENCE_MAX && can_interrupt(source)) {
        wait_for_interrupt(source);
        return;
    }
    /* twice as long after every 32 empty polls, once nothing has come for long */
    uint64_t longer = empty_polls > PATIENCE_MAX ? (empty_polls - PATIENCE_MAX) / 32 : 0;
    uint64_t pause = mt_min_u64((uint64_t)PAUSE_MIN << mt_min_u64(longer, 20), ports->pause_max);
    const struct timespec rest = {.tv_nsec = (long)pause};
    nanosleep(&rest, NULL);
}

static const struct mt_capture_ops source_ops = {
    .burst = source_burst,
    .release = source_release,
    .close = source_close,
    .attach = source_attach,
    .detach = source_detach,
    .keep = source_keep,
    .give_back = source_give_back,
    .idle = source_idle,
    .now = source_now,
};

void mt_port_source_init(struct mt_port_source *source, struct mt_ports *ports)
{
    source->ports = ports;
    source->capture.ops = &source_ops;
    source->capture.stats = &source->stats;
    source->capture.is_live = true;
    source->capture.hold = &ports->hold;
    source->patience = PATIENCE_MAX;
}

/* --- holding -------------------------------------------------------------------- */

static struct mt_port_pool *pool_of(struct mt_ports *ports, const struct rte_mbuf *mbuf)
{
    for (int i = 0; i < MT_POOL_COUNT - 1; i++) {
        if (MT_LIKELY(mbuf->pool == ports->pools[i].pool))
            return &ports->pools[i];
    }
    return &ports->pools[MT_POOL_COUNT - 1];
}

static bool hold(void *ctx, void *handle)
{
    struct rte_mbuf *mbuf = handle;
    struct mt_port_pool *pool = pool_of(ctx, mbuf);
    if (atomic_fetch_add_explicit(&pool->held, 1, memory_order_relaxed) >= pool->held_max) {
        atomic_fetch_sub_explicit(&pool->held, 1, memory_order_relaxed);
        return false;
    }
    rte_mbuf_refcnt_update(mbuf, 1);
    return true;
}

static void drop(void *ctx, void *handle)
{
    struct rte_mbuf *mbuf = handle;
    struct mt_port_pool *pool = pool_of(ctx, mbuf);
    atomic_fetch_sub_explicit(&pool->held, 1, memory_order_relaxed);
    rte_pktmbuf_free(mbuf);
}

void mt_port_hold_init(struct mt_ports *ports)
{
    ports->hold = (struct mt_frame_hold){.hold = hold, .drop = drop, .ctx = ports};
}
