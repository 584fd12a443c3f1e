/* Facts for the collector. None is made across a gap or of a connection of which
 * one side alone was seen. */
#include "session/parts_priv.h"

/* A message to many recipients is told of for the first of them. */
#define MESSAGE_RECIPIENTS_MAX 16u

static struct mt_observation *begin(struct mt_run *run, enum mt_observation_kind kind)
{
    struct mt_session *session = run->session;
    struct mt_observation *o = &run->engine->observation;

    o->mark = *run->mark;
    o->kind = (uint8_t)kind;
    o->form = MT_RELAY_NONE;
    o->is_expn = 0;
    o->reply_lines = 0;
    o->code = 0;
    memset(o->enhanced, 0, sizeof(o->enhanced));
    o->score = 0;
    o->findings = 0;
    o->recipients = 0;
    o->has_relay_text = false;
    o->is_local_domain = false;
    o->is_client_home = !(session->flags & MT_S_OUTSIDE);
    mt_session_tuple(session, &o->tuple);
    o->is_server_home = (session->flags & MT_S_SERVER_HOME) != 0;
    o->subject_size = 0;
    o->domain_size = 0;
    o->queue_id_size = 0;
    o->evidence_count = 0;
    o->first = session->first;
    return o;
}

static void hand_out(struct mt_run *run)
{
    run->engine->events.observation(run->engine->ctx, &run->engine->observation);
}

static uint16_t put(uint8_t *into, size_t cap, struct mt_span text)
{
    text = mt_span_head(text, cap);
    if (text.size > 0)
        memcpy(into, text.ptr, text.size);
    return (uint16_t)text.size;
}

static uint16_t put_lower(uint8_t *into, size_t cap, struct mt_span text)
{
    text = mt_span_head(text, cap);
    mt_ascii_put_lower(into, text.ptr, text.size);
    return (uint16_t)text.size;
}

static void add_evidence(struct mt_observation *o, enum mt_side side, uint64_t time, struct mt_span line)
{
    if (o->evidence_count == MT_EVIDENCE_MAX || line.ptr == NULL)
        return;
    struct mt_evidence *e = &o->evidence[o->evidence_count++];
    e->time = time;
    e->side = (uint8_t)side;
    e->is_cut = line.size > sizeof(e->text);
    e->size = put(e->text, sizeof(e->text), line);
}

static void put_reply(struct mt_observation *o, uint32_t reply)
{
    uint8_t text[16] = {0};
    struct mt_buf b = mt_buf(text, sizeof(text));

    o->code = mt_reply_code(reply);
    mt_reply_put_enhanced(&b, reply);
    memcpy(o->enhanced, text, sizeof(o->enhanced));
}

/* --- the first line of a long reply ----------------------------------------- */

void mt_observe_first(struct mt_run *run, struct mt_span line)
{
    struct mt_session *session = run->session;
    struct mt_extra *extra = session->flags & MT_S_OUTSIDE ? mt_extra(run) : NULL;

    if (extra == NULL)
        return;
    if (extra->first == NULL) {
        extra->first = mt_arena_get(run->engine->arena, MT_FIRST_SIZE);
        if (extra->first == NULL) {
            mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, 1);
            return;
        }
        extra->first->head.tag = 0;
    }
    line = mt_span_head(line, MT_FIRST_SIZE - sizeof(*extra->first));
    extra->first->head.size = (uint16_t)(sizeof(*extra->first) + line.size);
    extra->first->time = run->mark->time;
    memcpy(extra->first->text, line.ptr, line.size);
    session->flags |= MT_S_FIRST;
}

static void add_reply(struct mt_run *run, struct mt_observation *o, struct mt_span line)
{
    struct mt_session *session = run->session;

    if (session->flags & MT_S_FIRST) {
        const struct mt_entry_line *first = session->extra->first;
        add_evidence(o, MT_SERVER, first->time, mt_entry_text(first));
    }
    if (line.size > 0)
        add_evidence(o, MT_SERVER, run->mark->time, line);
}

/* --- RCPT and MESSAGE ------------------------------------------------------- */

static bool is_relay_watched(const struct mt_run *run, const struct mt_entry_mail *tx)
{
    const struct mt_session *session = run->session;

    return (session->flags & MT_S_INBOUND) && !(session->flags & (MT_S_AUTHED | MT_S_LMTP)) && tx != NULL &&
           !(tx->flags & (MT_TX_GAP | MT_TX_ANONYMOUS)) && !mt_is_one_way(session);
}

