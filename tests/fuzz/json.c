/* Bytes as the fields of a session record or an alert: the line is valid JSON
 * without control characters, the same in a buffer that just fits, and gone
 * without a trace in one that is a byte too short. */
#include "fuzz.h"

#include "../unit/export/json_check.h"
#include "base/check.h"
#include "export/json.h"

#include <stdlib.h>

#define ARENA_SIZE (1u << 20)
#define LINE_SIZE (1u << 20)
#define ITEMS_MAX 4u

/* What is left of the input, and memory for lists and names made of it. */
struct source {
    struct mt_span rest;
    uint8_t *arena;
    size_t used;
};

static uint8_t take_byte(struct source *source)
{
    if (source->rest.size == 0)
        return 0;
    uint8_t byte = source->rest.ptr[0];
    source->rest = mt_span_from(source->rest, 1);
    return byte;
}

static void *take_memory(struct source *source, size_t size)
{
    size = (size + 15) / 16 * 16;
    if (size > ARENA_SIZE - source->used)
        return NULL;
    void *memory = source->arena + source->used;
    source->used += size;
    memset(memory, 0, size);
    return memory;
}

static struct mt_span take_text(struct source *source)
{
    uint8_t size = take_byte(source);
    if (size == 0)
        return mt_span_none();
    struct mt_span text = mt_span_head(source->rest, size - 1u);
    source->rest = mt_span_from(source->rest, text.size);
    return text.ptr != NULL ? text : mt_span("", 0);
}

static const char *take_name(struct source *source)
{
    struct mt_span text = take_text(source);
    char *name = text.ptr != NULL ? take_memory(source, text.size + 1) : NULL;
    if (name != NULL && text.size > 0)
        memcpy(name, text.ptr, text.size);
    return name;
}

static uint64_t take_number(struct source *source)
{
    uint64_t number = 0;
    for (unsigned i = take_byte(source) % 9; i > 0; i--)
        number = number << 8 | take_byte(source);
    return number;
}

static const uint8_t *take_mac(struct source *source)
{
    if (source->rest.size < 6 || take_byte(source) % 2 == 0)
        return NULL;
    uint8_t *mac = take_memory(source, 6);
    for (unsigned i = 0; mac != NULL && i < 6; i++)
        mac[i] = take_byte(source);
    return mac;
}

static struct mt_ip take_ip(struct source *source)
{
    static const uint8_t families[] = {0, 4, 6};
    struct mt_ip ip = {.family = families[take_byte(source) % 3]};
    for (unsigned i = 0; i < (ip.family == 4 ? 4 : 16); i++)
        ip.bytes[i] = take_byte(source);
    return ip;
}

struct list {
    const void *items;
    uint32_t count;
};

static void fill(struct source *source, const struct mt_field_group *group, void *record);

static struct list take_list(struct source *source, enum mt_field_type type)
{
    const struct mt_field_group *group = mt_field_items(type);
    uint32_t count = take_byte(source) % (ITEMS_MAX + 1);
    size_t size = group != NULL ? group->struct_size : 16;
    uint8_t *items = take_memory(source, count * size);

    if (items == NULL)
        return (struct list){NULL, 0};
    for (uint32_t i = 0; i < count; i++) {
        void *item = items + i * size;
        if (group != NULL)
            fill(source, group, item);
        else if (type == MT_FIELD_TYPE_TEXTS)
            ((struct mt_span *)item)[0] = take_text(source);
        else if (type == MT_FIELD_TYPE_CODES)
            ((struct mt_code_count *)items)[i] =
                (struct mt_code_count){(uint16_t)(100 + i), take_byte(source)};
        else if (type == MT_FIELD_TYPE_VERBS)
            *(struct mt_verb_count *)item =
                (struct mt_verb_count){(const char *[]){"a", "b", "c", "d"}[i], 1};
        else
            ((const char **)items)[i] = "name";
    }
    return (struct list){items, count};
}

static void fill(struct source *source, const struct mt_field_group *group, void *record)
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
            *member = take_byte(source) % 3;
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

static void check_line(struct mt_span line)
{
    size_t off;
    MT_BUG_ON(line.size < 3 || line.ptr[line.size - 1] != '\n');
    MT_BUG_ON(!json_check(mt_span_head(line, line.size - 1), NULL, NULL, &off));
    for (size_t i = 0; i + 1 < line.size; i++) {
        MT_BUG_ON(line.ptr[i] < 0x20 || line.ptr[i] == 0x7f);
        MT_BUG_ON(line.ptr[i] == 0xc2 && line.ptr[i + 1] < 0xa0);
    }
}

typedef void put_function(struct mt_buf *b, const void *record);

static void put_session(struct mt_buf *b, const void *record)
{
    mt_json_put_session(b, record);
}

static void put_alert(struct mt_buf *b, const void *record)
{
    mt_json_put_alert(b, record);
}

static void encode(put_function *put, const void *record)
{
    uint8_t *memory = malloc(LINE_SIZE);
    MT_BUG_ON(memory == NULL);
    struct mt_buf line = mt_buf(memory, LINE_SIZE);
    put(&line, record);
    MT_BUG_ON(line.overflow);
    check_line(mt_buf_span(&line));

    uint8_t *exact = malloc(line.size);
    MT_BUG_ON(exact == NULL);
    struct mt_buf b = mt_buf(exact, line.size);
    put(&b, record);
    MT_BUG_ON(b.overflow || !mt_span_eq(mt_buf_span(&b), mt_buf_span(&line)));
    b = mt_buf(exact, line.size - 1);
    put(&b, record);
    MT_BUG_ON(!b.overflow || b.size != 0);
    free(exact);
    free(memory);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct source source = {.rest = mt_span(data, size > 65536 ? 65536 : size), .arena = malloc(ARENA_SIZE)};
    struct mt_record_session session = {0};
    struct mt_record_alert alert = {0};

    MT_BUG_ON(source.arena == NULL);
    if (take_byte(&source) % 2 == 0) {
        fill(&source, &mt_group_session, &session);
        encode(put_session, &session);
    } else {
        fill(&source, &mt_group_alert, &alert);
        encode(put_alert, &alert);
    }
    free(source.arena);
    return 0;
}
