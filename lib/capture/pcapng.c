#include "capture/pcapng_priv.h"

#include "capture/files.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    PACKET_DATA = 28, /* in Enhanced and in obsolete Packet Blocks */
    PACKET_MIN = PACKET_DATA + 4,
    SIMPLE_DATA = 12,
    SIMPLE_MIN = SIMPLE_DATA + 4,
};

/* What there was in a block. */
enum content {
    CONTENT_NONE,
    CONTENT_FRAME,
    CONTENT_FAULT,
};

bool mt_pcapng_open(struct mt_pcapng *pcapng, const uint8_t *header)
{
    bool is_swapped;
    if (mt_load_le32(header) != MT_PCAPNG_SECTION || !mt_pcapng_section_order(header, &is_swapped))
        return false;
    *pcapng = (struct mt_pcapng){.is_swapped = is_swapped};
    return true;
}

void mt_pcapng_fini(struct mt_pcapng *pcapng)
{
    free(pcapng->interfaces);
    pcapng->interfaces = NULL;
}

static MT_COLD MT_PRINTF(2, 3) enum content refuse(struct mt_walk_fault *fault, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(fault->reason, sizeof(fault->reason), format, args);
    va_end(args);
    fault->is_end = false;
    return CONTENT_FAULT;
}

/* --- blocks ---------------------------------------------------------------- */

static inline enum content take_packet(struct mt_pcapng *pcapng, struct mt_span block, uint32_t index,
                                       struct mt_frame *frame, struct mt_walk_fault *fault)
{
    bool is_swapped = pcapng->is_swapped;
    if (MT_UNLIKELY(block.size < PACKET_MIN))
        return refuse(fault, "packet block of %zu bytes is too short", block.size);
    if (MT_UNLIKELY(index >= pcapng->interface_count))
        return refuse(fault, "packet of interface %u, which is not described", index);
    uint32_t size = mt_pcapng_load32(block.ptr + 20, is_swapped);
    if (MT_UNLIKELY(size > block.size - PACKET_MIN || size > MT_CAPTURE_RECORD_MAX))
        return refuse(fault, "packet of %u bytes in a block of %zu", size, block.size);
    const struct mt_pcapng_interface *interface = &pcapng->interfaces[index];
    uint64_t units = (uint64_t)mt_pcapng_load32(block.ptr + 12, is_swapped) << 32 |
                     mt_pcapng_load32(block.ptr + 16, is_swapped);
    uint64_t time = mt_pcapng_time(interface, units);
    pcapng->last_time = time;
    *frame = (struct mt_frame){
        .data = block.ptr + PACKET_DATA,
        .size = size,
        .wire_size = mt_walk_wire_size(size, mt_pcapng_load32(block.ptr + 24, is_swapped)),
        .mark.time = time,
        .link = interface->link,
        .link_type = interface->link_type,
    };
    return CONTENT_FRAME;
}

/* Of interface 0, cut to its snapshot length, without a time: the last one seen
 * is the nearest. */
static enum content take_simple(struct mt_pcapng *pcapng, struct mt_span block, struct mt_frame *frame,
                                struct mt_walk_fault *fault)
{
    if (block.size < SIMPLE_MIN)
        return refuse(fault, "packet block of %zu bytes is too short", block.size);
    if (pcapng->interface_count == 0)
        return refuse(fault, "packet of interface 0, which is not described");
    const struct mt_pcapng_interface *interface = &pcapng->interfaces[0];
    uint32_t wire_size = mt_pcapng_load32(block.ptr + 8, pcapng->is_swapped);
    uint64_t size = mt_min_u64(wire_size, block.size - SIMPLE_MIN);
    if (interface->snap_size != 0)
        size = mt_min_u64(size, interface->snap_size);
    if (size > (uint64_t)MT_CAPTURE_RECORD_MAX)
        return refuse(fault, "packet of %u bytes in a block of %zu", wire_size, block.size);
    *frame = (struct mt_frame){
        .data = block.ptr + SIMPLE_DATA,
        .size = (uint32_t)size,
        .wire_size = mt_walk_wire_size((uint32_t)size, wire_size),
        .mark.time = pcapng->last_time,
        .link = interface->link,
        .link_type = interface->link_type,
    };
    return CONTENT_FRAME;
}

