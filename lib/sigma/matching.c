/* Texts of a field: a hash table of whole ones, Hyperscan for the rest, PCRE2 for
 * what Hyperscan refuses. */
#include "sigma/program_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Hyperscan ---------------------------------------------------------------- */

/* A pattern as a regular expression; every byte that isn't a letter or digit as
 * \xNN. */
static char *expression_of(const struct mt_sigma_pattern *pattern)
{
    static const char digits[] = "0123456789abcdef";
    char *text = malloc((size_t)pattern->count * 4 + 16);
    size_t n = 0;
    if (!text)
        return NULL;
    uint32_t first = 0;
    uint32_t end = pattern->count;
    bool from_start = pattern->symbols[0] != MT_SIGMA_ANY;
    bool to_end = pattern->symbols[end - 1] != MT_SIGMA_ANY;
    first += !from_start;
    end -= !to_end && end > first;
    if (from_start)
        n += (size_t)sprintf(text + n, "\\A");
    for (uint32_t i = first; i < end; i++) {
        uint16_t symbol = pattern->symbols[i];
        if (symbol == MT_SIGMA_ANY) {
            text[n++] = '.';
            text[n++] = '*';
        } else if (symbol == MT_SIGMA_ONE) {
            text[n++] = '.';
        } else if (mt_ascii_is_alpha((uint8_t)symbol) || mt_ascii_is_digit((uint8_t)symbol)) {
            text[n++] = (char)symbol;
        } else {
            text[n++] = '\\';
            text[n++] = 'x';
            text[n++] = digits[symbol >> 4];
            text[n++] = digits[symbol & 15];
        }
    }
    if (to_end)
        n += (size_t)sprintf(text + n, "\\z");
    text[n] = '\0';
    return text;
}

struct batch {
    char **expressions;
    unsigned *flags;
    unsigned *ids;
    uint32_t count;
    bool is_slow; /* one of them may backtrack for long even on short texts */
};

static void batch_free(struct batch *batch)
{
    for (uint32_t i = 0; i < batch->count; i++)
        free(batch->expressions[i]);
    free(batch->expressions);
    free(batch->flags);
    free(batch->ids);
}

static bool has_zero(struct mt_span text)
{
    return text.size > 0 && memchr(text.ptr, 0, text.size) != NULL;
}

/* A pattern never is: struct mt_sigma_pcre. */
static bool is_slow(const struct mt_sigma_test *test)
{
    struct mt_sigma_regex_size size = mt_sigma_regex_measure(test->regex, test->regex_flags);
    return !size.is_anchored && size.jit_text_max < MT_SIGMA_REGEX_SHORT_TEXT;
}

static int batch_fill(const struct mt_sigma_program *program, const struct mt_sigma_plan *plan,
                      struct batch *batch)
{
    batch->expressions = calloc(plan->text_count, sizeof(char *));
    batch->flags = calloc(plan->text_count, sizeof(unsigned));
    batch->ids = calloc(plan->text_count, sizeof(unsigned));
    if (!batch->expressions || !batch->flags || !batch->ids)
        return -ENOMEM;
    for (uint32_t i = 0; i < plan->text_count; i++) {
        const struct mt_sigma_test *test = program->tests[plan->texts[i]];
        unsigned flags = HS_FLAG_SINGLEMATCH | HS_FLAG_ALLOWEMPTY;
        char *text;
        if (test->op == MT_SIGMA_OP_TEXT) {
            text = expression_of(&test->pattern);
            flags |= HS_FLAG_DOTALL | (test->is_cased ? 0 : HS_FLAG_CASELESS);
        } else {
            text = strndup((const char *)test->regex.ptr, test->regex.size);
            flags |= test->regex_flags & MT_SIGMA_REGEX_I ? HS_FLAG_CASELESS : 0;
            flags |= test->regex_flags & MT_SIGMA_REGEX_M ? HS_FLAG_MULTILINE : 0;
            flags |= test->regex_flags & MT_SIGMA_REGEX_S ? HS_FLAG_DOTALL : 0;
            batch->is_slow |= is_slow(test);
            if (text && has_zero(test->regex)) { /* a YAML text has none */
                free(text);
                continue;
            }
        }
        if (!text)
            return -ENOMEM;
        batch->expressions[batch->count] = text;
        batch->flags[batch->count] = flags;
        batch->ids[batch->count++] = plan->texts[i];
    }
    return 0;
}

