/* What a TLS handshake shows, kept as entries. The reader and the messages that
 * it puts together live only as long as the handshake; then the session is as
 * large as it was, but for the entries. */
#include "session/parts_priv.h"

/* --- facts to entries ---------------------------------------------------------- */

/* An entry with room for text, of which nothing is there yet; NULL when it does not
 * fit, which is marked. */
static void *put_entry(struct mt_run *run, enum mt_tag tag, size_t size, struct mt_span text, enum mt_cut cut)
{
    void *entry = mt_store_put(run, tag, size, text, false);

    if (entry == NULL)
        mt_cut(run, cut);
    return entry;
}

#define CLIENT_TEXT_MAX 2048u

static void on_client_hello(void *ctx, const struct mt_tls_client_hello *hello)
{
    struct mt_run *run = ctx;
    struct mt_buf b = mt_buf(run->engine->scratch, CLIENT_TEXT_MAX);
    struct mt_span sni = mt_keep(run, hello->sni, 255, MT_CUT_TLS_CLIENT);
    size_t alpn_size = hello->alpn.size <= 512 ? hello->alpn.size : 0;

    mt_buf_put_span(&b, sni);
    mt_buf_put(&b, hello->alpn.ptr, alpn_size);
    mt_buf_put_head(&b, mt_span_head(hello->ciphers, (size_t)2 * MT_TLS_LIST_MAX));
    if (alpn_size < hello->alpn.size || hello->ciphers.size > (size_t)2 * MT_TLS_LIST_MAX)
        mt_cut(run, MT_CUT_TLS_CLIENT);
    struct mt_entry_tls_client *entry =
        put_entry(run, MT_TAG_TLS_CLIENT, sizeof(*entry), mt_buf_span(&b), MT_CUT_TLS_CLIENT);
    if (entry == NULL)
        return;
    entry->version = hello->version;
    entry->has_prints = hello->has_prints;
    entry->sni_size = (uint8_t)sni.size;
    entry->alpn_size = (uint16_t)alpn_size;
    memcpy(entry->ja3, hello->ja3, sizeof(entry->ja3));
    memcpy(entry->ja4, hello->ja4, sizeof(entry->ja4));
}

static void on_server_hello(void *ctx, const struct mt_tls_server_hello *hello)
{
    struct mt_run *run = ctx;
    struct mt_entry_tls_server *entry =
        put_entry(run, MT_TAG_TLS_SERVER, sizeof(*entry), hello->alpn, MT_CUT_TLS_SERVER);

    if (entry == NULL)
        return;
    entry->version = hello->version;
    entry->cipher = hello->cipher;
    entry->has_print = hello->has_print;
    entry->is_resumed = hello->is_resumed;
    entry->knows_resumed = hello->knows_resumed;
    memcpy(entry->ja3s, hello->ja3s, sizeof(entry->ja3s));
}

static void on_certificate(void *ctx, enum mt_side side, unsigned index, const struct mt_x509 *c)
{
    struct mt_run *run = ctx;
    struct mt_buf b = mt_buf(run->engine->scratch, sizeof(run->engine->scratch));
    enum mt_cut cut = side == MT_CLIENT ? MT_CUT_TLS_CLIENT : MT_CUT_TLS_SERVER;

    mt_buf_put(&b, c->serial, c->serial_size);
    mt_buf_put(&b, c->subject, c->subject_size);
    mt_buf_put(&b, c->issuer, c->issuer_size);
    if (index == 0)
        mt_buf_put(&b, c->alternatives, c->alternatives_size);
    if (c->is_cut)
        mt_cut(run, cut);
    struct mt_entry_tls_certificate *entry =
        put_entry(run, MT_TAG_TLS_CERTIFICATE, sizeof(*entry), mt_buf_span(&b), cut);
    if (entry == NULL)
        return;
    entry->side = (uint8_t)side;
    entry->index = (uint8_t)index;
    memcpy(entry->sha256, c->sha256, sizeof(entry->sha256));
    entry->not_before = c->not_before;
    entry->not_after = c->not_after;
    entry->serial_size = c->serial_size;
    entry->subject_size = c->subject_size;
    entry->issuer_size = c->issuer_size;
}

#define ALERT_FATAL 2u

