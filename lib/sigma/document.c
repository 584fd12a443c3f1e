/* One YAML document to a rule, a correlation or a filter. */
#include "sigma/rule_priv.h"

#include <errno.h>
#include <stdio.h>

#define TITLE_MAX 256u
#define DESCRIPTION_MAX 65535u
#define LIST_MAX 256u
#define KEYS_MAX 256u

static int wrong(const struct mt_sigma_reading *r, const struct mt_yaml *at, const char *name,
                 const char *what)
{
    mt_yaml_report_place(r->report, at->line, at->column, "%s: %s, found %s", name, what,
                         mt_yaml_describe(at).text);
    return -EINVAL;
}

/* libfyaml lets a key stand twice, and every tool would take another of the two. */
int mt_sigma_check_keys(const struct mt_sigma_reading *r, const struct mt_yaml *map)
{
    uint32_t count = 0;
    for (const struct mt_yaml *key = map->child; key; key = key->next->next) {
        if (count++ == KEYS_MAX)
            return wrong(r, map, "document", "more than 256 keys in one map");
        for (const struct mt_yaml *other = map->child; other != key; other = other->next->next) {
            if (key->kind == MT_YAML_TEXT && mt_span_eq(key->text, other->text))
                return wrong(r, key, "document", "a key that is there twice");
        }
    }
    return 0;
}

static const struct mt_yaml *value_of(const struct mt_yaml *map, const char *name)
{
    for (const struct mt_yaml *key = map->child; key; key = key->next->next) {
        if (key->kind == MT_YAML_TEXT && mt_span_eq(key->text, mt_span_cstr(name)))
            return key->next;
    }
    return NULL;
}

static bool is_text(const struct mt_yaml *value, const char *text)
{
    return value && value->kind == MT_YAML_TEXT && mt_span_ieq_cstr(value->text, text);
}

/* --- metadata ---------------------------------------------------------------- */

/* Of a text in UTF-8, which YAML is. */
static size_t characters_of(struct mt_span text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++)
        count += (text.ptr[i] & 0xc0) != 0x80;
    return count;
}

static int take_text(struct mt_sigma_reading *r, const char *name, const struct mt_yaml *value,
                     size_t size_max, const char **ret_text)
{
    if (value->kind == MT_YAML_NOTHING)
        return 0;
    if (value->kind != MT_YAML_TEXT)
        return wrong(r, value, name, "expected a text");
    if (characters_of(value->text) > size_max) {
        mt_yaml_report_place(r->report, value->line, value->column, "%s: longer than %zu characters", name,
                             size_max);
        return -EINVAL;
    }
    *ret_text = mt_sigma_copy(&r->sigma->memory, value->text);
    return *ret_text ? 0 : -ENOMEM;
}

/* A list of texts, or one. */
int mt_sigma_read_texts(struct mt_sigma_reading *r, const char *name, const struct mt_yaml *value,
                        struct mt_names *ret_names)
{
    bool is_list = value->kind == MT_YAML_LIST;
    uint32_t count = 0;
    if (value->kind == MT_YAML_NOTHING)
        return 0;
    for (const struct mt_yaml *v = is_list ? value->child : value; v; v = is_list ? v->next : NULL)
        count++;
    if (count > LIST_MAX)
        return wrong(r, value, name, "more than 256 values");
    const char **items = mt_sigma_alloc(&r->sigma->memory, (count + 1) * sizeof(*items));
    if (!items)
        return -ENOMEM;
    count = 0;
    for (const struct mt_yaml *v = is_list ? value->child : value; v; v = is_list ? v->next : NULL) {
        int rc = take_text(r, name, v, DESCRIPTION_MAX, &items[count]);
        if (rc != 0)
            return rc;
        if (!items[count++])
            return wrong(r, v, name, "expected a text");
    }
    *ret_names = (struct mt_names){.items = items, .count = count};
    return 0;
}

static int take_level(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    if (value->kind == MT_YAML_TEXT && mt_level_parse(value->text, &r->loaded->rule.level))
        return 0;
    return wrong(r, value, "level", "expected informational, low, medium, high or critical");
}

