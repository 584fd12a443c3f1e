/* One frame of a plan as bytes: Ethernet, VLAN, IPv4 or IPv6, fragments, TCP,
 * with valid checksums.
 *
 * Ownership: caller's buffers. Thread: any. Limits: MT_TRAFFIC_FRAME_MAX.
 */
#ifndef MT_TRAFFIC_FRAME_H
#define MT_TRAFFIC_FRAME_H

#include "plan.h"

/* Writes the payload of `size` bytes at `ret`. */
typedef void mt_frame_payload(void *ctx, const struct mt_plan_frame *frame, uint8_t *ret);

/* Returns the frame's size. */
size_t mt_frame_write(const struct mt_plan_link *link, const struct mt_plan_frame *frame,
                      mt_frame_payload *payload, void *ctx, uint8_t *ret_bytes);

/* A SYN from a stranger to this session's server. */
size_t mt_frame_write_flood(const struct mt_plan_link *link, uint64_t chance, uint8_t *ret_bytes);

#endif
