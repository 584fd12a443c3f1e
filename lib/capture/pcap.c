#include "capture/pcap_priv.h"

#include "capture/files.h"
#include "capture/linktype_priv.h"

#include <stdio.h>

bool mt_pcap_open(struct mt_pcap *pcap, const uint8_t *header)
{
    uint32_t magic = mt_load_le32(header);
    bool is_swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1;
    if (is_swapped)
        magic = __builtin_bswap32(magic);
    if (magic != 0xa1b2c3d4 && magic != 0xa1b23c4d)
        return false;
    uint32_t version = mt_pcap_load(header + 4, is_swapped);
    uint32_t version_2_4 = is_swapped ? 2u << 16 | 4 : 4u << 16 | 2;
    if (version != version_2_4)
        return false;
    uint16_t link_type = (uint16_t)mt_pcap_load(header + 20, is_swapped);
    *pcap = (struct mt_pcap){
        .link_type = link_type,
        .link = (uint8_t)mt_linktype_link(link_type),
        .is_swapped = is_swapped,
        .fraction_unit = magic == 0xa1b2c3d4 ? 1000 : 1,
    };
    return true;
}

/* --- records --------------------------------------------------------------- */

static inline uint32_t fraction_max(const struct mt_pcap *pcap)
{
    return (uint32_t)MT_SEC / pcap->fraction_unit - 1;
}

/* Not like the records of a file that is in order. The wire length is tested for
 * being too small and for being absurd by one comparison. */
static inline bool is_odd(const struct mt_pcap_record *record, uint32_t last_second, uint32_t fraction_limit)
{
    return !mt_pcap_is_near(record->second, last_second) || record->fraction > fraction_limit ||
           record->wire_size - record->size > MT_WALK_WIRE_MAX || record->wire_size == 0;
}

/* Member by member: a compound literal would be put together on the stack in
 * small stores and copied in large loads, which then wait for all of them
 * (14 ns a record, measured). */
static inline void put_frame(const struct mt_pcap *pcap, const struct mt_pcap_record *record,
                             const uint8_t *p, bool is_mapped, struct mt_frame *ret_frame)
{
    ret_frame->data = p + MT_PCAP_RECORD_SIZE;
    ret_frame->size = record->size;
    ret_frame->wire_size = mt_walk_wire_size(record->size, record->wire_size);
    ret_frame->mark.time = record->second * MT_SEC + (uint64_t)record->fraction * pcap->fraction_unit;
    ret_frame->mark.number = 0;
    ret_frame->link = pcap->link;
    ret_frame->flags = is_mapped ? MT_FRAME_PERSISTENT : 0;
    ret_frame->link_type = pcap->link_type;
}

/* Takes whole records until one needs a closer look. Inlined once for each
 * combination of the two flags. */
static inline __attribute__((always_inline)) size_t take_records(struct mt_pcap *pcap,
                                                                 struct mt_window *window,
                                                                 struct mt_frame *frames, size_t count_max,
                                                                 bool is_swapped, bool is_mapped)
{
    const uint8_t *p = mt_window_at(window);
    const uint8_t *end = window->ptr + window->size;
    uint32_t fraction_limit = fraction_max(pcap);
    uint32_t last_second = pcap->last_second;
    size_t count = 0;
    for (; count < count_max && end - p >= MT_PCAP_RECORD_SIZE; count++) {
        struct mt_pcap_record record = mt_pcap_load_record(p, is_swapped);
        size_t left = (size_t)(end - p) - MT_PCAP_RECORD_SIZE;
        if (MT_UNLIKELY(record.size > MT_CAPTURE_RECORD_MAX || record.size > left))
            break;
        if (MT_UNLIKELY(is_odd(&record, last_second, fraction_limit)))
            break;
        if (is_mapped)
            mt_walk_fetch(p, MT_PCAP_RECORD_SIZE + record.size);
        put_frame(pcap, &record, p, is_mapped, &frames[count]);
        last_second = record.second;
        p += MT_PCAP_RECORD_SIZE + record.size;
    }
    pcap->last_second = last_second;
    window->pos = (size_t)(p - window->ptr);
    return count;
}

