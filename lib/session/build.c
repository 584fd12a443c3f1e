/* Entries to the record of a session, once, at its end. */
#include "session/build_priv.h"

/* --- texts ------------------------------------------------------------------ */

struct mt_span mt_build_lower(struct mt_build *build, struct mt_span text)
{
    struct mt_buf *b = &build->b;
    uint8_t *start = b->ptr + b->size;

    if (text.ptr == NULL || text.size > b->cap - b->size)
        return mt_span_none();
    mt_ascii_put_lower(start, text.ptr, text.size);
    b->size += text.size;
    return mt_span(start, text.size);
}

struct mt_span mt_build_enhanced(struct mt_build *build, uint32_t reply)
{
    struct mt_buf *b = &build->b;
    size_t start = b->size;

    if ((reply >> 10 & 3) == 0 || b->cap - b->size < 16)
        return mt_span_none();
    mt_reply_put_enhanced(b, reply);
    return mt_span(b->ptr + start, b->size - start);
}

void mt_build_join(struct mt_build *build, struct mt_span *text, struct mt_span line)
{
    struct mt_buf *b = &build->b;
    bool is_at_end = text->ptr != NULL && text->ptr + text->size == b->ptr + b->size;

    if (text->ptr == NULL) {
        *text = line;
        return;
    }
    if (b->cap - b->size < text->size + 1 + line.size)
        return;
    if (!is_at_end) {
        size_t start = b->size;
        mt_buf_put_span(b, *text);
        text->ptr = b->ptr + start;
    }
    mt_buf_put_byte(b, '\n');
    mt_buf_put_span(b, line);
    text->size += 1 + line.size;
}

/* --- parts ------------------------------------------------------------------ */

static void build_network(struct mt_run *run, struct mt_record_session *record)
{
    const struct mt_session *session = run->session;
    struct mt_build *build = run->engine->build;
    struct mt_tuple tuple;

    mt_session_tuple(session, &tuple);
    record->source_ip = tuple.src;
    record->source_port = tuple.src_port;
    record->destination_ip = tuple.dst;
    record->destination_port = tuple.dst_port;
    record->source_bytes = session->bytes[MT_CLIENT] & MT_WIRE_MASK;
    record->source_packets = session->packets[MT_CLIENT];
    record->destination_bytes = session->bytes[MT_SERVER] & MT_WIRE_MASK;
    record->destination_packets = session->packets[MT_SERVER];
    record->network_bytes = record->source_bytes + record->destination_bytes;
    record->network_packets = record->source_packets + record->destination_packets;
    record->network_transport = "tcp";
    record->network_type = session->family == 4 ? "ipv4" : session->family == 6 ? "ipv6" : NULL;
    if (session->flags >> MT_S_MAC_SHIFT & 1)
        record->source_mac = session->mac[MT_CLIENT];
    if (session->flags >> MT_S_MAC_SHIFT & 2)
        record->destination_mac = session->mac[MT_SERVER];
    if (session->vlan != UINT16_MAX) {
        size_t start = build->b.size;
        mt_buf_put_u64(&build->b, session->vlan);
        record->network_vlan_id = mt_span(build->b.ptr + start, build->b.size - start);
    }
}

static void build_event(struct mt_run *run, struct mt_record_session *record)
{
    static const char *const categories[] = {"email", "network"};
    const struct mt_session *session = run->session;

    record->timestamp = session->first;
    record->event_start = session->first;
    record->event_end = mt_max_u64(session->last.time, session->first);
    record->event_duration = record->event_end - record->event_start;
    record->event_id = mt_session_event_id(session);
    record->event_kind = "event";
    record->event_dataset = "mailtap.session";
    record->event_category = (struct mt_names){.items = categories, .count = MT_ARRAY_COUNT(categories)};
    record->ecs_version = MT_ECS_VERSION;
    record->observer_name = run->engine->observer_name;
    record->observer_type = "sensor";
    record->observer_version = run->engine->observer_version;
}

const char *mt_helo_kind_name(enum mt_helo_kind kind)
{
    static const char *const kinds[] = {
        [MT_HELO_KIND_INVALID] = "invalid",           [MT_HELO_KIND_FQDN] = "fqdn",
        [MT_HELO_KIND_SINGLE_LABEL] = "single_label", [MT_HELO_KIND_ADDRESS_LITERAL] = "address_literal",
        [MT_HELO_KIND_BARE_ADDRESS] = "bare_address",
    };
    return kinds[kind];
}

