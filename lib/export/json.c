#include "export/json.h"

#include "base/check.h"
#include "export/json_priv.h"
#include "export/json_table_priv.h"

/* All list members of a record look like this, whatever their items are. */
struct list {
    const void *items;
    uint32_t count;
};

/* Items of lists that are written as objects, seen as two texts each. */
struct pair {
    struct mt_span key;
    struct mt_span value;
};

MT_STATIC_ASSERT(MT_RECORD_SEQ == 1, "the meaning of a field has changed: look whether its encoding has");
MT_STATIC_ASSERT(sizeof(struct list) == sizeof(struct mt_texts), "put_objects reads any list");
MT_STATIC_ASSERT(sizeof(struct list) == sizeof(struct mt_transactions), "put_objects reads any list");
MT_STATIC_ASSERT(sizeof(struct pair) == sizeof(struct mt_record_parameter), "put_pairs reads parameters");
MT_STATIC_ASSERT(sizeof(struct pair) == sizeof(struct mt_record_groupby),
                 "put_pairs reads what was counted by");

/* An object being written. Every member begins with a comma; the first one's
 * becomes the opening brace when the object ends. */
struct object {
    struct mt_buf *b;
    size_t begin;
    uint32_t objects; /* as in struct mt_json_field: those open now */
    uint32_t depth;
};

static void put_object(struct mt_buf *b, unsigned group, const void *record);

/* Closes and opens inner objects as needed, and writes the key. */
static void put_key(struct object *object, const struct mt_json_field *field)
{
    struct mt_buf *b = object->b;
    uint32_t shared = field->depth < object->depth ? field->depth : object->depth;
    uint32_t differ = field->objects ^ object->objects;
    if (differ != 0 && (uint32_t)__builtin_ctz(differ) / 8 < shared)
        shared = (uint32_t)__builtin_ctz(differ) / 8;

    uint32_t start = field->start[shared];
    uint32_t closed = object->depth - shared;
    if (MT_UNLIKELY(b->cap - b->size < closed + field->size - start)) {
        b->overflow = true;
        return;
    }
    uint8_t *to = b->ptr + b->size;
    memcpy(to, "}}}}", 4); /* a key is longer than that: ,"a": */
    to += closed;
    mt_json_copy_short(to, field->text + start, field->size - start);
    *to = ',';
    b->size += closed + field->size - start;
    object->objects = field->objects;
    object->depth = field->depth;
}

static void put_text(struct object *object, const struct mt_json_field *field, const struct mt_span *text)
{
    if (text->ptr == NULL)
        return;
    put_key(object, field);
    mt_json_append_string(object->b, *text);
}

static void put_name(struct object *object, const struct mt_json_field *field, const char *name)
{
    if (name == NULL)
        return;
    put_key(object, field);
    mt_json_append_string(object->b, mt_span_cstr(name));
}

static void put_number(struct object *object, const struct mt_json_field *field, uint64_t value)
{
    put_key(object, field);
    mt_buf_put_u64(object->b, value);
}

static void put_flag(struct object *object, const struct mt_json_field *field, uint8_t flag)
{
    if (flag == MT_FLAG_ABSENT)
        return;
    put_key(object, field);
    mt_buf_put_cstr(object->b, flag == MT_FLAG_TRUE ? "true" : "false");
}

static void put_time(struct object *object, const struct mt_json_field *field, uint64_t time)
{
    if (time == 0)
        return;
    put_key(object, field);
    mt_buf_put_byte(object->b, '"');
    mt_buf_put_time(object->b, time);
    mt_buf_put_byte(object->b, '"');
}

static void put_ip(struct object *object, const struct mt_json_field *field, const struct mt_ip *ip)
{
    if (ip->family == 0)
        return;
    put_key(object, field);
    mt_buf_put_byte(object->b, '"');
    mt_buf_put_ip(object->b, ip);
    mt_buf_put_byte(object->b, '"');
}

/* ECS: upper case with hyphens (RFC 7042 §2.1). */
static void put_mac(struct object *object, const struct mt_json_field *field, const uint8_t *mac)
{
    static const char digits[] = "0123456789ABCDEF";
    char text[19];

    if (mac == NULL)
        return;
    text[0] = '"';
    for (unsigned i = 0; i < 6; i++) {
        text[3 * i + 1] = digits[mac[i] >> 4];
        text[3 * i + 2] = digits[mac[i] & 15];
        text[3 * i + 3] = '-';
    }
    text[18] = '"';
    put_key(object, field);
    mt_buf_put(object->b, text, sizeof(text));
}

