/* Capture files as one source: pcap and pcapng, plain or compressed, several
 * files and directories in time order, standard input.
 *
 * Regular uncompressed files are mapped and walked in place; gzip, zstd, lz4
 * and standard input are read as streams into a bounded buffer. What our
 * readers do not know (other formats that libpcap opens) goes through libpcap.
 *
 * Ownership: the source owns mappings and buffers. Thread: one. Limits: 64 Ki
 * files, 262144 interfaces a pcapng section, records up to 256 MiB in the
 * header's claim and MT_CAPTURE_RECORD_MAX in what is taken.
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
};

/* Opens nothing that can't be read: 0; or -errno with a sentence in
 * ret_reason (what, where, what to do) when nothing at all can be read, the
 * filter does not compile (-EINVAL), or a path does not exist. A path that
 * fails while others work becomes damage. */
int mt_capture_files_open(const struct mt_capture_files_config *config, struct mt_stats *stats,
                          char *ret_reason, size_t reason_size, struct mt_capture **ret_capture);

#endif
