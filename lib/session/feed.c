/* Bytes of one side to its parser. The parser wants whole lines, so the start of
 * one that a segment border cut is carried over; it must not see bytes whose
 * meaning depends on a reply that has not come (mode HOLD); and where bytes
 * could be several things (TLS or text, a command or content behind a gap), the
 * first of them are looked at before it gets them. What is decided depends on
 * the bytes, never on how segments cut them: at most LOOK_MAX bytes are looked
 * at, and while fewer are there they wait in the carry. */
#include "base/endian.h"
#include "base/scan.h"
#include "session/look_alike_priv.h"
#include "session/parts_priv.h"

#define FIRST_CARRY 128u
/* Room for the longest verb with an argument that tells it from a header field. */
#define LOOK_MAX 24u
#define TLS_HANDSHAKE 0x16

MT_STATIC_ASSERT(MT_SMTP_LINE_MAX + sizeof(struct mt_carry) <= MT_ARENA_BLOCK_MAX,
                 "the longest line fits the largest carry");

static void on_client_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    mt_anomaly(ctx, anomaly);
}

const struct mt_smtp_client_events mt_client_events = {
    .command = mt_command_take,
    .auth_response = mt_auth_response,
    .content = mt_content_take,
    .content_end = mt_content_end,
    .look_alike = mt_look_alike_take,
    .octets = mt_content_octets,
    .anomaly = on_client_anomaly,
};

const struct mt_smtp_server_events mt_server_events = {
    .reply_line = mt_reply_take,
    .anomaly = on_client_anomaly,
};

/* --- the start of a line, carried over -------------------------------------- */

static uint64_t carry_flag(enum mt_side side)
{
    return side == MT_CLIENT ? MT_S_CARRY_CLIENT : MT_S_CARRY_SERVER;
}

/* A line of the client may be an AUTH response. */
static void put_carry(struct mt_session_engine *engine, struct mt_carry *carry, enum mt_side side)
{
    if (side == MT_CLIENT)
        mt_wipe(carry->bytes, carry->size);
    mt_arena_put(engine->arena, carry, sizeof(*carry) + carry->cap);
}

static struct mt_carry *take_carry(struct mt_session *session, enum mt_side side)
{
    if (!(session->flags & carry_flag(side)))
        return NULL;
    struct mt_carry *carry = session->extra->carry[side];
    session->extra->carry[side] = NULL;
    session->flags &= ~carry_flag(side);
    return carry;
}

void mt_carry_free(struct mt_session_engine *engine, struct mt_session *session, enum mt_side side)
{
    struct mt_carry *carry = take_carry(session, side);

    if (carry != NULL)
        put_carry(engine, carry, side);
}

static bool reserve_carry(struct mt_run *run, size_t more)
{
    struct mt_extra *extra = mt_extra(run);
    struct mt_carry *old = extra == NULL ? NULL : extra->carry[run->side];
    size_t size = old == NULL ? 0 : old->size;
    size_t block = FIRST_CARRY;

    if (extra == NULL)
        return false;
    if (old != NULL && old->cap - size >= more)
        return true;
    while (block < sizeof(*old) + size + more)
        block *= 2;
    struct mt_carry *carry = mt_arena_get(run->engine->arena, block);
    if (carry == NULL) {
        mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, 1);
        return false;
    }
    carry->size = (uint16_t)size;
    carry->cap = (uint16_t)(block - sizeof(*carry));
    if (old != NULL) {
        memcpy(carry->bytes, old->bytes, size);
        put_carry(run->engine, old, run->side);
    }
    extra->carry[run->side] = carry;
    run->session->flags |= carry_flag(run->side);
    return true;
}

/* False: memory was refused, and the line is given up. */
static bool carry_append(struct mt_run *run, struct mt_span bytes)
{
    if (!reserve_carry(run, bytes.size)) {
        mt_carry_free(run->engine, run->session, run->side);
        mt_gap_line(run);
        return false;
    }
    struct mt_carry *carry = run->session->extra->carry[run->side];
    memcpy(carry->bytes + carry->size, bytes.ptr, bytes.size);
    carry->size = (uint16_t)(carry->size + bytes.size);
    return true;
}

