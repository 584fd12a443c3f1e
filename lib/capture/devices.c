#include "capture/devices_priv.h"

#include "base/compiler.h"
#include "capture/netif_priv.h"
#include "capture/port_driver_priv.h"
#include "capture/sysfs_priv.h"

#include <dirent.h>
#include <linux/capability.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAMES_MAX 1024

struct names {
    char name[NAMES_MAX][64];
    size_t count;
};

static void add_name(struct names *names, const char *name)
{
    if (names->count < NAMES_MAX && strlen(name) < sizeof(names->name[0]))
        snprintf(names->name[names->count++], sizeof(names->name[0]), "%s", name);
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Entries of a folder, in order. */
static void list_folder(struct names *names, const char *root, const char *folder)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", root, folder);
    DIR *dir = opendir(path);
    names->count = 0;
    if (dir == NULL)
        return;
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir)) {
        if (entry->d_name[0] != '.')
            add_name(names, entry->d_name);
    }
    closedir(dir);
    qsort(names->name, names->count, sizeof(names->name[0]), compare_names);
}

/* /sys may show another namespace's interfaces than the ones we could open. */
static void list_interfaces(struct names *names, const struct mt_devices_roots *roots)
{
    if (!roots->is_this_system) {
        list_folder(names, roots->sysfs, "class/net");
        return;
    }
    struct if_nameindex *list = if_nameindex();
    names->count = 0;
    for (size_t i = 0; list != NULL && list[i].if_name != NULL; i++)
        add_name(names, list[i].if_name);
    if (list != NULL)
        if_freenameindex(list);
    qsort(names->name, names->count, sizeof(names->name[0]), compare_names);
}

/* --- the machine ------------------------------------------------------------- */

static void read_huge_pages(const struct mt_devices_roots *roots, const struct names *sizes,
                            struct mt_device_host *host)
{
    uint64_t best = 0;
    for (size_t i = 0; i < sizes->count; i++) {
        unsigned long long kib;
        if (sscanf(sizes->name[i], "hugepages-%llukB", &kib) != 1)
            continue;
        const char *folder = sizes->name[i];
        uint64_t total =
            (uint64_t)mt_sysfs_number(0, "%s/kernel/mm/hugepages/%s/nr_hugepages", roots->sysfs, folder);
        uint64_t free_pages =
            (uint64_t)mt_sysfs_number(0, "%s/kernel/mm/hugepages/%s/free_hugepages", roots->sysfs, folder);
        /* the size with the most memory; without any the smallest, which is easiest to get */
        bool is_smaller = host->huge_page_size == 0 || kib * 1024 < host->huge_page_size;
        if (total * kib > best || (best == 0 && is_smaller)) {
            best = total * kib;
            host->huge_page_size = kib * 1024;
            host->huge_pages_total = total;
            host->huge_pages_free = free_pages;
        }
    }
}

static void read_host(const struct mt_devices_roots *roots, struct names *scratch,
                      struct mt_device_host *host)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    list_folder(scratch, roots->sysfs, "kernel/mm/hugepages");
    read_huge_pages(roots, scratch, host);
    host->has_vfio = mt_sysfs_exists("%s/module/vfio_pci", roots->sysfs) ||
                     mt_sysfs_exists("%s/bus/pci/drivers/vfio-pci", roots->sysfs);
    host->has_iommu = mt_sysfs_count("", "%s/kernel/iommu_groups", roots->sysfs) > 0;
    host->is_privileged = roots->is_privileged;
    host->processors = sched_getaffinity(0, sizeof(set), &set) == 0 ? (uint32_t)CPU_COUNT(&set) : 1;
}

/* has_cards: there are PCI devices that could be captured from. */
static void write_notes(struct mt_device_host *host, bool has_cards)
{
    size_t count = 0;
    if (!host->is_privileged)
        snprintf(
            host->notes[count++], sizeof(host->notes[0]),
            "No right to capture: run as root, or \"setcap cap_net_raw,cap_net_admin,cap_bpf,cap_ipc_lock+ep "
            "$(command -v mailtap)\" for interfaces.");
    if (host->huge_pages_total == 0)
        snprintf(host->notes[count++], sizeof(host->notes[0]),
                 "No huge pages: capture is up to a third slower, and most network cards cannot be used as "
                 "--port; "
                 "\"sysctl vm.nr_hugepages=512\" sets 1 GiB aside.");
    if (has_cards && !host->has_vfio)
        snprintf(host->notes[count++], sizeof(host->notes[0]),
                 "No vfio-pci driver, which a network card needs to be used as --port; \"modprobe vfio-pci\" "
                 "loads it.");
    if (has_cards && !host->has_iommu)
        snprintf(host->notes[count++], sizeof(host->notes[0]),
                 "No IOMMU, which vfio-pci wants: boot with intel_iommu=on or amd_iommu=on, or, unprotected, "
                 "\"modprobe vfio enable_unsafe_noiommu_mode=1\".");
}

