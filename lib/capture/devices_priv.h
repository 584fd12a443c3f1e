/* mt_devices_list with its sources of facts given, for tests.
 *
 * Ownership: the caller's structs are filled, texts of the roots borrowed.
 * Thread: main. Limits: those of capture/devices.h.
 */
#ifndef MT_CAPTURE_DEVICES_PRIV_H
#define MT_CAPTURE_DEVICES_PRIV_H

#include "capture/devices.h"

struct mt_devices_roots {
    const char *sysfs;   /* "/sys" */
    bool is_this_system; /* the kernel may be asked beside the files */
    bool is_privileged;
};

size_t mt_devices_list_below(const struct mt_devices_roots *roots, struct mt_device *ret_devices,
                             size_t count_max, struct mt_device_host *ret_host);

#endif
