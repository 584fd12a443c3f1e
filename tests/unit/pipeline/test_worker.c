/* What the pipeline makes of connections: when a session begins, when it ends,
 * and that the number of workers changes nothing. */
#include "lines.h"
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SEEN_MAX 64

struct seen {
    size_t count;
    const char *end[SEEN_MAX];
    const char *pickup[SEEN_MAX];
    const char *direction[SEEN_MAX];
    uint64_t packets[SEEN_MAX][MT_SIDE_COUNT];
    uint64_t start[SEEN_MAX];
    uint64_t delivered[SEEN_MAX];
    uint64_t missing[SEEN_MAX];
    struct mt_ip client[SEEN_MAX];
};

static void on_record(void *ctx, const struct mt_record_session *record)
{
    struct seen *seen = ctx;
    size_t i = seen->count++;
    assert_true(i < SEEN_MAX);
    seen->end[i] = record->end;
    seen->pickup[i] = record->pickup;
    seen->direction[i] = record->direction;
    seen->packets[i][MT_CLIENT] = record->source_packets;
    seen->packets[i][MT_SERVER] = record->destination_packets;
    seen->start[i] = record->event_start;
    seen->client[i] = record->source_ip;
    seen->missing[i] = record->missing_bytes_client + record->missing_bytes_server;
    for (uint32_t t = 0; t < record->transactions.count; t++) {
        const char *outcome = record->transactions.items[t].outcome;
        seen->delivered[i] += outcome && strcmp(outcome, "delivered") == 0;
    }
}

static struct mt_pipeline_result *run(struct wire *wire, struct seen *seen,
                                      const struct mt_pipeline_config *given)
{
    struct mt_pipeline_config config = given ? *given : (struct mt_pipeline_config){0};
    mt_detect_config_init(&config.detect);
    config.observer_name = mt_span_cstr("test");
    config.observer_version = "0";
    struct mt_pipeline_sink sink = {.record = on_record};
    struct mt_pipeline_result *result = aligned_alloc(MT_CACHE_LINE, sizeof(*result));
    char reason[128];
    memset(seen, 0, sizeof(*seen));
    assert_int_equal(mt_pipeline_run(&config, &wire->capture, &sink, seen, reason, sizeof(reason), result),
                     0);
    return result;
}

static void a_delivery_is_one_record_that_counts_every_frame(void **state)
{
    (void)state;
    struct wire wire;
    struct wire_connection c;
    struct seen seen;
    wire_init(&wire);
    wire_connection(&c, 5, 40000);
    wire_delivery(&wire, &c);
    free(run(&wire, &seen, NULL));
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.end[0], "quit");
    assert_string_equal(seen.pickup[0], "syn");
    assert_string_equal(seen.direction[0], "both");
    assert_int_equal(seen.delivered[0], 1);
    assert_int_equal(seen.packets[0][MT_CLIENT] + seen.packets[0][MT_SERVER], wire.count);
    assert_int_equal(seen.start[0], wire.frames[0].mark.time);
    wire_fini(&wire);
}

static void a_flood_of_syns_makes_no_session(void **state)
{
    (void)state;
    struct wire wire;
    struct seen seen;
    wire_init(&wire);
    for (uint16_t i = 0; i < 2000; i++) {
        struct wire_connection c;
        wire_connection(&c, (uint8_t)i, (uint16_t)(1024 + i));
        wire_segment(&wire, &c, MT_CLIENT, MT_TCP_SYN, NULL);
        wire_segment(&wire, &c, MT_SERVER, MT_TCP_SYN | MT_TCP_ACK, NULL);
    }
    struct mt_pipeline_result *result = run(&wire, &seen, NULL);
    assert_int_equal(seen.count, 0);
    assert_int_equal(mt_stats_get(&result->stats, MT_COUNTER_FLOWS_NEW), 0);
    assert_int_equal(mt_stats_get(&result->stats, MT_COUNTER_EMBRYOS), 2000);
    free(result);
    wire_fini(&wire);
}

