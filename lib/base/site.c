#include "base/site.h"

#include "base/net_priv.h"

const struct mt_site mt_site_default = {
    .home_networks = mt_private_prefixes,
    .home_network_count = MT_PRIVATE_PREFIX_COUNT,
};

static bool any_prefix_has(const struct mt_prefix *prefixes, size_t count, const struct mt_ip *ip)
{
    for (size_t i = 0; i < count; i++) {
        if (mt_prefix_has(&prefixes[i], ip))
            return true;
    }
    return false;
}

bool mt_site_is_home(const struct mt_site *site, const struct mt_ip *ip)
{
    return any_prefix_has(site->home_networks, site->home_network_count, ip);
}

bool mt_site_is_mail_server(const struct mt_site *site, const struct mt_ip *ip)
{
    return any_prefix_has(site->mail_servers, site->mail_server_count, ip);
}

bool mt_site_may_relay(const struct mt_site *site, const struct mt_ip *ip)
{
    return any_prefix_has(site->allowed_relays, site->allowed_relay_count, ip);
}

bool mt_site_is_local_domain(const struct mt_site *site, struct mt_span domain)
{
    if (domain.size > 0 && domain.ptr[domain.size - 1] == '.')
        domain.size--;
    for (size_t i = 0; i < site->local_domain_count; i++) {
        struct mt_span local = site->local_domains[i];
        if (domain.size < local.size)
            continue;
        size_t above = domain.size - local.size;
        if (!mt_span_ieq(mt_span_from(domain, above), local))
            continue;
        if (above == 0 || domain.ptr[above - 1] == '.')
            return true;
    }
    return false;
}

/* What quoting adds is no part of a name. */
static bool is_filler(uint8_t byte)
{
    return byte == '"' || byte == '\\';
}

static bool is_blank(uint8_t byte)
{
    return byte == ' ' || byte == '\t';
}

/* The next octet of a name, blanks as one and none at its end; -1 there. */
static int next_of_name(struct mt_span *rest, bool is_first)
{
    bool had_blank = false;
    size_t at = 0;

    while (at < rest->size && (is_filler(rest->ptr[at]) || is_blank(rest->ptr[at])))
        had_blank |= is_blank(rest->ptr[at++]);
    *rest = mt_span_from(*rest, at);
    if (rest->size == 0)
        return -1;
    if (had_blank && !is_first)
        return ' ';
    uint8_t byte = mt_ascii_lower(rest->ptr[0]);
    *rest = mt_span_from(*rest, 1);
    return byte;
}

static bool is_same_name(struct mt_span name, struct mt_span known)
{
    int a = next_of_name(&name, true), b = next_of_name(&known, true);

    while (a == b && a != -1) {
        a = next_of_name(&name, false);
        b = next_of_name(&known, false);
    }
    return a == b;
}

bool mt_site_is_protected_name(const struct mt_site *site, struct mt_span name)
{
    for (size_t i = 0; i < site->protected_name_count; i++) {
        if (is_same_name(name, site->protected_names[i]))
            return true;
    }
    return false;
}
