/* What the files of sigma share: a loaded rule as a tree of nodes over tests of
 * fields.
 *
 * Ownership: everything lies in the set's memory and goes with it. Thread: one
 * while loading. Limits: the constants below.
 */
#ifndef MT_SIGMA_RULE_PRIV_H
#define MT_SIGMA_RULE_PRIV_H

#include "sigma/fields_priv.h"
#include "sigma/pattern_priv.h"
#include "yaml/yaml.h"

#define MT_SIGMA_FILE_MAX ((size_t)10 << 20)
#define MT_SIGMA_FILES_MAX 4096u
#define MT_SIGMA_RULES_MAX 65536u
#define MT_SIGMA_ERRORS_MAX 1000u
#define MT_SIGMA_VALUE_MAX 4096u   /* bytes of one value */
#define MT_SIGMA_VALUES_MAX 16384u /* of one field of a rule, after modifiers */
#define MT_SIGMA_NESTING_MAX 32u   /* of a condition */

/* --- tests ------------------------------------------------------------------- */

enum mt_sigma_op {
    MT_SIGMA_OP_TEXT,
    MT_SIGMA_OP_REGEX,
    MT_SIGMA_OP_NUMBER,
    MT_SIGMA_OP_CIDR,
    MT_SIGMA_OP_EXISTS, /* the field has a value */
    MT_SIGMA_OP_ABSENT, /* not EXISTS, by the compiler */
    MT_SIGMA_OP_FIELD,  /* the same as, or within, another field */
};

enum mt_sigma_compare {
    MT_SIGMA_EQ,
    MT_SIGMA_LT,
    MT_SIGMA_LTE,
    MT_SIGMA_GT,
    MT_SIGMA_GTE,
};

enum mt_sigma_part {
    MT_SIGMA_PART_WHOLE, /* the number itself */
    MT_SIGMA_PART_MINUTE,
    MT_SIGMA_PART_HOUR,
    MT_SIGMA_PART_DAY,
    MT_SIGMA_PART_WEEK,
    MT_SIGMA_PART_MONTH,
    MT_SIGMA_PART_YEAR,
};

/* Of a time in ns since the epoch, in UTC; week by ISO 8601. */
uint64_t mt_sigma_time_part(uint64_t time, enum mt_sigma_part part);

enum mt_sigma_within {
    MT_SIGMA_WITHIN_EQUAL,
    MT_SIGMA_WITHIN_STARTS,
    MT_SIGMA_WITHIN_ENDS,
    MT_SIGMA_WITHIN_CONTAINS,
};

enum {
    MT_SIGMA_REGEX_I = 1,
    MT_SIGMA_REGEX_M = 2,
    MT_SIGMA_REGEX_S = 4,
};

/* One question to one field. Equal tests of a category are one (index). */
struct mt_sigma_test {
    enum mt_sigma_op op;
    const struct mt_sigma_field *field;
    bool is_cased;                      /* TEXT, FIELD */
    uint8_t regex_flags;                /* REGEX */
    enum mt_sigma_compare compare;      /* NUMBER */
    enum mt_sigma_part part;            /* NUMBER */
    enum mt_sigma_within within;        /* FIELD */
    uint64_t number;                    /* NUMBER; ABSENT: the index of EXISTS */
    struct mt_prefix prefix;            /* CIDR */
    struct mt_sigma_pattern pattern;    /* TEXT */
    struct mt_span regex;               /* REGEX */
    const struct mt_sigma_field *other; /* FIELD */
    uint32_t index;
};

enum mt_sigma_node_kind {
    MT_SIGMA_AND,
    MT_SIGMA_OR,
    MT_SIGMA_NOT,
    MT_SIGMA_TEST,
    MT_SIGMA_REF, /* to a selection */
};

struct mt_sigma_node {
    enum mt_sigma_node_kind kind;
    struct mt_sigma_node *child;
    struct mt_sigma_node *next;
    struct mt_sigma_test *test;
    const char *label; /* a selection's name; a field with its modifiers */
    uint32_t line, column;
};

struct mt_sigma_selection {
    const char *name;
    struct mt_sigma_node *node;
    struct mt_sigma_selection *next;
};

/* --- loaded rules ------------------------------------------------------------ */

