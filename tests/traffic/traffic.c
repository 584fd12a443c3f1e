#include "traffic.h"

#include "frame.h"
#include "profiles.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define USEC UINT64_C(1000)
#define CONCURRENCY_MAX (16u << 20)
/* A prime above every count of hosts: numbers times it walk through all hosts. */
#define STRIDE UINT64_C(4294967311)

/* A planned session: one block of memory with everything behind it. */
struct session {
    struct mt_plan_link link;
    uint32_t next; /* frame */
    uint32_t frame_count;
    uint32_t part_count[2];
    uint32_t hint[2]; /* the part that the last payload came from */
    bool reuses_tuple;
    struct mt_plan_frame *frames;
    struct mt_plan_part *parts[2];
    uint8_t *text;
};

struct entry {
    uint64_t time;
    uint32_t slot;
};

struct mt_traffic {
    struct mt_traffic_config config;
    const struct mt_profile *profile;
    struct mt_corpus *corpus;
    struct mt_sizes sizes;
    struct mt_plan plan;
    struct mt_truth *truth;
    char *line;
    struct session **sessions; /* by slot */
    struct entry *heap;
    uint32_t heap_size;
    struct mt_random flood;
    bool flood_is_next;
    struct mt_plan_link flood_link;
    uint64_t flood_time;
    int error;
    struct mt_traffic_totals totals;
};

/* --- the heap: earliest first, then lowest slot ---------------------------------- */

static bool is_before(const struct entry *a, const struct entry *b)
{
    return a->time < b->time || (a->time == b->time && a->slot < b->slot);
}

static void heap_push(struct mt_traffic *traffic, struct entry entry)
{
    uint32_t i = traffic->heap_size++;

    for (; i && is_before(&entry, &traffic->heap[(i - 1) / 2]); i = (i - 1) / 2)
        traffic->heap[i] = traffic->heap[(i - 1) / 2];
    traffic->heap[i] = entry;
}

