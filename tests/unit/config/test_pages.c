/* What users read about configuration and operation is what the program does:
 * the example site file, and the tables of docs/operations.md. */
#include "../../../app/app.h"
#include "config/config_priv.h"
#include "packet/packet.h"
#include "stats/stats.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#define PAGE_SIZE_MAX (1u << 18)

static const struct threshold {
    const char *rule;
    const char *key;
    uint32_t fallback;
    uint32_t low;
    uint32_t high;
} thresholds[] = {
#define MT_THRESHOLD(rule, member, key, fallback, low, high, meaning) {rule, key, fallback, low, high},
#include "detect/thresholds.def"
#undef MT_THRESHOLD
};

static char page[PAGE_SIZE_MAX];

static const char *read_page(const char *name)
{
    char path[1024];
    snprintf(path, sizeof(path), "%s/%s", MT_SOURCE_ROOT, name);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        fail_msg("%s can't be read", path);
    size_t size = fread(page, 1, sizeof(page) - 1, file);
    fclose(file);
    page[size] = '\0';
    return page;
}

/* --- the example -------------------------------------------------------------- */

static const struct mt_yaml *value_of(const struct mt_yaml *map, const char *name)
{
    if (map == NULL || map->kind != MT_YAML_MAP)
        return NULL;
    for (const struct mt_yaml *key = map->child; key != NULL; key = key->next->next) {
        if (mt_span_eq(key->text, mt_span_cstr(name)))
            return key->next;
    }
    return NULL;
}

static void the_example_site_file_is_read(void **state)
{
    (void)state;
    struct mt_config config;
    struct mt_config defaults;
    char error[512] = "";

    mt_config_init(&config);
    mt_config_init(&defaults);
    int rc =
        mt_config_read_site(&config, MT_SOURCE_ROOT "/app/share/site.example.yaml", error, sizeof(error));
    if (rc != 0)
        fail_msg("%s", error);
    assert_true(config.site.home_network_count > 0 && config.site.local_domain_count > 0);
    assert_true(config.site.mail_server_count > 0 && config.site.allowed_relay_count > 0);
    /* it says that its thresholds are the defaults */
    assert_memory_equal(&config.detect, &defaults.detect, sizeof(defaults.detect));
    mt_config_destroy(&config);
    mt_config_destroy(&defaults);
}

static void the_example_names_every_threshold_with_its_default_and_range(void **state)
{
    (void)state;
    const char *text = read_page("app/share/site.example.yaml");
    char error[512] = "";
    const struct mt_yaml_report report = {"site.example.yaml", error, sizeof(error)};
    struct mt_yaml *nodes;
    const struct mt_yaml *root;

    assert_int_equal(mt_yaml_parse(mt_span_cstr(text), &mt_yaml_limits_default, &report, &nodes, &root), 0);
    for (size_t i = 0; i < MT_ARRAY_COUNT(thresholds); i++) {
        const struct threshold *t = &thresholds[i];
        const struct mt_yaml *value = value_of(value_of(value_of(root, "thresholds"), t->rule), t->key);
        char expected[64];
        if (value == NULL)
            fail_msg("thresholds.%s.%s is missing", t->rule, t->key);
        snprintf(expected, sizeof(expected), "%u", (unsigned)t->fallback);
        assert_true(mt_span_eq(value->text, mt_span_cstr(expected)));
    }
    mt_yaml_free(nodes);

    /* the ranges stand in the comments, one a threshold, in the list's order */
    for (size_t i = 0; i < MT_ARRAY_COUNT(thresholds); i++) {
        char range[64];
        snprintf(range, sizeof(range), "(%u to %u)", (unsigned)thresholds[i].low,
                 (unsigned)thresholds[i].high);
        text = strstr(text, range);
        if (text == NULL)
            fail_msg("thresholds.%s.%s: %s is missing", thresholds[i].rule, thresholds[i].key, range);
        text++;
    }
}

/* --- docs/operations.md --------------------------------------------------------- */

static void assert_page_has(const char *text)
{
    if (strstr(page, text) == NULL) {
        fprintf(stderr, "%s\n", text); /* whole, to be put there; cmocka cuts at 1 KiB */
        fail_msg("docs/operations.md lacks the text above");
    }
}

static void the_page_lists_every_counter_in_its_order(void **state)
{
    (void)state;
    static char table[PAGE_SIZE_MAX];
    struct mt_buf b = mt_buf(table, sizeof(table) - 1);

    mt_buf_put_cstr(&b, "| Counter | Counts |\n|---|---|\n");
    for (int i = 0; i < MT_COUNTER_REJECT_FIRST; i++) {
        mt_buf_put_cstr(&b, "| `");
        mt_buf_put_cstr(&b, mt_counter_name((enum mt_counter)i));
        mt_buf_put_cstr(&b, "` | ");
        mt_buf_put_cstr(&b, mt_counter_meaning((enum mt_counter)i));
        mt_buf_put_cstr(&b, " |\n");
    }
    for (int i = 0; i < MT_REJECT_COUNT; i++) {
        mt_buf_put_cstr(&b, "| `");
        mt_buf_put_cstr(&b, mt_reject_name((enum mt_reject)i));
        mt_buf_put_cstr(&b, "` | frames left out: ");
        mt_buf_put_cstr(&b, mt_reject_meaning((enum mt_reject)i));
        mt_buf_put_cstr(&b, " |\n");
    }
    assert_false(b.overflow);
    table[b.size] = '\0';
    read_page("docs/operations.md");
    /* one table: behind the last row comes an empty line */
    mt_buf_put_byte(&b, '\n');
    table[b.size] = '\0';
    assert_page_has(table);
}

static void the_page_lists_every_exit_code(void **state)
{
    (void)state;
    static const int codes[] = {MT_EXIT_OK, MT_EXIT_INCOMPLETE, MT_EXIT_USAGE, MT_EXIT_START, MT_EXIT_ALERT};
    read_page("docs/operations.md");
    for (size_t i = 0; i < MT_ARRAY_COUNT(codes); i++) {
        char row[32];
        snprintf(row, sizeof(row), "\n| %d | ", codes[i]);
        assert_page_has(row);
    }
}

/* The texts between ```yaml and ``` of the page, one after the other. */
static void every_yaml_text_of_the_page_is_read(void **state)
{
    (void)state;
    const char *at = read_page("docs/operations.md");
    unsigned count = 0;

    while ((at = strstr(at, "```yaml\n")) != NULL) {
        struct mt_config config;
        char error[512] = "";
        at += strlen("```yaml\n");
        const char *end = strstr(at, "```");
        assert_non_null(end);
        struct mt_span text = mt_span(at, (size_t)(end - at));
        bool is_program = mt_span_icontains(text, "site:");
        mt_config_init(&config);
        if (mt_config_read_text(&config, is_program ? MT_CONFIG_PROGRAM : MT_CONFIG_SITE,
                                "docs/operations.md", text, error, sizeof(error)) != 0)
            fail_msg("%s", error);
        mt_config_destroy(&config);
        count++;
        at = end;
    }
    assert_true(count >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_example_site_file_is_read),
        cmocka_unit_test(the_example_names_every_threshold_with_its_default_and_range),
        cmocka_unit_test(the_page_lists_every_counter_in_its_order),
        cmocka_unit_test(the_page_lists_every_exit_code),
        cmocka_unit_test(every_yaml_text_of_the_page_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
