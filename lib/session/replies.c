/* A reply line, and what the reply means for the command that it answers. */
#include "session/events_priv.h"
#include "session/parts_priv.h"

/* Lines kept of a greeting or of the reply to a message. */
#define REPLY_LINES_MAX 32u

static bool is_helo(unsigned what)
{
    return what == MT_VERB_EHLO || what == MT_VERB_HELO || what == MT_VERB_LHLO;
}

static bool is_chunk(unsigned what)
{
    return what == MT_VERB_BDAT || what == MT_VERB_BURL;
}

static bool is_mail(unsigned what)
{
    return what == MT_VERB_MAIL || what == MT_VERB_SEND || what == MT_VERB_SOML || what == MT_VERB_SAML;
}

/* --- lines ------------------------------------------------------------------ */

static void keep_banner(struct mt_run *run, const struct mt_smtp_reply_line *line)
{
    struct mt_span text = mt_keep(run, line->text, run->engine->limits.text_max, MT_CUT_BANNER);
    struct mt_entry_banner *entry = NULL;

    if (line->index < REPLY_LINES_MAX)
        entry = mt_store_put(run, MT_TAG_BANNER, sizeof(*entry), text, false);
    if (entry == NULL)
        mt_cut(run, MT_CUT_BANNER);
    else
        entry->code = line->code;
}

static void keep_reply(struct mt_run *run, const struct mt_entry_mail *tx,
                       const struct mt_smtp_reply_line *line)
{
    struct mt_span text = mt_keep(run, line->text, run->engine->limits.text_max, MT_CUT_REPLY);
    struct mt_entry_reply *entry = NULL;

    /* In LMTP one acceptance outranks the other replies to a message. */
    if (tx == NULL || (tx->done != NULL && mt_reply_class(tx->done->final) == 2))
        return;
    if (line->index < REPLY_LINES_MAX)
        entry = mt_store_put(run, MT_TAG_REPLY, sizeof(*entry), text, false);
    if (entry == NULL) {
        mt_cut(run, MT_CUT_REPLY);
        return;
    }
    entry->tx = tx;
    entry->is_first = line->index == 0;
}

/* Why a server will have nothing of ours: the first refusal alone, or a host that
 * is refused by all would fill the memory. */
static void keep_refusal(struct mt_run *run, const struct mt_smtp_reply_line *line)
{
    struct mt_session *session = run->session;

    if (line->index == 0 && !(session->flags & MT_S_REFUSED))
        session->head.flags |= MT_EXPECT_REFUSING;
    if (!(session->head.flags & MT_EXPECT_REFUSING))
        return;
    struct mt_span text = mt_keep(run, line->text, run->engine->limits.text_max, MT_CUT_REFUSAL);
    struct mt_entry_refusal *entry = NULL;
    if (line->index < REPLY_LINES_MAX)
        entry = mt_store_put(run, MT_TAG_REFUSAL, sizeof(*entry), text, false);
    session->flags |= MT_S_REFUSED;
    if (entry == NULL) {
        mt_cut(run, MT_CUT_REFUSAL);
        return;
    }
    entry->code = line->code;
}

/* Up to a blank, or to the '=' that servers put there before RFC 2554. */
static struct mt_span first_word(struct mt_span text)
{
    size_t size = 0;

    while (size < text.size && text.ptr[size] != ' ' && text.ptr[size] != '\t' && text.ptr[size] != '=')
        size++;
    return mt_span_head(text, size);
}

/* One line of an EHLO reply as an item of the list of extensions. */
static struct mt_span encode_extension(struct mt_run *run, struct mt_span text, uint8_t *item,
                                       enum mt_smtp_keyword *ret_keyword)
{
    struct mt_span whole = mt_span_trim(text);
    struct mt_span word = first_word(whole);
    enum mt_smtp_keyword keyword = mt_smtp_keyword_of(word);
    bool has_equals = word.size < whole.size && whole.ptr[word.size] == '=';

