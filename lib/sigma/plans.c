/* What is asked of each field of a category, and in which order conditions are
 * judged by it. */
#include "sigma/program_priv.h"

#include <errno.h>
#include <stdlib.h>

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

static int put_exact(struct mt_sigma_program *p, struct mt_sigma_plan *plan, const struct mt_sigma_test *test)
{
    uint8_t *lower = mt_sigma_alloc(&p->memory, test->pattern.count + 1);
    uint8_t *storage = malloc(test->pattern.count + 1);
    if (!storage || !lower) {
        free(storage);
        return -ENOMEM;
    }
    uint64_t hash = mt_sigma_exact_hash(exact_text(test, storage));
    mt_ascii_put_lower(lower, storage, test->pattern.count);
    uint32_t at = (uint32_t)hash & plan->exact_mask;
    while (plan->exacts[at].test)
        at = (at + 1) & plan->exact_mask;
    plan->exacts[at] = (struct mt_sigma_exact){.hash = hash,
                                               .lower = lower,
                                               .size = test->pattern.count,
                                               .test = test->index + 1,
                                               .is_cased = test->is_cased};
    plan->exact_sizes |= mt_sigma_size_bit(test->pattern.count);
    plan->exact_firsts |= mt_sigma_first_bit(exact_text(test, storage));
    free(storage);
    return 0;
}

static int put_test(struct mt_sigma_program *p, struct mt_sigma_plan *plan, const struct mt_sigma_test *test)
{
    if (test->op == MT_SIGMA_OP_NUMBER)
        plan->numbers[plan->number_count++] = test->index;
    else if (test->op == MT_SIGMA_OP_CIDR)
        plan->prefixes[plan->prefix_count++] = test->index;
    else if (is_wild(test))
        plan->texts[plan->text_count++] = test->index;
    else if (test->op == MT_SIGMA_OP_TEXT)
        return put_exact(p, plan, test);
    else if (test->op == MT_SIGMA_OP_EXISTS)
        plan->exists = test->index;
    else if (test->op == MT_SIGMA_OP_ABSENT)
        plan->absent = test->index;
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
    plan->number_count = 0;
    plan->prefix_count = 0;
    plan->text_count = 0;
    return plan->numbers && plan->prefixes && plan->texts && plan->exacts ? 0 : -ENOMEM;
}

/* --- which field -------------------------------------------------------------- */

static struct mt_sigma_plan *add_plan(struct mt_sigma_program *p, const struct mt_sigma_field *field)
{
    struct mt_sigma_plan *plan = &p->plans[p->plan_count++];
    *plan = (struct mt_sigma_plan){.field = field,
                                   .is_wide = field->path && field->root == MT_SIGMA_ROOT_SESSION,
                                   .exists = MT_SIGMA_NONE,
                                   .absent = MT_SIGMA_NONE,
                                   .reference = MT_SIGMA_NONE};
    return plan;
}

static bool is_wide(const struct mt_sigma_field *field)
{
    return field->path && field->root == MT_SIGMA_ROOT_SESSION;
}

/* What triggers ask of a field is asked of every event, so what others ask of it is
 * a plan of its own. So is a field against another, which the values of both answer. */
static uint32_t place_test(struct mt_sigma_program *p, uint32_t *of_field, uint32_t index, bool is_trigger)
{
    const struct mt_sigma_test *test = p->tests[index];
    if (test->op == MT_SIGMA_OP_FIELD) {
        struct mt_sigma_plan *plan = add_plan(p, test->field);
        plan->reference = index;
        plan->is_wide = is_wide(test->field) && is_wide(test->other);
        return p->plan_count - 1;
    }
    uint32_t *plan = &of_field[2 * test->field->index + is_trigger];
    if (*plan == 0) {
        add_plan(p, test->field);
        *plan = p->plan_count; /* plus one */
    }
    count_test(&p->plans[*plan - 1], test);
    return *plan - 1;
}

