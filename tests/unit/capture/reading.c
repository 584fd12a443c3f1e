#include "reading.h"

#include "maker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cmocka.h>

uint32_t sum_of(const uint8_t *bytes, size_t size)
{
    uint32_t sum = 1;
    for (size_t i = 0; i < size; i++)
        sum = sum * 31 + bytes[i];
    return sum;
}

static void keep(struct reading *reading, const struct mt_frame *frame)
{
    if (reading->frame_count == reading->frame_room) {
        reading->frame_room = reading->frame_room * 2 + 64;
        reading->frames = realloc(reading->frames, reading->frame_room * sizeof(*reading->frames));
        assert_non_null(reading->frames);
    }
    struct read_frame *kept = &reading->frames[reading->frame_count++];
    *kept = (struct read_frame){
        .time = frame->mark.time,
        .number = frame->mark.number,
        .size = frame->size,
        .wire_size = frame->wire_size,
        .sum = sum_of(frame->data, frame->size),
        .link_type = frame->link_type,
        .link = frame->link,
        .flags = frame->flags,
    };
    memcpy(kept->first, frame->data, frame->size < 8 ? frame->size : 8);
}

static void keep_end(struct reading *reading, struct mt_capture *capture)
{
    reading->damage_count = capture->damage_count;
    reading->damage = calloc(capture->damage_count + 1, sizeof(*reading->damage));
    assert_non_null(reading->damage);
    for (size_t i = 0; i < capture->damage_count; i++) {
        reading->damage[i] = capture->damage[i];
        reading->damage[i].path = NULL;
    }
    reading->bytes_done = atomic_load(&capture->bytes_done);
    reading->bytes_total = atomic_load(&capture->bytes_total);
    reading->is_persistent = capture->persistent;
}

static void read_all(struct reading *reading, const struct mt_capture_files_config *config, size_t burst_max)
{
    *reading = (struct reading){0};
    reading->stats = aligned_alloc(MT_CACHE_LINE, sizeof(*reading->stats));
    assert_non_null(reading->stats);
    memset(reading->stats, 0, sizeof(*reading->stats));
    struct mt_capture *capture = NULL;
    reading->rc =
        mt_capture_files_open(config, reading->stats, reading->reason, sizeof(reading->reason), &capture);
    if (reading->rc != 0) {
        assert_null(capture);
        return;
    }
    bool is_end = false;
    while (!is_end) {
        struct mt_frame frames[MT_BURST_MAX];
        size_t count = capture->ops->burst(capture, frames, burst_max, &is_end);
        assert_true(count <= burst_max);
        for (size_t i = 0; i < count; i++)
            keep(reading, &frames[i]);
        capture->ops->release(capture);
    }
    keep_end(reading, capture);
    capture->ops->close(capture);
}

/* A pipe can be read only once. */
static bool can_be_read_twice(const char *const *paths, size_t path_count)
{
    for (size_t i = 0; i < path_count; i++) {
        struct stat st;
        if (stat(paths[i], &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
            return false;
    }
    return true;
}

static void assert_same_reading(const struct reading *a, const struct reading *b)
{
    assert_int_equal(a->rc, b->rc);
    assert_string_equal(a->reason, b->reason);
    assert_same_frames(a, b);
    assert_int_equal(a->damage_count, b->damage_count);
    for (size_t i = 0; i < a->damage_count; i++) {
        assert_int_equal(a->damage[i].off, b->damage[i].off);
        assert_string_equal(a->damage[i].reason, b->damage[i].reason);
    }
    assert_int_equal(a->bytes_total, b->bytes_total);
}

void reading_of_paths(struct reading *reading, const char *const *paths, size_t path_count,
                      const char *filter, size_t burst_max)
{
    struct mt_capture_files_config config = {.paths = paths, .path_count = path_count, .filter = filter};
    read_all(reading, &config, burst_max);
    if (!can_be_read_twice(paths, path_count))
        return;
    struct reading streamed;
    config.is_streamed = true;
    read_all(&streamed, &config, burst_max);
    assert_false(streamed.is_persistent);
    assert_same_reading(reading, &streamed);
    reading_fini(&streamed);
}

void reading_of(struct reading *reading, const char *path)
{
    reading_of_paths(reading, &path, 1, NULL, MT_BURST_MAX);
}

void reading_fini(struct reading *reading)
{
    free(reading->frames);
    free(reading->damage);
    free(reading->stats);
    *reading = (struct reading){0};
}

void assert_pcap_of(const struct reading *reading, size_t at, uint32_t second, unsigned first, unsigned count)
{
    for (unsigned i = first; i < first + count; i++, at++) {
        uint8_t bytes[400];
        uint32_t size = made_pcap_size(i);
        for (uint32_t k = 0; k < size; k++)
            bytes[k] = made_byte(i, k);
        assert_true(at < reading->frame_count);
        const struct read_frame *frame = &reading->frames[at];
        assert_int_equal(frame->time, (uint64_t)(second + i) * MT_SEC + i * UINT64_C(1000));
        assert_int_equal(frame->size, size);
        assert_int_equal(frame->wire_size, size + 10);
        assert_int_equal(frame->sum, sum_of(bytes, size));
    }
}

void assert_same_frames(const struct reading *a, const struct reading *b)
{
    assert_int_equal(a->frame_count, b->frame_count);
    for (size_t i = 0; i < a->frame_count; i++) {
        assert_int_equal(a->frames[i].time, b->frames[i].time);
        assert_int_equal(a->frames[i].size, b->frames[i].size);
        assert_int_equal(a->frames[i].wire_size, b->frames[i].wire_size);
        assert_int_equal(a->frames[i].sum, b->frames[i].sum);
        assert_int_equal(a->frames[i].link_type, b->frames[i].link_type);
    }
}
