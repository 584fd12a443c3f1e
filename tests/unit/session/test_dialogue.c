/* How the two sides talk: how long replies take, who is who by the way he speaks,
 * what proxies say. On this wire a segment comes a millisecond after the other. */
#include "base/hash.h"
#include "session/latency_priv.h"
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static bool has(const struct wire *wire, const char *line)
{
    return wire->dump.ptr != NULL && strstr(wire->dump.ptr, line) != NULL;
}

static void start(struct wire *wire)
{
    wire_init(wire, NULL, NULL);
    wire_open(wire, NULL);
    wire_handshake(wire);
}

static void wait(struct wire *wire, uint64_t time)
{
    wire->mark.time += time - MT_MSEC; /* the next segment adds one */
}

/* Rounded down by at most an eighth. */
static void assert_about(uint64_t ns, uint64_t expected)
{
    if (ns > expected || ns < expected - expected / 8)
        fail_msg("%llu ns, expected about %llu", (unsigned long long)ns, (unsigned long long)expected);
}

static const char *digits(const char *text)
{
    static char hex[17];
    snprintf(hex, sizeof(hex), "%016llx", (unsigned long long)mt_hash_bytes(0, mt_span_cstr(text)));
    return hex;
}

static void times_in_a_byte_are_rounded_down_by_at_most_an_eighth(void **state)
{
    (void)state;
    uint64_t before = 0;
    for (uint64_t us = 1; us < UINT64_C(15) << 30; us += 1 + us / 13) {
        uint64_t kept = mt_time_unpack(mt_time_pack(us));
        assert_true(kept <= us && kept >= us - us / 8);
        assert_true(kept >= before);
        before = kept;
    }
    assert_int_equal(mt_time_unpack(0), 0);
    assert_int_equal(mt_time_unpack(mt_time_pack(0)), 1);
    assert_int_equal(mt_time_unpack(mt_time_pack(UINT64_MAX)), UINT64_C(15) << 30);
}

static void each_kind_of_reply_has_the_time_of_its_slowest(void **state)
{
    (void)state;
    struct wire wire;
    start(&wire);
    wait(&wire, 300 * MT_MSEC);
    wire_line(&wire, "S: 220 mx.example.net");
    wire_line(&wire, "C: EHLO client.example.org");
    wait(&wire, 20 * MT_MSEC);
    wire_line(&wire, "S: 250 mx.example.net");
    wire_line(&wire, "C: MAIL FROM:<a@example.org>");
    wait(&wire, 40 * MT_MSEC);
    wire_line(&wire, "S: 250 Ok");
    wire_line(&wire, "C: RCPT TO:<b@example.net>");
    wait(&wire, 2 * MT_SEC);
    wire_line(&wire, "S: 250 Ok");
    wire_line(&wire, "C: RCPT TO:<c@example.net>");
    wire_line(&wire, "S: 250 Ok");
    wire_line(&wire, "C: DATA");
    wait(&wire, 60 * MT_MSEC);
    wire_line(&wire, "S: 354 Go on");
    wire_line(&wire, "C: Subject: x\r\n\r\nx\r\n.");
    wait(&wire, 500 * MT_MSEC);
    wire_line(&wire, "S: 250 Ok");
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_about(wire.times.greeting, 302 * MT_MSEC); /* since the SYN */
    assert_about(wire.times.helo, 20 * MT_MSEC);
    assert_about(wire.times.mail, 40 * MT_MSEC);
    assert_about(wire.times.rcpt, 2 * MT_SEC);
    assert_about(wire.times.data, 60 * MT_MSEC);
    assert_about(wire.times.content, 500 * MT_MSEC);
    assert_about(wire.times.silence, 2 * MT_SEC);
    wire_fini(&wire);
}

