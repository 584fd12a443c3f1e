#include "capture/files.h"

#include "base/check.h"
#include "capture/notices_priv.h"
#include "capture/sources_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* All files of a run stay mapped until its end, so that workers may hold on to
 * frames. The kernel allows 65530 mappings by default; beyond this many files
 * each is unmapped when it is done, and nothing is promised. */
#define MAPPED_MAX 16384

/* A frame further ahead of the one before it, in one file, and of a day that has not
 * come, does not move the clock until the next one is there too. The clock never goes
 * back, so one damaged time stamp would end every session and put all that follows
 * into one moment. Gaps of years that are over are believed: files are merged. */
#define AHEAD_MAX (7 * 86400 * MT_SEC)
#define CLOCKS_DIFFER (86400 * MT_SEC)
#define TIME_MAX ((uint64_t)INT64_MAX) /* the year 2262 */

struct files {
    struct mt_capture capture; /* first: the operations get a pointer to it */
    struct mt_capture_sources sources;
    struct mt_capture_source *current; /* NULL between files */
    struct mt_capture_source *done;    /* the last one that was read, still to be settled, or NULL */
    size_t next;
    struct mt_capture_filter *filter;
    struct mt_capture_damage_list damage;
    struct mt_capture_notices unsupported;
    struct mt_capture_notices unfiltered;
    uint64_t bytes_before; /* of files that are done */
    uint64_t time;
    uint64_t ahead;  /* what the last frame said and was not believed; 0: it was */
    uint64_t future; /* what begins a day after the run */
    uint64_t number;
    bool is_fresh; /* no frame of the current file has come */
    bool is_held;  /* frames of the last burst were not released yet */
    bool is_ended;
};

MT_STATIC_ASSERT(offsetof(struct files, capture) == 0, "files_of casts");

static struct files *files_of(struct mt_capture *capture)
{
    return (struct files *)capture;
}

static void tell_damage(struct files *files, const char *path, uint64_t off, const char *reason)
{
    mt_capture_damage_add(&files->damage, path, off, reason);
    mt_stats_add(files->capture.stats, MT_COUNTER_DAMAGED, 1);
    files->capture.damage = files->damage.items;
    files->capture.damage_count = files->damage.count;
}

/* --- frames ---------------------------------------------------------------- */

static bool is_selected(struct files *files, const struct mt_frame *frame)
{
    if (mt_capture_filter_match(files->filter, frame))
        return true;
    if (mt_capture_filter_check(files->filter, frame->link_type) != NULL)
        mt_capture_notices_count(&files->unfiltered, frame->link_type, files->current->path);
    return false;
}

/* Keeps those frames that the filter selects. */
static size_t select_frames(struct files *files, struct mt_frame *frames, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        if (is_selected(files, &frames[i]))
            frames[kept++] = frames[i];
    }
    mt_stats_add(files->capture.stats, MT_COUNTER_FILTERED, count - kept);
    return kept;
}

/* What to take the time of a frame for that lies far ahead. */
static MT_COLD uint64_t judge_ahead(struct files *files, uint64_t time, bool is_first)
{
    uint64_t before = files->ahead;
    bool is_near = before != 0 && (time > before ? time - before : before - time) <= AHEAD_MAX;
    files->ahead = 0;
    if (time <= TIME_MAX && (is_first || is_near || time < files->future))
        return time;
    files->ahead = time <= TIME_MAX ? time : 0;
    mt_stats_add(files->capture.stats, MT_COUNTER_TIME_AHEAD, 1);
    return files->time;
}

/* Numbers, times that don't run backwards, counters, filter. */
static size_t accept_frames(struct files *files, struct mt_frame *frames, size_t count)
{
    struct mt_stats *stats = files->capture.stats;
    uint64_t bytes = 0;
    uint64_t backwards = 0;
    bool is_unknown = false;
    for (size_t i = 0; i < count; i++) {
        struct mt_frame *frame = &frames[i];
        if (MT_UNLIKELY(frame->mark.time > files->time + AHEAD_MAX))
            frame->mark.time = judge_ahead(files, frame->mark.time, files->is_fresh && i == 0);
        else
            files->ahead = 0;
        backwards += frame->mark.time < files->time;
        files->time = mt_max_u64(files->time, frame->mark.time);
        frame->mark.time = files->time;
        frame->mark.number = ++files->number;
        bytes += frame->wire_size;
        is_unknown |= frame->link == MT_LINK_UNKNOWN;
    }
    files->is_fresh &= count == 0;
    mt_stats_add(stats, MT_COUNTER_FRAMES, count);
    mt_stats_add(stats, MT_COUNTER_BYTES, bytes);
    if (MT_UNLIKELY(backwards > 0))
        mt_stats_add(stats, MT_COUNTER_TIME_BACKWARDS, backwards);
    if (files->filter != NULL)
        count = select_frames(files, frames, count);
    if (MT_UNLIKELY(is_unknown)) {
        for (size_t i = 0; i < count; i++) {
            if (frames[i].link == MT_LINK_UNKNOWN)
                mt_capture_notices_count(&files->unsupported, frames[i].link_type, files->current->path);
        }
    }
    return count;
}

