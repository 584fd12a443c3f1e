#include "live_telemetry.h"

#include "statistics.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mt_live_telemetry {
    struct mt_live_view view; /* under mutex */
    pthread_mutex_t mutex;
};

static void fill_counters(void *ctx, void *object, mt_ports_telemetry_put *put)
{
    struct mt_live_telemetry *telemetry = ctx;
    pthread_mutex_lock(&telemetry->mutex);
    for (int i = 0; i < MT_COUNTER_COUNT; i++) {
        const char *name = mt_statistics_name(i);
        if (name)
            put(object, name, mt_stats_get(&telemetry->view.stats, (enum mt_counter)i));
    }
    pthread_mutex_unlock(&telemetry->mutex);
}

static void fill_workers(void *ctx, void *object, mt_ports_telemetry_put *put)
{
    struct mt_live_telemetry *telemetry = ctx;
    pthread_mutex_lock(&telemetry->mutex);
    for (size_t i = 0; i < telemetry->view.worker_count; i++) {
        char name[48];
        snprintf(name, sizeof(name), "worker.%zu.frames", i);
        put(object, name, telemetry->view.worker_frames[i]);
    }
    put(object, "sessions_open", mt_live_view_open(&telemetry->view));
    pthread_mutex_unlock(&telemetry->mutex);
}

static void put_port(const struct mt_port_counts *port, void *object, mt_ports_telemetry_put *put)
{
    const struct {
        const char *name;
        uint64_t value;
    } values[] = {
        {"frames", port->frames},       {"bytes", port->bytes},   {"missed", port->missed},
        {"no_buffer", port->no_buffer}, {"errors", port->errors}, {"up", port->is_up},
        {"gone", port->is_gone},
    };
    char name[sizeof(port->name) + 32];

    for (size_t i = 0; i < MT_ARRAY_COUNT(values); i++) {
        snprintf(name, sizeof(name), "%s.%s", port->name, values[i].name);
        put(object, name, values[i].value);
    }
    for (uint32_t q = 0; q < port->queue_count && q < MT_ARRAY_COUNT(port->queue_frames); q++) {
        snprintf(name, sizeof(name), "%s.queue.%" PRIu32 ".frames", port->name, q);
        put(object, name, port->queue_frames[q]);
    }
}

static void fill_ports(void *ctx, void *object, mt_ports_telemetry_put *put)
{
    struct mt_live_telemetry *telemetry = ctx;
    pthread_mutex_lock(&telemetry->mutex);
    for (size_t i = 0; i < telemetry->view.port_count; i++)
        put_port(&telemetry->view.ports[i], object, put);
    pthread_mutex_unlock(&telemetry->mutex);
}

struct mt_live_telemetry *mt_live_telemetry_start(void)
{
    struct mt_live_telemetry *telemetry = aligned_alloc(MT_CACHE_LINE, sizeof(*telemetry));
    if (!telemetry)
        return NULL;
    memset(telemetry, 0, sizeof(*telemetry));
    pthread_mutex_init(&telemetry->mutex, NULL);
    if (mt_ports_telemetry("counters", "every counter of docs/operations.md", fill_counters, telemetry) !=
        0) {
        free(telemetry);
        return NULL;
    }
    (void)mt_ports_telemetry("workers", "frames of each worker, open sessions", fill_workers, telemetry);
    (void)mt_ports_telemetry("ports", "frames and losses of each port and queue", fill_ports, telemetry);
    return telemetry;
}

void mt_live_telemetry_show(struct mt_live_telemetry *telemetry, const struct mt_live_view *view)
{
    if (!telemetry)
        return;
    pthread_mutex_lock(&telemetry->mutex);
    telemetry->view = *view;
    pthread_mutex_unlock(&telemetry->mutex);
}
