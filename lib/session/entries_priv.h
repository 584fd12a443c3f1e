/* What a session remembers: entries, packed one behind the other in blocks of the arena, because a
 * million open sessions have to fit 512 MiB. One behind its EHLO is its struct and a block of 192 bytes.
 *
 * Ownership: the session's blocks. Thread: the engine's. Limits: struct
 * mt_session_limits.bytes_max a session.
 */
#ifndef MT_SESSION_ENTRIES_PRIV_H
#define MT_SESSION_ENTRIES_PRIV_H

#include "base/net.h"
#include "smtp/smtp.h"

#define MT_PACKED __attribute__((packed))

enum mt_tag {
    MT_TAG_TUPLE6,
    MT_TAG_OUTER,
    MT_TAG_BANNER,
    MT_TAG_REFUSAL,
    MT_TAG_HELO,
    MT_TAG_EXTENSIONS,
    MT_TAG_AUTH,
    MT_TAG_USER,
    MT_TAG_PROBE,
    MT_TAG_MAIL,
    MT_TAG_DONE,
    MT_TAG_RCPT,
    MT_TAG_FIELD,
    MT_TAG_HEADER,
    MT_TAG_TOTAL,
    MT_TAG_PART,
    MT_TAG_BODY,
    MT_TAG_URL,
    MT_TAG_REPLY,
    MT_TAG_LINE,
    MT_TAG_TLS_CLIENT,
    MT_TAG_TLS_SERVER,
    MT_TAG_TLS_CERTIFICATE,
    MT_TAG_TLS_ALERT,
    MT_TAG_PROXY,
    MT_TAG_LOOK_ALIKE,
    MT_TAG_OPENING,
    MT_TAG_CHUNK,
    MT_TAG_OCTETS,
    MT_TAG_HISTORY,
    MT_TAG_PAIR, /* a mt_entry_history of client and server */
    MT_TAG_PHASES,
};

struct mt_entry {
    uint8_t tag;
    uint16_t size; /* with this head and the text behind the entry's struct */
} MT_PACKED;

/* Addresses of an IPv6 connection; those of IPv4 lie in the session. */
struct mt_entry_tuple6 {
    struct mt_entry head;
    uint8_t address[MT_SIDE_COUNT][16];
} MT_PACKED;

/* What the packet that opened the session was wrapped in, packed (outer.c). */
struct mt_entry_outer {
    struct mt_entry head;
    uint8_t text[];
} MT_PACKED;

/* A line of the greeting. */
struct mt_entry_banner {
    struct mt_entry head;
    uint16_t code;
    uint8_t text[];
} MT_PACKED;

struct mt_entry_refusal {
    struct mt_entry head;
    uint16_t code;
    uint8_t text[];
} MT_PACKED;

struct mt_entry_helo {
    struct mt_entry head;
    uint8_t verb;
    uint8_t kind;      /* enum mt_helo_kind */
    uint32_t findings; /* bit n = test h(n+1) */
    uint16_t before;   /* octets of replies before it: the greeting */
    uint8_t text[];    /* the name */
} MT_PACKED;

/* Lines of an EHLO reply: each a byte, enum mt_smtp_keyword; when its top bit is set a size in one byte and
 * a text follow: the parameters, or the whole line when the keyword is none of the list. */
struct mt_entry_extensions {
    struct mt_entry head;
    uint8_t is_first; /* of an EHLO reply */
    uint8_t text[];
} MT_PACKED;
#define MT_EXTENSION_HAS_TEXT 0x80u
#define MT_EXTENSION_TEXT_MAX 255u

struct mt_entry_auth {
    struct mt_entry head;
    uint8_t outcome; /* enum mt_auth_outcome */
    uint32_t reply;
    uint8_t text[]; /* the mechanism */
} MT_PACKED;

/* The user of the AUTH entry before it. */
struct mt_entry_user {
    struct mt_entry head;
    uint8_t text[];
} MT_PACKED;

struct mt_entry_probe {
    struct mt_entry head;
    uint8_t verb;
    uint8_t argument; /* offset in text */
    uint32_t reply;
    uint64_t time;
    uint8_t text[]; /* the line */
} MT_PACKED;

/* Where the address stands in the text of MAIL and RCPT entries; the domain is
 * its end. */
struct mt_place {
    uint8_t off;
    uint16_t size;   /* MT_PLACE_NONE: there is no address */
    uint16_t domain; /* MT_PLACE_NONE: it has no domain */
} MT_PACKED;
#define MT_PLACE_NONE UINT16_MAX

/* enum for mt_entry_mail.flags */
enum {
    MT_TX_SMTPUTF8 = 1 << 0, /* asked for, so that 8-bit recipients are fine (RFC 6531 §3.4) */
    MT_TX_GAP = 1 << 1,      /* bytes are missing that may have belonged to it */
    MT_TX_DATA = 1 << 2,     /* content came by DATA */
    MT_TX_BDAT = 1 << 3,     /* by BDAT */
    MT_TX_CONTENT = 1 << 4,  /* content began */
    MT_TX_CONTENT_END = 1 << 5,
    MT_TX_ACCEPTED = 1 << 6, /* a recipient was */
    MT_TX_REJECTED = 1 << 7,
    MT_TX_DEFERRED = 1 << 8,
    MT_TX_ANONYMOUS = 1 << 9, /* its MAIL was never seen */
    MT_TX_FORM_KNOWN = 1 << 10,
    MT_TX_FORM_SHIFT = 11, /* three bits: enum mt_relay_form of the sender */
};

