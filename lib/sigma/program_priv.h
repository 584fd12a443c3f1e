/* The compiled form of all rules of one category, and what one thread needs to
 * run it.
 *
 * A program asks each field once: every distinct test of it is answered in one
 * go, texts by one hash table and one Hyperscan database. A rule is only looked
 * at when one of its triggers is met: tests of which at least one must hold for
 * the rule to hold. Whether a trigger can be met at all is mostly seen at a glance
 * (ask.c). Other fields are asked when such a rule comes to need them, those that
 * are cheap before the dear ones. What a field of the session says is asked once
 * for all events of a record.
 *
 * Ownership: programs and evaluators own their arrays. Thread: a program is
 * read-only; an evaluator is one thread's. Limits: as many tests as rules have.
 */
#ifndef MT_SIGMA_PROGRAM_PRIV_H
#define MT_SIGMA_PROGRAM_PRIV_H

#include "base/hash.h"
#include "sigma/regex_priv.h"
#include "sigma/rule_priv.h"

#include <hs/hs.h>
#include <stdatomic.h>

#define MT_SIGMA_NONE UINT32_MAX

/* A text without wildcards. */
struct mt_sigma_exact {
    uint64_t hash; /* of its lower case; of up to eight bytes no other text of the size has it */
    const uint8_t *lower;
    uint32_t size;
    uint32_t test; /* plus one; 0: a free place */
    bool is_cased;
};

/* needles: a match begins with one of them, at the start of the text if the
 * expression is anchored. jit_text_max: regex_priv.h; longer texts are matched in
 * counted steps, or if it is a pattern without any backtracking (pattern). */
struct mt_sigma_pcre {
    pcre2_code *code;
    const uint8_t *needles; /* 256 bits; NULL: not known */
    uint32_t size_min;
    uint32_t test;
    uint32_t jit_text_max;
    bool is_anchored;
    bool has_jit;
};

/* What can be seen of a field without visiting its values: whether any of them may
 * meet a test. */
enum mt_sigma_glance_kind {
    MT_SIGMA_GLANCE_NONE,    /* nothing: it has to be asked */
    MT_SIGMA_GLANCE_POINTER, /* not NULL */
    MT_SIGMA_GLANCE_NUMBER,  /* within [low, low + span] */
    MT_SIGMA_GLANCE_CODE,    /* the same, of 16 bits */
    MT_SIGMA_GLANCE_BYTE,    /* the bit of low that it stands for */
    MT_SIGMA_GLANCE_LIST,    /* not empty */
};

struct mt_sigma_glance {
    uint8_t kind;
    uint8_t root; /* enum mt_sigma_root */
    uint16_t off;
    uint32_t plan;
    uint32_t meets; /* the test that what passes here meets, which is all of the plan; MT_SIGMA_NONE */
    uint64_t low;
    uint64_t span;
};

/* Members of one list with the traffic's own keys, which is walked once for all
 * plans. filter: a bit for each key that one of them wants (ask.c). */
struct mt_sigma_keyed {
    enum mt_field_type type; /* CODES or VERBS */
    enum mt_sigma_root root;
    uint16_t off;
    uint64_t filter;
    uint32_t *plans; /* in the order of their bits */
    uint32_t plan_count;
    uint32_t bit_first[65]; /* of each bit the first of its plans */
};

/* Everything that is asked of one field. */
struct mt_sigma_plan {
    const struct mt_sigma_field *field;
    bool has_triggers;
    bool is_existence;  /* no test looks at values */
    bool is_wide;       /* the answers are those of the session, whatever the event */
    bool is_of_texts;   /* tests of whole texts are all there is */
    bool is_of_strings; /* of texts, whole or in part */
    bool is_flag;       /* the same of a flag, and a value meets flags[value] or nothing */
    uint32_t exists;    /* test, or MT_SIGMA_NONE */
    uint32_t absent;    /* the same */
    uint32_t reference; /* an OP_FIELD test, which is then all */
    uint32_t *numbers;  /* tests */
    uint32_t number_count;
    uint32_t *prefixes;
    uint32_t prefix_count;
    uint64_t prefix_firsts[2][4]; /* of IPv4, IPv6: a bit for each first byte that one has */
    uint32_t *texts;              /* TEXT with wildcards and REGEX: in this order Hyperscan's ids */
    uint32_t text_count;
    uint32_t *empties; /* of these, what the empty text matches */
    uint32_t empty_count;
    struct mt_sigma_exact *exacts; /* a power of two of places */
    uint32_t exact_mask;
    uint32_t exact_count;
    uint32_t flags[MT_FLAG_TRUE + 1]; /* tests, or MT_SIGMA_NONE */
    uint64_t exact_sizes;             /* bit n: one of n bytes, 63 for more */
    uint64_t exact_firsts;            /* bit n: one whose first byte ends in these six bits, in lower case */
    hs_database_t *database;
    struct mt_sigma_pcre *pcres; /* what Hyperscan refused */
    uint32_t pcre_count;
    bool has_needles;       /* of all that are not anchored */
    uint32_t pcre_size_min; /* the least of theirs */
    uint8_t
        *needles; /* of each byte, whether it is one: without any, those that are not anchored don't match */
    struct mt_sigma_glance glance;
};

struct mt_sigma_step_node {
    uint8_t kind;   /* enum mt_sigma_node_kind but REF */
    uint32_t a;     /* TEST: test; NOT: node; AND, OR: first in kids */
    uint32_t b;     /* AND, OR: how many; as many again follow, cheap ones first */
    uint32_t group; /* OR of tests of one plan: the index that is met when one of them is; or MT_SIGMA_NONE */
    uint64_t cost;  /* of asking, to put the cheap ones first */
};

