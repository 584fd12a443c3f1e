/* The session, its rarely needed extra, and the engine.
 *
 * Ownership: a session owns its arena blocks. Thread: the engine's. Limits:
 * struct mt_session_limits.
 */
#ifndef MT_SESSION_SESSION_PRIV_H
#define MT_SESSION_SESSION_PRIV_H

#include "base/check.h"
#include "memory/pool.h"
#include "session/entries_parts_priv.h"
#include "session/entries_tls_priv.h"
#include "session/flags_priv.h"
#include "session/known_priv.h"
#include "session/session.h"

enum mt_state {
    MT_STATE_CONNECTED, /* the greeting has not been seen */
    MT_STATE_GREETED,
    MT_STATE_REFUSED, /* greeted with a refusal */
    MT_STATE_READY,
    MT_STATE_MAIL,
    MT_STATE_RCPT,
    MT_STATE_DATA, /* from the command to the end of content */
    MT_STATE_BDAT,
    MT_STATE_QUIT,
    MT_STATE_LOST, /* commands are missing: anything may be right */
    MT_STATE_COUNT,
};

#define MT_SMTPS_PORT 465u /* RFC 8314 §3.3: TLS from the first byte on */

/* What a reply is expected for, in FIFO order. */
enum mt_what {
    MT_WHAT_GREETING = MT_VERB_COUNT, /* below: that verb */
    MT_WHAT_CONTENT_END,
    MT_WHAT_AUTH_STEP,
};

enum {
    MT_EXPECT_LAST = 1 << 0,     /* BDAT and BURL: the last chunk */
    MT_EXPECT_UNKEPT = 1 << 1,   /* RCPT: a limit left it out; entry is the transaction */
    MT_EXPECT_TAINTED = 1 << 2,  /* a gap lies between it and its reply, or too near before it */
    MT_EXPECT_REFUSING = 1 << 3, /* HELO, MAIL, RCPT: its reply is the first refusal (chunks: their index) */
};

/* A chunk over 2^48 octets counts as that many: nobody sends it whole. For
 * CONTENT_END its low 16 bits say how many replies will come (RFC 2033 §4.2),
 * the others when it was, in units of 64 us since the session's start; for all
 * that is no chunk it says when the command was sent, in us. */
struct mt_expect {
    void *entry;
    uint64_t what : 8;
    uint64_t flags : 8;
    uint64_t chunk : 48;
};
MT_STATIC_ASSERT(sizeof(struct mt_expect) == 16, "a queue of eight is one arena block of 128");
#define MT_CHUNK_MAX ((UINT64_C(1) << 48) - 1)
#define MT_REPLIES_MASK UINT64_C(0xffff)
#define MT_CONTENT_TIME_SHIFT 16
#define MT_CONTENT_TIME_UNIT 64u

#define MT_SILENCE_MIN MT_SEC

struct mt_carry {
    uint16_t size;
    uint16_t cap; /* of bytes */
    uint8_t bytes[];
};

struct mt_count {
    uint16_t key;
    uint32_t count;
};

/* Replies and commands that nearly every session has are counted in the
 * session; the rest, and what overflows, in extra->counts. */
#define MT_COMMON_COUNT 16
#define MT_KEY_VERB 1000u                         /* keys: 0-999 reply codes, then verbs, then MT_KEY_TEXT */
#define MT_KEY_TEXT (MT_KEY_VERB + MT_VERB_COUNT) /* of each side */
#define MT_KEY_COUNT (MT_KEY_TEXT + MT_SIDE_COUNT)

/* Once a list of what a limit cut. */
enum mt_cut {
#define MT_CUT(name, path) MT_CUT_##name,
#include "session/cuts_priv.def"
#undef MT_CUT
    MT_CUT_COUNT,
};
MT_STATIC_ASSERT(MT_CUT_COUNT <= 32, "one bit each");

/* What most sessions do without, or need only for a while. */
struct mt_extra {
    struct mt_carry *carry[MT_SIDE_COUNT];
    struct mt_message_header *header;
    struct mt_tree *tree;
    struct mt_entry_part *part; /* that passes; NULL when it is not kept */
    struct mt_expect *ring;
    struct mt_count *counts;
    struct mt_entry_mail *outer;            /* the transaction in which a nested MAIL was sent */
    struct mt_entry_helo *helo;             /* the last, when there were several */
    struct mt_entry_auth *auth;             /* the exchange that is going on; NULL when none is kept */
    struct mt_entry_line *first;            /* first line of the current reply, in a block of its own */
    struct mt_tls *tls;                     /* while the handshake lasts */
    struct mt_entry_look_alike *look_alike; /* of this content; NULL when it has none */
    uint64_t missing[MT_SIDE_COUNT];
    uint64_t anomalies[2];
    uint32_t cuts;        /* bit n: enum mt_cut n */
    uint32_t header_seen; /* bit n: enum mt_field_kind n */
    uint16_t ring_cap;
    uint16_t ring_head;
    uint16_t counts_cap;
    uint16_t counts_used;
    uint8_t back; /* as in RCPT, for the open transaction */
    uint8_t outer_back;
    uint8_t lists[MT_HEADER_LISTS]; /* kept of each list but mailboxes and Received */
    uint16_t parts;                 /* of this message */
    uint16_t received;              /* Received fields of this message */
    uint8_t auth_mechanism;
    uint8_t auth_flags;
    uint8_t auths;
    uint16_t probes[2];             /* kept of VRFY and of EXPN */
    uint16_t pipelined;             /* most commands without a reply at a time */
    uint16_t command_size;          /* of the longest command line above its limit; 0: none was */
    uint8_t chunks;                 /* kept of this transaction */
    uint16_t fields;                /* of this message, for the list of all */
    uint16_t header_units;          /* what the list of all took in this session, in MT_HEADER_UNIT octets */
    struct mt_entry_octets *octets; /* of this content; an entry at its end */
};
MT_STATIC_ASSERT(sizeof(struct mt_extra) <= 192, "one arena block");
#define MT_FIRST_SIZE 256u
#define MT_HEADER_UNIT 16u
#define MT_JOINED_SIZE 1024u /* of a block whose tag is MT_FIRST_JOINED: events.c has its text behind */
#define MT_FIRST_JOINED 1u