static struct mt_parse_result parse(struct mt_run *run, struct mt_span bytes, bool is_forced)
{
    struct mt_session *session = run->session;

    if (run->side == MT_CLIENT)
        return mt_smtp_client_parse(&session->client, bytes, is_forced, &mt_client_events, run);
    return mt_smtp_server_parse(&session->server, bytes, is_forced, &mt_server_events, run);
}

static bool is_in_lines(const struct mt_run *run)
{
    uint8_t mode = run->session->client.mode;
    return run->side == MT_SERVER || mode == MT_SMTP_COMMAND || mode == MT_SMTP_AUTH;
}

/* The end of the line that is carried; returns how many bytes of rest it took. */
static size_t feed_carried(struct mt_run *run, struct mt_span rest)
{
    struct mt_session *session = run->session;
    size_t taken = 0;

    if (is_in_lines(run)) {
        size_t size = session->extra->carry[run->side]->size;
        struct mt_span window = mt_span_head(rest, MT_SMTP_LINE_MAX - size);
        size_t lf = mt_scan_byte(window, '\n');
        bool is_whole = lf < window.size;
        taken = is_whole ? lf + 1 : window.size;
        if (!carry_append(run, mt_span_head(rest, taken)))
            return taken;
        if (!is_whole && size + taken < MT_SMTP_LINE_MAX)
            return taken;
    }
    /* Whatever the line starts must not find it still carried. */
    struct mt_carry *carry = take_carry(session, run->side);
    struct mt_span line = mt_span(carry->bytes, carry->size);
    struct mt_parse_result result = parse(run, line, false);
    if (result.consumed < line.size)
        carry_append(run, mt_span_from(line, result.consumed));
    put_carry(run->engine, carry, run->side);
    return taken;
}

static size_t feed_plain(struct mt_run *run, struct mt_span rest)
{
    struct mt_parse_result result = parse(run, rest, false);

    if (result.status != MT_PARSE_MORE)
        return result.consumed;
    carry_append(run, mt_span_from(rest, result.consumed));
    return rest.size;
}

static uint64_t look_flag(enum mt_side side)
{
    return side == MT_CLIENT ? MT_S_LOOK_CLIENT : MT_S_LOOK_SERVER;
}

/* Must the next line be read alone, because it may change what follows it? TLS
 * may begin at the start of any line behind a STARTTLS, and behind a 220 whose
 * command was not seen; client bytes that wait have to be read before the
 * server's answers to them. */
static bool is_line_wise(const struct mt_run *run)
{
    const struct mt_session *session = run->session;
    bool is_awaited = session->client.mode == MT_SMTP_HOLD &&
                      (session->hold == MT_VERB_STARTTLS || (session->flags & MT_S_CLIENT_WAITS));

    bool is_unseen =
        run->side == MT_SERVER && (session->packets[MT_CLIENT] == 0 || (session->flags & MT_S_RESYNC));

    return (is_awaited || is_unseen || (session->flags & MT_S_TLS_WAIT)) && is_in_lines(run);
}

/* TLS may begin behind the line that was read. */
static void await_tls(struct mt_run *run)
{
    struct mt_session *session = run->session;
    bool may_be_tls = (session->flags & MT_S_TLS_WAIT) && is_in_lines(run);

    if (MT_UNLIKELY(may_be_tls) && !(session->flags & carry_flag(run->side)))
        session->flags |= look_flag(run->side);
}

static size_t feed_some(struct mt_run *run, struct mt_span rest)
{
    const struct mt_session *session = run->session;

    if (MT_UNLIKELY(is_line_wise(run)))
        rest = mt_span_head(rest, mt_scan_byte(rest, '\n') + 1);
    size_t taken = session->flags & carry_flag(run->side) ? feed_carried(run, rest) : feed_plain(run, rest);
    await_tls(run);
    return taken;
}

