#include "sigma/state.h"

#include "sigma/correlate_priv.h"
#include "sigma/wire.h"

#define STAMP_VERSION 3u

enum piece { PIECE_HEAD = 'h', PIECE_GROUP = 'g', PIECE_WAITING = 'w' };

struct head_piece {
    uint64_t stamp;
    uint64_t judged;
    uint64_t last_order;
    uint64_t last_time;
    uint32_t last_sequence;
    uint32_t last_id_size;
    uint8_t last_id[64];
};

/* Behind it: entries, sketch, values, feed. */
struct group_piece {
    uint64_t identity;
    struct mt_hash128 key;
    uint64_t timer;
    uint64_t start;
    uint64_t newest;
    uint64_t latest;
    uint64_t events;
    uint64_t sum;
    uint64_t mask;
    uint64_t said;
    struct mt_sigma_seen first;
    uint32_t entry_count;
    uint32_t entry_cap;
    uint32_t sketch_size;
    uint32_t values_size;
    uint32_t value_count;
    uint32_t feed_size;
    uint32_t frame;
    uint32_t group_in_frame;
    uint8_t is_standing;
    uint8_t has_fired;
};

struct waiting_piece {
    uint64_t order;
    uint64_t time;
    uint32_t sequence;
    uint32_t size;
};

static uint64_t layout_stamp(void)
{
    const uint64_t sizes[] = {STAMP_VERSION,
                              sizeof(struct group_piece),
                              sizeof(struct mt_sigma_feed_head),
                              sizeof(struct mt_sigma_frame_head),
                              sizeof(struct mt_sigma_entry),
                              MT_SKETCH_SIZE,
                              1}; /* read as another number where bytes stand the other way around */
    return mt_hash_bytes(0, mt_span(sizes, sizeof(sizes)));
}

/* --- saving -------------------------------------------------------------------------- */

static void save_group(const struct mt_sigma_group *g, struct mt_buf *b)
{
    struct group_piece piece;
    memset(&piece, 0, sizeof(piece));
    piece.identity = g->of->correlation->identity;
    piece.key = g->key;
    piece.timer = g->timer;
    piece.start = g->start;
    piece.newest = g->newest;
    piece.latest = g->latest;
    piece.events = g->events;
    piece.sum = g->sum;
    piece.mask = g->mask;
    piece.said = g->said;
    piece.first = g->first;
    piece.entry_count = g->entry_count;
    piece.entry_cap = g->entries ? g->entry_cap : 0;
    piece.sketch_size = g->sketch ? MT_SKETCH_SIZE : 0;
    piece.values_size = g->values_size;
    piece.value_count = g->value_count;
    piece.feed_size = g->feed_size;
    piece.frame = g->frame;
    piece.group_in_frame = g->group_in_frame;
    piece.is_standing = g->is_standing;
    piece.has_fired = g->has_fired;
    mt_buf_put_byte(b, PIECE_GROUP);
    mt_buf_put(b, &piece, sizeof(piece));
    mt_buf_put(b, g->entries, g->entry_count * sizeof(*g->entries));
    mt_buf_put(b, g->sketch, piece.sketch_size);
    mt_buf_put(b, g->values, g->values_size);
    mt_buf_put(b, g->feed, g->feed_size);
}

static void save_waiting(const struct mt_sigma_waiting *w, struct mt_buf *b)
{
    struct waiting_piece piece = {
        .order = w->order, .time = w->time, .sequence = w->sequence, .size = w->size};
    mt_buf_put_byte(b, PIECE_WAITING);
    mt_buf_put(b, &piece, sizeof(piece));
    mt_buf_put(b, w->feed, w->size);
}

