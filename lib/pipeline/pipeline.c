#include "pipeline/pipeline.h"

#include "pipeline/pipeline_priv.h"
#include "pipeline/threads_priv.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint16_t default_ports[] = {25, 465, 587, 2525};

#define FLOWS_MAX (1u << 20)
#define MEMORY_MAX ((size_t)512 << 20)
#define IDLE_TIMEOUT 630u

struct mt_pipeline_config mt_pipeline_filled(const struct mt_pipeline_config *given)
{
    struct mt_pipeline_config config = *given;
    if (config.workers == 0)
        config.workers = 1;
    if (config.port_count == 0) {
        config.port_count = MT_ARRAY_COUNT(default_ports);
        memcpy(config.ports, default_ports, sizeof(default_ports));
    }
    if (config.flows_max == 0)
        config.flows_max = FLOWS_MAX;
    if (config.memory_max == 0)
        config.memory_max = MEMORY_MAX;
    if (config.idle_timeout == 0)
        config.idle_timeout = IDLE_TIMEOUT;
    if (!config.site)
        config.site = &mt_site_default;
    /* a greeting that the rule would not count needs no observation, any other does */
    if (config.limits.helo_threshold == 0)
        config.limits.helo_threshold = config.detect.helo_score;
    return config;
}

/* --- one worker, in the calling thread -------------------------------------- */

static struct mt_buf direct_room(void *ctx)
{
    return mt_collector_room(ctx);
}

static uint64_t direct_expect_probe(void *ctx, const struct mt_ip *client)
{
    const struct mt_collector *collector = ctx;
    return mt_detect_expect_probe(collector->detect, client);
}

static void direct_fetch_probe(void *ctx, uint64_t expected)
{
    const struct mt_collector *collector = ctx;
    mt_detect_fetch_probe(collector->detect, expected);
}

static void direct_line(void *ctx, struct mt_span line, uint64_t number)
{
    (void)number;
    mt_collector_line(ctx, line);
}

static void direct_observation(void *ctx, const struct mt_observation *observation, uint64_t completed)
{
    mt_collector_observe(ctx, observation, completed);
}

static void direct_document(void *ctx, struct mt_span packed, uint64_t number)
{
    (void)number;
    mt_collector_document(ctx, packed);
}

static void direct_match(void *ctx, struct mt_span packed, uint64_t number)
{
    (void)number;
    mt_collector_match(ctx, packed);
}

static void direct_feed(void *ctx, struct mt_span packed, uint64_t number)
{
    (void)number;
    mt_collector_feed(ctx, packed);
}

static const struct mt_worker_output direct_output = {
    .room = direct_room,
    .expect_probe = direct_expect_probe,
    .fetch_probe = direct_fetch_probe,
    .line = direct_line,
    .observation = direct_observation,
    .document = direct_document,
    .match = direct_match,
    .feed = direct_feed,
};

static int single_run(const struct mt_pipeline_config *config, struct mt_capture *capture,
                      struct mt_front *front, struct mt_collector *collector,
                      struct mt_pipeline_result *result)
{
    struct mt_worker *worker;
    int rc = mt_worker_create(config, 1, NULL, collector->sink, collector->sink_ctx, &direct_output,
                              collector, &worker);
    if (rc != 0)
        return rc;
    mt_worker_use_rules(worker, config->sigma, 0);
    struct mt_frame frames[MT_BURST_MAX];
    uint64_t last_number = 0;
    bool is_end = false;
    while (!is_end && !(config->stop && atomic_load_explicit(config->stop, memory_order_relaxed))) {
        size_t count = capture->ops->burst(capture, frames, MT_BURST_MAX, &is_end);
        if (count > 0) {
            if (result->first_time == 0)
                result->first_time = frames[0].mark.time;
            result->last_time = frames[count - 1].mark.time;
            last_number = frames[count - 1].mark.number;
            mt_front_burst(front, worker, frames, count);
            mt_collector_advance(collector, worker->now.time);
        }
        capture->ops->release(capture);
    }
    mt_worker_finish(worker, &(struct mt_mark){.time = result->last_time, .number = last_number});
    if (MT_UNLIKELY(collector->statistics_rules)) {
        struct mt_stats sum = {.counter = {0}};
        mt_stats_sum(&sum, capture->stats);
        mt_stats_sum(&sum, &worker->stats);
        mt_collector_run_statistics(collector, result, &sum);
    }
    mt_collector_end(collector);
    mt_collector_flush(collector);
    mt_stats_sum(&result->stats, &worker->stats);
    struct mt_tally *tally = worker->tally;
    worker->tally = NULL;
    mt_worker_destroy(worker);
    result->tally = *tally;
    free(tally);
    return 0;
}

