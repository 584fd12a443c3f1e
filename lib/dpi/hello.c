/* The messages of a handshake that are read: both hellos (RFC 8446 §4.1) and the
 * first certificate of the server's chain (RFC 5246 §7.4.2). */
#include "dpi/tls_priv.h"

enum extension {
    EXTENSION_SERVER_NAME = 0,
    EXTENSION_GROUPS = 10,
    EXTENSION_FORMATS = 11,
    EXTENSION_SIGNATURES = 13,
    EXTENSION_ALPN = 16,
    EXTENSION_PRE_SHARED_KEY = 41,
    EXTENSION_VERSIONS = 43,
};

/* RFC 8446 §4.1.3: what stands for a random number in a HelloRetryRequest. */
static const uint8_t retry_random[32] = {
    0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
    0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
};

static struct mt_span inner_vector16(struct mt_span bytes)
{
    struct mt_reader reader = {.rest = bytes};
    return mt_read_vector16(&reader);
}

static struct mt_span inner_vector8(struct mt_span bytes)
{
    struct mt_reader reader = {.rest = bytes};
    return mt_read_vector8(&reader);
}

/* RFC 6066 §3: a list of names, of which only host names exist. */
static struct mt_span host_name(struct mt_span bytes)
{
    struct mt_reader list = {.rest = inner_vector16(bytes)};
    uint8_t type = mt_read_u8(&list);
    struct mt_span name = mt_read_vector16(&list);

    return type == 0 && name.size > 0 ? name : mt_span_none();
}

static uint16_t highest_version(struct mt_span versions)
{
    uint16_t highest = 0;

    for (size_t off = 0; off + 2 <= versions.size; off += 2) {
        uint16_t version = mt_load_be16(versions.ptr + off);
        if (!mt_tls_is_grease(version) && version > highest)
            highest = version;
    }
    return highest;
}

struct extensions {
    struct mt_reader rest;
    uint8_t types[2 * MT_TLS_LIST_MAX];
    size_t size; /* of types */
    bool is_cut;
};

/* False at the end. */
static bool next_extension(struct extensions *extensions, uint16_t *ret_type, struct mt_span *ret_body)
{
    if (extensions->rest.rest.size == 0)
        return false;
    uint16_t type = mt_read_u16(&extensions->rest);
    struct mt_span body = mt_read_vector16(&extensions->rest);
    if (extensions->rest.is_bad)
        return false;
    if (extensions->size < sizeof(extensions->types)) {
        extensions->types[extensions->size++] = (uint8_t)(type >> 8);
        extensions->types[extensions->size++] = (uint8_t)type;
    } else {
        extensions->is_cut = true;
    }
    *ret_type = type;
    *ret_body = body;
    return true;
}

static void read_offer(struct extensions *extensions, struct mt_tls_client_hello *hello,
                       struct mt_tls_offer *offer)
{
    struct mt_span body;
    uint16_t type;

    while (next_extension(extensions, &type, &body)) {
        switch (type) {
        case EXTENSION_SERVER_NAME:
            offer->has_sni = true;
            hello->sni = host_name(body);
            break;
        case EXTENSION_GROUPS:
            offer->groups = inner_vector16(body);
            break;
        case EXTENSION_FORMATS:
            offer->formats = inner_vector8(body);
            break;
        case EXTENSION_SIGNATURES:
            offer->signatures = inner_vector16(body);
            break;
        case EXTENSION_ALPN:
            hello->alpn = inner_vector16(body);
            offer->alpn_first = inner_vector8(hello->alpn);
            break;
        case EXTENSION_VERSIONS:
            offer->version = highest_version(inner_vector8(body));
            break;
        default:
            break;
        }
    }
}

/* Hellos older than extensions end without them. */
static struct mt_span read_extensions(struct mt_reader *reader)
{
    return reader->rest.size > 0 ? mt_read_vector16(reader) : mt_span_none();
}

static void client_hello(struct mt_tls_run *run, struct mt_span body)
{
    struct mt_tls *tls = run->tls;
    struct mt_reader reader = {.rest = body};
    struct extensions extensions;
    struct mt_tls_offer offer = {0};
    struct mt_tls_client_hello hello = {0};

    if (tls->has_hello[MT_CLIENT])
        return; /* the answer to a HelloRetryRequest says nothing new */
    tls->has_hello[MT_CLIENT] = 1;
    hello.legacy_version = mt_read_u16(&reader);
    mt_read(&reader, 32);
    struct mt_span session_id = mt_read_vector8(&reader);
    hello.ciphers = mt_read_vector16(&reader);
    mt_read_vector8(&reader); /* compression */
    if (reader.is_bad || session_id.size > sizeof(tls->session_id)) {
        run->events->note(run->ctx, MT_TLS_MALFORMED);
        return;
    }
    if (session_id.size > 0)
        memcpy(tls->session_id, session_id.ptr, session_id.size);
    tls->session_id_size = (uint8_t)session_id.size;

    extensions = (struct extensions){.rest = {.rest = read_extensions(&reader)}};
    read_offer(&extensions, &hello, &offer);
    if (reader.is_bad || extensions.rest.is_bad || hello.ciphers.size % 2 != 0)
        run->events->note(run->ctx, MT_TLS_MALFORMED);
    offer.legacy_version = hello.legacy_version;
    if (offer.version == 0)
        offer.version = hello.legacy_version;
    offer.ciphers = hello.ciphers;
    offer.extensions = mt_span(extensions.types, extensions.size);
    hello.version = offer.version;
    hello.has_sni = offer.has_sni;
    hello.has_prints = !extensions.is_cut && mt_tls_print_client(run->memory, &offer, hello.ja3, hello.ja4);
    if (!hello.has_prints)
        run->events->note(run->ctx, MT_TLS_CUT);
    run->events->client_hello(run->ctx, &hello);
}

