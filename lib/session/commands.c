/* A command: what it may do, what it starts, and the reply that is expected for
 * it. States move when a command is sent, as if it will succeed, since pipelined
 * and one-way clients are judged by what they have said; a refusal takes the
 * step back (replies.c). */
#include "session/events_priv.h"
#include "session/parts_priv.h"

#define COMMAND_SIZE_MIN 510u /* RFC 5321 §4.5.3.1.4, without CRLF */

uint8_t mt_state_idle(const struct mt_session *session)
{
    return session->flags & MT_S_HELO_SENT ? MT_STATE_READY : MT_STATE_GREETED;
}

void mt_reset_apply(struct mt_run *run)
{
    struct mt_session *session = run->session;

    session->flags &= ~MT_S_RESET_PENDING;
    mt_content_drop_header(run); /* of chunks whose last never came */
    mt_tx_end(run, session->tx, MT_TX_END_RESET);
    mt_tx_leave(session);
    if (session->state != MT_STATE_QUIT)
        session->state = mt_state_idle(session);
}

/* RSET and a new HELO end the transaction when they are answered (DESIGN rule
 * 3); when nobody waits for the answer, with the next command. */
static void ask_for_reset(struct mt_session *session)
{
    bool is_idle = !mt_tx_is_open(session);

    session->flags |= is_idle ? 0 : MT_S_RESET_PENDING;
    if (is_idle && session->state != MT_STATE_QUIT && session->state != MT_STATE_REFUSED &&
        session->state != MT_STATE_CONNECTED)
        session->state = mt_state_idle(session);
}

static void judge_pipelining(struct mt_run *run)
{
    const struct mt_session *session = run->session;

    if (session->expected == 0)
        return;
    unsigned last = mt_expect_at(session, session->expected - 1u)->what;
    if (session->head.what == MT_WHAT_GREETING || !mt_can_judge(run))
        return;
    if (last < MT_VERB_COUNT && (mt_smtp_verb_flags(last) & MT_VERB_GROUP_END))
        mt_anomaly(run, MT_ANOMALY_PIPELINING_ILLEGAL);
    else if (!(session->flags & MT_S_PIPELINING))
        mt_anomaly(run, MT_ANOMALY_PIPELINING_UNOFFERED);
}

/* Who speaks before the greeting, although the server is there to give one
 * (RFC 5321 §4.3.1). Whether it was early is known when the greeting comes. */
static void note_early(struct mt_run *run)
{
    struct mt_session *session = run->session;
    bool is_first = session->expected > 0 && session->head.what == MT_WHAT_GREETING;

    if (is_first && !run->is_queued && !run->is_forced && session->packets[MT_SERVER] > 0)
        session->flags |= MT_S_EARLY;
}

/* --- the commands ----------------------------------------------------------- */

static void take_helo(struct mt_run *run, const struct mt_smtp_command *command)
{
    struct mt_session *session = run->session;

    mt_helo_command(run, command);
    if (command->verb == MT_VERB_LHLO)
        session->flags |= MT_S_LMTP;
    session->flags |= MT_S_HELO_SENT;
    mt_expect_push(run, command->verb, NULL, 0, 0);
    ask_for_reset(session);
    if (session->state == MT_STATE_CONNECTED)
        session->state = MT_STATE_READY;
}

static void take_rset(struct mt_run *run)
{
    mt_expect_push(run, MT_VERB_RSET, NULL, 0, 0);
    ask_for_reset(run->session);
}

static void take_data(struct mt_run *run)
{
    struct mt_session *session = run->session;

    mt_expect_push(run, MT_VERB_DATA, session->tx, 0, 0);
    if (session->state != MT_STATE_QUIT)
        session->state = MT_STATE_DATA;
    mt_hold(session, MT_VERB_DATA);
}

static bool burl_is_last(struct mt_span argument)
{
    return argument.size > 5 && mt_span_ieq_cstr(mt_span_from(argument, argument.size - 5), " LAST");
}

