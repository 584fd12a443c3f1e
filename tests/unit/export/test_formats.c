/* What the formats write: ordinary records beside their golden texts, hostile ones
 * by readers of their own, and each format's rules one by one. --golden prints the
 * golden texts. */
#include "format_check.h"
#include "format_run.h"
#include "json_check.h"
#include "record_full.h"
#include "samples.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static uint8_t storage[1 << 17];
static uint8_t wanted[1 << 17];

static struct mt_format_text text_of(const struct format_run *run, unsigned index)
{
    return (struct mt_format_text){.stream = run->streams[index], .text = mt_span_cstr(run->texts[index])};
}

static void assert_span(struct mt_span found, struct mt_span expected, const char *what)
{
    if (!mt_span_eq(found, expected) || (found.ptr == NULL) != (expected.ptr == NULL))
        fail_msg("%s\n     got: %.*s\nexpected: %.*s", what, (int)found.size, (const char *)found.ptr,
                 (int)expected.size, (const char *)expected.ptr);
}

static void assert_well_formed(const struct format_run *run)
{
    assert_true(run->count > 0);
    for (unsigned i = 0; i < run->count; i++) {
        struct mt_format_text text = text_of(run, i);
        const char *wrong = format_check(run->ops, run->format, &text);
        if (wrong != NULL)
            fail_msg("%s: %s:\n%s", run->ops->name, wrong, run->texts[i]);
    }
}

/* The value under name in the index-th text; absent when it has none. */
static struct mt_span value_of(const struct format_run *run, unsigned index, const char *name)
{
    struct mt_format_text text = text_of(run, index);

    return format_check_value(run->ops, run->format, &text, name, storage);
}

/* --- golden ----------------------------------------------------------------------------- */

static void put_all(FILE *to, const char *name)
{
    struct format_run run;

    format_run_init(&run, name, NULL);
    format_run_session(&run, &sample_session);
    assert_well_formed(&run);
    fprintf(to, "--- %s\n%s", name, format_run_all(&run));
    format_run_alert(&run, &sample_alert);
    assert_well_formed(&run);
    fputs(format_run_all(&run), to);
    format_run_fini(&run);
}

static void put_every_format(FILE *to)
{
    const struct mt_format_ops *ops;

    for (size_t i = 0; (ops = mt_format_at(i)) != NULL; i++)
        put_all(to, ops->name);
}

static void ordinary_records_read_like_their_golden_texts(void **state)
{
    static char golden[1 << 17];
    char *texts = NULL;
    size_t size = 0;
    (void)state;

    FILE *to = open_memstream(&texts, &size);
    assert_non_null(to);
    put_every_format(to);
    fclose(to);
    FILE *file = fopen(MT_SOURCE_ROOT "/tests/unit/export/formats.golden.txt", "re");
    assert_non_null(file);
    golden[fread(golden, 1, sizeof(golden) - 1, file)] = '\0';
    fclose(file);
    if (strcmp(texts, golden) != 0)
        fail_msg("%s", "formats.golden.txt has another text; --golden prints what is written now");
    free(texts);
}

/* --- hostile texts ------------------------------------------------------------------------ */

static const struct mt_span hostile[] = {
    {(const uint8_t *)"", 0},
    {(const uint8_t *)"-", 1},
    {(const uint8_t *)"(empty)", 7},
    {(const uint8_t *)"=cmd|'/c calc'!A1", 17},
    {(const uint8_t *)"'quoted", 7},
    {(const uint8_t *)"+1-2@3", 6},
    {(const uint8_t *)"a|b\\c=d^e;f,g\"h'i", 17},
    {(const uint8_t *)"\\x41 \\n \\\\ \\", 12},
    {(const uint8_t *)"tab\there", 8},
    {(const uint8_t *)"line\nend\r\n", 10},
    {(const uint8_t *)"nul\0behind", 10},
    {(const uint8_t *)"\xff\xfe bytes \xc3", 10},
    {(const uint8_t *)"jos\xc3\xa9\xff", 6},
    {(const uint8_t *)"\x1b[31mred\x7f\xc2\x9b", 12},
    {(const uint8_t *)"\xe2\x80\xa8line\xe2\x80\xa9", 10},
    {(const uint8_t *)"\xee\x80\x80 private, \xef\xbf\xbd", 16},
    {(const uint8_t *)" blanks  ", 9},
    {(const uint8_t *)"# comment", 9},
    {(const uint8_t *)"src=1.2.3.4 dst=5.6.7.8", 23},
};

