/* A part's octets to what they encode (RFC 2045 §6), in pieces: base64,
 * quoted-printable and uuencode; anything else stands for itself. Broken input
 * gives what a forgiving reader would show, and a note that it is broken.
 *
 * Ownership: state, input and output are the caller's. Thread: one a state.
 * Limits: none; what lies between pieces is at most MT_DECODE_HELD octets.
 */
#ifndef MT_MESSAGE_DECODE_H
#define MT_MESSAGE_DECODE_H

#include "base/buf.h"
#include "message/mime.h"

/* Blanks at the end of a line of quoted-printable, which may be padding (RFC 2045
 * §6.7 rule 3), kept while a line of 76 could hold them. */
#define MT_DECODE_HELD 76u
/* The least room that mt_decode needs to go on. */
#define MT_DECODE_ROOM 192u

struct mt_decode {
    uint32_t bits; /* of a group that is not whole */
    uint8_t encoding;
    uint8_t count;     /* sextets in bits; quoted-printable: how far an escape has come */
    uint8_t line_left; /* uuencode: octets that the line has yet to give */
    uint8_t state;
    bool is_broken; /* octets that the encoding does not have, or data behind its end */
    bool is_long;   /* quoted-printable: more blanks than are held */
    bool has_begun; /* uuencode */
    uint8_t held_size;
    uint8_t held[MT_DECODE_HELD + 1]; /* and a CR */
};

void mt_decode_start(struct mt_decode *decode, enum mt_mime_encoding encoding);

/* Is there anything to decode? Else octets stand for themselves. */
static inline bool mt_decode_is_needed(const struct mt_decode *decode)
{
    return decode->encoding >= MT_MIME_BASE64 && decode->encoding <= MT_MIME_UUENCODE;
}

/* Decodes as much of bytes as there is room for, at least one octet of it when
 * MT_DECODE_ROOM is free; returns how many it took. */
size_t mt_decode(struct mt_decode *decode, struct mt_span bytes, struct mt_buf *ret_out);

/* The part has ended: what its last octets give. Needs MT_DECODE_ROOM. */
void mt_decode_finish(struct mt_decode *decode, struct mt_buf *ret_out);

#endif
