/* event.id: the name of a session in records and alerts, the same for the same
 * connection and first packet in every run.
 *
 * Ownership: the caller's array. Thread: any. Limits: none.
 */
#ifndef MT_BASE_EVENT_ID_H
#define MT_BASE_EVENT_ID_H

#include "base/net.h"

#define MT_EVENT_ID_SIZE 32

/* tuple.src is the client; first is the time of the session's first packet, ns. Hexadecimal
 * digits, without a terminator. */
void mt_event_id(const struct mt_tuple *tuple, uint64_t first, uint8_t ret_id[MT_EVENT_ID_SIZE]);

#endif
