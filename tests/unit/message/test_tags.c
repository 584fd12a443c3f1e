/* Tags of DKIM-Signature and ARC-Seal. */
#include "message/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_tag(const char *value, const char *name, const char *expected)
{
    struct mt_span tag = mt_message_tag(mt_span_cstr(value), name);

    if (expected == NULL)
        assert_null(tag.ptr);
    else
        assert_true(tag.ptr != NULL && mt_span_eq(tag, mt_span_cstr(expected)));
}

static void a_tag_is_what_stands_behind_its_name(void **state)
{
    (void)state;
    const char *value = "v=1; a=rsa-sha256;\td = example.org ;bh=ab==; s=one; s=two; =x; nothing;b=";

    assert_tag(value, "v", "1");
    assert_tag(value, "d", "example.org");
    assert_tag(value, "D", "example.org");
    assert_tag(value, "bh", "ab==");
    assert_tag(value, "s", "one");
    assert_tag(value, "b", "");
    assert_tag(value, "h", NULL);
    assert_tag(value, "nothing", NULL);
    assert_tag("", "d", NULL);
    assert_tag(";;;", "d", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_tag_is_what_stands_behind_its_name)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