/* --- interfaces ------------------------------------------------------------------ */

static void describe_interface(const struct mt_netif *netif, const struct mt_device_host *host,
                               struct mt_device *device)
{
    *device = (struct mt_device){
        .queues = netif->queues,
        .speed = netif->speed,
        .numa_node = netif->numa_node,
        .is_up = netif->is_up,
    };
    snprintf(device->name, sizeof(device->name), "%s", netif->name);
    snprintf(device->option, sizeof(device->option), "--interface %s", netif->name);
    snprintf(device->kernel, sizeof(device->kernel), "%s", netif->driver);
    snprintf(device->spread, sizeof(device->spread), "software");
    if (!netif->is_ethernet) {
        device->option[0] = '\0';
        device->spread[0] = '\0';
        snprintf(device->missing, sizeof(device->missing), "not an Ethernet interface");
        return;
    }
    snprintf(device->driver, sizeof(device->driver), "%s",
             mt_port_xdp_obstacle(netif) == NULL ? "net_af_xdp" : "net_af_packet");
    if (!netif->is_up) {
        snprintf(device->missing, sizeof(device->missing), "it is down");
        snprintf(device->mend, sizeof(device->mend), "ip link set %s up", netif->name);
    } else if (!host->is_privileged) {
        snprintf(device->missing, sizeof(device->missing), "the right to capture");
        snprintf(device->mend, sizeof(device->mend), "sudo mailtap live --interface %s", netif->name);
    }
}

static size_t list_netifs(const struct mt_devices_roots *roots, struct names *names,
                          const struct mt_device_host *host, struct mt_device *ret_devices, size_t count_max)
{
    size_t count = 0;
    list_interfaces(names, roots);
    for (size_t i = 0; i < names->count && count < count_max; i++) {
        struct mt_netif netif;
        int rc = roots->is_this_system ? mt_netif_read(names->name[i], &netif)
                                       : mt_netif_read_files(names->name[i], roots->sysfs, &netif);
        if (rc == 0)
            describe_interface(&netif, host, &ret_devices[count++]);
    }
    return count;
}

/* --- cards ------------------------------------------------------------------------ */

/* The driver library's driver for cards that the kernel drives by another; and
 * whether it spreads by a hash that can be made symmetric. */
static const struct {
    const char *kernel;
    const char *driver;
    bool spreads;
    bool is_shared; /* works while the kernel keeps the card */
} drivers[] = {
    {"mlx5_core", "mlx5_pci", true, true},    {"mlx4_core", "net_mlx4", true, true},
    {"mana", "net_mana", true, true},         {"ixgbe", "net_ixgbe", true, false},
    {"ixgbevf", "net_ixgbe_vf", true, false}, {"i40e", "net_i40e", true, false},
    {"iavf", "net_iavf", true, false},        {"ice", "net_ice", true, false},
    {"igb", "net_e1000_igb", true, false},    {"igc", "net_igc", true, false},
    {"e1000", "net_e1000_em", false, false},  {"e1000e", "net_e1000_em", false, false},
    {"bnxt_en", "net_bnxt", true, false},     {"bnx2x", "net_bnx2x", false, false},
    {"cxgb4", "net_cxgbe", true, false},      {"ena", "net_ena", true, false},
    {"enic", "net_enic", true, false},        {"gve", "net_gve", false, false},
    {"hns3", "net_hns3", true, false},        {"ionic", "net_ionic", true, false},
    {"nfp", "net_nfp_pf", true, false},       {"qede", "net_qede", true, false},
    {"sfc", "net_sfc_efx", true, false},      {"virtio-pci", "net_virtio", false, false},
    {"vmxnet3", "net_vmxnet3", true, false},
};

static bool is_ours(const char *kernel)
{
    return strcmp(kernel, "vfio-pci") == 0 || strcmp(kernel, "uio_pci_generic") == 0 ||
           strcmp(kernel, "igb_uio") == 0;
}

static bool is_network_card(const struct mt_devices_roots *roots, const char *address)
{
    enum { ETHERNET = 0x0200 };
    return mt_sysfs_number(0, "%s/bus/pci/devices/%s/class", roots->sysfs, address) >> 8 == ETHERNET;
}