static bool is_hex(uint8_t c)
{
    return mt_ascii_is_digit(c) || (mt_ascii_lower(c) >= 'a' && mt_ascii_lower(c) <= 'f');
}

static bool is_uuid(struct mt_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        bool is_dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (is_dash ? text.ptr[i] != '-' : !is_hex(text.ptr[i]))
            return false;
    }
    return text.size == 36;
}

static int take_id(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    if (value->kind != MT_YAML_TEXT || !is_uuid(value->text))
        return wrong(r, value, "id", "expected a UUID");
    char *id = mt_sigma_copy(&r->sigma->memory, value->text);
    if (!id)
        return -ENOMEM;
    for (char *c = id; *c; c++)
        *c = (char)mt_ascii_lower((uint8_t)*c); /* of a UUID they mean the same */
    r->loaded->id_line = value->line;
    r->loaded->id_column = value->column;
    r->loaded->rule.id = id;
    return 0;
}

/* What it says of other rules: kept by whoever writes it, not needed to judge. */
static int take_related(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    static const char *const types[] = {"derived", "obsolete", "merged", "renamed", "similar"};
    if (value->kind != MT_YAML_LIST)
        return wrong(r, value, "related", "expected a list of {id, type}");
    for (const struct mt_yaml *v = value->child; v; v = v->next) {
        const struct mt_yaml *id = v->kind == MT_YAML_MAP ? value_of(v, "id") : NULL;
        const struct mt_yaml *type = id ? value_of(v, "type") : NULL;
        size_t known = 0;
        if (!type)
            return wrong(r, v, "related", "expected {id, type}");
        if (id->kind != MT_YAML_TEXT || !is_uuid(id->text))
            return wrong(r, id, "related: id", "expected a UUID");
        while (known < MT_ARRAY_COUNT(types) && !is_text(type, types[known]))
            known++;
        if (known == MT_ARRAY_COUNT(types))
            return wrong(r, type, "related: type", "expected derived, obsolete, merged, renamed or similar");
    }
    return 0;
}

static int take_status(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    static const char *const words[] = {"stable", "test", "experimental", "deprecated", "unsupported"};
    for (size_t i = 0; i < MT_ARRAY_COUNT(words); i++) {
        if (value->kind != MT_YAML_TEXT || !mt_span_ieq_cstr(value->text, words[i]))
            continue;
        r->loaded->rule.status = words[i];
        if (i == 3)
            r->loaded->rule.inactive = "its status is deprecated";
        if (i == 4)
            r->loaded->rule.inactive = "its status is unsupported";
        return 0;
    }
    return wrong(r, value, "status", "expected stable, test, experimental, deprecated or unsupported");
}

/* "attack.t1595.002" to "T1595.002". */
static int take_tags(struct mt_sigma_reading *r, const struct mt_yaml *value)
{
    struct mt_names tags = {.count = 0};
    int rc = mt_sigma_read_texts(r, "tags", value, &tags);
    if (rc != 0)
        return rc;
    const char **techniques = mt_sigma_alloc(&r->sigma->memory, (tags.count + 1) * sizeof(*techniques));
    if (!techniques)
        return -ENOMEM;
    uint32_t count = 0;
    for (uint32_t i = 0; i < tags.count; i++) {
        struct mt_span tag = mt_span_cstr(tags.items[i]);
        if (!mt_span_istarts(tag, "attack.t") || tag.size < 9 || !mt_ascii_is_digit(tag.ptr[8]))
            continue;
        char *technique = mt_sigma_copy(&r->sigma->memory, mt_span_from(tag, 7));
        if (!technique)
            return -ENOMEM;
        technique[0] = 'T';
        techniques[count++] = technique;
    }
    r->loaded->rule.techniques = (struct mt_names){.items = techniques, .count = count};
    return 0;
}

