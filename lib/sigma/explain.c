/* Rules in words, and how near they came. */
#include "sigma/events.h"
#include "sigma/program_priv.h"

#include <stdio.h>

static void put(struct mt_buf *b, const char *text)
{
    mt_buf_put_cstr(b, text);
}

static void put_indent(struct mt_buf *b, unsigned depth)
{
    for (unsigned i = 0; i < depth; i++)
        put(b, "  ");
}

static void put_pattern(struct mt_buf *b, const struct mt_sigma_pattern *pattern)
{
    put(b, "\"");
    for (uint32_t i = 0; i < pattern->count; i++) {
        uint16_t symbol = pattern->symbols[i];
        uint8_t c = symbol == MT_SIGMA_ANY ? '*' : symbol == MT_SIGMA_ONE ? '?' : (uint8_t)symbol;
        if (symbol < 256 && (c == '*' || c == '?'))
            put(b, "\\");
        mt_buf_put_escaped(b, mt_span(&c, 1));
    }
    put(b, "\"");
}

static void put_number_test(struct mt_buf *b, const struct mt_sigma_test *test)
{
    static const char *const signs[] = {"=", "<", "<=", ">", ">="};
    static const char *const parts[] = {"", "minute ", "hour ", "day ", "week ", "month ", "year "};
    put(b, " ");
    put(b, parts[test->part]);
    put(b, signs[test->compare]);
    put(b, " ");
    mt_buf_put_u64(b, test->number);
}

static void put_test(struct mt_buf *b, const struct mt_sigma_test *test)
{
    static const char *const within[] = {" is the same as ", " starts with ", " ends with ", " contains "};
    put(b, test->field->path ? test->field->path : "any text of the event");
    switch (test->op) {
    case MT_SIGMA_OP_TEXT:
        put(b, mt_sigma_pattern_is_plain(&test->pattern) ? " is " : " is like ");
        put_pattern(b, &test->pattern);
        put(b, test->is_cased ? ", letters as they stand" : "");
        break;
    case MT_SIGMA_OP_REGEX:
        put(b, " matches /");
        mt_buf_put_escaped(b, test->regex);
        put(b, "/");
        break;
    case MT_SIGMA_OP_NUMBER:
        put_number_test(b, test);
        break;
    case MT_SIGMA_OP_CIDR:
        put(b, " is in ");
        mt_buf_put_ip(b, &test->prefix.ip);
        put(b, "/");
        mt_buf_put_u64(b, test->prefix.bits);
        break;
    case MT_SIGMA_OP_EXISTS:
        put(b, " is there");
        break;
    case MT_SIGMA_OP_ABSENT:
        put(b, " is absent");
        break;
    case MT_SIGMA_OP_FIELD:
        put(b, within[test->within]);
        put(b, test->other->path);
        break;
    }
}

#define SHOWN_MAX 12u

static void put_node(struct mt_buf *b, const struct mt_sigma_node *node, unsigned depth);

static void put_children(struct mt_buf *b, const struct mt_sigma_node *node, unsigned depth)
{
    uint32_t shown = 0;
    for (const struct mt_sigma_node *n = node->child; n; n = n->next) {
        if (shown++ < SHOWN_MAX) {
            put_node(b, n, depth);
        } else if (!n->next) {
            put_indent(b, depth);
            mt_buf_put_u64(b, shown - SHOWN_MAX);
            put(b, " more\n");
        }
    }
}

static void put_node(struct mt_buf *b, const struct mt_sigma_node *node, unsigned depth)
{
    bool is_group = node->kind == MT_SIGMA_AND || node->kind == MT_SIGMA_OR;
    if (is_group && node->child && !node->child->next) {
        put_node(b, node->child, depth);
        return;
    }
    put_indent(b, depth);
    switch (node->kind) {
    case MT_SIGMA_TEST:
        put_test(b, node->test);
        put(b, "\n");
        break;
    case MT_SIGMA_REF:
        put(b, node->label);
        put(b, ":\n");
        put_node(b, node->child, depth + 1);
        break;
    case MT_SIGMA_NOT:
        put(b, "not:\n");
        put_node(b, node->child, depth + 1);
        break;
    case MT_SIGMA_AND:
    case MT_SIGMA_OR:
        put(b, node->kind == MT_SIGMA_AND ? "all of:\n" : "any of:\n");
        put_children(b, node, depth + 1);
        break;
    }
}

