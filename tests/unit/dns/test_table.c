#include "base/mark.h"
#include "dns/table.h"
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static struct mt_stats stats;

static struct mt_span text(const char *name)
{
    return mt_span_cstr(name);
}

static struct mt_dns_answer answer_a(const char *name, uint64_t seconds, uint32_t ttl, uint8_t last)
{
    struct mt_dns_answer answer = {
        .time = seconds * MT_SEC, .ttl = ttl, .type = MT_DNS_A, .item_count = 1, .size = 6};

    answer.name.size = (uint8_t)strlen(name);
    memcpy(answer.name.text, name, answer.name.size);
    memcpy(answer.items, (uint8_t[]){0, 4, 192, 0, 2, last}, 6);
    return answer;
}

static void put(struct mt_dns_table *table, const char *name, uint64_t seconds, uint32_t ttl, uint8_t last)
{
    struct mt_dns_answer answer = answer_a(name, seconds, ttl, last);
    mt_dns_table_put(table, &answer);
}

static enum mt_dns_found has(const struct mt_dns_table *table, const char *name, uint8_t last, uint64_t from,
                             uint64_t until)
{
    struct mt_ip ip = {.family = 4, .bytes = {192, 0, 2, last}};
    return mt_dns_find_address(table, text(name), &ip,
                               (struct mt_dns_span){.from = from * MT_SEC, .until = until * MT_SEC});
}

static int begin(void **state)
{
    struct mt_dns_table *table;

    memset(&stats, 0, sizeof(stats));
    assert_int_equal(mt_dns_table_create(1, &stats, &table), 0);
    *state = table;
    return 0;
}

static int end(void **state)
{
    mt_dns_table_destroy(*state);
    return 0;
}

static void a_name_is_found_in_any_case_and_with_the_dot_of_the_root(void **state)
{
    put(*state, "mx.example.org", 100, 300, 1);
    assert_int_equal(has(*state, "MX.Example.org.", 1, 110, 120), MT_DNS_FOUND);
    assert_int_equal(has(*state, "mx.example.org", 2, 110, 120), MT_DNS_NONE);
    assert_int_equal(has(*state, "mx.example.com", 1, 110, 120), MT_DNS_UNKNOWN);
    assert_int_equal(has(*state, "", 1, 110, 120), MT_DNS_UNKNOWN);
}

static void an_answer_holds_for_its_ttl_and_at_least_for_ten_seconds(void **state)
{
    put(*state, "a.example", 100, 60, 1);
    put(*state, "b.example", 100, 0, 1);
    assert_int_equal(has(*state, "a.example", 1, 160, 170), MT_DNS_FOUND);
    assert_int_equal(has(*state, "a.example", 1, 161, 170), MT_DNS_UNKNOWN);
    assert_int_equal(has(*state, "a.example", 1, 90, 100), MT_DNS_UNKNOWN);
    assert_int_equal(has(*state, "b.example", 1, 110, 111), MT_DNS_FOUND);
    assert_int_equal(has(*state, "b.example", 1, 111, 112), MT_DNS_UNKNOWN);
}

static void a_look_back_finds_what_was_said_then(void **state)
{
    put(*state, "a.example", 100, 300, 1);
    put(*state, "a.example", 200, 300, 2);
    assert_int_equal(has(*state, "a.example", 1, 110, 120), MT_DNS_FOUND);
    assert_int_equal(has(*state, "a.example", 2, 110, 120), MT_DNS_NONE);
    assert_int_equal(has(*state, "a.example", 2, 110, 201), MT_DNS_FOUND);
}

static void what_is_said_again_in_time_holds_longer_and_takes_no_room(void **state)
{
    for (unsigned i = 0; i < 10000; i++)
        put(*state, "a.example", 100 + i, 60, 1);
    assert_int_equal(has(*state, "a.example", 1, 105, 106), MT_DNS_FOUND);
    assert_int_equal(has(*state, "a.example", 1, 10159, 10160), MT_DNS_FOUND);
    assert_int_equal(mt_stats_get(&stats, MT_COUNTER_DNS_FORGOTTEN), 0);
    /* behind its end it is something new: nothing held in between */
    put(*state, "a.example", 20000, 60, 1);
    assert_int_equal(has(*state, "a.example", 1, 15000, 15001), MT_DNS_UNKNOWN);
}

