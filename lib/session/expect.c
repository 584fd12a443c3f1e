/* The one queue that binds replies to commands (DESIGN rule 2), and what is done
 * with it when bytes are missing.
 *
 * Without a gap every reply answers the oldest command, whatever its code; a
 * code that this command can't have is an anomaly, and only when it belongs to
 * one other command alone, which is waiting too, is it taken for that.
 *
 * Behind a gap (MT_S_LOST_*) that order is not known any longer:
 *
 * - Missing on the server's side: replies may have been lost. The next reply is
 *   bound to the oldest command that can have its code when the code tells
 *   (220 greeting or STARTTLS, 221 QUIT, 354 DATA, 235 and 334 AUTH, 211 and
 *   214 HELP, 252 VRFY or EXPN), or when only one command can have it; those
 *   before it stay unanswered. A code that several commands can have says
 *   nothing about which: it is counted and bound to none.
 * - Missing on the client's side: commands may have been lost whose replies will
 *   come. If the client is known to pipeline, only codes that tell are bound;
 *   if not, the same rule as above. A reply that is bound to nothing is no
 *   anomaly.
 * - A client that does not pipeline sends its next command when it has its
 *   reply. So what is outstanding when such a command comes was answered
 *   unseen: it stays unanswered, and from here on the order is known again. It
 *   is also known when a code that tells has emptied the queue.
 * - What was outstanding across a gap, or was sent while the order was not
 *   known, is tainted: its reply may be in the record, no rule judges by it.
 */
#include "session/parts_priv.h"

#define FIRST_RING 8u

static struct mt_expect *at(struct mt_session *session, unsigned index)
{
    struct mt_extra *extra = session->extra;

    if (index == 0)
        return &session->head;
    return &extra->ring[(extra->ring_head + index - 1) % extra->ring_cap];
}

const struct mt_expect *mt_expect_at(const struct mt_session *session, unsigned index)
{
    return at((struct mt_session *)(uintptr_t)session, index);
}

/* Makes room for one more behind the head. */
static bool ring_reserve(struct mt_run *run)
{
    struct mt_extra *extra = mt_extra(run);
    unsigned used = run->session->expected - 1u;

    if (extra == NULL)
        return false;
    if (used < extra->ring_cap)
        return true;
    size_t cap = extra->ring_cap == 0 ? FIRST_RING : extra->ring_cap * 2u;
    struct mt_expect *ring = mt_arena_get(run->engine->arena, cap * sizeof(*ring));
    if (ring == NULL) {
        mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, 1);
        return false;
    }
    MT_BUG_ON(used > 0 && (extra->ring == NULL || extra->ring_cap == 0));
    for (unsigned i = 0; i < used; i++)
        ring[i] = extra->ring[(extra->ring_head + i) % extra->ring_cap];
    if (extra->ring != NULL)
        mt_arena_put(run->engine->arena, extra->ring, extra->ring_cap * sizeof(*ring));
    extra->ring = ring;
    extra->ring_cap = (uint16_t)cap;
    extra->ring_head = 0;
    return true;
}

void mt_expect_push(struct mt_run *run, unsigned what, void *entry, unsigned flags, uint64_t chunk)
{
    struct mt_session *session = run->session;

    if (session->flags & MT_S_RESYNC)
        flags |= MT_EXPECT_TAINTED;
    struct mt_expect expect = {.entry = entry,
                               .what = (uint8_t)what,
                               .flags = (uint8_t)flags,
                               .chunk = mt_min_u64(mt_latency_stamp(run, what, chunk), MT_CHUNK_MAX)};
    if (session->expected == 0) {
        session->head = expect;
        session->expected = 1;
        return;
    }
    bool has_room = session->expected < run->engine->limits.outstanding_max && ring_reserve(run);
    if (!has_room) {
        bool is_news = !mt_is_one_way(session) && !(session->flags & MT_S_LOST_SERVER);
        if (is_news) { /* else all that is outstanding is tainted, or nobody will ask */
            mt_anomaly(run, MT_ANOMALY_TOO_MANY_OUTSTANDING);
            session->flags |= MT_S_LOST_SERVER;
            mt_expect_taint(session);
        }
        mt_expect_drop(run, 1);
        mt_expect_push(run, what, entry, flags | MT_EXPECT_TAINTED, chunk);
        return;
    }
    struct mt_extra *extra = session->extra;
    extra->ring[(extra->ring_head + session->expected - 1u) % extra->ring_cap] = expect;
    session->expected++;
    if (session->expected > extra->pipelined)
        extra->pipelined = session->expected;
}

void mt_expect_pop(struct mt_run *run)
{
    struct mt_session *session = run->session;
    struct mt_extra *extra = session->extra;

    if (--session->expected == 0)
        return;
    MT_BUG_ON(extra == NULL || extra->ring == NULL);
    session->head = extra->ring[extra->ring_head];
    extra->ring_head = (uint16_t)((extra->ring_head + 1u) % extra->ring_cap);
    if (session->expected == 1) {
        mt_arena_put(run->engine->arena, extra->ring, extra->ring_cap * sizeof(*extra->ring));
        extra->ring = NULL;
        extra->ring_cap = 0;
        extra->ring_head = 0;
    }
}

/* A chunk counts until it is refused. */
static void give_up_oldest(struct mt_run *run)
{
    const struct mt_expect expect = run->session->head;
    struct mt_entry_done *done = expect.what == MT_VERB_BDAT ? mt_tx_done(run, expect.entry) : NULL;

    if (done != NULL)
        done->bytes += expect.chunk;
    mt_expect_pop(run);
}

