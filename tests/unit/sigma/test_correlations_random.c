/* Random correlations and events: the correlator, however its feeds come, against a
 * second evaluator that keeps every event and looks at all of them each time. */
#include "correlated.h"
#include "event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BASES 3u
#define CORRELATIONS 6u
#define EVENTS 400u
#define GROUPS_MAX 512u
#define ROUNDS 500u
#define SECOND UINT64_C(1000000000)

enum type { COUNT, VALUES, SUM, AVERAGE, PERCENTILE, TEMPORAL, ORDERED, TYPES };
enum bound { GTE, GT, LTE, EQ, LT, NEQ, BOUNDS };

static const char *const type_names[] = {"event_count",      "value_count", "value_sum",       "value_avg",
                                         "value_percentile", "temporal",    "temporal_ordered"};
static const char *const bound_names[] = {"gte", "gt", "lte", "eq", "lt", "neq"};

struct correlation {
    enum type type;
    enum bound bound;
    uint64_t threshold;
    bool has_bound;
    bool is_silent;
    unsigned by; /* 0: nothing, 1: source.ip, 2: that and the name */
    uint64_t span;
    unsigned refs[3]; /* below BASES: a rule; else a correlation before this one */
    unsigned ref_count;
};

struct event {
    uint64_t time;
    uint64_t completed;
    uint64_t order;
    unsigned index;
    unsigned base;
    unsigned ip;
    unsigned name;
    uint64_t bytes;
};

/* One that has come to a group. */
struct member {
    struct event event;
    uint64_t time; /* of the correlation that it stands for */
    unsigned ref;
};

struct group {
    unsigned correlation;
    unsigned ip;
    unsigned name;
    bool is_there;
    bool is_standing;
    bool has_fired;
    uint64_t start;
    uint64_t newest;
    uint64_t latest;
    uint64_t said;
    uint64_t base; /* events at the time it began to stand */
    unsigned count;
    struct member members[EVENTS];
};

static uint32_t seed;
static struct correlation correlations[CORRELATIONS];
static struct event events[EVENTS];
static struct group groups[GROUPS_MAX];
static unsigned group_count;
static uint64_t judged; /* order of the event in hand */
static struct correlated feeds;
static char plain[1 << 20];
static char compiled[1 << 20];
static char *to;

static uint32_t below(uint32_t n)
{
    seed = seed * 1664525u + 1013904223u;
    return (seed >> 8) % n;
}

/* --- making ---------------------------------------------------------------------------- */

static bool is_late(const struct correlation *c)
{
    return c->type == AVERAGE || c->type == PERCENTILE || (c->has_bound && c->bound >= LTE);
}

static void make_correlation(unsigned index, bool has_disorder)
{
    struct correlation *c = &correlations[index];
    *c = (struct correlation){.type = (enum type)below(has_disorder ? ORDERED : TYPES), .by = below(3)};
    c->span = (1 + below(30)) * SECOND;
    c->bound = (enum bound)below(c->type == ORDERED ? LTE : BOUNDS);
    c->has_bound = c->type < TEMPORAL || below(3) == 0;
    c->threshold = 1 + below(4);
    if (c->type >= SUM && c->type <= PERCENTILE)
        c->threshold = 50 + below(200);
    unsigned choices = BASES + index;
    while (c->ref_count < 1 + below(3)) {
        unsigned ref = below(3) == 0 ? below(choices) : below(BASES);
        bool is_double = false;
        for (unsigned i = 0; i < c->ref_count; i++)
            is_double |= c->refs[i] == ref;
        if (!is_double)
            c->refs[c->ref_count++] = ref;
    }
    /* what never holds is refused */
    if (c->type >= TEMPORAL && c->threshold > c->ref_count)
        c->threshold = c->ref_count;
    if (c->type >= TEMPORAL && c->bound == GT && c->threshold == c->ref_count)
        c->threshold--;
    c->threshold += c->bound == LT && c->threshold == 1;
    c->threshold += c->bound == NEQ && c->ref_count == 1;
    for (unsigned i = 0; i < c->ref_count; i++) {
        if (c->refs[i] >= BASES)
            correlations[c->refs[i] - BASES].is_silent = true;
    }
}

static void put(char *text, const char *format, ...) MT_PRINTF(2, 3);

static void put(char *text, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsprintf(text + strlen(text), format, arguments);
    va_end(arguments);
}

