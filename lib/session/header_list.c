/* The list of all fields of a message's header, for those who ask for it: kept as
 * they stood, decoded when the record is made. */
#include "session/build_priv.h"
#include "session/header_list_priv.h"

#define NAME_MAX_SIZE 255u

/* Half of what a session may keep is left to everything else: a long header must
 * not cost the envelopes that follow it. */
static bool has_room(const struct mt_run *run, size_t size)
{
    const struct mt_extra *extra = run->session->extra;
    const struct mt_session_limits *limits = &run->engine->limits;

    return extra->fields <= limits->header_max &&
           extra->header_units * (size_t)MT_HEADER_UNIT + size <= limits->bytes_max / 2;
}

void mt_header_keep(struct mt_run *run, const struct mt_mime_part *part, struct mt_span name,
                    struct mt_span value, bool is_cut)
{
    struct mt_extra *extra = run->session->extra;
    struct mt_buf text = mt_buf(run->engine->scratch, sizeof(run->engine->scratch));
    struct mt_entry_header *entry = NULL;

    MT_STATIC_ASSERT(MT_MESSAGE_FIELD_MAX + 6 * MT_MIME_PATH_MAX <= MT_SCRATCH_SIZE, "a field and its path");
    extra->fields += extra->fields < UINT16_MAX;
    if (part != NULL)
        mt_part_put_path(&text, part);
    size_t path_size = text.size;
    struct mt_span kept_name = mt_span_head(name, NAME_MAX_SIZE);
    mt_buf_put_span(&text, kept_name);
    mt_buf_put_span(&text, value);
    is_cut |= kept_name.size < name.size;
    size_t size = sizeof(*entry) + text.size;
    if (has_room(run, size))
        entry = mt_store_put(run, MT_TAG_HEADER, sizeof(*entry), mt_buf_span(&text), false);
    if (is_cut || entry == NULL)
        mt_cut(run, MT_CUT_HEADER);
    if (entry == NULL)
        return;
    extra->header_units = (uint16_t)(extra->header_units + (size + MT_HEADER_UNIT - 1) / MT_HEADER_UNIT);
    entry->back = extra->back;
    entry->is_cut = is_cut;
    entry->path_size = (uint8_t)path_size;
    entry->name_size = (uint8_t)kept_name.size;
}

void mt_header_end(struct mt_run *run)
{
    struct mt_extra *extra = run->session->extra;

    if (extra == NULL || extra->fields == 0)
        return;
    struct mt_entry_total *total = mt_store_put(run, MT_TAG_TOTAL, sizeof(*total), mt_span_none(), true);
    if (total != NULL) {
        total->back = extra->back;
        total->fields = extra->fields;
    }
    extra->fields = 0;
}

static struct mt_span take(struct mt_span *rest, size_t size)
{
    struct mt_span text = mt_span_head(*rest, size);

    *rest = mt_span_from(*rest, size);
    return text;
}

/* What decoding makes of it; the text itself where that is the same. */
static struct mt_span decoded(struct mt_run *run, struct mt_span raw)
{
    struct mt_session_engine *engine = run->engine;
    struct mt_buf value = mt_buf(engine->scratch, sizeof(engine->scratch));
    struct mt_buf *b = &engine->build->b;
    size_t start = b->size;

    mt_message_decode_words(raw, engine->convert, engine->convert_ctx, &value);
    if (mt_span_eq(mt_buf_span(&value), raw))
        return raw;
    if (b->cap - b->size < value.size) {
        mt_cut(run, MT_CUT_HEADER);
        return raw;
    }
    mt_buf_put_span(b, mt_buf_span(&value));
    return mt_span(b->ptr + start, b->size - start);
}

void mt_build_header(struct mt_run *run, const struct mt_entry_header *entry, struct mt_build_slot *slot)
{
    struct mt_build *build = run->engine->build;
    struct mt_span rest = mt_entry_text(entry);

    if (slot->headers_off + slot->headers >= build->headers_cap) {
        mt_cut(run, MT_CUT_HEADER);
        return;
    }
    struct mt_record_header *header = &build->headers[slot->headers_off + slot->headers++];
    struct mt_span path = take(&rest, entry->path_size);
    *header = (struct mt_record_header){
        .path = path.size > 0 ? path : mt_span_none(),
        .name = take(&rest, entry->name_size),
        .value = decoded(run, rest),
        .cut = entry->is_cut ? MT_FLAG_TRUE : MT_FLAG_ABSENT,
    };
    if (header->value.ptr != rest.ptr)
        header->raw = rest;
}
