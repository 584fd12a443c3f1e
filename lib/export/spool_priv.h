/* Where documents wait on the disk: a folder of segments, each a head and
 * frames (export/document_priv.h), only ever appended to.
 *
 *   SEQUENCE.segment   magic 8 · sequence 8 · documents 8 (all ones until it is
 *                      full) · check 8 · frames
 *   position           two slots of sequence 8 · offset 8 · settled 8 · turn 8 ·
 *                      check 8: what is acknowledged; the valid one with the
 *                      higher turn counts
 *   lock               whoever holds it owns the folder
 *
 * What is damaged is skipped to the next frame that is whole. A segment is
 * deleted when all of it is settled. What a process had appended is there for
 * the next one when it is killed; fsync says what is when the power goes.
 *
 * Ownership: owns the folder. Thread: one appends, one reads; the numbers are
 * for any. Limits: max bytes; then the oldest segment gives way, or what comes.
 */
#ifndef MT_EXPORT_SPOOL_PRIV_H
#define MT_EXPORT_SPOOL_PRIV_H

#include "export/document_priv.h"
#include "export/outputs.h"

struct mt_spool_config {
    const char *folder;
    uint64_t max;
    uint64_t segment_max; /* 0: as max suggests */
    enum mt_output_shed shed;
    enum mt_output_fsync fsync;
    uint32_t owner_user; /* whom a folder of root's is handed to; 0: nobody */
    uint32_t owner_group;
};

struct mt_spool_counts {
    uint64_t found;   /* documents at start */
    uint64_t spooled; /* documents now */
    uint64_t bytes;
    uint64_t shed;
    uint64_t damaged; /* documents that could not be read again */
    uint64_t damages;
};

struct mt_spool;

int mt_spool_open(const struct mt_spool_config *config, char *ret_reason, size_t reason_size,
                  struct mt_spool **ret_spool);
void mt_spool_close(struct mt_spool *spool);

/* Whole frames. -errno: nothing of them is kept. */
int mt_spool_append(struct mt_spool *spool, struct mt_span frames, uint32_t count);

/* Frames that are not acknowledged, the oldest first, into buffer (of at least
 * MT_FRAME_MAX): as many as want bytes, at least one; 0: there are none. The same
 * ones again until they are acknowledged. */
size_t mt_spool_read(struct mt_spool *spool, size_t want, uint8_t *buffer, size_t cap);

/* So many documents of what was read have been sent or refused. */
void mt_spool_settle(struct mt_spool *spool, size_t count);

/* All of them have: they need not be read again. Or nobody will send the rest,
 * in this process: what has given way meanwhile is shed. */
void mt_spool_acknowledge(struct mt_spool *spool);
void mt_spool_abandon(struct mt_spool *spool);

/* Until there is something, for patience ns, or until it is woken. */
void mt_spool_wait(struct mt_spool *spool, uint64_t patience);
void mt_spool_wake(struct mt_spool *spool);

void mt_spool_count(const struct mt_spool *spool, struct mt_spool_counts *ret_counts);

#endif