/* BDAT, and BURL, which takes the place of a chunk (RFC 4468 §3.3). */
static void take_chunk(struct mt_run *run, const struct mt_smtp_command *command)
{
    struct mt_session *session = run->session;
    bool is_burl = command->verb == MT_VERB_BURL;
    bool is_last = is_burl ? burl_is_last(command->argument) : command->chunk_valid && command->chunk_last;

    if (session->state == MT_STATE_LOST)
        mt_tx_anonymous(run);
    unsigned flags = is_burl ? 0 : mt_content_keep_chunk(run, command) << MT_EXPECT_INDEX_SHIFT;
    mt_expect_push(run, command->verb, session->tx, flags | (is_last ? MT_EXPECT_LAST : 0),
                   command->chunk_size);
    session->flags &= ~MT_S_CHUNK_LAST;
    session->flags |= is_last ? MT_S_CHUNK_LAST : 0;
    if (!command->chunk_valid && !is_burl)
        return;
    if (mt_tx_is_open(session) && session->state != MT_STATE_QUIT)
        session->state = MT_STATE_BDAT;
    mt_content_chunk(run);
    if (is_burl)
        mt_content_chunk_done(run);
}

static void take_probe(struct mt_run *run, const struct mt_smtp_command *command)
{
    bool is_expn = command->verb == MT_VERB_EXPN;
    enum mt_cut list = is_expn ? MT_CUT_EXPN : MT_CUT_VRFY;
    struct mt_extra *extra = mt_extra(run);
    struct mt_entry_probe *entry = NULL;

    if (extra != NULL && extra->probes[is_expn] < run->engine->limits.probes_max) {
        struct mt_span line = mt_keep(run, command->line, run->engine->limits.text_max, list);
        entry = mt_store_put(run, MT_TAG_PROBE, sizeof(*entry), line, false);
    }
    if (entry == NULL) {
        mt_cut(run, list);
    } else {
        size_t off = command->argument.size > 0 ? (size_t)(command->argument.ptr - command->line.ptr) : 0;
        extra->probes[is_expn]++;
        entry->verb = (uint8_t)command->verb;
        entry->argument = off <= UINT8_MAX ? (uint8_t)off : 0;
        entry->time = run->mark->time;
    }
    mt_expect_push(run, command->verb, entry, 0, 0);
}

static void take_quit(struct mt_run *run)
{
    struct mt_session *session = run->session;

    mt_expect_push(run, MT_VERB_QUIT, NULL, 0, 0);
    mt_tx_end(run, session->tx, MT_TX_END_QUIT);
    mt_tx_leave(session);
    session->state = MT_STATE_QUIT;
}

/* Postfix's XCLIENT and XFORWARD: what a proxy says of the client behind it. */
static void take_proxy(struct mt_run *run, const struct mt_smtp_command *command)
{
    struct mt_span text = mt_keep(run, command->argument, run->engine->limits.text_max, MT_CUT_PROXY);
    struct mt_entry_proxy *entry = mt_store_put(run, MT_TAG_PROXY, sizeof(*entry), text, false);

    if (entry != NULL)
        entry->verb = (uint8_t)command->verb;
    else
        mt_cut(run, MT_CUT_PROXY);
    mt_expect_push(run, command->verb, NULL, 0, 0);
}

static void take(struct mt_run *run, const struct mt_smtp_command *command)
{
    switch (command->verb) {
    case MT_VERB_HELO:
    case MT_VERB_EHLO:
    case MT_VERB_LHLO:
        take_helo(run, command);
        break;
    case MT_VERB_MAIL:
    case MT_VERB_SEND:
    case MT_VERB_SOML:
    case MT_VERB_SAML:
        mt_tx_mail(run, command);
        break;
    case MT_VERB_RCPT:
        mt_tx_rcpt(run, command);
        break;
    case MT_VERB_DATA:
        take_data(run);
        break;
    case MT_VERB_BDAT:
    case MT_VERB_BURL:
        take_chunk(run, command);
        break;
    case MT_VERB_RSET:
        take_rset(run);
        break;
    case MT_VERB_VRFY:
    case MT_VERB_EXPN:
        take_probe(run, command);
        break;
    case MT_VERB_AUTH:
    case MT_VERB_X_EXPS:
        mt_auth_command(run, command);
        break;
    case MT_VERB_STARTTLS:
    case MT_VERB_X_ANONYMOUSTLS:
        mt_starttls_command(run, command);
        break;
    case MT_VERB_QUIT:
        take_quit(run);
        break;
    case MT_VERB_XCLIENT:
    case MT_VERB_XFORWARD:
        take_proxy(run, command);
        break;
    default:
        mt_expect_push(run, command->verb, NULL, 0, 0);
        break;
    }
}

