#include "capture/sysfs_priv.h"

#include <dirent.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool make_path(char path[PATH_MAX], const char *format, va_list args)
{
    int size = vsnprintf(path, PATH_MAX, format, args);
    return size >= 0 && size < PATH_MAX;
}

/* Cuts what does not fit. */
static void copy_text(char *to, size_t to_size, const char *text, size_t size)
{
    if (to_size == 0)
        return;
    size = mt_min_u64(size, to_size - 1);
    memcpy(to, text, size);
    to[size] = '\0';
}

bool mt_sysfs_exists(const char *format, ...)
{
    char path[PATH_MAX];
    va_list args;
    va_start(args, format);
    bool is_path = make_path(path, format, args);
    va_end(args);
    return is_path && access(path, F_OK) == 0;
}

static bool read_line(const char *path, char *ret_line, size_t line_size)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return false;
    bool is_read = fgets(ret_line, (int)line_size, file) != NULL;
    fclose(file);
    return is_read;
}

bool mt_sysfs_text(char *ret_text, size_t text_size, const char *format, ...)
{
    char path[PATH_MAX];
    char line[512] = "";
    va_list args;
    va_start(args, format);
    bool is_read = make_path(path, format, args) && read_line(path, line, sizeof(line));
    va_end(args);
    copy_text(ret_text, text_size, line, strcspn(line, "\n"));
    return is_read;
}

long long mt_sysfs_number(long long otherwise, const char *format, ...)
{
    char path[PATH_MAX];
    char line[64];
    char *end = line;
    long long number = otherwise;
    va_list args;
    va_start(args, format);
    if (make_path(path, format, args) && read_line(path, line, sizeof(line)))
        number = strtoll(line, &end, 0);
    va_end(args);
    return end != line ? number : otherwise;
}

bool mt_sysfs_link(char *ret_name, size_t name_size, const char *format, ...)
{
    char path[PATH_MAX];
    char target[PATH_MAX];
    ssize_t size = -1;
    va_list args;
    va_start(args, format);
    if (make_path(path, format, args))
        size = readlink(path, target, sizeof(target) - 1);
    va_end(args);
    target[size > 0 ? size : 0] = '\0';
    const char *last = strrchr(target, '/');
    last = last != NULL ? last + 1 : target;
    copy_text(ret_name, name_size, last, strlen(last));
    return size > 0;
}

bool mt_sysfs_real_name(char *ret_name, size_t name_size, const char *format, ...)
{
    char path[PATH_MAX];
    char real[PATH_MAX] = "";
    va_list args;
    va_start(args, format);
    bool is_found = make_path(path, format, args) && realpath(path, real) != NULL;
    va_end(args);
    const char *last = is_found ? strrchr(real, '/') + 1 : "";
    copy_text(ret_name, name_size, last, strlen(last));
    return is_found;
}

uint32_t mt_sysfs_count(const char *prefix, const char *format, ...)
{
    char path[PATH_MAX];
    uint32_t count = 0;
    va_list args;
    va_start(args, format);
    DIR *dir = make_path(path, format, args) ? opendir(path) : NULL;
    va_end(args);
    if (dir == NULL)
        return 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.' && strncmp(entry->d_name, prefix, strlen(prefix)) == 0;
    closedir(dir);
    return count;
}