static void put_texts(struct object *object, const struct mt_json_field *field, const struct mt_texts *texts)
{
    if (texts->count == 0)
        return;
    put_key(object, field);
    for (uint32_t i = 0; i < texts->count; i++) {
        mt_buf_put_byte(object->b, i == 0 ? '[' : ',');
        mt_json_append_string(object->b, texts->items[i]);
    }
    mt_buf_put_byte(object->b, ']');
}

static void put_names(struct object *object, const struct mt_json_field *field, const struct mt_names *names)
{
    if (names->count == 0)
        return;
    put_key(object, field);
    for (uint32_t i = 0; i < names->count; i++) {
        mt_buf_put_byte(object->b, i == 0 ? '[' : ',');
        mt_json_append_string(object->b, mt_span_cstr(names->items[i]));
    }
    mt_buf_put_byte(object->b, ']');
}

static void put_codes(struct object *object, const struct mt_json_field *field, const struct mt_codes *codes)
{
    if (codes->count == 0)
        return;
    put_key(object, field);
    for (uint32_t i = 0; i < codes->count; i++) {
        /* three digits as they stood, 000 to 999 (DESIGN rule 2) */
        unsigned code = codes->items[i].code;
        MT_CHECK_HOT(code <= 999);
        char key[7] = {i == 0 ? '{' : ',',
                       '"',
                       (char)('0' + code / 100 % 10),
                       (char)('0' + code / 10 % 10),
                       (char)('0' + code % 10),
                       '"',
                       ':'};
        mt_buf_put(object->b, key, sizeof(key));
        mt_buf_put_u64(object->b, codes->items[i].count);
    }
    mt_buf_put_byte(object->b, '}');
}

static void put_verbs(struct object *object, const struct mt_json_field *field, const struct mt_verbs *verbs)
{
    if (verbs->count == 0)
        return;
    put_key(object, field);
    for (uint32_t i = 0; i < verbs->count; i++) {
        mt_buf_put_byte(object->b, i == 0 ? '{' : ',');
        mt_json_append_string(object->b, mt_span_cstr(verbs->items[i].verb));
        mt_buf_put_byte(object->b, ':');
        mt_buf_put_u64(object->b, verbs->items[i].count);
    }
    mt_buf_put_byte(object->b, '}');
}

static bool is_taken(const struct pair *pairs, uint32_t count, struct mt_span key, struct mt_span suffix)
{
    for (uint32_t i = 0; i < count; i++) {
        struct mt_span other = pairs[i].key;
        if (other.size < suffix.size || !mt_span_eq(mt_span_from(other, other.size - suffix.size), suffix))
            continue;
        if (mt_json_same_string(mt_span_head(other, other.size - suffix.size), key))
            return true;
    }
    return false;
}

/* Which one of the equal keys pairs[at] is: 1 for the first, whose key stands
 * as it is. The others become KEY_2, KEY_3, ...; numbers that would give the
 * name of another key are passed over. Keys of one MAIL or RCPT are few
 * (MT_SMTP_PARAMETERS_MAX) and rarely equal. */
static uint64_t number_of_key(const struct pair *pairs, uint32_t count, uint32_t at)
{
    uint64_t number = 1;
    for (uint32_t i = 0; i < at; i++) {
        if (!mt_json_same_string(pairs[i].key, pairs[at].key))
            continue;
        bool is_free;
        do {
            uint8_t digits[21];
            struct mt_buf suffix = mt_buf(digits, sizeof(digits));
            mt_buf_put_byte(&suffix, '_');
            mt_buf_put_u64(&suffix, ++number);
            is_free = !is_taken(pairs, count, pairs[at].key, mt_buf_span(&suffix));
        } while (!is_free);
    }
    return number;
}

static void put_pairs(struct object *object, const struct mt_json_field *field, const struct list *list)
{
    const struct pair *pairs = list->items;
    struct mt_buf *b = object->b;

    if (list->count == 0)
        return;
    put_key(object, field);
    for (uint32_t i = 0; i < list->count; i++) {
        mt_buf_put_byte(b, i == 0 ? '{' : ',');
        mt_json_append_string(b, pairs[i].key);
        uint64_t number = number_of_key(pairs, list->count, i);
        if (number > 1 && !b->overflow) {
            b->size--; /* the closing quote */
            mt_buf_put_byte(b, '_');
            mt_buf_put_u64(b, number);
            mt_buf_put_byte(b, '"');
        }
        mt_buf_put_byte(b, ':');
        mt_json_append_string(b, pairs[i].value);
    }
    mt_buf_put_byte(b, '}');
}

