/* The queue id in the reply that accepts a message. Each server writes it its
 * own way; these are the ways of those that carry most of the world's mail. */
#include "smtp/smtp.h"

/* RFC 5321 §4.5.3.1.5: a reply line has at most 512 octets. */
#define TEXT_MAX 512

static bool is_id_byte(uint8_t byte)
{
    return mt_ascii_is_alpha(byte) || mt_ascii_is_digit(byte) ||
           (byte != 0 && strchr("-_.+@/", byte) != NULL);
}

static bool is_alnum(uint8_t byte)
{
    return mt_ascii_is_alpha(byte) || mt_ascii_is_digit(byte);
}

/* The id that s starts with, without the full stop of its sentence. */
static struct mt_span id_at(struct mt_span s)
{
    size_t size = 0;

    while (size < s.size && is_id_byte(s.ptr[size]))
        size++;
    while (size > 0 && !is_alnum(s.ptr[size - 1]))
        size--;
    return size > 0 ? mt_span_head(s, size) : mt_span_none();
}

/* The id before the end of s, from the last blank on. */
static struct mt_span id_before(struct mt_span s)
{
    size_t start = s.size;

    while (start > 0 && is_id_byte(s.ptr[start - 1]))
        start--;
    if (start > 0 && s.ptr[start - 1] != ' ')
        return mt_span_none();
    return id_at(mt_span_from(s, start));
}

/* Offset of a mark that starts a word, or text.size. Marks stand in the
 * servers' sources, so their case is known. */
static size_t find(struct mt_span text, const char *mark)
{
    size_t size = strlen(mark);
    size_t at = 0;

    while (at + size <= text.size) {
        const uint8_t *hit = memchr(text.ptr + at, mark[0], text.size - at);
        if (hit == NULL)
            break;
        at = (size_t)(hit - text.ptr);
        bool starts_word = at == 0 || !is_alnum(text.ptr[at]) || !is_alnum(text.ptr[at - 1]);
        if (starts_word && mt_span_eq(mt_span_head(mt_span_from(text, at), size), mt_span(mark, size)))
            return at;
        at++;
    }
    return text.size;
}

static struct mt_span id_behind(struct mt_span text, const char *mark)
{
    size_t at = find(text, mark);
    return at < text.size ? id_at(mt_span_from(text, at + strlen(mark))) : mt_span_none();
}

/* Sendmail and OpenSMTPD: "2.0.0 35B6J1xx Message accepted for delivery". What
 * stands there in a reply without an id is an enhanced code. */
static struct mt_span id_of_accepted(struct mt_span text)
{
    size_t at = find(text, "Message accepted");
    if (at == text.size)
        return mt_span_none();
    struct mt_span id = id_before(mt_span_trim(mt_span_head(text, at)));
    bool is_code = id.size == 5 && id.ptr[1] == '.' && id.ptr[3] == '.';
    return is_code ? mt_span_none() : id;
}

/* Gmail: "2.0.0 OK  1700000000 abc123-xyz.12 - gsmtp". */
static struct mt_span id_of_gsmtp(struct mt_span text)
{
    size_t at = find(text, " - gsmtp");
    return at < text.size ? id_before(mt_span_head(text, at)) : mt_span_none();
}

struct mt_span mt_smtp_queue_id(struct mt_span text)
{
    /* Exchange's comes first: its text may hold the client's Message-ID, which
     * is free to imitate the others. */
    static const char *const marks[] = {"[InternalId=", "queued as ", "id=", " qp "};

    text = mt_span_head(text, TEXT_MAX);
    for (size_t i = 0; i < MT_ARRAY_COUNT(marks); i++) {
        struct mt_span id = id_behind(text, marks[i]);
        if (id.ptr != NULL)
            return id;
    }
    struct mt_span id = id_of_accepted(text);
    return id.ptr != NULL ? id : id_of_gsmtp(text);
}
