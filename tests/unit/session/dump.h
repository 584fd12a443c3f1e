/* Records and observations as text, one field a line, made from the field list.
 * What depends on how bytes were cut into segments (times, packets, bytes on
 * the wire) and what is the same in every test is left out.
 *
 * Ownership: the caller's text. Thread: one. Limits: none.
 */
#ifndef TESTS_SESSION_DUMP_H
#define TESTS_SESSION_DUMP_H

#include "record/observation.h"
#include "record/record.h"
#include "text.h"

void dump_session(struct text *text, const struct mt_record_session *record);
/* One line; session: what is known of it by then. */
void dump_command(struct text *text, const struct mt_record_session *session,
                  const struct mt_record_command *command);
void dump_reply(struct text *text, const struct mt_record_session *session,
                const struct mt_record_reply *reply);
void dump_observation(struct text *text, const struct mt_observation *observation);

#endif
