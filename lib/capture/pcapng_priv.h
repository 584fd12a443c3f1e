/* The walk over a pcapng file: sections of either byte order, interfaces with
 * their own link type and clock, packets in Enhanced, Simple and (obsolete)
 * Packet Blocks. Everything else is skipped.
 *
 * https://www.ietf.org/archive/id/draft-ietf-opsawg-pcapng
 *
 * A block whose lengths make no sense ends the chain of blocks. The walk then
 * searches, in steps of four bytes, for the next place where three blocks in a
 * row make sense, or fewer that end exactly with the file, and goes on there.
 * A packet that its block or interface doesn't cover is damage of that block
 * only.
 *
 * Ownership: the walk owns its list of interfaces (fini frees it); frames point
 * into the window. Thread: one. Limits: MT_CAPTURE_RECORD_MAX bytes a packet,
 * MT_PCAPNG_INTERFACES_MAX interfaces a section, MT_PCAPNG_BLOCK_MAX bytes a
 * block.
 */
#ifndef MT_CAPTURE_PCAPNG_PRIV_H
#define MT_CAPTURE_PCAPNG_PRIV_H

#include "base/endian.h"
#include "capture/walk_priv.h"

#define MT_PCAPNG_INTERFACES_MAX 262144
#define MT_PCAPNG_BLOCK_MAX (16u << 20)

/* A section header block without options. */
#define MT_PCAPNG_HEADER_SIZE 28

struct mt_pcapng_interface {
    uint16_t link_type;
    uint8_t link;       /* enum mt_link */
    uint8_t resolution; /* if_tsresol: 10^-n, or with bit 7 set 2^-n seconds */
    uint32_t snap_size; /* 0: no limit */
    int64_t offset;     /* if_tsoffset: seconds to add */
    uint64_t scale;     /* ns a unit, where times are just multiples of that ... */
    uint64_t units_end; /* ... and do not overflow below this */
};

struct mt_pcapng {
    struct mt_pcapng_interface *interfaces;
    uint32_t interface_count;
    uint32_t interface_room;
    bool is_swapped;
    bool is_foreign; /* section of a version that we don't know: its blocks are passed over */
    bool is_searching;
    bool is_cut;        /* searching because a block reaches beyond the end */
    uint64_t last_time; /* for Simple Packet Blocks, which have none */
    size_t skip;        /* bytes of a large block still to be passed over */
    size_t skip_size;   /* of all of it */
    uint64_t skip_from;
    uint64_t damaged_off;
    uint64_t damaged_left;
    uint32_t damaged_size;
};

/* Does the file start with a section header? header has MT_PCAPNG_BLOCK_MIN
 * bytes. */
bool mt_pcapng_open(struct mt_pcapng *pcapng, const uint8_t *header);
void mt_pcapng_fini(struct mt_pcapng *pcapng);

/* Up to count_max frames (time and bytes set, number not). The window starts
 * with the section header. */
size_t mt_pcapng_walk(struct mt_pcapng *pcapng, struct mt_window *window, struct mt_frame *ret_frames,
                      size_t count_max, enum mt_walk_status *ret_status, struct mt_walk_fault *ret_fault);

/* --- the module's own ------------------------------------------------------ */

/* Adds what an Interface Description Block says. NULL, or what is wrong with it. */
const char *mt_pcapng_add_interface(struct mt_pcapng *pcapng, struct mt_span block);

/* ns since the epoch of a time in the interface's units. Saturates at both
 * ends. */
uint64_t mt_pcapng_time_of(const struct mt_pcapng_interface *interface, uint64_t units);

/* The same, quickly for nearly all interfaces. */
static inline uint64_t mt_pcapng_time(const struct mt_pcapng_interface *interface, uint64_t units)
{
    if (MT_LIKELY(units < interface->units_end))
        return units * interface->scale;
    return mt_pcapng_time_of(interface, units);
}

/* The block at window->pos is damaged: searches for the next good one. */
enum mt_walk_status mt_pcapng_start_search(struct mt_pcapng *pcapng, struct mt_window *window, uint32_t size,
                                           bool is_cut, struct mt_walk_fault *fault);

/* Searches on; MT_WALK_MORE, or MT_WALK_FAULT when it is over. */
enum mt_walk_status mt_pcapng_search(struct mt_pcapng *pcapng, struct mt_window *window,
                                     struct mt_walk_fault *fault);

static inline uint16_t mt_pcapng_load16(const uint8_t *p, bool is_swapped)
{
    return is_swapped ? mt_load_be16(p) : mt_load_le16(p);
}

static inline uint32_t mt_pcapng_load32(const uint8_t *p, bool is_swapped)
{
    return is_swapped ? mt_load_be32(p) : mt_load_le32(p);
}

enum {
    MT_PCAPNG_INTERFACE = 1,
    MT_PCAPNG_PACKET = 2, /* obsolete */
    MT_PCAPNG_SIMPLE = 3,
    MT_PCAPNG_ENHANCED = 6,
    MT_PCAPNG_SECTION = 0x0a0d0d0a, /* the same in either byte order */

    MT_PCAPNG_BLOCK_MIN = 12, /* type, length, length again */
    MT_PCAPNG_INTERFACE_MIN = 20,
};

/* The byte order of a section header at p (12 bytes). */
static inline bool mt_pcapng_section_order(const uint8_t *p, bool *ret_is_swapped)
{
    uint32_t magic = mt_load_le32(p + 8);
    *ret_is_swapped = magic == 0x4d3c2b1a;
    return magic == 0x1a2b3c4d || magic == 0x4d3c2b1a;
}

static inline bool mt_pcapng_length_is_valid(uint32_t size)
{
    return size >= MT_PCAPNG_BLOCK_MIN && size % 4 == 0 && size <= MT_PCAPNG_BLOCK_MAX;
}

#endif
