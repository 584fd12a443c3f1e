/* Facts that are computed from single lines: HELO findings, forms of relay
 * attempts, what may be said in which state, what a transcript shows. */
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

static bool has(const struct text *text, const char *part)
{
    return text->ptr != NULL && strstr(text->ptr, part) != NULL;
}

static void start(struct wire *wire)
{
    wire_clear(wire);
    wire_open(wire, NULL);
    wire_handshake(wire);
}

/* --- HELO ------------------------------------------------------------------- */

static void each_name_gets_the_findings_that_it_deserves(void **state)
{
    (void)state;
    static const struct {
        const char *name, *kind, *findings;
    } cases[] = {
        {"mail.example.org", "fqdn", NULL},
        {"mail.example.org.", "fqdn", NULL},
        {"a_b.example.org", "fqdn", NULL},
        {"mx10-13.example.org", "fqdn", NULL},
        {"MX.Example.COM", "fqdn", "own_name"},
        {"example.net", "fqdn", "own_name local_domain"},
        {"sub.example.net", "fqdn", "local_domain"},
        {"notexample.net", "fqdn", NULL},
        {"192.0.2.25", "bare_address", "own_ip bare_ip"},
        {"198.51.100.1", "bare_address", "bare_ip"},
        {"2001:db8::1", "bare_address", "bare_ip"},
        {"[203.0.113.5]", "address_literal", NULL},
        {"[198.51.100.1]", "address_literal", "literal_mismatch"},
        {"[IPv6:2001:db8::1]", "address_literal", "literal_mismatch"},
        {"[192.0.2.25]", "address_literal", "own_ip literal_mismatch"},
        {"[10.1.2.3]", "address_literal", "literal_mismatch literal_private"},
        {"[not.an.address]", "invalid", "invalid_syntax"},
        {"host", "single_label", "not_fqdn"},
        {"localhost", "single_label", "not_fqdn localhost"},
        {"localhost.localdomain", "fqdn", "localhost"},
        {"pc.local", "fqdn", "localhost"},
        {"x.invalid", "fqdn", "localhost"},
        {"local.example.org", "fqdn", NULL},
        {"-a.example.org", "invalid", "invalid_syntax"},
        {"a-.example.org", "invalid", "invalid_syntax"},
        {"a..example.org", "invalid", "invalid_syntax"},
        {"a$b.example.org", "invalid", "invalid_syntax"},
        {"1234567890123456789012345678901234567890123456789012345678901234.example.org", "invalid",
         "invalid_syntax"},
        {"host.example.org and more", "fqdn", "spaces_or_control"},
        {"h\xc3\xb6st.example.org", "invalid", "invalid_syntax spaces_or_control"},
        {"host.123", "fqdn", "numeric_tld"},
        {"203-0-113-5.example.org", "fqdn", "dynamic"},
        {"5.113.example.org", "fqdn", "dynamic"},
        {"ip113.203.example.org", "fqdn", NULL},
        {"adsl-17.example.org", "fqdn", "dynamic"},
        {"pool.example.org", "fqdn", "dynamic"},
        {"dynamics.example.org", "fqdn", NULL},
    };
    struct wire_site site;
    struct wire wire;
    unsigned failures = 0;
    wire_site_init(&site);
    wire_site_home(&site, "192.0.2.0/24");
    wire_site_domain(&site, "example.net");
    wire_init(&wire, &site, NULL);
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        char line[256], expected[256];
        start(&wire);
        wire_line(&wire, "S: 220 mx.example.com ESMTP");
        snprintf(line, sizeof(line), "C: HELO %s", cases[i].name);
        wire_line(&wire, line);
        wire_line(&wire, "S: 250 mx");
        wire_close(&wire, MT_SESSION_END_FIN);
        snprintf(expected, sizeof(expected), "smtp.helo.kind: %s\n%s%s%s", cases[i].kind,
                 cases[i].findings ? "smtp.helo.findings: " : "",
                 cases[i].findings ? cases[i].findings : "smtp", cases[i].findings ? "\n" : ".commands");
        if (!has(&wire.dump, expected)) {
            fprintf(stderr, "%s: expected %s, got\n%s", cases[i].name, expected, wire.dump.ptr);
            failures++;
        }
    }
    assert_int_equal(failures, 0);
    wire_fini(&wire);
}

