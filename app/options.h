/* Command line of the verbs that look at traffic.
 *
 * Ownership: the options borrow argv; the config they carry is freed with
 * mt_options_fini. Thread: main. Limits: MT_OPTIONS_CONFIGS_MAX files for
 * --config, MT_PORTS_OPEN_MAX ports and interfaces each.
 */
#ifndef MT_APP_OPTIONS_H
#define MT_APP_OPTIONS_H

#include "capture/ports.h"
#include "config/config.h"
#include "export/outputs.h"
#include "pipeline/pipeline.h"
#include "sigma/sigma.h"

#define MT_OPTIONS_CONFIGS_MAX 8u
#define MT_OPTIONS_RULES_MAX 32u

enum mt_verb_bit {
    MT_VERB_BIT_READ = 1 << 0,
    MT_VERB_BIT_DIALOGUE = 1 << 1,
    MT_VERB_BIT_LIVE = 1 << 2,
    MT_VERB_BIT_CORRELATE = 1 << 3,
};

/* Of mailtap live alone. */
struct mt_options_live {
    const char *ports[MT_PORTS_OPEN_MAX];
    const char *interfaces[MT_PORTS_OPEN_MAX];
    size_t port_count;
    size_t interface_count;
    const char *cores;
    const char *driver_args;
    const char *user;    /* NULL: not given */
    const char *metrics; /* ADDRESS:PORT; NULL: none */
    uint64_t memory;     /* bytes; 0: computed */
    uint64_t interval;
    uint64_t duration; /* ns; 0: no end */
    uint64_t count;    /* frames; 0: no end */
    uint32_t queue_size;
    uint32_t frame_max;
    enum mt_spread spread;
    enum mt_poll poll;
    bool has_interval; /* --interval was given */
    bool has_device;   /* --port or --interface was given */
    bool no_promiscuous;
    bool is_verbose;
};

/* Of mailtap correlate alone. */
struct mt_options_correlate {
    const char *from; /* kafka://BROKERS/TOPIC, as given */
    const char *group;
    uint32_t sensors;     /* 0: 1 */
    uint64_t patience;    /* ns; 0: the default */
    uint64_t state_every; /* ns; 0: the default */
    bool until_end;
};

struct mt_options {
    struct mt_config config;
    enum mt_verb_bit verb;
    const char *const *paths;
    size_t path_count;
    const char *config_paths[MT_OPTIONS_CONFIGS_MAX];
    size_t config_count;
    const char *filter;
    struct mt_extract_config extract; /* folder NULL: none */
    const char *redact_key_path;      /* NULL: the site file's key, or a random one */
    const char *sessions_path;        /* NULL: not written */
    const char *alerts_path;
    const char *stats_path;
    const char *outputs[MT_OUTPUTS_MAX]; /* FORMAT:TARGET, as given */
    size_t output_count;
    const char *notices[MT_OUTPUTS_MAX]; /* FORM:TARGET, as given */
    size_t notice_count;
    const char *correlate_to; /* kafka://..., as given; NULL: correlations are judged here */
    const char *site_path;
    const char *rules[MT_OPTIONS_RULES_MAX]; /* files and folders of rules */
    size_t rules_count;
    struct mt_sigma *sigma; /* what they say; NULL: none */
    bool is_strict;         /* no run with rules that have errors */
    bool no_shipped_rules;  /* only those of --rules */
    const char *observer;
    const char *session_id; /* dialogue: only this one */
    bool is_json;           /* sessions and alerts on standard output, no summary */
    bool is_quiet;          /* no progress bar, no status line */
    bool requires_outputs;  /* one that can't be reached is a reason not to start */
    bool has_fail_on;
    enum mt_level fail_on;
    struct mt_options_live live;
    struct mt_options_correlate correlate;
    struct mt_pipeline_config pipeline;
    char observer_host[256];
};

/* -1: go on. Otherwise the exit code: help was printed, or the error was. */
int mt_options_parse(struct mt_options *options, int argc, char **argv, const char *help,
                     enum mt_verb_bit verb);
void mt_options_fini(struct mt_options *options);

/* Site and thresholds as the files say them now, into a config of its own. -errno
 * and a sentence; ret_config is then empty. */
int mt_options_read_site(const struct mt_options *options, struct mt_config *ret_config, char *ret_error,
                         size_t error_size);

#endif
