/* Handshakes: pieces of both sides. What must hold: whole and byte by byte say the
 * same, nothing stays in the arena, what is printed fits. And the input alone as a
 * certificate.
 *
 * Input: operations: a byte with the side in its lowest bit, a second with the
 * size, then the bytes. */
#include "dpi/tls.h"
#include "base/check.h"
#include "base/hash.h"
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>

struct heard {
    uint64_t hash;
    unsigned count;
};

static void hear(struct heard *heard, const void *bytes, size_t size)
{
    heard->hash = mt_hash_bytes(heard->hash + ++heard->count, mt_span(bytes, size));
}

static void hear_span(struct heard *heard, struct mt_span span)
{
    hear(heard, span.size > 0 ? (const void *)span.ptr : "", span.size);
}

static void on_client(void *ctx, const struct mt_tls_client_hello *hello)
{
    hear_span(ctx, hello->sni);
    hear_span(ctx, hello->alpn);
    hear_span(ctx, hello->ciphers);
    hear(ctx, hello->ja3, sizeof(hello->ja3));
    hear(ctx, hello->ja4, sizeof(hello->ja4));
    hear(ctx, &hello->version, sizeof(hello->version));
}

static void on_server(void *ctx, const struct mt_tls_server_hello *hello)
{
    hear_span(ctx, hello->alpn);
    hear(ctx, hello->ja3s, sizeof(hello->ja3s));
    hear(ctx, &hello->cipher, sizeof(hello->cipher));
    mt_tls_cipher_name(hello->cipher);
}

static void on_certificate(void *ctx, enum mt_side side, unsigned index, const struct mt_x509 *c)
{
    const uint8_t place[] = {(uint8_t)side, (uint8_t)index};

    MT_BUG_ON(index >= MT_TLS_CHAIN_MAX);
    hear(ctx, place, sizeof(place));
    MT_BUG_ON(c->subject_size > MT_X509_NAME_MAX || c->issuer_size > MT_X509_NAME_MAX);
    hear(ctx, c->sha256, sizeof(c->sha256));
    hear(ctx, c->subject, c->subject_size);
}

static void on_alert(void *ctx, enum mt_side side, uint8_t level, uint8_t description)
{
    const uint8_t bytes[] = {(uint8_t)side, level, description};
    hear(ctx, bytes, sizeof(bytes));
}

static void on_note(void *ctx, enum mt_tls_note note)
{
    hear(ctx, &note, sizeof(note));
}

static const struct mt_tls_events events = {on_client, on_server, on_certificate, on_alert, on_note};

static struct heard read_all(const uint8_t *data, size_t size, size_t step, struct mt_arena *arena,
                             struct mt_tls_memory *memory)
{
    struct mt_tls tls = {0};
    struct heard heard = {0};

    while (size >= 2) {
        enum mt_side side = data[0] & 1 ? MT_SERVER : MT_CLIENT;
        size_t part = data[1] < size - 2 ? data[1] : size - 2;
        struct mt_span bytes = mt_span(data + 2, part);
        for (size_t at = 0; at < part; at += step)
            mt_tls_input(&tls, side, mt_span_head(mt_span_from(bytes, at), step), arena, memory, &events,
                         &heard);
        data += 2 + part;
        size -= 2 + part;
    }
    bool is_established = mt_tls_is_established(&tls);
    hear(&heard, &is_established, sizeof(is_established));
    mt_tls_fini(&tls, arena);
    MT_BUG_ON(mt_arena_used(arena) != 0);
    return heard;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mt_arena *arena;
    static struct mt_tls_memory *memory;
    struct mt_x509 certificate;

    if (arena == NULL && (mt_arena_create(1 << 20, &arena) != 0 || mt_tls_memory_create(&memory) != 0))
        abort();
    struct heard whole = read_all(data, size, 256, arena, memory);
    struct heard cut = read_all(data, size, 1, arena, memory);
    MT_BUG_ON(whole.hash != cut.hash || whole.count != cut.count);
    mt_x509_parse(mt_span(data, size), &certificate);
    return 0;
}
