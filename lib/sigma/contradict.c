/* Conditions that no event can meet: tests that would have to hold together and
 * can't. What is not seen here is no error; what is must be one. */
#include "sigma/program_priv.h"

#define TERMS_MAX 256u
#define PAIRS_MAX 4096u /* of the values of two terms */

/* A test, or several of which one must hold. */
struct term {
    const uint32_t *kids;
    uint32_t count;
    uint32_t test; /* count 0 */
    bool is_negated;
};

struct terms {
    const struct mt_sigma_builder *builder;
    struct term items[TERMS_MAX];
    uint32_t count;
};

static const struct mt_sigma_step_node *node_of(const struct terms *terms, uint32_t at)
{
    return &terms->builder->program->nodes[at];
}

static bool are_tests(const struct terms *terms, const struct mt_sigma_step_node *node)
{
    for (uint32_t i = 0; i < node->b; i++) {
        const struct mt_sigma_step_node *kid = node_of(terms, terms->builder->program->kids[node->a + i]);
        if (kid->kind != MT_SIGMA_TEST || terms->builder->tests[kid->a]->op == MT_SIGMA_OP_ABSENT)
            return false;
    }
    return node->b > 0;
}

/* What must hold together for the node to hold. */
static void collect(struct terms *terms, uint32_t at, bool is_negated)
{
    const struct mt_sigma_step_node *node = node_of(terms, at);
    if (terms->count == TERMS_MAX)
        return;
    if (node->kind == MT_SIGMA_TEST) {
        const struct mt_sigma_test *test = terms->builder->tests[node->a];
        bool is_absence = test->op == MT_SIGMA_OP_ABSENT;
        terms->items[terms->count++] = (struct term){.test = is_absence ? (uint32_t)test->number : node->a,
                                                     .is_negated = is_negated != is_absence};
    } else if (node->kind == MT_SIGMA_NOT) {
        collect(terms, node->a, !is_negated);
    } else if (mt_sigma_is_and(node, is_negated)) {
        for (uint32_t i = 0; i < node->b; i++)
            collect(terms, terms->builder->program->kids[node->a + i], is_negated);
    } else if (!is_negated && are_tests(terms, node)) {
        terms->items[terms->count++] =
            (struct term){.kids = &terms->builder->program->kids[node->a], .count = node->b};
    }
}

static const struct mt_sigma_test *test_of(const struct terms *terms, const struct term *term, uint32_t i)
{
    uint32_t at = term->count > 0 ? node_of(terms, term->kids[i])->a : term->test;
    return terms->builder->tests[at];
}

/* --- two tests of one field ---------------------------------------------------------- */

/* Has it one value at most? */
static bool is_single(const struct mt_sigma_field *field)
{
    bool is_list = field->type == MT_FIELD_TYPE_TEXTS || field->type == MT_FIELD_TYPE_NAMES ||
                   field->type == MT_FIELD_TYPE_PARAMETERS || field->kind == MT_SIGMA_LIST;
    return field->path && field->step_count == 0 && !is_list;
}

struct range {
    uint64_t low;
    uint64_t high;
    bool is_empty;
};

static struct range range_of(const struct mt_sigma_test *test)
{
    uint64_t number = test->number;
    switch (test->compare) {
    case MT_SIGMA_LT:
        return (struct range){0, number - 1, number == 0};
    case MT_SIGMA_LTE:
        return (struct range){0, number, false};
    case MT_SIGMA_GT:
        return (struct range){number + 1, UINT64_MAX, number == UINT64_MAX};
    case MT_SIGMA_GTE:
        return (struct range){number, UINT64_MAX, false};
    case MT_SIGMA_EQ:
        break;
    }
    return (struct range){number, number, false};
}

static bool are_apart(const struct mt_prefix *a, const struct mt_prefix *b)
{
    return !mt_prefix_has(a, &b->ip) && !mt_prefix_has(b, &a->ip);
}

static bool is_plain_text(const struct mt_sigma_test *test)
{
    return test->op == MT_SIGMA_OP_TEXT && mt_sigma_pattern_is_plain(&test->pattern);
}

/* No text is both; one of them is plain. */
static bool excludes_text(const struct mt_sigma_test *plain, const struct mt_sigma_test *other)
{
    uint8_t text[MT_SIGMA_VALUE_MAX];
    if (plain->pattern.count > sizeof(text))
        return false;
    for (uint32_t i = 0; i < plain->pattern.count; i++)
        text[i] = (uint8_t)plain->pattern.symbols[i];
    bool is_cased = plain->is_cased && other->is_cased;
    return !mt_sigma_pattern_matches(&other->pattern, is_cased, mt_span(text, plain->pattern.count));
}

/* Can't the field's one value meet both? */
static bool excludes(const struct mt_sigma_test *a, const struct mt_sigma_test *b)
{
    if (a->field != b->field || !is_single(a->field) || a->op != b->op)
        return false;
    if (a->op == MT_SIGMA_OP_NUMBER && a->part == b->part) {
        struct range x = range_of(a);
        struct range y = range_of(b);
        return x.is_empty || y.is_empty || x.low > y.high || y.low > x.high;
    }
    if (a->op == MT_SIGMA_OP_CIDR)
        return are_apart(&a->prefix, &b->prefix);
    if (is_plain_text(a))
        return excludes_text(a, b);
    return is_plain_text(b) && excludes_text(b, a);
}

/* --- two terms ------------------------------------------------------------------------ */

/* Each of a excludes each of b. */
static bool exclude_all(const struct terms *terms, const struct term *a, const struct term *b)
{
    uint32_t a_count = a->count > 0 ? a->count : 1;
    uint32_t b_count = b->count > 0 ? b->count : 1;
    if ((uint64_t)a_count * b_count > PAIRS_MAX)
        return false;
    for (uint32_t i = 0; i < a_count; i++) {
        for (uint32_t k = 0; k < b_count; k++) {
            if (!excludes(test_of(terms, a, i), test_of(terms, b, k)))
                return false;
        }
    }
    return true;
}

/* All of b's are about a field that a says is absent, or all are what a denies. */
static bool denies(const struct terms *terms, const struct term *a, const struct term *b)
{
    const struct mt_sigma_test *denied = test_of(terms, a, 0);
    uint32_t count = b->count > 0 ? b->count : 1;
    for (uint32_t i = 0; i < count; i++) {
        const struct mt_sigma_test *test = test_of(terms, b, i);
        bool is_absent = denied->op == MT_SIGMA_OP_EXISTS && denied->field == test->field;
        if (!is_absent && denied != test)
            return false;
    }
    return true;
}

bool mt_sigma_is_contradictory(const struct mt_sigma_builder *builder, uint32_t root)
{
    struct terms terms = {.builder = builder};
    collect(&terms, root, false);
    for (uint32_t i = 0; i < terms.count; i++) {
        const struct term *a = &terms.items[i];
        for (uint32_t k = 0; k < i; k++) {
            const struct term *b = &terms.items[k];
            bool is_apart = a->is_negated != b->is_negated
                                ? denies(&terms, a->is_negated ? a : b, a->is_negated ? b : a)
                                : !a->is_negated && exclude_all(&terms, a, b);
            if (is_apart)
                return true;
        }
    }
    return false;
}
