/* A live run as Prometheus reads it. */
#include "live_metrics.h"

#include "app.h"
#include "metrics/exposition.h"
#include "packet/packet.h"
#include "statistics.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#define NAME_SIZE 128
#define NUMBER_SIZE 24

enum metric {
#define MT_METRIC(name, text, type, help) METRIC_##name,
#include "metrics.def"
#undef MT_METRIC
    METRIC_COUNT,
};

static const struct {
    const char *name;
    enum mt_metric_type type;
    const char *help;
} metrics[METRIC_COUNT] = {
#define MT_METRIC(name, text, type, help) {text, MT_METRIC_##type, help},
#include "metrics.def"
#undef MT_METRIC
};

/* Counters that are samples of one family, with its label. */
static const struct {
    enum metric metric;
    const char *label;
    enum mt_counter counter;
    const char *value;
} labelled[] = {
    {METRIC_LOST, "cause", MT_COUNTER_PORT_MISSED, "port_missed"},
    {METRIC_LOST, "cause", MT_COUNTER_PORT_NO_BUFFER, "port_no_buffer"},
    {METRIC_LOST, "cause", MT_COUNTER_PORT_ERRORS, "port_errors"},
    {METRIC_LOST, "cause", MT_COUNTER_PORT_TOO_LARGE, "port_too_large"},
    {METRIC_LOST, "cause", MT_COUNTER_LIVE_RING_FULL, "live_ring_full"},
    {METRIC_LOST, "cause", MT_COUNTER_FLOWS_REFUSED, "flow_refused"},
    {METRIC_TRANSACTIONS, "outcome", MT_COUNTER_DELIVERED, "delivered"},
    {METRIC_TRANSACTIONS, "outcome", MT_COUNTER_REJECTED, "rejected"},
    {METRIC_TRANSACTIONS, "outcome", MT_COUNTER_DEFERRED, "deferred"},
    {METRIC_TRANSACTIONS, "outcome", MT_COUNTER_ABORTED, "aborted"},
    {METRIC_TRANSACTIONS, "outcome", MT_COUNTER_RESET, "reset"},
    {METRIC_TRANSACTIONS, "outcome", MT_COUNTER_UNFINISHED, "unfinished"},
    {METRIC_REPLIES, "class", MT_COUNTER_REPLIES_2XX, "2xx"},
    {METRIC_REPLIES, "class", MT_COUNTER_REPLIES_3XX, "3xx"},
    {METRIC_REPLIES, "class", MT_COUNTER_REPLIES_4XX, "4xx"},
    {METRIC_REPLIES, "class", MT_COUNTER_REPLIES_5XX, "5xx"},
    {METRIC_STARTTLS, "state", MT_COUNTER_TLS_OFFERED, "offered"},
    {METRIC_STARTTLS, "state", MT_COUNTER_TLS_ESTABLISHED, "established"},
};

static void put_head(FILE *file, enum metric metric)
{
    mt_metric_put_head(file, metrics[metric].name, metrics[metric].type, metrics[metric].help);
}

static void put_one(FILE *file, enum metric metric, uint64_t value)
{
    put_head(file, metric);
    mt_metric_put(file, metrics[metric].name, NULL, value);
}

/* A label's value as Prometheus takes it: printable ASCII; what else there may be
 * in the name of a file is '?'. */
static const char *plain(const char *text, char *space, size_t size)
{
    size_t i = 0;
    for (; text[i] != '\0' && i < size - 1; i++) {
        space[i] = text[i];
        if (text[i] < ' ' || text[i] > '~')
            space[i] = '?';
    }
    space[i] = '\0';
    return space;
}

static const char *number(size_t value, char text[NUMBER_SIZE])
{
    snprintf(text, NUMBER_SIZE, "%zu", value);
    return text;
}

/* --- counters ---------------------------------------------------------------- */

static bool is_labelled(enum mt_counter counter)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(labelled); i++) {
        if (labelled[i].counter == counter)
            return true;
    }
    return false;
}

static void put_counter(FILE *file, const struct mt_stats *stats, enum mt_counter counter)
{
    char name[NAME_SIZE];
    snprintf(name, sizeof(name), "mailtap_%s_total", mt_counter_name(counter));
    for (char *dot; (dot = strchr(name, '.')) != NULL;)
        *dot = '_';
    mt_metric_put_head(file, name, MT_METRIC_COUNTER, mt_counter_meaning(counter));
    mt_metric_put(file, name, NULL, mt_stats_get(stats, counter));
}

static void put_labelled(FILE *file, const struct mt_stats *stats)
{
    for (size_t i = 0; i < MT_ARRAY_COUNT(labelled); i++) {
        struct mt_metric_labels labels = {{{labelled[i].label, labelled[i].value}}, 1};
        if (i == 0 || labelled[i].metric != labelled[i - 1].metric)
            put_head(file, labelled[i].metric);
        mt_metric_put(file, metrics[labelled[i].metric].name, &labels,
                      mt_stats_get(stats, labelled[i].counter));
    }
}

