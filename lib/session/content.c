/* The message: its header's fields, its size, its end. */
#include "session/header_list_priv.h"
#include "session/look_alike_priv.h"
#include "session/parts_priv.h"

/* Kept of each address field, and of Received, in one message. */
#define MAILBOXES_MAX 64u
#define RECEIVED_MAX 64u
/* Of Authentication-Results, DKIM-Signature and ARC-Seal each. */
#define LIST_MAX 8u

#define NAMED(text, kind)            \
    {                                \
        text, sizeof(text) - 1, kind \
    }

static const struct {
    const char *name;
    uint8_t size;
    uint8_t kind;
} fields[] = {
    NAMED("From", MT_HEADER_FROM),
    NAMED("To", MT_HEADER_TO),
    NAMED("Cc", MT_HEADER_CC),
    NAMED("Reply-To", MT_HEADER_REPLY_TO),
    NAMED("Received", MT_HEADER_RECEIVED),
    NAMED("Subject", MT_HEADER_SUBJECT),
    NAMED("Date", MT_HEADER_DATE),
    NAMED("Message-ID", MT_HEADER_MESSAGE_ID),
    NAMED("In-Reply-To", MT_HEADER_IN_REPLY_TO),
    NAMED("User-Agent", MT_HEADER_USER_AGENT),
    NAMED("X-Mailer", MT_HEADER_USER_AGENT),
    NAMED("Sender", MT_HEADER_SENDER),
    NAMED("Return-Path", MT_HEADER_RETURN_PATH),
    NAMED("List-Id", MT_HEADER_LIST_ID),
    NAMED("X-Originating-IP", MT_HEADER_ORIGINATING_IP),
    NAMED("Authentication-Results", MT_HEADER_AUTH_RESULTS),
    NAMED("DKIM-Signature", MT_HEADER_DKIM),
    NAMED("ARC-Seal", MT_HEADER_ARC),
};

static enum mt_field_kind kind_of(struct mt_span name)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(fields); i++) {
        if (name.size == fields[i].size && mt_span_ieq(name, mt_span(fields[i].name, fields[i].size)))
            return fields[i].kind;
    }
    return MT_HEADER_COUNT;
}

/* --- fields ----------------------------------------------------------------- */

/* At most max bytes of text that was valid UTF-8, and still is. */
static struct mt_span cut_utf8(struct mt_run *run, struct mt_span text, size_t max)
{
    struct mt_span kept = mt_keep(run, text, max, MT_CUT_MESSAGE);

    if (kept.size == text.size)
        return kept;
    while (kept.size > 0 && (text.ptr[kept.size] & 0xc0) == 0x80)
        kept.size--;
    return kept;
}

static void keep_field(struct mt_run *run, enum mt_field_kind kind, struct mt_span text)
{
    struct mt_entry_field *entry = mt_store_put(run, MT_TAG_FIELD, sizeof(*entry), text, false);

    if (entry == NULL) {
        mt_cut(run, MT_CUT_MESSAGE);
        return;
    }
    entry->kind = (uint8_t)kind;
    entry->back = run->session->extra->back;
}

static void keep_decoded(struct mt_run *run, enum mt_field_kind kind, struct mt_span value)
{
    struct mt_session_engine *engine = run->engine;
    struct mt_buf decoded = mt_buf(engine->scratch, sizeof(engine->scratch));

    mt_message_decode_words(value, engine->convert, engine->convert_ctx, &decoded);
    keep_field(run, kind, cut_utf8(run, mt_buf_span(&decoded), engine->limits.text_max));
}

static void keep_mailboxes(struct mt_run *run, enum mt_field_kind kind, struct mt_span value)
{
    struct mt_span mailboxes[MAILBOXES_MAX];
    size_t count = mt_message_split_mailboxes(value, mailboxes, MAILBOXES_MAX);

    if (count > MAILBOXES_MAX)
        mt_cut(run, MT_CUT_MESSAGE);
    for (size_t i = 0; i < count && i < MAILBOXES_MAX; i++)
        keep_decoded(run, kind, mailboxes[i]);
}

