/* One worker: packets of a burst to flows, streams and sessions; finished
 * records encoded into blocks, facts handed on.
 *
 * Ownership: the worker owns its tables, arenas and counters. Thread: one.
 * Limits: shares of the run's flows and memory.
 */
#ifndef MT_PIPELINE_WORKER_PRIV_H
#define MT_PIPELINE_WORKER_PRIV_H

#include "dns/table.h"
#include "flow/flow.h"
#include "packet/packet.h"
#include "pipeline/charset_priv.h"
#include "pipeline/encode_priv.h"
#include "pipeline/pipeline.h"

/* Where a worker's results go: straight to the collector, or into blocks for
 * its thread. */
struct mt_worker_output {
    /* Where line takes it from without copying; overflow there is none. NULL: nowhere. */
    struct mt_buf (*room)(void *ctx);
    /* mt_detect_expect_probe, mt_detect_fetch_probe; NULL: the rules are elsewhere. */
    uint64_t (*expect_probe)(void *ctx, const struct mt_ip *client);
    void (*fetch_probe)(void *ctx, uint64_t expected);
    void (*line)(void *ctx, struct mt_span line, uint64_t number);
    void (*observation)(void *ctx, const struct mt_observation *observation, uint64_t completed);
    void (*document)(void *ctx, struct mt_span packed, uint64_t number);
    void (*match)(void *ctx, struct mt_span packed, uint64_t number); /* match_priv.h */
    void (*feed)(void *ctx, struct mt_span packed, uint64_t number);  /* sigma/correlate.h */
};

/* How a flow ended, which says how long after its last packet its record comes. */
enum mt_closing {
    MT_CLOSING_NOW,      /* by the packet in hand, or with the run */
    MT_CLOSING_LINGERED, /* it had ended before */
    MT_CLOSING_IDLE,     /* nothing came for the idle timeout */
};

struct mt_worker {
    struct mt_stats stats;
    struct mt_flow_table *flows;
    struct mt_stream_engine *streams;
    struct mt_session_engine *sessions;
    struct mt_arena *arena;
    struct mt_dns_table *names; /* NULL: not asked for */
    struct mt_offers *offers;
    const struct mt_pipeline_config *config;
    const struct mt_pipeline_sink *sink;
    void *sink_ctx;
    const struct mt_worker_output *output;
    void *output_ctx;
    struct mt_mark now; /* the packet being processed */
    uint64_t round_end; /* of the round of offers that it has come to */
    struct mt_charset_cache charsets;
    struct mt_sigma_eval *rules; /* NULL: none */
    struct mt_sigma_joiner *joiner;
    struct mt_redact *redact;     /* NULL: nothing is taken out */
    struct mt_encoders *encoders; /* NULL: native lines are all */
    struct mt_tally *tally;
    enum mt_closing closing; /* of the record in hand */
    uint32_t feed_count;     /* sequence of the next feed */
    uint32_t event_feeds;    /* feeds of commands and replies so far */
    uint32_t flows_max;      /* of its table */
    uint8_t *line;           /* the record being encoded */
    size_t line_cap;
    uint8_t ports[65536 / 8];
};

/* share: how many workers the run's limits are split among. hold: of the source,
 * or NULL. */
int mt_worker_create(const struct mt_pipeline_config *config, uint32_t share,
                     const struct mt_frame_hold *hold, const struct mt_pipeline_sink *sink, void *sink_ctx,
                     const struct mt_worker_output *output, void *output_ctx, struct mt_worker **ret_worker);
void mt_worker_destroy(struct mt_worker *worker);

/* At most MT_BURST_MAX packets, in packet order; then the wheel is turned to
 * now (the time of the run's newest packet, which another worker may have). */
void mt_worker_burst(struct mt_worker *worker, const struct mt_packet *packets, size_t count, uint64_t now);

/* Of names, between two bursts, in the order of their time. */
void mt_worker_answer(struct mt_worker *worker, const struct mt_dns_answer *answer);

/* Is there a connection of these ends? */
bool mt_worker_knows(const struct mt_worker *worker, const struct mt_tuple *tuple);

/* Nothing of rounds before this one will come (session/offers.h). */
void mt_worker_enter_round(struct mt_worker *worker, uint64_t round);

/* No packet came up to now: what has timed out by then is ended. */
void mt_worker_idle(struct mt_worker *worker, const struct mt_mark *now);

/* The rules that its records are held against; NULL: none. Between two bursts. */
void mt_worker_use_rules(struct mt_worker *worker, const struct mt_sigma *sigma, uint32_t index);

/* Between two bursts. Sessions that are open keep what they have judged. */
void mt_worker_reload(struct mt_worker *worker, const struct mt_site *site,
                      const struct mt_detect_config *detect);

/* Ends every session: by timeout where it has passed at now, else as cut by the
 * end of the capture. now: the last frame of the run, which another worker may
 * have had. */
void mt_worker_finish(struct mt_worker *worker, const struct mt_mark *now);

#endif
