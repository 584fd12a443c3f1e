/* The tree of parts, boundary by boundary. mime_fields.c reads what a part's
 * header says. */
#include "base/count.h"
#include "base/scan.h"
#include "message/mime_priv.h"

MT_STATIC_ASSERT(sizeof(struct mt_mime) <= 1024, "one arena block");

struct run {
    struct mt_mime *mime;
    mt_message_convert *convert;
    void *convert_ctx;
    const struct mt_mime_events *events;
    void *ctx;
};

void mt_mime_start(struct mt_mime *mime)
{
    memset(mime, 0, offsetof(struct mt_mime, path));
    mime->state = MT_MIME_IN_HEADER;
    mime->flags = MT_MIME_OF_MESSAGE;
}

/* --- the body of a part ----------------------------------------------------- */

static void give(struct run *run, struct mt_span bytes)
{
    struct mt_mime *mime = run->mime;

    if (bytes.size == 0 || mime->state != MT_MIME_IN_BODY)
        return;
    mime->encoded += bytes.size;
    switch (mime->encoding) {
    case MT_MIME_BASE64:
        mime->decoded += mt_count_base64(bytes);
        break;
    case MT_MIME_QUOTED_PRINTABLE:
        mime->decoded += mt_count_quoted(bytes, mime->flags & MT_MIME_LAST_EQUALS);
        if (bytes.ptr[bytes.size - 1] == '=')
            mime->flags |= MT_MIME_LAST_EQUALS;
        else
            mime->flags &= (uint8_t)~MT_MIME_LAST_EQUALS;
        break;
    case MT_MIME_UUENCODE:
        mime->decoded += mt_mime_count_uuencode(mime, bytes);
        break;
    default:
        break;
    }
    if (run->events->body != NULL)
        run->events->body(run->ctx, bytes);
}

static enum mt_mime_tail tail_of(enum mt_mime_tail tail, struct mt_span bytes)
{
    uint8_t last = bytes.ptr[bytes.size - 1];

    if (last == '\r')
        return MT_MIME_TAIL_CR;
    if (last != '\n')
        return MT_MIME_TAIL_TEXT;
    bool has_cr = bytes.size > 1 ? bytes.ptr[bytes.size - 2] == '\r' : tail == MT_MIME_TAIL_CR;
    return has_cr ? MT_MIME_TAIL_CRLF : MT_MIME_TAIL_LF;
}

/* The line end that was held back turned out to be the part's. */
static void give_held(struct run *run)
{
    static const uint8_t crlf[] = {'\r', '\n'};
    uint8_t tail = run->mime->tail;

    if (tail == MT_MIME_TAIL_CR)
        give(run, mt_span(crlf, 1));
    else if (tail == MT_MIME_TAIL_LF)
        give(run, mt_span(crlf + 1, 1));
    else if (tail == MT_MIME_TAIL_CRLF)
        give(run, mt_span(crlf, 2));
    run->mime->tail = MT_MIME_TAIL_TEXT;
}

/* Octets without a boundary, but for the line end that one may follow. */
static void take_octets(struct run *run, struct mt_span bytes)
{
    struct mt_mime *mime = run->mime;

    if (mime->depth == 0) { /* nor will one come */
        give_held(run);
        give(run, bytes);
        return;
    }
    enum mt_mime_tail tail = tail_of(mime->tail, bytes);
    size_t held = tail == MT_MIME_TAIL_CRLF ? 2 : tail == MT_MIME_TAIL_TEXT ? 0 : 1;

    if (bytes.size < held) { /* LF behind the CR that is held */
        mime->tail = (uint8_t)tail;
        return;
    }
    give_held(run);
    give(run, mt_span_head(bytes, bytes.size - held));
    mime->tail = (uint8_t)tail;
}

/* What escapes take away, which is more than there is when "==" stands for itself. */
static uint64_t count_quoted(const struct mt_mime *mime)
{
    uint64_t all = mime->encoded + (mime->flags & MT_MIME_LAST_EQUALS ? 1 : 0);

    return all > mime->decoded ? all - mime->decoded : 0;
}

