/* The members of `live:`, by the long names of the options. */
#include "config/config_priv.h"

#include <stdlib.h>

enum live_key {
    LIVE_PORT,
    LIVE_INTERFACE,
    LIVE_SPREAD,
    LIVE_CORES,
    LIVE_POLL,
    LIVE_QUEUE_SIZE,
    LIVE_FRAME_MAX,
    LIVE_MEMORY,
    LIVE_INTERVAL,
    LIVE_USER,
    LIVE_METRICS,
    LIVE_NO_PROMISCUOUS,
    LIVE_DRIVER_ARGS,
    LIVE_KEY_COUNT,
};

static const char *const live_keys[LIVE_KEY_COUNT] = {
    [LIVE_PORT] = "port",
    [LIVE_INTERFACE] = "interface",
    [LIVE_SPREAD] = "spread",
    [LIVE_CORES] = "cores",
    [LIVE_POLL] = "poll",
    [LIVE_QUEUE_SIZE] = "queue-size",
    [LIVE_FRAME_MAX] = "frame-max",
    [LIVE_MEMORY] = "memory",
    [LIVE_INTERVAL] = "interval",
    [LIVE_USER] = "user",
    [LIVE_METRICS] = "metrics",
    [LIVE_NO_PROMISCUOUS] = "no-promiscuous",
    [LIVE_DRIVER_ARGS] = "driver-args",
};

const char *const mt_config_spreads[] = {
    [MT_SPREAD_AUTO] = "auto",
    [MT_SPREAD_DEVICE] = "device",
    [MT_SPREAD_SOFTWARE] = "software",
    NULL,
};

const char *const mt_config_polls[] = {
    [MT_POLL_BUSY] = "busy",
    [MT_POLL_ADAPTIVE] = "adaptive",
    NULL,
};

static int take_word(const struct mt_yaml_report *report, const char *name, const struct mt_yaml *value,
                     struct mt_config_live *live, enum live_key key)
{
    uint32_t index;
    const char *const *words = key == LIVE_SPREAD ? mt_config_spreads : mt_config_polls;
    int rc = mt_config_word(report, name, value, words, &index);

    if (rc != 0)
        return rc;
    if (key == LIVE_SPREAD)
        live->spread = (enum mt_spread)index;
    else
        live->poll = (enum mt_poll)index;
    return 0;
}

static int take_live_member(void *ctx, size_t key, const struct mt_yaml *value)
{
    struct mt_config_change *change = ctx;
    const struct mt_yaml_report *report = change->report;
    struct mt_config_live *live = &change->live;
    const char *name = live_keys[key];

    switch ((enum live_key)key) {
    case LIVE_PORT:
        return mt_config_texts(report, name, value, MT_PORTS_OPEN_MAX, &live->ports);
    case LIVE_INTERFACE:
        return mt_config_texts(report, name, value, MT_PORTS_OPEN_MAX, &live->interfaces);
    case LIVE_SPREAD:
    case LIVE_POLL:
        return take_word(report, name, value, live, (enum live_key)key);
    case LIVE_CORES:
        return mt_config_text(report, name, value, &live->cores);
    case LIVE_QUEUE_SIZE:
        return mt_config_number(report, name, value, MT_CONFIG_QUEUE_SIZE_MIN, MT_CONFIG_QUEUE_SIZE_MAX,
                                &live->queue_size);
    case LIVE_FRAME_MAX:
        return mt_config_number(report, name, value, MT_CONFIG_FRAME_MIN, MT_CONFIG_FRAME_MAX,
                                &live->frame_max);
    case LIVE_MEMORY:
        return mt_config_memory(report, name, value, &live->memory);
    case LIVE_INTERVAL:
        return mt_config_interval(report, name, value, &live->interval);
    case LIVE_USER:
        return mt_config_text(report, name, value, &live->user);
    case LIVE_METRICS:
        return mt_config_address(report, name, value, &live->metrics);
    case LIVE_NO_PROMISCUOUS:
        return mt_config_flag(report, name, value, &live->no_promiscuous);
    case LIVE_DRIVER_ARGS:
    case LIVE_KEY_COUNT:
        break;
    }
    return mt_config_text(report, name, value, &live->driver_args);
}

int mt_config_take_live(struct mt_config_change *change, const char *name, const struct mt_yaml *map)
{
    return mt_config_map(change->report, name, map, live_keys, LIVE_KEY_COUNT, take_live_member, change);
}

void mt_config_start_live(struct mt_config_live *change, const struct mt_config_live *before)
{
    *change = *before;
    change->ports = (struct mt_config_texts){NULL, 0};
    change->interfaces = (struct mt_config_texts){NULL, 0};
    change->cores = NULL;
    change->user = NULL;
    change->metrics = NULL;
    change->driver_args = NULL;
}

/* What the newer one has, and of the rest what there was; frees what it replaces. */
static char *newer_text(char *before, char *now)
{
    if (now == NULL)
        return before;
    free(before);
    return now;
}

static struct mt_config_texts newer_texts(struct mt_config_texts before, struct mt_config_texts now)
{
    if (now.items == NULL)
        return before;
    free(before.items);
    return now;
}

void mt_config_move_live(struct mt_config_live *to, const struct mt_config_live *from)
{
    const struct mt_config_live before = *to;

    *to = *from;
    to->ports = newer_texts(before.ports, from->ports);
    to->interfaces = newer_texts(before.interfaces, from->interfaces);
    to->cores = newer_text(before.cores, from->cores);
    to->user = newer_text(before.user, from->user);
    to->metrics = newer_text(before.metrics, from->metrics);
    to->driver_args = newer_text(before.driver_args, from->driver_args);
}

void mt_config_free_live(struct mt_config_live *live)
{
    free(live->ports.items);
    free(live->interfaces.items);
    free(live->cores);
    free(live->user);
    free(live->metrics);
    free(live->driver_args);
}
