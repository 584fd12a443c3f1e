/* A fact about a session that a rule counts across sessions. Worker to
 * collector by value, so it carries everything the alert will need.
 *
 * Ownership: plain bytes, copied whole. Thread: made by one, read by one.
 * Limits: texts are cut to their arrays.
 */
#ifndef MT_RECORD_OBSERVATION_H
#define MT_RECORD_OBSERVATION_H

#include "base/event_id.h"
#include "base/mark.h"
#include "base/net.h"
#include "base/span.h"

enum mt_observation_kind {
    MT_OBSERVE_RCPT,    /* a RCPT and its reply, unauthenticated, client not home, server home */
    MT_OBSERVE_MESSAGE, /* final 250 of a transaction with an accepted recipient of such a session; one per
                           recipient in RCPT */
    MT_OBSERVE_UNSENT,  /* an accepted recipient of such a session, at its end: the transaction brought no
                           accepted message; not of domains that the site file calls local */
    MT_OBSERVE_PROBE,   /* a VRFY or EXPN and its reply */
    MT_OBSERVE_HELO,    /* the greeting's score, once a session */
};

/* Forms of relay attempts (detections D1): the 16 tests of smtp-open-relay. */
enum mt_relay_form {
    MT_RELAY_NONE = 0, /* the plain form: user@foreign, no special shape */
    MT_RELAY_NULL_SENDER = 1,
    MT_RELAY_FOREIGN_FOREIGN = 2,
    MT_RELAY_SENDER_AT_SERVER_IP = 3,
    MT_RELAY_SENDER_AT_SERVER_NAME = 4,
    MT_RELAY_PERCENT_AT_IP = 5,
    MT_RELAY_PERCENT_AT_NAME = 6,
    MT_RELAY_QUOTED = 7,
    MT_RELAY_QUOTED_PERCENT = 8,
    MT_RELAY_DOUBLE_AT_IP = 9,
    MT_RELAY_QUOTED_AT_IP = 10,
    MT_RELAY_DOUBLE_AT_NAME = 11,
    MT_RELAY_ROUTE_IP = 12,
    MT_RELAY_ROUTE_NAME = 13,
    MT_RELAY_BANG = 14,
    MT_RELAY_BANG_AT_IP = 15,
    MT_RELAY_BANG_AT_NAME = 16,
    MT_RELAY_FORM_COUNT,
};

#define MT_EVIDENCE_MAX 4
#define MT_EVIDENCE_TEXT_MAX 200
#define MT_OBSERVED_TEXT_MAX 320

struct mt_evidence {
    uint64_t time;
    uint8_t side; /* enum mt_side */
    uint8_t is_cut;
    uint16_t size;
    uint8_t text[MT_EVIDENCE_TEXT_MAX]; /* raw line, escaped when printed */
};

struct mt_observation {
    struct mt_mark mark;  /* the packet that completed the fact */
    uint8_t kind;         /* enum mt_observation_kind */
    uint8_t form;         /* RCPT, MESSAGE, UNSENT: enum mt_relay_form */
    uint8_t is_expn;      /* PROBE */
    uint8_t reply_lines;  /* PROBE: lines of the reply, saturated at 255 */
    uint16_t code;        /* of the reply */
    uint8_t enhanced[6];  /* "5.7.1" without terminator, zero padded */
    uint16_t score;       /* HELO */
    uint32_t findings;    /* HELO: bit n = test h(n+1) */
    uint32_t recipients;  /* MESSAGE, UNSENT: accepted recipients of the transaction */
    bool has_relay_text;  /* RCPT: the reply text speaks of relaying or of authentication */
    bool is_local_domain; /* these: by the site file; false when none is given */
    bool is_client_home;
    bool is_server_home;
    struct mt_tuple tuple; /* src is the client */
    uint64_t first;        /* time of the session's first packet: with tuple it makes event.id */
    uint16_t subject_size;
    uint16_t domain_size;
    uint16_t queue_id_size;
    uint8_t evidence_count;
    uint8_t subject[MT_OBSERVED_TEXT_MAX]; /* recipient, VRFY argument, HELO name */
    uint8_t domain[256];                   /* these: where the mail would go, lower case */
    uint8_t queue_id[64];
    struct mt_evidence evidence[MT_EVIDENCE_MAX];
};

static inline struct mt_span mt_observed_subject(const struct mt_observation *o)
{
    return mt_span(o->subject, mt_min_u64(o->subject_size, sizeof(o->subject)));
}

static inline struct mt_span mt_observed_domain(const struct mt_observation *o)
{
    return mt_span(o->domain, mt_min_u64(o->domain_size, sizeof(o->domain)));
}

#endif
