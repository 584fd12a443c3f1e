/* What a session is apart from its conversation: when it begins and ends, what it
 * costs, what its limits do. */
#include "wire.h"

#include "dump.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LINES(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char *const greeted[] = {
    "S: 220 mx1.example.net ESMTP Postfix (Debian/GNU)",
    "C: EHLO client.example.org",
    "S: 250-mx1.example.net\r\n250-PIPELINING\r\n250-SIZE "
    "10240000\r\n250-VRFY\r\n250-ETRN\r\n250-STARTTLS\r\n"
    "250-AUTH PLAIN LOGIN\r\n250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-DSN\r\n250-SMTPUTF8\r\n250 "
    "CHUNKING",
    NULL,
};

static bool has(const struct wire *wire, const char *line)
{
    return wire->dump.ptr != NULL && strstr(wire->dump.ptr, line) != NULL;
}

static void start(struct wire *wire, const struct mt_session_limits *limits)
{
    wire_init(wire, NULL, limits);
    mt_session_engine_want(wire->engine, 0); /* as where no rule asks for commands: it costs memory */
    wire_open(wire, NULL);
    wire_handshake(wire);
}

/* --- cost ------------------------------------------------------------------- */

#define FLOW_AND_SLOT (64u + 12u)
#define SESSION 192u

static void an_idle_session_is_its_struct_and_one_block(void **state)
{
    (void)state;
    struct wire wire;
    start(&wire, NULL);
    wire_lines(&wire, greeted);
    assert_true(mt_arena_used(wire.arena) <= 192);
    wire_close(&wire, MT_SESSION_END_TIMEOUT);
    wire_fini(&wire);
}

/* 512 MiB for a million. */
static void a_session_inside_a_transaction_fits_536_bytes(void **state)
{
    (void)state;
    struct wire wire;
    start(&wire, NULL);
    wire_lines(&wire, greeted);
    wire_lines(&wire, LINES("C: MAIL FROM:<alice@example.org> SIZE=12345", "S: 250 2.1.0 Ok",
                            "C: RCPT TO:<bob@example.net>", "S: 250 2.1.5 Ok"));
    assert_true(FLOW_AND_SLOT + SESSION + mt_arena_used(wire.arena) <= 536);
    wire_close(&wire, MT_SESSION_END_TIMEOUT);
    wire_fini(&wire);
}

static void what_a_message_needs_is_given_back_behind_its_header(void **state)
{
    (void)state;
    struct wire wire;
    start(&wire, NULL);
    wire_lines(&wire, greeted);
    wire_lines(&wire, LINES("C: MAIL FROM:<a@example.org>", "S: 250 Ok", "C: RCPT TO:<b@example.net>",
                            "S: 250 Ok", "C: DATA", "S: 354 go", "C: Subject: x"));
    size_t in_header = mt_arena_used(wire.arena);
    wire_lines(&wire, LINES("C: ", "C: body"));
    assert_true(mt_arena_used(wire.arena) + 2048 - 128 <= in_header); /* the subject stays */
    wire_close(&wire, MT_SESSION_END_RST);
    wire_fini(&wire);
}

static void pipelined_commands_hold_no_memory_once_answered(void **state)
{
    (void)state;
    struct wire wire;
    struct text many = {0};
    start(&wire, NULL);
    wire_lines(&wire, greeted);
    wire_line(&wire, "C: NOOP\r\nNOOP");
    wire_line(&wire, "S: 250 Ok\r\n250 Ok");
    size_t before = mt_arena_used(wire.arena);
    for (int i = 0; i < 300; i++)
        text_put(&many, "RSET\r\n");
    wire_segment(&wire, MT_CLIENT, mt_span(many.ptr, many.size));
    assert_true(mt_arena_used(wire.arena) > before);
    for (int i = 0; i < 300; i++)
        wire_line(&wire, "S: 250 Ok");
    assert_int_equal(mt_arena_used(wire.arena), before);
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_true(has(&wire, "smtp.commands: ehlo=1 rset=300 noop=2\n"));
    assert_true(has(&wire, "smtp.codes: 220=1 250=303\n"));
    text_free(&many);
    wire_fini(&wire);
}