/* What the record needs of it, with semicolons between, as they can't stand in
 * values: the signature itself is long and says nothing to a person. */
static void keep_signature(struct mt_run *run, enum mt_field_kind kind, struct mt_span value)
{
    static const char *const names[] = {"d", "s", "a", "i", "cv"};
    struct mt_session_engine *engine = run->engine;
    struct mt_buf text = mt_buf(engine->scratch, sizeof(engine->scratch));

    for (size_t i = 0; i < MT_ARRAY_COUNT(names); i++) {
        bool is_address = kind == MT_HEADER_DKIM && strcmp(names[i], "i") == 0;
        if (i > 0)
            mt_buf_put_byte(&text, ';');
        if (!is_address) /* i= of a DKIM-Signature is whom it stands for */
            mt_buf_put_span(&text, mt_message_tag(value, names[i]));
    }
    keep_field(run, kind, mt_keep(run, mt_buf_span(&text), engine->limits.text_max, MT_CUT_MESSAGE));
}

/* Something odd about this header, once. */
static MT_COLD void keep_mark(struct mt_run *run, enum mt_field_kind kind)
{
    struct mt_extra *extra = run->session->extra;

    if (extra->header_seen & 1u << kind)
        return;
    extra->header_seen |= 1u << kind;
    keep_field(run, kind, mt_span("", 0));
}

/* A field that is there already (RFC 5322 §3.6). */
static MT_COLD void keep_twice(struct mt_run *run, enum mt_field_kind kind)
{
    const uint32_t once = 1u << MT_HEADER_FROM | 1u << MT_HEADER_SENDER | 1u << MT_HEADER_REPLY_TO |
                          1u << MT_HEADER_TO | 1u << MT_HEADER_CC | 1u << MT_HEADER_SUBJECT |
                          1u << MT_HEADER_DATE | 1u << MT_HEADER_MESSAGE_ID | 1u << MT_HEADER_IN_REPLY_TO;

    if (once & 1u << kind)
        keep_mark(run, MT_HEADER_TWICE);
    if (kind == MT_HEADER_FROM)
        keep_mark(run, MT_HEADER_TWO_FROM);
}

/* Fields of which a message may have several. False: enough of them are kept. */
static bool may_keep(struct mt_run *run, enum mt_field_kind kind)
{
    struct mt_extra *extra = run->session->extra;

    if (kind == MT_HEADER_RECEIVED) {
        extra->received++; /* a header holds no more than its octets */
        if (extra->received <= RECEIVED_MAX)
            return true;
    } else if (kind >= MT_HEADER_AUTH_RESULTS && kind < MT_HEADER_LISTS) {
        if (extra->lists[kind]++ < LIST_MAX)
            return true;
        extra->lists[kind] = LIST_MAX;
    } else { /* RFC 5322 §3.6: once; the first counts */
        if (MT_LIKELY(!(extra->header_seen & 1u << kind)))
            return true;
        keep_twice(run, kind);
        return false;
    }
    mt_cut(run, MT_CUT_MESSAGE);
    return false;
}

static void take_field(void *ctx, struct mt_span name, struct mt_span value, bool is_cut)
{
    struct mt_run *run = ctx;
    struct mt_extra *extra = run->session->extra;
    enum mt_field_kind kind = kind_of(name);
    size_t max = run->engine->limits.text_max;

    if (MT_UNLIKELY(name.ptr[name.size] != ':'))
        keep_mark(run, MT_HEADER_MALFORMED);
    if (MT_UNLIKELY(mt_header_is_wanted(run)))
        mt_header_keep(run, NULL, name, value, is_cut);
    if (kind == MT_HEADER_COUNT) {
        mt_parts_field(run, name, value);
        return;
    }
    if (!may_keep(run, kind))
        return;
    extra->header_seen |= 1u << kind;
    if (is_cut)
        mt_cut(run, MT_CUT_MESSAGE);
    switch (kind) {
    case MT_HEADER_FROM:
    case MT_HEADER_TO:
    case MT_HEADER_CC:
    case MT_HEADER_REPLY_TO:
        keep_mailboxes(run, kind, value);
        break;
    case MT_HEADER_SUBJECT:
    case MT_HEADER_SENDER:
    case MT_HEADER_LIST_ID:
        keep_decoded(run, kind, value);
        break;
    case MT_HEADER_DKIM:
    case MT_HEADER_ARC:
        keep_signature(run, kind, value);
        break;
    default:
        keep_field(run, kind, mt_keep(run, value, max, MT_CUT_MESSAGE));
        break;
    }
}

