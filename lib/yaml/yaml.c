#include "yaml/yaml.h"

#include "base/check.h"
#include "base/codec.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>

const struct mt_yaml_limits mt_yaml_limits_default = {.depth = 8, .nodes = 300000};

/* While events come in: the path of open lists and mappings. */
struct builder {
    const struct mt_yaml_report *report;
    const struct mt_yaml_limits *limits;
    struct mt_yaml *newest;
    struct mt_yaml **slot[MT_YAML_DEPTH_MAX + 1]; /* where the next value of each level goes */
    unsigned depth;
    uint32_t count;
    uint32_t line; /* of the last value whose place was known: absent values have none */
    uint32_t column;
    struct mt_yaml *top;
    bool in_document;
};

/* --- the text itself ---------------------------------------------------------- */

static void advance(struct mt_span character, uint32_t *line, uint32_t *column)
{
    if (character.ptr[0] == '\n') {
        (*line)++;
        *column = 1;
    } else {
        (*column)++;
    }
}

/* libfyaml takes a NUL for the end of the text, and other bytes as they come. */
static int check_bytes(struct mt_span text, const struct mt_yaml_report *report)
{
    uint32_t line = 1;
    uint32_t column = 1;

    while (text.size > 0) {
        uint8_t c = text.ptr[0];
        size_t size = mt_utf8_char(text);
        if (size == 0) {
            mt_yaml_report_place(report, line, column, "byte 0x%02x is not UTF-8; expected a text in UTF-8",
                                 c);
            return -EINVAL;
        }
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
            mt_yaml_report_place(report, line, column, "control character 0x%02x; expected a text", c);
            return -EINVAL;
        }
        advance(mt_span_head(text, size), &line, &column);
        text = mt_span_from(text, size);
    }
    return 0;
}

/* --- events to nodes ---------------------------------------------------------- */

static void note_place(struct builder *b, const struct fy_mark *mark)
{
    if (mark == NULL || mark->line < 0 || mark->column < 0)
        return;
    b->line = (uint32_t)mark->line + 1;
    b->column = (uint32_t)mark->column + 1;
}

static int fail(struct builder *b, const char *what)
{
    mt_yaml_report_place(b->report, b->line, b->column, "%s", what);
    return -EINVAL;
}

/* The text is copied behind the node: libfyaml's goes with the event. */
static int add_node(struct builder *b, enum mt_yaml_kind kind, struct mt_span text, struct mt_yaml **ret_node)
{
    if (b->count == b->limits->nodes) {
        mt_yaml_report_place(b->report, b->line, b->column, "more than %u values", b->limits->nodes);
        return -EINVAL;
    }
    struct mt_yaml *node = malloc(sizeof(*node) + text.size);
    if (node == NULL)
        return -ENOMEM;
    if (text.size > 0)
        memcpy(node + 1, text.ptr, text.size);
    *node = (struct mt_yaml){
        .kind = kind,
        .line = b->line,
        .column = b->column,
        .text = mt_span(node + 1, text.size),
        .older = b->newest,
    };
    b->newest = node;
    b->count++;
    *b->slot[b->depth] = node;
    b->slot[b->depth] = &node->next;
    *ret_node = node;
    return 0;
}

static int open_node(struct builder *b, enum mt_yaml_kind kind)
{
    struct mt_yaml *node;

    if (b->depth == b->limits->depth) {
        mt_yaml_report_place(b->report, b->line, b->column, "nested more than %u levels deep",
                             b->limits->depth);
        return -EINVAL;
    }
    int rc = add_node(b, kind, mt_span_none(), &node);
    if (rc == 0)
        b->slot[++b->depth] = &node->child;
    return rc;
}

/* YAML 1.2 core schema: what a plain scalar must look like to be null. */
static bool is_nothing(struct mt_span text)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < MT_ARRAY_COUNT(words); i++) {
        if (mt_span_eq(text, mt_span_cstr(words[i])))
            return true;
    }
    return false;
}

static int add_scalar(struct builder *b, struct fy_token *token)
{
    struct mt_yaml *node;
    size_t size = 0;
    const char *text = token != NULL ? fy_token_get_text(token, &size) : NULL;
    struct mt_span span = text != NULL ? mt_span(text, size) : mt_span("", 0);
    bool is_plain = token == NULL || fy_token_scalar_style(token) == FYSS_PLAIN;

    return add_node(b, is_plain && is_nothing(span) ? MT_YAML_NOTHING : MT_YAML_TEXT, span, &node);
}

static int check_no_extras(struct builder *b, const struct fy_token *anchor, const struct fy_token *tag)
{
    if (anchor != NULL)
        return fail(b, "found an anchor; anchors and aliases have no meaning here");
    if (tag != NULL)
        return fail(b, "found a tag; tags have no meaning here");
    return 0;
}

static int start_document(struct builder *b)
{
    if (b->in_document && !b->limits->has_documents)
        return fail(b, "a second document begins here; expected only one");
    b->in_document = true;
    return 0;
}

