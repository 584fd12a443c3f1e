/* A pcapng file. Frames and damage are the same whether all of it is mapped or
 * comes in windows of any size. */
#include "fuzz.h"

#include "capture/pcapng_priv.h"
#include "walk_pieces.h"

static void open_pcapng(void *walk, const uint8_t *data)
{
    mt_pcapng_open(walk, data);
}

static size_t next_frames(void *walk, struct mt_window *window, struct mt_frame *ret_frames, size_t count_max,
                          enum mt_walk_status *ret_status, struct mt_walk_fault *ret_fault)
{
    return mt_pcapng_walk(walk, window, ret_frames, count_max, ret_status, ret_fault);
}

static void close_pcapng(void *walk)
{
    mt_pcapng_fini(walk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mt_pcapng pcapng;
    struct walk_target target = {
        .open = open_pcapng,
        .next = next_frames,
        .close = close_pcapng,
        .walk = &pcapng,
    };
    if (size >= MT_PCAPNG_BLOCK_MIN && mt_pcapng_open(&pcapng, data))
        walk_both_ways(&target, data, size);
    return 0;
}
