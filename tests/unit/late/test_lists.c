/* Every function of every list is in its library, as it is installed here. */
#include "late/late.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define REASON_SIZE 512
#define FUNCTIONS_MAX 64

#define MT_LATE(name) #name,
static const char *const curl[] = {
#include "export/curl.def"
};
static const char *const jansson[] = {
#include "export/jansson.def"
};
static const char *const rdkafka[] = {
#include "export/rdkafka.def"
};
static const char *const ssl[] = {
#include "export/ssl.def"
};
static const char *const microhttpd[] = {
#include "metrics/microhttpd.def"
};
#undef MT_LATE

static const struct {
    const char *const *names;
    size_t count;
} lists[] = {
    [MT_LATE_CURL] = {curl, MT_ARRAY_COUNT(curl)},
    [MT_LATE_JANSSON] = {jansson, MT_ARRAY_COUNT(jansson)},
    [MT_LATE_RDKAFKA] = {rdkafka, MT_ARRAY_COUNT(rdkafka)},
    [MT_LATE_SSL] = {ssl, MT_ARRAY_COUNT(ssl)},
    [MT_LATE_MICROHTTPD] = {microhttpd, MT_ARRAY_COUNT(microhttpd)},
};

static void every_function_of_every_list_is_in_its_library(void **state)
{
    (void)state;
    assert_int_equal(MT_ARRAY_COUNT(lists), MT_LATE_COUNT);
    for (size_t i = 0; i < MT_ARRAY_COUNT(lists); i++) {
        void *calls[FUNCTIONS_MAX] = {NULL};
        char reason[REASON_SIZE] = "";
        assert_in_range(lists[i].count, 1, FUNCTIONS_MAX);
        if (mt_late_load((enum mt_late)i, lists[i].names, lists[i].count, calls, reason, sizeof(reason)) != 0)
            fail_msg("%s", reason);
        for (size_t k = 0; k < lists[i].count; k++)
            assert_non_null(calls[k]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_function_of_every_list_is_in_its_library),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
