/* The header of a message, field by field (RFC 5322 §2.2). Whether a field ends
 * with its line is known from the first byte of the next one, so a field that
 * has that byte beside it is given out where it stands; others are gathered in
 * the state's own buffer. Both ways see the same unfolded bytes and share
 * everything from there on. */
#include "base/scan.h"
#include "message/message.h"

MT_STATIC_ASSERT(sizeof(struct mt_message_header) == 2032, "an arena block of 2048 holds a header");
MT_STATIC_ASSERT(offsetof(struct mt_message_header, field) == 8, "start sets up 8 bytes");

/* mt_message_header.state */
enum {
    LINE_START,
    IN_LINE,
    ENDED,
};

/* mt_message_header.flags */
enum {
    HAS_FIELD = 1 << 0,  /* field[] holds one that may go on */
    IS_CUT = 1 << 1,     /* more than field[] can hold */
    PENDING_CR = 1 << 2, /* a CR that may belong to the line end */
    IS_PART = 1 << 3,    /* a line that begins with '-' is a boundary */
};

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

void mt_message_header_start(struct mt_message_header *header)
{
    header->bytes = 0;
    header->field_size = 0;
    header->state = LINE_START;
    header->flags = 0;
}

#define NAME_LONG 64 /* octets; longer ones have been used against programs with fixed buffers */

/* Size of the name, without the blanks that RFC 5322 §4.5 lets stand before
 * the colon; 0 when what stands there is no name. */
static size_t name_size(struct mt_span before_colon)
{
    struct mt_span name = mt_span_trim(before_colon);

    for (size_t i = 0; i < name.size; i++) {
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7f)
            return 0;
    }
    return name.size;
}

/* False: this is no field, so the body has begun. */
static bool give_field(struct mt_span field, bool is_cut, const struct mt_message_events *events, void *ctx)
{
    if (mt_scan_byte(field, 0) < field.size)
        events->anomaly(ctx, MT_ANOMALY_CONTENT_NUL);
    size_t colon = mt_scan_byte(field, ':');
    struct mt_span name = mt_span_head(field, name_size(mt_span_head(field, colon)));
    if (colon == field.size || name.size == 0)
        return false;
    if (MT_UNLIKELY(name.size > NAME_LONG))
        events->anomaly(ctx, MT_ANOMALY_HEADER_NAME_LONG);
    if (is_cut)
        events->anomaly(ctx, MT_ANOMALY_LONG_CONTENT_LINE);
    events->field(ctx, name, mt_span_trim(mt_span_from(field, colon + 1)), is_cut);
    return true;
}

static bool give_gathered(struct mt_message_header *header, const struct mt_message_events *events, void *ctx)
{
    bool has_field = header->flags & HAS_FIELD;
    bool is_cut = header->flags & IS_CUT;

    header->flags &= IS_PART;
    return !has_field || give_field(mt_span(header->field, header->field_size), is_cut, events, ctx);
}

static void gather(struct mt_message_header *header, struct mt_span piece)
{
    size_t room = MT_MESSAGE_FIELD_MAX - header->field_size;

    if (piece.size > room)
        header->flags |= IS_CUT;
    piece = mt_span_head(piece, room);
    memcpy(header->field + header->field_size, piece.ptr, piece.size);
    header->field_size = (uint16_t)(header->field_size + piece.size);
}

/* Bytes of rest up to the end of its line; returns how many were taken. */
static size_t gather_line(struct mt_message_header *header, struct mt_span rest)
{
    static const uint8_t cr[] = {'\r'};
    size_t lf = mt_scan_byte(rest, '\n');
    bool has_end = lf < rest.size;
    struct mt_span piece = mt_span_head(rest, lf);

    if (piece.size > 0 && (header->flags & PENDING_CR))
        gather(header, mt_span(cr, sizeof(cr)));
    header->flags &= (uint8_t)~PENDING_CR;
    if (piece.size > 0 && piece.ptr[piece.size - 1] == '\r') {
        piece.size--;
        header->flags |= has_end ? 0 : PENDING_CR;
    }
    gather(header, piece);
    if (has_end)
        header->state = LINE_START;
    return has_end ? lf + 1 : rest.size;
}

