/* Options that more than one verb takes, and those of read and dialogue. */
#include "app.h"
#include "config/units.h"
#include "options_list.h"
#include "pipeline/share.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum {
    READ = MT_VERB_BIT_READ,
    DIALOGUE = MT_VERB_BIT_DIALOGUE,
    LIVE = MT_VERB_BIT_LIVE,
    CORRELATE = MT_VERB_BIT_CORRELATE,
};

#define HEADER_MAX 256u

static bool take_message_word(struct mt_session_limits *limits, const char *word)
{
    static const struct {
        const char *word;
        enum mt_message_level level;
    } levels[] = {{"headers", MT_MESSAGE_HEADERS}, {"full", MT_MESSAGE_FULL}, {"lines", MT_MESSAGE_LINES}};

    for (size_t i = 0; i < MT_ARRAY_COUNT(levels); i++) {
        if (strcmp(word, levels[i].word) == 0) {
            limits->message_level = levels[i].level;
            return true;
        }
    }
    if (strcmp(word, "fields") != 0)
        return false;
    limits->header_max = HEADER_MAX;
    return true;
}

static int take_message(struct mt_options *options, const char *text)
{
    char copy[64];

    snprintf(copy, sizeof(copy), "%s", text);
    char *rest = copy;
    for (char *word; (word = strsep(&rest, ",")) != NULL;) {
        if (!take_message_word(&options->pipeline.limits, word))
            return mt_options_error("--message: '%s' is none of headers, full, lines and fields", word);
    }
    return -1;
}

/* All of these decode what parts hold, and so look for the test marker. */
static int take_hash(struct mt_options *options, const char *text)
{
    unsigned wanted = 0;
    char copy[64];

    snprintf(copy, sizeof(copy), "%s", text != NULL ? text : "md5,sha256");
    char *rest = copy;
    for (char *word; (word = strsep(&rest, ",")) != NULL;) {
        if (strcmp(word, "md5") == 0)
            wanted |= MT_CONTENT_MD5;
        else if (strcmp(word, "sha256") == 0)
            wanted |= MT_CONTENT_SHA256;
        else
            return mt_options_error("--hash: '%s' is neither md5 nor sha256", word);
    }
    options->pipeline.limits.content |= MT_CONTENT_MARKER | wanted;
    return -1;
}

static int take_urls(struct mt_options *options, const char *text)
{
    (void)text;
    options->pipeline.limits.content |= MT_CONTENT_MARKER | MT_CONTENT_URLS;
    return -1;
}

static int take_magic(struct mt_options *options, const char *text)
{
    (void)text;
    options->pipeline.limits.content |= MT_CONTENT_MARKER | MT_CONTENT_MAGIC;
    return -1;
}

static int take_extract(struct mt_options *options, const char *text)
{
    options->extract.folder = text;
    options->pipeline.limits.content |= MT_CONTENT_MARKER | MT_CONTENT_EXTRACT;
    return *text != '\0' ? -1 : mt_options_error("--extract: give a folder");
}

static int take_extract_size(const char *option, const char *text, uint64_t *ret_size)
{
    if (mt_config_parse_size(mt_span_cstr(text), ret_size) && *ret_size > 0)
        return -1;
    return mt_options_error("%s: '%s' is no size; give octets, or 10M, 2G", option, text);
}

static int take_extract_file_max(struct mt_options *options, const char *text)
{
    return take_extract_size("--extract-file-max", text, &options->extract.file_max);
}

static int take_extract_total_max(struct mt_options *options, const char *text)
{
    return take_extract_size("--extract-total-max", text, &options->extract.total_max);
}

static int take_ports(struct mt_options *options, const char *text)
{
    char copy[1024];
    if ((size_t)snprintf(copy, sizeof(copy), "%s", text) >= sizeof(copy))
        return mt_options_error("--ports: the list is too long: %.64s...", text);
    options->pipeline.port_count = 0;
    char *rest = copy;
    for (char *word; (word = strsep(&rest, ",")) != NULL;) {
        uint64_t port;
        if (!mt_options_number(word, 1, 65535, &port))
            return mt_options_error(
                "--ports: '%s' is not a port; give numbers from 1 to 65535 with commas between", word);
        if (options->pipeline.port_count == MT_PORTS_MAX)
            return mt_options_error("--ports: more than 64 ports: %s", text);
        options->pipeline.ports[options->pipeline.port_count++] = (uint16_t)port;
    }
    return -1;
}

