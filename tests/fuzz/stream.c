/* Segments made of the input's bytes, in any order and shape, through one
 * stream. Whatever comes in, what comes out of a side is its sequence space
 * from the first number on, each number once: as bytes, in a gap, or as FIN. */
#include "stream/stream.h"
#include "base/check.h"
#include "base/endian.h"
#include "fuzz.h"

#include <stdlib.h>

#define ARENA_LARGE ((size_t)16 << 20)
#define ARENA_SMALL ((size_t)5 << 16) /* a page each for five kinds of blocks */
#define FRAMES_MAX 512
#define OP_SIZE 8

enum { /* first byte of the input */
       SETUP_MIDSTREAM = 1 << 0,
       SETUP_LAST_WINS = 1 << 1,
       SETUP_SMALL_LIMITS = 1 << 2,
       SETUP_SMALL_ARENA = 1 << 3,
       SETUP_PERSISTENT = 1 << 4,
       SETUP_REFUSES = 1 << 5,
       SETUP_WRAPS = 1 << 6,
       SETUP_LITTLE_PATIENCE = 1 << 7,
};

enum { /* first byte of each segment */
       OP_SERVER = 1 << 0,
       OP_FROM_NEXT = 1 << 1, /* offset counts from the next byte due, not from the start */
       OP_FAR = 1 << 2,       /* offset in units of 2^16 */
       OP_OTHER_BYTES = 1 << 3,
       OP_LARGE = 1 << 4, /* size in units of 2^8 */
       OP_CUT = 1 << 5,   /* by the snap length */
       OP_LATER = 1 << 6, /* after a second */
       OP_ACK_FROM_NEXT = 1 << 7,
};

/* What a segment's bytes lie in. Every third one can't be held. */
struct frame {
    struct model *model;
    unsigned users;
    bool is_refused;
    uint8_t bytes[];
};

struct model {
    struct mt_stream stream;
    uint8_t setup;
    uint32_t isn[MT_SIDE_COUNT];
    uint32_t start[MT_SIDE_COUNT]; /* sequence number of the first thing delivered */
    uint64_t said[MT_SIDE_COUNT];  /* sequence numbers delivered */
    bool has_fin[MT_SIDE_COUNT];
    bool has_refused[MT_SIDE_COUNT];
    bool has_conflict;
    uint64_t number;
    struct frame *frames[FRAMES_MAX];
    size_t frame_count;
    uint64_t holds; /* that were not dropped */
};

static uint8_t byte_at(enum mt_side side, uint32_t off)
{
    return (uint8_t)((off * 2654435761u >> 11) + side);
}

/* Something of this side is delivered: it must be what is next. */
static void check_next(struct model *model, enum mt_side side, const struct mt_mark *mark)
{
    uint32_t next_seq = model->stream.dir[side].next_seq;

    MT_BUG_ON(mark->number < 1 || mark->number > model->number);
    MT_BUG_ON(model->has_fin[side]);
    if (model->said[side] == 0)
        model->start[side] = next_seq;
    MT_BUG_ON(next_seq != model->start[side] + (uint32_t)model->said[side]);
}

static void moves(struct model *model, enum mt_side side, uint64_t size)
{
    model->said[side] += size;
    if (size > 0)
        model->has_refused[mt_side_other(side)] = false;
}

static size_t on_data(void *ctx, enum mt_side side, struct mt_span bytes, const struct mt_mark *mark,
                      unsigned flags)
{
    struct model *model = ctx;
    uint32_t off = model->stream.dir[side].next_seq - model->isn[side] - 1;
    size_t take = bytes.size;

    check_next(model, side, mark);
    MT_BUG_ON(bytes.size == 0);
    for (size_t i = 0; i < bytes.size; i++)
        MT_BUG_ON(!model->has_conflict && bytes.ptr[i] != byte_at(side, off + (uint32_t)i));
    if (flags & MT_STREAM_FORCED) {
        model->has_refused[side] = false;
    } else {
        /* not offered again before the other side has moved */
        MT_BUG_ON(model->has_refused[side]);
        if (model->setup & SETUP_REFUSES && bytes.ptr[0] % 4 == 0) {
            take = bytes.ptr[0] / 4 % (bytes.size + 1);
            model->has_refused[side] = take < bytes.size;
        }
    }
    moves(model, side, take);
    return take;
}

static void on_gap(void *ctx, enum mt_side side, uint64_t size, const struct mt_mark *mark)
{
    check_next(ctx, side, mark);
    MT_BUG_ON(size == 0 || size > UINT32_MAX);
    moves(ctx, side, size);
}

static void on_anomaly(void *ctx, enum mt_side side, enum mt_anomaly anomaly, const struct mt_mark *mark)
{
    const struct model *model = ctx;

    (void)side;
    MT_BUG_ON(anomaly >= MT_ANOMALY_COUNT || mark->number > model->number);
}

static void on_fin(void *ctx, enum mt_side side, const struct mt_mark *mark)
{
    struct model *model = ctx;

    check_next(model, side, mark);
    moves(model, side, 1);
    model->has_fin[side] = true;
}

static const struct mt_stream_sink sink = {
    .data = on_data,
    .gap = on_gap,
    .anomaly = on_anomaly,
    .fin = on_fin,
};

static uint32_t place_of(const struct model *model, enum mt_side side, const uint8_t *op, bool from_next)
{
    uint32_t base = from_next ? model->stream.dir[side].next_seq - 32 : model->isn[side] + 1;
    return base + mt_load_le16(op);
}

/* The frame is exactly as long as it has to be and, unless it is persistent, gone
 * after the call, or when the last hold is dropped. */
