/* The tree of a message's parts: from content octets to entries. Its state is an
 * arena block that a session has while such a message passes; messages that say
 * nothing of their content have none. */
#include "base/scan.h"
#include "session/body_priv.h"
#include "session/header_list_priv.h"

/* Kept of one message; the others are counted. */
#define PARTS_MAX 64u

void mt_part_put_path(struct mt_buf *b, const struct mt_mime_part *part)
{
    for (unsigned i = 0; i < part->path_size; i++) {
        if (i > 0)
            mt_buf_put_byte(b, '.');
        mt_buf_put_u64(b, part->path[i]);
    }
}

static struct mt_span joined(struct mt_buf *b, const struct mt_mime_part *part)
{
    mt_part_put_path(b, part);
    size_t path_size = b->size;
    mt_buf_put_span(b, part->type);
    mt_buf_put_span(b, part->charset);
    mt_buf_put_span(b, part->name);
    return mt_span(b->ptr, path_size);
}

static void take_part(void *ctx, const struct mt_mime_part *part)
{
    struct mt_run *run = ctx;
    struct mt_extra *extra = run->session->extra;
    uint8_t storage[512];
    struct mt_buf text = mt_buf(storage, sizeof(storage));

    MT_STATIC_ASSERT(6 * MT_MIME_PATH_MAX + MT_MIME_TYPE_MAX + MT_MIME_CHARSET_MAX + MT_MIME_NAME_MAX <=
                         sizeof(storage),
                     "all texts of a part");
    extra->part = NULL;
    mt_body_skip(run);
    extra->parts += extra->parts < UINT16_MAX;
    if (extra->parts > PARTS_MAX) {
        mt_cut(run, MT_CUT_PARTS);
        return;
    }
    struct mt_span path = joined(&text, part);
    struct mt_entry_part *entry = mt_store_put(run, MT_TAG_PART, sizeof(*entry), mt_buf_span(&text), false);
    if (entry == NULL) {
        mt_cut(run, MT_CUT_PARTS);
        return;
    }
    entry->back = extra->back;
    entry->encoding = (uint8_t)part->encoding;
    entry->flags = part->flags;
    entry->path_size = (uint8_t)path.size;
    entry->type_size = (uint8_t)part->type.size;
    entry->charset_size = (uint8_t)part->charset.size;
    extra->part = entry;
    if (run->engine->limits.content != 0)
        mt_body_begin(run, part);
}

static void take_part_end(void *ctx, uint64_t encoded, uint64_t decoded)
{
    struct mt_run *run = ctx;
    struct mt_entry_part *entry = run->session->extra->part;

    if (entry == NULL)
        return;
    mt_body_end(run, !run->session->extra->tree->is_cut, &decoded);
    entry->encoded = encoded;
    entry->decoded = decoded;
    run->session->extra->part = NULL;
}

static void take_field(void *ctx, const struct mt_mime_part *part, struct mt_span name, struct mt_span value,
                       bool is_cut)
{
    if (MT_UNLIKELY(mt_header_is_wanted(ctx)))
        mt_header_keep(ctx, part, name, value, is_cut);
}

static void take_anomaly(void *ctx, enum mt_anomaly anomaly)
{
    mt_anomaly(ctx, anomaly);
}

static struct mt_message_header *get_header(void *ctx)
{
    struct mt_run *run = ctx;
    struct mt_message_header *header = mt_arena_get(run->engine->arena, sizeof(*header));

    if (header == NULL) {
        mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, 1);
        mt_cut(run, MT_CUT_PARTS);
    }
    return header;
}

static void put_header(void *ctx, struct mt_message_header *header)
{
    struct mt_run *run = ctx;

    mt_arena_put(run->engine->arena, header, sizeof(*header));
}

#define EVENTS                                                                                  \
    .part = take_part, .part_end = take_part_end, .field = take_field, .anomaly = take_anomaly, \
    .header_get = get_header, .header_put = put_header

static const struct mt_mime_events tree_events = {EVENTS};
static const struct mt_mime_events content_events = {EVENTS, .body = mt_body_take};

static const struct mt_mime_events *events_of(const struct mt_run *run)
{
    return run->engine->limits.content != 0 ? &content_events : &tree_events;
}

static void close_file(struct mt_session_engine *engine, struct mt_tree *tree, bool is_whole)
{
    if (tree->file != 0)
        engine->extract.end(engine->extract.ctx, tree->file, is_whole);
    tree->file = 0;
}

