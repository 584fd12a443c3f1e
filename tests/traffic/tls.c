/* TLS as a tap sees it: 1.2 with its whole handshake in clear records, 1.3 with the
 * hellos; then opaque ones. */
#include "profiles.h"

enum {
    RECORD_CHANGE_CIPHER = 20,
    RECORD_ALERT = 21,
    RECORD_HANDSHAKE = 22,
    RECORD_DATA = 23,
};

#define RECORD_SIZE 16384u

enum {
    MESSAGE_CERTIFICATE = 11,
    MESSAGE_SERVER_KEY = 12,
    MESSAGE_SERVER_DONE = 14,
    MESSAGE_CLIENT_KEY = 16,
};

/* A certificate for mx.example.org that OpenSSL has made. Each server has one of its
 * own: three bytes of the serial number are of its name. */
static const uint8_t certificate[] = {
    0x30, 0x82, 0x02, 0x30, 0x30, 0x82, 0x01, 0xd7, 0xa0, 0x03, 0x02, 0x01, 0x02, 0x02, 0x04, 0x00, 0xa1,
    0xb2, 0xc3, 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02, 0x30, 0x54, 0x31,
    0x0b, 0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x13, 0x02, 0x44, 0x45, 0x31, 0x16, 0x30, 0x14, 0x06,
    0x03, 0x55, 0x04, 0x0a, 0x0c, 0x0d, 0x45, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2c, 0x20, 0x49, 0x6e,
    0x63, 0x2e, 0x31, 0x14, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x0b, 0x0c, 0x01, 0x61, 0x30, 0x08, 0x06,
    0x03, 0x55, 0x04, 0x0b, 0x0c, 0x01, 0x62, 0x31, 0x17, 0x30, 0x15, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c,
    0x0e, 0x6d, 0x78, 0x2e, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x30, 0x1e,
    0x17, 0x0d, 0x32, 0x36, 0x31, 0x31, 0x32, 0x32, 0x32, 0x30, 0x33, 0x39, 0x33, 0x32, 0x5a, 0x17, 0x0d,
    0x33, 0x36, 0x31, 0x31, 0x31, 0x39, 0x32, 0x30, 0x33, 0x39, 0x33, 0x32, 0x5a, 0x30, 0x54, 0x31, 0x0b,
    0x30, 0x09, 0x06, 0x03, 0x55, 0x04, 0x06, 0x13, 0x02, 0x44, 0x45, 0x31, 0x16, 0x30, 0x14, 0x06, 0x03,
    0x55, 0x04, 0x0a, 0x0c, 0x0d, 0x45, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2c, 0x20, 0x49, 0x6e, 0x63,
    0x2e, 0x31, 0x14, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x0b, 0x0c, 0x01, 0x61, 0x30, 0x08, 0x06, 0x03,
    0x55, 0x04, 0x0b, 0x0c, 0x01, 0x62, 0x31, 0x17, 0x30, 0x15, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x0e,
    0x6d, 0x78, 0x2e, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x30, 0x59, 0x30,
    0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d,
    0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04, 0x60, 0xd1, 0x46, 0xbc, 0x81, 0xbc, 0x6c, 0x78, 0x58, 0x94,
    0x74, 0x46, 0x87, 0x66, 0x27, 0xaf, 0xbc, 0x5f, 0xf5, 0x29, 0x11, 0xa1, 0x24, 0x3b, 0x1f, 0xd6, 0x43,
    0x44, 0x0e, 0xbd, 0x18, 0x8d, 0x57, 0x6b, 0xa9, 0xbe, 0x37, 0x6f, 0xc0, 0xab, 0x4b, 0x53, 0x46, 0x14,
    0x0b, 0x1c, 0x19, 0xd3, 0x3b, 0x2a, 0x76, 0xc0, 0x8e, 0xf6, 0xe2, 0xcd, 0x81, 0x9b, 0x5b, 0x26, 0x4f,
    0xc6, 0x3f, 0x7b, 0xa3, 0x81, 0x96, 0x30, 0x81, 0x93, 0x30, 0x1d, 0x06, 0x03, 0x55, 0x1d, 0x0e, 0x04,
    0x16, 0x04, 0x14, 0x81, 0x9d, 0x84, 0x11, 0xe1, 0x27, 0x7f, 0x99, 0xc7, 0xab, 0xb6, 0xd3, 0xed, 0x56,
    0xd7, 0xfc, 0xc0, 0x66, 0x48, 0xde, 0x30, 0x1f, 0x06, 0x03, 0x55, 0x1d, 0x23, 0x04, 0x18, 0x30, 0x16,
    0x80, 0x14, 0x81, 0x9d, 0x84, 0x11, 0xe1, 0x27, 0x7f, 0x99, 0xc7, 0xab, 0xb6, 0xd3, 0xed, 0x56, 0xd7,
    0xfc, 0xc0, 0x66, 0x48, 0xde, 0x30, 0x0f, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x05,
    0x30, 0x03, 0x01, 0x01, 0xff, 0x30, 0x40, 0x06, 0x03, 0x55, 0x1d, 0x11, 0x04, 0x39, 0x30, 0x37, 0x82,
    0x0e, 0x6d, 0x78, 0x2e, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x81, 0x0d,
    0x61, 0x40, 0x65, 0x78, 0x61, 0x6d, 0x70, 0x6c, 0x65, 0x2e, 0x6f, 0x72, 0x67, 0x87, 0x04, 0xc0, 0x00,
    0x02, 0x19, 0x87, 0x10, 0x20, 0x01, 0x0d, 0xb8, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    0x00, 0x00, 0x25, 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02, 0x03, 0x47,
    0x00, 0x30, 0x44, 0x02, 0x20, 0x46, 0xea, 0xd9, 0xbf, 0x9a, 0xe2, 0xe6, 0x82, 0xfa, 0xfe, 0x0a, 0xb7,
    0x38, 0xbe, 0xa2, 0xd9, 0x64, 0xbe, 0xc4, 0xf4, 0x62, 0xcf, 0x7b, 0x97, 0x06, 0x6d, 0xb0, 0x71, 0xc7,
    0x6a, 0xee, 0xa4, 0x02, 0x20, 0x47, 0xd9, 0xfc, 0x06, 0x87, 0x74, 0x3a, 0x69, 0x12, 0x9f, 0x1f, 0xb0,
    0xc9, 0xc1, 0x31, 0xb7, 0x94, 0x7e, 0x89, 0xf7, 0xdd, 0x2a, 0x30, 0xe5, 0xca, 0x81, 0x7e, 0x33, 0xce,
    0x62, 0x42, 0x1d,
};
#define SERIAL_OFF 16u

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
 * ec_point_formats, signature_algorithms and supported_versions. */
