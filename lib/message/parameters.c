/* Parameters behind a Content-Type or Content-Disposition (RFC 2045 §5.1), with
 * the sections and charsets of RFC 2231. */
#include "message/charset_priv.h"
#include "message/mime.h"

#define SECTIONS_MAX 64u
/* Octets of one parameter, before they are converted. */
#define TEXT_MAX 512u

struct section {
    struct mt_span key;  /* without what stands behind a star */
    struct mt_span text; /* as it stood; of a quoted one without the quotes */
    unsigned number;
    bool is_section;  /* key*N */
    bool is_extended; /* a star at the end: percent-encoded */
    bool is_quoted;
};

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static struct mt_span trim(struct mt_span s)
{
    while (s.size > 0 && is_blank(s.ptr[0]))
        s = mt_span_from(s, 1);
    while (s.size > 0 && is_blank(s.ptr[s.size - 1]))
        s.size--;
    return s;
}

/* Up to the next ';' outside quotes; returns its offset. */
static size_t item_size(struct mt_span s)
{
    bool is_quoted = false;

    for (size_t at = 0; at < s.size; at++) {
        if (is_quoted && s.ptr[at] == '\\')
            at++;
        else if (s.ptr[at] == '"')
            is_quoted = !is_quoted;
        else if (s.ptr[at] == ';' && !is_quoted)
            return at;
    }
    return s.size;
}

static bool next_section(struct mt_span *rest, struct section *ret_section)
{
    struct section section = {0};

    if (rest->size == 0)
        return false;
    size_t size = item_size(*rest);
    struct mt_span item = mt_span_head(*rest, size);
    *rest = mt_span_from(*rest, size + 1);
    const uint8_t *equals = item.size > 0 ? memchr(item.ptr, '=', item.size) : NULL;
    if (equals != NULL) {
        section.key = trim(mt_span(item.ptr, (size_t)(equals - item.ptr)));
        section.text = trim(mt_span_from(item, (size_t)(equals - item.ptr) + 1));
    }
    if (section.key.size > 0 && section.key.ptr[section.key.size - 1] == '*') {
        section.is_extended = true;
        section.key.size--;
    }
    const uint8_t *star = section.key.size > 0 ? memchr(section.key.ptr, '*', section.key.size) : NULL;
    if (star != NULL) {
        struct mt_span number = mt_span_from(section.key, (size_t)(star - section.key.ptr) + 1);
        section.is_section = number.size > 0 && number.size < 4;
        for (size_t i = 0; i < number.size && section.is_section; i++) {
            section.is_section = mt_ascii_is_digit(number.ptr[i]);
            section.number = section.number * 10 + number.ptr[i] - '0';
        }
        section.key.size = (size_t)(star - section.key.ptr);
    }
    if (section.text.size > 0 && section.text.ptr[0] == '"') {
        section.is_quoted = true;
        section.text = mt_span_from(section.text, 1);
        if (section.text.size > 0 && section.text.ptr[section.text.size - 1] == '"')
            section.text.size--;
    }
    *ret_section = section;
    return true;
}

static int hex_value(uint8_t byte)
{
    if (mt_ascii_is_digit(byte))
        return byte - '0';
    byte = mt_ascii_lower(byte);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static void put_section(struct mt_buf *b, const struct section *section)
{
    struct mt_span text = section->text;

    for (size_t at = 0; at < text.size; at++) {
        uint8_t byte = text.ptr[at];
        if (section->is_quoted && byte == '\\' && at + 1 < text.size) {
            byte = text.ptr[++at];
        } else if (section->is_extended && byte == '%' && at + 2 < text.size) {
            int high = hex_value(text.ptr[at + 1]), low = hex_value(text.ptr[at + 2]);
            if (high >= 0 && low >= 0) {
                byte = (uint8_t)(high << 4 | low);
                at += 2;
            }
        }
        mt_buf_put_byte(b, byte);
    }
}

/* The charset of charset'language'text, which goes on behind it. */
static struct mt_span take_charset(struct section *section)
{
    const uint8_t *first =
        section->text.size > 0 ? memchr(section->text.ptr, '\'', section->text.size) : NULL;
    struct mt_span charset = mt_span_none();

    if (first == NULL)
        return charset;
    charset = mt_span(section->text.ptr, (size_t)(first - section->text.ptr));
    struct mt_span behind = mt_span_from(section->text, charset.size + 1);
    const uint8_t *second = behind.size > 0 ? memchr(behind.ptr, '\'', behind.size) : NULL;
    if (second == NULL)
        return mt_span_none();
    section->text = mt_span_from(behind, (size_t)(second - behind.ptr) + 1);
    return charset;
}

/* Where the sections of one parameter begin in its field, from 1 on; 0: it has none.
 * Of several that are the same the first counts. One pass, whatever their order. */
struct found {
    uint32_t sections[SECTIONS_MAX];
    uint32_t extended;
    uint32_t plain;
};

static void find(struct mt_span value, const char *key, struct found *ret_found)
{
    struct mt_span rest = value;
    struct section section;

    *ret_found = (struct found){.plain = 0};
    for (uint32_t at = 1; next_section(&rest, &section); at = (uint32_t)(value.size - rest.size) + 1) {
        if (!mt_span_ieq_cstr(section.key, key) || (section.is_section && section.number >= SECTIONS_MAX))
            continue;
        uint32_t *place = section.is_section    ? &ret_found->sections[section.number]
                          : section.is_extended ? &ret_found->extended
                                                : &ret_found->plain;
        if (*place == 0)
            *place = at;
    }
}

static struct section section_at(struct mt_span value, uint32_t place)
{
    struct mt_span rest = mt_span_from(value, place - 1);
    struct section section = {0};

    next_section(&rest, &section);
    return section;
}

bool mt_mime_parameter(struct mt_span value, const char *key, mt_message_convert *convert, void *convert_ctx,
                       struct mt_buf *ret_text)
{
    uint8_t storage[TEXT_MAX];
    struct mt_buf text = mt_buf(storage, sizeof(storage));
    struct mt_span charset = mt_span_none();
    struct found found;

    value = mt_span_from(value, item_size(value) + 1);
    find(value, key, &found);
    uint32_t place = found.sections[0] != 0 ? found.sections[0]
                     : found.extended != 0  ? found.extended
                                            : found.plain;
    if (place == 0)
        return false;
    struct section section = section_at(value, place);
    bool is_extended = section.is_extended;
    if (is_extended)
        charset = take_charset(&section);
    put_section(&text, &section);
    for (size_t n = 1; place == found.sections[0] && n < SECTIONS_MAX && found.sections[n] != 0; n++) {
        section = section_at(value, found.sections[n]);
        put_section(&text, &section);
    }
    struct mt_span bytes = mt_buf_span(&text);
    if (!is_extended) {
        mt_message_decode_words(bytes, convert, convert_ctx, ret_text);
    } else if (charset.size == 0 || !mt_message_put_charset(ret_text, charset, bytes, convert, convert_ctx)) {
        mt_message_put_utf8(ret_text, bytes);
    }
    return true;
}