void mt_build_greeting(const struct mt_entry_helo *helo, struct mt_record_session *record)
{
    struct mt_span name = mt_entry_text(helo);

    record->helo_verb = mt_smtp_verb_wire(helo->verb);
    record->helo_name = name.size > 0 ? name : mt_span_none();
    record->helo_kind = mt_helo_kind_name((enum mt_helo_kind)helo->kind);
}

static void build_helo(struct mt_run *run, const struct mt_entry_helo *helo, struct mt_record_session *record)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } tests[] = {
#define MT_HELO_TEST(name, number, text, points, meaning) {MT_HELO_##name, text},
#include "record/helo_tests.def"
#undef MT_HELO_TEST
    };
    struct mt_build *build = run->engine->build;
    uint32_t findings = mt_helo_findings(run->session) | run->engine->known.findings;
    uint32_t count = 0;

    for (size_t i = 0; i < MT_ARRAY_COUNT(tests); i++) {
        if (findings & tests[i].bit)
            build->findings[count++] = tests[i].name;
    }
    record->helo_findings = (struct mt_names){.items = build->findings, .count = count};
    record->helo_score = mt_helo_score(findings);
    if (helo != NULL)
        mt_build_greeting(helo, record);
}

/* "SIZE 10240000" from its code and parameters. */
static struct mt_span extension_text(struct mt_build *build, enum mt_smtp_keyword keyword,
                                     struct mt_span text)
{
    struct mt_span wire = mt_span_cstr(mt_smtp_keyword_wire(keyword));
    struct mt_buf *b = &build->b;
    size_t start = b->size;

    if (keyword == MT_KEYWORD_OTHER)
        return text;
    if (text.ptr == NULL)
        return wire;
    if (b->cap - b->size < wire.size + 1 + text.size)
        return mt_span_none();
    mt_buf_put_span(b, wire);
    mt_buf_put_byte(b, ' ');
    mt_buf_put_span(b, text);
    return mt_span(b->ptr + start, b->size - start);
}

static void build_extensions(struct mt_run *run, const struct mt_entry_extensions *entry,
                             struct mt_texts *texts)
{
    struct mt_build *build = run->engine->build;
    struct mt_span items = mt_entry_text(entry);

    if (entry->is_first || texts->count == 0) {
        texts->items = &build->texts[build->texts_used];
        texts->count = 0;
    }
    while (items.size > 0) {
        enum mt_smtp_keyword keyword = items.ptr[0] & ~MT_EXTENSION_HAS_TEXT;
        bool has_text = items.ptr[0] & MT_EXTENSION_HAS_TEXT;
        struct mt_span text = has_text ? mt_span(items.ptr + 2, items.ptr[1]) : mt_span_none();
        items = mt_span_from(items, has_text ? 2u + text.size : 1u);
        struct mt_span whole = extension_text(build, keyword, text);
        if (whole.ptr == NULL)
            continue; /* an empty line, or no room */
        if (build->texts_used == build->texts_cap) {
            mt_cut(run, MT_CUT_EXTENSIONS);
            return;
        }
        build->texts[build->texts_used++] = whole;
        texts->count++;
    }
}

/* The network of the client, as text. */
static struct mt_span network_of(struct mt_run *run)
{
    struct mt_buf *b = &run->engine->build->b;
    size_t start = b->size;
    struct mt_ip ip;

    mt_session_address(run->session, MT_CLIENT, &ip);
    size_t octets = ip.family == 4 ? 3 : 6;
    if (b->cap - b->size < MT_IP_TEXT_MAX + 3)
        return mt_span_none();
    memset(ip.bytes + octets, 0, sizeof(ip.bytes) - octets);
    mt_buf_put_ip(b, &ip);
    mt_buf_put_cstr(b, ip.family == 4 ? "/24" : "/48");
    return mt_span(b->ptr + start, b->size - start);
}

