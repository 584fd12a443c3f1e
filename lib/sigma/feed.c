#include "sigma/feed_priv.h"

#include "sigma/program_priv.h"

/* The same in every run and on every sensor, so that groups are. */
#define KEY_SEED UINT64_C(0x6D61696C74617002)

#define KEY_VALUES_MAX 16u

/* The values of one field, of which each is another group. */
struct key_values {
    struct mt_span texts[KEY_VALUES_MAX];
    uint8_t storage[KEY_VALUES_MAX][MT_SIGMA_TEXT_ROOM];
    uint32_t count;
};

struct packing {
    const struct mt_sigma_feed_more *more;
    const struct mt_sigma_event *event;
    struct mt_buf *b;
    struct key_values *keys; /* MT_SIGMA_KEYS_MAX; ten kilobytes, so they are not cleared */
    struct key_values *filling;
    bool has_texts;  /* values are shown; not when they would leave no room for what counts */
    bool is_number;  /* values are added up, not told apart */
    bool is_visible; /* the values of the field in hand */
    uint64_t hash;   /* of the values of the fields before, where there are several */
    uint32_t value_count;
};

static void put_small_text(struct mt_buf *b, struct mt_span text, size_t size_max)
{
    uint8_t size = (uint8_t)mt_min_u64(text.size, size_max);
    mt_buf_put_byte(b, size);
    mt_buf_put(b, text.ptr, size);
}

static uint64_t hash_of(uint64_t seed, struct mt_span text)
{
    uint8_t lower[256];
    if (text.size > sizeof(lower))
        return mt_hash_bytes(seed, text);
    mt_ascii_put_lower(lower, text.ptr, text.size);
    return mt_hash_bytes(seed, mt_span(lower, text.size));
}

/* --- groups ----------------------------------------------------------------------- */

static bool on_key_value(void *ctx, const struct mt_sigma_value *value)
{
    struct key_values *keys = ((struct packing *)ctx)->filling;
    if (value->kind == MT_SIGMA_LIST)
        return true;
    struct mt_span text = mt_sigma_value_text(value, keys->storage[keys->count]);
    for (uint32_t i = 0; i < keys->count; i++) {
        if (mt_span_ieq(keys->texts[i], text))
            return true;
    }
    keys->texts[keys->count++] = text;
    return keys->count < KEY_VALUES_MAX;
}

/* Combinations of the keys' values, the last key's change fastest. */
static uint32_t put_groups(struct packing *p, const struct mt_sigma_route *route)
{
    uint32_t at[MT_SIGMA_KEYS_MAX] = {0};
    uint32_t count = 0;
    for (;;) {
        struct mt_hash128 key = {.word = {route->to->correlation->identity, KEY_SEED}};
        for (uint32_t i = 0; i < route->key_count; i++) {
            struct mt_span text = p->keys[i].texts[at[i]];
            key.word[0] = mt_hash_pair(key.word[0], hash_of(KEY_SEED, text), text.size);
            key.word[1] = mt_hash_pair(key.word[1], hash_of(~KEY_SEED, text), text.size);
        }
        mt_buf_put(p->b, &key, sizeof(key));
        for (uint32_t i = 0; i < route->key_count; i++)
            put_small_text(p->b, p->keys[i].texts[at[i]], MT_SIGMA_KEY_TEXT_MAX);
        if (++count == MT_SIGMA_GROUPS_MAX)
            return count;
        uint32_t k = route->key_count;
        while (k > 0 && ++at[k - 1] == p->keys[k - 1].count)
            at[--k] = 0;
        if (k == 0)
            return count;
    }
}

/* --- values ------------------------------------------------------------------------- */

static bool on_value(void *ctx, const struct mt_sigma_value *value)
{
    struct packing *p = ctx;
    uint8_t storage[MT_SIGMA_TEXT_ROOM];
    if (value->kind == MT_SIGMA_LIST)
        return true;
    struct mt_span text = mt_sigma_value_text(value, storage);
    uint64_t number =
        p->is_number ? value->number : mt_hash_pair(p->hash, hash_of(KEY_SEED, text), text.size);
    mt_buf_put(p->b, &number, sizeof(number));
    put_small_text(p->b, p->is_visible ? text : mt_span_none(), MT_SIGMA_VALUE_TEXT_MAX);
    return ++p->value_count < MT_SIGMA_VALUES_SENT_MAX;
}

