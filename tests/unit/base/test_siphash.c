/* SipHash against the vectors of its authors' reference implementation. */
#include "base/siphash.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void hashes_are_those_of_the_reference_for_inputs_of_0_to_15_bytes(void **state)
{
    /* key 00..0f, input 00, 00 01, ...: vectors of SipHash-2-4, 64 bits */
    static const uint64_t expected[] = {
        0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
        0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
        0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
        0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
    };
    struct mt_siphash_key key;
    uint8_t input[16];
    (void)state;

    for (uint8_t i = 0; i < 16; i++)
        key.bytes[i] = input[i] = i;
    for (size_t size = 0; size < 16; size++)
        assert_int_equal(mt_siphash(&key, mt_span(input, size)), expected[size]);
}

static void the_shorter_one_gives_128_bits_that_another_implementation_gives(void **state)
{
    /* by one that gives the vectors of SipHash-2-4-128 with 2 and 4 rounds, here 1 and 3 */
    static const struct {
        size_t size;
        uint64_t words[2];
    } expected[] = {
        {0, {0xbea58827b2bc7ee7, 0x013030dd6adb62fd}},  {7, {0xc3e0aaf223b98410, 0x77ab4808c82e2fa6}},
        {8, {0xb4dae3d5e1fe12aa, 0x99c7f935ab164f72}},  {15, {0x6c52bdb205557ec1, 0x09017e1eeccd2129}},
        {24, {0xca92fdbc37f84b9e, 0x4ad0841a06d209ce}},
    };
    struct mt_siphash_key key;
    uint8_t input[24];
    (void)state;

    for (uint8_t i = 0; i < 24; i++)
        input[i] = i;
    memcpy(key.bytes, input, sizeof(key.bytes));
    for (size_t i = 0; i < MT_ARRAY_COUNT(expected); i++) {
        struct mt_hash128 hash = mt_siphash128(&key, mt_span(input, expected[i].size));
        assert_int_equal(hash.word[0], expected[i].words[0]);
        assert_int_equal(hash.word[1], expected[i].words[1]);
    }
}

static void another_key_gives_another_hash(void **state)
{
    struct mt_siphash_key a = {{1}};
    struct mt_siphash_key b = {{2}};
    struct mt_span text = mt_span_cstr("user@example.com");
    (void)state;

    assert_int_not_equal(mt_siphash(&a, text), mt_siphash(&b, text));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hashes_are_those_of_the_reference_for_inputs_of_0_to_15_bytes),
        cmocka_unit_test(the_shorter_one_gives_128_bits_that_another_implementation_gives),
        cmocka_unit_test(another_key_gives_another_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
