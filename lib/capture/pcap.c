#include "capture/pcap_priv.h"

#include "base/endian.h"
#include "capture/files.h"
#include "capture/linktype_priv.h"

#include <stdio.h>

enum {
    RECORD_SIZE = 16,
    CHAIN_COUNT = 3,
    NEAR_SECONDS = 30 * 24 * 3600,
};

struct record {
    uint32_t second;
    uint32_t fraction;
    uint32_t size;
    uint32_t wire_size;
};

static inline uint32_t load(const uint8_t *p, bool is_swapped)
{
    return is_swapped ? mt_load_be32(p) : mt_load_le32(p);
}

static inline struct record load_record(const uint8_t *p, bool is_swapped)
{
    return (struct record){
        .second = load(p, is_swapped),
        .fraction = load(p + 4, is_swapped),
        .size = load(p + 8, is_swapped),
        .wire_size = load(p + 12, is_swapped),
    };
}

/* No frame was ever captured like this; empty ones have a time or a size. */
static inline bool is_blank(const struct record *record)
{
    return (record->second | record->wire_size | record->size | record->fraction) == 0;
}

bool mt_pcap_open(struct mt_pcap *pcap, const uint8_t *header)
{
    uint32_t magic = mt_load_le32(header);
    bool is_swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1;
    if (is_swapped)
        magic = __builtin_bswap32(magic);
    if (magic != 0xa1b2c3d4 && magic != 0xa1b23c4d)
        return false;
    uint32_t version = is_swapped ? mt_load_be32(header + 4) : mt_load_le32(header + 4);
    uint32_t version_2_4 = is_swapped ? 2u << 16 | 4 : 4u << 16 | 2;
    if (version != version_2_4)
        return false;
    uint16_t link_type = (uint16_t)load(header + 20, is_swapped);
    *pcap = (struct mt_pcap){
        .link_type = link_type,
        .link = (uint8_t)mt_linktype_link(link_type),
        .is_swapped = is_swapped,
        .fraction_unit = magic == 0xa1b2c3d4 ? 1000 : 1,
    };
    return true;
}

/* Takes whole records until something needs a closer look. Inlined once for
 * each combination of the two flags. */
static inline __attribute__((always_inline)) size_t take_records(const struct mt_pcap *pcap,
                                                                 struct mt_window *window,
                                                                 struct mt_frame *frames, size_t count_max,
                                                                 bool is_swapped, bool is_mapped)
{
    const uint8_t *p = mt_window_at(window);
    const uint8_t *end = window->ptr + window->size;
    const uint8_t flags = is_mapped ? MT_FRAME_PERSISTENT : 0;
    size_t count = 0;
    for (; count < count_max && end - p >= RECORD_SIZE; count++) {
        struct record record = load_record(p, is_swapped);
        size_t left = (size_t)(end - p) - RECORD_SIZE;
        if (MT_UNLIKELY(record.size > MT_CAPTURE_RECORD_MAX || record.size > left || is_blank(&record)))
            break;
        if (is_mapped)
            mt_walk_fetch(p, RECORD_SIZE + record.size);
        frames[count] = (struct mt_frame){
            .data = p + RECORD_SIZE,
            .size = record.size,
            .wire_size = mt_walk_wire_size(record.size, record.wire_size),
            .mark.time = record.second * MT_SEC + (uint64_t)record.fraction * pcap->fraction_unit,
            .link = pcap->link,
            .flags = flags,
            .link_type = pcap->link_type,
        };
        p += RECORD_SIZE + record.size;
    }
    window->pos = (size_t)(p - window->ptr);
    return count;
}

static size_t take(const struct mt_pcap *pcap, struct mt_window *window, struct mt_frame *frames,
                   size_t count_max)
{
    if (window->is_mapped) {
        return pcap->is_swapped ? take_records(pcap, window, frames, count_max, true, true)
                                : take_records(pcap, window, frames, count_max, false, true);
    }
    return pcap->is_swapped ? take_records(pcap, window, frames, count_max, true, false)
                            : take_records(pcap, window, frames, count_max, false, false);
}

static void remember_times(struct mt_pcap *pcap, const struct mt_frame *frames, size_t count)
{
    if (count == 0)
        return;
    if (!pcap->has_time)
        pcap->first_second = (uint32_t)(frames[0].mark.time / MT_SEC);
    pcap->has_time = true;
    pcap->last_second = (uint32_t)(frames[count - 1].mark.time / MT_SEC);
}

/* --- damage ---------------------------------------------------------------- */

static bool is_near(uint32_t second, uint32_t reference)
{
    uint32_t distance = second > reference ? second - reference : reference - second;
    return distance <= NEAR_SECONDS;
}

static bool is_plausible(const struct mt_pcap *pcap, const struct record *record)
{
    return record->size <= MT_CAPTURE_RECORD_MAX && record->wire_size > 0 &&
           record->wire_size <= MT_WALK_WIRE_MAX && record->size <= record->wire_size &&
           record->fraction < MT_SEC / pcap->fraction_unit;
}

enum chain {
    CHAIN_NO,
    CHAIN_YES,
    CHAIN_MORE,
};

/* Does a chain of records start at p? Needs at most two records and a header
 * of the window: below MT_WINDOW_NEED_MAX. */
