/* mailtap fields: the records' fields from the one list (record/fields.def), as
 * a table, as docs/fields.md or as JSON. */
#include "app.h"
#include "fields_list.h"

#include "base/anomaly.h"
#include "export/json.h"
#include "record/record.h"
#include "sigma/events.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define PATH_SIZE MT_FIELD_PATH_SIZE
#define LINE_SIZE 1024
#define RECORD_WIDTH 10

static const char usage[] =
    "mailtap fields [--markdown | --json | --format RECEIVER]\n"
    "\n"
    "Lists the fields of session records and alerts, and of the events that only rules\n"
    "see (docs/rules.md): record, path, type, meaning.\n"
    "\n"
    "  --markdown  the same as docs/fields.md, with types, anomalies and HELO findings\n"
    "  --json      a JSON array\n"
    "  --format    how a receiver wants them declared: elasticsearch or opensearch (an\n"
    "              index template for a data stream), clickhouse (a table)\n";

struct type_text {
    const char *name;
    const char *below; /* what a value's path adds to the field's */
};

static const struct type_text types[] = {
    [MT_FIELD_TYPE_TEXT] = {"text", ""},
    [MT_FIELD_TYPE_NAME] = {"name", ""},
    [MT_FIELD_TYPE_U64] = {"number", ""},
    [MT_FIELD_TYPE_COUNT] = {"count", ""},
    [MT_FIELD_TYPE_CODE] = {"code", ""},
    [MT_FIELD_TYPE_FLAG] = {"flag", ""},
    [MT_FIELD_TYPE_TIME] = {"time", ""},
    [MT_FIELD_TYPE_IP] = {"address", ""},
    [MT_FIELD_TYPE_MAC] = {"mac", ""},
    [MT_FIELD_TYPE_TEXTS] = {"text", "[]"},
    [MT_FIELD_TYPE_NAMES] = {"name", "[]"},
    [MT_FIELD_TYPE_CODES] = {"count", ".<code>"},
    [MT_FIELD_TYPE_VERBS] = {"count", ".<verb>"},
    [MT_FIELD_TYPE_OUTER] = {"list", "[]"},
    [MT_FIELD_TYPE_AUTH] = {"list", "[]"},
    [MT_FIELD_TYPE_PROBE] = {"list", "[]"},
    [MT_FIELD_TYPE_PARAMETERS] = {"text", ".<keyword>"},
    [MT_FIELD_TYPE_RECIPIENT] = {"list", "[]"},
    [MT_FIELD_TYPE_HOP] = {"list", "[]"},
    [MT_FIELD_TYPE_PART] = {"list", "[]"},
    [MT_FIELD_TYPE_SIGNATURE] = {"list", "[]"},
    [MT_FIELD_TYPE_CHUNK] = {"list", "[]"},
    [MT_FIELD_TYPE_CERTIFICATE] = {"list", "[]"},
    [MT_FIELD_TYPE_HEADER] = {"list", "[]"},
    [MT_FIELD_TYPE_TRANSACTION] = {"list", "[]"},
    [MT_FIELD_TYPE_GROUPBYS] = {"text", ".<field>"},
};

static const struct {
    const char *name;
    const char *meaning;
} type_meanings[] = {
    {"text", "string from the wire, made valid UTF-8: other bytes become U+FFFD; absent when there was none, "
             "empty when it was empty"},
    {"name", "string, one of a fixed set; absent when not known"},
    {"number", "whole number; always present"},
    {"count", "whole number; absent when 0"},
    {"code", "reply code, a number of three digits; absent when there was no reply"},
    {"flag", "true or false; absent when not known"},
    {"time", "string, RFC 3339 in UTC with nine decimals"},
    {"address", "string, IPv4 or IPv6 address (RFC 5952)"},
    {"mac", "string, six bytes in upper-case hexadecimal with hyphens"},
    {"list", "array of objects; absent when empty"},
};