/* Every text of the record, also those in lists, is the same. */
static void set_texts(const struct mt_field_group *group, void *record, struct mt_span text)
{
    for (uint32_t i = 0; i < group->count; i++) {
        uint8_t *member = (uint8_t *)record + group->fields[i].off;
        enum mt_field_type type = (enum mt_field_type)group->fields[i].type;
        const struct mt_field_group *items = mt_field_items(type);
        if (type == MT_FIELD_TYPE_TEXT)
            *(struct mt_span *)member = text;
        if (type != MT_FIELD_TYPE_TEXTS && items == NULL)
            continue;
        struct mt_texts list;
        memcpy(&list, member, sizeof(list));
        for (uint32_t k = 0; k < list.count; k++) {
            uint8_t *item =
                (uint8_t *)(uintptr_t)list.items + k * (items != NULL ? items->struct_size : sizeof(text));
            if (items != NULL)
                set_texts(items, item, text);
            else
                *(struct mt_span *)item = text;
        }
    }
}

static struct mt_record_session hostile_session(struct mt_span text)
{
    struct mt_record_session session = *record_full_session(NULL, RECORD_ABSENT);

    set_texts(&mt_group_session, &session, text);
    return session;
}

static void hostile_texts_in_every_field_stay_well_formed(void **state)
{
    const struct mt_format_ops *ops;
    (void)state;
    for (size_t i = 0; (ops = mt_format_at(i)) != NULL; i++) {
        struct format_run run;
        format_run_init(&run, ops->name, NULL);
        for (size_t t = 0; t < MT_ARRAY_COUNT(hostile); t++) {
            struct mt_record_session session = hostile_session(hostile[t]);
            format_run_session(&run, &session);
            assert_well_formed(&run);
            struct mt_record_alert alert = *record_full_alert(NULL, RECORD_ABSENT);
            set_texts(&mt_group_alert, &alert, hostile[t]);
            format_run_alert(&run, &alert);
            assert_well_formed(&run);
        }
        format_run_fini(&run);
    }
}

/* Where each format has the name of HELO, and how long it may be there. */
static const struct {
    const char *format;
    unsigned text; /* of record_full_session() */
    const char *name;
    size_t max;
} helos[] = {
    {"zeek", 1, "helo", 0},          {"csv", 0, "smtp.helo.name", 0}, {"tsv", 0, "smtp.helo.name", 0},
    {"cef", 0, "flexString2", 1023}, {"cef", 1, "cs1", 4000},         {"leef", 1, "helo", 4000},
};

static void assert_read_back(size_t h, struct mt_span helo)
{
    struct mt_record_session session = *record_full_session(NULL, RECORD_ABSENT);
    struct format_run run;

    session.helo_name = helo;
    format_run_init(&run, helos[h].format, NULL);
    format_run_session(&run, &session);
    assert_well_formed(&run);
    assert_span(value_of(&run, helos[h].text, helos[h].name),
                format_check_expected(run.ops, helo, helos[h].max, wanted), helos[h].format);
    format_run_fini(&run);
}

static void hostile_texts_read_back_as_they_were(void **state)
{
    (void)state;
    for (size_t h = 0; h < MT_ARRAY_COUNT(helos); h++) {
        for (size_t t = 0; t < MT_ARRAY_COUNT(hostile); t++)
            assert_read_back(h, hostile[t]);
    }
}

static void long_texts_read_back_or_are_cut_where_the_dictionary_says(void **state)
{
    static uint8_t text[30000];
    (void)state;
    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = (uint8_t) "caf\xc3\xa9=|\\,; "[i % 12];
    for (size_t h = 0; h < MT_ARRAY_COUNT(helos); h++) {
        for (size_t cut = 0; cut < 12; cut++)
            assert_read_back(h, mt_span(text, sizeof(text) - cut));
    }
}

