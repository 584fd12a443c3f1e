#include "export/json.h"

#include "base/check.h"
#include "base/text.h"
#include "export/json_lines_priv.h"
#include "export/json_priv.h"
#include "export/json_table_priv.h"

MT_STATIC_ASSERT(MT_RECORD_SEQ == 1, "the meaning of a field has changed: look whether its encoding has");
MT_STATIC_ASSERT(sizeof(struct mt_json_pair) == sizeof(struct mt_record_parameter),
                 "put_pairs reads parameters");
MT_STATIC_ASSERT(sizeof(struct mt_json_pair) == sizeof(struct mt_record_groupby),
                 "put_pairs reads what was counted by");

/* Scalars and keys are written without a test for every byte: a member is
 * begun only where this much room is, or in the spill. */
#define CLOSING_MAX 4u /* braces, of MT_JSON_DEPTH_MAX objects */
#define VALUE_MAX (2u + MT_IP_TEXT_MAX)
#define SPILL_MAX (CLOSING_MAX + MT_JSON_KEY_MAX + VALUE_MAX)
#define STRING_MAX (CLOSING_MAX + MT_JSON_KEY_MAX + 2u + MT_JSON_SHORT_MAX)

MT_STATIC_ASSERT(CLOSING_MAX > MT_JSON_DEPTH_MAX, "braces are stored four at a time");
MT_STATIC_ASSERT(VALUE_MAX >= 2 + MT_TEXT_TIME_MAX && VALUE_MAX >= MT_TEXT_U64_MAX, "the longest scalars");

MT_STATIC_ASSERT(MT_JSON_KEY_MAX - MT_JSON_LEAF_MAX <= 32, "put_path copies so much before the leaf");

/* A line being written. */
struct line {
    struct mt_buf b;
    const struct mt_json_group *groups;
    struct mt_text_second second;
    uint8_t spill[SPILL_MAX]; /* for what may not fit */
};

/* An object being written. Every member begins with a comma; the first one's
 * becomes the opening brace when the object ends. */
struct object {
    struct line *line;
    uint32_t objects; /* as in struct mt_json_field: those open now */
    uint32_t depth;
};

static void put_object(struct line *line, unsigned group, const void *record);

static inline uint8_t *begin_member(struct line *line)
{
    struct mt_buf *b = &line->b;

    return MT_LIKELY(b->cap - b->size >= SPILL_MAX) ? b->ptr + b->size : line->spill;
}

static inline void end_member(struct line *line, const uint8_t *begin, const uint8_t *end)
{
    size_t size = (size_t)(end - begin);

    if (MT_UNLIKELY(begin == line->spill))
        mt_buf_put(&line->b, begin, size);
    else
        line->b.size += size;
}

/* Closes and opens inner objects as needed, and writes the key behind them. */
static MT_NOINLINE uint8_t *put_path(struct object *object, const struct mt_json_field *field, uint8_t *to)
{
    uint32_t shared = field->depth < object->depth ? field->depth : object->depth;
    uint32_t differ = (uint32_t)__builtin_ctz(field->objects ^ object->objects) / 8;
    if (differ < shared)
        shared = differ;

    uint32_t start = field->start[shared];
    memcpy(to, "}}}}", CLOSING_MAX);
    to += object->depth - shared;
    memcpy(to, (const uint8_t *)field + start, 32); /* at least up to the leaf, from within the line */
    memcpy(to + field->leaf - start, field->text + field->leaf, MT_JSON_LEAF_MAX);
    *to = ',';
    object->objects = field->objects;
    object->depth = field->depth;
    return to + field->size - start;
}

/* The key, in its object. Most members stand in the same one as the last. */
static inline uint8_t *put_key(struct object *object, const struct mt_json_field *field, uint8_t *to)
{
    if (MT_UNLIKELY(field->objects != object->objects))
        return put_path(object, field, to);
    memcpy(to, field->text + field->leaf, MT_JSON_LEAF_MAX);
    *to = ',';
    return to + field->size - field->leaf;
}

