/* EVP fetches and allocates for each digest; these need a struct on the stack. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "dpi/digest.h"

#include "base/check.h"
#include "dpi/digest_priv.h"

#include <openssl/md5.h>
#include <openssl/sha.h>

void mt_digest_md5(struct mt_span bytes, uint8_t ret_digest[16])
{
    MD5_CTX md5;

    MD5_Init(&md5);
    MD5_Update(&md5, bytes.ptr, bytes.size);
    MD5_Final(ret_digest, &md5);
}

void mt_digest_sha256(struct mt_span bytes, uint8_t ret_digest[32])
{
    SHA256_CTX sha;

    SHA256_Init(&sha);
    SHA256_Update(&sha, bytes.ptr, bytes.size);
    SHA256_Final(ret_digest, &sha);
}

MT_STATIC_ASSERT(sizeof(MD5_CTX) <= sizeof(((struct mt_digest *)NULL)->md5), "libcrypto's state fits");
MT_STATIC_ASSERT(sizeof(SHA256_CTX) <= sizeof(((struct mt_digest *)NULL)->sha256), "libcrypto's state fits");

void mt_digest_start(struct mt_digest *digest, unsigned wanted)
{
    digest->wanted = (uint8_t)wanted;
    if (wanted & MT_DIGEST_MD5)
        MD5_Init((MD5_CTX *)digest->md5);
    if (wanted & MT_DIGEST_SHA256)
        SHA256_Init((SHA256_CTX *)digest->sha256);
}

void mt_digest_take(struct mt_digest *digest, struct mt_span bytes)
{
    if (digest->wanted & MT_DIGEST_MD5)
        MD5_Update((MD5_CTX *)digest->md5, bytes.ptr, bytes.size);
    if (digest->wanted & MT_DIGEST_SHA256)
        SHA256_Update((SHA256_CTX *)digest->sha256, bytes.ptr, bytes.size);
}

void mt_digest_finish(struct mt_digest *digest, uint8_t ret_md5[MT_DIGEST_MD5_SIZE],
                      uint8_t ret_sha256[MT_DIGEST_SHA256_SIZE])
{
    if (digest->wanted & MT_DIGEST_MD5)
        MD5_Final(ret_md5, (MD5_CTX *)digest->md5);
    if (digest->wanted & MT_DIGEST_SHA256)
        SHA256_Final(ret_sha256, (SHA256_CTX *)digest->sha256);
}