static void two_greetings_are_compared_unless_tls_lies_between(void **state)
{
    (void)state;
    struct wire wire;
    wire_init(&wire, NULL, NULL);
    start(&wire);
    wire_lines(&wire, LINES("S: 220 mx", "C: EHLO a.example.org", "S: 250 mx", "C: EHLO b.example.org",
                            "S: 250 mx"));
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_true(has(&wire.dump, "smtp.helo.findings: host_mismatch proto_mismatch\n"));
    start(&wire);
    wire_lines(&wire, LINES("S: 220 mx", "C: EHLO a.example.org", "S: 250 STARTTLS", "C: STARTTLS",
                            "S: 220 go", "C: EHLO b.example.org", "S: 250 mx"));
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_false(has(&wire.dump, "smtp.helo.findings"));
    start(&wire);
    wire_lines(&wire, LINES("S: 220 mx", "C: EHLO a.example.org", "S: 500 what", "C: HELO a.example.org",
                            "S: 250 mx"));
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_false(has(&wire.dump, "smtp.helo.findings"));
    wire_fini(&wire);
}

static void a_forged_greeting_is_told_of_once_and_only_of_strangers(void **state)
{
    (void)state;
    static const struct {
        const char *client;
        uint16_t port;
        const char *auth;
        unsigned observed;
    } cases[] = {
        {"203.0.113.5", 25, NULL, 1},  {"192.0.2.99", 25, NULL, 0},      {"203.0.113.5", 587, NULL, 0},
        {"203.0.113.5", 465, NULL, 0}, {"203.0.113.5", 25, "235 ok", 0}, {"203.0.113.5", 25, "535 no", 1},
    };
    struct wire_site site;
    struct wire wire;
    wire_site_init(&site);
    wire_site_home(&site, "192.0.2.0/24");
    wire_init(&wire, &site, NULL);
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        wire.open.tuple.src = wire_ip(cases[i].client);
        wire.open.tuple.dst_port = cases[i].port;
        start(&wire);
        wire_lines(&wire, LINES("S: 220 mx.example.com", "C: EHLO mx.example.com", "S: 250 mx"));
        if (cases[i].auth != NULL) {
            char line[64];
            wire_line(&wire, "C: AUTH PLAIN AGEAYg==");
            snprintf(line, sizeof(line), "S: %s", cases[i].auth);
            wire_line(&wire, line);
        }
        wire_lines(&wire, LINES("C: MAIL FROM:<a@b.c>", "S: 250 Ok", "C: RSET", "S: 250 Ok",
                                "C: MAIL FROM:<a@b.c>", "S: 250 Ok"));
        wire_close(&wire, MT_SESSION_END_FIN);
        assert_int_equal(wire.observed, cases[i].observed);
        assert_true(has(&wire.dump, "smtp.helo.findings: own_name"));
    }
    wire_fini(&wire);
}

/* --- relaying --------------------------------------------------------------- */

static void recipients_are_told_apart_by_shape_and_sender(void **state)
{
    (void)state;
    static const struct {
        const char *sender, *recipient, *expected;
    } cases[] = {
        {"a@example.org", "b@example.com",
         "form=2 code=250 server_home subject=\"b@example.com\" domain=\"example.com\""},
        {"a@example.org", "b@example.net", "form=0 code=250 local server_home"},
        {"", "b@example.net", "form=0 code=250 local server_home"},
        {"", "b@example.com", "form=1 "},
        {"a@example.net", "b@example.com", "form=0 "},
        {"a@[192.0.2.25]", "b@example.com", "form=3 "},
        {"a@mx.example.com", "b@example.com", "form=4 "},
        {"a", "b@example.com", "form=0 "},
        {"a@example.org", "b", "form=0 "},
        {"a@example.org", "b@[192.0.2.25]", "form=0 code=250 local"},
        {"a@example.org", "b%c.example@example.net", "form=6 code=250 server_home"},
        {"a@example.org", "\"b%c.example\"@example.net", "form=6 "},
        {"a@example.org", "b%@example.net", "form=0 code=250 local"},
        {"a@example.org", "\"john smith\"@example.net", "form=0 code=250 local"},
        {"a@example.org", "@x.example,@y.example:b@example.net", "form=13 code=250 local"},
        {"a@example.org", "!b@example.net", "form=0 code=250 local"},
    };
    struct wire_site site;
    struct wire wire;
    unsigned failures = 0;
    wire_site_init(&site);
    wire_site_home(&site, "192.0.2.0/24");
    wire_site_domain(&site, "example.net");
    wire_init(&wire, &site, NULL);
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        char line[256];
        start(&wire);
        wire_lines(&wire, LINES("S: 220 mx.example.com ESMTP", "C: EHLO c.example.org", "S: 250 mx"));
        snprintf(line, sizeof(line), "C: MAIL FROM:<%s>", cases[i].sender);
        wire_line(&wire, line);
        wire_line(&wire, "S: 250 Ok");
        snprintf(line, sizeof(line), "C: RCPT TO:<%s>", cases[i].recipient);
        wire_line(&wire, line);
        wire_line(&wire, "S: 250 Ok");
        wire_close(&wire, MT_SESSION_END_FIN);
        if (!has(&wire.observations, cases[i].expected)) {
            fprintf(stderr, "%s to %s: expected %s, got\n%s", cases[i].sender, cases[i].recipient,
                    cases[i].expected, wire.observations.ptr);
            failures++;
        }
    }
    assert_int_equal(failures, 0);
    wire_fini(&wire);
}

