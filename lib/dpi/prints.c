/* JA3 and JA3S (MD5 of the lists as decimal numbers) and JA4 (the form of FoxIO's
 * specification: counts, then SHA-256 of the sorted lists). GREASE is left out of
 * all of them. */
#include "dpi/prints_priv.h"

#include "base/check.h"
#include "dpi/digest_priv.h"

/* --- finding what is known -------------------------------------------------------- */

static bool is_same(struct mt_hash128 a, struct mt_hash128 b)
{
    return a.word[0] == b.word[0] && a.word[1] == b.word[1];
}

static struct mt_print_place *place_of(struct mt_tls_memory *memory, struct mt_hash128 key)
{
    return &memory->prints[key.word[0] % MT_PRINT_PLACES];
}

static void put_list(struct mt_buf *b, struct mt_span list)
{
    uint16_t size = (uint16_t)list.size;

    mt_buf_put(b, &size, sizeof(size));
    mt_buf_put_span(b, list);
}

static struct mt_hash128 key_of_offer(struct mt_tls_memory *memory, const struct mt_tls_offer *offer)
{
    struct mt_buf b = mt_buf(memory->text, sizeof(memory->text));

    mt_buf_put_byte(&b, 1); /* a client */
    mt_buf_put(&b, &offer->legacy_version, sizeof(offer->legacy_version));
    mt_buf_put(&b, &offer->version, sizeof(offer->version));
    mt_buf_put_byte(&b, offer->has_sni);
    put_list(&b, offer->ciphers);
    put_list(&b, offer->extensions);
    put_list(&b, offer->groups);
    put_list(&b, offer->formats);
    put_list(&b, offer->signatures);
    put_list(&b, offer->alpn_first);
    MT_BUG_ON(b.overflow);
    return mt_hash_bytes128(memory->seed, mt_buf_span(&b));
}

MT_STATIC_ASSERT(4 * (2 * MT_TLS_LIST_MAX + 2) + 2 * 260 + 8 <= MT_PRINT_TEXT_SIZE, "a key fits");

/* --- lists -------------------------------------------------------------------------- */

static uint16_t item(struct mt_span list, size_t index)
{
    return mt_load_be16(list.ptr + 2 * index);
}

static void put_decimals(struct mt_buf *b, struct mt_span list)
{
    bool is_first = true;

    for (size_t i = 0; i < list.size / 2; i++) {
        uint16_t value = item(list, i);
        if (mt_tls_is_grease(value))
            continue;
        if (!is_first)
            mt_buf_put_byte(b, '-');
        mt_buf_put_u64(b, value);
        is_first = false;
    }
}

/* The values that are no GREASE; skip_names leaves out server name and ALPN. */
static size_t collect(struct mt_span list, bool skip_names, uint16_t ret_values[MT_TLS_LIST_MAX])
{
    size_t count = 0;

    for (size_t i = 0; i < list.size / 2; i++) {
        uint16_t value = item(list, i);
        if (!mt_tls_is_grease(value) && !(skip_names && (value == 0 || value == 16)))
            ret_values[count++] = value;
    }
    return count;
}

/* Shell's: no recursion, and lists are short. */
static void sort(uint16_t *values, size_t count)
{
    static const size_t gaps[] = {132, 57, 23, 10, 4, 1};

    for (size_t g = 0; g < MT_ARRAY_COUNT(gaps); g++) {
        size_t gap = gaps[g];
        for (size_t i = gap; i < count; i++) {
            uint16_t value = values[i];
            size_t at = i;
            for (; at >= gap && values[at - gap] > value; at -= gap)
                values[at] = values[at - gap];
            values[at] = value;
        }
    }
}

static void put_hexes(struct mt_buf *b, const uint16_t *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t bytes[2] = {(uint8_t)(values[i] >> 8), (uint8_t)values[i]};
        if (i > 0)
            mt_buf_put_byte(b, ',');
        mt_buf_put_hex(b, mt_span(bytes, sizeof(bytes)));
    }
}

/* --- the fingerprints --------------------------------------------------------------- */

static void make_ja3(struct mt_tls_memory *memory, const struct mt_tls_offer *offer,
                     uint8_t ret_ja3[MT_TLS_JA3_SIZE])
{
    struct mt_buf b = mt_buf(memory->text, sizeof(memory->text));

    mt_buf_put_u64(&b, offer->legacy_version);
    mt_buf_put_byte(&b, ',');
    put_decimals(&b, offer->ciphers);
    mt_buf_put_byte(&b, ',');
    put_decimals(&b, offer->extensions);
    mt_buf_put_byte(&b, ',');
    put_decimals(&b, offer->groups);
    mt_buf_put_byte(&b, ',');
    for (size_t i = 0; i < offer->formats.size; i++) {
        if (i > 0)
            mt_buf_put_byte(&b, '-');
        mt_buf_put_u64(&b, offer->formats.ptr[i]);
    }
    MT_BUG_ON(b.overflow);
    mt_digest_md5(mt_buf_span(&b), ret_ja3);
}

static const char *ja4_version(uint16_t version)
{
    switch (version) {
    case 0x0304:
        return "13";
    case 0x0303:
        return "12";
    case 0x0302:
        return "11";
    case 0x0301:
        return "10";
    case 0x0300:
        return "s3";
    case 0x0002:
        return "s2";
    default:
        return "00";
    }
}

static bool is_alphanumeric(uint8_t c)
{
    return mt_ascii_is_alpha(c) || mt_ascii_is_digit(c);
}

