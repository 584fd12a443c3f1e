/* The desks, and the folder. */
#include "extract/extract_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Octets of a message that go into one order. */
#define PIECE_MAX 65536u

/* --- the ring --------------------------------------------------------------- */

static uint32_t space_of(size_t size)
{
    return (uint32_t)((sizeof(struct mt_extract_order) + size + 15) & ~(size_t)15);
}

static bool has_room(struct mt_extract_desk *desk, uint64_t put, uint64_t needed)
{
    return put + needed - atomic_load_explicit(&desk->done, memory_order_acquire) <= MT_EXTRACT_RING;
}

static bool await_room(struct mt_extract_desk *desk, uint64_t put, uint64_t needed)
{
    if (has_room(desk, put, needed))
        return true;
    while (desk->extract->config.is_patient && desk->extract->is_started) {
        sched_yield();
        if (has_room(desk, put, needed))
            return true;
    }
    return false;
}

/* False: there is no room. */
static bool order(struct mt_extract_desk *desk, const struct mt_extract_order *what, const void *more)
{
    uint64_t put = atomic_load_explicit(&desk->put, memory_order_relaxed);
    uint32_t space = space_of(what->size);
    uint32_t at = (uint32_t)(put % MT_EXTRACT_RING);
    uint32_t skipped = at + space > MT_EXTRACT_RING ? MT_EXTRACT_RING - at : 0;

    if (!await_room(desk, put, (uint64_t)skipped + space))
        return false;
    if (skipped > 0) {
        const struct mt_extract_order skip = {.what = MT_EXTRACT_SKIP, .size = skipped};
        memcpy(desk->ring + at, &skip, sizeof(skip));
        at = 0;
    }
    memcpy(desk->ring + at, what, sizeof(*what));
    if (what->size > 0)
        memcpy(desk->ring + at + sizeof(*what), more, what->size);
    atomic_store_explicit(&desk->put, put + skipped + space, memory_order_release);
    return true;
}

/* --- what workers call ------------------------------------------------------ */

static uint8_t keep(char *to, struct mt_span text, size_t max)
{
    text = mt_span_head(text, max);
    if (text.size > 0)
        memcpy(to, text.ptr, text.size);
    return (uint8_t)text.size;
}

uint32_t mt_extract_begin(void *ctx, const struct mt_record_file *file)
{
    struct mt_extract_desk *desk = ctx;
    struct mt_extract_begin_order begin = {.time = file->time, .transaction = file->transaction};

    begin.id_size = keep(begin.id, file->event_id, MT_EXTRACT_ID_MAX);
    begin.path_size = keep(begin.path, file->path, MT_EXTRACT_PATH_MAX);
    begin.type_size = keep(begin.type, file->type, MT_EXTRACT_TEXT_MAX - 1);
    begin.name_size = keep(begin.name, file->name, MT_EXTRACT_TEXT_MAX - 1);
    if (desk->free_count > 0) {
        uint16_t place = desk->free[desk->free_count - 1];
        const struct mt_extract_order what = {.what = MT_EXTRACT_BEGIN, .file = place, .size = sizeof(begin)};
        if (order(desk, &what, &begin)) {
            desk->free_count--;
            desk->lost[place] = 0;
            return place + 1u;
        }
    }
    atomic_fetch_add_explicit(&desk->shed, 1, memory_order_relaxed);
    return 0;
}

void mt_extract_put(void *ctx, uint32_t file, struct mt_span bytes)
{
    struct mt_extract_desk *desk = ctx;

    if (file == 0 || desk->lost[file - 1])
        return;
    while (bytes.size > 0) {
        struct mt_span piece = mt_span_head(bytes, PIECE_MAX);
        const struct mt_extract_order what = {
            .what = MT_EXTRACT_PUT, .file = file - 1, .size = (uint32_t)piece.size};
        if (!order(desk, &what, piece.ptr)) {
            desk->lost[file - 1] = MT_EXTRACT_LOST; /* a file has no holes: it ends here */
            return;
        }
        bytes = mt_span_from(bytes, piece.size);
    }
}

/* A place whose end finds no room stays taken: the file is closed when all is over. */
void mt_extract_end(void *ctx, uint32_t file, bool is_whole)
{
    struct mt_extract_desk *desk = ctx;

    if (file == 0)
        return;
    const struct mt_extract_order what = {.what = MT_EXTRACT_END,
                                          .file = file - 1,
                                          .flags = desk->lost[file - 1] | (is_whole ? MT_EXTRACT_WHOLE : 0u)};
    if (order(desk, &what, NULL))
        desk->free[desk->free_count++] = (uint16_t)(file - 1);
}

/* --- creation --------------------------------------------------------------- */

