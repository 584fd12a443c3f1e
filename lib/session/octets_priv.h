/* Octets: those of lines by phase, those that content should not hold, and chunks.
 *
 * Ownership: the session's. Thread: the engine's. Limits: MT_CHUNKS_MAX a
 * transaction; octets are counted whole.
 */
#ifndef MT_SESSION_OCTETS_PRIV_H
#define MT_SESSION_OCTETS_PRIV_H

#include "session/session_priv.h"

/* --- lines ------------------------------------------------------------------ */

/* mt_session.bytes: above 2^48 octets of lines, commands or replies, in units of
 * one, modulo 65536; how often that came round is counted under MT_KEY_TEXT. */
#define MT_TEXT_SHIFT 48
#define MT_WIRE_MASK ((UINT64_C(1) << MT_TEXT_SHIFT) - 1)

/* The octets of lines came round. */
void mt_text_wrap(struct mt_run *run);
/* Octets of the lines of a side so far. */
uint64_t mt_text_octets(const struct mt_session *session, enum mt_side side);

/* A line of run's side, with its line end; octets < 65536. */
static inline void mt_text_count(struct mt_run *run, uint32_t octets)
{
    uint64_t *bytes = &run->session->bytes[run->side];

    if (MT_UNLIKELY(__builtin_add_overflow(*bytes, (uint64_t)octets << MT_TEXT_SHIFT, bytes)))
        mt_text_wrap(run);
}

/* --- entries ---------------------------------------------------------------- */

/* Octets of both sides' lines before the first content. */
struct mt_entry_opening {
    struct mt_entry head;
    uint32_t text[MT_SIDE_COUNT];
} MT_PACKED;

/* A BDAT command. */
struct mt_entry_chunk {
    struct mt_entry head;
    uint8_t back;  /* as in RCPT */
    uint8_t index; /* in its transaction, from 1 on */
    uint8_t is_last;
    uint16_t code;
    uint64_t size; /* as announced */
} MT_PACKED;

/* What DATA content holds that it should not. */
struct mt_entry_octets {
    struct mt_entry head;
    uint8_t back; /* as in RCPT */
    struct mt_octets sums;
} MT_PACKED;

/* --- chunks ----------------------------------------------------------------- */

/* mt_expect.flags from this bit on: mt_entry_chunk.index. */
#define MT_EXPECT_INDEX_SHIFT 3
#define MT_CHUNKS_MAX 31u

/* A BDAT command; returns its index in the transaction, 0 when it is not kept. */
unsigned mt_content_keep_chunk(struct mt_run *run, const struct mt_smtp_command *command);
void mt_content_answer_chunk(struct mt_run *run, const struct mt_expect *expect, uint16_t code);

#endif
