/* Puts a conversation through both SMTP parsers as a session would (a line
 * carry for each direction, modes that follow the replies) and writes down what
 * they say, one line an event. What is written does not depend on how the bytes
 * were cut: neighbouring content events are one.
 *
 * Any breach of the parsers' contract aborts, so that the same code serves unit
 * tests, golden dialogues and fuzz targets.
 */
#ifndef TESTS_SMTP_REPLAY_H
#define TESTS_SMTP_REPLAY_H

#include "base/net.h"
#include "message/message.h"
#include "smtp/smtp.h"

/* Where each span that a parser sees is put. */
enum replay_place {
    REPLAY_HEAP,  /* a block of its exact size, for AddressSanitizer */
    REPLAY_END,   /* its last byte lies before an unmapped page */
    REPLAY_START, /* its first byte lies behind an unmapped page */
};

struct replay_text {
    char *ptr; /* zero-terminated once anything was put */
    size_t size;
    size_t cap;
};

struct replay {
    enum replay_place place;
    struct mt_smtp_client client;
    struct mt_smtp_server server;
    struct replay_text kept[MT_SIDE_COUNT]; /* bytes that their parser has not taken yet */

    /* Commands without a reply, oldest first, and what they wait for. */
    enum replay_due { REPLAY_DUE_REPLY, REPLAY_DUE_354, REPLAY_DUE_AUTH, REPLAY_DUE_TLS } due[64];
    size_t due_first;
    size_t due_count;

    /* What follows HOLD, a mode for each time, when no server is replayed. */
    struct mt_span holds;
    size_t hold;

    struct mt_message_header header;
    bool is_header_open;  /* it may go on */
    bool is_message_open; /* its last content is yet to come */
    bool is_last_chunk;
    uint64_t content_size;   /* of the content or chunk in progress */
    struct mt_octets octets; /* of the content in progress */

    struct replay_text content; /* not written down yet */
    struct replay_text fields;  /* of the open message, written down behind it */
    struct replay_text log;
};

void replay_start(struct replay *r, enum replay_place place);
void replay_free(struct replay *r);

void replay_bytes(struct replay *r, enum mt_side side, struct mt_span bytes);

/* The turn of one side is over: client bytes that wait are offered again. */
void replay_turn(struct replay *r);

void replay_gap(struct replay *r, enum mt_side side, uint64_t size);

/* The session decides on evidence. */
void replay_mode(struct replay *r, enum mt_smtp_client_mode mode);

/* No more bytes will come; the log is complete then. */
void replay_end(struct replay *r);

/* bytes as they stand in logs and dialogues: UTF-8, other bytes escaped. */
void replay_put_escaped(struct replay_text *text, struct mt_span bytes);
void replay_put(struct replay_text *text, const char *format, ...) MT_PRINTF(2, 3);
void replay_put_bytes(struct replay_text *text, struct mt_span bytes);

/* Prints the reason and aborts. */
void replay_broken(const char *format, ...) MT_PRINTF(1, 2) __attribute__((noreturn));

#endif
