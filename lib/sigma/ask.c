/* What is asked of the fields of an event, and which tests their values meet.
 *
 * The first look is at a glance: an offset and a comparison for each field that a
 * trigger needs. In most events most fields are absent, or are numbers far from
 * what any rule asks for, and that is all they cost. */
#include "sigma/program_priv.h"

struct asking {
    struct mt_sigma_eval *eval;
    const struct mt_sigma_program *program;
    const struct mt_sigma_plan *plan;
    struct mt_sigma_state *state;
    const struct mt_sigma_event *event;
    const struct mt_sigma_value *value;
    bool has_value; /* of the plan in hand */
};

/* --- tests --------------------------------------------------------------------- */

static void meet(const struct asking *a, uint32_t test)
{
    struct mt_sigma_state *state = a->state;
    struct mt_sigma_side *side = &state->sides[a->plan->is_wide];
    const struct mt_sigma_program *p = a->program;
    if (state->is_met[test])
        return;
    state->is_met[test] = 1;
    state->hits[test] = *a->value;
    side->touched[side->touched_count++] = test;
    for (uint32_t i = p->group_first[test]; i < p->group_first[test + 1]; i++) {
        uint32_t group = p->test_groups[i];
        if (!state->is_met[group])
            side->touched[side->touched_count++] = group;
        state->is_met[group] = 1;
    }
    for (uint32_t i = p->trigger_first[test]; i < p->trigger_first[test + 1]; i++) {
        uint32_t rule = p->trigger_rules[i];
        side->candidates[rule / 64] |= UINT64_C(1) << rule % 64;
        side->has_candidates = true;
    }
}

/* Of the same size. */
static bool is_same_text(const struct mt_sigma_test *test, struct mt_span text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (test->pattern.symbols[i] != text.ptr[i])
            return false;
    }
    return true;
}

static bool is_same_lower(const uint8_t *lower, struct mt_span text)
{
    uint64_t bytes;
    uint64_t wanted;
    for (size_t at = 0; at < text.size; at += 8) {
        size_t from = at + 8 <= text.size ? at : text.size - 8; /* the last, some of them again */
        memcpy(&bytes, text.ptr + from, 8);
        memcpy(&wanted, lower + from, 8);
        if (mt_ascii_turn8(bytes, 'A') != wanted)
            return false;
    }
    return true;
}

static bool may_be_exact(const struct mt_sigma_plan *plan, struct mt_span text)
{
    return (plan->exact_sizes & mt_sigma_size_bit(text.size)) &&
           (plan->exact_firsts & mt_sigma_first_bit(text));
}

