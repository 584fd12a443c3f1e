#include "base/mark.h"
#include "dns/tap.h"
#include "wire.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static struct mt_stats stats;

struct heard {
    unsigned count;
    struct mt_dns_answer last;
};

static void on_answer(void *ctx, const struct mt_dns_answer *answer)
{
    struct heard *heard = ctx;
    heard->count++;
    memcpy(&heard->last, answer, mt_dns_answer_size(answer));
}

struct run {
    struct mt_dns_tap *tap;
    struct heard heard;
    struct mt_dns_sink sink;
    uint32_t seq[2];
};

static int begin(void **state)
{
    static struct run run;

    memset(&stats, 0, sizeof(stats));
    run = (struct run){.seq = {1000, 0xfffffff0}};
    run.sink = (struct mt_dns_sink){.answer = on_answer, .ctx = &run.heard};
    assert_int_equal(mt_dns_tap_create(&stats, &run.tap), 0);
    *state = &run;
    return 0;
}

static int end(void **state)
{
    struct run *run = *state;
    mt_dns_tap_destroy(run->tap);
    return 0;
}

static struct mt_tuple tuple(bool is_back)
{
    struct mt_ip client = {.family = 4, .bytes = {10, 0, 0, 1}};
    struct mt_ip server = {.family = 4, .bytes = {10, 0, 0, 53}};
    return is_back ? (struct mt_tuple){.src = server, .dst = client, .src_port = 53, .dst_port = 4000}
                   : (struct mt_tuple){.src = client, .dst = server, .src_port = 4000, .dst_port = 53};
}

static struct wire question(uint16_t id)
{
    struct wire w;
    wire_begin(&w, id, 0x0100, "mx.example.org", MT_DNS_A);
    return w;
}

static struct wire answer(uint16_t id)
{
    struct wire w;
    wire_begin(&w, id, 0x8180, "MX.example.org", MT_DNS_A);
    wire_record(&w, NULL, MT_DNS_A, 300, "\xc0\x00\x02\x01", 4);
    return w;
}

static void datagram(struct run *run, const struct wire *w, bool is_back, uint64_t seconds)
{
    struct mt_tuple t = tuple(is_back);
    mt_dns_tap_datagram(run->tap, &t, wire_span(w), (uint32_t)w->size, seconds * MT_SEC, &run->sink);
}

static uint64_t counted(enum mt_counter counter)
{
    return mt_stats_get(&stats, counter);
}

static void an_answer_to_a_question_is_taken_once(void **state)
{
    struct run *run = *state;
    struct wire q = question(7), a = answer(7);

    datagram(run, &q, false, 100);
    datagram(run, &a, true, 101);
    assert_int_equal(run->heard.count, 1);
    assert_int_equal(run->heard.last.time, 101 * MT_SEC);
    datagram(run, &a, true, 101);
    assert_int_equal(run->heard.count, 1);
    assert_int_equal(counted(MT_COUNTER_DNS_UNASKED), 1);
    assert_int_equal(counted(MT_COUNTER_DNS_ANSWERS), 1);
}

static void what_nobody_asked_for_is_not_believed(void **state)
{
    struct run *run = *state;
    struct wire q = question(7), other_id = answer(8), a = answer(7), other_name;

    datagram(run, &a, true, 99);
    datagram(run, &q, false, 100);
    datagram(run, &other_id, true, 100);
    wire_begin(&other_name, 7, 0x8180, "www.example.org", MT_DNS_A);
    wire_record(&other_name, NULL, MT_DNS_A, 300, "\xc0\x00\x02\x09", 4);
    datagram(run, &other_name, true, 100);
    datagram(run, &a, false, 100); /* an answer to port 53 */
    assert_int_equal(run->heard.count, 0);
    assert_int_equal(counted(MT_COUNTER_DNS_UNASKED), 3);
    assert_int_equal(counted(MT_COUNTER_DNS_DAMAGED), 1);
    datagram(run, &a, true, 131); /* too late */
    assert_int_equal(run->heard.count, 0);
}

static void an_answer_that_the_capture_cut_is_not_read(void **state)
{
    struct run *run = *state;
    struct wire q = question(7), a = answer(7);
    struct mt_tuple t = tuple(true);

    datagram(run, &q, false, 100);
    mt_dns_tap_datagram(run->tap, &t, wire_span(&a), (uint32_t)a.size + 1, 100 * MT_SEC, &run->sink);
    assert_int_equal(run->heard.count, 0);
    assert_int_equal(counted(MT_COUNTER_DNS_DAMAGED), 1);
}

static void questions_that_never_get_an_answer_give_way(void **state)
{
    struct run *run = *state;

    for (unsigned i = 0; i < 3 * MT_DNS_QUESTIONS; i++) {
        struct wire q = question((uint16_t)i);
        struct mt_tuple t = tuple(false);
        t.src_port = (uint16_t)(1024 + (i >> 16));
        mt_dns_tap_datagram(run->tap, &t, wire_span(&q), (uint32_t)q.size, 100 * MT_SEC + i, &run->sink);
    }
    assert_true(counted(MT_COUNTER_DNS_QUESTIONS_FORGOTTEN) >= (uint64_t)2 * MT_DNS_QUESTIONS);
    struct wire q = question(7), a = answer(7);
    datagram(run, &q, false, 101);
    datagram(run, &a, true, 101);
    assert_int_equal(run->heard.count, 1);
}