/* Of the empty line that rest begins with; 0 when it begins with another. */
static size_t empty_line_size(struct mt_span rest)
{
    if (rest.ptr[0] == '\n')
        return 1;
    if (rest.ptr[0] != '\r')
        return 0;
    return rest.size > 1 && rest.ptr[1] == '\n' ? 2 : 1;
}

/* What the start of a line says about the field before it. False: the header has
 * ended. ret_size: of the empty line that did it; 0 when the field was none. */
static bool begin_line(struct mt_message_header *header, struct mt_span rest,
                       const struct mt_message_events *events, void *ctx, size_t *ret_size)
{
    *ret_size = 0;
    if (is_blank(rest.ptr[0]))
        return header->flags & HAS_FIELD;
    bool is_boundary = rest.ptr[0] == '-' && (header->flags & IS_PART);
    if (!give_gathered(header, events, ctx))
        return false;
    /* A CR begins the empty line, or else a line that is no field. */
    *ret_size = empty_line_size(rest);
    return *ret_size == 0 && !is_boundary;
}

/* Size of the field that lies whole, in one line, at the start of rest; 0 when
 * its end can't be seen here. */
static size_t field_in_place(struct mt_span rest, struct mt_span *ret_field)
{
    size_t lf = mt_scan_byte(rest, '\n');

    if (lf + 1 >= rest.size || is_blank(rest.ptr[lf + 1]))
        return 0;
    bool has_cr = lf > 0 && rest.ptr[lf - 1] == '\r';
    *ret_field = mt_span_head(rest, has_cr ? lf - 1 : lf);
    return lf + 1;
}

static bool take(struct mt_message_header *header, struct mt_span bytes,
                 const struct mt_message_events *events, void *ctx, size_t *ret_taken)
{
    size_t at = 0;

    while (at < bytes.size) {
        struct mt_span rest = mt_span_from(bytes, at);
        struct mt_span field;

        if (header->state == LINE_START) {
            size_t end_size;
            if (!begin_line(header, rest, events, ctx, &end_size)) {
                *ret_taken = at + end_size;
                return false;
            }
            bool is_folded = header->flags & HAS_FIELD;
            size_t size = is_folded ? 0 : field_in_place(rest, &field);
            if (size > 0) {
                bool is_cut = field.size > MT_MESSAGE_FIELD_MAX;
                at += size;
                if (!give_field(mt_span_head(field, MT_MESSAGE_FIELD_MAX), is_cut, events, ctx)) {
                    *ret_taken = at;
                    return false;
                }
                continue;
            }
            if (!is_folded)
                header->field_size = 0;
            header->flags |= HAS_FIELD;
            header->state = IN_LINE;
        }
        at += gather_line(header, rest);
    }
    *ret_taken = at;
    return true;
}

bool mt_message_header_parse_to(struct mt_message_header *header, struct mt_span bytes,
                                const struct mt_message_events *events, void *ctx, size_t *ret_taken)
{
    if (header->state == ENDED) {
        *ret_taken = 0;
        return false;
    }

    struct mt_span allowed = mt_span_head(bytes, MT_MESSAGE_HEADER_MAX - header->bytes);
    bool goes_on = take(header, allowed, events, ctx, ret_taken);
    header->bytes += (uint32_t)allowed.size;
    if (goes_on && header->bytes == MT_MESSAGE_HEADER_MAX) {
        header->flags |= IS_CUT;
        give_gathered(header, events, ctx);
        goes_on = false;
    }
    if (!goes_on)
        header->state = ENDED;
    return goes_on;
}

bool mt_message_header_parse(struct mt_message_header *header, struct mt_span bytes,
                             const struct mt_message_events *events, void *ctx)
{
    size_t taken;

    return mt_message_header_parse_to(header, bytes, events, ctx, &taken);
}

void mt_message_header_is_part(struct mt_message_header *header)
{
    header->flags |= IS_PART;
}

void mt_message_header_finish(struct mt_message_header *header, const struct mt_message_events *events,
                              void *ctx)
{
    if (header->state == ENDED)
        return;
    give_gathered(header, events, ctx);
    header->state = ENDED;
}
