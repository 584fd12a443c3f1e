/* Families: correlations that feed each other, and what may part their events
 * without parting what belongs together. */
#include "sigma/family_priv.h"

#include "base/hash.h"

#define PIVOT_UNKNOWN 253u
/* Another one with each change of how keys are hashed: then sensors differ in their rules. */
#define FAMILY_SEED UINT64_C(0x6D61696C74617004)

/* A route that begins at another one: how a correlation feeds another. */
struct edge {
    const struct mt_sigma_route *from;
    const struct mt_sigma_route *to;
};

typedef bool edge_fn(void *ctx, const struct edge *edge);

/* False when visit said so. */
static bool each_edge(const struct mt_sigma *sigma, edge_fn *visit, void *ctx)
{
    for (uint32_t i = 0; i < sigma->count; i++) {
        const struct mt_sigma_loaded *l = sigma->all[i];
        for (uint32_t k = 0; k < l->route_count; k++) {
            const struct mt_sigma_route *to = &l->routes[k];
            if (to->parent == MT_SIGMA_ROUTE_NONE || to->to->rule.inactive)
                continue;
            const struct edge edge = {.from = &l->routes[to->parent], .to = to};
            if (!visit(ctx, &edge))
                return false;
        }
    }
    return true;
}

static bool join(void *ctx, const struct edge *edge)
{
    struct mt_sigma_correlation *a = edge->from->to->correlation;
    struct mt_sigma_correlation *b = edge->to->to->correlation;
    uint64_t least = mt_min_u64(a->family, b->family);
    *(bool *)ctx |= a->family != b->family;
    a->family = least;
    b->family = least;
    return true;
}

/* One event has at most one value of it. */
static bool is_single(const struct mt_sigma_field *field)
{
    return field->step_count == 0 && field->type <= MT_FIELD_TYPE_MAC;
}

struct pivots {
    uint64_t family;
    bool has_changed;
};

/* A pivot goes from one end of an edge to the other: to a key that is the same field
 * of the same event. False: there is none, or another one has been found. */
static bool spread(void *ctx, const struct edge *edge)
{
    struct pivots *pivots = ctx;
    struct mt_sigma_correlation *a = edge->from->to->correlation;
    struct mt_sigma_correlation *b = edge->to->to->correlation;
    if (a->family != pivots->family)
        return true;
    bool is_up = a->pivot != PIVOT_UNKNOWN;
    const struct mt_sigma_route *known = is_up ? edge->from : edge->to;
    const struct mt_sigma_route *other = is_up ? edge->to : edge->from;
    struct mt_sigma_correlation *target = is_up ? b : a;
    uint8_t pivot = is_up ? a->pivot : b->pivot;
    if (pivot == PIVOT_UNKNOWN)
        return true;
    if (pivot >= known->key_count || !is_single(known->keys[pivot]))
        return false;
    for (uint8_t i = 0; i < other->key_count; i++) {
        bool is_same = strcmp(other->keys[i]->path, known->keys[pivot]->path) == 0;
        if (!is_same || (target->pivot != PIVOT_UNKNOWN && target->pivot != i))
            continue;
        pivots->has_changed |= target->pivot != i;
        target->pivot = i;
        return true;
    }
    return false;
}

static void set_pivots(const struct mt_sigma *sigma, uint64_t family, uint8_t pivot)
{
    for (uint32_t i = 0; i < sigma->correlation_count; i++) {
        struct mt_sigma_correlation *c = sigma->correlations[i]->correlation;
        if (c->family == family)
            c->pivot = pivot;
    }
}

static void find_pivots(const struct mt_sigma *sigma, struct mt_sigma_correlation *first)
{
    for (uint32_t i = 0; i < first->group_by.count; i++) {
        struct pivots pivots = {.family = first->family};
        bool is_found;
        set_pivots(sigma, first->family, PIVOT_UNKNOWN);
        first->pivot = (uint8_t)i;
        do {
            pivots.has_changed = false;
            is_found = each_edge(sigma, spread, &pivots);
        } while (is_found && pivots.has_changed);
        if (is_found)
            return;
    }
    set_pivots(sigma, first->family, MT_SIGMA_PIVOT_NONE);
}

/* They stand in the order of identities, so it is the same in every set. */
static uint64_t fingerprint_of(const struct mt_sigma *sigma, uint64_t family)
{
    uint64_t hash = FAMILY_SEED;
    for (uint32_t i = 0; i < sigma->correlation_count; i++) {
        const struct mt_sigma_correlation *c = sigma->correlations[i]->correlation;
        if (c->family == family)
            hash = mt_hash_pair(hash, c->identity, c->pivot);
    }
    return hash;
}

void mt_sigma_find_families(struct mt_sigma *sigma)
{
    bool has_joined;
    for (uint32_t i = 0; i < sigma->correlation_count; i++) {
        struct mt_sigma_correlation *c = sigma->correlations[i]->correlation;
        c->family = c->identity;
        c->pivot = MT_SIGMA_PIVOT_GROUP;
    }
    do {
        has_joined = false;
        each_edge(sigma, join, &has_joined);
    } while (has_joined);
    for (uint32_t i = 0; i < sigma->correlation_count; i++) {
        struct mt_sigma_correlation *c = sigma->correlations[i]->correlation;
        bool is_first = c->family == c->identity;
        bool is_alone = true;
        for (uint32_t k = 0; k < sigma->correlation_count && is_first; k++)
            is_alone &= k == i || sigma->correlations[k]->correlation->family != c->family;
        if (is_first && !is_alone)
            find_pivots(sigma, c);
    }
    for (uint32_t i = 0; i < sigma->correlation_count; i++) {
        struct mt_sigma_correlation *c = sigma->correlations[i]->correlation;
        c->fingerprint = fingerprint_of(sigma, c->family);
    }
}
