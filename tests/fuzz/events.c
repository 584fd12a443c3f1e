/* Bytes as messages of a topic: they are taken, or left out with a sentence; what was
 * taken is judged, saved and taken up again.
 *
 * Input: messages, each behind its size (two bytes, little-endian); those of kind 3 are
 * pieces of a state. */
#include "fuzz.h"

#include "base/check.h"
#include "pipeline/share.h"

#include <stdlib.h>

static const char rules[] =
    "title: a\nname: a\nlogsource: {product: mailtap, service: smtp, category: session}\n"
    "detection: {selection: {destination.port: 25}, condition: selection}\n"
    "---\ntitle: inner\nname: inner\n"
    "correlation: {type: event_count, rules: [a], group-by: [source.ip], timespan: 60s, condition: {gte: "
    "2}}\n"
    "---\ntitle: outer\nname: outer\n"
    "correlation: {type: value_count, rules: [inner], group-by: [source.ip], timespan: 600s, "
    "condition: {field: destination.ip, gte: 1}}\n"
    "---\ntitle: average\nname: average\n"
    "correlation: {type: value_avg, rules: [a], timespan: 60s, condition: {field: source.bytes, gte: 1}}\n";

static void on_alert(void *ctx, const struct mt_record_alert *alert, enum mt_level level)
{
    (void)ctx;
    (void)level;
    MT_BUG_ON(alert->rule_name == NULL || alert->message.size == 0);
}

static void on_complaint(void *ctx, const char *sentence)
{
    (void)ctx;
    for (const char *p = sentence; *p != '\0'; p++)
        MT_BUG_ON((uint8_t)*p < 0x20 || *p == 0x7f);
}

static void on_piece(void *ctx, struct mt_span piece)
{
    MT_BUG_ON(!mt_share_load(ctx, piece));
}

static struct mt_share *make(const struct mt_sigma *sigma)
{
    const struct mt_share_config config = {.sigma = sigma,
                                           .memory_max = (size_t)4 << 20,
                                           .patience = UINT64_C(60000000000),
                                           .alert = on_alert,
                                           .complain = on_complaint};
    struct mt_share *share;
    MT_BUG_ON(mt_share_create(&config, &share) != 0);
    return share;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mt_sigma *sigma;
    const struct mt_sigma_config config = {.evaluators = 1};
    if (!sigma)
        MT_BUG_ON(mt_sigma_load_text(&config, "f", mt_span_cstr(rules), &sigma) != 0);
    struct mt_share *share = make(sigma);
    struct mt_share *other = make(sigma);
    struct mt_span rest = mt_span(data, size);
    uint64_t stamp = 1;
    bool is_sound = true;
    while (rest.size > 2) {
        struct mt_span message =
            mt_span_head(mt_span_from(rest, 2), (size_t)rest.ptr[0] | (size_t)rest.ptr[1] << 8);
        rest = mt_span_from(rest, 2 + message.size);
        if (message.size > 6 && message.ptr[5] == MT_SIGMA_MESSAGE_STATE)
            is_sound = is_sound && mt_share_load(other, mt_span_from(message, 6));
        mt_share_take(share, message, stamp += UINT64_C(10000000000));
    }
    if (is_sound) /* else it is to be thrown away */
        mt_share_take(other, mt_span(data, size), stamp);
    mt_share_destroy(other);
    other = make(sigma);
    mt_share_save(share, on_piece, other);
    mt_share_destroy(share);
    mt_share_destroy(other);
    return 0;
}
