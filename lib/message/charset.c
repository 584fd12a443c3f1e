#include "message/charset_priv.h"

#include "base/codec.h"

#define REPLACEMENT 0xfffd

/* windows-1252 in 0x80-0x9f; its five holes are 0. */
static const uint16_t windows_1252[32] = {
    0x20ac, 0,      0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021, 0x02c6, 0x2030, 0x0160,
    0x2039, 0x0152, 0,      0x017d, 0,      0,      0x2018, 0x2019, 0x201c, 0x201d, 0x2022,
    0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0,      0x017e, 0x0178,
};

/* Who labels text ISO-8859-1 and uses 0x80-0x9f means windows-1252: what
 * ISO 8859-1 has there are controls that no header holds. So do browsers
 * (WHATWG Encoding §4.2). */
static uint32_t of_windows_1252(uint8_t byte)
{
    if (byte < 0x80 || byte > 0x9f)
        return byte;
    uint32_t c = windows_1252[byte - 0x80];
    return c != 0 ? c : REPLACEMENT;
}

/* ISO 8859-15 is ISO 8859-1 but for eight places. */
static uint32_t of_latin_9(uint8_t byte)
{
    switch (byte) {
    case 0xa4:
        return 0x20ac;
    case 0xa6:
        return 0x0160;
    case 0xa8:
        return 0x0161;
    case 0xb4:
        return 0x017d;
    case 0xb8:
        return 0x017e;
    case 0xbc:
        return 0x0152;
    case 0xbd:
        return 0x0153;
    case 0xbe:
        return 0x0178;
    default:
        return byte;
    }
}

static void put_single_bytes(struct mt_buf *b, struct mt_span bytes, uint32_t (*code_point)(uint8_t))
{
    for (size_t i = 0; i < bytes.size && !b->overflow; i++)
        mt_utf8_put(b, code_point(bytes.ptr[i]));
}

void mt_message_put_utf8(struct mt_buf *b, struct mt_span bytes)
{
    if (b->overflow)
        return;
    if (bytes.size <= b->cap - b->size && mt_utf8_valid(bytes)) {
        mt_buf_put_span(b, bytes);
        return;
    }
    for (size_t off = 0; off < bytes.size && !b->overflow;) {
        size_t size = mt_utf8_char(mt_span_from(bytes, off));
        if (size > 0)
            mt_buf_put(b, bytes.ptr + off, size);
        else
            mt_utf8_put(b, REPLACEMENT);
        off += size > 0 ? size : 1;
    }
}

static bool is_any(struct mt_span charset, const char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (mt_span_ieq_cstr(charset, names[i]))
            return true;
    }
    return false;
}

static bool put_converted(struct mt_buf *b, struct mt_span charset, struct mt_span bytes,
                          mt_message_convert *convert, void *convert_ctx)
{
    size_t before = b->size;

    if (convert == NULL)
        return false;
    bool is_done = convert(convert_ctx, charset, bytes, b);
    if (is_done && mt_utf8_valid(mt_span(b->ptr + before, b->size - before)))
        return true;
    b->size = before;
    return false;
}

bool mt_message_put_charset(struct mt_buf *b, struct mt_span charset, struct mt_span bytes,
                            mt_message_convert *convert, void *convert_ctx)
{
    static const char *const utf8[] = {"UTF-8", "UTF8", "US-ASCII", "ASCII"};
    static const char *const latin_1[] = {"ISO-8859-1", "windows-1252", "latin1", "cp1252"};
    static const char *const latin_9[] = {"ISO-8859-15", "latin-9"};

    if (is_any(charset, utf8, MT_ARRAY_COUNT(utf8)))
        mt_message_put_utf8(b, bytes);
    else if (is_any(charset, latin_1, MT_ARRAY_COUNT(latin_1)))
        put_single_bytes(b, bytes, of_windows_1252);
    else if (is_any(charset, latin_9, MT_ARRAY_COUNT(latin_9)))
        put_single_bytes(b, bytes, of_latin_9);
    else
        return put_converted(b, charset, bytes, convert, convert_ctx);
    return true;
}
