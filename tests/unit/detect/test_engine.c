#include "world.h"

#include "detect/table_priv.h"
#include "detect/window_priv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct world world;

struct item {
    struct mt_table_entry entry;
    uint64_t value;
};

static struct mt_hash128 key(uint64_t n)
{
    /* Few different slots, so that probing sequences run into each other, of
     * which some part when the table grows. */
    return (struct mt_hash128){.word = {n % 7 + n % 3 * 64, n}};
}

struct model {
    uint64_t n;
    uint64_t moved;
};

/* The table against a list: who is used goes to the front, unless an eighth of all
 * or fewer have gone there since it did. */
static void compare_with_a_list(uint32_t count_max, uint32_t keys)
{
    struct mt_table table;
    struct mt_table_config config = {
        .entry_size = sizeof(struct item), .zeroed_size = sizeof(struct item), .count_max = count_max};
    struct model model[300];
    size_t model_count = 0;
    uint64_t moves = 0;
    uint32_t random = 5;

    assert_int_equal(mt_table_init(&table, &config), 0);
    for (int round = 0; round < 50000; round++) {
        random = random * 1664525 + 1013904223;
        uint64_t n = 1 + (random >> 16) % keys;
        size_t at = 0;
        while (at < model_count && model[at].n != n)
            at++;
        bool is_known = at < model_count;

        if ((random >> 10) % 4 == 0) {
            const struct item *found = mt_table_find(&table, key(n));
            assert_int_equal(found != NULL, is_known);
            if (!found)
                continue;
            assert_int_equal(found->value, n);
        } else {
            bool is_evicted;
            struct item *item = mt_table_take(&table, key(n), &is_evicted);
            assert_int_equal(is_evicted, !is_known && model_count == count_max);
            assert_int_equal(item->value, is_known ? n : 0);
            item->value = n;
        }
        if (is_known && moves - model[at].moved <= count_max / 8)
            continue;
        if (!is_known)
            at = model_count < count_max ? model_count++ : count_max - 1;
        memmove(model + 1, model, at * sizeof(model[0]));
        model[0] = (struct model){.n = n, .moved = ++moves};
        assert_int_equal(table.count, model_count);
    }
    mt_table_fini(&table);
}

static void a_table_forgets_who_was_not_used_for_long(void **state)
{
    (void)state;
    compare_with_a_list(20, 60);
}

static void a_table_that_grows_keeps_what_it_holds(void **state)
{
    (void)state;
    compare_with_a_list(300, 400);
}

static void a_window_is_exact_up_to_its_ring(void **state)
{
    (void)state;
    enum { SPAN = 1000 };
    static uint64_t times[4000];
    static uint64_t items[4000];
    struct mt_window w = {0};
    struct mt_window_large large;
    uint32_t random = 77;
    uint64_t now = 1;
    size_t total = 0;

    for (int round = 0; round < 4000; round++) {
        random = random * 1664525 + 1013904223;
        now += (random >> 16) % (round < 1000 ? 700 : round < 2000 ? 120 : 20); /* sparse, then dense */
        times[total] = now;
        items[total] = (random >> 8) % 40 * UINT64_C(0x9E3779B97F4A7C15);
        mt_window_add(&w, &large, SPAN, now, items[total]);
        total++;

        uint64_t count = 0;
        uint64_t distinct = 0;
        for (size_t i = total; i-- > 0 && now - times[i] < SPAN;) {
            bool is_new = true;
            for (size_t j = i + 1; j < total && is_new; j++)
                is_new = items[j] != items[i];
            count++;
            distinct += is_new;
        }
        if (count < MT_WINDOW_EXACT)
            assert_int_equal(mt_window_count(&w, &large, SPAN, now), count);
        else
            assert_in_range(mt_window_count(&w, &large, SPAN, now), MT_WINDOW_EXACT, count);
        if (distinct < MT_WINDOW_EXACT)
            assert_int_equal(mt_window_distinct(&w, &large, SPAN, now), distinct);
    }
}

