/* The decoders of a part's octets. Each works on what a piece holds and keeps in
 * its state what only the next can settle. */
#include "message/decode.h"

#include "base/base64.h"
#include "base/scan.h"

/* What one octet can give: all that was held, and itself. Of MT_DECODE_ROOM an escape
 * that is none leaves as much for the octet that showed it. */
#define STEP_ROOM (MT_DECODE_HELD + 4)
MT_STATIC_ASSERT(2 * STEP_ROOM <= MT_DECODE_ROOM, "so each call takes an octet");

enum quoted_state {
    QUOTED_TEXT,
    QUOTED_EQUALS, /* behind '=' */
    QUOTED_DIGIT,  /* behind '=' and a digit, which is in bits */
    QUOTED_BLANKS, /* behind '=' and blanks, which are held */
    QUOTED_CR,     /* behind '=' and CR */
};

enum uu_state {
    UU_BEFORE, /* no "begin" yet, or behind "end": count octets of "begin " match */
    UU_SKIP,   /* the rest of a line before the data */
    UU_NAME,   /* the rest of the line of "begin" */
    UU_FIRST,  /* a line of data begins */
    UU_DATA,
    UU_REST, /* of a line whose octets have all come */
};

void mt_decode_start(struct mt_decode *decode, enum mt_mime_encoding encoding)
{
    memset(decode, 0, offsetof(struct mt_decode, held));
    decode->encoding = (uint8_t)encoding;
}

static size_t room_of(const struct mt_buf *out)
{
    return out->cap - out->size;
}

/* --- base64 ----------------------------------------------------------------- */

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

/* A group that padding, or the end, closes early. */
static void close_group(struct mt_decode *decode, struct mt_buf *out)
{
    if (decode->count >= 2)
        mt_buf_put_byte(out, (uint8_t)(decode->bits >> (decode->count * 6 - 8)));
    if (decode->count == 3)
        mt_buf_put_byte(out, (uint8_t)(decode->bits >> 2));
    decode->is_broken |= decode->count == 1;
    decode->count = 0;
    decode->bits = 0;
}

/* state: 1 behind padding. What stands behind it is decoded all the same, since
 * some readers do. */
static void take_base64_octet(struct mt_decode *decode, uint8_t byte, struct mt_buf *out)
{
    uint8_t value = mt_base64_value(byte);

    if (value == MT_BASE64_NONE) {
        decode->is_broken |= byte != '=' && !is_blank(byte);
        if (byte != '=')
            return;
        decode->is_broken |= decode->count == 0 && decode->state == 0;
        close_group(decode, out);
        decode->state = 1;
        return;
    }
    decode->is_broken |= decode->state == 1;
    decode->bits = decode->bits << 6 | value;
    if (++decode->count < 4)
        return;
    mt_buf_put_byte(out, (uint8_t)(decode->bits >> 16));
    mt_buf_put_byte(out, (uint8_t)(decode->bits >> 8));
    mt_buf_put_byte(out, (uint8_t)decode->bits);
    decode->bits = 0;
    decode->count = 0;
}

static size_t decode_base64(struct mt_decode *decode, struct mt_span bytes, struct mt_buf *out)
{
    size_t at = 0;

    while (at < bytes.size && room_of(out) >= 3) {
        if (decode->count == 0 && decode->state == 0) {
            size_t taken =
                mt_base64_decode_groups(mt_span_from(bytes, at), out->ptr + out->size, room_of(out));
            out->size += taken / 4 * 3;
            at += taken;
            if (at == bytes.size || room_of(out) < 3)
                break;
        }
        take_base64_octet(decode, bytes.ptr[at++], out);
    }
    return at;
}

/* --- quoted-printable ------------------------------------------------------- */

static void give_held(struct mt_decode *decode, struct mt_buf *out)
{
    mt_buf_put(out, decode->held, decode->held_size);
    decode->held_size = 0;
}

/* A blank or CR that may belong to a line end. A run of blanks that no line of 76
 * could hold is no padding. */
static void hold(struct mt_decode *decode, uint8_t byte, struct mt_buf *out)
{
    if (decode->held_size > 0 && decode->held[decode->held_size - 1] == '\r') {
        give_held(decode, out);
        decode->is_long = false;
    }
    if (byte != '\r' && decode->held_size == MT_DECODE_HELD) {
        give_held(decode, out);
        decode->is_long = true;
    }
    if (byte != '\r' && decode->is_long)
        mt_buf_put_byte(out, byte);
    else
        decode->held[decode->held_size++] = byte;
}

