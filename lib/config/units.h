/* Sizes and times as people write them, for the command line and for
 * configuration files: "512M", "30s".
 *
 * Ownership: none. Thread: any. Limits: sizes below 2^63 bytes, times up to 1000
 * days.
 */
#ifndef MT_CONFIG_UNITS_H
#define MT_CONFIG_UNITS_H

#include "base/span.h"

/* A whole number of bytes, or of K, M, G (1024 each). False otherwise. */
bool mt_config_parse_size(struct mt_span text, uint64_t *ret_size);

/* A whole number of seconds, or with its unit: ms, s, m, h, d. Result in ns. */
bool mt_config_parse_time(struct mt_span text, uint64_t *ret_time);

#endif
