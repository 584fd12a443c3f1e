/* Parameters of Content-Type and Content-Disposition: RFC 2045, 2231, 2047. */
#include "message/mime.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* expected: NULL when there is no such parameter. */
static void assert_parameter(const char *value, const char *key, const char *expected)
{
    uint8_t storage[1024];
    struct mt_buf text = mt_buf(storage, sizeof(storage) - 1);
    bool is_there = mt_mime_parameter(mt_span_cstr(value), key, NULL, NULL, &text);

    storage[text.size] = 0;
    assert_int_equal(is_there, expected != NULL);
    if (expected != NULL)
        assert_string_equal((char *)storage, expected);
}

static void plain_and_quoted_values_are_read(void **state)
{
    (void)state;
    assert_parameter("text/plain; charset=utf-8", "charset", "utf-8");
    assert_parameter("text/plain; CharSet = \"utf-8\" ; name=x", "charset", "utf-8");
    assert_parameter("a/b; name=\"a;b=c \\\"d\\\".txt\"; x=y", "name", "a;b=c \"d\".txt");
    assert_parameter("a/b; name=\"never closed", "name", "never closed");
    assert_parameter("a/b;name=", "name", "");
    assert_parameter("a/b", "name", NULL);
    assert_parameter("", "name", NULL);
    assert_parameter("name=x", "name", NULL); /* that is the type */
    assert_parameter("a/b; rename=x", "name", NULL);
    assert_parameter("a/b; name=one; name=two", "name", "one");
}

static void sections_are_joined_in_the_order_of_their_numbers(void **state)
{
    (void)state;
    assert_parameter("a/b; name*0=one; name*1=\" two\"; name*2=3", "name", "one two3");
    assert_parameter("a/b; name*1=two; name*0=one", "name", "onetwo");
    assert_parameter("a/b; name*0=one; name*2=three", "name", "one");
    assert_parameter("a/b; name*1=two", "name", NULL);
    assert_parameter("a/b; name*2=3; name*0=1; other*1=x; name*1=2; name*1=y; name*64=4; name*0=z", "name",
                     "123");
    assert_parameter("a/b; name*0=1; name*=utf-8''2; name=3", "name", "1");
    assert_parameter("a/b; name=3; name*=utf-8''2; name*1=1", "name", "2");
    assert_parameter("a/b; name*0*=utf-8'en'%e2%82; name*1*=%ac; name*2=%ac", "name", "\xe2\x82\xac%ac");
}

static void charsets_become_utf8(void **state)
{
    (void)state;
    assert_parameter("a/b; name*=iso-8859-1''caf%E9", "name", "caf\xc3\xa9");
    assert_parameter("a/b; name*=UTF-8''%e2%82%ac%2Etxt; name=euro.txt", "name", "\xe2\x82\xac.txt");
    assert_parameter("a/b; name*=nothing'here%zz%4", "name", "nothing'here%zz%4");
    assert_parameter("a/b; name*=x-unknown''caf%E9", "name", "caf\xef\xbf\xbd");
    assert_parameter("a/b; name=\"=?utf-8?B?4oKs?=.txt\"", "name", "\xe2\x82\xac.txt");
    assert_parameter("a/b; name=caf\xe9", "name", "caf\xef\xbf\xbd");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_quoted_values_are_read),
        cmocka_unit_test(sections_are_joined_in_the_order_of_their_numbers),
        cmocka_unit_test(charsets_become_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
