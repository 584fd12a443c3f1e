/* A certificate (RFC 5280) as far as a record shows it: a bounded walk over DER
 * that trusts no length and believes nothing. No signature is checked.
 *
 * Ownership: spans point into the certificate or into the texts of the struct.
 * Thread: any. Limits: names of MT_X509_NAME_MAX bytes, MT_X509_NAMES_MAX
 * alternative names in MT_X509_ALTERNATIVES_MAX bytes; beyond is_cut is set.
 */
#ifndef MT_DPI_X509_H
#define MT_DPI_X509_H

#include "base/buf.h"

#define MT_X509_NAME_MAX 256u
#define MT_X509_NAMES_MAX 32u
#define MT_X509_ALTERNATIVES_MAX 768u
#define MT_X509_SERIAL_MAX 20u /* RFC 5280 §4.1.2.2 */

struct mt_x509 {
    uint8_t sha256[32];  /* of the whole certificate */
    uint64_t not_before; /* ns since 1970; 0: earlier, or unreadable */
    uint64_t not_after;  /* what lies beyond 2554 is the last ns that 64 bits hold */
    uint16_t subject_size;
    uint16_t issuer_size;
    uint16_t alternatives_size;
    uint8_t serial_size;
    bool is_cut;
    bool is_readable;                               /* only sha256 otherwise */
    uint8_t serial[MT_X509_SERIAL_MAX];             /* without leading zeros */
    uint8_t subject[MT_X509_NAME_MAX];              /* RFC 4514: CN=mx.example.org,O=Example,C=DE */
    uint8_t issuer[MT_X509_NAME_MAX];               /* the same */
    uint8_t alternatives[MT_X509_ALTERNATIVES_MAX]; /* host names and addresses, each behind its size */
};

/* Everything but sha256, which is left alone. False: not DER of a certificate. */
bool mt_x509_parse(struct mt_span der, struct mt_x509 *ret_certificate);

#endif
