/* Runs a fuzz target over files, or over the files of folders, without a
 * fuzzer: seeds and past crashers as an ordinary test. */
#include "fuzz.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static unsigned runs;

static int complain(const char *path)
{
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return 1;
}

/* The bytes get memory of exactly their size, so that a sanitizer sees the
 * first one that is read too many. */
static int run_file(const char *path, size_t size)
{
    uint8_t *data = malloc(size > 0 ? size : 1);
    FILE *file = fopen(path, "rbe");
    if (file == NULL || data == NULL || fread(data, 1, size, file) != size)
        return complain(path);
    fclose(file);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    runs++;
    return 0;
}

static int run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return complain(path);
    if (!S_ISDIR(st.st_mode))
        return run_file(path, (size_t)st.st_size);

    struct dirent **entries;
    int count = scandir(path, &entries, NULL, alphasort);
    if (count < 0)
        return complain(path);
    int rc = 0;
    for (int i = 0; i < count; i++) {
        char below[4096];
        if (entries[i]->d_name[0] != '.') {
            snprintf(below, sizeof(below), "%s/%s", path, entries[i]->d_name);
            rc |= run_path(below);
        }
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = 0;
    for (int i = 1; i < argc; i++)
        rc |= run_path(argv[i]);
    printf("%u inputs\n", runs);
    return rc != 0 || runs == 0;
}