static bool on_first_value(void *ctx, const struct mt_sigma_value *value)
{
    struct packing *p = ctx;
    uint8_t storage[MT_SIGMA_TEXT_ROOM];
    if (value->kind == MT_SIGMA_LIST)
        return true;
    struct mt_span text = mt_sigma_value_text(value, storage);
    p->hash = mt_hash_pair(p->hash, hash_of(KEY_SEED, text), text.size);
    return false;
}

/* Of several fields each but the last gives its first value: what is counted is
 * which go together. */
static uint32_t put_values(struct packing *p, const struct mt_sigma_route *route)
{
    enum mt_sigma_correlation_type type = route->to->correlation->type;
    p->value_count = 0;
    p->hash = 0;
    if (route->value_count == 0)
        return 0;
    p->is_number = type != MT_SIGMA_CORRELATE_VALUE_COUNT;
    for (uint32_t i = 0; i + 1 < route->value_count; i++) {
        uint64_t before = p->hash;
        mt_sigma_field_each(route->values[i], p->event, on_first_value, p);
        if (p->hash == before)
            return 0;
    }
    const struct mt_sigma_field *last = route->values[route->value_count - 1];
    p->is_visible = p->has_texts && (!p->more->may_show || p->more->may_show(last->group, last->listed));
    mt_sigma_field_each(last, p->event, on_value, p);
    return p->value_count;
}

/* --- frames ------------------------------------------------------------------------- */

static bool find_keys(struct packing *p, const struct mt_sigma_route *route)
{
    for (uint32_t i = 0; i < route->key_count; i++) {
        p->filling = &p->keys[i];
        p->filling->count = 0;
        mt_sigma_field_each(route->keys[i], p->event, on_key_value, p);
        if (p->filling->count == 0)
            return false;
    }
    return true;
}

/* A frame without groups stands where one that feeds it or that it feeds is looked
 * for by its place. */
static bool put_frame(struct packing *p, const struct mt_sigma_route *route)
{
    size_t start = p->b->size;
    struct mt_sigma_frame_head head = {.identity = route->to->correlation->identity,
                                       .ref = route->ref,
                                       .parent = route->parent,
                                       .key_count = route->key_count};
    mt_buf_put(p->b, &head, sizeof(head));
    bool has_keys = find_keys(p, route);
    for (uint32_t i = 0; i < route->key_count; i++)
        put_small_text(p->b, mt_span_cstr(route->keys[i]->path), MT_SIGMA_KEY_TEXT_MAX);
    if (has_keys) {
        head.group_count = (uint8_t)put_groups(p, route);
        head.value_count = (uint8_t)put_values(p, route);
    }
    if (p->b->overflow)
        return false;
    head.size = (uint32_t)(p->b->size - start);
    memcpy(p->b->ptr + start, &head, sizeof(head));
    return has_keys && route->parent == MT_SIGMA_ROUTE_NONE;
}

static bool pack(const struct mt_sigma_match *match, const struct mt_sigma_feed_more *more, bool has_texts,
                 struct mt_buf *ret_feed)
{
    const struct mt_sigma_loaded *l = mt_sigma_loaded_of(match->rule);
    const struct mt_record_session *session = match->session;
    struct key_values keys[MT_SIGMA_KEYS_MAX];
    struct packing p = {
        .more = more, .b = ret_feed, .event = match->event, .keys = keys, .has_texts = has_texts};
    struct mt_sigma_feed_head head = {
        .time = more->time,
        .completed = more->completed,
        .source_ip = session->source_ip,
        .destination_ip = session->destination_ip,
        .source_port = (uint16_t)session->source_port,
        .destination_port = (uint16_t)session->destination_port,
        .sequence = more->sequence,
        .line_count = (uint8_t)mt_min_u64(more->line_count, MT_SIGMA_FEED_LINES_MAX),
        .frame_count = (uint8_t)l->route_count,
        .event_id_size = (uint8_t)mt_min_u64(session->event_id.size, 64),
    };
    mt_buf_put(ret_feed, &head, sizeof(head));
    mt_buf_put(ret_feed, session->event_id.ptr, head.event_id_size);
    for (uint32_t i = 0; i < head.line_count; i++)
        put_small_text(ret_feed, more->lines[i], 255);
    bool has_any = false;
    for (uint32_t i = 0; i < l->route_count; i++)
        has_any |= put_frame(&p, &l->routes[i]);
    return has_any && !ret_feed->overflow;
}

