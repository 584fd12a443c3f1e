/* Every encapsulation, alone and in others, around a segment that says EHLO.
 *
 * Ownership: the caller's buffers. Thread: one. Limits: those of wrap.h.
 */
#ifndef MT_TESTS_PACKET_TUNNEL_SAMPLES_H
#define MT_TESTS_PACKET_TUNNEL_SAMPLES_H

#include "wrap.h"

struct tunnel_sample {
    const char *name;
    void (*build)(struct bytes *bytes);
    enum mt_link link;
    const char *path; /* as path_of says it */
};

extern const struct tunnel_sample tunnel_samples[];
extern const size_t tunnel_sample_count;

#endif