    *ret_keyword = keyword;
    if (has_equals) /* kept as it stands */
        keyword = MT_KEYWORD_OTHER;
    struct mt_span rest = keyword == MT_KEYWORD_OTHER ? whole : mt_span_trim(mt_span_from(whole, word.size));
    item[0] = (uint8_t)keyword;
    if (rest.size == 0)
        return mt_span(item, 1);
    rest = mt_keep(run, rest, MT_EXTENSION_TEXT_MAX, MT_CUT_EXTENSIONS);
    item[0] |= MT_EXTENSION_HAS_TEXT;
    item[1] = (uint8_t)rest.size;
    memcpy(item + 2, rest.ptr, rest.size);
    return mt_span(item, 2 + rest.size);
}

/* RFC 5321 §4.1.1.1: the first line is the server's name and greeting. */
static void take_extension(struct mt_run *run, const struct mt_smtp_reply_line *line)
{
    struct mt_session *session = run->session;
    uint8_t item[2 + MT_EXTENSION_TEXT_MAX];
    enum mt_smtp_keyword keyword;

    session->flags |= MT_S_EHLO_ANSWERED;
    if (line->index == 0) {
        session->flags &= ~MT_S_PIPELINING;
        return;
    }
    struct mt_span bytes = encode_extension(run, line->text, item, &keyword);
    session->flags |= keyword == MT_KEYWORD_PIPELINING ? MT_S_PIPELINING : 0;
    session->flags |=
        keyword == MT_KEYWORD_STARTTLS || keyword == MT_KEYWORD_X_ANONYMOUSTLS ? MT_S_STARTTLS_OFFERED : 0;

    struct mt_entry *last = mt_store_last(session);
    bool goes_on = line->index > 1 && last != NULL && last->tag == MT_TAG_EXTENSIONS;
    if (goes_on && mt_store_extend(session, last, bytes))
        return;
    struct mt_entry_extensions *entry = mt_store_put(run, MT_TAG_EXTENSIONS, sizeof(*entry), bytes, false);
    if (entry == NULL)
        mt_cut(run, MT_CUT_EXTENSIONS);
    else
        entry->is_first = line->index == 1;
}

/* The server alone was captured: a reply of several lines whose second line
 * begins with an extension is that to EHLO. */
static void take_unseen(struct mt_run *run, const struct mt_smtp_reply_line *line)
{
    struct mt_session *session = run->session;

    if (line->index == 0) {
        bool may_be_ehlo = session->packets[MT_CLIENT] == 0 && line->code == 250 && !line->is_last;
        session->flags |= may_be_ehlo ? MT_S_REPLY_EHLO : 0;
        return;
    }
    if (!(session->flags & MT_S_REPLY_EHLO))
        return;
    if (line->index == 1 && mt_smtp_keyword_of(first_word(line->text)) == MT_KEYWORD_OTHER)
        session->flags &= ~MT_S_REPLY_EHLO;
    else
        take_extension(run, line);
}

static bool is_observed(const struct mt_expect *expect)
{
    return expect->what == MT_VERB_RCPT || expect->what == MT_VERB_VRFY || expect->what == MT_VERB_EXPN;
}

static void take_line(struct mt_run *run, const struct mt_smtp_reply_line *line)
{
    struct mt_session *session = run->session;
    const struct mt_expect *expect = &session->head;
    bool is_positive = line->code / 100 == 2;
    bool is_refusal = line->code >= 400;

    if (expect->what == MT_WHAT_GREETING)
        keep_banner(run, line);
    else if ((expect->what == MT_VERB_EHLO || expect->what == MT_VERB_LHLO) && is_positive)
        take_extension(run, line);
    else if (expect->what == MT_WHAT_CONTENT_END || (expect->what == MT_VERB_DATA && is_refusal) ||
             (is_chunk(expect->what) && (is_refusal || (expect->flags & MT_EXPECT_LAST))))
        keep_reply(run, expect->entry, line);
    else if (is_refusal && !(session->flags & MT_S_OUTSIDE) &&
             (expect->what == MT_VERB_RCPT || is_mail(expect->what) || is_helo(expect->what)))
        keep_refusal(run, line);
    if (line->index == 0 && !line->is_last && is_observed(expect))
        mt_observe_first(run, line->line);
}

/* --- replies ---------------------------------------------------------------- */

