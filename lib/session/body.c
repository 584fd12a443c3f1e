/* What the parts of a message hold, when that is asked for: decoded as it passes,
 * hashed, and searched for URLs, labels and the test marker. The state is an arena block
 * that a session has while such a message passes; of a part stays an entry. */
#include "base/hash.h"
#include "dpi/digest.h"
#include "message/decode.h"
#include "message/find.h"
#include "session/body_priv.h"

/* URLs kept of one message. */
#define URLS_MAX 64u

struct mt_body {
    struct mt_digest digest;
    struct mt_decode decode;
    struct mt_entry_body *entry; /* of the part that passes; NULL when none is kept */
    uint64_t decoded;
    uint32_t file; /* that the part is written to; 0: none */
    uint8_t marker;
    bool is_text;
    bool may_save; /* it has no file yet, and may get one */
    bool is_asked;
    bool is_wide; /* the part is in UTF-16 */
    struct mt_wide wide;
    struct mt_label_finder labels;
    /* from here on only when its kind is, or URLs are wanted */
    uint16_t head_size;
    uint8_t head[MT_SESSION_HEAD_MAX];
    /* from here on only when URLs are */
    uint8_t url_count; /* of the message */
    uint32_t seen[URLS_MAX];
    struct mt_url_finder finder;
};
MT_STATIC_ASSERT(offsetof(struct mt_body, head_size) <= 384, "the arena's next block is of 512 octets");

static size_t body_size(const struct mt_session_engine *engine)
{
    if (engine->limits.content & MT_CONTENT_URLS)
        return sizeof(struct mt_body);
    return engine->limits.content & MT_CONTENT_MAGIC ? offsetof(struct mt_body, url_count)
                                                     : offsetof(struct mt_body, head_size);
}

static struct mt_body *get(struct mt_run *run)
{
    struct mt_tree *tree = run->session->extra->tree;

    if (tree->body != NULL)
        return tree->body;
    tree->body = mt_arena_get(run->engine->arena, body_size(run->engine));
    if (tree->body == NULL) {
        mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, 1);
        mt_cut(run, MT_CUT_PARTS);
        return NULL;
    }
    tree->body->entry = NULL;
    tree->body->file = 0;
    if (run->engine->limits.content & MT_CONTENT_URLS)
        tree->body->url_count = 0;
    return tree->body;
}

static void close_file(struct mt_session_engine *engine, struct mt_body *body, bool is_whole)
{
    if (body->file != 0)
        engine->extract.end(engine->extract.ctx, body->file, is_whole);
    body->file = 0;
}

void mt_body_free(struct mt_session_engine *engine, struct mt_tree *tree)
{
    if (tree->body == NULL)
        return;
    close_file(engine, tree->body, false);
    mt_arena_put(engine->arena, tree->body, body_size(engine));
    tree->body = NULL;
}

/* --- its text ---------------------------------------------------------------- */

static bool is_known(struct mt_body *body, struct mt_span url)
{
    uint32_t hash = (uint32_t)mt_hash_bytes(0, url);

    for (unsigned i = 0; i < body->url_count; i++) {
        if (body->seen[i] == hash)
            return true;
    }
    if (body->url_count < URLS_MAX)
        body->seen[body->url_count] = hash;
    return false;
}

static void take_url(void *ctx, struct mt_span url, bool is_cut)
{
    struct mt_run *run = ctx;
    struct mt_body *body = run->session->extra->tree->body;

    body->entry->urls += body->entry->urls < UINT32_MAX;
    if (is_known(body, url))
        return;
    bool is_kept = body->url_count < URLS_MAX &&
                   mt_store_put(run, MT_TAG_URL, sizeof(struct mt_entry_url), url, false) != NULL;
    body->url_count += is_kept;
    if (!is_kept || is_cut)
        mt_cut(run, MT_CUT_URLS);
}

/* --- its kind --------------------------------------------------------------- */

