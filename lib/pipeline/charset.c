#include "pipeline/charset_priv.h"

#include "base/codec.h"

static void charset_close(struct mt_charset *entry)
{
    if (entry->handle != (iconv_t)-1)
        iconv_close(entry->handle);
}

void mt_charset_cache_fini(struct mt_charset_cache *cache)
{
    for (uint32_t i = 0; i < cache->count; i++)
        charset_close(&cache->entries[i]);
    cache->count = 0;
}

/* A charset's name is a token (RFC 2047 §2); anything else could reach options
 * behind iconv's "//". */
static bool charset_name_ok(struct mt_span name)
{
    if (name.size == 0 || name.size >= sizeof((struct mt_charset){0}.name))
        return false;
    for (size_t i = 0; i < name.size; i++) {
        uint8_t c = name.ptr[i];
        if (!mt_ascii_is_alpha(c) && !mt_ascii_is_digit(c) && !memchr("-_.:+", c, 5))
            return false;
    }
    return true;
}

static struct mt_charset *charset_of(struct mt_charset_cache *cache, struct mt_span name)
{
    for (uint32_t i = 0; i < cache->count; i++) {
        if (mt_span_ieq_cstr(name, cache->entries[i].name))
            return &cache->entries[i];
    }
    struct mt_charset *entry;
    if (cache->count < MT_CHARSETS_MAX) {
        entry = &cache->entries[cache->count++];
    } else {
        entry = &cache->entries[cache->next++ % MT_CHARSETS_MAX];
        charset_close(entry);
    }
    memcpy(entry->name, name.ptr, name.size);
    entry->name[name.size] = '\0';
    entry->handle = iconv_open("UTF-8", entry->name);
    return entry;
}

bool mt_charset_convert(void *ctx, struct mt_span charset, struct mt_span bytes, struct mt_buf *ret_utf8)
{
    if (!charset_name_ok(charset))
        return false;
    struct mt_charset *entry = charset_of(ctx, charset);
    if (entry->handle == (iconv_t)-1)
        return false;
    iconv(entry->handle, NULL, NULL, NULL, NULL);
    char *in = (char *)(uintptr_t)bytes.ptr;
    size_t in_left = bytes.size;
    char *out = (char *)ret_utf8->ptr + ret_utf8->size;
    size_t out_left = ret_utf8->cap - ret_utf8->size;
    size_t rc = iconv(entry->handle, &in, &in_left, &out, &out_left);
    size_t made = (size_t)((uint8_t *)out - (ret_utf8->ptr + ret_utf8->size));
    if (rc == (size_t)-1 || !mt_utf8_valid(mt_span(ret_utf8->ptr + ret_utf8->size, made)))
        return false;
    ret_utf8->size += made;
    return true;
}
