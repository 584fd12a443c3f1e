/* Events through programs. Nothing here allocates after mt_sigma_eval_create. */
#include "sigma/events.h"
#include "sigma/program_priv.h"

#include <errno.h>
#include <stdlib.h>

/* Backtracking of one PCRE2 match; what needs more is no match, and counted. */
#define REGEX_STEPS_MAX 100000u
#define JIT_STACK ((size_t)64 << 10)
#define EVIDENCE_TEXT_MAX 256u

struct asking {
    struct mt_sigma_eval *eval;
    const struct mt_sigma_program *program;
    const struct mt_sigma_plan *plan;
    struct mt_sigma_state *state;
    const struct mt_sigma_value *value;
};

/* --- creation ------------------------------------------------------------------ */

static int state_init(struct mt_sigma_eval *eval, const struct mt_sigma_program *p,
                      struct mt_sigma_state *state)
{
    size_t tests = (size_t)p->test_count + 1;
    state->is_met = mt_sigma_alloc(&eval->memory, tests);
    state->hits = mt_sigma_alloc(&eval->memory, tests * sizeof(*state->hits));
    state->touched = mt_sigma_alloc(&eval->memory, tests * sizeof(*state->touched));
    state->candidates = mt_sigma_alloc(&eval->memory, ((size_t)p->rule_count + 64) / 64 * sizeof(uint64_t));
    state->is_asked = mt_sigma_alloc(&eval->memory, (size_t)p->plan_count + 1);
    if (!state->is_met || !state->hits || !state->touched || !state->candidates || !state->is_asked)
        return -ENOMEM;
    for (uint32_t i = 0; i < p->plan_count; i++) {
        if (p->plans[i].database && hs_alloc_scratch(p->plans[i].database, &eval->scratch) != HS_SUCCESS)
            return -ENOMEM;
    }
    return 0;
}

int mt_sigma_eval_create(const struct mt_sigma *sigma, struct mt_sigma_eval **ret_eval)
{
    struct mt_sigma_eval *eval = calloc(1, sizeof(*eval));
    if (!eval)
        return -ENOMEM;
    *ret_eval = eval;
    eval->sigma = sigma;
    eval->match_data = pcre2_match_data_create(1, NULL);
    eval->match_context = pcre2_match_context_create(NULL);
    eval->jit_stack = pcre2_jit_stack_create(JIT_STACK, JIT_STACK, NULL);
    eval->filtered = mt_sigma_alloc(&eval->memory, (sigma->count + 1) * sizeof(*eval->filtered));
    if (!eval->match_data || !eval->match_context || !eval->filtered)
        return -ENOMEM;
    pcre2_set_match_limit(eval->match_context, REGEX_STEPS_MAX);
    if (eval->jit_stack)
        pcre2_jit_stack_assign(eval->match_context, NULL, eval->jit_stack);
    for (int i = 0; i < MT_SIGMA_CATEGORY_COUNT; i++) {
        int rc = sigma->programs[i] ? state_init(eval, sigma->programs[i], &eval->states[i]) : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}

void mt_sigma_eval_free(struct mt_sigma_eval *eval)
{
    if (!eval)
        return;
    hs_free_scratch(eval->scratch);
    pcre2_match_data_free(eval->match_data);
    pcre2_match_context_free(eval->match_context);
    pcre2_jit_stack_free(eval->jit_stack);
    mt_sigma_memory_free(&eval->memory);
    free(eval);
}

struct mt_sigma_eval *mt_sigma_evaluator(const struct mt_sigma *sigma, uint32_t i)
{
    return sigma->evals[i];
}

const struct mt_sigma_counts *mt_sigma_counts(const struct mt_sigma_eval *eval)
{
    return &eval->counts;
}

/* --- tests --------------------------------------------------------------------- */

static void meet(const struct asking *a, uint32_t test)
{
    struct mt_sigma_state *state = a->state;
    const struct mt_sigma_program *p = a->program;
    if (state->is_met[test])
        return;
    state->is_met[test] = 1;
    state->hits[test] = *a->value;
    state->touched[state->touched_count++] = test;
    for (uint32_t i = p->trigger_first[test]; i < p->trigger_first[test + 1]; i++) {
        uint32_t rule = p->trigger_rules[i];
        state->candidates[rule / 64] |= UINT64_C(1) << rule % 64;
        state->has_candidates = true;
    }
}

static bool is_same_text(const struct mt_sigma_test *test, struct mt_span text)
{
    if (test->pattern.count != text.size)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        uint16_t symbol = test->pattern.symbols[i];
        if (symbol != text.ptr[i] &&
            (test->is_cased || mt_ascii_lower((uint8_t)symbol) != mt_ascii_lower(text.ptr[i])))
            return false;
    }
    return true;
}

