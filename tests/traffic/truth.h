/* What a sensor should say about a session: filled in by whoever wrote the
 * conversation, put out as one line of JSON that compare.py reads. Made from
 * the documents of the product (record fields), never from its code.
 *
 * A value may be left open: several outcomes allowed, or a path named in
 * `open`. README.md lists which and why.
 *
 * Ownership: texts are copied into the truth's own arena. Thread: one. Limits:
 * those below; a profile that exceeds them is a bug and stops the generator.
 */
#ifndef MT_TRAFFIC_TRUTH_H
#define MT_TRAFFIC_TRUTH_H

#include "plan.h"

struct mt_text {
    const char *data; /* NULL: absent */
    uint32_t size;
};

/* The frame that carries the last byte of a line. */
struct mt_moment {
    uint32_t off; /* of that byte, plus 1; 0: absent */
    uint8_t side;
};

enum mt_truth_verb {
    MT_SAID_HELO,
    MT_SAID_EHLO,
    MT_SAID_MAIL,
    MT_SAID_RCPT,
    MT_SAID_DATA,
    MT_SAID_BDAT,
    MT_SAID_RSET,
    MT_SAID_VRFY,
    MT_SAID_EXPN,
    MT_SAID_HELP,
    MT_SAID_NOOP,
    MT_SAID_QUIT,
    MT_SAID_AUTH,
    MT_SAID_STARTTLS,
    MT_SAID_UNKNOWN,
    MT_SAID_COUNT,
};

enum {
    MT_OUTCOME_DELIVERED = 1 << 0,
    MT_OUTCOME_REJECTED = 1 << 1,
    MT_OUTCOME_DEFERRED = 1 << 2,
    MT_OUTCOME_ABORTED = 1 << 3,
    MT_OUTCOME_RESET = 1 << 4,
    MT_OUTCOME_UNFINISHED = 1 << 5,
};

enum {
    MT_END_QUIT = 1 << 0,
    MT_END_FIN = 1 << 1,
    MT_END_RST = 1 << 2,
    MT_END_TIMEOUT = 1 << 3,
    MT_END_EVICTED = 1 << 4,
    MT_END_CAPTURE_END = 1 << 5,
};

enum mt_loose {
    MT_LOOSE_NO,
    MT_LOOSE_AT_LEAST, /* may hold more than what is listed */
    MT_LOOSE_OPEN,     /* the documents do not say */
};

struct mt_truth_answer {
    uint16_t code; /* 0: none */
    struct mt_text enhanced;
};

struct mt_truth_parameter {
    struct mt_text keyword, value;
};

#define MT_TRUTH_PARAMETERS_MAX 4

struct mt_truth_recipient {
    struct mt_text address, domain;
    struct mt_truth_parameter parameters[MT_TRUTH_PARAMETERS_MAX];
    uint32_t parameter_count;
    struct mt_truth_answer answer;
    bool is_local;
    bool is_local_open;
};

struct mt_truth_transaction {
    struct mt_text from, from_domain;
    struct mt_truth_parameter parameters[MT_TRUTH_PARAMETERS_MAX];
    uint32_t parameter_count;
    struct mt_truth_answer from_answer;
    uint32_t recipient_first, recipient_count;
    const char *mode; /* NULL: none */
    uint64_t bytes;
    struct mt_truth_answer reply;
    struct mt_text reply_text; /* with its enhanced code */
    struct mt_text queue_id;
    unsigned outcomes; /* MT_OUTCOME_ bits; 0: open */
    struct mt_moment start, end;
    bool is_end_open;   /* what ended it is not a reply to content */
    bool is_reply_open; /* refused at DATA: is that the message's reply? */
    bool is_mode_open;
    bool are_recipients_open; /* pipelined behind a MAIL that was refused */
    bool are_bytes_open;
    bool is_message_open;
    bool has_message;
    struct mt_text header_from, header_to[4], subject, date, message_id, received[2];
    uint32_t header_to_count, received_count;
};

struct mt_truth_probe {
    struct mt_text argument;
    struct mt_truth_answer answer;
};

struct mt_truth_auth {
    struct mt_text mechanism, user;
    uint16_t code;
    const char *outcome;
};

