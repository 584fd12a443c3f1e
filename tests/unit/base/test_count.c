/* Counting in vectors says what counting octet by octet does, and pairs behind
 * line ends are found where they stand. */
#include "base/count.h"
#include "base/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define SIZE_MAX_TRIED 700u

static uint64_t base64_by_octet(struct mt_span s)
{
    uint64_t found = 0;

    for (size_t i = 0; i < s.size; i++)
        found += s.ptr[i] > ' ' && s.ptr[i] < 0x80 && s.ptr[i] != '=';
    return found;
}

static uint64_t quoted_by_octet(struct mt_span s, bool is_behind)
{
    uint64_t found = 0;

    for (size_t i = 0; i < s.size; i++) {
        bool has_equals = i > 0 ? s.ptr[i - 1] == '=' : is_behind;
        found += s.ptr[i] == '=' ? 2 : s.ptr[i] == '\r' && has_equals ? 1 : 0;
    }
    return found;
}

static size_t pair_by_octet(struct mt_span s, const char *marks)
{
    for (size_t i = 0; i + 1 < s.size; i++) {
        if ((s.ptr[i] == '\n' || s.ptr[i] == '\r') && strchr(marks, s.ptr[i + 1]) != NULL &&
            s.ptr[i + 1] != 0)
            return i;
    }
    return s.size;
}

/* Exactly size bytes, so that the sanitizer sees a read behind them. */
static uint8_t *some_octets(size_t size, unsigned seed, const char *of)
{
    uint8_t *bytes = malloc(size + 1);
    size_t kinds = strlen(of) + 1;

    assert_non_null(bytes);
    uint8_t *exact = realloc(bytes, size > 0 ? size : 1);
    assert_non_null(exact);
    srand(seed);
    for (size_t i = 0; i < size; i++) {
        size_t kind = (size_t)rand() % kinds;
        exact[i] = kind + 1 == kinds ? (uint8_t)rand() : (uint8_t)of[kind];
    }
    return exact;
}

static void vectors_count_what_octets_do(void **state)
{
    (void)state;
    for (size_t size = 0; size < SIZE_MAX_TRIED; size++) {
        uint8_t *bytes = some_octets(size, (unsigned)size, "=\r\nAAAAAA=");
        struct mt_span s = mt_span(bytes, size);
        assert_int_equal(mt_count_base64(s), base64_by_octet(s));
        assert_int_equal(mt_count_quoted(s, false), quoted_by_octet(s, false));
        assert_int_equal(mt_count_quoted(s, true), quoted_by_octet(s, true));
        free(bytes);
    }
}

/* More than a byte of a vector's sum can hold. */
static void long_bodies_are_counted_without_overflow(void **state)
{
    (void)state;
    size_t size = 100000;
    uint8_t *bytes = malloc(size);

    assert_non_null(bytes);
    memset(bytes, 'A', size);
    assert_int_equal(mt_count_base64(mt_span(bytes, size)), size);
    memset(bytes, '=', size);
    assert_int_equal(mt_count_base64(mt_span(bytes, size)), 0);
    assert_int_equal(mt_count_quoted(mt_span(bytes, size), false), 2 * size);
    for (size_t i = 1; i < size; i += 2)
        bytes[i] = '\r';
    assert_int_equal(mt_count_quoted(mt_span(bytes, size), false), 3 * size / 2);
    free(bytes);
}

static void marks_behind_line_ends_are_found_where_they_stand(void **state)
{
    (void)state;
    for (size_t size = 0; size < SIZE_MAX_TRIED; size++) {
        uint8_t *bytes =
            some_octets(size, (unsigned)size, "\r\n.-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        struct mt_span s = mt_span(bytes, size);
        for (; s.size > 0; s = mt_span_from(s, 1 + s.size / 3)) {
            assert_int_equal(mt_scan_eol_dash(s), pair_by_octet(s, "-"));
            assert_int_equal(mt_scan_eol_mark(s), pair_by_octet(s, ".-"));
            assert_int_equal(mt_scan_eol_dot(s), pair_by_octet(s, "."));
        }
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_count_what_octets_do),
        cmocka_unit_test(long_bodies_are_counted_without_overflow),
        cmocka_unit_test(marks_behind_line_ends_are_found_where_they_stand),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