static void count_text(void *ctx, const struct mt_format_text *text)
{
    unsigned *count = ctx;

    (void)text;
    (*count)++;
}

static void a_text_of_more_than_the_limit_is_left_out_and_said(void **state)
{
    const struct mt_format_ops *ops;
    uint8_t *text = malloc(MT_FORMAT_TEXT_MAX + 1);
    (void)state;
    assert_non_null(text);
    memset(text, 'a', MT_FORMAT_TEXT_MAX + 1);
    for (size_t i = 0; (ops = mt_format_at(i)) != NULL; i++) {
        struct mt_record_session session = sample_session;
        struct format_run run;
        unsigned count = 0;
        if (strcmp(ops->name, "cef") == 0 || strcmp(ops->name, "leef") == 0)
            continue; /* they cut */
        format_run_init(&run, ops->name, NULL);
        format_run_session(&run, &sample_session);
        unsigned ordinary = run.count;
        session.helo_name = mt_span(text, MT_FORMAT_TEXT_MAX + 1);
        assert_false(ops->session(run.format, &session, count_text, &count));
        assert_true(count < ordinary);
        format_run_session(&run, &sample_session);
        assert_int_equal(run.count, ordinary);
        assert_well_formed(&run);
        format_run_fini(&run);
    }
    free(text);
}

static void a_record_with_nothing_set_is_well_formed(void **state)
{
    static const struct mt_record_session session;
    static const struct mt_record_alert alert;
    const struct mt_format_ops *ops;
    (void)state;
    for (size_t i = 0; (ops = mt_format_at(i)) != NULL; i++) {
        struct format_run run;
        format_run_init(&run, ops->name, NULL);
        format_run_session(&run, &session);
        assert_well_formed(&run);
        format_run_alert(&run, &alert);
        assert_well_formed(&run);
        format_run_fini(&run);
    }
}

/* --- the table of formats -------------------------------------------------------------------- */

static void formats_are_found_by_their_names(void **state)
{
    const struct mt_format_ops *ops;
    (void)state;
    for (size_t i = 0; (ops = mt_format_at(i)) != NULL; i++) {
        assert_ptr_equal(mt_format_find(mt_span_cstr(ops->name)), ops);
        assert_true(strlen(ops->meaning) > 10);
    }
    assert_null(mt_format_find(mt_span("ec", 2)));
    assert_null(mt_format_find(mt_span("", 0)));
}

/* --- Zeek -------------------------------------------------------------------------------------- */

static void assert_zeek_text(struct mt_span text, const char *written, const char *json)
{
    static const struct mt_record_session session;
    struct mt_record_session one = session;
    struct mt_record_transaction transaction = {.message_subject = text};
    struct mt_texts to = {&text, 1};
    struct format_run run;
    char row[512];

    transaction.message_to = to;
    one.transactions = (struct mt_transactions){&transaction, 1};
    format_run_init(&run, "zeek", NULL);
    format_run_session(&run, &one);
    snprintf(row, sizeof(row), "\t%s\t-\t-\t-\t-\t-\t-\tF\t(empty)\t-", written);
    size_t at = strlen(run.texts[1]) - strlen(row);
    assert_string_equal(run.texts[1] + at, row);
    format_run_fini(&run);

    format_run_init(&run, "zeek-json", NULL);
    format_run_session(&run, &one);
    struct mt_span subject = json_find(mt_span_cstr(run.texts[1]), "subject");
    assert_span(subject, mt_span_cstr(json), "zeek-json");
    format_run_fini(&run);
}

