/* YAML to one const struct made of the modules' own config structs; every
 * value ranged, errors with file, line and column.
 *
 * Site file keys: home_networks, local_domains, mail_servers, allowed_relays
 * (lists), thresholds (by rule name, detect/thresholds.def), redact_key. A configuration
 * file (--config) holds the same keys under `site:`, the program's options by
 * their long names (workers, ports, filter, sessions, alerts, stats, observer,
 * redact, redact_key_file),
 * those of `mailtap live` under `live:`, lists of outputs under `outputs:` and
 * of those for people under `notify:`.
 * Unknown keys are errors that name the nearest known key.
 *
 * Ownership: the config owns all lists; free with mt_config_destroy. Thread:
 * built by one, then read-only. Limits: 1 MiB a file, 65536 list entries.
 */
#ifndef MT_CONFIG_CONFIG_H
#define MT_CONFIG_CONFIG_H

#include "base/site.h"
#include "capture/ports.h"
#include "detect/detect.h"
#include "export/outputs.h"
#include "redact/redact.h"
#include "session/session.h"

/* Texts of a list; one block, free(items). */
struct mt_config_texts {
    char **items;
    size_t count;
};

/* `live:`; NULL and 0 when not given. */
struct mt_config_live {
    struct mt_config_texts ports;
    struct mt_config_texts interfaces;
    char *cores;
    char *user;
    char *metrics; /* ADDRESS:PORT */
    char *driver_args;
    uint64_t memory;   /* bytes for packet buffers */
    uint64_t interval; /* of the statistics, ns */
    uint32_t queue_size;
    uint32_t frame_max;
    enum mt_spread spread;
    enum mt_poll poll;
    bool no_promiscuous;
};

/* `outputs:` and `notify:`, checked as --output and --notify are. */
struct mt_config_outputs {
    struct mt_output_config *items;
    size_t count;
};

/* Ranges of these, for the command line too. */
#define MT_CONFIG_QUEUE_SIZE_MIN 64u
#define MT_CONFIG_QUEUE_SIZE_MAX 32768u
#define MT_CONFIG_FRAME_MIN 64u
#define MT_CONFIG_FRAME_MAX 9600u
#define MT_CONFIG_MEMORY_MIN (UINT64_C(4) << 20)
#define MT_CONFIG_MEMORY_MAX (UINT64_C(1) << 40)
#define MT_CONFIG_INTERVAL_MIN UINT64_C(1000000000)
#define MT_CONFIG_INTERVAL_MAX (UINT64_C(86400) * 1000000000)

/* The words of enum mt_spread and enum mt_poll, in their order; NULL ends them. */
extern const char *const mt_config_spreads[];
extern const char *const mt_config_polls[];

struct mt_config {
    struct mt_site site;
    struct mt_detect_config detect;
    /* program options of --config; NULL or 0 when not given */
    uint32_t workers;
    char *filter;
    char *sessions_path;
    char *alerts_path;
    char *stats_path;
    char *observer;
    char *redact_key_path;
    enum mt_redact_mode redact;
    bool has_redact_key; /* of the site file */
    struct mt_siphash_key redact_key;
    uint16_t ports[64];
    uint32_t port_count;
    struct mt_config_live live;
    struct mt_config_outputs outputs;
    struct mt_config_outputs notify;
    struct mt_config_storage *storage; /* private */
};

/* Defaults: no site file, every threshold at its default. */
void mt_config_init(struct mt_config *config);
void mt_config_destroy(struct mt_config *config);

/* A key for --redact: 32 hexadecimal digits, or a file with them and nothing
 * else but white space. -errno and a message on failure. */
bool mt_config_parse_key(struct mt_span text, struct mt_siphash_key *ret_key);
int mt_config_read_key(const char *path, char *ret_error, size_t error_size, struct mt_siphash_key *ret_key);

/* Reads a file over config. -errno and a message in ret_error on failure:
 *   site.yaml:3:1: unknown key "home_network"; did you mean "home_networks"?
 * config is unchanged then. */
int mt_config_read_site(struct mt_config *config, const char *path, char *ret_error, size_t error_size);
int mt_config_read(struct mt_config *config, const char *path, char *ret_error, size_t error_size);

#endif
