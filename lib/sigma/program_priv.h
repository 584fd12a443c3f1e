/* The compiled form of all rules of one category, and what one thread needs to
 * run it.
 *
 * A program asks each field once: every distinct test of it is answered in one
 * go, texts by one hash table and one Hyperscan database. A rule is only looked
 * at when one of its triggers is met: tests of which at least one must hold for
 * the rule to hold. Fields without triggers are asked when such a rule needs them.
 *
 * Ownership: programs and evaluators own their arrays. Thread: a program is
 * read-only; an evaluator is one thread's. Limits: as many tests as rules have.
 */
#ifndef MT_SIGMA_PROGRAM_PRIV_H
#define MT_SIGMA_PROGRAM_PRIV_H

#include "sigma/rule_priv.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <hs/hs.h>
#include <pcre2.h>
#include <stdatomic.h>

#define MT_SIGMA_NONE UINT32_MAX

/* A text without wildcards. */
struct mt_sigma_exact {
    uint64_t hash; /* of its lower case; */
    uint32_t test; /* plus one; 0: a free place */
};

struct mt_sigma_pcre {
    pcre2_code *code;
    uint32_t test;
};

/* Everything that is asked of one field. */
struct mt_sigma_plan {
    const struct mt_sigma_field *field;
    bool has_triggers;
    uint32_t exists;   /* test, or MT_SIGMA_NONE */
    uint32_t *numbers; /* tests */
    uint32_t number_count;
    uint32_t *prefixes;
    uint32_t prefix_count;
    uint32_t *texts; /* TEXT with wildcards and REGEX: in this order Hyperscan's ids */
    uint32_t text_count;
    uint32_t *empties; /* of these, what the empty text matches */
    uint32_t empty_count;
    struct mt_sigma_exact *exacts; /* a power of two of places */
    uint32_t exact_mask;
    uint32_t exact_count;
    size_t exact_size_max;
    hs_database_t *database;
    struct mt_sigma_pcre *pcres; /* what Hyperscan refused */
    uint32_t pcre_count;
};

struct mt_sigma_step_node {
    uint8_t kind; /* enum mt_sigma_node_kind but REF */
    uint32_t a;   /* TEST: test; NOT: node; AND, OR: first in kids */
    uint32_t b;   /* AND, OR: how many */
};

struct mt_sigma_entry {
    struct mt_sigma_loaded *loaded;
    uint32_t root;
    uint32_t filter_count;
    uint32_t *filters;   /* nodes */
    uint32_t *filter_of; /* and whose they are: index among the rules */
    uint32_t *plans;     /* of its fields, those without triggers */
    uint32_t plan_count;
};

struct mt_sigma_program {
    const struct mt_sigma_test **tests;
    uint32_t test_count;
    struct mt_sigma_plan *plans;
    uint32_t plan_count;
    uint32_t *references; /* OP_FIELD tests */
    uint32_t reference_count;
    struct mt_sigma_step_node *nodes;
    uint32_t node_count;
    uint32_t node_cap;
    uint32_t *kids;
    uint32_t kid_count;
    uint32_t kid_cap;
    struct mt_sigma_entry *rules;
    uint32_t rule_count;
    uint32_t *trigger_first; /* of each test, its first in trigger_rules; one more than tests */
    uint32_t *trigger_rules;
    uint64_t *always; /* bit r: rule r has no trigger */
    bool has_always;
    struct mt_sigma_memory memory;
};

/* What an evaluator knows of the event in hand, for one program. */
struct mt_sigma_state {
    uint8_t *is_met;             /* of each test */
    struct mt_sigma_value *hits; /* of each test that is met, the first value */
    uint32_t *touched;
    uint32_t touched_count;
    uint64_t *candidates;
    bool has_candidates;
    uint8_t *is_asked; /* of each plan */
};

struct mt_sigma_eval {
    const struct mt_sigma *sigma;
    struct mt_sigma_state states[MT_SIGMA_CATEGORY_COUNT];
    hs_scratch_t *scratch;
    pcre2_match_data *match_data;
    pcre2_match_context *match_context;
    pcre2_jit_stack *jit_stack;
    struct mt_sigma_counts counts;
    _Atomic uint64_t *filtered; /* by each rule, of which filters alone count */
    struct mt_sigma_memory memory;
};

int mt_sigma_eval_create(const struct mt_sigma *sigma, struct mt_sigma_eval **ret_eval);

/* --- matching.c: texts -------------------------------------------------------- */

/* The database and what goes with it, from plan->texts. 0 or -ENOMEM. */
int mt_sigma_plan_build(struct mt_sigma_program *program, uint32_t scan_from, struct mt_sigma_plan *plan);
void mt_sigma_plan_free(struct mt_sigma_plan *plan);
uint64_t mt_sigma_exact_hash(struct mt_span text);
pcre2_code *mt_sigma_regex_compile(struct mt_span regex, uint8_t flags, int *ret_error, size_t *ret_off);

/* --- eval.c ------------------------------------------------------------------- */

/* Answers every test of the event; all: also of fields that no trigger needs. */
void mt_sigma_ask(struct mt_sigma_eval *eval, enum mt_sigma_category category,
                  const struct mt_sigma_event *event, bool all);
void mt_sigma_forget(struct mt_sigma_eval *eval, enum mt_sigma_category category);

/* Calls with every event of a category in the record. */
typedef void mt_sigma_event_fn(void *ctx, const struct mt_sigma_event *event);
void mt_sigma_each_event(enum mt_sigma_category category, const struct mt_record_session *session,
                         mt_sigma_event_fn *visit, void *ctx);

#endif
