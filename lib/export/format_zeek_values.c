#include "base/codec.h"
#include "export/format_zeek_priv.h"
#include "export/json_priv.h"

/* --- characters --------------------------------------------------------------- */

/* What Zeek takes for text: no controls, no private use, no specials (U+FFF0 to
 * U+FFFF). 0: it is not. */
static size_t character_size(struct mt_span text)
{
    size_t size = mt_escape_plain_size(text);
    if (size != 3)
        return size;
    unsigned code_point = (text.ptr[0] & 15u) << 12 | (text.ptr[1] & 63u) << 6 | (text.ptr[2] & 63u);
    bool is_private = code_point >= 0xe000 && code_point <= 0xf8ff;
    return is_private || code_point >= 0xfff0 ? 0 : size;
}

static bool is_printable_control(uint8_t c)
{
    return (c >= '\b' && c <= '\n') || c == '\f' || c == '\r';
}

static bool is_text(struct mt_span text, bool with_controls)
{
    while (text.size > 0) {
        size_t size = character_size(text);
        if (size == 0 && with_controls && is_printable_control(text.ptr[0]))
            size = 1;
        if (size == 0)
            return false;
        text = mt_span_from(text, size);
    }
    return true;
}

static uint8_t *put_hex(uint8_t *to, uint8_t byte)
{
    memcpy(to, "\\x", 2);
    return mt_text_hex(to + 2, &byte, 1);
}

static void put_raw(struct mt_pen *pen, struct mt_span text)
{
    struct mt_buf b;

    mt_pen_room(pen);
    b = mt_pen_buf(pen);
    mt_buf_put_span(&b, text);
    mt_pen_take_buf(pen, &b);
}

/* --- TSV ------------------------------------------------------------------------ */

static bool is_separator(uint8_t c, bool is_element)
{
    return c == '\\' || c == '\t' || (c == ',' && is_element);
}

/* Zeek judges what stands between two separators as one: a single byte that is no
 * text makes all of it that is not ASCII hexadecimal. */
static void put_chunk(struct mt_pen *pen, struct mt_span chunk)
{
    if (is_text(chunk, false)) {
        put_raw(pen, chunk);
        return;
    }
    for (size_t i = 0; i < chunk.size && !pen->overflow; i++) {
        uint8_t c = chunk.ptr[i];
        mt_pen_room(pen);
        if (c >= 0x20 && c < 0x7f)
            *pen->to++ = c;
        else
            pen->to = put_hex(pen->to, c);
    }
}

static size_t chunk_size(struct mt_span text, bool is_element)
{
    size_t size = 0;
    while (size < text.size && !is_separator(text.ptr[size], is_element))
        size++;
    return size;
}

static void put_special(struct mt_pen *pen, struct mt_span *text, bool is_element)
{
    uint8_t c = text->ptr[0];

    mt_pen_room(pen);
    if (is_separator(c, is_element)) {
        pen->to = c == '\\' ? (uint8_t *)memcpy(pen->to, "\\\\", 2) + 2 : put_hex(pen->to, c);
        *text = mt_span_from(*text, 1);
        return;
    }
    size_t size = chunk_size(*text, is_element);
    put_chunk(pen, mt_span_head(*text, size));
    *text = mt_span_from(*text, size);
}

static void put_tsv_text(struct mt_pen *pen, struct mt_span text, bool is_element)
{
    static const char stops[2][4] = {{'\\', '\\', '\\', '\\'}, {'\\', ',', '\\', '\\'}};

    while (text.size > 0 && !pen->overflow) {
        text = mt_pen_plain(pen, text, stops[is_element]);
        if (text.size > 0)
            put_special(pen, &text, is_element);
    }
}

/* A text that reads like the sign for unset or empty has its first byte escaped. */
void mt_zeek_put_tsv(struct mt_pen *pen, struct mt_span text, bool is_element)
{
    bool is_reserved = mt_span_eq(text, mt_span("-", 1)) || mt_span_eq(text, mt_span("(empty)", 7));

    mt_pen_room(pen);
    if (text.size == 0) {
        mt_pen_literal(pen, "(empty)");
        return;
    }
    if (is_reserved) {
        pen->to = put_hex(pen->to, text.ptr[0]);
        text = mt_span_from(text, 1);
    }
    put_tsv_text(pen, text, is_element);
}

/* --- JSON ----------------------------------------------------------------------- */

