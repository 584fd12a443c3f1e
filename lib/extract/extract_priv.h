/* Between the desk, which puts orders into a ring, and the writer, which carries
 * them out.
 *
 * Ownership: the extract's. Thread: asked is the desk's, done the writer's. Limits:
 * extract/extract.h.
 */
#ifndef MT_EXTRACT_EXTRACT_PRIV_H
#define MT_EXTRACT_EXTRACT_PRIV_H

#include "base/compiler.h"
#include "extract/extract.h"

#include <pthread.h>
#include <stdatomic.h>

#define MT_EXTRACT_ID_MAX 40u
#define MT_EXTRACT_PATH_MAX 72u
#define MT_EXTRACT_NAME_MAX 128u
#define MT_EXTRACT_TEXT_MAX 256u

enum mt_extract_what {
    MT_EXTRACT_SKIP, /* to the end of the ring */
    MT_EXTRACT_BEGIN,
    MT_EXTRACT_PUT,
    MT_EXTRACT_END,
};

/* In the ring, at a multiple of 16. */
struct mt_extract_order {
    uint32_t what;
    uint32_t file; /* place in files[] */
    uint32_t size; /* of what follows */
    uint32_t flags;
};
MT_STATIC_ASSERT(sizeof(struct mt_extract_order) == 16, "orders keep their place");

enum {
    MT_EXTRACT_WHOLE = 1 << 0, /* END: it was seen to its end */
    MT_EXTRACT_LOST = 1 << 1,  /* END: octets found no room in the ring */
};

/* What follows BEGIN. */
struct mt_extract_begin_order {
    uint64_t time;
    uint32_t transaction;
    uint8_t id_size;
    uint8_t path_size;
    uint8_t type_size;
    uint8_t name_size;
    char id[MT_EXTRACT_ID_MAX];
    char path[MT_EXTRACT_PATH_MAX];
    char type[MT_EXTRACT_TEXT_MAX];
    char name[MT_EXTRACT_TEXT_MAX];
};

/* The writer's. */
struct mt_extract_open {
    struct mt_extract_begin_order what;
    char name[MT_EXTRACT_NAME_MAX];
    uint64_t size;
    int fd; /* -1: has none now */
    bool is_known;
    bool is_existing; /* it was there before: left as it is */
    bool is_failed;
    bool is_refused; /* the limit of all files was reached before: there is none */
    bool is_cut;
};

struct mt_extract_desk {
    struct mt_extract *extract;
    /* the worker's */
    uint8_t *ring;
    uint32_t free_count;
    uint16_t free[MT_EXTRACT_OPEN_MAX];
    uint8_t lost[MT_EXTRACT_OPEN_MAX]; /* MT_EXTRACT_LOST */
    _Atomic uint64_t shed;             /* files that could not be begun */
    /* the writer's */
    struct mt_extract_open *files;
    _Alignas(MT_CACHE_LINE) _Atomic uint64_t put;  /* octets of the ring, ever */
    _Alignas(MT_CACHE_LINE) _Atomic uint64_t done; /* likewise */
};

struct mt_extract {
    struct mt_extract_config config;
    int folder;
    int index;
    bool is_started;
    bool has_complained;
    pthread_t thread;
    _Atomic bool is_ending;
    _Atomic uint32_t desk_count;
    struct mt_extract_desk *desks[MT_EXTRACT_DESKS_MAX];
    uint32_t fd_count;
    uint32_t fd_desk; /* where a descriptor is looked for that can be had */
    uint32_t fd_file;
    uint64_t begun; /* files, also those that were there before */
    _Atomic uint64_t refused;
    _Atomic uint64_t total;
    _Atomic uint64_t files;
    _Atomic uint64_t cut;
    _Atomic uint64_t existing;
    _Atomic uint64_t errors;
};

/* writer.c: its thread's function; what ends without an END is closed. */
void *mt_extract_writer_main(void *extract);

#endif