void mt_sigma_correlator_save(const struct mt_sigma_correlator *c, mt_sigma_state_out_fn *out, void *ctx)
{
    uint8_t room[MT_SIGMA_STATE_PIECE_MAX];
    struct mt_buf b = mt_buf(room, sizeof(room));
    struct head_piece head = {.stamp = layout_stamp(),
                              .judged = c->judged,
                              .last_order = c->last.order,
                              .last_time = c->last.time,
                              .last_sequence = c->last.sequence,
                              .last_id_size = (uint32_t)c->last_id_size};
    memcpy(head.last_id, c->last_id, sizeof(head.last_id));
    mt_buf_put_byte(&b, PIECE_HEAD);
    mt_buf_put(&b, &head, sizeof(head));
    out(ctx, mt_buf_span(&b));
    /* the youngest last, as they came */
    for (const struct mt_sigma_group *g = c->oldest; g; g = g->newer) {
        b = mt_buf(room, sizeof(room));
        save_group(g, &b);
        out(ctx, mt_buf_span(&b));
    }
    for (uint32_t i = 0; i < c->waiting_count; i++) {
        b = mt_buf(room, sizeof(room));
        save_waiting(c->waiting[i].one, &b);
        out(ctx, mt_buf_span(&b));
    }
}

/* --- loading -------------------------------------------------------------------------- */

static bool take(struct mt_span *rest, void *to, size_t size)
{
    if (rest->size < size)
        return false;
    if (size > 0)
        memcpy(to, rest->ptr, size);
    *rest = mt_span_from(*rest, size);
    return true;
}

static bool skip_text(struct mt_span *rest)
{
    if (rest->size == 0 || rest->size < 1u + rest->ptr[0])
        return false;
    *rest = mt_span_from(*rest, 1u + rest->ptr[0]);
    return true;
}

static bool skip_texts(struct mt_span *rest, uint32_t count)
{
    bool is_whole = true;
    for (uint32_t i = 0; i < count && is_whole; i++)
        is_whole = skip_text(rest);
    return is_whole;
}

/* A path and a value, of which one that may not be shown is no more than its size. */
static bool skip_lines(struct mt_span *rest, uint32_t count)
{
    bool is_whole = true;
    for (uint32_t i = 0; i < count && is_whole; i++) {
        bool is_ready = rest->size > 0 && rest->ptr[0] == 0;
        is_whole = skip_text(rest);
        if (is_whole && !is_ready && rest->size > 0 && rest->ptr[0] == MT_SIGMA_LINE_HIDDEN)
            *rest = mt_span_from(*rest, 1);
        else
            is_whole = is_whole && skip_text(rest);
    }
    return is_whole;
}

static bool skip_frame(struct mt_span *rest, uint32_t index, struct mt_sigma_frame_head *head)
{
    struct mt_span frame = *rest;
    struct mt_hash128 group;
    uint64_t number;
    if (!take(&frame, head, sizeof(*head)) || head->size < sizeof(*head) || head->size > rest->size ||
        head->key_count > MT_SIGMA_KEYS_MAX || head->group_count > MT_SIGMA_GROUPS_MAX ||
        head->value_count > MT_SIGMA_VALUES_SENT_MAX ||
        (head->parent != MT_SIGMA_ROUTE_NONE && head->parent >= index))
        return false;
    frame = mt_span_head(mt_span_from(*rest, sizeof(*head)), head->size - sizeof(*head));
    size_t groups = frame.size;
    bool is_whole = true;
    for (uint32_t i = 0; i < head->group_count && is_whole; i++)
        is_whole = take(&frame, &group, sizeof(group)) && skip_texts(&frame, head->key_count);
    is_whole = is_whole && groups - frame.size == head->groups_size;
    for (uint32_t i = 0; i < head->value_count && is_whole; i++)
        is_whole = take(&frame, &number, sizeof(number)) && skip_text(&frame);
    *rest = mt_span_from(*rest, head->size);
    return is_whole && frame.size == 0;
}

/* Is it a feed as mt_sigma_feed_open wants one? With a frame: has it that frame, with
 * that group? */
