/* What a packet is wrapped in: the layers between the frame and its innermost IP
 * header, outermost first.
 *
 * Ownership: plain values. Thread: any. Limits: MT_OUTER_MAX layers; a packet
 * with more is rejected by packet decoding, so no list is ever cut.
 */
#ifndef MT_BASE_OUTER_H
#define MT_BASE_OUTER_H

#include "base/net.h"

enum mt_outer_type {
#define MT_OUTER(name, text, meaning) MT_OUTER_##name,
#include "base/outers.def"
#undef MT_OUTER
    MT_OUTER_TYPE_COUNT,
};

#define MT_OUTER_MAX 16u

struct mt_outer_layer {
    struct mt_ip src; /* of the IP header that carries this layer; family 0: a link does */
    struct mt_ip dst;
    uint32_t id;
    uint8_t type; /* enum mt_outer_type */
    bool has_id;
};

struct mt_outer {
    uint32_t count;
    struct mt_outer_layer layers[MT_OUTER_MAX];
};

const char *mt_outer_name(enum mt_outer_type type);

#endif