static void a_command_that_was_sent_ahead_counts_from_its_own_packet(void **state)
{
    (void)state;
    struct wire wire;
    start(&wire);
    wire_line(&wire, "S: 220 mx.example.net");
    wire_line(&wire, "C: EHLO client.example.org");
    wire_line(&wire, "S: 250-mx.example.net\r\n250 PIPELINING");
    wire_line(&wire, "C: MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.net>\r\nDATA");
    wait(&wire, 30 * MT_MSEC);
    wire_line(&wire, "S: 250 Ok");
    wait(&wire, 30 * MT_MSEC);
    wire_line(&wire, "S: 250 Ok\r\n354 Go on");
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_about(wire.times.mail, 30 * MT_MSEC);
    assert_about(wire.times.rcpt, 60 * MT_MSEC);
    assert_about(wire.times.data, 60 * MT_MSEC);
    assert_true(has(&wire, "smtp.pipelined: 3\n"));
    wire_fini(&wire);
}

static void one_direction_alone_has_no_times_and_no_depth(void **state)
{
    (void)state;
    struct wire wire;
    wire_init(&wire, NULL, NULL);
    wire_open(&wire, NULL);
    wire_line(&wire, "C: EHLO client.example.org");
    wire_line(&wire, "C: MAIL FROM:<a@example.org>");
    wire_line(&wire, "C: RCPT TO:<b@example.net>");
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_int_equal(wire.times.greeting + wire.times.helo + wire.times.mail + wire.times.rcpt, 0);
    assert_false(has(&wire, "smtp.pipelined"));
    wire_fini(&wire);
}

static void silence_below_a_second_is_none(void **state)
{
    (void)state;
    struct wire wire;
    start(&wire);
    wait(&wire, 999 * MT_MSEC);
    wire_line(&wire, "S: 220 mx.example.net");
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_int_equal(wire.times.silence, 0);
    wire_fini(&wire);
}

/* A conversation in which each pause is as long as it may be, but for one. */
static void converse_slowly(struct wire *wire, unsigned late)
{
    static const struct {
        const char *line; /* behind the pause */
        uint32_t seconds;
    } steps[] = {
        {"S: 220 mx.example.net", 300},
        {"C: HELO client.example.org", 300},
        {"S: 250 mx.example.net", 1},
        {"C: MAIL FROM:<a@example.org>", 1},
        {"S: 250 Ok", 300},
        {"C: RCPT TO:<b@example.net>", 1},
        {"S: 250 Ok", 300},
        {"C: DATA", 1},
        {"S: 354 Go on", 120},
        {"C: Subject: x", 180},
        {"C: .", 1},
        {"S: 250 Ok", 600},
    };

    start(wire);
    for (unsigned i = 0; i < MT_ARRAY_COUNT(steps); i++) {
        wait(wire, steps[i].seconds * MT_SEC - (i == late ? 0 : 100 * MT_MSEC));
        wire_line(wire, steps[i].line);
    }
    wire_close(wire, MT_SESSION_END_FIN);
}

static void each_wait_beyond_what_has_to_be_borne_is_named_and_no_other(void **state)
{
    static const char *const named[] = {
        [0] = "greeting",
        [1] = "server",
        [4] = "mail",
        [6] = "rcpt",
        [8] = "data_initiation",
        [9] = "data_block",
        [11] = "data_termination",
    };
    (void)state;
    for (unsigned late = 0; late <= MT_ARRAY_COUNT(named); late++) {
        const char *name = late < MT_ARRAY_COUNT(named) ? named[late] : NULL;
        struct wire wire;
        char line[64] = "smtp.phase_timeouts:";
        converse_slowly(&wire, late);
        if (name != NULL)
            snprintf(line, sizeof(line), "smtp.phase_timeouts: %s\n", name);
        assert_true(has(&wire, line) == (name != NULL));
        wire_fini(&wire);
    }
}

