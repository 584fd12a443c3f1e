/* The chain of Received fields: each in its parts, and what does not fit together
 * in them (detections D9). Made of the entries when the record is: nothing of it
 * is kept while a session lasts.
 *
 * Only what the sending host put on top can be taken as its word; everything
 * below is what it was told, or has made up. So these are findings, not proofs:
 * gateways with wrong clocks, lists and internal hops show them as well. */
#include "session/build_priv.h"

#define HOPS_MAX 32u
#define MANY_HOPS 30u
#define LOOP_HOPS 100u
#define CLOCK_SKEW 300
#define DAY 86400
#define YEAR_1990 INT64_C(631152000)
#define MAIL_PORT 25u
#define NS_PER_S UINT64_C(1000000000)

enum {
#define MT_RECEIVED_TEST(name, number, text, meaning) RECEIVED_##name = 1u << (number),
#include "record/received_tests.def"
#undef MT_RECEIVED_TEST
};

struct chain {
    struct mt_message_hop hops[HOPS_MAX]; /* top first */
    uint32_t count;
};

/* --- hosts and addresses ---------------------------------------------------- */

/* What stands for the owner of a name: its last two labels, or three below what
 * looks like co.uk. Absent for literals and names without a dot. */
static struct mt_span owner_of(struct mt_span name)
{
    struct mt_span last = mt_span_none();
    unsigned wanted = 2;
    size_t end = name.size;

    if (name.size == 0 || name.ptr[0] == '[')
        return mt_span_none();
    for (size_t at = name.size; at > 0 && wanted > 0; at--) {
        if (at > 1 && name.ptr[at - 2] != '.')
            continue;
        struct mt_span label = mt_span(name.ptr + at - 1, end - at + 1);
        bool is_short_pair = last.size == 2 && label.size <= 3 && wanted == 1;
        if (is_short_pair && at > 1)
            wanted++;
        last = label;
        wanted--;
        if (wanted == 0)
            return mt_span_from(name, at - 1);
        end = at >= 2 ? at - 2 : 0;
    }
    return mt_span_none();
}

static bool ends_with(struct mt_span name, const char *domain)
{
    size_t size = strlen(domain);

    return name.size >= size && mt_span_ieq_cstr(mt_span_from(name, name.size - size), domain);
}

bool mt_build_is_same_owner(struct mt_span a, struct mt_span b)
{
    struct mt_span owner_a = owner_of(a), owner_b = owner_of(b);

    return owner_a.ptr == NULL || owner_b.ptr == NULL || mt_span_ieq(owner_a, owner_b);
}

/* Addresses that no host on the Internet or in a network of its own has. */
static bool is_bogon(const struct mt_ip *ip)
{
    static const struct mt_prefix prefixes[] = {
        {{{0}, 4}, 8},        {{{127}, 4}, 8},           {{{192, 0, 2}, 4}, 24},
        {{{198, 18}, 4}, 15}, {{{198, 51, 100}, 4}, 24}, {{{203, 0, 113}, 4}, 24},
        {{{224}, 4}, 3},      {{{0}, 6}, 127},           {{{0x20, 0x01, 0x0d, 0xb8}, 6}, 32},
        {{{0xff}, 6}, 8},
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(prefixes); i++) {
        if (mt_prefix_has(&prefixes[i], ip))
            return true;
    }
    return false;
}

static bool is_public(const struct mt_ip *ip)
{
    return ip->family != 0 && !mt_ip_is_private(ip);
}

/* A filter on the same host is asked by 127.0.0.1, and says so. */
static bool is_own_loopback(const struct mt_message_hop *hop)
{
    bool is_localhost = mt_span_istarts(hop->from_name, "localhost") ||
                        mt_span_istarts(hop->from_host, "localhost") || mt_span_istarts(hop->by, "localhost");

    return is_localhost || mt_span_ieq(hop->from_name, hop->by) || mt_span_ieq(hop->from_host, hop->by);
}

static bool is_impossible(const struct mt_message_hop *hop)
{
    uint8_t first = hop->from_ip.bytes[0];

    if (hop->has_impossible_ip)
        return true;
    if (hop->from_ip.family != 4)
        return false;
    return first == 0 || first >= 240 || (first == 127 && !is_own_loopback(hop));
}

/* --- one hop ---------------------------------------------------------------- */

