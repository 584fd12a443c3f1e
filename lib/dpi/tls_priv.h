/* Between the files of the TLS reader: records (tls.c) give whole messages to
 * hello.c, whose lists prints.c makes fingerprints of.
 *
 * Ownership: spans lie in the message. Thread: the memory's. Limits: those of
 * dpi/tls.h.
 */
#ifndef MT_DPI_TLS_PRIV_H
#define MT_DPI_TLS_PRIV_H

#include "dpi/reader_priv.h"
#include "dpi/tls.h"

/* What both fingerprints of a client hello are made of. */
struct mt_tls_offer {
    uint16_t legacy_version;
    uint16_t version;
    bool has_sni;
    struct mt_span ciphers;    /* two bytes each, as all lists but formats */
    struct mt_span extensions; /* their types */
    struct mt_span groups;
    struct mt_span formats;
    struct mt_span signatures;
    struct mt_span alpn_first;
};

/* False when a list is beyond MT_TLS_LIST_MAX. */
bool mt_tls_print_client(struct mt_tls_memory *memory, const struct mt_tls_offer *offer,
                         uint8_t ret_ja3[MT_TLS_JA3_SIZE], uint8_t ret_ja4[MT_TLS_JA4_SIZE]);
bool mt_tls_print_server(struct mt_tls_memory *memory, uint16_t version, uint16_t cipher,
                         struct mt_span extensions, uint8_t ret_ja3s[MT_TLS_JA3_SIZE]);
/* Parsed and hashed, or remembered; lent until the next call. */
const struct mt_x509 *mt_tls_certificate(struct mt_tls_memory *memory, struct mt_span der);

struct mt_tls_run {
    struct mt_tls *tls;
    struct mt_tls_memory *memory;
    struct mt_arena *arena;
    const struct mt_tls_events *events;
    void *ctx;
    enum mt_side side;
};

enum {
    MT_TLS_CLIENT_HELLO = 1,
    MT_TLS_SERVER_HELLO = 2,
    MT_TLS_CERTIFICATE = 11,
};

/* A whole body, or the first part of a certificate's that is longer than is kept. */
void mt_tls_message(struct mt_tls_run *run, uint8_t type, struct mt_span body, bool is_cut);

#endif
