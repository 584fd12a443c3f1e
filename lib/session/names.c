/* Names of clients and servers by the answers of DNS that were seen, and the tests
 * of a greeting that need them (detections D4: h10 to h12, h14). */
#include "session/names_priv.h"

/* Names of one address that are looked at, and hosts of one domain. */
#define NAMES_MAX 8u

static struct mt_dns_span span_of(const struct mt_session *session)
{
    uint64_t last = mt_max_u64(session->last.time, session->first);

    return (struct mt_dns_span){.from = session->first, .until = last + MT_NAMES_LINGER};
}

static enum mt_name_verdict verdict_of(enum mt_dns_found found)
{
    return found == MT_DNS_FOUND  ? MT_NAME_CONFIRMED
           : found == MT_DNS_NONE ? MT_NAME_DENIED
                                  : MT_NAME_UNKNOWN;
}

static enum mt_dns_found find(const struct mt_run *run, struct mt_span name, enum mt_dns_type type,
                              struct mt_dns_values *ret_values)
{
    return mt_dns_find(run->engine->names, name, type, span_of(run->session), ret_values);
}

static enum mt_dns_found find_address(const struct mt_run *run, struct mt_span name, const struct mt_ip *ip)
{
    return mt_dns_find_address(run->engine->names, name, ip, span_of(run->session));
}

/* --- the client's name ----------------------------------------------------------- */

/* Of several names the one that is confirmed, else the first of the alphabet. */
static void judge_reverse(const struct mt_run *run, const struct mt_ip *client, struct mt_known_names *names)
{
    struct mt_dns_values values;
    struct mt_dns_name reverse;
    struct mt_span item;
    bool is_sure = true;

    mt_dns_reverse_name(client, &reverse);
    enum mt_dns_found found = find(run, mt_span(reverse.text, reverse.size), MT_DNS_PTR, &values);
    if (found == MT_DNS_NONE)
        names->reverse = MT_NAME_NONE;
    if (found != MT_DNS_FOUND)
        return;
    is_sure = !values.is_cut && values.count <= NAMES_MAX;
    for (unsigned i = 0; i < NAMES_MAX && mt_dns_next(&values.items, &item); i++) {
        enum mt_dns_found forward = find_address(run, item, client);
        if (names->client.ptr == NULL || forward == MT_DNS_FOUND)
            names->client = item;
        if (forward == MT_DNS_FOUND) {
            names->reverse = MT_NAME_CONFIRMED;
            return;
        }
        is_sure = is_sure && forward == MT_DNS_NONE;
    }
    names->reverse = is_sure ? MT_NAME_DENIED : MT_NAME_UNKNOWN;
}

/* --- the greeting ----------------------------------------------------------------- */

static bool has_none(const struct mt_run *run, struct mt_span name, enum mt_dns_type type)
{
    struct mt_dns_values values;

    return find(run, name, type, &values) == MT_DNS_NONE;
}

static bool is_missing(const struct mt_run *run, struct mt_span name)
{
    struct mt_dns_values values;

    if (find(run, name, MT_DNS_A, &values) == MT_DNS_NONE && values.is_missing)
        return true;
    return has_none(run, name, MT_DNS_A) && has_none(run, name, MT_DNS_AAAA) &&
           has_none(run, name, MT_DNS_MX);
}

static bool is_below(struct mt_span name, const char *domain)
{
    size_t size = strlen(domain);

    if (name.size < size || !mt_span_ieq_cstr(mt_span_from(name, name.size - size), domain))
        return false;
    return name.size == size || name.ptr[name.size - size - 1] == '.';
}

/* h14: a name of a provider, from an address that is not called so. */
static bool is_borrowed(struct mt_span helo, struct mt_span client)
{
    static const struct {
        const char *helo;
        const char *client;
    } senders[] = {
#define MT_BIG_SENDER(helo, client) {helo, client},
#include "session/big_senders_priv.def"
#undef MT_BIG_SENDER
    };

    for (size_t i = 0; i < MT_ARRAY_COUNT(senders); i++) {
        if (is_below(helo, senders[i].helo))
            return !is_below(client, senders[i].client) && !is_below(client, senders[i].helo);
    }
    return false;
}

