#include "flow/flow_priv.h"

#include "base/check.h"
#include "base/endian.h"

#define KEY_IPV4 UINT64_C(2) /* in the low half of word[1], which no IPv4 tuple fills */
#define KEY_IPV6 UINT64_C(1)

#define LANES UINT64_C(0x0001000100010001)
#define LANE_LOW UINT64_C(0x7fff7fff7fff7fff)

#define VICTIM_SAMPLE 16
#define VICTIM_BUCKETS 64

/* The high bit of every 16-bit lane of word that is zero; exact in all lanes. */
static inline uint64_t lanes_zero(uint64_t word)
{
    return ~(((word & LANE_LOW) + LANE_LOW) | word | LANE_LOW);
}

/* Never 0, which marks a free way. The home bucket comes from the other end of
 * the hash. */
static inline uint16_t tag_of(uint64_t hash)
{
    uint16_t tag = (uint16_t)hash;
    return tag ? tag : 1;
}

static inline uint32_t home_of(const struct mt_flow_table *table, uint64_t hash)
{
    return (uint32_t)(((hash >> 32) * table->bucket_count) >> 32);
}

static inline uint32_t bucket_after(const struct mt_flow_table *table, uint32_t bucket)
{
    return bucket + 1 == table->bucket_count ? 0 : bucket + 1;
}

/* A set of ways is one word, so that walking it takes no branch for the half
 * that a way is in: way w is bit 16 * (w % 4) + 14 + w / 4. */
static inline uint64_t ways_with(const struct mt_flow_bucket *bucket, uint16_t tag)
{
    uint64_t wanted = tag * LANES;
    return lanes_zero(bucket->tags[0] ^ wanted) >> 1 | lanes_zero(bucket->tags[1] ^ wanted);
}

static inline unsigned way_first(uint64_t ways)
{
    unsigned bit = (unsigned)__builtin_ctzll(ways);
    return bit / 16 + (bit & 1) * 4;
}

static inline void way_set(struct mt_flow_bucket *bucket, unsigned way, uint16_t tag, uint32_t line)
{
    unsigned shift = way % 4 * 16;
    uint64_t mask = UINT64_C(0xffff) << shift;

    bucket->tags[way / 4] = (bucket->tags[way / 4] & ~mask) | (uint64_t)tag << shift;
    bucket->line[way] = line;
}

static inline bool is_bucket_used(const struct mt_flow_table *table, uint32_t at)
{
    return (table->buckets_used[at / 64] >> at % 64 & 1) != 0;
}

/* After the bucket has changed. */
static inline void note_use(struct mt_flow_table *table, uint32_t at)
{
    const struct mt_flow_bucket *bucket = &table->buckets[at];
    bool is_used = (bucket->tags[0] | bucket->tags[1] | bucket->passed) != 0;
    uint64_t *word = &table->buckets_used[at / 64];

    *word = (*word & ~(UINT64_C(1) << at % 64)) | (uint64_t)is_used << at % 64;
}

static inline bool key_eq(const struct mt_flow_key *a, const struct mt_flow_key *b)
{
    return ((a->word[0] ^ b->word[0]) | (a->word[1] ^ b->word[1])) == 0;
}

static MT_NOINLINE uint64_t key_of_ipv6(const struct mt_flow_table *table, const struct mt_tuple *tuple,
                                        struct mt_flow_key *ret_key, bool *ret_swapped)
{
    struct {
        uint8_t ip[2][16];
        uint16_t port[2];
    } ends;
    int order = memcmp(tuple->src.bytes, tuple->dst.bytes, 16);
    bool swapped = order > 0 || (order == 0 && tuple->src_port > tuple->dst_port);

    memcpy(ends.ip[swapped], tuple->src.bytes, 16);
    memcpy(ends.ip[!swapped], tuple->dst.bytes, 16);
    ends.port[swapped] = tuple->src_port;
    ends.port[!swapped] = tuple->dst_port;
    struct mt_hash128 digest = mt_hash_bytes128(table->seed, mt_span(&ends, sizeof(ends)));
    ret_key->word[0] = digest.word[0];
    ret_key->word[1] = digest.word[1] | KEY_IPV6;
    *ret_swapped = swapped;
    return mt_hash_pair(table->seed, ret_key->word[0], ret_key->word[1]);
}

uint64_t mt_flow_key_of(const struct mt_flow_table *table, const struct mt_tuple *tuple,
                        struct mt_flow_key *ret_key, bool *ret_swapped)
{
    if (MT_UNLIKELY(tuple->src.family == 6))
        return key_of_ipv6(table, tuple, ret_key, ret_swapped);

