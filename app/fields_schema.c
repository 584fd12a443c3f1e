/* The records' fields as receivers want them declared: index templates of
 * Elasticsearch and OpenSearch, a table of ClickHouse. */
#include "fields_list.h"

#include "app.h"
#include "base/compiler.h"
#include "record/record.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS_MAX 512u
#define LEVELS_MAX 12u

enum format { FORMAT_ELASTICSEARCH, FORMAT_OPENSEARCH, FORMAT_CLICKHOUSE };

const char *const mt_field_formats[] = {
    [FORMAT_ELASTICSEARCH] = "elasticsearch",
    [FORMAT_OPENSEARCH] = "opensearch",
    [FORMAT_CLICKHOUSE] = "clickhouse",
    NULL,
};

/* A value that a receiver stores: its path without what the traffic adds, whether
 * it is a list, and what its keys are when it is an object of the traffic's. */
struct column {
    char path[MT_FIELD_PATH_SIZE];
    const char *type;
    const char *keyed; /* "<verb>", "<code>", ...; NULL: no object */
    bool is_list;
};

struct schema {
    struct column *columns;
    size_t count;
    enum format format;
};

static const char *keyed_by(char *path)
{
    static const char *const keys[] = {"<verb>", "<code>", "<keyword>", "<field>"};

    for (size_t i = 0; i < MT_ARRAY_COUNT(keys); i++) {
        size_t size = strlen(path);
        size_t end = strlen(keys[i]);
        if (size > end && strcmp(path + size - end, keys[i]) == 0) {
            path[size - end - 1] = '\0';
            return keys[i];
        }
    }
    return NULL;
}

/* A list of objects is there by its members; what both records have, once. */
static void take_row(void *ctx, const struct mt_field_row *row)
{
    struct schema *schema = ctx;
    struct column *column = &schema->columns[schema->count];

    if (strcmp(row->type, "list") == 0 || schema->count == COLUMNS_MAX)
        return;
    *column = (struct column){.type = row->type};
    snprintf(column->path, sizeof(column->path), "%s", row->path);
    column->keyed = keyed_by(column->path);
    size_t size = strlen(column->path);
    column->is_list = size > 2 && strcmp(column->path + size - 2, "[]") == 0;
    if (column->is_list)
        column->path[size - 2] = '\0';
    for (size_t i = 0; i < schema->count; i++) {
        if (strcmp(schema->columns[i].path, column->path) == 0)
            return;
    }
    schema->count++;
}

/* A dot before everything else, so that the members of an object stand together. */
static int by_path(const void *a, const void *b)
{
    const char *one = ((const struct column *)a)->path;
    const char *other = ((const struct column *)b)->path;

    for (; *one != '\0' && *one == *other; one++)
        other++;
    unsigned left = *one == '.' ? 1 : (unsigned char)*one;
    unsigned right = *other == '.' ? 1 : (unsigned char)*other;
    return left < right ? -1 : left > right;
}

/* --- Elasticsearch, OpenSearch --------------------------------------------------- */

/* Texts that people search by words, besides as a whole. */
static bool has_words(const char *path)
{
    static const char *const paths[] = {
        "message",
        "smtp.banner.text",
        "smtp.transactions[].reply.text",
        "smtp.transactions[].message.subject",
        "mailtap.evidence",
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(paths); i++) {
        if (strcmp(paths[i], path) == 0)
            return true;
    }
    return false;
}

static void print_elastic_type(const struct schema *schema, const struct column *column)
{
    static const struct {
        const char *type;
        const char *text;
    } types[] = {
        {"number", "\"type\": \"long\""},  {"count", "\"type\": \"long\""}, {"code", "\"type\": \"short\""},
        {"flag", "\"type\": \"boolean\""}, {"time", "\"type\": \"date\""},  {"address", "\"type\": \"ip\""},
    };
    bool is_open = schema->format == FORMAT_OPENSEARCH;

    /* our own verbs are few; the keys of the others are the traffic's, which must
     * not make fields of the index */
    if (column->keyed != NULL && strcmp(column->keyed, "<verb>") == 0) {
        printf("{\"type\": \"object\", \"dynamic\": true}");
        return;
    }
    if (column->keyed != NULL) {
        printf("{\"type\": \"%s\"}", is_open ? "flat_object" : "flattened");
        return;
    }
    for (size_t i = 0; i < MT_ARRAY_COUNT(types); i++) {
        if (strcmp(types[i].type, column->type) == 0) {
            printf("{%s}", types[i].text);
            return;
        }
    }
    printf("{\"type\": \"keyword\", \"ignore_above\": 1024");
    if (has_words(column->path))
        printf(", \"fields\": {\"text\": {\"type\": \"%s\"}}", is_open ? "text" : "match_only_text");
    printf("}");
}

