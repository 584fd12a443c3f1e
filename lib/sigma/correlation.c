/* `correlation:`, and what rules, filters and correlations say of each other. */
#include "sigma/rule_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum key {
    KEY_TYPE,
    KEY_RULES,
    KEY_ALIASES,
    KEY_GROUP_BY,
    KEY_TIMESPAN,
    KEY_CONDITION,
    KEY_GENERATE,
    KEY_COUNT,
};

static const char *const keys[KEY_COUNT] = {"type",     "rules",     "aliases", "group-by",
                                            "timespan", "condition", "generate"};

static const char *const type_names[] = {
#define MT_SIGMA_CORRELATION(NAME, name) name,
#include "sigma/correlations.def"
#undef MT_SIGMA_CORRELATION
};

static int wrong(const struct mt_sigma_reading *r, const struct mt_yaml *at, const char *what)
{
    mt_yaml_report_place(r->report, at->line, at->column, "correlation: %s, found %s", what,
                         mt_yaml_describe(at).text);
    return -EINVAL;
}

static int take_type(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    for (int i = 0; i < MT_SIGMA_CORRELATE_TYPES; i++) {
        if (value->kind == MT_YAML_TEXT && mt_span_eq(value->text, mt_span_cstr(type_names[i]))) {
            r->loaded->correlation->type = (enum mt_sigma_correlation_type)i;
            return 0;
        }
    }
    const char *nearest = value->kind == MT_YAML_TEXT
                              ? mt_yaml_nearest(value->text, type_names, MT_SIGMA_CORRELATE_TYPES)
                              : NULL;
    mt_yaml_report_place(r->report, value->line, value->column, "correlation: unknown type %s%s%s%s",
                         mt_yaml_describe(value).text, nearest ? "; did you mean \"" : "",
                         nearest ? nearest : "", nearest ? "\"?" : "");
    return -EINVAL;
}

static bool take_digits(struct mt_span text, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (text.size == 0 || text.size > 18)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!mt_ascii_is_digit(text.ptr[i]))
            return false;
        number = number * 10 + (uint64_t)(text.ptr[i] - '0');
    }
    *ret_number = number;
    return true;
}

