#include "capture/netif_priv.h"

#include "base/compiler.h"
#include "capture/sysfs_priv.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <net/if_arp.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

unsigned mt_netif_index(const char *name)
{
    return strlen(name) < IF_NAMESIZE ? if_nametoindex(name) : 0;
}

/* --- the socket's answers: of the network namespace we are in ------------------ */

static bool ask(int fd, unsigned long request, const char *name, struct ifreq *ifr)
{
    snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
    return ioctl(fd, request, ifr) == 0;
}

static bool ask_ethtool(int fd, const char *name, void *command)
{
    struct ifreq ifr = {.ifr_data = command};
    return ask(fd, SIOCETHTOOL, name, &ifr);
}

static uint32_t ethtool_value(int fd, const char *name, uint32_t command)
{
    struct ethtool_value value = {.cmd = command};
    return ask_ethtool(fd, name, &value) ? value.data : 1;
}

/* Receive and send offloads make frames larger than the wire's: those that
 * arrive (GRO, LRO), those that the system sends (TSO, GSO), and on virtual
 * interfaces those that the other end sends. */
static bool merges(int fd, const char *name, bool is_hardware)
{
    return !is_hardware || ethtool_value(fd, name, ETHTOOL_GGRO) || ethtool_value(fd, name, ETHTOOL_GTSO) ||
           ethtool_value(fd, name, ETHTOOL_GGSO) || (ethtool_value(fd, name, ETHTOOL_GFLAGS) & ETH_FLAG_LRO);
}

static void read_socket(int fd, struct mt_netif *netif)
{
    struct ifreq ifr = {0};
    struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
    struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
    if (ask(fd, SIOCGIFFLAGS, netif->name, &ifr)) {
        netif->is_up = ifr.ifr_flags & IFF_UP;
        netif->is_loopback = ifr.ifr_flags & IFF_LOOPBACK;
        netif->is_promiscuous = ifr.ifr_flags & IFF_PROMISC;
    }
    if (ask(fd, SIOCGIFHWADDR, netif->name, &ifr))
        netif->is_ethernet =
            ifr.ifr_hwaddr.sa_family == ARPHRD_ETHER || ifr.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK;
    if (ask(fd, SIOCGIFMTU, netif->name, &ifr))
        netif->mtu = (uint32_t)ifr.ifr_mtu;
    /* unlike the queues listed in /sys these are all in use */
    if (ask_ethtool(fd, netif->name, &channels) && channels.combined_count + channels.rx_count > 0)
        netif->queues = channels.combined_count + channels.rx_count;
    if (ask_ethtool(fd, netif->name, &info))
        snprintf(netif->driver, sizeof(netif->driver), "%.31s", info.driver);
    netif->merges = merges(fd, netif->name, netif->pci[0] != '\0');
}

static bool is_used(const struct ifaddrs *address)
{
    if (address->ifa_addr == NULL)
        return false;
    if (address->ifa_addr->sa_family == AF_INET)
        return true;
    if (address->ifa_addr->sa_family != AF_INET6)
        return false;
    const struct sockaddr_in6 *v6 = (const void *)address->ifa_addr;
    return !IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr);
}

static bool has_addresses(const char *name)
{
    struct ifaddrs *list;
    bool is_found = false;
    if (getifaddrs(&list) != 0)
        return true;
    for (const struct ifaddrs *at = list; at != NULL; at = at->ifa_next)
        is_found |= strcmp(at->ifa_name, name) == 0 && is_used(at);
    freeifaddrs(list);
    return is_found;
}

/* --- sysfs: of the namespace that it was mounted in ------------------------------ */

/* The PCI device, also where a virtio device lies between. */
static void read_pci(const char *name, const char *sysfs, char *ret_pci, size_t pci_size)
{
    char subsystem[16];
    const char *up = "device";
    mt_sysfs_link(subsystem, sizeof(subsystem), "%s/class/net/%s/device/subsystem", sysfs, name);
    if (strcmp(subsystem, "virtio") == 0)
        up = "device/..";
    if (!mt_sysfs_text(subsystem, sizeof(subsystem), "%s/class/net/%s/%s/class", sysfs, name, up)) {
        ret_pci[0] = '\0';
        return;
    }
    mt_sysfs_real_name(ret_pci, pci_size, "%s/class/net/%s/%s", sysfs, name, up);
}

