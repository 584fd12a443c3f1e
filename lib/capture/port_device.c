/* One device of the driver library: found or made, configured, started, closed. */
#include "capture/ports_priv.h"

#include <errno.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_mbuf_dyn.h>
#include <stdio.h>
#include <string.h>

#define LINK_OVERHEAD 18u /* Ethernet header and checksum, which an MTU leaves out */

/* Connections are spread by addresses and ports. Fragments carry no ports and
 * are spread by addresses: they may come to another worker than the rest of
 * their connection, which software spreading avoids. */
#define HASH_FIELDS                                                                        \
    (RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_FRAG_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP |             \
     RTE_ETH_RSS_NONFRAG_IPV4_OTHER | RTE_ETH_RSS_IPV6 | RTE_ETH_RSS_FRAG_IPV6 |           \
     RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_OTHER | RTE_ETH_RSS_IPV6_EX | \
     RTE_ETH_RSS_IPV6_TCP_EX)

static const char *reason_or(const struct mt_port *port, int error)
{
    const char *reason = mt_port_log_reason(port->ports->log);
    if (strstr(reason, "failed to parse device") != NULL)
        return "the driver library has no driver for devices of this name";
    return reason[0] != '\0' ? reason : rte_strerror(error < 0 ? -error : error);
}

/* --- finding ------------------------------------------------------------------ */

static int find_device(struct mt_port *port, const struct mt_port_driver *driver)
{
    if (rte_eth_dev_get_port_by_name(driver->device, &port->id) == 0)
        return 0;
    int rc = port->request.kind == MT_PORT_PCI
                 ? rte_eal_hotplug_add("pci", driver->device, driver->arguments)
                 : rte_eal_hotplug_add("vdev", driver->device, driver->arguments);
    if (rc != 0)
        return rc;
    port->is_probed = true;
    return rte_eth_dev_get_port_by_name(driver->device, &port->id);
}

int mt_port_probe(struct mt_port *port, const struct mt_port_driver *driver, char *ret_reason,
                  size_t reason_size)
{
    struct rte_eth_dev_info info;
    struct mt_port_log *log = port->ports->log;
    mt_port_log_reset(log);
    mt_port_log_capture(log);
    int rc = find_device(port, driver);
    if (rc == 0)
        rc = rte_eth_dev_info_get(port->id, &info);
    mt_port_log_capture_end(log);
    if (rc != 0) {
        snprintf(ret_reason, reason_size, "%s", reason_or(port, rc));
        if (port->is_probed)
            (void)rte_eal_hotplug_remove(port->request.kind == MT_PORT_PCI ? "pci" : "vdev", driver->device);
        port->is_probed = false;
        return rc < 0 ? rc : -EIO;
    }
    snprintf(port->device, sizeof(port->device), "%s", driver->device);
    snprintf(port->driver, sizeof(port->driver), "%s", info.driver_name);
    port->chosen = driver;
    port->is_open = true;
    port->numa_node = rte_eth_dev_socket_id(port->id);
    return 0;
}

bool mt_port_can_spread(const struct mt_port *port, uint32_t count)
{
    struct rte_eth_dev_info info;
    const uint64_t needed = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV6_TCP;
    /* virtual devices offer hashes that mean nothing (net_null), or are not symmetric (net_tap) */
    if (port->request.kind != MT_PORT_PCI || rte_eth_dev_info_get(port->id, &info) != 0)
        return false;
    return (info.flow_type_rss_offloads & needed) == needed && info.hash_key_size > 0 &&
           info.hash_key_size <= MT_PORT_HASH_KEY_MAX && info.max_rx_queues >= count;
}

/* --- configuring ----------------------------------------------------------------- */

/* A key of one repeated word makes Toeplitz the same for both directions. */
void mt_port_hash_key(uint8_t key[MT_PORT_HASH_KEY_MAX])
{
    for (uint32_t i = 0; i < MT_PORT_HASH_KEY_MAX; i++)
        key[i] = i % 2 == 0 ? 0x6D : 0x5A;
}

uint64_t mt_port_hash_fields(const struct rte_eth_dev_info *info)
{
    return HASH_FIELDS & info->flow_type_rss_offloads;
}

static void set_spread(const struct rte_eth_dev_info *info, uint8_t *key, struct rte_eth_conf *conf)
{
    mt_port_hash_key(key);
    conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    conf->rx_adv_conf.rss_conf.rss_key = key;
    conf->rx_adv_conf.rss_conf.rss_key_len = info->hash_key_size;
    conf->rx_adv_conf.rss_conf.rss_hf = mt_port_hash_fields(info);
}

