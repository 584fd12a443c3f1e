/* DATA content: everything up to CRLF.CRLF, stuffing dots removed (RFC 5321
 * §4.5.2).
 *
 * Only CRLF ends a line here, so only a dot behind CRLF can be a stuffing dot.
 * Other servers see an end of content in other sequences (CVE-2023-51764 and its
 * kin): a line of one dot between line ends that are not both CRLF stays content
 * and is an anomaly, reported where its second line end begins, however the
 * bytes were split.
 *
 * A vector scan finds the next dot behind a line end; single bytes are looked
 * at only around it and at the start of a span. */
#include "base/scan.h"
#include "smtp/client_priv.h"

struct content {
    struct mt_smtp_client *client;
    struct mt_span bytes;
    size_t given; /* everything before it was given out or removed */
    const struct mt_smtp_client_events *events;
    void *ctx;
};

static void give(struct content *c, struct mt_span piece)
{
    if (piece.size == 0)
        return;
    c->client->content_bytes += piece.size;
    c->events->content(c->ctx, piece);
}

static void give_to(struct content *c, size_t end)
{
    give(c, mt_span(c->bytes.ptr + c->given, end - c->given));
    c->given = end;
}

static enum mt_smtp_tail tail_after(enum mt_smtp_tail tail, uint8_t byte)
{
    switch (byte) {
    case '\r':
        return MT_TAIL_CR;
    case '\n':
        return tail == MT_TAIL_CR ? MT_TAIL_CRLF : MT_TAIL_LF;
    case '.':
        if (tail == MT_TAIL_LF)
            return MT_TAIL_LF_DOT;
        return tail == MT_TAIL_CR ? MT_TAIL_CR_DOT : MT_TAIL_TEXT;
    default:
        return MT_TAIL_TEXT;
    }
}

/* Octets before `at` are given out or held back. */
static void report(struct content *c, size_t at, enum mt_smtp_look_alike look_alike)
{
    if (c->events->look_alike)
        c->events->look_alike(c->ctx, look_alike, c->client->content_bytes + (at - c->given));
}

/* The dot stands behind a bare line end, and its own line ends here. */
static void end_bare_dot(struct content *c, size_t at)
{
    bool is_behind_lf = c->client->tail == MT_TAIL_LF_DOT;

    give_to(c, at);
    c->events->anomaly(c->ctx, MT_ANOMALY_LF_DOT_LF);
    if (c->bytes.ptr[at] == '\n') {
        report(c, at, is_behind_lf ? MT_LOOK_ALIKE_LF_LF : MT_LOOK_ALIKE_CR_LF);
        c->client->tail = MT_TAIL_LF;
    } else { /* the next octet says which line end it is */
        c->client->tail = is_behind_lf ? MT_TAIL_LF_DOT_CR : MT_TAIL_CR_DOT_CR;
    }
}

/* The CR behind CRLF. was not the start of the final CRLF, so it is content. It
 * may have come with an earlier span: its bytes are gone, their value is known. */
static void give_held_cr(struct content *c)
{
    static const uint8_t cr[] = {'\r'};

    give(c, mt_span(cr, sizeof(cr)));
}

/* One byte, at a place that the scan can't skip. True: it ended the content. */
static bool step(struct content *c, size_t at)
{
    struct mt_smtp_client *client = c->client;
    uint8_t byte = c->bytes.ptr[at];
    bool is_line_end = byte == '\r' || byte == '\n';

    if (byte == '-' && (client->flags & MT_CLIENT_MARKS))
        give_to(c, at);
    switch (client->tail) {
    case MT_TAIL_CRLF:
        if (byte != '.')
            break;
        give_to(c, at);
        c->given = at + 1;
        client->tail = MT_TAIL_CRLF_DOT;
        return false;
    case MT_TAIL_CRLF_DOT:
        if (byte == '\r') {
            c->given = at + 1;
            client->tail = MT_TAIL_CRLF_DOT_CR;
            return false;
        }
        if (byte == '\n') {
            c->events->anomaly(c->ctx, MT_ANOMALY_LF_DOT_LF);
            report(c, at, MT_LOOK_ALIKE_CRLF_LF);
        }
        break;
    case MT_TAIL_CRLF_DOT_CR:
        if (byte == '\n')
            return true;
        c->events->anomaly(c->ctx, MT_ANOMALY_LF_DOT_LF);
        give_held_cr(c);
        report(c, at, MT_LOOK_ALIKE_CRLF_CR);
        client->tail = MT_TAIL_CR;
        break;
    case MT_TAIL_LF_DOT:
    case MT_TAIL_CR_DOT:
        if (!is_line_end)
            break;
        end_bare_dot(c, at);
        return false;
    case MT_TAIL_LF_DOT_CR:
        give_to(c, at);
        report(c, at, byte == '\n' ? MT_LOOK_ALIKE_LF_CRLF : MT_LOOK_ALIKE_LF_CR);
        client->tail = MT_TAIL_CR;
        break;
    case MT_TAIL_CR_DOT_CR:
        give_to(c, at);
        report(c, at, byte == '\n' ? MT_LOOK_ALIKE_CR_CRLF : MT_LOOK_ALIKE_CR_CR);
        client->tail = MT_TAIL_CR;
        break;
    default:
        break;
    }
    client->tail = (uint8_t)tail_after(client->tail, byte);
    return false;
}

/* From a place inside a line: to the next dot behind a line end, or to the end
 * of the span. The byte before `at` is neither CR nor LF. */
static size_t skip_lines(struct content *c, size_t at)
{
    struct mt_span rest = mt_span_from(c->bytes, at);
    bool wants_marks = c->client->flags & MT_CLIENT_MARKS;
    size_t found = wants_marks ? mt_scan_eol_mark(rest) : mt_scan_eol_dot(rest);
    size_t last = found < rest.size ? found : rest.size - 1;

    enum mt_smtp_tail before = last > 0 && rest.ptr[last - 1] == '\r' ? MT_TAIL_CR : MT_TAIL_TEXT;
    c->client->tail = (uint8_t)tail_after(before, rest.ptr[last]);
    return at + last + 1;
}

size_t mt_smtp_content_parse(struct mt_smtp_client *client, struct mt_span bytes,
                             const struct mt_smtp_client_events *events, void *ctx)
{
    struct content c = {.client = client, .bytes = bytes, .events = events, .ctx = ctx};
    size_t at = 0;

    while (at < bytes.size) {
        if (MT_LIKELY(client->tail == MT_TAIL_TEXT)) {
            at = skip_lines(&c, at);
            continue;
        }
        bool is_end = step(&c, at++);
        if (is_end) {
            client->tail = MT_TAIL_TEXT;
            client->mode = MT_SMTP_COMMAND;
            events->content_end(ctx, false);
            return at;
        }
    }
    give_to(&c, at);
    return at;
}
