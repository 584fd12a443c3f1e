#include "export/community_id.h"
#include "export/json.h"
#include "pipeline/match_priv.h"
#include "pipeline/worker_priv.h"
#include "sigma/events.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

/* Room for any record: what a session may keep (64 KiB by default), six output
 * bytes for each at worst, and the frame around it. Reserved, touched as used. */
#define LINE_CAP ((size_t)4 << 20)

/* A worker's share is a little more than its part: flows spread by hash, never
 * evenly. */
static uint32_t share_of(uint64_t total, uint32_t share)
{
    return (uint32_t)(share == 1 ? total : total / share + total / (8 * (uint64_t)share));
}

static void put_native(struct mt_worker *worker, const struct mt_record_session *record)
{
    const struct mt_worker_output *output = worker->output;
    struct mt_buf line = output->room ? output->room(worker->output_ctx) : mt_buf(NULL, 0);
    line.overflow = !output->room;
    if (MT_LIKELY(!line.overflow))
        mt_json_put_session(&line, record);
    if (line.overflow) {
        line = mt_buf(worker->line, worker->line_cap);
        mt_json_put_session(&line, record);
    }
    if (line.overflow) {
        mt_stats_add(&worker->stats, MT_COUNTER_EXPORT_SHED, 1);
        return;
    }
    mt_stats_add(&worker->stats, MT_COUNTER_EXPORT_RECORDS, 1);
    output->line(worker->output_ctx, mt_buf_span(&line), worker->now.number);
}

static void put_documents(struct mt_worker *worker, const struct mt_record_session *record)
{
    for (size_t i = 0; i < mt_encoders_count(worker->encoders); i++) {
        struct mt_buf packed = mt_buf(worker->line, worker->line_cap);
        bool is_whole = mt_encoders_pack(worker->encoders, i, record, &packed);
        mt_stats_add(&worker->stats, MT_COUNTER_EXPORT_SHED, !is_whole);
        if (packed.size == 0)
            continue;
        mt_stats_add(&worker->stats, MT_COUNTER_EXPORT_RECORDS, 1);
        worker->output->document(worker->output_ctx, mt_buf_span(&packed), worker->now.number);
    }
}

static void put_record(struct mt_worker *worker, const struct mt_record_session *record)
{
    if (worker->sink->record)
        worker->sink->record(worker->sink_ctx, record);
    if (worker->sink->sessions)
        put_native(worker, record);
    put_documents(worker, record);
}

static void put_redacted(struct mt_worker *worker, const struct mt_record_session *record)
{
    struct mt_record_session redacted;
    if (mt_redact_session(worker->redact, record, &redacted))
        put_record(worker, &redacted);
    else
        mt_stats_add(&worker->stats, MT_COUNTER_EXPORT_SHED, 1);
}

/* When the record was due: of its packets and times alone, not of when the wheel
 * turned. last: time of its last packet. */
static uint64_t completed_at(const struct mt_worker *worker, uint64_t last)
{
    if (worker->closing == MT_CLOSING_NOW)
        return worker->now.time;
    bool is_idle = worker->closing == MT_CLOSING_IDLE;
    return last + (is_idle ? worker->config->idle_timeout * MT_SEC : 0);
}

static void on_feed(void *ctx, struct mt_span feed)
{
    struct mt_worker *worker = ctx;
    worker->output->feed(worker->output_ctx, feed, worker->now.number);
}

static void put_feed(struct mt_worker *worker, const struct mt_sigma_match *match)
{
    struct mt_buf packed = mt_buf(worker->line, mt_min_u64(worker->line_cap, MT_SIGMA_FEED_MAX));
    const struct mt_match_feed feed = {.completed = completed_at(worker, match->session->event_end),
                                       .sequence = worker->feed_count++,
                                       .hides = worker->redact != NULL};
    if (mt_match_join_feed(match, &feed, worker->joiner, on_feed, worker))
        return;
    if (mt_match_pack_feed(match, &feed, &packed))
        on_feed(worker, mt_buf_span(&packed));
    else
        mt_stats_add(&worker->stats,
                     packed.overflow ? MT_COUNTER_CORRELATED_SHED : MT_COUNTER_CORRELATED_UNGROUPED, 1);
}