static void put_key_alone(struct object *object, const struct mt_json_field *field)
{
    uint8_t *begin = begin_member(object->line);

    end_member(object->line, begin, put_key(object, field, begin));
}

static void put_string(struct object *object, const struct mt_json_field *field, struct mt_span text)
{
    struct mt_buf *b = &object->line->b;

    if (MT_LIKELY(text.size <= MT_JSON_SHORT_MAX && b->cap - b->size >= STRING_MAX)) {
        uint8_t *to = put_key(object, field, b->ptr + b->size);
        size_t size = (size_t)(to - b->ptr);
        bool is_plain = mt_json_copy_plain(to, text);
        b->size = is_plain ? size + text.size + 2 : size;
        if (MT_LIKELY(is_plain))
            return;
    } else {
        put_key_alone(object, field);
    }
    mt_json_append_string(b, text);
}

static void put_text(struct object *object, const struct mt_json_field *field, const struct mt_span *text)
{
    if (text->ptr != NULL)
        put_string(object, field, *text);
}

static void put_name(struct object *object, const struct mt_json_field *field, const char *name)
{
    if (name != NULL)
        put_string(object, field, mt_span_cstr(name));
}

static void put_number(struct object *object, const struct mt_json_field *field, uint64_t value)
{
    uint8_t *begin = begin_member(object->line);
    uint8_t *to = put_key(object, field, begin);

    end_member(object->line, begin, mt_text_u64(to, value));
}

static void put_flag(struct object *object, const struct mt_json_field *field, uint8_t flag)
{
    if (flag == MT_FLAG_ABSENT)
        return;
    put_key_alone(object, field);
    mt_buf_put_cstr(&object->line->b, flag == MT_FLAG_TRUE ? "true" : "false");
}

static void put_time(struct object *object, const struct mt_json_field *field, uint64_t time)
{
    if (time == 0)
        return;
    uint8_t *begin = begin_member(object->line);
    uint8_t *to = put_key(object, field, begin);

    *to++ = '"';
    to = mt_text_time(to, time, &object->line->second);
    *to++ = '"';
    end_member(object->line, begin, to);
}

static void put_ip(struct object *object, const struct mt_json_field *field, const struct mt_ip *ip)
{
    if (ip->family == 0)
        return;
    uint8_t *begin = begin_member(object->line);
    uint8_t *to = put_key(object, field, begin);

    *to++ = '"';
    to = mt_ip_text(to, ip);
    *to++ = '"';
    end_member(object->line, begin, to);
}

/* ECS: upper case with hyphens (RFC 7042 §2.1). */
static void put_mac(struct object *object, const struct mt_json_field *field, const uint8_t *mac)
{
    static const char digits[] = "0123456789ABCDEF";

    if (mac == NULL)
        return;
    uint8_t *begin = begin_member(object->line);
    uint8_t *to = put_key(object, field, begin);

    *to++ = '"';
    for (unsigned i = 0; i < 6; i++) {
        *to++ = (uint8_t)digits[mac[i] >> 4];
        *to++ = (uint8_t)digits[mac[i] & 15];
        *to++ = '-';
    }
    to[-1] = '"';
    end_member(object->line, begin, to);
}

static void put_texts(struct object *object, const struct mt_json_field *field, const struct mt_texts *texts)
{
    struct mt_buf *b = &object->line->b;

    if (texts->count == 0)
        return;
    put_key_alone(object, field);
    for (uint32_t i = 0; i < texts->count; i++) {
        mt_buf_put_byte(b, i == 0 ? '[' : ',');
        mt_json_append_string(b, texts->items[i]);
    }
    mt_buf_put_byte(b, ']');
}

static void put_names(struct object *object, const struct mt_json_field *field, const struct mt_names *names)
{
    struct mt_buf *b = &object->line->b;

    if (names->count == 0)
        return;
    put_key_alone(object, field);
    for (uint32_t i = 0; i < names->count; i++) {
        mt_buf_put_byte(b, i == 0 ? '[' : ',');
        mt_json_append_string(b, mt_span_cstr(names->items[i]));
    }
    mt_buf_put_byte(b, ']');
}

