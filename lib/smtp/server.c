/* The server's direction: reply lines (RFC 5321 §4.2, enhanced codes RFC 2034). */
#include "smtp/line_priv.h"
#include "smtp/smtp.h"

MT_STATIC_ASSERT(sizeof(struct mt_smtp_server) == 8, "sessions count on 8 bytes of server state");

#define REPLY_LINE_MAX 512 /* RFC 5321 §4.5.3.1.5 */

/* mt_smtp_server.flags: the next byte is no line start, because a line was cut
 * or bytes are missing. */
#define SKIP_TO_LF 1

/* Up to three digits at off. */
static inline size_t digits(struct mt_span s, size_t off, uint16_t *ret_value)
{
    unsigned value = 0, digit;
    size_t at = off;

    for (; at < s.size && at < off + 3 && (digit = s.ptr[at] - (unsigned)'0') < 10; at++)
        value = value * 10 + digit;
    *ret_value = (uint16_t)value;
    return at - off;
}

/* class "." subject "." detail at the start of the text of a 2xx, 4xx or 5xx
 * reply of the same class; anything else is text (RFC 2034 §4). */
static struct mt_smtp_enhanced parse_enhanced(struct mt_span text, uint16_t code)
{
    struct mt_smtp_enhanced none = {0};
    uint16_t subject, detail;
    size_t at = 2;

    if (text.size < 5 || text.ptr[1] != '.' || text.ptr[0] != '0' + code / 100)
        return none;
    if (text.ptr[0] != '2' && text.ptr[0] != '4' && text.ptr[0] != '5')
        return none;
    if (text.ptr[3] == '.' && text.size > 5 && text.ptr[5] == ' ' && mt_ascii_is_digit(text.ptr[2]) &&
        mt_ascii_is_digit(text.ptr[4]))
        return (struct mt_smtp_enhanced){
            .class = (uint8_t)(text.ptr[0] - '0'), .subject = text.ptr[2] - '0', .detail = text.ptr[4] - '0'};
    size_t count = digits(text, at, &subject);
    at += count;
    if (count == 0 || at == text.size || text.ptr[at] != '.')
        return none;
    count = digits(text, ++at, &detail);
    at += count;
    if (count == 0 || (at < text.size && text.ptr[at] != ' ' && text.ptr[at] != '\t'))
        return none;
    return (struct mt_smtp_enhanced){
        .class = (uint8_t)(text.ptr[0] - '0'), .subject = subject, .detail = detail};
}

/* Three digits and a separator. False: no reply line. A tab is no separator by
 * RFC 5321, but who answers so still answers. */
static bool split_reply(struct mt_span line, struct mt_smtp_reply_line *ret_reply, bool *ret_is_odd)
{
    if (line.size < 3 || !mt_ascii_is_digit(line.ptr[0]) || !mt_ascii_is_digit(line.ptr[1]) ||
        !mt_ascii_is_digit(line.ptr[2]))
        return false;
    uint16_t code = (uint16_t)((line.ptr[0] - '0') * 100 + (line.ptr[1] - '0') * 10 + (line.ptr[2] - '0'));
    uint8_t separator = line.size > 3 ? line.ptr[3] : ' ';
    if (separator != ' ' && separator != '-' && separator != '\t')
        return false;
    struct mt_span text = mt_span_from(line, 4);
    *ret_reply = (struct mt_smtp_reply_line){
        .code = code,
        .is_last = separator != '-',
        .enhanced = parse_enhanced(text, code),
        .line = line,
        .text = text,
    };
    *ret_is_odd = separator == '\t';
    return true;
}

static void report_line(const struct mt_smtp_line *line, const struct mt_smtp_server_events *events,
                        void *ctx)
{
    if (line->is_cut)
        events->anomaly(ctx, MT_ANOMALY_LINE_TOO_LONG);
    if (MT_UNLIKELY(line->taken > REPLY_LINE_MAX))
        events->anomaly(ctx, MT_ANOMALY_REPLY_LINE_LONG);
    if (line->has_bare_lf)
        events->anomaly(ctx, MT_ANOMALY_REPLY_BARE_LF);
    if (MT_UNLIKELY(line->is_odd) && mt_scan_byte(line->text, 0) < line->text.size)
        events->anomaly(ctx, MT_ANOMALY_NUL_BYTE);
}

static void take_line(struct mt_smtp_server *server, struct mt_span line, size_t octets,
                      const struct mt_smtp_server_events *events, void *ctx)
{
    struct mt_smtp_reply_line reply;
    bool is_in_reply = server->lines > 0;
    bool is_odd = false;
    bool is_reply = split_reply(line, &reply, &is_odd);

    if (!is_reply || is_odd)
        events->anomaly(ctx, MT_ANOMALY_REPLY_MALFORMED);
    if (!is_reply) {
        if (!is_in_reply)
            return;
        reply = (struct mt_smtp_reply_line){.code = server->code, .line = line, .text = line};
    }
    if (is_in_reply && reply.code != server->code)
        events->anomaly(ctx, MT_ANOMALY_REPLY_CODE_CHANGED);

    reply.index = server->lines;
    reply.octets = (uint32_t)octets;
    if (reply.is_last) {
        server->code = 0;
        server->lines = 0;
    } else {
        server->code = reply.code;
        if (server->lines < UINT32_MAX)
            server->lines++;
    }
    events->reply_line(ctx, &reply);
}

struct mt_parse_result mt_smtp_server_parse(struct mt_smtp_server *server, struct mt_span bytes,
                                            bool is_forced, const struct mt_smtp_server_events *events,
                                            void *ctx)
{
    size_t at = 0;

    while (at < bytes.size && !server->opaque) {
        struct mt_span rest = mt_span_from(bytes, at);
        struct mt_smtp_line line;

        if (MT_UNLIKELY(server->flags & SKIP_TO_LF)) {
            size_t lf = mt_scan_byte(rest, '\n');
            if (lf == rest.size)
                break;
            server->flags = 0;
            at += lf + 1;
            continue;
        }
        if (!mt_smtp_line_next(rest, is_forced, &line))
            return (struct mt_parse_result){.status = MT_PARSE_MORE, .consumed = at};
        at += line.taken;
        if (line.is_cut || line.is_open)
            server->flags = SKIP_TO_LF;
        report_line(&line, events, ctx);
        take_line(server, line.text, line.taken, events, ctx);
    }
    return (struct mt_parse_result){.status = MT_PARSE_DONE, .consumed = bytes.size};
}

void mt_smtp_server_gap(struct mt_smtp_server *server, uint64_t size)
{
    (void)size;
    server->code = 0;
    server->lines = 0;
    server->flags = SKIP_TO_LF;
}
