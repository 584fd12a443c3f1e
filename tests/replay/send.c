#include "send.h"

#include "base/endian.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_pause.h>

#define BURST 32u
/* Behind its schedule by more, the sender does not catch up: a burst that makes
 * good for its own delay would be a rate that nobody asked for. */
#define LAG_MAX_US 200u
/* A nap may take that much longer than it should. */
#define NAP_SLACK_US UINT64_C(100)
/* Up to that rate frames go one by one, so that those of several queues and ports
 * keep their order; above it in bursts as long as this takes for one. */
#define SINGLE_RATE 100000.0
#define SYN_SIZE 60u
#define STRANGERS 0x64000000u /* 100.0.0.0 */

/* One queue. net_memif copies a frame when it is sent and gives the buffer back;
 * a buffer with two users is not really given back, so the same few point at one
 * frame after the other. */
struct lane {
    struct rte_mbuf *bufs[BURST];
    uint8_t syns[BURST][SYN_SIZE];
    bool is_syn[BURST];
    uint16_t count;
    uint16_t port, queue;
};

struct mt_send {
    struct mt_send_config config;
    uint32_t port_count, lane_count;
    struct rte_mempool *pool;
    struct lane lanes[MT_SEND_LANES_MAX];
    const atomic_bool *stop;
    struct mt_send_result result;
    uint64_t start, hz;
    uint64_t due; /* TSC of the next burst, by rate */
    double cycles_per_frame;
    uint64_t staged; /* frames since the last flush */
    uint64_t burst;  /* as many are flushed together */
    uint64_t flood_number;
    uint8_t syn[SYN_SIZE];
    bool is_over;
};

static int start_library(const struct mt_send_config *config)
{
    char words[256];
    char *argv[16];
    char *rest = words;
    int argc = 0;
    int size = snprintf(
        words, sizeof(words),
        "replay --no-huge -m 64 --no-pci --no-telemetry --log-level=3 --file-prefix=mailtap-replay-%d",
        (int)getpid());
    if (config->core)
        snprintf(words + size, sizeof(words) - (size_t)size, " --lcores=0@%s", config->core);
    else /* the library would keep to the first processor, whoever else is there */
        snprintf(words + size, sizeof(words) - (size_t)size, " --lcores=0@(0-%ld)",
                 sysconf(_SC_NPROCESSORS_ONLN) - 1);
    while (argc < 15 && (argv[argc] = strsep(&rest, " ")))
        argc++;
    argv[argc] = NULL;
    return rte_eal_init(argc, argv) < 0 ? -EIO : 0;
}

static int start_port(struct mt_send *send, uint32_t index)
{
    struct rte_eth_conf conf = {.txmode = {.mq_mode = RTE_ETH_MQ_TX_NONE}};
    char args[256], name[32];
    uint16_t port;
    snprintf(name, sizeof(name), "net_memif%u", index);
    snprintf(args, sizeof(args), "id=%u,role=%s,socket=%s,socket-abstract=no,bsize=%u,rsize=%u", index,
             send->config.role, send->config.socket, MT_TRACE_FRAME_MAX, send->config.ring_log2);
    int rc = rte_eal_hotplug_add("vdev", name, args);
    if (rc == 0)
        rc = rte_eth_dev_get_port_by_name(name, &port);
    if (rc == 0)
        rc = rte_eth_dev_configure(port, 1, (uint16_t)send->config.queues, &conf);
    if (rc == 0)
        rc = rte_eth_rx_queue_setup(port, 0, 512, SOCKET_ID_ANY, NULL, send->pool);
    for (uint16_t queue = 0; rc == 0 && queue < send->config.queues; queue++) {
        rc = rte_eth_tx_queue_setup(port, queue, 512, SOCKET_ID_ANY, NULL);
        send->lanes[send->lane_count++] = (struct lane){.port = port, .queue = queue};
    }
    if (rc == 0)
        rc = rte_eth_dev_start(port);
    /* A client that finds no server is not started; wait_for_peer tries again. */
    return strcmp(send->config.role, "client") == 0 && rc == -1 ? 0 : rc;
}