/* As Zeek 8's ASCII and JSON writers do; the odd ones are from its own tests. */
static void zeek_texts_are_escaped_as_zeek_escapes_them(void **state)
{
    (void)state;
    assert_zeek_text(mt_span("plain, \"quoted\"", 15), "plain, \"quoted\"", "\"plain, \\\"quoted\\\"\"");
    assert_zeek_text(mt_span("", 0), "(empty)", "\"\"");
    assert_zeek_text(mt_span("-", 1), "\\x2d", "\"-\"");
    assert_zeek_text(mt_span("(empty)", 7), "\\x28empty)", "\"(empty)\"");
    assert_zeek_text(mt_span("a\\b", 3), "a\\\\b", "\"a\\\\b\"");
    assert_zeek_text(mt_span("a\tb", 3), "a\\x09b", "\"a\\tb\"");
    assert_zeek_text(mt_span("string\n", 7), "string\\x0a", "\"string\\n\"");
    assert_zeek_text(mt_span("jos\xc3\xa9", 5), "jos\xc3\xa9", "\"jos\xc3\xa9\"");
    assert_zeek_text(mt_span("string\x82", 7), "string\\x82", "\"string\\\\x82\"");
    /* one byte that is no text, and its whole piece is hexadecimal */
    assert_zeek_text(mt_span("\x07\xd4\xb7o", 4), "\\x07\\xd4\\xb7o", "\"\\\\x07\\\\xd4\\\\xb7o\"");
    assert_zeek_text(mt_span("\xd4\xb7\\\x07", 4), "\xd4\xb7\\\\\\x07", "\"\\\\xd4\\\\xb7\\\\\\\\x07\"");
}

static void a_comma_within_a_set_is_escaped(void **state)
{
    static const struct mt_span to[] = {
        {(const uint8_t *)"a,b", 3}, {(const uint8_t *)"", 0}, {(const uint8_t *)"-", 1}};
    static const struct mt_record_transaction transaction = {.message_to = {to, 3}, .message_from = {to, 3}};
    static const struct mt_record_session session = {.transactions = {&transaction, 1}};
    struct format_run run;
    (void)state;
    format_run_init(&run, "zeek", NULL);
    format_run_session(&run, &session);
    assert_non_null(strstr(run.texts[1], "\ta,b, , -\ta\\x2cb,(empty),\\x2d\t"));
    format_run_fini(&run);
}

static void zeek_heads_are_those_of_zeek(void **state)
{
    struct format_run run;
    (void)state;
    format_run_init(&run, "zeek", NULL);
    static const char begin[] =
        "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tsmtp\n#open\t2";
    static const char end[] =
        "\n#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\ttrans_"
        "depth\thelo\tmailfrom\trcptto\tdate\t"
        "from\tto\tcc\treply_to\tmsg_id\tin_reply_to\tsubject\tx_originating_ip\tfirst_received\t"
        "second_received\tlast_reply\tpath\tuser_agent\ttls\tfuids\tis_webmail\n"
        "#types\ttime\tstring\taddr\tport\taddr\tport\tcount\tstring\tstring\tset[string]\tstring\tstring\t"
        "set[string]\tset[string]\tstring\tstring\tstring\tstring\taddr\tstring\tstring\tstring\t"
        "vector[addr]\tstring\tbool\tvector[string]\tbool\n";
    struct mt_span head = run.ops->head(run.format, 1);
    assert_true(head.size > sizeof(begin) + sizeof(end));
    assert_memory_equal(head.ptr, begin, sizeof(begin) - 1);
    assert_memory_equal(head.ptr + head.size - (sizeof(end) - 1), end, sizeof(end) - 1);
    assert_int_equal(run.ops->head(run.format, 4).size, 0);
    format_run_fini(&run);
}

static void zeek_numbers_transactions_by_what_was_answered(void **state)
{
    static const struct mt_record_transaction transactions[] = {
        {.reply_code = 250}, {.reply_code = 0}, {.reply_code = 550}};
    static const struct mt_record_session session = {.transactions = {transactions, 3},
                                                     .starttls_outcome = "established"};
    static const char *const depths[] = {"1", "2", "2", "3"};
    struct format_run run;
    (void)state;
    format_run_init(&run, "zeek", NULL);
    format_run_session(&run, &session);
    assert_int_equal(run.count, 6); /* conn, four of smtp, ssl */
    for (unsigned i = 0; i < 4; i++) {
        assert_span(value_of(&run, 1 + i, "trans_depth"), mt_span_cstr(depths[i]), "trans_depth");
        assert_span(value_of(&run, 1 + i, "tls"), mt_span(i == 3 ? "T" : "F", 1), "tls");
    }
    assert_span(value_of(&run, 5, "established"), mt_span("T", 1), "established");
    format_run_fini(&run);
}

