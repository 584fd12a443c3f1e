#include "export/notice_priv.h"
#include "export/output_config_priv.h"
#include "export/output_values_priv.h"

#include "base/hash.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NEAR_MAX 3u /* a key further away is no help */

enum key_type {
    KEY_TEXT,
    KEY_SECRET,
    KEY_LIST,
    KEY_SIZE,
    KEY_TIME,
    KEY_COUNT,
    KEY_CHOICE,
    KEY_FLAG,
};

#define BIT(target) (1u << MT_TARGET_##target)
#define FILES (BIT(FILE) | BIT(DIR))
#define UDP BIT(SYSLOG_UDP)
#define SYSLOG (BIT(SYSLOG_UDP) | BIT(SYSLOG_TCP) | BIT(SYSLOG_TLS))
#define STREAMS (BIT(SYSLOG_TCP) | BIT(SYSLOG_TLS))
#define KAFKA BIT(KAFKA)
#define SPLUNK BIT(SPLUNK)
#define WEBHOOK BIT(WEBHOOK)
#define HTTP (BIT(ELASTICSEARCH) | SPLUNK | BIT(CLICKHOUSE) | WEBHOOK)
#define EXEC BIT(EXEC)
#define NOTICE (1u << 31) /* of no target, but of --notify */
#define TLS (BIT(SYSLOG_TLS) | HTTP)
#define REMOTE (BIT(UNIX) | SYSLOG | KAFKA | HTTP | EXEC)
#define ALL ((1u << MT_TARGET_COUNT) - 1)

struct key {
    const char *name;
    const char *words;
    const char *fallback;
    const char *meaning;
    uint64_t low;
    uint64_t high;
    size_t off;
    enum key_type type;
    uint32_t targets;
};