/* --- one file after the other ---------------------------------------------- */

static void show_progress(struct files *files)
{
    uint64_t done = files->bytes_before;
    if (files->current != NULL)
        done += mt_capture_input_done(files->current->file->input);
    atomic_store_explicit(&files->capture.bytes_done, done, memory_order_relaxed);
}

/* Once no frame is asked of it any more, at the latest when it is closed. Of mapped
 * files that is when the next one is opened, since workers still look at its frames, and
 * once more at the end. */
static void settle(struct files *files, struct mt_capture_source *source)
{
    struct mt_capture_input *input = source->file->input;
    if (!mt_capture_input_settle(input))
        tell_damage(files, source->path, input->fault.off, input->fault.reason);
}

/* Opens the next file that can be opened. False: there is none. */
static bool open_next(struct files *files)
{
    while (files->next < files->sources.count) {
        struct mt_capture_source *source = &files->sources.items[files->next++];
        char reason[256] = "";
        int rc = 0;
        if (source->file == NULL)
            rc = mt_capture_file_open(source->path, files->sources.is_streamed, &source->file, reason,
                                      sizeof(reason));
        if (rc == 0 && files->capture.persistent && !mt_capture_file_is_persistent(source->file)) {
            /* the promise to keep every frame was made for the file that it was before */
            mt_capture_file_close(source->file);
            source->file = NULL;
            rc = -ESTALE;
            snprintf(reason, sizeof(reason), "the file was replaced while others were read");
        }
        if (rc == 0) {
            if (files->done != NULL)
                settle(files, files->done);
            files->done = NULL;
            files->current = source;
            files->is_fresh = true;
            return true;
        }
        tell_damage(files, source->path, 0, reason);
    }
    return false;
}

static void close_current(struct files *files)
{
    struct mt_capture_source *source = files->current;
    files->bytes_before += mt_capture_input_done(source->file->input);
    files->current = NULL;
    files->done = source;
    if (!files->capture.persistent) {
        settle(files, source);
        files->done = NULL;
        mt_capture_file_close(source->file);
        source->file = NULL;
    }
}

static void end(struct files *files)
{
    files->is_ended = true;
    mt_capture_notices_tell_unsupported(&files->unsupported, &files->damage);
    if (files->filter != NULL)
        mt_capture_notices_tell_unfiltered(&files->unfiltered, files->filter, &files->damage);
    files->capture.damage = files->damage.items;
    files->capture.damage_count = files->damage.count;
}

static size_t files_burst(struct mt_capture *capture, struct mt_frame *ret_frames, size_t count_max,
                          bool *ret_end)
{
    struct files *files = files_of(capture);
    MT_BUG_ON(files->is_held);
    while (files->current != NULL || open_next(files)) {
        enum mt_walk_status status;
        struct mt_walk_fault fault;
        struct mt_capture_source *source = files->current;
        size_t count = mt_capture_file_walk(source->file, ret_frames, count_max, &status, &fault);
        bool is_interrupted = status == MT_WALK_MORE && count == 0;
        if (MT_UNLIKELY(status == MT_WALK_FAULT))
            tell_damage(files, source->path, fault.off, fault.reason);
        count = accept_frames(files, ret_frames, count);
        /* the file goes with its frames: only once none of them is out */
        if (status == MT_WALK_END && count == 0)
            close_current(files);
        show_progress(files);
        if (MT_LIKELY(count > 0) || is_interrupted) {
            files->is_held = count > 0;
            *ret_end = false;
            return count;
        }
    }
    if (!files->is_ended)
        end(files);
    *ret_end = true;
    return 0;
}

static void files_release(struct mt_capture *capture)
{
    files_of(capture)->is_held = false;
}

void mt_capture_files_settle(struct mt_capture *capture)
{
    struct files *files = files_of(capture);
    for (size_t i = 0; i < files->next; i++) {
        if (files->sources.items[i].file != NULL)
            settle(files, &files->sources.items[i]);
    }
}

