#include "smtp/smtp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

/* What the events said, and what the callee is to do on a command. */
struct seen {
    unsigned commands, auth_responses, content_ends, chunk_ends, anomalies;
    uint64_t anomaly_bits[3];
    enum mt_smtp_verb verb; /* of the last command */
    struct mt_span line;    /* of the last command or AUTH response */
    struct mt_span content; /* of the last content event */
    struct mt_smtp_client *client;
    int mode_on_command; /* or -1 */
};

static void on_command(void *ctx, const struct mt_smtp_command *command)
{
    struct seen *s = ctx;

    s->commands++;
    s->verb = command->verb;
    s->line = command->line;
    if (s->mode_on_command >= 0)
        mt_smtp_client_set_mode(s->client, (enum mt_smtp_client_mode)s->mode_on_command);
}

static void on_auth_response(void *ctx, struct mt_span line, uint32_t octets)
{
    struct seen *s = ctx;

    (void)octets;
    s->auth_responses++;
    s->line = line;
}

static void on_content(void *ctx, struct mt_span bytes)
{
    struct seen *s = ctx;
    s->content = bytes;
}

static void on_content_end(void *ctx, bool is_chunk)
{
    struct seen *s = ctx;

    if (is_chunk)
        s->chunk_ends++;
    else
        s->content_ends++;
}

static void on_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    struct seen *s = ctx;

    s->anomalies++;
    s->anomaly_bits[anomaly / 64] |= UINT64_C(1) << anomaly % 64;
}

static const struct mt_smtp_client_events events = {
    .command = on_command,
    .auth_response = on_auth_response,
    .content = on_content,
    .content_end = on_content_end,
    .anomaly = on_anomaly,
};

static bool has_anomaly(const struct seen *s, enum mt_anomaly anomaly)
{
    return s->anomaly_bits[anomaly / 64] >> anomaly % 64 & 1;
}

static struct seen nothing_seen(struct mt_smtp_client *client)
{
    return (struct seen){.client = client, .mode_on_command = -1};
}

static void assert_result(struct mt_parse_result result, enum mt_parse_status status, size_t consumed)
{
    assert_int_equal(result.status, status);
    assert_int_equal(result.consumed, consumed);
}

static void zeroed_state_reads_commands(void **state)
{
    struct mt_smtp_client client = {0};
    struct seen s = nothing_seen(&client);

    (void)state;
    struct mt_parse_result result =
        mt_smtp_client_parse(&client, mt_span_cstr("NOOP\r\nQUIT\r\n"), false, &events, &s);
    assert_result(result, MT_PARSE_DONE, 12);
    assert_int_equal(s.commands, 2);
    assert_int_equal(s.verb, MT_VERB_QUIT);
    assert_int_equal(s.anomalies, 0);
}

static void no_bytes_are_no_event(void **state)
{
    struct mt_smtp_client client = {0};
    struct seen s = nothing_seen(&client);

    (void)state;
    for (int mode = MT_SMTP_COMMAND; mode <= MT_SMTP_OPAQUE; mode++) {
        if (mode != MT_SMTP_CHUNK)
            mt_smtp_client_set_mode(&client, (enum mt_smtp_client_mode)mode);
        assert_result(mt_smtp_client_parse(&client, mt_span_none(), false, &events, &s), MT_PARSE_DONE, 0);
        assert_result(mt_smtp_client_parse(&client, mt_span_none(), true, &events, &s), MT_PARSE_DONE, 0);
    }
    assert_int_equal(s.commands + s.auth_responses + s.content_ends + s.chunk_ends + s.anomalies, 0);
}

static void whole_lines_are_consumed_and_the_tail_is_asked_for_again(void **state)
{
    static const char text[] = "EHLO a\r\nMAIL FROM:<a@b>\r\nRCPT";
    struct mt_smtp_client client = {0};
    struct seen s = nothing_seen(&client);

    (void)state;
    assert_result(mt_smtp_client_parse(&client, mt_span_cstr(text), false, &events, &s), MT_PARSE_MORE, 25);
    assert_int_equal(s.commands, 2);
}

static void lines_point_into_the_bytes_that_were_given(void **state)
{
    static const char text[] = "  helo\tx \r\n";
    struct mt_smtp_client client = {0};
    struct seen s = nothing_seen(&client);

    (void)state;
    mt_smtp_client_parse(&client, mt_span_cstr(text), false, &events, &s);
    assert_ptr_equal(s.line.ptr, text);
    assert_int_equal(s.line.size, strlen(text) - 2);
}

