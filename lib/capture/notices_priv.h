/* What is to be said once per link type, with the number of frames that it
 * concerns: link types that packet decoding does not know, and those that the
 * filter can't be used with.
 *
 * Ownership: paths are borrowed. Thread: one. Limits: MT_CAPTURE_LINK_TYPES_MAX
 * link types; further ones are counted together.
 */
#ifndef MT_CAPTURE_NOTICES_PRIV_H
#define MT_CAPTURE_NOTICES_PRIV_H

#include "capture/damage_priv.h"
#include "capture/filter_priv.h"

struct mt_capture_notice {
    uint16_t link_type;
    const char *path; /* where the link type was first seen */
    uint64_t frames;
};

struct mt_capture_notices {
    size_t count;
    struct mt_capture_notice notice[MT_CAPTURE_LINK_TYPES_MAX];
    struct mt_capture_notice others;
};

void mt_capture_notices_count(struct mt_capture_notices *notices, uint16_t link_type, const char *path);

/* "link type N (name) is not supported: M frames skipped" */
void mt_capture_notices_tell_unsupported(const struct mt_capture_notices *notices,
                                         struct mt_capture_damage_list *damage);
void mt_capture_notices_tell_unfiltered(const struct mt_capture_notices *notices,
                                        struct mt_capture_filter *filter,
                                        struct mt_capture_damage_list *damage);

#endif