static bool is_feed(const struct mt_sigma *sigma, struct mt_span bytes, const struct group_piece *piece)
{
    struct mt_sigma_feed_head head;
    struct mt_sigma_frame_head frame;
    struct mt_span rest = bytes;
    if (!take(&rest, &head, sizeof(head)) || rest.size < head.event_id_size ||
        head.time > MT_SIGMA_TIME_MAX || head.completed > MT_SIGMA_TIME_MAX ||
        head.line_count > MT_SIGMA_FEED_LINES_MAX || head.frame_count > MT_SIGMA_ROUTES_MAX ||
        bytes.size > (size_t)2 * MT_SIGMA_FEED_MAX)
        return false;
    rest = mt_span_from(rest, head.event_id_size);
    if (!skip_lines(&rest, head.line_count) || bytes.size - rest.size != head.frames_off)
        return false;
    bool has_frame = piece == NULL;
    for (uint32_t i = 0; i < head.frame_count; i++) {
        if (!skip_frame(&rest, i, &frame))
            return false;
        const struct mt_sigma_loaded *of = mt_sigma_of_identity(sigma, frame.identity);
        if (of && (frame.ref >= of->ref_count || frame.key_count != of->correlation->group_by.count))
            return false;
        if (piece && piece->frame == i)
            has_frame = piece->group_in_frame < frame.group_count && piece->identity == frame.identity;
    }
    return has_frame && rest.size == 0;
}

static void *copy(struct mt_sigma_correlator *c, struct mt_sigma_group *g, struct mt_span *rest, size_t size,
                  size_t room)
{
    uint8_t *memory = room > 0 ? mt_sigma_group_alloc(c, g, NULL, 0, room) : NULL;
    if (memory) {
        memset(memory, 0, room);
        memcpy(memory, rest->ptr, size);
    }
    *rest = mt_span_from(*rest, size);
    return memory;
}

static bool are_values(struct mt_span values)
{
    while (values.size > 0) {
        if (!skip_text(&values))
            return false;
    }
    return true;
}

static bool are_times(const struct mt_sigma_loaded *of, const struct group_piece *piece, struct mt_span rest)
{
    bool is_chain = of->correlation->type == MT_SIGMA_CORRELATE_TEMPORAL_ORDERED;
    struct mt_sigma_entry entry;
    for (uint32_t i = 0; i < piece->entry_count; i++) {
        if (!take(&rest, &entry, sizeof(entry)) || entry.time > MT_SIGMA_TIME_MAX ||
            (is_chain && entry.value > MT_SIGMA_TIME_MAX))
            return false;
    }
    return piece->start <= MT_SIGMA_TIME_MAX && piece->newest <= MT_SIGMA_TIME_MAX &&
           piece->latest <= MT_SIGMA_TIME_MAX && piece->first.time <= MT_SIGMA_TIME_MAX;
}

static bool is_sound(const struct mt_sigma *sigma, const struct mt_sigma_loaded *of,
                     const struct group_piece *piece, struct mt_span rest)
{
    size_t entries = (size_t)piece->entry_count * sizeof(struct mt_sigma_entry);
    bool is_temporal = of->correlation->type == MT_SIGMA_CORRELATE_TEMPORAL ||
                       of->correlation->type == MT_SIGMA_CORRELATE_TEMPORAL_ORDERED;
    if (piece->entry_count > piece->entry_cap || piece->entry_count > MT_SIGMA_EXACT_MAX ||
        piece->entry_cap > MT_SIGMA_EXACT_MAX * 2 ||
        (piece->sketch_size != 0 && piece->sketch_size != MT_SKETCH_SIZE) ||
        (is_temporal && piece->entry_count > of->ref_count) || piece->timer > UINT64_MAX / 2 ||
        piece->first.event_id_size > sizeof(piece->first.event_id))
        return false;
    /* each is bounded by the piece's size, so the sum can't run over */
    if (piece->values_size > rest.size || piece->feed_size > rest.size ||
        entries + piece->sketch_size + piece->values_size + piece->feed_size != rest.size ||
        !are_times(of, piece, rest))
        return false;
    struct mt_span values =
        mt_span_head(mt_span_from(rest, entries + piece->sketch_size), piece->values_size);
    struct mt_span feed = mt_span_from(rest, rest.size - piece->feed_size);
    return are_values(values) && (feed.size == 0 || is_feed(sigma, feed, piece));
}