static int place_tests(struct mt_sigma_builder *b, uint32_t field_count)
{
    struct mt_sigma_program *p = b->program;
    uint32_t *of_field = calloc(2 * ((size_t)field_count + 1), sizeof(*of_field));
    bool *is_trigger = calloc((size_t)p->test_count + 1, sizeof(*is_trigger));
    bool has_room = of_field && is_trigger;
    for (uint32_t i = 0; i < b->trigger_count && has_room; i++)
        is_trigger[b->trigger_test[i]] = true;
    for (uint32_t i = 0; i < p->test_count && has_room; i++) {
        p->tests[i] = b->tests[i];
        p->test_plans[i] = place_test(p, of_field, i, is_trigger[i]);
    }
    free(of_field);
    free(is_trigger);
    return has_room ? 0 : -ENOMEM;
}

int mt_sigma_plans_build(struct mt_sigma_builder *b)
{
    struct mt_sigma_program *p = b->program;
    size_t tests = (size_t)p->test_count + 1;
    uint32_t field_count = b->sigma->field_count[p->rules[0].loaded->rule.category];
    size_t plans = 2 * ((size_t)field_count + 1);
    for (uint32_t i = 0; i < p->test_count; i++)
        plans += b->tests[i]->op == MT_SIGMA_OP_FIELD;
    p->plans = mt_sigma_alloc(&p->memory, plans * sizeof(*p->plans));
    p->tests = mt_sigma_alloc(&p->memory, tests * sizeof(*p->tests));
    p->test_plans = mt_sigma_alloc(&p->memory, (tests + p->node_count) * sizeof(uint32_t));
    if (!p->plans || !p->tests || !p->test_plans)
        return -ENOMEM;
    int rc = place_tests(b, field_count);
    for (uint32_t i = 0; i < p->plan_count && rc == 0; i++)
        rc = make_room(p, &p->plans[i]);
    for (uint32_t i = 0; i < p->test_count && rc == 0; i++)
        rc = put_test(p, &p->plans[p->test_plans[i]], p->tests[i]);
    for (uint32_t i = 0; i < p->plan_count && rc == 0; i++)
        rc = mt_sigma_plan_build(b->sigma, p, &p->plans[i]);
    return rc;
}

/* --- at a glance ---------------------------------------------------------------- */

/* The least and the greatest number that meets a test; false: any may. */
static bool numbers_within(const struct mt_sigma_program *p, const struct mt_sigma_plan *plan, uint64_t *low,
                           uint64_t *high)
{
    *low = UINT64_MAX;
    *high = 0;
    if (plan->exists != MT_SIGMA_NONE || plan->exact_count + plan->text_count + plan->prefix_count > 0)
        return false;
    for (uint32_t i = 0; i < plan->number_count; i++) {
        const struct mt_sigma_test *test = p->tests[plan->numbers[i]];
        if (test->part != MT_SIGMA_PART_WHOLE)
            return false;
        bool is_open_below = test->compare == MT_SIGMA_LT || test->compare == MT_SIGMA_LTE;
        bool is_open_above = test->compare == MT_SIGMA_GT || test->compare == MT_SIGMA_GTE;
        *low = mt_min_u64(*low, is_open_below ? 0 : test->number);
        *high = mt_max_u64(*high, is_open_above ? UINT64_MAX : test->number);
    }
    return plan->number_count > 0;
}

static void glance_at_number(const struct mt_sigma_program *p, const struct mt_sigma_plan *plan,
                             enum mt_sigma_glance_kind kind, uint64_t absent_below,
                             struct mt_sigma_glance *glance)
{
    uint64_t low;
    uint64_t high;
    if (!numbers_within(p, plan, &low, &high)) {
        low = 0;
        high = UINT64_MAX;
    }
    low = mt_max_u64(low, absent_below);
    glance->kind = (uint8_t)kind;
    glance->low = low;
    glance->span = high - low; /* an impossible range: any number is then looked at */
}

