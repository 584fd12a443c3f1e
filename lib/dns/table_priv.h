/* The table's memory.
 *
 * Ownership: the table's. Thread: its owner's. Limits: those of table.h.
 */
#ifndef MT_DNS_TABLE_PRIV_H
#define MT_DNS_TABLE_PRIV_H

#include "dns/table.h"

#define MT_DNS_BUCKETS 65536u

struct mt_dns_table {
    struct mt_stats *stats;
    uint64_t seed;
    uint8_t *ring;
    uint64_t size;                   /* of the ring */
    uint64_t end;                    /* where the next answer goes, counted without wrapping */
    uint64_t tail;                   /* the oldest answer that is whole */
    uint64_t bucket[MT_DNS_BUCKETS]; /* the latest answer, +1; 0: none */
};

#endif
