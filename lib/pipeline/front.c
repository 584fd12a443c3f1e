#include "pipeline/front_priv.h"

#include <errno.h>

int mt_front_init(struct mt_front *front, const uint16_t *ports, uint32_t port_count, bool any_port,
                  struct mt_stats *stats)
{
    *front = (struct mt_front){.stats = stats};
    if (any_port)
        memset(front->ports, 0xff, sizeof(front->ports));
    for (uint32_t i = 0; i < port_count; i++)
        front->ports[ports[i] >> 3] |= (uint8_t)(1u << (ports[i] & 7));
    return mt_fragment_table_create(&(struct mt_fragment_config){0}, stats, &front->fragments);
}

void mt_front_fini(struct mt_front *front)
{
    mt_fragment_table_destroy(front->fragments);
    front->fragments = NULL;
}

MT_STATIC_ASSERT(MT_REJECT_COUNT <= MT_COUNTER_REJECT_LAST - MT_COUNTER_REJECT_FIRST + 1,
                 "every reject reason needs its counter");

static MT_NOINLINE bool front_slow(struct mt_front *front, enum mt_packet_verdict verdict,
                                   struct mt_packet *packet)
{
    if (verdict == MT_PACKET_FRAGMENT) {
        mt_stats_add(front->stats, MT_COUNTER_FRAGMENTS, 1);
        verdict = mt_fragment_input(front->fragments, packet);
        front->is_reassembled = verdict == MT_PACKET_TCP;
    }
    if (verdict == MT_PACKET_REJECT)
        mt_stats_add(front->stats, (enum mt_counter)(MT_COUNTER_REJECT_FIRST + packet->reject), 1);
    return verdict == MT_PACKET_TCP;
}

bool mt_front_look(struct mt_front *front, const struct mt_frame *frame, struct mt_packet *ret_packet)
{
    front->is_reassembled = false;
    enum mt_packet_verdict verdict = mt_packet_decode(frame, ret_packet);
    if (MT_UNLIKELY(verdict != MT_PACKET_TCP) && !front_slow(front, verdict, ret_packet))
        return false;
    if (!mt_front_has_port(front, ret_packet->tuple.src_port) &&
        !mt_front_has_port(front, ret_packet->tuple.dst_port)) {
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

/* One burst: decode all, then the worker's stages over what is to be followed. */
void mt_front_burst(struct mt_front *front, struct mt_worker *worker, const struct mt_frame *frames,
                    size_t count)
{
    struct mt_packet packets[MT_BURST_MAX];
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (!mt_front_packet(front, &frames[i], &packets[kept]))
            continue;
        if (MT_UNLIKELY(front->is_reassembled)) {
            mt_worker_burst(worker, packets, kept, frames[i].mark.time);
            whole_take(front, worker, &packets[kept]);
            kept = 0;
            continue;
        }
        kept++;
    }
    mt_worker_burst(worker, packets, kept, frames[count - 1].mark.time);
}