/* Most segments are lines that nothing stands in the way of. */
#define LINE_OBSTACLES                                                                                 \
    (MT_S_LOOK_CLIENT | MT_S_LOOK_SERVER | MT_S_CARRY_CLIENT | MT_S_CARRY_SERVER | MT_S_CLIENT_WAITS | \
     MT_S_TLS_WAIT | MT_S_RESYNC)

static bool is_plain_lines(const struct mt_run *run)
{
    const struct mt_session *session = run->session;

    return !(session->flags & LINE_OBSTACLES) && session->client.mode == MT_SMTP_COMMAND &&
           session->packets[MT_CLIENT] > 0 && !session->server.opaque;
}

static size_t feed_lines(struct mt_run *run, struct mt_span bytes)
{
    size_t taken = feed_plain(run, bytes);

    await_tls(run);
    return taken;
}

/* --- looking before parsing ------------------------------------------------- */

enum answer {
    ANSWER_NO,
    ANSWER_YES,
    ANSWER_MORE, /* too few bytes to say */
};

static struct mt_span gather(const struct mt_run *run, struct mt_span rest, uint8_t buffer[LOOK_MAX])
{
    const struct mt_session *session = run->session;
    struct mt_buf b = mt_buf(buffer, LOOK_MAX);

    if (session->flags & carry_flag(run->side)) {
        const struct mt_carry *carry = session->extra->carry[run->side];
        MT_BUG_ON(carry == NULL);
        mt_buf_put_head(&b, mt_span(carry->bytes, carry->size));
    }
    mt_buf_put_head(&b, rest);
    return mt_buf_span(&b);
}

/* A TLS record: content type, major version (RFC 8446 §5.1). At its start a
 * connection can only begin with a handshake record. */
static enum answer is_tls(struct mt_span bytes, bool is_begun)
{
    uint8_t type = bytes.ptr[0];

    if (type != TLS_HANDSHAKE && !(is_begun && type >= 0x14 && type <= 0x17))
        return ANSWER_NO;
    if (bytes.size < 2)
        return ANSWER_MORE;
    return bytes.ptr[1] == 0x03 ? ANSWER_YES : ANSWER_NO;
}

/* A client hello in the form of SSL 2 (RFC 5246 §E.2), which only begins a
 * connection or follows a 220 to STARTTLS. */
static enum answer is_ssl2(struct mt_span bytes)
{
    uint16_t version;

    if (!(bytes.ptr[0] & 0x80))
        return ANSWER_NO;
    if (bytes.size < 5)
        return ANSWER_MORE;
    return mt_tls_is_ssl2_hello(bytes, &version) ? ANSWER_YES : ANSWER_NO;
}

static bool may_be_ssl2(const struct mt_run *run, struct mt_span seen)
{
    const struct mt_session *session = run->session;

    if (!(seen.ptr[0] & 0x80) || (session->flags & MT_S_GAP_CLIENT))
        return false;
    return session->state == MT_STATE_CONNECTED || (session->flags & MT_S_TLS_WAIT);
}

static bool is_verb_byte(uint8_t byte)
{
    return mt_ascii_is_alpha(byte) || mt_ascii_is_digit(byte) || byte == '-';
}

static enum answer is_command(struct mt_span bytes)
{
    size_t size = 0;

    if (mt_smtp_looks_like_command(bytes))
        return ANSWER_YES;
    if (bytes.size == LOOK_MAX || mt_scan_byte(bytes, '\n') < bytes.size)
        return ANSWER_NO;
    while (size < bytes.size && is_verb_byte(bytes.ptr[size]))
        size++;
    if (size == bytes.size)
        return ANSWER_MORE;
    bool is_verb = mt_smtp_verb_of(mt_span_head(bytes, size)) != MT_VERB_UNKNOWN;
    return is_verb && (bytes.ptr[size] == ' ' || bytes.ptr[size] == '\t') ? ANSWER_MORE : ANSWER_NO;
}

