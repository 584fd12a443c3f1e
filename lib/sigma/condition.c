/* `condition:` to a tree over selections. */
#include "sigma/rule_priv.h"

#include <errno.h>

struct parser {
    struct mt_sigma_reading *reading;
    const struct mt_yaml *value;
    struct mt_span text;
    size_t at;
    struct mt_span word; /* in hand; empty: the end */
    unsigned depth;
};

static int wrong(const struct parser *p, const char *what)
{
    uint32_t column = p->value->column + (uint32_t)(p->word.ptr ? p->word.ptr - p->text.ptr : 0);
    mt_yaml_report_place(p->reading->report, p->value->line, column, "condition: %s%s%s", what,
                         p->word.size > 0 ? ", found " : "",
                         p->word.size > 0 ? mt_yaml_quote(p->word).text : "");
    return -EINVAL;
}

static bool is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void next_word(struct parser *p)
{
    while (p->at < p->text.size && is_blank(p->text.ptr[p->at]))
        p->at++;
    size_t from = p->at;
    while (p->at < p->text.size && !is_blank(p->text.ptr[p->at])) {
        bool is_bracket = p->text.ptr[p->at] == '(' || p->text.ptr[p->at] == ')';
        if (is_bracket && p->at > from)
            break;
        p->at++;
        if (is_bracket)
            break;
    }
    p->word = mt_span(p->text.ptr + from, p->at - from);
}

static bool is_word(const struct parser *p, const char *word)
{
    return mt_span_ieq_cstr(p->word, word);
}

static struct mt_sigma_node *node_make(const struct parser *p, enum mt_sigma_node_kind kind,
                                       struct mt_sigma_node *child)
{
    struct mt_sigma_node *node = mt_sigma_alloc(&p->reading->sigma->memory, sizeof(*node));
    if (node)
        *node = (struct mt_sigma_node){
            .kind = kind, .child = child, .line = p->value->line, .column = p->value->column};
    return node;
}

static int refer(const struct parser *p, const struct mt_sigma_selection *selection,
                 struct mt_sigma_node **ret_node)
{
    struct mt_sigma_node *node = node_make(p, MT_SIGMA_REF, selection->node);
    if (!node)
        return -ENOMEM;
    node->label = selection->name;
    *ret_node = node;
    return 0;
}

static bool is_match(struct mt_span pattern, const char *name)
{
    /* only * is a wildcard here */
    size_t p = 0;
    size_t star = SIZE_MAX;
    size_t star_at = 0;
    size_t i = 0;
    size_t size = strlen(name);
    while (i < size) {
        if (p < pattern.size && pattern.ptr[p] == '*') {
            star = p++;
            star_at = i;
        } else if (p < pattern.size && pattern.ptr[p] == (uint8_t)name[i]) {
            p++;
            i++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            i = ++star_at;
        } else {
            return false;
        }
    }
    while (p < pattern.size && pattern.ptr[p] == '*')
        p++;
    return p == pattern.size;
}

/* `1 of x*`, `all of them`: them leaves out names that begin with an underscore. */
static int parse_of(struct parser *p, enum mt_sigma_node_kind kind, struct mt_sigma_node **ret_node)
{
    next_word(p);
    if (!is_word(p, "of"))
        return wrong(p, "expected \"of\"");
    next_word(p);
    if (p->word.size == 0)
        return wrong(p, "expected \"them\" or a name of selections behind \"of\"");
    bool is_them = is_word(p, "them");
    struct mt_sigma_node *node = node_make(p, kind, NULL);
    struct mt_sigma_node **last = node ? &node->child : NULL;
    if (!node)
        return -ENOMEM;
    for (const struct mt_sigma_selection *s = p->reading->loaded->selections; s; s = s->next) {
        if (is_them ? s->name[0] == '_' : !is_match(p->word, s->name))
            continue;
        int rc = refer(p, s, last);
        if (rc != 0)
            return rc;
        last = &(*last)->next;
    }
    if (!node->child)
        return wrong(p, "no selection has such a name");
    next_word(p);
    *ret_node = node;
    return 0;
}