static void zeek_follows_the_hops_of_received_headers(void **state)
{
    static const struct mt_span received[] = {
        {(const uint8_t *)"from b (b [192.0.2.2]) by c", 27},
        {(const uint8_t *)"from a ([192.0.2.2]) by b", 25},
        {(const uint8_t *)"from [10.0.0.1] (a.example [IPv6:2001:db8::1]) by a", 51},
        {(const uint8_t *)"from nowhere by 1.2.3.4.5; 12:30:15 +0000", 41},
    };
    static const struct mt_record_transaction transaction = {.message_received = {received, 4}};
    struct mt_record_session session = sample_session;
    struct format_run run;
    (void)state;
    session.transactions = (struct mt_transactions){&transaction, 1};
    format_run_init(&run, "zeek", NULL);
    format_run_session(&run, &session);
    assert_span(value_of(&run, 1, "path"), mt_span_cstr("192.0.2.25,198.51.100.23,192.0.2.2,2001:db8::1"),
                "path");
    assert_span(value_of(&run, 1, "first_received"), received[3], "first_received");
    assert_span(value_of(&run, 1, "second_received"), received[2], "second_received");
    format_run_fini(&run);
}

/* --- EVE ----------------------------------------------------------------------------------------- */

static void a_session_without_mail_has_an_smtp_event_when_it_spoke(void **state)
{
    static const struct mt_verb_count verb = {"vrfy", 1};
    struct mt_record_session session = {.commands = {&verb, 1}, .helo_name = {(const uint8_t *)"h", 1}};
    struct format_run run;
    (void)state;
    format_run_init(&run, "eve", NULL);
    format_run_session(&run, &session);
    assert_int_equal(run.count, 2);
    assert_non_null(strstr(run.texts[0], "\"event_type\":\"smtp\""));
    assert_non_null(strstr(run.texts[0], "\"tx_id\":0,\"smtp\":{\"helo\":\"h\"}}"));
    assert_non_null(strstr(run.texts[1], "\"event_type\":\"flow\""));
    session.commands.count = 0;
    session.starttls_outcome = "established";
    format_run_session(&run, &session);
    assert_int_equal(run.count, 2);
    assert_non_null(strstr(run.texts[0], "\"event_type\":\"tls\""));
    format_run_fini(&run);
}

static void ids_are_stable_and_of_their_range(void **state)
{
    struct mt_record_session session = sample_session;
    struct format_run run;
    (void)state;
    format_run_init(&run, "eve", NULL);
    for (unsigned i = 0; i < 200; i++) {
        char id[33];
        snprintf(id, sizeof(id), "%032x", i);
        session.event_id = mt_span_cstr(id);
        format_run_session(&run, &session);
        struct mt_span first = json_find(mt_span_cstr(run.texts[0]), "flow_id");
        unsigned long long flow_id = strtoull((const char *)first.ptr, NULL, 10);
        assert_true(flow_id > 0 && flow_id < 1ull << 51);
        assert_span(json_find(mt_span_cstr(run.texts[1]), "flow_id"), first, "flow_id");
    }
    struct mt_record_alert alert = sample_alert;
    format_run_alert(&run, &alert);
    /* a number that people write filters for: it never changes */
    assert_span(json_find(mt_span_cstr(run.texts[0]), "alert.signature_id"), mt_span("1641909685", 10),
                "signature_id");
    alert.rule_id = NULL;
    format_run_alert(&run, &alert);
    assert_span(mt_span_head(json_find(mt_span_cstr(run.texts[0]), "alert.signature_id"), 1), mt_span("1", 1),
                "range");
    format_run_fini(&run);
}

/* --- tables ------------------------------------------------------------------------------------------ */

static void assert_row(const char *format, const char *const *fields, const struct mt_record_session *session,
                       const char *head, const char *row)
{
    struct format_run run;

    format_run_init(&run, format, fields);
    assert_span(run.ops->head(run.format, 0), mt_span_cstr(head), "head");
    format_run_session(&run, session);
    assert_well_formed(&run);
    assert_string_equal(run.texts[0], row);
    format_run_fini(&run);
}

