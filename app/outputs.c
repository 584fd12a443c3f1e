#include "outputs.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define MARK_PAUSE (200 * MT_MSEC)
#define ALERT_TEXTS_MAX 64u /* of one alert: each form makes one or two */

struct encoding {
    const struct mt_format_ops *ops;
    struct mt_format *format; /* for alerts; sessions are encoded by the workers */
};

/* The texts of the alert in hand: a format may use its buffer again for the next. */
struct alert_texts {
    struct mt_format_text items[ALERT_TEXTS_MAX];
    size_t count;
    uint8_t *bytes;
    size_t used;
};

struct mt_app_outputs {
    struct mt_delivery *delivery;
    size_t output_count;
    bool has_stdout;
    struct encoding encodings[MT_OUTPUTS_MAX];
    size_t encoding_count;
    /* of those, the ones that sessions are wanted in */
    struct mt_pipeline_encoding sessions[MT_OUTPUTS_MAX];
    uint32_t session_encoding[MT_OUTPUTS_MAX];
    uint32_t session_count;
    struct alert_texts texts;
    size_t events;   /* the encoding of --correlate-to; MT_OUTPUTS_MAX: not given */
    uint64_t marked; /* when the last mark was put */
};

MT_STATIC_ASSERT(MT_PIPELINE_ENCODINGS_MAX >= MT_OUTPUTS_MAX, "each output may have an encoding of its own");

static struct mt_format_options format_options(const struct mt_options *options,
                                               const struct mt_output_config *config)
{
    return (struct mt_format_options){
        .fields = config->fields.count > 0 ? (const char *const *)config->fields.items : NULL,
        .field_count = config->fields.count,
        .observer_name = options->pipeline.observer_name,
        .observer_version = options->pipeline.observer_version,
    };
}

static int make_encodings(struct mt_app_outputs *outputs, struct mt_options *options, char *ret_reason,
                          size_t reason_size)
{
    outputs->encoding_count = mt_delivery_encodings(outputs->delivery);
    for (size_t i = 0; i < outputs->encoding_count; i++) {
        const struct mt_output_config *config = mt_delivery_encoding(outputs->delivery, i);
        if (config->is_events) {
            outputs->events = i;
            continue;
        }
        struct mt_format_options chosen = format_options(options, config);
        struct encoding *encoding = &outputs->encodings[i];
        int rc = config->format->create(&chosen, ret_reason, reason_size, &encoding->format);
        if (rc != 0)
            return rc;
        encoding->ops = config->format;
        if (!mt_delivery_wants(outputs->delivery, i, MT_OUTPUT_SESSION, 0, mt_span_none()))
            continue;
        outputs->session_encoding[outputs->session_count] = (uint32_t)i;
        outputs->sessions[outputs->session_count++] =
            (struct mt_pipeline_encoding){.format = config->format, .options = chosen};
    }
    options->pipeline.encodings = outputs->sessions;
    options->pipeline.encoding_count = outputs->session_count;
    return 0;
}

static void outputs_free(struct mt_app_outputs *outputs)
{
    for (size_t i = 0; i < outputs->encoding_count; i++) {
        if (outputs->encodings[i].format)
            outputs->encodings[i].ops->destroy(outputs->encodings[i].format);
    }
    free(outputs->texts.bytes);
    free(outputs);
}

static int check_reachable(const struct mt_output_config *configs, size_t count, char *ret_reason,
                           size_t reason_size)
{
    for (size_t i = 0; i < count; i++) {
        int rc = mt_output_check(&configs[i], ret_reason, reason_size);
        if (rc != 0)
            return rc == -EINVAL ? -EIO : rc;
    }
    return 0;
}

static int start(struct mt_app_outputs *outputs, struct mt_options *options,
                 const struct mt_output_config *configs, size_t count, char *ret_reason, size_t reason_size)
{
    int rc = options->requires_outputs ? check_reachable(configs, count, ret_reason, reason_size) : 0;
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        outputs->has_stdout |= configs[i].target == MT_TARGET_STDOUT;
    outputs->output_count = count;
    rc = mt_delivery_create(configs, count, ret_reason, reason_size, &outputs->delivery);
    if (rc != 0)
        return rc;
    rc = make_encodings(outputs, options, ret_reason, reason_size);
    if (rc != 0)
        mt_delivery_close(outputs->delivery, 0, NULL);
    return rc;
}

typedef int parse_function(const char *spec, char *ret_reason, size_t reason_size,
                           struct mt_output_config *ret_config);

static int parse_list(const char *const *specs, size_t spec_count, parse_function *parse,
                      struct mt_output_config *configs, size_t *count, char *ret_reason, size_t reason_size)
{
    for (size_t i = 0; i < spec_count; i++) {
        if (*count == MT_OUTPUTS_MAX) {
            snprintf(ret_reason, reason_size, "%s: more than %u outputs in all", specs[i], MT_OUTPUTS_MAX);
            return -EINVAL;
        }
        int rc = parse(specs[i], ret_reason, reason_size, &configs[*count]);
        if (rc != 0)
            return rc;
        ++*count;
    }
    return 0;
}