/* --- PCRE2 --------------------------------------------------------------------- */

/* The bytes of which a match begins with one, or those of which it holds one. */
static int find_needles(struct mt_sigma_program *program, struct mt_sigma_pcre *pcre)
{
    uint32_t options = 0;
    uint32_t type = 0;
    uint32_t unit = 0;
    const uint8_t *bits = NULL;
    pcre2_pattern_info(pcre->code, PCRE2_INFO_ALLOPTIONS, &options);
    pcre2_pattern_info(pcre->code, PCRE2_INFO_MINLENGTH, &pcre->size_min);
    pcre2_pattern_info(pcre->code, PCRE2_INFO_FIRSTBITMAP, &bits);
    pcre2_pattern_info(pcre->code, PCRE2_INFO_FIRSTCODETYPE, &type);
    pcre2_pattern_info(pcre->code, PCRE2_INFO_FIRSTCODEUNIT, &unit);
    pcre->is_anchored = (options & PCRE2_ANCHORED) != 0;
    if (!bits && type != 1)
        return 0;
    uint8_t *needles = mt_sigma_alloc(&program->memory, 32);
    if (!needles)
        return -ENOMEM;
    if (bits) {
        memcpy(needles, bits, 32);
    } else {
        uint8_t lower = mt_ascii_lower((uint8_t)unit);
        uint8_t upper = mt_ascii_upper((uint8_t)unit); /* whether case counts is not told */
        needles[lower / 8] |= (uint8_t)(1u << lower % 8);
        needles[upper / 8] |= (uint8_t)(1u << upper % 8);
    }
    pcre->needles = needles;
    return 0;
}

/* Of all of a field that are not anchored. */
static int join_needles(struct mt_sigma_program *program, struct mt_sigma_plan *plan)
{
    uint8_t *all = mt_sigma_alloc(&program->memory, 256);
    if (!all)
        return -ENOMEM;
    plan->pcre_size_min = UINT32_MAX;
    plan->has_needles = true;
    plan->needles = NULL;
    for (uint32_t i = 0; i < plan->pcre_count; i++) {
        const struct mt_sigma_pcre *pcre = &plan->pcres[i];
        plan->pcre_size_min = pcre->size_min < plan->pcre_size_min ? pcre->size_min : plan->pcre_size_min;
        if (pcre->is_anchored)
            continue;
        plan->has_needles &= pcre->needles != NULL;
        plan->needles = all;
        for (unsigned k = 0; k < 256 && pcre->needles; k++)
            all[k] |= pcre->needles[k / 8] >> k % 8 & 1;
    }
    return 0;
}

static uint8_t regex_flags_of(unsigned flags)
{
    uint8_t regex_flags = 0;
    regex_flags |= flags & HS_FLAG_CASELESS ? MT_SIGMA_REGEX_I : 0;
    regex_flags |= flags & HS_FLAG_MULTILINE ? MT_SIGMA_REGEX_M : 0;
    regex_flags |= flags & HS_FLAG_DOTALL ? MT_SIGMA_REGEX_S : 0;
    return regex_flags;
}