static void put_list(struct mt_buf *b, const char *title, const struct mt_names *names)
{
    for (uint32_t i = 0; i < names->count; i++) {
        put(b, i == 0 ? title : "               ");
        mt_buf_put_escaped(b, mt_span_cstr(names->items[i]));
        put(b, "\n");
    }
}

static void put_line(struct mt_buf *b, const char *title, const char *text)
{
    if (!text)
        return;
    put(b, title);
    mt_buf_put_escaped(b, mt_span_cstr(text));
    put(b, "\n");
}

/* "2.5" */
static void put_bound(struct mt_buf *b, uint64_t bound, uint64_t scale)
{
    mt_buf_put_u64(b, bound / scale);
    uint64_t rest = bound % scale;
    put(b, rest > 0 ? "." : "");
    for (; rest > 0; rest = rest * 10 % scale)
        mt_buf_put_u64(b, rest * 10 / scale);
}

static void put_condition(struct mt_buf *b, const struct mt_sigma_loaded *l)
{
    static const char *const what[] = {
        [MT_SIGMA_CORRELATE_EVENT_COUNT] = "events",
        [MT_SIGMA_CORRELATE_VALUE_COUNT] = "different values",
        [MT_SIGMA_CORRELATE_TEMPORAL] = "of the rules",
        [MT_SIGMA_CORRELATE_TEMPORAL_ORDERED] = "of the rules, from the first on",
        [MT_SIGMA_CORRELATE_VALUE_SUM] = "in all",
        [MT_SIGMA_CORRELATE_VALUE_AVG] = "on average",
        [MT_SIGMA_CORRELATE_VALUE_PERCENTILE] = "at the percentile",
        [MT_SIGMA_CORRELATE_VALUE_MEDIAN] = "in the median",
    };
    static const char *const signs[] = {"less than ", "at most ", "more than ",
                                        "at least ",  "exactly ", "not "};
    const struct mt_sigma_correlation *c = l->correlation;
    bool is_first = true;
    for (unsigned i = 0; i < MT_ARRAY_COUNT(signs); i++) {
        if (!(c->bound_bits & 1u << i))
            continue;
        put(b, is_first ? "" : " and ");
        put(b, signs[i]);
        put_bound(b, c->bounds[i], c->scale);
        is_first = false;
    }
    if (c->expression) {
        put(b, "there is what this says of the rules: ");
        mt_buf_put_escaped(b, mt_span_cstr(c->expression));
    } else if (is_first) {
        put(b, "all of the rules match");
    } else {
        put(b, " ");
        put(b, what[c->type]);
    }
    if (c->type == MT_SIGMA_CORRELATE_VALUE_PERCENTILE) {
        put(b, " ");
        mt_buf_put_u64(b, c->percentile);
    }
    if (c->type == MT_SIGMA_CORRELATE_TEMPORAL_ORDERED)
        put(b, ", in this order");
}

static void put_aliases(struct mt_buf *b, const struct mt_sigma_correlation *c)
{
    for (const struct mt_sigma_alias *a = c->aliases; a; a = a->next) {
        put(b, "Alias          ");
        mt_buf_put_escaped(b, mt_span_cstr(a->name));
        put(b, " is of ");
        mt_buf_put_escaped(b, mt_span_cstr(a->rule));
        put(b, " the field ");
        mt_buf_put_escaped(b, mt_span_cstr(a->field));
        put(b, "\n");
    }
}

