/* What the files of detect share: the engine, the states of its keys, and how
 * an alert is put together.
 *
 * Ownership: the engine owns everything here. Thread: one. Limits: see
 * detect.h; an alert carries at most MT_ALERT_EVIDENCE_MAX lines.
 */
#ifndef MT_DETECT_DETECT_PRIV_H
#define MT_DETECT_DETECT_PRIV_H

#include "detect/detect.h"
#include "detect/table_priv.h"
#include "detect/window_priv.h"

struct mt_rule_entry {
    const char *name;
    const char *id;
    const char *category;
    const char *description;
    enum mt_level level;
    struct mt_names techniques;
};

extern const struct mt_rule_entry mt_rule_entries[MT_RULE_COUNT];

struct mt_finding_entry {
    const char *name;
    const char *category; /* rule.category */
    const char *meaning;
    const char *unseen;
};

extern const struct mt_finding_entry mt_finding_entries[MT_FINDING_COUNT];

bool mt_detect_config_in_range(const struct mt_detect_config *config);

/* The latest lines of a client, so that an alert on its fifth command can show
 * the four before it: at most MT_HISTORY_MAX, and what MT_HISTORY_SIZE holds. Each
 * is its struct and its text, one behind the other, the oldest first. */
#define MT_HISTORY_MAX 12
#define MT_HISTORY_TEXT_MAX 104
#define MT_HISTORY_SIZE 640

struct mt_history_line {
    uint64_t time;
    uint8_t side;
    uint8_t is_cut;
    uint8_t size;
    uint8_t text[];
} __attribute__((packed));

struct mt_history {
    uint16_t first; /* where the oldest begins */
    uint16_t used;  /* where the latest ends */
    uint16_t count;
    uint8_t lines[MT_HISTORY_SIZE]; /* undefined outside these */
};

static inline void mt_history_prefetch(const struct mt_history *history)
{
    MT_PREFETCH(history->lines + history->used);
    MT_PREFETCH(history->lines + history->used + MT_CACHE_LINE);
}

/* What holds an alert of a counted rule back: it comes once a key and window,
 * then again whenever the count has doubled or the level has risen. */
struct mt_step {
    uint64_t time; /* of the last alert; 0: none yet */
    uint64_t count;
    enum mt_level level;
};

/* What was said of capturing at several times, over a little more than a window. */
#define MT_HEALTH_TRAIL 16

struct mt_health_trail {
    uint32_t count;
    struct mt_detect_health at[MT_HEALTH_TRAIL]; /* the oldest first */
};

struct mt_detect {
    struct mt_detect_config config;
    const struct mt_site *site;
    struct mt_span observer_name;
    const char *observer_version;
    const struct mt_detect_events *events;
    void *ctx;
    struct mt_stats *stats;
    uint64_t seed;
    uint64_t now; /* packet time in ns, plus one: 0 is "never" in every state */

    struct mt_table relay_clients;
    struct mt_table vrfy_clients;
    struct mt_table repeats;         /* of rules that alert once a client, server and so on */
    struct mt_table candidates;      /* (server, domain) on its way to being local */
    struct mt_table learnt;          /* (server, domain) */
    struct mt_table servers;         /* with a learnt domain */
    const struct mt_learnt **sorted; /* room for mt_detect_inferred_domains */
    struct mt_alert_scratch *scratch;

    struct mt_health_trail loss;
    struct mt_health_trail one_sided;
    struct mt_step loss_step;
    struct mt_step one_sided_step;
};

#define MT_ALERT_EVIDENCE_MAX (MT_HISTORY_MAX + MT_EVIDENCE_MAX)
MT_STATIC_ASSERT(MT_ALERT_EVIDENCE_MAX <= MT_FINDING_LINES_MAX, "as detect.h says");
#define MT_ALERT_GROUP_MAX 3
#define MT_ALERT_MESSAGE_MAX 4096

/* What is special about a finding, or about an alert of our own; mt_detect_raise
 * fills in the rest. */
