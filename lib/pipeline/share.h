/* A share of the correlations of several sensors: what one partition of the topic
 * brings, judged. Messages (sigma/wire.h) go in, alerts come out, and they are a
 * function of the messages in their order alone: so a share that is made anew, and
 * given what this one knew (mt_share_save) and the same messages from there on, says
 * the same. Where messages come from is not known here.
 *
 * Time is that of packets. A share judges up to the least mark of its sensors. A
 * sensor of which nothing has come for `patience` holds nobody up any more; that is
 * measured by the messages' stamps, so it comes out the same when they are read again.
 * Stamps may be of sensors whose clocks differ: who speaks is there, whatever its stamp.
 * When all sensors have ended, everything is judged, and time begins anew.
 *
 * Ownership: rules and texts are borrowed; alerts are lent for the call. Thread: one.
 * Limits: memory_max bytes for what correlations keep; MT_SHARE_SENSORS_MAX.
 */
#ifndef MT_PIPELINE_SHARE_H
#define MT_PIPELINE_SHARE_H

#include "record/record.h"
#include "sigma/wire.h"

#define MT_SHARE_SENSORS_MAX 256u

struct mt_share_config {
    const struct mt_sigma *sigma;
    size_t memory_max; /* 0: MT_SIGMA_CORRELATION_MEMORY */
    uint32_t sensors;  /* nothing is judged before so many have spoken; 0: 1 */
    uint64_t patience; /* ns */
    struct mt_span observer_name;
    const char *observer_version;
    void (*alert)(void *ctx, const struct mt_record_alert *alert, enum mt_level level);
    /* A message that is left out, and why: a sentence, at most once a reason and sensor
     * in a while. */
    void (*complain)(void *ctx, const char *sentence);
    void *ctx;
};

struct mt_share_counts {
    uint64_t events;   /* taken */
    uint64_t marks;    /* taken */
    uint64_t foreign;  /* messages that are none of ours, or damaged */
    uint64_t unruly;   /* events made for other rules than these */
    uint64_t repeated; /* messages that had come before */
    uint64_t crowded;  /* messages of sensors that there was no room for */
    uint64_t gone;     /* times a sensor was given up for saying nothing */
    struct mt_sigma_correlator_counts correlated;
};

struct mt_share;

int mt_share_create(const struct mt_share_config *config, struct mt_share **ret_share);
void mt_share_destroy(struct mt_share *share);

/* stamp: ns since the epoch, when the message was put where it was read from. */
void mt_share_take(struct mt_share *share, struct mt_span message, uint64_t stamp);

/* So many sensors as were to be have come, all have ended, everything is judged. */
bool mt_share_is_over(const struct mt_share *share);

void mt_share_counts(const struct mt_share *share, struct mt_share_counts *ret_counts);

/* As in sigma/state.h; load into a share that has taken nothing. */
void mt_share_save(const struct mt_share *share, void (*out)(void *ctx, struct mt_span piece), void *ctx);
bool mt_share_load(struct mt_share *share, struct mt_span piece);

#endif
