/* Tables: a row for each record, a column for each chosen field.
 *
 * A cell holds one line whatever stood in the field: \t \n \r \\ and \xNN for what
 * is no text, so nothing is lost. csv: RFC 4180, texts always quoted; one that a
 * spreadsheet would take for a formula has an apostrophe before it, and so has one
 * that begins with an apostrophe. tsv: the same escapes, no quotes, which is what
 * ClickHouse and PostgreSQL read. Of a list the values stand in order with ; between
 * them, and \; within them. */
#include "export/format_priv.h"
#include "export/format_select_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const default_paths[] = {
    "@timestamp",
    "event.dataset",
    "event.id",
    "event.end",
    "event.severity",
    "source.ip",
    "source.port",
    "destination.ip",
    "destination.port",
    "network.community_id",
    "smtp.helo.name",
    "smtp.helo.findings",
    "smtp.starttls.outcome",
    "smtp.auth[].user",
    "smtp.auth[].outcome",
    "smtp.transactions_total",
    "smtp.transactions[].from.address",
    "smtp.transactions[].recipients[].address",
    "smtp.transactions[].recipients[].verdict",
    "smtp.transactions[].outcome",
    "smtp.transactions[].bytes",
    "smtp.transactions[].message.subject",
    "smtp.transactions[].message.message_id",
    "smtp.anomalies",
    "smtp.end",
    "rule.name",
    "rule.level",
    "message",
    "mailtap.count",
};

struct table {
    const struct mt_escape *text;
    const struct mt_escape *item; /* of a list */
    char separator;
    bool has_quotes;
};

/* --- characters ----------------------------------------------------------------- */

/* What stands behind the backslash; 0: two digits do. */
static uint8_t escape_letter(uint8_t c)
{
    switch (c) {
    case '\t':
        return 't';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\\':
    case ';':
        return c;
    default:
        return 0;
    }
}

static uint8_t *put_escape(uint8_t *to, struct mt_span *text)
{
    uint8_t c = text->ptr[0];
    size_t size = mt_escape_plain_size(*text);
    uint8_t letter = escape_letter(c);

    if (letter == 0 && size > 0) {
        memcpy(to, text->ptr, size);
        *text = mt_span_from(*text, size);
        return to + size;
    }
    *to++ = '\\';
    *text = mt_span_from(*text, 1);
    if (letter != 0) {
        *to++ = letter;
        return to;
    }
    *to++ = 'x';
    return mt_text_hex(to, &c, 1);
}

static uint8_t *put_csv_escape(uint8_t *to, struct mt_span *text)
{
    if (text->ptr[0] != '"')
        return put_escape(to, text);
    memcpy(to, "\"\"", 2);
    *text = mt_span_from(*text, 1);
    return to + 2;
}

static const struct mt_escape csv_text = {{'"', '\\', '\\', '\\'}, put_csv_escape};
static const struct mt_escape csv_item = {{'"', '\\', ';', ';'}, put_csv_escape};
static const struct mt_escape tsv_text = {{'\\', '\\', '\\', '\\'}, put_escape};
static const struct mt_escape tsv_item = {{'\\', ';', ';', ';'}, put_escape};

static const struct table csv = {&csv_text, &csv_item, ',', true};
static const struct table tsv = {&tsv_text, &tsv_item, '\t', false};

/* --- cells ---------------------------------------------------------------------- */

struct list {
    const void *items;
    uint32_t count;
};

struct cell {
    struct mt_pen *pen;
    const struct table *table;
    const struct mt_escape *escape; /* table->item when a list is on the way */
    bool is_open;                   /* something was written, quotes included */
    bool is_item;                   /* a value stands before the next one */
};

/* Begins a value: the quote of a cell of text, or what stands between two. */
static void begin_value(struct cell *cell, bool is_text)
{
    mt_pen_room(cell->pen);
    if (cell->is_item)
        *cell->pen->to++ = ';';
    if (!cell->is_open && cell->table->has_quotes && (is_text || cell->escape == cell->table->item))
        *cell->pen->to++ = '"';
    cell->is_open = true;
    cell->is_item = cell->escape == cell->table->item;
}