/* Each field of a group, those of a list's items behind the list. */
static void each_row(const char *record, const struct mt_field_group *group, const char *prefix,
                     mt_field_function *function, void *ctx)
{
    for (uint32_t i = 0; i < group->count; i++) {
        const struct mt_field *field = &group->fields[i];
        const struct type_text *type = &types[field->type];
        struct mt_field_row row = {.record = record, .type = type->name, .meaning = field->meaning};

        snprintf(row.path, sizeof(row.path), "%s%s%s", prefix, field->path, type->below);
        function(ctx, &row);
        if (strcmp(type->name, "list") != 0)
            continue;
        char below[PATH_SIZE + 1];
        snprintf(below, sizeof(below), "%s.", row.path);
        each_row(record, mt_field_items((enum mt_field_type)field->type), below, function, ctx);
    }
}

void mt_fields_each(mt_field_function *function, void *ctx)
{
    each_row("session", &mt_group_session, "", function, ctx);
    each_row("alert", &mt_group_alert, "", function, ctx);
}

/* Those of events that only rules see, too. */
static void each_with_events(mt_field_function *function, void *ctx)
{
    mt_fields_each(function, ctx);
    each_row("command", &mt_group_command, "", function, ctx);
    each_row("reply", &mt_group_reply, "", function, ctx);
    each_row("finding", &mt_group_finding, "", function, ctx);
    each_row("statistics", &mt_sigma_group_statistics, "", function, ctx);
}

/* --- table ------------------------------------------------------------------ */

struct table {
    int path_width;
    int type_width;
    int meaning_width; /* 0: as long as it is */
};

static void widen(void *ctx, const struct mt_field_row *row)
{
    struct table *table = ctx;
    int path_width = (int)strlen(row->path);
    int type_width = (int)strlen(row->type);
    table->path_width = path_width > table->path_width ? path_width : table->path_width;
    table->type_width = type_width > table->type_width ? type_width : table->type_width;
}

/* Where to break text so that at most width bytes stand before: after the last
 * blank, or nowhere. */
static size_t break_at(const char *text, int width)
{
    size_t size = strlen(text);
    if (width <= 0 || size <= (size_t)width)
        return size;
    for (size_t at = (size_t)width; at > 0; at--) {
        if (text[at] == ' ')
            return at;
    }
    return size;
}

static void print_row(void *ctx, const struct mt_field_row *row)
{
    const struct table *table = ctx;
    const char *meaning = row->meaning;
    size_t size = break_at(meaning, table->meaning_width);

    printf("%-*s  %-*s  %-*s  %.*s\n", RECORD_WIDTH, row->record, table->path_width, row->path,
           table->type_width, row->type, (int)size, meaning);
    for (meaning += size; *meaning == ' '; meaning += size) {
        meaning++;
        size = break_at(meaning, table->meaning_width);
        printf("%*s%.*s\n", RECORD_WIDTH + 2 + table->path_width + 2 + table->type_width + 2, "", (int)size,
               meaning);
    }
}

/* Meanings are wrapped on a terminal that leaves some room for them. */
static int terminal_width(void)
{
    struct winsize size;
    return isatty(STDOUT_FILENO) && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static void print_table(void)
{
    struct table table = {0};
    each_with_events(widen, &table);
    int room = terminal_width() - (RECORD_WIDTH + 2 + table.path_width + 2 + table.type_width + 2);
    table.meaning_width = room >= 24 ? room : 0;
    const struct mt_field_row head = {
        .record = "RECORD", .path = "PATH", .type = "TYPE", .meaning = "MEANING"};
    print_row(&table, &head);
    each_with_events(print_row, &table);
}

/* --- markdown --------------------------------------------------------------- */

/* Text of a table cell: '|' would end it, '<' could begin HTML. */
static void print_cell(const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '|')
            fputs("\\|", stdout);
        else if (*text == '<')
            fputs("&lt;", stdout);
        else
            putchar(*text);
    }
}

static void print_markdown_row(void *ctx, const struct mt_field_row *row)
{
    (void)ctx;
    printf("| `%s` | %s | ", row->path, row->type);
    print_cell(row->meaning);
    puts(" |");
}

static void print_markdown_group(const char *record, const struct mt_field_group *group)
{
    puts("\n| Field | Type | Meaning |\n|---|---|---|");
    each_row(record, group, "", print_markdown_row, NULL);
}

