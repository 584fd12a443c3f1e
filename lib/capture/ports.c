#include "capture/ports.h"

#include "capture/ports_priv.h"

#include <errno.h>
#include <rte_eal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUFFER_SIZE 2048u
#define PAUSE_MAX 1000000u    /* ns */
#define IDLE_RATE_MAX 100000u /* frames/s that a pausing source must not lose */
#define FRAME_MAX 9600u

void mt_ports_say(const struct mt_ports *ports, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    if (ports->note != NULL)
        ports->note(ports->note_ctx, line);
}

/* --- what is asked for ----------------------------------------------------------- */

static int refuse(char *ret_reason, size_t reason_size, int error, const char *format, ...) MT_PRINTF(4, 5);

static int refuse(char *ret_reason, size_t reason_size, int error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(ret_reason, reason_size, format, args);
    va_end(args);
    return error;
}

static int check_numbers(const struct mt_ports_config *config, char *ret_reason, size_t reason_size)
{
    size_t count = config->port_count + config->interface_count;
    if (count == 0)
        return refuse(
            ret_reason, reason_size, -EINVAL,
            "nothing to capture from; name a --port or an --interface (\"mailtap devices\" lists them)");
    if (count > MT_PORTS_OPEN_MAX)
        return refuse(ret_reason, reason_size, -EINVAL, "%zu ports and interfaces are more than %u", count,
                      MT_PORTS_OPEN_MAX);
    if (config->workers < 1 || config->workers > MT_PORT_SOURCES_MAX)
        return refuse(ret_reason, reason_size, -EINVAL, "%u workers are not between 1 and %u",
                      config->workers, MT_PORT_SOURCES_MAX);
    if (config->frame_max > FRAME_MAX || (config->frame_max > 0 && config->frame_max < 64))
        return refuse(ret_reason, reason_size, -EINVAL, "frames of %u bytes are not between 64 and %u",
                      config->frame_max, FRAME_MAX);
    if (config->queue_size > 32768 || (config->queue_size > 0 && config->queue_size < 64))
        return refuse(ret_reason, reason_size, -EINVAL,
                      "queues of %u descriptors are not between 64 and 32768", config->queue_size);
    return 0;
}

static int check_filter(const char *filter, char *ret_reason, size_t reason_size)
{
    enum { LINKTYPE_ETHERNET = 1 };
    struct mt_capture_filter *trial;
    if (filter == NULL)
        return 0;
    int rc = mt_capture_filter_create(filter, &trial);
    if (rc != 0)
        return refuse(ret_reason, reason_size, rc, "%s", strerror(-rc));
    const char *wrong = mt_capture_filter_check(trial, LINKTYPE_ETHERNET);
    if (wrong != NULL)
        rc = refuse(ret_reason, reason_size, -EINVAL, "filter \"%s\": %s", filter, wrong);
    mt_capture_filter_destroy(trial);
    return rc;
}

static int check_request(struct mt_ports *ports, size_t index, char *ret_reason, size_t reason_size)
{
    const struct mt_port_request *request = &ports->port[index].request;
    for (size_t i = 0; i < index; i++) {
        const struct mt_port_request *other = &ports->port[i].request;
        if (strcmp(other->text, request->text) == 0 ||
            (other->kind != MT_PORT_INTERFACE && request->kind != MT_PORT_INTERFACE &&
             strcmp(other->drivers[0].device, request->drivers[0].device) == 0))
            return refuse(ret_reason, reason_size, -EINVAL, "%s is named twice",
                          request->kind == MT_PORT_INTERFACE ? request->text : request->drivers[0].device);
    }
    if (request->kind == MT_PORT_PCI) {
        mt_port_request_pci_obstacle(request->drivers[0].device, "/sys", ret_reason, reason_size);
        if (ret_reason[0] != '\0')
            return -ENODEV;
    }
    return mt_port_request_rights(request, ret_reason, reason_size);
}

