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
    size_t given;                  /* everything before it was given out or removed */
    bool is_odd;                   /* there may be something to count */
    enum mt_smtp_tail tail_before; /* bytes */
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

/* Is a CR the octet before? */
static bool is_cr(enum mt_smtp_tail tail)
{
    return tail == MT_TAIL_CR || tail == MT_TAIL_LF_DOT_CR || tail == MT_TAIL_CR_DOT_CR ||
           tail == MT_TAIL_CRLF_DOT_CR || tail == MT_TAIL_DOT_AND_NUL_CR;
}

/* The LF here ends a line of a dot and a NUL. */
static void end_nul(struct content *c, size_t at)
{
    give_to(c, at);
    report(c, at, MT_LOOK_ALIKE_NUL);
}

/* One byte, at a place that the scan can't skip. True: it ended the content. */
static bool step(struct content *c, size_t at)
{
    struct mt_smtp_client *client = c->client;
    uint8_t byte = c->bytes.ptr[at];
    bool is_line_end = byte == '\r' || byte == '\n';

    c->is_odd |= byte > 0x7f || byte < '\t' || (byte == '\n') != is_cr(client->tail);
    if (byte == '-' && (client->flags & MT_CLIENT_MARKS))
        give_to(c, at);
    switch (client->tail) {
    case MT_TAIL_CRLF:
        if (byte == 0) {
            client->tail = MT_TAIL_CRLF_NUL;
            return false;
        }
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
        } else if (byte == 0) {
            client->tail = MT_TAIL_DOT_AND_NUL;
            return false;
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
    case MT_TAIL_CRLF_NUL:
        if (byte != '.')
            break;
        client->tail = MT_TAIL_DOT_AND_NUL;
        return false;
    case MT_TAIL_DOT_AND_NUL:
        if (byte != '\r')
            break;
        client->tail = MT_TAIL_DOT_AND_NUL_CR;
        return false;
    case MT_TAIL_DOT_AND_NUL_CR:
        if (byte == '\n')
            end_nul(c, at);
        client->tail = MT_TAIL_CR;
        break;
    default:
        break;
    }
    client->tail = (uint8_t)tail_after(client->tail, byte);
    return false;
}

/* Lines of a NUL and a dot in the octets from start to end, which the scan does not stop
 * for. Returns the tail when the end cuts one, else TEXT. */
static MT_NOINLINE enum mt_smtp_tail look_for_nul(struct content *c, size_t start, size_t end)
{
    static const uint8_t line[] = {'\r', '\n', 0, '.', '\r', '\n'};
    static const enum mt_smtp_tail tails[] = {MT_TAIL_CRLF_NUL, MT_TAIL_DOT_AND_NUL, MT_TAIL_DOT_AND_NUL_CR};

    for (size_t at = start; at < end; at++) {
        at += mt_scan_byte(mt_span(c->bytes.ptr + at, end - at), 0);
        if (at == end || at - start < 2 || memcmp(c->bytes.ptr + at - 2, line, 2) != 0)
            continue;
        size_t size = mt_min_u64(end - at, sizeof(line) - 2);
        if (memcmp(c->bytes.ptr + at, line + 2, size) != 0)
            continue;
        if (size <= MT_ARRAY_COUNT(tails))
            return tails[size - 1];
        end_nul(c, at + size - 1);
    }
    return MT_TAIL_TEXT;
}

/* From a place inside a line: to the next dot behind a line end, or to the end
 * of the span. The byte before `at` is neither CR nor LF. */
static size_t skip_lines(struct content *c, size_t at)
{
    struct mt_span rest = mt_span_from(c->bytes, at);
    bool wants_marks = c->client->flags & MT_CLIENT_MARKS;
    size_t found = mt_octets_scan(rest, wants_marks, &c->is_odd);
    size_t last = found < rest.size ? found : rest.size - 1;

    enum mt_smtp_tail before = last > 0 && rest.ptr[last - 1] == '\r' ? MT_TAIL_CR : MT_TAIL_TEXT;
    enum mt_smtp_tail tail = tail_after(before, rest.ptr[last]);
    if (MT_UNLIKELY(c->is_odd)) {
        enum mt_smtp_tail cut = look_for_nul(c, at, at + last + 1);
        tail = cut != MT_TAIL_TEXT ? cut : tail;
    }
    c->client->tail = (uint8_t)tail;
    return at + last + 1;
}

/* --- what is odd ------------------------------------------------------------- */

/* The octet before bytes, as far as it matters to what is counted. */
static uint8_t octet_before(enum mt_smtp_tail tail, uint8_t first)
{
    /* behind a gap nobody knows: what follows is taken for right */
    return is_cr(tail) || (tail == MT_TAIL_LOST && first == '\n') ? '\r' : 0;
}

/* Follows lines through the octets before end: the longest that ended there. */
static uint64_t longest_line(const struct content *c, size_t end)
{
    struct mt_smtp_client *client = c->client;
    uint64_t longest = 0;
    size_t at = 0;

    while (at < end) {
        struct mt_span rest = mt_span(c->bytes.ptr + at, end - at);
        size_t lf = mt_scan_byte(rest, '\n');
        bool is_lost = client->chunk_left == MT_LINE_LOST;
        if (lf == rest.size) {
            client->chunk_left += is_lost ? 0 : lf;
            break;
        }
        bool is_behind_cr = at + lf > 0 ? c->bytes.ptr[at + lf - 1] == '\r' : is_cr(c->tail_before);
        if (!is_lost)
            longest = mt_max_u64(longest, client->chunk_left + lf - is_behind_cr);
        client->chunk_left = 0;
        at += lf + 1;
    }
    return longest;
}

static MT_NOINLINE void report_octets(const struct content *c, size_t end)
{
    bool wants_lines = c->client->flags & MT_CLIENT_LINES;
    struct mt_octets octets = {0};

    mt_octets_count(mt_span_head(c->bytes, end), octet_before(c->tail_before, c->bytes.ptr[0]), &octets);
    bool is_odd = (octets.bare_lf | octets.bare_cr | octets.eight_bit | octets.control) != 0;
    if (wants_lines)
        octets.longest = longest_line(c, end);
    else
        octets.crlf = 0;
    if (is_odd || wants_lines)
        c->events->octets(c->ctx, &octets);
}

/* Content up to here was given out. */
static inline void judge(const struct content *c, size_t end)
{
    bool is_wanted = c->is_odd || (c->client->flags & MT_CLIENT_LINES);

    if (MT_UNLIKELY(is_wanted) && end > 0 && c->events->octets != NULL)
        report_octets(c, end);
}

size_t mt_smtp_content_parse(struct mt_smtp_client *client, struct mt_span bytes,
                             const struct mt_smtp_client_events *events, void *ctx)
{
    struct content c = {
        .client = client, .bytes = bytes, .events = events, .ctx = ctx, .tail_before = client->tail};
    size_t at = 0;

    while (at < bytes.size) {
        if (MT_LIKELY(client->tail == MT_TAIL_TEXT)) {
            at = skip_lines(&c, at);
            continue;
        }
        bool is_end = step(&c, at++);
        if (is_end) {
            judge(&c, at);
            client->chunk_left = 0;
            client->flags &= (uint8_t)~MT_CLIENT_LINES;
            client->tail = MT_TAIL_TEXT;
            client->mode = MT_SMTP_COMMAND;
            events->content_end(ctx, false);
            return at;
        }
    }
    give_to(&c, at);
    judge(&c, at);
    return at;
}
