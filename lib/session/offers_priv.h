/* The board of offers and its desks.
 *
 * Ownership: the board's. Thread: a desk is its worker's; pages and round are read by all.
 * Limits: session/offers.h.
 */
#ifndef MT_SESSION_OFFERS_PRIV_H
#define MT_SESSION_OFFERS_PRIV_H

#include "base/check.h"
#include "session/offers.h"

#include <stdatomic.h>

#define MT_OFFERS_WAYS 8u
#define MT_OFFERS_SETS (MT_OFFERS_SERVERS / MT_OFFERS_WAYS)
#define MT_OFFERS_PLACES (2 * MT_OFFERS_NOTES)
/* Pages of a desk: one is written, one waits for its round, and two are for whoever is late. */
#define MT_OFFERS_PAGES 4u

/* A server or pair, as a desk knows it. Counts of the half window that last is in, and of the
 * one before. */
struct mt_offers_server {
    uint64_t key; /* 0: nobody */
    uint32_t answers[2];
    uint32_t offered[2];
    uint32_t last;       /* round in which it was noted */
    uint32_t last_offer; /* round in which it offered; 0: none that is known */
};
MT_STATIC_ASSERT(sizeof(struct mt_offers_server) == 32, "eight are four cache lines");

struct mt_offers_note {
    _Atomic uint64_t key;
    _Atomic uint64_t counts; /* answers << 32 | offered */
};

/* What a worker noted in a round. Written by it alone; the others read it when the round is
 * closed, and what they read holds if the round is still the same behind it. */
struct mt_offers_page {
    _Atomic uint64_t round; /* 0: never used */
    _Atomic uint32_t count;
    struct mt_offers_note notes[MT_OFFERS_NOTES];
};

/* Servers, or pairs of client and server: neither takes the room of the other. */
struct mt_offers_book {
    uint32_t pages_used;                 /* so far; the last is being written */
    uint32_t known;                      /* of servers are in use */
    uint16_t place_of[MT_OFFERS_PLACES]; /* index of a note of this round + 1, by key; 0: none */
    struct mt_offers_page pages[MT_OFFERS_PAGES];
    struct mt_offers_server servers[MT_OFFERS_SERVERS];
};

enum {
    MT_OFFERS_BOOK_SERVERS,
    MT_OFFERS_BOOK_PAIRS,
    MT_OFFERS_BOOKS,
};

struct mt_offers {
    struct mt_offers_board *board;
    struct mt_stats *stats;
    _Atomic uint64_t round;              /* that it has come to; 0: none yet */
    uint64_t taken[MT_OFFERS_DESKS_MAX]; /* the last round taken up of each desk */
    struct mt_offers_book books[MT_OFFERS_BOOKS];
};

struct mt_offers_board {
    uint64_t seed;
    uint32_t desk_count;
    uint32_t opened;
    struct mt_offers *desks; /* desk_count of them */
};

#endif
