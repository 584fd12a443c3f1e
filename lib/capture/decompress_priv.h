/* gzip (RFC 1952), zstd (RFC 8878) and lz4 frames as streams; several members
 * in a row are one stream.
 *
 * Ownership: the decompressor owns its state. Thread: one. Limits: what the
 * libraries set (zstd: a window of 128 MiB).
 */
#ifndef MT_CAPTURE_DECOMPRESS_PRIV_H
#define MT_CAPTURE_DECOMPRESS_PRIV_H

#include "base/buf.h"

enum mt_compression {
    MT_COMPRESSION_NONE,
    MT_COMPRESSION_GZIP,
    MT_COMPRESSION_ZSTD,
    MT_COMPRESSION_LZ4,
};

/* By the first bytes of a file. */
enum mt_compression mt_compression_of(struct mt_span head);
const char *mt_compression_name(enum mt_compression compression);

struct mt_decompress;

int mt_decompress_create(enum mt_compression compression, struct mt_decompress **ret_decompress);
void mt_decompress_destroy(struct mt_decompress *decompress);

/* Appends to out what the bytes of in give, until one of the two is used up;
 * *in then starts behind what was taken. False: the data are damaged,
 * mt_decompress_reason says how. */
bool mt_decompress_run(struct mt_decompress *decompress, struct mt_span *in, struct mt_buf *out);

/* May the compressed data end here? */
bool mt_decompress_is_complete(const struct mt_decompress *decompress);

const char *mt_decompress_reason(const struct mt_decompress *decompress);

#endif
