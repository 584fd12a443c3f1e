/* `correlation:`, and what rules, filters and correlations say of each other. */
#include "sigma/rule_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define TIMESPAN_MAX ((uint64_t)3650 * 86400)

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

const char *const mt_sigma_correlation_names[] = {
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
        if (value->kind == MT_YAML_TEXT &&
            mt_span_eq(value->text, mt_span_cstr(mt_sigma_correlation_names[i]))) {
            r->loaded->correlation->type = (enum mt_sigma_correlation_type)i;
            return 0;
        }
    }
    const char *nearest =
        value->kind == MT_YAML_TEXT
            ? mt_yaml_nearest(value->text, mt_sigma_correlation_names, MT_SIGMA_CORRELATE_TYPES)
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

/* "2.5" as 2500 with a scale of 1000; a scale of 1 takes whole numbers only. */
static bool take_decimal(struct mt_span text, uint32_t scale, uint64_t *ret_number)
{
    size_t point = 0;
    uint64_t part = 0;
    uint64_t number;
    while (point < text.size && text.ptr[point] != '.')
        point++;
    struct mt_span decimals = point < text.size ? mt_span_from(text, point + 1) : mt_span_none();
    if (!take_digits(mt_span_head(text, point), &number) || __builtin_mul_overflow(number, scale, &number))
        return false;
    if (point == text.size) {
        *ret_number = number;
        return true;
    }
    if (!take_digits(decimals, &part))
        return false;
    for (size_t i = 0; i < decimals.size; i++) {
        if (scale % 10 != 0)
            return false;
        scale /= 10;
    }
    return !__builtin_add_overflow(number, part * scale, ret_number);
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
            !take_digits(mt_span_head(text, text.size - 1), &number) || number == 0)
            continue;
        if (number > TIMESPAN_MAX / units[i].seconds)
            return wrong(r, value, "timespan: more than ten years");
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
        bool is_taken =
            key->next->kind == MT_YAML_TEXT && take_decimal(key->next->text, c->scale, &c->bounds[i]);
        return is_taken ? 0
               : c->scale > 1
                   ? wrong(r, key->next, "condition: expected a number with at most three decimals")
                   : wrong(r, key->next, "condition: expected a whole number");
    }
    static const char *const known[] = {"lt", "lte", "gt", "gte", "eq", "neq", "field", "percentile"};
    mt_yaml_report_unknown(r->report, key->line, key->column, key->text, known, MT_ARRAY_COUNT(known));
    return -EINVAL;
}

/* No number between the two is within all bounds. */
static bool is_empty_range(const struct mt_sigma_correlation *c, uint64_t low, uint64_t high)
{
    bool is_dense = c->scale > 1; /* between two averages there is another */
    if (c->bound_bits & MT_SIGMA_BOUND_GT)
        low = mt_max_u64(low, c->bounds[2] + !is_dense);
    if (c->bound_bits & MT_SIGMA_BOUND_GTE)
        low = mt_max_u64(low, c->bounds[3]);
    if (c->bound_bits & MT_SIGMA_BOUND_LT)
        high = mt_min_u64(high, c->bounds[0] - (!is_dense && c->bounds[0] > 0));
    if (c->bound_bits & MT_SIGMA_BOUND_LTE)
        high = mt_min_u64(high, c->bounds[1]);
    if (c->bound_bits & MT_SIGMA_BOUND_LT && c->bounds[0] == 0)
        return true;
    bool is_open = (c->bound_bits & MT_SIGMA_BOUND_GT && c->bounds[2] == low) ||
                   (c->bound_bits & MT_SIGMA_BOUND_LT && c->bounds[0] == high);
    if (is_dense && is_open && low == high)
        return true;
    if (c->bound_bits & MT_SIGMA_BOUND_EQ && (c->bounds[4] < low || c->bounds[4] > high))
        return true;
    if (c->bound_bits & MT_SIGMA_BOUND_NEQ && c->bound_bits & MT_SIGMA_BOUND_EQ &&
        c->bounds[4] == c->bounds[5])
        return true;
    if (c->bound_bits & MT_SIGMA_BOUND_NEQ && low == high && low == c->bounds[5])
        return true;
    return low > high;
}

static int read_places(struct mt_sigma_reading *r, const struct mt_yaml *value,
                       struct mt_sigma_place **ret_places)
{
    bool is_list = value->kind == MT_YAML_LIST;
    uint32_t count = 0;
    for (const struct mt_yaml *v = is_list ? value->child : value; v; v = is_list ? v->next : NULL)
        count++;
    struct mt_sigma_place *places = mt_sigma_alloc(&r->sigma->memory, (count + 1) * sizeof(*places));
    if (!places)
        return -ENOMEM;
    *ret_places = places;
    for (const struct mt_yaml *v = is_list ? value->child : value; v; v = is_list ? v->next : NULL)
        *places++ = (struct mt_sigma_place){.line = v->line, .column = v->column};
    return 0;
}