static void the_callee_may_stop_the_parser_within_a_span(void **state)
{
    static const char text[] = "STARTTLS\r\nNOOP\r\n";
    struct mt_smtp_client client = {0};
    struct seen s = nothing_seen(&client);

    (void)state;
    s.mode_on_command = MT_SMTP_HOLD;
    assert_result(mt_smtp_client_parse(&client, mt_span_cstr(text), false, &events, &s), MT_PARSE_WAIT, 10);
    assert_int_equal(s.commands, 1);

    mt_smtp_client_set_mode(&client, MT_SMTP_OPAQUE);
    assert_result(mt_smtp_client_parse(&client, mt_span_cstr(text), false, &events, &s), MT_PARSE_DONE, 16);
    assert_int_equal(s.commands, 1);
}

static void forced_bytes_are_all_taken(void **state)
{
    struct mt_smtp_client client = {0};
    struct seen s = nothing_seen(&client);

    (void)state;
    assert_result(mt_smtp_client_parse(&client, mt_span_cstr("QUIT"), true, &events, &s), MT_PARSE_DONE, 4);
    assert_int_equal(s.verb, MT_VERB_QUIT);
    assert_int_equal(s.anomalies, 0);

    client = (struct mt_smtp_client){0};
    assert_result(mt_smtp_client_parse(&client, mt_span_cstr("RSET\r"), true, &events, &s), MT_PARSE_DONE, 5);
    assert_int_equal(s.verb, MT_VERB_RSET);
    assert_int_equal(s.anomalies, 0);

    mt_smtp_client_set_mode(&client, MT_SMTP_HOLD);
    assert_result(mt_smtp_client_parse(&client, mt_span_cstr("NOOP\r\n"), true, &events, &s), MT_PARSE_DONE,
                  6);
    assert_int_equal(s.commands, 2);
}

static void the_rest_of_a_forced_line_is_no_command(void **state)
{
    struct mt_smtp_client client = {0};
    struct seen s = nothing_seen(&client);

    (void)state;
    mt_smtp_client_parse(&client, mt_span_cstr("MAIL FROM:<"), true, &events, &s);
    mt_smtp_client_parse(&client, mt_span_cstr("QUIT\r\nRSET\r\n"), false, &events, &s);
    assert_int_equal(s.commands, 2);
    assert_int_equal(s.verb, MT_VERB_RSET);
}

/* size bytes: NOOP, blanks, and its line end. */
static uint8_t *long_line(size_t size, const char *end)
{
    uint8_t *line = malloc(size);

    assert_non_null(line);
    memset(line, ' ', size);
    memcpy(line, "NOOP", 4);
    memcpy(line + size - strlen(end), end, strlen(end));
    return line;
}

static void a_line_of_the_limit_is_whole_and_one_byte_more_is_cut(void **state)
{
    (void)state;
    for (size_t size = MT_SMTP_LINE_MAX - 1; size <= MT_SMTP_LINE_MAX + 2; size++) {
        struct mt_smtp_client client = {0};
        struct seen s = nothing_seen(&client);
        uint8_t *line = long_line(size, "\r\n");
        bool is_cut = size > MT_SMTP_LINE_MAX;
        struct mt_parse_result result =
            mt_smtp_client_parse(&client, mt_span(line, size), false, &events, &s);
        assert_result(result, MT_PARSE_DONE, size);
        assert_int_equal(s.commands, 1);
        assert_int_equal(has_anomaly(&s, MT_ANOMALY_LINE_TOO_LONG), is_cut);
        assert_false(has_anomaly(&s, MT_ANOMALY_BARE_LF));
        /* Of a line that is one byte too long the CR is the last byte kept. */
        size_t kept = is_cut ? MT_SMTP_LINE_MAX : size - 2;
        assert_int_equal(s.line.size, size == MT_SMTP_LINE_MAX + 1 ? kept - 1 : kept);
        free(line);
    }
}

static void a_tail_never_reaches_the_line_limit(void **state)
{
    uint8_t *line = long_line(MT_SMTP_LINE_MAX, "");

    (void)state;
    for (size_t size = MT_SMTP_LINE_MAX - 1; size <= MT_SMTP_LINE_MAX; size++) {
        struct mt_smtp_client client = {0};
        struct seen s = nothing_seen(&client);
        struct mt_parse_result result =
            mt_smtp_client_parse(&client, mt_span(line, size), false, &events, &s);
        if (size < MT_SMTP_LINE_MAX)
            assert_result(result, MT_PARSE_MORE, 0);
        else
            assert_result(result, MT_PARSE_DONE, size);
    }
    free(line);
}

static void an_auth_response_is_never_a_command(void **state)
{
    struct mt_smtp_client client = {0};
    struct seen s = nothing_seen(&client);

    (void)state;
    mt_smtp_client_set_mode(&client, MT_SMTP_AUTH);
    mt_smtp_client_parse(&client, mt_span_cstr("QUIT\r\nQUIT\r\n"), false, &events, &s);
    assert_int_equal(s.auth_responses, 1);
    assert_int_equal(s.commands, 1);
}

