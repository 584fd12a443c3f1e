/* Loaded rules to programs. */
#include "sigma/program_priv.h"

#include "base/hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* While one program is built. */
struct builder {
    struct mt_sigma *sigma;
    struct mt_sigma_program *program;
    struct mt_sigma_test **tests; /* distinct */
    struct mt_hash128 *digests;
    uint32_t *slots; /* test plus one, by digest */
    uint32_t slot_mask;
    uint32_t test_cap;
    uint32_t *trigger_test; /* pairs */
    uint32_t *trigger_rule;
    uint32_t trigger_count;
    uint32_t trigger_cap;
};

static void *grown(void *items, uint32_t *cap, size_t size)
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

static int grow_tests(struct builder *b)
{
    uint32_t cap = b->test_cap;
    struct mt_sigma_test **tests = grown(b->tests, &cap, sizeof(*tests));
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
static int intern(struct builder *b, struct mt_sigma_test *test)
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

static int add_node(struct builder *b, struct mt_sigma_step_node node, uint32_t *ret_node)
{
    struct mt_sigma_program *p = b->program;
    if (p->node_count == p->node_cap) {
        struct mt_sigma_step_node *nodes = grown(p->nodes, &p->node_cap, sizeof(*nodes));
        if (!nodes)
            return -ENOMEM;
        p->nodes = nodes;
    }
    p->nodes[p->node_count] = node;
    *ret_node = p->node_count++;
    return 0;
}

static int reserve_kids(struct builder *b, uint32_t count, uint32_t *ret_first)
{
    struct mt_sigma_program *p = b->program;
    while (p->kid_cap - p->kid_count < count) {
        uint32_t *kids = grown(p->kids, &p->kid_cap, sizeof(*kids));
        if (!kids)
            return -ENOMEM;
        p->kids = kids;
    }
    *ret_first = p->kid_count;
    p->kid_count += count;
    return 0;
}

static int build(struct builder *b, struct mt_sigma_node *node, uint32_t *ret_node)
{
    while (node->kind == MT_SIGMA_REF ||
           ((node->kind == MT_SIGMA_AND || node->kind == MT_SIGMA_OR) && node->child && !node->child->next))
        node = node->child;
    struct mt_sigma_step_node made = {.kind = (uint8_t)node->kind};
    int rc = 0;
    if (node->kind == MT_SIGMA_TEST) {
        rc = intern(b, node->test);
        made.a = node->test->index;
    } else if (node->kind == MT_SIGMA_NOT) {
        rc = build(b, node->child, &made.a);
    } else {
        for (const struct mt_sigma_node *n = node->child; n; n = n->next)
            made.b++;
        rc = reserve_kids(b, made.b, &made.a);
        uint32_t i = made.a;
        for (struct mt_sigma_node *n = node->child; n && rc == 0; n = n->next) {
            uint32_t kid;
            rc = build(b, n, &kid);
            if (rc == 0)
                b->program->kids[i++] = kid;
        }
    }
    return rc != 0 ? rc : add_node(b, made, ret_node);
}

/* --- triggers ----------------------------------------------------------------- */

#define NO_TRIGGER UINT64_MAX

/* How often a test is likely to hold: rare ones are good triggers. */
static uint64_t cost_of(const struct mt_sigma_test *test)
{
    switch (test->op) {
    case MT_SIGMA_OP_TEXT:
        if (test->field->kind == MT_SIGMA_FLAG || test->field->type == MT_FIELD_TYPE_NAME)
            return 12; /* of few that there are */
        return test->pattern.count >= 4 ? 1 : 3;
    case MT_SIGMA_OP_REGEX:
        return 25; /* rare, but dear to ask */
    case MT_SIGMA_OP_NUMBER:
        return test->compare == MT_SIGMA_EQ ? 16 : 20;
    case MT_SIGMA_OP_CIDR:
        return 45; /* mostly a network of one's own */
    case MT_SIGMA_OP_FIELD:
        return 30;
    case MT_SIGMA_OP_EXISTS:
        break;
    }
    return 50;
}

static bool is_and(const struct mt_sigma_step_node *node, bool is_negated)
{
    return (node->kind == MT_SIGMA_AND) != is_negated;
}

static uint64_t trigger_cost(const struct builder *b, uint32_t at, bool is_negated)
{
    const struct mt_sigma_step_node *node = &b->program->nodes[at];
    if (node->kind == MT_SIGMA_TEST)
        return is_negated ? NO_TRIGGER : cost_of(b->tests[node->a]);
    if (node->kind == MT_SIGMA_NOT)
        return trigger_cost(b, node->a, !is_negated);
    uint64_t least = NO_TRIGGER;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < node->b; i++) {
        uint64_t cost = trigger_cost(b, b->program->kids[node->a + i], is_negated);
        least = mt_min_u64(least, cost);
        sum = cost == NO_TRIGGER || sum == NO_TRIGGER ? NO_TRIGGER : sum + cost;
    }
    return is_and(node, is_negated) ? least : sum;
}

