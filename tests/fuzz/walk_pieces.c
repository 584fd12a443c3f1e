#include "walk_pieces.h"

#include "base/check.h"
#include "base/hash.h"
#include "capture/files.h"

#include <stdlib.h>

/* What was seen, as a number: frames and faults in their order. */
struct seen {
    uint64_t hash;
    size_t frames;
    size_t faults;
};

/* The bytes from off on that the walk may see, in memory of exactly their size. */
struct view {
    const uint8_t *data;
    size_t size;
    uint8_t *copy;
    struct mt_window window;
};

static void show(struct view *view, size_t off, size_t count, bool is_mapped)
{
    if (count > view->size - off)
        count = view->size - off;
    free(view->copy);
    view->copy = malloc(count > 0 ? count : 1);
    MT_BUG_ON(view->copy == NULL);
    if (count > 0)
        memcpy(view->copy, view->data + off, count);
    view->window = (struct mt_window){
        .ptr = view->copy,
        .size = count,
        .off = off,
        .is_last = off + count == view->size,
        .is_mapped = is_mapped,
    };
}

static void note(struct seen *seen, const void *bytes, size_t size)
{
    seen->hash = mt_hash_bytes(seen->hash, mt_span(bytes, size));
}

static void note_frame(struct seen *seen, const struct view *view, const struct mt_frame *frame)
{
    MT_BUG_ON(frame->size > MT_CAPTURE_RECORD_MAX || frame->wire_size < frame->size);
    MT_BUG_ON(frame->wire_size > INT32_MAX);
    MT_BUG_ON(frame->data < view->copy || frame->data + frame->size > view->copy + view->window.size);
    seen->frames++;
    note(seen, &frame->mark.time, sizeof(frame->mark.time));
    note(seen, &frame->wire_size, sizeof(frame->wire_size));
    note(seen, &frame->link_type, sizeof(frame->link_type));
    note(seen, frame->data, frame->size);
}

static void note_fault(struct seen *seen, const struct mt_walk_fault *fault)
{
    MT_BUG_ON(memchr(fault->reason, '\0', sizeof(fault->reason)) == NULL);
    MT_BUG_ON(fault->reason[0] == '\0');
    seen->faults++;
    note(seen, &fault->off, sizeof(fault->off));
    note(seen, fault->reason, strlen(fault->reason));
}

static struct seen walk(const struct walk_target *target, const uint8_t *data, size_t size, size_t extra,
                        size_t burst)
{
    struct seen seen = {0};
    struct view view = {.data = data, .size = size};
    bool is_whole = extra == 0;
    show(&view, target->skip, is_whole ? size : extra, is_whole);
    target->open(target->walk, data);
    enum mt_walk_status status = MT_WALK_FULL;
    while (status != MT_WALK_END) {
        struct mt_frame frames[MT_BURST_MAX];
        struct mt_walk_fault fault;
        uint64_t before = mt_window_off(&view.window);
        size_t count = target->next(target->walk, &view.window, frames, burst, &status, &fault);
        MT_BUG_ON(count > burst || view.window.pos > view.window.size);
        for (size_t i = 0; i < count; i++)
            note_frame(&seen, &view, &frames[i]);
        if (status == MT_WALK_FAULT)
            note_fault(&seen, &fault);
        if (status == MT_WALK_FULL)
            MT_BUG_ON(count != burst || mt_window_off(&view.window) == before);
        if (status == MT_WALK_MORE) {
            size_t need = view.window.need;
            MT_BUG_ON(view.window.is_last || need > MT_WINDOW_NEED_MAX);
            MT_BUG_ON(need <= mt_window_left(&view.window));
            show(&view, (size_t)mt_window_off(&view.window), need + extra - 1, is_whole);
        }
        MT_BUG_ON(seen.faults > size + 1); /* each fault is behind the one before */
    }
    MT_BUG_ON(mt_window_left(&view.window) != 0 || !view.window.is_last);
    target->close(target->walk);
    free(view.copy);
    return seen;
}

void walk_both_ways(const struct walk_target *target, const uint8_t *data, size_t size)
{
    struct seen whole = walk(target, data, size, 0, MT_BURST_MAX);
    struct seen exact = walk(target, data, size, 1, 1);
    struct seen more = walk(target, data, size, 1 + data[size - 1] % 100, 1 + data[size / 2] % MT_BURST_MAX);
    MT_BUG_ON(whole.frames != exact.frames || whole.faults != exact.faults || whole.hash != exact.hash);
    MT_BUG_ON(whole.frames != more.frames || whole.faults != more.faults || whole.hash != more.hash);
}
