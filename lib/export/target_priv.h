/* Targets: where an output's documents go. A target sends a batch and says of
 * each document what became of it; waiting, trying again and keeping is the
 * output's business (export/output_priv.h).
 *
 * Ownership: a target owns its connections; it borrows config and hooks for its
 * life, a batch for the call. Thread: one at a time for each. Limits: no call
 * takes longer than config->timeout without anything moving, or long after
 * give_up.
 */
#ifndef MT_EXPORT_TARGET_PRIV_H
#define MT_EXPORT_TARGET_PRIV_H

#include "export/document_priv.h"
#include "export/outputs.h"

#include <stdatomic.h>

#define MT_BATCH_MAX 8192u /* documents */
#define MT_REASON_MAX MT_OUTPUT_ERROR_MAX

enum mt_document_state {
    MT_DOCUMENT_PENDING, /* to be sent, again if need be */
    MT_DOCUMENT_SENT,
    MT_DOCUMENT_REFUSED,
};

struct mt_batch {
    const struct mt_document *documents;
    uint8_t *states; /* enum mt_document_state; all pending when it comes */
    size_t count;
    bool is_over;     /* set by the target: the receiver has gone for good; what is pending is lost */
    uint64_t wait_ns; /* set by the target: what the receiver asks for (Retry-After); 0: nothing */
    char reason[MT_REASON_MAX]; /* set by the target: why something is still pending */
};

/* What a target may ask of its output. */
struct mt_target_hooks {
    void *ctx;
    /* The receiver will never take document index, for this reason; it counts as refused. */
    void (*refuse)(void *ctx, struct mt_batch *batch, size_t index, const char *reason);
    /* Steady time from which everything is given up; 0: none yet. */
    const _Atomic uint64_t *give_up;
    struct mt_format *format; /* for the heads of files; NULL: none */
};

struct mt_target;

struct mt_target_ops {
    /* -errno and a sentence: never because the receiver is away. */
    int (*create)(const struct mt_output_config *config, const struct mt_target_hooks *hooks,
                  char *ret_reason, size_t reason_size, struct mt_target **ret_target);
    void (*destroy)(struct mt_target *target);
    /* Takes over what another one of the same output, which is destroyed next, would
     * have sent again. NULL: there is no such thing. */
    void (*inherit)(struct mt_target *target, struct mt_target *from);
    /* 0: nothing is pending. -errno: what is pending failed, for batch->reason. */
    int (*send)(struct mt_target *target, struct mt_batch *batch);
    /* Between batches, at least every second; NULL: nothing to do. */
    void (*tick)(struct mt_target *target);
    /* Close and open again; with rotate, put files aside first. NULL: nothing to do. */
    void (*reopen)(struct mt_target *target, bool rotate);
    /* Can it be reached? -errno and a sentence. */
    int (*check)(struct mt_target *target, char *ret_reason, size_t reason_size);
};

extern const struct mt_target_ops mt_target_file;
extern const struct mt_target_ops mt_target_stream; /* standard output, unix socket */
extern const struct mt_target_ops mt_target_syslog;
extern const struct mt_target_ops mt_target_kafka;
extern const struct mt_target_ops mt_target_http;
extern const struct mt_target_ops mt_target_exec;

const struct mt_target_ops *mt_target_ops(enum mt_output_target target);

/* All of them are on the way to the receiver, or with it. */
void mt_batch_sent(struct mt_batch *batch, size_t from, size_t to);

/* Is it time to give up? */
bool mt_target_is_over(const struct mt_target_hooks *hooks);

/* Waits for events on fd (poll's), at most until deadline (steady) and not when
 * all is to be given up: events that came; 0: none in time; -errno. */
int mt_target_poll(const struct mt_target_hooks *hooks, int fd, short events, uint64_t deadline);

#endif
