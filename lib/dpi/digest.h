/* MD5 and SHA-256 of octets that come in pieces, by libcrypto's functions that
 * allocate nothing and use the processor's instructions for them.
 *
 * Ownership: the caller's struct; it holds nothing else. Thread: one a struct.
 * Limits: 2^61 octets.
 */
#ifndef MT_DPI_DIGEST_H
#define MT_DPI_DIGEST_H

#include "base/span.h"

#define MT_DIGEST_MD5_SIZE 16u
#define MT_DIGEST_SHA256_SIZE 32u

enum {
    MT_DIGEST_MD5 = 1 << 0,
    MT_DIGEST_SHA256 = 1 << 1,
};

/* Room for libcrypto's states, whose headers stay in this module. */
struct mt_digest {
    _Alignas(16) uint8_t md5[96];
    _Alignas(16) uint8_t sha256[112];
    uint8_t wanted;
};

/* wanted: bits of MT_DIGEST_*. */
void mt_digest_start(struct mt_digest *digest, unsigned wanted);
void mt_digest_take(struct mt_digest *digest, struct mt_span bytes);

/* What is not wanted is left as it was. The struct has to be started again. */
void mt_digest_finish(struct mt_digest *digest, uint8_t ret_md5[MT_DIGEST_MD5_SIZE],
                      uint8_t ret_sha256[MT_DIGEST_SHA256_SIZE]);

#endif