/* The label is the name without what all have in common: not_ip. */
static void put_rejected(FILE *file, const struct mt_stats *stats)
{
    put_head(file, METRIC_REJECTED);
    for (int counter = MT_COUNTER_REJECT_FIRST; counter < MT_COUNTER_COUNT; counter++) {
        const char *name = mt_statistics_name(counter);
        if (!name)
            continue;
        struct mt_metric_labels labels = {{{"reason", strrchr(name, '.') + 1}}, 1};
        mt_metric_put(file, metrics[METRIC_REJECTED].name, &labels,
                      mt_stats_get(stats, (enum mt_counter)counter));
    }
}

static void put_alerts(FILE *file, const struct mt_live_view *view)
{
    put_head(file, METRIC_ALERTS);
    for (int rule = 0; rule < MT_RULE_COUNT; rule++) {
        for (int level = 0; level < MT_LEVEL_COUNT; level++) {
            struct mt_metric_labels labels = {
                {{"rule", mt_rule_name((enum mt_rule)rule)}, {"level", mt_level_name((enum mt_level)level)}},
                2};
            mt_metric_put(file, metrics[METRIC_ALERTS].name, &labels, view->alerts[rule][level]);
        }
    }
    /* one of these may have the name of one of ours */
    for (size_t i = 0; i < view->loaded_count; i++) {
        for (int level = 0; level < MT_LEVEL_COUNT; level++) {
            struct mt_metric_labels labels = {{{"rule", view->loaded[i].name},
                                               {"level", mt_level_name((enum mt_level)level)},
                                               {"source", "loaded"}},
                                              3};
            mt_metric_put(file, metrics[METRIC_ALERTS].name, &labels, view->loaded[i].alerts[level]);
        }
    }
}

static void put_filtered(FILE *file, const struct mt_live_view *view)
{
    put_head(file, METRIC_FILTERED);
    for (size_t i = 0; i < view->filters.count; i++) {
        struct mt_metric_labels labels = {{{"filter", view->filters.items[i].name}}, 1};
        mt_metric_put(file, metrics[METRIC_FILTERED].name, &labels, view->filters.items[i].count);
    }
}

/* --- ports ------------------------------------------------------------------- */

static uint64_t port_value(const struct mt_port_counts *port, enum metric metric)
{
    switch (metric) {
    case METRIC_PORT_FRAMES:
        return port->frames;
    case METRIC_PORT_BYTES:
        return port->bytes;
    case METRIC_PORT_UP:
        return port->is_up && !port->is_gone;
    default:
        return !port->is_gone;
    }
}

static void put_port_queues(FILE *file, const char *name, const struct mt_metric_labels *labels,
                            const struct mt_port_counts *port)
{
    struct mt_metric_labels with_queue = *labels;
    char text[NUMBER_SIZE];

    with_queue.items[with_queue.count++].name = "queue";
    for (size_t q = 0; q < port->queue_count && q < MT_ARRAY_COUNT(port->queue_frames); q++) {
        with_queue.items[labels->count].value = number(q, text);
        mt_metric_put(file, name, &with_queue, port->queue_frames[q]);
    }
}

static void put_port_lost(FILE *file, const char *name, const struct mt_metric_labels *labels,
                          const struct mt_port_counts *port)
{
    const struct mt_metric_label causes[] = {
        {"cause", "missed"}, {"cause", "no_buffer"}, {"cause", "errors"}};
    const uint64_t values[] = {port->missed, port->no_buffer, port->errors};
    struct mt_metric_labels with_cause = *labels;

    with_cause.count++;
    for (size_t i = 0; i < MT_ARRAY_COUNT(causes); i++) {
        with_cause.items[labels->count] = causes[i];
        mt_metric_put(file, name, &with_cause, values[i]);
    }
}

static void put_ports(FILE *file, const struct mt_live_view *view)
{
    for (int metric = METRIC_PORT_FRAMES; metric <= METRIC_PORT_PRESENT; metric++) {
        put_head(file, (enum metric)metric);
        for (size_t i = 0; i < view->port_count; i++) {
            const struct mt_port_counts *port = &view->ports[i];
            char name[sizeof(port->name)];
            struct mt_metric_labels labels = {
                {{"port", plain(port->name, name, sizeof(name))}, {"driver", port->driver}}, 2};
            if (metric == METRIC_PORT_QUEUE)
                put_port_queues(file, metrics[metric].name, &labels, port);
            else if (metric == METRIC_PORT_LOST)
                put_port_lost(file, metrics[metric].name, &labels, port);
            else
                mt_metric_put(file, metrics[metric].name, &labels, port_value(port, (enum metric)metric));
        }
    }
}

/* --- threads ----------------------------------------------------------------- */

static void put_busy(FILE *file, const char *thread, size_t index, uint64_t time)
{
    char text[NUMBER_SIZE];
    struct mt_metric_labels labels = {{{"thread", thread}, {"index", number(index, text)}}, 2};
    mt_metric_put_seconds(file, metrics[METRIC_BUSY].name, &labels, time);
}

