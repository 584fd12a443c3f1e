/* Bytes of one direction of an SMTP connection to command, reply, content and
 * anomaly events. RFC 5321, 1870, 1652, 3030, 3461, 6531, 2034, 4954, 3207.
 *
 * Two parsers, client (commands and content) and server (replies). Which of
 * the client's modes holds depends on the server's replies, so the session sets
 * it: this module only looks at bytes. The contract is that of base/parse.h:
 * on MT_PARSE_MORE the caller keeps the unconsumed tail (at most
 * MT_SMTP_LINE_MAX bytes: beyond that the parser cuts the line itself) and
 * gives it again with more bytes behind it.
 *
 * Ownership: state is the caller's, zeroed at start; spans live for the call.
 * Thread: one. Limits: below.
 */
#ifndef MT_SMTP_SMTP_H
#define MT_SMTP_SMTP_H

#include "base/anomaly.h"
#include "base/octets.h"
#include "base/parse.h"
#include "base/span.h"

/* Longest line, with its line end, that is given out whole: RFC 4954 §4 asks
 * 12288 octets for AUTH. A longer one is given out cut, with its first
 * MT_SMTP_LINE_MAX bytes, and the rest is skipped to the next LF. */
#define MT_SMTP_LINE_MAX 12288u
/* ESMTP parameters reported of one MAIL or RCPT. */
#define MT_SMTP_PARAMETERS_MAX 24u

enum mt_smtp_verb {
#define MT_VERB(name, wire, field, flags) MT_VERB_##name,
#include "smtp/verbs.def"
#undef MT_VERB
    MT_VERB_COUNT,
};

enum mt_smtp_keyword {
    MT_KEYWORD_OTHER = 0,
#define MT_KEYWORD(name, wire) MT_KEYWORD_##name,
#include "smtp/keywords.def"
#undef MT_KEYWORD
    MT_KEYWORD_COUNT,
};

/* flags of verbs.def */
enum {
    MT_VERB_ARG_NEEDED = 1 << 0,
    MT_VERB_ARG_NONE = 1 << 1,
    MT_VERB_OBSOLETE = 1 << 2,
    MT_VERB_GROUP_END = 1 << 3,
};

unsigned mt_smtp_verb_flags(enum mt_smtp_verb verb);
const char *mt_smtp_verb_wire(enum mt_smtp_verb verb);  /* "MAIL" */
const char *mt_smtp_verb_field(enum mt_smtp_verb verb); /* "mail" */
enum mt_smtp_verb mt_smtp_verb_of(struct mt_span word); /* ASCII case ignored */

enum mt_smtp_keyword mt_smtp_keyword_of(struct mt_span word);
const char *mt_smtp_keyword_wire(enum mt_smtp_keyword keyword); /* "" for OTHER */

/* --- client --------------------------------------------------------------- */

enum mt_smtp_client_mode {
    MT_SMTP_COMMAND, /* lines are commands; the state after zeroing */
    MT_SMTP_AUTH,    /* the next line is an AUTH response: given out as such, never as a command */
    MT_SMTP_CONTENT, /* after 354: content to the final dot */
    MT_SMTP_CHUNK,   /* inside a BDAT chunk, by count; the parser sets and leaves it by itself */
    MT_SMTP_HOLD,    /* waiting for the other side: nothing is consumed, MT_PARSE_WAIT */
    MT_SMTP_OPAQUE,  /* TLS or given up: everything is consumed in silence */
};

enum mt_smtp_look_alike {
#define MT_LOOK_ALIKE(NAME, name) MT_LOOK_ALIKE_##NAME,
#include "smtp/look_alikes.def"
#undef MT_LOOK_ALIKE
};

/* "lf.crlf" */
const char *mt_smtp_look_alike_name(enum mt_smtp_look_alike look_alike);

/* 24 bytes */
struct mt_smtp_client {
    uint64_t
        chunk_left; /* octets of the current BDAT chunk still to come; of DATA content: of its line so far */
    uint64_t content_bytes; /* given out of this DATA content or of this chunk so far */
    uint8_t mode;           /* enum mt_smtp_client_mode; set with mt_smtp_client_set_mode */
    uint8_t tail;           /* content: how much of CR LF . CR was seen at the end of the last span */
    uint8_t flags;
    uint8_t owner[5]; /* whoever holds the parser; the parser leaves them alone */
};

