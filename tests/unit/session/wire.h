/* One connection as the stream module would hand it to the session: bytes in
 * segments, refused bytes that wait and are offered again, gaps, the end. What
 * comes out is written down.
 *
 * Ownership: wire_fini. Thread: one. Limits: none.
 */
#ifndef TESTS_SESSION_WIRE_H
#define TESTS_SESSION_WIRE_H

#include "session/session.h"
#include "text.h"

struct wire_site {
    struct mt_prefix home[4];
    struct mt_prefix relays[4];
    struct mt_span domains[8];
    struct mt_span persons[4];
    struct mt_site site;
};

/* What dumps leave out, of the last record. */
struct wire_times {
    uint64_t greeting, helo, mail, rcpt, silence, data, content;
    uint64_t octets_greeting, opening_commands, opening_replies, commands, replies;
    char client[17]; /* fingerprints; "" when absent */
    char server[17];
};

struct wire {
    struct mt_stats *stats;
    struct mt_arena *arena;
    struct mt_offers_board *board;
    struct mt_offers *offers;
    struct mt_session_engine *engine;
    struct mt_session *session;
    struct mt_session_open open;
    struct mt_mark mark;
    struct text waiting[MT_SIDE_COUNT];
    struct text dump;         /* the record */
    struct text observations; /* in the order of their making */
    struct text events;       /* commands and replies, a line each */
    struct text shown;        /* everything that a transcript shows */
    unsigned records;
    unsigned observed;
    size_t used_max; /* of the arena */
    struct wire_times times;
    uint64_t latency; /* of the last reply that was told */
};

void wire_site_init(struct wire_site *site);
void wire_site_home(struct wire_site *site, const char *prefix);
void wire_site_relay(struct wire_site *site, const char *prefix);
void wire_site_domain(struct wire_site *site, const char *domain);
void wire_site_person(struct wire_site *site, const char *name);

/* site and limits may be NULL. The session is open to 192.0.2.25:25 from
 * 203.0.113.5:40000 unless `open` says otherwise. */
void wire_init(struct wire *wire, const struct wire_site *site, const struct mt_session_limits *limits);
/* What a server answered to EHLO before, on port 25. Once. */
void wire_history(struct wire *wire, struct mt_ip server, unsigned answers, unsigned offered);
/* Has commands and replies told, which costs memory. */
void wire_want_events(struct wire *wire);
/* Forgets what came out. */
void wire_clear(struct wire *wire);
void wire_open(struct wire *wire, const struct mt_session_open *open);
void wire_segment(struct wire *wire, enum mt_side side, struct mt_span bytes);
/* A whole line, CRLF added: "C: NOOP" or "S: 250 Ok". */
void wire_line(struct wire *wire, const char *line);
/* Several, each in a segment of its own; NULL ends them. */
void wire_lines(struct wire *wire, const char *const *lines);
void wire_gap(struct wire *wire, enum mt_side side, uint64_t size);
/* SYN, SYN-ACK, ACK. */
void wire_handshake(struct wire *wire);
/* A frame without payload. */
void wire_frame(struct wire *wire, enum mt_side side);
/* Aborts when the arena does not get everything back. */
void wire_close(struct wire *wire, enum mt_session_end end);
void wire_fini(struct wire *wire);

struct mt_ip wire_ip(const char *text);

#endif
