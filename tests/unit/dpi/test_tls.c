/* The TLS reader beside published fingerprints, and against damage. */
#include "dpi/tls.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* --- what was said ----------------------------------------------------------------- */

struct heard {
    unsigned clients, servers, certificates, client_certificates, alerts, notes[3];
    uint16_t version, cipher, highest;
    bool has_prints, is_retry, has_sni;
    char ja3[33], ja4[MT_TLS_JA4_SIZE + 1], ja3s[33], sni[64];
    size_t alpn_size;
    uint8_t alert[3];
};

static void put_hex(char *to, const uint8_t *bytes, size_t size)
{
    struct mt_buf b = mt_buf(to, 2 * size);
    mt_buf_put_hex(&b, mt_span(bytes, size));
    to[2 * size] = '\0';
}

static void on_client(void *ctx, const struct mt_tls_client_hello *hello)
{
    struct heard *heard = ctx;
    heard->clients++;
    heard->highest = hello->version;
    heard->has_prints = hello->has_prints;
    heard->has_sni = hello->has_sni;
    heard->alpn_size = hello->alpn.size;
    put_hex(heard->ja3, hello->ja3, sizeof(hello->ja3));
    memcpy(heard->ja4, hello->ja4, MT_TLS_JA4_SIZE);
    if (hello->sni.size > 0)
        memcpy(heard->sni, hello->sni.ptr, hello->sni.size < 63 ? hello->sni.size : 63);
}

static void on_server(void *ctx, const struct mt_tls_server_hello *hello)
{
    struct heard *heard = ctx;
    heard->servers++;
    heard->version = hello->version;
    heard->cipher = hello->cipher;
    heard->is_retry = hello->is_retry;
    put_hex(heard->ja3s, hello->ja3s, sizeof(hello->ja3s));
}

static void on_certificate(void *ctx, enum mt_side side, unsigned index, const struct mt_x509 *certificate)
{
    struct heard *heard = ctx;
    unsigned *count = side == MT_CLIENT ? &heard->client_certificates : &heard->certificates;

    (void)certificate;
    assert_int_equal(index, *count);
    ++*count;
}

static void on_alert(void *ctx, enum mt_side side, uint8_t level, uint8_t description)
{
    struct heard *heard = ctx;
    heard->alerts++;
    heard->alert[0] = (uint8_t)side;
    heard->alert[1] = level;
    heard->alert[2] = description;
}

static void on_note(void *ctx, enum mt_tls_note note)
{
    ((struct heard *)ctx)->notes[note]++;
}

static const struct mt_tls_events events = {on_client, on_server, on_certificate, on_alert, on_note};

/* --- bytes ------------------------------------------------------------------------- */

static uint8_t storage[40000];

static void put16(struct mt_buf *b, unsigned value)
{
    mt_buf_put_byte(b, (uint8_t)(value >> 8));
    mt_buf_put_byte(b, (uint8_t)value);
}

static void put_list(struct mt_buf *b, const uint16_t *values, size_t count)
{
    put16(b, (unsigned)(2 * count));
    for (size_t i = 0; i < count; i++)
        put16(b, values[i]);
}

struct offer {
    uint16_t legacy;
    const uint16_t *ciphers, *extensions, *groups, *signatures, *versions;
    size_t cipher_count, extension_count, group_count, signature_count, version_count;
    const char *alpn;
    const char *sni;
};

static void put_extension(struct mt_buf *b, uint16_t type, const struct offer *offer)
{
    put16(b, type);
    size_t at = b->size;
    put16(b, 0);
    size_t name_size = offer->sni != NULL ? strlen(offer->sni) : 0;
    size_t alpn_size = offer->alpn != NULL ? strlen(offer->alpn) : 0;
    if (type == 0 && name_size > 0) {
        put16(b, (unsigned)name_size + 3);
        mt_buf_put_byte(b, 0);
        put16(b, (unsigned)name_size);
        mt_buf_put_cstr(b, offer->sni);
    } else if (type == 10) {
        put_list(b, offer->groups, offer->group_count);
    } else if (type == 11) {
        mt_buf_put(b, "\1\0", 2);
    } else if (type == 13) {
        put_list(b, offer->signatures, offer->signature_count);
    } else if (type == 16 && alpn_size > 0) {
        put16(b, (unsigned)alpn_size + 1);
        mt_buf_put_byte(b, (uint8_t)alpn_size);
        mt_buf_put_cstr(b, offer->alpn);
    } else if (type == 43) {
        mt_buf_put_byte(b, (uint8_t)(2 * offer->version_count));
        for (size_t i = 0; i < offer->version_count; i++)
            put16(b, offer->versions[i]);
    }
    size_t size = b->size - at - 2;
    b->ptr[at] = (uint8_t)(size >> 8);
    b->ptr[at + 1] = (uint8_t)size;
}

