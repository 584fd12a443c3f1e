#include "pipeline/whole_priv.h"

#include <stdlib.h>

static const uint8_t *mac_copy(uint8_t *to, const uint8_t *from)
{
    return from ? memcpy(to, from, 6) : NULL;
}

struct mt_whole *mt_whole_make(const struct mt_packet *packet)
{
    struct mt_whole *whole = malloc(sizeof(*whole) + packet->payload.size);
    if (!whole)
        return NULL;
    whole->packet = *packet;
    whole->packet.mac_src = mac_copy(whole->mac[0], packet->mac_src);
    whole->packet.mac_dst = mac_copy(whole->mac[1], packet->mac_dst);
    mt_packet_outer(packet, &whole->outer);
    whole->packet.outer = &whole->outer;
    if (packet->payload.size > 0)
        memcpy(whole->payload, packet->payload.ptr, packet->payload.size);
    whole->packet.payload.ptr = whole->payload;
    return whole;
}