static void put_codes(struct object *object, const struct mt_json_field *field, const struct mt_codes *codes)
{
    struct mt_buf *b = &object->line->b;

    if (codes->count == 0)
        return;
    put_key_alone(object, field);
    for (uint32_t i = 0; i < codes->count; i++) {
        /* three digits as they stood, 000 to 999 (DESIGN rule 2) */
        unsigned code = codes->items[i].code;
        MT_CHECK_HOT(code <= 999);
        uint8_t *begin = begin_member(object->line);
        const uint8_t key[8] = {i == 0 ? '{' : ',',
                                '"',
                                (uint8_t)('0' + code / 100 % 10),
                                (uint8_t)('0' + code / 10 % 10),
                                (uint8_t)('0' + code % 10),
                                '"',
                                ':'};
        memcpy(begin, key, sizeof(key));
        end_member(object->line, begin, mt_text_u64(begin + 7, codes->items[i].count));
    }
    mt_buf_put_byte(b, '}');
}

static void put_verbs(struct object *object, const struct mt_json_field *field, const struct mt_verbs *verbs)
{
    struct mt_buf *b = &object->line->b;

    if (verbs->count == 0)
        return;
    put_key_alone(object, field);
    for (uint32_t i = 0; i < verbs->count; i++) {
        mt_buf_put_byte(b, i == 0 ? '{' : ',');
        mt_json_append_string(b, mt_span_cstr(verbs->items[i].verb));
        mt_buf_put_byte(b, ':');
        mt_buf_put_u64(b, verbs->items[i].count);
    }
    mt_buf_put_byte(b, '}');
}

static bool is_taken(const struct mt_json_pair *pairs, uint32_t count, struct mt_span key,
                     struct mt_span suffix)
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
static uint64_t number_of_key(const struct mt_json_pair *pairs, uint32_t count, uint32_t at)
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

