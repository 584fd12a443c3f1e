#include "sigma/feed_priv.h"

#include "base/siphash.h"
#include "sigma/program_priv.h"

/* The same in every run and on every sensor, so that groups are. */
#define KEY_SEED UINT64_C(0x6D61696C74617002)

#define KEY_VALUES_MAX 16u

/* Values of one field, of which each is another group. */
struct key_value {
    struct mt_span text;
    struct mt_hash128 hash; /* of the lower case */
};

struct key_values {
    struct key_value items[KEY_VALUES_MAX];
    uint8_t storage[KEY_VALUES_MAX][MT_SIGMA_TEXT_ROOM];
    uint32_t count;
    uint64_t number; /* the first one's */
};

/* Fields that several routes ask for are looked at once; behind them places for what
 * is only kept for the route in hand. */
#define SLOTS (MT_SIGMA_FEED_FIELDS + MT_SIGMA_KEYS_MAX)
MT_STATIC_ASSERT(MT_SIGMA_FEED_FIELDS < 32, "a bit for each");

struct packing {
    const struct mt_sigma_feed_more *more;
    const struct mt_sigma_event *event;
    struct mt_buf *b;
    struct key_values *slots; /* SLOTS; twenty kilobytes, so they are not cleared */
    const struct key_values *keys[MT_SIGMA_KEYS_MAX];
    uint32_t filled; /* bit n: slot n is */
    bool has_texts;  /* lines and values are shown; not when they would leave no room for what counts */
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

/* Texts come from senders, and equal hashes are taken for equal texts. */
static struct mt_hash128 hash_text(struct mt_span text)
{
    static const struct mt_siphash_key key = {.bytes = "mailtap groups"};
    uint8_t lower[256];
    if (text.size <= sizeof(lower)) {
        mt_ascii_put_lower(lower, text.ptr, text.size);
        text.ptr = lower;
    }
    return mt_siphash128(&key, text);
}

/* --- values of fields ------------------------------------------------------------- */

static bool on_key_value(void *ctx, const struct mt_sigma_value *value)
{
    struct key_values *values = ctx;
    if (value->kind == MT_SIGMA_LIST)
        return true;
    struct key_value *next = &values->items[values->count];
    struct mt_span text = mt_sigma_value_text(value, values->storage[values->count]);
    for (uint32_t i = 0; i < values->count; i++) {
        if (mt_span_ieq(values->items[i].text, text))
            return true;
    }
    if (values->count == 0)
        values->number = value->number;
    next->text = text;
    next->hash = hash_text(text);
    return ++values->count < KEY_VALUES_MAX;
}

/* at: which of the rule's fields it is; spare: the slot when it is none of the first. */
static const struct key_values *values_of(struct packing *p, const struct mt_sigma_field *field, uint32_t at,
                                          uint32_t spare)
{
    struct key_values *values = &p->slots[at < MT_SIGMA_FEED_FIELDS ? at : MT_SIGMA_FEED_FIELDS + spare];
    struct mt_sigma_value value;
    if (at < MT_SIGMA_FEED_FIELDS && p->filled >> at & 1)
        return values;
    values->count = 0;
    if (!mt_sigma_field_is_single(field))
        mt_sigma_field_each(field, p->event, on_key_value, values);
    else if (mt_sigma_field_get(field, p->event, &value))
        on_key_value(values, &value);
    if (at < MT_SIGMA_FEED_FIELDS)
        p->filled |= 1u << at;
    return values;
}

/* --- groups ----------------------------------------------------------------------- */

/* Combinations of the keys' values, the last key's change fastest. */
static uint32_t put_groups(struct packing *p, const struct mt_sigma_route *route)
{
    uint32_t at[MT_SIGMA_KEYS_MAX] = {0};
    uint32_t count = 0;
    for (;;) {
        struct mt_hash128 key = {.word = {route->to->correlation->identity, KEY_SEED}};
        for (uint32_t i = 0; i < route->key_count; i++) {
            const struct key_value *value = &p->keys[i]->items[at[i]];
            key.word[0] = mt_hash_pair(key.word[0], value->hash.word[0], value->text.size);
            key.word[1] = mt_hash_pair(key.word[1], value->hash.word[1], value->text.size);
        }
        mt_buf_put(p->b, &key, sizeof(key));
        for (uint32_t i = 0; i < route->key_count; i++)
            put_small_text(p->b, p->keys[i]->items[at[i]].text, MT_SIGMA_KEY_TEXT_MAX);
        if (++count == MT_SIGMA_GROUPS_MAX)
            return count;
        uint32_t k = route->key_count;
        while (k > 0 && ++at[k - 1] == p->keys[k - 1]->count)
            at[--k] = 0;
        if (k == 0)
            return count;
    }
}

/* --- values ------------------------------------------------------------------------- */

static void put_value(struct packing *p, uint64_t number, uint64_t hash, struct mt_span text)
{
    uint64_t value = p->is_number ? number : mt_hash_pair(p->hash, hash, text.size);
    mt_buf_put(p->b, &value, sizeof(value));
    put_small_text(p->b, p->is_visible ? text : mt_span_none(), MT_SIGMA_VALUE_TEXT_MAX);
    p->value_count++;
}

static bool on_value(void *ctx, const struct mt_sigma_value *value)
{
    struct packing *p = ctx;
    uint8_t storage[MT_SIGMA_TEXT_ROOM];
    uint64_t hash = 0;
    if (value->kind == MT_SIGMA_LIST)
        return true;
    struct mt_span text = mt_sigma_value_text(value, storage);
    if (!p->is_number)
        hash = hash_text(text).word[0];
    put_value(p, value->number, hash, text);
    return p->value_count < MT_SIGMA_VALUES_SENT_MAX;
}

/* Of several fields each but the last gives its first value: what is counted is
 * which go together. */
static uint32_t put_values(struct packing *p, const struct mt_sigma_route *route)
{
    enum mt_sigma_correlation_type type = route->to->correlation->type;
    const struct key_values *values;
    p->value_count = 0;
    p->hash = 0;
    if (route->value_count == 0)
        return 0;
    p->is_number = type != MT_SIGMA_CORRELATE_VALUE_COUNT;
    uint32_t at = 0;
    for (; at + 1 < route->value_count; at++) {
        values = values_of(p, route->values[at], route->value_at[at], 0);
        if (values->count == 0)
            return 0;
        p->hash = mt_hash_pair(p->hash, values->items[0].hash.word[0], values->items[0].text.size);
    }
    const struct mt_sigma_field *last = route->values[at];
    p->is_visible = p->has_texts && (!p->more->may_show || p->more->may_show(last->group, last->listed));
    if (!mt_sigma_field_is_single(last)) {
        mt_sigma_field_each(last, p->event, on_value, p);
        return p->value_count;
    }
    values = values_of(p, last, route->value_at[at], 0);
    if (values->count > 0)
        put_value(p, values->number, values->items[0].hash.word[0], values->items[0].text);
    return p->value_count;
}

/* --- frames ------------------------------------------------------------------------- */

static bool find_keys(struct packing *p, const struct mt_sigma_route *route)
{
    for (uint32_t i = 0; i < route->key_count; i++) {
        p->keys[i] = values_of(p, route->keys[i], route->key_at[i], i);
        if (p->keys[i]->count == 0)
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
                                       .place = route->to->correlation->place,
                                       .ref = route->ref,
                                       .parent = route->parent,
                                       .key_count = route->key_count};
    mt_buf_put(p->b, &head, sizeof(head));
    bool has_keys = find_keys(p, route);
    if (has_keys) {
        head.group_count = (uint8_t)put_groups(p, route);
        head.groups_size = (uint16_t)(p->b->size - start - sizeof(head));
        head.value_count = (uint8_t)put_values(p, route);
    }
    if (p->b->overflow)
        return false;
    head.size = (uint16_t)(p->b->size - start);
    memcpy(p->b->ptr + start, &head, sizeof(head));
    return has_keys && route->parent == MT_SIGMA_ROUTE_NONE;
}

static bool pack(const struct mt_sigma_match *match, const struct mt_sigma_feed_more *more, bool has_texts,
                 struct mt_buf *ret_feed)
{
    const struct mt_sigma_loaded *l = mt_sigma_loaded_of(match->rule);
    const struct mt_record_session *session = match->session;
    size_t start = ret_feed->size;
    struct key_values slots[SLOTS];
    struct packing p = {
        .more = more, .b = ret_feed, .event = match->event, .slots = slots, .has_texts = has_texts};
    struct mt_sigma_feed_head head;
    memset(&head, 0, sizeof(head)); /* what is between members too */
    head.time = more->time;
    head.completed = more->completed;
    head.source_ip = session->source_ip;
    head.destination_ip = session->destination_ip;
    head.source_port = (uint16_t)session->source_port;
    head.destination_port = (uint16_t)session->destination_port;
    head.sequence = more->sequence;
    head.line_count = (uint8_t)mt_min_u64(more->line_count, has_texts ? MT_SIGMA_FEED_LINES_MAX : 0);
    head.frame_count = (uint8_t)l->route_count;
    head.event_id_size = (uint8_t)mt_min_u64(session->event_id.size, 64);
    head.events = 1;
    mt_buf_put(ret_feed, &head, sizeof(head));
    mt_buf_put(ret_feed, session->event_id.ptr, head.event_id_size);
    for (uint32_t i = 0; i < head.line_count; i++)
        mt_sigma_line_put(ret_feed, &more->lines[i]);
    head.frames_off = (uint16_t)(ret_feed->size - start);
    bool has_any = false;
    for (uint32_t i = 0; i < l->route_count; i++)
        has_any |= put_frame(&p, &l->routes[i]);
    if (!has_any || ret_feed->overflow)
        return false;
    memcpy(ret_feed->ptr + start, &head, sizeof(head));
    return true;
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

/* --- joining -------------------------------------------------------------------------- */

/* Values that differ from one recipient to the next, where each counts. A frame that
 * another leads to stands for one event of that, and keeps the values of the first. */
static bool join_frame(struct packing *p, const struct mt_sigma_route *route, struct mt_span bytes)
{
    size_t start = p->b->size;
    struct mt_sigma_frame_head head;
    memcpy(&head, bytes.ptr, sizeof(head));
    mt_buf_put_span(p->b, bytes);
    if (head.parent != MT_SIGMA_ROUTE_NONE || head.group_count == 0 || route->has_same_values)
        return !p->b->overflow;
    uint32_t count = head.value_count + put_values(p, route);
    if (p->b->overflow || count > MT_SIGMA_VALUES_SENT_MAX)
        return false;
    head.value_count = (uint8_t)count;
    head.size = (uint16_t)(p->b->size - start);
    memcpy(p->b->ptr + start, &head, sizeof(head));
    return true;
}

bool mt_sigma_feed_join(const struct mt_sigma_match *match, const struct mt_sigma_feed_more *more,
                        struct mt_span feed, struct mt_buf *ret_feed)
{
    const struct mt_sigma_loaded *l = mt_sigma_loaded_of(match->rule);
    struct key_values slots[SLOTS];
    struct packing p = {
        .more = more, .b = ret_feed, .event = match->event, .slots = slots, .has_texts = true};
    struct mt_sigma_feed_head head;
    size_t start = ret_feed->size;
    memcpy(&head, feed.ptr, sizeof(head));
    if (head.events == UINT8_MAX || head.frame_count != l->route_count)
        return false;
    mt_buf_put_span(ret_feed, mt_span_head(feed, head.frames_off));
    struct mt_span rest = mt_span_from(feed, head.frames_off);
    for (uint32_t i = 0; i < head.frame_count; i++) {
        uint16_t size;
        memcpy(&size, rest.ptr + offsetof(struct mt_sigma_frame_head, size), sizeof(size));
        if (!join_frame(&p, &l->routes[i], mt_span_head(rest, size)))
            return false;
        rest = mt_span_from(rest, size);
    }
    head.events++;
    memcpy(ret_feed->ptr + start, &head, sizeof(head));
    return true;
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
    uint32_t off = ret_feed->head.frames_off;
    ret_feed->lines = mt_span(ret_feed->event_id.ptr + ret_feed->event_id.size,
                              off - sizeof(ret_feed->head) - ret_feed->event_id.size);
    for (uint32_t i = 0; i < ret_feed->head.frame_count; i++) {
        uint16_t size;
        memcpy(&size, bytes.ptr + off + offsetof(struct mt_sigma_frame_head, size), sizeof(size));
        ret_feed->frame_off[i] = off;
        off += size;
    }
}

struct mt_sigma_frame_head mt_sigma_frame_head(const struct mt_sigma_feed *feed, uint32_t frame)
{
    struct mt_sigma_frame_head head;
    memcpy(&head, feed->bytes.ptr + feed->frame_off[frame], sizeof(head));
    return head;
}

void mt_sigma_frame_open(const struct mt_sigma_feed *feed, uint32_t frame, struct mt_sigma_frame *ret_frame)
{
    const uint8_t *at = feed->bytes.ptr + feed->frame_off[frame];
    struct mt_sigma_frame_head *head = &ret_frame->head;
    *head = mt_sigma_frame_head(feed, frame);
    ret_frame->groups = mt_span(at + sizeof(*head), head->groups_size);
    ret_frame->values =
        mt_span(at + sizeof(*head) + head->groups_size, head->size - sizeof(*head) - head->groups_size);
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

/* --- lines ----------------------------------------------------------------------------- */

void mt_sigma_line_put(struct mt_buf *b, const struct mt_sigma_feed_line *line)
{
    if (line->path.size == 0) {
        mt_buf_put_byte(b, 0);
        put_small_text(b, line->value, MT_SIGMA_LINE_SIZE);
        return;
    }
    put_small_text(b, line->path, MT_SIGMA_LINE_TEXT_MAX);
    if (line->value.ptr)
        put_small_text(b, line->value, MT_SIGMA_LINE_TEXT_MAX);
    else
        mt_buf_put_byte(b, MT_SIGMA_LINE_HIDDEN);
}

/* "2026-11-22T13:38:00.000000000Z smtp.helo.name: mail.example.org" */
void mt_sigma_line_next(const struct mt_sigma_feed *feed, struct mt_span *rest, struct mt_buf *ret_text)
{
    struct mt_span path = mt_sigma_take_text(rest);
    if (path.size == 0) {
        mt_buf_put_span(ret_text, mt_sigma_take_text(rest));
        return;
    }
    mt_buf_put_time(ret_text, feed->head.time);
    mt_buf_put_byte(ret_text, ' ');
    mt_buf_put_span(ret_text, path);
    if (rest->ptr[0] == MT_SIGMA_LINE_HIDDEN) {
        *rest = mt_span_from(*rest, 1);
        return;
    }
    mt_buf_put_cstr(ret_text, ": ");
    mt_buf_put_escaped(ret_text, mt_sigma_take_text(rest));
}
