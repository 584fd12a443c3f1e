#include "export/http_priv.h"

#include "base/hash.h"
#include "export/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#define ESCAPED_MAX 6u
#define AROUND_MAX ((size_t)512) /* what stands around a document, without its id */
#define GZIP_BITS 31
#define GZIP_LEVEL 4
#define ZSTD_LEVEL 3

bool mt_http_reserve(struct mt_http_bytes *bytes, size_t size)
{
    if (size <= bytes->cap)
        return true;
    uint8_t *grown = realloc(bytes->ptr, size);
    if (grown == NULL)
        return false;
    bytes->ptr = grown;
    bytes->cap = size;
    return true;
}

/* {"create":{"_id":"..."}}: what is there already under this id stays. */
static void put_elasticsearch(struct mt_buf *b, const struct mt_document *document)
{
    mt_buf_put_cstr(b, "{\"create\":{\"_id\":");
    mt_json_put_string(b, document->id);
    mt_buf_put_cstr(b, "}}\n");
    mt_buf_put_span(b, document->text);
    mt_buf_put_byte(b, '\n');
}

static void put_splunk(struct mt_buf *b, const struct mt_output_config *config,
                       const struct mt_document *document, const char *host)
{
    char text[128];

    snprintf(text, sizeof(text),
             "{\"time\":%llu.%09llu,\"source\":\"mailtap\",\"sourcetype\":\"mailtap:%s\",\"host\":",
             (unsigned long long)(document->time / UINT64_C(1000000000)),
             (unsigned long long)(document->time % UINT64_C(1000000000)), config->format->name);
    mt_buf_put_cstr(b, text);
    mt_json_put_string(b, mt_span_cstr(host));
    if (config->index != NULL) {
        mt_buf_put_cstr(b, ",\"index\":");
        mt_json_put_string(b, mt_span_cstr(config->index));
    }
    mt_buf_put_cstr(b, ",\"fields\":{\"mailtap_id\":");
    mt_json_put_string(b, document->id);
    mt_buf_put_cstr(b, "},\"event\":");
    if (config->format->is_json)
        mt_buf_put_span(b, document->text);
    else
        mt_json_put_string(b, document->text);
    mt_buf_put_cstr(b, "}\n");
}

static void put_document(struct mt_buf *b, const struct mt_output_config *config,
                         const struct mt_document *document, const char *host)
{
    if (config->target == MT_TARGET_ELASTICSEARCH) {
        put_elasticsearch(b, document);
    } else if (config->target == MT_TARGET_SPLUNK) {
        put_splunk(b, config, document, host);
    } else if (config->target == MT_TARGET_WEBHOOK && config->body == MT_OUTPUT_BODY_ARRAY) {
        mt_buf_put_byte(b, b->size == 0 ? '[' : ',');
        mt_buf_put_span(b, document->text);
    } else {
        mt_buf_put_span(b, document->text);
        mt_buf_put_byte(b, '\n');
    }
}

bool mt_http_build(const struct mt_output_config *config, const struct mt_batch *batch, size_t from,
                   size_t to, const char *host, struct mt_http_bytes *ret_body)
{
    size_t size = 2;
    size_t factor = config->format->is_json ? 1 : ESCAPED_MAX;
    size_t extra =
        strlen(host) * ESCAPED_MAX + (config->index == NULL ? 0 : strlen(config->index) * ESCAPED_MAX);

    for (size_t i = from; i < to; i++)
        size += AROUND_MAX + extra + ESCAPED_MAX * batch->documents[i].id.size +
                factor * batch->documents[i].text.size;
    if (!mt_http_reserve(ret_body, size))
        return false;
    struct mt_buf b = mt_buf(ret_body->ptr, ret_body->cap);
    for (size_t i = from; i < to; i++) {
        if (batch->states[i] == MT_DOCUMENT_PENDING)
            put_document(&b, config, &batch->documents[i], host);
    }
    if (config->target == MT_TARGET_WEBHOOK && config->body == MT_OUTPUT_BODY_ARRAY)
        mt_buf_put_byte(&b, ']');
    ret_body->size = b.size;
    return !b.overflow;
}

static bool pack_gzip(const struct mt_http_bytes *body, struct mt_http_bytes *ret_packed)
{
    z_stream z = {.next_in = body->ptr, .avail_in = (uInt)body->size};

    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, GZIP_BITS, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    bool done = mt_http_reserve(ret_packed, deflateBound(&z, body->size));
    if (done) {
        z.next_out = ret_packed->ptr;
        z.avail_out = (uInt)ret_packed->cap;
        done = deflate(&z, Z_FINISH) == Z_STREAM_END;
        ret_packed->size = z.total_out;
    }
    deflateEnd(&z);
    return done;
}

bool mt_http_pack(const struct mt_output_config *config, const struct mt_http_bytes *body,
                  struct mt_http_bytes *ret_packed)
{
    if (config->compress == MT_OUTPUT_COMPRESS_GZIP)
        return pack_gzip(body, ret_packed);
    if (!mt_http_reserve(ret_packed, ZSTD_compressBound(body->size)))
        return false;
    ret_packed->size = ZSTD_compress(ret_packed->ptr, ret_packed->cap, body->ptr, body->size, ZSTD_LEVEL);
    return !ZSTD_isError(ret_packed->size);
}

uint64_t mt_http_batch_hash(const struct mt_batch *batch, size_t from, size_t to)
{
    uint64_t hash = 0;

    for (size_t i = from; i < to; i++) {
        if (batch->states[i] == MT_DOCUMENT_PENDING)
            hash = mt_hash_bytes(hash, batch->documents[i].id);
    }
    return hash;
}
