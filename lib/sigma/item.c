/* `field|modifier: values` to tests. */
#include "sigma/regex_priv.h"
#include "sigma/transform_priv.h"

#include <errno.h>
#include <stdio.h>

#define SHOWN_MAX 64u

static const char *const modifier_names[] = {
#define MT_SIGMA_MODIFIER(NAME, name) [MT_SIGMA_MOD_##NAME] = name,
#include "sigma/modifiers.def"
#undef MT_SIGMA_MODIFIER
};

#define MODIFIERS_MAX 12u

struct item {
    struct mt_sigma_reading *reading;
    const struct mt_yaml *key;
    const struct mt_sigma_field *field;
    struct mt_span path;
    enum mt_sigma_modifier modifiers[MODIFIERS_MAX]; /* in their order */
    unsigned modifier_count;
    uint32_t has; /* bit n: modifier n */
    struct mt_sigma_node *nodes;
    struct mt_sigma_node **last;
    uint32_t count;
};

#define BIT(NAME) (UINT32_C(1) << MT_SIGMA_MOD_##NAME)
#define COMPARES (BIT(LT) | BIT(LTE) | BIT(GT) | BIT(GTE))
#define PARTS (BIT(MINUTE) | BIT(HOUR) | BIT(DAY) | BIT(WEEK) | BIT(MONTH) | BIT(YEAR))
#define PLACES (BIT(CONTAINS) | BIT(STARTSWITH) | BIT(ENDSWITH))
#define ENCODINGS \
    (BIT(BASE64) | BIT(BASE64OFFSET) | BIT(UTF16LE) | BIT(UTF16BE) | BIT(UTF16) | BIT(WIDE) | BIT(WINDASH))
#define BASES (ENCODINGS & ~BIT(WINDASH))
#define REGEX_PARTS (BIT(I) | BIT(M) | BIT(S))
#define KINDS (BIT(RE) | BIT(CIDR) | BIT(EXISTS) | BIT(FIELDREF))
MT_STATIC_ASSERT(MT_SIGMA_MODIFIER_COUNT <= 32, "a bit each");

static struct mt_sigma_memory *memory_of(const struct item *item)
{
    return &item->reading->sigma->memory;
}

static int wrong(const struct item *item, const struct mt_yaml *at, const char *what)
{
    mt_yaml_report_place(item->reading->report, at->line, at->column, "%s", what);
    return -EINVAL;
}

/* --- modifiers --------------------------------------------------------------- */

static int take_modifier(struct item *item, struct mt_span name)
{
    uint32_t column = item->key->column + (uint32_t)(name.ptr - item->key->text.ptr);
    for (int i = 0; i < MT_SIGMA_MODIFIER_COUNT; i++) {
        if (!mt_span_eq(name, mt_span_cstr(modifier_names[i])))
            continue;
        if (item->modifier_count == MODIFIERS_MAX)
            return wrong(item, item->key, "more than 12 modifiers");
        if (i == MT_SIGMA_MOD_EXPAND && item->has & BASES) {
            mt_yaml_report_place(item->reading->report, item->key->line, column,
                                 "expand goes before base64 and utf16: they are applied in their order");
            return -EINVAL;
        }
        item->modifiers[item->modifier_count++] = (enum mt_sigma_modifier)i;
        item->has |= UINT32_C(1) << i;
        return 0;
    }
    const char *nearest = mt_yaml_nearest(name, modifier_names, MT_SIGMA_MODIFIER_COUNT);
    mt_yaml_report_place(item->reading->report, item->key->line, column, "unknown modifier %s%s%s%s",
                         mt_yaml_quote(name).text, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                         nearest ? "\"?" : "");
    return -EINVAL;
}

static unsigned bits_of(uint32_t set)
{
    return (unsigned)__builtin_popcount(set);
}

static bool is_behind_re(const struct item *item)
{
    bool has_re = false;
    for (unsigned i = 0; i < item->modifier_count; i++) {
        has_re |= item->modifiers[i] == MT_SIGMA_MOD_RE;
        if (REGEX_PARTS & UINT32_C(1) << item->modifiers[i] && !has_re)
            return false;
    }
    return true;
}