static int take_group_by(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    struct mt_sigma_correlation *c = r->loaded->correlation;
    int rc = mt_sigma_read_texts(r, "group-by", value, &c->group_by);
    if (rc == 0 && c->group_by.count > MT_SIGMA_KEYS_MAX)
        return wrong(r, value, "group-by: more than 8 fields");
    return rc != 0 ? rc : read_places(r, value, &c->group_places);
}

static int take_fields(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    struct mt_sigma_correlation *c = r->loaded->correlation;
    int rc = mt_sigma_read_texts(r, "field", value, &c->fields);
    if (rc == 0 && c->fields.count > MT_SIGMA_VALUED_MAX)
        return wrong(r, value, "field: more than 4 fields");
    return rc != 0 ? rc : read_places(r, value, &c->field_places);
}

/* "a and (b or c)": an expression over the rules, read as one over selections. */
static int take_expression(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    struct mt_sigma_loaded *l = r->loaded;
    struct mt_sigma_selection **last = &l->selections;
    for (uint32_t i = 0; i < l->ref_count; i++) {
        struct mt_sigma_selection *selection = mt_sigma_alloc(&r->sigma->memory, sizeof(*selection));
        struct mt_sigma_node *node = mt_sigma_alloc(&r->sigma->memory, sizeof(*node));
        struct mt_sigma_test *test = mt_sigma_alloc(&r->sigma->memory, sizeof(*test));
        if (!selection || !node || !test)
            return -ENOMEM;
        test->index = i;
        *node = (struct mt_sigma_node){.kind = MT_SIGMA_TEST, .test = test};
        *selection = (struct mt_sigma_selection){.name = l->refs[i].name, .node = node};
        *last = selection;
        last = &selection->next;
    }
    l->correlation->expression = mt_sigma_copy(&r->sigma->memory, value->text);
    return l->correlation->expression ? mt_sigma_read_condition(r, value) : -ENOMEM;
}

/* Of a group nothing is known until something happened in it. */
static int check_range(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    const struct mt_sigma_correlation *c = r->loaded->correlation;
    bool is_temporal =
        c->type == MT_SIGMA_CORRELATE_TEMPORAL || c->type == MT_SIGMA_CORRELATE_TEMPORAL_ORDERED;
    bool is_counted = is_temporal || c->type == MT_SIGMA_CORRELATE_EVENT_COUNT;
    const char *what = NULL;
    if (is_empty_range(c, 0, UINT64_MAX))
        what = "contradicts itself, no count is in its range";
    else if (is_counted && is_empty_range(c, 1, UINT64_MAX))
        what = "never holds, a group in which nothing happened is not known";
    else if (is_temporal && is_empty_range(c, 1, r->loaded->ref_count))
        what = "never holds, there are not so many rules";
    if (!what)
        return 0;
    mt_yaml_report_place(r->report, value->line, value->column, "correlation: condition: %s", what);
    return -EINVAL;
}

static int take_condition(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    struct mt_sigma_correlation *c = r->loaded->correlation;
    if (value->kind == MT_YAML_TEXT)
        return take_expression(r, value);
    if (value->kind != MT_YAML_MAP)
        return wrong(r, value, "condition: expected a map such as {gte: 10}");
    if (mt_sigma_check_keys(r, value) != 0)
        return -EINVAL;
    c->scale = c->type == MT_SIGMA_CORRELATE_VALUE_AVG ? MT_SIGMA_AVERAGE_SCALE : 1;
    for (const struct mt_yaml *key = value->child; key; key = key->next->next) {
        uint64_t number = 0;
        int rc = 0;
        if (key->kind != MT_YAML_TEXT)
            return wrong(r, key, "condition: expected a comparison");
        if (mt_span_eq(key->text, mt_span_cstr("field")))
            rc = take_fields(r, key->next);
        else if (!mt_span_eq(key->text, mt_span_cstr("percentile")))
            rc = take_bound(r, key);
        else if (key->next->kind != MT_YAML_TEXT || !take_digits(key->next->text, &number) || number > 100)
            rc = wrong(r, key->next, "percentile: expected 0 to 100");
        else
            c->percentile = (uint32_t)number;
        if (rc != 0)
            return rc;
    }
    return check_range(r, value);
}

static int take_aliases(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    struct mt_sigma_alias **last = &r->loaded->correlation->aliases;
    if (value->kind != MT_YAML_MAP)
        return wrong(r, value, "aliases: expected a map of names");
    if (mt_sigma_check_keys(r, value) != 0)
        return -EINVAL;
    for (const struct mt_yaml *key = value->child; key; key = key->next->next) {
        if (key->kind != MT_YAML_TEXT || key->next->kind != MT_YAML_MAP)
            return wrong(r, key, "aliases: expected {alias: {rule: field}}");
        if (mt_sigma_check_keys(r, key->next) != 0)
            return -EINVAL;
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

/* It stands in the document by the specification, in `correlation` by its tools. */
int mt_sigma_read_generate(struct mt_sigma_reading *r, const struct mt_yaml *value)
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
        return take_group_by(r, value);
    case KEY_TIMESPAN:
        return take_timespan(r, value);
    case KEY_CONDITION: /* names the rules: later */
        return 0;
    case KEY_GENERATE:
        return mt_sigma_read_generate(r, value);
    case KEY_COUNT:
        break;
    }
    return 0;
}