static void build_auth(struct mt_run *run, const struct mt_entry_auth *entry, uint32_t index)
{
    static const char *const outcomes[] = {
        [MT_AUTH_UNANSWERED] = "unanswered",
        [MT_AUTH_SUCCESS] = "success",
        [MT_AUTH_FAILURE] = "failure",
        [MT_AUTH_ABORTED] = "aborted",
    };
    struct mt_span mechanism = mt_entry_text(entry);

    run->engine->build->auths[index] = (struct mt_record_auth){
        .mechanism = mechanism.size > 0 ? mechanism : mt_span_none(),
        .code = mt_reply_code(entry->reply),
        .outcome = outcomes[entry->outcome],
        .network = entry->outcome == MT_AUTH_FAILURE ? network_of(run) : mt_span_none(),
    };
}

static const char *probe_verdict(uint16_t code)
{
    if (code == 250 || code == 251)
        return "exists";
    if (code >= 500 && code < 600)
        return "unknown";
    return code == 0 ? NULL : "undetermined";
}

static void build_probe(struct mt_run *run, const struct mt_entry_probe *entry,
                        struct mt_record_session *record)
{
    struct mt_build *build = run->engine->build;
    bool is_expn = entry->verb == MT_VERB_EXPN;
    struct mt_probes *probes = is_expn ? &record->probes_expn : &record->probes_vrfy;

    build->probes[is_expn][probes->count++] = (struct mt_record_probe){
        .argument = mt_probe_argument(entry),
        .code = mt_reply_code(entry->reply),
        .enhanced = mt_build_enhanced(build, entry->reply),
        .verdict = probe_verdict(mt_reply_code(entry->reply)),
    };
}

static void build_phases(struct mt_run *run, const struct mt_entry_phases *entry,
                         struct mt_record_session *record)
{
    struct mt_build *build = run->engine->build;
    uint32_t count = 0;

    for (unsigned phase = 0; phase < MT_PHASE_COUNT; phase++) {
        if (entry->phases >> phase & 1)
            build->phases[count++] = mt_phase_name((enum mt_phase)phase);
    }
    record->phase_timeouts = (struct mt_names){.items = build->phases, .count = count};
    record->incomplete_command = entry->incomplete;
}

/* Everything that stands in entries but transactions; true when a proxy spoke. */
static bool build_entries(struct mt_run *run, struct mt_record_session *record)
{
    struct mt_build *build = run->engine->build;
    struct mt_cursor cursor = mt_store_begin(run->session);
    const struct mt_entry_helo *helo = NULL;
    struct mt_entry *entry;
    bool has_proxy = false;

    record->auth.items = build->auths;
    record->probes_vrfy.items = build->probes[0];
    record->probes_expn.items = build->probes[1];
    while ((entry = mt_store_next(&cursor)) != NULL) {
        switch (entry->tag) {
        case MT_TAG_OUTER:
            mt_build_outer(build, (const struct mt_entry_outer *)entry, &record->network_outer);
            break;
        case MT_TAG_BANNER:
            record->banner_code = ((const struct mt_entry_banner *)entry)->code;
            mt_build_join(build, &record->banner_text, mt_entry_text((const struct mt_entry_banner *)entry));
            break;
        case MT_TAG_REFUSAL:
            record->refusal_code = ((const struct mt_entry_refusal *)entry)->code;
            mt_build_join(build, &record->refusal_text,
                          mt_entry_text((const struct mt_entry_refusal *)entry));
            break;
        case MT_TAG_HELO:
            if (helo == NULL)
                record->bytes_greeting = ((const struct mt_entry_helo *)entry)->before;
            helo = (const struct mt_entry_helo *)entry;
            break;
        case MT_TAG_EXTENSIONS:
            build_extensions(run, (const struct mt_entry_extensions *)entry, &record->extensions);
            break;
        case MT_TAG_AUTH:
            build_auth(run, (const struct mt_entry_auth *)entry, record->auth.count++);
            break;
        case MT_TAG_USER:
            if (record->auth.count > 0)
                build->auths[record->auth.count - 1].user =
                    mt_entry_text((const struct mt_entry_user *)entry);
            break;
        case MT_TAG_OPENING:
            record->bytes_opening_commands = ((const struct mt_entry_opening *)entry)->text[MT_CLIENT];
            record->bytes_opening_replies = ((const struct mt_entry_opening *)entry)->text[MT_SERVER];
            break;
        case MT_TAG_HISTORY:
            mt_build_history((const struct mt_entry_history *)entry, record);
            break;
        case MT_TAG_PAIR:
            mt_build_pair((const struct mt_entry_history *)entry, record);
            break;
        case MT_TAG_PHASES:
            build_phases(run, (const struct mt_entry_phases *)entry, record);
            break;
        case MT_TAG_PROXY:
            has_proxy = true;
            break;
        case MT_TAG_PROBE:
            build_probe(run, (const struct mt_entry_probe *)entry, record);
            break;
        case MT_TAG_TLS_CLIENT:
            mt_build_tls_client(run, (const struct mt_entry_tls_client *)entry, record);
            break;
        case MT_TAG_TLS_SERVER:
            mt_build_tls_server(run, (const struct mt_entry_tls_server *)entry, record);
            break;
        case MT_TAG_TLS_CERTIFICATE:
            mt_build_tls_certificate(run, (const struct mt_entry_tls_certificate *)entry, record);
            break;
        case MT_TAG_TLS_ALERT:
            mt_build_tls_alert((const struct mt_entry_tls_alert *)entry, record);
            break;
        default:
            break;
        }
    }
    mt_build_tls(run, record);
    build_helo(run, helo, record);
    return has_proxy;
}