static void a_message_is_told_of_for_sixteen_recipients_at_most(void **state)
{
    (void)state;
    struct wire_site site;
    struct wire wire;
    wire_site_init(&site);
    wire_site_home(&site, "192.0.2.0/24");
    wire_init(&wire, &site, NULL);
    start(&wire);
    wire_lines(&wire,
               LINES("S: 220 mx", "C: EHLO c.example.org", "S: 250 mx", "C: MAIL FROM:<a@b.c>", "S: 250 Ok"));
    for (int i = 0; i < 40; i++)
        wire_lines(&wire, LINES("C: RCPT TO:<r@example.com>", "S: 250 Ok"));
    assert_int_equal(wire.observed, 40);
    wire_lines(&wire, LINES("C: DATA", "S: 354 go", "C: .", "S: 250 queued as X1"));
    assert_int_equal(wire.observed, 56);
    assert_true(has(&wire.observations, "observation: message form=2 code=250 recipients=40 "));
    wire_close(&wire, MT_SESSION_END_FIN);
    wire_fini(&wire);
}

static void a_stranger_behind_many_local_recipients_is_not_overlooked(void **state)
{
    (void)state;
    struct wire_site site;
    struct wire wire;
    wire_site_init(&site);
    wire_site_home(&site, "192.0.2.0/24");
    wire_site_domain(&site, "example.net");
    wire_init(&wire, &site, NULL);
    start(&wire);
    wire_lines(&wire,
               LINES("S: 220 mx", "C: EHLO c.example.org", "S: 250 mx", "C: MAIL FROM:<a@b.c>", "S: 250 Ok"));
    for (int i = 0; i < 40; i++)
        wire_lines(&wire, LINES("C: RCPT TO:<r@example.net>", "S: 250 Ok"));
    wire_lines(&wire,
               LINES("C: RCPT TO:<r@example.com>", "S: 250 Ok", "C: DATA", "S: 354 go", "C: .", "S: 250 Ok"));
    assert_int_equal(wire.observed, 42);
    assert_true(has(&wire.observations, "observation: message form=2 code=250 recipients=41 server_home"
                                        " subject=\"r@example.com\""));
    wire_close(&wire, MT_SESSION_END_FIN);
    wire_fini(&wire);
}

/* --- command x state -------------------------------------------------------- */

struct position {
    const char *name;
    const char *const *lines;
};

static const char *const to_greeted[] = {"S: 220 mx", NULL};
static const char *const to_refused[] = {"S: 554 no", NULL};
static const char *const to_ready[] = {"S: 220 mx", "C: EHLO c.example.org", "S: 250 mx", NULL};
static const char *const to_mail[] = {
    "S: 220 mx", "C: EHLO c.example.org", "S: 250 mx", "C: MAIL FROM:<a@b.c>", "S: 250 Ok", NULL};
static const char *const to_rcpt[] = {
    "S: 220 mx", "C: EHLO c.example.org", "S: 250 mx", "C: MAIL FROM:<a@b.c>",
    "S: 250 Ok", "C: RCPT TO:<b@b.c>",    "S: 250 Ok", NULL};
static const char *const to_bdat[] = {"S: 220 mx", "C: EHLO c.example.org",
                                      "S: 250 mx", "C: MAIL FROM:<a@b.c>",
                                      "S: 250 Ok", "C: RCPT TO:<b@b.c>",
                                      "S: 250 Ok", "C: BDAT 2\r\n",
                                      "S: 250 Ok", NULL};
static const char *const to_quit[] = {"S: 220 mx", "C: QUIT", "S: 221 Bye", NULL};

