/* What the header of a part says. */
#include "base/codec.h"
#include "base/scan.h"
#include "message/mime_priv.h"

static const char *const encodings[MT_MIME_ENCODING_COUNT] = {
    [MT_MIME_7BIT] = "7bit",
    [MT_MIME_8BIT] = "8bit",
    [MT_MIME_BINARY] = "binary",
    [MT_MIME_BASE64] = "base64",
    [MT_MIME_QUOTED_PRINTABLE] = "quoted-printable",
    [MT_MIME_UUENCODE] = "x-uuencode",
    [MT_MIME_OTHER] = "other",
};

const char *mt_mime_encoding_name(enum mt_mime_encoding encoding)
{
    return encodings[encoding];
}

void mt_mime_forget(struct mt_mime *mime)
{
    mime->encoding = MT_MIME_7BIT;
    mime->part_flags = 0;
    mime->type_size = 0;
    mime->charset_size = 0;
    mime->name_size = 0;
    mime->boundary_size = 0;
    mime->flags &= (uint8_t)~MT_MIME_IN_LINE;
}

/* Up to what ends a token there: blank, comment, parameter. */
static struct mt_span token_of(struct mt_span value)
{
    size_t size = 0;

    value = mt_span_trim(value);
    while (size < value.size && memchr(" \t;(", value.ptr[size], 4) == NULL)
        size++;
    return mt_span_head(value, size);
}

static uint8_t keep_lower(uint8_t *to, struct mt_span text, size_t max)
{
    text = mt_span_head(text, max);
    for (size_t i = 0; i < text.size; i++)
        to[i] = mt_ascii_lower(text.ptr[i]);
    return (uint8_t)text.size;
}

/* At most as much as room holds, whole characters. */
static struct mt_span cut_name(struct mt_span name)
{
    struct mt_span kept = mt_span_head(name, MT_MIME_NAME_MAX);

    while (kept.size > 0 && kept.size < name.size && (name.ptr[kept.size] & 0xc0) == 0x80)
        kept.size--;
    return kept;
}

/* Extensions that hide what a name ends in: ".pdf" of "invoice.pdf.exe". */
static bool has_double_extension(struct mt_span name)
{
    static const char *const shown[] = {"pdf", "doc", "docx", "xls", "xlsx", "ppt", "pptx",
                                        "txt", "jpg", "jpeg", "png", "gif",  "mp3", "htm",
                                        "rtf", "csv", "odt",  "zip", "html"};
    static const char *const run[] = {"exe", "scr", "com", "bat", "cmd", "pif", "js",  "jse", "vbs", "vbe",
                                      "wsf", "hta", "lnk", "msi", "jar", "ps1", "cpl", "iso", "img", "html"};
    const uint8_t *last = name.ptr != NULL && name.size > 0 ? memrchr(name.ptr, '.', name.size) : NULL;
    const uint8_t *before =
        last != NULL && last > name.ptr ? memrchr(name.ptr, '.', (size_t)(last - name.ptr)) : NULL;
    bool is_shown = false, is_run = false;

    if (before == NULL)
        return false;
    struct mt_span middle = mt_span_trim(mt_span(before + 1, (size_t)(last - before) - 1));
    struct mt_span end = mt_span_from(name, (size_t)(last - name.ptr) + 1);
    for (size_t i = 0; i < MT_ARRAY_COUNT(shown); i++)
        is_shown |= mt_span_ieq_cstr(middle, shown[i]);
    for (size_t i = 0; i < MT_ARRAY_COUNT(run); i++)
        is_run |= mt_span_ieq_cstr(end, run[i]);
    return is_shown && is_run;
}

static void take_name(struct mt_mime *mime, struct mt_span value, const char *key, bool is_better,
                      mt_message_convert *convert, void *convert_ctx)
{
    uint8_t storage[512];
    struct mt_buf text = mt_buf(storage, sizeof(storage));

    if (!mt_mime_parameter(value, key, convert, convert_ctx, &text) || text.size == 0)
        return;
    struct mt_span name = mt_buf_span(&text);
    struct mt_span kept = cut_name(name);
    struct mt_span other = mt_span(mime->name, mime->name_size);
    if (kept.size < name.size)
        mime->part_flags |= MT_MIME_NAME_CUT;
    if (other.size > 0 && !mt_span_eq(kept, other))
        mime->part_flags |= MT_MIME_TWO_NAMES;
    if (other.size == 0 || is_better) {
        memcpy(mime->name, kept.ptr, kept.size);
        mime->name_size = (uint8_t)kept.size;
    }
    if (has_double_extension(name))
        mime->part_flags |= MT_MIME_DOUBLE_EXTENSION;
}