struct mt_session {
    /* hot: what a packet of content or of a command touches */
    struct mt_smtp_client client;
    struct mt_smtp_server server;
    uint64_t bytes[MT_SIDE_COUNT]; /* on the wire; octets_priv.h */
    struct mt_mark last;
    uint64_t flags;
    uint32_t packets[MT_SIDE_COUNT];
    struct mt_block *block; /* the last; NULL without entries */
    struct mt_extra *extra;
    struct mt_entry_mail *tx; /* open, as the client sees it; NULL when none is kept */
    struct mt_expect head;    /* the oldest command without its reply */
    uint16_t expected;        /* commands without a reply, head included */
    uint8_t state;            /* enum mt_state */
    uint8_t hold;             /* enum mt_smtp_verb: what mode HOLD waits for */
    uint32_t transactions;    /* all of them */
    /* cold */
    uint64_t first;
    struct mt_session_engine *engine;
    uint8_t address[MT_SIDE_COUNT][4];
    uint16_t port[MT_SIDE_COUNT];
    uint8_t family;
    uint8_t starttls_outcome; /* enum mt_starttls_outcome */
    uint16_t starttls_code;
    uint8_t mac[MT_SIDE_COUNT][6];
    uint16_t vlan;
    uint16_t kept_transactions;
    uint8_t common[MT_COMMON_COUNT];
};
MT_STATIC_ASSERT(sizeof(struct mt_session) == 192, "a million sessions have to fit 512 MiB");
MT_STATIC_ASSERT(offsetof(struct mt_session, first) == 128, "packets touch two lines of a session");

enum mt_starttls_outcome {
    MT_STARTTLS_NONE = 0,
    MT_STARTTLS_ESTABLISHED,
    MT_STARTTLS_REFUSED,
    MT_STARTTLS_NO_TLS,
    MT_STARTTLS_INJECTED,
};

enum mt_auth_outcome {
    MT_AUTH_UNANSWERED,
    MT_AUTH_SUCCESS,
    MT_AUTH_FAILURE,
    MT_AUTH_ABORTED,
};

enum mt_helo_kind {
    MT_HELO_KIND_INVALID,
    MT_HELO_KIND_FQDN,
    MT_HELO_KIND_SINGLE_LABEL,
    MT_HELO_KIND_ADDRESS_LITERAL,
    MT_HELO_KIND_BARE_ADDRESS,
};

/* --- the engine ------------------------------------------------------------- */

/* Scratch text: header values while they are decoded. */
#define MT_SCRATCH_SIZE 16384u

struct mt_build;

struct mt_session_engine {
    struct mt_session_limits limits; /* no zeros */
    const struct mt_site *site;
    const struct mt_dns_table *names; /* NULL: nothing is said of them */
    struct mt_offers *offers;         /* NULL: none is known */
    struct mt_others *others;         /* first words of what may be no mail */
    struct mt_other_asker *other;     /* NULL: nobody has asked yet */
    struct mt_known_names known;      /* of the session that is being closed */
    struct mt_arena *arena;
    struct mt_pool *pool;
    struct mt_stats *stats;
    struct mt_session_events events;
    void *ctx;
    unsigned wants; /* bits of enum mt_session_wants */
    struct mt_span observer_name;
    const char *observer_version;
    mt_message_convert *convert;
    void *convert_ctx;
    struct mt_build *build;
    struct mt_observation observation;
    struct mt_tls_memory *tls;
    struct mt_session_magic magic;
    struct mt_session_extract extract;
    const struct mt_session *named; /* whose id event_id is; NULL: nobody's */
    uint8_t event_id[MT_EVENT_ID_SIZE];
    uint8_t scratch[MT_SCRATCH_SIZE];
};

/* What every step needs to know: whose bytes, when. The ctx of all parser
 * events. */
struct mt_run {
    struct mt_session_engine *engine;
    struct mt_session *session;
    const struct mt_mark *mark;
    enum mt_side side;
    bool is_forced;
    bool is_queued;
};

#endif