static size_t take(struct mt_pcap *pcap, struct mt_window *window, struct mt_frame *frames, size_t count_max)
{
    if (window->is_mapped) {
        return pcap->is_swapped ? take_records(pcap, window, frames, count_max, true, true)
                                : take_records(pcap, window, frames, count_max, false, true);
    }
    return pcap->is_swapped ? take_records(pcap, window, frames, count_max, true, false)
                            : take_records(pcap, window, frames, count_max, false, false);
}

/* --- what is not as usual -------------------------------------------------- */

/* A whole record that stands out. The first of a file always does, no time having
 * been seen; an odd one must show what follows it. */
static bool take_odd(struct mt_pcap *pcap, struct mt_window *window, const struct mt_pcap_record *record,
                     struct mt_frame *ret_frame, enum mt_walk_status *ret_status, struct mt_walk_fault *fault)
{
    bool is_first = !pcap->has_time && !is_odd(record, record->second, fraction_max(pcap));
    enum mt_pcap_chain chain = is_first ? MT_PCAP_CHAIN_YES : mt_pcap_is_followed(pcap, window);
    if (chain == MT_PCAP_CHAIN_MORE) {
        *ret_status = MT_WALK_MORE;
        return false;
    }
    if (chain == MT_PCAP_CHAIN_NO || mt_pcap_is_blank(record)) {
        enum mt_pcap_damage damage = mt_pcap_is_blank(record) ? MT_PCAP_BLANK : MT_PCAP_LOST;
        *ret_status = mt_pcap_start_search(pcap, window, record->size, damage, fault);
        return false;
    }
    put_frame(pcap, record, mt_window_at(window), window->is_mapped, ret_frame);
    if (!pcap->has_time)
        pcap->first_second = record->second;
    pcap->has_time = true;
    pcap->last_second = record->second;
    window->pos += MT_PCAP_RECORD_SIZE + record->size;
    return true;
}

static enum mt_walk_status too_little(struct mt_window *window, struct mt_walk_fault *fault)
{
    size_t left = mt_window_left(window);
    if (!window->is_last)
        return mt_window_more(window, MT_PCAP_RECORD_SIZE);
    if (left == 0)
        return MT_WALK_END;
    fault->off = mt_window_off(window);
    fault->is_end = true;
    snprintf(fault->reason, sizeof(fault->reason), "the file ends inside a record header (%zu of %d bytes)",
             left, MT_PCAP_RECORD_SIZE);
    window->pos = window->size;
    return MT_WALK_FAULT;
}

/* Why the records stopped. True: a record was taken all the same. */
static bool look_closer(struct mt_pcap *pcap, struct mt_window *window, struct mt_frame *ret_frame,
                        enum mt_walk_status *ret_status, struct mt_walk_fault *fault)
{
    size_t left = mt_window_left(window);
    if (left < MT_PCAP_RECORD_SIZE) {
        *ret_status = too_little(window, fault);
        return false;
    }
    struct mt_pcap_record record = mt_pcap_load_record(mt_window_at(window), pcap->is_swapped);
    if (record.size > MT_CAPTURE_RECORD_MAX)
        *ret_status = mt_pcap_start_search(pcap, window, record.size, MT_PCAP_TOO_LARGE, fault);
    else if (record.size <= left - MT_PCAP_RECORD_SIZE)
        return take_odd(pcap, window, &record, ret_frame, ret_status, fault);
    else if (window->is_last)
        *ret_status = mt_pcap_start_search(pcap, window, record.size, MT_PCAP_CUT, fault);
    else
        *ret_status = mt_window_more(window, MT_PCAP_RECORD_SIZE + record.size);
    return false;
}

size_t mt_pcap_walk(struct mt_pcap *pcap, struct mt_window *window, struct mt_frame *ret_frames,
                    size_t count_max, enum mt_walk_status *ret_status, struct mt_walk_fault *ret_fault)
{
    if (MT_UNLIKELY(pcap->is_searching)) {
        *ret_status = mt_pcap_search(pcap, window, ret_fault);
        return 0;
    }
    size_t count = take(pcap, window, ret_frames, count_max);
    while (MT_UNLIKELY(count < count_max)) {
        if (!look_closer(pcap, window, &ret_frames[count], ret_status, ret_fault))
            return count;
        count++;
        count += take(pcap, window, ret_frames + count, count_max - count);
    }
    *ret_status = MT_WALK_FULL;
    return count;
}
