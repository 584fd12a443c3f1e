#include "truth.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void mt_truth_reset(struct mt_truth *truth, uint64_t number)
{
    /* The big lists are cleared item by item when they are taken. */
    memset(truth, 0, offsetof(struct mt_truth, auth));
    truth->number = number;
    truth->auth_count = 0;
    memset(truth->said, 0, sizeof(truth->said));
    memset(truth->codes, 0, sizeof(truth->codes));
    truth->vrfy_count = 0;
    truth->expn_count = 0;
    truth->transaction_count = 0;
    truth->recipient_count = 0;
    memset(&truth->anomalies, 0, offsetof(struct mt_truth, arena) - offsetof(struct mt_truth, anomalies));
    truth->arena_size = 0;
}

/* A profile that says more than a truth can hold would make a truth that lies. */
static void must(bool is_within)
{
    if (!is_within) {
        fputs("mailtap-traffic: a conversation exceeds the limits of truth.h\n", stderr);
        abort();
    }
}

struct mt_text mt_truth_text(struct mt_truth *truth, const void *bytes, size_t size)
{
    struct mt_text text = {truth->arena + truth->arena_size, (uint32_t)size};

    must(size <= MT_TRUTH_ARENA - truth->arena_size);
    if (size)
        memcpy(truth->arena + truth->arena_size, bytes, size);
    truth->arena_size += (uint32_t)size;
    return text;
}

struct mt_text mt_truth_lower(struct mt_truth *truth, struct mt_text text)
{
    struct mt_text lower = mt_truth_text(truth, text.data, text.size);

    for (char *at = truth->arena + truth->arena_size - text.size; at < truth->arena + truth->arena_size; at++)
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at - 'A' + 'a');
    return lower;
}

static void add_name(struct mt_truth_names *names, const char *name)
{
    for (uint32_t i = 0; i < names->count; i++)
        if (strcmp(names->items[i], name) == 0)
            return;
    must(names->count < MT_TRUTH_NAMES_MAX);
    names->items[names->count++] = name;
}

void mt_truth_anomaly(struct mt_truth *truth, const char *name)
{
    add_name(&truth->anomalies, name);
}

void mt_truth_may_have(struct mt_truth *truth, const char *anomaly)
{
    add_name(&truth->may_have, anomaly);
}

void mt_truth_finding(struct mt_truth *truth, const char *name, uint32_t points)
{
    add_name(&truth->findings, name);
    truth->helo_score += points;
}

void mt_truth_open(struct mt_truth *truth, const char *path)
{
    must(truth->open_count < sizeof(truth->open) / sizeof(truth->open[0]));
    truth->open[truth->open_count++] = path;
}

void mt_truth_alert(struct mt_truth *truth, enum mt_truth_rule rule, uint32_t low, uint32_t high)
{
    truth->alerts_low[rule] += low;
    truth->alerts_high[rule] += high;
}

const char *mt_truth_rule_name(enum mt_truth_rule rule)
{
    static const char *const names[MT_TRUTH_RULE_COUNT] = {
        [MT_TRUTH_RELAY_PROBE] = "smtp_open_relay_probe",
        [MT_TRUTH_RELAY_SUSPECTED] = "smtp_open_relay_suspected",
        [MT_TRUTH_RELAY_ACCEPTED] = "smtp_open_relay_accepted",
        [MT_TRUTH_VRFY_USE] = "smtp_vrfy_expn_use",
        [MT_TRUTH_VRFY_PROBE] = "smtp_vrfy_probe",
        [MT_TRUTH_VRFY_SENSITIVE] = "smtp_vrfy_sensitive",
        [MT_TRUTH_HELO_FORGED] = "smtp_helo_forged",
    };

    return names[rule];
}
