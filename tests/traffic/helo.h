/* Greetings as strangers give them, honest and not, with what the tests of
 * forged greetings find in each.
 *
 * Ownership: the caller's talk. Thread: one. Limits: IPv4 clients.
 */
#ifndef MT_TRAFFIC_HELO_H
#define MT_TRAFFIC_HELO_H

#include "talk.h"

/* Replaces the client's name by one that says little good; sets kind, findings,
 * score and alert of the truth. Call before the greeting is said. */
void mt_helo_choose(struct mt_talk *talk);

#endif