static void print_anomalies(void)
{
    puts("\n## Anomalies\n"
         "\n"
         "Names in `smtp.anomalies`: what was odd in a session. Parsing went on; each is told once a "
         "session.\n"
         "\n"
         "| Name | Meaning |\n|---|---|");
    for (int i = 0; i < MT_ANOMALY_COUNT; i++) {
        printf("| `%s` | ", mt_anomaly_name((enum mt_anomaly)i));
        print_cell(mt_anomaly_meaning((enum mt_anomaly)i));
        puts(" |");
    }
}

static void print_helo_findings(void)
{
    static const struct {
        const char *name;
        unsigned points;
        const char *meaning;
    } tests[] = {
#define MT_HELO_TEST(name, number, finding, points, meaning) {finding, points, meaning},
#include "record/helo_tests.def"
#undef MT_HELO_TEST
    };

    puts("\n## HELO findings\n"
         "\n"
         "Names in `smtp.helo.findings`, and what each adds to `smtp.helo.score`.\n"
         "\n"
         "| Name | Points | Meaning |\n|---|---|---|");
    for (size_t i = 0; i < MT_ARRAY_COUNT(tests); i++) {
        printf("| `%s` | %u | ", tests[i].name, tests[i].points);
        print_cell(tests[i].meaning);
        puts(" |");
    }
}

struct finding {
    const char *name;
    const char *meaning;
};

static void print_findings(const struct finding *findings, size_t count)
{
    puts("\n| Name | Meaning |\n|---|---|");
    for (size_t i = 0; i < count; i++) {
        printf("| `%s` | ", findings[i].name);
        print_cell(findings[i].meaning);
        puts(" |");
    }
}

static void print_received_tests(void)
{
    static const struct finding tests[] = {
#define MT_RECEIVED_TEST(name, number, finding, meaning) {finding, meaning},
#include "record/received_tests.def"
#undef MT_RECEIVED_TEST
    };

    puts("\n## Received findings\n"
         "\n"
         "Names in `message.received_findings`. Gateways with wrong clocks, mailing lists and internal hops\n"
         "show some of them as well: they are hints.");
    print_findings(tests, MT_ARRAY_COUNT(tests));
}

static void print_message_tests(void)
{
    static const struct finding tests[] = {
#define MT_MESSAGE_TEST(name, number, finding, meaning) {finding, meaning},
#include "record/message_tests.def"
#undef MT_MESSAGE_TEST
    };

    puts(
        "\n## Message findings\n"
        "\n"
        "Names in `message.findings`: envelope and header against each other. Lists, services that send for\n"
        "others, forwarders and Bcc show some of them every day: they are hints.");
    print_findings(tests, MT_ARRAY_COUNT(tests));
}

/* What rules of the categories command, reply, finding and statistics are held against. */
static void print_events(void)
{
    const char *separator = "";
    puts("\n## Command\n"
         "\n"
         "Of rules of category `command` alone; no record holds it. They and those of category `reply` see "
         "of\n"
         "the session what is known by then:");
    for (uint32_t i = 0; i < mt_group_session.count; i++) {
        if (!mt_sigma_is_early(&mt_group_session.fields[i]))
            continue;
        printf("%s`%s`", separator, mt_group_session.fields[i].path);
        separator = ",\n";
    }
    puts(".");
    print_markdown_group("command", &mt_group_command);
    puts("\n## Reply\n"
         "\n"
         "Of rules of category `reply` alone.");
    print_markdown_group("reply", &mt_group_reply);
    puts(
        "\n## Finding\n"
        "\n"
        "Of rules of category `finding` alone; docs/detections.md says what each finding is. They see of the "
        "session:");
    separator = "";
    for (uint32_t i = 0; i < mt_group_session.count; i++) {
        if (!mt_sigma_is_of_finding(&mt_group_session.fields[i]))
            continue;
        printf("%s`%s`", separator, mt_group_session.fields[i].path);
        separator = ",\n";
    }
    puts(".");
    print_markdown_group("finding", &mt_group_finding);
    puts("\n## Statistics\n"
         "\n"
         "Of rules of category `statistics` alone, beside `@timestamp` and `observer.name`. Rates are "
         "rounded\n"
         "down.");
    print_markdown_group("statistics", &mt_sigma_group_statistics);
}

