#include "export/format_select_priv.h"

#include "export/json_table_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

const struct mt_field_group *mt_selection_items(const struct mt_field *field)
{
    const struct mt_field_group *items = mt_field_items((enum mt_field_type)field->type);

    return items == &mt_group_parameter || items == &mt_group_groupby ? NULL : items;
}

/* --- walking -------------------------------------------------------------------- */

struct walk {
    mt_selection_visit *visit;
    void *ctx;
    struct mt_selected at;
    char path[MT_SELECTION_PATH_MAX];
};

static void walk_group(struct walk *walk, const struct mt_field_group *group, size_t path_size)
{
    unsigned depth = walk->at.depth;

    if (depth == MT_SELECTION_STEPS_MAX)
        return;
    walk->at.depth = depth + 1;
    for (uint32_t i = 0; i < group->count; i++) {
        const struct mt_field *field = &group->fields[i];
        const struct mt_field_group *items = mt_selection_items(field);
        int size = snprintf(walk->path + path_size, sizeof(walk->path) - path_size, "%s%s",
                            path_size > 0 ? "." : "", field->path);
        walk->at.steps[depth] = field;
        walk->visit(walk->ctx, walk->path, &walk->at);
        if (items != NULL && size > 0 && path_size + (size_t)size < sizeof(walk->path) - 3) {
            memcpy(walk->path + path_size + size, "[]", 3);
            walk_group(walk, items, path_size + (size_t)size + 2);
        }
    }
    walk->at.depth = depth;
}

void mt_selection_walk(const struct mt_field_group *group, mt_selection_visit *visit, void *ctx)
{
    struct walk walk = {.visit = visit, .ctx = ctx};

    walk_group(&walk, group, 0);
}

/* --- finding -------------------------------------------------------------------- */

/* Equal but for brackets, which either may lack. */
static bool same_path(const char *a, const char *b)
{
    for (;; a++, b++) {
        while (*a == '[' || *a == ']')
            a++;
        while (*b == '[' || *b == ']')
            b++;
        if (*a != *b)
            return false;
        if (*a == '\0')
            return true;
    }
}

struct find {
    const char *path;
    struct mt_selected found;
};

static void find_one(void *ctx, const char *path, const struct mt_selected *field)
{
    struct find *find = ctx;

    if (same_path(path, find->path))
        find->found = *field;
}

static struct mt_selected find_path(const struct mt_field_group *group, const char *path)
{
    struct find find = {.path = path};

    mt_selection_walk(group, find_one, &find);
    return find.found;
}

/* Levenshtein distance of two paths, cut to MT_SELECTION_PATH_MAX. */
static unsigned distance(const char *a, const char *b)
{
    uint8_t row[MT_SELECTION_PATH_MAX + 1];
    size_t a_size = strnlen(a, MT_SELECTION_PATH_MAX);
    size_t b_size = strnlen(b, MT_SELECTION_PATH_MAX);

    for (size_t j = 0; j <= b_size; j++)
        row[j] = (uint8_t)j;
    for (size_t i = 1; i <= a_size; i++) {
        uint8_t diagonal = row[0];
        row[0] = (uint8_t)i;
        for (size_t j = 1; j <= b_size; j++) {
            uint8_t above = row[j];
            uint64_t changed = diagonal + (a[i - 1] != b[j - 1] ? 1u : 0u);
            row[j] = (uint8_t)mt_min_u64(changed, mt_min_u64(above, row[j - 1]) + 1u);
            diagonal = above;
        }
    }
    return row[b_size];
}

struct nearest {
    const char *path;
    unsigned distance;
    char found[MT_SELECTION_PATH_MAX];
};

static void find_nearest(void *ctx, const char *path, const struct mt_selected *field)
{
    struct nearest *nearest = ctx;
    unsigned far = distance(path, nearest->path);

    (void)field;
    if (far < nearest->distance) {
        nearest->distance = far;
        snprintf(nearest->found, sizeof(nearest->found), "%s", path);
    }
}

static int refuse_path(const char *path, char *ret_reason, size_t reason_size)
{
    struct nearest nearest = {.path = path, .distance = MT_SELECTION_PATH_MAX};

    mt_selection_walk(&mt_group_session, find_nearest, &nearest);
    mt_selection_walk(&mt_group_alert, find_nearest, &nearest);
    snprintf(ret_reason, reason_size, "%.100s is no field, the nearest is %s; mailtap fields lists them",
             path, nearest.found);
    return -EINVAL;
}

int mt_selection_create(const char *const *paths, size_t count, char *ret_reason, size_t reason_size,
                        struct mt_selection **ret_selection)
{
    struct mt_selection *selection;

    if (count > MT_SELECTION_MAX) {
        snprintf(ret_reason, reason_size, "%zu fields were chosen, the limit is %u", count, MT_SELECTION_MAX);
        return -EINVAL;
    }
    selection = calloc(1, sizeof(*selection) + count * sizeof(selection->columns[0]));
    if (selection == NULL) {
        snprintf(ret_reason, reason_size, "there is no memory for the chosen fields");
        return -ENOMEM;
    }
    selection->count = count;
    for (size_t i = 0; i < count; i++) {
        struct mt_selected_column *column = &selection->columns[i];
        column->path = paths[i];
        column->session = find_path(&mt_group_session, paths[i]);
        column->alert = find_path(&mt_group_alert, paths[i]);
        if (column->session.depth == 0 && column->alert.depth == 0) {
            mt_selection_destroy(selection);
            return refuse_path(paths[i], ret_reason, reason_size);
        }
    }
    *ret_selection = selection;
    return 0;
}

void mt_selection_destroy(struct mt_selection *selection)
{
    if (selection == NULL)
        return;
    if (selection->groups != NULL)
        free((void *)(uintptr_t)selection->groups[0].fields);
    free(selection->groups);
    free(selection);
}
