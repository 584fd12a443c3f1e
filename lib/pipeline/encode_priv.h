/* Session records in the forms that outputs want, made by the worker: packed into
 * one span for the way to the collector, unpacked there.
 *
 * Ownership: the encoders own their formats; a packed document is the caller's
 * buffer, an unpacked one points into it. Thread: encoders belong to one worker,
 * the unpacked form to the collector. Limits: MT_PIPELINE_ENCODINGS_MAX; a
 * document that does not fit its buffer is shed, and counted.
 */
#ifndef MT_PIPELINE_ENCODE_PRIV_H
#define MT_PIPELINE_ENCODE_PRIV_H

#include "pipeline/pipeline.h"

struct mt_encoders;

/* *ret_encoders is NULL when no encoding is asked for. */
int mt_encoders_create(const struct mt_pipeline_config *config, struct mt_encoders **ret_encoders);
void mt_encoders_destroy(struct mt_encoders *encoders);

size_t mt_encoders_count(const struct mt_encoders *encoders);

/* The record in one encoding, packed into b from its start; false when it does
 * not fit or a text was left out. Without texts b stays empty. */
bool mt_encoders_pack(struct mt_encoders *encoders, size_t encoding, const struct mt_record_session *record,
                      struct mt_buf *b);

/* Room for the texts of a document while the sink looks at them. */
struct mt_unpacked {
    struct mt_pipeline_document document;
    struct mt_format_text *texts;
    size_t room;
};

/* False when there is no memory for as many texts. */
bool mt_document_unpack(struct mt_span packed, struct mt_unpacked *unpacked);
void mt_unpacked_fini(struct mt_unpacked *unpacked);

#endif