static void end_part(struct run *run)
{
    struct mt_mime *mime = run->mime;
    uint64_t decoded = mime->encoded;

    if (!(mime->flags & MT_MIME_PART_OPEN))
        return;
    mime->flags &= (uint8_t)~MT_MIME_PART_OPEN;
    if (mime->encoding == MT_MIME_BASE64)
        decoded = mime->decoded / 4 * 3 + mime->decoded % 4 * 3 / 4;
    else if (mime->encoding == MT_MIME_UUENCODE)
        decoded = mime->decoded;
    else if (mime->encoding == MT_MIME_QUOTED_PRINTABLE)
        decoded = count_quoted(mime);
    run->events->part_end(run->ctx, mime->encoded, decoded);
}

/* --- the header of a part --------------------------------------------------- */

static void begin_body(struct mt_mime *mime, enum mt_mime_state state)
{
    mime->state = (uint8_t)state;
    mime->encoded = 0;
    mime->decoded = 0;
    mime->flags &= (uint8_t)~MT_MIME_LAST_EQUALS;
    mime->tail = MT_MIME_TAIL_START;
}

static void header_end(struct run *run);

static void begin_header(struct run *run, bool is_message)
{
    struct mt_mime *mime = run->mime;

    mt_mime_forget(mime);
    mime->flags &= (uint8_t)~MT_MIME_OF_MESSAGE;
    mime->flags |= is_message ? MT_MIME_OF_MESSAGE : 0;
    mime->tail = MT_MIME_TAIL_TEXT;
    mime->state = MT_MIME_IN_HEADER;
    if (mime->header == NULL)
        mime->header = run->events->header_get(run->ctx);
    if (mime->header == NULL) {
        header_end(run);
        return;
    }
    mt_message_header_start(mime->header);
    mt_message_header_is_part(mime->header);
}

static bool push(struct run *run)
{
    struct mt_mime *mime = run->mime;
    size_t units = (mime->boundary_size + 1u) / 2;

    if (mime->depth == MT_MIME_DEPTH_MAX || mime->path_size == MT_MIME_PATH_MAX ||
        2 * (mime->boundaries_used + units) > MT_MIME_BOUNDARIES) {
        run->events->anomaly(run->ctx, MT_ANOMALY_MIME_DEPTH);
        return false;
    }
    mime->levels[mime->depth++] = (struct mt_mime_level){
        .off = mime->boundaries_used,
        .size = mime->boundary_size,
        .path_size = mime->path_size,
        .messages = mime->messages,
    };
    memcpy(mime->boundaries + 2 * (size_t)mime->boundaries_used, mime->boundary, mime->boundary_size);
    mime->boundaries_used = (uint8_t)(mime->boundaries_used + units);
    begin_body(mime, MT_MIME_BETWEEN);
    return true;
}

static void give_part(struct run *run)
{
    struct mt_mime *mime = run->mime;
    const struct mt_mime_part part = {
        .path = mime->path,
        .path_size = mime->path_size,
        .type = mime->type_size > 0 ? mt_span(mime->type, mime->type_size) : mt_span_none(),
        .charset = mime->charset_size > 0 ? mt_span(mime->charset, mime->charset_size) : mt_span_none(),
        .name = mime->name_size > 0 ? mt_span(mime->name, mime->name_size) : mt_span_none(),
        .encoding = (enum mt_mime_encoding)mime->encoding,
        .flags = mime->part_flags,
    };

    run->events->part(run->ctx, &part);
    mime->flags |= MT_MIME_PART_OPEN;
}

