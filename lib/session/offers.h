/* What servers offered before: of each address and port how many answers to EHLO
 * named STARTTLS, in the last three and a half to seven days of packet time; and of pairs of
 * client and server that used TLS, how many of their sessions did.
 *
 * Workers see different clients of one server, and must know the same. So time has
 * rounds of a minute: a worker notes answers for the others, and takes up what all
 * noted two rounds ago and before, itself included. In a file run nobody is dealt a
 * frame of a round before all have closed the one two before it (mt_offers_has_entered):
 * what a session is told does not depend on the number of workers. Live nobody waits;
 * what a worker closes more than a minute late comes late to the others, and what
 * comes more than four minutes late may be missed.
 *
 * Ownership: the board owns all desks; it outlives their workers. Thread: a desk is its
 * worker's; mt_offers_has_entered may be asked by any. Limits: MT_OFFERS_SERVERS servers,
 * of which the ones noted longest ago give way (session.offers_forgotten); of a round and
 * worker MT_OFFERS_NOTES servers, more are not noted (session.offers_unnoted). As many
 * pairs, in a book of their own (session.tls_pairs_forgotten, session.tls_pairs_unnoted). A desk
 * is 4.8 MiB of address space, touched as it is used.
 */
#ifndef MT_SESSION_OFFERS_H
#define MT_SESSION_OFFERS_H

#include "base/net.h"
#include "stats/stats.h"

#define MT_OFFERS_SERVERS 65536u
#define MT_OFFERS_NOTES 4096u
#define MT_OFFERS_ROUND (60 * UINT64_C(1000000000)) /* ns */
#define MT_OFFERS_DESKS_MAX 64u

struct mt_offers_board;
struct mt_offers; /* a worker's desk */

struct mt_offers_history {
    uint32_t answers; /* to EHLO, positive */
    uint32_t offered; /* of these named STARTTLS */
    uint64_t last;    /* start of the last round with such a one, ns since the epoch; 0: none */
};

/* For so many workers. 0 or -errno. */
int mt_offers_board_create(uint32_t workers, struct mt_offers_board **ret_board);
void mt_offers_board_destroy(struct mt_offers_board *board);

/* Before the threads start; NULL: all are taken. stats: the worker's. */
struct mt_offers *mt_offers_open_desk(struct mt_offers_board *board, struct mt_stats *stats);

/* The round that this time is in, and where the next one begins. */
static inline uint64_t mt_offers_round_of(uint64_t time)
{
    return time / MT_OFFERS_ROUND;
}

static inline uint64_t mt_offers_round_end(uint64_t round)
{
    return (round + 1) * MT_OFFERS_ROUND;
}

/* The worker has come to this round: what it noted before is closed, and what is due of
 * all is taken up. Earlier rounds than the desk's are nothing new. */
void mt_offers_enter(struct mt_offers *offers, uint64_t round);

/* Has the desk come to this round, or a later one? */
bool mt_offers_has_entered(const struct mt_offers *offers, uint64_t round);

/* A server's answer to EHLO. */
void mt_offers_note(struct mt_offers *offers, const struct mt_ip *server, uint16_t port, bool is_offered);

/* What was noted up to two rounds ago; false: nothing. */
bool mt_offers_find(const struct mt_offers *offers, const struct mt_ip *server, uint16_t port,
                    struct mt_offers_history *ret_history);

/* The same of a client with a server: a session with TLS, or (worth while only for a pair that is
 * found) one in clear. In what is found answers are sessions, and offered those with TLS. */
void mt_offers_note_pair(struct mt_offers *offers, const struct mt_ip *client, const struct mt_ip *server,
                         uint16_t port, bool is_tls);
bool mt_offers_find_pair(const struct mt_offers *offers, const struct mt_ip *client,
                         const struct mt_ip *server, uint16_t port, struct mt_offers_history *ret_history);

#endif
