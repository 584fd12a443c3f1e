/* Charsets of RFC 2047 words that the message room does not decode itself, by
 * iconv with a few handles kept open.
 *
 * Ownership: the cache owns its handles. Thread: one. Limits: 8 charsets at a
 * time, names up to 31 bytes; a charset that iconv does not know is remembered
 * too.
 */
#ifndef MT_PIPELINE_CHARSET_PRIV_H
#define MT_PIPELINE_CHARSET_PRIV_H

#include "base/buf.h"

#include <iconv.h>

#define MT_CHARSETS_MAX 8

struct mt_charset {
    char name[32];
    iconv_t handle; /* (iconv_t)-1: unknown to iconv */
};

struct mt_charset_cache {
    struct mt_charset entries[MT_CHARSETS_MAX];
    uint32_t count;
    uint32_t next; /* the one that gives way */
};

void mt_charset_cache_fini(struct mt_charset_cache *cache);

/* A mt_message_convert; ctx is the cache. */
bool mt_charset_convert(void *ctx, struct mt_span charset, struct mt_span bytes, struct mt_buf *ret_utf8);

#endif
