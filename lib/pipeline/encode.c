#include "pipeline/encode_priv.h"

#include "base/check.h"

#include <errno.h>
#include <stdlib.h>

struct encoder {
    const struct mt_format_ops *ops;
    struct mt_format *format;
};

struct mt_encoders {
    size_t count;
    struct encoder items[MT_PIPELINE_ENCODINGS_MAX];
};

/* Then the id, the key, and the texts, each behind its struct text; nothing is
 * aligned. */
struct head {
    uint64_t time;
    uint32_t encoding;
    uint32_t text_count;
    uint32_t id_size;
    uint32_t key_size;
};

struct text {
    uint32_t stream;
    uint32_t size;
};

int mt_encoders_create(const struct mt_pipeline_config *config, struct mt_encoders **ret_encoders)
{
    *ret_encoders = NULL;
    if (config->encoding_count == 0)
        return 0;
    MT_BUG_ON(config->encoding_count > MT_PIPELINE_ENCODINGS_MAX);
    struct mt_encoders *encoders = calloc(1, sizeof(*encoders));
    if (!encoders)
        return -ENOMEM;
    for (; encoders->count < config->encoding_count; encoders->count++) {
        const struct mt_pipeline_encoding *encoding = &config->encodings[encoders->count];
        struct encoder *encoder = &encoders->items[encoders->count];
        char reason[256];
        int rc = encoding->format->create(&encoding->options, reason, sizeof(reason), &encoder->format);
        if (rc != 0) {
            mt_encoders_destroy(encoders);
            return rc;
        }
        encoder->ops = encoding->format;
    }
    *ret_encoders = encoders;
    return 0;
}

void mt_encoders_destroy(struct mt_encoders *encoders)
{
    if (!encoders)
        return;
    for (size_t i = 0; i < encoders->count; i++)
        encoders->items[i].ops->destroy(encoders->items[i].format);
    free(encoders);
}

size_t mt_encoders_count(const struct mt_encoders *encoders)
{
    return encoders ? encoders->count : 0;
}

struct packing {
    struct mt_buf *b;
    uint32_t text_count;
};

static void on_text(void *ctx, const struct mt_format_text *text)
{
    struct packing *packing = ctx;
    struct text head = {.stream = text->stream, .size = (uint32_t)text->text.size};
    mt_buf_put(packing->b, &head, sizeof(head));
    mt_buf_put(packing->b, text->text.ptr, text->text.size);
    packing->text_count++;
}

bool mt_encoders_pack(struct mt_encoders *encoders, size_t encoding, const struct mt_record_session *record,
                      struct mt_buf *b)
{
    const struct encoder *encoder = &encoders->items[encoding];
    struct packing packing = {.b = b};
    uint8_t key[MT_IP_TEXT_MAX];
    struct head head = {
        .time = record->timestamp,
        .encoding = (uint32_t)encoding,
        .id_size = (uint32_t)record->event_id.size,
        .key_size = (uint32_t)(mt_ip_text(key, &record->source_ip) - key),
    };

    b->size = sizeof(head);
    mt_buf_put_span(b, record->event_id);
    mt_buf_put(b, key, head.key_size);
    bool is_whole = encoder->ops->session(encoder->format, record, on_text, &packing);
    if (packing.text_count == 0 || b->overflow) {
        b->size = 0;
        return is_whole && !b->overflow;
    }
    head.text_count = packing.text_count;
    memcpy(b->ptr, &head, sizeof(head));
    return is_whole;
}

bool mt_document_unpack(struct mt_span packed, struct mt_unpacked *unpacked)
{
    struct head head;
    memcpy(&head, packed.ptr, sizeof(head));
    if (head.text_count > unpacked->room) {
        struct mt_format_text *texts = realloc(unpacked->texts, head.text_count * sizeof(*texts));
        if (!texts)
            return false;
        unpacked->texts = texts;
        unpacked->room = head.text_count;
    }
    packed = mt_span_from(packed, sizeof(head));
    unpacked->document = (struct mt_pipeline_document){
        .texts = unpacked->texts,
        .text_count = head.text_count,
        .time = head.time,
        .encoding = head.encoding,
        .id = mt_span_head(packed, head.id_size),
        .key = mt_span_head(mt_span_from(packed, head.id_size), head.key_size),
    };
    packed = mt_span_from(packed, head.id_size + head.key_size);
    for (uint32_t i = 0; i < head.text_count; i++) {
        struct text text;
        memcpy(&text, packed.ptr, sizeof(text));
        packed = mt_span_from(packed, sizeof(text));
        unpacked->texts[i] =
            (struct mt_format_text){.stream = text.stream, .text = mt_span_head(packed, text.size)};
        packed = mt_span_from(packed, text.size);
    }
    return true;
}

void mt_unpacked_fini(struct mt_unpacked *unpacked)
{
    free(unpacked->texts);
    *unpacked = (struct mt_unpacked){.texts = NULL};
}
