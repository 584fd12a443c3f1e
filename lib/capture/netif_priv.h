/* What the kernel says about its network interfaces.
 *
 * Ownership: plain values. Thread: main. Limits: none.
 */
#ifndef MT_CAPTURE_NETIF_PRIV_H
#define MT_CAPTURE_NETIF_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mt_netif {
    char name[16];
    char driver[32]; /* of the kernel; "" not known */
    char pci[32];    /* its device; "" none */
    char xdp[24];    /* XDP program on it; "" none */
    unsigned index;
    uint32_t mtu;
    uint32_t queues; /* receive queues; 0: not known */
    uint32_t speed;  /* Mbit/s; 0: not known */
    int numa_node;   /* -1: none */
    bool is_up;
    bool is_ethernet; /* frames begin with an Ethernet header */
    bool is_loopback;
    bool is_promiscuous;
    bool has_addresses; /* that the system uses; link-local IPv6 ones come by themselves */
    bool has_master;
    bool merges; /* segments may come merged to frames larger than the MTU */
};

/* The index, or 0 when there is no interface of that name. */
unsigned mt_netif_index(const char *name);

/* 0, or -ENODEV. */
int mt_netif_read(const char *name, struct mt_netif *ret_netif);

/* Only what stands in files below sysfs ("/sys"). 0, or -ENODEV. */
int mt_netif_read_files(const char *name, const char *sysfs, struct mt_netif *ret_netif);

/* The name of the XDP program on an interface; "" when it has none. */
void mt_netif_xdp(unsigned index, char *ret_name, size_t name_size);

/* "is eth0, lo; did you mean eth0?", for a name that is not there. */
void mt_netif_names(const char *missing, char *ret_text, size_t text_size);

#endif