static bool load_group(struct mt_sigma_correlator *c, struct mt_span rest)
{
    struct group_piece piece;
    bool is_new;
    if (!take(&rest, &piece, sizeof(piece)))
        return false;
    struct mt_sigma_loaded *of = mt_sigma_of_identity(c->sigma, piece.identity);
    if (!of) {
        c->counts.stale++;
        return true;
    }
    if (!is_sound(c->sigma, of, &piece, rest))
        return false;
    struct mt_sigma_group *g = mt_sigma_group_get(c, of, piece.key, &is_new);
    if (!g || !is_new)
        return g == NULL; /* no memory is a loss that is counted; twice the same is damage */
    g->start = piece.start;
    g->newest = piece.newest;
    g->latest = piece.latest;
    g->events = piece.events;
    g->sum = piece.sum;
    g->mask = piece.mask;
    g->said = piece.said;
    g->first = piece.first;
    g->is_standing = piece.is_standing != 0;
    g->has_fired = piece.has_fired != 0;
    g->value_count = piece.value_count;
    g->frame = piece.frame;
    g->group_in_frame = piece.group_in_frame;
    g->entries =
        copy(c, g, &rest, piece.entry_count * sizeof(*g->entries), piece.entry_cap * sizeof(*g->entries));
    g->entry_cap = g->entries ? piece.entry_cap : 0;
    g->entry_count = g->entries ? piece.entry_count : 0;
    g->sketch = copy(c, g, &rest, piece.sketch_size, piece.sketch_size);
    g->values = copy(c, g, &rest, piece.values_size, piece.values_size);
    g->values_size = g->values ? piece.values_size : 0;
    g->feed = copy(c, g, &rest, piece.feed_size, piece.feed_size);
    g->feed_size = g->feed ? piece.feed_size : 0;
    mt_sigma_timer_set(c, g, piece.timer);
    return true;
}

static bool load_waiting(struct mt_sigma_correlator *c, struct mt_span rest)
{
    struct waiting_piece piece;
    if (!take(&rest, &piece, sizeof(piece)) || rest.size != piece.size || piece.order > MT_SIGMA_TIME_MAX ||
        piece.time > MT_SIGMA_TIME_MAX || !is_feed(c->sigma, rest, NULL))
        return false;
    mt_sigma_feed_wait(c, rest, piece.order, piece.time, piece.sequence);
    return true;
}

static bool load_head(struct mt_sigma_correlator *c, struct mt_span rest)
{
    struct head_piece head;
    if (!take(&rest, &head, sizeof(head)) || rest.size > 0 || head.stamp != layout_stamp() ||
        mt_sigma_correlator_has_work(c) || head.last_id_size > sizeof(head.last_id) ||
        head.judged > MT_SIGMA_TIME_MAX || head.last_order > MT_SIGMA_TIME_MAX ||
        head.last_time > MT_SIGMA_TIME_MAX)
        return false;
    c->judged = head.judged;
    c->last.order = head.last_order;
    c->last.time = head.last_time;
    c->last.sequence = head.last_sequence;
    c->last_id_size = head.last_id_size;
    memcpy(c->last_id, head.last_id, sizeof(c->last_id));
    c->is_loading = true;
    return true;
}

bool mt_sigma_correlator_load(struct mt_sigma_correlator *c, struct mt_span piece)
{
    struct mt_span rest = mt_span_from(piece, 1);
    if (piece.size == 0 || (piece.ptr[0] != PIECE_HEAD && !c->is_loading))
        return false;
    switch (piece.ptr[0]) {
    case PIECE_HEAD:
        return load_head(c, rest);
    case PIECE_GROUP:
        return load_group(c, rest);
    case PIECE_WAITING:
        return load_waiting(c, rest);
    default:
        return false;
    }
}