/* Which of absent, false and true meets a test. */
static uint64_t flags_of(const struct mt_sigma_program *p, const struct mt_sigma_plan *plan)
{
    uint64_t bits = 0;
    if (plan->exists != MT_SIGMA_NONE || plan->text_count > 0)
        return UINT64_C(1) << MT_FLAG_FALSE | UINT64_C(1) << MT_FLAG_TRUE;
    for (uint32_t i = 0; i <= plan->exact_mask; i++) {
        if (plan->exacts[i].test == 0)
            continue;
        bool is_true = p->tests[plan->exacts[i].test - 1]->pattern.count == 4; /* true, false */
        bits |= UINT64_C(1) << (is_true ? MT_FLAG_TRUE : MT_FLAG_FALSE);
    }
    return bits;
}

static void glance_at_list(uint16_t off, struct mt_sigma_glance *glance)
{
    glance->kind = MT_SIGMA_GLANCE_LIST;
    glance->off = (uint16_t)(off + offsetof(struct mt_texts, count));
}

MT_STATIC_ASSERT(offsetof(struct mt_span, ptr) == 0, "a text that is absent begins with NULL");

static void glance_at(const struct mt_sigma_program *p, const struct mt_sigma_plan *plan,
                      struct mt_sigma_glance *glance)
{
    const struct mt_sigma_field *field = plan->field;
    *glance = (struct mt_sigma_glance){.root = (uint8_t)field->root, .off = field->off};
    /* a test that holds of what is not there has to be asked */
    if (!field->path || plan->absent != MT_SIGMA_NONE)
        return;
    if (field->step_count > 0) {
        glance_at_list(field->steps[0].off, glance);
        return;
    }
    switch (field->type) {
    case MT_FIELD_TYPE_TEXT:
    case MT_FIELD_TYPE_NAME:
    case MT_FIELD_TYPE_MAC:
        glance->kind = MT_SIGMA_GLANCE_POINTER;
        return;
    case MT_FIELD_TYPE_U64:
        glance_at_number(p, plan, MT_SIGMA_GLANCE_NUMBER, 0, glance);
        return;
    case MT_FIELD_TYPE_COUNT:
    case MT_FIELD_TYPE_TIME:
        glance_at_number(p, plan, MT_SIGMA_GLANCE_NUMBER, 1, glance);
        return;
    case MT_FIELD_TYPE_CODE:
        glance_at_number(p, plan, MT_SIGMA_GLANCE_CODE, 1, glance);
        return;
    case MT_FIELD_TYPE_FLAG:
        glance->kind = MT_SIGMA_GLANCE_BYTE;
        glance->low = flags_of(p, plan);
        return;
    case MT_FIELD_TYPE_IP:
        glance->kind = MT_SIGMA_GLANCE_BYTE;
        glance->off = (uint16_t)(field->off + offsetof(struct mt_ip, family));
        glance->low = ~UINT64_C(1);
        return;
    default: /* lists, all of them {items, count} */
        glance_at_list(field->off, glance);
        return;
    }
}

/* --- members of lists with keys -------------------------------------------------- */

static bool is_keyed(const struct mt_sigma_plan *plan)
{
    const struct mt_sigma_field *field = plan->field;
    return plan->has_triggers && plan->reference == MT_SIGMA_NONE && plan->absent == MT_SIGMA_NONE &&
           field->path && field->kind == MT_SIGMA_NUMBER && field->step_count == 0 &&
           (field->type == MT_FIELD_TYPE_VERBS || field->type == MT_FIELD_TYPE_CODES);
}

static unsigned key_bit(const struct mt_sigma_field *field)
{
    return field->type == MT_FIELD_TYPE_CODES
               ? mt_sigma_code_bit(field->code)
               : mt_sigma_verb_bit((const char *)field->key.ptr, field->key.size);
}