static bool is_date(struct mt_span text)
{
    unsigned part[3] = {0}; /* year, month, day */
    unsigned p = 0;
    for (size_t i = 0; i < text.size; i++) {
        bool is_dash = i == 4 || i == 7;
        /* rules of before version 2 write slashes */
        if (is_dash ? text.ptr[i] != '-' && text.ptr[i] != '/' : !mt_ascii_is_digit(text.ptr[i]))
            return false;
        if (is_dash)
            p++;
        else
            part[p % 3] = part[p % 3] * 10 + (unsigned)(text.ptr[i] - '0');
    }
    return text.size == 10 && part[1] >= 1 && part[1] <= 12 && part[2] >= 1 && part[2] <= 31;
}

static int take_date(struct mt_sigma_reading *r, const char *name, const struct mt_yaml *value)
{
    if (value->kind == MT_YAML_TEXT && is_date(value->text))
        return 0;
    return wrong(r, value, name, "expected a date, YYYY-MM-DD");
}

/* --- log source -------------------------------------------------------------- */

static int set_inactive(struct mt_sigma_reading *r, const char *text)
{
    if (!r->loaded->rule.inactive)
        r->loaded->rule.inactive = mt_sigma_copy(&r->sigma->memory, mt_span_cstr(text));
    return r->loaded->rule.inactive ? 0 : -ENOMEM;
}

/* A rule of somebody else's log source is no error: a folder may hold many. */
static int foreign(struct mt_sigma_reading *r, const struct mt_yaml *map)
{
    const struct mt_yaml *product = value_of(map, "product");
    char text[256];
    snprintf(text, sizeof(text), "its log source is not mailtap's (product: mailtap, service: smtp), but %s",
             product ? mt_yaml_describe(product).text : "without a product");
    return set_inactive(r, text);
}

static int take_logsource(struct mt_sigma_reading *r, const struct mt_yaml *map, bool *ret_is_ours)
{
    static const char *const names[] = {
#define MT_SIGMA_CATEGORY(NAME, name, meaning, unseen) name,
#include "sigma/categories.def"
#undef MT_SIGMA_CATEGORY
    };
    *ret_is_ours = false;
    if (map->kind != MT_YAML_MAP)
        return wrong(r, map, "logsource", "expected product, service and category");
    if (mt_sigma_check_keys(r, map) != 0)
        return -EINVAL;
    const struct mt_yaml *service = value_of(map, "service");
    const struct mt_yaml *category = value_of(map, "category");
    if (!is_text(value_of(map, "product"), "mailtap") || (service && !is_text(service, "smtp")))
        return foreign(r, map);
    *ret_is_ours = true;
    if (!category) {
        mt_yaml_report_place(
            r->report, map->line, map->column,
            "logsource: category is missing: session, transaction, recipient, auth, command, "
            "reply, tls, message, received, statistics or finding");
        return -EINVAL;
    }
    for (size_t i = 0; i < MT_SIGMA_CATEGORY_COUNT; i++) {
        if (!is_text(category, names[i]))
            continue;
        r->loaded->rule.category = (enum mt_sigma_category)i;
        return 0;
    }
    const char *nearest = category->kind == MT_YAML_TEXT
                              ? mt_yaml_nearest(category->text, names, MT_SIGMA_CATEGORY_COUNT)
                              : NULL;
    mt_yaml_report_place(r->report, category->line, category->column, "logsource: unknown category %s%s%s%s",
                         mt_yaml_describe(category).text, nearest ? "; did you mean \"" : "",
                         nearest ? nearest : "", nearest ? "\"?" : "");
    return -EINVAL;
}

/* --- selections -------------------------------------------------------------- */

static struct mt_sigma_node *node_make(struct mt_sigma_reading *r, enum mt_sigma_node_kind kind,
                                       const struct mt_yaml *at)
{
    struct mt_sigma_node *node = mt_sigma_alloc(&r->sigma->memory, sizeof(*node));
    if (node)
        *node = (struct mt_sigma_node){.kind = kind, .line = at->line, .column = at->column};
    return node;
}

