/* Records for tests, made of `path=value` texts such as
 *   source.ip=192.0.2.1 | smtp.transactions[0].recipients[1].domain=ours.test
 * and events that are no part of a record: smtp.command.verb=mail
 *
 * Ownership: one record at a time, in static room. Thread: one. Limits: 8 members
 * a list, 64 KiB of texts.
 */
#ifndef MT_TESTS_SIGMA_EVENT_H
#define MT_TESTS_SIGMA_EVENT_H

#include "sigma/events.h"

/* An empty record. */
struct mt_record_session *event_start(void);

/* path as in a rule, each list with [n]; a list of scalars takes one more value. */
void event_set(struct mt_record_session *record, const char *path, struct mt_span value);

/* The command, reply or statistics that were set last with the record. */
struct mt_sigma_event event_single(enum mt_sigma_category category);

/* Of a whole line. \xNN is a byte. */
struct mt_record_session *event_of(const char *line);

#endif