static void beyond_the_ring_at_least_half_the_window_counts(void **state)
{
    (void)state;
    struct mt_window w = {0};
    struct mt_window_large large;

    for (uint64_t now = 1; now < 50000; now++) {
        mt_window_add(&w, &large, 1000, now, now);
        if (now > 1000)
            assert_in_range(mt_window_count(&w, &large, 1000, now), 500, 1000);
    }
    assert_int_equal(mt_window_count(&w, &large, 1000, 49999 + 2000), 0);
    assert_int_equal(mt_window_distinct(&w, &large, 1000, 49999 + 2000), 0);
}

static void different_items_are_estimated_within_three_errors(void **state)
{
    (void)state;

    for (uint64_t size = 33; size < 200000; size = size * 3 / 2) {
        struct mt_window w = {0};
        struct mt_window_large large;
        for (uint64_t i = 0; i < size; i++) {
            uint64_t item = mt_hash_bytes(0, mt_span(&i, sizeof(i)));
            mt_window_add(&w, &large, UINT64_MAX / 4, 1, item);
            mt_window_add(&w, &large, UINT64_MAX / 4, 1, item);
        }
        uint64_t got = mt_window_distinct(&w, &large, UINT64_MAX / 4, 1);
        assert_in_range(got, size - size * 28 / 100, size + size * 28 / 100);
        assert_int_equal(mt_window_count(&w, &large, UINT64_MAX / 4, 1), 2 * size);
    }
}

static void a_full_table_lets_the_oldest_client_go_and_counts_it(void **state)
{
    (void)state;
    world_init(&world, true);
    world.config.clients_max = 4;
    world_open(&world);

    static const char *const names[] = {"a", "b", "c", "d"};
    for (int i = 0; i < 4; i++) {
        struct mt_observation o = world_probe(i, "203.0.113.5", names[i], 550);
        world_tell(&world, &o);
    }
    for (int i = 0; i < 4; i++) { /* as many others as there is room for */
        char client[32];
        snprintf(client, sizeof(client), "198.51.100.%d", i);
        struct mt_observation o = world_probe(10 + i, client, "x", 550);
        world_tell(&world, &o);
    }
    assert_int_equal(world_counter(&world, MT_COUNTER_DETECT_EVICTED), 1);
    struct mt_observation o = world_probe(20, "203.0.113.5", "e", 550);
    world_tell(&world, &o);
    assert_int_equal(world_count(&world, MT_FINDING_VRFY_PROBE), 0);
    assert_int_equal(world_counter(&world, MT_COUNTER_DETECT_EVICTED), 2);
    world_close(&world);
}

static void a_client_that_keeps_asking_is_not_pushed_out(void **state)
{
    (void)state;
    world_init(&world, true);
    world.config.clients_max = 4;
    world_open(&world);

    static const char *const names[] = {"a", "b", "c", "d", "e"};
    for (int i = 0; i < 5; i++) {
        struct mt_observation o = world_probe(i, "203.0.113.5", names[i], 550);
        world_tell(&world, &o);
        for (int j = 0; j < 3; j++) {
            char client[32];
            snprintf(client, sizeof(client), "198.51.100.%d", i * 3 + j);
            o = world_probe(i, client, "x", 550);
            world_tell(&world, &o);
        }
    }
    assert_int_equal(world_count(&world, MT_FINDING_VRFY_PROBE), 1);
    world_close(&world);
}

static void time_that_runs_backwards_counts_as_now(void **state)
{
    (void)state;
    world_init(&world, true);
    world_open(&world);

    for (int i = 0; i < 5; i++) {
        struct mt_observation o =
            world_probe(1000 - i * 500, "203.0.113.5", (const char *[]){"a", "b", "c", "d", "e"}[i], 550);
        if (i > 2)
            o.mark.time = 0;
        world_tell(&world, &o);
    }
    assert_int_equal(world_count(&world, MT_FINDING_VRFY_PROBE), 1);
    world_close(&world);
}