int mt_netif_read_files(const char *name, const char *sysfs, struct mt_netif *ret_netif)
{
    struct mt_netif netif = {0};
    char master[IF_NAMESIZE];
    if (strlen(name) >= sizeof(netif.name) || !mt_sysfs_exists("%s/class/net/%s", sysfs, name))
        return -ENODEV;
    snprintf(netif.name, sizeof(netif.name), "%s", name);
    netif.index = (unsigned)mt_sysfs_number(0, "%s/class/net/%s/ifindex", sysfs, name);
    long long type = mt_sysfs_number(-1, "%s/class/net/%s/type", sysfs, name);
    long long flags = mt_sysfs_number(0, "%s/class/net/%s/flags", sysfs, name);
    long long speed = mt_sysfs_number(0, "%s/class/net/%s/speed", sysfs, name);
    netif.is_ethernet = type == ARPHRD_ETHER || type == ARPHRD_LOOPBACK;
    netif.is_up = flags & IFF_UP;
    netif.is_loopback = flags & IFF_LOOPBACK;
    netif.speed = speed > 0 ? (uint32_t)speed : 0;
    netif.mtu = (uint32_t)mt_sysfs_number(0, "%s/class/net/%s/mtu", sysfs, name);
    netif.numa_node = (int)mt_sysfs_number(-1, "%s/class/net/%s/device/numa_node", sysfs, name);
    netif.queues = mt_sysfs_count("rx-", "%s/class/net/%s/queues", sysfs, name);
    netif.has_master = mt_sysfs_link(master, sizeof(master), "%s/class/net/%s/master", sysfs, name);
    netif.merges = true;
    mt_sysfs_link(netif.driver, sizeof(netif.driver), "%s/class/net/%s/device/driver", sysfs, name);
    read_pci(name, sysfs, netif.pci, sizeof(netif.pci));
    *ret_netif = netif;
    return 0;
}

int mt_netif_read(const char *name, struct mt_netif *ret_netif)
{
    struct mt_netif netif;
    unsigned index = mt_netif_index(name);
    if (index == 0)
        return -ENODEV;
    /* the files may be of another namespace, with another interface of that name */
    if (mt_netif_read_files(name, "/sys", &netif) != 0 || netif.index != index) {
        netif = (struct mt_netif){.index = index, .numa_node = -1};
        snprintf(netif.name, sizeof(netif.name), "%s", name);
    }
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        read_socket(fd, &netif);
        close(fd);
    }
    netif.has_addresses = has_addresses(name);
    mt_netif_xdp(netif.index, netif.xdp, sizeof(netif.xdp));
    *ret_netif = netif;
    return 0;
}

/* --- names ------------------------------------------------------------------------ */

/* Edits from a to b, each of at most IF_NAMESIZE characters. */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[IF_NAMESIZE + 1];
    size_t b_size = mt_min_u64(strlen(b), IF_NAMESIZE);
    for (size_t i = 0; i <= b_size; i++)
        row[i] = (unsigned)i;
    for (size_t i = 0; a[i] != '\0' && i < IF_NAMESIZE; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)i + 1;
        for (size_t j = 0; j < b_size; j++) {
            unsigned change = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            unsigned insert = (row[j] < row[j + 1] ? row[j] : row[j + 1]) + 1;
            row[j + 1] = change < insert ? change : insert;
        }
    }
    return row[b_size];
}

void mt_netif_names(const char *missing, char *ret_text, size_t text_size)
{
    struct if_nameindex *list = if_nameindex();
    const char *nearest = NULL;
    unsigned best = 3; /* further away it is no slip of the finger */
    size_t used = 0;
    snprintf(ret_text, text_size, "is none");
    for (size_t i = 0; list != NULL && list[i].if_name != NULL && used < text_size; i++) {
        int size =
            snprintf(ret_text + used, text_size - used, "%s%s", i == 0 ? "is " : ", ", list[i].if_name);
        used += size > 0 ? (size_t)size : 0;
        unsigned away = distance(missing, list[i].if_name);
        if (away < best) {
            best = away;
            nearest = list[i].if_name;
        }
    }
    if (nearest != NULL && used < text_size)
        snprintf(ret_text + used, text_size - used, "; did you mean %s?", nearest);
    if (list != NULL)
        if_freenameindex(list);
}
