/* Begin and end of a session, and the small things that all files use. */
#include "session/names_priv.h"
#include "session/phases_priv.h"

/* --- addresses -------------------------------------------------------------- */

static struct mt_entry_tuple6 *tuple6(const struct mt_session *session)
{
    struct mt_cursor cursor = mt_store_begin(session);
    struct mt_entry *entry = mt_store_next(&cursor);

    MT_BUG_ON(entry == NULL || entry->tag != MT_TAG_TUPLE6);
    return (struct mt_entry_tuple6 *)entry;
}

void mt_session_address(const struct mt_session *session, enum mt_side side, struct mt_ip *ret_ip)
{
    struct mt_ip ip = {.family = session->family};

    if (session->family == 4)
        memcpy(ip.bytes, session->address[side], 4);
    else if (session->family == 6)
        memcpy(ip.bytes, tuple6(session)->address[side], 16);
    *ret_ip = ip;
}

void mt_session_tuple(const struct mt_session *session, struct mt_tuple *ret_tuple)
{
    *ret_tuple = (struct mt_tuple){
        .src.family = session->family,
        .dst.family = session->family,
        .src_port = session->port[MT_CLIENT],
        .dst_port = session->port[MT_SERVER],
    };
    if (MT_LIKELY(session->family == 4)) {
        memcpy(ret_tuple->src.bytes, session->address[MT_CLIENT], 4);
        memcpy(ret_tuple->dst.bytes, session->address[MT_SERVER], 4);
    } else {
        mt_session_address(session, MT_CLIENT, &ret_tuple->src);
        mt_session_address(session, MT_SERVER, &ret_tuple->dst);
    }
}

struct mt_span mt_session_event_id(const struct mt_session *session)
{
    struct mt_session_engine *engine = session->engine;
    struct mt_tuple tuple;

    if (engine->named != session) {
        mt_session_tuple(session, &tuple);
        mt_event_id(&tuple, session->first, engine->event_id);
        engine->named = session;
    }
    return mt_span(engine->event_id, sizeof(engine->event_id));
}

static void judge_addresses(struct mt_session *session)
{
    const struct mt_site *site = session->engine->site;
    struct mt_tuple tuple;

    mt_session_tuple(session, &tuple);
    bool is_outside = !mt_site_is_home(site, &tuple.src);
    bool is_server_home = mt_site_is_home(site, &tuple.dst);
    bool is_inbound = is_outside && is_server_home && !mt_site_may_relay(site, &tuple.src);
    session->flags &= ~(MT_S_OUTSIDE | MT_S_INBOUND | MT_S_SERVER_HOME);
    session->flags |= (is_outside ? MT_S_OUTSIDE : 0) | (is_inbound ? MT_S_INBOUND : 0) |
                      (is_server_home ? MT_S_SERVER_HOME : 0);
}

static bool keep_addresses(struct mt_run *run, const struct mt_tuple *tuple)
{
    struct mt_session *session = run->session;

    session->family = tuple->src.family;
    session->port[MT_CLIENT] = tuple->src_port;
    session->port[MT_SERVER] = tuple->dst_port;
    if (tuple->src.family == 4) {
        memcpy(session->address[MT_CLIENT], tuple->src.bytes, 4);
        memcpy(session->address[MT_SERVER], tuple->dst.bytes, 4);
        return true;
    }
    struct mt_entry_tuple6 *entry = mt_store_put(run, MT_TAG_TUPLE6, sizeof(*entry), mt_span_none(), true);
    if (entry == NULL)
        return false;
    memcpy(entry->address[MT_CLIENT], tuple->src.bytes, 16);
    memcpy(entry->address[MT_SERVER], tuple->dst.bytes, 16);
    return true;
}

/* --- open and close --------------------------------------------------------- */

static void keep_mac(struct mt_session *session, enum mt_side side, const uint8_t *mac)
{
    if (mac == NULL)
        return;
    memcpy(session->mac[side], mac, sizeof(session->mac[side]));
    session->flags |= UINT64_C(1) << (MT_S_MAC_SHIFT + side);
}

struct mt_session *mt_session_open(struct mt_session_engine *engine, const struct mt_session_open *open)
{
    struct mt_session *session = mt_pool_get(engine->pool);