static bool is_version(struct mt_span id) /* of Exchange: 15.20.8880.27 */
{
    unsigned dots = 0;

    for (size_t i = 0; i < id.size; i++) {
        dots += id.ptr[i] == '.';
        if (id.ptr[i] != '.' && !mt_ascii_is_digit(id.ptr[i]))
            return false;
    }
    return dots >= 2;
}

static bool has_provider_form(const struct mt_message_hop *hop)
{
    struct mt_span with = hop->with;

    if (ends_with(hop->by, ".google.com"))
        return hop->id.size > 0 && (mt_span_icontains(with, "SMTP") || mt_span_istarts(with, "HTTP"));
    if (ends_with(hop->by, ".prod.outlook.com") || ends_with(hop->by, ".protection.outlook.com"))
        return is_version(hop->id) && (mt_span_istarts(with, "Microsoft SMTP Server") ||
                                       mt_span_istarts(with, "HTTPS") || mt_span_istarts(with, "mapi"));
    return true;
}

/* ESMTPA, ESMTPSA, ASMTP, UTF8SMTPA, ... (RFC 3848, RFC 6531). */
static bool is_authenticated(struct mt_span with)
{
    size_t size = 0;

    while (size < with.size && with.ptr[size] != ' ')
        size++;
    with.size = size;
    return mt_span_istarts(with, "ASMTP") ||
           (size > 4 && mt_span_icontains(with, "SMTP") && mt_ascii_lower(with.ptr[size - 1]) == 'a');
}

static uint32_t test_hop(const struct mt_message_hop *hop, int64_t now)
{
    uint32_t findings = 0;

    if (hop->has_date && (hop->seconds < YEAR_1990 || hop->seconds > now + DAY))
        findings |= RECEIVED_DATE_IMPLAUSIBLE;
    if (is_impossible(hop))
        findings |= RECEIVED_IMPOSSIBLE_IP;
    if (!has_provider_form(hop))
        findings |= RECEIVED_PROVIDER_FORM;
    if (!mt_build_is_same_owner(hop->from_name, hop->from_host))
        findings |= RECEIVED_NAME_MISMATCH;
    if (is_authenticated(hop->with) && hop->from_ip.family != 0 && is_bogon(&hop->from_ip))
        findings |= RECEIVED_PROTOCOL_CONTRADICTION;
    return findings;
}

/* --- several ---------------------------------------------------------------- */

static bool is_private_between(const struct chain *chain)
{
    bool has_public_above = false;
    bool has_private_below_public = false;

    for (uint32_t i = 0; i < chain->count; i++) {
        const struct mt_ip *ip = &chain->hops[i].from_ip;
        if (is_public(ip) && has_private_below_public)
            return true;
        has_public_above |= is_public(ip);
        has_private_below_public |= has_public_above && ip->family != 0 && mt_ip_is_private(ip);
    }
    return false;
}

static bool goes_backwards(const struct chain *chain)
{
    const struct mt_message_hop *above = NULL;

    for (uint32_t i = 0; i < chain->count; i++) {
        const struct mt_message_hop *hop = &chain->hops[i];
        if (!hop->has_date)
            continue;
        if (above != NULL && hop->seconds > above->seconds + CLOCK_SKEW)
            return true;
        above = hop;
    }
    return false;
}

static bool is_broken(const struct chain *chain)
{
    unsigned breaks = 0;

    for (uint32_t i = 0; i + 1 < chain->count; i++) {
        const struct mt_message_hop *above = &chain->hops[i];
        struct mt_span by = chain->hops[i + 1].by;
        bool is_named = owner_of(by).ptr != NULL &&
                        (owner_of(above->from_name).ptr != NULL || owner_of(above->from_host).ptr != NULL);
        bool is_same_name =
            owner_of(above->from_name).ptr != NULL && mt_build_is_same_owner(above->from_name, by);
        bool is_same_host =
            owner_of(above->from_host).ptr != NULL && mt_build_is_same_owner(above->from_host, by);
        breaks += is_named && !is_same_name && !is_same_host;
    }
    return breaks >= 2;
}

static bool has_duplicate_id(const struct chain *chain)
{
    for (uint32_t i = 0; i < chain->count; i++) {
        struct mt_span id = chain->hops[i].id;
        if (id.size == 0 || is_version(id))
            continue;
        for (uint32_t k = i + 1; k < chain->count; k++) {
            if (mt_span_eq(id, chain->hops[k].id) && !mt_span_ieq(chain->hops[i].by, chain->hops[k].by))
                return true;
        }
    }
    return false;
}

