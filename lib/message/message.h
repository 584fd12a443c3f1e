/* Content octets (after dot-unstuffing) to header events; RFC 5322 §2.2, RFC
 * 2047. The same contract as the smtp parsers, but the state keeps its own
 * bounded line buffer, because a folded field can span many segments: every
 * byte is always consumed.
 *
 * Ownership: state is the caller's; spans live for the call. Thread: one.
 * Limits: MT_MESSAGE_FIELD_MAX octets a field (the rest is dropped, flagged),
 * MT_MESSAGE_HEADER_MAX octets a header, then the body is assumed.
 */
#ifndef MT_MESSAGE_MESSAGE_H
#define MT_MESSAGE_MESSAGE_H

#include "base/anomaly.h"
#include "base/buf.h"
#include "base/net.h"

#define MT_MESSAGE_FIELD_MAX 2000u
#define MT_MESSAGE_HEADER_MAX (256u * 1024u)

/* 2032 bytes, an arena block of 2048; needed only while the header lasts. */
struct mt_message_header {
    uint32_t bytes;      /* of the header so far */
    uint16_t field_size; /* bytes of the current field in field[] */
    uint8_t state;
    uint8_t flags;
    uint8_t field[MT_MESSAGE_FIELD_MAX];
    uint8_t spare[24];
};

struct mt_message_events {
    /* One field, unfolded (each CRLF before a blank removed), value trimmed. Behind the
     * name stands the colon, or a blank that should not be there. */
    void (*field)(void *ctx, struct mt_span name, struct mt_span value, bool is_cut);
    void (*anomaly)(void *ctx, enum mt_anomaly anomaly);
};

/* Sets up state (only the first 8 bytes are written). */
void mt_message_header_start(struct mt_message_header *header);

/* Takes bytes until the header ends. True: more header may come. False: the
 * header has ended in these bytes (an empty line, a line that is no field, or
 * the limit) and its last field was given out; the state may be thrown away. */
bool mt_message_header_parse(struct mt_message_header *header, struct mt_span bytes,
                             const struct mt_message_events *events, void *ctx);

/* The same, and how many of the bytes belong to the header, with the empty line
 * and with a line that is no field. Of a CR that ends bytes it is not known
 * whether it is the empty line's; it counts. */
bool mt_message_header_parse_to(struct mt_message_header *header, struct mt_span bytes,
                                const struct mt_message_events *events, void *ctx, size_t *ret_taken);

/* Right behind start: the header is that of a part, which a line that begins with
 * '-' ends too, because it is a boundary. */
void mt_message_header_is_part(struct mt_message_header *header);

/* The content ended: gives out the field in progress. */
void mt_message_header_finish(struct mt_message_header *header, const struct mt_message_events *events,
                              void *ctx);

/* Splits an address list (RFC 5322 §3.4: quoted strings, comments, groups,
 * route-addrs) into mailboxes, in order: each text is one mailbox as it stood,
 * blanks trimmed. Returns how many there are; only the first count_max are
 * stored. */
size_t mt_message_split_mailboxes(struct mt_span value, struct mt_span *ret_mailboxes, size_t count_max);

/* Charset conversion that this module does not do itself: appends to ret_utf8
 * and returns true. What it appended is taken back when it returns false or
 * gave something other than UTF-8.
 * Called for charsets other than UTF-8, US-ASCII, ISO-8859-1 and -15 and
 * windows-1252. */
typedef bool mt_message_convert(void *ctx, struct mt_span charset, struct mt_span bytes,
                                struct mt_buf *ret_utf8);

/* RFC 2047: appends value with its encoded words decoded to UTF-8 (adjacent
 * words joined, multi-byte characters split over words of the same charset
 * repaired). Words that can't be decoded stay as they stood. Output is always
 * valid UTF-8: other bytes above 127 become U+FFFD. convert may be NULL. */
void mt_message_decode_words(struct mt_span value, mt_message_convert *convert, void *convert_ctx,
                             struct mt_buf *ret_utf8);

/* The value of a tag of DKIM-Signature, ARC-Seal and their like (RFC 6376 §3.2,
 * RFC 8617 §4.1), absent when there is none. Linear in the value. */
struct mt_span mt_message_tag(struct mt_span value, const char *name);

/* --- trace ------------------------------------------------------------------ */

/* A Received field in its parts; absent is what it does not say. The texts are
 * spans of it. */
struct mt_message_hop {
    struct mt_span from_name; /* what the sender called itself (HELO) */
    struct mt_span from_host; /* what the receiver found its address to be called */
    struct mt_ip from_ip;     /* family 0: none */
    struct mt_span by;
    struct mt_span with;
    struct mt_span id;
    struct mt_span recipient; /* "for", without angle brackets */
    int64_t seconds;          /* of its date, since the epoch, UTC */
    bool has_date;
    bool has_impossible_ip; /* four numbers of which one is above 255 */
};

/* RFC 5321 §4.4, and the forms of Postfix, Sendmail, Exim, Exchange, qmail, Gmail,
 * Courier and OpenSMTPD. Whatever stands there gives some hop, if only an empty
 * one. Linear in the value, but for quotes and brackets that never close. */
void mt_message_parse_received(struct mt_span value, struct mt_message_hop *ret_hop);

/* A date (RFC 5322 §3.3, §4.3) from 1900 on, in seconds since 1970 UTC, and what
 * stands behind it. False: it is none, or says no zone that can be trusted. */
bool mt_message_parse_date(struct mt_span text, int64_t *ret_seconds, struct mt_span *ret_rest);

#endif
