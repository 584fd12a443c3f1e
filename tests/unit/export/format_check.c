#include "format_check.h"

#include "base/codec.h"
#include "json_check.h"

static bool is_format(const struct mt_format_ops *ops, const char *name)
{
    return strcmp(ops->name, name) == 0;
}

static bool is_cef(const struct mt_format_ops *ops)
{
    return is_format(ops, "cef");
}

static bool is_table(const struct mt_format_ops *ops)
{
    return is_format(ops, "zeek") || is_format(ops, "csv") || is_format(ops, "tsv");
}

/* --- every format ------------------------------------------------------------------ */

static const char *check_characters(struct mt_span text, bool has_tabs)
{
    if (!mt_utf8_valid(text))
        return "not UTF-8";
    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.ptr[i];
        if ((c < 0x20 && !(c == '\t' && has_tabs)) || c == 0x7f)
            return "a control character";
        if (c == 0xc2 && i + 1 < text.size && text.ptr[i + 1] < 0xa0)
            return "a C1 control character";
    }
    return NULL;
}

/* --- tables ------------------------------------------------------------------------ */

/* The line of the head that names the columns. */
static struct mt_span names_of(const struct mt_format_ops *ops, const struct mt_format *format,
                               unsigned stream)
{
    struct mt_span head = ops->head(format, stream);
    struct mt_span names = head;

    for (size_t i = 0; is_format(ops, "zeek") && i + 8 < head.size; i++) {
        if (memcmp(head.ptr + i, "#fields\t", 8) == 0)
            names = mt_span_from(head, i + 8);
    }
    for (size_t i = 0; i < names.size; i++) {
        if (names.ptr[i] == '\n')
            return mt_span_head(names, i);
    }
    return names;
}

/* Takes the next cell off row, quotes included; false behind the last. */
static bool next_cell(struct mt_span *row, char separator, bool has_quotes, struct mt_span *ret_cell)
{
    bool is_quoted = false;
    size_t i;

    if (row->ptr == NULL)
        return false;
    for (i = 0; i < row->size; i++) {
        if (has_quotes && row->ptr[i] == '"')
            is_quoted = !is_quoted;
        if (row->ptr[i] == (uint8_t)separator && !is_quoted)
            break;
    }
    *ret_cell = mt_span_head(*row, i);
    *row = i < row->size ? mt_span_from(*row, i + 1) : mt_span_none();
    return true;
}

static size_t count_cells(struct mt_span row, char separator, bool has_quotes)
{
    struct mt_span cell;
    size_t count = 0;

    while (next_cell(&row, separator, has_quotes, &cell))
        count++;
    return count;
}

static const char *check_quotes(struct mt_span row)
{
    struct mt_span cell;

    while (next_cell(&row, ',', true, &cell)) {
        bool is_quoted = cell.size >= 2 && cell.ptr[0] == '"' && cell.ptr[cell.size - 1] == '"';
        struct mt_span inner = is_quoted ? mt_span(cell.ptr + 1, cell.size - 2) : cell;
        for (size_t i = 0; i < inner.size; i++) {
            if (inner.ptr[i] != '"')
                continue;
            if (!is_quoted || i + 1 == inner.size || inner.ptr[++i] != '"')
                return "a quote that is not doubled";
        }
        if (is_quoted && inner.size > 0 && strchr("=+-@", inner.ptr[0]) != NULL)
            return "a formula";
    }
    return NULL;
}

static const char *check_table(const struct mt_format_ops *ops, const struct mt_format *format,
                               const struct mt_format_text *text)
{
    bool has_quotes = is_format(ops, "csv");
    char separator = has_quotes ? ',' : '\t';
    struct mt_span names = names_of(ops, format, text->stream);

    if (count_cells(names, separator, false) != count_cells(text->text, separator, has_quotes))
        return "not as many cells as columns";
    return has_quotes ? check_quotes(text->text) : NULL;
}

static struct mt_span cell_of(const struct mt_format_ops *ops, const struct mt_format *format,
                              const struct mt_format_text *text, const char *name)
{
    bool has_quotes = is_format(ops, "csv");
    char separator = has_quotes ? ',' : '\t';
    struct mt_span names = names_of(ops, format, text->stream);
    struct mt_span row = text->text;
    struct mt_span one;
    struct mt_span cell;

    while (next_cell(&names, separator, false, &one) && next_cell(&row, separator, has_quotes, &cell)) {
        if (mt_span_eq(one, mt_span_cstr(name)))
            return cell;
    }
    return mt_span_none();
}

