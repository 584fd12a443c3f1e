/* The lists of lib/export/format_*.def are complete and true: each field stands in
 * each of them once, a mapped field changes what is written, one that is left out
 * does not, and docs/formats.md says the same. `--tables` prints its tables. */
#include "format_maps.h"
#include "format_run.h"
#include "record_full.h"

#include "export/format_select_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

struct check {
    const struct format_map *map;
    struct format_run run;
    bool is_alert;
    char *before; /* with no field changed */
    unsigned wrong;
    unsigned fields;
};

/* The entry of a path, or of a list that it is in and that is left out whole. */
static const struct format_map_entry *entry_of(const struct check *check, const char *path)
{
    for (size_t i = 0; i < check->map->count; i++) {
        const struct format_map_entry *entry = &check->map->entries[i];
        size_t size = strlen(entry->path);
        if (entry->is_alert != check->is_alert || strncmp(entry->path, path, size) != 0)
            continue;
        if (path[size] == '\0' || (entry->target == NULL && strncmp(path + size, "[].", 3) == 0))
            return entry;
    }
    return NULL;
}

static const char *encode(struct check *check, const char *path, enum record_change change)
{
    if (check->is_alert)
        format_run_alert(&check->run, record_full_alert(path, change));
    else
        format_run_session(&check->run, record_full_session(path, change));
    return format_run_all(&check->run);
}

static bool changes_output(struct check *check, const char *path)
{
    for (unsigned change = 0; change < RECORD_CHANGE_COUNT; change++) {
        if (strcmp(encode(check, path, (enum record_change)change), check->before) != 0)
            return true;
    }
    return false;
}

static void check_field(void *ctx, const char *path, const struct mt_selected *field)
{
    struct check *check = ctx;

    if (mt_selection_items(field->steps[field->depth - 1]) != NULL)
        return; /* a list of objects is as its fields are */
    check->fields++;
    const struct format_map_entry *entry = entry_of(check, path);
    const char *record = check->is_alert ? "ALERT" : "SESSION";
    if (entry == NULL) {
        print_error("format_%s.def: %s of %s stands in no line\n", check->map->format, path, record);
        check->wrong++;
    } else if (changes_output(check, path) != (entry->target != NULL)) {
        print_error("format_%s.def: %s of %s is %s\n", check->map->format, path, record,
                    entry->target != NULL ? "mapped, but changes nothing"
                                          : "left out, but changes what is written");
        check->wrong++;
    }
}

static unsigned check_record(const struct format_map *map, bool is_alert)
{
    struct check check = {.map = map, .is_alert = is_alert};

    format_run_init(&check.run, map->format, NULL);
    check.before = strdup(encode(&check, NULL, RECORD_ABSENT));
    mt_selection_walk(is_alert ? &mt_group_alert : &mt_group_session, check_field, &check);
    assert_true(check.fields > 20);
    free(check.before);
    format_run_fini(&check.run);
    return check.wrong;
}

static void every_field_is_mapped_or_left_out_as_its_list_says(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < format_map_count; i++)
        wrong += check_record(&format_maps[i], false) + check_record(&format_maps[i], true);
    assert_int_equal(wrong, 0);
}

struct search {
    const char *path;
    bool found;
};

static void look(void *ctx, const char *path, const struct mt_selected *field)
{
    struct search *search = ctx;

    (void)field;
    search->found |= strcmp(path, search->path) == 0;
}

static bool is_known(const char *path, bool is_alert)
{
    struct search search = {.path = path};

    mt_selection_walk(is_alert ? &mt_group_alert : &mt_group_session, look, &search);
    return search.found;
}

static void the_lists_name_fields_that_exist_and_each_once(void **state)
{
    (void)state;
    for (size_t m = 0; m < format_map_count; m++) {
        const struct format_map *map = &format_maps[m];
        for (size_t i = 0; i < map->count; i++) {
            const struct format_map_entry *entry = &map->entries[i];
            if (!is_known(entry->path, entry->is_alert))
                fail_msg("format_%s.def: %s is no field", map->format, entry->path);
            if (entry->target == NULL && entry->note[0] == '\0')
                fail_msg("format_%s.def: %s is left out without a reason", map->format, entry->path);
            for (size_t j = 0; j < i; j++) {
                if (map->entries[j].is_alert == entry->is_alert &&
                    strcmp(map->entries[j].path, entry->path) == 0)
                    fail_msg("format_%s.def: %s stands twice", map->format, entry->path);
            }
        }
    }
}