void mt_expect_drop(struct mt_run *run, unsigned count)
{
    /* A reply that is under way answers nothing any longer. */
    if (count > 0 && run->session->server.lines > 0)
        run->session->flags |= MT_S_REPLY_UNBOUND;
    while (count-- > 0)
        give_up_oldest(run);
}

void mt_expect_taint(struct mt_session *session)
{
    for (unsigned i = 0; i < session->expected; i++)
        at(session, i)->flags |= MT_EXPECT_TAINTED;
}

void mt_expect_cut_chunk(struct mt_session *session, uint64_t left)
{
    struct mt_expect *newest = session->expected > 0 ? at(session, session->expected - 1u) : NULL;

    if (newest != NULL && newest->what == MT_VERB_BDAT)
        newest->chunk -= mt_min_u64(newest->chunk, left);
}

/* --- which codes answer what ------------------------------------------------ */

static bool is_auth(unsigned what)
{
    return what == MT_VERB_AUTH || what == MT_VERB_X_EXPS || what == MT_WHAT_AUTH_STEP;
}

static bool is_tls(unsigned what)
{
    return what == MT_VERB_STARTTLS || what == MT_VERB_X_ANONYMOUSTLS;
}

static bool can_have_250(unsigned what)
{
    return what != MT_WHAT_GREETING && what != MT_VERB_DATA && what != MT_VERB_QUIT && !is_tls(what) &&
           !is_auth(what);
}

bool mt_expect_can_have(unsigned what, uint16_t code)
{
    bool is_probe = what == MT_VERB_VRFY || what == MT_VERB_EXPN;

    if (what == MT_VERB_UNKNOWN || (code >= 400 && code < 600))
        return true;
    switch (code) {
    case 211:
    case 214:
        return what == MT_VERB_HELP;
    case 220:
        return what == MT_WHAT_GREETING || is_tls(what) || what == MT_VERB_XCLIENT;
    case 221:
        return what == MT_VERB_QUIT;
    case 235:
    case 334:
        return is_auth(what);
    case 354:
        return what == MT_VERB_DATA || what == MT_VERB_XEXCH50;
    case 250:
        return can_have_250(what);
    case 251:
        return what == MT_VERB_RCPT || is_probe || what == MT_VERB_ETRN;
    case 252:
        return is_probe || what == MT_VERB_ETRN;
    case 253:
        return what == MT_VERB_ETRN; /* RFC 1985 §5.3 */
    default:
        return false;
    }
}

/* --- behind a gap ----------------------------------------------------------- */

/* A code that one kind of command has and no other. */
static bool code_tells(uint16_t code)
{
    return code == 211 || code == 214 || code == 220 || code == 221 || code == 235 || code == 252 ||
           code == 334 || code == 354;
}

/* Index of the command that a reply answers although replies or commands are
 * missing, or session->expected. */
static unsigned find_answered(const struct mt_session *session, uint16_t code)
{
    bool commands_lost = session->flags & MT_S_LOST_CLIENT;
    bool tells = code_tells(code);
    unsigned found = session->expected;

    if (!tells && commands_lost && (session->flags & MT_S_PIPELINES))
        return found;
    for (unsigned i = 0; i < session->expected; i++) {
        if (!mt_expect_can_have(mt_expect_at(session, i)->what, code))
            continue;
        if (tells)
            return i;
        if (found != session->expected)
            return session->expected;
        found = i;
    }
    return found;
}

/* A code that tells belongs to its command. When that waits behind others,
 * replies to those never came as lines of their own (a greeting without a line
 * end swallows the next); not to follow would read content, or a password, as
 * commands. */
static void catch_up(struct mt_run *run, uint16_t code)
{
    unsigned index = code_tells(code) ? find_answered(run->session, code) : 0;

    if (index == 0 || index == run->session->expected)
        return;
    mt_anomaly(run, MT_ANOMALY_REPLY_MISSING);
    while (index-- > 0)
        give_up_oldest(run);
}

bool mt_expect_bind(struct mt_run *run, uint16_t code)
{
    struct mt_session *session = run->session;

    if (session->expected == 0)
        return false;
    if (!(session->flags & MT_S_RESYNC)) {
        bool is_judged = session->head.what != MT_WHAT_GREETING; /* that has an anomaly of its own */
        if (is_judged && !mt_expect_can_have(session->head.what, code)) {
            mt_anomaly(run, MT_ANOMALY_UNEXPECTED_REPLY_CODE);
            catch_up(run, code);
        }
        return true;
    }
    unsigned index = find_answered(session, code);
    if (index == session->expected)
        return false;
    while (index-- > 0)
        give_up_oldest(run);
    if (session->expected == 1 && code_tells(code))
        session->flags &= ~MT_S_RESYNC;
    return true;
}

void mt_expect_new_command(struct mt_run *run)
{
    struct mt_session *session = run->session;
    bool is_in_reply = session->server.lines > 0 && !(session->flags & MT_S_REPLY_UNBOUND);

    if (!(session->flags & MT_S_RESYNC)) {
        if (session->expected > 0 && session->head.what != MT_WHAT_GREETING && !run->is_queued)
            session->flags |= MT_S_PIPELINES;
        return;
    }
    if ((session->flags & MT_S_PIPELINES) || run->is_queued || is_in_reply ||
        !(session->flags & MT_S_PAYLOAD_SERVER))
        return;
    mt_expect_drop(run, session->expected);
    session->flags &= ~MT_S_RESYNC;
}