static void a_capture_that_starts_at_the_epoch_counts_too(void **state)
{
    (void)state;
    world_init(&world, true);
    world_open(&world);

    for (int i = 0; i < 5; i++) {
        struct mt_observation o =
            world_probe(0, "203.0.113.5", (const char *[]){"a", "b", "c", "d", "e"}[i], 550);
        o.mark.time = (uint64_t)i;
        for (unsigned e = 0; e < o.evidence_count; e++)
            o.evidence[e].time = (uint64_t)i;
        world_tell(&world, &o);
    }
    assert_int_equal(world_count(&world, MT_FINDING_VRFY_EXPN_USE), 1);
    assert_int_equal(world_count(&world, MT_FINDING_VRFY_PROBE), 1);
    world_close(&world);
}

static void thresholds_out_of_range_are_refused(void **state)
{
    (void)state;
    static const struct mt_detect_events events = {.alert = NULL};
    struct mt_detect_config zero = {0};
    struct mt_stats stats = {0};
    struct mt_detect *detect = NULL;

    assert_int_equal(
        mt_detect_create(&zero, &mt_site_default, mt_span_none(), "", &events, NULL, &stats, &detect),
        -EINVAL);
    assert_null(detect);
    mt_detect_destroy(NULL);
}

static void every_default_lies_in_its_range_and_belongs_to_a_rule(void **state)
{
    (void)state;
    static const struct {
        const char *rule;
        uint32_t fallback;
        uint32_t low;
        uint32_t high;
    } thresholds[] = {
#define MT_THRESHOLD(rule, member, key, fallback, low, high, meaning) {rule, fallback, low, high},
#include "detect/thresholds.def"
#undef MT_THRESHOLD
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(thresholds); i++) {
        bool is_known = false;
        assert_in_range(thresholds[i].fallback, thresholds[i].low, thresholds[i].high);
        for (int rule = 0; rule < MT_RULE_COUNT; rule++)
            is_known |= strcmp(thresholds[i].rule, mt_rule_name((enum mt_rule)rule)) == 0;
        for (int kind = 0; kind < MT_FINDING_COUNT; kind++)
            is_known |= strncmp(thresholds[i].rule, "smtp_", 5) == 0 &&
                        strcmp(thresholds[i].rule + 5, mt_finding_name((enum mt_finding_kind)kind)) == 0;
        assert_true(is_known);
    }
}

static void rules_and_levels_have_names_that_read_back(void **state)
{
    (void)state;

    for (int level = MT_LEVEL_INFORMATIONAL; level <= MT_LEVEL_CRITICAL; level++) {
        enum mt_level back = MT_LEVEL_INFORMATIONAL;
        assert_true(mt_level_parse(mt_span_cstr(mt_level_name((enum mt_level)level)), &back));
        assert_int_equal(back, level);
    }
    enum mt_level level = MT_LEVEL_LOW;
    assert_false(mt_level_parse(mt_span_cstr("severe"), &level));
    assert_false(mt_level_parse(mt_span_none(), &level));
    assert_int_equal(level, MT_LEVEL_LOW);
    assert_string_equal(mt_rule_name(MT_RULE_CAPTURE_LOSS), "capture_loss");
    assert_string_equal(mt_finding_name(MT_FINDING_VRFY_PROBE), "vrfy_probe");
    for (int kind = 0; kind < MT_FINDING_COUNT; kind++) {
        assert_true(strlen(mt_finding_meaning((enum mt_finding_kind)kind)) > 10);
        assert_true(strlen(mt_finding_unseen((enum mt_finding_kind)kind)) > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_table_forgets_who_was_not_used_for_long),
        cmocka_unit_test(a_table_that_grows_keeps_what_it_holds),
        cmocka_unit_test(a_window_is_exact_up_to_its_ring),
        cmocka_unit_test(beyond_the_ring_at_least_half_the_window_counts),
        cmocka_unit_test(different_items_are_estimated_within_three_errors),
        cmocka_unit_test(a_full_table_lets_the_oldest_client_go_and_counts_it),
        cmocka_unit_test(a_client_that_keeps_asking_is_not_pushed_out),
        cmocka_unit_test(time_that_runs_backwards_counts_as_now),
        cmocka_unit_test(a_capture_that_starts_at_the_epoch_counts_too),
        cmocka_unit_test(thresholds_out_of_range_are_refused),
        cmocka_unit_test(every_default_lies_in_its_range_and_belongs_to_a_rule),
        cmocka_unit_test(rules_and_levels_have_names_that_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