    if (session == NULL)
        return NULL;
    memset(session, 0, sizeof(*session));
    session->engine = engine;
    session->first = open->first.time;
    session->last = open->first;
    session->vlan = open->vlan;
    keep_mac(session, MT_CLIENT, open->mac_src);
    keep_mac(session, MT_SERVER, open->mac_dst);

    struct mt_run run = {.engine = engine, .session = session, .mark = &open->first};
    if (!keep_addresses(&run, &open->tuple)) {
        mt_pool_put(engine->pool, session);
        return NULL;
    }
    if (MT_UNLIKELY(open->outer != NULL))
        mt_outer_keep(&run, open->outer);
    judge_addresses(session);
    session->flags |= MT_S_LOOK_CLIENT | MT_S_LOOK_SERVER;
    if (open->is_midstream) {
        session->flags |= MT_S_MIDSTREAM | MT_S_LOST_CLIENT | MT_S_GAP_CLIENT | MT_S_GAP_SERVER;
        session->flags |= MT_S_MAY_BE_CONTENT | MT_S_HELO_SENT;
        session->state = MT_STATE_LOST;
    } else {
        mt_expect_push(&run, MT_WHAT_GREETING, NULL, 0, 0);
    }
    return session;
}

/* A connection that nobody spoke on is one when its handshake was seen. */
static bool deserves_record(const struct mt_session *session)
{
    if (session->flags & (MT_S_PAYLOAD_CLIENT | MT_S_PAYLOAD_SERVER))
        return true;
    return !(session->flags & MT_S_MIDSTREAM) && session->packets[MT_CLIENT] >= 2 &&
           session->packets[MT_SERVER] >= 1;
}

/* Who closes the connection does not wait for the reply to QUIT, and a chunk that
 * was broken off has none. */
static void judge_outstanding(struct mt_run *run, enum mt_session_end end)
{
    const struct mt_session *session = run->session;
    bool has_ended = end == MT_SESSION_END_FIN || end == MT_SESSION_END_RST || end == MT_SESSION_END_QUIT;
    bool is_broken_off = session->client.mode == MT_SMTP_CHUNK;

    bool is_greeted = session->expected == 0 || session->head.what != MT_WHAT_GREETING;

    if (!has_ended || !is_greeted || !mt_can_judge(run) || mt_has_anomaly(session, MT_ANOMALY_GAP))
        return;
    for (unsigned i = 0; i + is_broken_off < session->expected; i++) {
        if (mt_expect_at(session, i)->what != MT_VERB_QUIT)
            mt_anomaly(run, MT_ANOMALY_REPLY_MISSING);
    }
}

void mt_session_close(struct mt_session_engine *engine, struct mt_session *session, enum mt_session_end end)
{
    struct mt_mark last = session->last;
    struct mt_run run = {.engine = engine, .session = session, .mark = &last};

    if (deserves_record(session)) {
        mt_phase_close(&run);
        mt_feed_finish(&run);
        mt_tls_watch_end(&run, end != MT_SESSION_END_EVICTED && end != MT_SESSION_END_CAPTURE_END);
        if (session->flags & MT_S_RESET_PENDING)
            mt_reset_apply(&run);
        judge_outstanding(&run, end);
        mt_expect_drop(&run, session->expected);
        if (MT_UNLIKELY(engine->names != NULL))
            mt_names_judge(&run);
        mt_helo_at_close(&run);
        mt_observe_close(&run);
        mt_build_record(&run, end);
    }
    mt_session_drop(engine, session);
}

void mt_session_count(struct mt_session *session, enum mt_side side, uint32_t packets, uint64_t wire_bytes,
                      const struct mt_mark *mark)
{
    session->packets[side] += packets;
    session->bytes[side] += wire_bytes;
    if (mark->time < session->last.time)
        return;
    if (MT_UNLIKELY(mark->time - session->last.time >= MT_SILENCE_MIN))
        mt_latency_silence(session, mark->time - session->last.time);
    session->last = *mark;
}

bool mt_session_awaits_probe(const struct mt_session *session)
{
    bool is_probe = session->head.what == MT_VERB_VRFY || session->head.what == MT_VERB_EXPN;

    return is_probe && session->expected > 0 && (session->flags & MT_S_OUTSIDE);
}

