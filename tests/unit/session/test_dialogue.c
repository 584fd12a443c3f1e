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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(times_in_a_byte_are_rounded_down_by_at_most_an_eighth),
        cmocka_unit_test(each_kind_of_reply_has_the_time_of_its_slowest),
        cmocka_unit_test(a_command_that_was_sent_ahead_counts_from_its_own_packet),
        cmocka_unit_test(one_direction_alone_has_no_times_and_no_depth),
        cmocka_unit_test(silence_below_a_second_is_none),
        cmocka_unit_test(fingerprints_are_the_digests_that_the_document_describes),
        cmocka_unit_test(without_a_greeting_there_are_no_fingerprints),
        cmocka_unit_test(what_a_proxy_says_of_its_client_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
