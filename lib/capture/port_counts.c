/* What was lost, by the device's own count and by that of the kernel below it. */
#include "capture/ports_priv.h"

#include <dirent.h>
#include <linux/if_packet.h>
#include <linux/if_xdp.h>
#include <stdlib.h>
#include <sys/socket.h>

#ifndef AF_XDP
#define AF_XDP 44
#endif
#ifndef SOL_XDP
#define SOL_XDP 283
#endif

/* Drivers keep their sockets to themselves, but they are of this process. */
static size_t list_files(uint32_t *ret_files, size_t count_max)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;
    if (dir == NULL)
        return 0;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.' && count < count_max)
            ret_files[count++] = (uint32_t)strtoul(entry->d_name, NULL, 10);
    }
    closedir(dir);
    return count;
}

static int domain_of(int fd)
{
    int domain = 0;
    socklen_t size = sizeof(domain);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) == 0 ? domain : 0;
}

void mt_port_sockets_note(struct mt_port_sockets *sockets)
{
    uint32_t files[MT_PORT_FILES_MAX];
    size_t count = list_files(files, MT_PORT_FILES_MAX);
    *sockets = (struct mt_port_sockets){0};
    for (size_t i = 0; i < count; i++) {
        if (files[i] < MT_PORT_FILES_MAX)
            sockets->was_open[files[i]] = true;
    }
}

void mt_port_sockets_find(struct mt_port_sockets *sockets)
{
    uint32_t files[MT_PORT_FILES_MAX];
    size_t count = list_files(files, MT_PORT_FILES_MAX);
    for (size_t i = 0; i < count && sockets->count < MT_PORT_SOCKETS_MAX; i++) {
        if (files[i] >= MT_PORT_FILES_MAX || sockets->was_open[files[i]])
            continue;
        int domain = domain_of((int)files[i]);
        if (domain == AF_PACKET || domain == AF_XDP)
            sockets->fd[sockets->count++] = (int)files[i];
    }
}

/* What the kernel could not put into the driver's rings. Of packet sockets the
 * count starts again with every question. */
static void ask_sockets(struct mt_port_sockets *sockets)
{
    uint64_t xdp = 0;
    for (uint32_t i = 0; i < sockets->count; i++) {
        struct tpacket_stats packet = {0};
        struct xdp_statistics ring = {0};
        socklen_t size = sizeof(packet);
        if (getsockopt(sockets->fd[i], SOL_PACKET, PACKET_STATISTICS, &packet, &size) == 0)
            sockets->packet_missed += packet.tp_drops;
        size = sizeof(ring);
        /* dropped ones the driver counts itself, but not those for which its ring was full */
        if (getsockopt(sockets->fd[i], SOL_XDP, XDP_STATISTICS, &ring, &size) == 0)
            xdp += ring.rx_ring_full;
    }
    sockets->xdp_missed = mt_max_u64(sockets->xdp_missed, xdp);
}

static void ask_device(struct mt_port *port, struct mt_port_losses *ret_losses)
{
    struct rte_eth_stats stats;
    ask_sockets(&port->sockets);
    /* a device that is going away may not answer: then what it said last stands */
    if (rte_eth_stats_get(port->id, &stats) != 0)
        return;
    *ret_losses = (struct mt_port_losses){
        .missed = stats.imissed + port->sockets.packet_missed + port->sockets.xdp_missed,
        .no_buffer = stats.rx_nombuf,
        .errors = stats.ierrors,
    };
}

void mt_port_losses_start(struct mt_port *port)
{
    mt_port_sockets_find(&port->sockets);
    port->start = (struct mt_port_losses){0};
    ask_device(port, &port->start);
    port->now = port->start;
}

void mt_port_losses_update(struct mt_port *port)
{
    if (port->is_started)
        ask_device(port, &port->now);
}

void mt_port_losses_end(struct mt_port *port)
{
    mt_port_losses_update(port);
    port->before = mt_port_losses_of(port);
    port->start = port->now;
    port->sockets = (struct mt_port_sockets){0};
}

static uint64_t since(uint64_t now, uint64_t start)
{
    return now > start ? now - start : 0;
}

struct mt_port_losses mt_port_losses_of(const struct mt_port *port)
{
    return (struct mt_port_losses){
        .missed = port->before.missed + since(port->now.missed, port->start.missed),
        .no_buffer = port->before.no_buffer + since(port->now.no_buffer, port->start.no_buffer),
        .errors = port->before.errors + since(port->now.errors, port->start.errors),
    };
}