static void put_correlation(struct mt_buf *b, const struct mt_sigma_loaded *l)
{
    const struct mt_sigma_correlation *c = l->correlation;
    put(b, "\nAlerts when within ");
    mt_buf_put_u64(b, c->timespan);
    put(b, c->group_by.count > 0 ? " seconds, for one group: " : " seconds: ");
    put_condition(b, l);
    put(b, "\n");
    for (uint32_t i = 0; i < l->ref_count; i++)
        put_line(b, i == 0 ? "Of the rules   " : "               ", l->refs[i].name);
    put_list(b, "Grouped by     ", &c->group_by);
    put_list(b, "Values of      ", &c->fields);
    put_aliases(b, c);
    put(b, c->is_late
               ? "\nIt is judged when the time is over, which the first event of a group begins.\n"
               : "\nIt alerts again when what it counts has doubled, and says at the end how much it was.\n");
    put(b, "Events in which a field that is grouped by is absent do not count.\n");
}

static void put_filters(const struct mt_sigma *sigma, struct mt_buf *b, const struct mt_sigma_loaded *l)
{
    for (uint32_t i = 0; i < sigma->count; i++) {
        const struct mt_sigma_loaded *f = sigma->all[i];
        bool applies = f->rule.kind == MT_SIGMA_KIND_FILTER && !f->rule.inactive && f->is_for_any &&
                       f->rule.category == l->rule.category;
        for (uint32_t k = 0; k < f->ref_count && f->rule.kind == MT_SIGMA_KIND_FILTER && !f->rule.inactive;
             k++)
            applies |= f->refs[k].rule == l;
        if (applies)
            put_line(b, "Filter         ", f->rule.title);
    }
}

/* Correlations that it feeds. */
static void put_uses(const struct mt_sigma *sigma, struct mt_buf *b, const struct mt_sigma_loaded *l)
{
    for (uint32_t i = 0; i < sigma->count; i++) {
        const struct mt_sigma_loaded *c = sigma->all[i];
        for (uint32_t k = 0; k < c->ref_count && c->rule.kind == MT_SIGMA_KIND_CORRELATION; k++) {
            if (c->refs[k].rule == l)
                put_line(b, l->rule.is_silent ? "Only feeds     " : "Feeds          ", c->rule.name);
        }
    }
}

static const char *const meanings[] = {
#define MT_SIGMA_CATEGORY(NAME, name, meaning, unseen) meaning,
#include "sigma/categories.def"
#undef MT_SIGMA_CATEGORY
};

static const char *const unseen_of[] = {
#define MT_SIGMA_CATEGORY(NAME, name, meaning, unseen) unseen,
#include "sigma/categories.def"
#undef MT_SIGMA_CATEGORY
};

/* --- what it needs --------------------------------------------------------------- */

/* Options without which fields are absent; their meanings name them. */
static const char *const options[] = {"--dns",   "--hash",          "--urls",
                                      "--magic", "--message lines", "--any-port"};

static uint32_t options_of(const struct mt_sigma_node *node)
{
    uint32_t needed = 0;
    const struct mt_field *field = node->kind == MT_SIGMA_TEST ? node->test->field->listed : NULL;
    for (uint32_t i = 0; i < MT_ARRAY_COUNT(options) && field; i++)
        needed |= strstr(field->meaning, options[i]) ? 1u << i : 0;
    for (const struct mt_sigma_node *n = node->child; n; n = n->next)
        needed |= options_of(n);
    return needed;
}

static void put_needs(struct mt_buf *b, const struct mt_sigma_loaded *l)
{
    /* the condition of a correlation is about rules */
    bool has_tests = l->condition && l->rule.kind != MT_SIGMA_KIND_CORRELATION;
    uint32_t needed = has_tests ? options_of(l->condition) : 0;
    bool is_first = true;
    for (size_t i = 0; i < mt_sigma_placeholder_count; i++) {
        if (!(l->placeholders >> i & 1))
            continue;
        put(b, is_first ? "Needs          of the site file: " : ", ");
        put(b, mt_sigma_placeholders[i]);
        is_first = false;
    }
    put(b, is_first ? "" : "\n");
    for (uint32_t i = 0; i < MT_ARRAY_COUNT(options); i++) {
        if (needed >> i & 1)
            put_line(b, "Sees more with ", options[i]);
    }
}

