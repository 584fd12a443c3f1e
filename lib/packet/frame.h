/* One captured frame, as capture hands it to packet decoding.
 *
 * Ownership: the bytes belong to the capture source; they live until the burst
 * is released, or, with MT_FRAME_PERSISTENT, until the source is closed, or, with
 * a handle, as long as somebody holds it (struct mt_frame_hold).
 * Thread: passed from one thread to the next, never shared. Limits: size and
 * wire_size below 2^31.
 */
#ifndef MT_PACKET_FRAME_H
#define MT_PACKET_FRAME_H

#include "base/mark.h"
#include "base/span.h"

/* Link types that packet decoding knows; capture maps LINKTYPE_ numbers onto
 * them (https://www.tcpdump.org/linktypes.html). */
enum mt_link {
    MT_LINK_UNKNOWN,
    MT_LINK_ETHERNET,
    MT_LINK_RAW,       /* bare IPv4 or IPv6, by version nibble */
    MT_LINK_NULL,      /* BSD loopback, address family in either byte order */
    MT_LINK_LOOP,      /* OpenBSD loopback, network byte order */
    MT_LINK_LINUX_SLL, /* Linux cooked v1 */
    MT_LINK_LINUX_SLL2,
    MT_LINK_PPP,
    MT_LINK_PPPOE, /* from the PPPoE header on */
    MT_LINK_PFLOG, /* OpenBSD pflog, and those of its kin */
    MT_LINK_NFLOG, /* Linux netfilter log */
};

enum {
    MT_FRAME_PERSISTENT = 1 << 0, /* bytes stay valid until the source is closed */
};

struct mt_frame {
    const uint8_t *data;
    uint32_t size;      /* bytes captured */
    uint32_t wire_size; /* bytes on the wire, >= size unless the file lies (then size) */
    struct mt_mark mark;
    uint8_t link; /* enum mt_link */
    uint8_t flags;
    uint16_t link_type; /* LINKTYPE_ number, for messages about MT_LINK_UNKNOWN */
    void *handle;       /* what the bytes lie in, for struct mt_frame_hold; NULL: can't be held */
};

/* Keeping a frame's bytes beyond its burst without copying them. The source
 * bounds how many are held, so that whoever makes others hold cannot drain it. */
struct mt_frame_hold {
    /* False: the cap is reached; copy instead. */
    bool (*hold)(void *ctx, void *handle);
    void (*drop)(void *ctx, void *handle);
    void *ctx;
};

#endif