enum mt_sigma_correlation_type {
#define MT_SIGMA_CORRELATION(NAME, name) MT_SIGMA_CORRELATE_##NAME,
#include "sigma/correlations.def"
#undef MT_SIGMA_CORRELATION
    MT_SIGMA_CORRELATE_TYPES,
};

/* A correlation, a filter, or what another rule names: a reference in a list. */
struct mt_sigma_ref {
    const char *name;
    struct mt_sigma_loaded *rule; /* once resolved */
    uint32_t line, column;
};

enum mt_sigma_bound {
    MT_SIGMA_BOUND_LT = 1,
    MT_SIGMA_BOUND_LTE = 2,
    MT_SIGMA_BOUND_GT = 4,
    MT_SIGMA_BOUND_GTE = 8,
    MT_SIGMA_BOUND_EQ = 16,
    MT_SIGMA_BOUND_NEQ = 32,
};

struct mt_sigma_place {
    uint32_t line, column;
};

struct mt_sigma_alias {
    const char *name;
    const char *rule;
    const char *field;
    uint32_t line, column;
    struct mt_sigma_alias *next;
};

struct mt_sigma_correlation {
    enum mt_sigma_correlation_type type;
    struct mt_names group_by;
    struct mt_names fields;              /* of the condition */
    struct mt_sigma_place *group_places; /* where they stand */
    struct mt_sigma_place *field_places;
    struct mt_sigma_alias *aliases;
    uint64_t timespan;  /* seconds */
    uint64_t bounds[6]; /* times scale */
    uint32_t scale;     /* MT_SIGMA_AVERAGE_SCALE of averages, else 1 */
    uint32_t percentile;
    uint8_t bound_bits;
    bool generates;
    bool is_late;                 /* only judged when a window is over */
    const char *expression;       /* extended condition: over the rules */
    uint8_t mark;                 /* while cycles are looked for */
    uint64_t identity;            /* the same in another set when it says the same */
    uint64_t family, fingerprint; /* family_priv.h */
    uint8_t pivot;
    uint16_t place; /* in the list by identity */
};

#define MT_SIGMA_AVERAGE_SCALE 1000u
#define MT_SIGMA_REFS_MAX 64u  /* rules of a temporal correlation */
#define MT_SIGMA_KEYS_MAX 8u   /* fields to group by */
#define MT_SIGMA_VALUED_MAX 4u /* fields to count the values of */
#define MT_SIGMA_ROUTES_MAX 32u
#define MT_SIGMA_ROUTE_NONE 255u

/* Where a match goes: a correlation that names the rule, or (parent: another of the
 * rule's routes) one that names that correlation. */
struct mt_sigma_route {
    struct mt_sigma_loaded *to;
    uint8_t ref; /* as which of its rules */
    uint8_t parent;
    uint8_t key_count;
    uint8_t value_count;
    const struct mt_sigma_field *keys[MT_SIGMA_KEYS_MAX];
    const struct mt_sigma_field *values[MT_SIGMA_VALUED_MAX];
    uint8_t key_at[MT_SIGMA_KEYS_MAX]; /* which of the rule's fields; MT_SIGMA_FEED_FIELDS: another */
    uint8_t value_at[MT_SIGMA_VALUED_MAX];
    bool has_same_values; /* of all recipients of a transaction; or none */
};

struct mt_sigma_loaded {
    struct mt_sigma_rule rule; /* what the outside sees; first */
    struct mt_sigma_loaded *next;
    struct mt_sigma_selection *selections;
    struct mt_sigma_node *condition; /* RULE, FILTER */
    struct mt_sigma_ref *refs;       /* CORRELATION, FILTER; RULE: the filters upon it */
    uint32_t ref_count;
    bool is_for_any;      /* FILTER: of all rules */
    bool is_component;    /* RULE, CORRELATION: a correlation refers to it, and does not say generate */
    bool has_name;        /* else it is made of the title */
    uint8_t placeholders; /* bit n: mt_sigma_placeholders[n] is asked for */
    uint32_t id_line, id_column;
    uint32_t index;                      /* among the rules */
    const struct mt_sigma_field **shown; /* RULE: `fields:` */
    uint32_t shown_count;
    struct mt_sigma_correlation *correlation;
    struct mt_sigma_route *routes; /* RULE */
    uint32_t route_count;
    bool joins; /* groups of its events are the same for all recipients of a transaction */
};