static void a_reply_that_never_came_was_waited_for_until_the_end(void **state)
{
    (void)state;
    struct wire wire;
    start(&wire);
    wire_line(&wire, "S: 220 mx.example.net");
    wire_line(&wire, "C: HELO client.example.org");
    wire_line(&wire, "S: 250 mx.example.net");
    wire_line(&wire, "C: MAIL FROM:<a@example.org>");
    wait(&wire, 301 * MT_SEC);
    wire_frame(&wire, MT_CLIENT);
    wire_close(&wire, MT_SESSION_END_RST);
    assert_true(has(&wire, "smtp.phase_timeouts: mail\n"));
    wire_fini(&wire);
}

static void fingerprints_are_the_digests_that_the_document_describes(void **state)
{
    (void)state;
    struct wire wire;
    start(&wire);
    wire_line(&wire, "S: 220 mx.example.net");
    wire_line(&wire, "C: EHLO client.example.org");
    wire_line(&wire, "S: 250-mx.example.net\r\n250-Pipelining\r\n250-SIZE 100\r\n250 X-Own a b");
    wire_line(&wire, "C: MAIL FROM:<a@example.org> SIZE=5 body=8BITMIME");
    wire_line(&wire, "S: 250 Ok");
    wire_line(&wire, "C: RCPT TO:<b@example.net> NOTIFY=NEVER");
    wire_line(&wire, "S: 250 Ok");
    wire_line(&wire, "C: DATA");
    wire_line(&wire, "S: 354 Go on");
    wire_line(&wire, "C: x\r\n.");
    wire_line(&wire, "S: 250 Ok");
    wire_line(&wire, "C: QUIT");
    wire_line(&wire, "S: 221 Bye");
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_string_equal(wire.times.server, digits("PIPELINING,SIZE,X-OWN"));
    assert_string_equal(wire.times.client, digits("EHLO fqdn|MAIL SIZE,BODY|RCPT NOTIFY|DATA|QUIT"));
    wire_fini(&wire);
}

static void without_a_greeting_there_are_no_fingerprints(void **state)
{
    (void)state;
    struct wire wire;
    start(&wire);
    wire_line(&wire, "S: 220 mx.example.net");
    wire_line(&wire, "C: QUIT");
    wire_line(&wire, "S: 221 Bye");
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_string_equal(wire.times.server, "");
    assert_string_equal(wire.times.client, "");
    wire_fini(&wire);
}

static void what_a_proxy_says_of_its_client_is_kept(void **state)
{
    (void)state;
    struct wire wire;
    start(&wire);
    wire_line(&wire, "S: 220 mx.example.net");
    wire_line(&wire, "C: EHLO proxy.example.org");
    wire_line(&wire, "S: 250-mx.example.net\r\n250-XCLIENT NAME ADDR\r\n250 XFORWARD NAME ADDR PROTO HELO");
    wire_line(&wire, "C: XFORWARD NAME=spike.example.org addr=192.0.2.9");
    wire_line(&wire, "S: 250 Ok");
    wire_line(&wire, "C: XFORWARD PROTO=ESMTP HELO");
    wire_line(&wire, "S: 250 Ok");
    wire_line(&wire, "C: XCLIENT NAME=[UNAVAILABLE] ADDR=198.51.100.7");
    wire_line(&wire, "S: 220 mx.example.net");
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_true(has(&wire, "smtp.xclient: \"NAME\"=\"[UNAVAILABLE]\" \"ADDR\"=\"198.51.100.7\"\n"));
    assert_true(has(&wire, "smtp.xforward: \"NAME\"=\"spike.example.org\" \"ADDR\"=\"192.0.2.9\" "
                           "\"PROTO\"=\"ESMTP\" \"HELO\"=\"\"\n"));
    wire_fini(&wire);
}

#define LENGTH(text) (sizeof(text "\r\n") - 1)

