#include "base/codec.h"
#include "base/hash.h"
#include "export/format_priv.h"
#include "export/json_priv.h"

MT_STATIC_ASSERT(MT_PEN_ROOM / 2 > MT_JSON_SHORT_MAX + 3, "a short string, its quotes and a comma");

void mt_pen_mac(struct mt_pen *pen, const uint8_t *mac, char separator)
{
    static const char digits[] = "0123456789ABCDEF";

    mt_pen_room(pen);
    for (unsigned i = 0; i < 6; i++) {
        *pen->to++ = (uint8_t)digits[mac[i] >> 4];
        *pen->to++ = (uint8_t)digits[mac[i] & 15];
        *pen->to++ = (uint8_t)separator;
    }
    pen->to--;
}

void mt_pen_json_value(struct mt_pen *pen, struct mt_span text)
{
    mt_pen_room(pen);
    if (MT_LIKELY(text.size <= MT_JSON_SHORT_MAX && mt_json_copy_plain(pen->to, text))) {
        pen->to += text.size + 2;
    } else {
        struct mt_buf b = mt_pen_buf(pen);
        mt_json_append_string(&b, text);
        mt_pen_take_buf(pen, &b);
    }
    *pen->to++ = ',';
}

void mt_pen_json_text_values(struct mt_pen *pen, const struct mt_texts *texts)
{
    for (uint32_t i = 0; i < texts->count; i++)
        mt_pen_json_value(pen, texts->items[i]);
}

void mt_pen_json_name_values(struct mt_pen *pen, const struct mt_names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        mt_pen_json_value(pen, mt_span_cstr(names->items[i]));
}

/* The string is written with its quotes and moved one byte to the left. */
void mt_pen_json_part(struct mt_pen *pen, struct mt_span text)
{
    mt_pen_room(pen);
    uint8_t *quote = pen->to;

    mt_pen_json_value(pen, text);
    if (pen->overflow)
        return;
    size_t size = (size_t)(pen->to - quote) - 3;
    memmove(quote, quote + 1, size);
    pen->to = quote + size;
}

void mt_pen_json_joined_value(struct mt_pen *pen, const struct mt_texts *texts)
{
    mt_pen_byte(pen, '"');
    for (uint32_t i = 0; i < texts->count && !pen->overflow; i++) {
        if (i > 0)
            mt_pen_literal(pen, ", ");
        mt_pen_json_part(pen, texts->items[i]);
    }
    mt_pen_literal(pen, "\",");
}

/* Ones for each of sixteen bytes that may stand as it is; mt_json_plain() says how. */
static inline mt_json_signed plain_bytes(mt_json_vector v, const char stops[4])
{
    mt_json_signed inside = (mt_json_signed)(v + 0x60) < (int8_t)(0x7f + 0x60 - 0x100);

    return inside & ~((mt_json_signed)(v == (uint8_t)stops[0]) | (mt_json_signed)(v == (uint8_t)stops[1]) |
                      (mt_json_signed)(v == (uint8_t)stops[2]) | (mt_json_signed)(v == (uint8_t)stops[3]));
}

static inline bool is_plain(uint8_t c, const char stops[4])
{
    return c >= 0x20 && c < 0x7f && c != (uint8_t)stops[0] && c != (uint8_t)stops[1] &&
           c != (uint8_t)stops[2] && c != (uint8_t)stops[3];
}

/* Copies up to the first byte that must be looked at; returns how many. */
static size_t copy_plain(uint8_t *to, struct mt_span text, const char stops[4])
{
    size_t i = 0;

    for (; i + 16 <= text.size; i += 16) {
        mt_json_vector v;
        memcpy(&v, text.ptr + i, sizeof(v));
        if (!mt_json_all(plain_bytes(v, stops)))
            break;
        memcpy(to + i, &v, sizeof(v));
    }
    for (; i < text.size && is_plain(text.ptr[i], stops); i++)
        to[i] = text.ptr[i];
    return i;
}

struct mt_span mt_pen_plain(struct mt_pen *pen, struct mt_span text, const char stops[4])
{
    size_t size = MT_PEN_ROOM / 2;

    while (size == MT_PEN_ROOM / 2 && !pen->overflow) {
        mt_pen_room(pen);
        size = copy_plain(pen->to, mt_span_head(text, size), stops);
        pen->to += size;
        text = mt_span_from(text, size);
    }
    return text;
}

void mt_pen_escaped(struct mt_pen *pen, struct mt_span text, const struct mt_escape *escape)
{
    while (text.size > 0 && !pen->overflow) {
        text = mt_pen_plain(pen, text, escape->stops);
        if (text.size == 0)
            return;
        mt_pen_room(pen);
        pen->to = escape->put(pen->to, &text);
    }
}

size_t mt_escape_plain_size(struct mt_span text)
{
    const uint8_t *p = text.ptr;
    size_t size = mt_utf8_char(text);
    bool is_control = size == 1 ? p[0] < 0x20 || p[0] == 0x7f : size == 2 && p[0] == 0xc2 && p[1] < 0xa0;

    return is_control ? 0 : size;
}

uint8_t *mt_escape_utf8(uint8_t *to, struct mt_span *text)
{
    size_t whole = mt_utf8_char(*text);
    struct mt_span character = mt_span_head(*text, mt_escape_plain_size(*text));

    if (character.size == 0)
        character = mt_span("\xef\xbf\xbd", 3);
    memcpy(to, character.ptr, character.size);
    *text = mt_span_from(*text, whole > 0 ? whole : 1);
    return to + character.size;
}

/* --- ids --------------------------------------------------------------------- */

static void put_base62(uint8_t *to, uint64_t value, unsigned digits)
{
    static const char base62[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

    for (unsigned i = 0; i < digits; i++, value /= 62)
        to[i] = (uint8_t)base62[value % 62];
}

void mt_format_uid(struct mt_span event_id, uint8_t ret_uid[MT_FORMAT_UID_SIZE])
{
    struct mt_hash128 hash = mt_hash_bytes128(0, event_id);

    ret_uid[0] = 'C';
    /* 62^6 > 2^32, 62^11 > 2^64: no two values share their digits */
    put_base62(ret_uid + 1, hash.word[0] >> 32, 6);
    put_base62(ret_uid + 7, hash.word[1], 11);
}

uint64_t mt_format_flow_id(struct mt_span event_id)
{
    uint64_t id = mt_hash_bytes(0, event_id) >> 13;

    return id != 0 ? id : 1;
}

uint32_t mt_format_signature_id(const char *rule_id)
{
    struct mt_span id = rule_id != NULL ? mt_span_cstr(rule_id) : mt_span("", 0);

    return (uint32_t)(1200000000u + mt_hash_bytes(0, id) % 800000000u);
}