static void answer_greeting(struct mt_run *run, uint16_t code)
{
    struct mt_session *session = run->session;
    bool is_accepted = code / 100 == 2;

    if (code != 220 && code != 421 && code != 554) /* RFC 5321 §3.1, §3.8 */
        mt_anomaly(run, MT_ANOMALY_NO_GREETING);
    else
        session->flags |= MT_S_BANNER;
    if ((session->flags & MT_S_EARLY) && !(session->flags & MT_S_LOST_SERVER))
        mt_anomaly(run, MT_ANOMALY_EARLY_TALKER);
    if (session->state == MT_STATE_CONNECTED)
        session->state = is_accepted ? MT_STATE_GREETED : MT_STATE_REFUSED;
}

static void answer_helo(struct mt_run *run, const struct mt_expect *expect, uint16_t code)
{
    struct mt_session *session = run->session;

    if (expect->what == MT_VERB_EHLO)
        mt_starttls_offer(run, expect, code);
    if (code / 100 != 2) {
        session->flags &= ~MT_S_RESET_PENDING;
        if (!(session->flags & MT_S_HELO_OK)) {
            session->flags &= ~MT_S_HELO_SENT;
            if (session->state == MT_STATE_READY)
                session->state = MT_STATE_GREETED;
        }
        return;
    }
    session->flags |= MT_S_HELO_OK | (expect->what == MT_VERB_EHLO ? MT_S_EHLO_OK : 0);
    if (expect->what == MT_VERB_HELO)
        session->flags &= ~MT_S_PIPELINING;
    if (session->flags & MT_S_RESET_PENDING)
        mt_reset_apply(run);
}

static void answer_rset(struct mt_run *run, uint16_t code)
{
    struct mt_session *session = run->session;

    if ((session->flags & MT_S_RESET_PENDING) && code / 100 == 2)
        mt_reset_apply(run);
    session->flags &= ~MT_S_RESET_PENDING;
}

/* Content begins at the 354, or any other 3xx (DESIGN rule 2). */
static void answer_data(struct mt_run *run, struct mt_entry_mail *tx, uint32_t reply)
{
    struct mt_session *session = run->session;
    bool is_held = session->client.mode == MT_SMTP_HOLD && session->hold == MT_VERB_DATA;
    bool is_content = session->client.mode == MT_SMTP_CONTENT;

    if (mt_reply_class(reply) == 3) {
        if (is_held || (session->flags & MT_S_GUESS))
            mt_content_begin(run, tx);
        return;
    }
    if (mt_reply_class(reply) >= 4)
        mt_tx_final(run, tx, reply);
    if (!is_held && !is_content)
        return;
    if (session->state == MT_STATE_DATA)
        session->state = mt_tx_is_open(session) ? MT_STATE_RCPT : mt_state_idle(session);
    mt_content_drop_header(run);
    mt_resume(run, MT_SMTP_COMMAND);
}

/* RFC 3030 §2: each chunk is answered; the last one's answer is the message's. */
static void answer_chunk(struct mt_run *run, const struct mt_expect *expect, uint32_t reply,
                         struct mt_span line)
{
    struct mt_session *session = run->session;
    struct mt_entry_mail *tx = expect->entry;
    struct mt_entry_done *done = mt_tx_done(run, tx);
    bool is_accepted = mt_reply_class(reply) == 2;

    mt_content_answer_chunk(run, expect, mt_reply_code(reply));
    if (done != NULL && is_accepted)
        done->bytes += expect->chunk;
    if (!is_accepted && session->tx == tx && session->state == MT_STATE_BDAT)
        session->state = MT_STATE_RCPT;
    if ((expect->flags & MT_EXPECT_LAST) || !is_accepted)
        mt_tx_final(run, tx, reply);
    if ((expect->flags & MT_EXPECT_LAST) && is_accepted && !(expect->flags & MT_EXPECT_TAINTED))
        mt_observe_message(run, tx, reply, line);
}

static void answer_content_end(struct mt_run *run, const struct mt_expect *expect, uint32_t reply,
                               struct mt_span line)
{
    mt_tx_final(run, expect->entry, reply);
    if (mt_reply_class(reply) == 2 && !(expect->flags & MT_EXPECT_TAINTED))
        mt_observe_message(run, expect->entry, reply, line);
}

