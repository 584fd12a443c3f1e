/* Times as mail and records write them.
 *
 * Ownership: caller's buffers. Thread: any. Limits: years 1970 to 9999.
 */
#ifndef MT_TRAFFIC_CALENDAR_H
#define MT_TRAFFIC_CALENDAR_H

#include <stddef.h>
#include <stdint.h>

/* "2024-06-03T08:00:00.000000000Z"; ret_text holds 31 bytes. */
void mt_calendar_rfc3339(uint64_t time, char *ret_text);

/* "Mon, 03 Jun 2024 08:00:00 +0000"; ret_text holds 32 bytes. */
void mt_calendar_rfc5322(uint64_t time, char *ret_text);

#endif
