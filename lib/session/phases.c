/* How long who waited, held against RFC 5321 §4.5.3.2. Silence is that of packets: who
 * sends an octet now and then is not silent, and has a command without an end. */
#include "session/phases_priv.h"

#include "session/events_priv.h"
#include "session/parts_priv.h"

static const struct {
    uint32_t seconds;
    const char *name;
} phases[MT_PHASE_COUNT] = {
#define MT_PHASE(name, seconds, text, meaning) [MT_PHASE_##name] = {seconds, text},
#include "record/phases.def"
#undef MT_PHASE
};

const char *mt_phase_name(enum mt_phase phase)
{
    return phases[phase].name;
}

static struct mt_entry_phases *find(const struct mt_session *session)
{
    struct mt_cursor cursor = mt_store_begin(session);
    struct mt_entry *entry;

    while ((entry = mt_store_next(&cursor)) != NULL) {
        if (entry->tag == MT_TAG_PHASES)
            return (struct mt_entry_phases *)entry;
    }
    return NULL;
}

static struct mt_entry_phases *get(struct mt_run *run)
{
    struct mt_entry_phases *entry = find(run->session);

    if (entry == NULL)
        entry = mt_store_put(run, MT_TAG_PHASES, sizeof(*entry), mt_span_none(), false);
    if (entry == NULL)
        mt_cut(run, MT_CUT_PHASES);
    return entry;
}

static void judge(struct mt_run *run, enum mt_phase phase, uint64_t time)
{
    struct mt_entry_phases *entry = time >= phases[phase].seconds * MT_SEC ? get(run) : NULL;

    if (entry != NULL)
        entry->phases |= (uint8_t)(1u << phase);
}

MT_COLD void mt_phase_wait(struct mt_run *run, const struct mt_expect *expect)
{
    uint64_t time = mt_latency_of(run, expect) * 1000;

    switch (expect->what) {
    case MT_WHAT_GREETING:
        judge(run, MT_PHASE_GREETING, time);
        break;
    case MT_VERB_MAIL:
        judge(run, MT_PHASE_MAIL, time);
        break;
    case MT_VERB_RCPT:
        judge(run, MT_PHASE_RCPT, time);
        break;
    case MT_VERB_DATA:
        judge(run, MT_PHASE_DATA_INITIATION, time);
        break;
    case MT_WHAT_CONTENT_END:
        judge(run, MT_PHASE_DATA_TERMINATION, time);
        break;
    default:
        break;
    }
}

static bool is_server_waiting(const struct mt_session *session)
{
    if (session->state == MT_STATE_CONNECTED || session->state == MT_STATE_REFUSED ||
        session->state == MT_STATE_QUIT)
        return false;
    return session->client.mode == MT_SMTP_AUTH ||
           (session->client.mode == MT_SMTP_COMMAND && session->expected == 0);
}

MT_COLD void mt_phase_silence(struct mt_run *run, uint64_t time)
{
    const struct mt_session *session = run->session;
    bool is_content = session->client.mode == MT_SMTP_CONTENT || session->client.mode == MT_SMTP_CHUNK;

    if (mt_is_one_way(session) || (session->flags & MT_S_RESYNC) || mt_has_anomaly(session, MT_ANOMALY_GAP))
        return;
    if (is_content && !(session->flags & MT_S_EARLY_REFUSAL))
        judge(run, MT_PHASE_DATA_BLOCK, time);
    else if (is_server_waiting(session))
        judge(run, MT_PHASE_SERVER, time);
}

/* What stands in the line buffer when the connection ends. Behind a gap it may be the
 * rest of anything. */
static void keep_incomplete(struct mt_run *run)
{
    const struct mt_session *session = run->session;
    const struct mt_carry *carry =
        session->flags & MT_S_CARRY_CLIENT ? session->extra->carry[MT_CLIENT] : NULL;

    if (carry == NULL || carry->size == 0 || session->client.mode != MT_SMTP_COMMAND ||
        mt_is_one_way(session) || mt_has_anomaly(session, MT_ANOMALY_GAP) ||
        (session->flags & MT_S_MIDSTREAM))
        return;
    struct mt_entry_phases *entry = get(run);
    if (entry != NULL)
        entry->incomplete = carry->size;
}

void mt_phase_close(struct mt_run *run)
{
    const struct mt_session *session = run->session;
    uint64_t lasted = session->last.time > session->first ? session->last.time - session->first : 0;

    if (MT_UNLIKELY(session->flags & MT_S_CARRY_CLIENT))
        keep_incomplete(run);
    if (MT_UNLIKELY(lasted >= MT_PHASE_LEAST) && session->expected > 0)
        mt_phase_wait(run, mt_expect_at(session, 0));
}