static enum content take_section(struct mt_pcapng *pcapng, struct mt_span block, struct mt_walk_fault *fault)
{
    pcapng->interface_count = 0;
    pcapng->is_foreign = false;
    if (block.size < MT_PCAPNG_HEADER_SIZE)
        return refuse(fault, "section header of %zu bytes is too short", block.size);
    unsigned major = mt_pcapng_load16(block.ptr + 12, pcapng->is_swapped);
    unsigned minor = mt_pcapng_load16(block.ptr + 14, pcapng->is_swapped);
    if (major == 1)
        return CONTENT_NONE;
    pcapng->is_foreign = true;
    return refuse(fault, "section of pcapng version %u.%u is not supported and passed over", major, minor);
}

static enum content take_interface(struct mt_pcapng *pcapng, struct mt_span block,
                                   struct mt_walk_fault *fault)
{
    const char *reason = mt_pcapng_add_interface(pcapng, block);
    return reason == NULL ? CONTENT_NONE : refuse(fault, "%s", reason);
}

/* A whole block whose lengths are right. */
static inline enum content take_block(struct mt_pcapng *pcapng, uint32_t type, struct mt_span block,
                                      struct mt_frame *frame, struct mt_walk_fault *fault)
{
    if (MT_UNLIKELY(pcapng->is_foreign && type != MT_PCAPNG_SECTION))
        return CONTENT_NONE;
    switch (type) {
    case MT_PCAPNG_ENHANCED:
        return take_packet(pcapng, block, mt_pcapng_load32(block.ptr + 8, pcapng->is_swapped), frame, fault);
    case MT_PCAPNG_PACKET:
        return take_packet(pcapng, block, mt_pcapng_load16(block.ptr + 8, pcapng->is_swapped), frame, fault);
    case MT_PCAPNG_SIMPLE:
        return take_simple(pcapng, block, frame, fault);
    case MT_PCAPNG_SECTION:
        return take_section(pcapng, block, fault);
    case MT_PCAPNG_INTERFACE:
        return take_interface(pcapng, block, fault);
    default:
        return CONTENT_NONE;
    }
}

/* --- the chain of blocks --------------------------------------------------- */

/* Passes over the rest of a large block. False: *ret_status says why not. */
static bool skip(struct mt_pcapng *pcapng, struct mt_window *window, enum mt_walk_status *ret_status,
                 struct mt_walk_fault *fault)
{
    size_t part = mt_min_u64(pcapng->skip, mt_window_left(window));
    window->pos += part;
    pcapng->skip -= part;
    if (pcapng->skip == 0)
        return true;
    *ret_status = mt_window_more(window, 1);
    if (window->is_last) {
        refuse(fault, "the file ends inside a block of %zu bytes", pcapng->skip_size);
        fault->off = pcapng->skip_from;
        fault->is_end = true;
        pcapng->skip = 0;
        *ret_status = MT_WALK_FAULT;
    }
    return false;
}

static enum mt_walk_status too_little(struct mt_window *window, struct mt_walk_fault *fault)
{
    size_t left = mt_window_left(window);
    if (!window->is_last)
        return mt_window_more(window, MT_PCAPNG_BLOCK_MIN);
    if (left == 0)
        return MT_WALK_END;
    refuse(fault, "the file ends inside a block header (%zu of %d bytes)", left, MT_PCAPNG_BLOCK_MIN);
    fault->off = mt_window_off(window);
    fault->is_end = true;
    window->pos = window->size;
    return MT_WALK_FAULT;
}

/* The type and size of the block at window->pos, whose start is there; sets the
 * section's byte order. False: they make no sense. */