/* Three digits and what may stand behind them. */
static enum answer is_reply(struct mt_span bytes)
{
    for (size_t i = 0; i < bytes.size && i < 3; i++) {
        if (!mt_ascii_is_digit(bytes.ptr[i]))
            return ANSWER_NO;
    }
    if (bytes.size < 4)
        return ANSWER_MORE;
    return memchr(" -\t\r\n", bytes.ptr[3], 5) != NULL ? ANSWER_YES : ANSWER_NO;
}

/* The first bytes behind a gap, or of a connection that was picked up in its
 * middle. Commands start segments, and gaps are made of whole segments. */
static void resume_client(struct mt_run *run, bool looks_like_command)
{
    struct mt_session *session = run->session;
    bool is_start = session->extra == NULL || session->extra->missing[MT_CLIENT] == 0;
    bool may_be_content = session->flags & MT_S_MAY_BE_CONTENT;

    session->flags &= ~MT_S_MAY_BE_CONTENT;

    if (session->client.mode == MT_SMTP_CONTENT) {
        if (looks_like_command && mt_is_server_silent(session))
            mt_content_force_end(run);
        return;
    }
    if (session->client.mode != MT_SMTP_COMMAND)
        return;
    if (looks_like_command) {
        session->client = (struct mt_smtp_client){0};
    } else if (may_be_content && (is_start || mt_is_server_silent(session))) {
        /* Content most likely: replies, if there are any, will say. */
        mt_smtp_client_gap(&session->client, 0);
        mt_smtp_client_set_mode(&session->client, MT_SMTP_CONTENT);
        session->flags |= MT_S_GUESS;
    } else { /* the end of a line whose start is missing */
        mt_smtp_client_gap(&session->client, 0);
        mt_carry_free(run->engine, session, MT_CLIENT);
    }
}

/* Each look returns how many bytes it put aside because they were too few, or 0
 * when it has decided. */
static size_t put_aside(struct mt_run *run, struct mt_span rest)
{
    carry_append(run, rest);
    return rest.size;
}

/* Where TLS was due and a gap came first, what is no text of the protocol is the
 * middle of a record. */
static bool is_inside_tls(const struct mt_session *session, bool is_behind_gap, enum answer text)
{
    return (session->flags & MT_S_TLS_WAIT) && is_behind_gap && text != ANSWER_YES;
}

static size_t look_at_client(struct mt_run *run, struct mt_span rest)
{
    struct mt_session *session = run->session;
    uint8_t buffer[LOOK_MAX];
    struct mt_span seen = gather(run, rest, buffer);
    bool is_behind_gap = session->flags & MT_S_GAP_CLIENT;

    enum answer tls = is_tls(seen, is_behind_gap);
    enum answer ssl2 = may_be_ssl2(run, seen) ? is_ssl2(seen) : ANSWER_NO;
    if ((tls == ANSWER_MORE || ssl2 == ANSWER_MORE) && !run->is_forced)
        return put_aside(run, rest);
    enum answer command = is_behind_gap && tls != ANSWER_YES ? is_command(seen) : ANSWER_NO;
    if (command == ANSWER_MORE && !run->is_forced)
        return put_aside(run, rest);

    session->flags &= ~(MT_S_LOOK_CLIENT | MT_S_GAP_CLIENT);
    if (ssl2 == ANSWER_YES) {
        uint16_t version = mt_load_be16(seen.ptr + 3);
        mt_tls_begin(run, false);
        mt_tls_watch_ssl2(run, version);
        return 0;
    }
    if (tls == ANSWER_YES || is_inside_tls(session, is_behind_gap, command)) {
        mt_tls_begin(run, tls == ANSWER_YES && seen.ptr[0] == TLS_HANDSHAKE);
        return 0;
    }
    mt_tls_absent(run);
    if (is_behind_gap)
        resume_client(run, command == ANSWER_YES);
    return 0;
}