static void ask_exacts(const struct asking *a, struct mt_span text)
{
    const struct mt_sigma_plan *plan = a->plan;
    if (text.size > plan->exact_size_max)
        return;
    uint64_t hash = mt_sigma_exact_hash(text);
    for (uint32_t at = (uint32_t)hash & plan->exact_mask; plan->exacts[at].test;
         at = (at + 1) & plan->exact_mask) {
        uint32_t test = plan->exacts[at].test - 1;
        if (plan->exacts[at].hash == hash && is_same_text(a->program->tests[test], text))
            meet(a, test);
    }
}

static int on_scan(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx)
{
    (void)from;
    (void)to;
    (void)flags;
    meet(ctx, id);
    return 0;
}

static void ask_pcres(const struct asking *a, struct mt_span text)
{
    for (uint32_t i = 0; i < a->plan->pcre_count; i++) {
        const struct mt_sigma_pcre *pcre = &a->plan->pcres[i];
        if (a->state->is_met[pcre->test])
            continue;
        int rc = pcre2_match(pcre->code, text.ptr, text.size, 0, PCRE2_NO_UTF_CHECK, a->eval->match_data,
                             a->eval->match_context);
        if (rc >= 0)
            meet(a, pcre->test);
        else if (rc != PCRE2_ERROR_NOMATCH)
            a->eval->counts.regex_cuts++;
    }
}

static void ask_texts(const struct asking *a, struct mt_span text)
{
    if (text.size == 0) {
        for (uint32_t i = 0; i < a->plan->empty_count; i++)
            meet(a, a->plan->empties[i]);
        return;
    }
    if (a->plan->database) {
        union {
            const struct asking *asking;
            void *ctx;
        } as = {.asking = a};
        hs_scan(a->plan->database, (const char *)text.ptr, (unsigned)text.size, 0, a->eval->scratch, on_scan,
                as.ctx);
    }
    ask_pcres(a, text);
}

static bool compare(enum mt_sigma_compare how, uint64_t value, uint64_t with)
{
    switch (how) {
    case MT_SIGMA_EQ:
        return value == with;
    case MT_SIGMA_LT:
        return value < with;
    case MT_SIGMA_LTE:
        return value <= with;
    case MT_SIGMA_GT:
        return value > with;
    case MT_SIGMA_GTE:
        break;
    }
    return value >= with;
}

static void ask_numbers(const struct asking *a, uint64_t number)
{
    for (uint32_t i = 0; i < a->plan->number_count; i++) {
        const struct mt_sigma_test *test = a->program->tests[a->plan->numbers[i]];
        uint64_t part = mt_sigma_time_part(number, test->part);
        if (compare(test->compare, part, test->number))
            meet(a, a->plan->numbers[i]);
    }
}

