/* A segment that was put together from fragments, on its own: with everything
 * that its packet points to, so that it can pass from one thread to another.
 *
 * Ownership: malloc'd, whoever has it frees it. Thread: any. Limits: one datagram.
 */
#ifndef MT_PIPELINE_WHOLE_PRIV_H
#define MT_PIPELINE_WHOLE_PRIV_H

#include "packet/packet.h"

struct mt_whole {
    struct mt_packet packet;
    struct mt_outer outer;
    uint8_t mac[2][6];
    uint8_t payload[];
};

/* NULL: no memory. */
struct mt_whole *mt_whole_make(const struct mt_packet *packet);

#endif
