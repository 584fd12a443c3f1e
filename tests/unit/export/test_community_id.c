/* Community ID v1. The first two texts are from the specification's baseline;
 * the others were made with hashlib after its pseudocode. */
#include "export/community_id.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_id(const char *src, uint16_t src_port, const char *dst, uint16_t dst_port,
                      const char *expected)
{
    struct mt_tuple tuple = {.src_port = src_port, .dst_port = dst_port};
    uint8_t text[MT_COMMUNITY_ID_SIZE];

    assert_true(mt_ip_parse(mt_span_cstr(src), &tuple.src));
    assert_true(mt_ip_parse(mt_span_cstr(dst), &tuple.dst));
    mt_community_id(&tuple, text);
    assert_int_equal(strlen(expected), sizeof(text));
    assert_memory_equal(text, expected, sizeof(text));
}

static void the_ids_are_those_of_the_specification(void **state)
{
    (void)state;
    assert_id("128.232.110.120", 34855, "66.35.250.204", 80, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    assert_id("2001:470:e5bf:dead:4957:2174:e82c:4887", 63943, "2607:f8b0:400c:c03::1a", 25,
              "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=");
}

static void both_directions_have_the_same_id(void **state)
{
    (void)state;
    assert_id("66.35.250.204", 80, "128.232.110.120", 34855, "1:LQU9qZlK+B5F3KDmev6m5PMibrg=");
    assert_id("2607:f8b0:400c:c03::1a", 25, "2001:470:e5bf:dead:4957:2174:e82c:4887", 63943,
              "1:/qFaeAR+gFe1KYjMzVDsMv+wgU4=");
    assert_id("192.168.1.10", 4000, "10.0.0.25", 25, "1:ThehBbvax51XYA+1ehqB80dCFHk=");
}

static void ports_give_the_order_between_equal_addresses(void **state)
{
    (void)state;
    assert_id("10.0.0.1", 2525, "10.0.0.1", 25, "1:bxcLdIIpiYXLctJKewX3vX3FPbM=");
    assert_id("10.0.0.1", 25, "10.0.0.1", 2525, "1:bxcLdIIpiYXLctJKewX3vX3FPbM=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_ids_are_those_of_the_specification),
        cmocka_unit_test(both_directions_have_the_same_id),
        cmocka_unit_test(ports_give_the_order_between_equal_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
