#include "base/scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

/* Two pages of which nothing before and nothing behind may be read. */
struct guarded {
    uint8_t *base;
    uint8_t *start;
    size_t size;
    size_t page;
};

static int map_guarded(void **state)
{
    static struct guarded g;

    g.page = (size_t)sysconf(_SC_PAGESIZE);
    g.size = 2 * g.page;
    g.base = mmap(NULL, g.size + 2 * g.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.base == MAP_FAILED)
        return -1;
    g.start = g.base + g.page;
    *state = &g;
    return mprotect(g.start, g.size, PROT_READ | PROT_WRITE);
}

static int unmap_guarded(void **state)
{
    struct guarded *g = *state;

    return munmap(g->base, g->size + 2 * g->page);
}

static size_t byte_reference(struct mt_span s, uint8_t byte)
{
    size_t i = 0;
    while (i < s.size && s.ptr[i] != byte)
        i++;
    return i;
}

static size_t eol_dot_reference(struct mt_span s)
{
    for (size_t i = 0; i + 1 < s.size; i++) {
        if ((s.ptr[i] == '\n' || s.ptr[i] == '\r') && s.ptr[i + 1] == '.')
            return i;
    }
    return s.size;
}

static size_t json_reference(struct mt_span s)
{
    size_t i = 0;
    while (i < s.size && s.ptr[i] >= 0x20 && s.ptr[i] < 0x7f && s.ptr[i] != '"' && s.ptr[i] != '\\')
        i++;
    return i;
}

static size_t letters_reference(struct mt_span s)
{
    size_t i = 0;
    while (i < s.size && mt_ascii_lower(s.ptr[i]) != 'y' && mt_ascii_lower(s.ptr[i]) != 'h')
        i++;
    return i;
}

static void assert_line_agrees(struct mt_span s)
{
    size_t end = byte_reference(s, '\n');
    size_t text = end > 0 && s.ptr[end - 1] == '\r' ? end - 1 : end;
    bool is_odd = false, expected = false;

    for (size_t i = 0; i < text; i++)
        expected |= s.ptr[i] < 0x20 || s.ptr[i] >= 0x7f;
    assert_int_equal(mt_scan_line(s, &is_odd), end);
    assert_int_equal(is_odd, expected);
}

static void assert_all_agree(struct mt_span s)
{
    assert_line_agrees(s);
    assert_int_equal(mt_scan_letters(s, 'y', 'h'), letters_reference(s));
    assert_int_equal(mt_scan_byte(s, '\n'), byte_reference(s, '\n'));
    assert_int_equal(mt_scan_byte(s, 0), byte_reference(s, 0));
    assert_int_equal(mt_scan_byte(s, 0xff), byte_reference(s, 0xff));
    assert_int_equal(mt_scan_eol_dot(s), eol_dot_reference(s));
    assert_int_equal(mt_scan_json_special(s), json_reference(s));
}

static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

static void every_size_and_alignment_agrees_with_the_byte_by_byte_search(void **state)
{
    struct guarded *g = *state;
    static const char alphabet[] = "aaaaaaaaaayH\n.\r\"\\\x7f\x80\xff\x1f\x20";
    uint32_t random = 7;

    for (int round = 0; round < 40; round++) {
        /* From mostly plain bytes to mostly special ones. */
        uint32_t plain = next_random(&random) % 100;
        for (size_t i = 0; i < 512; i++) {
            bool is_plain = next_random(&random) % 100 < plain || plain > 95;
            g->start[i] = is_plain ? 'a' : (uint8_t)alphabet[next_random(&random) % (sizeof(alphabet) - 1)];
        }
        for (size_t off = 0; off < 33; off++) {
            for (size_t size = 0; size < 300; size += 1 + (size > 140) * 7)
                assert_all_agree(mt_span(g->start + off, size));
        }
    }
}

