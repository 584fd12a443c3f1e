/* What the parts of a message hold (body.c), and what that says of their types
 * (part_type.c).
 *
 * Ownership: the tree's, which the session has while a message passes. Thread: the
 * engine's. Limits: those of body.c.
 */
#ifndef MT_SESSION_BODY_PRIV_H
#define MT_SESSION_BODY_PRIV_H

#include "session/parts_priv.h"

/* A part that is kept begins. */
void mt_body_begin(struct mt_run *run, const struct mt_mime_part *part);
/* Its octets, as they stand. */
void mt_body_take(void *run, struct mt_span bytes);
/* It has ended; is_whole: and was seen to its end. ret_decoded: its octets. */
void mt_body_end(struct mt_run *run, bool is_whole, uint64_t *ret_decoded);
/* The part that passes is not kept. */
void mt_body_skip(struct mt_run *run);
/* part_type.c: what the part says that it is, and a type that libmagic gave. */
bool mt_part_type_differs(struct mt_span declared, struct mt_span type);
void mt_body_free(struct mt_session_engine *engine, struct mt_tree *tree);

#endif