/* Whoever sends many long values is not to get out of being counted by it. */
bool mt_sigma_feed_pack(const struct mt_sigma_match *match, const struct mt_sigma_feed_more *more,
                        struct mt_buf *ret_feed)
{
    size_t start = ret_feed->size;
    bool is_packed = pack(match, more, true, ret_feed);
    if (MT_LIKELY(!ret_feed->overflow))
        return is_packed;
    ret_feed->size = start;
    ret_feed->overflow = false;
    return pack(match, more, false, ret_feed);
}

/* --- reading -------------------------------------------------------------------------- */

struct mt_span mt_sigma_take_text(struct mt_span *rest)
{
    struct mt_span text = mt_span_head(mt_span_from(*rest, 1), rest->ptr[0]);
    *rest = mt_span_from(*rest, 1 + text.size);
    return text;
}

void mt_sigma_feed_open(struct mt_span bytes, struct mt_sigma_feed *ret_feed)
{
    ret_feed->bytes = bytes;
    memcpy(&ret_feed->head, bytes.ptr, sizeof(ret_feed->head));
    struct mt_span rest = mt_span_from(bytes, sizeof(ret_feed->head));
    ret_feed->event_id = mt_span_head(rest, ret_feed->head.event_id_size);
    rest = mt_span_from(rest, ret_feed->head.event_id_size);
    for (uint32_t i = 0; i < ret_feed->head.line_count; i++)
        ret_feed->lines[i] = mt_sigma_take_text(&rest);
    for (uint32_t i = 0; i < ret_feed->head.frame_count; i++) {
        struct mt_sigma_frame_head head;
        memcpy(&head, rest.ptr, sizeof(head));
        ret_feed->frame_off[i] = (uint32_t)(rest.ptr - bytes.ptr);
        rest = mt_span_from(rest, head.size);
    }
}

void mt_sigma_frame_open(const struct mt_sigma_feed *feed, uint32_t frame, struct mt_sigma_frame *ret_frame)
{
    struct mt_span rest = mt_span_from(feed->bytes, feed->frame_off[frame]);
    struct mt_span texts[MT_SIGMA_KEYS_MAX];
    memcpy(&ret_frame->head, rest.ptr, sizeof(ret_frame->head));
    rest = mt_span_head(rest, ret_frame->head.size);
    rest = mt_span_from(rest, sizeof(ret_frame->head));
    ret_frame->paths = rest;
    for (uint32_t i = 0; i < ret_frame->head.key_count; i++)
        mt_sigma_take_text(&rest);
    ret_frame->groups = rest;
    for (uint32_t i = 0; i < ret_frame->head.group_count; i++)
        mt_sigma_frame_next_group(&rest, ret_frame->head.key_count, texts);
    ret_frame->values = rest;
}

struct mt_hash128 mt_sigma_frame_next_group(struct mt_span *rest, uint32_t key_count,
                                            struct mt_span ret_texts[MT_SIGMA_KEYS_MAX])
{
    struct mt_hash128 key;
    memcpy(&key, rest->ptr, sizeof(key));
    *rest = mt_span_from(*rest, sizeof(key));
    for (uint32_t i = 0; i < key_count; i++)
        ret_texts[i] = mt_sigma_take_text(rest);
    return key;
}

uint64_t mt_sigma_frame_next_value(struct mt_span *rest, struct mt_span *ret_text)
{
    uint64_t number;
    memcpy(&number, rest->ptr, sizeof(number));
    *rest = mt_span_from(*rest, sizeof(number));
    *ret_text = mt_sigma_take_text(rest);
    return number;
}
