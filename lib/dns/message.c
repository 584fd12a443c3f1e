#include "dns/message.h"

#include "base/buf.h"
#include "base/endian.h"

enum {
    CLASS_IN = 1,
    TYPE_CNAME = 5,
    TYPE_SOA = 6,
    RCODE_NONE = 0,
    RCODE_NO_NAME = 3,
    RECORDS_MAX = 64,
    LABELS_MAX = 127,
    WIRE_NAME_MAX = 255,
    /* RFC 2308 §5, when no SOA says how long there is none; and at most */
    NEGATIVE_TTL = 60,
    NEGATIVE_TTL_MAX = 3 * 3600,
};

struct cursor {
    struct mt_span message;
    size_t off;
};

static size_t left(const struct cursor *c)
{
    return c->message.size - c->off;
}

/* --- names ------------------------------------------------------------------- */

/* A label byte that host names, labels of services and reverse zones have. */
static bool is_plain(uint8_t byte)
{
    return byte > ' ' && byte < 0x7f && byte != '.' && byte != '\\' && byte != '"' && byte != '(' &&
           byte != ')' && byte != '<' && byte != '>';
}

static bool put_label(struct mt_dns_name *name, struct mt_span label)
{
    size_t need = label.size + (name->size > 0);

    if (need > MT_DNS_NAME_MAX - name->size)
        return false;
    if (name->size > 0)
        name->text[name->size++] = '.';
    for (size_t i = 0; i < label.size; i++) {
        if (!is_plain(label.ptr[i]))
            return false;
        name->text[name->size++] = mt_ascii_lower(label.ptr[i]);
    }
    return true;
}

/* Each pointer has to lead before the labels that it ends (RFC 1035 §4.1.4 says
 * "prior"), so the way through them has an end. */
static bool read_name(struct cursor *c, struct mt_dns_name *ret_name)
{
    const uint8_t *bytes = c->message.ptr;
    size_t size = c->message.size, at = c->off, start = c->off;
    bool has_jumped = false;

    ret_name->size = 0;
    for (unsigned labels = 0; labels <= LABELS_MAX; labels++) {
        if (at >= size)
            return false;
        uint8_t length = bytes[at];
        if (length >= 0xc0) {
            if (size - at < 2)
                return false;
            size_t to = mt_load_be16(bytes + at) & 0x3fff;
            if (!has_jumped)
                c->off = at + 2;
            has_jumped = true;
            if (to >= start)
                return false;
            at = start = to;
            continue;
        }
        if (length > 63 || size - at - 1 < length)
            return false;
        if (length == 0) {
            if (!has_jumped)
                c->off = at + 1;
            return true;
        }
        if (!put_label(ret_name, mt_span(bytes + at + 1, length)))
            return false;
        at += 1u + length;
    }
    return false;
}

/* Past a name, whatever is in it. */
static bool skip_name(struct cursor *c)
{
    size_t start = c->off;

    while (c->off < c->message.size && c->off - start < WIRE_NAME_MAX) {
        uint8_t length = c->message.ptr[c->off];
        if (length >= 0xc0) {
            c->off += 2;
            return c->off <= c->message.size;
        }
        if (length > 63)
            return false;
        c->off += 1u + length;
        if (length == 0)
            return c->off <= c->message.size;
    }
    return false;
}

static bool is_same_name(const struct mt_dns_name *a, const struct mt_dns_name *b)
{
    return mt_span_eq(mt_span(a->text, a->size), mt_span(b->text, b->size));
}

/* --- the question ------------------------------------------------------------- */

bool mt_dns_read_question(struct mt_span message, struct mt_dns_question *ret_question)
{
    struct cursor c = {.message = message, .off = MT_DNS_HEADER_SIZE};
    enum { ANSWER = 0x8000, OPCODE = 0x7800 };

    if (message.size < MT_DNS_HEADER_SIZE)
        return false;
    uint16_t flags = mt_load_be16(message.ptr + 2);
    if ((flags & OPCODE) != 0 || mt_load_be16(message.ptr + 4) != 1)
        return false;
    ret_question->id = mt_load_be16(message.ptr);
    ret_question->is_answer = (flags & ANSWER) != 0;
    if (!read_name(&c, &ret_question->name) || left(&c) < 4)
        return false;
    ret_question->type = mt_load_be16(message.ptr + c.off);
    return mt_load_be16(message.ptr + c.off + 2) == CLASS_IN;
}

/* --- records ------------------------------------------------------------------ */

struct record {
    struct mt_dns_name owner;
    uint32_t ttl;
    uint16_t type;
    uint16_t class;
    bool has_owner; /* false: a name that is not read */
    size_t data_off;
    size_t data_size;
};

