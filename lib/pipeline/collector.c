#include "pipeline/collector_priv.h"

#include "export/community_id.h"

#include <errno.h>
#include <stdlib.h>

#define LINES_CAP ((size_t)256 << 10)

static void on_alert(void *ctx, const struct mt_record_alert *alert, enum mt_rule rule, enum mt_level level)
{
    struct mt_collector *collector = ctx;
    struct mt_record_alert with_id = *alert;
    uint8_t community_id[MT_COMMUNITY_ID_SIZE];
    struct mt_tuple tuple = {
        .src = alert->source_ip,
        .dst = alert->destination_ip,
        .src_port = (uint16_t)alert->source_port,
        .dst_port = (uint16_t)alert->destination_port,
    };
    mt_community_id(&tuple, community_id);
    with_id.network_community_id = mt_span(community_id, sizeof(community_id));
    if (collector->sink->alert)
        collector->sink->alert(collector->sink_ctx, &with_id, rule, level);
}

int mt_collector_create(const struct mt_pipeline_config *config, const struct mt_pipeline_sink *sink,
                        void *sink_ctx, struct mt_collector **ret_collector)
{
    struct mt_collector *collector = aligned_alloc(MT_CACHE_LINE, sizeof(*collector));
    if (!collector)
        return -ENOMEM;
    memset(collector, 0, sizeof(*collector));
    collector->sink = sink;
    collector->sink_ctx = sink_ctx;
    collector->lines_cap = LINES_CAP;
    collector->lines = malloc(LINES_CAP);
    static const struct mt_detect_events events = {.alert = on_alert};
    int rc = collector->lines ? mt_detect_create(&config->detect, config->site, config->observer_name,
                                                 config->observer_version, &events, collector,
                                                 &collector->stats, &collector->detect)
                              : -ENOMEM;
    if (rc != 0) {
        mt_collector_destroy(collector);
        return rc;
    }
    *ret_collector = collector;
    return 0;
}

void mt_collector_destroy(struct mt_collector *collector)
{
    if (!collector)
        return;
    mt_detect_destroy(collector->detect);
    free(collector->lines);
    free(collector);
}

void mt_collector_flush(struct mt_collector *collector)
{
    if (collector->lines_size == 0)
        return;
    collector->sink->sessions(collector->sink_ctx, mt_span(collector->lines, collector->lines_size),
                              collector->lines_count);
    collector->lines_size = 0;
    collector->lines_count = 0;
}

void mt_collector_line(struct mt_collector *collector, struct mt_span line)
{
    if (line.size > collector->lines_cap - collector->lines_size)
        mt_collector_flush(collector);
    if (line.size > collector->lines_cap) {
        collector->sink->sessions(collector->sink_ctx, line, 1);
        return;
    }
    memcpy(collector->lines + collector->lines_size, line.ptr, line.size);
    collector->lines_size += line.size;
    collector->lines_count++;
}

void mt_collector_observe(struct mt_collector *collector, const struct mt_observation *observation)
{
    mt_detect_observe(collector->detect, observation);
}
