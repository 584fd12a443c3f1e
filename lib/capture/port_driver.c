#include "capture/port_driver_priv.h"

#include "base/compiler.h"
#include "capture/netif_priv.h"
#include "capture/sysfs_priv.h"

#include <ctype.h>
#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The ring that net_af_packet shares with the kernel has slots of one size; twice
 * its memory is taken, because the driver maps one for sending too. Blocks are
 * whole numbers of slots and of pages, because the driver takes slots to lie one
 * behind the other. 65408 is the most that fits a buffer of 64 KiB so. */
#define SMALL_RING "framesz=2048,blocksz=65536,framecnt=16384"
#define LARGE_RING "framesz=65408,blocksz=2093056,framecnt=1024"
#define SMALL_MTU_MAX 1900u

static bool is_hex(const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!isxdigit((unsigned char)text[i]))
            return false;
    }
    return true;
}

/* "3b:00.0" or "0000:3b:00.0": the size of the address, or 0. */
static size_t pci_size(const char *text)
{
    size_t domain = is_hex(text, 4) && text[4] == ':' ? 5 : 0;
    const char *rest = text + domain;
    if (!is_hex(rest, 2) || rest[2] != ':' || !is_hex(rest + 3, 2) || rest[5] != '.' || !is_hex(rest + 6, 1))
        return 0;
    return domain + 7;
}

/* Drivers over an interface of the kernel are told it as an argument. */
static void find_interface(struct mt_port_request *request)
{
    const char *at = strstr(request->drivers[0].arguments, "iface=");
    if (request->kind != MT_PORT_VIRTUAL || at == NULL)
        return;
    at += strlen("iface=");
    snprintf(request->interface, sizeof(request->interface), "%.*s", (int)mt_min_u64(strcspn(at, ","), 15),
             at);
    request->ifindex = mt_netif_index(request->interface);
}

int mt_port_request_port(struct mt_port_request *request, const char *text, char *ret_reason,
                         size_t reason_size)
{
    struct mt_port_driver *driver = &request->drivers[0];
    size_t size = strcspn(text, ",");
    size_t pci = pci_size(text);
    *request = (struct mt_port_request){.driver_count = 1};
    if (size == 0 || size >= sizeof(driver->device) - 8 || strlen(text) >= sizeof(request->text) - 8) {
        snprintf(ret_reason, reason_size,
                 "\"%.80s\" is no port; write a PCI address (0000:3b:00.0) or a device of the driver library "
                 "with its "
                 "arguments (net_memif0,role=server)",
                 text);
        return -EINVAL;
    }
    if (pci > 0 && pci == size) {
        request->kind = MT_PORT_PCI;
        const char *domain = text[4] == ':' ? "" : "0000:";
        snprintf(driver->device, sizeof(driver->device), "%s%.*s", domain, (int)size, text);
        snprintf(request->text, sizeof(request->text), "%s%s", domain, text);
    } else {
        request->kind = MT_PORT_VIRTUAL;
        snprintf(driver->device, sizeof(driver->device), "%.*s", (int)size, text);
        snprintf(request->text, sizeof(request->text), "%s", text);
    }
    snprintf(driver->arguments, sizeof(driver->arguments), "%s", text[size] == ',' ? text + size + 1 : "");
    find_interface(request);
    if (request->kind == MT_PORT_VIRTUAL && strchr(text, ',') == NULL && mt_netif_index(text) != 0) {
        snprintf(ret_reason, reason_size, "%s is an interface of the kernel, not a port; use --interface %s",
                 text, text);
        return -EINVAL;
    }
    return 0;
}

/* --- PCI ------------------------------------------------------------------- */

/* Drivers of the kernel that leave a device to us; the last ones share it. */
static bool is_usable_driver(const char *driver)
{
    static const char *const usable[] = {"vfio-pci",  "uio_pci_generic", "igb_uio",
                                         "mlx5_core", "mlx4_core",       "mana"};
    for (size_t i = 0; i < MT_ARRAY_COUNT(usable); i++) {
        if (strcmp(driver, usable[i]) == 0)
            return true;
    }
    return false;
}

void mt_port_request_pci_obstacle(const char *address, const char *sysfs, char *ret_text, size_t text_size)
{
    char driver[48];
    ret_text[0] = '\0';
    if (!mt_sysfs_exists("%s/bus/pci/devices/%s", sysfs, address)) {
        snprintf(ret_text, text_size, "there is no PCI device %s; \"mailtap devices\" lists what there is",
                 address);
        return;
    }
    if (!mt_sysfs_link(driver, sizeof(driver), "%s/bus/pci/devices/%s/driver", sysfs, address)) {
        snprintf(ret_text, text_size,
                 "%s has no driver; \"modprobe vfio-pci && dpdk-devbind.py --bind=vfio-pci %s\" gives it one",
                 address, address);
        return;
    }
    if (!is_usable_driver(driver)) {
        snprintf(ret_text, text_size,
                 "%s belongs to the kernel's driver %.40s; \"modprobe vfio-pci && dpdk-devbind.py "
                 "--bind=vfio-pci %s\" takes it from the system, "
                 "or capture from its interface with --interface",
                 address, driver, address);
    }
}

/* --- interfaces ------------------------------------------------------------ */

bool mt_port_may(unsigned capability)
{
    char line[256];
    unsigned long long effective = 0;
    FILE *file = fopen("/proc/self/status", "re");
    if (file == NULL)
        return true;
    while (fgets(line, sizeof(line), file) != NULL && sscanf(line, "CapEff: %llx", &effective) != 1)
        ;
    fclose(file);
    return (effective >> capability) & 1;
}