/* --- TCP ------------------------------------------------------------------------- */

static void segment_at(struct run *run, struct mt_span bytes, bool is_back, uint32_t seq, bool is_last)
{
    struct mt_tuple t = tuple(is_back);
    mt_dns_tap_segment(run->tap, &t, bytes, (uint32_t)bytes.size, seq, is_last, 100 * MT_SEC, &run->sink);
}

static void segment(struct run *run, struct mt_span bytes, bool is_back)
{
    segment_at(run, bytes, is_back, run->seq[is_back], false);
    run->seq[is_back] += (uint32_t)bytes.size;
}

static struct wire framed(const struct wire *message)
{
    struct wire w = {.size = message->size + 2};

    w.bytes[0] = (uint8_t)(message->size >> 8);
    w.bytes[1] = (uint8_t)message->size;
    memcpy(w.bytes + 2, message->bytes, message->size);
    return w;
}

static void a_message_over_tcp_may_be_cut_behind_its_header_anywhere(void **state)
{
    struct run *run = *state;
    struct wire q = question(7), a = answer(7);
    struct wire fq = framed(&q), fa = framed(&a);

    for (size_t cut = 14; cut < fa.size; cut++) {
        segment(run, wire_span(&fq), false);
        segment(run, mt_span_head(wire_span(&fa), cut), true);
        assert_int_equal(run->heard.count, cut - 14);
        segment_at(run, mt_span_head(wire_span(&fa), cut), true, run->seq[1] - (uint32_t)cut, false);
        segment(run, mt_span_from(wire_span(&fa), cut), true);
        assert_int_equal(run->heard.count, cut - 13);
    }
    assert_int_equal(counted(MT_COUNTER_DNS_TCP_LOST), 0);
}

static void a_lost_segment_is_counted_and_the_next_message_is_read(void **state)
{
    struct run *run = *state;
    struct wire q = question(7), a = answer(7);
    struct wire fq = framed(&q), fa = framed(&a);

    segment(run, wire_span(&fq), false);
    segment(run, mt_span_head(wire_span(&fa), 20), true);
    run->seq[1] += 100;
    segment(run, mt_span_from(wire_span(&fa), 20), true);
    assert_int_equal(run->heard.count, 0);
    assert_true(counted(MT_COUNTER_DNS_TCP_LOST) > 0);
    segment(run, wire_span(&fa), true);
    assert_int_equal(run->heard.count, 1);
}

static void many_connections_share_the_streams_there_are(void **state)
{
    struct run *run = *state;
    struct wire q = question(7), a = answer(7);
    struct wire fq = framed(&q), fa = framed(&a);

    for (unsigned i = 0; i < 1000; i++) {
        struct mt_tuple t = tuple(false);
        t.src_port = (uint16_t)(2000 + i);
        mt_dns_tap_segment(run->tap, &t, wire_span(&fq), (uint32_t)fq.size, 5, false, 100 * MT_SEC + i,
                           &run->sink);
        t = tuple(true);
        t.dst_port = (uint16_t)(2000 + i);
        mt_dns_tap_segment(run->tap, &t, wire_span(&fa), (uint32_t)fa.size, 9, i % 2, 100 * MT_SEC + i,
                           &run->sink);
    }
    assert_int_equal(run->heard.count, 1000);
}

static void what_is_no_dns_over_tcp_is_left_alone(void **state)
{
    struct run *run = *state;
    uint8_t noise[3000];

    for (size_t i = 0; i < sizeof(noise); i++)
        noise[i] = (uint8_t)(i * 7 + 1);
    for (unsigned i = 0; i < 100; i++)
        segment(run, mt_span(noise + i, 1400), true);
    assert_int_equal(run->heard.count, 0);
    assert_true(counted(MT_COUNTER_DNS_TCP_LOST) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_answer_to_a_question_is_taken_once, begin, end),
        cmocka_unit_test_setup_teardown(what_nobody_asked_for_is_not_believed, begin, end),
        cmocka_unit_test_setup_teardown(an_answer_that_the_capture_cut_is_not_read, begin, end),
        cmocka_unit_test_setup_teardown(questions_that_never_get_an_answer_give_way, begin, end),
        cmocka_unit_test_setup_teardown(a_message_over_tcp_may_be_cut_behind_its_header_anywhere, begin, end),
        cmocka_unit_test_setup_teardown(a_lost_segment_is_counted_and_the_next_message_is_read, begin, end),
        cmocka_unit_test_setup_teardown(many_connections_share_the_streams_there_are, begin, end),
        cmocka_unit_test_setup_teardown(what_is_no_dns_over_tcp_is_left_alone, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