static void put_client_hello(struct mt_talk *talk)
{
    static const uint16_t ciphers[] = {0x1302, 0x1301, 0xc030, 0xc02f, 0xc02c,
                                       0xc02b, 0x009f, 0x009e, 0x00ff};
    static const uint8_t rest[] = {0, 10, 0, 6, 0, 4, 0, 29, 0, 23, 0,  11, 0, 2, 1, 0, 0, 13, 0,
                                   8, 0,  6, 4, 3, 8, 4, 4,  1, 0,  43, 0,  5, 4, 3, 4, 3, 3};
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

static uint8_t *put_message(uint8_t *at, unsigned type, uint32_t size)
{
    *at++ = (uint8_t)type;
    *at++ = 0;
    return put16(at, size);
}

/* ServerHello (RFC 5246 §7.4.1.3, RFC 8446 §4.1.3). */
static uint8_t *put_server_hello(struct mt_talk *talk, uint8_t *at, bool is_13)
{
    at = put_message(at, 2, 2 + 32 + 1 + 2 + 1 + 2 + (is_13 ? 6 : 5));
    at = put16(at, 0x0303);
    at = put_random(talk, at, 32);
    *at++ = 0;
    at = put16(at, is_13 ? 0x1302 : 0xc030);
    *at++ = 0;
    if (is_13) {
        at = put16(at, 6);
        at = put16(at, 43);
        at = put16(at, 2);
        return put16(at, 0x0304);
    }
    at = put16(at, 5);
    at = put16(at, 0xff01);
    at = put16(at, 1);
    *at++ = 0;
    return at;
}

#define ISSUERS 16u /* few issue for many servers */

/* The server's certificate; who issued it is noise. */
static uint8_t *put_certificates(struct mt_talk *talk, uint8_t *at)
{
    const struct mt_line *name = &talk->server_name;
    uint32_t hash = 5381;
    uint8_t *der;

    for (uint32_t i = 0; i < name->size; i++)
        hash = hash * 33 + (uint8_t)name->data[i];
    uint32_t issuer = hash % ISSUERS;
    uint32_t issuer_size = 800 + issuer * 112;
    uint32_t chain = 3 + sizeof(certificate) + 3 + issuer_size;
    at = put_message(at, MESSAGE_CERTIFICATE, 3 + chain);
    *at++ = 0;
    at = put16(at, chain);
    *at++ = 0;
    at = put16(at, sizeof(certificate));
    der = at;
    memcpy(at, certificate, sizeof(certificate));
    for (unsigned i = 0; i < 3; i++)
        der[SERIAL_OFF + i] = (uint8_t)(hash >> 8 * i);
    at += sizeof(certificate);
    *at++ = 0;
    at = put16(at, issuer_size);
    for (uint32_t i = 0, noise = issuer; i < issuer_size; i++) {
        noise = noise * 1103515245 + 12345;
        *at++ = (uint8_t)(noise >> 16);
    }
    return at;
}

static void put_server_clear(struct mt_talk *talk)
{
    uint8_t flight[4096];
    uint8_t *at = put_server_hello(talk, flight, false);

    at = put_certificates(talk, at);
    at = put_message(at, MESSAGE_SERVER_KEY, 329);
    at = put_random(talk, at, 329);
    at = put_message(at, MESSAGE_SERVER_DONE, 0);
    put_header(talk, MT_PLAN_SERVER, RECORD_HANDSHAKE, 3, (uint32_t)(at - flight));
    mt_plan_put(talk->plan, MT_PLAN_SERVER, flight, (uint32_t)(at - flight));
}

static void put_change(struct mt_talk *talk, enum mt_plan_side side)
{
    put_header(talk, side, RECORD_CHANGE_CIPHER, 3, 1);
    mt_plan_put(talk->plan, side, "\001", 1);
}

static void put_finished(struct mt_talk *talk, enum mt_plan_side side)
{
    put_change(talk, side);
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

static void shake_12(struct mt_talk *talk)
{
    uint8_t key[70];

    put_server_clear(talk);
    mt_talk_flush(talk, MT_PLAN_SERVER);
    put_random(talk, put_message(key, MESSAGE_CLIENT_KEY, 66), 66);
    put_header(talk, MT_PLAN_CLIENT, RECORD_HANDSHAKE, 3, sizeof(key));
    mt_plan_put(talk->plan, MT_PLAN_CLIENT, key, sizeof(key));
    put_finished(talk, MT_PLAN_CLIENT);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    put_finished(talk, MT_PLAN_SERVER);
    mt_talk_flush(talk, MT_PLAN_SERVER);
}

static void shake_13(struct mt_talk *talk)
{
    uint8_t hello[128];
    uint32_t size = (uint32_t)(put_server_hello(talk, hello, true) - hello);

    put_header(talk, MT_PLAN_SERVER, RECORD_HANDSHAKE, 3, size);
    mt_plan_put(talk->plan, MT_PLAN_SERVER, hello, size);
    put_change(talk, MT_PLAN_SERVER);
    put_opaque(talk, MT_PLAN_SERVER, RECORD_DATA, mt_random_range(talk->random, 2200, 4200));
    mt_talk_flush(talk, MT_PLAN_SERVER);
    put_change(talk, MT_PLAN_CLIENT);
    put_opaque(talk, MT_PLAN_CLIENT, RECORD_DATA, 69);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
}

void mt_tls_talk(struct mt_talk *talk, uint32_t to_server, uint32_t to_client)
{
    uint32_t envelope = to_server / 2 < 300 ? to_server / 2 : 300;
    bool is_13 = mt_random_permille(talk->random, 600);

    talk->truth->tls_version = is_13 ? "1.3" : "1.2";
    talk->truth->tls_cipher = is_13 ? "TLS_AES_256_GCM_SHA384" : "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384";
    talk->truth->tls_server_name = mt_truth_text(talk->truth, talk->server_name.data, talk->server_name.size);
    put_client_hello(talk);
    mt_talk_flush(talk, MT_PLAN_CLIENT);
    if (is_13)
        shake_13(talk);
    else
        shake_12(talk);
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
