/* Which tests a rule can't hold without: it is looked at when one of them is met. */
#include "sigma/program_priv.h"

#include <errno.h>
#include <stdlib.h>

#define NO_TRIGGER UINT64_MAX

static bool is_keyed(const struct mt_sigma_test *test)
{
    return test->field->type == MT_FIELD_TYPE_VERBS || test->field->type == MT_FIELD_TYPE_CODES;
}

static uint64_t number_cost(const struct mt_sigma_test *test)
{
    bool is_from = test->compare == MT_SIGMA_GT || test->compare == MT_SIGMA_GTE;
    if (is_keyed(test) || test->part != MT_SIGMA_PART_WHOLE)
        return 10;
    if (is_from)
        return test->number > 1 ? 8 : 20; /* more than what there mostly is */
    return test->compare == MT_SIGMA_EQ ? 16 : 20;
}

/* Networks that a session's address lies in or not, whatever its transactions and
 * recipients are: a rule about these is then not looked at for any of them. */
static bool is_asked_once(const struct mt_sigma_test *test)
{
    return test->op == MT_SIGMA_OP_CIDR && test->field->root == MT_SIGMA_ROOT_SESSION &&
           test->field->category != MT_SIGMA_SESSION;
}

/* How often a test is likely to hold: rare ones are good triggers. */
static uint64_t cost_of(const struct mt_sigma_test *test)
{
    switch (test->op) {
    case MT_SIGMA_OP_TEXT:
        if (test->field->kind == MT_SIGMA_FLAG)
            return 20;
        if (test->field->type == MT_FIELD_TYPE_NAME)
            return 15; /* of few that there are */
        if (test->field->type == MT_FIELD_TYPE_NAMES)
            return 5; /* of findings, which mostly there are none of */
        return test->pattern.count >= 4 ? 1 : 3;
    case MT_SIGMA_OP_REGEX:
        return 25; /* rare, but dear to ask */
    case MT_SIGMA_OP_NUMBER:
        return number_cost(test);
    case MT_SIGMA_OP_CIDR:
        return is_asked_once(test) ? 14 : 45; /* mostly a network of one's own */
    case MT_SIGMA_OP_FIELD:
        return 30;
    case MT_SIGMA_OP_ABSENT:
        return 40;
    case MT_SIGMA_OP_EXISTS:
        break;
    }
    return test->field->kind == MT_SIGMA_LIST ? 12 : test->field->type == MT_FIELD_TYPE_NAME ? 22 : 50;
}

/* The test that holds when the node's does, or (is_negated) does not; MT_SIGMA_NONE. */
static uint32_t literal_of(const struct mt_sigma_builder *b, uint32_t test, bool is_negated)
{
    if (!is_negated)
        return test;
    return b->tests[test]->op == MT_SIGMA_OP_ABSENT ? (uint32_t)b->tests[test]->number : MT_SIGMA_NONE;
}

bool mt_sigma_is_and(const struct mt_sigma_step_node *node, bool is_negated)
{
    return (node->kind == MT_SIGMA_AND) != is_negated;
}

/* Is the member a network of an address of which others have been taken? They are
 * asked together. */
static bool is_one_of_networks(const struct mt_sigma_builder *b, const struct mt_sigma_step_node *node,
                               uint32_t i)
{
    const struct mt_sigma_step_node *first = &b->program->nodes[b->program->kids[node->a]];
    const struct mt_sigma_step_node *one = &b->program->nodes[b->program->kids[node->a + i]];
    return i > 0 && node->kind == MT_SIGMA_OR && first->kind == MT_SIGMA_TEST && one->kind == MT_SIGMA_TEST &&
           is_asked_once(b->tests[one->a]) && is_asked_once(b->tests[first->a]) &&
           b->tests[one->a]->field == b->tests[first->a]->field;
}

