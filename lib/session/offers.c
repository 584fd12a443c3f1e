#include "base/hash.h"
#include "session/offers_priv.h"

#define HALF_WINDOW (7u * 24 * 60 / 2) /* rounds */
/* A round is seen by the others when the one behind it is over too. */
#define DELAY 2u

static const enum mt_counter forgotten[] = {
    [MT_OFFERS_BOOK_SERVERS] = MT_COUNTER_OFFERS_FORGOTTEN,
    [MT_OFFERS_BOOK_PAIRS] = MT_COUNTER_TLS_PAIRS_FORGOTTEN,
};
static const enum mt_counter unnoted[] = {
    [MT_OFFERS_BOOK_SERVERS] = MT_COUNTER_OFFERS_UNNOTED,
    [MT_OFFERS_BOOK_PAIRS] = MT_COUNTER_TLS_PAIRS_UNNOTED,
};

static uint64_t key_of(const struct mt_offers *offers, const struct mt_ip *server, uint16_t port)
{
    uint64_t a, b = 0;

    memcpy(&a, server->bytes, sizeof(a));
    if (server->family == 6)
        memcpy(&b, server->bytes + sizeof(a), sizeof(b));
    uint64_t seed = offers->board->seed;
    uint64_t key = mt_hash_pair(seed, mt_hash_pair(seed, a, b), (uint64_t)port << 8 | server->family);
    return key != 0 ? key : 1;
}

static uint64_t pair_key(const struct mt_offers *offers, const struct mt_ip *client,
                         const struct mt_ip *server, uint16_t port)
{
    uint64_t key = mt_hash_pair(offers->board->seed, key_of(offers, client, 0), key_of(offers, server, port));
    return key != 0 ? key : 1;
}

