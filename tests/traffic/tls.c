/* TLS 1.2 as a tap sees it: a handshake in clear records, then opaque ones. */
#include "profiles.h"

enum {
    RECORD_CHANGE_CIPHER = 20,
    RECORD_ALERT = 21,
    RECORD_HANDSHAKE = 22,
    RECORD_DATA = 23,
};

#define RECORD_SIZE 16384u

static void put_header(struct mt_talk *talk, enum mt_plan_side side, unsigned type, unsigned minor,
                       uint32_t size)
{
    const uint8_t header[5] = {(uint8_t)type, 3, (uint8_t)minor, (uint8_t)(size >> 8), (uint8_t)size};

    mt_plan_put(talk->plan, side, header, sizeof(header));
}

static void put_opaque(struct mt_talk *talk, enum mt_plan_side side, unsigned type, uint32_t size)
{
    put_header(talk, side, type, 3, size);
    mt_plan_put_stretch(talk->plan, side, mt_corpus_pick(talk->corpus, MT_RING_RANDOM, size, talk->random));
}

static uint8_t *put16(uint8_t *at, unsigned value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static uint8_t *put_random(struct mt_talk *talk, uint8_t *at, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        at[i] = (uint8_t)(mt_random_next(talk->random) >> 40);
    return at + size;
}

/* RFC 5246 §7.4.1.2 with the extensions server_name, supported_groups,
 * ec_point_formats and signature_algorithms. */
static void put_client_hello(struct mt_talk *talk)
{
    static const uint16_t ciphers[] = {0x1302, 0x1301, 0xc030, 0xc02f, 0xc02c,
                                       0xc02b, 0x009f, 0x009e, 0x00ff};
    static const uint8_t rest[] = {0, 10, 0, 6,  0, 4, 0, 29, 0, 23, 0, 11, 0, 2,
                                   1, 0,  0, 13, 0, 8, 0, 6,  4, 3,  8, 4,  4, 1};
    const struct mt_line *name = &talk->server_name;
    unsigned name_size = name->size;
    uint8_t hello[512];
    uint8_t *at = hello + 4;
    uint8_t *extensions;
    unsigned size;

    at = put16(at, 0x0303);
    at = put_random(talk, at, 32);
    *at++ = 0;
    at = put16(at, sizeof(ciphers));
    for (unsigned i = 0; i < sizeof(ciphers) / 2; i++)
        at = put16(at, ciphers[i]);
    *at++ = 1;
    *at++ = 0;
    extensions = at;
    at = put16(extensions + 2, 0);
    at = put16(at, name_size + 5);
    at = put16(at, name_size + 3);
    *at++ = 0;
    at = put16(at, name_size);
    memcpy(at, name->data, name_size);
    at += name_size;
    memcpy(at, rest, sizeof(rest));
    at += sizeof(rest);
    put16(extensions, (unsigned)(at - extensions) - 2);
    size = (unsigned)(at - hello) - 4;
    hello[0] = 1;
    hello[1] = 0;
    put16(hello + 2, size);
    put_header(talk, MT_PLAN_CLIENT, RECORD_HANDSHAKE, 1, size + 4);
    mt_plan_put(talk->plan, MT_PLAN_CLIENT, hello, size + 4);
}

/* ServerHello (RFC 5246 §7.4.1.3); certificate and key exchange are records of
 * noise. */
static void put_server_hello(struct mt_talk *talk)
{
    uint8_t hello[4 + 2 + 32 + 1 + 2 + 1 + 2 + 5];
    uint8_t *at = hello;

    *at++ = 2;
    *at++ = 0;
    at = put16(at, sizeof(hello) - 4);
    at = put16(at, 0x0303);
    at = put_random(talk, at, 32);
    *at++ = 0;
    at = put16(at, 0xc030);
    *at++ = 0;
    at = put16(at, 5);
    at = put16(at, 0xff01);
    at = put16(at, 1);
    *at = 0;
    put_header(talk, MT_PLAN_SERVER, RECORD_HANDSHAKE, 3, sizeof(hello));
    mt_plan_put(talk->plan, MT_PLAN_SERVER, hello, sizeof(hello));
    put_opaque(talk, MT_PLAN_SERVER, RECORD_HANDSHAKE, mt_random_range(talk->random, 2200, 4200));
}

static void put_finished(struct mt_talk *talk, enum mt_plan_side side)
{
    put_header(talk, side, RECORD_CHANGE_CIPHER, 3, 1);
    mt_plan_put(talk->plan, side, "\001", 1);
    put_opaque(talk, side, RECORD_HANDSHAKE, 40);
}

static void put_records(struct mt_talk *talk, enum mt_plan_side side, uint32_t size)
{
    uint32_t start = talk->plan->stream_size[side];

    while (size) {
        uint32_t part = size < RECORD_SIZE ? size : RECORD_SIZE;

        put_opaque(talk, side, RECORD_DATA, part);
        size -= part;
    }
    mt_plan_may_miss(talk->plan, side, start, talk->plan->stream_size[side], 0xff, true);
    mt_talk_flush(talk, side);
}

void mt_tls_talk(struct mt_talk *talk, uint32_t to_server, uint32_t to_client)
{
    uint32_t envelope = to_server / 2 < 300 ? to_server / 2 : 300;

    put_client_hello(talk);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    put_server_hello(talk);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    put_opaque(talk, MT_PLAN_CLIENT, RECORD_HANDSHAKE, 66);
    put_finished(talk, MT_PLAN_CLIENT);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    put_finished(talk, MT_PLAN_SERVER);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    put_records(talk, MT_PLAN_CLIENT, 60);
    put_records(talk, MT_PLAN_SERVER, to_client / 2);
    put_records(talk, MT_PLAN_CLIENT, envelope);
    put_records(talk, MT_PLAN_SERVER, to_client / 4);
    put_records(talk, MT_PLAN_CLIENT, to_server - envelope);
    put_records(talk, MT_PLAN_SERVER, to_client / 4);
    put_opaque(talk, MT_PLAN_CLIENT, RECORD_ALERT, 26);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    mt_plan_close(talk->plan, MT_PLAN_CLIENT);
}
