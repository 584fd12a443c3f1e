/* The walk over a pcap file of version 2.4, in either byte order, with
 * microseconds or nanoseconds. Older versions and vendors' variants are
 * libpcap's (libpcap_priv.h).
 *
 * https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap: the file header's
 * link type has the FCS length in its upper half, which doesn't concern us.
 *
 * A damaged record ends the chain of records. The walk then searches for the
 * next place where three records in a row make sense (lengths that fit,
 * fractions of a second in range, times near those seen before), or fewer that
 * end exactly with the file, and goes on there.
 *
 * Ownership: frames point into the window. Thread: one. Limits:
 * MT_CAPTURE_RECORD_MAX bytes a record.
 */
#ifndef MT_CAPTURE_PCAP_PRIV_H
#define MT_CAPTURE_PCAP_PRIV_H

#include "capture/walk_priv.h"

#define MT_PCAP_HEADER_SIZE 24

enum mt_pcap_damage {
    MT_PCAP_TOO_LARGE, /* beyond MT_CAPTURE_RECORD_MAX */
    MT_PCAP_CUT,       /* beyond the end of the file */
    MT_PCAP_BLANK,     /* zeros, as a file system leaves them after a crash */
};

struct mt_pcap {
    uint16_t link_type;
    uint8_t link; /* enum mt_link */
    bool is_swapped;
    bool has_time;
    bool is_searching;
    uint8_t damage;         /* enum mt_pcap_damage: why it is searching */
    uint32_t fraction_unit; /* ns: 1000 or 1 */
    uint32_t first_second;  /* what later records are held against when one is damaged */
    uint32_t last_second;
    uint32_t damaged_left; /* bytes that were left there, header included */
    uint32_t damaged_size; /* what the damaged record's header claims */
    uint64_t damaged_off;
};

/* Does the file start like one of ours? header has MT_PCAP_HEADER_SIZE bytes. */
bool mt_pcap_open(struct mt_pcap *pcap, const uint8_t *header);

/* Up to count_max frames (time and bytes set, number not). The window must
 * start behind the file header. */
size_t mt_pcap_walk(struct mt_pcap *pcap, struct mt_window *window, struct mt_frame *ret_frames,
                    size_t count_max, enum mt_walk_status *ret_status, struct mt_walk_fault *ret_fault);

#endif