static int add_trigger(struct builder *b, uint32_t test, uint32_t rule)
{
    if (b->trigger_count == b->trigger_cap) {
        uint32_t cap = b->trigger_cap;
        uint32_t *tests = grown(b->trigger_test, &cap, sizeof(*tests));
        if (!tests)
            return -ENOMEM;
        b->trigger_test = tests;
        uint32_t *rules = realloc(b->trigger_rule, cap * sizeof(*rules));
        if (!rules)
            return -ENOMEM;
        b->trigger_rule = rules;
        b->trigger_cap = cap;
    }
    b->trigger_test[b->trigger_count] = test;
    b->trigger_rule[b->trigger_count++] = rule;
    return 0;
}

static int add_triggers(struct builder *b, uint32_t at, bool is_negated, uint32_t rule)
{
    const struct mt_sigma_step_node node = b->program->nodes[at];
    if (node.kind == MT_SIGMA_TEST)
        return add_trigger(b, node.a, rule);
    if (node.kind == MT_SIGMA_NOT)
        return add_triggers(b, node.a, !is_negated, rule);
    uint32_t best = 0;
    uint64_t least = NO_TRIGGER;
    for (uint32_t i = 0; i < node.b; i++) {
        uint32_t kid = b->program->kids[node.a + i];
        if (!is_and(&node, is_negated)) {
            int rc = add_triggers(b, kid, is_negated, rule);
            if (rc != 0)
                return rc;
            continue;
        }
        uint64_t cost = trigger_cost(b, kid, is_negated);
        if (cost < least) {
            least = cost;
            best = kid;
        }
    }
    return is_and(&node, is_negated) ? add_triggers(b, best, is_negated, rule) : 0;
}

/* --- conditions that can't hold ------------------------------------------------ */

#define TERMS_MAX 256u

struct terms {
    uint32_t tests[TERMS_MAX];
    bool negated[TERMS_MAX];
    uint32_t count;
};

/* What must hold together for the node to hold. */
static void collect_terms(const struct builder *b, uint32_t at, bool is_negated, struct terms *terms)
{
    const struct mt_sigma_step_node *node = &b->program->nodes[at];
    if (terms->count == TERMS_MAX)
        return;
    if (node->kind == MT_SIGMA_TEST) {
        terms->tests[terms->count] = node->a;
        terms->negated[terms->count++] = is_negated;
    } else if (node->kind == MT_SIGMA_NOT) {
        collect_terms(b, node->a, !is_negated, terms);
    } else if (is_and(node, is_negated)) {
        for (uint32_t i = 0; i < node->b; i++)
            collect_terms(b, b->program->kids[node->a + i], is_negated, terms);
    }
}

static bool is_contradictory(const struct builder *b, uint32_t root)
{
    struct terms terms = {.count = 0};
    collect_terms(b, root, false, &terms);
    for (uint32_t i = 0; i < terms.count; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (terms.tests[i] == terms.tests[k] && terms.negated[i] != terms.negated[k])
                return true;
        }
    }
    return false;
}

