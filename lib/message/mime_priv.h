/* What the files of the parts share.
 *
 * Ownership: the caller's state. Thread: one. Limits: message/mime.h.
 */
#ifndef MT_MESSAGE_MIME_PRIV_H
#define MT_MESSAGE_MIME_PRIV_H

#include "message/mime.h"

enum mt_mime_state {
    MT_MIME_IN_HEADER,
    MT_MIME_IN_BODY, /* of a part */
    MT_MIME_BETWEEN, /* before the first boundary, or behind the last */
};

/* mt_mime.flags */
enum {
    MT_MIME_OF_MESSAGE = 1 << 0,  /* the header is a message's, not a part's */
    MT_MIME_PART_OPEN = 1 << 1,   /* a part was given whose end was not */
    MT_MIME_LAST_EQUALS = 1 << 2, /* quoted-printable: the last octet was '=' */
    MT_MIME_SKIP_LF = 1 << 3,     /* the LF of the empty line may come */
    MT_MIME_IN_LINE = 1 << 4,     /* uuencode: the next octet is no line's first */
};

/* mt_mime.tail: the line end that is held back, since it may be a boundary's. */
enum mt_mime_tail {
    MT_MIME_TAIL_TEXT,
    MT_MIME_TAIL_CR,
    MT_MIME_TAIL_LF,
    MT_MIME_TAIL_CRLF,
    MT_MIME_TAIL_START, /* right behind a header or a boundary: nothing is held */
};

/* Nothing is known of the next part. */
void mt_mime_forget(struct mt_mime *mime);

/* Octets that the lines of bytes decode to, by their first octets. */
uint64_t mt_mime_count_uuencode(struct mt_mime *mime, struct mt_span bytes);

#endif
