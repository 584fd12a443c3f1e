/* Encoded words (RFC 2047): =?charset?B?text?= and =?charset?Q?text?=.
 *
 * Words of one charset that only blanks separate are one run: their bytes are
 * put together before they are converted, because many senders cut multi-byte
 * characters in two. Words are also decoded inside quoted strings and without
 * blanks around them, which RFC 2047 §5 forbids and every mail program does. */
#include "base/codec.h"
#include "message/charset_priv.h"

#define CHARSET_MAX 64 /* octets of a charset's name */

struct word {
    struct mt_span charset; /* without its language suffix (RFC 2231 §5) */
    struct mt_span text;
    uint8_t encoding; /* 'b' or 'q' */
    size_t size;      /* of the whole word */
};

struct decoder {
    struct mt_span value;
    struct mt_buf *out;
    mt_message_convert *convert;
    void *convert_ctx;
    /* The open run, of which nothing is in the output yet. */
    struct mt_span charset; /* absent: there is none */
    size_t run_start;       /* in value, with the blanks that were dropped before it */
    struct mt_buf bytes;    /* decoded, not converted */
    size_t given;           /* everything before it is in the output or in the open run */
};

/* The word at the start of s, which starts with '='. Its text ends at the first
 * '?', so that a failure costs no more than the way to the next possible word. */
static bool parse_word(struct mt_span s, struct word *ret_word)
{
    size_t at = 2;

    if (s.size < 2 || s.ptr[1] != '?')
        return false;
    while (at < s.size && at <= CHARSET_MAX + 2 && s.ptr[at] > ' ' && s.ptr[at] < 0x7f && s.ptr[at] != '?')
        at++;
    struct mt_span charset = mt_span(s.ptr + 2, at - 2);
    const uint8_t *star = charset.size > 0 ? memchr(charset.ptr, '*', charset.size) : NULL;
    if (star != NULL)
        charset.size = (size_t)(star - charset.ptr);
    if (charset.size == 0 || at + 3 > s.size || s.ptr[at] != '?' || s.ptr[at + 2] != '?')
        return false;
    uint8_t encoding = mt_ascii_lower(s.ptr[at + 1]);
    if (encoding != 'b' && encoding != 'q')
        return false;

    size_t start = at + 3;
    for (at = start; at < s.size && s.ptr[at] != '?';)
        at++;
    if (at + 1 >= s.size || s.ptr[at + 1] != '=')
        return false;
    *ret_word = (struct word){
        .charset = charset,
        .text = mt_span(s.ptr + start, at - start),
        .encoding = encoding,
        .size = at + 2,
    };
    return true;
}

static int hex_value(uint8_t byte)
{
    if (mt_ascii_is_digit(byte))
        return byte - '0';
    byte = mt_ascii_lower(byte);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static bool put_q(struct mt_buf *b, struct mt_span text)
{
    for (size_t at = 0; at < text.size; at++) {
        uint8_t byte = text.ptr[at];
        if (byte == '=') {
            if (at + 2 >= text.size)
                return false;
            int high = hex_value(text.ptr[at + 1]);
            int low = hex_value(text.ptr[at + 2]);
            if (high < 0 || low < 0)
                return false;
            byte = (uint8_t)(high << 4 | low);
            at += 2;
        } else if (byte == '_') {
            byte = ' ';
        }
        mt_buf_put_byte(b, byte);
    }
    return !b->overflow;
}

/* Appends the word's bytes; false, with b as it was, when they are wrong or
 * don't fit. */
static bool put_word(struct mt_buf *b, const struct word *word)
{
    size_t before = b->size;
    bool is_done = word->encoding == 'q' ? put_q(b, word->text) : mt_base64_decode(word->text, b);

    if (!is_done) {
        b->size = before;
        b->overflow = false;
    }
    return is_done;
}

/* --- runs ------------------------------------------------------------------- */

/* Puts the first size of the gathered bytes out as the open run, or else the
 * value as it stood up to raw_end. */
static void end_run(struct decoder *d, size_t size, size_t raw_end)
{
    struct mt_span bytes = mt_span(d->bytes.ptr, size);

    if (d->charset.ptr != NULL &&
        !mt_message_put_charset(d->out, d->charset, bytes, d->convert, d->convert_ctx)) {
        mt_message_put_utf8(d->out, mt_span(d->value.ptr + d->run_start, raw_end - d->run_start));
        d->given = raw_end;
    }
    d->charset = mt_span_none();
    d->bytes.size -= size;
    memmove(d->bytes.ptr, d->bytes.ptr + size, d->bytes.size);
}

/* Puts the word at `at` into the open run, or into one of its own; whatever
 * stands before it and was not given is blanks, which are dropped. A word
 * that can't be decoded is left to be given as text, and no run is open then. */
static void add_word(struct decoder *d, size_t at, const struct word *word)
{
    size_t before = d->bytes.size;

    if (!put_word(&d->bytes, word)) {
        end_run(d, before, at);
        if (!put_word(&d->bytes, word))
            return;
    } else if (d->charset.ptr != NULL && !mt_span_ieq(d->charset, word->charset)) {
        end_run(d, before, at);
    }
    if (d->charset.ptr == NULL) {
        d->charset = word->charset;
        d->run_start = d->given;
    }
    d->given = at + word->size;
}

static size_t find_word(struct mt_span value, size_t from, struct word *ret_word)
{
    for (size_t at = from; at < value.size; at++) {
        const uint8_t *mark = memchr(value.ptr + at, '=', value.size - at);
        if (mark == NULL)
            break;
        at = (size_t)(mark - value.ptr);
        if (parse_word(mt_span_from(value, at), ret_word))
            return at;
    }
    return value.size;
}

void mt_message_decode_words(struct mt_span value, mt_message_convert *convert, void *convert_ctx,
                             struct mt_buf *ret_utf8)
{
    uint8_t storage[MT_MESSAGE_FIELD_MAX];
    struct decoder d = {.value = value,
                        .out = ret_utf8,
                        .convert = convert,
                        .convert_ctx = convert_ctx,
                        .bytes = mt_buf(storage, sizeof(storage))};
    size_t from = 0; /* words are looked for from here on */

    while (!ret_utf8->overflow) {
        struct word word = {0};
        size_t at = find_word(value, from, &word);
        struct mt_span between = mt_span_head(mt_span_from(value, d.given), at - d.given);
        bool is_behind_word = d.charset.ptr != NULL && mt_span_trim(between).size == 0;

        if (at == value.size || !is_behind_word) {
            end_run(&d, d.bytes.size, d.given);
            mt_message_put_utf8(ret_utf8, between);
            d.given = at;
        }
        if (at == value.size)
            return;
        add_word(&d, at, &word);
        from = at + word.size;
    }
}
