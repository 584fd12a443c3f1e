/* What the user asked to capture from, and the drivers that could do it. Knows
 * the kernel, not the driver library.
 *
 * Ownership: plain values. Thread: main. Limits: MT_PORT_DRIVERS_MAX drivers a
 * request.
 */
#ifndef MT_CAPTURE_PORT_DRIVER_PRIV_H
#define MT_CAPTURE_PORT_DRIVER_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MT_PORT_DRIVERS_MAX 3u

struct mt_netif;

enum mt_port_kind {
    MT_PORT_PCI,       /* "0000:3b:00.0", arguments may follow a comma */
    MT_PORT_VIRTUAL,   /* "net_memif0,role=server" */
    MT_PORT_INTERFACE, /* a kernel interface, by one of the drivers below */
};

struct mt_port_driver {
    char name[32];   /* net_af_xdp */
    char device[64]; /* 0000:3b:00.0, net_af_xdp_eth0 */
    char arguments[512];
    uint32_t queues;  /* that have to be polled, because the kernel fills them all; 0: as is wanted */
    bool needs_large; /* frames may be larger than the wire's */
};

struct mt_port_request {
    enum mt_port_kind kind;
    char text[512];     /* as given */
    char interface[16]; /* of the kernel, below the driver; "" none */
    unsigned ifindex;   /* its index; 0: none */
    struct mt_port_driver drivers[MT_PORT_DRIVERS_MAX];
    uint32_t driver_count;
    char note[256]; /* why better drivers are not among them; "" */
};

/* Understands a --port. 0; or -EINVAL and a sentence. */
int mt_port_request_port(struct mt_port_request *request, const char *text, char *ret_reason,
                         size_t reason_size);

/* Looks at a kernel interface: does it exist, is it up, what suits it. 0; -ENETDOWN or -EINVAL and a
 * sentence. */
int mt_port_request_interface(struct mt_port_request *request, const char *name, char *ret_reason,
                              size_t reason_size);

/* May this process do what the request needs? 0; or -EPERM and the command that mends it. */
int mt_port_request_rights(const struct mt_port_request *request, char *ret_reason, size_t reason_size);

/* What stands in the way of a PCI device, or "": it does not exist, the kernel has it. */
void mt_port_request_pci_obstacle(const char *address, const char *sysfs, char *ret_text, size_t text_size);

/* Has this process a capability (CAP_NET_RAW ...)? */
bool mt_port_may(unsigned capability);

/* Why AF_XDP is not what this interface should be captured by, or NULL. It takes
 * what arrives away from the system, and shows nothing of what the system sends. */
const char *mt_port_xdp_obstacle(const struct mt_netif *netif);

/* The command that mends a failure to open, with what leads to it, or "". */
const char *mt_port_mending(const struct mt_port_request *request, int error, const char *reason);

#endif