static void on_match(void *ctx, const struct mt_sigma_match *match)
{
    struct mt_worker *worker = ctx;
    if (match->feeds)
        put_feed(worker, match);
    if (match->rule->is_silent)
        return;
    struct mt_buf packed = mt_buf(worker->line, mt_min_u64(worker->line_cap, MT_MATCH_MAX));
    if (mt_match_pack(match, worker->redact != NULL, &packed))
        worker->output->match(worker->output_ctx, mt_buf_span(&packed), worker->now.number);
    else
        mt_stats_add(&worker->stats, MT_COUNTER_ALERTS_SHED, 1);
}

static void count_rules(struct mt_worker *worker, const struct mt_sigma_counts *before)
{
    const struct mt_sigma_counts *counts = mt_sigma_counts(worker->rules);
    mt_stats_add(&worker->stats, MT_COUNTER_RULES_EVENTS, counts->events - before->events);
    mt_stats_add(&worker->stats, MT_COUNTER_RULES_FILTERED, counts->filtered - before->filtered);
    mt_stats_add(&worker->stats, MT_COUNTER_RULES_REGEX_CUTS, counts->regex_cuts - before->regex_cuts);
}

/* Rules see the record as it is; what they say of it goes through the redactor. */
static void judge_record(struct mt_worker *worker, const struct mt_record_session *record)
{
    struct mt_sigma_counts before = *mt_sigma_counts(worker->rules);
    worker->feed_count = MT_SIGMA_SEQUENCE_RECORD;
    mt_sigma_evaluate(worker->rules, record, on_match, worker);
    mt_sigma_joiner_flush(worker->joiner, on_feed, worker);
    count_rules(worker, &before);
}

static void judge_event(struct mt_worker *worker, enum mt_sigma_category category,
                        const struct mt_sigma_event *event)
{
    struct mt_sigma_counts before = *mt_sigma_counts(worker->rules);
    worker->feed_count = worker->event_feeds;
    mt_sigma_evaluate_event(worker->rules, category, event, on_match, worker);
    worker->event_feeds = worker->feed_count & (MT_SIGMA_SEQUENCE_FINDING - 1);
    count_rules(worker, &before);
}

/* What --any-port has taken up is mail only when the client has proven it; what was
 * said before is not told. */
static bool is_mail(const struct mt_worker *worker, const struct mt_session *session,
                    const struct mt_record_session *known)
{
    if (MT_LIKELY(!worker->config->any_port))
        return true;
    uint16_t ports[] = {(uint16_t)known->source_port, (uint16_t)known->destination_port};
    for (size_t i = 0; i < MT_ARRAY_COUNT(ports); i++) {
        if (worker->ports[ports[i] >> 3] >> (ports[i] & 7) & 1)
            return true;
    }
    return mt_session_guess(session) == MT_SESSION_MAIL;
}

static void on_command(void *ctx, const struct mt_session *session, const struct mt_record_session *known,
                       const struct mt_record_command *command)
{
    struct mt_worker *worker = ctx;
    const struct mt_sigma_event event = {.session = known, .command = command};
    if (!is_mail(worker, session, known))
        return;
    if (worker->sink->command)
        worker->sink->command(worker->sink_ctx, known, command);
    if (worker->rules)
        judge_event(worker, MT_SIGMA_COMMAND, &event);
}

static void on_reply(void *ctx, const struct mt_session *session, const struct mt_record_session *known,
                     const struct mt_record_reply *reply)
{
    struct mt_worker *worker = ctx;
    const struct mt_sigma_event event = {.session = known, .reply = reply};
    if (!is_mail(worker, session, known))
        return;
    if (worker->sink->reply)
        worker->sink->reply(worker->sink_ctx, known, reply);
    if (worker->rules)
        judge_event(worker, MT_SIGMA_REPLY, &event);
}

