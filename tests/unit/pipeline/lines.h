/* What a run says, line by line: session records as they are, alerts in short.
 *
 * Ownership: owns its texts. Thread: the functions of the sink are the
 * collector's; count may be read from any. Limits: LINES_MAX.
 */
#ifndef MT_TESTS_LINES_H
#define MT_TESTS_LINES_H

#include "pipeline/pipeline.h"

#define LINES_MAX 16384

struct lines {
    char *text[LINES_MAX];
    _Atomic size_t count;
    _Atomic size_t alerts;
    _Atomic bool is_wrong; /* lines and their number did not agree, or there were too many */
    _Atomic bool is_blocked;
    _Atomic bool is_inside; /* blocked right now */
};

/* Waits in a call while is_blocked. */
extern const struct mt_pipeline_sink lines_sink;

/* Rules by which every finding is an alert, and three at a server within ten seconds
 * one more; for so many workers, mt_sigma_destroy. */
struct mt_sigma *lines_rules(uint32_t workers);

struct lines *lines_new(void);
void lines_sort(struct lines *lines);
void lines_free(struct lines *lines);

#endif
