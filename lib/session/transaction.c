/* The envelope: MAIL, RCPT and their replies, and how a transaction ends. */
#include "session/parts_priv.h"

/* Bytes kept before an address, when a line starts oddly. */
#define LEAD_MAX 200u

bool mt_tx_is_open(const struct mt_session *session)
{
    return session->tx != NULL || (session->flags & MT_S_TX_UNKEPT);
}

struct mt_span mt_place_address(const struct mt_place *place, struct mt_span text)
{
    if (place->size == MT_PLACE_NONE)
        return mt_span_none();
    return mt_span_head(mt_span_from(text, place->off), place->size);
}

struct mt_span mt_place_domain(const struct mt_place *place, struct mt_span text)
{
    struct mt_span address = mt_place_address(place, text);

    if (address.ptr == NULL || place->domain == MT_PLACE_NONE)
        return mt_span_none();
    return mt_span_from(address, address.size - place->domain);
}

/* --- lines with an address -------------------------------------------------- */

struct envelope_line {
    struct mt_span text; /* what is kept of the line */
    struct mt_place place;
};

/* The line from `from` on, or from near the address when that stands far
 * behind it, at most twice text_max. */
static struct envelope_line keep_line(struct mt_run *run, const struct mt_smtp_command *command,
                                      const struct mt_smtp_path *path, const uint8_t *from, enum mt_cut cut)
{
    const uint8_t *end = command->line.ptr + command->line.size;
    struct envelope_line kept = {.place = {.size = MT_PLACE_NONE, .domain = MT_PLACE_NONE}};

    if (path != NULL && path->address.ptr > from + LEAD_MAX)
        from = path->address.ptr - LEAD_MAX;
    struct mt_span text = mt_span(from, (size_t)(end - from));
    kept.text = mt_keep(run, text, 2 * (size_t)run->engine->limits.text_max, cut);
    if (path == NULL)
        return kept;
    size_t off = (size_t)(path->address.ptr - from);
    struct mt_span address = mt_span_head(mt_span_from(kept.text, off), path->address.size);
    kept.place.off = (uint8_t)off;
    kept.place.size = (uint16_t)address.size;
    if (path->domain.ptr != NULL && address.size == path->address.size)
        kept.place.domain = (uint16_t)path->domain.size;
    return kept;
}

static bool has_smtputf8(const struct mt_smtp_mailbox_argument *argument)
{
    for (uint32_t i = 0; i < argument->parameter_count; i++) {
        if (mt_span_ieq_cstr(argument->parameters[i].keyword, "SMTPUTF8"))
            return true;
    }
    return false;
}

static bool has_8bit(struct mt_span line)
{
    for (size_t i = 0; i < line.size; i++) {
        if (line.ptr[i] > 0x7f)
            return true;
    }
    return false;
}

/* --- MAIL ------------------------------------------------------------------- */

static struct mt_entry_mail *keep_mail(struct mt_run *run, struct mt_span text)
{
    struct mt_session *session = run->session;
    struct mt_entry_mail *tx = NULL;

    if (session->transactions == 0 && !(session->flags & MT_S_AUTH_SEEN))
        mt_starttls_clear(run);
    session->transactions++;
    if (session->kept_transactions < run->engine->limits.transactions_max)
        tx = mt_store_put(run, MT_TAG_MAIL, sizeof(*tx), text, false);
    if (tx == NULL) {
        mt_cut(run, MT_CUT_TRANSACTIONS);
        session->flags |= MT_S_TX_UNKEPT;
        return NULL;
    }
    session->flags &= ~MT_S_TX_UNKEPT;
    session->kept_transactions++;
    tx->start = run->mark->time;
    tx->place.size = MT_PLACE_NONE;
    tx->place.domain = MT_PLACE_NONE;
    return tx;
}

/* A MAIL inside a transaction: whether that goes on or a new one begins is known
 * by the reply, if there are replies. */