/* Modifiers that say different things about one value. */
static int check_modifiers(const struct item *item)
{
    uint32_t has = item->has;
    if (bits_of(has & KINDS) > 1 || bits_of(has & COMPARES) > 1 || bits_of(has & PARTS) > 1)
        return wrong(item, item->key, "these modifiers exclude each other");
    if (has & REGEX_PARTS && !is_behind_re(item))
        return wrong(item, item->key, "i, m and s are modifiers of re, and stand behind it: write |re|i");
    if (has & BIT(RE) && has & (PLACES | ENCODINGS | COMPARES | PARTS | BIT(EXPAND) | BIT(CASED)))
        return wrong(item, item->key, "re takes the modifiers i, m, s, all and neq only");
    if (has & BIT(CIDR) && has & (PLACES | ENCODINGS | COMPARES | PARTS | BIT(CASED)))
        return wrong(item, item->key, "cidr takes the modifiers expand, all and neq only");
    if (has & BIT(EXISTS) && has != BIT(EXISTS))
        return wrong(item, item->key, "exists takes no other modifier");
    if (has & (COMPARES | PARTS) && has & BIT(FIELDREF))
        return wrong(item, item->key, "fieldref says whether two fields are the same, not which is greater");
    if (has & (COMPARES | PARTS) && has & (PLACES | ENCODINGS | BIT(EXPAND) | BIT(CASED)))
        return wrong(item, item->key, "numbers are compared without modifiers of texts");
    if (has & BIT(FIELDREF) && has & (ENCODINGS | BIT(EXPAND)))
        return wrong(item, item->key,
                     "fieldref takes contains, startswith, endswith, cased, all and neq only");
    return 0;
}

static int read_key(struct item *item)
{
    struct mt_span rest = item->key->text;
    bool is_first = true;
    while (is_first || rest.size > 0) {
        size_t size = 0;
        while (size < rest.size && rest.ptr[size] != '|')
            size++;
        struct mt_span word = mt_span_head(rest, size);
        bool has_more = size < rest.size;
        if (is_first) {
            item->path = word;
        } else {
            int rc = take_modifier(item, word);
            if (rc != 0)
                return rc;
        }
        if (has_more && size + 1 == rest.size)
            return wrong(item, item->key, "a modifier is missing behind the last |");
        rest = has_more ? mt_span_from(rest, size + 1) : mt_span_none();
        is_first = false;
    }
    return check_modifiers(item);
}

/* --- fields ------------------------------------------------------------------ */

static int unknown_field(const struct item *item, const struct mt_yaml *at, struct mt_span path)
{
    char storage[256];
    enum mt_sigma_category category = item->reading->loaded->rule.category;
    const char *nearest = mt_sigma_field_nearest(category, path, storage, sizeof(storage));
    if (mt_sigma_field_is_late(category, path)) {
        mt_yaml_report_place(
            item->reading->report, at->line, at->column,
            "field %s is not known %s; a rule of category %s can't ask for it (docs/rules.md)",
            mt_yaml_quote(path).text,
            category == MT_SIGMA_FINDING ? "of a finding" : "before the session is over",
            mt_sigma_category_name(category));
        return -EINVAL;
    }
    mt_yaml_report_place(item->reading->report, at->line, at->column, "unknown field %s%s%s%s",
                         mt_yaml_quote(path).text, nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                         nearest ? "\"?" : "; `mailtap fields` lists them");
    return -EINVAL;
}

/* The one field of this path and category. */
static int find_field(const struct item *item, const struct mt_yaml *at, struct mt_span path,
                      const struct mt_sigma_field **ret_field)
{
    struct mt_sigma *sigma = item->reading->sigma;
    enum mt_sigma_category category = item->reading->loaded->rule.category;
    bool is_keyword = path.size == 0;
    for (const struct mt_sigma_field *f = sigma->fields[category]; f; f = f->next) {
        if (is_keyword ? !f->path : f->path && mt_span_eq(path, mt_span_cstr(f->path))) {
            *ret_field = f;
            return 0;
        }
    }
    struct mt_sigma_field *field = mt_sigma_alloc(&sigma->memory, sizeof(*field));
    char *copy = is_keyword ? NULL : mt_sigma_copy(&sigma->memory, path);
    if (!field || (!copy && !is_keyword))
        return -ENOMEM;
    *field = (struct mt_sigma_field){.category = category};
    if (!is_keyword && !mt_sigma_field_find(category, mt_span_cstr(copy), field))
        return unknown_field(item, at, path);
    field->path = copy;
    field->index = sigma->field_count[category]++;
    field->next = sigma->fields[category];
    sigma->fields[category] = field;
    *ret_field = field;
    return 0;
}

