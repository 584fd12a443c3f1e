/* Notices: alerts as messages that a person reads (--notify), and how many of
 * them one output may send.
 *
 * A notice is at most NOTICE_TEXT_MAX bytes of lines; each form wraps them for
 * its receiver. What the limit holds back is counted by rule and told in one sum
 * at the end of the period.
 *
 * Ownership: a limit is its output's. Thread: any; a limit has a lock of its own.
 * Limits: MT_NOTICE_KEYS_MAX pairs of rule and client a period are told apart,
 * more are held to the limit of all; MT_NOTICE_RULES_MAX rules in a sum.
 */
#ifndef MT_EXPORT_NOTICE_PRIV_H
#define MT_EXPORT_NOTICE_PRIV_H

#include "export/outputs.h"

#define MT_NOTICE_KEYS_MAX 4096u
#define MT_NOTICE_RULES_MAX 16u
#define MT_NOTICE_TEXT_MAX ((size_t)8 << 10)

/* What a period held back. */
struct mt_notice_sum {
    struct {
        char name[64];
        uint64_t count;
        uint8_t level;
    } rules[MT_NOTICE_RULES_MAX];
    uint32_t rule_count;
    uint64_t others; /* of rules that found no place above */
    uint64_t total;
    uint8_t level;   /* the highest */
    uint64_t period; /* ns */
};

const struct mt_format_ops *mt_notice_find(struct mt_span name);
const struct mt_format_ops *mt_notice_at(size_t index);

/* The sum in the format's form; one text. False: it was too long. */
bool mt_notice_put_sum(struct mt_format *format, const struct mt_format_ops *ops,
                       const struct mt_notice_sum *sum, mt_format_emit *emit, void *ctx);

/* What to do about alerts of this rule: a sentence. */
const char *mt_notice_advice(const char *rule);

struct mt_notice_limit;

/* -ENOMEM */
int mt_notice_limit_create(uint64_t period, uint64_t each_max, uint64_t all_max,
                           struct mt_notice_limit **ret_limit);
void mt_notice_limit_destroy(struct mt_notice_limit *limit);

/* May this one be sent now (steady time)? Otherwise it is part of the next sum. */
bool mt_notice_limit_admit(struct mt_notice_limit *limit, uint64_t now, struct mt_span rule,
                           struct mt_span key, uint8_t level);

/* What was held back, when the period is over, or with_all in any case; false:
 * nothing. It is then forgotten. */
bool mt_notice_limit_sum(struct mt_notice_limit *limit, uint64_t now, bool with_all,
                         struct mt_notice_sum *ret_sum);

#endif
