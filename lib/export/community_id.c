/* The low-level SHA-1 functions: the digest is a name here, not a secret, and
 * the one-shot interface looks its algorithm up behind a lock in every call. */
#define OPENSSL_API_COMPAT 0x10100000L

#include "export/community_id.h"

#include "base/endian.h"

#include <openssl/sha.h>

enum {
    PROTOCOL_TCP = 6,
};

/* The smaller endpoint comes first, so that both directions have one name. */
static bool is_in_order(const struct mt_tuple *tuple)
{
    int order = memcmp(tuple->src.bytes, tuple->dst.bytes, sizeof(tuple->src.bytes));
    return order != 0 ? order < 0 : tuple->src_port <= tuple->dst_port;
}

static uint8_t *put(uint8_t *to, const void *bytes, size_t size)
{
    memcpy(to, bytes, size);
    return to + size;
}

static uint8_t *put_address(uint8_t *to, const struct mt_ip *ip)
{
    return ip->family == 4 ? put(to, ip->bytes, 4) : put(to, ip->bytes, 16);
}

static uint8_t *put_be16(uint8_t *to, uint16_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
    return to + 2;
}

/* What is hashed, with its padding (FIPS 180-4 §5.1.1): at most 40 bytes, so
 * always the one block. */
static void make_block(const struct mt_tuple *tuple, uint8_t ret_block[SHA_CBLOCK])
{
    bool in_order = is_in_order(tuple);
    uint8_t *to = ret_block;

    memset(ret_block, 0, SHA_CBLOCK);
    to = put_be16(to, 0); /* the seed */
    to = put_address(to, in_order ? &tuple->src : &tuple->dst);
    to = put_address(to, in_order ? &tuple->dst : &tuple->src);
    *to++ = PROTOCOL_TCP;
    *to++ = 0;
    to = put_be16(to, in_order ? tuple->src_port : tuple->dst_port);
    to = put_be16(to, in_order ? tuple->dst_port : tuple->src_port);
    *to = 0x80;
    put_be16(ret_block + SHA_CBLOCK - 2, (uint16_t)(8 * (to - ret_block)));
}

/* Base64 (RFC 4648 §4) of the digest: six groups of three bytes, and two. */
static void put_base64(const SHA_CTX *sha, uint8_t ret_text[28])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint32_t words[6] = {__builtin_bswap32(sha->h0), __builtin_bswap32(sha->h1),
                               __builtin_bswap32(sha->h2), __builtin_bswap32(sha->h3),
                               __builtin_bswap32(sha->h4), 0};
    uint8_t bytes[sizeof(words)];

    memcpy(bytes, words, sizeof(bytes));
    for (unsigned i = 0; i < 7; i++) {
        uint32_t group = mt_load_be32(bytes + 3 * i);
        ret_text[4 * i] = (uint8_t)digits[group >> 26];
        ret_text[4 * i + 1] = (uint8_t)digits[group >> 20 & 63];
        ret_text[4 * i + 2] = (uint8_t)digits[group >> 14 & 63];
        ret_text[4 * i + 3] = (uint8_t)digits[group >> 8 & 63];
    }
    ret_text[27] = '=';
}

void mt_community_id(const struct mt_tuple *tuple, uint8_t ret_text[MT_COMMUNITY_ID_SIZE])
{
    uint8_t block[SHA_CBLOCK];
    SHA_CTX sha;

    make_block(tuple, block);
    SHA1_Init(&sha);
    SHA1_Transform(&sha, block);
    memcpy(ret_text, "1:", 2);
    put_base64(&sha, ret_text + 2);
}
