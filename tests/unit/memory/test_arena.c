#include "memory/arena.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PAGE ((size_t)65536)

static void a_request_is_rounded_up_to_its_class(void **state)
{
    (void)state;
    assert_int_equal(mt_arena_block_size(0), 32);
    for (size_t size = 1; size <= MT_ARENA_BLOCK_MAX; size++) {
        size_t block = mt_arena_block_size(size);
        assert_true(block >= size && block >= 32);
        assert_true(block == 32 || 2 * block < 3 * size + 32);
        assert_int_equal(block % 16, 0);
        assert_int_equal(mt_arena_block_size(block), block);
    }
    assert_int_equal(mt_arena_block_size(33), 48);
    assert_int_equal(mt_arena_block_size(49), 64);
    assert_int_equal(mt_arena_block_size(65), 96);
    assert_int_equal(mt_arena_block_size(97), 128);
    assert_int_equal(mt_arena_block_size(16384), 16384);
}

static void every_class_fills_the_budget_to_the_last_block(void **state)
{
    (void)state;

    for (size_t size = 32; size <= MT_ARENA_BLOCK_MAX; size = mt_arena_block_size(size + 1)) {
        struct mt_arena *arena;
        assert_int_equal(mt_arena_create(3 * PAGE + 100, &arena), 0);
        size_t count = 3 * (PAGE / size);
        void **blocks = calloc(count, sizeof(void *));
        for (size_t i = 0; i < count; i++) {
            blocks[i] = mt_arena_get(arena, size);
            assert_non_null(blocks[i]);
            memset(blocks[i], 0x5a, size);
            assert_int_equal(mt_arena_used(arena), (i + 1) * size);
        }
        assert_null(mt_arena_get(arena, size));
        assert_int_equal(mt_arena_used(arena), count * size);
        mt_arena_put(arena, blocks[count / 2], size);
        assert_non_null(mt_arena_get(arena, size));
        assert_null(mt_arena_get(arena, size));
        free(blocks);
        mt_arena_destroy(arena);
    }
}

static void a_page_stays_with_its_class(void **state)
{
    (void)state;
    struct mt_arena *arena;
    assert_int_equal(mt_arena_create(PAGE, &arena), 0);

    void *block = mt_arena_get(arena, 100);
    assert_non_null(block);
    mt_arena_put(arena, block, 100);
    assert_int_equal(mt_arena_used(arena), 0);
    assert_null(mt_arena_get(arena, 200));
    assert_non_null(mt_arena_get(arena, 97));
    assert_int_equal(mt_arena_used(arena), 128);
    mt_arena_destroy(arena);
}

static void what_is_beyond_the_limits_is_refused(void **state)
{
    (void)state;
    struct mt_arena *arena = (struct mt_arena *)1;

    assert_int_equal(mt_arena_create(0, &arena), -EINVAL);
    assert_int_equal(mt_arena_create(PAGE - 1, &arena), -EINVAL);
    assert_ptr_equal(arena, (struct mt_arena *)1);
    assert_int_equal(mt_arena_create(4 * PAGE, &arena), 0);
    assert_null(mt_arena_get(arena, MT_ARENA_BLOCK_MAX + 1));
    assert_null(mt_arena_get(arena, SIZE_MAX));
    assert_non_null(mt_arena_get(arena, MT_ARENA_BLOCK_MAX));
    mt_arena_destroy(arena);
    mt_arena_destroy(NULL);
}

struct out {
    uint8_t *ptr;
    size_t size;
};

/* Blocks of all sizes come and go at random; none may overlap another, and
 * what is used adds up. */
static void blocks_that_are_out_never_overlap(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    static struct out out[COUNT];
    struct mt_arena *arena;
    uint32_t random = 23;
    size_t used = 0;
    unsigned refused = 0;

    assert_int_equal(mt_arena_create(20 * PAGE, &arena), 0);
    for (int round = 0; round < 200000; round++) {
        random = random * 1664525 + 1013904223;
        struct out *o = &out[(random >> 12) % COUNT];
        uint8_t mark = (uint8_t)(o - out);
        if (o->ptr) {
            assert_int_equal(o->ptr[0], mark);
            assert_int_equal(o->ptr[o->size - 1], mark);
            mt_arena_put(arena, o->ptr, o->size);
            used -= mt_arena_block_size(o->size);
            o->ptr = NULL;
            continue;
        }
        random = random * 1664525 + 1013904223;
        o->size = 1 + (random >> 16) % ((size_t)32 << (random >> 8) % 10);
        o->ptr = mt_arena_get(arena, o->size);
        if (!o->ptr) {
            refused++;
            continue;
        }
        assert_int_equal((uintptr_t)o->ptr % 16, 0);
        memset(o->ptr, mark, o->size);
        used += mt_arena_block_size(o->size);
        assert_int_equal(mt_arena_used(arena), used);
        assert_true(used <= 20 * PAGE);
    }
    assert_true(refused > 0);
    mt_arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_rounded_up_to_its_class),
        cmocka_unit_test(every_class_fills_the_budget_to_the_last_block),
        cmocka_unit_test(a_page_stays_with_its_class),
        cmocka_unit_test(what_is_beyond_the_limits_is_refused),
        cmocka_unit_test(blocks_that_are_out_never_overlap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
