#include "plan.h"

#include "wrap.h"

#include <stdlib.h>
#include <string.h>

#define SEGMENT_SIZE 1460u
#define USEC UINT64_C(1000)
#define MSEC UINT64_C(1000000)
/* How long a receiver sits on an ACK in the hope of a reply to carry it. */
#define DELAYED_ACK (40 * MSEC)

static bool grow(void **array, uint32_t *max, uint32_t need, size_t item_size)
{
    uint32_t size = *max ? *max : 64;
    void *bigger;

    while (size < need)
        size *= 2;
    bigger = realloc(*array, size * item_size);
    if (!bigger)
        return false;
    *array = bigger;
    *max = size;
    return true;
}

void mt_plan_fini(struct mt_plan *plan)
{
    free(plan->frames);
    free(plan->parts[0]);
    free(plan->parts[1]);
    free(plan->text);
}

void mt_plan_reset(struct mt_plan *plan, struct mt_random *random, uint64_t start)
{
    plan->random = random;
    plan->now = start;
    plan->rtt = 0;
    plan->think = 0;
    plan->cut = MT_PLAN_CUT_FULL;
    plan->failed = false;
    plan->frame_count = 0;
    plan->text_size = 0;
    plan->range_count = 0;
    for (int side = 0; side < 2; side++) {
        plan->fin_sent[side] = false;
        plan->part_count[side] = 0;
        plan->stream_size[side] = 0;
        plan->sent[side] = 0;
        plan->received[side] = 0;
        plan->acked[side] = 0;
    }
}

static void add_part(struct mt_plan *plan, enum mt_plan_side side, uint32_t from, uint8_t ring)
{
    uint32_t count = plan->part_count[side];

    if (count == plan->part_max[side] &&
        !grow((void **)&plan->parts[side], &plan->part_max[side], count + 1, sizeof(struct mt_plan_part))) {
        plan->failed = true;
        return;
    }
    plan->parts[side][count] =
        (struct mt_plan_part){.off = plan->stream_size[side], .from = from, .ring = ring};
    plan->part_count[side] = count + 1;
}

/* Text that continues the last part's text needs no part of its own. */
static bool continues_text(const struct mt_plan *plan, enum mt_plan_side side)
{
    const struct mt_plan_part *last;

    if (!plan->part_count[side])
        return false;
    last = &plan->parts[side][plan->part_count[side] - 1];
    return last->ring == MT_PLAN_OWN_TEXT &&
           last->from + plan->stream_size[side] - last->off == plan->text_size;
}

uint32_t mt_plan_put(struct mt_plan *plan, enum mt_plan_side side, const void *bytes, size_t size)
{
    uint32_t off = plan->stream_size[side];

    if (plan->text_size + size > plan->text_max &&
        !grow((void **)&plan->text, &plan->text_max, plan->text_size + (uint32_t)size, 1)) {
        plan->failed = true;
        return off;
    }
    if (!continues_text(plan, side))
        add_part(plan, side, plan->text_size, MT_PLAN_OWN_TEXT);
    memcpy(plan->text + plan->text_size, bytes, size);
    plan->text_size += (uint32_t)size;
    plan->stream_size[side] += (uint32_t)size;
    return off;
}

uint32_t mt_plan_put_stretch(struct mt_plan *plan, enum mt_plan_side side, struct mt_stretch stretch)
{
    uint32_t off = plan->stream_size[side];

    if (!stretch.size)
        return off;
    add_part(plan, side, stretch.start, (uint8_t)stretch.ring);
    plan->stream_size[side] += stretch.size;
    return off;
}

void mt_plan_may_miss(struct mt_plan *plan, enum mt_plan_side side, uint32_t start, uint32_t end,
                      unsigned transaction, bool is_counted)
{
    if (plan->range_count == MT_PLAN_RANGES_MAX || start >= end)
        return;
    plan->ranges[plan->range_count++] = (struct mt_plan_range){.start = start,
                                                               .end = end,
                                                               .side = (uint8_t)side,
                                                               .transaction = (uint8_t)transaction,
                                                               .is_counted = is_counted};
}

static void add_frame(struct mt_plan *plan, enum mt_plan_side side, uint8_t flags, uint32_t seq,
                      uint16_t size)
{
    struct mt_plan_frame *frame;

    if (plan->frame_count == plan->frame_max &&
        !grow((void **)&plan->frames, &plan->frame_max, plan->frame_count + 1, sizeof(*plan->frames))) {
        plan->failed = true;
        return;
    }
    frame = &plan->frames[plan->frame_count++];
    *frame = (struct mt_plan_frame){.time = plan->now,
                                    .seq = seq,
                                    .ack = flags & MT_PLAN_ACK ? plan->received[side] : 0,
                                    .size = size,
                                    .side = (uint8_t)side,
                                    .flags = flags};
    if (flags & MT_PLAN_ACK)
        plan->acked[side] = plan->received[side];
    plan->received[mt_plan_other(side)] = seq + size + ((flags & (MT_PLAN_SYN | MT_PLAN_FIN)) != 0);
}

