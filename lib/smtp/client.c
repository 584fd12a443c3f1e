/* The client's direction: command lines, AUTH responses, chunks; content.c has
 * DATA content. */
#include "base/check.h"
#include "base/codec.h"
#include "smtp/client_priv.h"
#include "smtp/line_priv.h"

MT_STATIC_ASSERT(sizeof(struct mt_smtp_client) == 24, "sessions count on 24 bytes of client state");

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* --- one line --------------------------------------------------------------- */

/* MAIL may carry 8-bit octets when it asks for SMTPUTF8 (RFC 6531 §3.4), RCPT
 * when MAIL did; which the session knows. */
static bool may_be_8bit(const struct mt_smtp_command *command)
{
    struct mt_smtp_mailbox_argument mail;

    if (command == NULL)
        return false;
    if (command->verb == MT_VERB_RCPT)
        return true;
    if (command->verb != MT_VERB_MAIL || !mt_smtp_parse_mailbox(command->argument, true, NULL, NULL, &mail))
        return false;
    for (uint32_t i = 0; i < mail.parameter_count; i++) {
        if (mt_span_ieq_cstr(mail.parameters[i].keyword, "SMTPUTF8"))
            return true;
    }
    return false;
}

/* Names the odd bytes of a line, each kind once; command is NULL for an AUTH
 * response. */
static void report_odd_bytes(struct mt_span line, const struct mt_smtp_command *command,
                             const struct mt_smtp_client_events *events, void *ctx)
{
    bool has_nul = false, has_cr = false, has_control = false, has_8bit = false, has_iac = false;

    for (size_t i = 0; i < line.size; i++) {
        uint8_t byte = line.ptr[i];
        has_nul |= byte == 0;
        has_cr |= byte == '\r';
        has_control |= (byte > 0 && byte < 0x20 && byte != '\r' && byte != '\t') || byte == 0x7f;
        has_8bit |= byte > 0x7f;
        has_iac |= byte == 0xff;
    }
    if (has_nul)
        events->anomaly(ctx, MT_ANOMALY_NUL_BYTE);
    if (has_cr)
        events->anomaly(ctx, MT_ANOMALY_BARE_CR);
    if (has_control)
        events->anomaly(ctx, MT_ANOMALY_CONTROL_BYTE);
    if (has_iac)
        events->anomaly(ctx, MT_ANOMALY_TELNET_OCTET);
    if (!has_8bit)
        return;
    if (!may_be_8bit(command))
        events->anomaly(ctx, MT_ANOMALY_EIGHT_BIT);
    else if (!mt_utf8_valid(line))
        events->anomaly(ctx, MT_ANOMALY_INVALID_UTF8);
}

static void report_line(const struct mt_smtp_line *line, const struct mt_smtp_command *command,
                        const struct mt_smtp_client_events *events, void *ctx)
{
    if (line->is_cut)
        events->anomaly(ctx, MT_ANOMALY_LINE_TOO_LONG);
    if (line->has_bare_lf)
        events->anomaly(ctx, MT_ANOMALY_BARE_LF);
    if (MT_UNLIKELY(line->is_odd))
        report_odd_bytes(line->text, command, events, ctx);
}

/* --- commands --------------------------------------------------------------- */

/* RFC 3030 §2: 1*DIGIT [ SP "LAST" ], here with any number of blanks. */
static bool parse_chunk(struct mt_span argument, uint64_t *ret_size, bool *ret_is_last)
{
    uint64_t size = 0;
    size_t at = 0;

    for (; at < argument.size && mt_ascii_is_digit(argument.ptr[at]); at++) {
        if (__builtin_mul_overflow(size, 10, &size) ||
            __builtin_add_overflow(size, (uint64_t)(argument.ptr[at] - '0'), &size))
            return false;
    }
    if (at == 0)
        return false;

    struct mt_span behind = mt_span_from(argument, at);
    struct mt_span marker = mt_span_trim(behind);
    bool is_last = marker.size > 0;
    if (is_last && (!is_blank(behind.ptr[0]) || !mt_span_ieq_cstr(marker, "LAST")))
        return false;
    *ret_size = size;
    *ret_is_last = is_last;
    return true;
}

