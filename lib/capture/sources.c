#include "capture/sources_priv.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

enum {
    /* damage before the first packet that a look at a file puts up with */
    FAULTS_MAX = 4,
};

/* --- the list -------------------------------------------------------------- */

static void source_fini(struct mt_capture_source *source)
{
    mt_capture_file_close(source->file);
    free(source->path);
}

static struct mt_capture_source *append(struct mt_capture_sources *sources, const char *path)
{
    if (sources->count == sources->room) {
        size_t room = sources->room == 0 ? 16 : sources->room * 2;
        struct mt_capture_source *larger = realloc(sources->items, room * sizeof(*larger));
        if (larger == NULL)
            return NULL;
        sources->items = larger;
        sources->room = room;
    }
    char *copy = strdup(path);
    if (copy == NULL)
        return NULL;
    struct mt_capture_source *source = &sources->items[sources->count++];
    *source = (struct mt_capture_source){.path = copy, .first_time = UINT64_MAX};
    return source;
}

/* Keeps a name for as long as the damage that refers to it. */
static const char *own_path(struct mt_capture_sources *sources, const char *path)
{
    char **larger = realloc(sources->owned_paths, (sources->owned_count + 1) * sizeof(*larger));
    if (larger == NULL)
        return "?";
    sources->owned_paths = larger;
    char *copy = strdup(path);
    if (copy == NULL)
        return "?";
    larger[sources->owned_count++] = copy;
    return copy;
}

static void remember_failure(struct mt_capture_sources *sources, const char *path, int error,
                             const char *reason)
{
    const char *kept = own_path(sources, path);
    if (sources->failed_path == NULL) {
        sources->failed_path = strdup(path);
        sources->failed_error = error;
        snprintf(sources->failed_reason, sizeof(sources->failed_reason), "%s", reason);
    }
    mt_capture_damage_add(sources->damage, kept, 0, reason);
}

void mt_capture_sources_fini(struct mt_capture_sources *sources)
{
    for (size_t i = 0; i < sources->count; i++)
        source_fini(&sources->items[i]);
    for (size_t i = 0; i < sources->owned_count; i++)
        free(sources->owned_paths[i]);
    free(sources->owned_paths);
    free(sources->items);
    free(sources->failed_path);
    *sources = (struct mt_capture_sources){0};
}

/* --- looking at files ------------------------------------------------------ */

/* What is known after a look at the start. The first packet of a stream is not
 * waited for. */
static void look_at_start(struct mt_capture_source *source)
{
    struct mt_capture_file *file = source->file;
    source->size = file->input->file_size;
    source->is_persistent = mt_capture_file_is_persistent(file);
    if (file->format == MT_CAPTURE_PCAP) {
        source->link_type = file->pcap.link_type;
        source->has_link_type = true;
    }
    if (!file->input->is_regular)
        return;
    struct mt_frame frame;
    enum mt_walk_status status = MT_WALK_FULL;
    struct mt_walk_fault fault;
    size_t count = 0;
    int faults = 0;
    while (count == 0 && status != MT_WALK_END && faults < FAULTS_MAX) {
        count = mt_capture_file_walk(file, &frame, 1, &status, &fault);
        faults += status == MT_WALK_FAULT;
    }
    if (count == 0)
        return;
    source->first_time = frame.mark.time;
    source->link_type = frame.link_type;
    source->has_link_type = true;
}

/* Opens the file, looks at its start and closes it again if that can be undone:
 * thousands of files must not need thousands of descriptors. */
static int probe(struct mt_capture_source *source, bool is_streamed, char *ret_reason, size_t reason_size)
{
    int rc = mt_capture_file_open(source->path, is_streamed, &source->file, ret_reason, reason_size);
    if (rc != 0)
        return rc;
    look_at_start(source);
    if (source->file->input->is_regular) {
        mt_capture_file_close(source->file);
        source->file = NULL;
    }
    return 0;
}