static int take_any_port(struct mt_options *options, const char *text)
{
    (void)text;
    options->pipeline.any_port = true;
    return -1;
}

static int take_dns(struct mt_options *options, const char *text)
{
    (void)text;
    options->pipeline.dns = true;
    return -1;
}

static int take_workers(struct mt_options *options, const char *text)
{
    uint64_t workers;
    if (!mt_options_number(text, 1, MT_WORKERS_MAX, &workers))
        return mt_options_error("--workers: '%s' is not a number from 1 to 64", text);
    options->pipeline.workers = (uint32_t)workers;
    return -1;
}

static int take_fail_on(struct mt_options *options, const char *text)
{
    options->has_fail_on = true;
    if (mt_level_parse(mt_span_cstr(text), &options->fail_on))
        return -1;
    return mt_options_error("--fail-on: '%s' is no level; give informational, low, medium, high or critical",
                            text);
}

static int take_overlap(struct mt_options *options, const char *text)
{
    options->pipeline.stream.last_wins = strcmp(text, "last") == 0;
    if (options->pipeline.stream.last_wins || strcmp(text, "first") == 0)
        return -1;
    return mt_options_error("--overlap: '%s' is neither first nor last", text);
}

static int take_json(struct mt_options *options, const char *text)
{
    (void)text;
    options->is_json = true;
    return -1;
}

static int take_quiet(struct mt_options *options, const char *text)
{
    (void)text;
    options->is_quiet = true;
    return -1;
}

static int take_sessions(struct mt_options *options, const char *text)
{
    options->sessions_path = text;
    return -1;
}

static int take_alerts(struct mt_options *options, const char *text)
{
    options->alerts_path = text;
    return -1;
}

static int take_stats(struct mt_options *options, const char *text)
{
    options->stats_path = text;
    return -1;
}

static int take_output(struct mt_options *options, const char *text)
{
    if (options->output_count == MT_OUTPUTS_MAX)
        return mt_options_error("--output: more than %u outputs: %s", MT_OUTPUTS_MAX, text);
    options->outputs[options->output_count++] = text;
    return -1;
}

static int take_notify(struct mt_options *options, const char *text)
{
    if (options->notice_count == MT_OUTPUTS_MAX)
        return mt_options_error("--notify: more than %u of them: %s", MT_OUTPUTS_MAX, text);
    options->notices[options->notice_count++] = text;
    return -1;
}

static int take_correlate_to(struct mt_options *options, const char *text)
{
    options->correlate_to = text;
    return -1;
}

static int take_require_outputs(struct mt_options *options, const char *text)
{
    (void)text;
    options->requires_outputs = true;
    return -1;
}

static int take_filter(struct mt_options *options, const char *text)
{
    options->filter = text;
    return -1;
}

static int take_site(struct mt_options *options, const char *text)
{
    options->site_path = text;
    return -1;
}

static int take_rules(struct mt_options *options, const char *text)
{
    if (options->rules_count == MT_OPTIONS_RULES_MAX)
        return mt_options_error("--rules: more than %u files and folders: %s", MT_OPTIONS_RULES_MAX, text);
    options->rules[options->rules_count++] = text;
    return -1;
}

static int take_no_shipped_rules(struct mt_options *options, const char *text)
{
    (void)text;
    options->no_shipped_rules = true;
    return -1;
}

static int take_strict(struct mt_options *options, const char *text)
{
    (void)text;
    options->is_strict = true;
    return -1;
}

static int take_correlation_memory(struct mt_options *options, const char *text)
{
    uint64_t size;
    if (!mt_config_parse_size(mt_span_cstr(text), &size) || size < MT_CONFIG_MEMORY_MIN ||
        size > MT_CONFIG_MEMORY_MAX)
        return mt_options_error("--correlation-memory: '%s' is not a size like 64M or 2G, from 4M to 1024G",
                                text);
    options->pipeline.correlation_memory = size;
    return -1;
}

static int take_observer(struct mt_options *options, const char *text)
{
    options->observer = text;
    return -1;
}

static int take_redact(struct mt_options *options, const char *text)
{
    if (mt_redact_mode_parse(mt_span_cstr(text), &options->config.redact))
        return -1;
    return mt_options_error("--redact: '%s' is no mode; give none, local-part, hash or drop", text);
}

static int take_redact_key_file(struct mt_options *options, const char *text)
{
    options->redact_key_path = text;
    return -1;
}

static int take_session(struct mt_options *options, const char *text)
{
    options->session_id = text;
    return -1;
}

