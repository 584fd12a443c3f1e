/* How long replies take, where the order of both sides is known: the slowest of a
 * kind, in a byte each, because an open session has no more room. */
#include "session/events_priv.h"
#include "session/latency_priv.h"
#include "session/parts_priv.h"
#include "session/phases_priv.h"

static bool is_chunk(unsigned what)
{
    return what == MT_VERB_BDAT || what == MT_VERB_BURL;
}

static uint64_t elapsed_us(const struct mt_run *run)
{
    uint64_t first = run->session->first;

    return run->mark->time > first ? (run->mark->time - first) / 1000 : 0;
}

uint64_t mt_latency_stamp(const struct mt_run *run, unsigned what, uint64_t chunk)
{
    if (is_chunk(what))
        return chunk;
    uint64_t us = elapsed_us(run);
    if (what != MT_WHAT_CONTENT_END)
        return us;
    uint64_t units = mt_min_u64(us / MT_CONTENT_TIME_UNIT, UINT32_MAX);
    return mt_min_u64(chunk, MT_REPLIES_MASK) | units << MT_CONTENT_TIME_SHIFT;
}

static void raise_to(uint8_t *kept, uint64_t us)
{
    uint8_t packed = mt_time_pack(us);

    if (packed > *kept)
        *kept = packed;
}

static void take_content(const struct mt_expect *expect, uint64_t now)
{
    const struct mt_entry_mail *tx = expect->entry;
    uint64_t sent = (expect->chunk >> MT_CONTENT_TIME_SHIFT) * MT_CONTENT_TIME_UNIT;

    if (tx != NULL && tx->done != NULL && sent > 0)
        raise_to(&tx->done->latency[1], now > sent ? now - sent : 0);
}

void mt_latency_take(struct mt_run *run, const struct mt_expect *expect, uint16_t code)
{
    struct mt_session *session = run->session;
    uint8_t *kept = session->client.owner;
    uint64_t now = elapsed_us(run);
    uint64_t taken = now > expect->chunk ? now - expect->chunk : 0;

    if ((expect->flags & MT_EXPECT_TAINTED) || run->is_queued || run->is_forced || mt_is_one_way(session))
        return;
    if (MT_UNLIKELY(now >= MT_PHASE_LEAST / 1000))
        mt_phase_wait(run, expect);
    switch (expect->what) {
    case MT_WHAT_GREETING:
        raise_to(&kept[MT_OWNER_GREETING], taken);
        break;
    case MT_VERB_HELO:
    case MT_VERB_EHLO:
    case MT_VERB_LHLO:
        raise_to(&kept[MT_OWNER_HELO], taken);
        break;
    case MT_VERB_MAIL:
        raise_to(&kept[MT_OWNER_MAIL], taken);
        break;
    case MT_VERB_RCPT:
        raise_to(&kept[MT_OWNER_RCPT], taken);
        break;
    case MT_VERB_DATA: {
        struct mt_entry_mail *tx = expect->entry;
        struct mt_entry_done *done = code == 354 && tx != NULL ? mt_tx_done(run, tx) : NULL;
        if (done != NULL)
            raise_to(&done->latency[0], taken);
        break;
    }
    case MT_WHAT_CONTENT_END:
        take_content(expect, now);
        break;
    default:
        break;
    }
}

uint64_t mt_latency_of(const struct mt_run *run, const struct mt_expect *expect)
{
    uint64_t now = elapsed_us(run);
    uint64_t sent = expect->chunk;

    if ((expect->flags & MT_EXPECT_TAINTED) || run->is_queued || run->is_forced ||
        mt_is_one_way(run->session) || is_chunk(expect->what))
        return 0;
    if (expect->what == MT_WHAT_CONTENT_END)
        sent = (expect->chunk >> MT_CONTENT_TIME_SHIFT) * MT_CONTENT_TIME_UNIT;
    if (expect->what == MT_WHAT_CONTENT_END && sent == 0) /* further replies to the last chunk */
        return 0;
    return now > sent ? now - sent : 0;
}

MT_COLD void mt_latency_silence(struct mt_session *session, uint64_t time)
{
    struct mt_run run = {.engine = session->engine, .session = session, .mark = &session->last};

    raise_to(&session->client.owner[MT_OWNER_SILENCE], time / 1000);
    if (time >= MT_PHASE_LEAST)
        mt_phase_silence(&run, time);
}
