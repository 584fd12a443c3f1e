/* Which correlations can be judged, and what of a rule's events they need. */
#include "base/hash.h"
#include "sigma/family_priv.h"
#include "sigma/feed_priv.h"
#include "sigma/rule_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define IDENTITY_SEED UINT64_C(0x6D61696C74617001)

struct routing {
    struct mt_sigma *sigma;
    struct mt_sigma_loaded *rule;
    struct mt_sigma_route routes[MT_SIGMA_ROUTES_MAX];
    uint32_t count;
};

/* --- which are active ---------------------------------------------------------- */

/* Without cycles: mt_sigma_link has broken them. */
static int settle(struct mt_sigma *sigma, struct mt_sigma_loaded *l, unsigned depth)
{
    if (l->rule.kind != MT_SIGMA_KIND_CORRELATION || l->rule.inactive || depth > MT_SIGMA_NESTING_MAX)
        return 0;
    for (uint32_t i = 0; i < l->ref_count; i++) {
        struct mt_sigma_loaded *of = l->refs[i].rule;
        int rc = settle(sigma, of, depth + 1);
        if (rc != 0)
            return rc;
        if (!of->rule.inactive)
            continue;
        char text[600];
        int size = snprintf(text, sizeof(text), "it needs %.200s, which is inactive: %.300s", of->rule.name,
                            of->rule.inactive);
        l->rule.inactive = mt_sigma_copy(&sigma->memory, mt_span(text, (size_t)size));
        return l->rule.inactive ? 0 : -ENOMEM;
    }
    return 0;
}

static void hash_text(uint64_t *hash, const char *text)
{
    struct mt_span span = text ? mt_span_cstr(text) : mt_span_none();
    *hash = mt_hash_pair(*hash, mt_hash_bytes(IDENTITY_SEED, span), span.size);
}

static void hash_names(uint64_t *hash, const struct mt_names *names)
{
    for (uint32_t i = 0; i < names->count; i++)
        hash_text(hash, names->items[i]);
    *hash = mt_hash_pair(*hash, names->count, IDENTITY_SEED);
}

static uint64_t identity_of(const struct mt_sigma_loaded *l)
{
    const struct mt_sigma_correlation *c = l->correlation;
    uint64_t hash = IDENTITY_SEED;
    hash_text(&hash, l->rule.name);
    hash_text(&hash, l->rule.id);
    hash_text(&hash, c->expression);
    hash_names(&hash, &c->group_by);
    hash_names(&hash, &c->fields);
    for (const struct mt_sigma_alias *a = c->aliases; a; a = a->next) {
        hash_text(&hash, a->name);
        hash_text(&hash, a->rule);
        hash_text(&hash, a->field);
    }
    for (uint32_t i = 0; i < l->ref_count; i++)
        hash_text(&hash, l->refs[i].rule->rule.name);
    for (unsigned i = 0; i < 6; i++)
        hash = mt_hash_pair(hash, c->bounds[i], c->bound_bits);
    return mt_hash_pair(hash, c->timespan, (uint64_t)c->percentile << 8 | c->type);
}

