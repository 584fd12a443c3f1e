/* A pcap file. Frames and damage are the same whether all of it is mapped or
 * comes in windows of any size. */
#include "fuzz.h"

#include "capture/pcap_priv.h"
#include "walk_pieces.h"

static void open_pcap(void *walk, const uint8_t *data)
{
    mt_pcap_open(walk, data);
}

static size_t next_frames(void *walk, struct mt_window *window, struct mt_frame *ret_frames, size_t count_max,
                          enum mt_walk_status *ret_status, struct mt_walk_fault *ret_fault)
{
    return mt_pcap_walk(walk, window, ret_frames, count_max, ret_status, ret_fault);
}

static void close_pcap(void *walk)
{
    (void)walk;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mt_pcap pcap;
    struct walk_target target = {
        .skip = MT_PCAP_HEADER_SIZE,
        .open = open_pcap,
        .next = next_frames,
        .close = close_pcap,
        .walk = &pcap,
    };
    if (size >= MT_PCAP_HEADER_SIZE && mt_pcap_open(&pcap, data))
        walk_both_ways(&target, data, size);
    return 0;
}