/* Those of --config first, which stay the config's own; then those of the command line. */
static int parse_all(const struct mt_options *options, struct mt_output_config *configs, size_t *count,
                     char *ret_reason, size_t reason_size)
{
    const struct mt_config_outputs *given = &options->config.outputs;
    const struct mt_config_outputs *notify = &options->config.notify;

    if (given->count + notify->count > MT_OUTPUTS_MAX) {
        snprintf(ret_reason, reason_size, "--config: more than %u outputs in all", MT_OUTPUTS_MAX);
        return -EINVAL;
    }
    for (; *count < given->count; ++*count)
        configs[*count] = given->items[*count];
    for (size_t i = 0; i < notify->count; i++)
        configs[(*count)++] = notify->items[i];
    int rc = parse_list(options->outputs, options->output_count, mt_output_config_parse, configs, count,
                        ret_reason, reason_size);
    if (rc == 0)
        rc = parse_list(options->notices, options->notice_count, mt_notice_config_parse, configs, count,
                        ret_reason, reason_size);
    if (rc == 0 && options->correlate_to)
        rc = parse_list(&options->correlate_to, 1, mt_events_config_parse, configs, count, ret_reason,
                        reason_size);
    return rc;
}

static void hold(struct mt_output_config *configs, size_t count, const struct mt_output_owner *owner)
{
    for (size_t i = 0; owner && i < count; i++) {
        configs[i].is_held = true;
        configs[i].owner_user = owner->user;
        configs[i].owner_group = owner->group;
    }
}

int mt_app_outputs_open(struct mt_options *options, const struct mt_output_owner *owner, char *ret_reason,
                        size_t reason_size, struct mt_app_outputs **ret_outputs)
{
    *ret_outputs = NULL;
    size_t of_config = options->config.outputs.count + options->config.notify.count;
    if (options->output_count + options->notice_count + of_config == 0 && !options->correlate_to)
        return 0;
    struct mt_app_outputs *outputs = calloc(1, sizeof(*outputs));
    struct mt_output_config *configs = calloc(MT_OUTPUTS_MAX, sizeof(*configs));
    uint8_t *bytes = malloc(MT_FORMAT_TEXT_MAX);
    size_t count = 0;
    int rc = outputs && configs && bytes ? 0 : -ENOMEM;

    if (rc != 0) {
        snprintf(ret_reason, reason_size, "out of memory");
        free(bytes);
    } else {
        outputs->texts.bytes = bytes;
        outputs->events = MT_OUTPUTS_MAX;
        rc = parse_all(options, configs, &count, ret_reason, reason_size);
    }
    hold(configs, count, owner);
    if (rc == 0)
        rc = start(outputs, options, configs, count, ret_reason, reason_size);
    for (size_t i = of_config; i < count; i++)
        mt_output_config_fini(&configs[i]);
    free(configs);
    if (rc == 0)
        *ret_outputs = outputs;
    else if (outputs)
        outputs_free(outputs);
    return rc;
}

void mt_app_outputs_begin(struct mt_app_outputs *outputs)
{
    mt_delivery_begin(outputs->delivery);
}

/* --- while it runs ----------------------------------------------------------- */

void mt_app_outputs_document(struct mt_app_outputs *outputs, const struct mt_pipeline_document *document)
{
    struct mt_output_item item = {
        .texts = document->texts,
        .text_count = document->text_count,
        .time = document->time,
        .id = document->id,
        .key = document->key,
        .kind = MT_OUTPUT_SESSION,
    };
    mt_delivery_put(outputs->delivery, outputs->session_encoding[document->encoding], &item);
}

static void on_alert_text(void *ctx, const struct mt_format_text *text)
{
    struct alert_texts *texts = ctx;
    if (texts->count == ALERT_TEXTS_MAX || text->text.size > MT_FORMAT_TEXT_MAX - texts->used)
        return;
    uint8_t *to = texts->bytes + texts->used;
    memcpy(to, text->text.ptr, text->text.size);
    texts->used += text->text.size;
    texts->items[texts->count++] =
        (struct mt_format_text){.stream = text->stream, .text = mt_span(to, text->text.size)};
}

