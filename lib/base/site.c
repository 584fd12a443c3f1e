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