static const struct key keys[] = {
#define MT_OUTPUT_KEY(type, member, key, targets, low, high, words, fallback, meaning)            \
    {key,        words,  fallback, meaning, low, high, offsetof(struct mt_output_config, member), \
     KEY_##type, targets},
#include "export/output_keys.def"
};

struct scheme {
    const char *prefix;
    const char *url; /* what the target is given instead of the prefix */
    enum mt_output_target target;
};

static const struct scheme schemes[] = {
    {"file:", "", MT_TARGET_FILE},
    {"dir:", "", MT_TARGET_DIR},
    {"unix:", "", MT_TARGET_UNIX},
    {"syslog://", "", MT_TARGET_SYSLOG_UDP},
    {"syslog+udp://", "", MT_TARGET_SYSLOG_UDP},
    {"syslog+tcp://", "", MT_TARGET_SYSLOG_TCP},
    {"syslog+tls://", "", MT_TARGET_SYSLOG_TLS},
    {"kafka://", "", MT_TARGET_KAFKA},
    {"elasticsearch+http://", "http://", MT_TARGET_ELASTICSEARCH},
    {"elasticsearch+https://", "https://", MT_TARGET_ELASTICSEARCH},
    {"opensearch+http://", "http://", MT_TARGET_ELASTICSEARCH},
    {"opensearch+https://", "https://", MT_TARGET_ELASTICSEARCH},
    {"splunk+http://", "http://", MT_TARGET_SPLUNK},
    {"splunk+https://", "https://", MT_TARGET_SPLUNK},
    {"clickhouse+http://", "http://", MT_TARGET_CLICKHOUSE},
    {"clickhouse+https://", "https://", MT_TARGET_CLICKHOUSE},
    {"http://", "http://", MT_TARGET_WEBHOOK},
    {"https://", "https://", MT_TARGET_WEBHOOK},
    {"exec:", "", MT_TARGET_EXEC},
};

const char *mt_output_key_at(size_t index, const char **ret_meaning)
{
    if (index >= MT_ARRAY_COUNT(keys))
        return NULL;
    *ret_meaning = keys[index].meaning;
    return keys[index].name;
}

/* Names that are tried when one is not known. */
struct nearest {
    const char *wanted;
    char found[64];
    size_t distance;
};

static void look_at(void *ctx, const char *name)
{
    struct nearest *nearest = ctx;
    size_t distance = mt_output_distance(nearest->wanted, name, NEAR_MAX);
    if (distance < nearest->distance) {
        nearest->distance = distance;
        snprintf(nearest->found, sizeof(nearest->found), "%s", name);
    }
}

/* "; did you mean X?" or, when nothing is near, what otherwise says. */
static const char *suggestion(const struct nearest *nearest, const char *otherwise, char *to, size_t size)
{
    if (nearest->found[0] == '\0')
        return otherwise;
    snprintf(to, size, "; did you mean %s?", nearest->found);
    return to;
}

static bool has_key(const struct mt_output_config *config, const struct key *key)
{
    return (key->targets & (1u << config->target | (config->is_notice ? NOTICE : 0))) != 0;
}

static int unknown_key(const struct mt_output_config *config, const char *name, char *ret_reason, size_t size)
{
    struct nearest nearest = {.wanted = name, .distance = NEAR_MAX + 1};
    char text[96];

    for (size_t i = 0; i < MT_ARRAY_COUNT(keys); i++) {
        if (has_key(config, &keys[i]))
            look_at(&nearest, keys[i].name);
    }
    if (config->target == MT_TARGET_KAFKA)
        mt_target_kafka_names(look_at, &nearest);
    snprintf(ret_reason, size, "there is no key %s for this target%s", name,
             suggestion(&nearest, "", text, sizeof(text)));
    return -EINVAL;
}

static int no_memory(char *ret_reason, size_t size)
{
    snprintf(ret_reason, size, "there is no memory for it");
    return -ENOMEM;
}

static int set_text(char **text, const char *value, char *ret_reason, size_t size)
{
    char *copy = strdup(value);

    if (copy == NULL)
        return no_memory(ret_reason, size);
    free(*text);
    *text = copy;
    return 0;
}

static int add_to_list(struct mt_output_list *list, const char *value, const char *name, char *ret_reason,
                       size_t size)
{
    for (const char *at = value; *at != '\0';) {
        size_t length = strcspn(at, ",");
        if (list->count == MT_OUTPUT_LIST_MAX) {
            snprintf(ret_reason, size, "%s has more than %u entries", name, MT_OUTPUT_LIST_MAX);
            return -EINVAL;
        }
        if (length > 0) {
            char *copy = strndup(at, length);
            if (copy == NULL)
                return no_memory(ret_reason, size);
            list->items[list->count++] = copy;
        }
        at += length + (at[length] == ',');
    }
    return 0;
}

static int bad_value(const struct key *key, const char *value, char *ret_reason, size_t size)
{
    static const char *const forms[] = {
        [KEY_SIZE] = "a number of bytes, or of K, M or G, that is in range",
        [KEY_TIME] = "a time such as 500ms, 30s or 1d that is in range",
        [KEY_COUNT] = "a whole number that is in range",
        [KEY_FLAG] = "1 or 0",
    };
    const char *form = key->type == KEY_CHOICE ? key->words : forms[key->type];

    if (key->type == KEY_COUNT)
        snprintf(ret_reason, size, "%s=%s is not a whole number from %llu to %llu", key->name, value,
                 (unsigned long long)key->low, (unsigned long long)key->high);
    else
        snprintf(ret_reason, size, "%s=%s is not %s%s", key->name, value,
                 key->type == KEY_CHOICE ? "one of " : "", form);
    return -EINVAL;
}

static int set_number(struct mt_output_config *config, const struct key *key, const char *value,
                      char *ret_reason, size_t size)
{
    void *member = (char *)config + key->off;
    uint64_t number = 0;
    bool known = false;

    if (key->type == KEY_FLAG)
        return mt_output_parse_flag(value, member) ? 0 : bad_value(key, value, ret_reason, size);
    if (key->type == KEY_SIZE)
        known = mt_output_parse_size(value, &number);
    else if (key->type == KEY_TIME)
        known = mt_output_parse_time(value, &number);
    else if (key->type == KEY_COUNT)
        known = mt_output_parse_count(value, &number);
    else
        known = mt_output_parse_choice(key->words, value, &number);
    if (!known || (key->type != KEY_CHOICE && (number < key->low || number > key->high)))
        return bad_value(key, value, ret_reason, size);
    memcpy(member, &number, sizeof(number));
    return 0;
}

static int set_key(struct mt_output_config *config, const struct key *key, const char *value,
                   char *ret_reason, size_t size)
{
    void *member = (char *)config + key->off;

    if (key->type == KEY_TEXT || key->type == KEY_SECRET) {
        if (*value == '\0') {
            snprintf(ret_reason, size, "%s is empty", key->name);
            return -EINVAL;
        }
        return set_text(member, value, ret_reason, size);
    }
    if (key->type == KEY_LIST)
        return add_to_list(member, value, key->name, ret_reason, size);
    return set_number(config, key, value, ret_reason, size);
}

static const struct key *find_key(const struct mt_output_config *config, const char *name)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(keys); i++) {
        if (strcmp(keys[i].name, name) == 0 && has_key(config, &keys[i]))
            return &keys[i];
    }
    return NULL;
}