static void keep_outer(struct mt_run *run)
{
    struct mt_session *session = run->session;

    if (mt_is_one_way(session)) {
        mt_tx_end(run, session->tx, MT_TX_END_GAP);
        mt_tx_leave(session);
    }
    struct mt_extra *extra = session->tx == NULL ? session->extra : mt_extra(run);
    if (extra == NULL)
        return;
    extra->outer = session->tx;
    extra->outer_back = extra->back;
    extra->back = 0;
}

void mt_tx_mail(struct mt_run *run, const struct mt_smtp_command *command)
{
    struct mt_session *session = run->session;
    struct mt_smtp_mailbox_argument argument;

    bool has_path = mt_smtp_parse_mailbox(command->argument, true, &mt_client_events, run, &argument);
    const struct mt_smtp_path *path = has_path ? &argument.path : NULL;
    const uint8_t *from = has_path ? path->address.ptr : command->argument.ptr;
    if (from > command->line.ptr && from[-1] == '<')
        from--; /* so that the parameters can be found again */
    struct envelope_line line = keep_line(run, command, path, from, MT_CUT_FROM);

    mt_helo_at_mail(run, command);
    keep_outer(run);
    struct mt_entry_mail *tx = keep_mail(run, line.text);
    session->tx = tx;
    if (tx != NULL) {
        if (session->extra != NULL && session->extra->outer_back < UINT8_MAX)
            session->extra->outer_back++;
        tx->place = line.place;
        tx->flags = has_path && has_smtputf8(&argument) ? MT_TX_SMTPUTF8 : 0;
    }
    mt_expect_push(run, command->verb, tx, 0, 0);
    if (session->state != MT_STATE_QUIT)
        session->state = MT_STATE_MAIL;
}

void mt_tx_anonymous(struct mt_run *run)
{
    struct mt_session *session = run->session;

    if (mt_tx_is_open(session))
        return;
    session->tx = keep_mail(run, mt_span("", 0));
    if (session->tx != NULL)
        session->tx->flags = MT_TX_ANONYMOUS | MT_TX_GAP;
    if (session->extra != NULL)
        session->extra->back = 0;
}

void mt_tx_mail_reply(struct mt_run *run, struct mt_entry_mail *tx, uint32_t reply)
{
    struct mt_session *session = run->session;
    struct mt_extra *extra = session->extra;
    struct mt_entry_mail *outer = extra != NULL ? extra->outer : NULL;

    if (tx != NULL)
        tx->reply = reply;
    if (mt_reply_class(reply) == 2) {
        mt_tx_end(run, outer, MT_TX_END_RESET);
        if (outer != NULL)
            extra->outer = NULL;
        return;
    }
    mt_tx_end(run, tx, MT_TX_END_REPLY);
    if (session->tx != tx)
        return;
    mt_tx_leave(session);
    if (outer != NULL) {
        session->tx = outer;
        extra->back = extra->outer_back;
        extra->outer = NULL;
    }
    if (session->state == MT_STATE_MAIL || session->state == MT_STATE_RCPT || session->state == MT_STATE_BDAT)
        session->state = outer == NULL                   ? mt_state_idle(session)
                         : outer->flags & MT_TX_ACCEPTED ? MT_STATE_RCPT
                                                         : MT_STATE_MAIL;
}

/* --- RCPT ------------------------------------------------------------------- */

static struct mt_entry_rcpt *keep_rcpt(struct mt_run *run, const struct mt_smtp_command *command,
                                       const struct mt_smtp_path *path)
{
    struct mt_session *session = run->session;
    struct mt_entry_mail *tx = session->tx;
    struct mt_entry_rcpt *entry = NULL;

    if (tx->kept < run->engine->limits.recipients_max) {
        struct envelope_line line = keep_line(run, command, path, command->line.ptr, MT_CUT_RECIPIENT);
        entry = mt_store_put(run, MT_TAG_RCPT, sizeof(*entry), line.text, false);
        if (entry != NULL)
            entry->place = line.place;
    }
    if (entry == NULL) {
        struct mt_entry_done *done = mt_tx_done(run, tx);
        if (done != NULL)
            done->unkept++;
        mt_cut(run, MT_CUT_RECIPIENTS);
        return NULL;
    }
    tx->kept++;
    entry->back = session->extra != NULL ? session->extra->back : 0;
    entry->flags = session->flags & MT_S_RESYNC ? MT_RCPT_TAINTED : 0;
    bool is_plain = path != NULL && path->is_plain && entry->place.domain != MT_PLACE_NONE;
    entry->flags |= is_plain ? MT_RCPT_PLAIN : 0;
    entry->time = run->mark->time;
    return entry;
}

