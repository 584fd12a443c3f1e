#include "detect/detect_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define CLIENTS_DEFAULT 65536

static int init_rooms(struct mt_detect *detect, uint32_t count_max)
{
    int rc = mt_alert_init(detect, count_max);
    if (rc == 0)
        rc = mt_relay_init(detect, count_max);
    if (rc == 0)
        rc = mt_infer_init(detect, count_max);
    if (rc == 0)
        rc = mt_vrfy_init(detect, count_max);
    return rc;
}

int mt_detect_create(const struct mt_detect_config *config, const struct mt_site *site,
                     struct mt_span observer_name, const char *observer_version,
                     const struct mt_detect_events *events, void *ctx, struct mt_stats *stats,
                     struct mt_detect **ret_detect)
{
    if (!mt_detect_config_in_range(config))
        return -EINVAL;

    struct mt_detect *detect = calloc(1, sizeof(*detect));
    if (!detect)
        return -ENOMEM;
    detect->config = *config;
    detect->site = site;
    detect->observer_name = observer_name;
    detect->observer_version = observer_version;
    detect->events = events;
    detect->ctx = ctx;
    detect->stats = stats;

    int rc = 0;
    if (getrandom(&detect->seed, sizeof(detect->seed), 0) != (ssize_t)sizeof(detect->seed))
        rc = -errno;
    if (rc == 0)
        rc = init_rooms(detect, config->clients_max ? config->clients_max : CLIENTS_DEFAULT);
    if (rc != 0) {
        mt_detect_destroy(detect);
        return rc;
    }
    *ret_detect = detect;
    return 0;
}

void mt_detect_destroy(struct mt_detect *detect)
{
    if (!detect)
        return;
    mt_vrfy_fini(detect);
    mt_infer_fini(detect);
    mt_relay_fini(detect);
    mt_alert_fini(detect);
    free(detect);
}

void mt_detect_reload(struct mt_detect *detect, const struct mt_detect_config *config,
                      const struct mt_site *site)
{
    detect->config = *config;
    detect->site = site;
}

static bool is_inbound(const struct mt_detect *detect, const struct mt_observation *o)
{
    return !o->is_client_home && o->is_server_home && !mt_site_may_relay(detect->site, &o->tuple.src);
}

void mt_detect_observe(struct mt_detect *detect, const struct mt_observation *o)
{
    detect->now = mt_max_u64(detect->now, o->mark.time + 1);
    switch ((enum mt_observation_kind)o->kind) {
    case MT_OBSERVE_RCPT:
        if (is_inbound(detect, o))
            mt_relay_rcpt(detect, o);
        break;
    case MT_OBSERVE_MESSAGE:
        if (is_inbound(detect, o))
            mt_relay_message(detect, o);
        break;
    case MT_OBSERVE_UNSENT:
        if (is_inbound(detect, o))
            mt_relay_unsent(detect, o);
        break;
    case MT_OBSERVE_PROBE:
        if (!o->is_client_home)
            mt_vrfy_probe(detect, o);
        break;
    case MT_OBSERVE_HELO:
        if (!o->is_client_home)
            mt_helo_greeting(detect, o);
        break;
    }
}

struct mt_hash128 mt_detect_key(const struct mt_detect *detect, const struct mt_ip *client,
                                const struct mt_ip *server, struct mt_span more)
{
    struct mt_hash128 tail = {{more.size, 0}};

    if (more.size > 0)
        tail = mt_hash_bytes128(detect->seed, more);
    for (unsigned i = 0; i < MT_ARRAY_COUNT(tail.word); i++) {
        uint64_t word = mt_detect_ip(detect->seed + i, client);
        if (server)
            word = mt_hash_pair(detect->seed + i, word, mt_detect_ip(detect->seed + i, server));
        tail.word[i] = mt_hash_pair(detect->seed + i, word, tail.word[i]);
    }
    return tail;
}

void *mt_detect_take(struct mt_detect *detect, struct mt_table *table, struct mt_hash128 key)
{
    bool is_evicted;
    void *entry = mt_table_take(table, key, &is_evicted);

    if (is_evicted)
        mt_stats_add(detect->stats, MT_COUNTER_DETECT_EVICTED, 1);
    return entry;
}

uint64_t mt_detect_item(struct mt_span bytes)
{
    return mt_hash_bytes(0, bytes);
}