static bool is_formula(uint8_t c)
{
    return c == '=' || c == '+' || c == '-' || c == '@' || c == '\'';
}

static void put_text(struct cell *cell, struct mt_span text)
{
    bool is_first = !cell->is_open;

    begin_value(cell, true);
    if (is_first && cell->table->has_quotes && text.size > 0 && is_formula(text.ptr[0]))
        *cell->pen->to++ = '\'';
    mt_pen_escaped(cell->pen, text, cell->escape);
}

static void put_number(struct cell *cell, uint64_t number)
{
    begin_value(cell, false);
    cell->pen->to = mt_text_u64(cell->pen->to, number);
}

/* "250=5" and "SIZE=4711", as items of a list. */
static void put_pair(struct cell *cell, struct mt_span key, struct mt_span value)
{
    put_text(cell, key);
    mt_pen_byte(cell->pen, '=');
    mt_pen_escaped(cell->pen, value, cell->escape);
}

static void put_pair_count(struct cell *cell, struct mt_span key, uint64_t count)
{
    uint8_t digits[MT_TEXT_U64_MAX];
    const uint8_t *end = mt_text_u64(digits, count);

    put_pair(cell, key, mt_span(digits, (size_t)(end - digits)));
}

static void put_code_count(struct cell *cell, const struct mt_code_count *one)
{
    unsigned code = one->code;
    const char key[3] = {(char)('0' + code / 100 % 10), (char)('0' + code / 10 % 10),
                         (char)('0' + code % 10)};

    put_pair_count(cell, mt_span(key, 3), one->count);
}

/* An absent value within a list keeps its place, so that columns of one list agree. */
static void put_absent(struct cell *cell)
{
    if (cell->escape == cell->table->item)
        begin_value(cell, true);
}

static void put_list(struct cell *cell, enum mt_field_type type, const struct list *list)
{
    cell->escape = cell->table->item;
    for (uint32_t i = 0; i < list->count && !cell->pen->overflow; i++) {
        switch (type) {
        case MT_FIELD_TYPE_TEXTS:
            put_text(cell, ((const struct mt_span *)list->items)[i]);
            break;
        case MT_FIELD_TYPE_NAMES:
            put_text(cell, mt_span_cstr(((const char *const *)list->items)[i]));
            break;
        case MT_FIELD_TYPE_CODES:
            put_code_count(cell, (const struct mt_code_count *)list->items + i);
            break;
        case MT_FIELD_TYPE_VERBS: {
            const struct mt_verb_count *verb = (const struct mt_verb_count *)list->items + i;
            put_pair_count(cell, mt_span_cstr(verb->verb), verb->count);
            break;
        }
        default: { /* parameters and what was counted by, two texts each */
            const struct mt_record_parameter *pair = (const struct mt_record_parameter *)list->items + i;
            put_pair(cell, pair->keyword, pair->value);
        }
        }
    }
}

MT_STATIC_ASSERT(sizeof(struct mt_record_parameter) == sizeof(struct mt_record_groupby),
                 "put_list reads both alike");

static void put_time(struct cell *cell, uint64_t time)
{
    begin_value(cell, true);
    mt_pen_time(cell->pen, time);
}

static void put_ip(struct cell *cell, const struct mt_ip *ip)
{
    begin_value(cell, true);
    mt_pen_ip(cell->pen, ip);
}

static void put_mac(struct cell *cell, const uint8_t *mac)
{
    begin_value(cell, true);
    mt_pen_mac(cell->pen, mac, '-');
}

