#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define START UINT64_C(1795354680000000000)

static const struct mt_span local_domains[] = {{(const uint8_t *)"example.com", 11}};

static void copy_span(char *to, size_t cap, struct mt_span from)
{
    assert_true(from.size < cap);
    memcpy(to, from.ptr, from.size);
    to[from.size] = '\0';
}

/* What is about a session must have, and an alert about capturing must not. */
static void check_session(const struct mt_record_alert *a, bool has_session)
{
    assert_int_equal(a->event_id.size, has_session ? MT_EVENT_ID_SIZE : 0);
    assert_int_equal(a->source_ip.family != 0, has_session);
    assert_int_equal(a->destination_ip.family != 0, has_session);
    assert_int_equal(a->source_port, has_session ? 40000 : 0);
    assert_int_equal(a->evidence.count >= 1, has_session);
    assert_int_equal(a->group_by.count >= 1, has_session);
}

/* What everything must have. */
static void check_frame(const struct world *world, const struct mt_record_alert *a)
{
    assert_true(a->message.size > 0);
    assert_string_equal(a->ecs_version, MT_ECS_VERSION);
    assert_int_equal(a->event_category.count, 2);
    assert_string_equal(a->event_dataset, "mailtap.alert");
    assert_string_equal(a->event_kind, "alert");
    assert_int_equal(a->observer_name.size, 5);
    assert_string_equal(a->observer_type, "sensor");
    assert_string_equal(a->observer_version, "9.9");
    assert_non_null(a->rule_category);
    assert_non_null(a->rule_version);
    assert_null(a->network_community_id.ptr);
    assert_true(a->count >= 1);
    assert_true(world->alert_count < MT_ARRAY_COUNT(world->alerts));
}

/* What a rule says of an alert. */
static void check_rule(const struct mt_record_alert *a, enum mt_rule rule, enum mt_level level)
{
    assert_in_range(a->event_severity, 1, 100);
    assert_string_equal(a->rule_name, mt_rule_name(rule));
    assert_string_equal(a->rule_description, mt_rule_description(rule));
    assert_int_equal(strlen(a->rule_id), 36);
    assert_string_equal(a->rule_level, mt_level_name(level));
    assert_true(level >= mt_rule_level(rule));
}

/* And a finding leaves to it. */
static void check_no_rule(const struct mt_record_alert *a)
{
    assert_int_equal(a->event_severity, 0);
    assert_null(a->rule_name);
    assert_null(a->rule_description);
    assert_null(a->rule_id);
    assert_null(a->rule_level);
    assert_int_equal(a->threat_technique_id.count, 0);
}

static void keep(struct world *world, const struct mt_record_alert *a, int what, enum mt_level level)
{
    struct seen_alert *seen = &world->alerts[world->alert_count++];
    *seen = (struct seen_alert){
        .what = what,
        .level = level,
        .time = a->timestamp,
        .count = a->count,
        .window = a->window,
        .evidence_count = a->evidence.count,
    };
    snprintf(seen->confidence, sizeof(seen->confidence), "%s", a->confidence);
    copy_span(seen->message, sizeof(seen->message), a->message);
    for (uint32_t i = 0; i < a->evidence.count; i++)
        copy_span(seen->evidence[i], sizeof(seen->evidence[i]), a->evidence.items[i]);
    size_t size = 0;
    for (uint32_t i = 0; i < a->group_by.count; i++) {
        const struct mt_record_groupby *g = &a->group_by.items[i];
        size += (size_t)snprintf(seen->group_by + size, sizeof(seen->group_by) - size, "%s%.*s=%.*s",
                                 i > 0 ? " " : "", (int)g->key.size, (const char *)g->key.ptr,
                                 (int)g->value.size, (const char *)g->value.ptr);
    }
}

static void on_alert(void *ctx, const struct mt_record_alert *a, enum mt_rule rule, enum mt_level level)
{
    check_frame(ctx, a);
    check_rule(a, rule, level);
    check_session(a, false);
    keep(ctx, a, MT_FINDING_COUNT + (int)rule, level);
}

static void on_finding(void *ctx, const struct mt_finding *finding)
{
    check_frame(ctx, finding->alert);
    check_no_rule(finding->alert);
    check_session(finding->alert, true);
    assert_non_null(finding->observation);
    keep(ctx, finding->alert, (int)finding->kind, finding->level);
}

void world_init(struct world *world, bool has_local_domains)
{
    memset(world, 0, sizeof(*world));
    mt_detect_config_init(&world->config);
    world->site = mt_site_default;
    if (has_local_domains) {
        world->site.given = true;
        world->site.local_domains = local_domains;
        world->site.local_domain_count = MT_ARRAY_COUNT(local_domains);
    }
}

void world_open(struct world *world)
{
    static const struct mt_detect_events events = {.finding = on_finding, .alert = on_alert};

    assert_int_equal(mt_detect_create(&world->config, &world->site, mt_span_cstr("probe"), "9.9", &events,
                                      world, &world->stats, &world->detect),
                     0);
}