static bool ends_with(const char *text, const char *end)
{
    size_t size = strlen(text);
    return size > strlen(end) && strcmp(text + size - strlen(end), end) == 0;
}

/* What librdkafka hides as well; its other properties may stand anywhere. */
static bool is_secret_property(const char *name)
{
    return ends_with(name, ".password") || ends_with(name, ".secret") || ends_with(name, "key.pem");
}

/* A property of librdkafka: whatever has a dot, and what it knows by itself. */
static int set_property(struct mt_output_config *config, const char *name, const char *value,
                        char *ret_reason, size_t size)
{
    char *pair = NULL;

    if (!mt_target_kafka_knows(name, value, ret_reason, size))
        return *ret_reason != '\0' ? -EINVAL : unknown_key(config, name, ret_reason, size);
    if (config->properties.count == MT_OUTPUT_LIST_MAX) {
        snprintf(ret_reason, size, "there are more than %u properties", MT_OUTPUT_LIST_MAX);
        return -EINVAL;
    }
    if (asprintf(&pair, "%s=%s", name, value) < 0)
        return no_memory(ret_reason, size);
    for (uint32_t i = 0; i < config->properties.count; i++) {
        char **item = &config->properties.items[i];
        if (strncmp(*item, pair, strlen(name) + 1) != 0)
            continue;
        explicit_bzero(*item, strlen(*item));
        free(*item);
        *item = pair;
        return 0;
    }
    config->properties.items[config->properties.count++] = pair;
    return 0;
}

static int set_by_name(struct mt_output_config *config, const char *name, const char *value, char *ret_reason,
                       size_t size)
{
    const struct key *key = find_key(config, name);

    if (key != NULL)
        return set_key(config, key, value, ret_reason, size);
    if (config->target == MT_TARGET_KAFKA)
        return set_property(config, name, value, ret_reason, size);
    return unknown_key(config, name, ret_reason, size);
}

static bool is_secret(const struct mt_output_config *config, const char *name)
{
    const struct key *key = find_key(config, name);

    if (key != NULL)
        return key->type == KEY_SECRET;
    return config->target == MT_TARGET_KAFKA && is_secret_property(name);
}

/* Once, however often it is read. */
static int note_file(struct mt_output_config *config, const char *name, const char *path, char *ret_reason,
                     size_t size)
{
    struct mt_output_list *files = &config->secret_files;
    char *pair = NULL;

    for (uint32_t i = 0; i < files->count; i++) {
        if (strncmp(files->items[i], name, strlen(name)) == 0 && files->items[i][strlen(name)] == '=' &&
            strcmp(files->items[i] + strlen(name) + 1, path) == 0)
            return 0;
    }
    if (files->count == MT_OUTPUT_LIST_MAX) {
        snprintf(ret_reason, size, "there are more than %u files of secrets", MT_OUTPUT_LIST_MAX);
        return -EINVAL;
    }
    if (asprintf(&pair, "%s=%s", name, path) < 0)
        return no_memory(ret_reason, size);
    files->items[files->count++] = pair;
    return 0;
}