/* A mail program's message that comes as from a server. */
static bool lacks_hops(const struct mt_run *run, const struct mt_build_slot *slot,
                       const struct mt_record_transaction *transaction)
{
    const struct mt_session *session = run->session;
    uint16_t flags = slot->mail->flags;

    return (flags & MT_TX_CONTENT_END) && !(flags & MT_TX_GAP) &&
           transaction->message_user_agent.ptr != NULL && !(session->flags & MT_S_AUTHED) &&
           session->port[MT_SERVER] == MAIL_PORT;
}

static uint32_t test_chain(const struct mt_run *run, const struct chain *chain, uint64_t total, int64_t now)
{
    const struct mt_site *site = run->engine->site;
    uint32_t findings = 0;

    for (uint32_t i = 0; i < chain->count; i++)
        findings |= test_hop(&chain->hops[i], now);
    if (goes_backwards(chain))
        findings |= RECEIVED_DATE_BACKWARDS;
    if (is_private_between(chain))
        findings |= RECEIVED_PRIVATE_BETWEEN_PUBLIC;
    if (is_broken(chain))
        findings |= RECEIVED_CHAIN_BREAK;
    if (has_duplicate_id(chain))
        findings |= RECEIVED_DUPLICATE_ID;
    if (total > MANY_HOPS)
        findings |= RECEIVED_MANY_HOPS;
    if (total >= LOOP_HOPS)
        findings |= RECEIVED_LOOP;
    bool is_outside = run->session->flags & MT_S_OUTSIDE;
    if (is_outside && mt_site_is_local_domain(site, chain->hops[0].by))
        findings |= RECEIVED_LOCAL_BY;
    if (!mt_build_is_same_owner(chain->hops[0].by, run->engine->build->helo))
        findings |= RECEIVED_SENDER_BREAK;
    return findings;
}

/* --- to the record ---------------------------------------------------------- */

static void put_findings(struct mt_build *build, uint32_t findings, struct mt_names *ret_names)
{
    static const struct mt_build_finding tests[] = {
#define MT_RECEIVED_TEST(name, number, text, meaning) {RECEIVED_##name, text},
#include "record/received_tests.def"
#undef MT_RECEIVED_TEST
    };
    MT_STATIC_ASSERT(MT_ARRAY_COUNT(tests) == MT_BUILD_FINDINGS_MAX, "a transaction has room for all");

    mt_build_put_findings(build, tests, MT_ARRAY_COUNT(tests), findings, ret_names);
}

static void put_hops(struct mt_run *run, const struct chain *chain, struct mt_hops *ret_hops)
{
    struct mt_build *build = run->engine->build;

    ret_hops->items = &build->hops[build->hops_used];
    for (uint32_t i = 0; i < chain->count; i++) {
        const struct mt_message_hop *hop = &chain->hops[i];
        if (build->hops_used == build->hops_cap) {
            mt_cut(run, MT_CUT_HOPS);
            return;
        }
        bool is_kept = hop->has_date && hop->seconds > 0;
        build->hops[build->hops_used++] = (struct mt_record_hop){
            .from_name = hop->from_name,
            .from_host = hop->from_host,
            .from_ip = hop->from_ip,
            .by = hop->by,
            .with = hop->with,
            .id = hop->id,
            .recipient = hop->recipient,
            .time = is_kept ? (uint64_t)hop->seconds * NS_PER_S : 0,
        };
        ret_hops->count++;
    }
}

void mt_build_received(struct mt_run *run, const struct mt_build_slot *slot,
                       struct mt_record_transaction *transaction)
{
    const struct mt_texts *received = &transaction->message_received;
    uint64_t total = slot->received_total > received->count ? slot->received_total : received->count;
    struct chain chain;
    uint32_t findings = 0;

    if (received->count == 0) {
        findings = lacks_hops(run, slot, transaction) ? RECEIVED_NO_RECEIVED : 0;
    } else {
        chain.count = received->count < HOPS_MAX ? received->count : HOPS_MAX;
        for (uint32_t i = 0; i < chain.count; i++)
            mt_message_parse_received(received->items[i], &chain.hops[i]);
        findings = test_chain(run, &chain, total, (int64_t)(run->session->first / NS_PER_S));
        findings |= slot->is_received_low ? RECEIVED_BELOW_HEADER : 0;
        if (total > HOPS_MAX)
            mt_cut(run, MT_CUT_HOPS);
        put_hops(run, &chain, &transaction->message_hops);
        transaction->message_received_total = total;
    }
    if (findings != 0)
        put_findings(run->engine->build, findings, &transaction->message_received_findings);
}
