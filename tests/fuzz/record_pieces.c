#include "record_pieces.h"

#include "base/check.h"

#include <stdlib.h>

#define ARENA_SIZE (1u << 20)
#define ITEMS_MAX 4u

uint8_t record_pieces_byte(struct record_pieces *source)
{
    if (source->rest.size == 0)
        return 0;
    uint8_t byte = source->rest.ptr[0];
    source->rest = mt_span_from(source->rest, 1);
    return byte;
}

static void *take_memory(struct record_pieces *source, size_t size)
{
    size = (size + 15) / 16 * 16;
    if (size > ARENA_SIZE - source->used)
        return NULL;
    void *memory = source->arena + source->used;
    source->used += size;
    memset(memory, 0, size);
    return memory;
}

static struct mt_span take_text(struct record_pieces *source)
{
    uint8_t size = record_pieces_byte(source);
    if (size == 0)
        return mt_span_none();
    struct mt_span text = mt_span_head(source->rest, size - 1u);
    source->rest = mt_span_from(source->rest, text.size);
    return text.ptr != NULL ? text : mt_span("", 0);
}

static const char *take_name(struct record_pieces *source)
{
    struct mt_span text = take_text(source);
    char *name = text.ptr != NULL ? take_memory(source, text.size + 1) : NULL;
    if (name != NULL && text.size > 0)
        memcpy(name, text.ptr, text.size);
    return name;
}

static uint64_t take_number(struct record_pieces *source)
{
    uint64_t number = 0;
    for (unsigned i = record_pieces_byte(source) % 9; i > 0; i--)
        number = number << 8 | record_pieces_byte(source);
    return number;
}

static const uint8_t *take_mac(struct record_pieces *source)
{
    if (source->rest.size < 6 || record_pieces_byte(source) % 2 == 0)
        return NULL;
    uint8_t *mac = take_memory(source, 6);
    for (unsigned i = 0; mac != NULL && i < 6; i++)
        mac[i] = record_pieces_byte(source);
    return mac;
}

static struct mt_ip take_ip(struct record_pieces *source)
{
    static const uint8_t families[] = {0, 4, 6};
    struct mt_ip ip = {.family = families[record_pieces_byte(source) % 3]};
    for (unsigned i = 0; i < (ip.family == 4 ? 4 : 16); i++)
        ip.bytes[i] = record_pieces_byte(source);
    return ip;
}

struct list {
    const void *items;
    uint32_t count;
};

static struct list take_list(struct record_pieces *source, enum mt_field_type type)
{
    const struct mt_field_group *group = mt_field_items(type);
    uint32_t count = record_pieces_byte(source) % (ITEMS_MAX + 1);
    size_t size = group != NULL ? group->struct_size : 16;
    uint8_t *items = take_memory(source, count * size);

    if (items == NULL)
        return (struct list){NULL, 0};
    for (uint32_t i = 0; i < count; i++) {
        void *item = items + i * size;
        if (group != NULL)
            record_pieces_fill(source, group, item);
        else if (type == MT_FIELD_TYPE_TEXTS)
            ((struct mt_span *)item)[0] = take_text(source);
        else if (type == MT_FIELD_TYPE_CODES)
            ((struct mt_code_count *)items)[i] =
                (struct mt_code_count){(uint16_t)(100 + i), record_pieces_byte(source)};
        else if (type == MT_FIELD_TYPE_VERBS)
            *(struct mt_verb_count *)item =
                (struct mt_verb_count){(const char *[]){"a", "b", "c", "d"}[i], 1};
        else
            ((const char **)items)[i] = "name";
    }
    return (struct list){items, count};
}

void record_pieces_fill(struct record_pieces *source, const struct mt_field_group *group, void *record)
{
    for (uint32_t i = 0; i < group->count; i++) {
        uint8_t *member = (uint8_t *)record + group->fields[i].off;
        enum mt_field_type type = (enum mt_field_type)group->fields[i].type;
        switch (type) {
        case MT_FIELD_TYPE_TEXT:
            *(struct mt_span *)member = take_text(source);
            break;
        case MT_FIELD_TYPE_NAME:
            *(const char **)member = take_name(source);
            break;
        case MT_FIELD_TYPE_U64:
        case MT_FIELD_TYPE_COUNT:
        case MT_FIELD_TYPE_TIME:
            *(uint64_t *)member = take_number(source);
            break;
        case MT_FIELD_TYPE_CODE:
            *(uint16_t *)member = (uint16_t)(take_number(source) % 1000);
            break;
        case MT_FIELD_TYPE_FLAG:
            *member = record_pieces_byte(source) % 3;
            break;
        case MT_FIELD_TYPE_IP:
            *(struct mt_ip *)member = take_ip(source);
            break;
        case MT_FIELD_TYPE_MAC:
            *(const uint8_t **)member = take_mac(source);
            break;
        default:
            memcpy(member, &(struct list){0}, sizeof(struct list));
            struct list list = take_list(source, type);
            memcpy(member, &list, sizeof(list));
        }
    }
}

void record_pieces_init(struct record_pieces *source, const uint8_t *data, size_t size)
{
    source->rest = mt_span(data, size > 65536 ? 65536 : size);
    source->arena = malloc(ARENA_SIZE);
    source->used = 0;
    MT_BUG_ON(source->arena == NULL);
}

void record_pieces_fini(struct record_pieces *source)
{
    free(source->arena);
}