static int unknown_selection(const struct parser *p)
{
    const char *names[256];
    size_t count = 0;
    for (const struct mt_sigma_selection *s = p->reading->loaded->selections; s && count < 256; s = s->next)
        names[count++] = s->name;
    const char *nearest = mt_yaml_nearest(p->word, names, count);
    uint32_t column = p->value->column + (uint32_t)(p->word.ptr - p->text.ptr);
    mt_yaml_report_place(p->reading->report, p->value->line, column, "condition: there is no %s %s%s%s%s",
                         p->reading->loaded->correlation ? "rule" : "selection", mt_yaml_quote(p->word).text,
                         nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return -EINVAL;
}

/* "2 of x*", where no selection is called 2. */
static bool is_number_of(const struct parser *p)
{
    struct parser ahead = *p;
    next_word(&ahead);
    return p->word.size > 0 && mt_ascii_is_digit(p->word.ptr[0]) && is_word(&ahead, "of");
}

static int parse_or(struct parser *p, struct mt_sigma_node **ret_node);

static int parse_primary(struct parser *p, struct mt_sigma_node **ret_node)
{
    if (p->word.size == 0 || is_word(p, ")") || is_word(p, "and") || is_word(p, "or") || is_word(p, "of"))
        return wrong(p, "expected a selection");
    if (is_word(p, "(")) {
        if (++p->depth > MT_SIGMA_NESTING_MAX)
            return wrong(p, "nested more than 32 levels deep");
        next_word(p);
        int rc = parse_or(p, ret_node);
        if (rc != 0)
            return rc;
        if (!is_word(p, ")"))
            return wrong(p, "expected \")\"");
        p->depth--;
        next_word(p);
        return 0;
    }
    if (is_word(p, "1") || is_word(p, "any"))
        return parse_of(p, MT_SIGMA_OR, ret_node);
    if (is_word(p, "all"))
        return parse_of(p, MT_SIGMA_AND, ret_node);
    if (is_number_of(p))
        return wrong(p, "only 1, any and all can stand before \"of\"");
    for (const struct mt_sigma_selection *s = p->reading->loaded->selections; s; s = s->next) {
        if (!mt_span_eq(p->word, mt_span_cstr(s->name)))
            continue;
        int rc = refer(p, s, ret_node);
        next_word(p);
        return rc;
    }
    return unknown_selection(p);
}

static int parse_not(struct parser *p, struct mt_sigma_node **ret_node)
{
    if (!is_word(p, "not"))
        return parse_primary(p, ret_node);
    if (++p->depth > MT_SIGMA_NESTING_MAX)
        return wrong(p, "nested more than 32 levels deep");
    next_word(p);
    struct mt_sigma_node *child = NULL;
    int rc = parse_not(p, &child);
    if (rc != 0)
        return rc;
    p->depth--;
    *ret_node = node_make(p, MT_SIGMA_NOT, child);
    return *ret_node ? 0 : -ENOMEM;
}

static int parse_chain(struct parser *p, const char *word, enum mt_sigma_node_kind kind,
                       int (*parse)(struct parser *, struct mt_sigma_node **),
                       struct mt_sigma_node **ret_node)
{
    struct mt_sigma_node *first = NULL;
    int rc = parse(p, &first);
    if (rc != 0 || !first)
        return rc != 0 ? rc : -ENOMEM;
    if (!is_word(p, word)) {
        *ret_node = first;
        return 0;
    }
    struct mt_sigma_node *last = first;
    while (is_word(p, word)) {
        next_word(p);
        rc = parse(p, &last->next);
        if (rc != 0 || !last->next)
            return rc != 0 ? rc : -ENOMEM;
        last = last->next;
    }
    *ret_node = node_make(p, kind, first);
    return *ret_node ? 0 : -ENOMEM;
}

static int parse_and(struct parser *p, struct mt_sigma_node **ret_node)
{
    return parse_chain(p, "and", MT_SIGMA_AND, parse_not, ret_node);
}

static int parse_or(struct parser *p, struct mt_sigma_node **ret_node)
{
    return parse_chain(p, "or", MT_SIGMA_OR, parse_and, ret_node);
}

static int parse_one(struct mt_sigma_reading *reading, const struct mt_yaml *value,
                     struct mt_sigma_node **ret_node)
{
    if (value->kind != MT_YAML_TEXT || value->text.size > MT_SIGMA_VALUE_MAX) {
        mt_yaml_report_place(reading->report, value->line, value->column,
                             "condition: expected an expression over selections, found %s",
                             mt_yaml_describe(value).text);
        return -EINVAL;
    }
    struct parser p = {.reading = reading, .value = value, .text = value->text};
    next_word(&p);
    int rc = parse_or(&p, ret_node);
    if (rc == 0 && is_word(&p, "|"))
        rc = wrong(&p, "aggregations behind | are no longer part of Sigma; write a correlation");
    if (rc == 0 && p.word.size > 0)
        rc = wrong(&p, "expected \"and\", \"or\" or the end");
    return rc;
}

/* Several conditions are alternatives. */
int mt_sigma_read_condition(struct mt_sigma_reading *reading, const struct mt_yaml *value)
{
    struct mt_sigma_node **root = &reading->loaded->condition;
    if (value->kind != MT_YAML_LIST)
        return parse_one(reading, value, root);
    struct mt_sigma_node *any = mt_sigma_alloc(&reading->sigma->memory, sizeof(*any));
    if (!any)
        return -ENOMEM;
    *any = (struct mt_sigma_node){.kind = MT_SIGMA_OR, .line = value->line, .column = value->column};
    struct mt_sigma_node **last = &any->child;
    for (const struct mt_yaml *v = value->child; v; v = v->next) {
        int rc = parse_one(reading, v, last);
        if (rc != 0)
            return rc;
        last = &(*last)->next;
    }
    if (!any->child) {
        mt_yaml_report_place(reading->report, value->line, value->column, "condition: an empty list");
        return -EINVAL;
    }
    *root = any;
    return 0;
}