static void octets_of_lines_are_counted_by_phase(void **state)
{
    (void)state;
    struct wire wire;
    start(&wire);
    wire_line(&wire, "S: 220-mx.example.net\r\n220 go");
    wire_line(&wire, "C: EHLO client.example.org");
    wire_line(&wire, "S: 250 mx.example.net");
    wire_line(&wire, "C: AUTH LOGIN");
    wire_line(&wire, "S: 334 VXNlcm5hbWU6");
    wire_line(&wire, "C: YWxpY2U=");
    wire_line(&wire, "S: 535 no");
    wire_line(&wire, "C: MAIL FROM:<a@example.org>");
    wire_line(&wire, "S: 250 Ok");
    wire_line(&wire, "C: RCPT TO:<b@example.net>");
    wire_line(&wire, "S: 250 Ok");
    wire_line(&wire, "C: DATA");
    wire_line(&wire, "S: 354 Go on");
    wire_line(&wire, "C: x\r\n.");
    wire_line(&wire, "S: 250 Ok");
    wire_line(&wire, "C: QUIT");
    wire_line(&wire, "S: 221 Bye");
    wire_close(&wire, MT_SESSION_END_FIN);
    uint64_t setup = LENGTH("EHLO client.example.org") + LENGTH("AUTH LOGIN") + LENGTH("YWxpY2U=");
    uint64_t envelope =
        LENGTH("MAIL FROM:<a@example.org>") + LENGTH("RCPT TO:<b@example.net>") + LENGTH("DATA");
    uint64_t greeting = LENGTH("220-mx.example.net") + LENGTH("220 go");
    uint64_t replies = LENGTH("250 mx.example.net") + LENGTH("334 VXNlcm5hbWU6") + LENGTH("535 no") +
                       2 * LENGTH("250 Ok") + LENGTH("354 Go on");
    assert_int_equal(wire.times.octets_greeting, greeting);
    assert_int_equal(wire.times.opening_commands, setup + envelope);
    assert_int_equal(wire.times.opening_replies, greeting + replies);
    assert_int_equal(wire.times.commands, setup + envelope + LENGTH("QUIT"));
    assert_int_equal(wire.times.replies, greeting + replies + LENGTH("250 Ok") + LENGTH("221 Bye"));
    wire_fini(&wire);
}

static void more_octets_than_a_session_has_bits_for_are_counted(void **state)
{
    (void)state;
    char noop[1000];
    memset(noop, 'x', sizeof(noop));
    memcpy(noop, "C: NOOP ", 8);
    noop[sizeof(noop) - 1] = '\0';
    struct wire wire;
    start(&wire);
    wire_line(&wire, "S: 220 mx.example.net");
    for (unsigned i = 0; i < 300; i++) {
        wire_line(&wire, noop);
        wire_line(&wire, "S: 250 Ok");
    }
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_int_equal(wire.times.commands, 300 * (sizeof(noop) - 1 - 3 + 2));
    assert_int_equal(wire.times.replies, LENGTH("220 mx.example.net") + 300 * LENGTH("250 Ok"));
    assert_true(has(&wire, "smtp.commands: noop=300\n"));
    assert_true(has(&wire, "smtp.codes: 220=1 250=300\n"));
    wire_fini(&wire);
}