void mt_pipeline_inferred(struct mt_pipeline_result *result, const struct mt_collector *collector)
{
    size_t count_max = MT_ARRAY_COUNT(result->inferred);
    struct mt_span domains[MT_ARRAY_COUNT(result->inferred)];
    result->inferred_count = (uint32_t)mt_detect_inferred_domains(collector->detect, domains, count_max);
    for (size_t i = 0; i < mt_min_u64(result->inferred_count, count_max); i++) {
        size_t size = mt_min_u64(domains[i].size, sizeof(result->inferred_text[i]));
        memcpy(result->inferred_text[i], domains[i].ptr, size);
        result->inferred[i] = mt_span(result->inferred_text[i], size);
    }
}

static int refuse(char *ret_reason, size_t reason_size, int rc, const char *what)
{
    snprintf(ret_reason, reason_size, "%s: %s", what, strerror(-rc));
    return rc;
}

/* The tally's two thirds of a megabyte are touched at the end, when the memory of
 * the sessions has been given back. */
static void result_clear(struct mt_pipeline_result *result)
{
    size_t behind = offsetof(struct mt_pipeline_result, tally) + sizeof(result->tally);

    memset(result, 0, offsetof(struct mt_pipeline_result, tally));
    memset((uint8_t *)result + behind, 0, sizeof(*result) - behind);
}

int mt_pipeline_run(const struct mt_pipeline_config *given, struct mt_capture *capture,
                    const struct mt_pipeline_sink *sink, void *ctx, char *ret_reason, size_t reason_size,
                    struct mt_pipeline_result *ret_result)
{
    struct mt_pipeline_config config = mt_pipeline_filled(given);
    if (config.workers > MT_WORKERS_MAX)
        return refuse(ret_reason, reason_size, -EINVAL, "too many workers");
    if (sink->transcript || sink->record || sink->command || sink->reply || !capture->persistent)
        config.workers = 1;
    struct mt_pipeline_result *result = ret_result;
    result_clear(result);
    result->workers = config.workers;

    struct mt_front front;
    int rc = mt_front_init(&front, &config, capture->stats);
    if (rc != 0)
        return refuse(ret_reason, reason_size, rc, "can't set up the fragment table");
    rc = mt_offers_board_create(config.workers, &config.offers);
    if (rc != 0) {
        mt_front_fini(&front);
        return refuse(ret_reason, reason_size, rc, "can't set up the table of what servers offer");
    }
    struct mt_collector *collector;
    rc = mt_collector_create(&config, sink, ctx, &collector);
    if (rc != 0) {
        mt_offers_board_destroy(config.offers);
        mt_front_fini(&front);
        return refuse(ret_reason, reason_size, rc, "can't set up the rules");
    }
    rc = config.workers == 1 ? single_run(&config, capture, &front, collector, result)
                             : mt_threads_run(&config, capture, &front, collector, result);
    if (rc == 0) {
        mt_fragment_flush(front.fragments);
        mt_stats_sum(&result->stats, capture->stats);
        mt_stats_sum(&result->stats, &collector->stats);
        mt_pipeline_inferred(result, collector);
    }
    mt_collector_destroy(collector);
    mt_offers_board_destroy(config.offers);
    mt_front_fini(&front);
    return rc == 0 ? 0 : refuse(ret_reason, reason_size, rc, "the run could not be set up");
}
