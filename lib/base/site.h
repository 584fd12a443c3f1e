/* What the operator says about the site: whose networks, domains and servers
 * are ours. Read-only after start; shared by all threads.
 *
 * Ownership: the lists belong to whoever filled the struct (config). Thread:
 * any, read-only. Limits: linear search, meant for lists of up to some hundred.
 */
#ifndef MT_BASE_SITE_H
#define MT_BASE_SITE_H

#include "base/net.h"

struct mt_site {
    bool given;                            /* a site file was read */
    const struct mt_prefix *home_networks; /* never empty: private space when not given */
    size_t home_network_count;
    const struct mt_prefix *mail_servers;
    size_t mail_server_count;
    const struct mt_prefix *allowed_relays;
    size_t allowed_relay_count;
    const struct mt_span *local_domains; /* lower case; empty: to be inferred (detections D1) */
    size_t local_domain_count;
    const struct mt_span *protected_names; /* of people whom impostors pose as */
    size_t protected_name_count;
};

/* The site without a site file: private address space is home, nothing else. */
extern const struct mt_site mt_site_default;

bool mt_site_is_home(const struct mt_site *site, const struct mt_ip *ip);
bool mt_site_is_mail_server(const struct mt_site *site, const struct mt_ip *ip);
bool mt_site_may_relay(const struct mt_site *site, const struct mt_ip *ip);

/* domain is one of local_domains or below one of them; ASCII case ignored. */
bool mt_site_is_local_domain(const struct mt_site *site, struct mt_span domain);

/* name, as it stands before an address, is one of protected_names: quotes, backslashes,
 * the number of blanks and ASCII case ignored. */
bool mt_site_is_protected_name(const struct mt_site *site, struct mt_span name);

#endif