struct mt_sigma_error_text; /* load.c */
struct mt_sigma_program;
struct mt_sigma {
    struct mt_sigma_memory memory;
    const struct mt_site *site;
    uint32_t evaluator_count;
    uint32_t scan_from; /* as in the configuration */
    uint32_t scanned;   /* how much of MT_SIGMA_REGEX_SCAN_ALL is used */
    struct mt_sigma_loaded *first;
    struct mt_sigma_loaded **last;
    struct mt_sigma_loaded **all; /* by index */
    uint32_t count;
    struct mt_sigma_error_text *errors;
    struct mt_sigma_error_text **errors_last;
    size_t error_count;
    struct mt_sigma_field *fields[MT_SIGMA_CATEGORY_COUNT]; /* interned */
    uint32_t field_count[MT_SIGMA_CATEGORY_COUNT];
    uint32_t file_count;
    struct mt_sigma_program *programs[MT_SIGMA_CATEGORY_COUNT]; /* NULL: no rule */
    struct mt_sigma_eval **evals;
    struct mt_sigma_loaded **correlations; /* active ones, by identity */
    uint32_t correlation_count;
};

/* While a document is read. */
struct mt_sigma_reading {
    struct mt_sigma *sigma;
    const struct mt_yaml_report *report;
    struct mt_sigma_loaded *loaded;
};

/* All return 0, -EINVAL (reported) or -ENOMEM. */
int mt_sigma_read_document(struct mt_sigma_reading *reading, const struct mt_yaml *document);
int mt_sigma_read_correlation(struct mt_sigma_reading *reading, const struct mt_yaml *map);
int mt_sigma_read_generate(struct mt_sigma_reading *reading, const struct mt_yaml *value);
/* Of a map: none stands twice, and there are 256 at most. */
int mt_sigma_check_keys(const struct mt_sigma_reading *reading, const struct mt_yaml *map);
/* Names or ids of rules, into loaded. */
int mt_sigma_read_refs(struct mt_sigma_reading *reading, const char *name, const struct mt_yaml *value);
/* A list of texts, or one. */
int mt_sigma_read_texts(struct mt_sigma_reading *reading, const char *name, const struct mt_yaml *value,
                        struct mt_names *ret_names);
/* The members of `detection:` or `filter:` but `condition` and those named in skip. */
int mt_sigma_read_selections(struct mt_sigma_reading *reading, const struct mt_yaml *map, const char *skip);
/* `fields:`, whose values an alert shows. */
int mt_sigma_read_shown(struct mt_sigma_reading *reading, const struct mt_yaml *value);
int mt_sigma_read_condition(struct mt_sigma_reading *reading, const struct mt_yaml *value);
/* The tests of `field|modifier...: values`; name NULL: keywords. */
int mt_sigma_read_item(struct mt_sigma_reading *reading, const struct mt_yaml *key,
                       const struct mt_yaml *value, struct mt_sigma_node **ret_node);

/* A placeholder's values: 0 and the list, which is empty when the site file does
 * not say; -ENOENT: there is no such placeholder. */
int mt_sigma_placeholder(struct mt_sigma_reading *reading, struct mt_span name, struct mt_names *ret_values);
extern const char *const mt_sigma_placeholders[];
extern const size_t mt_sigma_placeholder_count;

/* Looks up references, finds double names and cycles, marks what is inactive. */
int mt_sigma_link(struct mt_sigma *sigma);
/* Once conditions are made: which correlations can be judged, how matches get to them. */
int mt_sigma_route_all(struct mt_sigma *sigma);
int mt_sigma_compile(struct mt_sigma *sigma);
void mt_sigma_program_free(struct mt_sigma_program *program);
void mt_sigma_eval_free(struct mt_sigma_eval *eval);

int mt_sigma_error_add(struct mt_sigma *sigma, const char *text);
/* An error of a rule, which is broken from then on. name: quoted behind what; may be NULL. */
int mt_sigma_complain(struct mt_sigma *sigma, struct mt_sigma_loaded *loaded, uint32_t line, uint32_t column,
                      const char *what, const char *name);
bool mt_sigma_is_named(const struct mt_sigma_loaded *loaded, const char *name);
extern const char *const mt_sigma_correlation_names[];

static inline struct mt_sigma_loaded *mt_sigma_loaded_of(const struct mt_sigma_rule *rule)
{
    return (struct mt_sigma_loaded *)(uintptr_t)rule;
}

#endif
