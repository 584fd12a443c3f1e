#include "pipeline/rules_priv.h"

#include <errno.h>
#include <stdlib.h>

static bool prefixes_copy(const struct mt_prefix *from, size_t count, const struct mt_prefix **ret_copy)
{
    struct mt_prefix *copy = calloc(count ? count : 1, sizeof(*copy));
    if (!copy)
        return false;
    if (count > 0)
        memcpy(copy, from, count * sizeof(*copy));
    *ret_copy = copy;
    return true;
}

/* The list, and behind it the bytes of its members. */
static bool domains_copy(const struct mt_span *from, size_t count, const struct mt_span **ret_copy)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++)
        size += from[i].size;
    struct mt_span *copy = malloc(count * sizeof(*copy) + size + 1);
    if (!copy)
        return false;
    uint8_t *bytes = (uint8_t *)(copy + count);
    for (size_t i = 0; i < count; i++) {
        if (from[i].size > 0)
            memcpy(bytes, from[i].ptr, from[i].size);
        copy[i] = mt_span(bytes, from[i].size);
        bytes += from[i].size;
    }
    *ret_copy = copy;
    return true;
}

static void rules_free(struct mt_rules *rules)
{
    mt_sigma_destroy(rules->sigma);
    free((void *)(uintptr_t)rules->site.home_networks);
    free((void *)(uintptr_t)rules->site.mail_servers);
    free((void *)(uintptr_t)rules->site.allowed_relays);
    free((void *)(uintptr_t)rules->site.local_domains);
    free((void *)(uintptr_t)rules->site.protected_names);
    free(rules);
}

static struct mt_rules *rules_copy(const struct mt_site *site, const struct mt_detect_config *detect)
{
    struct mt_rules *rules = calloc(1, sizeof(*rules));
    if (!rules)
        return NULL;
    rules->detect = *detect;
    struct mt_site *copy = &rules->site;
    bool is_whole = prefixes_copy(site->home_networks, site->home_network_count, &copy->home_networks) &&
                    prefixes_copy(site->mail_servers, site->mail_server_count, &copy->mail_servers) &&
                    prefixes_copy(site->allowed_relays, site->allowed_relay_count, &copy->allowed_relays) &&
                    domains_copy(site->local_domains, site->local_domain_count, &copy->local_domains) &&
                    domains_copy(site->protected_names, site->protected_name_count, &copy->protected_names);
    if (!is_whole) {
        rules_free(rules);
        return NULL;
    }
    copy->given = site->given;
    copy->home_network_count = site->home_network_count;
    copy->mail_server_count = site->mail_server_count;
    copy->allowed_relay_count = site->allowed_relay_count;
    copy->local_domain_count = site->local_domain_count;
    copy->protected_name_count = site->protected_name_count;
    return rules;
}

int mt_rules_publish(struct mt_rules_set *set, const struct mt_site *site,
                     const struct mt_detect_config *detect, struct mt_sigma *sigma)
{
    struct mt_rules *rules = rules_copy(site, detect);
    if (!rules)
        return -ENOMEM;
    rules->sigma = sigma;
    rules->older = set->newest;
    set->newest = rules;
    atomic_store_explicit(&set->wanted, rules, memory_order_release);
    return 0;
}

static bool is_taken(const struct mt_rules *rules, struct mt_rules_user *const *users, size_t user_count)
{
    for (size_t i = 0; i < user_count; i++) {
        if (users[i] && atomic_load_explicit(&users[i]->taken, memory_order_acquire) == rules)
            return true;
    }
    return false;
}

/* A user that has not said yet that it took the newest may be about to take one
 * that came between, if it has just looked; so nothing younger than what the
 * slowest has is freed. */
void mt_rules_sweep(struct mt_rules_set *set, struct mt_rules_user *const *users, size_t user_count)
{
    struct mt_rules *rules = set->newest;
    while (rules && rules->older) {
        bool is_needed = false;
        for (const struct mt_rules *r = rules->older; r && !is_needed; r = r->older)
            is_needed = is_taken(r, users, user_count);
        if (!is_needed)
            break;
        rules = rules->older;
    }
    if (!rules)
        return;
    struct mt_rules *old = rules->older;
    rules->older = NULL;
    while (old) {
        struct mt_rules *older = old->older;
        rules_free(old);
        old = older;
    }
}

void mt_rules_fini(struct mt_rules_set *set)
{
    while (set->newest) {
        struct mt_rules *older = set->newest->older;
        rules_free(set->newest);
        set->newest = older;
    }
}
