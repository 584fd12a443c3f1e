/* The list of all fields of a message's header (struct mt_entry_header).
 *
 * Ownership: the session's blocks. Thread: the engine's. Limits: header_max fields of
 * a message, in all half of what a session may keep.
 */
#ifndef MT_SESSION_HEADER_LIST_PRIV_H
#define MT_SESSION_HEADER_LIST_PRIV_H

#include "session/parts_priv.h"

static inline bool mt_header_is_wanted(const struct mt_run *run)
{
    return run->engine->limits.header_max > 0;
}

/* A field of the message's header, or of that of a message in it: part. The session
 * has its extra. */
void mt_header_keep(struct mt_run *run, const struct mt_mime_part *part, struct mt_span name,
                    struct mt_span value, bool is_cut);
/* The message has ended. */
void mt_header_end(struct mt_run *run);

/* "2.1"; parts.c */
void mt_part_put_path(struct mt_buf *b, const struct mt_mime_part *part);

#endif