static void put_threads(FILE *file, const struct mt_live_view *view)
{
    char text[NUMBER_SIZE];

    put_head(file, METRIC_WORKER_FRAMES);
    for (size_t i = 0; i < view->worker_count; i++) {
        struct mt_metric_labels labels = {{{"worker", number(i, text)}}, 1};
        mt_metric_put(file, metrics[METRIC_WORKER_FRAMES].name, &labels, view->worker_frames[i]);
    }
    put_head(file, METRIC_BUSY);
    for (size_t i = 0; i < view->worker_count; i++)
        put_busy(file, "worker", i, view->load.worker_busy[i]);
    if (view->load.has_reader)
        put_busy(file, "reader", 0, view->load.reader_busy);
    put_busy(file, "collector", 0, view->load.collector_busy);
}

/* --- outputs ----------------------------------------------------------------- */

static uint64_t output_value(const struct mt_output_stats *stats, enum metric metric)
{
    const uint64_t values[METRIC_COUNT] = {
        [METRIC_OUTPUT_UP] = stats->is_up,
        [METRIC_OUTPUT_ACCEPTED] = stats->accepted,
        [METRIC_OUTPUT_FOUND] = stats->found,
        [METRIC_OUTPUT_QUEUED] = stats->queued,
        [METRIC_OUTPUT_QUEUED_BYTES] = stats->queued_bytes,
        [METRIC_OUTPUT_QUEUED_MAX] = stats->memory_max,
        [METRIC_OUTPUT_SPOOLED] = stats->spooled,
        [METRIC_OUTPUT_SPOOL_BYTES] = stats->spool_bytes,
        [METRIC_OUTPUT_SPOOL_MAX] = stats->spool_max,
        [METRIC_OUTPUT_SENT] = stats->sent,
        [METRIC_OUTPUT_SENT_BYTES] = stats->sent_bytes,
        [METRIC_OUTPUT_RETRIED] = stats->retried,
        [METRIC_OUTPUT_REJECTED] = stats->rejected,
        [METRIC_OUTPUT_FORGOTTEN] = stats->forgotten,
        [METRIC_OUTPUT_SHED] = stats->shed,
        [METRIC_OUTPUT_DAMAGED] = stats->damaged,
        [METRIC_OUTPUT_DAMAGES] = stats->damages,
        [METRIC_OUTPUT_LIMITED] = stats->limited,
        [METRIC_OUTPUT_FAILURES] = stats->failures,
    };
    return values[metric];
}

/* The path of a webhook often is its password, and whoever can reach the port
 * reads this page. */
static void hide_path(char *name)
{
    char *scheme = strstr(name, ":http://");
    if (!scheme)
        scheme = strstr(name, ":https://");
    char *path = scheme ? strchr(strstr(scheme, "//") + 2, '/') : NULL;
    if (path)
        path[0] = '\0';
}

static void put_outputs(FILE *file, const struct mt_live_view *view)
{
    for (int metric = METRIC_OUTPUT_UP; metric <= METRIC_OUTPUT_LATENCY; metric++) {
        put_head(file, (enum metric)metric);
        for (size_t i = 0; i < view->output_count; i++) {
            const struct mt_output_state *output = &view->outputs[i];
            char index[NUMBER_SIZE];
            char name[MT_OUTPUT_NAME_MAX];
            /* two outputs may have one name, and other keys */
            struct mt_metric_labels labels = {
                {{"output", plain(output->name, name, sizeof(name))}, {"index", number(i, index)}}, 2};
            hide_path(name);
            if (metric == METRIC_OUTPUT_LATENCY)
                mt_metric_put_histogram(file, metrics[metric].name, &labels, mt_output_latency_bounds,
                                        output->stats.latency, MT_OUTPUT_LATENCY_COUNT,
                                        output->stats.latency_sum);
            else
                mt_metric_put(file, metrics[metric].name, &labels,
                              output_value(&output->stats, (enum metric)metric));
        }
    }
}

/* --- the page ---------------------------------------------------------------- */

void mt_live_metrics_text(FILE *file, const struct mt_live_view *view)
{
    struct mt_metric_labels version = {{{"version", MT_VERSION_TEXT}}, 1};
    uint64_t start = view->wall_time > view->up_time ? view->wall_time - view->up_time : 0;

    put_head(file, METRIC_BUILD_INFO);
    mt_metric_put(file, metrics[METRIC_BUILD_INFO].name, &version, 1);
    /* whole seconds: the clock may be corrected while it runs */
    put_one(file, METRIC_START_TIME, (start + 500000000) / 1000000000);
    put_labelled(file, &view->stats);
    put_rejected(file, &view->stats);
    for (int counter = 0; counter < MT_COUNTER_REJECT_FIRST; counter++) {
        if (!is_labelled((enum mt_counter)counter))
            put_counter(file, &view->stats, (enum mt_counter)counter);
    }
    put_one(file, METRIC_SESSIONS_OPEN, mt_live_view_open(view));
    put_one(file, METRIC_SESSIONS_MAX, view->load.sessions_max);
    put_one(file, METRIC_MEMORY, view->load.memory);
    put_one(file, METRIC_MEMORY_MAX, view->load.memory_max);
    put_alerts(file, view);
    put_filtered(file, view);
    put_ports(file, view);
    put_threads(file, view);
    put_outputs(file, view);
}