static void put_record(struct mt_buf *b, uint8_t type, struct mt_span body)
{
    mt_buf_put_byte(b, type);
    put16(b, 0x0301);
    put16(b, (unsigned)body.size);
    mt_buf_put_span(b, body);
}

static struct mt_span message_of(uint8_t *room, size_t cap, uint8_t type, struct mt_span body)
{
    struct mt_buf b = mt_buf(room, cap);
    mt_buf_put_byte(&b, type);
    mt_buf_put_byte(&b, (uint8_t)(body.size >> 16));
    put16(&b, (unsigned)(body.size & 0xffff));
    mt_buf_put_span(&b, body);
    assert_false(b.overflow);
    return mt_buf_span(&b);
}

static struct mt_span hello_of(const struct offer *offer)
{
    static uint8_t body[20000], message[20004];
    struct mt_buf b = mt_buf(body, sizeof(body));

    put16(&b, offer->legacy);
    for (unsigned i = 0; i < 32; i++)
        mt_buf_put_byte(&b, (uint8_t)i);
    mt_buf_put_byte(&b, 0);
    put_list(&b, offer->ciphers, offer->cipher_count);
    mt_buf_put(&b, "\1\0", 2);
    if (offer->extension_count > 0) {
        size_t at = b.size;
        put16(&b, 0);
        for (size_t i = 0; i < offer->extension_count; i++)
            put_extension(&b, offer->extensions[i], offer);
        size_t size = b.size - at - 2;
        body[at] = (uint8_t)(size >> 8);
        body[at + 1] = (uint8_t)size;
    }
    assert_false(b.overflow);
    return message_of(message, sizeof(message), 1, mt_buf_span(&b));
}

static struct mt_span record_of(struct mt_span message)
{
    struct mt_buf b = mt_buf(storage, sizeof(storage));
    put_record(&b, 22, message);
    assert_false(b.overflow);
    return mt_buf_span(&b);
}

struct reader {
    struct mt_arena *arena;
    struct mt_tls_memory *memory;
    struct mt_tls tls;
    struct heard heard;
};

static struct reader begin(void)
{
    struct reader r = {0};
    assert_int_equal(mt_arena_create(1 << 20, &r.arena), 0);
    assert_int_equal(mt_tls_memory_create(&r.memory), 0);
    return r;
}

static void feed(struct reader *r, enum mt_side side, struct mt_span bytes, size_t step)
{
    for (size_t at = 0; at < bytes.size; at += step)
        mt_tls_input(&r->tls, side, mt_span_head(mt_span_from(bytes, at), step), r->arena, r->memory, &events,
                     &r->heard);
}

static void end(struct reader *r)
{
    mt_tls_fini(&r->tls, r->arena);
    assert_int_equal(mt_arena_used(r->arena), 0);
    mt_tls_memory_destroy(r->memory);
    mt_arena_destroy(r->arena);
}

static struct heard hear(const struct offer *offer, size_t step)
{
    struct reader r = begin();
    feed(&r, MT_CLIENT, record_of(hello_of(offer)), step);
    feed(&r, MT_CLIENT, record_of(hello_of(offer)), step); /* remembered: the same, and not said twice */
    assert_int_equal(r.heard.clients, 1);
    end(&r);
    return r.heard;
}

#define LIST(name) .name##s = name##_list, .name##_count = MT_ARRAY_COUNT(name##_list)

/* --- fingerprints ------------------------------------------------------------------ */

/* 769,47-53-5-10-49161-49162-49171-49172-50-56-19-4,0-10-11,23-24-25,0 is the example
 * of JA3's authors; GREASE must not change it. */
