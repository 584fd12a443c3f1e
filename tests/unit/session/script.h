/* Golden conversations: tests/golden/session/NAME.txt.
 *
 *   # a comment
 *   client 203.0.113.5 40000      who talks; server likewise
 *   midstream                     the start was not captured
 *   home 192.0.2.0/24             the site; also relay PREFIX, domain NAME, person NAME
 *   limit recipients 2            also transactions probes auths outstanding text bytes message
 *   history 10 9                  so many answers to EHLO before, and how many of them offered STARTTLS
 *   secret TEXT                   must not appear in anything that comes out
 *   C: EHLO client.example        a line; \r \n \t \\ \0 \xNN; a last \ leaves the CRLF out
 *   S: 250 mx.example             lines of one side in a row go in one segment, unless
 *   --                            this stands between them
 *   gap C 100                     bytes that are missing
 *   frame C                       a frame without payload
 *   close fin                     rst, timeout, evicted, capture_end
 *   == both                       what comes out; also client_only, server_only
 *
 * Ownership: script_free. Thread: one. Limits: none.
 */
#ifndef TESTS_SESSION_SCRIPT_H
#define TESTS_SESSION_SCRIPT_H

#include "wire.h"

enum script_way {
    SCRIPT_BOTH,
    SCRIPT_CLIENT_ONLY,
    SCRIPT_SERVER_ONLY,
    SCRIPT_WAYS,
};

extern const char *const script_way_names[SCRIPT_WAYS];

struct script_step {
    enum { STEP_BYTES, STEP_GAP, STEP_FRAME } kind;
    enum mt_side side;
    struct text bytes;
    uint64_t size;
};

struct script {
    struct wire_site site;
    bool has_site;
    struct mt_session_limits limits;
    struct mt_session_open open;
    unsigned answers; /* of the server, before */
    unsigned offered;
    struct script_step *steps;
    size_t step_count;
    enum mt_session_end end;
    struct mt_span secrets[8];
    size_t secret_count;
    struct mt_span expected[SCRIPT_WAYS]; /* absent when the file has none */
    char *file;                           /* all the spans point into it */
};

/* Prints what is wrong with the file and aborts. */
void script_load(struct script *script, const char *path);
void script_free(struct script *script);

/* Longest segment of the script. */
size_t script_longest(const struct script *script);

/* An engine with the script's site and limits; the caller ends it. */
void script_wire(const struct script *script, struct wire *wire);

/* Runs it into wire. cut: 0 whole segments; SIZE_MAX one byte at a time; else
 * each segment in two, cut there. */
void script_run(const struct script *script, enum script_way way, size_t cut, struct wire *wire);

#endif