/* --- begin and end ---------------------------------------------------------- */

static void a_connection_without_payload_is_a_record_only_when_its_handshake_is_whole(void **state)
{
    (void)state;
    struct wire wire;
    wire_init(&wire, NULL, NULL);
    wire_open(&wire, NULL);
    wire_frame(&wire, MT_CLIENT);
    wire_frame(&wire, MT_SERVER);
    wire_close(&wire, MT_SESSION_END_RST);
    assert_int_equal(wire.records, 0);
    wire_open(&wire, NULL);
    wire_handshake(&wire);
    wire_close(&wire, MT_SESSION_END_TIMEOUT);
    assert_int_equal(wire.records, 1);
    assert_true(has(&wire, "smtp.end: timeout\n"));
    wire_fini(&wire);
}

static void quit_is_an_end_only_when_it_was_answered_and_the_connection_ended(void **state)
{
    (void)state;
    static const struct {
        enum mt_session_end end;
        const char *answered, *unanswered;
    } ends[] = {
        {MT_SESSION_END_FIN, "quit", "fin"},
        {MT_SESSION_END_RST, "quit", "rst"},
        {MT_SESSION_END_CAPTURE_END, "quit", "capture_end"},
        {MT_SESSION_END_TIMEOUT, "timeout", "timeout"},
        {MT_SESSION_END_EVICTED, "evicted", "evicted"},
    };
    struct wire wire;
    wire_init(&wire, NULL, NULL);
    for (size_t i = 0; i < 2 * MT_ARRAY_COUNT(ends); i++) {
        char line[64];
        wire_clear(&wire);
        wire_open(&wire, NULL);
        wire_handshake(&wire);
        wire_lines(&wire, greeted);
        wire_line(&wire, "C: QUIT");
        if (i % 2 == 0)
            wire_line(&wire, "S: 221 Bye");
        wire_close(&wire, ends[i / 2].end);
        snprintf(line, sizeof(line), "smtp.end: %s\n",
                 i % 2 == 0 ? ends[i / 2].answered : ends[i / 2].unanswered);
        assert_true(has(&wire, line));
    }
    wire_fini(&wire);
}

struct taken {
    struct mt_record_session record;
    struct mt_record_transaction transactions[4];
    uint8_t id[MT_EVENT_ID_SIZE];
    uint8_t vlan[8];
    uint8_t mac[2][6];
};

/* The record's members that a dump leaves out. */
static void on_record(void *ctx, struct mt_record_session *record)
{
    struct taken *taken = ctx;
    taken->record = *record;
    memcpy(taken->id, record->event_id.ptr, sizeof(taken->id));
    memcpy(taken->vlan, record->network_vlan_id.ptr, record->network_vlan_id.size);
    memcpy(taken->mac[0], record->source_mac, 6);
    memcpy(taken->mac[1], record->destination_mac, 6);
    memcpy(taken->transactions, record->transactions.items,
           record->transactions.count * sizeof(taken->transactions[0]));
}

static void on_observation(void *ctx, const struct mt_observation *observation)
{
    (void)ctx;
    (void)observation;
}

static struct mt_session_engine *engine_for(struct mt_arena *arena, struct mt_stats *stats,
                                            struct taken *taken)
{
    struct mt_session_config config = {
        .observer_name = mt_span_cstr("here"), .observer_version = "1", .sessions_max = 2};
    struct mt_session_events events = {.record = on_record, .observation = on_observation};
    struct mt_session_engine *engine;
    assert_int_equal(mt_session_engine_create(&config, arena, &events, taken, stats, &engine), 0);
    return engine;
}