static int take_timespan(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    static const struct {
        uint8_t unit;
        uint32_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    struct mt_span text = value->kind == MT_YAML_TEXT ? value->text : mt_span_none();
    uint64_t number;
    for (size_t i = 0; i < MT_ARRAY_COUNT(units); i++) {
        if (text.size < 2 || text.ptr[text.size - 1] != units[i].unit ||
            !take_digits(mt_span_head(text, text.size - 1), &number) || number == 0 || number > 3650000)
            continue;
        r->loaded->correlation->timespan = number * units[i].seconds;
        return 0;
    }
    return wrong(r, value, "timespan: expected a number of s, m, h or d, such as 10m");
}

static const char *const bound_names[] = {"lt", "lte", "gt", "gte", "eq", "neq"};

static int take_bound(struct mt_sigma_reading *r, const struct mt_yaml *key)
{
    struct mt_sigma_correlation *c = r->loaded->correlation;
    for (size_t i = 0; i < MT_ARRAY_COUNT(bound_names); i++) {
        if (!mt_span_eq(key->text, mt_span_cstr(bound_names[i])))
            continue;
        c->bound_bits |= (uint8_t)(1u << i);
        return key->next->kind == MT_YAML_TEXT && take_digits(key->next->text, &c->bounds[i])
                   ? 0
                   : wrong(r, key->next, "condition: expected a whole number");
    }
    static const char *const known[] = {"lt", "lte", "gt", "gte", "eq", "neq", "field", "percentile"};
    mt_yaml_report_unknown(r->report, key->line, key->column, key->text, known, MT_ARRAY_COUNT(known));
    return -EINVAL;
}

/* No count is within both. */
static bool is_empty_range(const struct mt_sigma_correlation *c)
{
    uint64_t low = 0;
    uint64_t high = UINT64_MAX;
    if (c->bound_bits & MT_SIGMA_BOUND_GT)
        low = c->bounds[2] + 1;
    if (c->bound_bits & MT_SIGMA_BOUND_GTE)
        low = mt_max_u64(low, c->bounds[3]);
    if (c->bound_bits & MT_SIGMA_BOUND_LT)
        high = c->bounds[0] > 0 ? c->bounds[0] - 1 : 0;
    if (c->bound_bits & MT_SIGMA_BOUND_LTE)
        high = mt_min_u64(high, c->bounds[1]);
    if (c->bound_bits & MT_SIGMA_BOUND_LT && c->bounds[0] == 0)
        return true;
    return low > high;
}

static int take_condition(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    struct mt_sigma_correlation *c = r->loaded->correlation;
    if (value->kind == MT_YAML_TEXT) {
        c->expression = mt_sigma_copy(&r->sigma->memory, value->text);
        return c->expression ? 0 : -ENOMEM;
    }
    if (value->kind != MT_YAML_MAP)
        return wrong(r, value, "condition: expected a map such as {gte: 10}");
    for (const struct mt_yaml *key = value->child; key; key = key->next->next) {
        uint64_t number = 0;
        int rc = 0;
        if (key->kind != MT_YAML_TEXT)
            return wrong(r, key, "condition: expected a comparison");
        if (mt_span_eq(key->text, mt_span_cstr("field")))
            rc = mt_sigma_read_texts(r, "field", key->next, &c->fields);
        else if (!mt_span_eq(key->text, mt_span_cstr("percentile")))
            rc = take_bound(r, key);
        else if (key->next->kind != MT_YAML_TEXT || !take_digits(key->next->text, &number) || number > 100)
            rc = wrong(r, key->next, "percentile: expected 0 to 100");
        else
            c->percentile = (uint32_t)number;
        if (rc != 0)
            return rc;
    }
    return is_empty_range(c) ? wrong(r, value, "condition: contradicts itself, no count is in its range") : 0;
}

static int take_aliases(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    struct mt_sigma_alias **last = &r->loaded->correlation->aliases;
    if (value->kind != MT_YAML_MAP)
        return wrong(r, value, "aliases: expected a map of names");
    for (const struct mt_yaml *key = value->child; key; key = key->next->next) {
        if (key->kind != MT_YAML_TEXT || key->next->kind != MT_YAML_MAP)
            return wrong(r, key, "aliases: expected {alias: {rule: field}}");
        for (const struct mt_yaml *rule = key->next->child; rule; rule = rule->next->next) {
            if (rule->kind != MT_YAML_TEXT || rule->next->kind != MT_YAML_TEXT)
                return wrong(r, rule, "aliases: expected {alias: {rule: field}}");
            struct mt_sigma_alias *alias = mt_sigma_alloc(&r->sigma->memory, sizeof(*alias));
            if (!alias)
                return -ENOMEM;
            *alias = (struct mt_sigma_alias){.name = mt_sigma_copy(&r->sigma->memory, key->text),
                                             .rule = mt_sigma_copy(&r->sigma->memory, rule->text),
                                             .field = mt_sigma_copy(&r->sigma->memory, rule->next->text),
                                             .line = rule->line,
                                             .column = rule->column};
            if (!alias->name || !alias->rule || !alias->field)
                return -ENOMEM;
            *last = alias;
            last = &alias->next;
        }
    }
    return 0;
}

static int take_generate(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    bool is_true = value->kind == MT_YAML_TEXT && mt_span_ieq_cstr(value->text, "true");
    if (!is_true && !(value->kind == MT_YAML_TEXT && mt_span_ieq_cstr(value->text, "false")))
        return wrong(r, value, "generate: expected true or false");
    r->loaded->correlation->generates = is_true;
    return 0;
}

static int take_member(struct mt_sigma_reading *r, enum key key, const struct mt_yaml *value)
{
    switch (key) {
    case KEY_TYPE:
        return take_type(r, value);
    case KEY_RULES:
        return mt_sigma_read_refs(r, "rules", value);
    case KEY_ALIASES:
        return take_aliases(r, value);
    case KEY_GROUP_BY:
        return mt_sigma_read_texts(r, "group-by", value, &r->loaded->correlation->group_by);
    case KEY_TIMESPAN:
        return take_timespan(r, value);
    case KEY_CONDITION:
        return take_condition(r, value);
    case KEY_GENERATE:
        return take_generate(r, value);
    case KEY_COUNT:
        break;
    }
    return 0;
}

static int check_needs(struct mt_sigma_reading *r, const struct mt_yaml *map, uint32_t has)
{
    const struct mt_sigma_correlation *c = r->loaded->correlation;
    bool is_temporal =
        c->type == MT_SIGMA_CORRELATE_TEMPORAL || c->type == MT_SIGMA_CORRELATE_TEMPORAL_ORDERED;
    uint32_t needed = 1u << KEY_TYPE | 1u << KEY_RULES | 1u << KEY_TIMESPAN;
    if (!is_temporal)
        needed |= 1u << KEY_CONDITION;
    for (int i = 0; i < KEY_COUNT; i++) {
        if (needed & ~has & 1u << i) {
            mt_yaml_report_place(r->report, map->line, map->column, "correlation: %s is missing", keys[i]);
            return -EINVAL;
        }
    }
    bool needs_field = !is_temporal && c->type != MT_SIGMA_CORRELATE_EVENT_COUNT;
    if (needs_field && c->fields.count == 0) {
        mt_yaml_report_place(r->report, map->line, map->column, "correlation: condition: %s needs a field",
                             type_names[c->type]);
        return -EINVAL;
    }
    if (!is_temporal && (c->bound_bits == 0 || c->expression)) {
        mt_yaml_report_place(r->report, map->line, map->column,
                             "correlation: condition: %s needs a comparison such as {gte: 10}",
                             type_names[c->type]);
        return -EINVAL;
    }
    return 0;
}

int mt_sigma_read_correlation(struct mt_sigma_reading *r, const struct mt_yaml *map)
{
    uint32_t has = 0;
    if (map->kind != MT_YAML_MAP)
        return wrong(r, map, "expected type, rules, group-by, timespan and condition");
    r->loaded->correlation = mt_sigma_alloc(&r->sigma->memory, sizeof(*r->loaded->correlation));
    if (!r->loaded->correlation)
        return -ENOMEM;
    for (const struct mt_yaml *key = map->child; key; key = key->next->next) {
        int found = 0;
        while (found < KEY_COUNT &&
               !(key->kind == MT_YAML_TEXT && mt_span_eq(key->text, mt_span_cstr(keys[found]))))
            found++;
        if (found == KEY_COUNT) {
            mt_yaml_report_unknown(r->report, key->line, key->column, key->text, keys, KEY_COUNT);
            return -EINVAL;
        }
        int rc = take_member(r, (enum key)found, key->next);
        if (rc != 0)
            return rc;
        has |= 1u << found;
    }
    return check_needs(r, map, has);
}

/* --- what they say of each other ---------------------------------------------- */

static int complain(struct mt_sigma *sigma, const struct mt_sigma_loaded *l, uint32_t line, uint32_t column,
                    const char *what, const char *name)
{
    char text[512];
    const struct mt_yaml_report report = {l->rule.path, text, sizeof(text)};
    mt_yaml_report_place(&report, line, column, "%s %s", what, mt_yaml_quote(mt_span_cstr(name)).text);
    return mt_sigma_error_add(sigma, text);
}

static bool is_named(const struct mt_sigma_loaded *l, const char *name)
{
    return strcmp(l->rule.name, name) == 0 || (l->rule.id && strcmp(l->rule.id, name) == 0);
}

static struct mt_sigma_loaded *find(const struct mt_sigma *sigma, const char *name)
{
    for (uint32_t i = 0; i < sigma->count; i++) {
        if (is_named(sigma->all[i], name) && sigma->all[i]->rule.kind != MT_SIGMA_KIND_FILTER)
            return sigma->all[i];
    }
    return NULL;
}

#define BROKEN "it has an error"

static int resolve(struct mt_sigma *sigma, struct mt_sigma_loaded *l)
{
    for (uint32_t i = 0; i < l->ref_count; i++) {
        struct mt_sigma_ref *ref = &l->refs[i];
        ref->rule = find(sigma, ref->name);
        if (ref->rule)
            continue;
        l->rule.inactive = BROKEN;
        int rc = complain(sigma, l, ref->line, ref->column, "there is no rule", ref->name);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* 1: on the way down; 2: done. */
static bool has_cycle(struct mt_sigma_loaded *l, unsigned depth)
{
    if (l->rule.kind != MT_SIGMA_KIND_CORRELATION || l->correlation->mark == 2)
        return false;
    if (l->correlation->mark == 1 || depth > MT_SIGMA_NESTING_MAX)
        return true;
    l->correlation->mark = 1;
    bool found = false;
    for (uint32_t i = 0; i < l->ref_count && !found; i++)
        found = l->refs[i].rule && has_cycle(l->refs[i].rule, depth + 1);
    l->correlation->mark = 2;
    return found;
}

static void mark_components(struct mt_sigma_loaded *l)
{
    if (l->rule.kind != MT_SIGMA_KIND_CORRELATION || l->correlation->generates || l->rule.inactive)
        return;
    for (uint32_t i = 0; i < l->ref_count; i++) {
        if (l->refs[i].rule)
            l->refs[i].rule->is_component = true;
    }
}

struct by_name {
    const char *name;
    struct mt_sigma_loaded *rule;
};

static int compare_names(const void *a, const void *b)
{
    const struct by_name *x = a;
    const struct by_name *y = b;
    int order = strcmp(x->name, y->name);
    if (order != 0)
        return order;
    return x->rule->index < y->rule->index ? -1 : x->rule->index > y->rule->index;
}

/* The first of equal ones stays. */
static int find_doubles(struct mt_sigma *sigma, bool by_id)
{
    struct by_name *names = calloc(sigma->count + 1, sizeof(*names));
    size_t count = 0;
    int rc = names ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < sigma->count && rc == 0; i++) {
        const char *name = by_id ? sigma->all[i]->rule.id : sigma->all[i]->rule.name;
        if (name)
            names[count++] = (struct by_name){.name = name, .rule = sigma->all[i]};
    }
    if (rc == 0)
        qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 1; i < count && rc == 0; i++) {
        struct mt_sigma_loaded *l = names[i].rule;
        if (strcmp(names[i].name, names[i - 1].name) != 0)
            continue;
        l->rule.inactive = BROKEN;
        char text[900];
        const struct mt_yaml_report report = {l->rule.path, text, sizeof(text)};
        mt_yaml_report_place(&report, by_id ? l->id_line : l->rule.line, by_id ? l->id_column : 1,
                             "the %s %s is that of %.300s:%u as well", by_id ? "id" : "name",
                             mt_yaml_quote(mt_span_cstr(names[i].name)).text, names[i - 1].rule->rule.path,
                             names[i - 1].rule->rule.line);
        rc = mt_sigma_error_add(sigma, text);
    }
    free(names);
    return rc;
}

/* A filter's program is that of the rules' category. */
static int attach_filters(struct mt_sigma *sigma)
{
    for (uint32_t i = 0; i < sigma->count; i++) {
        const struct mt_sigma_loaded *f = sigma->all[i];
        if (f->rule.kind != MT_SIGMA_KIND_FILTER || f->rule.inactive)
            continue;
        for (uint32_t k = 0; k < f->ref_count; k++) {
            const struct mt_sigma_ref *ref = &f->refs[k];
            if (!ref->rule || ref->rule->rule.kind != MT_SIGMA_KIND_RULE || ref->rule->rule.inactive ||
                ref->rule->rule.category == f->rule.category)
                continue;
            sigma->all[i]->rule.inactive = BROKEN;
            int rc = complain(sigma, f, ref->line, ref->column,
                              "of another category than the filter is the rule", ref->name);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

int mt_sigma_link(struct mt_sigma *sigma)
{
    int rc = find_doubles(sigma, true);
    if (rc == 0)
        rc = find_doubles(sigma, false);
    for (uint32_t i = 0; i < sigma->count && rc == 0; i++)
        rc = resolve(sigma, sigma->all[i]);
    if (rc == 0)
        rc = attach_filters(sigma);
    for (uint32_t i = 0; i < sigma->count && rc == 0; i++) {
        struct mt_sigma_loaded *l = sigma->all[i];
        if (has_cycle(l, 0)) {
            l->rule.inactive = BROKEN;
            rc = complain(sigma, l, l->rule.line, 1, "refers to itself: the correlation", l->rule.name);
        }
        mark_components(l);
    }
    for (uint32_t i = 0; i < sigma->count; i++) {
        struct mt_sigma_rule *rule = &sigma->all[i]->rule;
        if (!rule->inactive && rule->kind == MT_SIGMA_KIND_CORRELATION)
            rule->inactive = "correlations are checked, but not evaluated yet";
        else if (!rule->inactive && sigma->all[i]->is_component)
            rule->inactive = "it only feeds a correlation";
    }
    return rc;
}
