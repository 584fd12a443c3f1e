#include "export/file_priv.h"

#include "export/clock_priv.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TRIES_MAX 1000u
#define AHEAD_MAX_MS UINT64_C(60000)
#define LOOK_BACK ((off_t)MT_FORMAT_TEXT_MAX + 2)

static uint64_t slot_now(const struct mt_file_rules *rules)
{
    return rules->every == 0 ? 0 : mt_clock_wall() / rules->every;
}

/* The end of the last whole line; size when there is none to be found. */
static off_t last_line_end(int fd, off_t size)
{
    char piece[4096];

    for (off_t end = size; end > 0 && size - end < LOOK_BACK;) {
        off_t start = end > (off_t)sizeof(piece) ? end - (off_t)sizeof(piece) : 0;
        ssize_t n = pread(fd, piece, (size_t)(end - start), start);
        if (n != end - start)
            return size;
        const char *found = memrchr(piece, '\n', (size_t)n);
        if (found != NULL)
            return start + (found - piece) + 1;
        end = start;
    }
    return size;
}

static int note_what_is_there(struct mt_file *file, const struct mt_file_rules *rules)
{
    struct stat st;

    if (fstat(file->fd, &st) != 0)
        return -errno;
    file->is_regular = S_ISREG(st.st_mode);
    file->size = file->is_regular ? (uint64_t)st.st_size : 0;
    file->slot = slot_now(rules);
    if (file->size == 0)
        return 0;
    if (rules->every != 0)
        file->slot = (uint64_t)st.st_mtim.tv_sec * UINT64_C(1000000000) / rules->every;
    off_t end = last_line_end(file->fd, st.st_size);
    if (end < st.st_size && ftruncate(file->fd, end) == 0)
        file->size = (uint64_t)end;
    return 0;
}

