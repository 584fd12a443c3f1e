/* Options of mailtap live. */
#include "app.h"
#include "config/units.h"
#include "metrics/server.h"
#include "options_list.h"

#include <inttypes.h>
#include <string.h>

#define INTERVAL_DEFAULT (UINT64_C(10) * 1000000000)
#define DURATION_MAX_TEXT "1000d"

static int take_device(struct mt_options *options, bool is_port, const char *text)
{
    struct mt_options_live *live = &options->live;
    /* the command line wins: its first device drops those of --config */
    if (!live->has_device) {
        live->port_count = 0;
        live->interface_count = 0;
        live->has_device = true;
    }
    const char **list = is_port ? live->ports : live->interfaces;
    size_t *count = is_port ? &live->port_count : &live->interface_count;
    const char *name = is_port ? "port" : "interface";

    if (text[0] == '\0')
        return mt_options_error("--%s: the name is empty; mailtap devices lists what there is", name);
    for (size_t i = 0; i < *count; i++) {
        if (strcmp(list[i], text) == 0)
            return mt_options_error("--%s %s is given twice", name, text);
    }
    if (*count == MT_PORTS_OPEN_MAX)
        return mt_options_error("--%s: more than %u", name, MT_PORTS_OPEN_MAX);
    list[(*count)++] = text;
    return -1;
}

static int take_port(struct mt_options *options, const char *text)
{
    return take_device(options, true, text);
}

static int take_interface(struct mt_options *options, const char *text)
{
    return take_device(options, false, text);
}

/* The index of text among words, or of the NULL that ends them. */
static size_t word_index(const char *text, const char *const *words)
{
    size_t i = 0;
    while (words[i] != NULL && strcmp(words[i], text) != 0)
        i++;
    return i;
}

static int take_spread(struct mt_options *options, const char *text)
{
    size_t index = word_index(text, mt_config_spreads);
    if (mt_config_spreads[index] == NULL)
        return mt_options_error("--spread: '%s' is none of auto, device and software", text);
    options->live.spread = (enum mt_spread)index;
    return -1;
}

static int take_poll(struct mt_options *options, const char *text)
{
    size_t index = word_index(text, mt_config_polls);
    if (mt_config_polls[index] == NULL)
        return mt_options_error("--poll: '%s' is neither busy nor adaptive", text);
    options->live.poll = (enum mt_poll)index;
    return -1;
}

static int take_number(const char *name, const char *text, uint32_t low, uint32_t high, uint32_t *number)
{
    uint64_t value;
    if (!mt_options_number(text, low, high, &value))
        return mt_options_error("--%s: '%s' is not a number from %" PRIu32 " to %" PRIu32, name, text, low,
                                high);
    *number = (uint32_t)value;
    return -1;
}

static int take_queue_size(struct mt_options *options, const char *text)
{
    return take_number("queue-size", text, MT_CONFIG_QUEUE_SIZE_MIN, MT_CONFIG_QUEUE_SIZE_MAX,
                       &options->live.queue_size);
}

static int take_frame_max(struct mt_options *options, const char *text)
{
    return take_number("frame-max", text, MT_CONFIG_FRAME_MIN, MT_CONFIG_FRAME_MAX, &options->live.frame_max);
}

static int take_memory(struct mt_options *options, const char *text)
{
    uint64_t *memory = &options->live.memory;
    if (mt_config_parse_size(mt_span_cstr(text), memory) && *memory >= MT_CONFIG_MEMORY_MIN &&
        *memory <= MT_CONFIG_MEMORY_MAX)
        return -1;
    return mt_options_error("--memory: '%s' is not a size like 64M or 2G, from 4M to 1024G", text);
}

static int take_interval(struct mt_options *options, const char *text)
{
    uint64_t *interval = &options->live.interval;
    options->live.has_interval = true;
    if (mt_config_parse_time(mt_span_cstr(text), interval) && *interval >= MT_CONFIG_INTERVAL_MIN &&
        *interval <= MT_CONFIG_INTERVAL_MAX)
        return -1;
    return mt_options_error("--interval: '%s' is not a time like 10s or 5m, from 1s to 24h", text);
}

static int take_duration(struct mt_options *options, const char *text)
{
    uint64_t *duration = &options->live.duration;
    if (mt_config_parse_time(mt_span_cstr(text), duration) && *duration > 0)
        return -1;
    return mt_options_error("--duration: '%s' is not a time like 30s, 10m or 1h, to " DURATION_MAX_TEXT,
                            text);
}