/* All items of a map. */
static int take_map(struct mt_sigma_reading *r, const struct mt_yaml *map, struct mt_sigma_node **ret_node)
{
    struct mt_sigma_node *all = node_make(r, MT_SIGMA_AND, map);
    if (!all)
        return -ENOMEM;
    int rc = mt_sigma_check_keys(r, map);
    if (rc != 0)
        return rc;
    struct mt_sigma_node **last = &all->child;
    for (const struct mt_yaml *key = map->child; key; key = key->next->next) {
        if (key->kind != MT_YAML_TEXT)
            return wrong(r, key, "detection", "expected a field");
        rc = mt_sigma_read_item(r, key, key->next, last);
        if (rc != 0)
            return rc;
        last = &(*last)->next;
    }
    if (!all->child)
        return wrong(r, map, "detection", "a selection without any field");
    *ret_node = all;
    return 0;
}

/* Maps are alternatives; scalars are keywords. */
static int take_list(struct mt_sigma_reading *r, const struct mt_yaml *list, struct mt_sigma_node **ret_node)
{
    static const struct mt_yaml keywords = {.kind = MT_YAML_TEXT};
    struct mt_sigma_node *any = node_make(r, MT_SIGMA_OR, list);
    if (!any)
        return -ENOMEM;
    struct mt_sigma_node **last = &any->child;
    for (const struct mt_yaml *v = list->child; v; v = v->next) {
        struct mt_yaml key = keywords;
        struct mt_yaml alone = *v;
        key.line = v->line;
        key.column = v->column;
        key.text = mt_span("", 0);
        alone.next = NULL;
        int rc = v->kind == MT_YAML_MAP    ? take_map(r, v, last)
                 : v->kind == MT_YAML_LIST ? wrong(r, v, "detection", "expected a map of fields or a keyword")
                                           : mt_sigma_read_item(r, &key, &alone, last);
        if (rc != 0)
            return rc;
        last = &(*last)->next;
    }
    if (!any->child)
        return wrong(r, list, "detection", "an empty list matches nothing");
    *ret_node = any;
    return 0;
}

static int take_selection(struct mt_sigma_reading *r, const struct mt_yaml *key, const struct mt_yaml *value,
                          struct mt_sigma_node **ret_node)
{
    static const struct mt_yaml keywords = {.kind = MT_YAML_TEXT};
    if (value->kind == MT_YAML_MAP)
        return take_map(r, value, ret_node);
    if (value->kind == MT_YAML_LIST)
        return take_list(r, value, ret_node);
    if (value->kind == MT_YAML_NOTHING)
        return wrong(r, value, "detection", "expected fields with values, or a list");
    struct mt_yaml no_field = keywords;
    no_field.line = key->line;
    no_field.column = key->column;
    no_field.text = mt_span("", 0);
    return mt_sigma_read_item(r, &no_field, value, ret_node);
}

static bool is_skipped(const struct mt_yaml *key, const char *skip)
{
    return mt_span_eq(key->text, mt_span_cstr("condition")) ||
           (skip && mt_span_eq(key->text, mt_span_cstr(skip)));
}

int mt_sigma_read_selections(struct mt_sigma_reading *r, const struct mt_yaml *map, const char *skip)
{
    struct mt_sigma_selection **last = &r->loaded->selections;
    int rc = mt_sigma_check_keys(r, map);
    if (rc != 0)
        return rc;
    for (const struct mt_yaml *key = map->child; key; key = key->next->next) {
        if (key->kind != MT_YAML_TEXT)
            return wrong(r, key, "detection", "expected a name");
        if (is_skipped(key, skip))
            continue;
        if (mt_span_eq(key->text, mt_span_cstr("timeframe"))) {
            mt_yaml_report_place(r->report, key->line, key->column,
                                 "timeframe is no longer part of Sigma; write a correlation");
            return -EINVAL;
        }
        struct mt_sigma_selection *selection = mt_sigma_alloc(&r->sigma->memory, sizeof(*selection));
        char *name = mt_sigma_copy(&r->sigma->memory, key->text);
        if (!selection || !name)
            return -ENOMEM;
        selection->name = name;
        rc = take_selection(r, key, key->next, &selection->node);
        if (rc != 0)
            return rc;
        *last = selection;
        last = &selection->next;
    }
    return 0;
}

/* --- documents --------------------------------------------------------------- */

