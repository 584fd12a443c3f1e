/* What rules, filters and correlations say of each other: names, references, cycles. */
#include "sigma/rule_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* The one text, so that it is known by its address. */
static const char BROKEN[] = "it has an error";

int mt_sigma_complain(struct mt_sigma *sigma, struct mt_sigma_loaded *l, uint32_t line, uint32_t column,
                      const char *what, const char *name)
{
    char text[512];
    l->rule.inactive = BROKEN;
    const struct mt_yaml_report report = {l->rule.path, text, sizeof(text)};
    mt_yaml_report_place(&report, line, column, "%s%s%s", what, name ? " " : "",
                         name ? mt_yaml_quote(mt_span_cstr(name)).text : "");
    return mt_sigma_error_add(sigma, text);
}

bool mt_sigma_is_named(const struct mt_sigma_loaded *l, const char *name)
{
    return strcmp(l->rule.name, name) == 0 ||
           (l->rule.id && mt_span_ieq_cstr(mt_span_cstr(name), l->rule.id));
}

/* --- names --------------------------------------------------------------------- */

/* Every name and id, in their order, as often as it stands. */
struct by_name {
    const char *name;
    struct mt_sigma_loaded *rule;
    bool is_id;
};

struct index {
    struct by_name *names;
    size_t count;
};

static int compare_names(const void *a, const void *b)
{
    const struct by_name *x = a;
    const struct by_name *y = b;
    int order = strcmp(x->name, y->name);
    if (order != 0)
        return order;
    if (x->is_id != y->is_id)
        return x->is_id ? 1 : -1;
    return x->rule->index < y->rule->index ? -1 : x->rule->index > y->rule->index;
}

static int index_make(const struct mt_sigma *sigma, struct index *ret_index)
{
    struct by_name *names = calloc((size_t)sigma->count * 2 + 1, sizeof(*names));
    size_t count = 0;
    if (!names)
        return -ENOMEM;
    for (uint32_t i = 0; i < sigma->count; i++) {
        struct mt_sigma_loaded *l = sigma->all[i];
        names[count++] = (struct by_name){.name = l->rule.name, .rule = l};
        if (l->rule.id)
            names[count++] = (struct by_name){.name = l->rule.id, .rule = l, .is_id = true};
    }
    qsort(names, count, sizeof(*names), compare_names);
    *ret_index = (struct index){.names = names, .count = count};
    return 0;
}