static int take_from(struct mt_options *options, const char *text)
{
    options->correlate.from = text;
    return -1;
}

static int take_group(struct mt_options *options, const char *text)
{
    options->correlate.group = text;
    return *text != '\0' ? -1 : mt_options_error("--group: give a name");
}

static int take_sensors(struct mt_options *options, const char *text)
{
    uint64_t sensors;
    if (!mt_options_number(text, 1, MT_SHARE_SENSORS_MAX, &sensors))
        return mt_options_error("--sensors: '%s' is not a number from 1 to %u", text, MT_SHARE_SENSORS_MAX);
    options->correlate.sensors = (uint32_t)sensors;
    return -1;
}

static int take_span(const char *option, const char *text, uint64_t *ret_time)
{
    if (mt_config_parse_time(mt_span_cstr(text), ret_time) && *ret_time >= MT_SEC / 10 &&
        *ret_time <= 86400 * MT_SEC)
        return -1;
    return mt_options_error("%s: '%s' is no time like 30s or 5m, from 100ms to 1d", option, text);
}

static int take_sensor_timeout(struct mt_options *options, const char *text)
{
    return take_span("--sensor-timeout", text, &options->correlate.patience);
}

static int take_state_interval(struct mt_options *options, const char *text)
{
    return take_span("--state-interval", text, &options->correlate.state_every);
}

static int take_until_end(struct mt_options *options, const char *text)
{
    (void)text;
    options->correlate.until_end = true;
    return -1;
}

/* Read before all others (options.c). */
static int take_config(struct mt_options *options, const char *text)
{
    (void)options;
    (void)text;
    return -1;
}

const struct mt_option mt_options_shared[] = {
    {"json", READ | LIVE | CORRELATE, false, take_json},
    {"sessions", READ | LIVE, true, take_sessions},
    {"alerts", READ | LIVE | CORRELATE, true, take_alerts},
    {"stats", READ | LIVE | CORRELATE, true, take_stats},
    {"output", READ | LIVE | CORRELATE, true, take_output},
    {"notify", READ | LIVE | CORRELATE, true, take_notify},
    {"correlate-to", READ | LIVE, true, take_correlate_to},
    {"require-outputs", READ | LIVE | CORRELATE, false, take_require_outputs},
    {"workers", READ | LIVE, true, take_workers},
    {"site", READ | LIVE | CORRELATE, true, take_site},
    {"rules", READ | LIVE | CORRELATE, true, take_rules},
    {"no-shipped-rules", READ | LIVE | CORRELATE, false, take_no_shipped_rules},
    {"strict", READ | LIVE | CORRELATE, false, take_strict},
    {"correlation-memory", READ | LIVE | CORRELATE, true, take_correlation_memory},
    {"observer", READ | LIVE | CORRELATE, true, take_observer},
    {"fail-on", READ | LIVE | CORRELATE, true, take_fail_on},
    {"quiet", READ | LIVE | CORRELATE, false, take_quiet},
    {"config", READ | DIALOGUE | LIVE | CORRELATE, true, take_config},
    {"message", READ | LIVE, true, take_message},
    {"hash", READ | LIVE, optional_argument, take_hash},
    {"urls", READ | LIVE, false, take_urls},
    {"magic", READ | LIVE, false, take_magic},
    {"extract", READ | LIVE, true, take_extract},
    {"extract-file-max", READ | LIVE, true, take_extract_file_max},
    {"extract-total-max", READ | LIVE, true, take_extract_total_max},
    {"ports", READ | DIALOGUE | LIVE, true, take_ports},
    {"any-port", READ | LIVE, false, take_any_port},
    {"dns", READ | LIVE, false, take_dns},
    {"filter", READ | DIALOGUE | LIVE, true, take_filter},
    {"overlap", READ | DIALOGUE | LIVE, true, take_overlap},
    {"redact", READ | DIALOGUE | LIVE | CORRELATE, true, take_redact},
    {"redact-key-file", READ | DIALOGUE | LIVE | CORRELATE, true, take_redact_key_file},
    {"session", DIALOGUE, true, take_session},
    {"from", CORRELATE, true, take_from},
    {"group", CORRELATE, true, take_group},
    {"sensors", CORRELATE, true, take_sensors},
    {"sensor-timeout", CORRELATE, true, take_sensor_timeout},
    {"state-interval", CORRELATE, true, take_state_interval},
    {"until-end", CORRELATE, false, take_until_end},
};
const size_t mt_options_shared_count = MT_ARRAY_COUNT(mt_options_shared);