int mt_sigma_read_shown(struct mt_sigma_reading *reading, const struct mt_yaml *value)
{
    struct item item = {.reading = reading, .key = value};
    struct mt_sigma_loaded *loaded = reading->loaded;
    bool is_list = value->kind == MT_YAML_LIST;
    uint32_t count = 0;
    for (const struct mt_yaml *v = is_list ? value->child : value; v; v = is_list ? v->next : NULL)
        count++;
    if (value->kind == MT_YAML_NOTHING)
        return 0;
    if (count > SHOWN_MAX)
        return wrong(&item, value, "fields: more than 64 names");
    loaded->shown = mt_sigma_alloc(&reading->sigma->memory, ((size_t)count + 1) * sizeof(*loaded->shown));
    if (!loaded->shown)
        return -ENOMEM;
    for (const struct mt_yaml *v = is_list ? value->child : value; v; v = is_list ? v->next : NULL) {
        if (v->kind != MT_YAML_TEXT || v->text.size == 0)
            return wrong(&item, v, "fields: expected a name or a list of names of fields");
        const struct mt_sigma_field **field = &loaded->shown[loaded->shown_count];
        int rc = find_field(&item, v, v->text, field);
        if (rc != 0)
            return rc;
        if ((*field)->kind == MT_SIGMA_LIST)
            return wrong(&item, v, "fields: a list of objects can't be shown; name one of their members");
        loaded->shown_count++;
    }
    return 0;
}

/* --- tests ------------------------------------------------------------------- */

static int add_test(struct item *item, const struct mt_yaml *at, struct mt_sigma_test test)
{
    struct mt_sigma_test *copy = mt_sigma_alloc(memory_of(item), sizeof(*copy));
    struct mt_sigma_node *node = mt_sigma_alloc(memory_of(item), sizeof(*node));
    if (!copy || !node)
        return -ENOMEM;
    if (item->count++ == MT_SIGMA_VALUES_MAX)
        return wrong(item, at, "more than 16384 values");
    test.field = item->field;
    *copy = test;
    *node =
        (struct mt_sigma_node){.kind = MT_SIGMA_TEST, .test = copy, .line = at->line, .column = at->column};
    *item->last = node;
    item->last = &node->next;
    return 0;
}

static bool number_of(struct mt_span text, uint64_t *ret_number)
{
    uint64_t number = 0;
    if (text.size == 0 || text.size > 20)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (!mt_ascii_is_digit(text.ptr[i]) || __builtin_mul_overflow(number, 10, &number) ||
            __builtin_add_overflow(number, (uint64_t)(text.ptr[i] - '0'), &number))
            return false;
    }
    *ret_number = number;
    return true;
}

static int add_number(struct item *item, const struct mt_yaml *value)
{
    static const struct {
        uint32_t bit;
        enum mt_sigma_compare compare;
    } compares[] = {
        {BIT(LT), MT_SIGMA_LT}, {BIT(LTE), MT_SIGMA_LTE}, {BIT(GT), MT_SIGMA_GT}, {BIT(GTE), MT_SIGMA_GTE}};
    struct mt_sigma_test test = {.op = MT_SIGMA_OP_NUMBER};
    for (size_t i = 0; i < MT_ARRAY_COUNT(compares); i++) {
        if (item->has & compares[i].bit)
            test.compare = compares[i].compare;
    }
    for (int m = MT_SIGMA_MOD_MINUTE; m <= MT_SIGMA_MOD_YEAR; m++) {
        if (item->has & UINT32_C(1) << m)
            test.part = (enum mt_sigma_part)(MT_SIGMA_PART_MINUTE + (m - MT_SIGMA_MOD_MINUTE));
    }
    enum mt_sigma_value_kind needed = item->has & PARTS ? MT_SIGMA_TIME : MT_SIGMA_NUMBER;
    if (item->field->kind != needed || !item->field->path)
        return wrong(item, item->key,
                     needed == MT_SIGMA_TIME ? "the field is no time" : "the field is no number");
    if (!number_of(value->text, &test.number)) {
        mt_yaml_report_place(item->reading->report, value->line, value->column, "%s; expected a whole number",
                             mt_yaml_describe(value).text);
        return -EINVAL;
    }
    static const uint64_t lows[] = {0, 0, 0, 1, 1, 1, 0};
    static const uint64_t highs[] = {0, 59, 23, 31, 53, 12, UINT64_MAX};
    if (test.part != MT_SIGMA_PART_WHOLE && test.compare == MT_SIGMA_EQ &&
        (test.number < lows[test.part] || test.number > highs[test.part]))
        return wrong(item, value,
                     "no time has it: minutes to 59, hours to 23, days 1 to 31, weeks to 53, months to 12");
    return add_test(item, value, test);
}