static void a_match_at_every_place_is_found(void **state)
{
    struct guarded *g = *state;

    for (size_t size = 1; size < 420; size++) {
        uint8_t *p = g->start + g->size - size;
        memset(p, 'a', size);
        for (size_t at = 0; at < size; at++) {
            struct mt_span s = mt_span(p, size);
            p[at] = '\n';
            assert_int_equal(mt_scan_byte(s, '\n'), at);
            assert_int_equal(mt_scan_json_special(s), at);
            if (at + 1 < size) {
                p[at + 1] = '.';
                assert_int_equal(mt_scan_eol_dot(s), at);
                p[at] = '\r';
                assert_int_equal(mt_scan_eol_dot(s), at);
                p[at + 1] = 'a';
            }
            p[at] = 'a';
        }
    }
}

static void the_first_of_two_matches_wins(void **state)
{
    struct guarded *g = *state;

    for (size_t first = 0; first < 200; first++) {
        for (size_t second = first + 2; second < 230; second++) {
            memset(g->start, 'a', 240);
            memcpy(g->start + first, "\n.", 2);
            memcpy(g->start + second, "\n.", 2);
            assert_int_equal(mt_scan_byte(mt_span(g->start, 240), '\n'), first);
            assert_int_equal(mt_scan_json_special(mt_span(g->start, 240)), first);
        }
    }
}

static void a_line_is_judged_without_its_end(void **state)
{
    struct guarded *g = *state;

    for (size_t size = 2; size < 80; size++) {
        for (size_t odd = 0; odd < size; odd++) {
            uint8_t *p = g->start + g->size - size;
            memset(p, 'a', size);
            memcpy(p + size - 2, "\r\n", 2);
            assert_line_agrees(mt_span(p, size));
            assert_line_agrees(mt_span(p, size - 1));
            p[odd] = '\r';
            assert_line_agrees(mt_span(p, size));
            p[odd] = 0x80;
            assert_line_agrees(mt_span(p, size));
        }
    }
}

static void nothing_outside_the_span_is_read(void **state)
{
    struct guarded *g = *state;

    memset(g->start, 'a', g->size);
    for (size_t size = 0; size <= 600; size++) {
        assert_all_agree(mt_span(g->start, size));
        assert_all_agree(mt_span(g->start + g->size - size, size));
    }
}

static void what_lies_outside_the_span_does_not_count(void **state)
{
    struct guarded *g = *state;

    for (size_t size = 0; size < 300; size++) {
        memset(g->start, '\n', g->size);
        uint8_t *p = g->start + 64;
        memset(p, 'a', size);
        p[size] = '.';
        if (size > 0)
            p[size - 1] = '\n';
        if (size > 0)
            p[size - 1] = 'a';
        assert_int_equal(mt_scan_byte(mt_span(p, size), '\n'), size);
        assert_int_equal(mt_scan_json_special(mt_span(p, size)), size);
    }
}

static void every_byte_value_is_judged_as_json_judges_it(void **state)
{
    struct guarded *g = *state;

    for (unsigned c = 0; c < 256; c++) {
        for (size_t size = 1; size < 200; size = size * 2 + 1) {
            memset(g->start, 'a', size);
            g->start[size / 2] = (uint8_t)c;
            assert_all_agree(mt_span(g->start, size));
        }
    }
}

static void an_absent_span_holds_nothing(void **state)
{
    (void)state;
    assert_int_equal(mt_scan_byte(mt_span_none(), 'a'), 0);
    assert_int_equal(mt_scan_eol_dot(mt_span_none()), 0);
    assert_int_equal(mt_scan_json_special(mt_span_none()), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_size_and_alignment_agrees_with_the_byte_by_byte_search),
        cmocka_unit_test(a_match_at_every_place_is_found),
        cmocka_unit_test(the_first_of_two_matches_wins),
        cmocka_unit_test(a_line_is_judged_without_its_end),
        cmocka_unit_test(nothing_outside_the_span_is_read),
        cmocka_unit_test(what_lies_outside_the_span_does_not_count),
        cmocka_unit_test(every_byte_value_is_judged_as_json_judges_it),
        cmocka_unit_test(an_absent_span_holds_nothing),
    };
    return cmocka_run_group_tests(tests, map_guarded, unmap_guarded);
}