static int add_keyed(struct mt_sigma_program *p, uint32_t index)
{
    const struct mt_sigma_plan *plan = &p->plans[index];
    const struct mt_sigma_field *field = plan->field;
    bool side = plan->is_wide;
    uint32_t at = 0;
    while (at < p->keyed_count[side] &&
           (p->keyed[side][at].root != field->root || p->keyed[side][at].off != field->off))
        at++;
    struct mt_sigma_keyed *keyed = &p->keyed[side][at];
    if (at == p->keyed_count[side]) {
        *keyed = (struct mt_sigma_keyed){.type = field->type, .root = field->root, .off = field->off};
        keyed->plans = mt_sigma_alloc(&p->memory, ((size_t)p->plan_count + 1) * sizeof(uint32_t));
        if (!keyed->plans)
            return -ENOMEM;
        p->keyed_count[side]++;
    }
    unsigned bit = key_bit(field);
    uint32_t place = keyed->plan_count++;
    for (; place > 0 && key_bit(p->plans[keyed->plans[place - 1]].field) > bit; place--)
        keyed->plans[place] = keyed->plans[place - 1];
    keyed->plans[place] = index;
    keyed->filter |= UINT64_C(1) << bit;
    for (unsigned i = bit + 1; i <= 64; i++)
        keyed->bit_first[i]++;
    return 0;
}

/* Which test a flag meets, if no more than one. */
static void look_at_flags(const struct mt_sigma_program *p, struct mt_sigma_plan *plan)
{
    static const char *const texts[] = {[MT_FLAG_FALSE] = "false", [MT_FLAG_TRUE] = "true"};
    plan->is_flag = plan->is_of_texts && plan->field->type == MT_FIELD_TYPE_FLAG;
    for (int flag = MT_FLAG_FALSE; flag <= MT_FLAG_TRUE && plan->is_flag; flag++) {
        plan->flags[flag] = MT_SIGMA_NONE;
        for (uint32_t i = 0; i <= plan->exact_mask; i++) {
            uint32_t test = plan->exacts[i].test;
            if (test == 0 || !mt_sigma_pattern_matches(&p->tests[test - 1]->pattern, plan->exacts[i].is_cased,
                                                       mt_span_cstr(texts[flag])))
                continue;
            plan->is_flag &= plan->flags[flag] == MT_SIGMA_NONE;
            plan->flags[flag] = test - 1;
        }
    }
}

static void look_at_prefixes(const struct mt_sigma_program *p, struct mt_sigma_plan *plan)
{
    for (uint32_t i = 0; i < plan->prefix_count; i++) {
        const struct mt_prefix *prefix = &p->tests[plan->prefixes[i]]->prefix;
        struct mt_ip ip = {.family = prefix->ip.family};
        for (unsigned first = 0; first < 256; first++) {
            struct mt_prefix head = *prefix;
            head.bits = (uint8_t)mt_min_u64(head.bits, 8);
            ip.bytes[0] = (uint8_t)first;
            if (mt_prefix_has(&head, &ip))
                plan->prefix_firsts[ip.family != 4][first / 64] |= UINT64_C(1) << first % 64;
        }
    }
}

/* Of the one number: LT and GT leave out one end of what passes, and where nothing can
 * meet the test everything passes. */
static bool is_exact_range(const struct mt_sigma_program *p, const struct mt_sigma_plan *plan)
{
    const struct mt_sigma_test *test = p->tests[plan->numbers[0]];
    return test->part == MT_SIGMA_PART_WHOLE && test->compare != MT_SIGMA_LT &&
           test->compare != MT_SIGMA_GT && plan->glance.span <= UINT64_MAX - plan->glance.low;
}

/* Is one test all, and is its answer what is seen at a glance? */
static void find_meets(const struct mt_sigma_program *p, struct mt_sigma_plan *plan)
{
    struct mt_sigma_glance *glance = &plan->glance;
    glance->meets = MT_SIGMA_NONE;
    if (!mt_sigma_field_is_single(plan->field) || plan->reference != MT_SIGMA_NONE ||
        plan->absent != MT_SIGMA_NONE || glance->kind == MT_SIGMA_GLANCE_NONE ||
        plan->exact_count + plan->text_count + plan->prefix_count > 0)
        return;
    if (plan->number_count == 0)
        glance->meets = plan->exists;
    else if (plan->number_count == 1 && plan->exists == MT_SIGMA_NONE && is_exact_range(p, plan))
        glance->meets = plan->numbers[0];
}

