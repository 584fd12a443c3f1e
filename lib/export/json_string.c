#include "export/json_priv.h"

#include "base/codec.h"
#include "base/scan.h"

/* From here on mt_scan_json_special and memcpy are faster than one pass. */
#define SHORT_MAX 64u

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

static inline uint64_t load8(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof(word));
    return word;
}

/* Does one of eight bytes need a look: below 0x20, '"', '\\', 0x7f or above? A
 * difference sets the top bit of its byte when the byte is smaller, and of the
 * next one up only by a borrow, that is after a hit. */
static inline bool has_special(uint64_t word)
{
    const uint64_t each = UINT64_C(0x0101010101010101);
    uint64_t hits = (word - each * 0x20) | ((word ^ each * '"') - each) | ((word ^ each * '\\') - each) |
                    ((word ^ each * 0x7f) - each) | word;
    return (hits & each * 0x80) != 0;
}

/* Looks at a short text while copying it. False when something in it needs a
 * look; what stands at to then is of no use. */
static bool copy_plain(uint8_t *to, struct mt_span text)
{
    const uint8_t *p = text.ptr;
    size_t size = text.size;

    if (size >= 8) {
        for (size_t off = 0; off + 8 < size; off += 8) {
            uint64_t word = load8(p + off);
            if (has_special(word))
                return false;
            memcpy(to + off, &word, sizeof(word));
        }
        uint64_t last = load8(p + size - 8);
        memcpy(to + size - 8, &last, sizeof(last));
        return !has_special(last);
    }
    if (size >= 4) {
        uint32_t first;
        uint32_t last;
        memcpy(&first, p, sizeof(first));
        memcpy(&last, p + size - 4, sizeof(last));
        memcpy(to, &first, sizeof(first));
        memcpy(to + size - 4, &last, sizeof(last));
        return !has_special((uint64_t)last << 32 | first);
    }
    for (size_t i = 0; i < size; i++) {
        if (p[i] < 0x20 || p[i] >= 0x7f || p[i] == '"' || p[i] == '\\')
            return false;
        to[i] = p[i];
    }
    return true;
}

/* Most texts are short and need no escape: one pass and one check of the room. */
static bool append_plain(struct mt_buf *b, struct mt_span text)
{
    if (text.size > SHORT_MAX || b->cap - b->size < text.size + 2)
        return false;
    uint8_t *to = b->ptr + b->size;
    if (!copy_plain(to + 1, text))
        return false;
    to[0] = '"';
    to[text.size + 1] = '"';
    b->size += text.size + 2;
    return true;
}

void mt_json_append_string(struct mt_buf *b, struct mt_span text)
{
    if (append_plain(b, text))
        return;
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
