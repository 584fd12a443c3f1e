/* Observations as a test tells them, and what came of them.
 *
 * Ownership: static storage of the test. Thread: one. Limits: 256 alerts kept.
 */
#ifndef MT_TESTS_DETECT_WORLD_H
#define MT_TESTS_DETECT_WORLD_H

#include "detect/detect.h"

/* What was raised: a finding, or an alert of a rule that is built in. */
#define WORLD_RULE(name) (MT_FINDING_COUNT + (int)MT_RULE_##name)
#define WORLD_CAPTURE_LOSS WORLD_RULE(CAPTURE_LOSS)
#define WORLD_CAPTURE_ONE_SIDED WORLD_RULE(CAPTURE_ONE_SIDED)

struct seen_alert {
    int what;
    enum mt_level level;
    uint64_t time;
    uint64_t count;
    uint64_t window;
    uint32_t evidence_count;
    char confidence[16];
    char message[4096];
    char evidence[16][900];
    char group_by[256]; /* "key=value key=value" */
};

struct world {
    struct mt_detect_config config;
    struct mt_site site;
    struct mt_stats stats;
    struct mt_detect *detect;
    struct seen_alert alerts[256];
    uint32_t alert_count;
    uint64_t frame;
};

/* A world whose site lists example.com as local, or lists nothing. Thresholds
 * are the defaults; change them before world_open. */
void world_init(struct world *world, bool has_local_domains);
void world_open(struct world *world);
void world_close(struct world *world);

/* An observation of an outside client (text form) at the home server at
 * `seconds` after the start. Its members may be changed before world_tell. */
struct mt_observation world_rcpt(double seconds, const char *client, const char *recipient, unsigned code);
struct mt_observation world_unsent(double seconds, const char *client, const char *recipient, unsigned code);
struct mt_observation world_message(double seconds, const char *client, const char *recipient);
struct mt_observation world_probe(double seconds, const char *client, const char *argument, unsigned code);
struct mt_observation world_helo(double seconds, const char *client, const char *name, unsigned score,
                                 uint32_t findings);

void world_tell(struct world *world, const struct mt_observation *observation);

uint32_t world_count(const struct world *world, int what);
const struct seen_alert *world_last(const struct world *world, int what);
uint64_t world_counter(const struct world *world, enum mt_counter counter);

#endif