int mt_file_open(struct mt_file *file, const struct mt_file_rules *rules, struct mt_span head)
{
    if (file->fd >= 0)
        return 0;
    /* records name people: only owner and group may read what we make */
    file->fd = open(file->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
    int refusal = errno;
    if (file->fd < 0 && (refusal == EACCES || refusal == ENXIO || refusal == EINVAL))
        file->fd = open(file->path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    /* it is not there because it may not be made */
    if (file->fd < 0)
        return errno == ENOENT ? -refusal : -errno;
    int error = note_what_is_there(file, rules);
    file->head_size = 0;
    if (error == 0 && file->size == 0 && head.size > 0) {
        error = mt_file_append(file, head);
        file->head_size = file->size;
    }
    if (error != 0)
        mt_file_close(file);
    return error;
}

void mt_file_close(struct mt_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

int mt_file_append(struct mt_file *file, struct mt_span lines)
{
    size_t done = 0;

    while (done < lines.size) {
        ssize_t n = write(file->fd, lines.ptr + done, lines.size - done);
        if (n > 0) {
            done += (size_t)n;
            continue;
        }
        int error = n == 0 ? EIO : errno;
        if (error == EINTR)
            continue;
        if (file->is_regular && done > 0 && ftruncate(file->fd, (off_t)file->size) != 0)
            file->size += done;
        return -error;
    }
    file->size += lines.size;
    return 0;
}

bool mt_file_is_due(const struct mt_file *file, const struct mt_file_rules *rules, uint64_t size)
{
    if (file->fd < 0 || !file->is_regular || file->size <= file->head_size)
        return false;
    return (rules->rotate != 0 && file->size + size > rules->rotate) ||
           (rules->every != 0 && slot_now(rules) != file->slot);
}

/* PATH.20261122T131500.000Z...: what we put aside, and nothing else. */
static bool is_aside(const char *name, const char *base)
{
    size_t size = strlen(base);

    if (strncmp(name, base, size) != 0 || name[size] != '.')
        return false;
    name += size + 1;
    return strspn(name, "0123456789") == 8 && name[8] == 'T' && strspn(name + 9, "0123456789") == 6 &&
           name[15] == '.' && strspn(name + 16, "0123456789") == 3 && name[19] == 'Z';
}

/* The names in its folder in their order, those put aside and others, for the
 * caller to free; *ret_base is the file's own. */
static int list_folder(const char *path, char *ret_folder, size_t size, const char **ret_base,
                       struct dirent ***ret_names)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash == NULL ? path : slash + 1;

    snprintf(ret_folder, size, "%.*s", slash == NULL ? 1 : (int)(base - path), slash == NULL ? "." : path);
    *ret_base = base;
    *ret_names = NULL;
    return scandir(ret_folder, ret_names, NULL, alphasort);
}

/* The time in the name of the file put aside last, ms; 0: there is none. */
static uint64_t newest_aside(const char *path)
{
    char folder[PATH_MAX];
    const char *base;
    struct dirent **names;
    uint64_t newest = 0;
    int count = list_folder(path, folder, sizeof(folder), &base, &names);

    for (int i = 0; i < count; i++) {
        struct tm tm = {0};
        const char *name = names[i]->d_name;
        if (is_aside(name, base) && strptime(name + strlen(base) + 1, "%Y%m%dT%H%M%S", &tm) != NULL) {
            unsigned long ms = strtoul(name + strlen(base) + strlen(".20261122T131500."), NULL, 10);
            newest = (uint64_t)timegm(&tm) * 1000 + ms;
        }
        free(names[i]);
    }
    free(names);
    return newest;
}

/* Later than all names given before, also by a process before this one: many
 * files may be put aside within one millisecond. A name of long ahead is of a
 * clock that was wrong, and not followed. */
static uint64_t next_aside(const struct mt_file *file)
{
    uint64_t now = mt_clock_wall() / 1000000;
    uint64_t last = file->last_aside != 0 ? file->last_aside : newest_aside(file->path);

    return last >= now && last - now <= AHEAD_MAX_MS ? last + 1 : now;
}

static int rename_aside(struct mt_file *file, char *to, size_t size)
{
    uint64_t first = next_aside(file);

    for (uint64_t ms = first; ms < first + TRIES_MAX; ms++) {
        time_t seconds = (time_t)(ms / 1000);
        struct tm tm;
        char when[32];
        char compressed[PATH_MAX + 8];

        gmtime_r(&seconds, &tm);
        strftime(when, sizeof(when), "%Y%m%dT%H%M%S", &tm);
        snprintf(to, size, "%s.%s.%03uZ", file->path, when, (unsigned)(ms % 1000));
        snprintf(compressed, sizeof(compressed), "%s.zst", to);
        if (access(compressed, F_OK) == 0)
            continue;
        if (renameat2(AT_FDCWD, file->path, AT_FDCWD, to, RENAME_NOREPLACE) == 0) {
            file->last_aside = ms;
            return 0;
        }
        if (errno != EEXIST)
            return -errno;
    }
    return -EEXIST;
}

static void delete_oldest(const char *path, uint64_t keep)
{
    char folder[PATH_MAX];
    const char *base;
    struct dirent **names;
    uint64_t aside = 0;
    int count = list_folder(path, folder, sizeof(folder), &base, &names);

    for (int i = 0; i < count; i++)
        aside += is_aside(names[i]->d_name, base);
    for (int i = 0; i < count; i++) {
        if (aside > keep && is_aside(names[i]->d_name, base)) {
            char old[PATH_MAX + 256];
            snprintf(old, sizeof(old), "%s/%s", folder, names[i]->d_name);
            (void)unlink(old);
            aside--;
        }
        free(names[i]);
    }
    free(names);
}

int mt_file_put_aside(struct mt_file *file, const struct mt_file_rules *rules)
{
    char to[PATH_MAX];

    mt_file_close(file);
    int error = rename_aside(file, to, sizeof(to));
    if (error != 0)
        return error;
    if (rules->keep != 0)
        delete_oldest(file->path, rules->keep);
    if (rules->compressor != NULL)
        mt_compressor_add(rules->compressor, to);
    return 0;
}