static void a_chunk_of_no_octets_ends_with_its_command(void **state)
{
    struct mt_smtp_client client = {0};
    struct seen s = nothing_seen(&client);

    (void)state;
    mt_smtp_client_parse(&client, mt_span_cstr("BDAT 0 LAST\r\n"), false, &events, &s);
    assert_int_equal(s.chunk_ends, 1);
    assert_int_equal(client.mode, MT_SMTP_COMMAND);
}

static void the_callees_mode_outranks_a_chunk(void **state)
{
    struct mt_smtp_client client = {0};
    struct seen s = nothing_seen(&client);

    (void)state;
    s.mode_on_command = MT_SMTP_OPAQUE;
    mt_smtp_client_parse(&client, mt_span_cstr("BDAT 5\r\n12345QUIT\r\n"), false, &events, &s);
    assert_int_equal(s.chunk_ends, 0);
    assert_int_equal(s.commands, 1);
}

static void chunk_octets_are_given_out_in_place(void **state)
{
    static const char text[] = "BDAT 5\r\n.\r\n.\rNOOP\r\n";
    struct mt_smtp_client client = {0};
    struct seen s = nothing_seen(&client);

    (void)state;
    mt_smtp_client_parse(&client, mt_span_cstr(text), false, &events, &s);
    assert_ptr_equal(s.content.ptr, text + 8);
    assert_int_equal(s.content.size, 5);
    assert_int_equal(s.chunk_ends, 1);
    assert_int_equal(s.verb, MT_VERB_NOOP);
}

static void every_byte_value_has_its_anomaly_in_a_command(void **state)
{
    (void)state;
    for (unsigned byte = 0; byte < 256; byte++) {
        struct mt_smtp_client client = {0};
        struct seen s = nothing_seen(&client);
        char line[] = "NOOP a?b\r\n";
        line[6] = (char)byte;
        if (byte == '\n')
            continue;
        mt_smtp_client_parse(&client, mt_span(line, sizeof(line) - 1), false, &events, &s);
        bool is_control = (byte > 0 && byte < 0x20 && byte != '\t' && byte != '\r') || byte == 0x7f;
        assert_int_equal(has_anomaly(&s, MT_ANOMALY_NUL_BYTE), byte == 0);
        assert_int_equal(has_anomaly(&s, MT_ANOMALY_BARE_CR), byte == '\r');
        assert_int_equal(has_anomaly(&s, MT_ANOMALY_CONTROL_BYTE), is_control);
        assert_int_equal(has_anomaly(&s, MT_ANOMALY_EIGHT_BIT), byte > 0x7f);
        assert_int_equal(has_anomaly(&s, MT_ANOMALY_TELNET_OCTET), byte == 0xff);
        unsigned count = byte == 0xff ? 2 : byte == 0 || byte == '\r' || is_control || byte > 0x7f;
        assert_int_equal(s.anomalies, count);
    }
}

static void what_begins_like_a_command_is_told_from_content(void **state)
{
    static const char *const commands[] = {"MAIL FROM:<a@b>\r\n",
                                           "mail from:",
                                           "MAIL\tFROM:<",
                                           "RCPT TO:<a@b>",
                                           "rcpt  to: a",
                                           "QUIT\r\n",
                                           "quit \n",
                                           "RSET\r\n",
                                           "DATA\r\n",
                                           "EHLO x",
                                           "EHLO\r\n",
                                           "HELO ",
                                           "NOOP\r\n",
                                           "BDAT 5",
                                           "STARTTLS\r\n",
                                           "VRFY root",
                                           "AUTH PLAIN",
                                           "X-EXPS GSSAPI",
                                           "DATA\r"};
    static const char *const others[] = {"",
                                         "MAIL",
                                         "MAIL FR",
                                         "mail from",
                                         "Mail fraud is a crime\r\n",
                                         "QUIT",
                                         "Quit now.",
                                         "Data: 5\r\n",
                                         "Data is here",
                                         "Help: none",
                                         "Subject: QUIT\r\n",
                                         " QUIT\r\n",
                                         "\r\n",
                                         "Received: from",
                                         "RCPT TO <a@b>",
                                         "QUITTER\r\n",
                                         "EHLO",
                                         "=?QUIT?=",
                                         "NOOP:",
                                         "\x16\x03\x01",
                                         "dGhpcyBpcyBiYXNlNjQ=\r\n",
                                         ".\r\n"};

    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(commands); i++)
        assert_true(mt_smtp_looks_like_command(mt_span_cstr(commands[i])));
    for (size_t i = 0; i < MT_ARRAY_COUNT(others); i++)
        assert_false(mt_smtp_looks_like_command(mt_span_cstr(others[i])));
}