static const uint8_t macs[2][6] = {{2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}};

static struct mt_session_open open_for(uint16_t port)
{
    return (struct mt_session_open){
        .tuple = {.src = wire_ip("203.0.113.5"),
                  .dst = wire_ip("192.0.2.25"),
                  .src_port = port,
                  .dst_port = 25},
        .first = {.time = 5 * MT_SEC, .number = 7},
        .vlan = 12,
        .mac_src = macs[0],
        .mac_dst = macs[1],
    };
}

static void say(struct mt_session_engine *engine, struct mt_session *session, enum mt_side side,
                const char *line, uint64_t time)
{
    struct mt_mark mark = {.time = time * MT_SEC, .number = time};
    mt_session_count(session, side, 1, 100, &mark);
    assert_int_equal(mt_session_data(engine, session, side, mt_span_cstr(line), &mark, false, false),
                     strlen(line));
}

static void converse(struct mt_session_engine *engine, struct mt_session *session)
{
    say(engine, session, MT_SERVER, "220 mx\r\n", 6);
    say(engine, session, MT_CLIENT, "EHLO c.example.org\r\n", 7);
    say(engine, session, MT_SERVER, "250 mx\r\n", 8);
    say(engine, session, MT_CLIENT, "MAIL FROM:<a@example.org>\r\n", 9);
    say(engine, session, MT_SERVER, "250 Ok\r\n", 10);
    say(engine, session, MT_CLIENT, "RSET\r\n", 11);
    say(engine, session, MT_SERVER, "250 Ok\r\n", 12);
    mt_session_close(engine, session, MT_SESSION_END_FIN);
}

static void times_counts_and_addresses_are_those_of_the_frames(void **state)
{
    (void)state;
    struct mt_stats *stats = aligned_alloc(MT_CACHE_LINE, sizeof(*stats));
    struct mt_arena *arena;
    struct taken taken = {0};
    memset(stats, 0, sizeof(*stats));
    assert_int_equal(mt_arena_create(1 << 20, &arena), 0);
    struct mt_session_engine *engine = engine_for(arena, stats, &taken);
    struct mt_session_open open = open_for(40000);
    converse(engine, mt_session_open(engine, &open));

    assert_int_equal(taken.record.timestamp, 5 * MT_SEC);
    assert_int_equal(taken.record.event_start, 5 * MT_SEC);
    assert_int_equal(taken.record.event_end, 12 * MT_SEC);
    assert_int_equal(taken.record.event_duration, 7 * MT_SEC);
    assert_int_equal(taken.record.source_packets, 3);
    assert_int_equal(taken.record.destination_packets, 4);
    assert_int_equal(taken.record.network_bytes, 700);
    assert_int_equal(taken.record.source_port, 40000);
    assert_int_equal(taken.record.destination_port, 25);
    assert_memory_equal(taken.mac, macs, sizeof(macs));
    assert_memory_equal(taken.vlan, "12", 2);
    assert_string_equal(taken.record.network_type, "ipv4");
    assert_int_equal(taken.transactions[0].start, 9 * MT_SEC);
    assert_int_equal(taken.transactions[0].end, 12 * MT_SEC);

    mt_session_engine_destroy(engine);
    mt_arena_destroy(arena);
    free(stats);
}