struct mt_smtp_command {
    enum mt_smtp_verb verb;
    struct mt_span line;     /* without its line end; cut at MT_SMTP_LINE_MAX */
    uint32_t octets;         /* of the line with its line end, as far as it is there */
    struct mt_span word;     /* the verb as it stood */
    struct mt_span argument; /* behind the verb, blanks trimmed at both ends */
    bool has_odd_blanks;     /* a tab or several blanks behind a known verb, or blanks at the line's end */
    bool is_odd;             /* the line holds bytes that are no printable ASCII */
    uint64_t chunk_size;     /* BDAT */
    bool chunk_last;         /* BDAT ... LAST */
    bool chunk_valid;        /* the BDAT argument was well-formed; else no octets follow */
};

struct mt_smtp_client_events {
    /* A whole command line, an empty one too (verb UNKNOWN), since servers
     * answer each. The callee may change the mode of the parser (to HOLD after
     * DATA, to AUTH, ...); it holds from the next byte on. Octets of a valid
     * BDAT follow as content, unless the callee changes the mode. */
    void (*command)(void *ctx, const struct mt_smtp_command *command);
    /* A line in mode AUTH; octets: with its line end. The parser has gone back to MT_SMTP_COMMAND before
     * the call; the callee sets AUTH again if another 334 is expected. */
    void (*auth_response)(void *ctx, struct mt_span line, uint32_t octets);
    /* Content octets: DATA content with stuffing dots removed and without the
     * final dot line, or octets of a BDAT chunk. */
    void (*content)(void *ctx, struct mt_span bytes);
    /* CRLF.CRLF was seen, or the current chunk is complete (at once for a chunk
     * of size 0). The parser is back in MT_SMTP_COMMAND; the callee may change
     * that. */
    void (*content_end)(void *ctx, bool is_chunk);
    /* A sequence in DATA content that another server may take for its end; off is
     * the octets of content before the line end behind the dot, or between the two
     * of CRLF. What follows is given out as content. May be NULL. */
    void (*look_alike)(void *ctx, enum mt_smtp_look_alike look_alike, uint64_t off);
    /* What DATA content holds that it should not, as it was sent: behind the
     * content events of the octets that are counted, before content_end, and only
     * when there is any; counts are to be added up. crlf and longest are 0 unless
     * mt_smtp_client_want_lines asks for them. May be NULL. */
    void (*octets)(void *ctx, const struct mt_octets *octets);
    /* What the bytes alone show, before the command or content that it is
     * about: line ends, odd bytes, blanks, unknown and obsolete verbs, missing
     * and unexpected arguments, BDAT, look-alikes of the final dot. Not
     * EIGHT_BIT in RCPT, which the parameters of MAIL allow or forbid. */
    void (*anomaly)(void *ctx, enum mt_anomaly anomaly);
};

/* Any mode but CHUNK, which a BDAT command alone can begin. CONTENT starts a
 * new content at the start of a line. */
void mt_smtp_client_set_mode(struct mt_smtp_client *client, enum mt_smtp_client_mode mode);

/* From the next span on, DATA content is given out in pieces in which a dash that
 * stands behind a line end is always the first octet: who looks for boundaries
 * of parts then need not search. Of BDAT the caller has to split octets itself. */
void mt_smtp_client_want_marks(struct mt_smtp_client *client, bool wants_marks);
/* Of the content that begins now all lines are to be counted, not only those that
 * end oddly, which costs a second look at every octet. Until content_end. */
void mt_smtp_client_want_lines(struct mt_smtp_client *client);
/* Is the piece of content that is being given out cut so? */
bool mt_smtp_client_gives_marks(const struct mt_smtp_client *client);

/* is_forced: no more bytes will come and nothing may be left: a partial line is
 * given out as a line (were there more of it, it would be skipped), HOLD is not
 * honoured (bytes are dropped in silence: the caller decides on evidence before
 * it calls). */
struct mt_parse_result mt_smtp_client_parse(struct mt_smtp_client *client, struct mt_span bytes,
                                            bool is_forced, const struct mt_smtp_client_events *events,
                                            void *ctx);