static enum chain chain_at(const struct mt_pcap *pcap, const uint8_t *p, size_t left, bool is_last,
                           size_t *ret_need)
{
    MT_STATIC_ASSERT((CHAIN_COUNT - 1) * (RECORD_SIZE + MT_CAPTURE_RECORD_MAX) + RECORD_SIZE <=
                         MT_WINDOW_NEED_MAX,
                     "a window holds a whole chain");
    size_t at = 0;
    uint32_t first_second = 0;
    for (int i = 0; i < CHAIN_COUNT; i++) {
        if (i > 0 && at == left && is_last)
            return CHAIN_YES;
        if (at + RECORD_SIZE > left) {
            *ret_need = at + RECORD_SIZE;
            return is_last ? CHAIN_NO : CHAIN_MORE;
        }
        struct record record = load_record(p + at, pcap->is_swapped);
        if (i == 0)
            first_second = record.second;
        bool near = pcap->has_time ? is_near(record.second, pcap->first_second) ||
                                         is_near(record.second, pcap->last_second)
                                   : is_near(record.second, first_second);
        if (!near || !is_plausible(pcap, &record))
            return CHAIN_NO;
        at += RECORD_SIZE + record.size;
    }
    return CHAIN_YES;
}

static void describe(const struct mt_pcap *pcap, uint64_t next_off, bool is_found,
                     struct mt_walk_fault *fault)
{
    fault->off = pcap->damaged_off;
    fault->is_end = !is_found;
    struct mt_buf text = mt_buf(fault->reason, sizeof(fault->reason) - 1);
    if (pcap->damage == MT_PCAP_CUT && !is_found) {
        mt_buf_put_cstr(&text, "the file ends inside a record (");
        mt_buf_put_u64(&text, pcap->damaged_left);
        mt_buf_put_cstr(&text, " of ");
        mt_buf_put_u64(&text, (uint64_t)pcap->damaged_size + RECORD_SIZE);
        mt_buf_put_cstr(&text, " bytes)");
    } else {
        static const char *const whys[] = {
            [MT_PCAP_TOO_LARGE] = " bytes, beyond the limit)",
            [MT_PCAP_CUT] = " bytes, beyond the end)",
            [MT_PCAP_BLANK] = " everywhere)",
        };
        mt_buf_put_cstr(&text, "damaged record (");
        mt_buf_put_u64(&text, pcap->damaged_size);
        mt_buf_put_cstr(&text, whys[pcap->damage]);
        mt_walk_put_lost(&text, pcap->damaged_off, next_off, is_found);
    }
    fault->reason[text.size] = '\0';
}

static enum mt_walk_status search(struct mt_pcap *pcap, struct mt_window *window, struct mt_walk_fault *fault)
{
    enum chain chain = CHAIN_NO;
    while (chain == CHAIN_NO && mt_window_left(window) >= RECORD_SIZE) {
        size_t need = 0;
        chain = chain_at(pcap, mt_window_at(window), mt_window_left(window), window->is_last, &need);
        if (chain == CHAIN_MORE)
            return mt_window_more(window, need);
        if (chain == CHAIN_NO)
            window->pos++;
    }
    if (chain == CHAIN_NO) {
        if (!window->is_last)
            return mt_window_more(window, RECORD_SIZE);
        window->pos = window->size;
    }
    pcap->is_searching = false;
    describe(pcap, mt_window_off(window), chain == CHAIN_YES, fault);
    return MT_WALK_FAULT;
}

static enum mt_walk_status start_search(struct mt_pcap *pcap, struct mt_window *window, uint32_t size,
                                        enum mt_pcap_damage damage, struct mt_walk_fault *fault)
{
    pcap->is_searching = true;
    pcap->damage = (uint8_t)damage;
    pcap->damaged_off = mt_window_off(window);
    pcap->damaged_left = (uint32_t)mt_min_u64(mt_window_left(window), UINT32_MAX);
    pcap->damaged_size = size;
    window->pos++;
    return search(pcap, window, fault);
}

/* Why the records stopped. */
static enum mt_walk_status look_closer(struct mt_pcap *pcap, struct mt_window *window,
                                       struct mt_walk_fault *fault)
{
    size_t left = mt_window_left(window);
    if (left < RECORD_SIZE) {
        if (!window->is_last)
            return mt_window_more(window, RECORD_SIZE);
        if (left == 0)
            return MT_WALK_END;
        fault->off = mt_window_off(window);
        fault->is_end = true;
        snprintf(fault->reason, sizeof(fault->reason),
                 "the file ends inside a record header (%zu of %d bytes)", left, RECORD_SIZE);
        window->pos = window->size;
        return MT_WALK_FAULT;
    }
    struct record record = load_record(mt_window_at(window), pcap->is_swapped);
    if (record.size > MT_CAPTURE_RECORD_MAX)
        return start_search(pcap, window, record.size, MT_PCAP_TOO_LARGE, fault);
    if (is_blank(&record))
        return start_search(pcap, window, 0, MT_PCAP_BLANK, fault);
    if (!window->is_last)
        return mt_window_more(window, RECORD_SIZE + record.size);
    return start_search(pcap, window, record.size, MT_PCAP_CUT, fault);
}

size_t mt_pcap_walk(struct mt_pcap *pcap, struct mt_window *window, struct mt_frame *ret_frames,
                    size_t count_max, enum mt_walk_status *ret_status, struct mt_walk_fault *ret_fault)
{
    if (MT_UNLIKELY(pcap->is_searching)) {
        *ret_status = search(pcap, window, ret_fault);
        return 0;
    }
    size_t count = take(pcap, window, ret_frames, count_max);
    remember_times(pcap, ret_frames, count);
    if (MT_LIKELY(count == count_max))
        *ret_status = MT_WALK_FULL;
    else
        *ret_status = look_closer(pcap, window, ret_fault);
    return count;
}