/* token_file=PATH, token_env=NAME; 1: name is neither. */
static int set_secret(struct mt_output_config *config, const char *name, const char *value, char *ret_reason,
                      size_t size)
{
    bool is_file = ends_with(name, "_file");
    char bare[64];

    if (!is_file && !ends_with(name, "_env"))
        return 1;
    snprintf(bare, sizeof(bare), "%.*s", (int)(strlen(name) - (is_file ? 5 : 4)), name);
    if (!is_secret(config, bare))
        return 1;
    char *secret = is_file ? mt_output_read_secret(value) : NULL;
    if (is_file && secret == NULL) {
        snprintf(ret_reason, size, "%s=%s can't be read: %s", name, value, strerrordesc_np(errno));
        return -EINVAL;
    }
    const char *text = is_file ? secret : getenv(value); // NOLINT(concurrency-mt-unsafe): at start
    int error = -EINVAL;
    if (text == NULL)
        snprintf(ret_reason, size, "%s=%s: there is no such variable in the environment", name, value);
    else
        error = set_by_name(config, bare, text, ret_reason, size);
    if (secret != NULL)
        explicit_bzero(secret, strlen(secret));
    free(secret);
    return error == 0 && is_file ? note_file(config, name, value, ret_reason, size) : error;
}

int mt_output_config_set(struct mt_output_config *config, const char *key, const char *value,
                         char *ret_reason, size_t reason_size)
{
    *ret_reason = '\0';
    int error = set_secret(config, key, value, ret_reason, reason_size);
    return error == 1 ? set_by_name(config, key, value, ret_reason, reason_size) : error;
}

int mt_output_config_has(const struct mt_output_config *config, const char *key, char *ret_reason,
                         size_t reason_size)
{
    size_t size = strlen(key);
    size_t end = ends_with(key, "_file") ? 5 : ends_with(key, "_env") ? 4 : 0;
    char bare[64];

    *ret_reason = '\0';
    snprintf(bare, sizeof(bare), "%.*s", (int)mt_min_u64(size - end, sizeof(bare) - 1), key);
    if (find_key(config, key) != NULL || (end > 0 && is_secret(config, bare)) ||
        (config->target == MT_TARGET_KAFKA && mt_target_kafka_has(key, ret_reason, reason_size)))
        return 0;
    if (*ret_reason != '\0')
        return -ELIBACC;
    return unknown_key(config, key, ret_reason, reason_size);
}

bool mt_output_config_is_list(const struct mt_output_config *config, const char *key)
{
    const struct key *known = find_key(config, key);

    return known != NULL && known->type == KEY_LIST;
}

/* key=value&key=value: text is cut up. */
static int set_keys(struct mt_output_config *config, char *text, char *ret_reason, size_t size)
{
    char *rest = NULL;

    for (char *pair = strtok_r(text, "&", &rest); pair != NULL; pair = strtok_r(NULL, "&", &rest)) {
        char *value = strchr(pair, '=');
        if (value == NULL) {
            snprintf(ret_reason, size, "%s has no value; write %s=...", pair, pair);
            return -EINVAL;
        }
        *value++ = '\0';
        if (!mt_output_unescape(value)) {
            snprintf(ret_reason, size, "%s=%s: %% needs two hexadecimal digits behind it (%%25 is %%)", pair,
                     value);
            return -EINVAL;
        }
        if (is_secret(config, pair)) {
            snprintf(ret_reason, size,
                     "a %s on the command line is seen by every user of this machine; write %s_file=PATH or "
                     "%s_env=NAME",
                     pair, pair, pair);
            return -EINVAL;
        }
        int error = mt_output_config_set(config, pair, value, ret_reason, size);
        if (error != 0)
            return error;
    }
    return 0;
}

static int set_defaults(struct mt_output_config *config, char *ret_reason, size_t size)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(keys); i++) {
        int error =
            keys[i].fallback == NULL ? 0 : set_key(config, &keys[i], keys[i].fallback, ret_reason, size);
        if (error != 0)
            return error;
    }
    return 0;
}

