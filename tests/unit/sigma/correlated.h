/* Events through rules and a correlator, as workers and the collector do it.
 *
 * Ownership: static room, one run at a time. Thread: one. Limits: CORRELATED_MAX
 * feeds.
 */
#ifndef MT_TESTS_SIGMA_CORRELATED_H
#define MT_TESTS_SIGMA_CORRELATED_H

#include "sigma/correlate.h"

#define CORRELATED_MAX 20000u
#define CORRELATED_BASE (UINT64_C(1700000000) * 1000000000)

/* Feeds of events, in the order in which they were made. */
struct correlated {
    struct mt_span feeds[CORRELATED_MAX];
    uint64_t completed[CORRELATED_MAX];
    uint32_t owner[CORRELATED_MAX]; /* the session: all its feeds are one worker's */
    uint32_t count;
    bool joins; /* matches on recipients of one transaction, as workers do */
};

void correlated_start(struct correlated *feeds);
/* Events of a record that ended at its event_end. */
void correlated_add(struct correlated *feeds, struct mt_sigma_eval *eval, struct mt_record_session *record);
/* Of a session that was over later, with a number of its own. */
void correlated_add_at(struct correlated *feeds, struct mt_sigma_eval *eval, struct mt_record_session *record,
                       uint64_t completed, uint32_t number);
void correlated_free(struct correlated *feeds);

#endif