static struct frame *frame_make(struct model *model, enum mt_side side, uint32_t seq, uint32_t size,
                                uint8_t noise)
{
    struct frame *frame = malloc(sizeof(*frame) + size);

    if (!frame)
        abort();
    *frame = (struct frame){.model = model, .users = 1, .is_refused = model->number % 3 == 0};
    for (uint32_t i = 0; i < size; i++)
        frame->bytes[i] = byte_at(side, seq - model->isn[side] - 1 + i) ^ noise;
    return frame;
}

static void frame_put(struct frame *frame)
{
    if (--frame->users == 0)
        free(frame);
}

static bool frame_hold(void *ctx, void *handle)
{
    struct model *model = ctx;
    struct frame *frame = handle;

    MT_BUG_ON(frame->model != model || frame->users == 0);
    MT_BUG_ON(model->setup & (SETUP_LAST_WINS | SETUP_PERSISTENT));
    if (frame->is_refused)
        return false;
    frame->users++;
    model->holds++;
    return true;
}

static void frame_drop(void *ctx, void *handle)
{
    struct model *model = ctx;
    struct frame *frame = handle;

    MT_BUG_ON(model->holds == 0 || frame->model != model);
    model->holds--;
    frame_put(frame);
}

static void segment_input(struct model *model, struct mt_stream_engine *engine, const uint8_t *op,
                          struct mt_mark *mark)
{
    enum mt_side side = op[0] & OP_SERVER ? MT_SERVER : MT_CLIENT;
    uint8_t tcp_flags = op[1];
    uint32_t seq = place_of(model, side, op + 2, (op[0] & OP_FROM_NEXT) != 0);
    uint32_t ack = place_of(model, mt_side_other(side), op + 4, (op[0] & OP_ACK_FROM_NEXT) != 0);
    uint32_t size = op[0] & OP_LARGE ? op[6] * 256u : op[6];
    uint8_t noise = op[0] & OP_OTHER_BYTES ? op[7] : 0;
    uint32_t captured = op[0] & OP_CUT ? size * op[7] / 256 : size;

    if (op[0] & OP_FAR)
        seq += mt_load_le16(op + 2) * 0xffffu;
    /* the payload of a SYN begins one number later */
    struct frame *frame = frame_make(model, side, seq + (tcp_flags & MT_TCP_SYN ? 1 : 0), captured, noise);
    model->has_conflict |= noise != 0;
    mark->number = ++model->number;
    mark->time += op[0] & OP_LATER ? MT_SEC : MT_MSEC;
    struct mt_packet packet = {
        .payload = mt_span(frame->bytes, captured),
        .payload_size = size,
        .seq = seq,
        .ack = ack,
        .tcp_flags = tcp_flags,
        .frame_flags = model->setup & SETUP_PERSISTENT ? MT_FRAME_PERSISTENT : 0,
        .mark = *mark,
        .handle = frame,
    };
    mt_stream_input(engine, &model->stream, side, &packet, &sink, model);
    if (model->setup & SETUP_PERSISTENT)
        model->frames[model->frame_count++] = frame;
    else
        frame_put(frame);
}

static void check_between(const struct model *model, const struct mt_arena *arena,
                          const struct mt_stream_config *config)
{
    for (int side = 0; side < MT_SIDE_COUNT; side++) {
        if (model->said[side] > 0)
            MT_BUG_ON(model->stream.dir[side].next_seq != model->start[side] + (uint32_t)model->said[side]);
    }
    /* a range costs its bookkeeping and a block of less than twice its size */
    uint64_t ranges = 2 * (uint64_t)config->segments_max;
    MT_BUG_ON(mt_arena_used(arena) > 512 + ranges * (64 + 32) + 4 * (uint64_t)config->bytes_max);
    MT_BUG_ON(!mt_stream_is_waiting(&model->stream) && mt_arena_used(arena) != 0);
    MT_BUG_ON(!mt_stream_is_waiting(&model->stream) && model->holds != 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct model model = {.setup = data[0]};
    bool is_small = model.setup & SETUP_SMALL_LIMITS;
    struct mt_stream_config config = {
        .segments_max = is_small ? 5 : 256,
        .bytes_max = is_small ? 2000 : 1 << 20,
        .patience_segments = model.setup & SETUP_LITTLE_PATIENCE ? 3 : 64,
        .last_wins = (model.setup & SETUP_LAST_WINS) != 0,
    };
    struct mt_frame_hold hold = {.hold = frame_hold, .drop = frame_drop, .ctx = &model};
    config.hold = &hold;
    struct mt_stats stats = {.counter = {0}};
    struct mt_arena *arena;
    struct mt_stream_engine *engine;
    struct mt_mark mark = {.time = MT_SEC};

    if (mt_arena_create(model.setup & SETUP_SMALL_ARENA ? ARENA_SMALL : ARENA_LARGE, &arena) != 0 ||
        mt_stream_engine_create(&config, arena, &stats, &engine) != 0)
        abort();
    for (int side = 0; side < MT_SIDE_COUNT; side++) {
        model.isn[side] = model.setup & SETUP_WRAPS ? UINT32_MAX - 40 : 100000;
        if (!(model.setup & SETUP_MIDSTREAM))
            mt_stream_set_isn(&model.stream, (enum mt_side)side, model.isn[side]);
    }
    for (size_t at = 1; at + OP_SIZE <= size && model.number < FRAMES_MAX; at += OP_SIZE) {
        segment_input(&model, engine, data + at, &mark);
        check_between(&model, arena, &config);
    }
    mt_stream_finish(engine, &model.stream, &sink, &model, &mark);
    check_between(&model, arena, &config);
    MT_BUG_ON(mt_stream_is_waiting(&model.stream));
    while (model.frame_count > 0)
        frame_put(model.frames[--model.frame_count]);
    mt_stream_engine_destroy(engine);
    mt_arena_destroy(arena);
    return 0;
}