static void a_refused_connection_makes_no_session(void **state)
{
    (void)state;
    struct wire wire;
    struct wire_connection c;
    struct seen seen;
    wire_init(&wire);
    wire_connection(&c, 5, 40000);
    wire_segment(&wire, &c, MT_CLIENT, MT_TCP_SYN, NULL);
    wire_segment(&wire, &c, MT_SERVER, MT_TCP_RST | MT_TCP_ACK, NULL);
    free(run(&wire, &seen, NULL));
    assert_int_equal(seen.count, 0);
    wire_fini(&wire);
}

static void an_open_session_is_cut_by_the_end_of_the_capture(void **state)
{
    (void)state;
    struct wire wire;
    struct wire_connection c;
    struct seen seen;
    wire_init(&wire);
    wire_connection(&c, 5, 40000);
    wire_handshake(&wire, &c);
    free(run(&wire, &seen, NULL));
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.end[0], "capture_end");
    wire_fini(&wire);
}

static void a_reset_ends_a_session_and_stragglers_still_count(void **state)
{
    (void)state;
    struct wire wire;
    struct wire_connection c;
    struct seen seen;
    wire_init(&wire);
    wire_connection(&c, 5, 40000);
    wire_handshake(&wire, &c);
    wire_say(&wire, &c, MT_SERVER, "220 hello\r\n");
    wire_segment(&wire, &c, MT_CLIENT, MT_TCP_RST | MT_TCP_ACK, NULL);
    wire_segment(&wire, &c, MT_SERVER, MT_TCP_ACK, "late words\r\n");
    free(run(&wire, &seen, NULL));
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.end[0], "rst");
    assert_int_equal(seen.packets[0][MT_CLIENT] + seen.packets[0][MT_SERVER], wire.count);
    wire_fini(&wire);
}

static void an_idle_session_times_out_exactly_even_when_no_other_packet_turns_the_wheel(void **state)
{
    (void)state;
    struct wire wire;
    struct wire_connection c;
    struct seen seen;
    wire_init(&wire);
    wire_connection(&c, 5, 40000);
    wire_handshake(&wire, &c);
    wire_say(&wire, &c, MT_SERVER, "220 hello\r\n");
    wire.time += 700 * MT_SEC;
    wire_say(&wire, &c, MT_CLIENT, "QUIT\r\n");
    free(run(&wire, &seen, NULL));
    assert_int_equal(seen.count, 2);
    assert_string_equal(seen.end[0], "timeout");
    assert_string_equal(seen.pickup[1], "midstream");
    wire_fini(&wire);
}

static void a_five_tuple_used_again_is_another_session(void **state)
{
    (void)state;
    struct wire wire;
    struct wire_connection first;
    struct wire_connection second;
    struct seen seen;
    wire_init(&wire);
    wire_connection(&first, 5, 40000);
    wire_delivery(&wire, &first);
    wire_connection(&second, 5, 40000);
    second.end[MT_CLIENT].seq = 77777777;
    second.end[MT_SERVER].seq = 88888888;
    wire_delivery(&wire, &second);
    struct mt_pipeline_result *result = run(&wire, &seen, NULL);
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.delivered[0] + seen.delivered[1], 2);
    assert_int_equal(mt_stats_get(&result->stats, MT_COUNTER_FLOWS_REUSED), 1);
    free(result);
    wire_fini(&wire);
}

static void a_five_tuple_used_again_without_an_end_is_another_session(void **state)
{
    (void)state;
    struct wire wire;
    struct wire_connection first;
    struct wire_connection second;
    struct seen seen;
    wire_init(&wire);
    wire_connection(&first, 5, 40000);
    wire_handshake(&wire, &first);
    wire_say(&wire, &first, MT_SERVER, "220 hello\r\n");
    wire_say(&wire, &first, MT_CLIENT, "EHLO x.example\r\n");
    wire_connection(&second, 5, 40000);
    second.end[MT_CLIENT].seq = 77777777;
    second.end[MT_SERVER].seq = 88888888;
    wire_delivery(&wire, &second);
    free(run(&wire, &seen, NULL));
    assert_int_equal(seen.count, 2);
    assert_int_equal(seen.delivered[1], 1);
    wire_fini(&wire);
}

