/* Sigma rules (specification 2.1), evaluated on records: loaded from files,
 * compiled once into an immutable program, run by workers without allocating.
 *
 * Log sources are product: mailtap, service: smtp and a category. An event of
 * category session is a record; of transaction, recipient, auth, message and
 * received one member of its lists, with the record around it; of tls a record with
 * a handshake. Commands, replies, findings and statistics are no part of a record
 * (sigma/events.h). Field names are those of `mailtap fields`, without [].
 *
 * Ownership: a set owns its rules, texts and programs; matches are lent for the
 * call. Thread: a set is built by one, then read-only; each evaluator is one
 * thread's. Limits: 10 MiB a file, 4096 files, 65536 rules, 16 levels of YAML;
 * see docs/rules.md.
 */
#ifndef MT_SIGMA_SIGMA_H
#define MT_SIGMA_SIGMA_H

#include "base/site.h"
#include "detect/detect.h"
#include "record/record.h"

enum mt_sigma_category {
#define MT_SIGMA_CATEGORY(NAME, name, meaning, unseen) MT_SIGMA_##NAME,
#include "sigma/categories.def"
#undef MT_SIGMA_CATEGORY
    MT_SIGMA_CATEGORY_COUNT,
};

const char *mt_sigma_category_name(enum mt_sigma_category category);

enum mt_sigma_kind {
    MT_SIGMA_KIND_RULE,
    MT_SIGMA_KIND_CORRELATION,
    MT_SIGMA_KIND_FILTER,
};

/* One rule, correlation or filter, as its file says it. Texts that are not given
 * are NULL. */
struct mt_sigma_rule {
    enum mt_sigma_kind kind;
    const char *title;
    const char *name; /* a slug of the title when not given */
    const char *id;
    const char *description;
    const char *status;
    const char *path; /* of the file */
    uint32_t line;    /* where the document begins */
    enum mt_level level;
    enum mt_sigma_category category; /* RULE, FILTER */
    struct mt_names techniques;      /* "T1595.002" */
    struct mt_names false_positives;
    struct mt_names references;
    const char *inactive; /* why it isn't evaluated; NULL: it is */
    bool is_silent;       /* makes no alerts itself: it only feeds correlations */
};

struct mt_sigma_config {
    const char *const *paths; /* files and folders; of folders *.yml and *.yaml, folders in them too */
    size_t path_count;
    const struct mt_site *site; /* what placeholders stand for */
    uint32_t evaluators;        /* how many threads will evaluate */
    uint32_t scan_from;         /* a field with so many texts gets a database of Hyperscan; 0: 9 */
};

struct mt_sigma;

/* Loads what can be. A file or document with an error is left out, with its
 * sentence among the errors; 0 all the same. -ENOMEM, or -EINVAL when none of the
 * paths could be read at all (a sentence among the errors). ret_sigma is there in
 * any case but -ENOMEM. */
int mt_sigma_load(const struct mt_sigma_config *config, struct mt_sigma **ret_sigma);

/* The same of one text; path is for sentences. */
int mt_sigma_load_text(const struct mt_sigma_config *config, const char *path, struct mt_span text,
                       struct mt_sigma **ret_sigma);
void mt_sigma_destroy(struct mt_sigma *sigma);

/* "rules/a.yml:3:5: unknown field ..." */
size_t mt_sigma_error_count(const struct mt_sigma *sigma);
const char *mt_sigma_error(const struct mt_sigma *sigma, size_t i);

size_t mt_sigma_rule_count(const struct mt_sigma *sigma);
const struct mt_sigma_rule *mt_sigma_rule(const struct mt_sigma *sigma, size_t i);
size_t mt_sigma_active_count(const struct mt_sigma *sigma); /* without filters and correlations */
bool mt_sigma_has_correlations(const struct mt_sigma *sigma);

/* By name, id or title; NULL when there is none. */
const struct mt_sigma_rule *mt_sigma_find(const struct mt_sigma *sigma, const char *name);

/* The rules that a correlation or filter names, in this order; NULL behind them. */
const struct mt_sigma_rule *mt_sigma_named_by(const struct mt_sigma_rule *rule, size_t i);

/* A rule in words, as UTF-8 lines. */
void mt_sigma_explain(const struct mt_sigma *sigma, const struct mt_sigma_rule *rule,
                      struct mt_buf *ret_text);

/* --- evaluation -------------------------------------------------------------- */

#define MT_SIGMA_SHOWN_MAX 8u     /* values of a rule's `fields` */
#define MT_SIGMA_EVIDENCE_MAX 16u /* with these */

/* A field whose value made the rule true, or that the rule wants to be shown. */
struct mt_sigma_evidence {
    const char *path;
    struct mt_span value;               /* as text; cut to 256 bytes */
    const struct mt_field_group *group; /* NULL: a keyword */
    const struct mt_field *field;
    bool is_harmless; /* number, time, flag: never an address of mail */
};

struct mt_sigma_statistics; /* sigma/events.h */

/* What rules are held against. */
struct mt_sigma_event {
    const struct mt_record_session *session;
    const struct mt_record_transaction *transaction; /* categories transaction to received */
    const struct mt_record_recipient *recipient;
    const struct mt_record_auth *auth;
    const struct mt_record_hop *hop;
    const struct mt_record_command *command;
    const struct mt_record_reply *reply;
    const struct mt_sigma_statistics *statistics;
    const struct mt_record_finding *finding;
};

/* A rule that matched one event. */
struct mt_sigma_match {
    const struct mt_sigma_rule *rule;
    const struct mt_sigma_event *event;
    const struct mt_record_session *session;
    const struct mt_record_transaction *transaction; /* categories transaction, recipient */
    const struct mt_record_recipient *recipient;
    const struct mt_record_auth *auth;
    const struct mt_sigma_evidence *evidence; /* what the rule wants to be shown first */
    uint32_t evidence_count;
    uint32_t shown_count; /* of these */
    bool feeds;           /* correlations: sigma/correlate.h; with rule->is_silent nothing else */
};

typedef void mt_sigma_match_fn(void *ctx, const struct mt_sigma_match *match);

struct mt_sigma_counts {
    uint64_t events;     /* evaluated */
    uint64_t matches;    /* rules that matched */
    uint64_t filtered;   /* matches that a filter suppressed */
    uint64_t regex_cuts; /* regular expressions given up at their limit: taken for no match */
};

struct mt_sigma_eval;

/* One of config.evaluators. */
struct mt_sigma_eval *mt_sigma_evaluator(const struct mt_sigma *sigma, uint32_t i);

/* All events of a record, in the order of categories.def, of the lists, and of
 * the rules. Allocates nothing. */
void mt_sigma_evaluate(struct mt_sigma_eval *eval, const struct mt_record_session *session,
                       mt_sigma_match_fn *match, void *ctx);
const struct mt_sigma_counts *mt_sigma_counts(const struct mt_sigma_eval *eval);

/* Matches that this filter left out, by all evaluators. Of any thread. */
uint64_t mt_sigma_filtered(const struct mt_sigma *sigma, const struct mt_sigma_rule *filter);

/* How near one rule came to a record: of the event that came nearest, each part
 * of the rule with whether it was met. Returns whether an event matched. For
 * people: slow. Rules whose events are no part of a record are not near any. */
bool mt_sigma_nearness(struct mt_sigma_eval *eval, const struct mt_sigma_rule *rule,
                       const struct mt_record_session *session, uint32_t *ret_met, uint32_t *ret_parts,
                       struct mt_buf *ret_text);

#endif