static int find_format(struct mt_output_config *config, const char *spec, const char **ret_rest,
                       char *ret_reason, size_t size)
{
    size_t length = strcspn(spec, ":?");
    char name[64];
    char text[96];

    if (config->is_events) {
        config->format = &mt_format_events;
        *ret_rest = spec;
        return 0;
    }
    snprintf(name, sizeof(name), "%.*s", (int)mt_min_u64(length, sizeof(name) - 1), spec);
    config->format =
        config->is_notice ? mt_notice_find(mt_span_cstr(name)) : mt_format_find(mt_span_cstr(name));
    if (config->format != NULL && spec[length] == ':') {
        *ret_rest = spec + length + 1;
        return 0;
    }
    if (config->format != NULL) {
        snprintf(ret_reason, size,
                 config->is_notice ? "it names no target; write %s:https://... or %s:exec:PATH"
                                   : "it names no target; write %s:file:PATH, or %s:- for standard output",
                 name, name);
        return -EINVAL;
    }
    struct nearest nearest = {.wanted = name, .distance = NEAR_MAX + 1};
    for (size_t i = 0; config->is_notice ? mt_notice_at(i) != NULL : mt_format_at(i) != NULL; i++)
        look_at(&nearest, config->is_notice ? mt_notice_at(i)->name : mt_format_at(i)->name);
    snprintf(ret_reason, size, config->is_notice ? "there is no form %s%s" : "there is no format %s%s", name,
             suggestion(&nearest,
                        config->is_notice ? "; there are text, json, slack, mattermost and teams"
                                          : "; mailtap read --help lists them",
                        text, sizeof(text)));
    return -EINVAL;
}

static int unknown_target(const char *target, char *ret_reason, size_t size)
{
    char name[48];
    char text[96];
    size_t length = strcspn(target, ":");

    length += strspn(target + length, ":/");
    snprintf(name, sizeof(name), "%.*s", (int)mt_min_u64(length, sizeof(name) - 1), target);
    struct nearest nearest = {.wanted = name, .distance = NEAR_MAX + 1};
    for (size_t i = 0; i < MT_ARRAY_COUNT(schemes); i++)
        look_at(&nearest, schemes[i].prefix);
    snprintf(ret_reason, size, "there is no target %s%s", name,
             suggestion(&nearest,
                        "; there are file: dir: unix: syslog:// syslog+tcp:// syslog+tls:// kafka:// "
                        "elasticsearch+https:// splunk+https:// clickhouse+https:// https:// and -",
                        text, sizeof(text)));
    return -EINVAL;
}

static int find_target(struct mt_output_config *config, const char *target, char *ret_reason, size_t size)
{
    if (strcmp(target, "-") == 0) {
        config->target = MT_TARGET_STDOUT;
        return set_text(&config->address, "-", ret_reason, size);
    }
    for (size_t i = 0; i < MT_ARRAY_COUNT(schemes); i++) {
        const struct scheme *scheme = &schemes[i];
        size_t length = strlen(scheme->prefix);
        if (strncmp(target, scheme->prefix, length) != 0)
            continue;
        config->target = scheme->target;
        if (target[length] == '\0') {
            snprintf(ret_reason, size, "%s names nothing; write what it is behind it", scheme->prefix);
            return -EINVAL;
        }
        if (asprintf(&config->address, "%s%s", scheme->url, target + length) < 0) {
            config->address = NULL;
            return no_memory(ret_reason, size);
        }
        return 0;
    }
    return unknown_target(target, ret_reason, size);
}

static bool needs_json(const struct mt_output_config *config)
{
    return config->target == MT_TARGET_ELASTICSEARCH || config->target == MT_TARGET_CLICKHOUSE ||
           (config->target == MT_TARGET_WEBHOOK && config->body == MT_OUTPUT_BODY_ARRAY);
}

/* Only the format knows its fields. */
static int check_fields(const struct mt_output_config *config, char *ret_reason, size_t size)
{
    struct mt_format_options options = {
        .fields = config->fields.count == 0 ? NULL : (const char *const *)config->fields.items,
        .field_count = config->fields.count,
    };
    struct mt_format *format = NULL;
    int error = config->format->create(&options, ret_reason, size, &format);

    if (error == 0)
        config->format->destroy(format);
    return error;
}