static void write_correlation(char *text, unsigned index)
{
    static const char *const by[] = {"", "group-by: [source.ip], ",
                                     "group-by: [source.ip, smtp.helo.name], "};
    const struct correlation *c = &correlations[index];
    put(text, "---\ntitle: c%u\nlevel: high\ncorrelation: {type: %s, %stimespan: %us, rules: [", index,
        type_names[c->type], by[c->by], (unsigned)(c->span / SECOND));
    for (unsigned i = 0; i < c->ref_count; i++)
        put(text, "%s%c%u", i > 0 ? ", " : "", c->refs[i] < BASES ? 'b' : 'c',
            c->refs[i] < BASES ? c->refs[i] : c->refs[i] - BASES);
    put(text, "]");
    if (c->has_bound) {
        put(text, ", condition: {%s: %u", bound_names[c->bound], (unsigned)c->threshold);
        put(text, c->type == VALUES ? ", field: smtp.helo.name" : "");
        put(text, c->type >= SUM && c->type <= PERCENTILE ? ", field: source.bytes" : "");
        put(text, c->type == PERCENTILE ? ", percentile: 75}" : "}");
    }
    put(text, "}\n");
}

static struct mt_sigma *make_rules(bool has_disorder)
{
    static char text[16384];
    const struct mt_sigma_config config = {.evaluators = 1};
    struct mt_sigma *sigma;
    text[0] = '\0';
    for (unsigned i = 0; i < BASES; i++)
        put(text,
            "---\ntitle: b%u\nlogsource: {product: mailtap, service: smtp, category: session}\n"
            "detection: {s: {source.port: %u}, condition: s}\n",
            i, i + 1);
    for (unsigned i = 0; i < CORRELATIONS; i++)
        make_correlation(i, has_disorder);
    for (unsigned i = 0; i < CORRELATIONS; i++)
        write_correlation(text, i);
    assert_int_equal(mt_sigma_load_text(&config, "r.yml", mt_span_cstr(text), &sigma), 0);
    if (mt_sigma_error_count(sigma) > 0)
        fail_msg("%s\n%s", mt_sigma_error(sigma, 0), text);
    return sigma;
}

static int compare_completed(const void *a, const void *b)
{
    const struct event *x = a;
    const struct event *y = b;
    return x->completed < y->completed ? -1 : x->completed > y->completed;
}

/* Sessions end in this order; what they did was up to 15 s before. */
static void make_events(struct mt_sigma *sigma, bool has_disorder)
{
    uint64_t now = CORRELATED_BASE;
    for (unsigned i = 0; i < EVENTS; i++) {
        now += (uint64_t)below(1000) * (below(20) == 0 ? 30000001 : 1000001);
        events[i] = (struct event){.time = now,
                                   .completed = now + (has_disorder ? below(1500) * UINT64_C(10000019) : 0),
                                   .base = below(BASES),
                                   .ip = below(3),
                                   .name = below(3),
                                   .bytes = 1 + below(200)};
    }
    qsort(events, EVENTS, sizeof(*events), compare_completed);
    correlated_start(&feeds);
    for (unsigned i = 0; i < EVENTS; i++) {
        struct event *e = &events[i];
        char fields[256];
        e->index = i;
        e->order = mt_max_u64(e->time, e->completed - MT_SIGMA_REORDER);
        snprintf(fields, sizeof(fields),
                 "source.ip=10.0.0.%u | source.port=%u | source.bytes=%u | smtp.helo.name=n%u", e->ip,
                 e->base + 1, (unsigned)e->bytes, e->name);
        struct mt_record_session *record = event_of(fields);
        record->event_end = e->time;
        correlated_add_at(&feeds, mt_sigma_evaluator(sigma, 0), record, e->completed, i);
    }
}

/* --- the plain evaluator ---------------------------------------------------------------- */

static void say(const struct group *g, const char *level, uint64_t count, uint64_t time)
{
    const struct correlation *c = &correlations[g->correlation];
    if (c->is_silent)
        return;
    to += sprintf(to, "c%u %s %llu %llu", g->correlation, level, (unsigned long long)count,
                  (unsigned long long)(time - CORRELATED_BASE));
    if (c->by > 0)
        to += sprintf(to, " 10.0.0.%u", g->ip);
    if (c->by > 1)
        to += sprintf(to, " n%u", g->name);
    *to++ = '\n';
    *to = '\0';
}

/* Those of a sliding window; of a standing one all since it began. */
static bool is_in(const struct group *g, const struct member *m)
{
    return g->is_standing || g->newest - m->time < correlations[g->correlation].span;
}

