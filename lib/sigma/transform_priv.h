/* Modifiers that make values of values.
 *
 * Ownership: results lie in the set's memory. Thread: one. Limits:
 * MT_SIGMA_VALUES_MAX values, MT_SIGMA_VALUE_MAX symbols each.
 */
#ifndef MT_SIGMA_TRANSFORM_PRIV_H
#define MT_SIGMA_TRANSFORM_PRIV_H

#include "sigma/rule_priv.h"

enum mt_sigma_modifier {
#define MT_SIGMA_MODIFIER(NAME, name) MT_SIGMA_MOD_##NAME,
#include "sigma/modifiers.def"
#undef MT_SIGMA_MODIFIER
    MT_SIGMA_MODIFIER_COUNT,
};

struct mt_sigma_values {
    struct mt_sigma_pattern *items;
    uint32_t count;
    uint32_t cap;
};

/* -ENOMEM, or -E2BIG: more values than MT_SIGMA_VALUES_MAX. */
int mt_sigma_values_add(struct mt_sigma_memory *memory, struct mt_sigma_values *values,
                        struct mt_sigma_pattern pattern);

/* 0, -ENOMEM, -E2BIG, or -EINVAL: an encoding of a text with wildcards. */
int mt_sigma_transform(struct mt_sigma_memory *memory, enum mt_sigma_modifier modifier,
                       struct mt_sigma_values *values);

#endif
