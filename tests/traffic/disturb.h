/* What a network and a tap do to a connection, with effects that are well
 * defined: the truth stays exact, or says what is open.
 *
 * Ownership: the caller's talk. Thread: one. Limits: the handshake and the last
 * four frames are left alone, so that a connection begins and ends as planned.
 */
#ifndef MT_TRAFFIC_DISTURB_H
#define MT_TRAFFIC_DISTURB_H

#include "talk.h"

/* Frames that never arrive: an ACK is simply not there; a command or reply
 * comes twice (it was lost behind the tap and sent again); content comes late
 * or, where the bytes may miss, never. */
void mt_disturb_lose(struct mt_talk *talk, uint32_t permille);

/* Neighbours change places, also, rarely, a command and its reply. */
void mt_disturb_reorder(struct mt_talk *talk, uint32_t permille);

/* Segments come twice. */
void mt_disturb_duplicate(struct mt_talk *talk, uint32_t permille);

/* Segments begin with bytes that were sent before. */
void mt_disturb_overlap(struct mt_talk *talk, uint32_t permille);

/* One segment comes early, then again with other bytes, then what was before
 * it: the first bytes win, and the conflict can be seen. False when there is
 * no pair of segments for it. */
bool mt_disturb_conflict(struct mt_talk *talk);

/* Datagrams of more than 100 bytes come in two or three fragments, sometimes
 * last first. */
void mt_disturb_fragment(struct mt_talk *talk, uint32_t permille);

/* A command or reply is missing for good. */
void mt_disturb_lose_command(struct mt_talk *talk);

/* Only one side's frames are seen. */
void mt_disturb_hide(struct mt_talk *talk, enum mt_plan_side side);

/* The capture starts in the middle of the connection. */
void mt_disturb_join_late(struct mt_talk *talk);

#endif
