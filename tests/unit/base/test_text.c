#include "base/buf.h"
#include "base/mark.h"
#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void a_time_is_the_same_text_whatever_second_came_before(void **state)
{
    (void)state;
    static const uint64_t times[] = {
        0,
        1,
        MT_SEC - 1,
        MT_SEC,
        UINT64_C(1717401600) * MT_SEC + 123456789,
        UINT64_C(1717401600) * MT_SEC + 999999999,
        UINT64_C(1717401601) * MT_SEC,
        UINT64_C(951782399) * MT_SEC + 10000, /* the end of 2000-02-28 */
        UINT64_MAX,
    };
    struct mt_text_second second = {.number = 0};

    for (size_t i = 0; i < MT_ARRAY_COUNT(times); i++) {
        for (size_t j = 0; j < MT_ARRAY_COUNT(times); j++) {
            uint8_t text[MT_TEXT_TIME_MAX];
            uint8_t alone[MT_TEXT_TIME_MAX];
            struct mt_buf b = mt_buf(alone, sizeof(alone));
            mt_text_time(text, times[i], &second);
            size_t size = (size_t)(mt_text_time(text, times[j], &second) - text);
            mt_buf_put_time(&b, times[j]);
            assert_int_equal(size, b.size);
            assert_memory_equal(text, alone, size);
        }
    }
}

static void every_octet_is_written_like_printf_writes_it(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 256; i++) {
        const uint8_t bytes[4] = {(uint8_t)i, (uint8_t)(255 - i), 7, (uint8_t)i};
        uint8_t text[MT_TEXT_IPV4_MAX];
        char expected[20];
        size_t size = (size_t)(mt_text_ipv4(text, bytes) - text);
        int expected_size = snprintf(expected, sizeof(expected), "%u.%u.7.%u", i, 255 - i, i);
        assert_int_equal(size, expected_size);
        assert_memory_equal(text, expected, size);
    }
}

static void hex_of_any_length_is_two_digits_a_byte(void **state)
{
    (void)state;
    uint8_t bytes[70];

    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        uint8_t text[2 * sizeof(bytes) + 1];
        text[2 * size] = 0xa5;
        assert_ptr_equal(mt_text_hex(text, bytes, size), text + 2 * size);
        assert_int_equal(text[2 * size], 0xa5);
        for (size_t i = 0; i < size; i++) {
            char digits[3];
            snprintf(digits, sizeof(digits), "%02x", bytes[i]);
            assert_memory_equal(text + 2 * i, digits, 2);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_the_same_text_whatever_second_came_before),
        cmocka_unit_test(every_octet_is_written_like_printf_writes_it),
        cmocka_unit_test(hex_of_any_length_is_two_digits_a_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
