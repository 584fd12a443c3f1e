/* The low-level SHA-1 functions: the digest is a name here, not a secret, and
 * the one-shot interface looks its algorithm up behind a lock in every call. */
#define OPENSSL_API_COMPAT 0x10100000L

#include "export/community_id.h"

#include <openssl/evp.h>
#include <openssl/sha.h>

enum {
    PROTOCOL_TCP = 6,
};

static void put_address(struct mt_buf *b, const struct mt_ip *ip)
{
    mt_buf_put(b, ip->bytes, ip->family == 4 ? 4 : 16);
}

static void put_be16(struct mt_buf *b, uint16_t value)
{
    mt_buf_put_byte(b, (uint8_t)(value >> 8));
    mt_buf_put_byte(b, (uint8_t)value);
}

/* The smaller endpoint comes first, so that both directions have one name. */
static bool is_in_order(const struct mt_tuple *tuple)
{
    int order = memcmp(tuple->src.bytes, tuple->dst.bytes, sizeof(tuple->src.bytes));
    return order != 0 ? order < 0 : tuple->src_port <= tuple->dst_port;
}

void mt_community_id(const struct mt_tuple *tuple, uint8_t ret_text[MT_COMMUNITY_ID_SIZE])
{
    uint8_t input[2 + 2 * 16 + 2 + 2 * 2];
    struct mt_buf b = mt_buf(input, sizeof(input));
    bool in_order = is_in_order(tuple);

    put_be16(&b, 0); /* the seed */
    put_address(&b, in_order ? &tuple->src : &tuple->dst);
    put_address(&b, in_order ? &tuple->dst : &tuple->src);
    mt_buf_put_byte(&b, PROTOCOL_TCP);
    mt_buf_put_byte(&b, 0);
    put_be16(&b, in_order ? tuple->src_port : tuple->dst_port);
    put_be16(&b, in_order ? tuple->dst_port : tuple->src_port);

    uint8_t digest[SHA_DIGEST_LENGTH];
    SHA_CTX sha;
    SHA1_Init(&sha);
    SHA1_Update(&sha, input, b.size);
    SHA1_Final(digest, &sha);

    uint8_t encoded[28 + 1];
    EVP_EncodeBlock(encoded, digest, sizeof(digest));
    memcpy(ret_text, "1:", 2);
    memcpy(ret_text + 2, encoded, 28);
}