/* The first that is called so and is no filter. */
static struct mt_sigma_loaded *find_called(const struct index *index, const char *name)
{
    size_t low = 0;
    size_t high = index->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(index->names[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < index->count && strcmp(index->names[low].name, name) == 0; low++) {
        if (index->names[low].rule->rule.kind != MT_SIGMA_KIND_FILTER)
            return index->names[low].rule;
    }
    return NULL;
}

/* By its name, else by its id, which is kept in lower case. */
static struct mt_sigma_loaded *find(const struct index *index, const char *name)
{
    char id[40];
    struct mt_sigma_loaded *found = find_called(index, name);
    if (found || strlen(name) != 36)
        return found;
    for (size_t i = 0; i <= 36; i++)
        id[i] = (char)mt_ascii_lower((uint8_t)name[i]);
    return find_called(index, id);
}

#define GUESSED_MAX 20u /* errors for which the nearest of all names is looked for */

static int unknown_rule(struct mt_sigma *sigma, struct mt_sigma_loaded *l, const struct mt_sigma_ref *ref)
{
    char what[400];
    const char *nearest = NULL;
    size_t least = SIZE_MAX;
    for (uint32_t i = 0; i < sigma->count && sigma->error_count < GUESSED_MAX; i++) {
        const char *name = sigma->all[i]->rule.name;
        bool is_other = sigma->all[i] != l && sigma->all[i]->rule.kind != MT_SIGMA_KIND_FILTER;
        if (!is_other || !mt_yaml_nearest(mt_span_cstr(ref->name), &name, 1))
            continue;
        size_t distance = mt_yaml_distance(mt_span_cstr(ref->name), mt_span_cstr(name));
        nearest = distance < least ? name : nearest;
        least = mt_min_u64(distance, least);
    }
    snprintf(what, sizeof(what), "there is no rule %s%s%s%s", mt_yaml_quote(mt_span_cstr(ref->name)).text,
             nearest ? "; did you mean " : "", nearest ? mt_yaml_quote(mt_span_cstr(nearest)).text : "",
             nearest ? "?" : "");
    return mt_sigma_complain(sigma, l, ref->line, ref->column, what, NULL);
}

static int resolve(struct mt_sigma *sigma, const struct index *index, struct mt_sigma_loaded *l)
{
    for (uint32_t i = 0; i < l->ref_count; i++) {
        struct mt_sigma_ref *ref = &l->refs[i];
        ref->rule = find(index, ref->name);
        if (ref->rule)
            continue;
        int rc = unknown_rule(sigma, l, ref);
        if (rc != 0)
            return rc;
    }
    return 0;
}

enum {
    MARK_NEW,
    MARK_BELOW, /* on the way down */
    MARK_DONE,
    MARK_CYCLE, /* leads to itself, or to one that does */
};

struct way {
    const struct mt_sigma_ref *refs[MT_SIGMA_NESTING_MAX + 2];
    struct mt_sigma_loaded *of[MT_SIGMA_NESTING_MAX + 2];
    unsigned size;
};

/* The correlation that leads back to itself, or too deep, and the way to it; NULL:
 * there is none below. */
static struct mt_sigma_loaded *find_cycle(struct mt_sigma_loaded *l, struct way *way)
{
    struct mt_sigma_loaded *found = NULL;
    if (l->rule.kind != MT_SIGMA_KIND_CORRELATION || l->correlation->mark == MARK_DONE)
        return NULL;
    if (l->correlation->mark != MARK_NEW || way->size > MT_SIGMA_NESTING_MAX)
        return l;
    l->correlation->mark = MARK_BELOW;
    unsigned at = way->size++;
    way->of[at] = l;
    for (uint32_t i = 0; i < l->ref_count && !found; i++) {
        way->refs[at] = &l->refs[i];
        found = l->refs[i].rule ? find_cycle(l->refs[i].rule, way) : NULL;
    }
    if (!found)
        way->size--;
    l->correlation->mark = found ? MARK_CYCLE : MARK_DONE;
    if (found)
        l->rule.inactive = BROKEN;
    return found;
}

/* "a > b > a", where the first of them names the next. */
static int report_cycle(struct mt_sigma *sigma, const struct way *way, struct mt_sigma_loaded *found)
{
    char what[400];
    size_t n = 0;
    unsigned from = 0;
    while (from < way->size && way->of[from] != found)
        from++;
    bool is_cycle = from < way->size;
    if (!is_cycle && way->size <= MT_SIGMA_NESTING_MAX)
        return 0; /* it leads to one that has been reported */
    from = is_cycle ? from : 0;
    n = (size_t)snprintf(what, sizeof(what), "%s",
                         is_cycle ? "the correlation refers to itself:"
                                  : "the correlation leads to more than 32 others, one behind the other:");
    for (unsigned i = from; i <= way->size && n < sizeof(what) - 64; i++) {
        const char *name = i < way->size ? way->of[i]->rule.name : found->rule.name;
        n += (size_t)snprintf(what + n, sizeof(what) - n, "%s %.40s", i > from ? " >" : "", name);
    }
    return mt_sigma_complain(sigma, way->of[from], way->refs[from]->line, way->refs[from]->column, what,
                             NULL);
}

static int report_double(struct mt_sigma *sigma, const struct by_name *one, const struct by_name *first)
{
    struct mt_sigma_loaded *l = one->rule;
    char text[900];
    const struct mt_yaml_report report = {l->rule.path, text, sizeof(text)};
    bool is_of_title = !one->is_id && !l->has_name;
    l->rule.inactive = BROKEN;
    mt_yaml_report_place(&report, one->is_id ? l->id_line : l->rule.line, one->is_id ? l->id_column : 1,
                         "the %s %s%s is that of %.300s:%u as well%s", one->is_id ? "id" : "name",
                         mt_yaml_quote(mt_span_cstr(one->name)).text,
                         is_of_title ? ", made of the title," : "", first->rule->rule.path,
                         first->rule->rule.line, is_of_title ? "; give it a `name` of its own" : "");
    return mt_sigma_error_add(sigma, text);
}

/* The first of equal ones stays. */
static int find_doubles(struct mt_sigma *sigma, const struct index *index)
{
    const struct by_name *first = NULL;
    int rc = 0;
    for (size_t i = 0; i < index->count && rc == 0; i++) {
        const struct by_name *one = &index->names[i];
        bool is_same = first && first->is_id == one->is_id && strcmp(first->name, one->name) == 0;
        if (is_same && one->rule->rule.inactive != BROKEN)
            rc = report_double(sigma, one, first);
        first = is_same ? first : one;
    }
    return rc;
}

/* A filter's program is that of the rules' category. */
static int attach_filters(struct mt_sigma *sigma)
{
    for (uint32_t i = 0; i < sigma->count; i++) {
        struct mt_sigma_loaded *f = sigma->all[i];
        if (f->rule.kind != MT_SIGMA_KIND_FILTER || f->rule.inactive)
            continue;
        for (uint32_t k = 0; k < f->ref_count; k++) {
            const struct mt_sigma_ref *ref = &f->refs[k];
            const char *what = NULL;
            if (!ref->rule)
                continue;
            if (ref->rule->rule.kind != MT_SIGMA_KIND_RULE)
                what =
                    "a filter leaves out events of rules; name those that it refers to, not the correlation";
            else if (!ref->rule->rule.inactive && ref->rule->rule.category != f->rule.category)
                what = "of another category than the filter is the rule";
            int rc = what ? mt_sigma_complain(sigma, f, ref->line, ref->column, what, ref->name) : 0;
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

int mt_sigma_link(struct mt_sigma *sigma)
{
    struct index index;
    int rc = index_make(sigma, &index);
    if (rc != 0)
        return rc;
    rc = find_doubles(sigma, &index);
    for (uint32_t i = 0; i < sigma->count && rc == 0; i++)
        rc = resolve(sigma, &index, sigma->all[i]);
    free(index.names);
    if (rc == 0)
        rc = attach_filters(sigma);
    for (uint32_t i = 0; i < sigma->count && rc == 0; i++) {
        struct mt_sigma_loaded *l = sigma->all[i];
        struct way way = {.size = 0};
        bool is_new = l->rule.kind == MT_SIGMA_KIND_CORRELATION && l->correlation->mark == MARK_NEW;
        struct mt_sigma_loaded *found = is_new ? find_cycle(l, &way) : NULL;
        if (found)
            rc = report_cycle(sigma, &way, found);
    }
    return rc;
}