static int add_prefix(struct item *item, const struct mt_yaml *value, struct mt_span text)
{
    struct mt_sigma_test test = {.op = MT_SIGMA_OP_CIDR};
    if (item->field->kind != MT_SIGMA_IP && item->field->kind != MT_SIGMA_TEXT)
        return wrong(item, item->key, "the field is neither an address nor a text");
    if (!mt_prefix_parse(text, &test.prefix)) {
        mt_yaml_report_place(item->reading->report, value->line, value->column,
                             "%s is no network: write 192.0.2.0/24 or 2001:db8::/32, host bits zero",
                             mt_yaml_quote(text).text);
        return -EINVAL;
    }
    return add_test(item, value, test);
}

static int add_regex(struct item *item, const struct mt_yaml *value)
{
    struct mt_sigma_test test = {.op = MT_SIGMA_OP_REGEX};
    char error[160];
    if (item->has & BIT(I))
        test.regex_flags |= MT_SIGMA_REGEX_I;
    if (item->has & BIT(M))
        test.regex_flags |= MT_SIGMA_REGEX_M;
    if (item->has & BIT(S))
        test.regex_flags |= MT_SIGMA_REGEX_S;
    if (item->field->kind == MT_SIGMA_LIST && item->field->path)
        return wrong(item, item->key, "the field is a list of objects; name one of their members");
    if (value->text.size > MT_SIGMA_VALUE_MAX)
        return wrong(item, value, "longer than 4096 bytes");
    if (mt_sigma_regex_check(value->text, test.regex_flags, error, sizeof(error)) != 0) {
        mt_yaml_report_place(item->reading->report, value->line, value->column,
                             "bad regular expression %s: %s", mt_yaml_quote(value->text).text, error);
        return -EINVAL;
    }
    char *copy = mt_sigma_copy(memory_of(item), value->text);
    if (!copy)
        return -ENOMEM;
    test.regex = mt_span(copy, value->text.size);
    return add_test(item, value, test);
}

static int add_fieldref(struct item *item, const struct mt_yaml *value)
{
    struct mt_sigma_test test = {.op = MT_SIGMA_OP_FIELD, .is_cased = item->has & BIT(CASED)};
    if (item->has & BIT(CONTAINS))
        test.within = MT_SIGMA_WITHIN_CONTAINS;
    else if (item->has & BIT(STARTSWITH))
        test.within = MT_SIGMA_WITHIN_STARTS;
    else if (item->has & BIT(ENDSWITH))
        test.within = MT_SIGMA_WITHIN_ENDS;
    if (!item->field->path)
        return wrong(item, item->key, "fieldref needs a field before it");
    if (value->text.size == 0)
        return unknown_field(item, value, value->text);
    int rc = find_field(item, value, value->text, &test.other);
    if (rc != 0 || !test.other)
        return rc != 0 ? rc : -ENOMEM;
    if (item->field->kind == MT_SIGMA_LIST || test.other->kind == MT_SIGMA_LIST)
        return wrong(item, value, "a list of objects can't be compared; name one of their members");
    return add_test(item, value, test);
}

/* --- texts ------------------------------------------------------------------- */

