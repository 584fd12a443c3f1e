/* What a TLS handshake showed (dpi/tls.h), one entry each: the hellos, certificates,
 * the alert that counts.
 *
 * Ownership: the session's blocks. Thread: the engine's. Limits: those of dpi/tls.h,
 * and struct mt_session_limits.bytes_max a session.
 */
#ifndef MT_SESSION_ENTRIES_TLS_PRIV_H
#define MT_SESSION_ENTRIES_TLS_PRIV_H

#include "dpi/tls.h"
#include "session/entries_priv.h"

struct mt_entry_tls_client {
    struct mt_entry head;
    uint16_t version;
    uint8_t has_prints;
    uint8_t sni_size;
    uint16_t alpn_size;
    uint8_t ja3[MT_TLS_JA3_SIZE];
    uint8_t ja4[MT_TLS_JA4_SIZE];
    uint8_t text[]; /* server name, ALPN, ciphers */
} MT_PACKED;

struct mt_entry_tls_server {
    struct mt_entry head;
    uint16_t version;
    uint16_t cipher;
    uint8_t has_print;
    uint8_t is_resumed;
    uint8_t knows_resumed;
    uint8_t ja3s[MT_TLS_JA3_SIZE];
    uint8_t text[]; /* the chosen protocol */
} MT_PACKED;

struct mt_entry_tls_certificate {
    struct mt_entry head;
    uint8_t side;
    uint8_t index; /* 0: the side's own */
    uint8_t sha256[32];
    uint64_t not_before;
    uint64_t not_after;
    uint8_t serial_size;
    uint16_t subject_size;
    uint16_t issuer_size;
    uint8_t text[]; /* in this order; then, of a side's own, the alternative names, each behind its size */
} MT_PACKED;

struct mt_entry_tls_alert {
    struct mt_entry head;
    uint8_t side;
    uint8_t level;
    uint8_t description;
} MT_PACKED;

/* What the server had offered before, where it offered no STARTTLS this time. */
struct mt_entry_history {
    struct mt_entry head;
    uint32_t answers;
    uint32_t offered;
    uint64_t last; /* time; 0: not known */
} MT_PACKED;

#endif