int mt_output_config_check(const struct mt_output_config *config, char *ret_reason, size_t size)
{
    const char *wrong = NULL;

    if ((config->target == MT_TARGET_FILE || config->target == MT_TARGET_STDOUT) &&
        !config->format->is_json && config->format->streams[1] != NULL)
        wrong = "this format has several files; write zeek:dir:PATH, or zeek-json:file:PATH for one";
    else if (needs_json(config) && !config->format->is_json)
        wrong = "this target takes JSON, which this format is not; use ecs, eve, ocsf or zeek-json";
    else if ((1u << config->target & HTTP) != 0 && strchr(config->address, '@') != NULL)
        wrong = "user and password do not belong into the URL; write user=NAME and password_file=PATH";
    else if ((config->cert == NULL) != (config->key == NULL))
        wrong = "cert and key are given together or not at all";
    else if (config->target == MT_TARGET_SPLUNK && config->token == NULL)
        wrong = "Splunk wants a token; write token_file=PATH or token_env=NAME";
    else if (config->user != NULL && config->token != NULL)
        wrong = "it has a user and a token; one of them is enough";
    else if (config->target == MT_TARGET_EXEC && !config->is_notice)
        wrong = "exec: is for --notify";
    else if (config->is_notice && config->target != MT_TARGET_EXEC && config->target != MT_TARGET_WEBHOOK &&
             config->target != MT_TARGET_FILE && config->target != MT_TARGET_STDOUT)
        wrong = "messages for people go to https://, exec:, file: or -";
    else if (config->is_notice && config->only != MT_OUTPUT_ALERTS)
        wrong = "messages for people are made of alerts only";
    else if (config->is_events && config->target != MT_TARGET_KAFKA)
        wrong = "events of correlations go to kafka://BROKERS/TOPIC";
    else if (config->rfc == 1 && (1u << config->target & SYSLOG) == 0)
        wrong = "rfc is for syslog";
    if (wrong == NULL) {
        int error = mt_target_check_address(config, ret_reason, size);
        return error != 0 ? error : check_fields(config, ret_reason, size);
    }
    snprintf(ret_reason, size, "%s", wrong);
    return -EINVAL;
}

/* The URL of a chat's webhook is its password: of it only scheme and host are
 * shown. */
static size_t shown_size(const char *target, bool is_notice)
{
    const char *host = strstr(target, "://");

    if (is_notice && host != NULL)
        return (size_t)(host + 3 - target) + strcspn(host + 3, "/?");
    return strcspn(target, "?");
}

/* Several webhooks of one host are told apart by a number. */
static void name_it(struct mt_output_config *config, const char *target)
{
    size_t shown = shown_size(target, config->is_notice);
    int size =
        snprintf(config->name, sizeof(config->name), "%s:%.*s", config->format->name, (int)shown, target);
    if (target[shown] != '\0' && target[shown + 1] != '\0' && (size_t)size < sizeof(config->name))
        snprintf(config->name + size, sizeof(config->name) - (size_t)size, "#%04x",
                 (unsigned)(mt_hash_bytes(0, mt_span_cstr(target)) & 0xffff));
}

static int set_notice_defaults(struct mt_output_config *config)
{
    if (config->is_notice) {
        config->only = MT_OUTPUT_ALERTS;
        config->batch_max = 1; /* a message of its own for each */
    }
    return 0;
}

static int parse(const char *spec, struct mt_output_config *config, char *ret_reason, size_t size)
{
    const char *target = spec;
    int error = set_defaults(config, ret_reason, size);

    if (error == 0)
        error = set_notice_defaults(config);
    if (error == 0)
        error = find_format(config, spec, &target, ret_reason, size);
    if (error != 0)
        return error;
    size_t length = strcspn(target, "?");
    char *copy = strdup(target);
    if (copy == NULL)
        return no_memory(ret_reason, size);
    copy[length] = '\0';
    name_it(config, copy);
    error = find_target(config, copy, ret_reason, size);
    if (error == 0 && target[length] == '?') {
        memcpy(copy, target + length + 1, strlen(target + length + 1) + 1);
        error = set_keys(config, copy, ret_reason, size);
    }
    free(copy);
    return error;
}

static int finish(const char *spec, const char *why, int error, struct mt_output_config *config,
                  char *ret_reason, size_t size)
{
    bool is_notice = config->is_notice;
    const char *what = is_notice ? "notify" : config->is_events ? "correlate-to" : "output";

    if (error == 0)
        return 0;
    mt_output_config_fini(config);
    snprintf(ret_reason, size, "%s %.*s: %s", what, (int)shown_size(spec, is_notice), spec, why);
    return error;
}

