/* Events through programs. Nothing here allocates after mt_sigma_eval_create. */
#include "sigma/correlate.h"
#include "sigma/events.h"
#include "sigma/program_priv.h"

#include <errno.h>
#include <stdlib.h>

/* For the places that PCRE2 may have to go back to. */
#define REGEX_HEAP_KIB 1024u
#define JIT_STACK ((size_t)64 << 10)
#define EVIDENCE_TEXT_MAX 256u

/* --- creation ------------------------------------------------------------------ */

static int state_init(struct mt_sigma_eval *eval, const struct mt_sigma_program *p,
                      struct mt_sigma_state *state)
{
    size_t tests = (size_t)p->test_count + p->group_count + 1;
    state->is_met = mt_sigma_alloc(&eval->memory, tests);
    state->hits = mt_sigma_alloc(&eval->memory, tests * sizeof(*state->hits));
    state->is_asked = mt_sigma_alloc(&eval->memory, (size_t)p->plan_count + 1);
    if (!state->is_met || !state->hits || !state->is_asked)
        return -ENOMEM;
    for (unsigned i = 0; i < 2; i++) {
        struct mt_sigma_side *side = &state->sides[i];
        side->touched = mt_sigma_alloc(&eval->memory, tests * sizeof(uint32_t));
        side->asked = mt_sigma_alloc(&eval->memory, ((size_t)p->plan_count + 1) * sizeof(uint32_t));
        side->candidates =
            mt_sigma_alloc(&eval->memory, ((size_t)p->rule_count + 64) / 64 * sizeof(uint64_t));
        if (!side->touched || !side->asked || !side->candidates)
            return -ENOMEM;
    }
    for (uint32_t i = 0; i < p->plan_count; i++) {
        state->is_asked[i] = p->plans[i].has_triggers;
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
    pcre2_set_match_limit(eval->match_context, MT_SIGMA_REGEX_JIT_STEPS_MAX);
    pcre2_set_heap_limit(eval->match_context, REGEX_HEAP_KIB);
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

/* --- conditions ------------------------------------------------------------------ */

/* An event in hand. */
struct judging {
    struct mt_sigma_eval *eval;
    const struct mt_sigma_program *program;
    const struct mt_sigma_state *state;
    const struct mt_sigma_event *event;
    enum mt_sigma_category category;
    mt_sigma_match_fn *match;
    void *ctx;
};

static inline bool is_met(const struct judging *j, uint32_t test)
{
    if (j->state->is_met[test])
        return true;
    uint32_t plan = j->program->test_plans[test];
    if (j->state->is_asked[plan])
        return false;
    mt_sigma_ask(j->eval, j->category, j->event, plan);
    return j->state->is_met[test];
}

static bool holds_by_kids(const struct judging *j, const struct mt_sigma_step_node *node);

static inline bool holds(const struct judging *j, uint32_t at)
{
    const struct mt_sigma_step_node *node = &j->program->nodes[at];
    bool is_negated = false;
    for (; node->kind == MT_SIGMA_NOT; node = &j->program->nodes[node->a])
        is_negated = !is_negated;
    if (node->kind == MT_SIGMA_TEST)
        return is_met(j, node->a) != is_negated;
    if (node->group != MT_SIGMA_NONE)
        return is_met(j, node->group) != is_negated;
    return holds_by_kids(j, node) != is_negated;
}

/* As deep as conditions are nested: rule_priv.h. Cheap members first. */
static bool holds_by_kids(const struct judging *j, const struct mt_sigma_step_node *node)
{
    bool is_all = node->kind == MT_SIGMA_AND;
    const uint32_t *kids = &j->program->kids[node->a + node->b];
    for (uint32_t i = 0; i < node->b; i++) {
        if (holds(j, kids[i]) != is_all)
            return !is_all;
    }
    return is_all;
}

/* --- matches ----------------------------------------------------------------------- */

struct gathering {
    const struct judging *judging;
    const struct mt_sigma_field *field; /* in hand */
    struct mt_sigma_evidence items[MT_SIGMA_EVIDENCE_MAX];
    uint8_t storage[MT_SIGMA_EVIDENCE_MAX][MT_SIGMA_TEXT_ROOM];
    uint32_t count;
    uint32_t count_max;
};

static void gather_value(struct gathering *g, const struct mt_sigma_field *field,
                         const struct mt_sigma_value *value)
{
    const char *path = field->path ? field->path : "keyword";
    if (value->kind == MT_SIGMA_LIST)
        return;
    struct mt_span text = mt_span_head(mt_sigma_value_text(value, g->storage[g->count]), EVIDENCE_TEXT_MAX);
    for (uint32_t i = 0; i < g->count; i++) {
        if (g->items[i].path == path && mt_span_eq(g->items[i].value, text))
            return;
    }
    g->items[g->count++] = (struct mt_sigma_evidence){.path = path,
                                                      .value = text,
                                                      .group = field->group,
                                                      .field = field->listed,
                                                      .is_harmless = value->kind != MT_SIGMA_TEXT};
}

static void gather_test(struct gathering *g, uint32_t test)
{
    gather_value(g, g->judging->program->tests[test]->field, &g->judging->state->hits[test]);
}

static bool on_shown(void *ctx, const struct mt_sigma_value *value)
{
    struct gathering *g = ctx;
    gather_value(g, g->field, value);
    return g->count < g->count_max;
}

/* What an analyst is to see, in the order of the rule, as far as it is there. */
static uint32_t gather_shown(struct gathering *g, const struct mt_sigma_loaded *loaded)
{
    g->count_max = loaded->rule.is_silent ? MT_SIGMA_FEED_SHOWN_MAX : MT_SIGMA_SHOWN_MAX;
    for (uint32_t i = 0; i < loaded->shown_count && g->count < g->count_max; i++) {
        g->field = loaded->shown[i];
        mt_sigma_field_each(g->field, g->judging->event, on_shown, g);
    }
    return g->count;
}

/* The tests that hold and that the node holds by, in the order of the rule. is_met:
 * the node is known to hold. */
static void gather(struct gathering *g, uint32_t at, bool is_met)
{
    const struct mt_sigma_step_node *node = &g->judging->program->nodes[at];
    if (node->kind == MT_SIGMA_NOT || g->count == g->count_max || (!is_met && !holds(g->judging, at)))
        return;
    if (node->kind == MT_SIGMA_TEST) {
        gather_test(g, node->a);
        return;
    }
    for (uint32_t i = 0; i < node->b; i++)
        gather(g, g->judging->program->kids[node->a + i], node->kind == MT_SIGMA_AND);
}

static void tell(const struct judging *j, const struct mt_sigma_entry *entry)
{
    const struct mt_sigma_event *event = j->event;
    struct gathering g; /* most of it is storage, which is not cleared */
    g.judging = j;
    g.count = 0;
    uint32_t shown = entry->loaded->shown_count > 0 ? gather_shown(&g, entry->loaded) : 0;
    g.count_max = shown + (entry->loaded->rule.is_silent ? MT_SIGMA_FEED_EVIDENCE_MAX
                                                         : MT_SIGMA_EVIDENCE_MAX - MT_SIGMA_SHOWN_MAX);
    gather(&g, entry->root, true);
    const struct mt_sigma_match match = {
        .rule = &entry->loaded->rule,
        .event = event,
        .session = event->session,
        .transaction = event->transaction,
        .recipient = event->recipient,
        .auth = event->auth,
        .evidence = g.items,
        .evidence_count = g.count,
        .shown_count = shown,
        .feeds = entry->loaded->route_count > 0,
    };
    j->match(j->ctx, &match);
}

/* Written by the evaluator's thread alone. */
static void count_filtered(struct mt_sigma_eval *eval, uint32_t filter)
{
    uint64_t now = atomic_load_explicit(&eval->filtered[filter], memory_order_relaxed);
    atomic_store_explicit(&eval->filtered[filter], now + 1, memory_order_relaxed);
    eval->counts.filtered++;
}

static void judge(const struct judging *j, const struct mt_sigma_entry *entry)
{
    if (!holds(j, entry->root))
        return;
    for (uint32_t i = 0; i < entry->filter_count; i++) {
        if (holds(j, entry->filters[i])) {
            count_filtered(j->eval, entry->filter_of[i]);
            return;
        }
    }
    j->eval->counts.matches++;
    if (!entry->loaded->rule.is_silent || entry->loaded->route_count > 0)
        tell(j, entry);
}

static void on_event(void *ctx, const struct mt_sigma_event *event)
{
    struct judging *j = ctx;
    const struct mt_sigma_program *p = j->program;
    const struct mt_sigma_side *own = &j->state->sides[0];
    const struct mt_sigma_side *wide = &j->state->sides[1];
    j->event = event;
    j->eval->counts.events++;
    mt_sigma_ask_triggers(j->eval, j->category, event);
    if (own->has_candidates || wide->has_candidates || p->has_always) {
        for (uint32_t word = 0; word * 64 < p->rule_count; word++) {
            uint64_t rules = own->candidates[word] | wide->candidates[word] | p->always[word];
            for (; rules; rules &= rules - 1)
                judge(j, &p->rules[word * 64 + (uint32_t)__builtin_ctzll(rules)]);
        }
    }
    if (own->touched_count + own->asked_count > 0)
        mt_sigma_forget(j->eval, j->category);
}

/* False: no rule of this category. */
static bool start(struct mt_sigma_eval *eval, enum mt_sigma_category category, mt_sigma_match_fn *match,
                  void *ctx, struct judging *ret_judging)
{
    if (!mt_sigma_wants(eval->sigma, category))
        return false;
    *ret_judging = (struct judging){.eval = eval,
                                    .program = eval->sigma->programs[category],
                                    .state = &eval->states[category],
                                    .category = category,
                                    .match = match,
                                    .ctx = ctx};
    return true;
}

void mt_sigma_evaluate(struct mt_sigma_eval *eval, const struct mt_record_session *session,
                       mt_sigma_match_fn *match, void *ctx)
{
    for (int i = 0; i < MT_SIGMA_CATEGORY_COUNT; i++) {
        struct judging judging;
        if (!start(eval, (enum mt_sigma_category)i, match, ctx, &judging))
            continue;
        mt_sigma_each_event(judging.category, session, on_event, &judging);
        mt_sigma_forget_session(eval, judging.category);
    }
}

void mt_sigma_evaluate_event(struct mt_sigma_eval *eval, enum mt_sigma_category category,
                             const struct mt_sigma_event *event, mt_sigma_match_fn *match, void *ctx)
{
    struct judging judging;
    if (!start(eval, category, match, ctx, &judging))
        return;
    on_event(&judging, event);
    mt_sigma_forget_session(eval, category);
}
