/* What the tests of the flow table share: tables with a fixed seed, tuples by
 * number, a small generator of random numbers. */
#ifndef TESTS_UNIT_FLOW_TABLES_H
#define TESTS_UNIT_FLOW_TABLES_H

#include "flow/flow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEED UINT64_C(0x5eed5eed5eed5eed)

struct look_up {
    struct mt_flow_key key;
    uint64_t hash;
    bool swapped;
};

static inline uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545F4914F6CDD1D) >> 16;
}

static inline struct mt_flow_table *table_make(uint32_t flows_max, uint32_t embryos_max,
                                               struct mt_stats *stats)
{
    struct mt_flow_config config = {.flows_max = flows_max, .embryos_max = embryos_max, .seed = SEED};
    struct mt_flow_table *table = NULL;

    assert_int_equal(mt_flow_table_create(&config, stats, &table), 0);
    return table;
}

/* Distinct for distinct n; every seventh is IPv6. */
static inline struct mt_tuple tuple_of(uint32_t n)
{
    struct mt_tuple tuple = {.src_port = (uint16_t)(1024 + n % 60000), .dst_port = 25};
    uint32_t src = n * 2654435761u;

    tuple.src.family = tuple.dst.family = n % 7 == 0 ? 6 : 4;
    memcpy(tuple.src.bytes, &src, sizeof(src));
    tuple.dst.bytes[0] = 192;
    tuple.dst.bytes[3] = 1;
    return tuple;
}

static inline struct mt_tuple tuple_reversed(const struct mt_tuple *tuple)
{
    return (struct mt_tuple){
        .src = tuple->dst, .dst = tuple->src, .src_port = tuple->dst_port, .dst_port = tuple->src_port};
}

static inline struct look_up look_up_of(const struct mt_flow_table *table, const struct mt_tuple *tuple)
{
    struct look_up l;

    l.hash = mt_flow_key_of(table, tuple, &l.key, &l.swapped);
    return l;
}

static inline struct look_up look_up_number(const struct mt_flow_table *table, uint32_t n)
{
    struct mt_tuple tuple = tuple_of(n);
    return look_up_of(table, &tuple);
}

static inline struct mt_flow *find_number(struct mt_flow_table *table, uint32_t n)
{
    struct look_up l = look_up_number(table, n);
    return mt_flow_find(table, &l.key, l.hash);
}

static inline struct mt_flow *add_number(struct mt_flow_table *table, uint32_t n, uint64_t now,
                                         uint32_t timeout_seconds)
{
    struct look_up l = look_up_number(table, n);
    return mt_flow_add(table, &l.key, l.hash, now, timeout_seconds);
}

#endif
