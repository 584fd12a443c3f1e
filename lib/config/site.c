#include "config/config_priv.h"

#include "base/check.h"

#include <errno.h>
#include <stdio.h>

#define RULES_MAX 64

enum site_key {
    SITE_HOME_NETWORKS,
    SITE_LOCAL_DOMAINS,
    SITE_MAIL_SERVERS,
    SITE_ALLOWED_RELAYS,
    SITE_THRESHOLDS,
    SITE_REDACT_KEY,
    SITE_PROTECTED_NAMES,
    SITE_KEY_COUNT,
};

static const char *const site_keys[SITE_KEY_COUNT] = {
    [SITE_HOME_NETWORKS] = "home_networks",     [SITE_LOCAL_DOMAINS] = "local_domains",
    [SITE_MAIL_SERVERS] = "mail_servers",       [SITE_ALLOWED_RELAYS] = "allowed_relays",
    [SITE_THRESHOLDS] = "thresholds",           [SITE_REDACT_KEY] = "redact_key",
    [SITE_PROTECTED_NAMES] = "protected_names",
};

struct threshold {
    const char *rule;
    const char *key;
    size_t off;
    uint32_t low;
    uint32_t high;
};

static const struct threshold thresholds[] = {
#define MT_THRESHOLD(rule, member, key, fallback, low, high, meaning) \
    {rule, key, offsetof(struct mt_detect_config, member), low, high},
#include "detect/thresholds.def"
#undef MT_THRESHOLD
};

/* A mapping of thresholds: the rules, or the keys of one of them. */
struct scope {
    struct mt_config_change *change;
    const char *rule; /* NULL: among the rules */
    const char *keys[RULES_MAX];
    size_t count;
};

static bool has_key(const struct scope *scope, const char *key)
{
    for (size_t i = 0; i < scope->count; i++) {
        if (strcmp(scope->keys[i], key) == 0)
            return true;
    }
    return false;
}

static void fill_scope(struct scope *scope, struct mt_config_change *change, const char *rule)
{
    scope->change = change;
    scope->rule = rule;
    scope->count = 0;
    for (size_t i = 0; i < MT_ARRAY_COUNT(thresholds); i++) {
        if (rule != NULL && strcmp(thresholds[i].rule, rule) != 0)
            continue;
        const char *key = rule != NULL ? thresholds[i].key : thresholds[i].rule;
        if (has_key(scope, key))
            continue;
        MT_BUG_ON(scope->count == RULES_MAX);
        scope->keys[scope->count++] = key;
    }
}

static const struct threshold *find_threshold(const char *rule, const char *key)
{
    size_t i = 0;
    while (strcmp(thresholds[i].rule, rule) != 0 || strcmp(thresholds[i].key, key) != 0)
        i++;
    return &thresholds[i];
}

static int take_threshold(void *ctx, size_t key, const struct mt_yaml *value)
{
    const struct scope *scope = ctx;
    const struct threshold *threshold = find_threshold(scope->rule, scope->keys[key]);
    char name[128];
    uint32_t number;

    snprintf(name, sizeof(name), "thresholds.%s.%s", threshold->rule, threshold->key);
    int rc = mt_config_number(scope->change->report, name, value, threshold->low, threshold->high, &number);
    if (rc == 0)
        memcpy((uint8_t *)&scope->change->detect + threshold->off, &number, sizeof(number));
    return rc;
}

static int take_rule(void *ctx, size_t key, const struct mt_yaml *value)
{
    const struct scope *rules = ctx;
    struct scope scope;
    char name[128];

    fill_scope(&scope, rules->change, rules->keys[key]);
    snprintf(name, sizeof(name), "thresholds.%s", scope.rule);
    return mt_config_map(rules->change->report, name, value, scope.keys, scope.count, take_threshold, &scope);
}

static int take_thresholds(struct mt_config_change *change, const struct mt_yaml *value)
{
    struct scope rules;

    fill_scope(&rules, change, NULL);
    return mt_config_map(change->report, "thresholds", value, rules.keys, rules.count, take_rule, &rules);
}

/* The key itself is not repeated in the message. */
static int take_redact_key(struct mt_config_change *change, const char *name, const struct mt_yaml *value)
{
    change->has_redact_key =
        value->kind == MT_YAML_TEXT && mt_config_parse_key(value->text, &change->redact_key);
    if (change->has_redact_key)
        return 0;
    mt_yaml_report_place(change->report, value->line, value->column,
                         "%s: expected 32 hexadecimal digits, as `openssl rand -hex 16` makes them", name);
    return -EINVAL;
}

static int take_site_member(void *ctx, size_t key, const struct mt_yaml *value)
{
    struct mt_config_change *change = ctx;
    struct mt_config_storage *lists = &change->lists;
    const char *name = site_keys[key];

    switch ((enum site_key)key) {
    case SITE_HOME_NETWORKS:
        return mt_config_networks(change->report, name, value, true, &lists->home_networks);
    case SITE_LOCAL_DOMAINS:
        return mt_config_domains(change->report, name, value, &lists->local_domains);
    case SITE_PROTECTED_NAMES:
        return mt_config_names(change->report, name, value, &lists->protected_names);
    case SITE_MAIL_SERVERS:
        return mt_config_networks(change->report, name, value, false, &lists->mail_servers);
    case SITE_ALLOWED_RELAYS:
        return mt_config_networks(change->report, name, value, false, &lists->allowed_relays);
    case SITE_REDACT_KEY:
        return take_redact_key(change, name, value);
    case SITE_THRESHOLDS:
    case SITE_KEY_COUNT:
        break;
    }
    return take_thresholds(change, value);
}

int mt_config_take_site(struct mt_config_change *change, const char *name, const struct mt_yaml *map)
{
    change->has_site = true;
    return mt_config_map(change->report, name, map, site_keys, SITE_KEY_COUNT, take_site_member, change);
}
