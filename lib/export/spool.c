#include "export/spool_parts_priv.h"

#include "export/clock_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define SEGMENT_SIZE (UINT64_C(16) << 20)
#define SEGMENTS_LEAST 8u /* so that giving one up costs little of a small spool */
#define SYNC_EVERY UINT64_C(1000000000)

static int open_folder(const char *folder, struct mt_spool *spool, char *ret_reason, size_t size)
{
    if (mkdir(folder, 0750) != 0 && errno != EEXIST) {
        int error = errno;
        snprintf(ret_reason, size, "the spool %s can't be made: %s", folder, strerrordesc_np(error));
        return -error;
    }
    spool->folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (spool->folder_fd >= 0)
        spool->lock_fd = openat(spool->folder_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (spool->folder_fd < 0 || spool->lock_fd < 0) {
        int error = errno;
        snprintf(ret_reason, size, "the spool %s can't be used: %s", folder, strerrordesc_np(error));
        return -error;
    }
    if (flock(spool->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        snprintf(ret_reason, size, "the spool %s is in use by another output or process; give each its own",
                 folder);
        return -EBUSY;
    }
    return 0;
}

/* --- whose it is ------------------------------------------------------------- */

static bool is_ours(const char *name)
{
    static const char *const names[] = {".", "..", "lock", "position", "refused.ndjson", "refused.ndjson.1"};
    const char *dot = strchr(name, '.');

    for (size_t i = 0; i < MT_ARRAY_COUNT(names); i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return dot != NULL && strcmp(dot, ".segment") == 0;
}

/* False: some entry is not ours, or they can't be read. */
static bool walk_folder(int folder_fd, const struct mt_spool_config *config, bool to_owner)
{
    int fd = openat(folder_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    bool all_ours = folder != NULL;

    if (folder == NULL && fd >= 0)
        close(fd);
    while (all_ours) {
        const struct dirent *entry = readdir(folder); // NOLINT(concurrency-mt-unsafe): a stream of our own
        if (entry == NULL)
            break;
        all_ours = is_ours(entry->d_name);
        if (all_ours && to_owner && entry->d_name[0] != '.')
            (void)fchownat(folder_fd, entry->d_name, config->owner_user, config->owner_group,
                           AT_SYMLINK_NOFOLLOW);
    }
    if (folder != NULL)
        closedir(folder);
    return all_ours;
}

/* What root has made belongs to whom the process becomes. Not where anybody else
 * could have put something that is then given away, and never a folder of others'. */
static void hand_over(const struct mt_spool *spool, const struct mt_spool_config *config)
{
    struct stat st;

    if (config->owner_user == 0 || fstat(spool->folder_fd, &st) != 0 || st.st_uid != 0 ||
        (st.st_mode & (S_IWGRP | S_IWOTH)) != 0 || !walk_folder(spool->folder_fd, config, false))
        return;
    (void)walk_folder(spool->folder_fd, config, true);
    (void)!fchown(spool->folder_fd, config->owner_user, config->owner_group);
}

int mt_spool_open(const struct mt_spool_config *config, char *ret_reason, size_t reason_size,
                  struct mt_spool **ret_spool)
{
    struct mt_spool *spool = calloc(1, sizeof(*spool));
    pthread_condattr_t attributes;

    if (spool == NULL) {
        snprintf(ret_reason, reason_size, "there is no memory for the spool");
        return -ENOMEM;
    }
    spool->folder_fd = spool->lock_fd = spool->read_fd = spool->write_fd = -1;
    spool->max = config->max;
    spool->segment_max = config->segment_max;
    if (spool->segment_max == 0)
        spool->segment_max = mt_min_u64(SEGMENT_SIZE, config->max / SEGMENTS_LEAST);
    spool->shed_what = config->shed;
    spool->fsync = config->fsync;
    pthread_mutex_init(&spool->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&spool->something, &attributes);
    pthread_condattr_destroy(&attributes);
    int error = open_folder(config->folder, spool, ret_reason, reason_size);
    if (error == 0)
        error = mt_spool_recover(spool, ret_reason, reason_size);
    if (error != 0) {
        mt_spool_close(spool);
        return error;
    }
    hand_over(spool, config);
    *ret_spool = spool;
    return 0;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* The segment that was appended to is full from now on. */
static void seal(struct mt_spool *spool)
{
    if (spool->write_fd < 0)
        return;
    (void)mt_segment_put_head(spool->write_fd, spool->writing.sequence, spool->writing.count);
    if (spool->fsync != MT_OUTPUT_FSYNC_NEVER)
        (void)fdatasync(spool->write_fd);
    close_fd(&spool->write_fd);
}

void mt_spool_close(struct mt_spool *spool)
{
    if (spool == NULL)
        return;
    seal(spool);
    while (spool->segment_count > 0 && spool->segments[0].settled == spool->segments[0].count &&
           spool->read_off >= spool->segments[0].size)
        mt_spool_drop_first(spool);
    mt_spool_unmap_position(spool);
    close_fd(&spool->read_fd);
    close_fd(&spool->lock_fd);
    close_fd(&spool->folder_fd);
    pthread_cond_destroy(&spool->something);
    pthread_mutex_destroy(&spool->lock);
    free(spool->segments);
    free(spool);
}

void mt_spool_drop_first(struct mt_spool *spool)
{
    char name[MT_SEGMENT_NAME_MAX];
    struct mt_segment *first = &spool->segments[0];

    mt_segment_name(first->sequence, name);
    (void)unlinkat(spool->folder_fd, name, 0);
    mt_spool_sub(&spool->bytes, first->size);
    spool->segment_count--;
    memmove(first, first + 1, spool->segment_count * sizeof(*first));
    spool->read_off = MT_SEGMENT_HEAD;
    spool->in_damage = false;
}

int mt_spool_add_segment(struct mt_spool *spool, const struct mt_segment *segment)
{
    if (spool->segment_count == spool->segment_cap) {
        size_t cap = spool->segment_cap == 0 ? 64 : spool->segment_cap * 2;
        struct mt_segment *grown = realloc(spool->segments, cap * sizeof(*grown));
        if (grown == NULL)
            return -ENOMEM;
        spool->segments = grown;
        spool->segment_cap = cap;
    }
    spool->segments[spool->segment_count++] = *segment;
    mt_spool_add(&spool->bytes, segment->size);
    return 0;
}

/* Locked. The oldest segment gives way; documents of it that are being sent are
 * not lost. */
static void shed_first(struct mt_spool *spool)
{
    const struct mt_segment *first = &spool->segments[0];
    uint64_t lost = first->count - first->settled;

    if (spool->inflight_count > 0 && spool->inflight_sequence == first->sequence)
        lost -= mt_min_u64(lost, spool->inflight_count);
    mt_spool_add(&spool->shed, lost);
    mt_spool_sub(&spool->spooled, lost);
    mt_spool_drop_first(spool);
}

/* False: what comes gives way. */
static bool make_room(struct mt_spool *spool, size_t size)
{
    bool has_room = true;

    pthread_mutex_lock(&spool->lock);
    while (atomic_load(&spool->bytes) + size > spool->max) {
        has_room = spool->shed_what == MT_OUTPUT_SHED_OLDEST && spool->segment_count > 0;
        if (!has_room)
            break;
        if (spool->segment_count == 1)
            seal(spool);
        shed_first(spool);
    }
    pthread_mutex_unlock(&spool->lock);
    return has_room;
}

static int begin_segment(struct mt_spool *spool)
{
    struct mt_segment segment = {.sequence = spool->next_sequence, .size = MT_SEGMENT_HEAD};
    char name[MT_SEGMENT_NAME_MAX];

    mt_segment_name(segment.sequence, name);
    int fd = openat(spool->folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    int error = fd < 0 ? -errno : mt_segment_put_head(fd, segment.sequence, UINT64_MAX);
    pthread_mutex_lock(&spool->lock);
    if (error == 0)
        error = mt_spool_add_segment(spool, &segment);
    pthread_mutex_unlock(&spool->lock);
    if (error != 0) {
        if (fd >= 0)
            (void)unlinkat(spool->folder_fd, name, 0);
        close_fd(&fd);
        return error;
    }
    if (spool->fsync != MT_OUTPUT_FSYNC_NEVER)
        (void)fsync(spool->folder_fd);
    spool->next_sequence++;
    spool->writing = segment;
    spool->write_fd = fd;
    return 0;
}

static void sync_as_told(struct mt_spool *spool)
{
    uint64_t now = mt_clock_steady();

    if (spool->fsync == MT_OUTPUT_FSYNC_ALWAYS ||
        (spool->fsync == MT_OUTPUT_FSYNC_INTERVAL && now - spool->synced >= SYNC_EVERY)) {
        (void)fdatasync(spool->write_fd);
        spool->synced = now;
    }
}

/* All of it, or -errno and nothing: what was written of it is cut off again. */
static int write_all(struct mt_spool *spool, struct mt_span bytes, uint64_t off)
{
    size_t done = 0;

    while (done < bytes.size) {
        ssize_t n = pwrite(spool->write_fd, bytes.ptr + done, bytes.size - done, (off_t)(off + done));
        if (n > 0) {
            done += (size_t)n;
            continue;
        }
        int error = n == 0 ? EIO : errno;
        if (error == EINTR)
            continue;
        (void)ftruncate(spool->write_fd, (off_t)off);
        return -error;
    }
    return 0;
}

int mt_spool_append(struct mt_spool *spool, struct mt_span frames, uint32_t count)
{
    int error = 0;

    if (!make_room(spool, frames.size + MT_SEGMENT_HEAD)) {
        mt_spool_add(&spool->shed, count);
        return 0;
    }
    if (spool->write_fd >= 0 && spool->writing.size >= spool->segment_max)
        seal(spool);
    if (spool->write_fd < 0)
        error = begin_segment(spool);
    if (error != 0)
        return error;
    error = write_all(spool, frames, spool->writing.size);
    if (error != 0)
        return error;
    sync_as_told(spool);
    spool->writing.size += frames.size;
    spool->writing.count += count;
    pthread_mutex_lock(&spool->lock);
    struct mt_segment *last = &spool->segments[spool->segment_count - 1];
    last->size = spool->writing.size;
    last->count = spool->writing.count;
    mt_spool_add(&spool->bytes, frames.size);
    mt_spool_add(&spool->spooled, count);
    pthread_mutex_unlock(&spool->lock);
    pthread_cond_broadcast(&spool->something);
    return 0;
}

void mt_spool_wait(struct mt_spool *spool, uint64_t patience)
{
    struct timespec until = mt_clock_spec(mt_clock_steady() + patience);

    pthread_mutex_lock(&spool->lock);
    while (!spool->is_woken && atomic_load(&spool->spooled) == 0) {
        if (pthread_cond_timedwait(&spool->something, &spool->lock, &until) == ETIMEDOUT)
            break;
    }
    spool->is_woken = false;
    pthread_mutex_unlock(&spool->lock);
}

void mt_spool_wake(struct mt_spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    spool->is_woken = true;
    pthread_mutex_unlock(&spool->lock);
    pthread_cond_broadcast(&spool->something);
}

void mt_spool_count(const struct mt_spool *spool, struct mt_spool_counts *ret_counts)
{
    ret_counts->found = atomic_load(&spool->found);
    ret_counts->spooled = atomic_load(&spool->spooled);
    ret_counts->bytes = atomic_load(&spool->bytes);
    ret_counts->shed = atomic_load(&spool->shed);
    ret_counts->damaged = atomic_load(&spool->damaged);
    ret_counts->damages = atomic_load(&spool->damages);
}