static inline bool read_head(struct mt_pcapng *pcapng, const uint8_t *p, uint32_t *ret_type,
                             uint32_t *ret_size)
{
    *ret_type = mt_pcapng_load32(p, pcapng->is_swapped);
    *ret_size = mt_pcapng_load32(p + 4, pcapng->is_swapped);
    if (MT_UNLIKELY(*ret_type == MT_PCAPNG_SECTION)) {
        bool is_swapped;
        if (!mt_pcapng_section_order(p, &is_swapped))
            return false;
        pcapng->is_swapped = is_swapped;
        *ret_size = mt_pcapng_load32(p + 4, is_swapped);
    }
    return mt_pcapng_length_is_valid(*ret_size);
}

/* A block larger than a window holds no packet that we take: it is passed over
 * without waiting for all of it, and without a look at its second length. */
static void start_skip(struct mt_pcapng *pcapng, const struct mt_window *window, uint32_t size)
{
    pcapng->skip = size;
    pcapng->skip_size = size;
    pcapng->skip_from = mt_window_off(window);
}

/* Finds the next block. False: *ret_status says what is in the way. */
static inline bool find_block(struct mt_pcapng *pcapng, struct mt_window *window, uint32_t *ret_type,
                              struct mt_span *ret_block, enum mt_walk_status *ret_status,
                              struct mt_walk_fault *fault)
{
    uint32_t size;
    for (;;) {
        if (MT_UNLIKELY(pcapng->skip != 0) && !skip(pcapng, window, ret_status, fault))
            return false;
        if (MT_UNLIKELY(mt_window_left(window) < MT_PCAPNG_BLOCK_MIN)) {
            *ret_status = too_little(window, fault);
            return false;
        }
        if (MT_UNLIKELY(!read_head(pcapng, mt_window_at(window), ret_type, &size))) {
            *ret_status = mt_pcapng_start_search(pcapng, window, size, false, fault);
            return false;
        }
        if (MT_LIKELY(size <= MT_WINDOW_NEED_MAX))
            break;
        start_skip(pcapng, window, size);
    }
    if (MT_UNLIKELY(size > mt_window_left(window))) {
        *ret_status = window->is_last ? mt_pcapng_start_search(pcapng, window, size, true, fault)
                                      : mt_window_more(window, size);
        return false;
    }
    const uint8_t *p = mt_window_at(window);
    if (window->is_mapped)
        mt_walk_fetch(p, size);
    if (MT_UNLIKELY(mt_pcapng_load32(p + size - 4, pcapng->is_swapped) != size)) {
        *ret_status = mt_pcapng_start_search(pcapng, window, size, false, fault);
        return false;
    }
    *ret_block = mt_span(p, size);
    return true;
}

size_t mt_pcapng_walk(struct mt_pcapng *pcapng, struct mt_window *window, struct mt_frame *ret_frames,
                      size_t count_max, enum mt_walk_status *ret_status, struct mt_walk_fault *ret_fault)
{
    const uint8_t flags = window->is_mapped ? MT_FRAME_PERSISTENT : 0;
    size_t count = 0;
    if (MT_UNLIKELY(pcapng->is_searching)) {
        *ret_status = mt_pcapng_search(pcapng, window, ret_fault);
        return 0;
    }
    while (count < count_max) {
        uint32_t type;
        struct mt_span block;
        if (MT_UNLIKELY(!find_block(pcapng, window, &type, &block, ret_status, ret_fault)))
            return count;
        enum content content = take_block(pcapng, type, block, &ret_frames[count], ret_fault);
        if (MT_UNLIKELY(content == CONTENT_FAULT)) {
            ret_fault->off = mt_window_off(window);
            window->pos += block.size;
            *ret_status = MT_WALK_FAULT;
            return count;
        }
        window->pos += block.size;
        if (content == CONTENT_FRAME)
            ret_frames[count++].flags = flags;
    }
    *ret_status = MT_WALK_FULL;
    return count;
}
