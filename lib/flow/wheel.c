#include "flow/flow_priv.h"

#include "base/check.h"

/* The wheel is lazy: a flow stays where it was put, whenever it is seen. Only
 * when its slot is turned over is its deadline looked at, and it is handed out
 * or moved on. So each flow is looked at about once per timeout, and never
 * handed out early; late by up to a slot, which nobody notices, because the
 * caller asks mt_flow_is_expired before he uses a flow. */

#define WHEEL_HEAD UINT32_C(0x80000000) /* in wheel_prev: the rest is a slot, not a line */

/* After a rebase now is this tick: more than any timeout, so that a deadline in
 * the past stays there. */
#define REBASE_TICK (UINT64_C(1) << 27)
MT_STATIC_ASSERT(REBASE_TICK > (uint64_t)UINT16_MAX << MT_FLOW_TIMEOUT_SHIFT, "longer than any timeout");

/* Ticks that make a whole turn, so that lines keep their slots. */
#define TURN ((uint64_t)MT_FLOW_SLOTS << MT_FLOW_SLOT_SHIFT)

/* Into the slot of its deadline, or what is nearest to it from slot first on. */
static void insert_from(struct mt_flow_table *table, struct mt_flow *flow, uint64_t first)
{
    uint64_t due = mt_flow_deadline(flow) >> MT_FLOW_SLOT_SHIFT;
    uint64_t last = table->wheel_slot + MT_FLOW_SLOTS - 1;
    uint32_t slot = (uint32_t)(mt_max_u64(first, mt_min_u64(due, last)) % MT_FLOW_SLOTS);
    uint32_t line = mt_flow_number(table, flow);
    uint32_t next = table->wheel[slot];

    flow->wheel_next = next;
    table->wheel_prev[line] = WHEEL_HEAD | slot;
    table->wheel[slot] = line;
    if (next != MT_FLOW_NONE)
        table->wheel_prev[next] = line;
}

void mt_flow_wheel_insert(struct mt_flow_table *table, struct mt_flow *flow)
{
    insert_from(table, flow, table->wheel_slot);
}

void mt_flow_wheel_unlink(struct mt_flow_table *table, struct mt_flow *flow)
{
    uint32_t next = flow->wheel_next;
    uint32_t prev = table->wheel_prev[mt_flow_number(table, flow)];

    if (prev & WHEEL_HEAD)
        table->wheel[prev & ~WHEEL_HEAD] = next;
    else
        table->lines[prev].wheel_next = next;
    if (next != MT_FLOW_NONE)
        table->wheel_prev[next] = prev;
}

MT_COLD void mt_flow_wheel_rebase(struct mt_flow_table *table, uint64_t now)
{
    uint64_t shift = (mt_flow_tick(table, now) - REBASE_TICK) / TURN * TURN;

    for (uint32_t line = 0; line < table->line_high; line++) {
        struct mt_flow *flow = &table->lines[line];
        if (mt_flow_is_used(flow))
            flow->last_seen = flow->last_seen > shift ? (uint32_t)(flow->last_seen - shift) : 0;
    }
    table->base += shift << MT_FLOW_TICK_SHIFT;
    uint64_t slots = shift >> MT_FLOW_SLOT_SHIFT;
    table->wheel_slot = table->wheel_slot > slots ? table->wheel_slot - slots : 0;
}

/* Turns over the slot that is due; false when the work allowed is used up. */
static bool slot_turn(struct mt_flow_table *table, uint64_t tick, unsigned *examined,
                      struct mt_flow **ret_flows, size_t *count)
{
    uint32_t *slot = &table->wheel[table->wheel_slot % MT_FLOW_SLOTS];
    uint64_t present = tick >> MT_FLOW_SLOT_SHIFT;

    while (*slot != MT_FLOW_NONE) {
        if (*examined == MT_FLOW_EXAMINE_MAX || *count == MT_FLOW_EXPIRE_MAX)
            return false;
        struct mt_flow *flow = &table->lines[*slot];
        mt_flow_wheel_unlink(table, flow);
        /* What is handed out and not removed comes again, but not before the
         * present slot is over: so the caller's loop ends. */
        insert_from(table, flow, present);
        if (tick >= mt_flow_deadline(flow))
            ret_flows[(*count)++] = flow;
        ++*examined;
    }
    return true;
}

size_t mt_flow_expire(struct mt_flow_table *table, uint64_t now, struct mt_flow **ret_flows)
{
    if (table->base == MT_FLOW_NO_BASE)
        return 0;

    uint64_t tick = mt_flow_clock(table, now);
    uint64_t present = tick >> MT_FLOW_SLOT_SHIFT;
    unsigned examined = 0;
    size_t count = 0;

    /* However far time has jumped, every slot needs turning over only once. */
    if (present > table->wheel_slot + MT_FLOW_SLOTS - 1)
        table->wheel_slot = present - (MT_FLOW_SLOTS - 1);
    while (table->wheel_slot < present && slot_turn(table, tick, &examined, ret_flows, &count))
        table->wheel_slot++;
    return count;
}