static int missing(const struct mt_sigma_reading *r, const struct mt_yaml *map, const char *name)
{
    const char *nearest = NULL;
    char found[MT_YAML_QUOTE_MAX + 16];
    for (const struct mt_yaml *key = map->child; key; key = key->next->next) {
        if (key->kind == MT_YAML_TEXT && mt_yaml_nearest(key->text, &name, 1)) {
            nearest = found;
            snprintf(found, sizeof(found), "%s", mt_yaml_quote(key->text).text);
        }
    }
    mt_yaml_report_place(r->report, map->line, map->column, "%s is missing%s%s%s", name,
                         nearest ? "; is " : "", nearest ? nearest : "", nearest ? " meant to be it?" : "");
    return -EINVAL;
}

static int take_detection(struct mt_sigma_reading *r, const struct mt_yaml *document, bool is_ours)
{
    const struct mt_yaml *detection = value_of(document, "detection");
    if (!is_ours)
        return 0; /* fields of other log sources are not known here */
    if (detection->kind != MT_YAML_MAP)
        return wrong(r, detection, "detection", "expected selections and a condition");
    const struct mt_yaml *condition = value_of(detection, "condition");
    if (!condition)
        return missing(r, detection, "condition");
    const struct mt_yaml *shown = value_of(document, "fields");
    int rc = mt_sigma_read_selections(r, detection, NULL);
    if (rc == 0 && shown)
        rc = mt_sigma_read_shown(r, shown);
    return rc != 0 ? rc : mt_sigma_read_condition(r, condition);
}

int mt_sigma_read_refs(struct mt_sigma_reading *r, const char *name, const struct mt_yaml *value)
{
    bool is_list = value->kind == MT_YAML_LIST;
    uint32_t count = 0;
    for (const struct mt_yaml *v = is_list ? value->child : value; v; v = is_list ? v->next : NULL)
        count++;
    if (count == 0 || count > LIST_MAX)
        return wrong(r, value, name, "expected 1 to 256 names or ids of rules");
    struct mt_sigma_ref *refs = mt_sigma_alloc(&r->sigma->memory, count * sizeof(*refs));
    if (!refs)
        return -ENOMEM;
    count = 0;
    for (const struct mt_yaml *v = is_list ? value->child : value; v; v = is_list ? v->next : NULL) {
        if (v->kind != MT_YAML_TEXT)
            return wrong(r, v, name, "expected the name or the id of a rule");
        char *copy = mt_sigma_copy(&r->sigma->memory, v->text);
        if (!copy)
            return -ENOMEM;
        refs[count++] = (struct mt_sigma_ref){.name = copy, .line = v->line, .column = v->column};
    }
    r->loaded->refs = refs;
    r->loaded->ref_count = count;
    return 0;
}

static int take_filter(struct mt_sigma_reading *r, const struct mt_yaml *filter, bool is_ours)
{
    if (filter->kind != MT_YAML_MAP)
        return wrong(r, filter, "filter", "expected rules, selections and a condition");
    const struct mt_yaml *rules = value_of(filter, "rules");
    const struct mt_yaml *condition = value_of(filter, "condition");
    if (!condition)
        return missing(r, filter, "condition");
    if (!rules)
        return missing(r, filter, "rules");
    if (!is_ours)
        return 0;
    r->loaded->is_for_any = is_text(rules, "any");
    int rc = r->loaded->is_for_any ? 0 : mt_sigma_read_refs(r, "rules", rules);
    if (rc == 0)
        rc = mt_sigma_read_selections(r, filter, "rules");
    return rc != 0 ? rc : mt_sigma_read_condition(r, condition);
}

/* "Open relay: probe" to "open_relay_probe". */
static int make_name(struct mt_sigma_reading *r)
{
    struct mt_span title = mt_span_cstr(r->loaded->rule.title);
    char *name = mt_sigma_alloc(&r->sigma->memory, title.size + 1);
    size_t n = 0;
    if (!name)
        return -ENOMEM;
    for (size_t i = 0; i < title.size; i++) {
        uint8_t c = mt_ascii_lower(title.ptr[i]);
        bool is_word = mt_ascii_is_alpha(c) || mt_ascii_is_digit(c);
        if (is_word)
            name[n++] = (char)c;
        else if (n > 0 && name[n - 1] != '_')
            name[n++] = '_';
    }
    while (n > 0 && name[n - 1] == '_')
        name[--n] = '\0';
    r->loaded->rule.name = n > 0 ? name : r->loaded->rule.title;
    return 0;
}