static bool is_up(uint16_t port)
{
    struct rte_eth_link link;
    return rte_eth_link_get_nowait(port, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

bool mt_send_is_connected(const struct mt_send *send)
{
    for (uint32_t i = 0; i < send->lane_count; i++)
        if (!is_up(send->lanes[i].port))
            return false;
    return true;
}

static bool wait_for_peer(struct mt_send *send)
{
    for (uint32_t tenths = 0; tenths < send->config.wait_seconds * 10; tenths++) {
        if (mt_send_is_connected(send))
            return true;
        usleep(100000);
        for (uint32_t i = 0; tenths % 5 == 4 && i < send->lane_count; i += send->config.queues) {
            if (is_up(send->lanes[i].port))
                continue;
            rte_eth_dev_stop(send->lanes[i].port);
            rte_eth_dev_start(send->lanes[i].port);
        }
    }
    return mt_send_is_connected(send);
}

static int get_buffers(struct mt_send *send)
{
    for (uint32_t i = 0; i < send->lane_count; i++)
        for (uint32_t n = 0; n < BURST; n++)
            if (!(send->lanes[i].bufs[n] = rte_pktmbuf_alloc(send->pool)))
                return -ENOMEM;
    return 0;
}

static int open_ports(struct mt_send *send, char *ret_reason, size_t reason_size)
{
    int rc = start_library(&send->config);
    if (rc != 0) {
        snprintf(ret_reason, reason_size, "the driver library could not start: %s", rte_strerror(rte_errno));
        return rc;
    }
    send->pool = rte_pktmbuf_pool_create("replay", 2047, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    for (uint32_t i = 0; send->pool && rc == 0 && i < send->port_count; i++)
        rc = start_port(send, i);
    if (!send->pool || rc != 0 || get_buffers(send) != 0) {
        snprintf(ret_reason, reason_size, "net_memif on %s: %s", send->config.socket,
                 rc != 0 ? strerror(-rc) : "no memory for its buffers");
        return rc != 0 ? rc : -ENOMEM;
    }
    if (!wait_for_peer(send)) {
        snprintf(ret_reason, reason_size,
                 "nobody joined %s within %u s; start the receiver, for instance: "
                 "mailtap live --port net_memif0,role=%s,socket=%s,socket-abstract=no",
                 send->config.socket, send->config.wait_seconds,
                 strcmp(send->config.role, "client") == 0 ? "server" : "client", send->config.socket);
        return -ETIMEDOUT;
    }
    return 0;
}

int mt_send_open(const struct mt_send_config *config, char *ret_reason, size_t reason_size,
                 struct mt_send **ret_send)
{
    struct mt_send *send = calloc(1, sizeof(*send));
    if (!send)
        return -ENOMEM;
    send->config = *config;
    send->port_count = config->is_tap ? 2 : 1;
    int rc = open_ports(send, ret_reason, reason_size);
    if (rc != 0) {
        mt_send_close(send);
        return rc;
    }
    *ret_send = send;
    return 0;
}

void mt_send_close(struct mt_send *send)
{
    for (uint32_t i = 0; i < send->lane_count; i += send->config.queues) {
        rte_eth_dev_stop(send->lanes[i].port);
        rte_eth_dev_close(send->lanes[i].port);
    }
    free(send); /* no rte_eal_cleanup: see mt_ports_close */
}

static void put16(uint8_t *at, uint32_t value)
{
    uint16_t wire = rte_cpu_to_be_16((uint16_t)value);
    memcpy(at, &wire, sizeof(wire));
}

static void put32(uint8_t *at, uint32_t value)
{
    uint32_t wire = rte_cpu_to_be_32(value);
    memcpy(at, &wire, sizeof(wire));
}

/* --- sending ---------------------------------------------------------------- */

static void count_taken(struct mt_send *send, struct lane *lane, uint16_t first, uint16_t taken)
{
    for (uint16_t i = first; i < first + taken; i++) {
        send->result.bytes += lane->bufs[i]->data_len;
        send->result.flood += lane->is_syn[i];
    }
    send->result.frames += taken;
    send->result.lane_frames[lane - send->lanes] += taken;
}

/* Nobody takes anything: is it time to give up? */
static bool is_stalled(struct mt_send *send, uint64_t since)
{
    if (atomic_load_explicit(send->stop, memory_order_relaxed))
        return true;
    if (rte_rdtsc() - since < send->hz * (uint64_t)send->config.stall_seconds)
        return false;
    send->result.is_stalled = true;
    return true;
}

static void flush_lane(struct mt_send *send, struct lane *lane)
{
    uint16_t sent = 0;
    uint32_t tries = 0;
    uint64_t since = 0;
    for (uint16_t i = 0; i < lane->count; i++)
        rte_mbuf_refcnt_set(lane->bufs[i], 2);
    while (sent < lane->count) {
        uint16_t taken =
            rte_eth_tx_burst(lane->port, lane->queue, lane->bufs + sent, (uint16_t)(lane->count - sent));
        count_taken(send, lane, sent, taken);
        sent = (uint16_t)(sent + taken);
        if (sent == lane->count || send->config.is_dropping)
            break;
        if (taken) {
            tries = 0;
            continue;
        }
        since = tries++ ? since : rte_rdtsc();
        rte_pause();
        if (tries % 64 == 0) {
            sched_yield();
            if (is_stalled(send, since)) {
                send->is_over = true;
                break;
            }
        }
    }
    send->result.dropped += (uint16_t)(lane->count - sent);
    lane->count = 0;
}

static void wait_until(struct mt_send *send, uint64_t tsc)
{
    uint64_t now;
    while ((now = rte_rdtsc()) < tsc) {
        uint64_t us = (tsc - now) * 1000000 / send->hz;
        if (atomic_load_explicit(send->stop, memory_order_relaxed))
            return;
        if (us > 2 * NAP_SLACK_US)
            usleep(us > 100000 ? 100000 : (unsigned)(us - NAP_SLACK_US));
        else
            rte_pause();
    }
}

static void pace(struct mt_send *send)
{
    if (send->config.rate <= 0)
        return;
    uint64_t now = rte_rdtsc();
    if (now < send->due)
        wait_until(send, send->due);
    else if (now - send->due > send->hz / 1000000 * LAG_MAX_US)
        send->due = now;
    send->due += (uint64_t)((double)send->staged * send->cycles_per_frame);
}

static void flush(struct mt_send *send)
{
    if (send->staged == 0)
        return;
    pace(send);
    for (uint32_t i = 0; i < send->lane_count && !send->is_over; i++)
        if (send->lanes[i].count)
            flush_lane(send, &send->lanes[i]);
    send->staged = 0;
    if (atomic_load_explicit(send->stop, memory_order_relaxed))
        send->is_over = true;
    if (send->config.frames_max && send->result.frames + send->result.dropped >= send->config.frames_max)
        send->is_over = true;
    if (send->config.seconds_max > 0 &&
        rte_rdtsc() - send->start > (uint64_t)(send->config.seconds_max * (double)send->hz))
        send->is_over = true;
}

static void point(struct rte_mbuf *buf, const uint8_t *bytes, uint16_t size)
{
    buf->buf_addr = (void *)(uintptr_t)bytes;
    buf->buf_len = size;
    buf->data_off = 0;
    buf->data_len = size;
    buf->pkt_len = size;
}

static struct lane *lane_of(struct mt_send *send, enum mt_side side, uint32_t spread)
{
    uint32_t port = send->config.is_tap && side == MT_SERVER ? 1 : 0;
    return &send->lanes[port * send->config.queues + spread % send->config.queues];
}

/* One lane has room for BURST. */
static void stage(struct mt_send *send, struct lane *lane, const uint8_t *bytes, uint16_t size, bool is_syn)
{
    lane->is_syn[lane->count] = is_syn;
    point(lane->bufs[lane->count++], bytes, size);
    if (++send->staged == send->burst)
        flush(send);
}

/* The sources come in an order that touches no two neighbours after another. */
static void stage_stranger(struct mt_send *send)
{
    uint64_t number = send->flood_number++;
    uint32_t source = (uint32_t)((number * 0x9E3779B1u) % send->config.flood_sources);
    struct lane *lane = lane_of(send, MT_CLIENT, source);
    uint8_t *syn = lane->syns[lane->count];
    memcpy(syn, send->syn, SYN_SIZE);
    put32(syn + 26, STRANGERS + source);
    put16(syn + 34, (uint16_t)(1024 + number / send->config.flood_sources % 60000));
    put32(syn + 38, (uint32_t)(number * 2654435761u));
    stage(send, lane, syn, SYN_SIZE, true);
}

static void make_syn(struct mt_send *send, const struct mt_trace *trace)
{
    static const uint8_t head[] = {2, 0, 0,    0, 0, 1,  2, 0, 0, 0, 0,  2,
                                   8, 0, 0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6};
    memcpy(send->syn, head, sizeof(head));
    memcpy(send->syn + 30, trace->server.bytes, 4);
    put16(send->syn + 36, 25);
    send->syn[46] = 0x50;
    send->syn[47] = 0x02;
    put16(send->syn + 48, 65535);
}

static void rewrite(struct mt_trace *trace, const struct mt_trace_frame *frame)
{
    uint8_t *word = trace->bytes + frame->off + frame->client_word;
    put32(word, mt_load_be32(word) + trace->client_stride);
}

static void send_loop(struct mt_send *send, struct mt_trace *trace, bool is_first)
{
    uint64_t begin = rte_rdtsc();
    double per_ns = (double)send->hz / 1e9 / (send->config.speed > 0 ? send->config.speed : 1);
    for (uint64_t i = 0; i < trace->count && !send->is_over; i++) {
        const struct mt_trace_frame *frame = &trace->frames[i];
        if (!is_first && frame->client_word)
            rewrite(trace, frame);
        if (send->config.speed > 0) {
            uint64_t at = begin + (uint64_t)((double)frame->time * per_ns);
            if (rte_rdtsc() < at) {
                flush(send);
                wait_until(send, at);
            }
        }
        stage(send, lane_of(send, frame->side, frame->spread), trace->bytes + frame->off, frame->size, false);
        for (uint32_t n = 0; n < send->config.flood && !send->is_over; n++)
            stage_stranger(send);
    }
    if (!send->is_over)
        flush(send);
}

void mt_send_run(struct mt_send *send, struct mt_trace *trace, const atomic_bool *stop,
                 struct mt_send_result *ret_result)
{
    send->stop = stop;
    send->hz = rte_get_tsc_hz();
    send->burst = BURST;
    if (send->config.rate > 0) {
        send->cycles_per_frame = (double)send->hz / send->config.rate;
        if (send->config.rate < BURST * SINGLE_RATE)
            send->burst = 1 + (uint64_t)(send->config.rate / SINGLE_RATE);
    }
    make_syn(send, trace);
    send->start = send->due = rte_rdtsc();
    for (uint64_t loop = 0; loop < send->config.loops && !send->is_over; loop++) {
        send_loop(send, trace, loop == 0);
        send->result.loops++;
    }
    send->result.seconds = (double)(rte_rdtsc() - send->start) / (double)send->hz;
    send->result.lane_count = send->lane_count;
    *ret_result = send->result;
}
