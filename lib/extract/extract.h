/* Messages and their parts to files of one folder, by a thread of its own: a worker
 * copies octets into a ring and goes on.
 *
 * A file is named by what mailtap makes itself, the session's id, the number of the
 * transaction and the place of the part; what a sender calls it stands in the
 * index (index.jsonl) alone. No file is opened but by such a name below the
 * folder, none is followed to elsewhere, and none that is there is written to.
 *
 * Ownership: desks belong to their extract. Thread: a desk is one thread's.
 * Limits: struct mt_extract_config; MT_EXTRACT_RING octets under way and
 * MT_EXTRACT_OPEN_MAX files at a time for each desk, MT_EXTRACT_FDS_MAX of all
 * of them with a descriptor. Where total_max is reached no more files are begun, nor
 * where they would be more than one for each MT_EXTRACT_SMALL octets of it and
 * MT_EXTRACT_FILES_MIN: what holds next to nothing takes room, too.
 */
#ifndef MT_EXTRACT_EXTRACT_H
#define MT_EXTRACT_EXTRACT_H

#include "record/file.h"
#include "stats/stats.h"

#define MT_EXTRACT_RING (4u << 20)
#define MT_EXTRACT_OPEN_MAX 4096u
#define MT_EXTRACT_FDS_MAX 256u
#define MT_EXTRACT_DESKS_MAX 64u
#define MT_EXTRACT_SMALL 4096u
#define MT_EXTRACT_FILES_MIN 1024u
#define MT_EXTRACT_FILE_DEFAULT (UINT64_C(100) << 20)
#define MT_EXTRACT_TOTAL_DEFAULT (UINT64_C(10) << 30)

struct mt_extract_config {
    const char *folder; /* made when it is not there */
    uint64_t file_max;  /* octets of a file; 0: the default */
    uint64_t total_max; /* of all files of the run; 0: the default */
    bool has_owner;     /* what is made belongs to uid and gid, which the run becomes later */
    uint32_t uid;
    uint32_t gid;
    bool is_patient; /* a worker waits for room; else what finds none is lost, and counted */
};

struct mt_extract;
struct mt_extract_desk;

/* 0, or -errno with a sentence in ret_reason. */
int mt_extract_create(const struct mt_extract_config *config, char *ret_reason, size_t reason_size,
                      struct mt_extract **ret_extract);

/* Writes what is under way, and ends. Adds what there was to count to ret_stats,
 * which may be NULL. False: something could not be written. */
bool mt_extract_destroy(struct mt_extract *extract, struct mt_stats *ret_stats);

/* What there was to count so far, added. Any thread. */
void mt_extract_count(const struct mt_extract *extract, struct mt_stats *ret_stats);

/* A desk that nobody has yet; NULL when there are no more. Before the first file. */
struct mt_extract_desk *mt_extract_open_desk(struct mt_extract *extract);

/* The functions of struct mt_session_extract; ctx is a desk. Texts are copied, octets
 * too. 0: no file could be begun. */
uint32_t mt_extract_begin(void *ctx, const struct mt_record_file *file);
void mt_extract_put(void *ctx, uint32_t file, struct mt_span bytes);
void mt_extract_end(void *ctx, uint32_t file, bool is_whole);

#endif