/* 0: taken; or -errno of what is wrong with this file. */
static int add_file(struct mt_capture_sources *sources, const char *path, char *ret_reason,
                    size_t reason_size)
{
    struct mt_capture_source *source = append(sources, path);
    if (source == NULL) {
        snprintf(ret_reason, reason_size, "%s", strerror(ENOMEM));
        return -ENOMEM;
    }
    int rc = probe(source, sources->is_streamed, ret_reason, reason_size);
    if (rc != 0) {
        source_fini(source);
        sources->count--;
    }
    return rc;
}

/* --- directories ----------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const struct mt_capture_source *left = a;
    const struct mt_capture_source *right = b;
    if (left->first_time != right->first_time)
        return left->first_time < right->first_time ? -1 : 1;
    return strcmp(left->path, right->path);
}

static bool is_regular(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

/* Files that are no captures, or hold nothing, are none of our business here;
 * those that can't be read, or start like a capture and break off, are. */
static void add_member(struct mt_capture_sources *sources, const char *path)
{
    char reason[256];
    if (!is_regular(path))
        return;
    int rc = add_file(sources, path, reason, sizeof(reason));
    if (rc != 0 && rc != -ENOMSG && rc != -ENODATA)
        remember_failure(sources, path, rc, reason);
}

static int add_members(struct mt_capture_sources *sources, const char *path, DIR *directory, char *ret_reason,
                       size_t reason_size)
{
    const struct dirent *entry;
    size_t path_size = strlen(path);
    const char *slash = path_size > 0 && path[path_size - 1] == '/' ? "" : "/";
    while ((entry = readdir(directory)) != NULL) {
        char *member;
        if (sources->count == MT_CAPTURE_SOURCES_MAX) {
            snprintf(ret_reason, reason_size, "%s: more than %d capture files", path, MT_CAPTURE_SOURCES_MAX);
            return -E2BIG;
        }
        if (asprintf(&member, "%s%s%s", path, slash, entry->d_name) < 0) {
            snprintf(ret_reason, reason_size, "%s: %s", path, strerror(ENOMEM));
            return -ENOMEM;
        }
        add_member(sources, member);
        free(member);
    }
    return 0;
}

static int add_directory(struct mt_capture_sources *sources, const char *path, char *ret_reason,
                         size_t reason_size)
{
    DIR *directory = opendir(path);
    if (directory == NULL) {
        remember_failure(sources, path, -errno, strerror(errno));
        return 0;
    }
    size_t before = sources->count;
    int rc = add_members(sources, path, directory, ret_reason, reason_size);
    closedir(directory);
    if (rc != 0)
        return rc;
    if (sources->count == before)
        remember_failure(sources, path, -ENOENT, "the directory holds no capture file");
    else
        qsort(sources->items + before, sources->count - before, sizeof(*sources->items), compare);
    return 0;
}

/* --- paths ----------------------------------------------------------------- */

static bool has_standard_input(const struct mt_capture_sources *sources)
{
    for (size_t i = 0; i < sources->count; i++) {
        if (strcmp(sources->items[i].path, "-") == 0)
            return true;
    }
    return false;
}

int mt_capture_sources_add(struct mt_capture_sources *sources, const char *path, char *ret_reason,
                           size_t reason_size)
{
    bool is_standard = strcmp(path, "-") == 0;
    struct stat st;
    if (is_standard && has_standard_input(sources)) {
        snprintf(ret_reason, reason_size, "-: standard input can be read only once");
        return -EINVAL;
    }
    if (!is_standard && stat(path, &st) != 0) {
        int error = errno;
        snprintf(ret_reason, reason_size, "%s: %s", path, strerror(error));
        return -error;
    }
    if (!is_standard && S_ISDIR(st.st_mode))
        return add_directory(sources, path, ret_reason, reason_size);
    if (sources->count == MT_CAPTURE_SOURCES_MAX) {
        snprintf(ret_reason, reason_size, "%s: more than %d capture files", path, MT_CAPTURE_SOURCES_MAX);
        return -E2BIG;
    }
    char reason[256];
    int rc = add_file(sources, path, reason, sizeof(reason));
    if (rc != 0)
        remember_failure(sources, path, rc, reason);
    return 0;
}