#define POSITIONS 7u
static const struct position positions[POSITIONS] = {
    {"greeted", to_greeted}, {"refused", to_refused}, {"ready", to_ready}, {"mail", to_mail},
    {"rcpt", to_rcpt},       {"bdat", to_bdat},       {"quit", to_quit},
};

static const struct {
    char letter;
    const char *name;
} orders[] = {
    {'o', "command_out_of_order"},    {'i', "bdat_incomplete"}, {'q', "command_after_quit"},
    {'g', "mail_before_greeting"},    {'n', "nested_mail"},     {'r', "rcpt_before_mail"},
    {'d', "data_before_rcpt"},        {'b', "data_after_bdat"}, {'a', "auth_in_transaction"},
    {'s', "starttls_in_transaction"},
};

/* A letter for each position, in their order; a dot: allowed. */
static const struct {
    const char *command;
    const char cells[POSITIONS + 1];
} commands[] = {
    {"EHLO c.example.org", ".o...iq"},
    {"HELO c.example.org", ".o...iq"},
    {"LHLO c.example.org", ".o...iq"},
    {"MAIL FROM:<a@b.c>", "go.nnnq"},
    {"SEND FROM:<a@b.c>", "go.nnnq"},
    {"SOML FROM:<a@b.c>", "go.nnnq"},
    {"SAML FROM:<a@b.c>", "go.nnnq"},
    {"RCPT TO:<b@b.c>", "ror..oq"},
    {"DATA", "dodd.bq"},
    {"BDAT 0", "dodd..q"},
    {"BURL imap://x LAST", "dodd..q"},
    {"RSET", ".o....q"},
    {"NOOP", ".o....q"},
    {"HELP", ".o....q"},
    {"VRFY x", ".o....q"},
    {"EXPN x", ".o....q"},
    {"QUIT", ".....iq"},
    {"AUTH PLAIN AGEAYg==", "oo.aaaq"},
    {"X-EXPS LOGIN", "oo.aaaq"},
    {"STARTTLS", "oo.sssq"},
    {"X-ANONYMOUSTLS", "oo.sssq"},
    {"ETRN example.org", "oo.oooq"},
    {"ATRN example.org", "oo.oooq"},
    {"TURN", "oo.oooq"},
    {"XCLIENT ADDR=192.0.2.1", "oo.oooq"},
    {"XFORWARD ADDR=192.0.2.1", "oo.oooq"},
    {"X-LINK2STATE x", "oo.oooq"},
    {"VERB", ".o.oooq"},
    {"ONEX", ".o.oooq"},
    {"XEXCH50 1 2", "oo.o.oq"},
    {"DEBUG", ".o....q"},
    {"WIZ", ".o....q"},
    {"FOO", "......q"},
};

static unsigned judge(struct wire *wire, const char *command, const struct position *position, char letter)
{
    char line[128];
    unsigned failures = 0;

    start(wire);
    wire_lines(wire, position->lines);
    snprintf(line, sizeof(line), "C: %s", command);
    wire_line(wire, line);
    wire_close(wire, MT_SESSION_END_CAPTURE_END);
    for (size_t i = 0; i < MT_ARRAY_COUNT(orders); i++) {
        bool is_expected = orders[i].letter == letter;
        if (has(&wire->dump, orders[i].name) != is_expected) {
            fprintf(stderr, "%s in state %s: %s %s\n", command, position->name, orders[i].name,
                    is_expected ? "is missing" : "should not be there");
            failures++;
        }
    }
    return failures;
}

static void every_command_in_every_state_is_allowed_or_has_its_anomaly(void **state)
{
    (void)state;
    struct wire wire;
    unsigned failures = 0;
    wire_init(&wire, NULL, NULL);
    for (size_t i = 0; i < MT_ARRAY_COUNT(commands); i++) {
        for (size_t p = 0; p < POSITIONS; p++)
            failures += judge(&wire, commands[i].command, &positions[p], commands[i].cells[p]);
    }
    /* every verb but the common name of all that are none */
    assert_int_equal(MT_ARRAY_COUNT(commands), MT_VERB_COUNT);
    assert_int_equal(failures, 0);
    wire_fini(&wire);
}

/* --- transcripts and secrets ------------------------------------------------ */