/* "VRFY name", as nearly all commands look: a known verb of four letters, one
 * blank or the end behind it, and no blanks at the ends. */
static bool split_plain(struct mt_span line, struct mt_smtp_command *ret_command)
{
    if (line.size < 4 || (line.size > 4 && (line.ptr[4] != ' ' || line.size == 5 || is_blank(line.ptr[5]) ||
                                            is_blank(line.ptr[line.size - 1]))))
        return false;
    enum mt_smtp_verb verb = mt_smtp_verb_of_four(line.ptr);
    *ret_command = (struct mt_smtp_command){
        .verb = verb,
        .line = line,
        .word = mt_span_head(line, 4),
        .argument = mt_span_from(line, 5),
    };
    return verb != MT_VERB_UNKNOWN;
}

static void split_command(struct mt_span line, struct mt_smtp_command *ret_command)
{
    if (MT_LIKELY(split_plain(line, ret_command)))
        return;

    struct mt_span rest = mt_span_trim(line);
    size_t size = 0;

    while (size < rest.size && !is_blank(rest.ptr[size]))
        size++;
    *ret_command = (struct mt_smtp_command){
        .line = line,
        .word = mt_span_head(rest, size),
        .argument = mt_span_trim(mt_span_from(rest, size)),
    };
    ret_command->verb = mt_smtp_verb_of(ret_command->word);
    if (ret_command->verb == MT_VERB_UNKNOWN)
        return;
    struct mt_span behind = mt_span_from(rest, size);
    ret_command->has_odd_blanks = is_blank(line.ptr[line.size - 1]) ||
                                  (behind.size > 0 && (behind.ptr[0] == '\t' || is_blank(behind.ptr[1])));
}

/* Octets of the longest line that a verb has use for, as Snort has them. Those with
 * parameters have none, their paths are measured. */
#define VERB_LINE_MIN 500u
static size_t line_max_of(enum mt_smtp_verb verb)
{
    switch (verb) {
    case MT_VERB_HELO:
    case MT_VERB_EHLO:
    case MT_VERB_LHLO:
    case MT_VERB_HELP:
    case MT_VERB_ETRN:
        return 500;
    case MT_VERB_X_LINK2STATE: /* CVE-2005-0560 */
        return 520;
    default:
        return SIZE_MAX;
    }
}

static void report_command(const struct mt_smtp_command *command, const struct mt_smtp_client_events *events,
                           void *ctx)
{
    unsigned flags = mt_smtp_verb_flags(command->verb);

    if (command->word.size == 0)
        events->anomaly(ctx, MT_ANOMALY_EMPTY_COMMAND);
    else if (command->verb == MT_VERB_UNKNOWN)
        events->anomaly(ctx, MT_ANOMALY_UNKNOWN_COMMAND);
    if (command->line.size > 0 && is_blank(command->line.ptr[0]))
        events->anomaly(ctx, MT_ANOMALY_BLANK_BEFORE_VERB);
    if (MT_UNLIKELY(command->has_odd_blanks))
        events->anomaly(ctx, MT_ANOMALY_BLANKS_IN_COMMAND);
    if (MT_UNLIKELY(command->line.size > VERB_LINE_MIN) && command->line.size > line_max_of(command->verb))
        events->anomaly(ctx, MT_ANOMALY_VERB_LINE_TOO_LONG);
    if (flags & MT_VERB_OBSOLETE)
        events->anomaly(ctx, MT_ANOMALY_OBSOLETE_COMMAND);
    if ((flags & MT_VERB_ARG_NEEDED) && command->argument.size == 0)
        events->anomaly(ctx, MT_ANOMALY_ARGUMENT_MISSING);
    if ((flags & MT_VERB_ARG_NONE) && command->argument.size > 0)
        events->anomaly(ctx, MT_ANOMALY_ARGUMENT_UNEXPECTED);
    if (command->verb == MT_VERB_BDAT && !command->chunk_valid)
        events->anomaly(ctx, MT_ANOMALY_BDAT_MALFORMED);
}

