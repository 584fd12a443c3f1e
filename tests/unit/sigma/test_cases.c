/* The table of tests/unit/sigma/cases.txt: what rules say of events. */
#include "event.h"

#include "sigma/sigma.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct table {
    char rule[8192];
    char where[64];
    uint32_t scan_from; /* 1: all texts by Hyperscan */
    struct mt_sigma *sigma;
    uint32_t cases;
    uint32_t wrong;
};

static void count_match(void *ctx, const struct mt_sigma_match *match)
{
    uint32_t *count = ctx;
    assert_non_null(match->rule);
    (*count)++;
}

/* The site that the table's placeholders stand for. */
static const struct mt_site *site(void)
{
    static struct mt_prefix homes[2];
    static struct mt_span domains[2];
    static struct mt_site made = {.given = true,
                                  .home_networks = homes,
                                  .home_network_count = 2,
                                  .local_domains = domains,
                                  .local_domain_count = 2};
    assert_true(mt_prefix_parse(mt_span_cstr("10.0.0.0/8"), &homes[0]));
    assert_true(mt_prefix_parse(mt_span_cstr("2001:db8:1::/48"), &homes[1]));
    domains[0] = mt_span_cstr("ours.test");
    domains[1] = mt_span_cstr("also.test");
    return &made;
}

static void load(struct table *table, const char *category, const char *detection)
{
    const struct mt_sigma_config config = {.site = site(), .evaluators = 1, .scan_from = table->scan_from};
    snprintf(table->rule, sizeof(table->rule),
             "title: t\nlogsource: {product: mailtap, service: smtp, category: %s}\ndetection:\n%s", category,
             detection);
    mt_sigma_destroy(table->sigma);
    assert_int_equal(mt_sigma_load_text(&config, table->where, mt_span_cstr(table->rule), &table->sigma), 0);
    if (mt_sigma_error_count(table->sigma) > 0)
        fail_msg("%s: %s\n%s", table->where, mt_sigma_error(table->sigma, 0), table->rule);
    assert_int_equal(mt_sigma_active_count(table->sigma), 1);
}

static void check(struct table *table, const char *line)
{
    bool expected = strncmp(line, "yes", 3) == 0;
    const char *event = strchr(line, ':');
    uint32_t count = 0;
    uint32_t met;
    uint32_t parts;
    static uint8_t text[16384];
    struct mt_buf b = mt_buf(text, sizeof(text));
    struct mt_sigma_eval *eval = mt_sigma_evaluator(table->sigma, 0);
    const struct mt_record_session *record = event_of(event[1] ? event + 2 : "");
    const struct mt_sigma_rule *rule = mt_sigma_rule(table->sigma, 0);
    const struct mt_sigma_event single = event_single(rule->category);
    bool is_single = single.command || single.reply || single.statistics || single.finding;
    bool is_near;
    mt_sigma_evaluate(eval, record, count_match, &count);
    table->cases++;
    /* what is explained to a person comes to the same, by the tree */
    if (is_single) {
        assert_int_equal(count, 0);
        mt_sigma_evaluate_event(eval, rule->category, &single, count_match, &count);
        is_near = mt_sigma_event_nearness(eval, rule, &single, &met, &parts, &b);
    } else {
        is_near = mt_sigma_nearness(eval, rule, record, &met, &parts, &b);
    }
    if (expected != (count > 0) || expected != is_near) {
        print_error("%s: expected %s, the program says %u, the tree %d\n%s%s\n", table->where,
                    expected ? "a match" : "none", count, is_near, table->rule, line);
        table->wrong++;
    }
}

static void check_all(uint32_t scan_from)
{
    static struct table table;
    static char detection[4096];
    char category[32] = "";
    char line[4096];
    unsigned number = 0;
    bool is_rule = false;
    table = (struct table){.scan_from = scan_from};
    FILE *file = fopen(MT_SOURCE_ROOT "/tests/unit/sigma/cases.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        number++;
        size_t size = strcspn(line, "\n");
        line[size] = '\0';
        snprintf(table.where, sizeof(table.where), "cases.txt:%u", number);
        if (line[0] == '#' || size == 0)
            continue;
        if (strncmp(line, "rule ", 5) == 0) {
            snprintf(category, sizeof(category), "%.31s", line + 5);
            detection[0] = '\0';
            is_rule = true;
        } else if (line[0] == ' ') {
            assert_true(strlen(detection) + size + 2 < sizeof(detection));
            strcat(detection, line);
            strcat(detection, "\n");
        } else {
            assert_true(strncmp(line, "yes:", 4) == 0 || strncmp(line, "no:", 3) == 0);
            if (is_rule)
                load(&table, category, detection);
            is_rule = false;
            check(&table, line);
        }
    }
    fclose(file);
    mt_sigma_destroy(table.sigma);
    assert_int_equal(table.wrong, 0);
    assert_true(table.cases >= 900);
}

static void every_case_of_the_table_comes_out_as_written(void **state)
{
    (void)state;
    check_all(0);
}

static void every_case_comes_out_the_same_with_all_texts_in_databases(void **state)
{
    (void)state;
    check_all(1);
}

/* Each of names stands in the file, between what may stand before and behind one. */
static void check_named(const char *path, const char *const *names, size_t count, const char *before,
                        const char *behind)
{
    static char text[1 << 17];
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    assert_true(size > 0 && size < sizeof(text) - 1);
    text[size] = '\0';
    for (size_t i = 0; i < count; i++) {
        bool is_there = false;
        for (const char *at = text; !is_there && (at = strstr(at, names[i])) != NULL; at++) {
            char next = at[strlen(names[i])];
            is_there = at > text && strchr(before, at[-1]) && next != '\0' && strchr(behind, next);
        }
        if (!is_there)
            fail_msg("%s has no case of %s", path, names[i]);
    }
}

static void every_modifier_category_and_type_of_correlation_stands_in_a_table(void **state)
{
    static const char *const modifiers[] = {
#define MT_SIGMA_MODIFIER(NAME, name) name,
#include "sigma/modifiers.def"
#undef MT_SIGMA_MODIFIER
    };
    static const char *const categories[] = {
#define MT_SIGMA_CATEGORY(NAME, name, meaning, unseen) name,
#include "sigma/categories.def"
#undef MT_SIGMA_CATEGORY
    };
    static const char *const correlations[] = {
#define MT_SIGMA_CORRELATION(NAME, name) name,
#include "sigma/correlations.def"
#undef MT_SIGMA_CORRELATION
    };
    const char *cases = MT_SOURCE_ROOT "/tests/unit/sigma/cases.txt";
    (void)state;
    check_named(cases, modifiers, MT_ARRAY_COUNT(modifiers), "|", "|:'");
    check_named(cases, categories, MT_ARRAY_COUNT(categories), " ", "\n");
    check_named(MT_SOURCE_ROOT "/tests/unit/sigma/correlations.txt", correlations,
                MT_ARRAY_COUNT(correlations), " ", ",\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_of_the_table_comes_out_as_written),
        cmocka_unit_test(every_case_comes_out_the_same_with_all_texts_in_databases),
        cmocka_unit_test(every_modifier_category_and_type_of_correlation_stands_in_a_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