static int take_count(struct mt_options *options, const char *text)
{
    if (mt_options_number(text, 1, INT64_MAX, &options->live.count))
        return -1;
    return mt_options_error("--count: '%s' is not a number of frames from 1", text);
}

static int take_cores(struct mt_options *options, const char *text)
{
    options->live.cores = text;
    return -1;
}

static int take_user(struct mt_options *options, const char *text)
{
    options->live.user = text;
    return -1;
}

static int take_metrics(struct mt_options *options, const char *text)
{
    char reason[512];
    if (mt_metrics_address_check(text, reason, sizeof(reason)) != 0)
        return mt_options_error("--metrics: %s", reason);
    options->live.metrics = text;
    return -1;
}

static int take_driver_args(struct mt_options *options, const char *text)
{
    options->live.driver_args = text;
    return -1;
}

static int take_no_promiscuous(struct mt_options *options, const char *text)
{
    (void)text;
    options->live.no_promiscuous = true;
    return -1;
}

static int take_verbose(struct mt_options *options, const char *text)
{
    (void)text;
    options->live.is_verbose = true;
    return -1;
}

const struct mt_option mt_options_live[] = {
    {"port", MT_VERB_BIT_LIVE, true, take_port},
    {"interface", MT_VERB_BIT_LIVE, true, take_interface},
    {"spread", MT_VERB_BIT_LIVE, true, take_spread},
    {"cores", MT_VERB_BIT_LIVE, true, take_cores},
    {"poll", MT_VERB_BIT_LIVE, true, take_poll},
    {"queue-size", MT_VERB_BIT_LIVE, true, take_queue_size},
    {"frame-max", MT_VERB_BIT_LIVE, true, take_frame_max},
    {"memory", MT_VERB_BIT_LIVE, true, take_memory},
    {"interval", MT_VERB_BIT_LIVE, true, take_interval},
    {"duration", MT_VERB_BIT_LIVE, true, take_duration},
    {"count", MT_VERB_BIT_LIVE, true, take_count},
    {"user", MT_VERB_BIT_LIVE, true, take_user},
    {"metrics", MT_VERB_BIT_LIVE, true, take_metrics},
    {"driver-args", MT_VERB_BIT_LIVE, true, take_driver_args},
    {"no-promiscuous", MT_VERB_BIT_LIVE, false, take_no_promiscuous},
    {"verbose", MT_VERB_BIT_LIVE, false, take_verbose},
};
const size_t mt_options_live_count = MT_ARRAY_COUNT(mt_options_live);

static size_t copy_texts(const char **list, const struct mt_config_texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        list[i] = texts->items[i];
    return texts->count;
}

void mt_options_live_start(struct mt_options *options)
{
    const struct mt_config_live *config = &options->config.live;
    struct mt_options_live *live = &options->live;

    live->port_count = copy_texts(live->ports, &config->ports);
    live->interface_count = copy_texts(live->interfaces, &config->interfaces);
    live->cores = config->cores;
    live->driver_args = config->driver_args;
    live->user = config->user;
    live->metrics = config->metrics;
    live->memory = config->memory;
    live->interval = config->interval ? config->interval : INTERVAL_DEFAULT;
    live->queue_size = config->queue_size;
    live->frame_max = config->frame_max;
    live->spread = config->spread;
    live->poll = config->poll;
    live->no_promiscuous = config->no_promiscuous;
}

static bool is_same_file(const char *a, const char *b)
{
    return a && b && strcmp(a, b) == 0 && strcmp(a, "/dev/null") != 0;
}

int mt_options_live_check(struct mt_options *options)
{
    const struct mt_options_live *live = &options->live;
    const char *stats = options->stats_path;

    if (live->port_count + live->interface_count == 0)
        return mt_options_error("nothing to capture from: give --interface NAME (a kernel interface) or "
                                "--port NAME (a DPDK device); mailtap devices lists what there is");
    if (live->port_count + live->interface_count > MT_PORTS_OPEN_MAX)
        return mt_options_error("more than %u ports and interfaces; give fewer", MT_PORTS_OPEN_MAX);
    if (live->has_interval && !stats)
        return mt_options_error("--interval is the time between two lines of --stats; give --stats PATH too");
    bool is_json_there = options->is_json && stats && strcmp(stats, "-") == 0;
    if (is_json_there || is_same_file(stats, options->sessions_path) ||
        is_same_file(stats, options->alerts_path))
        return mt_options_error("--stats and records would be mixed in %s; give --stats a path of its own",
                                strcmp(stats, "-") == 0 ? "standard output" : stats);
    return -1;
}