static unsigned names_in(const struct group *g)
{
    bool has[3] = {false};
    for (unsigned i = 0; i < g->count; i++)
        has[g->members[i].event.name] |= is_in(g, &g->members[i]);
    return has[0] + has[1] + has[2];
}

static unsigned refs_in(const struct group *g)
{
    bool has[3] = {false};
    for (unsigned i = 0; i < g->count; i++)
        has[g->members[i].ref] |= is_in(g, &g->members[i]);
    return has[0] + has[1] + has[2];
}

static uint64_t events_in(const struct group *g)
{
    uint64_t count = 0;
    for (unsigned i = 0; i < g->count; i++)
        count += is_in(g, &g->members[i]);
    return count;
}

static uint64_t sum_in(const struct group *g)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < g->count; i++)
        sum += is_in(g, &g->members[i]) ? g->members[i].event.bytes : 0;
    return sum;
}

/* The least value that three quarters are not above. */
static uint64_t percentile_in(const struct group *g)
{
    for (uint64_t value = 0;; value++) {
        uint64_t below_it = 0;
        for (unsigned i = 0; i < g->count; i++)
            below_it += g->members[i].event.bytes <= value;
        if (4 * below_it >= 3 * (uint64_t)g->count)
            return value;
    }
}

static bool is_bound(const struct correlation *c, double measure)
{
    double threshold = (double)c->threshold;
    switch (c->bound) {
    case GTE:
        return measure >= threshold;
    case GT:
        return measure > threshold;
    case LTE:
        return measure <= threshold;
    case LT:
        return measure < threshold;
    case NEQ:
        return measure != threshold;
    default:
        return measure == threshold;
    }
}

/* When the youngest chain of refs [0, ref] that ends with the member at the index
 * began; 0: there is none. */
static uint64_t chain_start(const struct group *g, unsigned index, unsigned ref)
{
    const struct member *m = &g->members[index];
    uint64_t best = 0;
    if (m->ref != ref)
        return 0;
    if (ref == 0)
        return m->time;
    for (unsigned i = 0; i < index; i++)
        best = mt_max_u64(best, chain_start(g, i, ref - 1));
    return best;
}

static unsigned chain_needed(const struct correlation *c)
{
    if (!c->has_bound)
        return c->ref_count;
    return (unsigned)c->threshold + (c->bound == GT);
}

static bool is_met(const struct group *g)
{
    const struct correlation *c = &correlations[g->correlation];
    switch (c->type) {
    case COUNT:
        return is_bound(c, (double)events_in(g));
    case VALUES:
        return is_bound(c, names_in(g));
    case SUM:
        return is_bound(c, (double)sum_in(g));
    case AVERAGE:
        return is_bound(c, (double)sum_in(g) / g->count);
    case PERCENTILE:
        return is_bound(c, (double)percentile_in(g));
    case TEMPORAL:
        return c->has_bound ? is_bound(c, refs_in(g)) : refs_in(g) == c->ref_count;
    default:
        break;
    }
    const struct member *last = &g->members[g->count - 1];
    uint64_t start = chain_start(g, g->count - 1, last->ref);
    return start != 0 && last->ref + 1 >= chain_needed(c) && last->time - start < c->span;
}

/* When a sliding window whose condition holds began. */
static uint64_t start_of(const struct group *g)
{
    const struct correlation *c = &correlations[g->correlation];
    uint64_t start = UINT64_MAX;
    uint64_t last[3] = {0};
    if (c->type == ORDERED)
        return chain_start(g, g->count - 1, g->members[g->count - 1].ref);
    for (unsigned i = 0; i < g->count; i++) {
        const struct member *m = &g->members[i];
        unsigned what = c->type == VALUES ? m->event.name : m->ref;
        if (!is_in(g, m))
            continue;
        last[what] = mt_max_u64(last[what], m->time);
        if (c->type == COUNT || c->type == SUM)
            start = mt_min_u64(start, m->time);
    }
    for (unsigned i = 0; i < 3 && (c->type == VALUES || c->type == TEMPORAL); i++)
        start = last[i] ? mt_min_u64(start, last[i]) : start;
    return start;
}

static uint64_t measure_of(const struct group *g)
{
    switch (correlations[g->correlation].type) {
    case VALUES:
        return names_in(g);
    case SUM:
        return sum_in(g);
    default:
        return g->base + g->count;
    }
}

static uint64_t count_of(const struct group *g)
{
    return correlations[g->correlation].type == VALUES ? names_in(g) : g->base + g->count;
}

static void give(unsigned from, const struct event *event, uint64_t time, uint64_t order);

