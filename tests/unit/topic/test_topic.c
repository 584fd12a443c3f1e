/* Properties of librdkafka that a topic takes, and those that it sets itself. */
#include "topic/topic.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static int64_t on_assigned(void *ctx, int32_t partition, int64_t committed, int64_t end, const char *note)
{
    (void)ctx;
    (void)partition;
    (void)end;
    (void)note;
    return committed;
}

static void on_revoked(void *ctx, int32_t partition, bool is_lost)
{
    (void)ctx;
    (void)partition;
    (void)is_lost;
}

static int create(const char *property, char *ret_reason, size_t size)
{
    struct mt_topic *topic = NULL;
    const struct mt_topic_config config = {
        .brokers = "127.0.0.1:1",
        .topic = "mail",
        .group = "mailtap",
        .properties = &property,
        .property_count = 1,
        .timeout_ms = 100,
        .assigned = on_assigned,
        .revoked = on_revoked,
    };
    int rc = mt_topic_create(&config, ret_reason, size, &topic);
    if (rc == 0)
        mt_topic_destroy(topic);
    return rc;
}

static void properties_that_are_relied_on_are_refused(void **state)
{
    static const char *const own[] = {
        "enable.auto.commit=true",
        "auto.commit.enable=true",
        "auto.offset.reset=latest",
        "group.id=other",
        "enable.idempotence=false",
        "partition.assignment.strategy=cooperative-sticky",
        "transactional.id=x",
        "message.timeout.ms=0",
        "bootstrap.servers=elsewhere:9092",
    };
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(own); i++) {
        char reason[256] = "";
        if (create(own[i], reason, sizeof(reason)) != -EINVAL)
            fail_msg("%s is taken", own[i]);
        assert_non_null(strstr(reason, "is mailtap's own to set"));
        assert_memory_equal(reason, own[i], strcspn(own[i], "="));
    }
}

static void others_are_taken(void **state)
{
    char reason[256] = "";
    (void)state;
    assert_int_equal(create("session.timeout.ms=6000", reason, sizeof(reason)), 0);
    assert_int_equal(create("client.id=tap", reason, sizeof(reason)), 0);
    assert_int_equal(create("session.timeout.ms=never", reason, sizeof(reason)), -EINVAL);
    assert_int_equal(create("compression.type", reason, sizeof(reason)), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(properties_that_are_relied_on_are_refused),
        cmocka_unit_test(others_are_taken),
    };
    return cmocka_run_group_tests_name("topic", tests, NULL, NULL);
}