static void ask_prefixes(const struct asking *a, const struct mt_sigma_value *value)
{
    struct mt_ip parsed;
    const struct mt_ip *ip = value->ip;
    if (value->kind == MT_SIGMA_TEXT) {
        if (!mt_ip_parse(value->text, &parsed))
            return;
        ip = &parsed;
    }
    if (!ip)
        return;
    for (uint32_t i = 0; i < a->plan->prefix_count; i++) {
        if (mt_prefix_has(&a->program->tests[a->plan->prefixes[i]]->prefix, ip))
            meet(a, a->plan->prefixes[i]);
    }
}

static bool on_value(void *ctx, const struct mt_sigma_value *value)
{
    struct asking *a = ctx;
    const struct mt_sigma_plan *plan = a->plan;
    a->value = value;
    if (plan->exists != MT_SIGMA_NONE)
        meet(a, plan->exists);
    if (plan->exact_count > 0 || plan->text_count > 0) {
        uint8_t storage[MT_SIGMA_TEXT_ROOM];
        struct mt_span text = mt_sigma_value_text(value, storage);
        if (plan->exact_count > 0)
            ask_exacts(a, text);
        if (plan->text_count > 0)
            ask_texts(a, text);
    }
    if (plan->number_count > 0)
        ask_numbers(a, value->number);
    if (plan->prefix_count > 0)
        ask_prefixes(a, value);
    return true;
}

/* --- fields against fields ------------------------------------------------------ */

struct pair {
    const struct asking *asking;
    const struct mt_sigma_test *test;
    const struct mt_sigma_event *event;
    struct mt_span left;
    bool is_met;
};

static bool is_equal(const struct mt_sigma_test *test, struct mt_span a, struct mt_span b)
{
    return test->is_cased ? mt_span_eq(a, b) : mt_span_ieq(a, b);
}

static bool is_within(const struct mt_sigma_test *test, struct mt_span whole, struct mt_span part)
{
    if (part.size > whole.size)
        return false;
    size_t room = whole.size - part.size;
    switch (test->within) {
    case MT_SIGMA_WITHIN_EQUAL:
        return is_equal(test, whole, part);
    case MT_SIGMA_WITHIN_STARTS:
        return is_equal(test, mt_span_head(whole, part.size), part);
    case MT_SIGMA_WITHIN_ENDS:
        return is_equal(test, mt_span_from(whole, room), part);
    case MT_SIGMA_WITHIN_CONTAINS:
        break;
    }
    for (size_t off = 0; off <= room; off++) {
        if (is_equal(test, mt_span_head(mt_span_from(whole, off), part.size), part))
            return true;
    }
    return false;
}

static bool on_right(void *ctx, const struct mt_sigma_value *value)
{
    struct pair *pair = ctx;
    uint8_t storage[MT_SIGMA_TEXT_ROOM];
    pair->is_met = is_within(pair->test, pair->left, mt_sigma_value_text(value, storage));
    return !pair->is_met;
}

static bool on_left(void *ctx, const struct mt_sigma_value *value)
{
    struct pair *pair = ctx;
    uint8_t storage[MT_SIGMA_TEXT_ROOM];
    pair->left = mt_sigma_value_text(value, storage);
    mt_sigma_field_each(pair->test->other, pair->event, on_right, pair);
    if (pair->is_met) {
        struct asking asking = *pair->asking;
        asking.value = value;
        meet(&asking, pair->test->index);
    }
    return !pair->is_met;
}

static void ask_references(const struct asking *a, const struct mt_sigma_event *event)
{
    for (uint32_t i = 0; i < a->program->reference_count; i++) {
        const struct mt_sigma_test *test = a->program->tests[a->program->references[i]];
        struct pair pair = {.asking = a, .test = test, .event = event};
        mt_sigma_field_each(test->field, event, on_left, &pair);
    }
}

/* --- events ---------------------------------------------------------------------- */

static void ask_plan(struct asking *a, const struct mt_sigma_event *event, uint32_t i)
{
    a->plan = &a->program->plans[i];
    a->state->is_asked[i] = 1;
    mt_sigma_field_each(a->plan->field, event, on_value, a);
}

