/* Findings of detect: held against the rules about them on the collector's thread, and
 * made alerts by those that match. */
#include "pipeline/collector_priv.h"

/* By bit. */
static const char *const helo_findings[32] = {
#define MT_HELO_TEST(ident, number, finding, points, text) [(number)-1] = finding,
#include "record/helo_tests.def"
#undef MT_HELO_TEST
};

static void put_helo(struct mt_finding_event *event, const struct mt_observation *o)
{
    struct mt_record_finding *finding = &event->finding;
    uint32_t count = 0;
    for (uint32_t left = o->findings; left != 0; left &= left - 1) {
        const char *name = helo_findings[__builtin_ctz(left)];
        if (name)
            event->helo_findings[count++] = name;
    }
    finding->helo_name = mt_observed_subject(o);
    finding->helo_findings = (struct mt_names){.items = event->helo_findings, .count = count};
    finding->helo_score = o->score;
}

static void put_probe(struct mt_record_finding *finding, const struct mt_observation *o)
{
    *(o->is_expn ? &finding->expn_argument : &finding->vrfy_argument) = mt_observed_subject(o);
    *(o->is_expn ? &finding->expn_code : &finding->vrfy_code) = o->code;
}

static void put_recipient(struct mt_record_finding *finding, const struct mt_observation *o)
{
    finding->recipient_address = mt_observed_subject(o);
    if (o->domain_size > 0)
        finding->recipient_domain = mt_observed_domain(o);
    *(o->kind == MT_OBSERVE_MESSAGE ? &finding->reply_code : &finding->recipient_code) = o->code;
    if (o->queue_id_size > 0)
        finding->queue_id = mt_span(o->queue_id, mt_min_u64(o->queue_id_size, sizeof(o->queue_id)));
}

static void fill(struct mt_finding_event *event, const struct mt_finding *found)
{
    const struct mt_observation *o = found->observation;
    const struct mt_record_alert *alert = found->alert;
    struct mt_record_session *session = &event->session; /* what is not set here is never */
    session->timestamp = o->first;
    session->event_end = alert->timestamp;
    session->event_id = alert->event_id;
    session->source_ip = alert->source_ip;
    session->source_port = alert->source_port;
    session->destination_ip = alert->destination_ip;
    session->destination_port = alert->destination_port;
    session->observer_name = alert->observer_name;
    event->finding = (struct mt_record_finding){.kind = mt_finding_name(found->kind),
                                                .count = alert->count,
                                                .window = alert->window,
                                                .confidence = alert->confidence};
    switch ((enum mt_observation_kind)o->kind) {
    case MT_OBSERVE_HELO:
        put_helo(event, o);
        break;
    case MT_OBSERVE_PROBE:
        put_probe(&event->finding, o);
        break;
    case MT_OBSERVE_RCPT:
    case MT_OBSERVE_MESSAGE:
    case MT_OBSERVE_UNSENT:
        put_recipient(&event->finding, o);
        break;
    }
}

struct judging {
    struct mt_collector *collector;
    const struct mt_finding *found;
};

static void feed(struct mt_collector *collector, const struct mt_sigma_match *match)
{
    uint32_t number = collector->finding_feeds++ & (MT_SIGMA_SEQUENCE_FINDING - 1);
    const struct mt_match_feed more = {.completed = collector->completed,
                                       .sequence = MT_SIGMA_SEQUENCE_FINDING | number,
                                       .hides = collector->redact != NULL};
    mt_collector_match_feed(collector, match, &more);
}

/* Values of the rule's `fields` behind the finding's own lines. */
static struct mt_texts with_shown(struct mt_collector *collector, const struct mt_sigma_match *match,
                                  const struct mt_texts *lines)
{
    struct mt_finding_event *event = &collector->finding_event;
    uint32_t count = (uint32_t)mt_min_u64(lines->count, MT_FINDING_LINES_MAX);
    memcpy(event->evidence, lines->items, count * sizeof(event->evidence[0]));
    for (uint32_t i = 0; i < match->shown_count && i < MT_SIGMA_SHOWN_MAX; i++) {
        struct mt_buf line = mt_buf(event->shown[i], sizeof(event->shown[i]));
        mt_match_put_evidence(match, &match->evidence[i], collector->redact != NULL, &line);
        event->evidence[count++] = mt_buf_span(&line);
    }
    return (struct mt_texts){.items = event->evidence, .count = count};
}

static void on_match(void *ctx, const struct mt_sigma_match *match)
{
    const struct judging *judging = ctx;
    struct mt_collector *collector = judging->collector;
    const struct mt_sigma_rule *rule = match->rule;
    if (match->feeds)
        feed(collector, match);
    if (rule->is_silent)
        return;
    enum mt_level level = rule->level > judging->found->level ? rule->level : judging->found->level;
    struct mt_record_alert alert = *judging->found->alert;
    alert.event_severity = mt_level_severity(level);
    alert.rule_description = rule->description ? rule->description : rule->title;
    alert.rule_id = rule->id;
    alert.rule_level = mt_level_name(level);
    alert.rule_name = rule->name;
    alert.threat_technique_id = rule->techniques;
    if (alert.threat_technique_id.count > MT_MATCH_TECHNIQUES_MAX)
        alert.threat_technique_id.count = MT_MATCH_TECHNIQUES_MAX;
    if (match->shown_count > 0)
        alert.evidence = with_shown(collector, match, &alert.evidence);
    mt_stats_add(&collector->stats, MT_COUNTER_ALERTS, 1);
    mt_collector_alert(collector, &alert, MT_RULE_LOADED, level);
}

void mt_collector_finding(void *ctx, const struct mt_finding *found)
{
    struct mt_collector *collector = ctx;
    struct mt_finding_event *event = &collector->finding_event;
    const struct mt_pipeline_sink *sink = collector->sink;
    if (!collector->finding_rules && !sink->finding)
        return;
    fill(event, found);
    if (sink->finding)
        sink->finding(collector->sink_ctx, &event->session, &event->finding);
    struct judging judging = {.collector = collector, .found = found};
    const struct mt_sigma_event one = {.session = &event->session, .finding = &event->finding};
    mt_collector_judge(collector, collector->finding_rules, MT_SIGMA_FINDING, &one, on_match, &judging);
}