static void write_record(struct mt_worker *worker, struct mt_record_session *record,
                         uint8_t community_id[MT_COMMUNITY_ID_SIZE])
{
    struct mt_tuple tuple = {
        .src = record->source_ip,
        .dst = record->destination_ip,
        .src_port = (uint16_t)record->source_port,
        .dst_port = (uint16_t)record->destination_port,
    };
    mt_community_id(&tuple, community_id);
    record->network_community_id = mt_span(community_id, MT_COMMUNITY_ID_SIZE);
    if (worker->rules)
        judge_record(worker, record);
    if (worker->redact)
        put_redacted(worker, record);
    else
        put_record(worker, record);
}

static void on_record(void *ctx, struct mt_record_session *record)
{
    struct mt_worker *worker = ctx;
    uint8_t community_id[MT_COMMUNITY_ID_SIZE];
    mt_tally_prefetch(worker->tally, record);
    mt_stats_add(&worker->stats, MT_COUNTER_SESSIONS, 1);
    mt_stats_add(&worker->stats, MT_COUNTER_TRANSACTIONS, record->transactions_total);
    mt_stats_add(&worker->stats, MT_COUNTER_ANOMALIES, record->anomalies.count);
    mt_stats_add(&worker->stats, MT_COUNTER_SESSIONS_ONE_WAY,
                 record->direction && strcmp(record->direction, "both") != 0);
    mt_stats_add(&worker->stats, MT_COUNTER_SESSIONS_TRUNCATED, record->truncated.count > 0);
    mt_tally_count_record(&worker->stats, record);
    if (worker->sink->sessions || worker->sink->record || worker->encoders || worker->rules)
        write_record(worker, record, community_id);
    mt_tally_add(worker->tally, record);
}

static void on_observation(void *ctx, const struct mt_observation *observation)
{
    struct mt_worker *worker = ctx;
    mt_stats_add(&worker->stats, MT_COUNTER_OBSERVATIONS, 1);
    worker->output->observation(worker->output_ctx, observation,
                                completed_at(worker, observation->mark.time));
}

static void on_transcript(void *ctx, const struct mt_session *session, enum mt_transcript_kind kind,
                          enum mt_side side, struct mt_span text, uint64_t count, const struct mt_mark *mark)
{
    struct mt_worker *worker = ctx;
    if (worker->redact && kind == MT_TRANSCRIPT_LINE)
        text = mt_redact_text(worker->redact, MT_PRIVACY_LINE, text);
    worker->sink->transcript(worker->sink_ctx, session, kind, side, text, count, mark);
}

static int worker_rooms(struct mt_worker *worker, uint32_t share, const struct mt_frame_hold *hold)
{
    const struct mt_pipeline_config *config = worker->config;
    struct mt_flow_config flow_config = {.flows_max = share_of(config->flows_max, share),
                                         .is_long_lived = config->is_long_run};
    worker->flows_max = flow_config.flows_max;
    int rc = mt_flow_table_create(&flow_config, &worker->stats, &worker->flows);
    if (rc == 0)
        rc = mt_arena_create(config->memory_max / share, &worker->arena);
    struct mt_stream_config stream_config = config->stream;
    stream_config.hold = hold;
    if (rc == 0)
        rc = mt_stream_engine_create(&stream_config, worker->arena, &worker->stats, &worker->streams);
    if (rc == 0 && config->dns)
        rc = mt_dns_table_create(config->dns_memory, &worker->stats, &worker->names);
    if (rc != 0)
        return rc;
    worker->offers = mt_offers_open_desk(config->offers, &worker->stats);
    struct mt_session_config session_config = {
        .limits = config->limits,
        .site = config->site,
        .names = worker->names,
        .offers = worker->offers,
        .observer_name = config->observer_name,
        .observer_version = config->observer_version,
        .convert = mt_charset_convert,
        .convert_ctx = &worker->charsets,
        .sessions_max = flow_config.flows_max,
        .is_long_run = config->is_long_run,
    };
    if (config->extract) {
        session_config.extract = (struct mt_session_extract){.begin = mt_extract_begin,
                                                             .put = mt_extract_put,
                                                             .end = mt_extract_end,
                                                             .ctx = mt_extract_open_desk(config->extract)};
        if (!session_config.extract.ctx)
            return -ENOMEM;
    }
    if (config->magic) {
        session_config.magic = (struct mt_session_magic){
            .ask = mt_magic_ask, .answer = mt_magic_answer, .ctx = mt_magic_open(config->magic)};
        if (!session_config.magic.ctx)
            return -ENOMEM;
    }
    struct mt_session_events events = {
        .record = on_record,
        .observation = on_observation,
        .command = on_command,
        .reply = on_reply,
        .transcript = worker->sink->transcript ? on_transcript : NULL,
    };
    return mt_session_engine_create(&session_config, worker->arena, &events, worker, &worker->stats,
                                    &worker->sessions);
}