static void end_window(struct group *g)
{
    const struct correlation *c = &correlations[g->correlation];
    struct group was = *g;
    g->is_there = false;
    g->count = 0;
    if (!was.is_standing)
        return;
    if (is_late(c)) {
        if (is_met(&was)) {
            say(&was, "high", count_of(&was), was.start + c->span);
            const struct event *last = &was.members[was.count - 1].event;
            give(BASES + was.correlation, last, was.start + c->span, mt_max_u64(judged, was.start + c->span));
        }
    } else if (was.has_fired && measure_of(&was) > was.said) {
        say(&was, "informational", count_of(&was), was.start + c->span);
    }
}

static uint64_t timer_of(const struct group *g)
{
    uint64_t span = correlations[g->correlation].span;
    return g->is_standing ? mt_max_u64(g->start + span, g->latest) : mt_max_u64(g->newest, g->latest) + span;
}

/* Windows whose time is over, the first one first. */
static void end_windows(uint64_t limit)
{
    for (;;) {
        struct group *first = NULL;
        for (unsigned i = 0; i < group_count; i++) {
            struct group *g = &groups[i];
            if (g->is_there && timer_of(g) < limit && (!first || timer_of(g) < timer_of(first)))
                first = g;
        }
        if (!first)
            return;
        end_window(first);
    }
}

static struct group *find_group(unsigned correlation, const struct event *event)
{
    unsigned by = correlations[correlation].by;
    unsigned ip = by > 0 ? event->ip : 0;
    unsigned name = by > 1 ? event->name : 0;
    for (unsigned i = 0; i < group_count; i++) {
        struct group *g = &groups[i];
        if (g->correlation == correlation && g->ip == ip && g->name == name)
            return g;
    }
    assert_true(group_count < GROUPS_MAX);
    struct group *g = &groups[group_count++];
    g->correlation = correlation;
    g->ip = ip;
    g->name = name;
    g->is_there = false;
    return g;
}

static void begin(struct group *g)
{
    g->is_there = true;
    g->is_standing = false;
    g->has_fired = false;
    g->start = g->newest = g->latest = g->said = g->base = 0;
    g->count = 0;
}

/* What is not in the window is forgotten; of temporal ones only how many rules it was. */
static void stand(struct group *g)
{
    const struct correlation *c = &correlations[g->correlation];
    unsigned kept = 0;
    uint64_t start = start_of(g);
    unsigned refs = refs_in(g);
    unsigned chain = g->members[g->count - 1].ref + 1;
    for (unsigned i = 0; i < g->count; i++) {
        if (is_in(g, &g->members[i]))
            g->members[kept++] = g->members[i];
    }
    g->count = c->type >= TEMPORAL ? 0 : kept;
    g->base = c->type == TEMPORAL ? refs : c->type == ORDERED ? chain : 0;
    g->start = start;
    g->is_standing = true;
}

static void take(unsigned correlation, const struct member *member, uint64_t order)
{
    const struct correlation *c = &correlations[correlation];
    struct group *g = find_group(correlation, &member->event);
    if (g->is_there && g->is_standing && member->time >= g->start + c->span)
        end_window(g);
    if (!g->is_there)
        begin(g);
    if (member->time + c->span <= g->newest)
        return;
    g->latest = mt_max_u64(g->latest, order);
    g->newest = mt_max_u64(g->newest, member->time);
    assert_true(g->count < EVENTS);
    g->members[g->count++] = *member;
    if (is_late(c)) {
        g->start = g->is_standing ? g->start : member->time;
        g->is_standing = true;
        return;
    }
    if (g->has_fired) {
        if (measure_of(g) < 2 * g->said)
            return;
        g->said = measure_of(g);
        say(g, "high", count_of(g), member->event.time);
        return;
    }
    if (!is_met(g))
        return;
    stand(g);
    g->has_fired = true;
    g->said = measure_of(g);
    say(g, "high", count_of(g), member->event.time);
    give(BASES + correlation, &member->event, member->time, order);
}

static void give(unsigned from, const struct event *event, uint64_t time, uint64_t order)
{
    for (unsigned i = 0; i < CORRELATIONS; i++) {
        for (unsigned k = 0; k < correlations[i].ref_count; k++) {
            const struct member member = {.event = *event, .time = time, .ref = k};
            if (correlations[i].refs[k] == from)
                take(i, &member, order);
        }
    }
}

