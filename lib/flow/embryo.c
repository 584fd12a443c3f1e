#include "flow/flow_priv.h"

#define EMBRYO_LIFE (5 * MT_SEC)

/* A set of embryos is reached through half a line that says of each a tag, its age
 * and whether it was answered: a look-up costs that, and the embryo's own line when
 * it is there; who gives way is told without touching any, all eight at once. Eight
 * ways, because two would forget handshakes by bad luck while the table is nearly
 * empty (one in five thousand at a load of 1.5 %, seen).
 *
 * An age is a bit for the answer, and 15 bits of time in units of 2^24 ns (17 ms;
 * they come round after nine minutes, when one that was forgotten for so long looks
 * young again, and only gives way later). */
#define AGE_ANSWERED 0x8000
#define AGE_MASK 0x7fff
#define AGE_SHIFT 24
#define AGE_EXPIRED ((EMBRYO_LIFE >> AGE_SHIFT) + 1)

/* The hash is keyed and 64 bits wide: as good a name for the key as any. */
static inline uint64_t fingerprint_of(uint64_t hash)
{
    return hash ? hash : 1;
}

/* Not the bits that choose the set; never 0, which is a free way. */
static inline uint16_t tag_of(uint64_t hash)
{
    uint16_t tag = (uint16_t)(hash >> 48);
    return tag ? tag : 1;
}

static inline uint16_t age_at(uint64_t now)
{
    return (uint16_t)(now >> AGE_SHIFT & AGE_MASK);
}

static inline size_t set_of(const struct mt_flow_table *table, uint64_t hash)
{
    return (size_t)(hash & (table->embryo_set_count - 1));
}

static inline bool is_live(const struct mt_embryo *embryo, uint64_t now)
{
    return embryo->fingerprint != 0 && now <= embryo->time + EMBRYO_LIFE;
}

void mt_embryo_prefetch(struct mt_flow_table *table, uint64_t hash)
{
    MT_PREFETCH(&table->embryo_prints[set_of(table, hash)]);
}

static inline size_t slot_of(const struct mt_flow_table *table, const struct mt_embryo *embryo)
{
    return (size_t)(embryo - table->embryos);
}

static inline struct mt_embryo_prints *prints_of(struct mt_flow_table *table, size_t slot)
{
    return &table->embryo_prints[slot / MT_EMBRYO_WAYS];
}

static void slot_clear(struct mt_flow_table *table, struct mt_embryo *embryo)
{
    size_t slot = slot_of(table, embryo);

    prints_of(table, slot)->tag[slot % MT_EMBRYO_WAYS] = 0;
    embryo->fingerprint = 0;
}

/* --- all ways at once ---------------------------------------------------------- */

/* Who gives way first: a free one; the oldest of those whose time is over; then of
 * those that nobody answered, so that a flood of SYNs pushes out its own; then of
 * all. Of equal ones the first. */
#define RANK_FREE 0x7fff
#define RANK_EXPIRED 0x2000 /* and an age, up to that of two minutes */
#define RANK_UNANSWERED 0x1000
#define RANK_AGE_MAX 0x1fff

#if defined(__SSE2__)

#include <emmintrin.h>

/* Bit 2 * way of each way with this tag. */
static inline unsigned ways_with(const struct mt_embryo_prints *prints, uint16_t tag)
{
    __m128i tags = _mm_load_si128((const __m128i *)(const void *)prints->tag);
    __m128i is_equal = _mm_cmpeq_epi16(tags, _mm_set1_epi16((short)tag));
    return (unsigned)_mm_movemask_epi8(is_equal) & 0x5555;
}

static inline __m128i ranks_of(const struct mt_embryo_prints *prints, uint64_t now)
{
    const __m128i age_mask = _mm_set1_epi16(AGE_MASK);
    __m128i tags = _mm_load_si128((const __m128i *)(const void *)prints->tag);
    __m128i born = _mm_load_si128((const __m128i *)(const void *)prints->age);
    __m128i age = _mm_and_si128(_mm_sub_epi16(_mm_set1_epi16((short)age_at(now)), born), age_mask);
    __m128i is_expired = _mm_cmpgt_epi16(age, _mm_set1_epi16((short)AGE_EXPIRED));
    __m128i is_answered = _mm_srai_epi16(born, 15);
    __m128i is_free = _mm_cmpeq_epi16(tags, _mm_setzero_si128());
    __m128i over =
        _mm_or_si128(_mm_min_epi16(age, _mm_set1_epi16(RANK_AGE_MAX)), _mm_set1_epi16(RANK_EXPIRED));
    __m128i waiting = _mm_or_si128(age, _mm_andnot_si128(is_answered, _mm_set1_epi16(RANK_UNANSWERED)));
    __m128i rank = _mm_or_si128(_mm_and_si128(is_expired, over), _mm_andnot_si128(is_expired, waiting));
    return _mm_or_si128(rank, _mm_and_si128(is_free, _mm_set1_epi16(RANK_FREE)));
}

