/* A rule that matched, on its way from a worker to the collector: the alert, packed
 * with every text it needs, so that it outlives the rules it came from.
 *
 * Ownership: packed bytes are the caller's; an unpacked alert points into them and
 * into its struct. Thread: any. Limits: MT_MATCH_MAX bytes; texts are cut.
 */
#ifndef MT_PIPELINE_MATCH_PRIV_H
#define MT_PIPELINE_MATCH_PRIV_H

#include "redact/redact.h"
#include "sigma/wire.h"

#define MT_MATCH_MAX 8192u
#define MT_MATCH_TECHNIQUES_MAX 8u

/* hides: values of fields that may hold an address stay out of the alert. False:
 * the buffer is too small. */
bool mt_match_pack(const struct mt_sigma_match *match, bool hides, struct mt_buf *ret_packed);

/* "2026-11-22T13:38:00.000000000Z smtp.helo.name: mail.example.org", in at most so many
 * octets. */
#define MT_MATCH_LINE_MAX 1200u
void mt_match_put_evidence(const struct mt_sigma_match *match, const struct mt_sigma_evidence *evidence,
                           bool hides, struct mt_buf *ret_line);

struct mt_match_feed {
    uint64_t completed; /* of mt_sigma_feed_more */
    uint32_t sequence;
    bool hides;
};

/* For correlations: mt_sigma_feed_pack with evidence. */
bool mt_match_pack_feed(const struct mt_sigma_match *match, const struct mt_match_feed *feed,
                        struct mt_buf *ret_packed);

/* mt_sigma_joiner_take with evidence. */
bool mt_match_join_feed(const struct mt_sigma_match *match, const struct mt_match_feed *feed,
                        struct mt_sigma_joiner *joiner, mt_sigma_feed_out_fn *out, void *ctx);

struct mt_match_alert {
    struct mt_record_alert alert;
    enum mt_level level;
    const char *techniques[MT_MATCH_TECHNIQUES_MAX];
    struct mt_span evidence[MT_SIGMA_EVIDENCE_MAX];
};

/* An alarm of correlations as an alert, which points into it. */
void mt_match_alarm(const struct mt_sigma_alarm *alarm, struct mt_span observer_name,
                    const char *observer_version, struct mt_record_alert *ret_alert);

/* observer: of this run. */
void mt_match_unpack(struct mt_span packed, struct mt_span observer_name, const char *observer_version,
                     struct mt_match_alert *ret_alert);

#endif