static void indent(unsigned levels)
{
    printf("%*s", (int)(2 * levels), "");
}

/* The part of a path up to the next dot. */
static size_t part_size(const char *path)
{
    return strcspn(path, ".");
}

static bool is_array(const char *part, size_t size)
{
    return size > 2 && part[size - 1] == ']';
}

/* How many bytes of its path a column shares with the one before it, up to a dot. */
static size_t shared(const struct column *before, const struct column *column)
{
    size_t size = 0;

    for (size_t i = 0; before->path[i] != '\0' && before->path[i] == column->path[i]; i++) {
        if (column->path[i] == '.')
            size = i + 1;
    }
    return size;
}

static unsigned count_dots(const char *path, size_t size)
{
    unsigned dots = 0;

    for (size_t i = 0; i < size; i++)
        dots += path[i] == '.';
    return dots;
}

/* How a form writes objects and values; level is that of the object in the tree. */
struct form {
    void (*open)(const char *part, size_t size, unsigned level);
    void (*close)(const char *part, size_t size, unsigned level);
    void (*value)(const struct schema *schema, const struct column *column, const char *name, unsigned level);
};

static const char *part_at(const char *path, unsigned level)
{
    for (; level > 0; level--)
        path += part_size(path) + 1;
    return path;
}

static void close_levels(const struct form *form, const struct column *column, unsigned from, unsigned to)
{
    for (unsigned level = from; level > to; level--) {
        const char *part = part_at(column->path, level - 1);
        form->close(part, part_size(part), level - 1);
    }
}

static void print_tree(const struct schema *schema, const struct form *form)
{
    static const struct column nothing = {.path = ""};
    const struct column *before = &nothing;
    unsigned depth = 0;

    for (size_t i = 0; i < schema->count; i++) {
        const struct column *column = &schema->columns[i];
        size_t same = shared(before, column);
        unsigned level = count_dots(column->path, same);
        close_levels(form, before, depth, level);
        if (i > 0)
            puts(",");
        const char *part = column->path + same;
        for (; part[part_size(part)] == '.'; part += part_size(part) + 1)
            form->open(part, part_size(part), level++);
        form->value(schema, column, part, level);
        depth = level;
        before = column;
    }
    close_levels(form, before, depth, 0);
}

#define ELASTIC_BASE 4u /* levels around the properties */

static void open_elastic(const char *part, size_t size, unsigned level)
{
    indent(ELASTIC_BASE + 2 * level);
    printf("\"%.*s\": {\n", (int)(is_array(part, size) ? size - 2 : size), part);
    indent(ELASTIC_BASE + 2 * level + 1);
    printf("\"properties\": {\n");
}

static void close_elastic(const char *part, size_t size, unsigned level)
{
    (void)part;
    (void)size;
    putchar('\n');
    indent(ELASTIC_BASE + 2 * level + 1);
    puts("}");
    indent(ELASTIC_BASE + 2 * level);
    putchar('}');
}

static void value_elastic(const struct schema *schema, const struct column *column, const char *name,
                          unsigned level)
{
    indent(ELASTIC_BASE + 2 * level);
    printf("\"%s\": ", name);
    print_elastic_type(schema, column);
}