/* What was held is the end of a line: its blanks are padding. */
static void end_line(struct mt_decode *decode, struct mt_buf *out)
{
    bool has_cr = decode->held_size > 0 && decode->held[decode->held_size - 1] == '\r';

    mt_buf_put(out, has_cr ? "\r\n" : "\n", has_cr ? 2 : 1);
    decode->held_size = 0;
    decode->is_long = false;
}

static int digit_of(uint8_t byte)
{
    if (mt_ascii_is_digit(byte))
        return byte - '0';
    uint8_t lower = mt_ascii_lower(byte);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* No escape after all: it stands for itself. */
static void give_escape(struct mt_decode *decode, struct mt_buf *out)
{
    decode->is_broken = true;
    mt_buf_put_byte(out, '=');
    if (decode->state == QUOTED_DIGIT)
        mt_buf_put_byte(out, (uint8_t)decode->bits);
    if (decode->state == QUOTED_CR)
        mt_buf_put_byte(out, '\r');
    if (decode->state == QUOTED_BLANKS)
        give_held(decode, out);
    decode->state = QUOTED_TEXT;
}

/* One octet behind '='. False: it is no part of an escape and was not taken. */
static bool take_escape(struct mt_decode *decode, uint8_t byte, struct mt_buf *out)
{
    int digit = digit_of(byte);

    if (byte == '\n' && decode->state != QUOTED_DIGIT) { /* a line that goes on in the next */
        decode->held_size = 0;
        decode->state = QUOTED_TEXT;
        return true;
    }
    if (byte == '\r' && (decode->state == QUOTED_EQUALS || decode->state == QUOTED_BLANKS)) {
        decode->held_size = 0;
        decode->state = QUOTED_CR;
        return true;
    }
    bool may_pad = decode->state == QUOTED_EQUALS || decode->state == QUOTED_BLANKS;
    if ((byte == ' ' || byte == '\t') && may_pad && decode->held_size < MT_DECODE_HELD) {
        decode->held[decode->held_size++] = byte;
        decode->state = QUOTED_BLANKS;
        return true;
    }
    if (digit >= 0 && decode->state == QUOTED_EQUALS) {
        decode->bits = byte;
        decode->state = QUOTED_DIGIT;
        return true;
    }
    if (digit >= 0 && decode->state == QUOTED_DIGIT) {
        mt_buf_put_byte(out, (uint8_t)(digit_of((uint8_t)decode->bits) << 4 | digit));
        decode->state = QUOTED_TEXT;
        return true;
    }
    give_escape(decode, out);
    return false;
}

/* Octets without '=' or LF: what may be padding at their end is held. Returns how
 * many there was room for. */
static size_t take_text(struct mt_decode *decode, struct mt_span text, struct mt_buf *out)
{
    size_t end = text.size;

    while (end > 0 && (text.ptr[end - 1] == ' ' || text.ptr[end - 1] == '\t' || text.ptr[end - 1] == '\r'))
        end--;
    if (end > 0) {
        give_held(decode, out);
        decode->is_long = false;
        struct mt_span plain = mt_span_head(mt_span_head(text, end), room_of(out));
        mt_buf_put_span(out, plain);
        if (plain.size < end)
            return plain.size;
    }
    while (end < text.size && room_of(out) >= STEP_ROOM)
        hold(decode, text.ptr[end++], out);
    return end;
}

static size_t decode_quoted(struct mt_decode *decode, struct mt_span bytes, struct mt_buf *out)
{
    size_t at = 0;
    size_t lf = 0; /* looked for once a line: a line may be all escapes */

    while (at < bytes.size && room_of(out) >= STEP_ROOM) {
        if (decode->state != QUOTED_TEXT) {
            at += take_escape(decode, bytes.ptr[at], out);
            continue;
        }
        if (at >= lf)
            lf = at + mt_scan_byte(mt_span_from(bytes, at), '\n');
        struct mt_span line = mt_span_head(mt_span_from(bytes, at), lf - at);
        struct mt_span text = mt_span_head(line, mt_scan_byte(line, '='));
        size_t taken = take_text(decode, text, out);
        at += taken;
        if (taken < text.size || at == bytes.size || room_of(out) < STEP_ROOM)
            break;
        if (bytes.ptr[at++] == '\n') {
            end_line(decode, out);
            continue;
        }
        give_held(decode, out);
        decode->state = QUOTED_EQUALS;
    }
    return at;
}

static void finish_quoted(struct mt_decode *decode, struct mt_buf *out)
{
    if (decode->state == QUOTED_DIGIT)
        give_escape(decode, out);
    /* a lone '=' at the end continues a line that never comes; blanks are padding */
    if (decode->held_size > 0 && decode->held[decode->held_size - 1] == '\r')
        mt_buf_put_byte(out, '\r');
    decode->held_size = 0;
}

/* --- uuencode --------------------------------------------------------------- */

/* A group that is whole, or that the end of its line closes: octets that the
 * line's first has announced, of missing characters zeros. */
static void give_group(struct mt_decode *decode, struct mt_buf *out)
{
    uint32_t bits = decode->bits << 6 * (4 - decode->count);

    for (unsigned i = 0; i < 3 && decode->line_left > 0; i++, decode->line_left--)
        mt_buf_put_byte(out, (uint8_t)(bits >> (16 - 8 * i)));
    decode->count = 0;
    decode->bits = 0;
    if (decode->line_left == 0)
        decode->state = UU_REST;
}

static void begin_line(struct mt_decode *decode, uint8_t byte)
{
    decode->bits = 0;
    decode->count = 0;
    decode->line_left = byte > ' ' && byte < '`' ? (uint8_t)(byte - ' ') : 0;
    if (byte == 'e') /* "end", which no length is */
        decode->state = UU_SKIP;
    else
        decode->state = decode->line_left > 0 ? UU_DATA : UU_REST;
    decode->is_broken |= byte > '`' && byte != 'e';
}

static void take_uu_data(struct mt_decode *decode, uint8_t byte, struct mt_buf *out)
{
    if (byte == '\r')
        return;
    decode->is_broken |= byte < ' ' || byte > '`';
    decode->bits = decode->bits << 6 | ((byte - ' ') & 0x3f);
    if (++decode->count == 4)
        give_group(decode, out);
}

/* Looks for "begin " at the start of lines. */
static void seek_begin(struct mt_decode *decode, uint8_t byte)
{
    static const char word[] = "begin ";

    if (byte != (uint8_t)word[decode->count]) {
        decode->state = UU_SKIP;
        return;
    }
    if (++decode->count < sizeof(word) - 1)
        return;
    decode->state = UU_NAME;
    decode->has_begun = true;
}

static void take_uu_line_end(struct mt_decode *decode, struct mt_buf *out)
{
    switch (decode->state) {
    case UU_BEFORE:
    case UU_SKIP:
        decode->state = UU_BEFORE;
        decode->count = 0;
        return;
    case UU_DATA: /* blanks at the end may have been cut: they are zeros */
        while (decode->line_left > 0)
            give_group(decode, out);
        break;
    default:
        break;
    }
    decode->state = UU_FIRST;
}

static size_t decode_uu(struct mt_decode *decode, struct mt_span bytes, struct mt_buf *out)
{
    size_t at = 0;

    /* the end of a line gives at most the 63 octets that it still owes */
    while (at < bytes.size && room_of(out) >= STEP_ROOM) {
        uint8_t byte = bytes.ptr[at++];
        if (byte == '\n')
            take_uu_line_end(decode, out);
        else if (decode->state == UU_DATA)
            take_uu_data(decode, byte, out);
        else if (decode->state == UU_FIRST)
            begin_line(decode, byte);
        else if (decode->state == UU_BEFORE)
            seek_begin(decode, byte);
    }
    return at;
}

/* --- all -------------------------------------------------------------------- */

size_t mt_decode(struct mt_decode *decode, struct mt_span bytes, struct mt_buf *ret_out)
{
    switch (decode->encoding) {
    case MT_MIME_BASE64:
        return decode_base64(decode, bytes, ret_out);
    case MT_MIME_QUOTED_PRINTABLE:
        return decode_quoted(decode, bytes, ret_out);
    case MT_MIME_UUENCODE:
        return decode_uu(decode, bytes, ret_out);
    default:
        break;
    }
    struct mt_span taken = mt_span_head(bytes, room_of(ret_out));
    mt_buf_put_span(ret_out, taken);
    return taken.size;
}

void mt_decode_finish(struct mt_decode *decode, struct mt_buf *ret_out)
{
    if (decode->encoding == MT_MIME_BASE64) {
        decode->is_broken |= decode->count > 0;
        close_group(decode, ret_out);
    } else if (decode->encoding == MT_MIME_QUOTED_PRINTABLE) {
        finish_quoted(decode, ret_out);
    } else if (decode->encoding == MT_MIME_UUENCODE) {
        if (decode->state == UU_DATA)
            take_uu_line_end(decode, ret_out);
        bool has_end = decode->state == UU_BEFORE || decode->state == UU_SKIP;
        decode->is_broken |= !decode->has_begun || !has_end;
    }
}
