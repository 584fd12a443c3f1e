#include "export/outputs.h"

#include "base/hash.h"
#include "base/text.h"
#include "export/clock_priv.h"
#include "export/output_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/fsuid.h>

struct mt_delivery {
    size_t count;
    size_t encoding_count;
    struct mt_output *outputs[MT_OUTPUTS_MAX];
    const struct mt_output_config *encodings[MT_OUTPUTS_MAX]; /* the first output's of each */
};

static bool same_list(const struct mt_output_list *a, const struct mt_output_list *b)
{
    if (a->count != b->count)
        return false;
    for (uint32_t i = 0; i < a->count; i++) {
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    }
    return true;
}

static size_t encoding_of(struct mt_delivery *delivery, const struct mt_output_config *config)
{
    for (size_t i = 0; i < delivery->encoding_count; i++) {
        const struct mt_output_config *known = delivery->encodings[i];
        if (known->format == config->format && same_list(&known->fields, &config->fields))
            return i;
    }
    delivery->encodings[delivery->encoding_count] = config;
    return delivery->encoding_count++;
}

int mt_delivery_create(const struct mt_output_config *configs, size_t count, char *ret_reason,
                       size_t reason_size, struct mt_delivery **ret_delivery)
{
    struct mt_delivery *delivery = calloc(1, sizeof(*delivery));

    if (delivery == NULL || count > MT_OUTPUTS_MAX) {
        free(delivery);
        snprintf(ret_reason, reason_size, "there may be %u outputs", MT_OUTPUTS_MAX);
        return -EINVAL;
    }
    for (; delivery->count < count; delivery->count++) {
        struct mt_output **output = &delivery->outputs[delivery->count];
        int error = mt_output_start(&configs[delivery->count], ret_reason, reason_size, output);
        if (error != 0) {
            mt_delivery_close(delivery, 0, NULL);
            return error;
        }
        (*output)->encoding = encoding_of(delivery, &(*output)->config);
    }
    *ret_delivery = delivery;
    return 0;
}

size_t mt_delivery_encodings(const struct mt_delivery *delivery)
{
    return delivery->encoding_count;
}

const struct mt_output_config *mt_delivery_encoding(const struct mt_delivery *delivery, size_t encoding)
{
    return delivery->encodings[encoding];
}

static bool has_rule(const struct mt_output_list *rules, struct mt_span rule)
{
    for (uint32_t i = 0; i < rules->count; i++) {
        if (mt_span_eq(mt_span_cstr(rules->items[i]), rule))
            return true;
    }
    return rules->count == 0;
}

static bool output_wants(const struct mt_output_config *config, enum mt_output_kind kind, uint8_t level,
                         struct mt_span rule)
{
    if (kind == MT_OUTPUT_SESSION)
        return config->only != MT_OUTPUT_ALERTS;
    return config->only != MT_OUTPUT_SESSIONS && level >= config->level && has_rule(&config->rules, rule);
}

bool mt_delivery_wants(const struct mt_delivery *delivery, size_t encoding, enum mt_output_kind kind,
                       uint8_t level, struct mt_span rule)
{
    for (size_t i = 0; i < delivery->count; i++) {
        const struct mt_output *output = delivery->outputs[i];
        if (output->encoding == encoding && output_wants(&output->config, kind, level, rule))
            return true;
    }
    return false;
}

void mt_delivery_put(struct mt_delivery *delivery, size_t encoding, const struct mt_output_item *item)
{
    for (size_t i = 0; i < delivery->count; i++) {
        struct mt_output *output = delivery->outputs[i];
        if (output->encoding == encoding &&
            output_wants(&output->config, (enum mt_output_kind)item->kind, item->level, item->rule))
            mt_output_put(output, item);
    }
}

void mt_delivery_begin(struct mt_delivery *delivery)
{
    for (size_t i = 0; i < delivery->count; i++)
        atomic_store(&delivery->outputs[i]->is_held, false);
}

size_t mt_delivery_outputs(const struct mt_delivery *delivery)
{
    return delivery->count;
}

const char *mt_delivery_name(const struct mt_delivery *delivery, size_t output)
{
    return delivery->outputs[output]->config.name;
}

void mt_delivery_stats(const struct mt_delivery *delivery, size_t output, struct mt_output_stats *ret_stats)
{
    mt_output_count(delivery->outputs[output], ret_stats);
}

void mt_delivery_reopen(struct mt_delivery *delivery, bool rotate)
{
    for (size_t i = 0; i < delivery->count; i++)
        atomic_store(&delivery->outputs[i]->reopen, rotate ? MT_REOPEN_ROTATED : MT_REOPEN);
}

void mt_delivery_close(struct mt_delivery *delivery, uint32_t grace_ms, struct mt_output_stats *ret_stats)
{
    uint64_t give_up = mt_clock_steady() + (uint64_t)grace_ms * 1000000;

    if (delivery == NULL)
        return;
    for (size_t i = 0; i < delivery->count; i++)
        mt_output_begin_close(delivery->outputs[i], give_up);
    for (size_t i = 0; i < delivery->count; i++)
        mt_output_end_close(delivery->outputs[i], ret_stats == NULL ? NULL : &ret_stats[i]);
    free(delivery);
}

/* Files are opened, and made, with the rights of whom the process will become. */
static int check_as_owner(const struct mt_output_config *config, const struct mt_target_ops *ops,
                          struct mt_target *target, char *ret_reason, size_t reason_size)
{
    if (config->owner_user == 0)
        return ops->check(target, ret_reason, reason_size);
    int group = setfsgid(config->owner_group);
    int user = setfsuid(config->owner_user);
    int error = ops->check(target, ret_reason, reason_size);
    (void)setfsuid((uid_t)user);
    (void)setfsgid((gid_t)group);
    return error;
}

int mt_output_check(const struct mt_output_config *config, char *ret_reason, size_t reason_size)
{
    _Atomic uint64_t give_up = mt_clock_steady() + config->timeout;
    const struct mt_target_ops *ops = mt_target_ops(config->target);
    struct mt_target_hooks hooks = {.give_up = &give_up};
    struct mt_target *target;
    char why[MT_REASON_MAX] = "";

    int error = ops->create(config, &hooks, why, sizeof(why), &target);
    if (error == 0) {
        error = check_as_owner(config, ops, target, why, sizeof(why));
        ops->destroy(target);
    }
    if (error != 0)
        snprintf(ret_reason, reason_size, "output %s: %s", config->name, why);
    return error;
}

static uint64_t mix_text(uint64_t seed, struct mt_span text)
{
    return mt_hash_bytes(mt_hash_pair(seed, text.size, 1), text);
}

/* Two seeds over the same parts make 128 bits. */
static uint64_t alert_hash(const struct mt_record_alert *alert, uint64_t seed)
{
    uint64_t hash = mix_text(seed, alert->event_id);

    if (alert->rule_name != NULL)
        hash = mix_text(hash, mt_span_cstr(alert->rule_name));
    hash = mt_hash_pair(hash, alert->timestamp, 2);
    for (uint32_t i = 0; i < alert->group_by.count; i++) {
        hash = mix_text(hash, alert->group_by.items[i].key);
        hash = mix_text(hash, alert->group_by.items[i].value);
    }
    return hash;
}

void mt_output_alert_id(const struct mt_record_alert *alert, char ret_id[MT_OUTPUT_ID_SIZE])
{
    uint64_t words[2] = {__builtin_bswap64(alert_hash(alert, 0)), __builtin_bswap64(alert_hash(alert, 1))};

    (void)mt_text_hex((uint8_t *)ret_id, (const uint8_t *)words, sizeof(words));
}
