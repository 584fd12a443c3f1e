/* Joins both directions' events of one connection into one record, and
 * computes facts: HELO findings, relay facts, verdicts, outcomes.
 *
 * Replies are bound to commands by one FIFO (DESIGN rule 2). What a command may
 * do in which state is one default-deny table. Everything that a record needs
 * is kept as tagged entries in a chain of arena blocks; the record is built
 * once, at the end.
 *
 * Ownership: the engine owns its sessions; records and observations are lent
 * for the call. Thread: one engine per worker. Limits: struct
 * mt_session_limits; what they cut is named in smtp.truncated, counts stay
 * exact.
 */
#ifndef MT_SESSION_SESSION_H
#define MT_SESSION_SESSION_H

#include "base/anomaly.h"
#include "base/mark.h"
#include "base/outer.h"
#include "base/site.h"
#include "dns/table.h"
#include "memory/arena.h"
#include "message/mime.h"
#include "record/file.h"
#include "record/observation.h"
#include "record/record.h"
#include "session/offers.h"
#include "smtp/smtp.h"
#include "stats/stats.h"

/* How much of a message is looked at. */
enum mt_message_level {
    MT_MESSAGE_DEFAULT,
    MT_MESSAGE_HEADERS, /* its header */
    MT_MESSAGE_FULL,    /* and the tree of its parts: the default */
    MT_MESSAGE_LINES,   /* and how long its lines are, and how they end */
};

/* What is made of what parts hold; with any of them it is decoded, and the test
 * marker looked for. All of them need MT_MESSAGE_FULL. */
enum mt_content {
    MT_CONTENT_MD5 = 1 << 0,
    MT_CONTENT_SHA256 = 1 << 1,
    MT_CONTENT_URLS = 1 << 2, /* of text */
    MT_CONTENT_MARKER = 1 << 3,
    MT_CONTENT_MAGIC = 1 << 4,   /* needs mt_session_config.magic */
    MT_CONTENT_EXTRACT = 1 << 5, /* needs mt_session_config.extract */
};

/* Octets from the start of a part that tell its kind. */
#define MT_SESSION_HEAD_MAX 1024u

/* Who tells it, asked while the part passes and, for the answer, when the record is
 * made. As magic/magic.h. */
struct mt_session_magic {
    uint32_t (*ask)(void *ctx, struct mt_span head);   /* 0: nobody has time */
    const char *(*answer)(void *ctx, uint32_t ticket); /* NULL: not known; lives as long as ctx */
    void *ctx;
};

/* Who writes messages and parts to files: called while they pass, must not wait.
 * As extract/extract.h. */
struct mt_session_extract {
    uint32_t (*begin)(void *ctx, const struct mt_record_file *file); /* 0: it is not written */
    void (*put)(void *ctx, uint32_t file, struct mt_span bytes);
    void (*end)(void *ctx, uint32_t file, bool is_whole);
    void *ctx;
};

struct mt_session_limits {
    uint32_t transactions_max; /* 0: 256 kept per session */
    uint32_t recipients_max;   /* 0: 128 kept per transaction */
    uint32_t probes_max;       /* 0: 128 of VRFY and of EXPN */
    uint32_t auths_max;        /* 0: 32 */
    uint32_t outstanding_max;  /* 0: 1024 commands without a reply */
    uint32_t text_max;         /* 0: 512 bytes kept of a reply or header text */
    uint32_t bytes_max;        /* 0: 64 KiB kept per session */
    uint32_t helo_threshold;   /* 0: 5 points: an observation is made from here on */
    uint32_t header_max;       /* fields kept of each message's header, whatever they are; 0: none */
    enum mt_message_level message_level;
    uint32_t content; /* bits of enum mt_content */
};

enum mt_session_end {
    MT_SESSION_END_QUIT, /* made of FIN, RST or capture end after QUIT was answered */
    MT_SESSION_END_FIN,
    MT_SESSION_END_RST,
    MT_SESSION_END_TIMEOUT,
    MT_SESSION_END_EVICTED,
    MT_SESSION_END_CAPTURE_END,
};

/* One line of the conversation, for `mailtap dialogue`. */
enum mt_transcript_kind {
    MT_TRANSCRIPT_LINE,    /* a command, a reply line or, with content wanted, a content line */
    MT_TRANSCRIPT_SECRET,  /* an AUTH response: text is absent */
    MT_TRANSCRIPT_CONTENT, /* count content octets were here */
    MT_TRANSCRIPT_GAP,     /* count bytes are missing here */
    MT_TRANSCRIPT_OPAQUE,  /* TLS from here on */
    MT_TRANSCRIPT_ANOMALY, /* text is the anomaly's name */
};

struct mt_session;

struct mt_session_events {
    /* For the call; the receiver may change it. */
    void (*record)(void *ctx, struct mt_record_session *record);
    void (*observation)(void *ctx, const struct mt_observation *observation);
    /* Called when mt_session_engine_want says so. known: of the session by now,
     * with the time of the event as its event_end. */
    void (*command)(void *ctx, const struct mt_session *session, const struct mt_record_session *known,
                    const struct mt_record_command *command);
    void (*reply)(void *ctx, const struct mt_session *session, const struct mt_record_session *known,
                  const struct mt_record_reply *reply);
    /* NULL unless wanted. event_id names the session. */
    void (*transcript)(void *ctx, const struct mt_session *session, enum mt_transcript_kind kind,
                       enum mt_side side, struct mt_span text, uint64_t count, const struct mt_mark *mark);
};

