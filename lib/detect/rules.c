#include "base/check.h"
#include "detect/detect_priv.h"

static const char *const level_names[] = {
    [MT_LEVEL_INFORMATIONAL] = "informational",
    [MT_LEVEL_LOW] = "low",
    [MT_LEVEL_MEDIUM] = "medium",
    [MT_LEVEL_HIGH] = "high",
    [MT_LEVEL_CRITICAL] = "critical",
};

/* Techniques come after an empty one, because there may be none. */
const struct mt_rule_entry mt_rule_entries[MT_RULE_COUNT] = {
#define MT_RULE(ident, rule_name, uuid, rule_level, rule_category, text, ...)                               \
    [MT_RULE_##ident] = {                                                                                   \
        .name = rule_name,                                                                                  \
        .id = uuid,                                                                                         \
        .category = rule_category,                                                                          \
        .description = text,                                                                                \
        .level = MT_LEVEL_##rule_level,                                                                     \
        .techniques = {.items = (const char *const[]){"", __VA_ARGS__} + 1,                                 \
                       .count = sizeof((const char *const[]){"", __VA_ARGS__}) / sizeof(const char *) - 1}, \
    },
#include "detect/rules.def"
#undef MT_RULE
};

const struct mt_finding_entry mt_finding_entries[MT_FINDING_COUNT] = {
#define MT_FINDING(ident, finding, rule_category, what, unseen_by_it) \
    [MT_FINDING_##                                                    \
        ident] = {.name = finding, .category = rule_category, .meaning = what, .unseen = unseen_by_it},
#include "detect/findings.def"
#undef MT_FINDING
};

const char *mt_level_name(enum mt_level level)
{
    MT_BUG_ON((size_t)level >= MT_ARRAY_COUNT(level_names));
    return level_names[level];
}

/* ECS leaves the scale open; ours puts the five levels where Sigma's common
 * converters put them. */
uint64_t mt_level_severity(enum mt_level level)
{
    static const uint8_t severities[] = {
        [MT_LEVEL_INFORMATIONAL] = 10, [MT_LEVEL_LOW] = 25,       [MT_LEVEL_MEDIUM] = 50,
        [MT_LEVEL_HIGH] = 75,          [MT_LEVEL_CRITICAL] = 100,
    };
    return severities[level];
}

bool mt_level_parse(struct mt_span text, enum mt_level *ret_level)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(level_names); i++) {
        if (mt_span_ieq_cstr(text, level_names[i])) {
            *ret_level = (enum mt_level)i;
            return true;
        }
    }
    return false;
}

static const struct mt_finding_entry *finding_of(enum mt_finding_kind kind)
{
    MT_BUG_ON((unsigned)kind >= MT_FINDING_COUNT);
    return &mt_finding_entries[kind];
}

const char *mt_finding_name(enum mt_finding_kind kind)
{
    return finding_of(kind)->name;
}

const char *mt_finding_meaning(enum mt_finding_kind kind)
{
    return finding_of(kind)->meaning;
}

const char *mt_finding_unseen(enum mt_finding_kind kind)
{
    return finding_of(kind)->unseen;
}

static const struct mt_rule_entry *entry_of(enum mt_rule rule)
{
    MT_BUG_ON((unsigned)rule >= MT_RULE_COUNT);
    return &mt_rule_entries[rule];
}

const char *mt_rule_name(enum mt_rule rule)
{
    return entry_of(rule)->name;
}

const char *mt_rule_description(enum mt_rule rule)
{
    return entry_of(rule)->description;
}

enum mt_level mt_rule_level(enum mt_rule rule)
{
    return entry_of(rule)->level;
}

const char *mt_rule_category(enum mt_rule rule)
{
    return entry_of(rule)->category;
}

const struct mt_names *mt_rule_techniques(enum mt_rule rule)
{
    return &entry_of(rule)->techniques;
}

void mt_detect_config_init(struct mt_detect_config *config)
{
    *config = (struct mt_detect_config){
#define MT_THRESHOLD(rule, member, key, fallback, low, high, meaning) .member = fallback,
#include "detect/thresholds.def"
#undef MT_THRESHOLD
    };
}

bool mt_detect_config_in_range(const struct mt_detect_config *config)
{
    bool is_in_range = true;
#define MT_THRESHOLD(rule, member, key, fallback, low, high, meaning) \
    is_in_range = is_in_range && config->member >= (low) && config->member <= (high);
#include "detect/thresholds.def"
#undef MT_THRESHOLD
    return is_in_range;
}
