/* Commands and replies as they are told while a session goes on. */
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Each line in a segment of its own, or cut into bytes. */
static void say(struct wire *wire, const char *const *lines, bool is_cut)
{
    for (; *lines != NULL; lines++) {
        struct text whole = {0};
        text_put(&whole, "%s\r\n", *lines + 3);
        enum mt_side side = (*lines)[0] == 'C' ? MT_CLIENT : MT_SERVER;
        for (size_t i = 0; is_cut && i < whole.size; i++)
            wire_segment(wire, side, mt_span(whole.ptr + i, 1));
        if (!is_cut)
            wire_segment(wire, side, mt_span(whole.ptr, whole.size));
        text_free(&whole);
    }
}

static void start(struct wire *wire)
{
    wire_init(wire, NULL, NULL);
    wire_want_events(wire);
    wire_open(wire, NULL);
    wire_handshake(wire);
}

static void check(const char *const *lines, const char *expected)
{
    for (int is_cut = 0; is_cut < 2; is_cut++) {
        struct wire wire;
        start(&wire);
        say(&wire, lines, is_cut);
        wire_close(&wire, MT_SESSION_END_FIN);
        assert_string_equal(wire.events.ptr, expected);
        wire_fini(&wire);
    }
}

#define GREETED "; helo: EHLO \"client.example\"\n"
#define HEAD                                                                            \
    "S code: 220 text: \"mx.example ESMTP\" lines: 1 verb: greeting\n"                  \
    "C verb: ehlo word: \"EHLO\" argument: \"client.example\" size: 21 outstanding: 0 " \
    "state: greeted\n"                                                                  \
    "S code: 250 text: \"mx.example\\x0aSIZE 1000\" lines: 2 verb: ehlo" GREETED

static void each_command_and_each_reply_is_told_once_with_what_they_belong_to(void **state)
{
    static const char *const lines[] = {"S: 220 mx.example ESMTP",
                                        "C: EHLO client.example",
                                        "S: 250-mx.example",
                                        "S: 250 SIZE 1000",
                                        "C: VRFY root",
                                        "S: 252 2.0.0 perhaps",
                                        "C: MAIL FROM:<a@example.com> SIZE=10",
                                        "S: 250 2.1.0 Ok",
                                        "C: RCPT TO:<b@example.net>",
                                        "S: 550-5.1.1 no such user",
                                        "S: 550 5.1.1 ask the postmaster",
                                        "C: XYZZY  plugh ",
                                        "S: 500 what",
                                        "C: QUIT",
                                        "S: 221 bye",
                                        NULL};
    (void)state;
    check(
        lines, HEAD
        "C verb: vrfy word: \"VRFY\" argument: \"root\" size: 11 outstanding: 0 state: ready" GREETED
        "S code: 252 enhanced: \"2.0.0\" text: \"2.0.0 perhaps\" lines: 1 verb: vrfy argument: "
        "\"root\"" GREETED
        "C verb: mail word: \"MAIL\" argument: \"FROM:<a@example.com> SIZE=10\" size: 35 outstanding: 0 "
        "state: ready" GREETED
        "S code: 250 enhanced: \"2.1.0\" text: \"2.1.0 Ok\" lines: 1 verb: mail argument: "
        "\"a@example.com\"" GREETED "C verb: rcpt word: \"RCPT\" argument: \"TO:<b@example.net>\" size: 25 "
        "outstanding: 0 state: mail" GREETED
        "S code: 550 enhanced: \"5.1.1\" text: \"5.1.1 no such user\\x0a5.1.1 ask the postmaster\" lines: 2 "
        "verb: rcpt argument: \"b@example.net\"" GREETED
        "C verb: unknown word: \"XYZZY\" argument: \"plugh\" size: 15 outstanding: 0 state: mail" GREETED
        "S code: 500 text: \"what\" lines: 1 verb: unknown" GREETED
        "C verb: quit word: \"QUIT\" size: 6 outstanding: 0 state: mail" GREETED
        "S code: 221 text: \"bye\" lines: 1 verb: quit" GREETED);
}

static void of_a_login_only_the_mechanism_is_told(void **state)
{
    static const char *const lines[] = {"S: 220 mx.example ESMTP",
                                        "C: EHLO client.example",
                                        "S: 250-mx.example",
                                        "S: 250 SIZE 1000",
                                        "C: AUTH PLAIN AGFsaWNlAHNlY3JldA==",
                                        "S: 535 5.7.8 no",
                                        "C: AUTH LOGIN",
                                        "S: 334 VXNlcm5hbWU6",
                                        "C: YWxpY2U=",
                                        "S: 334 UGFzc3dvcmQ6",
                                        "C: c2VjcmV0",
                                        "S: 235 2.7.0 yes",
                                        NULL};
    (void)state;
    check(lines,
          HEAD "C verb: auth word: \"AUTH\" argument: \"PLAIN\" size: 33 outstanding: 0 state: ready" GREETED
               "S code: 535 enhanced: \"5.7.8\" text: \"5.7.8 no\" lines: 1 verb: auth" GREETED
               "C verb: auth word: \"AUTH\" argument: \"LOGIN\" size: 12 outstanding: 0 state: ready" GREETED
               "S code: 334 text: \"VXNlcm5hbWU6\" lines: 1 verb: auth" GREETED
               "S code: 334 text: \"UGFzc3dvcmQ6\" lines: 1 verb: auth_response" GREETED
               "S code: 235 enhanced: \"2.7.0\" text: \"2.7.0 yes\" lines: 1 verb: auth_response" GREETED);
}

