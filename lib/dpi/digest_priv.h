/* MD5 and SHA-256 of bytes, by libcrypto's functions that allocate nothing.
 *
 * Ownership: the caller's. Thread: any. Limits: none.
 */
#ifndef MT_DPI_DIGEST_PRIV_H
#define MT_DPI_DIGEST_PRIV_H

#include "base/span.h"

void mt_digest_md5(struct mt_span bytes, uint8_t ret_digest[16]);
void mt_digest_sha256(struct mt_span bytes, uint8_t ret_digest[32]);

#endif