/* The plain bytes of a pattern. */
static struct mt_span plain_text(const struct item *item, const struct mt_sigma_pattern *pattern)
{
    uint8_t *bytes = mt_sigma_alloc(memory_of(item), pattern->count + 1);
    for (uint32_t i = 0; bytes && i < pattern->count; i++)
        bytes[i] = (uint8_t)pattern->symbols[i];
    return bytes ? mt_span(bytes, pattern->count) : mt_span_none();
}

static bool is_just_any(const struct mt_sigma_pattern *pattern)
{
    return pattern->count == 1 && pattern->symbols[0] == MT_SIGMA_ANY;
}

/* What a value means depends on what the field holds. */
static int add_pattern(struct item *item, const struct mt_yaml *value, const struct mt_sigma_pattern *pattern)
{
    struct mt_sigma_test test = {
        .op = MT_SIGMA_OP_TEXT, .pattern = *pattern, .is_cased = item->has & BIT(CASED)};
    if (is_just_any(pattern)) {
        test = (struct mt_sigma_test){.op = MT_SIGMA_OP_EXISTS};
        return add_test(item, value, test);
    }
    enum mt_sigma_value_kind kind = item->field->path ? item->field->kind : MT_SIGMA_TEXT;
    if (kind == MT_SIGMA_LIST)
        return wrong(item, item->key, "the field is a list of objects; name one of their members");
    if (kind == MT_SIGMA_TEXT || !mt_sigma_pattern_is_plain(pattern))
        return add_test(item, value, test);
    struct mt_span text = plain_text(item, pattern);
    if (!text.ptr)
        return -ENOMEM;
    if (kind == MT_SIGMA_NUMBER) {
        test = (struct mt_sigma_test){.op = MT_SIGMA_OP_NUMBER};
        if (number_of(text, &test.number))
            return add_test(item, value, test);
        return wrong(item, value, "the field is a number, which this never equals");
    }
    if (kind == MT_SIGMA_IP)
        return add_prefix(item, value, text);
    if (kind == MT_SIGMA_FLAG && !mt_span_ieq_cstr(text, "true") && !mt_span_ieq_cstr(text, "false"))
        return wrong(item, value, "the field is true or false");
    return add_test(item, value, test);
}

/* A placeholder begins at `from`: its end, or 0. */
static uint32_t placeholder_end(const struct mt_sigma_pattern *pattern, uint32_t from)
{
    for (uint32_t i = from + 1; i < pattern->count; i++) {
        if (pattern->symbols[i] == MT_SIGMA_PERCENT)
            return i > from + 1 ? i : 0;
        if (pattern->symbols[i] > 255)
            return 0;
    }
    return 0;
}

static int join(struct item *item, const struct mt_sigma_pattern *pattern, uint32_t from, uint32_t to,
                const char *middle, struct mt_sigma_pattern *ret_pattern)
{
    size_t size = strlen(middle);
    uint16_t *symbols = mt_sigma_alloc(memory_of(item), (pattern->count + size + 1) * sizeof(*symbols));
    if (!symbols)
        return -ENOMEM;
    uint32_t n = 0;
    for (uint32_t i = 0; i < from; i++)
        symbols[n++] = pattern->symbols[i];
    for (size_t i = 0; i < size; i++)
        symbols[n++] = (uint8_t)middle[i];
    for (uint32_t i = to; i < pattern->count; i++)
        symbols[n++] = pattern->symbols[i];
    *ret_pattern = (struct mt_sigma_pattern){.symbols = symbols, .count = n};
    return 0;
}

static int needs_site(struct item *item, const char *name)
{
    struct mt_sigma_rule *rule = &item->reading->loaded->rule;
    char text[160];
    snprintf(text, sizeof(text), "needs %s in the site file", name);
    if (!rule->inactive)
        rule->inactive = mt_sigma_copy(memory_of(item), mt_span_cstr(text));
    return rule->inactive ? 0 : -ENOMEM;
}

