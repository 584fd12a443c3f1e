/* What a TLS handshake shows in clear: both hellos, the certificates of both sides,
 * alerts, and whether it came to its end (RFC 8446, RFC 5246, RFC 6101; of SSL 2
 * the hello alone). A handshake is read while it lasts; behind it bytes are
 * not looked at. Digests of what was seen before are remembered, because few
 * clients and few certificates make most of the traffic.
 *
 * Ownership: a struct mt_tls is its caller's and starts zeroed; messages that
 * segments cut lie in blocks of the caller's arena until they are whole or
 * mt_tls_fini is called. Spans in events live until the function returns.
 * Thread: one per memory. Limits: a message of MT_TLS_MESSAGE_MAX bytes; of a
 * chain of certificates MT_TLS_CHAIN_MAX; lists as their structs say. What is longer
 * is left out and MT_TLS_CUT is reported.
 */
#ifndef MT_DPI_TLS_H
#define MT_DPI_TLS_H

#include "base/net.h"
#include "dpi/x509.h"
#include "memory/arena.h"

#define MT_TLS_MESSAGE_MAX 16000u /* body of a handshake message that is kept */
#define MT_TLS_CHAIN_MAX 4u       /* certificates of a side: its own and those that issued it */
#define MT_TLS_LIST_MAX 512u      /* ciphers, extensions, ... for which there are fingerprints */
#define MT_TLS_JA3_SIZE 16u       /* an MD5 */
#define MT_TLS_JA4_SIZE 36u       /* text: t13d1516h2_8daaf6152771_e5627efa2ab1 */

/* RFC 8701: values that mean nothing and are sent so that peers learn to ignore. */
static inline bool mt_tls_is_grease(uint16_t value)
{
    return (value & 0x0f0f) == 0x0a0a && value >> 8 == (value & 0xff);
}

struct mt_tls_client_hello {
    uint16_t legacy_version; /* of the hello itself */
    uint16_t version;        /* the highest offered */
    bool has_sni;            /* the extension, whatever it holds */
    bool has_prints;         /* ja3 and ja4 are there */
    struct mt_span sni;      /* absent unless it names a host */
    struct mt_span alpn;     /* names, each behind a byte with its size */
    struct mt_span ciphers;  /* two bytes each; SSL 2: three */
    uint8_t ja3[MT_TLS_JA3_SIZE];
    uint8_t ja4[MT_TLS_JA4_SIZE];
};

struct mt_tls_server_hello {
    uint16_t version; /* chosen */
    uint16_t cipher;
    bool is_retry; /* RFC 8446 §4.1.4: the client has to say hello again */
    bool is_resumed;
    bool knows_resumed; /* not when the client's hello, which 1.2 compares, was not seen */
    bool has_print;
    struct mt_span alpn; /* the chosen name; TLS 1.3 hides it */
    uint8_t ja3s[MT_TLS_JA3_SIZE];
};

enum mt_tls_note {
    MT_TLS_MALFORMED, /* lengths that contradict each other, or no TLS record where one was due */
    MT_TLS_CUT,       /* something was longer than its limit */
    MT_TLS_MEMORY,    /* the arena had no block */
};

/* Each is called where it is found; mt_tls_input goes on behind it. However much a
 * peer repeats itself, there are one hello of the client, two of the server (the
 * first a retry), one chain of certificates of each, one alert that is not fatal and one
 * that is. */
struct mt_tls_events {
    void (*client_hello)(void *ctx, const struct mt_tls_client_hello *hello);
    void (*server_hello)(void *ctx, const struct mt_tls_server_hello *hello);
    /* index: 0 for the side's own, then those that issued it, as they stand */
    void (*certificate)(void *ctx, enum mt_side side, unsigned index, const struct mt_x509 *certificate);
    void (*alert)(void *ctx, enum mt_side side, uint8_t level, uint8_t description);
    void (*note)(void *ctx, enum mt_tls_note note);
};

struct mt_tls_side {
    uint8_t *body; /* of the message that is being put together */
    uint32_t left; /* of the message's body */
    uint16_t body_size;
    uint16_t body_cap;
    uint16_t record_left;
    uint8_t record_head[5];
    uint8_t record_head_size;
    uint8_t message_head[4];
    uint8_t message_head_size;
    uint8_t is_wanted;
    uint8_t is_started;
    uint8_t is_done;
};

struct mt_tls {
    struct mt_tls_side side[MT_SIDE_COUNT];
    uint16_t version;    /* chosen, 0: unknown */
    uint8_t is_retrying; /* a HelloRetryRequest was the server's last hello */
    uint8_t has_hello[MT_SIDE_COUNT];
    uint8_t has_finished[MT_SIDE_COUNT];
    uint8_t has_certificate[MT_SIDE_COUNT];
    uint8_t has_alert[2];    /* was reported: one that is not fatal, one that is */
    uint8_t session_id_size; /* of the client's hello */
    uint8_t session_id[32];
};

struct mt_tls_memory;

/* Digests of what was seen lately; a seed of the kernel's keeps anybody from
 * preparing two inputs for one place. 0 or -errno. */
int mt_tls_memory_create(struct mt_tls_memory **ret_memory);
void mt_tls_memory_destroy(struct mt_tls_memory *memory);

/* In-order bytes of one side, cut anywhere. */
void mt_tls_input(struct mt_tls *tls, enum mt_side side, struct mt_span bytes, struct mt_arena *arena,
                  struct mt_tls_memory *memory, const struct mt_tls_events *events, void *ctx);

/* Bytes of this side are missing: it shows nothing more. */
void mt_tls_gap(struct mt_tls *tls, enum mt_side side, struct mt_arena *arena);

void mt_tls_fini(struct mt_tls *tls, struct mt_arena *arena);

/* Nothing more will be read of this side, of either. */
static inline bool mt_tls_is_done(const struct mt_tls *tls)
{
    return tls->side[MT_CLIENT].is_done && tls->side[MT_SERVER].is_done;
}

/* Did both sides come to the end of the handshake? To 1.2 both have changed to
 * what they agreed on; in 1.3 the client has sent what is long enough to be its
 * Finished, and no alert. */
bool mt_tls_is_established(const struct mt_tls *tls);

/* The first bytes of a client: an SSL 2 hello? ret_version: what it offers. Needs
 * five bytes. */
bool mt_tls_is_ssl2_hello(struct mt_span bytes, uint16_t *ret_version);

/* Names as ECS has them. NULL for what has none. "1.2"; "tls" or "ssl" */
const char *mt_tls_version_name(uint16_t version);
const char *mt_tls_version_protocol(uint16_t version);
/* As the registry writes them: TLS_AES_128_GCM_SHA256. */
const char *mt_tls_cipher_name(uint16_t cipher);
/* As RFC 8446 §6 writes them: handshake_failure. */
const char *mt_tls_alert_name(uint8_t description);

#endif