static size_t look_at_server(struct mt_run *run, struct mt_span rest)
{
    struct mt_session *session = run->session;
    uint8_t buffer[LOOK_MAX];
    struct mt_span seen = gather(run, rest, buffer);
    bool is_behind_gap = session->flags & MT_S_GAP_SERVER;
    bool may_be_alert = is_behind_gap || (session->flags & (MT_S_TLS_WAIT | MT_S_TLS_FIRST));

    enum answer tls = is_tls(seen, may_be_alert);
    if (tls == ANSWER_MORE && !run->is_forced)
        return put_aside(run, rest);
    enum answer reply = is_behind_gap && tls != ANSWER_YES ? is_reply(seen) : ANSWER_NO;
    if (reply == ANSWER_MORE && !run->is_forced)
        return put_aside(run, rest);

    session->flags &= ~(MT_S_LOOK_SERVER | MT_S_GAP_SERVER);
    if (tls == ANSWER_YES || is_inside_tls(session, is_behind_gap, reply)) {
        mt_tls_begin(run, tls == ANSWER_YES && seen.ptr[0] == TLS_HANDSHAKE);
        return 0;
    }
    mt_tls_absent(run);
    if (reply == ANSWER_YES) {
        session->server = (struct mt_smtp_server){0};
    } else if (is_behind_gap) {
        mt_smtp_server_gap(&session->server, 0);
        mt_carry_free(run->engine, session, MT_SERVER);
    }
    return 0;
}

/* --- holding back ----------------------------------------------------------- */

void mt_hold(struct mt_session *session, enum mt_smtp_verb verb)
{
    mt_smtp_client_set_mode(&session->client, MT_SMTP_HOLD);
    session->hold = (uint8_t)verb;
}

void mt_resume(struct mt_run *run, enum mt_smtp_client_mode mode)
{
    struct mt_session *session = run->session;

    mt_smtp_client_set_mode(&session->client, mode);
    session->flags &= ~MT_S_GUESS;
    if (session->flags & MT_S_GAP_CLIENT)
        mt_gap_commands(run);
}

bool mt_is_server_silent(const struct mt_session *session)
{
    return session->packets[MT_SERVER] == 0 || (session->flags & MT_S_LOST_SERVER);
}

/* Bytes that did not wait for the reply. */
static void judge_haste(struct mt_run *run, struct mt_span rest)
{
    if (!mt_can_judge(run))
        return;
    switch (run->session->hold) {
    case MT_VERB_DATA:
        mt_anomaly(run, MT_ANOMALY_CONTENT_BEFORE_354);
        break;
    case MT_VERB_STARTTLS:
        mt_starttls_early(run, rest);
        break;
    default:
        mt_anomaly(run, MT_ANOMALY_PIPELINING_ILLEGAL);
        break;
    }
}

/* The reply will not come, or not in time: the bytes have to say what they are. */
static size_t decide_on_evidence(struct mt_run *run, struct mt_span rest)
{
    struct mt_session *session = run->session;
    uint8_t buffer[LOOK_MAX];
    struct mt_span seen = gather(run, rest, buffer);
    enum answer answer =
        session->hold == MT_VERB_STARTTLS ? is_tls(seen, session->flags & MT_S_GAP_CLIENT) : is_command(seen);

    if (answer == ANSWER_MORE && !run->is_forced)
        return put_aside(run, rest);
    if (session->hold == MT_VERB_STARTTLS && answer == ANSWER_YES) {
        mt_tls_begin(run, seen.ptr[0] == TLS_HANDSHAKE);
    } else if (session->hold == MT_VERB_STARTTLS || answer == ANSWER_YES) {
        if (session->hold == MT_VERB_DATA)
            session->state = mt_tx_is_open(session) ? MT_STATE_RCPT : mt_state_idle(session);
        mt_resume(run, MT_SMTP_COMMAND);
    } else if (session->hold == MT_VERB_DATA) {
        mt_content_begin(run, session->tx);
    } else {
        mt_resume(run, MT_SMTP_AUTH);
    }
    return 0;
}

/* --- both sides ------------------------------------------------------------- */

/* Everything that stands between content and its parser. */
#define CONTENT_OBSTACLES (MT_S_LOOK_CLIENT | MT_S_CARRY_CLIENT | MT_S_CLIENT_WAITS)

