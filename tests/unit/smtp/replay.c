#include "replay.h"

#include "base/codec.h"
#include "base/hash.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define GUARDED_SIZE (256u * 1024u)
#define ABBREVIATE_ABOVE 160u
#define ABBREVIATE_TO 40u

void replay_broken(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    abort();
}

static void require(bool is_true, const char *what)
{
    if (!is_true)
        replay_broken("contract: %s", what);
}

/* --- texts ------------------------------------------------------------------ */

static void reserve(struct replay_text *text, size_t size)
{
    if (text->size + size + 1 <= text->cap)
        return;
    text->cap = (text->size + size + 1) * 2;
    text->ptr = realloc(text->ptr, text->cap);
    if (text->ptr == NULL)
        replay_broken("out of memory");
}

void replay_put_bytes(struct replay_text *text, struct mt_span bytes)
{
    reserve(text, bytes.size);
    if (bytes.size > 0)
        memcpy(text->ptr + text->size, bytes.ptr, bytes.size);
    text->size += bytes.size;
    text->ptr[text->size] = '\0';
}

void replay_put(struct replay_text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    reserve(text, (size_t)size);
    va_start(args, format);
    vsnprintf(text->ptr + text->size, (size_t)size + 1, format, args);
    va_end(args);
    text->size += (size_t)size;
}

void replay_put_escaped(struct replay_text *text, struct mt_span bytes)
{
    for (size_t at = 0; at < bytes.size;) {
        uint8_t byte = bytes.ptr[at];
        size_t size = byte >= 0x20 && byte != 0x7f ? mt_utf8_char(mt_span_from(bytes, at)) : 0;
        if (byte == '\r')
            replay_put(text, "\\r");
        else if (byte == '\n')
            replay_put(text, "\\n");
        else if (byte == '\t')
            replay_put(text, "\\t");
        else if (byte == '\\')
            replay_put(text, "\\\\");
        else if (size > 0)
            replay_put_bytes(text, mt_span(bytes.ptr + at, size));
        else
            replay_put(text, "\\x%02x", byte);
        at += size > 0 ? size : 1;
    }
}

/* Long ones as their head, size and digest. */
static void put_quoted(struct replay_text *text, struct mt_span bytes)
{
    if (bytes.ptr == NULL) {
        replay_put(text, "absent");
        return;
    }
    if (bytes.size <= ABBREVIATE_ABOVE) {
        replay_put(text, "\"");
        replay_put_escaped(text, bytes);
        replay_put(text, "\"");
        return;
    }
    replay_put(text, "\"");
    replay_put_escaped(text, mt_span_head(bytes, ABBREVIATE_TO));
    replay_put(text, "\"... %zu octets, digest %016" PRIx64, bytes.size, mt_hash_bytes(0, bytes));
}

static void put_content(struct replay *r)
{
    struct mt_span rest = mt_span(r->content.ptr, r->content.size);

    if (rest.size == 0)
        return;
    replay_put(&r->log, "C content %zu octets\n", rest.size);
    while (rest.size > 0) {
        const uint8_t *lf = memchr(rest.ptr, '\n', rest.size);
        size_t size = lf != NULL ? (size_t)(lf - rest.ptr) + 1 : rest.size;
        replay_put(&r->log, "    ");
        put_quoted(&r->log, mt_span_head(rest, size));
        replay_put(&r->log, "\n");
        rest = mt_span_from(rest, size);
    }
    r->content.size = 0;
}

static struct replay_text *event(struct replay *r)
{
    put_content(r);
    return &r->log;
}

/* --- the message in the content --------------------------------------------- */

static void on_field(void *ctx, struct mt_span name, struct mt_span value, bool is_cut)
{
    struct replay *r = ctx;
    uint8_t storage[3 * MT_MESSAGE_FIELD_MAX];
    struct mt_buf decoded = mt_buf(storage, sizeof(storage));

    replay_put(&r->fields, "M field ");
    put_quoted(&r->fields, name);
    replay_put(&r->fields, " ");
    put_quoted(&r->fields, value);
    mt_message_decode_words(value, NULL, NULL, &decoded);
    require(mt_utf8_valid(mt_buf_span(&decoded)), "decoded words are UTF-8");
    if (!mt_span_eq(mt_buf_span(&decoded), value)) {
        replay_put(&r->fields, " decoded=");
        put_quoted(&r->fields, mt_buf_span(&decoded));
    }
    replay_put(&r->fields, "%s\n", is_cut ? " cut" : "");
}

static void on_message_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    struct replay *r = ctx;
    replay_put(&r->fields, "M anomaly %s\n", mt_anomaly_name(anomaly));
}

