/* Command line of the verbs that read captures.
 *
 * Ownership: the options borrow argv; the config they carry is freed with
 * mt_options_fini. Thread: main. Limits: none.
 */
#ifndef MT_APP_OPTIONS_H
#define MT_APP_OPTIONS_H

#include "config/config.h"
#include "pipeline/pipeline.h"

struct mt_options {
    struct mt_config config;
    const char *const *paths;
    size_t path_count;
    const char *filter;
    const char *sessions_path; /* NULL: not written */
    const char *alerts_path;
    const char *stats_path;
    const char *site_path;
    const char *observer;
    const char *session_id; /* dialogue: only this one */
    bool is_json;           /* sessions and alerts on standard output, no summary */
    bool is_quiet;          /* no progress bar */
    bool has_fail_on;
    enum mt_level fail_on;
    struct mt_pipeline_config pipeline;
    char observer_host[256];
};

/* -1: go on. Otherwise the exit code: help was printed, or the error was. */
int mt_options_parse(struct mt_options *options, int argc, char **argv, const char *help, bool is_dialogue);
void mt_options_fini(struct mt_options *options);

#endif