static void a_transcript_shows_everything_but_secrets(void **state)
{
    (void)state;
    struct wire wire;
    wire_init(&wire, NULL, NULL);
    start(&wire);
    wire_lines(&wire, LINES("S: 220 mx", "C: EHLO c.example.org", "S: 250-mx\r\n250 AUTH PLAIN LOGIN",
                            "C: AUTH PLAIN AGFsaWNlAHNlY3JldA==", "S: 535 no", "C: auth login",
                            "S: 334 VXNlcm5hbWU6", "C: YWxpY2U=", "S: 334 UGFzc3dvcmQ6", "C: c2VjcmV0",
                            "S: 535 no", "C: AUTH c2VjcmV0c2VjcmV0==", "S: 504 no", "C: c2VjcmV0",
                            "S: 500 what", "C: MAIL FROM:<a@b.c>", "S: 250 Ok", "C: DATA", "S: 354 go",
                            "C: hello\r\n.", "S: 250 Ok", "C: STARTTLS", "S: 220 go"));
    wire_segment(&wire, MT_CLIENT, mt_span_cstr("\x16\x03\x01"));
    wire_gap(&wire, MT_SERVER, 5);
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_string_equal(wire.shown.ptr, "S: \"220 mx\"\n"
                                        "C: \"EHLO c.example.org\"\n"
                                        "S: \"250-mx\"\n"
                                        "S: \"250 AUTH PLAIN LOGIN\"\n"
                                        "C: \"AUTH PLAIN ***\"\n"
                                        "S: \"535 no\"\n"
                                        "C: \"auth login\"\n"
                                        "S: \"334 VXNlcm5hbWU6\"\n"
                                        "C: (secret)\n"
                                        "S: \"334 UGFzc3dvcmQ6\"\n"
                                        "C: (secret)\n"
                                        "S: \"535 no\"\n"
                                        "C: \"AUTH ***\"\n"
                                        "S: \"504 no\"\n"
                                        "C: (anomaly) \"unknown_command\"\n"
                                        "C: (secret)\n"
                                        "S: \"500 what\"\n"
                                        "C: \"MAIL FROM:<a@b.c>\"\n"
                                        "S: \"250 Ok\"\n"
                                        "C: \"DATA\"\n"
                                        "C: (anomaly) \"data_before_rcpt\"\n"
                                        "S: \"354 go\"\n"
                                        "C: (content) 7\n"
                                        "S: \"250 Ok\"\n"
                                        "C: \"STARTTLS\"\n"
                                        "S: \"220 go\"\n"
                                        "C: (tls)\n"
                                        "S: (anomaly) \"gap\"\n"
                                        "S: (gap) 5\n");
    wire_fini(&wire);
}

/* The block that carried the start of a response is the next one that the arena
 * hands out. */
static void a_response_leaves_no_trace_in_memory(void **state)
{
    (void)state;
    struct wire wire;
    wire_init(&wire, NULL, NULL);
    start(&wire);
    wire_lines(&wire,
               LINES("S: 220 mx", "C: EHLO c.example.org", "S: 250 AUTH PLAIN", "C: AUTH PLAIN", "S: 334 "));
    wire_segment(&wire, MT_CLIENT, mt_span_cstr("AGFsaWNlAHNlY3Jl"));
    wire_segment(&wire, MT_CLIENT, mt_span_cstr("dA==\r\n"));
    void *blocks[64];
    for (size_t i = 0; i < MT_ARRAY_COUNT(blocks); i++) {
        blocks[i] = mt_arena_get(wire.arena, 128);
        assert_non_null(blocks[i]);
        assert_null(memmem(blocks[i], 128, "HNlY3Jl", 7));
    }
    for (size_t i = 0; i < MT_ARRAY_COUNT(blocks); i++)
        mt_arena_put(wire.arena, blocks[i], 128);
    wire_line(&wire, "S: 235 ok");
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_true(has(&wire.dump, "smtp.auth[0].user: \"alice\"\n"));
    wire_fini(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_name_gets_the_findings_that_it_deserves),
        cmocka_unit_test(two_greetings_are_compared_unless_tls_lies_between),
        cmocka_unit_test(a_forged_greeting_is_told_of_once_and_only_of_strangers),
        cmocka_unit_test(recipients_are_told_apart_by_shape_and_sender),
        cmocka_unit_test(a_message_is_told_of_for_sixteen_recipients_at_most),
        cmocka_unit_test(a_stranger_behind_many_local_recipients_is_not_overlooked),
        cmocka_unit_test(every_command_in_every_state_is_allowed_or_has_its_anomaly),
        cmocka_unit_test(a_transcript_shows_everything_but_secrets),
        cmocka_unit_test(a_response_leaves_no_trace_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