/* The first and the last character; where either is none, of the hexadecimal form. */
static void put_ja4_alpn(struct mt_buf *b, struct mt_span name)
{
    static const char digits[] = "0123456789abcdef";

    if (name.size == 0) {
        mt_buf_put(b, "00", 2);
        return;
    }
    uint8_t first = name.ptr[0];
    uint8_t last = name.ptr[name.size - 1];
    bool is_text = is_alphanumeric(first) && is_alphanumeric(last);
    mt_buf_put_byte(b, is_text ? first : (uint8_t)digits[first >> 4]);
    mt_buf_put_byte(b, is_text ? last : (uint8_t)digits[last & 15]);
}

static void put_two_digits(struct mt_buf *b, size_t count)
{
    size_t shown = count < 99 ? count : 99;

    mt_buf_put_byte(b, (uint8_t)('0' + shown / 10));
    mt_buf_put_byte(b, (uint8_t)('0' + shown % 10));
}

/* Twelve digits of the hash, zeros for no list. */
static void put_short_hash(struct mt_buf *b, struct mt_span text, bool is_empty)
{
    uint8_t hash[32] = {0};

    if (!is_empty)
        mt_digest_sha256(text, hash);
    mt_buf_put_hex(b, mt_span(hash, 6));
}

static void make_ja4(struct mt_tls_memory *memory, const struct mt_tls_offer *offer,
                     uint8_t ret_ja4[MT_TLS_JA4_SIZE])
{
    struct mt_buf b = mt_buf(ret_ja4, MT_TLS_JA4_SIZE);
    struct mt_buf text = mt_buf(memory->text, sizeof(memory->text));
    uint16_t values[MT_TLS_LIST_MAX];
    size_t ciphers = collect(offer->ciphers, false, values);

    mt_buf_put_byte(&b, 't');
    mt_buf_put(&b, ja4_version(offer->version), 2);
    mt_buf_put_byte(&b, offer->has_sni ? 'd' : 'i');
    put_two_digits(&b, ciphers);
    sort(values, ciphers);
    put_hexes(&text, values, ciphers);

    put_two_digits(&b, collect(offer->extensions, false, values));
    put_ja4_alpn(&b, offer->alpn_first);
    mt_buf_put_byte(&b, '_');
    put_short_hash(&b, mt_buf_span(&text), ciphers == 0);
    mt_buf_put_byte(&b, '_');

    text.size = 0;
    size_t extensions = collect(offer->extensions, true, values);
    sort(values, extensions);
    put_hexes(&text, values, extensions);
    size_t signatures = collect(offer->signatures, false, values);
    if (signatures > 0)
        mt_buf_put_byte(&text, '_');
    put_hexes(&text, values, signatures);
    put_short_hash(&b, mt_buf_span(&text), extensions == 0);
    MT_BUG_ON(b.overflow || text.overflow);
}

static bool is_short(struct mt_span list)
{
    return list.size <= (size_t)2 * MT_TLS_LIST_MAX;
}

bool mt_tls_print_client(struct mt_tls_memory *memory, const struct mt_tls_offer *offer,
                         uint8_t ret_ja3[MT_TLS_JA3_SIZE], uint8_t ret_ja4[MT_TLS_JA4_SIZE])
{
    if (!is_short(offer->ciphers) || !is_short(offer->groups) || !is_short(offer->signatures))
        return false;
    struct mt_hash128 key = key_of_offer(memory, offer);
    struct mt_print_place *place = place_of(memory, key);
    if (!is_same(place->key, key)) {
        make_ja3(memory, offer, place->ja3);
        make_ja4(memory, offer, place->ja4);
        place->key = key;
    }
    memcpy(ret_ja3, place->ja3, MT_TLS_JA3_SIZE);
    memcpy(ret_ja4, place->ja4, MT_TLS_JA4_SIZE);
    return true;
}

static void make_ja3s(struct mt_tls_memory *memory, uint16_t version, uint16_t cipher,
                      struct mt_span extensions, uint8_t ret_ja3s[MT_TLS_JA3_SIZE])
{
    struct mt_buf b = mt_buf(memory->text, sizeof(memory->text));

    mt_buf_put_u64(&b, version);
    mt_buf_put_byte(&b, ',');
    mt_buf_put_u64(&b, cipher);
    mt_buf_put_byte(&b, ',');
    put_decimals(&b, extensions);
    MT_BUG_ON(b.overflow);
    mt_digest_md5(mt_buf_span(&b), ret_ja3s);
}

bool mt_tls_print_server(struct mt_tls_memory *memory, uint16_t version, uint16_t cipher,
                         struct mt_span extensions, uint8_t ret_ja3s[MT_TLS_JA3_SIZE])
{
    struct mt_buf b = mt_buf(memory->text, sizeof(memory->text));

    mt_buf_put_byte(&b, 2); /* a server */
    mt_buf_put(&b, &version, sizeof(version));
    mt_buf_put(&b, &cipher, sizeof(cipher));
    put_list(&b, extensions);
    struct mt_hash128 key = mt_hash_bytes128(memory->seed, mt_buf_span(&b));
    struct mt_print_place *place = place_of(memory, key);
    if (!is_same(place->key, key)) {
        make_ja3s(memory, version, cipher, extensions, place->ja3);
        place->key = key;
    }
    memcpy(ret_ja3s, place->ja3, MT_TLS_JA3_SIZE);
    return true;
}

const struct mt_x509 *mt_tls_certificate(struct mt_tls_memory *memory, struct mt_span der)
{
    struct mt_hash128 key = mt_hash_bytes128(memory->seed, der);
    struct mt_certificate_place *place = &memory->certificates[key.word[0] % MT_CERTIFICATE_PLACES];

    if (!is_same(place->key, key)) {
        place->certificate.is_readable = mt_x509_parse(der, &place->certificate);
        mt_digest_sha256(der, place->certificate.sha256);
        place->key = key;
    }
    return &place->certificate;
}