/* RFC 5321 §4.1.4: that a name does not fit is no reason to refuse mail; so these
 * are few points. */
static void judge_helo(const struct mt_run *run, struct mt_span helo, const struct mt_ip *client,
                       struct mt_known_names *names)
{
    if (is_missing(run, helo)) {
        names->helo = MT_NAME_NONE;
        names->findings |= MT_HELO_NO_DNS;
    } else {
        names->helo = verdict_of(find_address(run, helo, client));
        if (names->helo == MT_NAME_DENIED)
            names->findings |= MT_HELO_NO_FORWARD_MATCH;
    }
    if (names->client.ptr == NULL)
        return;
    if (!mt_span_ieq(names->client, helo) && !mt_build_is_same_owner(names->client, helo))
        names->findings |= MT_HELO_PTR_MISMATCH;
    if (is_borrowed(helo, names->client))
        names->findings |= MT_HELO_BIG_COMPANY;
}

static struct mt_span last_host(const struct mt_session *session)
{
    struct mt_cursor cursor = mt_store_begin(session);
    const struct mt_entry_helo *last = NULL;
    struct mt_entry *entry;

    while ((entry = mt_store_next(&cursor)) != NULL) {
        if (entry->tag == MT_TAG_HELO)
            last = (const struct mt_entry_helo *)entry;
    }
    return last != NULL && last->kind == MT_HELO_KIND_FQDN ? mt_entry_text(last) : mt_span_none();
}

void mt_names_judge(struct mt_run *run)
{
    struct mt_known_names *names = &run->engine->known;
    struct mt_ip client;

    *names = (struct mt_known_names){.client = mt_span_none()};
    mt_session_address(run->session, MT_CLIENT, &client);
    judge_reverse(run, &client, names);
    struct mt_span helo = last_host(run->session);
    if (helo.ptr != NULL)
        judge_helo(run, helo, &client, names);
}

/* --- domains ------------------------------------------------------------------------ */

/* RFC 5321 §5.1: a domain without MX is its own. */
static enum mt_flag judge_implicit(const struct mt_run *run, struct mt_span domain,
                                   const struct mt_ip *server, struct mt_span *ret_host)
{
    enum mt_dns_found found = find_address(run, domain, server);

    if (found == MT_DNS_UNKNOWN)
        return MT_FLAG_ABSENT;
    if (found == MT_DNS_FOUND)
        *ret_host = domain;
    return found == MT_DNS_FOUND ? MT_FLAG_TRUE : MT_FLAG_FALSE;
}

enum mt_flag mt_names_mx(const struct mt_run *run, struct mt_span domain, struct mt_span *ret_host)
{
    struct mt_dns_values values;
    struct mt_span item;
    struct mt_ip server;

    if (domain.size == 0)
        return MT_FLAG_ABSENT;
    enum mt_dns_found found = find(run, domain, MT_DNS_MX, &values);
    mt_session_address(run->session, MT_SERVER, &server);
    if (found == MT_DNS_NONE)
        return values.is_missing ? MT_FLAG_FALSE : judge_implicit(run, domain, &server, ret_host);
    if (found == MT_DNS_UNKNOWN)
        return MT_FLAG_ABSENT;
    bool is_sure = !values.is_cut;
    while (mt_dns_next(&values.items, &item)) {
        struct mt_span host = mt_span_from(item, 2);
        if (host.size == 0)
            continue; /* RFC 7505: takes no mail */
        enum mt_dns_found is_here = find_address(run, host, &server);
        if (is_here == MT_DNS_FOUND) {
            *ret_host = host;
            return MT_FLAG_TRUE;
        }
        is_sure = is_sure && is_here == MT_DNS_NONE;
    }
    return is_sure ? MT_FLAG_FALSE : MT_FLAG_ABSENT;
}

struct mt_span mt_names_spf(const struct mt_run *run, struct mt_span domain)
{
    struct mt_dns_values values;
    struct mt_span item;

    if (domain.size == 0 || find(run, domain, MT_DNS_TXT, &values) != MT_DNS_FOUND)
        return mt_span_none();
    return mt_dns_next(&values.items, &item) ? item : mt_span_none();
}
