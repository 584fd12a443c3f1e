/* EVP fetches and allocates for each digest; these need a struct on the stack. */
#define OPENSSL_SUPPRESS_DEPRECATED

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
