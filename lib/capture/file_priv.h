/* One capture file: its bytes and the walk of its format.
 *
 * Ownership: the file owns input and walk; frames live until the next walk, of
 * a mapped file until close. Thread: one. Limits: those of the formats.
 */
#ifndef MT_CAPTURE_FILE_PRIV_H
#define MT_CAPTURE_FILE_PRIV_H

#include "capture/input_priv.h"
#include "capture/libpcap_priv.h"
#include "capture/pcap_priv.h"
#include "capture/pcapng_priv.h"

enum mt_capture_format {
    MT_CAPTURE_PCAP,
    MT_CAPTURE_PCAPNG,
    MT_CAPTURE_LIBPCAP,
};

struct mt_capture_file {
    struct mt_capture_input *input;
    enum mt_capture_format format;
    bool is_input_fault_told;
    struct mt_pcap pcap;
    struct mt_pcapng pcapng;
    struct mt_libpcap *libpcap;
};

/* 0; or -errno and the reason, without the path: -ENOMSG not a capture,
 * -ENODATA empty, -EBADMSG a capture that is damaged at its start. */
int mt_capture_file_open(const char *path, bool is_streamed, struct mt_capture_file **ret_file,
                         char *ret_reason, size_t reason_size);
void mt_capture_file_close(struct mt_capture_file *file);

/* Do its frames stay valid until close? */
bool mt_capture_file_is_persistent(const struct mt_capture_file *file);

/* The next frames. MT_WALK_MORE with no frames: a signal came, call again. */
size_t mt_capture_file_walk(struct mt_capture_file *file, struct mt_frame *ret_frames, size_t count_max,
                            enum mt_walk_status *ret_status, struct mt_walk_fault *ret_fault);

#endif
