/* Paths as the user gave them to files in the order in which they are read:
 * directories become the captures in them, sorted by the time of their first
 * packet.
 *
 * Ownership: the list owns names and open files. Thread: one. Limits:
 * MT_CAPTURE_SOURCES_MAX files.
 */
#ifndef MT_CAPTURE_SOURCES_PRIV_H
#define MT_CAPTURE_SOURCES_PRIV_H

#include "capture/damage_priv.h"
#include "capture/file_priv.h"

#define MT_CAPTURE_SOURCES_MAX 65536

struct mt_capture_source {
    char *path;
    struct mt_capture_file *file; /* open: being read, mapped until the end, or not to be opened twice */
    uint64_t size;                /* of the file as stored; 0 when unknown */
    uint64_t first_time;          /* UINT64_MAX: no packet */
    uint16_t link_type;           /* of the first packet */
    bool has_link_type;
    bool is_persistent;
};

struct mt_capture_sources {
    struct mt_capture_source *items;
    size_t count;
    size_t room;
    bool is_streamed;  /* set before the first is added: see struct mt_capture_files_config */
    char *failed_path; /* what could not be read, first of all, and why */
    int failed_error;
    char failed_reason[256];
    struct mt_capture_damage_list *damage; /* the same, all of them */
    char **owned_paths;                    /* names that damage refers to */
    size_t owned_count;
};

/* Adds a file, "-" or a directory. 0, also when it can't be read (which is
 * remembered); or -errno and a sentence when the request itself is wrong. */
int mt_capture_sources_add(struct mt_capture_sources *sources, const char *path, char *ret_reason,
                           size_t reason_size);

void mt_capture_sources_fini(struct mt_capture_sources *sources);

#endif
