#include "pipeline/parcel_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void text(uint8_t *to, uint16_t *size, const char *from)
{
    *size = (uint16_t)strlen(from);
    memcpy(to, from, *size);
}

static struct mt_observation probe(void)
{
    struct mt_observation o = {.mark = {.time = 5, .number = 7}, .kind = MT_OBSERVE_PROBE, .code = 252};
    text(o.subject, &o.subject_size, "anna@example.com");
    text(o.domain, &o.domain_size, "example.com");
    text(o.queue_id, &o.queue_id_size, "4ABC");
    o.evidence_count = 2;
    for (int i = 0; i < 2; i++) {
        o.evidence[i].time = (uint64_t)i;
        text(o.evidence[i].text, &o.evidence[i].size, i ? "252 maybe" : "VRFY anna");
    }
    return o;
}

static void what_is_unpacked_is_what_was_packed(void **state)
{
    (void)state;
    struct mt_observation o = probe();
    uint8_t bytes[sizeof(o)];
    size_t size = mt_parcel_size(&o);
    assert_true(size < sizeof(o) / 4);
    memset(bytes, 0xee, sizeof(bytes));
    mt_parcel_pack(&o, bytes);
    assert_int_equal(bytes[size], 0xee);
    struct mt_observation back = {0};
    mt_parcel_unpack(bytes, &back);
    assert_memory_equal(&back, &o, sizeof(o));
}

static void full_texts_fit_and_sizes_beyond_them_are_not_believed(void **state)
{
    (void)state;
    struct mt_observation o = probe();
    o.subject_size = o.domain_size = o.queue_id_size = UINT16_MAX;
    o.evidence_count = UINT8_MAX;
    for (int i = 0; i < MT_EVIDENCE_MAX; i++)
        o.evidence[i].size = UINT16_MAX;
    uint8_t bytes[sizeof(o)];
    assert_true(mt_parcel_size(&o) <= sizeof(bytes));
    mt_parcel_pack(&o, bytes);
    struct mt_observation back = {0};
    mt_parcel_unpack(bytes, &back);
    assert_memory_equal(&back, &o, sizeof(o));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_unpacked_is_what_was_packed),
        cmocka_unit_test(full_texts_fit_and_sizes_beyond_them_are_not_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