static void ja3_is_that_of_the_published_example(void **state)
{
    static const uint16_t cipher_list[] = {0x0a0a, 47, 53, 5, 10, 49161, 49162, 49171, 49172, 50, 56, 19, 4};
    static const uint16_t extension_list[] = {0, 0xfafa, 10, 11};
    static const uint16_t group_list[] = {0x5a5a, 23, 24, 25};
    const struct offer offer = {
        .legacy = 769, LIST(cipher), LIST(extension), LIST(group), .sni = "mx.example.org"};
    (void)state;

    struct heard heard = hear(&offer, 40000);
    assert_true(heard.has_prints);
    assert_string_equal(heard.ja3, "ada70206e40642a3e4461f35503241d5");
    assert_string_equal(heard.sni, "mx.example.org");
    assert_int_equal(heard.highest, 769);
}

/* Ciphers, extensions and signature algorithms of the specification's example, whose
 * hashes are known: 8daaf6152771 and e5627efa2ab1. */
static const uint16_t chrome_ciphers[] = {0x2a2a, 0x1301, 0x1302, 0x1303, 0xc02b, 0xc02f, 0xc02c, 0xc030,
                                          0xcca9, 0xcca8, 0xc013, 0xc014, 0x009c, 0x009d, 0x002f, 0x0035};
static const uint16_t chrome_extensions[] = {0x1b, 0x00, 0x33, 0x10, 0x4469, 0x17, 0x2d, 0x0d, 0x1a1a,
                                             0x05, 0x23, 0x12, 0x2b, 0xff01, 0x0b, 0x0a, 0x15};
static const uint16_t chrome_groups[] = {0xaaaa, 29, 23, 24};
static const uint16_t chrome_signatures[] = {0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501, 0x0806, 0x0601};
static const uint16_t chrome_versions[] = {0x8a8a, 0x0304, 0x0303};

static struct offer chrome(void)
{
    return (struct offer){
        .legacy = 0x0303,
        .ciphers = chrome_ciphers,
        .cipher_count = MT_ARRAY_COUNT(chrome_ciphers),
        .extensions = chrome_extensions,
        .extension_count = MT_ARRAY_COUNT(chrome_extensions),
        .groups = chrome_groups,
        .group_count = MT_ARRAY_COUNT(chrome_groups),
        .signatures = chrome_signatures,
        .signature_count = MT_ARRAY_COUNT(chrome_signatures),
        .versions = chrome_versions,
        .version_count = MT_ARRAY_COUNT(chrome_versions),
        .alpn = "h2",
        .sni = "mx.example.org",
    };
}