static void files_close(struct mt_capture *capture)
{
    struct files *files = files_of(capture);
    mt_capture_sources_fini(&files->sources);
    mt_capture_filter_destroy(files->filter);
    mt_capture_damage_fini(&files->damage);
    free(files);
}

static const struct mt_capture_ops files_ops = {
    .burst = files_burst,
    .release = files_release,
    .close = files_close,
};

/* --- opening --------------------------------------------------------------- */

static int add_paths(struct files *files, const struct mt_capture_files_config *config, char *ret_reason,
                     size_t reason_size)
{
    struct mt_capture_sources *sources = &files->sources;
    for (size_t i = 0; i < config->path_count; i++) {
        int rc = mt_capture_sources_add(sources, config->paths[i], ret_reason, reason_size);
        if (rc != 0)
            return rc;
    }
    if (sources->count > 0)
        return 0;
    if (sources->failed_path == NULL) {
        snprintf(ret_reason, reason_size, "no capture file was named");
        return -EINVAL;
    }
    snprintf(ret_reason, reason_size, "%s: %s", sources->failed_path, sources->failed_reason);
    return sources->failed_error;
}

static bool is_checked(const struct mt_capture_sources *sources, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (sources->items[i].has_link_type && sources->items[i].link_type == sources->items[index].link_type)
            return true;
    }
    return false;
}

/* An expression that fits none of the link types at hand is a mistake; that it
 * doesn't fit some of them is said when their frames turn up. Where no link
 * type is known yet, Ethernet's must do. */
static int check_filter(struct files *files, char *ret_reason, size_t reason_size)
{
    const struct mt_capture_sources *sources = &files->sources;
    const char *reason = NULL;
    bool is_known = false;
    for (size_t i = 0; i < sources->count; i++) {
        const struct mt_capture_source *source = &sources->items[i];
        if (!source->has_link_type || is_checked(sources, i))
            continue;
        is_known = true;
        reason = mt_capture_filter_check(files->filter, source->link_type);
        if (reason == NULL)
            return 0;
    }
    enum { LINKTYPE_ETHERNET = 1 };
    if (!is_known)
        reason = mt_capture_filter_check(files->filter, LINKTYPE_ETHERNET);
    return reason == NULL ? 0 : (snprintf(ret_reason, reason_size, "%s", reason), -EINVAL);
}

static int set_filter(struct files *files, const char *expression, char *ret_reason, size_t reason_size)
{
    char reason[256];
    if (expression == NULL)
        return 0;
    int rc = mt_capture_filter_create(expression, &files->filter);
    if (rc != 0) {
        snprintf(ret_reason, reason_size, "%s", strerror(-rc));
        return rc;
    }
    rc = check_filter(files, reason, sizeof(reason));
    if (rc != 0)
        snprintf(ret_reason, reason_size, "filter \"%s\": %s", expression, reason);
    return rc;
}

static void describe(struct files *files)
{
    struct mt_capture *capture = &files->capture;
    const struct mt_capture_sources *sources = &files->sources;
    uint64_t total = 0;
    bool is_known = true;
    capture->persistent = sources->count <= MAPPED_MAX;
    for (size_t i = 0; i < sources->count; i++) {
        total += sources->items[i].size;
        is_known &= sources->items[i].file == NULL; /* closed again: a regular file */
        capture->persistent &= sources->items[i].is_persistent;
    }
    atomic_init(&capture->bytes_total, is_known ? total : 0);
    mt_stats_add(capture->stats, MT_COUNTER_DAMAGED, files->damage.count + files->damage.unlisted);
    capture->damage = files->damage.items;
    capture->damage_count = files->damage.count;
}

int mt_capture_files_open(const struct mt_capture_files_config *config, struct mt_stats *stats,
                          char *ret_reason, size_t reason_size, struct mt_capture **ret_capture)
{
    struct files *files = calloc(1, sizeof(*files));
    if (files == NULL) {
        snprintf(ret_reason, reason_size, "%s", strerror(ENOMEM));
        return -ENOMEM;
    }
    files->capture.ops = &files_ops;
    files->capture.stats = stats;
    files->sources.damage = &files->damage;
    files->sources.is_streamed = config->is_streamed;
    files->future = (uint64_t)time(NULL) * MT_SEC + CLOCKS_DIFFER;
    int rc = add_paths(files, config, ret_reason, reason_size);
    if (rc == 0)
        rc = set_filter(files, config->filter, ret_reason, reason_size);
    if (rc != 0) {
        files_close(&files->capture);
        return rc;
    }
    describe(files);
    *ret_capture = &files->capture;
    return 0;
}