int mt_worker_create(const struct mt_pipeline_config *config, uint32_t share,
                     const struct mt_frame_hold *hold, const struct mt_pipeline_sink *sink, void *sink_ctx,
                     const struct mt_worker_output *output, void *output_ctx, struct mt_worker **ret_worker)
{
    struct mt_worker *worker = aligned_alloc(MT_CACHE_LINE, sizeof(*worker));
    if (!worker)
        return -ENOMEM;
    memset(worker, 0, sizeof(*worker));
    worker->config = config;
    worker->sink = sink;
    worker->sink_ctx = sink_ctx;
    worker->output = output;
    worker->output_ctx = output_ctx;
    for (uint32_t i = 0; i < config->port_count; i++)
        worker->ports[config->ports[i] >> 3] |= (uint8_t)(1u << (config->ports[i] & 7));
    worker->tally = calloc(1, sizeof(*worker->tally));
    worker->line_cap = LINE_CAP;
    void *line =
        mmap(NULL, LINE_CAP, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    worker->line = line == MAP_FAILED ? NULL : line;
    int rc = worker->tally && worker->line ? worker_rooms(worker, share, hold) : -ENOMEM;
    if (rc == 0)
        rc = mt_encoders_create(config, &worker->encoders);
    if (rc == 0)
        rc = mt_redact_create(&config->redact, &worker->redact);
    if (rc == 0)
        rc = mt_sigma_joiner_create(&worker->joiner);
    if (rc != 0) {
        mt_worker_destroy(worker);
        return rc;
    }
    *ret_worker = worker;
    return 0;
}

/* Commands and replies cost something each: they are told only where somebody asks. */
static void want_events(struct mt_worker *worker, const struct mt_sigma *sigma)
{
    bool commands = worker->sink->command || (sigma && mt_sigma_wants(sigma, MT_SIGMA_COMMAND));
    bool replies = worker->sink->reply || (sigma && mt_sigma_wants(sigma, MT_SIGMA_REPLY));
    mt_session_engine_want(worker->sessions, (commands ? MT_SESSION_WANTS_COMMANDS : 0u) |
                                                 (replies ? MT_SESSION_WANTS_REPLIES : 0u));
}

void mt_worker_use_rules(struct mt_worker *worker, const struct mt_sigma *sigma, uint32_t index)
{
    bool has_any = sigma && mt_sigma_active_count(sigma) > 0;
    worker->rules = has_any ? mt_sigma_evaluator(sigma, index) : NULL;
    want_events(worker, has_any ? sigma : NULL);
}

void mt_worker_destroy(struct mt_worker *worker)
{
    if (!worker)
        return;
    mt_session_engine_destroy(worker->sessions);
    mt_stream_engine_destroy(worker->streams);
    mt_arena_destroy(worker->arena);
    mt_dns_table_destroy(worker->names);
    mt_flow_table_destroy(worker->flows);
    mt_charset_cache_fini(&worker->charsets);
    mt_encoders_destroy(worker->encoders);
    mt_redact_destroy(worker->redact);
    mt_sigma_joiner_destroy(worker->joiner);
    if (worker->line)
        munmap(worker->line, worker->line_cap);
    free(worker->tally);
    free(worker);
}
