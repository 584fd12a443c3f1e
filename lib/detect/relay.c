#include "detect/detect_priv.h"

struct relay_client {
    struct mt_table_entry entry;
    struct mt_window servers;
    uint64_t forms_seen[MT_RELAY_FORM_COUNT]; /* when last, 0: never */
    struct mt_step step;
    struct mt_history history; /* last: its lines start undefined */
};

int mt_relay_init(struct mt_detect *detect, uint32_t count_max)
{
    return mt_table_init(
        &detect->relay_clients,
        &(struct mt_table_config){.entry_size = sizeof(struct relay_client),
                                  .zeroed_size = offsetof(struct relay_client, history.lines),
                                  .large_size = sizeof(struct mt_window_large),
                                  .count_max = count_max});
}

void mt_relay_fini(struct mt_detect *detect)
{
    mt_table_fini(&detect->relay_clients);
}

/* Forms that hide the target in the local part: percent hack, quotes, two at
 * signs, bang path. To a server that does not know them they are strange names. */
static bool hides_target(uint8_t form)
{
    return form >= MT_RELAY_PERCENT_AT_IP && form != MT_RELAY_ROUTE_IP && form != MT_RELAY_ROUTE_NAME &&
           form < MT_RELAY_FORM_COUNT;
}

/* "[192.0.2.25]" or "[IPv6:2001:db8::25]" of the server itself or of another
 * of our own. */
static bool is_home_literal(const struct mt_detect *detect, const struct mt_ip *server, struct mt_span domain)
{
    struct mt_ip ip;

    if (domain.size < 2 || domain.ptr[0] != '[' || domain.ptr[domain.size - 1] != ']')
        return false;
    domain = mt_span(domain.ptr + 1, domain.size - 2);
    if (mt_span_istarts(domain, "IPv6:"))
        domain = mt_span_from(domain, 5);
    return mt_ip_parse(domain, &ip) && (mt_ip_eq(&ip, server) || mt_site_is_home(detect->site, &ip));
}

/* A recipient without a domain is the server's own. */
static enum mt_standing standing_of(struct mt_detect *detect, const struct mt_observation *o)
{
    struct mt_span target = mt_observed_domain(o);

    if (target.size == 0 || is_home_literal(detect, &o->tuple.dst, target))
        return MT_STANDING_LOCAL;
    if (detect->site->local_domain_count == 0)
        return mt_infer_standing(detect, &o->tuple.dst, target);
    return o->is_local_domain ? MT_STANDING_LOCAL : MT_STANDING_FOREIGN;
}

static bool enhanced_is(const struct mt_observation *o, const char *text)
{
    size_t size = strlen(text);

    return memcmp(o->enhanced, text, size) == 0 && (size == sizeof(o->enhanced) || o->enhanced[size] == 0);
}

/* Refused as relaying: the reply says so, or its code X.7.1 or X.7.0 does for a
 * domain known to be foreign. (Block lists answer 5.7.1 too, so for an unknown
 * domain the code alone proves nothing.) 530 and 503 ask for authentication
 * and say nothing about relaying. */
static bool is_relay_refusal(const struct mt_observation *o, enum mt_standing standing)
{
    if (o->code == 530 || o->code == 503 || (o->code / 100 != 5 && o->code != 454))
        return false;
    if (o->has_relay_text)
        return true;
    return standing == MT_STANDING_FOREIGN && (enhanced_is(o, "5.7.1") || enhanced_is(o, "5.7.0"));
}

static void put_recipient(struct mt_buf *b, const struct mt_observation *o)
{
    mt_buf_put_byte(b, '<');
    mt_buf_put_escaped(b, mt_observed_subject(o));
    mt_buf_put_byte(b, '>');
}

static void put_code(struct mt_buf *b, const struct mt_observation *o)
{
    mt_buf_put_u64(b, o->code);
    if (o->enhanced[0] != 0) {
        mt_buf_put_byte(b, ' ');
        mt_buf_put_escaped(b, mt_span(o->enhanced, strnlen((const char *)o->enhanced, sizeof(o->enhanced))));
    }
}

static void put_count(struct mt_buf *b, uint64_t count, const char *one, const char *many)
{
    mt_buf_put_u64(b, count);
    mt_buf_put_byte(b, ' ');
    mt_buf_put_cstr(b, count == 1 ? one : many);
}

static void raise_probe(struct mt_detect *detect, const struct mt_observation *o,
                        const struct relay_client *client, uint64_t count, uint64_t forms, uint64_t servers)
{
    struct mt_draft draft;
    mt_draft_init(detect, o, MT_FINDING_OPEN_RELAY_PROBE, &draft);
    draft.confidence = o->has_relay_text ? "high" : "medium";
    draft.count = count;
    draft.window = detect->config.relay_probe_window;
    draft.history = &client->history;

    struct mt_buf *b = &draft.message;
    mt_buf_put_ip(b, &o->tuple.src);
    mt_buf_put_cstr(b, " was refused ");
    put_count(b, count, "relay attempt in ", "relay attempts in ");
    put_count(b, forms, "form at ", "different forms at ");
    put_count(b, servers, "server within ", "servers within ");
    put_count(b, draft.window, "second", "seconds");
    mt_buf_put_cstr(b, ", the last for ");
    put_recipient(b, o);
    mt_buf_put_cstr(b, " by ");
    mt_buf_put_ip(b, &o->tuple.dst);
    mt_buf_put_cstr(b, " with ");
    put_code(b, o);
    mt_detect_raise(detect, o, &draft);
}