static bool is_local(const struct mt_run *run, struct mt_span target)
{
    return mt_site_is_local_domain(run->engine->site, target) || mt_relay_is_own_ip(run->session, target);
}

static struct mt_observation *begin_rcpt(struct mt_run *run, enum mt_observation_kind kind,
                                         struct mt_entry_mail *tx, const struct mt_entry_rcpt *rcpt)
{
    struct mt_observation *o = begin(run, kind);
    struct mt_span target;

    o->form = (uint8_t)mt_relay_form(run, tx, rcpt, &target);
    o->is_local_domain = is_local(run, target);
    o->subject_size =
        put(o->subject, sizeof(o->subject), mt_place_address(&rcpt->place, mt_entry_text(rcpt)));
    o->domain_size = put_lower(o->domain, sizeof(o->domain), target);
    add_evidence(o, MT_CLIENT, rcpt->time, mt_entry_text(rcpt));
    return o;
}

void mt_observe_rcpt(struct mt_run *run, struct mt_entry_mail *tx, const struct mt_entry_rcpt *rcpt,
                     uint32_t reply, struct mt_span line)
{
    if (!is_relay_watched(run, tx) || (rcpt->flags & MT_RCPT_TAINTED) || rcpt->place.size == MT_PLACE_NONE ||
        line.size == 0)
        return;
    struct mt_observation *o = begin_rcpt(run, MT_OBSERVE_RCPT, tx, rcpt);
    put_reply(o, reply);
    o->has_relay_text = (run->session->flags & MT_S_REPLY_RELAY) != 0;
    add_reply(run, o, line);
    bool may_be_message =
        mt_reply_class(reply) == 2 && !(o->is_local_domain && run->engine->site->local_domain_count > 0);
    hand_out(run);
    if (!may_be_message)
        return;
    struct mt_entry_line *kept =
        mt_store_put(run, MT_TAG_LINE, sizeof(*kept), mt_span_head(line, MT_EVIDENCE_TEXT_MAX), false);
    if (kept == NULL)
        return;
    kept->of = rcpt;
    kept->time = run->mark->time;
    run->session->flags |= MT_S_MAY_RELAY;
}

struct accepted {
    const struct mt_entry_rcpt *rcpt;
    const struct mt_entry_line *reply;
};

/* Not known to be ours. */
static bool is_told_of(const struct mt_run *run, struct mt_entry_mail *tx, const struct mt_entry_rcpt *rcpt)
{
    bool knows_domains = run->engine->site->local_domain_count > 0;
    struct mt_span target;

    if (rcpt->flags & MT_RCPT_TAINTED)
        return false;
    mt_relay_form(run, tx, rcpt, &target);
    return !(knows_domains && is_local(run, target));
}

/* ret_total: accepted recipients, those that are not told of too. */
static unsigned collect_accepted(const struct mt_run *run, struct mt_entry_mail *tx,
                                 struct accepted *ret_accepted, uint64_t *ret_total)
{
    struct mt_cursor cursor = mt_store_begin_at(run->session, tx);
    uint64_t total = tx->done != NULL ? tx->done->unkept_accepted : 0;
    unsigned count = 0, mails = 0;
    struct mt_entry *entry;

    while ((entry = mt_store_next(&cursor)) != NULL) {
        if (entry->tag == MT_TAG_MAIL) {
            mails++;
        } else if (entry->tag == MT_TAG_RCPT) {
            const struct mt_entry_rcpt *rcpt = (const struct mt_entry_rcpt *)entry;
            if (rcpt->back + 1u != mails || mt_reply_class(rcpt->reply) != 2)
                continue;
            total++;
            if (count < MESSAGE_RECIPIENTS_MAX && is_told_of(run, tx, rcpt))
                ret_accepted[count++] = (struct accepted){.rcpt = rcpt};
        } else if (entry->tag == MT_TAG_LINE) {
            const struct mt_entry_line *line = (const struct mt_entry_line *)entry;
            for (unsigned i = 0; i < count; i++) {
                if (ret_accepted[i].rcpt == line->of)
                    ret_accepted[i].reply = line;
            }
        }
    }
    *ret_total = total;
    return count;
}