static void take_type(struct mt_mime *mime, struct mt_span value, mt_message_convert *convert,
                      void *convert_ctx)
{
    uint8_t storage[MT_MIME_BOUNDARY_MAX + 1];
    struct mt_buf text = mt_buf(storage, sizeof(storage));

    if (mime->type_size > 0)
        return; /* the first counts */
    struct mt_span type = token_of(value);
    mime->type_size = keep_lower(mime->type, type, MT_MIME_TYPE_MAX);
    if (type.size > MT_MIME_TYPE_MAX)
        mime->part_flags |= MT_MIME_TYPE_CUT;
    bool is_multipart = mt_span_istarts(mt_mime_type(mime), "multipart/");
    if (is_multipart) {
        mt_mime_parameter(value, "boundary", NULL, NULL, &text);
        while (text.size > 0 && text.ptr[text.size - 1] == ' ') /* RFC 2046 §5.1.1: of no boundary */
            text.size--;
        bool fits = !text.overflow && text.size <= MT_MIME_BOUNDARY_MAX;
        mime->boundary_size = fits ? (uint8_t)text.size : 0;
        memcpy(mime->boundary, storage, mime->boundary_size);
        return;
    }
    if (mt_mime_parameter(value, "charset", NULL, NULL, &text))
        mime->charset_size = keep_lower(mime->charset, mt_buf_span(&text), MT_MIME_CHARSET_MAX);
    if (text.overflow || text.size > MT_MIME_CHARSET_MAX)
        mime->part_flags |= MT_MIME_TYPE_CUT;
    take_name(mime, value, "name", false, convert, convert_ctx);
}

static void take_disposition(struct mt_mime *mime, struct mt_span value, mt_message_convert *convert,
                             void *convert_ctx)
{
    struct mt_span word = token_of(value);

    if (mime->part_flags & MT_MIME_HAS_DISPOSITION)
        return;
    mime->part_flags |= MT_MIME_HAS_DISPOSITION;
    if (mt_span_ieq_cstr(word, "inline"))
        mime->part_flags |= MT_MIME_IS_INLINE;
    else /* what is not known is taken as one (RFC 2183 §2.8) */
        mime->part_flags |= MT_MIME_IS_ATTACHMENT;
    take_name(mime, value, "filename", true, convert, convert_ctx);
}

static void take_encoding(struct mt_mime *mime, struct mt_span value)
{
    struct mt_span word = token_of(value);

    mime->encoding = MT_MIME_OTHER;
    for (unsigned i = 0; i < MT_MIME_OTHER; i++) {
        if (mt_span_ieq_cstr(word, encodings[i]))
            mime->encoding = (uint8_t)i;
    }
    if (mt_span_ieq_cstr(word, "uuencode") || mt_span_ieq_cstr(word, "x-uue"))
        mime->encoding = MT_MIME_UUENCODE;
}

void mt_mime_field(struct mt_mime *mime, struct mt_span name, struct mt_span value,
                   mt_message_convert *convert, void *convert_ctx)
{
    if (!mt_span_istarts(name, "Content-"))
        return;
    if (mt_span_ieq_cstr(name, "Content-Type"))
        take_type(mime, value, convert, convert_ctx);
    else if (mt_span_ieq_cstr(name, "Content-Disposition"))
        take_disposition(mime, value, convert, convert_ctx);
    else if (mt_span_ieq_cstr(name, "Content-Transfer-Encoding"))
        take_encoding(mime, value);
}

/* A line's first octet says how many it decodes to; "begin" and "end" have none
 * that could. */
uint64_t mt_mime_count_uuencode(struct mt_mime *mime, struct mt_span bytes)
{
    uint64_t decoded = 0;

    while (bytes.size > 0) {
        uint8_t first = bytes.ptr[0];
        if (!(mime->flags & MT_MIME_IN_LINE) && first > ' ' && first < '`')
            decoded += first - ' ';
        size_t lf = mt_scan_byte(bytes, '\n');
        if (lf == bytes.size)
            mime->flags |= MT_MIME_IN_LINE;
        else
            mime->flags &= (uint8_t)~MT_MIME_IN_LINE;
        bytes = mt_span_from(bytes, lf + 1);
    }
    return decoded;
}
