/* One output at work: its queue, its spool, its target, and the threads that
 * move documents between them.
 *
 *   with a spool     writer: queue ─► spool      sender: spool ─► target
 *   without one      sender: queue ─► target
 *
 * When the spool can't be written (the disk is full) and nothing is in it, the
 * sender takes from the queue, so a full disk alone stops nothing.
 *
 * Ownership: owns all of them and a copy of its config. Thread: put: one; start,
 * close: whoever made it; the rest: any. Limits: as configured.
 */
#ifndef MT_EXPORT_OUTPUT_PRIV_H
#define MT_EXPORT_OUTPUT_PRIV_H

#include "export/notice_priv.h"
#include "export/outputs.h"
#include "export/queue_priv.h"
#include "export/spool_priv.h"
#include "export/target_priv.h"

#include <pthread.h>

struct mt_output_counts {
    _Atomic uint64_t accepted;
    _Atomic uint64_t queued;
    _Atomic uint64_t sent;
    _Atomic uint64_t sent_bytes;
    _Atomic uint64_t retried;
    _Atomic uint64_t rejected;
    _Atomic uint64_t shed;
    _Atomic uint64_t failures;
    _Atomic uint64_t limited;
    _Atomic uint64_t forgotten;
    _Atomic uint64_t latency[MT_OUTPUT_LATENCY_COUNT];
    _Atomic uint64_t latency_sum;
};

enum mt_output_reopen { MT_REOPEN_NO, MT_REOPEN, MT_REOPEN_ROTATED };

struct mt_output {
    struct mt_output_config config;
    size_t encoding;
    struct mt_output_counts counts;
    const struct mt_target_ops *ops;
    struct mt_target *target;
    struct mt_target_hooks hooks;
    struct mt_format *format;      /* for the heads of files */
    struct mt_notice_limit *limit; /* of --notify; NULL: none */
    struct mt_queue *queue;
    struct mt_spool *spool; /* NULL: none */
    pthread_t sender;
    pthread_t writer;
    bool has_sender;
    bool has_writer;
    _Atomic bool is_held; /* until mt_delivery_begin */
    _Atomic bool is_closing;
    _Atomic bool is_written; /* the writer has ended */
    _Atomic bool spool_failed;
    _Atomic int reopen; /* enum mt_output_reopen */
    _Atomic uint64_t give_up;
    uint64_t started; /* wall */

    /* of the sender */
    uint8_t *buffer;
    size_t buffer_size;
    struct mt_document *documents;
    uint8_t *states;
    uint64_t backoff;
    uint64_t random;
    uint64_t ticked;
    uint64_t down_since;      /* steady; 0: up */
    uint64_t refusal_told_at; /* steady; 0: never */
    uint64_t refusals_untold; /* since */
    bool has_tried_last;      /* since is_closing */

    pthread_mutex_t lock; /* of what follows */
    char error[MT_OUTPUT_ERROR_MAX];
    bool is_up;
};

int mt_output_start(const struct mt_output_config *config, char *ret_reason, size_t reason_size,
                    struct mt_output **ret_output);
void mt_output_put(struct mt_output *output, const struct mt_output_item *item);
void mt_output_count(struct mt_output *output, struct mt_output_stats *ret_stats);

/* In two steps, so that several outputs share the time they are given. */
void mt_output_begin_close(struct mt_output *output, uint64_t give_up);
void mt_output_end_close(struct mt_output *output, struct mt_output_stats *ret_stats);

/* Puts the sum of what a limit held back, when it is due or with_all in any case. */
void mt_output_sum_up(struct mt_output *output, bool with_all);

/* Reads secrets and certificates again; what was read before stays when that fails. The sender's thread. */
void mt_output_renew(struct mt_output *output);

/* The threads. */
void *mt_output_write(void *output);
void *mt_output_send(void *output);

/* One document more for the file of those that a receiver refused. */
void mt_output_bury(struct mt_output *output, const struct mt_document *document, const char *reason);

static inline void mt_count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static inline void mt_uncount(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_sub_explicit(counter, n, memory_order_relaxed);
}

#endif
