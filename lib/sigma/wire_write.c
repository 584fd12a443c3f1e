#include "base/text.h"
#include "sigma/correlate_priv.h"
#include "sigma/family_priv.h"
#include "sigma/wire.h"

#define SHARDS_MAX (MT_SIGMA_ROUTES_MAX * MT_SIGMA_GROUPS_MAX)

/* Where part of a feed is judged. */
struct shard {
    uint64_t family;
    uint64_t hash;
};

struct writing {
    const struct mt_sigma_feed *feed;
    struct mt_sigma_frame frames[MT_SIGMA_ROUTES_MAX];
    const struct mt_sigma_loaded *of[MT_SIGMA_ROUTES_MAX]; /* NULL: not of these rules */
    uint32_t frame_count;
    struct shard shards[SHARDS_MAX];
    uint32_t shard_count;
    bool has_names; /* of keys */
};

static void put_number(struct mt_buf *b, uint64_t number, unsigned size)
{
    for (unsigned i = 0; i < size; i++)
        mt_buf_put_byte(b, (uint8_t)(number >> 8 * i));
}

static void put_text(struct mt_buf *b, struct mt_span text)
{
    uint8_t size = (uint8_t)mt_min_u64(text.size, 255);
    mt_buf_put_byte(b, size);
    mt_buf_put(b, text.ptr, size);
}

static void put_ip(struct mt_buf *b, const struct mt_ip *ip)
{
    mt_buf_put_byte(b, ip->family);
    mt_buf_put(b, ip->bytes, ip->family == 4 ? 4 : ip->family == 6 ? 16 : 0);
}

static void put_head(struct mt_buf *b, struct mt_sigma_sender *sender, enum mt_sigma_message_kind kind)
{
    mt_buf_put(b, "mtev", 4);
    put_number(b, MT_SIGMA_EVENT_VERSION, 1);
    put_number(b, kind, 1);
    put_number(b, sender->run, 8);
    put_number(b, ++sender->number, 8);
    put_text(b, sender->sensor);
}

/* --- shards ----------------------------------------------------------------------- */

static uint64_t hash_lower(uint64_t seed, struct mt_span text)
{
    uint8_t lower[256];
    size_t size = mt_min_u64(text.size, sizeof(lower));
    for (size_t i = 0; i < size; i++)
        lower[i] = mt_ascii_lower(text.ptr[i]);
    return mt_hash_bytes(seed, mt_span(lower, size));
}

static struct shard shard_of(const struct mt_sigma_loaded *of, struct mt_hash128 group,
                             const struct mt_span *texts)
{
    const struct mt_sigma_correlation *c = of->correlation;
    struct shard shard = {.family = c->family, .hash = c->fingerprint};
    if (c->pivot == MT_SIGMA_PIVOT_GROUP)
        shard.hash = mt_hash_pair(c->fingerprint, group.word[0], group.word[1]);
    else if (c->pivot != MT_SIGMA_PIVOT_NONE)
        shard.hash = hash_lower(c->fingerprint, texts[c->pivot]);
    return shard;
}

static bool is_same(const struct shard *a, const struct shard *b)
{
    return a->family == b->family && a->hash == b->hash;
}

static void note_shard(struct writing *w, struct shard shard)
{
    for (uint32_t i = 0; i < w->shard_count; i++) {
        if (is_same(&w->shards[i], &shard))
            return;
    }
    w->shards[w->shard_count++] = shard;
}

static void find_shards(struct writing *w)
{
    struct mt_span texts[MT_SIGMA_KEYS_MAX];
    for (uint32_t i = 0; i < w->frame_count; i++) {
        const struct mt_sigma_frame *frame = &w->frames[i];
        struct mt_span rest = frame->groups;
        for (uint32_t k = 0; k < frame->head.group_count && w->of[i]; k++) {
            struct mt_hash128 group = mt_sigma_frame_next_group(&rest, frame->head.key_count, texts);
            note_shard(w, shard_of(w->of[i], group, texts));
        }
    }
}

/* --- frames ------------------------------------------------------------------------ */

static void put_groups(struct mt_buf *b, const struct mt_sigma_frame *frame, const struct mt_sigma_loaded *of,
                       const struct shard *shard)
{
    struct mt_span texts[MT_SIGMA_KEYS_MAX];
    struct mt_span rest = frame->groups;
    size_t count_at = b->size;
    uint8_t count = 0;
    mt_buf_put_byte(b, 0);
    for (uint32_t i = 0; i < frame->head.group_count; i++) {
        struct mt_hash128 group = mt_sigma_frame_next_group(&rest, frame->head.key_count, texts);
        struct shard its = shard_of(of, group, texts);
        if (!is_same(&its, shard))
            continue;
        put_number(b, group.word[0], 8);
        put_number(b, group.word[1], 8);
        for (uint32_t k = 0; k < frame->head.key_count; k++)
            put_text(b, texts[k]);
        count++;
    }
    if (!b->overflow)
        b->ptr[count_at] = count;
}

