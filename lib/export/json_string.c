#include "export/json_priv.h"

#include "base/codec.h"
#include "base/scan.h"

static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */

static void put_u_escape(struct mt_buf *b, unsigned code_point)
{
    static const char digits[] = "0123456789abcdef";
    char text[6] = {'\\',
                    'u',
                    digits[code_point >> 12 & 15],
                    digits[code_point >> 8 & 15],
                    digits[code_point >> 4 & 15],
                    digits[code_point & 15]};
    mt_buf_put(b, text, sizeof(text));
}

static void put_ascii_escape(struct mt_buf *b, uint8_t c)
{
    switch (c) {
    case '"':
        mt_buf_put(b, "\\\"", 2);
        return;
    case '\\':
        mt_buf_put(b, "\\\\", 2);
        return;
    case '\t':
        mt_buf_put(b, "\\t", 2);
        return;
    case '\n':
        mt_buf_put(b, "\\n", 2);
        return;
    case '\r':
        mt_buf_put(b, "\\r", 2);
        return;
    default:
        put_u_escape(b, c);
    }
}

/* U+0080 to U+009F are controls as well (DESIGN rule 10); U+2028 and U+2029 end
 * a line in JavaScript and in some log readers. 0: the character stands as it
 * is. */
static unsigned code_point_to_escape(struct mt_span character)
{
    const uint8_t *p = character.ptr;
    if (character.size == 2 && p[0] == 0xc2 && p[1] < 0xa0)
        return p[1];
    if (character.size == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] & 0xfe) == 0xa8)
        return 0x2000u | (p[2] & 0x3f);
    return 0;
}

/* The character at the start of text, which mt_scan_json_special stopped at.
 * Returns how many bytes it took. */
static size_t put_special(struct mt_buf *b, struct mt_span text)
{
    if (text.ptr[0] < 0x80) {
        put_ascii_escape(b, text.ptr[0]);
        return 1;
    }
    size_t size = mt_utf8_char(text);
    if (size == 0) {
        mt_buf_put(b, replacement, 3);
        return 1;
    }
    struct mt_span character = mt_span_head(text, size);
    unsigned escaped = code_point_to_escape(character);
    if (escaped != 0)
        put_u_escape(b, escaped);
    else
        mt_buf_put_span(b, character);
    return size;
}

/* Most texts were short and needed no escape. */
static MT_NOINLINE void append_slowly(struct mt_buf *b, struct mt_span text)
{
    mt_buf_put_byte(b, '"');
    while (text.size > 0 && !b->overflow) {
        size_t plain = mt_scan_json_special(text);
        mt_buf_put(b, text.ptr, plain);
        text = mt_span_from(text, plain);
        if (text.size > 0)
            text = mt_span_from(text, put_special(b, text));
        /* a word of another script is many of them in a row */
        while (text.size > 0 && text.ptr[0] >= 0x80)
            text = mt_span_from(text, put_special(b, text));
    }
    mt_buf_put_byte(b, '"');
}

void mt_json_append_string(struct mt_buf *b, struct mt_span text)
{
    if (text.size <= MT_JSON_SHORT_MAX && b->cap - b->size >= text.size + 2 &&
        mt_json_copy_plain(b->ptr + b->size, text))
        b->size += text.size + 2;
    else
        append_slowly(b, text);
}

/* Takes the first character off text, as it will be written. */
static struct mt_span next_character(struct mt_span *text)
{
    size_t size = mt_utf8_char(*text);
    struct mt_span character = size > 0 ? mt_span_head(*text, size) : mt_span(replacement, 3);
    *text = mt_span_from(*text, size > 0 ? size : 1);
    return character;
}

bool mt_json_same_string(struct mt_span a, struct mt_span b)
{
    while (a.size > 0 && b.size > 0) {
        if (!mt_span_eq(next_character(&a), next_character(&b)))
            return false;
    }
    return a.size == b.size;
}