/* The header is complete: what comes now? */
static void header_end(struct run *run)
{
    struct mt_mime *mime = run->mime;
    struct mt_span type = mt_mime_type(mime);
    bool is_multipart = mt_span_istarts(type, "multipart/");
    bool is_message = mt_span_ieq_cstr(type, "message/rfc822") || mt_span_ieq_cstr(type, "message/global");

    if (mime->header != NULL) {
        run->events->header_put(run->ctx, mime->header);
        mime->header = NULL;
    }
    if (is_multipart && mime->boundary_size == 0)
        run->events->anomaly(run->ctx, MT_ANOMALY_MIME_NO_BOUNDARY);
    else if (is_multipart && push(run))
        return;
    if ((mime->flags & MT_MIME_OF_MESSAGE) && mime->path_size < MT_MIME_PATH_MAX)
        mime->path[mime->path_size++] = 1;
    begin_body(mime, MT_MIME_IN_BODY);
    give_part(run);
    /* an encoded one (RFC 2046 §5.2.1 forbids it) is not looked into */
    bool is_plain = mime->encoding <= MT_MIME_BINARY;
    if (!is_message || !is_plain)
        return;
    if (mime->path_size == MT_MIME_PATH_MAX || mime->messages == MT_MIME_DEPTH_MAX) {
        run->events->anomaly(run->ctx, MT_ANOMALY_MIME_DEPTH);
        return;
    }
    mime->flags &= (uint8_t)~MT_MIME_PART_OPEN; /* its size is that of its parts */
    mime->messages++;
    begin_header(run, true);
}

static void take_field(void *ctx, struct mt_span name, struct mt_span value, bool is_cut)
{
    struct run *run = ctx;

    if ((run->mime->flags & MT_MIME_OF_MESSAGE) && run->events->field != NULL) {
        const struct mt_mime_part part = {.path = run->mime->path, .path_size = run->mime->path_size};
        run->events->field(run->ctx, &part, name, value, is_cut);
    }
    mt_mime_field(run->mime, name, value, run->convert, run->convert_ctx);
}

static void take_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    struct run *run = ctx;

    run->events->anomaly(run->ctx, anomaly);
}

static const struct mt_message_events header_events = {.field = take_field, .anomaly = take_anomaly};

/* Returns how many octets belong to the header. */
static size_t take_header(struct run *run, struct mt_span bytes)
{
    struct mt_mime *mime = run->mime;
    size_t taken = bytes.size;

    bool goes_on = mt_message_header_parse_to(mime->header, bytes, &header_events, run, &taken);
    if (goes_on)
        return taken;
    bool is_cr_last = taken > 0 && bytes.ptr[taken - 1] == '\r';
    header_end(run);
    if (is_cr_last)
        mime->flags |= MT_MIME_SKIP_LF;
    return taken;
}

/* --- boundaries ------------------------------------------------------------- */

static struct mt_span boundary_of(const struct mt_mime *mime, const struct mt_mime_level *level)
{
    return mt_span(mime->boundaries + 2 * (size_t)level->off, level->size);
}

/* Which open multipart's boundary the line is, counted from 1; 0: none's. */
static unsigned match(const struct mt_mime *mime, bool *ret_is_last)
{
    struct mt_span line = mt_span(mime->line, mime->line_size);

    while (line.size > 0 && memchr(" \t\r\n", line.ptr[line.size - 1], 4) != NULL)
        line.size--;
    if (line.size < 3 || line.ptr[1] != '-')
        return 0;
    struct mt_span text = mt_span_from(line, 2);
    for (unsigned i = 0; i < mime->depth; i++) {
        struct mt_span boundary = boundary_of(mime, &mime->levels[i]);
        struct mt_span behind = mt_span_from(text, boundary.size);
        if (!mt_span_eq(mt_span_head(text, boundary.size), boundary))
            continue;
        if (behind.size > 0 && !mt_span_eq(behind, mt_span("--", 2)))
            continue;
        *ret_is_last = behind.size > 0;
        return i + 1;
    }
    return 0;
}

static void close_levels(struct run *run, unsigned depth)
{
    struct mt_mime *mime = run->mime;

    if (mime->depth <= depth)
        return;
    mime->depth = (uint8_t)depth;
    mime->boundaries_used = mime->levels[depth].off;
}

