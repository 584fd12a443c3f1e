/* Bytes that the capture lacks (DESIGN rule 4): no address crosses a gap, and
 * what is said behind one is taken for what its own bytes prove. How replies find
 * their commands again stands in expect.c. */
#include "session/parts_priv.h"

/* Less can't hold MAIL, RCPT and DATA. */
#define ENVELOPE_MIN 40u

void mt_gap_commands(struct mt_run *run)
{
    struct mt_session *session = run->session;

    if (run->side == MT_CLIENT) {
        session->flags |= MT_S_LOST_CLIENT | MT_S_HELO_SENT; /* or so it may be */
        session->flags &= ~MT_S_RESET_PENDING;
        mt_tx_gap(run);
        if (session->state != MT_STATE_QUIT)
            session->state = MT_STATE_LOST;
    } else {
        session->flags |= MT_S_LOST_SERVER;
    }
    mt_expect_taint(session);
}

void mt_gap_line(struct mt_run *run)
{
    struct mt_session *session = run->session;

    if (run->side == MT_CLIENT)
        mt_smtp_client_gap(&session->client, 1);
    else
        mt_smtp_server_gap(&session->server, 1);
    mt_gap_commands(run);
}

/* The end of content may lie in the gap: a reply to it will say so, or, when
 * there are no replies, a command right behind the gap. */
static void gap_in_content(struct mt_run *run, uint64_t size)
{
    struct mt_session *session = run->session;

    mt_smtp_client_gap(&session->client, size);
    mt_content_drop_header(run);
    if (session->tx != NULL)
        session->tx->flags |= MT_TX_GAP;
    session->flags |= MT_S_CONTENT_GAP | MT_S_LOOK_CLIENT | MT_S_GAP_CLIENT;
}

static void gap_in_chunk(struct mt_run *run, uint64_t size)
{
    struct mt_session *session = run->session;
    uint64_t left = session->client.chunk_left;

    mt_content_drop_header(run);
    if (session->tx != NULL)
        session->tx->flags |= MT_TX_GAP;
    mt_smtp_client_gap(&session->client, size);
    if (session->client.mode == MT_SMTP_CHUNK)
        return;
    mt_content_end(run, true);
    if (size == left)
        return;
    session->flags |= MT_S_LOOK_CLIENT | MT_S_GAP_CLIENT;
    mt_gap_commands(run);
}

static void client_gap(struct mt_run *run, uint64_t size)
{
    struct mt_session *session = run->session;

    mt_carry_free(run->engine, session, MT_CLIENT);
    switch (session->client.mode) {
    case MT_SMTP_OPAQUE:
        return;
    case MT_SMTP_CONTENT:
        gap_in_content(run, size);
        return;
    case MT_SMTP_CHUNK:
        gap_in_chunk(run, size);
        return;
    case MT_SMTP_HOLD: /* the reply will say whether content is missing or commands are */
        mt_smtp_client_gap(&session->client, size);
        session->flags |= MT_S_LOOK_CLIENT | MT_S_GAP_CLIENT;
        return;
    default:
        mt_smtp_client_set_mode(&session->client, MT_SMTP_COMMAND);
        mt_smtp_client_gap(&session->client, size);
        session->flags |= MT_S_LOOK_CLIENT | MT_S_GAP_CLIENT;
        if (mt_tx_is_open(session) || size >= ENVELOPE_MIN)
            session->flags |= MT_S_MAY_BE_CONTENT;
        mt_gap_commands(run);
        return;
    }
}

static void server_gap(struct mt_run *run, uint64_t size)
{
    struct mt_session *session = run->session;

    mt_carry_free(run->engine, session, MT_SERVER);
    if (session->server.opaque)
        return;
    mt_reply_break_off(run);
    mt_smtp_server_gap(&session->server, size);
    session->flags |= MT_S_LOOK_SERVER | MT_S_GAP_SERVER;
    mt_gap_commands(run);
}

void mt_session_gap(struct mt_session_engine *engine, struct mt_session *session, enum mt_side side,
                    uint64_t size, const struct mt_mark *mark)
{
    struct mt_run run = {.engine = engine, .session = session, .mark = mark, .side = side};
    struct mt_extra *extra = mt_extra(&run);

    if (extra != NULL)
        extra->missing[side] += size;
    session->flags |= side == MT_CLIENT ? MT_S_PAYLOAD_CLIENT : MT_S_PAYLOAD_SERVER;
    session->flags &= side == MT_CLIENT ? ~MT_S_CLIENT_WAITS : ~UINT64_C(0);
    session->flags &= ~(MT_S_OTHER | MT_S_SHORT_CLIENT | MT_S_SHORT_SERVER);
    mt_anomaly(&run, MT_ANOMALY_GAP);
    mt_transcript(&run, MT_TRANSCRIPT_GAP, mt_span_none(), size);
    if (session->flags & MT_S_TLS_WATCH)
        mt_tls_watch_gap(&run);
    if (side == MT_CLIENT)
        client_gap(&run, size);
    else
        server_gap(&run, size);
}
