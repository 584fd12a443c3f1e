/* A member and a made-up topic: messages that are gone, one that was made anew, a place
 * that can't be gone to at once. */
#include "member.h"

#include "sigma/wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const char rules[] =
    "title: a\nname: a\nlogsource: {product: mailtap, service: smtp, category: session}\n"
    "detection: {selection: {destination.port: 25}, condition: selection}\n"
    "---\ntitle: two\nname: two\n"
    "correlation: {type: event_count, rules: [a], group-by: [source.ip], timespan: 60s, condition: {gte: "
    "2}}\n";

static struct mt_sigma *sigma;
static struct mt_member *member;
static char complaints[4096];

/* --- the topic: marks, each at its offset ------------------------------------------ */

static struct {
    int64_t next;   /* to be read */
    int64_t end;    /* nothing from here on */
    int64_t sought; /* INT64_MIN: not */
    int64_t committed;
    unsigned refusals; /* of seeks, to come */
    uint8_t bytes[512];
} fake;

bool mt_topic_poll(struct mt_topic *topic, uint32_t wait_ms, struct mt_topic_message *ret_message)
{
    (void)topic;
    (void)wait_ms;
    if (fake.next >= fake.end)
        return false;
    struct mt_sigma_sender sender = {.run = 1, .number = (uint64_t)fake.next};
    struct mt_buf b = mt_buf(fake.bytes, sizeof(fake.bytes));
    mt_sigma_mark_write(&sender, (uint64_t)fake.next + 1, &b);
    *ret_message = (struct mt_topic_message){.offset = fake.next++, .stamp = 1, .bytes = mt_buf_span(&b)};
    return true;
}

bool mt_topic_seek(struct mt_topic *topic, int32_t partition, int64_t offset)
{
    (void)topic;
    (void)partition;
    if (fake.refusals > 0) {
        fake.refusals--;
        return false;
    }
    fake.sought = offset;
    fake.next = offset == MT_TOPIC_OFFSET_BEGINNING ? 0 : offset;
    return true;
}

bool mt_topic_commit(struct mt_topic *topic, int32_t partition, int64_t offset, const char *note)
{
    (void)topic;
    (void)partition;
    (void)note;
    fake.committed = offset;
    return true;
}

int64_t mt_topic_put(struct mt_topic *topic, int32_t partition, struct mt_span bytes)
{
    (void)topic;
    (void)partition;
    (void)bytes;
    return -1;
}

const char *mt_topic_error(struct mt_topic *topic)
{
    (void)topic;
    return "the topic says no";
}

/* --- the member --------------------------------------------------------------------- */

static bool on_alert(void *ctx, const struct mt_record_alert *alert, enum mt_level level)
{
    (void)ctx;
    (void)alert;
    (void)level;
    return true;
}

static bool is_safe(void *ctx)
{
    (void)ctx;
    return true;
}

static void on_complaint(void *ctx, const char *sentence)
{
    (void)ctx;
    size_t size = strlen(complaints);
    snprintf(complaints + size, sizeof(complaints) - size, "%s\n", sentence);
}

static int set_up(void **state)
{
    const struct mt_sigma_config config = {.evaluators = 1};
    (void)state;
    assert_int_equal(mt_sigma_load_text(&config, "f.yml", mt_span_cstr(rules), &sigma), 0);
    const struct mt_member_config own = {.share = {.sigma = sigma, .patience = 60 * MT_SEC},
                                         .state_every = 3600 * MT_SEC,
                                         .alert = on_alert,
                                         .is_safe = is_safe,
                                         .complain = on_complaint};
    member = mt_member_create(&own);
    assert_non_null(member);
    memset(&fake, 0, sizeof(fake));
    fake.sought = INT64_MIN;
    complaints[0] = '\0';
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    mt_member_destroy(member);
    mt_sigma_destroy(sigma);
    return 0;
}

static uint64_t counter(enum mt_counter of)
{
    static struct mt_stats stats;
    memset(&stats, 0, sizeof(stats));
    mt_member_count(member, &stats);
    return mt_stats_get(&stats, of);
}

static void test_gone_messages(void **state)
{
    (void)state;
    assert_int_equal(mt_member_assigned(member, 0, MT_TOPIC_OFFSET_NONE, 0, ""), MT_TOPIC_OFFSET_BEGINNING);
    fake.next = 5; /* who begins has missed nothing */
    fake.end = 8;
    mt_member_run(member, 10);
    assert_string_equal(complaints, "");
    fake.next = 20;
    fake.end = 22;
    mt_member_run(member, 10);
    assert_non_null(strstr(complaints, "partition 0: 12 messages were gone before they were read"));
    assert_int_equal(counter(MT_COUNTER_CORRELATE_MISSED), 12);
}

static void test_gone_committed(void **state)
{
    (void)state;
    assert_int_equal(mt_member_assigned(member, 0, 10, 100, ""), MT_TOPIC_OFFSET_BEGINNING);
    fake.next = 40; /* the oldest there is */
    fake.end = 100;
    mt_member_run(member, 10);
    assert_non_null(strstr(complaints, "partition 0: 30 messages were gone before they were read"));
}

/* What is committed of the old one keeps nobody silent about the new one. */
static void test_made_anew(void **state)
{
    (void)state;
    assert_int_equal(mt_member_assigned(member, 0, 1000, 3, "1 900 1000"), MT_TOPIC_OFFSET_BEGINNING);
    assert_non_null(strstr(complaints, "1000 messages are committed, and 3 are there"));
    fake.end = 3;
    mt_member_run(member, 10);
    mt_member_revoked(member, 0, false);
    assert_int_equal(fake.committed, 3);
}

/* Its state is not where it should be, and it can't go back at once. */
static void test_seek_refused(void **state)
{
    (void)state;
    assert_int_equal(mt_member_assigned(member, 0, 6, 10, "1 4 6"), 4);
    fake.refusals = 1;
    fake.next = 4;
    fake.end = 10;
    while (fake.sought == INT64_MIN || fake.next < fake.end)
        mt_member_run(member, 10);
    assert_int_equal(fake.sought, MT_TOPIC_OFFSET_BEGINNING);
    assert_non_null(strstr(complaints, "the topic says no; it is tried again"));
    assert_int_equal(counter(MT_COUNTER_CORRELATE_MESSAGES), 1 + 10);
    assert_int_equal(counter(MT_COUNTER_CORRELATE_MISSED), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_gone_messages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_gone_committed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_seek_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("member", tests, NULL, NULL);
}
