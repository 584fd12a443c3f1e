/* Where the frames of a trace come from. */
#include "capture/files.h"
#include "trace.h"
#include "traffic.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int add_frame(struct mt_trace *trace, const struct mt_frame *frame, uint64_t *first_time)
{
    if (frame->link != MT_LINK_ETHERNET) {
        trace->skipped_link++;
        return 0;
    }
    if (trace->count == 0)
        *first_time = frame->mark.time;
    return mt_trace_add(trace, frame->data, frame->size, frame->wire_size, frame->mark.time - *first_time);
}

int mt_trace_read(struct mt_trace *trace, const char *path, char *ret_reason, size_t reason_size)
{
    struct mt_capture_files_config config = {.paths = &path, .path_count = 1};
    struct mt_stats stats;
    struct mt_frame frames[MT_BURST_MAX];
    struct mt_capture *capture;
    uint64_t first_time = 0;
    bool is_end = false;
    memset(&stats, 0, sizeof(stats));
    int rc = mt_capture_files_open(&config, &stats, ret_reason, reason_size, &capture);
    if (rc != 0)
        return rc;
    while (rc == 0 && !is_end) {
        size_t count = capture->ops->burst(capture, frames, MT_BURST_MAX, &is_end);
        for (size_t i = 0; rc == 0 && i < count; i++)
            rc = add_frame(trace, &frames[i], &first_time);
        capture->ops->release(capture);
        is_end |= count == 0;
    }
    if (rc == 0 && capture->damage_count > 0) {
        snprintf(ret_reason, reason_size, "%s: damaged at byte %llu: %s", path,
                 (unsigned long long)capture->damage[0].off, capture->damage[0].reason);
        rc = -EBADMSG;
    } else if (rc != 0) {
        snprintf(ret_reason, reason_size, "%s: %s", path, strerror(-rc));
    }
    capture->ops->close(capture);
    return rc;
}

int mt_trace_generate(struct mt_trace *trace, const char *profile, uint64_t sessions, uint64_t seed,
                      char *ret_reason, size_t reason_size)
{
    struct mt_traffic_config config;
    struct mt_traffic *traffic;
    uint8_t frame[MT_TRAFFIC_FRAME_MAX];
    uint64_t time;
    size_t size;
    mt_traffic_config_init(&config);
    config.profile = profile;
    config.sessions = sessions;
    config.seed = seed;
    config.size_mean_cap = 50000; /* as scripts/bench: one giant must not fill the trace */
    int rc = mt_traffic_create(&config, &traffic);
    if (rc == 0) {
        while (rc == 0 && (size = mt_traffic_next(traffic, frame, &time)) > 0)
            rc = mt_trace_add(trace, frame, (uint32_t)size, (uint32_t)size, time - config.start);
        if (rc == 0)
            rc = mt_traffic_error(traffic);
        mt_traffic_destroy(traffic);
    }
    if (rc != 0)
        snprintf(ret_reason, reason_size, "profile %s: %s", profile,
                 rc == -ENOENT ? "there is none of this name; mailtap-traffic --help lists them"
                               : strerror(-rc));
    return rc;
}
