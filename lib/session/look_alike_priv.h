/* What may pass for the end of content (detections D7), and what stands behind it.
 *
 * Ownership: entries are the session's. Thread: the engine's. Limits: one entry a
 * message, MT_LOOK_ALIKE_WINDOW octets behind the sequence.
 */
#ifndef MT_SESSION_LOOK_ALIKE_PRIV_H
#define MT_SESSION_LOOK_ALIKE_PRIV_H

#include "session/parts_priv.h"

/* A sequence that may pass for the end of content, and the octets behind it. */
#define MT_LOOK_ALIKE_WINDOW 512u
struct mt_entry_look_alike {
    struct mt_entry head;
    uint8_t back;       /* as in RCPT */
    uint8_t look_alike; /* enum mt_smtp_look_alike */
    uint16_t used;      /* of bytes */
    uint64_t off;
    uint8_t gravest; /* told of when none is followed by a command */
    uint64_t gravest_off;
    uint8_t bytes[MT_LOOK_ALIKE_WINDOW];
} MT_PACKED;

void mt_look_alike_take(void *run, enum mt_smtp_look_alike look_alike, uint64_t off);
/* MT_S_LOOK_ALIKE is set: content behind it. */
void mt_look_alike_feed(struct mt_run *run, struct mt_span bytes);
/* The content is over. */
void mt_look_alike_end(struct mt_session *session);
struct mt_span mt_look_alike_follows(const struct mt_entry_look_alike *entry);
/* Of the first line behind it that begins as one; UNKNOWN when none does. */
enum mt_smtp_verb mt_look_alike_command(const struct mt_entry_look_alike *entry);

#endif