static void a_forged_syn_does_not_end_a_session(void **state)
{
    (void)state;
    struct wire wire;
    struct wire_connection c;
    struct wire_connection forged;
    struct seen seen;
    wire_init(&wire);
    wire_connection(&c, 5, 40000);
    wire_handshake(&wire, &c);
    wire_say(&wire, &c, MT_SERVER, "220 hello\r\n");
    wire_say(&wire, &c, MT_CLIENT, "EHLO x.example\r\n");
    wire_connection(&forged, 5, 40000);
    forged.end[MT_CLIENT].seq = 5;
    wire_segment(&wire, &forged, MT_CLIENT, MT_TCP_SYN, NULL);
    wire_say(&wire, &c, MT_SERVER, "250 ok\r\n");
    wire_say(&wire, &c, MT_CLIENT, "QUIT\r\n");
    wire_say(&wire, &c, MT_SERVER, "221 bye\r\n");
    wire_close(&wire, &c);
    free(run(&wire, &seen, NULL));
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.end[0], "quit");
    wire_fini(&wire);
}

/* The bytes of two frames change places, their times do not. */
static void swap_frames(struct wire *wire, size_t a, size_t b)
{
    struct mt_frame one = wire->frames[a];
    struct mt_frame other = wire->frames[b];
    wire->frames[a].data = other.data;
    wire->frames[a].size = wire->frames[a].wire_size = other.size;
    wire->frames[b].data = one.data;
    wire->frames[b].size = wire->frames[b].wire_size = one.size;
}

static void a_syn_that_comes_after_the_banner_begins_no_other_session(void **state)
{
    (void)state;
    struct wire wire;
    struct wire_connection c;
    struct seen seen;
    wire_init(&wire);
    wire_connection(&c, 5, 40000);
    wire_delivery(&wire, &c);
    swap_frames(&wire, 0, 1); /* SYN-ACK, SYN, ACK, banner */
    swap_frames(&wire, 1, 3); /* SYN-ACK, banner, ACK, SYN */
    free(run(&wire, &seen, NULL));
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.delivered[0], 1);
    assert_string_equal(seen.pickup[0], "syn");
    assert_string_equal(seen.end[0], "quit");
    wire_fini(&wire);
}

static void midstream_the_client_is_who_talks_to_the_mail_port(void **state)
{
    (void)state;
    struct wire wire;
    struct wire_connection c;
    struct seen seen;
    wire_init(&wire);
    wire_connection(&c, 5, 40000);
    wire_say(&wire, &c, MT_SERVER, "250 2.1.0 Ok\r\n");
    wire_say(&wire, &c, MT_CLIENT, "RCPT TO:<b@home.example>\r\n");
    free(run(&wire, &seen, NULL));
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.pickup[0], "midstream");
    assert_int_equal(seen.client[0].bytes[0], 203);
    wire_fini(&wire);
}

static void a_mirror_of_the_server_alone_misses_nothing(void **state)
{
    (void)state;
    struct wire both;
    struct wire_connection c;
    struct seen seen;
    wire_init(&both);
    wire_connection(&c, 5, 40000);
    wire_delivery(&both, &c);
    size_t total = both.count;
    size_t kept = 0;
    for (size_t i = 0; i < total; i++) {
        if (both.frames[i].data[12] == 10)
            both.frames[kept++] = both.frames[i];
        else
            free((void *)(uintptr_t)both.frames[i].data);
    }
    both.count = kept;
    free(run(&both, &seen, NULL));
    assert_int_equal(seen.count, 1);
    assert_string_equal(seen.direction[0], "server_only");
    assert_string_equal(seen.end[0], "quit");
    assert_int_equal(seen.missing[0], 0);
    wire_fini(&both);
}