    uint64_t src = (uint64_t)mt_load_be32(tuple->src.bytes) << 16 | tuple->src_port;
    uint64_t dst = (uint64_t)mt_load_be32(tuple->dst.bytes) << 16 | tuple->dst_port;
    bool swapped = src > dst;
    uint64_t low = swapped ? dst : src;
    uint64_t high = swapped ? src : dst;

    ret_key->word[0] = (low >> 16) << 32 | high >> 16;
    ret_key->word[1] = low << 48 | (high & 0xffff) << 32 | KEY_IPV4;
    *ret_swapped = swapped;
    return mt_hash_pair(table->seed, ret_key->word[0], ret_key->word[1]);
}

void mt_flow_prefetch_bucket(const struct mt_flow_table *table, uint64_t hash)
{
    uint32_t home = home_of(table, hash);

    if (is_bucket_used(table, home))
        MT_PREFETCH_READ(&table->buckets[home]);
}

/* The first flow with this tag. For one look-up in ten thousand that is another
 * one's: then, and where flows went past the bucket, the whole search has to say. */
struct mt_flow *mt_flow_guess(const struct mt_flow_table *table, uint64_t hash)
{
    uint32_t home = home_of(table, hash);
    if (!is_bucket_used(table, home))
        return NULL;
    const struct mt_flow_bucket *bucket = &table->buckets[home];
    uint64_t ways = ways_with(bucket, tag_of(hash));
    struct mt_flow *guess = NULL;

    if (MT_LIKELY(ways != 0))
        guess = &table->lines[bucket->line[way_first(ways)]];
    else if (MT_UNLIKELY(bucket->passed != 0))
        guess = &table->lines[0]; /* any, since the search will say */
    MT_PREFETCH(guess);
    return guess;
}

struct mt_flow *mt_flow_settle(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash,
                               struct mt_flow *guess)
{
    if (guess == NULL || MT_LIKELY(key_eq(&guess->key, key)))
        return guess;
    return mt_flow_find(table, key, hash);
}

uint32_t mt_flow_added(const struct mt_flow_table *table)
{
    return table->added;
}

struct mt_flow *mt_flow_find(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash)
{
    uint16_t tag = tag_of(hash);
    uint32_t at = home_of(table, hash);

    if (!is_bucket_used(table, at))
        return NULL;
    for (unsigned probe = 0; probe < MT_FLOW_PROBE_MAX; probe++) {
        const struct mt_flow_bucket *bucket = &table->buckets[at];
        for (uint64_t ways = ways_with(bucket, tag); ways; ways &= ways - 1) {
            struct mt_flow *flow = &table->lines[bucket->line[way_first(ways)]];
            if (MT_LIKELY(key_eq(&flow->key, key)))
                return flow;
        }
        if (MT_LIKELY(bucket->passed == 0))
            return NULL;
        at = bucket_after(table, at);
    }
    return NULL;
}

/* Tells every bucket from home up to at, where a flow of home lives, that one
 * more, or one less, went past it. */
static void tell_passed(struct mt_flow_table *table, uint32_t home, uint32_t at, bool is_more)
{
    for (; home != at; home = bucket_after(table, home)) {
        table->buckets[home].passed += is_more ? 1 : UINT32_MAX;
        note_use(table, home);
    }
}

bool mt_flow_index_insert(struct mt_flow_table *table, uint64_t hash, uint32_t line)
{
    uint32_t home = home_of(table, hash);
    uint32_t at = home;

    for (unsigned probe = 0; probe < MT_FLOW_PROBE_MAX; probe++) {
        struct mt_flow_bucket *bucket = &table->buckets[at];
        uint64_t ways = ways_with(bucket, 0);
        if (ways) {
            way_set(bucket, way_first(ways), tag_of(hash), line);
            note_use(table, at);
            tell_passed(table, home, at, true);
            return true;
        }
        at = bucket_after(table, at);
        if (at == home)
            break;
    }
    return false;
}

static void index_remove(struct mt_flow_table *table, uint64_t hash, uint32_t line)
{
    uint32_t home = home_of(table, hash);
    uint32_t at = home;

    for (unsigned probe = 0; probe < MT_FLOW_PROBE_MAX; probe++) {
        struct mt_flow_bucket *bucket = &table->buckets[at];
        for (uint64_t ways = ways_with(bucket, tag_of(hash)); ways; ways &= ways - 1) {
            if (bucket->line[way_first(ways)] != line)
                continue;
            way_set(bucket, way_first(ways), 0, 0);
            note_use(table, at);
            tell_passed(table, home, at, false);
            return;
        }
        at = bucket_after(table, at);
    }
    MT_BUG_ON(true);
}

