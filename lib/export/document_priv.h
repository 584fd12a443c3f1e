/* A document, one text that is delivered under one id, and its frame: the bytes
 * in which it waits, in memory as in the spool, so that what waited in memory is
 * written as it is.
 *
 *   magic 8 · check 8 · size 4 · text size 4 · time 8 · put 8 · id size 2 ·
 *   key size 2 · rule size 2 · stream 1 · kind 1 · level 1 · zeros 7 ·
 *   id · key · rule · text · zeros up to a multiple of 8
 *
 * Numbers are little-endian; size is that of the frame; check is the XXH3-64 of
 * everything behind it.
 *
 * Ownership: the caller's bytes; a document read from a frame points into it.
 * Thread: any. Limits: MT_FRAME_MAX a frame; id, key and rule MT_DOCUMENT_WORD_MAX
 * each, more is cut.
 */
#ifndef MT_EXPORT_DOCUMENT_PRIV_H
#define MT_EXPORT_DOCUMENT_PRIV_H

#include "base/span.h"
#include "export/format.h"

#define MT_DOCUMENT_WORD_MAX ((size_t)1024)
#define MT_FRAME_HEAD ((size_t)56)
#define MT_FRAME_MAX (MT_FRAME_HEAD + 3 * MT_DOCUMENT_WORD_MAX + MT_FORMAT_TEXT_MAX + 8)

struct mt_document {
    uint64_t time; /* of the record, ns since the epoch */
    uint64_t put;  /* when it was put, the same */
    struct mt_span text;
    struct mt_span id;
    struct mt_span key;
    struct mt_span rule;
    uint8_t stream;
    uint8_t kind;
    uint8_t level;
};

enum mt_frame_state {
    MT_FRAME_WHOLE,
    MT_FRAME_SHORT, /* the bytes end within it */
    MT_FRAME_BAD,
};

size_t mt_frame_size(const struct mt_document *document);

/* Writes mt_frame_size bytes. */
void mt_frame_put(const struct mt_document *document, uint8_t *to);

/* The frame at the start of bytes; its size. With checked the check is not looked at again. */
enum mt_frame_state mt_frame_read(struct mt_span bytes, bool checked, struct mt_document *ret_document,
                                  size_t *ret_size);

/* Where the next frame may start, or bytes.size: only reading it tells. */
size_t mt_frame_find(struct mt_span bytes);

#endif