static void a_name_that_does_not_exist_has_nothing_of_any_type(void **state)
{
    struct mt_dns_answer answer = {.time = 100 * MT_SEC, .ttl = 60, .type = MT_DNS_MX, .is_missing = true};
    struct mt_dns_values values;
    struct mt_dns_span span = {.from = 100 * MT_SEC, .until = 150 * MT_SEC};

    answer.name.size = 9;
    memcpy(answer.name.text, "a.example", 9);
    mt_dns_table_put(*state, &answer);
    assert_int_equal(mt_dns_find(*state, text("a.example"), MT_DNS_A, span, &values), MT_DNS_NONE);
    assert_true(values.is_missing);
    put(*state, "a.example", 101, 60, 1); /* but what came later is true */
    assert_int_equal(mt_dns_find(*state, text("a.example"), MT_DNS_A, span, &values), MT_DNS_FOUND);
}

static void the_oldest_answers_give_way_and_are_counted(void **state)
{
    char name[32];
    unsigned known = 0;

    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "host-%u.example", i);
        put(*state, name, 100, 3600, (uint8_t)i);
    }
    for (unsigned i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "host-%u.example", i);
        enum mt_dns_found found = has(*state, name, (uint8_t)i, 100, 101);
        assert_int_not_equal(found, MT_DNS_NONE);
        assert_true(found == MT_DNS_FOUND || known == 0); /* from one on all are there */
        known += found == MT_DNS_FOUND;
    }
    assert_true(known > 500);
    assert_int_equal(known + mt_stats_get(&stats, MT_COUNTER_DNS_FORGOTTEN), 5000);
}

static void answers_of_any_size_go_round_the_ring(void **state)
{
    char name[32];

    for (unsigned i = 0; i < 2000; i++) {
        struct mt_dns_answer answer;
        snprintf(name, sizeof(name), "host-%u.example", i);
        answer = answer_a(name, 100 + i, 3600, (uint8_t)i);
        size_t filler = i * 37 % 4000;
        answer.items[6] = (uint8_t)(filler >> 8);
        answer.items[7] = (uint8_t)filler;
        memset(answer.items + 8, 'x', filler);
        answer.size = (uint16_t)(8 + filler);
        answer.item_count = 2;
        mt_dns_table_put(*state, &answer);
        assert_int_equal(has(*state, name, (uint8_t)i, 100 + i, 101 + i), MT_DNS_FOUND);
    }
}

static void addresses_have_names_in_the_reverse_zones(void **state)
{
    (void)state;
    struct mt_dns_name name;
    struct mt_ip ip;

    assert_true(mt_ip_parse(text("192.0.2.5"), &ip));
    mt_dns_reverse_name(&ip, &name);
    assert_int_equal(name.size, 22);
    assert_memory_equal(name.text, "5.2.0.192.in-addr.arpa", 22);
    assert_true(mt_ip_parse(text("2001:db8::567:89ab"), &ip));
    mt_dns_reverse_name(&ip, &name);
    assert_int_equal(name.size, 72);
    /* RFC 3596 §2.5 has this form */
    assert_memory_equal(name.text, "b.a.9.8.7.6.5.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa",
                        72);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_name_is_found_in_any_case_and_with_the_dot_of_the_root, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_holds_for_its_ttl_and_at_least_for_ten_seconds, begin, end),
        cmocka_unit_test_setup_teardown(a_look_back_finds_what_was_said_then, begin, end),
        cmocka_unit_test_setup_teardown(what_is_said_again_in_time_holds_longer_and_takes_no_room, begin,
                                        end),
        cmocka_unit_test_setup_teardown(a_name_that_does_not_exist_has_nothing_of_any_type, begin, end),
        cmocka_unit_test_setup_teardown(the_oldest_answers_give_way_and_are_counted, begin, end),
        cmocka_unit_test_setup_teardown(answers_of_any_size_go_round_the_ring, begin, end),
        cmocka_unit_test(addresses_have_names_in_the_reverse_zones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