static void put_scalar(struct cell *cell, enum mt_field_type type, const void *member)
{
    uint64_t number = type == MT_FIELD_TYPE_CODE   ? *(const uint16_t *)member
                      : type == MT_FIELD_TYPE_FLAG ? *(const uint8_t *)member
                      : type == MT_FIELD_TYPE_U64 || type == MT_FIELD_TYPE_COUNT || type == MT_FIELD_TYPE_TIME
                          ? *(const uint64_t *)member
                          : 0;
    const char *name = type == MT_FIELD_TYPE_NAME ? *(const char *const *)member : NULL;

    if (type == MT_FIELD_TYPE_FLAG && number != MT_FLAG_ABSENT)
        name = number == MT_FLAG_TRUE ? "true" : "false";
    if (type == MT_FIELD_TYPE_TEXT && ((const struct mt_span *)member)->ptr != NULL)
        put_text(cell, *(const struct mt_span *)member);
    else if (name != NULL)
        put_text(cell, mt_span_cstr(name));
    else if (type == MT_FIELD_TYPE_IP && ((const struct mt_ip *)member)->family != 0)
        put_ip(cell, member);
    else if (type == MT_FIELD_TYPE_MAC && *(const uint8_t *const *)member != NULL)
        put_mac(cell, *(const uint8_t *const *)member);
    else if (type == MT_FIELD_TYPE_TIME && number != 0)
        put_time(cell, number);
    else if (type == MT_FIELD_TYPE_U64 ||
             (type != MT_FIELD_TYPE_FLAG && type != MT_FIELD_TYPE_TIME && number != 0))
        put_number(cell, number);
    else
        put_absent(cell);
}

static void put_member(struct cell *cell, const struct mt_selected *selected, unsigned depth,
                       const void *record)
{
    const struct mt_field *field = selected->steps[depth];
    const void *member = (const uint8_t *)record + field->off;
    const struct mt_field_group *items = mt_selection_items(field);

    if (items == NULL) {
        if (field->type >= MT_FIELD_TYPE_TEXTS)
            put_list(cell, (enum mt_field_type)field->type, member);
        else
            put_scalar(cell, (enum mt_field_type)field->type, member);
        return;
    }
    if (depth + 1 >= MT_SELECTION_STEPS_MAX)
        return;
    const struct list *list = member;
    const uint8_t *item = list->items;
    for (uint32_t i = 0; i < list->count && !cell->pen->overflow; i++, item += items->struct_size) {
        cell->escape = cell->table->item;
        put_member(cell, selected, depth + 1, item);
    }
}

static void put_cell(struct mt_pen *pen, const struct table *table, const struct mt_selected *selected,
                     const void *record)
{
    struct cell cell = {.pen = pen, .table = table, .escape = table->text};

    mt_pen_room(pen);
    if (selected->depth > 0)
        put_member(&cell, selected, 0, record);
    mt_pen_room(pen);
    const struct mt_field *last = selected->depth > 0 ? selected->steps[selected->depth - 1] : NULL;
    bool is_bare = cell.escape == table->text && last != NULL &&
                   (last->type == MT_FIELD_TYPE_U64 || last->type == MT_FIELD_TYPE_COUNT ||
                    last->type == MT_FIELD_TYPE_CODE);
    if (cell.is_open && table->has_quotes && !is_bare)
        *pen->to++ = '"';
    *pen->to++ = (uint8_t)table->separator;
}

/* --- rows ------------------------------------------------------------------------- */

static bool put_row(struct mt_format *format, const struct table *table, bool is_alert, const void *record,
                    mt_format_emit *emit, void *ctx)
{
    const struct mt_selection *selection = format->selection;

    mt_pen_begin(&format->pen);
    for (size_t i = 0; i < selection->count; i++) {
        const struct mt_selected_column *column = &selection->columns[i];
        put_cell(&format->pen, table, is_alert ? &column->alert : &column->session, record);
    }
    return mt_format_emit_text(format, 0, emit, ctx);
}

static bool session_csv(struct mt_format *format, const struct mt_record_session *record,
                        mt_format_emit *emit, void *ctx)
{
    return put_row(format, &csv, false, record, emit, ctx);
}

static bool alert_csv(struct mt_format *format, const struct mt_record_alert *alert, mt_format_emit *emit,
                      void *ctx)
{
    return put_row(format, &csv, true, alert, emit, ctx);
}

static bool session_tsv(struct mt_format *format, const struct mt_record_session *record,
                        mt_format_emit *emit, void *ctx)
{
    return put_row(format, &tsv, false, record, emit, ctx);
}

