/* Loaded rules to programs. */
#include "sigma/program_priv.h"

#include "base/hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

void *mt_sigma_grown(void *items, uint32_t *cap, size_t size)
{
    uint32_t more = *cap ? *cap * 2 : 256;
    void *grown_items = realloc(items, more * size);
    if (grown_items)
        *cap = more;
    return grown_items;
}

/* --- equal tests are one ------------------------------------------------------ */

static int digest_of(const struct mt_sigma_test *test, struct mt_hash128 *ret_digest)
{
    size_t size = 128 + test->pattern.count * sizeof(uint16_t) + test->regex.size;
    uint8_t *memory = malloc(size);
    if (!memory)
        return -ENOMEM;
    struct mt_buf b = mt_buf(memory, size);
    const uint64_t numbers[] = {(uint64_t)test->op,
                                test->field->index,
                                test->is_cased,
                                test->regex_flags,
                                (uint64_t)test->compare,
                                (uint64_t)test->part,
                                (uint64_t)test->within,
                                test->number,
                                test->other ? test->other->index + 1 : 0};
    mt_buf_put(&b, numbers, sizeof(numbers));
    mt_buf_put(&b, test->prefix.ip.bytes, sizeof(test->prefix.ip.bytes));
    mt_buf_put_byte(&b, test->prefix.ip.family);
    mt_buf_put_byte(&b, test->prefix.bits);
    for (uint32_t i = 0; i < test->pattern.count; i++) {
        uint16_t symbol = test->pattern.symbols[i];
        if (!test->is_cased && symbol < 256)
            symbol = mt_ascii_lower((uint8_t)symbol);
        mt_buf_put(&b, &symbol, sizeof(symbol));
    }
    mt_buf_put_span(&b, test->regex);
    *ret_digest = mt_hash_bytes128(0, mt_buf_span(&b));
    free(memory);
    return 0;
}

static int grow_tests(struct mt_sigma_builder *b)
{
    uint32_t cap = b->test_cap;
    struct mt_sigma_test **tests = mt_sigma_grown(b->tests, &cap, sizeof(*tests));
    if (!tests)
        return -ENOMEM;
    b->tests = tests;
    struct mt_hash128 *digests = realloc(b->digests, cap * sizeof(*digests));
    uint32_t *slots = calloc((size_t)cap * 4, sizeof(*slots));
    if (digests)
        b->digests = digests;
    if (!digests || !slots) {
        free(slots);
        return -ENOMEM;
    }
    free(b->slots);
    b->slots = slots;
    b->slot_mask = cap * 4 - 1;
    b->test_cap = cap;
    for (uint32_t i = 0; i < b->program->test_count; i++) {
        uint32_t at = (uint32_t)b->digests[i].word[0] & b->slot_mask;
        while (slots[at])
            at = (at + 1) & b->slot_mask;
        slots[at] = i + 1;
    }
    return 0;
}

/* Gives the test its index: that of an equal one, or a new one. */
static int intern(struct mt_sigma_builder *b, struct mt_sigma_test *test)
{
    struct mt_hash128 digest;
    int rc = digest_of(test, &digest);
    if (rc == 0 && b->program->test_count == b->test_cap)
        rc = grow_tests(b);
    if (rc != 0 || !b->slots)
        return rc != 0 ? rc : -ENOMEM;
    uint32_t at = (uint32_t)digest.word[0] & b->slot_mask;
    for (; b->slots[at]; at = (at + 1) & b->slot_mask) {
        uint32_t i = b->slots[at] - 1;
        if (b->digests[i].word[0] == digest.word[0] && b->digests[i].word[1] == digest.word[1]) {
            test->index = i;
            return 0;
        }
    }
    test->index = b->program->test_count++;
    b->tests[test->index] = test;
    b->digests[test->index] = digest;
    b->slots[at] = test->index + 1;
    return 0;
}

/* --- nodes -------------------------------------------------------------------- */

/* `not` of a field that has a value: what triggers can be made of. */
static int intern_absence(struct mt_sigma_builder *b, struct mt_sigma_test *exists, uint32_t *ret_test)
{
    struct mt_sigma_test *test = mt_sigma_alloc(&b->sigma->memory, sizeof(*test));
    int rc = test ? intern(b, exists) : -ENOMEM;
    if (rc != 0)
        return rc;
    *test = (struct mt_sigma_test){.op = MT_SIGMA_OP_ABSENT, .field = exists->field, .number = exists->index};
    rc = intern(b, test);
    *ret_test = test->index;
    return rc;
}

static const struct mt_sigma_node *inner_of(const struct mt_sigma_node *node)
{
    while (node->kind == MT_SIGMA_REF ||
           ((node->kind == MT_SIGMA_AND || node->kind == MT_SIGMA_OR) && node->child && !node->child->next))
        node = node->child;
    return node;
}