/* The first entry becomes `entry`. */
static void heap_replace(struct mt_traffic *traffic, struct entry entry)
{
    struct entry *heap = traffic->heap;
    uint32_t i = 0;

    for (;;) {
        uint32_t child = 2 * i + 1;

        if (child >= traffic->heap_size)
            break;
        if (child + 1 < traffic->heap_size && is_before(&heap[child + 1], &heap[child]))
            child++;
        if (!is_before(&heap[child], &entry))
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = entry;
}

static void heap_pop(struct mt_traffic *traffic)
{
    traffic->heap_size--;
    if (traffic->heap_size)
        heap_replace(traffic, traffic->heap[traffic->heap_size]);
}

/* --- sessions ----------------------------------------------------------------------- */

static uint64_t hosts_of(const struct mt_traffic_range *range)
{
    unsigned bits = (range->ip.family == 4 ? 32u : 128u) - range->bits;

    if (bits > 32)
        bits = 32;
    /* Without the network's and the broadcast address. */
    return bits ? (UINT64_C(1) << bits) - (bits > 1 ? 2 : 0) : 1;
}

static void put_host(const struct mt_traffic_range *range, uint64_t host, struct mt_plan_ip *ret_ip)
{
    unsigned last = range->ip.family == 4 ? 3 : 15;

    *ret_ip = range->ip;
    for (unsigned i = 0; i < 4; i++, host >>= 8)
        ret_ip->bytes[last - i] |= (uint8_t)host;
}

static void set_link(struct mt_traffic *traffic, struct mt_random *random, uint64_t number)
{
    struct mt_plan_link *link = &traffic->plan.link;
    unsigned six = mt_random_permille(random, traffic->profile->six);
    const struct mt_traffic_range *clients = &traffic->config.clients[six];
    const struct mt_traffic_range *servers = &traffic->config.servers[six];
    uint64_t count = hosts_of(clients);
    uint64_t host = (number % count) * (STRIDE % count) % count;

    memset(link, 0, sizeof(*link));
    link->wrap = traffic->config.wrap;
    put_host(clients, host + (count > 1), &link->ip[MT_PLAN_CLIENT]);
    count = hosts_of(servers);
    put_host(servers, mt_random_below(random, (uint32_t)(count < 4096 ? count : 4096)) + (count > 1),
             &link->ip[MT_PLAN_SERVER]);
    /* A host that comes again comes from its next port. */
    link->port[MT_PLAN_CLIENT] =
        (uint16_t)(1024 + (mt_random_mix(host) % 60000 + number / hosts_of(clients)) % 64000);
    link->port[MT_PLAN_SERVER] = mt_random_permille(random, traffic->profile->submission) ? 587 : 25;
}

static uint32_t server_number(const struct mt_plan_link *link)
{
    const struct mt_plan_ip *ip = &link->ip[MT_PLAN_SERVER];
    unsigned last = ip->family == 4 ? 3 : 15;

    return (uint32_t)ip->bytes[last - 1] << 8 | ip->bytes[last];
}

static size_t round_up(size_t size)
{
    return (size + 7) & ~(size_t)7;
}

static struct session *pack(const struct mt_plan *plan)
{
    size_t frames = plan->frame_count * sizeof(*plan->frames);
    size_t parts[2] = {round_up(plan->part_count[0] * sizeof(struct mt_plan_part)),
                       round_up(plan->part_count[1] * sizeof(struct mt_plan_part))};
    struct session *session = malloc(sizeof(*session) + frames + parts[0] + parts[1] + plan->text_size);
    uint8_t *at = (uint8_t *)(session + 1);

    if (!session)
        return NULL;
    *session = (struct session){
        .link = plan->link,
        .frame_count = plan->frame_count,
        .part_count = {plan->part_count[0], plan->part_count[1]},
    };
    session->frames = (struct mt_plan_frame *)at;
    memcpy(at, plan->frames, frames);
    at += frames;
    for (int side = 0; side < 2; side++) {
        session->parts[side] = (struct mt_plan_part *)at;
        if (plan->part_count[side])
            memcpy(at, plan->parts[side], plan->part_count[side] * sizeof(struct mt_plan_part));
        at += parts[side];
    }
    session->text = at;
    if (plan->text_size)
        memcpy(at, plan->text, plan->text_size);
    return session;
}

static void tell_truth(struct mt_traffic *traffic)
{
    const struct mt_truth *truth = traffic->truth;
    size_t size;

    for (int i = 0; i < MT_TRUTH_RULE_COUNT; i++) {
        traffic->totals.alerts_low[i] += truth->alerts_low[i];
        traffic->totals.alerts_high[i] += truth->alerts_high[i];
    }
    if (!traffic->config.truth)
        return;
    size = mt_truth_line(truth, &traffic->plan, traffic->config.has_site, traffic->line, MT_TRUTH_LINE_MAX);
    if (!size)
        traffic->error = -EOVERFLOW;
    traffic->config.truth(traffic->config.truth_ctx, traffic->line, size);
}

/* Plans the next session into the entry's slot, from its time on; on a
 * four-tuple that was used before when used_link is given. The entry's time
 * becomes that of the first frame to be seen. */
static bool start_session(struct mt_traffic *traffic, struct entry *entry,
                          const struct mt_plan_link *used_link)
{
    uint64_t number = traffic->totals.sessions;
    struct mt_random random;
    struct mt_talk talk = {
        .plan = &traffic->plan,
        .truth = traffic->truth,
        .random = &random,
        .corpus = traffic->corpus,
        .sizes = &traffic->sizes,
        .local_domains = traffic->config.local_domains,
        .has_used_tuple = used_link != NULL,
    };
    struct session *session;
    uint32_t far;

    if (traffic->config.sessions && number == traffic->config.sessions)
        return false;
    traffic->totals.sessions++;
    mt_random_init(&random, traffic->config.seed, number);
    set_link(traffic, &random, number);
    if (used_link)
        traffic->plan.link = *used_link;
    mt_plan_reset(&traffic->plan, &random, entry->time);
    traffic->plan.link.isn[0] = (uint32_t)mt_random_next(&random);
    traffic->plan.link.isn[1] = (uint32_t)mt_random_next(&random);
    far = mt_random_below(&random, 1000);
    traffic->plan.rtt = 300 * USEC + (uint64_t)far * far * 120;
    traffic->plan.think = mt_random_range(&random, 50000, 5000000);
    mt_truth_reset(traffic->truth, number);
    mt_talk_start(&talk, server_number(&traffic->plan.link));
    traffic->profile->converse(&talk);
    tell_truth(traffic);
    session = traffic->plan.failed ? NULL : pack(&traffic->plan);
    if (!session) {
        traffic->error = -ENOMEM;
        return false;
    }
    session->reuses_tuple = talk.reuses_tuple;
    traffic->sessions[entry->slot] = session;
    entry->time = session->frames[0].time;
    return true;
}

/* --- frames ---------------------------------------------------------------------------- */

struct payload_ctx {
    const struct mt_traffic *traffic;
    struct session *session;
};

static void put_payload(void *ctx, const struct mt_plan_frame *frame, uint8_t *ret)
{
    const struct payload_ctx *payload = ctx;
    struct session *session = payload->session;
    const struct mt_plan_part *parts = session->parts[frame->side];
    uint32_t count = session->part_count[frame->side];
    uint32_t off = frame->seq - 1;
    uint32_t left = frame->size;
    uint32_t i = session->hint[frame->side];

    /* Stuffed dots, so that a reader who takes these bytes counts others. */
    if (frame->bits & MT_PLAN_ALTERED) {
        for (uint32_t j = 0; j < left; j++)
            ret[j] = (uint8_t) "\r\n.."[j & 3];
        return;
    }
    while (i && parts[i].off > off)
        i--;
    while (left) {
        uint32_t size = left;
        uint32_t from;

        while (i + 1 < count && parts[i + 1].off <= off)
            i++;
        if (i + 1 < count && parts[i + 1].off - off < left)
            size = parts[i + 1].off - off;
        from = parts[i].from + (off - parts[i].off);
        if (parts[i].ring == MT_PLAN_OWN_TEXT)
            memcpy(ret, session->text + from, size);
        else
            mt_corpus_copy(payload->traffic->corpus, (enum mt_ring)parts[i].ring, from, ret, size);
        ret += size;
        off += size;
        left -= size;
    }
    session->hint[frame->side] = i;
}

/* The slot's session has said everything: the next one takes its place. */
static void next_session(struct mt_traffic *traffic, struct entry entry)
{
    struct session *old = traffic->sessions[entry.slot];
    struct mt_plan_link link = old->link;
    bool reuses_tuple = old->reuses_tuple;

    traffic->sessions[entry.slot] = NULL;
    free(old);
    entry.time += 200 * USEC + mt_random_mix(traffic->totals.sessions) % 2000000;
    if (start_session(traffic, &entry, reuses_tuple ? &link : NULL))
        heap_replace(traffic, entry);
    else
        heap_pop(traffic);
}

size_t mt_traffic_next(struct mt_traffic *traffic, uint8_t ret_frame[MT_TRAFFIC_FRAME_MAX],
                       uint64_t *ret_time)
{
    struct payload_ctx ctx = {.traffic = traffic};
    struct session *session;
    struct entry entry;
    size_t size;

    if (traffic->flood_is_next) {
        traffic->flood_is_next = false;
        size = mt_frame_write_flood(&traffic->flood_link, mt_random_next(&traffic->flood), ret_frame);
        *ret_time = traffic->flood_time;
    } else {
        if (!traffic->heap_size)
            return 0;
        entry = traffic->heap[0];
        session = traffic->sessions[entry.slot];
        ctx.session = session;
        size =
            mt_frame_write(&session->link, &session->frames[session->next++], put_payload, &ctx, ret_frame);
        *ret_time = entry.time;
        if (traffic->profile->has_flood) {
            traffic->flood_is_next = true;
            traffic->flood_link = session->link;
            traffic->flood_time = entry.time;
        }
        if (session->next < session->frame_count) {
            entry.time = session->frames[session->next].time;
            heap_replace(traffic, entry);
        } else {
            next_session(traffic, entry);
        }
    }
    traffic->totals.frames++;
    traffic->totals.bytes += size;
    return size;
}

/* --- the generator ------------------------------------------------------------------------ */

void mt_traffic_config_init(struct mt_traffic_config *config)
{
    *config = (struct mt_traffic_config){
        .profile = "ordinary",
        .sessions = 1000,
        .seed = 1,
        .concurrency = 500,
        .start = UINT64_C(1717401600) * 1000000000,
        .size_cap = 25000000,
        .local_domains = 16,
    };
    mt_traffic_range_parse("198.18.0.0/15", config->clients);
    mt_traffic_range_parse("2001:db8:c::/96", config->clients);
    mt_traffic_range_parse("10.25.0.0/26", config->servers);
    mt_traffic_range_parse("fd25:0:0:1::/122", config->servers);
}

bool mt_traffic_range_parse(const char *text, struct mt_traffic_range ret_ranges[2])
{
    const char *slash = strchr(text, '/');
    char address[64];
    struct mt_traffic_range range = {.bits = 0};
    bool is_six = strchr(text, ':') != NULL;
    unsigned long bits;
    char *end;

    if (!slash || (size_t)(slash - text) >= sizeof(address))
        return false;
    memcpy(address, text, (size_t)(slash - text));
    address[slash - text] = '\0';
    bits = strtoul(slash + 1, &end, 10);
    if (end == slash + 1 || *end || bits > (is_six ? 128 : 32) || bits < (is_six ? 64 : 1))
        return false;
    if (inet_pton(is_six ? AF_INET6 : AF_INET, address, range.ip.bytes) != 1)
        return false;
    range.ip.family = is_six ? 6 : 4;
    range.bits = (uint8_t)bits;
    ret_ranges[is_six] = range;
    return true;
}

static int fill(struct mt_traffic *traffic)
{
    const struct mt_traffic_config *config = &traffic->config;
    uint32_t count = config->concurrency;
    /* The first sessions begin over a second, or 20 us apart when they are many. */
    uint64_t step = count <= 50000 ? UINT64_C(1000000000) / count : 20 * USEC;

    if (config->sessions && config->sessions < count)
        count = (uint32_t)config->sessions;
    for (uint32_t slot = 0; slot < count; slot++) {
        struct entry entry = {.time = config->start + slot * step, .slot = slot};

        if (!start_session(traffic, &entry, NULL))
            return traffic->error;
        heap_push(traffic, entry);
    }
    return 0;
}

int mt_traffic_create(const struct mt_traffic_config *config, struct mt_traffic **ret_traffic)
{
    const struct mt_profile *profile = mt_profile_find(config->profile);
    struct mt_traffic *traffic;
    int error;

    if (!profile)
        return -ENOENT;
    if (!config->concurrency || config->concurrency > CONCURRENCY_MAX || !config->local_domains ||
        config->local_domains > 1000 || config->size_cap < 200)
        return -EINVAL;
    traffic = calloc(1, sizeof(*traffic));
    if (!traffic)
        return -ENOMEM;
    traffic->config = *config;
    traffic->profile = profile;
    traffic->sizes = (struct mt_sizes){.cap = config->size_cap, .mean_cap = config->size_mean_cap};
    traffic->corpus = mt_corpus_create();
    traffic->truth = malloc(sizeof(*traffic->truth));
    traffic->line = malloc(MT_TRUTH_LINE_MAX);
    traffic->sessions = calloc(config->concurrency, sizeof(*traffic->sessions));
    traffic->heap = calloc(config->concurrency, sizeof(*traffic->heap));
    mt_random_init(&traffic->flood, config->seed, ~UINT64_C(0));
    error = -ENOMEM;
    if (traffic->corpus && traffic->truth && traffic->line && traffic->sessions && traffic->heap)
        error = fill(traffic);
    if (error) {
        mt_traffic_destroy(traffic);
        return error;
    }
    *ret_traffic = traffic;
    return 0;
}

void mt_traffic_destroy(struct mt_traffic *traffic)
{
    if (!traffic)
        return;
    for (uint32_t i = 0; traffic->sessions && i < traffic->config.concurrency; i++)
        free(traffic->sessions[i]);
    mt_corpus_destroy(traffic->corpus);
    mt_plan_fini(&traffic->plan);
    free(traffic->truth);
    free(traffic->line);
    free(traffic->sessions);
    free(traffic->heap);
    free(traffic);
}

int mt_traffic_error(const struct mt_traffic *traffic)
{
    return traffic->error;
}

void mt_traffic_totals(const struct mt_traffic *traffic, struct mt_traffic_totals *ret_totals)
{
    *ret_totals = traffic->totals;
}

size_t mt_traffic_site(const struct mt_traffic_config *config, char *ret_text, size_t size)
{
    struct mt_line domain;
    char address[INET6_ADDRSTRLEN];
    size_t used;

    used = (size_t)snprintf(ret_text, size, "home_networks:\n");
    for (int i = 0; i < 2 && used < size; i++) {
        const struct mt_traffic_range *range = &config->servers[i];

        inet_ntop(range->ip.family == 4 ? AF_INET : AF_INET6, range->ip.bytes, address, sizeof(address));
        used += (size_t)snprintf(ret_text + used, size - used, "  - %s/%u\n", address, range->bits);
    }
    if (used < size)
        used += (size_t)snprintf(ret_text + used, size - used, "local_domains:\n");
    for (uint32_t i = 0; i < config->local_domains && used < size; i++) {
        domain.size = 0;
        mt_line_put_domain(&domain, i);
        used += (size_t)snprintf(ret_text + used, size - used, "  - %.*s\n", (int)domain.size, domain.data);
    }
    return used < size ? used : 0;
}

static const struct mt_profile *const profiles[] = {
    &mt_profile_ordinary, &mt_profile_modern,  &mt_profile_spam,
    &mt_profile_probing,  &mt_profile_hostile, &mt_profile_idle,
};

const struct mt_profile *mt_profile_find(const char *name)
{
    for (size_t i = 0; i < sizeof(profiles) / sizeof(profiles[0]); i++)
        if (strcmp(profiles[i]->name, name) == 0)
            return profiles[i];
    return NULL;
}

const char *mt_traffic_profile(unsigned index, const char **ret_meaning)
{
    if (index >= sizeof(profiles) / sizeof(profiles[0]))
        return NULL;
    *ret_meaning = profiles[index]->meaning;
    return profiles[index]->name;
}
