/* Commands and replies for whoever asks for them, where run->engine->wants says so.
 *
 * Ownership: everything is borrowed for the call. Thread: the engine's. Limits:
 * 700 octets of the text of a reply of several lines.
 */
#ifndef MT_SESSION_EVENTS_PRIV_H
#define MT_SESSION_EVENTS_PRIV_H

#include "session/session_priv.h"

/* A command, before it is done. */
void mt_event_command(struct mt_run *run, const struct mt_smtp_command *command);
/* A line of a reply; a whole reply to expect, or NULL. */
void mt_event_line(struct mt_run *run, const struct mt_smtp_reply_line *line);
void mt_event_reply(struct mt_run *run, const struct mt_expect *expect,
                    const struct mt_smtp_reply_line *line);

/* us since what it answers was sent; 0: not known. latency.c */
uint64_t mt_latency_of(const struct mt_run *run, const struct mt_expect *expect);

#endif