static void take_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    mt_anomaly(ctx, anomaly);
    if (anomaly == MT_ANOMALY_CONTENT_NUL)
        keep_mark(ctx, MT_HEADER_MALFORMED);
}

static const struct mt_message_events message_events = {.field = take_field, .anomaly = take_anomaly};

/* --- the header ------------------------------------------------------------- */

static void begin_header(struct mt_run *run)
{
    struct mt_session *session = run->session;
    struct mt_extra *extra = mt_extra(run);

    mt_content_drop_header(run); /* chunks whose last never came, then DATA */
    if (session->tx == NULL || extra == NULL)
        return;
    if (extra->header == NULL)
        extra->header = mt_arena_get(run->engine->arena, sizeof(*extra->header));
    if (extra->header == NULL) {
        mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, 1);
        mt_cut(run, MT_CUT_MESSAGE);
        return;
    }
    mt_message_header_start(extra->header);
    extra->header_seen = 0;
    memset(extra->lists, 0, sizeof(extra->lists));
    extra->received = 0;
    session->flags |= MT_S_HEADER;
    mt_parts_open(run);
}

static void free_header(struct mt_run *run)
{
    struct mt_session *session = run->session;
    struct mt_extra *extra = session->extra;

    if (!(session->flags & MT_S_HEADER))
        return;
    if (extra->received > RECEIVED_MAX) {
        struct mt_entry_total *total = mt_store_put(run, MT_TAG_TOTAL, sizeof(*total), mt_span_none(), true);
        if (total != NULL) {
            total->back = extra->back;
            total->received = extra->received;
        }
    }
    session->flags &= ~MT_S_HEADER;
    mt_arena_put(run->engine->arena, extra->header, sizeof(*extra->header));
    extra->header = NULL;
}

/* Not an entry while more may come: where it lay among the fields, and so what a
 * limit left of those, would depend on how the content was cut. */
void mt_content_keep_octets(struct mt_run *run)
{
    struct mt_extra *extra = run->session->extra;

    if (extra == NULL || extra->octets == NULL)
        return;
    struct mt_entry_octets *octets = extra->octets;
    struct mt_entry_octets *entry = mt_store_put(run, MT_TAG_OCTETS, sizeof(*entry), mt_span_none(), true);
    if (entry != NULL) {
        entry->back = octets->back;
        entry->sums = octets->sums;
    }
    mt_arena_put(run->engine->arena, octets, sizeof(*octets));
    extra->octets = NULL;
}

void mt_content_drop_header(struct mt_run *run)
{
    mt_content_keep_octets(run);
    free_header(run);
    mt_parts_drop(run);
    mt_header_end(run);
    mt_look_alike_end(run->session);
}

static void end_header(struct mt_run *run)
{
    struct mt_session *session = run->session;

    free_header(run);
    mt_parts_begin(run);
    if ((session->flags & MT_S_MIME) && session->extra->tree->mime.type_size > 0)
        keep_field(run, MT_HEADER_CONTENT_TYPE, mt_mime_type(&session->extra->tree->mime));
}

/* The content has ended. */
static void finish_message(struct mt_run *run)
{
    if (run->session->flags & MT_S_HEADER) {
        mt_message_header_finish(run->session->extra->header, &message_events, run);
        end_header(run);
    }
    mt_content_keep_octets(run);
    mt_parts_end(run);
    mt_header_end(run);
    mt_look_alike_end(run->session);
}