static void end_chunk(struct mt_smtp_client *client, const struct mt_smtp_client_events *events, void *ctx)
{
    client->mode = MT_SMTP_COMMAND;
    events->content_end(ctx, true);
}

static void take_command(struct mt_smtp_client *client, const struct mt_smtp_line *line,
                         const struct mt_smtp_client_events *events, void *ctx)
{
    struct mt_smtp_command command;

    split_command(line->text, &command);
    command.octets = (uint32_t)line->taken;
    command.is_odd = line->is_odd;
    /* Of a line that was cut the marker LAST may be missing. */
    if (command.verb == MT_VERB_BDAT && !line->is_cut)
        command.chunk_valid = parse_chunk(command.argument, &command.chunk_size, &command.chunk_last);
    report_line(line, &command, events, ctx);
    report_command(&command, events, ctx);

    /* The mode comes first: the callee's choice outranks it. */
    if (command.chunk_valid) {
        client->mode = MT_SMTP_CHUNK;
        client->chunk_left = command.chunk_size;
        client->content_bytes = 0;
    }
    events->command(ctx, &command);
    if (client->mode == MT_SMTP_CHUNK && client->chunk_left == 0)
        end_chunk(client, events, ctx);
}

static void take_auth_response(struct mt_smtp_client *client, const struct mt_smtp_line *line,
                               const struct mt_smtp_client_events *events, void *ctx)
{
    client->mode = MT_SMTP_COMMAND;
    report_line(line, NULL, events, ctx);
    events->auth_response(ctx, line->text, (uint32_t)line->taken);
}

/* --- the modes -------------------------------------------------------------- */

/* Each of these returns how many bytes it took from the start of rest. */

static size_t skip_to_lf(struct mt_smtp_client *client, struct mt_span rest)
{
    size_t lf = mt_scan_byte(rest, '\n');

    if (lf == rest.size)
        return rest.size;
    client->flags = 0;
    return lf + 1;
}

/* 0 when the line's end is not there yet. */
static size_t parse_line(struct mt_smtp_client *client, struct mt_span rest, bool is_forced,
                         const struct mt_smtp_client_events *events, void *ctx)
{
    struct mt_smtp_line line;

    if (!mt_smtp_line_next(rest, is_forced, &line))
        return 0;
    if (line.is_cut || line.is_open)
        client->flags |= MT_CLIENT_LINE_CUT;
    if (client->mode == MT_SMTP_AUTH)
        take_auth_response(client, &line, events, ctx);
    else
        take_command(client, &line, events, ctx);
    return line.taken;
}

static size_t parse_chunk_octets(struct mt_smtp_client *client, struct mt_span rest,
                                 const struct mt_smtp_client_events *events, void *ctx)
{
    struct mt_span octets = mt_span_head(rest, mt_min_u64(client->chunk_left, rest.size));

    client->chunk_left -= octets.size;
    client->content_bytes += octets.size;
    events->content(ctx, octets);
    if (client->chunk_left == 0)
        end_chunk(client, events, ctx);
    return octets.size;
}

static bool must_skip(const struct mt_smtp_client *client)
{
    bool is_line_mode = client->mode == MT_SMTP_COMMAND || client->mode == MT_SMTP_AUTH;
    return (client->flags & MT_CLIENT_LINE_CUT) || ((client->flags & MT_CLIENT_LINE_LOST) && is_line_mode);
}