size_t mt_feed_client(struct mt_run *run, struct mt_span bytes)
{
    struct mt_session *session = run->session;
    size_t at = 0;

    if (is_plain_lines(run) && (at = feed_lines(run, bytes)) == bytes.size)
        return at;
    if (session->client.mode == MT_SMTP_CONTENT && at == 0 && !(session->flags & CONTENT_OBSTACLES)) {
        at = parse(run, bytes, false).consumed;
        if (MT_LIKELY(session->client.mode == MT_SMTP_CONTENT))
            return at;
    }
    session->flags &= ~MT_S_CLIENT_WAITS;
    while (at < bytes.size) {
        struct mt_span rest = mt_span_from(bytes, at);
        if (session->client.mode == MT_SMTP_OPAQUE) {
            if (session->flags & MT_S_TLS_WATCH)
                mt_tls_watch_take(run, rest);
            return bytes.size;
        }
        if (session->client.mode == MT_SMTP_HOLD) {
            if (!run->is_forced && !mt_is_server_silent(session)) {
                judge_haste(run, rest);
                session->flags |= MT_S_CLIENT_WAITS;
                return at;
            }
            at += decide_on_evidence(run, rest);
        } else if (session->flags & MT_S_LOOK_CLIENT) {
            at += look_at_client(run, rest);
        } else {
            at += feed_some(run, rest);
        }
    }
    return at;
}

size_t mt_feed_server(struct mt_run *run, struct mt_span bytes)
{
    struct mt_session *session = run->session;
    size_t at = is_plain_lines(run) ? feed_lines(run, bytes) : 0;

    while (at < bytes.size) {
        struct mt_span rest = mt_span_from(bytes, at);
        if (session->server.opaque) {
            if (session->flags & MT_S_TLS_WATCH)
                mt_tls_watch_take(run, rest);
            return bytes.size;
        }
        at += session->flags & MT_S_LOOK_SERVER ? look_at_server(run, rest) : feed_some(run, rest);
        /* That was the reply: what the client has sent meanwhile comes first. */
        bool is_client_due = (session->flags & MT_S_CLIENT_WAITS) && session->client.mode != MT_SMTP_HOLD;
        if (MT_UNLIKELY(is_client_due) && !run->is_forced)
            return at;
    }
    return at;
}

/* A reply whose line end the capture lacks is still a reply when its code is
 * there; half a command is none. */
static void finish_server_line(struct mt_run *run)
{
    struct mt_carry *carry = take_carry(run->session, MT_SERVER);

    if (carry == NULL)
        return;
    struct mt_span line = mt_span(carry->bytes, carry->size);
    bool has_code = line.size >= 3 && mt_ascii_is_digit(line.ptr[0]) && mt_ascii_is_digit(line.ptr[1]) &&
                    mt_ascii_is_digit(line.ptr[2]);
    if (has_code && !run->session->server.opaque)
        parse(run, line, true);
    put_carry(run->engine, carry, MT_SERVER);
}

/* Content that has no end counts as far as it was seen. */
static void finish_content(struct mt_run *run)
{
    struct mt_session *session = run->session;
    bool is_chunk = session->client.mode == MT_SMTP_CHUNK;

    if (session->client.mode != MT_SMTP_CONTENT && !is_chunk)
        return;
    mt_transcript(run, MT_TRANSCRIPT_CONTENT, mt_span_none(), session->client.content_bytes);
    if (is_chunk) {
        mt_expect_cut_chunk(session, session->client.chunk_left);
        return;
    }
    struct mt_entry_done *done = mt_tx_done(run, session->tx);
    if (done != NULL)
        done->bytes = session->client.content_bytes;
}

void mt_feed_finish(struct mt_run *run)
{
    run->side = MT_SERVER;
    finish_server_line(run);
    mt_reply_break_off(run);
    run->side = MT_CLIENT;
    mt_carry_free(run->engine, run->session, MT_CLIENT);
    mt_content_keep_octets(run);
    finish_content(run);
}
