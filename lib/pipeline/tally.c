#include "pipeline/tally.h"

#include "base/hash.h"

static const char *const outcome_names[MT_OUTCOME_COUNT] = {
    [MT_OUTCOME_DELIVERED] = "delivered", [MT_OUTCOME_REJECTED] = "rejected",
    [MT_OUTCOME_DEFERRED] = "deferred",   [MT_OUTCOME_ABORTED] = "aborted",
    [MT_OUTCOME_RESET] = "reset",         [MT_OUTCOME_UNFINISHED] = "unfinished",
};

static const enum mt_counter outcome_counters[MT_OUTCOME_COUNT] = {
    [MT_OUTCOME_DELIVERED] = MT_COUNTER_DELIVERED, [MT_OUTCOME_REJECTED] = MT_COUNTER_REJECTED,
    [MT_OUTCOME_DEFERRED] = MT_COUNTER_DEFERRED,   [MT_OUTCOME_ABORTED] = MT_COUNTER_ABORTED,
    [MT_OUTCOME_RESET] = MT_COUNTER_RESET,         [MT_OUTCOME_UNFINISHED] = MT_COUNTER_UNFINISHED,
};

enum mt_counter mt_outcome_counter(enum mt_outcome outcome)
{
    return outcome_counters[outcome];
}

const char *mt_outcome_name(enum mt_outcome outcome)
{
    return outcome_names[outcome];
}

static uint64_t host_hash(const struct mt_ip *ip)
{
    return mt_hash_bytes(ip->family, mt_span(ip->bytes, sizeof(ip->bytes)));
}

static void hosts_add(struct mt_tally_hosts *hosts, const struct mt_ip *ip, uint64_t sessions,
                      uint64_t transactions)
{
    for (uint64_t at = host_hash(ip);; at++) {
        struct mt_tally_host *host = &hosts->slots[at & (MT_TALLY_HOSTS - 1)];
        if (host->ip.family == 0) {
            if (hosts->count >= MT_TALLY_HOSTS / 4 * 3) {
                hosts->others += sessions;
                return;
            }
            hosts->count++;
            host->ip = *ip;
        } else if (!mt_ip_eq(&host->ip, ip)) {
            continue;
        }
        host->sessions += sessions;
        host->transactions += transactions;
        return;
    }
}

/* Names are our own constants, so a pointer identifies one. */
static void anomalies_add(struct mt_tally *tally, struct mt_names names)
{
    for (uint32_t i = 0; i < names.count; i++) {
        for (int a = 0; a < MT_ANOMALY_COUNT; a++) {
            if (names.items[i] == mt_anomaly_name((enum mt_anomaly)a)) {
                tally->anomalies[a]++;
                break;
            }
        }
    }
}

static void transactions_add(struct mt_tally *tally, struct mt_transactions transactions)
{
    for (uint32_t i = 0; i < transactions.count; i++) {
        const struct mt_record_transaction *t = &transactions.items[i];
        tally->recipients += t->recipients_total;
        tally->content_bytes += t->bytes;
    }
}

static void hosts_prefetch(const struct mt_tally_hosts *hosts, const struct mt_ip *ip)
{
    MT_PREFETCH(&hosts->slots[host_hash(ip) & (MT_TALLY_HOSTS - 1)]);
}

void mt_tally_prefetch(const struct mt_tally *tally, const struct mt_record_session *record)
{
    hosts_prefetch(&tally->clients, &record->source_ip);
    hosts_prefetch(&tally->servers, &record->destination_ip);
}

void mt_tally_add(struct mt_tally *tally, const struct mt_record_session *record)
{
    tally->sessions++;
    tally->transactions += record->transactions_total;
    tally->midstream += record->pickup && strcmp(record->pickup, "midstream") == 0;
    tally->one_way += record->direction && strcmp(record->direction, "both") != 0;
    tally->with_gaps += record->missing_bytes_client + record->missing_bytes_server > 0;
    tally->truncated += record->truncated.count > 0;
    transactions_add(tally, record->transactions);
    anomalies_add(tally, record->anomalies);
    hosts_add(&tally->clients, &record->source_ip, 1, record->transactions_total);
    hosts_add(&tally->servers, &record->destination_ip, 1, record->transactions_total);
}

static void outcomes_count(struct mt_stats *stats, struct mt_transactions transactions)
{
    for (uint32_t i = 0; i < transactions.count; i++) {
        const char *outcome = transactions.items[i].outcome;
        for (int o = 0; outcome && o < MT_OUTCOME_COUNT; o++) {
            if (strcmp(outcome, outcome_names[o]) == 0)
                mt_stats_add(stats, outcome_counters[o], 1);
        }
    }
}

void mt_tally_count_record(struct mt_stats *stats, const struct mt_record_session *record)
{
    outcomes_count(stats, record->transactions);
    mt_stats_add(stats, MT_COUNTER_REPLIES_2XX, record->replies_2xx);
    mt_stats_add(stats, MT_COUNTER_REPLIES_3XX, record->replies_3xx);
    mt_stats_add(stats, MT_COUNTER_REPLIES_4XX, record->replies_4xx);
    mt_stats_add(stats, MT_COUNTER_REPLIES_5XX, record->replies_5xx);
    mt_stats_add(stats, MT_COUNTER_TLS_OFFERED, record->starttls_offered == MT_FLAG_TRUE);
    mt_stats_add(stats, MT_COUNTER_TLS_ESTABLISHED,
                 record->starttls_outcome && strcmp(record->starttls_outcome, "established") == 0);
}

static void hosts_merge(struct mt_tally_hosts *into, const struct mt_tally_hosts *from)
{
    into->others += from->others;
    for (size_t i = 0; i < MT_TALLY_HOSTS; i++) {
        const struct mt_tally_host *host = &from->slots[i];
        if (host->ip.family != 0)
            hosts_add(into, &host->ip, host->sessions, host->transactions);
    }
}

void mt_tally_merge(struct mt_tally *into, const struct mt_tally *from)
{
    into->sessions += from->sessions;
    into->transactions += from->transactions;
    into->recipients += from->recipients;
    into->content_bytes += from->content_bytes;
    into->midstream += from->midstream;
    into->one_way += from->one_way;
    into->with_gaps += from->with_gaps;
    into->truncated += from->truncated;
    for (int i = 0; i < MT_ANOMALY_COUNT; i++)
        into->anomalies[i] += from->anomalies[i];
    hosts_merge(&into->clients, &from->clients);
    hosts_merge(&into->servers, &from->servers);
}

static bool host_before(const struct mt_tally_host *a, const struct mt_tally_host *b)
{
    if (a->sessions != b->sessions)
        return a->sessions > b->sessions;
    int order = memcmp(a->ip.bytes, b->ip.bytes, sizeof(a->ip.bytes));
    return order != 0 ? order < 0 : a->ip.family < b->ip.family;
}

size_t mt_tally_top(const struct mt_tally_hosts *hosts, const struct mt_tally_host **ret_top,
                    size_t count_max)
{
    size_t count = 0;
    for (size_t i = 0; i < MT_TALLY_HOSTS; i++) {
        const struct mt_tally_host *host = &hosts->slots[i];
        if (host->ip.family == 0)
            continue;
        size_t at = count;
        while (at > 0 && host_before(host, ret_top[at - 1]))
            at--;
        if (at == count_max)
            continue;
        if (count < count_max)
            count++;
        memmove(&ret_top[at + 1], &ret_top[at], (count - 1 - at) * sizeof(*ret_top));
        ret_top[at] = host;
    }
    return count;
}