static int read_requests(struct mt_ports *ports, const struct mt_ports_config *config, char *ret_reason,
                         size_t reason_size)
{
    size_t count = config->port_count + config->interface_count;
    for (size_t i = 0; i < count; i++) {
        struct mt_port *port = &ports->port[i];
        const char *name =
            i < config->port_count ? config->ports[i] : config->interfaces[i - config->port_count];
        int rc = i < config->port_count
                     ? mt_port_request_port(&port->request, name, ret_reason, reason_size)
                     : mt_port_request_interface(&port->request, name, ret_reason, reason_size);
        if (rc == 0)
            rc = check_request(ports, i, ret_reason, reason_size);
        if (rc != 0)
            return rc;
        port->ports = ports;
        snprintf(port->name, sizeof(port->name), "%s",
                 port->request.kind == MT_PORT_INTERFACE ? name : port->request.drivers[0].device);
        ports->port_count++;
    }
    return 0;
}

/* --- how much ------------------------------------------------------------------ */

/* The most queues that a port may come to have. */
static uint32_t queues_at_most(const struct mt_ports *ports, const struct mt_port *port)
{
    const struct mt_port_request *request = &port->request;
    if (request->kind == MT_PORT_INTERFACE)
        return (uint32_t)mt_max_u64(request->drivers[0].queues, 1);
    bool may_spread = ports->spread == MT_SPREAD_DEVICE ||
                      (ports->spread == MT_SPREAD_AUTO && request->kind == MT_PORT_PCI);
    return may_spread ? ports->workers : 1;
}

static void plan_memory(const struct mt_ports *ports, struct mt_port_plan *ret_plan)
{
    struct mt_port_plan plan = {
        .descriptors = ports->queue_size > 0 ? ports->queue_size : MT_PORT_QUEUE_SIZE,
        .sources = ports->source_count > 0 ? (uint32_t)ports->source_count : 1,
        .workers = ports->workers,
        .buffer_size = ports->frame_max > BUFFER_SIZE ? ports->frame_max + 8 : BUFFER_SIZE,
    };
    for (size_t i = 0; i < ports->port_count; i++) {
        const struct mt_port *port = &ports->port[i];
        plan.queues += port->queue_count > 0 ? port->queue_count : queues_at_most(ports, port);
        for (uint32_t j = 0; j < port->request.driver_count; j++)
            plan.needs_large |= port->request.drivers[j].needs_large;
    }
    mt_port_plan_compute(&plan);
    *ret_plan = plan;
}

/* --- spreading ------------------------------------------------------------------ */

static int check_queues(const struct mt_ports *ports, const struct mt_port *port, char *ret_reason,
                        size_t reason_size)
{
    struct rte_eth_dev_info info;
    if (port->request.kind == MT_PORT_INTERFACE)
        return refuse(ret_reason, reason_size, -EINVAL,
                      "%s cannot spread connections to workers by itself; leave --spread device out",
                      port->name);
    if (rte_eth_dev_info_get(port->id, &info) != 0 || info.max_rx_queues >= ports->workers)
        return 0;
    return refuse(
        ret_reason, reason_size, -EINVAL,
        "%s has %u receive queue%s, but each of %u workers needs one; use --workers %u, or --spread software",
        port->name, info.max_rx_queues, info.max_rx_queues == 1 ? "" : "s", ports->workers,
        info.max_rx_queues);
}

/* One queue a worker, or one source for all. */
static int decide_spread(struct mt_ports *ports, char *ret_reason, size_t reason_size)
{
    bool can_all = ports->workers > 1;
    for (size_t i = 0; i < ports->port_count; i++) {
        struct mt_port *port = &ports->port[i];
        if (ports->spread == MT_SPREAD_DEVICE && ports->workers > 1) {
            int rc = check_queues(ports, port, ret_reason, reason_size);
            if (rc != 0)
                return rc;
        }
        can_all = can_all && port->is_open && mt_port_can_spread(port, ports->workers);
    }
    if (ports->workers == 1 || (ports->spread == MT_SPREAD_AUTO && !can_all))
        ports->spread = MT_SPREAD_SOFTWARE;
    else if (ports->spread == MT_SPREAD_AUTO)
        ports->spread = MT_SPREAD_DEVICE;
    ports->source_count = ports->spread == MT_SPREAD_DEVICE ? ports->workers : 1;
    for (size_t i = 0; i < ports->port_count; i++) {
        struct mt_port *port = &ports->port[i];
        port->queue_count = (uint16_t)(port->request.kind == MT_PORT_INTERFACE ? queues_at_most(ports, port)
                                                                               : ports->source_count);
    }
    return 0;
}