static uint32_t plus(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/* --- what is known ------------------------------------------------------------- */

static void shift(uint32_t counts[2], uint32_t halves)
{
    counts[1] = halves == 1 ? counts[0] : 0;
    counts[0] = 0;
}

/* Moves its window to a round. */
static void age(struct mt_offers_server *server, uint32_t round)
{
    uint32_t halves = round / HALF_WINDOW - server->last / HALF_WINDOW;

    if (round <= server->last)
        return;
    if (halves > 0) {
        shift(server->answers, halves);
        shift(server->offered, halves);
    }
    server->last = round;
}

/* A server is in either of two sets. The less full one takes it, so that hardly anybody gives
 * way before nearly all places are taken: who does depends on the seed. */
static size_t set_of(uint64_t key, unsigned choice)
{
    return (choice == 0 ? key : key >> 45) % MT_OFFERS_SETS * MT_OFFERS_WAYS;
}

static bool gives_way(const struct mt_offers_server *a, const struct mt_offers_server *b)
{
    return a->last != b->last ? a->last < b->last : a->key < b->key;
}

/* SIZE_MAX: it is in none. */
static size_t index_of(const struct mt_offers_book *book, uint64_t key)
{
    for (unsigned choice = 0; choice < 2; choice++) {
        size_t set = set_of(key, choice);
        for (unsigned i = 0; i < MT_OFFERS_WAYS; i++) {
            if (book->servers[set + i].key == key)
                return set + i;
        }
    }
    return SIZE_MAX;
}

/* A place for one that is in no set: a free one, or that of the one that gives way. */
static struct mt_offers_server *make_room(struct mt_offers *offers, unsigned index, uint64_t key)
{
    struct mt_offers_book *book = &offers->books[index];
    struct mt_offers_server *oldest = &book->servers[set_of(key, 0)];
    struct mt_offers_server *sets[] = {oldest, &book->servers[set_of(key, 1)]};

    for (unsigned i = 0; i < MT_OFFERS_WAYS; i++) {
        for (unsigned choice = 0; choice < 2; choice++) {
            struct mt_offers_server *server = &sets[choice][i];
            if (server->key == 0) {
                book->known++;
                return server;
            }
            if (gives_way(server, oldest))
                oldest = server;
        }
    }
    mt_stats_add(offers->stats, forgotten[index], 1);
    oldest->key = 0;
    return oldest;
}

static void learn(struct mt_offers *offers, unsigned index, uint64_t key, uint64_t counts, uint32_t round)
{
    struct mt_offers_book *book = &offers->books[index];
    size_t at = index_of(book, key);
    struct mt_offers_server *server = at != SIZE_MAX ? &book->servers[at] : make_room(offers, index, key);
    uint32_t offered = (uint32_t)counts;

    if (server->key == 0)
        *server = (struct mt_offers_server){.key = key, .last = round};
    age(server, round);
    /* of two desks one may be late, and tell of the half window before */
    bool is_before = round / HALF_WINDOW < server->last / HALF_WINDOW;
    server->answers[is_before] = plus(server->answers[is_before], (uint32_t)(counts >> 32));
    server->offered[is_before] = plus(server->offered[is_before], offered);
    if (offered > 0 && round > server->last_offer)
        server->last_offer = round;
}

static bool find(const struct mt_offers *offers, const struct mt_offers_book *book, uint64_t key,
                 struct mt_offers_history *ret_history)
{
    uint64_t round = atomic_load_explicit(&offers->round, memory_order_relaxed);
    size_t at = index_of(book, key);

    if (at == SIZE_MAX)
        return false;
    struct mt_offers_server found = book->servers[at];
    age(&found, (uint32_t)round);
    *ret_history = (struct mt_offers_history){
        .answers = plus(found.answers[0], found.answers[1]),
        .offered = plus(found.offered[0], found.offered[1]),
        .last = found.last_offer * MT_OFFERS_ROUND,
    };
    return ret_history->answers > 0;
}

bool mt_offers_find(const struct mt_offers *offers, const struct mt_ip *server, uint16_t port,
                    struct mt_offers_history *ret_history)
{
    return find(offers, &offers->books[MT_OFFERS_BOOK_SERVERS], key_of(offers, server, port), ret_history);
}

bool mt_offers_find_pair(const struct mt_offers *offers, const struct mt_ip *client,
                         const struct mt_ip *server, uint16_t port, struct mt_offers_history *ret_history)
{
    const struct mt_offers_book *book = &offers->books[MT_OFFERS_BOOK_PAIRS];

    return book->known > 0 && find(offers, book, pair_key(offers, client, server, port), ret_history);
}

/* --- rounds ---------------------------------------------------------------------- */

/* Torn by its writer, who was too late to be waited for: what was read of it is used
 * up to there. */
static void take_page(struct mt_offers *offers, unsigned index, struct mt_offers_page *page, uint64_t round)
{
    uint32_t count = atomic_load_explicit(&page->count, memory_order_relaxed);

    for (uint32_t i = 0; i < count && i < MT_OFFERS_NOTES; i++) {
        uint64_t key = atomic_load_explicit(&page->notes[i].key, memory_order_relaxed);
        uint64_t counts = atomic_load_explicit(&page->notes[i].counts, memory_order_relaxed);
        atomic_thread_fence(memory_order_acquire);
        if (atomic_load_explicit(&page->round, memory_order_relaxed) != round)
            return;
        learn(offers, index, key, counts, (uint32_t)round);
    }
}

/* Of a desk, what it noted behind round from, up to round until. */
static void take_book(struct mt_offers *offers, unsigned index, struct mt_offers_book *book, uint64_t from,
                      uint64_t until)
{
    /* pages are few and in no order of their own */
    for (;;) {
        struct mt_offers_page *next = NULL;
        uint64_t next_round = until + 1;
        for (unsigned i = 0; i < MT_OFFERS_PAGES; i++) {
            uint64_t round = atomic_load_explicit(&book->pages[i].round, memory_order_acquire);
            if (round > from && round < next_round) {
                next = &book->pages[i];
                next_round = round;
            }
        }
        if (next == NULL)
            return;
        take_page(offers, index, next, next_round);
        from = next_round;
    }
}

static void take_desk(struct mt_offers *offers, uint32_t index, uint64_t due)
{
    struct mt_offers *desk = &offers->board->desks[index];
    uint64_t entered = atomic_load_explicit(&desk->round, memory_order_acquire);
    uint64_t until = entered == 0 || entered - 1 > due ? due : entered - 1;

    if (until <= offers->taken[index])
        return;
    for (unsigned book = 0; book < MT_OFFERS_BOOKS; book++)
        take_book(offers, book, &desk->books[book], offers->taken[index], until);
    offers->taken[index] = until;
}

void mt_offers_enter(struct mt_offers *offers, uint64_t round)
{
    uint64_t before = atomic_load_explicit(&offers->round, memory_order_relaxed);

    if (round <= before || round > UINT32_MAX)
        return;
    for (unsigned i = 0; i < MT_OFFERS_BOOKS; i++) {
        if (offers->books[i].pages_used > 0)
            memset(offers->books[i].place_of, 0, sizeof(offers->books[i].place_of));
    }
    atomic_store_explicit(&offers->round, round, memory_order_release);
    if (round < DELAY)
        return;
    for (uint32_t i = 0; i < offers->board->opened; i++)
        take_desk(offers, i, round - DELAY);
}

bool mt_offers_has_entered(const struct mt_offers *offers, uint64_t round)
{
    return atomic_load_explicit(&offers->round, memory_order_acquire) >= round;
}

/* --- noting ------------------------------------------------------------------------ */

/* The page of this round. */
static struct mt_offers_page *page_of(struct mt_offers_book *book, uint64_t round)
{
    struct mt_offers_page *page = &book->pages[book->pages_used % MT_OFFERS_PAGES];

    if (atomic_load_explicit(&page->round, memory_order_relaxed) == round)
        return page;
    page = &book->pages[++book->pages_used % MT_OFFERS_PAGES];
    atomic_store_explicit(&page->round, round, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    atomic_store_explicit(&page->count, 0, memory_order_relaxed);
    return page;
}

/* The note of a key, or a new one; NULL: there are too many. */
static struct mt_offers_note *note_of(struct mt_offers_book *book, struct mt_offers_page *page, uint64_t key)
{
    uint32_t count = atomic_load_explicit(&page->count, memory_order_relaxed);
    uint32_t place = (uint32_t)(key >> 32) % MT_OFFERS_PLACES;

    while (book->place_of[place] != 0) {
        struct mt_offers_note *note = &page->notes[book->place_of[place] - 1];
        if (atomic_load_explicit(&note->key, memory_order_relaxed) == key)
            return note;
        place = (place + 1) % MT_OFFERS_PLACES;
    }
    if (count == MT_OFFERS_NOTES)
        return NULL;
    struct mt_offers_note *note = &page->notes[count];
    atomic_store_explicit(&note->key, key, memory_order_relaxed);
    atomic_store_explicit(&note->counts, 0, memory_order_relaxed);
    atomic_store_explicit(&page->count, count + 1, memory_order_relaxed);
    book->place_of[place] = (uint16_t)(count + 1);
    return note;
}

static void note(struct mt_offers *offers, unsigned index, uint64_t key, bool is_offered)
{
    struct mt_offers_book *book = &offers->books[index];
    uint64_t round = atomic_load_explicit(&offers->round, memory_order_relaxed);

    if (round == 0)
        return; /* time has not begun: nobody has come to a round */
    struct mt_offers_note *note = note_of(book, page_of(book, round), key);
    if (note == NULL) {
        mt_stats_add(offers->stats, unnoted[index], 1);
        return;
    }
    uint64_t counts = atomic_load_explicit(&note->counts, memory_order_relaxed);
    if (counts >> 32 < UINT32_MAX)
        counts += (UINT64_C(1) << 32) + is_offered;
    atomic_store_explicit(&note->counts, counts, memory_order_relaxed);
}

void mt_offers_note(struct mt_offers *offers, const struct mt_ip *server, uint16_t port, bool is_offered)
{
    note(offers, MT_OFFERS_BOOK_SERVERS, key_of(offers, server, port), is_offered);
}

void mt_offers_note_pair(struct mt_offers *offers, const struct mt_ip *client, const struct mt_ip *server,
                         uint16_t port, bool is_tls)
{
    note(offers, MT_OFFERS_BOOK_PAIRS, pair_key(offers, client, server, port), is_tls);
}