void mt_sigma_ask(struct mt_sigma_eval *eval, enum mt_sigma_category category,
                  const struct mt_sigma_event *event, bool all)
{
    const struct mt_sigma_program *p = eval->sigma->programs[category];
    struct asking asking = {.eval = eval, .program = p, .state = &eval->states[category]};
    for (uint32_t i = 0; i < p->plan_count; i++) {
        if (all || p->plans[i].has_triggers)
            ask_plan(&asking, event, i);
    }
    ask_references(&asking, event);
}

/* The other fields of a rule that may hold. */
static void ask_rest(struct mt_sigma_eval *eval, enum mt_sigma_category category,
                     const struct mt_sigma_entry *entry, const struct mt_sigma_event *event)
{
    struct asking asking = {
        .eval = eval, .program = eval->sigma->programs[category], .state = &eval->states[category]};
    for (uint32_t i = 0; i < entry->plan_count; i++) {
        if (!asking.state->is_asked[entry->plans[i]])
            ask_plan(&asking, event, entry->plans[i]);
    }
}

void mt_sigma_forget(struct mt_sigma_eval *eval, enum mt_sigma_category category)
{
    struct mt_sigma_state *state = &eval->states[category];
    for (uint32_t i = 0; i < state->touched_count; i++)
        state->is_met[state->touched[i]] = 0;
    state->touched_count = 0;
    memset(state->is_asked, 0, eval->sigma->programs[category]->plan_count);
    if (state->has_candidates)
        memset(state->candidates, 0,
               (eval->sigma->programs[category]->rule_count + 63) / 64 * sizeof(uint64_t));
    state->has_candidates = false;
}

/* As deep as conditions are nested: rule_priv.h. */
static bool holds(const struct mt_sigma_program *p, const struct mt_sigma_state *state, uint32_t at)
{
    const struct mt_sigma_step_node *node = &p->nodes[at];
    if (node->kind == MT_SIGMA_TEST)
        return state->is_met[node->a];
    if (node->kind == MT_SIGMA_NOT)
        return !holds(p, state, node->a);
    bool is_all = node->kind == MT_SIGMA_AND;
    for (uint32_t i = 0; i < node->b; i++) {
        if (holds(p, state, p->kids[node->a + i]) != is_all)
            return !is_all;
    }
    return is_all;
}

/* --- matches ----------------------------------------------------------------------- */

struct gathering {
    const struct mt_sigma_program *program;
    const struct mt_sigma_state *state;
    struct mt_sigma_evidence items[MT_SIGMA_EVIDENCE_MAX];
    uint8_t storage[MT_SIGMA_EVIDENCE_MAX][MT_SIGMA_TEXT_ROOM];
    uint32_t count;
};

static void gather_test(struct gathering *g, uint32_t test)
{
    const struct mt_sigma_value *value = &g->state->hits[test];
    const char *path = g->program->tests[test]->field->path;
    if (g->count == MT_SIGMA_EVIDENCE_MAX || value->kind == MT_SIGMA_LIST)
        return;
    struct mt_span text = mt_span_head(mt_sigma_value_text(value, g->storage[g->count]), EVIDENCE_TEXT_MAX);
    path = path ? path : "keyword";
    for (uint32_t i = 0; i < g->count; i++) {
        if (strcmp(g->items[i].path, path) == 0 && mt_span_eq(g->items[i].value, text))
            return;
    }
    const struct mt_sigma_field *field = g->program->tests[test]->field;
    g->items[g->count++] = (struct mt_sigma_evidence){.path = path,
                                                      .value = text,
                                                      .group = field->group,
                                                      .field = field->listed,
                                                      .is_harmless = value->kind != MT_SIGMA_TEXT};
}

