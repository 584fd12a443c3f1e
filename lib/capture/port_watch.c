/* Ports that go away while others go on, and come back. */
#include "capture/ports_priv.h"

#include "base/log.h"
#include "capture/netif_priv.h"

#include <stdio.h>
#include <string.h>

static bool has_gone(const struct mt_port *port)
{
    if (atomic_load_explicit(&port->is_removed, memory_order_acquire))
        return true;
    /* made again it has another index, and the driver's socket is still bound to the old one */
    return port->request.ifindex != 0 && mt_netif_index(port->request.interface) != port->request.ifindex;
}

static void want_queues(struct mt_port *port)
{
    for (uint16_t i = 0; i < port->queue_count; i++)
        atomic_store_explicit(&port->queues[i].state, MT_QUEUE_WANTED, memory_order_release);
}

static bool has_queues(const struct mt_port *port)
{
    for (uint16_t i = 0; i < port->queue_count; i++) {
        if (atomic_load_explicit(&port->queues[i].state, memory_order_acquire) != MT_QUEUE_IDLE)
            return false;
    }
    return true;
}

static void try_again(struct mt_port *port)
{
    char reason[256];
    struct mt_port_request request;
    if (port->request.kind == MT_PORT_INTERFACE) {
        if (mt_port_request_interface(&request, port->request.interface, reason, sizeof(reason)) != 0)
            return;
        port->request = request;
    } else if (port->request.ifindex != 0) {
        port->request.ifindex = mt_netif_index(port->request.interface);
        if (port->request.ifindex == 0)
            return;
    }
    if (mt_port_open(port, port->queue_count, reason, sizeof(reason)) != 0)
        return;
    port->is_gone = false;
    mt_log(MT_LOG_INFO, "%s is back", port->name);
}

void mt_port_watch(struct mt_port *port)
{
    if (!port->is_gone) {
        if (!has_gone(port))
            return;
        port->is_gone = true;
        mt_log(MT_LOG_WARNING, "%s has gone; it is opened again when it returns", port->name);
        want_queues(port);
        return;
    }
    /* its poller gives the queues up in its next burst */
    if (port->is_open && has_queues(port)) {
        mt_port_losses_end(port);
        mt_port_close(port);
        atomic_store_explicit(&port->is_removed, false, memory_order_release);
    }
    if (!port->is_open)
        try_again(port);
}