static bool alert_tsv(struct mt_format *format, const struct mt_record_alert *alert, mt_format_emit *emit,
                      void *ctx)
{
    return put_row(format, &tsv, true, alert, emit, ctx);
}

/* --- the two formats ---------------------------------------------------------------- */

static int refuse_lists(const struct mt_selection *selection, char *ret_reason, size_t reason_size)
{
    for (size_t i = 0; i < selection->count; i++) {
        const struct mt_selected_column *column = &selection->columns[i];
        const struct mt_selected *field = column->session.depth > 0 ? &column->session : &column->alert;
        const struct mt_field_group *items = mt_selection_items(field->steps[field->depth - 1]);
        if (items != NULL) {
            snprintf(ret_reason, reason_size,
                     "%.100s is a list of objects: choose its fields, as in %.100s[].%s", column->path,
                     column->path, items->fields[0].path);
            return -EINVAL;
        }
    }
    return 0;
}

/* The names of the columns; paths hold nothing that would need quotes. */
static int put_head(struct mt_format *format, const struct table *table)
{
    const struct mt_selection *selection = format->selection;
    size_t size = 0;

    for (size_t i = 0; i < selection->count; i++)
        size += strlen(selection->columns[i].path) + 1;
    uint8_t *head = malloc(size + 1);
    if (head == NULL)
        return -ENOMEM;
    struct mt_buf b = mt_buf(head, size);
    for (size_t i = 0; i < selection->count; i++) {
        mt_buf_put_cstr(&b, selection->columns[i].path);
        mt_buf_put_byte(&b, i + 1 < selection->count ? (uint8_t)table->separator : '\n');
    }
    format->heads[0] = mt_buf_span(&b);
    return 0;
}

static void destroy(struct mt_format *format)
{
    if (format != NULL)
        free((void *)(uintptr_t)format->heads[0].ptr);
    mt_format_destroy(format);
}

static int create(const struct table *table, const struct mt_format_options *options, char *ret_reason,
                  size_t reason_size, struct mt_format **ret_format)
{
    bool is_default = options->field_count == 0;
    const char *const *paths = is_default ? default_paths : options->fields;
    size_t count = is_default ? MT_ARRAY_COUNT(default_paths) : options->field_count;
    struct mt_format *format;
    int rc = mt_format_create(options, ret_reason, reason_size, &format);

    if (rc != 0)
        return rc;
    rc = mt_selection_create(paths, count, ret_reason, reason_size, &format->selection);
    if (rc == 0)
        rc = refuse_lists(format->selection, ret_reason, reason_size);
    if (rc == 0) {
        rc = put_head(format, table);
        if (rc != 0)
            snprintf(ret_reason, reason_size, "there is no memory for the names of the columns");
    }
    if (rc != 0) {
        destroy(format);
        return rc;
    }
    *ret_format = format;
    return 0;
}

static int create_csv(const struct mt_format_options *options, char *ret_reason, size_t reason_size,
                      struct mt_format **ret_format)
{
    return create(&csv, options, ret_reason, reason_size, ret_format);
}

static int create_tsv(const struct mt_format_options *options, char *ret_reason, size_t reason_size,
                      struct mt_format **ret_format)
{
    return create(&tsv, options, ret_reason, reason_size, ret_format);
}

const struct mt_format_ops mt_format_csv = {
    .name = "csv",
    .meaning = "a row a record, comma-separated and quoted, of chosen fields",
    .is_json = false,
    .streams = {""},
    .create = create_csv,
    .destroy = destroy,
    .head = mt_format_head,
    .session = session_csv,
    .alert = alert_csv,
};

const struct mt_format_ops mt_format_tsv = {
    .name = "tsv",
    .meaning = "a row a record, tab-separated with backslash escapes, of chosen fields",
    .is_json = false,
    .streams = {""},
    .create = create_tsv,
    .destroy = destroy,
    .head = mt_format_head,
    .session = session_tsv,
    .alert = alert_tsv,
};