static void an_event_id_depends_on_the_connection_and_its_first_packet_alone(void **state)
{
    (void)state;
    struct mt_stats *stats = aligned_alloc(MT_CACHE_LINE, sizeof(*stats));
    struct mt_arena *arena;
    struct taken a = {0}, b = {0}, c = {0};
    memset(stats, 0, sizeof(*stats));
    assert_int_equal(mt_arena_create(1 << 20, &arena), 0);
    struct mt_session_open open = open_for(40000), other = open_for(40001);

    struct mt_session_engine *engine = engine_for(arena, stats, &a);
    converse(engine, mt_session_open(engine, &open));
    mt_session_engine_destroy(engine);
    engine = engine_for(arena, stats, &b);
    struct mt_session *session = mt_session_open(engine, &open);
    assert_memory_equal(mt_session_event_id(session).ptr, a.id, MT_EVENT_ID_SIZE);
    say(engine, session, MT_SERVER, "554 no\r\n", 6);
    mt_session_close(engine, session, MT_SESSION_END_RST);
    mt_session_engine_destroy(engine);
    engine = engine_for(arena, stats, &c);
    converse(engine, mt_session_open(engine, &other));
    mt_session_engine_destroy(engine);

    assert_memory_equal(a.id, b.id, sizeof(a.id));
    assert_memory_not_equal(a.id, c.id, sizeof(a.id));
    for (size_t i = 0; i < sizeof(a.id); i++)
        assert_non_null(strchr("0123456789abcdef", a.id[i]));
    mt_arena_destroy(arena);
    free(stats);
}

/* --- limits ----------------------------------------------------------------- */

static void no_more_sessions_than_sessions_max_are_open(void **state)
{
    (void)state;
    struct wire wire;
    struct mt_session *sessions[4];
    wire_init(&wire, NULL, NULL);
    for (size_t i = 0; i < MT_ARRAY_COUNT(sessions); i++) {
        sessions[i] = mt_session_open(wire.engine, &wire.open);
        assert_non_null(sessions[i]);
    }
    assert_null(mt_session_open(wire.engine, &wire.open));
    for (size_t i = 0; i < MT_ARRAY_COUNT(sessions); i++)
        mt_session_close(wire.engine, sessions[i], MT_SESSION_END_EVICTED);
    wire_open(&wire, NULL);
    wire_close(&wire, MT_SESSION_END_FIN);
    wire_fini(&wire);
}

static void without_memory_a_session_still_counts_and_says_what_it_lacks(void **state)
{
    (void)state;
    struct wire wire;
    void *taken[1024];
    size_t count = 0;
    start(&wire, NULL);
    wire_line(&wire, "S: 220 mx.example.net");
    /* Whatever the arena has left goes; a little is kept for naming what is cut. */
    wire_line(&wire, "C: FOO");
    while (count < MT_ARRAY_COUNT(taken) &&
           (taken[count] = mt_arena_get(wire.arena, MT_ARENA_BLOCK_MAX)) != NULL)
        count++;
    if (count == MT_ARRAY_COUNT(taken)) {
        print_message("the arena's twin under AddressSanitizer has more than its budget: not looked at\n");
    } else {
        for (int i = 0; i < 64; i++)
            wire_lines(&wire, LINES("C: MAIL FROM:<a@example.org>", "S: 250 Ok", "C: RSET", "S: 250 Ok"));
        assert_true(mt_stats_get(wire.stats, MT_COUNTER_MEMORY_REFUSED) > 0);
    }
    while (count > 0)
        mt_arena_put(wire.arena, taken[--count], MT_ARENA_BLOCK_MAX);
    uint64_t refused = mt_stats_get(wire.stats, MT_COUNTER_MEMORY_REFUSED);
    wire_close(&wire, MT_SESSION_END_FIN);
    if (refused > 0) {
        assert_true(has(&wire, "smtp.commands: mail=64 rset=64 unknown=1\n"));
        assert_true(has(&wire, "smtp.transactions_total: 64\n"));
        assert_true(has(&wire, "smtp.truncated: smtp.transactions"));
    }
    wire_fini(&wire);
}