/* Slips, and what is said to another server. */
static void what_a_word_that_is_no_verb_announces_as_a_secret_is_not_told(void **state)
{
    static const char *const secrets[] = {"AUTHPLAIN AGFsaWNlAHNlY3JldA==",
                                          "AUTH: PLAIN AGFsaWNlAHNlY3JldA==",
                                          "authenticate plain secret",
                                          "Authorization: Basic secret",
                                          "Proxy-Authorization: Basic secret",
                                          "Cookie: id=secret",
                                          "PASS secret",
                                          "a1 LOGIN alice secret"};
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(secrets); i++) {
        struct wire wire;
        struct text line = {0};
        text_put(&line, "C: %s", secrets[i]);
        const char *const lines[] = {"S: 220 mx.example ESMTP",
                                     "C: EHLO client.example",
                                     "S: 250 mx.example",
                                     line.ptr,
                                     "S: 500 what",
                                     NULL};
        start(&wire);
        say(&wire, lines, false);
        wire_close(&wire, MT_SESSION_END_FIN);
        assert_non_null(strstr(wire.events.ptr, "C verb: unknown word: "));
        assert_null(strstr(wire.events.ptr, "secret"));
        assert_null(strstr(wire.events.ptr, "AGFs"));
        text_free(&line);
        wire_fini(&wire);
    }
}

static void nothing_is_told_to_nobody(void **state)
{
    static const char *const lines[] = {"S: 220 mx.example ESMTP", "C: EHLO client.example",
                                        "S: 250-mx.example", "S: 250 SIZE 1000", NULL};
    struct wire wire;
    (void)state;
    wire_init(&wire, NULL, NULL);
    wire_open(&wire, NULL);
    wire_lines(&wire, lines);
    mt_session_engine_want(wire.engine, MT_SESSION_WANTS_REPLIES);
    wire_line(&wire, "C: NOOP");
    wire_line(&wire, "S: 250 fine");
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_string_equal(wire.events.ptr, "S code: 250 text: \"fine\" lines: 1 verb: noop" GREETED);
    wire_fini(&wire);
}

/* A rule that is loaded in the middle of a reply asks for lines whose first is past. */
static void who_asks_in_the_middle_of_a_reply_gets_what_is_left_of_it(void **state)
{
    static const char *const lines[] = {"S: 220 mx.example ESMTP",
                                        "C: EHLO client.example",
                                        "S: 250 mx.example",
                                        "C: EXPN staff",
                                        "S: 250-one",
                                        NULL};
    struct wire wire;
    (void)state;
    wire_init(&wire, NULL, NULL);
    wire_open(&wire, NULL);
    wire_lines(&wire, lines);
    mt_session_engine_want(wire.engine, MT_SESSION_WANTS_REPLIES);
    wire_line(&wire, "S: 250 two");
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_non_null(strstr(wire.events.ptr, "lines: 2 verb: expn argument: \"staff\""));
    assert_non_null(strstr(wire.events.ptr, "two"));
    wire_fini(&wire);
}

/* LMTP answers a message once a recipient; a chunk keeps no time of its own. */
static void further_replies_to_the_last_chunk_have_no_latency(void **state)
{
    static const char *const lines[] = {"S: 220 mx.example LMTP",
                                        "C: LHLO client.example",
                                        "S: 250 mx.example",
                                        "C: MAIL FROM:<a@example.com>",
                                        "S: 250 Ok",
                                        "C: RCPT TO:<b@example.net>",
                                        "S: 250 Ok",
                                        "C: RCPT TO:<c@example.net>",
                                        "S: 250 Ok",
                                        NULL};
    struct wire wire;
    (void)state;
    start(&wire);
    wire_lines(&wire, lines);
    assert_true(wire.latency > 0);
    wire_line(&wire, "C: BDAT 6 LAST");
    wire_line(&wire, "C: body");
    for (int i = 0; i < 2; i++) {
        wire_line(&wire, "S: 250 Ok");
        assert_int_equal(wire.latency, 0);
    }
    wire_close(&wire, MT_SESSION_END_FIN);
    wire_fini(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_command_and_each_reply_is_told_once_with_what_they_belong_to),
        cmocka_unit_test(of_a_login_only_the_mechanism_is_told),
        cmocka_unit_test(what_a_word_that_is_no_verb_announces_as_a_secret_is_not_told),
        cmocka_unit_test(nothing_is_told_to_nobody),
        cmocka_unit_test(who_asks_in_the_middle_of_a_reply_gets_what_is_left_of_it),
        cmocka_unit_test(further_replies_to_the_last_chunk_have_no_latency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
