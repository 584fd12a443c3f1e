#include "tap.h"

#include <sched.h>
#include <stdlib.h>

struct tap_buffer {
    struct tap *tap;
    _Atomic int users;
    uint32_t size;
    uint8_t bytes[];
};

static void buffer_put(struct tap_buffer *buffer)
{
    if (atomic_fetch_sub(&buffer->users, 1) != 1)
        return;
    atomic_fetch_sub(&buffer->tap->buffers, 1);
    free(buffer);
}

/* By the addresses alone, like a device; so both directions and every fragment of
 * a connection come to one part. */
static bool is_mine(const struct tap *tap, const struct mt_frame *frame)
{
    if (tap->part_count <= 1)
        return true;
    uint32_t sum = 0;
    for (size_t i = 12; i < 20 && i < frame->size; i++)
        sum += frame->data[i];
    bool is_fragment = frame->size >= 8 && ((frame->data[6] & 0x3f) | frame->data[7]) != 0;
    sum += tap->strews_fragments && is_fragment;
    return sum % tap->part_count == tap->part;
}

/* Another round of the same wire has other clients: their third byte differs. */
static void round_shift(const struct tap *tap, struct tap_buffer *buffer)
{
    if (tap->loop == 0 || buffer->size < 20 || buffer->bytes[0] >> 4 != 4)
        return;
    size_t at = buffer->bytes[12] == 203 ? 12 : 16;
    buffer->bytes[at + 1] = (uint8_t)(tap->loop >> 8);
    buffer->bytes[at + 2] = (uint8_t)tap->loop;
}

static struct tap_buffer *buffer_new(struct tap *tap, const struct mt_frame *frame)
{
    struct tap_buffer *buffer = malloc(sizeof(*buffer) + frame->size);
    buffer->tap = tap;
    atomic_init(&buffer->users, 1);
    buffer->size = frame->size;
    memcpy(buffer->bytes, frame->data, frame->size);
    round_shift(tap, buffer);
    atomic_fetch_add(&tap->buffers, 1);
    return buffer;
}

static bool next_frame(struct tap *tap, struct mt_frame *ret_frame)
{
    for (;;) {
        if (tap->next == tap->wire->count) {
            if (tap->loop + 1 >= tap->loop_count)
                return false;
            tap->loop++;
            tap->next = 0;
        }
        const struct mt_frame *frame = &tap->wire->frames[tap->next++];
        if (!is_mine(tap, frame))
            continue;
        struct tap_buffer *buffer = buffer_new(tap, frame);
        tap->burst[tap->burst_count++] = buffer;
        *ret_frame = *frame;
        uint64_t span = tap->wire->time - tap->wire->frames[0].mark.time;
        ret_frame->mark.time += tap->loop * span;
        ret_frame->mark.number = ret_frame->mark.time;
        ret_frame->data = buffer->bytes;
        ret_frame->flags = 0;
        ret_frame->handle = tap->capture.ops->keep ? buffer : NULL;
        tap->time = ret_frame->mark.time;
        return true;
    }
}

static size_t tap_burst(struct mt_capture *capture, struct mt_frame *ret_frames, size_t count_max,
                        bool *ret_end)
{
    struct tap *tap = (struct tap *)capture;
    size_t count = 0;
    uint64_t bytes = 0;
    tap->burst_count = 0;
    while (count < count_max && next_frame(tap, &ret_frames[count])) {
        bytes += ret_frames[count].wire_size;
        count++;
    }
    *ret_end = count < count_max && !tap->is_endless;
    mt_stats_add(tap->stats, MT_COUNTER_FRAMES, count);
    mt_stats_add(tap->stats, MT_COUNTER_BYTES, bytes);
    atomic_fetch_add(&tap->frames_out, count);
    return count;
}

static void tap_release(struct mt_capture *capture)
{
    struct tap *tap = (struct tap *)capture;
    for (size_t i = 0; i < tap->burst_count; i++)
        buffer_put(tap->burst[i]);
    tap->burst_count = 0;
}

static void tap_keep(struct mt_capture *capture)
{
    ((struct tap *)capture)->burst_count = 0;
}

static void tap_give_back(struct mt_capture *capture, void *const *handles, size_t count)
{
    (void)capture;
    for (size_t i = 0; i < count; i++)
        buffer_put(handles[i]);
}

static void tap_attach(struct mt_capture *capture, int role, unsigned index)
{
    struct tap *tap = (struct tap *)capture;
    (void)index;
    while (role == MT_THREAD_WORKER && tap->is_stalled && !atomic_load(&tap->is_let_go))
        sched_yield();
}

static uint64_t tap_now(struct mt_capture *capture)
{
    struct tap *tap = (struct tap *)capture;
    tap->time += atomic_exchange(&tap->jump, 0);
    return tap->time;
}

static void tap_close(struct mt_capture *capture)
{
    (void)capture;
}

static bool hold(void *ctx, void *handle)
{
    struct tap *tap = ctx;
    struct tap_buffer *buffer = handle;
    if (atomic_fetch_add(&tap->holds, 1) >= tap->holds_max) {
        atomic_fetch_sub(&tap->holds, 1);
        return false;
    }
    atomic_fetch_add(&tap->holds_made, 1);
    atomic_fetch_add(&buffer->users, 1);
    return true;
}

static void drop(void *ctx, void *handle)
{
    struct tap *tap = ctx;
    atomic_fetch_sub(&tap->holds, 1);
    buffer_put(handle);
}

static const struct mt_capture_ops lending_ops = {
    .burst = tap_burst, .release = tap_release, .close = tap_close, .attach = tap_attach, .now = tap_now};

static const struct mt_capture_ops keeping_ops = {.burst = tap_burst,
                                                  .release = tap_release,
                                                  .close = tap_close,
                                                  .attach = tap_attach,
                                                  .keep = tap_keep,
                                                  .give_back = tap_give_back,
                                                  .now = tap_now};

void tap_init(struct tap *tap, const struct wire *wire, bool can_keep)
{
    memset(tap, 0, sizeof(*tap));
    tap->wire = wire;
    tap->loop_count = 1;
    tap->holds_max = INT64_MAX;
    tap->stats = aligned_alloc(MT_CACHE_LINE, sizeof(*tap->stats));
    memset(tap->stats, 0, sizeof(*tap->stats));
    tap->hold = (struct mt_frame_hold){.hold = hold, .drop = drop, .ctx = tap};
    tap->capture.ops = can_keep ? &keeping_ops : &lending_ops;
    tap->capture.stats = tap->stats;
    tap->capture.is_live = true;
    tap->capture.hold = can_keep ? &tap->hold : NULL;
}

void tap_fini(struct tap *tap)
{
    free(tap->stats);
}

void tap_jump(struct tap *tap, uint64_t ns)
{
    atomic_fetch_add(&tap->jump, ns);
}

void tap_let_go(struct tap *tap)
{
    atomic_store(&tap->is_let_go, true);
}