static void end(struct mt_run *run, bool is_whole)
{
    struct mt_session *session = run->session;
    struct mt_extra *extra = session->extra;

    extra->tree->is_cut = !is_whole;
    mt_mime_finish(&extra->tree->mime, is_whole, events_of(run), run);
    close_file(run->engine, extra->tree, is_whole);
    mt_body_free(run->engine, extra->tree);
    mt_arena_put(run->engine->arena, extra->tree, sizeof(*extra->tree));
    extra->tree = NULL;
    extra->part = NULL;
    session->flags &= ~MT_S_MIME;
    mt_smtp_client_want_marks(&session->client, false);
}

static void start(struct mt_run *run)
{
    struct mt_session *session = run->session;
    struct mt_extra *extra = session->extra;

    extra->tree = mt_arena_get(run->engine->arena, sizeof(*extra->tree));
    if (extra->tree == NULL) {
        mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, 1);
        mt_cut(run, MT_CUT_PARTS);
        return;
    }
    mt_mime_start(&extra->tree->mime);
    extra->tree->body = NULL;
    extra->tree->is_cut = false;
    extra->tree->file = 0;
    extra->parts = 0;
    session->flags |= MT_S_MIME;
}

void mt_parts_open(struct mt_run *run)
{
    struct mt_session *session = run->session;
    const struct mt_session_extract *extract = &run->engine->extract;

    if (!(run->engine->limits.content & MT_CONTENT_EXTRACT))
        return;
    if (!(session->flags & MT_S_MIME))
        start(run);
    if (!(session->flags & MT_S_MIME))
        return;
    const struct mt_record_file file = {
        .event_id = mt_session_event_id(session),
        .time = run->mark->time,
        .transaction = session->transactions,
    };
    session->extra->tree->file = extract->begin(extract->ctx, &file);
}

void mt_parts_save(struct mt_run *run, struct mt_span bytes)
{
    const struct mt_session_extract *extract = &run->engine->extract;
    uint32_t file = run->session->extra->tree->file;

    if (file != 0)
        extract->put(extract->ctx, file, bytes);
}

void mt_parts_field(struct mt_run *run, struct mt_span name, struct mt_span value)
{
    struct mt_session *session = run->session;

    if (run->engine->limits.message_level < MT_MESSAGE_FULL || !mt_span_istarts(name, "Content-"))
        return;
    if (!(session->flags & MT_S_MIME))
        start(run);
    if (session->flags & MT_S_MIME)
        mt_mime_field(&session->extra->tree->mime, name, value, run->engine->convert,
                      run->engine->convert_ctx);
}

void mt_parts_begin(struct mt_run *run)
{
    struct mt_session *session = run->session;

    /* a message that says nothing is one part, too, which is of interest when what
     * it holds is */
    if (run->engine->limits.content != 0 && !(session->flags & MT_S_MIME))
        start(run);
    if (session->flags & MT_S_MIME)
        mt_mime_header_end(&session->extra->tree->mime, events_of(run), run);
}

static void feed(struct mt_run *run, struct mt_span bytes)
{
    mt_mime_body(&run->session->extra->tree->mime, bytes, run->engine->convert, run->engine->convert_ctx,
                 events_of(run), run);
}

void mt_parts_take(struct mt_run *run, struct mt_span bytes, bool is_split)
{
    struct mt_session *session = run->session;
    struct mt_mime *mime = &session->extra->tree->mime;

    /* chunks are not searched by their parser, nor is what follows the header in
     * the same segment */
    while (!is_split && mt_mime_wants_marks(mime)) {
        size_t eol = mt_scan_eol_dash(bytes);
        if (eol == bytes.size)
            break;
        feed(run, mt_span_head(bytes, eol + 1));
        bytes = mt_span_from(bytes, eol + 1);
    }
    feed(run, bytes);
    mt_smtp_client_want_marks(&session->client, mt_mime_wants_marks(mime));
}

void mt_parts_end(struct mt_run *run)
{
    if (run->session->flags & MT_S_MIME)
        end(run, true);
}

void mt_parts_drop(struct mt_run *run)
{
    if (run->session->flags & MT_S_MIME)
        end(run, false);
}

void mt_parts_free(struct mt_session_engine *engine, struct mt_session *session)
{
    struct mt_extra *extra = session->extra;

    if (!(session->flags & MT_S_MIME))
        return;
    if (extra->tree->mime.header != NULL)
        mt_arena_put(engine->arena, extra->tree->mime.header, sizeof(*extra->tree->mime.header));
    close_file(engine, extra->tree, false);
    mt_body_free(engine, extra->tree);
    mt_arena_put(engine->arena, extra->tree, sizeof(*extra->tree));
    extra->tree = NULL;
    session->flags &= ~MT_S_MIME;
}
