/* Room for the first words of sessions that do not begin like mail. Not in the
 * session's own memory: what a limit leaves of that must not depend on how these
 * words were cut into segments.
 *
 * Ownership: the engine's; a session has its words until it is freed. Thread: the
 * engine's. Limits: MT_OTHERS_MAX sessions at a time, in sets of eight; whoever finds
 * no room is not asked about (dpi.full).
 */
#ifndef MT_SESSION_OTHER_PRIV_H
#define MT_SESSION_OTHER_PRIV_H

#include "dpi/other.h"
#include "session/build_priv.h"

#define MT_OTHERS_MAX 4096u
#define MT_OTHERS_SET 8u

/* What a side said until the other spoke, however it was cut. */
struct mt_piece {
    uint8_t side;
    uint8_t size;
    uint8_t bytes[MT_OTHER_PIECE_MAX];
};
MT_STATIC_ASSERT(MT_OTHER_PIECE_MAX <= UINT8_MAX, "sizes fit");

struct mt_words {
    const struct mt_session *owner; /* NULL: free */
    uint32_t count;
    struct mt_piece pieces[MT_OTHER_PIECES];
};

struct mt_others {
    struct mt_words words[MT_OTHERS_MAX]; /* touched as used */
};

#endif