static const struct mt_message_events message_events = {.field = on_field, .anomaly = on_message_anomaly};

static void message_bytes(struct replay *r, struct mt_span bytes)
{
    if (!r->is_message_open) {
        mt_message_header_start(&r->header);
        r->is_message_open = true;
        r->is_header_open = true;
    }
    if (r->is_header_open)
        r->is_header_open = mt_message_header_parse(&r->header, bytes, &message_events, r);
}

static void end_message(struct replay *r)
{
    if (r->is_message_open && r->is_header_open)
        mt_message_header_finish(&r->header, &message_events, r);
    r->is_message_open = false;
    replay_put_bytes(event(r), mt_span(r->fields.ptr, r->fields.size));
    r->fields.size = 0;
}

/* --- client events ---------------------------------------------------------- */

static void expect_reply(struct replay *r, enum replay_due due)
{
    if (r->due_count == MT_ARRAY_COUNT(r->due)) {
        r->due_first++;
        r->due_count--;
    }
    r->due[(r->due_first + r->due_count++) % MT_ARRAY_COUNT(r->due)] = due;
    if (due != REPLAY_DUE_REPLY)
        mt_smtp_client_set_mode(&r->client, MT_SMTP_HOLD);
}

static void on_client_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    replay_put(event(ctx), "C anomaly %s\n", mt_anomaly_name(anomaly));
}

static const struct mt_smtp_client_events mailbox_events = {.anomaly = on_client_anomaly};

static void put_mailbox(struct replay *r, const struct mt_smtp_command *command)
{
    struct mt_smtp_mailbox_argument mailbox;
    bool is_mail = command->verb == MT_VERB_MAIL;

    if (!mt_smtp_parse_mailbox(command->argument, is_mail, &mailbox_events, r, &mailbox)) {
        replay_put(event(r), "C no address\n");
        return;
    }
    require(mailbox.parameter_count <= mailbox.parameters_total, "parameters reported <= parameters");
    struct replay_text *log = event(r);
    replay_put(log, "C address ");
    put_quoted(log, mailbox.path.address);
    if (mailbox.path.has_route) {
        replay_put(log, " mailbox=");
        put_quoted(log, mailbox.path.mailbox);
    }
    replay_put(log, " local=");
    put_quoted(log, mailbox.path.local);
    replay_put(log, " domain=");
    put_quoted(log, mailbox.path.domain);
    replay_put(log, "\n");
    for (uint32_t i = 0; i < mailbox.parameter_count; i++) {
        replay_put(log, "C parameter ");
        put_quoted(log, mailbox.parameters[i].keyword);
        replay_put(log, " ");
        put_quoted(log, mailbox.parameters[i].value);
        replay_put(log, "\n");
    }
    if (mailbox.parameters_total > mailbox.parameter_count)
        replay_put(log, "C parameters total=%" PRIu32 "\n", mailbox.parameters_total);
}

static void on_command(void *ctx, const struct mt_smtp_command *command)
{
    struct replay *r = ctx;
    struct replay_text *log = event(r);

    require(command->line.size <= MT_SMTP_LINE_MAX, "no line over the limit");
    replay_put(log, "C command %s word=", mt_smtp_verb_field(command->verb));
    put_quoted(log, command->word);
    replay_put(log, " argument=");
    put_quoted(log, command->argument);
    if (command->verb == MT_VERB_BDAT && command->chunk_valid)
        replay_put(log, " size=%" PRIu64 "%s", command->chunk_size, command->chunk_last ? " last" : "");
    replay_put(log, "\n");

    r->is_last_chunk = command->chunk_last;
    r->content_size = 0;
    if (command->verb == MT_VERB_MAIL || command->verb == MT_VERB_RCPT)
        put_mailbox(r, command);
    if (command->verb == MT_VERB_DATA)
        expect_reply(r, REPLAY_DUE_354);
    else if (command->verb == MT_VERB_AUTH)
        expect_reply(r, REPLAY_DUE_AUTH);
    else if (command->verb == MT_VERB_STARTTLS || command->verb == MT_VERB_X_ANONYMOUSTLS)
        expect_reply(r, REPLAY_DUE_TLS);
    else
        expect_reply(r, REPLAY_DUE_REPLY);
}

static void on_auth_response(void *ctx, struct mt_span line, uint32_t octets)
{
    struct replay *r = ctx;
    struct replay_text *log = event(r);

    require(r->client.mode == MT_SMTP_COMMAND, "an AUTH response leaves mode AUTH");
    require(octets >= line.size && octets <= line.size + 2, "octets counts the line end");
    replay_put(log, "C auth_response ");
    put_quoted(log, line);
    replay_put(log, "\n");
    expect_reply(r, REPLAY_DUE_AUTH);
}

