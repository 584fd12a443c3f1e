#include "memory/pool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_pool_gives_what_it_promised_and_no_more(void **state)
{
    (void)state;
    struct mt_pool *pool;
    void *objects[1000];

    assert_int_equal(mt_pool_create(100, MT_ARRAY_COUNT(objects), &pool), 0);
    for (size_t i = 0; i < MT_ARRAY_COUNT(objects); i++) {
        objects[i] = mt_pool_get(pool);
        assert_non_null(objects[i]);
        memset(objects[i], (int)i, 100);
        assert_int_equal(mt_pool_taken(pool), i + 1);
    }
    assert_null(mt_pool_get(pool));
    assert_null(mt_pool_get(pool));
    assert_int_equal(mt_pool_taken(pool), MT_ARRAY_COUNT(objects));
    for (size_t i = 0; i < MT_ARRAY_COUNT(objects); i++) {
        const uint8_t *bytes = objects[i];
        for (size_t j = 0; j < 100; j++)
            assert_int_equal(bytes[j], (uint8_t)i);
    }
    mt_pool_put(pool, objects[500]);
    assert_non_null(mt_pool_get(pool));
    assert_null(mt_pool_get(pool));
    mt_pool_destroy(pool);
}

static void objects_are_aligned_as_the_header_says(void **state)
{
    (void)state;

    for (size_t size = 1; size <= 512; size++) {
        struct mt_pool *pool;
        assert_int_equal(mt_pool_create(size, 5, &pool), 0);
        for (int i = 0; i < 5; i++) {
            uintptr_t address = (uintptr_t)mt_pool_get(pool);
            assert_int_not_equal(address, 0);
            assert_int_equal(address % 16, 0);
            if (size % 64 == 0)
                assert_int_equal(address % 64, 0);
        }
        mt_pool_destroy(pool);
    }
}

/* A model of which objects are out, driven at random. */
static void objects_that_are_out_never_overlap(void **state)
{
    (void)state;
    enum { COUNT = 64, SIZE = 48 };
    struct mt_pool *pool;
    uint8_t *out[COUNT] = {NULL};
    uint32_t random = 11;
    size_t taken = 0;

    assert_int_equal(mt_pool_create(SIZE, COUNT, &pool), 0);
    for (int round = 0; round < 100000; round++) {
        random = random * 1664525 + 1013904223;
        size_t i = (random >> 16) % COUNT;
        if (out[i]) {
            for (size_t j = 0; j < SIZE; j++)
                assert_int_equal(out[i][j], (uint8_t)i);
            mt_pool_put(pool, out[i]);
            out[i] = NULL;
            taken--;
        } else {
            out[i] = mt_pool_get(pool);
            assert_non_null(out[i]);
            memset(out[i], (int)i, SIZE);
            taken++;
        }
        assert_int_equal(mt_pool_taken(pool), taken);
    }
    mt_pool_destroy(pool);
}

static void sizes_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    struct mt_pool *pool = (struct mt_pool *)1;

    assert_int_equal(mt_pool_create(0, 10, &pool), -EINVAL);
    assert_int_equal(mt_pool_create(10, 0, &pool), -EINVAL);
    assert_int_equal(mt_pool_create(SIZE_MAX, 1, &pool), -EINVAL);
    assert_int_equal(mt_pool_create(SIZE_MAX / 2, 100, &pool), -EINVAL);
    assert_ptr_equal(pool, (struct mt_pool *)1);
    mt_pool_destroy(NULL);
}

static size_t resident_bytes(void)
{
    unsigned long size;
    unsigned long resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &size, &resident), 2);
    fclose(f);
    return resident * 4096;
}

static void a_pool_of_gigabytes_costs_nothing_until_it_is_used(void **state)
{
    (void)state;
    struct mt_pool *pool;
    size_t before = resident_bytes();

    assert_int_equal(mt_pool_create(4096, (size_t)1 << 20, &pool), 0);
    for (int i = 0; i < 100; i++)
        memset(mt_pool_get(pool), 1, 4096);
    assert_true(resident_bytes() < before + ((size_t)16 << 20));
    mt_pool_destroy(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pool_gives_what_it_promised_and_no_more),
        cmocka_unit_test(objects_are_aligned_as_the_header_says),
        cmocka_unit_test(objects_that_are_out_never_overlap),
        cmocka_unit_test(sizes_that_make_no_sense_are_refused),
        cmocka_unit_test(a_pool_of_gigabytes_costs_nothing_until_it_is_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