/* The first fatal one says why; without one the first warning may. */
static void on_alert(void *ctx, enum mt_side side, uint8_t level, uint8_t description)
{
    struct mt_run *run = ctx;
    struct mt_cursor cursor = mt_store_begin(run->session);
    struct mt_entry *known;
    struct mt_entry_tls_alert *entry = NULL;

    while ((known = mt_store_next(&cursor)) != NULL) {
        if (known->tag == MT_TAG_TLS_ALERT)
            entry = (struct mt_entry_tls_alert *)known;
    }
    if (entry != NULL && (entry->level == ALERT_FATAL || level != ALERT_FATAL))
        return;
    if (entry == NULL)
        entry = put_entry(run, MT_TAG_TLS_ALERT, sizeof(*entry), mt_span_none(), MT_CUT_TLS_SERVER);
    if (entry == NULL)
        return;
    entry->side = (uint8_t)side;
    entry->level = level;
    entry->description = description;
}

static void on_note(void *ctx, enum mt_tls_note note)
{
    struct mt_run *run = ctx;

    switch (note) {
    case MT_TLS_MALFORMED:
        mt_anomaly(run, MT_ANOMALY_TLS_MALFORMED);
        break;
    case MT_TLS_MEMORY:
        mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, 1);
        break;
    default:
        mt_cut(run, run->side == MT_CLIENT ? MT_CUT_TLS_CLIENT : MT_CUT_TLS_SERVER);
        break;
    }
}

static const struct mt_tls_events tls_events = {
    .client_hello = on_client_hello,
    .server_hello = on_server_hello,
    .certificate = on_certificate,
    .alert = on_alert,
    .note = on_note,
};

/* --- the reader ------------------------------------------------------------------ */

void mt_tls_watch_begin(struct mt_run *run)
{
    struct mt_session *session = run->session;
    struct mt_extra *extra = mt_extra(run);

    if (extra == NULL || (session->flags & (MT_S_TLS_ESTABLISHED | MT_S_TLS_FAILED)))
        return;
    if (extra->tls == NULL) {
        extra->tls = mt_arena_get(run->engine->arena, sizeof(*extra->tls));
        if (extra->tls == NULL) {
            mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, 1);
            return;
        }
        memset(extra->tls, 0, sizeof(*extra->tls));
        session->flags |= MT_S_TLS_WATCH;
    }
    /* what was put aside while it was too short to tell */
    const struct mt_carry *carry = extra->carry[run->side];
    if (carry != NULL)
        mt_tls_watch_take(run, mt_span(carry->bytes, carry->size));
}

void mt_tls_free(struct mt_session_engine *engine, struct mt_session *session)
{
    struct mt_extra *extra = session->extra;

    session->flags &= ~MT_S_TLS_WATCH;
    if (extra == NULL || extra->tls == NULL)
        return;
    mt_tls_fini(extra->tls, engine->arena);
    mt_arena_put(engine->arena, extra->tls, sizeof(*extra->tls));
    extra->tls = NULL;
}

/* One-way, damaged, or with a gap in it, a handshake says nothing of its end. */
static bool can_tell(const struct mt_session *session)
{
    const struct mt_extra *extra = session->extra;
    return extra->missing[MT_CLIENT] == 0 && extra->missing[MT_SERVER] == 0 && !mt_is_one_way(session) &&
           !mt_has_anomaly(session, MT_ANOMALY_TLS_MALFORMED);
}

void mt_tls_watch_end(struct mt_run *run, bool is_over)
{
    struct mt_session *session = run->session;

    if (!(session->flags & MT_S_TLS_WATCH))
        return;
    if (mt_tls_is_established(session->extra->tls))
        session->flags |= MT_S_TLS_ESTABLISHED;
    else if (is_over && can_tell(session))
        session->flags |= MT_S_TLS_FAILED;
    mt_tls_free(run->engine, session);
    mt_extra_drop(run);
}

void mt_tls_watch_take(struct mt_run *run, struct mt_span bytes)
{
    struct mt_tls *tls = run->session->extra->tls;

    mt_tls_input(tls, run->side, bytes, run->engine->arena, run->engine->tls, &tls_events, run);
    if (mt_tls_is_done(tls))
        mt_tls_watch_end(run, true);
}

void mt_tls_watch_gap(struct mt_run *run)
{
    struct mt_tls *tls = run->session->extra->tls;

    mt_tls_gap(tls, run->side, run->engine->arena);
    if (mt_tls_is_done(tls))
        mt_tls_watch_end(run, true);
}

void mt_tls_watch_ssl2(struct mt_run *run, uint16_t version)
{
    const struct mt_tls_client_hello hello = {.legacy_version = version, .version = version};

    on_client_hello(run, &hello);
}
