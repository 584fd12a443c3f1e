/* A file that is appended to and, now and then, put aside.
 *
 * Put aside, PATH is called PATH.20261122T131500.000Z, in one step, or at least a
 * millisecond after the last such name; names sort as the files were written.
 *
 * Ownership: owns the descriptor and its path. Thread: one. Limits: none.
 */
#ifndef MT_EXPORT_FILE_PRIV_H
#define MT_EXPORT_FILE_PRIV_H

#include "export/compressor_priv.h"

struct mt_file {
    char *path;
    int fd; /* -1: not open */
    uint64_t size;
    uint64_t head_size;  /* what it began with */
    uint64_t slot;       /* of time, in which it was last written, for rotation by time */
    uint64_t last_aside; /* the time in the last name put aside, ms; 0: none by this process */
    bool is_regular;
};

struct mt_file_rules {
    uint64_t rotate;                  /* bytes; 0: never */
    uint64_t every;                   /* ns; 0: never */
    uint64_t keep;                    /* 0: all */
    struct mt_compressor *compressor; /* NULL: none */
};

/* Opens it if need be; a new one begins with head. A torn last line, of a
 * process that was killed, is cut off. -errno. */
int mt_file_open(struct mt_file *file, const struct mt_file_rules *rules, struct mt_span head);
void mt_file_close(struct mt_file *file);

/* All of lines, or nothing where the file allows that; -errno. */
int mt_file_append(struct mt_file *file, struct mt_span lines);

/* Would it be put aside before size bytes more? */
bool mt_file_is_due(const struct mt_file *file, const struct mt_file_rules *rules, uint64_t size);

/* Closes it and puts it aside; -errno. */
int mt_file_put_aside(struct mt_file *file, const struct mt_file_rules *rules);

#endif