static unsigned hex_value(uint8_t c)
{
    return (unsigned)(mt_ascii_is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
}

/* \t \n \r \xNN, and a backslash before what stands for itself. */
static struct mt_span unescape(struct mt_span text, uint8_t *storage)
{
    size_t size = 0;

    for (size_t i = 0; i < text.size; i++) {
        uint8_t c = text.ptr[i];
        if (c == '\\' && i + 1 < text.size) {
            c = text.ptr[++i];
            if (c == 'x' && i + 2 < text.size) {
                c = (uint8_t)(hex_value(text.ptr[i + 1]) << 4 | hex_value(text.ptr[i + 2]));
                i += 2;
            } else {
                c = c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c;
            }
        }
        storage[size++] = c;
    }
    return mt_span(storage, size);
}

static struct mt_span value_of_cell(const struct mt_format_ops *ops, struct mt_span cell, uint8_t *storage)
{
    if (is_format(ops, "zeek")) {
        if (mt_span_eq(cell, mt_span("-", 1)))
            return mt_span_none();
        if (mt_span_eq(cell, mt_span("(empty)", 7)))
            return mt_span(storage, 0);
        return unescape(cell, storage);
    }
    if (cell.size == 0 && is_format(ops, "csv"))
        return mt_span_none();
    if (!is_format(ops, "csv"))
        return unescape(cell, storage);
    size_t size = 0;
    for (size_t i = 1; i + 1 < cell.size; i++) {
        storage[size++] = cell.ptr[i];
        i += cell.ptr[i] == '"' ? 1 : 0;
    }
    bool has_apostrophe = size > 0 && storage[0] == '\'';
    struct mt_span value = unescape(mt_span(storage, size), storage);
    return mt_span_from(value, has_apostrophe ? 1 : 0);
}

/* --- CEF and LEEF -------------------------------------------------------------------- */

bool format_check_is_cef_key(struct mt_span key)
{
    static const char *const keys[] = {
        "act",   "app",         "c6a2",  "c6a3",   "cat",         "cn1",         "cn2",
        "cn3",   "cnt",         "cs1",   "cs2",    "cs3",         "cs4",         "cs5",
        "cs6",   "dmac",        "dpt",   "dst",    "duser",       "dvchost",     "end",
        "fsize", "in",          "msg",   "out",    "externalId",  "rt",          "flexNumber1",
        "proto", "flexNumber2", "smac",  "shost",  "dhost",       "spt",         "src",
        "start", "outcome",     "suser", "reason", "flexString1", "flexString2", "requestClientApplication",
    };
    struct mt_span name = key;

    if (key.size > 5 && memcmp(key.ptr + key.size - 5, "Label", 5) == 0)
        name = mt_span_head(key, key.size - 5);
    for (size_t i = 0; i < MT_ARRAY_COUNT(keys); i++) {
        if (mt_span_eq(name, mt_span_cstr(keys[i])))
            return name.size == key.size || strspn(keys[i], "cf") > 0;
    }
    return false;
}

/* Behind the header's bars that no backslash escapes. */
static struct mt_span extension_of(const struct mt_format_ops *ops, struct mt_span text)
{
    unsigned bars = 0;

    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] == '\\' && is_cef(ops))
            i++;
        else if (text.ptr[i] == '|' && ++bars == (is_cef(ops) ? 7u : 6u))
            return mt_span_from(text, i + 1);
    }
    return mt_span_none();
}

struct pair {
    struct mt_span key;
    struct mt_span value;
};

/* In CEF a value goes on up to the last blank before the next = that stands bare. */
static size_t cef_value_size(struct mt_span text)
{
    size_t blank = text.size;

    for (size_t i = 0; i < text.size; i++) {
        if (text.ptr[i] == '\\')
            i++;
        else if (text.ptr[i] == ' ')
            blank = i;
        else if (text.ptr[i] == '=')
            return blank;
    }
    return text.size;
}

static size_t leef_value_size(struct mt_span text)
{
    const uint8_t *tab = text.size > 0 ? memchr(text.ptr, '\t', text.size) : NULL;

    return tab != NULL ? (size_t)(tab - text.ptr) : text.size;
}

static bool next_pair(const struct mt_format_ops *ops, struct mt_span *text, struct pair *ret_pair)
{
    const uint8_t *equals = text->size > 0 ? memchr(text->ptr, '=', text->size) : NULL;

    if (equals == NULL)
        return false;
    size_t key_size = (size_t)(equals - text->ptr);
    ret_pair->key = mt_span_head(*text, key_size);
    *text = mt_span_from(*text, key_size + 1);
    size_t size = is_cef(ops) ? cef_value_size(*text) : leef_value_size(*text);
    ret_pair->value = mt_span_head(*text, size);
    *text = mt_span_from(*text, size < text->size ? size + 1 : size);
    return true;
}