static void a_full_table_gives_up_the_oldest_session_and_says_so(void **state)
{
    (void)state;
    struct wire wire;
    struct seen seen;
    wire_init(&wire);
    for (uint16_t i = 0; i < 40; i++) {
        struct wire_connection c;
        wire_connection(&c, (uint8_t)i, (uint16_t)(1024 + i));
        wire_handshake(&wire, &c);
    }
    struct mt_pipeline_config config = {.flows_max = 16};
    struct mt_pipeline_result *result = run(&wire, &seen, &config);
    uint64_t lost = mt_stats_get(&result->stats, MT_COUNTER_FLOWS_EVICTED) +
                    mt_stats_get(&result->stats, MT_COUNTER_FLOWS_REFUSED);
    assert_true(lost >= 24);
    assert_int_equal(seen.count, 40 - mt_stats_get(&result->stats, MT_COUNTER_FLOWS_REFUSED));
    free(result);
    wire_fini(&wire);
}

/* --- one worker, many workers ----------------------------------------------- */

static struct lines *run_lines(struct wire *wire, uint32_t workers)
{
    struct lines *lines = lines_new();
    struct mt_sigma *sigma = lines_rules(workers);
    struct mt_pipeline_config config = {.workers = workers, .sigma = sigma};
    mt_detect_config_init(&config.detect);
    config.observer_name = mt_span_cstr("test");
    config.observer_version = "0";
    struct mt_pipeline_result *result = aligned_alloc(MT_CACHE_LINE, sizeof(*result));
    char reason[128];
    wire_rewind(wire);
    assert_int_equal(
        mt_pipeline_run(&config, &wire->capture, &lines_sink, lines, reason, sizeof(reason), result), 0);
    assert_int_equal(result->workers, workers);
    free(result);
    mt_sigma_destroy(sigma);
    assert_false(lines->is_wrong);
    lines_sort(lines);
    return lines;
}

static bool has_alert(const struct lines *lines, const char *name)
{
    for (size_t i = 0; i < lines->count; i++) {
        if (strncmp(lines->text[i], name, strlen(name)) == 0)
            return true;
    }
    return false;
}

static void any_number_of_workers_gives_the_same_records_and_alerts(void **state)
{
    (void)state;
    static const char *const names[] = {"anna", "bert", "carl", "dora", "emil", "root", "gina"};
    struct wire wire;
    wire_init(&wire);
    for (uint16_t i = 0; i < 300; i++) {
        struct wire_connection c;
        wire_connection(&c, (uint8_t)(i % 200), (uint16_t)(2000 + i));
        if (i % 3 == 0)
            wire_probe(&wire, &c, names[i % MT_ARRAY_COUNT(names)]);
        else
            wire_delivery(&wire, &c);
        if (i % 50 == 0)
            wire.time += 30 * MT_SEC;
    }
    struct lines *one = run_lines(&wire, 1);
    assert_true(one->count > 300 && has_alert(one, "found ") && has_alert(one, "often "));
    for (uint32_t workers = 2; workers <= 5; workers++) {
        struct lines *many = run_lines(&wire, workers);
        assert_int_equal(many->count, one->count);
        for (size_t i = 0; i < one->count; i++)
            assert_string_equal(many->text[i], one->text[i]);
        lines_free(many);
    }
    lines_free(one);
    wire_fini(&wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_delivery_is_one_record_that_counts_every_frame),
        cmocka_unit_test(a_flood_of_syns_makes_no_session),
        cmocka_unit_test(a_refused_connection_makes_no_session),
        cmocka_unit_test(an_open_session_is_cut_by_the_end_of_the_capture),
        cmocka_unit_test(a_reset_ends_a_session_and_stragglers_still_count),
        cmocka_unit_test(an_idle_session_times_out_exactly_even_when_no_other_packet_turns_the_wheel),
        cmocka_unit_test(a_five_tuple_used_again_is_another_session),
        cmocka_unit_test(a_five_tuple_used_again_without_an_end_is_another_session),
        cmocka_unit_test(a_forged_syn_does_not_end_a_session),
        cmocka_unit_test(a_syn_that_comes_after_the_banner_begins_no_other_session),
        cmocka_unit_test(midstream_the_client_is_who_talks_to_the_mail_port),
        cmocka_unit_test(a_mirror_of_the_server_alone_misses_nothing),
        cmocka_unit_test(a_full_table_gives_up_the_oldest_session_and_says_so),
        cmocka_unit_test(any_number_of_workers_gives_the_same_records_and_alerts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