/* LRO, VLAN stripping and scattering are off because they are not asked for; of
 * what receiving offers only times are of use. */
static void set_offloads(const struct mt_port *port, const struct rte_eth_dev_info *info,
                         struct rte_eth_conf *conf)
{
    conf->rxmode.offloads = info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP;
    uint32_t frame_max = port->ports->frame_max;
    if (frame_max == 0)
        return;
    uint32_t mtu = frame_max - LINK_OVERHEAD;
    if (info->max_mtu > 0 && mtu > info->max_mtu)
        mtu = info->max_mtu;
    conf->rxmode.mtu = mtu;
}

static int configure(struct mt_port *port, const struct rte_eth_dev_info *info, uint32_t queue_count)
{
    uint8_t key[MT_PORT_HASH_KEY_MAX];
    struct rte_eth_conf conf = {0};
    uint16_t rx = (uint16_t)queue_count;
    uint16_t tx = info->max_tx_queues > 0; /* some drivers don't start without one */
    set_offloads(port, info, &conf);
    if (queue_count > 1 && mt_port_can_spread(port, queue_count))
        set_spread(info, key, &conf);
    conf.intr_conf.rxq = port->ports->poll == MT_POLL_ADAPTIVE;
    int rc = rte_eth_dev_configure(port->id, rx, tx, &conf);
    if (rc != 0 && conf.intr_conf.rxq) {
        conf.intr_conf.rxq = 0;
        rc = rte_eth_dev_configure(port->id, rx, tx, &conf);
    }
    port->has_interrupts = rc == 0 && conf.intr_conf.rxq;
    port->has_stamps = conf.rxmode.offloads & RTE_ETH_RX_OFFLOAD_TIMESTAMP;
    return rc;
}

static int set_up_queues(struct mt_port *port, const struct rte_eth_dev_info *info, uint32_t queue_count)
{
    struct rte_eth_rxconf rx = info->default_rxconf;
    uint16_t rx_size = (uint16_t)(port->ports->queue_size > 0 ? port->ports->queue_size : MT_PORT_QUEUE_SIZE);
    uint16_t tx_size = 64;
    int rc = rte_eth_dev_adjust_nb_rx_tx_desc(port->id, &rx_size, &tx_size);
    if (rc != 0 && rc != -ENOTSUP)
        return rc;
    rx.rx_drop_en = 1; /* a full queue must not hold up the others */
    rx.offloads = 0;
    struct rte_mempool *pool =
        port->ports->pools[port->chosen->needs_large ? MT_POOL_LARGE : MT_POOL_FRAMES].pool;
    unsigned socket = port->numa_node >= 0 ? (unsigned)port->numa_node : (unsigned)SOCKET_ID_ANY;
    for (uint32_t i = 0; i < queue_count; i++) {
        rc = rte_eth_rx_queue_setup(port->id, (uint16_t)i, rx_size, socket, &rx, pool);
        if (rc != 0)
            return rc;
    }
    port->queue_size = rx_size;
    if (info->max_tx_queues == 0)
        return 0;
    return rte_eth_tx_queue_setup(port->id, 0, tx_size, socket, NULL);
}

/* Whose times do frames bear? Known only once the device has started, because
 * it is drivers that register the field. */
static void find_stamps(struct mt_port *port)
{
    struct mt_ports *ports = port->ports;
    bool is_pcap = strcmp(port->driver, "net_pcap") == 0;
    port->stamp = MT_PORT_STAMP_NONE;
    if ((!port->has_stamps && !is_pcap) ||
        rte_mbuf_dyn_rx_timestamp_register(&ports->stamp_field, &ports->stamp_flag) != 0)
        return;
    if (is_pcap || strcmp(port->driver, "net_af_packet") == 0) {
        port->stamp = port->request.interface[0] != '\0' ? MT_PORT_STAMP_SYSTEM : MT_PORT_STAMP_FILE;
        return;
    }
    if (mt_port_clock_start(port))
        port->stamp = MT_PORT_STAMP_DEVICE;
}

/* --- starting ---------------------------------------------------------------------- */

static int on_removal(uint16_t id, enum rte_eth_event_type event, void *ctx, void *unused)
{
    struct mt_port *port = ctx;
    (void)id;
    (void)event;
    (void)unused;
    atomic_store_explicit(&port->is_removed, true, memory_order_release);
    return 0;
}