/* The way to take for a new embryo, and its rank. */
static inline size_t way_for(const struct mt_embryo_prints *prints, uint64_t now, unsigned *ret_rank)
{
    __m128i rank = ranks_of(prints, now);
    __m128i top = _mm_max_epi16(rank, _mm_shuffle_epi32(rank, _MM_SHUFFLE(1, 0, 3, 2)));
    top = _mm_max_epi16(top, _mm_shuffle_epi32(top, _MM_SHUFFLE(2, 3, 0, 1)));
    top = _mm_max_epi16(
        top, _mm_shufflehi_epi16(_mm_shufflelo_epi16(top, _MM_SHUFFLE(2, 3, 0, 1)), _MM_SHUFFLE(2, 3, 0, 1)));
    *ret_rank = (unsigned)_mm_extract_epi16(top, 0);
    return (size_t)__builtin_ctz((unsigned)_mm_movemask_epi8(_mm_cmpeq_epi16(rank, top))) / 2;
}

#else

static inline unsigned ways_with(const struct mt_embryo_prints *prints, uint16_t tag)
{
    unsigned ways = 0;

    for (unsigned way = 0; way < MT_EMBRYO_WAYS; way++)
        ways |= (unsigned)(prints->tag[way] == tag) << (2 * way);
    return ways;
}

static inline unsigned rank_of(const struct mt_embryo_prints *prints, size_t way, uint64_t now)
{
    unsigned age = (unsigned)(age_at(now) - prints->age[way]) & AGE_MASK;

    if (prints->tag[way] == 0)
        return RANK_FREE;
    if (age > AGE_EXPIRED)
        return (age < RANK_AGE_MAX ? age : RANK_AGE_MAX) | RANK_EXPIRED;
    return prints->age[way] & AGE_ANSWERED ? age : age | RANK_UNANSWERED;
}

static inline size_t way_for(const struct mt_embryo_prints *prints, uint64_t now, unsigned *ret_rank)
{
    size_t victim = 0;

    *ret_rank = rank_of(prints, 0, now);
    for (size_t way = 1; way < MT_EMBRYO_WAYS; way++) {
        unsigned rank = rank_of(prints, way, now);
        if (rank > *ret_rank) {
            *ret_rank = rank;
            victim = way;
        }
    }
    return victim;
}

#endif

struct mt_embryo *mt_embryo_find(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash,
                                 uint64_t now)
{
    size_t set = set_of(table, hash);
    unsigned ways = ways_with(&table->embryo_prints[set], tag_of(hash));

    (void)key;
    for (; MT_UNLIKELY(ways != 0); ways &= ways - 1) {
        struct mt_embryo *embryo = &table->embryos[set * MT_EMBRYO_WAYS + (unsigned)__builtin_ctz(ways) / 2];
        if (embryo->fingerprint != fingerprint_of(hash))
            continue;
        if (is_live(embryo, now))
            return embryo;
        mt_stats_add(table->stats, MT_COUNTER_EMBRYOS_EXPIRED, 1);
        slot_clear(table, embryo);
    }
    return NULL;
}

/* --- making and ending ----------------------------------------------------------- */

static struct mt_embryo *slot_for(struct mt_flow_table *table, uint64_t hash, uint64_t now)
{
    size_t set = set_of(table, hash);
    unsigned rank;
    size_t way = way_for(&table->embryo_prints[set], now, &rank);

    while (MT_UNLIKELY(rank < RANK_EXPIRED) && mt_flow_grow_embryos(table)) {
        set = set_of(table, hash);
        way = way_for(&table->embryo_prints[set], now, &rank);
    }
    if (rank < RANK_EXPIRED)
        mt_stats_add(table->stats, MT_COUNTER_EMBRYOS_EVICTED, 1);
    else if (rank < RANK_FREE)
        mt_stats_add(table->stats, MT_COUNTER_EMBRYOS_EXPIRED, 1);
    return &table->embryos[set * MT_EMBRYO_WAYS + way];
}

void mt_embryo_prefetch_slot(struct mt_flow_table *table, uint64_t hash, uint64_t now)
{
    size_t set = set_of(table, hash);
    unsigned rank;
    const struct mt_embryo *slot =
        &table->embryos[set * MT_EMBRYO_WAYS + way_for(&table->embryo_prints[set], now, &rank)];

    MT_PREFETCH(slot);
    MT_PREFETCH((const uint8_t *)(slot + 1) - 1);
}

struct mt_embryo *mt_embryo_add(struct mt_flow_table *table, const struct mt_flow_key *key, uint64_t hash,
                                uint64_t now, bool *ret_new)
{
    struct mt_embryo *embryo = mt_embryo_find(table, key, hash, now);

    if (embryo) {
        *ret_new = false;
        return embryo;
    }
    embryo = slot_for(table, hash, now);
    memset(embryo, 0, sizeof(*embryo));
    embryo->fingerprint = fingerprint_of(hash);
    embryo->time = now;
    size_t slot = slot_of(table, embryo);
    prints_of(table, slot)->tag[slot % MT_EMBRYO_WAYS] = tag_of(hash);
    prints_of(table, slot)->age[slot % MT_EMBRYO_WAYS] = age_at(now);
    *ret_new = true;
    return embryo;
}

void mt_embryo_answered(struct mt_flow_table *table, const struct mt_embryo *embryo)
{
    size_t slot = slot_of(table, embryo);

    prints_of(table, slot)->age[slot % MT_EMBRYO_WAYS] |= AGE_ANSWERED;
}

void mt_embryo_remove(struct mt_flow_table *table, struct mt_embryo *embryo)
{
    slot_clear(table, embryo);
}