static void ask(struct mt_run *run, struct mt_body *body)
{
    const struct mt_session_magic *magic = &run->engine->magic;

    if (body->is_asked || body->head_size == 0)
        return;
    body->is_asked = true;
    body->entry->ticket = magic->ask(magic->ctx, mt_span(body->head, body->head_size));
    mt_stats_add(run->engine->stats, MT_COUNTER_MAGIC_SHED, body->entry->ticket == 0);
}

static void keep_head(struct mt_run *run, struct mt_body *body, struct mt_span bytes)
{
    struct mt_span kept = mt_span_head(bytes, MT_SESSION_HEAD_MAX - body->head_size);

    if (kept.size > 0)
        memcpy(body->head + body->head_size, kept.ptr, kept.size);
    body->head_size = (uint16_t)(body->head_size + kept.size);
    if (body->head_size == MT_SESSION_HEAD_MAX)
        ask(run, body);
}

/* --- a part ----------------------------------------------------------------- */

static bool is_text(const struct mt_mime_part *part)
{
    return part->type.size == 0 || mt_span_istarts(part->type, "text/");
}

/* Its digests lie behind the entry's struct. */
static size_t digests_size(uint32_t content)
{
    return (content & MT_CONTENT_MD5 ? MT_DIGEST_MD5_SIZE : 0) +
           (content & MT_CONTENT_SHA256 ? MT_DIGEST_SHA256_SIZE : 0);
}

static void start_text(struct mt_run *run, struct mt_body *body, const struct mt_mime_part *part)
{
    body->is_text = is_text(part);
    body->is_wide = mt_wide_start(&body->wide, part->charset);
    body->labels = (struct mt_label_finder){0};
    if (run->engine->limits.content & MT_CONTENT_URLS)
        mt_url_start(&body->finder, mt_span_ieq_cstr(part->type, "text/html"));
}

void mt_body_skip(struct mt_run *run)
{
    struct mt_body *body = run->session->extra->tree->body;

    if (body == NULL || body->entry == NULL)
        return;
    body->entry->flags = 0; /* a message, whose own parts follow */
    close_file(run->engine, body, false);
    body->entry = NULL;
}

void mt_body_begin(struct mt_run *run, const struct mt_mime_part *part)
{
    uint32_t content = run->engine->limits.content;
    struct mt_body *body = get(run);
    struct mt_entry_body *entry;

    if (body == NULL)
        return;
    entry = mt_store_put(run, MT_TAG_BODY, sizeof(*entry) + digests_size(content), mt_span_none(), false);
    body->entry = entry;
    if (entry == NULL) {
        mt_cut(run, MT_CUT_PARTS);
        return;
    }
    entry->flags = MT_BODY_INCOMPLETE;
    body->decoded = 0;
    body->marker = 0;
    body->is_asked = false;
    body->may_save = content & MT_CONTENT_EXTRACT;
    if (content & MT_CONTENT_MAGIC)
        body->head_size = 0;
    mt_decode_start(&body->decode, part->encoding);
    mt_digest_start(&body->digest, (content & MT_CONTENT_MD5 ? MT_DIGEST_MD5 : 0) |
                                       (content & MT_CONTENT_SHA256 ? MT_DIGEST_SHA256 : 0));
    start_text(run, body, part);
}

/* With its first octet, so that what only holds other parts gets none. */
static void begin_file(struct mt_run *run, struct mt_body *body)
{
    const struct mt_session_extract *extract = &run->engine->extract;
    const struct mt_entry_part *part = run->session->extra->part;
    struct mt_span text = mt_entry_text(part);
    struct mt_span type = mt_span_from(text, part->path_size);
    struct mt_span name = mt_span_from(type, (size_t)part->type_size + part->charset_size);
    const struct mt_record_file file = {
        .event_id = mt_session_event_id(run->session),
        .path = mt_span_head(text, part->path_size),
        .type = mt_span_head(type, part->type_size),
        .name = name,
        .time = run->mark->time,
        .transaction = run->session->transactions,
    };

    body->may_save = false;
    body->file = extract->begin(extract->ctx, &file);
}

