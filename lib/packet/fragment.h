/* IP fragments to whole datagrams, bounded.
 *
 * Ownership: the table copies fragment bytes; the datagram that it returns
 * lives until the next call. Thread: one. Limits: datagrams in progress,
 * bytes in progress (in chunks of 2 KiB; the oldest datagram gives way), 64
 * fragments a datagram, 30 s of packet time; what breaks one is given up and
 * counted. Overlapping fragments end the datagram (RFC 5722 for IPv6; for IPv4
 * the same, because no reading of them is safe), exact duplicates do not.
 *
 * Of UDP only what is a tunnel's (or, with has_dns, DNS) is kept, as the ports in the first fragment say;
 * the rest is foreign. A datagram may be a tunnel's with a fragment inside.
 *
 * Counts MT_COUNTER_FRAGMENTS_WHOLE, _DROPPED and _FOREIGN, and as MT_COUNTER_FRAGMENTS
 * those inside of others; the caller counts what it puts in.
 */
#ifndef MT_PACKET_FRAGMENT_H
#define MT_PACKET_FRAGMENT_H

#include "packet/packet.h"
#include "stats/stats.h"

struct mt_fragment_table;

struct mt_fragment_config {
    uint32_t datagrams_max; /* 0: 1024 */
    uint32_t bytes_max;     /* 0: 8 MiB; at least 128 KiB */
    bool has_dns;           /* keep UDP of port 53 too */
};

int mt_fragment_table_create(const struct mt_fragment_config *config, struct mt_stats *stats,
                             struct mt_fragment_table **ret_table);
void mt_fragment_table_destroy(struct mt_fragment_table *table);

/* Takes a packet whose verdict was MT_PACKET_FRAGMENT. MT_PACKET_TCP: the
 * datagram is whole, packet now describes its TCP segment (payload lives until
 * the next call; frame_flags has lost MT_FRAME_PERSISTENT, handle is NULL). MT_PACKET_FRAGMENT:
 * more are needed, or it is foreign. MT_PACKET_REJECT: given up or not TCP. A whole datagram's
 * wire_size is the sum of its frames'. */
enum mt_packet_verdict mt_fragment_input(struct mt_fragment_table *table, struct mt_packet *packet);

/* The end of the capture: gives up, and counts, what is still incomplete. */
void mt_fragment_flush(struct mt_fragment_table *table);

#endif
