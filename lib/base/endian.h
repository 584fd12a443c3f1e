/* Unaligned loads of wire integers.
 *
 * Ownership: borrowed bytes. Thread: any. Limits: the caller has checked that
 * the bytes are there.
 */
#ifndef MT_BASE_ENDIAN_H
#define MT_BASE_ENDIAN_H

#include <stdint.h>
#include <string.h>

static inline uint16_t mt_load_be16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap16(v);
}

static inline uint32_t mt_load_be32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return __builtin_bswap32(v);
}

static inline uint16_t mt_load_le16(const void *p)
{
    uint16_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t mt_load_le32(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint64_t mt_load_le64(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

#endif
