/* One sentence about what is wrong with a file, and where.
 *
 * Ownership: borrows the caller's text buffer and the file's name. Thread: one.
 * Limits: the buffer; longer sentences are cut. What stands in the file is
 * shown escaped and cut to MT_YAML_QUOTE_MAX bytes.
 */
#ifndef MT_YAML_REPORT_H
#define MT_YAML_REPORT_H

#include "base/span.h"

#define MT_YAML_QUOTE_MAX 96u

struct mt_yaml_report {
    const char *path; /* of the file, as the user gave it */
    char *text;
    size_t size;
};

/* A string of the file in quotes, for a sentence. */
struct mt_yaml_quote {
    char text[MT_YAML_QUOTE_MAX + 8];
};
struct mt_yaml_quote mt_yaml_quote(struct mt_span text);

/* "path: ..." resp. "path:line:column: ..."; line and column count from 1. */
void mt_yaml_report_file(const struct mt_yaml_report *report, const char *format, ...) MT_PRINTF(2, 3);
void mt_yaml_report_place(const struct mt_yaml_report *report, uint32_t line, uint32_t column,
                          const char *format, ...) MT_PRINTF(4, 5);

/* The key that is most like found, or NULL when none is like it: at most half of
 * the longer one's characters differ. */
const char *mt_yaml_nearest(struct mt_span found, const char *const *keys, size_t count);

/* How many characters must change; case ignored. b at most MT_YAML_QUOTE_MAX bytes. */
size_t mt_yaml_distance(struct mt_span a, struct mt_span b);

/* Reports a key that is none of keys, with the nearest one or all of them. */
void mt_yaml_report_unknown(const struct mt_yaml_report *report, uint32_t line, uint32_t column,
                            struct mt_span found, const char *const *keys, size_t count);

#endif
