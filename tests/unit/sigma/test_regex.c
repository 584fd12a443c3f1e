/* Regular expressions: how large they may be, and how long they may take. */
#include "event.h"

#include "sigma/regex_priv.h"
#include "sigma/sigma.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct mt_sigma_regex_size measure(const char *regex)
{
    return mt_sigma_regex_measure(mt_span_cstr(regex), 0);
}

static void sizes_are_those_of_what_is_written_out(void **state)
{
    (void)state;
    static const struct {
        const char *regex;
        uint64_t size; /* characters, and ways from one to the next */
    } cases[] = {
        {"", 0},
        {"abc", 3 + 2},
        {"a|bc", 3 + 1},
        {"a{3}", 3 + 2},
        {"a{1,3}", 3 + 2},
        {"a{2,}", 2 + 2},
        {"a*b", 2 + 2},
        {"[]a]b{2}", 3 + 2},
        {"[[:alpha:]]\\x{41}\\d$", 3 + 2},
        {"a{,x}", 5 + 4},
        {"(?:a?b?){2}", 4 + 6},
        {"(a{10}){10}", 100 + 99},
        {"(?#no.{9}thing)^a\\b", 1},
        {"a{1,3}c", 4 + 5},
    };
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct mt_sigma_regex_size size = measure(cases[i].regex);
        if (!size.is_known || size.size != cases[i].size)
            fail_msg("%s: %d %llu", cases[i].regex, size.is_known, (unsigned long long)size.size);
    }
    assert_true(measure("((((a{1,9999}){1,9999}){1,9999}){1,9999}){1,9999}").size > UINT32_MAX);
}

static void what_is_not_read_is_not_taken_for_small(void **state)
{
    (void)state;
    static const char *const odd[] = {"(?x)a {9}", "(?R)?a", "\\Qa{9}\\E", "(*COMMIT)a", "(a)?(?(1)b)", "a)"};
    for (size_t i = 0; i < MT_ARRAY_COUNT(odd); i++)
        assert_false(measure(odd[i]).is_known);
}

static void the_more_an_expression_can_go_back_the_shorter_the_text_a_jit_gets(void **state)
{
    (void)state;
    assert_int_equal(measure("^abc").jit_text_max, UINT32_MAX);
    assert_int_equal(measure("a.*b").jit_text_max, 4096);
    assert_int_equal(measure("a.*b.*c").jit_text_max, 256);
    assert_true(measure("a.{0,80}b").jit_text_max > 4096);
    assert_true(measure("(a+)+b").jit_text_max < 16);
    assert_true(measure("(a|aa){30}b").jit_text_max < 16);
    assert_true(measure("^(a|b)*$").is_anchored);
    assert_false(measure("^a|b").is_anchored);
}

static void add(void *ctx, const struct mt_sigma_match *match)
{
    uint32_t *count = ctx;
    assert_non_null(match->rule);
    (*count)++;
}

/* How often one value of a field matches a text that is repeated and ends in another. */
static uint32_t matches_of(const char *item, const char *part, unsigned times, const char *end,
                           uint64_t *ret_cuts)
{
    const struct mt_sigma_config config = {.evaluators = 1};
    char rule[1024];
    static char event[16384];
    struct mt_sigma *sigma;
    uint32_t count = 0;
    snprintf(rule, sizeof(rule),
             "title: t\nlogsource: {product: mailtap, service: smtp, category: session}\n"
             "detection: {s: {smtp.helo.name%s}, condition: s}\n",
             item);
    assert_int_equal(mt_sigma_load_text(&config, "f", mt_span_cstr(rule), &sigma), 0);
    assert_int_equal(mt_sigma_active_count(sigma), 1);
    struct mt_buf b = mt_buf((uint8_t *)event, sizeof(event) - 1);
    mt_buf_put_cstr(&b, "smtp.helo.name=");
    for (unsigned i = 0; i < times; i++)
        mt_buf_put_cstr(&b, part);
    mt_buf_put_cstr(&b, end);
    assert_false(b.overflow);
    event[b.size] = '\0';
    struct mt_sigma_eval *eval = mt_sigma_evaluator(sigma, 0);
    mt_sigma_evaluate(eval, event_of(event), add, &count);
    *ret_cuts = mt_sigma_counts(eval)->regex_cuts;
    mt_sigma_destroy(sigma);
    return count;
}

static void what_would_go_back_for_ever_is_given_up_and_counted(void **state)
{
    (void)state;
    static const char *const slow[] = {"|re: 'a(?=.*.*.*x)'", "|re: '(?=a)(?:a|aa)+[cd]$'",
                                       "|re: '(?x) a (?=.*.*.*x)'"};
    uint64_t cuts;
    for (size_t i = 0; i < MT_ARRAY_COUNT(slow); i++) {
        assert_int_equal(matches_of(slow[i], "a", 2000, "c b", &cuts), 0);
        assert_int_equal(cuts, 1);
    }
    assert_int_equal(matches_of(slow[0], "a", 20, "x", &cuts), 1);
    assert_int_equal(cuts, 0);
}

static void no_length_of_a_text_gets_it_past_an_expression_that_hyperscan_knows(void **state)
{
    (void)state;
    static const char *const quick[] = {"|re: 'a.*b.*c.*[de]'", "|re: '(?:ab+)+c.*d'", ": '*a*b*c*[de]'",
                                        "|contains: 'ab*b?[d'"};
    uint64_t cuts;
    for (size_t i = 0; i < MT_ARRAY_COUNT(quick); i++) {
        assert_int_equal(matches_of(quick[i], "abc", 600, "ccc", &cuts), 0);
        assert_int_equal(cuts, 0);
        assert_int_equal(matches_of(quick[i], "ab", 600, "abc[de]", &cuts), 1);
        assert_int_equal(cuts, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_are_those_of_what_is_written_out),
        cmocka_unit_test(what_is_not_read_is_not_taken_for_small),
        cmocka_unit_test(the_more_an_expression_can_go_back_the_shorter_the_text_a_jit_gets),
        cmocka_unit_test(what_would_go_back_for_ever_is_given_up_and_counted),
        cmocka_unit_test(no_length_of_a_text_gets_it_past_an_expression_that_hyperscan_knows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