static const char *check_pairs(const struct mt_format_ops *ops, struct mt_span text)
{
    const char *begin = is_cef(ops) ? "CEF:0|mailtap|mailtap|" : "LEEF:2.0|mailtap|mailtap|";
    struct mt_span rest = extension_of(ops, text);
    struct mt_span keys[64];
    size_t count = 0;
    struct pair pair;

    if (text.size < strlen(begin) || memcmp(text.ptr, begin, strlen(begin)) != 0)
        return "no header";
    if (rest.ptr == NULL)
        return "a header with too few fields";
    while (rest.size > 0) {
        if (!next_pair(ops, &rest, &pair))
            return "a pair without =";
        for (size_t i = 0; i < pair.key.size; i++) {
            if (!mt_ascii_is_alpha(pair.key.ptr[i]) && !mt_ascii_is_digit(pair.key.ptr[i]))
                return "a key that is no word";
        }
        if (is_cef(ops) && !format_check_is_cef_key(pair.key))
            return "a key that the dictionary lacks";
        for (size_t i = 0; i < count; i++) {
            if (mt_span_eq(keys[i], pair.key))
                return "a key that stands twice";
        }
        if (count == MT_ARRAY_COUNT(keys))
            return "too many pairs";
        keys[count++] = pair.key;
    }
    return count > 1 ? NULL : "too few pairs";
}

static struct mt_span value_of_key(const struct mt_format_ops *ops, struct mt_span text, const char *name,
                                   uint8_t *storage)
{
    struct mt_span rest = extension_of(ops, text);
    struct pair pair;

    while (next_pair(ops, &rest, &pair)) {
        if (!mt_span_eq(pair.key, mt_span_cstr(name)))
            continue;
        if (is_cef(ops))
            return unescape(pair.value, storage);
        memcpy(storage, pair.value.ptr, pair.value.size);
        return mt_span(storage, pair.value.size);
    }
    return mt_span_none();
}

/* --- all ------------------------------------------------------------------------------ */

const char *format_check(const struct mt_format_ops *ops, const struct mt_format *format,
                         const struct mt_format_text *text)
{
    bool has_tabs = is_format(ops, "zeek") || is_format(ops, "tsv") || is_format(ops, "leef");
    const char *wrong = check_characters(text->text, has_tabs);
    size_t off;

    if (wrong != NULL)
        return wrong;
    if (text->text.size == 0 || text->text.size > MT_FORMAT_TEXT_MAX)
        return "no text, or too much";
    if (text->stream >= MT_FORMAT_STREAMS_MAX || ops->streams[text->stream] == NULL)
        return "a stream that the format does not have";
    if (ops->is_json)
        return json_check(text->text, NULL, NULL, &off) && text->text.ptr[0] == '{' ? NULL : "no JSON object";
    return is_table(ops) ? check_table(ops, format, text) : check_pairs(ops, text->text);
}

struct mt_span format_check_value(const struct mt_format_ops *ops, const struct mt_format *format,
                                  const struct mt_format_text *text, const char *name, uint8_t *storage)
{
    if (!is_table(ops))
        return value_of_key(ops, text->text, name, storage);
    struct mt_span cell = cell_of(ops, format, text, name);
    return cell.ptr != NULL ? value_of_cell(ops, cell, storage) : mt_span_none();
}

struct mt_span format_check_expected(const struct mt_format_ops *ops, struct mt_span text, size_t max,
                                     uint8_t *storage)
{
    struct mt_buf b = mt_buf(storage, 3 * text.size + 3);

    if (is_table(ops))
        return text;
    if (max > 0 && text.size > max) {
        unsigned back = 0;
        while (back < 3 && max > 0 && (text.ptr[max] & 0xc0) == 0x80) {
            max--;
            back++;
        }
        text = mt_span_head(text, max);
    }
    while (text.size > 0) {
        uint8_t c = text.ptr[0];
        size_t size = mt_utf8_char(text);
        bool is_line_end = c == '\n' || c == '\r';
        bool is_c1 = size == 2 && c == 0xc2 && text.ptr[1] < 0xa0;
        if (c == '\t' || (is_line_end && !is_cef(ops)))
            mt_buf_put_byte(&b, ' ');
        else if (size == 0 || is_c1 || (c < 0x20 && !is_line_end) || c == 0x7f)
            mt_buf_put_cstr(&b, "\xef\xbf\xbd");
        else
            mt_buf_put(&b, text.ptr, size);
        text = mt_span_from(text, size > 0 ? size : 1);
    }
    return mt_buf_span(&b);
}
