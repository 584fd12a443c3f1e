#include "export/document_priv.h"

#include "base/check.h"
#include "base/hash.h"

MT_STATIC_ASSERT(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are written as they lie in memory");

static const uint8_t magic[8] = {0xf7, 'M', 'T', 'd', 'o', 'c', '1', 0xfe};

struct head {
    uint8_t magic[8];
    uint64_t check;
    uint32_t size;
    uint32_t text_size;
    uint64_t time;
    uint64_t put;
    uint16_t id_size;
    uint16_t key_size;
    uint16_t rule_size;
    uint8_t stream;
    uint8_t kind;
    uint8_t level;
    uint8_t zeros[7];
};

MT_STATIC_ASSERT(sizeof(struct head) == MT_FRAME_HEAD, "the frame as it is described");

#define CHECK_FROM offsetof(struct head, size)

static size_t word_size(struct mt_span word)
{
    return mt_min_u64(word.size, MT_DOCUMENT_WORD_MAX);
}

size_t mt_frame_size(const struct mt_document *document)
{
    size_t size = MT_FRAME_HEAD + word_size(document->id) + word_size(document->key) +
                  word_size(document->rule) + document->text.size;
    return (size + 7) & ~(size_t)7;
}

static uint8_t *put_bytes(uint8_t *to, struct mt_span bytes, size_t size)
{
    if (size > 0)
        memcpy(to, bytes.ptr, size);
    return to + size;
}

void mt_frame_put(const struct mt_document *document, uint8_t *to)
{
    struct head head = {
        .size = (uint32_t)mt_frame_size(document),
        .text_size = (uint32_t)document->text.size,
        .time = document->time,
        .put = document->put,
        .id_size = (uint16_t)word_size(document->id),
        .key_size = (uint16_t)word_size(document->key),
        .rule_size = (uint16_t)word_size(document->rule),
        .stream = document->stream,
        .kind = document->kind,
        .level = document->level,
    };
    MT_BUG_ON(document->text.size > MT_FORMAT_TEXT_MAX);
    uint8_t *at = to + sizeof(head);
    memcpy(head.magic, magic, sizeof(magic));
    at = put_bytes(at, document->id, head.id_size);
    at = put_bytes(at, document->key, head.key_size);
    at = put_bytes(at, document->rule, head.rule_size);
    at = put_bytes(at, document->text, head.text_size);
    memset(at, 0, (size_t)(to + head.size - at));
    memcpy(to, &head, sizeof(head));
    head.check = mt_hash_bytes(0, mt_span(to + CHECK_FROM, head.size - CHECK_FROM));
    memcpy(to + sizeof(magic), &head.check, sizeof(head.check));
}

enum mt_frame_state mt_frame_read(struct mt_span bytes, bool checked, struct mt_document *ret_document,
                                  size_t *ret_size)
{
    struct head head;

    if (bytes.size < sizeof(head))
        return MT_FRAME_SHORT;
    memcpy(&head, bytes.ptr, sizeof(head));
    size_t used = sizeof(head) + head.id_size + head.key_size + head.rule_size + (size_t)head.text_size;
    if (memcmp(head.magic, magic, sizeof(magic)) != 0 || head.size > MT_FRAME_MAX || used > head.size)
        return MT_FRAME_BAD;
    if (head.size > bytes.size)
        return MT_FRAME_SHORT;
    if (!checked && head.check != mt_hash_bytes(0, mt_span(bytes.ptr + CHECK_FROM, head.size - CHECK_FROM)))
        return MT_FRAME_BAD;
    const uint8_t *at = bytes.ptr + sizeof(head);
    *ret_document = (struct mt_document){
        .time = head.time,
        .put = head.put,
        .id = mt_span(at, head.id_size),
        .key = mt_span(at + head.id_size, head.key_size),
        .rule = mt_span(at + head.id_size + head.key_size, head.rule_size),
        .text = mt_span(at + head.id_size + head.key_size + head.rule_size, head.text_size),
        .stream = head.stream,
        .kind = head.kind,
        .level = head.level,
    };
    *ret_size = head.size;
    return MT_FRAME_WHOLE;
}

size_t mt_frame_find(struct mt_span bytes)
{
    const uint8_t *found = bytes.size == 0 ? NULL : memmem(bytes.ptr, bytes.size, magic, sizeof(magic));

    return found == NULL ? bytes.size : (size_t)(found - bytes.ptr);
}
