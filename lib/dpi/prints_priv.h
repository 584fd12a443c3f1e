/* The memory of digests. Places are found by a keyed hash of 128 bits, which is
 * taken for the thing itself.
 *
 * Ownership: mt_tls_memory_create's caller. Thread: one. Limits: the places; what
 * comes later takes the place of what was there.
 */
#ifndef MT_DPI_PRINTS_PRIV_H
#define MT_DPI_PRINTS_PRIV_H

#include "base/hash.h"
#include "dpi/tls_priv.h"

#define MT_PRINT_PLACES 256u
#define MT_CERTIFICATE_PLACES 128u
/* JA3 of three lists of numbers of up to five digits and one of bytes. */
#define MT_PRINT_TEXT_SIZE (3 * MT_TLS_LIST_MAX * 6 + 256 * 4 + 16)

struct mt_print_place {
    struct mt_hash128 key;
    uint8_t ja3[MT_TLS_JA3_SIZE]; /* or ja3s */
    uint8_t ja4[MT_TLS_JA4_SIZE];
};

struct mt_certificate_place {
    struct mt_hash128 key;
    struct mt_x509 certificate;
};

struct mt_tls_memory {
    uint64_t seed;
    struct mt_print_place prints[MT_PRINT_PLACES];
    struct mt_certificate_place certificates[MT_CERTIFICATE_PLACES];
    uint8_t text[MT_PRINT_TEXT_SIZE];
};

#endif
