/* One option: which verbs take it and what it does. Shared ones stand in
 * options_shared.c, those of `mailtap live` in options_live.c.
 *
 * Ownership: borrows argv. Thread: main. Limits: MT_OPTIONS_MAX in all.
 */
#ifndef MT_APP_OPTIONS_LIST_H
#define MT_APP_OPTIONS_LIST_H

#include "options.h"

#define MT_OPTIONS_MAX 64u

struct mt_option {
    const char *name;
    unsigned verbs; /* enum mt_verb_bit */
    int has_value;  /* of getopt: true, false or optional_argument */
    /* -1: go on; otherwise the exit code, and the error was printed */
    int (*take)(struct mt_options *options, const char *value);
};

extern const struct mt_option mt_options_shared[];
extern const size_t mt_options_shared_count;
extern const struct mt_option mt_options_live[];
extern const size_t mt_options_live_count;

/* Prints a line after "mailtap: "; returns MT_EXIT_USAGE. */
int mt_options_error(const char *format, ...) MT_PRINTF(1, 2);

/* A whole number in [low, high]; false otherwise. */
bool mt_options_number(const char *text, uint64_t low, uint64_t high, uint64_t *ret_number);

/* What --config says of live; and what only the whole command line shows. */
void mt_options_live_start(struct mt_options *options);
int mt_options_live_check(struct mt_options *options);

#endif