/* --- opening ------------------------------------------------------------------- */

/* Devices that can be asked before they are configured. */
static int probe_ports(struct mt_ports *ports, char *ret_reason, size_t reason_size)
{
    for (size_t i = 0; i < ports->port_count; i++) {
        struct mt_port *port = &ports->port[i];
        char reason[256];
        if (port->request.kind == MT_PORT_INTERFACE)
            continue;
        mt_port_sockets_note(&port->sockets);
        int rc = mt_port_probe(port, &port->request.drivers[0], reason, sizeof(reason));
        if (rc != 0)
            return refuse(ret_reason, reason_size, rc, "port %s: %s%s", port->name, reason,
                          mt_port_mending(&port->request, rc, reason));
    }
    return 0;
}

static void describe_port(const struct mt_ports *ports, const struct mt_port *port)
{
    static const char *const times[] = {
        [MT_PORT_STAMP_NONE] = "of arrival here",
        [MT_PORT_STAMP_SYSTEM] = "of the driver",
        [MT_PORT_STAMP_FILE] = "of the driver",
        [MT_PORT_STAMP_DEVICE] = "of the device",
    };
    mt_ports_say(ports, "%s: by %s, %u queue%s of %u, times %s%s%s%s%s", port->name, port->driver,
                 port->queue_count, port->queue_count == 1 ? "" : "s", port->queue_size, times[port->stamp],
                 port->is_filtering ? ", other TCP dropped by the device" : "",
                 port->why_not_better[0] != '\0' ? " (" : "", port->why_not_better,
                 port->why_not_better[0] != '\0' ? ")" : "");
}

static int start_ports(struct mt_ports *ports, char *ret_reason, size_t reason_size)
{
    for (size_t i = 0; i < ports->port_count; i++) {
        struct mt_port *port = &ports->port[i];
        char reason[512];
        int rc = mt_port_open(port, port->queue_count, reason, sizeof(reason));
        if (rc != 0)
            return refuse(ret_reason, reason_size, rc, "%s %s: %s%s",
                          port->request.kind == MT_PORT_INTERFACE ? "interface" : "port", port->name, reason,
                          mt_port_mending(&port->request, rc, reason));
        snprintf(port->why_not_better, sizeof(port->why_not_better), "%s", reason);
        describe_port(ports, port);
    }
    return 0;
}

static void add_queues(struct mt_ports *ports, struct mt_port_source *source, uint32_t index)
{
    for (size_t i = 0; i < ports->port_count; i++) {
        struct mt_port *port = &ports->port[i];
        if (ports->spread == MT_SPREAD_DEVICE) {
            source->queues[source->queue_count++] = &port->queues[index];
            continue;
        }
        for (uint16_t j = 0; j < port->queue_count; j++)
            source->queues[source->queue_count++] = &port->queues[j];
    }
}

static int create_sources(struct mt_ports *ports, const char *filter)
{
    enum { LINKTYPE_ETHERNET = 1 };
    ports->sources = calloc(ports->source_count, sizeof(*ports->sources));
    if (ports->sources == NULL)
        return -ENOMEM;
    for (uint32_t i = 0; i < ports->source_count; i++) {
        struct mt_port_source *source = &ports->sources[i];
        mt_port_source_init(source, ports);
        add_queues(ports, source, i);
        if (filter == NULL)
            continue;
        int rc = mt_capture_filter_create(filter, &source->filter);
        if (rc != 0)
            return rc;
        (void)mt_capture_filter_check(source->filter, LINKTYPE_ETHERNET);
    }
    return 0;
}