/* A pattern for PCRE2: \A and \z mean the same there. */
static int add_pcre(struct mt_sigma_program *program, struct mt_sigma_plan *plan, const char *expression,
                    unsigned flags, uint32_t test)
{
    uint8_t regex_flags = regex_flags_of(flags);
    int error;
    size_t off;
    struct mt_sigma_pcre *pcres = realloc(plan->pcres, (plan->pcre_count + 1) * sizeof(*pcres));
    if (!pcres)
        return -ENOMEM;
    plan->pcres = pcres;
    struct mt_sigma_pcre *pcre = &pcres[plan->pcre_count];
    pcre2_code *code = mt_sigma_regex_compile(mt_span_cstr(expression), regex_flags, &error, &off);
    if (!code)
        return -ENOMEM; /* it was compiled before: mt_sigma_regex_check */
    struct mt_sigma_regex_size size = mt_sigma_regex_measure(mt_span_cstr(expression), regex_flags);
    *pcre = (struct mt_sigma_pcre){
        .code = code, .test = test, .jit_text_max = size.is_known ? size.jit_text_max : 0};
    plan->pcre_count++;
    pcre->has_jit = pcre->jit_text_max > 0 &&
                    pcre2_jit_compile(code, PCRE2_JIT_COMPLETE) == 0; /* without it matching is slower */
    return find_needles(program, pcre);
}

/* To PCRE2. */
static int batch_drop(struct mt_sigma_program *program, struct mt_sigma_plan *plan, struct batch *batch,
                      uint32_t i)
{
    int rc = add_pcre(program, plan, batch->expressions[i], batch->flags[i], batch->ids[i]);
    if (rc != 0)
        return rc;
    free(batch->expressions[i]);
    batch->count--;
    for (; i < batch->count; i++) {
        batch->expressions[i] = batch->expressions[i + 1];
        batch->flags[i] = batch->flags[i + 1];
        batch->ids[i] = batch->ids[i + 1];
    }
    return 0;
}

/* Does Hyperscan know it, and is there room for what it takes to make it? */
static bool can_be_scanned(struct mt_sigma *sigma, const struct batch *batch, uint32_t i)
{
    hs_compile_error_t *error = NULL;
    hs_expr_info_t *info = NULL;
    struct mt_sigma_regex_size size =
        mt_sigma_regex_measure(mt_span_cstr(batch->expressions[i]), regex_flags_of(batch->flags[i]));
    if (!size.is_known || size.size > MT_SIGMA_REGEX_SCAN_MAX ||
        (size.size > MT_SIGMA_REGEX_SMALL && size.size > MT_SIGMA_REGEX_SCAN_ALL - sigma->scanned))
        return false;
    bool is_known = hs_expression_info(batch->expressions[i], batch->flags[i], &info, &error) == HS_SUCCESS;
    free(info);
    hs_free_compile_error(error);
    if (is_known && size.size > MT_SIGMA_REGEX_SMALL)
        sigma->scanned += (uint32_t)size.size;
    return is_known;
}

/* A database takes milliseconds to make whatever is in it, and a few compiled
 * expressions take no longer to match than it does. */
#define SCAN_FROM_DEFAULT 9u
/* How often Hyperscan may refuse what it knows: each time around it begins anew. */
#define REFUSALS_MAX 4u

static int scan(struct mt_sigma_program *program, struct mt_sigma_plan *plan, struct batch *batch)
{
    for (unsigned tries = 0; tries < REFUSALS_MAX && batch->count > 0; tries++) {
        hs_compile_error_t *error = NULL;
        hs_error_t rc = hs_compile_multi((const char *const *)batch->expressions, batch->flags, batch->ids,
                                         batch->count, HS_MODE_BLOCK, NULL, &plan->database, &error);
        if (rc == HS_SUCCESS)
            return 0;
        if (!error || rc == HS_NOMEM)
            return -ENOMEM;
        int refused = error->expression;
        hs_free_compile_error(error);
        if (refused < 0) /* no pattern in particular: then without Hyperscan */
            break;
        int dropped = batch_drop(program, plan, batch, (uint32_t)refused);
        if (dropped != 0)
            return dropped;
    }
    return 0;
}

