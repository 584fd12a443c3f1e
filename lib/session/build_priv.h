/* The scratch in which records are built, and the parts that build them.
 *
 * Ownership: the engine's; a record borrows it for the call that hands it over.
 * Thread: the engine's. Limits: sized by struct mt_session_limits.
 */
#ifndef MT_SESSION_BUILD_PRIV_H
#define MT_SESSION_BUILD_PRIV_H

#include "session/parts_priv.h"
#include "session/phases_priv.h"

/* Where a transaction's lists start in the build's arrays, and their sizes. */
struct mt_build_slot {
    const struct mt_entry_mail *mail;
    uint32_t recipients_off;
    uint32_t recipients;
    uint32_t parts_off;
    uint32_t parts;
    uint32_t attachments;
    uint32_t chunks_off;
    uint32_t chunks;
    uint32_t headers_off;
    uint32_t headers;
    uint32_t header_total;
    uint32_t unanswered;     /* recipients without a reply */
    uint32_t received_total; /* when more than were kept */
    uint32_t seen;           /* bit n: enum mt_field_kind n */
    bool is_received_low;    /* below another field of the header */
    uint32_t texts_off[MT_HEADER_LISTS];
    uint32_t texts[MT_HEADER_LISTS];
};

/* Names in message.received_findings of one transaction. */
#define MT_BUILD_FINDINGS_MAX 15u
#define MT_BUILD_MESSAGE_FINDINGS_MAX 10u /* in message.findings */
#define MT_BUILD_PART_FINDINGS_MAX 10u

/* Scratch for one record. Sized at create, so that everything that a session
 * may keep finds room; what does not is cut and named. */
struct mt_build {
    struct mt_record_transaction *transactions;
    struct mt_build_slot *slots;
    struct mt_record_recipient *recipients;
    struct mt_record_parameter *parameters;
    struct mt_record_auth *auths;
    struct mt_record_probe *probes[2]; /* VRFY, EXPN */
    struct mt_span *texts;
    struct mt_record_hop *hops;
    struct mt_record_signature *signatures;
    struct mt_record_part *parts;
    struct mt_span *urls;
    struct mt_record_part *attachments; /* those of them, at the same offsets */
    struct mt_record_chunk *chunks;
    struct mt_record_header *headers;
    const char **names;
    uint8_t *text;
    size_t transactions_cap;
    size_t recipients_cap;
    size_t parameters_cap;
    size_t texts_cap;
    size_t hops_cap;
    size_t signatures_cap;
    size_t parts_cap;
    size_t urls_cap;
    size_t names_cap;
    size_t chunks_cap;
    size_t headers_cap;
    size_t text_cap;
    size_t parameters_used;
    size_t texts_used;
    size_t hops_used;
    size_t names_used;
    size_t signatures_used;
    size_t urls_used;
    struct mt_record_part *part;       /* the last that was built; NULL when a limit left it out */
    struct mt_record_part *attachment; /* the same, if it is one */
    struct mt_span helo;               /* name in the last greeting */
    struct mt_buf b;                   /* text */
    struct mt_count counts[MT_KEY_COUNT];
    struct mt_code_count codes[MT_KEY_VERB];
    struct mt_verb_count verbs[MT_VERB_COUNT];
    const char *anomalies[MT_ANOMALY_COUNT];
    const char *findings[32];
    const char *phases[MT_PHASE_COUNT];
    const char *cuts[MT_CUT_COUNT];
    struct mt_record_outer outers[MT_OUTER_MAX];
    struct mt_record_certificate chains[MT_SIDE_COUNT][MT_TLS_CHAIN_MAX - 1];
};

/* Texts that the entries do not hold as they are. Absent when there is no room. */
struct mt_span mt_build_lower(struct mt_build *build, struct mt_span text);
struct mt_span mt_build_upper(struct mt_build *build, struct mt_span text);
struct mt_span mt_build_enhanced(struct mt_build *build, uint32_t reply);
void mt_build_join(struct mt_build *build, struct mt_span *text, struct mt_span line);

/* What a bit of findings is called. */
struct mt_build_finding {
    uint32_t bit;
    const char *name;
};
/* Behind the names that ret_names has: nothing was put there since. */
void mt_build_put_findings(struct mt_build *build, const struct mt_build_finding *findings, size_t count,
                           uint32_t bits, struct mt_names *ret_names);
void mt_build_outer(struct mt_build *build, const struct mt_entry_outer *entry, struct mt_outers *ret_outers);
void mt_build_part(struct mt_run *run, const struct mt_entry_part *entry, struct mt_build_slot *slot);
/* header_list.c */
void mt_build_header(struct mt_run *run, const struct mt_entry_header *entry, struct mt_build_slot *slot);
/* What the part that was built last holds. */
void mt_build_body(struct mt_run *run, const struct mt_entry_body *entry);
void mt_build_url(struct mt_run *run, const struct mt_entry_url *entry);
/* Texts of what was kept of DKIM-Signature or ARC-Seal. */
void mt_build_signatures(struct mt_run *run, const struct mt_texts *texts,
                         struct mt_signatures *ret_signatures);
void mt_build_received(struct mt_run *run, const struct mt_build_slot *slot,
                       struct mt_record_transaction *transaction);
/* build_findings.c: behind the rest of the transaction, and of the recipient */
void mt_build_findings(struct mt_run *run, const struct mt_build_slot *slot,
                       struct mt_record_transaction *transaction);
void mt_build_relay(struct mt_run *run, struct mt_entry_mail *tx, const struct mt_entry_rcpt *rcpt,
                    struct mt_record_recipient *recipient);
/* build_tls.c */
void mt_build_tls_client(struct mt_run *run, const struct mt_entry_tls_client *entry,
                         struct mt_record_session *record);
void mt_build_tls_server(struct mt_run *run, const struct mt_entry_tls_server *entry,
                         struct mt_record_session *record);
void mt_build_tls_certificate(struct mt_run *run, const struct mt_entry_tls_certificate *entry,
                              struct mt_record_session *record);
void mt_build_tls_alert(const struct mt_entry_tls_alert *entry, struct mt_record_session *record);
void mt_build_history(const struct mt_entry_history *entry, struct mt_record_session *record);
void mt_build_pair(const struct mt_entry_history *entry, struct mt_record_session *record);
/* Behind the others. */
void mt_build_tls(struct mt_run *run, struct mt_record_session *record);
/* Have two names one owner, as far as that can be told? Also when one has none. */
bool mt_build_is_same_owner(struct mt_span a, struct mt_span b);
/* Behind the transactions; nothing without answers of DNS. build_names.c */
void mt_build_names(struct mt_run *run, struct mt_record_session *record);
void mt_build_transactions(struct mt_run *run, enum mt_session_end end, struct mt_record_session *record);
/* Behind the transactions, which it reads. has_proxy: there is an XCLIENT or XFORWARD. */
void mt_build_dialogue(struct mt_run *run, bool has_proxy, struct mt_record_session *record);
/* build.c: also while the session is going on */
void mt_build_greeting(const struct mt_entry_helo *helo, struct mt_record_session *record);
void mt_build_starttls(const struct mt_session *session, struct mt_record_session *record);
const char *mt_helo_kind_name(enum mt_helo_kind kind);
/* create.c */
int mt_build_create(const struct mt_session_limits *limits, struct mt_build **ret_build);
void mt_build_destroy(struct mt_build *build);

#endif
