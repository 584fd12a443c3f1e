#include "export/spool_parts_priv.h"

#include "base/hash.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

static const uint8_t magic[8] = {'M', 'T', 's', 'p', 'o', 'o', 'l', '1'};

struct head {
    uint8_t magic[8];
    uint64_t sequence;
    uint64_t count;
    uint64_t check;
};

MT_STATIC_ASSERT(sizeof(struct head) == MT_SEGMENT_HEAD, "the head as it is described");

struct slot {
    uint64_t sequence;
    uint64_t off;
    uint64_t settled;
    uint64_t turn;
    uint64_t check;
};

struct mt_spool_position {
    struct slot slots[2];
};

static uint64_t check_of(const void *bytes, size_t size)
{
    return mt_hash_bytes(0, mt_span(bytes, size));
}

void mt_segment_name(uint64_t sequence, char ret_name[MT_SEGMENT_NAME_MAX])
{
    snprintf(ret_name, MT_SEGMENT_NAME_MAX, "%016" PRIx64 ".segment", sequence);
}

int mt_segment_put_head(int fd, uint64_t sequence, uint64_t count)
{
    struct head head = {.sequence = sequence, .count = count};

    memcpy(head.magic, magic, sizeof(magic));
    head.check = check_of(&head, offsetof(struct head, check));
    ssize_t n = pwrite(fd, &head, sizeof(head), 0);
    if (n == (ssize_t)sizeof(head))
        return 0;
    return n < 0 ? -errno : -ENOSPC;
}

void mt_spool_note_position(struct mt_spool *spool, uint64_t sequence, uint64_t off, uint64_t settled)
{
    struct slot slot = {.sequence = sequence, .off = off, .settled = settled, .turn = ++spool->position_turn};

    slot.check = check_of(&slot, offsetof(struct slot, check));
    memcpy(&spool->position->slots[slot.turn & 1], &slot, sizeof(slot));
}

void mt_spool_unmap_position(struct mt_spool *spool)
{
    if (spool->position != NULL)
        munmap(spool->position, sizeof(*spool->position));
    spool->position = NULL;
}

static int map_position(struct mt_spool *spool)
{
    int fd = openat(spool->folder_fd, "position", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    void *mapped = NULL;

    if (fd < 0)
        return -errno;
    int error = posix_fallocate(fd, 0, sizeof(struct mt_spool_position));
    if (error == 0) {
        mapped = mmap(NULL, sizeof(struct mt_spool_position), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        error = mapped == MAP_FAILED ? errno : 0;
    }
    close(fd);
    if (error != 0 || mapped == NULL)
        return -error;
    spool->position = mapped;
    return 0;
}

/* The newer slot of those that are whole; all zeros when none is. */
static struct slot read_position(const struct mt_spool *spool)
{
    struct slot best = {.turn = 0};

    for (size_t i = 0; i < 2; i++) {
        struct slot slot;
        memcpy(&slot, &spool->position->slots[i], sizeof(slot));
        if (slot.check == check_of(&slot, offsetof(struct slot, check)) && slot.turn > best.turn)
            best = slot;
    }
    return best;
}

/* Documents in a segment that was not full: those that can be read. */
static uint64_t count_frames(const uint8_t *bytes, size_t size, uint64_t off)
{
    struct mt_document document;
    uint64_t count = 0;

    while (off < size) {
        size_t used = 0;
        struct mt_span rest = mt_span(bytes + off, size - off);
        if (mt_frame_read(rest, false, &document, &used) == MT_FRAME_WHOLE) {
            count++;
            off += used;
        } else {
            off += 1 + mt_frame_find(mt_span_from(rest, 1));
        }
    }
    return count;
}

static uint64_t documents_of(int fd, const struct mt_segment *segment)
{
    struct head head = {.count = UINT64_MAX};

    if (pread(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) && head.count != UINT64_MAX &&
        memcmp(head.magic, magic, sizeof(magic)) == 0 && head.sequence == segment->sequence &&
        head.check == check_of(&head, offsetof(struct head, check)))
        return head.count;
    void *bytes = mmap(NULL, segment->size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED)
        return 0;
    uint64_t count = count_frames(bytes, segment->size, MT_SEGMENT_HEAD);
    munmap(bytes, segment->size);
    return count;
}

static int add_found(struct mt_spool *spool, const char *name, uint64_t sequence, const struct slot *position)
{
    struct mt_segment segment = {.sequence = sequence};
    struct stat st;
    int fd = openat(spool->folder_fd, name, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) != 0) {
        int error = errno;
        if (fd >= 0)
            close(fd);
        return -error;
    }
    segment.size = (uint64_t)st.st_size;
    if (segment.size <= MT_SEGMENT_HEAD || sequence < position->sequence) {
        close(fd);
        (void)unlinkat(spool->folder_fd, name, 0);
        return 0;
    }
    segment.count = documents_of(fd, &segment);
    close(fd);
    if (sequence == position->sequence)
        segment.settled = mt_min_u64(position->settled, segment.count);
    return mt_spool_add_segment(spool, &segment);
}

static int is_segment(const struct dirent *entry)
{
    size_t size = strlen(entry->d_name);

    return size == 24 && strcmp(entry->d_name + 16, ".segment") == 0;
}

static int find_segments(struct mt_spool *spool, const struct slot *position)
{
    struct dirent **names = NULL;
    int count = scandirat(spool->folder_fd, ".", &names, is_segment, alphasort);
    int error = count < 0 ? -errno : 0;

    spool->next_sequence = position->sequence + 1;
    for (int i = 0; i < count; i++) {
        uint64_t sequence = strtoull(names[i]->d_name, NULL, 16);
        if (error == 0)
            error = add_found(spool, names[i]->d_name, sequence, position);
        spool->next_sequence = mt_max_u64(spool->next_sequence, sequence + 1);
        free(names[i]);
    }
    free(names);
    return error;
}

int mt_spool_recover(struct mt_spool *spool, char *ret_reason, size_t reason_size)
{
    int error = map_position(spool);
    struct slot position = {.turn = 0};

    if (error == 0 && spool->position != NULL) {
        position = read_position(spool);
        spool->position_turn = position.turn;
        error = find_segments(spool, &position);
    }
    if (error != 0) {
        snprintf(ret_reason, reason_size, "the spool can't be read: %s", strerrordesc_np(-error));
        return error;
    }
    spool->read_off = MT_SEGMENT_HEAD;
    if (spool->segment_count > 0 && spool->segments[0].sequence == position.sequence)
        spool->read_off = mt_max_u64(position.off, MT_SEGMENT_HEAD);
    for (size_t i = 0; i < spool->segment_count; i++)
        mt_spool_add(&spool->spooled, spool->segments[i].count - spool->segments[i].settled);
    atomic_store(&spool->found, atomic_load(&spool->spooled));
    return 0;
}
