/* Mail traffic of our own making: any number of interleaved sessions as frames
 * with times, and the truth about each. For captures, benchmarks and load.
 *
 * Ownership: the generator owns its sessions; frames are written into the
 * caller's buffer. Thread: one per generator. Limits: 4 Gi sessions;
 * `concurrency` sessions in memory. The same configuration gives the same
 * frames on every machine.
 */
#ifndef MT_TRAFFIC_TRAFFIC_H
#define MT_TRAFFIC_TRAFFIC_H

#include "plan.h"
#include "truth.h"

/* No frame is longer. */
#define MT_TRAFFIC_FRAME_MAX 2048

struct mt_traffic_range {
    struct mt_plan_ip ip;
    uint8_t bits; /* hosts are numbered in the remaining low bits, at most 32 */
};

struct mt_traffic_config {
    const char *profile;
    uint64_t sessions; /* 0: no end */
    uint64_t seed;
    uint32_t concurrency;
    uint64_t start;         /* ns since the epoch */
    uint32_t size_cap;      /* bytes of a body */
    uint32_t size_mean_cap; /* of their mean; 0: none */
    uint32_t local_domains;
    bool has_site;       /* the reader will be given the site file of mt_traffic_site */
    struct mt_wrap wrap; /* around every frame */
    struct mt_traffic_range clients[2], servers[2]; /* IPv4, IPv6 */
    /* Called once a session with a line of JSON; NULL: no truth. */
    void (*truth)(void *ctx, const char *line, size_t size);
    void *truth_ctx;
};

void mt_traffic_config_init(struct mt_traffic_config *config);

/* "10.25.0.0/26" into the range of its family. */
bool mt_traffic_range_parse(const char *text, struct mt_traffic_range ret_ranges[2]);

struct mt_traffic;

/* 0 or -errno: -ENOENT there is no such profile, -EINVAL a value is out of
 * range, -ENOMEM. */
int mt_traffic_create(const struct mt_traffic_config *config, struct mt_traffic **ret_traffic);
void mt_traffic_destroy(struct mt_traffic *traffic);

/* The next frame, in time order: its size, 0 at the end. */
size_t mt_traffic_next(struct mt_traffic *traffic, uint8_t ret_frame[MT_TRAFFIC_FRAME_MAX],
                       uint64_t *ret_time);

/* 0 unless memory ran out. */
int mt_traffic_error(const struct mt_traffic *traffic);

struct mt_traffic_totals {
    uint64_t sessions, frames, bytes;
    uint64_t alerts_low[MT_TRUTH_RULE_COUNT], alerts_high[MT_TRUTH_RULE_COUNT];
};

void mt_traffic_totals(const struct mt_traffic *traffic, struct mt_traffic_totals *ret_totals);

/* The site file that makes local what the profiles take for local. Returns
 * its size; 0: buffer too small. */
size_t mt_traffic_site(const struct mt_traffic_config *config, char *ret_text, size_t size);

/* Name and meaning of the index-th profile; NULL beyond the last. */
const char *mt_traffic_profile(unsigned index, const char **ret_meaning);

#endif