/* An idle source sleeps so briefly that half a queue is still free when it wakes. */
static void set_pause(struct mt_ports *ports)
{
    uint32_t smallest = MT_PORT_QUEUE_SIZE;
    for (size_t i = 0; i < ports->port_count; i++)
        smallest = (uint32_t)mt_min_u64(smallest, ports->port[i].queue_size);
    uint64_t half = (uint64_t)smallest / 2 * MT_SEC / IDLE_RATE_MAX;
    ports->pause_max = (uint32_t)mt_min_u64(half / 4, PAUSE_MAX);
}

static int plan_cores(struct mt_ports *ports, const struct mt_ports_config *config, bool has_reader,
                      char *ret_reason, size_t reason_size)
{
    return mt_cores_plan(&ports->cores, config->cores, ports->workers, has_reader, ports->port[0].numa_node,
                         "/sys", ret_reason, reason_size);
}

/* What can be known without the driver library. */
static int prepare(struct mt_ports *ports, const struct mt_ports_config *config,
                   struct mt_port_plan *ret_plan, char *ret_reason, size_t reason_size)
{
    mt_cores_init(&ports->cores);
    int rc = check_numbers(config, ret_reason, reason_size);
    if (rc == 0)
        rc = read_requests(ports, config, ret_reason, reason_size);
    if (rc == 0)
        rc = check_filter(config->filter, ret_reason, reason_size);
    if (rc == 0)
        rc = plan_cores(ports, config, ports->workers > 1 && ports->spread != MT_SPREAD_DEVICE, ret_reason,
                        reason_size);
    if (rc != 0)
        return rc;
    plan_memory(ports, ret_plan);
    return mt_port_plan_check(ret_plan, config->memory_max, 0, "", ret_reason, reason_size);
}

static int start_library(struct mt_ports *ports, const struct mt_ports_config *config,
                         const struct mt_port_plan *plan, char *ret_reason, size_t reason_size)
{
    int rc = mt_port_log_create(config->is_verbose, &ports->log);
    if (rc != 0)
        return refuse(ret_reason, reason_size, rc, "%s", strerror(-rc));
    rc = mt_port_eal_start(ports, config, plan, ret_reason, reason_size);
    if (rc == 0)
        mt_port_clocks_init(ports);
    return rc;
}

static int open_all(struct mt_ports *ports, const struct mt_ports_config *config, char *ret_reason,
                    size_t reason_size)
{
    struct mt_port_plan plan;
    char text[512];
    int rc = prepare(ports, config, &plan, ret_reason, reason_size);
    if (rc == 0)
        rc = start_library(ports, config, &plan, ret_reason, reason_size);
    if (rc == 0)
        rc = probe_ports(ports, ret_reason, reason_size);
    if (rc == 0)
        rc = decide_spread(ports, ret_reason, reason_size);
    if (rc == 0)
        rc = plan_cores(ports, config, ports->workers > 1 && ports->source_count == 1, ret_reason,
                        reason_size);
    if (rc != 0)
        return rc;
    mt_cores_pin(&ports->cores, MT_THREAD_CONTROL, 0);
    plan_memory(ports, &plan);
    rc = mt_port_pools_create(ports, &plan, ret_reason, reason_size);
    if (rc == 0)
        rc = start_ports(ports, ret_reason, reason_size);
    if (rc != 0)
        return rc;
    mt_port_plan_describe(&plan, text, sizeof(text));
    mt_ports_say(ports, "%s", text);
    set_pause(ports);
    rc = create_sources(ports, config->filter);
    return rc == 0 ? 0 : refuse(ret_reason, reason_size, rc, "%s", strerror(-rc));
}

