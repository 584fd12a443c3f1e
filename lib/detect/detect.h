/* Observations to findings: counts across sessions, thresholds, suppression. What
 * becomes of a finding, rules say; alerts about capturing itself are made here.
 *
 * Observations arrive in packet order (struct mt_mark.number); then the findings
 * do not depend on the number of workers. Time is packet time.
 *
 * Ownership: the engine owns its tables, bounded at create; findings and alerts are
 * lent for the call. Thread: one (the collector). Limits: clients_max keys a table; the
 * least recently seen gives way, counted (detect.evicted).
 * Definitions: docs/detections.md.
 */
#ifndef MT_DETECT_DETECT_H
#define MT_DETECT_DETECT_H

#include "base/site.h"
#include "record/observation.h"
#include "record/record.h"
#include "stats/stats.h"

enum mt_level {
    MT_LEVEL_INFORMATIONAL,
    MT_LEVEL_LOW,
    MT_LEVEL_MEDIUM,
    MT_LEVEL_HIGH,
    MT_LEVEL_CRITICAL,
};

enum mt_rule {
#define MT_RULE(name, ...) MT_RULE_##name,
#include "detect/rules.def"
#undef MT_RULE
    MT_RULE_COUNT,
    MT_RULE_LOADED = MT_RULE_COUNT, /* none of these: one of a file, alert->rule_name says which */
};

enum mt_finding_kind {
#define MT_FINDING(name, ...) MT_FINDING_##name,
#include "detect/findings.def"
#undef MT_FINDING
    MT_FINDING_COUNT,
};

const char *mt_level_name(enum mt_level level);  /* "medium" */
uint64_t mt_level_severity(enum mt_level level); /* event.severity */
bool mt_level_parse(struct mt_span text, enum mt_level *ret_level);
const char *mt_rule_name(enum mt_rule rule);
const char *mt_rule_description(enum mt_rule rule);
enum mt_level mt_rule_level(enum mt_rule rule); /* the least it is raised at */
const char *mt_rule_category(enum mt_rule rule);
const struct mt_names *mt_rule_techniques(enum mt_rule rule); /* of MITRE ATT&CK */
const char *mt_finding_name(enum mt_finding_kind kind);       /* "vrfy_probe" */
const char *mt_finding_meaning(enum mt_finding_kind kind);
const char *mt_finding_unseen(enum mt_finding_kind kind); /* what it can't see */

/* Thresholds, set from the site file: thresholds: {rule name: {member: value}}.
 * One list (detect/thresholds.def) gives members, defaults, ranges. */
struct mt_detect_config {
#define MT_THRESHOLD(rule, member, key, fallback, low, high, meaning) uint32_t member;
#include "detect/thresholds.def"
#undef MT_THRESHOLD
    uint32_t clients_max; /* 0: 65536 */
};

/* Every default of thresholds.def. */
void mt_detect_config_init(struct mt_detect_config *config);

/* Lines of evidence of a finding, at most. */
#define MT_FINDING_LINES_MAX 16u

/* Whether it is to be told of has been decided: it was not suppressed. */
struct mt_finding {
    enum mt_finding_kind kind;
    enum mt_level level; /* it is graver than others of its kind: at least this. Else the lowest */
    const struct mt_observation *observation;
    const struct mt_record_alert *alert; /* without what a rule says: its name, id, level and so on */
};

struct mt_detect_events {
    void (*finding)(void *ctx, const struct mt_finding *finding);
    void (*alert)(void *ctx, const struct mt_record_alert *alert, enum mt_rule rule, enum mt_level level);
};

struct mt_detect;

int mt_detect_create(const struct mt_detect_config *config, const struct mt_site *site,
                     struct mt_span observer_name, const char *observer_version,
                     const struct mt_detect_events *events, void *ctx, struct mt_stats *stats,
                     struct mt_detect **ret_detect);
void mt_detect_destroy(struct mt_detect *detect);

/* Other thresholds (in range, clients_max is not looked at) and another site from
 * here on; what was counted and learnt stays. */
void mt_detect_reload(struct mt_detect *detect, const struct mt_detect_config *config,
                      const struct mt_site *site);

void mt_detect_observe(struct mt_detect *detect, const struct mt_observation *observation);

/* A VRFY or EXPN of this client may be observed soon: asks the memory for where it is
 * counted, in two steps that leave time between them and before it. 0: there is
 * nothing to fetch. */
uint64_t mt_detect_expect_probe(const struct mt_detect *detect, const struct mt_ip *client);
void mt_detect_fetch_probe(const struct mt_detect *detect, uint64_t expected);

/* How capturing goes: counts since the start. What was lost is told by cause. */
struct mt_detect_health {
    uint64_t time;        /* ns, of the packets' clock */
    uint64_t frames;      /* handed over by the ports */
    uint64_t lost_missed; /* before that: queue full, no buffer, damaged */
    uint64_t lost_no_buffer;
    uint64_t lost_errors;
    uint64_t lost_ring_full; /* after that: no room at a worker, in a table */
    uint64_t lost_table_full;
    uint64_t sessions; /* that ended */
    uint64_t sessions_one_way;
};

/* Judges it: capture_loss, capture_one_sided. To be called about once a second,
 * and at the end. */
void mt_detect_health(struct mt_detect *detect, const struct mt_detect_health *health);

/* Inferred local domains so far (no site file): for the summary. Returns how
 * many there are; stores at most count_max. */
size_t mt_detect_inferred_domains(const struct mt_detect *detect, struct mt_span *ret_domains,
                                  size_t count_max);

#endif
