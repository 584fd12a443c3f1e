#include "pipeline/front_priv.h"

#include <errno.h>

int mt_front_init(struct mt_front *front, const struct mt_pipeline_config *config, struct mt_stats *stats)
{
    *front = (struct mt_front){.stats = stats};
    if (config->any_port)
        memset(front->ports, 0xff, sizeof(front->ports));
    for (uint32_t i = 0; i < config->port_count; i++)
        front->ports[config->ports[i] >> 3] |= (uint8_t)(1u << (config->ports[i] & 7));
    /* then what is no mail passes the test that costs nobody else anything */
    if (config->dns)
        front->ports[MT_DNS_PORT >> 3] &= (uint8_t) ~(1u << (MT_DNS_PORT & 7));
    int rc = mt_fragment_table_create(&(struct mt_fragment_config){.has_dns = config->dns}, stats,
                                      &front->fragments);
    if (rc == 0 && config->dns)
        rc = mt_dns_tap_create(stats, &front->dns);
    if (rc != 0)
        mt_front_fini(front);
    return rc;
}

void mt_front_fini(struct mt_front *front)
{
    mt_fragment_table_destroy(front->fragments);
    front->fragments = NULL;
    mt_dns_tap_destroy(front->dns);
    front->dns = NULL;
}

MT_STATIC_ASSERT(MT_REJECT_COUNT <= MT_COUNTER_REJECT_LAST - MT_COUNTER_REJECT_FIRST + 1,
                 "every reject reason needs its counter");

static bool is_dns_segment(const struct mt_packet *packet)
{
    return packet->tuple.src_port == MT_DNS_PORT || packet->tuple.dst_port == MT_DNS_PORT;
}

static MT_NOINLINE void look_at_names(struct mt_front *front, const struct mt_packet *packet, bool is_tcp)
{
    uint64_t time = packet->mark.time + (packet->mark.time == 0);
    mt_stats_add(front->stats, MT_COUNTER_DNS_FRAMES, 1);
    if (is_tcp)
        mt_dns_tap_segment(front->dns, &packet->tuple, packet->payload, packet->payload_size, packet->seq,
                           packet->tcp_flags & (MT_TCP_FIN | MT_TCP_RST), time, &front->names);
    else
        mt_dns_tap_datagram(front->dns, &packet->tuple, packet->payload, packet->payload_size, time,
                            &front->names);
}

static MT_NOINLINE bool front_slow(struct mt_front *front, enum mt_packet_verdict verdict,
                                   struct mt_packet *packet)
{
    if (verdict == MT_PACKET_FRAGMENT) {
        mt_stats_add(front->stats, MT_COUNTER_FRAGMENTS, 1);
        verdict = mt_fragment_input(front->fragments, packet);
        front->is_reassembled = verdict == MT_PACKET_TCP;
    }
    if (verdict == MT_PACKET_REJECT && front->dns && packet->reject == MT_REJECT_NOT_TCP && packet->is_dns)
        look_at_names(front, packet, false);
    else if (verdict == MT_PACKET_REJECT)
        mt_stats_add(front->stats, (enum mt_counter)(MT_COUNTER_REJECT_FIRST + packet->reject), 1);
    return verdict == MT_PACKET_TCP;
}

bool mt_front_look(struct mt_front *front, const struct mt_frame *frame, struct mt_packet *ret_packet)
{
    front->is_reassembled = false;
    enum mt_packet_verdict verdict = mt_packet_decode(frame, ret_packet);
    if (MT_UNLIKELY(verdict != MT_PACKET_TCP) && !front_slow(front, verdict, ret_packet))
        return false;
    /* which of the two it is says no more than a coin */
    bool is_from = mt_front_has_port(front, ret_packet->tuple.src_port);
    bool is_to = mt_front_has_port(front, ret_packet->tuple.dst_port);
    if (MT_UNLIKELY(!(is_from | is_to))) {
        if (front->dns && is_dns_segment(ret_packet))
            look_at_names(front, ret_packet, true);
        else
            mt_stats_add(front->stats, MT_COUNTER_FRAMES_NOT_MAIL, 1);
        return false;
    }
    return true;
}

bool mt_front_packet(struct mt_front *front, const struct mt_frame *frame, struct mt_packet *ret_packet)
{
    if (!mt_front_look(front, frame, ret_packet))
        return false;
    /* 0 is "no time" in a record: a clock that starts at the epoch starts 1 ns later */
    ret_packet->mark.time += ret_packet->mark.time == 0;
    mt_stats_add(front->stats, MT_COUNTER_SEGMENTS, 1);
    return true;
}

/* A datagram put together from fragments goes alone, because its bytes live only
 * until the next fragment; unless another worker has its connection. */
static MT_NOINLINE void whole_take(struct mt_front *front, struct mt_worker *worker,
                                   const struct mt_packet *packet)
{
    if (front->strays && !mt_worker_knows(worker, &packet->tuple))
        mt_strays_send(front->strays, front->stray_box, packet, &worker->stats);
    else
        mt_worker_burst(worker, packet, 1, packet->mark.time);
}

struct burst {
    struct mt_front *front;
    struct mt_worker *worker;
    size_t kept;
    struct mt_packet packets[MT_BURST_MAX];
};

/* What came before an answer is done first. */
static void on_answer(void *ctx, const struct mt_dns_answer *answer)
{
    struct burst *burst = ctx;
    const struct mt_front *front = burst->front;
    mt_worker_burst(burst->worker, burst->packets, burst->kept, answer->time);
    burst->kept = 0;
    mt_worker_answer(burst->worker, answer);
    if (front->strays)
        mt_strays_send_answer(front->strays, front->stray_box, answer, &burst->worker->stats);
}

/* One burst: decode all, then the worker's stages over what is to be followed. */
void mt_front_burst(struct mt_front *front, struct mt_worker *worker, const struct mt_frame *frames,
                    size_t count)
{
    struct burst burst;
    burst.front = front;
    burst.worker = worker;
    burst.kept = 0;
    front->names = (struct mt_dns_sink){.answer = on_answer, .ctx = &burst};
    for (size_t i = 0; i < count; i++) {
        if (!mt_front_packet(front, &frames[i], &burst.packets[burst.kept]))
            continue;
        if (MT_UNLIKELY(front->is_reassembled)) {
            mt_worker_burst(worker, burst.packets, burst.kept, frames[i].mark.time);
            whole_take(front, worker, &burst.packets[burst.kept]);
            burst.kept = 0;
            continue;
        }
        burst.kept++;
    }
    mt_worker_burst(worker, burst.packets, burst.kept, frames[count - 1].mark.time);
}