void mt_json_append_pairs(struct mt_buf *b, const struct mt_json_pair *pairs, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        mt_buf_put_byte(b, i == 0 ? '{' : ',');
        mt_json_append_string(b, pairs[i].key);
        uint64_t number = number_of_key(pairs, count, i);
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

static void put_pairs(struct object *object, const struct mt_json_field *field,
                      const struct mt_json_list *list)
{
    if (list->count == 0)
        return;
    put_key_alone(object, field);
    mt_json_append_pairs(&object->line->b, list->items, list->count);
}

static void put_objects(struct object *object, const struct mt_json_field *field,
                        const struct mt_json_list *list)
{
    struct mt_buf *b = &object->line->b;
    const uint8_t *item = list->items;

    if (list->count == 0)
        return;
    put_key_alone(object, field);
    for (uint32_t i = 0; i < list->count && !b->overflow; i++) {
        mt_buf_put_byte(b, i == 0 ? '[' : ',');
        put_object(object->line, field->items, item);
        item += object->line->groups[field->items].struct_size;
    }
    mt_buf_put_byte(b, ']');
}

static void put_member(struct object *object, const struct mt_json_field *field, const void *member)
{
    uint64_t number = 0;

    switch ((enum mt_field_type)field->type) {
    case MT_FIELD_TYPE_TEXT:
        put_text(object, field, member);
        return;
    case MT_FIELD_TYPE_NAME:
        put_name(object, field, *(const char *const *)member);
        return;
    case MT_FIELD_TYPE_U64:
        number = *(const uint64_t *)member;
        break;
    case MT_FIELD_TYPE_COUNT:
        number = *(const uint64_t *)member;
        if (number == 0)
            return;
        break;
    case MT_FIELD_TYPE_CODE:
        number = *(const uint16_t *)member;
        if (number == 0)
            return;
        break;
    case MT_FIELD_TYPE_FLAG:
        put_flag(object, field, *(const uint8_t *)member);
        return;
    case MT_FIELD_TYPE_TIME:
        put_time(object, field, *(const uint64_t *)member);
        return;
    case MT_FIELD_TYPE_IP:
        put_ip(object, field, member);
        return;
    case MT_FIELD_TYPE_MAC:
        put_mac(object, field, *(const uint8_t *const *)member);
        return;
    case MT_FIELD_TYPE_TEXTS:
        put_texts(object, field, member);
        return;
    case MT_FIELD_TYPE_NAMES:
        put_names(object, field, member);
        return;
    case MT_FIELD_TYPE_CODES:
        put_codes(object, field, member);
        return;
    case MT_FIELD_TYPE_VERBS:
        put_verbs(object, field, member);
        return;
    case MT_FIELD_TYPE_PARAMETERS:
    case MT_FIELD_TYPE_GROUPBYS:
        put_pairs(object, field, member);
        return;
    case MT_FIELD_TYPE_OUTER:
    case MT_FIELD_TYPE_AUTH:
    case MT_FIELD_TYPE_PROBE:
    case MT_FIELD_TYPE_RECIPIENT:
    case MT_FIELD_TYPE_HOP:
    case MT_FIELD_TYPE_PART:
    case MT_FIELD_TYPE_SIGNATURE:
    case MT_FIELD_TYPE_CHUNK:
    case MT_FIELD_TYPE_CERTIFICATE:
    case MT_FIELD_TYPE_HEADER:
    case MT_FIELD_TYPE_TRANSACTION:
        put_objects(object, field, member);
        return;
    }
    put_number(object, field, number);
}

static void put_object(struct line *line, unsigned group, const void *record)
{
    const struct mt_json_group *members = &line->groups[group];
    struct object object = {.line = line};
    struct mt_buf *b = &line->b;
    size_t begin = b->size;

    for (uint32_t i = 0; i < members->count; i++)
        put_member(&object, &members->fields[i], (const uint8_t *)record + members->fields[i].off);

    if (b->size == begin)
        mt_buf_put_byte(b, '{');
    else
        b->ptr[begin] = '{';
    mt_buf_put(b, "}}}}", object.depth + 1);
}

/* The whole line or nothing. */
void mt_json_put_line(struct mt_buf *b, const struct mt_json_group *groups, unsigned group,
                      const void *record)
{
    struct line line; /* the spill is never read before it is written */

    line.b = mt_buf(b->ptr, b->cap);
    line.b.size = b->size;
    line.groups = groups;
    line.second.number = 0;
    put_object(&line, group, record);
    mt_buf_put_byte(&line.b, '\n');
    if (line.b.overflow)
        b->overflow = true;
    else
        b->size = line.b.size;
}

/* What may not fit is written by the walk, which knows how much does. */
static bool begin_straight(const struct mt_buf *b, struct mt_json_pen *ret_pen)
{
    if (b->cap - b->size <= mt_json_reserve)
        return false;
    ret_pen->limit = b->ptr + b->cap - mt_json_reserve;
    ret_pen->is_full = false;
    ret_pen->second.number = 0;
    return true;
}

static bool end_straight(struct mt_buf *b, const struct mt_json_pen *pen, uint8_t *to)
{
    if (pen->is_full)
        return false;
    *to = '\n';
    b->size = (size_t)(to + 1 - b->ptr);
    return true;
}

void mt_json_put_session(struct mt_buf *b, const struct mt_record_session *record)
{
    struct mt_json_pen pen;

    if (MT_LIKELY(begin_straight(b, &pen)) &&
        MT_LIKELY(end_straight(b, &pen, mt_json_straight_session(&pen, b->ptr + b->size, record))))
        return;
    mt_json_put_line(b, mt_json_groups, MT_JSON_GROUP_SESSION, record);
}

void mt_json_put_alert(struct mt_buf *b, const struct mt_record_alert *alert)
{
    struct mt_json_pen pen;

    if (MT_LIKELY(begin_straight(b, &pen)) &&
        MT_LIKELY(end_straight(b, &pen, mt_json_straight_alert(&pen, b->ptr + b->size, alert))))
        return;
    mt_json_put_line(b, mt_json_groups, MT_JSON_GROUP_ALERT, alert);
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
