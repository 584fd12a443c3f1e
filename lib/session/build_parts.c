/* Entries of parts, and of signatures, to their records. */
#include "dpi/digest.h"
#include "message/mime.h"
#include "session/body_priv.h"
#include "session/build_priv.h"

static const struct mt_build_finding header_findings[] = {
    {MT_MIME_TWO_NAMES, "two_names"},
    {MT_MIME_DOUBLE_EXTENSION, "double_extension"},
    {MT_MIME_NAME_CUT, "name_cut"},
    {MT_MIME_TYPE_CUT, "type_cut"},
};

static const struct mt_build_finding body_findings[] = {
    {MT_BODY_INCOMPLETE, "incomplete"},   {MT_BODY_BROKEN, "bad_encoding"},
    {MT_BODY_MARKER, "test_marker"},      {MT_BODY_MISMATCH, "type_mismatch"},
    {MT_BODY_HOST_REPORT, "host_report"}, {MT_BODY_CREDENTIALS, "credentials"},
};

MT_STATIC_ASSERT(MT_ARRAY_COUNT(header_findings) + MT_ARRAY_COUNT(body_findings) ==
                     MT_BUILD_PART_FINDINGS_MAX,
                 "a part has room for all");

void mt_build_put_findings(struct mt_build *build, const struct mt_build_finding *findings, size_t count,
                           uint32_t bits, struct mt_names *ret_names)
{
    if (ret_names->count == 0)
        ret_names->items = &build->names[build->names_used];
    for (size_t i = 0; i < count; i++) {
        if ((bits & findings[i].bit) && build->names_used < build->names_cap) {
            build->names[build->names_used++] = findings[i].name;
            ret_names->count++;
        }
    }
}

static struct mt_span take(struct mt_span *rest, size_t size)
{
    struct mt_span text = mt_span_head(*rest, size);

    *rest = mt_span_from(*rest, size);
    return text.size > 0 ? text : mt_span_none();
}

void mt_build_part(struct mt_run *run, const struct mt_entry_part *entry, struct mt_build_slot *slot)
{
    struct mt_build *build = run->engine->build;
    struct mt_span rest = mt_entry_text(entry);
    uint8_t flags = entry->flags;

    if (slot->parts_off + slot->parts >= build->parts_cap) {
        mt_cut(run, MT_CUT_PARTS);
        return;
    }
    struct mt_record_part *part = &build->parts[slot->parts_off + slot->parts++];
    *part = (struct mt_record_part){
        .path = take(&rest, entry->path_size),
        .content_type = take(&rest, entry->type_size),
        .charset = take(&rest, entry->charset_size),
        .encoding = entry->encoding != MT_MIME_7BIT
                        ? mt_mime_encoding_name((enum mt_mime_encoding)entry->encoding)
                        : NULL,
        .size = entry->decoded,
        .encoded_size = entry->encoded != entry->decoded ? entry->encoded : 0,
    };
    part->name = take(&rest, rest.size);
    if (flags & MT_MIME_HAS_DISPOSITION)
        part->disposition = flags & MT_MIME_IS_INLINE ? "inline" : "attachment";
    mt_build_put_findings(build, header_findings, MT_ARRAY_COUNT(header_findings), flags, &part->findings);
    build->part = part;
    if (part->name.ptr == NULL && !(flags & MT_MIME_IS_ATTACHMENT))
        return;
    build->attachment = &build->attachments[slot->parts_off + slot->attachments++];
    *build->attachment = *part;
}

static void copy_to_attachment(struct mt_build *build)
{
    if (build->attachment != NULL)
        *build->attachment = *build->part;
}

static struct mt_span hex_of(struct mt_build *build, struct mt_span digest)
{
    size_t start = build->b.size;

    mt_buf_put_hex(&build->b, digest);
    size_t size = build->b.size - start;
    return size > 0 ? mt_span(build->b.ptr + start, size) : mt_span_none();
}

/* What kind of data it is, as far as that was found out. */
static const char *kind_of(struct mt_run *run, const struct mt_entry_body *entry)
{
    const struct mt_session_magic *magic = &run->engine->magic;

    if (entry->ticket == 0)
        return NULL;
    const char *kind = magic->answer(magic->ctx, entry->ticket);
    mt_stats_add(run->engine->stats, MT_COUNTER_MAGIC_UNKNOWN, kind == NULL);
    return kind;
}

void mt_build_body(struct mt_run *run, const struct mt_entry_body *entry)
{
    struct mt_build *build = run->engine->build;
    uint32_t content = run->engine->limits.content;
    struct mt_span digests = mt_entry_text(entry);

    if (build->part == NULL)
        return;
    uint8_t flags = entry->flags;
    build->part->magic_type = kind_of(run, entry);
    if (build->part->magic_type != NULL &&
        mt_part_type_differs(build->part->content_type, mt_span_cstr(build->part->magic_type)))
        flags |= MT_BODY_MISMATCH;
    mt_build_put_findings(build, body_findings, MT_ARRAY_COUNT(body_findings), flags, &build->part->findings);
    build->part->urls_total = entry->urls;
    build->part->urls.items = &build->urls[build->urls_used];
    if (entry->flags & MT_BODY_DIGESTS) {
        size_t md5_size = content & MT_CONTENT_MD5 ? MT_DIGEST_MD5_SIZE : 0;
        build->part->hash_md5 = hex_of(build, mt_span_head(digests, md5_size));
        build->part->hash_sha256 = hex_of(build, mt_span_from(digests, md5_size));
    }
    copy_to_attachment(build);
}

/* They stand behind their part, with nothing of another part between. */
void mt_build_url(struct mt_run *run, const struct mt_entry_url *entry)
{
    struct mt_build *build = run->engine->build;

    if (build->part == NULL)
        return;
    if (build->urls_used == build->urls_cap) {
        mt_cut(run, MT_CUT_URLS);
        return;
    }
    build->urls[build->urls_used++] = mt_entry_text(entry);
    build->part->urls.count++;
    copy_to_attachment(build);
}

/* Five texts with semicolons between (content.c). */
static struct mt_span next_text(struct mt_span *rest)
{
    const uint8_t *end = rest->size > 0 ? memchr(rest->ptr, ';', rest->size) : NULL;
    struct mt_span text = mt_span_head(*rest, end != NULL ? (size_t)(end - rest->ptr) : rest->size);

    *rest = mt_span_from(*rest, text.size + 1);
    return text.size > 0 ? text : mt_span_none();
}

void mt_build_signatures(struct mt_run *run, const struct mt_texts *texts,
                         struct mt_signatures *ret_signatures)
{
    struct mt_build *build = run->engine->build;

    ret_signatures->items = &build->signatures[build->signatures_used];
    for (uint32_t i = 0; i < texts->count; i++) {
        struct mt_span rest = texts->items[i];
        if (build->signatures_used == build->signatures_cap) {
            mt_cut(run, MT_CUT_MESSAGE);
            return;
        }
        struct mt_record_signature *signature = &build->signatures[build->signatures_used++];
        *signature = (struct mt_record_signature){.domain = mt_build_lower(build, next_text(&rest))};
        signature->selector = next_text(&rest);
        signature->algorithm = next_text(&rest);
        signature->instance = next_text(&rest);
        signature->validation = next_text(&rest);
        ret_signatures->count++;
    }
}
