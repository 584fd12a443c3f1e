/* Texts of rules, with Sigma's wildcards.
 *
 * Ownership: symbols lie in the set's memory. Thread: any; read-only once parsed.
 * Limits: those of values.
 */
#ifndef MT_SIGMA_PATTERN_PRIV_H
#define MT_SIGMA_PATTERN_PRIV_H

#include "sigma/fields_priv.h"

/* A text pattern: bytes and wildcards. */
#define MT_SIGMA_ANY 256u     /* * */
#define MT_SIGMA_ONE 257u     /* ? */
#define MT_SIGMA_PERCENT 258u /* % that may begin or end a placeholder */

struct mt_sigma_pattern {
    uint16_t *symbols;
    uint32_t count;
};

int mt_sigma_pattern_parse(struct mt_sigma_memory *memory, struct mt_span text, bool has_placeholders,
                           struct mt_sigma_pattern *ret_pattern);
bool mt_sigma_pattern_is_plain(const struct mt_sigma_pattern *pattern); /* no wildcard */
/* Slow, obvious: for nearness and for texts that Hyperscan is not asked about. */
bool mt_sigma_pattern_matches(const struct mt_sigma_pattern *pattern, bool is_cased, struct mt_span text);

#endif