static uint32_t next_seq(const struct mt_plan *plan, enum mt_plan_side side)
{
    return plan->sent[side] + 1 + plan->fin_sent[side];
}

void mt_plan_control(struct mt_plan *plan, enum mt_plan_side side, uint8_t flags, uint64_t pause)
{
    plan->now += pause;
    add_frame(plan, side, flags, flags & MT_PLAN_SYN ? 0 : next_seq(plan, side), 0);
    if (flags & MT_PLAN_FIN)
        plan->fin_sent[side] = true;
}

void mt_plan_open(struct mt_plan *plan)
{
    mt_plan_control(plan, MT_PLAN_CLIENT, MT_PLAN_SYN, 0);
    mt_plan_control(plan, MT_PLAN_SERVER, MT_PLAN_SYN | MT_PLAN_ACK,
                    30 * USEC + mt_random_below(plan->random, 90000));
    mt_plan_control(plan, MT_PLAN_CLIENT, MT_PLAN_ACK, plan->rtt);
}

static uint32_t segment_size(struct mt_plan *plan, uint32_t left)
{
    uint32_t size = SEGMENT_SIZE;

    if (plan->cut == MT_PLAN_CUT_BYTES)
        size = 1;
    else if (plan->cut == MT_PLAN_CUT_RANDOM)
        size = mt_random_range(plan->random, 1, 40);
    return size < left ? size : left;
}

void mt_plan_flush_after(struct mt_plan *plan, enum mt_plan_side side, uint64_t pause)
{
    enum mt_plan_side other = mt_plan_other(side);
    uint32_t since_ack = 0;

    if (plan->stream_size[side] == plan->sent[side])
        return;
    if (pause > DELAYED_ACK && plan->acked[side] != plan->received[side]) {
        mt_plan_control(plan, side, MT_PLAN_ACK, DELAYED_ACK);
        pause -= DELAYED_ACK;
    }
    plan->now += pause;
    while (plan->sent[side] < plan->stream_size[side] && !plan->failed) {
        uint32_t left = plan->stream_size[side] - plan->sent[side];
        uint32_t size = segment_size(plan, left);

        add_frame(plan, side, MT_PLAN_ACK | (size == left ? MT_PLAN_PSH : 0), plan->sent[side] + 1,
                  (uint16_t)size);
        plan->sent[side] += size;
        if (++since_ack == 2 && size != left) {
            mt_plan_control(plan, other, MT_PLAN_ACK, 2 * USEC + mt_random_below(plan->random, 6000));
            since_ack = 0;
        }
        plan->now += 800 + size * 8;
    }
}

void mt_plan_flush(struct mt_plan *plan, enum mt_plan_side side)
{
    uint64_t pause = 20 * USEC + mt_random_below(plan->random, plan->think + 1);

    /* The tap stands near the server. */
    if (side == MT_PLAN_CLIENT)
        pause = plan->rtt + mt_random_below(plan->random, 2000000);
    mt_plan_flush_after(plan, side, pause);
}

void mt_plan_close(struct mt_plan *plan, enum mt_plan_side first)
{
    enum mt_plan_side second = mt_plan_other(first);
    uint64_t away = first == MT_PLAN_SERVER ? plan->rtt : 0;
    uint64_t near = first == MT_PLAN_SERVER ? 0 : plan->rtt;

    mt_plan_control(plan, first, MT_PLAN_FIN | MT_PLAN_ACK, 25 * USEC);
    mt_plan_control(plan, second, MT_PLAN_FIN | MT_PLAN_ACK, 40 * USEC + away);
    mt_plan_control(plan, first, MT_PLAN_ACK, 15 * USEC + near);
}

void mt_plan_fin_on_last(struct mt_plan *plan, enum mt_plan_side side)
{
    for (uint32_t i = plan->frame_count; i-- > 0;) {
        if (plan->frames[i].side != side || !plan->frames[i].size)
            continue;
        plan->frames[i].flags |= MT_PLAN_FIN;
        plan->fin_sent[side] = true;
        plan->received[mt_plan_other(side)]++;
        return;
    }
}

void mt_plan_delay(struct mt_plan *plan, uint32_t index, uint64_t pause)
{
    for (uint32_t i = index; i < plan->frame_count; i++)
        plan->frames[i].time += pause;
}

