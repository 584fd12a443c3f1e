/* Is this still the chain of records, and behind a damaged one: where does it
 * go on? */
#include "capture/files.h"
#include "capture/pcap_priv.h"

enum {
    CHAIN_COUNT = 3,
};
MT_STATIC_ASSERT((CHAIN_COUNT - 1) * (MT_PCAP_RECORD_SIZE + MT_CAPTURE_RECORD_MAX) + MT_PCAP_RECORD_SIZE <=
                     MT_WINDOW_NEED_MAX,
                 "a window holds all records of a chain but the last, and that one's header");

static enum mt_pcap_chain more(struct mt_window *window, size_t need)
{
    window->need = need;
    return MT_PCAP_CHAIN_MORE;
}

enum mt_pcap_chain mt_pcap_is_followed(const struct mt_pcap *pcap, struct mt_window *window)
{
    const uint8_t *p = mt_window_at(window);
    size_t left = mt_window_left(window);
    size_t at = 0;
    for (int i = 0; i < CHAIN_COUNT; i++) {
        if (at + MT_PCAP_RECORD_SIZE > left)
            return window->is_last ? MT_PCAP_CHAIN_YES : more(window, at + MT_PCAP_RECORD_SIZE);
        struct mt_pcap_record record = mt_pcap_load_record(p + at, pcap->is_swapped);
        if (record.size > MT_CAPTURE_RECORD_MAX)
            return MT_PCAP_CHAIN_NO;
        at += MT_PCAP_RECORD_SIZE + record.size;
    }
    return MT_PCAP_CHAIN_YES;
}

static bool is_plausible(const struct mt_pcap *pcap, const struct mt_pcap_record *record)
{
    return record->size <= MT_CAPTURE_RECORD_MAX && record->wire_size > 0 &&
           record->wire_size <= MT_WALK_WIRE_MAX && record->size <= record->wire_size &&
           record->fraction < MT_SEC / pcap->fraction_unit;
}

/* Does a chain of records start at window->pos? Stricter than being followed:
 * nothing else speaks for this place. */
static enum mt_pcap_chain chain_at(const struct mt_pcap *pcap, struct mt_window *window)
{
    const uint8_t *p = mt_window_at(window);
    size_t left = mt_window_left(window);
    size_t at = 0;
    uint32_t first_second = 0;
    for (int i = 0; i < CHAIN_COUNT; i++) {
        if (i > 0 && at == left && window->is_last)
            return MT_PCAP_CHAIN_YES;
        if (at + MT_PCAP_RECORD_SIZE > left)
            return window->is_last ? MT_PCAP_CHAIN_NO : more(window, at + MT_PCAP_RECORD_SIZE);
        struct mt_pcap_record record = mt_pcap_load_record(p + at, pcap->is_swapped);
        if (i == 0)
            first_second = record.second;
        bool is_near = pcap->has_time ? mt_pcap_is_near(record.second, pcap->first_second) ||
                                            mt_pcap_is_near(record.second, pcap->last_second)
                                      : mt_pcap_is_near(record.second, first_second);
        if (!is_near || !is_plausible(pcap, &record))
            return MT_PCAP_CHAIN_NO;
        at += MT_PCAP_RECORD_SIZE + record.size;
    }
    return MT_PCAP_CHAIN_YES;
}

static void describe(const struct mt_pcap *pcap, uint64_t next_off, bool is_found,
                     struct mt_walk_fault *fault)
{
    static const char *const whys[] = {
        [MT_PCAP_TOO_LARGE] = " bytes, beyond the limit)",
        [MT_PCAP_CUT] = " bytes, beyond the end)",
        [MT_PCAP_BLANK] = " everywhere)",
        [MT_PCAP_LOST] = " bytes, no record behind it)",
    };
    fault->off = pcap->damaged_off;
    fault->is_end = !is_found;
    struct mt_buf text = mt_buf(fault->reason, sizeof(fault->reason) - 1);
    if (pcap->damage == MT_PCAP_CUT && !is_found) {
        mt_buf_put_cstr(&text, "the file ends inside a record (");
        mt_buf_put_u64(&text, pcap->damaged_left);
        mt_buf_put_cstr(&text, " of ");
        mt_buf_put_u64(&text, (uint64_t)pcap->damaged_size + MT_PCAP_RECORD_SIZE);
        mt_buf_put_cstr(&text, " bytes)");
    } else {
        mt_buf_put_cstr(&text, "damaged record (");
        mt_buf_put_u64(&text, pcap->damaged_size);
        mt_buf_put_cstr(&text, whys[pcap->damage]);
        mt_walk_put_lost(&text, pcap->damaged_off, next_off, is_found);
    }
    fault->reason[text.size] = '\0';
}

enum mt_walk_status mt_pcap_search(struct mt_pcap *pcap, struct mt_window *window,
                                   struct mt_walk_fault *fault)
{
    enum mt_pcap_chain chain = MT_PCAP_CHAIN_NO;
    while (chain == MT_PCAP_CHAIN_NO && mt_window_left(window) >= MT_PCAP_RECORD_SIZE) {
        chain = chain_at(pcap, window);
        if (chain == MT_PCAP_CHAIN_MORE)
            return MT_WALK_MORE;
        if (chain == MT_PCAP_CHAIN_NO)
            window->pos++;
    }
    if (chain == MT_PCAP_CHAIN_NO) {
        if (!window->is_last)
            return mt_window_more(window, MT_PCAP_RECORD_SIZE);
        window->pos = window->size;
    }
    pcap->is_searching = false;
    describe(pcap, mt_window_off(window), chain == MT_PCAP_CHAIN_YES, fault);
    return MT_WALK_FAULT;
}

enum mt_walk_status mt_pcap_start_search(struct mt_pcap *pcap, struct mt_window *window, uint32_t size,
                                         enum mt_pcap_damage damage, struct mt_walk_fault *fault)
{
    pcap->is_searching = true;
    pcap->damage = (uint8_t)damage;
    pcap->damaged_off = mt_window_off(window);
    pcap->damaged_left = (uint32_t)mt_min_u64(mt_window_left(window), UINT32_MAX);
    pcap->damaged_size = size;
    window->pos++;
    return mt_pcap_search(pcap, window, fault);
}
