/* A format in a test: made, given records, and what it wrote.
 *
 * Ownership: format_run_fini. Thread: one. Limits: TEXTS_MAX texts at a time.
 */
#ifndef MT_TESTS_EXPORT_FORMAT_RUN_H
#define MT_TESTS_EXPORT_FORMAT_RUN_H

#include "export/format.h"

#define FORMAT_TEXTS_MAX 64

struct format_run {
    const struct mt_format_ops *ops;
    struct mt_format *format;
    unsigned count;
    unsigned streams[FORMAT_TEXTS_MAX];
    char *texts[FORMAT_TEXTS_MAX]; /* with a NUL behind each, and none in it */
};

/* fields: with a NULL behind the last, or NULL. Aborts when it can't. */
void format_run_init(struct format_run *run, const char *name, const char *const *fields);
void format_run_fini(struct format_run *run);

/* Forgets what was written before; aborts when a text was left out. */
void format_run_session(struct format_run *run, const struct mt_record_session *record);
void format_run_alert(struct format_run *run, const struct mt_record_alert *alert);

/* All texts with the names of their streams, for comparing. Static storage. */
const char *format_run_all(const struct format_run *run);

#endif