static int add_node(struct mt_sigma_builder *b, struct mt_sigma_step_node node, uint32_t *ret_node)
{
    struct mt_sigma_program *p = b->program;
    if (p->node_count == p->node_cap) {
        struct mt_sigma_step_node *nodes = mt_sigma_grown(p->nodes, &p->node_cap, sizeof(*nodes));
        if (!nodes)
            return -ENOMEM;
        p->nodes = nodes;
    }
    p->nodes[p->node_count] = node;
    *ret_node = p->node_count++;
    return 0;
}

static int reserve_kids(struct mt_sigma_builder *b, uint32_t count, uint32_t *ret_first)
{
    struct mt_sigma_program *p = b->program;
    while (p->kid_cap - p->kid_count < count) {
        uint32_t *kids = mt_sigma_grown(p->kids, &p->kid_cap, sizeof(*kids));
        if (!kids)
            return -ENOMEM;
        p->kids = kids;
    }
    *ret_first = p->kid_count;
    p->kid_count += count;
    return 0;
}

static int build(struct mt_sigma_builder *b, const struct mt_sigma_node *outer, uint32_t *ret_node)
{
    const struct mt_sigma_node *node = inner_of(outer);
    struct mt_sigma_step_node made = {.kind = (uint8_t)node->kind};
    const struct mt_sigma_node *inner = node->kind == MT_SIGMA_NOT ? inner_of(node->child) : NULL;
    int rc = 0;
    if (node->kind == MT_SIGMA_TEST) {
        rc = intern(b, node->test);
        made.a = node->test->index;
    } else if (inner && inner->kind == MT_SIGMA_TEST && inner->test->op == MT_SIGMA_OP_EXISTS) {
        made.kind = MT_SIGMA_TEST;
        rc = intern_absence(b, inner->test, &made.a);
    } else if (inner) {
        rc = build(b, inner, &made.a);
    } else {
        for (const struct mt_sigma_node *n = node->child; n; n = n->next)
            made.b++;
        rc = reserve_kids(b, made.b * 2, &made.a); /* twice: see struct mt_sigma_step_node */
        uint32_t i = made.a;
        for (const struct mt_sigma_node *n = node->child; n && rc == 0; n = n->next) {
            uint32_t kid;
            rc = build(b, n, &kid);
            if (rc == 0)
                b->program->kids[i++] = kid;
        }
    }
    return rc != 0 ? rc : add_node(b, made, ret_node);
}

/* --- conditions that can't hold ------------------------------------------------ */

static int report_contradiction(struct mt_sigma_builder *b, struct mt_sigma_loaded *l)
{
    char text[512];
    const struct mt_yaml_report report = {l->rule.path, text, sizeof(text)};
    mt_yaml_report_place(&report, l->condition->line, l->condition->column,
                         "condition: contradicts itself, no event can match");
    l->rule.inactive = "it has an error";
    return mt_sigma_error_add(b->sigma, text);
}

/* --- rules -------------------------------------------------------------------- */

static bool applies(const struct mt_sigma_loaded *filter, const struct mt_sigma_loaded *rule)
{
    if (filter->rule.kind != MT_SIGMA_KIND_FILTER || filter->rule.inactive ||
        filter->rule.category != rule->rule.category)
        return false;
    for (uint32_t i = 0; i < filter->ref_count; i++) {
        if (filter->refs[i].rule == rule)
            return true;
    }
    return filter->is_for_any;
}

/* "not a", "not a and not b": says what is to stay. */
static bool is_negative(const struct mt_sigma_node *node)
{
    if (node->kind == MT_SIGMA_NOT)
        return true;
    if (node->kind != MT_SIGMA_AND && node->kind != MT_SIGMA_OR)
        return false;
    for (const struct mt_sigma_node *n = node->child; n; n = n->next) {
        if (!is_negative(n))
            return false;
    }
    return true;
}

/* What a filter's condition describes is left out. Other tools join the condition
 * to the rule's by `and`, so that there it says what is to stay, beginning with
 * `not`: taken the same. */
static int build_excluded(struct mt_sigma_builder *b, struct mt_sigma_node *condition, uint32_t *ret_node)
{
    const struct mt_sigma_node none = {.kind = MT_SIGMA_NOT, .child = condition};
    if (condition->kind == MT_SIGMA_NOT)
        return build(b, condition->child, ret_node);
    return build(b, is_negative(condition) ? &none : condition, ret_node);
}