static void a_session_keeps_no_more_than_bytes_max(void **state)
{
    (void)state;
    struct wire wire;
    struct mt_session_limits limits = {.bytes_max = 1024};
    start(&wire, &limits);
    wire_lines(&wire, greeted);
    wire_lines(&wire, LINES("C: MAIL FROM:<a@example.org>", "S: 250 Ok"));
    for (int i = 0; i < 100; i++)
        wire_lines(&wire, LINES("C: RCPT TO:<r@example.net>", "S: 250 Ok"));
    assert_true(mt_arena_used(wire.arena) <= 1024 + 512); /* the list of what is cut, and an outcome */
    wire_lines(&wire, LINES("C: DATA", "S: 354 go", "C: .", "S: 250 queued as B1"));
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_true(has(&wire, "smtp.transactions[0].recipients[5].address"));
    assert_false(has(&wire, "smtp.transactions[0].recipients[50].address"));
    assert_true(has(&wire, "smtp.transactions[0].recipients_total: 100\n"));
    assert_true(has(&wire, "smtp.transactions[0].outcome: delivered\n"));
    assert_true(has(&wire, "smtp.truncated: smtp.transactions.recipients"));
    wire_fini(&wire);
}

/* docs/architecture.md: what a session may take at most while it lasts. */
#define SESSION_MAX ((size_t)96 << 10)

static size_t say_and_measure(struct wire *wire, size_t most, const char *const *lines)
{
    wire_lines(wire, lines);
    size_t used = mt_arena_used(wire->arena);
    return used > most ? used : most;
}

/* All that can be asked for, and a client and a server that want it to be much. */
static void a_session_takes_no_more_memory_than_is_stated(void **state)
{
    (void)state;
    struct wire wire;
    struct mt_session_limits limits = {
        .content = MT_CONTENT_MD5 | MT_CONTENT_SHA256 | MT_CONTENT_URLS | MT_CONTENT_MARKER,
        .header_max = 256,
        .message_level = MT_MESSAGE_LINES,
    };
    char text[1024];
    size_t most = 0;

    start(&wire, &limits);
    wire_lines(&wire, greeted);
    for (int i = 0; i < 300; i++)
        most = say_and_measure(&wire, most, LINES("C: VRFY somebody", "S: 252 perhaps"));
    for (int mail = 0; mail < 30; mail++) {
        most = say_and_measure(&wire, most, LINES("C: MAIL FROM:<a@example.org>", "S: 250 Ok"));
        for (int i = 0; i < 20; i++)
            most = say_and_measure(&wire, most, LINES("C: RCPT TO:<recipient@example.net>", "S: 250 Ok"));
        most = say_and_measure(&wire, most, LINES("C: DATA", "S: 354 go"));
        for (int i = 0; i < 40; i++) {
            snprintf(text, sizeof(text), "C: X-Field-%d: %0900d", i, i);
            most = say_and_measure(&wire, most, LINES(text));
        }
        most = say_and_measure(&wire, most, LINES("C: Content-Type: multipart/mixed; boundary=b", "C: "));
        for (int i = 0; i < 70; i++) {
            snprintf(text, sizeof(text), "C: http://n%d.example.org/%0400d", i, i);
            most = say_and_measure(
                &wire, most,
                LINES("C: --b", "C: Content-Type: text/plain; name=a_name_of_a_file", "C: ", text));
        }
        most = say_and_measure(&wire, most, LINES("C: --b--", "C: .", "S: 250 queued as B1"));
    }
    for (int i = 0; i < 3000; i++) /* pipelined, and nothing is answered */
        most = say_and_measure(&wire, most, LINES("C: NOOP"));
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_true(has(&wire, "smtp.transactions_total: 30\n"));
    if (most > SESSION_MAX)
        fail_msg("%zu octets", most);
    assert_true(most > SESSION_MAX / 2); /* else the bound says little */
    wire_fini(&wire);
}

static void counts_stay_exact_however_high_they_go(void **state)
{
    (void)state;
    struct wire wire;
    start(&wire, NULL);
    wire_lines(&wire, greeted);
    for (int i = 0; i < 70000; i++)
        wire_lines(&wire, LINES("C: RSET", "S: 250 Ok"));
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_true(has(&wire, "rset=70000"));
    assert_true(has(&wire, "smtp.codes: 220=1 250=70001\n"));
    wire_fini(&wire);
}