/* The line as it may be shown: of AUTH only what is no secret. */
static void show(struct mt_run *run, const struct mt_smtp_command *command)
{
    uint8_t bytes[64];
    struct mt_buf b = mt_buf(bytes, sizeof(bytes));
    bool is_auth = command->verb == MT_VERB_AUTH || command->verb == MT_VERB_X_EXPS;

    if (MT_LIKELY(run->engine->events.transcript == NULL))
        return;
    if (command->verb == MT_VERB_UNKNOWN && mt_auth_may_be_secret(run->session, command)) {
        mt_transcript(run, MT_TRANSCRIPT_SECRET, mt_span_none(), 0);
        return;
    }
    if (!is_auth) {
        mt_transcript(run, MT_TRANSCRIPT_LINE, command->line, 0);
        return;
    }
    struct mt_span mechanism = mt_auth_mechanism(command->argument);
    mt_buf_put_head(&b, command->word);
    if (command->argument.size > 0)
        mt_buf_put_byte(&b, ' ');
    mt_buf_put_head(&b, mechanism);
    if (command->argument.size > mechanism.size)
        mt_buf_put_cstr(&b, mechanism.size > 0 ? " ***" : "***");
    mt_transcript(run, MT_TRANSCRIPT_LINE, mt_buf_span(&b), 0);
}

/* What a web page can make a browser send, or a proxy that was asked to (GET /
 * HTTP/1.1). */
static MT_COLD void judge_unknown(struct mt_run *run, const struct mt_smtp_command *command)
{
    static const char *const methods[] = {"GET", "POST", "PUT", "HEAD", "CONNECT", "OPTIONS", "DELETE"};
    static const char version[] = "HTTP/1.";
    struct mt_span argument = command->argument;

    if (argument.size < sizeof(version) ||
        !mt_span_istarts(mt_span_from(argument, argument.size - sizeof(version)), version))
        return;
    for (size_t i = 0; i < MT_ARRAY_COUNT(methods); i++) {
        if (mt_span_ieq_cstr(command->word, methods[i]))
            mt_anomaly(run, MT_ANOMALY_HTTP_COMMAND);
    }
}

static MT_COLD void note_size(struct mt_run *run, const struct mt_smtp_command *command)
{
    struct mt_extra *extra = mt_extra(run);
    bool is_auth = command->verb == MT_VERB_AUTH || command->verb == MT_VERB_X_EXPS;
    bool is_secret = command->verb == MT_VERB_UNKNOWN && mt_auth_may_be_secret(run->session, command);

    if (extra != NULL && !is_auth && !is_secret && command->line.size > extra->command_size)
        extra->command_size = (uint16_t)command->line.size;
}

void mt_command_take(void *ctx, const struct mt_smtp_command *command)
{
    struct mt_run *run = ctx;
    struct mt_session *session = run->session;

    mt_tally_count(run, MT_KEY_VERB + command->verb);
    mt_text_count(run, command->octets);
    mt_expect_new_command(run);
    if (MT_UNLIKELY(command->line.size > COMMAND_SIZE_MIN))
        note_size(run, command);
    if (command->verb != MT_VERB_UNKNOWN)
        session->flags &= ~MT_S_AUTH_OPEN;
    else
        judge_unknown(run, command);
    if (MT_UNLIKELY(session->flags & MT_S_RESET_PENDING))
        mt_reset_apply(run);
    show(run, command);
    note_early(run);
    judge_pipelining(run);
    mt_state_judge(run, command->verb);
    if (MT_UNLIKELY(run->engine->wants & MT_SESSION_WANTS_COMMANDS))
        mt_event_command(run, command);
    take(run, command);
}