static int open_folder(struct mt_extract *extract, char *ret_reason, size_t reason_size)
{
    const char *path = extract->config.folder;
    bool is_made = mkdir(path, 0700) == 0;

    if (!is_made && errno != EEXIST) {
        snprintf(ret_reason, reason_size, "%s can't be made: %s", path, strerrordesc_np(errno));
        return -errno;
    }
    extract->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (extract->folder >= 0)
        extract->index = openat(extract->folder, "index.jsonl",
                                O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    bool is_open = extract->index >= 0;
    if (is_open && extract->config.has_owner) {
        is_open = fchown(extract->index, extract->config.uid, extract->config.gid) == 0;
        if (is_open && is_made)
            is_open = fchown(extract->folder, extract->config.uid, extract->config.gid) == 0;
    }
    if (is_open)
        return 0;
    snprintf(ret_reason, reason_size, "%s%s can't be written: %s", path,
             extract->folder >= 0 ? "/index.jsonl" : "", strerrordesc_np(errno));
    return -errno;
}

int mt_extract_create(const struct mt_extract_config *config, char *ret_reason, size_t reason_size,
                      struct mt_extract **ret_extract)
{
    struct mt_extract *extract = calloc(1, sizeof(*extract));

    if (extract == NULL) {
        snprintf(ret_reason, reason_size, "no memory");
        return -ENOMEM;
    }
    extract->config = *config;
    if (extract->config.file_max == 0)
        extract->config.file_max = MT_EXTRACT_FILE_DEFAULT;
    if (extract->config.total_max == 0)
        extract->config.total_max = MT_EXTRACT_TOTAL_DEFAULT;
    extract->folder = -1;
    extract->index = -1;
    int rc = open_folder(extract, ret_reason, reason_size);
    if (rc == 0) {
        extract->is_started = pthread_create(&extract->thread, NULL, mt_extract_writer_main, extract) == 0;
        rc = extract->is_started ? 0 : -EAGAIN;
        if (rc != 0)
            snprintf(ret_reason, reason_size, "no thread to write files");
    }
    if (rc != 0) {
        mt_extract_destroy(extract, NULL);
        return rc;
    }
    *ret_extract = extract;
    return 0;
}

void mt_extract_count(const struct mt_extract *extract, struct mt_stats *ret_stats)
{
    uint64_t shed = atomic_load(&extract->refused);

    for (uint32_t i = 0; i < atomic_load(&extract->desk_count); i++)
        shed += atomic_load_explicit(&extract->desks[i]->shed, memory_order_relaxed);
    mt_stats_add(ret_stats, MT_COUNTER_EXTRACT_FILES, atomic_load(&extract->files));
    mt_stats_add(ret_stats, MT_COUNTER_EXTRACT_BYTES, atomic_load(&extract->total));
    mt_stats_add(ret_stats, MT_COUNTER_EXTRACT_CUT, atomic_load(&extract->cut));
    mt_stats_add(ret_stats, MT_COUNTER_EXTRACT_EXISTING, atomic_load(&extract->existing));
    mt_stats_add(ret_stats, MT_COUNTER_EXTRACT_ERRORS, atomic_load(&extract->errors));
    mt_stats_add(ret_stats, MT_COUNTER_EXTRACT_SHED, shed);
}

bool mt_extract_destroy(struct mt_extract *extract, struct mt_stats *ret_stats)
{
    if (extract == NULL)
        return true;
    atomic_store(&extract->is_ending, true);
    if (extract->is_started)
        pthread_join(extract->thread, NULL);
    if (ret_stats != NULL)
        mt_extract_count(extract, ret_stats);
    bool is_well = atomic_load(&extract->errors) == 0;
    for (uint32_t i = 0; i < extract->desk_count; i++) {
        free(extract->desks[i]->ring);
        free(extract->desks[i]->files);
        free(extract->desks[i]);
    }
    if (extract->index >= 0)
        close(extract->index);
    if (extract->folder >= 0)
        close(extract->folder);
    free(extract);
    return is_well;
}

struct mt_extract_desk *mt_extract_open_desk(struct mt_extract *extract)
{
    uint32_t count = atomic_load(&extract->desk_count);

    if (count == MT_EXTRACT_DESKS_MAX)
        return NULL;
    struct mt_extract_desk *desk = aligned_alloc(MT_CACHE_LINE, sizeof(*desk));
    if (desk == NULL)
        return NULL;
    memset(desk, 0, sizeof(*desk));
    desk->extract = extract;
    desk->ring = aligned_alloc(MT_CACHE_LINE, MT_EXTRACT_RING);
    desk->files = calloc(MT_EXTRACT_OPEN_MAX, sizeof(*desk->files));
    if (desk->ring == NULL || desk->files == NULL) {
        free(desk->ring);
        free(desk->files);
        free(desk);
        return NULL;
    }
    for (uint32_t i = 0; i < MT_EXTRACT_OPEN_MAX; i++)
        desk->free[i] = (uint16_t)(MT_EXTRACT_OPEN_MAX - 1 - i);
    desk->free_count = MT_EXTRACT_OPEN_MAX;
    extract->desks[count] = desk;
    atomic_store_explicit(&extract->desk_count, count + 1, memory_order_release);
    return desk;
}
