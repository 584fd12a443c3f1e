/* Records of a handshake to its messages. */
#include "dpi/tls_priv.h"

enum record_type {
    RECORD_CHANGE_CIPHER = 20,
    RECORD_ALERT = 21,
    RECORD_HANDSHAKE = 22,
    RECORD_DATA = 23,
};

#define RECORD_MAX (16384u + 2048u) /* RFC 5246 §6.2.3 */
#define VERSION_13 0x0304
#define ALERT_FATAL 2u
#define FIRST_BODY 512u
/* The shortest Finished of TLS 1.3 in a record: 4 + 32 bytes, a type and a tag. An
 * alert is 19 bytes long unless somebody pads it. */
#define FINISHED_MIN 40u

/* --- putting a message together ----------------------------------------------- */

static void drop_body(struct mt_tls_side *side, struct mt_arena *arena)
{
    if (side->body != NULL)
        mt_arena_put(arena, side->body, side->body_cap);
    side->body = NULL;
    side->body_size = 0;
    side->body_cap = 0;
}

static void finish_side(struct mt_tls_run *run)
{
    struct mt_tls_side *side = &run->tls->side[run->side];

    drop_body(side, run->arena);
    side->is_done = 1;
}

static void give_up(struct mt_tls_run *run, enum mt_tls_note note)
{
    run->events->note(run->ctx, note);
    finish_side(run);
}

/* Memory follows what came, not what a header promises. */
static bool reserve_body(struct mt_tls_run *run, struct mt_tls_side *side, size_t more)
{
    size_t cap = side->body_cap > 0 ? side->body_cap : FIRST_BODY;

    if (side->body_cap - (size_t)side->body_size >= more)
        return true;
    while (cap - side->body_size < more)
        cap *= 2;
    uint8_t *body = mt_arena_get(run->arena, cap);
    if (body == NULL)
        return false;
    uint16_t size = side->body_size;
    if (size > 0)
        memcpy(body, side->body, size);
    drop_body(side, run->arena);
    side->body = body;
    side->body_size = size;
    side->body_cap = (uint16_t)cap;
    return true;
}

MT_STATIC_ASSERT(MT_TLS_MESSAGE_MAX <= MT_ARENA_BLOCK_MAX, "a message fits a block");

static bool is_wanted(enum mt_side side, uint8_t type)
{
    if (type == MT_TLS_CERTIFICATE)
        return true;
    return type == (side == MT_CLIENT ? MT_TLS_CLIENT_HELLO : MT_TLS_SERVER_HELLO);
}

/* Those of RFC 8446 §B.3, of RFC 5246 and its extensions. */
static bool is_known(uint8_t type)
{
    const uint32_t known = 1u << 0 | 1u << 1 | 1u << 2 | 1u << 4 | 1u << 5 | 1u << 8 | 1u << 11 | 1u << 12 |
                           1u << 13 | 1u << 14 | 1u << 15 | 1u << 16 | 1u << 20 | 1u << 21 | 1u << 22 |
                           1u << 23 | 1u << 24 | 1u << 25;

    return type < 32 && (known >> type & 1) != 0;
}

/* Of a chain only its begin is needed: a certificate may be longer than is kept. */
static bool begin_message(struct mt_tls_run *run, struct mt_tls_side *side)
{
    struct mt_reader head = {.rest = mt_span(side->message_head, sizeof(side->message_head))};
    uint8_t type = mt_read_u8(&head);

    side->left = mt_read_u24(&head);
    side->is_wanted = is_wanted(run->side, type);
    if (!is_known(type) || (!side->is_started && !side->is_wanted)) {
        give_up(run, MT_TLS_MALFORMED);
        return false;
    }
    side->is_started = 1;
    if (side->is_wanted && side->left > MT_TLS_MESSAGE_MAX && type != MT_TLS_CERTIFICATE) {
        run->events->note(run->ctx, MT_TLS_CUT);
        side->is_wanted = 0;
    }
    return true;
}

static void end_message(struct mt_tls_run *run, struct mt_tls_side *side, struct mt_span body, bool is_cut)
{
    uint8_t type = side->message_head[0];

    side->message_head_size = 0;
    if (side->is_wanted)
        mt_tls_message(run, type, body, is_cut);
    drop_body(side, run->arena);
}

static void take_body(struct mt_tls_run *run, struct mt_tls_side *side, struct mt_span part)
{
    bool is_end = side->left == part.size;

    side->left -= (uint32_t)part.size;
    if (!side->is_wanted) {
        if (is_end)
            side->message_head_size = 0;
        return;
    }
    if (is_end && side->body_size == 0) {
        end_message(run, side, part, false);
        return;
    }
    bool is_cut = side->body_size + part.size > MT_TLS_MESSAGE_MAX;
    if (is_cut)
        part = mt_span_head(part, MT_TLS_MESSAGE_MAX - side->body_size);
    if (!reserve_body(run, side, part.size)) {
        run->events->note(run->ctx, MT_TLS_MEMORY);
        side->is_wanted = 0;
        drop_body(side, run->arena);
    } else {
        memcpy(side->body + side->body_size, part.ptr, part.size);
        side->body_size = (uint16_t)(side->body_size + part.size);
    }
    if (!is_end && !is_cut)
        return;
    end_message(run, side, mt_span(side->body, side->body_size), is_cut);
    side->is_wanted = 0;
    side->message_head_size = is_end ? 0 : sizeof(side->message_head);
}