static void save(struct mt_run *run, struct mt_body *body, struct mt_span bytes)
{
    if (body->may_save && bytes.size > 0)
        begin_file(run, body);
    if (body->file != 0)
        run->engine->extract.put(run->engine->extract.ctx, body->file, bytes);
}

#define WIDE_ROOM 256u

static void search_text(struct mt_run *run, struct mt_body *body, struct mt_span text)
{
    mt_label_find(&body->labels, text);
    if (run->engine->limits.content & MT_CONTENT_URLS)
        mt_url_find(&body->finder, text, take_url, run);
}

static void take_text(struct mt_run *run, struct mt_body *body, struct mt_span bytes)
{
    if (!body->is_wide) {
        search_text(run, body, bytes);
        return;
    }
    while (bytes.size > 0) {
        uint8_t storage[WIDE_ROOM];
        struct mt_buf text = mt_buf(storage, sizeof(storage));
        bytes = mt_span_from(bytes, mt_wide_take(&body->wide, bytes, &text));
        search_text(run, body, mt_buf_span(&text));
    }
}

/* Decoded octets. */
static void take_decoded(struct mt_run *run, struct mt_body *body, struct mt_span bytes)
{
    body->decoded += bytes.size;
    mt_digest_take(&body->digest, bytes);
    save(run, body, bytes);
    if ((run->engine->limits.content & MT_CONTENT_MAGIC) && !body->is_asked)
        keep_head(run, body, bytes);
    if (!(body->entry->flags & MT_BODY_MARKER) && mt_find_marker(&body->marker, bytes))
        body->entry->flags |= MT_BODY_MARKER;
    if (body->is_text)
        take_text(run, body, bytes);
}

void mt_body_take(void *ctx, struct mt_span bytes)
{
    struct mt_run *run = ctx;
    struct mt_body *body = run->session->extra->tree->body;

    if (body == NULL || body->entry == NULL)
        return;
    if (!mt_decode_is_needed(&body->decode)) {
        take_decoded(run, body, bytes);
        return;
    }
    while (bytes.size > 0) {
        struct mt_buf out = mt_buf(run->engine->scratch, sizeof(run->engine->scratch));
        bytes = mt_span_from(bytes, mt_decode(&body->decode, bytes, &out));
        take_decoded(run, body, mt_buf_span(&out));
    }
}

static void put_digests(struct mt_body *body, uint32_t content)
{
    uint8_t *at = (uint8_t *)body->entry + sizeof(*body->entry);
    uint8_t *md5 = at;

    if (content & MT_CONTENT_MD5)
        at += MT_DIGEST_MD5_SIZE;
    mt_digest_finish(&body->digest, md5, at);
    body->entry->flags |= MT_BODY_DIGESTS;
}

void mt_body_end(struct mt_run *run, bool is_whole, uint64_t *ret_decoded)
{
    struct mt_body *body = run->session->extra->tree->body;
    struct mt_buf out = mt_buf(run->engine->scratch, sizeof(run->engine->scratch));

    if (body == NULL || body->entry == NULL)
        return;
    if (is_whole) {
        mt_decode_finish(&body->decode, &out);
        take_decoded(run, body, mt_buf_span(&out));
        body->entry->flags &= (uint8_t)~MT_BODY_INCOMPLETE;
        put_digests(body, run->engine->limits.content);
    }
    if (body->decode.is_broken)
        body->entry->flags |= MT_BODY_BROKEN;
    if (mt_label_is_host_report(&body->labels))
        body->entry->flags |= MT_BODY_HOST_REPORT;
    if (mt_label_is_credentials(&body->labels))
        body->entry->flags |= MT_BODY_CREDENTIALS;
    if (run->engine->limits.content & MT_CONTENT_URLS)
        mt_url_finish(&body->finder, take_url, run);
    if (run->engine->limits.content & MT_CONTENT_MAGIC)
        ask(run, body);
    close_file(run->engine, body, is_whole);
    *ret_decoded = body->decoded;
    body->entry = NULL;
}