static void find_driver(struct mt_device *device, bool *ret_is_shared)
{
    *ret_is_shared = false;
    snprintf(device->spread, sizeof(device->spread), "software");
    for (size_t i = 0; i < MT_ARRAY_COUNT(drivers); i++) {
        if (strcmp(device->kernel, drivers[i].kernel) != 0)
            continue;
        snprintf(device->driver, sizeof(device->driver), "%s", drivers[i].driver);
        *ret_is_shared = drivers[i].is_shared;
        if (drivers[i].spreads)
            snprintf(device->spread, sizeof(device->spread), "device (symmetric hash)");
        return;
    }
    /* taken from the kernel, nothing says any more what it was driven by */
    if (is_ours(device->kernel))
        device->spread[0] = '\0';
}

static void find_missing(struct mt_device *device, const struct mt_device_host *host, bool is_shared)
{
    const char *load = host->has_vfio ? "" : "modprobe vfio-pci && ";
    if (!is_shared && !is_ours(device->kernel)) {
        if (device->kernel[0] == '\0')
            snprintf(device->missing, sizeof(device->missing), "it has no driver");
        else
            snprintf(device->missing, sizeof(device->missing),
                     "the kernel has it (%s), and binding it to another driver takes it from the system",
                     device->kernel);
        snprintf(device->mend, sizeof(device->mend), "%sdpdk-devbind.py --bind=vfio-pci %s", load,
                 device->name);
    } else if (host->huge_pages_free == 0 && !host->has_iommu) {
        snprintf(device->missing, sizeof(device->missing), "huge pages, or an IOMMU");
        snprintf(device->mend, sizeof(device->mend), "sysctl vm.nr_hugepages=512");
    } else if (!host->is_privileged) {
        snprintf(device->missing, sizeof(device->missing), "the right to use it");
        snprintf(device->mend, sizeof(device->mend), "sudo mailtap live %s", device->option);
    }
}

static size_t list_cards(const struct mt_devices_roots *roots, struct names *names,
                         const struct mt_device_host *host, struct mt_device *ret_devices, size_t count_max)
{
    size_t count = 0;
    list_folder(names, roots->sysfs, "bus/pci/devices");
    for (size_t i = 0; i < names->count && count < count_max; i++) {
        const char *address = names->name[i];
        struct mt_device *device = &ret_devices[count];
        bool is_shared;
        if (!is_network_card(roots, address))
            continue;
        count++;
        *device = (struct mt_device){
            .numa_node = (int)mt_sysfs_number(-1, "%s/bus/pci/devices/%s/numa_node", roots->sysfs, address),
        };
        snprintf(device->name, sizeof(device->name), "%s", address);
        snprintf(device->option, sizeof(device->option), "--port %s", address);
        mt_sysfs_link(device->kernel, sizeof(device->kernel), "%s/bus/pci/devices/%s/driver", roots->sysfs,
                      address);
        find_driver(device, &is_shared);
        find_missing(device, host, is_shared);
    }
    return count;
}

/* What the kernel knows of a card's interface holds for the card. */
static void join_interfaces(const struct mt_devices_roots *roots, struct mt_device *devices, size_t netifs,
                            size_t count)
{
    for (size_t i = 0; i < netifs; i++) {
        struct mt_netif netif;
        if (mt_netif_read_files(devices[i].name, roots->sysfs, &netif) != 0 || netif.pci[0] == '\0')
            continue;
        for (size_t j = netifs; j < count; j++) {
            if (strcmp(devices[j].name, netif.pci) != 0)
                continue;
            devices[j].queues = devices[i].queues;
            devices[j].speed = devices[i].speed;
            devices[j].is_up = devices[i].is_up;
        }
    }
}

size_t mt_devices_list_below(const struct mt_devices_roots *roots, struct mt_device *ret_devices,
                             size_t count_max, struct mt_device_host *ret_host)
{
    struct names *names = calloc(1, sizeof(*names));
    *ret_host = (struct mt_device_host){0};
    if (names == NULL)
        return 0;
    read_host(roots, names, ret_host);
    size_t netifs = list_netifs(roots, names, ret_host, ret_devices, count_max);
    size_t count = netifs + list_cards(roots, names, ret_host, ret_devices + netifs, count_max - netifs);
    join_interfaces(roots, ret_devices, netifs, count);
    write_notes(ret_host, count > netifs);
    free(names);
    return count;
}

size_t mt_devices_list(struct mt_device *ret_devices, size_t count_max, struct mt_device_host *ret_host)
{
    const struct mt_devices_roots roots = {
        .sysfs = "/sys",
        .is_this_system = true,
        .is_privileged = mt_port_may(CAP_NET_RAW),
    };
    return mt_devices_list_below(&roots, ret_devices, count_max, ret_host);
}