static int report_contradiction(struct builder *b, struct mt_sigma_loaded *l)
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

/* What a filter's condition describes is left out. Other tools join the condition
 * to the rule's by `and`, so that there it begins with `not`: taken the same. */
static struct mt_sigma_node *excluded(struct mt_sigma_node *condition)
{
    return condition->kind == MT_SIGMA_NOT ? condition->child : condition;
}

static int add_filters(struct builder *b, struct mt_sigma_entry *entry)
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
        int rc = build(b, excluded(sigma->all[i]->condition), &entry->filters[entry->filter_count]);
        if (rc != 0)
            return rc;
        entry->filter_of[entry->filter_count++] = i;
    }
    return 0;
}

static int add_rule(struct builder *b, struct mt_sigma_loaded *l)
{
    struct mt_sigma_program *p = b->program;
    struct mt_sigma_entry *entry = &p->rules[p->rule_count];
    *entry = (struct mt_sigma_entry){.loaded = l};
    int rc = build(b, l->condition, &entry->root);
    if (rc != 0)
        return rc;
    if (is_contradictory(b, entry->root))
        return report_contradiction(b, l);
    rc = add_filters(b, entry);
    if (rc != 0)
        return rc;
    uint32_t rule = p->rule_count++;
    if (trigger_cost(b, entry->root, false) != NO_TRIGGER)
        return add_triggers(b, entry->root, false, rule);
    p->always[rule / 64] |= UINT64_C(1) << rule % 64;
    p->has_always = true;
    return 0;
}

/* --- fields ------------------------------------------------------------------- */

static bool is_wild(const struct mt_sigma_test *test)
{
    return test->op == MT_SIGMA_OP_REGEX ||
           (test->op == MT_SIGMA_OP_TEXT && !mt_sigma_pattern_is_plain(&test->pattern));
}

static void count_test(struct mt_sigma_plan *plan, const struct mt_sigma_test *test)
{
    if (test->op == MT_SIGMA_OP_NUMBER)
        plan->number_count++;
    else if (test->op == MT_SIGMA_OP_CIDR)
        plan->prefix_count++;
    else if (is_wild(test))
        plan->text_count++;
    else if (test->op == MT_SIGMA_OP_TEXT)
        plan->exact_count++;
}

static struct mt_span exact_text(const struct mt_sigma_test *test, uint8_t *storage)
{
    for (uint32_t i = 0; i < test->pattern.count; i++)
        storage[i] = (uint8_t)test->pattern.symbols[i];
    return mt_span(storage, test->pattern.count);
}

static int put_exact(struct mt_sigma_plan *plan, const struct mt_sigma_test *test)
{
    uint8_t *storage = malloc(test->pattern.count + 1);
    if (!storage)
        return -ENOMEM;
    uint64_t hash = mt_sigma_exact_hash(exact_text(test, storage));
    free(storage);
    uint32_t at = (uint32_t)hash & plan->exact_mask;
    while (plan->exacts[at].test)
        at = (at + 1) & plan->exact_mask;
    plan->exacts[at] = (struct mt_sigma_exact){.hash = hash, .test = test->index + 1};
    plan->exact_size_max = mt_max_u64(plan->exact_size_max, test->pattern.count);
    return 0;
}

static int put_test(struct mt_sigma_plan *plan, const struct mt_sigma_test *test)
{
    if (test->op == MT_SIGMA_OP_NUMBER)
        plan->numbers[plan->number_count++] = test->index;
    else if (test->op == MT_SIGMA_OP_CIDR)
        plan->prefixes[plan->prefix_count++] = test->index;
    else if (is_wild(test))
        plan->texts[plan->text_count++] = test->index;
    else if (test->op == MT_SIGMA_OP_TEXT)
        return put_exact(plan, test);
    else if (test->op == MT_SIGMA_OP_EXISTS)
        plan->exists = test->index;
    return 0;
}