static int build_database(struct mt_sigma *sigma, struct mt_sigma_program *program,
                          struct mt_sigma_plan *plan, struct batch *batch)
{
    uint32_t scan_from = sigma->scan_from ? sigma->scan_from : SCAN_FROM_DEFAULT;
    bool can_scan = (batch->is_slow || batch->count >= scan_from) && hs_valid_platform() == HS_SUCCESS;
    int rc = 0;
    for (uint32_t i = batch->count; i > 0 && rc == 0 && can_scan; i--) {
        if (!can_be_scanned(sigma, batch, i - 1))
            rc = batch_drop(program, plan, batch, i - 1);
    }
    if (rc == 0 && can_scan)
        rc = scan(program, plan, batch);
    while (rc == 0 && batch->count > 0 && !plan->database)
        rc = batch_drop(program, plan, batch, batch->count - 1);
    return rc;
}

/* --- texts that are empty ----------------------------------------------------- */

static int regex_takes_empty(const struct mt_sigma_test *test, bool *ret_takes)
{
    int error;
    size_t off;
    pcre2_code *code = mt_sigma_regex_compile(test->regex, test->regex_flags, &error, &off);
    pcre2_match_data *data = code ? pcre2_match_data_create(1, NULL) : NULL;
    pcre2_match_context *context = data ? pcre2_match_context_create(NULL) : NULL;
    if (context) {
        pcre2_set_match_limit(context, MT_SIGMA_REGEX_STEPS_MAX);
        *ret_takes = pcre2_match(code, (PCRE2_SPTR) "", 0, 0, 0, data, context) >= 0;
    }
    pcre2_match_context_free(context);
    pcre2_match_data_free(data);
    pcre2_code_free(code);
    return context ? 0 : -ENOMEM;
}

static int find_empties(struct mt_sigma_program *program, struct mt_sigma_plan *plan)
{
    plan->empties = mt_sigma_alloc(&program->memory, plan->text_count * sizeof(*plan->empties));
    if (!plan->empties)
        return -ENOMEM;
    for (uint32_t i = 0; i < plan->text_count; i++) {
        const struct mt_sigma_test *test = program->tests[plan->texts[i]];
        bool takes = false;
        int rc = 0;
        if (test->op == MT_SIGMA_OP_TEXT)
            takes = mt_sigma_pattern_matches(&test->pattern, test->is_cased, mt_span("", 0));
        else
            rc = regex_takes_empty(test, &takes);
        if (rc != 0)
            return rc;
        if (takes)
            plan->empties[plan->empty_count++] = plan->texts[i];
    }
    return 0;
}

int mt_sigma_plan_build(struct mt_sigma *sigma, struct mt_sigma_program *program, struct mt_sigma_plan *plan)
{
    struct batch batch = {.count = 0};
    if (plan->text_count == 0)
        return 0;
    int rc = batch_fill(program, plan, &batch);
    if (rc == 0)
        rc = build_database(sigma, program, plan, &batch);
    batch_free(&batch);
    if (rc == 0)
        rc = join_needles(program, plan);
    return rc != 0 ? rc : find_empties(program, plan);
}

void mt_sigma_plan_free(struct mt_sigma_plan *plan)
{
    hs_free_database(plan->database);
    for (uint32_t i = 0; i < plan->pcre_count; i++)
        pcre2_code_free(plan->pcres[i].code);
    free(plan->pcres);
}

/* Of the lower case, eight bytes at a time. */
uint64_t mt_sigma_exact_hash(struct mt_span text)
{
    const uint64_t multiplier = UINT64_C(0x9E3779B97F4A7C15);
    uint64_t hash = text.size * multiplier;
    uint64_t bytes = 0;
    size_t at = 0;
    for (; at + 8 < text.size; at += 8) {
        memcpy(&bytes, text.ptr + at, 8);
        hash = (hash ^ mt_ascii_turn8(bytes, 'A')) * multiplier;
        hash ^= hash >> 32;
    }
    bytes = 0;
    if (text.size >= 8) {
        memcpy(&bytes, text.ptr + text.size - 8, 8); /* some of them again */
    } else {
        for (; at < text.size; at++)
            bytes = bytes << 8 | text.ptr[at];
    }
    hash = (hash ^ mt_ascii_turn8(bytes, 'A')) * multiplier;
    return hash ^ hash >> 32;
}
