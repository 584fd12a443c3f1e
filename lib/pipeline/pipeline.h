/* One run: frames from a capture source through every room to records, alerts
 * and a tally. One worker runs in the calling thread; with more, the calling
 * thread reads and deals packets by symmetric hash, each worker has a thread of
 * its own, and a collector thread merges what they hand over in packet order.
 *
 * The set of records and alerts is the same for any number of workers.
 *
 * Ownership: the caller's structs are borrowed for the run. Thread: called from
 * one; sink functions are called from the collector (with one worker: from the
 * caller), never from two threads at a time. Limits: MT_WORKERS_MAX; a source
 * whose bytes don't persist (a stream) is run with one worker.
 */
#ifndef MT_PIPELINE_PIPELINE_H
#define MT_PIPELINE_PIPELINE_H

#include "capture/capture.h"
#include "detect/detect.h"
#include "export/format.h"
#include "extract/extract.h"
#include "magic/magic.h"
#include "pipeline/tally.h"
#include "redact/redact.h"
#include "session/session.h"
#include "sigma/events.h"
#include "stream/stream.h"

#define MT_WORKERS_MAX 64u
#define MT_PORTS_MAX 64u

#define MT_PIPELINE_ENCODINGS_MAX 32u

/* A form, besides the native lines, in which session records are wanted. */
struct mt_pipeline_encoding {
    const struct mt_format_ops *format;
    struct mt_format_options options;
};

/* One record in one of them. */
struct mt_pipeline_document {
    const struct mt_format_text *texts;
    size_t text_count;
    uint64_t time;
    uint32_t encoding;  /* its index */
    struct mt_span id;  /* event.id */
    struct mt_span key; /* the client's address, as text */
};

struct mt_pipeline_config {
    uint32_t workers; /* 0: 1 */
    uint16_t ports[MT_PORTS_MAX];
    uint32_t port_count;   /* 0: 25, 465, 587, 2525 */
    bool any_port;         /* SMTP on other ports too, where a greeting and a verb prove it */
    bool dns;              /* look at answers on port 53, to know what hosts are called */
    size_t dns_memory;     /* 0: 8 MiB for these a worker */
    uint32_t flows_max;    /* 0: 1 Mi in all */
    size_t memory_max;     /* 0: 512 MiB for what sessions keep, in all */
    uint32_t idle_timeout; /* 0: 630 s, RFC 5321 §4.5.3.2.6's ten minutes and some slack */
    struct mt_stream_config stream;
    struct mt_session_limits limits;
    struct mt_detect_config detect;
    const struct mt_site *site;
    struct mt_span observer_name;
    const char *observer_version;
    struct mt_redact_config redact;               /* of all that a sink is given */
    const struct mt_pipeline_encoding *encodings; /* what sink.document is called with */
    uint32_t encoding_count;
    bool is_long_run;               /* memory/pages.h; set for live runs */
    struct mt_extract *extract;     /* writes messages and parts to files, likewise */
    struct mt_magic *magic;         /* tells the kinds of parts, with a desk for each worker; NULL: nobody */
    const struct mt_sigma *sigma;   /* rules, with an evaluator for each worker; NULL: none */
    struct mt_offers_board *offers; /* with a desk for each worker; set by the run */
    size_t correlation_memory;      /* 0: 64 MiB for what their correlations keep */
    const _Atomic bool *stop; /* when it turns true the run ends as at the end of the capture; may be NULL */
};

struct mt_pipeline_sink {
    /* count NDJSON lines. NULL when nobody wants them: then they are not encoded. */
    void (*sessions)(void *ctx, struct mt_span lines, uint64_t count);
    void (*alert)(void *ctx, const struct mt_record_alert *alert, enum mt_rule rule, enum mt_level level);
    /* Must be there when config.encoding_count is not 0. */
    void (*document)(void *ctx, const struct mt_pipeline_document *document);
    /* What correlations need (sigma/wire.h), to be judged elsewhere; NULL: they are
     * judged here. key: hexadecimal digits, the same for what belongs together; without
     * one it is a mark, of which a sink that finds them too many may leave out all but
     * the last one (is_last), behind which nothing comes. */
    void (*event)(void *ctx, struct mt_span key, struct mt_span event, bool is_last);
    /* One worker only; NULL unless wanted. See mt_session_events. */
    void (*transcript)(void *ctx, const struct mt_session *session, enum mt_transcript_kind kind,
                       enum mt_side side, struct mt_span text, uint64_t count, const struct mt_mark *mark);
    /* One worker only; NULL unless wanted: commands and replies as they come. */
    void (*command)(void *ctx, const struct mt_record_session *session,
                    const struct mt_record_command *command);
    void (*reply)(void *ctx, const struct mt_record_session *session, const struct mt_record_reply *reply);
    /* NULL unless wanted: each finding, whatever rules make of it. */
    void (*finding)(void *ctx, const struct mt_record_session *session,
                    const struct mt_record_finding *finding);
    /* One worker only; NULL unless wanted: each record as it is built. */
    void (*record)(void *ctx, const struct mt_record_session *record);
};

struct mt_pipeline_result {
    struct mt_stats stats;
    struct mt_tally tally;
    uint32_t workers;   /* that really ran */
    bool is_sink_stuck; /* live: a sink function never returned, its thread is still in it */
    uint64_t first_time;
    uint64_t last_time;
    uint32_t inferred_count; /* local domains inferred without a site file; all of them */
    struct mt_span inferred[16];
    uint8_t inferred_text[16][256];
};

/* What rules of category statistics are held against at the end of a run over files:
 * the run as a whole. */
void mt_pipeline_statistics(const struct mt_pipeline_result *result,
                            struct mt_sigma_statistics *ret_statistics);

/* Runs the source to its end (or stop). 0, or -errno when it could not start;
 * the sentence is in ret_reason. */
int mt_pipeline_run(const struct mt_pipeline_config *config, struct mt_capture *capture,
                    const struct mt_pipeline_sink *sink, void *ctx, char *ret_reason, size_t reason_size,
                    struct mt_pipeline_result *ret_result);

#endif
