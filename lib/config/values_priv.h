/* Values of a configuration file: YAML nodes to the program's types, ranged.
 * name is the value's path in the file, for the sentence on failure.
 *
 * Ownership: results are the caller's; free() what was given out. Thread: one.
 * Limits: MT_CONFIG_ITEMS_MAX a list.
 */
#ifndef MT_CONFIG_VALUES_PRIV_H
#define MT_CONFIG_VALUES_PRIV_H

#include "base/net.h"
#include "config/config.h"
#include "yaml/yaml.h"

#define MT_CONFIG_ITEMS_MAX 65536u

struct mt_config_networks {
    struct mt_prefix *items; /* malloc */
    size_t count;
};

struct mt_config_domains {
    struct mt_span *items; /* malloc, texts behind the items */
    size_t count;
};

/* All return 0, -EINVAL (reported) or -ENOMEM. */

/* Every value of a mapping goes to one of keys; a function is called with the
 * key's index. Unknown keys and keys given twice are errors. */
typedef int mt_config_member(void *ctx, size_t key, const struct mt_yaml *value);
int mt_config_map(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *map,
                  const char *const *keys, size_t count, mt_config_member *member, void *ctx);

/* An empty list is an error with is_needed. */
int mt_config_networks(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *list,
                       bool is_needed, struct mt_config_networks *ret_networks);
int mt_config_domains(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *list,
                      struct mt_config_domains *ret_domains);
/* Names of people, at most 256. */
int mt_config_names(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *list,
                    struct mt_config_domains *ret_names);
/* What ret_numbers holds after a failure is undefined. */
int mt_config_numbers(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *list,
                      uint32_t low, uint32_t high, size_t count_max, uint16_t *ret_numbers,
                      uint32_t *ret_count);
int mt_config_number(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                     uint32_t low, uint32_t high, uint32_t *ret_number);
/* A list of texts, or one text, at most count_max. */
int mt_config_texts(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                    size_t count_max, struct mt_config_texts *ret_texts);
/* One of words, which NULL ends: its index. */
int mt_config_word(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                   const char *const *words, uint32_t *ret_index);
int mt_config_flag(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                   bool *ret_flag);
/* A size within MT_CONFIG_MEMORY_*, a time within MT_CONFIG_INTERVAL_*. */
int mt_config_memory(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                     uint64_t *ret_size);
int mt_config_interval(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                       uint64_t *ret_time);
int mt_config_text(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                   char **ret_text);
/* ADDRESS:PORT to listen at. */
int mt_config_address(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                      char **ret_text);

#endif
