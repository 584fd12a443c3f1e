#include "capture/decompress_priv.h"

#include "base/endian.h"

#include <errno.h>
#include <limits.h>
#include <lz4frame.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

struct mt_decompress {
    enum mt_compression compression;
    bool is_complete; /* between two members */
    const char *reason;
    z_stream gzip;
    ZSTD_DStream *zstd;
    LZ4F_dctx *lz4;
};

enum mt_compression mt_compression_of(struct mt_span head)
{
    if (head.size < 4)
        return MT_COMPRESSION_NONE;
    if (head.ptr[0] == 0x1f && head.ptr[1] == 0x8b && head.ptr[2] == Z_DEFLATED)
        return MT_COMPRESSION_GZIP;
    uint32_t magic = mt_load_le32(head.ptr);
    if (magic == 0x184d2204)
        return MT_COMPRESSION_LZ4;
    /* a skippable frame may lead both; pzstd writes them */
    if (magic == ZSTD_MAGICNUMBER || (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START)
        return MT_COMPRESSION_ZSTD;
    return MT_COMPRESSION_NONE;
}

const char *mt_compression_name(enum mt_compression compression)
{
    switch (compression) {
    case MT_COMPRESSION_GZIP:
        return "gzip";
    case MT_COMPRESSION_ZSTD:
        return "zstd";
    case MT_COMPRESSION_LZ4:
        return "lz4";
    case MT_COMPRESSION_NONE:
        break;
    }
    return "uncompressed";
}

static bool start(struct mt_decompress *d)
{
    switch (d->compression) {
    case MT_COMPRESSION_GZIP:
        return inflateInit2(&d->gzip, MAX_WBITS + 16) == Z_OK; /* 16: a gzip header, not zlib's */
    case MT_COMPRESSION_ZSTD:
        d->zstd = ZSTD_createDStream();
        return d->zstd != NULL && !ZSTD_isError(ZSTD_initDStream(d->zstd));
    case MT_COMPRESSION_LZ4:
        return !LZ4F_isError(LZ4F_createDecompressionContext(&d->lz4, LZ4F_VERSION));
    case MT_COMPRESSION_NONE:
        break;
    }
    return false;
}

int mt_decompress_create(enum mt_compression compression, struct mt_decompress **ret_decompress)
{
    struct mt_decompress *d = calloc(1, sizeof(*d));
    if (d == NULL)
        return -ENOMEM;
    d->compression = compression;
    d->reason = "";
    if (!start(d)) {
        mt_decompress_destroy(d);
        return -ENOMEM;
    }
    *ret_decompress = d;
    return 0;
}

void mt_decompress_destroy(struct mt_decompress *d)
{
    if (d == NULL)
        return;
    if (d->compression == MT_COMPRESSION_GZIP)
        inflateEnd(&d->gzip);
    ZSTD_freeDStream(d->zstd);
    LZ4F_freeDecompressionContext(d->lz4);
    free(d);
}

static bool fail(struct mt_decompress *d, const char *reason)
{
    d->reason = reason;
    return false;
}

/* Zeros behind a member are padding (tape blocks); gzip(1) ignores them too. */
static struct mt_span skip_zeros(struct mt_span in)
{
    while (in.size > 0 && in.ptr[0] == 0)
        in = mt_span_from(in, 1);
    return in;
}

static bool run_gzip(struct mt_decompress *d, struct mt_span *in, struct mt_buf *out)
{
    if (d->is_complete) {
        *in = skip_zeros(*in);
        if (in->size == 0)
            return true;
        if (in->ptr[0] != 0x1f)
            return fail(d, "bytes that are not gzip follow the gzip data");
        inflateReset(&d->gzip);
        d->is_complete = false;
    }
    d->gzip.next_in = (Bytef *)(uintptr_t)in->ptr; /* zlib's type is not const, its use is */
    d->gzip.avail_in = (uInt)mt_min_u64(in->size, UINT_MAX);
    d->gzip.next_out = out->ptr + out->size;
    d->gzip.avail_out = (uInt)mt_min_u64(out->cap - out->size, UINT_MAX);
    int rc = inflate(&d->gzip, Z_NO_FLUSH);
    *in = mt_span_from(*in, (size_t)(d->gzip.next_in - in->ptr));
    out->size = (size_t)(d->gzip.next_out - out->ptr);
    d->is_complete = rc == Z_STREAM_END;
    if (rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR)
        return true;
    return fail(d, d->gzip.msg != NULL ? d->gzip.msg : "gzip data are damaged");
}

static bool run_zstd(struct mt_decompress *d, struct mt_span *in, struct mt_buf *out)
{
    ZSTD_inBuffer input = {.src = in->ptr, .size = in->size};
    ZSTD_outBuffer output = {.dst = out->ptr, .size = out->cap, .pos = out->size};
    size_t rc = ZSTD_decompressStream(d->zstd, &output, &input);
    if (ZSTD_isError(rc))
        return fail(d, ZSTD_getErrorName(rc));
    /* without progress the result is a hint about the next frame */
    if (input.pos > 0 || output.pos > out->size)
        d->is_complete = rc == 0;
    *in = mt_span_from(*in, input.pos);
    out->size = output.pos;
    return true;
}

static bool run_lz4(struct mt_decompress *d, struct mt_span *in, struct mt_buf *out)
{
    size_t in_size = in->size;
    size_t out_size = out->cap - out->size;
    size_t rc = LZ4F_decompress(d->lz4, out->ptr + out->size, &out_size, in->ptr, &in_size, NULL);
    if (LZ4F_isError(rc))
        return fail(d, LZ4F_getErrorName(rc));
    if (in_size > 0 || out_size > 0)
        d->is_complete = rc == 0;
    *in = mt_span_from(*in, in_size);
    out->size += out_size;
    return true;
}

bool mt_decompress_run(struct mt_decompress *d, struct mt_span *in, struct mt_buf *out)
{
    switch (d->compression) {
    case MT_COMPRESSION_GZIP:
        return run_gzip(d, in, out);
    case MT_COMPRESSION_ZSTD:
        return run_zstd(d, in, out);
    case MT_COMPRESSION_LZ4:
        return run_lz4(d, in, out);
    case MT_COMPRESSION_NONE:
        break;
    }
    return fail(d, "not compressed");
}

bool mt_decompress_is_complete(const struct mt_decompress *d)
{
    return d->is_complete;
}

const char *mt_decompress_reason(const struct mt_decompress *d)
{
    return d->reason;
}