static void ja4_is_that_of_the_specifications_example(void **state)
{
    const struct offer offer = chrome();
    (void)state;

    struct heard heard = hear(&offer, 40000);
    assert_string_equal(heard.ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
    assert_string_equal(heard.ja3, "c000e2caf3a25423f9de6c8a4b12a975");
    assert_int_equal(heard.highest, 0x0304);
}

static void a_hello_cut_anywhere_is_the_same_hello(void **state)
{
    const struct offer offer = chrome();
    struct heard whole = hear(&offer, 40000);
    (void)state;

    for (size_t step = 1; step < 300; step++) {
        struct heard cut = hear(&offer, step);
        assert_memory_equal(&cut, &whole, sizeof(cut));
    }
}

static void a_message_may_lie_in_many_records(void **state)
{
    const struct offer offer = chrome();
    struct reader r = begin();
    struct mt_span message = hello_of(&offer);
    (void)state;

    for (size_t at = 0; at < message.size; at += 7) {
        struct mt_buf b = mt_buf(storage, sizeof(storage));
        put_record(&b, 22, mt_span_head(mt_span_from(message, at), 7));
        feed(&r, MT_CLIENT, mt_buf_span(&b), 3);
    }
    assert_string_equal(r.heard.ja4, "t13d1516h2_8daaf6152771_e5627efa2ab1");
    end(&r);
}

static void an_alpn_that_is_no_text_is_shown_by_its_hexadecimal_ends(void **state)
{
    struct offer offer = chrome();
    (void)state;

    offer.alpn = "\xab\x12\xcd";
    assert_memory_equal(hear(&offer, 40000).ja4, "t13d1516ad_", 11);
    offer.alpn = "x";
    assert_memory_equal(hear(&offer, 40000).ja4, "t13d1516xx_", 11);
}

static void a_hello_without_extensions_has_fingerprints_too(void **state)
{
    static const uint16_t cipher_list[] = {0x0005, 0x0004};
    const struct offer offer = {.legacy = 0x0300, LIST(cipher)};
    (void)state;

    struct heard heard = hear(&offer, 1);
    assert_memory_equal(heard.ja4,
                        "t"
                        "s3i020000_",
                        11);
    assert_string_equal(heard.ja4 + 24, "000000000000");
    assert_int_equal(heard.notes[MT_TLS_MALFORMED], 0);
}

static void more_ciphers_than_the_limit_have_no_fingerprint(void **state)
{
    static uint16_t cipher_list[MT_TLS_LIST_MAX + 1];
    const struct offer offer = {.legacy = 0x0303, LIST(cipher)};
    (void)state;

    for (size_t i = 0; i < MT_ARRAY_COUNT(cipher_list); i++)
        cipher_list[i] = (uint16_t)(MT_ARRAY_COUNT(cipher_list) - i);
    struct heard heard = hear(&offer, 40000);
    assert_false(heard.has_prints);
    assert_int_equal(heard.notes[MT_TLS_CUT], 1);
}

/* --- the server ---------------------------------------------------------------------- */

static struct mt_span server_hello(uint16_t version, uint16_t cipher, const uint8_t *random,
                                   struct mt_span extensions)
{
    static uint8_t body[400], message[404];
    struct mt_buf b = mt_buf(body, sizeof(body));

    put16(&b, version);
    for (unsigned i = 0; i < 32; i++)
        mt_buf_put_byte(&b, random != NULL ? random[i] : (uint8_t)i);
    mt_buf_put_byte(&b, 0);
    put16(&b, cipher);
    mt_buf_put_byte(&b, 0);
    if (extensions.size > 0) {
        put16(&b, (unsigned)extensions.size);
        mt_buf_put_span(&b, extensions);
    }
    return message_of(message, sizeof(message), 2, mt_buf_span(&b));
}

/* 771,49199,65281-0-11-35 */
static void ja3s_is_an_md5_of_version_cipher_and_extensions(void **state)
{
    static const char extensions[] = "\xff\x01\0\1\0\0\0\0\0\0\x0b\0\2\1\0\0\x23\0\0";
    struct reader r = begin();
    (void)state;

    feed(&r, MT_SERVER,
         record_of(server_hello(0x0303, 49199, NULL, mt_span(extensions, sizeof(extensions) - 1))), 1);
    assert_int_equal(r.heard.servers, 1);
    assert_string_equal(r.heard.ja3s, "a2c05b7498f29a65608835b44035c0c5");
    assert_int_equal(r.heard.version, 0x0303);
    end(&r);
}

static void behind_a_retry_the_server_says_hello_again(void **state)
{
    static const uint8_t retry[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                      0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                      0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    const struct mt_span versions = mt_span("\0\x2b\0\2\3\4", 6);
    const struct mt_span change = mt_span("\x14\3\3\0\1\1", 6);
    const struct offer offer = chrome();
    struct reader r = begin();
    (void)state;

    feed(&r, MT_CLIENT, record_of(hello_of(&offer)), 500);
    feed(&r, MT_SERVER, record_of(server_hello(0x0303, 0x1301, retry, versions)), 500);
    assert_true(r.heard.is_retry);
    feed(&r, MT_SERVER, change, 500);
    feed(&r, MT_CLIENT, change, 500);
    feed(&r, MT_CLIENT, record_of(hello_of(&offer)), 500);
    feed(&r, MT_SERVER, record_of(server_hello(0x0303, 0x1301, NULL, versions)), 500);
    assert_int_equal(r.heard.clients, 1);
    assert_int_equal(r.heard.servers, 2);
    assert_false(r.heard.is_retry);
    assert_int_equal(r.heard.version, 0x0304);

    static const uint8_t finished[5 + 69] = {0x17, 3, 3, 0, 69};
    feed(&r, MT_SERVER, mt_span(finished, sizeof(finished)), 500);
    assert_false(mt_tls_is_established(&r.tls));
    feed(&r, MT_CLIENT, mt_span(finished, sizeof(finished)), 500);
    assert_true(mt_tls_is_established(&r.tls));
    assert_true(mt_tls_is_done(&r.tls));
    end(&r);
}

/* In TLS 1.3 a client that refuses says so in an encrypted alert: too short for a
 * Finished. */
static void a_short_first_record_of_the_client_is_no_finished(void **state)
{
    const struct mt_span versions = mt_span("\0\x2b\0\2\3\4", 6);
    const struct offer offer = chrome();
    static const uint8_t alert[5 + 19] = {0x17, 3, 3, 0, 19};
    struct reader r = begin();
    (void)state;

    feed(&r, MT_CLIENT, record_of(hello_of(&offer)), 500);
    feed(&r, MT_SERVER, record_of(server_hello(0x0303, 0x1301, NULL, versions)), 500);
    feed(&r, MT_CLIENT, mt_span(alert, sizeof(alert)), 1);
    assert_false(mt_tls_is_established(&r.tls));
    end(&r);
}

static void tls_1_2_is_established_when_both_sides_have_changed_their_cipher(void **state)
{
    const struct mt_span change = mt_span("\x14\3\3\0\1\1", 6);
    const struct offer offer = chrome();
    struct reader r = begin();
    (void)state;

    feed(&r, MT_CLIENT, record_of(hello_of(&offer)), 500);
    feed(&r, MT_SERVER, record_of(server_hello(0x0303, 0xc02f, NULL, mt_span_none())), 500);
    feed(&r, MT_CLIENT, change, 1);
    assert_false(mt_tls_is_established(&r.tls));
    feed(&r, MT_SERVER, change, 1);
    assert_true(mt_tls_is_established(&r.tls));
    assert_true(mt_tls_is_done(&r.tls));
    end(&r);
}

static void an_alert_is_read_byte_by_byte(void **state)
{
    struct reader r = begin();
    (void)state;

    feed(&r, MT_SERVER, mt_span("\x15\3\1\0\2\2\x28\x15\3\1\0\2\1\0", 14), 1);
    assert_int_equal(r.heard.alerts, 2);
    assert_int_equal(r.heard.alert[0], MT_SERVER);
    assert_int_equal(r.heard.alert[1], 1);
    assert_int_equal(r.heard.alert[2], 0);
    assert_string_equal(mt_tls_alert_name(40), "handshake_failure");
    end(&r);
}

/* Each report is an entry of the session, and a walk over them. */
static void who_repeats_himself_is_heard_once(void **state)
{
    static const uint8_t alert[7] = {0x15, 3, 1, 0, 2, 1, 90}, fatal[7] = {0x15, 3, 1, 0, 2, 2, 40};
    static const uint8_t chain[10] = {0, 0, 7, 0, 0, 4, 0x30, 2, 5, 0};
    uint8_t message[64];
    struct reader r = begin();
    (void)state;

    for (unsigned i = 0; i < 5; i++) {
        feed(&r, MT_SERVER, record_of(server_hello(0x0303, 0xc02f, NULL, mt_span_none())), 500);
        feed(&r, MT_SERVER,
             record_of(message_of(message, sizeof(message), 11, mt_span(chain, sizeof(chain)))), 500);
        feed(&r, MT_SERVER, mt_span(alert, sizeof(alert)), 500);
        feed(&r, MT_SERVER, mt_span(fatal, sizeof(fatal)), 500);
    }
    assert_int_equal(r.heard.servers, 1);
    assert_int_equal(r.heard.certificates, 1);
    assert_int_equal(r.heard.alerts, 2);
    assert_true(r.heard.notes[MT_TLS_MALFORMED] > 0);
    end(&r);
}

/* Certificates of no more than an empty sequence, how many there are, cut anywhere. */
static struct mt_span chain_of(unsigned count)
{
    static uint8_t message[128];
    uint8_t chain[3 + 10 * 5] = {0, 0, (uint8_t)(5 * count)};

    for (unsigned i = 0; i < count; i++)
        memcpy(chain + 3 + (size_t)5 * i, (const uint8_t[]){0, 0, 2, 0x30, 0}, 5);
    return record_of(message_of(message, sizeof(message), 11, mt_span(chain, 3 + (size_t)5 * count)));
}

static void chains_of_both_sides_are_told_up_to_the_limit(void **state)
{
    (void)state;

    for (unsigned count = 1; count <= 10; count++) {
        for (size_t step = 1; step < 30; step += 7) {
            struct reader r = begin();
            feed(&r, MT_SERVER, record_of(server_hello(0x0303, 0xc02f, NULL, mt_span_none())), 500);
            feed(&r, MT_SERVER, chain_of(count), step);
            feed(&r, MT_CLIENT, chain_of(count), step);
            unsigned told = count < MT_TLS_CHAIN_MAX ? count : MT_TLS_CHAIN_MAX;
            assert_int_equal(r.heard.certificates, told);
            assert_int_equal(r.heard.client_certificates, told);
            assert_int_equal(r.heard.notes[MT_TLS_CUT], count > MT_TLS_CHAIN_MAX ? 2 : 0);
            /* each side's own is no certificate */
            assert_int_equal(r.heard.notes[MT_TLS_MALFORMED], 2);
            end(&r);
        }
    }
}

/* RFC 5246 §7.4.6; a server has to have one. */
static void a_client_may_have_no_certificate(void **state)
{
    struct reader r = begin();
    (void)state;

    feed(&r, MT_CLIENT, chain_of(0), 100);
    assert_int_equal(r.heard.client_certificates, 0);
    assert_int_equal(r.heard.notes[MT_TLS_MALFORMED], 0);
    feed(&r, MT_SERVER, record_of(server_hello(0x0303, 0xc02f, NULL, mt_span_none())), 500);
    feed(&r, MT_SERVER, chain_of(0), 100);
    assert_int_equal(r.heard.certificates, 0);
    assert_int_equal(r.heard.notes[MT_TLS_MALFORMED], 1);
    end(&r);
}

static void a_list_of_certificates_is_as_long_as_it_says(void **state)
{
    (void)state;

    for (uint8_t size = 0; size < 8; size++) {
        const uint8_t chain[8] = {0, 0, size, 0, 0, 2, 0x30, 0};
        uint8_t message[64];
        struct reader r = begin();
        feed(&r, MT_CLIENT,
             record_of(message_of(message, sizeof(message), 11, mt_span(chain, sizeof(chain)))), 100);
        assert_int_equal(r.heard.client_certificates, 1);
        assert_int_equal(r.heard.notes[MT_TLS_MALFORMED], size == 5 ? 1 : 2); /* one for what it holds */
        end(&r);
    }
}

static void a_second_retry_is_the_servers_last_hello(void **state)
{
    static const uint8_t retry[32] = {0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c,
                                      0x02, 0x1e, 0x65, 0xb8, 0x91, 0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb,
                                      0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c};
    struct reader r = begin();
    (void)state;

    for (unsigned i = 0; i < 5; i++)
        feed(&r, MT_SERVER, record_of(server_hello(0x0303, 0x1301, retry, mt_span("\0\x2b\0\2\3\4", 6))),
             500);
    assert_int_equal(r.heard.servers, 2);
    end(&r);
}

/* --- damage -------------------------------------------------------------------------- */

static void what_is_no_record_ends_the_side_once(void **state)
{
    struct reader r = begin();
    (void)state;

    feed(&r, MT_SERVER, mt_span("220 mx.example.org ESMTP\r\n220 again\r\n", 37), 5);
    assert_int_equal(r.heard.notes[MT_TLS_MALFORMED], 1);
    assert_true(r.tls.side[MT_SERVER].is_done);
    assert_false(r.tls.side[MT_CLIENT].is_done);
    end(&r);
}

static void a_message_beyond_the_limit_is_passed_over(void **state)
{
    static uint8_t body[MT_TLS_MESSAGE_MAX + 1], message[MT_TLS_MESSAGE_MAX + 5];
    struct reader r = begin();
    (void)state;

    feed(&r, MT_CLIENT, record_of(message_of(message, sizeof(message), 1, mt_span(body, sizeof(body)))),
         1000);
    assert_int_equal(r.heard.clients, 0);
    assert_int_equal(r.heard.notes[MT_TLS_CUT], 1);
    assert_int_equal(mt_arena_used(r.arena), 0);
    feed(&r, MT_CLIENT, mt_span("\x15\3\1\0\2\2\x28", 7), 7);
    assert_int_equal(r.heard.alerts, 1);
    end(&r);
}

static void a_promise_of_much_takes_memory_only_for_what_came(void **state)
{
    struct reader r = begin();
    (void)state;

    feed(&r, MT_CLIENT, mt_span("\x16\3\1\x3e\x80\1\0\x3e\x7c\3\3", 11), 11);
    assert_true(mt_arena_used(r.arena) <= 512);
    mt_tls_gap(&r.tls, MT_CLIENT, r.arena);
    assert_int_equal(mt_arena_used(r.arena), 0);
    end(&r);
}

static void every_length_may_lie(void **state)
{
    const struct offer offer = chrome();
    static uint8_t bytes[2000];
    struct mt_span whole = record_of(hello_of(&offer));
    size_t size = whole.size;
    (void)state;

    memcpy(bytes, whole.ptr, size);
    for (size_t at = 0; at < size; at++) {
        for (unsigned change = 0; change < 3; change++) {
            struct reader r = begin();
            uint8_t kept = bytes[at];
            bytes[at] = change == 0 ? 0 : change == 1 ? 0xff : (uint8_t)(kept + 1);
            feed(&r, MT_CLIENT, mt_span(bytes, size), 100);
            assert_true(r.heard.clients <= 1);
            bytes[at] = kept;
            end(&r);
        }
    }
}

static void without_memory_a_cut_message_is_given_up(void **state)
{
    const struct offer offer = chrome();
    struct reader r = begin();
    void *blocks[80];
    size_t count = 0;
    (void)state;

    while (count < MT_ARRAY_COUNT(blocks) && (blocks[count] = mt_arena_get(r.arena, 16384)) != NULL)
        count++;
    assert_true(count < MT_ARRAY_COUNT(blocks));
    feed(&r, MT_CLIENT, record_of(hello_of(&offer)), 100);
    assert_int_equal(r.heard.clients, 0);
    assert_int_equal(r.heard.notes[MT_TLS_MEMORY], 1);
    while (count > 0)
        mt_arena_put(r.arena, blocks[--count], 16384);
    end(&r);
}

static void an_ssl_2_hello_is_recognised(void **state)
{
    uint16_t version = 0;
    (void)state;

    assert_true(mt_tls_is_ssl2_hello(mt_span("\x80\x2e\1\0\2\0\x15", 7), &version));
    assert_int_equal(version, 2);
    assert_true(mt_tls_is_ssl2_hello(mt_span("\x80\x2e\1\3\1\0\x15", 7), &version));
    assert_int_equal(version, 0x0301);
    assert_false(mt_tls_is_ssl2_hello(mt_span("\x80\x2e\1\3", 4), &version));
    assert_false(mt_tls_is_ssl2_hello(mt_span("\x80\x2e\2\3\1", 5), &version));
    assert_false(mt_tls_is_ssl2_hello(mt_span("EHLO ", 5), &version));
    assert_string_equal(mt_tls_version_protocol(2), "ssl");
    assert_string_equal(mt_tls_version_name(0x0303), "1.2");
    assert_null(mt_tls_version_name(0x7f17));
    assert_string_equal(mt_tls_cipher_name(0x1301), "TLS_AES_128_GCM_SHA256");
    assert_null(mt_tls_cipher_name(0x0a0a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ja3_is_that_of_the_published_example),
        cmocka_unit_test(ja4_is_that_of_the_specifications_example),
        cmocka_unit_test(a_hello_cut_anywhere_is_the_same_hello),
        cmocka_unit_test(a_message_may_lie_in_many_records),
        cmocka_unit_test(an_alpn_that_is_no_text_is_shown_by_its_hexadecimal_ends),
        cmocka_unit_test(a_hello_without_extensions_has_fingerprints_too),
        cmocka_unit_test(more_ciphers_than_the_limit_have_no_fingerprint),
        cmocka_unit_test(ja3s_is_an_md5_of_version_cipher_and_extensions),
        cmocka_unit_test(behind_a_retry_the_server_says_hello_again),
        cmocka_unit_test(a_short_first_record_of_the_client_is_no_finished),
        cmocka_unit_test(tls_1_2_is_established_when_both_sides_have_changed_their_cipher),
        cmocka_unit_test(an_alert_is_read_byte_by_byte),
        cmocka_unit_test(who_repeats_himself_is_heard_once),
        cmocka_unit_test(chains_of_both_sides_are_told_up_to_the_limit),
        cmocka_unit_test(a_client_may_have_no_certificate),
        cmocka_unit_test(a_list_of_certificates_is_as_long_as_it_says),
        cmocka_unit_test(a_second_retry_is_the_servers_last_hello),
        cmocka_unit_test(what_is_no_record_ends_the_side_once),
        cmocka_unit_test(a_message_beyond_the_limit_is_passed_over),
        cmocka_unit_test(a_promise_of_much_takes_memory_only_for_what_came),
        cmocka_unit_test(every_length_may_lie),
        cmocka_unit_test(without_memory_a_cut_message_is_given_up),
        cmocka_unit_test(an_ssl_2_hello_is_recognised),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
