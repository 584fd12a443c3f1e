/* A BPF expression, compiled by libpcap for each link type when that turns up.
 *
 * Ownership: the filter owns its programs. Thread: one. Limits:
 * MT_CAPTURE_LINK_TYPES_MAX link types; frames of further ones don't pass.
 */
#ifndef MT_CAPTURE_FILTER_PRIV_H
#define MT_CAPTURE_FILTER_PRIV_H

#include "packet/frame.h"

#define MT_CAPTURE_LINK_TYPES_MAX 64

struct mt_capture_filter;

int mt_capture_filter_create(const char *expression, struct mt_capture_filter **ret_filter);
void mt_capture_filter_destroy(struct mt_capture_filter *filter);

/* NULL when the expression can be used with this link type, or libpcap's words
 * about why not. */
const char *mt_capture_filter_check(struct mt_capture_filter *filter, uint16_t link_type);

bool mt_capture_filter_match(struct mt_capture_filter *filter, const struct mt_frame *frame);

#endif
