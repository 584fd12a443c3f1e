/* What a session's packets are wrapped in: kept packed, because most layers are a
 * tag or a label without addresses. */
#include "session/build_priv.h"

#define LAYER_SIZE 6u /* type, family, id; then both addresses */
#define HAS_ID 0x80u
MT_STATIC_ASSERT(sizeof(struct mt_entry) + (size_t)MT_OUTER_MAX * (LAYER_SIZE + 32) <= 1024,
                 "however many layers, a block holds them");

static size_t address_size(unsigned family)
{
    return family == 4 ? 4 : family == 6 ? 16 : 0;
}

static void pack(struct mt_buf *b, const struct mt_outer_layer *layer)
{
    size_t size = address_size(layer->src.family);

    mt_buf_put_byte(b, layer->type);
    mt_buf_put_byte(b, (uint8_t)(layer->src.family | (layer->has_id ? HAS_ID : 0)));
    mt_buf_put(b, &layer->id, sizeof(layer->id));
    mt_buf_put(b, layer->src.bytes, size);
    mt_buf_put(b, layer->dst.bytes, size);
}

static struct mt_span unpack(struct mt_span packed, struct mt_outer_layer *ret_layer)
{
    unsigned family = packed.ptr[1] & ~HAS_ID;
    size_t size = address_size(family);
    struct mt_outer_layer layer = {.type = packed.ptr[0], .has_id = packed.ptr[1] & HAS_ID};

    memcpy(&layer.id, packed.ptr + 2, sizeof(layer.id));
    layer.src.family = (uint8_t)family;
    layer.dst.family = (uint8_t)family;
    memcpy(layer.src.bytes, packed.ptr + LAYER_SIZE, size);
    memcpy(layer.dst.bytes, packed.ptr + LAYER_SIZE + size, size);
    *ret_layer = layer;
    return mt_span_from(packed, LAYER_SIZE + 2 * size);
}

void mt_outer_keep(struct mt_run *run, const struct mt_outer *outer)
{
    uint8_t packed[(size_t)MT_OUTER_MAX * (LAYER_SIZE + 32)];
    struct mt_buf b = mt_buf(packed, sizeof(packed));

    for (uint32_t i = 0; i < outer->count; i++)
        pack(&b, &outer->layers[i]);
    if (mt_store_put(run, MT_TAG_OUTER, sizeof(struct mt_entry_outer), mt_buf_span(&b), false) == NULL)
        mt_cut(run, MT_CUT_OUTER);
}

void mt_build_outer(struct mt_build *build, const struct mt_entry_outer *entry, struct mt_outers *ret_outers)
{
    struct mt_buf *b = &build->b;
    struct mt_span packed = mt_entry_text(entry);
    uint32_t count = 0;

    while (packed.size > 0 && count < MT_OUTER_MAX) {
        struct mt_outer_layer layer;
        packed = unpack(packed, &layer);
        struct mt_record_outer *outer = &build->outers[count++];
        *outer = (struct mt_record_outer){
            .outer_type = mt_outer_name((enum mt_outer_type)layer.type),
            .outer_source_ip = layer.src,
            .outer_destination_ip = layer.dst,
        };
        size_t start = b->size;
        if (layer.has_id) {
            mt_buf_put_u64(b, layer.id);
            outer->outer_id = mt_span(b->ptr + start, b->size - start);
        }
    }
    *ret_outers = (struct mt_outers){.items = build->outers, .count = count};
}