int mt_ports_open(const struct mt_ports_config *config, mt_ports_note *note, void *note_ctx, char *ret_reason,
                  size_t reason_size, struct mt_ports **ret_ports)
{
    struct mt_ports *ports = calloc(1, sizeof(*ports));
    if (reason_size > 0)
        ret_reason[0] = '\0';
    if (ports == NULL)
        return refuse(ret_reason, reason_size, -ENOMEM, "%s", strerror(ENOMEM));
    ports->note = note;
    ports->note_ctx = note_ctx;
    ports->workers = config->workers;
    ports->spread = config->spread;
    ports->poll = config->poll;
    ports->queue_size = config->queue_size;
    ports->frame_max = config->frame_max;
    ports->promiscuous_off = config->promiscuous_off;
    ports->is_verbose = config->is_verbose;
    ports->mail_port_count = (uint32_t)mt_min_u64(config->mail_port_count, MT_ARRAY_COUNT(ports->mail_ports));
    if (ports->mail_port_count > 0)
        memcpy(ports->mail_ports, config->mail_ports, ports->mail_port_count * sizeof(uint16_t));
    mt_port_hold_init(ports);
    for (size_t i = 0; i < MT_PORTS_OPEN_MAX; i++)
        ports->port[i].numa_node = -1;
    int rc = open_all(ports, config, ret_reason, reason_size);
    if (rc != 0) {
        mt_ports_close(ports);
        return rc;
    }
    *ret_ports = ports;
    return 0;
}

/* --- running --------------------------------------------------------------------- */

size_t mt_ports_source_count(const struct mt_ports *ports)
{
    return ports->source_count;
}

struct mt_capture *mt_ports_source(struct mt_ports *ports, size_t index)
{
    return &ports->sources[index].capture;
}

static void fill_counts(const struct mt_port *port, struct mt_port_counts *counts)
{
    struct mt_port_losses losses = mt_port_losses_of(port);
    struct rte_eth_link link = {0};
    *counts = (struct mt_port_counts){
        .missed = losses.missed,
        .no_buffer = losses.no_buffer,
        .errors = losses.errors,
        .queue_count = port->queue_count,
        .is_gone = port->is_gone,
    };
    snprintf(counts->name, sizeof(counts->name), "%s", port->name);
    snprintf(counts->driver, sizeof(counts->driver), "%s", port->driver);
    for (uint16_t i = 0; i < port->queue_count; i++) {
        counts->queue_frames[i] = atomic_load_explicit(&port->queues[i].frames, memory_order_relaxed);
        counts->frames += counts->queue_frames[i];
        counts->bytes += atomic_load_explicit(&port->queues[i].bytes, memory_order_relaxed);
    }
    if (port->is_started && !port->is_gone && rte_eth_link_get_nowait(port->id, &link) == 0)
        counts->is_up = link.link_status == RTE_ETH_LINK_UP;
}

size_t mt_ports_count(struct mt_ports *ports, struct mt_port_counts *ret_counts, size_t count_max)
{
    mt_port_clocks_correct(ports);
    for (size_t i = 0; i < ports->port_count; i++) {
        struct mt_port *port = &ports->port[i];
        if (!atomic_load_explicit(&ports->is_stopping, memory_order_relaxed))
            mt_port_watch(port);
        mt_port_losses_update(port);
        if (i < count_max)
            fill_counts(port, &ret_counts[i]);
    }
    return ports->port_count;
}

void mt_ports_stop(struct mt_ports *ports)
{
    atomic_store_explicit(&ports->is_stopping, true, memory_order_release);
}

static void free_pending(struct mt_port_source *source)
{
    for (uint32_t i = 0; i < source->queue_count; i++) {
        struct mt_port_queue *queue = source->queues[i];
        if (queue->at < queue->count)
            rte_pktmbuf_free_bulk(queue->pending + queue->at, queue->count - queue->at);
        queue->at = queue->count;
    }
}

/* No rte_eal_cleanup: it unmaps what the driver library's interrupt thread, which
 * nothing stops (22.11), may just be looking at. With the arguments that it was
 * started with it leaves no file behind; its memory goes with the process. */
void mt_ports_close(struct mt_ports *ports)
{
    if (ports == NULL)
        return;
    mt_port_telemetry_end();
    for (size_t i = 0; ports->sources != NULL && i < ports->source_count; i++) {
        ports->sources[i].capture.ops->close(&ports->sources[i].capture);
        free_pending(&ports->sources[i]);
        mt_capture_filter_destroy(ports->sources[i].filter);
    }
    for (size_t i = 0; i < ports->port_count; i++)
        mt_port_close(&ports->port[i]);
    mt_port_pools_destroy(ports);
    mt_port_log_destroy(ports->log);
    free(ports->sources);
    free(ports);
}