static void tier_a(struct mt_detect *detect, const struct mt_observation *o)
{
    struct mt_hash128 key = mt_detect_key(detect, &o->tuple.src, NULL, mt_span_none());
    struct relay_client *client = mt_detect_take(detect, &detect->relay_clients, key);
    struct mt_window_large *large = mt_table_large(&detect->relay_clients, &client->entry);
    uint64_t span = detect->config.relay_probe_window * MT_SEC;
    uint64_t now = detect->now;

    mt_window_add(&client->servers, large, span, now,
                  mt_detect_item(mt_span(&o->tuple.dst, sizeof(o->tuple.dst))));
    client->forms_seen[o->form < MT_RELAY_FORM_COUNT ? o->form : MT_RELAY_NONE] = now;

    uint64_t forms = 0;
    for (size_t i = 0; i < MT_RELAY_FORM_COUNT; i++)
        forms += client->forms_seen[i] != 0 && now - client->forms_seen[i] < span;
    bool is_met =
        forms >= detect->config.relay_probe_forms ||
        mt_window_has_distinct(&client->servers, large, span, now, detect->config.relay_probe_servers);
    uint64_t count = mt_window_count(&client->servers, large, span, now);

    if (is_met && mt_detect_step(detect, &client->step, span, count, MT_LEVEL_INFORMATIONAL))
        raise_probe(detect, o, client, count, forms, mt_window_distinct(&client->servers, large, span, now));
    mt_history_add(&client->history, o);
}

/* Inferred domains may miss one that is ours, a hidden target may be a strange
 * local name. */
static const char *confidence_of(const struct mt_detect *detect, const struct mt_observation *o,
                                 const char *best, const char *inferred)
{
    if (hides_target(o->form))
        return "low";
    return detect->site->local_domain_count > 0 ? best : inferred;
}

static void put_domain_clause(struct mt_buf *b, const struct mt_detect *detect)
{
    mt_buf_put_cstr(b, detect->site->local_domain_count > 0 ? ", which is not one of local_domains"
                                                            : ", whose domain is not among those it was "
                                                              "seen to serve");
}

static void tier_b(struct mt_detect *detect, const struct mt_observation *o)
{
    uint64_t count;
    if (!mt_detect_repeat(detect, MT_FINDING_OPEN_RELAY_SUSPECTED, o, mt_span_none(),
                          detect->config.relay_repeat, &count))
        return;

    struct mt_draft draft;
    mt_draft_init(detect, o, MT_FINDING_OPEN_RELAY_SUSPECTED, &draft);
    mt_draft_group_server(detect, o, &draft);
    draft.confidence = confidence_of(detect, o, "medium", "low");
    draft.count = count;
    draft.window = detect->config.relay_repeat;

    struct mt_buf *b = &draft.message;
    mt_buf_put_ip(b, &o->tuple.dst);
    mt_buf_put_cstr(b, " answered ");
    put_code(b, o);
    mt_buf_put_cstr(b, " to the recipient ");
    put_recipient(b, o);
    put_domain_clause(b, detect);
    mt_buf_put_cstr(b, ", for the unauthenticated outside client ");
    mt_buf_put_ip(b, &o->tuple.src);
    mt_buf_put_cstr(b, ", but no message was accepted");
    mt_detect_raise(detect, o, &draft);
}

static void tier_c(struct mt_detect *detect, const struct mt_observation *o)
{
    uint64_t count;
    if (!mt_detect_repeat(detect, MT_FINDING_OPEN_RELAY_ACCEPTED, o, mt_span_none(),
                          detect->config.relay_accepted_repeat, &count))
        return;

    struct mt_draft draft;
    mt_draft_init(detect, o, MT_FINDING_OPEN_RELAY_ACCEPTED, &draft);
    mt_draft_group_server(detect, o, &draft);
    draft.confidence = confidence_of(detect, o, "high", "medium");
    draft.count = count;
    draft.window = detect->config.relay_accepted_repeat;

    struct mt_buf *b = &draft.message;
    mt_buf_put_ip(b, &o->tuple.dst);
    mt_buf_put_cstr(b, " accepted a message from the unauthenticated outside client ");
    mt_buf_put_ip(b, &o->tuple.src);
    mt_buf_put_cstr(b, " for ");
    put_recipient(b, o);
    put_domain_clause(b, detect);
    if (o->queue_id_size > 0) {
        mt_buf_put_cstr(b, "; its queue id is ");
        mt_buf_put_escaped(b, mt_span(o->queue_id, mt_min_u64(o->queue_id_size, sizeof(o->queue_id))));
    }
    mt_detect_raise(detect, o, &draft);
}

void mt_relay_rcpt(struct mt_detect *detect, const struct mt_observation *o)
{
    if (detect->site->local_domain_count == 0 && o->code == 250 && !hides_target(o->form))
        mt_infer_add(detect, o);

    enum mt_standing standing = standing_of(detect, o);
    if (standing != MT_STANDING_LOCAL && is_relay_refusal(o, standing))
        tier_a(detect, o);
}

void mt_relay_unsent(struct mt_detect *detect, const struct mt_observation *o)
{
    if ((o->code == 250 || o->code == 251) && standing_of(detect, o) == MT_STANDING_FOREIGN)
        tier_b(detect, o);
}

void mt_relay_message(struct mt_detect *detect, const struct mt_observation *o)
{
    if (standing_of(detect, o) == MT_STANDING_FOREIGN)
        tier_c(detect, o);
}
