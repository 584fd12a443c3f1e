/* What our readers do not know and libpcap does: pcap of other versions,
 * vendors' variants of it.
 *
 * Ownership: frames are copies in the reader's buffer and live until the next
 * walk. Thread: one. Limits: MT_CAPTURE_RECORD_MAX bytes a packet.
 */
#ifndef MT_CAPTURE_LIBPCAP_PRIV_H
#define MT_CAPTURE_LIBPCAP_PRIV_H

#include "capture/input_priv.h"

struct mt_libpcap;

/* 0; or -errno and libpcap's reason. input is borrowed and must outlive it. */
int mt_libpcap_open(struct mt_capture_input *input, struct mt_libpcap **ret_libpcap, char *ret_reason,
                    size_t reason_size);
void mt_libpcap_close(struct mt_libpcap *libpcap);

/* As the walks of walk_priv.h, but never MT_WALK_MORE. */
size_t mt_libpcap_walk(struct mt_libpcap *libpcap, struct mt_frame *ret_frames, size_t count_max,
                       enum mt_walk_status *ret_status, struct mt_walk_fault *ret_fault);

#endif
