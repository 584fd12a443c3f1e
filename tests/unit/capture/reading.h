/* Everything that a source gives, kept for a look at it.
 *
 * Ownership: the reading owns its lists (reading_fini). Thread: one. Limits:
 * memory.
 */
#ifndef MT_TESTS_CAPTURE_READING_H
#define MT_TESTS_CAPTURE_READING_H

#include "capture/files.h"

struct read_frame {
    uint64_t time;
    uint64_t number;
    uint32_t size;
    uint32_t wire_size;
    uint32_t sum; /* of its bytes */
    uint16_t link_type;
    uint8_t link;
    uint8_t flags;
    uint8_t first[8];
};

struct reading {
    int rc;
    char reason[512];
    struct read_frame *frames;
    size_t frame_count;
    size_t frame_room;
    struct mt_capture_damage *damage; /* paths are gone */
    size_t damage_count;
    struct mt_stats *stats;
    bool is_persistent;
    uint64_t bytes_done;
    uint64_t bytes_total;
};

/* Reads all of it, in bursts of burst_max. Where that can be done it is done twice,
 * mapped and as a stream, and both must give the same. */
void reading_of_paths(struct reading *reading, const char *const *paths, size_t path_count,
                      const char *filter, size_t burst_max);
void reading_of(struct reading *reading, const char *path);
void reading_fini(struct reading *reading);

uint32_t sum_of(const uint8_t *bytes, size_t size);

/* Are these frames, from the at-th on, the records of made_pcap_of? */
void assert_pcap_of(const struct reading *reading, size_t at, uint32_t second, unsigned first,
                    unsigned count);

void assert_same_frames(const struct reading *a, const struct reading *b);

#endif