/* --- every field of the whole forms ------------------------------------------------ */

static unsigned changed_columns(const char *format, const char *path, bool is_alert)
{
    const char *const fields[] = {path, "event.dataset", NULL};
    struct check check = {.is_alert = is_alert};
    unsigned changed;

    format_run_init(&check.run, format, fields);
    check.before = strdup(encode(&check, NULL, RECORD_ABSENT));
    changed = changes_output(&check, path) ? 1 : 0;
    free(check.before);
    format_run_fini(&check.run);
    return changed;
}

struct whole {
    const char *format;
    bool is_alert;
    unsigned silent;
};

static void choose_alone(void *ctx, const char *path, const struct mt_selected *field)
{
    struct whole *whole = ctx;

    if (mt_selection_items(field->steps[field->depth - 1]) == NULL &&
        changed_columns(whole->format, path, whole->is_alert) == 0) {
        print_error("%s: %s was chosen, but changes nothing\n", whole->format, path);
        whole->silent++;
    }
}

static void every_field_can_be_chosen_alone(void **state)
{
    static const char *const formats[] = {"ecs", "csv", "tsv"};
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(formats); i++) {
        struct whole whole = {.format = formats[i]};
        mt_selection_walk(&mt_group_session, choose_alone, &whole);
        whole.is_alert = true;
        mt_selection_walk(&mt_group_alert, choose_alone, &whole);
        assert_int_equal(whole.silent, 0);
    }
}

/* --- docs/formats.md ------------------------------------------------------------------ */

static char *read_docs(void)
{
    static char text[1 << 18];
    FILE *file = fopen(MT_SOURCE_ROOT "/docs/formats.md", "re");

    if (file == NULL)
        fail_msg("docs/formats.md can't be read");
    size_t size = fread(text, 1, sizeof(text) - 1, file);
    fclose(file);
    text[size] = '\0';
    return text;
}

static void print_tables(const struct format_map *map, FILE *to)
{
    fprintf(to, "<!-- fields of %s: made from lib/export/format_%s.def -->\n\n", map->format, map->format);
    format_map_print(map, to);
    fprintf(to, "<!-- end of %s -->\n", map->format);
}

static void the_document_has_the_tables_of_the_lists(void **state)
{
    (void)state;
    const char *docs = read_docs();
    for (size_t i = 0; i < format_map_count; i++) {
        char *tables = NULL;
        size_t size = 0;
        if (strcmp(format_maps[i].format, "zeek-json") == 0)
            continue; /* the same list */
        FILE *to = open_memstream(&tables, &size);
        assert_non_null(to);
        print_tables(&format_maps[i], to);
        fclose(to);
        if (strstr(docs, tables) == NULL)
            fail_msg("docs/formats.md is not what the list of %s says; print it with --tables and put it in",
                     format_maps[i].format);
        free(tables);
    }
}

static void the_document_names_every_format(void **state)
{
    (void)state;
    const char *docs = read_docs();
    const struct mt_format_ops *ops;
    for (size_t i = 0; (ops = mt_format_at(i)) != NULL; i++) {
        char row[256];
        snprintf(row, sizeof(row), "| `%s` | %s |", ops->name, ops->meaning);
        if (strstr(docs, row) == NULL)
            fail_msg("docs/formats.md lacks the line %s", row);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field_is_mapped_or_left_out_as_its_list_says),
        cmocka_unit_test(the_lists_name_fields_that_exist_and_each_once),
        cmocka_unit_test(every_field_can_be_chosen_alone),
        cmocka_unit_test(the_document_has_the_tables_of_the_lists),
        cmocka_unit_test(the_document_names_every_format),
    };
    if (argc > 1 && strcmp(argv[1], "--tables") == 0) {
        for (size_t i = 0; i < format_map_count; i++) {
            if (strcmp(format_maps[i].format, "zeek-json") != 0)
                print_tables(&format_maps[i], stdout);
        }
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