static void on_content(void *ctx, struct mt_span bytes)
{
    struct replay *r = ctx;

    require(bytes.size > 0, "no empty content");
    r->content_size += bytes.size;
    require(r->client.content_bytes == r->content_size, "content_bytes counts what was given out");
    replay_put_bytes(&r->content, bytes);
    message_bytes(r, bytes);
}

static void put_octets(struct replay *r)
{
    const struct mt_octets *octets = &r->octets;

    if (octets->bare_lf + octets->bare_cr + octets->eight_bit + octets->control > 0)
        replay_put(&r->log,
                   "C octets: bare LF %" PRIu64 ", bare CR %" PRIu64 ", 8-bit %" PRIu64 ", control %" PRIu64
                   "\n",
                   octets->bare_lf, octets->bare_cr, octets->eight_bit, octets->control);
    r->octets = (struct mt_octets){0};
}

static void on_content_end(void *ctx, bool is_chunk)
{
    struct replay *r = ctx;

    require(r->client.mode == MT_SMTP_COMMAND, "the end of content leads back to COMMAND");
    require(r->client.content_bytes == r->content_size, "content_bytes counts what was given out");
    replay_put(event(r), is_chunk ? "C chunk_end\n" : "C content_end %" PRIu64 " octets\n", r->content_size);
    r->content_size = 0;
    put_octets(r);
    if (!is_chunk)
        expect_reply(r, REPLAY_DUE_REPLY);
    if (!is_chunk || r->is_last_chunk)
        end_message(r);
}

static void on_octets(void *ctx, const struct mt_octets *octets)
{
    struct replay *r = ctx;

    require(octets->crlf == 0 && octets->longest == 0, "lines are counted for those who ask");
    require(octets->bare_lf + octets->bare_cr + octets->eight_bit + octets->control > 0,
            "there are odd octets");
    r->octets.bare_lf += octets->bare_lf;
    r->octets.bare_cr += octets->bare_cr;
    r->octets.eight_bit += octets->eight_bit;
    r->octets.control += octets->control;
}

static const struct mt_smtp_client_events client_events = {
    .command = on_command,
    .auth_response = on_auth_response,
    .content = on_content,
    .content_end = on_content_end,
    .octets = on_octets,
    .anomaly = on_client_anomaly,
};

/* --- server events ---------------------------------------------------------- */

static void on_server_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    replay_put(event(ctx), "S anomaly %s\n", mt_anomaly_name(anomaly));
}

static void end_hold(struct replay *r, enum mt_smtp_client_mode mode)
{
    if (r->client.mode == MT_SMTP_HOLD)
        replay_mode(r, mode);
}

/* A reply is complete: what the oldest command makes of it. */
static void take_reply(struct replay *r, unsigned code)
{
    if (r->due_count == 0)
        return;
    enum replay_due due = r->due[r->due_first++ % MT_ARRAY_COUNT(r->due)];
    r->due_count--;
    if (due == REPLAY_DUE_354) {
        end_hold(r, code == 354 ? MT_SMTP_CONTENT : MT_SMTP_COMMAND);
    } else if (due == REPLAY_DUE_AUTH) {
        end_hold(r, code == 334 ? MT_SMTP_AUTH : MT_SMTP_COMMAND);
    } else if (due == REPLAY_DUE_TLS) {
        end_hold(r, code == 220 ? MT_SMTP_OPAQUE : MT_SMTP_COMMAND);
        r->server.opaque = code == 220;
    }
}

static void on_reply_line(void *ctx, const struct mt_smtp_reply_line *line)
{
    struct replay *r = ctx;
    struct replay_text *log = event(r);

    require(line->code <= 999 && line->line.size <= MT_SMTP_LINE_MAX, "a reply line within its limits");
    replay_put(log, "S reply %03u index=%" PRIu32 "%s", line->code, line->index,
               line->is_last ? " last" : "");
    if (line->enhanced.class != 0)
        replay_put(log, " enhanced=%u.%u.%u", line->enhanced.class, line->enhanced.subject,
                   line->enhanced.detail);
    replay_put(log, " text=");
    put_quoted(log, line->text);
    struct mt_span queue_id = mt_smtp_queue_id(line->text);
    if (line->code == 250 && line->is_last && queue_id.ptr != NULL) {
        replay_put(log, " queue_id=");
        put_quoted(log, queue_id);
    }
    replay_put(log, "\n");
    if (line->is_last)
        take_reply(r, line->code);
}