void mt_sigma_explain(const struct mt_sigma *sigma, const struct mt_sigma_rule *rule, struct mt_buf *ret_text)
{
    struct mt_buf *b = ret_text;
    const struct mt_sigma_loaded *l = mt_sigma_loaded_of(rule);
    put_line(b, "", rule->title);
    put_line(b, "Name           ", rule->name);
    put_line(b, "Id             ", rule->id);
    put_line(b, "File           ", rule->path);
    put_line(b, "Level          ", rule->kind == MT_SIGMA_KIND_FILTER ? NULL : mt_level_name(rule->level));
    put_list(b, "Techniques     ", &rule->techniques);
    put_line(b, "Inactive       ", rule->inactive);
    put_needs(b, l);
    put_list(b, "False alarms   ", &rule->false_positives);
    put_uses(sigma, b, l);
    put_filters(sigma, b, l);
    put_line(b, "\n", rule->description);
    if (rule->kind == MT_SIGMA_KIND_CORRELATION) {
        put_correlation(b, l);
        return;
    }
    for (uint32_t i = 0; i < l->ref_count && rule->kind == MT_SIGMA_KIND_FILTER; i++)
        put_line(b, i == 0 ? "Of the rules   " : "               ", l->refs[i].name);
    for (uint32_t i = 0; i < l->shown_count; i++)
        put_line(b, i == 0 ? "Shows          " : "               ", l->shown[i]->path);
    put_line(b, "Of the rules   ", l->is_for_any ? "any of its category" : NULL);
    put(b, "\nLooks at ");
    put(b, meanings[rule->category]);
    put(b, rule->kind == MT_SIGMA_KIND_FILTER ? ", and leaves out what is\n"
           : rule->is_silent                  ? ", and counts for correlations when\n"
                                              : ", and alerts when\n");
    if (l->condition)
        put_node(b, l->condition, 1);
    put_line(b, "\nIt can't see ", unseen_of[rule->category]);
}

/* --- nearness ------------------------------------------------------------------ */

struct near {
    struct mt_sigma_eval *eval;
    const struct mt_sigma_loaded *loaded;
    const struct mt_sigma_program *program;
    const struct mt_sigma_state *state;
    struct mt_buf *text;
    uint32_t best_met;
    uint32_t parts;
    bool has_event;
    bool has_match;
};

static bool is_met(const struct mt_sigma_state *state, const struct mt_sigma_node *node)
{
    switch (node->kind) {
    case MT_SIGMA_TEST:
        return state->is_met[node->test->index];
    case MT_SIGMA_REF:
        return is_met(state, node->child);
    case MT_SIGMA_NOT:
        return !is_met(state, node->child);
    case MT_SIGMA_AND:
    case MT_SIGMA_OR:
        break;
    }
    bool is_all = node->kind == MT_SIGMA_AND;
    for (const struct mt_sigma_node *n = node->child; n; n = n->next) {
        if (is_met(state, n) != is_all)
            return !is_all;
    }
    return is_all;
}

/* A part is a field with its values: what a person wrote as one line. */
static bool is_part(const struct mt_sigma_node *node)
{
    return node->label != NULL && node->kind != MT_SIGMA_REF;
}

static void count_parts(const struct mt_sigma_state *state, const struct mt_sigma_node *node, bool is_negated,
                        uint32_t *met, uint32_t *parts)
{
    if (is_part(node)) {
        (*parts)++;
        *met += is_met(state, node) != is_negated;
        return;
    }
    bool inner = node->kind == MT_SIGMA_NOT ? !is_negated : is_negated;
    for (const struct mt_sigma_node *n = node->child; n; n = n->next)
        count_parts(state, n, inner, met, parts);
}

struct shown {
    struct mt_buf *b;
    uint32_t count;
};

static bool show_value(void *ctx, const struct mt_sigma_value *value)
{
    struct shown *shown = ctx;
    uint8_t storage[MT_SIGMA_TEXT_ROOM];
    if (value->kind == MT_SIGMA_LIST)
        return true;
    if (shown->count++ == 4) {
        put(shown->b, ", ...");
        return false;
    }
    put(shown->b, shown->count > 1 ? ", " : "; it is ");
    put(shown->b, "\"");
    mt_buf_put_escaped(shown->b, mt_span_head(mt_sigma_value_text(value, storage), 80));
    put(shown->b, "\"");
    return true;
}

