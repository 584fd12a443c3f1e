/* Frames, decoded and put together from fragments: each is link (1 byte), size
 * (2), bytes cut off on the wire (2), quarter seconds since the last (1), data. */
#include "fuzz.h"

#include "base/check.h"
#include "base/endian.h"
#include "packet/fragment.h"

#include <stdlib.h>

enum { HEADER_SIZE = 6 };

struct world {
    struct mt_fragment_table *table;
    struct mt_stats *stats;
    uint64_t time; /* goes on from input to input: the table is kept, empty */
};

static void make(struct world *w)
{
    if (w->table != NULL)
        return;
    struct mt_fragment_config config = {.datagrams_max = 8, .bytes_max = 128 << 10};
    w->stats = aligned_alloc(MT_CACHE_LINE, sizeof(*w->stats));
    MT_BUG_ON(w->stats == NULL);
    memset(w->stats, 0, sizeof(*w->stats));
    MT_BUG_ON(mt_fragment_table_create(&config, w->stats, &w->table) != 0);
}

/* Every byte that the packet points to is looked at, so that a sanitizer sees a
 * wrong one. */
static void look_at(struct mt_span span)
{
    volatile uint8_t sum = 0;
    for (size_t i = 0; i < span.size; i++)
        sum = (uint8_t)(sum + span.ptr[i]);
}

static void check_segment(const struct mt_packet *packet)
{
    MT_BUG_ON(packet->payload.size > packet->payload_size);
    MT_BUG_ON(packet->payload.ptr == NULL);
    MT_BUG_ON(packet->tuple.src.family != packet->tuple.dst.family || packet->ip_protocol != 6);
    look_at(packet->payload);
    if (packet->mac_src != NULL)
        look_at(mt_span(packet->mac_src, 6));
    if (packet->mac_dst != NULL)
        look_at(mt_span(packet->mac_dst, 6));
}

/* The second walk goes the way of the first. */
static void check_outer(const struct mt_packet *packet)
{
    struct mt_outer outer;
    mt_packet_outer(packet, &outer);
    MT_BUG_ON(outer.count != packet->outer_count || outer.count > MT_OUTER_MAX);
    for (uint32_t i = 0; i < outer.count; i++) {
        const struct mt_outer_layer *layer = &outer.layers[i];
        MT_BUG_ON(layer->type >= MT_OUTER_TYPE_COUNT || layer->src.family != layer->dst.family);
    }
}

static void check_fragment(const struct mt_packet *packet)
{
    MT_BUG_ON(packet->payload_size == 0 || packet->ip_payload.size > packet->payload_size);
    MT_BUG_ON(packet->fragment_off + packet->payload_size > 65535 || packet->fragment_off % 8 != 0);
    MT_BUG_ON(packet->fragment_more && packet->payload_size % 8 != 0);
    look_at(packet->ip_payload);
}

static void take_frame(struct world *w, const struct mt_frame *frame)
{
    struct mt_packet packet;
    memset(&packet, 0xa5, sizeof(packet));
    enum mt_packet_verdict verdict = mt_packet_decode(frame, &packet);
    if (verdict == MT_PACKET_FRAGMENT) {
        check_fragment(&packet);
        verdict = mt_fragment_input(w->table, &packet);
    }
    if (verdict == MT_PACKET_TCP) {
        check_segment(&packet);
        check_outer(&packet);
    }
    if (verdict == MT_PACKET_REJECT)
        MT_BUG_ON(packet.reject >= MT_REJECT_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    make(&w);
    while (size >= HEADER_SIZE) {
        size_t frame_size = mt_load_be16(data + 1);
        uint32_t cut = mt_load_be16(data + 3);
        w.time += data[5] * (MT_SEC / 4);
        uint8_t link = data[0] % (MT_LINK_NFLOG + 1);
        data += HEADER_SIZE;
        size -= HEADER_SIZE;
        if (frame_size > size)
            frame_size = size;
        uint8_t *copy = malloc(frame_size > 0 ? frame_size : 1);
        MT_BUG_ON(copy == NULL);
        memcpy(copy, data, frame_size);
        struct mt_frame frame = {
            .data = copy,
            .size = (uint32_t)frame_size,
            .wire_size = (uint32_t)frame_size + cut,
            .mark = {.time = w.time, .number = 1},
            .link = link,
        };
        take_frame(&w, &frame);
        free(copy);
        data += frame_size;
        size -= frame_size;
    }
    mt_fragment_flush(w.table);
    return 0;
}