static uint64_t trigger_cost(const struct mt_sigma_builder *b, uint32_t at, bool is_negated)
{
    const struct mt_sigma_step_node *node = &b->program->nodes[at];
    if (node->kind == MT_SIGMA_TEST) {
        uint32_t test = literal_of(b, node->a, is_negated);
        return test == MT_SIGMA_NONE ? NO_TRIGGER : cost_of(b->tests[test]);
    }
    if (node->kind == MT_SIGMA_NOT)
        return trigger_cost(b, node->a, !is_negated);
    uint64_t least = NO_TRIGGER;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < node->b; i++) {
        uint64_t cost = trigger_cost(b, b->program->kids[node->a + i], is_negated);
        least = mt_min_u64(least, cost);
        if (is_one_of_networks(b, node, i) && sum != NO_TRIGGER)
            continue;
        sum = cost == NO_TRIGGER || sum == NO_TRIGGER ? NO_TRIGGER : sum + cost;
    }
    return mt_sigma_is_and(node, is_negated) ? least : sum;
}

static int add_trigger(struct mt_sigma_builder *b, uint32_t test, uint32_t rule)
{
    if (b->trigger_count == b->trigger_cap) {
        uint32_t cap = b->trigger_cap;
        uint32_t *tests = mt_sigma_grown(b->trigger_test, &cap, sizeof(*tests));
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

static int add_triggers(struct mt_sigma_builder *b, uint32_t at, bool is_negated, uint32_t rule)
{
    const struct mt_sigma_step_node node = b->program->nodes[at];
    if (node.kind == MT_SIGMA_TEST)
        return add_trigger(b, literal_of(b, node.a, is_negated), rule);
    if (node.kind == MT_SIGMA_NOT)
        return add_triggers(b, node.a, !is_negated, rule);
    uint32_t best = 0;
    uint64_t least = NO_TRIGGER;
    for (uint32_t i = 0; i < node.b; i++) {
        uint32_t kid = b->program->kids[node.a + i];
        if (!mt_sigma_is_and(&node, is_negated)) {
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
    return mt_sigma_is_and(&node, is_negated) ? add_triggers(b, best, is_negated, rule) : 0;
}

/* Rules that have become inactive since are never looked at. */
int mt_sigma_triggers_choose(struct mt_sigma_builder *b)
{
    struct mt_sigma_program *p = b->program;
    int rc = 0;
    for (uint32_t rule = 0; rule < p->rule_count && rc == 0; rule++) {
        uint32_t root = p->rules[rule].root;
        if (p->rules[rule].loaded->rule.inactive)
            continue;
        if (trigger_cost(b, root, false) != NO_TRIGGER) {
            rc = add_triggers(b, root, false, rule);
        } else {
            p->always[rule / 64] |= UINT64_C(1) << rule % 64;
            p->has_always = true;
        }
    }
    return rc;
}

int mt_sigma_triggers_build(struct mt_sigma_builder *b)
{
    struct mt_sigma_program *p = b->program;
    p->trigger_first = mt_sigma_alloc(&p->memory, ((size_t)p->test_count + 2) * sizeof(uint32_t));
    p->trigger_rules = mt_sigma_alloc(&p->memory, ((size_t)b->trigger_count + 1) * sizeof(uint32_t));
    if (!p->trigger_first || !p->trigger_rules)
        return -ENOMEM;
    /* counting sort by test: first how many, one place further, then where from */
    for (uint32_t i = 0; i < b->trigger_count; i++) {
        p->trigger_first[b->trigger_test[i] + 2]++;
        p->plans[p->test_plans[b->trigger_test[i]]].has_triggers = true;
    }
    for (uint32_t i = 2; i < p->test_count + 2; i++)
        p->trigger_first[i] += p->trigger_first[i - 1];
    for (uint32_t i = 0; i < b->trigger_count; i++)
        p->trigger_rules[p->trigger_first[b->trigger_test[i] + 1]++] = b->trigger_rule[i];
    return 0;
}