/* One value for each combination of what the placeholders in it stand for. */
static int expand(struct item *item, const struct mt_yaml *value, const struct mt_sigma_pattern *pattern,
                  uint32_t from, struct mt_sigma_values *values)
{
    uint32_t end = 0;
    while (from < pattern->count &&
           (pattern->symbols[from] != MT_SIGMA_PERCENT || (end = placeholder_end(pattern, from)) == 0))
        from++;
    if (from >= pattern->count) {
        for (uint32_t i = 0; i < pattern->count; i++) {
            if (pattern->symbols[i] == MT_SIGMA_PERCENT)
                pattern->symbols[i] = '%';
        }
        return mt_sigma_values_add(memory_of(item), values, *pattern);
    }
    struct mt_sigma_pattern name = {.symbols = pattern->symbols + from + 1, .count = end - from - 1};
    struct mt_span text = plain_text(item, &name);
    struct mt_names known = {.count = 0};
    int rc = text.ptr ? mt_sigma_placeholder(item->reading, text, &known) : -ENOMEM;
    if (rc == -ENOENT) {
        const char *nearest = mt_yaml_nearest(text, mt_sigma_placeholders, mt_sigma_placeholder_count);
        mt_yaml_report_place(item->reading->report, value->line, value->column,
                             "unknown placeholder %s%s%s%s", mt_yaml_quote(text).text,
                             nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                             nearest ? "\"?" : "");
        return -EINVAL;
    }
    if (rc == 0 && known.count == 0)
        return needs_site(item, (const char *)text.ptr);
    for (uint32_t i = 0; i < known.count && rc == 0; i++) {
        struct mt_sigma_pattern joined;
        rc = join(item, pattern, from, end + 1, known.items[i], &joined);
        if (rc == 0)
            rc = expand(item, value, &joined, from + (uint32_t)strlen(known.items[i]), values);
    }
    return rc;
}