static int make_room(struct mt_sigma_program *p, struct mt_sigma_plan *plan)
{
    plan->numbers = mt_sigma_alloc(&p->memory, plan->number_count * sizeof(uint32_t));
    plan->prefixes = mt_sigma_alloc(&p->memory, plan->prefix_count * sizeof(uint32_t));
    plan->texts = mt_sigma_alloc(&p->memory, plan->text_count * sizeof(uint32_t));
    plan->exact_mask = 3;
    while (plan->exact_mask < plan->exact_count * 2)
        plan->exact_mask = plan->exact_mask * 2 + 1;
    plan->exacts = mt_sigma_alloc(&p->memory, ((size_t)plan->exact_mask + 1) * sizeof(*plan->exacts));
    plan->exists = MT_SIGMA_NONE;
    plan->number_count = 0;
    plan->prefix_count = 0;
    plan->text_count = 0;
    return plan->numbers && plan->prefixes && plan->texts && plan->exacts ? 0 : -ENOMEM;
}

static struct mt_sigma_plan *plan_of(struct mt_sigma_program *p, const struct mt_sigma_field *field)
{
    for (uint32_t i = 0; i < p->plan_count; i++) {
        if (p->plans[i].field == field)
            return &p->plans[i];
    }
    p->plans[p->plan_count] = (struct mt_sigma_plan){.field = field};
    return &p->plans[p->plan_count++];
}

static int build_plans(struct builder *b, uint32_t field_count)
{
    struct mt_sigma_program *p = b->program;
    p->plans = mt_sigma_alloc(&p->memory, ((size_t)field_count + 1) * sizeof(*p->plans));
    p->tests = mt_sigma_alloc(&p->memory, ((size_t)p->test_count + 1) * sizeof(*p->tests));
    p->references = mt_sigma_alloc(&p->memory, ((size_t)p->test_count + 1) * sizeof(uint32_t));
    if (!p->plans || !p->tests || !p->references)
        return -ENOMEM;
    for (uint32_t i = 0; i < p->test_count; i++) {
        p->tests[i] = b->tests[i];
        if (b->tests[i]->op == MT_SIGMA_OP_FIELD)
            p->references[p->reference_count++] = i;
        else
            count_test(plan_of(p, b->tests[i]->field), b->tests[i]);
    }
    int rc = 0;
    for (uint32_t i = 0; i < p->plan_count && rc == 0; i++)
        rc = make_room(p, &p->plans[i]);
    for (uint32_t i = 0; i < p->test_count && rc == 0; i++) {
        if (b->tests[i]->op != MT_SIGMA_OP_FIELD)
            rc = put_test(plan_of(p, b->tests[i]->field), b->tests[i]);
    }
    for (uint32_t i = 0; i < p->plan_count && rc == 0; i++)
        rc = mt_sigma_plan_build(p, b->sigma->scan_from, &p->plans[i]);
    return rc;
}

static int build_triggers(struct builder *b)
{
    struct mt_sigma_program *p = b->program;
    p->trigger_first = mt_sigma_alloc(&p->memory, ((size_t)p->test_count + 2) * sizeof(uint32_t));
    p->trigger_rules = mt_sigma_alloc(&p->memory, ((size_t)b->trigger_count + 1) * sizeof(uint32_t));
    if (!p->trigger_first || !p->trigger_rules)
        return -ENOMEM;
    /* counting sort by test: first how many, one place further, then where from */
    for (uint32_t i = 0; i < b->trigger_count; i++) {
        p->trigger_first[b->trigger_test[i] + 2]++;
        if (p->tests[b->trigger_test[i]]->op != MT_SIGMA_OP_FIELD)
            plan_of(p, p->tests[b->trigger_test[i]]->field)->has_triggers = true;
    }
    for (uint32_t i = 2; i < p->test_count + 2; i++)
        p->trigger_first[i] += p->trigger_first[i - 1];
    for (uint32_t i = 0; i < b->trigger_count; i++)
        p->trigger_rules[p->trigger_first[b->trigger_test[i] + 1]++] = b->trigger_rule[i];
    return 0;
}

