/* Matches of rules on their way to alerts. */
#include "pipeline/match_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void no_length_of_what_a_sender_writes_keeps_an_alert_back(void **state)
{
    (void)state;
    static uint8_t packed[MT_MATCH_MAX];
    static uint8_t value[256];
    static char description[2048];
    struct mt_sigma_evidence evidence[MT_SIGMA_EVIDENCE_MAX];
    memset(value, 1, sizeof(value)); /* each becomes four characters */
    memset(description, 'd', sizeof(description) - 1);
    for (size_t i = 0; i < MT_ARRAY_COUNT(evidence); i++)
        evidence[i] = (struct mt_sigma_evidence){.path = "smtp.transactions.recipients.address",
                                                 .value = mt_span(value, sizeof(value))};
    const struct mt_sigma_rule rule = {.title = "title", .name = "name", .description = description};
    const struct mt_record_session session = {.timestamp = 1};
    const struct mt_sigma_match match = {
        .rule = &rule, .session = &session, .evidence = evidence, .evidence_count = MT_ARRAY_COUNT(evidence)};
    struct mt_buf b = mt_buf(packed, sizeof(packed));
    struct mt_match_alert alert;
    assert_true(mt_match_pack(&match, false, &b));
    mt_match_unpack(mt_buf_span(&b), mt_span_cstr("o"), "1", &alert);
    assert_true(alert.alert.evidence.count > 3);
    assert_true(alert.alert.evidence.count < MT_SIGMA_EVIDENCE_MAX);
    for (uint32_t i = 0; i < alert.alert.evidence.count; i++)
        assert_true(alert.alert.evidence.items[i].size > 700);
    assert_string_equal(alert.alert.rule_name, "name");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_length_of_what_a_sender_writes_keeps_an_alert_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
