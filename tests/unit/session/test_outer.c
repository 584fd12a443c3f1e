/* What a session's packets were wrapped in, from opening to record. */
#include "session/session.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct taken {
    uint32_t count;
    struct mt_record_outer outers[MT_OUTER_MAX];
    char ids[MT_OUTER_MAX][16];
    uint32_t truncated;
    bool has_id[MT_OUTER_MAX];
};

static void take(void *ctx, struct mt_record_session *record)
{
    struct taken *taken = ctx;
    taken->count = record->network_outer.count;
    taken->truncated = record->truncated.count;
    for (uint32_t i = 0; i < taken->count; i++) {
        const struct mt_record_outer *outer = &record->network_outer.items[i];
        taken->outers[i] = *outer;
        taken->has_id[i] = outer->outer_id.ptr != NULL;
        if (taken->has_id[i])
            memcpy(taken->ids[i], outer->outer_id.ptr, outer->outer_id.size);
    }
}

static void ignore(void *ctx, const struct mt_observation *observation)
{
    (void)ctx;
    (void)observation;
}

static struct taken record_of(const struct mt_outer *outer)
{
    static const struct mt_session_events events = {.record = take, .observation = ignore};
    static struct mt_stats stats;
    struct taken taken = {0};
    struct mt_session_engine *engine;
    struct mt_arena *arena;
    struct mt_session_config config = {.sessions_max = 4};
    struct mt_mark mark = {.time = 1, .number = 1};
    struct mt_session_open open = {.first = mark, .vlan = UINT16_MAX, .outer = outer};
    assert_true(mt_ip_parse(mt_span_cstr("2001:db8::1"), &open.tuple.src));
    assert_true(mt_ip_parse(mt_span_cstr("2001:db8::2"), &open.tuple.dst));

    assert_int_equal(mt_arena_create(1 << 20, &arena), 0);
    assert_int_equal(mt_session_engine_create(&config, arena, &events, &taken, &stats, &engine), 0);
    struct mt_session *session = mt_session_open(engine, &open);
    assert_non_null(session);
    mt_session_count(session, MT_CLIENT, 2, 100, &mark);
    mt_session_count(session, MT_SERVER, 1, 50, &mark);
    mt_session_close(engine, session, MT_SESSION_END_FIN);
    mt_session_engine_destroy(engine);
    mt_arena_destroy(arena);
    return taken;
}

static void a_session_in_nothing_has_no_list(void **state)
{
    (void)state;
    assert_int_equal(record_of(NULL).count, 0);
}

static void layers_keep_their_order_ids_and_addresses(void **state)
{
    (void)state;
    struct mt_outer outer = {
        .count = 3,
        .layers = {{.type = MT_OUTER_VLAN, .has_id = true, .id = 0},
                   {.type = MT_OUTER_GRE},
                   {.type = MT_OUTER_GTP, .has_id = true, .id = UINT32_MAX}},
    };
    assert_true(mt_ip_parse(mt_span_cstr("192.0.2.7"), &outer.layers[1].src));
    assert_true(mt_ip_parse(mt_span_cstr("192.0.2.8"), &outer.layers[1].dst));
    assert_true(mt_ip_parse(mt_span_cstr("2001:db8:f::7"), &outer.layers[2].src));
    assert_true(mt_ip_parse(mt_span_cstr("2001:db8:f::8"), &outer.layers[2].dst));
    struct taken taken = record_of(&outer);
    assert_int_equal(taken.count, 3);
    static const char *const types[] = {"vlan", "gre", "gtp"};
    for (uint32_t i = 0; i < 3; i++) {
        assert_string_equal(taken.outers[i].outer_type, types[i]);
        assert_true(mt_ip_eq(&taken.outers[i].outer_source_ip, &outer.layers[i].src));
        assert_true(mt_ip_eq(&taken.outers[i].outer_destination_ip, &outer.layers[i].dst));
    }
    assert_string_equal(taken.ids[0], "0");
    assert_false(taken.has_id[1]);
    assert_string_equal(taken.ids[2], "4294967295");
}

static void as_many_layers_as_there_may_be_are_kept(void **state)
{
    (void)state;
    struct mt_outer outer = {.count = MT_OUTER_MAX};
    for (uint32_t i = 0; i < MT_OUTER_MAX; i++) {
        outer.layers[i] = (struct mt_outer_layer){.type = MT_OUTER_TEREDO, .has_id = true, .id = i};
        assert_true(mt_ip_parse(mt_span_cstr("2001:db8:f::7"), &outer.layers[i].src));
        assert_true(mt_ip_parse(mt_span_cstr("2001:db8:f::8"), &outer.layers[i].dst));
    }
    struct taken taken = record_of(&outer);
    assert_int_equal(taken.count, MT_OUTER_MAX);
    assert_int_equal(taken.truncated, 0);
    assert_string_equal(taken.ids[MT_OUTER_MAX - 1], "15");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_in_nothing_has_no_list),
        cmocka_unit_test(layers_keep_their_order_ids_and_addresses),
        cmocka_unit_test(as_many_layers_as_there_may_be_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