/* Bytes are missing here; the caller drops the tail that it kept. In COMMAND
 * and AUTH mode the partial line is lost and everything up to the next LF is
 * skipped. In HOLD that is decided by the mode that follows: CONTENT begins
 * within a line then. In CHUNK mode size is counted off chunk_left (what
 * exceeds it belongs to commands: skip to the next LF); no content_end is given
 * out when the chunk ends so, the mode tells. In CONTENT mode the end of
 * content may lie in the gap: the parser stays in CONTENT and the session
 * leaves it on evidence. */
void mt_smtp_client_gap(struct mt_smtp_client *client, uint64_t size);

/* Does this look like the start of a command line rather than of content: MAIL
 * FROM: or RCPT TO:, a verb that takes no argument with its line end, another
 * known verb followed by a blank or line end? A verb followed by ':' is a
 * header field. False when bytes are too few to say so. For evidence decisions. */
bool mt_smtp_looks_like_command(struct mt_span bytes);

/* --- server --------------------------------------------------------------- */

/* 8 bytes */
struct mt_smtp_server {
    uint16_t code;  /* of the multi-line reply in progress, 0 between replies */
    uint8_t opaque; /* TLS or given up */
    uint8_t flags;
    uint32_t lines; /* of the reply in progress */
};

struct mt_smtp_enhanced {
    uint8_t class; /* 0: absent; 2, 4, 5 */
    uint16_t subject;
    uint16_t detail;
};

struct mt_smtp_reply_line {
    uint16_t code;                    /* three digits, 0-999 as they stood (DESIGN rule 2) */
    bool is_last;                     /* "250 " or "250" rather than "250-" */
    uint32_t index;                   /* 0 for the first line of a reply */
    struct mt_smtp_enhanced enhanced; /* RFC 2034 */
    struct mt_span line;              /* without its line end */
    uint32_t octets;                  /* with it */
    struct mt_span text;              /* behind code and separator; the enhanced code is still in it */
};

struct mt_smtp_server_events {
    /* One line of a reply. The callee may set server->opaque. A line that is
     * none is REPLY_MALFORMED, and inside a multi-line reply it is given out as
     * text of that reply (its code, never the last line). */
    void (*reply_line)(void *ctx, const struct mt_smtp_reply_line *line);
    void (*anomaly)(void *ctx, enum mt_anomaly anomaly);
};

struct mt_parse_result mt_smtp_server_parse(struct mt_smtp_server *server, struct mt_span bytes,
                                            bool is_forced, const struct mt_smtp_server_events *events,
                                            void *ctx);

/* The partial line and a multi-line reply in progress are lost; skips to the
 * next LF. */
void mt_smtp_server_gap(struct mt_smtp_server *server, uint64_t size);

/* --- arguments ------------------------------------------------------------ */

struct mt_smtp_path {
    struct mt_span address; /* between < and >, quoted parts and source route whole; "" for <> */
    struct mt_span mailbox; /* address without its source route */
    struct mt_span local;   /* before the last @ outside quotes */
    struct mt_span domain;  /* behind it, may be [literal]; absent when there is none */
    bool has_route;         /* @a,@b:user@c */
    bool is_plain;          /* a dot-atom without % and !, @, a host name: no form of relaying */
};

struct mt_smtp_parameter {
    struct mt_span keyword;
    struct mt_span value; /* absent when there is no '=' */
};

struct mt_smtp_mailbox_argument {
    struct mt_smtp_path path;
    struct mt_smtp_parameter parameters[MT_SMTP_PARAMETERS_MAX];
    uint32_t parameter_count; /* reported */
    uint32_t parameters_total;
};

/* Argument of MAIL ("FROM:<...> ...") or RCPT ("TO:<...>"). Liberal: blanks
 * around the colon and missing brackets are anomalies, not errors. False when
 * not even an address can be made out; anomalies are reported either way, each
 * once (events may be NULL). Linear in the argument. */
bool mt_smtp_parse_mailbox(struct mt_span argument, bool is_mail, const struct mt_smtp_client_events *events,
                           void *ctx, struct mt_smtp_mailbox_argument *ret_argument);

/* The queue id in the final reply of a message as the common servers write it:
 * Postfix "queued as 4F2C...", Exim "OK id=1abc-...", Sendmail "4AB... Message
 * accepted for delivery", OpenSMTPD "... Message accepted", qmail "ok ... qp
 * 123", Gmail "OK  id - gsmtp", Exchange "Queued mail for delivery" with
 * "InternalId=". Absent when none is recognised. */
struct mt_span mt_smtp_queue_id(struct mt_span text);

#endif