void mt_app_outputs_alert(struct mt_app_outputs *outputs, const struct mt_record_alert *alert,
                          enum mt_level level)
{
    struct mt_span rule = mt_span_cstr(alert->rule_name);
    uint8_t key[MT_IP_TEXT_MAX];
    char id[MT_OUTPUT_ID_SIZE];
    size_t key_size = alert->source_ip.family ? (size_t)(mt_ip_text(key, &alert->source_ip) - key) : 0;
    struct mt_output_item item = {
        .texts = outputs->texts.items,
        .time = alert->timestamp,
        .id = mt_span(id, sizeof(id)),
        .key = mt_span(key, key_size),
        .rule = rule,
        .kind = MT_OUTPUT_ALERT,
        .level = (uint8_t)level,
    };
    mt_output_alert_id(alert, id);
    for (size_t i = 0; i < outputs->encoding_count; i++) {
        if (i == outputs->events ||
            !mt_delivery_wants(outputs->delivery, i, MT_OUTPUT_ALERT, item.level, rule))
            continue;
        outputs->texts.count = 0;
        outputs->texts.used = 0;
        outputs->encodings[i].ops->alert(outputs->encodings[i].format, alert, on_alert_text, &outputs->texts);
        item.text_count = outputs->texts.count;
        if (item.text_count > 0)
            mt_delivery_put(outputs->delivery, i, &item);
    }
}

bool mt_app_outputs_are_safe(const struct mt_app_outputs *outputs)
{
    for (size_t i = 0; i < outputs->output_count; i++) {
        struct mt_output_stats stats;
        mt_delivery_stats(outputs->delivery, i, &stats);
        if (stats.queued > 0)
            return false;
    }
    return true;
}

bool mt_app_outputs_has_events(const struct mt_app_outputs *outputs)
{
    return outputs->events != MT_OUTPUTS_MAX;
}

/* Their time is that of sending: a receiver keeps them for so long, and takes a sensor
 * that says nothing for so long as gone. A mark costs every partition a message, and
 * the next one says as much. */
void mt_app_outputs_event(struct mt_app_outputs *outputs, struct mt_span key, struct mt_span event,
                          bool is_last)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t time = (uint64_t)now.tv_sec * MT_SEC + (uint64_t)now.tv_nsec;
    const struct mt_format_text text = {.text = event};
    const struct mt_output_item item = {
        .texts = &text,
        .text_count = 1,
        .time = time,
        .id = mt_span("", 0),
        .key = key.size > 0 ? key : mt_span("", 0),
        .rule = mt_span("", 0),
        .kind = MT_OUTPUT_ALERT,
        .level = MT_LEVEL_CRITICAL,
    };
    if (key.size == 0 && !is_last && time - outputs->marked < MARK_PAUSE)
        return;
    if (key.size == 0)
        outputs->marked = time;
    mt_delivery_put(outputs->delivery, outputs->events, &item);
}

void mt_app_outputs_reopen(struct mt_app_outputs *outputs, bool rotate)
{
    mt_delivery_reopen(outputs->delivery, rotate);
}

bool mt_app_outputs_has_stdout(const struct mt_app_outputs *outputs)
{
    return outputs->has_stdout;
}

size_t mt_app_outputs_states(const struct mt_app_outputs *outputs, struct mt_output_state *ret_states)
{
    for (size_t i = 0; i < outputs->output_count; i++) {
        snprintf(ret_states[i].name, sizeof(ret_states[i].name), "%s",
                 mt_delivery_name(outputs->delivery, i));
        mt_delivery_stats(outputs->delivery, i, &ret_states[i].stats);
    }
    return outputs->output_count;
}

/* --- the end ----------------------------------------------------------------- */

static bool report(const char *name, const struct mt_output_stats *stats)
{
    const char *error = stats->error[0] != '\0' ? stats->error : "there was no time to send it";
    if (stats->shed > 0)
        fprintf(stderr, "mailtap: output %s: %" PRIu64 " documents are lost: %s\n", name, stats->shed, error);
    if (stats->rejected > 0)
        fprintf(stderr, "mailtap: output %s: the receiver refused %" PRIu64 " documents: %s\n", name,
                stats->rejected, error);
    if (stats->limited > 0)
        fprintf(stderr, "mailtap: output %s: %" PRIu64 " alerts were told in a sum only\n", name,
                stats->limited);
    if (stats->damaged > 0)
        fprintf(stderr, "mailtap: output %s: %" PRIu64 " documents of the spool were damaged\n", name,
                stats->damaged);
    if (stats->spooled > 0)
        fprintf(stderr, "mailtap: output %s: %" PRIu64 " documents wait in the spool for the next run: %s\n",
                name, stats->spooled, error);
    return stats->shed + stats->rejected + stats->damaged == 0;
}

bool mt_app_outputs_close(struct mt_app_outputs *outputs, uint32_t grace_ms,
                          struct mt_output_state *ret_states)
{
    struct mt_output_stats stats[MT_OUTPUTS_MAX];
    bool is_whole = true;

    (void)mt_app_outputs_states(outputs, ret_states);
    mt_delivery_close(outputs->delivery, grace_ms, stats);
    for (size_t i = 0; i < outputs->output_count; i++) {
        ret_states[i].stats = stats[i];
        is_whole &= report(ret_states[i].name, &stats[i]);
    }
    outputs_free(outputs);
    return is_whole;
}