static void answer_probe(struct mt_run *run, const struct mt_expect *expect,
                         const struct mt_smtp_reply_line *line, uint32_t reply)
{
    struct mt_entry_probe *entry = expect->entry;

    if (entry == NULL)
        return;
    entry->reply = reply;
    if (!(expect->flags & MT_EXPECT_TAINTED))
        mt_observe_probe(run, entry, reply, line->index + 1, line->line);
}

/* The roles turn round: what follows are no commands of this client (RFC 821
 * §3.8, RFC 2645 §4.2). */
static void answer_turn(struct mt_run *run, uint16_t code)
{
    if (code / 100 != 2)
        return;
    mt_smtp_client_set_mode(&run->session->client, MT_SMTP_OPAQUE);
    run->session->server.opaque = 1;
}

static void answer(struct mt_run *run, const struct mt_expect *expect, const struct mt_smtp_reply_line *line)
{
    uint32_t reply = mt_reply_pack(line->code, line->enhanced);
    unsigned what = expect->what;

    if (is_helo(what))
        answer_helo(run, expect, line->code);
    else if (is_mail(what))
        mt_tx_mail_reply(run, expect->entry, reply);
    else if (is_chunk(what))
        answer_chunk(run, expect, reply, line->line);
    else if (what == MT_VERB_RCPT)
        mt_tx_rcpt_reply(run, expect, reply, line->line);
    else if (what == MT_VERB_DATA)
        answer_data(run, expect->entry, reply);
    else if (what == MT_WHAT_CONTENT_END)
        answer_content_end(run, expect, reply, line->line);
    else if (what == MT_WHAT_GREETING)
        answer_greeting(run, line->code);
    else if (what == MT_VERB_RSET)
        answer_rset(run, line->code);
    else if (what == MT_VERB_VRFY || what == MT_VERB_EXPN)
        answer_probe(run, expect, line, reply);
    else if (what == MT_VERB_AUTH || what == MT_VERB_X_EXPS || what == MT_WHAT_AUTH_STEP)
        mt_auth_reply(run, expect->entry, line, reply);
    else if (what == MT_VERB_STARTTLS || what == MT_VERB_X_ANONYMOUSTLS)
        mt_starttls_reply(run, reply);
    else if (what == MT_VERB_QUIT)
        run->session->flags |= line->code == 221 ? MT_S_QUIT_OK : 0;
    else if (what == MT_VERB_TURN || what == MT_VERB_ATRN)
        answer_turn(run, line->code);
}

/* The reply to something that was not seen. Codes that belong to one command
 * alone still say what the client's next bytes are. */
static void answer_unseen(struct mt_run *run, uint16_t code)
{
    struct mt_session *session = run->session;
    bool is_lost = session->flags & MT_S_LOST_CLIENT;
    bool is_in_lines = session->client.mode == MT_SMTP_COMMAND || (session->flags & MT_S_GUESS);

    if (session->expected == 0 && session->packets[MT_CLIENT] > 0 && !(session->flags & MT_S_RESYNC) &&
        code != 421) /* RFC 5321 §3.8: at any time */
        mt_anomaly(run, MT_ANOMALY_REPLY_WITHOUT_COMMAND);
    if (code == 221 && session->packets[MT_CLIENT] == 0)
        session->flags |= MT_S_QUIT_OK;
    bool may_be_starttls = session->packets[MT_CLIENT] == 0 || (session->flags & MT_S_RESYNC);
    if (code == 220 && may_be_starttls)
        session->flags |= MT_S_LOOK_SERVER | MT_S_GAP_SERVER;
    if (!is_lost || !is_in_lines || session->packets[MT_CLIENT] == 0)
        return;
    if (code == 354) {
        mt_tx_anonymous(run);
        mt_content_begin(run, session->tx);
    } else if (code == 334) {
        mt_resume(run, MT_SMTP_AUTH);
    } else if (session->flags & MT_S_GUESS) {
        /* Content has no replies: the guess was wrong. */
        mt_resume(run, MT_SMTP_COMMAND);
    }
}

