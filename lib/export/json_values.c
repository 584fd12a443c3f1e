/* Values of the encoder without a table (json_lines_priv.h). */
#include "base/check.h"
#include "export/json_lines_priv.h"

static MT_NOINLINE uint8_t *put_slowly(struct mt_json_pen *pen, uint8_t *to, struct mt_span text)
{
    struct mt_buf b = mt_buf(to, to < pen->limit ? (size_t)(pen->limit - to) : 0);

    mt_json_append_string(&b, text);
    pen->is_full |= b.overflow;
    return to + b.size;
}

MT_NOINLINE uint8_t *mt_json_value_text(struct mt_json_pen *pen, uint8_t *to, struct mt_span text)
{
    if (MT_LIKELY(text.size <= MT_JSON_SHORT_MAX && to < pen->limit) &&
        MT_LIKELY(mt_json_copy_plain(to, text)))
        return to + text.size + 2;
    return put_slowly(pen, to, text);
}

MT_NOINLINE uint8_t *mt_json_value_name(struct mt_json_pen *pen, uint8_t *to, const char *name)
{
    return mt_json_value_text(pen, to, mt_span_cstr(name));
}

/* ECS: upper case with hyphens (RFC 7042 §2.1). */
uint8_t *mt_json_put_mac(uint8_t *to, const void *member)
{
    static const char digits[] = "0123456789ABCDEF";
    const uint8_t *mac = *(const uint8_t *const *)member;

    *to++ = '"';
    for (unsigned i = 0; i < 6; i++) {
        *to++ = (uint8_t)digits[mac[i] >> 4];
        *to++ = (uint8_t)digits[mac[i] & 15];
        *to++ = '-';
    }
    to[-1] = '"';
    return to;
}

uint8_t *mt_json_put_texts(struct mt_json_pen *pen, uint8_t *to, const void *member)
{
    const struct mt_texts *texts = member;

    for (uint32_t i = 0; i < texts->count && mt_json_has_room(pen, to); i++) {
        *to++ = i == 0 ? '[' : ',';
        to = mt_json_value_text(pen, to, texts->items[i]);
    }
    *to = ']';
    return to + 1;
}

uint8_t *mt_json_put_names(struct mt_json_pen *pen, uint8_t *to, const void *member)
{
    const struct mt_names *names = member;

    for (uint32_t i = 0; i < names->count && mt_json_has_room(pen, to); i++) {
        *to++ = i == 0 ? '[' : ',';
        to = mt_json_value_name(pen, to, names->items[i]);
    }
    *to = ']';
    return to + 1;
}

/* Three digits as they stood, 000 to 999 (DESIGN rule 2). */
uint8_t *mt_json_put_codes(struct mt_json_pen *pen, uint8_t *to, const void *member)
{
    const struct mt_codes *codes = member;

    for (uint32_t i = 0; i < codes->count && mt_json_has_room(pen, to); i++) {
        unsigned code = codes->items[i].code;
        MT_CHECK_HOT(code <= 999);
        const uint8_t key[8] = {i == 0 ? '{' : ',',
                                '"',
                                (uint8_t)('0' + code / 100 % 10),
                                (uint8_t)('0' + code / 10 % 10),
                                (uint8_t)('0' + code % 10),
                                '"',
                                ':'};
        memcpy(to, key, sizeof(key));
        to = mt_text_u64(to + 7, codes->items[i].count);
    }
    *to = '}';
    return to + 1;
}

uint8_t *mt_json_put_verbs(struct mt_json_pen *pen, uint8_t *to, const void *member)
{
    const struct mt_verbs *verbs = member;

    for (uint32_t i = 0; i < verbs->count && mt_json_has_room(pen, to); i++) {
        *to++ = i == 0 ? '{' : ',';
        to = mt_json_value_name(pen, to, verbs->items[i].verb);
        *to++ = ':';
        to = mt_text_u64(to, verbs->items[i].count);
    }
    *to = '}';
    return to + 1;
}

uint8_t *mt_json_put_pairs(struct mt_json_pen *pen, uint8_t *to, const void *member)
{
    struct mt_buf b = mt_buf(to, to < pen->limit ? (size_t)(pen->limit - to) : 0);
    struct mt_json_list list = mt_json_list(member);

    mt_json_append_pairs(&b, list.items, list.count);
    pen->is_full |= b.overflow;
    return to + b.size;
}
