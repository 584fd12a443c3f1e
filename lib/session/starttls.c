/* STARTTLS and X-ANONYMOUSTLS (RFC 3207): what was asked, what was answered, and
 * whether TLS really followed (DESIGN rule 7). Behind the first TLS record of a
 * side nothing of that side is parsed. */
#include "session/parts_priv.h"

void mt_starttls_command(struct mt_run *run, const struct mt_smtp_command *command)
{
    struct mt_session *session = run->session;

    session->flags |= MT_S_STARTTLS;
    mt_expect_push(run, command->verb, NULL, 0, 0);
    mt_hold(session, MT_VERB_STARTTLS);
}

/* Bytes of the client that did not wait for the 220. An early ClientHello is
 * only that; a command is what CVE-2011-0411 is about. */
void mt_starttls_early(struct mt_run *run, struct mt_span bytes)
{
    struct mt_session *session = run->session;

    if (bytes.ptr[0] == 0x16 || (session->flags & MT_S_INJECTED))
        return;
    session->flags |= MT_S_INJECTED;
    session->starttls_outcome = MT_STARTTLS_INJECTED;
    mt_anomaly(run, MT_ANOMALY_STARTTLS_INJECTION);
}

void mt_starttls_reply(struct mt_run *run, uint32_t reply)
{
    struct mt_session *session = run->session;
    bool is_held = session->client.mode == MT_SMTP_HOLD && session->hold == MT_VERB_STARTTLS;

    session->starttls_code = mt_reply_code(reply);
    if (mt_reply_class(reply) == 2) {
        session->flags |= MT_S_TLS_WAIT | MT_S_LOOK_CLIENT | MT_S_LOOK_SERVER;
    } else if (session->starttls_outcome != MT_STARTTLS_INJECTED) {
        session->starttls_outcome = MT_STARTTLS_REFUSED;
    }
    if (is_held)
        mt_resume(run, MT_SMTP_COMMAND);
}

static void keep_history(struct mt_run *run, enum mt_tag tag, enum mt_cut cut,
                         const struct mt_offers_history *history)
{
    struct mt_entry_history *entry = mt_store_put(run, tag, sizeof(*entry), mt_span_none(), false);

    if (entry == NULL) {
        mt_cut(run, cut);
        return;
    }
    entry->answers = history->answers;
    entry->offered = history->offered;
    entry->last = history->last;
}

/* The session's first EHLO, of which all was seen. That it is not known (500, 502) is no
 * answer of a server that knew it before, and like an offer that is not there. What only
 * comes when the connection ends is left out: when that is depends on the worker. */
void mt_starttls_offer(struct mt_run *run, const struct mt_expect *expect, uint16_t code)
{
    struct mt_session *session = run->session;
    struct mt_offers *offers = run->engine->offers;
    bool is_answer = code / 100 == 2;
    bool is_offered = is_answer && (session->flags & MT_S_STARTTLS_OFFERED);
    struct mt_offers_history history;
    struct mt_ip server;

    if (offers == NULL || (session->flags & MT_S_OFFER_JUDGED) || !(is_answer || code == 500 || code == 502))
        return;
    session->flags |= MT_S_OFFER_JUDGED;
    if ((expect->flags & MT_EXPECT_TAINTED) || run->is_forced || session->state == MT_STATE_LOST ||
        mt_has_anomaly(session, MT_ANOMALY_GAP) ||
        (session->flags & (MT_S_MIDSTREAM | MT_S_TLS_WAIT | MT_S_AUTH_SEEN)))
        return;
    mt_session_address(session, MT_SERVER, &server);
    if (is_answer)
        mt_offers_note(offers, &server, session->port[MT_SERVER], is_offered);
    bool is_known = !is_offered && mt_offers_find(offers, &server, session->port[MT_SERVER], &history);
    if (is_known && history.offered > 0)
        keep_history(run, MT_TAG_HISTORY, MT_CUT_HISTORY, &history);
}

static bool find_pair(const struct mt_run *run, struct mt_ip *ret_client, struct mt_ip *ret_server,
                      struct mt_offers_history *ret_history)
{
    const struct mt_session *session = run->session;

    mt_session_address(session, MT_CLIENT, ret_client);
    mt_session_address(session, MT_SERVER, ret_server);
    return mt_offers_find_pair(run->engine->offers, ret_client, ret_server, session->port[MT_SERVER],
                               ret_history);
}

/* Clear sessions are noted of pairs alone that are known for TLS: of others there is nothing
 * to compare with. */