static int add_filters(struct mt_sigma_builder *b, struct mt_sigma_entry *entry)
{
    struct mt_sigma *sigma = b->sigma;
    uint32_t count = 0;
    for (uint32_t i = 0; i < sigma->count; i++)
        count += applies(sigma->all[i], entry->loaded);
    if (count == 0)
        return 0;
    entry->filters = mt_sigma_alloc(&b->program->memory, count * sizeof(*entry->filters));
    entry->filter_of = mt_sigma_alloc(&b->program->memory, count * sizeof(*entry->filter_of));
    if (!entry->filters || !entry->filter_of)
        return -ENOMEM;
    for (uint32_t i = 0; i < sigma->count; i++) {
        if (!applies(sigma->all[i], entry->loaded))
            continue;
        uint32_t root;
        int rc = build_excluded(b, sigma->all[i]->condition, &root);
        if (rc == 0 && mt_sigma_is_contradictory(b, root))
            rc = report_contradiction(b, sigma->all[i]);
        else if (rc == 0)
            entry->filters[entry->filter_count] = root;
        if (rc != 0)
            return rc;
        if (!sigma->all[i]->rule.inactive)
            entry->filter_of[entry->filter_count++] = i;
    }
    return 0;
}

static int add_rule(struct mt_sigma_builder *b, struct mt_sigma_loaded *l)
{
    struct mt_sigma_program *p = b->program;
    struct mt_sigma_entry *entry = &p->rules[p->rule_count];
    *entry = (struct mt_sigma_entry){.loaded = l};
    int rc = build(b, l->condition, &entry->root);
    if (rc != 0)
        return rc;
    if (mt_sigma_is_contradictory(b, entry->root))
        return report_contradiction(b, l);
    rc = add_filters(b, entry);
    if (rc != 0)
        return rc;
    p->rule_count++;
    return 0;
}

/* --- categories --------------------------------------------------------------- */

static bool is_in(const struct mt_sigma_loaded *l, enum mt_sigma_category category)
{
    return l->rule.kind == MT_SIGMA_KIND_RULE && !l->rule.inactive && l->rule.category == category;
}

static int build_category(struct mt_sigma *sigma, enum mt_sigma_category category, struct mt_sigma_builder *b)
{
    uint32_t count = 0;
    b->sigma = sigma;
    for (uint32_t i = 0; i < sigma->count; i++)
        count += is_in(sigma->all[i], category);
    if (count == 0)
        return 0;
    struct mt_sigma_program *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    b->program = sigma->programs[category] = p;
    p->rules = mt_sigma_alloc(&p->memory, count * sizeof(*p->rules));
    p->always = mt_sigma_alloc(&p->memory, (count + 63) / 64 * sizeof(uint64_t));
    int rc = p->rules && p->always ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < sigma->count && rc == 0; i++) {
        if (is_in(sigma->all[i], category))
            rc = add_rule(b, sigma->all[i]);
    }
    return rc;
}

static int finish_category(struct mt_sigma_builder *b)
{
    int rc = mt_sigma_triggers_choose(b);
    if (rc == 0)
        rc = mt_sigma_plans_build(b);
    if (rc == 0)
        rc = mt_sigma_triggers_build(b);
    return rc != 0 ? rc : mt_sigma_plans_finish(b->program);
}

static int make_evaluators(struct mt_sigma *sigma)
{
    sigma->evals = calloc(sigma->evaluator_count + 1, sizeof(struct mt_sigma_eval *));
    if (!sigma->evals)
        return -ENOMEM;
    /* one more for what no worker has */
    bool has_others = sigma->programs[MT_SIGMA_STATISTICS] || sigma->programs[MT_SIGMA_FINDING];
    for (uint32_t i = 0; i < sigma->evaluator_count + has_others; i++) {
        int rc = mt_sigma_eval_create(sigma, &sigma->evals[i]);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* Which correlations are active depends on which conditions contradict themselves,
 * and which rules are looked at depends on that. */
int mt_sigma_compile(struct mt_sigma *sigma)
{
    struct mt_sigma_builder builders[MT_SIGMA_CATEGORY_COUNT] = {{.sigma = NULL}};
    int rc = 0;
    for (int i = 0; i < MT_SIGMA_CATEGORY_COUNT && rc == 0; i++)
        rc = build_category(sigma, (enum mt_sigma_category)i, &builders[i]);
    if (rc == 0)
        rc = mt_sigma_route_all(sigma);
    for (int i = 0; i < MT_SIGMA_CATEGORY_COUNT && rc == 0; i++)
        rc = builders[i].program ? finish_category(&builders[i]) : 0;
    for (int i = 0; i < MT_SIGMA_CATEGORY_COUNT; i++) {
        free(builders[i].tests);
        free(builders[i].digests);
        free(builders[i].slots);
        free(builders[i].trigger_test);
        free(builders[i].trigger_rule);
    }
    return rc != 0 ? rc : make_evaluators(sigma);
}

void mt_sigma_program_free(struct mt_sigma_program *p)
{
    if (!p)
        return;
    for (uint32_t i = 0; i < p->plan_count; i++)
        mt_sigma_plan_free(&p->plans[i]);
    free(p->nodes);
    free(p->kids);
    mt_sigma_memory_free(&p->memory);
    free(p);
}