static void a_cell_of_a_list_keeps_its_order_and_its_gaps(void **state)
{
    static const char *const fields[] = {"smtp.transactions[].message.subject",
                                         "smtp.transactions.recipients.code",
                                         "smtp.codes",
                                         "smtp.transactions[].from.params",
                                         "source.port",
                                         "message",
                                         NULL};
    static const struct mt_code_count codes[] = {{250, 3}, {45, 1}};
    static const struct mt_record_parameter params[] = {
        {{(const uint8_t *)"SIZE", 4}, {(const uint8_t *)"1;2", 3}},
        {{(const uint8_t *)"BODY", 4}, {NULL, 0}}};
    static const struct mt_record_recipient recipients[] = {{.code = 250}, {.code = 0}, {.code = 550}};
    static const struct mt_record_transaction transactions[] = {
        {.message_subject = {(const uint8_t *)"a;b", 3},
         .recipients = {recipients, 3},
         .from_params = {params, 2}},
        {.recipients = {recipients, 1}},
        {.message_subject = {(const uint8_t *)"c", 1}},
    };
    static const struct mt_record_session session = {.codes = {codes, 2}, .transactions = {transactions, 3}};
    (void)state;
    assert_row("csv", fields, &session,
               "smtp.transactions[].message.subject,smtp.transactions.recipients.code,smtp.codes,"
               "smtp.transactions[].from.params,source.port,message\n",
               "\"a\\;b;;c\",\"250;;550;250\",\"250=3;045=1\",\"SIZE=1\\;2;BODY=\",0,");
    assert_row("tsv", fields, &session,
               "smtp.transactions[].message.subject\tsmtp.transactions.recipients.code\tsmtp.codes\t"
               "smtp.transactions[].from.params\tsource.port\tmessage\n",
               "a\\;b;;c\t250;;550;250\t250=3;045=1\tSIZE=1\\;2;BODY=\t0\t");
}

static void what_a_spreadsheet_would_run_is_told_to_be_text(void **state)
{
    static const char *const fields[] = {"smtp.helo.name", "smtp.banner.text", NULL};
    static const char *const texts[][3] = {
        {"=1+1", "\"'=1+1\",", "=1+1\t"},
        {"+1", "\"'+1\",", "+1\t"},
        {"-1", "\"'-1\",", "-1\t"},
        {"@sum", "\"'@sum\",", "@sum\t"},
        {"'text", "\"''text\",", "'text\t"},
        {"a=1", "\"a=1\",", "a=1\t"},
        {"", "\"\",", "\t"},
    };
    (void)state;
    for (size_t i = 0; i < MT_ARRAY_COUNT(texts); i++) {
        const struct mt_record_session session = {.helo_name = mt_span_cstr(texts[i][0])};
        assert_row("csv", fields, &session, "smtp.helo.name,smtp.banner.text\n", texts[i][1]);
        assert_row("tsv", fields, &session, "smtp.helo.name\tsmtp.banner.text\n", texts[i][2]);
    }
}

/* --- choosing fields ------------------------------------------------------------------------------------ */

static void assert_refused(const char *format, const char *field, const char *reason)
{
    struct mt_format_options options = {.fields = &field, .field_count = 1};
    const struct mt_format_ops *ops = mt_format_find(mt_span_cstr(format));
    struct mt_format *made = NULL;
    char found[256] = "";

    assert_int_equal(ops->create(&options, found, sizeof(found), &made), -EINVAL);
    assert_null(made);
    assert_string_equal(found, reason);
}

static void a_field_that_does_not_exist_is_refused_with_the_nearest(void **state)
{
    (void)state;
    assert_refused("csv", "source.pi",
                   "source.pi is no field, the nearest is source.ip; mailtap fields lists them");
    assert_refused("ecs", "smtp.helo.nam",
                   "smtp.helo.nam is no field, the nearest is smtp.helo.name; mailtap fields lists them");
    assert_refused(
        "tsv", "smtp.transactions",
        "smtp.transactions is a list of objects: choose its fields, as in smtp.transactions[].from.address");
    assert_refused(
        "zeek", "source.ip",
        "fields can't be chosen for this format, its fields are given; csv, tsv and ecs take them");
}