static int compare_identities(const void *a, const void *b)
{
    const struct mt_sigma_loaded *x = *(struct mt_sigma_loaded *const *)a;
    const struct mt_sigma_loaded *y = *(struct mt_sigma_loaded *const *)b;
    if (x->correlation->identity != y->correlation->identity)
        return x->correlation->identity < y->correlation->identity ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int list_active(struct mt_sigma *sigma)
{
    sigma->correlations =
        mt_sigma_alloc(&sigma->memory, (sigma->count + 1) * sizeof(struct mt_sigma_loaded *));
    if (!sigma->correlations)
        return -ENOMEM;
    for (uint32_t i = 0; i < sigma->count; i++) {
        struct mt_sigma_loaded *l = sigma->all[i];
        if (l->rule.kind != MT_SIGMA_KIND_CORRELATION || l->rule.inactive)
            continue;
        l->correlation->identity = identity_of(l);
        sigma->correlations[sigma->correlation_count++] = l;
    }
    qsort(sigma->correlations, sigma->correlation_count, sizeof(struct mt_sigma_loaded *),
          compare_identities);
    for (uint32_t i = 0; i < sigma->correlation_count; i++)
        sigma->correlations[i]->correlation->place = (uint16_t)i; /* a hint */
    return 0;
}

/* --- fields of a rule's events ---------------------------------------------------- */

/* What a name means for events that come by this reference. */
static const struct mt_sigma_alias *alias_of(const struct mt_sigma_correlation *c, const char *name,
                                             const struct mt_sigma_loaded *of, bool *ret_is_alias)
{
    *ret_is_alias = false;
    for (const struct mt_sigma_alias *a = c->aliases; a; a = a->next) {
        if (strcmp(a->name, name) != 0)
            continue;
        *ret_is_alias = true;
        if (mt_sigma_is_named(of, a->rule))
            return a;
    }
    return NULL;
}

const char *mt_sigma_key_path(const struct mt_sigma_loaded *of, uint32_t ref, uint32_t key)
{
    bool is_alias;
    const char *name = of->correlation->group_by.items[key];
    const struct mt_sigma_alias *alias = alias_of(of->correlation, name, of->refs[ref].rule, &is_alias);
    return alias ? alias->field : name;
}

static int unknown_field(struct routing *routing, struct mt_sigma_loaded *to, const char *path,
                         const struct mt_sigma_place *place)
{
    char storage[256];
    char what[700];
    const char *nearest =
        mt_sigma_field_nearest(routing->rule->rule.category, mt_span_cstr(path), storage, sizeof(storage));
    snprintf(what, sizeof(what), "correlation: events of category %s have no field %s%s%s%s",
             mt_sigma_category_name(routing->rule->rule.category), mt_yaml_quote(mt_span_cstr(path)).text,
             nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return mt_sigma_complain(routing->sigma, to, place->line, place->column, what, NULL);
}

static int find_field(struct routing *routing, struct mt_sigma_loaded *to, uint32_t ref, const char *name,
                      const struct mt_sigma_place *place, const struct mt_sigma_field **ret_field)
{
    bool is_alias;
    const struct mt_sigma_alias *alias = alias_of(to->correlation, name, to->refs[ref].rule, &is_alias);
    struct mt_sigma_place at = alias ? (struct mt_sigma_place){alias->line, alias->column} : *place;
    if (is_alias && !alias) {
        char what[400];
        snprintf(what, sizeof(what), "correlation: aliases: %.200s says nothing of the rule", name);
        return mt_sigma_complain(routing->sigma, to, at.line, at.column, what, to->refs[ref].rule->rule.name);
    }
    const char *path = alias ? alias->field : name;
    struct mt_sigma_field *field = mt_sigma_alloc(&routing->sigma->memory, sizeof(*field));
    if (!field)
        return -ENOMEM;
    if (!mt_sigma_field_find(routing->rule->rule.category, mt_span_cstr(path), field) ||
        field->kind == MT_SIGMA_LIST)
        return unknown_field(routing, to, path, &at);
    field->path = path;
    *ret_field = field;
    return 0;
}

static bool is_of_numbers(const struct mt_sigma_correlation *c)
{
    return c->fields.count > 0 && c->type != MT_SIGMA_CORRELATE_VALUE_COUNT;
}

static int find_fields(struct routing *routing, struct mt_sigma_route *route)
{
    struct mt_sigma_loaded *to = route->to;
    const struct mt_sigma_correlation *c = to->correlation;
    int rc = 0;
    for (uint32_t i = 0; i < c->group_by.count && rc == 0 && !to->rule.inactive; i++)
        rc = find_field(routing, to, route->ref, c->group_by.items[i], &c->group_places[i],
                        &route->keys[route->key_count++]);
    for (uint32_t i = 0; i < c->fields.count && rc == 0 && !to->rule.inactive; i++) {
        rc = find_field(routing, to, route->ref, c->fields.items[i], &c->field_places[i],
                        &route->values[route->value_count++]);
        if (rc == 0 && !to->rule.inactive && is_of_numbers(c) && route->values[i]->kind != MT_SIGMA_NUMBER)
            rc = mt_sigma_complain(routing->sigma, to, c->field_places[i].line, c->field_places[i].column,
                                   "correlation: condition: not a field of numbers:", c->fields.items[i]);
    }
    return rc;
}

/* Names of fields that are asked for by several routes. */
struct shared {
    const char *paths[MT_SIGMA_FEED_FIELDS];
    uint8_t count;
};

static uint8_t place_of(struct shared *shared, const struct mt_sigma_field *field)
{
    uint8_t at = 0;
    while (at < shared->count && strcmp(shared->paths[at], field->path) != 0)
        at++;
    if (at == shared->count && at < MT_SIGMA_FEED_FIELDS)
        shared->paths[shared->count++] = field->path;
    return at;
}

static void share_fields(struct mt_sigma_loaded *rule)
{
    struct shared shared = {.count = 0};
    for (uint32_t i = 0; i < rule->route_count; i++) {
        struct mt_sigma_route *route = &rule->routes[i];
        for (uint32_t k = 0; k < route->key_count; k++)
            route->key_at[k] = place_of(&shared, route->keys[k]);
        for (uint32_t k = 0; k < route->value_count; k++)
            route->value_at[k] = place_of(&shared, route->values[k]);
    }
}

/* Of the recipient in hand, not of its transaction or session. */
static bool is_of_recipient(const struct mt_sigma_field *field)
{
    static const char group[] = "smtp.transactions.recipients.";
    return strncmp(field->path, group, sizeof(group) - 1) == 0;
}

/* Sums count each value, whatever it is. */
static void find_joins(struct mt_sigma_loaded *rule)
{
    rule->joins = rule->rule.category == MT_SIGMA_RECIPIENT && rule->route_count > 0;
    for (uint32_t i = 0; i < rule->route_count; i++) {
        struct mt_sigma_route *route = &rule->routes[i];
        route->has_same_values =
            route->value_count == 0 || route->to->correlation->type == MT_SIGMA_CORRELATE_VALUE_COUNT;
        for (uint32_t k = 0; k < route->key_count; k++)
            rule->joins &= !is_of_recipient(route->keys[k]);
        for (uint32_t k = 0; k < route->value_count; k++)
            route->has_same_values &= !is_of_recipient(route->values[k]);
    }
}

/* --- routes --------------------------------------------------------------------- */

/* Depth first, so that a route stands behind its parent. */
static int add_routes(struct routing *routing, const struct mt_sigma_loaded *from, uint8_t parent,
                      unsigned depth)
{
    int rc = 0;
    for (uint32_t i = 0; i < routing->sigma->count && rc == 0; i++) {
        struct mt_sigma_loaded *to = routing->sigma->all[i];
        if (to->rule.kind != MT_SIGMA_KIND_CORRELATION)
            continue;
        for (uint32_t k = 0; k < to->ref_count && rc == 0 && !to->rule.inactive; k++) {
            if (to->refs[k].rule != from)
                continue;
            if (routing->count == MT_SIGMA_ROUTES_MAX || depth > MT_SIGMA_NESTING_MAX)
                return mt_sigma_complain(routing->sigma, to, to->refs[k].line, to->refs[k].column,
                                         "correlation: more than 32 correlations lead to the rule",
                                         routing->rule->rule.name);
            struct mt_sigma_route *route = &routing->routes[routing->count];
            *route = (struct mt_sigma_route){.to = to, .ref = (uint8_t)k, .parent = parent};
            rc = find_fields(routing, route);
            if (rc == 0 && !to->rule.inactive)
                rc = add_routes(routing, to, (uint8_t)routing->count++, depth + 1);
        }
    }
    return rc;
}

static int route_rule(struct mt_sigma *sigma, struct mt_sigma_loaded *rule, struct routing *routing)
{
    routing->sigma = sigma;
    routing->rule = rule;
    routing->count = 0;
    int rc = add_routes(routing, rule, MT_SIGMA_ROUTE_NONE, 0);
    if (rc != 0)
        return rc;
    rule->routes = mt_sigma_alloc(&sigma->memory, (routing->count + 1) * sizeof(*rule->routes));
    if (!rule->routes)
        return -ENOMEM;
    memcpy(rule->routes, routing->routes, routing->count * sizeof(*rule->routes));
    rule->route_count = routing->count;
    share_fields(rule);
    find_joins(rule);
    return 0;
}

/* One without is_generating makes its rules silent, one with it is heard first. */
static void mark_components(const struct mt_sigma *sigma)
{
    for (int generates = 0; generates <= 1; generates++) {
        for (uint32_t i = 0; i < sigma->count; i++) {
            const struct mt_sigma_loaded *l = sigma->all[i];
            if (l->rule.kind != MT_SIGMA_KIND_CORRELATION || l->correlation->generates != (generates == 1))
                continue;
            for (uint32_t k = 0; k < l->ref_count; k++) {
                if (l->refs[k].rule)
                    l->refs[k].rule->rule.is_silent = generates == 0;
            }
        }
    }
}

static int route_rules(struct mt_sigma *sigma)
{
    struct routing *routing = malloc(sizeof(*routing));
    int rc = routing ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < sigma->count && rc == 0; i++) {
        struct mt_sigma_loaded *l = sigma->all[i];
        if (l->rule.kind == MT_SIGMA_KIND_RULE && !l->rule.inactive)
            rc = route_rule(sigma, l, routing);
    }
    free(routing);
    return rc;
}

static bool has_correlations(const struct mt_sigma *sigma)
{
    for (uint32_t i = 0; i < sigma->count; i++) {
        if (sigma->all[i]->rule.kind == MT_SIGMA_KIND_CORRELATION)
            return true;
    }
    return false;
}

static void close_components(const struct mt_sigma *sigma)
{
    for (uint32_t i = 0; i < sigma->count; i++) {
        struct mt_sigma_loaded *l = sigma->all[i];
        if (l->rule.kind == MT_SIGMA_KIND_RULE && !l->rule.inactive && l->rule.is_silent &&
            l->route_count == 0)
            l->rule.inactive = "it only feeds correlations that are inactive";
    }
}

/* A field that one rule's events lack breaks a correlation, which then is no way
 * for the events of others: so routes are made until none breaks any more. */
int mt_sigma_route_all(struct mt_sigma *sigma)
{
    size_t errors;
    int rc = 0;
    if (!has_correlations(sigma))
        return 0;
    mark_components(sigma);
    do {
        errors = sigma->error_count;
        for (uint32_t i = 0; i < sigma->count && rc == 0; i++)
            rc = settle(sigma, sigma->all[i], 0);
        if (rc == 0)
            rc = route_rules(sigma);
    } while (rc == 0 && errors != sigma->error_count && errors < MT_SIGMA_ERRORS_MAX);
    if (rc == 0)
        rc = list_active(sigma);
    if (rc == 0)
        mt_sigma_find_families(sigma);
    close_components(sigma);
    return rc;
}