static void put_objects(struct object *object, const struct mt_json_field *field, const struct list *list)
{
    const uint8_t *item = list->items;

    if (list->count == 0)
        return;
    put_key(object, field);
    for (uint32_t i = 0; i < list->count && !object->b->overflow; i++) {
        mt_buf_put_byte(object->b, i == 0 ? '[' : ',');
        put_object(object->b, field->items, item);
        item += mt_json_groups[field->items].struct_size;
    }
    mt_buf_put_byte(object->b, ']');
}

static void put_member(struct object *object, const struct mt_json_field *field, const void *member)
{
    switch ((enum mt_field_type)field->type) {
    case MT_FIELD_TYPE_TEXT:
        put_text(object, field, member);
        break;
    case MT_FIELD_TYPE_NAME:
        put_name(object, field, *(const char *const *)member);
        break;
    case MT_FIELD_TYPE_U64:
        put_number(object, field, *(const uint64_t *)member);
        break;
    case MT_FIELD_TYPE_COUNT:
        if (*(const uint64_t *)member != 0)
            put_number(object, field, *(const uint64_t *)member);
        break;
    case MT_FIELD_TYPE_CODE:
        if (*(const uint16_t *)member != 0)
            put_number(object, field, *(const uint16_t *)member);
        break;
    case MT_FIELD_TYPE_FLAG:
        put_flag(object, field, *(const uint8_t *)member);
        break;
    case MT_FIELD_TYPE_TIME:
        put_time(object, field, *(const uint64_t *)member);
        break;
    case MT_FIELD_TYPE_IP:
        put_ip(object, field, member);
        break;
    case MT_FIELD_TYPE_MAC:
        put_mac(object, field, *(const uint8_t *const *)member);
        break;
    case MT_FIELD_TYPE_TEXTS:
        put_texts(object, field, member);
        break;
    case MT_FIELD_TYPE_NAMES:
        put_names(object, field, member);
        break;
    case MT_FIELD_TYPE_CODES:
        put_codes(object, field, member);
        break;
    case MT_FIELD_TYPE_VERBS:
        put_verbs(object, field, member);
        break;
    case MT_FIELD_TYPE_PARAMETERS:
    case MT_FIELD_TYPE_GROUPBYS:
        put_pairs(object, field, member);
        break;
    case MT_FIELD_TYPE_AUTH:
    case MT_FIELD_TYPE_PROBE:
    case MT_FIELD_TYPE_RECIPIENT:
    case MT_FIELD_TYPE_TRANSACTION:
        put_objects(object, field, member);
        break;
    }
}

static void put_object(struct mt_buf *b, unsigned group, const void *record)
{
    const struct mt_json_group *members = &mt_json_groups[group];
    struct object object = {.b = b, .begin = b->size};

    for (uint32_t i = 0; i < members->count; i++)
        put_member(&object, &members->fields[i], (const uint8_t *)record + members->fields[i].off);

    if (b->size == object.begin)
        mt_buf_put_byte(b, '{');
    else
        b->ptr[object.begin] = '{';
    mt_buf_put(b, "}}}}", object.depth + 1);
}

/* The whole line or nothing. */
static void put_line(struct mt_buf *b, unsigned group, const void *record)
{
    struct mt_buf line = *b;

    line.overflow = false;
    put_object(&line, group, record);
    mt_buf_put_byte(&line, '\n');
    if (line.overflow)
        b->overflow = true;
    else
        b->size = line.size;
}

void mt_json_put_session(struct mt_buf *b, const struct mt_record_session *record)
{
    put_line(b, MT_JSON_GROUP_SESSION, record);
}

void mt_json_put_alert(struct mt_buf *b, const struct mt_record_alert *alert)
{
    put_line(b, MT_JSON_GROUP_ALERT, alert);
}

void mt_json_put_string(struct mt_buf *b, struct mt_span text)
{
    struct mt_buf string = *b;

    string.overflow = false;
    mt_json_append_string(&string, text);
    if (string.overflow)
        b->overflow = true;
    else
        b->size = string.size;
}