struct mt_session_config {
    struct mt_session_limits limits;
    const struct mt_site *site;       /* borrowed */
    const struct mt_dns_table *names; /* borrowed; NULL: nothing is said of names */
    struct mt_offers *offers;         /* borrowed; NULL: nothing is known of what servers offered */
    struct mt_span observer_name;     /* borrowed */
    const char *observer_version;
    mt_message_convert *convert; /* for RFC 2047 words; may be NULL */
    void *convert_ctx;
    struct mt_session_magic magic;     /* copied; zeros: none */
    struct mt_session_extract extract; /* likewise */
    uint32_t sessions_max;             /* 0: 1 Mi */
    bool is_long_run;                  /* nobody may wait later for tables that may never be needed */
};

struct mt_session_engine;

int mt_session_engine_create(const struct mt_session_config *config, struct mt_arena *arena,
                             const struct mt_session_events *events, void *ctx, struct mt_stats *stats,
                             struct mt_session_engine **ret_engine);
void mt_session_engine_destroy(struct mt_session_engine *engine);

/* Another site (borrowed) and threshold from here on. What sessions have judged
 * stays as it was. */
void mt_session_engine_reload(struct mt_session_engine *engine, const struct mt_site *site,
                              uint32_t helo_threshold);

/* Which events are handed out from here on; none at first. */
enum mt_session_wants {
    MT_SESSION_WANTS_COMMANDS = 1 << 0,
    MT_SESSION_WANTS_REPLIES = 1 << 1,
};
void mt_session_engine_want(struct mt_session_engine *engine, unsigned wants);

/* What is known when a connection gets its session. */
struct mt_session_open {
    struct mt_tuple tuple; /* src is the client */
    struct mt_mark first;  /* the first packet, also one seen before the session was made */
    bool is_midstream;
    uint16_t vlan;          /* or MT_VLAN_NONE's value 0xffff */
    const uint8_t *mac_src; /* of the client's side, NULL when unknown; copied */
    const uint8_t *mac_dst;
    const struct mt_outer *outer; /* what the packet is wrapped in, NULL when in nothing; copied */
};

/* NULL when sessions_max or the arena is exhausted. */
struct mt_session *mt_session_open(struct mt_session_engine *engine, const struct mt_session_open *open);

/* The first line that every packet touches: ask for it early. */
static inline void mt_session_prefetch(const void *session)
{
    MT_PREFETCH(session);
    MT_PREFETCH((const char *)session + MT_CACHE_LINE);
}

/* Then, once that line is there, what it leads to: where the next entry goes, and
 * what is needed now and then; before the end of a session all its entries. */
void mt_session_prefetch_kept(const void *session);
void mt_session_prefetch_blocks(const void *session);
/* And of a long chain what lies between its first and its last block. */
void mt_session_prefetch_chain(const void *session);

/* Is the reply that comes next to a VRFY or EXPN that will be observed? A guess. */
bool mt_session_awaits_probe(const struct mt_session *session);

/* A frame of this side, whatever it carries. Called once a frame, before
 * mt_session_data. */
void mt_session_count(struct mt_session *session, enum mt_side side, uint32_t packets, uint64_t wire_bytes,
                      const struct mt_mark *mark);

/* In-order bytes of one side; returns how many were taken. Fewer than given
 * means: what comes next depends on the other side. Of the client, behind DATA,
 * STARTTLS, AUTH and each AUTH response, on the reply; of the server, behind such
 * a reply, on the client's bytes that waited for it. Offer the rest again when
 * the other side has moved. With is_forced everything is taken, on the evidence
 * of the bytes alone. is_queued: the bytes had waited, so the order in time between the
 * two sides is not known. The other functions are those of mt_stream_sink. */
size_t mt_session_data(struct mt_session_engine *engine, struct mt_session *session, enum mt_side side,
                       struct mt_span bytes, const struct mt_mark *mark, bool is_forced, bool is_queued);
void mt_session_gap(struct mt_session_engine *engine, struct mt_session *session, enum mt_side side,
                    uint64_t size, const struct mt_mark *mark);
void mt_session_anomaly(struct mt_session_engine *engine, struct mt_session *session, enum mt_anomaly anomaly,
                        const struct mt_mark *mark);

/* Writes the record (unless the connection never carried a payload byte and
 * its handshake is incomplete) and frees the session. */
void mt_session_close(struct mt_session_engine *engine, struct mt_session *session, enum mt_session_end end);

/* Of a connection that is no mail by its port: is it by what was said? A greeting
 * alone is not enough, other protocols greet with 220 too: the client has to say
 * HELO, or what only SMTP has. */
enum mt_session_guess {
    MT_SESSION_UNDECIDED,
    MT_SESSION_MAIL,
    MT_SESSION_OTHER,
};
enum mt_session_guess mt_session_guess(const struct mt_session *session);

/* Frees the session without a record. */
void mt_session_drop(struct mt_session_engine *engine, struct mt_session *session);

/* For the transcript. */
struct mt_span mt_session_event_id(const struct mt_session *session);
void mt_session_tuple(const struct mt_session *session, struct mt_tuple *ret_tuple);

#endif