void mt_tx_rcpt(struct mt_run *run, const struct mt_smtp_command *command)
{
    struct mt_session *session = run->session;
    struct mt_smtp_mailbox_argument argument;

    bool has_path = mt_smtp_parse_mailbox(command->argument, false, &mt_client_events, run, &argument);
    if (has_path && mt_relay_is_route(&argument.path))
        mt_anomaly(run, MT_ANOMALY_RELAY_ROUTE_SYNTAX);
    if (session->state == MT_STATE_LOST)
        mt_tx_anonymous(run);

    struct mt_entry_mail *tx = session->tx;
    bool may_be_8bit = tx != NULL && (tx->flags & (MT_TX_SMTPUTF8 | MT_TX_ANONYMOUS));
    if (MT_UNLIKELY(command->is_odd) && !may_be_8bit && has_8bit(command->line))
        mt_anomaly(run, MT_ANOMALY_EIGHT_BIT);
    if (tx == NULL) {
        mt_expect_push(run, MT_VERB_RCPT, NULL, 0, 0);
    } else {
        struct mt_entry_rcpt *entry = keep_rcpt(run, command, has_path ? &argument.path : NULL);
        unsigned flags = entry == NULL ? MT_EXPECT_UNKEPT : 0;
        mt_expect_push(run, MT_VERB_RCPT, entry == NULL ? (void *)tx : (void *)entry, flags, 0);
    }
    if (session->state == MT_STATE_MAIL || session->state == MT_STATE_LOST)
        session->state = MT_STATE_RCPT;
}

static bool awaits(const struct mt_session *session, unsigned what)
{
    for (unsigned i = 0; i < session->expected; i++) {
        if (mt_expect_at(session, i)->what == what)
            return true;
    }
    return false;
}

static struct mt_entry_mail *tx_of(const struct mt_session *session, const struct mt_entry_rcpt *rcpt)
{
    struct mt_entry_mail *recent[UINT8_MAX + 1];
    struct mt_cursor cursor = mt_store_begin(session);
    unsigned back = session->extra != NULL ? session->extra->back : 0;
    struct mt_entry *entry;
    unsigned count = 0;

    /* A MAIL that was sent behind this RCPT would still be waiting behind it. */
    if (MT_LIKELY(session->tx != NULL && rcpt->back == back && !awaits(session, MT_VERB_MAIL)))
        return session->tx;
    while ((entry = mt_store_next(&cursor)) != NULL && entry != &rcpt->head) {
        if (entry->tag == MT_TAG_MAIL)
            recent[count++ % MT_ARRAY_COUNT(recent)] = (struct mt_entry_mail *)entry;
    }
    return count <= rcpt->back ? NULL : recent[(count - 1 - rcpt->back) % MT_ARRAY_COUNT(recent)];
}