static int take_event(struct builder *b, struct fy_event *event)
{
    int rc = 0;

    note_place(b, fy_event_start_mark(event));
    switch (event->type) {
    case FYET_DOCUMENT_START:
        return start_document(b);
    case FYET_SCALAR:
        rc = check_no_extras(b, event->scalar.anchor, event->scalar.tag);
        return rc != 0 ? rc : add_scalar(b, event->scalar.value);
    case FYET_SEQUENCE_START:
        rc = check_no_extras(b, event->sequence_start.anchor, event->sequence_start.tag);
        return rc != 0 ? rc : open_node(b, MT_YAML_LIST);
    case FYET_MAPPING_START:
        rc = check_no_extras(b, event->mapping_start.anchor, event->mapping_start.tag);
        return rc != 0 ? rc : open_node(b, MT_YAML_MAP);
    case FYET_SEQUENCE_END:
    case FYET_MAPPING_END:
        b->depth--;
        return 0;
    case FYET_ALIAS:
        return fail(b, "found an alias; anchors and aliases have no meaning here");
    default:
        return 0;
    }
}

/* --- libfyaml ------------------------------------------------------------------- */

struct complaint {
    char text[256]; /* of an error that libfyaml gives no place for */
};

/* libfyaml prints here instead of to standard error. */
static void keep_output(struct fy_diag *diag, void *user, const char *text, size_t size)
{
    struct complaint *complaint = user;
    struct mt_span line = mt_span(text, size);
    (void)diag;

    if (complaint->text[0] != '\0')
        return;
    while (line.size > 0 && line.ptr[line.size - 1] == '\n')
        line.size--;
    if (line.size > 7 && memcmp(line.ptr, "[ERR]: ", 7) == 0)
        line = mt_span_from(line, 7);
    struct mt_buf b = mt_buf(complaint->text, sizeof(complaint->text) - 1);
    mt_buf_put_escaped(&b, line);
    complaint->text[b.size] = '\0';
}

static void report_syntax(const struct builder *b, struct fy_diag *diag, const struct complaint *complaint)
{
    struct fy_diag_error *error;
    void *place = NULL;

    while ((error = fy_diag_errors_iterate(diag, &place)) != NULL) {
        if (error->type != FYET_ERROR)
            continue;
        mt_yaml_report_place(b->report, (uint32_t)error->line, (uint32_t)error->column, "%s", error->msg);
        return;
    }
    mt_yaml_report_place(b->report, b->line, b->column, "%s",
                         complaint->text[0] != '\0' ? complaint->text : "not YAML");
}

static int parse_events(struct builder *b, struct fy_parser *parser, struct fy_diag *diag,
                        const struct complaint *complaint)
{
    struct fy_event *event;

    while ((event = fy_parser_parse(parser)) != NULL) {
        int rc = take_event(b, event);
        fy_parser_event_free(parser, event);
        if (rc != 0)
            return rc;
    }
    if (!fy_parser_get_stream_error(parser))
        return 0;
    report_syntax(b, diag, complaint);
    return -EINVAL;
}

static int parse(struct builder *b, struct mt_span text)
{
    struct complaint complaint = {0};
    struct fy_diag_cfg diag_config;

    fy_diag_cfg_default(&diag_config);
    diag_config.fp = NULL;
    diag_config.output_fn = keep_output;
    diag_config.user = &complaint;
    diag_config.colorize = false;
    struct fy_diag *diag = fy_diag_create(&diag_config);
    if (diag == NULL)
        return -ENOMEM;
    fy_diag_set_collect_errors(diag, true);

    const struct fy_parse_cfg config = {.flags = FYPCF_QUIET, .diag = diag};
    struct fy_parser *parser = fy_parser_create(&config);
    int rc = -ENOMEM;
    if (parser != NULL && fy_parser_set_string(parser, (const char *)text.ptr, text.size) == 0)
        rc = parse_events(b, parser, diag, &complaint);
    fy_parser_destroy(parser);
    fy_diag_destroy(diag);
    return rc;
}

int mt_yaml_parse(struct mt_span text, const struct mt_yaml_limits *limits,
                  const struct mt_yaml_report *report, struct mt_yaml **ret_nodes,
                  const struct mt_yaml **ret_root)
{
    struct builder b = {.report = report, .limits = limits, .line = 1, .column = 1};

    MT_BUG_ON(limits->depth > MT_YAML_DEPTH_MAX);
    b.slot[0] = &b.top;
    *ret_nodes = NULL;
    int rc = check_bytes(text, report);
    if (rc != 0)
        return rc;
    if (text.size > 0)
        rc = parse(&b, text);
    *ret_nodes = b.newest;
    if (rc == 0)
        *ret_root = b.top;
    return rc;
}

void mt_yaml_free(struct mt_yaml *nodes)
{
    while (nodes != NULL) {
        struct mt_yaml *older = nodes->older;
        free(nodes);
        nodes = older;
    }
}

struct mt_yaml_quote mt_yaml_describe(const struct mt_yaml *node)
{
    struct mt_yaml_quote quote = {"a mapping"};

    if (node->kind == MT_YAML_TEXT)
        return mt_yaml_quote(node->text);
    if (node->kind == MT_YAML_NOTHING)
        quote = (struct mt_yaml_quote){"nothing"};
    else if (node->kind == MT_YAML_LIST)
        quote = (struct mt_yaml_quote){"a list"};
    return quote;
}