const char *mt_port_xdp_obstacle(const struct mt_netif *netif)
{
    if (netif->is_loopback)
        return "has no receive queues";
    if (netif->has_addresses)
        return "would take the frames of an interface that the system itself uses (it has addresses)";
    if (netif->xdp[0] != '\0')
        return "finds its place taken by another XDP program, and what that takes is not seen";
    if (netif->has_master)
        return "would take the frames from the bridge or bond that the interface belongs to";
    if (netif->mtu > SMALL_MTU_MAX)
        return "takes no frames larger than half a page";
    if (!mt_port_may(CAP_NET_ADMIN) || !mt_port_may(CAP_BPF))
        return "needs the rights cap_net_admin and cap_bpf";
    return NULL;
}

static void add_driver(struct mt_port_request *request, const char *driver, const char *interface,
                       const char *arguments, uint32_t queues, bool needs_large)
{
    struct mt_port_driver *added = &request->drivers[request->driver_count++];
    snprintf(added->name, sizeof(added->name), "%s", driver);
    snprintf(added->device, sizeof(added->device), "%s_%s", driver, interface);
    snprintf(added->arguments, sizeof(added->arguments), "%s", arguments);
    added->queues = queues;
    added->needs_large = needs_large;
}

static void choose_drivers(struct mt_port_request *request, const struct mt_netif *netif)
{
    char arguments[256];
    const char *obstacle = mt_port_xdp_obstacle(netif);
    if (obstacle == NULL) {
        uint32_t queues = netif->queues > 0 ? netif->queues : 1;
        snprintf(arguments, sizeof(arguments), "iface=%s,start_queue=0,queue_count=%u", netif->name, queues);
        add_driver(request, "net_af_xdp", netif->name, arguments, queues, false);
    } else {
        snprintf(request->note, sizeof(request->note), "net_af_xdp %s", obstacle);
    }
    /* one queue: with more, the driver's fanout moves frames of one connection
     * to another queue when one is full */
    bool needs_large = netif->merges || netif->mtu > SMALL_MTU_MAX;
    snprintf(arguments, sizeof(arguments), "iface=%s,qpairs=1,%s", netif->name,
             needs_large ? LARGE_RING : SMALL_RING);
    add_driver(request, "net_af_packet", netif->name, arguments, 1, needs_large);
    snprintf(arguments, sizeof(arguments), "rx_iface=%s", netif->name);
    add_driver(request, "net_pcap", netif->name, arguments, 1, false);
}

int mt_port_request_interface(struct mt_port_request *request, const char *name, char *ret_reason,
                              size_t reason_size)
{
    struct mt_netif netif;
    *request = (struct mt_port_request){.kind = MT_PORT_INTERFACE};
    snprintf(request->text, sizeof(request->text), "%s", name);
    snprintf(request->interface, sizeof(request->interface), "%.15s", name);
    int rc = mt_netif_read(name, &netif);
    if (rc != 0) {
        char others[256];
        mt_netif_names(name, others, sizeof(others));
        snprintf(ret_reason, reason_size, "there is no interface %.40s; there %s", name, others);
        return -EINVAL;
    }
    request->ifindex = netif.index;
    if (!netif.is_ethernet) {
        snprintf(
            ret_reason, reason_size,
            "%s is not an Ethernet interface; capture from the one that it runs over, or read from tcpdump: "
            "\"tcpdump -i %s -U -w - | mailtap read -\"",
            name, name);
        return -EINVAL;
    }
    if (!netif.is_up) {
        snprintf(ret_reason, reason_size, "%s is down; \"ip link set %s up\" mends it", name, name);
        return -ENETDOWN;
    }
    /* the program of whoever else captures so: nothing would be left for us */
    if (strncmp(netif.xdp, "xsk_def_prog", 12) == 0) {
        snprintf(ret_reason, reason_size,
                 "another program (another mailtap?) takes the frames of %s by AF_XDP; stop it first, or if "
                 "it was "
                 "killed, \"ip link set %s xdp off\" mends it",
                 name, name);
        return -EBUSY;
    }
    choose_drivers(request, &netif);
    return 0;
}

int mt_port_request_rights(const struct mt_port_request *request, char *ret_reason, size_t reason_size)
{
    if (request->kind == MT_PORT_INTERFACE && !mt_port_may(CAP_NET_RAW)) {
        snprintf(
            ret_reason, reason_size,
            "no right to capture from %s; run mailtap as root, or "
            "\"setcap cap_net_raw,cap_net_admin,cap_bpf,cap_ipc_lock+ep $(command -v mailtap)\" gives it",
            request->text);
        return -EPERM;
    }
    if (request->kind == MT_PORT_PCI && geteuid() != 0 && access("/dev/vfio/vfio", R_OK | W_OK) != 0) {
        snprintf(ret_reason, reason_size, "no right to use %s; run mailtap as root",
                 request->drivers[0].device);
        return -EPERM;
    }
    return 0;
}

const char *mt_port_mending(const struct mt_port_request *request, int error, const char *reason)
{
    /* drivers say -1 for anything, and the cause in words */
    if (error == -EBUSY || error == -EADDRINUSE || strcasestr(reason, strerror(EBUSY)) != NULL ||
        strcasestr(reason, strerror(EADDRINUSE)) != NULL)
        return "; another program uses it: stop that one (another mailtap?) first";
    /* -1 happens to be -EPERM */
    if (geteuid() != 0 && (error == -EPERM || error == -EACCES))
        return "; run mailtap as root";
    if (request->kind == MT_PORT_PCI)
        return "; \"mailtap devices\" says what is missing";
    if (request->kind == MT_PORT_VIRTUAL)
        return "; check its name and arguments";
    return "";
}