static bool read_record(struct cursor *c, struct record *ret_record)
{
    struct cursor owner = *c;

    if (!skip_name(c) || left(c) < 10)
        return false;
    const uint8_t *fixed = c->message.ptr + c->off;
    uint32_t ttl = mt_load_be32(fixed + 4);
    ret_record->type = mt_load_be16(fixed);
    ret_record->class = mt_load_be16(fixed + 2);
    ret_record->ttl = ttl >> 31 ? 0 : ttl; /* RFC 2181 §8 */
    ret_record->data_size = mt_load_be16(fixed + 8);
    ret_record->data_off = c->off + 10;
    c->off += 10;
    if (left(c) < ret_record->data_size)
        return false;
    c->off += ret_record->data_size;
    ret_record->has_owner = read_name(&owner, &ret_record->owner);
    return true;
}

/* A name in a record's data, which has to end where the data does. */
static bool read_target(struct mt_span message, const struct record *record, size_t before,
                        struct mt_dns_name *ret_name)
{
    struct cursor c = {.message = message, .off = record->data_off + before};
    size_t end = record->data_off + record->data_size;

    return record->data_size > before && read_name(&c, ret_name) && c.off == end;
}

/* --- values ------------------------------------------------------------------- */

struct values {
    struct mt_span items[MT_DNS_ITEMS_MAX];
    uint32_t count;
    struct mt_buf bytes;
    uint8_t room[MT_DNS_ITEMS_SIZE];
    bool is_cut;
};

static int compare(struct mt_span a, struct mt_span b)
{
    size_t size = a.size < b.size ? a.size : b.size;
    int order = size > 0 ? memcmp(a.ptr, b.ptr, size) : 0;

    return order != 0 ? order : (a.size > b.size) - (a.size < b.size);
}

/* size bytes at the end of values->bytes become a value, in its place. */
static void add_item(struct values *values, size_t start)
{
    struct mt_span item = mt_span(values->bytes.ptr + start, values->bytes.size - start);
    uint32_t at = values->count;

    while (at > 0 && compare(values->items[at - 1], item) > 0)
        at--;
    if (at > 0 && mt_span_eq(values->items[at - 1], item))
        return;
    memmove(values->items + at + 1, values->items + at, (values->count - at) * sizeof(values->items[0]));
    values->items[at] = item;
    values->count++;
}

/* RFC 7208 §3.3: the strings of a record are one text. */
static bool put_text(struct mt_buf *b, struct mt_span data)
{
    size_t start = b->size;

    while (data.size > 0) {
        size_t size = data.ptr[0];
        if (data.size - 1 < size || b->size - start + size > MT_DNS_TEXT_MAX)
            return false;
        mt_buf_put_span(b, mt_span_head(mt_span_from(data, 1), size));
        data = mt_span_from(data, 1 + size);
    }
    return !b->overflow;
}

static bool is_spf(struct mt_span text)
{
    static const char version[] = "v=spf1";
    size_t size = sizeof(version) - 1;

    return mt_span_istarts(text, version) && (text.size == size || text.ptr[size] == ' ');
}

/* False: the record is damaged. */
static bool put_value(struct mt_span message, const struct record *record, struct mt_buf *b)
{
    struct mt_span data = mt_span_head(mt_span_from(message, record->data_off), record->data_size);
    struct mt_dns_name name;

    switch (record->type) {
    case MT_DNS_A:
        mt_buf_put_span(b, data);
        return data.size == 4;
    case MT_DNS_AAAA:
        mt_buf_put_span(b, data);
        return data.size == 16;
    case MT_DNS_PTR:
        if (!read_target(message, record, 0, &name))
            return false;
        mt_buf_put(b, name.text, name.size);
        return true;
    case MT_DNS_MX:
        if (!read_target(message, record, 2, &name))
            return false;
        mt_buf_put(b, data.ptr, 2);
        mt_buf_put(b, name.text, name.size);
        return true;
    default:
        return put_text(b, data);
    }
}

static void take_value(struct mt_span message, const struct record *record, struct values *values)
{
    size_t start = values->bytes.size;

    bool is_good = values->count < MT_DNS_ITEMS_MAX && put_value(message, record, &values->bytes) &&
                   !values->bytes.overflow;
    if (!is_good) {
        values->is_cut = true;
    } else if (record->type != MT_DNS_TXT ||
               is_spf(mt_span(values->bytes.ptr + start, values->bytes.size - start))) {
        add_item(values, start);
        return;
    }
    values->bytes.size = start;
    values->bytes.overflow = false;
}