#define MT_TRUTH_TRANSACTIONS_MAX 8
#define MT_TRUTH_RECIPIENTS_MAX 512
/* A record lists no more recipients of one transaction (session.h). */
#define MT_TRUTH_RECIPIENTS_LISTED 128
#define MT_TRUTH_PROBES_MAX 64
#define MT_TRUTH_NAMES_MAX 16
#define MT_TRUTH_ARENA (512u * 1024u)

struct mt_truth_names {
    const char *items[MT_TRUTH_NAMES_MAX];
    uint32_t count;
};

enum mt_truth_rule {
    MT_TRUTH_RELAY_PROBE,
    MT_TRUTH_RELAY_SUSPECTED,
    MT_TRUTH_RELAY_ACCEPTED,
    MT_TRUTH_VRFY_USE,
    MT_TRUTH_VRFY_PROBE,
    MT_TRUTH_VRFY_SENSITIVE,
    MT_TRUTH_HELO_FORGED,
    MT_TRUTH_RULE_COUNT,
};

struct mt_truth {
    uint64_t number;   /* of the session, from 0 */
    const char *story; /* what it shows, for whoever reads a difference */

    uint16_t banner_code;
    struct mt_text banner_text;
    const char *helo_verb; /* NULL: none */
    struct mt_text helo_name;
    const char *helo_kind;
    struct mt_truth_names findings;
    enum mt_loose findings_loose;
    uint32_t helo_score;
    struct mt_text extensions[16];
    uint32_t extension_count;
    bool is_starttls_offered, is_starttls_requested;
    uint16_t starttls_code;
    const char *starttls_outcome;
    const char *tls_version; /* NULL: no TLS */
    const char *tls_cipher;
    struct mt_text tls_server_name;
    struct mt_truth_auth auth[2];
    uint32_t auth_count;
    uint32_t said[MT_SAID_COUNT];
    uint16_t codes[1000];
    struct mt_truth_probe vrfy[MT_TRUTH_PROBES_MAX], expn[MT_TRUTH_PROBES_MAX];
    uint32_t vrfy_count, expn_count;
    struct mt_truth_transaction transactions[MT_TRUTH_TRANSACTIONS_MAX];
    uint32_t transaction_count;
    struct mt_truth_recipient recipients[MT_TRUTH_RECIPIENTS_MAX];
    uint32_t recipient_count;
    struct mt_truth_names anomalies, may_have; /* certain; possible */
    bool may_have_any;                         /* further anomalies are as good as these */
    unsigned ends;                             /* MT_END_ bits */
    bool is_midstream;
    bool is_pickup_open;
    bool is_side_unseen[2];
    bool is_in_fragments; /* how frames of fragments count is open */
    bool is_truncated;    /* a limit of the record cuts something */
    const char *open[24]; /* paths about which nothing is said */
    uint32_t open_count;
    uint32_t alerts_low[MT_TRUTH_RULE_COUNT], alerts_high[MT_TRUTH_RULE_COUNT]; /* that it raises by itself */

    char arena[MT_TRUTH_ARENA];
    uint32_t arena_size;
};

void mt_truth_reset(struct mt_truth *truth, uint64_t number);

/* A copy of bytes that lives as long as the session. */
struct mt_text mt_truth_text(struct mt_truth *truth, const void *bytes, size_t size);
struct mt_text mt_truth_lower(struct mt_truth *truth, struct mt_text text);

void mt_truth_anomaly(struct mt_truth *truth, const char *name);
void mt_truth_may_have(struct mt_truth *truth, const char *anomaly);
void mt_truth_finding(struct mt_truth *truth, const char *name, uint32_t points);
void mt_truth_open(struct mt_truth *truth, const char *path);
void mt_truth_alert(struct mt_truth *truth, enum mt_truth_rule rule, uint32_t low, uint32_t high);

const char *mt_truth_rule_name(enum mt_truth_rule rule);

/* Puts the session out: NDJSON, one line. Returns its size; 0: buffer too
 * small. has_site: recipients are judged local or not. */
#define MT_TRUTH_LINE_MAX ((size_t)1024 * 1024)
size_t mt_truth_line(const struct mt_truth *truth, const struct mt_plan *plan, bool has_site, char *ret_line,
                     size_t size);

#endif
