/* Encapsulations around the frames of any profile: what a mirror may deliver.
 *
 * Those of the first kind carry a frame and get a link of their own; those of the
 * second stand between the link headers and IP. Outer addresses are the same
 * whichever way a frame goes, as with a mirror's collector.
 *
 * Ownership: plain values. Thread: any. Limits: MT_WRAP_MAX in one another.
 */
#ifndef MT_TRAFFIC_WRAP_H
#define MT_TRAFFIC_WRAP_H

#include "plan.h"

/* "mpls,gre,erspan2", outermost first. */
bool mt_wrap_parse(const char *text, struct mt_wrap *ret_wrap);

/* Name and meaning of the index-th kind; NULL beyond the last. */
const char *mt_wrap_name(unsigned index, const char **ret_meaning);

/* Wraps the frame in place; returns its size, at most MT_WRAP_SIZE_MAX more. */
#define MT_WRAP_SIZE_MAX 512u
size_t mt_wrap_frame(const struct mt_wrap *wrap, uint8_t *frame, size_t size);
uint32_t mt_wrap_overhead(const struct mt_wrap *wrap, uint8_t family);

/* The layers around a frame of this link, VLAN tags too: a JSON array, or nothing. */
size_t mt_wrap_truth(const struct mt_plan_link *link, char *ret_text, size_t size);

#endif