static void take_boundary(struct run *run, unsigned number, bool is_last)
{
    struct mt_mime *mime = run->mime;

    end_part(run);
    mime->tail = MT_MIME_TAIL_START;
    if (number < mime->depth)
        run->events->anomaly(run->ctx, MT_ANOMALY_MIME_BOUNDARY_MISSING);
    close_levels(run, number);
    struct mt_mime_level *level = &mime->levels[number - 1];
    if (is_last) {
        close_levels(run, number - 1);
        begin_body(mime, MT_MIME_BETWEEN);
        return;
    }
    mime->path_size = level->path_size;
    mime->messages = level->messages;
    if (level->child < UINT16_MAX)
        level->child++;
    mime->path[mime->path_size++] = level->child;
    begin_header(run, false);
}

/* The line is complete, or too long to be a boundary. */
static void judge_line(struct run *run, bool is_complete)
{
    struct mt_mime *mime = run->mime;
    bool is_last = false;
    unsigned number = is_complete ? match(mime, &is_last) : 0;
    struct mt_span line = mt_span(mime->line, mime->line_size);

    mime->line_size = 0;
    if (number > 0)
        take_boundary(run, number, is_last);
    else
        take_octets(run, line);
}

/* What may be a boundary, from the '-' at the start of its line on. */
static size_t take_line(struct run *run, struct mt_span bytes)
{
    struct mt_mime *mime = run->mime;
    struct mt_span room = mt_span_head(bytes, sizeof(mime->line) - mime->line_size);
    size_t lf = mt_scan_byte(room, '\n');
    bool has_end = lf < room.size;
    size_t size = has_end ? lf + 1 : room.size;

    memcpy(mime->line + mime->line_size, bytes.ptr, size);
    mime->line_size = (uint8_t)(mime->line_size + size);
    if (has_end || mime->line_size == sizeof(mime->line))
        judge_line(run, has_end);
    return size;
}

static bool is_line_start(const struct mt_mime *mime)
{
    return mime->tail == MT_MIME_TAIL_LF || mime->tail == MT_MIME_TAIL_CRLF ||
           mime->tail == MT_MIME_TAIL_START;
}

static size_t take_some(struct run *run, struct mt_span bytes)
{
    struct mt_mime *mime = run->mime;

    if (mime->flags & MT_MIME_SKIP_LF) {
        mime->flags &= (uint8_t)~MT_MIME_SKIP_LF;
        if (bytes.ptr[0] == '\n')
            return 1;
    }
    if (mime->line_size > 0)
        return take_line(run, bytes);
    if (mime->state == MT_MIME_IN_HEADER)
        return take_header(run, bytes);
    if (mime->depth > 0 && bytes.ptr[0] == '-' && is_line_start(mime))
        return take_line(run, bytes);
    take_octets(run, bytes);
    return bytes.size;
}

void mt_mime_skip_lf(struct mt_mime *mime)
{
    mime->flags |= MT_MIME_SKIP_LF;
}

void mt_mime_header_end(struct mt_mime *mime, const struct mt_mime_events *events, void *ctx)
{
    struct run run = {.mime = mime, .events = events, .ctx = ctx};

    header_end(&run);
}

void mt_mime_body(struct mt_mime *mime, struct mt_span bytes, mt_message_convert *convert, void *convert_ctx,
                  const struct mt_mime_events *events, void *ctx)
{
    struct run run = {
        .mime = mime, .convert = convert, .convert_ctx = convert_ctx, .events = events, .ctx = ctx};

    while (bytes.size > 0)
        bytes = mt_span_from(bytes, take_some(&run, bytes));
}

void mt_mime_finish(struct mt_mime *mime, bool is_whole, const struct mt_mime_events *events, void *ctx)
{
    struct run run = {.mime = mime, .events = events, .ctx = ctx};

    if (mime->line_size > 0)
        judge_line(&run, true);
    if (mime->state == MT_MIME_IN_HEADER && mime->header != NULL) {
        mt_message_header_finish(mime->header, &header_events, &run);
        header_end(&run);
    }
    if (mime->depth == 0)
        give_held(&run); /* no boundary will take it */
    end_part(&run);
    if (mime->header != NULL)
        events->header_put(ctx, mime->header);
    mime->header = NULL;
    if (is_whole && mime->depth > 0)
        events->anomaly(ctx, MT_ANOMALY_MIME_BOUNDARY_MISSING);
}