/* Whatever the cuts, and whether or not all lines are counted. */
static void content_lines_are_counted_by_their_ends(void **state)
{
    (void)state;
    static const char content[] =
        "Subject: x\r\n\r\nbare\nlf, bare\rcr \xe4\x01\x1b\tx\r\r\n..stuffed\r\n.\r\n";
    for (unsigned level = MT_MESSAGE_HEADERS; level <= MT_MESSAGE_LINES; level++) {
        for (size_t step = 1; step < sizeof(content); step++) {
            struct mt_session_limits limits = {.message_level = (enum mt_message_level)level};
            struct wire wire;
            wire_init(&wire, NULL, &limits);
            wire_open(&wire, NULL);
            wire_handshake(&wire);
            wire_line(&wire, "S: 220 mx.example.net");
            wire_line(&wire, "C: HELO client.example.org");
            wire_line(&wire, "S: 250 mx.example.net");
            wire_line(&wire, "C: MAIL FROM:<a@example.org>");
            wire_line(&wire, "S: 250 Ok");
            wire_line(&wire, "C: RCPT TO:<b@example.net>");
            wire_line(&wire, "S: 250 Ok");
            wire_line(&wire, "C: DATA");
            wire_line(&wire, "S: 354 Go on");
            for (size_t at = 0; at < sizeof(content) - 1; at += step) {
                size_t size = mt_min_u64(step, sizeof(content) - 1 - at);
                wire_segment(&wire, MT_CLIENT, mt_span(content + at, size));
            }
            wire_line(&wire, "S: 250 Ok");
            wire_close(&wire, MT_SESSION_END_FIN);
            assert_true(has(&wire, "smtp.transactions[0].content.bare_lf: 1\n"));
            assert_true(has(&wire, "smtp.transactions[0].content.bare_cr: 2\n"));
            assert_true(has(&wire, "smtp.transactions[0].content.eight_bit: 1\n"));
            assert_true(has(&wire, "smtp.transactions[0].content.control: 1\n"));
            bool has_lines = level == MT_MESSAGE_LINES;
            assert_int_equal(has(&wire, "smtp.transactions[0].content.crlf: 5\n"), has_lines);
            assert_int_equal(has(&wire, "smtp.transactions[0].content.longest_line: 18\n"), has_lines);
            wire_fini(&wire);
        }
    }
}

static void chunks_beyond_the_list_are_told(void **state)
{
    (void)state;
    struct wire wire;
    start(&wire);
    wire_line(&wire, "S: 220 mx.example.net");
    wire_line(&wire, "C: EHLO client.example.org");
    wire_line(&wire, "S: 250-mx.example.net\r\n250 CHUNKING");
    wire_line(&wire, "C: MAIL FROM:<a@example.org>");
    wire_line(&wire, "S: 250 Ok");
    wire_line(&wire, "C: RCPT TO:<b@example.net>");
    wire_line(&wire, "S: 250 Ok");
    for (unsigned i = 0; i < 32; i++) {
        wire_line(&wire, "C: BDAT 3\r\nx"); /* and its line end */
        wire_line(&wire, i == 30 ? "S: 251 Ok" : "S: 250 Ok");
    }
    wire_line(&wire, "C: BDAT 0 LAST");
    wire_line(&wire, "S: 250 Ok");
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_true(
        has(&wire, "smtp.transactions[0].chunks[30].size: 3\nsmtp.transactions[0].chunks[30].code: 251\n"));
    assert_false(has(&wire, "smtp.transactions[0].chunks[31]"));
    assert_true(has(&wire, "smtp.transactions[0].bytes: 96\n"));
    assert_true(has(&wire, "smtp.truncated: smtp.transactions.chunks\n"));
    wire_fini(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_in_a_byte_are_rounded_down_by_at_most_an_eighth),
        cmocka_unit_test(each_kind_of_reply_has_the_time_of_its_slowest),
        cmocka_unit_test(a_command_that_was_sent_ahead_counts_from_its_own_packet),
        cmocka_unit_test(one_direction_alone_has_no_times_and_no_depth),
        cmocka_unit_test(silence_below_a_second_is_none),
        cmocka_unit_test(each_wait_beyond_what_has_to_be_borne_is_named_and_no_other),
        cmocka_unit_test(a_reply_that_never_came_was_waited_for_until_the_end),
        cmocka_unit_test(fingerprints_are_the_digests_that_the_document_describes),
        cmocka_unit_test(without_a_greeting_there_are_no_fingerprints),
        cmocka_unit_test(what_a_proxy_says_of_its_client_is_kept),
        cmocka_unit_test(octets_of_lines_are_counted_by_phase),
        cmocka_unit_test(more_octets_than_a_session_has_bits_for_are_counted),
        cmocka_unit_test(content_lines_are_counted_by_their_ends),
        cmocka_unit_test(chunks_beyond_the_list_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