void mt_plan_insert(struct mt_plan *plan, uint32_t index, const struct mt_plan_frame *frame)
{
    struct mt_plan_frame copy = *frame;

    if (plan->frame_count == plan->frame_max &&
        !grow((void **)&plan->frames, &plan->frame_max, plan->frame_count + 1, sizeof(*plan->frames))) {
        plan->failed = true;
        return;
    }
    memmove(plan->frames + index + 1, plan->frames + index,
            (plan->frame_count - index) * sizeof(*plan->frames));
    plan->frames[index] = copy;
    plan->frame_count++;
}

void mt_plan_remove(struct mt_plan *plan, uint32_t index)
{
    plan->frame_count--;
    memmove(plan->frames + index, plan->frames + index + 1,
            (plan->frame_count - index) * sizeof(*plan->frames));
}

void mt_plan_swap(struct mt_plan *plan, uint32_t a, uint32_t b)
{
    struct mt_plan_frame *x = &plan->frames[a];
    struct mt_plan_frame *y = &plan->frames[b];
    struct mt_plan_frame kept = *x;
    uint64_t time = y->time;

    *x = *y;
    x->time = kept.time;
    *y = kept;
    y->time = time;
}

static bool carries(const struct mt_plan_frame *frame, enum mt_plan_side side)
{
    return frame->side == side && frame->size && !(frame->bits & (MT_PLAN_ALTERED | MT_PLAN_STRAY));
}

uint64_t mt_plan_time_of(const struct mt_plan *plan, enum mt_plan_side side, uint32_t off)
{
    uint64_t time = 0;

    for (uint32_t i = 0; i < plan->frame_count; i++) {
        const struct mt_plan_frame *frame = &plan->frames[i];

        if (!carries(frame, side) || off + 1 < frame->seq || off + 1 >= frame->seq + frame->size)
            continue;
        /* A datagram in fragments is there when its last piece is. */
        if (!frame->pieces)
            return frame->time;
        time = frame->time;
        if (i + 1 == plan->frame_count || plan->frames[i + 1].seq != frame->seq ||
            !plan->frames[i + 1].pieces)
            return time;
    }
    return time;
}

/* The furthest sequence that the capture proves to exist. */
static uint32_t proven_end(const struct mt_plan *plan, enum mt_plan_side side)
{
    uint32_t end = 1;

    for (uint32_t i = 0; i < plan->frame_count; i++) {
        const struct mt_plan_frame *frame = &plan->frames[i];
        uint32_t reached = frame->ack;

        if (frame->bits & MT_PLAN_STRAY)
            continue;
        if (frame->side == side)
            reached = frame->seq + frame->size;
        else if (!(frame->flags & MT_PLAN_ACK))
            continue;
        if (reached > end)
            end = reached;
    }
    if (end > plan->stream_size[side] + 1)
        end = plan->stream_size[side] + 1;
    return end;
}

uint64_t mt_plan_missing(const struct mt_plan *plan, enum mt_plan_side side)
{
    uint32_t end = proven_end(plan, side);
    uint32_t at = 1;
    uint64_t missing = 0;

    while (at < end) {
        uint32_t next = end;
        uint32_t covered = at;

        for (uint32_t i = 0; i < plan->frame_count; i++) {
            const struct mt_plan_frame *frame = &plan->frames[i];

            if (!carries(frame, side) || frame->seq + frame->size <= at)
                continue;
            if (frame->seq <= covered && frame->seq + frame->size > covered)
                covered = frame->seq + frame->size;
            else if (frame->seq > at && frame->seq < next)
                next = frame->seq;
        }
        if (covered == at) {
            missing += next - at;
            at = next;
        } else {
            at = covered;
        }
    }
    return missing;
}

void mt_plan_mac(const struct mt_plan_link *link, enum mt_plan_side side, uint8_t ret_mac[6])
{
    const struct mt_plan_ip *ip = &link->ip[side];

    ret_mac[0] = 2;
    ret_mac[1] = 0;
    memcpy(ret_mac + 2, ip->bytes + (ip->family == 6 ? 12 : 0), 4);
}

uint32_t mt_plan_wire_size(const struct mt_plan_link *link, const struct mt_plan_frame *frame)
{
    bool is_six = link->ip[0].family == 6;
    uint32_t tcp = 20 + (frame->flags & MT_PLAN_SYN ? 12 : 0) + (uint32_t)frame->size;
    uint32_t size = 14 + (link->vlan[0] ? 4 : 0) + (link->vlan[1] ? 4 : 0) + (is_six ? 40 : 20);

    if (frame->pieces) {
        uint32_t step = tcp / frame->pieces & ~7u;
        bool is_last = frame->piece + 1 == frame->pieces;

        tcp = is_last ? tcp - step * (frame->pieces - 1u) : step;
        size += is_six ? 8 : 0;
    }
    size += tcp;
    if (link->is_padded && frame->side == MT_PLAN_SERVER && size < 60)
        size = 60;
    return size + mt_wrap_overhead(&link->wrap, link->ip[0].family);
}