static void ask_exacts(const struct asking *a, struct mt_span text)
{
    const struct mt_sigma_plan *plan = a->plan;
    if (!may_be_exact(plan, text))
        return;
    uint64_t hash = mt_sigma_exact_hash(text);
    for (uint32_t at = (uint32_t)hash & plan->exact_mask; plan->exacts[at].test;
         at = (at + 1) & plan->exact_mask) {
        const struct mt_sigma_exact *exact = &plan->exacts[at];
        uint32_t test = exact->test - 1;
        if (exact->hash == hash && exact->size == text.size &&
            (text.size <= 8 || is_same_lower(exact->lower, text)) &&
            (!exact->is_cased || is_same_text(a->program->tests[test], text)))
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

static bool has_bit(const uint8_t *bits, uint8_t byte)
{
    return bits[byte / 8] >> byte % 8 & 1;
}

/* Without a branch for each byte: mostly there is none, and texts are short. */
static bool has_needle(const uint8_t *needles, struct mt_span text)
{
    uint8_t any = 0;
    size_t i = 0;
    for (; i + 4 <= text.size; i += 4)
        any |= needles[text.ptr[i]] | needles[text.ptr[i + 1]] | needles[text.ptr[i + 2]] |
               needles[text.ptr[i + 3]];
    for (; i < text.size; i++)
        any |= needles[text.ptr[i]];
    return any != 0;
}

/* Steps are counted from each place where a match may begin. */
static uint32_t steps_from(const struct mt_sigma_pcre *pcre, struct mt_span text)
{
    uint64_t places = pcre->is_anchored ? 1 : text.size;
    return (uint32_t)mt_max_u64(MT_SIGMA_REGEX_STEPS_MAX / mt_max_u64(places, 1), MT_SIGMA_REGEX_STEPS_MIN);
}

static bool match_pcre(const struct asking *a, const struct mt_sigma_pcre *pcre, struct mt_span text,
                       bool *ret_is_cut)
{
    struct mt_sigma_eval *eval = a->eval;
    const struct mt_sigma_test *test = a->program->tests[pcre->test];
    int rc = PCRE2_ERROR_JIT_STACKLIMIT;
    if (pcre->has_jit && text.size <= pcre->jit_text_max)
        rc = pcre2_jit_match(pcre->code, text.ptr, text.size, 0, 0, eval->match_data, eval->match_context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && test->op == MT_SIGMA_OP_TEXT)
        return mt_sigma_pattern_matches(&test->pattern, test->is_cased, text);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT) {
        pcre2_set_match_limit(eval->match_context, steps_from(pcre, text));
        rc = pcre2_match(pcre->code, text.ptr, text.size, 0, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                         eval->match_data, eval->match_context);
        pcre2_set_match_limit(eval->match_context, MT_SIGMA_REGEX_JIT_STEPS_MAX);
    }
    *ret_is_cut = rc < 0 && rc != PCRE2_ERROR_NOMATCH;
    return rc >= 0;
}

static void ask_pcres(const struct asking *a, struct mt_span text)
{
    const struct mt_sigma_plan *plan = a->plan;
    if (text.size < plan->pcre_size_min)
        return;
    bool may_hold = plan->needles && (!plan->has_needles || has_needle(plan->needles, text));
    for (uint32_t i = 0; i < plan->pcre_count; i++) {
        const struct mt_sigma_pcre *pcre = &plan->pcres[i];
        if (text.size < pcre->size_min || a->state->is_met[pcre->test])
            continue;
        if (pcre->is_anchored ? pcre->needles && !has_bit(pcre->needles, text.ptr[0]) : !may_hold)
            continue;
        bool is_cut = false;
        if (match_pcre(a, pcre, text, &is_cut))
            meet(a, pcre->test);
        a->eval->counts.regex_cuts += is_cut;
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
    if (a->plan->pcre_count > 0)
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
        uint64_t part = test->part == MT_SIGMA_PART_WHOLE ? number : mt_sigma_time_part(number, test->part);
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
    if (!ip || !(a->plan->prefix_firsts[ip->family != 4][ip->bytes[0] / 64] >> ip->bytes[0] % 64 & 1))
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
    a->has_value = true;
    if (plan->exists != MT_SIGMA_NONE)
        meet(a, plan->exists);
    if (plan->exact_count > 0 || plan->text_count > 0) {
        uint8_t storage[MT_SIGMA_TEXT_ROOM];
        struct mt_span text =
            value->kind == MT_SIGMA_TEXT ? value->text : mt_sigma_value_text(value, storage);
        if (plan->exact_count > 0)
            ask_exacts(a, text);
        if (plan->text_count > 0)
            ask_texts(a, text);
    }
    if (plan->number_count > 0)
        ask_numbers(a, value->number);
    if (plan->prefix_count > 0)
        ask_prefixes(a, value);
    a->value = NULL;
    return !plan->is_existence;
}

/* --- fields against fields ------------------------------------------------------ */

struct pair {
    struct asking *asking;
    const struct mt_sigma_test *test;
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
    mt_sigma_field_each(pair->test->other, pair->asking->event, on_right, pair);
    if (pair->is_met) {
        pair->asking->value = value;
        meet(pair->asking, pair->test->index);
    }
    return !pair->is_met;
}

/* --- plans ------------------------------------------------------------------------- */

/* A text that can't be one that is asked for is passed by. */
static bool on_text(struct asking *a, struct mt_span text)
{
    if (!text.ptr)
        return true;
    if (a->plan->is_of_texts && !may_be_exact(a->plan, text)) {
        a->has_value = true;
        return true;
    }
    const struct mt_sigma_value value = {.kind = MT_SIGMA_TEXT, .text = text};
    if (!a->plan->is_of_strings)
        return on_value(a, &value);
    a->value = &value;
    a->has_value = true;
    if (a->plan->exact_count > 0)
        ask_exacts(a, text);
    if (a->plan->text_count > 0)
        ask_texts(a, text);
    a->value = NULL;
    return true;
}

static bool on_flag(struct asking *a, uint8_t flag)
{
    if (flag == MT_FLAG_ABSENT)
        return true;
    uint32_t test = a->plan->flags[flag];
    a->has_value = true;
    if (test != MT_SIGMA_NONE) {
        const struct mt_sigma_value value = {
            .kind = MT_SIGMA_FLAG, .text = flag == MT_FLAG_TRUE ? mt_span("true", 4) : mt_span("false", 5)};
        a->value = &value;
        meet(a, test);
        a->value = NULL;
    }
    return true;
}

/* As mt_sigma_field_each does, of what most fields are: texts, numbers and lists of
 * texts. False ends it. */
static inline __attribute__((always_inline)) bool ask_at(struct asking *a, const struct mt_sigma_field *field,
                                                         const uint8_t *at)
{
    const void *p = at;
    struct mt_sigma_value value = {.number = 0};
    bool is_more = true;
    switch (field->type) {
    case MT_FIELD_TYPE_TEXT:
        return on_text(a, *(const struct mt_span *)p);
    case MT_FIELD_TYPE_NAME: {
        const char *name = *(const char *const *)p;
        return !name || on_text(a, mt_span_cstr(name));
    }
    case MT_FIELD_TYPE_TEXTS: {
        const struct mt_texts *texts = p;
        for (uint32_t i = 0; i < texts->count && is_more; i++)
            is_more = on_text(a, texts->items[i]);
        return is_more;
    }
    case MT_FIELD_TYPE_NAMES: {
        const struct mt_names *names = p;
        for (uint32_t i = 0; i < names->count && is_more; i++)
            is_more = on_text(a, mt_span_cstr(names->items[i]));
        return is_more;
    }
    default:
        if (a->plan->is_flag)
            return on_flag(a, *at);
        return !mt_sigma_get(field, at, &value) || on_value(a, &value);
    }
}

static inline __attribute__((always_inline)) void ask_field(struct asking *a,
                                                            const struct mt_sigma_field *field)
{
    if (!field->path || field->type > MT_FIELD_TYPE_NAMES || field->step_count > 1) {
        mt_sigma_field_each(field, a->event, on_value, a);
        return;
    }
    const uint8_t *at = mt_sigma_root_of(field->root, a->event);
    if (field->step_count == 0) {
        ask_at(a, field, at + field->off);
        return;
    }
    const struct mt_texts *list = (const void *)(at + field->steps[0].off);
    const uint8_t *item = (const void *)list->items;
    for (uint32_t i = 0; i < list->count; i++, item += field->steps[0].item_size) {
        if (!ask_at(a, field, item + field->off))
            return;
    }
}

static void ask_plan(struct asking *a, const struct mt_sigma_plan *plan)
{
    static const struct mt_sigma_value nothing = {.kind = MT_SIGMA_LIST};
    a->plan = plan;
    a->has_value = false;
    if (MT_UNLIKELY(plan->reference != MT_SIGMA_NONE)) {
        struct pair pair = {.asking = a, .test = a->program->tests[plan->reference]};
        mt_sigma_field_each(plan->field, a->event, on_left, &pair);
        return;
    }
    ask_field(a, plan->field);
    if (plan->absent != MT_SIGMA_NONE && !a->has_value) {
        a->value = &nothing;
        meet(a, plan->absent);
    }
}

/* --- at a glance --------------------------------------------------------------------- */

static inline __attribute__((always_inline)) bool may_meet(const struct mt_sigma_glance *glance,
                                                           const struct mt_sigma_event *event)
{
    const uint8_t *at =
        (const uint8_t *)mt_sigma_root_of((enum mt_sigma_root)glance->root, event) + glance->off;
    const void *p = at;
    switch ((enum mt_sigma_glance_kind)glance->kind) {
    case MT_SIGMA_GLANCE_POINTER:
        return *(const void *const *)p != NULL;
    case MT_SIGMA_GLANCE_NUMBER:
        return *(const uint64_t *)p - glance->low <= glance->span;
    case MT_SIGMA_GLANCE_CODE:
        return *(const uint16_t *)p - glance->low <= glance->span;
    case MT_SIGMA_GLANCE_BYTE:
        return glance->low >> (*at & 63) & 1;
    case MT_SIGMA_GLANCE_LIST:
        return *(const uint32_t *)p != 0;
    case MT_SIGMA_GLANCE_NONE:
        break;
    }
    return true;
}

static void ask_verb(struct asking *a, const struct mt_sigma_keyed *keyed, unsigned bit,
                     const struct mt_verb_count *item)
{
    for (uint32_t i = keyed->bit_first[bit]; i < keyed->bit_first[bit + 1]; i++) {
        a->plan = &a->program->plans[keyed->plans[i]];
        const struct mt_sigma_value value = {.kind = MT_SIGMA_NUMBER, .number = item->count};
        if (mt_span_ieq_cstr(a->plan->field->key, item->verb))
            on_value(a, &value);
    }
}

static void ask_code(struct asking *a, const struct mt_sigma_keyed *keyed, unsigned bit,
                     const struct mt_code_count *item)
{
    for (uint32_t i = keyed->bit_first[bit]; i < keyed->bit_first[bit + 1]; i++) {
        a->plan = &a->program->plans[keyed->plans[i]];
        const struct mt_sigma_value value = {.kind = MT_SIGMA_NUMBER, .number = item->count};
        if (a->plan->field->code == item->code)
            on_value(a, &value);
    }
}

static void ask_keyed(struct asking *a, const struct mt_sigma_keyed *keyed)
{
    const void *at = (const uint8_t *)mt_sigma_root_of(keyed->root, a->event) + keyed->off;
    if (keyed->type == MT_FIELD_TYPE_CODES) {
        const struct mt_codes *codes = at;
        for (uint32_t i = 0; i < codes->count; i++) {
            unsigned bit = mt_sigma_code_bit(codes->items[i].code);
            if (keyed->filter >> bit & 1)
                ask_code(a, keyed, bit, &codes->items[i]);
        }
        return;
    }
    const struct mt_verbs *verbs = at;
    for (uint32_t i = 0; i < verbs->count; i++) {
        unsigned bit = mt_sigma_verb_bit(verbs->items[i].verb, 2);
        if (keyed->filter >> bit & 1)
            ask_verb(a, keyed, bit, &verbs->items[i]);
    }
}

/* What has been seen is the test's answer; its value is for the evidence. */
static void meet_at_a_glance(struct asking *a, const struct mt_sigma_glance *glance)
{
    struct mt_sigma_value value;
    a->plan = &a->program->plans[glance->plan];
    if (mt_sigma_field_get(a->plan->field, a->event, &value)) {
        a->value = &value;
        meet(a, glance->meets);
        a->value = NULL;
    }
}

static void ask_side(struct asking *a, unsigned side)
{
    const struct mt_sigma_program *p = a->program;
    for (uint32_t i = 0; i < p->glance_count[side]; i++) {
        const struct mt_sigma_glance *glance = &p->glances[side][i];
        if (!may_meet(glance, a->event))
            continue;
        if (glance->meets != MT_SIGMA_NONE)
            meet_at_a_glance(a, glance);
        else
            ask_plan(a, &p->plans[glance->plan]);
    }
    for (uint32_t i = 0; i < p->keyed_count[side]; i++)
        ask_keyed(a, &p->keyed[side][i]);
}

/* --- events ---------------------------------------------------------------------------- */

static struct asking asking_of(struct mt_sigma_eval *eval, enum mt_sigma_category category,
                               const struct mt_sigma_event *event)
{
    return (struct asking){.eval = eval,
                           .program = eval->sigma->programs[category],
                           .state = &eval->states[category],
                           .event = event};
}

void mt_sigma_ask_triggers(struct mt_sigma_eval *eval, enum mt_sigma_category category,
                           const struct mt_sigma_event *event)
{
    struct asking a = asking_of(eval, category, event);
    if (!a.state->has_session) {
        a.state->has_session = true;
        ask_side(&a, 1);
    }
    ask_side(&a, 0);
}

void mt_sigma_ask(struct mt_sigma_eval *eval, enum mt_sigma_category category,
                  const struct mt_sigma_event *event, uint32_t plan)
{
    struct asking a = asking_of(eval, category, event);
    struct mt_sigma_side *side = &a.state->sides[a.program->plans[plan].is_wide];
    const struct mt_sigma_glance *glance = &a.program->plans[plan].glance;
    a.state->is_asked[plan] = 1;
    side->asked[side->asked_count++] = plan;
    if (glance->meets == MT_SIGMA_NONE)
        ask_plan(&a, &a.program->plans[plan]);
    else if (may_meet(glance, event))
        meet_at_a_glance(&a, glance);
}

void mt_sigma_ask_all(struct mt_sigma_eval *eval, enum mt_sigma_category category,
                      const struct mt_sigma_event *event)
{
    struct asking a = asking_of(eval, category, event);
    for (uint32_t i = 0; i < a.program->plan_count; i++)
        ask_plan(&a, &a.program->plans[i]);
}

static inline void forget_side(struct mt_sigma_state *state, struct mt_sigma_side *side, uint32_t rule_count)
{
    if (side->touched_count + side->asked_count == 0) /* then there is no candidate either */
        return;
    for (uint32_t i = 0; i < side->touched_count; i++)
        state->is_met[side->touched[i]] = 0;
    for (uint32_t i = 0; i < side->asked_count; i++)
        state->is_asked[side->asked[i]] = 0;
    if (side->has_candidates)
        memset(side->candidates, 0, (rule_count + 63) / 64 * sizeof(uint64_t));
    side->touched_count = 0;
    side->asked_count = 0;
    side->has_candidates = false;
}

void mt_sigma_forget(struct mt_sigma_eval *eval, enum mt_sigma_category category)
{
    forget_side(&eval->states[category], &eval->states[category].sides[0],
                eval->sigma->programs[category]->rule_count);
}

void mt_sigma_forget_session(struct mt_sigma_eval *eval, enum mt_sigma_category category)
{
    forget_side(&eval->states[category], &eval->states[category].sides[1],
                eval->sigma->programs[category]->rule_count);
    eval->states[category].has_session = false;
}