struct mt_parse_result mt_smtp_client_parse(struct mt_smtp_client *client, struct mt_span bytes,
                                            bool is_forced, const struct mt_smtp_client_events *events,
                                            void *ctx)
{
    size_t at = 0;

    while (at < bytes.size && client->mode != MT_SMTP_OPAQUE) {
        struct mt_span rest = mt_span_from(bytes, at);

        if (MT_UNLIKELY(client->flags != 0) && must_skip(client)) {
            at += skip_to_lf(client, rest);
            continue;
        }
        switch (client->mode) {
        case MT_SMTP_CONTENT:
            at += mt_smtp_content_parse(client, rest, events, ctx);
            break;
        case MT_SMTP_CHUNK:
            at += parse_chunk_octets(client, rest, events, ctx);
            break;
        case MT_SMTP_HOLD:
            if (!is_forced)
                return (struct mt_parse_result){.status = MT_PARSE_WAIT, .consumed = at};
            at = bytes.size;
            break;
        default: {
            size_t taken = parse_line(client, rest, is_forced, events, ctx);
            if (taken == 0)
                return (struct mt_parse_result){.status = MT_PARSE_MORE, .consumed = at};
            at += taken;
        }
        }
    }
    return (struct mt_parse_result){.status = MT_PARSE_DONE, .consumed = bytes.size};
}

/* --- from outside ----------------------------------------------------------- */

void mt_smtp_client_want_marks(struct mt_smtp_client *client, bool wants_marks)
{
    if (wants_marks)
        client->flags |= MT_CLIENT_MARKS;
    else
        client->flags &= (uint8_t)~MT_CLIENT_MARKS;
}

void mt_smtp_client_want_lines(struct mt_smtp_client *client)
{
    client->flags |= MT_CLIENT_LINES;
}

bool mt_smtp_client_gives_marks(const struct mt_smtp_client *client)
{
    return client->mode == MT_SMTP_CONTENT && (client->flags & MT_CLIENT_MARKS);
}

void mt_smtp_client_set_mode(struct mt_smtp_client *client, enum mt_smtp_client_mode mode)
{
    MT_CHECK_HOT(mode != MT_SMTP_CHUNK);
    client->mode = (uint8_t)mode;
    client->chunk_left = 0;
    if (mode != MT_SMTP_CONTENT)
        return;
    client->content_bytes = 0;
    client->tail = MT_TAIL_CRLF;
    if (client->flags & MT_CLIENT_LINE_LOST) {
        client->tail = MT_TAIL_LOST;
        client->chunk_left = MT_LINE_LOST;
    }
    client->flags &= (uint8_t)~MT_CLIENT_LINE_LOST;
}

void mt_smtp_client_gap(struct mt_smtp_client *client, uint64_t size)
{
    switch (client->mode) {
    case MT_SMTP_CONTENT:
        client->tail = MT_TAIL_LOST;
        client->chunk_left = MT_LINE_LOST;
        client->flags &= MT_CLIENT_LINES;
        break;
    case MT_SMTP_CHUNK:
        if (size < client->chunk_left) {
            client->chunk_left -= size;
            break;
        }
        client->mode = MT_SMTP_COMMAND;
        client->flags = size > client->chunk_left ? MT_CLIENT_LINE_LOST : 0;
        client->chunk_left = 0;
        break;
    default:
        client->flags = MT_CLIENT_LINE_LOST;
        break;
    }
}

bool mt_smtp_looks_like_command(struct mt_span bytes)
{
    size_t size = 0;

    while (size < bytes.size && !is_blank(bytes.ptr[size]) && bytes.ptr[size] != '\r' &&
           bytes.ptr[size] != '\n')
        size++;
    enum mt_smtp_verb verb = mt_smtp_verb_of(mt_span_head(bytes, size));
    if (verb == MT_VERB_UNKNOWN || size == bytes.size)
        return false;

    struct mt_span rest = mt_span_from(bytes, size);
    while (rest.size > 0 && is_blank(rest.ptr[0]))
        rest = mt_span_from(rest, 1);
    if (verb == MT_VERB_MAIL)
        return mt_span_istarts(rest, "FROM:");
    if (verb == MT_VERB_RCPT)
        return mt_span_istarts(rest, "TO:");
    if (mt_smtp_verb_flags(verb) & MT_VERB_ARG_NONE)
        return rest.size > 0 && (rest.ptr[0] == '\r' || rest.ptr[0] == '\n');
    return true;
}