static void assert_chosen(const char *const *fields, const char *session, const char *alert)
{
    struct format_run run;

    format_run_init(&run, "ecs", fields);
    format_run_session(&run, &sample_session);
    assert_well_formed(&run);
    assert_string_equal(run.texts[0], session);
    format_run_alert(&run, &sample_alert);
    assert_string_equal(run.texts[0], alert);
    format_run_fini(&run);
}

static void the_native_form_has_the_chosen_fields_only(void **state)
{
    static const char *const few[] = {"source.ip", "smtp.transactions[].recipients[].address",
                                      "event.dataset", "smtp.transactions.outcome", NULL};
    static const char *const list[] = {"smtp.transactions[].recipients", "smtp.end", NULL};
    (void)state;
    assert_chosen(
        few,
        "{\"event\":{\"dataset\":\"mailtap.session\"},\"source\":{\"ip\":\"198.51.100.23\"},\"smtp\":{"
        "\"transactions\":[{\"recipients\":[{\"address\":\"Alice.Example@Mail.Example.COM\"},"
        "{\"address\":\"bob@example.com\"}],\"outcome\":\"delivered\"}]}}",
        "{\"event\":{\"dataset\":\"mailtap.alert\"},\"source\":{\"ip\":\"198.51.100.23\"}}");
    assert_chosen(
        list,
        "{\"smtp\":{\"transactions\":[{\"recipients\":[{\"address\":\"Alice.Example@Mail.Example.COM\","
        "\"domain\":\"mail.example.com\",\"code\":250,\"enhanced\":\"2.1.5\",\"verdict\":\"accepted\","
        "\"local\":true},{\"address\":\"bob@example.com\",\"domain\":\"example.com\",\"code\":250,"
        "\"enhanced\":\"2.1.5\",\"verdict\":\"accepted\",\"local\":false}]}],\"end\":\"quit\"}}",
        "{}");
}

static void one_list_can_be_chosen_whole_and_its_sister_in_part(void **state)
{
    static const char *const fields[] = {"smtp.probes.vrfy[].code", "smtp.probes.expn", NULL};
    static const struct mt_record_probe probe = {.argument = {(const uint8_t *)"root", 4}, .code = 252};
    static const struct mt_record_session session = {.probes_vrfy = {&probe, 1}, .probes_expn = {&probe, 1}};
    struct format_run run;
    (void)state;
    format_run_init(&run, "ecs", fields);
    format_run_session(&run, &session);
    assert_string_equal(run.texts[0], "{\"smtp\":{\"probes\":{\"vrfy\":[{\"code\":252}],"
                                      "\"expn\":[{\"argument\":\"root\",\"code\":252}]}}}");
    format_run_fini(&run);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ordinary_records_read_like_their_golden_texts),
        cmocka_unit_test(hostile_texts_in_every_field_stay_well_formed),
        cmocka_unit_test(hostile_texts_read_back_as_they_were),
        cmocka_unit_test(long_texts_read_back_or_are_cut_where_the_dictionary_says),
        cmocka_unit_test(a_text_of_more_than_the_limit_is_left_out_and_said),
        cmocka_unit_test(a_record_with_nothing_set_is_well_formed),
        cmocka_unit_test(formats_are_found_by_their_names),
        cmocka_unit_test(zeek_texts_are_escaped_as_zeek_escapes_them),
        cmocka_unit_test(a_comma_within_a_set_is_escaped),
        cmocka_unit_test(zeek_heads_are_those_of_zeek),
        cmocka_unit_test(zeek_numbers_transactions_by_what_was_answered),
        cmocka_unit_test(zeek_follows_the_hops_of_received_headers),
        cmocka_unit_test(a_session_without_mail_has_an_smtp_event_when_it_spoke),
        cmocka_unit_test(ids_are_stable_and_of_their_range),
        cmocka_unit_test(a_cell_of_a_list_keeps_its_order_and_its_gaps),
        cmocka_unit_test(what_a_spreadsheet_would_run_is_told_to_be_text),
        cmocka_unit_test(a_field_that_does_not_exist_is_refused_with_the_nearest),
        cmocka_unit_test(the_native_form_has_the_chosen_fields_only),
        cmocka_unit_test(one_list_can_be_chosen_whole_and_its_sister_in_part),
    };
    if (argc > 1 && strcmp(argv[1], "--golden") == 0) {
        put_every_format(stdout);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
