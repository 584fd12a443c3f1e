/* Capture files as one source: pcap and pcapng, plain or compressed, several
 * files and directories in time order, standard input.
 *
 * Regular uncompressed files are mapped and walked in place, so that frames may be
 * kept; gzip, zstd, lz4, standard input, and what is_streamed asks for, are read
 * as streams into a bounded buffer. What our readers do not know (other formats
 * that libpcap opens) goes through libpcap.
 *
 * Damage does not end a file where a chain of good records follows: reading
 * goes on there, and the damage says where and how much was lost. Frames of link
 * types that packet decoding does not know are delivered, and told as damage at
 * the end, once per link type (MT_COUNTER_DAMAGED does not count those).
 *
 * Ownership: the source owns mappings and buffers; all files stay mapped until
 * close when capture->persistent says so. Thread: one. Limits: 64 Ki files,
 * 262144 interfaces a pcapng section, blocks of 16 MiB, records of
 * MT_CAPTURE_RECORD_MAX, 1000 damaged places listed (all are counted).
 *
 * A file that somebody cuts short while it is read, or that lies on a disk that fails,
 * ends there and is damage. Frames of a mapped file that are out at that moment then
 * hold zeros where their bytes are gone: looking at them is no crash (SIGBUS has a
 * handler from the first mapping on, see mapping_priv.h).
 */
#ifndef MT_CAPTURE_FILES_H
#define MT_CAPTURE_FILES_H

#include "capture/capture.h"

/* A record larger than this is damage, not a packet. */
#define MT_CAPTURE_RECORD_MAX (256u * 1024u)

struct mt_capture_files_config {
    const char *const *paths; /* files, directories, "-" */
    size_t path_count;
    const char *filter; /* BPF expression or NULL */
    /* Regular files too: for who keeps no frame. Reading into a buffer that stays in
     * the cache costs less than mapping page after page (ordinary mail: 12 % of all
     * the time that reading it takes, measured). */
    bool is_streamed;
};

/* Opens nothing that can't be read: 0; or -errno with a sentence in
 * ret_reason (what, where, what to do) when nothing at all can be read, the
 * filter does not compile (-EINVAL), or a path does not exist. A path that
 * fails while others work becomes damage. */
int mt_capture_files_open(const struct mt_capture_files_config *config, struct mt_stats *stats,
                          char *ret_reason, size_t reason_size, struct mt_capture **ret_capture);

/* When nobody looks at frames any more, before damage is read: whether a mapped file
 * has lost bytes after it was read, while its frames were still looked at. */
void mt_capture_files_settle(struct mt_capture *capture);

#endif
