#include "base/hash.h"
#include "pipeline/tally.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static struct mt_record_session record_of(uint32_t client)
{
    struct mt_record_session record = {0};
    record.source_ip = (struct mt_ip){
        .family = 4, .bytes = {10, (uint8_t)(client >> 16), (uint8_t)(client >> 8), (uint8_t)client}};
    record.destination_ip = (struct mt_ip){.family = 4, .bytes = {10, 255, 0, 1}};
    return record;
}

static void the_busiest_hosts_come_first_and_ties_in_address_order(void **state)
{
    (void)state;
    struct mt_tally *tally = calloc(1, sizeof(*tally));
    for (uint32_t client = 0; client < 20; client++) {
        struct mt_record_session record = record_of(client);
        for (uint32_t i = 0; i < (client == 7 ? 9u : client == 3 ? 5u : 1u); i++)
            mt_tally_add(tally, &record);
    }
    const struct mt_tally_host *top[3];
    assert_int_equal(mt_tally_top(&tally->clients, top, 3), 3);
    assert_int_equal(top[0]->ip.bytes[3], 7);
    assert_int_equal(top[1]->ip.bytes[3], 3);
    assert_int_equal(top[2]->ip.bytes[3], 0);
    assert_int_equal(tally->sessions, 18 + 9 + 5);
    free(tally);
}

static void merging_is_the_same_as_counting_in_one_place(void **state)
{
    (void)state;
    struct mt_tally *one = calloc(1, sizeof(*one));
    struct mt_tally *parts[2] = {calloc(1, sizeof(*one)), calloc(1, sizeof(*one))};
    static const char *anomaly;
    anomaly = mt_anomaly_name(MT_ANOMALY_BARE_LF);
    for (uint32_t client = 0; client < 100; client++) {
        struct mt_record_session record = record_of(client % 13);
        record.anomalies = (struct mt_names){.items = &anomaly, .count = client % 2};
        record.direction = client % 5 ? "both" : "client_only";
        mt_tally_add(one, &record);
        mt_tally_add(parts[client % 3 == 0], &record);
    }
    mt_tally_merge(parts[0], parts[1]);
    assert_int_equal(parts[0]->sessions, one->sessions);
    assert_int_equal(parts[0]->one_way, 20);
    assert_int_equal(parts[0]->anomalies[MT_ANOMALY_BARE_LF], 50);
    assert_int_equal(parts[0]->clients.count, 13);
    const struct mt_tally_host *a[13];
    const struct mt_tally_host *b[13];
    assert_int_equal(mt_tally_top(&parts[0]->clients, a, 13), mt_tally_top(&one->clients, b, 13));
    for (size_t i = 0; i < 13; i++) {
        assert_true(mt_ip_eq(&a[i]->ip, &b[i]->ip));
        assert_int_equal(a[i]->sessions, b[i]->sessions);
    }
    free(parts[0]);
    free(parts[1]);
    free(one);
}

static void hosts_beyond_the_table_are_counted_as_others(void **state)
{
    (void)state;
    struct mt_tally *tally = calloc(1, sizeof(*tally));
    for (uint32_t client = 0; client < MT_TALLY_HOSTS; client++) {
        struct mt_record_session record = record_of(client);
        mt_tally_add(tally, &record);
    }
    assert_int_equal(tally->clients.count + tally->clients.others, MT_TALLY_HOSTS);
    assert_true(tally->clients.others > 0);
    free(tally);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_busiest_hosts_come_first_and_ties_in_address_order),
        cmocka_unit_test(merging_is_the_same_as_counting_in_one_place),
        cmocka_unit_test(hosts_beyond_the_table_are_counted_as_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
