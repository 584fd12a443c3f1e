#include "pipeline/parcel_priv.h"

#include "base/compiler.h"

#include <string.h>

#define HEAD_SIZE offsetof(struct mt_observation, subject)
#define EVIDENCE_HEAD_SIZE offsetof(struct mt_evidence, text)

struct sizes {
    size_t subject;
    size_t domain;
    size_t queue_id;
    unsigned evidence_count;
};

static struct sizes sizes_of(const struct mt_observation *o)
{
    return (struct sizes){
        .subject = mt_min_u64(o->subject_size, sizeof(o->subject)),
        .domain = mt_min_u64(o->domain_size, sizeof(o->domain)),
        .queue_id = mt_min_u64(o->queue_id_size, sizeof(o->queue_id)),
        .evidence_count = (unsigned)mt_min_u64(o->evidence_count, MT_EVIDENCE_MAX),
    };
}

static size_t evidence_size(const struct mt_evidence *evidence)
{
    return EVIDENCE_HEAD_SIZE + mt_min_u64(evidence->size, sizeof(evidence->text));
}

size_t mt_parcel_size(const struct mt_observation *observation)
{
    struct sizes sizes = sizes_of(observation);
    size_t size = HEAD_SIZE + sizes.subject + sizes.domain + sizes.queue_id;
    for (unsigned i = 0; i < sizes.evidence_count; i++)
        size += evidence_size(&observation->evidence[i]);
    return size;
}

static uint8_t *put(uint8_t *to, const void *from, size_t size)
{
    memcpy(to, from, size);
    return to + size;
}

void mt_parcel_pack(const struct mt_observation *observation, uint8_t *to)
{
    struct sizes sizes = sizes_of(observation);
    to = put(to, observation, HEAD_SIZE);
    to = put(to, observation->subject, sizes.subject);
    to = put(to, observation->domain, sizes.domain);
    to = put(to, observation->queue_id, sizes.queue_id);
    for (unsigned i = 0; i < sizes.evidence_count; i++)
        to = put(to, &observation->evidence[i], evidence_size(&observation->evidence[i]));
}

static const uint8_t *get(void *to, const uint8_t *from, size_t size)
{
    memcpy(to, from, size);
    return from + size;
}

void mt_parcel_unpack(const uint8_t *from, struct mt_observation *ret_observation)
{
    struct mt_observation *o = ret_observation;
    from = get(o, from, HEAD_SIZE);
    struct sizes sizes = sizes_of(o);
    from = get(o->subject, from, sizes.subject);
    from = get(o->domain, from, sizes.domain);
    from = get(o->queue_id, from, sizes.queue_id);
    for (unsigned i = 0; i < sizes.evidence_count; i++) {
        struct mt_evidence *evidence = &o->evidence[i];
        memcpy(evidence, from, EVIDENCE_HEAD_SIZE);
        from = get(evidence, from, evidence_size(evidence));
    }
}