static const struct mt_sigma_test *first_test(const struct mt_sigma_node *node)
{
    while (node && node->kind != MT_SIGMA_TEST)
        node = node->child;
    return node ? node->test : NULL;
}

static void show_node(const struct near *near, const struct mt_sigma_event *event,
                      const struct mt_sigma_node *node, bool is_negated, unsigned depth)
{
    bool met = is_met(near->state, node) != is_negated;
    if (node->kind == MT_SIGMA_REF || is_part(node)) {
        put(near->text, met ? "    met  " : "    not  ");
        put_indent(near->text, depth);
        put(near->text, is_negated ? "without " : "");
        mt_buf_put_escaped(near->text, mt_span_cstr(node->label[0] ? node->label : "keywords"));
        const struct mt_sigma_test *test = is_part(node) ? first_test(node) : NULL;
        if (test && test->field->path) {
            struct shown shown = {.b = near->text};
            mt_sigma_field_each(test->field, event, show_value, &shown);
            if (shown.count == 0)
                put(near->text, "; it is absent");
        }
        put(near->text, "\n");
        if (is_part(node))
            return;
        depth++;
    }
    bool inner = node->kind == MT_SIGMA_NOT ? !is_negated : is_negated;
    for (const struct mt_sigma_node *n = node->child; n; n = n->next)
        show_node(near, event, n, inner, depth);
}

static void on_event(void *ctx, const struct mt_sigma_event *event)
{
    struct near *near = ctx;
    uint32_t met = 0;
    uint32_t parts = 0;
    mt_sigma_ask_all(near->eval, near->loaded->rule.category, event);
    count_parts(near->state, near->loaded->condition, false, &met, &parts);
    bool is_match = is_met(near->state, near->loaded->condition);
    if (!near->has_event || (is_match && !near->has_match) ||
        (is_match == near->has_match && met > near->best_met)) {
        near->has_event = true;
        near->best_met = met;
        near->parts = parts;
        near->has_match |= is_match;
        near->text->size = 0;
        show_node(near, event, near->loaded->condition, false, 0);
    }
    mt_sigma_forget(near->eval, near->loaded->rule.category);
}

static struct near near_of(struct mt_sigma_eval *eval, const struct mt_sigma_rule *rule, struct mt_buf *text)
{
    return (struct near){.eval = eval,
                         .loaded = mt_sigma_loaded_of(rule),
                         .program = eval->sigma->programs[rule->category],
                         .state = &eval->states[rule->category],
                         .text = text};
}

static bool can_be_near(const struct near *near)
{
    return near->loaded->rule.kind == MT_SIGMA_KIND_RULE && !near->loaded->rule.inactive && near->program;
}

bool mt_sigma_nearness(struct mt_sigma_eval *eval, const struct mt_sigma_rule *rule,
                       const struct mt_record_session *session, uint32_t *ret_met, uint32_t *ret_parts,
                       struct mt_buf *ret_text)
{
    struct near near = near_of(eval, rule, ret_text);
    if (can_be_near(&near)) {
        mt_sigma_each_event(rule->category, session, on_event, &near);
        mt_sigma_forget_session(eval, rule->category);
    }
    *ret_met = near.best_met;
    *ret_parts = near.parts;
    return near.has_match;
}

bool mt_sigma_event_nearness(struct mt_sigma_eval *eval, const struct mt_sigma_rule *rule,
                             const struct mt_sigma_event *event, uint32_t *ret_met, uint32_t *ret_parts,
                             struct mt_buf *ret_text)
{
    struct near near = near_of(eval, rule, ret_text);
    if (can_be_near(&near)) {
        on_event(&near, event);
        mt_sigma_forget_session(eval, rule->category);
    }
    *ret_met = near.best_met;
    *ret_parts = near.parts;
    return near.has_match;
}