static uint8_t *put_json_byte(uint8_t *to, uint8_t c)
{
    static const char letters[] = "btn_fr";

    if (c >= 0x20 && c < 0x7f) {
        if (c == '"' || c == '\\')
            *to++ = '\\';
        *to++ = c;
        return to;
    }
    *to++ = '\\';
    if (is_printable_control(c)) {
        *to++ = (uint8_t)letters[c - '\b'];
        return to;
    }
    return put_hex(to, c);
}

void mt_zeek_put_json(struct mt_pen *pen, struct mt_span text)
{
    mt_pen_room(pen);
    if (MT_LIKELY(text.size <= MT_JSON_SHORT_MAX && mt_json_copy_plain(pen->to, text))) {
        pen->to += text.size + 2;
        return;
    }
    if (is_text(text, true)) {
        struct mt_buf b = mt_pen_buf(pen);
        mt_json_append_string(&b, text);
        mt_pen_take_buf(pen, &b);
        return;
    }
    *pen->to++ = '"';
    for (size_t i = 0; i < text.size && !pen->overflow; i++) {
        mt_pen_room(pen);
        pen->to = put_json_byte(pen->to, text.ptr[i]);
    }
    *pen->to++ = '"';
}

/* --- either ----------------------------------------------------------------------- */

/* Within a string that the caller opened and closes. */
static void put_part(struct mt_zeek_row *row, struct mt_span text)
{
    struct mt_pen *pen = row->pen;

    mt_pen_room(pen);
    if (!row->is_json) {
        put_tsv_text(pen, text, false);
        return;
    }
    uint8_t *quote = pen->to;
    mt_zeek_put_json(pen, text);
    if (pen->overflow)
        return;
    size_t size = (size_t)(pen->to - quote) - 2;
    memmove(quote, quote + 1, size);
    pen->to = quote + size;
}

static void put_quote(struct mt_zeek_row *row)
{
    if (row->is_json)
        mt_pen_byte(row->pen, '"');
}

void mt_zeek_put_joined(struct mt_zeek_row *row, const struct mt_texts *texts)
{
    put_quote(row);
    for (uint32_t i = 0; i < texts->count && !row->pen->overflow; i++) {
        if (i > 0)
            mt_pen_literal(row->pen, ", ");
        put_part(row, texts->items[i]);
    }
    put_quote(row);
}

void mt_zeek_put_reply(struct mt_zeek_row *row, unsigned code, struct mt_span text)
{
    put_quote(row);
    mt_pen_u64(row->pen, code);
    mt_pen_byte(row->pen, ' ');
    put_part(row, text);
    put_quote(row);
}

void mt_zeek_put_note(struct mt_zeek_row *row, struct mt_span rule)
{
    put_quote(row);
    mt_pen_literal(row->pen, "Mailtap::");
    put_part(row, rule);
    put_quote(row);
}

uint8_t *mt_zeek_seconds(uint8_t *to, uint64_t ns, bool is_json)
{
    uint32_t micros = (uint32_t)(ns % 1000000000 / 1000);

    to = mt_text_u64(to, ns / 1000000000);
    *to++ = '.';
    for (unsigned i = 6; i-- > 0; micros /= 10)
        to[i] = (uint8_t)('0' + micros % 10);
    to += 6;
    while (is_json && to[-1] == '0' && to[-2] != '.')
        to--;
    return to;
}

/* --- hops -------------------------------------------------------------------------- */

static int closing_of(uint8_t c)
{
    switch (c) {
    case ' ':
        return ' ';
    case '[':
        return ']';
    case '(':
        return ')';
    case '{':
        return '}';
    default:
        return -1;
    }
}

static bool is_address_byte(uint8_t c)
{
    return mt_ascii_is_digit(c) || c == ':' || c == '.' || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* Is text, behind an opening byte, an address and this closing byte? */
static bool read_address(struct mt_span text, int closing, struct mt_ip *ret_ip)
{
    size_t size = 0;

    if (text.size > 5 && (text.ptr[0] | 0x20) == 'i' && mt_span_istarts(text, "IPv6:"))
        text = mt_span_from(text, 5);
    while (size < text.size && size < MT_IP_TEXT_MAX && is_address_byte(text.ptr[size]))
        size++;
    return size >= 2 && size < text.size && text.ptr[size] == closing &&
           mt_ip_parse(mt_span_head(text, size), ret_ip);
}

bool mt_zeek_find_hop(struct mt_span header, struct mt_ip *ret_hop)
{
    unsigned found = 0;

    for (size_t i = 0; i < header.size && found < 2; i++) {
        int closing = closing_of(header.ptr[i]);
        if (closing >= 0 && read_address(mt_span_from(header, i + 1), closing, ret_hop))
            found++;
    }
    return found > 0;
}