static void a_server_may_give_every_code_there_is(void **state)
{
    (void)state;
    struct wire wire;
    char line[64];
    start(&wire, NULL);
    wire_line(&wire, "S: 220 mx");
    for (int code = 0; code < 1000; code++) {
        if (code == 334 || code == 354)
            continue; /* these change what the client says */
        wire_line(&wire, "C: FOO");
        snprintf(line, sizeof(line), "S: %03d x", code);
        wire_line(&wire, line);
    }
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_true(has(&wire, "smtp.commands: unknown=998\n"));
    assert_true(has(&wire, "smtp.codes: 000=1 001=1 002=1 "));
    assert_true(has(&wire, " 219=1 220=2 221=1 "));
    assert_true(has(&wire, " 998=1 999=1\n"));
    assert_true(has(&wire, "smtp.replies.2xx: 101\n"));
    assert_true(has(&wire, "smtp.replies.3xx: 98\n"));
    assert_true(has(&wire, "smtp.replies.other: 600\n"));
    assert_false(has(&wire, "smtp.truncated"));
    wire_fini(&wire);
}

static void a_text_is_cut_between_characters(void **state)
{
    (void)state;
    struct wire wire;
    struct mt_session_limits limits = {.text_max = 8};
    start(&wire, &limits);
    wire_lines(&wire, greeted);
    wire_lines(&wire, LINES("C: MAIL FROM:<a@b.c>", "S: 250 Ok", "C: RCPT TO:<b@b.c>", "S: 250 Ok", "C: DATA",
                            "S: 354 go", "C: Subject: 1234567\xc3\xa4\xc3\xb6", "C: ", "C: ."));
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_true(has(&wire, "message.subject: \"1234567\"\n"));
    wire_fini(&wire);
}

static void a_line_of_12_kib_that_comes_in_pieces_is_one_command(void **state)
{
    (void)state;
    struct wire wire;
    struct text line = {0};
    start(&wire, NULL);
    wire_lines(&wire, greeted);
    text_put(&line, "VRFY ");
    while (line.size < 12000)
        text_put(&line, "x");
    for (size_t at = 0; at < line.size; at += 700)
        wire_segment(&wire, MT_CLIENT, mt_span_head(mt_span(line.ptr + at, line.size - at), 700));
    wire_line(&wire, "C: ");
    wire_line(&wire, "S: 500 too long");
    size_t used = mt_arena_used(wire.arena);
    wire_line(&wire, "C: NOOP");
    assert_true(used < 4096);
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_true(has(&wire, "smtp.commands: ehlo=1 vrfy=1 noop=1\n"));
    assert_true(has(&wire, "smtp.truncated: smtp.probes.vrfy\n"));
    text_free(&line);
    wire_fini(&wire);
}

/* --- evidence --------------------------------------------------------------- */

static void bytes_that_must_be_taken_are_read_as_what_they_look_like(void **state)
{
    (void)state;
    static const struct {
        const char *behind, *command;
    } cases[] = {
        {"C: RSET", "rset=1"},
        {"C: MAIL FROM:<x@y.z>", "mail=2"},
        {"C: Subject: MAIL FROM:<x@y.z>", "mail=1"},
        {"C: Help: is a header field here", "mail=1"},
    };
    struct wire wire;
    wire_init(&wire, NULL, NULL);
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        wire_clear(&wire);
        wire_open(&wire, NULL);
        wire_handshake(&wire);
        wire_lines(&wire, greeted);
        wire_lines(&wire,
                   LINES("C: MAIL FROM:<a@b.c>", "S: 250 Ok", "C: RCPT TO:<b@b.c>", "S: 250 Ok", "C: DATA"));
        wire_line(&wire, cases[i].behind);
        assert_true(wire.waiting[MT_CLIENT].size > 0);
        wire_close(&wire, MT_SESSION_END_CAPTURE_END);
        assert_true(has(&wire, cases[i].command));
        assert_false(has(&wire, "unknown"));
    }
    wire_fini(&wire);
}