static MT_NOINLINE void feed_message(struct mt_run *run, struct mt_span bytes)
{
    struct mt_session *session = run->session;
    bool is_split = mt_smtp_client_gives_marks(&session->client);

    if (session->flags & MT_S_MIME)
        mt_parts_save(run, bytes);

    if (session->flags & MT_S_HEADER) {
        size_t taken;
        if (mt_message_header_parse_to(session->extra->header, bytes, &message_events, run, &taken))
            return;
        end_header(run);
        if (taken > 0 && bytes.ptr[taken - 1] == '\r' && (session->flags & MT_S_MIME))
            mt_mime_skip_lf(&session->extra->tree->mime);
        bytes = mt_span_from(bytes, taken);
        is_split = false;
    }
    if (bytes.size > 0 && (session->flags & MT_S_MIME))
        mt_parts_take(run, bytes, is_split);
}

/* Behind the header content is only counted, which the parser does, unless the
 * message says what its parts are. */
void mt_content_take(void *ctx, struct mt_span bytes)
{
    struct mt_run *run = ctx;

    if (MT_LIKELY(!(run->session->flags & (MT_S_HEADER | MT_S_MIME | MT_S_LOOK_ALIKE))))
        return;
    if (MT_UNLIKELY(run->session->flags & MT_S_LOOK_ALIKE))
        mt_look_alike_feed(run, bytes);
    if (run->session->flags & (MT_S_HEADER | MT_S_MIME))
        feed_message(run, bytes);
}

void mt_content_octets(void *ctx, const struct mt_octets *octets)
{
    struct mt_run *run = ctx;
    struct mt_extra *extra = run->session->tx != NULL ? mt_extra(run) : NULL;

    if (extra == NULL)
        return;
    if (extra->octets == NULL) {
        extra->octets = mt_arena_get(run->engine->arena, sizeof(*extra->octets));
        if (extra->octets == NULL) {
            mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, 1);
            return;
        }
        *extra->octets = (struct mt_entry_octets){.back = extra->back};
    }
    struct mt_octets sums = extra->octets->sums; /* that is packed */
    sums.crlf += octets->crlf;
    sums.bare_lf += octets->bare_lf;
    sums.bare_cr += octets->bare_cr;
    sums.eight_bit += octets->eight_bit;
    sums.control += octets->control;
    sums.longest = mt_max_u64(sums.longest, octets->longest);
    extra->octets->sums = sums;
}

/* --- begin ------------------------------------------------------------------ */

/* Once a session: how much was said before its first content. */
static void keep_opening(struct mt_run *run)
{
    struct mt_session *session = run->session;
    struct mt_entry_opening *entry = NULL;

    if (session->flags & MT_S_OPENED)
        return;
    session->flags |= MT_S_OPENED;
    entry = mt_store_put(run, MT_TAG_OPENING, sizeof(*entry), mt_span_none(), false);
    for (unsigned side = 0; entry != NULL && side < MT_SIDE_COUNT; side++)
        entry->text[side] = (uint32_t)mt_min_u64(mt_text_octets(session, side), UINT32_MAX);
}

void mt_content_begin(struct mt_run *run, struct mt_entry_mail *tx)
{
    struct mt_session *session = run->session;
    bool is_behind_gap = session->flags & MT_S_GAP_CLIENT;

    mt_smtp_client_set_mode(&session->client, MT_SMTP_CONTENT);
    if (run->engine->limits.message_level == MT_MESSAGE_LINES)
        mt_smtp_client_want_lines(&session->client);
    session->flags &= ~(MT_S_GUESS | MT_S_CONTENT_GAP | MT_S_EARLY_REFUSAL);
    if (tx == NULL && !(session->flags & MT_S_TX_UNKEPT)) {
        mt_tx_anonymous(run); /* a server that takes content without MAIL */
        tx = session->tx;
    }
    keep_opening(run);
    session->tx = tx;
    session->state = MT_STATE_DATA;
    if (tx != NULL)
        tx->flags |= MT_TX_DATA | MT_TX_CONTENT;
    if (!is_behind_gap) {
        begin_header(run);
        return;
    }
    session->flags |= MT_S_CONTENT_GAP;
    if (tx != NULL)
        tx->flags |= MT_TX_GAP;
}

