/* The walk over a pcap file of version 2.4, in either byte order, with
 * microseconds or nanoseconds. Older versions and vendors' variants are
 * libpcap's (libpcap_priv.h).
 *
 * https://www.ietf.org/archive/id/draft-ietf-opsawg-pcap: the file header's
 * link type has the FCS length in its upper half, which doesn't concern us.
 *
 * A record is damaged when its length is impossible, or when something else in
 * its header is odd (a leap in time, a fraction above a second, a wire length
 * below the captured one) and what follows it is no record: so a walk that lost
 * the chain notices before it makes frames of payload. It then searches for the
 * next place where three records in a row make sense (lengths that fit,
 * fractions in range, times near those seen before), or fewer that end exactly
 * with the file, and goes on there. Odd records in a sound chain are taken.
 *
 * Ownership: frames point into the window. Thread: one. Limits:
 * MT_CAPTURE_RECORD_MAX bytes a record.
 */
#ifndef MT_CAPTURE_PCAP_PRIV_H
#define MT_CAPTURE_PCAP_PRIV_H

#include "base/endian.h"
#include "capture/walk_priv.h"

#define MT_PCAP_HEADER_SIZE 24

enum mt_pcap_damage {
    MT_PCAP_TOO_LARGE, /* beyond MT_CAPTURE_RECORD_MAX */
    MT_PCAP_CUT,       /* beyond the end of the file */
    MT_PCAP_BLANK,     /* zeros, as a file system leaves them after a crash */
    MT_PCAP_LOST,      /* odd, and not followed by a record */
};

struct mt_pcap {
    uint16_t link_type;
    uint8_t link; /* enum mt_link */
    bool is_swapped;
    bool has_time;
    bool is_searching;
    uint8_t damage;         /* enum mt_pcap_damage: why it is searching */
    uint32_t fraction_unit; /* ns: 1000 or 1 */
    uint32_t first_second;  /* what the times of later records are held against */
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

/* --- the module's own ------------------------------------------------------ */

enum {
    MT_PCAP_RECORD_SIZE = 16, /* of a record's header */
    MT_PCAP_NEAR = 30 * 24 * 3600,
};

struct mt_pcap_record {
    uint32_t second;
    uint32_t fraction;
    uint32_t size;
    uint32_t wire_size;
};

static inline uint32_t mt_pcap_load(const uint8_t *p, bool is_swapped)
{
    return is_swapped ? mt_load_be32(p) : mt_load_le32(p);
}

static inline struct mt_pcap_record mt_pcap_load_record(const uint8_t *p, bool is_swapped)
{
    return (struct mt_pcap_record){
        .second = mt_pcap_load(p, is_swapped),
        .fraction = mt_pcap_load(p + 4, is_swapped),
        .size = mt_pcap_load(p + 8, is_swapped),
        .wire_size = mt_pcap_load(p + 12, is_swapped),
    };
}

/* No frame was ever captured like this; empty ones have a time. */
static inline bool mt_pcap_is_blank(const struct mt_pcap_record *record)
{
    return (record->second | record->wire_size | record->size | record->fraction) == 0;
}

/* Within 30 days, modulo 2^32. */
static inline bool mt_pcap_is_near(uint32_t second, uint32_t reference)
{
    return second - reference + MT_PCAP_NEAR <= 2u * MT_PCAP_NEAR;
}

enum mt_pcap_chain {
    MT_PCAP_CHAIN_NO,
    MT_PCAP_CHAIN_YES,
    MT_PCAP_CHAIN_MORE, /* can't be told without more bytes: window->need is set */
};

/* Do records follow the one at window->pos, whose length fits? The end of the
 * file is no contradiction. */
enum mt_pcap_chain mt_pcap_is_followed(const struct mt_pcap *pcap, struct mt_window *window);

/* The record at window->pos is damaged: searches for the next good one. */
enum mt_walk_status mt_pcap_start_search(struct mt_pcap *pcap, struct mt_window *window, uint32_t size,
                                         enum mt_pcap_damage damage, struct mt_walk_fault *fault);

/* Searches on; MT_WALK_MORE, or MT_WALK_FAULT when it is over. */
enum mt_walk_status mt_pcap_search(struct mt_pcap *pcap, struct mt_window *window,
                                   struct mt_walk_fault *fault);

#endif