/* Handshake 11 with a list of four certificates of a byte each: none of them is one. */
static void send_certificates(struct wire *wire, uint8_t first)
{
    uint8_t record[] = {0x16, 3,     3, 0, 23, 11,    0, 0, 19, 0,     0, 16, 0, 0,
                        1,    first, 0, 0, 1,  first, 0, 0, 1,  first, 0, 0,  1, first};

    for (uint8_t i = 1; i < 4; i++)
        record[15 + 4 * i] = (uint8_t)(first + i);
    wire_segment(wire, MT_CLIENT, mt_span(record, sizeof(record)));
}

/* Gaps may show what looks like content, then like TLS, then like neither. */
static void of_two_chains_of_certificates_of_a_side_the_last_counts(void **state)
{
    (void)state;
    struct wire wire;
    wire_init(&wire, NULL, NULL);
    wire_open(&wire, NULL);
    wire_handshake(&wire);
    wire_lines(&wire, greeted);
    wire_lines(&wire, LINES("C: STARTTLS", "S: 454 not now"));
    wire_gap(&wire, MT_SERVER, 100);
    wire_gap(&wire, MT_CLIENT, 100);
    wire_line(&wire, "C: the middle of a letter");
    wire_gap(&wire, MT_CLIENT, 100);
    send_certificates(&wire, '1');
    wire_segment(&wire, MT_CLIENT, mt_span("no record", 9));
    wire_gap(&wire, MT_SERVER, 100);
    wire_line(&wire, "S: 250 Ok");
    wire_gap(&wire, MT_CLIENT, 100);
    send_certificates(&wire, '5');
    wire_close(&wire, MT_SESSION_END_FIN);
    assert_true(has(&wire, "tls.client.hash.sha256: \"EF2D127D"));
    assert_true(has(&wire, "tls.client.chain[0].hash.sha256: \"E7F6C011"));
    assert_true(has(&wire, "tls.client.chain[2].hash.sha256: \"2C624232"));
    assert_false(has(&wire, "tls.client.chain[3]"));
    wire_fini(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_idle_session_is_its_struct_and_one_block),
        cmocka_unit_test(a_session_inside_a_transaction_fits_536_bytes),
        cmocka_unit_test(what_a_message_needs_is_given_back_behind_its_header),
        cmocka_unit_test(pipelined_commands_hold_no_memory_once_answered),
        cmocka_unit_test(a_connection_without_payload_is_a_record_only_when_its_handshake_is_whole),
        cmocka_unit_test(quit_is_an_end_only_when_it_was_answered_and_the_connection_ended),
        cmocka_unit_test(times_counts_and_addresses_are_those_of_the_frames),
        cmocka_unit_test(an_event_id_depends_on_the_connection_and_its_first_packet_alone),
        cmocka_unit_test(no_more_sessions_than_sessions_max_are_open),
        cmocka_unit_test(without_memory_a_session_still_counts_and_says_what_it_lacks),
        cmocka_unit_test(a_session_keeps_no_more_than_bytes_max),
        cmocka_unit_test(a_session_takes_no_more_memory_than_is_stated),
        cmocka_unit_test(counts_stay_exact_however_high_they_go),
        cmocka_unit_test(a_server_may_give_every_code_there_is),
        cmocka_unit_test(a_text_is_cut_between_characters),
        cmocka_unit_test(a_line_of_12_kib_that_comes_in_pieces_is_one_command),
        cmocka_unit_test(bytes_that_must_be_taken_are_read_as_what_they_look_like),
        cmocka_unit_test(of_two_chains_of_certificates_of_a_side_the_last_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