static int list_glances(struct mt_sigma_program *p)
{
    for (unsigned side = 0; side < 2; side++) {
        p->glances[side] = mt_sigma_alloc(&p->memory, ((size_t)p->plan_count + 1) * sizeof(**p->glances));
        p->keyed[side] = mt_sigma_alloc(&p->memory, ((size_t)p->plan_count + 1) * sizeof(**p->keyed));
        if (!p->glances[side] || !p->keyed[side])
            return -ENOMEM;
    }
    for (uint32_t i = 0; i < p->plan_count; i++) {
        struct mt_sigma_plan *plan = &p->plans[i];
        if (plan->reference == MT_SIGMA_NONE)
            glance_at(p, plan, &plan->glance);
        plan->glance.plan = i;
        plan->is_existence =
            plan->reference == MT_SIGMA_NONE &&
            plan->exact_count + plan->text_count + plan->number_count + plan->prefix_count == 0;
        plan->is_of_texts = plan->reference == MT_SIGMA_NONE && plan->exists == MT_SIGMA_NONE &&
                            plan->text_count + plan->number_count + plan->prefix_count == 0;
        plan->is_of_strings = plan->reference == MT_SIGMA_NONE && plan->exists == MT_SIGMA_NONE &&
                              plan->number_count + plan->prefix_count == 0;
        look_at_flags(p, plan);
        look_at_prefixes(p, plan);
        find_meets(p, plan);
        if (is_keyed(plan)) {
            int rc = add_keyed(p, i);
            if (rc != 0)
                return rc;
        } else if (plan->has_triggers) {
            p->glances[plan->is_wide][p->glance_count[plan->is_wide]++] = plan->glance;
        }
    }
    return 0;
}

/* --- what comes first -------------------------------------------------------------- */

/* How dear it is to ask, roughly; what the session says is asked once a record. */
static uint64_t dearness_of(const struct mt_sigma_program *p, uint32_t test)
{
    const struct mt_sigma_plan *plan = &p->plans[p->test_plans[test]];
    uint64_t cost = 2 + 2 * plan->number_count + 5 * plan->prefix_count + 8 * (plan->exact_count > 0) +
                    100 * (plan->text_count > 0) + 100 * (plan->reference != MT_SIGMA_NONE);
    if (plan->has_triggers)
        return 1;
    if (!plan->field->path)
        return cost * 50;
    return cost * (1 + plan->field->step_count) / (plan->is_wide ? 2 : 1);
}

/* Are the members tests of one plan? */
static bool is_group(const struct mt_sigma_program *p, const struct mt_sigma_step_node *node)
{
    if (node->kind != MT_SIGMA_OR || node->b < 2) /* others may have none, and a program no kids */
        return false;
    const uint32_t *kids = &p->kids[node->a];
    for (uint32_t i = 0; i < node->b; i++) {
        if (p->nodes[kids[i]].kind != MT_SIGMA_TEST ||
            p->test_plans[p->nodes[kids[i]].a] != p->test_plans[p->nodes[kids[0]].a])
            return false;
    }
    return true;
}

static uint64_t order_node(struct mt_sigma_program *p, uint32_t at)
{
    const struct mt_sigma_step_node *node = &p->nodes[at];
    if (node->kind == MT_SIGMA_TEST)
        return dearness_of(p, node->a);
    if (node->kind == MT_SIGMA_NOT)
        return order_node(p, node->a);
    uint64_t sum = 0;
    uint32_t *order = &p->kids[node->a + node->b];
    for (uint32_t i = 0; i < node->b; i++) {
        uint32_t kid = p->kids[node->a + i];
        uint64_t cost = order_node(p, kid);
        sum += cost;
        p->nodes[kid].cost = cost;
        uint32_t place = i;
        for (; place > 0 && p->nodes[order[place - 1]].cost > cost; place--)
            order[place] = order[place - 1];
        order[place] = kid;
    }
    return sum;
}

/* --- groups --------------------------------------------------------------------- */

