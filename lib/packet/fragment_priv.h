/* The fragment table's inside: shared by fragment.c (packet path) and
 * fragment_create.c (setup).
 *
 * Ownership: the table owns everything. Thread: one. Limits: datagrams_max
 * entries, bytes_max bytes of chunks.
 */
#ifndef MT_PACKET_FRAGMENT_PRIV_H
#define MT_PACKET_FRAGMENT_PRIV_H

#include "memory/pool.h"
#include "packet/fragment.h"

#define MT_FRAGMENT_NONE UINT32_MAX
#define MT_FRAGMENT_PIECES_MAX 64
#define MT_FRAGMENT_TIMEOUT (30 * MT_SEC)
#define MT_FRAGMENT_DATAGRAM_MAX 65536

/* All memory for bytes is chunks of one size, so that no mix of fragment sizes
 * can use up a size class for good. One Ethernet fragment fits into one. */
#define MT_FRAGMENT_CHUNK_SIZE 2048
#define MT_FRAGMENT_CHUNK_BYTES (MT_FRAGMENT_CHUNK_SIZE - sizeof(void *))

struct mt_fragment_chunk {
    struct mt_fragment_chunk *next;
    uint8_t bytes[MT_FRAGMENT_CHUNK_BYTES];
};
MT_STATIC_ASSERT(sizeof(struct mt_fragment_chunk) == MT_FRAGMENT_CHUNK_SIZE,
                 "chunks fill the pool's objects");

/* One fragment: size bytes of the datagram from off on, the first captured of
 * them in the chunks. */
struct mt_fragment_piece {
    struct mt_fragment_chunk *chunks;
    uint32_t off;
    uint32_t size;
    uint32_t captured;
};

struct mt_fragment_key {
    struct mt_ip src;
    struct mt_ip dst;
    uint16_t vlan;
    uint32_t id;
    uint8_t protocol; /* IPv4 only: part of the identity there (RFC 791), 0 for IPv6 (RFC 8200 §4.5) */
};

struct mt_fragment_datagram {
    struct mt_fragment_key key;
    uint64_t time; /* of its first fragment */
    uint32_t bucket;
    uint32_t chain; /* next in the bucket, or next free */
    uint32_t older; /* list by time of first fragment */
    uint32_t newer;
    uint32_t total;      /* size of the whole; 0 until the last fragment is here */
    uint32_t received;   /* sum of the pieces' sizes */
    uint32_t wire_size;  /* of all frames that brought them */
    uint8_t piece_count; /* pieces are sorted by off */
    uint8_t protocol;    /* first header of the payload, from the fragment at offset 0 */
    bool given_up;       /* remembered until the timeout, so that late fragments don't start it anew */
    bool is_udp;
    bool is_foreign; /* UDP that is no tunnel's: nothing is kept of it */
    struct mt_fragment_piece piece[MT_FRAGMENT_PIECES_MAX];
};
MT_STATIC_ASSERT(MT_FRAGMENT_PIECES_MAX <= UINT8_MAX, "piece_count is a byte");

struct mt_fragment_table {
    struct mt_stats *stats;
    bool has_dns;
    struct mt_pool *chunks;
    struct mt_fragment_datagram *datagram; /* datagram_count of them */
    uint32_t *bucket;                      /* bucket_mask + 1: first of a chain */
    uint64_t seed;
    uint32_t datagram_count;
    uint32_t bucket_mask;
    uint32_t free;
    uint32_t oldest;
    uint32_t newest;
    struct mt_outer outer;                   /* around the datagram that was returned last */
    uint8_t whole[MT_FRAGMENT_DATAGRAM_MAX]; /* that datagram */
};

#endif