struct mt_draft {
    enum mt_finding_kind kind;
    enum mt_level level; /* as of struct mt_finding */
    const char *confidence;
    uint64_t count;
    uint64_t window;                  /* seconds, 0: none */
    const struct mt_history *history; /* lines before the observation's own; may be NULL */
    struct mt_record_groupby group_by[MT_ALERT_GROUP_MAX];
    uint32_t group_by_count;
    struct mt_buf message;
};

/* A draft with the group that all drafts have, the client. */
void mt_draft_init(struct mt_detect *detect, const struct mt_observation *o, enum mt_finding_kind kind,
                   struct mt_draft *ret_draft);
void mt_draft_group_server(struct mt_detect *detect, const struct mt_observation *o, struct mt_draft *draft);
void mt_draft_group(struct mt_draft *draft, const char *key, struct mt_span value);
void mt_detect_raise(struct mt_detect *detect, const struct mt_observation *o, const struct mt_draft *draft);
/* The alert of a rule of our own, about no session: addresses and ids are absent. */
void mt_detect_alert(struct mt_detect *detect, enum mt_rule rule, uint64_t time,
                     const struct mt_draft *draft);
/* Of the observation's session, good until it is asked for another; absent when there is none. */
struct mt_span mt_detect_event_id(struct mt_detect *detect, const struct mt_observation *o);

void mt_history_add(struct mt_history *history, const struct mt_observation *o);

/* Is a counted rule whose condition holds to alert now? If not, that is
 * counted as suppressed. */
bool mt_detect_step(struct mt_detect *detect, struct mt_step *step, uint64_t window, uint64_t count,
                    enum mt_level level);

/* Was this found for this key in the last `seconds`? If not, ret_count is how many
 * events there were since it last was. */
bool mt_detect_repeat(struct mt_detect *detect, enum mt_finding_kind kind, const struct mt_observation *o,
                      struct mt_span more, uint32_t seconds, uint64_t *ret_count);

/* Digest of a table key; server may be NULL. */
struct mt_hash128 mt_detect_key(const struct mt_detect *detect, const struct mt_ip *client,
                                const struct mt_ip *server, struct mt_span more);
void *mt_detect_take(struct mt_detect *detect, struct mt_table *table, struct mt_hash128 key);

/* A seeded hash of one address, for tables. */
static inline uint64_t mt_detect_ip(uint64_t seed, const struct mt_ip *ip)
{
    uint64_t word[2];

    memcpy(word, ip->bytes, sizeof(word));
    return mt_hash_pair(seed + ip->family, word[0], word[1]);
}

/* Hash of an item for a window; without a seed, so that estimates repeat. */
uint64_t mt_detect_item(struct mt_span bytes);

/* What is known of a domain at a server. */
enum mt_standing {
    MT_STANDING_LOCAL,
    MT_STANDING_FOREIGN,
    MT_STANDING_UNKNOWN, /* no list, and nothing learnt for this server yet */
};

/* Without local_domains: counts an accepted recipient, then judges. */
struct mt_learnt {
    struct mt_table_entry entry;
    uint8_t size;
    uint8_t text[255];
};

int mt_infer_init(struct mt_detect *detect, uint32_t count_max);
void mt_infer_fini(struct mt_detect *detect);
void mt_infer_add(struct mt_detect *detect, const struct mt_observation *o);
enum mt_standing mt_infer_standing(struct mt_detect *detect, const struct mt_ip *server,
                                   struct mt_span domain);

int mt_relay_init(struct mt_detect *detect, uint32_t count_max);
void mt_relay_fini(struct mt_detect *detect);
void mt_relay_rcpt(struct mt_detect *detect, const struct mt_observation *o);
void mt_relay_unsent(struct mt_detect *detect, const struct mt_observation *o);
void mt_relay_message(struct mt_detect *detect, const struct mt_observation *o);

int mt_vrfy_init(struct mt_detect *detect, uint32_t count_max);
void mt_vrfy_fini(struct mt_detect *detect);
void mt_vrfy_probe(struct mt_detect *detect, const struct mt_observation *o);

void mt_helo_greeting(struct mt_detect *detect, const struct mt_observation *o);

int mt_alert_init(struct mt_detect *detect, uint32_t count_max);
void mt_alert_fini(struct mt_detect *detect);

#endif