static uint32_t line_take(struct mt_flow_table *table)
{
    uint32_t line = table->line_free;

    if (line == MT_FLOW_NONE)
        return table->line_high++;
    table->line_free = (uint32_t)table->lines[line].key.word[0];
    return line;
}

static void line_return(struct mt_flow_table *table, uint32_t line)
{
    struct mt_flow *flow = &table->lines[line];

    flow->key.word[0] = table->line_free;
    flow->key.word[1] = 0;
    table->line_free = line;
}

/* Rounded up, so that no flow ends before its time. */
static inline uint16_t timeout_of(uint32_t seconds)
{
    uint64_t ticks = (seconds * MT_SEC + (UINT64_C(1) << 30) - 1) >> 30;
    return (uint16_t)mt_min_u64(ticks, UINT16_MAX);
}

struct mt_flow *mt_flow_add(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash,
                            uint64_t now, uint32_t timeout_seconds)
{
    MT_CHECK_HOT(key->word[1] != 0);
    MT_CHECK_HOT(mt_flow_find(table, key, hash) == NULL);
    if (MT_UNLIKELY(table->count == table->flows_max))
        return NULL;

    uint32_t line = line_take(table);
    struct mt_flow *flow = &table->lines[line];

    if (MT_UNLIKELY(table->count >= table->bucket_count * MT_FLOW_LOAD))
        (void)mt_flow_grow_index(table);
    while (MT_UNLIKELY(!mt_flow_index_insert(table, hash, line))) {
        if (mt_flow_grow_index(table))
            continue;
        line_return(table, line);
        return NULL;
    }
    if (MT_UNLIKELY(table->base == MT_FLOW_NO_BASE))
        /* whole ticks, so that ticks are the same in every worker */
        table->base = now >> MT_FLOW_TICK_SHIFT << MT_FLOW_TICK_SHIFT;
    memset(flow, 0, sizeof(*flow));
    flow->key = *key;
    flow->last_seen = mt_flow_clock(table, now);
    flow->timeout = timeout_of(timeout_seconds);
    mt_flow_wheel_insert(table, flow);
    table->count++;
    table->added++;
    return flow;
}

void mt_flow_remove(struct mt_flow_table *table, struct mt_flow *flow)
{
    MT_BUG_ON(!mt_flow_is_used(flow));
    uint32_t line = mt_flow_number(table, flow);

    index_remove(table, mt_hash_pair(table->seed, flow->key.word[0], flow->key.word[1]), line);
    mt_flow_wheel_unlink(table, flow);
    line_return(table, line);
    table->count--;
}

void mt_flow_touch(struct mt_flow_table *table, struct mt_flow *flow, uint64_t now, uint32_t timeout_seconds)
{
    uint16_t timeout = timeout_of(timeout_seconds);
    bool is_shorter = timeout < flow->timeout;

    flow->last_seen = mt_flow_clock(table, now);
    flow->timeout = timeout;
    if (MT_UNLIKELY(is_shorter)) {
        mt_flow_wheel_unlink(table, flow);
        mt_flow_wheel_insert(table, flow);
    }
}

bool mt_flow_is_expired(const struct mt_flow_table *table, const struct mt_flow *flow, uint64_t now)
{
    return mt_flow_tick(table, now) >= mt_flow_deadline(flow);
}

/* Deadlines are absolute, so which of them is next does not depend on now. */
struct mt_flow *mt_flow_victim(struct mt_flow_table *table, uint64_t hash, uint64_t now)
{
    uint32_t at = home_of(table, hash);
    struct mt_flow *victim = NULL;
    unsigned seen = 0;

    (void)now;
    for (unsigned i = 0; i < VICTIM_BUCKETS && seen < VICTIM_SAMPLE; i++) {
        const struct mt_flow_bucket *bucket = &table->buckets[at];
        for (unsigned way = 0; way < MT_FLOW_WAYS; way++) {
            if ((bucket->tags[way / 4] >> way % 4 * 16 & 0xffff) == 0)
                continue;
            struct mt_flow *flow = &table->lines[bucket->line[way]];
            if (!victim || mt_flow_deadline(flow) < mt_flow_deadline(victim))
                victim = flow;
            seen++;
        }
        at = bucket_after(table, at);
    }
    return victim;
}

struct mt_flow *mt_flow_next(struct mt_flow_table *table, size_t *cursor)
{
    while (*cursor < table->line_high) {
        struct mt_flow *flow = &table->lines[(*cursor)++];
        if (mt_flow_is_used(flow))
            return flow;
    }
    return NULL;
}

size_t mt_flow_count(const struct mt_flow_table *table)
{
    return table->count;
}