static void put_frame(struct mt_buf *b, const struct writing *w, uint32_t index, uint8_t parent,
                      const struct shard *shard)
{
    const struct mt_sigma_frame *frame = &w->frames[index];
    const struct mt_sigma_loaded *of = w->of[index];
    put_number(b, frame->head.identity, 8);
    mt_buf_put_byte(b, frame->head.ref);
    mt_buf_put_byte(b, parent);
    mt_buf_put_byte(b, frame->head.key_count);
    for (uint32_t i = 0; i < frame->head.key_count; i++)
        put_text(b, w->has_names ? mt_span_cstr(mt_sigma_key_path(of, frame->head.ref, i)) : mt_span_none());
    put_groups(b, frame, of, shard);
    struct mt_span rest = frame->values;
    mt_buf_put_byte(b, frame->head.value_count);
    for (uint32_t i = 0; i < frame->head.value_count; i++) {
        struct mt_span text;
        put_number(b, mt_sigma_frame_next_value(&rest, &text), 8);
        put_text(b, text);
    }
}

/* All frames of the family, also those without a group here: others name them by
 * their place. A place in the feed becomes one among these. */
static void put_frames(struct mt_buf *b, const struct writing *w, const struct shard *shard)
{
    uint8_t place[MT_SIGMA_ROUTES_MAX];
    size_t count_at = b->size;
    uint8_t count = 0;
    mt_buf_put_byte(b, 0);
    for (uint32_t i = 0; i < w->frame_count; i++) {
        if (!w->of[i] || w->of[i]->correlation->family != shard->family)
            continue;
        uint8_t parent = w->frames[i].head.parent;
        put_frame(b, w, i, parent == MT_SIGMA_ROUTE_NONE ? parent : place[parent], shard);
        place[i] = count++;
    }
    if (!b->overflow)
        b->ptr[count_at] = count;
}

/* --- events ------------------------------------------------------------------------- */

static const struct mt_sigma_loaded *first_of(const struct writing *w, const struct shard *shard)
{
    uint32_t i = 0;
    while (!w->of[i] || w->of[i]->correlation->family != shard->family)
        i++;
    return w->of[i];
}

static void put_event(struct mt_buf *b, const struct writing *w, uint32_t part)
{
    const struct shard *shard = &w->shards[part];
    const struct mt_sigma_loaded *first = first_of(w, shard);
    const struct mt_sigma_feed_head *head = &w->feed->head;
    put_number(b, first->correlation->fingerprint, 8);
    put_text(b, mt_span_cstr(first->rule.name));
    put_number(b, head->time, 8);
    put_number(b, head->completed, 8);
    put_ip(b, &head->source_ip);
    put_ip(b, &head->destination_ip);
    put_number(b, head->source_port, 2);
    put_number(b, head->destination_port, 2);
    put_number(b, head->sequence, 4);
    put_number(b, part, 2);
    put_number(b, head->events, 1);
    put_text(b, w->feed->event_id);
    mt_buf_put_byte(b, head->line_count);
    struct mt_span lines = w->feed->lines;
    for (uint32_t i = 0; i < head->line_count; i++) {
        uint8_t room[MT_SIGMA_LINE_SIZE];
        struct mt_buf line = mt_buf(room, sizeof(room));
        mt_sigma_line_next(w->feed, &lines, &line);
        put_text(b, mt_buf_span(&line));
    }
    put_frames(b, w, shard);
}

/* A frame whose parent is not of these rules has nothing that leads to it. */
static void find_frames(const struct mt_sigma *sigma, struct writing *w)
{
    w->frame_count = w->feed->head.frame_count;
    for (uint32_t i = 0; i < w->frame_count; i++) {
        struct mt_sigma_frame *frame = &w->frames[i];
        mt_sigma_frame_open(w->feed, i, frame);
        uint8_t parent = frame->head.parent;
        bool is_led_to = parent == MT_SIGMA_ROUTE_NONE || (parent < i && w->of[parent]);
        w->of[i] = is_led_to ? mt_sigma_of_identity(sigma, frame->head.identity) : NULL;
    }
}

struct mt_sigma_written mt_sigma_event_write(const struct mt_sigma *sigma, struct mt_sigma_sender *sender,
                                             struct mt_span bytes, mt_sigma_event_out_fn *out, void *ctx)
{
    uint8_t room[MT_SIGMA_EVENT_MAX];
    uint8_t key[MT_SIGMA_EVENT_KEY_SIZE];
    struct mt_sigma_feed feed;
    struct writing w = {.feed = &feed, .shard_count = 0};
    struct mt_sigma_written written = {.events = 0};
    mt_sigma_feed_open(bytes, &feed);
    find_frames(sigma, &w);
    find_shards(&w);
    for (uint32_t i = 0; i < w.frame_count; i++)
        written.stale += !w.of[i];
    for (uint32_t i = 0; i < w.shard_count; i++) {
        struct mt_buf b = mt_buf(room, sizeof(room));
        uint64_t hash = __builtin_bswap64(w.shards[i].hash);
        put_head(&b, sender, MT_SIGMA_MESSAGE_EVENT);
        size_t start = b.size;
        w.has_names = true;
        put_event(&b, &w, i);
        if (b.overflow) { /* without them: a feed has half the room and says as much */
            b.size = start;
            b.overflow = false;
            w.has_names = false;
            put_event(&b, &w, i);
        }
        if (b.overflow) {
            sender->number--; /* nobody is to miss it */
            written.lost++;
            continue;
        }
        mt_text_hex(key, (const uint8_t *)&hash, sizeof(hash));
        out(ctx, mt_span(key, sizeof(key)), mt_buf_span(&b));
        written.events++;
    }
    return written;
}

void mt_sigma_mark_write(struct mt_sigma_sender *sender, uint64_t time, struct mt_buf *ret_mark)
{
    put_head(ret_mark, sender, MT_SIGMA_MESSAGE_MARK);
    put_number(ret_mark, time, 8);
}