/* The tests that hold and that the node holds by. */
static void gather(struct gathering *g, uint32_t at)
{
    const struct mt_sigma_step_node *node = &g->program->nodes[at];
    if (node->kind == MT_SIGMA_NOT || !holds(g->program, g->state, at))
        return;
    if (node->kind == MT_SIGMA_TEST) {
        gather_test(g, node->a);
        return;
    }
    for (uint32_t i = 0; i < node->b; i++)
        gather(g, g->program->kids[node->a + i]);
}

struct running {
    struct mt_sigma_eval *eval;
    enum mt_sigma_category category;
    mt_sigma_match_fn *match;
    void *ctx;
};

/* Written by the evaluator's thread alone. */
static void count_filtered(struct mt_sigma_eval *eval, uint32_t filter)
{
    uint64_t now = atomic_load_explicit(&eval->filtered[filter], memory_order_relaxed);
    atomic_store_explicit(&eval->filtered[filter], now + 1, memory_order_relaxed);
    eval->counts.filtered++;
}

static void judge(const struct running *run, const struct mt_sigma_entry *entry,
                  const struct mt_sigma_event *event)
{
    struct gathering g = {.program = run->eval->sigma->programs[run->category],
                          .state = &run->eval->states[run->category],
                          .count = 0};
    if (!holds(g.program, g.state, entry->root))
        return;
    for (uint32_t i = 0; i < entry->filter_count; i++) {
        if (holds(g.program, g.state, entry->filters[i])) {
            count_filtered(run->eval, entry->filter_of[i]);
            return;
        }
    }
    run->eval->counts.matches++;
    if (entry->loaded->rule.is_silent && entry->loaded->route_count == 0)
        return;
    gather(&g, entry->root);
    const struct mt_sigma_match match = {
        .rule = &entry->loaded->rule,
        .event = event,
        .session = event->session,
        .transaction = event->transaction,
        .recipient = event->recipient,
        .auth = event->auth,
        .evidence = g.items,
        .evidence_count = g.count,
        .feeds = entry->loaded->route_count > 0,
    };
    run->match(run->ctx, &match);
}

static void on_event(void *ctx, const struct mt_sigma_event *event)
{
    const struct running *run = ctx;
    struct mt_sigma_eval *eval = run->eval;
    const struct mt_sigma_program *p = eval->sigma->programs[run->category];
    const struct mt_sigma_state *state = &eval->states[run->category];
    eval->counts.events++;
    mt_sigma_ask(eval, run->category, event, false);
    if (state->has_candidates || p->has_always) {
        for (uint32_t word = 0; word * 64 < p->rule_count; word++) {
            uint64_t rules = state->candidates[word] | p->always[word];
            for (; rules; rules &= rules - 1) {
                const struct mt_sigma_entry *entry = &p->rules[word * 64 + (uint32_t)__builtin_ctzll(rules)];
                ask_rest(eval, run->category, entry, event);
                judge(run, entry, event);
            }
        }
    }
    mt_sigma_forget(eval, run->category);
}

void mt_sigma_evaluate(struct mt_sigma_eval *eval, const struct mt_record_session *session,
                       mt_sigma_match_fn *match, void *ctx)
{
    for (int i = 0; i < MT_SIGMA_CATEGORY_COUNT; i++) {
        struct running run = {
            .eval = eval, .category = (enum mt_sigma_category)i, .match = match, .ctx = ctx};
        if (eval->sigma->programs[i] && eval->sigma->programs[i]->rule_count > 0)
            mt_sigma_each_event((enum mt_sigma_category)i, session, on_event, &run);
    }
}

void mt_sigma_evaluate_event(struct mt_sigma_eval *eval, enum mt_sigma_category category,
                             const struct mt_sigma_event *event, mt_sigma_match_fn *match, void *ctx)
{
    struct running run = {.eval = eval, .category = category, .match = match, .ctx = ctx};
    if (eval->sigma->programs[category] && eval->sigma->programs[category]->rule_count > 0)
        on_event(&run, event);
}
