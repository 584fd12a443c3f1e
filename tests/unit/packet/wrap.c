#include "wrap.h"

void prepend(struct bytes *bytes, const void *header, size_t size)
{
    memmove(bytes->storage + size, bytes->storage, bytes->buf.size);
    memcpy(bytes->storage, header, size);
    bytes->buf.size += size;
}

void prepend16(struct bytes *bytes, unsigned value)
{
    uint8_t wire[] = {(uint8_t)(value >> 8), (uint8_t)value};
    prepend(bytes, wire, sizeof(wire));
}

void prepend32(struct bytes *bytes, uint32_t value)
{
    prepend16(bytes, value & 0xffff);
    prepend16(bytes, value >> 16);
}

void wrap_ethernet(struct bytes *bytes, unsigned ethertype)
{
    prepend16(bytes, ethertype);
    prepend(bytes, "\x02\x00\x00\x00\x00\x0b\x02\x00\x00\x00\x00\x0a", 12);
}

void wrap_tag(struct bytes *bytes, unsigned id, unsigned ethertype)
{
    prepend16(bytes, ethertype);
    prepend16(bytes, 0x2000 | id);
}

void wrap_label(struct bytes *bytes, uint32_t label, bool is_bottom)
{
    prepend32(bytes, label << 12 | (is_bottom ? 0x100 : 0) | 64);
}

void wrap_pppoe(struct bytes *bytes, unsigned session, unsigned protocol)
{
    prepend16(bytes, protocol);
    prepend16(bytes, (unsigned)bytes->buf.size);
    prepend16(bytes, session);
    prepend16(bytes, 0x1100);
}

void wrap_ipv4(struct bytes *bytes, unsigned protocol)
{
    unsigned total = (unsigned)bytes->buf.size + 20;
    prepend(bytes, "\x0a\x00\x00\x01\x0a\x00\x00\x02", 8);
    prepend16(bytes, 0);
    prepend16(bytes, 64 << 8 | protocol);
    prepend32(bytes, 0x12340000);
    prepend16(bytes, total);
    prepend16(bytes, 0x4500);
}

void wrap_ipv6(struct bytes *bytes, unsigned protocol)
{
    unsigned size = (unsigned)bytes->buf.size;
    prepend(bytes, "\x20\x01\x0d\xb8\x00\x0f\0\0\0\0\0\0\0\0\0\x02", 16);
    prepend(bytes, "\x20\x01\x0d\xb8\x00\x0f\0\0\0\0\0\0\0\0\0\x01", 16);
    prepend16(bytes, protocol << 8 | 64);
    prepend16(bytes, size);
    prepend32(bytes, 0x60000000);
}

void wrap_udp(struct bytes *bytes, unsigned port)
{
    unsigned size = (unsigned)bytes->buf.size + 8;
    prepend16(bytes, 0);
    prepend16(bytes, size);
    prepend16(bytes, port);
    prepend16(bytes, 55555);
}

void wrap_gre(struct bytes *bytes, unsigned type)
{
    prepend16(bytes, type);
    prepend16(bytes, 0);
}

void wrap_vxlan(struct bytes *bytes, uint32_t vni)
{
    prepend32(bytes, vni << 8);
    prepend32(bytes, 0x08000000);
    wrap_udp(bytes, 4789);
}

void wrap_geneve(struct bytes *bytes, unsigned type, uint32_t vni, unsigned option_words)
{
    for (unsigned i = 0; i < option_words; i++)
        prepend32(bytes, 0x01020304);
    prepend32(bytes, vni << 8);
    prepend16(bytes, type);
    prepend16(bytes, option_words << 8);
    wrap_udp(bytes, 6081);
}

void wrap_gtp(struct bytes *bytes, uint32_t teid)
{
    unsigned size = (unsigned)bytes->buf.size;
    prepend32(bytes, teid);
    prepend16(bytes, size);
    prepend16(bytes, 0x30ff);
    wrap_udp(bytes, 2152);
}

void wrap_erspan2(struct bytes *bytes, unsigned session)
{
    prepend32(bytes, 3);
    prepend16(bytes, 0x2000 | session);
    prepend16(bytes, 0x1005);
    prepend32(bytes, 77);
    prepend16(bytes, 0x88be);
    prepend16(bytes, 0x1000);
}

const char *path_of(const struct mt_packet *packet)
{
    static uint8_t text[2048];
    struct mt_buf b = mt_buf(text, sizeof(text) - 1);
    struct mt_outer outer;
    mt_packet_outer(packet, &outer);
    for (uint32_t i = 0; i < outer.count; i++) {
        const struct mt_outer_layer *layer = &outer.layers[i];
        if (i > 0)
            mt_buf_put_cstr(&b, ", ");
        mt_buf_put_cstr(&b, mt_outer_name((enum mt_outer_type)layer->type));
        if (layer->has_id) {
            mt_buf_put_byte(&b, ' ');
            mt_buf_put_u64(&b, layer->id);
        }
        if (layer->src.family != 0) {
            mt_buf_put_byte(&b, ' ');
            mt_buf_put_ip(&b, &layer->src);
            mt_buf_put_byte(&b, '>');
            mt_buf_put_ip(&b, &layer->dst);
        }
    }
    text[b.size] = '\0';
    return (const char *)text;
}
