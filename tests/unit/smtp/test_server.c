#include "smtp/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct seen {
    unsigned lines, anomalies;
    struct mt_smtp_reply_line last;
    struct mt_smtp_server *server;
    bool stops;
};

static void on_reply_line(void *ctx, const struct mt_smtp_reply_line *line)
{
    struct seen *s = ctx;

    s->lines++;
    s->last = *line;
    if (s->stops)
        s->server->opaque = 1;
}

static void on_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    struct seen *s = ctx;

    (void)anomaly;
    s->anomalies++;
}

static const struct mt_smtp_server_events events = {.reply_line = on_reply_line, .anomaly = on_anomaly};

static struct mt_parse_result parse(struct mt_smtp_server *server, const char *text, struct seen *s)
{
    return mt_smtp_server_parse(server, mt_span_cstr(text), false, &events, s);
}

static void any_three_digits_are_a_code(void **state)
{
    (void)state;
    for (unsigned code = 0; code <= 999; code++) {
        struct mt_smtp_server server = {0};
        struct seen s = {.server = &server};
        char text[16];
        snprintf(text, sizeof(text), "%03u ok\r\n", code);
        assert_int_equal(parse(&server, text, &s).status, MT_PARSE_DONE);
        assert_int_equal(s.lines, 1);
        assert_int_equal(s.last.code, code);
        assert_true(s.last.is_last);
        assert_int_equal(s.anomalies, 0);
    }
}

static void code_and_lines_are_those_of_the_reply_in_progress(void **state)
{
    struct mt_smtp_server server = {0};
    struct seen s = {.server = &server};

    (void)state;
    parse(&server, "250-a\r\n250-b\r\n", &s);
    assert_int_equal(server.code, 250);
    assert_int_equal(server.lines, 2);
    parse(&server, "250 c\r\n", &s);
    assert_int_equal(server.code, 0);
    assert_int_equal(server.lines, 0);
    assert_int_equal(s.last.index, 2);
}

static void a_reply_of_code_000_is_in_progress_too(void **state)
{
    struct mt_smtp_server server = {0};
    struct seen s = {.server = &server};

    (void)state;
    parse(&server, "000-a\r\nb\r\n000 c\r\n", &s);
    assert_int_equal(s.lines, 3);
    assert_int_equal(s.last.index, 2);
}

static void the_count_of_lines_does_not_wrap(void **state)
{
    struct mt_smtp_server server = {.code = 250, .lines = UINT32_MAX};
    struct seen s = {.server = &server};

    (void)state;
    parse(&server, "250-a\r\nb\r\n", &s);
    assert_int_equal(s.lines, 2);
    assert_int_equal(server.lines, UINT32_MAX);
}

static void the_callee_may_stop_the_parser_within_a_span(void **state)
{
    static const char text[] = "220 go\r\n250 injected\r\n\x16\x03";
    struct mt_smtp_server server = {0};
    struct seen s = {.server = &server, .stops = true};

    (void)state;
    struct mt_parse_result result = parse(&server, text, &s);
    assert_int_equal(result.status, MT_PARSE_DONE);
    assert_int_equal(result.consumed, strlen(text));
    assert_int_equal(s.lines, 1);
    assert_int_equal(s.anomalies, 0);
}

static void a_gap_forgets_the_reply_in_progress(void **state)
{
    struct mt_smtp_server server = {0};
    struct seen s = {.server = &server};

    (void)state;
    parse(&server, "250-a\r\n", &s);
    mt_smtp_server_gap(&server, 1);
    assert_int_equal(server.lines, 0);
    parse(&server, "250 rest of a line\r\n550-b\r\n", &s);
    assert_int_equal(s.lines, 2);
    assert_int_equal(s.last.code, 550);
    assert_int_equal(s.last.index, 0);
    assert_int_equal(s.anomalies, 0);
}

static void no_bytes_are_no_event(void **state)
{
    struct mt_smtp_server server = {0};
    struct seen s = {.server = &server};

    (void)state;
    assert_int_equal(mt_smtp_server_parse(&server, mt_span_none(), false, &events, &s).status, MT_PARSE_DONE);
    assert_int_equal(mt_smtp_server_parse(&server, mt_span_none(), true, &events, &s).status, MT_PARSE_DONE);
    assert_int_equal(s.lines + s.anomalies, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_three_digits_are_a_code),
        cmocka_unit_test(code_and_lines_are_those_of_the_reply_in_progress),
        cmocka_unit_test(a_reply_of_code_000_is_in_progress_too),
        cmocka_unit_test(the_count_of_lines_does_not_wrap),
        cmocka_unit_test(the_callee_may_stop_the_parser_within_a_span),
        cmocka_unit_test(a_gap_forgets_the_reply_in_progress),
        cmocka_unit_test(no_bytes_are_no_event),
    };
    return cmocka_run_group_tests_name("smtp server", tests, NULL, NULL);
}