/* Lists of values that stand in many rules, as networks of one's own do, are looked
 * at as one. */
struct grouping {
    struct mt_sigma_program *program;
    uint32_t *slots; /* node plus one, by its tests */
    uint32_t mask;
    uint32_t member_count;
};

static bool is_same_group(const struct mt_sigma_program *p, const struct mt_sigma_step_node *a,
                          const struct mt_sigma_step_node *b)
{
    if (a->b != b->b)
        return false;
    for (uint32_t i = 0; i < a->b; i++) {
        if (p->nodes[p->kids[a->a + i]].a != p->nodes[p->kids[b->a + i]].a)
            return false;
    }
    return true;
}

static uint64_t group_hash(const struct mt_sigma_program *p, const struct mt_sigma_step_node *node)
{
    uint64_t hash = node->b;
    for (uint32_t i = 0; i < node->b; i++)
        hash = mt_hash_pair(0, hash, p->nodes[p->kids[node->a + i]].a);
    return hash;
}

static void find_group(struct grouping *g, uint32_t at)
{
    struct mt_sigma_program *p = g->program;
    struct mt_sigma_step_node *node = &p->nodes[at];
    node->group = MT_SIGMA_NONE;
    if (!is_group(p, node))
        return;
    uint32_t slot = (uint32_t)group_hash(p, node) & g->mask;
    for (; g->slots[slot]; slot = (slot + 1) & g->mask) {
        const struct mt_sigma_step_node *other = &p->nodes[g->slots[slot] - 1];
        if (is_same_group(p, node, other)) {
            node->group = other->group;
            return;
        }
    }
    g->slots[slot] = at + 1;
    node->group = p->test_count + p->group_count++;
    p->test_plans[node->group] = p->test_plans[p->nodes[p->kids[node->a]].a];
    g->member_count += node->b;
}

/* For each test the groups it is in. */
static int list_groups(const struct grouping *g)
{
    struct mt_sigma_program *p = g->program;
    p->test_groups = mt_sigma_alloc(&p->memory, ((size_t)g->member_count + 1) * sizeof(uint32_t));
    p->group_first = mt_sigma_alloc(&p->memory, ((size_t)p->test_count + 2) * sizeof(uint32_t));
    if (!p->test_groups || !p->group_first)
        return -ENOMEM;
    /* as mt_sigma_triggers_build does */
    for (unsigned pass = 0; pass < 2; pass++) {
        for (uint32_t slot = 0; slot <= g->mask; slot++) {
            const struct mt_sigma_step_node *node = g->slots[slot] ? &p->nodes[g->slots[slot] - 1] : NULL;
            for (uint32_t i = 0; node && i < node->b; i++) {
                uint32_t test = p->nodes[p->kids[node->a + i]].a;
                if (pass == 0)
                    p->group_first[test + 2]++;
                else
                    p->test_groups[p->group_first[test + 1]++] = node->group;
            }
        }
        for (uint32_t i = 2; pass == 0 && i < p->test_count + 2; i++)
            p->group_first[i] += p->group_first[i - 1];
    }
    return 0;
}

static int make_groups(struct mt_sigma_program *p)
{
    struct grouping grouping = {.program = p, .mask = 15};
    while (grouping.mask < p->node_count * 2)
        grouping.mask = grouping.mask * 2 + 1;
    grouping.slots = calloc((size_t)grouping.mask + 1, sizeof(uint32_t));
    if (!grouping.slots)
        return -ENOMEM;
    for (uint32_t i = 0; i < p->node_count; i++)
        find_group(&grouping, i);
    int rc = list_groups(&grouping);
    free(grouping.slots);
    return rc;
}

int mt_sigma_plans_finish(struct mt_sigma_program *p)
{
    for (uint32_t r = 0; r < p->rule_count; r++) {
        order_node(p, p->rules[r].root);
        for (uint32_t i = 0; i < p->rules[r].filter_count; i++)
            order_node(p, p->rules[r].filters[i]);
    }
    int rc = make_groups(p);
    return rc != 0 ? rc : list_glances(p);
}
