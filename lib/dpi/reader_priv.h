/* Takes wire integers and length-prefixed vectors off the front of a span. What
 * is not there sets is_bad once and for all, and reads as zero and as nothing.
 *
 * Ownership: borrowed bytes. Thread: any. Limits: the span.
 */
#ifndef MT_DPI_READER_PRIV_H
#define MT_DPI_READER_PRIV_H

#include "base/endian.h"
#include "base/span.h"

struct mt_reader {
    struct mt_span rest;
    bool is_bad;
};

static inline struct mt_span mt_read(struct mt_reader *reader, size_t size)
{
    struct mt_span taken = mt_span(reader->rest.ptr, size);

    if (size > reader->rest.size) {
        reader->is_bad = true;
        reader->rest.size = 0;
        return mt_span_none();
    }
    reader->rest = mt_span_from(reader->rest, size);
    return taken;
}

static inline uint8_t mt_read_u8(struct mt_reader *reader)
{
    struct mt_span bytes = mt_read(reader, 1);
    return bytes.ptr != NULL ? bytes.ptr[0] : 0;
}

static inline uint16_t mt_read_u16(struct mt_reader *reader)
{
    struct mt_span bytes = mt_read(reader, 2);
    return bytes.ptr != NULL ? mt_load_be16(bytes.ptr) : 0;
}

static inline uint32_t mt_read_u24(struct mt_reader *reader)
{
    uint32_t high = mt_read_u8(reader);
    return high << 16 | mt_read_u16(reader);
}

static inline struct mt_span mt_read_vector8(struct mt_reader *reader)
{
    return mt_read(reader, mt_read_u8(reader));
}

static inline struct mt_span mt_read_vector16(struct mt_reader *reader)
{
    return mt_read(reader, mt_read_u16(reader));
}

#endif
