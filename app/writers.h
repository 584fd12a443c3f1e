/* Where the records and alerts of a run go: files, standard output, and notes of
 * the alerts for the summary.
 *
 * Ownership: owns the writers; borrows the paths. Thread: open and close from
 * main; the sink's functions are called from the collector's thread in between.
 * Limits: an alert's line may have 256 KiB.
 */
#ifndef MT_APP_WRITERS_H
#define MT_APP_WRITERS_H

#include "export/writer.h"
#include "options.h"
#include "outputs.h"
#include "summary.h"

struct mt_writers {
    struct mt_stats written; /* of the writers */
    struct mt_alert_notes notes;
    struct mt_writer *sessions;
    struct mt_writer *alerts; /* may be the same as sessions */
    const char *sessions_path;
    const char *alerts_path;
    uint8_t *alert_line;
    struct mt_app_outputs *outputs; /* NULL: --output was not given */
    bool is_live;                   /* what comes goes out at once */
    bool is_stdout_out;             /* an output has standard output */
    bool is_held;                   /* outputs wait for mt_writers_begin, as the owner */
    struct mt_output_owner owner;
    _Atomic uint64_t deadline;
    struct mt_output_state states[MT_OUTPUTS_MAX]; /* of outputs that are closed */
    size_t state_count;
};

/* NULL when memory is short. */
struct mt_writers *mt_writers_create(void);
void mt_writers_destroy(struct mt_writers *writers);

/* --json stands for both on standard output, also in options. Both on one path
 * share a writer. Outputs are started, and the pipeline's options told what they
 * want. -errno and a sentence on failure; -EINVAL: an --output is wrong. */
int mt_writers_open(struct mt_writers *writers, struct mt_options *options, char *ret_reason,
                    size_t reason_size);

/* Before they are opened, by root: the process will become this user, and outputs
 * are to do nothing until mt_writers_begin says that it has. */
void mt_writers_hold(struct mt_writers *writers, uint32_t user, uint32_t group);
void mt_writers_begin(struct mt_writers *writers);

/* For the context `writers`. */
struct mt_pipeline_sink mt_writers_sink(const struct mt_writers *writers);

/* Live: from now on a target is waited for grace_ms and no longer. Any thread. */
void mt_writers_hurry(struct mt_writers *writers, uint32_t grace_ms);

/* Is there any --output, --notify or one of --config? */
bool mt_writers_has_outputs(const struct mt_writers *writers);

/* Files of --output are opened anew. */
void mt_writers_reopen(struct mt_writers *writers);

/* What each output has come to, also when all are closed: at most MT_OUTPUTS_MAX;
 * returns how many. Thread: main. */
size_t mt_writers_outputs(const struct mt_writers *writers, struct mt_output_state *ret_states);

/* They are put aside, as when they have reached their size, and begun anew. */
void mt_writers_rotate(struct mt_writers *writers);

/* True when everything that was given to them is written; else says what is not. */
bool mt_writers_close(struct mt_writers *writers);

/* Records go to standard output, so nothing else may. */
bool mt_writers_has_stdout(const struct mt_writers *writers);

#endif
