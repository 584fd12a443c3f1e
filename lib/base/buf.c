#include "base/buf.h"

#include "base/codec.h"
#include "base/scan.h"
#include "base/text.h"

static const char hex_digits[17] = "0123456789abcdef";

/* Writes the text where it goes, or nearby when the room behind it is less than
 * the writer may use. */
static uint8_t *place(struct mt_buf *b, uint8_t *storage, size_t room)
{
    return MT_LIKELY(b->cap - b->size >= room) ? b->ptr + b->size : storage;
}

static void end_place(struct mt_buf *b, const uint8_t *begin, const uint8_t *storage, const uint8_t *end)
{
    size_t size = (size_t)(end - begin);

    if (MT_UNLIKELY(begin == storage))
        mt_buf_put(b, begin, size);
    else
        b->size += size;
}

void mt_buf_put_u64(struct mt_buf *b, uint64_t value)
{
    uint8_t storage[MT_TEXT_U64_MAX];
    uint8_t *begin = place(b, storage, sizeof(storage));

    end_place(b, begin, storage, mt_text_u64(begin, value));
}

void mt_buf_put_hex(struct mt_buf *b, struct mt_span bytes)
{
    if (bytes.size > (b->cap - b->size) / 2) {
        b->overflow = true;
        return;
    }
    mt_text_hex(b->ptr + b->size, bytes.ptr, bytes.size);
    b->size += bytes.size * 2;
}

void mt_buf_put_time(struct mt_buf *b, uint64_t time)
{
    struct mt_text_second second = {.number = 0};
    uint8_t storage[MT_TEXT_TIME_MAX];
    uint8_t *begin = place(b, storage, sizeof(storage));

    end_place(b, begin, storage, mt_text_time(begin, time, &second));
}

/* U+0080 to U+009F are the C1 controls, which a terminal may obey. */
static bool is_c1_control(struct mt_span character)
{
    return character.size == 2 && character.ptr[0] == 0xc2 && character.ptr[1] < 0xa0;
}

static struct mt_span escape_one(struct mt_span rest, uint8_t storage[4], size_t *ret_consumed)
{
    uint8_t c = rest.ptr[0];
    size_t size = mt_utf8_char(rest);
    struct mt_span character = mt_span_head(rest, size);

    if (c == '\\') {
        *ret_consumed = 1;
        return mt_span("\\\\", 2);
    }
    if ((size == 1 && c >= 0x20 && c != 0x7f) || (size > 1 && !is_c1_control(character))) {
        *ret_consumed = size;
        return character;
    }
    storage[0] = '\\';
    storage[1] = 'x';
    storage[2] = (uint8_t)hex_digits[c >> 4];
    storage[3] = (uint8_t)hex_digits[c & 15];
    *ret_consumed = 1;
    return mt_span(storage, 4);
}

void mt_buf_put_escaped(struct mt_buf *b, struct mt_span bytes)
{
    size_t off = 0;

    while (off < bytes.size) {
        struct mt_span rest = mt_span_from(bytes, off);
        size_t plain = mt_scan_json_special(rest);
        if (plain > b->cap - b->size) {
            mt_buf_put_head(b, mt_span_head(rest, plain));
            return;
        }
        mt_buf_put(b, rest.ptr, plain);
        off += plain;
        if (off == bytes.size)
            return;

        uint8_t storage[4];
        size_t consumed;
        struct mt_span text = escape_one(mt_span_from(bytes, off), storage, &consumed);
        if (text.size > b->cap - b->size) {
            b->overflow = true;
            return;
        }
        mt_buf_put_span(b, text);
        off += consumed;
    }
}