struct split {
    enum mt_smtp_verb verb;
    char word[16];
    char argument[32];
};

static void keep_split(void *ctx, const struct mt_smtp_command *command)
{
    struct split *split = ctx;

    split->verb = command->verb;
    assert_true(command->word.size < sizeof(split->word) && command->argument.size < sizeof(split->argument));
    memset(split->word, 0, sizeof(split->word));
    memset(split->argument, 0, sizeof(split->argument));
    memcpy(split->word, command->word.ptr, command->word.size);
    memcpy(split->argument, command->argument.ptr, command->argument.size);
}

static void ignore_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    (void)ctx;
    (void)anomaly;
}

static void a_line_is_split_at_blanks_wherever_they_stand(void **state)
{
    static const struct {
        const char *line;
        enum mt_smtp_verb verb;
        const char *word;
        const char *argument;
    } cases[] = {
        {"VRFY anna\r\n", MT_VERB_VRFY, "VRFY", "anna"},
        {"vRfY a\r\n", MT_VERB_VRFY, "vRfY", "a"},
        {"VRFY  anna \r\n", MT_VERB_VRFY, "VRFY", "anna"},
        {"VRFY\tanna\t\r\n", MT_VERB_VRFY, "VRFY", "anna"},
        {"VRFY \r\n", MT_VERB_VRFY, "VRFY", ""},
        {"VRFY\r\n", MT_VERB_VRFY, "VRFY", ""},
        {" QUIT\r\n", MT_VERB_QUIT, "QUIT", ""},
        {"WIZ  x\r\n", MT_VERB_WIZ, "WIZ", "x"},
        {"WIZ x y\r\n", MT_VERB_WIZ, "WIZ", "x y"},
        {"WI Z x\r\n", MT_VERB_UNKNOWN, "WI", "Z x"},
        {"VRFX anna\r\n", MT_VERB_UNKNOWN, "VRFX", "anna"},
        {"VRF\x16 anna\r\n", MT_VERB_UNKNOWN, "VRF\x16", "anna"},
        {"VRFYX anna\r\n", MT_VERB_UNKNOWN, "VRFYX", "anna"},
        {"DEBUG 1\r\n", MT_VERB_DEBUG, "DEBUG", "1"},
        {"\r\n", MT_VERB_UNKNOWN, "", ""},
        {"   \r\n", MT_VERB_UNKNOWN, "", ""},
    };
    static const char with_nul[] = "WIZ\0 x\r\n";
    const struct mt_smtp_client_events splitter = {.command = keep_split, .anomaly = ignore_anomaly};

    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(cases); i++) {
        struct mt_smtp_client client = {0};
        struct split split;
        mt_smtp_client_parse(&client, mt_span_cstr(cases[i].line), false, &splitter, &split);
        assert_int_equal(split.verb, cases[i].verb);
        assert_string_equal(split.word, cases[i].word);
        assert_string_equal(split.argument, cases[i].argument);
    }
    struct mt_smtp_client client = {0};
    struct split split;
    mt_smtp_client_parse(&client, mt_span(with_nul, sizeof(with_nul) - 1), false, &splitter, &split);
    assert_int_equal(split.verb, MT_VERB_UNKNOWN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeroed_state_reads_commands),
        cmocka_unit_test(no_bytes_are_no_event),
        cmocka_unit_test(whole_lines_are_consumed_and_the_tail_is_asked_for_again),
        cmocka_unit_test(lines_point_into_the_bytes_that_were_given),
        cmocka_unit_test(the_callee_may_stop_the_parser_within_a_span),
        cmocka_unit_test(forced_bytes_are_all_taken),
        cmocka_unit_test(the_rest_of_a_forced_line_is_no_command),
        cmocka_unit_test(a_line_of_the_limit_is_whole_and_one_byte_more_is_cut),
        cmocka_unit_test(a_tail_never_reaches_the_line_limit),
        cmocka_unit_test(an_auth_response_is_never_a_command),
        cmocka_unit_test(a_chunk_of_no_octets_ends_with_its_command),
        cmocka_unit_test(the_callees_mode_outranks_a_chunk),
        cmocka_unit_test(chunk_octets_are_given_out_in_place),
        cmocka_unit_test(every_byte_value_has_its_anomaly_in_a_command),
        cmocka_unit_test(what_begins_like_a_command_is_told_from_content),
        cmocka_unit_test(a_line_is_split_at_blanks_wherever_they_stand),
    };
    return cmocka_run_group_tests_name("smtp client", tests, NULL, NULL);
}
