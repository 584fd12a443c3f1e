/* Behind a damaged block: where does the next chain of blocks start? */
#include "capture/files.h"
#include "capture/pcapng_priv.h"

enum {
    CHAIN_COUNT = 3,
    /* larger blocks are no landmarks: three of these fit into a window */
    LANDMARK_MAX = (MT_WINDOW_NEED_MAX - MT_PCAPNG_BLOCK_MIN) / CHAIN_COUNT,
};
MT_STATIC_ASSERT(LANDMARK_MAX > MT_CAPTURE_RECORD_MAX + 64, "a largest packet is a landmark");

enum chain {
    CHAIN_NO,
    CHAIN_YES,
    CHAIN_MORE,
};

static bool is_known(uint32_t type)
{
    return (type >= 1 && type <= 11) || type == MT_PCAPNG_SECTION || type == 0xbad || type == 0x40000bad;
}

/* The length of the block whose first 12 bytes are at p, or 0 when they are no
 * start of a block. */
static uint32_t landmark_size(const uint8_t *p, bool *is_swapped)
{
    uint32_t type = mt_pcapng_load32(p, *is_swapped);
    if (!is_known(type) || (type == MT_PCAPNG_SECTION && !mt_pcapng_section_order(p, is_swapped)))
        return 0;
    uint32_t size = mt_pcapng_load32(p + 4, *is_swapped);
    return mt_pcapng_length_is_valid(size) && size <= LANDMARK_MAX ? size : 0;
}

/* Of the last block of a chain only the start is looked at: it may be cut. */
static enum chain chain_at(const uint8_t *p, size_t left, bool is_last, bool is_swapped, size_t *ret_need)
{
    size_t at = 0;
    for (int i = 0; i < CHAIN_COUNT; i++) {
        if (i > 0 && at == left && is_last)
            return CHAIN_YES;
        if (at + MT_PCAPNG_BLOCK_MIN > left) {
            *ret_need = at + MT_PCAPNG_BLOCK_MIN;
            return is_last ? CHAIN_NO : CHAIN_MORE;
        }
        uint32_t size = landmark_size(p + at, &is_swapped);
        if (size == 0)
            return CHAIN_NO;
        if (i == CHAIN_COUNT - 1)
            return CHAIN_YES;
        if (at + size > left) {
            *ret_need = at + size;
            return is_last ? CHAIN_NO : CHAIN_MORE;
        }
        if (mt_pcapng_load32(p + at + size - 4, is_swapped) != size)
            return CHAIN_NO;
        at += size;
    }
    return CHAIN_YES;
}

static void describe(const struct mt_pcapng *pcapng, uint64_t next_off, bool is_found,
                     struct mt_walk_fault *fault)
{
    fault->off = pcapng->damaged_off;
    fault->is_end = !is_found;
    struct mt_buf text = mt_buf(fault->reason, sizeof(fault->reason) - 1);
    if (pcapng->is_cut && !is_found) {
        mt_buf_put_cstr(&text, "the file ends inside a block (");
        mt_buf_put_u64(&text, pcapng->damaged_left);
        mt_buf_put_cstr(&text, " of ");
        mt_buf_put_u64(&text, pcapng->damaged_size);
        mt_buf_put_cstr(&text, " bytes)");
    } else {
        mt_buf_put_cstr(&text, "damaged block (length ");
        mt_buf_put_u64(&text, pcapng->damaged_size);
        mt_buf_put_cstr(&text, ")");
        mt_walk_put_lost(&text, pcapng->damaged_off, next_off, is_found);
    }
    fault->reason[text.size] = '\0';
}

enum mt_walk_status mt_pcapng_search(struct mt_pcapng *pcapng, struct mt_window *window,
                                     struct mt_walk_fault *fault)
{
    enum chain chain = CHAIN_NO;
    while (chain == CHAIN_NO && mt_window_left(window) >= MT_PCAPNG_BLOCK_MIN) {
        size_t need = 0;
        chain = chain_at(mt_window_at(window), mt_window_left(window), window->is_last, pcapng->is_swapped,
                         &need);
        if (chain == CHAIN_MORE)
            return mt_window_more(window, need);
        if (chain == CHAIN_NO)
            window->pos += 4;
    }
    if (chain == CHAIN_NO) {
        if (!window->is_last)
            return mt_window_more(window, MT_PCAPNG_BLOCK_MIN);
        window->pos = window->size;
    }
    pcapng->is_searching = false;
    describe(pcapng, mt_window_off(window), chain == CHAIN_YES, fault);
    return MT_WALK_FAULT;
}

enum mt_walk_status mt_pcapng_start_search(struct mt_pcapng *pcapng, struct mt_window *window, uint32_t size,
                                           bool is_cut, struct mt_walk_fault *fault)
{
    pcapng->is_searching = true;
    pcapng->is_cut = is_cut;
    pcapng->damaged_off = mt_window_off(window);
    pcapng->damaged_left = mt_window_left(window);
    pcapng->damaged_size = size;
    window->pos += 4; /* a block starts where the last length ended: always at a multiple of four */
    return mt_pcapng_search(pcapng, window, fault);
}
