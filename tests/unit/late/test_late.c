/* Opening a library late: what comes back, and what is said when it can't be. */
#include "late/late.h"
#include "late/late_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REASON_SIZE 512

/* of the C library, which is always there */
struct calls {
    __typeof__(strlen) *strlen;
    __typeof__(abs) *abs;
};

static void functions_stand_in_the_order_of_their_names(void **state)
{
    (void)state;
    static const char *const names[] = {"strlen", "abs"};
    char reason[REASON_SIZE] = "";
    struct calls calls = {NULL, NULL};

    assert_int_equal(mt_late_open("libc.so.6", "libc6", names, 2, &calls, reason, sizeof(reason)), 0);
    assert_string_equal(reason, "");
    assert_int_equal(calls.strlen("seven"), 5);
    assert_int_equal(calls.abs(-7), 7);
}

static void a_library_that_is_not_there_is_named_with_its_package(void **state)
{
    (void)state;
    static const char *const names[] = {"strlen"};
    char reason[REASON_SIZE] = "";
    struct calls calls = {NULL, NULL};

    assert_int_equal(mt_late_open("libnowhere.so.7", "libnowhere7", names, 1, &calls, reason, sizeof(reason)),
                     -ELIBACC);
    assert_string_equal(
        reason,
        "libnowhere.so.7 can't be loaded (cannot open shared object file: No such file or directory); "
        "it is in the Debian package libnowhere7");
    assert_null(calls.strlen);
}

static void a_function_that_is_not_there_is_named(void **state)
{
    (void)state;
    static const char *const names[] = {"strlen", "no_such_function"};
    char reason[REASON_SIZE] = "";
    struct calls calls = {NULL, NULL};

    assert_int_equal(mt_late_open("libc.so.6", "libc6", names, 2, &calls, reason, sizeof(reason)), -ELIBACC);
    assert_non_null(strstr(reason, "libc.so.6 can't be loaded ("));
    assert_non_null(strstr(reason, "undefined symbol: no_such_function"));
    assert_non_null(strstr(reason, "it is in the Debian package libc6"));
    assert_null(calls.abs);
}

static void a_sentence_is_cut_where_its_room_ends(void **state)
{
    (void)state;
    static const char *const names[] = {"strlen"};
    char reason[16];
    struct calls calls = {NULL, NULL};

    memset(reason, 'x', sizeof(reason));
    assert_int_equal(mt_late_open("libnowhere.so.7", "libnowhere7", names, 1, &calls, reason, 8), -ELIBACC);
    assert_string_equal(reason, "libnowh");
    assert_int_equal(reason[8], 'x');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(functions_stand_in_the_order_of_their_names),
        cmocka_unit_test(a_library_that_is_not_there_is_named_with_its_package),
        cmocka_unit_test(a_function_that_is_not_there_is_named),
        cmocka_unit_test(a_sentence_is_cut_where_its_room_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