unsigned mt_content_keep_chunk(struct mt_run *run, const struct mt_smtp_command *command)
{
    const struct mt_entry_mail *tx = run->session->tx;
    struct mt_extra *extra = tx != NULL && command->chunk_valid ? mt_extra(run) : NULL;

    if (extra == NULL)
        return 0;
    if (!(tx->flags & MT_TX_BDAT))
        extra->chunks = 0;
    struct mt_entry_chunk *entry = NULL;
    if (extra->chunks < MT_CHUNKS_MAX)
        entry = mt_store_put(run, MT_TAG_CHUNK, sizeof(*entry), mt_span_none(), false);
    if (entry == NULL) {
        mt_cut(run, MT_CUT_CHUNKS);
        return 0;
    }
    entry->back = extra->back;
    entry->index = ++extra->chunks;
    entry->is_last = command->chunk_last;
    entry->size = command->chunk_size;
    return entry->index;
}

void mt_content_answer_chunk(struct mt_run *run, const struct mt_expect *expect, uint16_t code)
{
    unsigned index = expect->flags >> MT_EXPECT_INDEX_SHIFT;
    struct mt_entry *entry;

    if (index == 0 || expect->entry == NULL)
        return;
    struct mt_cursor cursor = mt_store_begin_at(run->session, expect->entry);
    while ((entry = mt_store_next(&cursor)) != NULL) {
        struct mt_entry_chunk *chunk = (struct mt_entry_chunk *)entry;
        if (entry->tag == MT_TAG_CHUNK && chunk->index == index) {
            chunk->code = code;
            return;
        }
    }
}

void mt_content_chunk(struct mt_run *run)
{
    struct mt_session *session = run->session;
    struct mt_entry_mail *tx = session->tx;

    if (tx == NULL || (tx->flags & MT_TX_BDAT))
        return;
    keep_opening(run);
    tx->flags |= MT_TX_BDAT | MT_TX_CONTENT;
    begin_header(run);
}

/* --- end -------------------------------------------------------------------- */

static void leave_content(struct mt_run *run)
{
    struct mt_session *session = run->session;

    if (session->tx != NULL)
        session->tx->flags |= MT_TX_CONTENT_END;
    mt_tx_leave(session);
    if (session->state != MT_STATE_QUIT)
        session->state = mt_state_idle(session);
}

void mt_content_chunk_done(struct mt_run *run)
{
    if (!(run->session->flags & MT_S_CHUNK_LAST))
        return;
    finish_message(run);
    leave_content(run);
}

static void data_done(struct mt_run *run)
{
    struct mt_session *session = run->session;
    bool is_refused = session->flags & MT_S_EARLY_REFUSAL;

    finish_message(run);
    if (session->flags & MT_S_GUESS)
        mt_tx_anonymous(run);
    struct mt_entry_mail *tx = session->tx;
    struct mt_entry_done *done = mt_tx_done(run, tx);
    if (done != NULL)
        done->bytes = session->client.content_bytes;
    if (tx != NULL)
        tx->flags |= MT_TX_DATA | MT_TX_CONTENT;
    mt_expect_push(run, MT_WHAT_CONTENT_END, tx, 0, mt_tx_replies(session, tx));
    leave_content(run);
    session->flags &= ~(MT_S_GUESS | MT_S_CONTENT_GAP | MT_S_EARLY_REFUSAL);
    /* The early answer may have been the only one. */
    if (is_refused)
        session->flags |= MT_S_LOST_SERVER;
}

void mt_content_end(void *ctx, bool is_chunk)
{
    struct mt_run *run = ctx;

    mt_transcript(run, MT_TRANSCRIPT_CONTENT, mt_span_none(), run->session->client.content_bytes);
    if (is_chunk)
        mt_content_chunk_done(run);
    else
        data_done(run);
}

void mt_content_force_end(struct mt_run *run)
{
    struct mt_session *session = run->session;
    enum mt_side side = run->side;

    mt_anomaly(run, MT_ANOMALY_CONTENT_END_FORCED);
    mt_content_drop_header(run);
    run->side = MT_CLIENT;
    mt_content_end(run, false);
    run->side = side;
    session->client = (struct mt_smtp_client){0};
}