void world_close(struct world *world)
{
    mt_detect_destroy(world->detect);
    world->detect = NULL;
}

static void add_evidence(struct mt_observation *o, enum mt_side side, const char *text)
{
    struct mt_evidence *e = &o->evidence[o->evidence_count++];

    e->time = o->mark.time - (side == MT_CLIENT ? 1000 : 0);
    e->side = (uint8_t)side;
    e->size = (uint16_t)mt_min_u64(strlen(text), sizeof(e->text));
    memcpy(e->text, text, e->size);
}

static struct mt_observation observation(double seconds, enum mt_observation_kind kind, const char *client,
                                         const char *subject, unsigned code)
{
    struct mt_observation o = {
        .mark = {.time = START + (uint64_t)(seconds * 1e9 + 0.5)},
        .kind = (uint8_t)kind,
        .code = (uint16_t)code,
        .is_server_home = true,
        .tuple = {.src_port = 40000, .dst_port = 25},
        .subject_size = (uint16_t)strlen(subject),
    };
    assert_true(mt_ip_parse(mt_span_cstr(client), &o.tuple.src));
    assert_true(mt_ip_parse(mt_span_cstr("192.168.0.25"), &o.tuple.dst));
    o.first = o.mark.time;
    memcpy(o.subject, subject, o.subject_size);
    return o;
}

static void set_domain(struct mt_observation *o)
{
    const char *at = memrchr(o->subject, '@', o->subject_size);
    struct mt_site site = {.local_domains = local_domains, .local_domain_count = 1};

    if (!at)
        return;
    o->domain_size = (uint16_t)(o->subject_size - (at + 1 - (const char *)o->subject));
    for (size_t i = 0; i < o->domain_size; i++)
        o->domain[i] = mt_ascii_lower((uint8_t)at[1 + i]);
    o->is_local_domain = mt_site_is_local_domain(&site, mt_span(o->domain, o->domain_size));
}

struct mt_observation world_rcpt(double seconds, const char *client, const char *recipient, unsigned code)
{
    struct mt_observation o = observation(seconds, MT_OBSERVE_RCPT, client, recipient, code);
    char line[300];

    set_domain(&o);
    snprintf(line, sizeof(line), "RCPT TO:<%s>", recipient);
    add_evidence(&o, MT_CLIENT, line);
    snprintf(line, sizeof(line), "%u %s", code, code < 400 ? "Ok" : "Relay access denied");
    add_evidence(&o, MT_SERVER, line);
    o.has_relay_text = code >= 400;
    return o;
}

struct mt_observation world_unsent(double seconds, const char *client, const char *recipient, unsigned code)
{
    struct mt_observation o = world_rcpt(seconds, client, recipient, code);

    o.kind = MT_OBSERVE_UNSENT;
    return o;
}

struct mt_observation world_message(double seconds, const char *client, const char *recipient)
{
    struct mt_observation o = observation(seconds, MT_OBSERVE_MESSAGE, client, recipient, 250);

    set_domain(&o);
    o.recipients = 1;
    o.queue_id_size = 5;
    memcpy(o.queue_id, "4XyZ1", 5);
    add_evidence(&o, MT_SERVER, "250 Ok: queued as 4XyZ1");
    return o;
}

struct mt_observation world_probe(double seconds, const char *client, const char *argument, unsigned code)
{
    struct mt_observation o = observation(seconds, MT_OBSERVE_PROBE, client, argument, code);
    char line[300];

    o.reply_lines = 1;
    snprintf(line, sizeof(line), "VRFY %s", argument);
    add_evidence(&o, MT_CLIENT, line);
    snprintf(line, sizeof(line), "%u reply", code);
    add_evidence(&o, MT_SERVER, line);
    return o;
}

struct mt_observation world_helo(double seconds, const char *client, const char *name, unsigned score,
                                 uint32_t findings)
{
    struct mt_observation o = observation(seconds, MT_OBSERVE_HELO, client, name, 250);
    char line[300];

    o.score = (uint16_t)score;
    o.findings = findings;
    snprintf(line, sizeof(line), "EHLO %s", name);
    add_evidence(&o, MT_CLIENT, line);
    return o;
}

void world_tell(struct world *world, const struct mt_observation *o)
{
    struct mt_observation numbered = *o;

    numbered.mark.number = ++world->frame;
    mt_detect_observe(world->detect, &numbered);
}

uint32_t world_count(const struct world *world, int what)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < world->alert_count; i++)
        count += world->alerts[i].what == what;
    return count;
}

const struct seen_alert *world_last(const struct world *world, int what)
{
    for (uint32_t i = world->alert_count; i-- > 0;) {
        if (world->alerts[i].what == what)
            return &world->alerts[i];
    }
    fail_msg("nothing of %d", what);
    return NULL;
}

uint64_t world_counter(const struct world *world, enum mt_counter counter)
{
    return mt_stats_get(&world->stats, counter);
}