void mt_build_starttls(const struct mt_session *session, struct mt_record_session *record)
{
    static const char *const outcomes[] = {
        /* no reply, or a handshake that only one side began */
        [MT_STARTTLS_NONE] = "unanswered",   [MT_STARTTLS_ESTABLISHED] = "established",
        [MT_STARTTLS_REFUSED] = "refused",   [MT_STARTTLS_NO_TLS] = "no_tls",
        [MT_STARTTLS_INJECTED] = "injected",
    };
    bool is_requested = session->flags & MT_S_STARTTLS;

    if (session->flags & MT_S_EHLO_ANSWERED)
        record->starttls_offered = session->flags & MT_S_STARTTLS_OFFERED ? MT_FLAG_TRUE : MT_FLAG_FALSE;
    if (is_requested)
        record->starttls_requested = MT_FLAG_TRUE;
    else if ((session->flags & MT_S_EHLO_ANSWERED) && session->packets[MT_CLIENT] > 0)
        record->starttls_requested = MT_FLAG_FALSE;
    record->starttls_code = session->starttls_code;
    record->starttls_outcome = is_requested ? outcomes[session->starttls_outcome] : NULL;
}

struct verb_sums {
    uint32_t known;
    uint32_t unknown;
};

static void build_counts(struct mt_run *run, struct mt_record_session *record, struct verb_sums *ret_sums)
{
    struct mt_build *build = run->engine->build;
    size_t size = mt_tally_list(run->session, build->counts);
    struct verb_sums sums = {0};

    record->commands.items = build->verbs;
    record->codes.items = build->codes;
    for (size_t i = 0; i < size; i++) {
        unsigned key = build->counts[i].key;
        uint32_t count = build->counts[i].count;
        if (key < MT_KEY_VERB) {
            uint64_t *classes[] = {[2] = &record->replies_2xx,
                                   [3] = &record->replies_3xx,
                                   [4] = &record->replies_4xx,
                                   [5] = &record->replies_5xx};
            unsigned class = key / 100;
            build->codes[record->codes.count++] =
                (struct mt_code_count){.code = (uint16_t)key, .count = count};
            *(class >= 2 && class <= 5 ? classes[class] : &record->replies_other) += count;
            continue;
        }
        enum mt_smtp_verb verb = key - MT_KEY_VERB;
        build->verbs[record->commands.count++] =
            (struct mt_verb_count){.verb = mt_smtp_verb_field(verb), .count = count};
        *(verb == MT_VERB_UNKNOWN ? &sums.unknown : &sums.known) += count;
    }
    *ret_sums = sums;
}

/* A greeting and a verb make SMTP; either alone does when nothing else was said
 * (nDPI#2922: other protocols greet with 220 too). */
