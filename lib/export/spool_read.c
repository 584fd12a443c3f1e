#include "export/spool_parts_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* Locked. The oldest segment is read to its end: what is missing of it was in
 * damaged places. */
static void count_damaged(struct mt_spool *spool)
{
    struct mt_segment *first = &spool->segments[0];
    uint64_t missing = first->count - mt_min_u64(first->count, first->settled);

    first->settled += missing;
    mt_spool_add(&spool->damaged, missing);
    mt_spool_sub(&spool->spooled, missing);
}

/* Where to read on: false when nothing is left. */
static bool find_unread(struct mt_spool *spool, struct mt_segment *ret_segment, uint64_t *ret_off)
{
    bool found = false;

    pthread_mutex_lock(&spool->lock);
    while (spool->segment_count > 0) {
        const struct mt_segment *first = &spool->segments[0];
        if (spool->read_off < first->size) {
            *ret_segment = *first;
            *ret_off = spool->read_off;
            found = true;
            break;
        }
        count_damaged(spool);
        if (spool->segment_count == 1)
            break;
        mt_spool_drop_first(spool);
    }
    pthread_mutex_unlock(&spool->lock);
    return found;
}

static ssize_t read_segment(struct mt_spool *spool, const struct mt_segment *segment, uint64_t off,
                            uint8_t *buffer, size_t size)
{
    char name[MT_SEGMENT_NAME_MAX];
    size_t done = 0;

    if (spool->read_fd < 0 || spool->read_sequence != segment->sequence) {
        if (spool->read_fd >= 0)
            close(spool->read_fd);
        mt_segment_name(segment->sequence, name);
        spool->read_fd = openat(spool->folder_fd, name, O_RDONLY | O_CLOEXEC);
        spool->read_sequence = segment->sequence;
    }
    while (spool->read_fd >= 0 && done < size) {
        ssize_t n = pread(spool->read_fd, buffer + done, size - done, (off_t)(off + done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

/* Goes on behind size bytes that are no frames. */
static void skip(struct mt_spool *spool, const struct mt_segment *segment, uint64_t off, uint64_t size)
{
    pthread_mutex_lock(&spool->lock);
    if (spool->segment_count > 0 && spool->segments[0].sequence == segment->sequence) {
        spool->read_off = off + size;
        if (!spool->in_damage)
            mt_spool_add(&spool->damages, 1);
        spool->in_damage = true;
    }
    pthread_mutex_unlock(&spool->lock);
}

/* Whole frames at the start of bytes, at least one and up to want bytes. */
static size_t whole_frames(struct mt_span bytes, size_t want, uint32_t *ret_count)
{
    struct mt_document document;
    size_t size = 0;
    size_t used = 0;

    *ret_count = 0;
    while (used < bytes.size &&
           mt_frame_read(mt_span_from(bytes, used), false, &document, &size) == MT_FRAME_WHOLE &&
           (used == 0 || used + size <= want)) {
        used += size;
        ++*ret_count;
    }
    return used;
}

/* False: the segment has given way meanwhile. */
static bool take_inflight(struct mt_spool *spool, const struct mt_segment *segment, size_t size,
                          uint32_t count)
{
    pthread_mutex_lock(&spool->lock);
    bool is_there = spool->segment_count > 0 && spool->segments[0].sequence == segment->sequence;
    if (is_there) {
        spool->inflight_sequence = segment->sequence;
        spool->inflight_size = size;
        spool->inflight_count = count;
        spool->inflight_pending = count;
        spool->in_damage = false;
    }
    pthread_mutex_unlock(&spool->lock);
    return is_there;
}

size_t mt_spool_read(struct mt_spool *spool, size_t want, uint8_t *buffer, size_t cap)
{
    struct mt_segment segment;
    uint64_t off = 0;
    uint32_t count = 0;

    while (find_unread(spool, &segment, &off)) {
        size_t size = mt_min_u64(mt_min_u64(cap, segment.size - off), mt_max_u64(want, MT_FRAME_MAX));
        size_t got = (size_t)read_segment(spool, &segment, off, buffer, size);
        size_t used = whole_frames(mt_span(buffer, got), want, &count);
        if (used > 0) {
            if (take_inflight(spool, &segment, used, count))
                return used;
        } else if (got < size) {
            skip(spool, &segment, off, segment.size - off); /* the file is shorter than it was */
        } else {
            skip(spool, &segment, off, 1 + mt_frame_find(mt_span(buffer + 1, got - 1)));
        }
    }
    return 0;
}

void mt_spool_settle(struct mt_spool *spool, size_t count)
{
    pthread_mutex_lock(&spool->lock);
    spool->inflight_pending -= count;
    mt_spool_sub(&spool->spooled, count);
    pthread_mutex_unlock(&spool->lock);
}

static bool has_inflight_segment(const struct mt_spool *spool)
{
    return spool->segment_count > 0 && spool->segments[0].sequence == spool->inflight_sequence;
}

void mt_spool_abandon(struct mt_spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    if (!has_inflight_segment(spool)) {
        mt_spool_add(&spool->shed, spool->inflight_pending);
        mt_spool_sub(&spool->spooled, spool->inflight_pending);
    }
    spool->inflight_count = 0;
    spool->inflight_pending = 0;
    pthread_mutex_unlock(&spool->lock);
}

void mt_spool_acknowledge(struct mt_spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    if (has_inflight_segment(spool)) {
        struct mt_segment *first = &spool->segments[0];
        spool->read_off += spool->inflight_size;
        first->settled += spool->inflight_count;
        mt_spool_note_position(spool, first->sequence, spool->read_off, first->settled);
    }
    spool->inflight_count = 0;
    spool->inflight_pending = 0;
    spool->inflight_size = 0;
    pthread_mutex_unlock(&spool->lock);
}
