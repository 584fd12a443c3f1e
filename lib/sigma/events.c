/* The events that a record holds, and those of no record. */
#include "sigma/events.h"
#include "sigma/program_priv.h"

/* --- of a record ------------------------------------------------------------- */

static void each_of_transaction(enum mt_sigma_category category, struct mt_sigma_event *event,
                                mt_sigma_event_fn *visit, void *ctx)
{
    const struct mt_record_transaction *transaction = event->transaction;
    if (category == MT_SIGMA_TRANSACTION || (category == MT_SIGMA_MESSAGE && transaction->mode))
        visit(ctx, event);
    for (uint32_t i = 0; category == MT_SIGMA_RECIPIENT && i < transaction->recipients.count; i++) {
        event->recipient = &transaction->recipients.items[i];
        visit(ctx, event);
    }
    for (uint32_t i = 0; category == MT_SIGMA_RECEIVED && i < transaction->message_hops.count; i++) {
        event->hop = &transaction->message_hops.items[i];
        visit(ctx, event);
    }
}

/* A hello of either side, or what says of a handshake that was cut that it was
 * one. */
static bool has_handshake(const struct mt_record_session *session)
{
    return session->tls_version_protocol || session->tls_established != MT_FLAG_ABSENT ||
           session->tls_alert_sender || session->tls_server_sha256.ptr;
}

void mt_sigma_each_event(enum mt_sigma_category category, const struct mt_record_session *session,
                         mt_sigma_event_fn *visit, void *ctx)
{
    struct mt_sigma_event event = {.session = session};
    switch (category) {
    case MT_SIGMA_SESSION:
        visit(ctx, &event);
        break;
    case MT_SIGMA_TLS:
        if (has_handshake(session))
            visit(ctx, &event);
        break;
    case MT_SIGMA_TRANSACTION:
    case MT_SIGMA_RECIPIENT:
    case MT_SIGMA_MESSAGE:
    case MT_SIGMA_RECEIVED:
        for (uint32_t i = 0; i < session->transactions.count; i++) {
            event =
                (struct mt_sigma_event){.session = session, .transaction = &session->transactions.items[i]};
            each_of_transaction(category, &event, visit, ctx);
        }
        break;
    case MT_SIGMA_AUTH:
        for (uint32_t i = 0; i < session->auth.count; i++) {
            event.auth = &session->auth.items[i];
            visit(ctx, &event);
        }
        break;
    case MT_SIGMA_COMMAND:
    case MT_SIGMA_REPLY:
    case MT_SIGMA_STATISTICS:
    case MT_SIGMA_FINDING:
    case MT_SIGMA_CATEGORY_COUNT:
        break;
    }
}

/* --- of no record -------------------------------------------------------------- */

bool mt_sigma_wants(const struct mt_sigma *sigma, enum mt_sigma_category category)
{
    return sigma->programs[category] && sigma->programs[category]->rule_count > 0;
}

#define RATE(name, meaning)                                      \
    {                                                            \
        "mailtap.statistics." #name, meaning, MT_FIELD_TYPE_U64, \
            (uint16_t)offsetof(struct mt_sigma_statistics, name) \
    }

static const struct mt_field statistics_fields[] = {
    RATE(interval, "ns that were counted: the time since the event before, in a file run the capture's"),
    RATE(frames_per_s, "frames a second"),
    RATE(bits_per_s, "bits of them a second, on the wire"),
    RATE(lost_per_s, "frames a second that were not inspected"),
    RATE(lost_permille, "of a thousand frames those that were not inspected, rounded down"),
    RATE(sessions_per_s, "session records a second"),
    RATE(alerts_per_s, "alerts a second"),
    RATE(sessions_open, "sessions that were open at the interval's end"),
#define MT_COUNTER(NAME, text, meaning)                                                   \
    {"mailtap.statistics.counters." text, meaning ", in the interval", MT_FIELD_TYPE_U64, \
     (uint16_t)(offsetof(struct mt_sigma_statistics, counters) + sizeof(uint64_t) * MT_COUNTER_##NAME)},
#include "stats/counters.def"
#undef MT_COUNTER
};
MT_STATIC_ASSERT(sizeof(struct mt_sigma_statistics) < UINT16_MAX, "offsets have sixteen bits");

const struct mt_field_group mt_sigma_group_statistics = {
    "statistics", statistics_fields, MT_ARRAY_COUNT(statistics_fields), sizeof(struct mt_sigma_statistics)};

static uint64_t rate(uint64_t count, uint64_t interval)
{
    return interval > 0 ? (uint64_t)((__uint128_t)count * MT_SEC / interval) : 0;
}

void mt_sigma_statistics_fill(const struct mt_sigma_interval *interval,
                              struct mt_sigma_statistics *ret_statistics)
{
    struct mt_sigma_statistics *s = ret_statistics;
    uint64_t known = interval->frames + interval->lost;
    for (int i = 0; i < MT_COUNTER_REJECT_FIRST; i++) {
        uint64_t now = mt_stats_get(interval->now, (enum mt_counter)i);
        uint64_t before = interval->before ? mt_stats_get(interval->before, (enum mt_counter)i) : 0;
        s->counters[i] = now >= before ? now - before : now; /* set back: a port that returned */
    }
    uint64_t begun = mt_stats_get(interval->now, MT_COUNTER_FLOWS_NEW);
    uint64_t ended = mt_stats_get(interval->now, MT_COUNTER_SESSIONS);
    s->time = interval->time;
    s->interval = interval->interval;
    s->frames_per_s = rate(interval->frames, interval->interval);
    s->bits_per_s = rate(8 * interval->bytes, interval->interval);
    s->lost_per_s = rate(interval->lost, interval->interval);
    s->lost_permille = known > 0 ? (uint64_t)((__uint128_t)interval->lost * 1000 / known) : 0;
    s->sessions_per_s = rate(s->counters[MT_COUNTER_SESSIONS], interval->interval);
    s->alerts_per_s = rate(s->counters[MT_COUNTER_ALERTS], interval->interval);
    s->sessions_open = begun > ended ? begun - ended : 0;
}

struct mt_sigma_eval *mt_sigma_collector_evaluator(const struct mt_sigma *sigma,
                                                   enum mt_sigma_category category)
{
    return sigma && mt_sigma_wants(sigma, category) ? sigma->evals[sigma->evaluator_count] : NULL;
}

uint64_t mt_sigma_filtered(const struct mt_sigma *sigma, const struct mt_sigma_rule *filter)
{
    uint32_t index = mt_sigma_loaded_of(filter)->index;
    uint64_t count = 0;
    for (uint32_t i = 0; i <= sigma->evaluator_count; i++) {
        if (sigma->evals[i])
            count += atomic_load_explicit(&sigma->evals[i]->filtered[index], memory_order_relaxed);
    }
    return count;
}