struct mt_sigma_entry {
    struct mt_sigma_loaded *loaded;
    uint32_t root;
    uint32_t filter_count;
    uint32_t *filters;   /* nodes */
    uint32_t *filter_of; /* and whose they are: index among the rules */
};

struct mt_sigma_program {
    const struct mt_sigma_test **tests;
    uint32_t *test_plans; /* of each test, and of each group */
    uint32_t test_count;
    uint32_t group_count;  /* their indices follow those of tests */
    uint32_t *group_first; /* of each test, its first in test_groups; one more than tests */
    uint32_t *test_groups;
    struct mt_sigma_plan *plans;
    uint32_t plan_count;
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
    struct mt_sigma_glance *glances[2]; /* at plans with triggers: of the event, of the session */
    uint32_t glance_count[2];
    struct mt_sigma_keyed *keyed[2];
    uint32_t keyed_count[2];
    uint64_t *always; /* bit r: rule r has no trigger */
    bool has_always;
    struct mt_sigma_memory memory;
};

/* What an evaluator knows of one event, or of all of a record. */
struct mt_sigma_side {
    uint32_t *touched; /* tests that are met */
    uint32_t touched_count;
    uint32_t *asked; /* plans */
    uint32_t asked_count;
    uint64_t *candidates;
    bool has_candidates;
};

/* What an evaluator knows of the event in hand, for one program. */
struct mt_sigma_state {
    uint8_t *is_met;               /* of each test */
    struct mt_sigma_value *hits;   /* of each test that is met, the first value */
    uint8_t *is_asked;             /* of each plan; those with triggers always are */
    struct mt_sigma_side sides[2]; /* of the event, of the session */
    bool has_session;              /* it has been asked */
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

/* While one program is built. */
struct mt_sigma_builder {
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

/* Room for twice as many, at least 256; NULL: out of memory. */
void *mt_sigma_grown(void *items, uint32_t *cap, size_t size);

/* --- triggers.c: which tests a rule can't hold without ------------------------- */

/* Must all members of the node hold for it to, or (is_negated) not to? */
bool mt_sigma_is_and(const struct mt_sigma_step_node *node, bool is_negated);
/* contradict.c: no event can meet it, as far as can be told from its tests. */
bool mt_sigma_is_contradictory(const struct mt_sigma_builder *builder, uint32_t root);
/* All return 0 or -ENOMEM. */
int mt_sigma_triggers_choose(struct mt_sigma_builder *builder);
/* Once plans are made. */
int mt_sigma_triggers_build(struct mt_sigma_builder *builder);

/* --- plans.c: what is asked of each field -------------------------------------- */

int mt_sigma_plans_build(struct mt_sigma_builder *builder);
/* In which order conditions are judged, and what is seen at a glance. */
int mt_sigma_plans_finish(struct mt_sigma_program *program);

/* --- matching.c: texts -------------------------------------------------------- */

/* The database and what goes with it, from plan->texts. 0 or -ENOMEM. */
int mt_sigma_plan_build(struct mt_sigma *sigma, struct mt_sigma_program *program, struct mt_sigma_plan *plan);
void mt_sigma_plan_free(struct mt_sigma_plan *plan);
uint64_t mt_sigma_exact_hash(struct mt_span text);
/* Of struct mt_sigma_plan.exact_sizes and exact_firsts. */
static inline uint64_t mt_sigma_size_bit(size_t size)
{
    return UINT64_C(1) << (size < 63 ? size : 63);
}
static inline uint64_t mt_sigma_first_bit(struct mt_span text)
{
    return text.size > 0 ? UINT64_C(1) << (mt_ascii_lower(text.ptr[0]) & 63) : ~UINT64_C(0);
}
/* --- ask.c: fields of events ---------------------------------------------------- */

/* Everything that a trigger needs: of the session, unless it has been asked for
 * another event of the record, and of the event. */
void mt_sigma_ask_triggers(struct mt_sigma_eval *eval, enum mt_sigma_category category,
                           const struct mt_sigma_event *event);
/* A plan that has no triggers and has not been asked; or all, of a fresh event. */
void mt_sigma_ask(struct mt_sigma_eval *eval, enum mt_sigma_category category,
                  const struct mt_sigma_event *event, uint32_t plan);
void mt_sigma_ask_all(struct mt_sigma_eval *eval, enum mt_sigma_category category,
                      const struct mt_sigma_event *event);
/* What is known of the event; of the record, when its last event has been judged and
 * forgotten. */
void mt_sigma_forget(struct mt_sigma_eval *eval, enum mt_sigma_category category);
void mt_sigma_forget_session(struct mt_sigma_eval *eval, enum mt_sigma_category category);
/* The bit of a verb, or of a code, in mt_sigma_keyed.filter. The first two letters tell
 * most verbs apart; one that is shorter has a zero behind it, or size says so. */
static inline unsigned mt_sigma_verb_bit(const char *verb, size_t size)
{
    unsigned first = size > 0 ? mt_ascii_lower((uint8_t)verb[0]) : 0;
    unsigned second = size > 1 && first > 0 ? mt_ascii_lower((uint8_t)verb[1]) : 0;
    return (first * 7 + second) & 63;
}

static inline unsigned mt_sigma_code_bit(uint16_t code)
{
    return code & 63;
}

/* --- eval.c ------------------------------------------------------------------- */

/* Calls with every event of a category in the record. */
typedef void mt_sigma_event_fn(void *ctx, const struct mt_sigma_event *event);
void mt_sigma_each_event(enum mt_sigma_category category, const struct mt_record_session *session,
                         mt_sigma_event_fn *visit, void *ctx);

#endif
