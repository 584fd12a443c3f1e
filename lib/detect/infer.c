#include "detect/detect_priv.h"

#include <errno.h>
#include <stdlib.h>

/* Detections D1: without local_domains, a domain is taken for local at a
 * server once clients of many networks got their mail for it accepted there. */
struct candidate {
    struct mt_table_entry entry;
    struct mt_window networks;
};

struct server {
    struct mt_table_entry entry;
};

int mt_infer_init(struct mt_detect *detect, uint32_t count_max)
{
    int rc = mt_table_init(&detect->candidates,
                           &(struct mt_table_config){.entry_size = sizeof(struct candidate),
                                                     .zeroed_size = sizeof(struct candidate),
                                                     .large_size = sizeof(struct mt_window_large),
                                                     .count_max = count_max});
    if (rc == 0)
        rc = mt_table_init(&detect->learnt,
                           &(struct mt_table_config){.entry_size = sizeof(struct mt_learnt),
                                                     .zeroed_size = offsetof(struct mt_learnt, text),
                                                     .count_max = count_max});
    if (rc == 0)
        rc = mt_table_init(&detect->servers, &(struct mt_table_config){.entry_size = sizeof(struct server),
                                                                       .zeroed_size = sizeof(struct server),
                                                                       .count_max = count_max});
    if (rc != 0)
        return rc;
    detect->sorted = calloc(count_max, sizeof(struct mt_learnt *));
    return detect->sorted ? 0 : -ENOMEM;
}

void mt_infer_fini(struct mt_detect *detect)
{
    mt_table_fini(&detect->candidates);
    mt_table_fini(&detect->learnt);
    mt_table_fini(&detect->servers);
    free(detect->sorted);
}

static void learn(struct mt_detect *detect, const struct mt_ip *server, struct mt_span domain)
{
    struct mt_learnt *learnt =
        mt_detect_take(detect, &detect->learnt, mt_detect_key(detect, server, NULL, domain));

    learnt->size = (uint8_t)domain.size;
    memcpy(learnt->text, domain.ptr, domain.size);
    mt_detect_take(detect, &detect->servers, mt_detect_key(detect, server, NULL, mt_span_none()));
}

/* The /24 of an IPv4 client, the /48 of an IPv6 one: what one owner holds. */
static uint64_t network_of(const struct mt_ip *ip)
{
    uint8_t network[7] = {ip->family};

    memcpy(network + 1, ip->bytes, ip->family == 4 ? 3 : 6);
    return mt_detect_item(mt_span(network, sizeof(network)));
}

void mt_infer_add(struct mt_detect *detect, const struct mt_observation *o)
{
    struct mt_span domain = mt_observed_domain(o);
    if (domain.size == 0 || domain.size > sizeof(((struct mt_learnt *)NULL)->text))
        return;

    struct mt_hash128 key = mt_detect_key(detect, &o->tuple.dst, NULL, domain);
    if (mt_table_find(&detect->learnt, key))
        return;
    struct candidate *candidate = mt_detect_take(detect, &detect->candidates, key);
    uint64_t span = detect->config.relay_infer_window * MT_SEC;
    struct mt_window_large *large = mt_table_large(&detect->candidates, &candidate->entry);
    mt_window_add(&candidate->networks, large, span, detect->now, network_of(&o->tuple.src));
    if (mt_window_has_distinct(&candidate->networks, large, span, detect->now,
                               detect->config.relay_infer_networks))
        learn(detect, &o->tuple.dst, domain);
}

enum mt_standing mt_infer_standing(struct mt_detect *detect, const struct mt_ip *server,
                                   struct mt_span domain)
{
    if (detect->learnt.count == 0)
        return MT_STANDING_UNKNOWN;
    if (mt_table_find(&detect->learnt, mt_detect_key(detect, server, NULL, domain)))
        return MT_STANDING_LOCAL;
    if (mt_table_find(&detect->servers, mt_detect_key(detect, server, NULL, mt_span_none())))
        return MT_STANDING_FOREIGN;
    return MT_STANDING_UNKNOWN;
}

static int compare_learnt(const void *a, const void *b)
{
    const struct mt_learnt *x = *(const struct mt_learnt *const *)a;
    const struct mt_learnt *y = *(const struct mt_learnt *const *)b;
    int order = memcmp(x->text, y->text, mt_min_u64(x->size, y->size));

    return order != 0 ? order : (int)x->size - (int)y->size;
}

size_t mt_detect_inferred_domains(const struct mt_detect *detect, struct mt_span *ret_domains,
                                  size_t count_max)
{
    const struct mt_learnt **sorted = detect->sorted;
    size_t count = 0;
    size_t distinct = 0;

    for (; count < detect->learnt.count; count++)
        sorted[count] = mt_table_entry(&detect->learnt, (uint32_t)count);
    qsort(sorted, count, sizeof(*sorted), compare_learnt);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && compare_learnt(&sorted[i - 1], &sorted[i]) == 0)
            continue; /* learnt for another server too */
        if (distinct < count_max)
            ret_domains[distinct] = mt_span(sorted[i]->text, sorted[i]->size);
        distinct++;
    }
    return distinct;
}
