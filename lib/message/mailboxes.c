/* Address lists (RFC 5322 §3.4) cut into mailboxes, each as it stood. Commas
 * inside quoted strings, comments, angle brackets and address literals do not
 * separate; names of groups are left out. */
#include "message/message.h"

struct list {
    struct mt_span value;
    size_t start;     /* of the current mailbox */
    bool has_text;    /* it holds more than blanks and comments */
    uint8_t unclosed; /* openers whose closing was looked for in vain */
    struct mt_span *mailboxes;
    size_t count;
    size_t count_max;
};

enum {
    QUOTE = 1 << 0,
    COMMENT = 1 << 1,
    ANGLE = 1 << 2,
    LITERAL = 1 << 3,
};

/* Each of these returns the size of what s starts with, 0 when it never closes. */

static size_t quoted_size(struct mt_span s, uint8_t close)
{
    for (size_t at = 1; at < s.size; at++) {
        if (s.ptr[at] == '\\')
            at++;
        else if (s.ptr[at] == close)
            return at + 1;
    }
    return 0;
}

/* Comments nest; a depth is all there is to keep of them. */
static size_t comment_size(struct mt_span s)
{
    size_t depth = 0;

    for (size_t at = 0; at < s.size; at++) {
        if (s.ptr[at] == '\\')
            at++;
        else if (s.ptr[at] == '(')
            depth++;
        else if (s.ptr[at] == ')' && --depth == 0)
            return at + 1;
    }
    return 0;
}

/* Of a route-addr, which may hold commas and a quoted local part. */
static size_t angle_size(struct mt_span s)
{
    size_t at = 1;

    while (at < s.size && s.ptr[at] != '>') {
        size_t size = s.ptr[at] == '"' ? quoted_size(mt_span_from(s, at), '"') : 1;
        if (size == 0)
            return 0;
        at += size;
    }
    return at < s.size ? at + 1 : 0;
}

static uint8_t opener(uint8_t byte)
{
    switch (byte) {
    case '"':
        return QUOTE;
    case '(':
        return COMMENT;
    case '<':
        return ANGLE;
    case '[':
        return LITERAL;
    default:
        return 0;
    }
}

/* Size of the bracketed or quoted piece at `at`, 0 when there is none. An opener
 * that never closes is a byte like others, and so are all of its kind behind
 * it: that keeps the walk linear, and a list readable behind a lone quote. */
static size_t piece_size(struct list *list, size_t at)
{
    struct mt_span s = mt_span_from(list->value, at);
    uint8_t kind = opener(s.ptr[0]);
    size_t size = 0;

    if (kind == 0 || (list->unclosed & kind))
        return 0;
    if (kind == COMMENT)
        size = comment_size(s);
    else if (kind == ANGLE)
        size = angle_size(s);
    else
        size = quoted_size(s, kind == QUOTE ? '"' : ']');
    if (size == 0)
        list->unclosed |= kind;
    return size;
}

static void end_mailbox(struct list *list, size_t end)
{
    if (list->has_text) {
        struct mt_span text = mt_span_head(mt_span_from(list->value, list->start), end - list->start);
        if (list->count < list->count_max)
            list->mailboxes[list->count] = mt_span_trim(text);
        list->count++;
    }
    list->start = end + 1;
    list->has_text = false;
}

size_t mt_message_split_mailboxes(struct mt_span value, struct mt_span *ret_mailboxes, size_t count_max)
{
    struct list list = {.value = value, .mailboxes = ret_mailboxes, .count_max = count_max};
    size_t at = 0;

    while (at < value.size) {
        uint8_t byte = value.ptr[at];
        size_t size = piece_size(&list, at);

        if (size > 0) {
            list.has_text |= byte != '(';
            at += size;
            continue;
        }
        if (byte == ',' || byte == ';') {
            end_mailbox(&list, at);
        } else if (byte == ':') { /* the name of a group */
            list.start = at + 1;
            list.has_text = false;
        } else if (byte != ' ' && byte != '\t') {
            list.has_text = true;
        }
        at++;
    }
    end_mailbox(&list, value.size);
    return list.count;
}