static void pack(const struct values *values, struct mt_dns_answer *answer)
{
    struct mt_buf b = mt_buf(answer->items, sizeof(answer->items));

    answer->item_count = 0;
    for (uint32_t i = 0; i < values->count; i++) {
        struct mt_span item = values->items[i];
        if (b.cap - b.size < item.size + 2) {
            answer->is_cut = true;
            break;
        }
        mt_buf_put_byte(&b, (uint8_t)(item.size >> 8));
        mt_buf_put_byte(&b, (uint8_t)item.size);
        mt_buf_put_span(&b, item);
        answer->item_count++;
    }
    answer->size = (uint16_t)b.size;
}

bool mt_dns_next(struct mt_dns_items *items, struct mt_span *ret_item)
{
    if (items->rest.size < 2)
        return false;
    *ret_item = mt_span_head(mt_span_from(items->rest, 2), mt_load_be16(items->rest.ptr));
    items->rest = mt_span_from(items->rest, 2 + ret_item->size);
    return true;
}

/* --- the answer ---------------------------------------------------------------- */

static bool is_asked_for(uint16_t type)
{
    return type == MT_DNS_A || type == MT_DNS_AAAA || type == MT_DNS_PTR || type == MT_DNS_MX ||
           type == MT_DNS_TXT;
}

/* RFC 2308 §5: no longer than the SOA and its last field say. */
static uint32_t negative_ttl(struct mt_span message, const struct record *soa)
{
    uint32_t minimum = mt_load_be32(message.ptr + soa->data_off + soa->data_size - 4);
    uint32_t ttl = minimum < soa->ttl ? minimum : soa->ttl;

    return ttl < NEGATIVE_TTL_MAX ? ttl : NEGATIVE_TTL_MAX;
}

/* Answers, then the authority section, where only the SOA matters. */
static bool read_records(struct cursor *c, uint32_t answers, uint32_t records, struct mt_dns_answer *answer,
                         struct values *values)
{
    struct mt_dns_name current = answer->name;
    struct record record;

    for (uint32_t i = 0; i < records; i++) {
        if (i == RECORDS_MAX) {
            values->is_cut |= i < answers;
            return true;
        }
        if (!read_record(c, &record))
            return false;
        bool is_answer = i < answers;
        if (record.class != CLASS_IN || !record.has_owner)
            continue;
        if (!is_answer && record.type == TYPE_SOA && record.data_size >= 22 && values->count == 0) {
            answer->ttl = negative_ttl(c->message, &record);
        } else if (is_answer && is_same_name(&record.owner, &current)) {
            struct mt_dns_name target;
            bool is_alias = record.type == TYPE_CNAME && read_target(c->message, &record, 0, &target);
            if (is_alias)
                current = target;
            else if (record.type == answer->type)
                take_value(c->message, &record, values);
            else
                continue;
            answer->ttl = record.ttl < answer->ttl ? record.ttl : answer->ttl;
        }
    }
    return true;
}

enum mt_dns_verdict mt_dns_read_answer(struct mt_span message, const struct mt_dns_question *question,
                                       struct mt_dns_answer *ret_answer)
{
    enum { TRUNCATED = 0x0200, RCODE = 0x000f };
    uint16_t flags = mt_load_be16(message.ptr + 2);
    uint16_t rcode = flags & RCODE;
    uint32_t answers = mt_load_be16(message.ptr + 6);
    uint32_t records = answers + mt_load_be16(message.ptr + 8);
    struct cursor c = {.message = message, .off = MT_DNS_HEADER_SIZE};
    struct values values;

    if (!is_asked_for(question->type) || (rcode != RCODE_NONE && rcode != RCODE_NO_NAME))
        return MT_DNS_USELESS;
    if (flags & TRUNCATED)
        return MT_DNS_CUT;
    values.count = 0;
    values.is_cut = false;
    values.bytes = mt_buf(values.room, sizeof(values.room));
    ret_answer->type = question->type;
    ret_answer->name = question->name;
    ret_answer->ttl = UINT32_MAX;
    ret_answer->is_missing = rcode == RCODE_NO_NAME;
    if (!skip_name(&c) || left(&c) < 4)
        return MT_DNS_DAMAGED;
    c.off += 4;
    if (!read_records(&c, answers, records, ret_answer, &values))
        return MT_DNS_DAMAGED;
    ret_answer->is_cut = values.is_cut;
    pack(&values, ret_answer);
    if (ret_answer->item_count == 0 && ret_answer->ttl == UINT32_MAX)
        ret_answer->ttl = NEGATIVE_TTL;
    if (ret_answer->item_count > 0)
        ret_answer->is_missing = false;
    return MT_DNS_ANSWERED;
}

size_t mt_dns_answer_size(const struct mt_dns_answer *answer)
{
    return offsetof(struct mt_dns_answer, items) + answer->size;
}