static bool is_same_session(const struct mt_tls *tls, struct mt_span session_id)
{
    return session_id.size > 0 && mt_span_eq(session_id, mt_span(tls->session_id, tls->session_id_size));
}

static void server_hello(struct mt_tls_run *run, struct mt_span body)
{
    struct mt_tls *tls = run->tls;
    struct mt_reader reader = {.rest = body};
    struct mt_tls_server_hello hello = {0};
    bool has_key = false;
    struct mt_span content;
    uint16_t type;

    if (tls->has_hello[MT_SERVER] && !tls->is_retrying) {
        run->events->note(run->ctx, MT_TLS_MALFORMED);
        return;
    }
    uint16_t legacy_version = mt_read_u16(&reader);
    struct mt_span random = mt_read(&reader, 32);
    struct mt_span session_id = mt_read_vector8(&reader);
    hello.cipher = mt_read_u16(&reader);
    mt_read_u8(&reader); /* compression */
    if (reader.is_bad) {
        run->events->note(run->ctx, MT_TLS_MALFORMED);
        return;
    }
    struct extensions extensions = {.rest = {.rest = read_extensions(&reader)}};
    hello.version = legacy_version;
    while (next_extension(&extensions, &type, &content)) {
        if (type == EXTENSION_VERSIONS && content.size == 2)
            hello.version = mt_load_be16(content.ptr);
        else if (type == EXTENSION_ALPN)
            hello.alpn = inner_vector8(inner_vector16(content));
        else if (type == EXTENSION_PRE_SHARED_KEY)
            has_key = true;
    }
    if (reader.is_bad || extensions.rest.is_bad)
        run->events->note(run->ctx, MT_TLS_MALFORMED);
    /* a second retry is an error (§4.1.4), and the last hello that counts */
    hello.is_retry = !tls->is_retrying && mt_span_eq(random, mt_span(retry_random, sizeof(retry_random)));
    /* what a 1.3 server echoes is no session, and what 1.2 echoes is one */
    hello.knows_resumed = hello.version >= 0x0304 || tls->has_hello[MT_CLIENT];
    hello.is_resumed = hello.version >= 0x0304 ? has_key : is_same_session(tls, session_id);
    hello.has_print =
        !extensions.is_cut && mt_tls_print_server(run->memory, legacy_version, hello.cipher,
                                                  mt_span(extensions.types, extensions.size), hello.ja3s);
    tls->has_hello[MT_SERVER] = 1;
    tls->is_retrying = hello.is_retry;
    tls->version = hello.version;
    run->events->server_hello(run->ctx, &hello);
}

/* Of those that issued it what can't be read is told by its digest alone. */
static bool next_certificate(struct mt_tls_run *run, struct mt_reader *chain, unsigned index)
{
    uint32_t size = mt_read_u24(chain);
    struct mt_span der = mt_read(chain, size);

    if (chain->is_bad || size == 0)
        return false;
    const struct mt_x509 *parsed = mt_tls_certificate(run->memory, der);
    if (!parsed->is_readable && index == 0)
        run->events->note(run->ctx, MT_TLS_MALFORMED);
    run->events->certificate(run->ctx, run->side, index, parsed);
    return true;
}

/* RFC 5246 §7.4.2; a client without a certificate sends an empty chain (§7.4.6). */
static void certificates(struct mt_tls_run *run, struct mt_span body, bool is_cut)
{
    struct mt_reader reader = {.rest = body};
    uint8_t *is_seen = &run->tls->has_certificate[run->side];
    unsigned count = 0;

    if (*is_seen) {
        run->events->note(run->ctx, MT_TLS_MALFORMED);
        return;
    }
    *is_seen = 1;
    uint32_t size = mt_read_u24(&reader);
    bool is_empty = size == 0 && run->side == MT_CLIENT;
    bool is_lying = size != reader.rest.size;
    while (count < MT_TLS_CHAIN_MAX && reader.rest.size > 0 && next_certificate(run, &reader, count))
        count++;
    bool has_more = reader.rest.size > 0;
    bool is_full = count == MT_TLS_CHAIN_MAX;
    if (is_cut || (is_full && has_more))
        run->events->note(run->ctx, MT_TLS_CUT);
    else if (is_lying || has_more || reader.is_bad || (count == 0 && !is_empty))
        run->events->note(run->ctx, MT_TLS_MALFORMED);
}

void mt_tls_message(struct mt_tls_run *run, uint8_t type, struct mt_span body, bool is_cut)
{
    if (type == MT_TLS_CLIENT_HELLO)
        client_hello(run, body);
    else if (type == MT_TLS_SERVER_HELLO)
        server_hello(run, body);
    else if (type == MT_TLS_CERTIFICATE)
        certificates(run, body, is_cut);
}