static int transform(struct item *item, const struct mt_yaml *value, struct mt_sigma_values *values)
{
    static const uint32_t transforms = PLACES | ENCODINGS;
    for (unsigned i = 0; i < item->modifier_count; i++) {
        if (!(transforms & UINT32_C(1) << item->modifiers[i]))
            continue;
        int rc = mt_sigma_transform(memory_of(item), item->modifiers[i], values);
        if (rc == -E2BIG)
            return wrong(item, value, "becomes more than 16384 values, or values that are too long");
        if (rc == -EINVAL)
            return wrong(
                item, value,
                "base64 needs a text without wildcards; contains, startswith and endswith go behind it");
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int add_texts(struct item *item, const struct mt_yaml *value)
{
    struct mt_sigma_values values = {.count = 0};
    struct mt_sigma_pattern pattern;
    bool expands = item->has & BIT(EXPAND);
    if (value->text.size > MT_SIGMA_VALUE_MAX)
        return wrong(item, value, "longer than 4096 bytes");
    int rc = mt_sigma_pattern_parse(memory_of(item), value->text, expands, &pattern);
    if (rc != 0)
        return rc;
    rc = expands ? expand(item, value, &pattern, 0, &values)
                 : mt_sigma_values_add(memory_of(item), &values, pattern);
    if (rc == -E2BIG)
        return wrong(item, value, "becomes more than 16384 values");
    if (rc == 0)
        rc = transform(item, value, &values);
    for (uint32_t i = 0; i < values.count && rc == 0; i++) {
        struct mt_sigma_pattern *p = &values.items[i];
        if (item->has & BIT(CIDR)) {
            struct mt_span text = plain_text(item, p);
            rc = text.ptr ? add_prefix(item, value, text) : -ENOMEM;
            continue;
        }
        /* a keyword may stand anywhere */
        if (!item->field->path) {
            struct mt_sigma_values one = {.items = p, .count = 1, .cap = 1};
            rc = mt_sigma_transform(memory_of(item), MT_SIGMA_MOD_CONTAINS, &one);
            p = one.items;
        }
        if (rc == 0)
            rc = add_pattern(item, value, p);
    }
    return rc;
}

/* --- values ------------------------------------------------------------------ */

static struct mt_sigma_node *node_over(struct item *item, enum mt_sigma_node_kind kind,
                                       struct mt_sigma_node *child)
{
    struct mt_sigma_node *node = mt_sigma_alloc(memory_of(item), sizeof(*node));
    if (node)
        *node = (struct mt_sigma_node){
            .kind = kind, .child = child, .line = item->key->line, .column = item->key->column};
    return node;
}

static int add_existence(struct item *item, const struct mt_yaml *value, bool exists)
{
    struct mt_sigma_test test = {.op = MT_SIGMA_OP_EXISTS};
    if (!item->field->path)
        return wrong(item, item->key, "needs a field");
    int rc = add_test(item, value, test);
    if (rc == 0 && !exists) {
        item->nodes = node_over(item, MT_SIGMA_NOT, item->nodes);
        rc = item->nodes ? 0 : -ENOMEM;
    }
    return rc;
}

static int add_value(struct item *item, const struct mt_yaml *value, bool is_alone)
{
    if (value->kind == MT_YAML_NOTHING) {
        if (!is_alone)
            return wrong(item, value, "null can't be one of several values; make it a selection of its own");
        if (item->has & ~BIT(NEQ))
            return wrong(item, value, "null takes no modifier but neq");
        return add_existence(item, value, false);
    }
    if (value->kind != MT_YAML_TEXT) {
        mt_yaml_report_place(item->reading->report, value->line, value->column,
                             "expected a value or a list of values, found %s", mt_yaml_describe(value).text);
        return -EINVAL;
    }
    if (item->has & BIT(EXISTS)) {
        bool is_true = mt_span_ieq_cstr(value->text, "true") || mt_span_ieq_cstr(value->text, "yes");
        if (!is_true && !mt_span_ieq_cstr(value->text, "false") && !mt_span_ieq_cstr(value->text, "no"))
            return wrong(item, value, "exists is true or false");
        return is_alone ? add_existence(item, value, is_true) : wrong(item, value, "exists is true or false");
    }
    if (item->has & (COMPARES | PARTS))
        return add_number(item, value);
    if (item->has & BIT(RE))
        return add_regex(item, value);
    if (item->has & BIT(FIELDREF))
        return add_fieldref(item, value);
    return add_texts(item, value);
}

/* What one value became, by an encoding or a placeholder, are alternatives. */
static int make_one(struct item *item, struct mt_sigma_node **from)
{
    if (!*from || !(*from)->next)
        return 0;
    struct mt_sigma_node *any = node_over(item, MT_SIGMA_OR, *from);
    if (!any)
        return -ENOMEM;
    *from = any;
    item->last = &any->next;
    return 0;
}

static int add_values(struct item *item, const struct mt_yaml *value)
{
    bool is_alone = value->kind != MT_YAML_LIST;
    const struct mt_yaml *first = is_alone ? value : value->child;
    if (!first)
        return wrong(item, value, "an empty list: no value, so nothing could match");
    if (item->has & BIT(ALL) && (is_alone || !first->next))
        return wrong(item, item->key, "all needs a list of values");
    for (const struct mt_yaml *v = first; v; v = is_alone ? NULL : v->next) {
        struct mt_sigma_node **from = item->last;
        int rc = add_value(item, v, is_alone || !first->next);
        if (rc == 0 && item->has & BIT(ALL))
            rc = make_one(item, from);
        if (rc != 0)
            return rc;
    }
    return 0;
}

int mt_sigma_read_item(struct mt_sigma_reading *reading, const struct mt_yaml *key,
                       const struct mt_yaml *value, struct mt_sigma_node **ret_node)
{
    struct item item = {.reading = reading, .key = key};
    item.last = &item.nodes;
    int rc = read_key(&item);
    if (rc == 0)
        rc = find_field(&item, key, item.path, &item.field);
    if (rc == 0 && !item.field->path && reading->loaded->rule.category == MT_SIGMA_STATISTICS)
        rc = wrong(&item, key, "keywords are looked for in texts, and statistics have none; name a field");
    if (rc == 0)
        rc = add_values(&item, value);
    if (rc != 0)
        return rc;
    /* of an inactive rule there may be nothing to test: then it is never asked */
    struct mt_sigma_node *node =
        node_over(&item, item.has & BIT(ALL) ? MT_SIGMA_AND : MT_SIGMA_OR, item.nodes);
    if (node && item.has & BIT(NEQ))
        node = node_over(&item, MT_SIGMA_NOT, node);
    if (!node)
        return -ENOMEM;
    node->label = mt_sigma_copy(memory_of(&item), key->text);
    *ret_node = node;
    return node->label ? 0 : -ENOMEM;
}