/* A reply while content is under way: the server has seen an end that we have
 * not, or has had enough. */
static void judge_content(struct mt_run *run, uint16_t code)
{
    struct mt_session *session = run->session;
    bool is_final = code / 100 == 2 || code >= 400;
    bool is_content = session->client.mode == MT_SMTP_CONTENT && !(session->flags & MT_S_GUESS);

    if (!is_content || session->expected > 0 || !is_final || session->packets[MT_CLIENT] == 0)
        return;
    if (code / 100 == 2 || (session->flags & MT_S_CONTENT_GAP)) {
        mt_content_force_end(run);
        return;
    }
    mt_expect_push(run, MT_WHAT_CONTENT_END, session->tx, MT_EXPECT_TAINTED, 1);
    session->flags |= MT_S_EARLY_REFUSAL;
}

static void begin_reply(struct mt_run *run, const struct mt_smtp_reply_line *line)
{
    struct mt_session *session = run->session;

    session->flags &= ~(MT_S_REPLY_UNBOUND | MT_S_REPLY_RELAY | MT_S_REPLY_EHLO | MT_S_FIRST);
    if (MT_UNLIKELY(session->client.mode == MT_SMTP_CONTENT))
        judge_content(run, line->code);
    if (!mt_expect_bind(run, line->code))
        session->flags |= MT_S_REPLY_UNBOUND;
}

static void end_reply(struct mt_run *run, const struct mt_smtp_reply_line *line)
{
    struct mt_session *session = run->session;

    mt_tally_count(run, line->code);
    bool is_wanted = run->engine->wants & MT_SESSION_WANTS_REPLIES;
    if (session->flags & MT_S_REPLY_UNBOUND) {
        session->flags &= ~MT_S_REPLY_UNBOUND;
        answer_unseen(run, line->code);
        if (MT_UNLIKELY(is_wanted))
            mt_event_reply(run, NULL, line);
        return;
    }
    struct mt_expect expect = session->head;
    if (expect.what == MT_WHAT_CONTENT_END && (expect.chunk & MT_REPLIES_MASK) > 1) {
        session->head.chunk--;
    } else if ((expect.flags & MT_EXPECT_LAST) && mt_tx_replies(session, expect.entry) > 1) {
        session->head.what = MT_WHAT_CONTENT_END;
        session->head.flags &= ~MT_EXPECT_LAST;
        session->head.chunk = mt_tx_replies(session, expect.entry) - 1;
    } else {
        mt_expect_pop(run);
    }
    mt_latency_take(run, &expect, line->code);
    answer(run, &expect, line);
    if (MT_UNLIKELY(is_wanted))
        mt_event_reply(run, &expect, line);
}

void mt_reply_take(void *ctx, const struct mt_smtp_reply_line *line)
{
    struct mt_run *run = ctx;
    struct mt_session *session = run->session;

    mt_text_count(run, line->octets);
    mt_transcript(run, MT_TRANSCRIPT_LINE, line->line, 0);
    if (MT_UNLIKELY(run->engine->wants & MT_SESSION_WANTS_REPLIES))
        mt_event_line(run, line);
    if (line->index == 0)
        begin_reply(run, line);
    if (MT_UNLIKELY(session->flags & MT_S_REPLY_UNBOUND)) {
        take_unseen(run, line);
    } else {
        take_line(run, line);
        bool is_relay_judged = session->head.what == MT_VERB_RCPT && (session->flags & MT_S_INBOUND);
        if (is_relay_judged && line->code >= 400 && mt_relay_speaks_of(line->text))
            session->flags |= MT_S_REPLY_RELAY;
    }
    if (line->is_last)
        end_reply(run, line);
}

void mt_reply_break_off(struct mt_run *run)
{
    struct mt_session *session = run->session;

    if (session->server.lines == 0)
        return;
    struct mt_smtp_reply_line line = {.code = session->server.code,
                                      .is_last = true,
                                      .index = session->server.lines,
                                      .line = mt_span("", 0)};
    session->server.lines = 0;
    session->server.code = 0;
    end_reply(run, &line);
}