static void print_markdown(void)
{
    puts("# Fields of the records\n"
         "\n"
         "Written by `mailtap fields --markdown` from `lib/record/fields.def`; a test keeps the two equal.\n"
         "\n"
         "Records are JSON objects, one a line, their names after the Elastic Common Schema " MT_ECS_VERSION
         "\n"
         "and `smtp.*` for what it has no names for. A dot in a field's path is an object within an object, "
         "`[]`\n"
         "an array, `<...>` a key that the traffic gives. What is absent is left out: never null, and empty "
         "only\n"
         "where something empty was sent, as the sender of a bounce is.\n"
         "\n"
         "## Types\n"
         "\n"
         "| Type | Value |\n|---|---|");
    for (size_t i = 0; i < MT_ARRAY_COUNT(type_meanings); i++) {
        printf("| %s | ", type_meanings[i].name);
        print_cell(type_meanings[i].meaning);
        puts(" |");
    }
    puts("\n## Session record\n"
         "\n"
         "One for every session, whether it carried mail or not.");
    print_markdown_group("session", &mt_group_session);
    puts("\n## Alert\n"
         "\n"
         "One for every finding of a rule.");
    print_markdown_group("alert", &mt_group_alert);
    print_events();
    print_anomalies();
    print_helo_findings();
    print_received_tests();
    print_message_tests();
}

/* --- json ------------------------------------------------------------------- */

static void put_json_member(struct mt_buf *b, const char *key, const char *value)
{
    mt_buf_put_cstr(b, key);
    mt_json_put_string(b, mt_span_cstr(value));
}

static void print_json_row(void *ctx, const struct mt_field_row *row)
{
    const char **before = ctx;
    char line[LINE_SIZE];
    struct mt_buf b = mt_buf(line, sizeof(line));

    put_json_member(&b, "{\"record\":", row->record);
    put_json_member(&b, ",\"path\":", row->path);
    put_json_member(&b, ",\"type\":", row->type);
    put_json_member(&b, ",\"meaning\":", row->meaning);
    mt_buf_put_byte(&b, '}');
    fputs(*before, stdout);
    fwrite(line, 1, b.size, stdout);
    *before = ",\n";
}

static void print_json(void)
{
    const char *before = "[\n";
    each_with_events(print_json_row, &before);
    puts("\n]");
}

/* The index of a receiver's name; false, and a line, when there is none. */
static bool find_format(const char *name, unsigned *ret_format)
{
    for (unsigned i = 0; mt_field_formats[i] != NULL; i++) {
        if (strcmp(mt_field_formats[i], name) == 0) {
            *ret_format = i;
            return true;
        }
    }
    fprintf(stderr, "mailtap: fields --format: '%s' is none of elasticsearch, opensearch and clickhouse\n",
            name);
    return false;
}

int mt_app_fields(int argc, char **argv)
{
    enum {
        OPT_MARKDOWN = 1,
        OPT_JSON,
        OPT_FORMAT,
        OPT_HELP,
    };
    static const struct option options[] = {
        {"markdown", no_argument, NULL, OPT_MARKDOWN},
        {"json", no_argument, NULL, OPT_JSON},
        {"format", required_argument, NULL, OPT_FORMAT},
        {"help", no_argument, NULL, OPT_HELP},
        {NULL, 0, NULL, 0},
    };
    void (*print)(void) = print_table;
    bool has_format = false;
    unsigned format = 0;
    int option;

    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == OPT_HELP) {
            fputs(usage, stdout);
            return MT_EXIT_OK;
        }
        if (option == '?') {
            fputs(usage, stderr);
            return MT_EXIT_USAGE;
        }
        if (option == OPT_FORMAT && !find_format(optarg, &format))
            return MT_EXIT_USAGE;
        has_format = option == OPT_FORMAT;
        print = option == OPT_MARKDOWN ? print_markdown : print_json;
    }
    if (optind < argc) {
        fprintf(stderr, "mailtap: fields takes no '%s'\n\n%s", argv[optind], usage);
        return MT_EXIT_USAGE;
    }
    if (has_format && mt_fields_print_schema(format) != 0) {
        fputs("mailtap: out of memory\n", stderr);
        return MT_EXIT_START;
    }
    if (!has_format)
        print();
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "mailtap: standard output: %s\n", strerrordesc_np(errno));
        return MT_EXIT_INCOMPLETE;
    }
    return MT_EXIT_OK;
}