static void judge_protocol(struct mt_run *run, const struct verb_sums *sums, struct mt_record_session *record)
{
    const struct mt_session *session = run->session;
    bool has_banner = session->flags & MT_S_BANNER;
    bool is_odd = sums->unknown > 0 || mt_has_anomaly(session, MT_ANOMALY_REPLY_MALFORMED);

    bool may_be_other = (session->flags & MT_S_OTHER_SEEN) && mt_session_guess(session) != MT_SESSION_MAIL;
    const char *other = may_be_other ? mt_other_name(run) : NULL;

    if (other != NULL)
        record->network_protocol = other;
    else if (session->flags & MT_S_LMTP)
        record->network_protocol = "lmtp";
    else if (sums->known > 0 || (has_banner && sums->unknown == 0))
        record->network_protocol = "smtp";
    else if (session->flags & MT_S_TLS_FIRST)
        record->network_protocol = session->port[MT_SERVER] == MT_SMTPS_PORT ? "smtps" : "tls";
    bool is_known = !(session->flags & MT_S_MIDSTREAM) && !mt_has_anomaly(session, MT_ANOMALY_GAP);
    bool is_nothing = sums->known == 0 && !has_banner && is_odd && is_known;
    if (other != NULL || is_nothing)
        mt_anomaly(run, MT_ANOMALY_NOT_SMTP);
}

static const char *end_name(const struct mt_session *session, enum mt_session_end end)
{
    static const char *const names[] = {
        [MT_SESSION_END_QUIT] = "quit",       [MT_SESSION_END_FIN] = "fin",
        [MT_SESSION_END_RST] = "rst",         [MT_SESSION_END_TIMEOUT] = "timeout",
        [MT_SESSION_END_EVICTED] = "evicted", [MT_SESSION_END_CAPTURE_END] = "capture_end",
    };
    bool is_orderly =
        end == MT_SESSION_END_FIN || end == MT_SESSION_END_RST || end == MT_SESSION_END_CAPTURE_END;

    return names[is_orderly && (session->flags & MT_S_QUIT_OK) ? MT_SESSION_END_QUIT : end];
}

static void build_marks(struct mt_run *run, enum mt_session_end end, struct mt_record_session *record)
{
    const struct mt_session *session = run->session;
    const struct mt_extra *extra = session->extra;
    struct mt_build *build = run->engine->build;

    record->pickup = session->flags & MT_S_MIDSTREAM ? "midstream" : "syn";
    record->direction = session->packets[MT_SERVER] == 0   ? "client_only"
                        : session->packets[MT_CLIENT] == 0 ? "server_only"
                                                           : "both";
    record->end = end_name(session, end);
    record->anomalies.items = build->anomalies;
    record->truncated.items = build->cuts;
    if (extra == NULL)
        return;
    record->command_size = extra->command_size;
    record->missing_bytes_client = extra->missing[MT_CLIENT];
    record->missing_bytes_server = extra->missing[MT_SERVER];
    for (unsigned word = 0; word < MT_ARRAY_COUNT(extra->anomalies); word++) {
        for (uint64_t bits = extra->anomalies[word]; bits != 0; bits &= bits - 1) {
            enum mt_anomaly anomaly = word * 64 + (unsigned)__builtin_ctzll(bits);
            build->anomalies[record->anomalies.count++] = mt_anomaly_name(anomaly);
        }
    }
    for (uint32_t bits = extra->cuts; bits != 0; bits &= bits - 1)
        build->cuts[record->truncated.count++] = mt_cut_path((enum mt_cut)__builtin_ctz(bits));
}

void mt_build_record(struct mt_run *run, enum mt_session_end end)
{
    struct mt_build *build = run->engine->build;
    struct mt_record_session record = {0};
    struct verb_sums sums;

    build->b = mt_buf(build->text, build->text_cap);
    build->parameters_used = 0;
    build->texts_used = 0;
    build->hops_used = 0;
    build->names_used = 0;
    build->signatures_used = 0;
    build->urls_used = 0;
    build->part = NULL;
    build->attachment = NULL;
    build_event(run, &record);
    build_network(run, &record);
    bool has_proxy = build_entries(run, &record);
    mt_build_starttls(run->session, &record);
    build_counts(run, &record, &sums);
    mt_build_transactions(run, end, &record);
    if (MT_UNLIKELY(run->engine->names != NULL))
        mt_build_names(run, &record);
    judge_protocol(run, &sums, &record);
    mt_build_dialogue(run, has_proxy, &record);
    build_marks(run, end, &record); /* last: the others may still cut something */
    run->engine->events.record(run->engine->ctx, &record);
}
