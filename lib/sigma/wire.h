/* Events of correlations on their way to another process: what a feed
 * (sigma/correlate.h) says, in a form that does not depend on the machine or on
 * how this program lays out its structs.
 *
 * A feed becomes one event for each place that judges part of it. Places are told
 * apart by a key: of a correlation that stands alone the hash of its group; of
 * correlations that feed each other (a family) that of a key they have in common,
 * or, when there is none, of the family. So whatever belongs to one group, and what
 * it leads to, has one key. Between events a sender says how far it has come: a
 * mark. Layout: docs/architecture.md, "Correlations across sensors".
 *
 *   "mtev" 4 · version 1 · kind 1 · run 8 · number 8 · sensor
 *   event: fingerprint 8 · name · time 8 · completed 8 · addresses · ports 2 2 ·
 *     sequence 4 · part 2 · events 1 · event.id · lines · frames
 *   mark: time 8
 *
 * Numbers are little-endian, a text stands behind its size (one byte).
 *
 * Ownership: what is read points into the bytes given; a key and an event are lent
 * for the call. Thread: any; senders and rules are the caller's. Limits:
 * MT_SIGMA_EVENT_MAX bytes. What is read comes from a network: anything may stand
 * there, and what can't be is refused.
 */
#ifndef MT_SIGMA_WIRE_H
#define MT_SIGMA_WIRE_H

#include "sigma/correlate.h"

#define MT_SIGMA_EVENT_VERSION 2u
#define MT_SIGMA_EVENT_MAX (2u * MT_SIGMA_FEED_MAX)
#define MT_SIGMA_EVENT_KEY_SIZE 16u           /* hexadecimal digits */
#define MT_SIGMA_MARK_END UINT64_MAX          /* the sender has ended */
#define MT_SIGMA_TIME_MAX (UINT64_C(1) << 62) /* later ones are refused; a timespan more can't run over */

struct mt_sigma_sender {
    struct mt_span sensor; /* at most 255 bytes; the rest is cut */
    uint64_t run;          /* any number that no other run has */
    uint64_t number;       /* of the message before; 0 to begin with */
};

typedef void mt_sigma_event_out_fn(void *ctx, struct mt_span key, struct mt_span event);

struct mt_sigma_written {
    uint32_t events;
    uint32_t lost;  /* there was no room */
    uint32_t stale; /* what correlations would have got that are not of these rules */
};

/* The events of a feed that was packed for these rules (or for others: what these
 * don't have is left out). Names of keys, which are for people, are left out where
 * all would not fit. */
struct mt_sigma_written mt_sigma_event_write(const struct mt_sigma *sigma, struct mt_sigma_sender *sender,
                                             struct mt_span feed, mt_sigma_event_out_fn *out, void *ctx);

/* Everything that was over MT_SIGMA_SLACK before time has been sent. */
void mt_sigma_mark_write(struct mt_sigma_sender *sender, uint64_t time, struct mt_buf *ret_mark);

enum mt_sigma_message_kind {
    MT_SIGMA_MESSAGE_EVENT = 1,
    MT_SIGMA_MESSAGE_MARK = 2,
    MT_SIGMA_MESSAGE_STATE = 3, /* of whoever judges: not read here */
};

struct mt_sigma_message {
    enum mt_sigma_message_kind kind;
    struct mt_span sensor;
    uint64_t run;
    uint64_t number;
    uint64_t time;        /* MARK */
    uint64_t fingerprint; /* EVENT: of the rules it was made for */
    struct mt_span name;  /* EVENT: a correlation's, for people */
    struct mt_span rest;
};

/* NULL, or why it is none, in a few words. */
const char *mt_sigma_message_read(struct mt_span bytes, struct mt_sigma_message *ret_message);

enum mt_sigma_event_status {
    MT_SIGMA_EVENT_OK,
    MT_SIGMA_EVENT_DAMAGED,
    MT_SIGMA_EVENT_OTHER_RULES, /* made for correlations that say something else, or that are not here */
};

/* The feed of an event, to be given to a correlator of the same rules. ret_feed has
 * room for MT_SIGMA_EVENT_MAX bytes. */
enum mt_sigma_event_status mt_sigma_event_read(const struct mt_sigma *sigma,
                                               const struct mt_sigma_message *message,
                                               struct mt_buf *ret_feed);

#endif