void mt_starttls_clear(struct mt_run *run)
{
    struct mt_session *session = run->session;
    struct mt_offers_history history;
    struct mt_ip client, server;

    if (run->engine->offers == NULL || run->is_forced || session->state == MT_STATE_LOST ||
        (session->flags & (MT_S_MIDSTREAM | MT_S_STARTTLS)) || mt_has_anomaly(session, MT_ANOMALY_GAP) ||
        !find_pair(run, &client, &server, &history))
        return;
    mt_offers_note_pair(run->engine->offers, &client, &server, session->port[MT_SERVER], false);
    if (history.offered > 0)
        keep_history(run, MT_TAG_PAIR, MT_CUT_PAIR, &history);
}

static void note_tls(struct mt_run *run)
{
    const struct mt_session *session = run->session;
    struct mt_ip client, server;

    if (run->engine->offers == NULL || run->is_forced)
        return;
    mt_session_address(session, MT_CLIENT, &client);
    mt_session_address(session, MT_SERVER, &server);
    mt_offers_note_pair(run->engine->offers, &client, &server, session->port[MT_SERVER], true);
}

static void go_opaque(struct mt_run *run, enum mt_side side)
{
    struct mt_session *session = run->session;

    mt_carry_free(run->engine, session, side);
    mt_content_drop_header(run);
    if (side == MT_CLIENT) {
        mt_smtp_client_set_mode(&session->client, MT_SMTP_OPAQUE);
        mt_tx_gap(run); /* what becomes of it is said in secret */
    } else {
        session->server.opaque = 1;
        mt_expect_drop(run, session->expected);
    }
}

void mt_tls_begin(struct mt_run *run, bool is_handshake)
{
    struct mt_session *session = run->session;
    uint64_t both = MT_S_TLS_CLIENT | MT_S_TLS_SERVER;
    bool is_negotiated = session->flags & (MT_S_TLS_WAIT | MT_S_STARTTLS);
    bool is_start = session->state == MT_STATE_CONNECTED;

    if (is_handshake || (session->flags & MT_S_TLS_WATCH))
        mt_tls_watch_begin(run);
    go_opaque(run, run->side);
    mt_transcript(run, MT_TRANSCRIPT_OPAQUE, mt_span_none(), 0);
    if (is_handshake)
        session->flags |= run->side == MT_CLIENT ? MT_S_TLS_CLIENT : MT_S_TLS_SERVER;
    if (is_negotiated) {
        bool is_established = (session->flags & both) == both && (session->flags & MT_S_TLS_WAIT);
        if (is_established && session->starttls_outcome != MT_STARTTLS_INJECTED) {
            session->starttls_outcome = MT_STARTTLS_ESTABLISHED;
            note_tls(run);
        }
        return;
    }
    /* TLS that nobody asked for in clear: from the start of the connection, or
     * from a gap or the start of the capture on. */
    bool is_unanswered = is_start && run->side == MT_CLIENT && !(session->flags & MT_S_PAYLOAD_SERVER);
    if (!is_unanswered) /* else the server may answer in clear: it is looked at when it does */
        go_opaque(run, mt_side_other(run->side));
    if (is_start || session->port[MT_SERVER] == MT_SMTPS_PORT)
        session->flags |= MT_S_TLS_FIRST;
    if (is_start && session->port[MT_SERVER] != MT_SMTPS_PORT)
        mt_anomaly(run, MT_ANOMALY_NOT_SMTP);
}

void mt_tls_absent(struct mt_run *run)
{
    struct mt_session *session = run->session;

    if (!(session->flags & MT_S_TLS_WAIT))
        return;
    if (run->side == MT_SERVER) {
        /* The client has to speak next: whatever stands here goes behind its
         * ClientHello, or is meant to (CVE-2021-38371). */
        mt_anomaly(run, MT_ANOMALY_STARTTLS_RESPONSE_INJECTION);
        return;
    }
    if (session->flags & MT_S_INJECTED)
        return;
    /* Plain text goes on: TLS failed to start, or was taken off before the
     * capture. Everything is read on as a new session (RFC 3207 §4.2). */
    session->flags &= ~(MT_S_TLS_WAIT | MT_S_EHLO_OK | MT_S_HELO_OK | MT_S_HELO_SENT | MT_S_PIPELINING);
    session->flags &= ~MT_S_LOOK_SERVER;
    session->starttls_outcome = MT_STARTTLS_NO_TLS;
    if (session->state != MT_STATE_LOST)
        session->state = MT_STATE_GREETED;
    mt_anomaly(run, MT_ANOMALY_STARTTLS_NO_TLS);
}