void mt_tx_rcpt_reply(struct mt_run *run, const struct mt_expect *expect, uint32_t reply, struct mt_span line)
{
    static const uint16_t verdicts[] = {
        [2] = MT_TX_ACCEPTED,
        [4] = MT_TX_DEFERRED,
        [5] = MT_TX_REJECTED,
    };
    struct mt_session *session = run->session;
    unsigned class = mt_reply_class(reply);
    uint16_t verdict = class < MT_ARRAY_COUNT(verdicts) ? verdicts[class] : 0;

    if (expect->entry == NULL)
        return;
    if (expect->flags & MT_EXPECT_UNKEPT) {
        struct mt_entry_mail *tx = expect->entry;
        struct mt_entry_done *done = mt_tx_done(run, tx);
        tx->flags |= verdict;
        if (done != NULL && class == 2)
            done->unkept_accepted++;
    } else {
        struct mt_entry_rcpt *rcpt = expect->entry;
        struct mt_entry_mail *tx = tx_of(session, rcpt);
        rcpt->reply = reply;
        rcpt->flags |= expect->flags & MT_EXPECT_TAINTED ? MT_RCPT_TAINTED : 0;
        if (tx != NULL) {
            tx->flags |= verdict;
            mt_observe_rcpt(run, tx, rcpt, reply, line);
        }
    }
    bool has_recipient =
        session->tx == NULL || (session->tx->flags & MT_TX_ACCEPTED) || awaits(session, MT_VERB_RCPT);
    if (session->state == MT_STATE_RCPT && class != 2 && !has_recipient)
        session->state = MT_STATE_MAIL;
}

/* --- its end ---------------------------------------------------------------- */

struct mt_entry_done *mt_tx_done(struct mt_run *run, struct mt_entry_mail *tx)
{
    if (tx == NULL || tx->done != NULL)
        return tx == NULL ? NULL : tx->done;
    struct mt_entry_done *done = mt_store_put(run, MT_TAG_DONE, sizeof(*done), mt_span_none(), true);
    tx->done = done;
    return done;
}

void mt_tx_end(struct mt_run *run, struct mt_entry_mail *tx, enum mt_tx_end how)
{
    struct mt_entry_done *done = mt_tx_done(run, tx);

    if (done == NULL || done->closed != MT_TX_OPEN)
        return;
    done->closed = (uint8_t)how;
    if (how != MT_TX_END_GAP)
        done->end = run->mark->time;
}

void mt_tx_leave(struct mt_session *session)
{
    session->tx = NULL;
    session->flags &= ~MT_S_TX_UNKEPT;
    if (session->extra != NULL)
        session->extra->back = 0;
}

/* The reply that decides, for now: what refuses DATA may be followed by another
 * try. */
void mt_tx_final(struct mt_run *run, struct mt_entry_mail *tx, uint32_t reply)
{
    struct mt_entry_done *done = mt_tx_done(run, tx);

    if (done == NULL || mt_reply_class(done->final) == 2)
        return;
    done->final = reply;
    done->end = run->mark->time;
    if (tx->flags & MT_TX_CONTENT_END)
        done->closed = MT_TX_END_REPLY;
}

void mt_tx_gap(struct mt_run *run)
{
    struct mt_session *session = run->session;

    if (session->tx != NULL)
        session->tx->flags |= MT_TX_GAP;
    mt_tx_end(run, session->tx, MT_TX_END_GAP);
    mt_tx_leave(session);
}

uint64_t mt_tx_accepted(const struct mt_session *session, const struct mt_entry_mail *tx)
{
    struct mt_cursor cursor = mt_store_begin_at(session, tx);
    uint64_t count = tx->done != NULL ? tx->done->unkept_accepted : 0;
    unsigned mails = 0;
    struct mt_entry *entry;

    while ((entry = mt_store_next(&cursor)) != NULL) {
        if (entry->tag == MT_TAG_MAIL)
            mails++;
        if (entry->tag != MT_TAG_RCPT)
            continue;
        const struct mt_entry_rcpt *rcpt = (const struct mt_entry_rcpt *)entry;
        if (rcpt->back + 1u == mails && mt_reply_class(rcpt->reply) == 2)
            count++;
    }
    return count;
}

uint64_t mt_tx_replies(const struct mt_session *session, const struct mt_entry_mail *tx)
{
    if (tx == NULL || !(session->flags & MT_S_LMTP))
        return 1;
    return mt_max_u64(mt_tx_accepted(session, tx), 1);
}