void mt_session_drop(struct mt_session_engine *engine, struct mt_session *session)
{
    if (MT_UNLIKELY(session->flags & MT_S_OTHER_SEEN))
        mt_other_free(engine, session);
    mt_store_free(engine, session);
    if (engine->named == session)
        engine->named = NULL;
    mt_pool_put(engine->pool, session);
}

/* HELP, NOOP, QUIT, AUTH and RSET are words of other protocols too. */
static bool is_proof(unsigned verb)
{
    switch (verb) {
    case MT_VERB_HELO:
    case MT_VERB_EHLO:
    case MT_VERB_LHLO:
    case MT_VERB_MAIL:
    case MT_VERB_RCPT:
    case MT_VERB_VRFY:
    case MT_VERB_EXPN:
    case MT_VERB_STARTTLS:
        return true;
    default:
        return false;
    }
}

enum mt_session_guess mt_session_guess(const struct mt_session *session)
{
    struct mt_count counts[MT_KEY_COUNT];
    size_t size = mt_tally_list(session, counts);
    bool is_other = session->client.mode == MT_SMTP_OPAQUE;

    for (size_t i = 0; i < size; i++) {
        unsigned verb = counts[i].key - MT_KEY_VERB;
        if (counts[i].key < MT_KEY_VERB)
            continue;
        if (is_proof(verb))
            return MT_SESSION_MAIL;
        is_other |= verb == MT_VERB_UNKNOWN;
    }
    return is_other ? MT_SESSION_OTHER : MT_SESSION_UNDECIDED;
}

/* --- for all files ---------------------------------------------------------- */

size_t mt_session_data(struct mt_session_engine *engine, struct mt_session *session, enum mt_side side,
                       struct mt_span bytes, const struct mt_mark *mark, bool is_forced, bool is_queued)
{
    struct mt_run run = {
        .engine = engine,
        .session = session,
        .mark = mark,
        .side = side,
        .is_forced = is_forced,
        .is_queued = is_queued,
    };

    if (bytes.size == 0)
        return 0;
    uint64_t payload = side == MT_CLIENT ? MT_S_PAYLOAD_CLIENT : MT_S_PAYLOAD_SERVER;
    uint64_t seen = session->flags & (payload | MT_S_OTHER);
    session->flags |= payload;
    if (MT_UNLIKELY(seen != payload))
        return mt_other_feed(&run, bytes, (seen & payload) == 0);
    return side == MT_CLIENT ? mt_feed_client(&run, bytes) : mt_feed_server(&run, bytes);
}

void mt_session_anomaly(struct mt_session_engine *engine, struct mt_session *session, enum mt_anomaly anomaly,
                        const struct mt_mark *mark)
{
    struct mt_run run = {.engine = engine, .session = session, .mark = mark};

    mt_anomaly(&run, anomaly);
}

bool mt_has_anomaly(const struct mt_session *session, enum mt_anomaly anomaly)
{
    return session->extra != NULL && session->extra->anomalies[anomaly / 64] >> (anomaly % 64) & 1;
}

MT_COLD void mt_anomaly(struct mt_run *run, enum mt_anomaly anomaly)
{
    struct mt_extra *extra = mt_extra(run);

    if (extra == NULL || mt_has_anomaly(run->session, anomaly))
        return;
    extra->anomalies[anomaly / 64] |= UINT64_C(1) << (anomaly % 64);
    mt_transcript(run, MT_TRANSCRIPT_ANOMALY, mt_span_cstr(mt_anomaly_name(anomaly)), 0);
}

void mt_transcript(struct mt_run *run, enum mt_transcript_kind kind, struct mt_span text, uint64_t count)
{
    const struct mt_session_events *events = &run->engine->events;

    if (MT_UNLIKELY(events->transcript != NULL))
        events->transcript(run->engine->ctx, run->session, kind, run->side, text, count, run->mark);
}

bool mt_can_judge(const struct mt_run *run)
{
    uint64_t both = MT_S_PAYLOAD_CLIENT | MT_S_PAYLOAD_SERVER;

    return !run->is_queued && !run->is_forced && (run->session->flags & both) == both &&
           !(run->session->flags & MT_S_RESYNC);
}

bool mt_is_one_way(const struct mt_session *session)
{
    return session->packets[MT_CLIENT] == 0 || session->packets[MT_SERVER] == 0;
}
