/* What a configuration file changes, collected until the whole file has been
 * read: a file with an error changes nothing.
 *
 * Ownership: the change owns its lists and texts until mt_config_apply takes
 * them. Thread: one. Limits: those of the values.
 */
#ifndef MT_CONFIG_CONFIG_PRIV_H
#define MT_CONFIG_CONFIG_PRIV_H

#include "config/config.h"
#include "config/values_priv.h"

struct mt_config_storage {
    struct mt_config_networks home_networks;
    struct mt_config_networks mail_servers;
    struct mt_config_networks allowed_relays;
    struct mt_config_domains local_domains;
    struct mt_config_domains protected_names;
};

struct mt_config_change {
    const struct mt_yaml_report *report;
    struct mt_config_storage lists; /* items NULL: not given */
    struct mt_detect_config detect; /* starts as it was */
    bool has_site;
    uint32_t workers;
    char *filter;
    char *sessions_path;
    char *alerts_path;
    char *stats_path;
    char *observer;
    char *redact_key_path;
    uint32_t redact; /* starts as it was */
    bool has_redact_key;
    struct mt_siphash_key redact_key;
    struct mt_config_live live;       /* numbers start as they were; texts NULL: not given */
    struct mt_config_outputs outputs; /* items NULL: not given */
    struct mt_config_outputs notify;
    uint16_t ports[64];
    uint32_t port_count;
};

/* The members of a site file, or of `site:`. */
int mt_config_take_site(struct mt_config_change *change, const char *name, const struct mt_yaml *map);

/* The members of `live:`; and what becomes of them. */
int mt_config_take_live(struct mt_config_change *change, const char *name, const struct mt_yaml *map);
void mt_config_start_live(struct mt_config_live *change, const struct mt_config_live *before);
void mt_config_move_live(struct mt_config_live *to, const struct mt_config_live *from);
void mt_config_free_live(struct mt_config_live *live);

/* The entries of `outputs:` or `notify:`; and what becomes of them. */
int mt_config_take_outputs(struct mt_config_change *change, const char *name, bool is_notice,
                           const struct mt_yaml *list);
void mt_config_move_outputs(struct mt_config_outputs *to, const struct mt_config_outputs *from);
void mt_config_free_outputs(struct mt_config_outputs *outputs);

enum mt_config_kind {
    MT_CONFIG_SITE,    /* a site file */
    MT_CONFIG_PROGRAM, /* a file for --config */
};

/* mt_config_read_site and mt_config_read on text instead of a file; path is
 * only for the sentence. */
int mt_config_read_text(struct mt_config *config, enum mt_config_kind kind, const char *path,
                        struct mt_span text, char *ret_error, size_t error_size);

#endif