static int needs(struct mt_sigma_reading *r, const struct mt_yaml *map, const char *what)
{
    mt_yaml_report_place(r->report, map->line, map->column, "correlation: condition: %s %s",
                         mt_sigma_correlation_names[r->loaded->correlation->type], what);
    return -EINVAL;
}

static bool is_negated(const struct mt_sigma_node *node)
{
    if (node->kind == MT_SIGMA_NOT)
        return true;
    for (const struct mt_sigma_node *n = node->child; n && node->kind != MT_SIGMA_REF; n = n->next) {
        if (is_negated(n))
            return true;
    }
    return false;
}

static int check_temporal(struct mt_sigma_reading *r, const struct mt_yaml *map)
{
    struct mt_sigma_correlation *c = r->loaded->correlation;
    bool is_ordered = c->type == MT_SIGMA_CORRELATE_TEMPORAL_ORDERED;
    if (r->loaded->ref_count > MT_SIGMA_REFS_MAX)
        return needs(r, map, "takes 64 rules at most");
    if (c->fields.count > 0)
        return needs(r, map, "counts rules, not values: it takes no field");
    if (is_ordered && c->expression)
        return needs(r, map, "takes no expression: its order is that of the rules");
    if (is_ordered && c->bound_bits & ~(MT_SIGMA_BOUND_GT | MT_SIGMA_BOUND_GTE))
        return needs(r, map, "can be asked for gt and gte only");
    if (c->expression && is_negated(r->loaded->condition))
        c->is_late = true;
    return 0;
}

/* Are things of a kind that grow only: then a window can be judged at each event. */
static bool is_growing(const struct mt_sigma_correlation *c)
{
    return !(c->bound_bits & ~(MT_SIGMA_BOUND_GT | MT_SIGMA_BOUND_GTE)) &&
           c->type != MT_SIGMA_CORRELATE_VALUE_AVG && c->type != MT_SIGMA_CORRELATE_VALUE_PERCENTILE &&
           c->type != MT_SIGMA_CORRELATE_VALUE_MEDIAN;
}

static int check_needs(struct mt_sigma_reading *r, const struct mt_yaml *map, uint32_t has)
{
    struct mt_sigma_correlation *c = r->loaded->correlation;
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
    c->is_late = !is_growing(c);
    if (is_temporal)
        return check_temporal(r, map);
    if (c->type == MT_SIGMA_CORRELATE_EVENT_COUNT && c->fields.count > 0)
        return needs(r, map, "counts events, not values: it takes no field");
    if (c->type != MT_SIGMA_CORRELATE_EVENT_COUNT && c->fields.count == 0)
        return needs(r, map, "needs a field");
    if (c->type != MT_SIGMA_CORRELATE_VALUE_COUNT && c->fields.count > 1)
        return needs(r, map, "takes one field");
    if (c->bound_bits == 0 || c->expression)
        return needs(r, map, "needs a comparison such as {gte: 10}");
    return 0;
}

/* A rule that stands twice would have to match twice, which no tool agrees on. */
static int check_refs(struct mt_sigma_reading *r)
{
    const struct mt_sigma_loaded *l = r->loaded;
    for (uint32_t i = 0; i < l->ref_count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (strcmp(l->refs[i].name, l->refs[k].name) != 0)
                continue;
            mt_yaml_report_place(r->report, l->refs[i].line, l->refs[i].column,
                                 "correlation: rules: %s stands twice",
                                 mt_yaml_quote(mt_span_cstr(l->refs[i].name)).text);
            return -EINVAL;
        }
    }
    return 0;
}

int mt_sigma_read_correlation(struct mt_sigma_reading *r, const struct mt_yaml *map)
{
    uint32_t has = 0;
    const struct mt_yaml *condition = NULL;
    if (map->kind != MT_YAML_MAP)
        return wrong(r, map, "expected type, rules, group-by, timespan and condition");
    if (mt_sigma_check_keys(r, map) != 0)
        return -EINVAL;
    r->loaded->correlation = mt_sigma_alloc(&r->sigma->memory, sizeof(*r->loaded->correlation));
    if (!r->loaded->correlation)
        return -ENOMEM;
    r->loaded->correlation->percentile = 50;
    r->loaded->correlation->scale = 1;
    for (const struct mt_yaml *key = map->child; key; key = key->next->next) {
        int found = 0;
        while (found < KEY_COUNT &&
               !(key->kind == MT_YAML_TEXT && mt_span_eq(key->text, mt_span_cstr(keys[found]))))
            found++;
        if (found == KEY_COUNT) {
            mt_yaml_report_unknown(r->report, key->line, key->column, key->text, keys, KEY_COUNT);
            return -EINVAL;
        }
        if (found == KEY_CONDITION)
            condition = key->next;
        int rc = take_member(r, (enum key)found, key->next);
        if (rc != 0)
            return rc;
        has |= 1u << found;
    }
    int rc = check_refs(r);
    if (rc == 0 && condition)
        rc = take_condition(r, condition);
    return rc != 0 ? rc : check_needs(r, map, has);
}