static void mark_plans(struct mt_sigma_program *p, uint32_t at, uint8_t *is_needed)
{
    const struct mt_sigma_step_node *node = &p->nodes[at];
    if (node->kind == MT_SIGMA_TEST) {
        const struct mt_sigma_test *test = p->tests[node->a];
        if (test->op != MT_SIGMA_OP_FIELD)
            is_needed[plan_of(p, test->field) - p->plans] = 1;
    } else if (node->kind == MT_SIGMA_NOT) {
        mark_plans(p, node->a, is_needed);
    } else {
        for (uint32_t i = 0; i < node->b; i++)
            mark_plans(p, p->kids[node->a + i], is_needed);
    }
}

/* What each rule needs beyond the fields that are asked for every event. */
static int list_plans(struct mt_sigma_program *p)
{
    uint8_t *is_needed = malloc((size_t)p->plan_count + 1);
    if (!is_needed)
        return -ENOMEM;
    for (uint32_t r = 0; r < p->rule_count; r++) {
        struct mt_sigma_entry *entry = &p->rules[r];
        memset(is_needed, 0, p->plan_count);
        mark_plans(p, entry->root, is_needed);
        for (uint32_t i = 0; i < entry->filter_count; i++)
            mark_plans(p, entry->filters[i], is_needed);
        entry->plans = mt_sigma_alloc(&p->memory, ((size_t)p->plan_count + 1) * sizeof(uint32_t));
        if (!entry->plans) {
            free(is_needed);
            return -ENOMEM;
        }
        for (uint32_t i = 0; i < p->plan_count; i++) {
            if (is_needed[i] && !p->plans[i].has_triggers)
                entry->plans[entry->plan_count++] = i;
        }
    }
    free(is_needed);
    return 0;
}

static bool is_in(const struct mt_sigma_loaded *l, enum mt_sigma_category category)
{
    return l->rule.kind == MT_SIGMA_KIND_RULE && !l->rule.inactive && l->rule.category == category;
}

static int compile_category(struct mt_sigma *sigma, enum mt_sigma_category category)
{
    struct builder b = {.sigma = sigma};
    uint32_t count = 0;
    for (uint32_t i = 0; i < sigma->count; i++)
        count += is_in(sigma->all[i], category);
    if (count == 0)
        return 0;
    struct mt_sigma_program *p = calloc(1, sizeof(*p));
    if (!p)
        return -ENOMEM;
    b.program = sigma->programs[category] = p;
    p->rules = mt_sigma_alloc(&p->memory, count * sizeof(*p->rules));
    p->always = mt_sigma_alloc(&p->memory, (count + 63) / 64 * sizeof(uint64_t));
    int rc = p->rules && p->always ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < sigma->count && rc == 0; i++) {
        if (is_in(sigma->all[i], category))
            rc = add_rule(&b, sigma->all[i]);
    }
    if (rc == 0)
        rc = build_plans(&b, sigma->field_count[category]);
    if (rc == 0)
        rc = build_triggers(&b);
    if (rc == 0)
        rc = list_plans(p);
    free(b.tests);
    free(b.digests);
    free(b.slots);
    free(b.trigger_test);
    free(b.trigger_rule);
    return rc;
}

int mt_sigma_compile(struct mt_sigma *sigma)
{
    for (int i = 0; i < MT_SIGMA_CATEGORY_COUNT; i++) {
        int rc = compile_category(sigma, (enum mt_sigma_category)i);
        if (rc != 0)
            return rc;
    }
    sigma->evals = calloc(sigma->evaluator_count + 1, sizeof(struct mt_sigma_eval *));
    if (!sigma->evals)
        return -ENOMEM;
    /* one more for statistics, which no worker has */
    bool has_statistics = sigma->programs[MT_SIGMA_STATISTICS] != NULL;
    for (uint32_t i = 0; i < sigma->evaluator_count + has_statistics; i++) {
        int rc = mt_sigma_eval_create(sigma, &sigma->evals[i]);
        if (rc != 0)
            return rc;
    }
    return 0;
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
