/* The asker's memory.
 *
 * Ownership: the asker's. Thread: its own. Limits: those of other.h.
 */
#ifndef MT_DPI_OTHER_PRIV_H
#define MT_DPI_OTHER_PRIV_H

#include "dpi/other.h"

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wpedantic"
#include <ndpi/ndpi_api.h>
#pragma GCC diagnostic pop

struct mt_other_asker {
    struct ndpi_detection_module_struct *module;
    struct ndpi_flow_struct *flow;
    size_t flow_size;
    uint64_t time; /* ms, of the packets that are made up */
    uint8_t packet[40 + MT_OTHER_PIECE_MAX];
};

#endif