static int compare_orders(const void *a, const void *b)
{
    const struct event *x = a;
    const struct event *y = b;
    if (x->order != y->order)
        return x->order < y->order ? -1 : 1;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static void run_plain(void)
{
    static struct event sorted[EVENTS];
    memcpy(sorted, events, sizeof(sorted));
    qsort(sorted, EVENTS, sizeof(*sorted), compare_orders);
    group_count = 0;
    judged = 0;
    to = plain;
    *to = '\0';
    for (unsigned i = 0; i < EVENTS; i++) {
        end_windows(sorted[i].order);
        judged = sorted[i].order;
        give(sorted[i].base, &sorted[i], sorted[i].time, sorted[i].order);
    }
    end_windows(UINT64_MAX);
}

/* --- the correlator ------------------------------------------------------------------------- */

static void on_alarm(void *ctx, const struct mt_sigma_alarm *alarm)
{
    (void)ctx;
    to += sprintf(to, "%s %s %llu %llu", alarm->rule->name, mt_level_name(alarm->level),
                  (unsigned long long)alarm->count, (unsigned long long)(alarm->time - CORRELATED_BASE));
    for (uint32_t i = 0; i < alarm->key_count; i++)
        to += sprintf(to, " %.*s", (int)alarm->keys[i].value.size, (const char *)alarm->keys[i].value.ptr);
    *to++ = '\n';
    *to = '\0';
}

/* Each worker has its sessions in the order of their ends; which one is next is
 * chance, and so is how often the watermark is told. */
static void run_correlator(const struct mt_sigma *sigma, unsigned workers, char *text)
{
    struct mt_sigma_correlator *c;
    unsigned next[4] = {0};
    uint32_t left = feeds.count;
    to = text;
    *to = '\0';
    assert_int_equal(mt_sigma_correlator_create(sigma, 0, on_alarm, NULL, &c), 0);
    while (left > 0) {
        unsigned w = below(workers);
        uint64_t least = UINT64_MAX;
        while (next[w] < feeds.count && feeds.owner[next[w]] % workers != w)
            next[w]++;
        if (next[w] == feeds.count)
            continue;
        mt_sigma_correlator_feed(c, feeds.feeds[next[w]++]);
        left--;
        for (unsigned i = 0; i < workers; i++) {
            unsigned at = next[i];
            while (at < feeds.count && feeds.owner[at] % workers != i)
                at++;
            least = at < feeds.count ? mt_min_u64(least, feeds.completed[at]) : least;
        }
        if (least != UINT64_MAX && below(3) == 0)
            mt_sigma_correlator_advance(c, least + MT_SIGMA_SLACK);
    }
    mt_sigma_correlator_finish(c);
    assert_int_equal(mt_sigma_correlator_counts(c)->groups, 0);
    assert_int_equal(mt_sigma_correlator_counts(c)->lost, 0);
    mt_sigma_correlator_destroy(c);
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static unsigned sort_lines(char *text, const char **lines)
{
    unsigned count = 0;
    for (char *line; (line = strsep(&text, "\n")) != NULL && *line;)
        lines[count++] = line;
    qsort(lines, count, sizeof(*lines), compare_lines);
    return count;
}

static void the_correlator_agrees_with_a_plain_evaluator_however_feeds_come(void **state)
{
    (void)state;
    static char other[sizeof(compiled)];
    static const char *expected[65536];
    static const char *found[65536];
    unsigned alerts = 0;
    for (unsigned round = 0; round < ROUNDS; round++) {
        seed = round * 7919 + 1;
        bool has_disorder = below(2) == 1;
        struct mt_sigma *sigma = make_rules(has_disorder);
        make_events(sigma, has_disorder);
        run_plain();
        run_correlator(sigma, 1, compiled);
        for (unsigned workers = 2; workers <= 4; workers += 2) {
            run_correlator(sigma, workers, other);
            if (strcmp(compiled, other) != 0)
                fail_msg("round %u: %u workers say something else", round, workers);
        }
        unsigned count = sort_lines(plain, expected);
        unsigned same = sort_lines(compiled, found);
        for (unsigned i = 0; i < count || i < same; i++) {
            if (i >= count || i >= same || strcmp(expected[i], found[i]) != 0)
                fail_msg("round %u, line %u of %u and %u: expected %s, found %s", round, i, count, same,
                         i < count ? expected[i] : "none", i < same ? found[i] : "none");
        }
        alerts += count;
        correlated_free(&feeds);
        mt_sigma_destroy(sigma);
    }
    assert_true(alerts > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_correlator_agrees_with_a_plain_evaluator_however_feeds_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