void mt_observe_message(struct mt_run *run, struct mt_entry_mail *tx, uint32_t reply, struct mt_span line)
{
    struct accepted accepted[MESSAGE_RECIPIENTS_MAX];

    if (!is_relay_watched(run, tx) || line.size == 0)
        return;
    uint64_t recipients;
    unsigned count = collect_accepted(run, tx, accepted, &recipients);
    struct mt_span queue_id = count > 0 ? mt_smtp_queue_id(mt_span_from(line, 4)) : mt_span_none();
    for (unsigned i = 0; i < count; i++) {
        struct mt_observation *o = begin_rcpt(run, MT_OBSERVE_MESSAGE, tx, accepted[i].rcpt);
        put_reply(o, reply);
        o->recipients = (uint32_t)mt_min_u64(recipients, UINT32_MAX);
        o->queue_id_size = put(o->queue_id, sizeof(o->queue_id), queue_id);
        if (accepted[i].reply != NULL)
            add_evidence(o, MT_SERVER, accepted[i].reply->time, mt_entry_text(accepted[i].reply));
        add_evidence(o, MT_SERVER, run->mark->time, line);
        hand_out(run);
    }
}

/* What was accepted stands, whatever the capture lacks behind it. */
static void tell_unsent(struct mt_run *run, struct mt_entry_mail *tx)
{
    struct accepted accepted[MESSAGE_RECIPIENTS_MAX];
    uint64_t recipients;
    unsigned count = collect_accepted(run, tx, accepted, &recipients);

    for (unsigned i = 0; i < count; i++) {
        if (accepted[i].reply == NULL)
            continue;
        struct mt_observation *o = begin_rcpt(run, MT_OBSERVE_UNSENT, tx, accepted[i].rcpt);
        put_reply(o, accepted[i].rcpt->reply);
        o->recipients = (uint32_t)mt_min_u64(recipients, UINT32_MAX);
        add_evidence(o, MT_SERVER, accepted[i].reply->time, mt_entry_text(accepted[i].reply));
        hand_out(run);
    }
}

void mt_observe_close(struct mt_run *run)
{
    struct mt_session *session = run->session;

    if (MT_LIKELY(!(session->flags & MT_S_MAY_RELAY)) || (session->flags & (MT_S_AUTHED | MT_S_LMTP)))
        return;
    struct mt_cursor cursor = mt_store_begin(session);
    struct mt_entry *entry;
    while ((entry = mt_store_next(&cursor)) != NULL) {
        struct mt_entry_mail *tx = (struct mt_entry_mail *)entry;
        if (entry->tag == MT_TAG_MAIL && (tx->flags & MT_TX_ACCEPTED) &&
            !(tx->done != NULL && mt_reply_class(tx->done->final) == 2))
            tell_unsent(run, tx);
    }
}

/* --- PROBE and HELO --------------------------------------------------------- */

void mt_observe_probe(struct mt_run *run, const struct mt_entry_probe *probe, uint32_t reply, uint32_t lines,
                      struct mt_span line)
{
    const struct mt_session *session = run->session;

    if (!(session->flags & MT_S_OUTSIDE) || mt_is_one_way(session))
        return;
    struct mt_observation *o = begin(run, MT_OBSERVE_PROBE);
    put_reply(o, reply);
    o->is_expn = probe->verb == MT_VERB_EXPN;
    o->reply_lines = (uint8_t)mt_min_u64(lines, UINT8_MAX);
    o->subject_size = put(o->subject, sizeof(o->subject), mt_probe_argument(probe));
    add_evidence(o, MT_CLIENT, probe->time, mt_entry_text(probe));
    add_reply(run, o, line);
    hand_out(run);
}

void mt_observe_helo(struct mt_run *run, uint32_t findings, struct mt_span mail_line)
{
    struct mt_observation *o = begin(run, MT_OBSERVE_HELO);
    struct mt_cursor cursor = mt_store_begin(run->session);
    struct mt_entry *entry;

    o->findings = findings;
    o->score = (uint16_t)mt_helo_score(findings);
    while ((entry = mt_store_next(&cursor)) != NULL) {
        if (entry->tag == MT_TAG_HELO) {
            const struct mt_entry_helo *helo = (const struct mt_entry_helo *)entry;
            if (o->subject_size == 0 || helo->findings != 0)
                o->subject_size = put(o->subject, sizeof(o->subject), mt_entry_text(helo));
        } else if (entry->tag == MT_TAG_LINE) {
            const struct mt_entry_line *line = (const struct mt_entry_line *)entry;
            const struct mt_entry *of = line->of;
            if (of->tag == MT_TAG_HELO && o->evidence_count + 1 < MT_EVIDENCE_MAX)
                add_evidence(o, MT_CLIENT, line->time, mt_entry_text(line));
        }
    }
    add_evidence(o, MT_CLIENT, run->mark->time, mail_line);
    hand_out(run);
}