static const struct mt_smtp_server_events server_events = {
    .reply_line = on_reply_line,
    .anomaly = on_server_anomaly,
};

/* --- spans ------------------------------------------------------------------ */

/* GUARDED_SIZE bytes between two pages that can't be touched. */
static uint8_t *guarded(void)
{
    static uint8_t *start;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);

    if (start == NULL) {
        uint8_t *base = mmap(NULL, GUARDED_SIZE + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (base == MAP_FAILED || mprotect(base + page, GUARDED_SIZE, PROT_READ | PROT_WRITE) != 0)
            replay_broken("no memory for a guarded region");
        start = base + page;
    }
    return start;
}

static struct mt_span placed(enum replay_place place, struct mt_span bytes)
{
    uint8_t *at = place == REPLAY_HEAP ? malloc(bytes.size > 0 ? bytes.size : 1) : guarded();

    require(at != NULL && (place == REPLAY_HEAP || bytes.size <= GUARDED_SIZE), "room for a span");
    if (place == REPLAY_END)
        at += GUARDED_SIZE - bytes.size;
    if (bytes.size > 0)
        memcpy(at, bytes.ptr, bytes.size);
    return mt_span(at, bytes.size);
}

static size_t parse(struct replay *r, enum mt_side side, struct mt_span bytes, bool is_forced)
{
    struct mt_span span = placed(r->place, bytes);
    struct mt_parse_result result;

    if (side == MT_CLIENT)
        result = mt_smtp_client_parse(&r->client, span, is_forced, &client_events, r);
    else
        result = mt_smtp_server_parse(&r->server, span, is_forced, &server_events, r);
    if (r->place == REPLAY_HEAP)
        free((void *)(uintptr_t)span.ptr);

    size_t left = bytes.size - result.consumed;
    require(result.consumed <= bytes.size, "consumed <= size");
    require(result.status != MT_PARSE_DONE || left == 0, "DONE consumes everything");
    require(result.status != MT_PARSE_MORE || (left > 0 && left < MT_SMTP_LINE_MAX),
            "MORE leaves a short tail");
    require(result.status != MT_PARSE_WAIT || r->client.mode == MT_SMTP_HOLD, "WAIT belongs to HOLD");
    require(!is_forced || result.status == MT_PARSE_DONE, "forced bytes are taken");
    if (result.status == MT_PARSE_WAIT && r->hold < r->holds.size)
        mt_smtp_client_set_mode(&r->client, (enum mt_smtp_client_mode)r->holds.ptr[r->hold++]);
    return result.consumed;
}

/* Everything that is kept, until the parser takes no more of it. */
static void offer(struct replay *r, enum mt_side side, bool is_forced)
{
    struct replay_text *kept = &r->kept[side];
    size_t taken = 1;

    while (kept->size > 0 && taken > 0) {
        size_t hold = r->hold;
        taken = parse(r, side, mt_span(kept->ptr, kept->size), is_forced);
        memmove(kept->ptr, kept->ptr + taken, kept->size - taken);
        kept->size -= taken;
        taken += r->hold - hold;
    }
}

void replay_bytes(struct replay *r, enum mt_side side, struct mt_span bytes)
{
    replay_put_bytes(&r->kept[side], bytes);
    offer(r, side, false);
}

void replay_turn(struct replay *r)
{
    offer(r, MT_CLIENT, false);
}

void replay_gap(struct replay *r, enum mt_side side, uint64_t size)
{
    r->kept[side].size = 0;
    replay_put(event(r), "%c gap %" PRIu64 "\n", side == MT_CLIENT ? 'C' : 'S', size);
    if (side == MT_CLIENT)
        mt_smtp_client_gap(&r->client, size);
    else
        mt_smtp_server_gap(&r->server, size);
    bool has_content = r->client.mode == MT_SMTP_CONTENT || r->client.mode == MT_SMTP_CHUNK;
    r->content_size = has_content ? r->client.content_bytes : 0;
}

void replay_mode(struct replay *r, enum mt_smtp_client_mode mode)
{
    mt_smtp_client_set_mode(&r->client, mode);
    r->content_size = 0;
}

void replay_end(struct replay *r)
{
    offer(r, MT_SERVER, true);
    offer(r, MT_CLIENT, true);
    end_message(r);
}

void replay_start(struct replay *r, enum replay_place place)
{
    memset(r, 0, sizeof(*r));
    r->place = place;
    replay_put(&r->log, "%s", "");
}

void replay_free(struct replay *r)
{
    free(r->kept[MT_CLIENT].ptr);
    free(r->kept[MT_SERVER].ptr);
    free(r->content.ptr);
    free(r->fields.ptr);
    free(r->log.ptr);
}