enum purpose { FOR_RECORDS, FOR_PEOPLE, FOR_CORRELATIONS };

static int init(const char *spec, enum purpose purpose, char *ret_reason, size_t reason_size,
                struct mt_output_config *ret_config)
{
    char why[512] = "";

    *ret_config = (struct mt_output_config){
        .name = "", .is_notice = purpose == FOR_PEOPLE, .is_events = purpose == FOR_CORRELATIONS};
    int error = parse(spec, ret_config, why, sizeof(why));
    return finish(spec, why, error, ret_config, ret_reason, reason_size);
}

static int parse_whole(const char *spec, enum purpose purpose, char *ret_reason, size_t reason_size,
                       struct mt_output_config *ret_config)
{
    char why[512] = "";
    int error = init(spec, purpose, ret_reason, reason_size, ret_config);

    if (error != 0)
        return error;
    error = mt_output_config_check(ret_config, why, sizeof(why));
    return finish(spec, why, error, ret_config, ret_reason, reason_size);
}

int mt_output_config_init(const char *spec, char *ret_reason, size_t reason_size,
                          struct mt_output_config *ret_config)
{
    return init(spec, FOR_RECORDS, ret_reason, reason_size, ret_config);
}

int mt_output_config_parse(const char *spec, char *ret_reason, size_t reason_size,
                           struct mt_output_config *ret_config)
{
    return parse_whole(spec, FOR_RECORDS, ret_reason, reason_size, ret_config);
}

int mt_notice_config_init(const char *spec, char *ret_reason, size_t reason_size,
                          struct mt_output_config *ret_config)
{
    return init(spec, FOR_PEOPLE, ret_reason, reason_size, ret_config);
}

int mt_notice_config_parse(const char *spec, char *ret_reason, size_t reason_size,
                           struct mt_output_config *ret_config)
{
    return parse_whole(spec, FOR_PEOPLE, ret_reason, reason_size, ret_config);
}

int mt_events_config_parse(const char *spec, char *ret_reason, size_t reason_size,
                           struct mt_output_config *ret_config)
{
    return parse_whole(spec, FOR_CORRELATIONS, ret_reason, reason_size, ret_config);
}

static int copy_list(const struct mt_output_list *from, struct mt_output_list *to)
{
    to->count = 0;
    for (; to->count < from->count; to->count++) {
        to->items[to->count] = strdup(from->items[to->count]);
        if (to->items[to->count] == NULL)
            return -ENOMEM;
    }
    return 0;
}

int mt_output_config_copy(const struct mt_output_config *from, struct mt_output_config *ret_to)
{
    int error = 0;

    *ret_to = *from;
    ret_to->address = strdup(from->address);
    for (size_t i = 0; i < MT_ARRAY_COUNT(keys); i++) {
        const void *source = (const char *)from + keys[i].off;
        void *member = (char *)ret_to + keys[i].off;
        if (keys[i].type == KEY_TEXT || keys[i].type == KEY_SECRET) {
            const char *text = *(char *const *)source;
            char *copy = text == NULL ? NULL : strdup(text);
            memcpy(member, &copy, sizeof(copy));
            error = text != NULL && copy == NULL ? -ENOMEM : error;
        } else if (keys[i].type == KEY_LIST && copy_list(source, member) != 0) {
            error = -ENOMEM;
        }
    }
    if (copy_list(&from->secret_files, &ret_to->secret_files) != 0)
        error = -ENOMEM;
    error = ret_to->address == NULL ? -ENOMEM : error;
    if (error != 0)
        mt_output_config_fini(ret_to);
    return error;
}

void mt_output_config_fini(struct mt_output_config *config)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(keys); i++) {
        void *member = (char *)config + keys[i].off;
        if (keys[i].type == KEY_TEXT || keys[i].type == KEY_SECRET) {
            char **text = member;
            if (*text != NULL)
                explicit_bzero(*text, strlen(*text));
            free(*text);
            *text = NULL;
        } else if (keys[i].type == KEY_LIST) {
            struct mt_output_list *list = member;
            while (list->count > 0)
                free(list->items[--list->count]);
        }
    }
    while (config->secret_files.count > 0)
        free(config->secret_files.items[--config->secret_files.count]);
    free(config->address);
    config->address = NULL;
}
