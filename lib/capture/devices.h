/* What can be captured from on this machine, and what is missing for it.
 *
 * Ownership: the caller's structs are filled. Thread: main; starts no driver.
 * Limits: MT_DEVICES_MAX devices.
 */
#ifndef MT_CAPTURE_DEVICES_H
#define MT_CAPTURE_DEVICES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MT_DEVICES_MAX 256u

struct mt_device {
    char name[64];     /* eth0, 0000:3b:00.0 */
    char option[80];   /* as mailtap live takes it: "--interface eth0", "--port 0000:3b:00.0" */
    char driver[48];   /* by which it would be captured: "net_af_xdp", "net_mlx5" */
    char kernel[48];   /* kernel driver that has it now; "" none */
    char spread[48];   /* "device (symmetric hash)", "software" */
    char missing[160]; /* what stands in the way, "" nothing */
    char mend[160];    /* the command that mends it, "" none is needed */
    uint32_t queues;   /* receive queues, 0: not known */
    uint32_t speed;    /* Mbit/s, 0: not known */
    int numa_node;     /* -1: none */
    bool is_up;
};

/* Of the machine as a whole. */
struct mt_device_host {
    uint64_t huge_pages_total; /* of huge_page_size bytes */
    uint64_t huge_pages_free;
    uint64_t huge_page_size;
    bool has_vfio;
    bool has_iommu;
    bool is_privileged; /* may open raw sockets and devices */
    uint32_t processors;
    char notes[6][200]; /* sentences with the command that mends it; "" ends the list */
};

size_t mt_devices_list(struct mt_device *ret_devices, size_t count_max, struct mt_device_host *ret_host);

#endif
