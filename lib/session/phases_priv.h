/* Waits that were longer than clients and servers have to bear, and the command that
 * never ended (phases.c).
 *
 * Ownership: an entry of the session, made when there is something to say. Thread: the
 * engine's. Limits: one entry a session.
 */
#ifndef MT_SESSION_PHASES_PRIV_H
#define MT_SESSION_PHASES_PRIV_H

#include "session/session_priv.h"

enum mt_phase {
#define MT_PHASE(name, seconds, text, meaning) MT_PHASE_##name,
#include "record/phases.def"
#undef MT_PHASE
    MT_PHASE_COUNT,
};

struct mt_entry_phases {
    struct mt_entry head;
    uint8_t phases;      /* bit n: enum mt_phase n */
    uint16_t incomplete; /* octets of the last command, which has no end */
} MT_PACKED;
MT_STATIC_ASSERT(MT_PHASE_COUNT <= 8, "one bit each");

/* The shortest of all: below it nothing need be asked. */
#define MT_PHASE_LEAST (120 * MT_SEC)

/* A reply that comes, or at the end of the session does not. */
void mt_phase_wait(struct mt_run *run, const struct mt_expect *expect);
/* Not a packet came for so long, in ns. */
void mt_phase_silence(struct mt_run *run, uint64_t time);
/* The session ends, and nothing of it has been given back yet. */
void mt_phase_close(struct mt_run *run);
const char *mt_phase_name(enum mt_phase phase);

#endif