struct mt_entry_mail {
    struct mt_entry head;
    uint16_t flags;
    uint16_t kept; /* recipients with an entry */
    uint32_t reply;
    uint64_t start;
    struct mt_entry_done *done;
    struct mt_place place;
    uint8_t text[]; /* the line from the path on */
} MT_PACKED;

enum mt_tx_end {
    MT_TX_OPEN = 0,
    MT_TX_END_REPLY, /* the final reply, or a refusal */
    MT_TX_END_RESET,
    MT_TX_END_QUIT,
    MT_TX_END_GAP,
};

/* What a transaction needs only from its content or its end on. */
struct mt_entry_done {
    struct mt_entry head;
    uint8_t closed; /* enum mt_tx_end */
    uint32_t final; /* the message's reply */
    uint64_t end;
    uint64_t bytes;
    uint32_t unkept;          /* recipients without an entry */
    uint32_t unkept_accepted; /* of these */
    uint8_t latency[2];       /* mt_time_pack: of DATA, of the content's end */
} MT_PACKED;

/* What a proxy says of the client behind it: XCLIENT, XFORWARD. */
struct mt_entry_proxy {
    struct mt_entry head;
    uint8_t verb;
    uint8_t text[]; /* the argument */
} MT_PACKED;

/* mt_entry_rcpt.flags */
enum {
    MT_RCPT_TAINTED = 1 << 0,
    MT_RCPT_PLAIN = 1 << 1, /* its path is (mt_smtp_path.is_plain) */
};

struct mt_entry_rcpt {
    struct mt_entry head;
    uint8_t back;  /* how many MAIL entries lie between it and its own */
    uint8_t flags; /* MT_RCPT_* */
    uint32_t reply;
    uint64_t time;
    struct mt_place place;
    uint8_t text[]; /* the line */
} MT_PACKED;

enum mt_field_kind {
    MT_HEADER_FROM,
    MT_HEADER_TO,
    MT_HEADER_CC,
    MT_HEADER_REPLY_TO,
    MT_HEADER_RECEIVED,
    MT_HEADER_AUTH_RESULTS,
    MT_HEADER_DKIM,
    MT_HEADER_ARC, /* the lists end here */
    MT_HEADER_SUBJECT,
    MT_HEADER_DATE,
    MT_HEADER_MESSAGE_ID,
    MT_HEADER_IN_REPLY_TO,
    MT_HEADER_USER_AGENT,
    MT_HEADER_CONTENT_TYPE,
    MT_HEADER_SENDER,
    MT_HEADER_RETURN_PATH,
    MT_HEADER_LIST_ID,
    MT_HEADER_ORIGINATING_IP,
    MT_HEADER_TWICE, /* from here on no fields, but what was odd: without text, once a message */
    MT_HEADER_TWO_FROM,
    MT_HEADER_MALFORMED,
    MT_HEADER_COUNT,
};
#define MT_HEADER_LISTS (MT_HEADER_ARC + 1)

struct mt_entry_field {
    struct mt_entry head;
    uint8_t back; /* as in RCPT */
    uint8_t kind; /* enum mt_field_kind */
    uint8_t text[];
} MT_PACKED;

/* A field as it stood, for the list of all: path of a message within, name, value. */
struct mt_entry_header {
    struct mt_entry head;
    uint8_t back; /* as in RCPT */
    uint8_t is_cut;
    uint8_t path_size;
    uint8_t name_size;
    uint8_t text[];
} MT_PACKED;

/* A line of the reply that decided over a message. */
struct mt_entry_reply {
    struct mt_entry head;
    const struct mt_entry_mail *tx;
    uint8_t is_first;
    uint8_t text[];
} MT_PACKED;

/* Evidence: the reply to a RCPT, a HELO as it stood. */
struct mt_entry_line {
    struct mt_entry head;
    const void *of; /* that entry */
    uint64_t time;
    uint8_t text[];
} MT_PACKED;

#define mt_entry_text(entry) \
    mt_span((const uint8_t *)(entry) + sizeof(*(entry)), (entry)->head.size - sizeof(*(entry)))

struct mt_block {
    struct mt_block *next; /* of the last block: the first */
    uint16_t size;
    uint16_t used;
    uint16_t last;   /* where the last entry starts */
    uint16_t before; /* size of all blocks before, in units of MT_BLOCK_UNIT */
    uint8_t bytes[];
};
#define MT_BLOCK_UNIT 32u
MT_STATIC_ASSERT(sizeof(struct mt_block) == 16, "of a block of 64 bytes 48 are for entries");

/* A reply in one word: code, class, subject and detail of the enhanced code. 0
 * is no reply. */
static inline uint32_t mt_reply_pack(uint16_t code, struct mt_smtp_enhanced enhanced)
{
    uint32_t class = enhanced.class == 0 ? 0 : enhanced.class == 2 ? 1 : enhanced.class - 2u;
    return code | class << 10 | (uint32_t)enhanced.subject << 12 | (uint32_t)enhanced.detail << 22;
}

static inline uint16_t mt_reply_code(uint32_t reply)
{
    return reply & 0x3ff;
}

static inline unsigned mt_reply_class(uint32_t reply)
{
    return mt_reply_code(reply) / 100;
}

/* "5.7.1"; nothing when the reply had no enhanced code. */
void mt_reply_put_enhanced(struct mt_buf *b, uint32_t reply);

static inline struct mt_span mt_probe_argument(const struct mt_entry_probe *probe)
{
    return probe->argument == 0 ? mt_span_none()
                                : mt_span_trim(mt_span_from(mt_entry_text(probe), probe->argument));
}

#endif