static void print_elastic(const struct schema *schema)
{
    static const struct form form = {open_elastic, close_elastic, value_elastic};

    printf(
        "{\n"
        "  \"index_patterns\": [\"logs-mailtap-*\", \"logs-mailtap.*-*\"],\n"
        "  \"data_stream\": {},\n"
        "  \"priority\": 250,\n"
        "  \"version\": 1,\n"
        "  \"_meta\": {\"description\": \"Session records and alerts of mailtap %s\", \"managed\": false},\n"
        "  \"template\": {\n"
        "    \"settings\": {\n"
        "      \"index.codec\": \"best_compression\",\n"
        "      \"index.mapping.ignore_malformed\": false,\n"
        "      \"index.mapping.total_fields.limit\": 1000,\n"
        "      \"index.query.default_field\": [\"message\", \"source.ip\", \"destination.ip\", "
        "\"rule.name\"]\n"
        "    },\n"
        "    \"mappings\": {\n"
        "      \"_meta\": {\"ecs_version\": \"%s\"},\n"
        "      \"dynamic\": false,\n"
        "      \"date_detection\": false,\n"
        "      \"properties\": {\n",
        MT_VERSION_TEXT, MT_ECS_VERSION);
    print_tree(schema, &form);
    puts("\n      }\n    }\n  }\n}");
}

/* --- ClickHouse ------------------------------------------------------------------- */

static void open_clickhouse(const char *part, size_t size, unsigned level)
{
    bool array = is_array(part, size);

    indent(level + 2);
    printf("`%.*s` %s(\n", (int)(array ? size - 2 : size), part, array ? "Array(Tuple" : "Tuple");
}

static void close_clickhouse(const char *part, size_t size, unsigned level)
{
    putchar('\n');
    indent(level + 2);
    printf(is_array(part, size) ? "))" : ")");
}

static const char *clickhouse_type(const struct column *column)
{
    static const struct {
        const char *type;
        const char *text;
    } types[] = {
        {"number", "UInt64"},
        {"count", "UInt64"},
        {"code", "UInt16"},
        {"flag", "Nullable(Bool)"},
        {"time", "DateTime64(9, 'UTC')"},
        {"address", "Nullable(IPv6)"},
        {"name", "LowCardinality(String)"},
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(types); i++) {
        if (strcmp(types[i].type, column->type) == 0)
            return types[i].text;
    }
    return "String";
}

static void value_clickhouse(const struct schema *schema, const struct column *column, const char *name,
                             unsigned level)
{
    const char *type = clickhouse_type(column);

    (void)schema;
    indent(level + 2);
    printf("`%s` ", name);
    if (column->keyed != NULL)
        printf("Map(String, %s)", type);
    else if (column->is_list)
        printf("Array(%s)", type);
    else
        printf("%s", type);
}

static void print_clickhouse(const struct schema *schema)
{
    static const struct form form = {open_clickhouse, close_clickhouse, value_clickhouse};

    puts("-- Session records and alerts of mailtap, as its format ecs writes them. What comes twice\n"
         "-- becomes one row when parts are merged; FINAL in a query sees it so at once.\n"
         "CREATE DATABASE IF NOT EXISTS mailtap;\n"
         "CREATE TABLE IF NOT EXISTS mailtap.events\n"
         "(");
    print_tree(schema, &form);
    puts("\n)\n"
         "ENGINE = ReplacingMergeTree\n"
         "PARTITION BY toYYYYMM(`@timestamp`)\n"
         "ORDER BY (tupleElement(event, 'dataset'), toStartOfHour(`@timestamp`), tupleElement(event, 'id'),\n"
         "    tupleElement(rule, 'id'), `@timestamp`, toString(tupleElement(mailtap, 'group_by')))\n"
         "TTL toDateTime(`@timestamp`) + INTERVAL 400 DAY\n"
         "SETTINGS non_replicated_deduplication_window = 1000;");
}

int mt_fields_print_schema(unsigned format)
{
    struct schema schema = {.format = (enum format)format};

    schema.columns = calloc(COLUMNS_MAX + 1, sizeof(*schema.columns));
    if (schema.columns == NULL)
        return -ENOMEM;
    mt_fields_each(take_row, &schema);
    qsort(schema.columns, schema.count, sizeof(*schema.columns), by_path);
    if (schema.format == FORMAT_CLICKHOUSE)
        print_clickhouse(&schema);
    else
        print_elastic(&schema);
    free(schema.columns);
    return 0;
}
