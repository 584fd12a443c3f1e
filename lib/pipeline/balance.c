#include "packet/packet.h"
#include "pipeline/live.h"

/* A fragment is accounted for as one, whatever comes of it. What it completed, or
 * that it was given up, is counted once more: as a segment, as not mail, under a
 * reject or as lost; that is as often as datagrams were completed (whole) and as
 * fragments were refused. */
void mt_live_balance(const struct mt_stats *stats, uint64_t *ret_frames, uint64_t *ret_known)
{
    static const enum mt_counter ends[] = {
        MT_COUNTER_FILTERED, MT_COUNTER_LIVE_RING_FULL, MT_COUNTER_LIVE_UNUSED, MT_COUNTER_FRAMES_NOT_MAIL,
        MT_COUNTER_SEGMENTS, MT_COUNTER_FRAGMENTS,      MT_COUNTER_DNS_FRAMES,
    };
    uint64_t known = 0;
    for (size_t i = 0; i < MT_ARRAY_COUNT(ends); i++)
        known += mt_stats_get(stats, ends[i]);
    for (int reject = 0; reject < MT_REJECT_COUNT; reject++)
        known += mt_stats_get(stats, (enum mt_counter)(MT_COUNTER_REJECT_FIRST + reject));
    uint64_t twice = mt_stats_get(stats, MT_COUNTER_FRAGMENTS_WHOLE) +
                     mt_stats_get(stats, MT_COUNTER_REJECT_FIRST + MT_REJECT_FRAGMENT_DROPPED);
    *ret_frames = mt_stats_get(stats, MT_COUNTER_FRAMES);
    *ret_known = known - twice;
}
