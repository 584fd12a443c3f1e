/* How often each verb and each reply code was seen. Sixteen of them, which
 * nearly every session has, in a byte each; what overflows and what is rare in a
 * short list. */
#include "session/parts_priv.h"

#define FIRST_CAP 8u

/* In order, so that a list of them needs no sorting. */
static const uint16_t common_keys[MT_COMMON_COUNT] = {
    220,
    221,
    250,
    252,
    354,
    550,
    MT_KEY_VERB + MT_VERB_HELO,
    MT_KEY_VERB + MT_VERB_EHLO,
    MT_KEY_VERB + MT_VERB_MAIL,
    MT_KEY_VERB + MT_VERB_RCPT,
    MT_KEY_VERB + MT_VERB_DATA,
    MT_KEY_VERB + MT_VERB_BDAT,
    MT_KEY_VERB + MT_VERB_RSET,
    MT_KEY_VERB + MT_VERB_VRFY,
    MT_KEY_VERB + MT_VERB_QUIT,
    MT_KEY_VERB + MT_VERB_STARTTLS,
};

/* The same the other way round, plus 1; 0: rare. */
static const uint8_t common_places[MT_KEY_COUNT] = {
    [220] = 1,
    [221] = 2,
    [250] = 3,
    [252] = 4,
    [354] = 5,
    [550] = 6,
    [MT_KEY_VERB + MT_VERB_HELO] = 7,
    [MT_KEY_VERB + MT_VERB_EHLO] = 8,
    [MT_KEY_VERB + MT_VERB_MAIL] = 9,
    [MT_KEY_VERB + MT_VERB_RCPT] = 10,
    [MT_KEY_VERB + MT_VERB_DATA] = 11,
    [MT_KEY_VERB + MT_VERB_BDAT] = 12,
    [MT_KEY_VERB + MT_VERB_RSET] = 13,
    [MT_KEY_VERB + MT_VERB_VRFY] = 14,
    [MT_KEY_VERB + MT_VERB_QUIT] = 15,
    [MT_KEY_VERB + MT_VERB_STARTTLS] = 16,
};

static struct mt_count *find(const struct mt_extra *extra, unsigned key)
{
    for (unsigned i = 0; i < extra->counts_used; i++) {
        if (extra->counts[i].key == key)
            return &extra->counts[i];
    }
    return NULL;
}

static bool grow(struct mt_run *run, struct mt_extra *extra)
{
    size_t cap = extra->counts_cap == 0 ? FIRST_CAP : extra->counts_cap * 2u;
    struct mt_count *counts = mt_arena_get(run->engine->arena, cap * sizeof(*counts));

    if (counts == NULL) {
        mt_stats_add(run->engine->stats, MT_COUNTER_MEMORY_REFUSED, 1);
        return false;
    }
    if (extra->counts != NULL) {
        memcpy(counts, extra->counts, extra->counts_used * sizeof(*counts));
        mt_arena_put(run->engine->arena, extra->counts, extra->counts_cap * sizeof(*counts));
    }
    extra->counts = counts;
    extra->counts_cap = (uint16_t)cap;
    return true;
}

/* At most MT_KEY_COUNT keys: a list of 16 KiB, when a server gives a thousand
 * different codes. */
static MT_NOINLINE void count_rare(struct mt_run *run, unsigned key, uint32_t n)
{
    struct mt_extra *extra = mt_extra(run);
    struct mt_count *count = extra == NULL ? NULL : find(extra, key);

    if (count != NULL) {
        if (count->count <= UINT32_MAX - n)
            count->count += n;
        return;
    }
    if (extra == NULL || (extra->counts_used == extra->counts_cap && !grow(run, extra))) {
        mt_cut(run, key >= MT_KEY_VERB ? MT_CUT_COMMANDS : MT_CUT_CODES);
        return;
    }
    extra->counts[extra->counts_used++] = (struct mt_count){.key = (uint16_t)key, .count = n};
}

void mt_tally_count(struct mt_run *run, unsigned key)
{
    unsigned place = common_places[key];

    if (place == 0) {
        count_rare(run, key, 1);
        return;
    }
    MT_CHECK_HOT(common_keys[place - 1] == key);
    uint8_t *common = &run->session->common[place - 1];
    if (*common == UINT8_MAX) {
        count_rare(run, key, UINT8_MAX);
        *common = 0;
    }
    ++*common;
}

void mt_text_wrap(struct mt_run *run)
{
    count_rare(run, MT_KEY_TEXT + run->side, 1);
}

uint64_t mt_text_octets(const struct mt_session *session, enum mt_side side)
{
    const struct mt_count *wraps = session->extra != NULL ? find(session->extra, MT_KEY_TEXT + side) : NULL;

    return (session->bytes[side] >> MT_TEXT_SHIFT) + (wraps != NULL ? (uint64_t)wraps->count << 16 : 0);
}

/* Puts one key's count at its place in a sorted list. */
static size_t insert(struct mt_count *list, size_t size, unsigned key, uint32_t n)
{
    size_t at = size;

    while (at > 0 && list[at - 1].key > key)
        at--;
    if (at > 0 && list[at - 1].key == key) {
        list[at - 1].count += n;
        return size;
    }
    for (size_t i = size; i > at; i--) /* few, or none */
        list[i] = list[i - 1];
    list[at] = (struct mt_count){.key = (uint16_t)key, .count = n};
    return size + 1;
}

size_t mt_tally_list(const struct mt_session *session, struct mt_count *ret_counts)
{
    const struct mt_extra *extra = session->extra;
    size_t size = 0;

    for (unsigned i = 0; i < MT_COMMON_COUNT; i++) {
        if (session->common[i] > 0)
            ret_counts[size++] = (struct mt_count){.key = common_keys[i], .count = session->common[i]};
    }
    for (unsigned i = 0; extra != NULL && i < extra->counts_used; i++) {
        if (extra->counts[i].key >= MT_KEY_TEXT)
            continue;
        size = insert(ret_counts, size, extra->counts[i].key, extra->counts[i].count);
    }
    return size;
}
