#include "base/octets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define SIZE_MAX_TRIED 900u

/* A page behind which nothing may be read, and before which neither. */
struct guarded {
    uint8_t *base;
    uint8_t *start;
    size_t page;
};

static int map_guarded(void **state)
{
    static struct guarded g;

    g.page = (size_t)sysconf(_SC_PAGESIZE);
    g.base = mmap(NULL, 3 * g.page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.base == MAP_FAILED)
        return -1;
    g.start = g.base + g.page;
    *state = &g;
    return mprotect(g.start, g.page, PROT_READ | PROT_WRITE);
}

static int unmap_guarded(void **state)
{
    struct guarded *g = *state;

    return munmap(g->base, 3 * g->page);
}

static uint32_t next_random(uint32_t *random)
{
    *random = *random * 1664525 + 1013904223;
    return *random >> 8;
}

static struct mt_octets count_reference(struct mt_span s, uint8_t before)
{
    struct mt_octets octets = {0};

    for (size_t i = 0; i < s.size; i++) {
        uint8_t byte = s.ptr[i];
        if (byte == '\n')
            *(before == '\r' ? &octets.crlf : &octets.bare_lf) += 1;
        else if (before == '\r')
            octets.bare_cr++;
        octets.eight_bit += byte >= 128;
        octets.control += byte <= 8;
        before = byte;
    }
    return octets;
}

static bool is_odd_reference(struct mt_span s)
{
    struct mt_octets octets = count_reference(s, 'x');

    return octets.bare_lf + octets.bare_cr + octets.eight_bit + octets.control > 0;
}

static size_t mark_reference(struct mt_span s, bool wants_dash)
{
    for (size_t i = 0; i + 1 < s.size; i++) {
        bool is_mark = s.ptr[i + 1] == '.' || (wants_dash && s.ptr[i + 1] == '-');
        if ((s.ptr[i] == '\n' || s.ptr[i] == '\r') && is_mark)
            return i;
    }
    return s.size;
}

static void assert_right(struct mt_span s)
{
    struct mt_octets octets = {0}, behind_cr = {0};

    mt_octets_count(s, 'x', &octets);
    mt_octets_count(s, '\r', &behind_cr);
    struct mt_octets wanted = count_reference(s, 'x'), wanted_behind_cr = count_reference(s, '\r');
    assert_memory_equal(&octets, &wanted, sizeof(octets));
    assert_memory_equal(&behind_cr, &wanted_behind_cr, sizeof(octets));
    for (unsigned wants_dash = 0; wants_dash < 2; wants_dash++) {
        bool is_odd = false;
        size_t found = mt_octets_scan(s, wants_dash, &is_odd);
        assert_int_equal(found, mark_reference(s, wants_dash));
        if (is_odd_reference(mt_span_head(s, found + 1)))
            assert_true(is_odd);
        if (!is_odd_reference(s))
            assert_false(is_odd);
    }
}

/* Text with a few of what is rare, at the end of the page. */
static struct mt_span make_text(const struct guarded *g, size_t size, unsigned rarity, uint32_t *random)
{
    static const char *const rare[] = {"\r\n", "\r\n", "\r\n.", "\r\n-",  "\n",   "\r",
                                       "\n.",  "\r.",  "\r-",   "\r\r\n", "\x80", "\xff",
                                       "\x01", "\t",   "\x08",  ".",      "-",    "\x1b"};
    uint8_t *at = g->start + g->page - size;
    size_t i = 0;

    while (i < size) {
        if (next_random(random) % rarity != 0) {
            at[i++] = 'a';
            continue;
        }
        const char *piece = rare[next_random(random) % (sizeof(rare) / sizeof(rare[0]))];
        for (; *piece != '\0' && i < size; piece++)
            at[i++] = (uint8_t)*piece;
    }
    return mt_span(at, size);
}

static void texts_of_every_size_agree_with_the_byte_by_byte_count(void **state)
{
    uint32_t random = 1;

    for (size_t size = 0; size < SIZE_MAX_TRIED; size++) {
        static const unsigned rarities[] = {2, 10, 100, 1000};
        for (size_t i = 0; i < sizeof(rarities) / sizeof(rarities[0]); i++)
            assert_right(make_text(*state, size, rarities[i], &random));
    }
}

static void one_odd_octet_or_pair_is_found_at_every_place(void **state)
{
    static const char *const odd[] = {"\n",  "\r",  "\x80",  "\x03",  "\r.",
                                      "\n.", "\n-", "\r\n.", "\r\n-", "\r\n\x7f"};
    const struct guarded *g = *state;
    const size_t size = 700;
    uint8_t *at = g->start + g->page - size;

    for (size_t which = 0; which < sizeof(odd) / sizeof(odd[0]); which++) {
        size_t piece = strlen(odd[which]);
        for (size_t i = 0; i + piece <= size; i++) {
            memset(at, 'a', size);
            memcpy(at + i, odd[which], piece);
            assert_right(mt_span(at, size));
        }
    }
}

static void lines_that_end_as_they_should_are_not_odd(void **state)
{
    const struct guarded *g = *state;
    uint8_t *at = g->start;
    bool is_odd = false;

    for (size_t i = 0; i < g->page; i++)
        at[i] = i % 78 == 76 ? '\r' : i % 78 == 77 ? '\n' : i % 7 == 3 ? '\t' : 'x';
    assert_int_equal(mt_octets_scan(mt_span(at, g->page), true, &is_odd), g->page);
    assert_false(is_odd);
}

static void more_octets_than_a_byte_counts_are_counted(void **state)
{
    static uint8_t many[64 * 1024];
    struct mt_octets octets = {0};

    (void)state;
    memset(many, '\n', sizeof(many));
    mt_octets_count(mt_span(many, sizeof(many)), 0, &octets);
    assert_int_equal(octets.bare_lf, sizeof(many));
    memset(many, 0xe4, sizeof(many));
    mt_octets_count(mt_span(many, sizeof(many)), 0, &octets);
    assert_int_equal(octets.eight_bit, sizeof(many));
    assert_int_equal(octets.control, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_of_every_size_agree_with_the_byte_by_byte_count),
        cmocka_unit_test(one_odd_octet_or_pair_is_found_at_every_place),
        cmocka_unit_test(lines_that_end_as_they_should_are_not_odd),
        cmocka_unit_test(more_octets_than_a_byte_counts_are_counted),
    };

    return cmocka_run_group_tests(tests, map_guarded, unmap_guarded);
}