static int take_metadata(struct mt_sigma_reading *r, const struct mt_yaml *document)
{
    struct mt_sigma_rule *rule = &r->loaded->rule;
    int rc = 0;
    for (const struct mt_yaml *key = document->child; key && rc == 0; key = key->next->next) {
        const struct mt_yaml *value = key->next;
        if (key->kind != MT_YAML_TEXT)
            return wrong(r, key, "document", "expected a key");
        if (mt_span_eq(key->text, mt_span_cstr("title")))
            rc = take_text(r, "title", value, TITLE_MAX, &rule->title);
        else if (mt_span_eq(key->text, mt_span_cstr("name")))
            rc = take_text(r, "name", value, TITLE_MAX, &rule->name);
        else if (mt_span_eq(key->text, mt_span_cstr("description")))
            rc = take_text(r, "description", value, DESCRIPTION_MAX, &rule->description);
        else if (mt_span_eq(key->text, mt_span_cstr("id")))
            rc = take_id(r, value);
        else if (mt_span_eq(key->text, mt_span_cstr("level")))
            rc = take_level(r, value);
        else if (mt_span_eq(key->text, mt_span_cstr("status")))
            rc = take_status(r, value);
        else if (mt_span_eq(key->text, mt_span_cstr("tags")))
            rc = take_tags(r, value);
        else if (mt_span_eq(key->text, mt_span_cstr("date")))
            rc = take_date(r, "date", value);
        else if (mt_span_eq(key->text, mt_span_cstr("modified")))
            rc = take_date(r, "modified", value);
        else if (mt_span_eq(key->text, mt_span_cstr("related")))
            rc = take_related(r, value);
        else if (mt_span_eq(key->text, mt_span_cstr("falsepositives")))
            rc = mt_sigma_read_texts(r, "falsepositives", value, &rule->false_positives);
        else if (mt_span_eq(key->text, mt_span_cstr("references")))
            rc = mt_sigma_read_texts(r, "references", value, &rule->references);
        else if (mt_span_eq(key->text, mt_span_cstr("action")))
            rc = wrong(r, value, "action", "collections of rules are no longer part of Sigma");
    }
    if (rc != 0)
        return rc;
    if (!rule->title || rule->title[0] == '\0')
        return missing(r, document, "title");
    r->loaded->has_name = rule->name != NULL;
    return rule->name ? 0 : make_name(r);
}

int mt_sigma_read_document(struct mt_sigma_reading *r, const struct mt_yaml *document)
{
    struct mt_sigma_rule *rule = &r->loaded->rule;
    if (document->kind != MT_YAML_MAP)
        return wrong(r, document, "document", "expected a Sigma rule");
    rule->line = document->line;
    rule->level = MT_LEVEL_MEDIUM; /* when the rule does not say */
    int rc = mt_sigma_check_keys(r, document);
    if (rc == 0)
        rc = take_metadata(r, document);
    if (rc != 0)
        return rc;
    const struct mt_yaml *correlation = value_of(document, "correlation");
    const struct mt_yaml *filter = value_of(document, "filter");
    const struct mt_yaml *logsource = value_of(document, "logsource");
    if (correlation) {
        const struct mt_yaml *generate = value_of(document, "generate");
        rule->kind = MT_SIGMA_KIND_CORRELATION;
        rc = mt_sigma_read_correlation(r, correlation);
        return rc == 0 && generate ? mt_sigma_read_generate(r, generate) : rc;
    }
    if (!filter && !value_of(document, "detection"))
        return missing(r, document, "detection");
    if (!logsource)
        return missing(r, document, "logsource");
    bool is_ours;
    rule->kind = filter ? MT_SIGMA_KIND_FILTER : MT_SIGMA_KIND_RULE;
    rc = take_logsource(r, logsource, &is_ours);
    if (rc != 0)
        return rc;
    return filter ? take_filter(r, filter, is_ours) : take_detection(r, document, is_ours);
}