static void set_promiscuous(struct mt_port *port)
{
    port->was_promiscuous = rte_eth_promiscuous_get(port->id) == 1;
    if (!port->ports->promiscuous_off && !port->was_promiscuous)
        (void)rte_eth_promiscuous_enable(port->id);
    (void)rte_eth_allmulticast_enable(port->id);
}

static void open_queues(struct mt_port *port, uint32_t queue_count)
{
    port->queue_count = (uint16_t)queue_count;
    for (uint32_t i = 0; i < queue_count; i++) {
        struct mt_port_queue *queue = &port->queues[i];
        queue->port = port;
        queue->id = (uint16_t)i;
        queue->is_drained = false;
        queue->is_deaf = false;
        queue->drain_left = MT_PORT_DRAIN_MAX;
        atomic_store_explicit(&queue->state, MT_QUEUE_POLLED, memory_order_release);
    }
}

static int start(struct mt_port *port, uint32_t queue_count)
{
    struct rte_eth_dev_info info;
    int rc = rte_eth_dev_info_get(port->id, &info);
    if (rc == 0)
        rc = configure(port, &info, queue_count);
    if (rc == 0)
        rc = set_up_queues(port, &info, queue_count);
    if (rc == 0)
        rc = rte_eth_dev_start(port->id);
    return rc;
}

int mt_port_start(struct mt_port *port, uint32_t queue_count, char *ret_reason, size_t reason_size)
{
    struct mt_port_log *log = port->ports->log;
    mt_port_log_reset(log);
    mt_port_log_capture(log);
    int rc = start(port, queue_count);
    if (rc == 0) {
        port->is_started = true;
        set_promiscuous(port);
    }
    mt_port_log_capture_end(log);
    if (rc != 0) {
        snprintf(ret_reason, reason_size, "%s", reason_or(port, rc));
        return rc < 0 ? rc : -EIO;
    }
    find_stamps(port);
    mt_port_losses_start(port);
    (void)rte_eth_dev_callback_register(port->id, RTE_ETH_EVENT_INTR_RMV, on_removal, port);
    open_queues(port, queue_count);
    mt_port_log_capture(log);
    mt_port_flow_install(port);
    mt_port_log_capture_end(log);
    return 0;
}

void mt_port_close(struct mt_port *port)
{
    struct mt_port_log *log = port->ports->log;
    if (!port->is_open)
        return;
    mt_port_log_capture(log);
    if (port->is_started) {
        (void)rte_eth_dev_callback_unregister(port->id, RTE_ETH_EVENT_INTR_RMV, on_removal, port);
        if (!port->ports->promiscuous_off && !port->was_promiscuous)
            (void)rte_eth_promiscuous_disable(port->id);
        (void)rte_eth_dev_stop(port->id);
    }
    (void)rte_eth_dev_close(port->id);
    if (port->is_probed)
        (void)rte_eal_hotplug_remove(port->request.kind == MT_PORT_PCI ? "pci" : "vdev", port->device);
    mt_port_log_capture_end(log);
    port->is_open = false;
    port->is_started = false;
    port->is_probed = false;
}

/* Tries the drivers of a request one after the other. */
int mt_port_open(struct mt_port *port, uint32_t queue_count, char *ret_reason, size_t reason_size)
{
    char why[512] = "";
    size_t used = 0;
    int rc = -ENODEV;
    if (port->request.note[0] != '\0')
        used = (size_t)snprintf(why, sizeof(why), "%s", port->request.note);
    for (uint32_t i = 0; i < port->request.driver_count; i++) {
        char reason[256] = "";
        const struct mt_port_driver *driver = &port->request.drivers[i];
        uint32_t queues = driver->queues > 0 ? driver->queues : queue_count;
        if (queues > queue_count || (driver->needs_large && port->ports->pools[MT_POOL_LARGE].pool == NULL))
            continue;
        if (!port->is_open) {
            mt_port_sockets_note(&port->sockets);
            rc = mt_port_probe(port, driver, reason, sizeof(reason));
        } else {
            rc = 0;
        }
        if (rc == 0)
            rc = mt_port_start(port, queues, reason, sizeof(reason));
        if (rc == 0)
            break;
        mt_port_close(port);
        if (port->request.kind == MT_PORT_INTERFACE)
            used += (size_t)snprintf(why + used, sizeof(why) - used, "%s%s: %s", used > 0 ? "; " : "",
                                     driver->name, reason);
        else
            snprintf(why, sizeof(why), "%s", reason);
        if (used >= sizeof(why))
            used = sizeof(why) - 1;
    }
    snprintf(ret_reason, reason_size, "%s", why);
    return rc;
}