static void take_handshake(struct mt_tls_run *run, struct mt_tls_side *side, struct mt_span part)
{
    while (part.size > 0 && !side->is_done) {
        if (side->message_head_size < sizeof(side->message_head)) {
            side->message_head[side->message_head_size++] = part.ptr[0];
            part = mt_span_from(part, 1);
            if (side->message_head_size < sizeof(side->message_head) || !begin_message(run, side))
                continue;
            if (side->left == 0)
                take_body(run, side, mt_span(part.ptr, 0));
            continue;
        }
        struct mt_span now = mt_span_head(part, side->left);
        part = mt_span_from(part, now.size);
        take_body(run, side, now);
    }
}

/* --- records ------------------------------------------------------------------- */

/* What is behind is encrypted, but for TLS 1.3, which changes nothing by it. */
static void take_change(struct mt_tls_run *run)
{
    struct mt_tls *tls = run->tls;

    if (tls->version == VERSION_13 || tls->is_retrying)
        return;
    tls->has_finished[run->side] = 1;
    finish_side(run);
}

static void take_data(struct mt_tls_run *run, uint16_t size)
{
    struct mt_tls *tls = run->tls;

    if (tls->version == VERSION_13 && size >= FINISHED_MIN)
        tls->has_finished[run->side] = 1;
    finish_side(run);
}

static void begin_record(struct mt_tls_run *run, struct mt_tls_side *side)
{
    uint8_t type = side->record_head[0];
    uint16_t size = mt_load_be16(side->record_head + 3);
    bool is_record = type >= RECORD_CHANGE_CIPHER && type <= RECORD_DATA && side->record_head[1] == 3;

    side->record_left = size;
    if (!is_record || size > RECORD_MAX) {
        give_up(run, MT_TLS_MALFORMED);
        return;
    }
    /* messages of a handshake are not interrupted (RFC 8446 §5.1) */
    if (type != RECORD_HANDSHAKE && side->message_head_size > 0 && type != RECORD_ALERT)
        give_up(run, MT_TLS_MALFORMED);
    else if (type == RECORD_DATA)
        take_data(run, size);
    else if (type == RECORD_ALERT && size != 2)
        finish_side(run); /* encrypted */
    if (size == 0)
        side->record_head_size = 0;
}

static void end_record(struct mt_tls_run *run, struct mt_tls_side *side)
{
    if (side->record_head[0] == RECORD_CHANGE_CIPHER)
        take_change(run);
    side->record_head_size = 0;
}

/* The two bytes of an alert may come apart: the level waits where the record's
 * size was. */
static void take_alert(struct mt_tls_run *run, struct mt_tls_side *side, struct mt_span part, size_t off)
{
    for (size_t i = 0; i < part.size; i++)
        side->record_head[3 + (off + i) % 2] = part.ptr[i];
    if (off + part.size < 2)
        return;
    uint8_t *has_alert = &run->tls->has_alert[side->record_head[3] == ALERT_FATAL];
    if (!*has_alert)
        run->events->alert(run->ctx, run->side, side->record_head[3], side->record_head[4]);
    *has_alert = 1;
}

static void take_record(struct mt_tls_run *run, struct mt_tls_side *side, struct mt_span part)
{
    uint8_t type = side->record_head[0];
    size_t off = type == RECORD_ALERT ? 2u - side->record_left : 0;

    side->record_left = (uint16_t)(side->record_left - part.size);
    if (type == RECORD_HANDSHAKE)
        take_handshake(run, side, part);
    else if (type == RECORD_ALERT)
        take_alert(run, side, part, off);
    if (side->record_left == 0 && !side->is_done)
        end_record(run, side);
}

void mt_tls_input(struct mt_tls *tls, enum mt_side which, struct mt_span bytes, struct mt_arena *arena,
                  struct mt_tls_memory *memory, const struct mt_tls_events *events, void *ctx)
{
    struct mt_tls_run run = {
        .tls = tls, .memory = memory, .arena = arena, .events = events, .ctx = ctx, .side = which};
    struct mt_tls_side *side = &tls->side[which];

    while (bytes.size > 0 && !side->is_done) {
        if (side->record_head_size < sizeof(side->record_head)) {
            side->record_head[side->record_head_size++] = bytes.ptr[0];
            bytes = mt_span_from(bytes, 1);
            if (side->record_head_size == sizeof(side->record_head))
                begin_record(&run, side);
            continue;
        }
        struct mt_span part = mt_span_head(bytes, side->record_left);
        bytes = mt_span_from(bytes, part.size);
        take_record(&run, side, part);
    }
}

void mt_tls_gap(struct mt_tls *tls, enum mt_side side, struct mt_arena *arena)
{
    drop_body(&tls->side[side], arena);
    tls->side[side].is_done = 1;
}

void mt_tls_fini(struct mt_tls *tls, struct mt_arena *arena)
{
    mt_tls_gap(tls, MT_CLIENT, arena);
    mt_tls_gap(tls, MT_SERVER, arena);
}

bool mt_tls_is_established(const struct mt_tls *tls)
{
    if (!tls->has_hello[MT_SERVER])
        return false;
    if (tls->version == VERSION_13)
        return tls->has_finished[MT_CLIENT];
    return tls->has_finished[MT_CLIENT] && tls->has_finished[MT_SERVER];
}

bool mt_tls_is_ssl2_hello(struct mt_span bytes, uint16_t *ret_version)
{
    if (bytes.size < 5 || !(bytes.ptr[0] & 0x80) || bytes.ptr[2] != MT_TLS_CLIENT_HELLO)
        return false;
    uint16_t version = mt_load_be16(bytes.ptr + 3);
    if (version != 0x0002 && version >> 8 != 3)
        return false;
    *ret_version = version;
    return true;
}
