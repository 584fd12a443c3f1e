/* What the spool's files share.
 *
 * Ownership: of the spool. Thread: as said at each. Limits: none.
 */
#ifndef MT_EXPORT_SPOOL_PARTS_PRIV_H
#define MT_EXPORT_SPOOL_PARTS_PRIV_H

#include "export/spool_priv.h"

#include <pthread.h>
#include <stdatomic.h>

#define MT_SEGMENT_HEAD ((uint64_t)32)
#define MT_SEGMENT_NAME_MAX 40u

struct mt_segment {
    uint64_t sequence;
    uint64_t size;    /* whole frames end here */
    uint64_t count;   /* documents */
    uint64_t settled; /* of them */
};

struct mt_spool_position;

struct mt_spool {
    pthread_mutex_t lock;
    pthread_cond_t something;
    struct mt_segment *segments; /* oldest first; the last is appended to while write_fd is open */
    size_t segment_count;
    size_t segment_cap;
    uint64_t read_off; /* in the oldest */
    uint64_t inflight_sequence;
    uint64_t inflight_size;
    uint64_t inflight_count;
    uint64_t inflight_pending; /* of them */
    bool is_woken;
    bool in_damage; /* the damage before read_off is counted */

    _Atomic uint64_t found;
    _Atomic uint64_t spooled;
    _Atomic uint64_t bytes;
    _Atomic uint64_t shed;
    _Atomic uint64_t damaged;
    _Atomic uint64_t damages;

    /* of who reads */
    int read_fd;
    uint64_t read_sequence;
    struct mt_spool_position *position; /* mapped */
    uint64_t position_turn;

    /* of who appends */
    int write_fd;
    struct mt_segment writing; /* the last one, while write_fd is open */
    uint64_t next_sequence;
    uint64_t synced; /* when, steady */

    int folder_fd;
    int lock_fd;
    uint64_t max;
    uint64_t segment_max;
    enum mt_output_shed shed_what;
    enum mt_output_fsync fsync;
};

void mt_segment_name(uint64_t sequence, char ret_name[MT_SEGMENT_NAME_MAX]);

/* The head of a segment; count UINT64_MAX: not full yet. */
int mt_segment_put_head(int fd, uint64_t sequence, uint64_t count);

/* Finds what is in the folder: segments, position, counts. -errno and a sentence. */
int mt_spool_recover(struct mt_spool *spool, char *ret_reason, size_t reason_size);

/* Locked. Room for one segment more, appended. */
int mt_spool_add_segment(struct mt_spool *spool, const struct mt_segment *segment);

/* Locked. Takes the oldest segment off the list and the disk. */
void mt_spool_drop_first(struct mt_spool *spool);

/* What is settled, for the next process. */
void mt_spool_note_position(struct mt_spool *spool, uint64_t sequence, uint64_t off, uint64_t settled);
void mt_spool_unmap_position(struct mt_spool *spool);

static inline void mt_spool_add(_Atomic uint64_t *number, uint64_t change)
{
    atomic_fetch_add_explicit(number, change, memory_order_relaxed);
}

static inline void mt_spool_sub(_Atomic uint64_t *number, uint64_t change)
{
    atomic_fetch_sub_explicit(number, change, memory_order_relaxed);
}

#endif
